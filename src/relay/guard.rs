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
use crate::tlog::policy::Witness;
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

/// Whether the quorum is reached by those of its witnesses.
fn is_met_by(policy: &Policy, which: impl Fn(&Witness<'_>) -> bool) -> bool {
    policy.is_quorum(&policy.witnesses().filter(which).map(|witness| witness.name).collect())
}

/// Why a store is held that may be an older copy.
fn doubted(why: &str, policy: &Policy, acceptance: &Path) -> String {
    let doubt = format!("the store may be older than what was signed over it ({why})");
    if is_met_by(policy, |witness| witness.url.is_none()) {
        format!(
            "{doubt}: it waits until the quorum of witnesses has connected and said how far it has \
             seen"
        )
    } else {
        format!(
            "{doubt}, and without witnesses from elsewhere, which do not say how far they have \
             seen, there is no quorum that could tell. Give the relay a policy of desks for this \
             start, or write into {} who accepts that records may be lost and why, and start the \
             relay again",
            acceptance.display()
        )
    }
}

/// Why a store is held that lacks something, and what is to be done.
fn lacks(why: &str, acceptance: &Path) -> String {
    format!(
        "{why}: this store lacks what was signed. Restore a newer backup; if there is none, write \
         into {} who accepts the loss and why, and start the relay again",
        acceptance.display()
    )
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
        let (found, loss) = incarnation.look()?;
        let acceptance = incarnation.acceptance();
        let mut state = State { loss, ..State::default() };
        if let Some(words) = incarnation.accepted()? {
            error!(words, "the operator accepts that records of the logs are lost");
            (state.loss.given_up, state.loss.since) = (Some(words), BTreeSet::new());
            incarnation.write(&state.loss)?;
            incarnation.take_acceptance()?;
        } else {
            match found {
                Found::Same => {}
                Found::Lacking => {
                    state.is_contradicted = true;
                    let why = lacks("a witness has proven it before this start", &acceptance);
                    signers.hold(Holder::Guard, &why);
                }
                Found::Other(_) if is_new => {
                    state.loss = Loss::default();
                    incarnation.write(&state.loss)?;
                }
                Found::Other(why) if is_met_by(policy, |_| false) && !state.loss.is_lacking() => {
                    warn!(why, "the store may be an older copy, and no witness can tell");
                    incarnation.write(&state.loss)?;
                }
                Found::Other(why) => {
                    state.is_doubted = true;
                    (state.loss.given_up, state.loss.since) = (None, BTreeSet::new());
                    signers.hold(Holder::Guard, &doubted(&why, policy, &acceptance));
                }
            }
        }
        let is_asked = !is_new && !within.is_zero() && !is_met_by(policy, |_| false);
        if is_asked && !is_met_by(policy, |witness| witness.url.is_none()) {
            warn!("no quorum without witnesses from elsewhere, so none is waited for at a start");
        } else if is_asked && signers.held().is_none() {
            let seconds = within.as_secs();
            let why = format!(
                "the relay has just started: for at most {seconds} s it waits until the quorum of \
                 witnesses has connected and said how far it has seen"
            );
            signers.hold(Holder::Start, &why);
        }
        Ok(Arc::new(Self { incarnation, state: Mutex::new(state), within }))
    }

    /// A witness has seen only what is here. Once the quorum has said so of both logs, the keys are
    /// let go of. Blocks.
    fn agrees(
        &self,
        log: Log,
        witness: &VerifierKey,
        (signers, policy): (&Signers, &Policy),
    ) -> io::Result<()> {
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
        let Some(Witness { name, .. }) = policy.witnesses().find(|known| known.key == witness)
        else {
            return Ok(());
        };
        agreed.entry(log).or_default().insert(name.to_owned());
        let has_quorum = |log: &Log| {
            let names = agreed.get(log);
            names.is_some_and(|names| policy.is_quorum(&names.iter().map(String::as_str).collect()))
        };
        if *is_contradicted || !Log::ALL.iter().all(has_quorum) {
            return Ok(());
        }
        if *is_doubted {
            self.incarnation.write(&Loss::default())?;
            (*is_doubted, *loss) = (false, Loss::default());
        }
        // Before anybody else can hold them: the state is still locked.
        let were_held = [Holder::Guard, Holder::Start].map(|holder| signers.release(holder));
        if were_held.contains(&true) {
            info!("the quorum of witnesses has seen nothing that is not here");
        }
        Ok(())
    }

    /// The witnesses of the policy that have agreed with both logs.
    fn agreed(&self) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let [directory, traffic] = Log::ALL.map(|log| state.agreed.get(&log));
        let both = directory.zip(traffic).map(|(directory, traffic)| directory & traffic);
        both.map_or(0, |both| both.len())
    }

    /// A witness has shown that the store lacks a head, `what`. That stops the signing, unless it
    /// was given up. Blocks.
    fn contradicts(
        &self,
        (log, size): (Log, u64),
        (witness, what): (&VerifierKey, &str),
        signers: &Signers,
    ) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { loss, is_contradicted, .. } = &mut *state;
        let is_past = loss.lost.get(&log).is_none_or(|lost| size > *lost);
        let has_agreed = loss.since.contains(&(log, witness.to_string()));
        let name = witness.name().as_str();
        if loss.given_up.is_some() && !(has_agreed && is_past) {
            warn!(witness = name, what, "a witness has seen what was given up");
            return Ok(());
        }
        *is_contradicted = true;
        // First of all: the disk may refuse the rest.
        let why = format!("the witness {name} has cosigned {what}");
        signers.hold(Holder::Guard, &lacks(&why, &self.incarnation.acceptance()));
        (loss.given_up, loss.since) = (None, BTreeSet::new());
        if is_past {
            loss.lost.insert(log, size);
        }
        // Also again, where the disk has refused it before.
        self.incarnation.write(loss)
    }
}

impl Relay {
    /// Waits until the quorum of witnesses has spoken after a start, and ends that wait at its
    /// limit ([`super::Options::witnesses_within`]). Whoever lets witnesses connect runs it from
    /// that moment on; while the tables are made anew nobody can be heard, and no time passes. A
    /// hold for any other reason stays.
    pub async fn wait_for_witnesses(&self) {
        let (Some(guard), Some(signers)) = (&self.guard, &self.signers) else { return };
        if matches!(self.wait_for_rows(self.opened_at).await, Err(Error::Stopped)) {
            return;
        }
        let mut holds = signers.holds();
        let spoken = holds.wait_for(|holds| !holds.contains_key(&Holder::Start));
        if timeout(guard.within, spoken).await.is_err() && signers.release(Holder::Start) {
            let (agreed, all) =
                (self.agreed_witnesses(), self.heads().policy().witnesses().count());
            warn!(
                agreed,
                all,
                "fewer witnesses than the quorum have said how far they have seen; one that has \
                 seen more than is here will stop the signing"
            );
        }
    }

    /// How many witnesses of the policy have said since the start that they have seen nothing of
    /// either log that is not here.
    pub fn agreed_witnesses(&self) -> usize {
        self.guard.as_ref().map_or(0, |guard| guard.agreed())
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
        // What is too long needs no tables to be judged, and waits for none.
        let here = self.published().heads();
        let mut told: Vec<_> = told.iter().collect();
        told.sort_by_key(|(log, told)| told.head.size <= here.of(**log).size);
        for (&log, told) in told {
            let judged = self.judge_told(log, told.clone()).await?;
            let (guard, signers) = (Arc::clone(&guard), Arc::clone(&signers));
            let (witness, size) = (witness.clone(), told.head.size);
            let heard = self.off_the_workers(move |relay| {
                let heard = match &judged {
                    Judged::Here => guard.agrees(log, &witness, (&signers, relay.heads().policy())),
                    Judged::NotHere(what) => {
                        guard.contradicts((log, size), (&witness, what), &signers)
                    }
                    Judged::Unproven(why) => {
                        let witness = witness.name().as_str();
                        warn!(witness, why, "a witness says what it does not prove");
                        Ok(())
                    }
                };
                heard.map_err(Error::fault)
            });
            heard.await?;
        }
        Ok(())
    }

    async fn judge_told(&self, log: Log, told: Told) -> Result<Judged, Error> {
        let Told { head: Head { size, root: theirs }, note } = told;
        let here = self.published().heads().of(log).size;
        let what = if size > here {
            format!("a head of {size} leaves of the {} log, of which {here} are here", log.as_str())
        } else {
            self.heads_in_tables().await?;
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
