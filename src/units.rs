//! Small words: identities, indexes, moments.
//!
//! Not for anything that decides. Each type can only be made from text or bytes that are well
//! formed, so that the rest of the program never checks again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Text or bytes that are not the thing they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Unreadable {
    /// What it should have been ("desk id").
    pub what: &'static str,
    /// Why it is not.
    pub why: String,
}

impl Unreadable {
    /// Text or bytes that are not a `what`, because of `why`.
    pub fn new(what: &'static str, why: impl Into<String>) -> Self {
        Self { what, why: why.into() }
    }
}

/// A member of the network: ISO 3166-1 alpha-2, or a user-assigned code (XA to XZ) in exercises.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MemberId([u8; 2]);

impl MemberId {
    /// The lower-case form, as it stands in a trust domain.
    pub fn label(self) -> String {
        self.to_string().to_ascii_lowercase()
    }

    /// The member whose lower-case form is `label`.
    ///
    /// # Errors
    /// When `label` is not two lower-case ASCII letters.
    pub fn from_label(label: &str) -> Result<Self, Unreadable> {
        if label.bytes().all(|b| b.is_ascii_lowercase()) {
            label.to_ascii_uppercase().parse()
        } else {
            Err(Unreadable::new("member id", format!("{label:?} is not two lower-case letters")))
        }
    }
}

impl FromStr for MemberId {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        match text.as_bytes() {
            [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Ok(Self([*a, *b])),
            _ => Err(Unreadable::new(
                "member id",
                format!("{text:?} is not two upper-case letters (ISO 3166-1 alpha-2)"),
            )),
        }
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", char::from(self.0[0]), char::from(self.0[1]))
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The longest name of a desk, an officer or a network, in bytes: half a DNS label, so that the
/// longest identity still fits a certificate and a line of a terminal.
const NAME_BYTES_MAX: usize = 32;

/// A lower-case name: letters, digits and inner hyphens, 1 to 32 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let edge = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
        let bytes = text.as_bytes();
        if bytes.len() <= NAME_BYTES_MAX
            && bytes.iter().all(|b| inner(*b))
            && edge(bytes.first())
            && edge(bytes.last())
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(Unreadable::new(
                "name",
                format!("{text:?} is not 1 to 32 of a-z, 0-9 and inner hyphens"),
            ))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A contact point: a member's desk, as "NL/cyber".
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeskId {
    /// The member.
    pub member: MemberId,
    /// The desk's name within the member.
    pub name: Name,
}

impl FromStr for DeskId {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let (member, name) = text
            .split_once('/')
            .ok_or_else(|| Unreadable::new("desk id", format!("{text:?} is not MEMBER/desk")))?;
        Ok(Self { member: member.parse()?, name: name.parse()? })
    }
}

impl fmt::Display for DeskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.member, self.name)
    }
}

impl fmt::Debug for DeskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An officer of a desk, as "NL/cyber/jansen".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OfficerId {
    /// The desk.
    pub desk: DeskId,
    /// The officer's name within the desk.
    pub name: Name,
}

impl fmt::Display for OfficerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.desk, self.name)
    }
}

/// A desk whose certificate has been verified against its own nation's authority and revocation
/// list. Only `identity` makes one from a connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    /// The desk.
    pub desk: DeskId,
}

macro_rules! id128 {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// The id in these bytes.
            ///
            /// # Errors
            /// When they are not 16.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, Unreadable> {
                bytes.try_into().map(Self).map_err(|_| {
                    Unreadable::new($what, format!("{} bytes where 16 belong", bytes.len()))
                })
            }
        }

        impl FromStr for $name {
            type Err = Unreadable;

            fn from_str(text: &str) -> Result<Self, Unreadable> {
                parse_uuid(text).map(Self).ok_or_else(|| {
                    Unreadable::new($what, format!("{text:?} is not a UUID"))
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                render_uuid(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                render_uuid(&self.0, f)
            }
        }
    };
}

id128!(
    /// A statement's id: 16 bytes chosen by its sender, printed as a UUID.
    MessageId, "message id"
);
id128!(
    /// A request's id: the message id of its first statement.
    RequestId, "request id"
);
id128!(
    /// A case's id: 16 random bytes shared by its requests.
    CaseId, "case id"
);
id128!(
    /// A batch's id: makes appending it idempotent.
    BatchId, "batch id"
);
id128!(
    /// A journal's id, made when it was.
    JournalId, "journal id"
);

impl From<MessageId> for RequestId {
    fn from(message: MessageId) -> Self {
        Self(message.0)
    }
}

/// Where the hyphens of a UUID stand.
const UUID_HYPHENS: [usize; 4] = [8, 13, 18, 23];

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 || UUID_HYPHENS.iter().any(|i| bytes.get(*i) != Some(&b'-')) {
        return None;
    }
    let digits: Vec<u8> = bytes.iter().copied().filter(|b| *b != b'-').collect();
    let raw = data_encoding::HEXLOWER.decode(&digits).ok()?;
    raw.try_into().ok()
}

fn render_uuid(bytes: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            f.write_str("-")?;
        }
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

/// Parts of no more bytes than this are joined before they are hashed: two hashes and a prefix fit.
const SHORT_BYTES: usize = 80;

/// A SHA-256 hash, or a key's id, which is one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The hash in these bytes.
    ///
    /// # Errors
    /// When they are not 32.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Unreadable> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| Unreadable::new("hash", format!("{} bytes where 32 belong", bytes.len())))
    }

    /// SHA-256 of the concatenation of `parts`.
    pub fn of(parts: &[&[u8]]) -> Self {
        let digest = |bytes: &[u8]| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        let length: usize = parts.iter().map(|part| part.len()).sum();
        // A context costs as much as hashing what is short: leaves and nodes of a tree.
        let mut short = [0; SHORT_BYTES];
        let found = match (parts, short.get_mut(..length)) {
            ([whole], _) => digest(whole),
            (_, Some(joined)) => {
                let mut rest = &mut *joined;
                for part in parts {
                    let (start, tail) = rest.split_at_mut(part.len());
                    start.copy_from_slice(part);
                    rest = tail;
                }
                digest(joined)
            }
            (_, None) => {
                let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
                parts.iter().for_each(|part| context.update(part));
                context.finish()
            }
        };
        let mut hash = [0; 32];
        hash.copy_from_slice(found.as_ref());
        Self(hash)
    }
}

impl FromStr for Hash {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let raw = data_encoding::HEXLOWER
            .decode(text.as_bytes())
            .map_err(|_| Unreadable::new("hash", "it is not lower-case hexadecimal".to_owned()))?;
        Self::from_slice(&raw)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The place of a record in the journal, from 0, dense.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Index(pub u64);

impl Index {
    /// The place `n` further on.
    #[must_use]
    pub fn plus(self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The number of a record in one desk's own sequence, from 0, dense.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct DeskIndex(pub u64);

impl DeskIndex {
    /// The next number.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for DeskIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The earliest and latest moments that can be printed (years 1 and 9999): what lies outside
    /// is not a moment of ours.
    const RANGE_MS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_207_200_999;

    /// The moment `ms` milliseconds after 1970.
    ///
    /// # Errors
    /// When it lies outside the years 1 to 9999.
    pub fn from_ms(ms: i64) -> Result<Self, Unreadable> {
        if Self::RANGE_MS.contains(&ms) {
            Ok(Self(ms))
        } else {
            Err(Unreadable::new("timestamp", format!("{ms} ms is outside the years 1 to 9999")))
        }
    }

    /// This many milliseconds later (or earlier, when negative).
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this; negative when `earlier` is later.
    pub const fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl FromStr for Timestamp {
    type Err = Unreadable;

    /// Reads RFC 3339 with an offset.
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let moment: jiff::Timestamp = text.parse().map_err(|_| {
            Unreadable::new(
                "timestamp",
                format!("{text:?} is not RFC 3339 with an offset (2026-11-23T09:00:00Z)"),
            )
        })?;
        Self::from_ms(moment.as_millisecond())
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, to the millisecond.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A whole day of UTC, counted from 1970-01-01, which is 0.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Day(pub u32);

impl Day {
    /// The day of a moment; moments before 1970 are of its first day.
    pub fn of(moment: Timestamp) -> Self {
        Self(u32::try_from(moment.0.div_euclid(DAY_MS)).unwrap_or(0))
    }

    /// Its first moment.
    pub fn start(self) -> Timestamp {
        Timestamp(i64::from(self.0).saturating_mul(DAY_MS))
    }
}

impl FromStr for Day {
    type Err = Unreadable;

    /// Reads "2026-11-23", in that form alone.
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let bad = || Unreadable::new("day", format!("{text:?} is not a day (2026-11-23)"));
        let moment: Timestamp = format!("{text}T00:00:00Z").parse().map_err(|_| bad())?;
        let day = Self::of(moment);
        if day.to_string() == text { Ok(day) } else { Err(bad()) }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.start().to_string();
        f.write_str(text.split('T').next().unwrap_or_default())
    }
}

/// Milliseconds in a minute, an hour and a day of 24 hours: the network's clocks run 24x7 in UTC.
pub const MINUTE_MS: i64 = 60_000;
/// See [`MINUTE_MS`].
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// See [`MINUTE_MS`].
pub const DAY_MS: i64 = 24 * HOUR_MS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_read_what_they_print() {
        let desk: DeskId = "NL/cyber-247".parse().unwrap();
        assert_eq!(desk.to_string(), "NL/cyber-247");
        assert_eq!(desk.member.label(), "nl");
        assert_eq!(MemberId::from_label("nl").unwrap(), desk.member);
        let id = MessageId([0x1f; 16]);
        assert_eq!(id.to_string().parse::<MessageId>().unwrap(), id);
        let hash = Hash::of(&[b"a", b"b"]);
        assert_eq!(hash, Hash::of(&[b"ab"]));
        assert_eq!(hash.to_string().parse::<Hash>().unwrap(), hash);
    }

    #[test]
    fn only_the_canonical_form_is_read() {
        for bad in
            ["nl/cyber", "NL", "NL/", "NL/Cyber", "NL/-a", "NL/a-", "NLD/a", "NL/a/b", "NL/ä"]
        {
            assert!(bad.parse::<DeskId>().is_err(), "{bad}");
        }
        for bad in ["NL", "Nl", "n", "nld"] {
            assert!(MemberId::from_label(bad).is_err(), "{bad}");
        }
        assert!("1F1f1f1f-1f1f-1f1f-1f1f-1f1f1f1f1f1f".parse::<MessageId>().is_err());
    }

    #[test]
    fn days_are_whole_and_of_utc() {
        let day: Day = "2026-11-23".parse().unwrap();
        assert_eq!(day.to_string(), "2026-11-23");
        assert_eq!(Day::of("2026-11-23T23:59:59.999Z".parse().unwrap()), day);
        assert_eq!(Day::of("2026-11-24T00:30:00+01:00".parse().unwrap()), day);
        assert_eq!(Day::of(Timestamp(-1)), Day(0));
        for bad in ["", "2026-11-31", "2026-1-1", "20261123", "2026-11-23T00:00:00Z", "1969-12-31"]
        {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
    }

    #[test]
    fn moments_are_utc_to_the_millisecond() {
        let moment: Timestamp = "2026-11-23T10:00:00+01:00".parse().unwrap();
        assert_eq!(moment.to_string(), "2026-11-23T09:00:00.000Z");
        assert!(Timestamp::from_ms(i64::MAX).is_err());
    }
}
