//! Reads committed records from the segments, from any thread, while the writer goes on.
//!
//! Not for bytes that are not committed: what a reader sees is what the writer has published, and
//! the writer publishes after the sync. Readers share a few open segments with sparse indexes; the
//! writer never waits for them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::journal::disk::Disk;
use crate::journal::format::{BATCH_HEADER, BatchHeader, FIRST_BATCH};
use crate::journal::segment::Segment;
use crate::journal::walk::{self, BodyState, Frame, Stop, Window};
use crate::journal::{Body, Fault, Reader, Stored};
use crate::units::{Index, JournalId};

/// Segments that readers keep open: enough for a few that catch up at different places and all
/// that are at the end. Each has at most 64 MiB / 64 KiB = 1,024 points of 16 bytes by default.
const OPEN_MAX: usize = 8;

/// Distance of the points of a sparse index, in bytes of the file.
const POINT_EVERY: u64 = 64 * 1024;

/// No record is being erased.
pub(super) const NOT_ERASING: u64 = u64::MAX;

/// Where the batches of a segment end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) first: Index,
    pub(super) end: u64,
}

/// What has been committed.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// The index after the last committed record.
    pub(super) next: Index,
    /// All segments by number but for the last one.
    pub(super) full: Arc<Vec<Extent>>,
    /// The last segment.
    pub(super) tail: Extent,
}

impl View {
    /// The segment that holds `index`, where its batches end and its first index beyond.
    fn segment(&self, index: Index) -> (u64, u64, Index) {
        let number = if index >= self.tail.first {
            self.full.len()
        } else {
            self.full.partition_point(|e| e.first <= index).saturating_sub(1)
        };
        let extent = self.full.get(number).unwrap_or(&self.tail);
        let beyond = if number >= self.full.len() {
            self.next
        } else {
            self.full.get(number + 1).unwrap_or(&self.tail).first
        };
        (number as u64, extent.end, beyond)
    }
}

/// What writer and readers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) id: JournalId,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) view: ArcSwap<View>,
    /// The record whose body is being erased, or [`NOT_ERASING`].
    pub(super) erasing: AtomicU64,
    open: Mutex<VecDeque<Arc<Open>>>,
}

/// A segment that readers have open.
#[derive(Debug)]
struct Open {
    segment: Segment,
    sparse: Mutex<Sparse>,
}

/// Where some of a segment's batches start.
#[derive(Debug)]
struct Sparse {
    points: Vec<(Index, u64)>,
    /// As far as batches have been counted: the next one starts here, with this index.
    next: (Index, u64),
}

/// A frame and where it is.
pub(super) struct Located {
    pub(super) segment: u64,
    pub(super) frame: Frame,
}

impl Shared {
    pub(super) fn new(id: JournalId, disk: Arc<dyn Disk>, view: View) -> Self {
        let view = ArcSwap::from_pointee(view);
        let erasing = AtomicU64::new(NOT_ERASING);
        Self { id, disk, view, erasing, open: Mutex::new(VecDeque::new()) }
    }

    /// Finds the frame of a committed record.
    pub(super) fn locate(&self, index: Index) -> Result<Option<Located>, Fault> {
        let view = self.view.load();
        if index >= view.next {
            return Ok(None);
        }
        let (number, end, _) = view.segment(index);
        let open = self.open(number)?;
        let mut window = Window::new(&*open.segment.file, end);
        let found = open.seek(&mut window, index).and_then(|(offset, header)| {
            let mut frames = Frames::new(&open.segment, offset, &header);
            loop {
                let frame = frames.next(&mut window)?;
                if frame.index == index {
                    return Ok(Located { segment: number, frame });
                }
            }
        });
        found.map(Some).map_err(|stop| self.fault(&open, stop))
    }

    fn open(&self, number: u64) -> Result<Arc<Open>, Fault> {
        if let Some(open) = take(&mut lock(&self.open), number) {
            return Ok(open);
        }
        let segment = Segment::open(&*self.disk, number, false, Some(self.id))?;
        let next = (segment.header.first, FIRST_BATCH);
        let sparse = Mutex::new(Sparse { points: Vec::new(), next });
        let open = Arc::new(Open { segment, sparse });
        let mut all = lock(&self.open);
        all.truncate(OPEN_MAX - 1);
        all.push_front(Arc::clone(&open));
        Ok(open)
    }

    fn fault(&self, open: &Open, stop: Stop) -> Fault {
        stop.fault(&self.disk.path(), &open.segment.name)
    }

    /// Reads a body, minding that it may be erased meanwhile.
    fn body(&self, window: &mut Window<'_>, open: &Open, frame: &Frame) -> Result<Body, Stop> {
        let place = open.segment.place;
        match walk::body(window, place, frame).map(|state| state.to_body()) {
            Err(Stop::Bad(_)) => {}
            settled => return settled,
        }
        // Half of it may have been zero already. The eraser says so before it starts and until it
        // has finished; after that all of it is zero.
        if self.erasing.load(Ordering::Acquire) == frame.index.0 {
            return Ok(Body::Erased);
        }
        window.forget();
        walk::body(window, place, frame).map(|state: BodyState<'_>| state.to_body())
    }

    /// Reads from one segment until it or the room in `out` ends.
    fn read_segment(
        &self,
        open: &Open,
        (end, beyond): (u64, Index),
        out: &mut Taken,
    ) -> Result<(), Stop> {
        let mut window = Window::new(&*open.segment.file, end);
        let (mut offset, mut header) = open.seek(&mut window, out.next)?;
        loop {
            let mut frames = Frames::new(&open.segment, offset, &header);
            while frames.index < header.next() && out.has_room() {
                let frame = frames.next(&mut window)?;
                if frame.index < out.next {
                    continue;
                }
                let record = walk::record(&mut window, &frame)?;
                let body = self.body(&mut window, open, &frame)?;
                out.push(Stored { index: frame.index, batch: header.id, record, body });
            }
            if out.next >= beyond || !out.has_room() {
                return Ok(());
            }
            offset = header.end(offset);
            header = walk::header(&mut window, open.segment.place, offset, header.next())?;
        }
    }
}

impl Reader for Shared {
    fn next_index(&self) -> Index {
        self.view.load().next
    }

    fn read(
        &self,
        from: Index,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Stored>, Fault> {
        let view = self.view.load_full();
        let mut out = Taken { next: from, records: Vec::new(), bytes: 0, records_max, bytes_max };
        while out.next < view.next && out.has_room() {
            let (number, end, beyond) = view.segment(out.next);
            let open = self.open(number)?;
            self.read_segment(&open, (end, beyond), &mut out)
                .map_err(|stop| self.fault(&open, stop))?;
        }
        Ok(out.records)
    }

    fn trailer(&self, index: Index) -> Result<Option<Vec<u8>>, Fault> {
        let view = self.view.load_full();
        if index >= view.next {
            return Ok(None);
        }
        let (number, end, _) = view.segment(index);
        let open = self.open(number)?;
        let mut window = Window::new(&*open.segment.file, end);
        open.seek(&mut window, index)
            .and_then(|(offset, header)| {
                walk::trailer(&mut window, open.segment.place, offset, &header)
            })
            .map(|(trailer, _)| Some(trailer))
            .map_err(|stop| self.fault(&open, stop))
    }
}

impl Open {
    /// Finds the batch that holds `index`, which has been committed to this segment.
    fn seek(&self, window: &mut Window<'_>, index: Index) -> Result<(u64, BatchHeader), Stop> {
        let mut sparse = lock(&self.sparse);
        let (mut first, mut offset) = if index >= sparse.next.0 {
            sparse.next
        } else {
            let after = sparse.points.partition_point(|(first, _)| *first <= index);
            sparse.points[after.saturating_sub(1)]
        };
        loop {
            let header = walk::header(window, self.segment.place, offset, first)?;
            if offset == sparse.next.1 {
                let due = sparse.points.last().is_none_or(|(_, at)| at + POINT_EVERY <= offset);
                if due {
                    sparse.points.push((first, offset));
                }
                sparse.next = (header.next(), header.end(offset));
            }
            if index < header.next() {
                return Ok((offset, header));
            }
            (first, offset) = (header.next(), header.end(offset));
        }
    }
}

/// The frames of one batch, in order.
struct Frames<'a> {
    segment: &'a Segment,
    index: Index,
    at: u64,
    limit: u64,
}

impl<'a> Frames<'a> {
    fn new(segment: &'a Segment, offset: u64, header: &BatchHeader) -> Self {
        let limit = header.trailer_at(offset).expect("`walk::header` has checked the lengths");
        Self { segment, index: header.first, at: offset + BATCH_HEADER as u64, limit }
    }

    fn next(&mut self, window: &mut Window<'_>) -> Result<Frame, Stop> {
        let frame = walk::frame(window, self.segment.place, self.at, self.index, self.limit)?;
        self.at = frame.end;
        self.index = self.index.plus(1);
        Ok(frame)
    }
}

/// What has been read, and how much more may be.
struct Taken {
    next: Index,
    records: Vec<Stored>,
    bytes: usize,
    records_max: usize,
    bytes_max: usize,
}

impl Taken {
    fn has_room(&self) -> bool {
        self.records.len() < self.records_max
            && (self.records.is_empty() || self.bytes < self.bytes_max)
    }

    fn push(&mut self, stored: Stored) {
        let body = match &stored.body {
            Body::Present(bytes) => bytes.len(),
            Body::None | Body::Erased => 0,
        };
        self.bytes += stored.record.len() + body;
        self.next = stored.index.plus(1);
        self.records.push(stored);
    }
}

/// The open segment with this number, moved to the front.
fn take(all: &mut VecDeque<Arc<Open>>, number: u64) -> Option<Arc<Open>> {
    let at = all.iter().position(|open| open.segment.header.number == number)?;
    let open = all.remove(at)?;
    all.push_front(Arc::clone(&open));
    Some(open)
}

/// A panic of another reader leaves nothing half done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
