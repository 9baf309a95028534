//! A desk believes an entry when its nation has signed it and it follows the one before. Whatever
//! else a relay hands out as one is an alarm and changes nothing.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use detente::codec::{self, encode_event};
use detente::desk::{Desk, Held, IncomingEntry, Keys, Refused};
use detente::envelope::entry::words::{System, Use, When};
use detente::envelope::entry::{
    self, Channel, DeskRestricted, Entry, Restricted, Signed, of_founding, restricted,
};
use detente::envelope::{Act, SigningKey, genesis};
use detente::rules::{Event, Kind, Numbering};
use detente::units::{DAY_MS, DeskId, DeskIndex, HOUR_MS, Hash, Index, MessageId, Timestamp};

use crate::desk_pair::{self as pair, HandClock, Relay, carry, nl, ro};

/// A network of two, and what a relay would hand out of its directory log.
pub(crate) struct Log {
    pub(crate) genesis: genesis::Genesis,
    signed_genesis: Vec<u8>,
    now: Timestamp,
}

impl Log {
    pub(crate) fn new(clock: &HandClock) -> Self {
        let (signed_genesis, genesis) = pair::genesis();
        Self { genesis, signed_genesis, now: clock.now() }
    }

    fn event(&self, kind: Kind, signed: &[u8]) -> Vec<u8> {
        let event = Event { from: None, to: None, request: None, kind };
        let numbering = Numbering { desk_indexes: Vec::new(), pair_sequence: 0, previous: None };
        encode_event(&event, &numbering, self.now, Some(signed))
    }

    pub(crate) fn founding(&self) -> IncomingEntry {
        let kind = Kind::Founded(Box::new(self.genesis.clone()));
        let event = self.event(kind, &self.signed_genesis);
        IncomingEntry { leaf: 0, index: Index(0), event, restricted: Vec::new() }
    }

    /// The next entry of NL after this one.
    pub(crate) fn entry(
        &self,
        (version, previous): (u64, Hash),
        change: impl FnOnce(&mut Entry),
    ) -> Signed {
        self.signed((version, previous), change, &pair::national_key(&nl()))
    }

    fn signed(
        &self,
        (version, previous): (u64, Hash),
        change: impl FnOnce(&mut Entry),
        by: &SigningKey,
    ) -> Signed {
        let phone = Channel {
            system: System::Phone,
            value: "+31201234567".to_owned(),
            usage: Use::Primary,
            rank: 1,
            when: When::Always,
            from: None,
            until: None,
        };
        let open = DeskRestricted {
            salt: [3; 32],
            channels: vec![phone],
            confirmation: None,
            persons: Vec::new(),
        };
        let (bytes, commitments) = restricted::render(&Restricted::from([(nl().name, open)]));
        let mut entry = Entry {
            message: MessageId([version.to_be_bytes()[7]; 16]),
            version,
            previous,
            created: self.now,
            not_after: self.now.plus_ms(DAY_MS),
            ..of_founding(&self.genesis, &self.genesis.members[0])
        };
        entry.desks[0].restricted = commitments.into_values().next();
        change(&mut entry);
        entry::sign(entry::render(&entry).unwrap(), bytes, by).unwrap()
    }

    pub(crate) fn record(&self, leaf: u64, index: u64, signed: &Signed) -> IncomingEntry {
        let kind = Kind::EntryPublished(Box::new(signed.entry.clone()));
        let event = self.event(kind, &signed.to_bytes());
        let restricted = signed.restricted.clone();
        IncomingEntry { leaf, index: Index(index), event, restricted }
    }
}

fn version(desk: &Desk) -> u64 {
    desk.file().contacts().member(nl().member).unwrap().row.version
}

#[tokio::test]
async fn what_the_nation_signed_is_kept_over_a_restart_and_the_same_twice_is_nothing() {
    let (clock, dir) = (HandClock::new(), tempfile::tempdir().unwrap());
    let log = Log::new(&clock);
    let first = log.entry((1, log.genesis.hash), |entry| entry.display_name = "One".to_owned());
    let second = log.entry((2, first.entry.hash), |entry| entry.display_name = "Two".to_owned());
    let batch = vec![log.founding(), log.record(1, 5, &first), log.record(2, 9, &second)];
    let desk = pair::open(&ro(), dir.path(), &clock);
    let taken = desk.take_entries(batch.clone()).await.unwrap();
    assert_eq!((taken.new, taken.foul), (3, None));
    let again = desk.take_entries(batch).await.unwrap();
    assert_eq!((again.new, again.foul), (0, None));
    desk.close().await;

    let desk = pair::open(&ro(), dir.path(), &clock);
    let file = desk.file();
    assert_eq!(file.contacts().next_leaf(), 3);
    let contact = file.contacts().member(nl().member).unwrap();
    assert_eq!((contact.row.display_name.as_str(), contact.row.version), ("Two", 2));
    assert_eq!(contact.restricted, second.opened());
    let place = contact.version(1).unwrap().place.unwrap();
    let (event, restricted) = desk.entry_at(place).await.unwrap();
    let kept = codec::decode_entry(&event).unwrap().unwrap().with_restricted(restricted).unwrap();
    assert_eq!(kept, first, "an old version is there as it came");
    assert_eq!(desk.status().alarms, 0);
    desk.close().await;
}

#[tokio::test]
async fn whatever_a_hostile_relay_hands_out_is_an_alarm_and_changes_nothing() {
    let (clock, dir) = (HandClock::new(), tempfile::tempdir().unwrap());
    let log = Log::new(&clock);
    let genesis = log.genesis.hash;
    let good = log.entry((1, genesis), |_| {});
    let by = |key: &SigningKey| log.record(1, 5, &log.signed((1, genesis), |_| {}, key));
    let next = |at, change: fn(&mut Entry)| log.record(1, 5, &log.entry(at, change));
    let swapped = {
        let mut record = log.record(1, 5, &good);
        let number = record.restricted.windows(12).position(|part| part == b"+31201234567");
        record.restricted[number.unwrap() + 11] = b'8';
        record
    };
    let cases: Vec<(&str, IncomingEntry)> = vec![
        ("came where 1 was due", log.record(2, 5, &good)),
        ("it is no entry", IncomingEntry { leaf: 1, index: Index(5), ..log.founding() }),
        ("has not signed it", by(&pair::national_key(&ro()))),
        ("has not signed it", by(&pair::officer_key(&nl()))),
        ("the next of NL is version 1", next((2, genesis), |_| {})),
        ("the newest of NL is", next((1, Hash([7; 32])), |_| {})),
        (
            "another national key",
            next((1, genesis), |entry| {
                entry.national_key = SigningKey::from_seed([1; 32]).public();
            }),
        ),
        ("other authorities", next((1, genesis), |entry| entry.ca = vec![vec![9]])),
        ("XX is not a member", next((1, genesis), |entry| entry.member = "XX".parse().unwrap())),
        ("not what the entry commits to", swapped),
        ("it cannot be read", IncomingEntry { event: vec![1, 2, 3], ..log.record(1, 5, &good) }),
    ];
    let desk = pair::open(&ro(), dir.path(), &clock);
    let wrong_genesis = IncomingEntry { leaf: 0, ..log.record(0, 0, &good) };
    let taken = desk.take_entries(vec![wrong_genesis]).await.unwrap();
    assert!(taken.foul.unwrap().contains("not the genesis of this network"));
    desk.take_entries(vec![log.founding()]).await.unwrap();
    let before = desk.file().directory().clone();
    for (n, (why, forged)) in cases.into_iter().enumerate() {
        // What comes after it is not looked at: the order is the relay's to mend.
        let taken = desk.take_entries(vec![forged, log.record(1, 5, &good)]).await.unwrap();
        let foul = taken.foul.unwrap();
        assert!(foul.contains(why), "{foul:?} does not say {why:?}");
        assert!(!foul.contains("+3120"), "{foul}");
        assert_eq!((taken.new, desk.status().alarms), (0, n as u64 + 2), "{why}");
        assert_eq!(*desk.file().directory(), before, "{why}");
        assert_eq!(desk.file().contacts().next_leaf(), 1, "{why}");
    }
    let taken = desk.take_entries(vec![log.record(1, 5, &good)]).await.unwrap();
    assert_eq!((taken.new, taken.foul, version(&desk)), (1, None, 1), "the true one still comes");
    let old = log.entry((2, good.entry.hash), |_| {});
    let taken = desk.take_entries(vec![log.record(2, 5, &old)]).await.unwrap();
    assert!(taken.foul.unwrap().contains("is not after 5"), "records of the journal go forward");
    desk.close().await;
}

/// RO hears of NL's question only after it has heard that NL exchanged the officer's key.
#[tokio::test]
async fn a_statement_is_judged_by_the_directory_as_it_was_when_it_was_recorded() {
    let (clock, dir) = (HandClock::new(), tempfile::tempdir().unwrap());
    let log = Log::new(&clock);
    let nl_desk = pair::open(&nl(), &dir.path().join("nl"), &clock);
    let ro_desk = pair::open(&ro(), &dir.path().join("ro"), &clock);
    let mut relay = Relay::new(&clock);
    let sent = nl_desk.prepare(pair::question(&ro())).await.unwrap();
    carry(&nl_desk, &mut relay).await;
    let records = relay.follow(&ro(), DeskIndex(0));
    let asked = records.iter().map(|record| record.index).max().unwrap();
    let exchanged = log.entry((1, log.genesis.hash), |entry| {
        entry.desks[0].officers[0].key = SigningKey::from_seed([77; 32]).public();
    });
    let batch = vec![log.founding(), log.record(1, asked.0 + 1, &exchanged)];
    ro_desk.take_entries(batch.clone()).await.unwrap();
    nl_desk.take_entries(batch).await.unwrap();
    let taken = ro_desk.take(records).await.unwrap();
    assert!(taken.alarms.is_empty(), "{:?}", taken.alarms);
    let key = (nl(), sent.message);
    assert!(ro_desk.file().statement(&key).unwrap().rejected.is_none(), "it was good then");

    // What is signed with the old key from now on is refused before it leaves, and not believed.
    clock.pass(HOUR_MS);
    let refused = nl_desk.prepare(pair::question(&ro())).await.unwrap_err();
    assert!(refused.to_string().contains("is not the signer's key"), "{refused}");
    nl_desk.close().await;
    ro_desk.close().await;
}

/// RO's question has come to NL, whose entry has the machine key of seed 88 from now on.
struct Exchanged {
    desk: Desk,
    relay: Relay,
    question: (DeskId, MessageId),
    _dir: tempfile::TempDir,
}

impl Exchanged {
    /// `before` happens while the old key still counts.
    async fn after(before: impl AsyncFnOnce(&Desk, &mut Relay, &(DeskId, MessageId))) -> Self {
        let (clock, dir) = (HandClock::new(), tempfile::tempdir().unwrap());
        let log = Log::new(&clock);
        let desk = pair::open(&nl(), &dir.path().join("nl"), &clock);
        let other = pair::open(&ro(), &dir.path().join("ro"), &clock);
        let mut relay = Relay::new(&clock);
        let sent = other.prepare(pair::question(&nl())).await.unwrap();
        carry(&other, &mut relay).await;
        other.close().await;
        let question = (ro(), sent.message);
        desk.take(relay.follow(&nl(), DeskIndex(0))).await.unwrap();
        before(&desk, &mut relay, &question).await;
        let exchanged = log.entry((1, log.genesis.hash), |entry| {
            entry.desks[0].desk_key = SigningKey::from_seed([88; 32]).public();
        });
        let batch = vec![log.founding(), log.record(1, 50, &exchanged)];
        desk.take_entries(batch).await.unwrap();
        Self { desk, relay, question, _dir: dir }
    }

    /// What waits in the outbox.
    fn waits(&self) -> Vec<std::sync::Arc<Held>> {
        self.desk.file().outbox().cloned().collect()
    }

    /// The relay refuses what waits: it is signed with the key that was exchanged.
    async fn refuse(&self) {
        for held in self.waits() {
            let refused = Refused {
                code: "R-110".into(),
                reason: "WRONG_KEY".into(),
                cause: "not the signer's key".into(),
                next: "sign with the key that the directory has for this signer".into(),
            };
            self.desk.note_refused(held.statement.message, refused).await.unwrap();
        }
    }

    async fn replace_keys(&self) {
        let keys = Keys { desk: SigningKey::from_seed([88; 32]), ..pair::keys(&nl()) };
        self.desk.replace_keys(keys).await.unwrap();
    }

    /// One statement waits, about the question, and signed with the new key.
    fn assert_said_again(&self, is: impl Fn(&Act) -> Option<MessageId>) {
        let waits = self.waits();
        let [held] = &waits[..] else { panic!("{waits:?}") };
        assert_eq!(is(&held.statement.act), Some(self.question.1), "{held:?}");
        assert_eq!(held.statement.signer_key, SigningKey::from_seed([88; 32]).public().id());
    }
}

fn receipt(act: &Act) -> Option<MessageId> {
    if let Act::Receipt { of, rejected: None, .. } = act { Some(*of) } else { None }
}

fn retrieval(act: &Act) -> Option<MessageId> {
    if let Act::Retrieval { of, failed: None, .. } = act { Some(*of) } else { None }
}

#[tokio::test]
async fn a_receipt_refused_to_a_former_key_is_said_again_whenever_the_refusal_comes() {
    let scene = Exchanged::after(async |_, _, _| {}).await;
    scene.refuse().await;
    assert_eq!(scene.waits(), vec![], "the old key would be refused again");
    scene.replace_keys().await;
    scene.assert_said_again(receipt);
    scene.desk.close().await;

    // It was under way when the keys were exchanged.
    let scene = Exchanged::after(async |_, _, _| {}).await;
    scene.replace_keys().await;
    assert_eq!(scene.waits().len(), 1, "the old receipt, whose answer is not here");
    scene.refuse().await;
    scene.assert_said_again(receipt);
    // What is refused to the new key is not said again for ever.
    scene.refuse().await;
    assert_eq!(scene.waits(), vec![]);
    scene.desk.close().await;
}

#[tokio::test]
async fn a_retrieval_refused_to_a_former_key_is_said_again_once() {
    for refused_first in [true, false] {
        let scene = Exchanged::after(async |desk, relay, question| {
            carry(desk, relay).await;
            let request = desk.file().statement(question).unwrap().statement.request;
            desk.retrieve(request, pair::duty()).await.unwrap();
        })
        .await;
        if refused_first {
            scene.refuse().await;
        }
        scene.replace_keys().await;
        if !refused_first {
            scene.refuse().await;
        }
        scene.assert_said_again(retrieval);
        scene.desk.pick_up().await.unwrap();
        scene.assert_said_again(retrieval);
        drop(scene.relay);
        scene.desk.close().await;
    }
}
