//! The aftermath of a request: what the two desks owe each other once something has been handed
//! over.
//!
//! Not for the work itself (see `handling.rs`). These acts do not wait for the handling: they may
//! also come after a request was closed, for as long as it is remembered.
//!
//! - **Feedback**: once, at the end, the desk that got something says what came of it.
//! - **Use report** (Art. 28(3)): the desk that gave may ask what use was made; the other answers.
//!   It may ask again after an answer.
//! - **Security incident** (Second Additional Protocol Art. 14(7)): whichever desk finds that what
//!   it received was exposed says so, as often as that happens.
//!
//! Where something is asked, the requested desk gives; where information is offered, the requesting
//! desk does.

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use super::request::Side;
use crate::envelope::Act;
use crate::envelope::words::Extent;

/// What has followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aftermath {
    /// The side that gives, if anything is given.
    pub giver: Side,
    /// True once it has given something.
    pub given: bool,
    /// True once the other side has given its feedback.
    pub feedback: bool,
    /// Where the newest use report stands.
    pub use_report: UseReport,
    /// How many security incidents were reported.
    pub incidents: u32,
}

/// Where a use report stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UseReport {
    /// Nobody has asked.
    None,
    /// The desk that gave has asked.
    Requested,
    /// The other has answered.
    Reported,
}

impl UseReport {
    /// The stage's name, as people and `--json` read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Requested => "REQUESTED",
            Self::Reported => "REPORTED",
        }
    }
}

/// What the aftermath has to know of the rest of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// It is closed, or its substance was carried out.
    pub over: bool,
    /// Something that the other side said has reached the desk that speaks.
    pub received: bool,
}

impl Aftermath {
    /// Of a new request. `given`: it holds what is given.
    pub const fn new(giver: Side, given: bool) -> Self {
        Self { giver, given, feedback: false, use_report: UseReport::None, incidents: 0 }
    }

    /// May this act, by this side, be done now? Acts of other axes may, always.
    ///
    /// # Errors
    /// [`Refusal`] saying why it may not.
    pub fn decide(self, act: &Act, by: Side, course: Course) -> Result<(), Refusal> {
        let only = |side: Side| {
            let party = side.as_str();
            if by == side { Ok(()) } else { Err(Refusal::WrongParty { act: act.name(), party }) }
        };
        match act {
            Act::Feedback => {
                only(self.giver.other())?;
                if self.feedback {
                    return Err(Refusal::FeedbackGiven);
                }
                let informed = self.giver == Side::Requesting && self.given;
                if course.over || informed { Ok(()) } else { Err(Refusal::FeedbackTooEarly) }
            }
            Act::RequestUseReport => {
                only(self.giver)?;
                match (self.given, self.use_report) {
                    (false, _) => Err(Refusal::NothingGiven),
                    (true, UseReport::Requested) => Err(Refusal::UseReportPending),
                    (true, UseReport::None | UseReport::Reported) => Ok(()),
                }
            }
            Act::ReportUse => {
                only(self.giver.other())?;
                match self.use_report {
                    UseReport::Requested => Ok(()),
                    UseReport::None | UseReport::Reported => Err(Refusal::NoUseReportAsked),
                }
            }
            Act::ReportSecurityIncident => {
                if course.received {
                    Ok(())
                } else {
                    Err(Refusal::NothingReceived)
                }
            }
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
            | Act::Receipt { .. }
            | Act::Retrieval { .. } => Ok(()),
        }
    }

    /// What there is after an act that was accepted. Acts of other axes change nothing.
    #[must_use]
    pub const fn apply(mut self, act: &Act) -> Self {
        match act {
            Act::Execute { extent: Extent::Executed | Extent::ExecutedInPart, .. }
            | Act::DiscloseTraffic
            | Act::ProvideInformation => self.given = true,
            Act::Feedback => self.feedback = true,
            Act::RequestUseReport => self.use_report = UseReport::Requested,
            Act::ReportUse => self.use_report = UseReport::Reported,
            Act::ReportSecurityIncident => self.incidents = self.incidents.saturating_add(1),
            Act::Request(_)
            | Act::Acknowledge { .. }
            | Act::ReviseEstimate { .. }
            | Act::RequestClarification
            | Act::ProvideClarification
            | Act::Determine { .. }
            | Act::Execute { extent: Extent::NoDataHeld, .. }
            | Act::RequestExtension
            | Act::Extend { .. }
            | Act::Withdraw
            | Act::Close
            | Act::Mla { .. }
            | Act::Regrade { .. }
            | Act::AnswerConditions(_)
            | Act::Receipt { .. }
            | Act::Retrieval { .. } => {}
        }
        self
    }
}
