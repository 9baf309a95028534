//! The agent: a desk, its connection to the relay and its officers' counter, started and stopped
//! together.
//!
//! Not for configuration files (see `cli/`). Nothing is global: one process may run many agents.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::client::RelayClient;
use super::counter;
use super::uplink::{self, Timing};
use super::uplink_directory;
use crate::desk::{self, Desk};

/// What an agent needs.
pub struct Options {
    /// The desk.
    pub desk: desk::Options,
    /// How the relay is called; connects when it is used.
    pub relay: RelayClient,
    /// The officers' socket.
    pub socket: PathBuf,
    /// How long things may take.
    pub timing: Timing,
}

/// Why an agent cannot start, or has ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The desk cannot be opened.
    #[error("opening the desk")]
    Desk(#[from] desk::OpenError),
    /// The counter cannot be opened.
    #[error("opening the officers' counter")]
    Counter(#[from] counter::BindError),
    /// The counter's transport failed.
    #[error("serving the officers' counter")]
    Serving(#[from] tonic::transport::Error),
    /// The desk's disk failed. What it has confirmed is safe; start again and look.
    #[error("the desk's disk failed: {0}")]
    Disk(String),
    /// A part of the agent panicked.
    #[error("the agent's {0} ended unexpectedly")]
    Panicked(&'static str),
}

/// A running agent. Dropping it without [`Agent::stop`] ends it as a crash would.
pub struct Agent {
    desk: Desk,
    stopping: watch::Sender<bool>,
    drain_within: Duration,
    uplink: JoinHandle<Result<(), String>>,
    counter: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Agent {
    /// Opens the desk and the counter, and begins to connect. The relay need not be there, unless
    /// the directory as it is known here does not have the desk, or has other keys of it.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn start(options: Options) -> Result<Self, AgentError> {
        let Options { desk, relay, socket, timing } = options;
        let opened = tokio::task::spawn_blocking(move || Desk::open(desk)).await;
        let desk = opened.map_err(|_| AgentError::Panicked("desk"))??;
        if let Err(error) = known(&desk, &relay, &timing).await {
            desk.close().await;
            return Err(error.into());
        }
        let bound = match counter::Bound::open(&socket, &desk.keys()).await {
            Ok(bound) => bound,
            Err(error) => {
                desk.close().await;
                return Err(error.into());
            }
        };
        let (stopping, stop) = watch::channel(false);
        let drain_within = timing.drain_within;
        let counter = tokio::spawn(bound.serve(desk.clone(), relay.clone(), stop.clone()));
        let uplink = tokio::spawn(uplink::run(desk.clone(), relay, timing, stop));
        Ok(Self { desk, stopping, drain_within, uplink, counter })
    }

    /// Its desk.
    pub const fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Waits until the agent ends by itself, which only a failure makes it do.
    ///
    /// # Errors
    /// The failure.
    pub async fn ended(&mut self) -> Result<(), AgentError> {
        tokio::select! {
            uplink = &mut self.uplink => uplink_ended(uplink),
            counter = &mut self.counter => counter_ended(counter),
        }
    }

    /// Takes no more calls, lets those under way finish for a while, and closes the desk.
    ///
    /// # Errors
    /// What went wrong while it ran.
    pub async fn stop(self) -> Result<(), AgentError> {
        let Self { desk, stopping, drain_within, mut uplink, mut counter } = self;
        stopping.send_replace(true);
        let drained = async {
            // Either may have ended before; then there is nothing to wait for.
            let uplink = if uplink.is_finished() { None } else { Some((&mut uplink).await) };
            let counter = if counter.is_finished() { None } else { Some((&mut counter).await) };
            (uplink, counter)
        };
        // The parts have limits of their own; a second more tells a late one from a stuck one.
        let ended = timeout(drain_within + Duration::from_secs(1), drained).await;
        uplink.abort();
        counter.abort();
        desk.close().await;
        let Ok((uplink, counter)) = ended else {
            tracing::warn!("calls were still open after the drain; they were cut off");
            return Ok(());
        };
        uplink.map_or(Ok(()), uplink_ended)?;
        counter.map_or(Ok(()), counter_ended)
    }
}

/// Whether the directory has the desk with its keys: as it is known here, or else as the relay has
/// it. A desk that has joined by an entry, and one whose key has changed while its agent was down,
/// learn of it so.
async fn known(desk: &Desk, relay: &RelayClient, timing: &Timing) -> Result<(), desk::OpenError> {
    if desk.check_keys().is_ok() {
        return Ok(());
    }
    let heard = uplink_directory::hear(desk, relay, timing).await;
    match (desk.check_keys(), heard) {
        (Err(desk::OpenError::Keys(why)), Err(trouble)) => Err(desk::OpenError::Keys(format!(
            "{why}; the relay could not be asked for newer entries: {trouble}"
        ))),
        (checked, _) => checked,
    }
}

/// Runs an agent until `shutdown` is done, then stops it cleanly.
///
/// # Errors
/// See [`AgentError`].
pub async fn run(options: Options, shutdown: impl Future<Output = ()>) -> Result<(), AgentError> {
    let mut agent = Agent::start(options).await?;
    tokio::select! {
        () = shutdown => agent.stop().await,
        ended = agent.ended() => {
            let stopped = agent.stop().await;
            ended.and(stopped)
        }
    }
}

fn uplink_ended(
    ended: Result<Result<(), String>, tokio::task::JoinError>,
) -> Result<(), AgentError> {
    ended.map_err(|_| AgentError::Panicked("uplink"))?.map_err(AgentError::Disk)
}

fn counter_ended(
    ended: Result<Result<(), tonic::transport::Error>, tokio::task::JoinError>,
) -> Result<(), AgentError> {
    Ok(ended.map_err(|_| AgentError::Panicked("counter"))??)
}
