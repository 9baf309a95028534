//! Offers the desk as a witness to the relay: answers what it asks, over the desk's own connection.
//!
//! Not for what is answered (see `desk/witness/`).

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

use super::Failure;
use super::client::RelayClient;
use super::uplink::Timing;
use super::uplink_backoff::{Backoff, keep_up};
use crate::desk::Desk;
use crate::tlog::Checkpoint;
use crate::tlog::witness::Latest;
use crate::wire::detente::log::v1 as wire;
use wire::witness_request::Item as Said;
use wire::witness_response::Item as Asked;

/// Answers that wait for the connection: the relay asks about one head of each log at a time.
const ANSWERS_BUFFERED: usize = 16;

/// The longest pause before the relay is offered the witness again: one that has just started signs
/// and accepts nothing for some seconds unless its witnesses have said how far they have seen.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Witnesses until the desk is stopped or its disk fails. A relay that asks no witnesses is asked
/// again after a while.
pub(super) async fn run(
    desk: &Desk,
    client: &RelayClient,
    timing: &Timing,
    stopping: watch::Receiver<bool>,
) {
    let backoff = Backoff::new(timing.pause_max.min(PAUSE_MAX));
    let witness = || witness(desk, client, timing, &backoff);
    keep_up("the relay asks for no cosignatures", desk, &backoff, stopping, witness).await;
}

/// Answers until something is wrong, and says what.
async fn witness(desk: &Desk, client: &RelayClient, timing: &Timing, backoff: &Backoff) -> String {
    if desk.witness_key().is_none() {
        return "this desk is no witness".to_owned();
    }
    let (say, said) = mpsc::channel(ANSWERS_BUFFERED);
    if say.send(hello(desk)).await.is_err() {
        return "the stream was not begun".to_owned();
    }
    let opening = client.witness(ReceiverStream::new(said));
    let mut stream = match timeout(timing.silence_max, opening).await {
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
        backoff.reset();
        let wire::WitnessAsk { ask, log, add_checkpoint } = match response.item {
            Some(Asked::Ask(ask)) => ask,
            Some(Asked::Beat(_)) => continue,
            None => return "the relay sent neither a question nor a beat".to_owned(),
        };
        let answer = desk.cosign(log, add_checkpoint).await;
        let (status, body) = (u32::from(answer.status), answer.body);
        let item = Some(Said::Answer(wire::WitnessAnswer { ask, status, body }));
        if say.send(wire::WitnessRequest { item }).await.is_err() {
            return "the relay takes no answers".to_owned();
        }
    }
}

/// Who witnesses, and how far it has seen.
fn hello(desk: &Desk) -> wire::WitnessRequest {
    let heads = desk.cosigned().into_iter().map(|(log, latest)| {
        // The note says which head it is: a newer one may have been cosigned meanwhile.
        let note = desk.cosigned_note(&log);
        let head: Option<Checkpoint> = note.as_ref().and_then(|note| note.text().parse().ok());
        let newest = head.map(|head| Latest { size: head.size(), root: head.root() });
        let Latest { size, root } = newest.unwrap_or(latest);
        let checkpoint = note.map(|note| note.to_string()).unwrap_or_default();
        wire::WitnessedHead { log, size, root: root.0.to_vec(), checkpoint }
    });
    let hello = wire::WitnessHello {
        heads: heads.collect(),
        verifier_key: desk.witness_key().map(|key| key.to_string()).unwrap_or_default(),
    };
    wire::WitnessRequest { item: Some(Said::Hello(hello)) }
}
