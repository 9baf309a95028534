//! Stands between an agent and its relay, inside of TLS, and keeps every byte that passes.
//!
//! To the agent it is the relay, with the relay's own certificate and key; to the relay it is the
//! agent. Not for changing anything: what comes is what goes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use detente::envelope::genesis;
use detente::identity::trust::Policy;
use detente::identity::{self, OwnCertificate, RelayTrust, Trust, Unlock};
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::net::Dev;

/// What has passed over one connection in one direction.
type Passed = Arc<Mutex<Vec<u8>>>;

/// The preface of an HTTP/2 client.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame of HTTP/2 that carries data (RFC 9113, 6.1), and its flag for padding.
const DATA: u8 = 0;
const PADDED: u8 = 8;

/// Everything between one agent and its relay.
pub(crate) struct Recorder {
    /// Of each connection, what went to the agent, and what came from it.
    connections: Arc<Mutex<Vec<[Passed; 2]>>>,
    accepting: JoinHandle<()>,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Recorder {
    /// Stands between the agent of this member, once that is started with the configuration that is
    /// answered, and the relay.
    pub(crate) async fn between(dev: &Dev, member: &str) -> (Self, PathBuf) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap();
        let (server, client) = ends(dev, member);
        let config = dev.desk_config(member).relay.address.to_string();
        let relay: SocketAddr = config.parse().unwrap();
        let path = &dev.made.desk_configs[&crate::net::desk(member)];
        let text = std::fs::read_to_string(path).unwrap();
        // Or the agent would go past.
        let changed = crate::net::edit(&text, &relay.to_string(), &own.to_string());
        let recorded = path.with_file_name("recorded.toml");
        std::fs::write(&recorded, changed).unwrap();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let passed = [Passed::default(), Passed::default()];
                kept.lock().unwrap().push(passed.clone());
                let (server, client) = (Arc::clone(&server), Arc::clone(&client));
                tokio::spawn(pass(stream, relay, server, client, passed));
            }
        });
        (Self { connections, accepting }, recorded)
    }

    /// Every byte that went to the agent and came from it, as it stood within TLS.
    pub(crate) fn passed(&self) -> Vec<Vec<u8>> {
        let connections = self.connections.lock().unwrap();
        connections.iter().flatten().map(|passed| passed.lock().unwrap().clone()).collect()
    }

    /// The bodies of all calls and answers: what stands in the frames of each stream, put together.
    pub(crate) fn bodies(&self) -> Vec<Vec<u8>> {
        self.passed().iter().flat_map(|bytes| bodies(bytes)).collect()
    }
}

/// The relay's end of TLS and the agent's.
fn ends(dev: &Dev, member: &str) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let signed = std::fs::read(&dev.made.genesis).unwrap();
    let genesis = genesis::parse(&signed).unwrap();
    let (relay, desk) = (dev.relay_config(), dev.desk_config(member));
    let unlock = |file: Option<&Path>| Unlock::from_file(file.unwrap()).unwrap();
    let of_relay = unlock(relay.unlock.file.as_deref());
    let of_desk = unlock(desk.unlock.file.as_deref());
    let own = OwnCertificate::load(&relay.tls.certificate, &relay.tls.key, of_relay).unwrap();
    let lists = relay.tls.revocation_lists;
    let trust = Trust::from_genesis(&genesis, lists, Policy::default()).unwrap();
    let server = identity::server_config(Arc::new(own), Arc::new(trust));
    let own = OwnCertificate::load(&desk.tls.certificate, &desk.tls.key, of_desk).unwrap();
    let trust = RelayTrust::from_genesis(&genesis, None).unwrap();
    (server, identity::client_config(Arc::new(own), Arc::new(trust)))
}

/// Carries bytes both ways until either end closes.
async fn pass(
    stream: TcpStream,
    relay: SocketAddr,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    [to_agent, from_agent]: [Passed; 2],
) {
    let Ok(agent) = tokio_rustls::TlsAcceptor::from(server).accept(stream).await else { return };
    let Ok(relay) = identity::connect(&relay.to_string(), client).await else { return };
    let (agent, relay) = (tokio::io::split(agent), tokio::io::split(relay));
    tokio::select! {
        () = carry(relay.0, agent.1, to_agent) => {}
        () = carry(agent.0, relay.1, from_agent) => {}
    }
}

async fn carry(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    passed: Passed,
) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        passed.lock().unwrap().extend_from_slice(&buffer[..length]);
        if to.write_all(&buffer[..length]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

/// The body of every stream among the frames of one direction. What is cut off at the end, because
/// the connection was, is left out.
fn bodies(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = bytes.strip_prefix(PREFACE).unwrap_or(bytes);
    let mut bodies: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    while let Some((head, after)) = rest.split_first_chunk::<9>() {
        let [a, b, c, kind, flags, stream @ ..] = *head;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let Some((mut payload, after)) = after.split_at_checked(length) else { break };
        if kind == DATA && flags & PADDED != 0 {
            let padding = usize::from(payload[0]);
            payload = &payload[1..payload.len() - padding];
        }
        if kind == DATA {
            bodies.entry(u32::from_be_bytes(stream)).or_default().extend_from_slice(payload);
        }
        rest = after;
    }
    bodies.into_values().collect()
}
