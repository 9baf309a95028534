//! A body is erased on the operator's order: recorded first, then zeroed, told to both desks, and
//! still so after a crash. The real programs.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use detente::journal::{Body, FileJournal, Journal as _, Options, Stored};
use detente::units::Index;
use serde_json::Value;

use crate::net::{self, Dev, Process, Speaker, until_up};

fn detente(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_detente")).args(arguments).output().unwrap()
}

struct Lab {
    dev: Dev,
    relay: Process,
}

impl Lab {
    fn operator(&self, arguments: &[&str]) -> Output {
        let config = self.dev.made.relay_config.to_str().unwrap();
        detente(&[&["operator"], arguments, &["--config", config, "--json"]].concat())
    }

    /// The bodies, as (act, already).
    fn erase(&self, id: &str, rest: &[&str]) -> Vec<(String, bool)> {
        let order = ["erase", "--request", id, "--reason", "legal-order"];
        let output = self.operator(&[&order, rest].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let bodies = document["bodies"].as_array().unwrap().iter();
        bodies
            .map(|body| {
                assert!(body["bytes"].as_u64().unwrap() > 1_000);
                (body["act"].as_str().unwrap().to_owned(), body["already"].as_bool().unwrap())
            })
            .collect()
    }

    fn refused(&self, arguments: &[&str], exit: i32, code: &str) -> Value {
        let output = self.operator(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(exit), "{said}");
        let document: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        assert_eq!(document["error"]["code"], code, "{said}");
        assert_ne!(document["error"]["next"], "", "{said}");
        document
    }

    /// The sealed bytes of a statement lie in the journal.
    fn holds(&self, ciphertext: &[u8]) -> bool {
        let segment = self.dev.relay_data().join("journal/0000000000.seg");
        let bytes = std::fs::read(segment).unwrap();
        bytes.windows(64).any(|window| window == &ciphertext[64..128])
    }
}

fn at(dev: &Dev, member: &str, arguments: &[&str]) -> Output {
    let socket = dev.desk_config(member).counter.socket;
    let socket = socket.to_str().unwrap();
    detente(&[&["desk"], arguments, &["--socket", socket, "--officer", "duty"]].concat())
}

/// Waits until what an officer sees says this.
async fn sees(dev: &Dev, member: &str, arguments: &[&str], words: &str) -> String {
    let started = std::time::Instant::now();
    while started.elapsed() < net::PATIENCE {
        let output = at(dev, member, arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if text.contains(words) {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{member} {arguments:?}: no {words:?}: {:?}", at(dev, member, arguments));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_operator_erases_is_gone_and_stays_on_record() {
    let dev = Dev::new(&["NL", "RO"]);
    let mut relay = dev.start_relay();
    let client = net::relay_client(&dev, "NL");
    until_up(&client, &mut relay).await;
    let speaker = Speaker::new(&dev, "NL");
    let (erased, kept) = (speaker.question(&net::desk("RO")), speaker.question(&net::desk("RO")));
    for envelope in [&erased, &kept] {
        client.submit(envelope).await.unwrap();
    }
    let mut lab = Lab { dev, relay };
    let id = erased.statement.request.to_string();
    let order = ["erase", "--request", &id, "--reason", "legal-order"];

    // Nobody can be asked, a request that is not there, a statement that is not there.
    lab.refused(&order, 2, "C-208");
    let stranger = "1f1f1f1f-1f1f-1f1f-1f1f-1f1f1f1f1f1f";
    let other = ["erase", "--request", stranger, "--reason", "retention", "--yes"];
    lab.refused(&other, 2, "E-105");
    lab.refused(&[&order[..], &["--statement", stranger, "--yes"]].concat(), 2, "E-105");
    assert_eq!(lab.erase(&id, &["--dry-run"]), [("REQUEST".to_owned(), false)]);
    assert!(lab.holds(&erased.ciphertext) && lab.holds(&kept.ciphertext));

    assert_eq!(lab.erase(&id, &["--yes"]), [("REQUEST".to_owned(), false)]);
    assert!(!lab.holds(&erased.ciphertext), "the bytes are still there");
    assert!(lab.holds(&kept.ciphertext), "another's bytes are gone");
    assert_eq!(lab.erase(&id, &["--yes"]), [("REQUEST".to_owned(), true)]);

    // A crash, and the recipient comes for the first time.
    lab.relay.kill();
    lab.relay = lab.dev.start_relay();
    until_up(&client, &mut lab.relay).await;
    let mut agent = lab.dev.start_agent("RO");
    let shown = sees(&lab.dev, "RO", &["show", &id], "BODY_ERASED").await;
    assert!(shown.contains("erased at the relay before it was fetched"), "{shown}");
    assert!(shown.contains("LEGAL_ORDER"), "the desk is not told why: {shown}");
    let other = kept.statement.request.to_string();
    sees(&lab.dev, "RO", &["show", &other], "How long are logs kept?").await;
    assert_eq!(lab.erase(&id, &["--dry-run"]), [("REQUEST".to_owned(), true)]);

    erased_in_evidence(&lab, &id).await;
    for process in [&mut agent, &mut lab.relay] {
        process.signal("TERM");
        assert!(process.wait(net::PATIENCE).success(), "{}", process.tail());
    }
    let journal = lab.dev.relay_data().join("journal");
    let checked = net::run(&["verify", "--journal", journal.to_str().unwrap(), "--json"]);
    let summary: Value = serde_json::from_str(&checked).unwrap();
    assert_eq!((&summary["holds"], &summary["bodies_erased"]), (&true.into(), &1.into()));
    let [gone] = summary["erased"].as_array().unwrap().as_slice() else { panic!("{checked}") };
    assert_eq!(gone["reason"], "LEGAL_ORDER", "{checked}");
    let said = net::run(&["verify", "--journal", journal.to_str().unwrap()]);
    let line =
        format!("record {}: its body was erased by record {}", gone["record"], gone["by_record"]);
    assert!(said.contains(&line), "{said}");
    // A body that is gone and that no record has erased is damage.
    let other = erase_silently(&journal, gone["record"].as_u64().unwrap());
    let spoilt = detente(&["verify", "--journal", journal.to_str().unwrap(), "--json"]);
    let said = String::from_utf8_lossy(&spoilt.stderr).into_owned();
    assert_eq!(spoilt.status.code(), Some(3), "{said}");
    assert!(said.contains("C-409") && said.contains(&format!("record {other} ")), "{said}");
    lab.refused(&["status"], 1, "C-311");
}

/// Erases a body that is there and is not that of record `but`, without a record of it.
fn erase_silently(journal: &Path, but: u64) -> u64 {
    let (mut journal, _) = FileJournal::open(journal, Options::default()).unwrap();
    let stored = journal.reader().read(Index(0), 1_000, 64 << 20).unwrap();
    let has_body = |stored: &&Stored| matches!(stored.body, Body::Present(_));
    let one = stored.iter().find(|one| has_body(one) && one.index.0 != but).unwrap().index;
    journal.erase(one).unwrap();
    journal.idle().unwrap();
    one.0
}

/// Evidence of a request whose body is gone: every proof holds, and it is said which record erased
/// the body; it cannot be disclosed by who never had it.
async fn erased_in_evidence(lab: &Lab, id: &str) {
    let file = lab.dev.path().join("bundle.zip");
    let file = file.to_str().unwrap();
    // The file's name is printed, once every proof has come.
    sees(&lab.dev, "RO", &["evidence", id, "-o", file, "--force"], "bundle.zip").await;
    let found: Value =
        serde_json::from_str(&net::run(&["verify", "bundle", file, "--json"])).unwrap();
    let records = found["records"].as_array().unwrap();
    let asked = records.iter().find(|record| record["what"] == "REQUEST").unwrap();
    assert_eq!(asked["body_erased"]["reason"], "LEGAL_ORDER", "{found}");
    let by = usize::try_from(asked["body_erased"]["by_record"].as_u64().unwrap()).unwrap();
    let erasure = records[by - 1]["what"].as_str().unwrap();
    assert!(erasure.starts_with("BODY_ERASED of record "), "{erasure}");
    let said = net::run(&["verify", "bundle", file]);
    assert!(said.contains(&format!("body erased at the relay by record {by:03}")), "{said}");
    let other = lab.dev.path().join("other.zip");
    let other = other.to_str().unwrap();
    let disclosed = ["evidence", id, "-o", other, "--disclose-body", id];
    let refused = at(&lab.dev, "RO", &disclosed);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    let erasure = erasure.rsplit(' ').next().unwrap();
    assert!(said.contains("D-117") && said.contains("was erased at the relay by record"), "{said}");
    assert!(!said.contains(&format!("by record {erasure} ")), "that is the record itself: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_sees_how_the_relay_stands() {
    let dev = Dev::new(&["NL", "RO"]);
    let mut relay = dev.start_relay();
    let client = net::relay_client(&dev, "NL");
    until_up(&client, &mut relay).await;
    let lab = Lab { dev, relay };
    let output = lab.operator(&["status"]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&status["next_index"], &status["clock_in_doubt"]), (&1.into(), &false.into()));
    assert_eq!(status["connections"][0]["desk"], "NL/cyber");
    assert_eq!(status["revocation_lists"].as_array().unwrap().len(), 2);
    let output = lab.operator(&["confirm-clock"]);
    let confirmed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(confirmed["confirmed"], false);
    let nowhere = detente(&["operator", "status", "--json"]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("C-207"));
}
