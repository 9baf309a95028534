//! Follows the desk's own records: reads what the relay streams and hands it to the desk.
//!
//! Not for judging it: the desk believes nothing of it (see `desk/intake.rs`).

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_stream::Stream;
use tonic::Streaming;

use super::client::RelayClient;
use super::uplink::Timing;
use super::uplink_backoff::Backoff;
use super::uplink_directory;
use crate::codec::{Leaf, Log};
use crate::desk::{Desk, Discrepancy, Incoming, Link, RelayLog, describe, is_same};
use crate::envelope::{Malformed, Signature};
use crate::units::{DeskIndex, Index};
use crate::wire::detente::desk::v1 as wire;

/// Records handed to the desk together at most: one sync for all of them.
const BATCH_RECORDS_MAX: usize = 64;

/// Follows until the desk is stopped or its disk fails.
pub(super) async fn run(
    desk: &Desk,
    client: &RelayClient,
    timing: &Timing,
    mut stopping: watch::Receiver<bool>,
) {
    let backoff = Backoff::new(timing.pause_max);
    if let Err(error) = desk.pick_up().await {
        tracing::error!(%error, "missing receipts are prepared at the next start");
    }
    while !*stopping.borrow() && desk.failed().is_none() {
        let follow = follow(desk, client, timing, &backoff);
        let trouble = tokio::select! {
            trouble = follow => trouble,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        let owner = desk.file().owner().to_string();
        tracing::warn!(desk = owner, trouble, "not connected");
        desk.set_link(Link { connected: false, trouble });
        tokio::select! {
            () = sleep(backoff.pause()) => {}
            _ = stopping.wait_for(|stop| *stop) => break,
        }
    }
}

/// Follows until something is wrong, and says what.
///
/// The newest record that the desk holds is asked for once more: it shows whether this is the log
/// that the desk knows.
async fn follow(desk: &Desk, client: &RelayClient, timing: &Timing, backoff: &Backoff) -> String {
    desk.forget_relay_log();
    let mut held = match desk.newest_received().await {
        Ok(held) => held,
        Err(error) => return error.to_string(),
    };
    let from = held.as_ref().map_or_else(|| desk.file().next(), |held| held.desk_index);
    let following = client.follow_telling(from, desk.now());
    let mut stream = match timeout(timing.silence_max, following).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(failure)) if failure.reason == "CURSOR_AHEAD" => {
            let ours = desk.file().next();
            let what = format!("this desk holds {ours} records of its own; {}", failure.cause);
            return differs(desk, Discrepancy::shorter(what));
        }
        Ok(Err(failure)) => return failure.to_string(),
        Err(_elapsed) => return "the relay did not answer in time".to_owned(),
    };
    if held.is_none() {
        desk.set_relay_log(RelayLog::Same);
    }
    // The relay may answer the call before it has anything to say; only then is it up.
    desk.set_link(Link { connected: true, trouble: String::new() });
    loop {
        let (batch, end) = match timeout(timing.silence_max, next_batch(&mut stream)).await {
            Ok(next) => next,
            Err(_elapsed) => return "the relay has gone silent".to_owned(),
        };
        if !batch.is_empty() {
            backoff.reset();
        }
        if let Err(trouble) = hand_over(desk, client, timing, &mut held, batch).await {
            return trouble;
        }
        if let Some(end) = end {
            return end;
        }
    }
}

/// Takes what came. While `held` is there, the first record must be the same.
async fn hand_over(
    desk: &Desk,
    client: &RelayClient,
    timing: &Timing,
    held: &mut Option<Incoming>,
    batch: Vec<wire::FollowResponse>,
) -> Result<(), String> {
    let mut records = Vec::new();
    for response in batch {
        match response.item {
            Some(wire::follow_response::Item::Record(record)) => {
                let record = parse(record).map_err(|bad| foul(desk, &bad))?;
                match held.take() {
                    Some(held) if !is_same(&held, &record) => {
                        let what = format!(
                            "the relay's record {} is not the one that this desk holds, {}",
                            record.desk_index,
                            describe(&held).what
                        );
                        return Err(differs(desk, Discrepancy::differs(what)));
                    }
                    Some(_same) => desk.set_relay_log(RelayLog::Same),
                    None => records.push(record),
                }
            }
            Some(wire::follow_response::Item::Beat(beat)) => {
                let next = records.last().map(|last: &Incoming| last.desk_index.next());
                check_beat(desk, &beat, next)?;
            }
            None => return Err("the relay sent neither a record nor a beat".to_owned()),
        }
    }
    if records.is_empty() {
        return Ok(());
    }
    // Both streams run side by side: the entry that explains a statement may still be on its way.
    if desk.lacks_entry(&records) {
        uplink_directory::catch_up(desk, client, timing).await;
    }
    let taken = desk.take(records).await.map_err(|error| error.to_string())?;
    match taken.gap {
        Some((due, came)) => Err(format!("record {came} came where {due} was due")),
        None => Ok(()),
    }
}

fn foul(desk: &Desk, bad: &Malformed) -> String {
    let what = format!("the relay sent a record that cannot be read: {bad}");
    desk.alarm(&what);
    what
}

/// A relay that knows fewer of our records than we do has lost some.
fn check_beat(desk: &Desk, beat: &wire::Beat, next: Option<DeskIndex>) -> Result<(), String> {
    let wire::Beat { time_ms: _, next_desk_index } = *beat;
    let ours = next.unwrap_or_else(|| desk.file().next());
    if next_desk_index < ours.0 {
        let what = format!("the relay has {next_desk_index} of our records; we hold {ours}");
        return Err(differs(desk, Discrepancy::shorter(what)));
    }
    Ok(())
}

fn differs(desk: &Desk, discrepancy: Discrepancy) -> String {
    let what = discrepancy.to_string();
    desk.set_relay_log(RelayLog::Other(discrepancy));
    what
}

/// Compares everything that the desk holds of its sequence with what the relay sends, and says from
/// which place in the desk's own journal on the relay has lost it, or lacks nothing. The relay's
/// beat, which says how far its log goes, may take half a minute to come.
///
/// # Errors
/// Why the relay could not be asked, in words.
pub async fn compare(
    desk: &Desk,
    client: &RelayClient,
    timing: &Timing,
) -> Result<Vec<Index>, String> {
    let places = desk.received_places().await.map_err(|error| error.to_string())?;
    let mut stream = client.follow(DeskIndex(0)).await.map_err(|failure| failure.to_string())?;
    let mut same = 0;
    while same < places.len() {
        let (batch, end) = timeout(timing.silence_max, next_batch(&mut stream))
            .await
            .map_err(|_elapsed| "the relay has gone silent".to_owned())?;
        for response in batch {
            let Some(place) = places.get(same) else { break };
            match response.item {
                Some(wire::follow_response::Item::Record(record)) => {
                    let held = desk.received_at(*place).await.map_err(|e| e.to_string())?;
                    if !parse(record).is_ok_and(|record| is_same(&held, &record)) {
                        return Ok(places[same..].to_vec());
                    }
                    same += 1;
                }
                Some(wire::follow_response::Item::Beat(_)) | None => {
                    return Ok(places[same..].to_vec());
                }
            }
        }
        if let Some(end) = end {
            return Err(end);
        }
    }
    Ok(Vec::new())
}

/// What has come by now, at least one item, or why nothing comes any more.
async fn next_batch(
    stream: &mut Streaming<wire::FollowResponse>,
) -> (Vec<wire::FollowResponse>, Option<String>) {
    let mut batch = Vec::new();
    let end = poll_fn(|context| {
        loop {
            match Pin::new(&mut *stream).poll_next(context) {
                Poll::Ready(Some(Ok(response))) => batch.push(response),
                Poll::Ready(Some(Err(status))) => {
                    return Poll::Ready(Some(super::Failure::from_status(&status).to_string()));
                }
                Poll::Ready(None) => {
                    return Poll::Ready(Some("the relay ended the stream".to_owned()));
                }
                Poll::Pending if batch.is_empty() => return Poll::Pending,
                Poll::Pending => return Poll::Ready(None),
            }
            if batch.len() >= BATCH_RECORDS_MAX {
                return Poll::Ready(None);
            }
        }
    })
    .await;
    (batch, end)
}

fn parse(record: wire::DeskRecord) -> Result<Incoming, Malformed> {
    let wire::DeskRecord { desk_index, index, event, header, signatures, leaf } = record;
    let leaf = read_leaf("record.leaf", leaf)?;
    let signatures: Result<Vec<Signature>, Malformed> = signatures
        .into_iter()
        .enumerate()
        .map(|(i, signature)| Signature::from_wire(&format!("record.signatures[{i}]"), signature))
        .collect();
    Ok(Incoming {
        desk_index: DeskIndex(desk_index),
        index: Index(index),
        event,
        header,
        signatures: signatures?,
        leaf,
    })
}

/// Reads place and opening of a leaf; `field` is its path.
pub(super) fn read_leaf(field: &str, leaf: Option<wire::LeafOpening>) -> Result<Leaf, Malformed> {
    let malformed =
        |part: &str, why: &str| Malformed { field: format!("{field}{part}"), why: why.into() };
    let wire::LeafOpening { log, index, opening } = leaf.ok_or_else(|| malformed("", "absent"))?;
    let log = Log::ALL
        .into_iter()
        .find(|known| known.as_str() == log)
        .ok_or_else(|| malformed(".log", "no log of this network"))?;
    let opening = match opening.as_slice() {
        [] => None,
        bytes => {
            Some(<[u8; 32]>::try_from(bytes).map_err(|_| malformed(".opening", "not 32 bytes"))?)
        }
    };
    Ok(Leaf { log, index, opening })
}
