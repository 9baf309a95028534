//! A store opened in a process of its own: how long that took, and how much memory it has.
//!
//! The same program, started with `--child`: it opens, prints one line of JSON, and closes when its
//! input ends. Nothing else that was measured before is in its memory.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use detente::config;
use detente::journal::{FileJournal, Journal as _};
use detente::service::RunningRelay;
use detente::tables::{self, Tables};
use serde::{Deserialize, Serialize};

use crate::figures::resident;

/// What is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// The relay with everything.
    Relay,
    /// The journal and the tables.
    Tables,
    /// The journal.
    Journal,
    /// Nothing.
    Nothing,
}

/// What a child says once it is open.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Opened {
    /// How long opening took, in microseconds.
    pub(crate) took_us: f64,
    /// Its memory, in bytes.
    pub(crate) resident: f64,
    /// Where desks call, if it is a relay.
    pub(crate) desks: Option<SocketAddr>,
}

/// A running child. Killed when dropped.
pub(crate) struct Opening {
    child: Child,
    output: BufReader<ChildStdout>,
    pub(crate) opened: Opened,
}

impl Opening {
    /// Opens the store in `store` with the relay's configuration in `file`, and waits until it is.
    pub(crate) fn start(kind: Kind, file: &Path, store: &Path) -> Result<Self> {
        let kind = kind.to_possible_value().context("every kind has a name")?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--child", kind.get_name(), "--config"])
            .arg(file)
            .arg("--store")
            .arg(store)
            // Memory that is given back is given back to the system, so that what is counted is
            // what is used.
            .env("MALLOC_ARENA_MAX", "2")
            .env("MALLOC_TRIM_THRESHOLD_", "65536")
            .env("MALLOC_MMAP_THRESHOLD_", "65536")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("its output is ours")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let opened = serde_json::from_str(&line).context("a child could not open its store")?;
        Ok(Self { child, output, opened })
    }

    /// Closes the store in order.
    pub(crate) fn stop(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest)?;
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "a child ended with {status}");
        Ok(())
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        // Already gone when it was stopped.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// What the child does.
pub(crate) async fn run(kind: Kind, file: &Path, store: PathBuf) -> Result<()> {
    let mut config = config::Relay::read(file)?;
    config.store.directory = store;
    // Several are open at the same time.
    config.listen.desks.set_port(0);
    config.listen.operator.set_port(0);
    config.listen.metrics = None;
    // Its store was made by another process, and no desk of its network runs.
    config.logs.wait_for_witnesses_seconds = Duration::ZERO;
    let started = Instant::now();
    match kind {
        Kind::Relay => {
            let relay = RunningRelay::start(&config).await?;
            let took = started.elapsed();
            say(took, Some(relay.addresses().desks))?;
            wait().await?;
            relay.stop().await.map_err(anyhow::Error::msg)
        }
        Kind::Tables | Kind::Journal => {
            let directory = &config.store.directory;
            let (journal, _) = FileJournal::open(&directory.join("journal"), Default::default())?;
            let cache_bytes = config.store.tables_cache_bytes;
            let options = tables::Options { cache_bytes, journal: journal.id() };
            let opened = (kind == Kind::Tables)
                .then(|| {
                    let reader = journal.reader();
                    Tables::open(&directory.join("tables"), &options, reader.as_ref())
                })
                .transpose()?;
            say(started.elapsed(), None)?;
            wait().await?;
            drop((opened, journal));
            Ok(())
        }
        Kind::Nothing => {
            say(started.elapsed(), None)?;
            wait().await
        }
    }
}

fn say(took: Duration, desks: Option<SocketAddr>) -> Result<()> {
    // What was only needed for opening is given back meanwhile.
    std::thread::sleep(Duration::from_millis(100));
    let resident = resident()? as f64;
    let opened = Opened { took_us: crate::figures::micros(took), resident, desks };
    let mut output = std::io::stdout();
    writeln!(output, "{}", serde_json::to_string(&opened)?)?;
    Ok(output.flush()?)
}

/// Until the input ends.
async fn wait() -> Result<()> {
    let read = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    tokio::task::spawn_blocking(read).await??;
    Ok(())
}
