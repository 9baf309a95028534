//! Evidence that a desk makes: one file, the same bytes every time, that verifies with nothing but
//! itself, hides what is not disclosed, and is refused when anything in it is changed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use detente::audit::Trust;
use detente::codec::Log;
use detente::desk::{Bodies, Desk, Error, GivenProof, KeptProof, Local, Receipt, Showing};
use detente::evidence;
use detente::tlog::{LogProof, Note, Policy, leaf_hash};
use detente::units::{DeskId, DeskIndex, Index, MessageId};
use serde_json::Value;

use crate::desk_pair::{self as pair, HandClock, Relay, carry, duty, nl, ro};
use crate::directory_agents::Lab;
use crate::directory_keys::{answer, ask, bare, connected, edited, hang_up};
use crate::evidence_damage::every_change_is_named;
use crate::net::{self, PATIENCE};

/// What is written in the forms, and nowhere else.
const SECRETS: [&[u8]; 2] = [b"How long?", b"letter"];

/// Two desks of which one was given a new officer by an entry; he has acknowledged a request.
pub(crate) struct Asked {
    pub(crate) lab: Lab,
    id: String,
}

impl Asked {
    pub(crate) async fn new() -> Self {
        let lab = Lab::new(&["NL", "RO"], &["NL", "RO"]).await;
        connected(&lab, "NL");
        let directory = lab.dev.made.directory.to_str().unwrap().to_owned();
        let officer = net::run(&["pki", "officer-key", &directory, "NL/cyber", "jansen"]);
        let path = lab.home("NL").join("cyber").join("desk.toml");
        let made = officer.lines().find_map(|line| line.strip_prefix("# made ")).unwrap();
        let key = format!("officers/{}", made.rsplit('/').next().unwrap());
        let added = format!("[[officer]]\nname = \"jansen\"\nkey = \"{key}\"\n\n[store]");
        net::edit_file(&path, &[("[store]", &added)]);
        let file = edited(&lab, "jansen.toml", |text| {
            let (head, rest) = text.split_once("[[desk.encryption_key]]").unwrap();
            format!("{head}{}\n[[desk.encryption_key]]{rest}", bare(&officer))
        });
        assert_eq!(lab.publish("NL", &file)["version"], 1);
        lab.until("RO", &["directory", "show", "NL"], |told| told["version"] == 1);
        hang_up(&lab, "keys and officers loaded").await;
        let id = ask(&lab, "RO", "NL/cyber");
        answer(&lab, "NL", "jansen", "RO", &id);
        let asked = Self { lab, id };
        asked.settle();
        asked
    }

    /// Records about the request that a desk knows, and whether anything of it is under way.
    fn known(&self, member: &str) -> (BTreeSet<u64>, bool) {
        let peek = ["show", &self.id, "--peek", "--officer", "duty"];
        let told = self.lab.until(member, &peek, |_| true);
        let history = told["history"].as_array().unwrap();
        let said = history.iter().filter(|entry| entry["own"] == false);
        let indexes: Vec<Option<u64>> = said.map(|entry| entry["index"].as_u64()).collect();
        let quiet = indexes.iter().all(Option::is_some);
        (indexes.into_iter().flatten().collect(), quiet)
    }

    /// Waits until both desks know the same records: what the two machines say last as well.
    fn settle(&self) {
        let started = Instant::now();
        loop {
            let (nl, ro) = (self.known("NL"), self.known("RO"));
            // Both have opened what the other wrote: four receipts and retrievals, at least.
            if nl == ro && nl.1 && nl.0.len() >= 8 {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{nl:?} {ro:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn command(&self, member: &str, file: &Path, more: &[&str]) -> Output {
        let socket = self.lab.dev.desk_config(member).counter.socket;
        Command::new(env!("CARGO_BIN_EXE_detente"))
            .args(["desk", "evidence", &self.id, "--json", "--officer", "duty", "--socket"])
            .arg(socket)
            .arg("-o")
            .arg(file)
            .args(more)
            .output()
            .unwrap()
    }

    /// Makes evidence, as soon as every proof is there; answers what is told and the file.
    pub(crate) fn made(&self, member: &str, name: &str, more: &[&str]) -> (Value, Vec<u8>) {
        let file = self.lab.dev.path().join(name);
        let started = Instant::now();
        loop {
            let output = self.command(member, &file, more);
            if output.status.success() {
                let told = serde_json::from_slice(&output.stdout).unwrap();
                return (told, std::fs::read(&file).unwrap());
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains("D-116"), "{said}");
            assert!(started.elapsed() < PATIENCE, "{said}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn refused(&self, file: &Path, more: &[&str], exit: i32, code: &str) -> String {
        let output = self.command("NL", file, more);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(exit), "{said}");
        let line = said.lines().find(|line| line.starts_with('{')).unwrap_or(&said);
        let error: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{said}"));
        assert_eq!(error["error"]["code"], code, "{said}");
        assert_ne!(error["error"]["next"], "", "{said}");
        said
    }
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// What the program says of a bundle in a directory that has nothing else, without any setting.
fn verified_alone(bytes: &[u8]) -> Value {
    let empty = tempfile::tempdir().unwrap();
    std::fs::write(empty.path().join("bundle.zip"), bytes).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_detente"))
        .args(["verify", "bundle", "bundle.zip", "--json"])
        .env_clear()
        .current_dir(empty.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn find<'v>(found: &'v Value, what: &str) -> &'v Value {
    let mut records = found["records"].as_array().unwrap().iter();
    records.find(|record| record["what"] == what).unwrap_or_else(|| panic!("no {what}: {found}"))
}

#[tokio::test]
async fn evidence_verifies_alone_and_is_the_same_bytes_after_a_restart() {
    let mut asked = Asked::new().await;
    let (told, hidden) = asked.made("RO", "hidden.zip", &[]);
    assert_eq!(told["disclosed"], serde_json::json!([]));
    for secret in SECRETS {
        assert!(!has(&hidden, secret), "{}", String::from_utf8_lossy(secret));
    }
    let found = verified_alone(&hidden);
    assert_eq!(find(&found, "REQUEST")["signed_by"][0], "RO/cyber/duty");
    // The key of that officer is known from an entry, which is proven as well.
    assert_eq!(find(&found, "ACKNOWLEDGE")["signed_by"][0], "NL/cyber/jansen");
    let entry = find(&found, "ENTRY_PUBLISHED");
    assert!(entry["origin"].as_str().unwrap().ends_with("/directory"), "{entry}");
    assert_eq!(find(&found, "RECEIPT")["body_disclosed"], false);
    for zone in ["Europe/Amsterdam", "Europe/Bucharest", " UTC"] {
        assert!(has(&hidden, zone.as_bytes()), "{zone}");
    }

    let all = ["--disclose-body", "all"];
    let (told, shown) = asked.made("RO", "shown.zip", &all);
    assert_eq!(told["disclosed"].as_array().unwrap().len(), 2, "{told}");
    assert_eq!(told["undisclosed"], serde_json::json!([]));
    for secret in SECRETS {
        assert!(has(&shown, secret), "{}", String::from_utf8_lossy(secret));
    }
    let found = verified_alone(&shown);
    assert_eq!(find(&found, "REQUEST")["body_disclosed"], true);
    assert_eq!(find(&found, "ACKNOWLEDGE")["body_disclosed"], true);

    // One of them alone, named by the beginning of its id; from the desk that has received it.
    let (told, one) = asked.made("NL", "one.zip", &["--disclose-body", &asked.id[..8]]);
    assert_eq!(told["disclosed"], serde_json::json!([asked.id]));
    assert!(has(&one, SECRETS[0]) && !has(&one, SECRETS[1]));
    assert_eq!(find(&verified_alone(&one), "REQUEST")["body_disclosed"], true);

    assert_eq!(asked.made("RO", "again.zip", &all).1, shown);
    asked.lab.restart_agent("RO");
    connected(&asked.lab, "RO");
    assert_eq!(asked.made("RO", "restarted.zip", &all).1, shown);
    assert_eq!(asked.made("RO", "hidden-again.zip", &[]).1, hidden);

    // Each of these is noted at the desk that made it, and nowhere else.
    let shows = ["show", &asked.id, "--peek", "--officer", "duty"];
    let history = asked.lab.until("RO", &shows, |_| true).to_string();
    assert_eq!(history.matches("EVIDENCE_MADE").count(), 5, "{history}");
    assert!(history.contains(told_sha256(&shown).as_str()), "{history}");
    let history = asked.lab.until("NL", &shows, |_| true).to_string();
    assert_eq!(history.matches("EVIDENCE_MADE").count(), 1, "{history}");
    every_change_is_named(&shown);
}

/// The hash of the genesis of a network.
pub(crate) fn genesis_hash(lab: &Lab) -> String {
    let signed = std::fs::read(&lab.dev.made.genesis).unwrap();
    detente::envelope::genesis::parse(&signed).unwrap().hash.to_string()
}

fn told_sha256(bytes: &[u8]) -> String {
    detente::units::Hash::of(&[bytes]).to_string()
}

#[tokio::test]
async fn evidence_is_refused_in_words() {
    let asked = Asked::new().await;
    let file = asked.lab.dev.path().join("bundle.zip");
    let (_, bytes) = asked.made("NL", "bundle.zip", &[]);
    // A file that is there stays as it is, unless it is to be replaced.
    std::fs::write(&file, "something else").unwrap();
    asked.refused(&file, &[], 2, "C-507");
    assert_eq!(std::fs::read(&file).unwrap(), b"something else");
    assert_eq!(asked.made("NL", "bundle.zip", &["--force"]).1, bytes);
    asked.refused(Path::new("/nowhere/bundle.zip"), &[], 1, "C-506");
    let other = asked.lab.dev.path().join("other.zip");
    asked.refused(&other, &["--disclose-body", "all", "--disclose-body", "abcd"], 2, "C-201");
    asked.refused(&other, &["--disclose-body", "nonsense"], 2, "C-201");
    asked.refused(&other, &["--disclose-body", "00000000"], 2, "C-201");
    // A machine's statement has no body.
    let peek = ["show", &asked.id, "--peek", "--officer", "duty"];
    let told = asked.lab.until("NL", &peek, |_| true);
    let mut history = told["history"].as_array().unwrap().iter();
    let receipt = history.find(|entry| entry["what"] == "DELIVERY").unwrap();
    let receipt = receipt["message_id"].as_str().unwrap();
    let said = asked.refused(&other, &["--disclose-body", receipt], 4, "D-117");
    assert!(said.contains("it has no body"), "{said}");
    assert!(!other.exists());

    let stranger = "1f1f1f1f-1f1f-1f1f-1f1f-1f1f1f1f1f1f";
    let to = other.to_str().unwrap();
    let refused = asked.lab.refused("NL", &["evidence", stranger, "-o", to, "--officer", "duty"]);
    assert_eq!(refused["code"], "D-102");
    // A disk that takes no more: nothing is left behind.
    let socket = asked.lab.dev.desk_config("NL").counter.socket;
    let script = "trap '' XFSZ; ulimit -f 4; exec \"$0\" \"$@\"";
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_detente"), "desk", "evidence", &asked.id])
        .args(["--officer", "duty", "-o", to, "--socket"])
        .arg(socket)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("C-506") && said.contains("nothing was left behind"), "{said}");
    assert!(!other.exists());
}

/// The relay's proof of a record at its newest head, which these desks have cosigned.
fn given(relay: &Relay, (index, place): (Index, Index), by: &[DeskId]) -> GivenProof {
    let Receipt { hashes, checkpoint, .. } = relay.receipt(index);
    let mut note: Note = checkpoint.parse().unwrap();
    for desk in by {
        note.add(pair::witness(desk).sign(note.text(), 1_795_000_100).unwrap());
    }
    GivenProof { index, place, proof: Ok((hashes, note.to_string())), raw: vec![] }
}

#[tokio::test]
async fn once_a_quorum_has_seen_a_record_its_proof_and_the_evidence_say_so() {
    let clock = HandClock::new();
    let dir = tempfile::tempdir().unwrap();
    let mut desk = pair::open(&nl(), dir.path(), &clock);
    let mut relay = Relay::new(&clock);
    desk.take_entries(vec![relay.founding()]).await.unwrap();
    let standing = desk.prepare(pair::question(&ro())).await.unwrap();
    carry(&desk, &mut relay).await;
    let bodies = Bodies::Hidden;
    let showing = Showing { request: standing.request, officer: duty(), bodies };
    let all = |desk: &Desk, by: &[DeskId]| {
        let file = desk.file();
        let records = file.proofs().unproven().chain(file.proofs().unwitnessed(Log::Traffic, 99));
        records.map(|record| given(&relay, record, by)).collect::<Vec<_>>()
    };
    // Proven, and by the log's signature alone; one of two witnesses is not the quorum.
    for by in [&[][..], &[nl()]] {
        desk.take_proofs(all(&desk, by)).await.unwrap();
        let made = desk.show(showing.clone()).await.unwrap();
        assert_eq!((made.unwitnessed.len(), made.records), (2, 2));
        let policy = evidence::parse(&made.bytes).unwrap().policy.unwrap();
        assert_eq!(policy, desk.policy().without_quorum().to_string());
    }
    let before = desk.file().next_place();
    desk.take_proofs(all(&desk, &[nl()])).await.unwrap();
    assert_eq!(desk.file().next_place(), before, "the same again is kept again");
    // Somebody else's signature under the name of a witness.
    let mut forged = all(&desk, &[]);
    for one in &mut forged {
        let (_, checkpoint) = one.proof.as_mut().unwrap();
        let mut note: Note = checkpoint.parse().unwrap();
        let mut line = pair::witness(&nl()).sign(note.text(), 1_795_000_100).unwrap();
        line.signature[20] ^= 1;
        note.add(line);
        note.add(pair::witness(&ro()).sign(note.text(), 1_795_000_100).unwrap());
        *checkpoint = note.to_string();
    }
    desk.take_proofs(forged).await.unwrap();
    assert_eq!(desk.file().next_place(), before, "a forged cosignature counts");

    let quorum = all(&desk, &[nl(), ro()]);
    assert_eq!(quorum.len(), 2);
    desk.take_proofs(quorum).await.unwrap();
    assert!(all(&desk, &[nl(), ro()]).is_empty(), "they would be asked for again");
    desk.close().await;
    desk = pair::open(&nl(), dir.path(), &clock);
    assert!(all(&desk, &[nl(), ro()]).is_empty());
    let (proofs, missing) = desk.proofs_of(standing.request).await.unwrap();
    assert_eq!((proofs.len(), missing), (2, 0));
    let policy = desk.policy();
    for KeptProof { index, proof, witnessed } in proofs {
        assert!(witnessed, "{index}");
        let proof: LogProof = proof.parse().unwrap();
        let Receipt { leaf, event, .. } = relay.receipt(index);
        let (_, by) = proof.verify(&policy, &leaf_hash(&leaf.data(&event))).unwrap();
        assert_eq!(by.len(), 2);
    }
    let made = desk.show(showing).await.unwrap();
    assert_eq!(made.unwitnessed, []);
    let bundle = evidence::parse(&made.bytes).unwrap();
    assert_eq!(bundle.policy.as_deref(), Some(policy.to_string().as_str()));
    let trust = Trust::new(&[], Some(Policy::clone(&policy))).unwrap();
    let found = evidence::verify(&bundle, Some(&trust)).unwrap();
    assert!(found.records.iter().all(|record| record.witnessed.len() == 2));
}

#[tokio::test]
async fn a_record_without_a_proof_is_named_and_what_is_forged_is_left_out() {
    let clock = HandClock::new();
    let dir = tempfile::tempdir().unwrap();
    let desk = pair::open(&nl(), dir.path(), &clock);
    let mut relay = Relay::new(&clock);
    desk.take_entries(vec![relay.founding()]).await.unwrap();
    let standing = desk.prepare(pair::question(&ro())).await.unwrap();
    carry(&desk, &mut relay).await;
    let showing = |bodies| Showing { request: standing.request, officer: duty(), bodies };
    let unproven: Vec<(Index, Index)> = desk.file().proofs().unproven().collect();
    let refused = desk.show(showing(Bodies::Hidden)).await.unwrap_err();
    let Error::Local(Local::ProofsMissing(missing)) = &refused else { panic!("{refused:?}") };
    assert_eq!(missing.len(), 1, "the relay's note of the offer has none yet: {missing:?}");
    assert!(refused.to_string().contains(&format!("yet: {}", missing[0])), "{refused}");
    let proofs = unproven.iter().map(|record| given(&relay, *record, &[])).collect();
    desk.take_proofs(proofs).await.unwrap();
    let stranger = desk.show(showing(Bodies::Of(vec![MessageId([9; 16])]))).await.unwrap_err();
    assert!(stranger.to_string().contains("no statement about this request"), "{stranger}");
    let made = desk.show(showing(Bodies::All)).await.unwrap();
    assert_eq!((made.disclosed.as_slice(), made.records), (&[standing.message][..], 2));
    assert_eq!((made.undisclosed, made.left_out), (vec![], vec![]));
    let bundle = evidence::parse(&made.bytes).unwrap();
    assert!(bundle.records[0].body.is_some());

    // Somebody says something in the name of RO that it has not signed: it proves nothing about
    // RO, and the rest is proven all the same.
    let mut forged = relay.follow(&ro(), DeskIndex(0)).last().unwrap().clone();
    let other = pair::open(&ro(), dir.path().join("ro").as_path(), &clock);
    carry(&other, &mut relay).await;
    let mut records = relay.follow(&nl(), desk.file().next());
    for record in &mut records {
        for signature in &mut record.signatures {
            signature.bytes[3] ^= 1;
        }
        forged = record.clone();
    }
    assert!(!forged.signatures.is_empty());
    desk.take(records).await.unwrap();
    let unproven: Vec<(Index, Index)> = desk.file().proofs().unproven().collect();
    let proofs = unproven.iter().map(|record| given(&relay, *record, &[])).collect();
    desk.take_proofs(proofs).await.unwrap();
    let made = desk.show(showing(Bodies::All)).await.unwrap();
    assert_eq!(made.left_out, [forged.index]);
    evidence::parse(&made.bytes).unwrap();
}
