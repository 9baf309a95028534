//! The relay's figures, looked up when somebody asks for them.
//!
//! Not kept anywhere: each is read from the committed state, the open connections and the
//! revocation lists; who is late, from the tables. The calls at the edge are counted by
//! `grpc::Meter`. Names follow Prometheus: base units, `_total` for what only grows. Labels are
//! members and urgencies, which are few.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::page::Page;
use super::response_times;
use crate::codec::Log;
use crate::envelope::words::Urgency;
use crate::grpc::serve::Gate;
use crate::identity::listen::Counts;
use crate::identity::{self, Connections};
use crate::relay::{PublicHead, Relay, Standing};
use crate::rules::target::Span;
use crate::rules::{Handling, State};
use crate::units::MemberId;

/// Everything about a relay that is worth watching. Register it as a collector.
pub struct RelayFigures {
    /// The relay.
    pub relay: Relay,
    /// Revocation lists.
    pub gate: Arc<dyn Gate>,
    /// The open connections.
    pub connections: Connections,
    /// What happened at the desks' door.
    pub door: Arc<Counts>,
    /// What happened at that of the published logs.
    pub log_door: Arc<Counts>,
}

impl fmt::Debug for RelayFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayFigures").finish_non_exhaustive()
    }
}

impl Collector for RelayFigures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page { encoder };
        self.relay_figures(&mut page)?;
        self.log_figures(&mut page)?;
        response_times::write(&self.relay, &mut page)?;
        self.identity_figures(&mut page)
    }
}

impl RelayFigures {
    fn relay_figures(&self, page: &mut Page<'_>) -> fmt::Result {
        let published = self.relay.published();
        let heads = published.heads();
        page.counters(
            "detente_log_entries",
            "Leaves of each log",
            "log",
            &[("directory", heads.directory.size), ("traffic", heads.traffic.size)],
        )?;
        let public = |log| self.relay.heads().newest(log).map_or(0, |head| head.size);
        page.counters(
            "detente_log_published_entries",
            "Leaves of each log that its published head covers",
            "log",
            &[("directory", public(Log::Directory)), ("traffic", public(Log::Traffic))],
        )?;
        page.gauge(
            "detente_log_unpublished",
            "1 while the logs cannot be published; the relay's log says why",
            u64::from(self.relay.why_unpublished().is_some()),
        )?;
        let next = published.next_index().0;
        page.counter("detente_journal_records", "Records in the journal", next)?;
        let lag = next.saturating_sub(self.relay.tables_next().0);
        page.gauge("detente_tables_lag_entries", "Records that the tables lack", lag)?;
        let age = self.relay.probe_age_ms().max(0);
        page.seconds(
            "detente_probe_age_seconds",
            "Time since the queue and the sync were last seen to work",
            age,
        )?;
        let doubt = u64::from(published.state().clock_in_doubt());
        page.gauge(
            "detente_clock_in_doubt",
            "1 after the wall clock jumped, until it is confirmed: no deadline passes",
            doubt,
        )?;
        let open = published.state().open_requests();
        page.gauge(
            "detente_requests_open",
            "Requests that are open, tests and exercises too",
            open,
        )?;
        let mut metric = page.encoder.encode_descriptor(
            "detente_requests_unacknowledged",
            "Requests that the member has not acknowledged, without tests and exercises",
            None,
            MetricType::Gauge,
        )?;
        for ((member, urgency), count) in unacknowledged(published.state()) {
            let labels = [("member", member.to_string()), ("urgency", urgency.to_string())];
            ConstGauge::new(count).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn log_figures(&self, page: &mut Page<'_>) -> fmt::Result {
        let (heads, now) = (self.relay.heads(), self.relay.now());
        let of = |log: Log| (log.as_str(), heads.standing(log));
        let standings = Log::ALL.map(of);
        let each = |figure: fn(&Standing) -> u64| {
            standings.each_ref().map(|(log, standing)| (*log, figure(standing)))
        };
        let size = |head: &Option<Arc<PublicHead>>| head.as_ref().map_or(0, |head| head.size);
        let published = standings.each_ref().map(|(log, found)| (*log, size(&found.newest)));
        page.counters("detente_log_published", "Leaves that are published", "log", &published)?;
        let witnessed = standings.each_ref().map(|(log, found)| (*log, size(&found.witnessed)));
        let help = "Leaves that the quorum of witnesses has seen";
        page.counters("detente_log_witnessed", help, "log", &witnessed)?;
        let cosigned =
            each(|standing| standing.newest.as_ref().map_or(0, |head| head.witnesses() as u64));
        let help = "Witnesses of the policy that have cosigned the newest published head";
        page.gauges("detente_log_witnesses", help, "log", &cosigned)?;
        let total = heads.witnesses_total() as u64;
        page.gauge("detente_witnesses", "Witnesses of the policy", total)?;
        let waits = standings.each_ref().map(|(log, standing)| {
            let ms = standing.waits_since.map_or(0, |since| now.since_ms(since).max(0));
            (*log, u64::try_from(ms / 1_000).unwrap_or(0))
        });
        let help = "How long a published head has waited for the quorum; 0 when none waits";
        page.gauges("detente_log_unwitnessed_seconds", help, "log", &waits)?;
        let held = self.relay.signers().is_some_and(|signers| signers.held().is_some());
        let help = "1 while the heads of the logs are not signed: nothing is accepted";
        page.gauge("detente_logs_held", help, u64::from(held))
    }

    fn identity_figures(&self, page: &mut Page<'_>) -> fmt::Result {
        let open = u64::try_from(self.connections.count()).unwrap_or(u64::MAX);
        page.gauge("detente_connections", "Open connections of desks", open)?;
        let read = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let door = &self.door;
        page.counters(
            "detente_door_connections",
            "Connections by what became of them at the door",
            "outcome",
            &[
                ("accepted", read(&door.accepted)),
                ("crowded", read(&door.crowded)),
                ("cut", read(&door.cut)),
                ("opened", read(&door.opened)),
                ("over_limit", read(&door.over_limit)),
                ("refused", read(&door.refused)),
                ("slow", read(&door.slow)),
            ],
        )?;
        let door = &self.log_door;
        page.counters(
            "detente_log_door_connections",
            "Connections of readers of the published logs by what became of them",
            "outcome",
            &[
                ("accepted", read(&door.accepted)),
                ("crowded", read(&door.crowded)),
                ("opened", read(&door.opened)),
                ("refused", read(&door.refused)),
                ("slow", read(&door.slow)),
            ],
        )?;
        let mut metric = page.encoder.encode_descriptor(
            "detente_crl_next_update_timestamp_seconds",
            "When the member's next certificate revocation list is due",
            None,
            MetricType::Gauge,
        )?;
        for list in self.gate.revocation_lists(identity::now()) {
            let Some(due) = list.next_update else { continue };
            let labels = [("member", list.member.to_string())];
            ConstGauge::new(due.0.div_euclid(1_000)).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// How many requests wait for a human, by the member that was asked and by urgency.
fn unacknowledged(state: &State) -> BTreeMap<(MemberId, Urgency), i64> {
    let mut counts = BTreeMap::new();
    for request in state.requests() {
        let practice = request.facts.test || request.facts.exercise;
        let urgency = request.grade.urgency;
        let awaited = Span::Acknowledge.is_awaited(urgency, request.facts.kind);
        let known = !request.is_under_embargo();
        if request.handling == Handling::New && awaited && known && !practice {
            *counts.entry((request.to.member, urgency)).or_insert(0) += 1;
        }
    }
    counts
}
