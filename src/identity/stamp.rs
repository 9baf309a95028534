//! Whether a file has changed, without reading it.
//!
//! Not for what changed. Inode and change time are part of it, so that neither a file of the same
//! length renamed into place nor a restored modification time goes unseen.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Enough of a file's metadata to see that it was replaced or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of a file; `None` when it is not there.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}
