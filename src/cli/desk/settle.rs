//! `detente desk settle`, and how alarms are shown.
//!
//! Not for what an alarm means (see `desk/watch.rs`), and not for a relay that has lost records:
//! that is `detente desk reconcile`.

use clap::Args;
use serde_json::{Value, json};

use super::super::agent::{Agent, api};
use super::super::moment::{render_rfc3339, render_utc};
use super::super::{Exit, Failure, Ink, Pen, Screen};

/// Say that an alarm has been dealt with, and how
///
/// The words are kept with the evidence, which is never removed. What the alarm had stopped goes
/// on: a log of the relay is cosigned again, though never a head that contradicts the one before.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk status
  detente desk settle traffic-0a1b2c3d4e5f6071 --words \"both heads shown to RO; relay replaced\"")]
pub(super) struct Settle {
    /// The alarm, as `detente desk status` names it.
    alarm: String,
    /// How it was dealt with.
    #[arg(long, value_name = "TEXT")]
    words: String,
}

impl Settle {
    pub(super) async fn run(
        self,
        agent: &mut Agent,
        officer: String,
        screen: &mut Screen,
    ) -> Result<Exit, Failure> {
        let Self { alarm: id, words } = self;
        agent.settle(api::SettleAlarmRequest { officer, id: id.clone(), words }).await?;
        if screen.is_json() {
            screen.document(&json!({ "settled": id }))?;
        } else {
            screen.text(&format!("alarm {id} is settled\n"))?;
        }
        screen.message("next: detente desk status");
        Ok(Exit::Success)
    }
}

/// Says on standard error what stands, before a command shows something else.
pub(super) fn remind(alarms: &[api::Alarm], screen: &mut Screen) {
    for alarm in alarms {
        screen.message(&format!("ALARM {} {}: {}", alarm.code, alarm.reason, alarm.what));
    }
    if !alarms.is_empty() {
        screen.message("see detente desk status");
    }
}

/// Alarms for people.
pub(super) fn page(alarms: &[api::Alarm], pen: Pen) -> String {
    let one = |alarm: &api::Alarm| {
        let since = match alarm.since_ms {
            0 => String::new(),
            ms => format!(" since {}", render_utc(ms)),
        };
        let head = format!("ALARM {} {}{since}", alarm.code, alarm.reason);
        let id = if alarm.id.is_empty() { String::new() } else { format!("  id: {}\n", alarm.id) };
        let (what, next) = (pen.write(Ink::Plain, &alarm.what), pen.write(Ink::Plain, &alarm.next));
        format!("{}\n  {what}\n{id}  next: {next}\n", pen.write(Ink::Red, &head))
    };
    alarms.iter().map(one).collect()
}

/// Alarms for programs.
pub(super) fn document(alarms: &[api::Alarm]) -> Vec<Value> {
    let one = |alarm: &api::Alarm| {
        json!({
            "id": (!alarm.id.is_empty()).then_some(&alarm.id),
            "code": alarm.code,
            "reason": alarm.reason,
            "what": alarm.what,
            "next": alarm.next,
            "since": render_rfc3339(alarm.since_ms).filter(|_| alarm.since_ms != 0),
        })
    };
    alarms.iter().map(one).collect()
}
