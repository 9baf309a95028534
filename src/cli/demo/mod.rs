//! `detente demo`: a whole network in one process, with real TLS, real gRPC and real disks.
//!
//! Not a simulation: the relay and the agents are the ones that `detente relay` and
//! `detente desk` run, on loopback, with a development network made on the spot.

mod play;
mod story;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use play::{Counters, OFFICER, Outcome};

use super::quote::quoted;
use super::{Common, Exit, Failure};
use crate::config;
use crate::grpc::counter;
use crate::pki::{DevNetwork, Spec, dev_network};
use crate::service::{RunningAgent, RunningRelay};
use crate::telemetry;

/// Run a relay and six desks on this machine, and play a story through them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  detente demo                 play the story, then stay up\n  \
                        detente demo --once --json   play, check, print a summary, exit"
)]
pub(super) struct Demo {
    /// Play the story, check how it ended, and exit.
    #[arg(long)]
    once: bool,
    /// Keep everything in this directory, which must not exist or be empty [default: a new
    /// directory among the temporary files].
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// The machine-readable summary.
#[derive(Debug, serde::Serialize)]
struct Summary {
    /// True when every request ended as it should.
    ok: bool,
    network: String,
    directory: String,
    relay: String,
    operator: String,
    records: u64,
    requests: Vec<Outcome>,
    acknowledgements: Vec<Acknowledgement>,
}

/// One acknowledgement.
#[derive(Debug, serde::Serialize)]
struct Acknowledgement {
    request: String,
    by: String,
    response_ms: i64,
}

/// Everything that runs.
struct Network {
    made: DevNetwork,
    relay: RunningRelay,
    agents: Vec<RunningAgent>,
    counters: Counters,
}

impl Demo {
    /// Runs the demo.
    pub(super) fn run(self, common: &Common) -> Result<Exit, Failure> {
        let _quiet = telemetry::start_logs("error", false);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let (out, err) = (&mut std::io::stdout(), &mut std::io::stderr());
        let failed = |why: String, next: String| {
            Failure::new(Exit::Failure, "C-701", "the demo failed", why, next)
        };
        let directory = self.prepare_directory().map_err(|error| {
            let next = "name an empty directory, or one that can be made: --directory DIR";
            failed(causes(&error), next.to_owned())
        })?;
        let look = format!("look into {}: everything that ran lies there", directory.display());
        match runtime.block_on(self.play(&directory, common.json, out, err)) {
            Ok(true) => Ok(Exit::Success),
            Ok(false) => Err(failed("a request did not end as expected".to_owned(), look)),
            Err(error) => Err(failed(causes(&error), look)),
        }
    }

    /// True when every request ended as it should.
    async fn play(
        self,
        directory: &Path,
        json: bool,
        out: &mut dyn Write,
        err: &mut dyn Write,
    ) -> anyhow::Result<bool> {
        writeln!(err, "detente demo: a relay and {} desks in {}", story::MEMBERS.len(), {
            directory.display()
        })?;
        let network = Network::start(directory).await?;
        let summary = {
            let timeline: &mut dyn Write = if json { &mut *err } else { &mut *out };
            network.play(timeline).await?
        };
        if json {
            writeln!(out, "{}", serde_json::to_string_pretty(&summary)?)?;
        } else {
            print_summary(out, &summary, self.is_removed(json))?;
        }
        out.flush()?;
        if !self.once {
            let place: &mut dyn Write = if json { &mut *err } else { &mut *out };
            network.print_commands(place, &summary)?;
            stop_requested().await?;
            writeln!(err, "stopping")?;
        }
        network.stop().await?;
        if self.is_removed(json) {
            std::fs::remove_dir_all(directory).context("removing the demo's directory")?;
        }
        Ok(summary.ok)
    }

    /// Nobody is told to look there later.
    fn is_removed(&self, json: bool) -> bool {
        self.once && self.directory.is_none() && !json
    }

    fn prepare_directory(&self) -> anyhow::Result<PathBuf> {
        let directory = self.directory.clone().unwrap_or_else(|| {
            std::env::temp_dir().join(format!("detente-demo-{}", std::process::id()))
        });
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("making {}", directory.display()))?;
        let occupied = std::fs::read_dir(&directory)?.next().is_some();
        anyhow::ensure!(!occupied, "{} is not empty", directory.display());
        directory.canonicalize().context("finding the demo's directory")
    }
}

impl Network {
    async fn start(directory: &Path) -> anyhow::Result<Self> {
        let spec = Spec::new("detente-demo", &story::MEMBERS)?.on_free_ports();
        let place = directory.to_owned();
        let made =
            tokio::task::spawn_blocking(move || dev_network(&place, &spec, play::now())).await??;
        let relay = RunningRelay::start(&config::Relay::read(&made.relay_config)?)
            .await
            .context("the relay")?;
        let mut agents = Vec::new();
        let mut counters = Counters::new();
        for (desk, file) in &made.desk_configs {
            let agent = RunningAgent::start(&config::Desk::read(file)?)
                .await
                .with_context(|| format!("the agent of {desk}"))?;
            counters.insert(desk.to_string(), counter::connect(agent.socket()).await?);
            agents.push(agent);
        }
        Ok(Self { made, relay, agents, counters })
    }

    async fn play(&self, timeline: &mut dyn Write) -> anyhow::Result<Summary> {
        let mut requests = Vec::new();
        // The three hops of the hospital share one case; each other request is its own.
        let mut case_id = vec![0; 16];
        aws_lc_rs::rand::fill(&mut case_id).map_err(|_| anyhow::anyhow!("no random bytes"))?;
        for thread in story::threads() {
            let shared = if thread.from == "NL/cyber" { case_id.as_slice() } else { &[] };
            requests.push(play::play(&self.counters, &thread, shared, timeline).await?);
        }
        let acknowledgements = requests
            .iter()
            .filter_map(|outcome| {
                Some(Acknowledgement {
                    request: outcome.request.clone(),
                    by: outcome.to.clone(),
                    response_ms: outcome.acknowledged_after_ms?,
                })
            })
            .collect();
        Ok(Summary {
            ok: requests.iter().all(|outcome| outcome.as_expected),
            network: "detente-demo".to_owned(),
            directory: self.made.directory.display().to_string(),
            relay: self.relay.addresses().desks.to_string(),
            operator: self.relay.addresses().operator.to_string(),
            records: self.relay.relay().published().next_index().0,
            requests,
            acknowledgements,
        })
    }

    /// Where things are, and three commands that work as printed.
    fn print_commands(&self, out: &mut dyn Write, summary: &Summary) -> anyhow::Result<()> {
        let waiting = summary.requests.iter().find(|request| request.handling == "NEW");
        let waiting = &waiting.context("a request that waits")?.request;
        let program = std::env::current_exe().context("finding this program")?;
        let program = quoted(&program);
        let socket = |desk: &str| -> anyhow::Result<String> {
            let agent = self.agents.iter().find(|agent| agent.desk().to_string() == desk);
            Ok(quoted(agent.context("a desk of the demo")?.socket()))
        };
        let (nl, ro) = (socket("NL/cyber")?, socket("RO/cyber")?);
        writeln!(out, "\nThe network stays up. Where things are:")?;
        writeln!(out, "  everything           {}", self.made.directory.display())?;
        writeln!(out, "  relay, for desks     {} (mutual TLS)", self.relay.addresses().desks)?;
        writeln!(out, "  relay, for operator  {} (loopback)", self.relay.addresses().operator)?;
        writeln!(out, "\nTry in another terminal. Follow the Romanian desk's inbox:")?;
        writeln!(out, "  {program} desk inbox --follow --socket {ro}")?;
        writeln!(out, "\nSend a request from the Dutch desk:")?;
        writeln!(
            out,
            "  {program} desk send --socket {nl} --officer {OFFICER} --to RO/cyber \\\n    \
             --type LEGAL_INFORMATION --instrument BUDAPEST \\\n    \
             --authority-organisation 'Sample Unit' \\\n    \
             --authority-email duty@desk.example --subject 'Retention of logs' \\\n    \
             --question 'How long do your providers keep access logs?'"
        )?;
        writeln!(out, "\nAcknowledge, at the Romanian desk, the question that waits there:")?;
        writeln!(
            out,
            "  {program} desk ack {waiting} --socket {ro} --officer {OFFICER} \\\n    \
             --will yes --form letter --by +8h"
        )?;
        writeln!(out, "\nStop with Ctrl-C.")?;
        out.flush()?;
        Ok(())
    }

    async fn stop(self) -> anyhow::Result<()> {
        for agent in self.agents {
            agent.stop().await?;
        }
        self.relay.stop().await.map_err(anyhow::Error::msg)
    }
}

/// What went wrong and why, each said once: some errors say their cause themselves.
fn causes(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.is_empty() {
            said = cause;
        } else if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

/// Waits for SIGTERM or Ctrl-C.
async fn stop_requested() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = term.recv() => Ok(()),
        pressed = tokio::signal::ctrl_c() => pressed,
    }
}

fn print_summary(out: &mut dyn Write, summary: &Summary, removed: bool) -> std::io::Result<()> {
    writeln!(out, "\nHow it ended:")?;
    for request in &summary.requests {
        writeln!(
            out,
            "  {} {:>9} -> {:<9} {:<10} {:<13} {:<13} {}",
            if request.as_expected { "as expected " } else { "NOT EXPECTED" },
            request.from,
            request.to,
            request.handling,
            request.measure,
            request.follow_up,
            request
                .acknowledged_after_ms
                .map_or("waits".to_owned(), |ms| format!("acknowledged after {ms} ms")),
        )?;
    }
    writeln!(
        out,
        "\n{} requests, {} acknowledgements, {} records, {}",
        summary.requests.len(),
        summary.acknowledgements.len(),
        summary.records,
        if removed {
            "removed again; --directory DIR keeps them".to_owned()
        } else {
            format!("kept in {}", summary.directory)
        }
    )
}
