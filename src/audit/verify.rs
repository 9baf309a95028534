//! A whole log from its directory: checkpoint, every tile, every entry, older heads.
//!
//! Not for showing it to people (see `cli/`).

use std::num::NonZeroUsize;
use std::path::Path;

use super::files::{CHECKPOINT, Files, damaged};
use super::leftover::{self, Leftover};
use super::{Accepted, Damage, Fault, Older, Quorum, Trust, check_older, edge, sweep};
use crate::units::Hash;

/// How a log is verified.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads that read and hash.
    pub threads: NonZeroUsize,
    /// Heads of this log that were seen before; it must contain each.
    pub older: Vec<Older>,
}

impl Default for Options {
    /// All cores, and no older head.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { threads, older: Vec::new() }
    }
}

/// How far a verification has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Leaves that are verified.
    pub leaves: u64,
    /// Leaves that the checkpoint names.
    pub leaves_total: u64,
}

/// A log that holds, from the checkpoint to every entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Which log.
    pub origin: String,
    /// Leaves.
    pub size: u64,
    /// RFC 6962 root.
    pub root: Hash,
    /// The known witnesses that have cosigned, and when, in seconds since 1970.
    pub witnessed: Vec<(String, u64)>,
    /// How many are known.
    pub witnesses: usize,
    /// Whether they are enough.
    pub quorum: Quorum,
    /// Tiles and bundles of the head.
    pub files: u64,
    /// Older heads that are its beginning.
    pub older_heads: usize,
    /// Partial tiles and bundles of older heads, each the beginning of what it grew into.
    pub older_files: u64,
    /// Tiles and bundles that the checkpoint does not cover yet: not verified.
    pub ahead_files: u64,
    /// Files that are no part of a log: not verified.
    pub foreign_files: u64,
    /// The first of them by name.
    pub foreign_names: Vec<String>,
}

/// Verifies everything in a log's directory: that its head is believed, that every tile and every
/// entry is the one that the head commits to, that what is left of older heads is its beginning.
///
/// # Errors
/// The first thing that is wrong: the checkpoint; then the tiles at the right edge, highest level
/// first; then from the first leaf to the last, tiles before entries; then older heads; then what
/// is left over. It is the same whatever the number of threads.
pub fn verify(
    directory: &Path,
    trust: &Trust,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, Fault> {
    let files = Files::new(directory);
    let note = files.checkpoint()?;
    let accepted = trust.check(&note).map_err(|why| {
        let file = CHECKPOINT.to_owned();
        damaged(Damage::Unaccepted { file, why })
    })?;
    let Accepted { checkpoint, witnessed, witnesses, quorum } = accepted;
    let leaves_total = checkpoint.size();
    let mut leaves = 0;
    progress(Progress { leaves, leaves_total });
    let edges = edge::verified(&files, &checkpoint)?;
    let left = std::thread::scope(|scope| {
        // Beside the sweep; what it finds is believed only after it.
        let left = scope.spawn(|| leftover::look(&files, leaves_total));
        sweep::sweep(&files, edges, options.threads, &mut |more| {
            leaves += more;
            progress(Progress { leaves, leaves_total });
        })?;
        for older in &options.older {
            check_older(&files, &checkpoint, trust, older)?;
        }
        left.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    let Leftover { older, ahead, foreign, foreign_names } = left;
    Ok(Summary {
        origin: checkpoint.origin().to_owned(),
        size: leaves_total,
        root: checkpoint.root(),
        witnessed,
        witnesses,
        quorum,
        files: count(leaves_total),
        older_heads: options.older.len(),
        older_files: older,
        ahead_files: ahead,
        foreign_files: foreign,
        foreign_names,
    })
}

/// Tiles and bundles of a tree of `size` leaves, which are all there.
fn count(size: u64) -> u64 {
    let width = crate::tlog::tile::TILE_WIDTH;
    let levels = (0_u8..).map(|level| edge::nodes_at(level, size)).take_while(|nodes| *nodes > 0);
    levels.map(|nodes| nodes.div_ceil(width)).sum::<u64>() + size.div_ceil(width)
}
