//! Follows the published heads of the relay's logs, and holds what the relay has shown this desk
//! against them.
//!
//! Not for judging them (see `desk/witnessed.rs`): this carries, and asks for the proofs.

use tokio::sync::watch;
use tokio::time::timeout;
use tonic::Code;

use super::Failure;
use super::client::RelayClient;
use super::uplink::Timing;
use super::uplink_backoff::{Backoff, keep_up};
use crate::desk::Desk;
use crate::desk::witness::{Head, Judged, compare, needs_proof};
use crate::units::Hash;
use crate::wire::detente::log::v1 as wire;
use wire::follow_checkpoints_response::Item;

/// Follows both logs until the desk is stopped or its disk fails. A relay that publishes nothing is
/// asked again after a while.
pub(super) async fn run(
    desk: &Desk,
    client: &RelayClient,
    timing: &Timing,
    stopping: watch::Receiver<bool>,
) {
    let keep_at = |log: &'static str| {
        let stopping = stopping.clone();
        async move {
            let backoff = Backoff::new(timing.pause_max);
            let follow = || follow(log, desk, client, timing, &backoff);
            keep_up("published heads are not followed", desk, &backoff, stopping, follow).await;
        }
    };
    tokio::join!(keep_at("directory"), keep_at("traffic"));
}

/// Follows until something is wrong, and says what.
async fn follow(
    log: &str,
    desk: &Desk,
    client: &RelayClient,
    timing: &Timing,
    backoff: &Backoff,
) -> String {
    let mut stream = match timeout(timing.silence_max, client.follow_checkpoints(log)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(failure)) => return failure.to_string(),
        Err(_elapsed) => return "the relay did not answer in time".to_owned(),
    };
    loop {
        let response = match timeout(timing.silence_max, stream.message()).await {
            Ok(Ok(Some(response))) => response,
            Ok(Ok(None)) => return "the relay ended the stream".to_owned(),
            Ok(Err(status)) => return Failure::from_status(&status).to_string(),
            Err(_elapsed) => return "the relay has gone silent".to_owned(),
        };
        let taken = match response.item {
            Some(Item::Checkpoint(published)) => {
                take(log, desk, client, timing, &published.checkpoint).await
            }
            Some(Item::Beat(_)) => Ok(()),
            None => Err("the relay sent neither a head nor a beat".to_owned()),
        };
        if let Err(trouble) = taken {
            return trouble;
        }
        backoff.reset();
    }
}

/// Takes a published head: what is signed by nobody, or contradicts another, is an alarm.
async fn take(
    log: &str,
    desk: &Desk,
    client: &RelayClient,
    timing: &Timing,
    text: &str,
) -> Result<(), String> {
    let head = match desk.judge_head(log, text) {
        Ok(Judged::Quorum(head)) => *head,
        Ok(Judged::Waits) => return Ok(()),
        Err(why) => {
            let what = format!("what the relay published of the log {log} is no head of it: {why}");
            desk.alarm(&what);
            return Err(what);
        }
    };
    if desk.is_contradicted(log) {
        return Ok(());
    }
    let mut unproven: Option<Unproven> = None;
    for other in desk.heads_to_compare(log, &head) {
        let proof = match proof(log, client, timing, (&other, &head.head)).await {
            Ok(proof) => proof,
            Err(lack) => {
                let hangs = lack.hangs;
                if lack.refused || unproven.is_none() {
                    unproven = Some(lack);
                }
                // Others may show more; whoever hangs would be waited for again and again.
                if hangs {
                    break;
                }
                continue;
            }
        };
        let contradiction = compare(log, &other, &head.head, &proof);
        desk.head_agrees(log, &other);
        if let Some(contradiction) = contradiction {
            let kept = desk.contradicted(contradiction).await;
            return kept.map_err(|error| error.to_string());
        }
    }
    if let Some(Unproven { why, refused, .. }) = unproven {
        // Whatever else the relay shows from now on has to agree with this one too.
        desk.see_head(log, head.head);
        desk.lacks_growth(log, &why, refused);
        return Err(why);
    }
    desk.head_agrees(log, &head.head);
    desk.has_growth(log);
    desk.keep_head(log, head).await.map_err(|error| error.to_string())
}

/// That two heads agree was not proven.
struct Unproven {
    why: String,
    /// The relay has understood, and says no.
    refused: bool,
    /// It says nothing at all.
    hangs: bool,
}

/// The relay's proof that one head is the beginning of the other.
async fn proof(
    log: &str,
    client: &RelayClient,
    timing: &Timing,
    (other, head): (&Head, &Head),
) -> Result<Vec<Hash>, Unproven> {
    if !needs_proof(other, head) {
        return Ok(Vec::new());
    }
    let (old, new) = (other.size.min(head.size), other.size.max(head.size));
    let unproven = |why: &str, refused, hangs| {
        let why = format!(
            "the relay does not prove that the head of {old} leaves that the log {log} signed is \
             the beginning of that of {new}: {why}"
        );
        Unproven { why, refused, hangs }
    };
    match timeout(timing.try_within, client.consistency(log, old, new)).await {
        Ok(Ok(hashes)) => Ok(hashes),
        Ok(Err(failure)) => Err(unproven(&failure.to_string(), is_refusal(failure.code), false)),
        Err(_elapsed) => Err(unproven("it did not answer in time", false, true)),
    }
}

/// The relay has understood, and says no: it may have lost what it once signed.
const fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument | Code::NotFound | Code::OutOfRange | Code::FailedPrecondition
    )
}
