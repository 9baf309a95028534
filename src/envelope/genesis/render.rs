//! Rendering a genesis into the message that is signed.
//!
//! Not for checking it: what is rendered is read again before anybody signs.

use super::{EncryptionKey, FoundingDesk, FoundingOfficer, Genesis, LogKey, PublicKey};
use crate::envelope::cipher::SUITE;
use crate::wire::detente::envelope::v1 as wire;

/// The message of a genesis.
pub(super) fn to_wire(genesis: &Genesis) -> wire::Genesis {
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
        encryption_keys: desk.encryption_keys.iter().map(encryption_key_to_wire).collect(),
        officers: desk.officers.iter().map(officer_to_wire).collect(),
        witness_key: witness_to_wire(desk.witness_key.as_ref()),
    }
}

/// The message of a key to which bodies are sealed.
pub(in crate::envelope) fn encryption_key_to_wire(key: &EncryptionKey) -> wire::EncryptionKey {
    let EncryptionKey { id: _, key, from, until } = key;
    wire::EncryptionKey {
        suite: i32::from(SUITE),
        public_key: key.clone(),
        from_ms: from.0,
        until_ms: until.0,
    }
}

/// The field of a witness's key.
pub(in crate::envelope) fn witness_to_wire(key: Option<&PublicKey>) -> Vec<u8> {
    key.map(|key| key.as_bytes().to_vec()).unwrap_or_default()
}

/// The message of an officer.
pub(in crate::envelope) fn officer_to_wire(officer: &FoundingOfficer) -> wire::GenesisOfficer {
    let FoundingOfficer { name, key, roles, from, until } = officer;
    wire::GenesisOfficer {
        name: name.to_string(),
        key_algorithm: i32::from(key.algorithm().number()),
        key: key.as_bytes().to_vec(),
        roles: roles.iter().map(ToString::to_string).collect(),
        from_ms: from.0,
        until_ms: until.0,
    }
}
