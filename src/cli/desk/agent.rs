//! `detente desk --config desk.toml`: runs the nation's agent until it is told to stop.
//!
//! Not for what an agent does (see `desk/`) nor for the order in which its parts come and go (see
//! `service/`).

use std::path::Path;

use serde_json::json;

use super::super::relay::watch;
use super::super::signal::{self, Hangups, Stops};
use super::super::{Exit, Failure, Screen, start};
use crate::config;
use crate::service::RunningAgent;

/// Runs the agent of `file` until a signal, or until it fails.
pub(super) fn run(file: &Path, screen: &mut Screen) -> Result<Exit, Failure> {
    let config = config::Desk::read(file)?;
    start::logs(&config.log)?;
    start::runtime()?.block_on(serve(&config, file, screen))
}

async fn serve(config: &config::Desk, file: &Path, screen: &mut Screen) -> Result<Exit, Failure> {
    let (mut hangups, mut stops) = (Hangups::new(), Stops::new());
    let mut agent = tokio::select! {
        started = Box::pin(RunningAgent::start(config)) => {
            started.map_err(|error| start::failure_at(&config.store.directory, error))?
        }
        _stop = stops.next() => return Ok(Exit::Success),
    };
    let (desk, socket) = (agent.desk().to_string(), agent.socket().display().to_string());
    if screen.is_json() {
        let metrics = agent.metrics().map(|address| address.to_string());
        screen.line(&json!({ "agent": { "desk": desk, "socket": socket, "metrics": metrics } }))?;
    } else {
        screen.message(&format!("the agent of {desk} is up: officers call at {socket}"));
        screen.message(&format!("next: detente desk status --socket {socket}"));
    }
    signal::tell_ready(&format!("the agent of {desk}"));
    let failed = loop {
        tokio::select! {
            ended = agent.failed() => break ended.err(),
            which = stops.next() => {
                tracing::info!(signal = which, "stopping");
                break None;
            }
            () = hangups.next() => agent.reload_from(file).await,
            // An agent without a relay is alive: it keeps what officers say.
            () = watch(|| true) => {}
        }
    };
    signal::tell_stopping();
    let stopped = tokio::select! {
        stopped = agent.stop() => stopped,
        which = stops.next() => return Err(start::impatient(which)),
    };
    match failed.map_or(stopped, Err) {
        Ok(()) => Ok(Exit::Success),
        Err(error) => {
            Err(start::store_failed("the agent stopped by itself", &start::chain(&error)))
        }
    }
}
