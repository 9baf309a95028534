//! Publishing the logs: on a fixed clock, what was committed becomes tiles, bundles and a head.
//!
//! Not for serving them (any web server can, and `web/` does), nor for asking witnesses. A
//! follower like the others: its cursor is what was published, requests never wait for it, and
//! what it writes can be made anew from the journal.
//!
//! In this order, so that no published head can contradict another whenever the power fails:
//! 1. leaves of the journal to tiles and bundles, which no head covers yet;
//! 2. the new heads to `published.json`, by compare-and-swap, durably;
//! 3. signature, partial tiles, and the checkpoint, durably;
//! 4. the heads to whoever follows them, and the cosignatures that come back to the checkpoint.
//!
//! Where the journal does not contain what was published (a lost disk, an old copy), the keys of
//! the logs are held: nothing is signed that could contradict it.

mod committed;
mod writers;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info};

pub use committed::{Mark, MarkFault, last_published};

use super::{Holder, PublicHead, Published, Relay, Signers};
use crate::codec::{self, Log};
use crate::units::Index;
use committed::Committed;
use writers::Writers;

/// Records that are read at once.
const RECORDS_MAX: usize = 1_024;
/// How often the growth of the log is filled up before it is left for the next turn: each time by
/// some thousand leaves.
const PADDING_TRIES: usize = 64;
/// Bytes that are read at once; bodies count, though nobody looks at them here.
const BYTES_MAX: usize = 4 << 20;

/// What is published, where and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishOptions {
    /// The directory that everybody may read; a directory for each log is in it.
    pub directory: PathBuf,
    /// The relay's own directory for what was published last; in the store.
    pub own: PathBuf,
    /// The clock.
    pub every: Duration,
    /// Whether the growth of the traffic log is filled up to a power of two by leaves that say
    /// nothing.
    pub padding: bool,
}

/// Why nothing was published now.
#[derive(Debug)]
enum Trouble {
    /// It is tried again: the disk refuses, or something is not there yet.
    Later(String),
    /// What was published is not in this journal.
    Contradiction(String),
}

/// The publisher. See the file's header.
pub struct Publisher {
    relay: Relay,
    options: PublishOptions,
    committed: Option<Committed>,
    writers: Option<Writers>,
    /// The next record to take in.
    cursor: Index,
}

impl Publisher {
    /// A publisher of this relay's logs. Nothing is looked at yet.
    pub fn new(relay: Relay, options: PublishOptions) -> Self {
        Self { relay, options, committed: None, writers: None, cursor: Index(0) }
    }

    /// Looks whether the journal has what was published, for a start: where it has not, or that
    /// cannot be told, the keys are held until a turn finds that it has. Blocks.
    pub fn look(&self) {
        let Some(signers) = &self.relay.signers else { return };
        let committed = Committed::read(&self.options.own).map_err(mark_trouble);
        let looked = committed.and_then(|committed| check_committed(&self.relay, &committed));
        if let Err(Trouble::Later(why) | Trouble::Contradiction(why)) = looked {
            signers.hold(Holder::Publisher, &why);
        }
    }

    /// Publishes until `end` or until the relay stops; what is on disk by then is published at the
    /// last.
    pub async fn run(self, end: impl Future<Output = ()>) {
        let (relay, options) = (self.relay.clone(), self.options.clone());
        let mut own = Some(self);
        let mut clock = interval(options.every);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut directory = relay.heads().standings(Log::Directory);
        let mut traffic = relay.heads().standings(Log::Traffic);
        let ended = async {
            tokio::select! {
                () = end => {}
                () = relay.stopped() => {}
            }
        };
        tokio::pin!(ended);
        loop {
            let tick = tokio::select! {
                () = &mut ended => break,
                _ = clock.tick() => true,
                Ok(()) = directory.changed() => false,
                Ok(()) = traffic.changed() => false,
            };
            let mut publisher =
                own.take().unwrap_or_else(|| Self::new(relay.clone(), options.clone()));
            let next = relay.published().next_index();
            if publisher.writers.is_none() && relay.wait_for_tables(next).await.is_err() {
                break;
            }
            let work = tokio::task::spawn_blocking(move || {
                if tick {
                    publisher.turn();
                } else {
                    publisher.show_cosignatures();
                }
                publisher
            });
            match work.await {
                Ok(publisher) => own = Some(publisher),
                // The next turn begins from what is on disk.
                Err(_) => note(&relay, Some("publishing panicked".to_owned())),
            }
        }
        if let Some(mut publisher) = own.filter(|own| own.writers.is_some()) {
            // It says itself what fails.
            let _done = tokio::task::spawn_blocking(move || publisher.turn()).await;
        }
    }

    /// Publishes what is new. What fails is said, and tried again by the next turn. Blocks.
    pub fn turn(&mut self) {
        let Some(signers) = self.relay.signers.clone() else { return };
        let failed = match self.publish(&signers) {
            Ok(()) => {
                // What was published is in the journal again.
                signers.release(Holder::Publisher);
                None
            }
            Err(Trouble::Later(why)) => Some(why),
            Err(Trouble::Contradiction(why)) => {
                signers.hold(Holder::Publisher, &why);
                Some(why)
            }
        };
        if failed.is_some() {
            // The next turn begins from what is on disk.
            (self.writers, self.committed) = (None, None);
        }
        note(&self.relay, failed);
    }

    fn publish(&mut self, signers: &Signers) -> Result<(), Trouble> {
        if self.committed.is_none() {
            let committed = Committed::read(&self.options.own).map_err(mark_trouble)?;
            check_committed(&self.relay, &committed)?;
            self.committed = Some(committed);
        }
        if self.writers.is_none() {
            let now = self.relay.published().heads();
            let writers = Writers::open(&self.relay, &self.options.directory, signers, &now)?;
            self.cursor = self.begin(&writers);
            self.writers = Some(writers);
        }
        if signers.held().is_some() {
            // What it has just looked at holds together; whoever else holds the keys goes on.
            return Ok(());
        }
        let Some(published) = self.filled_up()? else { return Ok(()) };
        let mark = Mark { next: published.next_index(), heads: published.heads() };
        self.take_in(mark.next)?;
        let (Some(committed), Some(writers)) = (&mut self.committed, &mut self.writers) else {
            return Ok(());
        };
        writers.check(&mark.heads)?;
        let newest = committed.newest().map(|newest| newest.heads);
        if newest != Some(mark.heads) {
            let written = newest.is_some_and(|newest| writers.show(&newest));
            committed.swap(mark, written).map_err(mark_trouble)?;
        }
        for log in Log::ALL {
            let head = mark.heads.of(log);
            if writers.shows(log, &head) {
                continue;
            }
            let note = signers.sign(log, &head);
            let note = note.map_err(|unsigned| Trouble::Later(unsigned.to_string()))?;
            writers.publish(log, &note)?;
            if head.size > 0 {
                announce(&self.relay, log, note)?;
            }
        }
        Ok(())
    }

    /// The state that is to be published; none where the interval can no longer be filled up,
    /// because the relay is ending.
    fn filled_up(&self) -> Result<Option<Arc<Published>>, Trouble> {
        if !self.options.padding {
            return Ok(Some(self.relay.published()));
        }
        let newest = self.committed.as_ref().and_then(Committed::newest);
        let since = newest.map_or(0, |newest| newest.heads.traffic.size);
        for _ in 0..PADDING_TRIES {
            let Ok(published) = self.relay.pad(since) else { return Ok(None) };
            let grown = published.heads().traffic.size.saturating_sub(since);
            if grown == 0 || grown.is_power_of_two() {
                return Ok(Some(published));
            }
        }
        let why = "the interval is not filled up: the relay's disk is full, or too much comes";
        Err(Trouble::Later(why.to_owned()))
    }

    /// Where the leaves are that no file has yet.
    fn begin(&self, writers: &Writers) -> Index {
        let marks = self.committed.iter().flat_map(Committed::marks);
        let mut covered = marks.filter(|mark| writers.cover(&mark.heads));
        covered.next().map_or(Index(0), |mark| mark.next)
    }

    /// The leaves of all records before `next` go to tiles and bundles.
    fn take_in(&mut self, next: Index) -> Result<(), Trouble> {
        let Some(writers) = &mut self.writers else { return Ok(()) };
        while self.cursor < next {
            let left = usize::try_from(next.0 - self.cursor.0).unwrap_or(RECORDS_MAX);
            let stored = self
                .relay
                .reader
                .read(self.cursor, left.min(RECORDS_MAX), BYTES_MAX)
                .map_err(|fault| Trouble::Later(fault.to_string()))?;
            if stored.is_empty() {
                let why = format!("the journal has no record {}", self.cursor);
                return Err(Trouble::Later(why));
            }
            for stored in &stored {
                let record = codec::decode_record(&stored.record);
                let record = record.map_err(|corrupt| {
                    Trouble::Later(format!("record {}: {corrupt}", stored.index))
                })?;
                writers.push(&record.leaf, &record.event_bytes)?;
                self.cursor = stored.index.plus(1);
            }
        }
        Ok(())
    }

    /// Puts the cosignatures that have come in into the published checkpoints. Blocks.
    fn show_cosignatures(&mut self) {
        let Some(writers) = &mut self.writers else { return };
        for log in Log::ALL {
            let Some(newest) = self.relay.heads().newest(log) else { continue };
            if let Err(Trouble::Later(why) | Trouble::Contradiction(why)) =
                writers.cosign(log, &newest)
            {
                // The next turn begins from what is on disk.
                note(&self.relay, Some(why));
                self.writers = None;
                return;
            }
        }
    }
}

impl Relay {
    /// Why the logs are not published now, if so. It is tried again.
    pub fn why_unpublished(&self) -> Option<Arc<str>> {
        self.shared.unpublished()
    }
}

/// Notes how publishing went. A change is said.
fn note(relay: &Relay, failed: Option<String>) {
    let failed: Option<Arc<str>> = failed.map(Into::into);
    let before = relay.shared.set_unpublished(failed.clone());
    match (failed, before) {
        (Some(why), before) if before.as_ref() != Some(&why) => {
            error!(%why, "the logs are not published; it is tried again");
        }
        (None, Some(_)) => info!("the logs are published again"),
        (Some(_) | None, _) => {}
    }
}

/// Gives a head that everybody can see to whoever follows.
fn announce(relay: &Relay, log: Log, note: crate::tlog::Note) -> Result<(), Trouble> {
    let head = PublicHead::new(note, relay.now());
    relay.heads().publish(log, head.map_err(|bad| Trouble::Later(bad.to_string()))?);
    Ok(())
}

fn mark_trouble(fault: MarkFault) -> Trouble {
    match fault {
        MarkFault::Disk { .. } => Trouble::Later(fault.to_string()),
        MarkFault::Unreadable { .. } | MarkFault::Changed { .. } => {
            Trouble::Contradiction(fault.to_string())
        }
    }
}

/// What was published must be what this journal had at that record.
fn check_committed(relay: &Relay, committed: &Committed) -> Result<(), Trouble> {
    let Some(mark) = committed.newest() else { return Ok(()) };
    let records = relay.reader.next_index();
    let contradiction = |why: &str| {
        Trouble::Contradiction(format!(
            "heads of the logs up to record {} were published, and {why}; bring the newest journal \
             back, and compare with what the members have witnessed",
            mark.next
        ))
    };
    let Some(last) = mark.next.0.checked_sub(1).map(Index).filter(|last| *last < records) else {
        return Err(contradiction(&format!("the journal has {records} records")));
    };
    let trailer = relay.reader.trailer(last).map_err(|fault| Trouble::Later(fault.to_string()))?;
    let heads = codec::decode_trailer(&trailer.unwrap_or_default());
    let heads = heads.map_err(|bad| Trouble::Later(format!("record {last}: {bad}")))?.1;
    if heads == mark.heads { Ok(()) } else { Err(contradiction("the journal has others there")) }
}
