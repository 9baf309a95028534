//! `detente verify log` and `detente verify checkpoint`: a whole log, or a head alone.
//!
//! Not for how it is verified (see `audit/`).

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::journal::bar;
use super::remote::FetchArguments;
use super::trust::TrustArguments;
use crate::audit::{self, Accepted, Damage, Fault, Older, Options, Progress, Quorum, Summary};
use crate::cli::{Exit, Failure, Screen};
use crate::units::Timestamp;
use crate::web::LogUrl;

/// Check a whole log: its head, every tile, every entry
///
/// Reads the directory of a log (C2SP tlog-tiles) as any web server or rsync carries it, or fetches
/// it from where a relay or a web server serves it. The head
/// must be signed, and witnessed where a policy asks for it; every hash and every entry must be the
/// one that the head commits to. Exit code 3 names the first file that is wrong, and where in it.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente verify log public/traffic --genesis genesis.bin --policy policy
  detente verify log public/traffic --genesis genesis.bin --older checkpoint.of-last-year
  detente verify log https://relay.example:7413/traffic --genesis genesis.bin --keep traffic")]
pub(super) struct LogCommand {
    /// The log's directory, with checkpoint and tile/; or its address, https:// or http://.
    #[arg(value_name = "DIR|URL")]
    log: PathBuf,
    #[command(flatten)]
    fetch: FetchArguments,
    #[command(flatten)]
    trust: TrustArguments,
    /// A head of this log that was seen before, or a directory that was kept: the log must contain
    /// it. May be given more than once.
    #[arg(long, value_name = "FILE")]
    older: Vec<PathBuf>,
    /// Threads; all cores where it is not given.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl LogCommand {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let trust = self.trust.read()?;
        let what = "the log does not hold";
        let failure = |fault| failure(fault, what);
        let url = self.log.to_str().filter(|text| LogUrl::is_meant(text));
        // Before it is replaced by the head that is fetched.
        let kept = self.fetch.kept().filter(|_| url.is_some());
        let older = self.older.iter().chain(&kept).map(|at| Older::read(at));
        let older: Result<Vec<Older>, Fault> = older.collect();
        let mut options = Options { older: older.map_err(failure)?, ..Options::default() };
        let local = match url {
            Some(url) => {
                let next = "give https://HOST:PORT/LOG, or a directory";
                let url: LogUrl = url.parse().map_err(|bad| Failure::value("URL", bad, next))?;
                Some(self.fetch.fetch(&url, (&trust, &options.older), &self.trust, screen)?)
            }
            None => None,
        };
        let directory = match &local {
            Some(local) => local.directory.as_path(),
            None => is_directory(&self.log)?,
        };
        options.threads = self.threads.unwrap_or(options.threads);
        let bar = bar(screen, "leaves", "{human_pos}/{human_len} {per_sec}");
        let verified = audit::verify(directory, &trust, &options, &mut |progress: Progress| {
            bar.set_length(progress.leaves_total);
            bar.set_position(progress.leaves);
        });
        bar.finish_and_clear();
        let summary = verified.map_err(failure)?;
        if screen.is_json() {
            screen.document(&document(&summary))?;
        } else {
            screen.text(&text(&summary))?;
        }
        Ok(Exit::Success)
    }
}

/// Check a log's head alone: who signed it, who witnessed it
///
/// A head alone proves nothing about the leaves, and little about older heads: two of one size must
/// have one root, and none may be smaller than an older one. With the log's directory, `detente
/// verify log --older` proves the rest.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente verify checkpoint checkpoint --genesis genesis.bin
  detente verify checkpoint checkpoint --policy policy --older checkpoint.of-yesterday")]
pub(super) struct CheckpointCommand {
    /// The head: a signed note.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    trust: TrustArguments,
    /// A head of this log that was seen before. May be given more than once.
    #[arg(long, value_name = "FILE")]
    older: Vec<PathBuf>,
}

impl CheckpointCommand {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let trust = self.trust.read()?;
        let what = "the checkpoint is not accepted";
        let failure = |fault| failure(fault, what);
        let head = Older::read(&self.file).map_err(failure)?;
        let name = self.file.display().to_string();
        let accepted = trust.check(head.note()).map_err(|why| {
            let file = name.clone();
            failure(Fault::Damaged(Damage::Unaccepted { file, why }))
        })?;
        for path in &self.older {
            let older = Older::read(path).map_err(failure)?;
            let newer = (name.as_str(), &accepted.checkpoint);
            audit::check_heads(newer, &trust, &older).map_err(failure)?;
        }
        let Accepted { checkpoint, witnessed, witnesses, quorum } = &accepted;
        let (origin, size, root) = (checkpoint.origin(), checkpoint.size(), checkpoint.root());
        if screen.is_json() {
            screen.document(&json!({
                "holds": true,
                "origin": origin,
                "size": size,
                "root": root.to_string(),
                "witnessed": witnesses_document(witnessed),
                "witnesses": witnesses,
                "quorum": quorum_document(*quorum),
            }))?;
        } else {
            let witnesses = witnesses_text(witnessed, *witnesses, *quorum);
            screen.text(&format!("{origin}: {size} leaves, root {root}\n{witnesses}"))?;
        }
        Ok(Exit::Success)
    }
}

/// A place without a directory says nothing of a log.
fn is_directory(path: &Path) -> Result<&Path, Failure> {
    let why = match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Ok(path),
        Ok(_) => "it is no directory".to_owned(),
        Err(error) => error.to_string(),
    };
    let why = format!("{}: {why}", path.display());
    let next = "name the directory of a log, or its address";
    Err(Failure::new(Exit::Failure, "C-412", "nothing was verified", why, next))
}

fn text(summary: &Summary) -> String {
    let Summary { origin, size, root, files, .. } = summary;
    let mut text = format!("every entry holds: {origin}, {size} leaves, {files} files\n");
    text.push_str(&format!("  root {root}\n"));
    text.push_str(&witnesses_text(&summary.witnessed, summary.witnesses, summary.quorum));
    let mut said = |count: u64, what: &str| {
        if count > 0 {
            text.push_str(&format!("  {count} {what}\n"));
        }
    };
    said(summary.older_heads as u64, "older heads are its beginning");
    said(summary.older_files, "files left of older heads are its beginning");
    said(summary.ahead_files, "files that no head covers yet: not verified");
    said(summary.foreign_files, "files that are no part of a log: not verified");
    for name in &summary.foreign_names {
        text.push_str(&format!("    {name}\n"));
    }
    text
}

pub(super) fn witnesses_text(
    witnessed: &[(String, u64)],
    witnesses: usize,
    quorum: Quorum,
) -> String {
    if witnesses == 0 {
        return "  signed by its log; no policy asks for witnesses\n".to_owned();
    }
    let enough = quorum_words(quorum);
    let count = witnessed.len();
    let mut text = format!("  signed by its log, cosigned by {count} of {witnesses}{enough}\n");
    for (name, at) in witnessed {
        text.push_str(&format!("    {name} at {}\n", moment(*at)));
    }
    text
}

/// Seconds since 1970 as a moment; 0 says nothing about time.
fn moment(at: u64) -> String {
    if at == 0 {
        return "a time it does not say".to_owned();
    }
    let ms = i64::try_from(at).ok().and_then(|at| at.checked_mul(1_000));
    ms.map_or_else(|| format!("{at} s"), |ms| Timestamp(ms).to_string())
}

pub(super) fn witnesses_document(witnessed: &[(String, u64)]) -> Vec<Value> {
    witnessed.iter().map(|(name, at)| json!({ "name": name, "time": at })).collect()
}

/// The same in words, after how many there are.
pub(super) const fn quorum_words(quorum: Quorum) -> &'static str {
    match quorum {
        Quorum::Met => "",
        Quorum::Had => ", which is the quorum of its committee",
        Quorum::Lacked => {
            ", which is not the quorum of its committee: the log alone vouches for it so far"
        }
        Quorum::Unknown => "; no quorum was asked for",
    }
}

/// Whether there are enough; null where nobody says how many that is.
pub(super) const fn quorum_document(quorum: Quorum) -> Option<bool> {
    match quorum {
        Quorum::Met | Quorum::Had => Some(true),
        Quorum::Lacked => Some(false),
        Quorum::Unknown => None,
    }
}

fn document(summary: &Summary) -> Value {
    json!({
        "holds": true,
        "origin": summary.origin,
        "size": summary.size,
        "root": summary.root.to_string(),
        "witnessed": witnesses_document(&summary.witnessed),
        "witnesses": summary.witnesses,
        "quorum": quorum_document(summary.quorum),
        "files": summary.files,
        "older_heads": summary.older_heads,
        "older_files": summary.older_files,
        "ahead_files": summary.ahead_files,
        "foreign_files": summary.foreign_files,
        "foreign_names": summary.foreign_names,
    })
}

pub(super) fn failure(fault: Fault, what: &str) -> Failure {
    let damage = match fault {
        Fault::Damaged(damage) => damage,
        Fault::Unable { .. } => {
            let next = "check the disk, and who may read there";
            return Failure::new(Exit::Failure, "C-412", "nothing was verified", fault, next);
        }
    };
    let (code, next) = match &damage {
        Damage::Rewritten { .. } => {
            let next = "keep both heads, and the leaves where they are here: signed by one log, \
                        they prove that it contradicts itself; show them to the other members";
            ("C-411", next)
        }
        Damage::Shrunk { .. } => {
            let next = "get the newest head of the log: this one is older than what is known \
                        already, which proves nothing against the log; a log that itself serves \
                        nothing newer has gone back, and the other members should know";
            ("C-418", next)
        }
        Damage::Unaccepted { .. } | Damage::NotOwn { .. } => {
            ("C-410", "get the head again, and check by whom it is to be believed")
        }
        Damage::Missing { .. }
        | Damage::NoFile { .. }
        | Damage::Unreadable { .. }
        | Damage::Length { .. }
        | Damage::Root { .. }
        | Damage::Tile { .. }
        | Damage::Node { .. }
        | Damage::Entry { .. }
        | Damage::Bundle { .. }
        | Damage::Partial { .. } => {
            let next = "get this file again, from the log or from anybody who mirrors it; if it \
                        is the same everywhere, the log has signed what it does not serve";
            ("C-410", next)
        }
    };
    let mut failure = Failure::new(Exit::Unverified, code, what, &damage, next);
    failure = failure.field("file", damage.file());
    let (level, index) = damage.place();
    if let Some(level) = level {
        failure = failure.field("level", level);
    }
    if let Some(index) = index {
        failure = failure.field("index", index);
    }
    match damage.hashes() {
        Some((expected, found)) => failure.field("expected", expected).field("found", found),
        None => failure,
    }
}
