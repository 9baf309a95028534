//! `detente relay`: runs the relay until it is told to stop.
//!
//! Not for what a relay does (see `relay/`) nor for the order in which its parts come and go (see
//! `service/`).

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::signal::{self, Hangups, Stops};
use super::start;
use super::{Exit, Failure, Screen};
use crate::config;
use crate::service::RunningRelay;

/// A sign of life is given while the last write that reached the disk is younger than this: three
/// of the probes that an idle relay makes.
const PROBE_AGE_MS_MAX: i64 = 30_000;

/// Run the network's relay
#[derive(Debug, Args)]
#[command(
    before_help = "Example:
  detente relay --config relay.toml",
    after_help = "SIGTERM and SIGINT stop it (calls have 10 s to finish; a second one does not \
                  wait for them); SIGHUP reads certificate, key and revocation lists again."
)]
pub(super) struct RelayCommand {
    /// The relay's configuration.
    #[arg(long, value_name = "FILE", required_unless_present = "print_defaults")]
    config: Option<PathBuf>,
    /// Print a commented configuration with every key and its default, and do nothing else.
    #[arg(long)]
    print_defaults: bool,
}

impl RelayCommand {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let Some(file) = self.config.filter(|_| !self.print_defaults) else {
            return super::config::print_defaults(super::config::Program::Relay, screen);
        };
        let config = config::Relay::read(&file)?;
        start::logs(&config.log)?;
        start::runtime()?.block_on(serve(&config, screen))
    }
}

async fn serve(config: &config::Relay, screen: &mut Screen) -> Result<Exit, Failure> {
    let (mut hangups, mut stops) = (Hangups::new(), Stops::new());
    let relay = tokio::select! {
        started = RunningRelay::start(config) => started.map_err(|error| {
            start::failure_at(&config.store.directory.join("journal"), error)
        })?,
        _stop = stops.next() => return Ok(Exit::Success),
    };
    let addresses = relay.addresses();
    if screen.is_json() {
        screen.line(&json!({
            "relay": {
                "desks": addresses.desks.to_string(),
                "operator": addresses.operator.to_string(),
                "metrics": addresses.metrics.map(|address| address.to_string()),
            }
        }))?;
    } else {
        screen.message(&format!(
            "the relay is up: desks at {}, operator at {}",
            addresses.desks, addresses.operator
        ));
    }
    signal::tell_ready(&format!("desks at {}", addresses.desks));
    let alive = || relay.relay().probe_age_ms() < PROBE_AGE_MS_MAX;
    let broken = tokio::select! {
        why = relay.failed() => Some(why),
        which = stops.next() => {
            tracing::info!(signal = which, "stopping");
            None
        }
        () = reload(&mut hangups, || relay.reload()) => None,
        () = watch(alive) => None,
    };
    signal::tell_stopping();
    let stopped = tokio::select! {
        stopped = relay.stop() => stopped,
        which = stops.next() => return Err(start::impatient(which)),
    };
    match broken.map_or(stopped, Err) {
        Ok(()) => Ok(Exit::Success),
        Err(why) => Err(start::store_failed("the relay stopped by itself", &why)),
    }
}

/// Does `again` at every SIGHUP, without end.
pub(super) async fn reload(hangups: &mut Hangups, again: impl Fn()) {
    loop {
        hangups.next().await;
        tracing::info!("reading certificates and revocation lists again");
        again();
    }
}

/// Gives signs of life while `alive` says so, without end.
pub(super) async fn watch(alive: impl Fn() -> bool) {
    let Some(every) = signal::watchdog_every().filter(|every| *every > Duration::ZERO) else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(every).await;
        if alive() {
            signal::tell_alive();
        } else {
            tracing::error!("no sign of life is given: nothing has reached the disk for too long");
        }
    }
}
