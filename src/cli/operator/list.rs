//! `detente operator requests`.
//!
//! Not for what a request is about: the relay does not know.

use clap::Args;
use serde_json::{Value, json};

use super::super::desk::urgency_ink;
use super::super::moment::{render_rfc3339, render_utc};
use super::super::times::late::{id, short};
use super::super::{Exit, Failure, Ink, Pen, Screen};
use super::limited;
use crate::grpc::operator::{Operator, api, desk};

/// Rows in a page at most.
const PAGE: usize = 500;

/// List all requests, newest first
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente operator requests --config relay.toml --open")]
pub(super) struct Requests {
    /// Only those whose handling is open.
    #[arg(long)]
    open: bool,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

impl Requests {
    pub(super) async fn run(
        self,
        relay: &mut Operator,
        screen: &mut Screen,
    ) -> Result<Exit, Failure> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let mut found: Vec<desk::RequestStatus> = Vec::new();
        let mut page_token = String::new();
        loop {
            let page_size = i32::try_from(PAGE.min(limit - found.len())).unwrap_or(i32::MAX);
            let ask = api::ListRequestsRequest { page_size, page_token, open_only: self.open };
            let call = relay.list_requests(ask);
            let page = limited("the requests are not known", call).await?;
            found.extend(page.requests);
            page_token = page.next_page_token;
            if page_token.is_empty() || found.len() >= limit {
                break;
            }
        }
        if screen.is_json() {
            let list: Vec<Value> = found.iter().map(request_json).collect();
            screen.document(&json!({ "requests": list }))?;
        } else if found.is_empty() {
            screen.message("no requests");
        } else {
            screen.text(&requests(&found, screen.pen()))?;
        }
        if !page_token.is_empty() {
            screen.message("there are more; --limit shows them");
        }
        Ok(Exit::Success)
    }
}

fn requests(found: &[desk::RequestStatus], pen: Pen) -> String {
    let heading =
        ["ID", "SUBMITTED", "URGENCY", "FROM", "TO", "TYPE", "TRANSPORT", "HANDLING", "MEASURE"];
    let row = |status: &desk::RequestStatus| {
        let practice = [(status.test, " TEST"), (status.exercise, " EXERCISE")];
        let marks = practice.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark);
        let urgency: String = std::iter::once(status.urgency.as_str()).chain(marks).collect();
        vec![
            (Ink::Bold, short(status).to_owned()),
            (Ink::Plain, render_utc(status.submitted_ms)),
            (urgency_ink(&status.urgency), urgency),
            (Ink::Plain, status.from.clone()),
            (Ink::Plain, status.to.clone()),
            (Ink::Plain, status.r#type.clone()),
            (Ink::Plain, status.transport.clone()),
            (Ink::Plain, status.handling.clone()),
            (Ink::Plain, status.measure.clone()),
        ]
    };
    pen.table(&heading, &found.iter().map(row).collect::<Vec<_>>())
}

fn request_json(status: &desk::RequestStatus) -> Value {
    json!({
        "request_id": id(status),
        "from": status.from,
        "to": status.to,
        "type": status.r#type,
        "instrument": status.instrument,
        "urgency": status.urgency,
        "test": status.test,
        "exercise": status.exercise,
        "submitted": render_rfc3339(status.submitted_ms),
        "transport": status.transport,
        "handling": status.handling,
        "measure": status.measure,
        "follow_up": status.follow_up,
        "acknowledged": render_rfc3339(status.acknowledged_ms),
        "estimated": render_rfc3339(status.estimated_ms),
        "preserved_until": render_rfc3339(status.preserved_until_ms),
        "newest_index": status.newest_index,
    })
}
