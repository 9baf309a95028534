//! A clock that is moved by hand: one for the relay and every desk.
//!
//! Not the time of certificates, which stays the wall clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::identity;
use crate::relay;
use crate::units::Timestamp;

/// The clock of a network. A clone is the same clock.
#[derive(Debug, Clone)]
pub struct Clock {
    /// None follows the wall clock.
    hand: Option<Arc<Hand>>,
}

#[derive(Debug)]
struct Hand {
    start: Timestamp,
    now: AtomicI64,
    /// How far the relay's wall clock is ahead of everybody's, in milliseconds.
    relay_ahead: AtomicI64,
}

impl Clock {
    /// A clock that stands at `start` until it is moved.
    pub fn standing(start: Timestamp) -> Self {
        let now = AtomicI64::new(start.0);
        let hand = Hand { start, now, relay_ahead: AtomicI64::new(0) };
        Self { hand: Some(Arc::new(hand)) }
    }

    /// The wall clock. It cannot be moved.
    pub const fn wall() -> Self {
        Self { hand: None }
    }

    /// True when it stands until it is moved.
    pub const fn stands(&self) -> bool {
        self.hand.is_some()
    }

    /// What it shows.
    pub fn now(&self) -> Timestamp {
        match &self.hand {
            Some(hand) => Timestamp(hand.now.load(Ordering::SeqCst)),
            None => identity::now(),
        }
    }

    /// What it shows when the relay's own clock shows `moment`.
    pub(super) fn when_relay_shows(&self, moment: Timestamp) -> Timestamp {
        let ahead = self.hand.as_ref().map_or(0, |hand| hand.relay_ahead.load(Ordering::SeqCst));
        moment.plus_ms(-ahead)
    }

    /// Sets it. Without a hand nothing happens.
    pub(super) fn set(&self, now: Timestamp) {
        if let Some(hand) = &self.hand {
            hand.now.store(now.0, Ordering::SeqCst);
        }
    }

    /// Moves the relay's wall clock, and nobody else's, against its boot clock.
    pub(super) fn jump_relay(&self, by_ms: i64) {
        if let Some(hand) = &self.hand {
            hand.relay_ahead.fetch_add(by_ms, Ordering::SeqCst);
        }
    }
}

impl relay::Clock for Clock {
    fn wall(&self) -> Timestamp {
        match &self.hand {
            Some(hand) => self.now().plus_ms(hand.relay_ahead.load(Ordering::SeqCst)),
            None => self.now(),
        }
    }

    fn boot_ms(&self) -> i64 {
        match &self.hand {
            Some(hand) => self.now().since_ms(hand.start),
            None => self.now().0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Clock as _;

    #[test]
    fn a_move_is_no_jump_and_a_jump_is_the_relays_alone() {
        let start: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
        let clock = Clock::standing(start);
        let offset = clock.wall().0 - clock.boot_ms();
        clock.set(start.plus_ms(5_000));
        assert_eq!(clock.wall().0 - clock.boot_ms(), offset);
        clock.jump_relay(-1_000);
        assert_eq!(clock.wall().0 - clock.boot_ms(), offset - 1_000);
        assert_eq!(clock.now(), start.plus_ms(5_000));
        assert_eq!(clock.when_relay_shows(start), start.plus_ms(1_000));
    }
}
