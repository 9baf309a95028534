//! What is shipped beside the program fits it: units, alert rules, completions, manual pages.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use clap::Parser as _;
use detente::cli::Arguments;

use crate::net::{self, Dev, until_up};

const UNITS: [(&str, &str); 3] = [
    ("relay.service", include_str!("../../deploy/relay.service")),
    ("desk.service", include_str!("../../deploy/desk.service")),
    ("relay-backup.service", include_str!("../../deploy/relay-backup.service")),
];
const ALERTS: &str = include_str!("../../deploy/alerts.yml");
const RUNBOOK: &str = include_str!("../../deploy/README.md");

#[test]
fn units_start_what_there_is() {
    for (name, unit) in UNITS {
        let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let command = start.split("/usr/local/bin/").nth(1).unwrap();
        // The backup's name is made by the shell.
        let command = command.replace("\"/var/backups", "NAME -- ");
        let command = command.split(" -- ").next().unwrap();
        let words: Vec<&str> = command.split_whitespace().collect();
        assert!(Arguments::try_parse_from(words).is_ok(), "{name}: {start}");
        assert!(unit.contains("UMask=0077") && unit.contains("NoNewPrivileges=yes"), "{name}");
    }
}

#[test]
#[ignore = "needs systemd-analyze"]
fn units_are_exposed_little() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/");
    for (name, _) in UNITS {
        // The threshold is in tenths: 15 is an exposure of 1.5, "OK".
        let output = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", "--threshold=15"])
            .arg(format!("{directory}{name}"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{name}: {said}");
        assert!(said.contains("Overall exposure level"), "{name}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_ask_for_metrics_that_there_are_and_the_runbook_knows_each() {
    let dev = Dev::new(&["NL", "RO"]);
    let mut relay = dev.start_relay();
    until_up(&net::relay_client(&dev, "NL"), &mut relay).await;
    let desk = &dev.made.desk_configs[&net::desk("NL")];
    let text = std::fs::read_to_string(desk).unwrap();
    let metrics = format!("127.0.0.1:{}", net::free_ports());
    let text = if text.contains("[listen]") {
        text
    } else {
        format!("{text}\n[listen]\nmetrics = \"{metrics}\"\n")
    };
    std::fs::write(desk, text).unwrap();
    let agent = dev.start_agent("NL");
    let desk_metrics = dev.desk_config("NL").listen.metrics.unwrap();
    let mut given = names(&scraped(dev.relay_config().listen.metrics.unwrap()).await);
    given.extend(names(&scraped(desk_metrics).await));
    drop(agent);

    let asked = names(ALERTS);
    assert!(asked.len() >= 8, "{asked:?}");
    // A gauge without members has no line yet, but is described.
    let missing: Vec<_> = asked.difference(&given).collect();
    assert!(missing.is_empty(), "nobody gives {missing:?} of {given:?}");
    for alert in ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let known = RUNBOOK.contains(alert) || alert == "DetenteRevocationListPast";
        assert!(known, "the runbook does not know {alert}");
    }
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = detente(&["completions", shell]);
        assert!(script.status.success());
        let script = String::from_utf8(script.stdout).unwrap();
        for word in ["restore", "doctor", "reconcile", "give-up-records"] {
            assert!(script.contains(word), "{shell} does not complete {word}");
        }
    }
    let bash = detente(&["completions", "bash"]).stdout;
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("detente.bash");
    std::fs::write(&script, bash).unwrap();
    let checked = Command::new("bash").arg("-n").arg(&script).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let pages = directory.path().join("man1");
    let arguments = ["man", "--dir", pages.to_str().unwrap()];
    assert_eq!(detente(&arguments).status.code(), Some(1));
    std::fs::create_dir(&pages).unwrap();
    assert!(detente(&arguments).status.success());
    for page in ["detente.1", "detente-relay.1", "detente-restore.1", "detente-desk-ack.1"] {
        let text = std::fs::read_to_string(pages.join(page)).unwrap();
        assert!(text.contains(".TH detente") && text.contains(".SH SYNOPSIS"), "{page}: {text}");
    }
    let restore = std::fs::read_to_string(pages.join("detente-restore.1")).unwrap();
    assert!(restore.contains("gone for good"), "{restore}");
}

fn detente(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_detente")).args(arguments).output().unwrap()
}

/// The names of our metrics in a text, without what histograms and OpenMetrics add.
fn names(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c: char| !is_word(c))
        .filter(|word| word.starts_with("detente_"))
        .map(|word| word.trim_end_matches("_total").to_owned())
        .collect()
}

async fn scraped(address: std::net::SocketAddr) -> String {
    String::from_utf8(crate::leaks::figures(address).await).unwrap()
}
