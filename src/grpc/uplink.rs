//! The agent's connection to the relay: keeps it, takes what comes, sends what waits.
//!
//! Not for what records mean or what is said in answer (see `desk/`): this carries, and asks the
//! case file what is to be carried next. So nothing here needs to survive a crash.
//!
//! Eight loops, each bounded: one follows the desk's records, one the directory, one the published
//! heads of the logs; one submits the outbox (in order within a request, requests side by side),
//! one fetches bodies that the relay hands over, one the proofs that are missing, one cosigns, and
//! one raises the alarm of what has no receipt at its limit.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::Failure;
use super::client::RelayClient;
use super::uplink_courier::{Carry, Courier, Outcome};
pub use super::uplink_follow::compare;
use super::{
    uplink_checkpoints, uplink_directory, uplink_follow, uplink_overdue, uplink_proofs,
    uplink_witness,
};
use crate::desk::{CaseFile, Desk, Error, Held, Key, Link, Refused, RelayLog};
use crate::units::RequestId;

/// How long things may take. The defaults suit a desk anywhere in the world.
#[derive(Debug, Clone)]
pub struct Timing {
    /// The longest pause before trying again. Default 120 s.
    pub pause_max: Duration,
    /// Silence after which the relay is taken for gone: three of its beats and more. Default 90 s.
    pub silence_max: Duration,
    /// How long one submission or one fetch may take. Default 10 s, as at the relay.
    pub try_within: Duration,
    /// How long what is under way may take when the desk is stopped. Default 10 s.
    pub drain_within: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            pause_max: Duration::from_secs(120),
            silence_max: Duration::from_secs(90),
            try_within: Duration::from_secs(10),
            drain_within: Duration::from_secs(10),
        }
    }
}

/// Statements submitted at the same time: more would only queue at the relay's one writer.
const SUBMISSIONS_MAX: usize = 16;
/// Bodies fetched at the same time: 8 of the largest size are 8 MiB.
const FETCHES_MAX: usize = 8;

/// Keeps `desk` connected through `client` until `stopping` is true, or the desk's disk fails.
/// What is under way then has [`Timing::drain_within`] to finish.
///
/// # Errors
/// Why the desk's disk failed.
pub async fn run(
    desk: Desk,
    client: RelayClient,
    timing: Timing,
    stopping: watch::Receiver<bool>,
) -> Result<(), String> {
    let submit = Courier::new(desk.clone(), timing.clone(), SUBMISSIONS_MAX, stopping.clone());
    let fetch = Courier::new(desk.clone(), timing.clone(), FETCHES_MAX, stopping.clone());
    let submitter =
        Submitter { desk: desk.clone(), client: client.clone(), timing: timing.clone() };
    let fetcher = Fetcher { desk: desk.clone(), client: client.clone(), timing: timing.clone() };
    let directory = uplink_directory::run(&desk, &client, &timing, stopping.clone());
    let following = uplink_follow::run(&desk, &client, &timing, stopping.clone());
    let checkpoints = uplink_checkpoints::run(&desk, &client, &timing, stopping.clone());
    let witness = uplink_witness::run(&desk, &client, &timing, stopping.clone());
    let proving = uplink_proofs::run(&desk, &client, &timing, stopping.clone());
    let overdue = uplink_overdue::run(&desk, stopping);
    let ((), (), (), (), (), (), (), ()) = tokio::join!(
        following,
        directory,
        checkpoints,
        witness,
        proving,
        overdue,
        submit.run(submitter),
        fetch.run(fetcher)
    );
    desk.set_link(Link { connected: false, trouble: "the agent is stopping".to_owned() });
    match desk.failed() {
        Some(why) => Err(why),
        None => Ok(()),
    }
}

/// Submits the outbox.
#[derive(Clone)]
struct Submitter {
    desk: Desk,
    client: RelayClient,
    timing: Timing,
}

impl Carry for Submitter {
    type Lane = RequestId;

    /// The oldest statement of each request that waits: what comes later may build on it.
    fn next(&self, file: &CaseFile, mut free: impl FnMut(&RequestId) -> bool) -> Option<Arc<Held>> {
        let mut passed = BTreeSet::new();
        file.outbox()
            .find(|held| {
                let request = held.statement.request;
                passed.insert(request) && free(&request)
            })
            .cloned()
    }

    fn lane(held: &Held) -> RequestId {
        held.statement.request
    }

    async fn carry(self, held: Arc<Held>) -> Outcome {
        let message = held.statement.message;
        if self.desk.now() >= held.statement.not_after {
            tracing::warn!(%message, "a statement has lapsed in the outbox");
            return kept(self.desk.note_lapsed(message).await);
        }
        if let RelayLog::Other(discrepancy) = self.desk.relay_log() {
            return Outcome::Again(discrepancy.to_string());
        }
        let envelope = match self.desk.envelope(Arc::clone(&held)).await {
            Ok(envelope) => envelope,
            Err(error) => return kept(Err(error)),
        };
        let answer = timeout(self.timing.try_within, self.client.submit(&envelope)).await;
        match answer {
            Ok(Ok(recorded)) => {
                let answer = uplink_proofs::answer(recorded);
                match self.desk.note_confirmed(&envelope, answer).await {
                    // Its receipt does not hold: sent again until one does.
                    Ok(false) => Outcome::Later,
                    confirmed => kept(confirmed.map(drop)),
                }
            }
            // A relay that has lost its records refuses what builds on them.
            Ok(Err(failure)) if is_final(&failure) && self.desk.relay_log() != RelayLog::Same => {
                again(&failure)
            }
            Ok(Err(failure)) if is_final(&failure) => {
                let (code, cause) = (&failure.rule_code, &failure.cause);
                tracing::warn!(%message, code, cause, "the relay refused a statement for good");
                kept(self.desk.note_refused(message, refused(failure)).await)
            }
            Ok(Err(failure)) => again(&failure),
            Err(_elapsed) => Outcome::Again("the relay did not answer in time".to_owned()),
        }
    }
}

/// Fetches what the relay hands over.
#[derive(Clone)]
struct Fetcher {
    desk: Desk,
    client: RelayClient,
    timing: Timing,
}

impl Carry for Fetcher {
    type Lane = Key;

    fn next(&self, file: &CaseFile, mut free: impl FnMut(&Key) -> bool) -> Option<Arc<Held>> {
        file.wanted().find(|held| free(&Self::lane(held))).cloned()
    }

    fn lane(held: &Held) -> Key {
        (held.statement.from.clone(), held.statement.message)
    }

    async fn carry(self, held: Arc<Held>) -> Outcome {
        let message = held.statement.message;
        match timeout(self.timing.try_within, self.client.content(message)).await {
            Ok(Ok(content)) => {
                kept(self.desk.take_content(held, content.wrap, content.ciphertext).await)
            }
            // The relay says no to a body that it owes us: ask again, but let others pass.
            Ok(Err(failure)) if is_final(&failure) => {
                let (code, cause) = (&failure.rule_code, &failure.cause);
                tracing::warn!(%message, code, cause, "the relay hands over no body");
                Outcome::Later
            }
            Ok(Err(failure)) => again(&failure),
            Err(_elapsed) => Outcome::Again("the relay did not answer in time".to_owned()),
        }
    }
}

/// True when the relay itself has said no for good; what the transport says never is.
fn is_final(failure: &Failure) -> bool {
    !failure.retry && failure.reason != "TRANSPORT"
}

fn again(failure: &Failure) -> Outcome {
    let why = failure.cause.clone();
    if failure.reason == "SIGNING_HELD" { Outcome::Soon(why) } else { Outcome::Again(why) }
}

/// What keeping the outcome gives: a full disk is tried again, a failed one ends the desk.
fn kept(kept: Result<(), Error>) -> Outcome {
    match kept {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Again(error.to_string()),
    }
}

fn refused(failure: Failure) -> Refused {
    let Failure { rule_code, reason, cause, next, .. } = failure;
    Refused { code: rule_code, reason, cause, next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::trouble::Trouble;

    #[test]
    fn a_relay_that_signs_nothing_yet_is_asked_again_soon() {
        let outcome = |trouble: Trouble| again(&Failure::from_status(&trouble.status()));
        assert!(matches!(outcome(Trouble::Held("it has just started".into())), Outcome::Soon(_)));
        assert!(matches!(outcome(Trouble::ShuttingDown), Outcome::Again(_)));
    }
}
