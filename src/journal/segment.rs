//! One segment file: making it, opening it, its commit marks.
//!
//! Not for what is in the batches. A segment exists under its name only when its header and marks
//! are durable.

use std::io;
use std::sync::Arc;

use crate::journal::disk::{Disk, DiskFile, is_full, read_all, write_all};
use crate::journal::format::{
    BLOCK, BadHeader, FIRST_BATCH, MARKS, Mark, Place, SegmentHeader, VERSION,
};
use crate::journal::{AppendError, Fault};
use crate::units::{Index, JournalId};

/// An open segment.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) header: SegmentHeader,
    pub(super) name: String,
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) place: Place,
}

/// Why something was not written.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There is no room; nothing has happened that matters.
    Full,
    /// Nobody knows what is on the disk.
    Failed(String),
}

impl Trouble {
    /// A write or an allocation failed.
    pub(super) fn wrote(doing: &str, name: &str, error: &io::Error) -> Self {
        if is_full(error) { Self::Full } else { Self::synced(doing, name, error) }
    }

    /// A sync failed, for whatever reason.
    pub(super) fn synced(doing: &str, name: &str, error: &io::Error) -> Self {
        Self::Failed(format!("{doing} {name}: {error}"))
    }

    /// As a fault of `doing` something with the journal in `path`.
    pub(super) fn fault(self, doing: &'static str, path: String) -> Fault {
        let error = match self {
            Self::Full => AppendError::Full.to_string(),
            Self::Failed(error) => error,
        };
        Fault::Io { doing, path, error }
    }
}

impl Segment {
    /// Makes a segment; when this returns it is there for good, with `mark` in both places.
    pub(super) fn create(
        disk: &dyn Disk,
        header: SegmentHeader,
        mark: &Mark,
    ) -> Result<Self, Trouble> {
        let name = file_name(header.number);
        let temporary = format!("{name}.tmp");
        let made = Self::fill_temporary(disk, &temporary, header, mark).and_then(|file| {
            disk.rename(&temporary, &name).map_err(|e| Trouble::wrote("rename", &name, &e))?;
            Ok(file)
        });
        match made {
            Ok(file) => {
                disk.sync_dir().map_err(|e| Trouble::synced("sync the directory of", &name, &e))?;
                Ok(Self { place: Place::new(header.journal, header.number), header, name, file })
            }
            Err(trouble) => {
                // Gives the room back. What cannot be removed now is removed on opening.
                let _ = disk.remove(&temporary);
                Err(trouble)
            }
        }
    }

    fn fill_temporary(
        disk: &dyn Disk,
        name: &str,
        header: SegmentHeader,
        mark: &Mark,
    ) -> Result<Arc<dyn DiskFile>, Trouble> {
        match disk.remove(name) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(Trouble::wrote("remove", name, &e));
            }
            Ok(()) | Err(_) => {}
        }
        let file = disk.create(name).map_err(|e| Trouble::wrote("create", name, &e))?;
        file.allocate(header.size).map_err(|e| Trouble::wrote("allocate", name, &e))?;
        let mut start = header.encode();
        start.extend_from_slice(&mark.encode());
        start.extend_from_slice(&mark.encode());
        write_all(&*file, &start, 0).map_err(|e| Trouble::wrote("write", name, &e))?;
        file.sync().map_err(|e| Trouble::synced("sync", name, &e))?;
        Ok(file)
    }

    /// Opens a segment and checks its header. `journal` is the id that it must have, if known.
    pub(super) fn open(
        disk: &dyn Disk,
        number: u64,
        write: bool,
        journal: Option<JournalId>,
    ) -> Result<Self, Fault> {
        let name = file_name(number);
        let path = || format!("{}/{name}", disk.path());
        let io =
            |doing, error: io::Error| Fault::Io { doing, path: path(), error: error.to_string() };
        let damaged = |what: &str, index| Fault::Damaged {
            file: name.clone(),
            offset: 0,
            index,
            what: what.to_owned(),
        };
        let file = disk.open(&name, write).map_err(|e| io("open", e))?;
        let mut block = vec![0; BLOCK];
        let got = read_all(&*file, &mut block, 0).map_err(|e| io("read", e))?;
        let header = SegmentHeader::decode(&block[..got]).map_err(|bad| match bad {
            BadHeader::Damaged(what) => damaged(what, Index(0)),
            BadHeader::Foreign(what) => Fault::Foreign { path: path(), what },
        })?;
        if let Some(journal) = journal.filter(|j| *j != header.journal) {
            let what = format!("it belongs to journal {}, not to {journal}", header.journal);
            return Err(Fault::Foreign { path: path(), what });
        }
        if header.number != number {
            return Err(damaged("the segment has another number than its file", header.first));
        }
        let len = file.size().map_err(|e| io("measure", e))?;
        if len < header.size || header.size < FIRST_BATCH {
            return Err(Fault::Damaged {
                file: name,
                offset: len,
                index: header.first,
                what: format!("the file has {len} bytes, not {}", header.size),
            });
        }
        Ok(Self { place: Place::new(header.journal, number), header, name, file })
    }

    /// Reads both commit marks.
    pub(super) fn marks(&self, disk: &dyn Disk) -> Result<Marks, Fault> {
        let mut copies = [None, None];
        for (copy, at) in copies.iter_mut().zip(MARKS) {
            let mut block = vec![0; BLOCK];
            read_all(&*self.file, &mut block, at).map_err(|e| Fault::Io {
                doing: "read",
                path: format!("{}/{}", disk.path(), self.name),
                error: e.to_string(),
            })?;
            *copy = Mark::decode(&block, &self.header);
        }
        let newest = match copies {
            [Some(a), Some(b)] => Some(if a.sequence >= b.sequence { a } else { b }),
            [one, None] | [None, one] => one,
        };
        newest.map(|newest| Marks { newest, copies }).ok_or_else(|| Fault::Damaged {
            file: self.name.clone(),
            offset: MARKS[0],
            index: self.header.first,
            what: "neither copy of the commit mark holds".to_owned(),
        })
    }

    /// Writes a mark to both places, first to `suspect`, which may not hold at the moment. On
    /// failure `suspect` says which place that is now.
    pub(super) fn write_mark(&self, mark: &Mark, suspect: &mut usize) -> Result<(), Trouble> {
        let block = mark.encode();
        for slot in [*suspect, 1 - *suspect] {
            *suspect = slot;
            write_all(&*self.file, &block, MARKS[slot])
                .map_err(|e| Trouble::wrote("write the mark of", &self.name, &e))?;
            self.sync()?;
        }
        *suspect = 0;
        Ok(())
    }

    /// Makes what was written durable.
    pub(super) fn sync(&self) -> Result<(), Trouble> {
        self.file.sync().map_err(|e| Trouble::synced("sync", &self.name, &e))
    }
}

/// The marks of a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    pub(super) newest: Mark,
    copies: [Option<Mark>; 2],
}

impl Marks {
    /// Which copy does not hold, if one does not.
    pub(super) fn torn(&self) -> Option<usize> {
        self.copies.iter().position(Option::is_none)
    }

    /// The copy to write first: while it is being written, the other one has to stand.
    pub(super) fn suspect(&self) -> usize {
        self.copies.iter().position(|copy| *copy != Some(self.newest)).unwrap_or(0)
    }

    /// Whether both copies say the same.
    pub(super) fn agree(&self) -> bool {
        self.copies == [Some(self.newest); 2]
    }
}

/// The file of a segment.
pub(super) fn file_name(number: u64) -> String {
    format!("{number:010}.seg")
}

/// Numbers of the segments in a directory, in order.
///
/// # Errors
/// When the directory cannot be read, is empty of segments but not meant to be, or lacks one.
pub(super) fn list(disk: &dyn Disk) -> Result<Vec<u64>, Fault> {
    let names = disk.list().map_err(|e| Fault::Io {
        doing: "list",
        path: disk.path(),
        error: e.to_string(),
    })?;
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| name.strip_suffix(".seg"))
        .filter_map(|digits| digits.parse().ok())
        .filter(|number| names.contains(&file_name(*number)))
        .collect();
    numbers.sort_unstable();
    for (number, expected) in numbers.iter().zip(0..) {
        if *number != expected {
            return Err(missing(expected, Index(0)));
        }
    }
    Ok(numbers)
}

/// The fault of a journal of which nothing is left but its name.
pub(super) fn lost(journal: &str) -> Fault {
    Fault::Damaged {
        file: file_name(0),
        offset: 0,
        index: Index(0),
        what: format!("the file is missing, and journal {journal} was here"),
    }
}

/// The fault of a segment that should be there.
pub(super) fn missing(number: u64, index: Index) -> Fault {
    Fault::Damaged {
        file: file_name(number),
        offset: 0,
        index,
        what: format!("the file is missing (format version {VERSION})"),
    }
}
