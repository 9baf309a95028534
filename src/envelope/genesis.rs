//! The genesis: who founds the network, and which relay its members accept.
//!
//! Not for what changes later: national authorities and keys then change only by records.

use serde::{Deserialize, Serialize};

use super::words::{Instrument, Role};
use crate::units::{Hash, MemberId, Name, Timestamp};

/// A genesis, read and checked for form. Signatures are checked by [`verify_genesis`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// SHA-256("detente/genesis/v1\0" || bytes): what every configuration pins.
    pub hash: Hash,
    /// The network's name, second half of every trust domain.
    pub network: Name,
    /// Version of the rules.
    pub rules_version: String,
    /// When it was drawn up.
    pub created: Timestamp,
    /// Certificates (DER) of the authority that issues the relay's certificate.
    pub relay_ca: Vec<Vec<u8>>,
    /// Keys that sign the heads of the logs.
    pub log_keys: Vec<LogKey>,
    /// The founding members, in order of their ids.
    pub members: Vec<FoundingMember>,
}

/// A key that signs tree heads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogKey {
    /// "directory" or "traffic".
    pub log: String,
    /// Public key.
    pub key: PublicKey,
}

/// A signature key, public half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PublicKey {
    /// Ed25519, 32 bytes.
    Ed25519([u8; 32]),
    /// ML-DSA-44, 1,312 bytes.
    MlDsa44(Vec<u8>),
}

/// A founding member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundingMember {
    /// Its id.
    pub id: MemberId,
    /// Its name, for people.
    pub display_name: String,
    /// Certificates (DER) of its own authority.
    pub ca: Vec<Vec<u8>>,
    /// The national key.
    pub national_key: PublicKey,
    /// Declared instruments, in order.
    pub instruments: Vec<Instrument>,
    /// How long it preserves when asked, at least, in days; 60 or more (Art. 29(7)).
    pub preservation_days_min: u32,
    /// Its desks, in order of their names.
    pub desks: Vec<FoundingDesk>,
}

/// A desk of a founding member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundingDesk {
    /// Its name.
    pub name: Name,
    /// Organisation.
    pub organisation: String,
    /// IANA time zone.
    pub time_zone: String,
    /// BCP 47 tags.
    pub languages: Vec<String>,
    /// The machine key.
    pub desk_key: PublicKey,
    /// Keys to which bodies are sealed.
    pub encryption_keys: Vec<EncryptionKey>,
    /// Officers, in order of their names.
    pub officers: Vec<FoundingOfficer>,
}

/// A key to which bodies are sealed (suite 1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptionKey {
    /// Its id.
    pub id: Hash,
    /// Public key, 1,216 bytes.
    pub key: Vec<u8>,
    /// Valid from.
    pub from: Timestamp,
    /// Valid until (exclusive).
    pub until: Timestamp,
}

/// An officer of a desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundingOfficer {
    /// Name.
    pub name: Name,
    /// Signing key.
    pub key: PublicKey,
    /// What they may sign.
    pub roles: Vec<Role>,
    /// Valid from.
    pub from: Timestamp,
    /// Valid until (exclusive).
    pub until: Timestamp,
}
