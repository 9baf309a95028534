//! The newest head of each log that the witnesses have seen, and what it is held against.
//!
//! Not for the connection (see `grpc::uplink_checkpoints`), and not for cosigning (see `mod.rs`).
//!
//! A head is believed with the log's signature and the policy's quorum. The newest one is on disk,
//! as `witnessed/<log>`. Every other head that the log has signed for this desk, in receipts or to
//! be cosigned, must be a beginning of it or go on from it: whoever shows this desk another log
//! than the witnesses is found out here.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::evidence::{Contradiction, Wrong};
use super::files::{self, Places};
use crate::journal::disk::Disk;
use crate::tlog::policy::Unmet;
use crate::tlog::proof::{self, BadProof};
use crate::tlog::{Checkpoint, Note, Policy, VerifierKey};
use crate::units::Hash;

/// The directory.
const PLACE: &str = "witnessed";

/// Heads that wait to be compared, at most, log by log: what a desk is shown between two published
/// checkpoints, many times over.
pub(in crate::desk) const SEEN_MAX: usize = 1_024;

/// A head that a log has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Number of leaves.
    pub size: u64,
    /// Root.
    pub root: Hash,
    /// The signed note.
    pub note: Note,
}

impl Head {
    /// True of the same tree, whoever has cosigned it.
    fn is_same(&self, other: &Self) -> bool {
        (self.size, self.root) == (other.size, other.root)
    }
}

/// A head that the quorum has cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessedHead {
    /// The head.
    pub head: Head,
    /// How many witnesses of the policy have cosigned it.
    pub witnesses: usize,
    /// When the last of them did, in seconds since 1970; none without witnesses.
    pub time: Option<u64>,
}

/// How far a log is witnessed, as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The newest head with the quorum.
    pub witnessed: Option<WitnessedHead>,
    /// Size of the newest head that was published at all.
    pub published: u64,
    /// Witnesses that had cosigned that one.
    pub published_witnesses: usize,
}

/// What is to be done about a head that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// Too few witnesses yet; it is only counted.
    Waits,
    /// It has the quorum. It is compared with these first, and then kept.
    Quorum(Box<WitnessedHead>),
}

/// Why a published head is no head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoHead {
    /// It is no signed note, or of another log.
    #[error("{0}")]
    Unreadable(String),
    /// The log or a witness has not signed what it is said to have signed.
    #[error("{0}")]
    Unmet(Unmet),
}

/// The heads of every log.
pub struct Heads {
    places: Arc<dyn Places>,
    policy: ArcSwap<Policy>,
    network: String,
    logs: Mutex<BTreeMap<String, Log>>,
}

#[derive(Default)]
struct Log {
    standing: Standing,
    seen: VecDeque<Head>,
}

impl Heads {
    /// The heads on disk. One that the policy does not believe any more is passed over.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn open(
        places: Arc<dyn Places>,
        policy: Policy,
        network: &str,
        logs: &[&str],
    ) -> io::Result<Self> {
        let policy = ArcSwap::from_pointee(policy);
        let network = network.to_owned();
        let heads = Self { places, policy, network, logs: Mutex::new(BTreeMap::new()) };
        let disk = heads.places.at(PLACE);
        for log in logs {
            let mut found = Log::default();
            if let Some(text) = files::read(&*disk, log)? {
                match heads.read(log, &text) {
                    Ok(Judged::Quorum(head)) => {
                        found.standing.published = head.head.size;
                        found.standing.published_witnesses = head.witnesses;
                        found.standing.witnessed = Some(*head);
                    }
                    Ok(Judged::Waits) => {
                        tracing::warn!(log, "the kept head has not the policy's quorum any more");
                    }
                    Err(why) => tracing::warn!(log, %why, "the kept head is passed over"),
                }
            }
            heads.lock().insert((*log).to_owned(), found);
        }
        Ok(heads)
    }

    /// By which heads are believed.
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// Takes one more key of a log; false when it was taken before.
    pub fn trust(&self, key: &VerifierKey) -> bool {
        let mut policy = Policy::clone(&self.policy());
        let added = policy.add_log(key.clone());
        if added {
            self.policy.store(Arc::new(policy));
        }
        added
    }

    /// How far a log is witnessed.
    pub fn standing(&self, log: &str) -> Standing {
        self.lock().get(log).map(|log| log.standing.clone()).unwrap_or_default()
    }

    /// Judges a head of this log that was published.
    ///
    /// # Errors
    /// [`NoHead`] when the log, or a witness whose name it bears, has not signed it.
    pub fn judge(&self, log: &str, text: &str) -> Result<Judged, NoHead> {
        let judged = self.read(log, text)?;
        let (size, witnesses) = match &judged {
            Judged::Quorum(head) => (head.head.size, head.witnesses),
            Judged::Waits => self.count(text),
        };
        if let Some(log) = self.lock().get_mut(log)
            && size >= log.standing.published
        {
            log.standing.published = size;
            log.standing.published_witnesses = witnesses;
        }
        Ok(judged)
    }

    fn read(&self, log: &str, text: &str) -> Result<Judged, NoHead> {
        let note: Note = text.parse().map_err(|error| NoHead::Unreadable(format!("{error}")))?;
        let checkpoint: Checkpoint =
            note.text().parse().map_err(|error| NoHead::Unreadable(format!("{error}")))?;
        let origin = format!("{}/{log}", self.network);
        if checkpoint.origin() != origin {
            let why = format!("a head of {:?} came as one of {origin:?}", checkpoint.origin());
            return Err(NoHead::Unreadable(why));
        }
        let policy = self.policy();
        match policy.check(&note) {
            Ok((checkpoint, witnessed)) => {
                let head =
                    Head { size: checkpoint.size(), root: checkpoint.root(), note: note.clone() };
                let time = witnessed.iter().map(|(_, time)| *time).max();
                let witnesses = witnessed.len();
                Ok(Judged::Quorum(Box::new(WitnessedHead { head, witnesses, time })))
            }
            Err(Unmet::Quorum { .. }) => Ok(Judged::Waits),
            Err(unmet) => Err(NoHead::Unmet(unmet)),
        }
    }

    /// Size and witnesses of a head without the quorum.
    fn count(&self, text: &str) -> (u64, usize) {
        let Ok(note) = text.parse::<Note>() else { return (0, 0) };
        let size = note.text().parse().map_or(0, |checkpoint: Checkpoint| checkpoint.size());
        (size, self.policy().witnessed(&note).map_or(0, |witnessed| witnessed.len()))
    }

    /// Notes a head that the log has signed for this desk: in a receipt, or to be cosigned. It is
    /// compared with the next one that the witnesses have seen.
    pub fn see(&self, log: &str, head: Head) {
        let mut logs = self.lock();
        let Some(log) = logs.get_mut(log) else { return };
        if log.seen.iter().any(|seen| seen.is_same(&head)) {
            return;
        }
        if log.seen.len() == SEEN_MAX {
            log.seen.pop_front();
            tracing::debug!("more heads than are kept wait to be compared");
        }
        log.seen.push_back(head);
    }

    /// What `head` is to be compared with: the newest one before it, then what was seen.
    pub fn to_compare(&self, log: &str, head: &WitnessedHead) -> Vec<Head> {
        let logs = self.lock();
        let Some(log) = logs.get(log) else { return Vec::new() };
        let kept = log.standing.witnessed.iter().map(|kept| &kept.head);
        let others = kept.chain(&log.seen);
        let other = |other: &&Head| !other.is_same(&head.head);
        others.filter(other).cloned().collect()
    }

    /// A head was compared, and agrees with what the witnesses have seen.
    pub fn agrees(&self, log: &str, head: &Head) {
        if let Some(log) = self.lock().get_mut(log) {
            log.seen.retain(|seen| !seen.is_same(head));
        }
    }

    /// Keeps a head that has the quorum, when it is the newest. When this answers, it is on disk.
    ///
    /// # Errors
    /// When the disk is full or failed.
    pub fn keep(&self, log: &str, head: WitnessedHead) -> io::Result<()> {
        let mut logs = self.lock();
        let Some(found) = logs.get_mut(log) else { return Ok(()) };
        let newer = |kept: &WitnessedHead| {
            (head.head.size, head.witnesses, head.time)
                > (kept.head.size, kept.witnesses, kept.time)
        };
        if found.standing.witnessed.as_ref().is_none_or(newer) {
            let disk: Arc<dyn Disk> = self.places.make(PLACE)?;
            files::replace(&*disk, log, &head.head.note.to_string())?;
            found.standing.witnessed = Some(head);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Log>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says whether two heads of one log agree, by what is said to prove it; with an answer of none,
/// they do.
pub fn compare(log: &str, first: &Head, second: &Head, hashes: &[Hash]) -> Option<Contradiction> {
    let (old, new) = if first.size <= second.size { (first, second) } else { (second, first) };
    let checked = proof::check_consistency(old.size, &old.root, new.size, &new.root, hashes);
    checked.err().map(|bad| contradiction(log, first, second, hashes, &bad))
}

/// True when two heads can be told apart without any proof: sizes are the same, roots are not.
pub const fn needs_proof(first: &Head, second: &Head) -> bool {
    first.size != second.size && first.size != 0 && second.size != 0
}

fn contradiction(
    log: &str,
    first: &Head,
    second: &Head,
    hashes: &[Hash],
    bad: &BadProof,
) -> Contradiction {
    let proof: String = hashes.iter().map(|hash| format!("{hash}\n")).collect();
    Contradiction {
        wrong: Wrong::Fork,
        log: log.to_owned(),
        first: first.note.to_string(),
        second: second.note.to_string(),
        proof,
        what: format!(
            "the log {log} signed a head of {} leaves and one of {} leaves, of which neither is \
             the beginning of the other: {bad}",
            first.size, second.size
        ),
    }
}
