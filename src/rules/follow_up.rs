//! The follow-up axis of a request: the mutual legal assistance request that a preservation
//! announces, or that an emergency disclosure demands (Second Additional Protocol Art. 9(5)).
//!
//! Not for that request itself, which travels between central authorities: here is only where it
//! stands. Types without one stay at `None`.
//!
//! ```text
//!   MlaIntended --SENT--> MlaSent --RECEIVED--> MlaReceived --DECIDED--> MlaDecided
//!        '-----------RECEIVED (came by mail)--------^
//!
//!   MlaIfRequired --Execute, MLA demanded--> MlaDemanded, and on as from MlaIntended
//! ```
//!
//! From `MlaIfRequired` it goes on as from `MlaIntended`: the requested party of an emergency
//! disclosure may demand a request for mutual assistance afterwards (Second Additional Protocol
//! Art. 9(5)). Its sealed determination announces that, and the execution demands it.
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
    /// The requested party demands one for what it has disclosed.
    MlaDemanded,
    /// It has sent it.
    MlaSent,
    /// The requested party has it.
    MlaReceived,
    /// The requested party has decided it.
    MlaDecided,
    /// One has to be sent if the requested party demands it.
    MlaIfRequired,
}

impl FollowUp {
    /// The stage's name, as people and `--json` read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::MlaIntended => "MLA_INTENDED",
            Self::MlaDemanded => "MLA_DEMANDED",
            Self::MlaSent => "MLA_SENT",
            Self::MlaReceived => "MLA_RECEIVED",
            Self::MlaDecided => "MLA_DECIDED",
            Self::MlaIfRequired => "MLA_IF_REQUIRED",
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
            (
                Self::MlaIntended | Self::MlaIfRequired | Self::MlaDemanded,
                MlaStep::Sent | MlaStep::Received,
            )
            | (Self::MlaSent, MlaStep::Received)
            | (Self::MlaReceived, MlaStep::Decided) => Ok(()),
            (Self::MlaIntended | Self::MlaIfRequired | Self::MlaDemanded, MlaStep::Decided)
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
            Act::Mla { step: MlaStep::Sent, .. } => Self::MlaSent,
            Act::Mla { step: MlaStep::Received, .. } => Self::MlaReceived,
            Act::Mla { step: MlaStep::Decided, .. } => Self::MlaDecided,
            Act::Execute { mla_demanded: true, .. } => match self {
                Self::MlaIfRequired => Self::MlaDemanded,
                Self::None
                | Self::MlaIntended
                | Self::MlaDemanded
                | Self::MlaSent
                | Self::MlaReceived
                | Self::MlaDecided => self,
            },
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
            | Act::Regrade { .. }
            | Act::AnswerConditions(_)
            | Act::ProvideInformation
            | Act::DiscloseTraffic
            | Act::Feedback
            | Act::RequestUseReport
            | Act::ReportUse
            | Act::ReportSecurityIncident
            | Act::Receipt { .. }
            | Act::Retrieval { .. } => self,
        }
    }
}
