//! What time it is at the connected desks, as each told when it began to follow or spoke.
//!
//! Not for deciding what time it is: the commit thread asks whether most of them agree with the
//! wall clock. A desk's clock is kept as its distance from the boot clock, so that it goes on.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::units::{DeskId, MINUTE_MS, Timestamp};

/// A desk's clock agrees with the relay's when they are no further apart: as little as a jump that
/// is noticed (decision: 60 s), and far more than what the network adds.
const APART_MS_MAX: i64 = MINUTE_MS;
/// So many clocks must have been told before they can cast doubt on the relay's.
const DISSENTERS_MIN: usize = 2;

/// The clocks of the connected desks.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    desks: Mutex<BTreeMap<DeskId, Told>>,
}

#[derive(Debug, Default)]
struct Told {
    /// Streams that are open.
    streams: usize,
    /// Its clock minus the boot clock, if it has told.
    offset_ms: Option<i64>,
}

impl Clocks {
    /// A stream of this desk begins.
    pub(super) fn join(&self, desk: &DeskId) {
        self.lock().entry(desk.clone()).or_default().streams += 1;
    }

    /// A stream of this desk ends; with its last one its clock is forgotten.
    pub(super) fn leave(&self, desk: &DeskId) {
        let mut desks = self.lock();
        if let Some(told) = desks.get_mut(desk) {
            told.streams = told.streams.saturating_sub(1);
            if told.streams == 0 {
                desks.remove(desk);
            }
        }
    }

    /// This is the time at a desk, now.
    pub(super) fn told(&self, desk: &DeskId, time: Timestamp, boot_ms: i64) {
        self.lock().entry(desk.clone()).or_default().offset_ms =
            Some(time.0.saturating_sub(boot_ms));
    }

    /// Whether more than half of the clocks that were told agree with this one.
    pub(super) fn confirm(&self, offset_ms: i64) -> bool {
        let offsets = self.offsets(|_| true);
        2 * offsets.iter().filter(|other| agree(**other, offset_ms)).count() > offsets.len()
    }

    /// How far this clock is ahead of those of the desks that follow, when more than half of them
    /// say otherwise: the distance from the one in the middle.
    pub(super) fn dissent_ms(&self, offset_ms: i64) -> Option<i64> {
        let offsets = self.offsets(|told| told.streams > 0);
        let against = offsets.iter().filter(|other| !agree(**other, offset_ms)).count();
        let middle = offsets.get(offsets.len() / 2)?;
        (offsets.len() >= DISSENTERS_MIN && 2 * against > offsets.len())
            .then(|| offset_ms.saturating_sub(*middle))
    }

    /// The clocks that these have told, in order.
    fn offsets(&self, whose: impl Fn(&Told) -> bool) -> Vec<i64> {
        let desks = self.lock();
        let told = desks.values().filter(|told| whose(told));
        let mut offsets: Vec<i64> = told.filter_map(|told| told.offset_ms).collect();
        offsets.sort_unstable();
        offsets
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DeskId, Told>> {
        // Nothing is ever half done in there.
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn agree(one: i64, other: i64) -> bool {
    one.saturating_sub(other).saturating_abs() <= APART_MS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk(n: usize) -> DeskId {
        format!("{}/cyber", ["NL", "RO", "US"][n]).parse().unwrap()
    }

    fn clocks(offsets: &[Option<i64>]) -> Clocks {
        let clocks = Clocks::default();
        for (n, offset) in offsets.iter().enumerate() {
            clocks.join(&desk(n));
            if let Some(offset) = offset {
                clocks.told(&desk(n), Timestamp(*offset), 0);
            }
        }
        clocks
    }

    #[test]
    fn more_than_half_of_those_who_tell_must_agree() {
        let day = 24 * 60 * MINUTE_MS;
        for (offsets, confirms) in [
            (&[][..], false),
            (&[None], false),
            (&[Some(0)], true),
            (&[Some(MINUTE_MS), None], true),
            (&[Some(MINUTE_MS + 1)], false),
            (&[Some(0), Some(day)], false),
            (&[Some(0), Some(-5), Some(day)], true),
        ] {
            assert_eq!(clocks(offsets).confirm(0), confirms, "{offsets:?}");
        }
    }

    #[test]
    fn one_desk_alone_casts_no_doubt() {
        let day = 24 * 60 * MINUTE_MS;
        assert_eq!(clocks(&[Some(day)]).dissent_ms(0), None);
        assert_eq!(clocks(&[Some(day), Some(0)]).dissent_ms(0), None);
        assert_eq!(clocks(&[Some(day), Some(day + 1)]).dissent_ms(0), Some(-day - 1));
        assert_eq!(clocks(&[Some(-day), Some(-day), Some(0)]).dissent_ms(0), Some(day));
    }

    #[test]
    fn a_desk_that_is_gone_tells_no_time() {
        let clocks = clocks(&[Some(0)]);
        clocks.join(&desk(0));
        clocks.leave(&desk(0));
        assert!(clocks.confirm(0));
        clocks.leave(&desk(0));
        assert!(!clocks.confirm(0));
    }
}
