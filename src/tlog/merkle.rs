//! Merkle tree hashing of RFC 6962 section 2.1, and the right edge of a growing tree.
//!
//! Not for proofs, and not for keeping the nodes: [`Frontier`] holds only what is needed to grow
//! the tree and to name its root, one node per 1 bit of the size (at most 64).

use serde::{Deserialize, Serialize};

use crate::units::Hash;

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

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf, given its [`leaf_hash`].
    ///
    /// # Panics
    /// At 2^64 leaves, which no disk can hold.
    pub fn push(&mut self, leaf_hash: Hash) {
        let complete = self.size.trailing_ones();
        let mut node = leaf_hash;
        for _ in 0..complete {
            let left = self.nodes.pop().expect("one node per 1 bit of the size");
            node = node_hash(&left, &node);
        }
        self.nodes.push(node);
        self.size = self.size.checked_add(1).expect("fewer than 2^64 leaves");
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
    type Error = String;

    fn try_from(unchecked: Unchecked) -> Result<Self, String> {
        let Unchecked { size, nodes } = unchecked;
        if nodes.len() == size.count_ones() as usize {
            Ok(Self { size, nodes })
        } else {
            Err(format!("{} nodes do not make a tree of {size} leaves", nodes.len()))
        }
    }
}
