//! A running relay: store, listeners, and the order in which they come and go.
//!
//! Up: genesis, store, certificates, listeners. Down: no more connections, calls drained, store
//! closed, and only then the operator's listener, so that health can say so to the last.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use super::{StartError, log_key_error, read_genesis, read_policy, read_signers, read_unlock};
use crate::config;
use crate::cosign::http::HttpWitness;
use crate::envelope::genesis::Genesis;
use crate::grpc::serve::{Edge, Limits};
use crate::identity::trust::{Nation, Policy};
use crate::identity::{self, Connections, OwnCertificate, Trust};
use crate::journal;
use crate::relay::{self, Clock, PublishOptions, Publisher, Relay, Running};
use crate::relay::{Signers, SystemClock};
use crate::telemetry::{self, RelayFigures};
use crate::tlog;
use crate::units::{DeskId, MemberId};
use crate::web;

/// How often a relay or an agent looks whether its own certificate was renewed.
pub(super) const KEEP_UP_EVERY: Duration = Duration::from_secs(10);

/// Before a log's next key is announced again, where the relay had too much else to do.
const ANNOUNCE_PAUSE: Duration = Duration::from_secs(1);

/// A running relay. Dropping it leaves its tasks behind; [`RunningRelay::stop`] does not.
pub struct RunningRelay {
    relay: Relay,
    running: Running,
    edge: Edge,
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
    /// For readers of the published logs.
    pub log: Option<SocketAddr>,
}

/// The listeners, bound before anything is opened: an address in use should not cost a replay.
struct Listeners {
    desks: TcpListener,
    operator: TcpListener,
    metrics: Option<TcpListener>,
    log: Option<TcpListener>,
}

impl RunningRelay {
    /// Starts a relay by its configuration.
    ///
    /// # Errors
    /// See [`StartError`]; what was already open is closed again.
    pub async fn start(config: &config::Relay) -> Result<Self, StartError> {
        Self::start_on(config, Arc::new(SystemClock::default())).await
    }

    /// As [`Self::start`], on another clock. Certificates are judged by the wall clock all the
    /// same.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_on(
        config: &config::Relay,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        Self::start_with(config, clock, true).await
    }

    /// As [`Self::start`], but nothing is signed and no answer carries a receipt: for measuring
    /// what receipts cost, and for nothing else. No desk takes such an answer.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_without_receipts(config: &config::Relay) -> Result<Self, StartError> {
        Self::start_with(config, Arc::new(SystemClock::default()), false).await
    }

    async fn start_with(
        config: &config::Relay,
        clock: Arc<dyn Clock>,
        receipts: bool,
    ) -> Result<Self, StartError> {
        let listeners = Listeners::bind(&config.listen).await?;
        let addresses = listeners.addresses()?;
        let (signed, genesis) = read_genesis(&config.network)?;
        // A policy that cannot be used is said now, and not when the first head is published.
        let quorum = read_policy(&config.network, &genesis)?;
        let unlock = read_unlock(&config.unlock)?;
        let tls = &config.tls;
        let elsewhere = HttpWitness::of_policy(&quorum, &tls.witness_authorities)
            .map_err(StartError::Witness)?;
        let own = Arc::new(OwnCertificate::load(&tls.certificate, &tls.key, unlock)?);
        let policy = memory_in(&config.store.directory)?;
        let trust = Arc::new(
            Trust::from_genesis(&genesis, tls.revocation_lists.clone(), policy)
                .map_err(StartError::Authority)?,
        );
        let signers = Arc::new(read_signers(config, &genesis)?);
        let signers = receipts.then_some(signers);
        let (relay, running) = open(config, signed, &genesis, (signers, quorum), clock).await?;
        relay.announce_log_keys().await.map_err(relay::OpenError::Founding)?;
        trust.set_nations(&nations(&relay)).map_err(StartError::Authority)?;
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
            heard(stop_heard.clone()),
        );
        let figures = RelayFigures {
            relay: relay.clone(),
            gate: Arc::clone(&trust) as _,
            connections,
            door: incoming.counts(),
            log_door: Arc::default(),
        };
        let mut others = vec![spawn_operator(&edge, listeners.operator, heard(ended.subscribe()))];
        others.push(spawn_keep_up(&own, heard(ended.subscribe())));
        others.push(spawn_nations(&relay, &trust, heard(ended.subscribe())));
        others.push(spawn_until(at_start(relay.clone()), heard(ended.subscribe())));
        others.extend(spawn_publisher(&relay, config, heard(ended.subscribe())).await);
        let log = (listeners.log, &figures.log_door);
        others.extend(spawn_log(&own, config, log, heard(stop_heard)));
        let asking =
            elsewhere.into_iter().map(|it| it.keep_asking(relay.clone(), edge.witnesses().clone()));
        others.extend(asking.map(|asking| spawn_until(asking, heard(ended.subscribe()))));
        others.extend(spawn_metrics(&edge, figures, listeners.metrics, heard(ended.subscribe())));
        let door = edge.clone();
        let desks = tokio::spawn(async move {
            if let Err(fault) = door.desks(incoming).await {
                error!(%fault, "the desks' listener failed");
            }
        });
        info!(
            network = %genesis.network, genesis = %genesis.hash, desks = %addresses.desks,
            operator = %addresses.operator, log = ?addresses.log,
            next_index = %relay.published().next_index(), "the relay is up"
        );
        Ok(Self { relay, running, edge, own, trust, addresses, stopping, ended, desks, others })
    }

    /// The relay.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// True while a stream is open to this desk: what is said to it from now on is offered at once.
    pub fn is_followed_by(&self, desk: &DeskId) -> bool {
        self.edge.is_followed_by(desk)
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
            log: match listen.log {
                Some(address) => Some(bind("log", address).await?),
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
            log: match &self.log {
                Some(listener) => Some(of("log", listener)?),
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
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| StartError::File { path: directory.to_owned(), error })?;
    Ok(Policy { memory: Some(directory.join("identity.memory")), ..Policy::default() })
}

async fn open(
    config: &config::Relay,
    signed: Vec<u8>,
    genesis: &Genesis,
    (signers, policy): (Option<Arc<Signers>>, tlog::Policy),
    clock: Arc<dyn Clock>,
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
        signers,
        policy: Some(policy),
        witnesses_within: config.logs.wait_for_witnesses_seconds,
    };
    let opening = tokio::task::spawn_blocking(move || Relay::open(&options, &signed, clock));
    opening.await.map_err(|_| StartError::Interrupted)?.map_err(|error| {
        if let relay::OpenError::LogKey(why) = error {
            log_key_error(config, why)
        } else {
            error.into()
        }
    })
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
    listener: Option<TcpListener>,
    end: impl Future<Output = ()> + Send + 'static,
) -> Option<JoinHandle<()>> {
    let listener = listener?;
    let mut registry = telemetry::registry("relay");
    edge.meter().register(&mut registry);
    registry.register_collector(Box::new(figures));
    Some(tokio::spawn(async move {
        if let Err(fault) = telemetry::serve(listener, Arc::new(registry), end).await {
            error!(%fault, "the metrics listener failed");
        }
    }))
}

/// Waits for the witnesses. What could not be announced while nothing was signed is announced then.
async fn at_start(relay: Relay) {
    relay.wait_for_witnesses().await;
    let Some(signers) = relay.signers() else { return };
    // The relay has them too: the wait ends with it.
    while signers.holds().wait_for(BTreeMap::is_empty).await.is_ok() {
        match relay.announce_log_keys().await {
            Ok(()) if signers.held().is_none() => return,
            Ok(()) | Err(relay::Error::Busy | relay::Error::Full) => {}
            Err(error) => return error!(%error, "a log's next key is not announced"),
        }
        tokio::time::sleep(ANNOUNCE_PAUSE).await;
    }
}

/// Publishes the logs, where there are keys that sign them. When it answers, it has looked whether
/// the journal has what was published.
async fn spawn_publisher(
    relay: &Relay,
    config: &config::Relay,
    end: impl Future<Output = ()> + Send + 'static,
) -> Option<JoinHandle<()>> {
    relay.signers()?;
    let options = PublishOptions {
        directory: config.publish_directory(),
        own: config.log_directory(),
        every: config.publish.interval_seconds,
        padding: config.publish.padding,
    };
    let publisher = Publisher::new(relay.clone(), options);
    let looked = tokio::task::spawn_blocking(move || {
        publisher.look();
        publisher
    });
    let publisher = looked.await.ok()?;
    Some(tokio::spawn(publisher.run(end)))
}

/// Serves the published logs to everybody, where there is a listener for it.
fn spawn_log(
    own: &Arc<OwnCertificate>,
    config: &config::Relay,
    (listener, counts): (Option<TcpListener>, &Arc<identity::listen::Counts>),
    end: impl Future<Output = ()> + Send + 'static,
) -> Option<JoinHandle<()>> {
    let (listener, counts) = (listener?, Arc::clone(counts));
    let tls = identity::public_server_config(Arc::clone(own));
    let shelf = web::Shelf::new(config.publish_directory());
    Some(tokio::spawn(web::serve(listener, tls, shelf, web::Limits::default(), counts, end)))
}

fn spawn_until(
    work: impl Future<Output = ()> + Send + 'static,
    end: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        tokio::select! {
            () = work => {}
            () = end => {}
        }
    })
}

fn spawn_keep_up(
    own: &Arc<OwnCertificate>,
    end: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    spawn_until(Arc::clone(own).keep_up(KEEP_UP_EVERY), end)
}

/// The members and their desks as far as trust is concerned. A retired desk may still connect: it
/// finishes what is open.
fn nations(relay: &Relay) -> BTreeMap<MemberId, Nation> {
    let published = relay.published();
    let directory = published.state().directory();
    let desks = |id| {
        let own = directory.desks().filter(|(desk, _)| desk.member == id);
        own.map(|(desk, _)| desk.name.clone()).collect()
    };
    directory
        .members()
        .map(|(id, member)| (id, Nation { authorities: member.ca.clone(), desks: desks(id) }))
        .collect()
}

/// Keeps whom the relay trusts up with the directory.
fn spawn_nations(
    relay: &Relay,
    trust: &Arc<Trust>,
    end: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let (relay, trust) = (relay.clone(), Arc::clone(trust));
    let mut news = relay.directory_news();
    let keep_up = async move {
        while news.changed().await.is_ok() {
            match trust.set_nations(&nations(&relay)) {
                Ok(()) => info!(leaf = *news.borrow(), "the directory has changed"),
                Err(fault) => error!(%fault, "the nations are kept as they were"),
            }
        }
    };
    spawn_until(keep_up, end)
}

async fn heard(mut told: watch::Receiver<bool>) {
    // A sender that is gone says the same.
    let _gone = told.wait_for(|told| *told).await;
}
