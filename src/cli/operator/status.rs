//! `detente operator status`: how the relay stands.
//!
//! Not for its figures over time: Prometheus asks the metrics listener.

use clap::Args;
use serde_json::{Value, json};

use super::limited;
use crate::cli::{Exit, Failure, Ink, Pen, Screen};
use crate::grpc::operator::{Operator, api};
use crate::units::{Hash, Timestamp};

/// Show how the relay stands
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente operator status --config relay.toml")]
pub(super) struct Status {}

impl Status {
    pub(super) async fn run(
        self,
        relay: &mut Operator,
        screen: &mut Screen,
    ) -> Result<Exit, Failure> {
        let Self {} = self;
        let what = "the relay's state is not known";
        let status = relay.get_relay_status(api::GetRelayStatusRequest {});
        let status = limited(what, status).await?;
        let desks = connections(relay).await?;
        if screen.is_json() {
            screen.document(&document(&status, &desks))?;
        } else {
            let text = text(&status, &desks, screen.pen());
            screen.text(&text)?;
        }
        Ok(Exit::Success)
    }
}

async fn connections(relay: &mut Operator) -> Result<Vec<api::Connection>, Failure> {
    let mut found = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = api::ListConnectionsRequest { page_size: 500, page_token };
        let call = relay.list_connections(request);
        let page = limited("the connections are not known", call).await?;
        found.extend(page.connections);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(found);
        }
    }
}

fn text(status: &api::GetRelayStatusResponse, desks: &[api::Connection], pen: Pen) -> String {
    let mut text = format!(
        "the relay of {}, version {}, up since {}\n  {} records, the tables have {}; {} requests \
         open\n  the disk last took a write {:.1} s ago\n",
        pen.write(Ink::Bold, &status.network),
        pen.write(Ink::Plain, &status.version),
        Timestamp(status.started_ms),
        status.next_index,
        status.tables_index,
        status.open_requests,
        status.probe_age_ms.max(0) as f64 / 1_000.0,
    );
    if status.clock_in_doubt {
        let doubt = "the wall clock jumped and is not confirmed: no deadline passes";
        text.push_str(&format!("  {}\n", pen.write(Ink::Red, doubt)));
    }
    if !status.no_tables_because.is_empty() {
        let why = format!("the tables cannot be kept: {}", status.no_tables_because);
        text.push_str(&format!("  {}\n", pen.write(Ink::Red, &why)));
    }
    if !status.nothing_signed_because.is_empty() {
        let held = format!("nothing is signed or accepted: {}", status.nothing_signed_because);
        text.push_str(&format!("  {}\n", pen.write(Ink::Red, &held)));
    }
    for log in &status.logs {
        let (ink, line) = log_line(log);
        text.push_str(&format!("  {}\n", pen.write(ink, &line)));
    }
    for witness in &status.witnesses {
        let (ink, line) = witness_line(witness);
        text.push_str(&format!("  {}\n", pen.write(ink, &line)));
    }
    for list in &status.revocation_lists {
        let ink = match list.state.as_str() {
            "OK" | "HALF" => Ink::Plain,
            "LATE" | "DUE" | "GRACE" => Ink::Yellow,
            _worse => Ink::Red,
        };
        let due = match list.next_update_ms {
            0 => String::new(),
            due => format!(", next due {}", Timestamp(due)),
        };
        let line = format!("revocation list of {}: {}{due}", list.member, list.state);
        text.push_str(&format!("  {}\n", pen.write(ink, &line)));
    }
    let rows: Vec<_> = desks
        .iter()
        .map(|desk| {
            let following = if desk.following { "follows" } else { "does not follow" };
            vec![
                (Ink::Bold, desk.desk.clone()),
                (Ink::Plain, Timestamp(desk.since_ms).to_string()),
                (Ink::Plain, following.to_owned()),
                (Ink::Plain, Timestamp(desk.certificate_until_ms).to_string()),
            ]
        })
        .collect();
    text.push_str(&pen.table(&["DESK", "CONNECTED SINCE", "STREAM", "CERTIFICATE UNTIL"], &rows));
    text
}

/// A head that has waited so long for its quorum is worth a colour, in milliseconds.
const WAITS_LONG_MS: i64 = 60_000;

/// How far a log is witnessed, on one line.
fn log_line(log: &api::LogStanding) -> (Ink, String) {
    let seconds = |ms: i64| format!("{:.1} s ago", ms as f64 / 1_000.0);
    let name = &log.log;
    if !log.is_published {
        return (Ink::Yellow, format!("log {name}: {} leaves, nothing published yet", log.size));
    }
    let witnessed = match (log.witnesses_total, log.is_witnessed) {
        (0, _) => "no witnesses are configured".to_owned(),
        (total, false) => format!("witnessed by {} of {total}", log.published_witnesses),
        (total, true) => {
            let (k, ago) = (log.witnesses, seconds(log.witnessed_age_ms));
            format!("{} witnessed by {k} of {total}, {ago}", log.witnessed_size)
        }
    };
    let published = seconds(log.published_age_ms);
    let mut line = format!(
        "log {name}: {} leaves, {} published {published}, {witnessed}",
        log.size, log.published_size
    );
    if log.waits_ms == 0 {
        return (Ink::Plain, line);
    }
    let waits = log.waits_ms as f64 / 1_000.0;
    line.push_str(&format!("; waiting for the quorum for {waits:.1} s"));
    (if log.waits_ms > WAITS_LONG_MS { Ink::Red } else { Ink::Plain }, line)
}

/// A witness on one line.
fn witness_line(witness: &api::WitnessStanding) -> (Ink, String) {
    let counted = if witness.in_policy { "" } else { " (not in the policy)" };
    let there = if witness.connected { "is there" } else { "has gone" };
    let (name, trouble) = (&witness.name, &witness.trouble);
    if trouble.is_empty() {
        let (directory, traffic) = (witness.directory_size, witness.traffic_size);
        let line = format!(
            "witness {name}{counted} {there}; has cosigned {directory} of directory, {traffic} of \
             traffic"
        );
        (if witness.connected { Ink::Plain } else { Ink::Yellow }, line)
    } else {
        (Ink::Red, format!("witness {name}{counted} {there}: {trouble}"))
    }
}

fn document(status: &api::GetRelayStatusResponse, desks: &[api::Connection]) -> Value {
    let genesis = <[u8; 32]>::try_from(status.genesis_sha256.as_slice()).map(Hash);
    json!({
        "network": status.network,
        "genesis_sha256": genesis.map(|hash| hash.to_string()).ok(),
        "version": status.version,
        "started": Timestamp(status.started_ms).to_string(),
        "next_index": status.next_index,
        "tables_index": status.tables_index,
        "open_requests": status.open_requests,
        "probe_age_ms": status.probe_age_ms,
        "clock_in_doubt": status.clock_in_doubt,
        "nothing_signed_because": status.nothing_signed_because,
        "no_tables_because": status.no_tables_because,
        "logs": status.logs.iter().map(|log| json!({
            "log": log.log,
            "size": log.size,
            "published_size": log.is_published.then_some(log.published_size),
            "published_age_ms": log.is_published.then_some(log.published_age_ms),
            "published_witnesses": log.published_witnesses,
            "witnessed_size": log.is_witnessed.then_some(log.witnessed_size),
            "witnessed_age_ms": log.is_witnessed.then_some(log.witnessed_age_ms),
            "witnesses": log.witnesses,
            "witnesses_total": log.witnesses_total,
            "waits_ms": log.waits_ms,
        })).collect::<Vec<_>>(),
        "witnesses": status.witnesses.iter().map(|witness| json!({
            "name": witness.name,
            "in_policy": witness.in_policy,
            "connected": witness.connected,
            "directory_size": witness.directory_size,
            "traffic_size": witness.traffic_size,
            "trouble": witness.trouble,
        })).collect::<Vec<_>>(),
        "revocation_lists": status.revocation_lists.iter().map(|list| json!({
            "member": list.member,
            "state": list.state,
            "next_update": (list.next_update_ms != 0)
                .then(|| Timestamp(list.next_update_ms).to_string()),
        })).collect::<Vec<_>>(),
        "connections": desks.iter().map(|desk| json!({
            "desk": desk.desk,
            "since": Timestamp(desk.since_ms).to_string(),
            "following": desk.following,
            "certificate_until": Timestamp(desk.certificate_until_ms).to_string(),
            "certificate_serial": desk.certificate_serial,
            "key_exchange": desk.key_exchange,
        })).collect::<Vec<_>>(),
    })
}
