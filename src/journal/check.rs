//! Reads a whole journal and says whether every byte of it holds.
//!
//! Not for repairing or opening: nothing is written. `detente verify` and `detente rebuild` use it.

use std::path::Path;

use crate::journal::disk::{Disk, RealDisk};
use crate::journal::format::{Erasing, FIRST_BATCH, MARKS};
use crate::journal::recover::follows;
use crate::journal::scan::{self, Scanned};
use crate::journal::segment::{self, Segment};
use crate::journal::walk::Seen;
use crate::journal::{Fault, Truncation};
use crate::units::{Hash, JournalId};

/// How far checking has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes gone through.
    pub bytes: u64,
    /// Bytes there are, with what is allocated and unused.
    pub bytes_total: u64,
    /// Records found so far, up to the last finished segment.
    pub records: u64,
}

/// What a journal holds that is whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// The journal's id; `None` when there is no journal.
    pub id: Option<JournalId>,
    /// Committed records.
    pub records: u64,
    /// Committed batches.
    pub batches: u64,
    /// Segment files.
    pub segments: u64,
    /// Bytes of committed batches.
    pub bytes: u64,
    /// Bodies that were erased.
    pub erased: u64,
    /// The hash of the last batch: the end of the chain over all of them.
    pub hash: Option<Hash>,
    /// A torn tail, which opening would cut off.
    pub torn: Option<Truncation>,
    /// Files in which one copy of the commit mark does not hold, and where. Opening repairs it in
    /// the last two segments: a crash leaves it there. Elsewhere it is a damaged byte.
    pub torn_marks: Vec<(String, u64)>,
}

/// Checks the journal in `dir`, which must not be open for writing.
///
/// # Errors
/// The first fault of each segment, in order; each names file, offset and record.
pub fn check(dir: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Summary, Vec<Fault>> {
    check_on(&RealDisk::existing(dir), progress)
}

/// As [`check`], and shows every record to `look`.
///
/// # Errors
/// As [`check`].
pub fn check_looking(
    dir: &Path,
    progress: &mut dyn FnMut(Progress),
    look: &mut dyn FnMut(Seen<'_>),
) -> Result<Summary, Vec<Fault>> {
    check_all(&RealDisk::existing(dir), progress, look)
}

/// As [`check`], on any disk.
///
/// # Errors
/// As [`check`].
pub fn check_on(
    disk: &dyn Disk,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, Vec<Fault>> {
    check_all(disk, progress, &mut |_| ())
}

fn check_all(
    disk: &dyn Disk,
    progress: &mut dyn FnMut(Progress),
    look: &mut dyn FnMut(Seen<'_>),
) -> Result<Summary, Vec<Fault>> {
    let lock = disk
        .lock(false)
        .map_err(|e| vec![Fault::Io { doing: "lock", path: disk.path(), error: e.to_string() }])?;
    let lock = lock.ok_or_else(|| vec![Fault::InUse { path: disk.path() }])?;
    let count = segment::list(disk).map_err(|fault| vec![fault])?.len() as u64;
    if let Some(before) = lock.journal().filter(|_| count == 0) {
        return Err(vec![segment::lost(&before)]);
    }

    let mut summary = Summary::default();
    let mut faults = Vec::new();
    let mut segments = Vec::new();
    for number in 0..count {
        match Segment::open(disk, number, false, summary.id) {
            Ok(segment) => {
                summary.id.get_or_insert(segment.header.journal);
                segments.push(segment);
            }
            Err(fault) => faults.push(fault),
        }
    }
    // Without all headers nobody can say what follows what.
    if !faults.is_empty() {
        return Err(faults);
    }
    let bytes_total = segments.iter().map(|s| s.header.size).sum();
    let erasing = match segments.last() {
        Some(last) => last.marks(disk).map_err(|fault| vec![fault])?.newest.erasing,
        None => None,
    };
    let mut bytes_before = 0;
    for (at, segment) in segments.iter().enumerate() {
        let mut report = |offset| {
            let bytes = bytes_before + offset;
            progress(Progress { bytes, bytes_total, records: segment.header.first.0 });
        };
        let pair = Pair { segment, successor: segments.get(at + 1), erasing };
        match pair.check(disk, &mut summary, &mut report, look) {
            Ok(scanned) => summary.add(segment, &scanned),
            Err(fault) => faults.push(fault),
        }
        bytes_before += segment.header.size;
    }
    progress(Progress { bytes: bytes_total, bytes_total, records: summary.records });
    if faults.is_empty() { Ok(summary) } else { Err(faults) }
}

/// A segment and what others say about it.
struct Pair<'a> {
    segment: &'a Segment,
    successor: Option<&'a Segment>,
    erasing: Option<Erasing>,
}

impl Pair<'_> {
    fn check(
        &self,
        disk: &dyn Disk,
        summary: &mut Summary,
        report: &mut dyn FnMut(u64),
        look: &mut dyn FnMut(Seen<'_>),
    ) -> Result<Scanned, Fault> {
        let segment = self.segment;
        let marks = segment.marks(disk)?;
        if let Some(slot) = marks.torn() {
            summary.torn_marks.push((segment.name.clone(), MARKS[slot]));
        }
        let mark = &marks.newest;
        let Some(successor) = self.successor else {
            if mark.sealed {
                return Err(segment::missing(segment.header.number + 1, mark.next));
            }
            return scan::scan(disk, segment, mark, None, self.erasing, report, look);
        };
        follows(segment, successor)?;
        let end = successor.header.previous_end;
        let scanned = scan::scan(disk, segment, mark, Some(end), self.erasing, report, look)?;
        let link = scanned.link(segment);
        if link != successor.header.previous || scanned.next != successor.header.first {
            return Err(Fault::Damaged {
                file: segment.name.clone(),
                offset: scanned.end,
                index: scanned.next,
                what: "the segment does not end as the next one says".to_owned(),
            });
        }
        Ok(scanned)
    }
}

impl Summary {
    fn add(&mut self, segment: &Segment, scanned: &Scanned) {
        self.records += scanned.next.0 - segment.header.first.0;
        self.batches += scanned.batches;
        self.segments += 1;
        self.bytes += scanned.end - FIRST_BATCH;
        self.erased += scanned.erased;
        self.torn.clone_from(&scanned.torn);
        if let Some(last) = &scanned.last {
            self.hash = Some(last.link.hash);
        }
    }
}
