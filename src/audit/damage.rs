//! What can be wrong with a log, and where.
//!
//! Not for what to do about it.

use std::io;

use crate::tlog::note::BadNote;
use crate::tlog::policy::Unmet;
use crate::units::Hash;

/// Why a log was not found whole.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It does not hold.
    #[error("{0}")]
    Damaged(Damage),
    /// A file is there and cannot be read: nothing is said about it.
    #[error("{file} cannot be read: {why}")]
    Unable {
        /// Its name under the log's directory.
        file: String,
        /// What the system said.
        why: io::Error,
    },
}

/// The first thing that is wrong. Files are named relative to the log's directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A file that belongs to the tree is not there.
    #[error("{file} is missing")]
    Missing {
        /// Its name.
        file: String,
    },
    /// In a file's place is a directory.
    #[error("{file} is a directory and no file")]
    NoFile {
        /// Its name.
        file: String,
    },
    /// The checkpoint is no checkpoint.
    #[error("{file} is no checkpoint: {why}")]
    Unreadable {
        /// Its name.
        file: String,
        /// Why not.
        why: String,
    },
    /// The checkpoint is not signed, or not witnessed, as it must be.
    #[error("{file} is not accepted: {why}")]
    Unaccepted {
        /// Its name.
        file: String,
        /// What is missing or wrong.
        why: Unmet,
    },
    /// An older checkpoint is not one of this log.
    #[error("{file} is not this log's: {why}")]
    NotOwn {
        /// Its name.
        file: String,
        /// What is missing or wrong.
        why: BadNote,
    },
    /// A tile has not the length that its place asks for.
    #[error("{file} has {found} bytes where {expected} belong")]
    Length {
        /// Its name.
        file: String,
        /// Bytes that belong there.
        expected: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// The tiles lead to another root than the checkpoint names.
    #[error("{file} names {expected} as the root of {size} leaves; the tiles lead to {found}")]
    Root {
        /// The checkpoint.
        file: String,
        /// Its size.
        size: u64,
        /// Its root.
        expected: Hash,
        /// The root of the tiles.
        found: Hash,
    },
    /// The hashes of a tile lead to another hash than the tile above has.
    #[error(
        "{file} leads to {found} where the tile above has {expected}: node {index} of level {level}"
    )]
    Tile {
        /// Its name.
        file: String,
        /// Level of the tile above, in tiles.
        level: u8,
        /// Place of the hash within that level.
        index: u64,
        /// The hash of the level above.
        expected: Hash,
        /// What the tile leads to.
        found: Hash,
    },
    /// One hash of a tile is wrong: everything beside it fits.
    #[error("{file} has {found} where {expected} belongs: node {index} of level {level}")]
    Node {
        /// Its name.
        file: String,
        /// Level of the tile, 0 for leaf hashes.
        level: u8,
        /// Place of the hash within that level; at level 0 the index of the leaf.
        index: u64,
        /// What belongs there.
        expected: Hash,
        /// What is there.
        found: Hash,
    },
    /// An entry is not the one whose hash is in the tree.
    #[error("{file}: entry {index} has the hash {found} where {expected} belongs")]
    Entry {
        /// Its name.
        file: String,
        /// Index of the leaf.
        index: u64,
        /// The hash in the tree.
        expected: Hash,
        /// The hash of what is there.
        found: Hash,
    },
    /// A bundle is too short or too long.
    #[error("{file}: at entry {index} {why}")]
    Bundle {
        /// Its name.
        file: String,
        /// Index of the leaf where this is seen.
        index: u64,
        /// What is seen.
        why: String,
    },
    /// A partial tile or bundle of an older head is not the beginning of what it grew into.
    #[error("{file} differs at byte {byte} from {grown}, which it grew into")]
    Partial {
        /// Its name.
        file: String,
        /// What it grew into.
        grown: String,
        /// The first byte that differs.
        byte: usize,
    },
    /// The log is shorter than it was.
    #[error("{file} has {size} leaves where {older} has {older_size} already")]
    Shrunk {
        /// The checkpoint.
        file: String,
        /// Its size.
        size: u64,
        /// The older checkpoint.
        older: String,
        /// Its size.
        older_size: u64,
    },
    /// The older head is not the beginning of this one: history was rewritten, or forked.
    #[error(
        "the first {size} leaves have the root {found} where {older} has {expected}{}",
        first_leaf(*.leaf)
    )]
    Rewritten {
        /// The checkpoint.
        file: Box<str>,
        /// The older checkpoint.
        older: Box<str>,
        /// Its size.
        size: u64,
        /// Its root.
        expected: Hash,
        /// The root of as many leaves here.
        found: Hash,
        /// The first leaf that differs, where the older tree is there to compare.
        leaf: Option<u64>,
    },
}

fn first_leaf(leaf: Option<u64>) -> String {
    leaf.map_or_else(String::new, |leaf| format!("; they differ from leaf {leaf} on"))
}

impl Damage {
    /// The file that is wrong.
    pub fn file(&self) -> &str {
        match self {
            Self::Missing { file }
            | Self::NoFile { file }
            | Self::Unreadable { file, .. }
            | Self::Unaccepted { file, .. }
            | Self::NotOwn { file, .. }
            | Self::Length { file, .. }
            | Self::Root { file, .. }
            | Self::Tile { file, .. }
            | Self::Node { file, .. }
            | Self::Entry { file, .. }
            | Self::Bundle { file, .. }
            | Self::Partial { file, .. }
            | Self::Shrunk { file, .. } => file,
            Self::Rewritten { file, .. } => file,
        }
    }

    /// Level and place of the node that is wrong, or of the entry (level none), where one is named.
    pub const fn place(&self) -> (Option<u8>, Option<u64>) {
        match self {
            Self::Tile { level, index, .. } | Self::Node { level, index, .. } => {
                (Some(*level), Some(*index))
            }
            Self::Entry { index, .. } | Self::Bundle { index, .. } => (None, Some(*index)),
            Self::Rewritten { leaf, .. } => (None, *leaf),
            Self::Missing { .. }
            | Self::NoFile { .. }
            | Self::Unreadable { .. }
            | Self::Unaccepted { .. }
            | Self::NotOwn { .. }
            | Self::Length { .. }
            | Self::Root { .. }
            | Self::Partial { .. }
            | Self::Shrunk { .. } => (None, None),
        }
    }

    /// What was expected and what was found, where both are hashes.
    pub const fn hashes(&self) -> Option<(Hash, Hash)> {
        match self {
            Self::Root { expected, found, .. }
            | Self::Tile { expected, found, .. }
            | Self::Node { expected, found, .. }
            | Self::Entry { expected, found, .. }
            | Self::Rewritten { expected, found, .. } => Some((*expected, *found)),
            Self::Missing { .. }
            | Self::NoFile { .. }
            | Self::Unreadable { .. }
            | Self::Unaccepted { .. }
            | Self::NotOwn { .. }
            | Self::Length { .. }
            | Self::Bundle { .. }
            | Self::Partial { .. }
            | Self::Shrunk { .. } => None,
        }
    }
}
