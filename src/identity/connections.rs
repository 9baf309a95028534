//! The open connections: who is on them, and how they are cut.
//!
//! Not for accepting them: `listen.rs`.
//!
//! A [`Connection`] is only made after the handshake has proven its peer and the first bytes of
//! HTTP/2 have come. Cutting one makes its next read and write fail, and wakes whoever waits on
//! it, so that an idle connection ends as fast as a busy one.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::authority::hex;
use super::denied::Denied;
use super::listen::Limits;
use super::trust::Trust;
use crate::units::{Caller, Hash, Timestamp};

/// Who is on a connection: proven by the handshake, and checked again on every call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// Number of the connection, from 1 since the relay started.
    pub connection: u64,
    /// The desk.
    pub caller: Caller,
    /// Serial number of its certificate, without leading zeros.
    pub serial: Vec<u8>,
    /// SHA-256 of its certificate.
    pub certificate: Hash,
    /// SHA-256 of the certificate of the authority that issued it.
    pub issuer: Hash,
    /// End of its certificate's validity.
    pub not_after: Timestamp,
    /// The group of the key exchange ("X25519MLKEM768").
    pub key_exchange: String,
    /// Where it comes from.
    pub address: SocketAddr,
    /// Since when it is open.
    pub since: Timestamp,
}

impl PeerInfo {
    /// The serial number in hexadecimal.
    pub fn serial_hex(&self) -> String {
        hex(&self.serial)
    }
}

/// The open connections of one relay. A cheap handle.
#[derive(Clone, Default)]
pub struct Connections {
    open: Arc<Mutex<BTreeMap<u64, Entry>>>,
}

struct Entry {
    peer: Arc<PeerInfo>,
    cut: Arc<Cut>,
}

/// The wire to a connection that may be cut: whether it is, and whom to wake.
#[derive(Default)]
struct Cut(Mutex<CutState>);

#[derive(Default)]
struct CutState {
    done: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Connections {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Who is connected, oldest first.
    pub fn list(&self) -> Vec<Arc<PeerInfo>> {
        lock(&self.open).values().map(|entry| Arc::clone(&entry.peer)).collect()
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        lock(&self.open).len()
    }

    /// Cuts every connection for which `which` holds; answers how many.
    pub fn cut_where(&self, mut which: impl FnMut(&PeerInfo) -> bool) -> usize {
        // Collected first: dropping a connection takes the same lock.
        let cut: Vec<Arc<Cut>> = lock(&self.open)
            .values()
            .filter(|entry| which(&entry.peer))
            .map(|entry| Arc::clone(&entry.cut))
            .collect();
        for one in &cut {
            one.cut();
        }
        cut.len()
    }

    /// Cuts every connection whose certificate is no longer good; answers who and why.
    pub fn sweep(&self, trust: &Trust, now: Timestamp) -> Vec<(Arc<PeerInfo>, Denied)> {
        let mut refused = Vec::new();
        for peer in self.list() {
            if let Err(denied) = trust.check(&peer, now) {
                refused.push((peer, denied));
            }
        }
        for (peer, denied) in &refused {
            let (desk, code) = (&peer.caller.desk, denied.code());
            tracing::warn!(%desk, connection = peer.connection, code, cause = %denied, "cut");
            self.cut_where(|other| other.connection == peer.connection);
        }
        refused
    }

    /// Registers a connection, unless there are too many; it leaves the list when it is dropped.
    pub(super) fn open(
        &self,
        peer: PeerInfo,
        stream: TlsStream<TcpStream>,
        first: Vec<u8>,
        limits: &Limits,
    ) -> Result<Connection, &'static str> {
        let peer = Arc::new(peer);
        let cut = Arc::new(Cut::default());
        // Counted and entered under one lock, so that no two can take the last place.
        let mut open = lock(&self.open);
        if open.len() >= limits.connections_max {
            return Err("all connections");
        }
        let desk = &peer.caller.desk;
        let own = open.values().filter(|entry| entry.peer.caller.desk == *desk).count();
        if own >= limits.per_desk_max {
            return Err("connections of one desk");
        }
        let entry = Entry { peer: Arc::clone(&peer), cut: Arc::clone(&cut) };
        open.insert(peer.connection, entry);
        drop(open);
        Ok(Connection { stream, first, given: 0, peer, cut, open: self.clone() })
    }
}

/// An open connection of a desk: bytes in, bytes out, until it ends or is cut.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    /// What was read before the connection was handed over, and how much of it was given on.
    first: Vec<u8>,
    given: usize,
    peer: Arc<PeerInfo>,
    cut: Arc<Cut>,
    open: Connections,
}

impl Connection {
    /// Who is on it.
    pub fn peer(&self) -> &PeerInfo {
        &self.peer
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        lock(&self.open.open).remove(&self.peer.connection);
    }
}

impl Connected for Connection {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        PeerInfo::clone(&self.peer)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.cut.check(context, |state| &mut state.reader)?;
        let rest = this.first.get(this.given..).unwrap_or_default();
        if rest.is_empty() {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        let (now, _) = rest.split_at(rest.len().min(buffer.remaining()));
        buffer.put_slice(now);
        this.given += now.len();
        if this.given == this.first.len() {
            (this.first, this.given) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.cut.check(context, |state| &mut state.writer)?;
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.cut.check(context, |state| &mut state.writer)?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.cut.check(context, |state| &mut state.writer)?;
        Pin::new(&mut this.stream).poll_shutdown(context)
    }
}

impl Cut {
    fn cut(&self) {
        let mut state = lock(&self.0);
        state.done = true;
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        for waker in wakers.into_iter().flatten() {
            waker.wake();
        }
    }

    /// Fails when cut; otherwise leaves the caller's waker for the moment it is.
    fn check(
        &self,
        context: &Context<'_>,
        place: impl FnOnce(&mut CutState) -> &mut Option<Waker>,
    ) -> io::Result<()> {
        let mut state = lock(&self.0);
        if state.done {
            let why = "the connection was cut: its certificate is no longer good";
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, why));
        }
        let place = place(&mut state);
        if !place.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *place = Some(context.waker().clone());
        }
        Ok(())
    }
}

/// A poisoned lock still guards whole values: nothing here can panic half-way through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
