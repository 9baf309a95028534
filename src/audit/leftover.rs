//! Files beside those of the newest head: partial tiles of older heads, what is published already
//! and not yet covered by a head, and what is no part of a log.
//!
//! Not for files that the tree needs (see `sweep.rs`).

use std::fs;
use std::io::ErrorKind;

use super::edge::nodes_at;
use super::files::{Files, damaged};
use super::{CHECKPOINT, Damage, Fault};
use crate::tlog::tile::{BUNDLE_BYTES_MAX, Place, Resource, TILE_WIDTH};

/// Names kept of files that are no part of a log.
const FOREIGN_MAX: usize = 20;

/// What lies beside the files of the head.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Leftover {
    /// Partial tiles and bundles of older heads, compared with what they grew into.
    pub(super) older: u64,
    /// Tiles and bundles that no head covers yet: not verified.
    pub(super) ahead: u64,
    /// Files that are no part of a log: not verified.
    pub(super) foreign: u64,
    /// The first of them by name.
    pub(super) foreign_names: Vec<String>,
}

/// Looks at every file of the directory.
pub(super) fn look(files: &Files, size: u64) -> Result<Leftover, Fault> {
    let mut leftover = Leftover::default();
    descend(files, "", size, &mut leftover)?;
    leftover.foreign_names.sort();
    leftover.foreign_names.truncate(FOREIGN_MAX);
    Ok(leftover)
}

fn descend(files: &Files, at: &str, size: u64, leftover: &mut Leftover) -> Result<(), Fault> {
    let unable = |why| Fault::Unable { file: at.to_owned(), why };
    let mut names = Vec::new();
    for entry in fs::read_dir(files.path(at)).map_err(unable)? {
        let entry = entry.map_err(unable)?;
        let kind = match entry.file_type() {
            // A file that a publisher has just given its name.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            other => other.map_err(unable)?,
        };
        names.push((entry.file_name().to_string_lossy().into_owned(), kind.is_dir()));
    }
    names.sort();
    let name = |own: &str| if at.is_empty() { own.to_owned() } else { format!("{at}/{own}") };
    for (own, is_directory) in names {
        let name = name(&own);
        if is_directory {
            descend(files, &name, size, leftover)?;
        } else if name != CHECKPOINT {
            look_at(files, &name, size, leftover)?;
        }
    }
    Ok(())
}

fn look_at(files: &Files, name: &str, size: u64, leftover: &mut Leftover) -> Result<(), Fault> {
    let Ok(resource) = name.parse::<Resource>() else {
        leftover.foreign += 1;
        if leftover.foreign_names.len() < FOREIGN_MAX {
            leftover.foreign_names.push(name.to_owned());
        }
        return Ok(());
    };
    let (place, nodes) = match resource {
        Resource::Tile { level, place } => (place, nodes_at(level, size)),
        Resource::Entries(place) => (place, size),
    };
    let first = place.index().saturating_mul(TILE_WIDTH);
    let covered = nodes.saturating_sub(first).min(TILE_WIDTH);
    let width = u64::from(place.width());
    if width > covered {
        leftover.ahead += 1;
    } else if width < covered {
        let grown = Place::new(place.index(), covered).ok();
        if let Some(grown) = grown {
            compare(files, name, resource, grown)?;
        }
        leftover.older += 1;
    }
    Ok(())
}

/// An older partial tile or bundle is the beginning of what it grew into.
fn compare(files: &Files, name: &str, old: Resource, grown: Place) -> Result<(), Fault> {
    let named = |place| match old {
        Resource::Tile { level, .. } => Resource::Tile { level, place },
        Resource::Entries(_) => Resource::Entries(place),
    };
    let full = Place::new(grown.index(), TILE_WIDTH).unwrap_or(grown);
    let mut there = None;
    for place in [grown, full] {
        let name = named(place).to_string();
        there = files.read(&name, BUNDLE_BYTES_MAX)?.map(|bytes| (name, bytes));
        if there.is_some() {
            break;
        }
    }
    // It was there when the tree was verified, and nothing full is ever removed.
    let missing = || damaged(Damage::Missing { file: named(grown).to_string() });
    let (grown, bytes) = there.ok_or_else(missing)?;
    // A publisher removes a partial tile when it has grown.
    let Some(part) = files.read(name, BUNDLE_BYTES_MAX)? else { return Ok(()) };
    let expected = match old {
        Resource::Tile { place, .. } => usize::from(place.width()) * 32,
        Resource::Entries(place) => entries_len(&bytes, place.width()).unwrap_or(bytes.len()),
    };
    let same = part.iter().zip(&bytes).take_while(|(old, new)| old == new).count();
    if same == part.len() && part.len() == expected {
        return Ok(());
    }
    let byte = same.min(expected);
    Err(damaged(Damage::Partial { file: name.to_owned(), grown, byte }))
}

/// Bytes of the first `count` entries of a bundle.
fn entries_len(bytes: &[u8], count: u16) -> Option<usize> {
    let mut at = 0;
    for _ in 0..count {
        let length = bytes.get(at..)?.first_chunk::<2>()?;
        at += 2 + usize::from(u16::from_be_bytes(*length));
    }
    (at <= bytes.len()).then_some(at)
}
