//! Follows the batches of a journal that is read: whose it is, its tree heads, what was erased.
//!
//! Not for the state of the rules: a relay's log is the same whatever the records mean.

use super::{Fault, Owner};
use crate::codec::{self, Head, Heads, Log, Record};
use crate::journal::{Objection, ReadBatch};
use crate::rules::event::Kind;
use crate::tlog::Frontier;
use crate::units::{Hash, Index};

/// A tree head that somebody has kept: a desk, a witness, an operator's note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownHead {
    /// Of which log.
    pub log: Log,
    /// Its size and root.
    pub head: Head,
}

/// What has been learnt from the batches so far.
pub(super) struct Follow<'a> {
    owner: &'a Owner,
    directory: Frontier,
    traffic: Frontier,
    /// Known heads that have not been come to yet.
    sought: Vec<KnownHead>,
    /// A known head that this log does not lead to.
    forked: Option<String>,
    /// Records whose body is to be gone.
    pub(super) erased: Vec<Index>,
    /// Where each batch ends and the chain's hash there. 40 bytes a batch: a journal of a million
    /// batches takes 40 MB, once, on the day of a restore.
    pub(super) chain: Vec<(Index, Hash)>,
}

impl<'a> Follow<'a> {
    /// At the start of the journal of `owner`.
    pub(super) fn new(owner: &'a Owner, sought: &[KnownHead]) -> Self {
        Self {
            owner,
            directory: Frontier::new(),
            traffic: Frontier::new(),
            sought: sought.to_vec(),
            forked: None,
            erased: Vec::new(),
            chain: Vec::new(),
        }
    }

    /// Takes in the next batch. A desk's records are sealed: there the chain is all there is.
    ///
    /// # Errors
    /// What does not hold in it.
    pub(super) fn take(&mut self, batch: &ReadBatch<'_>) -> Result<(), Objection> {
        let end = batch.first.plus(batch.records.len() as u64);
        self.chain.push((end, batch.hash));
        if self.owner.desk.is_some() {
            return Ok(());
        }
        for (bytes, nth) in batch.records.iter().zip(0..) {
            let index = batch.first.plus(nth);
            self.record(index, batch, bytes).map_err(|what| Objection { index, what })?;
        }
        self.close(batch).map_err(|what| Objection { index: batch.first, what })
    }

    /// Where the logs of a relay stand; none for a desk.
    pub(super) fn heads(&self) -> Option<Heads> {
        let head = |log: &Frontier| Head { size: log.size(), root: log.root() };
        let heads = Heads { directory: head(&self.directory), traffic: head(&self.traffic) };
        self.owner.desk.is_none().then_some(heads)
    }

    /// Every head that was sought must have been come to.
    ///
    /// # Errors
    /// [`Fault::OtherLog`] for one that was not: the log has another root there, is shorter, or no
    /// batch ended there.
    pub(super) fn check_sought(&self) -> Result<(), Fault> {
        if let Some(forked) = &self.forked {
            return Err(Fault::OtherLog(forked.clone()));
        }
        let Some(KnownHead { log, head }) = self.sought.first() else { return Ok(()) };
        let size = self.log(*log).size();
        let log = log.as_str();
        Err(Fault::OtherLog(if size < head.size {
            format!("the {log} log in it has {size} leaves; the known head has {}", head.size)
        } else {
            format!("no batch of the {log} log in it ends with leaf {}", head.size)
        }))
    }

    fn record(&mut self, index: Index, batch: &ReadBatch<'_>, bytes: &[u8]) -> Result<(), String> {
        let record = codec::decode_record(bytes).map_err(|corrupt| corrupt.to_string())?;
        if record.index != index || record.batch != batch.id {
            return Err(format!("record {} of batch {} stands there", record.index, record.batch));
        }
        if index == Index(0) {
            self.check_founder(&record)?;
        }
        if let Kind::BodyErased { index, .. } = record.event.kind {
            self.erased.push(index);
        }
        let leaf = record.leaf;
        let log = match leaf.log {
            Log::Directory => &mut self.directory,
            Log::Traffic => &mut self.traffic,
        };
        if leaf.index != log.size() {
            return Err(format!("it is leaf {} where {} is due", leaf.index, log.size()));
        }
        log.push(record.leaf_hash());
        Ok(())
    }

    fn check_founder(&self, record: &Record) -> Result<(), String> {
        let pinned = self.owner.genesis;
        if let Kind::Founded(genesis) = &record.event.kind {
            if genesis.hash == pinned {
                return Ok(());
            }
            return Err(format!("it was founded by {}, not by the pinned {pinned}", genesis.hash));
        }
        Err("the first record is not a genesis".to_owned())
    }

    fn close(&mut self, batch: &ReadBatch<'_>) -> Result<(), String> {
        let (id, heads) =
            codec::decode_trailer(batch.trailer).map_err(|corrupt| corrupt.to_string())?;
        if id != batch.id || Some(heads) != self.heads() {
            return Err("the tree heads are not those that close the batch".to_owned());
        }
        let at = |log: Log| match log {
            Log::Directory => heads.directory,
            Log::Traffic => heads.traffic,
        };
        for known in &self.sought {
            let (here, head) = (at(known.log), known.head);
            if here.size == head.size && here.root != head.root {
                self.forked.get_or_insert_with(|| {
                    let (log, Head { size, root }) = (known.log.as_str(), here);
                    format!("the {log} log has the root {root} at size {size}, not {}", head.root)
                });
            }
        }
        self.sought.retain(|known| at(known.log) != known.head);
        Ok(())
    }

    fn log(&self, log: Log) -> &Frontier {
        match log {
            Log::Directory => &self.directory,
            Log::Traffic => &self.traffic,
        }
    }
}
