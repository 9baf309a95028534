//! `relay.toml`: what the secretariat writes for the relay.
//!
//! Not for defaults that are nobody's business to change.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

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
    /// Where the secret is that opens its key.
    pub unlock: Unlock,
    /// Where it keeps journal and tables.
    pub store: Store,
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

impl Relay {
    pub(super) fn check(&self) -> Result<(), Clash> {
        self.unlock.check()?;
        let Listen { desks, operator, metrics } = &self.listen;
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
        Ok(())
    }

    pub(super) fn resolve(&mut self, directory: &Path) {
        let Self { network, listen: _, tls, unlock, store, limits: _, log: _ } = self;
        absolute(&mut network.genesis, directory);
        for path in [&mut tls.certificate, &mut tls.key, &mut tls.revocation_lists] {
            absolute(path, directory);
        }
        unlock.resolve(directory);
        absolute(&mut store.directory, directory);
    }
}
