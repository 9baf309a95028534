//! The conditions axis of a request: what one desk asks of the other before it hands something
//! over.
//!
//! Not for what the conditions say, which is sealed. Two acts offer conditions: a determination
//! ACCEPTED_WITH_CONDITIONS (Art. 28), and a request that offers information under prior conditions
//! (Art. 26(2)). The other side answers, once. Acceptance binds before anything is handed over.
//!
//! ```text
//!   None --Determine ACCEPTED_WITH_CONDITIONS--> Offered --AnswerConditions ACCEPTED--> Accepted
//!     ^                                           ^ |                                      |
//!     |  (a request with prior conditions: Offered) |        (prior) ProvideInformation    |
//!     |                                             |                                      v
//!     '-- another determination -- Declined <-------'                                   Provided
//! ```
//!
//! Declined after Art. 28: the requested desk determines again, or closes. Declined after Art. 26:
//! the information never leaves, and the request is closed or withdrawn.

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use super::request::Side;
use crate::envelope::Act;
use crate::envelope::words::{ConditionsAnswer, Extent, Outcome};

/// Where the conditions stand. The side is the one that offered them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Conditions {
    /// There are none.
    None,
    /// They wait for the other side's answer.
    Offered(Side),
    /// They bind the other side.
    Accepted(Side),
    /// The other side does not accept them.
    Declined(Side),
    /// They bind the other side, and the information that was offered has been given.
    Provided,
}

impl Conditions {
    /// The stage's name, as people and `--json` read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Offered(_) => "OFFERED",
            Self::Accepted(_) => "ACCEPTED",
            Self::Declined(_) => "DECLINED",
            Self::Provided => "PROVIDED",
        }
    }

    /// The side whose answer is waited for.
    pub const fn answer_due(self) -> Option<Side> {
        match self {
            Self::Offered(side) => Some(side.other()),
            Self::None | Self::Accepted(_) | Self::Declined(_) | Self::Provided => None,
        }
    }

    /// May this act, by this side, be done now? Acts of other axes may, always.
    ///
    /// # Errors
    /// [`Refusal`] saying why the stage does not allow it.
    pub fn decide(self, act: &Act, by: Side) -> Result<(), Refusal> {
        match act {
            Act::AnswerConditions(_) => self.decide_answer(act, by),
            Act::ProvideInformation => match self {
                Self::Accepted(Side::Requesting) => Ok(()),
                Self::Provided => Err(Refusal::InformationProvided),
                Self::None
                | Self::Offered(Side::Requested)
                | Self::Accepted(Side::Requested)
                | Self::Declined(Side::Requested) => Err(Refusal::NoPriorConditions),
                Self::Offered(Side::Requesting) | Self::Declined(Side::Requesting) => {
                    self.bound(act)
                }
            },
            // That there are no data hands nothing over.
            Act::Execute { extent: Extent::NoDataHeld, .. } => Ok(()),
            Act::Execute { .. } | Act::DiscloseTraffic => self.bound(act),
            Act::Request(_)
            | Act::Acknowledge { .. }
            | Act::ReviseEstimate { .. }
            | Act::RequestClarification
            | Act::ProvideClarification
            | Act::Determine { .. }
            | Act::RequestExtension
            | Act::Extend { .. }
            | Act::Withdraw
            | Act::Close
            | Act::Mla { .. }
            | Act::Regrade { .. }
            | Act::Feedback
            | Act::RequestUseReport
            | Act::ReportUse
            | Act::ReportSecurityIncident
            | Act::Receipt { .. }
            | Act::Retrieval { .. } => Ok(()),
        }
    }

    fn decide_answer(self, act: &Act, by: Side) -> Result<(), Refusal> {
        match self {
            Self::Offered(side) if side == by => {
                Err(Refusal::WrongParty { act: act.name(), party: side.other().as_str() })
            }
            Self::Offered(_) => Ok(()),
            Self::None => Err(Refusal::NoConditions),
            Self::Accepted(_) | Self::Declined(_) | Self::Provided => {
                Err(Refusal::ConditionsAnswered { answer: self.as_str() })
            }
        }
    }

    /// Refuses to hand over what conditions are not accepted for.
    const fn bound(self, act: &Act) -> Result<(), Refusal> {
        match self {
            Self::None | Self::Accepted(_) | Self::Provided => Ok(()),
            Self::Offered(_) => Err(Refusal::ConditionsPending { act: act.name() }),
            Self::Declined(_) => Err(Refusal::ConditionsDeclined { act: act.name() }),
        }
    }

    /// The stage after an act that was accepted. Acts of other axes change nothing.
    #[must_use]
    pub const fn apply(self, act: &Act) -> Self {
        match (act, self) {
            (Act::Determine { outcome: Outcome::AcceptedWithConditions, .. }, _) => {
                Self::Offered(Side::Requested)
            }
            (
                Act::Determine { .. },
                Self::Offered(Side::Requested)
                | Self::Accepted(Side::Requested)
                | Self::Declined(Side::Requested),
            ) => Self::None,
            (Act::AnswerConditions(ConditionsAnswer::Accepted), Self::Offered(side)) => {
                Self::Accepted(side)
            }
            (Act::AnswerConditions(ConditionsAnswer::Declined), Self::Offered(side)) => {
                Self::Declined(side)
            }
            (Act::ProvideInformation, Self::Accepted(Side::Requesting)) => Self::Provided,
            (
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
                | Act::Mla { .. }
                | Act::Regrade { .. }
                | Act::AnswerConditions(_)
                | Act::ProvideInformation
                | Act::DiscloseTraffic
                | Act::Feedback
                | Act::RequestUseReport
                | Act::ReportUse
                | Act::ReportSecurityIncident
                | Act::Receipt { .. }
                | Act::Retrieval { .. },
                _,
            ) => self,
        }
    }
}
