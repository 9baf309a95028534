//! What tables say of themselves, for whoever looks at them while they rest.
//!
//! Not for using them: sled has no way to only read, so a copy is looked at, and removed again.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::meta::Meta;
use super::store::{Store, Trouble};
use super::{Fault, aside, key};
use crate::units::{Index, JournalId};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Surveyed {
    /// Nothing is there.
    Absent,
    /// A program uses them; they are not looked at.
    InUse,
    /// They are larger than was to be copied.
    TooLarge {
        /// Their size, in bytes.
        bytes: u64,
    },
    /// The next opening makes them anew, because of this.
    Useless(String),
    /// They are of this journal and have this version's form.
    Sound {
        /// The next record that they would apply.
        cursor: Index,
    },
}

/// Looks at the tables in `dir`: can they be read, and are they of this journal? They are copied
/// to `beside`, which must not be there, when they have at most `bytes_max` bytes.
///
/// # Errors
/// [`Fault::Io`] when they cannot be read or copied.
pub fn survey(
    dir: &Path,
    beside: &Path,
    journal: JournalId,
    bytes_max: u64,
) -> Result<Surveyed, Fault> {
    match is_used(dir) {
        Ok(Some(true)) => return Ok(Surveyed::InUse),
        Ok(Some(false)) => {}
        Ok(None) => return Ok(Surveyed::Absent),
        Err(error) => return Err(aside::fault("read", dir, &error)),
    }
    let bytes = size(dir).map_err(|error| aside::fault("read", dir, &error))?;
    if bytes > bytes_max {
        return Ok(Surveyed::TooLarge { bytes });
    }
    let copy = Copy::make(dir, beside).map_err(|error| aside::fault("copy", dir, &error));
    let found = match &copy {
        Ok(copy) => look(&copy.0, journal),
        Err(fault) => Err(fault.clone()),
    };
    // A program that has started meanwhile has changed them under the copy.
    match is_used(dir) {
        Ok(Some(true)) => Ok(Surveyed::InUse),
        Ok(_) | Err(_) => found,
    }
}

/// Whether a program has them; none where there are none. sled holds a lock on the file `db`.
fn is_used(dir: &Path) -> std::io::Result<Option<bool>> {
    let file = match fs::File::open(dir.join("db")) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Let go of at once: whoever opens them now tries again for longer.
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(Some(false)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(Some(true)),
        Err(error) => Err(error.into()),
    }
}

fn look(copy: &Path, journal: JournalId) -> Result<Surveyed, Fault> {
    let store = match Store::open(copy, 0) {
        Ok(store) => store,
        Err(Trouble::Damaged(why)) => return Ok(Surveyed::Useless(why)),
        Err(Trouble::Unable(fault)) => return Err(fault),
    };
    let bytes = match store.rows(|rows| rows.get(key::META)) {
        Ok(bytes) => bytes,
        Err(Fault::Broken { what }) => return Ok(Surveyed::Useless(what)),
        Err(fault) => return Err(fault),
    };
    let Some(bytes) = bytes else {
        return Ok(Surveyed::Useless("they do not say how far they have got".to_owned()));
    };
    Ok(match Meta::parse(&bytes) {
        Ok(meta) if meta.journal == journal => Surveyed::Sound { cursor: meta.cursor },
        Ok(meta) => {
            Surveyed::Useless(format!("they are of the journal {}, not {journal}", meta.journal))
        }
        Err(why) => Surveyed::Useless(why),
    })
}

fn size(dir: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { size(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}

/// A copy that is removed when it is no longer looked at.
struct Copy(PathBuf);

impl Copy {
    fn make(dir: &Path, to: &Path) -> std::io::Result<Self> {
        make_directory(to)?;
        let copy = Self(to.to_owned());
        copy_into(dir, to)?;
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "a copy of the tables is left behind");
        }
    }
}

fn make_directory(path: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)
}

fn copy_into(dir: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            make_directory(&to)?;
            copy_into(&from, &to)?;
        } else {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}
