//! SAMPLE DATA for development networks and exercises.
//!
//! Not a statement about any country: which authority answers for it, what it has ratified, and
//! whether it is in any network, is for that country to say. Instruments are chosen so that an
//! exercise has pairs with one, several and no treaty in common.

use crate::envelope::entry::words::Weekday;
use crate::envelope::words::Instrument;
use crate::units::MemberId;

/// A member's sample data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Its name, for people.
    pub display_name: String,
    /// IANA time zone.
    pub time_zone: &'static str,
    /// BCP 47 tags.
    pub languages: Vec<&'static str>,
    /// Declared instruments.
    pub instruments: Vec<Instrument>,
    /// Days of the week on which offices are closed.
    pub weekend: &'static [Weekday],
}

const SAT_SUN: &[Weekday] = &[Weekday::Saturday, Weekday::Sunday];
const FRI_SAT: &[Weekday] = &[Weekday::Friday, Weekday::Saturday];

use Instrument::{Budapest, G72417, SapCets224, UnCybercrime};

/// Which instruments, in short.
#[derive(Clone, Copy)]
enum Set {
    /// Budapest with its Second Protocol, and G7.
    B,
    /// Budapest with its Second Protocol, UN and G7.
    All,
    /// UN and G7.
    U,
}

const COUNTRIES: &[(&str, &str, &str, &[&str], Set)] = &[
    ("AU", "Australia", "Australia/Sydney", &["en"], Set::B),
    ("BD", "Bangladesh", "Asia/Dhaka", &["bn", "en"], Set::U),
    ("BR", "Brazil", "America/Sao_Paulo", &["pt", "en"], Set::All),
    ("CA", "Canada", "America/Toronto", &["en", "fr"], Set::B),
    ("CN", "China", "Asia/Shanghai", &["zh", "en"], Set::U),
    ("DE", "Germany", "Europe/Berlin", &["de", "en"], Set::B),
    ("FR", "France", "Europe/Paris", &["fr", "en"], Set::B),
    ("GB", "United Kingdom", "Europe/London", &["en"], Set::B),
    ("IN", "India", "Asia/Kolkata", &["hi", "en"], Set::U),
    ("JP", "Japan", "Asia/Tokyo", &["ja", "en"], Set::B),
    ("KR", "Korea", "Asia/Seoul", &["ko", "en"], Set::B),
    ("LK", "Sri Lanka", "Asia/Colombo", &["si", "ta", "en"], Set::B),
    ("MD", "Moldova", "Europe/Chisinau", &["ro", "en"], Set::B),
    ("NL", "Netherlands", "Europe/Amsterdam", &["nl", "en"], Set::B),
    ("PH", "Philippines", "Asia/Manila", &["en", "fil"], Set::B),
    ("RO", "Romania", "Europe/Bucharest", &["ro", "en"], Set::B),
    ("SG", "Singapore", "Asia/Singapore", &["en", "zh"], Set::U),
    ("UA", "Ukraine", "Europe/Kyiv", &["uk", "en"], Set::B),
    ("US", "United States", "America/New_York", &["en"], Set::B),
    ("ZA", "South Africa", "Africa/Johannesburg", &["en", "zu"], Set::All),
];

/// The sample data of a member; exercise members (XA to XZ) and countries without an entry get
/// neutral ones.
pub fn of(member: MemberId) -> Sample {
    let code = member.to_string();
    match COUNTRIES.iter().find(|country| country.0 == code) {
        Some((_, name, zone, languages, set)) => Sample {
            display_name: (*name).to_owned(),
            time_zone: zone,
            languages: languages.to_vec(),
            instruments: match set {
                Set::B => vec![Budapest, SapCets224, G72417],
                Set::All => vec![Budapest, SapCets224, UnCybercrime, G72417],
                Set::U => vec![UnCybercrime, G72417],
            },
            weekend: if code == "BD" { FRI_SAT } else { SAT_SUN },
        },
        None => Sample {
            display_name: format!("Exercise member {code}"),
            time_zone: "Etc/UTC",
            languages: vec!["en"],
            instruments: vec![Budapest, SapCets224, UnCybercrime, G72417],
            weekend: SAT_SUN,
        },
    }
}
