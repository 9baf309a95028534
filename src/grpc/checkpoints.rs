//! A stream of the published heads of one log: what is there at once, then whatever comes, as fast
//! as it is taken. What comes faster than that is passed over, for only the newest counts.
//!
//! Not for publishing or for cosignatures (see `relay::Heads`).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tonic::Status;

use super::follows::Following;
use super::trouble::Trouble;
use crate::codec::Log;
use crate::relay::{PublicHead, Relay, Standing};
use crate::units::DeskId;
use crate::wire::detente::desk::v1::Beat;
use crate::wire::detente::log::v1 as wire;
use wire::follow_checkpoints_response::Item;

/// What a stream sends, and to whom.
pub(super) struct Checkpoints {
    pub(super) relay: Relay,
    pub(super) log: Log,
    pub(super) desk: DeskId,
    pub(super) beat_every: Duration,
    pub(super) stopping: watch::Receiver<bool>,
    /// Given back when the stream ends.
    pub(super) _following: Following,
}

impl Checkpoints {
    /// Sends until the caller goes or the relay stops.
    pub(super) async fn pump(
        self,
        send: mpsc::Sender<Result<wire::FollowCheckpointsResponse, Status>>,
    ) {
        let mut news = self.relay.heads().standings(self.log);
        let mut sent = Standing::default();
        let mut stopping = self.stopping.clone();
        let stopped = self.relay.stopped();
        tokio::pin!(stopped);
        loop {
            let standing = news.borrow_and_update().clone();
            for head in changed(&sent, &standing) {
                let item = Item::Checkpoint(published(&self.relay, &head));
                if send.send(Ok(response(item))).await.is_err() {
                    return;
                }
            }
            sent = standing;
            let item = tokio::select! {
                biased;
                () = send.closed() => return,
                // A sender that is gone stops the process as well.
                _stop = stopping.wait_for(|stopping| *stopping) => {
                    Err(Trouble::ShuttingDown.status())
                }
                () = &mut stopped => Err(Trouble::ShuttingDown.status()),
                // The heads live as long as the relay, of which a handle is held.
                _ = news.changed() => continue,
                () = tokio::time::sleep(self.beat_every) => {
                    Ok(response(Item::Beat(beat(&self.relay, &self.desk))))
                }
            };
            let last = item.is_err();
            if send.send(item).await.is_err() || last {
                return;
            }
        }
    }
}

/// A sign of life for a desk.
pub(super) fn beat(relay: &Relay, desk: &DeskId) -> Beat {
    let next = relay.published().state().next_desk_index(desk);
    Beat { time_ms: relay.now().0, next_desk_index: next.0 }
}

/// The heads that are new or cosigned by more, the older first.
fn changed(sent: &Standing, now: &Standing) -> Vec<Arc<PublicHead>> {
    let mut heads = Vec::new();
    if now.witnessed != sent.witnessed && now.witnessed != now.newest {
        heads.extend(now.witnessed.clone());
    }
    if now.newest != sent.newest {
        heads.extend(now.newest.clone());
    }
    heads
}

fn published(relay: &Relay, head: &PublicHead) -> wire::PublishedCheckpoint {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    wire::PublishedCheckpoint {
        checkpoint: head.cosigned_note().to_string(),
        published_ms: head.published.0,
        witnesses: count(head.witnesses()),
        witnesses_total: count(relay.heads().witnesses_total()),
        quorum: head.witnessed.is_some(),
    }
}

const fn response(item: Item) -> wire::FollowCheckpointsResponse {
    wire::FollowCheckpointsResponse { item: Some(item) }
}
