//! What the operating system and the service manager say, and what they are told.
//!
//! Not for what happens then: stopping in order is `service/`'s.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT, again and again.
pub(crate) struct Stops {
    term: Option<Signal>,
    int: Option<Signal>,
}

impl Stops {
    /// Listens from now on; none is missed between two waits.
    pub(crate) fn new() -> Self {
        Self { term: heard(SignalKind::terminate()), int: heard(SignalKind::interrupt()) }
    }

    /// Waits for the next one, and says which.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            () = next(&mut self.term) => "SIGTERM",
            () = next(&mut self.int) => "SIGINT",
        }
    }
}

/// SIGHUP, again and again.
pub(super) struct Hangups(Option<Signal>);

impl Hangups {
    /// Listens from now on; without this SIGHUP ends the process.
    pub(super) fn new() -> Self {
        Self(heard(SignalKind::hangup()))
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        next(&mut self.0).await;
    }
}

/// How often the service manager wants a sign of life: half of what it allows. None when it does
/// not want any.
pub(super) fn watchdog_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|within| within / 2)
}

/// Tells the service manager that the program is up.
pub(super) fn tell_ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Tells the service manager that the program stops.
pub(super) fn tell_stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Gives the service manager a sign of life.
pub(super) fn tell_alive() {
    tell(&[NotifyState::Watchdog]);
}

fn tell(state: &[NotifyState<'_>]) {
    // Without a service manager this does nothing.
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

fn heard(kind: SignalKind) -> Option<Signal> {
    signal(kind).inspect_err(|error| tracing::error!(%error, "a signal cannot be heard")).ok()
}

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            let _heard = signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
