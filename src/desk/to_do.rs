//! What a desk owes next on a request, as far as an act of the other side calls for one.
//!
//! Not for deadlines (see `rules/deadline.rs`), and not for the ordinary course: that a new request
//! waits to be acknowledged is seen from its stage.

use crate::rules::{Conditions, FollowUp, Handling, Request, Side, UseReport};
use crate::units::DeskId;

/// Something that a desk owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ToDo {
    /// The conditions that the other side offers wait for an answer.
    AnswerConditions,
    /// The prior conditions are accepted: the information is to follow.
    ProvideInformation,
    /// The conditions were declined: determine again, or close.
    DetermineAgain,
    /// What was disclosed in an emergency demands a request for mutual assistance.
    SendMla,
    /// The other side asks what use was made.
    ReportUse,
    /// The request was carried out; nothing was said about what came of it.
    GiveFeedback,
    /// Data lie ready to be handed over: a second officer has to approve it.
    Approve,
}

impl ToDo {
    /// The one spelling, as people and `--json` read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AnswerConditions => "ANSWER_CONDITIONS",
            Self::ProvideInformation => "PROVIDE_INFORMATION",
            Self::DetermineAgain => "DETERMINE_AGAIN",
            Self::SendMla => "SEND_MLA",
            Self::ReportUse => "REPORT_USE",
            Self::GiveFeedback => "GIVE_FEEDBACK",
            Self::Approve => "APPROVE",
        }
    }

    /// What `desk` owes on a request, in the order in which it should do it. What waits for its own
    /// second officer does not follow from the request: see [`CaseFile::approvals`].
    ///
    /// [`CaseFile::approvals`]: super::CaseFile::approvals
    pub fn of(request: &Request, desk: &DeskId) -> Vec<Self> {
        let Some(side) = request.side(desk) else { return Vec::new() };
        let goes_on = !request.handling.is_final();
        let asking = side == Side::Requesting;
        let aftermath = request.aftermath;
        let executed = matches!(request.handling, Handling::Executed(_));
        let all = [
            (Self::AnswerConditions, goes_on && request.conditions.answer_due() == Some(side)),
            (
                Self::ProvideInformation,
                goes_on && asking && request.conditions == Conditions::Accepted(side),
            ),
            (
                Self::DetermineAgain,
                goes_on && !asking && request.conditions == Conditions::Declined(side),
            ),
            (Self::SendMla, asking && request.follow_up == FollowUp::MlaDemanded),
            (
                Self::ReportUse,
                aftermath.use_report == UseReport::Requested && aftermath.giver != side,
            ),
            (Self::GiveFeedback, executed && asking && !aftermath.feedback),
        ];
        all.into_iter().filter(|(_, owed)| *owed).map(|(what, _)| what).collect()
    }
}
