//! The nodes of the logs in the tables: they are those of the tree, however the records came.

use std::path::Path;

use detente::codec::{Heads, Leaf, Log, Record};
use detente::rules::Kind;
use detente::tables::{Fault, Options, Tables};
use detente::tlog::proof::{Nodes as _, check_inclusion, prove_consistency, prove_inclusion, root};
use detente::tlog::{Frontier, proof};
use detente::units::{Hash, Index};
use proptest::prelude::*;

use crate::records::{JOURNAL, Maker, Shelf};

const OPTIONS: Options = Options { cache_bytes: 8 << 20, journal: JOURNAL };

fn open(dir: &Path) -> Tables {
    Tables::open(dir, &OPTIONS, &Shelf::default()).unwrap().tables
}

/// Applies the records in slices of these lengths, over and over.
fn apply(tables: &Tables, records: &[Record], lengths: &[usize]) {
    let mut rest = records;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            return;
        }
        let (slice, more) = rest.split_at((*length).min(rest.len()));
        tables.apply(slice, &Heads::empty()).unwrap();
        rest = more;
    }
}

fn leaves(records: &[Record], log: Log) -> Vec<Hash> {
    records.iter().filter(|record| record.leaf.log == log).map(Record::leaf_hash).collect()
}

/// The roots of the trees of 0, 1, 2 leaves and so on.
fn roots(leaves: &[Hash]) -> Vec<Hash> {
    let mut tree = Frontier::new();
    let mut roots = vec![tree.root()];
    for leaf in leaves {
        tree.push(*leaf);
        roots.push(tree.root());
    }
    roots
}

/// So many records of one network, of which all but the first are leaves of the traffic log. Made
/// from one that says nothing of any request, so that the rows are the nodes.
fn many(count: u64) -> Vec<Record> {
    let first = Maker::new().records.remove(0);
    let mut event = first.event.clone();
    event.kind = Kind::ClockStepped { step_ms: 1 };
    let mut quiet = Record { event, ..first.clone() };
    quiet.numbering.desk_indexes.clear();
    let later = (1..count).map(|index| Record {
        index: Index(index),
        event_bytes: index.to_be_bytes().to_vec(),
        leaf: Leaf { log: Log::Traffic, index: index - 1, opening: Some([7; 32]) },
        ..quiet.clone()
    });
    std::iter::once(first).chain(later).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn however_records_come_the_nodes_prove_every_leaf(
        steps in prop::collection::vec(any::<(u8, u8, u8)>(), 0..200),
        lengths in prop::collection::vec(1_usize..40, 1..5),
    ) {
        let mut maker = Maker::new();
        steps.into_iter().for_each(|step| maker.step(step));
        let dir = tempfile::tempdir().unwrap();
        let tables = open(dir.path());
        apply(&tables, &maker.records, &lengths);
        for log in [Log::Directory, Log::Traffic] {
            let leaves = leaves(&maker.records, log);
            let roots = roots(&leaves);
            let nodes = tables.nodes(log);
            let size = leaves.len() as u64;
            prop_assert_eq!(nodes.size(), size);
            for (size, expected) in (0..).zip(&roots) {
                prop_assert_eq!(root(&nodes, size).unwrap(), *expected);
            }
            for (index, leaf) in (0..).zip(&leaves) {
                let proof = prove_inclusion(&nodes, index, size).unwrap().unwrap();
                check_inclusion(leaf, index, size, roots.last().unwrap(), &proof).unwrap();
            }
        }
    }
}

#[test]
fn full_tiles_have_their_roots_and_what_has_not_grown_is_not_there() {
    let records = many(66_000);
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path());
    apply(&tables, &records, &[512, 1, 300, 7, 256]);
    let leaves = leaves(&records, Log::Traffic);
    let roots = roots(&leaves);
    let nodes = tables.nodes(Log::Traffic);
    let size = nodes.size();
    assert_eq!(size, 65_999);
    for tree in [1, 255, 256, 257, 65_535, 65_536, 65_537, size] {
        let expected = roots[usize::try_from(tree).unwrap()];
        assert_eq!(root(&nodes, tree).unwrap(), expected, "{tree}");
        for index in [0, tree / 3, tree - 1] {
            let leaf = leaves[usize::try_from(index).unwrap()];
            let path = prove_inclusion(&nodes, index, tree).unwrap().unwrap();
            check_inclusion(&leaf, index, tree, &expected, &path).unwrap();
        }
        let path = prove_consistency(&nodes, tree, size).unwrap().unwrap();
        proof::check_consistency(tree, &expected, size, roots.last().unwrap(), &path).unwrap();
    }
    assert_eq!(nodes.hashes(0, 300, 3).unwrap(), leaves[300..303]);
    assert_eq!(nodes.hashes(2, 0, 1).unwrap(), [roots[65_536]]);
    for (level, index) in [(0, size), (8, 257), (16, 1), (63, 0), (64, 0), (7, u64::MAX)] {
        let missing = Fault::NoNode { level, index, size };
        assert_eq!(nodes.node(level, index).unwrap_err(), missing);
    }
    assert!(matches!(nodes.hashes(0, size, 1).unwrap_err(), Fault::NoNode { .. }));
    assert!(matches!(nodes.hashes(1, 0, u64::MAX).unwrap_err(), Fault::NoNode { .. }));
    tables.nodes(Log::Directory).node(0, 0).unwrap();
}
