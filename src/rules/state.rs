//! What the rules remember: the directory, the open and recently settled requests, and counters.
//!
//! Not for what is only shown (see `views/`), and not for history, which is the journal. It is
//! bounded: by the directory, by the limits on requests and statements, and by forgetting.
//!
//! Invariants: the sets of deadlines, of waiting statements and of requests to forget say exactly
//! what the requests say, so that nothing here is ever searched; cloning costs nothing that grows.

use std::ops::Bound;

use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};
use serde::{Deserialize, Serialize};

use super::command::{Command, Deadline};
use super::deadline;
use super::entry::{ENTRIES_MAX, Published};
use super::event::{Event, Kind, Numbering, Stamp};
use super::member::Directory;
use super::refusal::Refusal;
use super::request::{Message, Request};
use super::seen;
use crate::envelope::entry::Entry;
use crate::envelope::{Act, Statement};
use crate::units::{DeskId, DeskIndex, Index, MemberId, MessageId, RequestId, Timestamp};

/// The state of the network's rules.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub(super) directory: Directory,
    pub(super) next_index: Index,
    pub(super) requests: RedBlackTreeMapSync<RequestId, Request>,
    /// Which request a statement belongs to.
    pub(super) messages: RedBlackTreeMapSync<MessageId, RequestId>,
    pub(super) deadlines: RedBlackTreeSetSync<Deadline>,
    /// Statements without a receipt, by recipient, in order of their records.
    pub(super) waiting: RedBlackTreeSetSync<(DeskId, Index, MessageId)>,
    /// When each settled request is forgotten.
    pub(super) forget: RedBlackTreeSetSync<(Timestamp, RequestId)>,
    /// Requests by requesting member: open, and remembered at all.
    pub(super) counts: RedBlackTreeMapSync<MemberId, Counts>,
    /// The wall clock has jumped, and nobody has confirmed it since.
    clock_in_doubt: bool,
    /// The newest entries of each member, oldest first.
    published: RedBlackTreeMapSync<MemberId, Vec<Published>>,
    desk_indexes: RedBlackTreeMapSync<DeskId, DeskIndex>,
    pairs: RedBlackTreeMapSync<(DeskId, DeskId), u64>,
}

/// How many requests of a member are remembered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) open: u32,
    pub(super) all: u32,
}

impl State {
    /// The directory.
    pub const fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The index that the next record gets.
    pub const fn next_index(&self) -> Index {
        self.next_index
    }

    /// A request that is open or was settled not long ago.
    pub fn request(&self, id: RequestId) -> Option<&Request> {
        self.requests.get(&id)
    }

    /// All such requests, in order of ids.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        self.requests.values()
    }

    /// How many requests are open: their handling has not ended, or a measure is running.
    pub fn open_requests(&self) -> u64 {
        self.counts.values().map(|counts| u64::from(counts.open)).sum()
    }

    /// A remembered entry of a member.
    pub fn published(&self, member: MemberId, message: MessageId) -> Option<&Published> {
        self.all_published(member).iter().find(|known| known.message == message)
    }

    /// The remembered entries of a member, oldest first.
    pub(super) fn all_published(&self, member: MemberId) -> &[Published] {
        self.published.get(&member).map(Vec::as_slice).unwrap_or_default()
    }

    /// A remembered statement of this desk.
    pub fn message(&self, from: &DeskId, id: MessageId) -> Option<&Message> {
        let (request, message) = self.find(id)?;
        (request.desk(message.by) == from).then_some(message)
    }

    /// A remembered statement of any desk, with its request.
    pub fn find(&self, id: MessageId) -> Option<(&Request, &Message)> {
        let request = self.requests.get(self.messages.get(&id)?)?;
        Some((request, request.messages.get(&id)?))
    }

    /// The statements to this desk that have no receipt yet, in order of their records.
    pub fn undelivered(&self, to: &DeskId) -> impl Iterator<Item = (Index, MessageId)> {
        let first = (to.clone(), Index(0), MessageId([0; 16]));
        let last = (to.clone(), Index(u64::MAX), MessageId([0xff; 16]));
        self.waiting
            .range((Bound::Included(first), Bound::Included(last)))
            .map(|(_, index, id)| (*index, *id))
    }

    /// When the next deadline passes.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|deadline| deadline.at)
    }

    /// True after the wall clock has jumped, until it is confirmed: no deadline passes meanwhile.
    pub const fn clock_in_doubt(&self) -> bool {
        self.clock_in_doubt
    }

    /// The deadlines that have passed, as commands, in the order in which they pass. None while the
    /// clock is in doubt.
    pub fn due(&self, now: Timestamp) -> Vec<Command> {
        self.deadlines
            .iter()
            .filter(|_| !self.clock_in_doubt)
            .take_while(|deadline| deadline.at <= now)
            .map(|deadline| Command::PassDeadline(*deadline))
            .collect()
    }

    /// The record whose body may be handed to this desk: its machine has receipted the statement,
    /// or it is an EMERGENCY that was handed over without a receipt.
    ///
    /// # Errors
    /// [`Refusal`] when there is no such statement for this desk, or it has no body any more, or
    /// there is no receipt yet, or the machine rejected it.
    pub fn released(&self, to: &DeskId, of: MessageId) -> Result<Index, Refusal> {
        let (_, message) = self
            .find(of)
            .filter(|(request, message)| request.recipient(message) == to && message.out.is_some())
            .ok_or(Refusal::UnknownStatement { of })?;
        if message.machine {
            return Err(Refusal::NoBody { of });
        }
        if message.erased {
            return Err(Refusal::BodyErased { of });
        }
        if message.transport.is_rejected() {
            return Err(Refusal::StatementRejected { of });
        }
        if message.transport.is_delivered() || message.transport.handed_over().is_some() {
            Ok(message.index)
        } else {
            Err(Refusal::NotReceipted { of })
        }
    }

    /// The number that the next record gets in this desk's own sequence.
    pub fn next_desk_index(&self, desk: &DeskId) -> DeskIndex {
        self.desk_indexes.get(desk).copied().unwrap_or_default()
    }

    /// The numbers that an event gets when it is the next one.
    pub fn number(&self, event: &Event) -> Numbering {
        let parties = parties(event);
        let desk_indexes =
            parties.into_iter().map(|desk| (desk.clone(), self.next_desk_index(desk))).collect();
        let pair_sequence = match (&event.from, &event.to) {
            (Some(from), Some(to)) => self.pair(from, to).saturating_add(1),
            (None | Some(_), _) => 0,
        };
        let previous =
            event.request.and_then(|id| self.requests.get(&id)).map(|request| request.newest_event);
        Numbering { desk_indexes, pair_sequence, previous }
    }

    fn pair(&self, from: &DeskId, to: &DeskId) -> u64 {
        self.pairs.get(&(from.clone(), to.clone())).copied().unwrap_or(0)
    }

    /// Adds an event. See [`super::apply`].
    pub(super) fn add(&mut self, event: &Event, stamp: Stamp) {
        self.count(event);
        self.next_index = stamp.index.plus(1);
        if let Kind::Founded(genesis) = &event.kind {
            self.directory = Directory::from_genesis(genesis);
        }
        if matches!(event.kind, Kind::ClockStepped { .. } | Kind::ClockConfirmed { .. }) {
            self.clock_in_doubt = matches!(event.kind, Kind::ClockStepped { .. });
        }
        if let Kind::EntryPublished(entry) = &event.kind {
            self.add_entry(entry, stamp);
        }
        if let Kind::LogKeyAnnounced(announced) = &event.kind {
            self.directory.add_log_key(announced.log_key());
        }
        if let Some(id) = event.request {
            self.add_to_request(id, event, stamp);
        }
        seen::forget(self, stamp.time);
    }

    fn add_entry(&mut self, entry: &Entry, stamp: Stamp) {
        self.directory.add_entry(entry);
        let mut published = self.all_published(entry.member).to_vec();
        if published.len() >= ENTRIES_MAX {
            published.remove(0);
        }
        published.push(Published {
            message: entry.message,
            hash: entry.hash,
            index: stamp.index,
            time: stamp.time,
            not_after: entry.not_after,
        });
        self.published.insert_mut(entry.member, published);
    }

    fn count(&mut self, event: &Event) {
        for desk in parties(event) {
            let next = self.next_desk_index(desk).next();
            self.desk_indexes.insert_mut(desk.clone(), next);
        }
        if let (Some(from), Some(to)) = (&event.from, &event.to) {
            let next = self.pair(from, to).saturating_add(1);
            self.pairs.insert_mut((from.clone(), to.clone()), next);
        }
    }

    /// Adds an event to its request, and changes the sets by what it changed there.
    fn add_to_request(&mut self, id: RequestId, event: &Event, stamp: Stamp) {
        let touched = self.touched(id, event);
        let before = self.entries(id, &touched);
        if let Kind::Accepted(statement) = &event.kind {
            self.messages.insert_mut(statement.message, id);
            if let Some(request) = Request::open(event, stamp) {
                self.requests.insert_mut(id, request);
                self.relist(before, self.entries(id, &touched));
                return;
            }
        }
        if let Some(request) = self.requests.get_mut(&id) {
            request.apply(event, stamp);
        }
        self.relist(before, self.entries(id, &touched));
    }

    /// The statements whose transport, or whose limits, an event may change. Re-grading changes
    /// those of every statement on the request; it is rare, and their number is bounded.
    fn touched(&self, id: RequestId, event: &Event) -> Vec<MessageId> {
        let mut touched = touched(event);
        if let Kind::Accepted(statement) = &event.kind
            && matches!(statement.act, Act::Regrade { .. })
            && let Some(request) = self.requests.get(&id)
        {
            touched.extend(request.messages.keys().copied());
        }
        touched
    }

    /// What the request and these of its statements have in the sets; nothing if it is not there.
    pub(super) fn entries(&self, id: RequestId, touched: &[MessageId]) -> Entries {
        self.requests
            .get(&id)
            .map_or_else(Entries::default, |request| Entries::of(request, touched))
    }

    /// Changes the sets from what a request had there to what it has now.
    pub(super) fn relist(&mut self, before: Entries, after: Entries) {
        for gone in before.deadlines.iter().filter(|entry| !after.deadlines.contains(entry)) {
            self.deadlines.remove_mut(gone);
        }
        for gone in before.waiting.iter().filter(|entry| !after.waiting.contains(entry)) {
            self.waiting.remove_mut(gone);
        }
        if before.forget != after.forget
            && let Some(gone) = &before.forget
        {
            self.forget.remove_mut(gone);
        }
        if before.member != after.member || before.open != after.open {
            self.recount(before.member, before.open, |n| n.saturating_sub(1));
            self.recount(after.member, after.open, |n| n.saturating_add(1));
        }
        for new in after.deadlines.into_iter().filter(|entry| !before.deadlines.contains(entry)) {
            self.deadlines.insert_mut(new);
        }
        for new in after.waiting.into_iter().filter(|entry| !before.waiting.contains(entry)) {
            self.waiting.insert_mut(new);
        }
        if before.forget != after.forget
            && let Some(new) = after.forget
        {
            self.forget.insert_mut(new);
        }
    }

    fn recount(&mut self, member: Option<MemberId>, open: bool, change: impl Fn(u32) -> u32) {
        let Some(member) = member else { return };
        let mut counts = self.counts.get(&member).copied().unwrap_or_default();
        counts.all = change(counts.all);
        if open {
            counts.open = change(counts.open);
        }
        self.counts.insert_mut(member, counts);
    }
}

/// What a request, and some of its statements, have in the sets of the state.
///
/// Nothing when the request is not there.
#[derive(Default)]
pub(super) struct Entries {
    member: Option<MemberId>,
    open: bool,
    deadlines: Vec<Deadline>,
    waiting: Vec<(DeskId, Index, MessageId)>,
    forget: Option<(Timestamp, RequestId)>,
}

impl Entries {
    fn of(request: &Request, touched: &[MessageId]) -> Self {
        let mut entries = Self {
            member: Some(request.from.member),
            open: request.is_open(),
            deadlines: deadline::of_measure(request)
                .into_iter()
                .chain(deadline::of_embargo(request))
                .collect(),
            waiting: Vec::new(),
            forget: seen::forgotten_at(request).map(|at| (at, request.id)),
        };
        for id in touched {
            let Some(message) = request.messages.get(id) else { continue };
            let due = deadline::of_message(request.grade.urgency, *id, message);
            entries.deadlines.extend(due.into_iter().flatten());
            if let Some((index, _)) = message.out
                && !message.machine
                && !message.transport.is_receipted()
            {
                entries.waiting.push((request.recipient(message).clone(), index, *id));
            }
        }
        entries
    }
}

/// The statements whose transport an event may change.
fn touched(event: &Event) -> Vec<MessageId> {
    match &event.kind {
        Kind::Accepted(statement) => {
            let Statement { message, act, .. } = statement.as_ref();
            match act {
                Act::Receipt { of, .. } | Act::Retrieval { of, .. } => vec![*of],
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
                | Act::ReportSecurityIncident => vec![*message],
            }
        }
        Kind::EmbargoEnded(statement) => vec![statement.message],
        Kind::Offered { message }
        | Kind::OfferFailed { message, .. }
        | Kind::HandedOver { message } => vec![*message],
        Kind::Founded(_)
        | Kind::PreservationExpired { .. }
        | Kind::BodyErased { .. }
        | Kind::TailTruncated { .. }
        | Kind::ClockStepped { .. }
        | Kind::ClockConfirmed { .. }
        | Kind::Padded
        | Kind::EntryPublished(_)
        | Kind::LogKeyAnnounced(_) => Vec::new(),
    }
}

/// The desks in whose sequences an event is numbered: each once.
fn parties(event: &Event) -> Vec<&DeskId> {
    let mut desks: Vec<&DeskId> = event.from.iter().collect();
    desks.extend(event.to.iter().filter(|to| event.from.as_ref() != Some(*to)));
    desks
}
