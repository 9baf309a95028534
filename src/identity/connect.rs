//! A desk's TLS connection to the relay.
//!
//! Not for HTTP/2 or for trying again: the desk's uplink does both.
//!
//! In TLS 1.3 the relay judges our certificate only after the handshake has ended on our side: its
//! refusal is an alert that comes while HTTP/2 has the stream, and HTTP/2 drops it. [`Refusals`]
//! keeps it, so that people are told why there is no connection.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::verifier;

/// A connection that is not up after so long is given up: TCP and TLS together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to `address` ("host:port") and proves that the relay of our genesis answers there.
///
/// In TLS 1.3 the relay judges our certificate only after this has returned: its refusal arrives
/// as an error of the first read.
///
/// # Errors
/// `TimedOut` after [`CONNECT_TIMEOUT`]; `PermissionDenied` with the code when the peer is not the
/// relay; otherwise what the socket or TLS says.
pub async fn connect(address: &str, config: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the relay did not answer in 10 s");
    tokio::time::timeout(CONNECT_TIMEOUT, handshake(address, config)).await.map_err(late)?
}

/// The relay's newest refusal of our certificate. A clone is the same one.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Arc<Mutex<Option<String>>>);

impl Refusals {
    /// The refusal, in words, if the newest connection was refused.
    pub fn newest(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same stream; a refusal that comes over it is kept, and one before it is forgotten once
    /// the relay has said anything else.
    pub fn watch<S>(&self, stream: S) -> Watched<S> {
        Watched { stream, refusals: self.clone() }
    }

    fn set(&self, refusal: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }
}

/// A stream on which the relay's refusal is noted.
#[derive(Debug)]
pub struct Watched<S> {
    stream: S,
    refusals: Refusals,
}

impl<S: AsyncRead + Unpin> Watched<S> {
    /// Notes what a read has given.
    fn note(&self, read: &io::Result<()>, bytes: usize) {
        match read {
            Err(error) => {
                if let Some(refusal) = refusal(error) {
                    self.refusals.set(Some(refusal));
                }
            }
            Ok(()) if bytes > 0 => self.refusals.set(None),
            Ok(()) => {}
        }
    }

    /// A relay that has closed fails our writes, but what it said before can still be read: the
    /// failure is given on when that has been.
    fn last_words<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if !matches!(written, Poll::Ready(Err(_))) {
            return written;
        }
        loop {
            let mut bytes = [0; 256];
            let mut buffer = ReadBuf::new(&mut bytes);
            // The socket is dead, so this ends: the system says so to readers as well.
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            self.note(&read, 0);
            if read.is_err() || buffer.filled().is_empty() {
                return written;
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut this.stream).poll_read(context, buffer));
        this.note(&read, buffer.filled().len() - before);
        Poll::Ready(read)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.last_words(context, written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        this.last_words(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// What a refusal by the relay looks like from the desk, in words; `None` for any other error.
fn refusal(error: &io::Error) -> Option<String> {
    let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::AlertReceived(alert) = inner else { return None };
    Some(format!("the relay refused this desk's certificate ({alert:?}); its log names the code"))
}

async fn handshake(address: &str, config: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    // No name is sent and none is checked: the relay is known by its URI.
    let name = ServerName::try_from("relay.invalid").map_err(io::Error::other)?;
    TlsConnector::from(config).connect(name, stream).await.map_err(explain)
}

fn explain(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner.and_then(verifier::denied) {
        Some(denied) => {
            let text = format!("{} {denied}; {}", denied.code(), denied.next_action());
            io::Error::new(io::ErrorKind::PermissionDenied, text)
        }
        None => error,
    }
}
