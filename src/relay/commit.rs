//! The commit thread: the one place where commands become records.
//!
//! It is an OS thread because it waits for the disk. In turn it takes what has queued, decides
//! and applies each command on a speculative state, appends once, syncs once, publishes the
//! state, and answers. Not for reading: readers look at what was published.
//!
//! Nothing is answered before the sync has returned. If an append fails the speculative state is
//! dropped and the published one stands, which is the state of the disk.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::{error, info, warn};

use super::clock::{Clock, Timekeeper, offset_ms};
use super::receipt::{Grown, Place, SignedHeads};
use super::shared::Shared;
use super::signers::Signers;
use super::state::{Enclosure, Published, World};
use super::{Error, Submitted};
use crate::codec::{self, Record};
use crate::journal::{AppendError, Batch, Entry, Journal};
use crate::rules::command::{ClockWitness, Command, Deadline, DeadlineKind};
use crate::rules::event::{Event, Kind};
use crate::rules::{self, Decision};
use crate::units::{BatchId, Index, MINUTE_MS, MessageId, Timestamp};

/// Commands that are committed together at most. With 256 in flight (the benchmark's largest
/// load) one sync serves them all; more would only make the first of them wait.
const BATCH_COMMANDS_MAX: usize = 256;
/// Bytes of bodies after which a batch is closed: a batch stays far below a segment.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// Bytes of bodies after which a batch is closed, for this size of segment: half a segment, so that
/// one more body (1 MiB at most) and the records still fit into 4 MiB.
pub(super) fn batch_bytes_max(segment_bytes: u64) -> usize {
    usize::try_from(segment_bytes / 2).unwrap_or(BATCH_BYTES_MAX).min(BATCH_BYTES_MAX)
}

/// Leaves that say nothing in one batch at most: less than 1 MiB, so that it fits into the smallest
/// segment beside everything else.
const PADDING_MAX: u64 = 2_048;

/// How often the thread looks at the clock when nothing comes.
const TICK: Duration = Duration::from_millis(200);
/// After so much idleness the commit marker is written (decision 13: at most 1 s).
const MARK_AFTER_MS: i64 = 400;
/// After so much idleness the disk is probed (decision 26: 10 s).
const PROBE_AFTER_MS: i64 = 10_000;

/// Something for the commit thread.
pub(super) enum Job {
    /// Decide and settle a command.
    Command(Box<Work>),
    /// Look at the clock now, and answer when what was due is on disk.
    Look(oneshot::Sender<()>),
    /// Fill up what the traffic log has grown by.
    Pad(Pad),
    /// Stop after what is queued.
    Stop,
}

/// Fill up the traffic log with leaves that say nothing, until it has grown by a power of two; of
/// very many, a part.
pub(super) struct Pad {
    /// What it had before it grew.
    pub(super) since: u64,
    /// Gets the state at the end of the batch.
    pub(super) done: oneshot::Sender<Arc<Published>>,
}

/// A command, what goes into its record, and who waits for it.
pub(super) struct Work {
    pub(super) command: Command,
    pub(super) enclosure: Enclosure,
    pub(super) reply: Option<oneshot::Sender<Result<Settled, Error>>>,
    /// What it takes of the queue's limits, a place among the notes of offers or room for its body;
    /// given back when it has been decided.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

impl Work {
    /// A command that carries nothing and is answered to nobody.
    pub(super) fn own(command: Command) -> Self {
        let enclosure = Enclosure::default();
        Self { command, enclosure, reply: None, permit: None }
    }
}

/// What decides commands.
pub(super) type Decide = fn(&rules::State, &Command, Timestamp) -> Result<Decision, rules::Refusal>;

/// The commit thread's own things.
pub(super) struct Committer {
    /// The rules: a value, so that it can be shown what becomes of a command on which they break.
    pub(super) decide: Decide,
    pub(super) journal: Box<dyn Journal>,
    pub(super) jobs: Receiver<Job>,
    /// Who waits for the end of this turn.
    pub(super) looks: Vec<oneshot::Sender<()>>,
    /// Who waits for the log to be filled up by the end of this turn.
    pub(super) pads: Vec<Pad>,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: aws_lc_rs::rand::SystemRandom,
    pub(super) keeper: Timekeeper,
    /// No deadline passes before, by the boot clock.
    pub(super) due_from_boot_ms: i64,
    pub(super) last_sync_boot_ms: i64,
    pub(super) marked: bool,
    /// Bytes of bodies after which a batch is closed.
    pub(super) batch_bytes_max: usize,
    /// Offers whose notes did not fit on the disk; noted as soon as there is room. As many at most
    /// as statements wait for a receipt.
    pub(super) owed: BTreeSet<MessageId>,
    /// The disk was full at the last append.
    pub(super) full: bool,
    /// While they are held nobody's statement is accepted.
    pub(super) signers: Option<Arc<Signers>>,
}

/// The outcome of a command.
pub(super) struct Settled {
    pub(super) index: Index,
    pub(super) time: Timestamp,
    pub(super) repeat: bool,
    /// Its record and what proves it, where it came to be in this turn.
    pub(super) place: Option<Place>,
}

impl Settled {
    const fn repeat(index: Index, time: Timestamp) -> Self {
        Self { index, time, repeat: true, place: None }
    }

    pub(super) fn without_receipt(self) -> Submitted {
        let Self { index, time, repeat, place: _ } = self;
        Submitted { index, time, repeat, receipt: None }
    }
}

/// An answer that waits for the sync.
struct Pending {
    reply: Option<oneshot::Sender<Result<Settled, Error>>>,
    answer: Result<Settled, Error>,
    /// The record of this batch that it is about.
    record: Option<Arc<Record>>,
    /// It was found on a state that is not yet on disk, so it stands only if that gets there.
    speculative: bool,
}

/// A batch being built on a speculative state.
struct Draft {
    world: World,
    records: Vec<Arc<Record>>,
    entries: Vec<Entry>,
    grown: Grown,
    pending: Vec<Pending>,
    erasures: Vec<Index>,
    offers: Vec<MessageId>,
    id: BatchId,
    now: Timestamp,
}

impl Committer {
    /// Runs until told to stop, or until the journal fails.
    pub(super) fn run(mut self) -> Result<(), String> {
        loop {
            let (works, stop) = self.collect();
            let outcome = self.turn(works);
            if let Err(why) = outcome {
                error!(why, "the relay stops: nothing more can be committed");
                self.shared.stop(&why);
                return Err(why);
            }
            for look in self.looks.drain(..) {
                // Whoever asked may have gone.
                let _gone = look.send(());
            }
            for pad in self.pads.drain(..) {
                let _gone = pad.done.send(self.shared.published());
            }
            if stop {
                self.shared.stop("the relay was told to stop");
                // The last batch is marked, so that the next start needs no second look. Without
                // room for the mark the next start looks twice, which is no failure.
                return match self.journal.idle() {
                    Ok(()) | Err(AppendError::Full) => Ok(()),
                    Err(fault) => Err(fault.to_string()),
                };
            }
        }
    }

    /// Takes what has queued, waiting at most a tick for the first.
    fn collect(&mut self) -> (Vec<Work>, bool) {
        let mut works = Vec::new();
        let mut bytes = 0;
        let first = match self.jobs.recv_timeout(TICK) {
            Ok(job) => Some(job),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return (works, true),
        };
        let mut next = first;
        while let Some(job) = next {
            match job {
                Job::Stop => return (works, true),
                Job::Look(answer) => self.looks.push(answer),
                Job::Pad(pad) => self.pads.push(pad),
                Job::Command(work) => {
                    bytes += work.enclosure.bytes();
                    works.push(*work);
                }
            }
            if works.len() >= BATCH_COMMANDS_MAX || bytes >= self.batch_bytes_max {
                break;
            }
            next = self.jobs.try_recv().ok();
        }
        (works, false)
    }

    /// One turn: what has queued, what is due, and the care of an idle journal.
    pub(super) fn turn(&mut self, works: Vec<Work>) -> Result<(), String> {
        let in_doubt = self.shared.published().state().clock_in_doubt();
        if in_doubt {
            works.iter().for_each(|work| self.hear_the_time(&work.command));
        }
        let step_ms = self.keeper.look(self.clock.as_ref(), in_doubt);
        let mut draft = self.draft(step_ms.is_some());
        self.look_at_the_clock(&mut draft, step_ms);
        draft.now = self.now(&draft.world, false);
        for message in std::mem::take(&mut self.owed) {
            self.decide(&mut draft, Work::own(Command::NoteOffer { message }));
        }
        for command in self.due(&draft) {
            let enclosure = self.enclosure(&draft, &command)?;
            self.decide(&mut draft, Work { enclosure, ..Work::own(command) });
        }
        for work in works {
            self.decide(&mut draft, work);
        }
        self.pad(&mut draft);
        if draft.entries.is_empty() {
            answer(draft.pending, None);
            self.idle()
        } else {
            self.commit(draft)
        }
    }

    /// Fills up what the traffic log has grown by, where somebody waits for that.
    fn pad(&self, draft: &mut Draft) {
        let Some(since) = self.pads.iter().map(|pad| pad.since).min() else { return };
        let grown = draft.world.traffic_leaves().saturating_sub(since);
        if grown == 0 {
            return;
        }
        let missing = grown.next_power_of_two() - grown;
        for _ in 0..missing.min(PADDING_MAX) {
            self.decide(draft, Work::own(Command::Pad));
        }
    }

    fn draft(&self, stepped: bool) -> Draft {
        let world = self.shared.published().world().clone();
        let now = self.now(&world, stepped);
        let grown = world.growth();
        Draft {
            world,
            records: Vec::new(),
            entries: Vec::new(),
            grown,
            pending: Vec::new(),
            erasures: Vec::new(),
            offers: Vec::new(),
            id: BatchId(self.random()),
            now,
        }
    }

    /// Record time: never before the newest record's.
    fn now(&self, world: &World, stepped: bool) -> Timestamp {
        let in_doubt = stepped || world.rules.clock_in_doubt();
        self.keeper.now(self.clock.as_ref(), in_doubt).max(world.time)
    }

    /// Decides a command on the speculative state, and settles the event if there is one.
    fn decide(&self, draft: &mut Draft, work: Work) {
        // Nobody waits any more: the caller's deadline passed in the queue. No half effect.
        if work.reply.as_ref().is_some_and(oneshot::Sender::is_closed) {
            return;
        }
        if let Some(why) = self.held(&work.command) {
            let answer = Err(Error::Held(why.to_string()));
            let Work { reply, .. } = work;
            draft.pending.push(Pending { reply, answer, record: None, speculative: false });
            return;
        }
        let decided = catch_unwind(AssertUnwindSafe(|| {
            (self.decide)(&draft.world.rules, &work.command, draft.now)
        }));
        let answer = match decided {
            Err(_) => {
                error!(command = name(&work.command), "deciding panicked; the command is refused");
                Err(Error::Fault("deciding failed; the relay's log says where".to_owned()))
            }
            Ok(Err(refusal)) => {
                info!(command = name(&work.command), code = refusal.code(), "refused");
                Err(Error::Refused(refusal))
            }
            Ok(Ok(Decision::Nothing)) => Ok(Settled::repeat(draft.world.next, draft.now)),
            Ok(Ok(Decision::Repeat { index, time })) => Ok(Settled::repeat(index, time)),
            Ok(Ok(Decision::New(event))) => Ok(self.settle(draft, event, work.enclosure)),
        };
        let record = answer.as_ref().ok().and_then(|settled| draft.record(settled.index));
        let speculative = !draft.records.is_empty();
        draft.pending.push(Pending { reply: work.reply, answer, record, speculative });
    }

    /// Settles an event as the next record of the batch.
    fn settle(&self, draft: &mut Draft, event: Event, mut enclosure: Enclosure) -> Settled {
        draft.note(&event.kind);
        let Draft { world, grown, now, id, .. } = draft;
        let record = world.settle(grown, event, &mut enclosure, (*now, *id), self.random());
        draft.entries.push(Entry { record: codec::encode_record(&record), body: enclosure.body });
        let Record { index, time, .. } = record;
        draft.records.push(Arc::new(record));
        Settled { index, time, repeat: false, place: None }
    }

    /// Why what others say is not accepted now: no receipt could be given for it.
    fn held(&self, command: &Command) -> Option<Arc<str>> {
        match command {
            Command::Submit { .. } | Command::Publish { .. } => self.signers.as_ref()?.held(),
            Command::Found(_)
            | Command::AnnounceLogKey(_)
            | Command::NoteOffer { .. }
            | Command::PassDeadline(_)
            | Command::EraseBody { .. }
            | Command::NoteTruncation { .. }
            | Command::NoteClockStep { .. }
            | Command::ConfirmClock { .. }
            | Command::Pad => None,
        }
    }

    /// The commit point: one append, one sync; then publish, then answer.
    fn commit(&mut self, draft: Draft) -> Result<(), String> {
        let Draft { world, records, entries, grown, pending, erasures, offers, id, now: _ } = draft;
        // Let go of at the end: much of it may be nobody else's, and nobody should wait for that.
        let before = self.shared.published();
        let expected = before.next_index();
        let published = Published::new(world);
        let heads = Arc::clone(published.signed_heads());
        let trailer = codec::encode_trailer(id, heads.heads());
        match self.journal.append(expected, &Batch { id, entries, trailer }) {
            Ok(()) => {}
            Err(AppendError::Full) => {
                if !std::mem::replace(&mut self.full, true) {
                    warn!("the disk is full; nothing is accepted until there is room");
                }
                self.owed.extend(offers);
                refuse(pending, &Error::Full);
                // What is due is tried again and again: the disk is probed meanwhile.
                return self.idle();
            }
            Err(AppendError::TooLarge { bytes, max }) => {
                refuse(pending, &Error::Fault(format!("a batch of {bytes} bytes; at most {max}")));
                return Ok(());
            }
            Err(fault @ (AppendError::Conflict(_) | AppendError::Unknown(_))) => {
                refuse(pending, &Error::Stopped);
                return Err(fault.to_string());
            }
        }
        for index in erasures {
            self.journal.erase(index).map_err(|fault| fault.to_string())?;
        }
        self.shared.publish(published, records);
        if std::mem::replace(&mut self.full, false) {
            info!("the disk has room again");
        }
        self.synced();
        self.marked = false;
        answer(pending, Some((Arc::new(grown), heads)));
        // Last: whoever waits for an answer should not also wait for a processor.
        self.shared.wake_tables();
        drop(before);
        Ok(())
    }

    /// Marks the last batch, or probes the disk, when nothing has happened for a while.
    fn idle(&mut self) -> Result<(), String> {
        let idle_ms = self.clock.boot_ms() - self.last_sync_boot_ms;
        if !self.marked && idle_ms >= MARK_AFTER_MS {
            match self.journal.idle() {
                Ok(()) => self.marked = true,
                Err(AppendError::Full) => {}
                Err(fault) => return Err(fault.to_string()),
            }
        }
        if idle_ms >= PROBE_AFTER_MS {
            match self.journal.probe() {
                Ok(()) => self.synced(),
                // A full disk shows as a probe that grows old.
                Err(AppendError::Full) => {}
                Err(fault) => return Err(fault.to_string()),
            }
        }
        Ok(())
    }

    fn synced(&mut self) {
        self.last_sync_boot_ms = self.clock.boot_ms();
        self.shared.note_sync(self.last_sync_boot_ms);
    }

    /// What goes into the record of a passed deadline: at the end of an embargo the header that was
    /// accepted, and its signatures. A journal that cannot be read cannot be trusted further.
    fn enclosure(&self, draft: &Draft, command: &Command) -> Result<Enclosure, String> {
        let Command::PassDeadline(Deadline { what: DeadlineKind::EmbargoEnd(id), .. }) = command
        else {
            return Ok(Enclosure::default());
        };
        let Some((_, message)) = draft.world.rules.find(MessageId(id.0)) else {
            return Ok(Enclosure::default());
        };
        let stored = self.journal.reader().read(message.index, 1, 0);
        let stored = stored.map_err(|fault| fault.to_string())?;
        let record = stored.first().ok_or_else(|| format!("there is no record {}", message.index));
        let record = codec::decode_record(&record?.record).map_err(|bad| bad.to_string())?;
        let Record { header, signatures, .. } = record;
        Ok(Enclosure { header, signatures, ..Enclosure::default() })
    }

    /// Commands for what is due. After a start the desks have a moment to come back first: they
    /// tell whether the clock is right.
    fn due(&self, draft: &Draft) -> Vec<Command> {
        if self.clock.boot_ms() < self.due_from_boot_ms {
            return Vec::new();
        }
        let mut due = draft.world.rules.due(draft.now);
        due.truncate(BATCH_COMMANDS_MAX);
        due
    }

    /// Records that the wall clock has jumped, or is confirmed (decision 18).
    fn look_at_the_clock(&mut self, draft: &mut Draft, step_ms: Option<i64>) {
        let offset_ms = offset_ms(self.clock.as_ref());
        let in_doubt = draft.world.rules.clock_in_doubt();
        if let Some(step_ms) = step_ms {
            error!(step_ms, "the wall clock jumped; deadlines are held until it is confirmed");
            self.decide(draft, Work::own(Command::NoteClockStep { step_ms }));
        } else if in_doubt && self.shared.clocks.confirm(offset_ms) {
            self.decide(draft, Work::own(Command::ConfirmClock { by: ClockWitness::Desks }));
        } else if !in_doubt && let Some(step_ms) = self.shared.clocks.dissent_ms(offset_ms) {
            error!(step_ms, "most desks say that the wall clock is wrong; deadlines are held");
            self.keeper.distrust(step_ms);
            self.decide(draft, Work::own(Command::NoteClockStep { step_ms }));
        }
    }

    /// A statement made just now, or by a clock that is ahead, tells what time it is at its desk;
    /// one that is older may have waited there.
    fn hear_the_time(&self, command: &Command) {
        let Command::Submit { caller, statement } = command else { return };
        let apart_ms = statement.created.since_ms(self.clock.wall());
        if apart_ms >= -MINUTE_MS {
            self.shared.clocks.told(caller, statement.created, self.clock.boot_ms());
        }
    }

    fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        aws_lc_rs::rand::SecureRandom::fill(&self.random, &mut bytes)
            .expect("the operating system gives random bytes");
        bytes
    }
}

impl Draft {
    /// The record with this index, if it is one of this batch.
    fn record(&self, index: Index) -> Option<Arc<Record>> {
        let place = index.0.checked_sub(self.records.first()?.index.0)?;
        self.records.get(usize::try_from(place).ok()?).cloned()
    }

    /// Notes what is to be done when the event is on disk, or when it does not get there.
    fn note(&mut self, kind: &Kind) {
        match kind {
            Kind::BodyErased { index, .. } => self.erasures.push(*index),
            Kind::Offered { message } => self.offers.push(*message),
            Kind::Founded(_)
            | Kind::Accepted(_)
            | Kind::EmbargoEnded(_)
            | Kind::OfferFailed { .. }
            | Kind::HandedOver { .. }
            | Kind::PreservationExpired { .. }
            | Kind::TailTruncated { .. }
            | Kind::ClockStepped { .. }
            | Kind::ClockConfirmed { .. }
            | Kind::Padded
            | Kind::EntryPublished(_)
            | Kind::LogKeyAnnounced(_) => {}
        }
    }
}

/// Answers; `batch` proves the records that came to be.
fn answer(pending: Vec<Pending>, batch: Option<(Arc<Grown>, Arc<SignedHeads>)>) {
    for Pending { reply, mut answer, record, speculative: _ } in pending {
        let Some(reply) = reply else { continue };
        if let (Ok(settled), Some(record), Some((grown, heads))) = (&mut answer, record, &batch) {
            let (grown, heads) = (Arc::clone(grown), Arc::clone(heads));
            settled.place = Some(Place { record, grown, heads });
        }
        // A caller that has gone away gets its outcome when it asks again.
        let _gone = reply.send(answer);
    }
}

/// Answers those whose record did not come to be, and those who were answered because of one that
/// did not. What was found on the state of the disk alone stands.
fn refuse(mut pending: Vec<Pending>, error: &Error) {
    for waiting in pending.iter_mut().filter(|waiting| waiting.speculative) {
        waiting.answer = Err(error.clone());
    }
    answer(pending, None);
}

fn name(command: &Command) -> &'static str {
    match command {
        Command::Found(_) => "FOUND",
        Command::Submit { statement, .. } => statement.act.name(),
        Command::Publish { .. } => "PUBLISH",
        Command::AnnounceLogKey(_) => "ANNOUNCE_LOG_KEY",
        Command::NoteOffer { .. } => "NOTE_OFFER",
        Command::PassDeadline(_) => "PASS_DEADLINE",
        Command::EraseBody { .. } => "ERASE_BODY",
        Command::NoteTruncation { .. } => "NOTE_TRUNCATION",
        Command::NoteClockStep { .. } => "NOTE_CLOCK_STEP",
        Command::ConfirmClock { .. } => "CONFIRM_CLOCK",
        Command::Pad => "PAD",
    }
}
