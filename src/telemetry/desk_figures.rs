//! A desk agent's figures for Prometheus, read when they are asked for.
//!
//! Not for content: only counts.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::page::Page;
use crate::codec::Log;
use crate::desk::Desk;

/// What is worth watching at a desk. Register it as a collector.
pub struct DeskFigures {
    /// The desk.
    pub desk: Desk,
}

impl fmt::Debug for DeskFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeskFigures").finish_non_exhaustive()
    }
}

impl Collector for DeskFigures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page { encoder };
        let status = self.desk.status();
        let connected = u64::from(status.link.connected);
        page.gauge("detente_desk_connected", "1 while the relay can be heard", connected)?;
        let outbox = u64::try_from(status.outbox).unwrap_or(u64::MAX);
        page.gauge("detente_desk_outbox", "Statements that the relay has not recorded", outbox)?;
        let next = status.next.0;
        page.counter("detente_desk_records", "Records of the desk's sequence taken in", next)?;
        let differs = u64::from(status.relay_log_differs);
        let help = "1 while the relay's log is not the one that this desk knows";
        page.gauge("detente_desk_relay_log_differs", help, differs)?;
        let now = self.desk.now().0 / 1_000;
        let age = |log: Log| {
            let time = self.desk.witnessed(log.as_str()).witnessed?.time?;
            Some((log.as_str(), u64::try_from(now).unwrap_or(0).saturating_sub(time)))
        };
        let ages: Vec<_> = Log::ALL.into_iter().filter_map(age).collect();
        let help = "Age of the newest head of a log with its quorum; grows while nothing happens";
        page.gauges("detente_desk_witnessed_age_seconds", help, "log", &ages)?;
        let waiting = u64::try_from(status.waiting).unwrap_or(u64::MAX);
        page.gauge("detente_desk_waiting_approvals", "Acts waiting for a second officer", waiting)?;
        let help = "Times an officer of this desk handed data over alone";
        page.counter("detente_desk_lone_officer_disclosures", help, status.lone)?;
        page.counter("detente_desk_alarms", "Alarms since the agent was started", status.alarms)
    }
}
