//! The journal that forgets: for tests and simulation.
//!
//! Not durable, but for the rest it keeps the contract of [`Journal`].

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::journal::{AppendError, Batch, Body, Fault, Journal, Reader, Stored};
use crate::units::{BatchId, Index, JournalId};

/// A journal in memory.
#[derive(Debug)]
pub struct MemoryJournal {
    id: JournalId,
    log: Arc<Log>,
}

#[derive(Debug, Default)]
struct Log(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    records: Vec<Stored>,
    /// First index, id and trailer of each batch.
    batches: Vec<(Index, BatchId, Vec<u8>)>,
}

impl MemoryJournal {
    /// An empty journal with this id.
    pub fn new(id: JournalId) -> Self {
        Self { id, log: Arc::new(Log::default()) }
    }
}

impl Log {
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn next(&self) -> Index {
        Index(self.records.len() as u64)
    }

    fn from(&self, index: Index) -> &[Stored] {
        usize::try_from(index.0).ok().and_then(|at| self.records.get(at..)).unwrap_or(&[])
    }
}

impl Journal for MemoryJournal {
    fn id(&self) -> JournalId {
        self.id
    }

    fn next_index(&self) -> Index {
        self.log.read().next()
    }

    fn last_batch(&self) -> Option<(BatchId, Vec<u8>)> {
        self.log.read().batches.last().map(|(_, id, trailer)| (*id, trailer.clone()))
    }

    fn append(&mut self, expected: Index, batch: &Batch) -> Result<(), AppendError> {
        assert!(!batch.entries.is_empty(), "a batch has at least one record");
        let mut log = self.log.write();
        if log.batches.last().is_some_and(|(first, id, _)| *id == batch.id && *first == expected) {
            return Ok(());
        }
        let next = log.next();
        if expected != next {
            return Err(AppendError::Conflict(next));
        }
        for (entry, nth) in batch.entries.iter().zip(0..) {
            let body = match entry.body.is_empty() {
                true => Body::None,
                false => Body::Present(entry.body.clone()),
            };
            let record = entry.record.clone();
            log.records.push(Stored { index: next.plus(nth), batch: batch.id, record, body });
        }
        log.batches.push((next, batch.id, batch.trailer.clone()));
        Ok(())
    }

    fn erase(&mut self, index: Index) -> Result<(), Fault> {
        let mut log = self.log.write();
        let stored = usize::try_from(index.0).ok().and_then(|at| log.records.get_mut(at));
        let Some(stored) = stored else {
            return Err(Fault::Io {
                doing: "erase a body in",
                path: "memory".to_owned(),
                error: format!("there is no record {index}"),
            });
        };
        if stored.body != Body::None {
            stored.body = Body::Erased;
        }
        Ok(())
    }

    fn idle(&mut self) -> Result<(), AppendError> {
        Ok(())
    }

    fn probe(&mut self) -> Result<(), AppendError> {
        Ok(())
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::<Log>::clone(&self.log)
    }
}

impl Reader for Log {
    fn next_index(&self) -> Index {
        self.read().next()
    }

    fn read(
        &self,
        from: Index,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Stored>, Fault> {
        let log = self.read();
        let mut bytes = 0;
        let mut out = Vec::new();
        for stored in log.from(from).iter().take(records_max) {
            if !out.is_empty() && bytes >= bytes_max {
                break;
            }
            bytes += stored.record.len()
                + match &stored.body {
                    Body::Present(body) => body.len(),
                    Body::None | Body::Erased => 0,
                };
            out.push(stored.clone());
        }
        Ok(out)
    }

    fn trailer(&self, index: Index) -> Result<Option<Vec<u8>>, Fault> {
        let log = self.read();
        if index >= log.next() {
            return Ok(None);
        }
        let after = log.batches.partition_point(|(first, _, _)| *first <= index);
        Ok(log.batches.get(after.saturating_sub(1)).map(|(_, _, trailer)| trailer.clone()))
    }
}
