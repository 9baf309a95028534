//! Both desks of a request come to hold the proof of every record about it, and anybody checks one
//! from its file and the genesis.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::net::{self, Dev, QUESTION, desk, relay_client, run, until_up};

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&run(&[arguments, &["--json"]].concat())).unwrap()
}

/// Runs `detente verify proof`, which must fail with exit code 3 and these words.
fn refused(file: &Path, genesis: &str, words: &[&str]) {
    let file = file.to_str().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_detente"))
        .args(["verify", "proof", file, "--genesis", genesis])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_party_verifies_an_exported_proof_from_the_file_alone() {
    let dev = Dev::new(&["NL", "RO"]);
    let mut relay = dev.start_relay();
    until_up(&relay_client(&dev, "NL"), &mut relay).await;
    let _agents = [dev.start_agent("NL"), dev.start_agent("RO")];
    let config = |member: &str| dev.made.desk_configs[&desk(member)].to_str().unwrap().to_owned();
    let (nl, ro) = (config("NL"), config("RO"));
    let socket = dev.desk_config("NL").counter.socket;
    let started = Instant::now();
    net::until("the agent is up", || socket.exists()).await;
    let sent = json(&[&["desk", "send", "--config", &nl], &QUESTION[..]].concat());
    let id = sent["request_id"].as_str().unwrap();

    // The request, the offer and the receipt, at both desks.
    for config in [&nl, &ro] {
        let directory = tempfile::tempdir().unwrap();
        let to = directory.path().join("proofs");
        let list = loop {
            assert!(started.elapsed() < Duration::from_secs(120), "proofs are missing");
            tokio::time::sleep(Duration::from_millis(200)).await;
            let inbox = json(&["desk", "inbox", "--config", config]);
            if !inbox.to_string().contains(id) {
                continue;
            }
            let to = to.to_str().unwrap();
            let list = json(&["desk", "proofs", id, "-o", to, "--config", config]);
            if list["files"].as_array().unwrap().len() >= 3 && list["missing"] == 0 {
                break list;
            }
        };
        for file in list["files"].as_array().unwrap() {
            check(file.as_str().unwrap(), dev.made.genesis.to_str().unwrap());
        }
    }
}

/// Holds as it is, and for nobody who changes it or has another genesis.
fn check(file: &str, genesis: &str) {
    let holds = json(&["verify", "proof", file, "--genesis", genesis]);
    assert_eq!((&holds["holds"], &holds["origin"]), (&true.into(), &"detente-test/traffic".into()));
    let text = std::fs::read_to_string(file).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let changed = directory.path().join("changed");
    let change = |from: &str, to: &str, words: &[&str]| {
        std::fs::write(&changed, net::edit_first(&text, from, to)).unwrap();
        refused(&changed, genesis, words);
    };
    change("tlog-proof@v1", "tlog-proof@v2", &["C-415", "first line"]);
    change("detente-test/traffic\n", "detente-test/directory\n", &["C-415", "signed"]);
    let index = holds["index"].as_u64().unwrap();
    let [old, new] = [index, index + 1].map(|index| format!("index {index}\n"));
    change(&old, &new, &["C-415", "leaf"]);
    change("extra ", "extra AAAA", &["C-415", "root"]);
    let other = Dev::new(&["NL", "RO"]);
    refused(Path::new(file), other.made.genesis.to_str().unwrap(), &["C-415", "signed"]);
}
