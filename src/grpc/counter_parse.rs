//! What officers and their tools send, read once.
//!
//! Not for forms (see `envelope::form`) and not for whether it is allowed.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::desk::{Error, Order, What, Wish};
use crate::envelope::words::Outcome;
use crate::envelope::{Act, Malformed};
use crate::units::{CaseId, MemberId, MessageId, Name, RequestId, Timestamp, Unreadable};
use crate::wire::detente::desk::v1 as wire;
use crate::wire::detente::form::v1::Body;

/// A field that cannot be read.
pub(super) fn malformed(field: &str, why: impl Display) -> Error {
    Error::Malformed(vec![Malformed { field: field.to_owned(), why: why.to_string() }])
}

/// A new request.
pub(super) fn request(officer: Name, message: wire::SendRequestRequest) -> Result<Order, Error> {
    let wire::SendRequestRequest {
        officer: _,
        to,
        r#type,
        instrument,
        urgency,
        test,
        exercise,
        case_id,
        parent_request_id,
        body,
        message_id,
        prior_conditions,
        embargo_until_ms,
    } = message;
    let wish = Wish {
        to: text("to", &to)?,
        kind: text("type", &r#type)?,
        instrument: optional_text("instrument", &instrument)?,
        urgency: optional_text("urgency", &urgency)?,
        test,
        exercise,
        case: optional("case_id", &case_id, CaseId::from_slice)?,
        parent: optional("parent_request_id", &parent_request_id, RequestId::from_slice)?,
        prior_conditions,
        embargo_until: optional_moment("embargo_until_ms", embargo_until_ms)?,
    };
    let message = optional("message_id", &message_id, MessageId::from_slice)?;
    Ok(Order { officer, message, what: What::Request(wish), body: form(body)? })
}

/// An act on a request.
pub(super) fn act(officer: Name, message: wire::ActRequest) -> Result<Order, Error> {
    let wire::ActRequest {
        officer: _,
        request_id: id,
        act,
        estimated_at_ms,
        review_at_ms,
        preserved_until_ms,
        body,
        message_id,
        mla_demanded,
        mla_request_id,
    } = message;
    let request = request_id(&id)?;
    let act = act.ok_or_else(|| malformed("act", "absent"))?;
    let carried_by = optional("mla_request_id", &mla_request_id, RequestId::from_slice)?;
    let beside =
        Beside { estimated_at_ms, review_at_ms, preserved_until_ms, mla_demanded, carried_by };
    let act = beside.complete(act)?;
    let message = optional("message_id", &message_id, MessageId::from_slice)?;
    Ok(Order { officer, message, what: What::Act { request, act }, body: form(body)? })
}

/// A request's id.
pub(super) fn request_id(bytes: &[u8]) -> Result<RequestId, Error> {
    RequestId::from_slice(bytes).map_err(|error| malformed("request_id", error))
}

/// A statement's id.
pub(super) fn message_id(bytes: &[u8]) -> Result<MessageId, Error> {
    MessageId::from_slice(bytes).map_err(|error| malformed("message_id", error))
}

/// The number before which a page begins.
pub(super) fn page_token(token: &str) -> Result<u64, Error> {
    if token.is_empty() {
        return Ok(u64::MAX);
    }
    token.parse().map_err(|_| malformed("page_token", "not one that this desk gave"))
}

/// True for "out", false for "in", none for both.
pub(super) fn direction(text: &str) -> Result<Option<bool>, Error> {
    match text {
        "" => Ok(None),
        "in" => Ok(Some(false)),
        "out" => Ok(Some(true)),
        _other => Err(malformed("direction", format!("{text:?} is neither \"in\" nor \"out\""))),
    }
}

/// A member; none for all.
pub(super) fn member(text: &str) -> Result<Option<MemberId>, Error> {
    optional_text("member", text)
}

/// The value of the header `grpc-timeout`: digits and a unit.
pub(super) fn grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let n: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(n.saturating_mul(3600))),
        "M" => Some(Duration::from_secs(n.saturating_mul(60))),
        "S" => Some(Duration::from_secs(n)),
        "m" => Some(Duration::from_millis(n)),
        "u" => Some(Duration::from_micros(n)),
        "n" => Some(Duration::from_nanos(n)),
        _other => None,
    }
}

/// The case whose requests are wanted; none for all.
pub(super) fn case_id(bytes: &[u8]) -> Result<Option<CaseId>, Error> {
    optional("case_id", bytes, CaseId::from_slice)
}

/// What stands beside an act; each belongs to certain acts and to no other.
#[derive(Default)]
struct Beside {
    estimated_at_ms: i64,
    review_at_ms: i64,
    preserved_until_ms: i64,
    mla_demanded: bool,
    carried_by: Option<RequestId>,
}

impl Beside {
    fn complete(self, act: wire::act_request::Act) -> Result<Act, Error> {
        use wire::act_request::Act as Asked;
        let Self { estimated_at_ms, review_at_ms, preserved_until_ms, mla_demanded, carried_by } =
            self;
        let estimated = || moment("estimated_at_ms", estimated_at_ms);
        let act = match act {
            Asked::Acknowledge(will_answer) => Act::Acknowledge {
                will_answer: text("acknowledge", &will_answer)?,
                estimated_at: estimated()?,
            },
            Asked::ReviseEstimate(set) => {
                let act = Act::ReviseEstimate { estimated_at: estimated()? };
                chosen("revise_estimate", set, act)?
            }
            Asked::RequestClarification(set) => {
                chosen("request_clarification", set, Act::RequestClarification)?
            }
            Asked::ProvideClarification(set) => {
                chosen("provide_clarification", set, Act::ProvideClarification)?
            }
            Asked::Determine(outcome) => {
                let outcome: Outcome = text("determine", &outcome)?;
                let review_at = optional_moment("review_at_ms", review_at_ms)?;
                Act::Determine { outcome, review_at }
            }
            Asked::Execute(extent) => Act::Execute {
                extent: text("execute", &extent)?,
                preserved_until: optional_moment("preserved_until_ms", preserved_until_ms)?,
                mla_demanded,
            },
            Asked::RequestExtension(set) => {
                chosen("request_extension", set, Act::RequestExtension)?
            }
            Asked::Extend(set) => {
                let preserved_until = moment("preserved_until_ms", preserved_until_ms)?;
                chosen("extend", set, Act::Extend { preserved_until })?
            }
            Asked::Withdraw(set) => chosen("withdraw", set, Act::Withdraw)?,
            Asked::Close(set) => chosen("close", set, Act::Close)?,
            Asked::Mla(step) => Act::Mla { step: text("mla", &step)?, carried_by },
            Asked::Regrade(urgency) => Act::Regrade { urgency: text("regrade", &urgency)? },
            Asked::AnswerConditions(answer) => {
                Act::AnswerConditions(text("answer_conditions", &answer)?)
            }
            Asked::ProvideInformation(set) => {
                chosen("provide_information", set, Act::ProvideInformation)?
            }
            Asked::DiscloseTraffic(set) => chosen("disclose_traffic", set, Act::DiscloseTraffic)?,
            Asked::Feedback(set) => chosen("feedback", set, Act::Feedback)?,
            Asked::RequestUseReport(set) => {
                chosen("request_use_report", set, Act::RequestUseReport)?
            }
            Asked::ReportUse(set) => chosen("report_use", set, Act::ReportUse)?,
            Asked::ReportSecurityIncident(set) => {
                chosen("report_security_incident", set, Act::ReportSecurityIncident)?
            }
        };
        misplaced("estimated_at_ms", estimated_at_ms != 0, has_estimate(&act))?;
        misplaced("review_at_ms", review_at_ms != 0, matches!(act, Act::Determine { .. }))?;
        let ends = matches!(act, Act::Execute { .. } | Act::Extend { .. });
        misplaced("preserved_until_ms", preserved_until_ms != 0, ends)?;
        misplaced("mla_demanded", mla_demanded, matches!(act, Act::Execute { .. }))?;
        misplaced("mla_request_id", carried_by.is_some(), matches!(act, Act::Mla { .. }))?;
        Ok(act)
    }
}

const fn has_estimate(act: &Act) -> bool {
    matches!(act, Act::Acknowledge { .. } | Act::ReviseEstimate { .. })
}

fn misplaced(field: &str, given: bool, belongs: bool) -> Result<(), Error> {
    if !given || belongs { Ok(()) } else { Err(malformed(field, "does not belong to this act")) }
}

fn chosen(field: &str, set: bool, act: Act) -> Result<Act, Error> {
    if set { Ok(act) } else { Err(malformed(field, "must be true")) }
}

fn form(body: Option<Body>) -> Result<Body, Error> {
    body.ok_or_else(|| malformed("body", "absent"))
}

fn text<T: FromStr<Err = Unreadable>>(field: &str, value: &str) -> Result<T, Error> {
    value.parse().map_err(|error| malformed(field, error))
}

fn optional_text<T: FromStr<Err = Unreadable>>(
    field: &str,
    value: &str,
) -> Result<Option<T>, Error> {
    if value.is_empty() { Ok(None) } else { text(field, value).map(Some) }
}

fn optional<T>(
    field: &str,
    bytes: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T, Unreadable>,
) -> Result<Option<T>, Error> {
    if bytes.is_empty() {
        return Ok(None);
    }
    read(bytes).map(Some).map_err(|error| malformed(field, error))
}

fn moment(field: &str, ms: i64) -> Result<Timestamp, Error> {
    optional_moment(field, ms)?.ok_or_else(|| malformed(field, "absent"))
}

fn optional_moment(field: &str, ms: i64) -> Result<Option<Timestamp>, Error> {
    match ms {
        0 => Ok(None),
        1.. => Timestamp::from_ms(ms).map(Some).map_err(|error| malformed(field, error)),
        _before => Err(malformed(field, "before 1970")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        let cases = [
            ("5S", Some(Duration::from_secs(5))),
            ("250m", Some(Duration::from_millis(250))),
            ("1H", Some(Duration::from_secs(3600))),
            ("", None),
            ("S", None),
            ("5", None),
            ("-5S", None),
            ("5€", None),
        ];
        for (text, expected) in cases {
            assert_eq!(grpc_timeout(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_date_belongs_to_its_act() {
        use wire::act_request::Act as Asked;
        let act = |act, estimated_at_ms, review_at_ms, preserved_until_ms| {
            Beside { estimated_at_ms, review_at_ms, preserved_until_ms, ..Beside::default() }
                .complete(act)
        };
        let field = |result: Result<Act, Error>| match result {
            Err(Error::Malformed(fields)) => fields[0].field.clone(),
            other => panic!("{other:?}"),
        };
        assert!(act(Asked::Acknowledge("YES".into()), 5, 0, 0).is_ok());
        assert_eq!(field(act(Asked::Acknowledge("YES".into()), 0, 0, 0)), "estimated_at_ms");
        assert_eq!(field(act(Asked::Acknowledge("yes".into()), 5, 0, 0)), "acknowledge");
        assert_eq!(field(act(Asked::Withdraw(true), 5, 0, 0)), "estimated_at_ms");
        assert_eq!(field(act(Asked::Withdraw(false), 0, 0, 0)), "withdraw");
        assert_eq!(field(act(Asked::Close(true), 0, 1, 0)), "review_at_ms");
        assert_eq!(field(act(Asked::Close(true), 0, 0, 1)), "preserved_until_ms");
        assert_eq!(field(act(Asked::Extend(true), 0, 0, -1)), "preserved_until_ms");
        assert!(act(Asked::Execute("EXECUTED".into()), 0, 0, 0).is_ok());
        let demanded = || Beside { mla_demanded: true, ..Beside::default() };
        assert!(demanded().complete(Asked::Execute("EXECUTED".into())).is_ok());
        assert_eq!(field(demanded().complete(Asked::Close(true))), "mla_demanded");
        let carried = || Beside { carried_by: Some(RequestId([1; 16])), ..Beside::default() };
        assert!(carried().complete(Asked::Mla("SENT".into())).is_ok());
        assert_eq!(field(carried().complete(Asked::Feedback(true))), "mla_request_id");
        assert_eq!(field(act(Asked::Regrade("urgent".into()), 0, 0, 0)), "regrade");
        assert_eq!(field(act(Asked::AnswerConditions("YES".into()), 0, 0, 0)), "answer_conditions");
        assert_eq!(field(act(Asked::ReportUse(false), 0, 0, 0)), "report_use");
    }
}
