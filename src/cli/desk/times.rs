//! `detente desk times` and `detente desk overdue`: the member's own figures, from the relay.
//!
//! Not for other members' figures: the relay does not give them to a desk.

use clap::Args;

use super::super::agent::{Agent, api};
use super::super::times::{OverdueArguments, TimesArguments, late, report};
use super::super::{Exit, Failure, Screen};
use super::now;

/// Say how fast this member and its partners deliver, acknowledge, decide, carry out and close
///
/// Of the requests that this member sent or received; a request counts on the day, in UTC, on which
/// it was submitted. Tests are not counted.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk times                                    pair by pair, from the beginning
  detente desk times --from 2026-10-01 --until 2026-10-31 --by urgency
  detente desk times --member RO --csv > ro.csv         how RO answered us")]
pub(super) struct Times {
    #[command(flatten)]
    arguments: TimesArguments,
}

impl Times {
    pub(super) async fn run(self, agent: &mut Agent, screen: &mut Screen) -> Result<Exit, Failure> {
        let query = self.arguments.query("pair");
        let mut pages = report::Pages::default();
        while let Some(page_token) = pages.next_token() {
            let query = Some(query.clone());
            let page_size = report::PAGE;
            let ask = api::GetResponseTimesRequest { query, page_size, page_token };
            let api::GetResponseTimesResponse { report, next_page_token } =
                agent.response_times(ask).await?;
            pages.add(report, next_page_token)?;
        }
        self.arguments.print(&pages.finish()?, screen)?;
        Ok(Exit::Success)
    }
}

/// List this desk's requests of which something is past its target now, the longest overdue first
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk overdue
  detente desk overdue --member NL --json               what we owe, NL being us")]
pub(super) struct Overdue {
    #[command(flatten)]
    arguments: OverdueArguments,
}

impl Overdue {
    pub(super) async fn run(self, agent: &mut Agent, screen: &mut Screen) -> Result<Exit, Failure> {
        let mut pages = late::Pages::new(self.arguments.limit);
        while let Some((page_token, page_size)) = pages.next_page() {
            let query = Some(self.arguments.query());
            let ask = api::ListOverdueRequest { query, page_size, page_token };
            let api::ListOverdueResponse { requests, as_of_ms, next_page_token } =
                agent.overdue(ask).await?;
            pages.add(requests, as_of_ms, next_page_token);
        }
        self.arguments.print(&pages, now(), screen)?;
        if let Some(first) = pages.first_id() {
            screen.message(&format!("next: detente desk show {first}"));
        }
        Ok(Exit::Success)
    }
}
