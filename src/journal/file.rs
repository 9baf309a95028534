//! A place for the journal on disk, so that what stands on it can be compiled.
use std::path::Path;
use std::sync::Arc;

use super::{AppendError, Batch, Fault, Journal, Reader, Truncation};
use crate::units::{BatchId, Index, JournalId};

/// Options.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Size of a segment in bytes.
    pub segment_bytes: u64,
}

/// What opening found.
#[derive(Debug, Clone, Default)]
pub struct Opened {
    /// The cut.
    pub truncation: Option<Truncation>,
}

/// The journal.
pub struct FileJournal;

impl FileJournal {
    /// Opens.
    ///
    /// # Errors
    /// Always.
    pub fn open(dir: &Path, _: Options) -> Result<(Self, Opened), Fault> {
        Err(Fault::Foreign { path: dir.display().to_string(), what: "to come".to_owned() })
    }
}

impl Journal for FileJournal {
    fn id(&self) -> JournalId {
        unreachable!()
    }
    fn next_index(&self) -> Index {
        unreachable!()
    }
    fn last_batch(&self) -> Option<(BatchId, Vec<u8>)> {
        unreachable!()
    }
    fn append(&mut self, _: Index, _: &Batch) -> Result<(), AppendError> {
        unreachable!()
    }
    fn erase(&mut self, _: Index) -> Result<(), Fault> {
        unreachable!()
    }
    fn idle(&mut self) -> Result<(), AppendError> {
        unreachable!()
    }
    fn probe(&mut self) -> Result<(), AppendError> {
        unreachable!()
    }
    fn reader(&self) -> Arc<dyn Reader> {
        unreachable!()
    }
}
