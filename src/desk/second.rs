//! The second officer: what hands data over waits here until another officer of the desk approves
//! or declines it.
//!
//! Not for which act that is (see `rules::request_type::discloses`), nor for the relay: what waits
//! is known to this desk alone. It is on its disk, so that a restart between the two officers
//! changes nothing.
//!
//! ```text
//! first officer prepares --> Held --approved by another--> Prepared (signed by both, then sent)
//!                                 --declined, or taken back--> Declined
//! ```

use std::sync::Arc;

use rpds::RedBlackTreeMapSync;

use super::act::{Progress, Standing, draft_act, note_prepared, sealed};
use super::case::{Entry, OwnEntry};
use super::error::{Error, Local};
use super::keys::Keys;
use super::record::{Note, Record};
use super::store::Scratch;
use super::{Desk, off_the_workers};
use crate::envelope::words::Role;
use crate::envelope::{self, Act, Approval, Malformed, RequestFacts, Signer, Statement};
use crate::rules::Refusal;
use crate::units::{CaseId, Hash, Index, MessageId, Name, OfficerId, RequestId, Timestamp};
use crate::wire::detente::form::v1::Body;
use prost::Message as _;

/// How many acts may wait for a second officer at a time: far more than a desk answers in a day.
const WAITING_MAX: usize = 256;

/// The longest reason for declining, in characters.
const REASON_CHARS_MAX: usize = 2_000;

/// An act that a first officer has prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The id that the statement will have.
    pub message: MessageId,
    /// The first officer.
    pub officer: Name,
    /// The request.
    pub request: RequestId,
    /// What is to be done.
    pub act: Act,
    /// When it was prepared, by the desk's clock.
    pub at: Timestamp,
    /// Who declined it, why, and when, if somebody did: it will never be sent.
    pub declined: Option<(Name, String, Timestamp)>,
    place: Index,
    pub(super) intent: Hash,
}

impl Waiting {
    fn read(place: Index, note: &Note) -> Option<Self> {
        let Record::Held { message, officer, request, act, intent } = &note.record else {
            return None;
        };
        let act = envelope::act_from_bytes(act).expect("this desk wrote the act");
        Some(Self {
            message: *message,
            officer: officer.clone(),
            request: *request,
            act,
            at: note.at,
            declined: None,
            place,
            intent: *intent,
        })
    }

    /// What the history of the request says of it.
    fn entry(&self) -> Entry {
        let (officer, at, what) = match &self.declined {
            None => (&self.officer, self.at, "HELD_FOR_APPROVAL"),
            Some((officer, _, at)) => (officer, *at, "DECLINED"),
        };
        let reason = self.declined.as_ref().map(|(_, reason, _)| format!(" reason={reason}"));
        Entry::Own(Arc::new(OwnEntry {
            at,
            officer: officer.clone(),
            what,
            facts: format!("act={}{}", self.act.name(), reason.unwrap_or_default()),
            message: self.message,
        }))
    }

    /// How it stands, for the officer who prepared it.
    pub(super) fn standing(&self, case: CaseId) -> Standing {
        let progress = match &self.declined {
            None => Progress::Waiting,
            Some((by, reason, _)) => {
                let declined = Local::Declined { by: by.clone(), reason: reason.clone() };
                Progress::Refused((&declined).into())
            }
        };
        Standing {
            message: self.message,
            request: self.request,
            case,
            progress,
            notices: Vec::new(),
        }
    }
}

/// What waits, what was declined, and how often nobody was asked.
#[derive(Clone, Default)]
pub struct Approvals {
    held: RedBlackTreeMapSync<MessageId, Arc<Waiting>>,
    lone: u64,
}

impl Approvals {
    /// What waits, the oldest first.
    pub fn waiting(&self) -> Vec<Arc<Waiting>> {
        let waits = |held: &&Arc<Waiting>| held.declined.is_none();
        let mut waiting: Vec<_> = self.held.values().filter(waits).cloned().collect();
        waiting.sort_by_key(|held| held.place);
        waiting
    }

    /// What waits, or was declined, under this id.
    pub fn get(&self, message: MessageId) -> Option<&Arc<Waiting>> {
        self.held.get(&message)
    }

    /// True when something on this request waits.
    pub fn is_waiting_on(&self, request: RequestId) -> bool {
        self.held.values().any(|held| held.request == request && held.declined.is_none())
    }

    /// How often an officer of this desk handed data over alone, and the relay has it on record.
    /// Tests and exercises are not counted.
    pub const fn lone(&self) -> u64 {
        self.lone
    }

    /// Adds a committed record, and says what the history of which request gets by it.
    pub(super) fn apply(&mut self, place: Index, note: &Note) -> Option<(RequestId, Entry)> {
        if let Record::Declined { message, officer, reason } = &note.record {
            let held = Arc::make_mut(self.held.get_mut(message)?);
            held.declined = Some((officer.clone(), reason.clone(), note.at));
            return Some((held.request, held.entry()));
        }
        let held = Waiting::read(place, note)?;
        let told = (held.request, held.entry());
        self.held.insert_mut(held.message, Arc::new(held));
        Some(told)
    }

    /// It is a statement now.
    pub(super) fn prepared(&mut self, message: MessageId) {
        self.held.remove_mut(&message);
    }

    /// A statement of ours is on the relay's disk.
    pub(super) fn recorded(&mut self, statement: &Statement, request: &RequestFacts) {
        let counts = statement.approval == Approval::Alone && !request.test && !request.exercise;
        self.lone += u64::from(counts);
    }
}

/// Notes an act that hands data over, for a second officer to look at.
pub(super) fn hold(
    scratch: &mut Scratch,
    keys: &Keys,
    statement: &Statement,
    intent: Hash,
    body: Vec<u8>,
) -> Result<(), Error> {
    let Signer::Officer(officer) = &statement.signer else {
        return Err(Refusal::OfficerMustSign { act: statement.act.name() }.into());
    };
    let file = scratch.file();
    let may = file.directory().approvers(file.owner(), officer, scratch.now());
    if !may.iter().any(|name| keys.officers.contains_key(name)) {
        return Err(Local::NobodyApproves.into());
    }
    if file.approvals().waiting().len() >= WAITING_MAX {
        return Err(Local::TooManyWait(WAITING_MAX).into());
    }
    let record = Record::Held {
        message: statement.message,
        officer: officer.clone(),
        request: statement.request,
        act: envelope::act_to_bytes(&statement.act),
        intent,
    };
    scratch.note(record, body);
    Ok(())
}

/// Makes the statement that waited, in the name of both officers. Asked again by the same officer,
/// it is the statement that was made.
fn approve(
    scratch: &mut Scratch,
    keys: &Keys,
    envelope_bytes_max: usize,
    message: MessageId,
    approver: &Name,
    body: &Body,
) -> Result<(), Error> {
    let second = keys.officer(approver)?;
    let approval = Approval::By { officer: approver.clone(), key: second.key.public().id() };
    if let Some(made) = scratch.file().own_statement(message)
        && made.statement.approval == approval
    {
        return Ok(());
    }
    let held = waits(scratch, message)?;
    let signer = Signer::Officer(held.officer.clone());
    let draft = draft_act(scratch, held.request, held.act.clone(), message, signer)?;
    let draft = envelope::Draft { approval, ..draft };
    let first = keys.officer(&held.officer)?;
    let mut sealed = sealed(scratch, &draft, body, &first.key, envelope_bytes_max)?;
    sealed.0.countersign(&second.key);
    note_prepared(scratch, &sealed, held.intent, body.encode_to_vec());
    Ok(())
}

/// Notes that it will not be said. The first officer may take it back; others need the role.
fn decline(
    scratch: &mut Scratch,
    keys: &Keys,
    message: MessageId,
    officer: &Name,
    reason: &str,
) -> Result<(), Error> {
    keys.officer(officer)?;
    let chars = reason.chars().count();
    if reason.trim().is_empty() || chars > REASON_CHARS_MAX {
        let why = format!("say why, in 1 to {REASON_CHARS_MAX} characters");
        return Err(Error::Malformed(vec![Malformed { field: "reason".to_owned(), why }]));
    }
    let held = waits(scratch, message)?;
    let file = scratch.file();
    let may = file.directory().approvers(file.owner(), &held.officer, scratch.now());
    if *officer != held.officer && !may.contains(officer) {
        let id = OfficerId { desk: file.owner().clone(), name: officer.clone() };
        let act = held.act.name();
        return Err(Refusal::RoleMissing { officer: id, act, role: Role::Approve }.into());
    }
    let (officer, reason) = (officer.clone(), reason.to_owned());
    scratch.note(Record::Declined { message, officer, reason }, Vec::new());
    Ok(())
}

fn waits(scratch: &Scratch, message: MessageId) -> Result<Arc<Waiting>, Error> {
    let held = scratch.file().approvals().get(message).cloned();
    let held = held.ok_or(Local::NothingWaits(message))?;
    match &held.declined {
        None => Ok(held),
        Some((by, reason, _)) => {
            Err(Local::Declined { by: by.clone(), reason: reason.clone() }.into())
        }
    }
}

impl Desk {
    /// The form of what waits for a second officer.
    ///
    /// # Errors
    /// When nothing waits under this id, or the disk fails.
    pub async fn waiting_form(&self, message: MessageId) -> Result<Body, Error> {
        let file = self.file();
        let held = file.approvals().get(message).cloned();
        let place = held.ok_or(Local::NothingWaits(message))?.place;
        let desk = self.clone();
        off_the_workers(move || {
            let note = desk.inner.store.read(place)?;
            Body::decode(note.body.as_slice())
                .map_err(|error| Error::Fault(format!("a form on disk is damaged: {error}")))
        })
        .await
    }

    /// A second officer approves what waits: it is signed in the name of both. When this answers,
    /// it is on disk and will be sent.
    ///
    /// # Errors
    /// When nothing waits under this id, the officer may not approve it, the rules have something
    /// against it by now, or the disk is full or failed.
    pub async fn approve(&self, message: MessageId, officer: Name) -> Result<Standing, Error> {
        let body = if self.file().own_statement(message).is_some() {
            Body::default()
        } else {
            self.waiting_form(message).await?
        };
        let (keys, max) = (self.keys(), self.inner.envelope_bytes_max);
        let decide = move |scratch: &mut Scratch| {
            approve(scratch, &keys, max, message, &officer, &body)?;
            let held = scratch.file().own_statement(message);
            held.map(|held| Standing::told(scratch, held))
                .ok_or_else(|| Error::Fault("what was approved is not there".to_owned()))
        };
        self.inner.store.write(decide).await
    }

    /// A second officer declines what waits, or the first takes it back: it is never sent.
    ///
    /// # Errors
    /// When nothing waits under this id, the officer may not decline it, no reason is given, or
    /// the disk is full or failed.
    pub async fn decline(
        &self,
        message: MessageId,
        officer: Name,
        reason: String,
    ) -> Result<(), Error> {
        let keys = self.keys();
        let decide =
            move |scratch: &mut Scratch| decline(scratch, &keys, message, &officer, &reason);
        self.inner.store.write(decide).await
    }
}
