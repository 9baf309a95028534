//! Keeps the relay from signing what contradicts what it has signed before: after a restore, and
//! whenever a witness shows that it has seen more, or something else.
//!
//! Not for heads within one run (the journal's trailers are the compare-and-swap for those). A
//! store that may be an older copy is held until the quorum of the policy's witnesses has said how
//! far it has seen, and all of that is here. What a witness says against this store counts only
//! with the log's own signature under it: no desk can stop the relay by words alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{error, info, warn};

use super::incarnation::{Found, Incarnation};
use super::signers::{Holder, Signers};
use super::{Error, Relay};
use crate::codec::{Head, Log};
use crate::envelope::genesis::keys_of_log;
use crate::tlog::proof::root;
use crate::tlog::{Checkpoint, Note, Policy, VerifierKey};
use crate::units::JournalId;

/// What stands guard over one store.
pub(super) struct Guard {
    incarnation: Incarnation,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// It may be an older copy: nothing is signed until the quorum has spoken.
    is_doubted: bool,
    /// Records that are lost have been given up: witnesses that have seen them are not believed.
    given_up: bool,
    /// A witness has shown that this store lacks what was signed.
    is_contradicted: bool,
    /// Witnesses of the policy whose newest head is here, log by log.
    agreed: BTreeMap<Log, BTreeSet<String>>,
}

/// A head that a witness has cosigned, and the note with which it proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The head.
    pub head: Head,
    /// The note, signed by the log; none where it gave none.
    pub note: Option<Note>,
}

/// What a witness's head is to this store.
enum Judged {
    Here,
    /// Signed by the log itself, and not here.
    NotHere(String),
    /// Not here, and nothing proves that the log has signed it.
    Unproven(String),
}

impl Guard {
    /// Looks whether the store is the one that ran last, and holds the keys when it may not be.
    /// `is_new`: nothing has ever been recorded in it.
    pub(super) fn post(
        store: &Path,
        journal: JournalId,
        is_new: bool,
        (signers, policy): (&Signers, &Policy),
    ) -> io::Result<Arc<Self>> {
        let incarnation = Incarnation::new(store, journal);
        let mut state = State::default();
        let found = incarnation.look()?;
        if let Some(words) = incarnation.accepted()? {
            error!(words, "the operator accepts that records of the logs are lost");
            incarnation.write(Some(&words))?;
            incarnation.take_acceptance()?;
            state.given_up = true;
        } else {
            match found {
                Found::Same(given_up) => state.given_up = given_up.is_some(),
                Found::Other(_) if is_new => incarnation.write(None)?,
                Found::Other(why) if policy.is_quorum(&BTreeSet::new()) => {
                    warn!(why, "the store may be an older copy, and no witness can tell");
                    incarnation.write(None)?;
                }
                Found::Other(why) => {
                    state.is_doubted = true;
                    let why = format!(
                        "the store may be older than what was signed over it ({why}): it waits \
                         until the quorum of witnesses has connected and said how far it has seen"
                    );
                    signers.hold(Holder::Guard, &why);
                }
            }
        }
        Ok(Arc::new(Self { incarnation, state: Mutex::new(state) }))
    }

    /// A witness of the policy has seen only what is here. True when the quorum has said so and the
    /// keys may be released.
    fn agrees(&self, log: Log, witness: &str, policy: &Policy) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.agreed.entry(log).or_default().insert(witness.to_owned());
        let has_quorum = |log: &Log| {
            let names = state.agreed.get(log);
            names.is_some_and(|names| policy.is_quorum(&names.iter().map(String::as_str).collect()))
        };
        let is_cleared =
            state.is_doubted && !state.is_contradicted && Log::ALL.iter().all(has_quorum);
        if is_cleared {
            state.is_doubted = false;
        }
        is_cleared
    }

    /// A witness has shown that something is missing. True when that is to stop the signing.
    fn contradicts(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.given_up {
            return false;
        }
        state.is_contradicted = true;
        true
    }
}

impl Relay {
    /// Takes what a witness says it has cosigned: it is held against the logs that are here. What
    /// proves that the logs lack something stops the signing.
    ///
    /// # Errors
    /// `Busy` while the tables are made anew: to be told again; `Fault` when the disk fails.
    pub async fn hear_witness(
        &self,
        witness: &VerifierKey,
        told: &BTreeMap<Log, Told>,
    ) -> Result<(), Error> {
        let (Some(guard), Some(signers)) = (self.guard.clone(), self.signers.clone()) else {
            return Ok(());
        };
        let policy = self.heads().policy();
        let name = policy.witnesses().find(|known| known.key == witness).map(|known| known.name);
        for (log, told) in told {
            let judged = self.judge_told(*log, told.clone()).await?;
            let witness = witness.name().as_str();
            match (judged, name) {
                (Judged::Here, Some(name)) => {
                    if guard.agrees(*log, name, policy) {
                        let incarnation = guard.incarnation.clone();
                        self.off_the_workers(move |_| {
                            incarnation.write(None).map_err(Error::fault)
                        })
                        .await?;
                        info!("the quorum of witnesses has seen nothing that is not here");
                        signers.release(Holder::Guard);
                    }
                }
                (Judged::Here, None) => {}
                (Judged::Unproven(why), _) => {
                    warn!(witness, why, "a witness says what it does not prove");
                }
                (Judged::NotHere(why), _) => {
                    if guard.contradicts() {
                        let incarnation = guard.incarnation.clone();
                        self.off_the_workers(move |_| incarnation.forget().map_err(Error::fault))
                            .await?;
                        let file = guard.incarnation.acceptance();
                        let why = format!(
                            "the witness {witness} has cosigned {why}: this store lacks what was \
                             signed. Restore a newer backup; if there is none, write into {} who \
                             accepts the loss and why, and start the relay again",
                            file.display()
                        );
                        signers.hold(Holder::Guard, &why);
                    } else {
                        warn!(witness, why, "a witness has seen what was given up");
                    }
                }
            }
        }
        Ok(())
    }

    async fn judge_told(&self, log: Log, told: Told) -> Result<Judged, Error> {
        let Told { head: Head { size, root: theirs }, note } = told;
        let newest = self.heads_in_tables().await?.heads().of(log);
        let what = if size > newest.size {
            let here = newest.size;
            format!("a head of {size} leaves of the {} log, of which {here} are here", log.as_str())
        } else {
            let ours = self
                .off_the_workers(move |relay| {
                    let tables = relay.tables()?;
                    root(&tables.nodes(log), size).map_err(Error::fault)
                })
                .await?;
            if ours == theirs {
                return Ok(Judged::Here);
            }
            format!(
                "a head of {size} leaves of the {} log with root {theirs}, where the root is \
                 {ours} here",
                log.as_str()
            )
        };
        // Those of before as well: what was signed with them was signed.
        let keys = self.keys_of(log);
        let is_proven = note.is_some_and(|note| {
            let says = |checkpoint: Checkpoint| {
                keys.iter().any(|key| key.name().as_str() == checkpoint.origin())
                    && (checkpoint.size(), checkpoint.root()) == (size, theirs)
            };
            note.text().parse().is_ok_and(says) && note.verify(&keys).is_ok()
        });
        Ok(if is_proven { Judged::NotHere(what) } else { Judged::Unproven(what) })
    }

    /// Every key that a log has had.
    pub(super) fn keys_of(&self, log: Log) -> Vec<VerifierKey> {
        let published = self.published();
        let network = published.state().directory().network();
        network.map_or_else(Vec::new, |network| {
            keys_of_log(&network.name, &network.log_keys, log.as_str())
        })
    }
}
