//! Checkpoints of C2SP tlog-checkpoint 1.0.0: what a log says its tree is, as the text of a note.
//!
//! Not for who signed it (see `note.rs`). Extension lines are read, because they are signed by an
//! Ed25519 log, and never written: the specification does not recommend them.
//!
//! No input makes this panic.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;

use super::note::NAME_BYTES_MAX;
use crate::units::{Hash, Unreadable};

/// The largest tree: sizes are kept below 2^63 by witnesses (C2SP tlog-witness).
pub const SIZE_MAX: u64 = (1 << 63) - 1;

/// A tree head as a log names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: not empty, one line, at most 255 bytes.
    origin: String,
    /// Number of leaves, at most [`SIZE_MAX`].
    size: u64,
    /// RFC 6962 root.
    root: Hash,
    /// Further lines, opaque.
    extensions: Vec<String>,
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    ///
    /// # Errors
    /// When the origin is not one line of 1 to 255 bytes, or the size is too large.
    pub fn new(origin: &str, size: u64, root: Hash) -> Result<Self, Unreadable> {
        check_origin(origin)?;
        if size > SIZE_MAX {
            return Err(Unreadable::new("checkpoint", format!("{size} is more than {SIZE_MAX}")));
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions: Vec::new() })
    }

    /// Which log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// RFC 6962 root.
    pub const fn root(&self) -> Hash {
        self.root
    }

    /// Further lines, opaque.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }
}

fn check_origin(origin: &str) -> Result<(), Unreadable> {
    let fits = (1..=NAME_BYTES_MAX).contains(&origin.len());
    if fits && !origin.bytes().any(|byte| byte < 0x20) {
        Ok(())
    } else {
        let why = format!("its origin is not one line of 1 to {NAME_BYTES_MAX} bytes");
        Err(Unreadable::new("checkpoint", why))
    }
}

impl fmt::Display for Checkpoint {
    /// The text of the note, with its last newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, BASE64.encode(&self.root.0))?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for Checkpoint {
    type Err = Unreadable;

    /// Reads the text of a note.
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let wrong = |why: &str| Unreadable::new("checkpoint", why);
        let body = text.strip_suffix('\n').ok_or_else(|| wrong("no newline at its end"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(wrong("fewer than three lines"));
        };
        let size = parse_size(size).ok_or_else(|| wrong("its size is no decimal number"))?;
        let root = parse_hash(root).ok_or_else(|| wrong("its root is no base64 of 32 bytes"))?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(wrong("an empty extension line"));
        }
        Ok(Self { extensions, ..Self::new(origin, size, root)? })
    }
}

/// A decimal number without leading zeros, at most [`SIZE_MAX`].
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let size = if canonical && digits { text.parse().ok()? } else { return None };
    (size <= SIZE_MAX).then_some(size)
}

/// The base64 of a SHA-256 hash.
pub(super) fn parse_hash(text: &str) -> Option<Hash> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    Hash::from_slice(&bytes).ok()
}
