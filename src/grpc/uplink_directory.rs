//! Follows the directory log: reads what the relay streams and hands it to the desk.
//!
//! Not for judging it: the desk believes nothing that a nation has not signed (see
//! `desk/contacts.rs`).

use tokio::sync::watch;
use tokio::time::timeout;

use super::Failure;
use super::client::RelayClient;
use super::uplink::Timing;
use super::uplink_backoff::{Backoff, keep_up};
use crate::desk::{Desk, IncomingEntry};
use crate::units::Index;
use crate::wire::detente::directory::v1 as wire;

/// Follows until the desk is stopped or its disk fails.
pub(super) async fn run(
    desk: &Desk,
    client: &RelayClient,
    timing: &Timing,
    stopping: watch::Receiver<bool>,
) {
    let backoff = Backoff::new(timing.pause_max);
    let follow = || follow(desk, client, timing, &backoff);
    keep_up("the directory is not followed", desk, &backoff, stopping, follow).await;
}

/// Waits until every entry that the relay has is here, but not for long: called when a record is
/// not explained by those that are here. Whatever is missing then is judged as it stands.
pub(super) async fn catch_up(desk: &Desk, client: &RelayClient, timing: &Timing) {
    let caught_up = async {
        match client.directory_size().await {
            Ok(size) => desk.directory_reached(size).await.map_err(|error| error.to_string()),
            Err(failure) => Err(failure.to_string()),
        }
    };
    match timeout(timing.try_within, caught_up).await {
        Ok(Ok(())) => {}
        Ok(Err(trouble)) => tracing::warn!(trouble, "the directory could not be caught up with"),
        Err(_elapsed) => tracing::warn!("the directory did not come in time"),
    }
}

/// Takes in every entry that the relay has now.
///
/// # Errors
/// In words: why that was not possible, or not in time.
pub(super) async fn hear(desk: &Desk, client: &RelayClient, timing: &Timing) -> Result<(), String> {
    let heard = async {
        let size = client.directory_size().await.map_err(|failure| failure.to_string())?;
        let backoff = Backoff::new(timing.pause_max);
        tokio::select! {
            trouble = follow(desk, client, timing, &backoff) => Err(trouble),
            reached = desk.directory_reached(size) => reached.map_err(|error| error.to_string()),
        }
    };
    let late = |_elapsed| Err("they did not come in time".to_owned());
    timeout(timing.silence_max, heard).await.unwrap_or_else(late)
}

/// Follows until something is wrong, and says what.
async fn follow(desk: &Desk, client: &RelayClient, timing: &Timing, backoff: &Backoff) -> String {
    let from = desk.file().contacts().next_leaf();
    let mut stream = match timeout(timing.silence_max, client.follow_directory(from)).await {
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
        if let Err(trouble) = hand_over(desk, response).await {
            return trouble;
        }
        backoff.reset();
    }
}

async fn hand_over(desk: &Desk, response: wire::FollowEntriesResponse) -> Result<(), String> {
    match response.item {
        Some(wire::follow_entries_response::Item::Record(record)) => {
            let taken = desk.take_entries(vec![parse(record)]).await;
            match taken.map_err(|error| error.to_string())?.foul {
                Some(foul) => Err(foul),
                None => Ok(()),
            }
        }
        Some(wire::follow_entries_response::Item::Beat(beat)) => check_beat(desk, beat),
        None => Err("the relay sent neither a record nor a beat".to_owned()),
    }
}

/// A relay that knows fewer records of the directory than we do has lost some.
fn check_beat(desk: &Desk, beat: wire::DirectoryBeat) -> Result<(), String> {
    let wire::DirectoryBeat { time_ms: _, next_leaf_index } = beat;
    let ours = desk.file().contacts().next_leaf();
    if next_leaf_index < ours {
        let what = format!("the relay has {next_leaf_index} directory records; we hold {ours}");
        desk.alarm(&what);
        return Err(what);
    }
    Ok(())
}

fn parse(record: wire::DirectoryRecord) -> IncomingEntry {
    let wire::DirectoryRecord { leaf_index, index, event, restricted, restricted_erased: _ } =
        record;
    IncomingEntry { leaf: leaf_index, index: Index(index), event, restricted }
}
