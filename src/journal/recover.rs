//! Opens a journal: finds where it ends, repairs what a crash leaves, refuses what is damaged.
//!
//! Not for judging bytes (`scan.rs`). Everything here may itself be interrupted by a crash at any
//! point and then simply happens again.

use std::sync::Arc;

use crate::journal::Fault;
use crate::journal::disk::{Disk, fill, read_all, write_all};
use crate::journal::file::{FileJournal, Finished, Opened, Options, Tail, first_mark, zero};
use crate::journal::format::{Link, Mark, SegmentHeader};
use crate::journal::reader::{Extent, Shared, View};
use crate::journal::scan::{self, Scanned};
use crate::journal::segment::{self, Marks, Segment};
use crate::journal::walk::to_usize;
use crate::units::{Index, JournalId};

/// Opens the journal on `disk`, or makes one.
pub(super) fn open(disk: Arc<dyn Disk>, options: Options) -> Result<(FileJournal, Opened), Fault> {
    let io = |doing, error: std::io::Error| Fault::Io {
        doing,
        path: disk.path(),
        error: error.to_string(),
    };
    let lock = disk.lock(true).map_err(|e| io("lock", e))?;
    let lock = lock.ok_or_else(|| Fault::InUse { path: disk.path() })?;
    let names = disk.list().map_err(|e| io("list", e))?;
    for name in names.iter().filter(|name| name.ends_with(".seg.tmp")) {
        disk.remove(name).map_err(|e| io("remove an unfinished segment of", e))?;
    }
    let numbers = segment::list(&*disk)?;
    let created = numbers.is_empty();
    if let Some(before) = lock.journal().filter(|_| created) {
        return Err(segment::lost(&before));
    }
    let mut full = Vec::new();
    let (before, last) = if created {
        (None, make_first(&*disk, &options)?)
    } else {
        open_all(&*disk, numbers.len() as u64, &mut full)?
    };

    let marks = last.marks(&*disk)?;
    if marks.newest.sealed {
        return Err(segment::missing(last.header.number + 1, marks.newest.next));
    }
    let mark = &marks.newest;
    let scanned = scan::scan(&*disk, &last, mark, None, mark.erasing, &mut |_| (), &mut |_| ())?;
    let repair = Repair { disk: &*disk, last: &last, marks: &marks, scanned: &scanned };
    let unsealed = before.map(|before| repair.before(before)).transpose()?.flatten();
    let marked = repair.tail()?;

    let opened =
        Opened { created, truncation: scanned.torn.clone(), mark_repaired: marks.torn().is_some() };
    let last_batch = match (scanned.last, last.header.previous) {
        (Some(last), _) => Some(last),
        (None, Link { offset: 0, .. }) => None,
        (None, link) => {
            let segment = Segment::open(&*disk, link.segment, false, Some(last.header.journal))?;
            Some(scan::last_batch(&*disk, &segment, link)?)
        }
    };
    let tail_extent = Extent { first: last.header.first, end: scanned.end };
    let view = View { next: scanned.next, full: Arc::new(full), tail: tail_extent };
    let suspect = marks.suspect();
    let tail = Tail {
        end: scanned.end,
        next: scanned.next,
        last: last_batch,
        sequence: marks.newest.sequence,
        marked,
        suspect,
        segment: last,
    };
    lock.note(tail.segment.header.journal);
    let mut journal = FileJournal {
        shared: Arc::new(Shared::new(tail.segment.header.journal, disk, view)),
        options,
        tail,
        unsealed,
        failed: None,
        dirty_to: 0,
        buffer: Vec::new(),
        _lock: lock,
    };
    // The ordinary code says in the marks what has been settled here.
    crate::journal::Journal::idle(&mut journal).map_err(|error| Fault::Io {
        doing: "mark",
        path: journal.shared.disk.path(),
        error: error.to_string(),
    })?;
    Ok((journal, opened))
}

/// Makes the first segment of a new journal.
fn make_first(disk: &dyn Disk, options: &Options) -> Result<Segment, Fault> {
    let mut id = [0; 16];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| Fault::Io {
        doing: "draw an id for",
        path: disk.path(),
        error: "the operating system gives no random bytes".to_owned(),
    })?;
    let header = SegmentHeader {
        journal: JournalId(id),
        number: 0,
        first: Index(0),
        size: options.segment_size(),
        previous: Link::NONE,
        previous_end: 0,
    };
    Segment::create(disk, header, &first_mark(&header))
        .map_err(|trouble| trouble.fault("make a journal in", disk.path()))
}

/// Checks the headers of all segments; returns the last two, open for writing.
fn open_all(
    disk: &dyn Disk,
    count: u64,
    full: &mut Vec<Extent>,
) -> Result<(Option<Segment>, Segment), Fault> {
    let mut before = None;
    let mut last = Segment::open(disk, 0, true, None)?;
    for number in 1..count {
        let segment = Segment::open(disk, number, true, Some(last.header.journal))?;
        follows(&last, &segment)?;
        full.push(Extent { first: last.header.first, end: segment.header.previous_end });
        before = Some(std::mem::replace(&mut last, segment));
    }
    Ok((before, last))
}

/// Checks that a segment's header fits the one before.
pub(super) fn follows(before: &Segment, segment: &Segment) -> Result<(), Fault> {
    let (old, new) = (&before.header, &segment.header);
    let batches = new.previous.segment == old.number && new.previous.offset > 0;
    let fits = if batches {
        new.first > old.first && new.previous_end <= old.size
    } else {
        new.first == old.first && new.previous == old.previous
    };
    if fits {
        return Ok(());
    }
    Err(Fault::Damaged {
        file: segment.name.clone(),
        offset: 0,
        index: new.first,
        what: "the segment does not follow the one before".to_owned(),
    })
}

/// What a crash may have left to do.
struct Repair<'a> {
    disk: &'a dyn Disk,
    last: &'a Segment,
    marks: &'a Marks,
    scanned: &'a Scanned,
}

impl Repair<'_> {
    /// Settles the end of the last segment; returns whether the marks need no writing.
    fn tail(&self) -> Result<bool, Fault> {
        let (segment, mark) = (self.last, &self.marks.newest);
        if let Some(torn) = &self.scanned.torn {
            // Zeroes, durably, before anything is written there: no byte of the torn tail can ever
            // be taken for part of a later batch.
            self.written(segment, fill(&*segment.file, torn.offset, torn.offset + torn.bytes))?;
        }
        if self.scanned.end > mark.end {
            // It is there to be read, which does not prove that it is on the disk: it may be what
            // a failed sync left in memory. Written again, it is for the sync to store.
            self.rewrite_last()?;
        }
        if self.scanned.torn.is_some() || self.scanned.end > mark.end {
            self.written(segment, segment.file.sync())?;
        }
        if let Some(body) = mark.erasing {
            let other = Segment::open(self.disk, body.segment, true, Some(segment.header.journal))?;
            zero(&other, body).map_err(|error| self.unable("erase a body in", error))?;
        }
        let settled = self.scanned.end == mark.end && mark.erasing.is_none();
        Ok(settled && self.marks.agree())
    }

    fn rewrite_last(&self) -> Result<(), Fault> {
        let Some(last) = &self.scanned.last else { return Ok(()) };
        let from = last.link.offset;
        let mut bytes = vec![0; to_usize(self.scanned.end - from)];
        let file = &*self.last.file;
        let done = read_all(file, &mut bytes, from).and_then(|got| {
            if got < bytes.len() {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            write_all(file, &bytes, from)
        });
        self.written(self.last, done)
    }

    /// The segment before the last, if its mark does not say that it is finished.
    fn before(&self, before: Segment) -> Result<Option<Finished>, Fault> {
        let marks = before.marks(self.disk)?;
        if marks.newest.sealed && marks.agree() {
            return Ok(None);
        }
        let header = &self.last.header;
        // A write that did not fit may have left something there, and its zeroes got lost.
        let end = header.previous_end;
        if let Some(left) =
            scan::leftovers(&before, end).map_err(|e| self.unable("read", e.to_string()))?
        {
            let zeroed = fill(&*before.file, end, end + left.bytes);
            self.written(&before, zeroed.and_then(|()| before.file.sync()))?;
        }
        let mark = Mark {
            sealed: true,
            sequence: marks.newest.sequence + 1,
            end,
            next: header.first,
            last: header.previous.id,
            hash: header.previous.hash,
            erasing: None,
            ..marks.newest
        };
        Ok(Some(Finished { segment: before, mark, suspect: marks.suspect() }))
    }

    fn written(&self, segment: &Segment, done: std::io::Result<()>) -> Result<(), Fault> {
        done.map_err(|e| self.unable("repair", format!("{}: {e}", segment.name)))
    }

    fn unable(&self, doing: &'static str, error: String) -> Fault {
        Fault::Io { doing, path: self.disk.path(), error }
    }
}
