//! The transport axis of one statement: how far it got on its way to its recipient.
//!
//! Not for what people do with it (see `handling.rs`). The names and priorities are those of ETSI
//! REM (TS 102 640, EN 319 522) as e-CODEX uses them: evidence of a higher priority overrules the
//! meaning of a lower one, never the reverse.
//!
//! ```text
//!   SUBMISSION_ACCEPTANCE 1            the relay has accepted it; a refused one leaves no evidence
//!     |--> RELAY_REMMD_ACCEPTANCE 3    offered to the recipient's live stream
//!     |--> RELAY_REMMD_FAILURE 5       limit passed: unreachable, or offered and no receipt
//!     |--> DELIVERY 6 | NON_DELIVERY 7   the recipient's receipt; once
//!     '------> RETRIEVAL 8 | NON_RETRIEVAL 9   opened, or cannot be opened; once
//! ```
//!
//! Invariants: evidence is a set that only grows, of which each kind is kept once with its
//! earliest moment; so the same evidence in any order, any number of times, gives the same value.

use serde::{Deserialize, Serialize};

use super::event::OfferFailure;
use super::refusal::Refusal;
use crate::envelope::words::Rejection;
use crate::units::{MessageId, Timestamp};

/// A piece of evidence about a statement's transport, in order of priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Evidence {
    /// The relay accepted it.
    SubmissionAcceptance,
    /// The relay refused it. Answered to the sender, never recorded.
    SubmissionRejection,
    /// It was offered to the recipient's live stream.
    RelayAcceptance,
    /// The recipient's relay refused it. With one relay this does not happen.
    RelayRejection,
    /// It was not delivered within its limit.
    RelayFailure,
    /// The recipient's machine has it.
    Delivery,
    /// The recipient's machine rejects it.
    NonDelivery,
    /// An officer opened it.
    Retrieval,
    /// It cannot be opened.
    NonRetrieval,
}

impl Evidence {
    /// Every kind, in order of priority.
    pub const ALL: &'static [Self] = &[
        Self::SubmissionAcceptance,
        Self::SubmissionRejection,
        Self::RelayAcceptance,
        Self::RelayRejection,
        Self::RelayFailure,
        Self::Delivery,
        Self::NonDelivery,
        Self::Retrieval,
        Self::NonRetrieval,
    ];

    /// The name in ETSI REM and e-CODEX.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SubmissionAcceptance => "SUBMISSION_ACCEPTANCE",
            Self::SubmissionRejection => "SUBMISSION_REJECTION",
            Self::RelayAcceptance => "RELAY_REMMD_ACCEPTANCE",
            Self::RelayRejection => "RELAY_REMMD_REJECTION",
            Self::RelayFailure => "RELAY_REMMD_FAILURE",
            Self::Delivery => "DELIVERY",
            Self::NonDelivery => "NON_DELIVERY",
            Self::Retrieval => "RETRIEVAL",
            Self::NonRetrieval => "NON_RETRIEVAL",
        }
    }

    /// Its priority, 1 to 9.
    pub const fn priority(self) -> u8 {
        match self {
            Self::SubmissionAcceptance => 1,
            Self::SubmissionRejection => 2,
            Self::RelayAcceptance => 3,
            Self::RelayRejection => 4,
            Self::RelayFailure => 5,
            Self::Delivery => 6,
            Self::NonDelivery => 7,
            Self::Retrieval => 8,
            Self::NonRetrieval => 9,
        }
    }

    /// True when it says that something went as it should.
    pub const fn is_positive(self) -> bool {
        match self {
            Self::SubmissionAcceptance
            | Self::RelayAcceptance
            | Self::Delivery
            | Self::Retrieval => true,
            Self::SubmissionRejection
            | Self::RelayRejection
            | Self::RelayFailure
            | Self::NonDelivery
            | Self::NonRetrieval => false,
        }
    }
}

/// What can happen to a statement on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// It is offered to the recipient's live stream.
    Offer,
    /// Its limit passes.
    Fail(OfferFailure),
    /// Its content is handed over without a receipt.
    HandOver,
    /// The recipient's machine has it, or rejects it.
    Receipt(Option<Rejection>),
    /// An officer opened it, or it cannot be opened.
    Retrieval(Option<Rejection>),
}

/// How far a statement got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transport {
    /// In order of priority, each kind at most once.
    marks: Vec<Mark>,
    /// When its content was handed over without a receipt; earliest.
    handed_over: Option<Timestamp>,
}

/// One piece of evidence, as kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    /// What.
    pub evidence: Evidence,
    /// When, earliest.
    pub at: Timestamp,
    /// Why, where it is negative.
    pub why: Option<Why>,
}

/// Why evidence is negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Why {
    /// How far it had got when its limit passed.
    Offer(OfferFailure),
    /// What the recipient's machine said.
    Machine(Rejection),
}

impl Transport {
    /// Of a statement that was accepted at `at`.
    pub fn accepted(at: Timestamp) -> Self {
        let evidence = Evidence::SubmissionAcceptance;
        Self { marks: vec![Mark { evidence, at, why: None }], handed_over: None }
    }

    /// The evidence that counts: that of the highest priority.
    pub fn stage(&self) -> Evidence {
        self.marks.last().map_or(Evidence::SubmissionAcceptance, |mark| mark.evidence)
    }

    /// All evidence, in order of priority.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// When the first evidence of this kind came.
    pub fn at(&self, evidence: Evidence) -> Option<Timestamp> {
        self.marks.iter().find(|mark| mark.evidence == evidence).map(|mark| mark.at)
    }

    /// When its content was handed over without a receipt.
    pub const fn handed_over(&self) -> Option<Timestamp> {
        self.handed_over
    }

    /// True once the recipient's machine has answered, one way or the other.
    pub fn is_receipted(&self) -> bool {
        self.is_delivered() || self.is_rejected()
    }

    /// True when the recipient's machine has it.
    pub fn is_delivered(&self) -> bool {
        self.at(Evidence::Delivery).is_some() && !self.is_rejected()
    }

    /// True when the recipient's machine rejected it.
    pub fn is_rejected(&self) -> bool {
        self.at(Evidence::NonDelivery).is_some()
    }

    /// May this happen to the statement `of` now? `Ok(false)`: it changes nothing and leaves no
    /// record. A second receipt or retrieval under another message id is refused, because REM
    /// allows one; the same one again is a repeat and never comes here.
    ///
    /// # Errors
    /// [`Refusal`] when the recipient's machine has said it before, or says it out of turn.
    pub fn decide(&self, of: MessageId, by: Move) -> Result<bool, Refusal> {
        let retrieved =
            self.at(Evidence::Retrieval).or_else(|| self.at(Evidence::NonRetrieval)).is_some();
        match by {
            Move::Offer => Ok(!self.is_receipted() && self.at(Evidence::RelayAcceptance).is_none()),
            Move::Fail(_) => Ok(!self.is_receipted() && self.at(Evidence::RelayFailure).is_none()),
            Move::HandOver => Ok(!self.is_receipted()
                && self.handed_over.is_none()
                && self.at(Evidence::RelayAcceptance).is_some()),
            Move::Receipt(_) if self.is_receipted() => Err(Refusal::AlreadyReceipted { of }),
            Move::Receipt(_) => Ok(true),
            Move::Retrieval(_) if self.is_rejected() => Err(Refusal::StatementRejected { of }),
            Move::Retrieval(_) if retrieved => Err(Refusal::AlreadyRetrieved { of }),
            Move::Retrieval(_) if self.is_delivered() || self.handed_over.is_some() => Ok(true),
            Move::Retrieval(_) => Err(Refusal::NotReceipted { of }),
        }
    }

    /// Adds what happened at `at`.
    pub fn apply(&mut self, by: Move, at: Timestamp) {
        let machine = |why: Option<Rejection>| why.map(Why::Machine);
        let (evidence, why) = match by {
            Move::Offer => (Evidence::RelayAcceptance, None),
            Move::Fail(reason) => (Evidence::RelayFailure, Some(Why::Offer(reason))),
            Move::HandOver => {
                self.handed_over = Some(self.handed_over.map_or(at, |earlier| earlier.min(at)));
                return;
            }
            Move::Receipt(None) => (Evidence::Delivery, None),
            Move::Receipt(rejected) => (Evidence::NonDelivery, machine(rejected)),
            Move::Retrieval(None) => (Evidence::Retrieval, None),
            Move::Retrieval(failed) => (Evidence::NonRetrieval, machine(failed)),
        };
        let new = Mark { evidence, at, why };
        match self.marks.binary_search_by_key(&evidence, |mark| mark.evidence) {
            Ok(place) => {
                if let Some(mark) = self.marks.get_mut(place) {
                    *mark = new.min(*mark);
                }
            }
            Err(place) => self.marks.insert(place, new),
        }
    }
}
