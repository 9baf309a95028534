//! Whom to call now: which channel of a desk applies at this minute, what time it is there, and
//! why.
//!
//! Not for calling anybody, and not a rule of the network: a request may be sent at any hour. A
//! pure function of what the desk has published, the moment, and the urgency; the time zone
//! database is the one that is built in, so that every machine answers the same.

mod clock;
mod order;

use crate::envelope::entry::words::{HoursKind, Weekday};
use crate::envelope::entry::{Channel, DeskRestricted, Hours, Person};
use crate::envelope::words::Urgency;
use crate::units::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp};
pub use clock::Local;

/// What a desk has published, as far as a call needs it.
#[derive(Debug, Clone, Copy)]
pub struct Published<'a> {
    /// When somebody is there; none before its nation's first entry.
    pub hours: Option<&'a Hours>,
    /// IANA time zone.
    pub time_zone: &'a str,
    /// Its restricted part; none where it was erased or there is none.
    pub restricted: Option<&'a DeskRestricted>,
    /// When its nation's entry last changed.
    pub changed: Timestamp,
}

/// Who is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Somebody is, around the clock.
    Staffed,
    /// The office is open.
    Open,
    /// The office is closed; a duty officer answers.
    Duty(Closed),
    /// The office is closed, and nobody answers until it opens.
    Nobody {
        /// Why.
        closed: Closed,
        /// When it opens; none when that is more than two months away.
        opens: Option<Timestamp>,
    },
    /// Its nation has not said, or this program does not know its time zone.
    Unknown,
}

/// Why an office is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// A public holiday, with its name.
    Holiday(String),
    /// A day of the weekend.
    Weekend(Weekday),
    /// The time of day.
    Hours {
        /// When it opens, in minutes after midnight there.
        from: u16,
        /// When it closes.
        until: u16,
    },
}

/// What to do at this minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// The moment.
    pub now: Timestamp,
    /// The time there; none when this program does not know the zone.
    pub there: Option<Local>,
    /// The day there is one on which the office is closed, whoever answers.
    pub day_off: Option<Closed>,
    /// Who is there.
    pub presence: Presence,
    /// The channels that apply, the best first.
    pub channels: Vec<Channel>,
    /// Whom to ask whether a request is genuine.
    pub confirmation: Option<Person>,
    /// When the entry last changed.
    pub changed: Timestamp,
    /// All of it in a sentence, without a number or an address.
    pub sentence: String,
}

/// What applies at `now` for a request of this urgency.
pub fn advise(published: &Published<'_>, now: Timestamp, urgency: Urgency) -> Advice {
    let zone = clock::zone(published.time_zone);
    let there = zone.as_ref().and_then(|zone| Local::at(now, zone));
    let day_off = match (published.hours, &there) {
        (Some(hours), Some(there)) => day_off(hours, there),
        (_, _) => None,
    };
    let presence = presence(published.hours, there.as_ref(), day_off.as_ref(), &|hours| {
        zone.as_ref().and_then(|zone| clock::opens(hours, zone, now))
    });
    let all = published.restricted.map(|open| open.channels.as_slice()).unwrap_or_default();
    let channels = order::applying(all, &presence, day_off.is_some(), now, urgency);
    let mut advice = Advice {
        now,
        there,
        day_off,
        presence,
        channels,
        confirmation: published.restricted.and_then(|open| open.confirmation.clone()),
        changed: published.changed,
        sentence: String::new(),
    };
    advice.sentence = sentence(&advice, published.time_zone, zone.as_ref());
    advice
}

/// Why the office is closed all day, if it is. A holiday says more than a weekend.
fn day_off(hours: &Hours, there: &Local) -> Option<Closed> {
    let holiday = hours.holidays.iter().find(|day| day.date == there.date);
    match holiday {
        Some(day) => Some(Closed::Holiday(day.name.clone())),
        None if hours.weekend.contains(&there.weekday) => Some(Closed::Weekend(there.weekday)),
        None => None,
    }
}

fn presence(
    hours: Option<&Hours>,
    there: Option<&Local>,
    day_off: Option<&Closed>,
    opens: &dyn Fn(&Hours) -> Option<Timestamp>,
) -> Presence {
    let (Some(hours), Some(there)) = (hours, there) else { return Presence::Unknown };
    let closed = day_off.cloned().or_else(|| {
        let (from, until) = hours.office?;
        let open = (from..until).contains(&there.minute);
        (!open).then_some(Closed::Hours { from, until })
    });
    match (hours.kind, closed) {
        (HoursKind::True247, _) => Presence::Staffed,
        (HoursKind::OfficeAndDuty | HoursKind::Office, None) => Presence::Open,
        (HoursKind::OfficeAndDuty, Some(closed)) => Presence::Duty(closed),
        (HoursKind::Office, Some(closed)) => Presence::Nobody { closed, opens: opens(hours) },
    }
}

fn sentence(advice: &Advice, zone_name: &str, zone: Option<&jiff::tz::TimeZone>) -> String {
    let time = match &advice.there {
        Some(there) => {
            format!("it is {} {} there ({zone_name})", there.weekday.noun(), there.time)
        }
        None => format!("the time zone {zone_name} is not known here"),
    };
    let day = match (&advice.presence, &advice.day_off) {
        (Presence::Unknown, _) => "when somebody is there is not published".to_owned(),
        (Presence::Open, _) => "in office hours".to_owned(),
        (Presence::Staffed, None) => "the desk is staffed around the clock".to_owned(),
        (Presence::Staffed, Some(closed)) => {
            format!("{}, but the desk is staffed around the clock", closed.phrase())
        }
        (Presence::Duty(closed) | Presence::Nobody { closed, .. }, _) => closed.phrase(),
    };
    let channel = match advice.channels.first() {
        Some(first) => format!("the {} {} applies", first.usage.noun(), first.system.noun()),
        None => "no channel but the relay is published".to_owned(),
    };
    let channel = match &advice.presence {
        Presence::Nobody { opens, .. } => {
            let opens = opens.zip(zone).and_then(|(at, zone)| Local::at(at, zone));
            let until = opens.map_or_else(
                || "for more than two months".to_owned(),
                |at| format!("until {} {} {} there", at.weekday.noun(), at.date, at.time),
            );
            format!("nobody is there {until}; {channel}")
        }
        Presence::Staffed | Presence::Open | Presence::Duty(_) | Presence::Unknown => channel,
    };
    let changed = ago(advice.now.since_ms(advice.changed));
    format!("{time}, {day}; {channel}; last changed {changed}")
}

impl Closed {
    /// In a sentence.
    pub fn phrase(&self) -> String {
        match self {
            Self::Holiday(name) => format!("a public holiday ({name})"),
            Self::Weekend(_) => "a weekend day".to_owned(),
            Self::Hours { from, until } => {
                let (from, until) = (clock::of_minute(*from), clock::of_minute(*until));
                format!("outside office hours ({from} to {until})")
            }
        }
    }
}

/// How long ago, in the largest unit that fits.
fn ago(ms: i64) -> String {
    let count = |unit: i64, name: &str| {
        let n = ms / unit;
        format!("{n} {name}{} ago", if n == 1 { "" } else { "s" })
    };
    match ms {
        ..MINUTE_MS => "just now".to_owned(),
        MINUTE_MS..HOUR_MS => count(MINUTE_MS, "minute"),
        HOUR_MS..DAY_MS => count(HOUR_MS, "hour"),
        DAY_MS.. => count(DAY_MS, "day"),
    }
}
