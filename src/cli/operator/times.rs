//! `detente operator times` and `detente operator overdue`.
//!
//! Not for how they are printed (see `cli::times`).

use clap::Args;

use super::super::times::{OverdueArguments, TimesArguments, late, report};
use super::super::{Exit, Failure, Screen};
use super::limited;
use crate::cli::desk::now;
use crate::grpc::operator::{Operator, api};

/// Say how fast members deliver, acknowledge, decide, carry out and close
///
/// A request counts on the day, in UTC, on which it was submitted. Tests are not counted.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente operator times --config relay.toml            member by member, from the beginning
  detente operator times --config relay.toml --by pair --from 2026-10-01 --until 2026-10-31
  detente operator times --config relay.toml --urgency EMERGENCY --csv > emergencies.csv")]
pub(super) struct Times {
    #[command(flatten)]
    arguments: TimesArguments,
}

impl Times {
    pub(super) async fn run(
        self,
        relay: &mut Operator,
        screen: &mut Screen,
    ) -> Result<Exit, Failure> {
        let query = self.arguments.query("member");
        let mut pages = report::Pages::default();
        while let Some(page_token) = pages.next_token() {
            let query = Some(query.clone());
            let page_size = report::PAGE;
            let ask = api::GetResponseTimesRequest { query, page_size, page_token };
            let call = relay.get_response_times(ask);
            let api::GetResponseTimesResponse { report, next_page_token } =
                limited("the response times are not known", call).await?;
            pages.add(report, next_page_token)?;
        }
        self.arguments.print(&pages.finish()?, screen)?;
        Ok(Exit::Success)
    }
}

/// List the requests of which something is past its target now, the longest overdue first
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente operator overdue --config relay.toml
  detente operator overdue --config relay.toml --member RO --urgency EMERGENCY --json")]
pub(super) struct Overdue {
    #[command(flatten)]
    arguments: OverdueArguments,
}

impl Overdue {
    pub(super) async fn run(
        self,
        relay: &mut Operator,
        screen: &mut Screen,
    ) -> Result<Exit, Failure> {
        let mut pages = late::Pages::new(self.arguments.limit);
        while let Some((page_token, page_size)) = pages.next_page() {
            let query = Some(self.arguments.query());
            let ask = api::ListOverdueRequest { query, page_size, page_token };
            let call = relay.list_overdue(ask);
            let api::ListOverdueResponse { requests, as_of_ms, next_page_token } =
                limited("what is overdue is not known", call).await?;
            pages.add(requests, as_of_ms, next_page_token);
        }
        self.arguments.print(&pages, now(), screen)?;
        Ok(Exit::Success)
    }
}
