//! Reads batches and frames from a segment, checking everything it reads.
//!
//! Not for deciding what damage means: that depends on where it is (see `scan.rs`). No byte of a
//! record or body leaves here whose checksum does not hold.

use std::io;

use crate::journal::disk::{DiskFile, ZEROES, read_all};
use crate::journal::format::{
    BATCH_END, BATCH_HEADER, BatchHeader, FRAME_HEADER, FrameHeader, Place, Sha256, decode_end,
    padded,
};
use crate::journal::{Body, Fault};
use crate::units::{BatchId, Hash, Index};

/// How much is read at a time: larger than most batches, small enough for any number of readers.
const WINDOW: u64 = 64 * 1024;

/// A part of a file, moved as needed.
pub(super) struct Window<'a> {
    file: &'a dyn DiskFile,
    limit: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    /// Reads `file` up to `limit`.
    pub(super) fn new(file: &'a dyn DiskFile, limit: u64) -> Self {
        Self { file, limit, start: 0, bytes: Vec::new() }
    }

    /// `len` bytes at `offset`; `None` when they are not all there.
    pub(super) fn get(&mut self, offset: u64, len: u64) -> io::Result<Option<&[u8]>> {
        if offset.checked_add(len).is_none_or(|end| end > self.limit) {
            return Ok(None);
        }
        let loaded = self.start + self.bytes.len() as u64;
        if offset < self.start || offset + len > loaded {
            let want = len.max(WINDOW.min(self.limit - offset));
            self.start = offset;
            self.bytes.resize(to_usize(want), 0);
            let got = read_all(self.file, &mut self.bytes, offset)?;
            self.bytes.truncate(got);
        }
        let from = to_usize(offset - self.start);
        Ok(self.bytes.get(from..from + to_usize(len)))
    }

    /// Forgets what was read, to see it anew.
    pub(super) fn forget(&mut self) {
        self.bytes.clear();
    }
}

/// Bytes that do not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) offset: u64,
    pub(super) index: Index,
    pub(super) what: &'static str,
}

/// Why walking stopped.
#[derive(Debug)]
pub(super) enum Stop {
    Bad(Bad),
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Stop {
    /// As a fault in this file of this directory.
    pub(super) fn fault(self, dir: &str, file: &str) -> Fault {
        match self {
            Self::Bad(Bad { offset, index, what }) => {
                Fault::Damaged { file: file.to_owned(), offset, index, what: what.to_owned() }
            }
            Self::Io(error) => {
                Fault::Io { doing: "read", path: format!("{dir}/{file}"), error: error.to_string() }
            }
        }
    }
}

fn bad<T>(offset: u64, index: Index, what: &'static str) -> Result<T, Stop> {
    Err(Stop::Bad(Bad { offset, index, what }))
}

/// Reads the header of the batch at `offset`, which must start with record `first`.
pub(super) fn header(
    window: &mut Window<'_>,
    place: Place,
    offset: u64,
    first: Index,
) -> Result<BatchHeader, Stop> {
    let Some(bytes) = window.get(offset, BATCH_HEADER as u64)? else {
        return bad(offset, first, "the file ends where a batch header belongs");
    };
    let Some(header) = BatchHeader::decode(bytes, place, offset) else {
        return bad(offset, first, "the batch header does not hold");
    };
    if header.first != first || header.count == 0 {
        return bad(offset, first, "the batch does not follow the one before");
    }
    if header.trailer_at(offset).is_none() || header.end(offset) > window.limit {
        return bad(offset, first, "the batch is longer than what there is of it");
    }
    Ok(header)
}

/// A frame whose header and record hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) index: Index,
    pub(super) record_at: u64,
    pub(super) record_len: u64,
    pub(super) body_at: u64,
    pub(super) body_len: u64,
    body_crc: u32,
    /// Where the next frame or the trailer starts.
    pub(super) end: u64,
}

/// Reads the frame of `index` at `offset`, which must end at `limit` or before.
pub(super) fn frame(
    window: &mut Window<'_>,
    place: Place,
    offset: u64,
    index: Index,
    limit: u64,
) -> Result<Frame, Stop> {
    let decoded = match window.get(offset, FRAME_HEADER as u64)? {
        Some(bytes) => FrameHeader::decode(bytes),
        None => None,
    };
    let Some(header) = decoded else {
        return bad(offset, index, "no frame starts here");
    };
    let end = offset + padded(header.used());
    if end > limit {
        return bad(offset, index, "the frame is longer than its batch");
    }
    let record_len = u64::from(header.record_len);
    let whole = window.get(offset, FRAME_HEADER as u64 + record_len)?;
    if !whole.is_some_and(|bytes| header.holds(bytes, place, offset, index)) {
        return bad(offset, index, "the checksum of the record does not hold");
    }
    let record_at = offset + FRAME_HEADER as u64;
    Ok(Frame {
        index,
        record_at,
        record_len,
        body_at: record_at + record_len,
        body_len: u64::from(header.body_len),
        body_crc: header.body_crc,
        end,
    })
}

/// Reads the record of a frame.
pub(super) fn record(window: &mut Window<'_>, frame: &Frame) -> Result<Vec<u8>, Stop> {
    match window.get(frame.record_at, frame.record_len)? {
        Some(bytes) => Ok(bytes.to_vec()),
        None => bad(frame.record_at, frame.index, "the file ends within the record"),
    }
}

/// What a frame's body is, without a copy of it.
pub(super) enum BodyState<'a> {
    None,
    Present(&'a [u8]),
    Erased,
}

impl BodyState<'_> {
    /// As a value of its own.
    pub(super) fn to_body(&self) -> Body {
        match self {
            Self::None => Body::None,
            Self::Present(bytes) => Body::Present(bytes.to_vec()),
            Self::Erased => Body::Erased,
        }
    }
}

/// Reads the body of a frame.
pub(super) fn body<'a>(
    window: &'a mut Window<'_>,
    place: Place,
    frame: &Frame,
) -> Result<BodyState<'a>, Stop> {
    if frame.body_len == 0 {
        return Ok(BodyState::None);
    }
    let Some(bytes) = window.get(frame.body_at, frame.body_len)? else {
        return bad(frame.body_at, frame.index, "the file ends within the body");
    };
    if place.crc(frame.body_at, &[bytes]) == frame.body_crc {
        Ok(BodyState::Present(bytes))
    } else if all_zero(bytes) {
        Ok(BodyState::Erased)
    } else {
        bad(frame.body_at, frame.index, "the checksum of the body does not hold")
    }
}

/// Reads the trailer of the batch at `offset` and the hash that follows it.
pub(super) fn trailer(
    window: &mut Window<'_>,
    place: Place,
    offset: u64,
    header: &BatchHeader,
) -> Result<(Vec<u8>, Hash), Stop> {
    let len = u64::from(header.trailer_len);
    let at = header.trailer_at(offset).expect("`header` has checked the lengths");
    let Some(bytes) = window.get(at, padded(len) + BATCH_END as u64)? else {
        return bad(at, header.first, "the file ends within the trailer");
    };
    let (opaque, rest) = bytes.split_at(to_usize(len));
    let (padding, end) = rest.split_at(to_usize(padded(len) - len));
    match decode_end(end) {
        Some((crc, hash)) if crc == place.crc(at, &[opaque]) && all_zero(padding) => {
            Ok((opaque.to_vec(), hash))
        }
        Some(_) => bad(at, header.first, "the checksum of the trailer does not hold"),
        None => bad(at, header.first, "the batch does not end here"),
    }
}

/// What a batch must follow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    pub(super) next: Index,
    pub(super) id: BatchId,
    pub(super) hash: Hash,
    /// 0 when it is in another segment or there is none.
    pub(super) offset: u64,
}

/// A batch in which everything holds.
pub(super) struct Verified {
    pub(super) header: BatchHeader,
    pub(super) trailer: Vec<u8>,
    pub(super) hash: Hash,
    pub(super) erased: u64,
}

/// What is known of a batch's bodies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bodies {
    /// The batch was committed, so that a body of zeroes has been erased.
    pub(super) proven: bool,
    /// The body that starts here may be half erased.
    pub(super) erasing: Option<u64>,
}

/// Something whose own checksum holds, for whoever checks to look at. It is shown before all of its
/// batch is read: it counts only when the check of the whole journal succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'a> {
    /// A record.
    Record(Index, &'a [u8]),
    /// The body of the record before has been erased.
    Erased(Index),
}

/// Checks every byte of the batch at `offset`, and shows its records to `look`.
pub(super) fn verify(
    window: &mut Window<'_>,
    place: Place,
    offset: u64,
    before: &Before,
    bodies: &Bodies,
    look: &mut dyn FnMut(Seen<'_>),
) -> Result<Verified, Stop> {
    let header = header(window, place, offset, before.next)?;
    let follows = header.previous == before.id
        && header.previous_hash == before.hash
        && header.previous_offset == before.offset;
    if !follows {
        return bad(offset, before.next, "the batch does not follow the one before");
    }
    let mut hash = Sha256::new();
    if let Some(bytes) = window.get(offset, BATCH_HEADER as u64)? {
        hash.update(bytes);
    }
    let trailer_at = header.trailer_at(offset).expect("`header` has checked the lengths");
    let mut at = offset + BATCH_HEADER as u64;
    let mut erased = 0;
    for nth in 0..u64::from(header.count) {
        let frame = frame(window, place, at, header.first.plus(nth), trailer_at)?;
        if let Some(bytes) = window.get(at, frame.body_at - at)? {
            hash.update(bytes);
        }
        if let Some(record) = window.get(frame.record_at, frame.record_len)? {
            look(Seen::Record(frame.index, record));
        }
        let halved = bodies.proven && bodies.erasing == Some(frame.body_at);
        if halved || matches!(body(window, place, &frame)?, BodyState::Erased) {
            if !bodies.proven {
                return bad(frame.body_at, frame.index, "the checksum of the body does not hold");
            }
            erased += 1;
            look(Seen::Erased(frame.index));
        }
        let used = frame.body_at + frame.body_len;
        if !window.get(used, frame.end - used)?.is_some_and(all_zero) {
            return bad(used, frame.index, "there is something between two frames");
        }
        at = frame.end;
    }
    if at != trailer_at {
        return bad(at, before.next, "the frames do not fill the batch");
    }
    let (opaque, stored) = trailer(window, place, offset, &header)?;
    hash.update(&opaque);
    if hash.finish() != stored {
        return bad(trailer_at, before.next, "the hash of the batch does not hold");
    }
    Ok(Verified { header, trailer: opaque, hash: stored, erased })
}

/// Whether all bytes are zero.
pub(super) fn all_zero(bytes: &[u8]) -> bool {
    bytes.chunks(ZEROES.len()).all(|chunk| *chunk == ZEROES[..chunk.len()])
}

/// A length within a file as a length in memory.
pub(super) fn to_usize(len: u64) -> usize {
    usize::try_from(len).expect("lengths are checked against a segment, which fits the memory")
}
