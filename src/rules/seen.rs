//! Repeats, limits and forgetting.
//!
//! Not for sequence numbers, which are evidence of completeness and never a reason to refuse.
//!
//! A statement is recognised by its message id and its sender: the same header again is a repeat
//! and is answered with the record it has, also after its `not_after`; another header, or another
//! desk, under the same id is refused. Statements are remembered with their request; a request is
//! forgotten 30 days after it was settled (its handling closed or withdrawn, and no measure
//! running), but not before the last `not_after` of its statements, by record time. What is
//! repeated after that is refused as stale, and anything new on it as an unknown request, so
//! nothing is ever recorded twice. A statement that was never delivered does not hold up
//! forgetting: its failure is on record, and the desk still finds the record in its own sequence.

use super::refusal::Refusal;
use super::request::{Message, Request};
use super::state::State;
use crate::envelope::{Act, Statement};
use crate::units::{DAY_MS, RequestId, Timestamp};

/// How long a settled request and its statements are remembered, in milliseconds.
pub const REMEMBERED_MS: i64 = 30 * DAY_MS;
/// The most open requests that one member may have made. 300 a day stay open for a month.
pub const OPEN_REQUESTS_MAX: u32 = 10_000;
/// The most requests of one member that are remembered, open or settled: bounds memory against a
/// member that makes and withdraws them without end.
pub const REMEMBERED_REQUESTS_MAX: u32 = 100_000;
/// The most officers' statements on one request; closing and withdrawing remain possible after.
pub const STATEMENTS_MAX: u32 = 1_000;
/// How many requests are forgotten with one event at most: more than are made with one, so that
/// forgetting keeps up without making any one event slow.
const FORGOTTEN_AT_ONCE: usize = 4;

/// The statement that this one repeats, if it does.
///
/// # Errors
/// [`Refusal::MessageIdReused`] when its id belongs to something else.
pub(super) fn repeat<'a>(
    state: &'a State,
    statement: &Statement,
) -> Result<Option<&'a Message>, Refusal> {
    match state.find(statement.message) {
        None => Ok(None),
        Some((request, message))
            if message.header == statement.header
                && *request.desk(message.by) == statement.from =>
        {
            Ok(Some(message))
        }
        Some(_) => Err(Refusal::MessageIdReused { message: statement.message }),
    }
}

/// Refuses what would make the state grow beyond its limits.
///
/// # Errors
/// [`Refusal`] naming the limit.
pub(super) fn check_limits(state: &State, statement: &Statement) -> Result<(), Refusal> {
    match &statement.act {
        Act::Request(_) => {
            let member = statement.from.member;
            let counts = state.counts.get(&member).copied().unwrap_or_default();
            if counts.open >= OPEN_REQUESTS_MAX {
                return Err(Refusal::TooManyOpenRequests { member, max: OPEN_REQUESTS_MAX });
            }
            if counts.all >= REMEMBERED_REQUESTS_MAX {
                let max = REMEMBERED_REQUESTS_MAX;
                return Err(Refusal::TooManyRecentRequests { member, max });
            }
            Ok(())
        }
        Act::Acknowledge { .. }
        | Act::ReviseEstimate { .. }
        | Act::RequestClarification
        | Act::ProvideClarification
        | Act::Determine { .. }
        | Act::Execute { .. }
        | Act::RequestExtension
        | Act::Extend { .. }
        | Act::Mla { .. }
        | Act::Regrade { .. }
        | Act::AnswerConditions(_)
        | Act::ProvideInformation
        | Act::DiscloseTraffic
        | Act::Feedback
        | Act::RequestUseReport
        | Act::ReportUse
        | Act::ReportSecurityIncident => match state.request(statement.request) {
            Some(request) if request.statements >= STATEMENTS_MAX => {
                Err(Refusal::TooManyStatements { request: request.id, max: STATEMENTS_MAX })
            }
            Some(_) | None => Ok(()),
        },
        Act::Withdraw | Act::Close | Act::Receipt { .. } | Act::Retrieval { .. } => Ok(()),
    }
}

/// When a request is forgotten; none while it is open.
pub(super) fn forgotten_at(request: &Request) -> Option<Timestamp> {
    request.settled.map(|at| at.plus_ms(REMEMBERED_MS).max(request.not_after))
}

/// Forgets what is past its time, a few at once.
pub(super) fn forget(state: &mut State, now: Timestamp) {
    for _ in 0..FORGOTTEN_AT_ONCE {
        match state.forget.first().copied() {
            Some((at, id)) if at <= now => forget_one(state, id),
            Some(_) | None => return,
        }
    }
}

fn forget_one(state: &mut State, id: RequestId) {
    let Some(request) = state.requests.get(&id) else { return };
    let messages: Vec<_> = request.messages.keys().copied().collect();
    let before = state.entries(id, &messages);
    for message in &messages {
        state.messages.remove_mut(message);
    }
    state.requests.remove_mut(&id);
    state.relist(before, state.entries(id, &[]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::words::{Instrument, RequestType, Urgency};
    use crate::envelope::{RequestFacts, Signer};
    use crate::rules::state::Counts;
    use crate::rules::{Event, Kind, Stamp};
    use crate::units::{CaseId, Hash, Index, MessageId};

    fn statement(act: Act) -> Statement {
        Statement {
            header: Hash([1; 32]),
            message: MessageId([1; 16]),
            from: "NL/cyber".parse().unwrap(),
            signer: Signer::Desk,
            approval: crate::envelope::Approval::None,
            signer_key: Hash([1; 32]),
            to: "RO/cyber".parse().unwrap(),
            case: CaseId([1; 16]),
            request: RequestId([1; 16]),
            in_reply_to: None,
            sequence: 1,
            created: Timestamp(0),
            not_after: Timestamp(1),
            seen: None,
            ciphertext_len: 0,
            act,
        }
    }

    fn request() -> Statement {
        statement(Act::Request(RequestFacts {
            kind: RequestType::Preservation,
            instrument: Instrument::Budapest,
            urgency: Urgency::Expedited,
            test: false,
            exercise: false,
            parent: None,
            prior_conditions: false,
            embargo_until: None,
        }))
    }

    #[test]
    fn requests_are_limited_by_member() {
        let new = request();
        let cases = [
            (OPEN_REQUESTS_MAX - 1, REMEMBERED_REQUESTS_MAX - 1, None),
            (OPEN_REQUESTS_MAX, OPEN_REQUESTS_MAX, Some("R-407")),
            (1, REMEMBERED_REQUESTS_MAX, Some("R-408")),
        ];
        for (open, all, expected) in cases {
            let mut state = State::default();
            state.counts.insert_mut(new.from.member, Counts { open, all });
            let code = check_limits(&state, &new).err().map(|refusal| refusal.code());
            assert_eq!(code, expected, "{open} open of {all}");
        }
    }

    #[test]
    fn statements_are_limited_by_request_but_it_can_still_be_ended() {
        let mut state = State::default();
        let opening = request();
        let event = Event {
            from: Some(opening.from.clone()),
            to: Some(opening.to.clone()),
            request: Some(opening.request),
            kind: Kind::Accepted(Box::new(opening.clone())),
        };
        let stamp = Stamp { index: Index(0), time: Timestamp(0), event_hash: Hash([0; 32]) };
        state.add(&event, stamp);
        state.requests.get_mut(&opening.request).unwrap().statements = STATEMENTS_MAX;
        let cases =
            [(Act::RequestClarification, Some("R-409")), (Act::Withdraw, None), (Act::Close, None)];
        for (act, expected) in cases {
            let code = check_limits(&state, &statement(act)).err().map(|refusal| refusal.code());
            assert_eq!(code, expected);
        }
    }
}
