//! How far the logs are published and witnessed, as the operator sees it.
//!
//! Not for desks: they get the heads themselves (see `checkpoints.rs`).

use crate::codec::Log;
use crate::cosign::{WitnessState, Witnesses};
use crate::relay::{Relay, Standing};
use crate::units::Timestamp;
use crate::wire::detente::operator::v1 as operator;

/// How far a log is witnessed now.
pub(super) fn standing(relay: &Relay, log: Log) -> operator::LogStanding {
    let Standing { newest, witnessed, waits_since } = relay.heads().standing(log);
    let now = relay.now();
    let ago = |time: Option<Timestamp>| time.map_or(0, |time| now.since_ms(time).max(0));
    operator::LogStanding {
        log: log.as_str().to_owned(),
        size: relay.published().heads().of(log).size,
        is_published: newest.is_some(),
        published_size: newest.as_ref().map_or(0, |head| head.size),
        published_age_ms: ago(newest.as_ref().map(|head| head.published)),
        published_witnesses: newest.as_ref().map_or(0, |head| count(head.witnesses())),
        is_witnessed: witnessed.is_some(),
        witnessed_size: witnessed.as_ref().map_or(0, |head| head.size),
        witnessed_age_ms: ago(witnessed.as_ref().and_then(|head| head.witnessed)),
        witnesses: witnessed.as_ref().map_or(0, |head| count(head.witnesses())),
        witnesses_total: count(relay.heads().witnesses_total()),
        waits_ms: ago(waits_since),
    }
}

/// Why nothing is signed; empty when it is.
pub(super) fn held(relay: &Relay) -> String {
    let held = relay.signers().and_then(|signers| signers.held());
    held.map(|why| why.to_string()).unwrap_or_default()
}

/// The witnesses, and what is wrong with them.
pub(super) fn witnesses(relay: &Relay, known: &Witnesses) -> Vec<operator::WitnessStanding> {
    let policy = relay.heads().policy();
    let rendered = known.list().into_iter().map(|state| {
        let WitnessState { key, connected, directory, traffic, trouble } = state;
        operator::WitnessStanding {
            name: key.name().to_string(),
            in_policy: policy.witnesses().any(|witness| *witness.key == key),
            connected,
            directory_size: directory,
            traffic_size: traffic,
            trouble,
        }
    });
    rendered.collect()
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
