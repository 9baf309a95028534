//! A nation's desk: it holds the nation's keys, prepares what its officers say, and keeps what it
//! hears.
//!
//! Not for connections: `grpc::uplink` speaks with the relay, `grpc::counter` with the officers.
//!
//! Invariants:
//! - the exact bytes of a statement are on this desk's disk before they are first sent, so that a
//!   retry after a crash is the same statement;
//! - a record of the relay and the receipt for it are kept together or not at all;
//! - what is to be done next follows from the case file alone, so that every crash resumes;
//! - nothing here is global: one process may hold many desks.

mod act;
mod alarms;
mod case;
mod case_file;
mod changes;
mod conduct;
mod contacts;
mod dossier;
mod error;
mod intake;
mod keys;
mod log_keys;
mod owed;
mod proofs;
mod receipt;
mod record;
mod relay_log;
mod remarks;
mod second;
mod shown;
mod store;
mod to_do;
mod vault;
pub mod witness;
mod witnessed;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use prost::Message as _;
use tokio::sync::watch;
use zeroize::Zeroizing;

pub use act::{Order, Progress, Standing, What, Wish};
pub use alarms::Alarm;
pub use case::{Case, Entry, Form, Held, Key, OwnEntry, RelayEntry, Update};
pub use case_file::CaseFile;
pub use changes::Change;
pub use contacts::{Contact, Contacts, IncomingEntry, TakenEntries, Version};
pub use dossier::{Bodies, Dossier, Showing};
pub use error::{Error, Local, OpenError};
pub use intake::{Incoming, Taken};
pub use keys::{Keys, Officer};
pub use proofs::Proofs;
pub use receipt::{Answer, BadReceipt, Evidence, GivenProof, KeptProof, Receipt};
pub use record::Refused;
pub use relay_log::{Discrepancy, LostRecord, RelayLog, describe, is_same};
pub use remarks::remarks;
pub use second::{Approvals, Waiting};
pub use shown::{Here, Shows};
pub use store::{Clock, Published};
pub use to_do::ToDo;

use crate::envelope::genesis::{Genesis, LogKey, default_policy};
use crate::envelope::{ENVELOPE_BYTES_MAX_DEFAULT, Envelope};
use crate::journal::{self, FileJournal};
use crate::journal::{Journal, Truncation};
use crate::rules::Directory;
use crate::tlog::Policy;
use crate::units::{DeskId, DeskIndex, Index, MessageId, Name, RequestId, Timestamp};
use crate::wire::detente::form::v1::Body;
use record::Record;
use store::{Scratch, Store};
use witness::{Heads, Witness};

/// How a desk's journal is kept unless told otherwise: a desk writes a few megabytes a year, so its
/// segments are small. The largest batch is 4 MiB and one job more, which has at most 2 MiB.
const JOURNAL: journal::Options =
    journal::Options { segment_bytes: 8 << 20, batch_bytes_max: 7 << 20 };

/// What a desk needs to open.
pub struct Options {
    /// Its directory; made when it is not there.
    pub dir: PathBuf,
    /// Which desk.
    pub desk: DeskId,
    /// The network's genesis, verified and compared with the hash that the configuration pins.
    pub genesis: Genesis,
    /// The unlock secret, from which the key of the case file is made.
    pub secret: Zeroizing<Vec<u8>>,
    /// Its private keys.
    pub keys: Keys,
    /// The largest envelope that the relay takes, in bytes.
    pub envelope_bytes_max: usize,
    /// Where its time comes from.
    pub clock: Clock,
    /// How its journal is kept.
    pub journal: journal::Options,
    /// Open it although the directory as it is known here does not have the desk, or has other
    /// keys of it: an entry that says so may not have come yet. See [`Desk::check_keys`].
    pub keys_may_be_new: bool,
    /// By which a head of the logs is believed as witnessed.
    pub policy: Policy,
}

impl Options {
    /// Options with the wall clock and the usual limit.
    pub fn new(
        dir: PathBuf,
        desk: DeskId,
        genesis: Genesis,
        secret: Zeroizing<Vec<u8>>,
        keys: Keys,
    ) -> Self {
        let clock: Clock = Arc::new(wall_clock);
        let envelope_bytes_max = ENVELOPE_BYTES_MAX_DEFAULT;
        let policy = default_policy(&genesis);
        Self {
            dir,
            desk,
            genesis,
            secret,
            keys,
            envelope_bytes_max,
            clock,
            journal: JOURNAL,
            keys_may_be_new: false,
            policy,
        }
    }
}

/// A desk. A clone is the same desk.
#[derive(Clone)]
pub struct Desk {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    keys: ArcSwap<Keys>,
    envelope_bytes_max: usize,
    clock: Clock,
    evidence: Arc<witness::Evidence>,
    witness: Witness,
    heads: Heads,
    owed: owed::Owed,
    alarms: AtomicU64,
    /// How often a head with the quorum has come.
    witnessed: watch::Sender<u64>,
    link: watch::Sender<Link>,
    relay_log: watch::Sender<RelayLog>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How the connection to the relay stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// True while the stream is up.
    pub connected: bool,
    /// Why it is not, if so.
    pub trouble: String,
}

/// How a desk stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The desk.
    pub desk: DeskId,
    /// The network.
    pub network: String,
    /// The connection.
    pub link: Link,
    /// The next record of its sequence that it waits for.
    pub next: DeskIndex,
    /// Statements that the relay has neither recorded nor refused.
    pub outbox: usize,
    /// The relay's log is not the one that this desk knows.
    pub relay_log_differs: bool,
    /// Alarms since it was opened.
    pub alarms: u64,
    /// Acts that wait for a second officer.
    pub waiting: usize,
    /// How often an officer of this desk handed data over alone; for this desk's own eyes.
    pub lone: u64,
}

impl Desk {
    /// Opens the desk's journal in its directory and replays it. Blocks for as long as that takes.
    ///
    /// # Errors
    /// When another process has it, it is damaged, of another desk or network, made with another
    /// unlock secret, or the keys are not the ones that the directory has of the desk.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let (journal, opened) = FileJournal::open(&options.dir, options.journal)?;
        Self::open_on(Box::new(journal), opened.truncation, options)
    }

    /// As [`Desk::open`], on a journal that is already open, from which a torn tail may have been
    /// cut off.
    ///
    /// # Errors
    /// As [`Desk::open`].
    pub fn open_on(
        mut journal: Box<dyn Journal>,
        truncation: Option<Truncation>,
        options: Options,
    ) -> Result<Self, OpenError> {
        let Options { dir, desk, genesis, secret, keys, envelope_bytes_max, clock, policy, .. } =
            options;
        let known = |directory: &Directory| match keys.check(&desk, directory) {
            Err(_) if options.keys_may_be_new => Ok(()),
            checked => checked,
        };
        if journal.next_index() == Index(0) {
            known(&Directory::from_genesis(&genesis))?;
            let first = Record::Founded { desk: desk.clone(), genesis: genesis.hash };
            store::note_at_start(&mut *journal, &secret, clock(), first)?;
        }
        let path = dir.display().to_string();
        store::check_owner(&*journal, &secret, &desk, genesis.hash, &path)?;
        if let Some(Truncation { bytes, sha256, .. }) = truncation {
            tracing::error!(%desk, bytes, "a torn tail was cut off the desk's journal");
            let torn = Record::TailTruncated { bytes, sha256 };
            store::note_at_start(&mut *journal, &secret, clock(), torn)?;
        }
        let file = CaseFile::new(desk.clone(), &genesis, &policy);
        let (store, thread) = Store::start(journal, &secret, file, Arc::clone(&clock))?;
        known(store.published().file.directory())?;
        let announced: Vec<LogKey> =
            store.published().file.contacts().new_log_keys().cloned().collect();
        let genesis = Genesis { log_keys: [genesis.log_keys, announced].concat(), ..genesis };
        let (evidence, witness, heads) = witness::open(dir, &genesis, policy)
            .map_err(|error| OpenError::Start(format!("its evidence cannot be read: {error}")))?;
        let inner = Inner {
            store,
            keys: ArcSwap::from_pointee(keys),
            envelope_bytes_max,
            clock,
            evidence,
            witness,
            heads,
            owed: owed::Owed::default(),
            alarms: AtomicU64::new(0),
            witnessed: watch::Sender::new(0),
            link: watch::Sender::new(Link::default()),
            relay_log: watch::Sender::new(RelayLog::Unknown),
            thread: Mutex::new(Some(thread)),
        };
        let desk = Self { inner: Arc::new(inner) };
        desk.see_kept_proofs()?;
        Ok(desk)
    }

    /// Keeps what has been decided, marks it as committed and lets go of the directory. Whatever
    /// is asked of the desk from now on is answered with [`Error::Stopped`].
    pub async fn close(&self) {
        self.inner.store.stop();
        let thread = self.inner.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the desk's writer did not end as it should");
            }
        }
    }

    /// The case file, as it is on disk.
    pub fn file(&self) -> Arc<CaseFile> {
        self.inner.store.published().file
    }

    /// Tells whenever the case file has changed, or the disk has failed.
    pub fn changes(&self) -> watch::Receiver<Published> {
        self.inner.store.changes()
    }

    /// The desk's time.
    pub fn now(&self) -> Timestamp {
        (self.inner.clock)()
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        let file = self.file();
        let network = file.directory().network().map(|network| network.name.to_string());
        Status {
            desk: file.owner().clone(),
            network: network.unwrap_or_default(),
            link: self.inner.link.borrow().clone(),
            next: file.next(),
            outbox: file.outbox_len(),
            relay_log_differs: matches!(self.relay_log(), RelayLog::Other(_)),
            alarms: self.inner.alarms.load(Ordering::Relaxed),
            waiting: file.approvals().waiting().len(),
            lone: file.approvals().lone(),
        }
    }

    // -- for officers

    /// Prepares an officer's statement. When this answers, it is on disk, and will be sent unless
    /// it waits for a second officer.
    ///
    /// # Errors
    /// What the form, the rules, or this desk has against it; or the disk is full or failed.
    pub async fn prepare(&self, order: Order) -> Result<Standing, Error> {
        let (keys, max) = (self.keys(), self.inner.envelope_bytes_max);
        let decide = move |scratch: &mut Scratch| {
            let message = act::prepare(scratch, &keys, max, &order)?;
            let file = scratch.file();
            if let Some(held) = file.approvals().get(message) {
                let case = file.case(held.request).and_then(|case| file.case_of(case));
                let case = case.ok_or(Local::UnknownRequest(held.request))?;
                return Ok(held.standing(case));
            }
            let held = file.own_statement(message);
            held.map(|held| Standing::told(scratch, held))
                .ok_or_else(|| Error::Fault("what was prepared is not there".to_owned()))
        };
        self.inner.store.write(decide).await
    }

    /// Waits until a statement of ours is no longer queued. Waits for ever if it stays so.
    ///
    /// # Errors
    /// When there is no such statement, or the desk stops or fails.
    pub async fn settled(&self, message: MessageId) -> Result<Standing, Error> {
        let mut changes = self.changes();
        loop {
            let published = changes.borrow_and_update().clone();
            let held = published.file.own_statement(message);
            let standing = held.map(|held| Standing::of(held)).ok_or(Error::Stopped)?;
            if standing.progress != Progress::Queued {
                return Ok(standing);
            }
            if let Some(why) = published.failed {
                return Err(Error::Fault(why));
            }
            changes.changed().await.map_err(|_| Error::Stopped)?;
        }
    }

    /// Notes that an officer sees the forms of a request: the other side is told, once for each
    /// statement.
    ///
    /// # Errors
    /// When the request or the officer is unknown here, or the disk is full or failed.
    pub async fn retrieve(&self, request: RequestId, officer: Name) -> Result<(), Error> {
        let keys = self.keys();
        let decide = move |scratch: &mut Scratch| {
            keys.officer(&officer)?;
            if scratch.file().case(request).is_none() {
                return Err(Local::UnknownRequest(request).into());
            }
            intake::note_retrieval(scratch, &keys, request, &officer);
            Ok(())
        };
        self.inner.store.write(decide).await
    }

    /// The forms of these statements in the clear, read from disk; none where there is none.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn forms(&self, held: Vec<Arc<Held>>) -> Result<Vec<Option<Body>>, Error> {
        let desk = self.clone();
        off_the_workers(move || held.iter().map(|held| desk.read_form(held)).collect()).await
    }

    fn read_form(&self, held: &Held) -> Result<Option<Body>, Error> {
        let place = match &held.form {
            Form::Here(place) | Form::Broken { place, .. } => *place,
            Form::None | Form::Sealed | Form::Erased => return Ok(None),
        };
        let note = self.inner.store.read(place)?;
        if note.body.is_empty() {
            return Ok(None);
        }
        Body::decode(note.body.as_slice())
            .map(Some)
            .map_err(|error| Error::Fault(format!("a form on disk is damaged: {error}")))
    }

    // -- for the uplink

    /// Why the disk failed, if it did. Nothing is kept from then on.
    pub fn failed(&self) -> Option<String> {
        self.inner.store.published().failed
    }

    /// Tells whenever the connection comes or goes.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.inner.link.subscribe()
    }

    /// Says how the connection stands.
    pub fn set_link(&self, link: Link) {
        self.inner.owed.link(link.connected, self.now());
        self.inner.link.send_replace(link);
    }

    /// Prepares again the receipts that were refused, and what was signed with a former key.
    ///
    /// # Errors
    /// When the disk is full or failed.
    pub async fn pick_up(&self) -> Result<(), Error> {
        let keys = self.keys();
        let decide = move |scratch: &mut Scratch| {
            intake::pick_up(scratch, &keys);
            Ok(())
        };
        self.inner.store.write(decide).await
    }

    /// Takes records from the relay, in order. When this answers, they and the receipts they call
    /// for are on disk.
    ///
    /// # Errors
    /// When the disk is full or failed: nothing of the batch is kept.
    pub async fn take(&self, batch: Vec<Incoming>) -> Result<Taken, Error> {
        let keys = self.keys();
        let decide = move |scratch: &mut Scratch| Ok(intake::take(scratch, &keys, batch));
        let taken = self.inner.store.write(decide).await?;
        for alarm in &taken.alarms {
            self.alarm(alarm);
        }
        Ok(taken)
    }

    /// True when one of these records may need an entry that has not come yet.
    pub fn lacks_entry(&self, records: &[Incoming]) -> bool {
        let file = self.file();
        records.iter().any(|incoming| intake::lacks_entry(&file, incoming))
    }

    /// An old version of a member's entry, as it came: the event, and the restricted part.
    ///
    /// # Errors
    /// When there is none at this place, or the disk fails.
    pub async fn entry_at(&self, place: Index) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let desk = self.clone();
        off_the_workers(move || {
            let note = desk.inner.store.read(place)?;
            match note.record {
                Record::Directory { event, .. } => Ok((event, note.body)),
                Record::Founded { .. }
                | Record::Prepared { .. }
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
                | Record::Proof { .. }
                | Record::BadReceipt { .. } => {
                    Err(Error::Fault("there is no entry at this place".to_owned()))
                }
            }
        })
        .await
    }

    /// The exact bytes of a statement of ours, from disk.
    ///
    /// # Errors
    /// When there is no such statement, or the disk fails.
    pub async fn envelope(&self, held: Arc<Held>) -> Result<Envelope, Error> {
        let desk = self.clone();
        off_the_workers(move || {
            let note = desk.inner.store.read(held.place)?;
            act::parse_prepared(&note.record)
        })
        .await
    }

    /// Notes that the relay has refused a statement of ours for good. What the machine said with a
    /// key that it no longer has is prepared again.
    ///
    /// # Errors
    /// When the disk is full or failed.
    pub async fn note_refused(&self, message: MessageId, refusal: Refused) -> Result<(), Error> {
        let desk = self.clone();
        let decide = move |scratch: &mut Scratch| {
            // The keys of this very moment: they may just have been replaced.
            act::note_refusal(scratch, &desk.keys(), message, refusal);
            Ok(())
        };
        self.inner.store.write(decide).await
    }

    /// Notes that a statement of ours has lapsed before it could be sent. What a machine says is
    /// prepared again.
    ///
    /// # Errors
    /// When the disk is full or failed.
    pub async fn note_lapsed(&self, message: MessageId) -> Result<(), Error> {
        let keys = self.keys();
        let decide = move |scratch: &mut Scratch| {
            act::note_lapse(scratch, &keys, message);
            Ok(())
        };
        self.inner.store.write(decide).await
    }

    /// Opens a body that the relay has handed over, and keeps it.
    ///
    /// # Errors
    /// When the disk is full or failed. A body that cannot be opened is not an error here: it is
    /// noted, and the other side is told.
    pub async fn take_content(
        &self,
        held: Arc<Held>,
        wrap: Vec<u8>,
        ciphertext: Vec<u8>,
    ) -> Result<(), Error> {
        let (desk, statement) = (self.clone(), Arc::clone(&held));
        let opened = off_the_workers(move || {
            let header = desk.received_header(&statement)?;
            let file = desk.file();
            let facts = file.case(statement.statement.request).map(|case| case.facts.clone());
            let facts = facts
                .ok_or_else(|| Error::Fault("a body came for an unknown request".to_owned()))?;
            let sealed = (wrap.as_slice(), ciphertext.as_slice());
            Ok(intake::open_body(&desk.keys(), &statement, &header, &facts, sealed))
        })
        .await?;
        if let Err(unshown) = &opened {
            self.alarm(&format!("the form of {} {unshown}", held.statement.message));
        }
        let keys = self.keys();
        let key = (held.statement.from.clone(), held.statement.message);
        let decide = move |scratch: &mut Scratch| {
            intake::note_opened(scratch, &keys, &key, opened);
            Ok(())
        };
        self.inner.store.write(decide).await
    }

    fn received_header(&self, held: &Held) -> Result<Vec<u8>, Error> {
        match self.inner.store.read(held.place)?.record {
            Record::Received(received) => Ok(received.header),
            Record::Founded { .. }
            | Record::Prepared { .. }
            | Record::Confirmed { .. }
            | Record::Refused { .. }
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
            | Record::BadReceipt { .. } => {
                Err(Error::Fault("there is no received statement at this place".to_owned()))
            }
        }
    }

    /// Raises an alarm: counted, and logged for an operator.
    pub fn alarm(&self, what: &str) {
        self.inner.alarms.fetch_add(1, Ordering::Relaxed);
        tracing::error!(desk = %self.file().owner(), alarm = what, "alarm");
    }
}

/// The wall clock.
fn wall_clock() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}

/// Runs what reads the disk or computes for long where it holds up no connection.
async fn off_the_workers<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Error::Fault("the desk's work was not finished".to_owned())))
}
