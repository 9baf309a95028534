//! What became of a statement, told to the officer who made it: also that an alarm holds it back.
//!
//! Not for the history of a request (see `case.rs`).

use serde_json::{Value, json};

use super::super::agent::{Agent, api};
use super::super::moment::{render_rfc3339, render_utc};
use super::super::{Exit, Failure, Ink, Screen};
use super::settle;
use crate::units::{CaseId, MessageId, RequestId};

/// How many digits of an id are shown where it is abbreviated: one in four thousand million
/// clashes with another by chance.
const SHORT_DIGITS: usize = 8;

/// What is said of a statement that an alarm holds back.
pub(super) const HELD: &str = "NOT SENT: it is on the agent's disk, and an alarm stands in the way";

/// Alarms under which an agent sends nothing until somebody has reconciled it with the relay.
const HOLDING: [&str; 2] = ["D-301", "D-302"];

/// What applies at the recipient's desk now, where that is known.
#[derive(Default)]
pub(super) struct Recipient {
    /// The desk.
    pub(super) desk: Option<String>,
    /// What is told of it to programs.
    pub(super) now: Option<Value>,
}

/// The alarms that stand, where what was said has not gone out.
pub(super) async fn standing(
    outcomes: impl IntoIterator<Item = &api::StatementOutcome>,
    agent: &mut Agent,
) -> Vec<api::Alarm> {
    let queued = |outcome: &api::StatementOutcome| outcome.state() == api::StatementState::Queued;
    if !outcomes.into_iter().any(queued) {
        return Vec::new();
    }
    agent.status().await.map(|status| status.alarms).unwrap_or_default()
}

/// What to do about the alarm that holds back what was said to this desk, if one does.
pub(super) fn held(alarms: &[api::Alarm], to: Option<&str>) -> Option<String> {
    let holds = alarms.iter().any(|alarm| HOLDING.contains(&alarm.code.as_str()));
    let whom = to.unwrap_or("MEMBER");
    holds.then(|| {
        format!(
            "detente desk reconcile, before which nothing is sent; what cannot wait goes by \
             telephone: detente desk directory call {whom}"
        )
    })
}

/// Prints the outcome, and on standard error what to do next.
pub(super) async fn show(
    outcome: &api::StatementOutcome,
    agent: &mut Agent,
    screen: &mut Screen,
    next: impl FnOnce(&str) -> String,
) -> Result<Exit, Failure> {
    show_with(outcome, Recipient::default(), agent, screen, next).await
}

/// The same, with what applies at the recipient's desk now.
pub(super) async fn show_with(
    outcome: &api::StatementOutcome,
    recipient: Recipient,
    agent: &mut Agent,
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
    let alarms = standing([outcome], agent).await;
    let held = held(&alarms, recipient.desk.as_deref());
    settle::remind(&alarms, screen);
    if screen.is_json() {
        let mut told = document(outcome);
        if let Some(now) = recipient.now {
            told["recipient_now"] = now;
        }
        if !alarms.is_empty() {
            told["alarms"] = settle::document(&alarms).into();
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
        } else if held.is_some() {
            pen.write(Ink::Red, HELD)
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
        held.unwrap_or_else(|| next(short(&request)))
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
    fn only_a_relay_that_has_lost_records_holds_back_what_is_said() {
        let alarm = |code: &str| api::Alarm { code: code.into(), ..Default::default() };
        let next = held(&[alarm("D-303"), alarm("D-301")], Some("RO/cyber")).unwrap();
        assert!(next.contains("reconcile") && next.contains("call RO/cyber"), "{next}");
        assert!(held(&[alarm("D-302")], None).unwrap().contains("call MEMBER"));
        assert_eq!(held(&[alarm("D-303")], None), None);
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
