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

use crate::config;
use crate::envelope::genesis::{self, Genesis};
use crate::identity::{Unlock, unlock};

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
fn read_genesis(network: &config::Network) -> Result<(Vec<u8>, Genesis), StartError> {
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

fn read_unlock(unlock: &config::Unlock) -> Result<Unlock, StartError> {
    match (&unlock.file, &unlock.credential) {
        (Some(file), _) => Ok(Unlock::from_file(file)?),
        (None, Some(name)) => Ok(Unlock::from_credential(name)?),
        (None, None) => Err(StartError::NoUnlock),
    }
}

/// A seed of 32 bytes from a key file.
fn read_seed(
    path: &std::path::Path,
    kind: crate::identity::keyfile::Kind,
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
