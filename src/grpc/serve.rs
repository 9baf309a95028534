//! The two listeners: desks over mutual TLS, and the operator on this machine alone.
//!
//! Not for TLS (see `identity::listen`) nor for what a call does. Health and reflection are on the
//! operator's listener only. Everything that a peer can make grow has a limit here, with its
//! arithmetic at [`Limits`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use super::desk_service::DeskDoor;
use super::directory_service::DirectoryDoor;
use super::follows::Follows;
use super::guard::{Admit, Guard, GuardLayer};
use super::health;
use super::log_service::LogDoor;
use super::operator_service::OperatorDoor;
use super::quota::Quota;
use super::{Meter, status};
use crate::cosign::Witnesses;
use crate::identity::trust::ListState;
use crate::identity::{self, Connections, Denied, PeerInfo, Trust};
use crate::relay::Relay;
use crate::units::{DeskId, Timestamp};
use crate::wire::DESCRIPTORS;
use crate::wire::detente::desk::v1::desk_service_server::DeskServiceServer;
use crate::wire::detente::directory::v1::directory_service_server::DirectoryServiceServer;
use crate::wire::detente::log::v1::log_service_server::LogServiceServer;
use crate::wire::detente::operator::v1::operator_service_server::OperatorServiceServer;

/// What a listener takes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Streams open on one connection. Default 100: a desk has one that follows and a few calls.
    pub streams_max: u32,
    /// Headers of one call, in bytes. Default 8 KiB.
    pub header_bytes_max: u32,
    /// Streams reset by a peer that wait to be noticed. Default 20; more ends the connection.
    pub pending_resets_max: usize,
    /// Silence after which a peer is asked for a sign of life. Default 30 s.
    pub keepalive_every: Duration,
    /// How long that sign may take. Default 10 s: a silent peer is gone after 40 s.
    pub keepalive_within: Duration,
    /// How long the first answer of a call may take. Default 10 s; a caller may ask for less.
    pub call_within: Duration,
    /// Calls of all desks that wait for their answer. Default 1,024: as many as the relay queues.
    pub calls_max: usize,
    /// Those of one desk. Default 256: a quarter, so that three more are never starved by one.
    pub calls_of_desk_max: usize,
    /// Streams that follow, of one desk over all its connections. Default 4: two agents, each
    /// once more while it reconnects. One connection follows once. The same, apart from that, for
    /// streams that follow the directory, that follow the published heads of each log, and on
    /// which the desk witnesses.
    pub follows_of_desk_max: usize,
    /// Silence on a following stream after which a beat is sent. Default 30 s.
    pub beat_every: Duration,
    /// How long open calls may go on after the stop. Default 10 s.
    pub drain_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams_max: 100,
            header_bytes_max: 8 << 10,
            pending_resets_max: 20,
            keepalive_every: Duration::from_secs(30),
            keepalive_within: Duration::from_secs(10),
            call_within: Duration::from_secs(10),
            calls_max: 1_024,
            calls_of_desk_max: 256,
            follows_of_desk_max: 4,
            beat_every: Duration::from_secs(30),
            drain_within: Duration::from_secs(10),
        }
    }
}

/// How long the operator's calls may go on after the end. The store is closed by then: what is
/// still open watches health, has been told, and would stay for ever.
const WATCHERS_WITHIN: Duration = Duration::from_millis(500);

/// What a message holds beside the envelope: signatures, keys and lengths of protobuf, in bytes.
/// Four signatures of 2,420 bytes (ML-DSA-44) and their key ids fit.
const MESSAGE_OVERHEAD_BYTES: usize = 16 << 10;

/// Who may still speak. [`Trust`] is the one; tests have their own.
pub trait Gate: Send + Sync + 'static {
    /// Is the certificate of an open connection still good?
    ///
    /// # Errors
    /// Why it is not.
    fn check(&self, peer: &PeerInfo, now: Timestamp) -> Result<(), Denied>;

    /// How every nation's revocation list stands, by member.
    fn revocation_lists(&self, now: Timestamp) -> Vec<ListState>;
}

impl Gate for Trust {
    fn check(&self, peer: &PeerInfo, now: Timestamp) -> Result<(), Denied> {
        Self::check(self, peer, now)
    }

    fn revocation_lists(&self, now: Timestamp) -> Vec<ListState> {
        Self::revocation_lists(self, now)
    }
}

/// The relay's edge: what both listeners share. A clone is the same edge.
#[derive(Clone)]
pub struct Edge {
    relay: Relay,
    gate: Arc<dyn Gate>,
    connections: Connections,
    follows: Arc<Follows>,
    follows_directory: Arc<Follows>,
    follows_logs: [Arc<Follows>; 2],
    offers: Arc<Follows>,
    witnesses: Witnesses,
    limits: Limits,
    meter: Meter,
    stopping: watch::Receiver<bool>,
}

/// Why a listener cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The operator's listener is reachable from other machines.
    #[error("the operator's listener {address} is not a loopback address")]
    NotLoopback {
        /// Where it listens.
        address: SocketAddr,
    },
    /// The listener's address cannot be read.
    #[error("reading the listener's address")]
    Address(#[source] io::Error),
    /// The descriptors for reflection cannot be read.
    #[error("reading the descriptors for reflection")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("serving")]
    Transport(#[source] tonic::transport::Error),
}

impl Edge {
    /// The edge of `relay`. `connections` is the list that `identity::listen` keeps. Once
    /// `stopping` is true, health says so at once, streams end, and no more connections are taken.
    pub fn new(
        relay: Relay,
        gate: Arc<dyn Gate>,
        connections: Connections,
        limits: Limits,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let follows = Follows::new(limits.follows_of_desk_max);
        let follows_directory = Follows::new(limits.follows_of_desk_max);
        let follows_logs = [(); 2].map(|()| Follows::new(limits.follows_of_desk_max));
        let offers = Follows::new(limits.follows_of_desk_max);
        let meter = Meter::new();
        Self {
            relay,
            gate,
            connections,
            follows,
            follows_directory,
            follows_logs,
            offers,
            witnesses: Witnesses::default(),
            limits,
            meter,
            stopping,
        }
    }

    /// The witnesses that are asked.
    pub const fn witnesses(&self) -> &Witnesses {
        &self.witnesses
    }

    /// What is counted.
    pub const fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Serves desks over `incoming` until the stop, then drains.
    ///
    /// # Errors
    /// [`ServeError::Transport`].
    pub async fn desks<I, IO>(&self, incoming: I) -> Result<(), ServeError>
    where
        I: Stream<Item = io::Result<IO>>,
        IO: AsyncRead + AsyncWrite + Connected<ConnectInfo = PeerInfo> + Unpin + Send + 'static,
    {
        let serving = self
            .server()
            .layer(GuardLayer(self.guard(self.admit())))
            .serve_with_incoming_shutdown(self.desk_routes(), incoming, self.stop());
        let late = async {
            self.stop().await;
            tokio::time::sleep(self.limits.drain_within).await;
            let cut = self.connections.cut_where(|_| true);
            tracing::warn!(connections = cut, "cut off: calls were still open after the drain");
        };
        tokio::select! {
            served = serving => served.map_err(ServeError::Transport),
            () = late => Ok(()),
        }
    }

    /// Serves the operator until `end`. Only on a loopback address.
    ///
    /// # Errors
    /// See [`ServeError`].
    pub async fn operator(
        &self,
        listener: TcpListener,
        end: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let address = listener.local_addr().map_err(ServeError::Address)?;
        if !address.ip().is_loopback() {
            return Err(ServeError::NotLoopback { address });
        }
        let guard = self.guard(Arc::new(|_| Ok(None)));
        let routes = self.operator_routes()?;
        let (ended, mut end_heard) = watch::channel(false);
        let serving = self.server().layer(GuardLayer(guard)).serve_with_incoming_shutdown(
            routes,
            TcpListenerStream::new(listener),
            async move {
                // The sender outlives this future.
                let _ended = end_heard.wait_for(|ended| *ended).await;
            },
        );
        let late = async {
            end.await;
            ended.send_replace(true);
            tokio::time::sleep(WATCHERS_WITHIN).await;
        };
        tokio::select! {
            served = serving => served.map_err(ServeError::Transport),
            () = late => Ok(()),
        }
    }

    fn desk_routes(&self) -> Routes {
        let max = self.relay.envelope_bytes_max().saturating_add(MESSAGE_OVERHEAD_BYTES);
        let desk = DeskDoor {
            relay: self.relay.clone(),
            follows: Arc::clone(&self.follows),
            beat_every: self.limits.beat_every,
            stopping: self.stopping.clone(),
        };
        let directory = DirectoryDoor {
            relay: self.relay.clone(),
            follows: Arc::clone(&self.follows_directory),
            beat_every: self.limits.beat_every,
            stopping: self.stopping.clone(),
        };
        let log = LogDoor {
            relay: self.relay.clone(),
            follows: self.follows_logs.clone(),
            offers: Arc::clone(&self.offers),
            witnesses: self.witnesses.clone(),
            beat_every: self.limits.beat_every,
            stopping: self.stopping.clone(),
        };
        Routes::new(DeskServiceServer::new(desk).max_decoding_message_size(max))
            .add_service(DirectoryServiceServer::new(directory).max_decoding_message_size(max))
            .add_service(LogServiceServer::new(log).max_decoding_message_size(max))
    }

    fn operator_routes(&self) -> Result<Routes, ServeError> {
        let operator = OperatorDoor {
            relay: self.relay.clone(),
            gate: Arc::clone(&self.gate),
            connections: self.connections.clone(),
            follows: Arc::clone(&self.follows),
            witnesses: self.witnesses.clone(),
        };
        let (pulse, stopping) = (self.relay.clone(), self.stopping.clone());
        let health = health::Service { pulse, stopping, look_every: health::LOOK_EVERY };
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                // Only what this listener serves is listed; the others can still be described.
                .with_service_name("detente.operator.v1.OperatorService")
                .with_service_name("grpc.health.v1.Health")
        };
        let v1 = reflection().build_v1().map_err(ServeError::Reflection)?;
        let v1alpha = reflection().build_v1alpha().map_err(ServeError::Reflection)?;
        Ok(Routes::new(OperatorServiceServer::new(operator))
            .add_service(tonic_health::pb::health_server::HealthServer::new(health))
            .add_service(v1)
            .add_service(v1alpha))
    }

    fn server(&self) -> Server {
        let limits = &self.limits;
        Server::builder()
            .max_concurrent_streams(limits.streams_max)
            .http2_max_header_list_size(limits.header_bytes_max)
            .http2_max_pending_accept_reset_streams(Some(limits.pending_resets_max))
            .http2_keepalive_interval(Some(limits.keepalive_every))
            .http2_keepalive_timeout(Some(limits.keepalive_within))
    }

    fn guard(&self, admit: Admit) -> Arc<Guard> {
        Arc::new(Guard {
            admit,
            calls: Arc::new(Semaphore::new(self.limits.calls_max)),
            desks: Quota::new(self.limits.calls_of_desk_max),
            call_within: self.limits.call_within,
            meter: self.meter.clone(),
        })
    }

    /// True while the relay has a stream open to this desk.
    pub fn is_followed_by(&self, desk: &DeskId) -> bool {
        self.follows.is_followed_by(desk)
    }

    /// Reads the peer that the connection left in the extensions, and has it checked again: by the
    /// wall clock, which is the time of certificates whatever the relay's own clock is.
    fn admit(&self) -> Admit {
        let gate = Arc::clone(&self.gate);
        Arc::new(move |extensions| {
            let peer: &PeerInfo =
                extensions.get().ok_or_else(|| status::denied(&Denied::NoCertificate))?;
            gate.check(peer, identity::now()).map_err(|denied| status::denied(&denied))?;
            Ok(Some(peer.caller.clone()))
        })
    }

    /// Ends once the relay is being stopped.
    fn stop(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopping = self.stopping.clone();
        async move {
            // A sender that is gone means that nobody is left who could stop us otherwise.
            let _gone = stopping.wait_for(|stopping| *stopping).await;
        }
    }
}
