//! Reading a genesis: every field checked, every list in its one right order, every key once.
//!
//! Not for its signatures.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use prost::Message as _;

use super::{
    EncryptionKey, FoundingDesk, FoundingMember, FoundingOfficer, Genesis, LogKey,
    PRESERVATION_DAYS, PublicKey, RULES_VERSION, hash,
};
use crate::envelope::Malformed;
use crate::envelope::cipher::SUITE;
use crate::envelope::form::{is_language, is_zone};
use crate::envelope::read::{check, check_readable, malformed, moment, text};
use crate::envelope::sign::Algorithm;
use crate::envelope::words::{Instrument, Role};
use crate::units::{Hash, Timestamp, Unreadable};
use crate::wire::detente::envelope::v1 as wire;

/// The longest text for people (a name, an organisation, a time zone), in bytes.
const TEXT_BYTES_MAX: usize = 200;

/// The most entries of one list within a member, a desk or a relay.
const LIST_MAX: usize = 64;

/// The largest certificate, in bytes.
const CERTIFICATE_BYTES_MAX: usize = 8 << 10;

/// The logs that tree heads are signed for.
const LOGS: [&str; 2] = ["directory", "traffic"];

/// Reads the bytes of a genesis.
pub(super) fn read(bytes: &[u8]) -> Result<Genesis, Malformed> {
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
    let instruments: Vec<Instrument> =
        read_words(&format!("{at}.instruments"), &instruments, true)?;
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
        instruments,
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
        witness_key,
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
        witness_key: read_witness(format!("{at}.witness_key"), &witness_key)?,
    };
    check_order(&format!("{at}.officers"), desk.officers.iter().map(|officer| &officer.name))?;
    Ok(desk)
}

pub(in crate::envelope) fn read_encryption_key(
    at: &str,
    key: wire::EncryptionKey,
) -> Result<EncryptionKey, Malformed> {
    let wire::EncryptionKey { suite, public_key, from_ms, until_ms } = key;
    check(suite == i32::from(SUITE), format!("{at}.suite"), || {
        format!("{suite} is not a known suite")
    })?;
    let (from, until) = read_validity(at, from_ms, until_ms)?;
    EncryptionKey::new(public_key, from, until)
        .map_err(|Malformed { field, why }| malformed(format!("{at}.{field}"), why))
}

pub(in crate::envelope) fn read_officer(
    at: &str,
    officer: wire::GenesisOfficer,
) -> Result<FoundingOfficer, Malformed> {
    let wire::GenesisOfficer { name, key_algorithm, key, roles, from_ms, until_ms } = officer;
    let roles: Vec<Role> = read_words(&format!("{at}.roles"), &roles, true)?;
    let (from, until) = read_validity(at, from_ms, until_ms)?;
    Ok(FoundingOfficer {
        name: text(format!("{at}.name"), &name)?,
        key: read_signer(format!("{at}.key"), key_algorithm, &key)?,
        roles,
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
pub(in crate::envelope) fn read_signer(
    field: String,
    algorithm: i32,
    key: &[u8],
) -> Result<PublicKey, Malformed> {
    let key = read_key(field.clone(), algorithm, key)?;
    check(key.algorithm() == Algorithm::Ed25519, field, || "not an Ed25519 key".to_owned())?;
    Ok(key)
}

/// The key of a witness, Ed25519; none when it is empty.
pub(in crate::envelope) fn read_witness(
    field: String,
    key: &[u8],
) -> Result<Option<PublicKey>, Malformed> {
    if key.is_empty() {
        return Ok(None);
    }
    let read = PublicKey::parse(Algorithm::Ed25519, key);
    read.map(Some).map_err(|why| malformed(field, why))
}

pub(in crate::envelope) fn read_ca(
    field: &str,
    certificates: Vec<Vec<u8>>,
) -> Result<Vec<Vec<u8>>, Malformed> {
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

pub(in crate::envelope) fn read_prose(field: String, value: String) -> Result<String, Malformed> {
    check(!value.trim().is_empty(), &field, || "absent".to_owned())?;
    check(value.len() <= TEXT_BYTES_MAX, &field, || format!("longer than {TEXT_BYTES_MAX} bytes"))?;
    check_readable(&field, &value, false)?;
    Ok(value)
}

pub(in crate::envelope) fn read_shaped(
    field: String,
    value: String,
    is_one: fn(&str) -> bool,
) -> Result<String, Malformed> {
    let value = read_prose(field.clone(), value)?;
    check(is_one(&value), field, || format!("{value:?} is not well formed"))?;
    Ok(value)
}

pub(in crate::envelope) fn read_list<W, T>(
    field: &str,
    list: Vec<W>,
    read: impl Fn(&str, W) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    list.into_iter().enumerate().map(|(i, item)| read(&format!("{field}[{i}]"), item)).collect()
}

/// Words of a list, each once, put into their order; empty only where that is not `needed`.
pub(in crate::envelope) fn read_words<T: FromStr<Err = Unreadable> + Ord>(
    field: &str,
    words: &[String],
    needed: bool,
) -> Result<Vec<T>, Malformed> {
    let read: BTreeSet<T> = words.iter().map(|word| text(field, word)).collect::<Result<_, _>>()?;
    check((!read.is_empty() || !needed) && read.len() == words.len(), field, || {
        "empty, or one stands twice".to_owned()
    })?;
    Ok(read.into_iter().collect())
}

/// Refuses a list that is not strictly ascending: each stands once, and there is one right order.
pub(in crate::envelope) fn check_order<T: Ord + Display>(
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
            if let Some(key) = &desk.witness_key {
                check_new(format!("witness key of {name}"), key.id())?;
            }
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
