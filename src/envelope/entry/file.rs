//! An entry as a file that people edit: TOML in, entry and restricted part out.
//!
//! Not for writing it (see `text.rs`). Every wrong field is named with its line. A key is written
//! as in `public.toml`, or as `id:` and its id to keep one that stands in the entry now.

use std::fmt::Display;
use std::str::FromStr;

use serde::Deserialize;

use super::restricted::SALT_BYTES;
use super::words::{HoursKind, System, When};
use super::{
    Channel, DeskRestricted, Entry, EntryDesk, Holiday, Hours, Language, Person, Restricted,
    render, restricted,
};
use crate::envelope::form::{Unfit, line_of, unreadable};
use crate::envelope::genesis::{EncryptionKey, FoundingOfficer, PublicKey};
use crate::envelope::read::malformed;
use crate::envelope::sign::Algorithm;
use crate::units::{Hash, MessageId, Name, Timestamp, Unreadable};

/// What a file does not say of the entry that is made from it.
pub struct Making<'a> {
    /// The entry that it follows: its keys may be kept, its authorities and national key are.
    pub after: &'a Entry,
    /// The idempotency key.
    pub message: MessageId,
    /// When it is made.
    pub created: Timestamp,
    /// Until when it is good.
    pub not_after: Timestamp,
    /// Fills bytes with chance, for the salts.
    pub fill: &'a mut dyn FnMut(&mut [u8]),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    member: String,
    version: u64,
    name: String,
    instruments: Vec<String>,
    preservation_days_min: u32,
    #[serde(default)]
    preservation_days_max: u32,
    desk: Vec<DeskFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeskFile {
    name: String,
    organisation: String,
    #[serde(default)]
    unit: String,
    kind: String,
    roles: Vec<String>,
    #[serde(default)]
    executes: Vec<String>,
    #[serde(default)]
    formal_confirmation_required: bool,
    key: String,
    witness_key: Option<String>,
    hours: HoursFile,
    language: Vec<LanguageFile>,
    encryption_key: Vec<EncryptionKeyFile>,
    officer: Vec<OfficerFile>,
    #[serde(default)]
    channel: Vec<ChannelFile>,
    confirmation_contact: Option<PersonFile>,
    #[serde(default)]
    person: Vec<PersonFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HoursFile {
    kind: String,
    time_zone: String,
    #[serde(default)]
    office_from: String,
    #[serde(default)]
    office_until: String,
    #[serde(default)]
    weekend_days: Vec<String>,
    #[serde(default)]
    public_holidays: Vec<Holiday>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LanguageFile {
    tag: String,
    level: String,
    #[serde(default)]
    formal: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EncryptionKeyFile {
    key: String,
    from: String,
    until: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfficerFile {
    name: String,
    key: String,
    roles: Vec<String>,
    from: String,
    until: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelFile {
    system: String,
    #[serde(default)]
    value: String,
    #[serde(rename = "use")]
    usage: String,
    rank: u32,
    #[serde(default)]
    when: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    until: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonFile {
    name: String,
    #[serde(default)]
    function: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    mobile: String,
    #[serde(default)]
    email: String,
}

/// Reads a file: the entry that it makes, and its restricted part.
///
/// # Errors
/// Everything that is wrong, each with its field and its line.
pub fn from_toml(text: &str, making: Making<'_>) -> Result<(Entry, Restricted), Vec<Unfit>> {
    let file: File = toml::from_str(text).map_err(|error| vec![unreadable(text, &error)])?;
    let mut reading = Reading { after: making.after, unfit: Vec::new(), text };
    let read = reading.entry(file, making);
    match read {
        Some(read) if reading.unfit.is_empty() => check(text, read),
        Some(_) | None => Err(reading.unfit),
    }
}

/// What only the whole can tell: order, keys that stand twice, numbers and addresses.
fn check(
    text: &str,
    (mut entry, open): (Entry, Restricted),
) -> Result<(Entry, Restricted), Vec<Unfit>> {
    let (bytes, commitments) = restricted::render(&open);
    for desk in &mut entry.desks {
        desk.restricted = commitments.get(&desk.name).copied();
    }
    let rendered = render(&entry);
    let wrong = rendered.err().or_else(|| restricted::read(&entry, &bytes).err());
    match wrong {
        None => Ok((entry, open)),
        Some(wrong) => {
            let field = field_of(&wrong.field, &open, &entry);
            let line = line_of(text, &field);
            Err(vec![Unfit { line, malformed: malformed(field, wrong.why) }])
        }
    }
}

/// The field of the file that a field of the message came from.
fn field_of(field: &str, open: &Restricted, entry: &Entry) -> String {
    let mut field = field.strip_prefix("entry.").unwrap_or(field).to_owned();
    if let Some(rest) = field.strip_prefix("entry_restricted.desks[")
        && let Some((n, rest)) = rest.split_once(']')
    {
        let name = n.parse().ok().and_then(|n| open.keys().nth(n));
        let at = entry.desks.iter().position(|desk| Some(&desk.name) == name).unwrap_or(0);
        field = format!("desk[{at}]{}", rest.replacen(".restricted", "", 1));
    }
    for (message, file) in [
        ("desks[", "desk["),
        ("display_name", "name"),
        ("member_id", "member"),
        (".desk_key", ".key"),
        (".languages", ".language"),
        (".encryption_keys", ".encryption_key"),
        (".officers", ".officer"),
        (".channels", ".channel"),
        (".persons", ".person"),
        ("_minute", ""),
        ("_ms", ""),
    ] {
        field = field.replacen(message, file, 1);
    }
    field
}

/// Reads fields, and notes what is wrong with them.
struct Reading<'a> {
    after: &'a Entry,
    unfit: Vec<Unfit>,
    text: &'a str,
}

impl Reading<'_> {
    fn wrong(&mut self, field: impl Display, why: impl Display) {
        let field = field.to_string();
        let line = line_of(self.text, &field);
        self.unfit.push(Unfit { line, malformed: malformed(field, why.to_string()) });
    }

    fn read<T: FromStr<Err = Unreadable>>(&mut self, field: &str, text: &str) -> Option<T> {
        text.parse().map_err(|error: Unreadable| self.wrong(field, error.why)).ok()
    }

    fn words<T: FromStr<Err = Unreadable> + Ord>(
        &mut self,
        field: &str,
        words: &[String],
    ) -> Option<Vec<T>> {
        let read: Vec<Option<T>> = words.iter().map(|word| self.read(field, word)).collect();
        let mut read = read.into_iter().collect::<Option<Vec<T>>>()?;
        read.sort();
        Some(read)
    }

    /// A moment; without one, `none`.
    fn moment(&mut self, field: &str, text: &str) -> Option<Option<Timestamp>> {
        if text.is_empty() { Some(None) } else { self.read(field, text).map(Some) }
    }

    fn entry(&mut self, file: File, making: Making<'_>) -> Option<(Entry, Restricted)> {
        let Making { after, message, created, not_after, fill } = making;
        let member = self.read("member", &file.member);
        let instruments = self.words("instruments", &file.instruments);
        let mut open = Restricted::new();
        let read: Vec<Option<EntryDesk>> = (0..)
            .zip(file.desk)
            .map(|(n, desk)| {
                let at = format!("desk[{n}]");
                let restricted = self.restricted(&at, &desk, fill);
                let desk = self.desk(&at, desk)?;
                if let Some(restricted) = restricted? {
                    open.insert(desk.name.clone(), restricted);
                }
                Some(desk)
            })
            .collect();
        let mut desks = read.into_iter().collect::<Option<Vec<_>>>()?;
        desks.sort_by(|a, b| a.name.cmp(&b.name));
        let entry = Entry {
            hash: after.hash,
            message,
            member: member?,
            version: file.version,
            previous: after.hash,
            created,
            not_after,
            display_name: file.name,
            instruments: instruments?,
            preservation_days_min: file.preservation_days_min,
            preservation_days_max: Some(file.preservation_days_max).filter(|days| *days != 0),
            ca: after.ca.clone(),
            national_key: after.national_key.clone(),
            desks,
        };
        Some((entry, open))
    }

    fn desk(&mut self, at: &str, file: DeskFile) -> Option<EntryDesk> {
        let name = self.read(&format!("{at}.name"), &file.name);
        let kind = self.read(&format!("{at}.kind"), &file.kind);
        let roles = self.words(&format!("{at}.roles"), &file.roles);
        let executes = self.words(&format!("{at}.executes"), &file.executes);
        let hours = self.hours(&format!("{at}.hours"), file.hours);
        let desk_key = self.signer(&format!("{at}.key"), &file.key);
        let witness_key = match &file.witness_key {
            None => Some(None),
            Some(text) => self.signer(&format!("{at}.witness_key"), text).map(Some),
        };
        let language = (0..).zip(file.language).map(|(n, file)| {
            let level = self.read(&format!("{at}.language[{n}].level"), &file.level)?;
            Some(Language { tag: file.tag, level, formal: file.formal })
        });
        let languages: Vec<Option<Language>> = language.collect();
        let key = (0..).zip(&file.encryption_key);
        let keys: Vec<Option<EncryptionKey>> = key
            .map(|(n, file)| self.encryption_key(&format!("{at}.encryption_key[{n}]"), file))
            .collect();
        let officer = (0..).zip(&file.officer);
        let officers: Vec<Option<FoundingOfficer>> =
            officer.map(|(n, file)| self.officer(&format!("{at}.officer[{n}]"), file)).collect();
        let mut officers = officers.into_iter().collect::<Option<Vec<_>>>()?;
        officers.sort_by(|a, b| a.name.cmp(&b.name));
        Some(EntryDesk {
            name: name?,
            organisation: file.organisation,
            unit: file.unit,
            kind: kind?,
            roles: roles?,
            executes: executes?,
            hours: hours?,
            languages: languages.into_iter().collect::<Option<_>>()?,
            formal_confirmation_required: file.formal_confirmation_required,
            desk_key: desk_key?,
            encryption_keys: keys.into_iter().collect::<Option<_>>()?,
            officers,
            restricted: None,
            witness_key: witness_key?,
        })
    }

    fn hours(&mut self, at: &str, file: HoursFile) -> Option<Hours> {
        let kind: HoursKind = self.read(&format!("{at}.kind"), &file.kind)?;
        let from = self.minute(&format!("{at}.office_from"), &file.office_from);
        let until = self.minute(&format!("{at}.office_until"), &file.office_until);
        let weekend = self.words(&format!("{at}.weekend_days"), &file.weekend_days);
        let office = match (kind, from?, until?) {
            (HoursKind::True247, _, _) => None,
            (HoursKind::OfficeAndDuty | HoursKind::Office, Some(from), Some(until)) => {
                Some((from, until))
            }
            (HoursKind::OfficeAndDuty | HoursKind::Office, _, _) => {
                self.wrong(format!("{at}.office_from"), "office hours need a beginning and an end");
                None
            }
        };
        let mut holidays = file.public_holidays;
        holidays.sort();
        Some(Hours { kind, time_zone: file.time_zone, office, weekend: weekend?, holidays })
    }

    /// "09:00" as minutes after midnight; "24:00" ends a day.
    fn minute(&mut self, field: &str, text: &str) -> Option<Option<u16>> {
        if text.is_empty() {
            return Some(None);
        }
        let read = || {
            let (hour, minute) = text.split_once(':')?;
            let two = |part: &str| (part.len() == 2).then(|| part.parse::<u16>().ok())?;
            let (hour, minute) = (two(hour)?, two(minute)?);
            (minute < 60 && hour * 60 + minute <= 24 * 60).then(|| hour * 60 + minute)
        };
        let minute = read();
        if minute.is_none() {
            self.wrong(field, format!("{text:?} is not a time of day as 09:00"));
        }
        minute.map(Some)
    }

    fn signer(&mut self, field: &str, text: &str) -> Option<PublicKey> {
        if let Some(id) = text.strip_prefix("id:") {
            let id: Hash = self.read(field, id)?;
            let kept = signers(self.after).into_iter().find(|key| key.id() == id).cloned();
            if kept.is_none() {
                self.wrong(field, format!("the entry now has no signing key {id}"));
            }
            return kept;
        }
        let bytes = self.hex(field, text)?;
        let key = PublicKey::parse(Algorithm::Ed25519, &bytes);
        key.map_err(|why| self.wrong(field, why)).ok()
    }

    fn encryption_key(&mut self, at: &str, file: &EncryptionKeyFile) -> Option<EncryptionKey> {
        let from = self.read(&format!("{at}.from"), &file.from);
        let until = self.read(&format!("{at}.until"), &file.until);
        let field = format!("{at}.key");
        let bytes = match file.key.strip_prefix("id:") {
            Some(id) => {
                let id: Hash = self.read(&field, id)?;
                let mut keys = self.after.desks.iter().flat_map(|desk| &desk.encryption_keys);
                let kept = keys.find(|key| key.id == id).map(|key| key.key.clone());
                if kept.is_none() {
                    self.wrong(&field, format!("the entry now has no encryption key {id}"));
                }
                kept?
            }
            None => self.hex(&field, &file.key)?,
        };
        let key = EncryptionKey::new(bytes, from?, until?);
        key.map_err(|bad| self.wrong(format!("{at}.{}", bad.field), bad.why)).ok()
    }

    fn officer(&mut self, at: &str, file: &OfficerFile) -> Option<FoundingOfficer> {
        let name: Option<Name> = self.read(&format!("{at}.name"), &file.name);
        let key = self.signer(&format!("{at}.key"), &file.key);
        let roles = self.words(&format!("{at}.roles"), &file.roles);
        let from = self.read(&format!("{at}.from"), &file.from);
        let until = self.read(&format!("{at}.until"), &file.until);
        Some(FoundingOfficer { name: name?, key: key?, roles: roles?, from: from?, until: until? })
    }

    fn hex(&mut self, field: &str, text: &str) -> Option<Vec<u8>> {
        let read = data_encoding::HEXLOWER.decode(text.as_bytes());
        let why = "not a public key in lower-case hexadecimal, nor id: and the id of one kept";
        read.map_err(|_| self.wrong(field, why)).ok()
    }

    /// The restricted part of a desk; none where the file gives nothing of it.
    fn restricted(
        &mut self,
        at: &str,
        file: &DeskFile,
        fill: &mut dyn FnMut(&mut [u8]),
    ) -> Option<Option<DeskRestricted>> {
        let DeskFile { channel, confirmation_contact, person, .. } = file;
        if channel.is_empty() && confirmation_contact.is_none() && person.is_empty() {
            return Some(None);
        }
        let mut salt = [0; SALT_BYTES];
        fill(&mut salt);
        let read: Vec<Option<Channel>> = (0..)
            .zip(channel)
            .map(|(n, file)| self.channel(&format!("{at}.channel[{n}]"), file))
            .collect();
        let mut channels = read.into_iter().collect::<Option<Vec<_>>>()?;
        channels.sort_by_key(|channel| channel.rank);
        Some(Some(DeskRestricted {
            salt,
            channels,
            confirmation: confirmation_contact.as_ref().map(PersonFile::to_person),
            persons: person.iter().map(PersonFile::to_person).collect(),
        }))
    }

    fn channel(&mut self, at: &str, file: &ChannelFile) -> Option<Channel> {
        let system: Option<System> = self.read(&format!("{at}.system"), &file.system);
        let usage = self.read(&format!("{at}.use"), &file.usage);
        let when = match file.when.as_str() {
            "" => Some(When::Always),
            word => self.read(&format!("{at}.when"), word),
        };
        let from = self.moment(&format!("{at}.from"), &file.from);
        let until = self.moment(&format!("{at}.until"), &file.until);
        Some(Channel {
            system: system?,
            value: file.value.clone(),
            usage: usage?,
            rank: file.rank,
            when: when?,
            from: from?,
            until: until?,
        })
    }
}

impl PersonFile {
    fn to_person(&self) -> Person {
        let Self { name, function, phone, mobile, email } = self;
        Person {
            name: name.clone(),
            function: function.clone(),
            phone: phone.clone(),
            mobile: mobile.clone(),
            email: email.clone(),
        }
    }
}

/// The keys that sign for the desks of an entry.
fn signers<'a>(entry: &'a Entry) -> Vec<&'a PublicKey> {
    let of = |desk: &'a EntryDesk| {
        let officers = desk.officers.iter().map(|officer| &officer.key);
        std::iter::once(&desk.desk_key).chain(&desk.witness_key).chain(officers)
    };
    entry.desks.iter().flat_map(of).collect()
}
