//! What a tree has grown by: enough to prove that each new leaf is in it, without the tree.
//!
//! On the path of RFC 6962 section 2.1.1 from a leaf that is new to the root of the grown tree,
//! whatever stands to the left is a node of the new part or one that the old size is the sum of,
//! and whatever stands to the right is new. Not for older leaves, nor for keeping nodes.
//!
//! No input makes this panic.

use super::merkle::Frontier;
use super::proof::{self, Nodes};
use crate::units::Hash;

/// The growth of a tree, about two hashes for each new leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    /// The tree before.
    before: Frontier,
    /// Leaves of the tree now.
    size: u64,
    /// By level, the nodes that have become complete since, in order.
    made: Vec<Vec<Hash>>,
}

/// A node that is neither new nor on the right edge of the tree before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("node {index} at level {level} is not at hand")]
pub struct NotAtHand {
    /// Its level.
    pub level: u32,
    /// Its place in the level.
    pub index: u64,
}

impl Growth {
    /// A tree that has not grown yet.
    pub fn new(before: &Frontier) -> Self {
        Self { before: before.clone(), size: before.size(), made: Vec::new() }
    }

    /// The first new leaf.
    pub const fn first(&self) -> u64 {
        self.before.size()
    }

    /// Number of leaves now.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf to `tree`, which is the one that was given at first with what has been added
    /// since, and notes what is complete by it.
    pub fn push(&mut self, tree: &mut Frontier, leaf_hash: Hash) {
        tree.push_telling(leaf_hash, |level, node| {
            let level = level as usize;
            if self.made.len() <= level {
                self.made.resize_with(level + 1, Vec::new);
            }
            self.made[level].push(node);
        });
        self.size = tree.size();
    }

    /// The inclusion proof of a new leaf in the tree as it is now; none for an old leaf, or one
    /// that is not there.
    pub fn prove(&self, leaf: u64) -> Option<Vec<Hash>> {
        if leaf < self.first() {
            return None;
        }
        proof::prove_inclusion(self, leaf, self.size).ok().flatten()
    }
}

impl Nodes for Growth {
    type Error = NotAtHand;

    fn node(&self, level: u32, index: u64) -> Result<Hash, NotAtHand> {
        let missing = NotAtHand { level, index };
        // The first node of a level that was not complete before.
        let first = self.first().checked_shr(level).unwrap_or(0);
        match index.checked_sub(first) {
            None => self.before.node(level, index).ok_or(missing),
            Some(place) => {
                let made = self.made.get(level as usize);
                let place = usize::try_from(place).map_err(|_| missing)?;
                made.and_then(|made| made.get(place)).copied().ok_or(missing)
            }
        }
    }
}
