//! What the commit thread, the followers and the edges share.
//!
//! Not a way to write: the published state is replaced by the commit thread alone.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Thread;

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, watch};

use super::recent::Recent;
use super::state::Published;
use crate::codec::Record;
use crate::units::Index;

/// Notes of offers that wait for the commit thread at most: a quarter of its queue, so that desks
/// that catch up leave room for those who submit.
const NOTES_MAX: usize = 256;

/// See the file's header.
pub(super) struct Shared {
    published: ArcSwap<Published>,
    /// The newest records.
    pub(super) recent: Recent,
    /// Places for notes of offers in the commit thread's queue.
    pub(super) notes: Arc<Semaphore>,
    tables: watch::Sender<Index>,
    tables_thread: OnceLock<Thread>,
    last_sync_boot_ms: AtomicI64,
    stopped: watch::Sender<bool>,
    why_stopped: Mutex<Option<String>>,
}

impl Shared {
    pub(super) fn new(published: Published, tables: Index) -> Self {
        Self {
            published: ArcSwap::from_pointee(published),
            recent: Recent::default(),
            notes: Arc::new(Semaphore::new(NOTES_MAX)),
            tables: watch::Sender::new(tables),
            tables_thread: OnceLock::new(),
            last_sync_boot_ms: AtomicI64::new(0),
            stopped: watch::Sender::new(false),
            why_stopped: Mutex::new(None),
        }
    }

    pub(super) fn published(&self) -> Arc<Published> {
        self.published.load_full()
    }

    /// Replaces the published state and lets the followers run. Commit thread only.
    pub(super) fn publish(&self, published: Published, records: Vec<Arc<Record>>) {
        self.published.store(Arc::new(published));
        self.recent.push(records);
        self.wake_tables();
    }

    /// The calling thread is woken from `park` when there is something for the tables.
    pub(super) fn keep_tables_here(&self) {
        // Only one thread keeps them, once.
        let _first = self.tables_thread.set(std::thread::current());
    }

    fn wake_tables(&self) {
        if let Some(thread) = self.tables_thread.get() {
            thread.unpark();
        }
    }

    pub(super) fn note_tables(&self, next: Index) {
        self.tables.send_replace(next);
    }

    /// Hears the index that the tables want next.
    pub(super) fn tables(&self) -> watch::Receiver<Index> {
        self.tables.subscribe()
    }

    pub(super) fn note_sync(&self, boot_ms: i64) {
        self.last_sync_boot_ms.store(boot_ms, Ordering::Release);
    }

    pub(super) fn last_sync_boot_ms(&self) -> i64 {
        self.last_sync_boot_ms.load(Ordering::Acquire)
    }

    /// The first reason stands.
    pub(super) fn stop(&self, why: &str) {
        let mut reason = self.why_stopped.lock().unwrap_or_else(PoisonError::into_inner);
        if reason.is_none() {
            *reason = Some(why.to_owned());
        }
        drop(reason);
        self.stopped.send_replace(true);
        self.wake_tables();
    }

    pub(super) fn stopped(&self) -> watch::Receiver<bool> {
        self.stopped.subscribe()
    }

    pub(super) fn why_stopped(&self) -> Option<String> {
        self.why_stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
