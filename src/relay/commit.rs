//! The commit thread: the one place where commands become records.
//!
//! It is an OS thread because it waits for the disk. In turn it takes what has queued, decides
//! and applies each command on a speculative state, appends once, syncs once, publishes the
//! state, and answers. Not for reading: readers look at what was published.
//!
//! Nothing is answered before the sync has returned. If an append fails the speculative state is
//! dropped and the published one stands, which is the state of the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::{error, info, warn};

use super::clock::{Clock, StepWatch};
use super::shared::Shared;
use super::state::{Enclosure, Published, World};
use super::{Error, Submitted};
use crate::codec::{self, Record};
use crate::journal::{AppendError, Batch, Entry, Journal};
use crate::rules::command::Command;
use crate::rules::event::Kind;
use crate::rules::{self, Decision};
use crate::units::{BatchId, Index, Timestamp};

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
    /// Stop after what is queued.
    Stop,
}

/// A command, what goes into its record, and who waits for it.
pub(super) struct Work {
    pub(super) command: Command,
    pub(super) enclosure: Enclosure,
    pub(super) reply: Option<oneshot::Sender<Result<Submitted, Error>>>,
    /// Its place among the notes of offers that wait; given back when it has been decided.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

/// The commit thread's own things.
pub(super) struct Committer {
    pub(super) journal: Box<dyn Journal>,
    pub(super) jobs: Receiver<Job>,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: aws_lc_rs::rand::SystemRandom,
    pub(super) steps: StepWatch,
    /// Set after a step of the wall clock: deadlines are held until statements confirm it.
    pub(super) held: Option<HeldDeadlines>,
    pub(super) last_sync_boot_ms: i64,
    pub(super) marked: bool,
    /// Bytes of bodies after which a batch is closed.
    pub(super) batch_bytes_max: usize,
}

/// Desks whose statements agree or disagree with a wall clock that has jumped.
#[derive(Debug, Default)]
pub(super) struct HeldDeadlines {
    agree: std::collections::BTreeSet<crate::units::DeskId>,
    disagree: std::collections::BTreeSet<crate::units::DeskId>,
}

/// An answer that waits for the sync.
struct Pending {
    reply: Option<oneshot::Sender<Result<Submitted, Error>>>,
    answer: Result<Submitted, Error>,
    /// It was found on a state that is not yet on disk, so it stands only if that gets there.
    speculative: bool,
}

/// A batch being built on a speculative state.
struct Draft {
    world: World,
    records: Vec<Arc<Record>>,
    entries: Vec<Entry>,
    pending: Vec<Pending>,
    erasures: Vec<Index>,
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
                Job::Command(work) => {
                    bytes += work.enclosure.body.len();
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
    fn turn(&mut self, works: Vec<Work>) -> Result<(), String> {
        let mut draft = self.draft();
        self.look_at_the_clock(&mut draft);
        for command in self.due(&draft) {
            let enclosure = Enclosure::default();
            self.decide(&mut draft, Work { command, enclosure, reply: None, permit: None });
        }
        for work in works {
            self.confirm_the_clock(&work.command);
            self.decide(&mut draft, work);
        }
        if draft.entries.is_empty() {
            answer(draft.pending);
            self.idle()
        } else {
            self.commit(draft)
        }
    }

    fn draft(&mut self) -> Draft {
        let world = self.shared.published().world().clone();
        let now = self.clock.wall().max(world.time);
        Draft {
            world,
            records: Vec::new(),
            entries: Vec::new(),
            pending: Vec::new(),
            erasures: Vec::new(),
            id: BatchId(self.random()),
            now,
        }
    }

    /// Decides a command on the speculative state, and settles the event if there is one.
    fn decide(&mut self, draft: &mut Draft, mut work: Work) {
        // Nobody waits any more: the caller's deadline passed in the queue. No half effect.
        if work.reply.as_ref().is_some_and(oneshot::Sender::is_closed) {
            return;
        }
        let decided = catch_unwind(AssertUnwindSafe(|| {
            rules::decide(&draft.world.rules, &work.command, draft.now)
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
            Ok(Ok(Decision::Nothing)) => {
                Ok(Submitted { index: draft.world.next, time: draft.now, repeat: true })
            }
            Ok(Ok(Decision::Repeat { index, time })) => Ok(Submitted { index, time, repeat: true }),
            Ok(Ok(Decision::New(event))) => {
                if let Kind::BodyErased { index, .. } = &event.kind {
                    draft.erasures.push(*index);
                }
                let opening = self.random();
                let record =
                    draft.world.settle(event, &mut work.enclosure, draft.now, draft.id, opening);
                draft.entries.push(Entry {
                    record: codec::encode_record(&record),
                    body: work.enclosure.body,
                });
                let submitted = Submitted { index: record.index, time: record.time, repeat: false };
                draft.records.push(Arc::new(record));
                Ok(submitted)
            }
        };
        let speculative = !draft.records.is_empty();
        draft.pending.push(Pending { reply: work.reply, answer, speculative });
    }

    /// The commit point: one append, one sync; then publish, then answer.
    fn commit(&mut self, draft: Draft) -> Result<(), String> {
        let Draft { world, records, entries, pending, erasures, id, .. } = draft;
        let expected = self.shared.published().next_index();
        let trailer = codec::encode_trailer(id, &world.heads());
        match self.journal.append(expected, &Batch { id, entries, trailer }) {
            Ok(()) => {}
            Err(AppendError::Full) => {
                warn!("the disk is full; nothing is accepted until there is room");
                refuse(pending, &Error::Full);
                return Ok(());
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
        self.shared.publish(Published::new(world), records);
        self.synced();
        self.marked = false;
        answer(pending);
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

    /// Commands for what is due, unless the clock is in doubt.
    fn due(&self, draft: &Draft) -> Vec<Command> {
        if self.held.is_some() {
            return Vec::new();
        }
        let mut due = draft.world.rules.due(draft.now);
        due.truncate(BATCH_COMMANDS_MAX);
        due
    }

    /// Records a step of the wall clock and holds the deadlines (decision 18).
    fn look_at_the_clock(&mut self, draft: &mut Draft) {
        if let Some(step_ms) = self.steps.step_ms(self.clock.as_ref()) {
            warn!(step_ms, "the wall clock jumped; deadlines are held until desks confirm it");
            self.held = Some(HeldDeadlines::default());
            self.decide(
                draft,
                Work {
                    command: Command::NoteClockStep { step_ms },
                    enclosure: Enclosure::default(),
                    reply: None,
                    permit: None,
                },
            );
        }
    }

    /// A statement made just now tells what time it is at its desk. Once more desks agree with
    /// the wall clock than not, deadlines run again.
    fn confirm_the_clock(&mut self, command: &Command) {
        // Not record time, which never goes back.
        let now = self.clock.wall();
        let (Some(held), Command::Submit { caller, statement }) = (&mut self.held, command) else {
            return;
        };
        if statement.created.since_ms(now).abs() <= crate::units::MINUTE_MS {
            held.disagree.remove(caller);
            held.agree.insert(caller.clone());
        } else if !held.agree.contains(caller) {
            held.disagree.insert(caller.clone());
        }
        if held.agree.len() > held.disagree.len() {
            info!("desks confirm the wall clock; deadlines run again");
            self.held = None;
        }
    }

    fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        aws_lc_rs::rand::SecureRandom::fill(&self.random, &mut bytes)
            .expect("the operating system gives random bytes");
        bytes
    }
}

fn answer(pending: Vec<Pending>) {
    for Pending { reply, answer, speculative: _ } in pending {
        if let Some(reply) = reply {
            // A caller that has gone away gets its outcome when it asks again.
            let _gone = reply.send(answer);
        }
    }
}

/// Answers those whose record did not come to be, and those who were answered because of one that
/// did not. What was found on the state of the disk alone stands.
fn refuse(pending: Vec<Pending>, error: &Error) {
    let pending = pending
        .into_iter()
        .map(|Pending { reply, answer, speculative }| {
            let answer = if speculative { Err(error.clone()) } else { answer };
            Pending { reply, answer, speculative }
        })
        .collect();
    answer(pending);
}

fn name(command: &Command) -> &'static str {
    match command {
        Command::Found(_) => "FOUND",
        Command::Submit { statement, .. } => statement.act.name(),
        Command::NoteOffer { .. } => "NOTE_OFFER",
        Command::PassDeadline(_) => "PASS_DEADLINE",
        Command::EraseBody { .. } => "ERASE_BODY",
        Command::NoteTruncation { .. } => "NOTE_TRUNCATION",
        Command::NoteClockStep { .. } => "NOTE_CLOCK_STEP",
    }
}
