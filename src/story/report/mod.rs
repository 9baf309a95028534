//! What became of a story, to be read: as text, for programs, and as a page.
//!
//! Not for deciding what held.

mod html;
mod json;
mod picture;
mod text;

pub use html::html;
pub use json::json;
pub use text::{line, text};

use super::{Played, Verdict};
use crate::units::Timestamp;

/// How many of the verdicts say what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// As told.
    pub held: usize,
    /// Not as told.
    pub wrong: usize,
    /// Not tried.
    pub skipped: usize,
}

/// Counts the verdicts.
pub fn tally(played: &Played) -> Tally {
    let mut tally = Tally::default();
    for (_, verdict) in played.verdicts() {
        match verdict {
            Verdict::Held => tally.held += 1,
            Verdict::Wrong { .. } => tally.wrong += 1,
            Verdict::Skipped(_) => tally.skipped += 1,
        }
    }
    tally
}

/// What was told and what became of it, in numbers: "2 steps and 1 expectation: 3 as told, ...".
pub fn summary(played: &Played) -> String {
    let Tally { held, wrong, skipped } = tally(played);
    let steps = counted(played.steps.len(), "step");
    let expects = played.steps.iter().map(|step| step.checks.len()).sum();
    let expects = counted(expects, "expectation");
    format!("{steps} and {expects}: {held} as told, {wrong} wrong, {skipped} skipped")
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A moment in UTC to the minute: "2026-03-02 08:00".
fn utc(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..16).map_or_else(|| text.clone(), |text| text.replace('T', " "))
}

/// A moment on the wall of a desk: "Mon 09:00".
fn local(at: Timestamp, zone: Option<&String>) -> String {
    let zone = zone.and_then(|name| jiff::tz::TimeZone::get(name).ok());
    let (Some(zone), Ok(at)) = (zone, jiff::Timestamp::from_millisecond(at.0)) else {
        return String::new();
    };
    at.to_zoned(zone).strftime("%a %H:%M").to_string()
}

/// A moment of the story: "T+3h", "D+45".
fn story_time(ms: i64) -> String {
    let (sign, ms) = if ms < 0 { ('-', -ms) } else { ('+', ms) };
    let minutes = ms / 60_000;
    let (days, hours, minutes) = (minutes / 1_440, minutes / 60 % 24, minutes % 60);
    let mut text = String::new();
    for (count, unit) in [(days, 'd'), (hours, 'h'), (minutes, 'm')] {
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    match (text.is_empty(), days, hours, minutes) {
        (true, ..) => "T".to_owned(),
        (false, days, 0, 0) if days > 0 => format!("D{sign}{days}"),
        (false, ..) => format!("T{sign}{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_short() {
        let minutes = |m: i64| m * 60_000;
        assert_eq!(story_time(0), "T");
        assert_eq!(story_time(minutes(40)), "T+40m");
        assert_eq!(story_time(-minutes(1_440)), "D-1");
        assert_eq!(story_time(minutes(1_440 + 90)), "T+1d1h30m");
        let at: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
        assert_eq!(utc(at), "2026-03-02 08:00");
        assert_eq!(local(at, Some(&"No/Where".to_owned())), "");
    }
}
