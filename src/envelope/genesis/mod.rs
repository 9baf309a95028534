//! The genesis: who founds the network, and which relay its members accept.
//!
//! Not for what changes later: national authorities and keys then change only by records.

mod logs;
pub(super) mod parse;
mod policy;
pub(super) mod render;
mod succession;

pub use logs::{log_key_name, log_origin, log_verifier};

use prost::Message as _;
use serde::{Deserialize, Serialize};

use super::read::{check, malformed};
use super::sign::GENESIS_TYPE;
use super::words::{Instrument, Role};
use super::{BadSignature, Malformed, Signature, SigningKey};
use crate::units::{Hash, MemberId, Name, Timestamp};
use crate::wire::detente::envelope::v1 as wire;
pub use policy::{
    COMMITTEE_MAX, default_policy, keys_of_log, log_key, log_keys, witness_key, witness_key_name,
};
pub use succession::{Announcement, BadAnnouncement, SUCCESSION_MAX};

/// The only version of the rules there is.
pub const RULES_VERSION: &str = "1";

/// The largest signed genesis, in bytes: 275 members (every ISO 3166-1 code and XA to XZ) with a
/// desk of about 3,000 bytes each fit.
pub const GENESIS_BYTES_MAX: usize = 1 << 20;

/// The least number of days a member preserves (Art. 29(7)), and the most it may promise.
pub const PRESERVATION_DAYS: std::ops::RangeInclusive<u32> = 60..=3_650;

/// Label of a genesis's hash.
const GENESIS_LABEL: &[u8] = b"detente/genesis/v1\0";

/// A genesis, read and checked for form. Signatures are checked by [`verify`].
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
    /// The key with which it cosigns the heads of the logs, Ed25519; none where it is no witness.
    pub witness_key: Option<PublicKey>,
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

/// Reads a signed genesis. Its signatures are for [`verify`].
///
/// # Errors
/// When a field is absent or not what it should be, a list is not in order, or a key stands twice.
pub fn parse(signed: &[u8]) -> Result<Genesis, Malformed> {
    let (genesis, _) = split(signed)?;
    parse::read(&genesis)
}

/// Proves that every founding member signed with its national key, and nobody else did.
///
/// # Errors
/// When a signature is absent, does not verify, or there is one too many.
pub fn verify(signed: &[u8], genesis: &Genesis) -> Result<(), BadSignature> {
    let (bytes, signatures) = split(signed).map_err(|_| BadSignature::Unreadable)?;
    if hash(&bytes) != genesis.hash {
        return Err(BadSignature::Unreadable);
    }
    for member in &genesis.members {
        member.national_key.verify(GENESIS_TYPE, &bytes, &signatures)?;
    }
    let strange = signatures
        .iter()
        .find(|made| genesis.members.iter().all(|m| m.national_key.id() != made.key_id));
    match strange {
        Some(made) => Err(BadSignature::OtherKey { key: made.key_id }),
        None => Ok(()),
    }
}

/// The bytes of a genesis, which every founding member signs. `hash` and the ids of encryption keys
/// are not read: they follow from the rest.
///
/// # Errors
/// When they would not read as a genesis.
pub fn render(genesis: &Genesis) -> Result<Vec<u8>, Malformed> {
    let bytes = render::to_wire(genesis).encode_to_vec();
    parse::read(&bytes)?;
    Ok(bytes)
}

/// One founding member's signature over the bytes of a genesis.
pub fn sign(genesis: &[u8], by: &SigningKey) -> Signature {
    by.sign(GENESIS_TYPE, genesis)
}

/// The signed genesis of these bytes and signatures.
pub fn assemble(genesis: Vec<u8>, signatures: &[Signature]) -> Vec<u8> {
    let signatures = signatures.iter().map(Signature::to_wire).collect();
    wire::SignedGenesis { genesis, signatures }.encode_to_vec()
}

/// The hash of the bytes of a genesis, which every configuration pins.
pub fn hash(genesis: &[u8]) -> Hash {
    Hash::of(&[GENESIS_LABEL, genesis])
}

/// The bytes of a genesis and its signatures so far; neither is checked beyond its form.
///
/// # Errors
/// When it is not a signed genesis.
pub fn split(signed: &[u8]) -> Result<(Vec<u8>, Vec<Signature>), Malformed> {
    check(signed.len() <= GENESIS_BYTES_MAX, "signed", || {
        format!("{} bytes where at most {GENESIS_BYTES_MAX} belong", signed.len())
    })?;
    let wire::SignedGenesis { genesis, signatures } = wire::SignedGenesis::decode(signed)
        .map_err(|error| malformed("signed", error.to_string()))?;
    let signatures = signatures
        .into_iter()
        .enumerate()
        .map(|(i, signature)| Signature::from_wire(&format!("signatures[{i}]"), signature))
        .collect::<Result<_, _>>()?;
    Ok((genesis, signatures))
}
