//! Latencies and costs: what is kept of a round, and medians over rounds.
//!
//! Not for saying what they mean (see `report.rs`).

use std::time::Duration;

use serde::Serialize;

/// One round of one thing.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// Of each operation.
    pub(crate) latencies: Vec<Duration>,
    /// From the first start to the last end.
    pub(crate) took: Duration,
    /// Time of all processors that this process spent on it, both ends together.
    pub(crate) cpu: Duration,
}

/// What a round comes to.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Figures {
    /// Half of the operations took no longer, in microseconds.
    pub(crate) p50_us: f64,
    /// 99 of 100 took no longer, in microseconds.
    pub(crate) p99_us: f64,
    /// Operations in a second.
    pub(crate) per_second: f64,
    /// Processor time of one, in microseconds.
    pub(crate) cpu_us: f64,
}

impl Round {
    /// What it comes to. All zeroes if nothing was done.
    pub(crate) fn figures(mut self) -> Figures {
        self.latencies.sort_unstable();
        let count = self.latencies.len();
        let at = |percent: usize| {
            let place = (count * percent / 100).min(count.saturating_sub(1));
            self.latencies.get(place).map_or(0.0, |latency| micros(*latency))
        };
        Figures {
            p50_us: at(50),
            p99_us: at(99),
            per_second: count as f64 / self.took.as_secs_f64(),
            cpu_us: micros(self.cpu) / count as f64,
        }
    }
}

/// Figures of several rounds of the same thing.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Rounds(Vec<Figures>);

impl Rounds {
    pub(crate) fn push(&mut self, round: Round) {
        self.0.push(round.figures());
    }

    /// The median over rounds of one figure.
    pub(crate) fn median(&self, of: impl Fn(&Figures) -> f64) -> f64 {
        median(self.0.iter().map(of))
    }

    /// The median over rounds of what one figure is here, divided by what `by` makes of the same
    /// round of the others: noise that lasts longer than a round falls out.
    pub(crate) fn ratio(&self, of: impl Fn(&Figures) -> f64, by: impl Fn(usize) -> f64) -> f64 {
        median(self.0.iter().enumerate().map(|(round, figures)| of(figures) / by(round)))
    }

    /// One round.
    pub(crate) fn round(&self, round: usize) -> Figures {
        self.0[round]
    }
}

/// The middle one; 0 of nothing.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Processor time that this process has spent so far, user and system, all threads.
pub(crate) fn cpu() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap_or(0))
}

/// Memory of this process that is not a file's, in bytes.
pub(crate) fn resident() -> std::io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
    kib.map(|kib| kib << 10).ok_or_else(|| std::io::Error::other("no RssAnon in /proc/self/status"))
}
