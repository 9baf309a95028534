//! The desk's case file: what follows from its records, in memory.
//!
//! Not for deciding anything (see `act.rs` and `intake.rs`). [`CaseFile::apply`] is deterministic
//! and cannot refuse, so that a replay gives the same file. Forms stay on disk: memory holds, for
//! every statement, a few hundred bytes of facts. Cloning is cheap (persistent maps).

use std::sync::Arc;

use rpds::{RedBlackTreeMapSync, VectorSync};

use super::case::{
    Case, Entry, Form, Held, Key, RelayEntry, Update, drop_pending, evidence, note_dates,
};
use super::conduct::Conduct;
use super::contacts::Contacts;
use super::proofs::Proofs;
use super::record::{Note, Received, Record, Refused, Verdict};
use super::second::Approvals;
use crate::codec::{self, Decoded};
use crate::envelope::genesis::Genesis;
use crate::envelope::{Act, Envelope, Signer, Statement};
use crate::rules::event::{Event, Kind, OfferFailure, Stamp};
use crate::rules::transport::{Move, Transport};
use crate::rules::{self, Directory};
use crate::tlog::Policy;
use crate::units::{CaseId, DeskId, DeskIndex, Hash, Index, MessageId, RequestId, Timestamp};

/// Everything a desk knows.
#[derive(Clone)]
pub struct CaseFile {
    owner: DeskId,
    genesis: Hash,
    contacts: Contacts,
    /// The place that the next record gets in the desk's own journal.
    next_place: Index,
    /// The next record of our own sequence that we want from the relay.
    next: DeskIndex,
    /// The place of the newest of them that we hold.
    newest: Option<Index>,
    cases: RedBlackTreeMapSync<RequestId, Arc<Case>>,
    numbers: RedBlackTreeMapSync<u64, RequestId>,
    statements: RedBlackTreeMapSync<Key, Arc<Held>>,
    /// Statements about requests that are not here, by the place of their record.
    pub(super) early: RedBlackTreeMapSync<(RequestId, Index), Key>,
    outbox: RedBlackTreeMapSync<u64, MessageId>,
    wanted: RedBlackTreeMapSync<u64, Key>,
    updates: VectorSync<Update>,
    approvals: Approvals,
    sequences: RedBlackTreeMapSync<Signer, u64>,
    pairs: RedBlackTreeMapSync<(DeskId, DeskId), u64>,
    pub(super) proofs: Proofs,
    conduct: Conduct,
}

impl CaseFile {
    /// An empty file of `owner`, in the network that `genesis` founds.
    pub(super) fn new(owner: DeskId, genesis: &Genesis, policy: &Policy) -> Self {
        let mut contacts = Contacts::new(genesis);
        contacts.set_asks(policy.witnesses().next().is_some());
        Self {
            owner,
            genesis: genesis.hash,
            contacts,
            next_place: Index(0),
            next: DeskIndex(0),
            newest: None,
            cases: RedBlackTreeMapSync::new_sync(),
            numbers: RedBlackTreeMapSync::new_sync(),
            statements: RedBlackTreeMapSync::new_sync(),
            early: RedBlackTreeMapSync::new_sync(),
            outbox: RedBlackTreeMapSync::new_sync(),
            wanted: RedBlackTreeMapSync::new_sync(),
            updates: VectorSync::new_sync(),
            approvals: Approvals::default(),
            sequences: RedBlackTreeMapSync::new_sync(),
            pairs: RedBlackTreeMapSync::new_sync(),
            proofs: Proofs::new(),
            conduct: Conduct::new(),
        }
    }

    /// The desk whose file this is.
    pub const fn owner(&self) -> &DeskId {
        &self.owner
    }

    /// Hash of the network's genesis.
    pub const fn genesis(&self) -> Hash {
        self.genesis
    }

    /// Members, desks and keys, as the desk knows them.
    pub fn directory(&self) -> &Directory {
        self.contacts.directory()
    }

    /// The members' entries, as the desk knows them.
    pub const fn contacts(&self) -> &Contacts {
        &self.contacts
    }

    /// Which records are proven to be in the relay's log.
    pub const fn proofs(&self) -> &Proofs {
        &self.proofs
    }

    /// How the relay treats this desk.
    pub(super) const fn conduct(&self) -> &Conduct {
        &self.conduct
    }

    /// The place that the next record gets in the desk's own journal.
    pub const fn next_place(&self) -> Index {
        self.next_place
    }

    /// The next record of our own sequence that we want from the relay: the cursor.
    pub const fn next(&self) -> DeskIndex {
        self.next
    }

    /// The place in our own journal of the newest record of our own sequence.
    pub(super) const fn newest_received(&self) -> Option<Index> {
        self.newest
    }

    /// A request.
    pub fn case(&self, request: RequestId) -> Option<&Arc<Case>> {
        self.cases.get(&request)
    }

    /// Every request with its number, newest first, from the one before number `before`.
    pub fn cases_before(&self, before: u64) -> impl Iterator<Item = (RequestId, &Arc<Case>)> {
        let numbers = self.numbers.range(..before).rev();
        numbers.filter_map(|(_, id)| self.cases.get(id).map(|case| (*id, case)))
    }

    /// The case that a request belongs to.
    pub fn case_of(&self, request: &Case) -> Option<CaseId> {
        self.statement(&request.first).map(|held| held.statement.case)
    }

    /// A statement.
    pub fn statement(&self, key: &Key) -> Option<&Arc<Held>> {
        self.statements.get(key)
    }

    /// A statement of ours.
    pub fn own_statement(&self, message: MessageId) -> Option<&Arc<Held>> {
        self.statements.get(&(self.owner.clone(), message))
    }

    /// Our statements that the relay has neither recorded nor refused, oldest first.
    pub fn outbox(&self) -> impl Iterator<Item = &Arc<Held>> {
        self.outbox.values().filter_map(|message| self.own_statement(*message))
    }

    /// How many these are.
    pub fn outbox_len(&self) -> usize {
        self.outbox.size()
    }

    /// Statements of others whose body the relay will hand over now, oldest first.
    pub fn wanted(&self) -> impl Iterator<Item = &Arc<Held>> {
        self.wanted.values().filter_map(|key| self.statements.get(key))
    }

    /// The statements about a request, in the order in which they became known.
    pub fn statements_of(&self, request: RequestId) -> Vec<Arc<Held>> {
        let Some(case) = self.cases.get(&request) else { return Vec::new() };
        let held = |entry: &Entry| match entry {
            Entry::Statement(key) => self.statements.get(key).cloned(),
            Entry::Relay(_) | Entry::Own(_) => None,
        };
        case.entries.iter().filter_map(held).collect()
    }

    /// Every statement, ours and of others.
    pub(super) fn statements(&self) -> impl Iterator<Item = &Arc<Held>> {
        self.statements.values()
    }

    /// What our officers have prepared and no second one has approved.
    pub const fn approvals(&self) -> &Approvals {
        &self.approvals
    }

    /// How many updates there have been: the number that the next one gets.
    pub fn updates_len(&self) -> u64 {
        self.updates.len() as u64
    }

    /// The update with this number.
    pub fn update(&self, number: u64) -> Option<&Update> {
        self.updates.get(usize::try_from(number).ok()?)
    }

    /// The highest sequence number that a signer of this desk has used; 0 before the first.
    pub(super) fn sequence(&self, signer: &Signer) -> u64 {
        self.sequences.get(signer).copied().unwrap_or(0)
    }

    /// The highest number seen of an ordered pair of desks; 0 before the first.
    pub(super) fn pair_sequence(&self, from: &DeskId, to: &DeskId) -> u64 {
        self.pairs.get(&(from.clone(), to.clone())).copied().unwrap_or(0)
    }

    /// Passes over a committed record that counts no more.
    pub(super) fn pass_over(&mut self) {
        self.next_place = self.next_place.plus(1);
    }

    /// Adds a committed record.
    pub(super) fn apply(&mut self, note: &Note) {
        let place = self.next_place;
        self.next_place = place.plus(1);
        match &note.record {
            Record::Founded { .. }
            | Record::TailTruncated { .. }
            | Record::RelayRestored { .. } => {}
            Record::Prepared { envelope, intent } => self.prepared(place, envelope, *intent, note),
            Record::Confirmed { message, index, time } => {
                self.recorded_ours(*message, *index, *time);
                self.proofs.settled(*message);
            }
            Record::Refused { message, refusal } => self.refused(*message, refusal),
            Record::Received(received) => self.received(place, received),
            Record::Opened { from, message } => {
                self.settle_form(from, *message, Form::Here(place));
            }
            Record::Unreadable { from, message, why, .. } => {
                self.settle_form(from, *message, Form::Broken { place, why: why.clone() });
            }
            Record::Monitored(what) => {
                self.contacts.note_monitored(what);
                self.conduct.note_monitored(what);
            }
            Record::Evidential(what) => self.note_evidential(place, note, what),
            Record::Retrieved { from, message, .. } => {
                self.change(&(from.clone(), *message), |held| held.retrieved = true);
            }
            Record::Held { .. } | Record::Declined { .. } => {
                if let Some((request, entry)) = self.approvals.apply(place, note) {
                    self.add_own(request, entry);
                }
            }
            Record::Directory { leaf, index, event } => {
                self.contacts.apply(place, (*leaf, *index), event, &note.body);
                self.proofs.received(*index, place);
            }
            Record::Proof { index, leaf, proof } => {
                self.proofs.proven(*index, place, *leaf, proof);
            }
            Record::BadReceipt { index, message, code, .. } => {
                self.proofs.bad(place, (*index, *message), code);
            }
        }
    }

    fn prepared(&mut self, place: Index, envelope: &[u8], intent: Hash, note: &Note) {
        let envelope = Envelope::parse(envelope).expect("this desk made the envelope");
        let statement = envelope.statement;
        let message = statement.message;
        self.approvals.prepared(message);
        self.sequences.insert_mut(statement.signer.clone(), statement.sequence);
        self.outbox.insert_mut(place.0, message);
        let form = if note.body.is_empty() { Form::None } else { Form::Here(place) };
        let mut held = Held::new(statement.clone(), true, place, form);
        held.intent = Some(intent);
        held.queued = Some(place.0);
        self.hold(held);
        self.enter(&statement, None);
        self.change_case(statement.request, |case| {
            case.pending.push_back_mut(message);
        });
        if let Act::Receipt { of, .. } = &statement.act {
            let key = (statement.to.clone(), *of);
            self.change(&key, |about| about.receipt = Some(message));
        }
    }

    /// A statement of ours is on the relay's disk, as its answer or its stream says.
    fn recorded_ours(&mut self, message: MessageId, index: Index, time: Timestamp) {
        let key = (self.owner.clone(), message);
        let Some(held) = self.statements.get(&key).cloned() else { return };
        if held.recorded.is_some() {
            return;
        }
        if let Some(queued) = held.queued {
            self.outbox.remove_mut(&queued);
        }
        self.change(&key, |held| {
            held.recorded = Some((index, time));
            let mut transport = Transport::accepted(time);
            for (by, at) in std::mem::take(&mut held.early) {
                transport.apply(by, at);
            }
            held.transport = Some(transport);
            held.queued = None;
            held.refused = None;
        });
        let statement = &held.statement;
        self.conduct.recorded(statement);
        if let Some(held) = self.statements.get(&key) {
            self.conduct.moved(held);
        }
        if let Some(case) = self.cases.get(&statement.request) {
            self.approvals.recorded(statement, &case.facts);
        }
        if matches!(statement.act, Act::Request(_)) {
            self.change_case(statement.request, |case| case.submitted = Some(time));
        }
        self.updates
            .push_back_mut(Update { request: statement.request, entry: Entry::Statement(key) });
        if let Act::Receipt { of, rejected: None, .. } = &statement.act {
            self.want(&(statement.to.clone(), *of));
        }
        self.add_evidence(statement, time);
    }

    fn refused(&mut self, message: MessageId, refusal: &Refused) {
        let key = (self.owner.clone(), message);
        let Some(held) = self.statements.get(&key).cloned() else { return };
        if held.recorded.is_some() {
            return;
        }
        if let Some(queued) = held.queued {
            self.outbox.remove_mut(&queued);
        }
        self.change(&key, |held| {
            held.refused = Some(refusal.clone());
            held.queued = None;
        });
        let request = held.statement.request;
        self.change_case(request, |case| drop_pending(case, message));
        if let Act::Receipt { of, .. } = &held.statement.act {
            self.change(&(held.statement.to.clone(), *of), |about| about.receipt = None);
        }
        self.updates.push_back_mut(Update { request, entry: Entry::Statement(key) });
    }

    fn received(&mut self, place: Index, received: &Received) {
        self.next = received.desk_index.next();
        self.newest = Some(place);
        if matches!(received.verdict, Verdict::Foul(_)) {
            return;
        }
        self.proofs.received(received.index, place);
        let decoded = codec::decode_event(&received.event, &received.header)
            .expect("a record that cannot be read was judged foul");
        self.contacts.passed(received.index, decoded.time);
        let event = &decoded.event;
        self.count(received, &decoded);
        let event_hash = Hash::of(&[&received.event]);
        let stamp = Stamp { index: received.index, time: decoded.time, event_hash };
        let time = stamp.time;
        match &event.kind {
            Kind::Accepted(statement) => {
                self.accepted(place, received, statement, event, stamp);
            }
            Kind::EmbargoEnded(statement) if statement.from == self.owner => {
                let facts = format!("message={}", statement.message);
                self.relay_entry(event, stamp, "EMBARGO_ENDED", facts);
            }
            Kind::EmbargoEnded(statement) => {
                self.accepted(place, received, statement, event, stamp);
            }
            Kind::Offered { message } => {
                self.add_move(event.from.as_ref(), *message, Move::Offer, time);
                self.relay_entry(event, stamp, "OFFERED", format!("message={message}"));
            }
            Kind::OfferFailed { message, reason } => {
                self.add_move(event.from.as_ref(), *message, Move::Fail(*reason), time);
                let reason = match reason {
                    OfferFailure::Unreachable => "UNREACHABLE",
                    OfferFailure::NoReceipt => "NO_RECEIPT",
                };
                let facts = format!("message={message} reason={reason}");
                self.relay_entry(event, stamp, "OFFER_FAILED", facts);
            }
            Kind::HandedOver { message } => {
                let what = "HANDED_OVER_WITHOUT_RECEIPT";
                self.relay_entry(event, stamp, what, format!("message={message}"));
                self.add_move(event.from.as_ref(), *message, Move::HandOver, time);
                if let (Some(from), Some(to)) = (&event.from, &event.to)
                    && *to == self.owner
                {
                    self.want(&(from.clone(), *message));
                }
            }
            Kind::PreservationExpired { preserved_until } => {
                let facts = format!("preserved_until={preserved_until}");
                self.relay_entry(event, stamp, "PRESERVATION_EXPIRED", facts);
            }
            Kind::BodyErased { index: of, reason, .. } => {
                self.erased(event, *of);
                let reason = reason.as_str();
                let facts = format!("record={of} reason={reason}");
                self.relay_entry(event, stamp, "BODY_ERASED", facts);
            }
            // An entry is no record of ours: it comes with the directory's own stream.
            Kind::Founded(_)
            | Kind::TailTruncated { .. }
            | Kind::ClockStepped { .. }
            | Kind::ClockConfirmed { .. }
            | Kind::Padded
            | Kind::EntryPublished(_)
            | Kind::LogKeyAnnounced(_) => {}
        }
        if let Some(request) = event.request {
            self.change_case(request, |case| case.last_event = Some(event_hash));
        }
    }

    /// Counts an event in its pair of desks.
    fn count(&mut self, received: &Received, decoded: &Decoded) {
        if let (Some(from), Some(to)) = (&decoded.event.from, &decoded.event.to) {
            self.conduct.numbered(received, decoded, self.pair_sequence(from, to) + 1);
            self.pairs.insert_mut((from.clone(), to.clone()), decoded.pair_sequence);
        }
    }

    /// A statement has become a record: ours, or one for us.
    fn accepted(
        &mut self,
        place: Index,
        received: &Received,
        statement: &Statement,
        event: &Event,
        stamp: Stamp,
    ) {
        let Stamp { index, time, .. } = stamp;
        let key = (statement.from.clone(), statement.message);
        let known = self.statements.contains_key(&key);
        let lawful = matches!(received.verdict, Verdict::Good);
        if known && statement.from == self.owner {
            // A relay whose receipt does not hold is not believed without one.
            if !self.proofs.is_in_dispute(statement.message) {
                self.recorded_ours(statement.message, index, time);
            }
        } else if known {
            return;
        } else {
            let ours = statement.from == self.owner;
            self.conduct.unknown(received, statement, (ours, time));
            let form = if statement.act.is_machine() { Form::None } else { Form::Sealed };
            let mut held = Held::new(statement.clone(), ours, place, form);
            held.recorded = Some((index, time));
            held.transport = Some(Transport::accepted(time));
            if let Verdict::Rejected { rejection, why } = &received.verdict {
                held.rejected = Some((*rejection, why.clone()));
            }
            self.hold(held);
            self.enter(statement, Some(time));
            let entry = Entry::Statement(key);
            self.updates.push_back_mut(Update { request: statement.request, entry });
            if lawful {
                self.add_evidence(statement, time);
            }
            self.answered_before(statement);
        }
        self.change_case(statement.request, |case| {
            drop_pending(case, statement.message);
            if lawful {
                note_dates(case, &statement.act, time);
            }
            match &mut case.request {
                None if lawful => case.request = rules::Request::open(event, stamp),
                Some(request) if lawful => request.apply(event, stamp),
                None | Some(_) => {}
            }
        });
    }

    /// Something that only this desk knows has happened to a request.
    pub(super) fn add_own(&mut self, request: RequestId, entry: Entry) {
        self.change_case(request, |case| case.entries.push_back_mut(entry.clone()));
        self.updates.push_back_mut(Update { request, entry });
    }

    fn relay_entry(&mut self, event: &Event, stamp: Stamp, what: &'static str, facts: String) {
        let Some(request) = event.request else { return };
        let Stamp { index, time, .. } = stamp;
        let entry = Entry::Relay(Arc::new(RelayEntry { index, time, what, facts }));
        self.change_case(request, |case| {
            case.entries.push_back_mut(entry.clone());
            if let Some(request) = &mut case.request {
                request.apply(event, stamp);
            }
        });
        if self.cases.contains_key(&request) {
            self.updates.push_back_mut(Update { request, entry });
        }
    }

    /// Puts a statement into the history of its request, which it opens if it is one.
    fn enter(&mut self, statement: &Statement, submitted: Option<Timestamp>) {
        let (key, request) = ((statement.from.clone(), statement.message), statement.request);
        if let Act::Request(facts) = &statement.act
            && !self.cases.contains_key(&request)
        {
            let number = self.numbers.last().map_or(0, |(number, _)| number + 1);
            let case = Case::open(number, statement, facts, submitted);
            self.numbers.insert_mut(number, request);
            self.cases.insert_mut(request, Arc::new(case));
            self.enter_one(request, key);
            self.enter_early(request);
        } else if self.cases.contains_key(&request) {
            self.enter_one(request, key);
        } else {
            self.early.insert_mut((request, self.next_place), key);
        }
    }

    pub(super) fn enter_one(&mut self, request: RequestId, key: Key) {
        self.change_case(request, |case| case.entries.push_back_mut(Entry::Statement(key)));
    }

    /// A machine's statement is evidence about another one.
    pub(super) fn add_evidence(&mut self, statement: &Statement, at: Timestamp) {
        if let Some((of, by)) = evidence(&statement.act) {
            // Whoever answers speaks to the one who wrote.
            self.add_move(Some(&statement.to), of, by, at);
        }
    }

    fn add_move(&mut self, from: Option<&DeskId>, message: MessageId, by: Move, at: Timestamp) {
        let Some(key) = from.map(|from| (from.clone(), message)) else { return };
        self.change(&key, |held| match &mut held.transport {
            Some(transport) => transport.apply(by, at),
            None => held.early.push((by, at)),
        });
        if let Some(held) = self.statements.get(&key) {
            self.conduct.moved(held);
        }
    }

    /// The relay will hand over the body of a statement now.
    pub(super) fn want(&mut self, key: &Key) {
        let number = self.next_place.0;
        let Some(held) = self.statements.get(key) else { return };
        if held.ours || held.wanted.is_some() || held.form != Form::Sealed {
            return;
        }
        self.wanted.insert_mut(number, key.clone());
        self.change(key, |held| held.wanted = Some(number));
    }

    fn settle_form(&mut self, from: &DeskId, message: MessageId, form: Form) {
        let key = (from.clone(), message);
        if let Some(wanted) = self.statements.get(&key).and_then(|held| held.wanted) {
            self.wanted.remove_mut(&wanted);
        }
        self.change(&key, |held| {
            held.form = form;
            held.wanted = None;
        });
    }

    /// The body of the record `of` is gone from the relay. What we have opened we keep.
    fn erased(&mut self, event: &Event, of: Index) {
        let Some(case) = event.request.and_then(|request| self.cases.get(&request)) else {
            return;
        };
        let gone = case.entries.iter().find_map(|entry| match entry {
            Entry::Statement(key) => {
                let held = self.statements.get(key)?;
                let is_it = held.recorded.is_some_and(|(index, _)| index == of);
                (is_it && held.form == Form::Sealed).then(|| key.clone())
            }
            Entry::Relay(_) | Entry::Own(_) => None,
        });
        if let Some((from, message)) = gone {
            self.settle_form(&from, message, Form::Erased);
        }
    }

    fn hold(&mut self, held: Held) {
        let key = (held.statement.from.clone(), held.statement.message);
        self.statements.insert_mut(key, Arc::new(held));
    }

    pub(super) fn change(&mut self, key: &Key, change: impl FnOnce(&mut Held)) {
        if let Some(held) = self.statements.get(key) {
            let mut held = Held::clone(held);
            change(&mut held);
            self.statements.insert_mut(key.clone(), Arc::new(held));
        }
    }

    pub(super) fn change_case(&mut self, request: RequestId, change: impl FnOnce(&mut Case)) {
        if let Some(case) = self.cases.get(&request) {
            let mut case = Case::clone(case);
            change(&mut case);
            self.cases.insert_mut(request, Arc::new(case));
        }
    }
}
