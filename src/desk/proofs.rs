//! Which records are proven to be in the relay's log: part of the case file.
//!
//! Not for checking proofs (see `receipt.rs`). The proofs themselves stay on disk: memory holds
//! their places.

use rpds::{RedBlackTreeMapSync, VectorSync};

use super::case::Entry;
use super::case_file::CaseFile;
use crate::codec::Log;
use crate::units::{Hash, Index, MessageId, RequestId};

/// See the file's header. Indexes are those of the relay's journal, places those of our own.
#[derive(Clone)]
pub struct Proofs {
    /// Where the proof is, and the hash of the leaf that is proven.
    proven: RedBlackTreeMapSync<Index, (Index, Hash)>,
    /// Records whose proof is not to a head that a quorum of witnesses has seen, by log and leaf.
    unwitnessed: RedBlackTreeMapSync<(Log, u64), Index>,
    /// Their places in it.
    leaves: RedBlackTreeMapSync<Index, (Log, u64)>,
    /// Where the records are that we hold.
    held: RedBlackTreeMapSync<Index, Index>,
    /// Records that we hold and have no proof of.
    unproven: RedBlackTreeMapSync<Index, Index>,
    /// Statements of ours whose receipt does not hold, and the code of that.
    disputed: RedBlackTreeMapSync<MessageId, String>,
    /// Records whose proof does not hold, and the code of that.
    refuted: RedBlackTreeMapSync<Index, String>,
    /// Everything that did not hold, in order.
    evidence: VectorSync<Against>,
}

/// Evidence against the relay: where it is, and what it was to prove.
#[derive(Clone)]
struct Against {
    place: Index,
    /// The record, as the relay named it.
    index: Index,
    /// The statement of ours that it was to be a receipt for.
    message: Option<MessageId>,
}

impl Proofs {
    pub(super) fn new() -> Self {
        Self {
            proven: RedBlackTreeMapSync::new_sync(),
            unwitnessed: RedBlackTreeMapSync::new_sync(),
            leaves: RedBlackTreeMapSync::new_sync(),
            held: RedBlackTreeMapSync::new_sync(),
            unproven: RedBlackTreeMapSync::new_sync(),
            disputed: RedBlackTreeMapSync::new_sync(),
            refuted: RedBlackTreeMapSync::new_sync(),
            evidence: VectorSync::new_sync(),
        }
    }

    /// Where the proof of a record is, if there is one.
    pub fn place(&self, index: Index) -> Option<Index> {
        self.proven.get(&index).map(|(place, _)| *place)
    }

    /// Where a record itself is, as the relay sent it, if it came.
    pub(super) fn record_place(&self, index: Index) -> Option<Index> {
        self.held.get(&index).copied()
    }

    /// The hash of the leaf that is proven to be this record's, if there is one.
    pub(super) fn leaf(&self, index: Index) -> Option<Hash> {
        self.proven.get(&index).map(|(_, leaf)| *leaf)
    }

    /// Records that we hold and have no proof of, oldest first, with their places.
    pub fn unproven(&self) -> impl Iterator<Item = (Index, Index)> {
        self.unproven.iter().map(|(index, place)| (*index, *place))
    }

    /// True when the proof of a record is to a head that a quorum of witnesses has seen.
    pub fn is_witnessed(&self, index: Index) -> bool {
        self.proven.contains_key(&index) && !self.leaves.contains_key(&index)
    }

    /// Records among the first `size` leaves of a log whose proof is not to a head that a quorum of
    /// witnesses has seen, oldest first, with their places; those that have come.
    pub fn unwitnessed(&self, log: Log, size: u64) -> impl Iterator<Item = (Index, Index)> {
        let among = self.unwitnessed.range((log, 0)..(log, size));
        among.filter_map(|(_, index)| Some((*index, self.record_place(*index)?)))
    }

    /// The newest leaf of a log that is proven here, and not to a head that a quorum has seen.
    pub(super) fn newest_unwitnessed(&self, log: Log) -> Option<u64> {
        let ((_, leaf), _) = self.unwitnessed.range((log, 0)..=(log, u64::MAX)).next_back()?;
        Some(*leaf)
    }

    /// Where the proofs of a log's records are that are not to such a head, newest first.
    pub(super) fn unwitnessed_places(&self, log: Log) -> impl Iterator<Item = Index> {
        let of_log = self.unwitnessed.range((log, 0)..=(log, u64::MAX)).rev();
        of_log.filter_map(|(_, index)| self.place(*index))
    }

    /// True when the newest receipt for this statement of ours does not hold.
    pub fn is_in_dispute(&self, message: MessageId) -> bool {
        self.disputed.contains_key(&message)
    }

    /// True when that is so for a reason with this code.
    pub(super) fn is_disputed(&self, message: MessageId, code: &str) -> bool {
        self.disputed.get(&message).is_some_and(|known| known == code)
    }

    /// True when the newest proof of this record does not hold for a reason with this code.
    pub(super) fn is_unproven_because(&self, index: Index, code: &str) -> bool {
        self.refuted.get(&index).is_some_and(|known| known == code)
    }

    /// A record came.
    pub(super) fn received(&mut self, index: Index, place: Index) {
        if self.held.contains_key(&index) {
            return;
        }
        self.held.insert_mut(index, place);
        if !self.proven.contains_key(&index) {
            self.unproven.insert_mut(index, place);
        }
    }

    /// A proof of a record is kept, to a head that the log alone has signed.
    pub(super) fn proven(&mut self, index: Index, place: Index, leaf: Hash, proof: &str) {
        if let Some(at) = leaf_of(proof) {
            self.unwitnessed.insert_mut(at, index);
            self.leaves.insert_mut(index, at);
        }
        self.keep(index, place, leaf);
    }

    /// A proof of a record is kept, to a head that a quorum of witnesses has seen.
    pub(super) fn witnessed(&mut self, index: Index, place: Index, leaf: Hash) {
        if let Some(at) = self.leaves.get(&index).copied() {
            self.unwitnessed.remove_mut(&at);
            self.leaves.remove_mut(&index);
        }
        self.keep(index, place, leaf);
    }

    fn keep(&mut self, index: Index, place: Index, leaf: Hash) {
        self.proven.insert_mut(index, (place, leaf));
        self.unproven.remove_mut(&index);
        self.refuted.remove_mut(&index);
    }

    /// A receipt for a statement of ours holds.
    pub(super) fn settled(&mut self, message: MessageId) {
        self.disputed.remove_mut(&message);
    }

    /// A receipt or a proof does not hold.
    pub(super) fn bad(
        &mut self,
        place: Index,
        (index, message): (Index, Option<MessageId>),
        code: &str,
    ) {
        self.evidence.push_back_mut(Against { place, index, message });
        match message {
            Some(message) => self.disputed.insert_mut(message, code.to_owned()),
            None => self.refuted.insert_mut(index, code.to_owned()),
        }
    }
}

/// Log and leaf of a proof that this desk has kept.
fn leaf_of(proof: &str) -> Option<(Log, u64)> {
    let (head, checkpoint) = proof.split_once("\n\n")?;
    let index = head.lines().find_map(|line| line.strip_prefix("index "))?.parse().ok()?;
    Some((Log::of_origin(checkpoint.lines().next()?)?, index))
}

impl CaseFile {
    /// The places of what did not hold about a request.
    pub(super) fn evidence_of(&self, request: RequestId) -> Vec<Index> {
        let records = self.records_of(request);
        let is_of = |against: &&Against| match against.message {
            Some(message) => {
                self.own_statement(message).is_some_and(|held| held.statement.request == request)
            }
            None => records.contains(&against.index),
        };
        self.proofs().evidence.iter().filter(is_of).map(|against| against.place).collect()
    }

    /// The records about a request that we know of, by their index in the relay's journal.
    pub(super) fn records_of(&self, request: RequestId) -> Vec<Index> {
        let Some(case) = self.case(request) else { return Vec::new() };
        let index = |entry: &Entry| match entry {
            Entry::Statement(key) => self.statement(key)?.recorded.map(|(index, _)| index),
            Entry::Relay(entry) => Some(entry.index),
            Entry::Own(_) => None,
        };
        let mut found: Vec<Index> = case.entries.iter().filter_map(index).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}
