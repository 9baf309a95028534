//! Nations with authorities of their own, a relay's door, and desks that knock: for the tests of
//! `identity`. Not a network: nobody speaks HTTP/2, the relay's side echoes bytes.

#![expect(clippy::unwrap_used, reason = "a fixture that fails is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use detente::identity::keyfile::{self, Kind, Secret};
use detente::identity::trust::{Nation, Policy};
use detente::identity::{
    Connections, Limits, OwnCertificate, RelayTrust, Trust, Unlock, client_config, connect, listen,
    server_config, uri,
};
use detente::pki::authority::{Authority, Issued, RevocationList, Use};
use detente::units::{DAY_MS, DeskId, MemberId, Name, Timestamp};
use rustls::ClientConfig;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_stream::StreamExt;

/// The preface and the header of an empty SETTINGS frame.
pub(crate) const FIRST: &[u8; 33] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Nobody waits longer than this for what must come.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Lab {
    pub(crate) dir: TempDir,
    pub(crate) network: Name,
    pub(crate) nations: BTreeMap<MemberId, (Authority, Vec<u8>)>,
    pub(crate) relay: (Authority, Vec<u8>),
}

pub(crate) fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}

pub(crate) fn desk(text: &str) -> DeskId {
    text.parse().unwrap()
}

impl Lab {
    /// Nations with one desk "cyber" each, an empty list each, and a relay.
    pub(crate) fn new(members: &[&str]) -> Self {
        let network: Name = "test-net".parse().unwrap();
        let make = |whose: &str| {
            let (authority, own) = Authority::create(whose, &network, now()).unwrap();
            (authority, own.der)
        };
        let nations = members.iter().map(|id| (id.parse().unwrap(), make(id))).collect();
        let relay = make("relay");
        let lab = Self { dir: TempDir::new().unwrap(), network, nations, relay };
        std::fs::create_dir(lab.lists()).unwrap();
        for member in lab.nations.keys() {
            lab.put_list(&member.to_string(), &RevocationList::first(now()));
        }
        lab
    }

    pub(crate) fn lists(&self) -> PathBuf {
        self.dir.path().join("crl")
    }

    pub(crate) fn nations(&self) -> BTreeMap<MemberId, Nation> {
        let nation = |der: &Vec<u8>| Nation {
            authorities: vec![der.clone()],
            desks: BTreeSet::from(["cyber".parse().unwrap()]),
        };
        self.nations.iter().map(|(id, (_, der))| (*id, nation(der))).collect()
    }

    pub(crate) fn trust(&self) -> Arc<Trust> {
        let (network, policy) = (self.network.clone(), Policy::default());
        Arc::new(Trust::new(network, &self.nations(), self.lists(), policy).unwrap())
    }

    pub(crate) fn relay_trust(&self) -> Arc<RelayTrust> {
        let ca = [self.relay.1.clone()];
        Arc::new(RelayTrust::new(self.network.clone(), &ca, None).unwrap())
    }

    pub(crate) fn authority(&self, member: &str) -> &Authority {
        &self.nations[&member.parse().unwrap()].0
    }

    /// A certificate of `desk` by the authority of `issuer`.
    pub(crate) fn issue(&self, issuer: &str, of: &str) -> Issued {
        let uri = uri::render_desk(&desk(of), &self.network);
        self.authority(issuer).issue(&uri, Use::Desk, 90, now()).unwrap()
    }

    pub(crate) fn put_list(&self, member: &str, list: &RevocationList) {
        let pem = self.authority(member).revocation_list(list).unwrap();
        self.put(member, pem.as_bytes());
    }

    pub(crate) fn put(&self, member: &str, bytes: &[u8]) {
        let path = self.lists().join(format!("{}.crl.pem", member.to_ascii_lowercase()));
        let aside = path.with_extension("new");
        std::fs::write(&aside, bytes).unwrap();
        std::fs::rename(aside, path).unwrap();
    }

    /// The certificate and key as an end loads them.
    pub(crate) fn own(&self, name: &str, issued: &Issued) -> Arc<OwnCertificate> {
        let unlock = Unlock::from_random(&[7; 32]);
        let (certificate, key) = self.put_own(name, issued);
        Arc::new(OwnCertificate::load(&certificate, &key, unlock).unwrap())
    }

    pub(crate) fn put_own(&self, name: &str, issued: &Issued) -> (PathBuf, PathBuf) {
        let certificate = self.dir.path().join(format!("{name}.crt.pem"));
        let key = self.dir.path().join(format!("{name}.key"));
        let secret = Secret::new(Kind::Tls, name, issued.key.clone());
        std::fs::write(&key, keyfile::render(&secret, &Unlock::from_random(&[7; 32]))).unwrap();
        std::fs::write(&certificate, &issued.pem).unwrap();
        (certificate, key)
    }

    pub(crate) fn client(&self, name: &str, issued: &Issued) -> Arc<ClientConfig> {
        client_config(self.own(name, issued), self.relay_trust())
    }

    /// A client with the right certificate of this member's desk.
    pub(crate) fn good(&self, member: &str) -> Arc<ClientConfig> {
        self.client(member, &self.issue(member, &format!("{member}/cyber")))
    }

    pub(crate) fn issue_relay(&self) -> Issued {
        self.relay.0.issue(&uri::render_relay(&self.network), Use::Relay, 90, now()).unwrap()
    }

    pub(crate) async fn door(&self, limits: Limits) -> Door {
        self.door_with(limits, self.own("relay", &self.issue_relay())).await
    }

    pub(crate) async fn door_with(&self, limits: Limits, own: Arc<OwnCertificate>) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (trust, connections) = (self.trust(), Connections::new());
        let (config, open) = (server_config(own, Arc::clone(&trust)), connections.clone());
        let forever = std::future::pending();
        let mut incoming = listen(listener, config, Arc::clone(&trust), open, limits, forever);
        let task = tokio::spawn(async move {
            while let Some(connection) = incoming.next().await {
                let (mut reader, mut writer) = tokio::io::split(connection.unwrap());
                tokio::spawn(async move { tokio::io::copy(&mut reader, &mut writer).await });
            }
        });
        Door { address, trust, connections, task }
    }
}

/// A relay's door that echoes.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) trust: Arc<Trust>,
    pub(crate) connections: Connections,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Door {
    /// Connects, sends the first frame, and waits for its echo: only then has the relay let it in.
    pub(crate) async fn enter(
        &self,
        config: &Arc<ClientConfig>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut stream = connect(&self.address.to_string(), Arc::clone(config)).await?;
        echo(&mut stream, FIRST).await?;
        Ok(stream)
    }
}

pub(crate) async fn echo(stream: &mut TlsStream<TcpStream>, bytes: &[u8]) -> std::io::Result<()> {
    let round = async {
        stream.write_all(bytes).await?;
        stream.flush().await?;
        let mut back = vec![0; bytes.len()];
        stream.read_exact(&mut back).await?;
        assert_eq!(back, bytes);
        Ok(())
    };
    tokio::time::timeout(SOON, round).await.expect("the echo comes or fails in time")
}

/// True when the stream ends or fails within `within`.
pub(crate) async fn ends(stream: &mut (impl AsyncReadExt + Unpin), within: Duration) -> bool {
    let mut byte = [0; 1];
    let read = tokio::time::timeout(within, stream.read(&mut byte)).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

/// `list` with other moments, in days from now.
pub(crate) fn aged(list: RevocationList, this_days: i64, next_days: i64) -> RevocationList {
    let at = |days: i64| now().plus_ms(days * DAY_MS);
    RevocationList { this_update: at(this_days), next_update: at(next_days), ..list }
}
