//! `detente desk directory` and `detente desk status`.
//!
//! Not for changing the directory: it stands as the genesis states it.

use clap::Args;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::super::agent::{Agent, api};
use super::super::moment::render_local;
use super::super::{Exit, Failure, Ink, Pen, Screen};
use crate::units::{MemberId, Timestamp};

/// List the members' desks: who is where, what time it is there, on what basis
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk directory
  detente desk directory RO")]
pub(super) struct Directory {
    /// Only this member, as RO.
    member: Option<MemberId>,
}

impl Directory {
    pub(super) async fn run(
        self,
        agent: &mut Agent,
        screen: &mut Screen,
        now: Timestamp,
    ) -> Result<Exit, Failure> {
        let member = self.member.map(|member| member.to_string()).unwrap_or_default();
        let contacts = agent.contacts(&member).await?;
        if screen.is_json() {
            let list: Vec<Value> = contacts.iter().map(contact_json).collect();
            screen.document(&json!({ "desks": list }))?;
        } else if contacts.is_empty() {
            screen.message("no such member in this network");
        } else {
            screen.text(&page(&contacts, now, screen.pen()))?;
        }
        if let Some(contact) = contacts.first() {
            screen.message(&format!("next: detente desk send --to {} --form FILE", contact.desk));
        }
        Ok(Exit::Success)
    }
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
            "{} of {}: {connection}\n  waits for its record {}, {} statements in the outbox\n",
            pen.write(Ink::Bold, &status.desk),
            pen.write(Ink::Plain, &status.network),
            status.next_desk_index,
            status.outbox,
        ))?;
        screen.message("next: detente desk inbox --open");
        Ok(Exit::Success)
    }
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
