//! `relay.toml`: what the secretariat writes for the relay.
//!
//! Not for defaults that are nobody's business to change.

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::{Clash, Log, Network, Store, Unlock, absolute, value};

/// The configuration of a relay.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// Which network.
    pub network: Network,
    /// Where it listens.
    pub listen: Listen,
    /// With what certificate, and which revocation lists it goes by.
    pub tls: Tls,
    /// With what keys it signs its logs.
    pub logs: Logs,
    /// Where the secret is that opens its keys.
    pub unlock: Unlock,
    /// Where it keeps journal and tables.
    pub store: Store,
    /// Where and when it publishes its logs.
    #[serde(default)]
    pub publish: Publish,
    /// What it takes at most.
    #[serde(default)]
    pub limits: Limits,
    /// What it logs.
    #[serde(default)]
    pub log: Log,
}

/// `[listen]`: addresses. Port 0 lets the system choose; what was chosen is logged.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// For desks: gRPC over mutual TLS 1.3. Mandatory.
    #[serde(deserialize_with = "value::address")]
    pub desks: SocketAddr,
    /// For the operator: health, reflection and the operator's service, in the clear; loopback
    /// only. Mandatory.
    #[serde(deserialize_with = "value::loopback")]
    pub operator: SocketAddr,
    /// For Prometheus, in the clear; loopback only. Default: none.
    #[serde(default, deserialize_with = "value::loopback_if_any")]
    pub metrics: Option<SocketAddr>,
    /// For everybody who reads the published logs: HTTPS with the relay's own certificate, and none
    /// asked for. Default: none.
    #[serde(default, deserialize_with = "value::address_if_any")]
    pub log: Option<SocketAddr>,
}

/// `[tls]`: the relay's own certificate, and the members' revocation lists.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Path of the certificate chain, PEM. Mandatory.
    pub certificate: PathBuf,
    /// Path of its key, encrypted at rest. Mandatory.
    pub key: PathBuf,
    /// Path of the directory with one list per member, `nl.crl.pem`. Read again on SIGHUP and
    /// whenever a file in it changes. Mandatory.
    pub revocation_lists: PathBuf,
    /// Path of the authorities, PEM, that the certificates of witnesses from elsewhere are held
    /// against: those in the policy whose address is HTTPS. Default: those of the system,
    /// `/etc/ssl/certs/ca-certificates.crt`.
    #[serde(default = "value::authorities_default")]
    pub witness_authorities: PathBuf,
}

/// `[logs]`: the keys that sign the heads of the two logs. Their public halves stand in the
/// genesis, or were announced since; the relay does not start with others.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// Path of the directory log's key, encrypted at rest. Mandatory.
    pub directory_key: PathBuf,
    /// Path of the traffic log's key, encrypted at rest. Mandatory.
    pub traffic_key: PathBuf,
    /// Path of the key that takes the place of `directory_key`: announced in the directory log at
    /// the start, and then signing beside it. Default: none.
    #[serde(default)]
    pub next_directory_key: Option<PathBuf>,
    /// The same for `traffic_key`. Default: none.
    #[serde(default)]
    pub next_traffic_key: Option<PathBuf>,
    /// How long nothing is signed after a start unless the quorum of witnesses has said how far it
    /// has seen, in whole seconds: 0 (they are not waited for) to 86,400, default 10. A store that
    /// may be an older copy waits for them without end.
    #[serde(default = "value::witnesses_default", deserialize_with = "value::witnesses")]
    pub wait_for_witnesses_seconds: Duration,
}

/// `[publish]`: the logs as files, for anybody to read, carry away and verify.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Publish {
    /// Path of the directory; made when it is not there. Each log has a directory in it. It is
    /// apart from the store, but for the default: `public` in it.
    pub directory: Option<PathBuf>,
    /// The clock on which new heads are published, in whole seconds: 1 to 60, default 5.
    #[serde(deserialize_with = "value::publish_interval")]
    pub interval_seconds: Duration,
    /// Fill up what the log of the traffic has grown by to a power of two, with leaves that say
    /// nothing: its growth then tells less of how much passes. Default false.
    pub padding: bool,
}

impl Default for Publish {
    fn default() -> Self {
        Self { directory: None, interval_seconds: Duration::from_secs(5), padding: false }
    }
}

/// `[limits]`: what is taken at most.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The largest envelope, in bytes: 4 KiB to 1 MiB, default 256 KiB. A full form of Article
    /// 29(2) with ten pages of facts pads to 64 KiB; four times that leaves room for attachments
    /// of a few pages. Larger evidence travels by other means.
    #[serde(default = "value::envelope_bytes_default", deserialize_with = "value::envelope_bytes")]
    pub envelope_bytes_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { envelope_bytes_max: value::envelope_bytes_default() }
    }
}

/// Where in the store the logs are published when nothing else is said.
const PUBLIC: &str = "public";

impl Relay {
    /// Where the logs are published.
    pub fn publish_directory(&self) -> PathBuf {
        let given = self.publish.directory.clone();
        given.unwrap_or_else(|| self.store.directory.join(PUBLIC))
    }

    /// Where the relay keeps, for itself, what it has published.
    pub fn log_directory(&self) -> PathBuf {
        self.store.directory.join("log")
    }

    pub(super) fn check(&self) -> Result<(), Clash> {
        self.unlock.check()?;
        let Listen { desks, operator, metrics, log } = &self.listen;
        let next = "give each listener its own port";
        let twice = |a: &SocketAddr, b: &SocketAddr| a == b && a.port() != 0;
        if twice(desks, operator) {
            return Err(Clash::new("listen.operator", "the same address as listen.desks", next));
        }
        if let Some(metrics) = metrics
            && (twice(desks, metrics) || twice(operator, metrics))
        {
            let why = "the same address as another listener";
            return Err(Clash::new("listen.metrics", why, next));
        }
        let others = [Some(desks), Some(operator), metrics.as_ref()];
        if let Some(log) = log
            && others.into_iter().flatten().any(|other| twice(other, log))
        {
            let why = "the same address as another listener";
            return Err(Clash::new("listen.log", why, next));
        }
        self.check_published_apart()
    }

    /// What is published is carried away, set aside and made anew; what is in the store is not. As
    /// the paths read: links are not followed.
    fn check_published_apart(&self) -> Result<(), Clash> {
        let store = plain(&self.store.directory);
        let published = plain(&self.publish_directory());
        if published.starts_with(store.join(PUBLIC)) {
            return Ok(());
        }
        let why = if published == store {
            "it is store.directory itself"
        } else if published.starts_with(&store) {
            "it lies in store.directory"
        } else if store.starts_with(&published) {
            "store.directory lies in it"
        } else {
            return Ok(());
        };
        let next = "name a directory outside of the store, or leave the key out: then it is \
                    public/ in the store";
        Err(Clash::new("publish.directory", why, next))
    }

    pub(super) fn resolve(&mut self, directory: &Path) {
        let Self { network, listen: _, tls, logs, unlock, store, publish, limits: _, log: _ } =
            self;
        network.resolve(directory);
        for path in [
            &mut tls.certificate,
            &mut tls.key,
            &mut tls.revocation_lists,
            &mut tls.witness_authorities,
        ] {
            absolute(path, directory);
        }
        for path in [&mut logs.directory_key, &mut logs.traffic_key] {
            absolute(path, directory);
        }
        let next = [&mut logs.next_directory_key, &mut logs.next_traffic_key];
        for path in next.into_iter().flatten() {
            absolute(path, directory);
        }
        unlock.resolve(directory);
        absolute(&mut store.directory, directory);
        if let Some(path) = &mut publish.directory {
            absolute(path, directory);
        }
    }
}

/// A path without "." and "..".
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}
