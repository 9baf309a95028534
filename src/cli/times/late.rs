//! Overdue requests, printed: as a table, as JSON, as comma-separated values.
//!
//! Not for saying what is overdue: the relay does.

use serde_json::{Value, json};

use super::super::desk::urgency_ink;
use super::super::moment::{render_rfc3339, render_span, render_utc};
use super::super::{Ink, Pen};
use super::api::{OverdueRequest, RequestStatus};
use super::csv;
use crate::units::Timestamp;

/// Requests in a page at most.
const PAGE: usize = 500;

/// The pages of a list, up to a limit.
pub(in super::super) struct Pages {
    limit: usize,
    requests: Vec<OverdueRequest>,
    as_of_ms: i64,
    /// The token of the next page; none when all are there.
    next: Option<String>,
}

impl Pages {
    /// At most so many requests.
    pub(in super::super) fn new(limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self { limit, requests: Vec::new(), as_of_ms: 0, next: Some(String::new()) }
    }

    /// Token and size of the next page; none when there are enough.
    pub(in super::super) fn next_page(&self) -> Option<(String, i32)> {
        let room = self.limit.saturating_sub(self.requests.len()).min(PAGE);
        let size = i32::try_from(room).ok().filter(|size| *size > 0)?;
        Some((self.next.clone()?, size))
    }

    /// Takes in a page.
    pub(in super::super) fn add(
        &mut self,
        requests: Vec<OverdueRequest>,
        as_of_ms: i64,
        next: String,
    ) {
        self.requests.extend(requests);
        self.as_of_ms = as_of_ms;
        self.next = (!next.is_empty()).then_some(next);
    }

    /// How the first request's id begins.
    pub(in super::super) fn first_id(&self) -> Option<String> {
        self.requests.first().map(|overdue| short(&status(overdue)).to_owned())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// True when there are more than were asked for.
    pub(super) fn is_cut_short(&self) -> bool {
        self.next.is_some()
    }
}

pub(super) fn table(pages: &Pages, now: Timestamp, pen: Pen) -> String {
    let heading =
        ["ID", "URGENCY", "WAITS FOR", "LATE BY", "DUE", "FROM", "TO", "TYPE", "TRANSPORT"];
    let row = |overdue: &OverdueRequest| {
        let status = status(overdue);
        let late = render_span(now.0.saturating_sub(overdue.due_ms));
        vec![
            (Ink::Bold, short(&status).to_owned()),
            (urgency_ink(&status.urgency), marked(&status)),
            (Ink::Plain, overdue.span.clone()),
            (Ink::Red, late),
            (Ink::Plain, render_utc(overdue.due_ms)),
            (Ink::Plain, status.from.clone()),
            (Ink::Plain, status.to.clone()),
            (Ink::Plain, status.r#type.clone()),
            (Ink::Faint, status.transport.clone()),
        ]
    };
    pen.table(&heading, &pages.requests.iter().map(row).collect::<Vec<_>>())
}

pub(super) fn json(pages: &Pages) -> Value {
    let list: Vec<Value> = pages.requests.iter().map(overdue_json).collect();
    json!({ "as_of": render_rfc3339(pages.as_of_ms), "overdue": list })
}

fn overdue_json(overdue: &OverdueRequest) -> Value {
    let status = status(overdue);
    json!({
        "request_id": id(&status),
        "from": status.from,
        "to": status.to,
        "type": status.r#type,
        "urgency": status.urgency,
        "exercise": status.exercise,
        "waits_for": overdue.span,
        "due": render_rfc3339(overdue.due_ms),
        "submitted": render_rfc3339(status.submitted_ms),
        "reached": render_rfc3339(overdue.reached_ms),
        "transport": status.transport,
        "handling": status.handling,
    })
}

pub(super) fn csv(pages: &Pages) -> String {
    let mut text = csv::line([
        "request_id",
        "from",
        "to",
        "type",
        "urgency",
        "exercise",
        "waits_for",
        "due",
        "submitted",
        "reached",
        "transport",
        "handling",
    ]);
    for overdue in &pages.requests {
        let status = status(overdue);
        let moment = |ms: i64| render_rfc3339(ms).unwrap_or_default();
        text += &csv::line([
            id(&status),
            &status.from,
            &status.to,
            &status.r#type,
            &status.urgency,
            if status.exercise { "true" } else { "false" },
            &overdue.span,
            &moment(overdue.due_ms),
            &moment(status.submitted_ms),
            &moment(overdue.reached_ms),
            &status.transport,
            &status.handling,
        ]);
    }
    text
}

fn status(overdue: &OverdueRequest) -> RequestStatus {
    overdue.request.clone().unwrap_or_default()
}

fn marked(status: &RequestStatus) -> String {
    let mark = if status.exercise { " EXERCISE" } else { "" };
    format!("{}{mark}", status.urgency)
}

/// The id in "requests/{id}".
pub(in super::super) fn id(status: &RequestStatus) -> &str {
    status.name.strip_prefix("requests/").unwrap_or(&status.name)
}

/// How an id begins.
pub(in super::super) fn short(status: &RequestStatus) -> &str {
    let id = id(status);
    id.split('-').next().unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overdue() -> OverdueRequest {
        OverdueRequest {
            request: Some(RequestStatus {
                name: "requests/1f1f1f1f-0000-0000-0000-000000000000".into(),
                from: "NL/cyber".into(),
                to: "RO/cyber".into(),
                r#type: "PRESERVATION".into(),
                urgency: "URGENT".into(),
                exercise: true,
                transport: "DELIVERY".into(),
                handling: "NEW".into(),
                submitted_ms: 1_000,
                ..RequestStatus::default()
            }),
            span: "ACKNOWLEDGE".into(),
            due_ms: 7_200_000,
            reached_ms: 0,
        }
    }

    #[test]
    fn what_is_late_is_said_in_three_forms() {
        let mut pages = Pages::new(1);
        pages.add(vec![overdue()], 7_260_000, "more".into());
        assert_eq!((pages.next_page(), pages.is_cut_short()), (None, true));
        let table = table(&pages, Timestamp(7_320_000), Pen::PLAIN);
        let row = table.lines().nth(1).unwrap();
        assert!(row.starts_with("1f1f1f1f  URGENT EXERCISE  ACKNOWLEDGE  2 min"), "{table}");
        let json = json(&pages);
        assert_eq!(json["overdue"][0]["waits_for"], "ACKNOWLEDGE");
        assert_eq!(json["overdue"][0]["reached"], Value::Null);
        let csv = csv(&pages);
        let line = csv.lines().nth(1).unwrap();
        assert!(line.starts_with("1f1f1f1f-0000-0000-0000-000000000000,NL/cyber,RO/cyber,"));
        assert!(line.ends_with(",1970-01-01T00:00:01.000Z,,DELIVERY,NEW"), "{line}");
    }

    #[test]
    fn pages_are_asked_for_until_the_limit() {
        let mut pages = Pages::new(600);
        assert_eq!(pages.next_page(), Some((String::new(), 500)));
        pages.add(vec![overdue(); 500], 0, "next".into());
        assert_eq!(pages.next_page(), Some(("next".to_owned(), 100)));
        pages.add(vec![overdue(); 7], 0, String::new());
        assert_eq!((pages.next_page(), pages.is_cut_short()), (None, false));
    }
}
