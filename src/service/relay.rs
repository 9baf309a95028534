//! A running relay: store, listeners, and the order in which they come and go.
//!
//! Up: genesis, store, certificates, listeners. Down: no more connections, calls drained, store
//! closed, and only then the operator's listener, so that health can say so to the last.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use super::{StartError, read_genesis, read_unlock};
use crate::config;
use crate::envelope::genesis::Genesis;
use crate::grpc::serve::{Edge, Limits};
use crate::identity::trust::Policy;
use crate::identity::{self, Connections, OwnCertificate, Trust};
use crate::journal;
use crate::relay::{self, Relay, Running, SystemClock};
use crate::telemetry::{self, RelayFigures};

/// How often a relay or an agent looks whether its own certificate was renewed.
pub(super) const KEEP_UP_EVERY: Duration = Duration::from_secs(10);

/// A running relay. Dropping it leaves its tasks behind; [`RunningRelay::stop`] does not.
pub struct RunningRelay {
    relay: Relay,
    running: Running,
    own: Arc<OwnCertificate>,
    trust: Arc<Trust>,
    addresses: Addresses,
    stopping: watch::Sender<bool>,
    ended: watch::Sender<bool>,
    desks: JoinHandle<()>,
    others: Vec<JoinHandle<()>>,
}

/// Where a relay listens, as bound.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Addresses {
    /// For desks.
    pub desks: SocketAddr,
    /// For the operator.
    pub operator: SocketAddr,
    /// For Prometheus.
    pub metrics: Option<SocketAddr>,
}

/// The listeners, bound before anything is opened: an address in use should not cost a replay.
struct Listeners {
    desks: TcpListener,
    operator: TcpListener,
    metrics: Option<TcpListener>,
}

impl RunningRelay {
    /// Starts a relay by its configuration.
    ///
    /// # Errors
    /// See [`StartError`]; what was already open is closed again.
    pub async fn start(config: &config::Relay) -> Result<Self, StartError> {
        let listeners = Listeners::bind(&config.listen).await?;
        let addresses = listeners.addresses()?;
        let (signed, genesis) = read_genesis(&config.network)?;
        let unlock = read_unlock(&config.unlock)?;
        let tls = &config.tls;
        let own = Arc::new(OwnCertificate::load(&tls.certificate, &tls.key, unlock)?);
        let policy = memory_in(&config.store.directory)?;
        let trust = Arc::new(
            Trust::from_genesis(&genesis, tls.revocation_lists.clone(), policy)
                .map_err(StartError::Authority)?,
        );
        let (relay, running) = open(config, signed, &genesis).await?;
        write_addresses(config, &addresses);

        let (stopping, stop_heard) = watch::channel(false);
        let (ended, _) = watch::channel(false);
        let connections = Connections::new();
        let edge = Edge::new(
            relay.clone(),
            Arc::clone(&trust) as _,
            connections.clone(),
            Limits::default(),
            stop_heard.clone(),
        );
        let incoming = identity::listen(
            listeners.desks,
            identity::server_config(Arc::clone(&own), Arc::clone(&trust)),
            Arc::clone(&trust),
            connections.clone(),
            identity::Limits::default(),
            heard(stop_heard),
        );
        let figures = RelayFigures {
            relay: relay.clone(),
            gate: Arc::clone(&trust) as _,
            connections,
            door: incoming.counts(),
        };
        let mut others = vec![spawn_operator(&edge, listeners.operator, heard(ended.subscribe()))];
        others.push(spawn_keep_up(&own, heard(ended.subscribe())));
        if let Some(listener) = listeners.metrics {
            others.push(spawn_metrics(&edge, figures, listener, heard(ended.subscribe())));
        }
        let desks = tokio::spawn(async move {
            if let Err(fault) = edge.desks(incoming).await {
                error!(%fault, "the desks' listener failed");
            }
        });
        info!(
            network = %genesis.network, genesis = %genesis.hash, desks = %addresses.desks,
            operator = %addresses.operator, next_index = %relay.published().next_index(),
            "the relay is up"
        );
        Ok(Self { relay, running, own, trust, addresses, stopping, ended, desks, others })
    }

    /// The relay.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Reads certificate, key and revocation lists again. What cannot be used is left as it was,
    /// and said in the log.
    pub fn reload(&self) {
        match self.own.reload() {
            Ok(()) => info!(until = %self.own.leaf().not_after, "own certificate loaded"),
            Err(fault) => error!(%fault, "own certificate kept as it was"),
        }
        // Trust says itself which lists it took and which it kept.
        self.trust.reload();
    }

    /// Waits until the relay has stopped by itself: its disk failed.
    pub async fn failed(&self) -> String {
        self.relay.stopped().await;
        self.relay.why_stopped().unwrap_or_default()
    }

    /// Stops: drains calls for at most 10 s, commits what is queued, closes the store.
    ///
    /// # Errors
    /// Why the store had failed, if it had.
    pub async fn stop(self) -> Result<(), String> {
        let Self { running, stopping, ended, desks, others, .. } = self;
        stopping.send_replace(true);
        if desks.await.is_err() {
            warn!("the desks' listener panicked");
        }
        let outcome = tokio::task::spawn_blocking(move || running.join()).await;
        ended.send_replace(true);
        for other in others {
            if other.await.is_err() {
                warn!("a listener panicked");
            }
        }
        info!("the relay is down");
        outcome.unwrap_or_else(|_| Err("closing the store panicked".to_owned()))
    }
}

impl Listeners {
    async fn bind(listen: &config::Listen) -> Result<Self, StartError> {
        Ok(Self {
            desks: bind("desks", listen.desks).await?,
            operator: bind("operator", listen.operator).await?,
            metrics: match listen.metrics {
                Some(address) => Some(bind("metrics", address).await?),
                None => None,
            },
        })
    }

    fn addresses(&self) -> Result<Addresses, StartError> {
        let of = |key, listener: &TcpListener| {
            listener.local_addr().map_err(|error| StartError::Bind {
                key,
                address: SocketAddr::from(([0, 0, 0, 0], 0)),
                error,
            })
        };
        Ok(Addresses {
            desks: of("desks", &self.desks)?,
            operator: of("operator", &self.operator)?,
            metrics: match &self.metrics {
                Some(listener) => Some(of("metrics", listener)?),
                None => None,
            },
        })
    }
}

pub(super) async fn bind(
    key: &'static str,
    address: SocketAddr,
) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Bind { key, address, error })
}

/// Which certificates and lists were seen survives a restart beside the journal.
fn memory_in(directory: &Path) -> Result<Policy, StartError> {
    std::fs::create_dir_all(directory)
        .map_err(|error| StartError::File { path: directory.to_owned(), error })?;
    Ok(Policy { memory: Some(directory.join("identity.memory")), ..Policy::default() })
}

async fn open(
    config: &config::Relay,
    signed: Vec<u8>,
    genesis: &Genesis,
) -> Result<(Relay, Running), StartError> {
    let options = relay::Options {
        directory: config.store.directory.clone(),
        journal: journal::Options {
            segment_bytes: config.store.journal_segment_bytes,
            ..journal::Options::default()
        },
        tables_cache_bytes: config.store.tables_cache_bytes,
        envelope_bytes_max: config.limits.envelope_bytes_max as usize,
        genesis_hash: genesis.hash,
    };
    let opening = tokio::task::spawn_blocking(move || {
        Relay::open(&options, &signed, Arc::new(SystemClock::default()))
    });
    Ok(opening.await.map_err(|_| StartError::Interrupted)??)
}

/// Says where the relay listens to whoever runs it with port 0. Only a convenience.
fn write_addresses(config: &config::Relay, addresses: &Addresses) {
    let path = config.store.directory.join("addresses.json");
    let text = serde_json::to_vec(addresses).unwrap_or_default();
    if let Err(error) = std::fs::write(&path, text) {
        warn!(path = %path.display(), %error, "the bound addresses could not be written");
    }
}

fn spawn_operator(
    edge: &Edge,
    listener: TcpListener,
    end: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let edge = edge.clone();
    tokio::spawn(async move {
        if let Err(fault) = edge.operator(listener, end).await {
            error!(%fault, "the operator's listener failed");
        }
    })
}

fn spawn_metrics(
    edge: &Edge,
    figures: RelayFigures,
    listener: TcpListener,
    end: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let mut registry = telemetry::registry("relay");
    edge.meter().register(&mut registry);
    registry.register_collector(Box::new(figures));
    tokio::spawn(async move {
        if let Err(fault) = telemetry::serve(listener, Arc::new(registry), end).await {
            error!(%fault, "the metrics listener failed");
        }
    })
}

fn spawn_keep_up(
    own: &Arc<OwnCertificate>,
    end: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let kept_up = Arc::clone(own).keep_up(KEEP_UP_EVERY);
    tokio::spawn(async move {
        tokio::select! {
            () = kept_up => {}
            () = end => {}
        }
    })
}

async fn heard(mut told: watch::Receiver<bool>) {
    // A sender that is gone says the same.
    let _gone = told.wait_for(|told| *told).await;
}
