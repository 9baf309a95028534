//! The key of a log is exchanged: desks and witnesses take the new one when the old one has
//! announced it and the witnesses have seen that, and no other.

use std::time::Duration;

use detente::codec::{Log, decode_event, encode_event};
use detente::desk::{Bodies, Error, Local, Showing};
use detente::envelope::genesis::Announcement;
use detente::evidence;
use detente::relay::{OpenError, Relay, Seeds, Signers, SystemClock};
use detente::rules::{Event, Kind, Numbering};
use detente::tlog::{Signer, note};
use detente::units::Timestamp;
use detente::wire::detente::directory::v1 as wire;
use wire::follow_entries_response::Item;
use zeroize::Zeroizing;

use super::Hostile;
use crate::api_net::{seed, seeds};
use crate::evidence_damage::checked_by_hand;
use crate::net::{self, PATIENCE, until};
use crate::{audit_go, desk_pair as pair};

/// The keys while the traffic log's next one stands beside its own.
fn both() -> Seeds {
    Seeds { next_traffic: Some(Zeroizing::new(seed("log traffic 2"))), ..seeds() }
}

/// The keys afterwards.
fn new_only() -> Seeds {
    Seeds { traffic: Zeroizing::new(seed("log traffic 2")), ..seeds() }
}

fn signer(of: &str) -> Signer {
    let name = "detente-test/traffic".parse().unwrap();
    Signer::from_seed(name, note::Kind::Ed25519, seed(of))
}

fn notice(net: &Hostile, member: &str) -> String {
    net.desk(member).notices().first().map(|(_, what)| what.clone()).unwrap_or_default()
}

async fn until_notice(net: &Hostile, member: &str, words: &str) {
    until(&format!("{words:?} at {member}"), || notice(net, member).contains(words)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_counts_once_the_witnesses_have_seen_its_announcement() {
    let mut net = Hostile::start().await;
    net.ask_and_settle("NL", "RO").await;
    net.publish(Log::Directory).await;
    net.publish(Log::Traffic).await;
    net.restart_with(both()).await;
    for member in ["NL", "RO", "XM"] {
        until_notice(&net, member, "it does not count").await;
    }
    let what = notice(&net, "NL");
    assert!(what.contains("the traffic log has the new key"), "{what}");
    // Heads carry both signatures, so nothing stops.
    let (_, head) = net.head(Log::Traffic);
    assert_eq!(head.lines().len(), 2);
    net.ask_and_settle("NL", "RO").await;

    // Too early, the new one alone is as good as none.
    net.restart_with(new_only()).await;
    assert_eq!(net.cosign("XM", Log::Traffic).await.status, 403);
    let sent = net.ask("NL", "RO").await;
    let desk = net.desk("NL").clone();
    until("its receipt is refused", || desk.file().proofs().is_in_dispute(sent.message)).await;
    let found = desk.evidence_of(sent.request).await.unwrap();
    assert_eq!(found[0].code, "D-314");

    // Witnessed under the old key, it counts, and the receipt holds after all.
    net.restart_with(both()).await;
    net.publish(Log::Directory).await;
    for member in ["NL", "RO", "XM"] {
        until_notice(&net, member, "it counts").await;
    }
    net.restart_with(new_only()).await;
    until("it is recorded", || desk.file().outbox_len() == 0).await;
    let last = net.ask_and_settle("NL", "RO").await;
    assert_eq!(net.head(Log::Traffic).1.lines().len(), 1);
    net.publish(Log::Traffic).await;

    // Also after a restart, when what was cosigned last bears the new signature alone.
    net.restart_desk("XM").await;
    net.ask_and_settle("XM", "RO").await;
    net.publish(Log::Traffic).await;
    for member in ["NL", "RO", "XM"] {
        assert_eq!(net.codes(member), Vec::<&str>::new(), "{member}");
    }
    check_alone(&net, last.request).await;
}

/// Whoever checks a proof alone names the new key.
async fn check_alone(net: &Hostile, request: detente::units::RequestId) {
    let (proofs, _) = net.desk("NL").proofs_of(request).await.unwrap();
    let proof = net.file("p.tlog-proof", proofs[0].proof.as_bytes());
    let (proof, genesis) = (proof.to_str().unwrap(), net.genesis_file());
    let genesis = genesis.to_str().unwrap();
    let alone = std::process::Command::new(env!("CARGO_BIN_EXE_detente"))
        .args(["verify", "proof", proof, "--genesis", genesis])
        .output()
        .unwrap();
    assert_eq!(alone.status.code(), Some(3), "{alone:?}");
    let key = signer("log traffic 2").public().to_string();
    net::run(&["verify", "proof", proof, "--genesis", genesis, "--key", &key]);
}

/// Evidence of a desk about a request that was made after the key was exchanged, with its body.
async fn evidence_after_an_exchange() -> (Hostile, Vec<u8>) {
    let mut net = Hostile::start().await;
    net.restart_with(both()).await;
    net.publish(Log::Directory).await;
    for member in ["NL", "RO"] {
        until_notice(&net, member, "it counts").await;
    }
    net.restart_with(new_only()).await;
    let sent = net.ask_and_settle("NL", "RO").await;
    net.publish(Log::Traffic).await;
    let desk = net.desk("NL").clone();
    let asked = Showing { request: sent.request, officer: pair::duty(), bodies: Bodies::All };
    let started = std::time::Instant::now();
    let bytes = loop {
        match desk.show(asked.clone()).await {
            Ok(made) => break made.bytes,
            Err(Error::Local(Local::ProofsMissing(missing))) => {
                assert!(started.elapsed() < PATIENCE, "{missing:?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(other) => panic!("{other}"),
        }
    };
    (net, bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_brings_what_announced_the_key_that_signed() {
    let (net, bytes) = evidence_after_an_exchange().await;
    let file = net.file("bundle.zip", &bytes);
    let said = net::run(&["verify", "bundle", file.to_str().unwrap(), "--json"]);
    assert_eq!(said.matches("LOG_KEY_ANNOUNCED").count(), 1, "{said}");
    let bundle = evidence::parse(&bytes).unwrap();
    let is_announced = |record: &evidence::Record| {
        let decoded = decode_event(&record.event, &record.header).unwrap();
        matches!(decoded.event.kind, Kind::LogKeyAnnounced(_))
    };
    // Without it, what the new key has signed is signed by nobody.
    let mut without = bundle.clone();
    without.records.retain(|record| !is_announced(record));
    assert_eq!(without.records.len() + 1, bundle.records.len());
    let fault = evidence::render(&without).unwrap_err();
    assert_eq!(fault.file, "records/001/proof.tlog-proof", "{fault}");
    // And nobody else announces one.
    let mut forged = bundle;
    let stranger = (&signer("a stranger"), &signer("log traffic 2"));
    let announced = Announcement::sign(net.genesis().hash, 1, stranger).unwrap();
    let number = forged.records.iter().position(is_announced).unwrap();
    let record = &mut forged.records[number];
    let time = decode_event(&record.event, &[]).unwrap().time;
    record.event = announcing(announced, time);
    let fault = evidence::render(&forged).unwrap_err();
    assert_eq!(fault.file, format!("records/{:03}/event.bin", number + 1), "{fault}");
    assert!(fault.to_string().contains("newest key has not signed it"), "{fault}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs openssl, sha256sum and the verifier in Go, which tests/all installs or builds"]
async fn evidence_after_an_exchange_is_checked_by_hand_and_in_go() {
    let (net, bytes) = evidence_after_an_exchange().await;
    assert_eq!(checked_by_hand(&bytes), (1, 1));
    let (file, bundle) = (net.file("bundle.zip", &bytes), evidence::parse(&bytes).unwrap());
    let policy = net.file("policy", bundle.policy.unwrap().as_bytes());
    let genesis = net.genesis().hash.to_string();
    let found =
        audit_go::accepted(&["bundle", file.to_str().unwrap(), policy.to_str().unwrap(), &genesis]);
    let found: serde_json::Value = serde_json::from_slice(&found).unwrap();
    assert_eq!(found["records"], bundle.records.len());
}

/// The event that says so.
fn announcing(announced: Announcement, time: Timestamp) -> Vec<u8> {
    let kind = Kind::LogKeyAnnounced(Box::new(announced));
    let event = Event { from: None, to: None, request: None, kind };
    let numbering = Numbering { desk_indexes: Vec::new(), pair_sequence: 0, previous: None };
    encode_event(&event, &numbering, time, None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_does_not_start_with_a_key_that_nobody_announced() {
    let mut net = Hostile::start().await;
    let store = net.copy("other").await;
    let genesis = net.genesis();
    let signers = Signers::unchecked(&genesis.network, &new_only()).unwrap();
    let options = detente::relay::Options {
        directory: store,
        journal: detente::journal::file::Options::default(),
        tables_cache_bytes: 8 << 20,
        envelope_bytes_max: 256 << 10,
        genesis_hash: genesis.hash,
        signers: Some(std::sync::Arc::new(signers)),
        policy: None,
        witnesses_within: Duration::ZERO,
    };
    let signed = std::fs::read(net.genesis_file()).unwrap();
    let clock = std::sync::Arc::new(SystemClock::default());
    let opened = tokio::task::spawn_blocking(move || Relay::open(&options, &signed, clock).err());
    let refused = opened.await.unwrap();
    assert!(matches!(&refused, Some(OpenError::LogKey(why)) if why.log == Log::Traffic));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_announcement_that_the_old_key_has_not_signed_changes_nothing() {
    let mut net = Hostile::start().await;
    net.publish(Log::Directory).await;
    let stranger = (&signer("a stranger"), &signer("log traffic 2"));
    let forged = Announcement::sign(net.genesis().hash, 1, stranger).unwrap();
    net.door("RO").lie(|lies| {
        lies.entries = Some(Box::new(move |mut response| {
            if let Some(Item::Record(record)) = &mut response.item
                && record.leaf_index == 1
            {
                let time = decode_event(&record.event, &[]).unwrap().time;
                record.event = announcing(forged.clone(), time);
            }
            vec![response]
        }));
    });
    net.restart_with(both()).await;
    let ro = net.desk("RO").clone();
    until("it is an alarm", || ro.status().alarms > 0).await;
    until_notice(&net, "XM", "the traffic log has the new key").await;
    assert_eq!((ro.file().contacts().next_leaf(), notice(&net, "RO").as_str()), (1, ""));
}

#[test]
fn a_key_is_made_named_in_the_configuration_and_announced_at_the_next_start() {
    let dev = net::Dev::new(&["NL", "RO"]);
    let directory = dev.made.directory.to_str().unwrap();
    let relay = dev.start_relay();
    let agent = dev.start_agent("NL");
    let said = net::run(&["pki", "log-key", directory, "traffic"]);
    assert!(said.contains("log-traffic-2.key") && said.contains("key detente-test/traffic+"));
    let line = "traffic_key = \"log-traffic.key\"";
    let next = format!("{line}\nnext_traffic_key = \"log-traffic-2.key\"");
    // Too few witnesses are there: it is announced once they are not waited for any longer.
    let waits = ("wait_for_witnesses_seconds = 0", "wait_for_witnesses_seconds = 2");
    net::edit_file(&dev.made.relay_config, &[(line, &next), waits]);
    relay.kill();
    let relay = dev.start_relay();
    let socket = dev.desk_config("NL").counter.socket;
    let noticed = || {
        let status = std::process::Command::new(env!("CARGO_BIN_EXE_detente"))
            .args(["desk", "status", "--json", "--socket"])
            .arg(&socket)
            .output()
            .unwrap();
        String::from_utf8_lossy(&status.stdout).contains("the traffic log has the new key")
    };
    let started = std::time::Instant::now();
    while !noticed() {
        assert!(started.elapsed() < PATIENCE, "{}\n{}", relay.tail(), agent.tail());
        std::thread::sleep(Duration::from_millis(100));
    }
}
