//! The follow-up axis of a request: the mutual legal assistance request that a preservation
//! announces.
//!
//! Not for that request itself, which travels between central authorities: here is only where it
//! stands. Types without one stay at `None`.
//!
//! ```text
//!   MlaIntended --SENT--> MlaSent --RECEIVED--> MlaReceived --DECIDED--> MlaDecided
//!        '-----------RECEIVED (came by mail)--------^
//! ```
//!
//! Each step is said once. This axis does not wait for the others: a step may be said at any stage
//! of the handling, also after it was closed.

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use crate::envelope::Act;
use crate::envelope::words::MlaStep;

/// Where the follow-up stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FollowUp {
    /// None is foreseen.
    None,
    /// The requesting party intends to send one (Art. 29(2)(f)).
    MlaIntended,
    /// It has sent it.
    MlaSent,
    /// The requested party has it.
    MlaReceived,
    /// The requested party has decided it.
    MlaDecided,
}

impl FollowUp {
    /// The stage's name, as people and `--json` read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::MlaIntended => "MLA_INTENDED",
            Self::MlaSent => "MLA_SENT",
            Self::MlaReceived => "MLA_RECEIVED",
            Self::MlaDecided => "MLA_DECIDED",
        }
    }

    /// May this step be said now?
    ///
    /// # Errors
    /// [`Refusal`] saying why the stage does not allow it.
    pub fn decide(self, step: MlaStep) -> Result<(), Refusal> {
        let out_of_turn = Err(Refusal::MlaOutOfTurn { stage: self.as_str(), step });
        match (self, step) {
            (Self::None, MlaStep::Sent | MlaStep::Received | MlaStep::Decided) => out_of_turn,
            (Self::MlaIntended, MlaStep::Sent | MlaStep::Received)
            | (Self::MlaSent, MlaStep::Received)
            | (Self::MlaReceived, MlaStep::Decided) => Ok(()),
            (Self::MlaIntended, MlaStep::Decided)
            | (Self::MlaSent, MlaStep::Sent | MlaStep::Decided)
            | (Self::MlaReceived, MlaStep::Sent | MlaStep::Received)
            | (Self::MlaDecided, MlaStep::Sent | MlaStep::Received | MlaStep::Decided) => {
                out_of_turn
            }
        }
    }

    /// The stage after an act that was accepted. Acts of other axes change nothing.
    #[must_use]
    pub const fn apply(self, act: &Act) -> Self {
        match act {
            Act::Mla(MlaStep::Sent) => Self::MlaSent,
            Act::Mla(MlaStep::Received) => Self::MlaReceived,
            Act::Mla(MlaStep::Decided) => Self::MlaDecided,
            Act::Request(_)
            | Act::Acknowledge { .. }
            | Act::ReviseEstimate { .. }
            | Act::RequestClarification
            | Act::ProvideClarification
            | Act::Determine { .. }
            | Act::Execute { .. }
            | Act::RequestExtension
            | Act::Extend { .. }
            | Act::Withdraw
            | Act::Close
            | Act::Receipt { .. }
            | Act::Retrieval { .. } => self,
        }
    }
}
