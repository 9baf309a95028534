//! Proofs: what is made is accepted, what is changed is refused, and both agree with the oracle.

use std::convert::Infallible;

use detente::tlog::merkle::{Frontier, empty_root, leaf_hash, node_hash};
use detente::tlog::proof::{
    BadProof, Nodes, check_consistency, check_inclusion, prove_consistency, prove_inclusion, root,
};
use detente::units::Hash;
use proptest::prelude::*;

/// A whole tree in memory.
pub(crate) struct Tree {
    leaves: Vec<Hash>,
}

impl Tree {
    pub(crate) fn of(size: u64) -> Self {
        Self { leaves: (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect() }
    }

    /// With these leaf hashes.
    pub(crate) fn with(leaves: Vec<Hash>) -> Self {
        Self { leaves }
    }

    fn head(&self, size: u64) -> Hash {
        let mut frontier = Frontier::new();
        self.leaves.iter().take(size as usize).for_each(|leaf| frontier.push(*leaf));
        frontier.root()
    }
}

impl Nodes for Tree {
    type Error = Infallible;

    fn node(&self, level: u32, index: u64) -> Result<Hash, Infallible> {
        let start = (index << level) as usize;
        let mut hashes = self.leaves[start..start + (1 << level)].to_vec();
        while hashes.len() > 1 {
            hashes = hashes.chunks(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        Ok(hashes[0])
    }
}

#[test]
fn every_leaf_of_every_small_tree_is_proven_and_nothing_else_is() {
    let tree = Tree::of(70);
    for size in 1..=70 {
        let head = tree.head(size);
        assert_eq!(root(&tree, size), Ok(head));
        for index in 0..size {
            let proof = prove_inclusion(&tree, index, size).unwrap().unwrap();
            let leaf = tree.leaves[index as usize];
            let check =
                |index, size, proof: &[Hash]| check_inclusion(&leaf, index, size, &head, proof);
            assert_eq!(check(index, size, &proof), Ok(()), "leaf {index} of {size}");
            for other in (0..size).filter(|other| *other != index) {
                assert!(check(other, size, &proof).is_err(), "leaf {index} of {size} at {other}");
            }
            for place in 0..proof.len() {
                let mut changed = proof.clone();
                changed[place].0[7] ^= 1;
                assert!(matches!(check(index, size, &changed), Err(BadProof::OtherRoot { .. })));
                let mut shorter = proof.clone();
                shorter.remove(place);
                assert!(check(index, size, &shorter).is_err());
            }
            let mut longer = proof.clone();
            longer.push(head);
            assert_eq!(
                check(index, size, &longer),
                Err(BadProof::WrongLength { given: longer.len() })
            );
        }
        assert_eq!(prove_inclusion(&tree, size, size), Ok(None));
        let beyond = check_inclusion(&tree.leaves[0], size, size, &head, &[]);
        assert_eq!(beyond, Err(BadProof::NoSuchLeaf { index: size, size }));
    }
}

#[test]
fn every_pair_of_small_trees_is_consistent_and_a_rewritten_one_is_not() {
    let tree = Tree::of(40);
    let mut rewritten = Tree::of(40);
    rewritten.leaves[3] = leaf_hash(b"rewritten");
    for new in 0..=40 {
        for old in 0..=new {
            let proof = prove_consistency(&tree, old, new).unwrap().unwrap();
            let (from, to) = (tree.head(old), tree.head(new));
            assert_eq!(check_consistency(old, &from, new, &to, &proof), Ok(()), "{old} to {new}");
            if old > 3 {
                let forged = prove_consistency(&rewritten, old, new).unwrap().unwrap();
                let head = rewritten.head(new);
                assert!(check_consistency(old, &from, new, &head, &forged).is_err());
                assert!(check_consistency(old, &from, new, &head, &proof).is_err());
            }
            for place in 0..proof.len() {
                let mut changed = proof.clone();
                changed[place].0[0] ^= 0x80;
                assert!(check_consistency(old, &from, new, &to, &changed).is_err());
            }
            let mut longer = proof.clone();
            longer.push(to);
            assert!(check_consistency(old, &from, new, &to, &longer).is_err());
        }
        assert_eq!(prove_consistency(&tree, new + 1, new), Ok(None));
    }
    let shrunk = check_consistency(2, &tree.head(2), 1, &tree.head(1), &[]);
    assert_eq!(shrunk, Err(BadProof::Shrunk { old: 2, new: 1 }));
    let not_empty = check_consistency(0, &tree.head(1), 1, &tree.head(1), &[]);
    assert_eq!(
        not_empty,
        Err(BadProof::OtherRoot { computed: tree.head(1), expected: empty_root() })
    );
}

/// The crate that served as a second opinion reads hashes through this.
struct Stored(Vec<tlog_tiles::Hash>);

impl Stored {
    fn of(size: u64) -> Self {
        let mut stored = Self(Vec::new());
        for n in 0..size {
            let more = tlog_tiles::stored_hashes(n, &n.to_be_bytes(), &stored).unwrap();
            stored.0.extend(more);
        }
        stored
    }
}

impl tlog_tiles::HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn proofs_are_those_of_the_oracle(size in 1_u64..900, at in any::<prop::sample::Index>()) {
        let (tree, stored) = (Tree::of(size), Stored::of(size));
        let index = at.index(size as usize) as u64;
        let theirs: Vec<Hash> = tlog_tiles::prove_record(size, index, &stored)
            .unwrap()
            .iter()
            .map(|hash| Hash(hash.0))
            .collect();
        prop_assert_eq!(prove_inclusion(&tree, index, size).unwrap().unwrap(), theirs);
        let head = tlog_tiles::tree_hash(size, &stored).unwrap();
        prop_assert_eq!(tree.head(size), Hash(head.0));
        if index > 0 {
            let theirs: Vec<Hash> = tlog_tiles::prove_tree(size, index, &stored)
                .unwrap()
                .iter()
                .map(|hash| Hash(hash.0))
                .collect();
            prop_assert_eq!(prove_consistency(&tree, index, size).unwrap().unwrap(), theirs);
        }
    }

    #[test]
    fn nothing_that_is_checked_panics(
        leaf in any::<[u8; 32]>(),
        (a, b) in any::<(u64, u64)>(),
        proof in prop::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let proof: Vec<Hash> = proof.into_iter().map(Hash).collect();
        let leaf = Hash(leaf);
        prop_assert!(check_inclusion(&leaf, a, b, &leaf, &proof).is_err() || proof.is_empty());
        prop_assert!(check_consistency(a, &leaf, b, &leaf, &proof).is_err() || a == b);
    }
}
