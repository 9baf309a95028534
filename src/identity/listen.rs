//! The accept loop: from a TCP connection to a [`Connection`] of a proven desk.
//!
//! Not for HTTP/2, which tonic speaks on what comes out, and not for who may come in.
//!
//! Invariants:
//! - no error of `accept` ends the loop (RUSTSEC-2024-0376);
//! - until a peer has proven who it is and has sent the first frame of HTTP/2 it costs one slot of
//!   a bounded number, for a bounded time, and less than 100 KiB;
//! - every task hangs on the stream: dropping it ends them all.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::Stream;
use tracing::Instrument;

use super::connections::{Connection, Connections, PeerInfo};
use super::crowd::{Crowd, Place};
use super::denied::Denied;
use super::trust::Trust;

/// The client's connection preface (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The preface and the header of the SETTINGS frame that must follow it.
const FIRST_BYTES: usize = PREFACE.len() + 9;

/// Finished handshakes that wait for tonic to take them: it takes them at once.
const READY_MAX: usize = 64;

/// After an error of `accept` that will not pass by itself, the first and the longest pause.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// What a connection may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The TLS handshake, from accept. Default 5 s.
    pub handshake: Duration,
    /// From the handshake to the first frame of HTTP/2. Default 5 s.
    pub first_frame: Duration,
    /// Peers that have not got so far, all together. Default 512: at 100 KiB each, 50 MiB.
    pub unproven_max: usize,
    /// Peers that have not got so far, per IPv4 address or IPv6 /64 network. Default 32: a nation's
    /// desks behind one address after a restart.
    pub unproven_per_address_max: usize,
    /// Open connections of one desk. Default 16: its agent, a spare, tools, and half-dead ones.
    pub per_desk_max: usize,
    /// Open connections. Default 4,096: 200 nations with 16 desks and room.
    pub connections_max: usize,
    /// How often open connections are judged again and changed lists are read. Default 2 s, so
    /// that a revocation takes effect within 4 s of its list being put in place.
    pub sweep: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            first_frame: Duration::from_secs(5),
            unproven_max: 512,
            unproven_per_address_max: 32,
            per_desk_max: 16,
            connections_max: 4096,
            sweep: Duration::from_secs(2),
        }
    }
}

/// Counts of what happened at a door since the start; for metrics. At that of the published logs
/// nobody is over a desk's limit or cut.
#[derive(Debug, Default)]
pub struct Counts {
    /// TCP connections accepted.
    pub accepted: AtomicU64,
    /// Closed at once, because too many unproven ones were open.
    pub crowded: AtomicU64,
    /// Handshakes that failed or were refused.
    pub refused: AtomicU64,
    /// Peers that were too slow.
    pub slow: AtomicU64,
    /// Connections handed over.
    pub opened: AtomicU64,
    /// Connections over the limit of a desk, or over all.
    pub over_limit: AtomicU64,
    /// Connections cut because their certificate was no longer good.
    pub cut: AtomicU64,
    /// Errors of `accept`.
    pub accept_errors: AtomicU64,
}

/// The stream of proven connections. Dropping it closes the listener and ends its tasks.
pub struct Incoming {
    ready: mpsc::Receiver<Connection>,
    counts: Arc<Counts>,
    _tasks: JoinSet<()>,
}

impl Incoming {
    /// What happened at the door so far.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().ready.poll_recv(context).map(|ready| ready.map(Ok))
    }
}

/// Accepts connections of desks on `listener` until `shutdown` is done, and judges the open ones
/// again and again. The stream ends after `shutdown`.
pub fn listen(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    trust: Arc<Trust>,
    connections: Connections,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Incoming {
    let (sender, ready) = mpsc::channel(READY_MAX);
    let counts = Arc::new(Counts::default());
    let door = Arc::new(Door {
        acceptor: TlsAcceptor::from(tls),
        trust,
        connections,
        limits,
        counts: Arc::clone(&counts),
        numbers: AtomicU64::new(1),
        unproven: Crowd::new(limits.unproven_max, limits.unproven_per_address_max),
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(&door).sweep());
    tasks.spawn(async move {
        tokio::select! {
            () = accept(listener, door, sender) => {}
            () = shutdown => {}
        }
    });
    Incoming { ready, counts, _tasks: tasks }
}

struct Door {
    acceptor: TlsAcceptor,
    trust: Arc<Trust>,
    connections: Connections,
    limits: Limits,
    counts: Arc<Counts>,
    numbers: AtomicU64,
    unproven: Crowd,
}

/// Why a peer was not let in.
enum Turned {
    Slow(&'static str),
    Failed(io::Error),
    OverLimit(&'static str),
}

/// The next connection. No error of `accept` ends the wait; each is counted in `errors`.
pub(crate) async fn accepted(
    listener: &TcpListener,
    errors: &AtomicU64,
) -> (TcpStream, SocketAddr) {
    let mut pause = PAUSE.0;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(fault) if is_of_one_connection(&fault) => count(errors),
            Err(fault) => {
                // Out of file descriptors or memory: others must end first.
                count(errors);
                tracing::error!(%fault, pause_ms = pause.as_millis(), "cannot accept");
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE.1);
            }
        }
    }
}

async fn accept(listener: TcpListener, door: Arc<Door>, ready: mpsc::Sender<Connection>) {
    // Handshakes hang on this task: it is dropped on shutdown, and they with it.
    let mut handshakes = JoinSet::new();
    loop {
        let (stream, address) = tokio::select! {
            accepted = accepted(&listener, &door.counts.accept_errors) => accepted,
            Some(_) = handshakes.join_next() => continue,
        };
        count(&door.counts.accepted);
        match door.unproven.enter(address.ip()) {
            Some(place) => {
                let span = tracing::info_span!("connection", %address);
                let admit = Arc::clone(&door).admit(stream, address, place, ready.clone());
                handshakes.spawn(admit.instrument(span));
            }
            None => count(&door.counts.crowded),
        }
    }
}

impl Door {
    async fn admit(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        place: Place,
        ready: mpsc::Sender<Connection>,
    ) {
        match self.prove(stream, address).await {
            Ok(connection) => {
                drop(place);
                count(&self.counts.opened);
                let peer = connection.peer();
                let (desk, serial) = (&peer.caller.desk, peer.serial_hex());
                tracing::info!(%desk, serial, key_exchange = peer.key_exchange, "connected");
                // The receiver is gone only when the relay stops.
                drop(ready.send(connection).await);
            }
            Err(Turned::Slow(what)) => {
                count(&self.counts.slow);
                tracing::debug!(what, "peer too slow");
            }
            Err(Turned::Failed(fault)) => {
                count(&self.counts.refused);
                if is_without_certificate(&fault) {
                    // The verifier, which logs every other refusal, is not even asked.
                    let denied = Denied::NoCertificate;
                    tracing::warn!(code = denied.code(), cause = %denied, "desk refused");
                } else {
                    tracing::info!(%fault, "handshake failed");
                }
            }
            Err(Turned::OverLimit(what)) => {
                count(&self.counts.over_limit);
                tracing::warn!(what, "connection over the limit");
            }
        }
    }

    async fn prove(&self, stream: TcpStream, address: SocketAddr) -> Result<Connection, Turned> {
        stream.set_nodelay(true).map_err(Turned::Failed)?;
        let mut stream = timeout(self.limits.handshake, self.acceptor.accept(stream))
            .await
            .map_err(|_| Turned::Slow("handshake"))?
            .map_err(Turned::Failed)?;
        let peer = self.peer(&stream, address)?;
        let first = timeout(self.limits.first_frame, first_frame(&mut stream))
            .await
            .map_err(|_| Turned::Slow("first frame"))?
            .map_err(Turned::Failed)?;
        self.connections.open(peer, stream, first, &self.limits).map_err(Turned::OverLimit)
    }

    /// Asks again who the peer is: the list may have changed since the verifier asked.
    fn peer(&self, stream: &TlsStream<TcpStream>, address: SocketAddr) -> Result<PeerInfo, Turned> {
        let failed = |why: String| Turned::Failed(io::Error::other(why));
        let (_, tls) = stream.get_ref();
        let certificate = tls
            .peer_certificates()
            .and_then(<[_]>::first)
            .ok_or_else(|| failed(Denied::NoCertificate.to_string()))?;
        let now = super::now();
        let admitted = self.trust.admit(certificate, now).map_err(|d| failed(d.to_string()))?;
        if admitted.leaf.is_long_lived() {
            let (desk, until) = (&admitted.caller.desk, admitted.leaf.not_after);
            tracing::warn!(%desk, %until, "a desk's certificate lives longer than 90 days");
        }
        let group = tls.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name()));
        Ok(PeerInfo {
            connection: self.numbers.fetch_add(1, Ordering::Relaxed),
            caller: admitted.caller,
            serial: admitted.leaf.serial,
            certificate: admitted.leaf.fingerprint,
            issuer: admitted.issuer,
            not_after: admitted.leaf.not_after,
            key_exchange: group.unwrap_or_default(),
            address,
            since: now,
        })
    }

    async fn sweep(self: Arc<Self>) {
        loop {
            sleep(self.limits.sweep).await;
            // Files of a few kilobytes, read only when they changed.
            self.trust.reload_changed();
            let now = super::now();
            self.trust.alarm(now);
            let cut = self.connections.sweep(&self.trust, now);
            self.counts.cut.fetch_add(cut.len() as u64, Ordering::Relaxed);
        }
    }
}

/// Reads until the preface and the header of the first frame are there.
async fn first_frame(stream: &mut TlsStream<TcpStream>) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(4096);
    while first.len() < FIRST_BYTES {
        if stream.read_buf(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (got, wanted) = (first.iter(), PREFACE.iter());
        if got.zip(wanted).any(|(got, wanted)| got != wanted) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the peer does not speak HTTP/2",
            ));
        }
    }
    Ok(first)
}

/// True when the peer showed no certificate at all.
fn is_without_certificate(fault: &io::Error) -> bool {
    let tls = fault.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(tls, Some(rustls::Error::NoCertificatesPresented))
}

/// Errors that belong to one peer: the next one can be accepted at once.
fn is_of_one_connection(fault: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(
        fault.kind(),
        K::ConnectionAborted | K::ConnectionReset | K::ConnectionRefused | K::Interrupted
    )
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
