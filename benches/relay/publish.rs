//! Whether publishing keeps up with a relay at its full rate, on the clock that a relay has when
//! nothing is said.
//!
//! A record waits for the next head, and then for that head's files. Where publishing keeps up it
//! waits no longer than that, however long the load lasts; where it does not, longer every time.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use detente::codec::Log;
use detente::envelope::Envelope;
use detente::relay::{Relay, Standing};
use detente::service::RunningRelay;
use serde::Serialize;
use tokio::sync::watch;

use crate::drive::{self, Load};
use crate::network::{Network, question};
use crate::report::{Bar, Line, Section, rate};
use crate::{Plan, say};

/// Desks that submit, each over its own connection.
const SENDERS: usize = 16;
/// In flight at the same time.
const IN_FLIGHT: usize = 256;
/// Submissions at a time: they are made beforehand.
const SUBMISSIONS: usize = 100_000;
/// Files that so many may leave.
const FILES_MAX: f64 = 2_000.0;
/// How often the length of the log is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What was measured.
#[derive(Serialize)]
struct Measured {
    submissions: usize,
    every_seconds: f64,
    per_second: f64,
    /// How long the oldest record that a head was the first to cover had waited for it, in seconds,
    /// head by head.
    waited_seconds: Vec<f64>,
    files: usize,
}

/// How long the log was, and when.
type Lengths = Vec<(Instant, u64)>;

pub(crate) async fn run(plan: &Plan) -> Result<Section> {
    let network = Network::new(SENDERS + 1, &["cyber"], 1)?;
    let config = network.relay_config("publish")?;
    let running = RunningRelay::start(&config).await?;
    let (mould, to) = (network.mould(question())?, &network.desks[SENDERS]);
    let submissions = plan.calls(SUBMISSIONS);
    let mut loads: Vec<Load> = Vec::new();
    for desk in &network.desks[..SENDERS] {
        let speaker = network.speaker(desk)?;
        let each = submissions.div_ceil(SENDERS);
        let envelopes: Result<Arc<[Envelope]>> =
            (0..each).map(|_| speaker.ask(&mould, to)).collect();
        loads.push((network.client(desk, running.addresses().desks)?, envelopes?));
    }
    say(&format!("  made {submissions} submissions"));
    let (end, ended) = watch::channel(false);
    let watching = tokio::spawn(watch_lengths(running.relay().clone(), ended));
    let round = drive::submit(&loads, IN_FLIGHT).await?;
    let submissions = round.latencies.len();
    let last = running.relay().published().heads().of(Log::Traffic).size;
    let mut heads = running.relay().heads().standings(Log::Traffic);
    heads.wait_for(|standing| covered(standing) >= last).await?;
    end.send_replace(true);
    let (recorded, published) = watching.await?;
    let measured = Measured {
        submissions,
        every_seconds: config.publish.interval_seconds.as_secs_f64(),
        per_second: round.figures().per_second,
        waited_seconds: waited(&recorded, &published).context("no head was published")?,
        files: files(&config.publish_directory().join(Log::Traffic.as_str()))?,
    };
    running.stop().await.map_err(anyhow::Error::msg)?;
    let title = format!(
        "Publishing while {submissions} submissions pass, {IN_FLIGHT} in flight, every {} s",
        measured.every_seconds
    );
    Section::new("publish", title, measured.lines(), &measured)
}

/// Looks how long the log is and how much of it is published, until the end.
async fn watch_lengths(relay: Relay, mut ended: watch::Receiver<bool>) -> (Lengths, Lengths) {
    let mut heads = relay.heads().standings(Log::Traffic);
    let now = Instant::now();
    let size = relay.published().heads().of(Log::Traffic).size;
    let (mut recorded, mut published) = (vec![(now, size)], vec![(now, covered(&heads.borrow()))]);
    loop {
        let ends = tokio::select! {
            _ = ended.wait_for(|ended| *ended) => true,
            () = tokio::time::sleep(LOOK) => false,
            _ = heads.changed() => false,
        };
        let (now, size) = (Instant::now(), relay.published().heads().of(Log::Traffic).size);
        recorded.push((now, size));
        let covered = covered(&heads.borrow_and_update());
        if published.last().is_none_or(|(_, before)| *before < covered) {
            published.push((now, covered));
        }
        if ends {
            return (recorded, published);
        }
    }
}

/// How much of the log the newest published head covers.
fn covered(standing: &Standing) -> u64 {
    standing.newest.as_ref().map_or(0, |head| head.size)
}

/// How long the first record that each head was the first to cover had waited, in seconds.
fn waited(recorded: &Lengths, published: &Lengths) -> Option<Vec<f64>> {
    let waits = published.windows(2).map(|pair| {
        let [(_, before), (at, _)] = pair else { return None };
        let since = recorded.iter().find(|(_, size)| size > before)?.0;
        Some(at.saturating_duration_since(since).as_secs_f64())
    });
    waits.collect::<Option<Vec<f64>>>().filter(|waits| !waits.is_empty())
}

/// The files in a directory, at any depth.
fn files(directory: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        count += if entry.file_type()?.is_dir() { files(&entry.path())? } else { 1 };
    }
    Ok(count)
}

impl Measured {
    fn lines(&self) -> Vec<Line> {
        let Self { every_seconds, per_second, waited_seconds, files, .. } = self;
        let most = waited_seconds.iter().copied().fold(0.0, f64::max);
        let each: Vec<String> = waited_seconds.iter().map(|wait| format!("{wait:.1}")).collect();
        vec![
            Line {
                what: "per second".to_owned(),
                figure: rate(*per_second),
                ratio: None,
                bar: None,
            },
            Line {
                what: "longest wait for a head, head by head".to_owned(),
                figure: format!("{} s", each.join(", ")),
                ratio: Some((most / every_seconds, "of the clock, the longest")),
                bar: Some(Bar::AtMost(2.0)),
            },
            Line {
                what: "files of the log afterwards".to_owned(),
                figure: files.to_string(),
                ratio: Some((*files as f64 / FILES_MAX, "of 2000")),
                bar: Some(Bar::AtMost(1.0)),
            },
        ]
    }
}
