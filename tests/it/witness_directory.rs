//! Each desk monitors the directory: another nation's new key counts once the witnesses have seen
//! it, and what changes in its own nation's name without it is an alarm.

use detente::codec::{Leaf, Log as Which};
use detente::desk::witness::Judged;
use detente::desk::{Desk, Error, IncomingEntry, Local, Standing};
use detente::envelope::entry::{Entry, Signed};
use detente::envelope::genesis::{EncryptionKey, default_policy};
use detente::envelope::{self, DecryptionKey, OpenError, SigningKey};
use detente::tlog::{Policy, leaf_hash};
use detente::units::{DAY_MS, Hash};

use crate::desk_pair::{self as pair, HandClock, START, duty, nl, ro};
use crate::directory_desk::Log;
use crate::witness_log::TestLog;

/// NL's key from its first entry on.
fn new_key() -> DecryptionKey {
    DecryptionKey::from_seed([99; 32])
}

/// NL's entry with the new key beside the old one, valid for longer: it is the one that counts.
fn rekeyed(entry: &mut Entry) {
    let until = START.plus_ms(700 * DAY_MS);
    let key = EncryptionKey::new(new_key().public().to_vec(), START, until).unwrap();
    entry.desks[0].encryption_keys.push(key);
}

/// The directory log that these records make.
fn tree(records: &[IncomingEntry]) -> TestLog {
    let mut log = TestLog::new("directory");
    for record in records {
        let leaf = Leaf { log: Which::Directory, index: record.leaf, opening: None };
        log.push_hash(leaf_hash(&leaf.data(&record.event)));
    }
    log
}

/// What the relay publishes of a log, with the cosignatures of both witnesses.
async fn publish(desk: &Desk, log: &TestLog) {
    let mut note = log.head(log.size());
    for witness in [nl(), ro()] {
        note.add(pair::witness(&witness).sign(note.text(), 1_795_000_100).unwrap());
    }
    match desk.judge_head("directory", &note.to_string()).unwrap() {
        Judged::Quorum(head) => desk.keep_head("directory", *head).await.unwrap(),
        Judged::Waits => panic!("both have cosigned"),
    }
}

/// Sends a question to NL, and says whether it was sealed to its new key.
async fn is_sealed_to_new(desk: &Desk) -> (bool, Standing) {
    let sent = desk.prepare(pair::question(&nl())).await.unwrap();
    let held = desk.file().own_statement(sent.message).unwrap().clone();
    let sealed = desk.envelope(held).await.unwrap();
    let opens = |key: &DecryptionKey| match envelope::open(
        &sealed.header,
        &sealed.wrap,
        &sealed.ciphertext,
        key,
    ) {
        Ok(_) => true,
        Err(OpenError::OtherKey { .. }) => false,
        Err(other) => panic!("{other}"),
    };
    let (new, old) = (opens(&new_key()), opens(&pair::keys(&nl()).encryption[0]));
    assert_ne!(new, old, "to one of them");
    (new, sent)
}

fn open_with(dir: &std::path::Path, clock: &HandClock, policy: Option<Policy>) -> Desk {
    let mut options = pair::options(&ro(), dir, clock);
    options.policy = policy.unwrap_or(options.policy);
    Desk::open(options).unwrap()
}

/// The policy of a network that has no witnesses.
fn no_witnesses() -> Policy {
    let policy = default_policy(&pair::genesis().1).to_string();
    let logs: String = policy
        .lines()
        .filter(|line| line.starts_with("log "))
        .map(|line| format!("{line}\n"))
        .collect();
    format!("{logs}quorum none\n").parse().unwrap()
}

#[tokio::test]
async fn another_nations_new_key_counts_once_the_witnesses_have_seen_it() {
    let (clock, dir) = (HandClock::new(), tempfile::tempdir().unwrap());
    let log = Log::new(&clock);
    let entry = log.entry((1, log.genesis.hash), rekeyed);
    let records = [log.founding(), log.record(1, 5, &entry)];
    let desk = open_with(dir.path(), &clock, None);
    desk.take_entries(records.to_vec()).await.unwrap();
    // Before the witnesses' first head has come, nobody vouches for it.
    let (new, sent) = is_sealed_to_new(&desk).await;
    assert!(!new && sent.notices[0].contains("from before version 1"), "{:?}", sent.notices);
    // Witnessed up to the entry before it.
    publish(&desk, &tree(&records[..1])).await;
    for _ in 0..2 {
        let witnessed = desk.witnessed_leaves();
        assert_eq!(witnessed, 1);
        let (new, sent) = is_sealed_to_new(&desk).await;
        assert!(!new, "the witnesses have seen {witnessed} leaves");
        assert_eq!(sent.notices.len(), 1);
        assert!(sent.notices[0].contains("NL/cyber from before version 1"), "{:?}", sent.notices);
        let notice = &desk.notices()[0].1;
        assert!(notice.contains("NL version 1: encryption keys of NL/cyber"), "{notice}");
        assert!(notice.contains("have not seen it yet"), "{notice}");
    }
    publish(&desk, &tree(&records)).await;
    assert_eq!(desk.witnessed_leaves(), 2);
    let (new, sent) = is_sealed_to_new(&desk).await;
    assert_eq!((new, sent.notices), (true, Vec::new()));
    assert!(desk.notices()[0].1.contains("the witnesses have seen it"));
    desk.close().await;
    let desk = open_with(dir.path(), &clock, None);
    assert_eq!(desk.witnessed_leaves(), 2, "after a restart");
    assert!(is_sealed_to_new(&desk).await.0);
    // The notice is for a month; it was no alarm.
    assert_eq!((desk.alarms(), desk.status().alarms), (Vec::new(), 0));
    clock.pass(31 * DAY_MS);
    assert_eq!(desk.notices(), []);
    desk.close().await;
}

#[tokio::test]
async fn without_witnesses_the_relay_is_taken_at_its_word_and_that_is_said() {
    let (clock, dir) = (HandClock::new(), tempfile::tempdir().unwrap());
    let log = Log::new(&clock);
    let desk = open_with(dir.path(), &clock, Some(no_witnesses()));
    let founding = desk.prepare(pair::question(&nl())).await.unwrap();
    assert_eq!(founding.notices, Vec::<String>::new(), "what the genesis states is pinned");
    let entry = log.entry((1, log.genesis.hash), rekeyed);
    desk.take_entries(vec![log.founding(), log.record(1, 5, &entry)]).await.unwrap();
    let (new, sent) = is_sealed_to_new(&desk).await;
    assert!(new);
    assert!(sent.notices[0].contains("no witnesses are configured"), "{:?}", sent.notices);
    desk.close().await;
}

#[tokio::test]
async fn a_desk_that_is_new_in_an_unwitnessed_entry_is_not_written_to() {
    let (clock, dir) = (HandClock::new(), tempfile::tempdir().unwrap());
    let log = Log::new(&clock);
    let entry = log.entry((1, log.genesis.hash), |entry| {
        let mut second = entry.desks[0].clone();
        second.name = "second".parse().unwrap();
        second.desk_key = SigningKey::from_seed([41; 32]).public();
        second.officers[0].key = SigningKey::from_seed([42; 32]).public();
        second.witness_key = None;
        second.restricted = None;
        second.encryption_keys.clear();
        entry.desks.push(second);
        rekeyed(entry);
        let key = entry.desks[0].encryption_keys.pop().unwrap();
        entry.desks[1].encryption_keys.push(key);
    });
    let records = [log.founding(), log.record(1, 5, &entry)];
    let desk = open_with(dir.path(), &clock, None);
    desk.take_entries(records.to_vec()).await.unwrap();
    let second = "NL/second".parse().unwrap();
    publish(&desk, &tree(&records[..1])).await;
    let refused = desk.prepare(pair::question(&second)).await.unwrap_err();
    let expected = Local::KeyNotWitnessed { desk: second.clone(), version: 1 };
    assert_eq!(refused, Error::Local(expected));
    publish(&desk, &tree(&records)).await;
    desk.prepare(pair::question(&second)).await.unwrap();
    desk.close().await;
}

#[tokio::test]
async fn a_key_that_only_this_desk_is_shown_is_found_out_and_never_used() {
    let (clock, dir) = (HandClock::new(), tempfile::tempdir().unwrap());
    let log = Log::new(&clock);
    // Whoever has the national key and the relay shows RO another entry than the others.
    let shown = log.entry((1, log.genesis.hash), rekeyed);
    let public = log.entry((1, log.genesis.hash), |_| {});
    let desk = open_with(dir.path(), &clock, None);
    desk.take_entries(vec![log.founding(), log.record(1, 5, &shown)]).await.unwrap();
    publish(&desk, &tree(&[log.founding(), log.record(1, 5, &public)])).await;
    let alarms = desk.alarms();
    assert_eq!((alarms.len(), alarms[0].code), (1, "D-306"), "{alarms:?}");
    assert_eq!((desk.status().alarms, desk.witnessed_leaves()), (1, 0));
    assert!(!is_sealed_to_new(&desk).await.0);
    desk.settle(alarms[0].id.clone(), duty(), "asked NL".to_owned()).await.unwrap();
    assert!(!is_sealed_to_new(&desk).await.0, "settled or not");
    desk.close().await;
}

/// NL's desk, to which the relay sends an entry of NL.
async fn own_entry(desk: &Desk, log: &Log, entry: &Signed) {
    let batch = vec![log.founding(), log.record(1, 5, entry)];
    assert_eq!(desk.take_entries(batch).await.unwrap().foul, None);
}

#[tokio::test]
async fn an_entry_of_our_own_nation_that_did_not_go_out_from_here_is_an_alarm() {
    let (clock, dir) = (HandClock::new(), tempfile::tempdir().unwrap());
    let log = Log::new(&clock);
    let entry = log.entry((1, log.genesis.hash), |entry| {
        rekeyed(entry);
        entry.desks[0].officers[0].key = SigningKey::from_seed([77; 32]).public();
        entry.desks[0].witness_key = None;
    });
    let desk = pair::open(&nl(), dir.path(), &clock);
    own_entry(&desk, &log, &entry).await;
    assert_eq!(desk.status().alarms, 1);
    let alarm = desk.alarms().remove(0);
    assert_eq!((alarm.code, alarm.reason), ("D-307", "OWN_ENTRY_CHANGED"));
    for changed in [
        "encryption keys of NL/cyber",
        "key of officer NL/cyber/duty",
        "witness key of NL/cyber",
        "channels or persons of NL/cyber",
    ] {
        assert!(alarm.what.contains(changed), "{}", alarm.what);
    }
    assert!(!alarm.what.contains("+3120"), "a number is never said: {}", alarm.what);
    desk.close().await;
    let desk = pair::open(&nl(), dir.path(), &clock);
    assert_eq!(desk.alarms(), std::slice::from_ref(&alarm), "after a restart");
    for (id, by) in [("entry-2", "duty"), ("entry-x", "duty"), (alarm.id.as_str(), "nobody")] {
        let refused = desk.settle(id.to_owned(), by.parse().unwrap(), "x".to_owned()).await;
        assert!(refused.is_err(), "{id} {by}");
    }
    desk.settle(alarm.id.clone(), duty(), "the ministry did it".to_owned()).await.unwrap();
    assert_eq!(desk.alarms(), []);
    desk.close().await;
    let desk = pair::open(&nl(), dir.path(), &clock);
    assert_eq!(desk.alarms(), [], "after a restart");
    desk.close().await;
}

#[tokio::test]
async fn an_entry_that_went_out_from_here_is_no_alarm_even_when_the_answer_was_lost() {
    let (clock, dir) = (HandClock::new(), tempfile::tempdir().unwrap());
    let log = Log::new(&clock);
    let entry = log.entry((1, log.genesis.hash), rekeyed);
    let desk = pair::open(&nl(), dir.path(), &clock);
    desk.note_publishing(Hash([1; 32])).await.unwrap();
    desk.note_publishing(entry.entry.hash).await.unwrap();
    desk.close().await;
    let desk = pair::open(&nl(), dir.path(), &clock);
    own_entry(&desk, &log, &entry).await;
    assert_eq!((desk.alarms(), desk.status().alarms), (Vec::new(), 0));
    desk.close().await;
}
