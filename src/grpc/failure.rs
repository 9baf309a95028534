//! An answer other than OK, as a client reads it: what, why, what next, and whether to try again.
//!
//! Not for servers (see `trouble.rs` and `status.rs`, which write what is read here).

use std::error::Error as _;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::trouble::DOMAIN;

/// The reason of a call to which the relay itself did not answer.
pub(super) const TRANSPORT: &str = "TRANSPORT";

/// Why a call was not answered with OK.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause} ({rule_code} {reason})")]
pub struct Failure {
    /// gRPC code.
    pub code: Code,
    /// Stable reason, as "NO_COMMON_INSTRUMENT"; "TRANSPORT" when the relay did not answer itself.
    pub reason: String,
    /// Stable code, as "R-104"; "E-000" when the relay did not answer itself, "E-001"
    /// when it refused the desk's certificate.
    pub rule_code: String,
    /// The cause, in a sentence.
    pub cause: String,
    /// What to do next, in a sentence; may be empty.
    pub next: String,
    /// Fields at fault: path and why.
    pub fields: Vec<(String, String)>,
    /// True when the very same call may succeed later; false when it was refused for good.
    pub retry: bool,
    /// How long the relay asks to wait before that, if it says.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// Reads a status.
    pub fn from_status(status: &Status) -> Self {
        let details = status.get_error_details();
        let fields = details
            .bad_request()
            .map(|bad| {
                let read =
                    |v: &tonic_types::FieldViolation| (v.field.clone(), v.description.clone());
                bad.field_violations.iter().map(read).collect()
            })
            .unwrap_or_default();
        let retry_after = details.retry_info().and_then(|info| info.retry_delay);
        match details.error_info().filter(|info| info.domain == DOMAIN) {
            Some(info) => Self {
                code: status.code(),
                reason: info.reason.clone(),
                rule_code: info.metadata.get("code").cloned().unwrap_or_default(),
                cause: status.message().to_owned(),
                next: info.metadata.get("next").cloned().unwrap_or_default(),
                fields,
                retry: details.retry_info().is_some(),
                retry_after,
            },
            None => Self::transport(status),
        }
    }

    /// The relay refused the desk's certificate: there is no connection to make the call on. May
    /// pass: certificates are renewed, and lists replaced, by people.
    pub(super) fn certificate_refused(status: &Status, refusal: String) -> Self {
        Self {
            reason: "CERTIFICATE_REFUSED".to_owned(),
            rule_code: "E-001".to_owned(),
            cause: refusal,
            next: "ask the relay's operator for the code; renew the certificate if it was revoked \
                   or has ended"
                .to_owned(),
            retry: true,
            ..Self::transport(status)
        }
    }

    /// The relay did not say it: the network, a proxy or the HTTP/2 library did.
    fn transport(status: &Status) -> Self {
        Self {
            code: status.code(),
            reason: TRANSPORT.to_owned(),
            rule_code: "E-000".to_owned(),
            cause: format!("the relay did not answer: {}", innermost(status)),
            next: "wait for the connection; the same call is sent again".to_owned(),
            fields: Vec::new(),
            retry: may_pass(status.code()),
            retry_after: None,
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::from_status(&status)
    }
}

/// The last cause in a chain: the one that says something.
fn innermost(status: &Status) -> String {
    let mut cause = status.source();
    let mut text = status.message().to_owned();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}

/// True when a code that the transport gave does not speak of the call itself.
const fn may_pass(code: Code) -> bool {
    match code {
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated
        | Code::PermissionDenied => true,
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::trouble::Trouble;
    use super::*;

    #[test]
    fn refused_for_good_differs_from_try_again() {
        let field = Trouble::Field { field: "envelope.header".into(), why: "empty".into() };
        let failure = Failure::from(field.status());
        assert_eq!(failure.rule_code, "E-101");
        assert_eq!(failure.reason, "MALFORMED_FIELD");
        assert_eq!(failure.fields, [("envelope.header".to_owned(), "empty".to_owned())]);
        assert!(!failure.retry);
        assert!(!failure.next.is_empty());

        let failure = Failure::from(Trouble::Full.status());
        assert!(failure.retry && failure.retry_after.is_some());
        assert!(!Failure::from(Trouble::TooLarge.status()).retry);
    }

    #[test]
    fn what_the_transport_says_is_tried_again() {
        for code in [Code::Unavailable, Code::Unknown, Code::Internal, Code::Cancelled] {
            let failure = Failure::from(Status::new(code, "h2 protocol error"));
            assert!(failure.retry, "{code:?}");
            assert_eq!(failure.reason, "TRANSPORT");
        }
        assert!(!Failure::from(Status::unimplemented("")).retry);
    }
}
