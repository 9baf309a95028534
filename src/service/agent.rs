//! A running desk agent: keys opened, case file, connection to the relay, officers' counter.
//!
//! Not for what a desk does (see `desk/` and `grpc::agent`).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use super::relay::{KEEP_UP_EVERY, bind};
use super::{StartError, read_genesis, read_seed, read_unlock};
use crate::config;
use crate::desk;
use crate::envelope::genesis::Genesis;
use crate::envelope::{DecryptionKey, SigningKey};
use crate::grpc::agent::{Agent, AgentError, Options};
use crate::grpc::client::{self, RelayClient};
use crate::grpc::uplink::Timing;
use crate::identity::keyfile::Kind;
use crate::identity::{self, OwnCertificate, Refusals, RelayTrust, Unlock};
use crate::telemetry;
use crate::units::DeskId;

/// Tells the case file's key from every other use of the unlock secret.
const STORE_LABEL: &[u8] = b"detente/desk-store-master/v1\0";

/// A running agent. Dropping it ends it as a crash would; [`RunningAgent::stop`] does not.
pub struct RunningAgent {
    desk: DeskId,
    agent: Agent,
    own: Arc<OwnCertificate>,
    relay: Arc<RelayTrust>,
    socket: PathBuf,
    metrics: Option<SocketAddr>,
    ended: watch::Sender<bool>,
    others: Vec<JoinHandle<()>>,
}

impl RunningAgent {
    /// Starts a desk's agent by its configuration. The relay need not be there.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(config: &config::Desk) -> Result<Self, StartError> {
        let (_, genesis) = read_genesis(&config.network)?;
        let unlock = read_unlock(&config.unlock)?;
        let keys = read_keys(config, &unlock)?;
        let link = Link::new(config, &genesis, unlock.clone())?;
        let metrics = match config.listen.metrics {
            Some(address) => Some(bind("metrics", address).await?),
            None => None,
        };
        let options = Options {
            desk: desk::Options::new(
                config.store.directory.clone(),
                config.desk.clone(),
                genesis,
                unlock.master(STORE_LABEL),
                keys,
            ),
            relay: link.client(),
            socket: config.counter.socket.clone(),
            timing: Timing::default(),
        };
        let agent = Agent::start(options).await?;
        let (ended, _) = watch::channel(false);
        let address = metrics.as_ref().and_then(|listener| listener.local_addr().ok());
        let mut others = vec![spawn_keep_up(&link.own, ended.subscribe())];
        if let Some(listener) = metrics {
            others.push(spawn_metrics(agent.desk(), listener, ended.subscribe()));
        }
        info!(
            desk = %config.desk, relay = %config.relay.address,
            socket = %config.counter.socket.display(), "the agent is up"
        );
        Ok(Self {
            desk: config.desk.clone(),
            agent,
            own: link.own,
            relay: link.trust,
            socket: config.counter.socket.clone(),
            metrics: address,
            ended,
            others,
        })
    }

    /// Whose agent it is.
    pub fn desk(&self) -> &DeskId {
        &self.desk
    }

    /// The officers' socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Where Prometheus asks, as bound.
    pub fn metrics(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// Reads certificate, key and the relay's revocation list again. What cannot be used is left
    /// as it was, and said in the log. Connections made from now on use what was read.
    pub fn reload(&self) {
        match self.own.reload() {
            Ok(()) => info!(until = %self.own.leaf().not_after, "own certificate loaded"),
            Err(fault) => error!(%fault, "own certificate kept as it was"),
        }
        match self.relay.reload() {
            Ok(true) => info!("the relay's revocation list is loaded"),
            Ok(false) => {}
            Err(why) => error!(why, "the relay's revocation list is kept as it was"),
        }
    }

    /// Waits until the agent ends by itself, which only a failure makes it do.
    ///
    /// # Errors
    /// The failure.
    pub async fn failed(&mut self) -> Result<(), AgentError> {
        self.agent.ended().await
    }

    /// Takes no more calls, lets those under way finish for at most 10 s, closes the case file.
    ///
    /// # Errors
    /// What went wrong while it ran.
    pub async fn stop(self) -> Result<(), AgentError> {
        let Self { desk, agent, ended, others, .. } = self;
        let outcome = agent.stop().await;
        ended.send_replace(true);
        for other in others {
            if other.await.is_err() {
                warn!("a listener panicked");
            }
        }
        info!(%desk, "the agent is down");
        outcome
    }
}

/// A client of the relay with the desk's own certificate, connecting when it is used.
///
/// # Errors
/// See [`StartError`].
pub fn relay_client(config: &config::Desk) -> Result<RelayClient, StartError> {
    let (_, genesis) = read_genesis(&config.network)?;
    Ok(Link::new(config, &genesis, read_unlock(&config.unlock)?)?.client())
}

/// What a connection to the relay takes.
struct Link {
    own: Arc<OwnCertificate>,
    trust: Arc<RelayTrust>,
    address: String,
}

impl Link {
    fn new(config: &config::Desk, genesis: &Genesis, unlock: Unlock) -> Result<Self, StartError> {
        let tls = &config.tls;
        Ok(Self {
            own: Arc::new(OwnCertificate::load(&tls.certificate, &tls.key, unlock)?),
            trust: Arc::new(
                RelayTrust::from_genesis(genesis, tls.relay_revocation_lists.clone())
                    .map_err(StartError::Authority)?,
            ),
            address: config.relay.address.to_string(),
        })
    }

    fn client(&self) -> RelayClient {
        let tls = identity::client_config(Arc::clone(&self.own), Arc::clone(&self.trust));
        let address: Arc<str> = self.address.as_str().into();
        let refusals = Refusals::default();
        let kept = refusals.clone();
        let connector = move || {
            let (tls, address, refusals) =
                (Arc::clone(&tls), Arc::clone(&address), refusals.clone());
            async move { Ok(refusals.watch(identity::connect(&address, tls).await?)) }
        };
        client::connect(connector, &client::Limits::default()).with_refusals(kept)
    }
}

fn read_keys(config: &config::Desk, unlock: &Unlock) -> Result<desk::Keys, StartError> {
    let mut officers = BTreeMap::new();
    for officer in &config.officers {
        let key = SigningKey::from_seed(*read_seed(&officer.key, Kind::Ed25519, unlock)?);
        let uids = if officer.uids.is_empty() {
            vec![rustix::process::geteuid().as_raw()]
        } else {
            officer.uids.clone()
        };
        officers.insert(officer.name.clone(), desk::Officer { key, uids });
    }
    let mut encryption = Vec::new();
    for path in &config.keys.encryption {
        encryption.push(DecryptionKey::from_seed(*read_seed(path, Kind::Hpke, unlock)?));
    }
    let machine = SigningKey::from_seed(*read_seed(&config.keys.desk, Kind::Ed25519, unlock)?);
    Ok(desk::Keys { desk: machine, encryption, officers })
}

fn spawn_keep_up(own: &Arc<OwnCertificate>, mut ended: watch::Receiver<bool>) -> JoinHandle<()> {
    let kept_up = Arc::clone(own).keep_up(KEEP_UP_EVERY);
    tokio::spawn(async move {
        tokio::select! {
            () = kept_up => {}
            _ = ended.wait_for(|ended| *ended) => {}
        }
    })
}

fn spawn_metrics(
    desk: &desk::Desk,
    listener: tokio::net::TcpListener,
    mut ended: watch::Receiver<bool>,
) -> JoinHandle<()> {
    let mut registry = telemetry::registry("desk");
    registry.register_collector(Box::new(telemetry::DeskFigures { desk: desk.clone() }));
    tokio::spawn(async move {
        let end = async move {
            // A sender that is gone says the same.
            let _gone = ended.wait_for(|ended| *ended).await;
        };
        if let Err(fault) = telemetry::serve(listener, Arc::new(registry), end).await {
            error!(%fault, "the metrics listener failed");
        }
    })
}
