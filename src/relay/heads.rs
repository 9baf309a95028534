//! The published heads of both logs, with the cosignatures that have come in for them so far.
//!
//! Not for publishing (whoever does has made sure that the head contradicts none before it), and
//! not for asking witnesses. Nothing here is on disk: after a restart the newest head is published
//! again, and cosigned again.
//!
//! A head counts as witnessed with the quorum of the relay's policy. Cosignatures of desks and
//! others outside of it are kept beside, and count for nothing here.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::codec::Log;
use crate::tlog::note::{BadNote, SignatureLine, VerifierKey};
use crate::tlog::{Checkpoint, Note, Policy};
use crate::units::{Hash, Timestamp, Unreadable};

/// Published heads that are still cosigned when newer ones are there: five minutes of the fixed
/// clock of 5 s, more than any witness takes for an answer.
const RECENT_MAX: usize = 64;

/// Signature lines of a published note at most, the log's own among them: what every verifier
/// takes (C2SP signed-note).
pub const LINES_MAX: usize = 16;

/// A cosignature that verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// The witness's name in the policy; none of one outside of it.
    pub witness: Option<String>,
    /// The line.
    pub line: SignatureLine,
    /// When the witness says that it signed, in seconds since 1970.
    pub time: u64,
}

/// A published head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicHead {
    /// Tree size.
    pub size: u64,
    /// RFC 6962 root.
    pub root: Hash,
    /// The checkpoint, signed by the log alone.
    pub note: Note,
    /// When it was published, by the relay's clock.
    pub published: Timestamp,
    /// The cosignatures so far, in the order in which they came.
    pub cosignatures: Vec<Cosignature>,
    /// When the quorum was there, by the relay's clock; none before.
    pub witnessed: Option<Timestamp>,
}

/// How far a log is witnessed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The newest published head.
    pub newest: Option<Arc<PublicHead>>,
    /// The newest of them with the quorum.
    pub witnessed: Option<Arc<PublicHead>>,
    /// Since when a published head waits for the quorum, by the relay's clock: the publication of
    /// the first after the newest with it. None when none waits.
    pub waits_since: Option<Timestamp>,
}

/// The heads. See the file's header.
pub struct Heads {
    policy: Policy,
    directory: OfLog,
    traffic: OfLog,
}

struct OfLog {
    /// The newest last.
    recent: Mutex<VecDeque<Arc<PublicHead>>>,
    standing: watch::Sender<Standing>,
}

impl PublicHead {
    /// A head that is being published, with its log's signature alone.
    ///
    /// # Errors
    /// When the note is no checkpoint.
    pub fn new(note: Note, published: Timestamp) -> Result<Self, Unreadable> {
        let checkpoint: Checkpoint = note.text().parse()?;
        Ok(Self {
            size: checkpoint.size(),
            root: checkpoint.root(),
            note,
            published,
            cosignatures: Vec::new(),
            witnessed: None,
        })
    }

    /// How many witnesses of the policy have cosigned it.
    pub fn witnesses(&self) -> usize {
        self.cosignatures.iter().filter(|cosignature| cosignature.witness.is_some()).count()
    }

    /// How many others have.
    pub fn others(&self) -> usize {
        self.cosignatures.len() - self.witnesses()
    }

    /// The note with its cosignatures, those of the policy's witnesses first, as many as fit into
    /// [`LINES_MAX`] lines.
    pub fn cosigned_note(&self) -> Note {
        let (counted, others): (Vec<_>, Vec<_>) =
            self.cosignatures.iter().partition(|cosignature| cosignature.witness.is_some());
        let mut note = self.note.clone();
        let room = LINES_MAX.saturating_sub(note.lines().len());
        for cosignature in counted.into_iter().chain(others).take(room) {
            note.add(cosignature.line.clone());
        }
        note
    }
}

impl Heads {
    /// No head yet; those to come are held against this policy.
    pub fn new(policy: Policy) -> Self {
        Self { policy, directory: OfLog::new(), traffic: OfLog::new() }
    }

    /// By which heads count as witnessed.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// How many witnesses the policy has.
    pub fn witnesses_total(&self) -> usize {
        self.policy.witnesses().count()
    }

    /// Publishes a head that is durable and contradicts none before it. One of the size of the
    /// newest changes nothing: it is the same.
    pub fn publish(&self, log: Log, head: PublicHead) {
        let of = self.of(log);
        let mut recent = of.lock();
        if let Some(newest) = recent.back() {
            if newest.size == head.size && newest.root == head.root {
                return;
            }
            if newest.size >= head.size {
                let (newest, size) = (newest.size, head.size);
                tracing::error!(log = log.as_str(), newest, size, "a shorter head: not published");
                return;
            }
        }
        let mut head = head;
        head.witnessed = self.is_witnessed(&head).then_some(head.published);
        if recent.len() == RECENT_MAX {
            recent.pop_front();
        }
        recent.push_back(Arc::new(head));
        of.tell(&recent);
    }

    /// Notes what a witness answered about a head: true when it is new.
    ///
    /// # Errors
    /// When the line is not the witness's signature of that head.
    pub fn cosigned(
        &self,
        log: Log,
        about: &PublicHead,
        witness: &VerifierKey,
        line: &SignatureLine,
        now: Timestamp,
    ) -> Result<bool, BadNote> {
        if !line.is_by(witness) {
            return Err(BadNote::Unsigned);
        }
        let time = witness.verify(about.note.text(), line)?.unwrap_or(0);
        let of = self.of(log);
        let mut recent = of.lock();
        let same = |head: &&mut Arc<PublicHead>| (head.size, head.root) == (about.size, about.root);
        let Some(place) = recent.iter_mut().find(same) else { return Ok(false) };
        if place.cosignatures.iter().any(|known| known.line.is_by(witness)) {
            return Ok(false);
        }
        let name = self.policy.witnesses().find(|known| known.key == witness);
        let witness = name.map(|known| known.name.to_owned());
        let mut head = PublicHead::clone(place);
        head.cosignatures.push(Cosignature { witness, line: line.clone(), time });
        if head.witnessed.is_none() && self.is_witnessed(&head) {
            head.witnessed = Some(now);
        }
        *place = Arc::new(head);
        of.tell(&recent);
        Ok(true)
    }

    /// The newest published head.
    pub fn newest(&self, log: Log) -> Option<Arc<PublicHead>> {
        self.of(log).standing.borrow().newest.clone()
    }

    /// How far the log is witnessed.
    pub fn standing(&self, log: Log) -> Standing {
        self.of(log).standing.borrow().clone()
    }

    /// Hears of every change of that: of every newer head, and of every cosignature of the newest.
    pub fn standings(&self, log: Log) -> watch::Receiver<Standing> {
        self.of(log).standing.subscribe()
    }

    fn is_witnessed(&self, head: &PublicHead) -> bool {
        let named = head.cosignatures.iter().filter_map(|known| known.witness.as_deref());
        self.policy.is_quorum(&named.collect::<BTreeSet<_>>())
    }

    const fn of(&self, log: Log) -> &OfLog {
        match log {
            Log::Directory => &self.directory,
            Log::Traffic => &self.traffic,
        }
    }
}

impl OfLog {
    fn new() -> Self {
        Self { recent: Mutex::default(), standing: watch::Sender::new(Standing::default()) }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<PublicHead>>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called with the lock held, so that nobody hears of an older one later.
    fn tell(&self, recent: &VecDeque<Arc<PublicHead>>) {
        self.standing.send_if_modified(|known| {
            let next = known.followed_by(recent);
            let is_new = *known != next;
            *known = next;
            is_new
        });
    }
}

impl Standing {
    /// As it is when these are the recent heads.
    fn followed_by(&self, recent: &VecDeque<Arc<PublicHead>>) -> Self {
        let fresh = recent.iter().rev().find(|head| head.witnessed.is_some());
        let witnessed = fresh.or(self.witnessed.as_ref()).cloned();
        let covered = witnessed.as_ref().map(|head| head.size);
        let mut waiting = recent.iter().filter(|head| covered.is_none_or(|size| head.size > size));
        let first = waiting.next().map(|head| head.published);
        // The first that waits may have left the recent ones long ago.
        let waits_since = match (first, self.waits_since) {
            (Some(first), Some(since)) if fresh.is_none() => Some(since.min(first)),
            (first, _) => first,
        };
        Self { newest: recent.back().cloned(), witnessed, waits_since }
    }
}
