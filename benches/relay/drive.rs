//! Many calls at the same time, and how long each took.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Result;
use detente::envelope::Envelope;
use detente::grpc::client::RelayClient;
use tokio::task::JoinSet;

use crate::figures::{Round, cpu};

/// A desk's connection and what it sends.
pub(crate) type Load = (RelayClient, Arc<[Envelope]>);

/// Submits everything, `in_flight` at a time, over all connections evenly. Processor time is not
/// yet in the answer: what follows a submission, like the tables, may still be at work.
pub(crate) async fn submit(loads: &[Load], in_flight: usize) -> Result<Round> {
    let places: Vec<Arc<AtomicUsize>> = loads.iter().map(|_| Arc::default()).collect();
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..in_flight {
        let (client, envelopes) = loads[number % loads.len()].clone();
        let place = Arc::clone(&places[number % loads.len()]);
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while let Some(envelope) = envelopes.get(place.fetch_add(1, Ordering::Relaxed)) {
                let before = Instant::now();
                client.submit(envelope).await.map_err(|failure| failure.to_string())?;
                latencies.push(before.elapsed());
            }
            Ok::<_, String>(latencies)
        });
    }
    let mut round = Round::default();
    while let Some(done) = tasks.join_next().await {
        round.latencies.extend(done?.map_err(|failure| anyhow::anyhow!(failure))?);
    }
    round.took = started.elapsed();
    Ok(round)
}

/// As [`submit`], with the processor time up to the moment when `settled` is done.
pub(crate) async fn submit_until(
    loads: &[Load],
    in_flight: usize,
    settled: impl AsyncFnOnce() -> Result<()>,
) -> Result<Round> {
    let spent = cpu();
    let round = submit(loads, in_flight).await?;
    settled().await?;
    Ok(Round { cpu: cpu() - spent, ..round })
}
