//! The handling axis of a request: what the two desks' officers do with it.
//!
//! Not for delivery (see `transport.rs`) nor for how long data are kept (see `measure.rs`).
//!
//! ```text
//!   New --Acknowledge--> Acknowledged --Determine--> Determined --Execute--> Executed
//!                          |      ^                   |    ^ (a postponed one again)
//!                          v      |                   v    |
//!                     ClarificationRequested <--> ClarificationProvided
//!
//!   Executed, Determined that is no acceptance, Acknowledged NO --Close--> Closed
//!   Acknowledged, of a type that asks for no more; any stage, of one that asks for nothing: same
//!   any stage, while conditions are declined: same
//!   any of these but Closed --Withdraw--> WithdrawalRequested --Close--> Withdrawn
//! ```
//!
//! As the field does it, and as `tests/it/moves.rs` prints it:
//! - acknowledging answers whether and by when; it comes before everything else, once. An estimate
//!   that slips is revised. Acknowledged with NO, it can only be determined, closed or withdrawn.
//! - a clarification may be asked for until it is executed, and holds up neither a determination
//!   nor a withdrawal: a silent sender must not block the other side.
//! - what is accepted can be executed, or turn out to be impossible (`UNABLE_TO_EXECUTE`). That
//!   there are no such data (`NO_DATA_HELD`) may be said without a determination.
//! - either side closes once the substance has ended: executed, refused, not competent, unable to
//!   execute, or acknowledged with NO; where no more than an acknowledgement is asked for, with it;
//!   where nothing is (Art. 26), as soon as the information is there. While conditions are declined
//!   either side may close, and the requested desk may determine again.
//! - the urgency is re-graded before the determination only: after it, it changes nothing.
//! - traffic data are disclosed in part (Art. 30) once it is accepted, also after it was executed.
//! - a withdrawal is confirmed by the requested desk's `Close`; a request that was never
//!   acknowledged may be closed by its sender, so that a desk that is gone does not keep it open.

use serde::{Deserialize, Serialize};

use super::conditions::Conditions;
use super::refusal::Refusal;
use super::request::Side;
use super::request_type::Expects;
use crate::envelope::Act;
use crate::envelope::words::{Extent, Outcome, WillAnswer};
use crate::units::Timestamp;

/// Where the handling of a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Handling {
    /// Nobody has acknowledged it.
    New,
    /// The requested desk has said whether and by when.
    Acknowledged(Answer),
    /// The requested desk needs more.
    ClarificationRequested(Answer, Option<Determination>),
    /// The requesting desk has given more.
    ClarificationProvided(Answer, Option<Determination>),
    /// The requested desk has decided.
    Determined(Answer, Determination),
    /// It has been carried out, or there is nothing.
    Executed(Extent),
    /// The requesting desk has withdrawn it.
    WithdrawalRequested {
        /// Had it been acknowledged.
        acknowledged: bool,
    },
    /// Withdrawn for good.
    Withdrawn,
    /// Closed.
    Closed(Ending),
}

/// What the acknowledgement said, with the newest estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Will it be answered.
    pub will_answer: WillAnswer,
    /// By when.
    pub estimated_at: Timestamp,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Determination {
    /// The class of the decision.
    pub outcome: Outcome,
    /// When a postponed one is looked at again; only there.
    pub review_at: Option<Timestamp>,
}

/// How the substance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// Acknowledged with NO, and no more.
    NotAnswered,
    /// By a determination that is not an acceptance.
    Determined(Outcome),
    /// By carrying it out.
    Executed(Extent),
    /// It was taken note of; its type asks for no more.
    Noted,
    /// Conditions were declined.
    ConditionsDeclined,
}

/// What the handling has to know of the rest of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beside {
    /// Where the conditions stand.
    pub conditions: Conditions,
    /// What ends a request of this type.
    pub expects: Expects,
}

impl Handling {
    /// The stage's name, as people and `--json` read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::Acknowledged(_) => "ACKNOWLEDGED",
            Self::ClarificationRequested(..) => "CLARIFICATION_REQUESTED",
            Self::ClarificationProvided(..) => "CLARIFICATION_PROVIDED",
            Self::Determined(..) => "DETERMINED",
            Self::Executed(extent) => extent.as_str(),
            Self::WithdrawalRequested { .. } => "WITHDRAWAL_REQUESTED",
            Self::Withdrawn => "WITHDRAWN",
            Self::Closed(_) => "CLOSED",
        }
    }

    /// True when no act of this axis can follow.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Withdrawn | Self::Closed(_) => true,
            Self::New
            | Self::Acknowledged(_)
            | Self::ClarificationRequested(..)
            | Self::ClarificationProvided(..)
            | Self::Determined(..)
            | Self::Executed(_)
            | Self::WithdrawalRequested { .. } => false,
        }
    }

    /// The acknowledgement, with the newest estimate, while the substance is open.
    pub const fn answer(self) -> Option<Answer> {
        match self {
            Self::Acknowledged(answer)
            | Self::ClarificationRequested(answer, _)
            | Self::ClarificationProvided(answer, _)
            | Self::Determined(answer, _) => Some(answer),
            Self::New
            | Self::Executed(_)
            | Self::WithdrawalRequested { .. }
            | Self::Withdrawn
            | Self::Closed(_) => None,
        }
    }

    /// The determination, if there is one, while the substance is open.
    pub const fn determination(self) -> Option<Determination> {
        match self {
            Self::ClarificationRequested(_, decided) | Self::ClarificationProvided(_, decided) => {
                decided
            }
            Self::Determined(_, decided) => Some(decided),
            Self::New
            | Self::Acknowledged(_)
            | Self::Executed(_)
            | Self::WithdrawalRequested { .. }
            | Self::Withdrawn
            | Self::Closed(_) => None,
        }
    }

    /// How the substance ended, if it has.
    pub const fn ending(self) -> Option<Ending> {
        match self {
            Self::Acknowledged(answer) if matches!(answer.will_answer, WillAnswer::No) => {
                Some(Ending::NotAnswered)
            }
            Self::Determined(_, decided) if ends(decided.outcome) => {
                Some(Ending::Determined(decided.outcome))
            }
            Self::Executed(extent) => Some(Ending::Executed(extent)),
            Self::Closed(ending) => Some(ending),
            Self::New
            | Self::Acknowledged(_)
            | Self::ClarificationRequested(..)
            | Self::ClarificationProvided(..)
            | Self::Determined(..)
            | Self::WithdrawalRequested { .. }
            | Self::Withdrawn => None,
        }
    }

    /// How it can be ended although its substance has not, if it can.
    fn early_ending(self, beside: Beside) -> Option<Ending> {
        let noted = match (beside.conditions, beside.expects) {
            (Conditions::Declined(_), _) => return Some(Ending::ConditionsDeclined),
            (_, Expects::Answer) => false,
            (_, Expects::Acknowledgement) => self.answer().is_some(),
            (Conditions::None | Conditions::Provided, Expects::Nothing) => true,
            (Conditions::Offered(_) | Conditions::Accepted(_), Expects::Nothing) => false,
        };
        noted.then_some(Ending::Noted)
    }

    /// May this act, by this side, be done now? Acts of other axes may, always.
    ///
    /// # Errors
    /// [`Refusal`] saying why the stage does not allow it.
    pub fn decide(self, act: &Act, by: Side, beside: Beside) -> Result<(), Refusal> {
        match act {
            Act::Acknowledge { .. } => {
                self.open()?;
                if self == Self::New {
                    Ok(())
                } else {
                    Err(Refusal::AlreadyAcknowledged { stage: self.as_str() })
                }
            }
            Act::Regrade { .. } => self.decide_regrade(),
            Act::AnswerConditions(_) | Act::ProvideInformation => self.open(),
            Act::DiscloseTraffic => self.decide_disclose(),
            Act::ReviseEstimate { .. } => self.going_on(),
            Act::RequestClarification => {
                self.going_on()?;
                if matches!(self, Self::ClarificationRequested(..)) {
                    Err(Refusal::ClarificationPending)
                } else {
                    Ok(())
                }
            }
            Act::ProvideClarification => {
                self.open()?;
                if matches!(self, Self::ClarificationRequested(..)) {
                    Ok(())
                } else {
                    Err(Refusal::NoClarificationPending { stage: self.as_str() })
                }
            }
            Act::Determine { outcome, .. } => self.decide_determine(*outcome, beside.conditions),
            Act::Execute { extent, .. } => self.decide_execute(*extent),
            Act::Withdraw => self.open(),
            Act::Close => self.decide_close(by, beside),
            Act::Request(_)
            | Act::RequestExtension
            | Act::Extend { .. }
            | Act::Mla { .. }
            | Act::Feedback
            | Act::RequestUseReport
            | Act::ReportUse
            | Act::ReportSecurityIncident
            | Act::Receipt { .. }
            | Act::Retrieval { .. } => Ok(()),
        }
    }

    /// Before the determination; a postponement is one.
    fn decide_regrade(self) -> Result<(), Refusal> {
        self.open()?;
        match (self.ending(), self.determination()) {
            (Some(Ending::NotAnswered), _) => Err(Refusal::WillNotBeAnswered),
            (_, Some(decided)) => Err(Refusal::AlreadyDetermined { outcome: decided.outcome }),
            (Some(_), None) => Err(Refusal::SubstanceEnded { stage: self.as_str() }),
            (None, None) => Ok(()),
        }
    }

    fn decide_disclose(self) -> Result<(), Refusal> {
        if matches!(self, Self::Executed(Extent::Executed | Extent::ExecutedInPart)) {
            return Ok(());
        }
        self.going_on()?;
        match self.determination().map(|decided| decided.outcome) {
            Some(outcome) if outcome.accepts() => Ok(()),
            outcome => {
                Err(Refusal::NotAccepted { outcome: outcome.map_or("NONE", Outcome::as_str) })
            }
        }
    }

    fn decide_determine(self, outcome: Outcome, conditions: Conditions) -> Result<(), Refusal> {
        self.open()?;
        if self.answer().is_none() {
            return Err(match self.ending() {
                Some(_) => Refusal::SubstanceEnded { stage: self.as_str() },
                None => Refusal::NotAcknowledged,
            });
        }
        match self.determination().map(|decided| decided.outcome) {
            None | Some(Outcome::Postponed) => Ok(()),
            Some(before) if before.accepts() && outcome == Outcome::UnableToExecute => Ok(()),
            Some(Outcome::AcceptedWithConditions)
                if conditions == Conditions::Declined(Side::Requested) =>
            {
                Ok(())
            }
            Some(before) => Err(Refusal::AlreadyDetermined { outcome: before }),
        }
    }

    fn decide_execute(self, extent: Extent) -> Result<(), Refusal> {
        self.going_on()?;
        match self.determination().map(|decided| decided.outcome) {
            Some(outcome) if outcome.accepts() => Ok(()),
            None if extent == Extent::NoDataHeld => Ok(()),
            outcome => {
                Err(Refusal::NotAccepted { outcome: outcome.map_or("NONE", Outcome::as_str) })
            }
        }
    }

    fn decide_close(self, by: Side, beside: Beside) -> Result<(), Refusal> {
        match self {
            Self::Withdrawn | Self::Closed(_) => Err(Refusal::Closed { stage: self.as_str() }),
            Self::WithdrawalRequested { acknowledged } => match by {
                Side::Requested => Ok(()),
                Side::Requesting if !acknowledged => Ok(()),
                Side::Requesting => Err(Refusal::WithdrawalPending),
            },
            Self::New
            | Self::Acknowledged(_)
            | Self::ClarificationRequested(..)
            | Self::ClarificationProvided(..)
            | Self::Determined(..)
            | Self::Executed(_) => match self.ending().or_else(|| self.early_ending(beside)) {
                Some(_) => Ok(()),
                None => Err(Refusal::NotEnded { stage: self.as_str() }),
            },
        }
    }

    /// Refuses on what is closed or withdrawn.
    fn open(self) -> Result<(), Refusal> {
        match self {
            Self::Withdrawn | Self::Closed(_) => Err(Refusal::Closed { stage: self.as_str() }),
            Self::WithdrawalRequested { .. } => Err(Refusal::WithdrawalPending),
            Self::New
            | Self::Acknowledged(_)
            | Self::ClarificationRequested(..)
            | Self::ClarificationProvided(..)
            | Self::Determined(..)
            | Self::Executed(_) => Ok(()),
        }
    }

    /// Refuses unless it is acknowledged and its substance has not ended.
    fn going_on(self) -> Result<(), Refusal> {
        self.open()?;
        match self.ending() {
            Some(Ending::NotAnswered) => Err(Refusal::WillNotBeAnswered),
            Some(
                Ending::Determined(_)
                | Ending::Executed(_)
                | Ending::Noted
                | Ending::ConditionsDeclined,
            ) => Err(Refusal::SubstanceEnded { stage: self.as_str() }),
            None if self == Self::New => Err(Refusal::NotAcknowledged),
            None => Ok(()),
        }
    }

    /// The stage after an act that was accepted; `beside` is where the other axes stood before it.
    /// Acts of other axes change nothing.
    #[must_use]
    pub fn apply(self, act: &Act, beside: Beside) -> Self {
        match (act, self.answer()) {
            (Act::Acknowledge { will_answer, estimated_at }, _) => Self::Acknowledged(Answer {
                will_answer: *will_answer,
                estimated_at: *estimated_at,
            }),
            (Act::ReviseEstimate { estimated_at }, Some(answer)) => {
                self.with_answer(Answer { estimated_at: *estimated_at, ..answer })
            }
            (Act::RequestClarification, Some(answer)) => {
                Self::ClarificationRequested(answer, self.determination())
            }
            (Act::ProvideClarification, Some(answer)) => {
                Self::ClarificationProvided(answer, self.determination())
            }
            (Act::Determine { outcome, review_at }, Some(answer)) => {
                let decided = Determination { outcome: *outcome, review_at: *review_at };
                Self::Determined(answer, decided)
            }
            (Act::Execute { extent, .. }, _) => Self::Executed(*extent),
            (Act::Withdraw, _) => Self::WithdrawalRequested { acknowledged: self != Self::New },
            (Act::Close, _) if matches!(self, Self::WithdrawalRequested { .. }) => Self::Withdrawn,
            (Act::Close, _) => {
                let ending = self.ending().or_else(|| self.early_ending(beside));
                Self::Closed(ending.unwrap_or(Ending::Noted))
            }
            (
                Act::Request(_)
                | Act::ReviseEstimate { .. }
                | Act::RequestClarification
                | Act::ProvideClarification
                | Act::Determine { .. }
                | Act::RequestExtension
                | Act::Extend { .. }
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

    const fn with_answer(self, answer: Answer) -> Self {
        match self {
            Self::Acknowledged(_) => Self::Acknowledged(answer),
            Self::ClarificationRequested(_, decided) => {
                Self::ClarificationRequested(answer, decided)
            }
            Self::ClarificationProvided(_, decided) => Self::ClarificationProvided(answer, decided),
            Self::Determined(_, decided) => Self::Determined(answer, decided),
            Self::New
            | Self::Executed(_)
            | Self::WithdrawalRequested { .. }
            | Self::Withdrawn
            | Self::Closed(_) => self,
        }
    }
}

/// True for the outcomes that end the substance.
const fn ends(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Refused | Outcome::NotCompetent | Outcome::UnableToExecute => true,
        Outcome::Accepted
        | Outcome::AcceptedWithConditions
        | Outcome::PartiallyAccepted
        | Outcome::Postponed => false,
    }
}
