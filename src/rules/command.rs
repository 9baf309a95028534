//! What can be asked of the rules. Imperatives.
//!
//! Not what happened (see `event.rs`).

use super::event::OfferFailure;
use crate::envelope::Statement;
use crate::envelope::entry::Entry;
use crate::envelope::genesis::{Announcement, Genesis};
use crate::units::{DeskId, Hash, Index, MessageId, RequestId, Timestamp};

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Found the network. Only in an empty journal; its signatures have been verified.
    Found(Box<Genesis>),
    /// Accept a statement whose signatures have been verified with the directory's key.
    Submit {
        /// The desk of the connection.
        caller: DeskId,
        /// The statement.
        statement: Box<Statement>,
    },
    /// Publish a nation's entry whose signature has been verified with its national key.
    Publish {
        /// The desk of the connection.
        caller: DeskId,
        /// The entry.
        entry: Box<Entry>,
    },
    /// Announce the next key of a log; its signatures have been verified.
    AnnounceLogKey(Box<Announcement>),
    /// Note that a statement was offered to its recipient's live stream.
    NoteOffer {
        /// The statement.
        message: MessageId,
    },
    /// A deadline has passed.
    PassDeadline(Deadline),
    /// Erase the body of a record.
    EraseBody {
        /// The record.
        index: Index,
        /// The statement whose body it is.
        message: MessageId,
        /// Why, in a word.
        reason: ErasureReason,
    },
    /// Note that a torn tail was cut off when the journal was opened.
    NoteTruncation {
        /// Bytes cut off.
        bytes: u64,
        /// Their SHA-256.
        sha256: Hash,
    },
    /// Note that the wall clock jumped against the boot clock.
    NoteClockStep {
        /// By how much, in milliseconds; negative is backwards.
        step_ms: i64,
    },
    /// Trust the wall clock again after it jumped.
    ConfirmClock {
        /// Who says that it is right.
        by: ClockWitness,
    },
    /// Add a leaf that says nothing.
    Pad,
}

/// Who says that the relay's wall clock is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ClockWitness {
    /// More than half of the connected desks that tell their time.
    Desks,
    /// The relay's operator.
    Operator,
}

/// Why a body is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ErasureReason {
    /// A court or an authority ordered it.
    LegalOrder,
    /// The end of retention.
    Retention,
}

impl ErasureReason {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::LegalOrder, Self::Retention];

    /// Its spelling on record and on the screen.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LegalOrder => "LEGAL_ORDER",
            Self::Retention => "RETENTION",
        }
    }
}

/// Something that happens by itself at a moment unless something else happens before. Ordered by
/// time, then kind, then id, so that simultaneous ones pass in a defined order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Deadline {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: DeadlineKind,
}

/// What happens at a deadline.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum DeadlineKind {
    /// A statement was not delivered within its limit: evidence of failure (REM:
    /// RelayREMMDFailure); the content of an EMERGENCY is then handed over without a receipt.
    Delivery(MessageId, OfferFailure),
    /// The content of an EMERGENCY that was offered is handed over without a receipt.
    HandOver(MessageId),
    /// A preservation ends.
    PreservationEnd(RequestId),
    /// The embargo of a request ends: its recipient gets it.
    EmbargoEnd(RequestId),
}
