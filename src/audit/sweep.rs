//! Every full tile and every entry below a verified right edge, on all cores.
//!
//! Not for the edge itself, and not for files outside the tree. The work is handed out from left
//! to right, a tile of leaf hashes and its bundle at a time; tiles of higher levels are verified by
//! whoever takes the next piece. What is held in memory is a path from the top to a leaf, and one
//! tile and bundle per thread. Full tiles of leaf hashes get a quick look first; only one that does
//! not pass is looked at here, for what is wrong with it.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::edge::{Edge, first_difference, from_below};
use super::files::{Files, damaged, fold};
use super::quick::Quick;
use super::{Damage, Fault};
use crate::tlog::tile::{Place, TILE_WIDTH};
use crate::units::Hash;

/// Pieces that a thread takes at a time: 4,096 leaves.
const PIECES_AT_ONCE: usize = 16;
/// How often the caller is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(50);

/// A bundle, and what its leaves must be.
enum Piece {
    /// A full tile of leaf hashes with this index must lead to this hash.
    Full(u64, Hash),
    /// The tile at the right edge, which is verified already.
    Edge(Place, Vec<Hash>),
}

/// Hashes of one level whose tiles are still to be looked at.
struct Frame {
    level: u8,
    next: u64,
    hashes: std::vec::IntoIter<Hash>,
}

/// What is still to be handed out, in order.
struct Feeder<'f> {
    files: &'f Files,
    /// The edge's tiles, the lowest level first: they are taken from the end.
    edges: Vec<Edge>,
    stack: Vec<Frame>,
    /// Number of the next piece.
    number: u64,
    /// The fault with the lowest number so far. Nothing is handed out after it.
    fault: Option<(u64, Fault)>,
}

/// How far the threads are.
struct Reached {
    leaves: AtomicU64,
    working: AtomicUsize,
}

/// Verifies everything below the edge, and says now and then how many more leaves it has verified.
pub(super) fn sweep(
    files: &Files,
    mut edges: Vec<Edge>,
    threads: NonZeroUsize,
    done: &mut dyn FnMut(u64),
) -> Result<(), Fault> {
    edges.reverse();
    let feeder = Feeder { files, edges, stack: Vec::new(), number: 0, fault: None };
    let feeder = Mutex::new(feeder);
    let reached = Reached { leaves: AtomicU64::new(0), working: AtomicUsize::new(threads.get()) };
    let caller = std::thread::current();
    std::thread::scope(|scope| {
        for _ in 0..threads.get() {
            scope.spawn(|| {
                let _leaving = Leaving { reached: &reached, caller: &caller };
                work(files, &feeder, &reached.leaves);
            });
        }
        let mut told = 0;
        let mut is_working = true;
        while is_working {
            std::thread::park_timeout(TELL_EVERY);
            is_working = reached.working.load(Ordering::Acquire) > 0;
            let leaves = reached.leaves.load(Ordering::Relaxed);
            done(leaves - told);
            told = leaves;
        }
    });
    let feeder = feeder.into_inner().unwrap_or_else(PoisonError::into_inner);
    feeder.fault.map_or(Ok(()), |(_, fault)| Err(fault))
}

/// A thread that works; a panic ends it as well.
struct Leaving<'r> {
    reached: &'r Reached,
    caller: &'r std::thread::Thread,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.reached.working.fetch_sub(1, Ordering::Release);
        self.caller.unpark();
    }
}

fn work(files: &Files, feeder: &Mutex<Feeder<'_>>, reached: &AtomicU64) {
    let mut quick = Quick::new(files);
    let locked = || feeder.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let pieces = locked().take();
        if pieces.is_empty() {
            return;
        }
        let mut leaves = 0;
        for (number, piece) in pieces {
            match check(files, &mut quick, piece) {
                Ok(more) => leaves += more,
                Err(fault) => {
                    locked().stop(number, fault);
                    return;
                }
            }
        }
        reached.fetch_add(leaves, Ordering::Relaxed);
    }
}

/// Verifies a tile of leaf hashes and its bundle; answers with the number of leaves.
fn check(files: &Files, quick: &mut Quick<'_>, piece: Piece) -> Result<u64, Fault> {
    let (place, hashes) = match piece {
        Piece::Edge(place, hashes) => (place, hashes),
        Piece::Full(index, expected) if quick.holds(index, &expected) => return Ok(TILE_WIDTH),
        Piece::Full(index, expected) => full(files, 0, index, expected)?,
    };
    files.bundle(place)?.check(&hashes)?;
    Ok(u64::from(place.width()))
}

/// The hashes of a full tile, which must lead to `expected`.
fn full(files: &Files, level: u8, index: u64, expected: Hash) -> Result<(Place, Vec<Hash>), Fault> {
    // An index that no tile has cannot come from a tree of less than 2^63 leaves.
    let wrong = |_| damaged(Damage::Missing { file: format!("tile/{level}/{index}") });
    let place = Place::new(index, TILE_WIDTH).map_err(wrong)?;
    let (file, hashes) = files.tile(level, place)?;
    let found = fold(&hashes);
    if found == expected {
        return Ok((place, hashes));
    }
    let below = from_below(files, level, place).filter(|below| fold(below) == expected);
    let pinned = below.and_then(|below| first_difference(&file, level, place, &below, &hashes));
    let level = level.saturating_add(1);
    Err(damaged(pinned.unwrap_or(Damage::Tile { file, level, index, expected, found })))
}

impl Feeder<'_> {
    /// The next pieces with their numbers; nothing at the end, or after a fault.
    fn take(&mut self) -> Vec<(u64, Piece)> {
        let mut taken = Vec::new();
        while taken.len() < PIECES_AT_ONCE && self.fault.is_none() {
            let number = self.number;
            match self.next() {
                Ok(Some(piece)) => taken.push((number, piece)),
                Ok(None) => break,
                Err(fault) => self.stop(number, fault),
            }
            self.number += 1;
        }
        taken
    }

    /// Keeps the fault that comes first. Whatever comes before it has been handed out already.
    fn stop(&mut self, number: u64, fault: Fault) {
        if self.fault.as_ref().is_none_or(|(first, _)| number < *first) {
            self.fault = Some((number, fault));
        }
    }

    fn next(&mut self) -> Result<Option<Piece>, Fault> {
        loop {
            let Some(frame) = self.stack.last_mut() else {
                let Some(Edge { level, place, hashes, .. }) = self.edges.pop() else {
                    return Ok(None);
                };
                if level == 0 {
                    return Ok(Some(Piece::Edge(place, hashes)));
                }
                let next = place.index() * TILE_WIDTH;
                self.stack.push(Frame { level, next, hashes: hashes.into_iter() });
                continue;
            };
            let Some(hash) = frame.hashes.next() else {
                self.stack.pop();
                continue;
            };
            let (level, index) = (frame.level - 1, frame.next);
            frame.next += 1;
            if level == 0 {
                return Ok(Some(Piece::Full(index, hash)));
            }
            let (place, hashes) = full(self.files, level, index, hash)?;
            let next = place.index() * TILE_WIDTH;
            self.stack.push(Frame { level, next, hashes: hashes.into_iter() });
        }
    }
}
