//! The Merkle tree against the published vectors and against the definition itself.

use detente::tlog::merkle::{Frontier, empty_root, leaf_hash, node_hash};
use detente::units::Hash;
use proptest::prelude::*;

/// Leaves of the reference vectors of RFC 6962 implementations, in hexadecimal.
const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

/// Roots of the trees of the first 0 to 8 of them.
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

#[test]
fn roots_are_those_of_the_published_vectors() {
    let mut tree = Frontier::new();
    assert_eq!(tree.root().to_string(), ROOTS[0]);
    for (n, leaf) in LEAVES.iter().enumerate() {
        tree.push(leaf_hash(&data_encoding::HEXLOWER.decode(leaf.as_bytes()).unwrap()));
        assert_eq!(tree.size(), n as u64 + 1);
        assert_eq!(tree.root().to_string(), ROOTS[n + 1], "{} leaves", n + 1);
    }
}

/// MTH of RFC 6962 section 2.1, word for word.
fn root_by_definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(split);
            node_hash(&root_by_definition(left), &root_by_definition(right))
        }
    }
}

proptest! {
    #[test]
    fn roots_are_those_of_the_definition(leaves in prop::collection::vec(any::<u64>(), 0..300)) {
        let leaves: Vec<Hash> = leaves.iter().map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let mut tree = Frontier::new();
        for (n, leaf) in leaves.iter().enumerate() {
            prop_assert_eq!(tree.root(), root_by_definition(&leaves[..n]));
            tree.push(*leaf);
        }
        prop_assert_eq!(tree.root(), root_by_definition(&leaves));
    }

    #[test]
    fn a_kept_frontier_grows_on(before in 0_u64..200, after in 0_u64..50) {
        let mut tree = Frontier::new();
        (0..before).for_each(|n| tree.push(leaf_hash(&n.to_be_bytes())));
        let kept = postcard::to_stdvec(&tree).unwrap();
        let mut read: Frontier = postcard::from_bytes(&kept).unwrap();
        prop_assert_eq!(&read, &tree);
        for n in before..before + after {
            tree.push(leaf_hash(&n.to_be_bytes()));
            read.push(leaf_hash(&n.to_be_bytes()));
        }
        prop_assert_eq!(read.root(), tree.root());
    }
}

#[test]
fn a_frontier_that_does_not_hold_together_is_not_read() {
    let kept = postcard::to_stdvec(&(3_u64, vec![Hash([0; 32])])).unwrap();
    assert!(postcard::from_bytes::<Frontier>(&kept).is_err());
}
