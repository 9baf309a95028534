//! The officers' counter: a Unix socket, both ends.
//!
//! Not for the relay, and not reachable from outside the machine: only processes of the socket's
//! owner get in.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::{Channel, Endpoint, Server, Uri};

use super::counter_service::Service;
use crate::desk::Desk;
pub use crate::wire::detente::desk::v1 as api;
pub use crate::wire::detente::form::v1 as form;
use api::agent_service_client::AgentServiceClient;
use api::agent_service_server::AgentServiceServer;

/// An officer's end. A clone uses the same connection.
pub type Counter = AgentServiceClient<Channel>;

/// The largest message that is taken, in bytes: the largest form and what stands around it.
const MESSAGE_BYTES_MAX: usize = 2 << 20;

/// Why the counter cannot open.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody answers at the socket.
    #[error("another agent answers at {0}")]
    InUse(PathBuf),
    /// The path is taken by something that is not a socket.
    #[error("{0} is there and is not a socket")]
    NotASocket(PathBuf),
    /// The operating system refused.
    #[error("opening the socket {path}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

/// Connects to the agent's socket at the first call, and again after the connection is lost.
///
/// # Errors
/// When nobody answers there now.
pub async fn connect(socket: &Path) -> Result<Counter, tonic::transport::Error> {
    let path = socket.to_owned();
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    // The name is never resolved: the connector goes to the socket.
    let endpoint = Endpoint::from_static("http://agent.invalid");
    let channel = endpoint.connect_with_connector(connector).await?;
    Ok(AgentServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX))
}

/// A counter that is open and not yet served.
pub struct Bound {
    listener: UnixListener,
    path: PathBuf,
}

impl Bound {
    /// Opens the socket for its owner alone. A socket that is left over from an agent that is gone
    /// is replaced; one at which somebody answers is not.
    ///
    /// # Errors
    /// See [`BindError`].
    pub async fn open(path: &Path) -> Result<Self, BindError> {
        clear(path).await?;
        let failed = |source| BindError::Io { path: path.to_owned(), source };
        let listener = UnixListener::bind(path).map_err(failed)?;
        // Until here the umask held others off, and whoever slipped in is known by his uid.
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Serves `desk` until `stopping` is true and the calls that are open have been answered.
    ///
    /// # Errors
    /// When the transport fails.
    pub async fn serve(
        self,
        desk: Desk,
        stopping: watch::Receiver<bool>,
    ) -> Result<(), tonic::transport::Error> {
        let Self { listener, path } = self;
        let service = AgentServiceServer::new(Service::new(desk, stopping.clone()))
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        let mut stop = stopping;
        let served = Server::builder()
            .add_service(service)
            .serve_with_incoming_shutdown(UnixListenerStream::new(listener), async move {
                // A sender that is gone stops the counter as well.
                drop(stop.wait_for(|stop| *stop).await);
            })
            .await;
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "the socket is left behind");
        }
        served
    }
}

/// Removes a socket at which nobody answers.
async fn clear(path: &Path) -> Result<(), BindError> {
    let failed = |source| BindError::Io { path: path.to_owned(), source };
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !there.file_type().is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(BindError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}
