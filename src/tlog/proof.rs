//! Inclusion and consistency proofs of RFC 6962 sections 2.1.1 and 2.1.2: made from the nodes of a
//! tree, and checked without it.
//!
//! Checking follows RFC 9162 sections 2.1.3.2 and 2.1.4.2, which verify the same proofs. Not for
//! where nodes are kept: [`Nodes`] says where. Out of scope: subtree proofs.
//!
//! No input makes this panic: indexes and sizes may be any 64-bit numbers, proofs any length.

use super::merkle::{empty_root, node_hash};
use crate::units::Hash;

/// The longest proof in hashes: a tree of 2^63 leaves has that many levels (C2SP tlog-witness
/// allows no longer one).
pub const PROOF_HASHES_MAX: usize = 63;

/// Where the nodes of a tree are read.
pub trait Nodes {
    /// Why a node cannot be read.
    type Error;

    /// Hash of the complete subtree of `2^level` leaves that begins at leaf `index * 2^level`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    /// The leaf is not in a tree of this size.
    #[error("leaf {index} is not in a tree of {size} leaves")]
    NoSuchLeaf {
        /// Index of the leaf.
        index: u64,
        /// Size of the tree.
        size: u64,
    },
    /// The older tree is larger than the newer one.
    #[error("a tree of {old} leaves cannot be the beginning of one of {new}")]
    Shrunk {
        /// Size of the older tree.
        old: u64,
        /// Size of the newer tree.
        new: u64,
    },
    /// The proof has too few or too many hashes.
    #[error("the proof has {given} hashes, which is not what such a proof has")]
    WrongLength {
        /// Hashes given.
        given: usize,
    },
    /// The hashes lead to another root.
    #[error("the proof leads to root {computed} where {expected} was to be")]
    OtherRoot {
        /// The root that the proof leads to.
        computed: Hash,
        /// The root that was to be proven.
        expected: Hash,
    },
}

/// The path from a leaf to the root of the tree of the first `size` leaves, sibling first.
///
/// # Errors
/// `Ok(None)` when the leaf is not in that tree; an error when a node cannot be read.
pub fn prove_inclusion<N: Nodes>(
    nodes: &N,
    index: u64,
    size: u64,
) -> Result<Option<Vec<Hash>>, N::Error> {
    if index >= size {
        return Ok(None);
    }
    let mut path = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(nodes, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(Some(path))
}

/// The proof that the tree of the first `old` leaves is the beginning of the tree of the first
/// `new`. Empty when `old` is 0 or equals `new`.
///
/// # Errors
/// `Ok(None)` when `old` is larger than `new`; an error when a node cannot be read.
pub fn prove_consistency<N: Nodes>(
    nodes: &N,
    old: u64,
    new: u64,
) -> Result<Option<Vec<Hash>>, N::Error> {
    if old > new {
        return Ok(None);
    }
    let mut path = Vec::new();
    if old == 0 {
        return Ok(Some(path));
    }
    let (mut start, mut end) = (0, new);
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(nodes, start, middle)?);
            start = middle;
        }
    }
    if start > 0 {
        path.push(range_root(nodes, start, end)?);
    }
    path.reverse();
    Ok(Some(path))
}

/// Root of the tree of the first `size` leaves.
///
/// # Errors
/// When a node cannot be read.
pub fn root<N: Nodes>(nodes: &N, size: u64) -> Result<Hash, N::Error> {
    if size == 0 { Ok(empty_root()) } else { range_root(nodes, 0, size) }
}

/// Proves that the leaf with this hash is at `index` in the tree with this size and root.
///
/// # Errors
/// [`BadProof`] when it does not.
pub fn check_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), BadProof> {
    if index >= size {
        return Err(BadProof::NoSuchLeaf { index, size });
    }
    let wrong_length = BadProof::WrongLength { given: proof.len() };
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(wrong_length);
        }
        if node % 2 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // A right edge has no sibling until its next 1 bit.
            while node.is_multiple_of(2) && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length);
    }
    same(hash, *root)
}

/// On which side of the path from a leaf to the root each hash of its inclusion proof stands: true
/// is left. Empty for a leaf that is not in the tree.
pub fn inclusion_sides(index: u64, size: u64) -> Vec<bool> {
    let mut sides = Vec::new();
    let Some(mut last) = size.checked_sub(1).filter(|last| index <= *last) else { return sides };
    let mut node = index;
    while last > 0 {
        let left = node % 2 == 1 || node == last;
        while left && node.is_multiple_of(2) && node != 0 {
            node >>= 1;
            last >>= 1;
        }
        sides.push(left);
        node >>= 1;
        last >>= 1;
    }
    sides
}

/// Proves that the tree (`old`, `old_root`) is the beginning of the tree (`new`, `new_root`).
///
/// # Errors
/// [`BadProof`] when it does not.
pub fn check_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), BadProof> {
    let wrong_length = BadProof::WrongLength { given: proof.len() };
    if old > new {
        return Err(BadProof::Shrunk { old, new });
    }
    if old == 0 || old == new {
        if !proof.is_empty() {
            return Err(wrong_length);
        }
        let expected = if old == 0 { empty_root() } else { *new_root };
        return same(*old_root, expected);
    }
    // Where the older tree is a complete subtree, its root is not repeated in the proof.
    let (first, rest) = match proof.split_first() {
        _ if old.is_power_of_two() => (*old_root, proof),
        Some((first, rest)) => (*first, rest),
        None => return Err(wrong_length),
    };
    let (mut node, mut last) = (old - 1, new - 1);
    while node % 2 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (first, first);
    for sibling in rest {
        if last == 0 {
            return Err(wrong_length);
        }
        if node % 2 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node.is_multiple_of(2) && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length);
    }
    same(old_hash, *old_root)?;
    same(new_hash, *new_root)
}

fn same(computed: Hash, expected: Hash) -> Result<(), BadProof> {
    if computed == expected { Ok(()) } else { Err(BadProof::OtherRoot { computed, expected }) }
}

/// The largest power of two smaller than `size`, which is at least 2: where RFC 6962 splits.
const fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// Root of the leaves `start..end`, which are at least one. `start` is a multiple of the power of
/// two that the range is split at, so that the range is a sum of complete subtrees, largest first.
fn range_root<N: Nodes>(nodes: &N, start: u64, end: u64) -> Result<Hash, N::Error> {
    let mut complete = Vec::new();
    let mut at = start;
    while at < end {
        let level = (end - at).ilog2();
        complete.push(nodes.node(level, at >> level)?);
        at += 1 << level;
    }
    let mut parts = complete.into_iter().rev();
    let last = parts.next().unwrap_or_else(empty_root);
    Ok(parts.fold(last, |right, left| node_hash(&left, &right)))
}
