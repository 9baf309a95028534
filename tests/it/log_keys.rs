//! The keys of the logs: the relay signs with those that the genesis pins, and with no others; and
//! while they are held it signs and accepts nothing.

use std::time::Duration;

use detente::codec::{Head, Log};
use detente::envelope::genesis;
use detente::grpc::Limits;
use detente::relay::{Holder, Signers, Unsigned};
use detente::tlog::Checkpoint;
use detente::units::Hash;
use tonic::Code;

use crate::api_net::{Net, question};
use crate::net::{Dev, Process};

#[test]
fn a_relay_with_other_keys_does_not_start_and_names_file_and_log() {
    let dev = Dev::new(&["NL", "RO"]);
    let config = dev.relay_config();
    std::fs::copy(&config.logs.directory_key, &config.logs.traffic_key).unwrap();
    let mut relay = dev.start_relay();
    assert_eq!(relay.wait(Duration::from_secs(60)).code(), Some(1));
    said(&relay, &["C-612", "log-traffic.key", "traffic log", "detente-test/traffic+"]);
    assert!(!config.store.directory.join("journal").exists(), "nothing is begun");

    std::fs::write(&config.logs.directory_key, "nothing").unwrap();
    let mut relay = dev.start_relay();
    assert_eq!(relay.wait(Duration::from_secs(60)).code(), Some(1));
    said(&relay, &["C-605", "log-directory.key"]);
}

fn said(process: &Process, words: &[&str]) {
    let log = process.log();
    for word in words {
        assert!(log.contains(word), "no {word:?} in {log}");
    }
}

#[test]
fn a_head_is_signed_with_the_key_that_the_genesis_pins_and_not_while_it_is_held() {
    let dev = Dev::new(&["NL", "RO"]);
    let genesis = genesis::parse(&std::fs::read(&dev.made.genesis).unwrap()).unwrap();
    let signers = dev.signers();
    let head = Head { size: 7, root: Hash([3; 32]) };
    for log in [Log::Directory, Log::Traffic] {
        let note = signers.sign(log, &head).unwrap();
        let pinned = genesis.log_verifier(log.as_str()).unwrap();
        assert_eq!(note.verify([&pinned]).unwrap().len(), 1);
        let checkpoint: Checkpoint = note.text().parse().unwrap();
        assert_eq!(checkpoint.origin(), format!("detente-test/{}", log.as_str()));
        assert_eq!((checkpoint.size(), checkpoint.root()), (7, Hash([3; 32])));
    }
    signers.hold(Holder::Guard, "a witness is ahead");
    let unsigned = signers.sign(Log::Traffic, &head).unwrap_err();
    assert_eq!(unsigned, Unsigned::Held("a witness is ahead".into()));
    // Who lets go lets go of what he held himself.
    signers.hold(Holder::Publisher, "the journal lacks what was published");
    signers.release(Holder::Guard);
    let unsigned = signers.sign(Log::Traffic, &head).unwrap_err();
    assert_eq!(unsigned, Unsigned::Held("the journal lacks what was published".into()));
    signers.release(Holder::Publisher);
    signers.sign(Log::Traffic, &head).unwrap();
    let swapped = Signers::new(&genesis, [1; 32], [2; 32]).unwrap_err();
    assert_eq!(swapped.log, Log::Directory);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_signing_is_held_nothing_is_accepted_and_it_goes_on_afterwards() {
    let net = Net::start(Limits::default()).await;
    let nl = net.client("NL");
    let (before, sent) = (question("NL", "RO"), question("NL", "RO"));
    nl.submit(&before).await.unwrap();
    let recorded = net.relay.published().next_index();
    net.relay.signers().unwrap().hold(Holder::Guard, "the journal may be an older copy");
    for envelope in [&sent, &before] {
        let held = nl.submit(envelope).await.unwrap_err();
        assert_eq!((held.code, held.rule_code.as_str()), (Code::Unavailable, "E-134"));
        assert_eq!(held.reason, "SIGNING_HELD");
        assert!(held.retry && held.cause.contains("may be an older copy"), "{held:?}");
    }
    assert_eq!(net.relay.published().next_index(), recorded, "something was recorded");
    net.relay.signers().unwrap().release(Holder::Guard);
    assert!(!nl.submit(&sent).await.unwrap().repeat);
    assert!(nl.submit(&before).await.unwrap().repeat);
    net.close().await;
}
