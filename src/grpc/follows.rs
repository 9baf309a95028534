//! Which connections follow: each at most once, and each desk a few times over all of its
//! connections.
//!
//! Not for the records (see `relay::Follower`).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::quota::{Quota, Share};
use crate::units::DeskId;

/// The connections that follow.
#[derive(Debug)]
pub(super) struct Follows {
    connections: Mutex<BTreeSet<u64>>,
    desks: Arc<Quota>,
}

/// The right to follow; given back when dropped.
#[derive(Debug)]
pub(super) struct Following {
    follows: Arc<Follows>,
    connection: u64,
    _share: Share,
}

impl Follows {
    /// At most `of_desk_max` for each desk.
    pub(super) fn new(of_desk_max: usize) -> Arc<Self> {
        let desks = Quota::new(of_desk_max);
        Arc::new(Self { connections: Mutex::default(), desks })
    }

    /// Lets a connection of `desk` follow; none when it does already, or the desk has its maximum.
    pub(super) fn take(self: &Arc<Self>, connection: u64, desk: &DeskId) -> Option<Following> {
        let share = self.desks.take(desk)?;
        let new = self.lock().insert(connection);
        new.then(|| Following { follows: Arc::clone(self), connection, _share: share })
    }

    /// True while the connection follows.
    pub(super) fn has(&self, connection: u64) -> bool {
        self.lock().contains(&connection)
    }

    /// True while any connection of `desk` follows.
    pub(super) fn is_followed_by(&self, desk: &DeskId) -> bool {
        self.desks.is_taken(desk)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.follows.lock().remove(&self.connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_follows_once_and_a_desk_a_few_times() {
        let follows = Follows::new(2);
        let nl: DeskId = "NL/cyber".parse().unwrap();
        let first = follows.take(1, &nl).unwrap();
        assert!(follows.take(1, &nl).is_none(), "the connection follows already");
        let second = follows.take(2, &nl).unwrap();
        assert!(follows.take(3, &nl).is_none(), "the desk has its maximum");
        assert!(follows.take(3, &"RO/cyber".parse().unwrap()).is_some());
        drop(first);
        assert!(!follows.has(1) && follows.has(2) && follows.is_followed_by(&nl));
        assert!(follows.take(3, &nl).is_some());
        drop(second);
        assert!(!follows.is_followed_by(&"RO/cyber".parse().unwrap()));
    }
}
