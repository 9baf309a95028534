//! Takes what comes from the relay: checks every record, answers every statement, keeps the order.
//!
//! Not for the connection (see `grpc/uplink.rs`). A desk does not believe its relay: signatures are
//! checked against the directory, stages against the rules, sequences against their predecessors.
//! What does not hold is an alarm, and never stops what does.

use prost::Message as _;

use super::act::prepare_machine;
use super::case::{Form, Held, Key};
use super::case_file::CaseFile;
use super::error::Error;
use super::keys::Keys;
use super::record::{Leaf, Mark, Received, Record, Verdict};
use super::store::Scratch;
use crate::codec::{self, Decoded, Log};
use crate::envelope::words::Rejection;
use crate::envelope::{self, Act, OpenError, Signature, Statement, form, verify_header};
use crate::rules;
use crate::rules::event::Kind;
use crate::units::{DeskIndex, Hash, Index, Name, RequestId};
use crate::wire::detente::form::v1::Body;

/// A record as it came, before anything of it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Its number in our sequence.
    pub desk_index: DeskIndex,
    /// Its index in the relay's journal.
    pub index: Index,
    /// Serialized `detente.journal.v1.Event`.
    pub event: Vec<u8>,
    /// Header of the statement; empty when the event records none.
    pub header: Vec<u8>,
    /// Its signatures.
    pub signatures: Vec<Signature>,
    /// The leaf that commits to the event.
    pub leaf: codec::Leaf,
}

/// What came of a batch of records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many were new.
    pub new: usize,
    /// The number that was due and the one that came instead, when some were left out. Follow
    /// again from the cursor.
    pub gap: Option<(DeskIndex, DeskIndex)>,
    /// What an operator should know.
    pub alarms: Vec<String>,
}

/// Why a sealed body is not shown.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unshown {
    rejection: Rejection,
    why: String,
    body: Vec<u8>,
}

impl std::fmt::Display for Unshown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "is not shown ({}): {}", self.rejection, self.why)
    }
}

/// Checks and notes records, and prepares the receipts they call for, together.
pub(super) fn take(scratch: &mut Scratch, keys: &Keys, batch: Vec<Incoming>) -> Taken {
    let mut taken = Taken::default();
    for incoming in batch {
        let due = scratch.file().next();
        if incoming.desk_index < due {
            continue;
        }
        if incoming.desk_index > due {
            taken.gap = Some((due, incoming.desk_index));
            taken.alarms.push(format!(
                "record {} of our sequence came where {due} was due",
                incoming.desk_index
            ));
            break;
        }
        take_one(scratch, keys, incoming, &mut taken.alarms);
        taken.new += 1;
    }
    taken
}

/// Opens a body that was handed over. Costs a millisecond of arithmetic; touches nothing.
pub(super) fn open_body(
    keys: &Keys,
    held: &Held,
    header: &[u8],
    facts: &envelope::RequestFacts,
    (wrap, ciphertext): (&[u8], &[u8]),
) -> Result<Body, Unshown> {
    let body = open_with_any(keys, header, wrap, ciphertext).map_err(|error| Unshown {
        rejection: error.rejection(),
        why: error.to_string(),
        body: Vec::new(),
    })?;
    form::check(&held.statement.act, facts, &body).map_err(|fields| Unshown {
        rejection: Rejection::InvalidMessageFormat,
        why: Error::Malformed(fields).to_string(),
        body: body.encode_to_vec(),
    })?;
    Ok(body)
}

/// Notes what came of opening a body, once; tells the other side when it cannot be read.
pub(super) fn note_opened(
    scratch: &mut Scratch,
    keys: &Keys,
    key: &Key,
    opened: Result<Body, Unshown>,
) {
    let Some(held) = scratch.file().statement(key).cloned() else { return };
    if held.form != Form::Sealed {
        return;
    }
    let (from, message) = key.clone();
    match opened {
        Ok(body) => scratch.note(Record::Opened { from, message }, body.encode_to_vec()),
        Err(Unshown { rejection, why, body }) => {
            scratch.note(Record::Unreadable { from, message, rejection, why }, body);
            let act = retrieval(&held.statement, Some(rejection));
            prepare_machine(scratch, keys, &held.statement, act);
        }
    }
}

/// Notes that an officer sees the forms of a request, and prepares the evidence of it: once for
/// each statement.
pub(super) fn note_retrieval(
    scratch: &mut Scratch,
    keys: &Keys,
    request: RequestId,
    officer: &Name,
) {
    for held in scratch.file().statements_of(request) {
        if held.ours || held.retrieved || !matches!(held.form, Form::Here(_)) {
            continue;
        }
        let Statement { from, message, .. } = &held.statement;
        let (from, message, officer) = (from.clone(), *message, officer.clone());
        scratch.note(Record::Retrieved { from, message, officer }, Vec::new());
        let act = retrieval(&held.statement, None);
        prepare_machine(scratch, keys, &held.statement, act);
    }
}

/// Prepares the receipts that are missing: those that were refused, for whatever reason.
pub(super) fn pick_up(scratch: &mut Scratch, keys: &Keys) {
    for held in scratch.file().unanswered() {
        let rejected = held.rejected.as_ref().map(|(rejection, _)| *rejection);
        prepare_machine(scratch, keys, &held.statement, receipt(&held.statement, rejected));
    }
}

fn take_one(scratch: &mut Scratch, keys: &Keys, incoming: Incoming, alarms: &mut Vec<String>) {
    let judged = judge(scratch.file(), &incoming, alarms);
    let (verdict, decoded) = match judged {
        Ok(decoded) => (verdict(scratch.file(), &incoming, &decoded), Some(decoded)),
        Err(foul) => (Verdict::Foul(foul), None),
    };
    match &verdict {
        Verdict::Good => {}
        Verdict::Rejected { why, .. } => {
            alarms.push(format!("the statement in record {} is rejected: {why}", incoming.index));
        }
        Verdict::Foul(why) => {
            alarms.push(format!("record {} changes nothing: {why}", incoming.index));
        }
    }
    let rejected = match &verdict {
        Verdict::Rejected { rejection, .. } => Some(*rejection),
        Verdict::Good | Verdict::Foul(_) => None,
    };
    scratch.note(Record::Received(Box::new(received(incoming, verdict))), Vec::new());
    if let Some(Decoded { event, .. }) = decoded
        && let Kind::Accepted(statement) = event.kind
        && statement.to == *scratch.file().owner()
        && !statement.act.is_machine()
    {
        prepare_machine(scratch, keys, &statement, receipt(&statement, rejected));
    }
}

/// Reads a record and checks that a relay may send it to this desk.
fn judge(
    file: &CaseFile,
    incoming: &Incoming,
    alarms: &mut Vec<String>,
) -> Result<Decoded, String> {
    let decoded = codec::decode_event(&incoming.event, &incoming.header)
        .map_err(|corrupt| format!("it cannot be read: {corrupt}"))?;
    let event = &decoded.event;
    let plain = incoming.leaf.opening.is_none();
    if plain != (incoming.leaf.log == Log::Directory) {
        return Err("its leaf is not opened as its log opens leaves".to_owned());
    }
    if let Kind::Founded(genesis) = &event.kind {
        return if genesis.hash == file.genesis() {
            Ok(decoded)
        } else {
            Err(format!("it founds another network, with genesis {}", genesis.hash))
        };
    }
    let ours = Some(file.owner());
    if event.from.as_ref() != ours && event.to.as_ref() != ours {
        return Err("this desk is no party to it".to_owned());
    }
    if let (Some(from), Some(to)) = (&event.from, &event.to) {
        let due = file.pair_sequence(from, to) + 1;
        if decoded.pair_sequence != due {
            alarms.push(format!(
                "event {} from {from} to {to} came where {due} was due: one may be withheld",
                decoded.pair_sequence
            ));
        }
    }
    let newest = event.request.and_then(|id| file.case(id)).and_then(|case| case.last_event);
    if event.request.is_some() && newest != decoded.previous {
        alarms.push(format!("record {} does not follow its request's newest", incoming.index));
    }
    if let Kind::Accepted(statement) = &event.kind {
        check_own(file, statement, alarms)?;
    }
    Ok(decoded)
}

/// A statement in our name must be one that we made; an id is used once.
fn check_own(
    file: &CaseFile,
    statement: &Statement,
    alarms: &mut Vec<String>,
) -> Result<(), String> {
    let key = (statement.from.clone(), statement.message);
    match file.statement(&key) {
        Some(known) if known.statement.header != statement.header => {
            Err(format!("statement {} is known with another header", statement.message))
        }
        Some(known) if !known.ours => Err(format!("statement {} came before", statement.message)),
        Some(_) => Ok(()),
        None if statement.from == *file.owner() => {
            alarms.push(format!(
                "statement {} is in our name, but this desk did not make it",
                statement.message
            ));
            Ok(())
        }
        None => Ok(()),
    }
}

/// Whether a recorded statement may be acted on.
fn verdict(file: &CaseFile, incoming: &Incoming, decoded: &Decoded) -> Verdict {
    let Kind::Accepted(statement) = &decoded.event.kind else { return Verdict::Good };
    let rejected = |rejection, why: String| Verdict::Rejected { rejection, why };
    let key = match file.directory().signing_key(statement, decoded.time) {
        Ok(key) => key,
        Err(refusal) => return rejected(Rejection::NotIdentified, refusal.cause()),
    };
    if let Err(bad) = verify_header(&incoming.header, &incoming.signatures, key) {
        return rejected(Rejection::NotIdentified, bad.to_string());
    }
    let request = file.case(statement.request).and_then(|case| case.request.as_ref());
    match rules::check(file.directory(), request, statement, decoded.time) {
        Ok(()) => Verdict::Good,
        Err(refusal) => rejected(Rejection::PolicyViolation, refusal.cause()),
    }
}

fn received(incoming: Incoming, verdict: Verdict) -> Received {
    let Incoming { desk_index, index, event, header, signatures, leaf } = incoming;
    let codec::Leaf { log, index: leaf_index, opening } = leaf;
    let mark = |signature: Signature| Mark {
        key_id: signature.key_id,
        algorithm: signature.algorithm.number(),
        bytes: signature.bytes,
    };
    Received {
        desk_index,
        index,
        event,
        header,
        signatures: signatures.into_iter().map(mark).collect(),
        leaf: Leaf { log: log.as_str().to_owned(), index: leaf_index, opening },
        verdict,
    }
}

const fn receipt(of: &Statement, rejected: Option<Rejection>) -> Act {
    Act::Receipt { of: of.message, header: of.header, rejected }
}

const fn retrieval(of: &Statement, failed: Option<Rejection>) -> Act {
    Act::Retrieval { of: of.message, header: of.header, failed }
}

/// The wrap names its key; an old one may still be needed.
fn open_with_any(
    keys: &Keys,
    header: &[u8],
    wrap: &[u8],
    ciphertext: &[u8],
) -> Result<Body, OpenError> {
    let mut outcome = Err(OpenError::OtherKey { key: Hash([0; 32]) });
    for key in &keys.encryption {
        outcome = envelope::open(header, wrap, ciphertext, key);
        if !matches!(outcome, Err(OpenError::OtherKey { .. })) {
            break;
        }
    }
    outcome
}
