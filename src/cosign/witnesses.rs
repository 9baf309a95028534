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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WitnessState {
    /// Name of its key.
    pub name: String,
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
            state: WitnessState { name: name.clone(), ..WitnessState::default() },
            connection: watch::Sender::new(0),
        });
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
        self.note(|state| {
            match log {
                Log::Directory => state.directory = state.directory.max(size),
                Log::Traffic => state.traffic = state.traffic.max(size),
            }
            state.trouble.clear();
        });
    }

    /// It has not cosigned, or cannot be reached, and why.
    pub(super) fn trouble(&self, why: String) {
        self.note(|state| state.trouble = why);
    }

    fn note(&self, change: impl FnOnce(&mut WitnessState)) {
        if let Some(known) = self.witnesses.lock().get_mut(&self.name) {
            change(&mut known.state);
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
