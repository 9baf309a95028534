//! The bytes of a journal on disk: their specification, and code that writes and reads them.
//!
//! Not for files: nothing here opens, reads or writes one. What follows suffices to read a journal
//! without this program; format version 1.
//!
//! # A journal
//! A journal is one directory. Its segments are the files `NNNNNNNNNN.seg`, where N is the
//! segment's number in ten decimal digits, from 0, without a gap. `NNNNNNNNNN.seg.tmp` is a segment
//! that was never finished and holds nothing. `lock` is empty; whoever writes holds flock(2) on it.
//! All numbers are unsigned and little-endian. `crc` is CRC-32C (Castagnoli, RFC 3720 appendix
//! B.4), `hash` is SHA-256. Every byte that is not described is zero.
//!
//! # A segment
//! A file of fixed size, allocated whole when it is made; a shorter one has been damaged.
//! ```text
//!      0   4096  segment header
//!   4096   4096  commit mark, first copy
//!   8192   4096  commit mark, second copy
//!  12288         batches, one after the other, each starting at a multiple of 8
//!   then         zeroes to the end of the file
//! ```
//! A segment gets its name only after its header and marks have been synced, so that a segment
//! whose header does not hold has been damaged.
//!
//! # The segment header
//! ```text
//!      0      8  "DETENTEJ"
//!      8      4  version: 1            every later version keeps these 12 bytes and the last four
//!     12      4  flags: 0
//!     16     16  id of the journal
//!     32      8  number of the segment
//!     40      8  index of its first record
//!     48      8  size of the file
//!     56     16  id of the last batch before this segment; zeroes when there is none
//!     72      8  the segment that holds that batch
//!     80      8  where it starts in that file; 0 when there is none
//!     88      8  where batches end in the segment before; 0 in segment 0
//!     96     32  hash of that batch; zeroes when there is none
//!    128     64  baseline: zeroes. Reserved: once segments can be retired, the first one that is
//!                kept names here the baseline that stands for what came before
//!   4092      4  crc of bytes 0 to 4091
//! ```
//!
//! # The commit mark
//! Written and synced when a batch has been synced and nothing followed for a moment: what it names
//! was committed, so damage before its end is damage. The copies are written one after the other,
//! each followed by a sync, so that a crash spoils one of them at most; the one that is spoiled or
//! older is the first to be written again. Of two that hold, the one with the higher sequence
//! counts.
//! ```text
//!      0      8  "DETMARK1"
//!      8      4  flags: 1 when the next segment exists and nothing more will be added here
//!     12      4  0
//!     16     16  id of the journal
//!     32      8  number of the segment
//!     40      8  sequence, growing with each mark of the segment
//!     48      8  where committed batches end in this file
//!     56      8  index that the next record gets
//!     64     16  id of the last committed batch; zeroes when there is none
//!     80     32  its hash
//!    112      8  erasure under way: the segment,
//!    120      8    where the body starts in that file,
//!    128      8    its length; 0 when no erasure is under way
//!   4092      4  crc of bytes 0 to 4091
//! ```
//!
//! # A batch
//! A batch is written by one write and one sync, and only after the batch before it was synced.
//! Hence a batch header that holds proves that everything before it was committed.
//! ```text
//!      0      8  "DETBATCH"
//!      8      4  flags: 0
//!     12      4  number of records, at least 1
//!     16      4  length of the whole batch, a multiple of 8
//!     20      4  length of the trailer
//!     24      8  index of the first record
//!     32     16  id of the batch
//!     48     16  id of the last committed batch; zeroes when there is none
//!     64      8  where that starts in this file; 0: it is the one that the segment header names
//!     72     32  its hash; zeroes when there is none
//!    104      4  0
//!    108      4  crc of PLACE and bytes 0 to 107
//!    112         frames, one per record
//!   then         trailer: opaque bytes, then zeroes to a multiple of 8
//!   then      4  "DEND"
//!             4  crc of PLACE and the opaque bytes; its place is where these start
//!            32  hash of the batch
//! ```
//! The hash of a batch is taken over the 112 bytes of its header, the 20 bytes and the record of
//! each frame, and the opaque bytes of the trailer, in this order. As each header holds the hash
//! before it, the hashes form one chain. Bodies are in it by their crc alone, so that they can be
//! erased.
//!
//! # A frame
//! ```text
//!      0      4  "DFRM"
//!      4      4  length of the record
//!      8      4  length of the body; 0 when there is none
//!     12      4  crc of PLACE and the body; its place is where the body starts
//!     16      4  crc of PLACE, the record's index in 8 bytes, bytes 0 to 15, and the record
//!     20         record
//!   then         body
//!   then         zeroes to a multiple of 8, counted from the start of the frame
//! ```
//! A body whose crc does not hold and whose bytes are all zero has been erased. In a batch that
//! nothing proves committed it is a torn write instead: erasing starts with a mark.
//!
//! # PLACE
//! 32 bytes that are not stored: id of the journal (16), number of the segment (8), offset in the
//! file (8). They make bytes that were left over, moved, copied from another journal or sent in by
//! somebody else fail their crc.
//!
//! # What is taken for granted
//! A sync that answers well has stored what was written. Writing one part of a file does not change
//! bytes outside the sectors (of any size) it touches, and bytes within them that are rewritten
//! with their own value keep it.

use crate::journal::Batch;
use crate::journal::disk::ZEROES;
use crate::units::{BatchId, Hash, Index, JournalId};

/// The format's version.
pub(super) const VERSION: u32 = 1;
/// Length of the segment header and of each copy of the commit mark.
pub(super) const BLOCK: usize = 4096;
/// Where the copies of the commit mark are.
pub(super) const MARKS: [u64; 2] = [4096, 8192];
/// Where the first batch starts.
pub(super) const FIRST_BATCH: u64 = 12288;
/// Length of a batch header.
pub(super) const BATCH_HEADER: usize = 112;
/// Length of a frame's header.
pub(super) const FRAME_HEADER: usize = 20;
/// Length of what follows a batch's trailer.
pub(super) const BATCH_END: usize = 40;
/// What a batch starts with.
pub(super) const BATCH_MAGIC: [u8; 8] = *b"DETBATCH";

const SEGMENT_MAGIC: [u8; 8] = *b"DETENTEJ";
const MARK_MAGIC: [u8; 8] = *b"DETMARK1";
const FRAME_MAGIC: [u8; 4] = *b"DFRM";
const END_MAGIC: [u8; 4] = *b"DEND";
const BLOCK_CRC: usize = BLOCK - 4;

/// A batch as others name it. `offset` 0 means that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) id: BatchId,
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) hash: Hash,
}

impl Link {
    /// Before the first batch.
    pub(super) const NONE: Self =
        Self { id: BatchId([0; 16]), segment: 0, offset: 0, hash: Hash([0; 32]) };
}

/// A segment header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) journal: JournalId,
    pub(super) number: u64,
    pub(super) first: Index,
    pub(super) size: u64,
    pub(super) previous: Link,
    pub(super) previous_end: u64,
}

/// Why a segment header cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BadHeader {
    /// Its checksum or what it says does not hold.
    Damaged(&'static str),
    /// It is whole, but not ours: another kind of file, or another version.
    Foreign(String),
}

impl SegmentHeader {
    /// The block that starts the segment.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BLOCK);
        out.extend_from_slice(&SEGMENT_MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&0_u32.to_le_bytes());
        out.extend_from_slice(&self.journal.0);
        for number in [self.number, self.first.0, self.size] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.previous.id.0);
        for number in [self.previous.segment, self.previous.offset, self.previous_end] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.previous.hash.0);
        finish_block(out)
    }

    /// Reads the block that starts a segment.
    pub(super) fn decode(block: &[u8]) -> Result<Self, BadHeader> {
        if !block_holds(block) {
            return Err(BadHeader::Damaged("the checksum of the segment header does not hold"));
        }
        if block[..8] != SEGMENT_MAGIC {
            return Err(BadHeader::Foreign("it does not start as a segment does".to_owned()));
        }
        let version = u32_at(block, 8);
        if version != VERSION {
            return Err(BadHeader::Foreign(format!(
                "its format has version {version}; this program reads version {VERSION}"
            )));
        }
        if u32_at(block, 12) != 0 || block[128..BLOCK_CRC] != ZEROES[128..BLOCK_CRC] {
            return Err(BadHeader::Foreign("it uses a feature this program lacks".to_owned()));
        }
        Ok(Self {
            journal: JournalId(array_at(block, 16)),
            number: u64_at(block, 32),
            first: Index(u64_at(block, 40)),
            size: u64_at(block, 48),
            previous: Link {
                id: BatchId(array_at(block, 56)),
                segment: u64_at(block, 72),
                offset: u64_at(block, 80),
                hash: Hash(array_at(block, 96)),
            },
            previous_end: u64_at(block, 88),
        })
    }
}

/// A body that is being erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Erasing {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) len: u64,
}

/// A commit mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) journal: JournalId,
    pub(super) segment: u64,
    pub(super) sealed: bool,
    pub(super) sequence: u64,
    pub(super) end: u64,
    pub(super) next: Index,
    pub(super) last: BatchId,
    pub(super) hash: Hash,
    pub(super) erasing: Option<Erasing>,
}

impl Mark {
    /// The block that is written twice.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BLOCK);
        out.extend_from_slice(&MARK_MAGIC);
        out.extend_from_slice(&u32::from(self.sealed).to_le_bytes());
        out.extend_from_slice(&0_u32.to_le_bytes());
        out.extend_from_slice(&self.journal.0);
        for number in [self.segment, self.sequence, self.end, self.next.0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.last.0);
        out.extend_from_slice(&self.hash.0);
        let erasing = self.erasing.unwrap_or(Erasing { segment: 0, offset: 0, len: 0 });
        for number in [erasing.segment, erasing.offset, erasing.len] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        finish_block(out)
    }

    /// Reads one copy; `None` when it does not hold or belongs elsewhere.
    pub(super) fn decode(block: &[u8], header: &SegmentHeader) -> Option<Self> {
        if !block_holds(block) || block[..8] != MARK_MAGIC {
            return None;
        }
        let erasing = Erasing {
            segment: u64_at(block, 112),
            offset: u64_at(block, 120),
            len: u64_at(block, 128),
        };
        let mark = Self {
            journal: JournalId(array_at(block, 16)),
            segment: u64_at(block, 32),
            sealed: u32_at(block, 8) == 1,
            sequence: u64_at(block, 40),
            end: u64_at(block, 48),
            next: Index(u64_at(block, 56)),
            last: BatchId(array_at(block, 64)),
            hash: Hash(array_at(block, 80)),
            erasing: (erasing.len > 0).then_some(erasing),
        };
        (mark.journal == header.journal && mark.segment == header.number).then_some(mark)
    }
}

/// Computes checksums bound to a segment of a journal and to a place in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(u32);

impl Place {
    /// Places in this segment.
    pub(super) fn new(journal: JournalId, segment: u64) -> Self {
        Self(crc32c::crc32c_append(crc32c::crc32c(&journal.0), &segment.to_le_bytes()))
    }

    /// The checksum of `parts` at `offset`.
    pub(super) fn crc(self, offset: u64, parts: &[&[u8]]) -> u32 {
        parts.iter().fold(crc32c::crc32c_append(self.0, &offset.to_le_bytes()), |crc, part| {
            crc32c::crc32c_append(crc, part)
        })
    }
}

/// A batch header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchHeader {
    pub(super) count: u32,
    pub(super) length: u32,
    pub(super) trailer_len: u32,
    pub(super) first: Index,
    pub(super) id: BatchId,
    pub(super) previous: BatchId,
    pub(super) previous_offset: u64,
    pub(super) previous_hash: Hash,
}

impl BatchHeader {
    /// Reads a batch header at `offset`; `None` when it does not hold.
    pub(super) fn decode(bytes: &[u8], place: Place, offset: u64) -> Option<Self> {
        let holds = bytes[..8] == BATCH_MAGIC
            && u32_at(bytes, 108) == place.crc(offset, &[&bytes[..108]])
            && u32_at(bytes, 8) == 0
            && u32_at(bytes, 104) == 0;
        holds.then(|| Self {
            count: u32_at(bytes, 12),
            length: u32_at(bytes, 16),
            trailer_len: u32_at(bytes, 20),
            first: Index(u64_at(bytes, 24)),
            id: BatchId(array_at(bytes, 32)),
            previous: BatchId(array_at(bytes, 48)),
            previous_offset: u64_at(bytes, 64),
            previous_hash: Hash(array_at(bytes, 72)),
        })
    }

    /// The index after its last record.
    pub(super) fn next(&self) -> Index {
        self.first.plus(u64::from(self.count))
    }

    /// Where the batch that starts at `offset` ends.
    pub(super) fn end(&self, offset: u64) -> u64 {
        offset + u64::from(self.length)
    }

    /// Where the trailer of the batch that starts at `offset` starts; `None` when the lengths
    /// contradict each other.
    pub(super) fn trailer_at(&self, offset: u64) -> Option<u64> {
        let tail = padded(u64::from(self.trailer_len)) + BATCH_END as u64;
        let at = self.end(offset).checked_sub(tail)?;
        (at >= offset + BATCH_HEADER as u64).then_some(at)
    }
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) record_len: u32,
    pub(super) body_len: u32,
    pub(super) body_crc: u32,
    pub(super) crc: u32,
}

impl FrameHeader {
    /// Reads a frame's header. Its checksum needs the record too: see [`Self::holds`].
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        (bytes[..4] == FRAME_MAGIC).then(|| Self {
            record_len: u32_at(bytes, 4),
            body_len: u32_at(bytes, 8),
            body_crc: u32_at(bytes, 12),
            crc: u32_at(bytes, 16),
        })
    }

    /// Whether header and record are what was written for `index` at `offset`. `bytes` starts with
    /// the header and ends with the record.
    pub(super) fn holds(&self, bytes: &[u8], place: Place, offset: u64, index: Index) -> bool {
        let parts = [&index.0.to_le_bytes()[..], &bytes[..16], &bytes[FRAME_HEADER..]];
        self.crc == place.crc(offset, &parts)
    }

    /// Length of header, record and body, without the zeroes after them.
    pub(super) fn used(&self) -> u64 {
        FRAME_HEADER as u64 + u64::from(self.record_len) + u64::from(self.body_len)
    }
}

/// Reads what follows the trailer: the trailer's checksum and the hash of the batch.
pub(super) fn decode_end(bytes: &[u8]) -> Option<(u32, Hash)> {
    (bytes[..4] == END_MAGIC).then(|| (u32_at(bytes, 4), Hash(array_at(bytes, 8))))
}

/// `len` rounded up to a multiple of 8.
pub(super) fn padded(len: u64) -> u64 {
    len.next_multiple_of(8)
}

/// The length that `batch` has on disk.
pub(super) fn batch_len(batch: &Batch) -> u64 {
    let frames: u64 = batch
        .entries
        .iter()
        .map(|e| padded((FRAME_HEADER + e.record.len() + e.body.len()) as u64))
        .sum();
    BATCH_HEADER as u64 + frames + padded(batch.trailer.len() as u64) + BATCH_END as u64
}

/// Where a batch goes and what it follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    pub(super) place: Place,
    pub(super) offset: u64,
    pub(super) first: Index,
    pub(super) previous: BatchId,
    pub(super) previous_offset: u64,
    pub(super) previous_hash: Hash,
}

/// Writes `batch` to `out`, which is emptied first, and returns its hash.
///
/// # Panics
/// When the batch or one of its parts has 4 GiB or more; the writer's limit is far below.
pub(super) fn encode_batch(out: &mut Vec<u8>, batch: &Batch, at: &Position) -> Hash {
    out.clear();
    let mut hash = Sha256::new();
    out.extend_from_slice(&BATCH_MAGIC);
    out.extend_from_slice(&0_u32.to_le_bytes());
    out.extend_from_slice(&len_u32(batch.entries.len()).to_le_bytes());
    let length = u32::try_from(batch_len(batch)).expect("a batch is far below 4 GiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&len_u32(batch.trailer.len()).to_le_bytes());
    out.extend_from_slice(&at.first.0.to_le_bytes());
    out.extend_from_slice(&batch.id.0);
    out.extend_from_slice(&at.previous.0);
    out.extend_from_slice(&at.previous_offset.to_le_bytes());
    out.extend_from_slice(&at.previous_hash.0);
    out.extend_from_slice(&0_u32.to_le_bytes());
    out.extend_from_slice(&at.place.crc(at.offset, &[out]).to_le_bytes());
    hash.update(out);

    for (entry, nth) in batch.entries.iter().zip(0_u64..) {
        let start = out.len();
        let here = at.offset + start as u64;
        let body_at = here + (FRAME_HEADER + entry.record.len()) as u64;
        out.extend_from_slice(&FRAME_MAGIC);
        out.extend_from_slice(&len_u32(entry.record.len()).to_le_bytes());
        out.extend_from_slice(&len_u32(entry.body.len()).to_le_bytes());
        out.extend_from_slice(&at.place.crc(body_at, &[&entry.body]).to_le_bytes());
        let index = at.first.plus(nth).0.to_le_bytes();
        let crc = at.place.crc(here, &[&index, &out[start..], &entry.record]);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&entry.record);
        hash.update(&out[start..]);
        out.extend_from_slice(&entry.body);
        out.resize(out.len().next_multiple_of(8), 0);
    }

    let trailer_at = at.offset + out.len() as u64;
    hash.update(&batch.trailer);
    let hash = hash.finish();
    out.extend_from_slice(&batch.trailer);
    out.resize(out.len().next_multiple_of(8), 0);
    out.extend_from_slice(&END_MAGIC);
    out.extend_from_slice(&at.place.crc(trailer_at, &[&batch.trailer]).to_le_bytes());
    out.extend_from_slice(&hash.0);
    hash
}

/// SHA-256 in pieces.
pub(super) struct Sha256(aws_lc_rs::digest::Context);

impl Sha256 {
    /// Of nothing yet.
    pub(super) fn new() -> Self {
        Self(aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256))
    }

    /// And these bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all.
    pub(super) fn finish(self) -> Hash {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.0.finish().as_ref());
        Hash(hash)
    }
}

fn finish_block(mut out: Vec<u8>) -> Vec<u8> {
    out.resize(BLOCK_CRC, 0);
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

fn block_holds(block: &[u8]) -> bool {
    block.len() == BLOCK && u32_at(block, BLOCK_CRC) == crc32c::crc32c(&block[..BLOCK_CRC])
}

fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("a part of a batch is far below 4 GiB")
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}
