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

/// Watches the wall clock for steps.
#[derive(Debug)]
pub(super) struct StepWatch {
    offset_ms: i64,
}

impl StepWatch {
    /// Starts watching from now.
    pub(super) fn new(clock: &dyn Clock) -> Self {
        Self { offset_ms: offset_ms(clock) }
    }

    /// How far the wall clock has jumped since the last look, if it has.
    pub(super) fn step_ms(&mut self, clock: &dyn Clock) -> Option<i64> {
        let offset = offset_ms(clock);
        let step = offset.saturating_sub(self.offset_ms);
        if step.saturating_abs() > STEP_MS_MAX {
            self.offset_ms = offset;
            Some(step)
        } else {
            None
        }
    }
}

fn offset_ms(clock: &dyn Clock) -> i64 {
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
        let mut watch = StepWatch::new(&clock);
        clock.wall.fetch_add(3_600_000, Ordering::SeqCst);
        clock.boot.fetch_add(3_600_000, Ordering::SeqCst);
        assert_eq!(watch.step_ms(&clock), None);
        clock.wall.fetch_sub(3_600_000, Ordering::SeqCst);
        assert_eq!(watch.step_ms(&clock), Some(-3_600_000));
        assert_eq!(watch.step_ms(&clock), None);
    }
}
