//! Copies of a journal for the day on which the disk is gone: made while its program runs, and
//! brought back.
//!
//! Not for keys, certificates and configurations, which are copied once and kept elsewhere, nor for
//! the tables, which are made anew.
//!
//! A backup is made by **reading the files** of the journal, by a process of its own, up to the
//! last whole batch (see `journal/copy.rs`), and not over a listener of the relay. So it works as
//! well when the program is down or its disk refuses writes, for a desk as for a relay; it takes
//! nothing from the commit thread, and needs no right but to read the store. Reading checks every
//! checksum and the chain of batches; a relay's tree heads are computed anew and compared with
//! those that close each batch. The copy is read once more, whole, before it gets its name.
//!
//! ```text
//! NAME/manifest.json          whose it is, where it ends, what every file must hash to
//! NAME/journal/NNNNNNNNNN.seg a journal like any other: `detente verify --journal` reads it
//! ```
//! What was acknowledged before the backup began is in it. A body whose erasure is on record in it
//! is erased in it. A desk's backup is encrypted as its store is.

mod aside;
mod follow;
mod make;
mod manifest;
mod restore;

use std::path::{Path, PathBuf};

pub use follow::KnownHead;
pub use make::make;
pub use manifest::{File, Heads, Manifest};
pub use restore::{Order, Restored, restore};

use crate::journal;
use crate::units::{DeskId, Hash, Index};

/// The file in a relay's store that tells a plain restart from a copy (see `relay/incarnation.rs`).
/// It is in no backup, and a restore takes it away.
pub const INCARNATION_FILE: &str = "incarnation";
/// The file beside it in which a loss is accepted.
pub const ACCEPTANCE_FILE: &str = "loss-accepted";

/// Whose journal it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The desk; none for a relay.
    pub desk: Option<DeskId>,
    /// Name of the network.
    pub network: String,
    /// Hash of its genesis.
    pub genesis: Hash,
}

impl Owner {
    fn kind(&self) -> &'static str {
        if self.desk.is_some() { "desk" } else { "relay" }
    }

    /// Where the journal lies in a store: a relay's has its tables beside it.
    pub fn journal_of(&self, store: &Path) -> PathBuf {
        if self.desk.is_some() { store.to_owned() } else { store.join("journal") }
    }
}

/// Reads the whole journal of a store, which may be in use, as a backup does: every checksum, the
/// chain, and a relay's tree heads.
///
/// # Errors
/// [`Fault::Journal`] with the place.
pub fn read_through(
    store: &Path,
    owner: &Owner,
    progress: &mut dyn FnMut(journal::Progress),
) -> Result<journal::Summary, Fault> {
    let directory = owner.journal_of(store);
    let disk = journal::disk::RealDisk::existing(&directory);
    let mut follow = follow::Follow::new(owner, &[]);
    journal::copy(&disk, None, false, &mut |batch| follow.take(batch), progress)
        .map_err(Fault::journal(&directory))
}

/// Records that would be gone for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// The first of them.
    pub first: Index,
    /// The last of them, as far as is known.
    pub last: Index,
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}..{}", self.first, self.last)
    }
}

/// Why a backup cannot be made or restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The journal, or its copy, does not hold or cannot be read.
    #[error("{}: {fault}", path.display())]
    Journal {
        /// Its directory.
        path: PathBuf,
        /// What is wrong.
        fault: journal::Fault,
    },
    /// There is no journal to copy.
    #[error("{}: there is no journal", .0.display())]
    Nothing(PathBuf),
    /// What was given as a backup is none.
    #[error("{} is no backup: there is no manifest.json in it", .0.display())]
    NoBackup(PathBuf),
    /// Something is there already.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// Another process is at work there.
    #[error("{} is in use by another process", .0.display())]
    Busy(PathBuf),
    /// The manifest cannot be read, or does not describe what is there.
    #[error("{}: {why}", path.display())]
    Manifest {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file is not the one that was backed up.
    #[error("{}: {why}", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It is another one's.
    #[error("it is the backup of {found}, not of {expected}")]
    Foreign {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// The journal that is there is another one.
    #[error("{} holds the journal {found}; the backup is one of {backup}", path.display())]
    OtherJournal {
        /// The journal's directory.
        path: PathBuf,
        /// The id of what is there.
        found: String,
        /// The id of what was backed up.
        backup: String,
    },
    /// The log in the backup is not the one that a known head belongs to.
    #[error("{0}")]
    OtherLog(String),
    /// Records that are known to exist are not in the backup.
    #[error("records {loss} are not in the backup: {why}")]
    WouldLose {
        /// Which.
        loss: Loss,
        /// How they are known.
        why: String,
    },
    /// More or fewer records were given up than would be lost.
    #[error("records {given} were given up, but {}", lost(*loss))]
    OtherLoss {
        /// What was given up.
        given: Loss,
        /// What would be lost.
        loss: Option<Loss>,
    },
    /// The operating system refused.
    #[error("{doing} {}: {error}", path.display())]
    Io {
        /// What was being done ("write").
        doing: &'static str,
        /// File or directory.
        path: PathBuf,
        /// What it said.
        error: String,
    },
    /// A restore has begun to change the store, and could not go on.
    #[error("{0}")]
    Unfinished(Box<Self>),
}

impl Fault {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { doing, path, error: error.to_string() }
    }

    fn unfinished(self) -> Self {
        Self::Unfinished(Box::new(self))
    }

    fn journal(path: &Path) -> impl Fn(journal::Fault) -> Self {
        let path = path.to_owned();
        move |fault| Self::Journal { path: path.clone(), fault }
    }
}

fn lost(loss: Option<Loss>) -> String {
    match loss {
        Some(loss) => format!("what would be lost is {loss}"),
        None => "nothing would be lost".to_owned(),
    }
}

/// Where the journal lies in a backup.
fn journal_in(backup: &Path) -> PathBuf {
    backup.join("journal")
}
