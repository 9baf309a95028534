//! Keeps the relay from signing what contradicts what it has signed before: at every start, after a
//! restore, and whenever a witness shows that it has seen more, or something else.
//!
//! Not for heads within one run (the journal's trailers are the compare-and-swap for those). At a
//! start nothing is signed until the quorum of the policy's witnesses has said how far it has seen,
//! and all of that is here. A store that may be an older copy waits for that without end; the one
//! that ran last waits a few seconds at most, for a relay of which a third of the witnesses cannot
//! be reached has to carry requests all the same. What a witness says against this store counts
//! only with the log's own signature under it: no desk can stop the relay by words alone.
//!
//! Once a loss is accepted, witnesses that have seen what is lost go on showing it, and are not
//! believed. A witness that has agreed with the log since cannot have seen it: what that one then
//! shows is missing was signed later, and counts as before. Only heads of no more leaves than those
//! that were known to be lost are never believed again, lest a desk could stop the relay by them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tracing::{error, info, warn};

use super::incarnation::{Found, Incarnation, Loss};
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
    /// How long a start waits for the quorum, where the store is the one that ran last.
    within: Duration,
}

#[derive(Default)]
struct State {
    /// It may be an older copy: nothing is signed until the quorum has spoken.
    is_doubted: bool,
    /// What it lacks; as it is in the incarnation's file, unless it is doubted.
    loss: Loss,
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
    /// Looks whether the store is the one that ran last, and holds the keys until the witnesses
    /// have spoken. `is_new`: nothing has ever been recorded in it. `within`: how long they are
    /// waited for.
    pub(super) fn post(
        store: &Path,
        (journal, is_new): (JournalId, bool),
        (signers, policy): (&Signers, &Policy),
        within: Duration,
    ) -> io::Result<Arc<Self>> {
        let incarnation = Incarnation::new(store, journal);
        let (found, Loss { given_up, lost, since }) = incarnation.look()?;
        let mut state = State::default();
        if let Some(words) = incarnation.accepted()? {
            error!(words, "the operator accepts that records of the logs are lost");
            state.loss = Loss { given_up: Some(words), lost, since: BTreeSet::new() };
            incarnation.write(&state.loss)?;
            incarnation.take_acceptance()?;
        } else {
            match found {
                Found::Same => state.loss = Loss { given_up, lost, since },
                Found::Other(_) if is_new => incarnation.write(&state.loss)?,
                Found::Other(why) if policy.is_quorum(&BTreeSet::new()) => {
                    warn!(why, "the store may be an older copy, and no witness can tell");
                    incarnation.write(&state.loss)?;
                }
                Found::Other(why) => {
                    state.is_doubted = true;
                    state.loss.lost = lost;
                    let why = format!(
                        "the store may be older than what was signed over it ({why}): it waits \
                         until the quorum of witnesses has connected and said how far it has seen"
                    );
                    signers.hold(Holder::Guard, &why);
                }
            }
        }
        let is_asked = !is_new && !within.is_zero() && !policy.is_quorum(&BTreeSet::new());
        if is_asked && !state.is_doubted {
            let seconds = within.as_secs();
            let why = format!(
                "the relay has just started: for at most {seconds} s it waits until the quorum of \
                 witnesses has connected and said how far it has seen"
            );
            signers.hold(Holder::Start, &why);
        }
        Ok(Arc::new(Self { incarnation, state: Mutex::new(state), within }))
    }

    /// A witness has seen only what is here; `name` is its name in the policy. True when the quorum
    /// has said so of both logs and the keys may be released. Blocks.
    fn agrees(
        &self,
        log: Log,
        (witness, name): (&VerifierKey, Option<&str>),
        policy: &Policy,
    ) -> io::Result<bool> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { is_doubted, loss, is_contradicted, agreed } = &mut *state;
        let since = (log, witness.to_string());
        if loss.given_up.is_some() && !loss.since.contains(&since) {
            loss.since.insert(since.clone());
            if let Err(error) = self.incarnation.write(loss) {
                loss.since.remove(&since);
                return Err(error);
            }
        }
        let Some(name) = name else { return Ok(false) };
        agreed.entry(log).or_default().insert(name.to_owned());
        let has_quorum = |log: &Log| {
            let names = agreed.get(log);
            names.is_some_and(|names| policy.is_quorum(&names.iter().map(String::as_str).collect()))
        };
        let is_cleared = !*is_contradicted && Log::ALL.iter().all(has_quorum);
        if is_cleared && *is_doubted {
            self.incarnation.write(&Loss::default())?;
            (*is_doubted, *loss) = (false, Loss::default());
        }
        Ok(is_cleared)
    }

    /// The witnesses of the policy that have agreed with both logs.
    fn agreed(&self) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let of_log = |log: &Log| state.agreed.get(log).map_or(0, BTreeSet::len);
        Log::ALL.iter().map(of_log).min().unwrap_or(0)
    }

    /// A witness has shown that the store lacks a head of `size` leaves. True when that is to stop
    /// the signing. Blocks.
    fn contradicts(&self, log: Log, witness: &VerifierKey, size: u64) -> io::Result<bool> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { loss, is_contradicted, .. } = &mut *state;
        let is_past = loss.lost.get(&log).is_none_or(|lost| size > *lost);
        let has_agreed = loss.since.contains(&(log, witness.to_string()));
        if loss.given_up.is_some() && !(has_agreed && is_past) {
            return Ok(false);
        }
        *is_contradicted = true;
        (loss.given_up, loss.since) = (None, BTreeSet::new());
        if is_past {
            loss.lost.insert(log, size);
        }
        // Also again, where the disk has refused it before.
        self.incarnation.write(loss)?;
        Ok(true)
    }
}

impl Relay {
    /// Waits until the quorum of witnesses has spoken after a start, and ends that wait at its
    /// limit ([`super::Options::witnesses_within`]). Whoever lets witnesses connect runs it from
    /// that moment on. A hold for any other reason stays.
    pub async fn wait_for_witnesses(&self) {
        let (Some(guard), Some(signers)) = (&self.guard, &self.signers) else { return };
        let mut holds = signers.holds();
        let spoken = holds.wait_for(|holds| !holds.contains_key(&Holder::Start));
        if timeout(guard.within, spoken).await.is_err() && signers.release(Holder::Start) {
            let (agreed, all) = (guard.agreed(), self.heads().policy().witnesses().count());
            warn!(
                agreed,
                all,
                "fewer witnesses than the quorum have said how far they have seen; one that has \
                 seen more than is here will stop the signing"
            );
        }
    }

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
        for (&log, told) in told {
            let judged = self.judge_told(log, told.clone()).await?;
            let (posted, key) = (Arc::clone(&guard), witness.clone());
            let witness = witness.name().as_str();
            match judged {
                Judged::Here => {
                    let cleared = self.off_the_workers(move |relay| {
                        let policy = relay.heads().policy();
                        let mut known = policy.witnesses().filter(|known| *known.key == key);
                        let name = known.next().map(|known| known.name);
                        posted.agrees(log, (&key, name), policy).map_err(Error::fault)
                    });
                    if cleared.await? {
                        let held = [Holder::Guard, Holder::Start].map(|it| signers.release(it));
                        if held.contains(&true) {
                            info!("the quorum of witnesses has seen nothing that is not here");
                        }
                    }
                }
                Judged::Unproven(why) => {
                    warn!(witness, why, "a witness says what it does not prove");
                }
                Judged::NotHere(why) => {
                    let size = told.head.size;
                    let stops = self.off_the_workers(move |_| {
                        posted.contradicts(log, &key, size).map_err(Error::fault)
                    });
                    if stops.await? {
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
