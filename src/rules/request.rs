//! A request: its facts, its statements, and its four independent axes.
//!
//! Not for who may say what (see `check.rs`). The relay keeps requests in `State`; a desk folds the
//! requests it is a party to from the same events with [`Request::open`] and [`Request::apply`].
//!
//! Invariants: the axes are only changed by events; the statements of a request and their
//! transport go with it when it is forgotten.

use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};
use serde::{Deserialize, Serialize};

use super::event::{Event, Kind, Stamp};
use super::follow_up::FollowUp;
use super::handling::Handling;
use super::measure::Measure;
use super::request_type;
use super::transport::{Move, Transport};
use crate::envelope::{Act, RequestFacts, Statement};
use crate::units::{CaseId, DeskId, Hash, Index, MessageId, RequestId, Timestamp};

/// A request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Its id: the message id of its first statement.
    pub id: RequestId,
    /// The case.
    pub case: CaseId,
    /// The requesting desk.
    pub from: DeskId,
    /// The requested desk.
    pub to: DeskId,
    /// What is asked for.
    pub facts: RequestFacts,
    /// When it was accepted.
    pub submitted: Timestamp,
    /// Handling axis.
    pub handling: Handling,
    /// Measure axis.
    pub measure: Measure,
    /// Follow-up axis.
    pub follow_up: FollowUp,
    /// When the handling ended and no measure was running any more.
    pub settled: Option<Timestamp>,
    /// The statements on it, machines' included, by message id.
    pub messages: RedBlackTreeMapSync<MessageId, Message>,
    /// Headers of those statements: what a later one may reply to.
    pub headers: RedBlackTreeSetSync<Hash>,
    /// Header of its newest statement.
    pub newest_header: Hash,
    /// Hash of its newest event.
    pub newest_event: Hash,
    /// Number of officers' statements on it.
    pub statements: u32,
    /// The latest `not_after` of its statements.
    pub not_after: Timestamp,
}

/// One statement on a request, as remembered: enough to recognise a repeat and to place evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Which side speaks.
    pub by: Side,
    /// SHA-256 of its header.
    pub header: Hash,
    /// Its record.
    pub index: Index,
    /// Record time.
    pub time: Timestamp,
    /// True for what a desk's machine said: no body, no transport of its own.
    pub machine: bool,
    /// True once its body was erased.
    pub erased: bool,
    /// How far it got.
    pub transport: Transport,
}

/// One of the two parties to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Side {
    /// The desk that asked.
    Requesting,
    /// The desk that was asked.
    Requested,
}

impl Side {
    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requesting => "requesting",
            Self::Requested => "requested",
        }
    }
}

impl Request {
    /// The request that an accepted statement opens; none if its act is not a request.
    pub fn open(statement: &Statement, stamp: Stamp) -> Option<Self> {
        let Act::Request(facts) = &statement.act else { return None };
        let mut request = Self {
            id: statement.request,
            case: statement.case,
            from: statement.from.clone(),
            to: statement.to.clone(),
            facts: facts.clone(),
            submitted: stamp.time,
            handling: Handling::New,
            measure: Measure::None,
            follow_up: if request_type::has_measure(facts.kind) {
                FollowUp::MlaIntended
            } else {
                FollowUp::None
            },
            settled: None,
            messages: RedBlackTreeMapSync::new_sync(),
            headers: RedBlackTreeSetSync::new_sync(),
            newest_header: statement.header,
            newest_event: stamp.event_hash,
            statements: 0,
            not_after: statement.not_after,
        };
        request.remember(statement, stamp);
        Some(request)
    }

    /// Which side a desk is; none when it is not a party.
    pub fn side(&self, desk: &DeskId) -> Option<Side> {
        if *desk == self.from {
            Some(Side::Requesting)
        } else if *desk == self.to {
            Some(Side::Requested)
        } else {
            None
        }
    }

    /// The desk on a side.
    pub const fn desk(&self, side: Side) -> &DeskId {
        match side {
            Side::Requesting => &self.from,
            Side::Requested => &self.to,
        }
    }

    /// The desk that a statement on it is addressed to.
    pub const fn recipient(&self, message: &Message) -> &DeskId {
        match message.by {
            Side::Requesting => &self.to,
            Side::Requested => &self.from,
        }
    }

    /// True until the handling has ended and no measure is running.
    pub const fn is_open(&self) -> bool {
        self.settled.is_none()
    }

    /// The transport of the request's own statement.
    ///
    /// # Panics
    /// Never: a request holds its first statement from the start.
    pub fn transport(&self) -> &Transport {
        let first = MessageId(self.id.0);
        &self.messages.get(&first).expect("a request holds its first statement").transport
    }

    /// Adds an event of this request. Events must come in the order of their records; those that
    /// concern another request change nothing.
    pub fn apply(&mut self, event: &Event, stamp: Stamp) {
        if event.request != Some(self.id) {
            return;
        }
        self.newest_event = stamp.event_hash;
        match &event.kind {
            Kind::Accepted(statement) => self.apply_statement(statement, stamp),
            Kind::Offered { message } => self.advance(*message, Move::Offer, stamp),
            Kind::OfferFailed { message, reason } => {
                self.advance(*message, Move::Fail(*reason), stamp);
            }
            Kind::HandedOver { message } => self.advance(*message, Move::HandOver, stamp),
            Kind::PreservationExpired { .. } => self.measure = self.measure.ended(),
            Kind::BodyErased { index, .. } => self.erase(*index),
            Kind::Founded(_) | Kind::TailTruncated { .. } | Kind::ClockStepped { .. } => {}
        }
        if self.settled.is_none() && self.handling.is_final() && !self.measure.is_running() {
            self.settled = Some(stamp.time);
        }
    }

    fn apply_statement(&mut self, statement: &Statement, stamp: Stamp) {
        let act = &statement.act;
        match act {
            Act::Receipt { of, rejected, .. } => {
                self.advance(*of, Move::Receipt(*rejected), stamp);
            }
            Act::Retrieval { of, failed, .. } => {
                self.advance(*of, Move::Retrieval(*failed), stamp);
            }
            Act::Request(_)
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
            | Act::Mla(_) => {
                self.handling = self.handling.apply(act);
                self.measure = self.measure.apply(act, self.follow_up);
                self.follow_up = self.follow_up.apply(act);
                if self.handling == Handling::Withdrawn {
                    self.measure = self.measure.withdrawn();
                }
            }
        }
        self.remember(statement, stamp);
    }

    fn remember(&mut self, statement: &Statement, stamp: Stamp) {
        let machine = statement.act.is_machine();
        let message = Message {
            by: self.side(&statement.from).unwrap_or(Side::Requested),
            header: statement.header,
            index: stamp.index,
            time: stamp.time,
            machine,
            erased: false,
            transport: Transport::accepted(stamp.time),
        };
        self.messages.insert_mut(statement.message, message);
        self.headers.insert_mut(statement.header);
        self.newest_header = statement.header;
        self.not_after = self.not_after.max(statement.not_after);
        if !machine {
            self.statements = self.statements.saturating_add(1);
        }
    }

    /// Erasures are rare: the one place where the statements are searched.
    fn erase(&mut self, index: Index) {
        let found = self.messages.iter().find(|(_, message)| message.index == index);
        let Some(id) = found.map(|(id, _)| *id) else { return };
        if let Some(message) = self.messages.get_mut(&id) {
            message.erased = true;
        }
    }

    fn advance(&mut self, message: MessageId, by: Move, stamp: Stamp) {
        if let Some(message) = self.messages.get_mut(&message) {
            message.transport.apply(by, stamp.time);
        }
    }
}
