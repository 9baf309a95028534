//! The rules of the network. Dispatch only: what may happen, what then is, and what comes next.
//!
//! Not for bytes, clocks, disks or networks: values in, values out. The same events in the same
//! order give the same [`State`] on every machine and in every year.
//!
//! `decide` answers a [`Command`] with what happened or with one [`Refusal`]; `apply` adds what
//! happened, and cannot refuse: a committed event is true.

pub mod check;
pub mod command;
pub mod deadline;
pub mod event;
pub mod follow_up;
pub mod handling;
pub mod measure;
pub mod member;
pub mod refusal;
pub mod request;
pub mod request_type;
pub mod seen;
mod state;
pub mod transport;

pub use check::check;
pub use command::{Command, Deadline, DeadlineKind, ErasureReason};
pub use event::{Event, Kind, Numbering, OfferFailure, Stamp};
pub use follow_up::FollowUp;
pub use handling::Handling;
pub use measure::Measure;
pub use member::{Directory, Status};
pub use refusal::{Class, Refusal};
pub use request::{Message, Request, Side};
pub use state::State;
pub use transport::{Evidence, Transport};

use crate::envelope::genesis::Genesis;
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
    /// Nothing happens: the deadline is obsolete, or the offer was noted before or matters no more.
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
    check(state.directory(), state.request(statement.request), statement, now)?;
    check_parent(state, statement)?;
    seen::check_limits(state, statement)?;
    Ok(Decision::New(Event {
        from: Some(statement.from.clone()),
        to: Some(statement.to.clone()),
        request: Some(statement.request),
        kind: Kind::Accepted(Box::new(statement.clone())),
    }))
}

/// A parent that is known must be the sender's own; one that is forgotten cannot be looked at.
fn check_parent(state: &State, statement: &Statement) -> Result<(), Refusal> {
    let Act::Request(facts) = &statement.act else { return Ok(()) };
    match facts.parent.and_then(|parent| state.request(parent)) {
        Some(parent) if parent.side(&statement.from).is_none() => {
            Err(Refusal::ParentNotYours { parent: parent.id })
        }
        Some(_) | None => Ok(()),
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
    let kind = Kind::BodyErased { index, reason };
    match state.find(of) {
        None => Ok(own(kind)),
        Some((_, message)) if message.index != index => Err(Refusal::UnknownStatement { of }),
        Some((_, message)) if message.machine => Err(Refusal::NoBody { of }),
        Some((_, message)) if message.erased => Ok(Decision::Nothing),
        Some((request, message)) => Ok(Decision::New(concerning(request, message, kind))),
    }
}

/// An event about a statement, for both its desks.
fn concerning(request: &Request, message: &Message, kind: Kind) -> Event {
    Event {
        from: Some(request.desk(message.by).clone()),
        to: Some(request.recipient(message).clone()),
        request: Some(request.id),
        kind,
    }
}

/// An event of the relay's own.
const fn own(kind: Kind) -> Decision {
    Decision::New(Event { from: None, to: None, request: None, kind })
}
