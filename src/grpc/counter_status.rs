//! From what the desk cannot or will not do to a status, in the same form as the relay's.
//!
//! Not for what the relay refuses afterwards: that is an outcome, and not an error of the call.
//!
//! | code | reason | gRPC code |
//! |---|---|---|
//! | E-101 | `MALFORMED_FIELD` | `INVALID_ARGUMENT`, with every field |
//! | R-... | as at the relay | as at the relay |
//! | D-101 | `MESSAGE_ID_REUSED` | `ALREADY_EXISTS` |
//! | D-102 | `UNKNOWN_REQUEST` | `NOT_FOUND` |
//! | D-103 | `UNKNOWN_OFFICER` | `NOT_FOUND` |
//! | D-104 | `OFFICER_NOT_PERMITTED` | `PERMISSION_DENIED` |
//! | D-105 | `CALLER_UNKNOWN` | `UNAUTHENTICATED` |
//! | D-106 | `STATEMENT_TOO_LARGE` | `INVALID_ARGUMENT` |
//! | D-107 | `LAPSED_IN_OUTBOX` | `FAILED_PRECONDITION` |
//! | D-108 | `USER_NOT_ADMITTED` | `PERMISSION_DENIED` |
//! | D-109 | `PUBLICATION_UNKNOWN` | `UNAVAILABLE` |
//! | D-110 | `NOBODY_APPROVES` | `FAILED_PRECONDITION` |
//! | D-111 | `TOO_MANY_WAIT` | `RESOURCE_EXHAUSTED` |
//! | D-112 | `NOTHING_WAITS` | `NOT_FOUND` |
//! | D-113 | `DECLINED` | `FAILED_PRECONDITION` |
//! | D-114 | `UNKNOWN_ALARM` | `NOT_FOUND` |
//! | D-115 | `KEY_NOT_WITNESSED` | `FAILED_PRECONDITION` |
//! | D-116 | `PROOFS_MISSING` | `FAILED_PRECONDITION` |
//! | D-117 | `BODY_NOT_DISCLOSABLE` | `FAILED_PRECONDITION` |
//! | D-118 | `EVIDENCE_UNPROVEN` | `FAILED_PRECONDITION` |
//! | D-201 | `DESK_DISK_FULL` | `RESOURCE_EXHAUSTED`, try again |
//! | D-202 | `DESK_STOPPING` | `UNAVAILABLE`, try again |
//! | D-203 | `DESK_FAILED` | `UNAVAILABLE`, try again |
//!
//! What the relay says no to when it is asked on an officer's behalf is passed on as it is, also
//! that it was not reached (E-000, E-001).

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use super::Failure;
use super::failure::TRANSPORT;
use super::status::refused;
use super::trouble::{Answer, DOMAIN};
use crate::desk::{Error, Local};
use crate::envelope::Malformed;

/// Somebody must make room, or the agent must start again.
const LATER: Duration = Duration::from_secs(15);

/// The status of an error of the desk.
pub(super) fn status(error: &Error) -> Status {
    let unable = |code, rule, reason, next| Answer {
        code,
        rule,
        reason,
        cause: error.to_string(),
        next,
        fields: Vec::new(),
        precondition: false,
        retry: Some(LATER),
    };
    let answer = match error {
        Error::Malformed(fields) => malformed(fields, error),
        Error::Unlawful(refusal) => {
            let mut answer = refused(refusal);
            // The officer's tool knows fields of its own, not those of the envelope.
            answer.fields.clear();
            answer
        }
        Error::Local(refusal) => local(refusal),
        Error::Full => unable(
            Code::ResourceExhausted,
            "D-201",
            "DESK_DISK_FULL",
            "make room on the desk's disk; nothing kept so far is lost",
        ),
        Error::Stopped => unable(
            Code::Unavailable,
            "D-202",
            "DESK_STOPPING",
            "try again when the agent has started",
        ),
        Error::Fault(_) => unable(
            Code::Unavailable,
            "D-203",
            "DESK_FAILED",
            "read the agent's log, repair the disk and start the agent again",
        ),
    };
    answer.status()
}

/// The status of what the relay answered, or did not, to what it was asked for an officer.
pub(super) fn relayed(failure: &Failure) -> Status {
    let Failure { code, reason, rule_code, cause, next, fields, retry, retry_after } = failure;
    let mut details = ErrorDetails::new();
    // Nobody repeats this call but the officer.
    let again = "run it again when detente desk status says that the agent is connected".to_owned();
    let next = if reason == TRANSPORT { &again } else { next };
    let info = [("code", rule_code), ("next", next)];
    details.set_error_info(
        reason,
        DOMAIN,
        info.map(|(key, value)| (key.to_owned(), value.clone())),
    );
    if !fields.is_empty() {
        let violations = fields.iter().map(|(field, why)| FieldViolation::new(field, why));
        details.set_bad_request(violations.collect::<Vec<_>>());
    }
    if *retry {
        details.set_retry_info(Some(retry_after.unwrap_or(LATER)));
    }
    Status::with_error_details(*code, cause, details)
}

fn malformed(fields: &[Malformed], error: &Error) -> Answer {
    let field = |malformed: &Malformed| (malformed.field.clone(), malformed.why.clone());
    Answer {
        code: Code::InvalidArgument,
        rule: "E-101",
        reason: "MALFORMED_FIELD",
        cause: error.to_string(),
        next: "correct the fields and send it again",
        fields: fields.iter().map(field).collect(),
        precondition: false,
        retry: None,
    }
}

fn local(refusal: &Local) -> Answer {
    let code = match refusal {
        Local::MessageReused(_) => Code::AlreadyExists,
        Local::UnknownRequest(_)
        | Local::UnknownOfficer(_)
        | Local::NothingWaits(_)
        | Local::UnknownAlarm(_) => Code::NotFound,
        Local::NotPermitted { .. } | Local::NotAdmitted { .. } => Code::PermissionDenied,
        Local::NobodyKnown => Code::Unauthenticated,
        Local::TooLarge { .. } => Code::InvalidArgument,
        Local::Lapsed
        | Local::NobodyApproves
        | Local::Declined { .. }
        | Local::KeyNotWitnessed { .. }
        | Local::ProofsMissing(_)
        | Local::NotDisclosable { .. }
        | Local::EvidenceUnproven(_) => Code::FailedPrecondition,
        Local::TooManyWait(_) => Code::ResourceExhausted,
        Local::PublicationUnknown => Code::Unavailable,
    };
    Answer {
        code,
        rule: refusal.code(),
        reason: refusal.reason(),
        cause: refusal.to_string(),
        next: refusal.next_action(),
        fields: Vec::new(),
        precondition: code == Code::FailedPrecondition,
        retry: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Index, MessageId, RequestId};

    #[test]
    fn every_error_has_its_code_its_cause_and_what_to_do_next() {
        let (officer, desk) = ("duty".parse().unwrap(), "RO/cyber".parse().unwrap());
        let by = || "chief".parse().unwrap();
        let hidden = Local::NotDisclosable { message: MessageId([1; 16]), why: "erased".into() };
        let cases = [
            (Error::Local(Local::MessageReused(MessageId([1; 16]))), "D-101", false),
            (Error::Local(Local::UnknownRequest(RequestId([1; 16]))), "D-102", false),
            (Error::Local(Local::UnknownOfficer("x".into())), "D-103", false),
            (Error::Local(Local::NotPermitted { officer, uid: 1 }), "D-104", false),
            (Error::Local(Local::NobodyKnown), "D-105", false),
            (Error::Local(Local::TooLarge { bytes: 2, max: 1 }), "D-106", false),
            (Error::Local(Local::Lapsed), "D-107", false),
            (Error::Local(Local::NotAdmitted { uid: 1 }), "D-108", false),
            (Error::Local(Local::PublicationUnknown), "D-109", false),
            (Error::Local(Local::NobodyApproves), "D-110", false),
            (Error::Local(Local::TooManyWait(1)), "D-111", false),
            (Error::Local(Local::NothingWaits(MessageId([1; 16]))), "D-112", false),
            (Error::Local(Local::Declined { by: by(), reason: "no".into() }), "D-113", false),
            (Error::Local(Local::UnknownAlarm("x".into())), "D-114", false),
            (Error::Local(Local::KeyNotWitnessed { desk, version: 2 }), "D-115", false),
            (Error::Local(Local::ProofsMissing(vec![Index(7)])), "D-116", false),
            (Error::Local(hidden), "D-117", false),
            (Error::Local(Local::EvidenceUnproven("x".into())), "D-118", false),
            (Error::Full, "D-201", true),
            (Error::Stopped, "D-202", true),
            (Error::Fault("sync".into()), "D-203", true),
        ];
        let table = include_str!("counter_status.rs");
        for (error, code, retry) in cases {
            let failure = Failure::from(status(&error));
            assert_eq!(failure.rule_code, code);
            assert_eq!(failure.retry, retry, "{code}");
            assert!(!failure.cause.is_empty() && !failure.next.is_empty(), "{code}");
            assert!(table.contains(&format!("//! | {code} | `{}` |", failure.reason)), "{code}");
        }
    }

    #[test]
    fn what_the_relay_said_is_passed_on() {
        let said = Failure {
            code: Code::InvalidArgument,
            reason: "MALFORMED_FIELD".into(),
            rule_code: "E-101".into(),
            cause: "query.from_day: not a day".into(),
            next: "correct the field".into(),
            fields: vec![("query.from_day".into(), "not a day".into())],
            retry: false,
            retry_after: None,
        };
        assert_eq!(Failure::from(relayed(&said)), said);
        let gone = Failure::from(Status::unavailable("connection refused"));
        let passed_on = Failure::from(relayed(&gone));
        assert_eq!((passed_on.rule_code.as_str(), passed_on.retry), ("E-000", true));
        assert!(passed_on.next.starts_with("run it again"), "{}", passed_on.next);
    }

    #[test]
    fn every_wrong_field_is_named() {
        let field = |field: &str| Malformed { field: field.into(), why: "absent".into() };
        let error = Error::Malformed(vec![field("preservation.offence"), field("type")]);
        let failure = Failure::from(status(&error));
        let named: Vec<&str> = failure.fields.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(named, ["preservation.offence", "type"]);
    }
}
