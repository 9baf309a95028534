//! Swaps a key or a certificate authority in an entry.

use detente::codec::{Log, decode_event, encode_event};
use detente::envelope::entry::{Entry, Signed};
use detente::envelope::genesis::EncryptionKey;
use detente::envelope::{DecryptionKey, SigningKey};
use detente::rules::{Event, Kind, Numbering};
use detente::units::DAY_MS;
use detente::wire::detente::directory::v1 as wire;
use wire::follow_entries_response::Item;

use super::Hostile;
use crate::api_net::{desk, now, signing};
use crate::directory_relay::{next, sign};
use crate::net::until;

/// The attacker's key to open what is sealed to NL.
fn swapped(entry: &mut Entry) {
    let (from, until) = (now().plus_ms(-DAY_MS), now().plus_ms(700 * DAY_MS));
    let key = DecryptionKey::from_seed([66; 32]).public().to_vec();
    entry.desks[0].encryption_keys = vec![EncryptionKey::new(key, from, until).unwrap()];
}

/// The attacker's authority, which would certify a desk of his as NL's.
fn another_authority(entry: &mut Entry) {
    entry.ca = vec![b"authority of the attacker".to_vec()];
}

/// Shows this entry in the place of the one that the log has.
fn show_instead(signed: Signed) -> impl FnMut(wire::FollowEntriesResponse) -> Vec<Shown> {
    move |mut response| {
        if let Some(Item::Record(record)) = &mut response.item
            && record.leaf_index == 1
        {
            let time = decode_event(&record.event, &[]).unwrap().time;
            let kind = Kind::EntryPublished(Box::new(signed.entry.clone()));
            let event = Event { from: None, to: None, request: None, kind };
            let numbering =
                Numbering { desk_indexes: Vec::new(), pair_sequence: 0, previous: None };
            record.event = encode_event(&event, &numbering, time, Some(&signed.to_bytes()));
            record.restricted = signed.restricted.clone();
        }
        vec![response]
    }
}

type Shown = wire::FollowEntriesResponse;

/// The key to which a desk seals for NL now.
fn sealed_to(net: &Hostile, member: &str) -> detente::units::Hash {
    net.desk(member).file().directory().encryption_key(&desk("NL"), now()).unwrap().id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_its_nation_has_not_signed_changes_nothing() {
    let net = Hostile::start().await;
    let forged = sign(next(net.net(), "NL", swapped), &SigningKey::from_seed([66; 32]));
    changes_nothing(&net, forged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_with_another_authority_changes_nothing_even_when_it_is_signed() {
    let net = Hostile::start().await;
    let swapped = sign(next(net.net(), "NL", another_authority), &signing("NL"));
    let refused = net.net().client("NL").publish(&swapped).await.unwrap_err();
    assert!(refused.cause.contains("authorit"), "{refused}");
    changes_nothing(&net, swapped).await;
}

/// RO is shown this entry in the place of the one that NL publishes.
async fn changes_nothing(net: &Hostile, forged: Signed) {
    let before = sealed_to(net, "RO");
    let real = sign(next(net.net(), "NL", |_| {}), &signing("NL"));
    net.door("RO").lie(|lies| lies.entries = Some(Box::new(show_instead(forged))));
    net.net().client("NL").publish(&real).await.unwrap();
    let ro = net.desk("RO");
    until("it is an alarm", || ro.status().alarms > 0).await;
    until("XM has the real one", || net.desk("XM").file().contacts().next_leaf() == 2).await;
    assert_eq!(ro.file().contacts().next_leaf(), 1, "the forged one was not taken");
    assert_eq!(sealed_to(net, "RO"), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_swapped_with_the_nations_own_key_is_an_alarm_at_its_desk() {
    let net = Hostile::start().await;
    // Who has the national key, too, publishes for all to see: the nation's desk did not.
    let entry = sign(next(net.net(), "NL", swapped), &signing("NL"));
    net.net().client("NL").publish(&entry).await.unwrap();
    let alarm = net.until_alarm("NL", "D-307").await;
    assert!(alarm.what.contains("encryption keys of NL/cyber"), "{}", alarm.what);
    assert_eq!(net.codes("RO"), Vec::<&str>::new());
    until("RO hears of it", || !net.desk("RO").notices().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_is_shown_to_one_desk_only_is_found_out_at_the_next_checkpoint() {
    let mut net = Hostile::start().await;
    net.publish(Log::Directory).await;
    let real = sign(next(net.net(), "NL", |_| {}), &signing("NL"));
    let shown = sign(next(net.net(), "NL", swapped), &signing("NL"));
    net.door("RO").lie(|lies| lies.entries = Some(Box::new(show_instead(shown))));
    net.net().client("NL").publish(&real).await.unwrap();
    for member in ["NL", "RO", "XM"] {
        let file = || net.desk(member).file();
        until("the entry came", || file().contacts().next_leaf() == 2).await;
    }
    // Before it is witnessed, nothing is sealed to its key.
    let sent = net.ask("RO", "NL").await;
    assert!(sent.notices[0].contains("from before version 1"), "{:?}", sent.notices);
    net.publish(Log::Directory).await;
    let alarm = net.until_alarm("RO", "D-306").await;
    // Both sides of it are on disk: what the witnesses have seen, and what came here.
    let first = net.kept("RO", &format!("evidence/{}.first", alarm.id));
    let note: detente::tlog::Note = first.parse().unwrap();
    let policy = detente::envelope::genesis::default_policy(&net.genesis());
    assert_eq!(policy.check(&note).unwrap().0.size(), 2, "it has the quorum");
    let second = net.kept("RO", &format!("evidence/{}.second", alarm.id));
    assert!(second.contains("computed from the entries here\n2\n"), "{second}");
    let sent = net.ask("RO", "NL").await;
    assert!(sent.notices[0].contains("from before version 1"), "{:?}", sent.notices);
    assert_eq!(net.codes("XM"), Vec::<&str>::new(), "who was shown the truth has no alarm");
}
