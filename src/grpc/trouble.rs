//! What the edge itself finds wrong with a call, and how any answer but OK is put on the wire.
//!
//! Not for what the rules or the relay refuse: `status.rs` turns those into the same [`Answer`].
//!
//! # Reasons of the edge
//!
//! | code | reason | gRPC code | try again |
//! |---|---|---|---|
//! | E-101 | `MALFORMED_FIELD` | `INVALID_ARGUMENT` | no |
//! | E-102 | `MALFORMED_MESSAGE` | `INVALID_ARGUMENT` | no |
//! | E-103 | `MESSAGE_TOO_LARGE` | `RESOURCE_EXHAUSTED` | no |
//! | E-104 | `UNKNOWN_METHOD` | `UNIMPLEMENTED` | no |
//! | E-105 | `UNKNOWN_RESOURCE` | `NOT_FOUND` | no |
//! | E-106 | `BAD_SIGNATURE` | `PERMISSION_DENIED` | no |
//! | E-107 | `NOT_THE_SENDER` | `PERMISSION_DENIED` | no |
//! | E-108 | `CONTENT_ERASED` | `FAILED_PRECONDITION` | no |
//! | E-109 | `CURSOR_AHEAD` | `OUT_OF_RANGE` | no |
//! | E-120 | `DEADLINE_PASSED` | `DEADLINE_EXCEEDED` | yes |
//! | E-121 | `OVERLOADED` | `UNAVAILABLE` | yes |
//! | E-122 | `TOO_MANY_CALLS` | `RESOURCE_EXHAUSTED` | yes |
//! | E-123 | `TOO_MANY_STREAMS` | `RESOURCE_EXHAUSTED` | yes |
//! | E-124 | `SHUTTING_DOWN` | `UNAVAILABLE` | yes |
//! | E-130 | `BUSY` | `UNAVAILABLE` | yes |
//! | E-131 | `DISK_FULL` | `RESOURCE_EXHAUSTED` | yes |
//! | E-132 | `STOPPED` | `UNAVAILABLE` | yes |
//! | E-133 | `FAULT` | `UNAVAILABLE` | yes |
//! | E-134 | `SIGNING_HELD` | `UNAVAILABLE` | yes |
//! | E-135 | `NO_TABLES` | `UNAVAILABLE` | yes |
//!
//! A client itself says `E-000` `TRANSPORT` when no answer came, and `E-001` `CERTIFICATE_REFUSED`
//! when that is because the relay refused its certificate; both are tried again.
//!
//! Beside them stand the codes of the rules (`R-...`) and of identity (`I-...`).

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

/// The `ErrorInfo` domain of every answer.
pub(super) const DOMAIN: &str = "detente";

/// An answer other than OK, before it is a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// gRPC code.
    pub(super) code: Code,
    /// Stable code, as "R-104" or "E-101".
    pub(super) rule: &'static str,
    /// Stable reason, upper snake case.
    pub(super) reason: &'static str,
    /// The cause, in a sentence, for the caller.
    pub(super) cause: String,
    /// What to do next, in a sentence.
    pub(super) next: &'static str,
    /// Fields at fault: path and why.
    pub(super) fields: Vec<(String, String)>,
    /// The state that does not allow the call, if that is why.
    pub(super) precondition: bool,
    /// When the same call may succeed, if it may.
    pub(super) retry: Option<Duration>,
}

impl Answer {
    /// The status on the wire. Nothing but what stands in the answer leaves the process.
    pub(super) fn status(self) -> Status {
        let info = [("code", self.rule), ("next", self.next)];
        let mut details = ErrorDetails::new();
        details.set_error_info(
            self.reason,
            DOMAIN,
            info.map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        if !self.fields.is_empty() {
            let violations: Vec<FieldViolation> = self
                .fields
                .into_iter()
                .map(|(field, why)| FieldViolation::new(field, why))
                .collect();
            details.set_bad_request(violations);
        }
        if self.precondition {
            details.add_precondition_failure_violation(self.reason, self.rule, self.cause.clone());
        }
        if let Some(delay) = self.retry {
            details.set_retry_info(Some(delay));
        }
        Status::with_error_details(self.code, self.cause, details)
    }
}

/// What the edge itself finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A field cannot be read.
    Field {
        /// Its path.
        field: String,
        /// Why.
        why: String,
    },
    /// The bytes are not a message of this method.
    Message,
    /// The message is larger than is taken.
    TooLarge,
    /// There is no such method on this listener.
    UnknownMethod,
    /// There is nothing of this name that the caller may see.
    UnknownResource(String),
    /// A statement's signature does not hold.
    BadSignature,
    /// The statement is another desk's.
    NotTheSender,
    /// The body was erased.
    Erased,
    /// The desk has more records than the relay has of it.
    CursorAhead {
        /// The number that the desk wants next.
        from: u64,
        /// The number that its next record gets.
        next: u64,
    },
    /// The call's time is up.
    Deadline,
    /// All callers together ask for too much.
    Overloaded,
    /// This desk has too many calls open.
    TooManyCalls,
    /// This desk, or this connection, has too many streams open.
    TooManyStreams,
    /// The relay is being stopped.
    ShuttingDown,
    /// The relay's queue is full.
    Busy,
    /// The relay's disk is full.
    Full,
    /// The relay has stopped.
    Stopped,
    /// The relay cannot answer; the reason is in its log.
    Fault,
    /// The relay signs no heads of its logs now, for this reason.
    Held(String),
    /// The relay's tables cannot be kept now.
    NoTables,
}

/// Soon: a queue drains in less.
const SOON: Duration = Duration::from_secs(1);
/// Later: somebody must act, or a process must start.
const LATER: Duration = Duration::from_secs(15);

impl Trouble {
    /// The answer to give.
    pub(super) fn answer(self) -> Answer {
        let (code, rule, reason, retry) = self.row();
        let (cause, next) = (self.cause(), self.next());
        let precondition = code == Code::FailedPrecondition;
        let fields = match self {
            Self::Field { field, why } => vec![(field, why)],
            Self::Message
            | Self::TooLarge
            | Self::UnknownMethod
            | Self::UnknownResource(_)
            | Self::BadSignature
            | Self::NotTheSender
            | Self::Erased
            | Self::CursorAhead { .. }
            | Self::Deadline
            | Self::Overloaded
            | Self::TooManyCalls
            | Self::TooManyStreams
            | Self::ShuttingDown
            | Self::Busy
            | Self::Full
            | Self::Stopped
            | Self::Fault
            | Self::Held(_)
            | Self::NoTables => Vec::new(),
        };
        Answer { code, rule, reason, cause, next, fields, precondition, retry }
    }

    /// The status of [`Self::answer`].
    pub(super) fn status(self) -> Status {
        self.answer().status()
    }

    const fn row(&self) -> (Code, &'static str, &'static str, Option<Duration>) {
        match self {
            Self::Field { .. } => (Code::InvalidArgument, "E-101", "MALFORMED_FIELD", None),
            Self::Message => (Code::InvalidArgument, "E-102", "MALFORMED_MESSAGE", None),
            Self::TooLarge => (Code::ResourceExhausted, "E-103", "MESSAGE_TOO_LARGE", None),
            Self::UnknownMethod => (Code::Unimplemented, "E-104", "UNKNOWN_METHOD", None),
            Self::UnknownResource(_) => (Code::NotFound, "E-105", "UNKNOWN_RESOURCE", None),
            Self::BadSignature => (Code::PermissionDenied, "E-106", "BAD_SIGNATURE", None),
            Self::NotTheSender => (Code::PermissionDenied, "E-107", "NOT_THE_SENDER", None),
            Self::Erased => (Code::FailedPrecondition, "E-108", "CONTENT_ERASED", None),
            Self::CursorAhead { .. } => (Code::OutOfRange, "E-109", "CURSOR_AHEAD", None),
            Self::Deadline => (Code::DeadlineExceeded, "E-120", "DEADLINE_PASSED", Some(SOON)),
            Self::Overloaded => (Code::Unavailable, "E-121", "OVERLOADED", Some(SOON)),
            Self::TooManyCalls => (Code::ResourceExhausted, "E-122", "TOO_MANY_CALLS", Some(SOON)),
            Self::TooManyStreams => {
                (Code::ResourceExhausted, "E-123", "TOO_MANY_STREAMS", Some(LATER))
            }
            Self::ShuttingDown => (Code::Unavailable, "E-124", "SHUTTING_DOWN", Some(SOON)),
            Self::Busy => (Code::Unavailable, "E-130", "BUSY", Some(SOON)),
            Self::Full => (Code::ResourceExhausted, "E-131", "DISK_FULL", Some(LATER)),
            Self::Stopped => (Code::Unavailable, "E-132", "STOPPED", Some(LATER)),
            Self::Fault => (Code::Unavailable, "E-133", "FAULT", Some(LATER)),
            Self::Held(_) => (Code::Unavailable, "E-134", "SIGNING_HELD", Some(LATER)),
            Self::NoTables => (Code::Unavailable, "E-135", "NO_TABLES", Some(LATER)),
        }
    }

    fn cause(&self) -> String {
        let text = match self {
            Self::Field { field, why } => return format!("{field}: {why}"),
            Self::UnknownResource(name) => {
                return format!("there is no {name}");
            }
            Self::CursorAhead { from, next } => {
                return format!("the relay has {next} records of this desk; {from} is beyond them");
            }
            Self::Held(why) => return format!("the relay signs its logs not now: {why}"),
            Self::Message => "the bytes are not a message of this method",
            Self::TooLarge => "the message is larger than this relay takes",
            Self::UnknownMethod => "there is no such method on this listener",
            Self::BadSignature => "the signature is not that of the key the directory names",
            Self::NotTheSender => "the statement is another desk's",
            Self::Erased => "the body was erased; its record and its proofs stay",
            Self::Deadline => "the call's time was up before the answer was there",
            Self::Overloaded => "the relay has as many calls open as it takes",
            Self::TooManyCalls => "this desk has as many calls open as one desk may",
            Self::TooManyStreams => "this connection or desk follows as often as it may",
            Self::ShuttingDown => "the relay is being stopped",
            Self::Busy => "the relay's queue is full",
            Self::Full => "the relay's disk is full; nothing was recorded",
            Self::Stopped => "the relay has stopped taking statements",
            Self::Fault => "the relay cannot answer; its operator's log says why",
            Self::NoTables => {
                "the relay cannot keep its tables now, most likely because its disk is full; \
                 no record is lost"
            }
        };
        text.to_owned()
    }

    const fn next(&self) -> &'static str {
        match self {
            Self::Field { .. } => "correct the field and send the call again",
            Self::Message => "send the message that the published proto defines",
            Self::TooLarge => "send a smaller body; larger evidence travels another way",
            Self::UnknownMethod => "check the method and the address",
            Self::UnknownResource(_) => "check the name",
            Self::BadSignature => "sign the header with the officer's current key",
            Self::NotTheSender => "submit over the connection of the desk that speaks",
            Self::Erased => "ask the sending desk for it",
            Self::CursorAhead { .. } => {
                "keep what the desk has and tell the relay's operator: either side has lost records"
            }
            Self::Deadline => {
                "send the same call again: a statement that comes twice is recognised, and a \
                 question may be asked of fewer days, of one member, or by smaller pages"
            }
            Self::Overloaded
            | Self::TooManyCalls
            | Self::ShuttingDown
            | Self::Busy
            | Self::Stopped => "send the same call again after the stated delay",
            Self::TooManyStreams => "end a stream before opening another",
            Self::Full => "send the same call again; the relay's operator must free space",
            Self::Fault => "send the same call again; tell the relay's operator if it stays",
            Self::NoTables => {
                "ask again; the relay's operator must free space: detente operator status says why"
            }
            Self::Held(_) => {
                "nothing is lost: send the same call again; ask the relay's operator for the reason"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Trouble> {
        vec![
            Trouble::Field { field: "name".into(), why: "empty".into() },
            Trouble::Message,
            Trouble::TooLarge,
            Trouble::UnknownMethod,
            Trouble::UnknownResource("requests/x".into()),
            Trouble::BadSignature,
            Trouble::NotTheSender,
            Trouble::Erased,
            Trouble::CursorAhead { from: 2, next: 1 },
            Trouble::Deadline,
            Trouble::Overloaded,
            Trouble::TooManyCalls,
            Trouble::TooManyStreams,
            Trouble::ShuttingDown,
            Trouble::Busy,
            Trouble::Full,
            Trouble::Stopped,
            Trouble::Fault,
            Trouble::Held("a fork".into()),
            Trouble::NoTables,
        ]
    }

    #[test]
    fn every_answer_has_its_own_code_and_reason() {
        let mut seen = std::collections::BTreeSet::new();
        for answer in all().into_iter().map(Trouble::answer) {
            assert!(seen.insert(answer.rule), "{} twice", answer.rule);
            assert!(seen.insert(answer.reason), "{} twice", answer.reason);
            let status = answer.clone().status();
            let details = status.get_error_details();
            let info = details.error_info().expect("an ErrorInfo");
            assert_eq!(info.domain, DOMAIN);
            assert_eq!(info.metadata.get("code").map(String::as_str), Some(answer.rule));
            assert!(info.metadata.contains_key("next"));
            assert_eq!(details.retry_info().is_some(), answer.retry.is_some());
        }
        assert_eq!(seen.len(), 40);
    }

    #[test]
    fn the_table_in_the_documentation_is_the_table_in_force() {
        let text = include_str!("trouble.rs");
        for answer in all().into_iter().map(Trouble::answer) {
            let row =
                format!("//! | {} | `{}` | `{}` |", answer.rule, answer.reason, name(answer.code));
            assert!(text.contains(&row), "{row}");
        }
    }

    fn name(code: Code) -> String {
        crate::grpc::meter::code_name(code).to_owned()
    }
}
