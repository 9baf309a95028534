//! The follower that keeps the tables: records in, rows out, and now and then a snapshot.
//!
//! It is an OS thread because sled blocks. Not the truth: whatever it keeps can be rebuilt.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use super::shared::Shared;
use super::slot::Slot;
use super::state::Snapshot;
use crate::journal::Reader;
use crate::tables::{self, Tables};
use crate::units::Index;

/// A snapshot is taken after so many records: at 50,000 records/s of replay, start-up never
/// replays for more than half a second.
pub(super) const SNAPSHOT_EVERY: u64 = 20_000;
/// While records keep coming, only after so many: 4 s of replay at the most.
pub(super) const SNAPSHOT_EVERY_IF_BUSY: u64 = 200_000;
/// How long what was committed may wait until it is taken in, when nobody waits for it: records
/// that follow each other closely become one batch of rows, which costs a fraction of what a batch
/// of each costs.
const GATHER: Duration = Duration::from_millis(50);
/// How long the thread waits to be woken when there is nothing to take in.
const TICK: Duration = Duration::from_secs(1);

/// How long to wait before tables that failed are opened again.
const MEND_EVERY: Duration = Duration::from_millis(500);

/// The thread's own things.
pub(super) struct TablesThread {
    pub(super) slot: Arc<Slot>,
    pub(super) directory: PathBuf,
    pub(super) options: tables::Options,
    pub(super) reader: Arc<dyn Reader>,
    pub(super) shared: Arc<Shared>,
    /// Index of the newest snapshot.
    pub(super) snapshot: Index,
    /// After so many records the next one is due.
    pub(super) snapshot_every: u64,
    /// After so many it is due while records keep coming.
    pub(super) snapshot_every_if_busy: u64,
}

impl TablesThread {
    /// Runs until the relay has stopped and everything committed is in the tables.
    pub(super) fn run(mut self) {
        let stopped = self.shared.stopped();
        self.shared.keep_tables_here();
        loop {
            let outcome = match self.slot.tables() {
                Ok(tables) => self.follow(&tables),
                Err(_) => self.mend(),
            };
            match outcome {
                Ok(true) => {}
                Ok(false) if *stopped.borrow() => break,
                Ok(false) => self.shared.rest_tables(self.cursor(), TICK, GATHER),
                Err(why) => {
                    self.slot.fail(&why);
                    if *stopped.borrow() {
                        warn!(why, "the tables failed; the next start makes them anew");
                        return;
                    }
                    error!(why, "the tables failed; they are opened again, or made anew");
                    std::thread::sleep(MEND_EVERY);
                }
            }
        }
        self.close();
    }

    /// Takes in the next records and keeps a snapshot if one is due: soon when there are no more,
    /// later while they keep coming. False when there was nothing to take in.
    pub(super) fn follow(&mut self, tables: &Tables) -> Result<bool, String> {
        let more = tables.step(self.reader.as_ref()).map_err(|fault| fault.to_string())?;
        self.shared.note_tables(tables.cursor());
        let every = if more { self.snapshot_every_if_busy } else { self.snapshot_every };
        self.snapshot(tables, every);
        Ok(more)
    }

    /// What the tables want next.
    fn cursor(&self) -> Index {
        *self.shared.tables().borrow()
    }

    /// Opens the tables again after they failed.
    fn mend(&mut self) -> Result<bool, String> {
        let opened = Tables::open(&self.directory, &self.options, self.reader.as_ref())
            .map_err(|fault| fault.to_string())?;
        let why = opened.rebuilt_because.as_deref().unwrap_or("none: they go on where they were");
        info!(cursor = %opened.tables.cursor(), rebuilt_because = why, "the tables are open again");
        self.snapshot = Index(0);
        self.slot.put(opened.tables);
        Ok(true)
    }

    /// Keeps a snapshot if `every` records have come since the last.
    fn snapshot(&mut self, tables: &Tables, every: u64) {
        let published = self.shared.published();
        let next = published.next_index();
        if next.0 < self.snapshot.0.saturating_add(every) {
            return;
        }
        let Some(bytes) = Snapshot::encode(published.world()) else { return };
        match tables.put_snapshot(next, &bytes) {
            Ok(()) => self.snapshot = next,
            Err(fault) => {
                warn!(%fault, "a snapshot could not be kept; the next start replays more")
            }
        }
    }

    fn close(&mut self) {
        let Ok(tables) = self.slot.tables() else { return };
        self.snapshot(&tables, 1);
        if let Err(fault) = tables.flush() {
            warn!(%fault, "the tables could not be flushed; they may be rebuilt at the next start");
        }
    }
}
