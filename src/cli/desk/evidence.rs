//! `detente desk evidence`: everything that this desk holds about a request, in one file for those
//! who are no party to it.
//!
//! Not for checking it: `detente verify bundle` does, anywhere.

use std::collections::BTreeSet;
use std::fs::{OpenOptions, remove_file, rename};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::super::agent::{Agent, api, parse_prefix};
use super::super::{Exit, Failure, Screen};
use super::outcome::{message_id, short};
use crate::units::{Index, RequestId};

/// The word that discloses every body.
const ALL: &str = "all";

/// Make one file that proves what was said about a request, for a court or a prosecutor
///
/// The file is a ZIP archive: the signed statements, the relay's records with their proofs, the
/// keys that signed and how they are known, a page with the timeline in UTC and in both desks' own
/// time, and a README that says how to check it all, with `detente verify bundle` or by hand. No
/// body is in it unless --disclose-body says so: without it the file proves who said which kind of
/// thing to whom and when, and nothing of what was written. What this desk holds and discloses is
/// noted in its own journal, with the officer and the file's hash. The same request with the same
/// choice is always the same bytes.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk evidence 4f2a -o bundle.zip
  detente desk evidence 4f2a -o bundle.zip --disclose-body all
  detente verify bundle bundle.zip")]
pub(super) struct Evidence {
    /// The request: its id, or the first 4 or more digits of it.
    #[arg(value_name = "ID")]
    id: String,
    /// The file that is made. It must not be there.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Replace the file when it is there.
    #[arg(long)]
    force: bool,
    /// Disclose the body of this statement: its id, or the first 4 or more digits of it, as
    /// `detente desk show --json` has them; can be given more than once. \"all\" discloses every
    /// body that this desk has in the clear.
    #[arg(long, value_name = "STATEMENT")]
    disclose_body: Vec<String>,
}

impl Evidence {
    pub(super) async fn run(
        self,
        agent: &mut Agent,
        officer: String,
        screen: &mut Screen,
    ) -> Result<Exit, Failure> {
        if !self.force && self.output.symlink_metadata().is_ok() {
            return Err(there(&self.output));
        }
        let request = agent.resolve(&self.id).await?;
        let disclose_all = self.disclose_body.iter().any(|one| one == ALL);
        if disclose_all && self.disclose_body.len() > 1 {
            let next = "give either all or the statements";
            return Err(Failure::value("--disclose-body", "all beside a statement", next));
        }
        let disclose_message_ids = if disclose_all || self.disclose_body.is_empty() {
            Vec::new()
        } else {
            statements(agent, &officer, request, &self.disclose_body).await?
        };
        let request_id = request.0.to_vec();
        let asked =
            api::MakeEvidenceRequest { officer, request_id, disclose_all, disclose_message_ids };
        let (summary, bytes) = agent.evidence(asked).await?;
        write(&self.output, &bytes, self.force)?;
        let file = self.output.display().to_string();
        if screen.is_json() {
            screen.document(&document(request, &file, &summary))?;
        } else {
            screen.text(&format!("{file}\n"))?;
        }
        tell(screen, request, &file, &summary);
        Ok(Exit::Success)
    }
}

/// The statements about a request that these abbreviations name.
async fn statements(
    agent: &mut Agent,
    officer: &str,
    request: RequestId,
    named: &[String],
) -> Result<Vec<Vec<u8>>, Failure> {
    let case = agent.case(officer.to_owned(), request, true).await?;
    let known: BTreeSet<&Vec<u8>> =
        case.entries.iter().map(|entry| &entry.message_id).filter(|id| !id.is_empty()).collect();
    let next = "detente desk show --json lists the statements with their ids";
    let mut found = BTreeSet::new();
    for name in named {
        let unclear = |why: String| Failure::value("--disclose-body", why, next);
        let digits = parse_prefix(name).map_err(unclear)?;
        let mut begun = known.iter().filter(|id| HEXLOWER.encode(id).starts_with(&digits));
        match (begun.next(), begun.next()) {
            (Some(one), None) => found.insert((*one).clone()),
            (Some(_), Some(_)) => {
                return Err(unclear(format!("more than one statement begins with {name}")));
            }
            (None, _) => return Err(unclear(format!("no statement begins with {name}"))),
        };
    }
    Ok(found.into_iter().collect())
}

fn document(request: RequestId, file: &str, summary: &api::EvidenceSummary) -> Value {
    let undisclosed = summary
        .undisclosed
        .iter()
        .map(|body| json!({ "message_id": message_id(&body.message_id), "why": body.why }));
    let disclosed = summary.disclosed_message_ids.iter();
    json!({
        "request_id": request.to_string(),
        "file": file,
        "bytes": summary.bytes,
        "sha256": HEXLOWER.encode(&summary.sha256),
        "records": summary.records,
        "disclosed": disclosed.map(|id| message_id(id)).collect::<Vec<_>>(),
        "undisclosed": undisclosed.collect::<Vec<_>>(),
        "unwitnessed": summary.unwitnessed,
        "left_out": summary.left_out,
    })
}

fn tell(screen: &mut Screen, request: RequestId, file: &str, summary: &api::EvidenceSummary) {
    let api::EvidenceSummary { records, disclosed_message_ids, sha256, .. } = summary;
    let bodies = disclosed_message_ids.len();
    let sha256 = HEXLOWER.encode(sha256);
    screen.message(&format!("{records} records, {bodies} bodies disclosed, SHA-256 {sha256}"));
    for body in &summary.undisclosed {
        let id = message_id(&body.message_id).unwrap_or_default();
        screen.message(&format!("the body of {id} is not in it: {}", body.why));
    }
    let list = |indexes: &[u64]| {
        let words: Vec<String> = indexes.iter().map(|index| Index(*index).to_string()).collect();
        words.join(", ")
    };
    if !summary.left_out.is_empty() {
        let records = list(&summary.left_out);
        screen.message(&format!("left out, as nobody of the desk signed it: records {records}"));
    }
    if !summary.unwitnessed.is_empty() {
        let (records, id) = (list(&summary.unwitnessed), request.to_string());
        screen.message(&format!(
            "proven by the log's signature and not yet by a quorum of witnesses: records \
             {records}; for that, later: detente desk evidence {}",
            short(&id)
        ));
    }
    screen.message(&format!("next: detente verify bundle {file}"));
}

/// Writes the file for its owner's eyes. What could not be written whole is removed.
fn write(path: &Path, bytes: &[u8], force: bool) -> Result<(), Failure> {
    // A new file is made in its place; an old one stays until the new one is whole.
    let target = if force { beside(path) } else { path.to_owned() };
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&target);
    made.map_err(|error| unwritten(path, &error)).and_then(|mut file| {
        let filled = file.write_all(bytes).and_then(|()| file.sync_all());
        let placed = filled.and_then(|()| if force { rename(&target, path) } else { Ok(()) });
        placed.map_err(|error| {
            drop(remove_file(&target));
            unwritten(path, &error)
        })
    })
}

/// Where a file is made that replaces another.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    PathBuf::from(name)
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::AlreadyExists {
        return there(path);
    }
    let why = format!("{}: {error}", path.display());
    let next = "give another file with -o, or free space; nothing was left behind";
    Failure::new(Exit::Failure, "C-506", "the evidence was not written", why, next)
}

fn there(path: &Path) -> Failure {
    let why = format!("{} is there already", path.display());
    let next = "give another file with -o, or --force to replace it";
    Failure::new(Exit::Usage, "C-507", "the evidence was not written", why, next)
}
