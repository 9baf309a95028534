//! The words that an expectation or a refusal may say: a typo in one of them must not pass for
//! something that does not hold, or for something that was never recorded.
//!
//! Not for names of requests and desks (see `read.rs`).

use super::error::did_you_mean;
use super::step::Fact;
use super::verbs::known;
use super::words::{Words, Wrong};
use crate::desk::ToDo;
use crate::envelope::words::{Extent, Instrument, Outcome, RequestType, Urgency, WillAnswer};
use crate::rules::handling::{Answer, Determination, Ending};
use crate::rules::target::Span;
use crate::rules::{Conditions, Evidence, FollowUp, Handling, Measure, Refusal, Side, UseReport};
use crate::units::Timestamp;

/// What a history holds: acts, what machines say, and what the relay adds.
const RECORDED: [&str; 30] = [
    "REQUEST",
    "ACKNOWLEDGE",
    "REVISE_ESTIMATE",
    "REQUEST_CLARIFICATION",
    "PROVIDE_CLARIFICATION",
    "DETERMINE",
    "EXECUTE",
    "REQUEST_EXTENSION",
    "EXTEND",
    "WITHDRAW",
    "CLOSE",
    "MLA",
    "REGRADE",
    "ANSWER_CONDITIONS",
    "PROVIDE_INFORMATION",
    "DISCLOSE_TRAFFIC",
    "FEEDBACK",
    "REQUEST_USE_REPORT",
    "REPORT_USE",
    "REPORT_SECURITY_INCIDENT",
    "DELIVERY",
    "NON_DELIVERY",
    "RETRIEVAL",
    "NON_RETRIEVAL",
    "EMBARGO_ENDED",
    "OFFERED",
    "OFFER_FAILED",
    HANDED_OVER,
    PRESERVATION_EXPIRED,
    "BODY_ERASED",
];

/// Content that the relay has handed over without a receipt.
pub(super) const HANDED_OVER: &str = "HANDED_OVER_WITHOUT_RECEIPT";
/// A preservation that has ended.
pub(super) const PRESERVATION_EXPIRED: &str = "PRESERVATION_EXPIRED";

/// Takes what a history may hold.
pub(super) fn recorded(words: &mut Words<'_>) -> Result<String, Wrong> {
    let word = words.take("what")?;
    one_of(words, word, "nothing that is recorded", RECORDED)
}

/// Takes what a desk may owe; a comma may follow it.
pub(super) fn owed(words: &mut Words<'_>) -> Result<String, Wrong> {
    let word = words.take("what")?.trim_end_matches(',');
    one_of(words, word, "nothing that a desk owes", TO_DO.iter().map(|owed| owed.as_str()))
}

/// Takes what may be overdue; none for nothing.
pub(super) fn overdue(words: &mut Words<'_>) -> Result<Option<String>, Wrong> {
    let word = words.take("what is overdue")?;
    if word == "nothing" {
        return Ok(None);
    }
    let known = Span::ALL.iter().map(|span| span.as_str()).chain(["nothing"]);
    one_of(words, word, "nothing that can be overdue", known).map(Some)
}

/// Takes a stage of handling; a comma may follow it.
pub(super) fn handling(words: &mut Words<'_>) -> Result<String, Wrong> {
    let word = words.take("its stage of handling")?.trim_end_matches(',');
    one_of(words, word, "no stage of handling", stages())
}

/// Takes the value of a fact.
pub(super) fn value(words: &mut Words<'_>, name: &str, fact: Fact) -> Result<String, Wrong> {
    let word = words.take("its value")?;
    match values(fact) {
        Some(known) => one_of(words, word, &format!("no value of {name:?}"), known),
        None if fact == Fact::Instrument => {
            known::<Instrument>(words, word).map(|instrument| instrument.to_string())
        }
        None => match word.parse::<u32>() {
            Ok(number) => Ok(number.to_string()),
            Err(_) => words.wrong(format!("{word:?} is no number")),
        },
    }
}

/// A code with which something can be refused, or why it is none.
pub(super) fn code(code: &str) -> Result<(), String> {
    let known = || Refusal::CODES.iter().map(|(code, _)| *code);
    // The rules' codes are one table; the desk's and the edge's are not.
    let is_code = match code.strip_prefix("R-") {
        Some(_) => known().any(|known| known == code),
        None => {
            let shape = code.strip_prefix("D-").or_else(|| code.strip_prefix("E-"));
            shape.is_some_and(|n| n.len() == 3 && n.bytes().all(|byte| byte.is_ascii_digit()))
        }
    };
    if is_code {
        return Ok(());
    }
    Err(format!("{code:?} is no code of a refusal (R-301){}", did_you_mean(code, known())))
}

fn one_of(
    words: &Words<'_>,
    word: &str,
    what: &str,
    known: impl IntoIterator<Item = &'static str>,
) -> Result<String, Wrong> {
    let known: Vec<&str> = known.into_iter().collect();
    if known.contains(&word) {
        return Ok(word.to_owned());
    }
    let meant = did_you_mean(word, known.iter().copied());
    let hint = if meant.is_empty() { format!(" ({})", known.join(", ")) } else { meant };
    words.wrong(format!("{word:?} is {what}{hint}"))
}

/// All that a desk may owe.
const TO_DO: [ToDo; 7] = [
    ToDo::AnswerConditions,
    ToDo::ProvideInformation,
    ToDo::DetermineAgain,
    ToDo::SendMla,
    ToDo::ReportUse,
    ToDo::GiveFeedback,
    ToDo::Approve,
];

/// What a fact may be; none where there is no list of it.
fn values(fact: Fact) -> Option<Vec<&'static str>> {
    let until = Timestamp(0);
    let found = match fact {
        Fact::Handling => stages(),
        Fact::Measure => [
            Measure::None,
            Measure::Preserved { until },
            Measure::ExtensionRequested { until },
            Measure::HeldForMla { until },
            Measure::Released,
            Measure::Expired { until },
        ]
        .map(Measure::as_str)
        .to_vec(),
        Fact::FollowUp => [
            FollowUp::None,
            FollowUp::MlaIntended,
            FollowUp::MlaDemanded,
            FollowUp::MlaSent,
            FollowUp::MlaReceived,
            FollowUp::MlaDecided,
            FollowUp::MlaIfRequired,
        ]
        .map(FollowUp::as_str)
        .to_vec(),
        Fact::Transport => Evidence::ALL.iter().map(|evidence| evidence.as_str()).collect(),
        Fact::Urgency | Fact::StatedUrgency => {
            Urgency::ALL.iter().map(|word| word.as_str()).collect()
        }
        Fact::Type => RequestType::ALL.iter().map(|word| word.as_str()).collect(),
        Fact::Conditions => [
            Conditions::None,
            Conditions::Offered(Side::Requesting),
            Conditions::Accepted(Side::Requesting),
            Conditions::Declined(Side::Requesting),
            Conditions::Provided,
        ]
        .map(Conditions::as_str)
        .to_vec(),
        Fact::UseReport => [UseReport::None, UseReport::Requested, UseReport::Reported]
            .map(UseReport::as_str)
            .to_vec(),
        Fact::Exercise | Fact::Embargo | Fact::Feedback => vec!["yes", "no"],
        Fact::Instrument | Fact::Regraded | Fact::Incidents => return None,
    };
    Some(found)
}

/// Every stage of handling; what a stage knows besides does not matter here.
fn stages() -> Vec<&'static str> {
    let answer = Answer { will_answer: WillAnswer::Yes, estimated_at: Timestamp(0) };
    let determination = Determination { outcome: Outcome::Accepted, review_at: None };
    let all = [
        Handling::New,
        Handling::Acknowledged(answer),
        Handling::ClarificationRequested(answer, None),
        Handling::ClarificationProvided(answer, None),
        Handling::Determined(answer, determination),
        Handling::WithdrawalRequested { acknowledged: false },
        Handling::Withdrawn,
        Handling::Closed(Ending::Noted),
    ];
    let extents = Extent::ALL.iter().map(|extent| Handling::Executed(*extent));
    all.into_iter().chain(extents).map(Handling::as_str).collect()
}
