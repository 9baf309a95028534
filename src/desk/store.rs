//! The desk's disk: one thread that decides, appends, syncs and then tells.
//!
//! Not for what the records mean (see `case_file.rs`), nor for what is decided (see `act.rs` and
//! `intake.rs`).
//!
//! Invariants: nothing is answered before it is on disk; nothing that is not on disk is ever
//! visible in the published case file; every byte is encrypted (see `vault.rs`); when an append
//! fails, what it would have changed is forgotten.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::case_file::CaseFile;
use super::error::{Error, OpenError};
use super::record::{Note, Record};
use super::vault::{Part, Vault};
use crate::journal::{AppendError, Batch, Body, Entry, Journal, Reader};
use crate::units::{BatchId, DeskId, DeskIndex, Hash, Index, Timestamp};

/// Jobs that may wait for the writer: several times what 16 submissions, 16 openings and a busy
/// room of officers have under way. Whoever comes later waits for room.
const QUEUE_JOBS: usize = 256;
/// Jobs that share one sync at most.
const BATCH_JOBS_MAX: usize = 64;
/// Bytes after which a batch takes no further job: a few statements of the largest size.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Quiet time after which the journal may mark its last batch as committed; its contract asks for
/// at most 1 s.
const IDLE: Duration = Duration::from_millis(500);
/// Records read at once when the case file is replayed.
const REPLAY_RECORDS: usize = 256;
/// Bytes read at once when the case file is replayed.
const REPLAY_BYTES: usize = 8 << 20;

/// Where the desk's time comes from: its wall clock, or a test.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What everyone may read: the case file as it is on disk.
#[derive(Clone)]
pub struct Published {
    /// The case file.
    pub file: Arc<CaseFile>,
    /// Why the disk failed, if it did. Nothing is kept from then on.
    pub failed: Option<String>,
}

type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;
type Job = Box<dyn FnOnce(&mut Scratch) -> Answer + Send>;

/// The case file as it will be when a decision has been kept, and what that takes.
pub(super) struct Scratch {
    file: CaseFile,
    notes: Vec<Note>,
    now: Timestamp,
}

impl Scratch {
    pub(super) fn new(file: CaseFile, now: Timestamp) -> Self {
        Self { file, notes: Vec::new(), now }
    }

    /// The case file, with what has been noted so far.
    pub(super) const fn file(&self) -> &CaseFile {
        &self.file
    }

    /// The desk's time.
    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    /// Notes a record, with the form that stands beside it (empty for none).
    pub(super) fn note(&mut self, record: Record, body: Vec<u8>) {
        let note = Note { at: self.now, record, body };
        self.file.apply(&note);
        self.notes.push(note);
    }
}

enum Queued {
    /// Something to decide.
    Job {
        job: Job,
        /// Its room in the queue, until it is taken.
        room: OwnedSemaphorePermit,
    },
    /// Nothing comes after this.
    Stop,
}

/// The store, from any thread.
pub(super) struct Store {
    queue: SyncSender<Queued>,
    room: Arc<Semaphore>,
    published: watch::Receiver<Published>,
    reader: Arc<dyn Reader>,
    vault: Arc<Vault>,
}

impl Store {
    /// Replays `journal` into `file`, which is empty, and starts the writer. The thread ends when
    /// the last `Store` is gone and what had queued is on disk; join it to wait for that.
    ///
    /// # Errors
    /// When the journal cannot be read, is not ours, or the thread cannot be started.
    pub(super) fn start(
        journal: Box<dyn Journal>,
        secret: &[u8],
        file: CaseFile,
        clock: Clock,
    ) -> Result<(Self, JoinHandle<()>), OpenError> {
        let vault = Arc::new(Vault::new(secret, journal.id()));
        let reader = journal.reader();
        let file = replay(&*reader, &vault, &file)?;
        let (publish, published) =
            watch::channel(Published { file: Arc::new(file.clone()), failed: None });
        let (queue, jobs) = sync_channel(QUEUE_JOBS + 1);
        let writer = Writer { journal, vault: Arc::clone(&vault), file, clock, publish };
        let thread = std::thread::Builder::new()
            .name("desk-writer".to_owned())
            .spawn(move || writer.run(&jobs))
            .map_err(|error| OpenError::Start(error.to_string()))?;
        let room = Arc::new(Semaphore::new(QUEUE_JOBS));
        Ok((Self { queue, room, published, reader, vault }, thread))
    }

    /// The case file as it is on disk.
    pub(super) fn published(&self) -> Published {
        self.published.borrow().clone()
    }

    /// Tells whenever the case file has changed.
    pub(super) fn changes(&self) -> watch::Receiver<Published> {
        self.published.clone()
    }

    /// Lets `decide` look at the case file, keeps what it wants noted, and answers once that is on
    /// disk. Decisions are made one after another.
    ///
    /// # Errors
    /// What `decide` says; or the disk is full or failed, or the desk is stopping.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&mut Scratch) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| Error::Stopped)?;
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |scratch| {
            let decided = decide(scratch);
            if decided.is_err() {
                scratch.notes.clear();
            }
            // Whoever asked may have gone; what was decided stands.
            Box::new(move |outcome: Result<(), Error>| {
                drop(tell.send(decided.and_then(|value| outcome.map(|()| value))));
            })
        });
        self.queue.send(Queued::Job { job, room }).map_err(|_| Error::Stopped)?;
        told.await.unwrap_or_else(|_| Err(Error::Fault("the decision was not made".to_owned())))
    }

    /// Lets the writer end once what has queued is on disk.
    pub(super) fn stop(&self) {
        self.room.close();
        // When the writer is gone already there is nothing to stop.
        drop(self.queue.send(Queued::Stop));
    }

    /// The note at `index`, read from disk. Blocks for one small read.
    ///
    /// # Errors
    /// When it is not there, or is not what was kept.
    pub(super) fn read(&self, index: Index) -> Result<Note, Error> {
        let stored = self
            .reader
            .read(index, 1, usize::MAX)?
            .pop()
            .ok_or_else(|| Error::Fault(format!("the case file has no record {index}")))?;
        open_entry(&self.vault, index, &stored.record, stored.body)
            .map_err(|error| Error::Fault(error.to_string()))
    }
}

/// Keeps a record before the writer starts.
///
/// # Errors
/// When it cannot be written.
pub(super) fn note_at_start(
    journal: &mut dyn Journal,
    secret: &[u8],
    at: Timestamp,
    record: Record,
) -> Result<(), OpenError> {
    let vault = Vault::new(secret, journal.id());
    let note = Note { at, record, body: Vec::new() };
    let next = journal.next_index();
    let entries = vec![seal_entry(&vault, next, &note)];
    let id = random_batch().map_err(|error| OpenError::Start(error.to_string()))?;
    let batch = Batch { id, entries, trailer: Vec::new() };
    journal.append(next, &batch).map_err(|error| OpenError::Start(error.to_string()))
}

/// Says whether a journal is this desk's: the first record says whose it is.
///
/// # Errors
/// When the secret does not open it, or it is another's.
pub(super) fn check_owner(
    journal: &dyn Journal,
    secret: &[u8],
    desk: &DeskId,
    genesis: Hash,
    path: &str,
) -> Result<(), OpenError> {
    let vault = Vault::new(secret, journal.id());
    let first = journal.reader().read(Index(0), 1, usize::MAX)?.pop();
    let first = first.ok_or_else(|| OpenError::Start("the journal is empty".to_owned()))?;
    if vault.open(Index(0), Part::Record, &first.record).is_none() {
        return Err(OpenError::WrongSecret { path: path.to_owned() });
    }
    let first = open_entry(&vault, Index(0), &first.record, first.body)?.record;
    let expected = Record::Founded { desk: desk.clone(), genesis };
    if first == expected {
        return Ok(());
    }
    let found = match first {
        Record::Founded { desk, genesis } => format!("desk {desk} in network {genesis}"),
        Record::Prepared { .. }
        | Record::Confirmed { .. }
        | Record::Refused { .. }
        | Record::Received(_)
        | Record::Opened { .. }
        | Record::Unreadable { .. }
        | Record::Retrieved { .. }
        | Record::TailTruncated { .. }
        | Record::Monitored(_)
        | Record::Evidential(_)
        | Record::RelayRestored { .. }
        | Record::Held { .. }
        | Record::Declined { .. }
        | Record::Directory { .. }
        | Record::Proof { .. }
        | Record::BadReceipt { .. } => "nobody".to_owned(),
    };
    let expected = format!("desk {desk} in network {genesis}");
    Err(OpenError::Foreign { path: path.to_owned(), found, expected })
}

fn random_batch() -> Result<BatchId, Error> {
    let mut id = [0; 16];
    aws_lc_rs::rand::fill(&mut id)
        .map_err(|_| Error::Fault("there is no random source".to_owned()))?;
    Ok(BatchId(id))
}

/// The writer's side.
struct Writer {
    journal: Box<dyn Journal>,
    vault: Arc<Vault>,
    file: CaseFile,
    clock: Clock,
    publish: watch::Sender<Published>,
}

/// What a batch would change, before it is on disk.
struct Speculation {
    file: CaseFile,
    next: Index,
    entries: Vec<Entry>,
    bytes: usize,
    answers: Vec<Answer>,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Queued>) {
        let mut marked = true;
        loop {
            match jobs.recv_timeout(IDLE) {
                Ok(Queued::Job { job, room }) => {
                    drop(room);
                    if self.commit(job, jobs) {
                        break;
                    }
                    marked = false;
                }
                Err(RecvTimeoutError::Timeout) if !marked => {
                    marked = true;
                    if let Err(error) = self.journal.idle() {
                        self.note_failure(&error);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Queued::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if let Err(error) = self.journal.idle() {
            self.note_failure(&error);
        }
    }

    /// Decides and keeps a job and those that wait behind it. True when the desk is to stop.
    fn commit(&mut self, first: Job, jobs: &Receiver<Queued>) -> bool {
        let mut batch = Speculation {
            file: self.file.clone(),
            next: self.journal.next_index(),
            entries: Vec::new(),
            bytes: 0,
            answers: Vec::new(),
        };
        let mut stop = false;
        let mut following = Some(first);
        while let Some(job) = following.take() {
            self.decide(job, &mut batch);
            if batch.answers.len() >= BATCH_JOBS_MAX || batch.bytes >= BATCH_BYTES_MAX {
                break;
            }
            match jobs.try_recv() {
                Ok(Queued::Job { job, room }) => {
                    drop(room);
                    following = Some(job);
                }
                Ok(Queued::Stop) => stop = true,
                Err(_) => {}
            }
        }
        let outcome = self.append(&batch.entries);
        if outcome.is_ok() && !batch.entries.is_empty() {
            self.file = batch.file;
            let file = Arc::new(self.file.clone());
            self.publish.send_modify(|published| published.file = file);
        }
        for answer in batch.answers {
            answer(outcome.clone());
        }
        stop
    }

    /// A panic in a decision is that decision's own: it is not made, and the desk goes on.
    fn decide(&self, job: Job, batch: &mut Speculation) {
        let mut scratch = Scratch::new(batch.file.clone(), (self.clock)());
        let Ok(answer) = catch_unwind(AssertUnwindSafe(|| job(&mut scratch))) else {
            tracing::error!("a decision of the desk panicked; it was not made");
            return;
        };
        batch.answers.push(answer);
        if scratch.notes.is_empty() {
            return;
        }
        for note in &scratch.notes {
            let entry = seal_entry(&self.vault, batch.next, note);
            batch.bytes += entry.record.len() + entry.body.len();
            batch.entries.push(entry);
            batch.next = batch.next.plus(1);
        }
        batch.file = scratch.file;
    }

    fn append(&mut self, entries: &[Entry]) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let batch = Batch { id: random_batch()?, entries: entries.to_vec(), trailer: Vec::new() };
        match self.journal.append(self.journal.next_index(), &batch) {
            Ok(()) => Ok(()),
            Err(AppendError::Full) => {
                tracing::error!("the desk's disk is full; nothing was kept, nothing is lost");
                Err(Error::Full)
            }
            Err(error) => {
                self.note_failure(&error);
                Err(Error::Fault(error.to_string()))
            }
        }
    }

    /// Every error but `Full` and `TooLarge` is final: only a new start can tell what is on disk.
    fn note_failure(&self, error: &AppendError) {
        tracing::error!(%error, "the desk's journal failed");
        if matches!(error, AppendError::Unknown(_)) {
            self.publish.send_modify(|published| published.failed = Some(error.to_string()));
        }
    }
}

fn seal_entry(vault: &Vault, index: Index, note: &Note) -> Entry {
    let body = match note.body.as_slice() {
        [] => Vec::new(),
        body => vault.seal(index, Part::Body, body),
    };
    Entry { record: vault.seal(index, Part::Record, &note.encode()), body }
}

fn open_entry(vault: &Vault, index: Index, record: &[u8], body: Body) -> Result<Note, OpenError> {
    let unreadable = |why: &str| OpenError::Unreadable { index, why: why.to_owned() };
    let plain = vault
        .open(index, Part::Record, record)
        .ok_or_else(|| unreadable("it does not open with this key"))?;
    let body = match body {
        Body::None | Body::Erased => Vec::new(),
        Body::Present(sealed) => vault
            .open(index, Part::Body, &sealed)
            .ok_or_else(|| unreadable("its form does not open with this key"))?,
    };
    Note::decode(&plain, body).map_err(|error| unreadable(&error.to_string()))
}

/// Where a [`Record::RelayRestored`] stands, and what it gives up.
type Cut = (Index, DeskIndex, Index);

/// The case file after all records. What was given up before a cut is passed over; as a cut is
/// found only after what it cuts, the replay then begins anew, once for each.
fn replay(reader: &dyn Reader, vault: &Vault, empty: &CaseFile) -> Result<CaseFile, OpenError> {
    let mut cuts = Vec::new();
    loop {
        let mut file = empty.clone();
        match replay_with(reader, vault, &mut file, &cuts)? {
            None => return Ok(file),
            Some(cut) => cuts.push(cut),
        }
    }
}

/// Replays up to the end, or to a cut that is not known yet.
fn replay_with(
    reader: &dyn Reader,
    vault: &Vault,
    file: &mut CaseFile,
    cuts: &[Cut],
) -> Result<Option<Cut>, OpenError> {
    let mut next = Index(0);
    loop {
        let stored = reader.read(next, REPLAY_RECORDS, REPLAY_BYTES)?;
        if stored.is_empty() {
            return Ok(None);
        }
        for entry in stored {
            let note = open_entry(vault, next, &entry.record, entry.body)?;
            if let Record::RelayRestored { from, index } = note.record
                && !cuts.iter().any(|(place, ..)| *place == next)
            {
                return Ok(Some((next, from, index)));
            }
            let lost =
                |(place, from, index): &Cut| next < *place && note.record.is_lost(*from, *index);
            if cuts.iter().any(lost) {
                file.pass_over();
            } else {
                file.apply(&note);
            }
            next = next.plus(1);
        }
    }
}
