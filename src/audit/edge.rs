//! The right edge of a tree: the tiles that are not full. They alone lead to the root, and every
//! other tile hangs below one of them.
//!
//! Not for the full tiles (see `sweep.rs`).

use super::files::{CHECKPOINT, Files, damaged, fold};
use super::{Damage, Fault};
use crate::tlog::Checkpoint;
use crate::tlog::merkle::{empty_root, node_hash};
use crate::tlog::tile::{Place, TILE_HEIGHT, TILE_WIDTH};
use crate::units::Hash;

/// A tile of the right edge.
pub(super) struct Edge {
    /// Its level, in tiles.
    pub(super) level: u8,
    /// Its place and width.
    pub(super) place: Place,
    /// Name of the file.
    pub(super) name: String,
    /// Its hashes.
    pub(super) hashes: Vec<Hash>,
}

/// Nodes of a tile level in a tree of `size` leaves.
pub(super) fn nodes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0)
}

/// The right edge of a tree of `size` leaves, which leads to the checkpoint's root; the highest
/// level first.
pub(super) fn verified(files: &Files, checkpoint: &Checkpoint) -> Result<Vec<Edge>, Fault> {
    let size = checkpoint.size();
    let mut places = Vec::new();
    for level in 0_u8.. {
        let nodes = nodes_at(level, size);
        if nodes == 0 {
            break;
        }
        // A level whose tiles are all full has no edge.
        if let Ok(place) = Place::new(nodes / TILE_WIDTH, nodes % TILE_WIDTH) {
            places.push((level, place));
        }
    }
    let mut edges = Vec::new();
    for (level, place) in places.into_iter().rev() {
        let (name, hashes) = files.tile(level, place)?;
        edges.push(Edge { level, place, name, hashes });
    }
    let found = root(edges.iter().map(|edge| edge.hashes.as_slice()));
    let expected = checkpoint.root();
    if found == expected {
        return Ok(edges);
    }
    let file = CHECKPOINT.to_owned();
    let generic = Damage::Root { file, size, expected, found };
    Err(damaged(blame(files, &edges, expected).unwrap_or(generic)))
}

/// The root over the hashes of the edge's tiles, the highest level first.
fn root<'h>(edge: impl Iterator<Item = &'h [Hash]>) -> Hash {
    let roots: Vec<Hash> = edge.flat_map(complete).collect();
    let mut parts = roots.into_iter().rev();
    let last = parts.next().unwrap_or_else(empty_root);
    parts.fold(last, |right, left| node_hash(&left, &right))
}

/// The roots of the complete subtrees over the hashes of one of its tiles, largest first.
pub(super) fn complete(hashes: &[Hash]) -> Vec<Hash> {
    let mut rest = hashes;
    let mut roots = Vec::new();
    while !rest.is_empty() {
        let (subtree, more) = rest.split_at(1 << rest.len().ilog2());
        roots.push(fold(subtree));
        rest = more;
    }
    roots
}

/// The hash of the edge that is wrong, if the root fits once it is what the level below says: all
/// tiles of the edge, or one alone where more than one thing is wrong.
fn blame(files: &Files, edges: &[Edge], expected: Hash) -> Option<Damage> {
    let below: Vec<Option<Vec<Hash>>> =
        edges.iter().map(|edge| from_below(files, edge.level, edge.place)).collect();
    let fits = |mended: &dyn Fn(usize) -> bool| {
        let tiles = edges.iter().zip(&below).enumerate();
        let hashes = tiles.map(|(at, (edge, below))| match below {
            Some(below) if mended(at) => below.as_slice(),
            Some(_) | None => edge.hashes.as_slice(),
        });
        root(hashes) == expected
    };
    let alone = (0..edges.len()).find(|at| fits(&|other| other == *at));
    if alone.is_none() && !fits(&|_| true) {
        return None;
    }
    let tiles = edges.iter().zip(&below).enumerate();
    let mut mended = tiles.filter(|(at, _)| alone.is_none_or(|alone| alone == *at));
    mended.find_map(|(_, (edge, below))| {
        first_difference(&edge.name, edge.level, edge.place, below.as_deref()?, &edge.hashes)
    })
}

/// The hashes that a tile should have according to the level below it; none when that level
/// cannot be read either.
pub(super) fn from_below(files: &Files, level: u8, place: Place) -> Option<Vec<Hash>> {
    let Some(below) = level.checked_sub(1) else { return files.bundle(place).ok()?.hashes() };
    let first = place.index() * TILE_WIDTH;
    let child = |index| {
        let (_, hashes) = files.tile(below, Place::new(index, TILE_WIDTH).ok()?).ok()?;
        Some(fold(&hashes))
    };
    (first..first + u64::from(place.width())).map(child).collect()
}

/// The first hash of a tile that is not as it should be.
pub(super) fn first_difference(
    name: &str,
    level: u8,
    place: Place,
    should: &[Hash],
    is: &[Hash],
) -> Option<Damage> {
    let first = place.index() * TILE_WIDTH;
    let mut pairs = (first..).zip(should.iter().zip(is));
    pairs.find(|(_, (should, is))| should != is).map(|(index, (expected, found))| Damage::Node {
        file: name.to_owned(),
        level,
        index,
        expected: *expected,
        found: *found,
    })
}
