//! The compare-and-swap: which heads are published is on disk before anybody can see them.
//!
//! Not for whether a head may follow another (see `mod.rs`). One small file beside the journal, so
//! that it goes with the store and not with the published files. It is no secret.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::audit::Files;
use crate::codec::{Head, Heads};
use crate::units::{Hash, Index};

/// Name of the file.
const NAME: &str = "published.json";

/// Where the logs stood when they were published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The record after the last one that the heads cover.
    pub next: Index,
    /// The heads.
    pub heads: Heads,
}

/// Why the newest published heads are not known, or cannot be replaced.
#[derive(Debug, thiserror::Error)]
pub enum MarkFault {
    /// The disk refuses.
    #[error("{file}: {why}")]
    Disk {
        /// The file.
        file: String,
        /// What the system said.
        why: io::Error,
    },
    /// The file does not say what was published.
    #[error("{file} does not say which heads were published: {why}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why not.
        why: String,
    },
    /// Somebody else has replaced it.
    #[error("{file} is not as this relay has written it: another relay publishes from this store")]
    Changed {
        /// The file.
        file: String,
    },
}

/// The newest marks of a store.
pub(super) struct Committed {
    files: Files,
    /// The newest: every head that was ever published is the beginning of one of these.
    newest: Option<Mark>,
    /// The one up to which all files are known to have been written.
    before: Option<Mark>,
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    newest: StoredMark,
    before: Option<StoredMark>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredMark {
    next_record: u64,
    directory: StoredHead,
    traffic: StoredHead,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredHead {
    size: u64,
    root: String,
}

/// The heads that were last published from a store, whose private directory for the logs this is;
/// none where nothing was.
///
/// # Errors
/// [`MarkFault::Disk`] or [`MarkFault::Unreadable`].
pub fn last_published(directory: &Path) -> Result<Option<Mark>, MarkFault> {
    Ok(Committed::read(directory)?.newest)
}

impl Committed {
    /// What was published so far.
    pub(super) fn read(directory: &Path) -> Result<Self, MarkFault> {
        let files = Files::new(directory);
        let (newest, before) = read(&files)?.unzip();
        Ok(Self { files, newest, before: before.flatten() })
    }

    pub(super) const fn newest(&self) -> Option<&Mark> {
        self.newest.as_ref()
    }

    /// The newest mark first.
    pub(super) fn marks(&self) -> impl Iterator<Item = &Mark> {
        self.newest.iter().chain(&self.before)
    }

    /// Puts `next` in the place of the newest, if that is still what is there; `written` says that
    /// the files of the newest were all written. Durable when this answers.
    pub(super) fn swap(&mut self, next: Mark, written: bool) -> Result<(), MarkFault> {
        let there = read(&self.files)?;
        if there != self.newest.map(|newest| (newest, self.before)) {
            return Err(MarkFault::Changed { file: name(&self.files) });
        }
        let before = if written { self.newest } else { self.before };
        let stored = Stored { newest: store(&next), before: before.as_ref().map(store) };
        let text = serde_json::to_string_pretty(&stored).unwrap_or_default() + "\n";
        self.files
            .write_durably(NAME, text.as_bytes())
            .map_err(|why| MarkFault::Disk { file: name(&self.files), why })?;
        (self.newest, self.before) = (Some(next), before);
        Ok(())
    }
}

fn name(files: &Files) -> String {
    files.path(NAME).display().to_string()
}

fn read(files: &Files) -> Result<Option<(Mark, Option<Mark>)>, MarkFault> {
    let file = || name(files);
    let text = match fs::read_to_string(files.path(NAME)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(why) if why.kind() == ErrorKind::InvalidData => {
            return Err(MarkFault::Unreadable { file: file(), why: "it is not text".to_owned() });
        }
        Err(why) => return Err(MarkFault::Disk { file: file(), why }),
    };
    let unreadable = |why: String| MarkFault::Unreadable { file: file(), why };
    let stored: Stored =
        serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    let newest = parse(&stored.newest).map_err(unreadable)?;
    let before = stored.before.as_ref().map(parse).transpose().map_err(unreadable)?;
    Ok(Some((newest, before)))
}

fn store(mark: &Mark) -> StoredMark {
    let head = |Head { size, root }: &Head| StoredHead { size: *size, root: root.to_string() };
    let Heads { directory, traffic } = &mark.heads;
    StoredMark { next_record: mark.next.0, directory: head(directory), traffic: head(traffic) }
}

fn parse(stored: &StoredMark) -> Result<Mark, String> {
    let head = |StoredHead { size, root }: &StoredHead| {
        let root: Hash = root.parse().map_err(|bad: crate::units::Unreadable| bad.to_string())?;
        Ok::<_, String>(Head { size: *size, root })
    };
    let (directory, traffic) = (head(&stored.directory)?, head(&stored.traffic)?);
    Ok(Mark { next: Index(stored.next_record), heads: Heads { directory, traffic } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(next: u64) -> Mark {
        let head = |tag: u8| Head { size: next, root: Hash([tag; 32]) };
        Mark { next: Index(next), heads: Heads { directory: head(1), traffic: head(2) } }
    }

    #[test]
    fn the_newest_is_replaced_only_by_who_has_written_it() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().join("log");
        assert_eq!(last_published(&at).unwrap(), None);
        let mut own = Committed::read(&at).unwrap();
        own.swap(mark(1), false).unwrap();
        let mut other = Committed::read(&at).unwrap();
        assert_eq!(other.newest(), Some(&mark(1)));
        other.swap(mark(2), true).unwrap();
        assert_eq!(other.marks().collect::<Vec<_>>(), [&mark(2), &mark(1)]);
        assert!(matches!(own.swap(mark(3), true), Err(MarkFault::Changed { .. })));
        assert_eq!(last_published(&at).unwrap(), Some(mark(2)));

        // Files of the newest were not all written: where to go on from stays.
        other.swap(mark(4), false).unwrap();
        let found = Committed::read(&at).unwrap();
        assert_eq!(found.marks().collect::<Vec<_>>(), [&mark(4), &mark(1)]);
    }

    #[test]
    fn a_file_that_says_something_else_is_no_answer() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(NAME);
        let mut own = Committed::read(directory.path()).unwrap();
        own.swap(mark(1), true).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        for bad in [String::new(), text.replace("01", "0"), text.replace("newest", "oldest")] {
            fs::write(&file, bad).unwrap();
            let found = last_published(directory.path());
            assert!(matches!(found, Err(MarkFault::Unreadable { .. })), "{found:?}");
        }
    }
}
