//! A desk in Python that shares no code with ours, against the real relay and the real agent of
//! another desk: both ways.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use detente::units::Timestamp;
use serde_json::Value;

use super::net::{self, Dev, Process, desk, relay_client, run, until_up};

/// The interpreter that `tests/all` has prepared.
fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python3")
}

/// Runs the example as the duty officer of a desk.
fn example(config: &str, command: &[&str]) -> Output {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples/python/desk.py");
    Command::new(python())
        .arg("-B")
        .arg(program)
        .args(["--config", config, "--officer", "duty"])
        .args(command)
        .output()
        .unwrap()
}

fn done(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&run(&[arguments, &["--json"]].concat())).unwrap()
}

/// Waits until the newest request of an inbox stands so.
fn until(config: &str, direction: &str, axis: &str, wanted: &str) {
    let started = Instant::now();
    loop {
        let inbox = json(&["desk", "inbox", direction, "--config", config]);
        if inbox["requests"][0][axis] == wanted {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{axis} is not {wanted}: {inbox}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What RO asks NL.
const QUESTION: &[&str] = &[
    "--to",
    "NL/cyber",
    "--type",
    "LEGAL_INFORMATION",
    "--instrument",
    "BUDAPEST",
    "--reference",
    "RO-7",
    "--authority-organisation",
    "Unit",
    "--authority-email",
    "duty@desk.example",
    "--subject",
    "Logs",
    "--question",
    "How long?",
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Python with grpcio and cryptography, which tests/all installs"]
async fn a_desk_in_python_sends_and_answers() {
    let dev = Dev::new(&["NL", "RO"]);
    let mut relay = dev.start_relay();
    until_up(&relay_client(&dev, "NL"), &mut relay).await;
    // RO has our agent, NL has none: Python speaks for it.
    let agent = dev.start_agent("RO");
    let config = |member: &str| dev.made.desk_configs[&desk(member)].to_str().unwrap().to_owned();
    let (nl, ro) = (config("NL"), config("RO"));

    let sent = done(&example(&nl, &["send", "--to", "RO/cyber"]));
    until(&ro, "--in", "transport", "DELIVERY");
    let id = sent["request_id"].as_str().unwrap();
    let officer = ["--config", &ro, "--officer", "duty"];
    let shown = run(&[&["desk", "show", id][..], &officer].concat());
    for words in ["PY-2026-1", "198.51.100.23", "Illegal access"] {
        assert!(shown.contains(words), "{words} is not in\n{shown}\n{}", agent.tail());
    }

    run(&[&["desk", "send"][..], &officer, QUESTION].concat());
    let answered = done(&example(&nl, &["answer"]));
    assert_eq!((&answered["from"], &answered["reference"]), (&"RO/cyber".into(), &"RO-7".into()));
    until(&ro, "--out", "handling", "ACKNOWLEDGED");
    until(&ro, "--out", "transport", "RETRIEVAL");
    let id = answered["request_id"].as_str().unwrap();
    let shown = run(&[&["desk", "show", id][..], &officer].concat());
    assert!(shown.contains("report by e-mail"), "{shown}");

    // What is not the pinned genesis is not believed.
    let other = std::fs::read_to_string(&nl).unwrap();
    let other: String = other
        .lines()
        .map(|line| match line.strip_prefix("genesis_sha256") {
            Some(_) => format!("genesis_sha256 = {:?}\n", "0".repeat(64)),
            None => format!("{line}\n"),
        })
        .collect();
    let beside = Path::new(&nl).with_file_name("other.toml");
    std::fs::write(&beside, other).unwrap();
    let refused = example(beside.to_str().unwrap(), &["send", "--to", "RO/cyber"]);
    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("not genuine: the genesis has hash"), "{said}");
}

/// Desks that joined later, officers and keys that came later, on both sides.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Python with grpcio and cryptography, which tests/all installs"]
async fn a_desk_in_python_goes_by_the_entries_of_the_directory() {
    let dev = Dev::new(&["NL", "RO"]);
    let mut relay = dev.start_relay();
    until_up(&relay_client(&dev, "NL"), &mut relay).await;
    let config = |member: &str| dev.made.desk_configs[&desk(member)].to_str().unwrap().to_owned();
    let (nl, ro) = (config("NL"), config("RO"));

    // RO gets one more desk, NL another encryption key, its own agent down again after that.
    let ro_agent = dev.start_agent("RO");
    let port = dev.relay_config().listen.desks.port().to_string();
    let joining = made(&dev, &["desk"], "RO/cert", &["--port", &port]);
    publish(&dev, "RO", |text| text + &joining);
    let cert = Path::new(&ro).parent().unwrap().with_file_name("cert").join("desk.toml");
    let cert = cert.to_str().unwrap().to_owned();
    let cert_agent = Process::start(&["desk", "--config", &cert], &dev.path().join("cert.log"));
    let nl_agent = dev.start_agent("NL");
    let key = made(&dev, &["encryption-key"], "NL/cyber", &[]);
    let file = key.lines().next().unwrap().rsplit('/').next().unwrap().to_owned();
    let bare: String =
        key.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    publish(&dev, "NL", |text| {
        let (head, rest) = text.split_once("[[desk.encryption_key]]").unwrap();
        // From now on the new one is the one that is valid longest.
        let soon = Timestamp((net::now().0 / 1_000 + 86_400) * 1_000);
        let until = rest.lines().find(|line| line.starts_with("until = ")).unwrap();
        let rest = net::edit_first(rest, until, &format!("until = \"{soon}\""));
        format!("{head}{bare}\n[[desk.encryption_key]]{rest}")
    });
    nl_agent.kill();
    let named = format!("[\"{file}\", \"encryption.key\"]");
    net::edit_file(Path::new(&nl), &[("[\"encryption.key\"]", &named)]);

    let sent = done(&example(&nl, &["send", "--to", "RO/cert"]));
    until(&cert, "--in", "transport", "DELIVERY");
    let officer = ["--config", &cert, "--officer", "duty"];
    let shown =
        run(&[&["desk", "show", sent["request_id"].as_str().unwrap()], &officer[..]].concat());
    assert!(shown.contains("PY-2026-1"), "{shown}\n{}", cert_agent.tail());
    run(&[&["desk", "send"][..], &officer, QUESTION].concat());
    let answered = done(&example(&nl, &["answer"]));
    assert_eq!((&answered["from"], &answered["reference"]), (&"RO/cert".into(), &"RO-7".into()));
    until(&cert, "--out", "handling", "ACKNOWLEDGED");
    drop(ro_agent);
}

/// What `detente pki` prints when it makes something for a desk.
fn made(dev: &Dev, what: &[&str], whose: &str, rest: &[&str]) -> String {
    let directory = dev.made.directory.to_str().unwrap();
    run(&[&["pki"], what, &[directory, whose], rest].concat())
}

/// Publishes a member's entry, changed, over its agent.
fn publish(dev: &Dev, member: &str, change: impl Fn(String) -> String) {
    let home = dev.made.directory.join("members").join(member.to_lowercase());
    let file = dev.path().join(format!("{member}.toml"));
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let config = path(&dev.made.desk_configs[&desk(member)]);
    let entry = path(&file);
    let directory = ["desk", "directory"];
    let to = ["--config", &config];
    until_done(&[&directory[..], &["edit", "--output", &entry], &to].concat());
    std::fs::write(&file, change(std::fs::read_to_string(&file).unwrap())).unwrap();
    let (key, unlock) = (path(&home.join("national.key")), path(&home.join("unlock")));
    let signing = ["--key", &key, "--unlock", &unlock, "--yes"];
    until_done(&[&directory[..], &["publish", &entry], &signing, &to].concat());
}

/// Runs a command until it succeeds: the agent may not be up, or connected, yet.
fn until_done(arguments: &[&str]) {
    let started = Instant::now();
    loop {
        let output = Command::new(env!("CARGO_BIN_EXE_detente")).args(arguments).output().unwrap();
        if output.status.success() {
            return;
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(started.elapsed() < Duration::from_secs(60), "{arguments:?}: {said}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
