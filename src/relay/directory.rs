//! The directory's own stream: entries in, and the records of the directory log out.
//!
//! Not for deciding who may publish what (see `rules::entry`). The cursor is the leaf of the
//! directory log, dense from 0, which is the genesis: whoever joins late starts there.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::watch;

use super::state::{Enclosure, Published};
use super::{Error, Relay, Submitted};
use crate::codec::{Log, Record};
use crate::envelope::entry::Signed;
use crate::journal::Body;
use crate::rules::Refusal;
use crate::rules::command::{Command, ErasureReason};
use crate::rules::event::Kind;
use crate::units::{Caller, Index, Timestamp};

/// Records that are read ahead at most: 16 of the largest are 4 MiB.
const READ_AHEAD: usize = 16;

/// The next thing on the stream.
#[derive(Debug, Clone)]
pub enum DirectoryItem {
    /// The next record.
    Record(Box<DirectoryRecord>),
    /// Nothing new.
    Beat {
        /// The relay's clock.
        time: Timestamp,
        /// The leaf that the next record gets.
        next: u64,
    },
}

/// A record of the directory log.
#[derive(Debug, Clone)]
pub struct DirectoryRecord {
    /// The record.
    pub record: Record,
    /// The entry's restricted part; empty where there is none.
    pub restricted: Vec<u8>,
    /// True when there was one, and it was erased.
    pub erased: bool,
}

/// A stream of the directory log.
pub struct DirectoryFollower {
    relay: Relay,
    next: u64,
    ready: VecDeque<DirectoryRecord>,
    news: watch::Receiver<u64>,
    stopped: watch::Receiver<bool>,
    beat: Duration,
}

impl DirectoryFollower {
    fn new(relay: Relay, from: u64, beat: Duration) -> Self {
        let news = relay.shared.recent.subscribe_directory();
        let stopped = relay.shared.stopped();
        Self { relay, next: from, ready: VecDeque::new(), news, stopped, beat }
    }

    /// The next item; waits for it, and answers a beat when nothing came for the beat time.
    ///
    /// # Errors
    /// `Stopped` when the relay stops, `Fault` when the disk cannot be read.
    pub async fn next(&mut self) -> Result<DirectoryItem, Error> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                self.next = self.next.saturating_add(1);
                return Ok(DirectoryItem::Record(Box::new(record)));
            }
            // Marked before looking, so that news between looking and waiting is not missed.
            self.news.borrow_and_update();
            self.ready = self.fetch().await?.into();
            if !self.ready.is_empty() {
                continue;
            }
            if *self.stopped.borrow() {
                return Err(Error::Stopped);
            }
            tokio::select! {
                _ = self.news.changed() => {}
                _ = self.stopped.changed() => {}
                () = tokio::time::sleep(self.beat) => {
                    let next = self.relay.published().next_leaf();
                    return Ok(DirectoryItem::Beat { time: self.relay.clock.wall(), next });
                }
            }
        }
    }

    /// What there is from the cursor: entries are rare, so they are read from disk.
    async fn fetch(&self) -> Result<Vec<DirectoryRecord>, Error> {
        let published = self.relay.published();
        if self.next >= published.next_leaf() {
            return Ok(Vec::new());
        }
        self.relay.wait_for_tables(published.next_index()).await?;
        let (relay, from) = (self.relay.clone(), self.next);
        tokio::task::spawn_blocking(move || relay.read_directory(from, READ_AHEAD))
            .await
            .map_err(|_| Error::Fault("reading records failed".to_owned()))?
    }
}

impl Relay {
    /// Publishes a nation's entry and waits until its record is on disk.
    ///
    /// # Errors
    /// See [`Error`]. An entry that the national key has not signed, alone, is refused.
    pub async fn publish(&self, caller: &Caller, signed: Signed) -> Result<Submitted, Error> {
        let bytes = signed.bytes.len() + signed.restricted.len();
        if bytes > self.envelope_bytes_max {
            let (bytes, max) = (bytes as u64, self.envelope_bytes_max as u64);
            return Err(Error::TooLarge { bytes, max });
        }
        let published = self.published();
        let signed = tokio::task::spawn_blocking(move || verify(&published, signed))
            .await
            .map_err(|_| Error::Fault("verifying failed".to_owned()))??;
        let enclosure = Enclosure {
            signed: Some(signed.to_bytes()),
            body: signed.restricted,
            ..Enclosure::default()
        };
        let entry = Box::new(signed.entry);
        let command = Command::Publish { caller: caller.desk.clone(), entry };
        self.settle_with_receipt(command, enclosure).await
    }

    /// Announces the next key of each log that has one and has not announced it, and lets it sign
    /// from then on. While nothing is signed, nothing is announced either.
    ///
    /// # Errors
    /// See [`Error`]; `Fault` when the log's own key is not the newest, which alone announces.
    pub async fn announce_log_keys(&self) -> Result<(), Error> {
        let Some(signers) = self.signers.as_deref() else { return Ok(()) };
        for log in Log::ALL {
            let published = self.published();
            let Some(network) = published.state().directory().network() else { return Ok(()) };
            let known = &network.log_keys;
            let announced =
                signers.announcement(log, network.genesis, known).map_err(Error::fault)?;
            let Some(announced) = announced else { continue };
            announced.check(&network.name, network.genesis, known).map_err(|bad| {
                let log = log.as_str();
                Error::Fault(format!("the next key of the {log} log is not announced: {bad}"))
            })?;
            if let Some(why) = signers.held() {
                tracing::warn!(%why, log = log.as_str(), "the log's next key is not announced yet");
                continue;
            }
            let key = announced.key.to_string();
            let command = Command::AnnounceLogKey(Box::new(announced));
            let index = self.settle(command, Enclosure::default()).await?.index;
            tracing::warn!(log = log.as_str(), key, %index, "the log's next key is announced");
            let published = self.published();
            let Some(network) = published.state().directory().network() else { return Ok(()) };
            signers.check(&network.name, &network.log_keys).map_err(Error::fault)?;
        }
        Ok(())
    }

    /// Erases the restricted part of the entry in record `index`: the erasure is a record, then the
    /// bytes are zeroed.
    ///
    /// # Errors
    /// See [`Error`]; `Fault` when the record is no entry with a restricted part.
    pub async fn erase_restricted(
        &self,
        index: Index,
        reason: ErasureReason,
    ) -> Result<Submitted, Error> {
        let relay = self.clone();
        let record = tokio::task::spawn_blocking(move || relay.read_record(index))
            .await
            .map_err(|_| Error::Fault("reading failed".to_owned()))??;
        match &record.event.kind {
            Kind::EntryPublished(entry) if record.body_len > 0 => {
                let message = entry.message;
                let command = Command::EraseBody { index, message, reason };
                let settled = self.settle(command, Enclosure::default()).await?;
                Ok(settled.without_receipt())
            }
            Kind::EntryPublished(_)
            | Kind::LogKeyAnnounced(_)
            | Kind::Accepted(_)
            | Kind::EmbargoEnded(_)
            | Kind::Founded(_)
            | Kind::Offered { .. }
            | Kind::OfferFailed { .. }
            | Kind::HandedOver { .. }
            | Kind::PreservationExpired { .. }
            | Kind::BodyErased { .. }
            | Kind::TailTruncated { .. }
            | Kind::ClockStepped { .. }
            | Kind::ClockConfirmed { .. }
            | Kind::Padded => {
                Err(Error::Fault(format!("record {index} is no entry with a restricted part")))
            }
        }
    }

    /// Hears the newest leaf of the directory log whenever there is one.
    pub fn directory_news(&self) -> watch::Receiver<u64> {
        self.shared.recent.subscribe_directory()
    }

    /// Follows the directory log from leaf `from`; a beat is answered when nothing came for
    /// `beat`.
    pub fn follow_directory(&self, from: u64, beat: Duration) -> DirectoryFollower {
        DirectoryFollower::new(self.clone(), from, beat)
    }

    /// Up to `max` records of the directory log from leaf `from`, by way of the tables. Blocks.
    ///
    /// # Errors
    /// `Fault` when the disk cannot be read, or the tables and the journal disagree.
    pub fn read_directory(&self, from: u64, max: usize) -> Result<Vec<DirectoryRecord>, Error> {
        let places = self.tables()?.directory_records(from, max).map_err(Error::fault)?;
        let mut records = Vec::with_capacity(places.len());
        for (expected, (leaf, index)) in (from..).zip(places) {
            if leaf != expected {
                return Err(Error::Fault(format!("the tables lack directory leaf {expected}")));
            }
            records.push(self.read_directory_record(index)?);
        }
        Ok(records)
    }

    /// One record of the directory log with its restricted part. Blocks.
    ///
    /// # Errors
    /// `Fault` when it is not there or cannot be read.
    pub fn read_directory_record(&self, index: Index) -> Result<DirectoryRecord, Error> {
        let stored = self.reader.read(index, 1, 0).map_err(Error::fault)?.into_iter().next();
        let stored =
            stored.ok_or_else(|| Error::Fault(format!("the journal has no record {index}")))?;
        let record = crate::codec::decode_record(&stored.record).map_err(Error::fault)?;
        let (restricted, erased) = match stored.body {
            Body::Present(bytes) => (bytes, false),
            Body::Erased => (Vec::new(), true),
            Body::None => (Vec::new(), false),
        };
        Ok(DirectoryRecord { record, restricted, erased })
    }
}

/// Checks the signature with the national key that the directory names, except of the very entry
/// that is already on record, which is answered with its outcome.
fn verify(published: &Published, signed: Signed) -> Result<Signed, Error> {
    let entry = &signed.entry;
    let (state, member) = (published.state(), entry.member);
    let known = state
        .published(member, entry.message)
        .is_some_and(|published| published.hash == entry.hash);
    if !known {
        let stranger = Error::Refused(Refusal::EntryOfStranger { member });
        let key = &state.directory().member(member).ok_or(stranger)?.national_key;
        signed.verify(key).map_err(|_| Error::Refused(Refusal::EntryNotSigned { member }))?;
    }
    Ok(signed)
}
