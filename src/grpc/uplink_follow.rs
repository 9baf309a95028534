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
use crate::codec::{Leaf, Log};
use crate::desk::{Desk, Incoming, Link};
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
    let mut backoff = Backoff::new(timing.pause_max);
    if let Err(error) = desk.pick_up().await {
        tracing::error!(%error, "missing receipts are prepared at the next start");
    }
    while !*stopping.borrow() && desk.failed().is_none() {
        let follow = follow(desk, client, timing, &mut backoff);
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
async fn follow(
    desk: &Desk,
    client: &RelayClient,
    timing: &Timing,
    backoff: &mut Backoff,
) -> String {
    let from = desk.file().next();
    let mut stream = match timeout(timing.silence_max, client.follow(from)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(failure)) => return failure.to_string(),
        Err(_elapsed) => return "the relay did not answer in time".to_owned(),
    };
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
        if let Err(trouble) = hand_over(desk, batch).await {
            return trouble;
        }
        if let Some(end) = end {
            return end;
        }
    }
}

async fn hand_over(desk: &Desk, batch: Vec<wire::FollowResponse>) -> Result<(), String> {
    let mut records = Vec::new();
    for response in batch {
        match response.item {
            Some(wire::follow_response::Item::Record(record)) => {
                records.push(parse(record).map_err(|bad| foul(desk, &bad))?);
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
        desk.alarm(&what);
        return Err(what);
    }
    Ok(())
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
    let malformed = |field: &str, why: &str| Malformed { field: field.into(), why: why.into() };
    let leaf = leaf.ok_or_else(|| malformed("record.leaf", "absent"))?;
    let wire::LeafOpening { log, index: leaf_index, opening } = leaf;
    let log = match log.as_str() {
        "directory" => Log::Directory,
        "traffic" => Log::Traffic,
        _other => return Err(malformed("record.leaf.log", "no log of this network")),
    };
    let opening = match opening.as_slice() {
        [] => None,
        bytes => Some(
            <[u8; 32]>::try_from(bytes)
                .map_err(|_| malformed("record.leaf.opening", "not 32 bytes"))?,
        ),
    };
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
        leaf: Leaf { log, index: leaf_index, opening },
    })
}
