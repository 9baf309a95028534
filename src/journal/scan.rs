//! Goes through a whole segment and says where what was committed ends.
//!
//! Not for repairing: reads only, for opening and for `check`. The judgement is here: what does not
//! hold is **damage** when something proves that it was committed (a mark, the next segment, or a
//! later batch header, which is only written after the sync of all before it), and a **torn tail**
//! otherwise.

use std::io;

use crate::journal::disk::Disk;
use crate::journal::format::{
    BATCH_HEADER, BATCH_MAGIC, BatchHeader, Erasing, FIRST_BATCH, Link, Mark, Place, Sha256,
};
use crate::journal::segment::Segment;
use crate::journal::walk::{self, Bad, Before, Seen, Stop, Window, all_zero};
use crate::journal::{Fault, Truncation};
use crate::units::Index;

/// The last committed batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Last {
    pub(super) link: Link,
    pub(super) first: Index,
    pub(super) trailer: Vec<u8>,
}

/// What a segment holds.
#[derive(Debug)]
pub(super) struct Scanned {
    /// Where its batches end.
    pub(super) end: u64,
    /// The index after its last record.
    pub(super) next: Index,
    /// Its last batch.
    pub(super) last: Option<Last>,
    /// What follows that and cannot be used.
    pub(super) torn: Option<Truncation>,
    pub(super) batches: u64,
    pub(super) erased: u64,
}

impl Scanned {
    /// The id and hash of the last batch here or before.
    pub(super) fn link(&self, segment: &Segment) -> Link {
        self.last.as_ref().map_or(segment.header.previous, |last| last.link)
    }
}

/// Goes through `segment`. `successor_end` is where the next segment says that this one ends.
/// `erasing` is a body that may be half zeroed, in whatever segment. `progress` hears the offset
/// now and then; `look` is shown every record.
pub(super) fn scan(
    disk: &dyn Disk,
    segment: &Segment,
    mark: &Mark,
    successor_end: Option<u64>,
    erasing: Option<Erasing>,
    progress: &mut dyn FnMut(u64),
    look: &mut dyn FnMut(Seen<'_>),
) -> Result<Scanned, Fault> {
    scan_bytes(segment, mark, successor_end, erasing, progress, look)
        .map_err(|stop| stop.fault(&disk.path(), &segment.name))
}

fn scan_bytes(
    segment: &Segment,
    mark: &Mark,
    successor_end: Option<u64>,
    erasing: Option<Erasing>,
    progress: &mut dyn FnMut(u64),
    look: &mut dyn FnMut(Seen<'_>),
) -> Result<Scanned, Stop> {
    let header = &segment.header;
    let limit = successor_end.unwrap_or(header.size).min(header.size);
    let mut window = Window::new(&*segment.file, limit);
    let mut found = Scanned {
        end: FIRST_BATCH,
        next: header.first,
        last: None,
        torn: None,
        batches: 0,
        erased: 0,
    };
    let erasing = erasing.filter(|e| e.segment == header.number).map(|e| e.offset);
    let proven_to = successor_end.unwrap_or(mark.end);
    loop {
        progress(found.end);
        check_mark(segment, mark, &found)?;
        if found.end == limit {
            break;
        }
        let at = found.end;
        let link = found.link(segment);
        let before = Before {
            next: found.next,
            id: link.id,
            hash: link.hash,
            offset: if found.last.is_some() { link.offset } else { 0 },
        };
        let bodies = walk::Bodies { proven: at < proven_to, erasing };
        match walk::verify(&mut window, segment.place, at, &before, &bodies, look) {
            Ok(batch) => {
                let link = Link {
                    id: batch.header.id,
                    segment: header.number,
                    offset: at,
                    hash: batch.hash,
                };
                found.last = Some(Last { link, first: batch.header.first, trailer: batch.trailer });
                found.end = batch.header.end(at);
                found.next = batch.header.next();
                found.batches += 1;
                found.erased += batch.erased;
            }
            Err(Stop::Bad(bad)) => {
                if at < proven_to {
                    return Err(Stop::Bad(bad));
                }
                // Mostly there is nothing but zeroes; then nothing needs proof.
                found.torn = leftovers(segment, at)?;
                if found.torn.is_some() && proof_after(segment, at)? {
                    return Err(Stop::Bad(bad));
                }
                break;
            }
            Err(Stop::Io(error)) => return Err(Stop::Io(error)),
        }
    }
    // A sealed segment ends where the next one says; after that there is nothing.
    if successor_end.is_some()
        && mark.sealed
        && let Some(left) = leftovers(segment, found.end)?
    {
        let what = "there is something after the last batch";
        return Err(Stop::Bad(Bad { offset: left.offset, index: found.next, what }));
    }
    Ok(found)
}

/// Where the mark says that batches end, they must, and as it says.
fn check_mark(segment: &Segment, mark: &Mark, found: &Scanned) -> Result<(), Stop> {
    let link = found.link(segment);
    let start = found.last.as_ref().map_or(FIRST_BATCH, |last| last.link.offset);
    let agrees = mark.next == found.next && mark.last == link.id && mark.hash == link.hash;
    let wrong = (mark.end == found.end && !agrees)
        || (start < mark.end && mark.end < found.end)
        || mark.end < FIRST_BATCH;
    if wrong {
        let what = "the batches are not those that the mark names";
        return Err(Stop::Bad(Bad { offset: start, index: found.next, what }));
    }
    Ok(())
}

/// Whether a batch header that holds follows `offset`: it would prove what is there committed.
pub(super) fn proof_after(segment: &Segment, offset: u64) -> io::Result<bool> {
    let size = segment.header.size;
    let mut window = Window::new(&*segment.file, size);
    let mut from = offset + 8;
    while from + BATCH_HEADER as u64 <= size {
        // Batches start at multiples of 8; one that starts in this stride may end beyond it.
        let len = (STRIDE + BATCH_HEADER as u64).min(size - from);
        let Some(bytes) = window.get(from, len)? else { break };
        let starts = bytes.len() - BATCH_HEADER + 1;
        if !all_zero(bytes) {
            for at in (0..starts).step_by(8).filter(|at| bytes[*at] == BATCH_MAGIC[0]) {
                let batch = &bytes[at..at + BATCH_HEADER];
                if BatchHeader::decode(batch, segment.place, from + at as u64).is_some() {
                    return Ok(true);
                }
            }
        }
        from += STRIDE;
    }
    Ok(false)
}

/// How much is compared with zeroes at a time.
const STRIDE: u64 = 4096;

/// What there is from `from` to the last byte of the file that is not zero.
pub(super) fn leftovers(segment: &Segment, from: u64) -> io::Result<Option<Truncation>> {
    let mut window = Window::new(&*segment.file, segment.header.size);
    let mut end = from;
    let mut at = from;
    while at < segment.header.size {
        let len = STRIDE.min(segment.header.size - at);
        let Some(bytes) = window.get(at, len)? else { break };
        if !all_zero(bytes) {
            end = at + bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last as u64 + 1);
        }
        at += len;
    }
    if end == from {
        return Ok(None);
    }
    let mut hash = Sha256::new();
    let mut at = from;
    while at < end {
        let len = STRIDE.min(end - at);
        let Some(bytes) = window.get(at, len)? else { break };
        hash.update(bytes);
        at += len;
    }
    let file = segment.name.clone();
    Ok(Some(Truncation { file, offset: from, bytes: end - from, sha256: hash.finish() }))
}

/// Reads the batch that `link` names, which was committed.
pub(super) fn last_batch(disk: &dyn Disk, segment: &Segment, link: Link) -> Result<Last, Fault> {
    let mut window = Window::new(&*segment.file, segment.header.size);
    read_last(&mut window, segment.place, link)
        .map_err(|stop| stop.fault(&disk.path(), &segment.name))
}

fn read_last(window: &mut Window<'_>, place: Place, link: Link) -> Result<Last, Stop> {
    let header = match window.get(link.offset, BATCH_HEADER as u64)? {
        Some(bytes) => BatchHeader::decode(bytes, place, link.offset),
        None => None,
    };
    let wrong = |index| {
        let what = "it is not the batch that the next segment names";
        Stop::Bad(Bad { offset: link.offset, index, what })
    };
    let header = header.ok_or_else(|| wrong(Index(0)))?;
    let header = walk::header(window, place, link.offset, header.first)?;
    let (trailer, hash) = walk::trailer(window, place, link.offset, &header)?;
    if hash != link.hash || header.id != link.id {
        return Err(wrong(header.first));
    }
    Ok(Last { link, first: header.first, trailer })
}
