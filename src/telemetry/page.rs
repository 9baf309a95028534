//! Writes one metric after another in the shapes that are used here.
//!
//! Not for knowing what to measure (see `figures.rs` and `desk_figures.rs`).

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// The page that is being written.
pub(super) struct Page<'a> {
    pub(super) encoder: DescriptorEncoder<'a>,
}

impl Page<'_> {
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        let metric = self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)
    }

    #[expect(clippy::cast_precision_loss, reason = "an age in milliseconds is far below 2^52")]
    pub(super) fn seconds(&mut self, name: &str, help: &str, ms: i64) -> fmt::Result {
        let metric = self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(ms as f64 / 1_000.0).encode(metric)
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(metric)
    }

    pub(super) fn gauges(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        of: &[(&str, u64)],
    ) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (value, number) in of {
            let number = i64::try_from(*number).unwrap_or(i64::MAX);
            ConstGauge::new(number).encode(metric.encode_family(&[(label, *value)])?)?;
        }
        Ok(())
    }

    pub(super) fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        of: &[(&str, u64)],
    ) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value, count) in of {
            ConstCounter::new(*count).encode(metric.encode_family(&[(label, *value)])?)?;
        }
        Ok(())
    }
}
