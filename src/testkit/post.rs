//! One desk of a network of the test kit: its agent, its line to the relay, its officers.
//!
//! Not for what desks do together (see `mod.rs`).

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::line::{Line, State};
use super::{Clock, Error};
use crate::config;
use crate::desk;
use crate::grpc::Officer;
use crate::grpc::counter::{self, Counter};
use crate::grpc::uplink::Timing;
use crate::service::RunningAgent;
use crate::units::DeskId;

/// How long an officer waits for the relay while it can be reached. Milliseconds on loopback; the
/// limit is for machines that are very busy.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long he waits while it cannot: the agent answers 200 ms before.
const NO_PATIENCE: Duration = Duration::from_millis(400);

/// A desk as the network keeps it.
pub(super) struct Post {
    config: config::Desk,
    agent: Option<RunningAgent>,
    counter: Counter,
    pub(super) line: Line,
    /// False once its certificate is no longer good.
    pub(super) is_admitted: bool,
}

/// A desk of the network, for whoever acts there. A clone is the same desk.
#[derive(Clone)]
pub struct Desk {
    id: DeskId,
    handle: desk::Desk,
    counter: Counter,
    reaches_relay: bool,
}

impl Post {
    /// Starts the agent of a `desk.toml` behind a line of its own.
    pub(super) async fn start(
        file: &Path,
        clock: &Clock,
        relay: watch::Receiver<Option<SocketAddr>>,
    ) -> Result<Self, Error> {
        let line = Line::open(relay).await.map_err(|error| Error::Setup(error.to_string()))?;
        let mut config =
            config::Desk::read(file).map_err(|invalid| Error::Setup(invalid.to_string()))?;
        let address = line.address().to_string().parse();
        config.relay.address =
            address.map_err(|error: crate::units::Unreadable| Error::Setup(error.to_string()))?;
        let agent = start(&config, clock).await?;
        let counter = connect(&agent).await?;
        Ok(Self { config, agent: Some(agent), counter, line, is_admitted: true })
    }

    /// The agent, while it runs.
    pub(super) fn agent(&self) -> Option<&RunningAgent> {
        self.agent.as_ref()
    }

    /// True when it should be connected while the relay runs.
    pub(super) fn is_expected(&self) -> bool {
        self.agent.is_some() && self.is_admitted && self.line.state() == State::Up
    }

    /// The desk, for whoever acts there.
    pub(super) fn desk(&self, id: &DeskId, relay_runs: bool) -> Result<Desk, Error> {
        let agent = self.agent.as_ref().ok_or_else(|| Error::Stopped(id.to_string()))?;
        Ok(Desk {
            id: id.clone(),
            handle: agent.handle().clone(),
            counter: self.counter.clone(),
            reaches_relay: relay_runs && self.is_expected(),
        })
    }

    /// Stops the agent cleanly.
    pub(super) async fn stop(&mut self) -> Result<(), Error> {
        match self.agent.take() {
            Some(agent) => agent.stop().await.map_err(|error| Error::Agent(error.to_string())),
            None => Ok(()),
        }
    }

    /// Starts it again, if it does not run.
    pub(super) async fn start_again(&mut self, clock: &Clock) -> Result<(), Error> {
        if self.agent.is_none() {
            let agent = start(&self.config, clock).await?;
            self.counter = connect(&agent).await?;
            self.agent = Some(agent);
        }
        Ok(())
    }
}

async fn start(config: &config::Desk, clock: &Clock) -> Result<RunningAgent, Error> {
    let clock = clock.clone();
    let clock: desk::Clock = Arc::new(move || clock.now());
    let timing = Timing { pause_max: Duration::from_millis(50), ..Timing::default() };
    Ok(RunningAgent::start_on(config, Some(clock), timing).await?)
}

async fn connect(agent: &RunningAgent) -> Result<Counter, Error> {
    counter::connect(agent.socket()).await.map_err(|error| Error::Agent(error.to_string()))
}

impl Desk {
    /// Which desk.
    pub const fn id(&self) -> &DeskId {
        &self.id
    }

    /// The officer "duty", who may send and answer.
    pub fn duty(&self) -> Officer {
        self.officer("duty")
    }

    /// An officer: "duty", or "chief", who may also approve.
    pub fn officer(&self, name: &str) -> Officer {
        let within = if self.reaches_relay { PATIENCE } else { NO_PATIENCE };
        Officer::new(self.counter.clone(), name, within)
    }

    /// The counter itself, for calls that an [`Officer`] has no method for.
    pub fn counter(&self) -> Counter {
        self.counter.clone()
    }

    /// The desk behind the counter: its case file, and how it stands.
    pub const fn handle(&self) -> &desk::Desk {
        &self.handle
    }

    /// Why it is not connected, if so.
    pub fn trouble(&self) -> Option<String> {
        let link = self.handle.status().link;
        (!link.connected).then_some(link.trouble)
    }
}
