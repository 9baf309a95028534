//! The few file operations that the journal needs, so that a test can stand in for the disk.
//!
//! Not for anything that knows what a journal is. Every durability step of the journal is a call of
//! one of these functions; nothing else in `journal/` touches a file.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::units::JournalId;

/// One directory of files.
pub trait Disk: Send + Sync + fmt::Debug {
    /// The directory, for messages.
    fn path(&self) -> String;

    /// Names of the files in it, in no order.
    ///
    /// # Errors
    /// What the operating system says; so for all functions here.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a file that must not exist yet, for reading and writing.
    ///
    /// # Errors
    /// As [`Self::list`].
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file, for writing too if `write`.
    ///
    /// # Errors
    /// As [`Self::list`].
    fn open(&self, name: &str, write: bool) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name.
    ///
    /// # Errors
    /// As [`Self::list`].
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As [`Self::list`].
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the names of the files durable.
    ///
    /// # Errors
    /// As [`Self::list`].
    fn sync_dir(&self) -> io::Result<()>;

    /// Takes the directory for writing (`exclusive`; the lock file is made if need be) or for
    /// reading only. `None` when another process has it. Held until dropped.
    ///
    /// # Errors
    /// As [`Self::list`].
    fn lock(&self, exclusive: bool) -> io::Result<Option<Lock>>;
}

/// A held lock. Its file names the journal that is kept beside it, so that a journal whose segments
/// are gone is not taken for one that never was.
#[derive(Debug)]
pub struct Lock {
    /// Unlocks when closed. `None` where there is nothing to lock.
    file: Option<File>,
}

impl Lock {
    /// A lock on nothing, for disks that only one can see.
    pub fn nothing() -> Self {
        Self { file: None }
    }

    /// The journal that was last open for writing here, if there was one.
    pub(super) fn journal(&self) -> Option<String> {
        let mut name = [0; NAME_BYTES];
        let len = self.file.as_ref()?.read_at(&mut name, 0).ok()?;
        parse_name(name.get(..len)?)
    }

    /// Notes that this journal is kept here. Only a hint; none where it cannot be written.
    pub(super) fn note(&self, journal: JournalId) {
        let name = format!("{journal}\n");
        if let Some(file) = &self.file
            && self.journal().as_deref() != Some(name.trim())
        {
            let _hint = file.write_all_at(name.as_bytes(), 0);
        }
    }
}

/// The journal that the lock file on `disk` names, without taking the lock.
pub(super) fn noted(disk: &dyn Disk) -> io::Result<Option<String>> {
    let file = match disk.open(LOCK, false) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut name = [0; NAME_BYTES];
    let len = read_all(&*file, &mut name, 0)?;
    Ok(parse_name(&name[..len]))
}

/// The name of a journal in a lock file.
fn parse_name(bytes: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(bytes).ok()?.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// What of a lock file is read: a name has 36 bytes at most.
const NAME_BYTES: usize = 64;

/// One open file.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Its length.
    ///
    /// # Errors
    /// What the operating system says; so for all functions here.
    fn size(&self) -> io::Result<u64>;

    /// Reads at `offset`; fewer bytes than asked for are possible, 0 only at the end.
    ///
    /// # Errors
    /// As [`Self::size`].
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at `offset`; fewer bytes than given are possible.
    ///
    /// # Errors
    /// As [`Self::size`].
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes the file `len` bytes long and sees to it that the disk has room for all of them.
    ///
    /// # Errors
    /// As [`Self::size`].
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Makes everything that was written durable.
    ///
    /// # Errors
    /// As [`Self::size`].
    fn sync(&self) -> io::Result<()>;
}

/// The operating system's files.
#[derive(Debug)]
pub struct RealDisk {
    dir: PathBuf,
}

/// The file that is locked.
const LOCK: &str = "lock";

impl RealDisk {
    /// The directory `dir`, which is made (durably, for its owner alone) if need be.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn create(dir: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        if let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) {
            File::open(parent)?.sync_all()?;
        }
        Ok(Self { dir: dir.to_owned() })
    }

    /// The directory `dir` as it is.
    pub fn existing(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }
}

impl Disk for RealDisk {
    fn path(&self) -> String {
        self.dir.display().to_string()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(self.dir.join(name))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, name: &str, write: bool) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(write).open(self.dir.join(name))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.dir.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    fn lock(&self, exclusive: bool) -> io::Result<Option<Lock>> {
        let path = self.dir.join(LOCK);
        let (file, got) = if exclusive {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let file = options.open(path)?;
            let got = file.try_lock();
            (file, got)
        } else {
            let file = match File::open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(Some(Lock::nothing()));
                }
                Err(error) => return Err(error),
            };
            let got = file.try_lock_shared();
            (file, got)
        };
        match got {
            Ok(()) => Ok(Some(Lock { file: Some(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;
        loop {
            match fallocate(&self.0, FallocateFlags::empty(), 0, len) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => return fill(self, 0, len),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Writes all of `bytes` at `offset`, however many calls it takes.
pub(super) fn write_all(file: &dyn DiskFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                bytes = &bytes[n..];
                offset += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until `bytes` is full or the file ends; returns how many were read.
pub(super) fn read_all(file: &dyn DiskFile, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < bytes.len() {
        match file.read_at(&mut bytes[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Zeroes, for writing and for comparing with.
pub(super) static ZEROES: [u8; 64 * 1024] = [0; 64 * 1024];

/// Writes zeroes from `from` to `to`.
pub(super) fn fill(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<()> {
    let mut at = from;
    while at < to {
        let n = usize::try_from(to - at).unwrap_or(usize::MAX).min(ZEROES.len());
        write_all(file, &ZEROES[..n], at)?;
        at += n as u64;
    }
    Ok(())
}

/// Whether an error means that the disk, the quota or the file is full.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(error.kind(), Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge)
}
