//! The plain list of desks, and `detente desk status`.
//!
//! Not for what a nation's entry says beyond that (see `directory/`).

use clap::Args;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::super::agent::{Agent, api};
use super::super::moment::{render_local, render_rfc3339, render_utc};
use super::super::{Exit, Failure, Ink, Pen, Screen};
use super::settle;
use crate::units::{MemberId, Timestamp};

/// Lists the members' desks: who is where, what time it is there, on what basis.
pub(super) async fn list(
    member: Option<MemberId>,
    agent: &mut Agent,
    screen: &mut Screen,
    now: Timestamp,
) -> Result<Exit, Failure> {
    let member = member.map(|member| member.to_string()).unwrap_or_default();
    let contacts = agent.contacts(&member).await?;
    if screen.is_json() {
        let list: Vec<Value> = contacts.iter().map(contact_json).collect();
        screen.document(&json!({ "desks": list }))?;
    } else if contacts.is_empty() {
        screen.message("no such member in this network");
    } else {
        screen.text(&page(&contacts, now, screen.pen()))?;
    }
    let own = agent.status().await?.desk;
    if let Some(contact) = contacts.iter().find(|contact| contact.desk != own) {
        screen.message(&format!("next: detente desk send --to {} --form FILE", contact.desk));
    }
    Ok(Exit::Success)
}

/// Say how the agent stands: connection, cursor, outbox
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente desk status --json")]
pub(super) struct Status {}

impl Status {
    pub(super) async fn run(self, agent: &mut Agent, screen: &mut Screen) -> Result<Exit, Failure> {
        let status = agent.status().await?;
        if screen.is_json() {
            screen.document(&json!({
                "desk": status.desk,
                "network": status.network,
                "connected": status.connected,
                "next_desk_index": status.next_desk_index,
                "outbox": status.outbox,
                "trouble": (!status.trouble.is_empty()).then_some(&status.trouble),
                "waiting_approvals": status.waiting_approvals,
                "lone_officer_disclosures": status.lone_officer_disclosures,
                "alarms": settle::document(&status.alarms),
                "notices": status.notices.iter().map(notice_json).collect::<Vec<_>>(),
                "logs": status.logs.iter().map(log_json).collect::<Vec<_>>(),
            }))?;
            return Ok(Exit::Success);
        }
        let pen = screen.pen();
        let connection = if status.connected {
            pen.write(Ink::Green, "connected to the relay")
        } else {
            pen.write(Ink::Red, &format!("not connected: {}", status.trouble))
        };
        screen.text(&format!(
            "{} of {}: {connection}\n  waits for its record {}, {} statements in the outbox\n  \
             {} acts wait for a second officer; data were handed over by a lone one {} times\n",
            pen.write(Ink::Bold, &status.desk),
            pen.write(Ink::Plain, &status.network),
            status.next_desk_index,
            status.outbox,
            status.waiting_approvals,
            status.lone_officer_disclosures,
        ))?;
        for log in &status.logs {
            screen.text(&format!("  {}\n", log_line(log)))?;
        }
        for notice in &status.notices {
            let (since, what) = (render_utc(notice.since_ms), pen.write(Ink::Plain, &notice.what));
            screen.text(&format!("  {} {what}\n", pen.write(Ink::Yellow, &since)))?;
        }
        screen.text(&settle::page(&status.alarms, pen))?;
        screen.message("next: detente desk inbox --open");
        Ok(Exit::Success)
    }
}

fn notice_json(notice: &api::Notice) -> Value {
    json!({ "since": render_rfc3339(notice.since_ms), "what": notice.what })
}

fn log_json(log: &api::WitnessedLog) -> Value {
    json!({
        "log": log.log,
        "cosigned_size": log.cosigned_size,
        "witnessed_size": log.witnessed_size,
        "witnessed_at": render_rfc3339(log.witnessed_ms).filter(|_| log.witnessed_ms != 0),
        "witnesses": log.witnesses,
        "witnesses_total": log.witnesses_total,
        "published_size": log.published_size,
    })
}

/// How far a log is witnessed, on one line.
fn log_line(log: &api::WitnessedLog) -> String {
    let witnessed = match (log.witnesses_total, log.witnessed_size) {
        (0, _) => "no witnesses are configured, the relay is taken at its word".to_owned(),
        (n, 0) => format!("not witnessed yet by a quorum of {n}"),
        (n, size) => {
            let (k, at) = (log.witnesses, render_utc(log.witnessed_ms));
            format!("{size} leaves witnessed by {k} of {n} at {at}")
        }
    };
    let own = match log.cosigned_size {
        0 => String::new(),
        size => format!("; cosigned here: {size}"),
    };
    format!("log {}: {witnessed}{own}", log.log)
}

fn page(contacts: &[api::Contact], now: Timestamp, pen: Pen) -> String {
    let heading =
        ["DESK", "MEMBER", "ORGANISATION", "THERE", "LANGUAGES", "IN COMMON", "KEEPS", "OFFICERS"];
    let row = |contact: &api::Contact| {
        let there = TimeZone::get(&contact.time_zone)
            .ok()
            .and_then(|zone| render_local(now.0, &zone))
            .unwrap_or_else(|| contact.time_zone.clone());
        let common = if contact.common_instruments.is_empty() {
            (Ink::Yellow, "nothing".to_owned())
        } else {
            (Ink::Plain, contact.common_instruments.join(" "))
        };
        vec![
            (Ink::Bold, contact.desk.clone()),
            (Ink::Plain, contact.member_name.clone()),
            (Ink::Plain, contact.organisation.clone()),
            (Ink::Plain, there),
            (Ink::Plain, contact.languages.join(" ")),
            common,
            (Ink::Plain, format!("{} d", contact.preservation_days_min)),
            (Ink::Faint, contact.officers.join("; ")),
        ]
    };
    pen.table(&heading, &contacts.iter().map(row).collect::<Vec<_>>())
}

fn contact_json(contact: &api::Contact) -> Value {
    json!({
        "desk": contact.desk,
        "member_name": contact.member_name,
        "organisation": contact.organisation,
        "time_zone": contact.time_zone,
        "languages": contact.languages,
        "instruments": contact.instruments,
        "common_instruments": contact.common_instruments,
        "preservation_days_min": contact.preservation_days_min,
        "officers": contact.officers,
    })
}
