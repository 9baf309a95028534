//! The append-only log: the truth of a relay or a desk.
//!
//! Not for the meaning of a record: bytes in, bytes out. The documentation of [`Journal`] is the
//! contract; `tests/it/journal_battery.rs` runs it against every implementation. The bytes on disk
//! are specified in `format.rs`.

mod check;
mod copy;
pub mod disk;
pub mod file;
mod format;
mod memory;
mod reader;
mod recover;
mod scan;
mod segment;
mod walk;

pub use check::{Progress, Summary, check, check_looking, check_on};
pub use copy::{Judge, Objection, ReadBatch, Survey, Target, claimed_next, copy, survey};
pub use file::{FileJournal, Opened, Options};
pub use memory::MemoryJournal;
pub use walk::Seen;

use std::sync::Arc;

use crate::units::{BatchId, Index, JournalId};

/// One record to append.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The record: kept for ever.
    pub record: Vec<u8>,
    /// The body: erasable. Empty when there is none.
    pub body: Vec<u8>,
}

/// Records that are committed together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Makes appending idempotent.
    pub id: BatchId,
    /// The records, at least one.
    pub entries: Vec<Entry>,
    /// Opaque bytes that close the batch (tree heads).
    pub trailer: Vec<u8>,
}

/// A committed record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its index.
    pub index: Index,
    /// The batch it was committed with.
    pub batch: BatchId,
    /// The record.
    pub record: Vec<u8>,
    /// The body.
    pub body: Body,
}

/// The body of a committed record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// There never was one.
    None,
    /// Here it is; its checksum holds.
    Present(Vec<u8>),
    /// It was erased. Legal only if the journal's user has recorded so.
    Erased,
}

/// Why an append did not happen, or may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Nothing was written: the next index is another one.
    #[error("the journal's next index is {0}, not the one expected")]
    Conflict(Index),
    /// Nothing was committed: the disk is full. The journal stays usable; try again later.
    #[error("the disk is full")]
    Full,
    /// Nothing was committed: the batch is larger than the journal takes.
    #[error("the batch has {bytes} bytes; at most {max} are taken")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// Nobody knows whether it was committed: a write or a sync failed. The journal refuses
    /// everything from now on; stop, start again and look.
    #[error("the journal failed: {0}")]
    Unknown(String),
}

/// Why a journal cannot be opened or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Another process has it.
    #[error("another process uses the journal in {path}")]
    InUse {
        /// Directory.
        path: String,
    },
    /// Bytes are not what was committed.
    #[error("{file} is damaged at byte {offset} (record {index}): {what}")]
    Damaged {
        /// File name within the directory.
        file: String,
        /// Offset in the file of the frame or field that does not hold.
        offset: u64,
        /// The record that cannot be read, or the next one due.
        index: Index,
        /// What does not hold, in words.
        what: String,
    },
    /// The directory holds something else, or another version.
    #[error("{path} is not a journal of this version: {what}")]
    Foreign {
        /// Directory or file.
        path: String,
        /// What was found.
        what: String,
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
}

impl Fault {
    /// In words, with the directory also where the fault itself names only a file in it.
    pub fn within(&self, directory: &std::path::Path) -> String {
        match self {
            Self::Damaged { .. } => format!("{}: {self}", directory.display()),
            Self::InUse { .. } | Self::Foreign { .. } | Self::Io { .. } => self.to_string(),
        }
    }
}

/// A torn tail that was cut off on opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truncation {
    /// File name.
    pub file: String,
    /// Where the cut is.
    pub offset: u64,
    /// Bytes that were cut off (not counting preallocated zeroes).
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: crate::units::Hash,
}

/// An append-only log with one writer.
///
/// # Contract
/// - **Order**: indexes are dense from 0; a batch's records get consecutive ones.
/// - **Atomicity**: after a crash at any moment either all records of a batch are there or none.
/// - **Durability**: when `append` answers `Ok`, the batch survives a power cut.
/// - **Condition**: `append` commits only if `expected` is the next index; otherwise it answers
///   `Conflict` with the next index and changes nothing.
/// - **Idempotence**: a batch whose id is that of the last committed batch, appended again at the
///   same place, is answered `Ok` and not appended a second time.
/// - **Failure**: after `Unknown` every further append answers `Unknown`. After `Full` or
///   `TooLarge` nothing has changed and the next append may succeed.
/// - **Reading** sees exactly the committed records, concurrently with appending, and never
///   returns bytes whose checksum does not hold.
/// - **Erasure** removes a body's bytes in place; record, index and every other byte stay.
/// - **Memory** does not grow with the length of the log by more than a few bytes per segment.
pub trait Journal: Send {
    /// The journal's id, made when it was.
    fn id(&self) -> JournalId;

    /// The index that the next record gets.
    fn next_index(&self) -> Index;

    /// The id and trailer of the last committed batch.
    fn last_batch(&self) -> Option<(BatchId, Vec<u8>)>;

    /// Commits a batch at `expected`.
    ///
    /// # Errors
    /// See [`AppendError`]; each variant says what has and has not happened.
    fn append(&mut self, expected: Index, batch: &Batch) -> Result<(), AppendError>;

    /// Erases the body of a committed record, durably. Erasing twice, or where there is no body,
    /// is `Ok`.
    ///
    /// # Errors
    /// When the record is not there or the disk fails.
    fn erase(&mut self, index: Index) -> Result<(), Fault>;

    /// To be called when the writer has been idle for a moment (at most 1 s): makes the last
    /// batch's commit distinguishable from a torn tail.
    ///
    /// # Errors
    /// As `append`.
    fn idle(&mut self) -> Result<(), AppendError>;

    /// Passes a write-and-sync through the disk without leaving a record.
    ///
    /// # Errors
    /// As `append`.
    fn probe(&mut self) -> Result<(), AppendError>;

    /// A handle for reading, for any thread.
    fn reader(&self) -> Arc<dyn Reader>;
}

/// Reads committed records, from any thread.
pub trait Reader: Send + Sync {
    /// The index that the next record gets.
    fn next_index(&self) -> Index;

    /// Up to `records_max` records from `from`, stopping early once `bytes_max` bytes of records
    /// and bodies have been read (at least one record is returned if there is one). Empty at the
    /// end.
    ///
    /// # Errors
    /// [`Fault::Damaged`] with the place, or [`Fault::Io`].
    fn read(&self, from: Index, records_max: usize, bytes_max: usize)
    -> Result<Vec<Stored>, Fault>;

    /// The trailer of the batch that holds `index`, if it is committed.
    ///
    /// # Errors
    /// As `read`.
    fn trailer(&self, index: Index) -> Result<Option<Vec<u8>>, Fault>;
}
