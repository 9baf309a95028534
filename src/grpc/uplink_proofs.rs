//! Reads receipts, and fetches the proofs that are missing: those of what others said, and of what
//! the relay recorded by itself; and, once a quorum of witnesses has seen a record, its proof to
//! the head that they have seen.
//!
//! Not for judging them: the desk believes nothing of it (see `desk/receipt.rs`). Nobody waits for
//! a proof, so they are fetched one after another, a while after the records came.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message as _;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::client::{Recorded, RelayClient};
use super::uplink::Timing;
use super::uplink_backoff::Backoff;
use super::uplink_follow::read_leaf;
use crate::desk::{Answer, BadReceipt, Desk, GivenProof, Receipt, RelayLog};
use crate::units::{Hash, Index};
use crate::wire::detente::desk::v1 as wire;
use crate::wire::detente::log::v1::GetProofResponse;

/// Proofs that are fetched before any is kept: one sync for all of them.
const BATCH_MAX: usize = 32;
/// How long records may gather before their proofs are asked for.
const GATHER: Duration = Duration::from_millis(500);
/// How long a record is left alone whose proof did not hold, or was refused for good.
const LATER: Duration = Duration::from_secs(600);

/// The relay's answer to a statement of ours, read but not believed.
pub(super) fn answer(recorded: Recorded) -> Answer {
    let Recorded { index, time, repeat: _, receipt } = recorded;
    let raw = receipt.as_ref().map(prost::Message::encode_to_vec).unwrap_or_default();
    let receipt = receipt.ok_or_else(BadReceipt::absent).and_then(read_receipt);
    Answer { index, time, receipt, raw }
}

fn read_receipt(receipt: wire::Receipt) -> Result<Receipt, BadReceipt> {
    let wire::Receipt { leaf, hashes, checkpoint, event } = receipt;
    let leaf = read_leaf("receipt.leaf", leaf).map_err(BadReceipt::unreadable)?;
    Ok(Receipt { leaf, hashes: read_hashes(&hashes)?, checkpoint, event })
}

fn read_hashes(hashes: &[Vec<u8>]) -> Result<Vec<Hash>, BadReceipt> {
    hashes.iter().map(|hash| Hash::from_slice(hash).map_err(BadReceipt::unreadable)).collect()
}

/// Fetches until the desk is stopped or its disk fails.
pub(super) async fn run(
    desk: &Desk,
    client: &RelayClient,
    timing: &Timing,
    mut stopping: watch::Receiver<bool>,
) {
    let mut changes = desk.changes();
    let (mut link, mut log, mut heads) = (desk.link(), desk.relay_logs(), desk.witnessing());
    let backoff = Backoff::new(timing.pause_max);
    let (mut later, mut connected) = (BTreeMap::new(), false);
    while !*stopping.borrow() && desk.failed().is_none() {
        changes.borrow_and_update();
        heads.borrow_and_update();
        let before = std::mem::replace(&mut connected, link.borrow_and_update().connected);
        // What was put off because the relay was gone has its turn when it is back.
        later.retain(|_, until| *until > Instant::now() && before == connected);
        let wanted = wanted(desk, &later);
        let known = log.borrow_and_update().clone();
        let pause = match known {
            RelayLog::Same if connected && !wanted.is_empty() => {
                let fetched = tokio::select! {
                    fetched = fetch(desk, client, timing, &wanted) => fetched,
                    _ = stopping.wait_for(|stop| *stop) => return,
                };
                Some(match fetched {
                    Ok(missing) => {
                        backoff.reset();
                        later.extend(missing);
                        Duration::ZERO
                    }
                    Err(why) => {
                        tracing::debug!(why, "proofs are fetched later");
                        backoff.pause()
                    }
                })
            }
            RelayLog::Unknown if connected => {
                let why = "it has not shown yet that its log is the one that this desk knows";
                wanted.iter().for_each(|(index, _)| desk.lacks_proof(*index, why));
                None
            }
            RelayLog::Same | RelayLog::Unknown | RelayLog::Other(_) => None,
        };
        // What was put off is looked for when its time has come.
        let due = later.values().min().copied().filter(|_| connected);
        let idle = due.map_or(LATER, |due| due.saturating_duration_since(Instant::now()));
        let gone = tokio::select! {
            () = sleep(pause.unwrap_or(idle)) => false,
            changed = changes.changed(), if pause.is_none() => changed.is_err(),
            changed = link.changed(), if pause.is_none() => changed.is_err(),
            changed = log.changed(), if pause.is_none() => changed.is_err(),
            changed = heads.changed(), if pause.is_none() => changed.is_err(),
            _ = stopping.wait_for(|stop| *stop) => true,
        };
        if gone {
            return;
        }
        tokio::select! {
            () = sleep(GATHER) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Records whose proof is wanted and whose turn it is. Each is asked for twice at most, and once
/// where the witnesses are quick.
fn wanted(desk: &Desk, later: &BTreeMap<Index, Instant>) -> Vec<(Index, Index)> {
    let wanted = desk.wanted_proofs().into_iter();
    wanted.filter(|(index, _)| !later.contains_key(index)).take(BATCH_MAX).collect()
}

/// True when a head needs witnesses to be believed.
fn has_witnesses(desk: &Desk) -> bool {
    desk.policy().witnesses().next().is_some()
}

/// Fetches the proofs of some records and hands them to the desk. Answers which did not come, and
/// until when each is left alone: none of them keeps another waiting.
async fn fetch(
    desk: &Desk,
    client: &RelayClient,
    timing: &Timing,
    wanted: &[(Index, Index)],
) -> Result<Vec<(Index, Instant)>, String> {
    let mut given = Vec::with_capacity(wanted.len());
    let mut missing = Vec::new();
    for (index, place) in wanted.iter().copied() {
        let (_, leaf, _) = desk.to_prove(place).await.map_err(|error| error.to_string())?;
        let witnessed = desk.witnessed(leaf.log.as_str()).witnessed.map(|seen| seen.head);
        let head = witnessed.filter(|head| has_witnesses(desk) && head.size > leaf.index);
        let size = head.as_ref().map_or(0, |head| head.size);
        let asking = client.proof(leaf.log.as_str(), leaf.index, size);
        let answer = match timeout(timing.try_within, asking).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => {
                let pause = if failure.retry { timing.pause_max.min(LATER) } else { LATER };
                desk.lacks_proof(index, &failure.to_string());
                missing.push((index, Instant::now() + pause));
                continue;
            }
            // What came before it is kept first.
            Err(_elapsed) => {
                desk.lacks_proof(index, "it did not answer in time");
                missing.push((index, Instant::now() + timing.pause_max.min(LATER)));
                break;
            }
        };
        let raw = answer.encode_to_vec();
        let GetProofResponse { hashes, checkpoint, tree_size: _ } = answer;
        let checkpoint = head.map_or(checkpoint, |head| head.note.to_string());
        let proof = read_hashes(&hashes).map(|hashes| (hashes, checkpoint));
        given.push(GivenProof { index, place, proof, raw });
    }
    let came: Vec<Index> = given.iter().map(|given| given.index).collect();
    let before = desk.file();
    desk.take_proofs(given).await.map_err(|error| error.to_string())?;
    let after = desk.file();
    for index in came {
        // What does not hold is still wanted, and not at once again.
        let place = after.proofs().place(index);
        if place.is_none() || place == before.proofs().place(index) {
            desk.lacks_proof(index, "what it gave does not hold");
            missing.push((index, Instant::now() + LATER));
        }
    }
    Ok(missing)
}
