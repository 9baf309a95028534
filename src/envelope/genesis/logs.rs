//! The logs of a network: what they are called, and which keys sign their heads.
//!
//! Not for who keeps the private halves (see `relay::Signers`). A log's name in the network is
//! "directory" or "traffic"; its origin, which is also the name of its key (C2SP tlog-checkpoint),
//! is `<network>/<log>`.

use super::{Genesis, LogKey, PublicKey};
use crate::tlog::VerifierKey;
use crate::tlog::note::{KeyName, Kind};
use crate::units::{Name, Unreadable};

/// The origin of a log, as "g7.example/traffic".
pub fn log_origin(network: &Name, log: &str) -> String {
    format!("{network}/{log}")
}

/// The name of the key with which a log of this network signs.
///
/// # Errors
/// When the log's name is none: not for "directory" and "traffic".
pub fn log_key_name(network: &Name, log: &str) -> Result<KeyName, Unreadable> {
    log_origin(network, log).parse()
}

/// The Ed25519 key that signs a log's heads, as a verifier of C2SP signed-note; none when `keys`
/// has none of this log.
pub fn log_verifier(network: &Name, keys: &[LogKey], log: &str) -> Option<VerifierKey> {
    let pinned = keys.iter().filter(|key| key.log == log).find_map(|key| match &key.key {
        PublicKey::Ed25519(key) => Some(key),
        PublicKey::MlDsa44(_) => None,
    })?;
    VerifierKey::new(log_key_name(network, log).ok()?, Kind::Ed25519, pinned).ok()
}

impl Genesis {
    /// The key that signs the heads of a log ("directory", "traffic"), as the members agreed on it.
    pub fn log_verifier(&self, log: &str) -> Option<VerifierKey> {
        log_verifier(&self.network, &self.log_keys, log)
    }
}
