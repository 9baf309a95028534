//! Everything that can be derived from the journal, kept in sled so that it can be asked.
//!
//! Not the truth: deleting the directory is always safe. Nothing here is consulted by a rule, and
//! nothing that is only here matters.
//!
//! - Rows, cursor, journal id and tree heads move in one sled batch: after a crash at any moment
//!   they fit each other, and the cursor says which records have to be applied again.
//! - Closed in order they are sealed (see `seal.rs`): sled does not notice every change itself.
//! - What is absent, empty, damaged, of another version or from another journal is made anew;
//!   opening says why. It never stops the start.
//! - Calls block. Damage that shows only while the tables are in use is a [`Fault::Broken`], and
//!   the next opening makes them anew.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::codec::{Corrupt, Heads};
use crate::journal;
use crate::units::{Index, JournalId};

mod apply;
mod aside;
mod block;
mod kept;
mod key;
mod meta;
mod nodes;
mod read;
mod rebuild;
mod run;
mod seal;
mod snapshot;
mod store;
mod survey;
mod times;
mod token;

pub use meta::VERSION;
pub use nodes::LogNodes;
pub use read::Page;
pub use rebuild::rebuild;
pub use survey::{Surveyed, survey};
pub use token::PageToken;

use meta::{Leaves, Meta};
use store::{Store, Trouble};

/// How the tables are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The most memory that sled's cache takes, in bytes; at least 1 MiB is used.
    pub cache_bytes: u64,
    /// The journal that the rows come from.
    pub journal: JournalId,
}

/// Why the tables cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Another process has them.
    #[error("another process uses the tables in {path}")]
    InUse {
        /// Directory.
        path: String,
    },
    /// The operating system refused.
    #[error("{doing} {path}: {error}")]
    Io {
        /// What was being done ("open").
        doing: &'static str,
        /// File or directory.
        path: String,
        /// What it said.
        error: String,
    },
    /// They turned out to be damaged; the next opening makes them anew.
    #[error("the tables are damaged: {what}")]
    Broken {
        /// What was found.
        what: String,
    },
    /// The records do not follow those already applied. Nothing was changed.
    #[error("record {found} was to be applied where {expected} is next")]
    Gap {
        /// The next record to apply.
        expected: Index,
        /// The one given.
        found: Index,
    },
    /// A node of a log is not there: its tree has not grown so far here.
    #[error("node {index} at level {level} is not complete in a tree of {size} leaves")]
    NoNode {
        /// Level of the node, 0 for a leaf.
        level: u32,
        /// Its place in the level.
        index: u64,
        /// Leaves whose nodes are there.
        size: u64,
    },
    /// The journal could not be read.
    #[error("reading the journal: {0}")]
    Journal(journal::Fault),
    /// A record of the journal could not be understood.
    #[error("record {index} of the journal is not one of this version: {corrupt}")]
    Record {
        /// The record.
        index: Index,
        /// What is wrong with it.
        corrupt: Corrupt,
    },
}

/// Tables that were opened.
pub struct Opened {
    /// The tables.
    pub tables: Tables,
    /// Why they begin at the first record again, in words; none when they go on where they were,
    /// or the journal is empty as well.
    pub rebuilt_because: Option<String>,
}

/// The open tables. May be shared between threads; records are applied by one at a time.
pub struct Tables {
    store: Store,
    /// What is stored, held while records are applied.
    meta: Mutex<Meta>,
    /// The cursor in it, to be read at any time.
    cursor: AtomicU64,
    /// Leaves of each log whose nodes are there, to be read at any time.
    leaves: Grown,
}

/// Leaves of each log.
struct Grown {
    directory: AtomicU64,
    traffic: AtomicU64,
}

impl Tables {
    /// Opens the tables in `dir`, or makes them. What cannot go on with this journal is moved aside
    /// to `<dir>.damaged-<n>`, of which three are kept.
    ///
    /// # Errors
    /// [`Fault::InUse`]; [`Fault::Io`] when nothing can be made there; [`Fault::Journal`] or
    /// [`Fault::Record`] when the journal does not say where its logs stood. Never because of what
    /// was in `dir`.
    pub fn open(
        dir: &Path,
        options: &Options,
        reader: &dyn journal::Reader,
    ) -> Result<Opened, Fault> {
        let Options { cache_bytes, journal } = *options;
        let fresh = !has_files(dir)?;
        let useless = match Store::open(dir, cache_bytes) {
            Ok(store) => match check(&store, journal, reader)? {
                Found::Sound(meta) => {
                    let behind = meta.cursor == Index(0) && reader.next_index() > Index(0);
                    let rebuilt_because = behind.then(|| "they were empty".to_owned());
                    return Ok(Opened { tables: Self::new(store, meta), rebuilt_because });
                }
                Found::Empty if fresh => {
                    return begin(store, journal, "they were absent".to_owned(), reader);
                }
                // sled gives an empty tree for files that it cannot read, and later it may read
                // them again: they must not stay.
                Found::Empty => "they were empty".to_owned(),
                Found::Useless(why) => why,
            },
            Err(Trouble::Damaged(why)) => format!("they were damaged: {why}"),
            Err(Trouble::Unable(fault)) => return Err(fault),
        };
        aside::move_aside(dir)?;
        match Store::open(dir, cache_bytes) {
            Ok(store) => begin(store, journal, useless, reader),
            Err(Trouble::Damaged(what)) => Err(Fault::Broken { what }),
            Err(Trouble::Unable(fault)) => Err(fault),
        }
    }

    /// The next record to apply: rows show every record before it.
    pub fn cursor(&self) -> Index {
        Index(self.cursor.load(Ordering::Acquire))
    }

    /// The journal that the rows come from.
    pub fn journal(&self) -> JournalId {
        self.meta().journal
    }

    /// Keeps the state before the record `next`, as bytes that only the relay understands. The
    /// newest two are kept.
    ///
    /// # Errors
    /// [`Fault::Io`] or [`Fault::Broken`].
    pub fn put_snapshot(&self, next: Index, bytes: &[u8]) -> Result<(), Fault> {
        snapshot::put(&self.store, self.journal(), next, bytes)
    }

    /// The newest snapshot whose hash holds, and the record that comes after it.
    ///
    /// # Errors
    /// [`Fault::Io`]. Damage is not an error: the snapshot before it is given, or none.
    pub fn newest_snapshot(&self) -> Result<Option<(Index, Vec<u8>)>, Fault> {
        snapshot::newest(&self.store, self.journal())
    }

    /// Writes out what is still in memory: for a clean end. What is not written is applied again
    /// by the next start.
    ///
    /// # Errors
    /// [`Fault::Io`] or [`Fault::Broken`].
    pub fn flush(&self) -> Result<(), Fault> {
        self.store.flush()
    }

    const fn new(store: Store, meta: Meta) -> Self {
        let cursor = AtomicU64::new(meta.cursor.0);
        let leaves = Grown {
            directory: AtomicU64::new(meta.leaves.directory),
            traffic: AtomicU64::new(meta.leaves.traffic),
        };
        Self { store, meta: Mutex::new(meta), cursor, leaves }
    }

    fn meta(&self) -> Meta {
        *self.meta.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").field("cursor", &self.cursor()).finish_non_exhaustive()
    }
}

/// What was found on opening.
enum Found {
    /// Rows of this journal.
    Sound(Meta),
    /// Nothing at all.
    Empty,
    /// Rows that cannot go on, because of this.
    Useless(String),
}

/// True when there is anything in `dir`.
fn has_files(dir: &Path) -> Result<bool, Fault> {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(aside::fault("list", dir, &error)),
    }
}

fn check(store: &Store, journal: JournalId, reader: &dyn journal::Reader) -> Result<Found, Fault> {
    let useless = |why: String| Ok(Found::Useless(why));
    let (first, bytes) = match store.rows(|rows| Ok((rows.first()?, rows.get(key::META)?))) {
        Ok(found) => found,
        Err(Fault::Broken { what }) => return useless(format!("they were damaged: {what}")),
        Err(fault) => return Err(fault),
    };
    let meta = match bytes {
        None if first.is_none() => return Ok(Found::Empty),
        None => return useless("they do not say how far they have got".to_owned()),
        Some(bytes) => match Meta::parse(&bytes) {
            Ok(meta) => meta,
            Err(why) => return useless(why),
        },
    };
    let end = reader.next_index();
    if meta.journal != journal {
        return useless(format!("they are of the journal {}, not {journal}", meta.journal));
    }
    if meta.cursor > end {
        return useless(format!(
            "they have applied {} records, and the journal has {end}",
            meta.cursor
        ));
    }
    if meta.heads != heads_before(reader, meta.cursor)? {
        return useless("the roots of the logs are not those of the journal".to_owned());
    }
    match snapshot::forget_beyond(store, end) {
        Ok(()) => Ok(Found::Sound(meta)),
        Err(Fault::Broken { what }) => useless(format!("they were damaged: {what}")),
        Err(fault) => Err(fault),
    }
}

/// Where the logs stood after the batch that holds the record before `next`.
fn heads_before(reader: &dyn journal::Reader, next: Index) -> Result<Heads, Fault> {
    let Some(last) = next.0.checked_sub(1).map(Index) else { return Ok(Heads::empty()) };
    let trailer = reader.trailer(last).map_err(Fault::Journal)?.unwrap_or_default();
    let (_, heads) = crate::codec::decode_trailer(&trailer)
        .map_err(|corrupt| Fault::Record { index: last, corrupt })?;
    Ok(heads)
}

fn begin(
    store: Store,
    journal: JournalId,
    why: String,
    reader: &dyn journal::Reader,
) -> Result<Opened, Fault> {
    let leaves = Leaves::default();
    let meta = Meta { journal, cursor: Index(0), heads: Heads::empty(), leaves };
    store.rows(|rows| rows.insert(key::META, meta.to_bytes()).map(|_| ()))?;
    store.flush()?;
    let rebuilt_because = (reader.next_index() > Index(0)).then_some(why);
    Ok(Opened { tables: Tables::new(store, meta), rebuilt_because })
}
