//! Reading an entry: every field checked, every list in its one right order, every key once.
//!
//! Not for its signature, and not for what only the directory can tell (version, previous hash).

use std::collections::BTreeSet;

use prost::Message as _;

use super::words::HoursKind;
use super::{Entry, EntryDesk, HOLIDAYS_MAX, Holiday, Hours, LIST_MAX, Language, hash};
use crate::envelope::Malformed;
use crate::envelope::form::{is_date, is_language, is_zone};
use crate::envelope::genesis::parse::{
    check_order, read_ca, read_encryption_key, read_list, read_officer, read_prose, read_shaped,
    read_signer, read_witness, read_words,
};
use crate::envelope::genesis::{PRESERVATION_DAYS, PublicKey};
use crate::envelope::read::{check, check_readable, malformed, moment, text};
use crate::units::{Hash, MessageId};
use crate::wire::detente::envelope::v1 as wire;

/// Minutes of a day.
const DAY_MINUTES: u32 = 24 * 60;

/// Reads the bytes of an entry.
pub(super) fn read(bytes: &[u8]) -> Result<Entry, Malformed> {
    let message =
        wire::Entry::decode(bytes).map_err(|error| malformed("entry", error.to_string()))?;
    check(message.version >= 1, "entry.version", || "versions are counted from 1".to_owned())?;
    from_wire(message, hash(bytes))
}

/// Reads the message of an entry, or of what the genesis says.
pub(super) fn from_wire(message: wire::Entry, hash: Hash) -> Result<Entry, Malformed> {
    let wire::Entry {
        message_id,
        member_id,
        version,
        previous_sha256,
        created_ms,
        not_after_ms,
        display_name,
        instruments,
        preservation_days_min,
        preservation_days_max,
        ca_certificates,
        national_key_algorithm,
        national_key,
        desks,
    } = message;
    let at = "entry";
    check((1..=LIST_MAX).contains(&desks.len()), "entry.desks", || {
        format!("{} where 1 to {LIST_MAX} belong", desks.len())
    })?;
    let entry = Entry {
        hash,
        message: MessageId::from_slice(&message_id)
            .map_err(|error| malformed("entry.message_id", error.to_string()))?,
        member: text("entry.member_id", &member_id)?,
        version,
        previous: Hash::from_slice(&previous_sha256)
            .map_err(|error| malformed("entry.previous_sha256", error.to_string()))?,
        created: moment("entry.created_ms", created_ms)?,
        not_after: moment("entry.not_after_ms", not_after_ms)?,
        display_name: read_prose("entry.display_name".to_owned(), display_name)?,
        instruments: read_words(&format!("{at}.instruments"), &instruments, true)?,
        preservation_days_min,
        preservation_days_max: (preservation_days_max != 0).then_some(preservation_days_max),
        ca: read_ca("entry.ca_certificates", ca_certificates)?,
        national_key: read_signer(
            "entry.national_key".to_owned(),
            national_key_algorithm,
            &national_key,
        )?,
        desks: read_list("entry.desks", desks, read_desk)?,
    };
    check_days(&entry)?;
    check_order("entry.desks", entry.desks.iter().map(|desk| &desk.name))?;
    check_keys(&entry)?;
    Ok(entry)
}

fn check_days(entry: &Entry) -> Result<(), Malformed> {
    let (days, min) = (PRESERVATION_DAYS, entry.preservation_days_min);
    check(days.contains(&min), "entry.preservation_days_min", || {
        format!("{min} is not {} to {} days", days.start(), days.end())
    })?;
    match entry.preservation_days_max {
        Some(max) if max < min || max > *days.end() => Err(malformed(
            "entry.preservation_days_max",
            format!("{max} is not {min} to {} days", days.end()),
        )),
        Some(_) | None => Ok(()),
    }
}

fn read_desk(at: &str, desk: wire::EntryDesk) -> Result<EntryDesk, Malformed> {
    let wire::EntryDesk {
        name,
        organisation,
        unit,
        kind,
        roles,
        executes,
        hours,
        languages,
        formal_confirmation_required,
        desk_key_algorithm,
        desk_key,
        encryption_keys,
        officers,
        restricted_commitment,
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
    let hours = hours.ok_or_else(|| malformed(format!("{at}.hours"), "absent"))?;
    let desk = EntryDesk {
        name: text(format!("{at}.name"), &name)?,
        organisation: read_prose(format!("{at}.organisation"), organisation)?,
        unit: read_unit(format!("{at}.unit"), unit)?,
        kind: text(format!("{at}.kind"), &kind)?,
        roles: read_words(&format!("{at}.roles"), &roles, true)?,
        executes: read_words(&format!("{at}.executes"), &executes, false)?,
        hours: read_hours(&format!("{at}.hours"), hours)?,
        languages: read_languages(&format!("{at}.languages"), languages)?,
        formal_confirmation_required,
        desk_key: read_signer(format!("{at}.desk_key"), desk_key_algorithm, &desk_key)?,
        encryption_keys: read_list(
            &format!("{at}.encryption_keys"),
            encryption_keys,
            read_encryption_key,
        )?,
        officers: read_list(&format!("{at}.officers"), officers, read_officer)?,
        restricted: if restricted_commitment.is_empty() {
            None
        } else {
            let hash = Hash::from_slice(&restricted_commitment);
            let field = format!("{at}.restricted_commitment");
            Some(hash.map_err(|error| malformed(field, error.to_string()))?)
        },
        witness_key: read_witness(format!("{at}.witness_key"), &witness_key)?,
    };
    check_order(&format!("{at}.officers"), desk.officers.iter().map(|officer| &officer.name))?;
    Ok(desk)
}

fn read_unit(field: String, unit: String) -> Result<String, Malformed> {
    if unit.is_empty() { Ok(unit) } else { read_prose(field, unit) }
}

fn read_hours(at: &str, hours: wire::EntryHours) -> Result<Hours, Malformed> {
    let wire::EntryHours {
        kind,
        time_zone,
        office_from_minute: from,
        office_until_minute: until,
        weekend_days,
        public_holidays,
    } = hours;
    let kind: HoursKind = text(format!("{at}.kind"), &kind)?;
    let office = match kind {
        HoursKind::True247 => {
            check(from == 0 && until == 0, format!("{at}.office_from_minute"), || {
                "present with TRUE_24_7".to_owned()
            })?;
            None
        }
        HoursKind::OfficeAndDuty | HoursKind::Office => {
            check(
                from < until && until <= DAY_MINUTES,
                format!("{at}.office_until_minute"),
                || format!("{from} to {until} are not minutes of one day, 0 to {DAY_MINUTES}"),
            )?;
            let minute = |minute: u32| u16::try_from(minute).expect("a day has 1,440 minutes");
            Some((minute(from), minute(until)))
        }
    };
    check(public_holidays.len() <= HOLIDAYS_MAX, format!("{at}.public_holidays"), || {
        format!("more than {HOLIDAYS_MAX}")
    })?;
    let weekend: Vec<_> = read_words(&format!("{at}.weekend_days"), &weekend_days, false)?;
    check(weekend.len() < 7, format!("{at}.weekend_days"), || "every day".to_owned())?;
    let holidays = read_list(&format!("{at}.public_holidays"), public_holidays, |at, holiday| {
        let wire::EntryHoliday { date, name } = holiday;
        check(is_date(&date), format!("{at}.date"), || {
            format!("{date:?} is not a date as 2027-02-06")
        })?;
        Ok(Holiday { date, name: read_prose(format!("{at}.name"), name)? })
    })?;
    check_order(&format!("{at}.public_holidays"), holidays.iter().map(|day| &day.date))?;
    let time_zone = read_shaped(format!("{at}.time_zone"), time_zone, is_zone)?;
    Ok(Hours { kind, time_zone, office, weekend, holidays })
}

fn read_languages(at: &str, list: Vec<wire::EntryLanguage>) -> Result<Vec<Language>, Malformed> {
    let languages = read_list(at, list, |at, language| {
        let wire::EntryLanguage { tag, level, formal } = language;
        check_readable(&format!("{at}.tag"), &tag, false)?;
        Ok(Language {
            tag: read_shaped(format!("{at}.tag"), tag, is_language)?,
            level: text(format!("{at}.level"), &level)?,
            formal,
        })
    })?;
    let tags: BTreeSet<&str> = languages.iter().map(|language| language.tag.as_str()).collect();
    check(tags.len() == languages.len(), at, || "one stands twice".to_owned())?;
    Ok(languages)
}

/// Refuses a key that stands twice: each has one owner and one use.
fn check_keys(entry: &Entry) -> Result<(), Malformed> {
    let mut seen = BTreeSet::from([entry.national_key.id()]);
    for (i, desk) in entry.desks.iter().enumerate() {
        let at = format!("entry.desks[{i}]");
        let mut check_new = |what: String, id: Hash| {
            check(seen.insert(id), what, || format!("key {id} stands twice"))
        };
        check_new(format!("{at}.desk_key"), desk.desk_key.id())?;
        if let Some(key) = &desk.witness_key {
            check_new(format!("{at}.witness_key"), key.id())?;
        }
        for (n, key) in desk.encryption_keys.iter().enumerate() {
            check_new(format!("{at}.encryption_keys[{n}]"), key.id)?;
        }
        for (n, officer) in desk.officers.iter().enumerate() {
            check_new(format!("{at}.officers[{n}].key"), PublicKey::id(&officer.key))?;
        }
    }
    Ok(())
}
