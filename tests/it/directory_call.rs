//! Whom to call now: a table of moments, places and calendars. Each row is a moment in UTC, what
//! the clocks show there, who is there, and the channel that applies.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use detente::envelope::entry::words::{HoursKind, System, Use, Weekday, When};
use detente::envelope::entry::{Channel, DeskRestricted, Holiday, Hours, Person};
use detente::envelope::words::Urgency;
use detente::units::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp};
use detente::views::call::{Advice, Closed, Presence, Published, advise};

use HoursKind::{Office, OfficeAndDuty, True247};

const FRI_SAT: &[Weekday] = &[Weekday::Friday, Weekday::Saturday];
const SAT_SUN: &[Weekday] = &[Weekday::Saturday, Weekday::Sunday];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn hours(kind: HoursKind, zone: &str, weekend: &[Weekday], holidays: &[(&str, &str)]) -> Hours {
    let holiday = |(date, name): &(&str, &str)| Holiday {
        date: (*date).to_owned(),
        name: (*name).to_owned(),
    };
    Hours {
        kind,
        time_zone: zone.to_owned(),
        office: (kind != True247).then_some((9 * 60, 17 * 60)),
        weekend: weekend.to_vec(),
        holidays: holidays.iter().map(holiday).collect(),
    }
}

fn channel(system: System, usage: Use, rank: u32, when: When) -> Channel {
    let value = match system {
        System::Relay => String::new(),
        System::Email => "desk@desk.example".to_owned(),
        System::Phone
        | System::Mobile
        | System::Sms
        | System::Fax
        | System::Satellite
        | System::Hf => format!("+8802{rank:07}"),
    };
    Channel { system, value, usage, rank, when, from: None, until: None }
}

/// A desk with everything: telephone in office hours, a duty mobile outside them, and the rest.
fn everything() -> DeskRestricted {
    DeskRestricted {
        salt: [0; 32],
        channels: vec![
            channel(System::Relay, Use::Primary, 1, When::Always),
            channel(System::Phone, Use::Primary, 2, When::OfficeHours),
            channel(System::Mobile, Use::Duty, 3, When::OutOfHours),
            channel(System::Email, Use::Backup, 4, When::Always),
            channel(System::Satellite, Use::OutOfBand, 5, When::Always),
            channel(System::Phone, Use::Confirmation, 6, When::Always),
        ],
        confirmation: Some(Person {
            name: "head of unit".to_owned(),
            function: String::new(),
            phone: "+8801".to_owned(),
            mobile: String::new(),
            email: String::new(),
        }),
        persons: Vec::new(),
    }
}

fn ask(hours: &Hours, now: Timestamp, urgency: Urgency) -> Advice {
    let mut open = everything();
    if hours.kind == Office {
        open.channels.retain(|channel| channel.usage != Use::Duty);
    }
    let published = Published {
        hours: Some(hours),
        time_zone: &hours.time_zone,
        restricted: Some(&open),
        changed: now.plus_ms(-12 * DAY_MS),
    };
    advise(&published, now, urgency)
}

fn who(presence: &Presence) -> &'static str {
    match presence {
        Presence::Staffed => "staffed",
        Presence::Open => "open",
        Presence::Duty(Closed::Weekend(_)) => "duty, weekend",
        Presence::Duty(Closed::Holiday(_)) => "duty, holiday",
        Presence::Duty(Closed::Hours { .. }) => "duty, hours",
        Presence::Nobody { closed: Closed::Weekend(_), .. } => "nobody, weekend",
        Presence::Nobody { closed: Closed::Holiday(_), .. } => "nobody, holiday",
        Presence::Nobody { closed: Closed::Hours { .. }, .. } => "nobody, hours",
        Presence::Unknown => "unknown",
    }
}

struct Place {
    hours: Hours,
    rows: &'static str,
}

/// Moment in UTC | there: day, date, time, offset | who is there | what applies.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn places() -> Vec<Place> {
    let place = |kind, zone, weekend, holidays: &[(&str, &str)], rows| Place {
        hours: hours(kind, zone, weekend, holidays),
        rows,
    };
    vec![
        // Bangladesh Bank, February 2016: the weekend is Friday and Saturday.
        place(
            OfficeAndDuty,
            "Asia/Dhaka",
            FRI_SAT,
            &[],
            "2016-02-04T10:00Z | THURSDAY 2016-02-04 16:00 +06:00 | open | PHONE
             2016-02-04T18:00Z | FRIDAY 2016-02-05 00:00 +06:00 | duty, weekend | MOBILE
             2016-02-06T07:30Z | SATURDAY 2016-02-06 13:30 +06:00 | duty, weekend | MOBILE
             2016-02-06T17:59Z | SATURDAY 2016-02-06 23:59 +06:00 | duty, weekend | MOBILE
             2016-02-07T03:00Z | SUNDAY 2016-02-07 09:00 +06:00 | open | PHONE",
        ),
        // And the Philippines, where Monday was Lunar New Year; the day after is a working day.
        place(
            Office,
            "Asia/Manila",
            SAT_SUN,
            &[("2016-02-08", "Lunar New Year")],
            "2016-02-05T06:00Z | FRIDAY 2016-02-05 14:00 +08:00 | open | PHONE
             2016-02-06T06:00Z | SATURDAY 2016-02-06 14:00 +08:00 | nobody, weekend | SATELLITE
             2016-02-08T03:00Z | MONDAY 2016-02-08 11:00 +08:00 | nobody, holiday | SATELLITE
             2016-02-08T15:59Z | MONDAY 2016-02-08 23:59 +08:00 | nobody, holiday | SATELLITE
             2016-02-08T16:00Z | TUESDAY 2016-02-09 00:00 +08:00 | nobody, hours | SATELLITE
             2016-02-09T01:00Z | TUESDAY 2016-02-09 09:00 +08:00 | open | PHONE",
        ),
        // Clocks go forward on 29 March 2026 at 01:00 UTC, and back on 25 October.
        place(
            OfficeAndDuty,
            "Europe/Amsterdam",
            SAT_SUN,
            &[("2026-04-27", "King's Day")],
            "2026-03-27T08:00Z | FRIDAY 2026-03-27 09:00 +01:00 | open | PHONE
             2026-03-27T07:59Z | FRIDAY 2026-03-27 08:59 +01:00 | duty, hours | MOBILE
             2026-03-29T00:59Z | SUNDAY 2026-03-29 01:59 +01:00 | duty, weekend | MOBILE
             2026-03-29T01:00Z | SUNDAY 2026-03-29 03:00 +02:00 | duty, weekend | MOBILE
             2026-03-30T06:59Z | MONDAY 2026-03-30 08:59 +02:00 | duty, hours | MOBILE
             2026-03-30T07:00Z | MONDAY 2026-03-30 09:00 +02:00 | open | PHONE
             2026-03-30T15:00Z | MONDAY 2026-03-30 17:00 +02:00 | duty, hours | MOBILE
             2026-04-27T10:00Z | MONDAY 2026-04-27 12:00 +02:00 | duty, holiday | MOBILE
             2026-10-25T00:59Z | SUNDAY 2026-10-25 02:59 +02:00 | duty, weekend | MOBILE
             2026-10-25T01:00Z | SUNDAY 2026-10-25 02:00 +01:00 | duty, weekend | MOBILE
             2026-10-26T07:30Z | MONDAY 2026-10-26 08:30 +01:00 | duty, hours | MOBILE
             2026-10-26T08:00Z | MONDAY 2026-10-26 09:00 +01:00 | open | PHONE",
        ),
        // Between 8 and 29 March 2026 only America is on summer time.
        place(
            OfficeAndDuty,
            "America/New_York",
            SAT_SUN,
            &[("2026-11-26", "Thanksgiving")],
            "2026-03-06T14:00Z | FRIDAY 2026-03-06 09:00 -05:00 | open | PHONE
             2026-03-08T06:59Z | SUNDAY 2026-03-08 01:59 -05:00 | duty, weekend | MOBILE
             2026-03-08T07:00Z | SUNDAY 2026-03-08 03:00 -04:00 | duty, weekend | MOBILE
             2026-03-09T13:00Z | MONDAY 2026-03-09 09:00 -04:00 | open | PHONE
             2026-11-01T05:30Z | SUNDAY 2026-11-01 01:30 -04:00 | duty, weekend | MOBILE
             2026-11-01T06:30Z | SUNDAY 2026-11-01 01:30 -05:00 | duty, weekend | MOBILE
             2026-11-26T18:00Z | THURSDAY 2026-11-26 13:00 -05:00 | duty, holiday | MOBILE
             2026-11-27T04:59Z | THURSDAY 2026-11-26 23:59 -05:00 | duty, holiday | MOBILE
             2026-11-27T14:00Z | FRIDAY 2026-11-27 09:00 -05:00 | open | PHONE",
        ),
        // One moment, two days apart across the date line.
        place(
            OfficeAndDuty,
            "Pacific/Kiritimati",
            SAT_SUN,
            &[("2027-01-01", "New Year")],
            "2026-12-31T09:59Z | THURSDAY 2026-12-31 23:59 +14:00 | duty, hours | MOBILE
             2026-12-31T10:30Z | FRIDAY 2027-01-01 00:30 +14:00 | duty, holiday | MOBILE
             2027-01-03T19:00Z | MONDAY 2027-01-04 09:00 +14:00 | open | PHONE",
        ),
        place(
            OfficeAndDuty,
            "Pacific/Pago_Pago",
            SAT_SUN,
            &[("2027-01-01", "New Year")],
            "2026-12-31T10:30Z | WEDNESDAY 2026-12-30 23:30 -11:00 | duty, hours | MOBILE
             2027-01-01T10:59Z | THURSDAY 2026-12-31 23:59 -11:00 | duty, hours | MOBILE
             2027-01-01T11:00Z | FRIDAY 2027-01-01 00:00 -11:00 | duty, holiday | MOBILE
             2027-01-03T19:00Z | SUNDAY 2027-01-03 08:00 -11:00 | duty, weekend | MOBILE",
        ),
        // Samoa had no 30 December 2011: it crossed the date line.
        place(
            OfficeAndDuty,
            "Pacific/Apia",
            SAT_SUN,
            &[],
            "2011-12-30T09:59Z | THURSDAY 2011-12-29 23:59 -10:00 | duty, hours | MOBILE
             2011-12-30T10:00Z | SATURDAY 2011-12-31 00:00 +14:00 | duty, weekend | MOBILE",
        ),
        // Offsets that are no whole hours.
        place(
            OfficeAndDuty,
            "Asia/Kathmandu",
            &[Weekday::Saturday],
            &[],
            "2026-11-29T03:14Z | SUNDAY 2026-11-29 08:59 +05:45 | duty, hours | MOBILE
             2026-11-29T03:15Z | SUNDAY 2026-11-29 09:00 +05:45 | open | PHONE
             2026-11-27T18:15Z | SATURDAY 2026-11-28 00:00 +05:45 | duty, weekend | MOBILE",
        ),
        place(
            OfficeAndDuty,
            "Australia/Lord_Howe",
            SAT_SUN,
            &[],
            "2026-10-03T15:29Z | SUNDAY 2026-10-04 01:59 +10:30 | duty, weekend | MOBILE
             2026-10-03T15:30Z | SUNDAY 2026-10-04 02:30 +11:00 | duty, weekend | MOBILE",
        ),
        // Around the clock: on a day off the duty officer's number, else the desk's own.
        place(
            True247,
            "Europe/Bucharest",
            SAT_SUN,
            &[("2026-12-01", "Great Union Day")],
            "2026-11-27T01:00Z | FRIDAY 2026-11-27 03:00 +02:00 | staffed | PHONE
             2026-11-28T01:00Z | SATURDAY 2026-11-28 03:00 +02:00 | staffed | MOBILE
             2026-12-01T10:00Z | TUESDAY 2026-12-01 12:00 +02:00 | staffed | MOBILE",
        ),
    ]
}

#[test]
fn the_table_of_moments_places_and_calendars() {
    let mut rows = 0;
    for Place { hours, rows: text } in places() {
        for row in text.lines().map(str::trim) {
            let [moment, there, presence, channel] =
                row.split(" | ").collect::<Vec<_>>().try_into().unwrap();
            let now = at(&moment.replace('Z', ":00Z"));
            let advice = ask(&hours, now, Urgency::Urgent);
            let local = advice.there.clone().unwrap();
            let found = format!("{} {} {} {}", local.weekday, local.date, local.time, local.offset);
            assert_eq!(found, there, "{row}");
            assert_eq!(who(&advice.presence), presence, "{row}");
            assert_eq!(advice.channels[0].system.as_str(), channel, "{row}");
            rows += 1;
        }
    }
    assert_eq!(rows, 49);
}

#[test]
fn the_sentence_says_what_it_is_there_and_what_applies_and_no_number() {
    let dhaka = hours(OfficeAndDuty, "Asia/Dhaka", FRI_SAT, &[]);
    let advice = ask(&dhaka, at("2026-11-27T21:10:00Z"), Urgency::Urgent);
    assert_eq!(
        advice.sentence,
        "it is Saturday 03:10 there (Asia/Dhaka), a weekend day; the duty mobile applies; last \
         changed 12 days ago"
    );
    let manila = hours(Office, "Asia/Manila", SAT_SUN, &[("2016-02-08", "Lunar New Year")]);
    let advice = ask(&manila, at("2016-02-06T07:30:00Z"), Urgency::Urgent);
    assert_eq!(
        advice.sentence,
        "it is Saturday 15:30 there (Asia/Manila), a weekend day; nobody is there until Tuesday \
         2016-02-09 09:00 there; the out-of-band satellite telephone applies; last changed 12 days \
         ago"
    );
    let Presence::Nobody { opens: Some(opens), .. } = advice.presence else { panic!() };
    assert_eq!(opens, at("2016-02-09T01:00:00Z"), "after the weekend and the holiday");
    let bucharest = hours(True247, "Europe/Bucharest", SAT_SUN, &[]);
    let advice = ask(&bucharest, at("2026-11-28T01:00:00Z"), Urgency::Routine);
    assert!(
        advice.sentence.contains("a weekend day, but the desk is staffed around the clock"),
        "{}",
        advice.sentence
    );
    assert!(!advice.sentence.contains("+8802"), "{}", advice.sentence);
    assert_eq!(advice.confirmation.unwrap().name, "head of unit");
}

#[test]
fn an_office_that_opens_on_the_day_of_the_change_opens_by_its_own_clock() {
    // Sunday is a working day here: the clocks went forward at 02:00.
    let amsterdam = hours(Office, "Europe/Amsterdam", FRI_SAT, &[]);
    let advice = ask(&amsterdam, at("2026-03-28T22:00:00Z"), Urgency::Routine);
    let Presence::Nobody { opens, .. } = advice.presence else { panic!() };
    assert_eq!(opens, Some(at("2026-03-29T07:00:00Z")), "09:00 is 07:00 UTC from that day on");
    let mut all_year = amsterdam.clone();
    all_year.holidays = (1..=5i8)
        .flat_map(|month| (1..=31i8).map(move |day| jiff::civil::Date::new(2026, month, day)))
        .filter_map(Result::ok)
        .map(|day| Holiday { date: day.to_string(), name: "holidays".to_owned() })
        .collect();
    let advice = ask(&all_year, at("2026-01-01T22:00:00Z"), Urgency::Routine);
    assert!(matches!(advice.presence, Presence::Nobody { opens: None, .. }));
    assert!(advice.sentence.contains("for more than two months"), "{}", advice.sentence);
}

#[test]
fn urgency_period_and_rank_decide_among_the_channels_that_apply() {
    let open = at("2026-03-27T09:00:00Z");
    let amsterdam = hours(OfficeAndDuty, "Europe/Amsterdam", SAT_SUN, &[]);
    let order = |urgency, now| {
        let channels = ask(&amsterdam, now, urgency).channels;
        channels.iter().map(|c| c.system.as_str()).collect::<Vec<_>>().join(" ")
    };
    // A voice first when it is urgent, the relay otherwise; never the confirmation contact's.
    assert_eq!(order(Urgency::Emergency, open), "PHONE RELAY EMAIL SATELLITE");
    assert_eq!(order(Urgency::Expedited, open), "RELAY PHONE EMAIL SATELLITE");
    let night = open.plus_ms(12 * HOUR_MS);
    assert_eq!(order(Urgency::Emergency, night), "MOBILE RELAY EMAIL SATELLITE");
    assert_eq!(order(Urgency::Routine, night), "MOBILE RELAY EMAIL SATELLITE");

    let mut desk = everything();
    desk.channels[1].until = Some(open);
    desk.channels[4].from = Some(open.plus_ms(MINUTE_MS));
    let at_open = |now| {
        let published = Published {
            hours: Some(&amsterdam),
            time_zone: &amsterdam.time_zone,
            restricted: Some(&desk),
            changed: now,
        };
        let advice = advise(&published, now, Urgency::Urgent);
        advice.channels.iter().map(|c| c.system.as_str()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(at_open(open.plus_ms(-1)), "PHONE RELAY EMAIL");
    assert_eq!(at_open(open), "RELAY EMAIL", "until is not included");
    assert_eq!(at_open(open.plus_ms(MINUTE_MS)), "RELAY EMAIL SATELLITE", "from is");
}

#[test]
fn what_is_not_published_is_said_to_be_so() {
    let now = at("2026-11-27T21:10:00Z");
    let bare = Published {
        hours: None,
        time_zone: "Europe/Bucharest",
        restricted: None,
        changed: now.plus_ms(-3 * MINUTE_MS),
    };
    let advice = advise(&bare, now, Urgency::Urgent);
    assert_eq!(
        advice.sentence,
        "it is Friday 23:10 there (Europe/Bucharest), when somebody is there is not published; no \
         channel but the relay is published; last changed 3 minutes ago"
    );
    let lost = Published { time_zone: "Europe/Atlantis", ..bare };
    let advice = advise(&lost, now, Urgency::Urgent);
    assert_eq!((advice.there, advice.presence), (None, Presence::Unknown));
    assert!(advice.sentence.starts_with("the time zone Europe/Atlantis is not known here"));
}
