//! New keys, officers and desks over the real programs: made by `detente pki`, published in the
//! nation's entry, taken up by the agent.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::directory_agents::Lab;
use crate::net::{self, Process};

/// An officer of `from` asks the desk `to`; answers the request's id.
pub(crate) fn ask(lab: &Lab, from: &str, to: &str) -> String {
    let arguments = [
        "send",
        "--to",
        to,
        "--type",
        "LEGAL_INFORMATION",
        "--instrument",
        "G7_2417",
        "--officer",
        "duty",
        "--authority-organisation",
        "Unit",
        "--authority-email",
        "a@b.example",
        "--subject",
        "Logs",
        "--question",
        "How long?",
    ];
    let sent = lab.until(from, &arguments, |_| true);
    sent["request_id"].as_str().unwrap().to_owned()
}

/// An officer of `at` opens a request, which must show its form, and acknowledges it; the desk
/// `from` then sees it acknowledged.
pub(crate) fn answer(lab: &Lab, at: &str, officer: &str, from: &str, id: &str) {
    let shown = lab.until(at, &["show", id, "--officer", officer], |told| {
        told.to_string().contains("How long?")
    });
    assert!(shown.to_string().contains(id), "{shown}");
    let ack = ["ack", id, "--officer", officer, "--will", "yes", "--form", "letter", "--by", "+8h"];
    lab.until(at, &ack, |_| true);
    lab.until(from, &["show", id, "--officer", "duty"], |told| {
        let told = told.to_string();
        told.contains("ACKNOWLEDGED") && told.contains("letter")
    });
}

/// The entry of NL as it stands, in a file, with changes made to it and something added.
pub(crate) fn edited(lab: &Lab, name: &str, change: impl Fn(String) -> String) -> PathBuf {
    let file = lab.dev.path().join(name);
    lab.until("NL", &["directory", "edit", "--output", file.to_str().unwrap()], |_| true);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, change(text)).unwrap();
    file
}

pub(crate) fn connected(lab: &Lab, whose: &str) {
    lab.until(whose, &["status"], |told| told["connected"] == true);
}

#[tokio::test]
async fn a_desk_that_joins_by_an_entry_receives_and_answers() {
    let lab = Lab::new(&["NL", "RO"], &["NL", "RO"]).await;
    connected(&lab, "NL");
    let directory = lab.dev.made.directory.to_str().unwrap().to_owned();
    let port = lab.dev.relay_config().listen.desks.port().to_string();
    let part = net::run(&["pki", "desk", &directory, "NL/cert", "--port", &port]);
    let home = lab.home("NL").join("cert");
    let config = home.join("desk.toml");
    let start = |log: &str| {
        let config = config.to_str().unwrap();
        Process::start(&["desk", "--config", config], &lab.dev.path().join(log))
    };
    // Before the entry: nobody knows it, and it says so.
    let mut early = start("early.log");
    assert!(!early.wait(Duration::from_secs(60)).success());
    let said = early.log();
    assert!(said.contains("the directory has no desk NL/cert"), "{said}");
    assert!(said.contains("publish an entry with it"), "{said}");

    let file = edited(&lab, "with-cert.toml", |text| text + &part);
    assert_eq!(lab.publish("NL", &file)["version"], 1);
    let _agent = start("cert.log");
    connected(&lab, "NL/cert");
    let id = ask(&lab, "RO", "NL/cert");
    answer(&lab, "NL/cert", "duty", "RO", &id);
    // It asks, too, and is found by everybody.
    let id = ask(&lab, "NL/cert", "RO/cyber");
    answer(&lab, "RO", "duty", "NL/cert", &id);
    let found = lab.until("RO", &["directory", "list"], |_| true).to_string();
    assert!(found.contains("NL/cert"), "{found}");
    // Made twice it would lose its keys.
    let again = std::process::Command::new(env!("CARGO_BIN_EXE_detente"))
        .args(["pki", "desk", &directory, "NL/cert"])
        .output()
        .unwrap();
    assert!(!again.status.success());
}

/// A file's path as desk.toml has it, relative to it.
fn made(text: &str) -> String {
    let path = text.lines().find_map(|line| line.strip_prefix("# made ")).unwrap();
    let name = path.rsplit('/').next().unwrap();
    if path.contains("/officers/") { format!("officers/{name}") } else { name.to_owned() }
}

#[tokio::test]
async fn new_keys_and_an_officer_are_taken_up_without_a_restart() {
    let lab = Lab::new(&["NL", "RO"], &["NL", "RO"]).await;
    connected(&lab, "NL");
    let directory = lab.dev.made.directory.to_str().unwrap().to_owned();
    let officer = net::run(&["pki", "officer-key", &directory, "NL/cyber", "jansen"]);
    let sealing = net::run(&["pki", "encryption-key", &directory, "NL/cyber"]);
    let machine = net::run(&["pki", "desk-key", &directory, "NL/cyber"]);
    let key = machine.lines().last().unwrap();

    // What is not published yet is not taken up.
    let path = lab.home("NL").join("cyber").join("desk.toml");
    let desk = format!("\"{}\"", made(&machine));
    let encryption = format!("[\"{}\", \"encryption.key\"]", made(&sealing));
    let jansen = format!("[[officer]]\nname = \"jansen\"\nkey = \"{}\"\n\n[store]", made(&officer));
    let edits = [
        ("\"desk.key\"", desk.as_str()),
        ("[\"encryption.key\"]", &encryption),
        ("[store]", &jansen),
    ];
    net::edit_file(&path, &edits);
    hang_up(&lab, "keys and officers kept as they were").await;

    // The old encryption key ends tomorrow, so that the new one is the one that is valid longest.
    let tomorrow = net::now().plus_ms(detente::units::DAY_MS);
    let tomorrow = detente::units::Timestamp(tomorrow.0 / 1_000 * 1_000).to_string();
    let file = edited(&lab, "rotated.toml", |text| {
        let (head, rest) = text.split_once("[[desk.encryption_key]]").unwrap();
        let until = rest.lines().find(|line| line.starts_with("until = ")).unwrap();
        let rest = net::edit_first(rest, until, &format!("until = \"{tomorrow}\""));
        let old = head.lines().find(|line| line.starts_with("key = ")).unwrap();
        let head = net::edit_first(head, old, key);
        let (sealing, officer) = (bare(&sealing), bare(&officer));
        format!("{head}{sealing}\n{officer}\n[[desk.encryption_key]]{rest}")
    });
    assert_eq!(lab.publish("NL", &file)["version"], 1);
    lab.until("RO", &["directory", "show", "NL"], |told| told["version"] == 1);
    // With the old keys, what comes now is neither receipted nor opened: it waits for the reload.
    let id = ask(&lab, "RO", "NL/cyber");
    hang_up(&lab, "keys and officers loaded").await;
    answer(&lab, "NL", "jansen", "RO", &id);
    let retrieved = |told: &Value| told.to_string().contains("RETRIEVAL");
    lab.until("RO", &["show", &id, "--officer", "duty"], retrieved);
}

/// The lines that are no comments.
pub(crate) fn bare(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.join("\n")
}

/// Sends SIGHUP to the agent of NL until its log says this.
pub(crate) async fn hang_up(lab: &Lab, words: &str) {
    let started = std::time::Instant::now();
    while started.elapsed() < net::PATIENCE {
        lab.agent("NL").signal("HUP");
        tokio::time::sleep(Duration::from_millis(100)).await;
        if lab.agent("NL").log().contains(words) {
            return;
        }
    }
    panic!("{words:?} is not in {}", lab.agent("NL").tail());
}
