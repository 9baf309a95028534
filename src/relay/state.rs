//! What the commit thread owns and everybody else may look at: the state of the rules and the
//! heads of the logs after a record.
//!
//! Not how it is kept on disk; [`Snapshot`] is only bytes for the tables.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::receipt::{Grown, SignedHeads};
use crate::codec::{self, Head, Heads, Leaf, Log, Record};
use crate::envelope::Signature;
use crate::rules;
use crate::rules::event::{Event, Stamp};
use crate::tlog::{Frontier, Growth};
use crate::units::{BatchId, Hash, Index, Timestamp};

/// The state after some record. Cloning is cheap: the maps inside are shared.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct World {
    /// The state of the rules.
    pub(super) rules: rules::State,
    /// The index that the next record gets.
    pub(super) next: Index,
    /// Time of the newest record.
    pub(super) time: Timestamp,
    directory: Frontier,
    traffic: Frontier,
}

/// What goes into a record beside the event.
#[derive(Default)]
pub(super) struct Enclosure {
    /// Header of the statement.
    pub(super) header: Vec<u8>,
    /// Its signatures.
    pub(super) signatures: Vec<Signature>,
    /// The erasable body.
    pub(super) body: Vec<u8>,
    /// The founding act, or the nation's entry, as signed; only with those.
    pub(super) signed: Option<Vec<u8>>,
}

impl Enclosure {
    /// The bytes in it that can be many: a body, or an entry as signed.
    pub(super) fn bytes(&self) -> usize {
        self.body.len() + self.signed.as_ref().map_or(0, Vec::len)
    }
}

impl World {
    /// Where the logs stand.
    pub(super) fn heads(&self) -> Heads {
        let head = |log: &Frontier| Head { size: log.size(), root: log.root() };
        Heads { directory: head(&self.directory), traffic: head(&self.traffic) }
    }

    /// Leaves of the traffic log.
    pub(super) const fn traffic_leaves(&self) -> u64 {
        self.traffic.size()
    }

    /// Nothing has been added to the logs yet.
    pub(super) fn growth(&self) -> Grown {
        Grown { directory: Growth::new(&self.directory), traffic: Growth::new(&self.traffic) }
    }

    /// Settles an event as the next record, and moves on by it; `grown` grows with the logs.
    pub(super) fn settle(
        &mut self,
        grown: &mut Grown,
        event: Event,
        enclosure: &mut Enclosure,
        (time, batch): (Timestamp, BatchId),
        opening: [u8; 32],
    ) -> Record {
        let numbering = self.rules.number(&event);
        let event_bytes =
            codec::encode_event(&event, &numbering, time, enclosure.signed.as_deref());
        let leaf = match log_of(&event) {
            Log::Directory => {
                Leaf { log: Log::Directory, index: self.directory.size(), opening: None }
            }
            Log::Traffic => {
                Leaf { log: Log::Traffic, index: self.traffic.size(), opening: Some(opening) }
            }
        };
        let body = &enclosure.body;
        let record = Record {
            index: self.next,
            time,
            batch,
            numbering,
            event,
            event_bytes,
            header: std::mem::take(&mut enclosure.header),
            signatures: std::mem::take(&mut enclosure.signatures),
            leaf,
            body_len: u32::try_from(body.len()).expect("bodies are limited to 1 MiB at the edge"),
            body_sha256: (!body.is_empty()).then(|| Hash::of(&[body.as_slice()])),
        };
        let leaf = record.leaf_hash();
        match record.leaf.log {
            Log::Directory => grown.directory.push(&mut self.directory, leaf),
            Log::Traffic => grown.traffic.push(&mut self.traffic, leaf),
        }
        self.move_on(&record);
        record
    }

    /// Moves on by a committed record.
    pub(super) fn follow(&mut self, record: &Record) {
        match record.leaf.log {
            Log::Directory => self.directory.push(record.leaf_hash()),
            Log::Traffic => self.traffic.push(record.leaf_hash()),
        }
        self.move_on(record);
    }

    /// What live work and replay share, the logs apart.
    fn move_on(&mut self, record: &Record) {
        assert_eq!(record.index, self.next, "records are followed in order");
        let stamp =
            Stamp { index: record.index, time: record.time, event_hash: record.event_hash() };
        rules::apply(&mut self.rules, &record.event, stamp);
        self.next = record.index.plus(1);
        self.time = record.time;
    }
}

/// The log that an event is a leaf of.
fn log_of(event: &Event) -> Log {
    use crate::rules::event::Kind;
    match &event.kind {
        Kind::Founded(_) | Kind::EntryPublished(_) | Kind::LogKeyAnnounced(_) => Log::Directory,
        Kind::Accepted(_)
        | Kind::EmbargoEnded(_)
        | Kind::Offered { .. }
        | Kind::OfferFailed { .. }
        | Kind::HandedOver { .. }
        | Kind::PreservationExpired { .. }
        | Kind::BodyErased { .. }
        | Kind::TailTruncated { .. }
        | Kind::ClockStepped { .. }
        | Kind::ClockConfirmed { .. }
        | Kind::Padded => Log::Traffic,
    }
}

/// A committed state, for anybody to read.
#[derive(Debug, Clone)]
pub struct Published {
    world: Arc<World>,
    heads: Arc<SignedHeads>,
}

impl Published {
    pub(super) fn new(world: World) -> Self {
        let heads = Arc::new(SignedHeads::new(world.heads()));
        Self { world: Arc::new(world), heads }
    }

    /// Where the logs stand, and the notes signed over it so far.
    pub(super) fn signed_heads(&self) -> &Arc<SignedHeads> {
        &self.heads
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    /// The state of the rules.
    pub fn state(&self) -> &rules::State {
        &self.world.rules
    }

    /// The leaf that the next record of the directory log gets.
    pub fn next_leaf(&self) -> u64 {
        self.world.directory.size()
    }

    /// The index that the next record gets.
    pub fn next_index(&self) -> Index {
        self.world.next
    }

    /// Time of the newest record.
    pub fn time(&self) -> Timestamp {
        self.world.time
    }

    /// Where the logs stand.
    pub fn heads(&self) -> Heads {
        *self.heads.heads()
    }
}

/// A state as bytes for the tables.
pub(super) struct Snapshot;

impl Snapshot {
    /// The state as bytes.
    pub(super) fn encode(world: &World) -> Option<Vec<u8>> {
        postcard::to_stdvec(world).ok()
    }

    /// The state in these bytes, if they are one of this version.
    pub(super) fn decode(bytes: &[u8]) -> Option<World> {
        postcard::from_bytes(bytes).ok()
    }
}
