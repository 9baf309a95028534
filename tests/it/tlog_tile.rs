//! Tiles and bundles: names, bytes, and that a tree can be read from them.

use std::collections::BTreeMap;

use detente::tlog::merkle::leaf_hash;
use detente::tlog::proof::{Nodes, check_inclusion, prove_inclusion, root};
use detente::tlog::tile::{
    Place, Resource, fold, locate, parse_entries, parse_hashes, render_entries, render_hashes,
};
use detente::units::{Hash, Unreadable};
use proptest::prelude::*;

use super::tlog_proofs::Tree;

fn tile(level: u8, index: u64, width: u64) -> Resource {
    Resource::Tile { level, place: Place::new(index, width).unwrap() }
}

#[test]
fn names_are_those_of_the_specification() {
    let entries = |index, width| Resource::Entries(Place::new(index, width).unwrap());
    let named = [
        (tile(0, 0, 256), "tile/0/000"),
        (tile(0, 1_234_067, 256), "tile/0/x001/x234/067"),
        (tile(1, 999, 17), "tile/1/999.p/17"),
        (tile(63, 1_000, 1), "tile/63/x001/000.p/1"),
        (entries(70_000, 255), "tile/entries/x070/000.p/255"),
        (entries(0, 256), "tile/entries/000"),
        (tile(0, u64::MAX, 256), "tile/0/x018/x446/x744/x073/x709/x551/615"),
    ];
    for (resource, path) in named {
        assert_eq!(resource.to_string(), path);
        assert_eq!(path.parse(), Ok(resource));
    }
    for (index, directory, name) in [(0, 0, "000"), (999, 0, "999"), (1_234_067, 1_234, "067")] {
        let place = Place::new(index, 256).unwrap();
        assert!(tile(0, index, 256).to_string().ends_with(&format!("/{name}")));
        assert_eq!(place.directory_and_name(), (directory, name.as_bytes().try_into().unwrap()));
    }
}

#[test]
fn other_spellings_are_refused() {
    for path in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/0/x001",
        "tile/0/001/002",
        "tile/0/x001/x002",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p/1/",
        "tile/8/0/000",
        "tile/entries/../000",
        "tile/0/+01",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "/tile/0/000",
        "tile/0/000 ",
        "tile/data/000",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert!(path.parse::<Resource>().is_err(), "{path}");
    }
}

#[test]
fn a_tree_of_70_000_has_the_tiles_that_the_specification_counts() {
    let mut count: BTreeMap<(u8, bool), usize> = BTreeMap::new();
    let mut bundles = 0;
    for resource in Resource::new_in(0, 70_000) {
        match resource {
            Resource::Tile { level, place } => {
                *count.entry((level, place.is_full())).or_default() += 1;
            }
            Resource::Entries(_) => bundles += 1,
        }
    }
    let expected = [((0, true), 273), ((0, false), 1), ((1, true), 1), ((1, false), 1)];
    assert_eq!(count, expected.into_iter().chain([((2, false), 1)]).collect());
    assert_eq!(bundles, 274);
    let of_256: Vec<String> = Resource::new_in(0, 256).iter().map(ToString::to_string).collect();
    assert_eq!(of_256, ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]);
    assert_eq!(Resource::new_in(256, 256), []);
    let one_more: Vec<String> =
        Resource::new_in(256, 257).iter().map(ToString::to_string).collect();
    assert_eq!(one_more, ["tile/0/001.p/1", "tile/entries/001.p/1"]);
}

/// A tree that is read from the bytes of its tiles.
struct Tiles(BTreeMap<String, Vec<u8>>, u64);

impl Tiles {
    fn of(size: u64) -> Self {
        let tree = Tree::of(size);
        let mut files = BTreeMap::new();
        for resource in Resource::new_in(0, size) {
            if let Resource::Tile { level, place } = resource {
                let first = place.index() * 256;
                let hashes: Vec<Hash> = (first..first + u64::from(place.width()))
                    .map(|n| tree.node(8 * u32::from(level), n).unwrap())
                    .collect();
                files.insert(resource.to_string(), render_hashes(&hashes));
            }
        }
        Self(files, size)
    }
}

impl Nodes for Tiles {
    type Error = Unreadable;

    fn node(&self, level: u32, index: u64) -> Result<Hash, Unreadable> {
        let at = locate(level, index);
        let there = self.1.checked_shr(8 * u32::from(at.level)).unwrap_or(0);
        let place = Place::new(at.index, (there - at.index * 256).min(256))?;
        let bytes = &self.0[&Resource::Tile { level: at.level, place }.to_string()];
        let hashes = parse_hashes(bytes, place.width())?;
        Ok(fold(&hashes[at.first..at.first + at.count]).unwrap())
    }
}

#[test]
fn a_tree_is_read_from_its_tiles() {
    for size in [1, 2, 255, 256, 257, 511, 1_000, 66_000] {
        let tiles = Tiles::of(size);
        let head = root(&tiles, size).unwrap();
        assert_eq!(Ok(head), root(&Tree::of(size), size));
        for index in [0, size / 3, size / 2, size - 1] {
            let proof = prove_inclusion(&tiles, index, size).unwrap().unwrap();
            let leaf = leaf_hash(&index.to_be_bytes());
            assert_eq!(check_inclusion(&leaf, index, size, &head, &proof), Ok(()));
        }
    }
}

#[test]
fn bundles_hold_entries_whole_or_not_at_all() {
    let entries = [b"".as_slice(), b"a", &[7; 65_535]];
    let bytes = render_entries(&entries).unwrap();
    assert_eq!(&bytes[..5], [0, 0, 0, 1, b'a']);
    assert_eq!(parse_entries(&bytes, 3).unwrap(), entries);
    for wrong in [0, 2, 4, 256] {
        assert!(parse_entries(&bytes, wrong).is_err(), "width {wrong}");
    }
    for end in [0, 1, 2, 3, 4, 5, 6, bytes.len() - 1] {
        assert!(parse_entries(&bytes[..end], 3).is_err(), "cut at {end}");
    }
    assert!(render_entries(&[vec![0; 65_536]]).is_err());
}

proptest! {
    #[test]
    fn whatever_is_named_is_read_back(
        level in 0_u8..64,
        index in any::<u64>(),
        width in 1_u64..257,
    ) {
        let resource = tile(level, index, width);
        prop_assert_eq!(resource.to_string().parse(), Ok(resource));
    }

    #[test]
    fn no_path_and_no_bytes_panic(
        path in "(tile/)?[0-9x/.penris]{0,40}",
        bytes in any::<Vec<u8>>(),
        width in any::<u16>(),
    ) {
        if let Ok(resource) = path.parse::<Resource>() {
            prop_assert_eq!(resource.to_string(), path);
        }
        let _any = (parse_entries(&bytes, width), parse_hashes(&bytes, width));
        let _any = (locate(u32::from(width), u64::from(width)), fold(&[]));
    }

    #[test]
    fn growing_step_by_step_makes_every_tile(sizes in prop::collection::vec(0_u64..900, 1..5)) {
        let mut sizes = sizes;
        sizes.sort_unstable();
        let last = *sizes.last().unwrap();
        let mut old = 0;
        let mut made = Vec::new();
        for size in sizes {
            made.extend(Resource::new_in(old, size));
            old = size;
        }
        for needed in Resource::new_in(0, last) {
            prop_assert!(made.contains(&needed), "{}", needed);
        }
    }
}
