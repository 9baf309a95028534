//! A request to many desks: one statement for each, in one case, none learning of the others.
//!
//! Not for what one statement becomes (see `outcome.rs`). The ids of the statements and of the case
//! are derived from one id, so that the same command sends again only what is missing.

use serde_json::{Value, json};

use super::super::agent::{Agent, api};
use super::super::moment::render_utc;
use super::super::{Exit, Failure, Ink, Pen, Screen};
use super::outcome::{HELD, document, held, refusal, request_id, short, standing};
use super::settle;
use crate::units::{CaseId, DeskId, Hash, MessageId};

/// Labels of the derived ids.
const ADDRESSEE_LABEL: &[u8] = b"detente/addressee/v1\0";
const CASE_LABEL: &[u8] = b"detente/addressees/v1\0";

/// The id of the statement to one addressee. Who knows one of them learns nothing of the others.
pub(super) fn message_to(of_all: MessageId, to: &DeskId) -> MessageId {
    MessageId(first_half(Hash::of(&[ADDRESSEE_LABEL, &of_all.0, to.to_string().as_bytes()])))
}

/// The case that they share.
pub(super) fn case_of(of_all: MessageId) -> CaseId {
    CaseId(first_half(Hash::of(&[CASE_LABEL, &of_all.0])))
}

fn first_half(hash: Hash) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.0[..16]);
    half
}

/// What became of one of them.
struct Sent {
    to: DeskId,
    outcome: Result<api::StatementOutcome, Failure>,
}

impl Sent {
    fn new(to: DeskId, answer: Result<api::StatementOutcome, Failure>) -> Self {
        let outcome = answer.and_then(|outcome| match &outcome.refused {
            Some(refused) => Err(refusal(refused)),
            None => Ok(outcome),
        });
        Self { to, outcome }
    }
}

/// Sends `request` to each desk; one that fails does not keep it from the others.
pub(super) async fn send(
    agent: &mut Agent,
    screen: &mut Screen,
    request: api::SendRequestRequest,
    to: Vec<DeskId>,
    of_all: MessageId,
) -> Result<Exit, Failure> {
    let mut sent = Vec::with_capacity(to.len());
    for to in to {
        let one = api::SendRequestRequest {
            to: to.to_string(),
            message_id: message_to(of_all, &to).0.to_vec(),
            ..request.clone()
        };
        sent.push(Sent::new(to, agent.send(one).await));
    }
    let alarms = standing(sent.iter().filter_map(|sent| sent.outcome.as_ref().ok()), agent).await;
    let held = held(&alarms, None);
    settle::remind(&alarms, screen);
    let marks = marks(&request);
    if screen.is_json() {
        let list: Vec<Value> = sent.iter().map(sent_json).collect();
        let mut told = json!({ "message_id": of_all.to_string(), "addressees": list });
        if !alarms.is_empty() {
            told["alarms"] = settle::document(&alarms).into();
        }
        screen.document(&told)?;
    } else {
        screen.text(&table(&sent, marks, held.is_some(), screen.pen()))?;
    }
    let case = sent.iter().find_map(|sent| sent.outcome.as_ref().ok()).map(|o| o.case_id.clone());
    match (sent.iter().find_map(|sent| sent.outcome.as_ref().err()), case) {
        (None, case) => {
            let case = case.map(|id| super::outcome::case_id(&id)).unwrap_or_default();
            let next = held.unwrap_or_else(|| format!("detente desk case {}", short(&case)));
            screen.message(&format!("next: {next}"));
            Ok(Exit::Success)
        }
        (Some(failure), _) => {
            screen.message(&format!(
                "next: correct what is wrong and run the same command with --message-id {of_all}: \
                 only what is missing is sent"
            ));
            Ok(failure.exit)
        }
    }
}

/// " TEST", " EXERCISE", or nothing.
fn marks(request: &api::SendRequestRequest) -> &'static str {
    match (request.test, request.exercise) {
        (true, true) => " TEST EXERCISE",
        (true, false) => " TEST",
        (false, true) => " EXERCISE",
        (false, false) => "",
    }
}

fn table(sent: &[Sent], marks: &str, held: bool, pen: Pen) -> String {
    let row = |Sent { to, outcome }: &Sent| {
        let (id, ink, state) = match outcome {
            Ok(outcome) => {
                let recorded = outcome.state() == api::StatementState::Recorded;
                let state = if recorded {
                    format!(
                        "recorded{marks} as record {} at {}",
                        outcome.index,
                        render_utc(outcome.time_ms)
                    )
                } else if held {
                    format!("{HELD}{marks}")
                } else {
                    format!("queued{marks}")
                };
                let ink = if recorded { Ink::Green } else { Ink::Yellow };
                (short(&request_id(&outcome.request_id)).to_owned(), ink, state)
            }
            Err(Failure { code, why, .. }) => {
                ("-".to_owned(), Ink::Red, format!("not sent: {code} {why}"))
            }
        };
        vec![(Ink::Plain, to.to_string()), (Ink::Bold, id), (ink, state)]
    };
    pen.table(&["TO", "ID", "STATE"], &sent.iter().map(row).collect::<Vec<_>>())
}

fn sent_json(Sent { to, outcome }: &Sent) -> Value {
    let mut document = match outcome {
        Ok(outcome) => document(outcome),
        Err(Failure { code, reason, why, next, .. }) => json!({
            "state": "NOT_SENT",
            "error": { "code": code, "reason": reason, "cause": why, "next": next },
        }),
    };
    document["to"] = json!(to.to_string());
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_from_one_and_from_the_addressee() {
        let (one, other) = (MessageId([1; 16]), MessageId([2; 16]));
        let (ro, md): (DeskId, DeskId) = ("RO/cyber".parse().unwrap(), "MD/cyber".parse().unwrap());
        assert_eq!(message_to(one, &ro), message_to(one, &ro));
        assert_ne!(message_to(one, &ro), message_to(one, &md));
        assert_ne!(message_to(one, &ro), message_to(other, &ro));
        assert_eq!(case_of(one), case_of(one));
        assert_ne!(case_of(one), case_of(other));
        assert_ne!(case_of(one).0, one.0, "who has the case cannot tell the other statements");
    }

    #[test]
    fn one_that_fails_is_shown_beside_those_that_do_not() {
        let ok = api::StatementOutcome {
            request_id: vec![0x4f; 16],
            case_id: vec![2; 16],
            state: api::StatementState::Recorded.into(),
            index: 7,
            ..Default::default()
        };
        let refused = api::StatementOutcome {
            state: api::StatementState::Refused.into(),
            refused: Some(api::Refused { code: "R-201".into(), ..Default::default() }),
            ..ok.clone()
        };
        let sent = [
            Sent::new("RO/cyber".parse().unwrap(), Ok(ok)),
            Sent::new("MD/cyber".parse().unwrap(), Ok(refused)),
        ];
        let table = table(&sent, " EXERCISE", false, Pen::PLAIN);
        let rows: Vec<&str> = table.lines().collect();
        assert!(rows[1].contains("RO/cyber") && rows[1].contains("recorded EXERCISE"), "{table}");
        assert!(rows[2].contains("not sent: R-201"), "{table}");
        assert_eq!(sent_json(&sent[1])["error"]["code"], "R-201");
        assert_eq!(sent_json(&sent[0])["state"], "RECORDED");
    }
}
