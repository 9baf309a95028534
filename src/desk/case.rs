//! A request as a desk knows it, and the statements about it.
//!
//! Not for how these come about (see `case_file.rs`). Values only.

use std::sync::Arc;

use rpds::VectorSync;

use super::record::Refused;
use crate::envelope::words::Rejection;
use crate::envelope::{RequestFacts, Statement};
use crate::rules;
use crate::rules::transport::Transport;
use crate::units::{DeskId, Hash, Index, MessageId, RequestId, Timestamp};

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
    /// Its place in the outbox, while it is there.
    pub(super) queued: Option<u64>,
    /// Its place among what is to be fetched, while it is there.
    pub(super) wanted: Option<u64>,
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

/// One thing that happened to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A statement.
    Statement(Key),
    /// Something the relay recorded by itself.
    Relay(Arc<RelayEntry>),
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
