//! `detente desk inbox`: the requests of this desk, and what happens to them as it happens.
//!
//! Not for what a request says (see `case.rs`): a list opens nothing.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::super::agent::{Agent, api, failure_of};
use super::super::moment::{render_due, render_local, render_rfc3339, render_span, render_utc};
use super::super::{Exit, Failure, Ink, Pen, Screen};
use super::case::{case_json, entry_json, marks, stage, urgency_ink};
use super::outcome::{request_id, short};
use super::{here, now, settle};
use crate::units::{MINUTE_MS, Timestamp};

/// What `--follow` looks back, so that what came between the table and the stream is not missed.
const LOOK_BACK_MS: i64 = MINUTE_MS;

/// How long `--follow` waits before it calls a lost agent again, at first and at most.
const WAIT_SECONDS: (u64, u64) = (1, 30);

/// List the requests of this desk, newest first
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk inbox --in --open                what waits for this desk
  detente desk inbox --follow                   and what happens, as it happens
  detente desk inbox --follow --from 0 --json   all from the beginning, a document a line")]
pub(super) struct Inbox {
    /// Then stay, and print what happens.
    #[arg(long)]
    follow: bool,
    /// With --follow: from this update, instead of the table and the last minute.
    #[arg(long, value_name = "UPDATE", requires = "follow")]
    from: Option<u64>,
    /// Only requests that others sent to this desk.
    #[arg(long = "in", conflicts_with = "outgoing")]
    incoming: bool,
    /// Only requests that this desk sent.
    #[arg(long = "out")]
    outgoing: bool,
    /// Only those whose handling is open.
    #[arg(long)]
    open: bool,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

impl Inbox {
    pub(super) async fn run(
        self,
        agent: &mut Agent,
        socket: &Path,
        within: Duration,
        screen: &mut Screen,
    ) -> Result<Exit, Failure> {
        let start = now();
        settle::remind(&agent.status().await?.alarms, screen);
        if self.from.is_none() {
            let count = usize::try_from(self.limit).unwrap_or(usize::MAX);
            let cases = agent.cases(self.direction(), self.open, count).await?;
            if screen.is_json() && self.follow {
                for case in &cases {
                    screen.line(&json!({ "request": case_json(case) }))?;
                }
            } else if screen.is_json() {
                let list: Vec<Value> = cases.iter().map(case_json).collect();
                screen.document(&json!({ "requests": list }))?;
            } else if cases.is_empty() {
                screen.message("no requests");
            } else {
                screen.text(&table(&cases, start, screen.pen()))?;
            }
            if let Some(case) = cases.first().filter(|_| !self.follow) {
                let id = request_id(&case.request_id);
                screen.message(&format!("next: detente desk show {}", short(&id)));
            }
        }
        if !self.follow {
            return Ok(Exit::Success);
        }
        self.stay(agent, socket, within, start, screen).await
    }

    /// Follows for ever; a lost agent is called again from where the stream broke off.
    async fn stay(
        &self,
        agent: &mut Agent,
        socket: &Path,
        within: Duration,
        start: Timestamp,
        screen: &mut Screen,
    ) -> Result<Exit, Failure> {
        let since = if self.from.is_some() { i64::MIN } else { start.0 - LOOK_BACK_MS };
        let mut next = self.from.unwrap_or_default();
        let (mut wait, longest) = WAIT_SECONDS;
        screen.message("following; Ctrl-C ends it");
        loop {
            let broken = match agent.watch(next).await {
                Ok(mut updates) => loop {
                    match updates.message().await {
                        Ok(Some(update)) => {
                            wait = WAIT_SECONDS.0;
                            next = update.update.saturating_add(1);
                            self.print(&update, since, screen)?;
                        }
                        Ok(None) => break "the agent ended the stream".to_owned(),
                        Err(status) => break failure_of(&status).why,
                    }
                },
                Err(failure) if failure.exit == Exit::Failure => failure.why,
                Err(failure) => return Err(failure),
            };
            screen.message(&format!("{broken}; calling again in {wait} s"));
            tokio::time::sleep(Duration::from_secs(wait)).await;
            wait = (wait * 2).min(longest);
            if let Ok(again) = Agent::connect(socket, within).await {
                *agent = again;
            }
        }
    }

    fn print(
        &self,
        update: &api::WatchCasesResponse,
        since: i64,
        screen: &mut Screen,
    ) -> Result<(), Failure> {
        let (Some(case), Some(entry)) = (&update.case, &update.entry) else { return Ok(()) };
        let direction = self.direction();
        if entry.time_ms < since || !(direction.is_empty() || direction == case.direction) {
            return Ok(());
        }
        if screen.is_json() {
            screen.line(&json!({
                "update": update.update,
                "request": case_json(case),
                "entry": entry_json(entry),
            }))?;
        } else {
            screen.text(&line(case, entry, screen.pen()))?;
        }
        Ok(())
    }

    fn direction(&self) -> &'static str {
        match (self.incoming, self.outgoing) {
            (true, _) => "in",
            (false, true) => "out",
            (false, false) => "",
        }
    }
}

/// What waits for whom, a line for each request.
fn table(cases: &[api::Case], now: Timestamp, pen: Pen) -> String {
    let heading =
        ["ID", "", "URGENCY", "FROM", "TO", "TYPE", "STAGE", "AGE", "DUE", "TO DO", "SINCE"];
    let row = |case: &api::Case| {
        let since_ms = if case.submitted_ms == 0 { case.created_ms } else { case.submitted_ms };
        let local = render_local(since_ms, &here()).unwrap_or_default();
        let due_ms = due_ms(case);
        let late = due_ms != 0 && due_ms < now.0;
        vec![
            (Ink::Bold, short(&request_id(&case.request_id)).to_owned()),
            (Ink::Plain, case.direction.clone()),
            (urgency_ink(&case.urgency), format!("{}{}", case.urgency, marks(case))),
            (Ink::Plain, case.from.clone()),
            (Ink::Plain, case.to.clone()),
            (Ink::Plain, case.r#type.clone()),
            (Ink::Plain, stage(case)),
            (Ink::Plain, render_span(now.since_ms(Timestamp(since_ms)))),
            (if late { Ink::Red } else { Ink::Plain }, render_due(due_ms, now)),
            (Ink::Yellow, case.to_do.join(" ")),
            (Ink::Faint, format!("{} ({local})", render_utc(since_ms))),
        ]
    };
    pen.table(&heading, &cases.iter().map(row).collect::<Vec<_>>())
}

/// What a request waits for next: the estimate, then the end of the preservation.
fn due_ms(case: &api::Case) -> i64 {
    if case.preserved_until_ms != 0 { case.preserved_until_ms } else { case.estimated_ms }
}

/// One thing that happened, on one line.
fn line(case: &api::Case, entry: &api::CaseEntry, pen: Pen) -> String {
    let who = match (entry.from.as_str(), entry.officer.as_str()) {
        ("", _) => "relay".to_owned(),
        (desk, "") => desk.to_owned(),
        (desk, officer) => format!("{desk}/{officer}"),
    };
    let local = render_local(entry.time_ms, &here()).unwrap_or_default();
    format!(
        "{} {}  {} {:3}  {}{}  {} -> {}  {}  {}  {}\n",
        pen.write(Ink::Faint, &render_utc(entry.time_ms)),
        pen.write(Ink::Faint, &format!("({local})")),
        pen.write(Ink::Bold, short(&request_id(&case.request_id))),
        pen.write(Ink::Plain, &case.direction),
        pen.write(urgency_ink(&case.urgency), &case.urgency),
        marks(case),
        pen.write(Ink::Plain, &case.from),
        pen.write(Ink::Plain, &case.to),
        pen.write(Ink::Bold, &entry.what),
        pen.write(Ink::Plain, &who),
        pen.write(Ink::Plain, &entry.facts),
    )
}

/// For programs: a moment, or null.
pub(super) fn moment_json(ms: i64) -> Value {
    render_rfc3339(ms).map_or(Value::Null, Value::String)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_urgency_stage_age_and_what_is_late() {
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let case = api::Case {
            request_id: vec![0x4f; 16],
            direction: "in".into(),
            from: "NL/cyber\u{1b}[2J".into(),
            to: "RO/cyber".into(),
            r#type: "PRESERVATION".into(),
            urgency: "URGENT".into(),
            handling: "ACKNOWLEDGED".into(),
            exercise: true,
            submitted_ms: now.0 - 2 * MINUTE_MS,
            estimated_ms: now.0 - 61 * MINUTE_MS,
            ..Default::default()
        };
        let table = table(std::slice::from_ref(&case), now, Pen::PLAIN);
        let row = table.lines().nth(1).unwrap();
        for part in
            ["4f4f4f4f", "URGENT EXERCISE", "\\u{1b}", "ACKNOWLEDGED", "2 min", "1 h 1 min late"]
        {
            assert!(row.contains(part), "{part} in {row}");
        }
        assert!(!table.contains('\u{1b}'));
        let entry = api::CaseEntry {
            what: "DELIVERY".into(),
            time_ms: now.0,
            facts: "a\nb".into(),
            ..Default::default()
        };
        let line = line(&case, &entry, Pen::PLAIN);
        assert!(line.contains("relay") && line.lines().count() == 1, "{line}");
    }
}
