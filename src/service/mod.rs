//! From a configuration to a running relay or desk agent, and back down in order.
//!
//! Not for arguments, signals or printing (see `cli/`), so that the command line, the demo and the
//! tests run the same thing.

pub mod agent;
pub mod relay;

pub use agent::RunningAgent;
pub use relay::RunningRelay;

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::codec::Log;
use crate::config;
use crate::envelope::genesis::{self, Genesis};
use crate::identity::keyfile::Kind;
use crate::identity::{Unlock, unlock};
use crate::relay::{NotPinned, Seeds, Signers};
use crate::tlog::Policy;
use crate::units::Unreadable;

/// Why a program cannot start. Each names the file or address concerned.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The genesis is not a genesis, not the pinned one, or not signed by all.
    #[error("the genesis {path}: {why}")]
    Genesis {
        /// Its file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The policy is not one, or not of this network's logs.
    #[error("network.policy: {path}: {why}")]
    Policy {
        /// Its file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The address of a witness in the policy, or the authorities for it.
    #[error("{0}")]
    Witness(Unreadable),
    /// The unlock secret.
    #[error("{0}")]
    Unlock(#[from] unlock::Fault),
    /// The unlock section names neither a file nor a credential.
    #[error("[unlock] names neither a file nor a credential")]
    NoUnlock,
    /// An address cannot be bound.
    #[error("listen.{key}: {address} cannot be bound: {error}")]
    Bind {
        /// The key of the configuration.
        key: &'static str,
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// A key or certificate cannot be used.
    #[error("{0}")]
    Own(#[from] crate::identity::tls::OwnFault),
    /// A private key cannot be opened.
    #[error("the key file {path} cannot be opened: {why}")]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A key is not the one of its log.
    #[error("the key file {path} is of another key: {why}")]
    LogKey {
        /// Which file.
        path: PathBuf,
        /// What it has and what belongs there.
        why: NotPinned,
    },
    /// An authority of the genesis cannot be used.
    #[error("the authorities of the genesis: {0}")]
    Authority(crate::identity::Denied),
    /// The relay's store.
    #[error("{0}")]
    Relay(#[from] crate::relay::OpenError),
    /// The desk's agent.
    #[error("{0}")]
    Agent(#[from] crate::grpc::agent::AgentError),
    /// A start-up task was cancelled.
    #[error("starting was interrupted")]
    Interrupted,
}

/// The signed genesis of a configuration, held against the pinned hash and its signatures.
///
/// # Errors
/// [`StartError::File`] or [`StartError::Genesis`].
pub(crate) fn read_genesis(network: &config::Network) -> Result<(Vec<u8>, Genesis), StartError> {
    let path = &network.genesis;
    let signed =
        std::fs::read(path).map_err(|error| StartError::File { path: path.clone(), error })?;
    let wrong = |why: String| StartError::Genesis { path: path.clone(), why };
    let genesis = genesis::parse(&signed).map_err(|malformed| wrong(malformed.to_string()))?;
    let (found, pinned) = (genesis.hash, network.genesis_sha256);
    if found != pinned {
        return Err(wrong(format!("its hash is {found}, but the configuration pins {pinned}")));
    }
    genesis::verify(&signed, &genesis).map_err(|bad| wrong(bad.to_string()))?;
    Ok((signed, genesis))
}

/// The keys that sign the logs of the network that `genesis` founds, opened with the secret that
/// the configuration names.
///
/// # Errors
/// [`StartError::Unlock`], [`StartError::Key`], or [`StartError::LogKey`] when nothing is on record
/// yet and a file holds another key than the genesis pins. What was announced since, the relay
/// checks itself when it opens its journal.
pub fn read_signers(config: &config::Relay, genesis: &Genesis) -> Result<Signers, StartError> {
    let unlock = read_unlock(&config.unlock)?;
    let config::Logs { directory_key, traffic_key, next_directory_key, next_traffic_key, .. } =
        &config.logs;
    let seed = |path: &PathBuf| read_seed(path, Kind::Ed25519, &unlock);
    let seeds = Seeds {
        directory: seed(directory_key)?,
        traffic: seed(traffic_key)?,
        next_directory: next_directory_key.as_ref().map(seed).transpose()?,
        next_traffic: next_traffic_key.as_ref().map(seed).transpose()?,
    };
    let wrong = |why| log_key_error(config, why);
    let signers = Signers::unchecked(&genesis.network, &seeds).map_err(wrong)?;
    // Keys that were announced since stand in the journal; without one there are none.
    if !config.store.directory.join("journal").exists() {
        signers.check(&genesis.network, &genesis.log_keys).map_err(wrong)?;
    }
    Ok(signers)
}

/// That a key of the logs is none of theirs, with the file that it is in.
pub(crate) fn log_key_error(config: &config::Relay, why: NotPinned) -> StartError {
    let path = match why.log {
        Log::Directory => &config.logs.directory_key,
        Log::Traffic => &config.logs.traffic_key,
    };
    StartError::LogKey { path: path.clone(), why }
}

/// The policy that a configuration names, or the one that the genesis states.
///
/// # Errors
/// [`StartError::File`] or [`StartError::Policy`].
pub(crate) fn read_policy(
    network: &config::Network,
    genesis: &Genesis,
) -> Result<Policy, StartError> {
    let Some(path) = &network.policy else { return Ok(genesis::default_policy(genesis)) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| StartError::File { path: path.clone(), error })?;
    let wrong = |why: String| StartError::Policy { path: path.clone(), why };
    let policy: Policy = text.parse().map_err(|error: Unreadable| wrong(error.to_string()))?;
    for key in genesis::log_keys(&genesis.network, &genesis.log_keys) {
        if !policy.logs().iter().any(|log| log.key == key) {
            return Err(wrong(format!("it has no line \"log {key}\"")));
        }
    }
    Ok(policy)
}

/// The secret that a configuration names.
///
/// # Errors
/// [`StartError::Unlock`] or [`StartError::NoUnlock`].
pub(crate) fn read_unlock(unlock: &config::Unlock) -> Result<Unlock, StartError> {
    match (&unlock.file, &unlock.credential) {
        (Some(file), _) => Ok(Unlock::from_file(file)?),
        (None, Some(name)) => Ok(Unlock::from_credential(name)?),
        (None, None) => Err(StartError::NoUnlock),
    }
}

/// A seed of 32 bytes from a key file.
///
/// # Errors
/// [`StartError::Key`].
pub(crate) fn read_seed(
    path: &std::path::Path,
    kind: Kind,
    unlock: &Unlock,
) -> Result<Zeroizing<[u8; 32]>, StartError> {
    let wrong = |why: crate::identity::keyfile::Fault| StartError::Key {
        path: path.to_owned(),
        why: why.to_string(),
    };
    crate::identity::keyfile::read(path, kind, unlock)
        .and_then(|secret| secret.seed())
        .map_err(wrong)
}
