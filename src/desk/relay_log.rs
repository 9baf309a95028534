//! Whether the relay's log is still the one that this desk knows, and what to do when it is not.
//!
//! Not for single records, which `intake.rs` judges. A relay that was restored from an old backup
//! has lost records that its desks hold. The desk compares the newest record that it holds with
//! what the relay sends at that place, at every connection, before anything else is believed.
//!
//! | code | reason | meaning |
//! |---|---|---|
//! | D-301 | `RELAY_LOST_RECORDS` | the relay has fewer records of this desk than the desk holds |
//! | D-302 | `RELAY_LOG_DIFFERS` | another record stands where the desk's newest one was |
//!
//! Either is an alarm. From then on nothing is sent and nothing is taken: what officers say is
//! kept, and everything the desk holds stays. It goes on when the relay has its log again, or when
//! an operator accepts the loss ([`Desk::accept_loss`]).

use tokio::sync::watch;

use super::error::{Error, OpenError};
use super::intake::Incoming;
use super::record::{Received, Record};
use super::{CaseFile, Desk, Options, off_the_workers, store};
use crate::codec::{self, Log};
use crate::envelope::{Act, Statement};
use crate::journal::{FileJournal, Journal as _};
use crate::rules::event::Kind;
use crate::units::{DeskIndex, Index, RequestId, Timestamp};

/// What is known of the relay's log on the present connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RelayLog {
    /// Not compared yet.
    #[default]
    Unknown,
    /// It leads to the newest record that this desk holds.
    Same,
    /// It does not.
    Other(Discrepancy),
}

/// How the relay's log differs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{code} {reason}: {what}; nothing is sent until the relay has its log again or the loss is \
         accepted (detente desk reconcile)"
)]
pub struct Discrepancy {
    /// Stable code.
    pub code: &'static str,
    /// Stable reason.
    pub reason: &'static str,
    /// What was found, in words.
    pub what: String,
}

impl Discrepancy {
    /// The relay has fewer records of this desk.
    pub fn shorter(what: String) -> Self {
        Self { code: "D-301", reason: "RELAY_LOST_RECORDS", what }
    }

    /// Another record stands where the newest one was.
    pub fn differs(what: String) -> Self {
        Self { code: "D-302", reason: "RELAY_LOG_DIFFERS", what }
    }
}

/// A record that this desk holds and the relay does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRecord {
    /// Its number in the desk's sequence.
    pub desk_index: DeskIndex,
    /// Its index in the log that was lost.
    pub index: Index,
    /// Record time; none when the record cannot be read.
    pub time: Option<Timestamp>,
    /// What it recorded, in words.
    pub what: String,
}

impl Desk {
    /// What is known of the relay's log.
    pub fn relay_log(&self) -> RelayLog {
        self.inner.relay_log.borrow().clone()
    }

    /// Tells whenever that changes.
    pub fn relay_logs(&self) -> watch::Receiver<RelayLog> {
        self.inner.relay_log.subscribe()
    }

    /// Says what is known now. A difference is an alarm, once.
    pub fn set_relay_log(&self, log: RelayLog) {
        let before = self.inner.relay_log.send_replace(log.clone());
        if let RelayLog::Other(discrepancy) = &log
            && before != log
        {
            self.alarm(&discrepancy.to_string());
        }
    }

    /// A new connection begins. A difference that was found stands until the logs agree again.
    pub fn forget_relay_log(&self) {
        self.inner.relay_log.send_if_modified(|log| {
            let same = *log == RelayLog::Same;
            if same {
                *log = RelayLog::Unknown;
            }
            same
        });
    }

    /// The newest record of our own sequence that we hold, as the relay sent it but for signatures.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn newest_received(&self) -> Result<Option<Incoming>, Error> {
        let Some(place) = self.file().newest_received() else { return Ok(None) };
        self.received_at(place).await.map(Some)
    }

    /// The places in our own journal of the records of our sequence, in order, without those whose
    /// loss has been accepted.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn received_places(&self) -> Result<Vec<Index>, Error> {
        let desk = self.clone();
        off_the_workers(move || desk.each_received(|place, _| place)).await
    }

    /// What `make` makes of each record of our sequence and its place, in order, without those
    /// whose loss has been accepted. Reads all that is kept. Blocks.
    pub(super) fn each_received<T>(
        &self,
        mut make: impl FnMut(Index, &Received) -> T,
    ) -> Result<Vec<T>, Error> {
        let mut made = Vec::new();
        for place in (0..self.file().next_place().0).map(Index) {
            match self.inner.store.read(place)?.record {
                Record::Received(received) => made.push(make(place, &received)),
                Record::RelayRestored { from, .. } => {
                    made.truncate(usize::try_from(from.0).unwrap_or(usize::MAX));
                }
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
                | Record::Held { .. }
                | Record::Declined { .. }
                | Record::Directory { .. }
                | Record::Proof { .. }
                | Record::BadReceipt { .. } => {}
            }
        }
        Ok(made)
    }

    /// The record of our sequence at this place in our own journal, as the relay sent it but for
    /// signatures.
    ///
    /// # Errors
    /// When there is none, or the disk fails.
    pub async fn received_at(&self, place: Index) -> Result<Incoming, Error> {
        let desk = self.clone();
        off_the_workers(move || desk.received_blocking(place)).await
    }

    /// As [`Desk::received_at`]; blocks.
    pub(super) fn received_blocking(&self, place: Index) -> Result<Incoming, Error> {
        match self.inner.store.read(place)?.record {
            Record::Received(received) => as_sent(*received),
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
                Err(Error::Fault("there is no received record at this place".to_owned()))
            }
        }
    }

    /// What a proof of the record at this place in our own journal has to prove: the record's index
    /// at the relay, its leaf, and the event that the leaf commits to.
    ///
    /// # Errors
    /// When there is no record of the relay at this place, or the disk fails.
    pub async fn to_prove(&self, place: Index) -> Result<(Index, codec::Leaf, Vec<u8>), Error> {
        let desk = self.clone();
        off_the_workers(move || desk.to_prove_blocking(place)).await
    }

    /// As [`Desk::to_prove`]; blocks.
    pub(super) fn to_prove_blocking(
        &self,
        place: Index,
    ) -> Result<(Index, codec::Leaf, Vec<u8>), Error> {
        let note = self.inner.store.read(place)?;
        if let Record::Directory { leaf, index, event } = note.record {
            let leaf = codec::Leaf { log: Log::Directory, index: leaf, opening: None };
            return Ok((index, leaf, event));
        }
        let Incoming { index, leaf, event, .. } = self.received_blocking(place)?;
        Ok((index, leaf, event))
    }

    /// Accepts that the relay has lost our records from `from` on: as if they had never come. What
    /// we had said in them waits in the outbox again, and is sent as it was, unless it has lapsed.
    /// Everything stays in our own journal. The desk must not be open.
    ///
    /// # Errors
    /// As [`Desk::open`].
    pub fn accept_loss(options: &Options, from: DeskIndex, index: Index) -> Result<(), OpenError> {
        let (mut journal, _) = FileJournal::open(&options.dir, options.journal)?;
        let record = Record::RelayRestored { from, index };
        store::note_at_start(&mut journal, &options.secret, (options.clock)(), record)?;
        // Nothing follows at once, so the record is marked as committed.
        journal.idle().map_err(|error| OpenError::Start(error.to_string()))
    }
}

impl CaseFile {
    /// Puts into the history of a request what was said of it before it came: the relay had lost
    /// the request, and what we have said waits in the outbox.
    pub(super) fn enter_early(&mut self, request: RequestId) {
        let of_it = (request, Index(0))..=(request, Index(u64::MAX));
        let early: Vec<_> = self.early.range(of_it).map(|(at, key)| (*at, key.clone())).collect();
        for (at, key) in early {
            self.early.remove_mut(&at);
            let held = self.statement(&key);
            let waits = held.is_some_and(|held| held.queued.is_some());
            let message = key.1;
            self.enter_one(request, key);
            if waits {
                self.change_case(request, |case| case.pending.push_back_mut(message));
            }
        }
    }

    /// Takes up what our machine has said of a statement before it came: the relay had lost the
    /// statement, and our answer has reached it first, or is on its way.
    pub(super) fn answered_before(&mut self, statement: &Statement) {
        let key = (statement.from.clone(), statement.message);
        for own in self.statements_of(statement.request) {
            let (Act::Receipt { of, .. } | Act::Retrieval { of, .. }) = &own.statement.act else {
                continue;
            };
            if !own.ours || own.refused.is_some() || (&own.statement.to, of) != (&key.0, &key.1) {
                continue;
            }
            if matches!(own.statement.act, Act::Receipt { .. }) {
                self.change(&key, |held| held.receipt = Some(own.statement.message));
            }
            if let Some((_, time)) = own.recorded {
                self.add_evidence(&own.statement, time);
                self.want(&key);
            }
        }
    }

    /// True when our machine has answered this statement, or is about to.
    pub(super) fn is_answered(&self, statement: &Statement) -> bool {
        let held = self.statement(&(statement.from.clone(), statement.message));
        held.is_some_and(|held| held.receipt.is_some())
    }
}

/// What a record that the relay has lost was about.
pub fn describe(incoming: &Incoming) -> LostRecord {
    let Incoming { desk_index, index, event, header, .. } = incoming;
    let (time, what) = match codec::decode_event(event, header) {
        Ok(decoded) => {
            let what = if let Kind::Accepted(statement) = &decoded.event.kind {
                let (from, to) = (&statement.from, &statement.to);
                format!("statement {} of {from} to {to}", statement.message)
            } else {
                "an event that the relay recorded".to_owned()
            };
            (Some(decoded.time), what)
        }
        Err(corrupt) => (None, format!("it cannot be read: {corrupt}")),
    };
    LostRecord { desk_index: *desk_index, index: *index, time, what }
}

/// True when `sent` is the record that we hold. Signatures are not compared: they prove the header,
/// which is.
pub fn is_same(held: &Incoming, sent: &Incoming) -> bool {
    let parts = |one: &Incoming| {
        (one.desk_index, one.index, one.event.clone(), one.header.clone(), one.leaf)
    };
    parts(held) == parts(sent)
}

fn as_sent(received: Received) -> Result<Incoming, Error> {
    let Received { desk_index, index, event, header, signatures: _, leaf, verdict: _ } = received;
    let log = [Log::Directory, Log::Traffic].into_iter().find(|log| log.as_str() == leaf.log);
    let log = log.ok_or_else(|| Error::Fault(format!("{:?} is no log", leaf.log)))?;
    let leaf = codec::Leaf { log, index: leaf.index, opening: leaf.opening };
    Ok(Incoming { desk_index, index, event, header, signatures: Vec::new(), leaf })
}
