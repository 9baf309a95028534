//! Carries what waits, some at a time, and tries again.
//!
//! Not for what is carried: see `uplink.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::uplink::Timing;
use super::uplink_backoff::Backoff;
use crate::desk::{CaseFile, Desk, Held};

/// Something to carry. What shares a lane is carried one after another.
pub(super) trait Carry: Clone + Send + 'static {
    /// A lane.
    type Lane: Ord + Clone + Send + 'static;

    /// The next statement that waits, in a lane that is free.
    fn next(&self, file: &CaseFile, free: impl FnMut(&Self::Lane) -> bool) -> Option<Arc<Held>>;

    /// A statement's lane.
    fn lane(held: &Held) -> Self::Lane;

    /// Tries once.
    fn carry(self, held: Arc<Held>) -> impl Future<Output = Outcome> + Send;
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is done with, and the case file says so.
    Done,
    /// Not now, for a reason that concerns everything.
    Again(String),
    /// The same, and the relay is there and says that this passes.
    Soon(String),
    /// Not now, for a reason of its own.
    Later,
}

/// Pause of a lane that has a reason of its own.
const LATER: std::time::Duration = std::time::Duration::from_secs(60);

/// The longest pause where the relay is there: one that has just started accepts nothing for some
/// seconds, and what waits is not to wait much longer.
const SOON_MAX: std::time::Duration = std::time::Duration::from_secs(5);

/// Carries what waits.
pub(super) struct Courier<L> {
    desk: Desk,
    timing: Timing,
    side_by_side_max: usize,
    stopping: watch::Receiver<bool>,
    busy: BTreeSet<L>,
    later: BTreeMap<L, Instant>,
    backoff: Backoff,
    /// Nothing is tried before.
    pause: Option<Instant>,
}

impl<L: Ord + Clone + Send + 'static> Courier<L> {
    /// A courier with nothing under way.
    pub(super) fn new(
        desk: Desk,
        timing: Timing,
        side_by_side_max: usize,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let backoff = Backoff::new(timing.pause_max);
        let (busy, later) = (BTreeSet::new(), BTreeMap::new());
        Self { desk, timing, side_by_side_max, stopping, busy, later, backoff, pause: None }
    }

    /// Carries until the desk is stopped or its disk fails; what is under way then may finish.
    pub(super) async fn run<C: Carry<Lane = L>>(mut self, carry: C) {
        let mut changes = self.desk.changes();
        let mut link = self.desk.link();
        let mut stopping = self.stopping.clone();
        let mut under_way = JoinSet::new();
        loop {
            let published = changes.borrow_and_update().clone();
            if published.failed.is_some() || *stopping.borrow_and_update() {
                break;
            }
            self.start(&published.file, &carry, &mut under_way);
            let wake = self.wake();
            let timer = async {
                match wake {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { break },
                Some(done) = under_way.join_next() => self.finish(done),
                () = timer => self.tick(),
                changed = link.changed() => {
                    // The relay is there again: whatever waits need not wait longer.
                    if changed.is_ok() && link.borrow_and_update().connected {
                        self.pause = None;
                        self.backoff.reset();
                    }
                }
                changed = stopping.changed() => if changed.is_err() { break },
            }
        }
        let drained = async { while under_way.join_next().await.is_some() {} };
        if timeout(self.timing.drain_within, drained).await.is_err() {
            tracing::warn!("some statements were still under way; they are sent after the restart");
        }
    }

    fn start<C: Carry<Lane = L>>(
        &mut self,
        file: &CaseFile,
        carry: &C,
        under_way: &mut JoinSet<(L, Outcome)>,
    ) {
        if self.pause.is_some_and(|until| until > Instant::now()) {
            return;
        }
        self.pause = None;
        while self.busy.len() < self.side_by_side_max {
            let free = |lane: &L| !self.busy.contains(lane) && !self.later.contains_key(lane);
            let Some(held) = carry.next(file, free) else { break };
            let lane = C::lane(&held);
            self.busy.insert(lane.clone());
            let carry = carry.clone();
            under_way.spawn(async move { (lane, carry.carry(held).await) });
        }
    }

    fn finish(&mut self, done: Result<(L, Outcome), tokio::task::JoinError>) {
        let Ok((lane, outcome)) = done else {
            // A panic in a try: its lane stays closed until the next start of the agent.
            tracing::error!("carrying a statement panicked");
            return;
        };
        match outcome {
            Outcome::Done => self.backoff.reset(),
            Outcome::Later => {
                self.later.insert(lane.clone(), Instant::now() + LATER);
            }
            Outcome::Again(why) => self.wait(&why, self.timing.pause_max),
            Outcome::Soon(why) => self.wait(&why, SOON_MAX),
        }
        self.busy.remove(&lane);
    }

    /// Nothing is tried for a while.
    fn wait(&mut self, why: &str, most: std::time::Duration) {
        let pause = self.backoff.pause().min(most);
        tracing::debug!(why, ?pause, "trying again");
        let until = Instant::now() + pause;
        self.pause = Some(self.pause.map_or(until, |other| other.max(until)));
    }

    /// When something that waits may go on.
    fn wake(&self) -> Option<Instant> {
        self.pause.into_iter().chain(self.later.values().copied()).min()
    }

    fn tick(&mut self) {
        let now = Instant::now();
        self.later.retain(|_, until| *until > now);
        self.pause = self.pause.filter(|until| *until > now);
    }
}
