//! The time at a place: civil date, weekday and minute, across daylight saving and the date line.
//!
//! Not for the machine's own zone or clock: the moment comes in.

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::envelope::entry::Hours;
use crate::envelope::entry::words::Weekday;
use crate::units::Timestamp;

/// How many days ahead an opening is looked for: longer than any run of holidays.
const DAYS_AHEAD: i8 = 62;

/// A moment as the clocks show it somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// The date, "2026-11-28".
    pub date: String,
    /// The time of day, "03:10".
    pub time: String,
    /// Minutes after midnight.
    pub minute: u16,
    /// Day of the week.
    pub weekday: Weekday,
    /// Offset from UTC, "+06:00".
    pub offset: String,
}

impl Local {
    /// The moment in the zone of this name; none when it is not known here.
    pub fn in_zone(moment: Timestamp, name: &str) -> Option<Self> {
        Self::at(moment, &zone(name)?)
    }

    /// The moment there; none outside the years that can be printed.
    pub fn at(moment: Timestamp, zone: &TimeZone) -> Option<Self> {
        let there = jiff::Timestamp::from_millisecond(moment.0).ok()?.to_zoned(zone.clone());
        let minute = u16::try_from(there.hour()).ok()? * 60 + u16::try_from(there.minute()).ok()?;
        Some(Self {
            date: there.date().to_string(),
            time: of_minute(minute),
            minute,
            weekday: Weekday::from_iso(there.weekday().to_monday_one_offset())?,
            offset: there.strftime("%:z").to_string(),
        })
    }
}

/// The zone of this name in the database that is built in.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

/// When the office opens next, after `now`.
pub(super) fn opens(hours: &Hours, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let (from, _) = hours.office?;
    let there = jiff::Timestamp::from_millisecond(now.0).ok()?.to_zoned(zone.clone());
    let mut day = there.date();
    for _ in 0..DAYS_AHEAD {
        if is_working_day(hours, day) {
            let (hour, minute) = (i8::try_from(from / 60).ok()?, i8::try_from(from % 60).ok()?);
            let opening = day.at(hour, minute, 0, 0).to_zoned(zone.clone()).ok()?;
            let opening = Timestamp(opening.timestamp().as_millisecond());
            if opening > now {
                return Some(opening);
            }
        }
        day = day.tomorrow().ok()?;
    }
    None
}

fn is_working_day(hours: &Hours, day: Date) -> bool {
    let text = day.to_string();
    let weekday = Weekday::from_iso(day.weekday().to_monday_one_offset());
    !hours.holidays.iter().any(|holiday| holiday.date == text)
        && weekday.is_some_and(|weekday| !hours.weekend.contains(&weekday))
}

/// "09:00" for 540.
pub(super) fn of_minute(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}
