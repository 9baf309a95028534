//! Older heads: a log's newest head must have grown out of every one that was ever seen.
//!
//! Not for the files of the newest head, which are verified before (see `sweep.rs`).

use std::path::Path;

use super::files::{CHECKPOINT, Files, damaged, read_note};
use super::{Damage, Fault, Trust};
use crate::tlog::proof::{self, Nodes};
use crate::tlog::tile::{self, Place, TILE_WIDTH};
use crate::tlog::{Checkpoint, Note};
use crate::units::Hash;

/// A head that was seen before.
#[derive(Debug, Clone)]
pub struct Older {
    /// What messages call it.
    name: String,
    note: Note,
    /// The log as it was then, where it was kept.
    files: Option<Files>,
}

impl Older {
    /// A head in a file, or a log's directory as it was kept.
    ///
    /// # Errors
    /// When there is none, or it is no note.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let (file, files) = if path.is_dir() {
            (path.join(CHECKPOINT), Some(Files::new(path)))
        } else {
            (path.to_owned(), None)
        };
        let name = file.display().to_string();
        let note = read_note(&file, &name)?;
        Ok(Self { name, note, files })
    }

    /// The head.
    pub const fn note(&self) -> &Note {
        &self.note
    }
}

/// Proves that an older head, signed by this log, is the beginning of the verified log in `files`.
/// No witness need have cosigned it: a head that its log has signed binds that log.
///
/// # Errors
/// [`Damage::Unreadable`], [`Damage::NotOwn`], [`Damage::Shrunk`] or [`Damage::Rewritten`], or that
/// a file cannot be read.
pub fn check_older(
    files: &Files,
    checkpoint: &Checkpoint,
    trust: &Trust,
    older: &Older,
) -> Result<(), Fault> {
    let old = check_heads((CHECKPOINT, checkpoint), trust, older)?;
    let size = old.size();
    let tiles = Tiles { files, size: checkpoint.size() };
    let found = proof::root(&tiles, size)?;
    if found == old.root() {
        return Ok(());
    }
    let kept = older.files.as_ref().map(|files| Tiles { files, size });
    let leaf = kept.and_then(|kept| first_difference(&tiles, &kept, size).ok().flatten());
    let (file, older, expected) = (CHECKPOINT.into(), older.name.as_str().into(), old.root());
    Err(damaged(Damage::Rewritten { file, older, size, expected, found, leaf }))
}

/// What two heads alone can show: both signed by the log, the older no larger, and of the same root
/// when they are of one size. `name` is what messages call the newer one.
///
/// # Errors
/// As [`check_older`].
pub fn check_heads(
    (name, checkpoint): (&str, &Checkpoint),
    trust: &Trust,
    older: &Older,
) -> Result<Checkpoint, Fault> {
    let file = || older.name.clone();
    let unreadable =
        |bad: crate::units::Unreadable| Damage::Unreadable { file: file(), why: bad.to_string() };
    let old: Checkpoint = older.note.text().parse().map_err(|bad| damaged(unreadable(bad)))?;
    let signed = trust.check_signed(&older.note, checkpoint.origin());
    signed.map_err(|why| damaged(Damage::NotOwn { file: file(), why }))?;
    let (size, older_size) = (checkpoint.size(), old.size());
    if older_size > size {
        let (file, older) = (name.to_owned(), file());
        return Err(damaged(Damage::Shrunk { file, size, older, older_size }));
    }
    let (expected, found) = (old.root(), checkpoint.root());
    if older_size == size && expected != found && older.files.is_none() {
        let (file, older, leaf) = (name.into(), file().into(), None);
        return Err(damaged(Damage::Rewritten { file, older, size, expected, found, leaf }));
    }
    Ok(old)
}

/// The nodes of a log, from its tiles.
struct Tiles<'f> {
    files: &'f Files,
    size: u64,
}

impl Nodes for Tiles<'_> {
    type Error = Fault;

    fn node(&self, level: u32, index: u64) -> Result<Hash, Fault> {
        let at = tile::locate(level, index);
        let there = super::edge::nodes_at(at.level, self.size);
        let width = there.saturating_sub(at.index.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH);
        let missing = || {
            let file = format!("the tile of node {index} of level {level}");
            damaged(Damage::Missing { file })
        };
        let place = Place::new(at.index, width).map_err(|_| missing())?;
        let (_, hashes) = self.files.tile(at.level, place)?;
        let part = hashes.get(at.first..at.first + at.count);
        part.and_then(tile::fold).ok_or_else(missing)
    }
}

/// The first of `size` leaves in which two logs differ.
fn first_difference(a: &Tiles<'_>, b: &Tiles<'_>, size: u64) -> Result<Option<u64>, Fault> {
    let mut start = 0;
    while start < size {
        let mut level = (size - start).ilog2();
        if a.node(level, start >> level)? == b.node(level, start >> level)? {
            start += 1 << level;
            continue;
        }
        while level > 0 {
            level -= 1;
            if a.node(level, start >> level)? == b.node(level, start >> level)? {
                start += 1 << level;
            }
        }
        return Ok(Some(start));
    }
    Ok(None)
}
