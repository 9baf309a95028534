//! The newest records, in memory, so that a live stream need not read the disk.
//!
//! Not the truth and not complete: what is not here is read from the tables and the journal.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::codec::{Log, Record};
use crate::units::{DeskId, DeskIndex};

/// How many records are kept: at most 4,096 of about 1 KiB (bodies are not here), so 4 MiB.
const RECORDS_MAX: usize = 4_096;

/// The newest records, by each party's own numbering.
#[derive(Default)]
pub(super) struct Recent {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    by_desk: BTreeMap<(DeskId, DeskIndex), Arc<Record>>,
    order: VecDeque<Arc<Record>>,
    news: BTreeMap<DeskId, watch::Sender<DeskIndex>>,
    /// The newest leaf of the directory log, for those who hear of it.
    directory: watch::Sender<u64>,
}

impl Recent {
    /// Takes in committed records, oldest first, and tells the desks concerned.
    pub(super) fn push(&self, records: Vec<Arc<Record>>) {
        let mut inner = self.lock();
        let mut told = BTreeMap::new();
        for record in records {
            if record.leaf.log == Log::Directory {
                inner.directory.send_replace(record.leaf.index);
            }
            for (desk, number) in &record.numbering.desk_indexes {
                inner.by_desk.insert((desk.clone(), *number), Arc::clone(&record));
                told.insert(desk.clone(), number.next());
            }
            inner.order.push_back(record);
        }
        while inner.order.len() > RECORDS_MAX {
            if let Some(oldest) = inner.order.pop_front() {
                for key in &oldest.numbering.desk_indexes {
                    inner.by_desk.remove(key);
                }
            }
        }
        for (desk, next) in told {
            if let Some(news) = inner.news.get(&desk) {
                news.send_replace(next);
            }
        }
    }

    /// Up to `max` records of `desk` from `from` without a gap; empty when `from` is not here.
    pub(super) fn slice(&self, desk: &DeskId, from: DeskIndex, max: usize) -> Vec<Arc<Record>> {
        let inner = self.lock();
        let mut found = Vec::new();
        let mut next = from;
        while found.len() < max {
            let Some(record) = inner.by_desk.get(&(desk.clone(), next)) else { break };
            found.push(Arc::clone(record));
            next = next.next();
        }
        found
    }

    /// Hears when `desk` has new records.
    pub(super) fn subscribe(&self, desk: &DeskId) -> watch::Receiver<DeskIndex> {
        let mut inner = self.lock();
        inner
            .news
            .entry(desk.clone())
            .or_insert_with(|| watch::Sender::new(DeskIndex(0)))
            .subscribe()
    }

    /// Hears when the directory log has new records.
    pub(super) fn subscribe_directory(&self) -> watch::Receiver<u64> {
        self.lock().directory.subscribe()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // A panic while this lock is held leaves at worst a stale cache behind.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
