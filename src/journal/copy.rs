//! Copies a journal, or only reads it through, checking every byte on the way; its writer may go on
//! meanwhile.
//!
//! Not for opening or repairing: nothing of the source is changed, no lock on it is taken. Where it
//! ends is judged as on opening (`scan.rs`): a batch that does not hold is **damage** when a mark,
//! the next segment or a later batch header proves that it was committed, and the end otherwise.
//! As the writer goes on, every judgement is looked at again before it stands.
//!
//! What is copied are whole batches, byte for byte. A body that is being erased is zeroes in the
//! copy. The commit marks of the copy are its own: they name its last batch.

use std::io;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use crate::journal::Fault;
use crate::journal::check::{Progress, Summary};
use crate::journal::disk::{Disk, DiskFile, read_all, write_all};
use crate::journal::format::{BATCH_HEADER, Erasing, FIRST_BATCH, Link, MARKS, Mark};
use crate::journal::recover::follows;
use crate::journal::scan::proof_after;
use crate::journal::segment::{self, Segment};
use crate::journal::walk::{self, Bad, Before, Bodies, Stop, Window, to_usize};
use crate::units::{BatchId, Hash, Index, JournalId};

/// How often what does not hold is looked at again: an erasure or a write under way takes far less
/// than all of them together.
const LOOKS: u32 = 10;
/// The pause between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// A batch as it was read.
#[derive(Debug)]
pub struct ReadBatch<'a> {
    /// Its id.
    pub id: BatchId,
    /// The index of its first record.
    pub first: Index,
    /// Its hash, which closes the chain over all batches up to it.
    pub hash: Hash,
    /// Its records.
    pub records: Vec<&'a [u8]>,
    /// Its trailer.
    pub trailer: &'a [u8],
}

/// What whoever looks at the batches has against one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// The record concerned.
    pub index: Index,
    /// What does not hold, in words.
    pub what: String,
}

/// Looks at every batch, in order.
pub type Judge<'a> = dyn FnMut(&ReadBatch<'_>) -> Result<(), Objection> + 'a;

/// Where a copy goes.
pub struct Target<'a> {
    /// Its directory, without segments.
    pub disk: &'a dyn Disk,
    /// True when every segment gets all its room on the disk at once, as a journal in use needs;
    /// false when unused room may stay unallocated.
    pub allocate: bool,
}

/// Reads the journal on `from` up to its last whole batch, and writes what it reads to `to` if
/// there is one: synced file by file, the names not yet. With `live` the last segment of the source
/// is synced in between, so that what was read of it is durable there too: it cannot be lost in a
/// power cut after it has been copied.
///
/// # Errors
/// [`Fault`] with the place; what `judge` objects to is a [`Fault::Damaged`] with its record.
pub fn copy(
    from: &dyn Disk,
    to: Option<&Target<'_>>,
    live: bool,
    judge: &mut Judge<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, Fault> {
    let mut summary = Summary::default();
    let count = segment::list(from)?.len() as u64;
    if count == 0 {
        return Ok(summary);
    }
    let mut before: Option<Segment> = None;
    let mut number = 0;
    loop {
        let segment = Segment::open(from, number, false, summary.id)?;
        if let Some(before) = &before {
            follows(before, &segment)?;
        }
        summary.id = Some(segment.header.journal);
        let bytes_total = segment.header.size * count.max(number + 1);
        let base = segment.header.size * number;
        let mut report = |at, records| {
            progress(Progress { bytes: base + at, bytes_total, records });
        };
        let mut reading = Reading::new(from, &segment);
        let out = to.map(|to| begin(to, &segment)).transpose()?;
        let ended = reading.read(out.as_deref(), judge, &mut report, &mut summary)?;
        if live && !ended.sealed {
            segment.sync().map_err(|trouble| trouble.fault("sync", from.path()))?;
        }
        if let (Some(to), Some(out)) = (to, &out) {
            finish(to, out.as_ref(), &segment, &reading, ended.sealed)?;
        }
        summary.segments += 1;
        if !ended.sealed {
            progress(Progress { bytes: bytes_total, bytes_total, records: summary.records });
            return Ok(summary);
        }
        before = Some(segment);
        number += 1;
    }
}

/// What headers and marks of a journal say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The journal's id.
    pub journal: JournalId,
    /// Segment files.
    pub segments: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// The index that the next record gets, as of the newest mark: more may follow it.
    pub next: Index,
}

/// Looks at headers and marks only, while the journal may be in use. `None` when there is none.
///
/// # Errors
/// [`Fault`] with the place; also when there is none where one has been.
pub fn survey(disk: &dyn Disk) -> Result<Option<Survey>, Fault> {
    let count = segment::list(disk)?.len() as u64;
    if count == 0 {
        let noted = super::disk::noted(disk).map_err(|error| Fault::Io {
            doing: "read the lock in",
            path: disk.path(),
            error: error.to_string(),
        })?;
        return noted.map_or(Ok(None), |before| Err(segment::lost(&before)));
    }
    let mut before: Option<Segment> = None;
    let (mut bytes, mut next) = (0, Index(0));
    for number in 0..count {
        let id = before.as_ref().map(|before| before.header.journal);
        let segment = Segment::open(disk, number, false, id)?;
        if let Some(before) = &before {
            follows(before, &segment)?;
        }
        next = segment.marks(disk)?.newest.next;
        bytes += segment.header.size;
        before = Some(segment);
    }
    let survey =
        |newest: Segment| Survey { journal: newest.header.journal, segments: count, bytes, next };
    Ok(before.map(survey))
}

/// The index that the next record gets as far as headers and marks of the journal on `disk` tell,
/// also where the batches do not hold. 0 when nothing tells.
///
/// # Errors
/// When the directory cannot be read.
pub fn claimed_next(disk: &dyn Disk) -> Result<Index, Fault> {
    let mut claimed = Index(0);
    for number in 0..segment::list(disk)?.len() as u64 {
        let Ok(segment) = Segment::open(disk, number, false, None) else { continue };
        claimed = claimed.max(segment.header.first);
        if let Ok(marks) = segment.marks(disk) {
            claimed = claimed.max(marks.newest.next);
        }
    }
    Ok(claimed)
}

/// How a segment ended.
struct Ended {
    /// Another segment follows.
    sealed: bool,
}

/// What is known to have been committed to a segment.
#[derive(Debug, Clone, Copy, Default)]
struct Proof {
    /// Up to here.
    to: u64,
    /// The next segment says that this one ends here.
    successor: Option<(u64, Link, Index)>,
    /// A body that may be half erased.
    erasing: Option<Erasing>,
}

/// A segment that is being read.
struct Reading<'a> {
    disk: &'a dyn Disk,
    segment: &'a Segment,
    at: u64,
    next: Index,
    last: Link,
    /// The last batch is in this segment.
    here: bool,
    proof: Proof,
}

impl<'a> Reading<'a> {
    fn new(disk: &'a dyn Disk, segment: &'a Segment) -> Self {
        Self {
            disk,
            segment,
            at: FIRST_BATCH,
            next: segment.header.first,
            last: segment.header.previous,
            here: false,
            proof: Proof::default(),
        }
    }

    fn read(
        &mut self,
        out: Option<&dyn DiskFile>,
        judge: &mut Judge<'_>,
        report: &mut dyn FnMut(u64, u64),
        summary: &mut Summary,
    ) -> Result<Ended, Fault> {
        while let Some(batch) = self.next_batch()? {
            let read = batch.read().map_err(|stop| self.fault(stop))?;
            judge(&read).map_err(|Objection { index, what }| Fault::Damaged {
                file: self.segment.name.clone(),
                offset: self.at,
                index,
                what,
            })?;
            let records = read.records.len() as u64;
            if let Some(out) = out {
                write_all(out, &batch.memory.bytes, self.at).map_err(|e| copying(&e))?;
            }
            let bytes = batch.memory.bytes.len() as u64;
            self.last = Link {
                id: batch.verified.header.id,
                segment: self.segment.header.number,
                offset: self.at,
                hash: batch.verified.hash,
            };
            self.here = true;
            self.at += bytes;
            self.next = batch.verified.header.next();
            summary.batches += 1;
            summary.bytes += bytes;
            summary.records += records;
            summary.erased += batch.verified.erased;
            summary.hash = Some(batch.verified.hash);
            report(self.at, summary.records);
        }
        let sealed = self.proof.successor.is_some();
        if let Some((end, link, first)) = self.proof.successor
            && (end != self.at || link != self.last || first != self.next)
        {
            let what = "the segment does not end as the next one says";
            let (offset, index) = (self.at, self.next);
            return Err(self.fault(Stop::Bad(Bad { offset, index, what })));
        }
        Ok(Ended { sealed })
    }

    /// The next whole batch; `None` at the end of what was committed.
    fn next_batch(&mut self) -> Result<Option<Batch>, Fault> {
        let mut bad = None;
        for look in 0..LOOKS {
            if look > 1 {
                sleep(LOOK_PAUSE);
            }
            if look > 0 || self.at >= self.proof.to {
                self.proof = self.look()?;
            }
            if self.proof.successor.is_some_and(|(end, ..)| self.at >= end) {
                return Ok(None);
            }
            match self.read_batch() {
                Ok(batch) => return Ok(Some(batch)),
                Err(Stop::Io(error)) => return Err(self.fault(Stop::Io(error))),
                Err(Stop::Bad(found)) => {
                    // Proof that was not there before the look may have come with the batch.
                    if !self.is_proven()? {
                        return Ok(None);
                    }
                    bad = Some(found);
                }
            }
        }
        let found = bad.unwrap_or(Bad {
            offset: self.at,
            index: self.next,
            what: "it does not stay the same from one look to the next",
        });
        Err(self.fault(Stop::Bad(found)))
    }

    /// Whether anything proves that a batch was committed here.
    fn is_proven(&mut self) -> Result<bool, Fault> {
        if self.at < self.proof.to {
            return Ok(true);
        }
        self.proof = self.look()?;
        if self.at < self.proof.to {
            return Ok(true);
        }
        if self.proof.successor.is_some() {
            return Ok(false);
        }
        proof_after(self.segment, self.at).map_err(|e| self.fault(Stop::Io(e)))
    }

    /// Looks at the marks and for the next segment, in this order: a segment is sealed only when
    /// the next one is there.
    fn look(&self) -> Result<Proof, Fault> {
        let mut marks = self.segment.marks(self.disk);
        for _ in 1..LOOKS {
            if marks.is_ok() {
                break;
            }
            // Both copies may be seen half written, one after the other.
            sleep(LOOK_PAUSE);
            marks = self.segment.marks(self.disk);
        }
        let mark = marks?.newest;
        let number = self.segment.header.number + 1;
        let is_there = segment::list(self.disk)?.len() as u64 > number;
        if !is_there && mark.sealed {
            return Err(segment::missing(number, mark.next));
        }
        if !is_there {
            return Ok(Proof { to: mark.end, successor: None, erasing: mark.erasing });
        }
        let next = Segment::open(self.disk, number, false, Some(self.segment.header.journal))?;
        follows(self.segment, &next)?;
        let header = &next.header;
        Ok(Proof {
            to: header.previous_end,
            successor: Some((header.previous_end, header.previous, header.first)),
            erasing: self.erasing_of_last()?,
        })
    }

    /// The erasure that the last segment of the journal says is under way.
    fn erasing_of_last(&self) -> Result<Option<Erasing>, Fault> {
        let last = segment::list(self.disk)?.len() as u64 - 1;
        let segment = Segment::open(self.disk, last, false, Some(self.segment.header.journal))?;
        // Marks that are half written are looked at again with the next look.
        Ok(segment.marks(self.disk).ok().and_then(|marks| marks.newest.erasing))
    }

    fn read_batch(&self) -> Result<Batch, Stop> {
        let Segment { header, file, place, .. } = self.segment;
        let mut window = Window::new(&**file, header.size);
        let batch = walk::header(&mut window, *place, self.at, self.next)?;
        let mut bytes = vec![0; to_usize(u64::from(batch.length))];
        let got = read_all(&**file, &mut bytes, self.at)?;
        bytes.truncate(got);
        if let Some(erasing) = self.proof.erasing.filter(|e| e.segment == header.number) {
            zero_within(&mut bytes, self.at, erasing);
        }
        let memory = Arc::new(Memory { base: self.at, bytes });
        let mut window = Window::new(&*memory, self.at + memory.bytes.len() as u64);
        let before = Before {
            next: self.next,
            id: self.last.id,
            hash: self.last.hash,
            offset: if self.here { self.last.offset } else { 0 },
        };
        let bodies = Bodies { proven: self.at < self.proof.to, erasing: None };
        let verified = walk::verify(&mut window, *place, self.at, &before, &bodies, &mut |_| ())?;
        Ok(Batch { memory, verified, place: *place, at: self.at })
    }

    fn fault(&self, stop: Stop) -> Fault {
        stop.fault(&self.disk.path(), &self.segment.name)
    }
}

/// A batch in memory in which everything holds.
struct Batch {
    memory: Arc<Memory>,
    verified: walk::Verified,
    place: crate::journal::format::Place,
    at: u64,
}

impl Batch {
    fn read(&self) -> Result<ReadBatch<'_>, Stop> {
        let header = &self.verified.header;
        let mut window = Window::new(&*self.memory, header.end(self.at));
        let limit = header.trailer_at(self.at).expect("`verify` has checked the lengths");
        let mut records = Vec::with_capacity(header.count as usize);
        let mut at = self.at + BATCH_HEADER as u64;
        for nth in 0..u64::from(header.count) {
            let index = header.first.plus(nth);
            let frame = walk::frame(&mut window, self.place, at, index, limit)?;
            let from = to_usize(frame.record_at - self.at);
            records.push(&self.memory.bytes[from..from + to_usize(frame.record_len)]);
            at = frame.end;
        }
        Ok(ReadBatch {
            id: header.id,
            first: header.first,
            hash: self.verified.hash,
            records,
            trailer: &self.verified.trailer,
        })
    }
}

/// A part of a file, in memory.
#[derive(Debug)]
struct Memory {
    base: u64,
    bytes: Vec<u8>,
}

impl DiskFile for Memory {
    fn size(&self) -> io::Result<u64> {
        Ok(self.base + self.bytes.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let Some(from) = offset.checked_sub(self.base) else { return Ok(0) };
        let rest = self.bytes.get(to_usize(from)..).unwrap_or_default();
        let len = rest.len().min(bytes.len());
        bytes[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn allocate(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Zeroes what of a body that is being erased lies within `bytes`, which start at `at`.
fn zero_within(bytes: &mut [u8], at: u64, erasing: Erasing) {
    let end = at + bytes.len() as u64;
    if erasing.offset >= at && erasing.offset + erasing.len <= end {
        let from = to_usize(erasing.offset - at);
        bytes[from..from + to_usize(erasing.len)].fill(0);
    }
}

/// Makes the file that a segment is copied to.
fn begin(to: &Target<'_>, segment: &Segment) -> Result<Arc<dyn DiskFile>, Fault> {
    let size = segment.header.size;
    let made = to.disk.create(&segment.name).and_then(|file| {
        if to.allocate {
            file.allocate(size)?;
        } else {
            write_all(&*file, &[0], size - 1)?;
        }
        write_all(&*file, &segment.header.encode(), 0)?;
        Ok(file)
    });
    made.map_err(|error| Fault::Io {
        doing: "make",
        path: format!("{}/{}", to.disk.path(), segment.name),
        error: error.to_string(),
    })
}

/// Writes the marks of a copy and syncs it.
fn finish(
    to: &Target<'_>,
    out: &dyn DiskFile,
    segment: &Segment,
    reading: &Reading<'_>,
    sealed: bool,
) -> Result<(), Fault> {
    let mark = Mark {
        journal: segment.header.journal,
        segment: segment.header.number,
        sealed,
        sequence: 1,
        end: reading.at,
        next: reading.next,
        last: reading.last.id,
        hash: reading.last.hash,
        erasing: None,
    };
    let block = mark.encode();
    let written = MARKS.iter().try_for_each(|at| write_all(out, &block, *at));
    written.and_then(|()| out.sync()).map_err(|error| Fault::Io {
        doing: "write",
        path: format!("{}/{}", to.disk.path(), segment.name),
        error: error.to_string(),
    })
}

fn copying(error: &io::Error) -> Fault {
    Fault::Io { doing: "write", path: "the copy".to_owned(), error: error.to_string() }
}
