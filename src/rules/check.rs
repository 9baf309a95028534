//! What a statement must be to be accepted, apart from repeats and limits.
//!
//! Not for who signed the bytes: the signature is verified before, with
//! [`Directory::signing_key`](super::Directory::signing_key). A desk runs this before it seals; the
//! relay runs it again when it decides.

use super::member::{Directory, roles_for};
use super::refusal::Refusal;
use super::request::{Request, Side};
use super::request_type;
use super::transport::Move;
use crate::envelope::words::{Extent, Instrument, MlaStep, Outcome, Role, Urgency};
use crate::envelope::{Act, RequestFacts, Signer, Statement};
use crate::units::{DAY_MS, Hash, MINUTE_MS, MessageId, OfficerId, Timestamp};

/// How far a desk's clock may be ahead of the relay's, in milliseconds.
pub const AHEAD_MS_MAX: i64 = 5 * MINUTE_MS;
/// How long a statement may be good for, in milliseconds: a weekend and a public holiday each side.
pub const LIFETIME_MS_MAX: i64 = 7 * DAY_MS;
/// The largest sealed body, in bytes; a relay may be configured to take less.
pub const BODY_BYTES_MAX: u32 = 1 << 20;
/// The shortest preservation, in days: Budapest Convention Art. 29(7).
pub const PRESERVATION_DAYS_MIN: u32 = 60;

/// May this statement be made now? `request` is the one it belongs to, as far as it is known; none
/// for a new one.
///
/// # Errors
/// [`Refusal`] with the first thing that is wrong: form and time, then who, then what, then stage.
pub fn check(
    directory: &Directory,
    request: Option<&Request>,
    statement: &Statement,
    now: Timestamp,
) -> Result<(), Refusal> {
    if directory.network().is_none() {
        return Err(Refusal::NotFounded);
    }
    check_time(statement, now)?;
    check_size(statement)?;
    check_desks(directory, statement)?;
    directory.signing_key(statement, now)?;
    if let Act::Request(facts) = &statement.act {
        return check_new(directory, request, statement, facts);
    }
    match request {
        Some(request) => check_act(directory, request, statement),
        None => Err(Refusal::UnknownRequest { request: statement.request }),
    }
}

fn check_time(statement: &Statement, now: Timestamp) -> Result<(), Refusal> {
    let Statement { created, not_after, .. } = *statement;
    if not_after <= now {
        return Err(Refusal::Stale { not_after, now });
    }
    if created > now.plus_ms(AHEAD_MS_MAX) {
        return Err(Refusal::CreatedInFuture { created, now });
    }
    let latest = created.plus_ms(LIFETIME_MS_MAX);
    if not_after > latest {
        return Err(Refusal::LifetimeTooLong { not_after, latest });
    }
    Ok(())
}

const fn check_size(statement: &Statement) -> Result<(), Refusal> {
    let bytes = statement.ciphertext_len;
    if bytes > BODY_BYTES_MAX {
        return Err(Refusal::TooLarge { bytes, max: BODY_BYTES_MAX });
    }
    Ok(())
}

/// Both desks are there, of two members, and may speak with each other.
fn check_desks(directory: &Directory, statement: &Statement) -> Result<(), Refusal> {
    let (from, to) = (&statement.from, &statement.to);
    let sender = directory.desk(from).and_then(|_| directory.member(from.member));
    let Some(sender) = sender else {
        return Err(Refusal::UnknownSender { desk: from.clone() });
    };
    let recipient = directory.desk(to).and_then(|_| directory.member(to.member));
    let Some(recipient) = recipient else {
        return Err(Refusal::UnknownRecipient { desk: to.clone() });
    };
    if from.member == to.member {
        return Err(Refusal::SameMember { member: from.member });
    }
    let (may_send, may_receive) = if let Act::Request(facts) = &statement.act {
        (sender.status.may_request(), recipient.status.may_receive(facts.urgency))
    } else {
        (sender.status.may_answer(), recipient.status.may_answer())
    };
    if !may_send {
        return Err(Refusal::SenderNotAllowed {
            member: from.member,
            status: sender.status.as_str(),
            act: statement.act.name(),
        });
    }
    if !may_receive {
        return Err(Refusal::RecipientNotAllowed {
            member: to.member,
            status: recipient.status.as_str(),
        });
    }
    Ok(())
}

fn check_new(
    directory: &Directory,
    known: Option<&Request>,
    statement: &Statement,
    facts: &RequestFacts,
) -> Result<(), Refusal> {
    let Statement { request, message, .. } = *statement;
    if request != message.into() {
        return Err(Refusal::RequestIdMismatch { request, message });
    }
    if known.is_some() {
        return Err(Refusal::MessageIdReused { message });
    }
    if facts.test && facts.urgency == Urgency::Emergency {
        return Err(Refusal::TestNeverEmergency);
    }
    let (a, b) = (statement.from.member, statement.to.member);
    if !request_type::allows(facts.kind, &facts.instrument) {
        return Err(Refusal::InstrumentNotForType {
            instrument: facts.instrument.clone(),
            kind: facts.kind,
        });
    }
    let common = directory.common_instruments(a, b, facts.kind);
    if !common.contains(&facts.instrument) {
        let names: Vec<String> = common.iter().map(Instrument::to_string).collect();
        let common = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let instrument = facts.instrument.clone();
        return Err(Refusal::NoCommonInstrument { instrument, a, b, common });
    }
    Ok(())
}

/// An act on a known request.
fn check_act(
    directory: &Directory,
    request: &Request,
    statement: &Statement,
) -> Result<(), Refusal> {
    let side = check_party(request, statement)?;
    if let Act::Receipt { of, header, rejected } = &statement.act {
        return check_machine(request, side, *of, *header, Move::Receipt(*rejected));
    }
    if let Act::Retrieval { of, header, failed } = &statement.act {
        return check_machine(request, side, *of, *header, Move::Retrieval(*failed));
    }
    check_role(directory, side, statement)?;
    match statement.in_reply_to {
        None => return Err(Refusal::ReplyMissing { act: statement.act.name() }),
        Some(reply) if !request.headers.contains(&reply) => {
            return Err(Refusal::UnknownReply { reply });
        }
        Some(_known) => {}
    }
    check_facts(directory, request, statement)?;
    request.handling.decide(&statement.act, side)?;
    request.measure.decide(&statement.act)?;
    if let Act::Mla(step) = statement.act {
        request.follow_up.decide(step)?;
    }
    Ok(())
}

/// The desks are the two parties, the case is the request's, and the act is this side's.
fn check_party(request: &Request, statement: &Statement) -> Result<Side, Refusal> {
    let side = match request.side(&statement.from) {
        Some(side) if request.side(&statement.to).is_some() => side,
        _stranger => {
            return Err(Refusal::NotAParty {
                request: request.id,
                from: statement.from.clone(),
                to: statement.to.clone(),
            });
        }
    };
    if statement.case != request.case {
        return Err(Refusal::CaseMismatch { request: request.id });
    }
    match party(&statement.act) {
        Some(party) if party != side => {
            Err(Refusal::WrongParty { act: statement.act.name(), party: party.as_str() })
        }
        Some(_) | None => Ok(side),
    }
}

/// The side whose act it is; none where it is either's.
const fn party(act: &Act) -> Option<Side> {
    match act {
        Act::Request(_)
        | Act::ProvideClarification
        | Act::RequestExtension
        | Act::Withdraw
        | Act::Mla(MlaStep::Sent) => Some(Side::Requesting),
        Act::Acknowledge { .. }
        | Act::ReviseEstimate { .. }
        | Act::RequestClarification
        | Act::Determine { .. }
        | Act::Execute { .. }
        | Act::Extend { .. }
        | Act::Mla(MlaStep::Received | MlaStep::Decided) => Some(Side::Requested),
        Act::Close | Act::Receipt { .. } | Act::Retrieval { .. } => None,
    }
}

/// `Close` needs the role of the side that closes; the other acts' roles were checked with the key.
fn check_role(directory: &Directory, side: Side, statement: &Statement) -> Result<(), Refusal> {
    let Signer::Officer(name) = &statement.signer else { return Ok(()) };
    if roles_for(&statement.act).len() < 2 {
        return Ok(());
    }
    let role = match side {
        Side::Requesting => Role::Request,
        Side::Requested => Role::Answer,
    };
    let id = OfficerId { desk: statement.from.clone(), name: name.clone() };
    match directory.officer(&id) {
        Some(officer) if officer.roles.contains(&role) => Ok(()),
        Some(_) | None => {
            Err(Refusal::RoleMissing { officer: id, act: statement.act.name(), role })
        }
    }
}

/// A receipt or a retrieval: of a statement that was addressed to this desk.
fn check_machine(
    request: &Request,
    side: Side,
    of: MessageId,
    header: Hash,
    by: Move,
) -> Result<(), Refusal> {
    let Some(message) = request.messages.get(&of).filter(|message| message.by != side) else {
        return Err(Refusal::UnknownStatement { of });
    };
    if message.machine {
        return Err(Refusal::NoBody { of });
    }
    if message.header != header {
        return Err(Refusal::HeaderMismatch { of, header });
    }
    message.transport.decide(of, by).map(drop)
}

/// Dates and outcomes that make sense by themselves and for the type.
fn check_facts(
    directory: &Directory,
    request: &Request,
    statement: &Statement,
) -> Result<(), Refusal> {
    let act = &statement.act;
    let kind = request.facts.kind;
    let created = statement.created;
    let has_measure = request_type::has_measure(kind);
    let ahead = |given: Timestamp| {
        if given > created { Ok(()) } else { Err(Refusal::NotAhead { given, created }) }
    };
    match act {
        Act::Acknowledge { estimated_at, .. } | Act::ReviseEstimate { estimated_at } => {
            ahead(*estimated_at)
        }
        Act::Determine { outcome: Outcome::Postponed, review_at } => {
            ahead(review_at.ok_or(Refusal::ReviewMissing)?)
        }
        Act::Determine { outcome, review_at: Some(_) } => {
            Err(Refusal::ReviewMisplaced { outcome: *outcome })
        }
        Act::Execute { extent, preserved_until } => match (has_measure, extent, preserved_until) {
            (false, _, None) | (true, Extent::NoDataHeld, None) => Ok(()),
            (false, _, Some(_)) => Err(Refusal::NoMeasure { act: act.name(), kind }),
            (true, Extent::NoDataHeld, Some(_)) => Err(Refusal::EndMisplaced),
            (true, Extent::Executed | Extent::ExecutedInPart, None) => Err(Refusal::EndMissing),
            (true, Extent::Executed | Extent::ExecutedInPart, Some(until)) => {
                ahead(*until)?;
                check_length(directory, request, *until)
            }
        },
        Act::RequestExtension | Act::Extend { .. } | Act::Mla(_) if !has_measure => {
            Err(Refusal::NoMeasure { act: act.name(), kind })
        }
        Act::Extend { preserved_until } => ahead(*preserved_until),
        Act::Request(_)
        | Act::Determine { .. }
        | Act::RequestClarification
        | Act::ProvideClarification
        | Act::RequestExtension
        | Act::Withdraw
        | Act::Close
        | Act::Mla(_)
        | Act::Receipt { .. }
        | Act::Retrieval { .. } => Ok(()),
    }
}

/// Art. 29(7), and the requested member's own minimum, both counted from when it was submitted.
fn check_length(directory: &Directory, request: &Request, given: Timestamp) -> Result<(), Refusal> {
    let own = directory.member(request.to.member).map_or(0, |m| m.preservation_days_min);
    let days = own.max(PRESERVATION_DAYS_MIN);
    let earliest = request.submitted.plus_ms(i64::from(days).saturating_mul(DAY_MS));
    if given < earliest { Err(Refusal::TooShort { given, earliest, days }) } else { Ok(()) }
}
