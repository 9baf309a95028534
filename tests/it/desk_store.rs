//! Decision 17: a desk is as durable as the relay. A crash between any two records, or within
//! one, loses nothing that was kept and changes no statement.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use detente::desk::{CaseFile, Desk, Error, Form, OpenError, Progress};
use detente::envelope::Envelope;
use detente::journal::{AppendError, Batch, Fault, Journal, MemoryJournal, Reader};
use detente::units::{BatchId, DAY_MS, HOUR_MS, Index, JournalId, MessageId};

use crate::desk_pair::{self as pair, HandClock, Relay, carry, carry_with, nl, ro};
use crate::net::copy_tree;

/// What a case file says, in words that two files can be compared by.
fn portrait(file: &CaseFile) -> String {
    use std::fmt::Write as _;
    let mut portrait = format!("next {} place {}\n", file.next(), file.next_place());
    for (id, case) in file.cases_before(u64::MAX) {
        writeln!(portrait, "{id} {case:?}").unwrap();
        for held in file.statements_of(id) {
            writeln!(portrait, "  {held:?}").unwrap();
        }
    }
    let outbox: Vec<_> = file.outbox().map(|held| held.statement.message).collect();
    let wanted: Vec<_> = file.wanted().map(|held| held.statement.message).collect();
    let updates: Vec<_> = (0..file.updates_len()).map(|n| file.update(n)).collect();
    writeln!(portrait, "outbox {outbox:?} wanted {wanted:?} updates {updates:?}").unwrap();
    portrait
}

/// Two desks through one request: after every record of either desk, a copy of the directory as a
/// crash would leave it opens with the same case file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_record_gives_the_same_case_file() {
    let clock = HandClock::new();
    let dirs = tempfile::tempdir().unwrap();
    let (a_dir, b_dir) = (dirs.path().join("a"), dirs.path().join("b"));
    let a = pair::open(&nl(), &a_dir, &clock);
    let b = pair::open(&ro(), &b_dir, &clock);
    let mut relay = Relay::new(&clock);
    let crashes = std::cell::Cell::new(0);
    let crash = async |desk: &Desk, dir: &Path| {
        let copied = dirs.path().join(format!("crash-{}", crashes.get()));
        crashes.set(crashes.get() + 1);
        // Nobody writes now: the copy is what a power cut would leave.
        copy_tree(dir, &copied);
        let again = pair::open(desk.file().owner(), &copied, &clock);
        assert_eq!(portrait(&again.file()), portrait(&desk.file()));
        again.close().await;
        fs::remove_dir_all(copied).unwrap();
    };
    let mut crash_a = async || crash(&a, &a_dir).await;
    let mut crash_b = async || crash(&b, &b_dir).await;

    let sent = a.prepare(pair::question(&ro())).await.unwrap();
    crash_a().await;
    carry_with(&a, &mut relay, &mut crash_a).await;
    carry_with(&b, &mut relay, &mut crash_b).await;
    b.retrieve(sent.request, pair::duty()).await.unwrap();
    crash_b().await;
    let by = clock.now().plus_ms(DAY_MS);
    b.prepare(pair::acknowledgement(sent.request, by)).await.unwrap();
    crash_b().await;
    carry_with(&b, &mut relay, &mut crash_b).await;
    carry_with(&a, &mut relay, &mut crash_a).await;
    assert!(crashes.get() >= 20, "{}", crashes.get());
    let case = a.file().case(sent.request).cloned().unwrap();
    assert_eq!(case.request.as_ref().unwrap().handling.as_str(), "ACKNOWLEDGED");
    assert!(case.acknowledged.is_some());
}

#[tokio::test]
async fn after_a_crash_the_very_same_bytes_are_sent() {
    let clock = HandClock::new();
    let dir = tempfile::tempdir().unwrap();
    let mut relay = Relay::new(&clock);
    let desk = pair::open(&nl(), dir.path(), &clock);
    let sent = desk.prepare(pair::question(&ro())).await.unwrap();
    let held = desk.file().own_statement(sent.message).cloned().unwrap();
    let first = desk.envelope(held).await.unwrap();
    // It reached the relay, and the answer was lost with the desk.
    relay.submit(&first).unwrap();
    desk.close().await;
    clock.pass(HOUR_MS);

    let desk = pair::open(&nl(), dir.path(), &clock);
    assert_eq!(desk.status().outbox, 1);
    carry(&desk, &mut relay).await;
    assert_eq!(relay.submitted.len(), 2);
    assert_eq!(relay.submitted[0].to_bytes(), relay.submitted[1].to_bytes());
    let held = desk.file().own_statement(sent.message).cloned().unwrap();
    assert!(held.recorded.is_some());
    assert_eq!(desk.status().outbox, 0);
    // Sequence numbers go on where they were.
    let next = desk.prepare(pair::question(&ro())).await.unwrap();
    let next = desk.file().own_statement(next.message).cloned().unwrap();
    assert_eq!(next.statement.sequence, held.statement.sequence + 1);
}

#[tokio::test]
async fn what_is_kept_cannot_be_read_from_the_disk_nor_with_another_secret() {
    let clock = HandClock::new();
    let dir = tempfile::tempdir().unwrap();
    let desk = pair::open(&nl(), dir.path(), &clock);
    desk.prepare(pair::question(&ro())).await.unwrap();
    desk.close().await;
    let mut bytes = Vec::new();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let files = if path.is_dir() {
            fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()).collect()
        } else {
            vec![path]
        };
        for file in files {
            bytes.extend(fs::read(file).unwrap());
        }
    }
    for canary in ["Which provider", "NL/cyber", "RO/cyber", "Hosting"] {
        let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
        assert!(!found, "{canary:?} is on disk in the clear");
    }
    let mut other = pair::options(&nl(), dir.path(), &clock);
    other.secret = zeroize::Zeroizing::new(b"Unlock".to_vec());
    assert!(matches!(Desk::open(other), Err(OpenError::WrongSecret { .. })));
    let foreign = Desk::open(pair::options(&ro(), dir.path(), &clock));
    assert!(matches!(foreign, Err(OpenError::Foreign { .. })));
    let mut stranger = pair::options(&nl(), dir.path(), &clock);
    stranger.keys = pair::keys(&ro());
    assert!(matches!(Desk::open(stranger), Err(OpenError::Keys(_))));
    pair::open(&nl(), dir.path(), &clock).close().await;
}

#[tokio::test]
async fn one_process_has_the_directory() {
    let clock = HandClock::new();
    let dir = tempfile::tempdir().unwrap();
    let desk = pair::open(&nl(), dir.path(), &clock);
    let second = Desk::open(pair::options(&nl(), dir.path(), &clock));
    assert!(matches!(second, Err(OpenError::Journal(_))));
    desk.close().await;
    let refused = desk.prepare(pair::question(&ro())).await;
    assert_eq!(refused, Err(Error::Stopped));
    pair::open(&nl(), dir.path(), &clock).close().await;
}

#[tokio::test]
async fn a_repeat_is_the_same_statement_and_a_conflict_is_refused() {
    let clock = HandClock::new();
    let dir = tempfile::tempdir().unwrap();
    let desk = pair::open(&nl(), dir.path(), &clock);
    let mut order = pair::question(&ro());
    order.message = Some(MessageId([7; 16]));
    let first = desk.prepare(order.clone()).await.unwrap();
    clock.pass(HOUR_MS);
    let places = desk.file().next_place();
    assert_eq!(desk.prepare(order.clone()).await.unwrap(), first);
    assert_eq!(desk.file().next_place(), places, "nothing new is kept");
    order.body = pair::acknowledgement(first.request, clock.now()).body;
    match desk.prepare(order).await {
        Err(Error::Local(refusal)) => assert_eq!(refusal.code(), "D-101"),
        other => panic!("{other:?}"),
    }
}

/// What lapses in the outbox is refused in words; a machine's statement is made again.
#[tokio::test]
async fn what_lapses_in_the_outbox_is_said_so() {
    let clock = HandClock::new();
    let dirs = tempfile::tempdir().unwrap();
    let a = pair::open(&nl(), &dirs.path().join("a"), &clock);
    let b = pair::open(&ro(), &dirs.path().join("b"), &clock);
    let mut relay = Relay::new(&clock);
    let sent = a.prepare(pair::question(&ro())).await.unwrap();
    carry(&a, &mut relay).await;
    b.take(relay.follow(&ro(), b.file().next())).await.unwrap();
    let receipt = b.file().outbox().next().unwrap().statement.message;
    let lost = b.prepare(pair::acknowledgement(sent.request, clock.now().plus_ms(HOUR_MS))).await;
    let lost = lost.unwrap().message;

    clock.pass(8 * DAY_MS);
    b.note_lapsed(lost).await.unwrap();
    b.note_lapsed(receipt).await.unwrap();
    let standing = tokio::time::timeout(crate::net::PATIENCE, b.settled(lost)).await;
    let Progress::Refused(refusal) = standing.unwrap().unwrap().progress else { panic!("sent") };
    assert_eq!(refusal.code, "D-107");
    assert_eq!(b.status().outbox, 1, "a new receipt waits");
    carry(&b, &mut relay).await;
    let key = (nl(), sent.message);
    assert!(matches!(b.file().statement(&key).unwrap().form, Form::Here(_)));
}

/// A journal whose disk is full, or fails, when it is told to be.
struct Moody {
    inner: MemoryJournal,
    mood: Arc<Mutex<Option<AppendError>>>,
}

impl Journal for Moody {
    fn id(&self) -> JournalId {
        self.inner.id()
    }

    fn next_index(&self) -> Index {
        self.inner.next_index()
    }

    fn last_batch(&self) -> Option<(BatchId, Vec<u8>)> {
        self.inner.last_batch()
    }

    fn append(&mut self, expected: Index, batch: &Batch) -> Result<(), AppendError> {
        match self.mood.lock().unwrap().clone() {
            Some(error) => Err(error),
            None => self.inner.append(expected, batch),
        }
    }

    fn erase(&mut self, index: Index) -> Result<(), Fault> {
        self.inner.erase(index)
    }

    fn idle(&mut self) -> Result<(), AppendError> {
        Ok(())
    }

    fn probe(&mut self) -> Result<(), AppendError> {
        Ok(())
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.inner.reader()
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing_and_a_failed_one_ends_the_desk() {
    let clock = HandClock::new();
    let dir = tempfile::tempdir().unwrap();
    let mood = Arc::new(Mutex::new(None));
    let inner = MemoryJournal::new(JournalId([1; 16]));
    let journal = Box::new(Moody { inner, mood: Arc::clone(&mood) });
    let desk = Desk::open_on(journal, None, pair::options(&nl(), dir.path(), &clock)).unwrap();
    let first = desk.prepare(pair::question(&ro())).await.unwrap();
    let before = portrait(&desk.file());

    *mood.lock().unwrap() = Some(AppendError::Full);
    for _ in 0..3 {
        assert_eq!(desk.prepare(pair::question(&ro())).await, Err(Error::Full));
    }
    let mut relay = Relay::new(&clock);
    relay.submit(&envelope(&desk, first.message).await).unwrap();
    let records = relay.follow(&nl(), desk.file().next());
    assert_eq!(desk.take(records.clone()).await, Err(Error::Full));
    assert_eq!(portrait(&desk.file()), before, "nothing that is not on disk is shown");
    assert_eq!(desk.failed(), None);

    *mood.lock().unwrap() = None;
    assert_eq!(desk.take(records.clone()).await.unwrap().new, records.len());
    let second = desk.prepare(pair::question(&ro())).await.unwrap();
    let sequence = |message| desk.file().own_statement(message).unwrap().statement.sequence;
    assert_eq!(sequence(second.message), sequence(first.message) + 1, "no number was used up");

    *mood.lock().unwrap() = Some(AppendError::Unknown("sync".into()));
    let failed = desk.prepare(pair::question(&ro())).await;
    assert!(matches!(failed, Err(Error::Fault(_))), "{failed:?}");
    assert!(desk.failed().is_some());
    desk.close().await;
}

async fn envelope(desk: &Desk, message: MessageId) -> Envelope {
    let held = desk.file().own_statement(message).cloned().unwrap();
    desk.envelope(held).await.unwrap()
}
