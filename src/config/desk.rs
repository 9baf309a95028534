//! `desk.toml`: what a nation writes for its desk's agent.
//!
//! Not for what the directory says about the desk: keys and roles count as the genesis and the
//! records state them; here stands only where the private halves lie.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::value::HostPort;
use super::{Clash, Log, Network, Unlock, absolute, value};
use crate::units::{DeskId, Name};

/// The configuration of a desk's agent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Desk {
    /// Which desk this is, as "NL/cyber". Mandatory.
    #[serde(deserialize_with = "value::parsed")]
    pub desk: DeskId,
    /// Which network.
    pub network: Network,
    /// Where the relay is.
    pub relay: RelayAddress,
    /// The desk's certificate.
    pub tls: Tls,
    /// Where the secret is that opens the keys.
    pub unlock: Unlock,
    /// The desk's own keys.
    pub keys: Keys,
    /// Its officers; at least one.
    #[serde(rename = "officer")]
    pub officers: Vec<Officer>,
    /// Where it keeps its case file.
    pub store: DeskStore,
    /// Where officers call.
    pub counter: Counter,
    /// Where it listens for monitoring.
    #[serde(default)]
    pub listen: DeskListen,
    /// What it logs.
    #[serde(default)]
    pub log: Log,
}

/// `[relay]`: where the relay is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayAddress {
    /// Host and port. The relay is known by the certificate that the genesis pins, not by this
    /// name. Mandatory.
    #[serde(deserialize_with = "value::parsed")]
    pub address: HostPort,
}

/// `[tls]`: the desk's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Path of the certificate chain, PEM, issued by the nation's own authority. Mandatory.
    pub certificate: PathBuf,
    /// Path of its key, encrypted at rest. Mandatory.
    pub key: PathBuf,
    /// Path of a directory with `relay.crl.pem`. Default: none, and then a revoked certificate of
    /// the relay is accepted until it expires.
    pub relay_revocation_lists: Option<PathBuf>,
}

/// `[keys]`: the desk's own keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Path of the machine key, which signs receipts. Mandatory.
    pub desk: PathBuf,
    /// Paths of the keys that open bodies, newest first: at least one. An old one stays until
    /// what was sealed to it has been fetched, at most 90 days past its rotation. Mandatory.
    pub encryption: Vec<PathBuf>,
    /// Path of the key that cosigns the heads of the logs. Default: none, and then the desk is no
    /// witness.
    pub witness: Option<PathBuf>,
}

/// `[[officer]]`: who signs at this desk.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Officer {
    /// The officer's name, as the directory has it. Mandatory.
    #[serde(deserialize_with = "value::parsed")]
    pub name: Name,
    /// Path of the officer's signing key, encrypted at rest. Mandatory.
    pub key: PathBuf,
    /// Unix users who may act as this officer. Default: none but the agent's own user.
    #[serde(default)]
    pub uids: Vec<u32>,
}

/// `[store]` of a desk: where its case file lies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeskStore {
    /// The directory; made when it is not there. Everything in it is encrypted. One process at a
    /// time. Mandatory.
    pub directory: PathBuf,
}

/// `[counter]`: where officers call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counter {
    /// Path of the Unix socket, at most 107 bytes once resolved. Mandatory.
    pub socket: PathBuf,
}

/// `[listen]`: addresses of a desk's agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeskListen {
    /// For Prometheus, in the clear; loopback only. Default: none.
    #[serde(default, deserialize_with = "value::loopback_if_any")]
    pub metrics: Option<SocketAddr>,
}

/// `sockaddr_un` has 108 bytes for the path, one of them for its end.
const SOCKET_PATH_BYTES_MAX: usize = 107;

impl Desk {
    pub(super) fn check(&self) -> Result<(), Clash> {
        self.unlock.check()?;
        if self.keys.encryption.is_empty() {
            let next = "name at least one key; `detente pki` makes it";
            return Err(Clash::new("keys.encryption", "no key to open bodies with", next));
        }
        if self.officers.is_empty() {
            let next = "add an [[officer]] with name and key";
            return Err(Clash::new("officer", "no officer can sign here", next));
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = self.officers.iter().find(|officer| !names.insert(&officer.name)) {
            let why = format!("{} is there twice", twice.name);
            return Err(Clash::new("officer.name", why, "keep one [[officer]] of each name"));
        }
        let length = self.counter.socket.as_os_str().len();
        if length > SOCKET_PATH_BYTES_MAX {
            return Err(Clash::new(
                "counter.socket",
                format!("the path has {length} bytes; a Unix socket takes {SOCKET_PATH_BYTES_MAX}"),
                "choose a shorter path, for instance under the unit's runtime directory",
            ));
        }
        Ok(())
    }

    pub(super) fn resolve(&mut self, directory: &Path) {
        let Self { network, tls, unlock, keys, officers, store, counter, .. } = self;
        network.resolve(directory);
        absolute(&mut tls.certificate, directory);
        absolute(&mut tls.key, directory);
        if let Some(lists) = &mut tls.relay_revocation_lists {
            absolute(lists, directory);
        }
        unlock.resolve(directory);
        absolute(&mut keys.desk, directory);
        for key in keys.encryption.iter_mut().chain(&mut keys.witness) {
            absolute(key, directory);
        }
        for officer in officers {
            absolute(&mut officer.key, directory);
        }
        absolute(&mut store.directory, directory);
        absolute(&mut counter.socket, directory);
    }
}
