//! Rendering an entry into the message that is signed.
//!
//! Not for checking it: what is rendered is read again before anybody signs.

use super::{Entry, EntryDesk, Hours, Language};
use crate::envelope::genesis::PublicKey;
use crate::envelope::genesis::render::{encryption_key_to_wire, officer_to_wire, witness_to_wire};
use crate::wire::detente::envelope::v1 as wire;

fn number(key: &PublicKey) -> i32 {
    i32::from(key.algorithm().number())
}

fn words<T: ToString>(words: &[T]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

impl Entry {
    /// Its message: what was signed, or of version 0 what would be.
    pub fn to_wire(&self) -> wire::Entry {
        to_wire(self)
    }
}

/// The message of an entry.
pub(super) fn to_wire(entry: &Entry) -> wire::Entry {
    let Entry {
        hash: _,
        message,
        member,
        version,
        previous,
        created,
        not_after,
        display_name,
        instruments,
        preservation_days_min,
        preservation_days_max,
        ca,
        national_key,
        desks,
    } = entry;
    wire::Entry {
        message_id: message.0.to_vec(),
        member_id: member.to_string(),
        version: *version,
        previous_sha256: previous.0.to_vec(),
        created_ms: created.0,
        not_after_ms: not_after.0,
        display_name: display_name.clone(),
        instruments: words(instruments),
        preservation_days_min: *preservation_days_min,
        preservation_days_max: preservation_days_max.unwrap_or(0),
        ca_certificates: ca.clone(),
        national_key_algorithm: number(national_key),
        national_key: national_key.as_bytes().to_vec(),
        desks: desks.iter().map(desk_to_wire).collect(),
    }
}

fn desk_to_wire(desk: &EntryDesk) -> wire::EntryDesk {
    let EntryDesk {
        name,
        organisation,
        unit,
        kind,
        roles,
        executes,
        hours,
        languages,
        formal_confirmation_required,
        desk_key,
        encryption_keys,
        officers,
        restricted,
        witness_key,
    } = desk;
    wire::EntryDesk {
        name: name.to_string(),
        organisation: organisation.clone(),
        unit: unit.clone(),
        kind: kind.to_string(),
        roles: words(roles),
        executes: words(executes),
        hours: Some(hours.to_wire()),
        languages: languages.iter().map(Language::to_wire).collect(),
        formal_confirmation_required: *formal_confirmation_required,
        desk_key_algorithm: number(desk_key),
        desk_key: desk_key.as_bytes().to_vec(),
        encryption_keys: encryption_keys.iter().map(encryption_key_to_wire).collect(),
        officers: officers.iter().map(officer_to_wire).collect(),
        restricted_commitment: restricted.map(|hash| hash.0.to_vec()).unwrap_or_default(),
        witness_key: witness_to_wire(witness_key.as_ref()),
    }
}

impl Hours {
    /// Its message.
    pub fn to_wire(&self) -> wire::EntryHours {
        let Self { kind, time_zone, office, weekend, holidays } = self;
        let (from, until) = office.unwrap_or_default();
        wire::EntryHours {
            kind: kind.to_string(),
            time_zone: time_zone.clone(),
            office_from_minute: u32::from(from),
            office_until_minute: u32::from(until),
            weekend_days: words(weekend),
            public_holidays: holidays
                .iter()
                .map(|day| wire::EntryHoliday { date: day.date.clone(), name: day.name.clone() })
                .collect(),
        }
    }
}

impl Language {
    /// Its message.
    pub fn to_wire(&self) -> wire::EntryLanguage {
        let Self { tag, level, formal } = self;
        wire::EntryLanguage { tag: tag.clone(), level: level.to_string(), formal: *formal }
    }
}
