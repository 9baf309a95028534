//! By whom a head is believed, from arguments: a genesis, keys, a policy.
//!
//! Not for believing the genesis itself: compare its hash, which is printed, over another channel.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::audit::Trust;
use crate::cli::{Exit, Failure};
use crate::envelope::genesis::{self, Genesis};
use crate::tlog::{Policy, VerifierKey};
use crate::units::Hash;

/// Whose signatures are believed. At least one of the first three; each that is given must be met.
#[derive(Debug, Args)]
pub(super) struct TrustArguments {
    /// The network's genesis: its log keys sign heads. Without a policy it is told, not asked,
    /// whether its committee of witnesses has cosigned: more than two thirds of it.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["key", "policy"])]
    genesis: Option<PathBuf>,
    /// The hash that the genesis must have.
    #[arg(long, value_name = "HASH", requires = "genesis")]
    genesis_sha256: Option<Hash>,
    /// The log's verifier key (C2SP vkey): NAME+ID+KEY. May be given more than once.
    #[arg(long, value_name = "VKEY")]
    key: Vec<VerifierKey>,
    /// A policy (C2SP tlog-policy): which logs, which witnesses, how many of them.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

impl TrustArguments {
    /// Whatever this policy accepts.
    pub(super) fn of_policy(path: &Path) -> Self {
        let policy = Some(path.to_owned());
        Self { genesis: None, genesis_sha256: None, key: Vec::new(), policy }
    }

    /// The genesis, verified, where it is given.
    pub(super) fn genesis(&self) -> Result<Option<Genesis>, Failure> {
        let path = self.genesis.as_ref();
        path.map(|path| read_genesis(path, self.genesis_sha256)).transpose()
    }

    pub(super) fn read(&self) -> Result<Trust, Failure> {
        let mut keys = self.key.clone();
        let mut committee = None;
        if let (Some(path), Some(genesis)) = (&self.genesis, self.genesis()?) {
            let log_keys = Trust::log_keys(&genesis);
            if log_keys.is_empty() {
                return Err(unusable("--genesis", path, "it pins no keys of logs"));
            }
            keys.extend(log_keys);
            committee = self.policy.is_none().then(|| genesis::default_policy(&genesis));
        }
        let policy = self.policy.as_ref().map(|path| {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|error| unusable("--policy", path, error))?;
            text.parse::<Policy>().map_err(|bad| unusable("--policy", path, bad))
        });
        let trust = Trust::new(&keys, policy.transpose()?)
            .map_err(|bad| Failure::value("--key", bad, "give each log and its key once"))?;
        Ok(match committee {
            Some(committee) => trust.telling_of(committee),
            None => trust,
        })
    }
}

fn read_genesis(path: &Path, pinned: Option<Hash>) -> Result<Genesis, Failure> {
    let signed = std::fs::read(path).map_err(|error| unusable("--genesis", path, error))?;
    let parsed = genesis::parse(&signed).map_err(|bad| unusable("--genesis", path, bad))?;
    let unverified = |why: String| {
        let next = "get the genesis again, and its hash over another channel";
        let what = "the genesis is not believed";
        Failure::new(Exit::Unverified, "C-414", what, why, next)
    };
    genesis::verify(&signed, &parsed).map_err(|bad| unverified(bad.to_string()))?;
    match pinned {
        Some(pinned) if pinned != parsed.hash => {
            Err(unverified(format!("{} has the hash {}", path.display(), parsed.hash)))
        }
        Some(_) | None => Ok(parsed),
    }
}

fn unusable(flag: &str, path: &Path, why: impl std::fmt::Display) -> Failure {
    let why = format!("{}: {why}", path.display());
    let next = "give a file that can be read and is what the argument asks for";
    let what = "what a head is to be believed by cannot be used";
    Failure::new(Exit::Usage, "C-413", what, &why, next).field(flag, why)
}
