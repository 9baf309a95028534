//! What one field must look like, when it is filled in.
//!
//! Not for whether it must be filled in (see `complete.rs`).

use std::net::IpAddr;
use std::str::FromStr;

use super::bank;
use super::fields::{Field, Value};
use crate::envelope::Malformed;
use crate::envelope::read::{check_readable, malformed};
use crate::envelope::words::{DataCategory, RefusalGround, UnableReason, Usefulness};
use crate::units::{Timestamp, Unreadable};

/// The longest text on one line, in bytes.
pub(super) const LINE_BYTES_MAX: usize = 300;

/// The longest running text, in bytes: about six pages.
pub(super) const PROSE_BYTES_MAX: usize = 16 << 10;

/// The longest identifier, in bytes: what browsers take as a URL.
const IDENTIFIER_BYTES_MAX: usize = 2_048;

/// The longest e-mail address, in bytes (RFC 5321, with the erratum to RFC 3696).
const EMAIL_BYTES_MAX: usize = 254;

/// The longest language tag and time zone name, in bytes.
const TAG_BYTES_MAX: usize = 64;

/// How many days can be asked for: not less than 60 (Art. 29(7)), and no more than ten years.
const DAYS: std::ops::RangeInclusive<u32> = 60..=3_650;

/// What a field must look like.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// One line of text.
    Line,
    /// Running text, with line breaks.
    Prose,
    /// A telephone number, E.164: `+` and 7 to 15 digits, the first not 0.
    Phone,
    /// An e-mail address.
    Email,
    /// An ISO 8601 date, as "2026-11-23".
    Date,
    /// RFC 3339 with an offset, as "2026-11-23T10:00:00+01:00".
    Moment,
    /// A BCP 47 tag.
    Language,
    /// The name of a time zone.
    TimeZone,
    /// A `DataCategory`.
    Category,
    /// A `RefusalGround`.
    RefusalGround,
    /// An `UnableReason`.
    UnableReason,
    /// A `Usefulness`.
    Usefulness,
    /// A word of a list.
    Word(&'static [&'static str]),
    /// Path of a field of a form.
    Path,
    /// An IP address.
    Ip,
    /// A host name.
    Domain,
    /// A URL.
    Url,
    /// An identifier of another kind.
    Identifier,
    /// A state, ISO 3166-1 alpha-2; whether it is registered is not looked up.
    Country,
    /// An IBAN.
    Iban,
    /// A BIC.
    Bic,
    /// A currency.
    Currency,
    /// An amount of money.
    Amount,
    /// A SHA-256, in hexadecimal digits.
    Sha256,
    /// A box to tick.
    Flag,
    /// A number of days.
    Days,
}

impl Shape {
    /// SIENA handling codes.
    pub(super) const HANDLING: Self = Self::Word(&["H0", "H1", "H2", "H3"]);
    /// T-CY(2018)10, item 3.
    pub(super) const REQUEST_STATUS: Self =
        Self::Word(&["NEW", "FOLLOW_UP_MLA", "FOLLOW_UP_PRESERVATION"]);
    /// FIRST TLP 2.0.
    pub(super) const TLP: Self = Self::Word(&["RED", "AMBER", "AMBER+STRICT", "GREEN", "CLEAR"]);
    /// What an identifier is.
    pub(super) const IDENTIFIER_KIND: Self = Self::Word(&[
        "IP_ADDRESS",
        "DOMAIN",
        "URL",
        "EMAIL",
        "ACCOUNT",
        "PHONE",
        "DEVICE",
        "OTHER",
    ]);

    /// The shape of an identifier of this kind.
    pub(super) fn of_identifier(kind: &str) -> Self {
        match kind {
            "IP_ADDRESS" => Self::Ip,
            "DOMAIN" => Self::Domain,
            "URL" => Self::Url,
            "EMAIL" => Self::Email,
            "PHONE" => Self::Phone,
            _ => Self::Identifier,
        }
    }

    const fn bytes_max(self) -> usize {
        match self {
            Self::Prose => PROSE_BYTES_MAX,
            Self::Email => EMAIL_BYTES_MAX,
            Self::Language | Self::TimeZone => TAG_BYTES_MAX,
            Self::Url | Self::Identifier => IDENTIFIER_BYTES_MAX,
            Self::Line
            | Self::Phone
            | Self::Date
            | Self::Moment
            | Self::Category
            | Self::RefusalGround
            | Self::UnableReason
            | Self::Usefulness
            | Self::Word(_)
            | Self::Path
            | Self::Ip
            | Self::Domain
            | Self::Country
            | Self::Iban
            | Self::Bic
            | Self::Currency
            | Self::Amount
            | Self::Sha256
            | Self::Flag
            | Self::Days => LINE_BYTES_MAX,
        }
    }
}

/// Refuses a field that is filled in and does not look as it should.
pub(super) fn check(field: &Field<'_>) -> Result<(), Malformed> {
    let path = field.path.to_string();
    match field.value {
        Value::Text("") | Value::Flag(_) | Value::Number(0) => Ok(()),
        Value::Number(number) if DAYS.contains(&number) => Ok(()),
        Value::Number(number) => {
            let why = format!("{number} is not {} to {} days", DAYS.start(), DAYS.end());
            Err(malformed(path, why))
        }
        Value::Text(text) => {
            let max = field.shape.bytes_max();
            if text.len() > max {
                let why = format!("{} bytes where at most {max} belong", text.len());
                return Err(malformed(path, why));
            }
            check_readable(&path, text, matches!(field.shape, Shape::Prose))?;
            check_text(field.shape, text).map_err(|why| malformed(path, why))
        }
    }
}

/// The moment in a field of shape [`Shape::Moment`].
pub(super) fn parse_moment(text: &str) -> Result<Timestamp, String> {
    let shaped = text.len() >= 20
        && text.bytes().enumerate().all(|(i, byte)| match i {
            4 | 7 => byte == b'-',
            10 => byte == b'T',
            13 | 16 => byte == b':',
            0..=18 => byte.is_ascii_digit(),
            _ => byte.is_ascii_digit() || b".:+-Z".contains(&byte),
        });
    let moment = if shaped { text.parse().ok() } else { None };
    moment.ok_or_else(|| {
        format!("{text:?} is not RFC 3339 with an offset (2026-11-23T10:00:00+01:00)")
    })
}

fn check_text(shape: Shape, text: &str) -> Result<(), String> {
    match shape {
        Shape::Phone => holds(is_phone(text), text, "a number as +31612345678 (E.164)"),
        Shape::Email => holds(is_email(text), text, "an e-mail address"),
        Shape::Date => holds(is_date(text), text, "a date as 2026-11-23 (ISO 8601)"),
        Shape::Moment => parse_moment(text).map(drop),
        Shape::Language => holds(is_language(text), text, "a language tag as en or pt-BR (BCP 47)"),
        Shape::TimeZone => holds(is_zone(text), text, "a time zone as Europe/Amsterdam"),
        Shape::Category => word::<DataCategory>(text),
        Shape::RefusalGround => word::<RefusalGround>(text),
        Shape::UnableReason => word::<UnableReason>(text),
        Shape::Usefulness => word::<Usefulness>(text),
        Shape::Word(words) => {
            holds(words.contains(&text), text, &format!("one of {}", words.join(", ")))
        }
        Shape::Path => holds(is_path(text), text, "a field as data[0].period"),
        Shape::Ip => holds(IpAddr::from_str(text).is_ok(), text, "an IP address"),
        Shape::Domain => holds(is_domain(text), text, "a host name"),
        Shape::Url => holds(is_url(text), text, "a URL"),
        Shape::Country => holds(is_country(text), text, "a state as NL (ISO 3166-1 alpha-2)"),
        Shape::Iban => {
            let what = "an IBAN without spaces and with the right check digits (ISO 13616)";
            holds(bank::is_iban(text), text, what)
        }
        Shape::Bic => holds(bank::is_bic(text), text, "a BIC as ABNANL2A (ISO 9362)"),
        Shape::Currency => holds(bank::is_currency(text), text, "a currency as EUR (ISO 4217)"),
        Shape::Amount => holds(bank::is_amount(text), text, "an amount above 0 as 42300000.00"),
        Shape::Sha256 => holds(is_sha256(text), text, "a SHA-256 in 64 hexadecimal digits"),
        Shape::Line | Shape::Prose | Shape::Identifier | Shape::Flag | Shape::Days => Ok(()),
    }
}

fn holds(it: bool, text: &str, what: &str) -> Result<(), String> {
    if it { Ok(()) } else { Err(format!("{text:?} is not {what}")) }
}

fn word<T: FromStr<Err = Unreadable>>(text: &str) -> Result<(), String> {
    text.parse::<T>().map(drop).map_err(|error| error.why)
}

pub(in crate::envelope) fn is_phone(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default().as_bytes();
    (7..=15).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && digits.first() != Some(&b'0')
}

pub(in crate::envelope) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let plain = |c: char| !c.is_whitespace() && !"@<>(),;:\\\"[]".contains(c);
    (1..=64).contains(&local.len()) && local.chars().all(plain) && is_domain(domain)
}

/// Letters of any script, so that a name can be given as it is written.
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let tail = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && scheme.bytes().all(tail)
        && !rest.is_empty()
        && !rest.chars().any(char::is_whitespace)
}

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase())
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

pub(in crate::envelope) fn is_date(text: &str) -> bool {
    text.len() == 10 && text.as_bytes()[4] == b'-' && jiff::civil::Date::from_str(text).is_ok()
}

/// The shape of RFC 5646, section 2.1; whether the subtags are registered is not looked up.
pub(in crate::envelope) fn is_language(text: &str) -> bool {
    let mut subtags = text.split('-');
    let primary = subtags.next().unwrap_or_default();
    (2..=8).contains(&primary.len())
        && primary.bytes().all(|b| b.is_ascii_alphabetic())
        && subtags.all(|tag| {
            (1..=8).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

/// The shape of a name of the time zone database; whether it is there is not looked up.
pub(in crate::envelope) fn is_zone(text: &str) -> bool {
    let part = |part: &str| {
        part.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b))
    };
    text.len() <= TAG_BYTES_MAX && text.split('/').all(part)
}

fn is_path(text: &str) -> bool {
    text.split('.').all(|step| {
        let (name, entry) = step.split_once('[').unwrap_or((step, "0]"));
        let digits = entry.strip_suffix(']').unwrap_or_default();
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            && (1..=4).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_take_what_they_should_and_nothing_else() {
        let cases: [(Shape, &[&str], &[&str]); 11] = [
            (
                Shape::Phone,
                &["+31612345678", "+1234567"],
                &["0612345678", "+0612345678", "+31 6", "+123456", "+1234567890123456", "+"],
            ),
            (
                Shape::Email,
                &["a.b@police.example", "x@xn--p1ai"],
                &["a", "a@", "@b", "a b@c", "a@b c", "a@@b", "a@-b"],
            ),
            (Shape::Date, &["2026-02-28"], &["2026-02-29", "28-02-2026", "2026-2-28", "20260228"]),
            (
                Shape::Moment,
                &["2026-11-23T10:00:00+01:00", "2026-11-23T10:00:00.5Z", "2026-11-23T10:00:00Z"],
                &[
                    "2026-11-23",
                    "2026-11-23T10:00:00",
                    "2026-11-23 10:00:00Z",
                    "2026-13-23T10:00:00Z",
                    "2026-11-23T10:00:00+01:00[Europe/Paris]",
                ],
            ),
            (Shape::Language, &["en", "pt-BR", "zh-Hant-TW"], &["e", "en_GB", "en-", "1n"]),
            (Shape::TimeZone, &["Europe/Amsterdam", "Etc/GMT+5"], &["", "/x", "Europe/", "a b"]),
            (Shape::Category, &["TRAFFIC"], &["traffic", "ALL"]),
            (Shape::Ip, &["192.0.2.1", "2001:db8::1"], &["192.0.2.256", "192.0.2.0/24", "x"]),
            (Shape::Domain, &["example.org", "bücher.example"], &["a..b", "-a", "a b", "a/b"]),
            (
                Shape::Url,
                &["https://example.org/x?y"],
                &["example.org", "://x", "https://", "h://a b"],
            ),
            (Shape::Path, &["data[0].period", "facts"], &["Data", "data[]", "data[x]", "a..b", ""]),
        ];
        for (shape, good, bad) in cases {
            for text in good {
                assert_eq!(check_text(shape, text), Ok(()), "{text}");
            }
            for text in bad {
                assert!(check_text(shape, text).is_err(), "{text}");
            }
        }
    }

    #[test]
    fn text_that_deceives_a_terminal_is_refused() {
        let prose = "line\nline\ttab";
        assert!(check_readable("f", prose, true).is_ok());
        assert!(check_readable("f", prose, false).is_err());
        for bad in
            ["\u{1b}[2J", "a\u{202e}b", "a\u{2066}b", "a\rb", "a\u{0}b", "\u{feff}a", "\u{9b}"]
        {
            assert!(check_readable("f", bad, true).is_err(), "{bad:?}");
        }
        for good in ["نص عربي", "עברית", "日本語", "می\u{200c}خواهم"] {
            assert!(check_readable("f", good, true).is_ok(), "{good}");
        }
    }
}
