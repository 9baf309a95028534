//! Where the witness's files lie, and how one is replaced so that a power cut leaves the old or the
//! new one whole.
//!
//! Not for what stands in them. The file operations are those of the journal's disk, so that a test
//! can stand in for it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::journal::disk::{Disk, DiskFile, RealDisk};

/// The largest file that is read, in bytes: a note may have 1 MiB.
const FILE_BYTES_MAX: u64 = 2 << 20;

/// Directories of files under one root.
pub trait Places: Send + Sync {
    /// A directory as it is; it need not be there.
    fn at(&self, path: &str) -> Arc<dyn Disk>;

    /// A directory, made durably if need be.
    ///
    /// # Errors
    /// What the operating system says.
    fn make(&self, path: &str) -> io::Result<Arc<dyn Disk>>;
}

/// Directories of the operating system.
#[derive(Debug, Clone)]
pub struct RealPlaces(pub PathBuf);

impl Places for RealPlaces {
    fn at(&self, path: &str) -> Arc<dyn Disk> {
        Arc::new(RealDisk::existing(&self.0.join(path)))
    }

    /// Each directory on the way is made by itself, so that each name is durable.
    fn make(&self, path: &str) -> io::Result<Arc<dyn Disk>> {
        let mut at = self.0.clone();
        let mut made = RealDisk::create(&at)?;
        for part in path.split('/') {
            at.push(part);
            made = RealDisk::create(&at)?;
        }
        Ok(Arc::new(made))
    }
}

/// A file's text; none when it is not there.
///
/// # Errors
/// What the operating system says; or it is too large, or no UTF-8.
pub(super) fn read(disk: &dyn Disk, name: &str) -> io::Result<Option<String>> {
    let file = match disk.open(name, false) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let size = file.size()?;
    if size > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large"));
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], read as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => read += n,
        }
    }
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8"))
}

/// Puts a text in the place of a file, or of none. When this answers, the new one is there whatever
/// happens; when it fails, either may be.
///
/// # Errors
/// What the operating system says.
pub(super) fn replace(disk: &dyn Disk, name: &str, text: &str) -> io::Result<()> {
    let aside = format!("{name}.new");
    match disk.remove(&aside) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let file = disk.create(&aside)?;
    write_all(&*file, text.as_bytes())?;
    file.sync()?;
    disk.rename(&aside, name)?;
    disk.sync_dir()
}

fn write_all(file: &dyn DiskFile, bytes: &[u8]) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match file.write_at(&bytes[written..], written as u64)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => written += n,
        }
    }
    Ok(())
}
