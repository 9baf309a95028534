//! A desk's stream of its own records, from a cursor, without end.
//!
//! It is pulled, so a slow reader costs nobody anything: what it has not yet asked for is on disk.
//! Not for sending: the edge does that.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::commit::Work;
use super::{Error, Relay};
use crate::codec::{self, Record};
use crate::rules::command::Command;
use crate::rules::event::Kind;
use crate::rules::transport::Move;
use crate::units::{DeskId, DeskIndex, MessageId, Timestamp};

/// Records that are read ahead at most: enough to catch up at disk speed, little enough that
/// 1,000 streams hold 64 MB at the very worst (1 KiB each).
const READ_AHEAD: usize = 64;

/// How long a stream waits when the queue is full.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// The next thing on a stream.
#[derive(Debug, Clone)]
pub enum Item {
    /// The next record.
    Record(DeskRecord),
    /// Nothing new.
    Beat {
        /// The relay's clock.
        time: Timestamp,
        /// The next number of the desk's sequence.
        next: DeskIndex,
    },
}

/// A record with its number in the desk's own sequence.
#[derive(Debug, Clone)]
pub struct DeskRecord {
    /// The number.
    pub desk_index: DeskIndex,
    /// The record.
    pub record: Arc<Record>,
}

/// A desk's stream.
pub struct Follower {
    relay: Relay,
    desk: DeskId,
    next: DeskIndex,
    ready: VecDeque<Arc<Record>>,
    news: watch::Receiver<DeskIndex>,
    stopped: watch::Receiver<bool>,
    beat: Duration,
    /// What lies before the cursor has been looked at.
    begun: bool,
}

impl Follower {
    pub(super) fn new(relay: Relay, desk: DeskId, from: DeskIndex, beat: Duration) -> Self {
        let news = relay.shared.recent.subscribe(&desk);
        let stopped = relay.shared.stopped();
        relay.shared.clocks.join(&desk);
        Self { relay, desk, next: from, ready: VecDeque::new(), news, stopped, beat, begun: false }
    }

    /// The time at the desk, now.
    #[must_use]
    pub fn told(self, time: Timestamp) -> Self {
        self.relay.shared.clocks.told(&self.desk, time, self.relay.clock.boot_ms());
        self
    }

    /// The next item; waits for it, and answers a beat when nothing came for the beat time.
    ///
    /// # Errors
    /// `Stopped` when the relay stops, `Fault` when the disk cannot be read.
    pub async fn next(&mut self) -> Result<Item, Error> {
        if !self.begun {
            self.note_earlier_offers().await?;
            self.begun = true;
        }
        loop {
            if let Some(record) = self.ready.front().map(Arc::clone) {
                self.note_offer(&record).await?;
                self.ready.pop_front();
                let desk_index = self.next;
                self.next = self.next.next();
                return Ok(Item::Record(DeskRecord { desk_index, record }));
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
                    let next = self.relay.published().state().next_desk_index(&self.desk);
                    return Ok(Item::Beat { time: self.relay.clock.wall(), next });
                }
            }
        }
    }

    /// A statement that goes out to its recipient's live stream has been offered. The note is a
    /// command like any other; a statement already offered needs none. When the queue is full this
    /// stream waits: were the note lost, an EMERGENCY would never be handed over without a receipt.
    /// Of all streams together only so many notes wait, so that catching up takes no room from
    /// those who submit.
    async fn note_offer(&self, record: &Record) -> Result<(), Error> {
        let (Kind::Accepted(statement) | Kind::EmbargoEnded(statement)) = &record.event.kind else {
            return Ok(());
        };
        if statement.to != self.desk || statement.act.is_machine() {
            return Ok(());
        }
        self.enqueue_offer(statement.message).await
    }

    /// What lies before the cursor has reached the desk, or it would not ask for what comes after
    /// it: if a crash lost the note of such an offer, it is made now.
    async fn note_earlier_offers(&self) -> Result<(), Error> {
        let published = self.relay.published();
        let waiting: Vec<_> = published
            .state()
            .undelivered(&self.desk)
            .filter(|(_, message)| self.is_news(*message))
            .collect();
        let Some(before) = self.next.0.checked_sub(1).filter(|_| !waiting.is_empty()) else {
            return Ok(());
        };
        self.relay.wait_for_tables(published.next_index()).await?;
        let (relay, desk) = (self.relay.clone(), self.desk.clone());
        let place = tokio::task::spawn_blocking(move || {
            relay.tables()?.desk_records(&desk, DeskIndex(before), 1).map_err(Error::fault)
        })
        .await
        .map_err(|_| Error::Fault("reading records failed".to_owned()))??;
        let Some((_, newest)) = place.first() else { return Ok(()) };
        for (_, message) in waiting.into_iter().filter(|(index, _)| index <= newest) {
            self.enqueue_offer(message).await?;
        }
        Ok(())
    }

    async fn enqueue_offer(&self, message: MessageId) -> Result<(), Error> {
        if !self.is_news(message) {
            return Ok(());
        }
        let notes = Arc::clone(&self.relay.shared.notes);
        let permit = notes.acquire_owned().await.map_err(|_| Error::Stopped)?;
        let note = Work::own(Command::NoteOffer { message });
        let mut work = Box::new(Work { permit: Some(permit), ..note });
        loop {
            match self.relay.try_enqueue(*work) {
                Ok(()) => return Ok(()),
                Err((Error::Busy, back)) => work = back,
                Err((error, _)) => return Err(error),
            }
            tokio::time::sleep(FULL_PAUSE).await;
        }
    }

    /// False when the offer of this statement would change nothing.
    fn is_news(&self, id: MessageId) -> bool {
        let published = self.relay.published();
        published
            .state()
            .find(id)
            .is_some_and(|(_, message)| message.transport.decide(id, Move::Offer).unwrap_or(true))
    }

    /// What there is from the cursor: from memory, or else from the tables and the journal.
    async fn fetch(&self) -> Result<Vec<Arc<Record>>, Error> {
        let live = self.relay.shared.recent.slice(&self.desk, self.next, READ_AHEAD);
        if !live.is_empty() {
            return Ok(live);
        }
        let published = self.relay.published();
        if self.next >= published.state().next_desk_index(&self.desk) {
            return Ok(Vec::new());
        }
        // It is committed, but no longer (or never was) in memory: the tables know where.
        self.relay.wait_for_tables(published.next_index()).await?;
        let relay = self.relay.clone();
        let (desk, from) = (self.desk.clone(), self.next);
        tokio::task::spawn_blocking(move || relay.read_desk(&desk, from, READ_AHEAD))
            .await
            .map_err(|_| Error::Fault("reading records failed".to_owned()))?
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.relay.shared.clocks.leave(&self.desk);
    }
}

impl Relay {
    /// Up to `max` records of a desk's own sequence from `from`, by way of the tables. Blocks.
    ///
    /// # Errors
    /// `Fault` when the disk cannot be read, or the tables and the journal disagree.
    pub fn read_desk(
        &self,
        desk: &DeskId,
        from: DeskIndex,
        max: usize,
    ) -> Result<Vec<Arc<Record>>, Error> {
        let places = self.tables()?.desk_records(desk, from, max).map_err(Error::fault)?;
        let mut records = Vec::with_capacity(places.len());
        for (expected, (number, index)) in (from.0..).zip(places) {
            if number.0 != expected {
                return Err(Error::Fault(format!("the tables lack record {expected} of {desk}")));
            }
            records.push(Arc::new(self.read_record(index)?));
        }
        Ok(records)
    }

    /// One record. Blocks.
    ///
    /// # Errors
    /// `Fault` when it is not there or cannot be read.
    pub fn read_record(&self, index: crate::units::Index) -> Result<Record, Error> {
        let stored = self.reader.read(index, 1, 0).map_err(Error::fault)?;
        let first = stored
            .first()
            .ok_or_else(|| Error::Fault(format!("the journal has no record {index}")))?;
        codec::decode_record(&first.record).map_err(Error::fault)
    }
}
