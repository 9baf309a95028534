//! The nodes of the logs' trees, of which every proof is made.
//!
//! Not for proofs (see `tlog::proof`). Every leaf hash is kept, and the root of every 256 of a
//! level: what tiles hold (C2SP tlog-tiles). The levels between are folded when they are asked for,
//! from at most 128 hashes.

use std::sync::atomic::Ordering;

use super::run::{self, Runs};
use super::store::Store;
use super::{Fault, Tables, key};
use crate::codec::{Log, Record};
use crate::tlog::proof::Nodes;
use crate::tlog::tile::{TILE_HEIGHT, TILE_WIDTH, fold, locate};
use crate::units::Hash;

/// Length of a hash in bytes.
const HASH_BYTES: usize = 32;

/// Adds the leaf of a record, and the root of every tile that it fills.
pub(super) fn add(store: &Store, runs: &mut Runs, record: &Record) -> Result<(), Fault> {
    let log = record.leaf.log;
    let (mut level, mut place, mut hash) = (0, record.leaf.index, record.leaf_hash());
    loop {
        let prefix = key::nodes(log, level);
        runs.put(store, &prefix, place, &hash.0)?;
        let next = place.saturating_add(1);
        if !next.is_multiple_of(TILE_WIDTH) {
            return Ok(());
        }
        let tile = (next - TILE_WIDTH, TILE_WIDTH);
        let values = runs.values(store, &prefix, tile, HASH_BYTES)?.unwrap_or_default();
        let hashes: Vec<Hash> = values.iter().filter_map(|v| Hash::from_slice(v).ok()).collect();
        hash = fold(&hashes).ok_or_else(|| store.condemn("the nodes of a log are not dense"))?;
        place /= TILE_WIDTH;
        level = level.saturating_add(1);
    }
}

/// `count` stored hashes of a level from `first` on.
fn stored_run(
    store: &Store,
    (log, level): (Log, u8),
    first: u64,
    count: u64,
) -> Result<Vec<Hash>, Fault> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let found = run::read(store, &key::nodes(log, level), first, count, HASH_BYTES)?;
    let dense = (first..).zip(&found).all(|(expected, (place, _))| *place == expected);
    let hashes: Vec<Hash> =
        found.iter().filter_map(|(_, value)| Hash::from_slice(value).ok()).collect();
    if dense && hashes.len() == count {
        Ok(hashes)
    } else {
        Err(store.condemn("the nodes of a log cannot be read"))
    }
}

/// The nodes of a log's tree as far as it had grown when this was made. Its calls block.
pub struct LogNodes<'t> {
    tables: &'t Tables,
    log: Log,
    size: u64,
}

impl LogNodes<'_> {
    /// Leaves whose nodes are there.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// `count` hashes of a level from `first` on, as a tile of this level holds them: leaf hashes
    /// at level 0, roots of 256 of the level below at every other.
    ///
    /// # Errors
    /// [`Fault::NoNode`] when there are fewer; [`Fault::Io`] or [`Fault::Broken`].
    pub fn hashes(&self, level: u8, first: u64, count: u64) -> Result<Vec<Hash>, Fault> {
        let below = TILE_HEIGHT.saturating_mul(u32::from(level));
        let end = first.checked_add(count);
        if end.is_none_or(|end| end > self.size.checked_shr(below).unwrap_or(0)) {
            let index = end.map_or(u64::MAX, |end| end.saturating_sub(1));
            return Err(Fault::NoNode { level: below, index, size: self.size });
        }
        stored_run(&self.tables.store, (self.log, level), first, count)
    }
}

impl Nodes for LogNodes<'_> {
    type Error = Fault;

    fn node(&self, level: u32, index: u64) -> Result<Hash, Fault> {
        let missing = Fault::NoNode { level, index, size: self.size };
        if index >= self.size.checked_shr(level).unwrap_or(0) {
            return Err(missing);
        }
        let place = locate(level, index);
        let first = index << (level % TILE_HEIGHT);
        let hashes = self.hashes(place.level, first, place.count as u64)?;
        fold(&hashes).ok_or(missing)
    }
}

impl Tables {
    /// The nodes of a log's tree, as far as it has grown here.
    pub fn nodes(&self, log: Log) -> LogNodes<'_> {
        let leaves = match log {
            Log::Directory => &self.leaves.directory,
            Log::Traffic => &self.leaves.traffic,
        };
        LogNodes { tables: self, log, size: leaves.load(Ordering::Acquire) }
    }
}
