//! What a durable submission costs beside its floors, in one run, by turns, on one machine.
//!
//! Parts: `submit`, `delivery`, `fan_out`, `desks`, `publish`, `growth`, `verify`; each file says
//! what it measures.
//! Figures are medians over rounds; a ratio is the median of the ratios of the rounds, whose two
//! halves were measured one right after the other. Not a test: nothing is asserted.
//!
//! `cargo bench --bench relay` takes about ten minutes; `-- --quick` some seconds and says nothing
//! about speed; `-- --only submit` one part; `-- --json FILE` keeps the figures; `--
//! --write-readme` puts them into the README and `benches/results.json`.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

mod child;
mod delivery;
mod desks;
mod drive;
mod fan_out;
mod figures;
mod floors;
mod growth;
mod life;
mod network;
mod publish;
mod report;
mod submit;
mod verify;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Parser, ValueEnum};
use detente::relay::Relay;

/// Measures the relay beside what it cannot do without.
#[derive(Parser)]
struct Arguments {
    /// Few calls and one round: shows that it works, not how fast.
    #[arg(long)]
    quick: bool,
    /// Only these parts.
    #[arg(long)]
    only: Vec<Part>,
    /// Rounds of each part: more would be more open requests than a member may have.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=5))]
    rounds: u8,
    /// Writes the figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Writes the table into README.md and the figures into benches/results.json.
    #[arg(long)]
    write_readme: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    /// What a child process opens.
    #[arg(long, hide = true, requires_all = ["config", "store"])]
    child: Option<child::Kind>,
    #[arg(long, hide = true)]
    config: Option<PathBuf>,
    #[arg(long, hide = true)]
    store: Option<PathBuf>,
}

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Part {
    Submit,
    Delivery,
    FanOut,
    Desks,
    Publish,
    Growth,
    Verify,
}

/// How much is measured.
struct Plan {
    quick: bool,
    rounds: usize,
}

impl Plan {
    /// So many calls, or few.
    fn calls(&self, full: usize) -> usize {
        if self.quick { full.div_ceil(40) } else { full }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let (Some(kind), Some(file), Some(store)) =
        (arguments.child, &arguments.config, &arguments.store)
    {
        return runtime.block_on(child::run(kind, file, store.clone()));
    }
    let rounds = if arguments.quick { 1 } else { usize::from(arguments.rounds) };
    runtime.block_on(run(&arguments, &Plan { quick: arguments.quick, rounds }))
}

async fn run(arguments: &Arguments, plan: &Plan) -> Result<()> {
    let mut sections = Vec::new();
    for part in Part::value_variants() {
        if !arguments.only.is_empty() && !arguments.only.contains(part) {
            continue;
        }
        let started = Instant::now();
        let section = match part {
            Part::Submit => submit::run(plan).await?,
            Part::Delivery => delivery::run(plan).await?,
            Part::FanOut => fan_out::run(plan).await?,
            Part::Desks => desks::run(plan).await?,
            Part::Publish => publish::run(plan).await?,
            Part::Growth => growth::run(plan).await?,
            Part::Verify => verify::run(plan)?,
        };
        println!("{}  in {:.0} s", section.text(), started.elapsed().as_secs_f64());
        sections.push(section);
    }
    let document = report::document(&sections, plan.quick);
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_string_pretty(&document)? + "\n")?;
    }
    if arguments.write_readme {
        anyhow::ensure!(!plan.quick && arguments.only.is_empty(), "the README takes a whole run");
        report::write_readme(&sections, &document)?;
    }
    Ok(())
}

/// Says how far it has got.
fn say(what: &str) {
    println!("{what}");
}

/// Waits until the tables have taken in what is on record: until then they are at work.
async fn tables_settled(relay: &Relay) -> Result<()> {
    relay.wait_for_tables(relay.published().next_index()).await?;
    tokio::time::sleep(Duration::from_millis(1)).await;
    Ok(())
}
