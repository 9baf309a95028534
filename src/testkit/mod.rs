//! A whole network inside a test: relay, desks and officers in this process, the clock in the
//! test's hand, and faults on demand.
//!
//! For whoever builds on `detente` and wants to rehearse against the real thing: the relay and the
//! agents are those that `detente relay` and `detente desk` run, with their journals on disk, their
//! certificates, and mutual TLS and gRPC on loopback. Not a simulation, and not for real cases: the
//! members speak with sample data, and all keys lie in one directory.
//!
//! ```
//! use detente::envelope::words::WillAnswer;
//! use detente::testkit::{Network, request};
//! use detente::units::{DAY_MS, HOUR_MS};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Two nations, a relay, and a clock that stands on a Monday morning.
//! let mut network =
//!     Network::of(&["NL", "RO"]).starting_at("2026-03-02T08:00:00Z".parse()?).start().await?;
//! let (nl, ro) = (network.desk("NL")?, network.desk("RO")?);
//!
//! // The Dutch officer asks; what the form must say and is not given is filled in.
//! let asked = request("RO/cyber", "PRESERVATION", "BUDAPEST", "EXPEDITED", &[
//!     ("offence", "Encryption of a hospital's patient records"),
//!     ("data", "Access logs of the virtual server at 198.51.100.23"),
//! ])?;
//! let id = nl.duty().send(asked).await?.request;
//! network.settle().await?;
//!
//! // Two hours later the Romanian officer acknowledges: yes, in writing, within a day.
//! network.advance_ms(2 * HOUR_MS).await?;
//! let by = network.now().plus_ms(DAY_MS);
//! ro.duty().acknowledge(id, WillAnswer::Yes, "written confirmation", by).await?;
//!
//! // The Dutch desk is cut off for a while, and hears it afterwards.
//! let case = nl.duty().wait_for_stage(id, "ACKNOWLEDGED").await?;
//! assert_eq!(case.acknowledged_ms - case.submitted_ms, 2 * HOUR_MS);
//! network.cut_off("NL").await?;
//! network.reconnect("NL").await?;
//!
//! // A second acknowledgement is refused by the rules, with their code.
//! let twice = ro.duty().acknowledge(id, WillAnswer::No, "none", by).await.unwrap_err();
//! assert!(twice.rule_code.starts_with("R-3"), "{twice}");
//! network.stop().await?;
//! # Ok(())
//! # }
//! ```

mod clock;
mod entry;
mod faults;
mod forms;
mod line;
mod post;
mod settle;
mod setup;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use clock::Clock;
pub use forms::{Unfilled, fill, request};
pub use post::Desk;
pub(crate) use setup::DESK;
pub use setup::Setup;

use crate::config;
use crate::grpc::Failure;
use crate::pki::DevNetwork;
use crate::relay;
use crate::service::{RunningRelay, StartError};
use crate::units::{DeskId, Timestamp};

use post::Post;
use setup::Place;

/// The clock of published heads: faster than a configuration allows, so that nobody waits for it.
const PUBLISH_EVERY: Duration = Duration::from_millis(500);

/// Why something could not be done with a network of the test kit.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be made.
    #[error("the network cannot be made: {0}")]
    Setup(String),
    /// A program cannot start.
    #[error("{0}")]
    Start(Box<StartError>),
    /// There is no such desk.
    #[error("{0:?} is no desk of this network")]
    NoDesk(String),
    /// The agent of this desk does not run, or the relay does not.
    #[error("{0} does not run")]
    Stopped(String),
    /// An agent failed.
    #[error("an agent failed: {0}")]
    Agent(String),
    /// The relay failed.
    #[error("the relay failed: {0}")]
    Relay(String),
    /// The clock cannot be moved there.
    #[error("the clock cannot be moved: {0}")]
    Clock(String),
    /// Something is still under way after a long time.
    #[error("still under way after 60 s: {0}")]
    Unsettled(String),
    /// A form lacks what only its author can say.
    #[error("the form cannot be filled in: {0}")]
    Form(#[from] Unfilled),
    /// An officer's call failed, or was refused.
    #[error("{0}")]
    Call(Box<Failure>),
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        Self::Start(Box::new(error))
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Call(Box::new(failure))
    }
}

impl From<relay::Error> for Error {
    fn from(error: relay::Error) -> Self {
        Self::Relay(error.to_string())
    }
}

/// A network: a relay, and the desks of its members. Dropping it ends it as a crash would;
/// [`Network::stop`] does not.
pub struct Network {
    made: DevNetwork,
    clock: Clock,
    relay: Option<RunningRelay>,
    /// Where the relay listens, for the lines.
    relay_at: watch::Sender<Option<SocketAddr>>,
    posts: BTreeMap<DeskId, Post>,
    _place: Place,
}

impl Network {
    /// A network to be, of these members ("NL").
    pub fn of(members: &[&str]) -> Setup {
        Setup::new(members)
    }

    /// What relay and desks take for the time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Where it lies on disk: keys, configurations, journals.
    pub fn directory(&self) -> &Path {
        &self.made.directory
    }

    /// The desks, in order.
    pub fn desks(&self) -> impl Iterator<Item = &DeskId> {
        self.posts.keys()
    }

    /// A desk, as "NL/cyber", or "NL" for the first desk of that member.
    ///
    /// # Errors
    /// [`Error::NoDesk`], or [`Error::Stopped`] when its agent does not run.
    pub fn desk(&self, name: &str) -> Result<Desk, Error> {
        let id = self.resolve(name)?;
        self.post(&id)?.desk(&id, self.relay.is_some())
    }

    /// The relay, while it runs.
    pub fn relay(&self) -> Option<&RunningRelay> {
        self.relay.as_ref()
    }

    /// Stops the relay cleanly. Desks keep what their officers say until it is there again.
    ///
    /// # Errors
    /// [`Error::Relay`].
    pub async fn stop_relay(&mut self) -> Result<(), Error> {
        let Some(relay) = self.relay.take() else { return Ok(()) };
        self.relay_at.send_replace(None);
        relay.stop().await.map_err(Error::Relay)?;
        self.all_unlinked().await
    }

    /// Starts the relay, if it does not run, and waits until all is settled.
    ///
    /// # Errors
    /// As [`Network::settle`], or [`Error::Start`].
    pub async fn start_relay(&mut self) -> Result<(), Error> {
        if self.relay.is_some() {
            return Ok(());
        }
        let mut config = config::Relay::read(&self.made.relay_config)
            .map_err(|invalid| Error::Setup(invalid.to_string()))?;
        // The system chooses, so that many networks live side by side.
        config.listen.desks.set_port(0);
        config.listen.operator.set_port(0);
        config.listen.metrics = None;
        config.publish.interval_seconds = PUBLISH_EVERY;
        let relay = RunningRelay::start_on(&config, Arc::new(self.clock.clone())).await?;
        self.relay_at.send_replace(Some(relay.addresses().desks));
        self.relay = Some(relay);
        self.settle().await
    }

    /// Stops everything in order: nothing said is lost.
    ///
    /// # Errors
    /// What went wrong while it ran.
    pub async fn stop(mut self) -> Result<(), Error> {
        let mut stopped = Ok(());
        for post in self.posts.values_mut() {
            stopped = stopped.and(post.stop().await);
        }
        match self.relay.take() {
            Some(relay) => stopped.and(relay.stop().await.map_err(Error::Relay)),
            None => stopped,
        }
    }

    /// The id of a desk that is named in full, or by its member.
    fn resolve(&self, name: &str) -> Result<DeskId, Error> {
        let found =
            self.posts.keys().find(|id| id.to_string() == name || id.member.to_string() == name);
        found.cloned().ok_or_else(|| Error::NoDesk(name.to_owned()))
    }

    fn post(&self, id: &DeskId) -> Result<&Post, Error> {
        self.posts.get(id).ok_or_else(|| Error::NoDesk(id.to_string()))
    }

    fn post_mut(&mut self, id: &DeskId) -> Result<&mut Post, Error> {
        self.posts.get_mut(id).ok_or_else(|| Error::NoDesk(id.to_string()))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some(relay) = &self.relay {
            // Its threads would outlive their directory.
            relay.relay().stop();
        }
    }
}
