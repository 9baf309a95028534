//! Who is connected: one seat per connection, taken when it is accepted and given up when it ends.
//!
//! Not for deciding who may connect (see `identity`). A seat lives exactly as long as its
//! connection's socket, so nothing can be forgotten here.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tonic::transport::server::Connected;

use crate::units::{Caller, Timestamp};

/// A peer that has been let in.
pub trait Peer: Clone + Send + Sync + 'static {
    /// The desk whose certificate was verified.
    fn caller(&self) -> &Caller;
    /// End of the certificate's validity.
    fn not_after(&self) -> Timestamp;
    /// The certificate's serial number, in hexadecimal.
    fn serial(&self) -> String;
    /// The key exchange group.
    fn key_exchange(&self) -> String;
}

/// A connection, for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Number of the connection since the start.
    pub number: u64,
    /// Who it is.
    pub caller: Caller,
    /// Since when.
    pub since: Timestamp,
    /// End of the certificate's validity.
    pub not_after: Timestamp,
    /// Serial number, in hexadecimal.
    pub serial: String,
    /// The key exchange group.
    pub key_exchange: String,
    /// True while it follows.
    pub following: bool,
}

/// The connections that are open. A clone is the same roster.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    present: Present,
    following: Arc<AtomicBool>,
}

impl Roster {
    /// How many connections are open.
    pub fn count(&self) -> usize {
        self.lock().entries.len()
    }

    /// Up to `max` connections in order of their numbers, from number `from`.
    pub fn list(&self, from: u64, max: usize) -> Vec<Present> {
        let inner = self.lock();
        let read = |entry: &Entry| Present {
            following: entry.following.load(Ordering::Relaxed),
            ..entry.present.clone()
        };
        inner.entries.range(from..).take(max).map(|(_, entry)| read(entry)).collect()
    }

    /// Seats a connection that was accepted at `now`. It is cut once `cut` is true.
    pub(super) fn seat<IO>(&self, io: IO, now: Timestamp, cut: watch::Receiver<bool>) -> Seated<IO>
    where
        IO: Connected,
        IO::ConnectInfo: Peer,
    {
        let peer = io.connect_info();
        let following = Arc::new(AtomicBool::new(false));
        let mut inner = self.lock();
        let number = inner.next;
        inner.next = number.saturating_add(1);
        let present = Present {
            number,
            caller: peer.caller().clone(),
            since: now,
            not_after: peer.not_after(),
            serial: peer.serial(),
            key_exchange: peer.key_exchange(),
            following: false,
        };
        inner.entries.insert(number, Entry { present, following: Arc::clone(&following) });
        drop(inner);
        let place = Place { roster: self.clone(), number };
        let seat = Seat { peer, right: FollowRight(following) };
        Seated { io, seat, cut: Box::pin(wait(cut)), _place: place }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Nothing panics while it holds the lock, and the entries would still be whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What every call of a connection carries in its extensions.
#[derive(Debug, Clone)]
pub(super) struct Seat<P> {
    /// The peer, as it was let in.
    pub(super) peer: P,
    /// May follow.
    pub(super) right: FollowRight,
}

/// The right to follow, which a connection has once.
#[derive(Debug, Clone)]
pub(super) struct FollowRight(Arc<AtomicBool>);

impl FollowRight {
    /// Takes it; none while it is in use.
    pub(super) fn take(&self) -> Option<Following> {
        let taken = self.0.swap(true, Ordering::Relaxed);
        (!taken).then(|| Following(Arc::clone(&self.0)))
    }
}

/// The right to follow, in use; given back when dropped.
#[derive(Debug)]
pub(super) struct Following(Arc<AtomicBool>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A connection with its seat.
pub(super) struct Seated<IO: Connected> {
    io: IO,
    seat: Seat<IO::ConnectInfo>,
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
    _place: Place,
}

/// Removes the entry when the connection goes.
struct Place {
    roster: Roster,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.roster.lock().entries.remove(&self.number);
    }
}

async fn wait(mut cut: watch::Receiver<bool>) {
    // A sender that is gone has no say any more: the connection then ends by itself.
    if cut.wait_for(|cut| *cut).await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl<IO> Connected for Seated<IO>
where
    IO: Connected,
    IO::ConnectInfo: Peer,
{
    type ConnectInfo = Seat<IO::ConnectInfo>;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.seat.clone()
    }
}

impl<IO> AsyncRead for Seated<IO>
where
    IO: AsyncRead + Connected + Unpin,
    IO::ConnectInfo: Unpin,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<IO> AsyncWrite for Seated<IO>
where
    IO: AsyncWrite + Connected + Unpin,
    IO::ConnectInfo: Unpin,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
