//! Opening a relay: newest snapshot, then the records after it, through the same code as live.
//!
//! Not for configuration files (see `config`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::{info, warn};

use super::clock::{Clock, Timekeeper};
use super::commit::{Committer, Work, batch_bytes_max};
use super::guard::Guard;
use super::shared::Shared;
use super::signers::{NotPinned, Signers};
use super::slot::Slot;
use super::state::{Enclosure, Published, Snapshot, World};
use super::tables_thread::{SNAPSHOT_EVERY, SNAPSHOT_EVERY_IF_BUSY, TablesThread};
use super::{Error, Relay};
use crate::codec::{self, Record};
use crate::envelope::genesis::{self, Genesis};

use crate::journal::{self, FileJournal, Journal, Reader, Stored, Truncation};
use crate::rules::command::Command;
use crate::rules::event::Kind;
use crate::tables::{self, Tables};
use crate::tlog::Policy;
use crate::units::{Hash, Index, MINUTE_MS};

/// Commands that may wait for the commit thread: four full batches. More would only wait longer
/// than a caller's patience; they are told to try again.
const QUEUE_MAX: usize = 1_024;
/// After a start no deadline passes for so long: the desks that come back tell first whether the
/// relay's clock is right.
pub const DUE_AFTER_START_MS: i64 = 10_000;
/// Records read at once during replay.
const REPLAY_RECORDS: usize = 4_096;
/// Bytes read at once during replay.
const REPLAY_BYTES: usize = 16 << 20;

/// How to open a relay.
#[derive(Debug, Clone)]
pub struct Options {
    /// Directory: `journal/` and `tables/` lie in it.
    pub directory: PathBuf,
    /// How the journal is kept.
    pub journal: journal::Options,
    /// sled's cache, in bytes.
    pub tables_cache_bytes: u64,
    /// The largest envelope taken (header, wrap and ciphertext), in bytes.
    pub envelope_bytes_max: usize,
    /// The pinned hash of the genesis.
    pub genesis_hash: Hash,
    /// The keys that sign the heads of the logs. Without them no receipt is given: only for tests
    /// of other things, and for measuring what receipts cost.
    pub signers: Option<Arc<Signers>>,
    /// By which a published head counts as witnessed. None: by the one that the genesis states.
    pub policy: Option<Policy>,
    /// How long nothing is signed after a start unless the quorum of witnesses has said how far it
    /// has seen. Zero: they are not waited for. What ends it is [`Relay::wait_for_witnesses`]. A
    /// store that may be an older copy waits for the quorum without end.
    pub witnesses_within: Duration,
}

/// Why a relay cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The genesis is not the pinned one, or not signed by all.
    #[error("the genesis: {0}")]
    Genesis(String),
    /// The journal.
    #[error("the journal: {0}")]
    Journal(journal::Fault),
    /// What tells a plain restart from a restored store cannot be read or written.
    #[error("the incarnation of the store: {0}")]
    Incarnation(std::io::Error),
    /// The tables could be neither opened nor made anew.
    #[error("the tables: {0}")]
    Tables(tables::Fault),
    /// The journal holds what cannot be replayed.
    #[error("record {index}: {why}")]
    Record {
        /// Which.
        index: Index,
        /// Why.
        why: String,
    },
    /// The first commands could not be committed.
    #[error("founding: {0}")]
    Founding(Error),
    /// A key of the logs is none of theirs.
    #[error("{0}")]
    LogKey(NotPinned),
}

/// A relay's threads. Dropping it does not stop them; [`Running::join`] does.
pub struct Running {
    relay: Relay,
    commit: JoinHandle<Result<(), String>>,
    tables: JoinHandle<()>,
    truncation: Option<Truncation>,
    rebuilt_because: Option<String>,
}

impl Running {
    /// The tail that was cut off on opening, if one was.
    pub fn truncation(&self) -> Option<&Truncation> {
        self.truncation.as_ref()
    }

    /// Why the tables were made anew on opening, if they were.
    pub fn rebuilt_because(&self) -> Option<&str> {
        self.rebuilt_because.as_deref()
    }

    /// Stops the relay and waits for its threads: everything accepted is on disk and in the
    /// tables. Blocks.
    ///
    /// # Errors
    /// Why the commit thread failed, if it did.
    pub fn join(self) -> Result<(), String> {
        self.relay.stop();
        let outcome =
            self.commit.join().unwrap_or_else(|_| Err("the commit thread panicked".to_owned()));
        // When the commit thread panicked nobody else has said so.
        self.relay.shared.stop("the commit thread has ended");
        if self.tables.join().is_err() {
            warn!("the tables thread panicked; they may be rebuilt at the next start");
        }
        outcome
    }
}

impl Relay {
    /// Opens the relay in a directory, founding it with `signed_genesis` when it is empty. Blocks
    /// while it replays.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        options: &Options,
        signed_genesis: &[u8],
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Running), OpenError> {
        // Before anything is made on the disk.
        let genesis = check_genesis(signed_genesis, options.genesis_hash)?;
        let (journal, opened) = open_journal(options)?;
        let guard = post_guard(&journal, options, &genesis)?;
        let (mut relay, running) =
            Self::open_on(Box::new(journal), opened.truncation, options, signed_genesis, clock)?;
        relay.guard = guard;
        Ok((relay, running))
    }

    /// As [`Relay::open`], on a journal that is already open, from which a torn tail may have been
    /// cut off. Blocks while it replays.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_on(
        mut journal: Box<dyn Journal>,
        truncation: Option<Truncation>,
        options: &Options,
        signed_genesis: &[u8],
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Running), OpenError> {
        let genesis = check_genesis(signed_genesis, options.genesis_hash)?;
        let reader = journal.reader();
        let table_options =
            tables::Options { cache_bytes: options.tables_cache_bytes, journal: journal.id() };
        let (tables, rebuilt_because) = open_tables(options, &table_options, reader.as_ref())?;
        check_founder(reader.as_ref(), &genesis)?;
        let (world, snapshot) = replay(&tables, &mut *journal, reader.as_ref())?;
        check_log_keys(options, &world)?;
        let opened_at = world.next;
        let founded = opened_at > Index(0);
        let in_doubt = world.rules.clock_in_doubt().then_some(world.time);

        let policy = policy_of(options, &genesis);
        let shared = Arc::new(Shared::new(Published::new(world), tables.cursor(), policy));
        let slot = Arc::new(Slot::new(tables));
        let (jobs, queue) = sync_channel(QUEUE_MAX);
        shared.note_sync(clock.boot_ms());
        let relay = Self {
            shared: Arc::clone(&shared),
            jobs,
            slot: Arc::clone(&slot),
            reader: Arc::clone(&reader),
            clock: Arc::clone(&clock),
            signed_genesis: Arc::new(signed_genesis.to_vec()),
            envelope_bytes_max: options.envelope_bytes_max,
            signers: options.signers.clone(),
            guard: None,
            started: clock.wall(),
            opened_at,
        };
        let committer = Committer {
            decide: crate::rules::decide,
            journal,
            jobs: queue,
            looks: Vec::new(),
            pads: Vec::new(),
            shared: Arc::clone(&shared),
            keeper: Timekeeper::new(clock.as_ref(), in_doubt),
            due_from_boot_ms: clock.boot_ms().saturating_add(DUE_AFTER_START_MS),
            last_sync_boot_ms: clock.boot_ms(),
            clock,
            random: aws_lc_rs::rand::SystemRandom::new(),
            marked: false,
            batch_bytes_max: batch_bytes_max(options.journal.segment_bytes),
            owed: BTreeSet::new(),
            full: false,
            signers: options.signers.clone(),
        };
        let tables_thread = TablesThread {
            snapshot_every: SNAPSHOT_EVERY,
            snapshot_every_if_busy: SNAPSHOT_EVERY_IF_BUSY,
            slot,
            directory: options.directory.join("tables"),
            options: table_options,
            reader,
            shared,
            snapshot,
        };
        let running = Running {
            relay: relay.clone(),
            commit: spawn_commit(committer),
            tables: spawn("tables", move || tables_thread.run()),
            truncation: truncation.clone(),
            rebuilt_because,
        };
        if let Err(error) = relay.first_commands(founded, genesis, truncation) {
            // The threads are stopped before the directory is given up.
            let _also = running.join();
            return Err(OpenError::Founding(error));
        }
        Ok((relay, running))
    }

    /// Founds an empty journal, and records what was cut off.
    fn first_commands(
        &self,
        founded: bool,
        genesis: Genesis,
        truncation: Option<Truncation>,
    ) -> Result<(), Error> {
        if !founded {
            let signed = Some(self.signed_genesis.to_vec());
            let enclosure = Enclosure { signed, ..Enclosure::default() };
            self.settle_blocking(Command::Found(Box::new(genesis)), enclosure)?;
        }
        let back_ms = self.clock.wall().since_ms(self.published().time());
        if founded && back_ms < -MINUTE_MS {
            warn!(back_ms, "the wall clock is before the newest record; deadlines are held");
            let command = Command::NoteClockStep { step_ms: back_ms };
            self.settle_blocking(command, Enclosure::default())?;
        }
        if let Some(cut) = truncation {
            warn!(
                file = cut.file,
                offset = cut.offset,
                bytes = cut.bytes,
                "a torn tail was cut off: it was never acknowledged"
            );
            let (bytes, sha256) = (cut.bytes, cut.sha256);
            let command = Command::NoteTruncation { bytes, sha256 };
            self.settle_blocking(command, Enclosure::default())?;
        }
        Ok(())
    }

    fn settle_blocking(&self, command: Command, enclosure: Enclosure) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Work { enclosure, reply: Some(reply), ..Work::own(command) })?;
        answer.blocking_recv().unwrap_or(Err(Error::Stopped)).map(|_| ())
    }
}

/// Says that the relay has stopped when the commit thread ends, also by a panic: a relay that
/// commits nothing any more must not look alive. A reason given before stands.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.stop("the commit thread has ended");
    }
}

/// Reads a genesis and holds it against the pinned hash and its founders' signatures.
fn check_genesis(signed: &[u8], pinned: Hash) -> Result<Genesis, OpenError> {
    let genesis =
        genesis::parse(signed).map_err(|malformed| OpenError::Genesis(malformed.to_string()))?;
    if genesis.hash != pinned {
        return Err(OpenError::Genesis(format!(
            "its hash is {}, but the configuration pins {pinned}; ask the other members which is \
             right",
            genesis.hash
        )));
    }
    genesis::verify(signed, &genesis).map_err(|bad| OpenError::Genesis(bad.to_string()))?;
    Ok(genesis)
}

/// Tables are only ever made from a journal: where they are and it is not, it was lost, and a new
/// one would look as if nothing had ever been said.
fn check_not_lost(options: &Options, journal: &Path) -> Result<(), OpenError> {
    if journal.exists() || !options.directory.join("tables").exists() {
        return Ok(());
    }
    Err(OpenError::Journal(journal::Fault::Damaged {
        file: journal.display().to_string(),
        offset: 0,
        index: Index(0),
        what: "the directory is missing, and the tables that were made from it are there"
            .to_owned(),
    }))
}

fn open_journal(options: &Options) -> Result<(FileJournal, journal::Opened), OpenError> {
    let directory = options.directory.join("journal");
    check_not_lost(options, &directory)?;
    let (journal, opened) =
        FileJournal::open(&directory, options.journal).map_err(OpenError::Journal)?;
    if opened.mark_repaired {
        warn!(
            directory = %directory.display(),
            "a copy of a commit mark did not hold and was written again: a crash, or a bad disk"
        );
    }
    Ok((journal, opened))
}

/// By which a published head counts as witnessed.
fn policy_of(options: &Options, genesis: &Genesis) -> Policy {
    options.policy.clone().unwrap_or_else(|| genesis::default_policy(genesis))
}

/// Before anything can be signed.
fn post_guard(
    journal: &FileJournal,
    options: &Options,
    genesis: &Genesis,
) -> Result<Option<Arc<Guard>>, OpenError> {
    let Some(signers) = &options.signers else { return Ok(None) };
    let policy = policy_of(options, genesis);
    let is_new = journal.next_index() == Index(0);
    let store = (journal.id(), is_new);
    Guard::post(&options.directory, store, (signers, &policy), options.witnesses_within)
        .map(Some)
        .map_err(OpenError::Incarnation)
}

fn open_tables(
    options: &Options,
    table_options: &tables::Options,
    reader: &dyn Reader,
) -> Result<(Tables, Option<String>), OpenError> {
    let directory = options.directory.join("tables");
    let opened = Tables::open(&directory, table_options, reader).map_err(OpenError::Tables)?;
    if let Some(why) = &opened.rebuilt_because {
        info!(why, "the tables are made anew from the journal");
    }
    Ok((opened.tables, opened.rebuilt_because))
}

/// The journal's first record must be the pinned genesis.
fn check_founder(reader: &dyn Reader, genesis: &Genesis) -> Result<(), OpenError> {
    let first = reader.read(Index(0), 1, 0).map_err(OpenError::Journal)?;
    let Some(first) = first.first() else { return Ok(()) };
    match decode(first)?.event.kind {
        Kind::Founded(founded) if founded.hash == genesis.hash => Ok(()),
        Kind::Founded(founded) => Err(OpenError::Genesis(format!(
            "this journal was founded by {}, not by the pinned {}",
            founded.hash, genesis.hash
        ))),
        Kind::Accepted(_)
        | Kind::EmbargoEnded(_)
        | Kind::Offered { .. }
        | Kind::OfferFailed { .. }
        | Kind::HandedOver { .. }
        | Kind::PreservationExpired { .. }
        | Kind::BodyErased { .. }
        | Kind::TailTruncated { .. }
        | Kind::ClockStepped { .. }
        | Kind::ClockConfirmed { .. }
        | Kind::Padded
        | Kind::EntryPublished(_)
        | Kind::LogKeyAnnounced(_) => {
            let why = "the first record is not a genesis".to_owned();
            Err(OpenError::Record { index: Index(0), why })
        }
    }
}

/// The keys of the logs are those of the genesis, or were announced since.
fn check_log_keys(options: &Options, world: &World) -> Result<(), OpenError> {
    let network = world.rules.directory().network();
    let (Some(signers), Some(network)) = (&options.signers, network) else { return Ok(()) };
    signers.check(&network.name, &network.log_keys).map_err(OpenError::LogKey)
}

/// The world at the end of the journal: newest snapshot, then the records after it. A snapshot
/// that leads elsewhere is of no use, and everything is replayed.
pub(super) fn replay(
    tables: &Tables,
    journal: &mut dyn Journal,
    reader: &dyn Reader,
) -> Result<(World, Index), OpenError> {
    let end = journal.next_index();
    let kept = tables.newest_snapshot().map_err(OpenError::Tables)?.and_then(|(next, bytes)| {
        Snapshot::decode(&bytes).filter(|world| world.next == next && next <= end)
    });
    if let Some(world) = kept {
        let snapshot = world.next;
        match replay_from(world, journal, reader) {
            Ok(world) => return Ok((world, snapshot)),
            Err(error) => warn!(%error, "the snapshot leads elsewhere; everything is replayed"),
        }
    }
    Ok((replay_from(World::default(), journal, reader)?, Index(0)))
}

/// Follows the records from where `world` stands, to the heads of the last batch.
fn replay_from(
    mut world: World,
    journal: &mut dyn Journal,
    reader: &dyn Reader,
) -> Result<World, OpenError> {
    let end = journal.next_index();
    while world.next < end {
        let stored =
            reader.read(world.next, REPLAY_RECORDS, REPLAY_BYTES).map_err(OpenError::Journal)?;
        if stored.is_empty() {
            let why = "the journal ends before its own end".to_owned();
            return Err(OpenError::Record { index: world.next, why });
        }
        for stored in &stored {
            let record = decode(stored)?;
            world.follow(&record);
            // The crash may have come between the record of an erasure and the erasure.
            if let Kind::BodyErased { index, .. } = record.event.kind {
                journal.erase(index).map_err(OpenError::Journal)?;
            }
        }
    }
    check_heads(&world, journal)?;
    Ok(world)
}

fn decode(stored: &Stored) -> Result<Record, OpenError> {
    let index = stored.index;
    let record = codec::decode_record(&stored.record)
        .map_err(|corrupt| OpenError::Record { index, why: corrupt.to_string() })?;
    if record.index == index {
        Ok(record)
    } else {
        Err(OpenError::Record { index, why: format!("record {} stands there", record.index) })
    }
}

/// Replay must lead to the heads that the last batch was closed with.
fn check_heads(world: &World, journal: &dyn Journal) -> Result<(), OpenError> {
    let Some((_, trailer)) = journal.last_batch() else { return Ok(()) };
    let index = world.next;
    let heads = codec::decode_trailer(&trailer)
        .map_err(|corrupt| OpenError::Record { index, why: corrupt.to_string() })?
        .1;
    if heads == world.heads() {
        Ok(())
    } else {
        let why = "the tree heads after replay are not those of the last batch".to_owned();
        Err(OpenError::Record { index, why })
    }
}

/// Runs the commit thread; that it has ended is said even when it panics.
pub(super) fn spawn_commit(committer: Committer) -> JoinHandle<Result<(), String>> {
    let ending = Ending(Arc::clone(&committer.shared));
    spawn("commit", move || {
        let _said_even_in_a_panic = ending;
        committer.run()
    })
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .expect("the operating system gives a thread at start-up")
}
