//! The rules of the network. Dispatch only: what may happen, what then is, and what comes next.
//!
//! Not for bytes, clocks, disks or networks: values in, values out. The same events in the same
//! order give the same [`State`] on every machine and in every year.
//!
//! `decide` answers a [`Command`] with what happened or with one [`Refusal`]; `apply` adds what
//! happened, and cannot refuse: a committed event is true.

pub mod aftermath;
pub mod check;
pub mod command;
pub mod conditions;
pub mod deadline;
pub mod entry;
pub mod event;
pub mod follow_up;
pub mod grade;
pub mod handling;
pub mod measure;
pub mod member;
pub mod refusal;
mod refusal_table;
pub mod request;
pub mod request_type;
pub mod seen;
mod state;
pub mod target;
pub mod transport;

pub use aftermath::{Aftermath, UseReport};
pub use check::{check, check_link, check_parent};
pub use command::{ClockWitness, Command, Deadline, DeadlineKind, ErasureReason};
pub use conditions::Conditions;
pub use event::{Event, Kind, Numbering, OfferFailure, Stamp};
pub use follow_up::FollowUp;
pub use grade::Grade;
pub use handling::Handling;
pub use measure::Measure;
pub use member::{Directory, Status};
pub use refusal::{Class, Refusal};
pub use request::{Message, Request, Side};
pub use state::State;
pub use transport::{Evidence, Transport};

use crate::envelope::entry::Entry;
use crate::envelope::genesis::{Announcement, Genesis};
use crate::envelope::{Act, Statement};
use crate::units::{DeskId, Index, MessageId, Timestamp};

/// What a command comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Something happens: record it, then `apply` it.
    New(Event),
    /// It was recorded before: answer with that record.
    Repeat {
        /// The record.
        index: Index,
        /// Record time.
        time: Timestamp,
    },
    /// Nothing happens: the deadline is obsolete, or the offer was noted before or matters no more,
    /// or nobody doubts the clock.
    Nothing,
}

/// May this be done at `now`, and what happens then? Changes nothing.
///
/// # Errors
/// One [`Refusal`] with a permanent code.
pub fn decide(state: &State, command: &Command, now: Timestamp) -> Result<Decision, Refusal> {
    match command {
        Command::Found(genesis) => found(state, genesis),
        Command::Submit { caller, statement } => submit(state, caller, statement, now),
        Command::Publish { caller, entry } => publish(state, caller, entry, now),
        Command::AnnounceLogKey(announced) => Ok(announce(state, announced)),
        Command::NoteOffer { message } => {
            advance(state, *message, transport::Move::Offer, Kind::Offered { message: *message })
        }
        Command::PassDeadline(deadline) => pass(state, *deadline, now),
        Command::EraseBody { index, message, reason } => erase(state, *index, *message, *reason),
        Command::NoteTruncation { bytes, sha256 } => Ok(own(Kind::TailTruncated {
            next_index: state.next_index(),
            bytes: *bytes,
            sha256: *sha256,
        })),
        Command::NoteClockStep { step_ms } => Ok(own(Kind::ClockStepped { step_ms: *step_ms })),
        Command::ConfirmClock { by } if state.clock_in_doubt() => {
            Ok(own(Kind::ClockConfirmed { by: *by }))
        }
        Command::ConfirmClock { .. } => Ok(Decision::Nothing),
        Command::Pad => Ok(own(Kind::Padded)),
    }
}

/// Adds an event that was committed, then forgets what is past its time. Cannot refuse, and gives
/// the same state from the same events, always.
pub fn apply(state: &mut State, event: &Event, stamp: Stamp) {
    state.add(event, stamp);
}

fn found(state: &State, genesis: &Genesis) -> Result<Decision, Refusal> {
    match state.directory().network() {
        Some(network) => Err(Refusal::AlreadyFounded { network: network.name.clone() }),
        None => Ok(own(Kind::Founded(Box::new(genesis.clone())))),
    }
}

fn submit(
    state: &State,
    caller: &DeskId,
    statement: &Statement,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    if *caller != statement.from {
        let from = statement.from.clone();
        return Err(Refusal::WrongCaller { caller: caller.clone(), from });
    }
    if let Some(Message { index, time, .. }) = seen::repeat(state, statement)? {
        return Ok(Decision::Repeat { index: *index, time: *time });
    }
    // What is under embargo is not there for its recipient.
    let request = state
        .request(statement.request)
        .filter(|request| !request.is_under_embargo() || request.from == statement.from);
    check(state.directory(), request, statement, now)?;
    check_relations(state, statement, now)?;
    seen::check_limits(state, statement)?;
    Ok(Decision::New(Event::accepted(statement, request)))
}

fn publish(
    state: &State,
    caller: &DeskId,
    entry: &Entry,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    match entry::repeat(state, entry)? {
        Some(entry::Published { index, time, .. }) => {
            Ok(Decision::Repeat { index: *index, time: *time })
        }
        None => {
            entry::check(state, caller, entry, now)?;
            Ok(own(Kind::EntryPublished(Box::new(entry.clone()))))
        }
    }
}

/// Each key is announced once, and in its turn.
fn announce(state: &State, announced: &Announcement) -> Decision {
    let is_next = state.directory().network().is_some_and(|network| {
        announced.check(&network.name, network.genesis, &network.log_keys).is_ok()
    });
    if is_next {
        own(Kind::LogKeyAnnounced(Box::new(announced.clone())))
    } else {
        Decision::Nothing
    }
}

/// What a statement says of other requests, and of an embargo that may have passed on the way.
fn check_relations(state: &State, statement: &Statement, now: Timestamp) -> Result<(), Refusal> {
    match &statement.act {
        Act::Request(facts) => {
            if let Some(until) = facts.embargo_until.filter(|until| *until <= now) {
                return Err(Refusal::EmbargoPassed { until, now });
            }
            match facts.parent.and_then(|parent| state.request(parent)) {
                Some(parent) => check_parent(parent, statement, facts),
                None => Ok(()),
            }
        }
        Act::Mla { carried_by: Some(carrier), .. } => match state.request(*carrier) {
            Some(carrier) => check_link(carrier, statement),
            None => Ok(()),
        },
        Act::Mla { carried_by: None, .. }
        | Act::Acknowledge { .. }
        | Act::ReviseEstimate { .. }
        | Act::RequestClarification
        | Act::ProvideClarification
        | Act::Determine { .. }
        | Act::Execute { .. }
        | Act::RequestExtension
        | Act::Extend { .. }
        | Act::Withdraw
        | Act::Close
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

/// Something happens to a statement on its way. Nothing does to one that is forgotten, or that is a
/// machine's and has no transport of its own.
fn advance(
    state: &State,
    of: MessageId,
    by: transport::Move,
    kind: Kind,
) -> Result<Decision, Refusal> {
    match state.find(of) {
        Some((request, message)) if !message.machine && message.transport.decide(of, by)? => {
            Ok(Decision::New(concerning(request, message, kind)))
        }
        Some(_) | None => Ok(Decision::Nothing),
    }
}

fn pass(state: &State, deadline: Deadline, now: Timestamp) -> Result<Decision, Refusal> {
    if deadline.at > now || !state.deadlines.contains(&deadline) {
        return Ok(Decision::Nothing);
    }
    match deadline.what {
        DeadlineKind::Delivery(message, reason) => {
            let kind = Kind::OfferFailed { message, reason };
            advance(state, message, transport::Move::Fail(reason), kind)
        }
        DeadlineKind::HandOver(message) => {
            advance(state, message, transport::Move::HandOver, Kind::HandedOver { message })
        }
        DeadlineKind::EmbargoEnd(id) => {
            let request = state.request(id);
            let embargo = request.and_then(|request| request.embargo.clone());
            Ok(embargo.map_or(Decision::Nothing, |statement| {
                Decision::New(Event {
                    from: Some(statement.from.clone()),
                    to: Some(statement.to.clone()),
                    request: Some(id),
                    kind: Kind::EmbargoEnded(statement),
                })
            }))
        }
        DeadlineKind::PreservationEnd(id) => {
            Ok(state.request(id).map_or(Decision::Nothing, |request| {
                Decision::New(Event {
                    from: Some(request.from.clone()),
                    to: Some(request.to.clone()),
                    request: Some(id),
                    kind: Kind::PreservationExpired { preserved_until: deadline.at },
                })
            }))
        }
    }
}

/// A body is erased once. Of a statement that is forgotten, only the record is named.
fn erase(
    state: &State,
    index: Index,
    of: MessageId,
    reason: ErasureReason,
) -> Result<Decision, Refusal> {
    let kind = Kind::BodyErased { index, reason, of: Some(of) };
    match state.find(of) {
        None => Ok(own(kind)),
        Some((_, message)) if message.index != index => Err(Refusal::UnknownStatement { of }),
        Some((_, message)) if message.machine => Err(Refusal::NoBody { of }),
        Some((_, message)) if message.erased => Ok(Decision::Nothing),
        Some((request, message)) => Ok(Decision::New(concerning(request, message, kind))),
    }
}

/// An event about a statement, for both its desks, as far as they may know of it.
fn concerning(request: &Request, message: &Message, kind: Kind) -> Event {
    let to = request.recipient(message);
    Event {
        from: Some(request.desk(message.by).clone()),
        to: request.is_known_to(to).then(|| to.clone()),
        request: Some(request.id),
        kind,
    }
}

/// An event of the relay's own.
const fn own(kind: Kind) -> Decision {
    Decision::New(Event { from: None, to: None, request: None, kind })
}
