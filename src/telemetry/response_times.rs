//! Who has not answered, and how long acknowledgements took: figures of the relay's tables.
//!
//! Not for pairs: who deals with whom is nobody's business at a collector. Labels are the member
//! that was asked, the urgency and what is waited for. Tests and exercises are not counted. While
//! the tables are being made anew these figures are absent, not zero.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::encoding::{EncodeMetric as _, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::page::Page;
use crate::envelope::words::Urgency;
use crate::relay::Relay;
use crate::rules::target::Span;
use crate::tables::{Fault, Tables};
use crate::units::{MemberId, Timestamp};
use crate::views::response_times::{AcknowledgeTally, Filter};
use crate::views::{RequestRow, Subject};

/// Requests by the member that was asked, by urgency and by what is waited for.
type Late = BTreeMap<(MemberId, Urgency, Span), i64>;

/// Writes the figures, if the tables are there.
pub(super) fn write(relay: &Relay, page: &mut Page<'_>) -> fmt::Result {
    let Ok(tables) = relay.tables() else { return Ok(()) };
    let (Ok(late), Ok(acknowledged)) = (late(&tables, relay.now()), tables.acknowledged()) else {
        return Ok(());
    };
    past_target(page, &late)?;
    acknowledgements(page, &acknowledged)
}

/// What is late now. A request counts once for each thing of it that is.
fn late(tables: &Tables, now: Timestamp) -> Result<Late, Fault> {
    let mut late = Late::new();
    let filter = Filter::default();
    let mut after = None;
    loop {
        let wanted = |row: &RequestRow| filter.lets_through(&Subject::of(row));
        let found = tables.overdue(None, now, &wanted, after.as_ref(), PAGE)?;
        for row in &found.rows {
            for span in Span::ALL {
                if row.clocks.due(span).is_some_and(|due| due < now) {
                    let urgency = row.request.grade.urgency;
                    *late.entry((row.request.to.member, urgency, span)).or_insert(0) += 1;
                }
            }
        }
        after = found.next;
        if after.is_none() {
            return Ok(late);
        }
    }
}

/// Requests that are looked at before others get in.
const PAGE: usize = 500;

fn past_target(page: &mut Page<'_>, late: &Late) -> fmt::Result {
    let mut metric = page.encoder.encode_descriptor(
        "detente_requests_past_target",
        "Requests to the member of which this is waited for longer than its target",
        None,
        MetricType::Gauge,
    )?;
    for ((member, urgency, span), count) in late {
        let labels = [
            ("member", member.to_string()),
            ("urgency", urgency.to_string()),
            ("span", span.as_str().to_owned()),
        ];
        ConstGauge::new(*count).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a century are below 2^52")]
fn acknowledgements(
    page: &mut Page<'_>,
    of: &[(MemberId, Urgency, AcknowledgeTally)],
) -> fmt::Result {
    let mut metric = page.encoder.encode_descriptor(
        "detente_request_ack_seconds",
        "Time from the first offer of a request to the member until a human acknowledged it",
        None,
        MetricType::Histogram,
    )?;
    for (member, urgency, tally) in of {
        let AcknowledgeTally { count, sum_ms, buckets } = tally;
        let labels = [("member", member.to_string()), ("urgency", urgency.to_string())];
        let beyond = count.saturating_sub(buckets.iter().sum());
        let bounds = AcknowledgeTally::BOUNDS_MS.iter().map(|ms| *ms as f64 / 1_000.0);
        let buckets: Vec<(f64, u64)> =
            bounds.zip(buckets.iter().copied()).chain([(f64::INFINITY, beyond)]).collect();
        let seconds = *sum_ms as f64 / 1_000.0;
        let mut family = metric.encode_family(&labels)?;
        family.encode_histogram::<NoLabelSet>(seconds, *count, &buckets, None)?;
    }
    Ok(())
}
