//! Response times and overdue requests on the screen: what is asked, and how it is printed, for the
//! operator and for desks alike.
//!
//! Not for asking: whoever asks gives pages here.

pub(super) mod csv;
pub(super) mod late;
pub(super) mod report;

use clap::Args;

use self::api::{OverdueQuery, ResponseTimesQuery, ResponseTimesReport};
use super::{Failure, Screen};
use crate::envelope::words::{RequestType, Urgency};
pub(super) use crate::grpc::counter::api;
use crate::units::{Day, MemberId, Timestamp};

/// Which response times, and how they are printed.
#[derive(Debug, Args)]
pub(super) struct TimesArguments {
    /// Submitted on this day or later, a whole day of UTC, as 2026-11-01 [default: the first]
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    from: Option<Day>,
    /// Submitted on this day or earlier [default: today]
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    until: Option<Day>,
    /// What is told apart: the member that was asked, the pair, the type or the urgency.
    #[arg(long, value_parser = ["member", "pair", "type", "urgency"])]
    by: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Comma-separated values, for spreadsheets, instead of a table.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// Which requests.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Only requests to this member, which has to answer, as RO.
    #[arg(long, value_name = "MEMBER", value_parser = parse_member)]
    member: Option<MemberId>,
    /// Only requests from this member, as NL.
    #[arg(long, value_name = "MEMBER", value_parser = parse_member)]
    asking: Option<MemberId>,
    /// Only of this type, as PRESERVATION.
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_type)]
    kind: Option<RequestType>,
    /// Only of this urgency, as URGENT.
    #[arg(long, value_parser = parse_urgency)]
    urgency: Option<Urgency>,
    /// Exercises too.
    #[arg(long)]
    exercises: bool,
}

impl TimesArguments {
    /// What is asked; by `by` if that is not said.
    pub(super) fn query(&self, by: &str) -> ResponseTimesQuery {
        let Self { from, until, by: said, which, csv: _ } = self;
        let day = |day: &Option<Day>| day.map(|day| day.to_string()).unwrap_or_default();
        let OverdueQuery { asked, asking, r#type, urgency, include_exercises } = which.query();
        ResponseTimesQuery {
            from_day: day(from),
            until_day: day(until),
            group_by: said.as_deref().unwrap_or(by).to_ascii_uppercase(),
            asked,
            asking,
            r#type,
            urgency,
            include_exercises,
        }
    }

    /// Prints a report in the form that is asked for.
    pub(super) fn print(
        &self,
        report: &ResponseTimesReport,
        screen: &mut Screen,
    ) -> Result<(), Failure> {
        if screen.is_json() {
            screen.document(&report::json(report))?;
        } else if self.csv {
            screen.text(&report::csv(report))?;
        } else {
            screen.text(&report::table(report, screen.pen()))?;
            screen.message(
                "own time: 24 h a day, UTC; CLARIFICATION pauses deciding and carrying out; \
                 percentiles by nearest rank",
            );
        }
        Ok(())
    }
}

impl Which {
    fn query(&self) -> OverdueQuery {
        fn text(of: Option<impl ToString>) -> String {
            of.map(|of| of.to_string()).unwrap_or_default()
        }
        OverdueQuery {
            asked: text(self.member),
            asking: text(self.asking),
            r#type: text(self.kind),
            urgency: text(self.urgency),
            include_exercises: self.exercises,
        }
    }
}

/// Which overdue requests, and how they are printed.
#[derive(Debug, Args)]
pub(super) struct OverdueArguments {
    #[command(flatten)]
    which: Which,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: u32,
    /// Comma-separated values, for spreadsheets, instead of a table.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl OverdueArguments {
    /// What is asked.
    pub(super) fn query(&self) -> OverdueQuery {
        self.which.query()
    }

    /// Prints a list in the form that is asked for.
    pub(super) fn print(
        &self,
        pages: &late::Pages,
        now: Timestamp,
        screen: &mut Screen,
    ) -> Result<(), Failure> {
        if screen.is_json() {
            screen.document(&late::json(pages))?;
        } else if self.csv {
            screen.text(&late::csv(pages))?;
        } else if pages.is_empty() {
            screen.message("nothing is overdue");
        } else {
            screen.text(&late::table(pages, now, screen.pen()))?;
        }
        if pages.is_cut_short() {
            screen.message("there are more; --limit shows them");
        }
        Ok(())
    }
}

fn parse_day(text: &str) -> Result<Day, String> {
    text.parse().map_err(|error: crate::units::Unreadable| error.why)
}

fn parse_member(text: &str) -> Result<MemberId, String> {
    text.parse().map_err(|error: crate::units::Unreadable| error.why)
}

fn parse_type(text: &str) -> Result<RequestType, String> {
    text.parse().map_err(|error: crate::units::Unreadable| error.why)
}

fn parse_urgency(text: &str) -> Result<Urgency, String> {
    text.parse().map_err(|error: crate::units::Unreadable| error.why)
}
