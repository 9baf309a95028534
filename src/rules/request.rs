//! A request: its facts, its statements, and its independent axes.
//!
//! Not for who may say what (see `check.rs`). The relay keeps requests in `State`; a desk folds the
//! requests it is a party to from the same events with [`Request::open`] and [`Request::apply`].
//!
//! Under an embargo the request exists for its sender alone: nothing of it is numbered for, offered
//! or shown to the recipient, and the sender can only withdraw it, at once and for good. When the
//! embargo ends, what counts from the submission counts from that moment.
//!
//! Invariants: the axes are only changed by events; the statements of a request and their
//! transport go with it when it is forgotten.

use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};
use serde::{Deserialize, Serialize};

use super::aftermath::{Aftermath, Course};
use super::conditions::Conditions;
use super::event::{Event, Kind, Stamp};
use super::follow_up::FollowUp;
use super::grade::Grade;
use super::handling::{Beside, Handling};
use super::measure::Measure;
use super::refusal::Refusal;
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
    /// When it was accepted, or its embargo ended.
    pub submitted: Timestamp,
    /// The statement that opened it, while an embargo keeps it from its recipient; for good, when
    /// it was withdrawn before the end.
    pub embargo: Option<Box<Statement>>,
    /// Its urgency, as it counts now.
    pub grade: Grade,
    /// Handling axis.
    pub handling: Handling,
    /// Measure axis.
    pub measure: Measure,
    /// Conditions axis.
    pub conditions: Conditions,
    /// Follow-up axis.
    pub follow_up: FollowUp,
    /// The newest request that carries the mutual assistance request, where that was said.
    pub mla_request: Option<RequestId>,
    /// What the desks owe each other afterwards.
    pub aftermath: Aftermath,
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
    /// The record with which its recipient may have it, and the time of that: its own, or the end
    /// of its embargo. None while an embargo keeps it back.
    pub out: Option<(Index, Timestamp)>,
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
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Requesting => Self::Requested,
            Self::Requested => Self::Requesting,
        }
    }

    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requesting => "requesting",
            Self::Requested => "requested",
        }
    }
}

impl Request {
    /// The request that an event opens: a request that was accepted or, for its recipient, whose
    /// embargo ended. None for every other event.
    pub fn open(event: &Event, stamp: Stamp) -> Option<Self> {
        let (Kind::Accepted(statement) | Kind::EmbargoEnded(statement)) = &event.kind else {
            return None;
        };
        let Act::Request(facts) = &statement.act else { return None };
        let asks = request_type::asks(facts.kind);
        let giver = if asks { Side::Requested } else { Side::Requesting };
        let mut request = Self {
            id: statement.request,
            case: statement.case,
            from: statement.from.clone(),
            to: statement.to.clone(),
            facts: facts.clone(),
            submitted: stamp.time,
            embargo: event.to.is_none().then(|| statement.clone()),
            grade: Grade::stated(facts.urgency),
            handling: Handling::New,
            measure: Measure::None,
            follow_up: request_type::follow_up(facts.kind),
            conditions: if facts.prior_conditions {
                Conditions::Offered(Side::Requesting)
            } else {
                Conditions::None
            },
            mla_request: None,
            aftermath: Aftermath::new(giver, !asks && !facts.prior_conditions),
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

    /// True while its recipient must not know of it, or never will.
    pub const fn is_under_embargo(&self) -> bool {
        self.embargo.is_some()
    }

    /// True when this desk is a party to it and may know of it.
    pub fn is_known_to(&self, desk: &DeskId) -> bool {
        *desk == self.from || (*desk == self.to && !self.is_under_embargo())
    }

    /// When its embargo ends; none when there is none, or nothing is to come of it any more.
    pub fn embargo_ends_at(&self) -> Option<Timestamp> {
        let goes_on = self.is_under_embargo() && !self.handling.is_final();
        self.facts.embargo_until.filter(|_| goes_on)
    }

    /// May this act of an officer, by this side, be done now, by every axis?
    ///
    /// # Errors
    /// [`Refusal`] of the first axis that does not allow it.
    pub fn decide(&self, act: &Act, by: Side) -> Result<(), Refusal> {
        if let Some(until) = self.facts.embargo_until
            && self.is_under_embargo()
            && !matches!(act, Act::Withdraw)
        {
            self.handling.decide(act, by, self.beside())?;
            return Err(Refusal::UnderEmbargo { act: act.name(), until });
        }
        self.handling.decide(act, by, self.beside())?;
        self.grade.decide(act, self.facts.kind)?;
        self.conditions.decide(act, by)?;
        self.measure.decide(act)?;
        if let Act::Mla { step, .. } = act {
            self.follow_up.decide(*step)?;
        }
        self.aftermath.decide(act, by, self.course(by))
    }

    /// What the handling has to know of the other axes.
    pub const fn beside(&self) -> Beside {
        Beside { conditions: self.conditions, expects: request_type::expects(self.facts.kind) }
    }

    /// Security incidents are rare: only for them the statements are searched.
    fn course(&self, by: Side) -> Course {
        let over = match self.handling {
            Handling::Executed(_) | Handling::Closed(_) => true,
            Handling::New
            | Handling::Acknowledged(_)
            | Handling::ClarificationRequested(..)
            | Handling::ClarificationProvided(..)
            | Handling::Determined(..)
            | Handling::WithdrawalRequested { .. }
            | Handling::Withdrawn => false,
        };
        let reached = |message: &Message| {
            message.transport.is_delivered() || message.transport.handed_over().is_some()
        };
        let received = self.messages.values().any(|m| m.by != by && !m.machine && reached(m));
        Course { over, received }
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
            Kind::EmbargoEnded(_) => self.end_embargo(stamp),
            Kind::Founded(_)
            | Kind::TailTruncated { .. }
            | Kind::ClockStepped { .. }
            | Kind::ClockConfirmed { .. }
            | Kind::Padded
            | Kind::EntryPublished(_)
            | Kind::LogKeyAnnounced(_) => {}
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
            | Act::Mla { .. }
            | Act::Regrade { .. }
            | Act::AnswerConditions(_)
            | Act::ProvideInformation
            | Act::DiscloseTraffic
            | Act::Feedback
            | Act::RequestUseReport
            | Act::ReportUse
            | Act::ReportSecurityIncident => self.apply_axes(act),
        }
        self.remember(statement, stamp);
    }

    fn apply_axes(&mut self, act: &Act) {
        self.handling = self.handling.apply(act, self.beside());
        if self.is_under_embargo() && matches!(act, Act::Withdraw) {
            // Nobody is there to confirm it.
            self.handling = Handling::Withdrawn;
        }
        self.grade = self.grade.apply(act);
        self.conditions = self.conditions.apply(act);
        self.measure = self.measure.apply(act, self.follow_up);
        self.follow_up = self.follow_up.apply(act);
        if let Act::Mla { carried_by: Some(carrier), .. } = act {
            self.mla_request = Some(*carrier);
        }
        self.aftermath = self.aftermath.apply(act);
        if self.handling == Handling::Withdrawn {
            self.measure = self.measure.withdrawn();
        }
    }

    fn end_embargo(&mut self, stamp: Stamp) {
        self.embargo = None;
        self.submitted = stamp.time;
        if let Some(first) = self.messages.get_mut(&MessageId(self.id.0)) {
            first.out = Some((stamp.index, stamp.time));
        }
    }

    fn remember(&mut self, statement: &Statement, stamp: Stamp) {
        let machine = statement.act.is_machine();
        let message = Message {
            by: self.side(&statement.from).unwrap_or(Side::Requested),
            header: statement.header,
            index: stamp.index,
            time: stamp.time,
            out: (!self.is_under_embargo()).then_some((stamp.index, stamp.time)),
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
