//! The follower that keeps the tables: records in, rows out, and now and then a snapshot.
//!
//! It is an OS thread because sled blocks. Not the truth: whatever it keeps can be rebuilt.

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, warn};

use super::shared::Shared;
use super::state::Snapshot;
use crate::journal::Reader;
use crate::tables::Tables;
use crate::units::Index;

/// A snapshot is taken after so many records: at 50,000 records/s of replay, start-up never
/// replays for more than half a second.
const SNAPSHOT_EVERY: u64 = 20_000;
/// How often a stopped relay is noticed when nothing is committed.
const TICK: Duration = Duration::from_millis(100);

/// The thread's own things.
pub(super) struct TablesThread {
    pub(super) tables: Arc<Tables>,
    pub(super) reader: Arc<dyn Reader>,
    pub(super) shared: Arc<Shared>,
    /// Index of the newest snapshot.
    pub(super) snapshot: Index,
}

impl TablesThread {
    /// Runs until the relay has stopped and everything committed is in the tables.
    pub(super) fn run(mut self) {
        let stopped = self.shared.stopped();
        loop {
            match self.step() {
                Ok(true) => {}
                Ok(false) if *stopped.borrow() => break,
                Ok(false) => {
                    self.snapshot(SNAPSHOT_EVERY);
                    std::thread::sleep(self.nap());
                }
                Err(why) => {
                    error!(why, "the tables cannot follow; the relay stops, and rebuilds them");
                    self.shared.stop("the tables failed");
                    return;
                }
            }
        }
        self.snapshot(1);
        if let Err(fault) = self.tables.flush() {
            warn!(%fault, "the tables could not be flushed; they may be rebuilt at the next start");
        }
    }

    /// Takes in the next records; false when there are none.
    fn step(&self) -> Result<bool, String> {
        let more = self.tables.step(self.reader.as_ref()).map_err(|fault| fault.to_string())?;
        self.shared.note_tables(self.tables.cursor());
        Ok(more)
    }

    /// Short while there is work, long when there is none.
    fn nap(&self) -> Duration {
        let committed = *self.shared.committed().borrow();
        if self.tables.cursor() < committed { Duration::ZERO } else { TICK / 50 }
    }

    /// Keeps a snapshot if `every` records have come since the last.
    fn snapshot(&mut self, every: u64) {
        let published = self.shared.published();
        let next = published.next_index();
        if next.0 < self.snapshot.0.saturating_add(every) {
            return;
        }
        let Some(bytes) = Snapshot::encode(published.world()) else { return };
        match self.tables.put_snapshot(next, &bytes) {
            Ok(()) => self.snapshot = next,
            Err(fault) => {
                warn!(%fault, "a snapshot could not be kept; the next start replays more")
            }
        }
    }
}
