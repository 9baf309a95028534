//! Prepares statements: what an officer wants becomes bytes that can be sent.
//!
//! Not for sending them. Runs the network's own rules first, so that nothing is sealed that the
//! relay would refuse.

use aws_lc_rs::rand;
use prost::Message as _;
use serde::Serialize;

use super::case::{Case, Held};
use super::error::{Error, Local};
use super::keys::Keys;
use super::record::{Record, Refused};
use super::store::Scratch;
use crate::envelope::words::{Extent, Instrument, RequestType, Urgency};
use crate::envelope::{
    self, Act, Draft, Envelope, Malformed, RequestFacts, SealError, Signer, Statement, form,
};
use crate::rules;
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
    /// How urgent; none is EXPEDITED for a preservation and ROUTINE otherwise.
    pub urgency: Option<Urgency>,
    /// A technical test.
    pub test: bool,
    /// Part of an exercise.
    pub exercise: bool,
    /// The case it belongs to; none begins a new one.
    pub case: Option<CaseId>,
    /// The request it follows from.
    pub parent: Option<RequestId>,
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
}

/// How far a statement of ours has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
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
    /// Of a statement of ours.
    pub fn of(held: &Held) -> Self {
        let progress = match (&held.recorded, &held.refused) {
            (Some((index, time)), _) => Progress::Recorded { index: *index, time: *time },
            (None, Some(refusal)) => Progress::Refused(refusal.clone()),
            (None, None) => Progress::Queued,
        };
        let Statement { message, request, case, .. } = held.statement;
        Self { message, request, case, progress }
    }
}

/// Prepares an officer's statement and notes it. The same order under the same message id is
/// answered with the statement it made the first time.
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
    form::check(&draft.act, &facts, &order.body).map_err(Error::Malformed)?;
    let now = scratch.now();
    let file = scratch.file();
    let expected = file.expected(draft.request);
    let statement = provisional(&draft, officer.key.public().id());
    rules::check(file.directory(), expected.as_ref(), &statement, now)?;
    let to = file.directory().encryption_key(&draft.to, now)?;
    let envelope = envelope::seal(&draft, &order.body, to, &officer.key, &mut |bytes| {
        rand::fill(bytes).expect("the operating system has a random source");
    })
    .map_err(|error| seal_error(error, envelope_bytes_max))?;
    let bytes = envelope.to_bytes();
    if bytes.len() > envelope_bytes_max {
        let max = envelope_bytes_max;
        return Err(Local::TooLarge { bytes: bytes.len(), max }.into());
    }
    scratch.note(Record::Prepared { envelope: bytes, intent }, body);
    Ok(message)
}

/// Prepares what the desk's machine says about a statement it got, and notes it.
pub(super) fn prepare_machine(scratch: &mut Scratch, keys: &Keys, about: &Statement, act: Act) {
    let now = scratch.now();
    let draft = Draft {
        message: MessageId(random()),
        from: scratch.file().owner().clone(),
        signer: Signer::Desk,
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

/// Notes that a statement of ours will never be recorded.
pub(super) fn note_refusal(scratch: &mut Scratch, message: MessageId, refusal: Refused) {
    let queued = |held: &Held| held.recorded.is_none() && held.refused.is_none();
    if scratch.file().own_statement(message).is_some_and(|held| queued(held)) {
        scratch.note(Record::Refused { message, refusal }, Vec::new());
    }
}

/// Notes that a statement has lapsed in the outbox. What a machine says is said again.
pub(super) fn note_lapse(scratch: &mut Scratch, keys: &Keys, message: MessageId) {
    let Some(held) = scratch.file().own_statement(message).cloned() else { return };
    if held.recorded.is_some() || held.refused.is_some() {
        return;
    }
    note_refusal(scratch, message, Refused::from(&Local::Lapsed));
    let act = &held.statement.act;
    if let Act::Receipt { of, .. } | Act::Retrieval { of, .. } = act {
        let about = (held.statement.to.clone(), *of);
        if let Some(about) = scratch.file().statement(&about).cloned() {
            prepare_machine(scratch, keys, &about.statement, act.clone());
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
    let facts = RequestFacts {
        kind: wish.kind,
        instrument: choose_instrument(scratch, wish)?,
        urgency: wish.urgency.unwrap_or(match wish.kind {
            RequestType::Preservation => Urgency::Expedited,
            RequestType::TechnicalAdvice | RequestType::LegalInformation => Urgency::Routine,
        }),
        test: wish.test,
        exercise: wish.exercise,
        parent: wish.parent,
    };
    let case = wish.case.unwrap_or_else(|| CaseId(random()));
    let act = Act::Request(facts);
    Ok(draft(scratch, message, signer, wish.to.clone(), case, message.into(), None, act))
}

fn draft_act(
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
    let Draft { message, from, signer, to, case, request, in_reply_to, .. } = draft.clone();
    let Draft { sequence, created, not_after, seen, act, .. } = draft.clone();
    Statement {
        header: Hash([0; 32]),
        message,
        from,
        signer,
        signer_key,
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
    let Act::Execute { extent, preserved_until: None } = act else { return Ok(act.clone()) };
    let preserves = case.facts.kind == RequestType::Preservation
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
    Ok(Act::Execute { extent: *extent, preserved_until: Some(until) })
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
        | Record::TailTruncated { .. } => {
            Err(Error::Fault("there is no prepared statement at this place".to_owned()))
        }
    }
}
