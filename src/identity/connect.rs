//! A desk's TLS connection to the relay.
//!
//! Not for HTTP/2 or for trying again: the desk's uplink does both.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
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

/// What a refusal by the relay looks like from the desk, in words; `None` for any other error.
pub fn refusal(error: &io::Error) -> Option<String> {
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
