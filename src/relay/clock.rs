//! Where the relay gets the time.
//!
//! Not for deciding anything: the rules get `now` as an argument.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::units::{MINUTE_MS, Timestamp};

/// A wall clock and a clock that only goes forward.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn wall(&self) -> Timestamp;

    /// Milliseconds since some moment, never backwards, unmoved by changes of the wall clock.
    fn boot_ms(&self) -> i64;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn boot_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// A step of the wall clock against the boot clock that is larger than this is an event
/// (decision: 60 s; NTP slews never come near it).
const STEP_MS_MAX: i64 = MINUTE_MS;

/// Keeps the time by the wall clock as long as that is trusted, and watches it for steps.
///
/// While it is in doubt, time goes on from where it was, by the boot clock: a clock that is put
/// wrong neither spoils the record times nor makes statements look old.
#[derive(Debug)]
pub(super) struct Timekeeper {
    /// Wall clock minus boot clock at the last look.
    seen_ms: i64,
    /// The same, when the wall clock was last trusted.
    trusted_ms: i64,
}

impl Timekeeper {
    /// Starts now. `in_doubt` since: time goes on from there.
    pub(super) fn new(clock: &dyn Clock, in_doubt: Option<Timestamp>) -> Self {
        let seen_ms = offset_ms(clock);
        let trusted_ms = in_doubt.map_or(seen_ms, |since| since.0.saturating_sub(clock.boot_ms()));
        Self { seen_ms, trusted_ms }
    }

    /// How far the wall clock has jumped since the last look, if it has. If it has not and is not
    /// in doubt, it is trusted as it is.
    pub(super) fn look(&mut self, clock: &dyn Clock, in_doubt: bool) -> Option<i64> {
        let offset = offset_ms(clock);
        let step = offset.saturating_sub(self.seen_ms);
        if step.saturating_abs() > STEP_MS_MAX {
            self.seen_ms = offset;
            return Some(step);
        }
        if !in_doubt {
            self.trusted_ms = offset;
        }
        None
    }

    /// What time it is.
    pub(super) fn now(&self, clock: &dyn Clock, in_doubt: bool) -> Timestamp {
        if in_doubt {
            Timestamp(clock.boot_ms().saturating_add(self.trusted_ms))
        } else {
            clock.wall()
        }
    }

    /// The wall clock is this far ahead of what is to be trusted.
    pub(super) fn distrust(&mut self, ahead_ms: i64) {
        self.trusted_ms = self.seen_ms.saturating_sub(ahead_ms);
    }
}

/// Wall clock minus boot clock.
pub(super) fn offset_ms(clock: &dyn Clock) -> i64 {
    clock.wall().0.saturating_sub(clock.boot_ms())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    struct Fake {
        wall: AtomicI64,
        boot: AtomicI64,
    }

    impl Clock for Fake {
        fn wall(&self) -> Timestamp {
            Timestamp(self.wall.load(Ordering::SeqCst))
        }

        fn boot_ms(&self) -> i64 {
            self.boot.load(Ordering::SeqCst)
        }
    }

    #[test]
    fn only_a_jump_is_a_step() {
        let clock = Fake { wall: AtomicI64::new(1_000_000), boot: AtomicI64::new(0) };
        let mut watch = Timekeeper::new(&clock, None);
        clock.wall.fetch_add(3_600_000, Ordering::SeqCst);
        clock.boot.fetch_add(3_600_000, Ordering::SeqCst);
        assert_eq!(watch.look(&clock, false), None);
        clock.wall.fetch_sub(3_600_000, Ordering::SeqCst);
        assert_eq!(watch.look(&clock, false), Some(-3_600_000));
        assert_eq!(watch.look(&clock, true), None);
    }

    #[test]
    fn time_goes_on_while_the_clock_is_in_doubt() {
        let clock = Fake { wall: AtomicI64::new(1_000_000), boot: AtomicI64::new(500) };
        let mut keeper = Timekeeper::new(&clock, None);
        clock.wall.fetch_add(3_600_000 + 10, Ordering::SeqCst);
        clock.boot.fetch_add(10, Ordering::SeqCst);
        for _ in 0..2 {
            keeper.look(&clock, true);
            assert_eq!(keeper.now(&clock, true), Timestamp(1_000_010));
            assert_eq!(keeper.now(&clock, false), Timestamp(4_600_010));
        }
        assert_eq!(keeper.look(&clock, false), None);
        assert_eq!(keeper.now(&clock, true), Timestamp(4_600_010), "it is trusted again");
        let since = Timestamp(77_000);
        let keeper = Timekeeper::new(&clock, Some(since));
        clock.boot.fetch_add(7, Ordering::SeqCst);
        assert_eq!(keeper.now(&clock, true), since.plus_ms(7));
    }
}
