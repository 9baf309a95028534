//! The restricted part of an entry: channels, the confirmation contact, persons.
//!
//! Not for anybody but members: the entry, and so the log, has only a commitment to it, and the
//! bytes can be erased. None of its types has `Display`, and their `Debug` shows no value.

use std::collections::BTreeMap;
use std::fmt;

use prost::Message as _;

use super::words::{System, Use, When};
use super::{Entry, LIST_MAX, RESTRICTED_BYTES_MAX};
use crate::envelope::Malformed;
use crate::envelope::form::{is_email, is_phone};
use crate::envelope::read::{check, check_readable, malformed, optional_moment, text};
use crate::units::{Hash, Name, Timestamp};
use crate::wire::detente::envelope::v1 as wire;

/// Length of the salt, in bytes.
pub const SALT_BYTES: usize = 32;

/// The longest text, in bytes.
const TEXT_BYTES_MAX: usize = 200;

/// Label of a commitment.
const LABEL: &[u8] = b"detente/entry-restricted/v1\0";

/// The restricted parts of a nation's desks.
pub type Restricted = BTreeMap<Name, DeskRestricted>;

/// How a desk is reached, and who confirms.
#[derive(Clone, PartialEq, Eq)]
pub struct DeskRestricted {
    /// 32 random bytes.
    pub salt: [u8; SALT_BYTES],
    /// Channels, in order of rank.
    pub channels: Vec<Channel>,
    /// Whom to call when a request may not be genuine.
    pub confirmation: Option<Person>,
    /// Persons, where roles alone will not do.
    pub persons: Vec<Person>,
}

/// A way to reach a desk.
#[derive(Clone, PartialEq, Eq)]
pub struct Channel {
    /// By what.
    pub system: System,
    /// The number or address; empty for the relay.
    pub value: String,
    /// What for.
    pub usage: Use,
    /// Which comes first among those that apply; 1 is tried first.
    pub rank: u32,
    /// When it is answered.
    pub when: When,
    /// Valid from.
    pub from: Option<Timestamp>,
    /// Valid until (exclusive).
    pub until: Option<Timestamp>,
}

/// Somebody at a desk.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// Name, or the role.
    pub name: String,
    /// Function; may be empty.
    pub function: String,
    /// Telephone; may be empty.
    pub phone: String,
    /// Mobile telephone; may be empty.
    pub mobile: String,
    /// E-mail; may be empty.
    pub email: String,
}

impl fmt::Debug for DeskRestricted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeskRestricted")
            .field("channels", &self.channels.len())
            .field("persons", &self.persons.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({} {} {})", self.usage, self.system, self.rank)
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person")
    }
}

/// The bytes of a nation's restricted part, and each desk's commitment to its own.
pub fn render(restricted: &Restricted) -> (Vec<u8>, BTreeMap<Name, Hash>) {
    let mut commitments = BTreeMap::new();
    let mut desks = Vec::new();
    for (name, desk) in restricted {
        let bytes = to_wire(desk).encode_to_vec();
        commitments.insert(name.clone(), commitment(&bytes));
        desks.push(wire::EntryRestrictedDesk { desk: name.to_string(), restricted: bytes });
    }
    (wire::EntryRestricted { desks }.encode_to_vec(), commitments)
}

/// The commitment to one desk's serialized `EntryDeskRestricted`.
pub fn commitment(bytes: &[u8]) -> Hash {
    Hash::of(&[LABEL, bytes])
}

/// Reads the restricted part that `entry` commits to. Empty bytes are read as none: it may have
/// been erased.
///
/// # Errors
/// When a desk's part is absent, is not the one committed to, or a field is not what it should be.
pub(super) fn read(entry: &Entry, bytes: &[u8]) -> Result<Restricted, Malformed> {
    let field = "entry_restricted";
    if bytes.is_empty() {
        return Ok(Restricted::new());
    }
    check(bytes.len() <= RESTRICTED_BYTES_MAX, field, || {
        format!("{} bytes where at most {RESTRICTED_BYTES_MAX} belong", bytes.len())
    })?;
    let wire::EntryRestricted { desks } = wire::EntryRestricted::decode(bytes)
        .map_err(|error| malformed(field, error.to_string()))?;
    let committed: BTreeMap<&str, Hash> = entry
        .desks
        .iter()
        .filter_map(|desk| Some((desk.name.as_str(), desk.restricted?)))
        .collect();
    check(desks.len() == committed.len(), format!("{field}.desks"), || {
        format!("{} where the entry commits to {}", desks.len(), committed.len())
    })?;
    let mut read = Restricted::new();
    for (i, wire::EntryRestrictedDesk { desk, restricted }) in desks.into_iter().enumerate() {
        let at = format!("{field}.desks[{i}]");
        check(committed.get(desk.as_str()) == Some(&commitment(&restricted)), &at, || {
            format!("not what the entry commits to for the desk {desk:?}")
        })?;
        let name: Name = text(format!("{at}.desk"), &desk)?;
        let one = read_desk(&format!("{at}.restricted"), &restricted)?;
        let twice = read.insert(name, one).is_some();
        check(!twice, &at, || format!("the desk {desk} stands twice"))?;
    }
    Ok(read)
}

fn read_desk(at: &str, bytes: &[u8]) -> Result<DeskRestricted, Malformed> {
    let wire::EntryDeskRestricted { salt, channels, confirmation_contact, persons } =
        wire::EntryDeskRestricted::decode(bytes)
            .map_err(|error| malformed(at, error.to_string()))?;
    let salt: [u8; SALT_BYTES] = salt.try_into().map_err(|salt: Vec<u8>| {
        malformed(format!("{at}.salt"), format!("{} bytes where 32 belong", salt.len()))
    })?;
    for (field, len) in [("channels", channels.len()), ("persons", persons.len())] {
        check(len <= LIST_MAX, format!("{at}.{field}"), || format!("more than {LIST_MAX}"))?;
    }
    let numbered = |(i, channel)| read_channel(&format!("{at}.channels[{i}]"), channel);
    let channels: Vec<Channel> =
        channels.into_iter().enumerate().map(numbered).collect::<Result<_, _>>()?;
    check(channels.is_sorted_by_key(|channel| channel.rank), format!("{at}.channels"), || {
        "not in order of rank".to_owned()
    })?;
    let numbered = |(i, person)| read_person(&format!("{at}.persons[{i}]"), person);
    Ok(DeskRestricted {
        salt,
        channels,
        confirmation: confirmation_contact
            .map(|person| read_person(&format!("{at}.confirmation_contact"), person))
            .transpose()?,
        persons: persons.into_iter().enumerate().map(numbered).collect::<Result<_, _>>()?,
    })
}

fn read_channel(at: &str, channel: wire::EntryChannel) -> Result<Channel, Malformed> {
    let wire::EntryChannel { system, value, r#use, rank, when, from_ms, until_ms } = channel;
    let channel = Channel {
        system: text(format!("{at}.system"), &system)?,
        value,
        usage: text(format!("{at}.use"), &r#use)?,
        rank,
        when: text(format!("{at}.when"), &when)?,
        from: optional_moment(format!("{at}.from_ms"), from_ms)?,
        until: optional_moment(format!("{at}.until_ms"), until_ms)?,
    };
    check(rank >= 1, format!("{at}.rank"), || "ranks are counted from 1".to_owned())?;
    if let (Some(from), Some(until)) = (channel.from, channel.until) {
        check(from < until, format!("{at}.until_ms"), || "not after from_ms".to_owned())?;
    }
    check_value(&format!("{at}.value"), channel.system, &channel.value)?;
    Ok(channel)
}

fn check_value(field: &str, system: System, value: &str) -> Result<(), Malformed> {
    check(value.len() <= TEXT_BYTES_MAX, field, || format!("longer than {TEXT_BYTES_MAX} bytes"))?;
    check_readable(field, value, false)?;
    match system {
        System::Relay => {
            check(value.is_empty(), field, || "the relay has no number or address".to_owned())
        }
        System::Phone | System::Mobile | System::Sms | System::Fax | System::Satellite => {
            check_phone(field, value)
        }
        System::Email => check_email(field, value),
        System::Hf => check(!value.trim().is_empty(), field, || "absent".to_owned()),
    }
}

// What is wrong is said without the value: it must not get into a log.

fn check_phone(field: &str, value: &str) -> Result<(), Malformed> {
    check(is_phone(value), field, || {
        "not an E.164 number (+ and 7 to 15 digits, the first not 0)".to_owned()
    })
}

fn check_email(field: &str, value: &str) -> Result<(), Malformed> {
    check(is_email(value), field, || "not an e-mail address".to_owned())
}

fn read_person(at: &str, person: wire::EntryPerson) -> Result<Person, Malformed> {
    let wire::EntryPerson { name, function, phone, mobile, email } = person;
    for (field, value) in [("name", &name), ("function", &function)] {
        let field = format!("{at}.{field}");
        check(value.len() <= TEXT_BYTES_MAX, &field, || {
            format!("longer than {TEXT_BYTES_MAX} bytes")
        })?;
        check_readable(&field, value, false)?;
    }
    check(!name.trim().is_empty(), format!("{at}.name"), || "absent".to_owned())?;
    for (field, value) in [("phone", &phone), ("mobile", &mobile)] {
        if !value.is_empty() {
            check_phone(&format!("{at}.{field}"), value)?;
        }
    }
    if !email.is_empty() {
        check_email(&format!("{at}.email"), &email)?;
    }
    check(!(phone.is_empty() && mobile.is_empty() && email.is_empty()), at, || {
        "neither phone nor mobile nor email".to_owned()
    })?;
    Ok(Person { name, function, phone, mobile, email })
}

fn to_wire(desk: &DeskRestricted) -> wire::EntryDeskRestricted {
    let DeskRestricted { salt, channels, confirmation, persons } = desk;
    wire::EntryDeskRestricted {
        salt: salt.to_vec(),
        channels: channels.iter().map(Channel::to_wire).collect(),
        confirmation_contact: confirmation.as_ref().map(Person::to_wire),
        persons: persons.iter().map(Person::to_wire).collect(),
    }
}

impl Channel {
    /// Its message.
    pub fn to_wire(&self) -> wire::EntryChannel {
        let Self { system, value, usage, rank, when, from, until } = self;
        let ms = |at: &Option<Timestamp>| at.map_or(0, |at| at.0);
        wire::EntryChannel {
            system: system.to_string(),
            value: value.clone(),
            r#use: usage.to_string(),
            rank: *rank,
            when: when.to_string(),
            from_ms: ms(from),
            until_ms: ms(until),
        }
    }
}

impl Person {
    /// Its message.
    pub fn to_wire(&self) -> wire::EntryPerson {
        let Self { name, function, phone, mobile, email } = self.clone();
        wire::EntryPerson { name, function, phone, mobile, email }
    }
}
