//! What happened. Past tense; a committed event is true.
//!
//! Not how it is stored (see `codec/`).

use serde::{Deserialize, Serialize};

use super::command::{ClockWitness, ErasureReason};
use super::request::Request;
use crate::envelope::entry::Entry;
use crate::envelope::genesis::{Announcement, Genesis};
use crate::envelope::{Act, Statement};
use crate::units::{DeskId, DeskIndex, Hash, Index, MessageId, RequestId, Timestamp};

/// An event: who is concerned, and what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The desk that acted, or whose statement is concerned; none for the relay's own.
    pub from: Option<DeskId>,
    /// The desk addressed; none while an embargo keeps it from knowing.
    pub to: Option<DeskId>,
    /// The request concerned.
    pub request: Option<RequestId>,
    /// What happened.
    pub kind: Kind,
}

impl Event {
    /// That a statement was accepted; `request` is the one it belongs to, none for a new one. Under
    /// an embargo it concerns its sender alone.
    pub fn accepted(statement: &Statement, request: Option<&Request>) -> Self {
        let hidden = if let Act::Request(facts) = &statement.act {
            facts.embargo_until.is_some()
        } else {
            request.is_some_and(Request::is_under_embargo)
        };
        Self {
            from: Some(statement.from.clone()),
            to: (!hidden).then(|| statement.to.clone()),
            request: Some(statement.request),
            kind: Kind::Accepted(Box::new(statement.clone())),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The network was founded.
    Founded(Box<Genesis>),
    /// A statement was accepted (REM: SubmissionAcceptance).
    Accepted(Box<Statement>),
    /// A statement was offered to its recipient's live stream (REM: RelayREMMDAcceptance).
    Offered {
        /// The statement.
        message: MessageId,
    },
    /// A statement was not delivered within its limit (REM: RelayREMMDFailure).
    OfferFailed {
        /// The statement.
        message: MessageId,
        /// How far it had got.
        reason: OfferFailure,
    },
    /// The content of an EMERGENCY was handed over without a receipt.
    HandedOver {
        /// The statement.
        message: MessageId,
    },
    /// A preservation ended.
    PreservationExpired {
        /// The end that passed.
        preserved_until: Timestamp,
    },
    /// A body was erased.
    BodyErased {
        /// The record whose body it was.
        index: Index,
        /// Why.
        reason: ErasureReason,
        /// The statement or entry whose body it was; none in older records.
        of: Option<MessageId>,
    },
    /// A torn tail was cut off when the journal was opened.
    TailTruncated {
        /// The index that this record has.
        next_index: Index,
        /// Bytes cut off.
        bytes: u64,
        /// Their SHA-256.
        sha256: Hash,
    },
    /// The embargo of a request ended: from now on its recipient knows of it.
    EmbargoEnded(Box<Statement>),
    /// The wall clock jumped, against the boot clock or against the clocks of most desks: deadlines
    /// are held until it is confirmed.
    ClockStepped {
        /// By how much, in milliseconds; negative is backwards.
        step_ms: i64,
    },
    /// The wall clock is trusted again.
    ClockConfirmed {
        /// Who says that it is right.
        by: ClockWitness,
    },
    /// A nation published its entry.
    EntryPublished(Box<Entry>),
    /// A log of the relay signs with another key from now on.
    LogKeyAnnounced(Box<Announcement>),
    /// Nothing: its leaf hides how many others there are.
    Padded,
}

/// How far a statement had got when its limit passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OfferFailure {
    /// It could not be offered: the desk was not there.
    Unreachable,
    /// It was offered, and no receipt came.
    NoReceipt,
}

/// Where and when an event was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Its record.
    pub index: Index,
    /// Record time.
    pub time: Timestamp,
    /// SHA-256 of the event's stored bytes.
    pub event_hash: Hash,
}

/// The numbers that an event gets from the state before it: its place in each party's own
/// sequence, in the sequence of its ordered pair of desks, and in the history of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbering {
    /// The number in each party's own sequence, by desk.
    pub desk_indexes: Vec<(DeskId, DeskIndex)>,
    /// The number in the ordered pair (from, to), from 1; 0 without a pair.
    pub pair_sequence: u64,
    /// Hash of the previous event of the same request.
    pub previous: Option<Hash>,
}
