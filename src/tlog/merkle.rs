//! Merkle tree hashing of RFC 6962 section 2.1, and the right edge of a growing tree.
//!
//! Not for proofs, and not for keeping the nodes: [`Frontier`] holds only what is needed to grow
//! the tree and to name its root, one node per 1 bit of the size (at most 64).

use serde::{Deserialize, Serialize};

use crate::units::{Hash, Unreadable};

/// Prefix of a leaf, so that a leaf cannot pass for a node (RFC 6962 section 2.1).
const LEAF_PREFIX: &[u8] = &[0x00];
/// Prefix of a node (RFC 6962 section 2.1).
const NODE_PREFIX: &[u8] = &[0x01];

/// Hash of a leaf: SHA-256(0x00 || data).
pub fn leaf_hash(data: &[u8]) -> Hash {
    Hash::of(&[LEAF_PREFIX, data])
}

/// Hash of a node: SHA-256(0x01 || left || right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash::of(&[NODE_PREFIX, &left.0, &right.0])
}

/// Root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Hash::of(&[])
}

/// The right edge of a tree: the roots of the complete subtrees that its size is the sum of,
/// largest first. Growing it by a leaf costs one to two hashes on average, its root at most 63.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

impl Frontier {
    /// The tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree of `size` leaves whose complete subtrees have these roots, largest first.
    ///
    /// # Errors
    /// When there are more or fewer than the size has 1 bits.
    pub fn from_subtrees(size: u64, roots: Vec<Hash>) -> Result<Self, Unreadable> {
        let why = format!("{} nodes do not make a tree of {size} leaves", roots.len());
        if roots.len() == size.count_ones() as usize {
            Ok(Self { size, nodes: roots })
        } else {
            Err(Unreadable::new("tree", why))
        }
    }

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf, given its [`leaf_hash`].
    ///
    /// # Panics
    /// At 2^64 leaves, which no disk can hold.
    pub fn push(&mut self, leaf_hash: Hash) {
        self.push_telling(leaf_hash, |_, _| {});
    }

    /// As [`Frontier::push`]; `tell` is called for each node that is complete by it, the leaf
    /// first, with its level and hash.
    ///
    /// # Panics
    /// At 2^64 leaves, which no disk can hold.
    pub fn push_telling(&mut self, leaf_hash: Hash, mut tell: impl FnMut(u32, Hash)) {
        let complete = self.size.trailing_ones();
        let mut node = leaf_hash;
        tell(0, node);
        for level in 1..=complete {
            let left = self.nodes.pop().expect("one node per 1 bit of the size");
            node = node_hash(&left, &node);
            tell(level, node);
        }
        self.nodes.push(node);
        self.size = self.size.checked_add(1).expect("fewer than 2^64 leaves");
    }

    /// The root of the complete subtree of `2^level` leaves that begins at leaf `index * 2^level`,
    /// where it is one of those that the size is the sum of.
    pub fn node(&self, level: u32, index: u64) -> Option<Hash> {
        let above = self.size.checked_shr(level)?;
        if above % 2 == 0 || index != above - 1 {
            return None;
        }
        // The larger ones come first.
        self.nodes.get((above / 2).count_ones() as usize).copied()
    }

    /// The RFC 6962 root hash.
    pub fn root(&self) -> Hash {
        let mut nodes = self.nodes.iter().rev().copied();
        let Some(last) = nodes.next() else { return empty_root() };
        nodes.fold(last, |right, left| node_hash(&left, &right))
    }
}

/// A frontier as it is read, before it is known to hold together.
#[derive(Deserialize)]
struct Unchecked {
    size: u64,
    nodes: Vec<Hash>,
}

impl TryFrom<Unchecked> for Frontier {
    type Error = Unreadable;

    fn try_from(unchecked: Unchecked) -> Result<Self, Unreadable> {
        let Unchecked { size, nodes } = unchecked;
        Self::from_subtrees(size, nodes)
    }
}
