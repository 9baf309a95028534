//! `detente desk case`: the requests of one case, as a tree, with where each stands.
//!
//! Not for what they say: a list opens nothing. A request that follows from another hangs below it;
//! a case with many addressees has a line for each.

use clap::Args;
use serde_json::{Value, json};

use super::super::agent::{Agent, api};
use super::super::moment::{render_due, render_span};
use super::super::{Exit, Failure, Ink, Pen, Screen};
use super::case::{case_json, marks, stage, urgency_ink};
use super::outcome::{request_id, short};
use crate::units::Timestamp;

/// Show a case: every request that this desk has in it, and where each stands
///
/// Names a case, or any request of it.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk case 4f2a
  detente desk case 4f2a --json")]
pub(super) struct CaseTree {
    /// The case or one of its requests: its id, or the first 4 or more digits of it.
    #[arg(value_name = "ID")]
    id: String,
}

impl CaseTree {
    pub(super) async fn run(
        self,
        agent: &mut Agent,
        screen: &mut Screen,
        now: Timestamp,
    ) -> Result<Exit, Failure> {
        let case = agent.resolve_case(&self.id).await?;
        let mut cases = agent.cases_of(case).await?;
        cases.reverse();
        let branches = branches(&cases);
        if screen.is_json() {
            let list: Vec<Value> = branches
                .iter()
                .map(|branch| {
                    let mut document = case_json(branch.case);
                    document["depth"] = json!(branch.depth);
                    document["acknowledged_after_ms"] = json!(acknowledged_after(branch.case));
                    document
                })
                .collect();
            screen.document(&json!({ "case_id": case.to_string(), "requests": list }))?;
        } else {
            let many = if cases.len() == 1 { "request" } else { "requests" };
            screen.text(&format!("case {case}: {} {many}\n", cases.len()))?;
            screen.text(&table(&branches, now, screen.pen()))?;
        }
        if let Some(branch) = branches.first() {
            let id = request_id(&branch.case.request_id);
            screen.message(&format!("next: detente desk show {}", short(&id)));
        }
        Ok(Exit::Success)
    }
}

/// A request in its place in the tree.
struct Branch<'a> {
    case: &'a api::Case,
    depth: usize,
    /// What is drawn before its id.
    twig: String,
}

/// The requests, each below the one it follows from, in the order in which they were made.
fn branches(cases: &[api::Case]) -> Vec<Branch<'_>> {
    let has_parent = |case: &&api::Case| {
        cases.iter().any(|other| {
            !case.parent_request_id.is_empty()
                && other.request_id == case.parent_request_id
                && other.request_id != case.request_id
        })
    };
    let mut found = Vec::with_capacity(cases.len());
    for root in cases.iter().filter(|case| !has_parent(case)) {
        found.push(Branch { case: root, depth: 0, twig: String::new() });
        hang(cases, root, 1, "", &mut found);
    }
    // Requests that claim to follow from each other have no root.
    for case in cases {
        if !found.iter().any(|branch| branch.case.request_id == case.request_id) {
            found.push(Branch { case, depth: 0, twig: String::new() });
        }
    }
    found
}

/// Hangs what follows from `parent` below it. A request is never its own ancestor: its parent was
/// made before it; should one claim to be, it is hung no deeper than there are requests.
fn hang<'a>(
    cases: &'a [api::Case],
    parent: &api::Case,
    depth: usize,
    stem: &str,
    found: &mut Vec<Branch<'a>>,
) {
    if depth > cases.len() {
        return;
    }
    let follows = |case: &&api::Case| case.parent_request_id == parent.request_id;
    let children: Vec<&api::Case> = cases.iter().filter(follows).collect();
    let last = children.len().saturating_sub(1);
    for (n, child) in children.into_iter().enumerate() {
        let (twig, next) = if n == last { ("'-- ", "    ") } else { ("|-- ", "|   ") };
        found.push(Branch { case: child, depth, twig: format!("{stem}{twig}") });
        hang(cases, child, depth + 1, &format!("{stem}{next}"), found);
    }
}

fn table(branches: &[Branch<'_>], now: Timestamp, pen: Pen) -> String {
    let heading = [
        "ID",
        "FROM",
        "TO",
        "TYPE",
        "URGENCY",
        "TRANSPORT",
        "HANDLING",
        "MEASURE",
        "ACK AFTER",
        "ESTIMATE",
        "PRESERVED",
        "TO DO",
    ];
    let due = |ms: i64| if ms == 0 { "-".to_owned() } else { render_due(ms, now) };
    let row = |Branch { case, twig, .. }: &Branch<'_>| {
        let id = request_id(&case.request_id);
        let after = acknowledged_after(case).map_or_else(|| "-".to_owned(), render_span);
        vec![
            (Ink::Bold, format!("{twig}{}", short(&id))),
            (Ink::Plain, case.from.clone()),
            (Ink::Plain, case.to.clone()),
            (Ink::Plain, case.r#type.clone()),
            (urgency_ink(&case.urgency), format!("{}{}", case.urgency, marks(case))),
            (Ink::Plain, transport(case)),
            (Ink::Plain, stage(case)),
            (Ink::Plain, case.measure.clone()),
            (Ink::Plain, after),
            (Ink::Plain, due(case.estimated_ms)),
            (Ink::Plain, due(case.preserved_until_ms)),
            (Ink::Yellow, case.to_do.join(" ")),
        ]
    };
    pen.table(&heading, &branches.iter().map(row).collect::<Vec<_>>())
}

/// Under embargo nothing is on its way.
fn transport(case: &api::Case) -> String {
    if case.embargo_until_ms == 0 { case.transport.clone() } else { "EMBARGO".to_owned() }
}

/// How long it took until it was acknowledged, in milliseconds.
fn acknowledged_after(case: &api::Case) -> Option<i64> {
    let known = case.acknowledged_ms != 0 && case.submitted_ms != 0;
    known.then(|| case.acknowledged_ms.saturating_sub(case.submitted_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_hangs_below() {
        let case = |id: u8, parent: u8| api::Case {
            request_id: vec![id; 16],
            parent_request_id: if parent == 0 { Vec::new() } else { vec![parent; 16] },
            to: format!("D{id}/x"),
            exercise: true,
            acknowledged_ms: 7_200_000,
            submitted_ms: 3_600_000,
            ..Default::default()
        };
        let cases = [case(1, 0), case(2, 1), case(3, 2), case(4, 1), case(5, 9)];
        let branches = branches(&cases);
        let drawn: Vec<String> =
            branches.iter().map(|b| format!("{}{}", b.twig, b.case.to)).collect();
        assert_eq!(drawn, ["D1/x", "|-- D2/x", "|   '-- D3/x", "'-- D4/x", "D5/x"]);
        let table = table(&branches, Timestamp(0), Pen::PLAIN);
        assert!(table.lines().skip(1).all(|line| line.contains("EXERCISE")), "{table}");
        assert!(table.contains("1 h"), "{table}");
        let round = [case(1, 2), case(2, 1)];
        assert_eq!(super::branches(&round).len(), 2, "nothing is left out");
    }
}
