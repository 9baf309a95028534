//! Takes what comes from the relay: checks every record, answers every statement, keeps the order.
//!
//! Not for the connection (see `grpc/uplink.rs`). A desk does not believe its relay: signatures are
//! checked against the directory, stages against the rules, sequences against their predecessors.
//! What does not hold is an alarm, and never stops what does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::act::{prepare_machine, say_again};
use super::case::{Form, Held, Key};
use super::case_file::CaseFile;
use super::contacts::{IncomingEntry, TakenEntries};
use super::error::Error;
use super::keys::Keys;
use super::record::{Evidential, Leaf, Mark, Received, Record, Verdict};
use super::store::Scratch;
use crate::codec::{self, Decoded, Log};
use crate::envelope::words::Rejection;
use crate::envelope::{self, Act, OpenError, Signature, Statement, form, verify_header};
use crate::rules;
use crate::rules::event::Kind;
use crate::rules::transport::Transport;
use crate::units::{DeskIndex, Hash, Index, Name, RequestId};

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

/// A body in the clear, as it was sealed, and the salt with which it can be disclosed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opened {
    salt: [u8; 32],
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

/// Notes records of the directory log that can be believed, up to the first that cannot.
pub(super) fn take_entries(scratch: &mut Scratch, batch: Vec<IncomingEntry>) -> TakenEntries {
    let mut taken = TakenEntries::default();
    for incoming in batch {
        if incoming.leaf < scratch.file().contacts().next_leaf() {
            continue;
        }
        if let Err(foul) = scratch.file().contacts().check(&incoming) {
            taken.foul = Some(foul);
            break;
        }
        let IncomingEntry { leaf, index, event, restricted } = incoming;
        scratch.note(Record::Directory { leaf, index, event }, restricted);
        taken.new += 1;
    }
    taken
}

/// True when the directory as it is known here does not explain a record: an entry that was
/// published before may not have come yet.
pub(super) fn lacks_entry(file: &CaseFile, incoming: &Incoming) -> bool {
    let Ok(decoded) = codec::decode_event(&incoming.event, &incoming.header) else { return false };
    let Kind::Accepted(statement) = &decoded.event.kind else { return false };
    let directory = file.contacts().directory_at(incoming.index);
    let request = file.case(statement.request).and_then(|case| case.request.as_ref());
    match rules::check(directory, request, statement, decoded.time) {
        Ok(()) => false,
        // Who speaks, to whom, and on what basis: what an entry says.
        Err(refusal) => refusal.code() <= "R-201",
    }
}

/// Opens a body that was handed over. Costs a millisecond of arithmetic; touches nothing.
pub(super) fn open_body(
    keys: &Keys,
    held: &Held,
    header: &[u8],
    facts: &envelope::RequestFacts,
    (wrap, ciphertext): (&[u8], &[u8]),
) -> Result<Opened, Unshown> {
    let unshown = |error: OpenError| Unshown {
        rejection: error.rejection(),
        why: error.to_string(),
        body: Vec::new(),
    };
    let (salt, bytes) = open_with_any(keys, header, wrap, ciphertext).map_err(unshown)?;
    let body = envelope::parse_body(&bytes).map_err(unshown)?;
    let approval = &held.statement.approval;
    let checked = form::check(&held.statement.act, facts, &body);
    checked.and_then(|()| form::check_alone(approval, &body)).map_err(|fields| Unshown {
        rejection: Rejection::InvalidMessageFormat,
        why: Error::Malformed(fields).to_string(),
        body: bytes.to_vec(),
    })?;
    Ok(Opened { salt, body: bytes.to_vec() })
}

/// Notes what came of opening a body, once; tells the other side when it cannot be read.
pub(super) fn note_opened(
    scratch: &mut Scratch,
    keys: &Keys,
    key: &Key,
    opened: Result<Opened, Unshown>,
) {
    let Some(held) = scratch.file().statement(key).cloned() else { return };
    if held.form != Form::Sealed {
        return;
    }
    let (from, message) = key.clone();
    match opened {
        Ok(Opened { salt, body }) => {
            scratch.note(Record::Opened { from: from.clone(), message }, body);
            scratch.note(Record::Evidential(Evidential::Salt { from, message }), salt.to_vec());
        }
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
        if !held.is_unseen() {
            continue;
        }
        let Statement { from, message, .. } = &held.statement;
        let (from, message, officer) = (from.clone(), *message, officer.clone());
        scratch.note(Record::Retrieved { from, message, officer }, Vec::new());
        let act = retrieval(&held.statement, None);
        prepare_machine(scratch, keys, &held.statement, act);
    }
}

/// Prepares the receipts that are missing: those that were refused, for whatever reason. And says
/// again that something was retrieved, where that was refused to a former key of the machine.
pub(super) fn pick_up(scratch: &mut Scratch, keys: &Keys) {
    for held in unanswered(scratch.file()) {
        let rejected = held.rejected.as_ref().map(|(rejection, _)| *rejection);
        prepare_machine(scratch, keys, &held.statement, receipt(&held.statement, rejected));
    }
    for held in untold(scratch.file(), keys.desk.public().id()) {
        say_again(scratch, keys, &held.statement);
    }
}

/// Officers' statements of others for which there is no receipt. Looks at every statement.
fn unanswered(file: &CaseFile) -> Vec<Arc<Held>> {
    let unanswered = |held: &&Arc<Held>| {
        let receipted = held.transport.as_ref().is_some_and(Transport::is_receipted);
        !held.ours && !held.statement.act.is_machine() && !receipted && held.receipt.is_none()
    };
    file.statements().filter(unanswered).cloned().collect()
}

/// What our machine said of a retrieval with another key than this and was refused, unless it has
/// said so again since. Looks at every statement.
fn untold(file: &CaseFile, key: Hash) -> Vec<Arc<Held>> {
    let mut untold = BTreeMap::new();
    let mut told = BTreeSet::new();
    for held in file.statements().filter(|held| held.ours) {
        let Act::Retrieval { of, .. } = &held.statement.act else { continue };
        let about = (held.statement.to.clone(), *of);
        if held.refused.is_some() && held.statement.signer_key != key {
            untold.insert(about, Arc::clone(held));
        } else {
            told.insert(about);
        }
    }
    untold.into_iter().filter(|(about, _)| !told.contains(about)).map(|(_, held)| held).collect()
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
        && let Kind::Accepted(statement) | Kind::EmbargoEnded(statement) = event.kind
        && statement.to == *scratch.file().owner()
        && !statement.act.is_machine()
        && !scratch.file().is_answered(&statement)
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
    // What came before the end of an embargo was not for the recipient.
    let first = newest.is_none() && matches!(event.kind, Kind::EmbargoEnded(_));
    if event.request.is_some() && newest != decoded.previous && !first {
        alarms.push(format!("record {} does not follow its request's newest", incoming.index));
    }
    if let Kind::Accepted(statement) | Kind::EmbargoEnded(statement) = &event.kind {
        check_own(file, statement, alarms)?;
    }
    if let Kind::EmbargoEnded(statement) = &event.kind
        && let Act::Request(facts) = &statement.act
        && facts.embargo_until.is_none_or(|until| decoded.time < until)
    {
        alarms.push(format!("request {} was let out before its embargo ended", statement.request));
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
    let (statement, time) = match &decoded.event.kind {
        Kind::Accepted(statement) => (statement, decoded.time),
        // The relay accepted it long before, and its key was valid then; when that was, only the
        // statement itself says here.
        Kind::EmbargoEnded(statement) => (statement, statement.created),
        Kind::Founded(_)
        | Kind::Offered { .. }
        | Kind::OfferFailed { .. }
        | Kind::HandedOver { .. }
        | Kind::PreservationExpired { .. }
        | Kind::BodyErased { .. }
        | Kind::TailTruncated { .. }
        | Kind::ClockStepped { .. }
        | Kind::ClockConfirmed { .. }
        | Kind::Padded
        | Kind::EntryPublished(_)
        | Kind::LogKeyAnnounced(_) => return Verdict::Good,
    };
    if file.own_statement(statement.message).is_some() && statement.from == *file.owner() {
        // It is the one that we made: the header is the same.
        return Verdict::Good;
    }
    let rejected = |rejection, why: String| Verdict::Rejected { rejection, why };
    // As it was when the relay accepted the statement: this desk may hear of it much later.
    let contacts = file.contacts();
    let directory = if matches!(decoded.event.kind, Kind::EmbargoEnded(_)) {
        contacts.directory_when(time)
    } else {
        contacts.directory_at(incoming.index)
    };
    let key = match directory.signing_key(statement, time) {
        Ok(key) => key,
        Err(refusal) => return rejected(Rejection::NotIdentified, refusal.cause()),
    };
    let approver = match directory.approving_key(statement, time) {
        Ok(approver) => approver,
        Err(refusal) => return rejected(Rejection::NotIdentified, refusal.cause()),
    };
    if let Err(bad) = verify_header(&incoming.header, &incoming.signatures, key, approver) {
        return rejected(Rejection::NotIdentified, bad.to_string());
    }
    let request = file.case(statement.request).and_then(|case| case.request.as_ref());
    match rules::check(directory, request, statement, time) {
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
) -> Result<([u8; 32], Zeroizing<Vec<u8>>), OpenError> {
    let mut outcome = Err(OpenError::OtherKey { key: Hash([0; 32]) });
    for key in &keys.encryption {
        outcome = envelope::open_to_disclose(header, wrap, ciphertext, key);
        if !matches!(outcome, Err(OpenError::OtherKey { .. })) {
            break;
        }
    }
    outcome
}
