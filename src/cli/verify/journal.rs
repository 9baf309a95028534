//! `detente verify --journal` and `detente rebuild`: is the journal whole; its tables made anew.
//!
//! Not for repairing a journal: nothing is written to one here.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::erased::Erasures;
use crate::cli::start::journal_failure;
use crate::cli::{Exit, Failure, Screen};
use crate::config;
use crate::journal::{self, FileJournal, Journal as _, Options, Progress, Seen, Summary};
use crate::tables;

/// Reads every byte of a journal and says whether it holds.
pub(super) fn verify(directory: &Path, screen: &mut Screen) -> Result<Exit, Failure> {
    let mut erasures = Erasures::default();
    let summary = checked(directory, screen, &mut |seen| erasures.look(seen))?;
    let failure = erasures.failure().or_else(|| marks_failure(&summary));
    if screen.is_json() {
        let mut document = document(&summary);
        document["holds"] = failure.is_none().into();
        document["erased"] = erasures.document();
        screen.document(&document)?;
    } else {
        screen.text(&(text(&summary) + &erasures.text()))?;
    }
    match failure {
        Some(failure) => Err(failure),
        None => Ok(Exit::Success),
    }
}

/// Make the tables anew from the journal
///
/// Everything in the tables can be derived from the journal; they are removed and made again. The
/// journal is checked first. The relay must not be running.
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente rebuild --config relay.toml")]
pub(in crate::cli) struct Rebuild {
    /// The relay's configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Rebuild {
    pub(in crate::cli) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let config = config::Relay::read(&self.config)?;
        let journal = config.store.directory.join("journal");
        let summary = checked(&journal, screen, &mut |_| ())?;
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

fn checked(
    directory: &Path,
    screen: &Screen,
    look: &mut dyn FnMut(Seen<'_>),
) -> Result<Summary, Failure> {
    let bar = bar(screen, "bytes", "{bytes}/{total_bytes}");
    let mut heard = |progress: Progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes);
    };
    let checked = journal::check_looking(directory, &mut heard, look);
    bar.finish_and_clear();
    if checked.as_ref().is_ok_and(|summary| summary.id.is_none()) {
        let why = format!("{}: there is no journal", directory.display());
        let next = "give the directory that holds the segments: store.directory/journal";
        return Err(Failure::new(Exit::Usage, "C-406", "nothing was checked", why, next));
    }
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
pub(in crate::cli) fn bar(screen: &Screen, what: &'static str, count: &str) -> ProgressBar {
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
    let what = if summary.torn_marks.is_empty() { "byte" } else { "record" };
    let mut text = format!(
        "every {what} holds: {} records in {} batches, {} segments, {} bytes, {} bodies erased\n",
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
    text
}

/// What is said of commit marks of which one copy does not hold.
fn marks_failure(summary: &Summary) -> Option<Failure> {
    if summary.torn_marks.is_empty() {
        return None;
    }
    let why = "every record holds, and the other copy says where the journal ends; a power cut \
               leaves this in the last two files, elsewhere a byte was damaged";
    let next = "keep a copy of the directory, then start the relay or the agent: in the last two \
                files it writes the mark again; check again, and check the disk if it stays";
    let what = "one copy of a commit mark does not hold";
    let failure = Failure::new(Exit::Unverified, "C-408", what, why, next);
    let places = summary.torn_marks.iter();
    Some(places.fold(failure, |failure, (file, offset)| {
        failure.field(file.as_str(), format!("the copy of the mark at byte {offset}"))
    }))
}

fn document(summary: &Summary) -> Value {
    let torn = summary
        .torn
        .as_ref()
        .map(|torn| json!({ "file": torn.file, "offset": torn.offset, "bytes": torn.bytes }));
    let mark = |(file, at): &(String, u64)| json!({ "file": file, "offset": at });
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
        "torn_marks": summary.torn_marks.iter().map(mark).collect::<Vec<_>>(),
    })
}
