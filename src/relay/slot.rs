//! Where the tables are, while they are there.
//!
//! Not for keeping them (see `tables_thread.rs`). When they fail, a full disk being the usual
//! reason, the relay goes on without them: they are opened again, or made anew, as soon as that
//! works, and until then whoever asks for them is told to try again.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::Error;
use crate::tables::Tables;

/// The tables, or none for the moment.
pub(super) struct Slot {
    tables: ArcSwapOption<Tables>,
}

impl Slot {
    pub(super) fn new(tables: Tables) -> Self {
        Self { tables: ArcSwapOption::from_pointee(tables) }
    }

    /// The tables.
    ///
    /// # Errors
    /// `Busy` while there are none.
    pub(super) fn tables(&self) -> Result<Arc<Tables>, Error> {
        self.tables.load_full().ok_or(Error::Busy)
    }

    /// Puts tables there, or takes them away. Tables thread only.
    pub(super) fn put(&self, tables: Option<Tables>) {
        self.tables.store(tables.map(Arc::new));
    }
}
