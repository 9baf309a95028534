//! sled, held at arm's length: what it does wrong is an answer, never a crash.
//!
//! Not for what is stored. sled may panic on damaged files and is not safe against power cuts; so
//! every call into it is caught, and whatever it may have lost can be derived again.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Fault;
use super::seal::{self, Seal};

/// A file in the tables' directory that says why they are not to be trusted any more: damage that
/// shows only while they are in use. The next opening moves them aside.
const CONDEMNED: &str = "condemned";

/// How long to wait for the lock: sled's threads may keep it for a moment after a clean end.
const LOCK_TRIES: u32 = 40;
/// See [`LOCK_TRIES`].
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// One call into sled at a time, in the whole process. sled 0.34 has one lock for all databases of
/// a process; a flush holds it shared while it waits for the log, a batch of another database wants
/// it exclusively in between, and whoever could write the log waits behind that batch. For the same
/// reason sled does not flush by itself: what a crash loses is applied again.
static CALLS: Mutex<()> = Mutex::new(());

/// The least cache, in bytes: below this sled reads every page from disk anew.
const CACHE_BYTES_MIN: u64 = 1 << 20;

/// The most of its log that sled may have to follow at the next opening, in bytes: a moment's work.
const FOLLOWED_BYTES_MAX: u64 = 32 << 20;

/// An open sled.
pub(super) struct Store {
    dir: PathBuf,
    cache_bytes: u64,
    /// There until it is dropped.
    open: Option<Open>,
}

struct Open {
    db: sled::Db,
    /// Every row, under the keys of `key.rs`. One tree, so that one batch moves all of them.
    rows: sled::Tree,
    /// Snapshots of the relay's state.
    snapshots: sled::Tree,
}

/// Why it cannot be opened.
pub(super) enum Trouble {
    /// It is damaged, says this: to be moved aside.
    Damaged(String),
    /// It may be sound: leave it where it is.
    Unable(Fault),
}

impl Store {
    /// Opens what is in `dir`, or makes it.
    pub(super) fn open(dir: &Path, cache_bytes: u64) -> Result<Self, Trouble> {
        if let Ok(why) = std::fs::read_to_string(dir.join(CONDEMNED)) {
            return Err(Trouble::Damaged(why));
        }
        let config = config(dir, cache_bytes);
        for _ in 1..LOCK_TRIES {
            match Self::open_once(dir, &config) {
                Err(Trouble::Unable(Fault::InUse { .. })) => std::thread::sleep(LOCK_PAUSE),
                Ok(open) => return Ok(Self::of(dir, cache_bytes, open)),
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(Self::of(dir, cache_bytes, Self::open_once(dir, &config)?))
    }

    fn of(dir: &Path, cache_bytes: u64, open: Open) -> Self {
        Self { dir: dir.to_owned(), cache_bytes, open: Some(open) }
    }

    fn open_once(dir: &Path, config: &sled::Config) -> Result<Open, Trouble> {
        match seal::open(dir) {
            Ok(Seal::Opened) => {}
            Ok(Seal::Broken) => {
                return Err(Trouble::Damaged(
                    "a file has changed since they were closed".to_owned(),
                ));
            }
            Ok(Seal::InUse) => {
                return Err(Trouble::Unable(Fault::InUse { path: dir.display().to_string() }));
            }
            Err(error) => return Err(trouble(dir, sled::Error::Io(error))),
        }
        let _one = one_call();
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let db = config.open()?;
            let rows = db.open_tree("rows")?;
            let snapshots = db.open_tree("snapshots")?;
            // Both ends are looked at here, where a panic still costs nothing.
            for tree in [&rows, &snapshots] {
                tree.first()?;
                tree.last()?;
            }
            Ok(Open { db, rows, snapshots })
        }));
        match opened {
            Ok(Ok(open)) => Ok(open),
            Ok(Err(error)) => Err(trouble(dir, error)),
            Err(panic) => Err(Trouble::Damaged(format!("sled panicked: {}", words(&*panic)))),
        }
    }

    /// Works on the rows.
    pub(super) fn rows<T>(
        &self,
        work: impl FnOnce(&sled::Tree) -> Result<T, sled::Error>,
    ) -> Result<T, Fault> {
        self.guarded(|open| work(&open.rows))
    }

    /// Works on the snapshots.
    pub(super) fn snapshots<T>(
        &self,
        work: impl FnOnce(&sled::Tree) -> Result<T, sled::Error>,
    ) -> Result<T, Fault> {
        self.guarded(|open| work(&open.snapshots))
    }

    /// Writes out what is still in memory.
    pub(super) fn flush(&self) -> Result<(), Fault> {
        self.guarded(|open| open.db.flush().map(|_| ()))
    }

    /// Notes that what is stored is not to be trusted, so that the next opening makes it anew.
    pub(super) fn condemn(&self, what: impl ToString) -> Fault {
        let what = what.to_string();
        // If even this cannot be written, the next opening finds the damage for itself, as this
        // one did.
        let _ = std::fs::write(self.dir.join(CONDEMNED), &what);
        Fault::Broken { what }
    }

    fn guarded<T>(&self, work: impl FnOnce(&Open) -> Result<T, sled::Error>) -> Result<T, Fault> {
        let open = self.open.as_ref().expect("it is open until it is dropped");
        let _one = one_call();
        match catch_unwind(AssertUnwindSafe(|| work(open))) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(match trouble(&self.dir, error) {
                Trouble::Damaged(what) => self.condemn(what),
                Trouble::Unable(fault) => fault,
            }),
            Err(panic) => Err(self.condemn(format!("sled panicked: {}", words(&*panic)))),
        }
    }
}

impl Store {
    /// Closes it. What sled would have to follow at the next opening is followed now, if it is
    /// much: it is noted where sled's pages are only when sled opens.
    fn close(&mut self) -> Result<(), String> {
        self.flush().map_err(|fault| fault.to_string())?;
        self.close_once();
        let followed = seal::followed_bytes(&self.dir).map_err(|error| error.to_string())?;
        if followed > FOLLOWED_BYTES_MAX {
            match Self::open(&self.dir, self.cache_bytes) {
                Ok(mut again) => {
                    again.close_once();
                    drop(again);
                }
                Err(Trouble::Damaged(what)) => return Err(what),
                Err(Trouble::Unable(fault)) => return Err(fault.to_string()),
            }
        }
        seal::put(&self.dir).map_err(|error| error.to_string())
    }

    fn close_once(&mut self) {
        let _one = one_call();
        self.open = None;
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.open.is_none() {
            return;
        }
        // Without a seal sled's own checks must do.
        if let Err(why) = self.close() {
            let path = self.dir.display();
            tracing::warn!(%path, why, "the closed tables could not be sealed");
        }
        self.close_once();
    }
}

fn one_call() -> MutexGuard<'static, ()> {
    // There is nothing inside that a panic could leave half done.
    CALLS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn config(dir: &Path, cache_bytes: u64) -> sled::Config {
    sled::Config::new()
        .path(dir)
        .cache_capacity(cache_bytes.max(CACHE_BYTES_MIN))
        .flush_every_ms(None)
        .print_profile_on_drop(false)
}

fn trouble(dir: &Path, error: sled::Error) -> Trouble {
    let path = dir.display().to_string();
    match error {
        sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
            Trouble::Unable(Fault::InUse { path })
        }
        sled::Error::Io(error)
            if matches!(
                error.kind(),
                ErrorKind::PermissionDenied
                    | ErrorKind::StorageFull
                    | ErrorKind::QuotaExceeded
                    | ErrorKind::ReadOnlyFilesystem
                    | ErrorKind::Interrupted
            ) =>
        {
            Trouble::Unable(Fault::Io { doing: "use", path, error: error.to_string() })
        }
        error @ (sled::Error::Io(_)
        | sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_)
        | sled::Error::Corruption { .. }) => Trouble::Damaged(error.to_string()),
    }
}

/// What a panic said.
fn words(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "without a word".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_what_was_configured_and_never_the_default_of_a_gigabyte() {
        let dir = Path::new("tables");
        assert_eq!(config(dir, 32 << 20).cache_capacity, 32 << 20);
        assert_eq!(config(dir, 0).cache_capacity, CACHE_BYTES_MIN);
    }
}
