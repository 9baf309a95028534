//! `detente desk directory call`: which channel to use at this minute, both local times, and why.
//!
//! Not for working it out (see `views/call`): the agent does.

use clap::Args;
use serde_json::{Value, json};

use super::super::send::parse_urgency;
use crate::cli::agent::{Agent, api};
use crate::cli::moment::{parse_moment, render_rfc3339, render_utc};
use crate::cli::{Exit, Failure, Ink, Pen, Screen};
use crate::envelope::words::Urgency;
use crate::units::{DeskId, Timestamp};

/// Say whom to call now: which channel applies at this minute, what time it is there, and why
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk directory call RO
  detente desk directory call RO/cyber --urgency emergency
  detente desk directory call BD --at 2026-11-28T21:10:00Z --json")]
pub(super) struct Call {
    /// A member, as RO, or one of its desks, as RO/cyber.
    #[arg(value_name = "MEMBER[/DESK]")]
    whom: String,
    /// EMERGENCY, URGENT, EXPEDITED, ROUTINE or INFORMATION.
    #[arg(long, default_value = "URGENT", value_parser = parse_urgency)]
    urgency: Urgency,
    /// At this moment instead of now: RFC 3339 with an offset, or +8h.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

impl Call {
    pub(super) async fn run(self, agent: &mut Agent, screen: &mut Screen) -> Result<Exit, Failure> {
        let now = super::super::now();
        let at_ms = match &self.at {
            Some(text) => parse_moment(text, now).map(|at| at.0).map_err(|why| {
                Failure::value("--at", why, "give it as 2026-11-23T09:00:00Z or +8h")
            })?,
            None => 0,
        };
        let urgency = self.urgency.to_string();
        let request = api::GetCallAdviceRequest { desk: self.whom, urgency, at_ms };
        let advice = agent.call_advice(request).await?;
        if screen.is_json() {
            let list: Vec<Value> = advice.iter().map(advice_json).collect();
            screen.document(&json!({ "advice": list }))?;
        } else {
            let pen = screen.pen();
            let pages: Vec<String> = advice.iter().map(|advice| page(advice, pen)).collect();
            screen.text(&pages.join("\n"))?;
        }
        if let Some(first) = advice.first() {
            screen.message(&format!("next: detente desk send --to {} --form FILE", first.desk));
        }
        Ok(Exit::Success)
    }
}

/// What applies at a desk now, while somebody writes to it; nothing when the agent cannot say.
pub(in crate::cli::desk) async fn now_at(
    agent: &mut Agent,
    desk: &DeskId,
    urgency: Option<Urgency>,
) -> Option<api::CallAdvice> {
    let urgency = urgency.map(|urgency| urgency.to_string()).unwrap_or_default();
    let request = api::GetCallAdviceRequest { desk: desk.to_string(), urgency, at_ms: 0 };
    agent.call_advice(request).await.ok()?.into_iter().next()
}

fn page(advice: &api::CallAdvice, pen: Pen) -> String {
    let mut page = format!(
        "{} {}\n  {}\n",
        pen.write(Ink::Bold, &advice.desk),
        pen.write(Ink::Plain, &advice.member_name),
        pen.write(Ink::Plain, &advice.sentence),
    );
    let mut line = |label: &str, text: &str| {
        page.push_str(&format!("  {label:<8}{}\n", pen.write(Ink::Plain, text)));
    };
    for (label, local) in [("there", &advice.there), ("here", &advice.here)] {
        if let Some(local) = local {
            line(label, &shown(local));
        }
    }
    line("UTC", &render_utc(advice.at_ms));
    if advice.opens_ms != 0 {
        line("opens", &render_utc(advice.opens_ms));
    }
    if let Some(contact) = &advice.confirmation_contact {
        let parts = [&contact.name, &contact.phone, &contact.mobile, &contact.email];
        let parts: Vec<&str> =
            parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        line("confirm", &parts.join(", "));
    }
    let rows: Vec<_> = (1..)
        .zip(&advice.channels)
        .map(|(n, channel)| {
            let ink = if n == 1 { Ink::Green } else { Ink::Plain };
            vec![
                (Ink::Plain, format!("  {n}")),
                (ink, channel.system.clone()),
                (ink, channel.value.clone()),
                (Ink::Plain, channel.r#use.clone()),
                (Ink::Plain, channel.when.clone()),
            ]
        })
        .collect();
    if !rows.is_empty() {
        page.push_str(&pen.table(&["  TRY", "CHANNEL", "VALUE", "USE", "WHEN"], &rows));
    }
    page
}

fn shown(local: &api::LocalTime) -> String {
    let api::LocalTime { time_zone, date, time, weekday, offset } = local;
    format!("{weekday} {date} {time} {offset} {time_zone}")
}

/// The advice for programs.
pub(in crate::cli::desk) fn advice_json(advice: &api::CallAdvice) -> Value {
    let local = |local: &Option<api::LocalTime>| {
        local.as_ref().map(|local| {
            let api::LocalTime { time_zone, date, time, weekday, offset } = local;
            json!({ "time_zone": time_zone, "date": date, "time": time, "weekday": weekday,
                    "offset": offset })
        })
    };
    let channels: Vec<Value> = advice
        .channels
        .iter()
        .map(|channel| {
            json!({ "system": channel.system, "value": channel.value, "use": channel.r#use,
                    "rank": channel.rank, "when": channel.when })
        })
        .collect();
    let contact = advice.confirmation_contact.as_ref().map(|contact| {
        json!({ "name": contact.name, "function": contact.function, "phone": contact.phone,
                "mobile": contact.mobile, "email": contact.email })
    });
    json!({
        "desk": advice.desk,
        "member_name": advice.member_name,
        "sentence": advice.sentence,
        "at": Timestamp(advice.at_ms).to_string(),
        "there": local(&advice.there),
        "here": local(&advice.here),
        "presence": advice.presence,
        "closed_because": (!advice.closed_because.is_empty()).then_some(&advice.closed_because),
        "opens": render_rfc3339(advice.opens_ms),
        "channels": channels,
        "confirmation_contact": contact,
        "version": advice.version,
        "changed": render_rfc3339(advice.changed_ms),
    })
}
