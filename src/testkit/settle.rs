//! Waiting until nothing is under way any more, and moving the clock from deadline to deadline.
//!
//! Not by sleeping: the commit thread is asked to look at the clock, and desks say when their case
//! file changes. Every wait has a limit.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::{Error, Network};
use crate::relay::{DUE_AFTER_START_MS, Published, Relay};
use crate::service::RunningRelay;
use crate::units::{DeskId, Timestamp};

/// How long anything may take. Milliseconds on loopback; the limit is for machines that are very
/// busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked again when nobody says that something changed.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Looks again and again until `what` answers, for at most [`PATIENCE`].
pub(super) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, Error> {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if started.elapsed() > PATIENCE {
            return Err(Error::Unsettled(what.to_owned()));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl Network {
    /// Waits until nothing is under way: every deadline that is due is on record, every desk that
    /// can be reached is connected, has heard everything, the directory too, has said everything
    /// that waited, and has opened every body that it may; and the relay's tables have followed.
    ///
    /// # Errors
    /// [`Error::Unsettled`] after 60 s, saying what is still under way.
    pub async fn settle(&self) -> Result<(), Error> {
        let Some(relay) = &self.relay else { return Ok(()) };
        let started = Instant::now();
        loop {
            self.pass_what_is_due(relay.relay()).await?;
            let seen = relay.relay().published();
            match self.under_way(relay, &seen) {
                None => {
                    let next = seen.next_index();
                    relay.relay().wait_for_tables(next).await?;
                    if relay.relay().published().next_index() == next {
                        return Ok(());
                    }
                }
                Some((desk, what)) => {
                    if started.elapsed() > PATIENCE {
                        return Err(Error::Unsettled(format!("{desk}: {what}")));
                    }
                    self.wait_for_news(&desk).await;
                }
            }
        }
    }

    /// Moves the clock to `to`, stopping at every deadline on the way, so that each passes at its
    /// own moment and is heard by everyone before the next.
    ///
    /// # Errors
    /// [`Error::Clock`] when that is in the past, or the clock is the machine's own; otherwise as
    /// [`Network::settle`].
    pub async fn advance_to(&self, to: Timestamp) -> Result<(), Error> {
        if !self.clock.stands() {
            return Err(Error::Clock("it is the machine's own".to_owned()));
        }
        if to < self.clock.now() {
            let now = self.clock.now();
            return Err(Error::Clock(format!("it shows {now}, which is after {to}")));
        }
        self.settle().await?;
        let mut waited = false;
        while let Some(next) = self.next_deadline().filter(|next| *next <= to) {
            let now = self.clock.now();
            if next > now {
                self.clock.set(next);
            } else if !waited {
                // Due and not passed: the relay has just started, and waits for its desks.
                waited = true;
                self.clock.set(now.plus_ms(DUE_AFTER_START_MS).min(to));
            } else {
                // The relay holds its deadlines until its clock is confirmed.
                break;
            }
            self.settle().await?;
        }
        self.clock.set(to);
        self.settle().await
    }

    /// Moves the clock on by so many milliseconds; as [`Network::advance_to`].
    ///
    /// # Errors
    /// As [`Network::advance_to`].
    pub async fn advance_ms(&self, by_ms: i64) -> Result<(), Error> {
        self.advance_to(self.clock.now().plus_ms(by_ms)).await
    }

    /// When the next deadline passes, by everybody's clock; none while the relay does not run.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let published = self.relay.as_ref()?.relay().published();
        published.state().next_deadline().map(|at| self.clock.when_relay_shows(at))
    }

    /// Has the relay look at its clock until nothing is due, or it holds what is.
    async fn pass_what_is_due(&self, relay: &Relay) -> Result<(), Error> {
        loop {
            let before = relay.published().next_index();
            relay.look_at_the_clock().await?;
            let after = relay.published();
            let due = after.state().next_deadline().is_some_and(|at| at <= relay.now());
            if !due || after.next_index() == before {
                return Ok(());
            }
        }
    }

    /// A desk at which something is under way, and what.
    fn under_way(&self, relay: &RunningRelay, seen: &Published) -> Option<(DeskId, &'static str)> {
        let state = seen.state();
        for (id, post) in &self.posts {
            let Some(agent) = post.agent().filter(|_| post.is_expected()) else { continue };
            let desk = agent.handle();
            let file = desk.file();
            let what = if !desk.status().link.connected || !relay.is_followed_by(id) {
                "it is not connected"
            } else if file.next() < state.next_desk_index(id) {
                "it has not heard everything"
            } else if file.contacts().next_leaf() < seen.next_leaf() {
                "it has not heard the whole directory"
            } else if file.outbox_len() > 0 {
                "a statement waits in its outbox"
            } else if file.wanted().next().is_some() {
                "a body has not been opened"
            } else if state.undelivered(id).next().is_some() {
                "a receipt is missing"
            } else {
                continue;
            };
            return Some((id.clone(), what));
        }
        None
    }

    /// Waits a moment, or until the case file of this desk changes.
    async fn wait_for_news(&self, desk: &DeskId) {
        let Some(agent) = self.posts.get(desk).and_then(|post| post.agent()) else { return };
        let mut changes = agent.handle().changes();
        changes.mark_unchanged();
        // Either is a reason to look again.
        drop(timeout(LOOK_EVERY, changes.changed()).await);
    }
}
