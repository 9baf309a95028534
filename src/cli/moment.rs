//! Moments as officers write and read them.
//!
//! Not a clock: "now" and the time zone come in.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::units::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp};

/// Reads a moment: RFC 3339 with an offset, or "+30m", "+8h", "+2d" from `now`.
///
/// # Errors
/// Says in a sentence what can be written.
pub(super) fn parse_moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let help = "write RFC 3339 with an offset (2026-11-23T17:00:00+01:00), or +30m, +8h, +2d";
    let Some(span) = text.strip_prefix('+') else {
        return text.parse().map_err(|_| format!("{text:?} is not a moment; {help}"));
    };
    let bad = || format!("{text:?} is not a span of time; {help}");
    let units = [("m", MINUTE_MS), ("h", HOUR_MS), ("d", DAY_MS)];
    let (count, unit_ms) = units
        .into_iter()
        .find_map(|(unit, ms)| span.strip_suffix(unit).map(|count| (count, ms)))
        .ok_or_else(bad)?;
    let count: u32 = count.parse().map_err(|_| bad())?;
    let ms = i64::from(count).checked_mul(unit_ms).ok_or_else(bad)?;
    Timestamp::from_ms(now.plus_ms(ms).0).map_err(|error| error.why)
}

/// Reads a day, as "2027-03-31".
///
/// # Errors
/// Says in a sentence what can be written.
pub(super) fn parse_day(text: &str) -> Result<Date, String> {
    let bad = || format!("{text:?} is not a day; write it as 2027-03-31");
    if text.len() == "2027-03-31".len() { text.parse().map_err(|_| bad()) } else { Err(bad()) }
}

/// The end of a day in UTC: its last second.
pub(super) fn end_of(day: Date) -> Timestamp {
    let end = day.at(23, 59, 59, 0).to_zoned(TimeZone::UTC);
    Timestamp(end.map_or(i64::MAX, |end| end.timestamp().as_millisecond()))
}

/// The day of a moment, in UTC.
pub(super) fn day_of(moment: Timestamp) -> Option<Date> {
    let instant = jiff::Timestamp::from_millisecond(moment.0).ok()?;
    Some(instant.to_zoned(TimeZone::UTC).date())
}

/// A moment in UTC, to the second: "2026-11-23 09:00:00Z"; "-" for none (0).
pub(super) fn render_utc(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(instant) if ms != 0 => instant.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Ok(_) | Err(_) => "-".to_owned(),
    }
}

/// The same for programs: RFC 3339, or nothing for none (0).
pub(super) fn render_rfc3339(ms: i64) -> Option<String> {
    (ms != 0).then(|| Timestamp(ms).to_string())
}

/// The wall clock at a moment in a zone: "Mon 10:00 Europe/Amsterdam".
pub(super) fn render_local(ms: i64, zone: &TimeZone) -> Option<String> {
    let instant = jiff::Timestamp::from_millisecond(ms).ok().filter(|_| ms != 0)?;
    let local = instant.to_zoned(zone.clone());
    let name = zone.iana_name().map_or_else(|| local.strftime("%Z").to_string(), str::to_owned);
    Some(format!("{} {name}", local.strftime("%a %H:%M")))
}

/// A length of time, to its two largest units: "2 d 3 h", "14 min", "8 s".
pub(super) fn render_span(ms: i64) -> String {
    let s = ms.unsigned_abs() / 1000;
    let text = match s {
        0..60 => format!("{s} s"),
        60..3_600 => format!("{} min", s / 60),
        3_600..86_400 => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3_600),
    };
    if ms < 0 { format!("-{text}") } else { text }
}

/// When something is due, seen from now: "in 7 h 3 min", "2 d 1 h late", "-".
pub(super) fn render_due(due_ms: i64, now: Timestamp) -> String {
    match due_ms {
        0 => "-".to_owned(),
        due if due >= now.0 => format!("in {}", render_span(due - now.0)),
        due => format!("{} late", render_span(now.0 - due)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T09:00:00Z".parse().unwrap()
    }

    #[test]
    fn moments_are_read() {
        let cases = [
            ("+30m", "2026-11-23T09:30:00.000Z"),
            ("+8h", "2026-11-23T17:00:00.000Z"),
            ("+2d", "2026-11-25T09:00:00.000Z"),
            ("2026-11-23T17:00:00+01:00", "2026-11-23T16:00:00.000Z"),
        ];
        for (text, moment) in cases {
            assert_eq!(parse_moment(text, now()).unwrap().to_string(), moment, "{text}");
        }
        for bad in [
            "",
            "+",
            "+h",
            "8h",
            "+8",
            "+-8h",
            "+8w",
            "+99999999999d",
            "+4294967295d",
            "tomorrow",
            "2026-11-23",
            "+8\u{e9}",
        ] {
            assert!(parse_moment(bad, now()).is_err(), "{bad}");
        }
    }

    #[test]
    fn days_are_read_and_last_until_their_end() {
        let day = parse_day("2027-03-31").unwrap();
        assert_eq!(end_of(day).to_string(), "2027-03-31T23:59:59.000Z");
        assert_eq!(day_of(end_of(day)), Some(day));
        for bad in ["2027-02-30", "31-03-2027", "2027-03-31T00:00:00Z", "2027-3-31", ""] {
            assert!(parse_day(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn moments_are_shown_in_utc_and_on_the_wall() {
        let ms = now().0;
        assert_eq!(render_utc(ms), "2026-11-23 09:00:00Z");
        assert_eq!(render_utc(0), "-");
        assert_eq!(render_local(ms, &TimeZone::UTC).unwrap(), "Mon 09:00 UTC");
        assert_eq!(render_rfc3339(0), None);
        assert_eq!(render_due(ms + HOUR_MS, now()), "in 1 h 0 min");
        assert_eq!(render_due(ms - 2 * DAY_MS, now()), "2 d 0 h late");
        assert_eq!(render_due(ms + 59_999, now()), "in 59 s");
    }
}
