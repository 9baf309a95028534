//! An entry as a file that people edit: every key with a word of what it is.
//!
//! Not for reading it (see `file.rs`). Comments stand on lines of their own, so that two files can
//! be compared without them.

use std::fmt::Write as _;

use data_encoding::HEXLOWER;

use super::{Channel, DeskRestricted, Entry, EntryDesk, Hours, Person, Restricted};
use crate::envelope::genesis::{EncryptionKey, FoundingOfficer, PublicKey};
use crate::units::{Hash, Timestamp};

const HEAD: &str = "\
# The nation's entry in the directory. It replaces the one before; a desk that is left out is
# retired. Channels, the confirmation contact and persons are shown to members only and never stand
# in a log; everything else is plain in the network.
";

const KEYS: &str = "\
# Keys: \"id:\" and its id keeps a key that stands in the entry now; a new one is given in
# hexadecimal, as public.toml has it. Let an old and a new encryption key overlap.
";

const DESK: &str = "\
# kind: POLICE, PROSECUTION, MINISTRY or CSIRT. roles: OPERATIONAL_24_7, CENTRAL_AUTHORITY,
# DIPLOMATIC, TECHNICAL_CSIRT, STOP_PAYMENT. executes: what it may carry out by itself.
";

const WITNESS: &str =
    "# With it the desk cosigns the heads of the logs; left out, the desk is no witness.\n";

const HOURS: &str = "\
# kind: TRUE_24_7, OFFICE_HOURS_AND_DUTY or OFFICE_HOURS; the latter two with office_from and
# office_until (\"09:00\", \"17:00\"). public_holidays = [{ date = \"2027-04-27\", name = \"...\" }]
";

const LANGUAGE: &str = "# level: WORKING, COURTESY or TRANSLATION_REQUIRED.\n";

const CHANNEL: &str = "\
# A way to be reached. system: RELAY, PHONE, MOBILE, SMS, EMAIL, FAX, SATELLITE or HF. use: PRIMARY,
# BACKUP, DUTY, CONFIRMATION or OUT_OF_BAND. when: ALWAYS, OFFICE_HOURS or OUT_OF_HOURS. Numbers in
# E.164; rank 1 is tried first. from and until may be given.
";

const CONFIRMATION: &str =
    "# Whom to call when a request may not be genuine; a role rather than a person.\n";

/// The text of a file with this entry and its restricted part.
pub fn to_toml(entry: &Entry, open: &Restricted) -> String {
    let mut text = HEAD.to_owned();
    pair(&mut text, "member", &quoted(&entry.member.to_string()));
    pair(&mut text, "version", &entry.version.to_string());
    pair(&mut text, "name", &quoted(&entry.display_name));
    pair(&mut text, "instruments", &list(&entry.instruments));
    pair(&mut text, "preservation_days_min", &entry.preservation_days_min.to_string());
    text.push_str("# 0 where the law has no maximum.\n");
    let max = entry.preservation_days_max.unwrap_or(0);
    pair(&mut text, "preservation_days_max", &max.to_string());
    for desk in &entry.desks {
        write_desk(&mut text, desk, open.get(&desk.name), Keys::ById);
    }
    text
}

/// The text of a desk that is to be added to such a file: its keys are new.
pub fn new_desk(desk: &EntryDesk, open: &DeskRestricted) -> String {
    let mut text = String::new();
    write_desk(&mut text, desk, Some(open), Keys::InFull);
    text
}

/// The text of an officer, new or with a new key, that is to be added to a desk in such a file.
pub fn new_officer(officer: &FoundingOfficer) -> String {
    let mut text = String::new();
    write_officer(&mut text, officer, Keys::InFull);
    text
}

/// The text of a new encryption key that is to be added to a desk in such a file.
pub fn new_encryption_key(key: &EncryptionKey) -> String {
    let mut text = String::new();
    write_encryption_key(&mut text, key, Keys::InFull);
    text
}

/// The line with a new machine key, which takes the place of the one before.
pub fn new_desk_key(key: &PublicKey) -> String {
    let mut text = String::new();
    pair(&mut text, "key", &signer(key, Keys::InFull));
    text
}

/// How keys are written.
#[derive(Clone, Copy)]
enum Keys {
    /// By their ids: they stand in the entry now.
    ById,
    /// In full.
    InFull,
}

/// The same without comments and empty lines, for comparing.
pub fn bare(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

fn write_desk(text: &mut String, desk: &EntryDesk, open: Option<&DeskRestricted>, keys: Keys) {
    table(text, "[[desk]]", DESK);
    pair(text, "name", &quoted(desk.name.as_str()));
    pair(text, "organisation", &quoted(&desk.organisation));
    pair(text, "unit", &quoted(&desk.unit));
    pair(text, "kind", &quoted(desk.kind.as_str()));
    pair(text, "roles", &list(&desk.roles));
    pair(text, "executes", &list(&desk.executes));
    pair(text, "formal_confirmation_required", &desk.formal_confirmation_required.to_string());
    text.push_str(KEYS);
    pair(text, "key", &signer(&desk.desk_key, keys));
    if let Some(key) = &desk.witness_key {
        text.push_str(WITNESS);
        pair(text, "witness_key", &signer(key, keys));
    }
    write_hours(text, &desk.hours);
    for (n, language) in desk.languages.iter().enumerate() {
        table(text, "[[desk.language]]", if n == 0 { LANGUAGE } else { "" });
        pair(text, "tag", &quoted(&language.tag));
        pair(text, "level", &quoted(language.level.as_str()));
        pair(text, "formal", &language.formal.to_string());
    }
    for key in &desk.encryption_keys {
        write_encryption_key(text, key, keys);
    }
    for officer in &desk.officers {
        write_officer(text, officer, keys);
    }
    match open {
        Some(open) => write_restricted(text, open),
        None => text.push_str(&format!("\n{CHANNEL}# [[desk.channel]]\n")),
    }
}

fn write_encryption_key(text: &mut String, key: &EncryptionKey, keys: Keys) {
    table(text, "[[desk.encryption_key]]", "");
    let written = match keys {
        Keys::ById => kept(key.id),
        Keys::InFull => quoted(&HEXLOWER.encode(&key.key)),
    };
    pair(text, "key", &written);
    validity(text, key.from, key.until);
}

fn write_officer(text: &mut String, officer: &FoundingOfficer, keys: Keys) {
    table(text, "[[desk.officer]]", "");
    pair(text, "name", &quoted(officer.name.as_str()));
    pair(text, "key", &signer(&officer.key, keys));
    pair(text, "roles", &list(&officer.roles));
    validity(text, officer.from, officer.until);
}

fn signer(key: &PublicKey, keys: Keys) -> String {
    match keys {
        Keys::ById => kept(key.id()),
        Keys::InFull => quoted(&HEXLOWER.encode(key.as_bytes())),
    }
}

fn write_hours(text: &mut String, hours: &Hours) {
    table(text, "[desk.hours]", HOURS);
    pair(text, "kind", &quoted(hours.kind.as_str()));
    pair(text, "time_zone", &quoted(&hours.time_zone));
    if let Some((from, until)) = hours.office {
        pair(text, "office_from", &quoted(&clock(from)));
        pair(text, "office_until", &quoted(&clock(until)));
    }
    pair(text, "weekend_days", &list(&hours.weekend));
    if hours.holidays.is_empty() {
        pair(text, "public_holidays", "[]");
        return;
    }
    text.push_str("public_holidays = [\n");
    for day in &hours.holidays {
        let (date, name) = (quoted(&day.date), quoted(&day.name));
        // Writing to a string cannot fail.
        let _written = writeln!(text, "  {{ date = {date}, name = {name} }},");
    }
    text.push_str("]\n");
}

fn write_restricted(text: &mut String, open: &DeskRestricted) {
    for (n, channel) in open.channels.iter().enumerate() {
        table(text, "[[desk.channel]]", if n == 0 { CHANNEL } else { "" });
        write_channel(text, channel);
    }
    if let Some(contact) = &open.confirmation {
        table(text, "[desk.confirmation_contact]", CONFIRMATION);
        write_person(text, contact);
    }
    for person in &open.persons {
        table(text, "[[desk.person]]", "");
        write_person(text, person);
    }
}

fn write_channel(text: &mut String, channel: &Channel) {
    pair(text, "system", &quoted(channel.system.as_str()));
    if !channel.value.is_empty() {
        pair(text, "value", &quoted(&channel.value));
    }
    pair(text, "use", &quoted(channel.usage.as_str()));
    pair(text, "rank", &channel.rank.to_string());
    pair(text, "when", &quoted(channel.when.as_str()));
    for (key, at) in [("from", channel.from), ("until", channel.until)] {
        if let Some(at) = at {
            pair(text, key, &quoted(&at.to_string()));
        }
    }
}

fn write_person(text: &mut String, person: &Person) {
    let Person { name, function, phone, mobile, email } = person;
    pair(text, "name", &quoted(name));
    let rest = [("function", function), ("phone", phone), ("mobile", mobile), ("email", email)];
    for (key, value) in rest.into_iter().filter(|(_, value)| !value.is_empty()) {
        pair(text, key, &quoted(value));
    }
}

fn table(text: &mut String, head: &str, comment: &str) {
    text.push('\n');
    text.push_str(comment);
    text.push_str(head);
    text.push('\n');
}

fn pair(text: &mut String, key: &str, value: &str) {
    text.push_str(&format!("{key} = {value}\n"));
}

fn validity(text: &mut String, from: Timestamp, until: Timestamp) {
    pair(text, "from", &quoted(&from.to_string()));
    pair(text, "until", &quoted(&until.to_string()));
}

fn kept(id: Hash) -> String {
    quoted(&format!("id:{id}"))
}

fn list<T: ToString>(words: &[T]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(&word.to_string())).collect();
    format!("[{}]", words.join(", "))
}

/// A basic string of TOML: text for people holds no control characters.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// "09:00" for 540.
fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}
