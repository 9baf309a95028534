//! The commit thread and the tables' thread by themselves, where no relay can be brought there from
//! outside: rules that break, and records that never stop coming.
//!
//! Not for what a caller sees (see `tests/it/relay_commit.rs`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use tokio::sync::oneshot;

use super::Error;
use super::clock::{Clock, SystemClock, Timekeeper};
use super::commit::{Committer, Decide, Job, Settled, Work};
use super::open::replay;
use super::shared::Shared;
use super::slot::Slot;
use super::state::{Published, World};
use super::tables_thread::TablesThread;
use crate::journal::MemoryJournal;
use crate::rules::{self, Command, Decision, Refusal, State};
use crate::tables::{self, Tables};
use crate::units::{Hash, Index, JournalId, Timestamp};

const JOURNAL: JournalId = JournalId([7; 16]);

fn no_witness() -> crate::tlog::Policy {
    "quorum none".parse().unwrap()
}

/// The commit thread's things, without a thread, on a journal in memory.
fn committer(decide: Decide) -> (Committer, SyncSender<Job>, Arc<Shared>) {
    let (jobs, queue) = sync_channel(16);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let shared = Arc::new(Shared::new(Published::new(World::default()), Index(0), no_witness()));
    let committer = Committer {
        decide,
        journal: Box::new(MemoryJournal::new(JOURNAL)),
        jobs: queue,
        looks: Vec::new(),
        pads: Vec::new(),
        shared: Arc::clone(&shared),
        keeper: Timekeeper::new(clock.as_ref(), None),
        due_from_boot_ms: clock.boot_ms(),
        last_sync_boot_ms: clock.boot_ms(),
        clock,
        random: aws_lc_rs::rand::SystemRandom::new(),
        marked: false,
        batch_bytes_max: 1 << 20,
        owed: BTreeSet::new(),
        full: false,
        signers: None,
    };
    (committer, jobs, shared)
}

type Answer = oneshot::Receiver<Result<Settled, Error>>;

/// A command that always makes a record, and its answer.
fn work(bytes: u64) -> (Work, Answer) {
    let (reply, answer) = oneshot::channel();
    let command = Command::NoteTruncation { bytes, sha256: Hash([0; 32]) };
    (Work { reply: Some(reply), ..Work::own(command) }, answer)
}

fn index(answer: Answer) -> Result<Index, Error> {
    answer.blocking_recv().unwrap().map(|settled| settled.index)
}

/// Rules with a fault: they break on one command, and on no other.
fn fragile(state: &State, command: &Command, now: Timestamp) -> Result<Decision, Refusal> {
    assert!(!matches!(command, Command::NoteTruncation { bytes: 13, .. }), "thirteen");
    rules::decide(state, command, now)
}

#[test]
fn rules_that_panic_refuse_that_one_command() {
    let (mut committer, _jobs, shared) = committer(fragile);
    let [(one, first), (thirteen, broken), (two, second)] = [1, 13, 2].map(work);
    committer.turn(vec![one, thirteen, two]).unwrap();
    assert_eq!(index(first), Ok(Index(0)));
    let Err(Error::Fault(why)) = index(broken) else { panic!("a fault belongs here") };
    assert!(why.contains("deciding failed"), "{why}");
    assert_eq!(index(second), Ok(Index(1)), "its neighbours in the batch are recorded");
    assert_eq!(shared.published().next_index(), Index(2));
    assert_eq!(committer.journal.next_index(), Index(2));
}

#[test]
fn rules_that_panic_do_not_stop_the_relay() {
    let (committer, jobs, shared) = committer(fragile);
    let running = std::thread::spawn(move || committer.run());
    for (bytes, expected) in [(13, None), (1, Some(Index(0))), (13, None), (2, Some(Index(1)))] {
        let (work, answer) = work(bytes);
        jobs.send(Job::Command(Box::new(work))).unwrap();
        assert_eq!(index(answer).ok(), expected);
        assert!(!*shared.stopped().borrow(), "the relay has stopped");
    }
    jobs.send(Job::Stop).unwrap();
    assert_eq!(running.join().unwrap(), Ok(()));
}

/// Whenever the tables look there is more: a snapshot is kept all the same, and a start replays
/// only what came after it.
#[test]
fn a_relay_that_never_goes_idle_keeps_snapshots() {
    let directory = tempfile::tempdir().unwrap();
    let (mut committer, _jobs, shared) = committer(rules::decide);
    let reader = committer.journal.reader();
    let options = tables::Options { cache_bytes: 1 << 20, journal: JOURNAL };
    let opened = Tables::open(directory.path(), &options, reader.as_ref()).unwrap();
    let slot = Arc::new(Slot::new(opened.tables));
    let tables = slot.tables().unwrap();
    let mut thread = TablesThread {
        slot,
        directory: directory.path().to_owned(),
        options,
        reader: Arc::clone(&reader),
        shared: Arc::clone(&shared),
        snapshot: Index(0),
        snapshot_every: u64::MAX,
        snapshot_every_if_busy: 10,
    };
    let mut kept = BTreeSet::new();
    for n in 0..35 {
        committer.turn(vec![work(n).0]).unwrap();
        assert_eq!(thread.follow(&tables), Ok(true), "there is always more");
        kept.insert(thread.snapshot);
    }
    assert_eq!(kept.into_iter().collect::<Vec<_>>(), [0, 10, 20, 30].map(Index));
    let journal = &mut *committer.journal;
    let (world, snapshot) = replay(&tables, journal, reader.as_ref()).unwrap();
    assert_eq!((world.next, snapshot), (Index(35), Index(30)), "five records are replayed");
    let replayed = Published::new(world);
    assert_eq!(replayed.signed_heads().heads(), shared.published().signed_heads().heads());
}
