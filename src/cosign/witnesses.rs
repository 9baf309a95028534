//! Which witnesses there are at this moment, and how far each has cosigned: what the operator sees.
//!
//! Not kept over a restart, and nothing is decided by it, but that the newest connection of a
//! witness is the one that is asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::codec::Log;
use crate::tlog::VerifierKey;

/// Names of witnesses that are remembered at most: 16 of a committee, every desk of a large
/// network, and some from elsewhere.
const WITNESSES_MAX: usize = 1_024;

/// A witness, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessState {
    /// The key with which it came last.
    pub key: VerifierKey,
    /// It can be asked now.
    pub connected: bool,
    /// Size of the directory log's newest head that it cosigned for this relay since the start.
    pub directory: u64,
    /// The same of the traffic log.
    pub traffic: u64,
    /// Why its last answer was no cosignature, in words; empty after one that was.
    pub trouble: String,
}

/// The witnesses. A clone is the same list.
#[derive(Debug, Clone, Default)]
pub struct Witnesses(Arc<Mutex<BTreeMap<String, Known>>>);

#[derive(Debug)]
struct Known {
    state: WitnessState,
    /// What the relay's log has last been told of what is wrong with it, log by log.
    said: BTreeMap<Log, String>,
    /// Counts its connections; the newest is the one that is asked.
    connection: watch::Sender<u64>,
}

/// A witness that is being asked. Dropping it says that it has gone.
#[derive(Debug)]
pub struct Place {
    witnesses: Witnesses,
    name: String,
    connection: u64,
    newest: watch::Receiver<u64>,
}

impl Witnesses {
    /// All of them, by name.
    pub fn list(&self) -> Vec<WitnessState> {
        self.lock().values().map(|known| known.state.clone()).collect()
    }

    /// A witness has come; an older connection of it is not asked any more. None when there are
    /// more than anybody has.
    pub fn join(&self, key: &VerifierKey) -> Option<Place> {
        let name = key.name().to_string();
        let mut known = self.lock();
        if known.len() >= WITNESSES_MAX && !known.contains_key(&name) {
            return None;
        }
        let known = known.entry(name.clone()).or_insert_with(|| Known {
            state: WitnessState {
                key: key.clone(),
                connected: false,
                directory: 0,
                traffic: 0,
                trouble: String::new(),
            },
            said: BTreeMap::new(),
            connection: watch::Sender::new(0),
        });
        known.state.key = key.clone();
        known.state.connected = true;
        known.connection.send_modify(|number| *number += 1);
        let newest = known.connection.subscribe();
        let connection = *newest.borrow();
        Some(Place { witnesses: self.clone(), name, connection, newest })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits until a newer connection of the same witness is there.
    pub async fn displaced(&self) {
        let mut newest = self.newest.clone();
        // The list lives as long as this.
        let _gone = newest.wait_for(|newest| *newest != self.connection).await;
    }

    /// It has cosigned a head of this size.
    pub(super) fn cosigned(&self, log: Log, size: u64) {
        self.note(|known| {
            let state = &mut known.state;
            match log {
                Log::Directory => state.directory = state.directory.max(size),
                Log::Traffic => state.traffic = state.traffic.max(size),
            }
            state.trouble.clear();
            known.said.remove(&log);
        });
    }

    /// It has not cosigned a head of this log, and why. The relay's log is told only when `kind`,
    /// what is wrong without the numbers of this time, is not what it was told last.
    pub(super) fn trouble(&self, log: Log, kind: &str, why: String) {
        if self.is_news(log, kind) {
            let (witness, log) = (self.name.as_str(), log.as_str());
            tracing::warn!(witness, log, why, "a witness does not cosign");
        }
        self.note(|known| known.state.trouble = why);
    }

    /// It is not there any more, and why.
    pub(super) fn gone(&self, why: String) {
        self.note(|known| known.state.trouble = why);
    }

    fn is_news(&self, log: Log, kind: &str) -> bool {
        let mut is_news = false;
        self.note(|known| {
            is_news = known.said.get(&log).is_none_or(|said| said != kind);
            known.said.insert(log, kind.to_owned());
        });
        is_news
    }

    fn note(&self, change: impl FnOnce(&mut Known)) {
        if let Some(known) = self.witnesses.lock().get_mut(&self.name) {
            change(known);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let connection = self.connection;
        if let Some(known) = self.witnesses.lock().get_mut(&self.name)
            && *known.connection.borrow() == connection
        {
            known.state.connected = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tlog::Signer;
    use crate::tlog::note::Kind;

    #[test]
    fn what_is_wrong_is_news_once_until_it_changes_or_was_right() {
        let name = "detente-dev/witness/NL/cyber".parse().unwrap();
        let key = Signer::from_seed(name, Kind::Ed25519Cosignature, [1; 32]).public().clone();
        let witnesses = Witnesses::default();
        let place = witnesses.join(&key).unwrap();
        assert!(place.is_news(Log::Traffic, "it declines"));
        assert!(!place.is_news(Log::Traffic, "it declines"));
        assert!(place.is_news(Log::Directory, "it declines"), "of the other log");
        assert!(place.is_news(Log::Traffic, "it lies"));
        drop(place);
        let place = witnesses.join(&key).unwrap();
        assert!(!place.is_news(Log::Traffic, "it lies"), "after another connection");
        place.cosigned(Log::Directory, 7);
        assert!(!place.is_news(Log::Traffic, "it lies"));
        assert!(place.is_news(Log::Directory, "it declines"));
    }
}
