//! What a long journal costs: the same open requests, and more and more that is over.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use detente::grpc::client::RelayClient;
use detente::journal::{self, Body, FileJournal, Journal as _};
use detente::units::Index;
use serde::Serialize;

use crate::child::{Kind, Opening};
use crate::drive;
use crate::figures::{Rounds, median};
use crate::life;
use crate::network::{Mould, Network, Speaker, question};
use crate::report::{Bar, Line, Section, duration, rate, size};
use crate::{Plan, say};

/// Desks whose requests they are.
const DESKS: usize = 8;
/// Records of the journals.
const RECORDS: [usize; 3] = [10_000, 100_000, 1_000_000];
/// Open requests in each.
const OPEN: usize = 10_000;

/// What was measured with so many records.
#[derive(Serialize)]
struct Measured {
    records: usize,
    /// One at a time.
    submit: Rounds,
    /// Opening, in microseconds: with tables.
    start_us: Vec<f64>,
    /// The same when the tables are gone.
    start_without_tables_us: f64,
    /// Memory of the whole relay after opening, in bytes.
    resident: Vec<f64>,
    /// Of that, the state and the journal.
    state: Vec<f64>,
    /// Bytes of the journal's files that are used.
    journal_bytes: f64,
    /// Bytes of the records and bodies in it.
    record_bytes: f64,
    /// Making it, in records a second.
    made_per_second: f64,
}

/// A store that has grown.
struct Grown {
    store: PathBuf,
    measured: Measured,
}

pub(crate) async fn run(plan: &Plan) -> Result<Section> {
    let scale = if plan.quick { 50 } else { 1 };
    let network = Network::new(DESKS, &["cyber"], life::days(RECORDS[2]) + 2)?;
    let mut all = Vec::new();
    for records in RECORDS {
        all.push(Grown::new(&network, records / scale, OPEN / scale).await?);
    }
    for _ in 0..plan.rounds {
        for grown in &mut all {
            grown.open(&network.relay_file())?;
        }
    }
    submit(&network, plan, &mut all).await?;
    for grown in &mut all {
        grown.open_without_tables(&network.relay_file())?;
    }
    let all: Vec<Measured> = all.into_iter().map(|grown| grown.measured).collect();
    let lines = all.iter().flat_map(|measured| measured.lines(&all[0])).collect();
    let title = format!("Long journals with {} open requests each", OPEN / scale);
    Section::new("growth", title, lines, &all)
}

impl Grown {
    async fn new(network: &Network, records: usize, open: usize) -> Result<Self> {
        let store = network.path().join(format!("grown-{records}"));
        let started = std::time::Instant::now();
        life::play(network, store.clone(), records, open).await?;
        let made_per_second = records as f64 / started.elapsed().as_secs_f64();
        say(&format!("  made {records} records, {}", rate(made_per_second)));
        let journal_bytes = used(&store.join("journal"))? as f64;
        let (found, record_bytes) = sum(&store.join("journal"))?;
        let measured = Measured {
            records: found,
            submit: Rounds::default(),
            start_us: Vec::new(),
            start_without_tables_us: 0.0,
            resident: Vec::new(),
            state: Vec::new(),
            journal_bytes,
            record_bytes,
            made_per_second,
        };
        // No relay has run on it: this one need not ask witnesses whether it is older.
        std::fs::write(store.join("loss-accepted"), "it was made by the benchmark")?;
        Ok(Self { store, measured })
    }

    /// Opens it, by and by and as a whole.
    fn open(&mut self, file: &Path) -> Result<()> {
        let mut resident = [0.0; 3];
        for (kind, resident) in
            [Kind::Nothing, Kind::Journal, Kind::Tables].into_iter().zip(&mut resident)
        {
            let opening = Opening::start(kind, file, &self.store)?;
            *resident = opening.opened.resident;
            opening.stop()?;
        }
        let opening = Opening::start(Kind::Relay, file, &self.store)?;
        let [nothing, journal, tables] = resident;
        let whole = opening.opened.resident;
        self.measured.start_us.push(opening.opened.took_us);
        self.measured.resident.push(whole);
        // What the tables add is sled's; what is there anyway is the program's.
        self.measured.state.push(whole - (tables - journal) - nothing);
        opening.stop()
    }

    /// Opens it once more after the tables have got lost.
    fn open_without_tables(&mut self, file: &Path) -> Result<()> {
        std::fs::remove_dir_all(self.store.join("tables"))?;
        // Killed at once: making the tables anew goes on behind the open relay.
        let opening = Opening::start(Kind::Relay, file, &self.store)?;
        self.measured.start_without_tables_us = opening.opened.took_us;
        Ok(())
    }
}

/// Submits to all of them by turns, while all of them are open.
async fn submit(network: &Network, plan: &Plan, all: &mut [Grown]) -> Result<()> {
    let (speaker, mould) = (network.speaker(&network.desks[0])?, network.mould(question())?);
    let mut open = Vec::new();
    for grown in &*all {
        let opening = Opening::start(Kind::Relay, &network.relay_file(), &grown.store)?;
        let address = opening.opened.desks.expect("a relay says where desks call");
        open.push((network.client(&network.desks[0], address)?, opening));
    }
    for round in 0..=plan.rounds {
        for ((client, _), grown) in open.iter().zip(&mut *all) {
            let measured = one_round(&speaker, &mould, client, network, plan.calls(200)).await?;
            // The first makes what is made once.
            if round > 0 {
                grown.measured.submit.push(measured);
            }
        }
    }
    open.into_iter().try_for_each(|(_, opening)| opening.stop())
}

async fn one_round(
    speaker: &Speaker,
    mould: &Mould,
    client: &RelayClient,
    network: &Network,
    calls: usize,
) -> Result<crate::figures::Round> {
    let to = &network.desks[1];
    let envelopes = (0..calls).map(|_| speaker.ask(mould, to)).collect::<Result<Arc<[_]>>>()?;
    drive::submit(&[(client.clone(), envelopes)], 1).await
}

/// Bytes of the journal's files up to the end of the last batch. Proves every byte on the way.
fn used(journal: &Path) -> Result<u64> {
    let mut used = 0;
    let mut hear = |progress: journal::Progress| {
        // The last word counts what is allocated and free as well.
        if progress.bytes < progress.bytes_total {
            used = progress.bytes;
        }
    };
    journal::check(journal, &mut hear).map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
    Ok(used)
}

/// How many records there are, and how many bytes they and their bodies have.
fn sum(journal: &Path) -> Result<(usize, f64)> {
    let (journal, _) = FileJournal::open(journal, Default::default())?;
    let reader = journal.reader();
    let (mut next, mut bytes) = (Index(0), 0);
    loop {
        let stored = reader.read(next, 4_096, 16 << 20)?;
        let Some(last) = stored.last() else { break };
        next = last.index.plus(1);
        for stored in &stored {
            let body = match &stored.body {
                Body::Present(bytes) => bytes.len(),
                Body::None | Body::Erased => 0,
            };
            bytes += stored.record.len() + body;
        }
    }
    Ok((usize::try_from(next.0)?, bytes as f64))
}

impl Measured {
    fn lines(&self, first: &Self) -> Vec<Line> {
        let of = |values: &[f64]| median(values.iter().copied());
        let p50 = self.submit.ratio(|f| f.p50_us, |round| first.submit.round(round).p50_us);
        let (start, state) = (of(&self.start_us), of(&self.state));
        let grown = self.records > first.records;
        let beside = |ratio: f64| grown.then_some((ratio, "of the shortest"));
        let bar = grown.then_some(Bar::AtMost(1.25));
        let line = |what: &str, figure: String, ratio, bar| Line {
            what: format!("{what}, {} records", self.records),
            figure,
            ratio,
            bar,
        };
        let journal = self.journal_bytes / self.record_bytes;
        vec![
            line("p50, 1 in flight", duration(self.submit.median(|f| f.p50_us)), beside(p50), bar),
            line("start", duration(start), beside(start / of(&first.start_us)), bar),
            line(
                "start, in seconds",
                duration(start),
                None,
                Some(Bar::SecondsAtMost(1.0, start / 1e6)),
            ),
            line("start without tables", duration(self.start_without_tables_us), None, None),
            line("memory of state and journal", size(state), beside(state / of(&first.state)), bar),
            line("memory of the whole relay", size(of(&self.resident)), None, None),
            line(
                "bytes of the journal",
                size(self.journal_bytes),
                Some((journal, "of its records")),
                Some(Bar::AtMost(1.1)),
            ),
        ]
    }
}
