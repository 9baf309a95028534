//! What a tree has grown by proves each new leaf as the whole tree does.

use detente::tlog::proof::{Nodes as _, check_inclusion, prove_inclusion};
use detente::tlog::{Frontier, Growth};
use proptest::prelude::*;

use crate::tlog_proofs::Tree;

/// Grows a tree by batches of these sizes, and holds the proof of every leaf against the whole
/// tree's.
fn check(whole: &Tree, batches: &[u64]) {
    let mut tree = Frontier::new();
    for batch in batches {
        let first = tree.size();
        let mut growth = Growth::new(&tree);
        for leaf in first..first + batch {
            growth.push(&mut tree, whole.node(0, leaf).unwrap());
        }
        let size = tree.size();
        assert_eq!((growth.first(), growth.size()), (first, size));
        for leaf in first..size {
            let proof = growth.prove(leaf).unwrap();
            assert_eq!(Some(&proof), prove_inclusion(whole, leaf, size).unwrap().as_ref());
            let hash = whole.node(0, leaf).unwrap();
            check_inclusion(&hash, leaf, size, &tree.root(), &proof).unwrap();
        }
        // What came before is not at hand, and what comes is not there.
        for leaf in [0, first.saturating_sub(1), size, u64::MAX] {
            assert_eq!(growth.prove(leaf).is_some(), (first..size).contains(&leaf), "{leaf}");
        }
    }
}

#[test]
fn every_small_tree_grown_by_every_small_batch_proves_its_new_leaves() {
    let whole = Tree::of(80);
    for before in 0..40 {
        for batch in 1..40 {
            check(&whole, &[before, batch]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn batches_of_any_size_prove_their_leaves(
        batches in prop::collection::vec(0_u64..300, 1..6),
    ) {
        check(&Tree::of(batches.iter().sum()), &batches);
    }

    #[test]
    fn no_node_that_is_asked_for_panics(
        before in 0_u64..70,
        level in any::<u32>(),
        index in any::<u64>(),
    ) {
        let mut tree = Frontier::new();
        let whole = Tree::of(before + 1);
        (0..before).for_each(|leaf| tree.push(whole.node(0, leaf).unwrap()));
        let mut growth = Growth::new(&tree);
        growth.push(&mut tree, whole.node(0, before).unwrap());
        for (level, index) in [(level, index), (level % 70, index % 70)] {
            if let Ok(node) = growth.node(level, index) {
                prop_assert_eq!(node, whole.node(level, index).unwrap());
            }
        }
    }
}
