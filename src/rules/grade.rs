//! The grade of a request: the urgency that its sender stated, and the one that counts.
//!
//! Not for what follows from an urgency (see `deadline.rs`). Against inflation, the requested desk
//! may give another urgency, with reasons that both sides read. The stated one stays on record, and
//! every re-grading is counted. Limits go by the urgency that counts now.
//!
//! Never up to EMERGENCY: whether life or safety is at risk is for the sender to state, with the
//! facts (`domain.md` 4.1). Never on a type that is only EMERGENCY. Never to an urgency that the
//! type does not have: where an answer is due, that rules out INFORMATION, so that nobody grades
//! away that he must answer.

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use super::request_type;
use crate::envelope::Act;
use crate::envelope::words::{RequestType, Urgency};

/// How urgent a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grade {
    /// The urgency that counts.
    pub urgency: Urgency,
    /// How often it was re-graded.
    pub regraded: u32,
}

impl Grade {
    /// As its sender stated it.
    pub const fn stated(urgency: Urgency) -> Self {
        Self { urgency, regraded: 0 }
    }

    /// May this act be done now on a request of this type? Acts of other axes may, always.
    ///
    /// # Errors
    /// [`Refusal`] saying why it may not be graded so.
    pub fn decide(self, act: &Act, kind: RequestType) -> Result<(), Refusal> {
        let Act::Regrade { urgency } = act else { return Ok(()) };
        if request_type::is_always_emergency(kind) {
            return Err(Refusal::AlwaysEmergency { kind });
        }
        if *urgency == self.urgency {
            return Err(Refusal::SameUrgency { urgency: *urgency });
        }
        if *urgency == Urgency::Emergency {
            return Err(Refusal::NeverUpToEmergency);
        }
        request_type::check_urgency(kind, *urgency)
    }

    /// The grade after an act that was accepted. Acts of other axes change nothing.
    #[must_use]
    pub const fn apply(self, act: &Act) -> Self {
        match act {
            Act::Regrade { urgency } => {
                Self { urgency: *urgency, regraded: self.regraded.saturating_add(1) }
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
