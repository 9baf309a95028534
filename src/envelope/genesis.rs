//! The genesis: who founds the network, and which relay its members accept.
//!
//! Not for what changes later: national authorities and keys then change only by records.

use std::collections::BTreeSet;
use std::fmt::Display;

use prost::Message as _;
use serde::{Deserialize, Serialize};

use super::form::{is_language, is_zone};
use super::read::{check, malformed, moment, text};
use super::sign::{Algorithm, GENESIS_TYPE};
use super::words::{Instrument, Role};
use super::{BadSignature, Malformed, Signature, SigningKey};
use crate::units::{Hash, MemberId, Name, Timestamp};
use crate::wire::detente::envelope::v1 as wire;

/// The only version of the rules there is.
pub const RULES_VERSION: &str = "1";

/// The largest signed genesis, in bytes: 275 members (every ISO 3166-1 code and XA to XZ) with a
/// desk of about 3,000 bytes each fit.
pub const GENESIS_BYTES_MAX: usize = 1 << 20;

/// The least number of days a member preserves (Art. 29(7)), and the most it may promise.
pub const PRESERVATION_DAYS: std::ops::RangeInclusive<u32> = 60..=3_650;

/// The longest text for people (a name, an organisation, a time zone), in bytes.
const TEXT_BYTES_MAX: usize = 200;

/// The most entries of one list within a member, a desk or a relay.
const LIST_MAX: usize = 64;

/// The largest certificate, in bytes.
const CERTIFICATE_BYTES_MAX: usize = 8 << 10;

/// The logs that tree heads are signed for.
const LOGS: [&str; 2] = ["directory", "traffic"];

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
    read(&genesis)
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
    let bytes = to_wire(genesis).encode_to_vec();
    read(&bytes)?;
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

fn read(bytes: &[u8]) -> Result<Genesis, Malformed> {
    let wire::Genesis { network, rules_version, created_ms, relay, members } =
        wire::Genesis::decode(bytes).map_err(|error| malformed("genesis", error.to_string()))?;
    check(rules_version == RULES_VERSION, "rules_version", || {
        format!("{rules_version:?} where {RULES_VERSION:?} belongs")
    })?;
    let wire::GenesisRelay { ca_certificates, log_keys } =
        relay.ok_or_else(|| malformed("relay", "absent"))?;
    check(!members.is_empty(), "members", || "there is none".to_owned())?;
    let genesis = Genesis {
        hash: hash(bytes),
        network: text("network", &network)?,
        rules_version,
        created: moment("created_ms", created_ms)?,
        relay_ca: read_ca("relay.ca_certificates", ca_certificates)?,
        log_keys: read_log_keys(log_keys)?,
        members: read_list("members", members, read_member)?,
    };
    check_order("members", genesis.members.iter().map(|member| member.id))?;
    check_keys(&genesis)?;
    Ok(genesis)
}

fn read_log_keys(keys: Vec<wire::LogKey>) -> Result<Vec<LogKey>, Malformed> {
    let field = "relay.log_keys";
    check(keys.len() <= LIST_MAX, field, || format!("more than {LIST_MAX}"))?;
    let keys = read_list(field, keys, |at, wire::LogKey { log, algorithm, public_key }| {
        check(LOGS.contains(&log.as_str()), format!("{at}.log"), || {
            format!("{log:?} is not one of {}", LOGS.join(", "))
        })?;
        Ok(LogKey { log, key: read_key(format!("{at}.public_key"), algorithm, &public_key)? })
    })?;
    for log in LOGS {
        check(keys.iter().any(|key| key.log == log), field, || format!("none for {log}"))?;
    }
    Ok(keys)
}

fn read_member(at: &str, member: wire::GenesisMember) -> Result<FoundingMember, Malformed> {
    let wire::GenesisMember {
        member_id,
        display_name,
        ca_certificates,
        national_key_algorithm,
        national_key,
        instruments,
        preservation_days_min,
        desks,
    } = member;
    let days = PRESERVATION_DAYS;
    check(days.contains(&preservation_days_min), format!("{at}.preservation_days_min"), || {
        format!("{preservation_days_min} is not {} to {} days", days.start(), days.end())
    })?;
    let field = format!("{at}.instruments");
    let read: BTreeSet<Instrument> =
        instruments.iter().map(|word| text(&field, word)).collect::<Result<_, _>>()?;
    check(!read.is_empty() && read.len() == instruments.len(), &field, || {
        "empty, or one stands twice".to_owned()
    })?;
    check((1..=LIST_MAX).contains(&desks.len()), format!("{at}.desks"), || {
        format!("{} where 1 to {LIST_MAX} belong", desks.len())
    })?;
    let member = FoundingMember {
        id: text(format!("{at}.member_id"), &member_id)?,
        display_name: read_prose(format!("{at}.display_name"), display_name)?,
        ca: read_ca(&format!("{at}.ca_certificates"), ca_certificates)?,
        national_key: read_signer(
            format!("{at}.national_key"),
            national_key_algorithm,
            &national_key,
        )?,
        instruments: read.into_iter().collect(),
        preservation_days_min,
        desks: read_list(&format!("{at}.desks"), desks, read_desk)?,
    };
    check_order(&format!("{at}.desks"), member.desks.iter().map(|desk| &desk.name))?;
    Ok(member)
}

fn read_desk(at: &str, desk: wire::GenesisDesk) -> Result<FoundingDesk, Malformed> {
    let wire::GenesisDesk {
        name,
        organisation,
        time_zone,
        languages,
        desk_key_algorithm,
        desk_key,
        encryption_keys,
        officers,
    } = desk;
    for (field, len) in [
        ("languages", languages.len()),
        ("encryption_keys", encryption_keys.len()),
        ("officers", officers.len()),
    ] {
        check((1..=LIST_MAX).contains(&len), format!("{at}.{field}"), || {
            format!("{len} where 1 to {LIST_MAX} belong")
        })?;
    }
    let desk = FoundingDesk {
        name: text(format!("{at}.name"), &name)?,
        organisation: read_prose(format!("{at}.organisation"), organisation)?,
        time_zone: read_shaped(format!("{at}.time_zone"), time_zone, is_zone)?,
        languages: read_list(&format!("{at}.languages"), languages, |at, language| {
            read_shaped(at.to_owned(), language, is_language)
        })?,
        desk_key: read_signer(format!("{at}.desk_key"), desk_key_algorithm, &desk_key)?,
        encryption_keys: read_list(
            &format!("{at}.encryption_keys"),
            encryption_keys,
            read_encryption_key,
        )?,
        officers: read_list(&format!("{at}.officers"), officers, read_officer)?,
    };
    check_order(&format!("{at}.officers"), desk.officers.iter().map(|officer| &officer.name))?;
    Ok(desk)
}

fn read_encryption_key(at: &str, key: wire::EncryptionKey) -> Result<EncryptionKey, Malformed> {
    let wire::EncryptionKey { suite, public_key, from_ms, until_ms } = key;
    check(suite == i32::from(super::seal::SUITE), format!("{at}.suite"), || {
        format!("{suite} is not a known suite")
    })?;
    let (from, until) = read_validity(at, from_ms, until_ms)?;
    EncryptionKey::new(public_key, from, until)
        .map_err(|Malformed { field, why }| malformed(format!("{at}.{field}"), why))
}

fn read_officer(at: &str, officer: wire::GenesisOfficer) -> Result<FoundingOfficer, Malformed> {
    let wire::GenesisOfficer { name, key_algorithm, key, roles, from_ms, until_ms } = officer;
    let field = format!("{at}.roles");
    let read: BTreeSet<Role> =
        roles.iter().map(|word| text(&field, word)).collect::<Result<_, _>>()?;
    check(!read.is_empty() && read.len() == roles.len(), &field, || {
        "empty, or one stands twice".to_owned()
    })?;
    let (from, until) = read_validity(at, from_ms, until_ms)?;
    Ok(FoundingOfficer {
        name: text(format!("{at}.name"), &name)?,
        key: read_signer(format!("{at}.key"), key_algorithm, &key)?,
        roles: read.into_iter().collect(),
        from,
        until,
    })
}

fn read_validity(at: &str, from: i64, until: i64) -> Result<(Timestamp, Timestamp), Malformed> {
    let from = moment(format!("{at}.from_ms"), from)?;
    let until = moment(format!("{at}.until_ms"), until)?;
    check(from < until, format!("{at}.until_ms"), || "not after from_ms".to_owned())?;
    Ok((from, until))
}

fn read_key(field: String, algorithm: i32, key: &[u8]) -> Result<PublicKey, Malformed> {
    let read = Algorithm::parse(algorithm).and_then(|algorithm| PublicKey::parse(algorithm, key));
    read.map_err(|why| malformed(field, why))
}

/// A key that signs statements or the genesis: Ed25519, because ML-DSA-44 never stands alone.
fn read_signer(field: String, algorithm: i32, key: &[u8]) -> Result<PublicKey, Malformed> {
    let key = read_key(field.clone(), algorithm, key)?;
    check(key.algorithm() == Algorithm::Ed25519, field, || "not an Ed25519 key".to_owned())?;
    Ok(key)
}

fn read_ca(field: &str, certificates: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Malformed> {
    check((1..=LIST_MAX).contains(&certificates.len()), field, || {
        format!("{} where 1 to {LIST_MAX} belong", certificates.len())
    })?;
    for (i, certificate) in certificates.iter().enumerate() {
        check((1..=CERTIFICATE_BYTES_MAX).contains(&certificate.len()), field, || {
            format!("number {i} is empty or longer than {CERTIFICATE_BYTES_MAX} bytes")
        })?;
        check(!certificates[..i].contains(certificate), field, || {
            format!("number {i} stands twice")
        })?;
    }
    Ok(certificates)
}

fn read_prose(field: String, value: String) -> Result<String, Malformed> {
    check(!value.trim().is_empty(), &field, || "absent".to_owned())?;
    check(value.len() <= TEXT_BYTES_MAX, &field, || format!("longer than {TEXT_BYTES_MAX} bytes"))?;
    super::read::check_readable(&field, &value, false)?;
    Ok(value)
}

fn read_shaped(
    field: String,
    value: String,
    is_one: fn(&str) -> bool,
) -> Result<String, Malformed> {
    let value = read_prose(field.clone(), value)?;
    check(is_one(&value), field, || format!("{value:?} is not well formed"))?;
    Ok(value)
}

fn read_list<W, T>(
    field: &str,
    list: Vec<W>,
    read: impl Fn(&str, W) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    list.into_iter().enumerate().map(|(i, item)| read(&format!("{field}[{i}]"), item)).collect()
}

/// Refuses a list that is not strictly ascending: each stands once, and there is one right order.
fn check_order<T: Ord + Display>(
    field: &str,
    names: impl Iterator<Item = T>,
) -> Result<(), Malformed> {
    let mut last: Option<T> = None;
    for name in names {
        check(last.as_ref().is_none_or(|last| *last < name), field, || {
            format!("{name} is out of order or stands twice")
        })?;
        last = Some(name);
    }
    Ok(())
}

/// Refuses a key that stands twice: each has one owner and one use.
fn check_keys(genesis: &Genesis) -> Result<(), Malformed> {
    let mut seen = BTreeSet::new();
    let mut check_new =
        |what: String, id: Hash| check(seen.insert(id), what, || format!("key {id} stands twice"));
    for key in &genesis.log_keys {
        check_new(format!("relay.log_keys of {}", key.log), key.key.id())?;
    }
    for member in &genesis.members {
        check_new(format!("national key of {}", member.id), member.national_key.id())?;
        for desk in &member.desks {
            let name = format!("{}/{}", member.id, desk.name);
            check_new(format!("desk key of {name}"), desk.desk_key.id())?;
            for key in &desk.encryption_keys {
                check_new(format!("encryption key of {name}"), key.id)?;
            }
            for officer in &desk.officers {
                check_new(format!("key of {name}/{}", officer.name), officer.key.id())?;
            }
        }
    }
    Ok(())
}

fn to_wire(genesis: &Genesis) -> wire::Genesis {
    let Genesis { hash: _, network, rules_version, created, relay_ca, log_keys, members } = genesis;
    let number = |key: &PublicKey| i32::from(key.algorithm().number());
    wire::Genesis {
        network: network.to_string(),
        rules_version: rules_version.clone(),
        created_ms: created.0,
        relay: Some(wire::GenesisRelay {
            ca_certificates: relay_ca.clone(),
            log_keys: log_keys
                .iter()
                .map(|LogKey { log, key }| wire::LogKey {
                    log: log.clone(),
                    algorithm: number(key),
                    public_key: key.as_bytes().to_vec(),
                })
                .collect(),
        }),
        members: members
            .iter()
            .map(|member| wire::GenesisMember {
                member_id: member.id.to_string(),
                display_name: member.display_name.clone(),
                ca_certificates: member.ca.clone(),
                national_key_algorithm: number(&member.national_key),
                national_key: member.national_key.as_bytes().to_vec(),
                instruments: member.instruments.iter().map(ToString::to_string).collect(),
                preservation_days_min: member.preservation_days_min,
                desks: member.desks.iter().map(desk_to_wire).collect(),
            })
            .collect(),
    }
}

fn desk_to_wire(desk: &FoundingDesk) -> wire::GenesisDesk {
    let number = |key: &PublicKey| i32::from(key.algorithm().number());
    wire::GenesisDesk {
        name: desk.name.to_string(),
        organisation: desk.organisation.clone(),
        time_zone: desk.time_zone.clone(),
        languages: desk.languages.clone(),
        desk_key_algorithm: number(&desk.desk_key),
        desk_key: desk.desk_key.as_bytes().to_vec(),
        encryption_keys: desk
            .encryption_keys
            .iter()
            .map(|key| wire::EncryptionKey {
                suite: i32::from(super::seal::SUITE),
                public_key: key.key.clone(),
                from_ms: key.from.0,
                until_ms: key.until.0,
            })
            .collect(),
        officers: desk
            .officers
            .iter()
            .map(|officer| wire::GenesisOfficer {
                name: officer.name.to_string(),
                key_algorithm: number(&officer.key),
                key: officer.key.as_bytes().to_vec(),
                roles: officer.roles.iter().map(ToString::to_string).collect(),
                from_ms: officer.from.0,
                until_ms: officer.until.0,
            })
            .collect(),
    }
}
