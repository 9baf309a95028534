//! Receipts: what a caller gets that proves to anybody, without the relay, that its statement is in
//! the log.
//!
//! Not for keeping or checking them: whoever gets one does. Heads are signed and proofs are made by
//! the task that waits for the answer, never by the commit thread, which only remembers what the
//! batch added to the logs.

use std::sync::{Arc, OnceLock};

use super::signers::{Signers, Unsigned};
use super::{Error, Relay};
use crate::codec::{Heads, Leaf, Log, Record};
use crate::envelope::Malformed;
use crate::tlog::proof::{self, prove_consistency, prove_inclusion};
use crate::tlog::{Growth, leaf_hash};
use crate::units::{Hash, Index};

/// That a record is in its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its leaf, with what opens it.
    pub leaf: Leaf,
    /// The inclusion proof, sibling of the leaf first.
    pub hashes: Vec<Hash>,
    /// A signed note (C2SP tlog-checkpoint) of the head that the proof leads to.
    pub checkpoint: Arc<str>,
    /// The event that the leaf commits to, in its exact bytes.
    pub event: Vec<u8>,
}

/// A proof that a leaf is in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The inclusion proof, sibling of the leaf first.
    pub hashes: Vec<Hash>,
    /// A signed note of the head that it leads to; none of a head that is not the newest.
    pub checkpoint: Option<Arc<str>>,
    /// Size of the tree that it leads to.
    pub tree_size: u64,
}

/// What a batch adds to both logs.
pub(super) struct Grown {
    pub(super) directory: Growth,
    pub(super) traffic: Growth,
}

/// Where the logs stand after a batch that is on disk, and the notes signed over it, each made when
/// it is first asked for.
#[derive(Debug)]
pub(super) struct SignedHeads {
    heads: Heads,
    directory: OnceLock<Arc<str>>,
    traffic: OnceLock<Arc<str>>,
}

/// A record of a batch that is on disk, with what is needed to prove it.
pub(super) struct Place {
    pub(super) record: Arc<Record>,
    pub(super) grown: Arc<Grown>,
    pub(super) heads: Arc<SignedHeads>,
}

impl SignedHeads {
    pub(super) fn new(heads: Heads) -> Self {
        Self { heads, directory: OnceLock::new(), traffic: OnceLock::new() }
    }

    pub(super) const fn heads(&self) -> &Heads {
        &self.heads
    }

    /// The signed note of a log's head. Two that ask at the same time may both sign it: the notes
    /// are the same, and one is kept.
    fn note(&self, log: Log, signers: &Signers) -> Result<Arc<str>, Error> {
        let kept = match log {
            Log::Directory => &self.directory,
            Log::Traffic => &self.traffic,
        };
        if let Some(why) = signers.held() {
            return Err(Error::Held(why.to_string()));
        }
        if let Some(note) = kept.get() {
            return Ok(Arc::clone(note));
        }
        let note = signers.sign(log, &self.heads.of(log)).map_err(|unsigned| match unsigned {
            Unsigned::Held(why) => Error::Held(why.to_string()),
            Unsigned::Unable(why) => Error::fault(why),
        })?;
        Ok(Arc::clone(kept.get_or_init(|| note.to_string().into())))
    }
}

impl Place {
    /// The receipt for the record, proven at the head of its own batch.
    pub(super) fn receipt(&self, signers: &Signers) -> Result<Receipt, Error> {
        let Record { leaf, event_bytes, .. } = &*self.record;
        let growth = match leaf.log {
            Log::Directory => &self.grown.directory,
            Log::Traffic => &self.grown.traffic,
        };
        let hashes = growth
            .prove(leaf.index)
            .ok_or_else(|| Error::Fault(format!("leaf {} is not in its batch", leaf.index)))?;
        let checkpoint = self.heads.note(leaf.log, signers)?;
        Ok(Receipt { leaf: *leaf, hashes, checkpoint, event: event_bytes.clone() })
    }
}

impl Relay {
    /// A receipt for a record that is on disk, proven at the newest head by way of the tables.
    ///
    /// # Errors
    /// `Held` while nothing is signed; `Busy` while the tables are made anew; `Fault` when there is
    /// no such record, or tables and journal disagree.
    pub async fn receipt_of(&self, index: Index) -> Result<Receipt, Error> {
        let heads = self.heads_in_tables().await?;
        self.off_the_workers(move |relay| {
            let Record { leaf, event_bytes: event, .. } = relay.read_record(index)?;
            let hashes = relay.prove_leaf(&leaf, &event, &heads)?;
            let checkpoint = heads.note(leaf.log, relay.keys()?)?;
            Ok(Receipt { leaf, hashes, checkpoint, event })
        })
        .await
    }

    /// A proof that a leaf is in a log, in its tree of `tree_size` leaves; 0 is the newest.
    ///
    /// # Errors
    /// `Malformed` when there is no such leaf or tree; else as [`Relay::receipt_of`].
    pub async fn prove(&self, log: Log, leaf: u64, tree_size: u64) -> Result<Proof, Error> {
        let heads = self.heads_in_tables().await?;
        let newest = heads.heads.of(log).size;
        let size = if tree_size == 0 { newest } else { tree_size };
        check_size("tree_size", size, newest)?;
        if leaf >= size {
            let why = format!("leaf {leaf} is not in a tree of {size} leaves");
            return Err(malformed("leaf_index", why));
        }
        self.off_the_workers(move |relay| {
            let tables = relay.tables()?;
            let hashes = prove_inclusion(&tables.nodes(log), leaf, size).map_err(Error::fault)?;
            let hashes = hashes.unwrap_or_default();
            let checkpoint =
                if size == newest { Some(heads.note(log, relay.keys()?)?) } else { None };
            Ok(Proof { hashes, checkpoint, tree_size: size })
        })
        .await
    }

    /// The proof that a log's tree of `old` leaves is the beginning of its tree of `new`.
    ///
    /// # Errors
    /// `Malformed` when there are no such trees; `Busy` or `Fault` as [`Relay::receipt_of`].
    pub async fn prove_growth(&self, log: Log, old: u64, new: u64) -> Result<Vec<Hash>, Error> {
        let heads = self.heads_in_tables().await?;
        check_size("new_size", new, heads.heads.of(log).size)?;
        check_size("old_size", old, new)?;
        self.off_the_workers(move |relay| {
            let tables = relay.tables()?;
            let hashes = prove_consistency(&tables.nodes(log), old, new).map_err(Error::fault)?;
            Ok(hashes.unwrap_or_default())
        })
        .await
    }

    /// The signed note of a log's newest head.
    ///
    /// # Errors
    /// `Held` while nothing is signed.
    pub fn checkpoint(&self, log: Log) -> Result<Arc<str>, Error> {
        self.published().signed_heads().note(log, self.keys()?)
    }

    fn keys(&self) -> Result<&Signers, Error> {
        let none = || Error::Held("the relay has no keys of its logs".to_owned());
        self.signers.as_deref().ok_or_else(none)
    }

    /// The newest heads, once the tables have come so far.
    pub(super) async fn heads_in_tables(&self) -> Result<Arc<SignedHeads>, Error> {
        let published = self.published();
        self.wait_for_tables(published.next_index()).await?;
        Ok(Arc::clone(published.signed_heads()))
    }

    /// The proof of a leaf at these heads, checked: tables that lead elsewhere prove nothing.
    fn prove_leaf(
        &self,
        leaf: &Leaf,
        event: &[u8],
        heads: &SignedHeads,
    ) -> Result<Vec<Hash>, Error> {
        let head = heads.heads.of(leaf.log);
        let tables = self.tables()?;
        let hashes = prove_inclusion(&tables.nodes(leaf.log), leaf.index, head.size)
            .map_err(Error::fault)?
            .unwrap_or_default();
        let hash = leaf_hash(&leaf.data(event));
        proof::check_inclusion(&hash, leaf.index, head.size, &head.root, &hashes)
            .map_err(|bad| Error::Fault(format!("the tables lead elsewhere: {bad}")))?;
        Ok(hashes)
    }

    /// What reads the disk holds up no connection.
    pub(super) async fn off_the_workers<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let relay = self.clone();
        tokio::task::spawn_blocking(move || work(&relay))
            .await
            .map_err(|_| Error::Fault("making a proof failed".to_owned()))?
    }
}

fn check_size(field: &str, size: u64, newest: u64) -> Result<(), Error> {
    if size <= newest {
        Ok(())
    } else {
        Err(malformed(field, format!("{size} is more than the {newest} leaves there are")))
    }
}

fn malformed(field: &str, why: String) -> Error {
    Error::Malformed(Malformed { field: field.to_owned(), why })
}
