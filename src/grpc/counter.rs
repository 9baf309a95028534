//! The officers' counter: a Unix socket, both ends.
//!
//! Not for the relay, and not reachable from outside the machine. The kernel says which Unix user
//! calls: the agent's own, root, and those who may act as an officer get in. The socket is closed
//! to others as long as no other user is an officer.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::UdsConnectInfo;
use tonic::transport::{Channel, Endpoint, Server, Uri};
use tonic::{Request, Status};

use super::client::RelayClient;
use super::counter_service::Service;
use super::counter_status::status;
use crate::desk::{Desk, Keys, Local};
use crate::envelope::Malformed;
use crate::envelope::entry::{self, Entry, Restricted, Signed};
use crate::units::Hash;
pub use crate::wire::detente::desk::v1 as api;
pub use crate::wire::detente::directory::v1::{
    DeskListing as Listing, EntryVersion as Version, SearchDesksRequest as Query,
};
pub use crate::wire::detente::envelope::v1::EntryLanguage as LanguageOf;
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

/// Reads an entry as the agent answers it: where it stands, what it says, and its restricted part;
/// of version 0 what the genesis says.
///
/// # Errors
/// When it is none: the agent is of another version.
pub fn read_entry(
    answer: api::GetEntryResponse,
) -> Result<(Version, Entry, Restricted), Malformed> {
    let api::GetEntryResponse { version, entry, signed_entry, restricted } = answer;
    let odd = |field: &str, why: String| Malformed { field: field.to_owned(), why };
    let version = version.ok_or_else(|| odd("version", "absent".to_owned()))?;
    if !signed_entry.is_empty() {
        let signed = Signed::parse(&signed_entry)?.with_restricted(restricted)?;
        let open = signed.opened();
        return Ok((version, signed.entry, open));
    }
    let message = entry.ok_or_else(|| odd("entry", "absent".to_owned()))?;
    let hash = Hash::from_slice(&version.sha256).map_err(|error| odd("version", error.why))?;
    Ok((version, entry::from_message(message, hash)?, Restricted::new()))
}

/// Lets through the Unix users who may call: the agent's own, root, and those who may act as
/// officers with the keys that the desk has now.
fn admit(desk: &Desk, own: u32, request: Request<()>) -> Result<Request<()>, Status> {
    let peer = request.extensions().get::<UdsConnectInfo>().and_then(|info| info.peer_cred);
    let uid = peer.ok_or_else(|| refuse(Local::NobodyKnown))?.uid();
    if uid == own || uid == ROOT || desk.keys().uids().any(|officer| officer == uid) {
        return Ok(request);
    }
    tracing::warn!(uid, "a Unix user who is no officer was turned away from the counter");
    Err(refuse(Local::NotAdmitted { uid }))
}

/// Gives the socket the mode that lets in whom these keys let in. Others are judged by who they
/// are once they are in.
///
/// # Errors
/// See [`BindError`].
pub fn open_to(path: &Path, keys: &Keys) -> Result<(), BindError> {
    let own = rustix::process::geteuid().as_raw();
    let has_others = keys.uids().any(|uid| uid != own && uid != ROOT);
    let mode = if has_others { 0o666 } else { 0o600 };
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(|source| BindError::Io { path: path.to_owned(), source })?;
    if has_others && !open_to_others(path) {
        tracing::warn!(
            socket = %path.display(),
            "its directory is closed to other users: officers' users cannot reach the socket \
             unless they are of its group"
        );
    }
    Ok(())
}

/// May read everything on this machine anyhow; acts as an officer only where listed.
const ROOT: u32 = 0;

fn refuse(refusal: Local) -> Status {
    status(&refusal.into())
}

/// A counter that is open and not yet served.
pub struct Bound {
    listener: UnixListener,
    path: PathBuf,
}

impl Bound {
    /// Opens the socket for those who may act as officers with these keys. A socket that is left
    /// over from an agent that is gone is replaced; one at which somebody answers is not.
    ///
    /// # Errors
    /// See [`BindError`].
    pub async fn open(path: &Path, keys: &Keys) -> Result<Self, BindError> {
        clear(path).await?;
        let failed = |source| BindError::Io { path: path.to_owned(), source };
        // Until it is opened the umask holds others off, and whoever slips in is known by his uid.
        let listener = UnixListener::bind(path).map_err(failed)?;
        open_to(path, keys)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Serves `desk`, and what `relay` alone knows, until `stopping` is true and the calls that are
    /// open have been answered.
    ///
    /// # Errors
    /// When the transport fails.
    pub async fn serve(
        self,
        desk: Desk,
        relay: RelayClient,
        stopping: watch::Receiver<bool>,
    ) -> Result<(), tonic::transport::Error> {
        let Self { listener, path } = self;
        let (own, judge) = (rustix::process::geteuid().as_raw(), desk.clone());
        let service = AgentServiceServer::new(Service::new(desk, relay, stopping.clone()))
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        let service = InterceptedService::new(service, move |call| admit(&judge, own, call));
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

/// Whether the socket's directory lets other users through.
fn open_to_others(path: &Path) -> bool {
    let directory = path.parent().and_then(|directory| fs::metadata(directory).ok());
    directory.is_none_or(|directory| directory.permissions().mode() & 0o001 != 0)
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
