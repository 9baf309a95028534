//! The journal in a directory: the writer.
//!
//! Not for the bytes (`format.rs`) nor for what is found on opening (`recover.rs`).
//! - One write and one sync per batch; a batch is written only after the one before it was synced.
//! - A batch never spans segments; a segment's room is allocated when it is made.
//! - What is full leaves everything as it was. Any other failure, and any failed sync, ends this
//!   writer: a sync that is tried again proves nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::journal::disk::{Disk, Lock, RealDisk, fill, write_all};
use crate::journal::format::{
    Erasing, FIRST_BATCH, Link, Mark, Position, SegmentHeader, batch_len, encode_batch,
};
use crate::journal::reader::{Extent, NOT_ERASING, Shared, View};
use crate::journal::scan::Last;
use crate::journal::segment::{Segment, Trouble};
use crate::journal::{AppendError, Batch, Fault, Journal, Reader, Truncation, recover};
use crate::units::{BatchId, Index, JournalId};

/// How a journal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Size of a segment that is made from now on, in bytes: rounded up to a multiple of 4096, at
    /// least 32 KiB, at most 1 GiB. 64 MiB by default: opening reads the last one (about 0.1 s),
    /// and a thousand of them are a directory one can still look at.
    pub segment_bytes: u64,
    /// The largest batch on disk, in bytes; at most what a segment holds. 16 MiB by default: the
    /// largest envelope is 1 MiB, and what commits together should commit within a moment.
    pub batch_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, batch_bytes_max: 16 << 20 }
    }
}

impl Options {
    /// The size of a new segment.
    pub(super) fn segment_size(&self) -> u64 {
        self.segment_bytes.clamp(32 << 10, 1 << 30).next_multiple_of(4096)
    }

    fn batch_max(&self) -> u64 {
        self.batch_bytes_max.min(self.segment_size() - FIRST_BATCH)
    }
}

/// What was found on opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// There was no journal; one was made.
    pub created: bool,
    /// A torn tail was cut off. It was never acknowledged; the journal's user records the fact.
    pub truncation: Option<Truncation>,
    /// One copy of a commit mark did not hold and was written again from the other: a crash while
    /// it was written, or a damaged byte. Nothing is lost.
    pub mark_repaired: bool,
}

/// A journal in a directory, open for appending. One process at a time.
#[derive(Debug)]
pub struct FileJournal {
    pub(super) shared: Arc<Shared>,
    pub(super) options: Options,
    pub(super) tail: Tail,
    /// The segment before, as long as its mark does not say that it is finished.
    pub(super) unsealed: Option<Finished>,
    /// Why this writer has ended.
    pub(super) failed: Option<String>,
    /// A write that did not fit may have left bytes up to here.
    pub(super) dirty_to: u64,
    pub(super) buffer: Vec<u8>,
    pub(super) _lock: Lock,
}

/// Where the next batch goes.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) segment: Segment,
    pub(super) end: u64,
    pub(super) next: Index,
    pub(super) last: Option<Last>,
    pub(super) sequence: u64,
    /// The mark on disk names the last batch and no erasure.
    pub(super) marked: bool,
    /// The copy of the mark that may not hold.
    pub(super) suspect: usize,
}

impl Tail {
    pub(super) fn link(&self) -> Link {
        self.last.as_ref().map_or(Link::NONE, |last| last.link)
    }

    pub(super) fn mark(&self, sealed: bool, erasing: Option<Erasing>) -> Mark {
        let link = self.link();
        Mark {
            journal: self.segment.header.journal,
            segment: self.segment.header.number,
            sealed,
            sequence: self.sequence + 1,
            end: self.end,
            next: self.next,
            last: link.id,
            hash: link.hash,
            erasing,
        }
    }

    /// Writes a mark that names the last batch.
    pub(super) fn write_mark(&mut self, erasing: Option<Erasing>) -> Result<(), Trouble> {
        let mark = self.mark(false, erasing);
        self.sequence = mark.sequence;
        self.marked = false;
        self.segment.write_mark(&mark, &mut self.suspect)?;
        self.marked = erasing.is_none();
        Ok(())
    }
}

/// A segment to which nothing is added, and the mark that says so.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) segment: Segment,
    pub(super) mark: Mark,
    pub(super) suspect: usize,
}

impl FileJournal {
    /// Opens the journal in `dir`, or makes one if there is none.
    ///
    /// # Errors
    /// [`Fault::InUse`] when another process has it; [`Fault::Damaged`] with the place when
    /// something that was committed does not hold; [`Fault::Foreign`] for another version or a
    /// segment of another journal; [`Fault::Io`].
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Opened), Fault> {
        let disk = RealDisk::create(dir).map_err(|e| Fault::Io {
            doing: "make",
            path: dir.display().to_string(),
            error: e.to_string(),
        })?;
        Self::open_on(Arc::new(disk), options)
    }

    /// As [`Self::open`], on any disk.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_on(disk: Arc<dyn Disk>, options: Options) -> Result<(Self, Opened), Fault> {
        recover::open(disk, options)
    }

    /// The directory of the journal.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(self.shared.disk.path())
    }

    fn alive(&self) -> Result<(), AppendError> {
        match &self.failed {
            Some(why) => Err(AppendError::Unknown(why.clone())),
            None => Ok(()),
        }
    }

    /// Ends this writer if nobody knows what is on the disk.
    fn settle(&mut self, done: Result<(), Trouble>) -> Result<(), AppendError> {
        match done {
            Ok(()) => Ok(()),
            Err(Trouble::Full) => Err(AppendError::Full),
            Err(Trouble::Failed(why)) => {
                self.failed = Some(why.clone());
                Err(AppendError::Unknown(why))
            }
        }
    }

    fn commit(&mut self, batch: &Batch, bytes: u64) -> Result<(), Trouble> {
        self.clean()?;
        if self.tail.end + bytes > self.tail.segment.header.size {
            self.roll()?;
        }
        self.seal()?;

        let tail = &self.tail;
        let link = tail.link();
        let here = link.segment == tail.segment.header.number;
        let position = Position {
            place: tail.segment.place,
            offset: tail.end,
            first: tail.next,
            previous: link.id,
            previous_offset: if here { link.offset } else { 0 },
            previous_hash: link.hash,
        };
        let hash = encode_batch(&mut self.buffer, batch, &position);

        // From here until the sync returns, a crash leaves all of the batch or a torn tail.
        let segment = &self.tail.segment;
        if let Err(error) = write_all(&*segment.file, &self.buffer, self.tail.end) {
            let trouble = Trouble::wrote("write", &segment.name, &error);
            self.dirty_to = self.tail.end + bytes;
            // Best now, so that nothing is left if nothing follows; if there is no room for zeroes
            // either, the next commit starts with it.
            if matches!(trouble, Trouble::Full) {
                self.clean()?;
            }
            return Err(trouble);
        }
        segment.sync()?;

        // The commit point: the batch is durable, whatever happens now.
        let link =
            Link { id: batch.id, segment: segment.header.number, offset: self.tail.end, hash };
        let first = self.tail.next;
        self.tail.last = Some(Last { link, first, trailer: batch.trailer.clone() });
        self.tail.end += bytes;
        self.tail.next = first.plus(batch.entries.len() as u64);
        self.tail.marked = false;
        self.publish();
        Ok(())
    }

    /// Zeroes, durably, what a write that did not fit may have left behind the last batch.
    fn clean(&mut self) -> Result<(), Trouble> {
        if self.dirty_to > self.tail.end {
            let segment = &self.tail.segment;
            fill(&*segment.file, self.tail.end, self.dirty_to)
                .map_err(|e| Trouble::wrote("write", &segment.name, &e))?;
            segment.sync()?;
        }
        self.dirty_to = 0;
        Ok(())
    }

    /// Goes on in a new segment.
    fn roll(&mut self) -> Result<(), Trouble> {
        // The segment before must say that it is finished before a third one is begun.
        self.seal()?;
        let old = self.tail.segment.header;
        let header = SegmentHeader {
            journal: old.journal,
            number: old.number + 1,
            first: self.tail.next,
            size: self.options.segment_size(),
            previous: self.tail.link(),
            previous_end: self.tail.end,
        };
        let mark = first_mark(&header);
        let segment = Segment::create(&*self.shared.disk, header, &mark)?;

        let finished = Finished {
            mark: self.tail.mark(true, None),
            suspect: self.tail.suspect,
            segment: std::mem::replace(&mut self.tail.segment, segment),
        };
        let view = self.shared.view.load_full();
        let mut full = Vec::clone(&view.full);
        full.push(view.tail);
        let tail = Extent { first: header.first, end: FIRST_BATCH };
        self.shared.view.store(Arc::new(View { next: view.next, full: Arc::new(full), tail }));
        self.tail.end = FIRST_BATCH;
        self.tail.sequence = mark.sequence;
        self.tail.suspect = 0;
        self.tail.marked = true;
        self.unsealed = Some(finished);
        Ok(())
    }

    /// Says in the segment before that it is finished, so that a later one cannot get lost unseen.
    pub(super) fn seal(&mut self) -> Result<(), Trouble> {
        if let Some(finished) = &mut self.unsealed {
            finished.segment.write_mark(&finished.mark, &mut finished.suspect)?;
            self.unsealed = None;
        }
        Ok(())
    }

    fn publish(&self) {
        let view = self.shared.view.load();
        let tail = Extent { first: view.tail.first, end: self.tail.end };
        let full = Arc::clone(&view.full);
        self.shared.view.store(Arc::new(View { next: self.tail.next, full, tail }));
    }

    /// Zeroes a body. Until all of it is durable, the mark says which.
    fn erase_body(&mut self, index: Index, body: Erasing) -> Result<(), Trouble> {
        let number = self.tail.segment.header.number;
        let segment = if body.segment == number {
            self.tail.segment.clone()
        } else {
            Segment::open(&*self.shared.disk, body.segment, true, Some(self.shared.id))
                .map_err(|fault| Trouble::Failed(fault.to_string()))?
        };
        self.tail.write_mark(Some(body))?;
        self.shared.erasing.store(index.0, Ordering::Release);
        // Half an erasure is finished on opening, by the mark; so a failure here ends the writer
        // even when it is for lack of room.
        zero(&segment, body).map_err(Trouble::Failed)?;
        self.shared.erasing.store(NOT_ERASING, Ordering::Release);
        Ok(())
    }
}

impl Journal for FileJournal {
    fn id(&self) -> JournalId {
        self.shared.id
    }

    fn next_index(&self) -> Index {
        self.tail.next
    }

    fn last_batch(&self) -> Option<(BatchId, Vec<u8>)> {
        self.tail.last.as_ref().map(|last| (last.link.id, last.trailer.clone()))
    }

    fn append(&mut self, expected: Index, batch: &Batch) -> Result<(), AppendError> {
        assert!(!batch.entries.is_empty(), "a batch has at least one record");
        self.alive()?;
        if self.tail.last.as_ref().is_some_and(|l| l.link.id == batch.id && l.first == expected) {
            return Ok(());
        }
        if expected != self.tail.next {
            return Err(AppendError::Conflict(self.tail.next));
        }
        let (bytes, max) = (batch_len(batch), self.options.batch_max());
        if bytes > max {
            return Err(AppendError::TooLarge { bytes, max });
        }
        let done = self.commit(batch, bytes);
        self.settle(done)
    }

    fn erase(&mut self, index: Index) -> Result<(), Fault> {
        let unable = |error: String| Fault::Io {
            doing: "erase a body in",
            path: self.shared.disk.path(),
            error,
        };
        self.alive().map_err(|error| unable(error.to_string()))?;
        let located = self.shared.locate(index)?;
        let Some(located) = located else {
            return Err(unable(format!("there is no record {index}")));
        };
        let frame = located.frame;
        if frame.body_len == 0 {
            return Ok(());
        }
        let body = Erasing { segment: located.segment, offset: frame.body_at, len: frame.body_len };
        let done = self.erase_body(index, body);
        let path = self.shared.disk.path();
        self.settle(done).map_err(|error| Fault::Io {
            doing: "erase a body in",
            path,
            error: error.to_string(),
        })
    }

    fn idle(&mut self) -> Result<(), AppendError> {
        self.alive()?;
        if self.tail.marked && self.unsealed.is_none() {
            return Ok(());
        }
        self.probe()
    }

    fn probe(&mut self) -> Result<(), AppendError> {
        self.alive()?;
        let done = self.seal().and_then(|()| self.tail.write_mark(None));
        self.settle(done)
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::<Shared>::clone(&self.shared)
    }
}

/// The mark of a segment without batches.
pub(super) fn first_mark(header: &SegmentHeader) -> Mark {
    Mark {
        journal: header.journal,
        segment: header.number,
        sealed: false,
        sequence: 1,
        end: FIRST_BATCH,
        next: header.first,
        last: header.previous.id,
        hash: header.previous.hash,
        erasing: None,
    }
}

/// Zeroes a body and syncs.
pub(super) fn zero(segment: &Segment, body: Erasing) -> Result<(), String> {
    fill(&*segment.file, body.offset, body.offset + body.len)
        .and_then(|()| segment.file.sync())
        .map_err(|e| format!("erase in {}: {e}", segment.name))
}
