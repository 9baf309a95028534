//! From what went wrong above the edge to a status: the one table.
//!
//! Not for what the edge finds itself (see `trouble.rs`, whose table of codes is the other half).
//! Each `match` is exhaustive, so that a new error does not compile until it has a status. Text for
//! the caller and text for the log are different: no internal chain leaves the process.
//!
//! | what | gRPC code | try again |
//! |---|---|---|
//! | unreadable (`E-101`) | `INVALID_ARGUMENT`, with the field | no |
//! | refused: what it names is not there | `NOT_FOUND` | no |
//! | refused: this caller or signer may not | `PERMISSION_DENIED` | no |
//! | refused: can never be right as it stands | `INVALID_ARGUMENT`, with the field | no |
//! | refused: wrong stage, no receipt, stale | `FAILED_PRECONDITION` | no |
//! | refused: the message id is taken | `ALREADY_EXISTS` | no |
//! | refused: a limit is reached | `RESOURCE_EXHAUSTED` | no: a person must act |
//! | signature (`E-106`) | `PERMISSION_DENIED` | no |
//! | too large (`E-103`) | `RESOURCE_EXHAUSTED` | no |
//! | certificate (`I-...`) | `UNAUTHENTICATED` or `PERMISSION_DENIED` | after a renewal |
//! | busy, full, stopped, unable (`E-130` to `E-133`) | `UNAVAILABLE`, `RESOURCE_EXHAUSTED` | yes |
//! | the logs are not signed now (`E-134`), no tables (`E-135`) | `UNAVAILABLE` | yes |

use std::time::Duration;

use tonic::{Code, Status};

use super::trouble::{Answer, Trouble};
use crate::envelope::Malformed;
use crate::identity::Denied;
use crate::relay;
use crate::rules::{Class, Refusal};

/// A certificate is renewed, or a revocation list replaced, by people.
const RENEWAL: Duration = Duration::from_secs(60);

/// The status of an error of the relay. What the caller must not see is logged.
pub(super) fn relay(error: &relay::Error) -> Status {
    let trouble = match error {
        relay::Error::Malformed(Malformed { field, why }) => {
            Trouble::Field { field: field.clone(), why: why.clone() }
        }
        relay::Error::Refused(refusal) => {
            let (code, cause) = (refusal.code(), refusal.cause());
            tracing::info!(code, reason = refusal.reason(), cause, "refused");
            return refused(refusal).status();
        }
        relay::Error::BadSignature => Trouble::BadSignature,
        relay::Error::TooLarge { .. } => Trouble::TooLarge,
        relay::Error::Erased => Trouble::Erased,
        relay::Error::Busy => Trouble::Busy,
        relay::Error::NoTables => Trouble::NoTables,
        relay::Error::Full => Trouble::Full,
        relay::Error::Held(why) => Trouble::Held(why.clone()),
        relay::Error::Stopped => Trouble::Stopped,
        relay::Error::Fault(fault) => {
            tracing::error!(fault, "unable");
            Trouble::Fault
        }
    };
    trouble.status()
}

/// The answer to what the rules refuse.
pub(super) fn refused(refusal: &Refusal) -> Answer {
    let code = match refusal.class() {
        Class::NotFound => Code::NotFound,
        Class::NotAllowed => Code::PermissionDenied,
        Class::Unlawful => Code::InvalidArgument,
        Class::OutOfTurn => Code::FailedPrecondition,
        Class::Taken => Code::AlreadyExists,
        Class::Exhausted => Code::ResourceExhausted,
    };
    let cause = refusal.cause();
    let field = refusal.field().map(|path| (format!("envelope.{path}"), cause.clone()));
    Answer {
        code,
        rule: refusal.code(),
        reason: refusal.reason(),
        cause,
        next: refusal.next_action(),
        fields: field.into_iter().collect(),
        precondition: code == Code::FailedPrecondition,
        retry: None,
    }
}

/// The answer to a peer that may not speak any more. It can be repaired without changing the
/// statement, so the same call may succeed later.
pub(super) fn denied(denied: &Denied) -> Answer {
    let code = match denied {
        Denied::OtherNetwork { .. }
        | Denied::UnknownMember(_)
        | Denied::UnknownDesk(_)
        | Denied::WrongKind { .. } => Code::PermissionDenied,
        Denied::NoCertificate
        | Denied::Unreadable { .. }
        | Denied::NotOneUri { .. }
        | Denied::BadUri { .. }
        | Denied::UnknownIssuer { .. }
        | Denied::Expired { .. }
        | Denied::NotYetValid { .. }
        | Denied::WrongUse
        | Denied::WeakKey { .. }
        | Denied::LivesTooLong { .. }
        | Denied::Revoked { .. }
        | Denied::NoRevocationList { .. }
        | Denied::StaleRevocationList { .. }
        | Denied::Unacceptable { .. } => Code::Unauthenticated,
    };
    Answer {
        code,
        rule: denied.code(),
        reason: denied.reason(),
        cause: denied.to_string(),
        next: denied.next_action(),
        fields: Vec::new(),
        precondition: false,
        retry: Some(RENEWAL),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Failure;
    use super::*;
    use crate::units::MessageId;

    #[test]
    fn each_kind_of_error_has_its_code_and_says_whether_to_try_again() {
        let message = MessageId([7; 16]);
        let malformed = Malformed { field: "envelope.header".into(), why: "empty".into() };
        let desk = "RO/cyber".parse().unwrap();
        let unknown = Refusal::UnknownRecipient { desk };
        for (error, code, rule, retry) in [
            (relay::Error::Malformed(malformed), Code::InvalidArgument, "E-101", false),
            (relay::Error::Refused(unknown), Code::NotFound, "R-106", false),
            (
                relay::Error::Refused(Refusal::MessageIdReused { message }),
                Code::AlreadyExists,
                "R-401",
                false,
            ),
            (
                relay::Error::Refused(Refusal::NotReceipted { of: message }),
                Code::FailedPrecondition,
                "R-342",
                false,
            ),
            (relay::Error::BadSignature, Code::PermissionDenied, "E-106", false),
            (relay::Error::TooLarge { bytes: 9, max: 8 }, Code::ResourceExhausted, "E-103", false),
            (relay::Error::Busy, Code::Unavailable, "E-130", true),
            (relay::Error::NoTables, Code::Unavailable, "E-135", true),
            (relay::Error::Full, Code::ResourceExhausted, "E-131", true),
            (relay::Error::Stopped, Code::Unavailable, "E-132", true),
            (relay::Error::Held("a fork".into()), Code::Unavailable, "E-134", true),
            (relay::Error::Fault("/var/lib/x".into()), Code::Unavailable, "E-133", true),
        ] {
            let status = relay(&error);
            let failure = Failure::from_status(&status);
            assert_eq!((failure.code, failure.rule_code.as_str()), (code, rule), "{error:?}");
            assert_eq!(failure.retry, retry, "{error:?}");
            assert!(!status.message().contains("/var"), "an internal text left the process");
        }
    }

    #[test]
    fn a_certificate_that_is_refused_does_not_refuse_the_statement_for_good() {
        let answer = denied(&Denied::Revoked { serial: "0a".into() });
        assert_eq!(answer.code, Code::Unauthenticated);
        assert!(Failure::from(answer.status()).retry);
        let answer = denied(&Denied::UnknownDesk("NL/cyber".parse().unwrap()));
        assert_eq!(answer.code, Code::PermissionDenied);
    }
}
