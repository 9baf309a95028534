//! How many calls a desk may have open, so that one nation cannot starve the others.
//!
//! Not for rates. Taking and giving back are a lock and a map of the desks that have something
//! open; nothing is kept for a desk that has not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::units::DeskId;

/// A number per desk, with a maximum.
#[derive(Debug)]
pub(super) struct Quota {
    max: usize,
    open: Mutex<BTreeMap<DeskId, usize>>,
}

/// One of a desk's; given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    quota: Arc<Quota>,
    desk: DeskId,
}

impl Quota {
    /// At most `max` for each desk.
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, open: Mutex::new(BTreeMap::new()) })
    }

    /// One more for `desk`, or none when it has its maximum.
    pub(super) fn take(self: &Arc<Self>, desk: &DeskId) -> Option<Share> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(desk.clone()).or_insert(0);
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(Share { quota: Arc::clone(self), desk: desk.clone() })
    }
}

impl Quota {
    /// True while `desk` has any.
    pub(super) fn is_taken(&self, desk: &DeskId) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).contains_key(desk)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.quota.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&self.desk) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => {
                open.remove(&self.desk);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_desk_cannot_take_what_is_anothers() {
        let quota = Quota::new(2);
        let (nl, ro): (DeskId, DeskId) = ("NL/cyber".parse().unwrap(), "RO/cyber".parse().unwrap());
        let first = quota.take(&nl).unwrap();
        let _second = quota.take(&nl).unwrap();
        assert!(quota.take(&nl).is_none());
        let other = quota.take(&ro).unwrap();
        drop(first);
        assert!(quota.take(&nl).is_some());
        drop(other);
        assert!(!quota.open.lock().unwrap().contains_key(&ro));
    }
}
