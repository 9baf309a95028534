//! `detente desk directory show`: an entry as it was published, at any time.
//!
//! Not for what applies now (see `call.rs`).

use clap::Args;
use serde_json::{Value, json};

use super::current::Current;
use crate::cli::agent::{Agent, api};
use crate::cli::moment::{parse_moment, render_rfc3339, render_utc};
use crate::cli::{Exit, Failure, Ink, Pen, Screen};
use crate::units::{MemberId, Timestamp};

/// Show a member's entry: the newest, the one of a moment, or a version
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk directory show RO
  detente desk directory show RO --as-of 2026-11-23T09:00:00Z
  detente desk directory show RO --version 2 --json
  detente desk directory show RO --history")]
pub(super) struct Show {
    /// The member, as RO.
    member: MemberId,
    /// As it was at this moment: RFC 3339 with an offset.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["version", "history"])]
    as_of: Option<String>,
    /// This version; 0 is what the genesis says.
    #[arg(long, value_name = "N", conflicts_with = "history")]
    version: Option<u64>,
    /// Every version, with when it was published.
    #[arg(long)]
    history: bool,
}

impl Show {
    pub(super) async fn run(
        self,
        agent: &mut Agent,
        screen: &mut Screen,
        now: Timestamp,
    ) -> Result<Exit, Failure> {
        let member = self.member.to_string();
        if self.history {
            return history(agent, &member, screen).await;
        }
        let as_of_ms = match &self.as_of {
            Some(text) => parse_moment(text, now)
                .map(|at| at.0)
                .map_err(|why| Failure::value("--as-of", why, "give it as 2026-11-23T09:00:00Z"))?,
            None => 0,
        };
        let request = api::GetEntryRequest { member, version: self.version, as_of_ms };
        let current = Current::asked(agent, request).await?;
        if screen.is_json() {
            screen.document(&document(&current))?;
        } else {
            screen.text(&page(&current, screen.pen()))?;
        }
        let member = self.member;
        screen.message(&format!("next: detente desk directory call {member}"));
        Ok(Exit::Success)
    }
}

async fn history(agent: &mut Agent, member: &str, screen: &mut Screen) -> Result<Exit, Failure> {
    let versions = agent.entry_versions(member).await?;
    if screen.is_json() {
        let list: Vec<Value> = versions.iter().map(version_json).collect();
        screen.document(&json!({ "member": member, "versions": list }))?;
    } else {
        let row = |version: &crate::grpc::counter::Version| {
            vec![
                (Ink::Bold, version.version.to_string()),
                (Ink::Plain, render_utc(version.time_ms)),
                (Ink::Plain, version.index.to_string()),
                (Ink::Plain, version.leaf_index.to_string()),
                (Ink::Faint, data_encoding::HEXLOWER.encode(&version.sha256)),
            ]
        };
        let rows: Vec<_> = versions.iter().map(row).collect();
        let heading = ["VERSION", "PUBLISHED", "RECORD", "LEAF", "HASH"];
        screen.text(&screen.pen().table(&heading, &rows))?;
    }
    screen.message(&format!("next: detente desk directory show {member} --version N"));
    Ok(Exit::Success)
}

fn version_json(version: &crate::grpc::counter::Version) -> Value {
    json!({
        "version": version.version,
        "time": render_rfc3339(version.time_ms),
        "index": version.index,
        "leaf_index": version.leaf_index,
        "sha256": data_encoding::HEXLOWER.encode(&version.sha256),
    })
}

fn page(current: &Current, pen: Pen) -> String {
    let entry = &current.entry;
    let source = if entry.version == 0 { ", which is what the genesis says" } else { "" };
    let head = format!(
        "{} version {}{source}: record {}, leaf {}, {}",
        entry.member,
        entry.version,
        current.index,
        current.leaf,
        render_utc(current.time_ms)
    );
    let mut page = format!("{}\n", pen.write(Ink::Bold, &head));
    for line in current.text().lines().filter(|line| !line.starts_with('#')) {
        let ink = if line.starts_with('[') { Ink::Bold } else { Ink::Plain };
        page.push_str(&pen.write(ink, line));
        page.push('\n');
    }
    page
}

/// The entry with the names that its file has.
fn document(current: &Current) -> Value {
    let entry: Value = toml::from_str::<toml::Table>(&current.text())
        .ok()
        .and_then(|table| serde_json::to_value(table).ok())
        .unwrap_or_default();
    json!({
        "version": current.entry.version,
        "time": render_rfc3339(current.time_ms),
        "index": current.index,
        "leaf_index": current.leaf,
        "sha256": current.entry.hash.to_string(),
        "entry": entry,
    })
}
