//! The keys of the network's logs and witnesses as C2SP formats name them, and the policy by which
//! a head is believed where no file says otherwise.
//!
//! Not for checking anything against it (see `tlog::policy`), and not for the keys of witnesses
//! that entries state later: the policy changes only with the genesis or with a file.

use super::{Genesis, LogKey, PublicKey, log_origin};
use crate::tlog::note::{KeyName, Kind};
use crate::tlog::{Policy, VerifierKey};
use crate::units::{DeskId, Name};

/// The most witnesses of the default policy: verifiers need only take 16 signature lines (C2SP
/// signed-note).
pub const COMMITTEE_MAX: usize = 16;

/// The key of a log under the name that its notes have, "detente-dev/traffic", which is its origin.
/// None for a key that signs no checkpoints: only Ed25519 does (C2SP tlog-checkpoint).
pub fn log_key(network: &Name, key: &LogKey) -> Option<VerifierKey> {
    verifier(&log_origin(network, &key.log), Kind::Ed25519, &key.key)
}

/// The keys that a log has had by these, the oldest first.
pub fn keys_of_log(network: &Name, keys: &[LogKey], log: &str) -> Vec<VerifierKey> {
    let keys = keys.iter().filter(|key| key.log == log);
    keys.filter_map(|key| log_key(network, key)).collect()
}

/// The keys that sign heads of the logs of a network.
pub fn log_keys(network: &Name, keys: &[LogKey]) -> Vec<VerifierKey> {
    keys.iter().filter_map(|key| log_key(network, key)).collect()
}

/// The name of a desk's witness key, "detente-dev/witness/NL/cyber".
///
/// # Panics
/// Never: a network's name and a desk's have at most 32 bytes each, without spaces.
pub fn witness_key_name(network: &Name, desk: &DeskId) -> KeyName {
    format!("{network}/witness/{desk}").parse().expect("names are short and have no spaces")
}

/// The witness key of a desk under its name; none for one that is not Ed25519.
pub fn witness_key(network: &Name, desk: &DeskId, key: &PublicKey) -> Option<VerifierKey> {
    verifier(witness_key_name(network, desk).as_str(), Kind::Ed25519Cosignature, key)
}

/// The policy where no file says otherwise: both logs, and more than two thirds of a committee,
/// the first desk with a witness key of each of the first 16 members that have one, in order of
/// their ids. Without any witness it asks for none.
///
/// # Panics
/// Never: each key stands once in a genesis, and names are those of desks.
pub fn default_policy(genesis: &Genesis) -> Policy {
    let network = &genesis.network;
    let mut text = String::new();
    for key in log_keys(network, &genesis.log_keys) {
        text.push_str(&format!("log {key}\n"));
    }
    let witnesses = genesis.members.iter().filter_map(|member| {
        member.desks.iter().find_map(|desk| {
            let id = DeskId { member: member.id, name: desk.name.clone() };
            let key = witness_key(network, &id, desk.witness_key.as_ref()?)?;
            Some((id, key))
        })
    });
    let mut committee = Vec::new();
    for (id, key) in witnesses.take(COMMITTEE_MAX) {
        text.push_str(&format!("witness {id} {key}\n"));
        committee.push(id.to_string());
    }
    match committee.len() {
        0 => text.push_str("quorum none\n"),
        n => {
            let (k, names) = (2 * n / 3 + 1, committee.join(" "));
            text.push_str(&format!("group committee {k} {names}\nquorum committee\n"));
        }
    }
    text.parse().expect("every key and every desk stands once")
}

fn verifier(name: &str, kind: Kind, key: &PublicKey) -> Option<VerifierKey> {
    match key {
        PublicKey::Ed25519(bytes) => VerifierKey::new(name.parse().ok()?, kind, bytes).ok(),
        PublicKey::MlDsa44(_) => None,
    }
}
