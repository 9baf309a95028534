//! A whole network whose desks witness: four agents cosign what the relay publishes, and each sees
//! how far the logs are witnessed, also when some of them, or the relay, have been away.

use detente::codec::Log;
use detente::relay::{PublicHead, Relay};
use detente::testkit::{Network, request};
use detente::units::Timestamp;

use crate::net::{PATIENCE, until};
use crate::witness_relay::publish;

fn relay(network: &Network) -> &Relay {
    network.relay().unwrap().relay()
}

async fn ask(network: &Network, to: &str) {
    let asked = request(to, "PRESERVATION", "BUDAPEST", "URGENT", &[("offence", "fraud")]);
    network.desk("NL").unwrap().duty().send(asked.unwrap()).await.unwrap();
}

/// Waits until the newest published head of both logs has at least so many cosignatures.
async fn until_cosigned(network: &Network, by: usize) {
    for log in Log::ALL {
        let mut standings = relay(network).heads().standings(log);
        let enough = |head: &PublicHead| head.witnesses() >= by;
        let so = standings.wait_for(|now| now.newest.as_ref().is_some_and(|head| enough(head)));
        let waited = tokio::time::timeout(PATIENCE, so).await;
        waited.unwrap_or_else(|_| panic!("{:?}", relay(network).heads().standing(log))).unwrap();
    }
}

/// Waits until this desk has seen the newest published head of the traffic log with the quorum.
async fn until_seen(network: &Network, desk: &str) {
    let newest = relay(network).heads().newest(Log::Traffic).unwrap();
    let desk = network.desk(desk).unwrap();
    let seen = || desk.handle().witnessed("traffic").witnessed.map(|found| found.head.size);
    until("it sees the quorum", || seen() >= Some(newest.size)).await;
}

fn publish_all(network: &Network) {
    for log in Log::ALL {
        publish(relay(network), log);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn desks_witness_whatever_comes_and_goes() {
    let monday: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
    let members = ["NL", "RO", "US", "MD"];
    let mut network = Network::of(&members).starting_at(monday).start().await.unwrap();
    ask(&network, "RO/cyber").await;
    network.settle().await.unwrap();
    publish_all(&network);
    until_cosigned(&network, 4).await;
    for member in members {
        until_seen(&network, member).await;
    }
    // One of four is away: three are the quorum.
    network.stop_desk("US").await.unwrap();
    ask(&network, "MD/cyber").await;
    publish_all(&network);
    until_cosigned(&network, 3).await;
    until_seen(&network, "NL").await;
    // Two are away: everything goes on, and the head waits.
    network.stop_desk("MD").await.unwrap();
    ask(&network, "RO/cyber").await;
    let waits = publish(relay(&network), Log::Traffic);
    until_cosigned(&network, 2).await;
    let standing = relay(&network).heads().standing(Log::Traffic);
    assert!(standing.waits_since.unwrap() <= waits.published);
    assert!(standing.witnessed.unwrap().size < waits.size);
    network.start_desk("US").await.unwrap();
    network.start_desk("MD").await.unwrap();
    until_cosigned(&network, 4).await;
    let mut standings = relay(&network).heads().standings(Log::Traffic);
    let none_waits = standings.wait_for(|standing| standing.waits_since.is_none());
    let waited = tokio::time::timeout(PATIENCE, none_waits).await;
    waited.expect("it waits for ever").unwrap();
    until_seen(&network, "US").await;
    // The relay comes back, and publishes what it has: the same heads, and longer ones.
    network.stop_relay().await.unwrap();
    network.start_relay().await.unwrap();
    let held = || relay(&network).signers().unwrap().held();
    until("its witnesses have spoken", || held().is_none()).await;
    publish_all(&network);
    until_cosigned(&network, 4).await;
    ask(&network, "RO/cyber").await;
    network.settle().await.unwrap();
    publish_all(&network);
    until_cosigned(&network, 4).await;
    for member in members {
        until_seen(&network, member).await;
        let handle = network.desk(member).unwrap().handle().clone();
        assert_eq!((handle.status().alarms, handle.alarms()), (0, Vec::new()), "{member}");
    }
    network.stop().await.unwrap();
}
