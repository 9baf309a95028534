//! Where the tables are, while they are there.
//!
//! Not for keeping them (see `tables_thread.rs`). When they fail, a full disk being the usual
//! reason, the relay goes on without them: they are opened again, or made anew, as soon as that
//! works, and until then whoever asks for them is told so at once.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use super::Error;
use crate::tables::Tables;

/// The tables, or none for the moment.
pub(super) struct Slot {
    tables: ArcSwapOption<Tables>,
    /// Why there are none.
    failed: watch::Sender<Option<String>>,
}

impl Slot {
    pub(super) fn new(tables: Tables) -> Self {
        let failed = watch::Sender::new(None);
        Self { tables: ArcSwapOption::from_pointee(tables), failed }
    }

    /// The tables.
    ///
    /// # Errors
    /// `NoTables` while there are none.
    pub(super) fn tables(&self) -> Result<Arc<Tables>, Error> {
        self.tables.load_full().ok_or(Error::NoTables)
    }

    /// Why there are none, while that is so.
    pub(super) fn failed(&self) -> watch::Receiver<Option<String>> {
        self.failed.subscribe()
    }

    /// Puts tables there. Tables thread only.
    pub(super) fn put(&self, tables: Tables) {
        self.tables.store(Some(Arc::new(tables)));
        self.failed.send_replace(None);
    }

    /// Takes them away, for this reason. Tables thread only.
    pub(super) fn fail(&self, why: &str) {
        self.tables.store(None);
        self.failed.send_replace(Some(why.to_owned()));
    }
}
