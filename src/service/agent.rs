//! A running desk agent: keys opened, case file, connection to the relay, officers' counter.
//!
//! Not for what a desk does (see `desk/` and `grpc::agent`).

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use super::relay::{KEEP_UP_EVERY, bind};
use super::{StartError, read_genesis, read_policy, read_seed, read_unlock};
use crate::config;
use crate::desk::{self, Desk, LostRecord};
use crate::envelope::genesis::{Genesis, witness_key_name};
use crate::envelope::{DecryptionKey, SigningKey};
use crate::grpc::agent::{Agent, AgentError, Options};
use crate::grpc::client::{self, RelayClient};
use crate::grpc::counter;
use crate::grpc::uplink::{self, Timing};
use crate::identity::keyfile::Kind;
use crate::identity::{self, OwnCertificate, Refusals, RelayTrust, Unlock};
use crate::telemetry;
use crate::tlog::{Signer, note};
use crate::units::DeskId;

/// Tells the case file's key from every other use of the unlock secret.
const STORE_LABEL: &[u8] = b"detente/desk-store-master/v1\0";

/// A running agent. Dropping it ends it as a crash would; [`RunningAgent::stop`] does not.
pub struct RunningAgent {
    config: config::Desk,
    agent: Agent,
    own: Arc<OwnCertificate>,
    relay: Arc<RelayTrust>,
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
        Self::start_on(config, None, Timing::default()).await
    }

    /// As [`Self::start`], on another clock than the machine's, and with other patience.
    /// Certificates are judged by the wall clock all the same.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_on(
        config: &config::Desk,
        clock: Option<desk::Clock>,
        timing: Timing,
    ) -> Result<Self, StartError> {
        let (_, genesis) = read_genesis(&config.network)?;
        let unlock = read_unlock(&config.unlock)?;
        let link = Link::new(config, &genesis, unlock.clone())?;
        let metrics = match config.listen.metrics {
            Some(address) => Some(bind("metrics", address).await?),
            None => None,
        };
        let mut desk = desk_options(config, genesis, &unlock)?;
        desk.clock = clock.unwrap_or(desk.clock);
        desk.keys_may_be_new = true;
        let socket = config.counter.socket.clone();
        let options = Options { desk, relay: link.client(), socket, timing };
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
            config: config.clone(),
            agent,
            own: link.own,
            relay: link.trust,
            metrics: address,
            ended,
            others,
        })
    }

    /// Whose agent it is.
    pub const fn desk(&self) -> &DeskId {
        &self.config.desk
    }

    /// The desk itself.
    pub fn handle(&self) -> &Desk {
        self.agent.desk()
    }

    /// The officers' socket.
    pub fn socket(&self) -> &Path {
        &self.config.counter.socket
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

    /// As [`Self::reload`], and reads `desk.toml` again: keys and officers are taken from it, and
    /// from the key files, as they are now. The desk's keys must be those that the directory has of
    /// it. What else has changed in it takes a restart, and the log says so.
    pub async fn reload_from(&self, file: &Path) {
        self.reload();
        let read = match config::Desk::read(file) {
            Ok(read) => read,
            Err(invalid) => return error!(%invalid, "keys and officers kept as they were"),
        };
        let config::Desk { keys, officers, .. } = self.config.clone();
        if (config::Desk { keys, officers, ..read.clone() }) != self.config {
            warn!(
                file = %file.display(),
                "it has changed beyond [keys] and [[officer]]: start the agent again to use it"
            );
        }
        match self.take_keys(read).await {
            Ok(officers) => info!(officers, "keys and officers loaded"),
            Err(why) => error!(why, "keys and officers kept as they were"),
        }
    }

    /// Takes the keys and officers of `config`; says how many officers there are.
    async fn take_keys(&self, config: config::Desk) -> Result<usize, String> {
        let read = move || {
            let unlock = read_unlock(&config.unlock)?;
            let (_, genesis) = read_genesis(&config.network)?;
            read_keys(&config, &genesis, &unlock)
        };
        let read = tokio::task::spawn_blocking(read).await.map_err(|_| "interrupted".to_owned())?;
        let keys = read.map_err(|error| error.to_string())?;
        let officers = keys.officers.len();
        let desk = self.agent.desk();
        desk.replace_keys(keys).await.map_err(|error| error.to_string())?;
        counter::open_to(self.socket(), &desk.keys()).map_err(|error| error.to_string())?;
        Ok(officers)
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
        let Self { config, agent, ended, others, .. } = self;
        let outcome = agent.stop().await;
        ended.send_replace(true);
        for other in others {
            if other.await.is_err() {
                warn!("a listener panicked");
            }
        }
        info!(desk = %config.desk, "the agent is down");
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

/// What the relay has lost of a desk's records, compared one by one. The agent must not be running.
///
/// # Errors
/// See [`ReconcileError`].
pub async fn lost_records(config: &config::Desk) -> Result<Vec<LostRecord>, ReconcileError> {
    let (_, genesis) = read_genesis(&config.network)?;
    let unlock = read_unlock(&config.unlock)?;
    let link = Link::new(config, &genesis, unlock.clone())?;
    let options = desk_options(config, genesis, &unlock)?;
    let desk = tokio::task::spawn_blocking(move || Desk::open(options))
        .await
        .map_err(|_| StartError::Interrupted)?
        .map_err(AgentError::Desk)
        .map_err(StartError::Agent)?;
    let compared = uplink::compare(&desk, &link.client(), &Timing::default()).await;
    let mut lost = Vec::new();
    for place in compared.map_err(ReconcileError::Relay)? {
        let held = desk.received_at(place).await;
        lost.push(desk::describe(&held.map_err(|error| ReconcileError::Relay(error.to_string()))?));
    }
    desk.close().await;
    Ok(lost)
}

/// Accepts that `lost`, as [`lost_records`] lists them, are gone. The agent must not be running.
/// Blocks.
///
/// # Errors
/// See [`StartError`].
pub fn accept_loss(config: &config::Desk, lost: &[LostRecord]) -> Result<(), StartError> {
    let Some(first) = lost.first() else { return Ok(()) };
    let (_, genesis) = read_genesis(&config.network)?;
    let unlock = read_unlock(&config.unlock)?;
    let options = desk_options(config, genesis, &unlock)?;
    let accepted = Desk::accept_loss(&options, first.desk_index, first.index);
    accepted.map_err(|error| StartError::Agent(AgentError::Desk(error)))
}

/// Why desk and relay cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The desk cannot be opened.
    #[error("{0}")]
    Start(#[from] StartError),
    /// The relay cannot be asked.
    #[error("{0}")]
    Relay(String),
}

fn desk_options(
    config: &config::Desk,
    genesis: Genesis,
    unlock: &Unlock,
) -> Result<desk::Options, StartError> {
    let keys = read_keys(config, &genesis, unlock)?;
    let (dir, secret) = (config.store.directory.clone(), unlock.master(STORE_LABEL));
    let policy = read_policy(&config.network, &genesis)?;
    let options = desk::Options::new(dir, config.desk.clone(), genesis, secret, keys);
    Ok(desk::Options { policy, ..options })
}

/// What a connection to the relay takes.
pub(crate) struct Link {
    own: Arc<OwnCertificate>,
    trust: Arc<RelayTrust>,
    address: String,
}

impl Link {
    /// What `config` says.
    ///
    /// # Errors
    /// See [`StartError`].
    pub(crate) fn new(
        config: &config::Desk,
        genesis: &Genesis,
        unlock: Unlock,
    ) -> Result<Self, StartError> {
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

    /// The TLS configuration.
    pub(crate) fn tls(&self) -> Arc<rustls::ClientConfig> {
        identity::client_config(Arc::clone(&self.own), Arc::clone(&self.trust))
    }

    /// A client that connects when it is used.
    pub(crate) fn client(&self) -> RelayClient {
        let tls = self.tls();
        let address: Arc<str> = self.address.as_str().into();
        let refusals = Refusals::default();
        let kept = refusals.clone();
        let connector = move || {
            let (tls, address, refusals) =
                (Arc::clone(&tls), Arc::clone(&address), refusals.clone());
            async move {
                let stream = identity::connect(&address, tls).await;
                // Whoever reads it in a log or at a desk must know who did not answer.
                let named =
                    |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
                Ok(refusals.watch(stream.map_err(named)?))
            }
        };
        client::connect(connector, &client::Limits::default()).with_refusals(kept)
    }
}

fn read_keys(
    config: &config::Desk,
    genesis: &Genesis,
    unlock: &Unlock,
) -> Result<desk::Keys, StartError> {
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
    let witness = match &config.keys.witness {
        Some(path) => {
            let name = witness_key_name(&genesis.network, &config.desk);
            let seed = *read_seed(path, Kind::Ed25519, unlock)?;
            Some(Signer::from_seed(name, note::Kind::Ed25519Cosignature, seed))
        }
        None => None,
    };
    Ok(desk::Keys { desk: machine, encryption, officers, witness })
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
    desk: &Desk,
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
