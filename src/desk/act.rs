//! Prepares statements: what an officer wants becomes bytes that can be sent.
//!
//! Not for sending them. Runs the network's own rules first, so that nothing is sealed that the
//! relay would refuse.

use std::sync::Arc;

use aws_lc_rs::rand;
use prost::Message as _;
use serde::Serialize;

use super::case::{Case, Held};
use super::case_file::CaseFile;
use super::error::{Error, Local};
use super::keys::Keys;
use super::record::{Evidential, Record, Refused};
use super::second;
use super::store::Scratch;
use crate::envelope::words::{Extent, Instrument, RequestType, Urgency};
use crate::envelope::{
    self, Act, Approval, Draft, Envelope, Malformed, RequestFacts, SealError, Signer, SigningKey,
    Statement, form,
};
use crate::rules::{self, Event, Refusal, Stamp, request_type};
use crate::units::{CaseId, DAY_MS, DeskId, Hash, Index, MessageId, Name, RequestId, Timestamp};
use crate::wire::detente::form::v1::{Body, body::Form};

/// How long an officer's statement may wait for the relay: a day. After that somebody should look
/// again rather than have it arrive unexpected.
const OFFICER_LIFE_MS: i64 = DAY_MS;
/// How long a machine's statement may wait: as long as the network allows. It never surprises.
const MACHINE_LIFE_MS: i64 = 7 * DAY_MS;
/// Budapest Convention Art. 29(7): data are preserved for not less than sixty days.
const PRESERVATION_DAYS_MIN: u32 = 60;

/// What an officer wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The officer.
    pub officer: Name,
    /// Idempotency key, which becomes the message id; none lets the desk choose.
    pub message: Option<MessageId>,
    /// What is done.
    pub what: What,
    /// The form.
    pub body: Body,
}

/// What an officer wants to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum What {
    /// Make a request.
    Request(Wish),
    /// Act on a request.
    Act {
        /// The request.
        request: RequestId,
        /// The act. `Execute` without a date on a preservation gets the earliest lawful one.
        act: Act,
    },
}

/// A wished-for request. What is left out is chosen by the desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wish {
    /// The desk that is asked.
    pub to: DeskId,
    /// What for.
    pub kind: RequestType,
    /// On what basis; none takes the one that both members share, if there is just one.
    pub instrument: Option<Instrument>,
    /// How urgent; none is the type's usual one.
    pub urgency: Option<Urgency>,
    /// A technical test.
    pub test: bool,
    /// Part of an exercise.
    pub exercise: bool,
    /// The case it belongs to; none begins a new one.
    pub case: Option<CaseId>,
    /// The request it follows from: the new one belongs to its case unless told otherwise, and a
    /// test or an exercise stays one.
    pub parent: Option<RequestId>,
    /// Information is offered under conditions, which come first.
    pub prior_conditions: bool,
    /// Until then the recipient must not know of it.
    pub embargo_until: Option<Timestamp>,
}

/// How far a statement of ours has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The statement.
    pub message: MessageId,
    /// Its request.
    pub request: RequestId,
    /// Its case.
    pub case: CaseId,
    /// How far.
    pub progress: Progress,
    /// What the officer should know of it, said once.
    pub notices: Vec<String>,
}

/// How far a statement of ours has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// On this desk's disk, and a second officer has to approve it before it is sent.
    Waiting,
    /// On this desk's disk; it is sent until the relay answers or it lapses.
    Queued,
    /// On the relay's disk.
    Recorded {
        /// Its record.
        index: Index,
        /// Record time.
        time: Timestamp,
    },
    /// It will never be recorded.
    Refused(Refused),
}

impl Standing {
    /// Of a statement of ours that was sealed just now, with what its sender should know of the
    /// key.
    pub(super) fn told(scratch: &Scratch, held: &Held) -> Self {
        let (file, to) = (scratch.file(), &held.statement.to);
        let key = file.contacts().sealing_key(file.owner().member, to, scratch.now());
        let told = key.ok().and_then(|(_, told)| told);
        Self { notices: told.into_iter().collect(), ..Self::of(held) }
    }

    /// Of a statement of ours.
    pub fn of(held: &Held) -> Self {
        let progress = match (&held.recorded, &held.refused) {
            (Some((index, time)), _) => Progress::Recorded { index: *index, time: *time },
            (None, Some(refusal)) => Progress::Refused(refusal.clone()),
            (None, None) => Progress::Queued,
        };
        let Statement { message, request, case, .. } = held.statement;
        Self { message, request, case, progress, notices: Vec::new() }
    }
}

/// Prepares an officer's statement and notes it; what hands data over is noted for a second
/// officer, unless the form says why there is none. The same order under the same message id is
/// answered with what it made the first time.
pub(super) fn prepare(
    scratch: &mut Scratch,
    keys: &Keys,
    envelope_bytes_max: usize,
    order: &Order,
) -> Result<MessageId, Error> {
    let body = order.body.encode_to_vec();
    let intent = intent(order, &body);
    let message = order.message.unwrap_or_else(|| MessageId(random()));
    if let Some(known) = scratch.file().own_statement(message) {
        return if known.intent == Some(intent) {
            Ok(message)
        } else {
            Err(Local::MessageReused(message).into())
        };
    }
    if let Some(held) = scratch.file().approvals().get(message) {
        let same = held.intent == intent;
        return if same { Ok(message) } else { Err(Local::MessageReused(message).into()) };
    }
    let officer = keys.officer(&order.officer)?;
    let signer = Signer::Officer(order.officer.clone());
    let draft = match &order.what {
        What::Request(wish) => draft_request(scratch, wish, message, signer)?,
        What::Act { request, act } => {
            let act = complete(scratch, *request, act, &order.body)?;
            draft_act(scratch, *request, act, message, signer)?
        }
    };
    let facts = facts_of(scratch, &draft)?;
    let alone = form::lone_officer_reason(&order.body).is_some();
    if !request_type::discloses(facts.kind, &draft.act) {
        form::check_alone(&Approval::None, &order.body).map_err(Error::Malformed)?;
        let sealed = sealed(scratch, &draft, &order.body, &officer.key, envelope_bytes_max)?;
        note_prepared(scratch, &sealed, intent, body);
        return Ok(message);
    }
    // What is refused anyhow is refused before anybody is asked.
    let draft = Draft { approval: Approval::Alone, ..draft };
    if alone {
        let sealed = sealed(scratch, &draft, &order.body, &officer.key, envelope_bytes_max)?;
        let (request, officer) = (draft.request, &order.officer);
        tracing::warn!(%request, %officer, "data are handed over without a second officer");
        note_prepared(scratch, &sealed, intent, body);
        return Ok(message);
    }
    let statement = checked(scratch, &draft, &order.body, officer.key.public().id())?;
    second::hold(scratch, keys, &statement, intent, body)?;
    Ok(message)
}

/// What a draft will be, if neither form nor rules have anything against it.
fn checked(
    scratch: &Scratch,
    draft: &Draft,
    body: &Body,
    signer_key: Hash,
) -> Result<Statement, Error> {
    let facts = facts_of(scratch, draft)?;
    form::check(&draft.act, &facts, body).map_err(Error::Malformed)?;
    let file = scratch.file();
    let expected = file.expected(draft.request);
    let statement = provisional(draft, signer_key);
    rules::check(file.directory(), expected.as_ref(), &statement, scratch.now())?;
    check_relations(scratch, &statement)?;
    Ok(statement)
}

/// Notes an officer's statement that is ready to be sent, its form, and what may disclose that.
pub(super) fn note_prepared(
    scratch: &mut Scratch,
    (envelope, salt): &(Envelope, [u8; 32]),
    intent: Hash,
    body: Vec<u8>,
) {
    let Statement { from, message, .. } = &envelope.statement;
    let (from, message) = (from.clone(), *message);
    scratch.note(Record::Prepared { envelope: envelope.to_bytes(), intent }, body);
    scratch.note(Record::Evidential(Evidential::Salt { from, message }), salt.to_vec());
}

/// A draft, checked, sealed and signed by the first officer; and the salt of its commitment.
pub(super) fn sealed(
    scratch: &Scratch,
    draft: &Draft,
    body: &Body,
    key: &SigningKey,
    envelope_bytes_max: usize,
) -> Result<(Envelope, [u8; 32]), Error> {
    checked(scratch, draft, body, key.public().id())?;
    let file = scratch.file();
    let own = file.owner().member;
    let (to, _told) = file.contacts().sealing_key(own, &draft.to, scratch.now())?;
    let (envelope, salt) = envelope::seal_to_disclose(draft, body, to, key, &mut |bytes| {
        rand::fill(bytes).expect("the operating system has a random source");
    })
    .map_err(|error| seal_error(error, envelope_bytes_max))?;
    let bytes = envelope.to_bytes().len();
    if bytes > envelope_bytes_max {
        return Err(Local::TooLarge { bytes, max: envelope_bytes_max }.into());
    }
    Ok((envelope, salt))
}

/// Prepares what the desk's machine says about a statement it got, and notes it.
pub(super) fn prepare_machine(scratch: &mut Scratch, keys: &Keys, about: &Statement, act: Act) {
    let now = scratch.now();
    let draft = Draft {
        message: MessageId(random()),
        from: scratch.file().owner().clone(),
        signer: Signer::Desk,
        approval: Approval::None,
        to: about.from.clone(),
        case: about.case,
        request: about.request,
        in_reply_to: Some(about.header),
        sequence: scratch.file().sequence(&Signer::Desk) + 1,
        created: now,
        not_after: now.plus_ms(MACHINE_LIFE_MS),
        seen: None,
        act,
    };
    let envelope = envelope::machine(&draft, &keys.desk).expect("every part has been read before");
    let intent = Hash::of(&[&envelope.header]);
    scratch.note(Record::Prepared { envelope: envelope.to_bytes(), intent }, Vec::new());
}

/// Notes that a statement of ours will never be recorded. What the machine signed with a key that
/// is no longer its own is said again: the answer has come after the keys were replaced.
pub(super) fn note_refusal(
    scratch: &mut Scratch,
    keys: &Keys,
    message: MessageId,
    refusal: Refused,
) {
    if let Some(held) = refuse(scratch, message, refusal)
        && held.statement.signer_key != keys.desk.public().id()
    {
        say_again(scratch, keys, &held.statement);
    }
}

/// Notes that a statement has lapsed in the outbox. What a machine says is said again.
pub(super) fn note_lapse(scratch: &mut Scratch, keys: &Keys, message: MessageId) {
    if let Some(held) = refuse(scratch, message, Refused::from(&Local::Lapsed)) {
        say_again(scratch, keys, &held.statement);
    }
}

/// The statement, if it waited until now.
fn refuse(scratch: &mut Scratch, message: MessageId, refusal: Refused) -> Option<Arc<Held>> {
    let held = scratch.file().own_statement(message)?.clone();
    if held.recorded.is_some() || held.refused.is_some() {
        return None;
    }
    scratch.note(Record::Refused { message, refusal }, Vec::new());
    Some(held)
}

/// Prepares once more what the machine has said; what officers say is theirs to repeat.
pub(super) fn say_again(scratch: &mut Scratch, keys: &Keys, said: &Statement) {
    if let Act::Receipt { of, .. } | Act::Retrieval { of, .. } = &said.act {
        let about = scratch.file().statement(&(said.to.clone(), *of)).cloned();
        if let Some(about) = about {
            prepare_machine(scratch, keys, &about.statement, said.act.clone());
        }
    }
}

impl From<&Local> for Refused {
    fn from(local: &Local) -> Self {
        Self {
            code: local.code().to_owned(),
            reason: local.reason().to_owned(),
            cause: local.to_string(),
            next: local.next_action().to_owned(),
        }
    }
}

/// 16 random bytes.
fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).expect("the operating system has a random source");
    bytes
}

/// A hash over everything in an order but its idempotency key.
fn intent(order: &Order, body: &[u8]) -> Hash {
    let what = postcard::to_stdvec(&(&order.officer, &order.what))
        .expect("memory takes every order, and every order has an encoding");
    Hash::of(&[b"detente/desk-intent/v1\0", &(what.len() as u64).to_be_bytes(), &what, body])
}

fn draft_request(
    scratch: &Scratch,
    wish: &Wish,
    message: MessageId,
    signer: Signer,
) -> Result<Draft, Error> {
    let parent = wish.parent.and_then(|parent| scratch.file().case(parent));
    let facts = RequestFacts {
        kind: wish.kind,
        instrument: choose_instrument(scratch, wish)?,
        urgency: wish.urgency.unwrap_or(request_type::default_urgency(wish.kind)),
        test: wish.test || parent.is_some_and(|parent| parent.facts.test),
        exercise: wish.exercise || parent.is_some_and(|parent| parent.facts.exercise),
        parent: wish.parent,
        prior_conditions: wish.prior_conditions,
        embargo_until: wish.embargo_until,
    };
    let first = parent.and_then(|parent| scratch.file().statement(&parent.first));
    let of_parent = first.map(|held| held.statement.case);
    let case = wish.case.or(of_parent).unwrap_or_else(|| CaseId(random()));
    let act = Act::Request(facts);
    Ok(draft(scratch, message, signer, wish.to.clone(), case, message.into(), None, act))
}

pub(super) fn draft_act(
    scratch: &Scratch,
    request: RequestId,
    act: Act,
    message: MessageId,
    signer: Signer,
) -> Result<Draft, Error> {
    let file = scratch.file();
    let case = known(scratch, request)?;
    let to = if case.from == *file.owner() { case.to.clone() } else { case.from.clone() };
    let first = file.statement(&case.first).ok_or(Local::UnknownRequest(request))?;
    // What is on record: a statement of ours that still waits might be refused.
    let newest = case.request.as_ref().map_or(first.statement.header, |r| r.newest_header);
    Ok(draft(scratch, message, signer, to, first.statement.case, request, Some(newest), act))
}

/// The facts of the request that a draft makes or belongs to.
fn facts_of(scratch: &Scratch, draft: &Draft) -> Result<RequestFacts, Local> {
    if let Act::Request(facts) = &draft.act {
        return Ok(facts.clone());
    }
    known(scratch, draft.request).map(|case| case.facts.clone())
}

#[expect(clippy::too_many_arguments, reason = "they are the fields of what is made")]
fn draft(
    scratch: &Scratch,
    message: MessageId,
    signer: Signer,
    to: DeskId,
    case: CaseId,
    request: RequestId,
    in_reply_to: Option<Hash>,
    act: Act,
) -> Draft {
    let (file, now) = (scratch.file(), scratch.now());
    Draft {
        message,
        from: file.owner().clone(),
        sequence: file.sequence(&signer) + 1,
        signer,
        approval: Approval::None,
        to,
        case,
        request,
        in_reply_to,
        created: now,
        not_after: now.plus_ms(OFFICER_LIFE_MS),
        seen: None,
        act,
    }
}

/// The statement that a draft will be, for the rules: they read neither its hash nor its length.
fn provisional(draft: &Draft, signer_key: Hash) -> Statement {
    let Draft { message, from, signer, approval, to, case, .. } = draft.clone();
    let Draft { request, in_reply_to, sequence, created, not_after, seen, act, .. } = draft.clone();
    Statement {
        header: Hash([0; 32]),
        message,
        from,
        signer,
        signer_key,
        approval,
        to,
        case,
        request,
        in_reply_to,
        sequence,
        created,
        not_after,
        seen,
        ciphertext_len: 0,
        act,
    }
}

/// What a statement says of other requests, as far as this desk knows them.
fn check_relations(scratch: &Scratch, statement: &Statement) -> Result<(), Refusal> {
    let related = |id: RequestId| scratch.file().expected(id);
    if let Act::Request(facts) = &statement.act
        && let Some(parent) = facts.parent.and_then(related)
    {
        return rules::check_parent(&parent, statement, facts);
    }
    if let Act::Mla { carried_by: Some(carrier), .. } = &statement.act
        && let Some(carrier) = related(*carrier)
    {
        return rules::check_link(&carrier, statement);
    }
    Ok(())
}

fn known(scratch: &Scratch, request: RequestId) -> Result<&Case, Local> {
    scratch.file().case(request).map(AsRef::as_ref).ok_or(Local::UnknownRequest(request))
}

/// The basis of a request: the wished-for one, or the only one in common. Without any, the rules
/// will say so.
fn choose_instrument(scratch: &Scratch, wish: &Wish) -> Result<Instrument, Error> {
    if let Some(instrument) = &wish.instrument {
        return Ok(instrument.clone());
    }
    let file = scratch.file();
    let (ours, theirs) = (file.owner().member, wish.to.member);
    let common: Vec<Instrument> =
        file.directory().common_instruments(ours, theirs, wish.kind).into_iter().collect();
    match common.as_slice() {
        [only] => Ok(only.clone()),
        [] => Ok(Instrument::NationalReciprocity),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            let why = format!("{ours} and {theirs} share {}; choose one", names.join(", "));
            Err(Error::Malformed(vec![Malformed { field: "instrument".to_owned(), why }]))
        }
    }
}

/// Fills in the date that an officer may leave to the desk.
fn complete(scratch: &Scratch, request: RequestId, act: &Act, body: &Body) -> Result<Act, Error> {
    let case = known(scratch, request)?;
    let Act::Execute { extent, preserved_until: None, mla_demanded } = act else {
        return Ok(act.clone());
    };
    let preserves = request_type::has_shortest(case.facts.kind)
        && matches!(extent, Extent::Executed | Extent::ExecutedInPart);
    let Some(Form::Execution(form)) = body.form.as_ref().filter(|_| preserves) else {
        return Ok(act.clone());
    };
    let from: Timestamp = form.effective_from.parse().map_err(|error| {
        let why = format!("{error}");
        Error::Malformed(vec![Malformed { field: "effective_from".to_owned(), why }])
    })?;
    let own = scratch.file().directory().member(case.to.member);
    let days = own.map_or(0, |member| member.preservation_days_min).max(PRESERVATION_DAYS_MIN);
    // The rules count from the submission; whoever took effect earlier preserves longer.
    let from = case.submitted.map_or(from, |submitted| submitted.max(from));
    let until = from.plus_ms(i64::from(days) * DAY_MS);
    Ok(Act::Execute { extent: *extent, preserved_until: Some(until), mla_demanded: *mla_demanded })
}

fn seal_error(error: SealError, max: usize) -> Error {
    match error {
        SealError::Draft(malformed) => Error::Malformed(vec![malformed]),
        SealError::TooLong { bytes } => Local::TooLarge { bytes, max }.into(),
        SealError::Body => Error::Malformed(vec![Malformed {
            field: "act".to_owned(),
            why: "a machine's act is not an officer's".to_owned(),
        }]),
        SealError::Recipient { .. } => Error::Fault(error.to_string()),
    }
}

/// The bytes to send, as they were prepared.
pub(super) fn parse_prepared(record: &Record) -> Result<Envelope, Error> {
    match record {
        Record::Prepared { envelope, .. } => Envelope::parse(envelope)
            .map_err(|error| Error::Fault(format!("a prepared statement is damaged: {error}"))),
        Record::Founded { .. }
        | Record::Confirmed { .. }
        | Record::Refused { .. }
        | Record::Received(_)
        | Record::Opened { .. }
        | Record::Unreadable { .. }
        | Record::Retrieved { .. }
        | Record::TailTruncated { .. }
        | Record::Monitored(_)
        | Record::Evidential(_)
        | Record::RelayRestored { .. }
        | Record::Held { .. }
        | Record::Declined { .. }
        | Record::Directory { .. }
        | Record::Proof { .. }
        | Record::BadReceipt { .. } => {
            Err(Error::Fault("there is no prepared statement at this place".to_owned()))
        }
    }
}

impl CaseFile {
    /// The request's axes with our own pending statements added as if they were recorded: what an
    /// officer's next act is checked against.
    pub fn expected(&self, request: RequestId) -> Option<rules::Request> {
        let case = self.case(request)?;
        let mut expected = case.request.clone();
        for message in &case.pending {
            let Some(held) = self.own_statement(*message) else { continue };
            let statement = &held.statement;
            let time = statement.created;
            let stamp = Stamp { index: held.place, time, event_hash: Hash([0; 32]) };
            match &mut expected {
                None => expected = rules::Request::open(&Event::accepted(statement, None), stamp),
                Some(known) => {
                    if rules::check(self.directory(), Some(known), statement, time).is_ok() {
                        let event = Event::accepted(statement, Some(known));
                        known.apply(&event, stamp);
                    }
                }
            }
        }
        expected
    }
}
