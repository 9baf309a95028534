//! Whose heads are believed: the log's keys, and a policy where witnesses are asked for.
//!
//! Not for where keys come from: whoever verifies brings them, by a way that is not the log's own.

use crate::codec::Log;
use crate::envelope::genesis::Genesis;
use crate::tlog::log_proof::Unproven;
use crate::tlog::note::BadNote;
use crate::tlog::policy::{Unmet, Witnessed};
use crate::tlog::proof::check_inclusion;
use crate::tlog::{Checkpoint, LogProof, Note, Policy, VerifierKey};
use crate::units::{Hash, Unreadable};

/// Nothing was brought by which a head could be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither a log's key nor a policy is given, so no head can be believed")]
pub struct NoTrust;

/// What a head must satisfy: every one of these policies.
#[derive(Debug, Clone)]
pub struct Trust {
    policies: Vec<Policy>,
    /// Whose witnesses are told of, and not asked for.
    told: Option<Policy>,
}

/// What witnesses say of a head that is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quorum {
    /// It has the one that was asked for.
    Met,
    /// It has that of the network's own committee, which was not asked for.
    Had,
    /// It lacks that of the network's own committee, which was not asked for: the log alone vouches
    /// for it.
    Lacked,
    /// None was asked for, and no committee is known.
    Unknown,
}

/// A head that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The known witnesses that have cosigned it, and when, in seconds since 1970.
    pub witnessed: Vec<(String, u64)>,
    /// How many are known.
    pub witnesses: usize,
    /// Whether they are enough.
    pub quorum: Quorum,
}

impl Trust {
    /// Heads signed by one of `keys` and accepted by `policy`, whichever are given.
    ///
    /// # Errors
    /// [`NoTrust`] when neither is; unreadable when the keys do not make a policy: one twice, or
    /// more than there may be.
    pub fn new(keys: &[VerifierKey], policy: Option<Policy>) -> Result<Self, Unreadable> {
        let mut policies = Vec::new();
        if !keys.is_empty() {
            let lines: String = keys.iter().map(|key| format!("log {key}\n")).collect();
            policies.push(format!("{lines}quorum none\n").parse()?);
        }
        policies.extend(policy);
        if policies.is_empty() {
            return Err(Unreadable::new("trust", NoTrust.to_string()));
        }
        Ok(Self { policies, told: None })
    }

    /// The same, and what the witnesses of `committee` say is told.
    #[must_use]
    pub fn telling_of(self, committee: Policy) -> Self {
        let has_any = committee.witnesses().next().is_some();
        Self { told: has_any.then_some(committee), ..self }
    }

    /// Proves that a head is signed and witnessed as it must be.
    ///
    /// # Errors
    /// [`Unmet`], naming the first thing that is missing or wrong.
    pub fn check(&self, note: &Note) -> Result<Accepted, Unmet> {
        let checkpoint = note.text().parse().map_err(Unmet::Unreadable)?;
        let (mut witnessed, mut witnesses) = (Vec::new(), 0);
        let mut add = |policy: &Policy, seen: Witnessed<'_>| {
            witnesses += policy.witnesses().count();
            witnessed.extend(seen.into_iter().map(|(name, at)| (name.to_owned(), at)));
        };
        let mut quorum = Quorum::Unknown;
        for policy in &self.policies {
            let (_, seen) = policy.check(note)?;
            add(policy, seen);
            if policy.asks() {
                quorum = Quorum::Met;
            }
        }
        if let Some(policy) = &self.told {
            let seen = policy.witnessed(note)?;
            let enough = policy.is_quorum(&seen.iter().map(|(name, _)| *name).collect());
            quorum = if enough { Quorum::Had } else { Quorum::Lacked };
            add(policy, seen);
        }
        Ok(Accepted { checkpoint, witnessed, witnesses, quorum })
    }

    /// True of a witness that is asked for or told of.
    pub fn knows(&self, witness: &VerifierKey) -> bool {
        let known = self.policies.iter().chain(&self.told);
        known.flat_map(Policy::witnesses).any(|known| known.key == witness)
    }

    /// Proves that the log of `origin` has signed a head; no witness is asked for.
    ///
    /// # Errors
    /// When it has not.
    pub fn check_signed(&self, note: &Note, origin: &str) -> Result<(), BadNote> {
        self.policies.iter().try_for_each(|policy| {
            let keys = policy.logs().iter().map(|log| &log.key);
            note.verify(keys.filter(|key| key.name().as_str() == origin)).map(drop)
        })
    }

    /// Proves that the leaf with this hash is in a log whose head is believed.
    ///
    /// # Errors
    /// [`Unproven`], naming the first step that fails.
    pub fn check_proof(&self, proof: &LogProof, leaf: &Hash) -> Result<Accepted, Unproven> {
        let accepted = self.check(&proof.checkpoint).map_err(Unproven::Unmet)?;
        let (size, root) = (accepted.checkpoint.size(), accepted.checkpoint.root());
        check_inclusion(leaf, proof.index, size, &root, &proof.hashes)
            .map_err(Unproven::NotIncluded)?;
        Ok(accepted)
    }

    /// The keys of the logs that a genesis founds, as far as it pins any.
    pub fn log_keys(genesis: &Genesis) -> Vec<VerifierKey> {
        let logs = [Log::Directory, Log::Traffic];
        logs.into_iter().filter_map(|log| genesis.log_verifier(log.as_str())).collect()
    }
}
