//! The one coordinator: it owns the state and the journal, and everybody else holds a handle.
//!
//! A [`Relay`] is that handle: submit, look, follow, fetch. Not for the wire (see `grpc/`) and not
//! for keys that open bodies: there are none here.
//!
//! ```text
//! submit -> verify (caller's thread) -> queue -> commit thread -> journal -> published state
//!                                                                  |-> recent -> followers
//!                                                                  |-> tables thread -> sled
//!                                                                  `-> publisher -> files
//! ```

mod clock;
mod clocks;
mod commit;
mod directory;
mod follow;
mod guard;
mod heads;
mod incarnation;
mod open;
mod publish;
mod receipt;
mod recent;
mod shared;
mod signers;
mod slot;
mod state;
mod tables_thread;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use tokio::sync::oneshot;

pub use clock::{Clock, SystemClock};
pub use directory::{DirectoryFollower, DirectoryItem, DirectoryRecord};
pub use follow::{DeskRecord, Follower, Item};
pub use guard::Told;
pub use heads::{Cosignature, Heads, LINES_MAX, PublicHead, Standing};
pub use open::{DUE_AFTER_START_MS, OpenError, Options, Running};
pub use publish::{Mark, MarkFault, PublishOptions, Publisher, last_published};
pub use receipt::{Proof, Receipt};
pub use signers::{Holder, NotPinned, Seeds, Signers, Unsigned};
pub use state::Published;

use crate::codec;
use crate::envelope::{self, Envelope, Malformed, Statement};
use crate::journal::{Body, Reader};
use crate::rules::command::{ClockWitness, Command, ErasureReason};
use crate::rules::{Kind, Refusal};
use crate::tables::Tables;
use crate::units::{Caller, DeskId, DeskIndex, Index, MessageId, Timestamp};

use commit::{Job, Pad, Settled, Work};
use guard::Guard;
use shared::Shared;
use slot::Slot;
use state::Enclosure;

/// Why a call to the relay did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not what they should be.
    #[error("{0}")]
    Malformed(Malformed),
    /// The rules do not allow it. Nothing was recorded.
    #[error("refused")]
    Refused(Refusal),
    /// A signature does not hold.
    #[error("the signature does not hold")]
    BadSignature,
    /// The envelope is larger than this relay takes.
    #[error("the envelope has {bytes} bytes; at most {max} are taken")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// The body was erased.
    #[error("the body was erased")]
    Erased,
    /// The queue is full; try again.
    #[error("the relay is busy")]
    Busy,
    /// The tables cannot be kept now; nothing is lost; try again.
    #[error("the relay's tables cannot be kept now")]
    NoTables,
    /// The disk is full; nothing was recorded; try again later.
    #[error("the relay's disk is full")]
    Full,
    /// The logs are not signed now, so that no receipt can be given: try again. Whether the
    /// statement is recorded is told by the answer to the same statement later.
    #[error("the relay signs nothing now: {0}")]
    Held(String),
    /// The relay is stopping or has stopped; what became of the command is unknown: ask again.
    #[error("the relay has stopped")]
    Stopped,
    /// Something that should hold does not.
    #[error("{0}")]
    Fault(String),
}

impl Error {
    fn fault(error: impl std::fmt::Display) -> Self {
        Self::Fault(error.to_string())
    }
}

/// The outcome of a command; the same for every repeat of it, but for the head that its receipt
/// leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Its record.
    pub index: Index,
    /// Record time.
    pub time: Timestamp,
    /// True when it was already on record.
    pub repeat: bool,
    /// The proof that it is; only for what a desk says, and none without keys of the logs.
    pub receipt: Option<Receipt>,
}

/// A body that a record has or had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyPlace {
    /// The record.
    pub index: Index,
    /// The statement whose body it is.
    pub statement: Box<Statement>,
    /// Its size, in bytes.
    pub bytes: u32,
    /// It has been erased.
    pub erased: bool,
}

/// A handle to the relay.
#[derive(Clone)]
pub struct Relay {
    shared: Arc<Shared>,
    jobs: SyncSender<Job>,
    slot: Arc<Slot>,
    reader: Arc<dyn Reader>,
    clock: Arc<dyn Clock>,
    signed_genesis: Arc<Vec<u8>>,
    envelope_bytes_max: usize,
    signers: Option<Arc<Signers>>,
    /// What keeps an older store from signing; none without keys.
    guard: Option<Arc<Guard>>,
    started: Timestamp,
    /// What was on record when the relay was opened.
    opened_at: Index,
}

impl Relay {
    /// Submits a statement and waits until its record is on disk.
    ///
    /// # Errors
    /// See [`Error`]. After `Stopped` the outcome is unknown: the same statement, submitted again,
    /// is answered with what became of it.
    pub async fn submit(&self, caller: &Caller, envelope: Envelope) -> Result<Submitted, Error> {
        let bytes = envelope.wrap.len() + envelope.ciphertext.len() + envelope.header.len();
        if bytes > self.envelope_bytes_max {
            let (bytes, max) = (bytes as u64, self.envelope_bytes_max as u64);
            return Err(Error::TooLarge { bytes, max });
        }
        // On the spot: an Ed25519 signature takes less than handing it to another thread and back,
        // and those who call are on several threads already.
        let envelope = verify(&self.published(), envelope, self.clock.wall())?;
        let body = if envelope.statement.act.is_machine() {
            Vec::new()
        } else {
            codec::encode_body(&envelope.wrap, &envelope.ciphertext)
        };
        let command = Command::Submit {
            caller: caller.desk.clone(),
            statement: Box::new(envelope.statement),
        };
        let Envelope { header, signatures, .. } = envelope;
        let enclosure = Enclosure { header, signatures, body, signed: None };
        self.settle_with_receipt(command, enclosure).await
    }

    /// Erases the body of a statement: the erasure is a record, then the bytes are zeroed.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn erase(
        &self,
        place: &BodyPlace,
        reason: ErasureReason,
    ) -> Result<Submitted, Error> {
        let BodyPlace { index, statement, .. } = place;
        let command = Command::EraseBody { index: *index, message: statement.message, reason };
        self.settle(command, Enclosure::default()).await.map(Settled::without_receipt)
    }

    /// The body of a record, erased or not; none where there never was one. Blocks.
    ///
    /// # Errors
    /// `Fault` when the record is not there or cannot be read.
    pub fn body_place(&self, index: Index) -> Result<Option<BodyPlace>, Error> {
        let record = self.read_record(index)?;
        let Kind::Accepted(statement) = record.event.kind else { return Ok(None) };
        if record.body_len == 0 {
            return Ok(None);
        }
        let stored = self.reader.read(index, 1, 0).map_err(Error::fault)?;
        let erased = stored.first().is_some_and(|stored| stored.body == Body::Erased);
        Ok(Some(BodyPlace { index, statement, bytes: record.body_len, erased }))
    }

    /// The operator says that the wall clock is right. False when nobody doubted it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn confirm_clock(&self) -> Result<bool, Error> {
        let command = Command::ConfirmClock { by: ClockWitness::Operator };
        Ok(!self.settle(command, Enclosure::default()).await?.repeat)
    }

    /// As `settle`, and the receipt for it: of what is new at the head of its batch, of what was on
    /// record at the newest.
    async fn settle_with_receipt(
        &self,
        command: Command,
        enclosure: Enclosure,
    ) -> Result<Submitted, Error> {
        let settled = self.settle(command, enclosure).await?;
        let receipt = match (self.signers.as_deref(), &settled.place) {
            (None, _) => None,
            (Some(signers), Some(place)) => Some(place.receipt(signers)?),
            (Some(_), None) => Some(self.receipt_of(settled.index).await?),
        };
        Ok(Submitted { receipt, ..settled.without_receipt() })
    }

    async fn settle(&self, command: Command, enclosure: Enclosure) -> Result<Settled, Error> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Work { enclosure, reply: Some(reply), ..Work::own(command) })?;
        answer.await.unwrap_or(Err(Error::Stopped))
    }

    fn enqueue(&self, work: Work) -> Result<(), Error> {
        self.try_enqueue(work).map_err(|(error, _)| error)
    }

    /// As `enqueue`, and gives the work back when it was not taken.
    fn try_enqueue(&self, mut work: Work) -> Result<(), (Error, Box<Work>)> {
        if !self.make_room(&mut work) {
            return Err((Error::Busy, Box::new(work)));
        }
        let back = |job: Job, error: Error| match job {
            Job::Command(work) => Err((error, work)),
            Job::Stop | Job::Look(_) | Job::Pad(_) => unreachable!("a command was sent"),
        };
        match self.jobs.try_send(Job::Command(Box::new(work))) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(job)) => back(job, Error::Busy),
            Err(TrySendError::Disconnected(job)) => back(job, Error::Stopped),
        }
    }

    /// Takes room for the body in the queue; false when there is not enough.
    fn make_room(&self, work: &mut Work) -> bool {
        let bytes = u32::try_from(work.enclosure.bytes()).unwrap_or(u32::MAX);
        if bytes > 0 && work.permit.is_none() {
            let room = Arc::clone(&self.shared.room).try_acquire_many_owned(bytes);
            work.permit = room.ok();
        }
        bytes == 0 || work.permit.is_some()
    }

    /// Has the commit thread look at the clock now, and waits until what was due is on disk; of
    /// very much, a part. For those who move the clock: otherwise it looks five times a second.
    ///
    /// # Errors
    /// `Busy`, `Stopped`.
    pub async fn look_at_the_clock(&self) -> Result<(), Error> {
        let (answer, looked) = oneshot::channel();
        self.jobs.try_send(Job::Look(answer)).map_err(|error| match error {
            TrySendError::Full(_) => Error::Busy,
            TrySendError::Disconnected(_) => Error::Stopped,
        })?;
        looked.await.map_err(|_| Error::Stopped)
    }

    /// Has what the traffic log has grown by since it had `since` leaves filled up to a power of
    /// two, of very much a part, and gives the state at the end of that batch. Blocks.
    fn pad(&self, since: u64) -> Result<Arc<Published>, Error> {
        let (done, padded) = oneshot::channel();
        self.jobs.send(Job::Pad(Pad { since, done })).map_err(|_| Error::Stopped)?;
        padded.blocking_recv().map_err(|_| Error::Stopped)
    }

    /// The committed state.
    pub fn published(&self) -> Arc<Published> {
        self.shared.published()
    }

    /// Follows a desk's own records from `from`; a beat is answered when nothing came for `beat`.
    pub fn follow(&self, desk: DeskId, from: DeskIndex, beat: Duration) -> Follower {
        Follower::new(self.clone(), desk, from, beat)
    }

    /// The sealed body of a statement addressed to `desk`, as (wrap, ciphertext).
    ///
    /// # Errors
    /// `Refused` until a receipt is on record; `Erased`; `Fault`.
    pub async fn content(
        &self,
        desk: &DeskId,
        message: MessageId,
    ) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let published = self.published();
        let index = published.state().released(desk, message).map_err(Error::Refused)?;
        let relay = self.clone();
        tokio::task::spawn_blocking(move || relay.read_body(index))
            .await
            .map_err(|_| Error::Fault("reading failed".to_owned()))?
    }

    fn read_body(&self, index: Index) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let stored = self.reader.read(index, 1, 0).map_err(Error::fault)?;
        let body = stored.into_iter().next().map_or(Body::None, |stored| stored.body);
        match body {
            Body::Present(bytes) => {
                let body = codec::decode_body(&bytes).map_err(Error::fault)?;
                Ok((body.wrap, body.ciphertext))
            }
            Body::Erased => Err(Error::Erased),
            Body::None => Err(Error::Fault(format!("record {index} has no body"))),
        }
    }

    /// Waits until the tables have taken in every record before `next`.
    ///
    /// # Errors
    /// `Stopped`.
    pub async fn wait_for_tables(&self, next: Index) -> Result<(), Error> {
        let mut tables = self.shared.tables();
        if *tables.borrow() >= next {
            return Ok(());
        }
        self.shared.hurry_tables();
        let mut stopped = self.shared.stopped();
        tokio::select! {
            reached = tables.wait_for(|at| *at >= next) => {
                reached.map(|_| ()).map_err(|_| Error::Stopped)
            }
            _ = stopped.wait_for(|stopped| *stopped) => Err(Error::Stopped),
        }
    }

    /// As [`Relay::wait_for_tables`], and no longer than the tables can be kept.
    ///
    /// # Errors
    /// `NoTables`, `Stopped`.
    pub async fn wait_for_rows(&self, next: Index) -> Result<(), Error> {
        let mut failed = self.slot.failed();
        tokio::select! {
            biased;
            Ok(_) = failed.wait_for(Option::is_some) => Err(Error::NoTables),
            reached = self.wait_for_tables(next) => reached,
        }
    }

    /// Why there are no tables, while that is so.
    pub fn tables_trouble(&self) -> Option<String> {
        self.slot.failed().borrow().clone()
    }

    /// The tables. Their calls block. To be let go of at once.
    ///
    /// # Errors
    /// `NoTables` while they cannot be kept, or are being made anew.
    pub fn tables(&self) -> Result<Arc<Tables>, Error> {
        self.slot.tables()
    }

    /// The journal, for reading. Its calls block.
    pub fn reader(&self) -> &Arc<dyn Reader> {
        &self.reader
    }

    /// The genesis, as signed.
    pub fn signed_genesis(&self) -> &[u8] {
        &self.signed_genesis
    }

    /// The keys that sign the logs, where there are any.
    pub fn signers(&self) -> Option<&Arc<Signers>> {
        self.signers.as_ref()
    }

    /// The published heads of the logs.
    pub fn heads(&self) -> &Heads {
        &self.shared.heads
    }

    /// The relay's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    /// Milliseconds since a sync of the disk was last seen to work.
    pub fn probe_age_ms(&self) -> i64 {
        self.clock.boot_ms().saturating_sub(self.shared.last_sync_boot_ms())
    }

    /// Index that the tables want next.
    pub fn tables_next(&self) -> Index {
        *self.shared.tables().borrow()
    }

    /// The index that the next record got when the relay was opened. Tables that have not come so
    /// far are being made anew, and what they lack may still be there.
    pub fn opened_at(&self) -> Index {
        self.opened_at
    }

    /// When the relay was opened.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// The largest envelope taken, in bytes.
    pub fn envelope_bytes_max(&self) -> usize {
        self.envelope_bytes_max
    }

    /// Why the relay has stopped, if it has.
    pub fn why_stopped(&self) -> Option<String> {
        self.shared.why_stopped()
    }

    /// Waits until the relay has stopped, by order or by fault.
    pub async fn stopped(&self) {
        let mut stopped = self.shared.stopped();
        // An error means that the relay is gone, which is the same.
        let _gone = stopped.wait_for(|stopped| *stopped).await;
    }

    /// Streams end; what is queued is still committed.
    pub fn stop(&self) {
        // A full queue is drained first; a gone thread has stopped.
        let _gone = self.jobs.send(Job::Stop);
    }
}

/// Checks the signature with the key that the directory names. The very statement that is already
/// on record is let through unchecked: it is answered with its outcome even when its key has since
/// expired, and leaves no new record, for it is stale before it is forgotten. Another statement
/// under the same message id is checked like any.
fn verify(published: &Published, envelope: Envelope, now: Timestamp) -> Result<Envelope, Error> {
    let statement = &envelope.statement;
    let state = published.state();
    let known = state
        .message(&statement.from, statement.message)
        .is_some_and(|message| message.header == statement.header);
    if !known {
        envelope::check_known(&envelope.header).map_err(|Malformed { field, why }| {
            Error::Malformed(Malformed { field: format!("envelope.{field}"), why })
        })?;
        let key = state.directory().signing_key(statement, now).map_err(Error::Refused)?;
        let approver = state.directory().approving_key(statement, now).map_err(Error::Refused)?;
        envelope.verify(key, approver).map_err(|_| Error::BadSignature)?;
    }
    Ok(envelope)
}
