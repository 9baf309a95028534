//! Reading fields: each refusal names the field and says why.
//!
//! Not for what the fields mean.

use std::fmt::Display;
use std::str::FromStr;

use crate::units::{Hash, Timestamp, Unreadable};

/// Bytes or text that cannot be read: which field, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Malformed {
    /// Path of the field ("header.context.to", `data[0].period.from`).
    pub field: String,
    /// Why it cannot be read; lower-case, no final stop.
    pub why: String,
}

/// A field that cannot be read.
pub(super) fn malformed(field: impl Into<String>, why: impl Into<String>) -> Malformed {
    Malformed { field: field.into(), why: why.into() }
}

/// Refuses `field` unless `holds`.
pub(super) fn check(
    holds: bool,
    field: impl Into<String>,
    why: impl FnOnce() -> String,
) -> Result<(), Malformed> {
    if holds { Ok(()) } else { Err(malformed(field, why())) }
}

/// The value of a field written as text.
pub(super) fn text<T>(field: impl Display, value: &str) -> Result<T, Malformed>
where
    T: FromStr<Err = Unreadable>,
{
    value.parse().map_err(|error: Unreadable| malformed(field.to_string(), error.to_string()))
}

/// The value of a field written as text, if there is any.
pub(super) fn optional_text<T>(field: impl Display, value: &str) -> Result<Option<T>, Malformed>
where
    T: FromStr<Err = Unreadable>,
{
    if value.is_empty() { Ok(None) } else { text(field, value).map(Some) }
}

/// The value of a field that holds bytes of one length.
pub(super) fn bytes<T>(
    field: impl Display,
    value: &[u8],
    from_slice: impl FnOnce(&[u8]) -> Result<T, Unreadable>,
) -> Result<T, Malformed> {
    from_slice(value).map_err(|error| malformed(field.to_string(), error.to_string()))
}

/// A hash.
pub(super) fn hash(field: impl Display, value: &[u8]) -> Result<Hash, Malformed> {
    bytes(field, value, Hash::from_slice)
}

/// A moment after 1970. 0 is what an absent field reads as, so it is none.
pub(super) fn moment(field: impl Display, ms: i64) -> Result<Timestamp, Malformed> {
    if ms <= 0 {
        return Err(malformed(field.to_string(), "absent, or not after 1970"));
    }
    Timestamp::from_ms(ms).map_err(|error| malformed(field.to_string(), error.to_string()))
}

/// A moment after 1970, or none when the field is absent.
pub(super) fn optional_moment(
    field: impl Display,
    ms: i64,
) -> Result<Option<Timestamp>, Malformed> {
    if ms == 0 { Ok(None) } else { moment(field, ms).map(Some) }
}

/// Refuses text that a screen would show as something else than it is: control characters,
/// overrides of the writing direction, invisible separators. Line breaks and tabs are allowed
/// `in_prose`.
pub(super) fn check_readable(field: &str, value: &str, in_prose: bool) -> Result<(), Malformed> {
    match value.chars().find(|c| is_deceptive(*c) && !(in_prose && matches!(c, '\n' | '\t'))) {
        Some(c) => Err(malformed(field, format!("it holds U+{:04X}, which hides", u32::from(c)))),
        None => Ok(()),
    }
}

/// Text in which everything that [`check_readable`] refuses is shown as U+FFFD.
pub(super) fn readable(value: &str) -> String {
    let show = |c| if is_deceptive(c) && !matches!(c, '\n' | '\t') { '\u{FFFD}' } else { c };
    value.chars().map(show).collect()
}

fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}
