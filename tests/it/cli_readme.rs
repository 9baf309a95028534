//! The README's first steps are run as printed, and the program keeps its promises to scripts.

use std::path::Path;
use std::process::{Command, Output};

use super::net::{self, free_ports};

const README: &str = include_str!("../../README.md");
const PROGRAM: &str = env!("CARGO_BIN_EXE_detente");

/// Every command, as typed before `--help`.
const COMMANDS: &[&str] = &[
    "",
    "relay",
    "desk",
    "demo",
    "verify",
    "verify log",
    "verify checkpoint",
    "verify proof",
    "verify bundle",
    "verify fork",
    "rebuild",
    "operator",
    "operator status",
    "operator confirm-clock",
    "operator erase",
    "backup",
    "restore",
    "doctor",
    "completions",
    "man",
    "config",
    "config check",
    "config print-defaults",
    "pki",
    "genesis",
    "desk send",
    "desk form",
    "desk inbox",
    "desk show",
    "desk ack",
    "desk estimate",
    "desk clarify",
    "desk determine",
    "desk executed",
    "desk extend",
    "desk withdraw",
    "desk close",
    "desk mla",
    "desk directory",
    "desk directory call",
    "desk directory list",
    "desk directory search",
    "desk directory show",
    "desk directory edit",
    "desk directory publish",
    "desk status",
    "desk settle",
    "desk times",
    "desk overdue",
    "operator times",
    "operator overdue",
    "operator requests",
    "desk reconcile",
    "desk proofs",
    "desk received",
    "desk evidence",
];

#[test]
fn every_command_explains_itself() {
    for &command in COMMANDS {
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        arguments.push("--help");
        let help = detente(&arguments);
        assert!(help.status.success(), "{command}");
        let text = String::from_utf8(help.stdout).unwrap();
        assert!(text.contains("Usage: detente"), "{command}: {text}");
        assert!(text.contains("Example") || ["pki", "genesis"].contains(&command), "{command}");
    }
}

#[test]
fn exit_codes_and_codes_of_errors_are_for_scripts() {
    let cases: [(&[&str], i32, &str); 14] = [
        (&["desk", "nonsense"], 2, "C-209"),
        (&["relay"], 2, "C-209"),
        (&["desk"], 2, "C-201"),
        (&["desk", "inbox"], 2, "C-204"),
        (&["desk", "inbox", "--socket", "/nowhere/agent.sock"], 1, "C-301"),
        (&["relay", "--config", "/nowhere/relay.toml"], 2, "C-101"),
        (&["desk", "--config", "/nowhere/desk.toml"], 2, "C-101"),
        (&["verify", "--journal", "/nowhere/journal"], 1, "C-404"),
        (&["desk", "send", "--to", "ro/cyber"], 2, "C-209"),
        (&["genesis", "hash", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")], 3, "C-704"),
        (&["operator", "times"], 2, "C-207"),
        (&["operator", "times", "--from", "yesterday"], 2, "C-209"),
        (&["operator", "overdue", "--config", "/nowhere/relay.toml"], 2, "C-101"),
        (&["operator", "status", "--address", "127.0.0.1:1"], 1, "C-311"),
    ];
    for (arguments, exit, code) in cases {
        let output = detente(arguments);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}: messages are not data");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(code), "{arguments:?}: {said}");
        if !code.is_empty() {
            let json = detente(&[arguments, &["--json"]].concat()).stderr;
            let error: serde_json::Value = serde_json::from_slice(&json).unwrap();
            assert_eq!(error["error"]["code"], code);
            assert_eq!(error["error"]["exit"], exit);
        }
    }
}

#[test]
fn a_bad_configuration_is_refused_at_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("relay.toml");
    let sample = include_str!("../../deploy/relay.toml");
    let sample = net::edit(sample, "operator =", "opreator =");
    std::fs::write(&file, sample).unwrap();
    let output = detente(&["relay", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("[C-102]") && said.contains("line 15, column 1"), "{said}");
    assert!(said.contains("listen.opreator") && said.contains("next:"), "{said}");
}

#[test]
fn the_first_steps_of_the_readme_are_run_as_printed() {
    let steps = README.split("## First steps by hand").nth(1).unwrap();
    let steps = steps.split("\n## ").next().unwrap();
    let blocks: Vec<&str> = steps.split("```").skip(1).step_by(2).collect();
    let [network, question, answer] = blocks.as_slice() else {
        panic!("{} blocks", blocks.len());
    };
    let directory = README.split("## The directory").nth(1).unwrap();
    let directory = directory.split("```").nth(1).unwrap();
    let port = free_ports();
    let evidence = README.split("## Evidence").nth(1).unwrap().split("```").nth(1).unwrap();
    let network: String = network
        .lines()
        .filter(|line| !line.starts_with("cargo build") && !line.starts_with("export PATH"))
        .map(|line| line.replace("pki init net", &format!("pki init net --port {port}")) + "\n")
        .collect();
    // What people do between the commands: they wait until they see something.
    let script = format!(
        "set -euo pipefail\n\
         trap 'kill $(jobs -p); wait' EXIT\n\
         until_() {{ for i in $(seq 600); do if \"$@\" >/dev/null 2>&1; then return; fi; \
         sleep 0.1; done; echo \"waited in vain: $*\"; exit 1; }}\n\
         connected() {{ detente desk status --json --socket net/members/$1/cyber/agent.sock \
         | grep '\"connected\": true'; }}\n\
         {network}\n\
         until_ connected nl\nuntil_ connected ro\n\
         {question}\n\
         arrived() {{ detente desk inbox --in --json --socket net/members/ro/cyber/agent.sock \
         | grep DELIVERY; }}\n\
         until_ arrived\n\
         {answer}\n\
         {directory}\n\
         export DETENTE_SOCKET=net/members/ro/cyber/agent.sock\n\
         until_ detente desk evidence \"$id\" -o first.zip --force\n\
         {evidence}\n"
    );
    let place = tempfile::tempdir().unwrap();
    let output = bash(&script, place.path());
    let (data, said) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{data}\n{said}");
    assert_eq!(data.matches("recorded as record").count(), 5, "{data}\n{said}");
    assert!(data.contains("How long do your providers keep access logs?"), "{data}");
    assert!(data.contains("version 1 of RO: published as record"), "{data}\n{said}");
    assert!(data.contains("version 1 of NL"), "the own entry can be edited: {data}");
    assert!(data.contains("everything holds: ") && data.contains("; body disclosed"), "{data}");
}

fn detente(arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(arguments)
        .env_remove("DETENTE_SOCKET")
        .env_remove("DETENTE_OFFICER")
        .output()
        .unwrap()
}

fn bash(script: &str, directory: &Path) -> Output {
    let programs = Path::new(PROGRAM).parent().unwrap().display();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    Command::new("bash")
        .args(["-c", script])
        .current_dir(directory)
        .env("PATH", path)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
