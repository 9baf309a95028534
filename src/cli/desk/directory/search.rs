//! `detente desk directory list` and `search`: desks by what they are and can do.
//!
//! Not for whether they may be asked: the agent says so when something is sent.

use clap::Args;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::super::send::{parse_type, upper};
use crate::cli::agent::Agent;
use crate::cli::moment::{render_local, render_rfc3339, render_utc};
use crate::cli::{Exit, Failure, Ink, Pen, Screen};
use crate::envelope::entry::words::DeskRole;
use crate::envelope::words::{Instrument, RequestType};
use crate::grpc::counter::{LanguageOf, Listing, Query};
use crate::units::{MemberId, Timestamp};

/// List every desk with what its nation has published of it
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente desk directory list --json")]
pub(super) struct List {}

/// Find desks by member, role, language, what they can do, and instrument
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk directory search --role STOP_PAYMENT
  detente desk directory search --can PRESERVATION --language fr --instrument BUDAPEST")]
pub(super) struct Search {
    /// Of this member, as RO.
    #[arg(long)]
    member: Option<MemberId>,
    /// With this role, as STOP_PAYMENT.
    #[arg(long, value_parser = parse_role)]
    role: Option<DeskRole>,
    /// That works in this language, as fr; pt also finds pt-BR.
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// That may carry out this type of request by itself, as PRESERVATION.
    #[arg(long, value_name = "TYPE", value_parser = parse_type)]
    can: Option<RequestType>,
    /// Of a member that has declared this instrument, as BUDAPEST.
    #[arg(long)]
    instrument: Option<Instrument>,
}

impl List {
    pub(super) async fn run(
        self,
        agent: &mut Agent,
        screen: &mut Screen,
        now: Timestamp,
    ) -> Result<Exit, Failure> {
        let Self {} = self;
        found(agent, Query::default(), screen, now).await
    }
}

impl Search {
    pub(super) async fn run(
        self,
        agent: &mut Agent,
        screen: &mut Screen,
        now: Timestamp,
    ) -> Result<Exit, Failure> {
        let Self { member, role, language, can, instrument } = self;
        let text = |word: Option<String>| word.unwrap_or_default();
        let query = Query {
            member: text(member.map(|member| member.to_string())),
            role: text(role.map(|role| role.to_string())),
            language: text(language),
            executes: text(can.map(|kind| kind.to_string())),
            instrument: text(instrument.map(|instrument| instrument.to_string())),
            ..Query::default()
        };
        found(agent, query, screen, now).await
    }
}

async fn found(
    agent: &mut Agent,
    query: Query,
    screen: &mut Screen,
    now: Timestamp,
) -> Result<Exit, Failure> {
    let desks = agent.search(query).await?;
    if screen.is_json() {
        let list: Vec<Value> = desks.iter().map(listing_json).collect();
        screen.document(&json!({ "desks": list }))?;
    } else if desks.is_empty() {
        screen.message("no such desk in this network");
    } else {
        screen.text(&page(&desks, now, screen.pen()))?;
    }
    let own = agent.status().await?.desk;
    if let Some(first) = desks.iter().find(|desk| desk.desk != own) {
        screen.message(&format!("next: detente desk directory call {}", first.desk));
    }
    Ok(Exit::Success)
}

fn page(desks: &[Listing], now: Timestamp, pen: Pen) -> String {
    let heading =
        ["DESK", "ORGANISATION", "ROLES", "THERE", "HOURS", "LANGUAGES", "CAN", "CHANGED"];
    let row = |desk: &Listing| {
        let hours = desk.hours.as_ref();
        let zone = hours.map(|hours| hours.time_zone.as_str()).unwrap_or_default();
        let there = TimeZone::get(zone).ok().and_then(|zone| render_local(now.0, &zone));
        let languages = desk.languages.iter().map(|language| language.tag.as_str());
        let changed = match desk.version {
            0 => (Ink::Yellow, "no entry yet".to_owned()),
            version => (Ink::Plain, format!("{version}: {}", render_utc(desk.changed_ms))),
        };
        vec![
            (Ink::Bold, desk.desk.clone()),
            (Ink::Plain, desk.organisation.clone()),
            (Ink::Plain, desk.roles.join(" ")),
            (Ink::Plain, there.unwrap_or_else(|| zone.to_owned())),
            (Ink::Plain, hours.map(|hours| hours.kind.clone()).unwrap_or_default()),
            (Ink::Plain, languages.collect::<Vec<_>>().join(" ")),
            (Ink::Plain, desk.executes.join(" ")),
            changed,
        ]
    };
    pen.table(&heading, &desks.iter().map(row).collect::<Vec<_>>())
}

fn listing_json(desk: &Listing) -> Value {
    let language = |of: &LanguageOf| {
        let (tag, level) = (&of.tag, &of.level);
        json!({ "tag": tag, "level": level, "formal": of.formal })
    };
    let hours = desk.hours.as_ref().map(|hours| {
        json!({
            "kind": hours.kind,
            "time_zone": hours.time_zone,
            "weekend_days": hours.weekend_days,
            "public_holidays": hours.public_holidays.len(),
        })
    });
    json!({
        "desk": desk.desk,
        "member_name": desk.member_name,
        "version": desk.version,
        "changed": render_rfc3339(desk.changed_ms),
        "organisation": desk.organisation,
        "unit": desk.unit,
        "kind": desk.kind,
        "roles": desk.roles,
        "executes": desk.executes,
        "hours": hours,
        "languages": desk.languages.iter().map(language).collect::<Vec<_>>(),
        "formal_confirmation_required": desk.formal_confirmation_required,
        "instruments": desk.instruments,
        "preservation_days_min": desk.preservation_days_min,
        "preservation_days_max": (desk.preservation_days_max != 0)
            .then_some(desk.preservation_days_max),
    })
}

fn parse_role(text: &str) -> Result<DeskRole, String> {
    upper(text).parse().map_err(|error: crate::units::Unreadable| error.why)
}
