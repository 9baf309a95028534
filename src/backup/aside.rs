//! A directory that is written aside and gets its name when it is whole.
//!
//! Not for what is in it. What was not finished is removed: at once when the work fails, by the
//! next one when the program was killed.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::Fault;
use crate::journal::disk::{Disk as _, Lock, RealDisk};

/// What the name of an unfinished directory ends in.
const ENDING: &str = "unfinished";
/// The file by which two processes see each other.
const LOCK: &str = "lock";

/// A directory aside.
pub(super) struct Aside {
    path: PathBuf,
    lock: Option<Lock>,
    kept: bool,
}

impl Aside {
    /// A fresh directory beside `name`, which only its owner may enter.
    ///
    /// # Errors
    /// When it cannot be made, or another process is at work on it.
    pub(super) fn begin(name: &Path) -> Result<Self, Fault> {
        let mut path = name.as_os_str().to_owned();
        path.push(".");
        path.push(ENDING);
        let path = PathBuf::from(path);
        if path.exists() {
            drop(locked(&path)?);
            fs::remove_dir_all(&path).map_err(Fault::io("remove", &path))?;
        }
        fs::DirBuilder::new().mode(0o700).create(&path).map_err(Fault::io("make", &path))?;
        let lock = Some(locked(&path)?);
        Ok(Self { path, lock, kept: false })
    }

    /// The directory.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, durably.
    ///
    /// # Errors
    /// When something has that name by now, or the disk refuses.
    pub(super) fn keep(mut self, name: &Path) -> Result<(), Fault> {
        let lock = self.path.join(LOCK);
        fs::remove_file(&lock).map_err(Fault::io("remove", &lock))?;
        self.lock = None;
        sync(&self.path)?;
        if name.exists() {
            return Err(Fault::Exists(name.to_owned()));
        }
        fs::rename(&self.path, name).map_err(Fault::io("rename", &self.path))?;
        self.kept = true;
        sync_parent(name)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed now is removed by the next one.
            let _later = fs::remove_dir_all(&self.path);
        }
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync(directory: &Path) -> Result<(), Fault> {
    let synced = fs::File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(Fault::io("sync", directory))
}

/// Makes the name of what is at `path` durable.
pub(super) fn sync_parent(path: &Path) -> Result<(), Fault> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync(parent.unwrap_or(Path::new(".")))
}

fn locked(path: &Path) -> Result<Lock, Fault> {
    let lock = RealDisk::existing(path).lock(true).map_err(Fault::io("lock", path))?;
    lock.ok_or_else(|| Fault::Busy(path.to_owned()))
}
