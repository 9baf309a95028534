//! The commit thread on a journal that fails on purpose: nothing is lost, promised or hidden.
//!
//! Not for real disks (see `disk.rs`), nor for what streams do by themselves (`relay_streams.rs`).

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::Poll;
use std::time::Duration;

use detente::envelope::Envelope;
use detente::journal::{AppendError, Batch, Fault, Journal, MemoryJournal, Reader};
use detente::relay::{Error, Item, Relay, Running, Submitted, SystemClock};
use detente::rules::event::Kind;
use detente::units::{BatchId, Caller, DeskIndex, Index, JournalId, MessageId};
use tokio::task::JoinHandle;

use crate::net::{self, Dev, Speaker};
use crate::relay_streams::{BEAT, options};

/// What becomes of the next appends.
#[derive(Clone, Copy)]
enum Fate {
    Well = 0,
    Full = 1,
    Lost = 2,
    Panic = 3,
}

/// A journal in memory that fails as told, and can be held up.
struct Disturbed {
    inner: MemoryJournal,
    hand: Arc<Hand>,
}

#[derive(Default)]
struct Hand {
    fate: AtomicU8,
    held: Mutex<bool>,
    let_go: Condvar,
    /// An append waits to be let go.
    waits: AtomicBool,
}

impl Hand {
    fn tell(&self, fate: Fate) {
        self.fate.store(fate as u8, Ordering::SeqCst);
    }

    fn hold(&self) {
        *self.held.lock().unwrap() = true;
    }

    fn let_go(&self) {
        *self.held.lock().unwrap() = false;
        self.let_go.notify_all();
    }
}

impl Journal for Disturbed {
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
        let held = self.hand.held.lock().unwrap();
        self.hand.waits.store(*held, Ordering::SeqCst);
        drop(self.hand.let_go.wait_while(held, |held| *held).unwrap());
        match self.hand.fate.load(Ordering::SeqCst) {
            fate if fate == Fate::Full as u8 => Err(AppendError::Full),
            fate if fate == Fate::Lost as u8 => Err(AppendError::Unknown("on purpose".to_owned())),
            fate if fate == Fate::Panic as u8 => panic!("on purpose"),
            _ => self.inner.append(expected, batch),
        }
    }

    fn erase(&mut self, index: Index) -> Result<(), Fault> {
        self.inner.erase(index)
    }

    fn idle(&mut self) -> Result<(), AppendError> {
        self.inner.idle()
    }

    fn probe(&mut self) -> Result<(), AppendError> {
        self.inner.probe()
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.inner.reader()
    }
}

struct Lab {
    dev: Dev,
    relay: Relay,
    running: Running,
    hand: Arc<Hand>,
    nl: Arc<Speaker>,
}

impl Lab {
    fn new() -> Self {
        let dev = Dev::new(&["NL", "RO"]);
        let (options, genesis) = options(&dev);
        let hand = Arc::new(Hand::default());
        let inner = MemoryJournal::new(JournalId([7; 16]));
        let journal = Box::new(Disturbed { inner, hand: Arc::clone(&hand) });
        let clock = Arc::new(SystemClock::default());
        let open = move || Relay::open_on(journal, None, &options, &genesis, clock).unwrap();
        let (relay, running) = std::thread::spawn(open).join().unwrap();
        let nl = Arc::new(Speaker::new(&dev, "NL"));
        Self { dev, relay, running, hand, nl }
    }

    fn question(&self) -> Envelope {
        self.nl.question(&net::desk("RO"))
    }

    async fn submit(&self, envelope: Envelope) -> Result<Submitted, Error> {
        self.relay.submit(&Caller { desk: net::desk("NL") }, envelope).await
    }

    /// Submits in the background; when this answers, it is in the queue, or was not taken.
    async fn queue(&self, envelope: Envelope) -> JoinHandle<Result<Submitted, Error>> {
        let relay = self.relay.clone();
        let caller = Caller { desk: net::desk("NL") };
        let mut submitting = Box::pin(async move { relay.submit(&caller, envelope).await });
        // A submission is in the queue before it waits for anything.
        let first = std::future::poll_fn(|context| Poll::Ready(submitting.as_mut().poll(context)));
        match first.await {
            Poll::Ready(answer) => tokio::spawn(std::future::ready(answer)),
            Poll::Pending => tokio::spawn(submitting),
        }
    }

    /// Holds the journal up in the middle of a statement's append.
    async fn hold_up(&self) -> JoinHandle<Result<Submitted, Error>> {
        self.hand.hold();
        let held = self.queue(self.question()).await;
        net::until("it is being appended", || self.hand.waits.load(Ordering::SeqCst)).await;
        held
    }

    fn offered(&self) -> Vec<MessageId> {
        (0..self.relay.published().next_index().0)
            .filter_map(|n| {
                let kind = self.relay.read_record(Index(n)).unwrap().event.kind;
                if let Kind::Offered { message } = kind { Some(message) } else { None }
            })
            .collect()
    }
}

/// Reads so many statements from the beginning of RO's sequence on.
async fn read(relay: &Relay, count: usize) {
    let mut follower = relay.follow(net::desk("RO"), DeskIndex(0), BEAT);
    let mut seen = 0;
    while seen < count {
        if let Item::Record(found) = follower.next().await.unwrap() {
            seen += usize::from(matches!(found.record.event.kind, Kind::Accepted(_)));
        }
    }
}

/// The note of an offer that finds the disk full is made when there is room, without the desk
/// having to come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_that_finds_the_disk_full_is_noted_later() {
    let lab = Lab::new();
    let question = lab.question();
    let message = question.statement.message;
    lab.submit(question).await.unwrap();
    lab.hand.tell(Fate::Full);
    read(&lab.relay, 1).await;
    assert_eq!(lab.submit(lab.question()).await, Err(Error::Full));
    assert!(lab.offered().is_empty());
    lab.hand.tell(Fate::Well);
    net::until("the offer is never noted", || lab.offered() == [message]).await;
}

/// A disk that is full but works is alive, however often what is owed is tried again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_probed_while_notes_are_owed() {
    let lab = Lab::new();
    lab.submit(lab.question()).await.unwrap();
    lab.hand.tell(Fate::Full);
    read(&lab.relay, 1).await;
    net::until("never that long idle", || lab.relay.probe_age_ms() > 9_000).await;
    net::until("the disk is not probed", || lab.relay.probe_age_ms() < 5_000).await;
    assert!(lab.offered().is_empty());
}

/// A crash between handing a statement to the stream and noting that: the desk asks for what comes
/// after it, and so the note is made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_before_a_desks_cursor_was_offered() {
    let lab = Lab::new();
    let (first, second) = (lab.question(), lab.question());
    let message = first.statement.message;
    for envelope in [first, second] {
        lab.submit(envelope).await.unwrap();
    }
    let mut follower = lab.relay.follow(net::desk("RO"), DeskIndex(1), BEAT);
    let before = lab.offered();
    follower.next().await.unwrap();
    net::until("the offers are never noted", || lab.offered().len() == 2).await;
    assert!(before.is_empty());
    assert_eq!(lab.offered()[0], message);
}

/// A desk that catches up fills its share of the queue and no more; none of its offers is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notes_of_offers_leave_room_in_the_queue_and_wait_for_it() {
    // More than one batch and the stream's share of the queue hold together.
    const SENT: usize = 600;
    let lab = Lab::new();
    for _ in 0..SENT {
        lab.submit(lab.question()).await.unwrap();
    }
    lab.hand.hold();
    let relay = lab.relay.clone();
    let reading = tokio::spawn(async move { read(&relay, SENT).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!reading.is_finished(), "a stream went on without its notes");
    let mut others = Vec::new();
    for _ in 0..10 {
        others.push(lab.queue(lab.question()).await);
    }
    lab.hand.let_go();
    for other in others {
        other.await.unwrap().unwrap();
    }
    reading.await.unwrap();
    net::until("offers are missing", || lab.offered().len() == SENT).await;
}

/// What waits is limited by its bytes as well as by its number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_takes_only_so_many_bytes() {
    let lab = Lab::new();
    let mut envelope = lab.question();
    lab.submit(envelope.clone()).await.unwrap();
    let held = lab.hold_up().await;
    // A repeat is not verified again: its ciphertext may as well be a large one.
    envelope.ciphertext = vec![0; 250 << 10];
    let mut waiting = Vec::new();
    for _ in 0..400 {
        waiting.push(lab.queue(envelope.clone()).await);
    }
    lab.hand.let_go();
    held.await.unwrap().unwrap();
    // Those that found no room were told at once, the others waited.
    let mut busy = 0;
    for answer in waiting {
        match answer.await.unwrap() {
            Ok(submitted) => assert!(submitted.repeat),
            Err(refused) => {
                assert_eq!(refused, Error::Busy);
                busy += 1;
            }
        }
    }
    assert!((130..160).contains(&busy), "64 MiB are 262 of them: {busy} were refused");
    lab.submit(lab.question()).await.unwrap();
}

/// An answer that was found on a batch that came to nothing is not given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_answered_because_of_what_did_not_happen() {
    let lab = Lab::new();
    let held = lab.hold_up().await;
    let new = lab.question();
    let first = lab.queue(new.clone()).await;
    let repeat = lab.queue(new.clone()).await;
    lab.hand.tell(Fate::Full);
    lab.hand.let_go();
    assert_eq!(held.await.unwrap(), Err(Error::Full));
    assert_eq!(first.await.unwrap(), Err(Error::Full));
    assert_eq!(repeat.await.unwrap(), Err(Error::Full), "a repeat of what is not on record");
    lab.hand.tell(Fate::Well);
    assert!(!lab.submit(new).await.unwrap().repeat);
}

/// A failed journal, and a panic of the commit thread, are seen by everybody and end the relay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_commit_thread_is_not_hidden() {
    for fate in [Fate::Lost, Fate::Panic] {
        let lab = Lab::new();
        let mut follower = lab.relay.follow(net::desk("RO"), DeskIndex(0), Duration::from_secs(60));
        lab.hand.tell(fate);
        assert_eq!(lab.submit(lab.question()).await, Err(Error::Stopped));
        let stopped = tokio::time::timeout(net::PATIENCE, lab.relay.stopped());
        stopped.await.expect("nobody says that the relay has stopped");
        assert!(lab.relay.why_stopped().is_some_and(|why| !why.is_empty()));
        assert_eq!(follower.next().await.unwrap_err(), Error::Stopped);
        assert_eq!(lab.submit(lab.question()).await, Err(Error::Stopped));
        let Lab { running, dev: _dev, .. } = lab;
        let ended = tokio::task::spawn_blocking(move || running.join()).await.unwrap();
        let why = ended.unwrap_err();
        assert!(why.contains("on purpose") || why.contains("panicked"), "{why}");
    }
}
