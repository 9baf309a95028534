//! What the commit thread, the followers and the edges share.
//!
//! Not a way to write: the published state is replaced by the commit thread alone.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, watch};

use super::clocks::Clocks;
use super::heads::Heads;
use super::recent::Recent;
use super::state::Published;
use crate::codec::Record;
use crate::tlog::Policy;
use crate::units::Index;

/// Notes of offers that wait for the commit thread at most: a quarter of its queue, so that desks
/// that catch up leave room for those who submit.
const NOTES_MAX: usize = 256;
/// Bytes of bodies that wait for the commit thread at most: eight full batches. The queue's count
/// alone would let 1,024 of the largest envelopes wait, 1 GiB.
const QUEUE_BYTES_MAX: usize = 64 << 20;

/// See the file's header.
pub(super) struct Shared {
    published: ArcSwap<Published>,
    /// The newest records.
    pub(super) recent: Recent,
    /// Places for notes of offers in the commit thread's queue.
    pub(super) notes: Arc<Semaphore>,
    /// Room for bodies in that queue, in bytes.
    pub(super) room: Arc<Semaphore>,
    /// The desks' clocks.
    pub(super) clocks: Clocks,
    /// The published heads of the logs.
    pub(super) heads: Heads,
    tables: watch::Sender<Index>,
    tables_thread: OnceLock<Thread>,
    /// The tables' thread sleeps until there is something new.
    tables_asleep: AtomicBool,
    /// Somebody waits for the tables.
    tables_hurry: AtomicBool,
    last_sync_boot_ms: AtomicI64,
    stopped: watch::Sender<bool>,
    why_stopped: Mutex<Option<String>>,
    /// Why the logs are not published now.
    unpublished: Mutex<Option<Arc<str>>>,
}

impl Shared {
    pub(super) fn new(published: Published, tables: Index, policy: Policy) -> Self {
        Self {
            published: ArcSwap::from_pointee(published),
            recent: Recent::default(),
            notes: Arc::new(Semaphore::new(NOTES_MAX)),
            room: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)),
            clocks: Clocks::default(),
            heads: Heads::new(policy),
            tables: watch::Sender::new(tables),
            tables_thread: OnceLock::new(),
            tables_asleep: AtomicBool::new(false),
            tables_hurry: AtomicBool::new(false),
            last_sync_boot_ms: AtomicI64::new(0),
            stopped: watch::Sender::new(false),
            why_stopped: Mutex::new(None),
            unpublished: Mutex::new(None),
        }
    }

    pub(super) fn published(&self) -> Arc<Published> {
        self.published.load_full()
    }

    /// Replaces the published state and lets the streams run. Commit thread only.
    pub(super) fn publish(&self, published: Published, records: Vec<Arc<Record>>) {
        self.published.store(Arc::new(published));
        self.recent.push(records);
    }

    /// The calling thread is woken from `park` when there is something for the tables.
    pub(super) fn keep_tables_here(&self) {
        // Only one thread keeps them, once.
        let _first = self.tables_thread.set(std::thread::current());
    }

    /// Lets the tables take in what was published, before long.
    pub(super) fn wake_tables(&self) {
        if self.tables_asleep.swap(false, Ordering::SeqCst) {
            self.unpark_tables();
        }
    }

    /// Lets the tables take in what was published now.
    pub(super) fn hurry_tables(&self) {
        self.tables_hurry.store(true, Ordering::SeqCst);
        self.unpark_tables();
    }

    fn unpark_tables(&self) {
        if let Some(thread) = self.tables_thread.get() {
            thread.unpark();
        }
    }

    /// The tables' thread, which has taken in everything before `next`, sleeps until there is more
    /// or `tick` is over, and then lets it gather for `gather`, unless somebody waits.
    pub(super) fn rest_tables(&self, next: Index, tick: Duration, gather: Duration) {
        self.tables_asleep.store(true, Ordering::SeqCst);
        // Whoever published before this was stored did not wake us.
        if self.published().next_index() == next && !self.in_a_hurry() {
            std::thread::park_timeout(tick);
        }
        self.tables_asleep.store(false, Ordering::SeqCst);
        let until = Instant::now() + gather;
        while !self.in_a_hurry() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::park_timeout(left);
        }
        self.tables_hurry.store(false, Ordering::SeqCst);
    }

    fn in_a_hurry(&self) -> bool {
        self.tables_hurry.load(Ordering::SeqCst)
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
        self.hurry_tables();
    }

    pub(super) fn stopped(&self) -> watch::Receiver<bool> {
        self.stopped.subscribe()
    }

    /// Why the logs are not published now, if so.
    pub(super) fn unpublished(&self) -> Option<Arc<str>> {
        self.unpublished.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces that, and gives what it was.
    pub(super) fn set_unpublished(&self, why: Option<Arc<str>>) -> Option<Arc<str>> {
        let mut kept = self.unpublished.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut kept, why)
    }

    pub(super) fn why_stopped(&self) -> Option<String> {
        self.why_stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
