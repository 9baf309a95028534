//! Records as bytes, and bytes as records.
//!
//! Not for framing, checksums or durability (see `journal/`), and not for deciding anything. The
//! contract is `proto/detente/journal/v1/record.proto`; each version of it has its own folder, and
//! a released one is never edited: a new version is written beside it and reads the old.
//!
//! - The bytes of an event are built once, by [`encode_event`], and stored, logged and handed out
//!   as they are. Nothing re-encodes them.
//! - What comes from disk is checked again. A record that this version cannot fully account for is
//!   [`Corrupt`], never half read.

use serde::{Deserialize, Serialize};

use crate::envelope::Signature;
use crate::rules::event::{Event, Numbering};
use crate::tlog;
use crate::units::{BatchId, DeskId, Hash, Index, Timestamp};

mod v1;

pub use v1::{
    decode_body, decode_entry, decode_event, decode_genesis, decode_outline, decode_record,
    decode_trailer, encode_body, encode_event, encode_record, encode_trailer,
};

/// Stored bytes that do not hold together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Corrupt {
    /// Path of the field, as "record.event.from".
    pub field: String,
    /// What is wrong with it.
    pub why: String,
}

impl Corrupt {
    /// `field` is wrong, because of `why`.
    pub fn new(field: impl Into<String>, why: impl ToString) -> Self {
        Self { field: field.into(), why: why.to_string() }
    }
}

/// A committed event with everything that is stored beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the journal.
    pub index: Index,
    /// Record time.
    pub time: Timestamp,
    /// The batch it was committed with.
    pub batch: BatchId,
    /// Its places in the sequences of desks, pair and request.
    pub numbering: Numbering,
    /// What happened.
    pub event: Event,
    /// The event exactly as it is stored, logged and handed to the parties.
    pub event_bytes: Vec<u8>,
    /// Header of the statement, verbatim; empty where the event records none.
    pub header: Vec<u8>,
    /// Its signatures; empty where there is no header.
    pub signatures: Vec<Signature>,
    /// Its leaf.
    pub leaf: Leaf,
    /// Length of the erasable body in bytes; 0 when there is none.
    pub body_len: u32,
    /// SHA-256 of the erasable body.
    pub body_sha256: Option<Hash>,
}

impl Record {
    /// SHA-256 of the event's stored bytes.
    pub fn event_hash(&self) -> Hash {
        Hash::of(&[&self.event_bytes])
    }

    /// The RFC 6962 hash of its leaf.
    pub fn leaf_hash(&self) -> Hash {
        tlog::leaf_hash(&self.leaf.data(&self.event_bytes))
    }
}

/// The longest entry of a tile, in bytes.
const ENTRY_BYTES_MAX: usize = 65_535;

/// A record's place in a transparency log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// Which log.
    pub log: Log,
    /// Leaf index.
    pub index: u64,
    /// What opens the leaf's commitment: 32 random bytes in the traffic log, none in the directory
    /// log, whose leaves are plain.
    pub opening: Option<[u8; 32]>,
}

impl Leaf {
    /// The bytes of the leaf. In the traffic log the commitment to the event; in the directory log
    /// `0x00 || event`, or `0x02 || SHA-256(event)` for an event that is longer than a tile's entry
    /// may be (C2SP tlog-tiles: 65,535 bytes). The genesis of many members is; it is served beside
    /// the log, so its leaf is as plain as the others.
    pub fn data(&self, event_bytes: &[u8]) -> Vec<u8> {
        match &self.opening {
            None if event_bytes.len() < ENTRY_BYTES_MAX => [&[0x00], event_bytes].concat(),
            None => [[0x02].as_slice(), &Hash::of(&[event_bytes]).0].concat(),
            Some(opening) => tlog::commitment_leaf(opening, &Hash::of(&[event_bytes])).to_vec(),
        }
    }
}

/// A transparency log of the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Log {
    /// Who is in the network; leaves in plain.
    Directory,
    /// What passed between desks; leaves are commitments.
    Traffic,
}

impl Log {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Directory, Self::Traffic];

    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Traffic => "traffic",
        }
    }

    /// The one with this origin, which is the network's name, a slash and the log's.
    pub fn of_origin(origin: &str) -> Option<Self> {
        let (_, name) = origin.rsplit_once('/')?;
        Self::ALL.into_iter().find(|log| log.as_str() == name)
    }
}

/// Where both logs stand after a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heads {
    /// The directory log.
    pub directory: Head,
    /// The traffic log.
    pub traffic: Head,
}

impl Heads {
    /// Both logs before the first record.
    pub fn empty() -> Self {
        let empty = Head { size: 0, root: tlog::merkle::empty_root() };
        Self { directory: empty, traffic: empty }
    }

    /// Of this log.
    pub const fn of(&self, log: Log) -> Head {
        match log {
            Log::Directory => self.directory,
            Log::Traffic => self.traffic,
        }
    }
}

/// Where a log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Tree size.
    pub size: u64,
    /// RFC 6962 root.
    pub root: Hash,
}

/// An event as it was read, with the numbers that stand in its own bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// What happened.
    pub event: Event,
    /// Record time.
    pub time: Timestamp,
    /// Its number in the ordered pair (from, to), from 1; 0 without a pair.
    pub pair_sequence: u64,
    /// Hash of the previous event of the same request.
    pub previous: Option<Hash>,
}

/// What an event says of itself, as it can be read without the header beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The desk it comes from, if any.
    pub from: Option<DeskId>,
    /// The desk it goes to, if any.
    pub to: Option<DeskId>,
    /// Its number in that ordered pair, from 1; 0 without a pair.
    pub pair_sequence: u64,
    /// Record time.
    pub time: Timestamp,
}

/// The erasable body of a record: what only the two desks can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedBody {
    /// The wrapped content key, verbatim.
    pub wrap: Vec<u8>,
    /// The ciphertext.
    pub ciphertext: Vec<u8>,
}
