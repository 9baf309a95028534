//! What became of a statement, told to the officer who made it.
//!
//! Not for the history of a request (see `case.rs`).

use serde_json::{Value, json};

use super::super::agent::api;
use super::super::moment::{render_rfc3339, render_utc};
use super::super::{Exit, Failure, Ink, Screen};
use crate::units::{CaseId, MessageId, RequestId};

/// How many digits of an id are shown where it is abbreviated: one in four thousand million
/// clashes with another by chance.
const SHORT_DIGITS: usize = 8;

/// Prints the outcome, and on standard error what to do next.
pub(super) fn show(
    outcome: &api::StatementOutcome,
    screen: &mut Screen,
    next: impl FnOnce(&str) -> String,
) -> Result<Exit, Failure> {
    show_with(outcome, None, screen, next)
}

/// The same, with what applies at the recipient's desk now.
pub(super) fn show_with(
    outcome: &api::StatementOutcome,
    recipient_now: Option<Value>,
    screen: &mut Screen,
    next: impl FnOnce(&str) -> String,
) -> Result<Exit, Failure> {
    let request = request_id(&outcome.request_id);
    if let Some(refused) = &outcome.refused {
        return Err(refusal(refused));
    }
    for notice in &outcome.notices {
        screen.message(&format!("note: {notice}"));
    }
    let recorded = outcome.state() == api::StatementState::Recorded;
    let waiting = outcome.state() == api::StatementState::Waiting;
    if screen.is_json() {
        let mut told = document(outcome);
        if let Some(now) = recipient_now {
            told["recipient_now"] = now;
        }
        screen.document(&told)?;
    } else {
        let pen = screen.pen();
        let state = if recorded {
            let time = render_utc(outcome.time_ms);
            pen.write(Ink::Green, &format!("recorded as record {} at {time}", outcome.index))
        } else if waiting {
            let said =
                "waits for a second officer: it is on the agent's disk, and nothing was sent";
            pen.write(Ink::Yellow, said)
        } else {
            pen.write(
                Ink::Yellow,
                "queued: it is on the agent's disk, and goes to the relay as \
                                    soon as the connection is there",
            )
        };
        screen.text(&format!("request {request}: {state}\n"))?;
    }
    let message = message_id(&outcome.message_id).unwrap_or_default();
    let next = if waiting {
        format!("have another officer run detente desk approvals {}", short(&message))
    } else {
        next(short(&request))
    };
    screen.message(&format!("next: {next}"));
    Ok(Exit::Success)
}

/// The first digits of an id.
pub(super) fn short(id: &str) -> &str {
    id.get(..SHORT_DIGITS).unwrap_or(id)
}

/// A request's id for reading; whatever the agent said if it is not one.
pub(super) fn request_id(bytes: &[u8]) -> String {
    RequestId::from_slice(bytes).map_or_else(|_| odd(bytes), |id| id.to_string())
}

/// A case's id for reading.
pub(super) fn case_id(bytes: &[u8]) -> String {
    CaseId::from_slice(bytes).map_or_else(|_| odd(bytes), |id| id.to_string())
}

/// A message's id for reading; nothing when there is none.
pub(super) fn message_id(bytes: &[u8]) -> Option<String> {
    let id = || MessageId::from_slice(bytes).map_or_else(|_| odd(bytes), |id| id.to_string());
    (!bytes.is_empty()).then(id)
}

fn odd(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// A refusal of the rules, as a failure of the command.
pub(super) fn refusal(refused: &api::Refused) -> Failure {
    let what = "the network's rules refuse it";
    let mut failure =
        Failure::new(Exit::Refused, &refused.code, what, &refused.cause, refused.next.as_str());
    failure.reason = refused.reason.as_str().into();
    failure
}

/// A refusal for programs.
pub(super) fn refusal_json(refused: &api::Refused) -> Value {
    let api::Refused { code, reason, cause, next } = refused;
    json!({ "code": code, "reason": reason, "cause": cause, "next": next })
}

/// An outcome for programs.
pub(super) fn document(outcome: &api::StatementOutcome) -> Value {
    let recorded = outcome.state() == api::StatementState::Recorded;
    let waiting = outcome.state() == api::StatementState::Waiting;
    let not_yet = if waiting { "WAITING" } else { "QUEUED" };
    json!({
        "state": if recorded { "RECORDED" } else { not_yet },
        "request_id": request_id(&outcome.request_id),
        "case_id": case_id(&outcome.case_id),
        "message_id": message_id(&outcome.message_id),
        "index": recorded.then_some(outcome.index),
        "time": render_rfc3339(outcome.time_ms),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_a_document_with_null_for_what_is_not_known() {
        let mut outcome = api::StatementOutcome {
            message_id: vec![0x1f; 16],
            request_id: vec![0x1f; 16],
            case_id: vec![2; 16],
            state: api::StatementState::Queued.into(),
            ..Default::default()
        };
        let queued = document(&outcome);
        assert_eq!(queued["state"], "QUEUED");
        assert_eq!(queued["request_id"], "1f1f1f1f-1f1f-1f1f-1f1f-1f1f1f1f1f1f");
        assert!(queued["index"].is_null() && queued["time"].is_null());
        outcome.set_state(api::StatementState::Waiting);
        assert_eq!(document(&outcome)["state"], "WAITING");
        outcome.set_state(api::StatementState::Recorded);
        assert_eq!(document(&outcome)["index"], 0);
        assert_eq!(short("1f1f1f1f-1f1f"), "1f1f1f1f");
    }

    #[test]
    fn a_refusal_ends_with_four() {
        let refused = api::Refused {
            code: "R-104".into(),
            reason: "NO_COMMON_INSTRUMENT".into(),
            cause: "none".into(),
            next: "ask".into(),
        };
        let failure = refusal(&refused);
        assert_eq!((failure.exit, &*failure.reason), (Exit::Refused, "NO_COMMON_INSTRUMENT"));
    }
}
