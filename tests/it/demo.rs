//! The demo: its story ends as it should, over real TLS and disk, and the commands that it prints
//! work as printed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

#[test]
fn the_story_ends_as_expected_and_says_so_for_programs() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("demo");
    let output = Command::new(env!("CARGO_BIN_EXE_detente"))
        .args(["demo", "--once", "--json", "--directory"])
        .arg(&directory)
        .output()
        .unwrap();
    let timeline = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{timeline}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["ok"], true, "{summary}");

    let requests = summary["requests"].as_array().unwrap();
    let ends: Vec<[&str; 4]> = requests
        .iter()
        .map(|request| {
            ["transport", "handling", "measure", "follow_up"]
                .map(|axis| request[axis].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        ends,
        [
            ["RETRIEVAL", "CLOSED", "HELD_FOR_MLA", "MLA_RECEIVED"],
            ["RETRIEVAL", "EXECUTED", "PRESERVED", "MLA_INTENDED"],
            ["RETRIEVAL", "EXECUTED", "PRESERVED", "MLA_INTENDED"],
            ["RETRIEVAL", "EXECUTED", "PRESERVED", "MLA_INTENDED"],
            ["RETRIEVAL", "CLOSED", "NONE", "NONE"],
            ["RETRIEVAL", "CLOSED", "NONE", "MLA_INTENDED"],
            ["RETRIEVAL", "CLOSED", "NONE", "MLA_INTENDED"],
            ["RETRIEVAL", "WITHDRAWN", "NONE", "MLA_INTENDED"],
            ["RETRIEVAL", "NEW", "NONE", "NONE"],
        ]
    );
    let acknowledgements = summary["acknowledgements"].as_array().unwrap();
    assert_eq!(acknowledgements.len(), 8);
    assert!(acknowledgements.iter().all(|one| one["response_ms"].as_i64().unwrap() >= 0));
    assert!(summary["records"].as_u64().unwrap() > 100);

    // It lies on disk, and it is whole.
    let journal = directory.join("relay/data/journal");
    let verified = Command::new(env!("CARGO_BIN_EXE_detente"))
        .args(["verify", "--journal"])
        .arg(&journal)
        .output()
        .unwrap();
    assert!(verified.status.success());
}

#[test]
fn the_printed_commands_work_as_printed() {
    let parent = tempfile::tempdir().unwrap();
    let mut demo = Running::start(parent.path());
    let printed = demo.read_until("Stop with Ctrl-C.");
    let commands = commands_in(&printed);
    let [follow, send, acknowledge] = commands.as_slice() else {
        panic!("three commands were to be printed: {printed}")
    };

    shell(send);
    shell(acknowledge);
    // Following has no end of its own.
    let followed = Command::new("sh")
        .args(["-c", &format!("timeout 60 {follow} | grep -m1 LEGAL_INFORMATION")])
        .output()
        .unwrap();
    let seen = String::from_utf8(followed.stdout).unwrap();
    assert!(seen.contains("LEGAL_INFORMATION"), "{seen}");
    demo.stop();
}

#[test]
fn what_pki_prints_is_quoted_where_a_shell_needs_it() {
    let parent = tempfile::tempdir().unwrap();
    for (name, word) in [("my net", "'my net/relay/relay.toml'"), ("net", "net/relay/relay.toml")] {
        let output = Command::new(env!("CARGO_BIN_EXE_detente"))
            .args(["pki", "init", name, "--member", "NL", "--member", "RO"])
            .current_dir(parent.path())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(&format!(" --config {word}\n")), "{said}");
    }
}

#[test]
fn a_demo_that_cannot_begin_says_why_once_and_what_to_do() {
    let output = Command::new(env!("CARGO_BIN_EXE_detente"))
        .args(["demo", "--once"])
        .env("TMPDIR", "/proc")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("/proc/detente-demo-").count(), 1, "{said}");
    assert_eq!(said.matches("os error").count(), 1, "{said}");
    assert!(said.contains("next:  name an empty directory") && !said.contains("above"), "{said}");
}

/// Runs a printed command, which must succeed.
fn shell(command: &str) {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command}\n{text}");
}

/// The commands among what was printed: indented, perhaps over several lines.
fn commands_in(printed: &str) -> Vec<String> {
    let joined = printed.replace("\\\n", " ");
    let program = env!("CARGO_BIN_EXE_detente");
    joined
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with(program))
        .map(str::to_owned)
        .collect()
}

/// A demo that stays up.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn start(parent: &std::path::Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_detente"))
            .args(["demo", "--directory"])
            .arg(parent.join("it's a demo"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn read_until(&mut self, last: &str) -> String {
        let mut printed = String::new();
        for line in self.lines.by_ref().map_while(Result::ok) {
            printed.push_str(&line);
            printed.push('\n');
            if line.contains(last) {
                return printed;
            }
        }
        panic!("the demo ended early: {printed}");
    }

    /// SIGTERM ends it in good order.
    fn stop(&mut self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(id, Signal::TERM).unwrap();
        let started = std::time::Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < Duration::from_secs(60), "the demo does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
    }
}
