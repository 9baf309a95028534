//! `detente desk show`: one request, opened, with everything that happened to it.
//!
//! Not for acting on it. Showing it opens it, and the other side is told; `--peek` does not.

use std::collections::BTreeMap;

use clap::Args;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::super::agent::{Agent, api};
use super::super::moment::{render_due, render_local, render_utc};
use super::super::{Exit, Failure, Ink, Pen, Screen};
use super::inbox::moment_json;
use super::outcome::{case_id, message_id, refusal_json, request_id, short};
use crate::envelope::form;
use crate::units::Timestamp;

/// Show a request with its whole history, its forms opened
///
/// Showing it opens it: the other side gets evidence that an officer has. --peek does not.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk show 4f2a
  detente desk show 4f2a --peek       look at the facts only; nobody is told")]
pub(super) struct Show {
    /// The request: its id, or the first 4 or more digits of it.
    #[arg(value_name = "ID")]
    id: String,
    /// Look without opening: forms stay sealed, and the other side is not told.
    #[arg(long)]
    peek: bool,
}

impl Show {
    pub(super) async fn run(
        self,
        agent: &mut Agent,
        officer: String,
        screen: &mut Screen,
        now: Timestamp,
    ) -> Result<Exit, Failure> {
        let id = agent.resolve(&self.id).await?;
        let case = agent.case(officer, id, self.peek).await?;
        if screen.is_json() {
            let mut document = case_json(&case);
            document["history"] = case.entries.iter().map(entry_json).collect();
            screen.document(&document)?;
        } else {
            let zones = zones(agent.contacts("").await?);
            screen.text(&page(&case, &zones, now, screen.pen()))?;
        }
        let id = id.to_string();
        if let Some(to_do) = case.to_do.first() {
            screen.message(&format!("next: {}", next_for(to_do, &id)));
            return Ok(Exit::Success);
        }
        match (case.direction.as_str(), case.acknowledged_ms) {
            ("in", 0) if !self.peek => screen.message(&format!(
                "next: detente desk ack {} --will yes --form \"report by e-mail\" --by +8h",
                short(&id)
            )),
            _ => screen.message("next: detente desk inbox --open"),
        }
        Ok(Exit::Success)
    }
}

/// The time zone of each desk, as the directory has it.
type Zones = BTreeMap<String, TimeZone>;

fn zones(contacts: Vec<api::Contact>) -> Zones {
    let zone = |contact: api::Contact| {
        TimeZone::get(&contact.time_zone).ok().map(|zone| (contact.desk, zone))
    };
    contacts.into_iter().filter_map(zone).collect()
}

fn page(case: &api::Case, zones: &Zones, now: Timestamp, pen: Pen) -> String {
    let both = |ms: i64| both_sides(ms, case, zones);
    let mut text = format!(
        "{}  {}{}  {} -> {}  {}\n",
        pen.write(Ink::Bold, &case.r#type),
        pen.write(urgency_ink(&case.urgency), &case.urgency),
        pen.write(Ink::Yellow, &marks(case)),
        pen.write(Ink::Bold, &case.from),
        pen.write(Ink::Bold, &case.to),
        pen.write(Ink::Plain, &case.instrument),
    );
    let due = |ms: i64| match ms {
        0 => "-".to_owned(),
        ms => format!("{}, {}", both(ms), render_due(ms, now)),
    };
    let facts = [
        ("request", request_id(&case.request_id)),
        ("case", case_id(&case.case_id)),
        ("handling", stage(case)),
        ("transport", case.transport.clone()),
        ("measure", case.measure.clone()),
        ("follow-up", case.follow_up.clone()),
        ("created", both(case.created_ms)),
        ("submitted", both(case.submitted_ms)),
        ("acknowledged", both(case.acknowledged_ms)),
        ("estimated", due(case.estimated_ms)),
        ("preserved until", due(case.preserved_until_ms)),
    ];
    let beside = beside(case, &due);
    for (label, value) in facts.into_iter().chain(beside) {
        text.push_str(&labelled(pen, 2, label, &value));
    }
    for remark in &case.remarks {
        text.push_str(&labelled(pen, 2, &pen.write(Ink::Yellow, "remark"), remark));
    }
    for entry in &case.entries {
        text.push('\n');
        text.push_str(&entry_text(entry, &both, pen));
    }
    text
}

/// What is there only sometimes.
fn beside(
    case: &api::Case,
    due: &dyn Fn(i64) -> String,
) -> impl Iterator<Item = (&'static str, String)> {
    let id = |id: &[u8]| if id.is_empty() { String::new() } else { request_id(id) };
    let regraded = format!("stated {}, re-graded {} times", case.stated_urgency, case.regraded);
    let said = |holds: bool, text: String| if holds { text } else { String::new() };
    let not_none = |word: &str| said(word != "NONE", word.to_owned());
    let all = [
        ("to do", case.to_do.join(", ")),
        ("urgency", said(case.regraded > 0, regraded)),
        ("conditions", not_none(&case.conditions)),
        ("embargo ends", said(case.embargo_until_ms != 0, due(case.embargo_until_ms))),
        ("follows from", id(&case.parent_request_id)),
        ("mutual assistance by", id(&case.mla_request_id)),
        ("use report", not_none(&case.use_report)),
        ("feedback", said(case.feedback, "given".to_owned())),
        ("security incidents", said(case.incidents > 0, case.incidents.to_string())),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty())
}

/// False while a request of this desk has not left the agent: no record says that it has.
fn is_sent(case: &api::Case) -> bool {
    case.direction != "out" || case.submitted_ms != 0
}

/// The handling, with where its conditions stand.
pub(super) fn stage(case: &api::Case) -> String {
    if !is_sent(case) {
        return "NOT SENT".to_owned();
    }
    match case.conditions.as_str() {
        "" | "NONE" => case.handling.clone(),
        conditions => format!("{} (conditions {conditions})", case.handling),
    }
}

fn entry_text(entry: &api::CaseEntry, both: &dyn Fn(i64) -> String, pen: Pen) -> String {
    let who = match (entry.from.as_str(), entry.officer.as_str()) {
        ("", _) => "relay".to_owned(),
        (desk, "") => format!("{desk} (machine)"),
        (desk, officer) => format!("{desk}/{officer}"),
    };
    let place = match (entry.recorded, entry.own) {
        (true, _) => format!("#{}", entry.index),
        (false, true) => "at this desk only".to_owned(),
        (false, false) => "not yet recorded".to_owned(),
    };
    let mut text = format!(
        "{}  {}  {}  {}\n",
        pen.write(Ink::Faint, &place),
        pen.write(Ink::Bold, &entry.what),
        pen.write(Ink::Plain, &who),
        pen.write(Ink::Faint, &both(entry.time_ms)),
    );
    let lone = if entry.alone { "by a lone officer, without a second one" } else { "" };
    let approved = match entry.approved_by.as_str() {
        "" => lone.to_owned(),
        second => format!("by {}/{second}", entry.from),
    };
    let beside = [("facts", &entry.facts), ("approved", &approved), ("evidence", &entry.transport)];
    for (label, value) in beside {
        if !value.is_empty() {
            text.push_str(&labelled(pen, 4, label, value));
        }
    }
    if let Some(refused) = &entry.refused {
        let why = format!("{} {}: {}", refused.code, refused.reason, refused.cause);
        text.push_str(&labelled(pen, 4, "refused", &why));
        text.push_str(&labelled(pen, 4, "next", &refused.next));
    }
    if !entry.sealed.is_empty() {
        text.push_str(&labelled(pen, 4, "sealed", &entry.sealed));
    }
    for (label, value) in entry.body.as_ref().map(form::lines).unwrap_or_default() {
        text.push_str(&labelled(pen, 4, &label, &value));
    }
    text
}

/// "  label: value", the lines of a longer value below each other.
fn labelled(pen: Pen, indent: usize, label: &str, value: &str) -> String {
    let indent = " ".repeat(indent);
    let label = pen.write(Ink::Faint, &format!("{label}:"));
    let mut lines = value.lines().map(|line| pen.write(Ink::Plain, line));
    let first = lines.next().unwrap_or_default();
    let rest: String = lines.map(|line| format!("{indent}  {line}\n")).collect();
    format!("{indent}{label} {first}\n{rest}")
}

/// A moment in UTC and on the wall clocks of both desks.
fn both_sides(ms: i64, case: &api::Case, zones: &Zones) -> String {
    let local = |desk: &str| zones.get(desk).and_then(|zone| render_local(ms, zone));
    let locals: Vec<String> = [&case.from, &case.to].into_iter().filter_map(|d| local(d)).collect();
    let utc = render_utc(ms);
    if locals.is_empty() { utc } else { format!("{utc} ({})", locals.join(", ")) }
}

/// " TEST", " EXERCISE", or nothing.
pub(super) fn marks(case: &api::Case) -> String {
    let test = if case.test { " TEST" } else { "" };
    let exercise = if case.exercise { " EXERCISE" } else { "" };
    format!("{test}{exercise}")
}

/// How an urgency looks; the word itself is always there.
pub(in crate::cli) fn urgency_ink(urgency: &str) -> Ink {
    match urgency {
        "EMERGENCY" => Ink::Red,
        "URGENT" => Ink::Yellow,
        _ => Ink::Plain,
    }
}

/// A request for programs, without its history.
pub(super) fn case_json(case: &api::Case) -> Value {
    json!({
        "request_id": request_id(&case.request_id),
        "case_id": case_id(&case.case_id),
        "direction": case.direction,
        "from": case.from,
        "to": case.to,
        "type": case.r#type,
        "instrument": case.instrument,
        "urgency": case.urgency,
        "test": case.test,
        "exercise": case.exercise,
        "transport": case.transport,
        "sent": is_sent(case),
        "handling": case.handling,
        "measure": case.measure,
        "follow_up": case.follow_up,
        "created": moment_json(case.created_ms),
        "submitted": moment_json(case.submitted_ms),
        "acknowledged": moment_json(case.acknowledged_ms),
        "estimated": moment_json(case.estimated_ms),
        "preserved_until": moment_json(case.preserved_until_ms),
        "stated_urgency": case.stated_urgency,
        "regraded": case.regraded,
        "conditions": case.conditions,
        "prior_conditions": case.prior_conditions,
        "embargo_until": moment_json(case.embargo_until_ms),
        "parent_request_id": optional_id(&case.parent_request_id),
        "mla_request_id": optional_id(&case.mla_request_id),
        "use_report": case.use_report,
        "feedback": case.feedback,
        "incidents": case.incidents,
        "to_do": case.to_do,
        "remarks": case.remarks,
    })
}

fn optional_id(id: &[u8]) -> Option<String> {
    (!id.is_empty()).then(|| request_id(id))
}

/// What to type for the first thing that this desk owes.
fn next_for(to_do: &str, id: &str) -> String {
    let id = short(id);
    match to_do {
        "ANSWER_CONDITIONS" => format!("detente desk conditions {id} --accept"),
        "PROVIDE_INFORMATION" => format!("detente desk provide {id} --form information.toml"),
        "DETERMINE_AGAIN" => format!("detente desk determine {id} --outcome accepted"),
        "SEND_MLA" => format!("detente desk mla {id} --sent --reference REFERENCE"),
        "REPORT_USE" => format!("detente desk use-report {id} --answer \"...\""),
        "APPROVE" => format!("detente desk approvals {id}"),
        "GIVE_FEEDBACK" => {
            format!("detente desk feedback {id} --outcome \"...\" --usefulness useful")
        }
        _newer => format!("detente desk show {id}"),
    }
}

/// One thing that happened, for programs.
pub(super) fn entry_json(entry: &api::CaseEntry) -> Value {
    json!({
        "index": entry.recorded.then_some(entry.index),
        "time": moment_json(entry.time_ms),
        "from": entry.from,
        "officer": entry.officer,
        "what": entry.what,
        "facts": entry.facts,
        "message_id": message_id(&entry.message_id),
        "form": entry.body.as_ref().map(form::json),
        "sealed": (!entry.sealed.is_empty()).then_some(&entry.sealed),
        "refused": entry.refused.as_ref().map(refusal_json),
        "transport": (!entry.transport.is_empty()).then_some(&entry.transport),
        "approved_by": (!entry.approved_by.is_empty()).then_some(&entry.approved_by),
        "alone": entry.alone,
        "own": entry.own,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_both_wall_clocks_and_hides_nothing_harmful() {
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let contact = |desk: &str, zone: &str| api::Contact {
            desk: desk.into(),
            time_zone: zone.into(),
            ..Default::default()
        };
        let zones = zones(vec![contact("NL/cyber", "UTC"), contact("RO/cyber", "Nowhere/At_All")]);
        let case = api::Case {
            from: "NL/cyber".into(),
            to: "RO/cyber".into(),
            submitted_ms: now.0,
            estimated_ms: now.0 - 1,
            entries: vec![api::CaseEntry {
                facts: "two\nlines \u{202e}".into(),
                from: "RO/cyber".into(),
                what: "ACKNOWLEDGE".into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let page = page(&case, &zones, now, Pen::PLAIN);
        assert!(page.contains("submitted: 2026-11-23 09:00:00Z (Mon 09:00 UTC)"), "{page}");
        assert!(page.contains("0 s late"), "{page}");
        assert!(page.contains("facts: two\n      lines \\u{202e}\n"), "{page}");
        assert!(page.contains("not yet recorded  ACKNOWLEDGE  RO/cyber (machine)  -"), "{page}");
        assert_eq!(case_json(&case)["acknowledged"], Value::Null);
        let unsent = api::Case { direction: "out".into(), submitted_ms: 0, ..case.clone() };
        assert_eq!(stage(&unsent), "NOT SENT");
        assert_eq!(case_json(&unsent)["sent"], false);
        assert_eq!(case_json(&case)["sent"], true);
    }
}
