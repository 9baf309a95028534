//! A request as a desk knows it, and the statements about it.
//!
//! Not for how these come about (see `case_file.rs`). Values only.

use std::sync::Arc;

use rpds::VectorSync;

use super::record::Refused;
use crate::envelope::words::Rejection;
use crate::envelope::{Act, RequestFacts, Statement};
use crate::rules;
use crate::rules::transport::{Move, Transport};
use crate::units::{DeskId, Hash, Index, MessageId, Name, RequestId, Timestamp};

/// A statement's key: the desk that wrote it, and the id that desk gave it.
pub type Key = (DeskId, MessageId);

/// A statement, and what has become of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The statement.
    pub statement: Statement,
    /// True when it is ours.
    pub ours: bool,
    /// Where its bytes are in the desk's own journal.
    pub place: Index,
    /// Its form.
    pub form: Form,
    /// Its record at the relay and record time, once there is one.
    pub recorded: Option<(Index, Timestamp)>,
    /// Why it will never be recorded, if so; only ours.
    pub refused: Option<Refused>,
    /// What we hold against it, if we rejected it; only of others.
    pub rejected: Option<(Rejection, String)>,
    /// Evidence of its way, once the relay has it.
    pub transport: Option<Transport>,
    /// True once an officer of this desk has seen its form; only of others.
    pub retrieved: bool,
    /// Our receipt for it, unless that was refused; only of others.
    pub receipt: Option<MessageId>,
    /// Hash over what the officer asked for; only ours.
    pub intent: Option<Hash>,
    /// Where the salt is that opens the commitment to its body, if it was kept.
    pub(super) salt: Option<Index>,
    /// What happened to it before it was taken for recorded: its receipt was in dispute.
    pub(super) early: Vec<(Move, Timestamp)>,
    /// Its place in the outbox, while it is there.
    pub(super) queued: Option<u64>,
    /// Its place among what is to be fetched, while it is there.
    pub(super) wanted: Option<u64>,
}

impl Held {
    /// A statement of which nothing has become yet.
    pub(super) const fn new(statement: Statement, ours: bool, place: Index, form: Form) -> Self {
        Self {
            statement,
            ours,
            place,
            form,
            recorded: None,
            refused: None,
            rejected: None,
            transport: None,
            retrieved: false,
            receipt: None,
            intent: None,
            salt: None,
            early: Vec::new(),
            queued: None,
            wanted: None,
        }
    }

    /// True of another desk's statement whose form is here and that no officer has seen: whoever is
    /// to see it needs the evidence first.
    pub fn is_unseen(&self) -> bool {
        !self.ours && !self.retrieved && matches!(self.form, Form::Here(_))
    }
}

/// Where the form of a statement is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// It has none: a machine's statement.
    None,
    /// At the relay, sealed.
    Sealed,
    /// In the clear beside this record of the desk's own journal.
    Here(Index),
    /// It cannot be opened, or breaks the rules of its kind; what could be read stands beside this
    /// record of the desk's own journal.
    Broken {
        /// The record.
        place: Index,
        /// What is wrong with it.
        why: String,
    },
    /// It was erased at the relay before it was fetched.
    Erased,
}

/// A request as a desk knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Its number in this case file, from 0, in the order in which requests became known.
    pub number: u64,
    /// The request itself.
    pub first: Key,
    /// Its facts.
    pub facts: RequestFacts,
    /// The desk that asks.
    pub from: DeskId,
    /// The desk that is asked.
    pub to: DeskId,
    /// When the relay accepted it.
    pub submitted: Option<Timestamp>,
    /// When it was acknowledged.
    pub acknowledged: Option<Timestamp>,
    /// The newest estimate.
    pub estimated: Option<Timestamp>,
    /// Its four axes by the records; none before the first, or when it was rejected here.
    pub request: Option<rules::Request>,
    /// Our own statements that are prepared and not yet among the records, in order.
    pub pending: VectorSync<MessageId>,
    /// What happened, in the order in which it became known.
    pub entries: VectorSync<Entry>,
    /// Hash of the newest event about it.
    pub(super) last_event: Option<Hash>,
}

impl Case {
    /// A request that has become known: submitted then, unless that has yet to come.
    pub(super) fn open(
        number: u64,
        asked: &Statement,
        facts: &RequestFacts,
        submitted: Option<Timestamp>,
    ) -> Self {
        Self {
            number,
            first: (asked.from.clone(), asked.message),
            facts: facts.clone(),
            from: asked.from.clone(),
            to: asked.to.clone(),
            submitted,
            acknowledged: None,
            estimated: None,
            request: None,
            pending: VectorSync::new_sync(),
            entries: VectorSync::new_sync(),
            last_event: None,
        }
    }
}

/// One thing that happened to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A statement.
    Statement(Key),
    /// Something the relay recorded by itself.
    Relay(Arc<RelayEntry>),
    /// Something that only this desk knows.
    Own(Arc<OwnEntry>),
}

/// Something that happened at this desk, of which nobody else hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnEntry {
    /// When, by the desk's clock.
    pub at: Timestamp,
    /// The officer.
    pub officer: Name,
    /// What, as "HELD_FOR_APPROVAL".
    pub what: &'static str,
    /// Its facts, as "act=EXECUTE".
    pub facts: String,
    /// The statement that was to be.
    pub message: MessageId,
}

/// Something the relay recorded by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayEntry {
    /// Its record.
    pub index: Index,
    /// Record time.
    pub time: Timestamp,
    /// What, as "OFFERED".
    pub what: &'static str,
    /// Its facts, as "message=... reason=NO_RECEIPT".
    pub facts: String,
}

/// Something new for those who watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The request.
    pub request: RequestId,
    /// What happened.
    pub entry: Entry,
}

/// The dates that answers are measured by.
pub(super) fn note_dates(case: &mut Case, act: &Act, time: Timestamp) {
    if let Act::Acknowledge { .. } = act {
        case.acknowledged.get_or_insert(time);
    }
    if let Act::Acknowledge { estimated_at, .. } | Act::ReviseEstimate { estimated_at } = act {
        case.estimated = Some(*estimated_at);
    }
}

/// What waits is no longer waited for.
pub(super) fn drop_pending(case: &mut Case, message: MessageId) {
    if case.pending.iter().any(|pending| *pending == message) {
        case.pending = case.pending.iter().copied().filter(|other| *other != message).collect();
    }
}

/// What a machine's statement is evidence of, and about which other one.
pub(super) const fn evidence(act: &Act) -> Option<(MessageId, Move)> {
    match act {
        Act::Receipt { of, rejected, .. } => Some((*of, Move::Receipt(*rejected))),
        Act::Retrieval { of, failed, .. } => Some((*of, Move::Retrieval(*failed))),
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
        | Act::ReportSecurityIncident => None,
    }
}
