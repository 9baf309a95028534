//! A desk takes a statement for recorded only by a receipt that holds; what does not hold is an
//! alarm, and what was given is kept as evidence.

use detente::codec::{Head, Leaf, Log};
use detente::desk::{Answer, BadReceipt, Desk, GivenProof, KeptProof, Receipt, witness};
use detente::envelope::Envelope;
use detente::relay::Signers;
use detente::tlog::note::{Kind, Signer};
use detente::tlog::{Checkpoint, LogProof, Note, Policy, leaf_hash};
use detente::units::{DAY_MS, DeskIndex, Hash, Index, RequestId, Timestamp};

use crate::desk_pair::{self as pair, HandClock, Relay, carry, nl, ro, signers};

/// A desk, a relay, and a question that the relay has recorded and the desk does not know of yet.
struct Scene {
    clock: HandClock,
    desk: Desk,
    relay: Relay,
    envelope: Envelope,
    at: (Index, Timestamp),
    dir: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let clock = HandClock::new();
        let dir = tempfile::tempdir().unwrap();
        let desk = pair::open(&nl(), dir.path(), &clock);
        let mut relay = Relay::new(&clock);
        // Something that is proven before, so that the tree has more than one leaf.
        desk.prepare(pair::question(&ro())).await.unwrap();
        carry(&desk, &mut relay).await;
        desk.prepare(pair::question(&ro())).await.unwrap();
        let held = desk.file().outbox().next().cloned().unwrap();
        let envelope = desk.envelope(held).await.unwrap();
        let at = relay.submit(&envelope).unwrap();
        Self { clock, desk, relay, envelope, at, dir }
    }

    fn good(&self) -> Answer {
        self.relay.answer(self.at)
    }

    fn request(&self) -> RequestId {
        self.envelope.statement.request
    }

    fn is_recorded(&self) -> bool {
        let message = self.envelope.statement.message;
        self.desk.file().own_statement(message).unwrap().recorded.is_some()
    }

    async fn say(&self, answer: Answer) -> bool {
        self.desk.note_confirmed(&self.envelope, answer).await.unwrap()
    }
}

/// What a relay that lies may answer, and the code of what is wrong with it.
fn lies(scene: &Scene) -> Vec<(&'static str, &'static str, Answer)> {
    let good = scene.good();
    let receipt = good.receipt.clone().unwrap();
    let other = scene.relay.receipt(Index(1));
    let lie = |receipt: Receipt| Answer { receipt: Ok(receipt), ..good.clone() };
    let note = |key: &Signer, size, root| {
        let origin = key.public().name().to_string();
        let mut note =
            Note::new(Checkpoint::new(&origin, size, root).unwrap().to_string()).unwrap();
        note.add(key.sign(note.text(), 0).unwrap());
        note.to_string()
    };
    let head: Checkpoint = receipt.checkpoint.parse::<Note>().unwrap().text().parse().unwrap();
    let own = "detente-test/traffic".parse().unwrap();
    let stranger = Signer::from_seed(own, Kind::Ed25519, [7; 32]);
    let directory = signers().sign(Log::Directory, &Head { size: head.size(), root: head.root() });
    let mut opened = receipt.clone();
    opened.leaf.opening = Some([6; 32]);
    let mut moved = receipt.clone();
    moved.leaf.index -= 1;
    let mut bent = receipt.clone();
    bent.hashes[0].0[3] ^= 1;
    let mut short = receipt.clone();
    short.hashes.pop();
    let mut changed = receipt.clone();
    *changed.event.last_mut().unwrap() ^= 1;
    let plain = Leaf { log: Log::Directory, opening: None, ..receipt.leaf };
    let signed = |checkpoint: String| lie(Receipt { checkpoint, ..receipt.clone() });
    vec![
        ("none", "D-311", Answer { receipt: Err(BadReceipt::absent()), ..good.clone() }),
        ("no note", "D-312", signed("nothing".to_owned())),
        ("a plain leaf", "D-314", lie(Receipt { leaf: plain, ..receipt.clone() })),
        ("another's", "D-313", lie(other)),
        ("a changed event", "D-313", lie(changed)),
        ("another time", "D-313", Answer { time: good.time.plus_ms(1), ..good.clone() }),
        ("another key", "D-314", signed(note(&stranger, head.size(), head.root()))),
        ("another log", "D-314", signed(directory.unwrap().to_string())),
        ("another head", "D-315", {
            let root = Hash([1; 32]);
            let head = Head { size: head.size(), root };
            signed(signers().sign(Log::Traffic, &head).unwrap().to_string())
        }),
        ("another opening", "D-315", lie(opened)),
        ("another place", "D-315", lie(moved)),
        ("a bent proof", "D-315", lie(bent)),
        ("a short proof", "D-315", lie(short)),
        ("another record", "D-316", Answer { index: Index(1), ..good.clone() }),
    ]
}

#[tokio::test]
async fn what_does_not_hold_is_an_alarm_and_the_statement_stays_in_the_outbox() {
    let scene = Scene::new().await;
    let mut kept = None;
    for (what, code, answer) in lies(&scene) {
        let (before, place) = (scene.desk.status().alarms, scene.desk.file().next_place());
        assert!(!scene.say(answer.clone()).await, "{what} was believed");
        assert!(!scene.is_recorded(), "{what}");
        assert_eq!(scene.desk.file().outbox_len(), 1, "{what}");
        // Evidence is kept, and an alarm raised, whenever it is of another kind than the last.
        let news = u64::from(kept != Some(code));
        kept = Some(code);
        assert_eq!(scene.desk.status().alarms, before + news, "{what} is not {code}");
        assert_eq!(scene.desk.file().next_place().0, place.0 + news, "{what}");
        assert!(!scene.say(answer).await);
        assert_eq!(scene.desk.status().alarms, before + news, "{what} raised two alarms");
    }
}

#[tokio::test]
async fn a_disputed_statement_is_not_taken_for_recorded_until_a_receipt_holds() {
    let mut scene = Scene::new().await;
    let lie = lies(&scene).remove(0).2;
    assert!(!scene.say(lie).await);
    // The relay sends the record itself, which proves nothing.
    let from = scene.desk.file().next();
    let records = scene.relay.follow(&nl(), from);
    assert!(!records.is_empty());
    scene.desk.take(records).await.unwrap();
    assert!(!scene.is_recorded());
    // Also after a restart.
    scene.desk.close().await;
    scene.desk = pair::open(&nl(), scene.dir.path(), &scene.clock);
    assert!(!scene.is_recorded());
    assert!(scene.desk.file().proofs().is_in_dispute(scene.envelope.statement.message));
    assert!(scene.say(scene.good()).await);
    assert!(scene.is_recorded());
    assert_eq!(scene.desk.file().outbox_len(), 0);
}

/// What a third party does with a proof: it has the file and the key of the log.
fn check_alone(proof: &str) -> LogProof {
    let proof: LogProof = proof.parse().unwrap();
    let signers: Signers = signers();
    let key = signers.verifier(Log::Traffic);
    let policy: Policy = format!("log {key}\nquorum none\n").parse().unwrap();
    let (opening, event) = proof.extra.as_deref().unwrap().split_first_chunk::<32>().unwrap();
    let leaf = Leaf { log: Log::Traffic, index: proof.index, opening: Some(*opening) };
    proof.verify(&policy, &leaf_hash(&leaf.data(event))).unwrap();
    proof
}

#[tokio::test]
async fn receipts_and_proofs_of_others_records_are_kept_and_can_be_checked_alone() {
    let mut scene = Scene::new().await;
    assert!(scene.say(scene.good()).await);
    let records = scene.relay.follow(&nl(), DeskIndex(0));
    scene.desk.take(records).await.unwrap();
    let (own, missing) = scene.desk.proofs_of(scene.request()).await.unwrap();
    assert_eq!((own.len(), missing), (1, 1), "the relay's note of the offer has none yet");
    assert_eq!((own[0].index, own[0].witnessed), (scene.at.0, false));

    let unproven: Vec<_> = scene.desk.file().proofs().unproven().collect();
    let give = |(index, place): (Index, Index), bend: bool| {
        let Receipt { mut hashes, checkpoint, .. } = scene.relay.receipt(index);
        if bend {
            hashes.push(Hash([0; 32]));
        }
        GivenProof { index, place, proof: Ok((hashes, checkpoint)), raw: vec![2] }
    };
    let before = scene.desk.status().alarms;
    let bent: Vec<_> = unproven.iter().map(|one| give(*one, true)).collect();
    for _ in 0..2 {
        scene.desk.take_proofs(bent.clone()).await.unwrap();
    }
    assert_eq!(scene.desk.status().alarms, before + unproven.len() as u64, "each once");
    let good: Vec<_> = unproven.iter().map(|one| give(*one, false)).collect();
    scene.desk.take_proofs(good).await.unwrap();
    assert_eq!(scene.desk.file().proofs().unproven().count(), 0);

    scene.desk.close().await;
    scene.desk = pair::open(&nl(), scene.dir.path(), &scene.clock);
    let (proofs, missing) = scene.desk.proofs_of(scene.request()).await.unwrap();
    assert_eq!((proofs.len(), missing), (2, 0));
    for KeptProof { index, proof, .. } in proofs {
        let checked = check_alone(&proof);
        let expected = scene.relay.receipt(index);
        assert_eq!(checked.index, expected.leaf.index);
        assert!(checked.extra.unwrap().ends_with(&expected.event));
    }
}

/// What a head with the quorum would be compared with.
fn seen(desk: &Desk, receipt: &Receipt) -> Vec<witness::Head> {
    let note: Note = receipt.checkpoint.parse().unwrap();
    let head = witness::Head { size: 1, root: Hash([0; 32]), note };
    let head = witness::WitnessedHead { head, witnesses: 0, time: None };
    desk.heads_to_compare("traffic", &head)
}

#[tokio::test]
async fn heads_that_wait_to_be_compared_wait_after_a_restart_too() {
    let mut scene = Scene::new().await;
    assert!(scene.say(scene.good()).await);
    let receipt = scene.good().receipt.unwrap();
    let before = seen(&scene.desk, &receipt);
    assert_eq!(before.len(), 2, "of both receipts");
    scene.desk.close().await;
    scene.desk = pair::open(&nl(), scene.dir.path(), &scene.clock);
    assert_eq!(seen(&scene.desk, &receipt), before);
}

#[tokio::test]
async fn what_the_recipient_said_counts_although_our_receipt_was_in_dispute() {
    let mut scene = Scene::new().await;
    let lie = lies(&scene).remove(0).2;
    assert!(!scene.say(lie).await);
    let dir = tempfile::tempdir().unwrap();
    let recipient = pair::open(&ro(), dir.path(), &scene.clock);
    carry(&recipient, &mut scene.relay).await;
    let records = scene.relay.follow(&nl(), scene.desk.file().next());
    scene.desk.take(records).await.unwrap();
    assert!(!scene.is_recorded());
    assert!(scene.say(scene.good()).await);
    scene.clock.pass(DAY_MS);
    assert_eq!(scene.desk.alarms(), [], "both have answered");
}
