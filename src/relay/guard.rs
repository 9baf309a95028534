//! Keeps the relay from signing what contradicts what it has signed before: at every start, after a
//! restore, and whenever a witness shows that it has seen more, or something else.
//!
//! Not for heads within one run (the journal's trailers are the compare-and-swap for those). At a
//! start nothing is signed until the quorum of the policy's witnesses has said how far it has seen,
//! and all of that is here. A store that may be an older copy waits for that without end; the one
//! that ran last waits a few seconds at most, for a relay of which a third of the witnesses cannot
//! be reached has to carry requests all the same. What a witness says against this store counts
//! only with the log's own signature under it: no desk can stop the relay by words alone. Those
//! from elsewhere often have nothing but words (tlog-witness answers with a size). Words stop it
//! where, without those who say so, there is no quorum, and any at all where the store may be an
//! older copy; but not those of a witness that has agreed since the start, for no store gets
//! shorter while it is in use.
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
use super::{Error, PublicHead, Relay};
use crate::codec::{Head, Log};
use crate::envelope::genesis::keys_of_log;
use crate::tlog::policy::Witness;
use crate::tlog::proof::root;
use crate::tlog::{Checkpoint, Note, Policy, VerifierKey};
use crate::units::{JournalId, Unreadable};

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
    /// What it lacks, and what is said of it; as it is in the incarnation's file.
    loss: Loss,
    /// A witness has shown that this store lacks what was signed.
    is_contradicted: bool,
    /// Witnesses of the policy whose newest head is here, log by log.
    agreed: BTreeMap<Log, BTreeSet<String>>,
    /// Witnesses of which it was said in the relay's log that they are not believed.
    unbelieved: BTreeSet<(Log, String)>,
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

/// Whether there is no quorum for one of the logs without those that object to it.
fn are_needed(loss: &Loss, policy: &Policy) -> bool {
    let objects = |log: Log, name: &str| loss.objecting.contains_key(&(log, name.to_owned()));
    Log::ALL.iter().any(|log| !is_met_by(policy, |witness| !objects(*log, witness.name)))
}

/// Why a store is held that may be an older copy.
fn doubted(why: &str, acceptance: &Path) -> String {
    format!(
        "the store may be older than what was signed over it ({why}): it waits until the quorum of \
         witnesses has said how far it has seen. If they cannot say, write into {} who accepts \
         that records may be lost and why, and start the relay again",
        acceptance.display()
    )
}

/// Why a store is held to which witnesses object.
fn objected(loss: &Loss, is_needed: bool, acceptance: &Path) -> String {
    let said = loss.objecting.iter().map(|((_, name), what)| format!("the witness {name} {what}"));
    let said = said.collect::<Vec<_>>().join("; ");
    let quorum = if is_needed { ". Without them there is no quorum" } else { "" };
    lacks(&format!("{said}{quorum}"), acceptance)
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
        // Who is no witness of the policy any more is not waited for.
        let from_elsewhere = policy.witnesses().filter(|witness| witness.url.is_some());
        let known: BTreeSet<&str> = from_elsewhere.map(|witness| witness.name).collect();
        state.loss.objecting.retain(|(_, name), _| known.contains(name.as_str()));
        if let Some(words) = incarnation.accepted()? {
            error!(words, "the operator accepts that records of the logs are lost");
            let lost = std::mem::take(&mut state.loss.lost);
            state.loss = Loss { given_up: Some(words), lost, ..Loss::default() };
            incarnation.write(&state.loss, false)?;
            incarnation.take_acceptance()?;
        } else {
            match found {
                Found::Same if are_needed(&state.loss, policy) => {
                    signers.hold(Holder::Guard, &objected(&state.loss, true, &acceptance));
                }
                Found::Same => {}
                Found::Lacking => {
                    state.is_contradicted = true;
                    let why = lacks("a witness has proven it before this start", &acceptance);
                    signers.hold(Holder::Guard, &why);
                }
                Found::Other(_) if is_new => {
                    state.loss = Loss::default();
                    incarnation.write(&state.loss, false)?;
                }
                Found::Other(why) if is_met_by(policy, |_| false) && !state.loss.is_lacking() => {
                    warn!(why, "the store may be an older copy, and no witness can tell");
                    incarnation.write(&state.loss, false)?;
                }
                Found::Other(why) => {
                    state.is_doubted = true;
                    // Of a copy nobody has accepted anything.
                    (state.loss.given_up, state.loss.since) = (None, BTreeSet::new());
                    let why = if state.loss.objecting.is_empty() {
                        doubted(&why, &acceptance)
                    } else {
                        objected(&state.loss, are_needed(&state.loss, policy), &acceptance)
                    };
                    signers.hold(Holder::Guard, &why);
                }
            }
        }
        // A new log has nothing that anybody could have seen.
        let is_asked = !is_new && !within.is_zero() && !is_met_by(policy, |_| false);
        if is_asked {
            let seconds = within.as_secs();
            let why = format!(
                "the relay has just started: for at most {seconds} s it waits until the quorum of \
                 witnesses has said how far it has seen"
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
        let State { is_doubted, loss, is_contradicted, agreed, .. } = &mut *state;
        let mut next = loss.clone();
        if next.given_up.is_some() {
            next.since.insert((log, witness.to_string()));
        }
        let known = policy.witnesses().find(|known| known.key == witness);
        if let Some(Witness { name, .. }) = known {
            next.objecting.remove(&(log, name.to_owned()));
            agreed.entry(log).or_default().insert(name.to_owned());
        }
        let has_quorum = |log: &Log| {
            let names = agreed.get(log);
            names.is_some_and(|names| policy.is_quorum(&names.iter().map(String::as_str).collect()))
        };
        let has_spoken = Log::ALL.iter().all(has_quorum);
        let is_settled = *is_doubted && has_spoken && next.objecting.is_empty();
        if is_settled {
            next = Loss::default();
        }
        if is_settled || next != *loss {
            self.incarnation.write(&next, *is_doubted && !is_settled)?;
            (*loss, *is_doubted) = (next, *is_doubted && !is_settled);
        }
        if known.is_none() || *is_contradicted {
            return Ok(());
        }
        let is_free = !*is_doubted && !are_needed(loss, policy);
        // Before anybody else can hold them: the state is still locked.
        let was_held = is_free && signers.release(Holder::Guard);
        let has_waited = has_spoken && signers.release(Holder::Start);
        if has_spoken && (was_held || has_waited) {
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
        let State { is_doubted, loss, is_contradicted, unbelieved, .. } = &mut *state;
        let name = witness.name().as_str();
        if loss.covers((log, size), witness) {
            if unbelieved.insert((log, name.to_owned())) {
                warn!(witness = name, what, "a witness has seen what was given up");
            }
            return Ok(());
        }
        let is_past = loss.is_past(log, size);
        // That is no doubt any more.
        (*is_contradicted, *is_doubted) = (true, false);
        // First of all: the disk may refuse the rest.
        let why = format!("the witness {name} has cosigned {what}");
        signers.hold(Holder::Guard, &lacks(&why, &self.incarnation.acceptance()));
        (loss.given_up, loss.since) = (None, BTreeSet::new());
        if is_past {
            loss.lost.insert(log, size);
        }
        // Also again, where the disk has refused it before.
        self.incarnation.write(loss, false)
    }

    /// A witness from elsewhere says, and does not prove, that it has seen what is not here: a tree
    /// of so many leaves, `what`. That stops the signing where there is no quorum without those who
    /// say so, or where the store is doubted already; also over restarts. Blocks.
    fn objects(
        &self,
        (log, size): (Log, u64),
        (witness, what): (&Witness<'_>, &str),
        (signers, policy): (&Signers, &Policy),
    ) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { is_doubted, loss, is_contradicted, agreed, unbelieved } = &mut *state;
        let (name, key) = (witness.name, (log, witness.name.to_owned()));
        let has_agreed = agreed.get(&log).is_some_and(|agreed| agreed.contains(name));
        if has_agreed || loss.covers((log, size), witness.key) {
            if unbelieved.insert(key) {
                warn!(witness = name, what, "a witness says what is not believed");
            }
            return Ok(());
        }
        let is_new = loss.objecting.insert(key, what.to_owned()).is_none();
        let is_needed = are_needed(loss, policy);
        if !*is_contradicted && (is_needed || *is_doubted) {
            let why = objected(loss, is_needed, &self.incarnation.acceptance());
            signers.hold(Holder::Guard, &why);
        }
        if is_new {
            warn!(witness = name, what, "a witness says that it has seen what is not here");
            self.incarnation.write(loss, *is_doubted)?;
        }
        Ok(())
    }

    /// Whether it is the first time that this witness is not believed.
    fn is_newly_unbelieved(&self, log: Log, witness: &VerifierKey) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.unbelieved.insert((log, witness.name().to_string()))
    }

    /// Whether this witness has agreed with a log since the start.
    fn has_agreed(&self, log: Log, name: &str) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.agreed.get(&log).is_some_and(|agreed| agreed.contains(name))
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

    /// Whether a witness is one from elsewhere, and has not said since the start that it has seen
    /// nothing of this log that is not here. Such a one is to be asked, and what it says heard.
    pub fn awaits_word_of(&self, log: Log, witness: &VerifierKey) -> bool {
        let known = self.witness_from_elsewhere(witness);
        let guard = self.guard.as_ref();
        guard.zip(known).is_some_and(|(guard, known)| !guard.has_agreed(log, known.name))
    }

    /// Takes what a witness from elsewhere says and does not prove: that it has seen a tree of
    /// `size` leaves, which is not the beginning of the one here; `what`, as in "the witness w
    /// WHAT".
    pub async fn hear_words(&self, log: Log, witness: &VerifierKey, size: u64, what: String) {
        let (Some(guard), Some(signers)) = (self.guard.clone(), self.signers.clone()) else {
            return;
        };
        let witness = witness.clone();
        let heard = self.off_the_workers(move |relay| {
            let Some(known) = relay.witness_from_elsewhere(&witness) else { return Ok(()) };
            let keepers = (signers.as_ref(), relay.heads().policy());
            guard.objects((log, size), (&known, &what), keepers).map_err(Error::fault)
        });
        if let Err(error) = heard.await {
            error!(%error, "what a witness says is not kept over a restart");
        }
    }

    /// The head of the tree without leaves, signed: what a witness can be asked about where no
    /// published head is known.
    ///
    /// # Errors
    /// When there are no keys, or the log's name makes no checkpoint.
    pub fn empty_head(&self, log: Log) -> Result<PublicHead, Unreadable> {
        let without = || Unreadable::new("checkpoint", "there are no keys that sign it");
        let note = self.signers.as_ref().ok_or_else(without)?.sign_empty(log)?;
        PublicHead::new(note, self.now())
    }

    fn witness_from_elsewhere(&self, witness: &VerifierKey) -> Option<Witness<'_>> {
        let mut known = self.heads().policy().witnesses();
        known.find(|known| known.key == witness && known.url.is_some())
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
                        if guard.is_newly_unbelieved(log, &witness) {
                            let witness = witness.name().as_str();
                            warn!(witness, why, "a witness says what it does not prove");
                        }
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
