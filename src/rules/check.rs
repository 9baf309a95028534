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
use crate::envelope::words::{Extent, Instrument, MlaStep, Outcome, RequestType, Role, Urgency};
use crate::envelope::{Act, Approval, RequestFacts, Signer, Statement};
use crate::units::{DAY_MS, Hash, MINUTE_MS, MessageId, OfficerId, Timestamp};

/// How far a desk's clock may be ahead of the relay's, in milliseconds.
pub const AHEAD_MS_MAX: i64 = 5 * MINUTE_MS;
/// How long a statement may be good for, in milliseconds: a weekend and a public holiday each side.
pub const LIFETIME_MS_MAX: i64 = 7 * DAY_MS;
/// The largest sealed body, in bytes; a relay may be configured to take less.
pub const BODY_BYTES_MAX: u32 = 1 << 20;
/// The shortest preservation, in days: Budapest Convention Art. 29(7).
pub const PRESERVATION_DAYS_MIN: u32 = 60;
/// How long an embargo may be, in milliseconds from when the request says it was made: 60 days. A
/// desk keeps a private key for 90 days after it was replaced, so that 30 are left to fetch a body
/// that was sealed to a key on its last day.
pub const EMBARGO_MS_MAX: i64 = 60 * DAY_MS;

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
    directory.approving_key(statement, now)?;
    if let Act::Request(facts) = &statement.act {
        check_approval(facts.kind, statement)?;
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
    // A retired desk finishes what is open.
    let new = matches!(statement.act, Act::Request(_));
    let speaks = |id| directory.desk(id).filter(|desk| !(new && desk.retired));
    let sender = speaks(from).and_then(|_| directory.member(from.member));
    let Some(sender) = sender else {
        return Err(Refusal::UnknownSender { desk: from.clone() });
    };
    let recipient = speaks(to).and_then(|_| directory.member(to.member));
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
    check_type(facts)?;
    check_embargo(statement, facts)?;
    if facts.prior_conditions && request_type::asks(facts.kind) {
        return Err(Refusal::PriorConditionsMisplaced { kind: facts.kind });
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

/// Urgency and parent are what the type allows.
fn check_type(facts: &RequestFacts) -> Result<(), Refusal> {
    let RequestFacts { kind, urgency, .. } = *facts;
    request_type::check_urgency(kind, urgency)?;
    if request_type::needs_parent(kind) && facts.parent.is_none() {
        return Err(Refusal::ParentMissing { kind });
    }
    Ok(())
}

fn check_embargo(statement: &Statement, facts: &RequestFacts) -> Result<(), Refusal> {
    let Some(until) = facts.embargo_until else { return Ok(()) };
    let created = statement.created;
    if until <= created {
        return Err(Refusal::EmbargoPassed { until, now: created });
    }
    let latest = created.plus_ms(EMBARGO_MS_MAX);
    if until > latest {
        return Err(Refusal::EmbargoTooLong { until, latest });
    }
    if facts.urgency == Urgency::Emergency {
        return Err(Refusal::EmbargoInEmergency);
    }
    Ok(())
}

/// A request that follows from `parent`: the parent is the sender's own, its type has such a
/// follow-on, and a test or an exercise stays one.
///
/// # Errors
/// [`Refusal`] saying which of these does not hold.
pub fn check_parent(
    parent: &Request,
    statement: &Statement,
    facts: &RequestFacts,
) -> Result<(), Refusal> {
    if parent.side(&statement.from).is_none() || !parent.is_known_to(&statement.from) {
        return Err(Refusal::ParentNotYours { parent: parent.id });
    }
    let (kind, parent_kind) = (facts.kind, parent.facts.kind);
    if !request_type::follows(kind, parent_kind) {
        return Err(Refusal::ParentNotForType { kind, parent: parent.id, parent_kind });
    }
    if (parent.facts.test, parent.facts.exercise) != (facts.test, facts.exercise) {
        return Err(Refusal::FlagsNotKept { parent: parent.id });
    }
    Ok(())
}

/// The request that carries a mutual assistance request is one, between the same two members.
///
/// # Errors
/// [`Refusal`] saying which of these does not hold.
pub fn check_link(carrier: &Request, statement: &Statement) -> Result<(), Refusal> {
    let (carrier_id, kind) = (carrier.id, carrier.facts.kind);
    let members = [carrier.from.member, carrier.to.member];
    let same = members.contains(&statement.from.member) && members.contains(&statement.to.member);
    if !same || carrier.is_under_embargo() {
        return Err(Refusal::LinkNotYours { carrier: carrier_id });
    }
    if request_type::is_mla(kind) {
        Ok(())
    } else {
        Err(Refusal::LinkNotMla { carrier: carrier_id, kind })
    }
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
    check_approval(request.facts.kind, statement)?;
    match statement.in_reply_to {
        None => return Err(Refusal::ReplyMissing { act: statement.act.name() }),
        Some(reply) if !request.headers.contains(&reply) => {
            return Err(Refusal::UnknownReply { reply });
        }
        Some(_known) => {}
    }
    check_facts(directory, request, statement)?;
    request.decide(&statement.act, side)
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

/// The side whose act it is; none where it is either's, or which one depends on the request.
const fn party(act: &Act) -> Option<Side> {
    match act {
        Act::Request(_)
        | Act::ProvideClarification
        | Act::RequestExtension
        | Act::Withdraw
        | Act::ProvideInformation
        | Act::Mla { step: MlaStep::Sent, .. } => Some(Side::Requesting),
        Act::Acknowledge { .. }
        | Act::ReviseEstimate { .. }
        | Act::RequestClarification
        | Act::Determine { .. }
        | Act::Execute { .. }
        | Act::Extend { .. }
        | Act::Regrade { .. }
        | Act::DiscloseTraffic
        | Act::Mla { step: MlaStep::Received | MlaStep::Decided, .. } => Some(Side::Requested),
        Act::Close
        | Act::AnswerConditions(_)
        | Act::Feedback
        | Act::RequestUseReport
        | Act::ReportUse
        | Act::ReportSecurityIncident
        | Act::Receipt { .. }
        | Act::Retrieval { .. } => None,
    }
}

/// What either side may do needs the role of the side that does it; the other acts' roles were
/// checked with the key.
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

/// What hands data over has a second officer behind it, or one who says that there is none.
/// Nothing else has.
const fn check_approval(kind: RequestType, statement: &Statement) -> Result<(), Refusal> {
    let act = statement.act.name();
    match (&statement.approval, request_type::discloses(kind, &statement.act)) {
        (Approval::None, true) => Err(Refusal::SecondOfficerMissing { act, kind }),
        (Approval::By { .. } | Approval::Alone, false) => {
            Err(Refusal::ApprovalMisplaced { act, kind })
        }
        (Approval::None, false) | (Approval::By { .. } | Approval::Alone, true) => Ok(()),
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
    let speaks_of_it =
        matches!(act, Act::RequestExtension | Act::Extend { .. } | Act::DiscloseTraffic);
    if speaks_of_it && !has_measure {
        return Err(Refusal::NoMeasure { act: act.name(), kind });
    }
    if !request_type::takes(kind, act) {
        return Err(Refusal::ActNotForType { act: act.name(), kind });
    }
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
        Act::Execute { extent, mla_demanded: true, .. }
            if *extent == Extent::NoDataHeld || !request_type::may_demand_mla(kind) =>
        {
            Err(Refusal::MlaDemandMisplaced { kind })
        }
        Act::Execute { extent, preserved_until, .. } => {
            match (has_measure, extent, preserved_until) {
                (false, _, None) | (true, Extent::NoDataHeld, None) => Ok(()),
                (false, _, Some(_)) => Err(Refusal::NoMeasure { act: act.name(), kind }),
                (true, Extent::NoDataHeld, Some(_)) => Err(Refusal::EndMisplaced),
                (true, Extent::Executed | Extent::ExecutedInPart, None) => Err(Refusal::EndMissing),
                (true, Extent::Executed | Extent::ExecutedInPart, Some(until)) => {
                    ahead(*until)?;
                    check_length(directory, request, *until)
                }
            }
        }
        Act::Extend { preserved_until } => ahead(*preserved_until),
        Act::Request(_)
        | Act::Determine { .. }
        | Act::RequestClarification
        | Act::ProvideClarification
        | Act::RequestExtension
        | Act::Withdraw
        | Act::Close
        | Act::Mla { .. }
        | Act::Regrade { .. }
        | Act::AnswerConditions(_)
        | Act::ProvideInformation
        | Act::DiscloseTraffic
        | Act::Feedback
        | Act::RequestUseReport
        | Act::ReportUse
        | Act::ReportSecurityIncident
        | Act::Receipt { .. }
        | Act::Retrieval { .. } => Ok(()),
    }
}

/// Art. 29(7), and the requested member's own minimum, both counted from when it was submitted.
fn check_length(directory: &Directory, request: &Request, given: Timestamp) -> Result<(), Refusal> {
    if !request_type::has_shortest(request.facts.kind) {
        return Ok(());
    }
    let own = directory.member(request.to.member).map_or(0, |m| m.preservation_days_min);
    let days = own.max(PRESERVATION_DAYS_MIN);
    let earliest = request.submitted.plus_ms(i64::from(days).saturating_mul(DAY_MS));
    if given < earliest { Err(Refusal::TooShort { given, earliest, days }) } else { Ok(()) }
}
