//! `detente verify` and `detente rebuild`: is the journal whole, and the tables made anew from it.
//!
//! Not for repairing a journal: nothing is written to one here.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::start::journal_failure;
use super::{Exit, Failure, Screen};
use crate::config;
use crate::journal::{self, FileJournal, Journal as _, Options, Progress, Summary};
use crate::tables;

/// Check every byte of a journal
///
/// Reads the whole journal and says whether every record holds. Exit code 3 when one does not;
/// the message names file, byte and record.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente verify --journal /var/lib/detente-relay/journal
  detente verify --journal data/journal --json")]
pub(super) struct Verify {
    /// The journal's directory. No relay and no agent may be using it.
    #[arg(long, value_name = "DIR")]
    journal: PathBuf,
}

impl Verify {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let summary = checked(&self.journal, screen)?;
        if summary.id.is_none() {
            let why = format!("{}: there is no journal", self.journal.display());
            let next = "give the directory that holds the segments: store.directory/journal";
            return Err(Failure::new(Exit::Usage, "C-406", "nothing was checked", why, next));
        }
        if screen.is_json() {
            screen.document(&document(&summary))?;
        } else {
            screen.text(&text(&summary))?;
        }
        Ok(Exit::Success)
    }
}

/// Make the tables anew from the journal
///
/// Everything in the tables can be derived from the journal; they are removed and made again. The
/// journal is checked first. The relay must not be running.
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente rebuild --config relay.toml")]
pub(super) struct Rebuild {
    /// The relay's configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Rebuild {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let config = config::Relay::read(&self.config)?;
        let journal = config.store.directory.join("journal");
        let summary = checked(&journal, screen)?;
        if let Some(torn) = &summary.torn {
            // Opening would cut it off, and only a relay can record that.
            let why = format!("{} ends in a torn tail at byte {}", torn.file, torn.offset);
            let next = "start the relay once: it cuts the tail off and records that; then stop it \
                        and rebuild";
            let what = "the tables were not made anew";
            return Err(Failure::new(Exit::Failure, "C-407", what, why, next));
        }
        let (journal, _opened) = FileJournal::open(&journal, Options::default())
            .map_err(|fault| journal_failure(&fault))?;
        let options =
            tables::Options { cache_bytes: config.store.tables_cache_bytes, journal: journal.id() };
        let directory = config.store.directory.join("tables");
        let bar = bar(screen, "records", "{pos}/{len} records");
        let made =
            tables::rebuild(journal.reader().as_ref(), &directory, &options, &mut |done, all| {
                bar.set_length(all.0);
                bar.set_position(done.0);
            });
        bar.finish_and_clear();
        let tables = made.map_err(|fault| {
            let next = "check disk space and rights, then run it again: it goes on where it was";
            Failure::new(Exit::Failure, "C-607", "the tables were not made anew", fault, next)
        })?;
        let (records, directory) = (tables.cursor().0, directory.display().to_string());
        if screen.is_json() {
            screen.document(&json!({ "tables": directory, "records": records }))?;
        } else {
            screen.text(&format!("{directory}: made anew from {records} records\n"))?;
        }
        screen.message(&format!("next: detente relay --config {}", self.config.display()));
        Ok(Exit::Success)
    }
}

fn checked(directory: &Path, screen: &Screen) -> Result<Summary, Failure> {
    let bar = bar(screen, "bytes", "{bytes}/{total_bytes}");
    let checked = journal::check(directory, &mut |progress: Progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes);
    });
    bar.finish_and_clear();
    checked.map_err(|faults| {
        let mut faults = faults.iter();
        let first = faults.next().map(journal_failure);
        let failure = first.unwrap_or_else(|| {
            Failure::new(Exit::Unverified, "C-401", "the journal does not hold", "unknown", "")
        });
        faults.fold(failure, |failure, fault| failure.field("also", fault))
    })
}

/// A progress bar on standard error; invisible when that is no terminal, or with `--json`.
fn bar(screen: &Screen, what: &'static str, count: &str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_message(what);
    bar.set_draw_target(if screen.is_json() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    });
    let template = format!("{{msg}} {{wide_bar}} {count} {{eta}}");
    bar.with_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| {
        // Only the look is lost.
        ProgressStyle::default_bar()
    }))
}

fn text(summary: &Summary) -> String {
    let mut text = format!(
        "every byte holds: {} records in {} batches, {} segments, {} bytes, {} bodies erased\n",
        summary.records, summary.batches, summary.segments, summary.bytes, summary.erased
    );
    if let Some(hash) = &summary.hash {
        text.push_str(&format!("  end of the chain: {hash}\n"));
    }
    if let Some(torn) = &summary.torn {
        text.push_str(&format!(
            "  a torn tail of {} bytes at {} byte {}: never acknowledged; the next start cuts it \
             off and records that\n",
            torn.bytes, torn.file, torn.offset
        ));
    }
    for (file, offset) in &summary.torn_marks {
        text.push_str(&format!("  {file}: one copy of the mark at byte {offset} does not hold\n"));
    }
    text
}

fn document(summary: &Summary) -> Value {
    let torn = summary
        .torn
        .as_ref()
        .map(|torn| json!({ "file": torn.file, "offset": torn.offset, "bytes": torn.bytes }));
    let marks = summary.torn_marks.iter();
    json!({
        "holds": true,
        "journal_id": summary.id.map(|id| id.to_string()),
        "records": summary.records,
        "batches": summary.batches,
        "segments": summary.segments,
        "bytes": summary.bytes,
        "bodies_erased": summary.erased,
        "hash": summary.hash.map(|hash| hash.to_string()),
        "torn_tail": torn,
        "torn_marks": marks.map(|(file, at)| json!({ "file": file, "offset": at })).collect::<Vec<_>>(),
    })
}
