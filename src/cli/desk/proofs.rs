//! `detente desk proofs`: the proofs that what was said about a request is in the relay's log, as
//! files.
//!
//! Not for checking them: `detente verify proof` does, anywhere.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::super::agent::{Agent, api};
use super::super::{Exit, Failure, Screen};
use super::outcome::short;
use crate::tlog::LogProof;
use crate::units::{Index, RequestId, Timestamp};

/// Write down the proofs that what was said about a request is in the log
///
/// One file for each record that this desk holds about the request: a C2SP tlog-proof whose extra
/// line holds the record itself, so that `detente verify proof` checks it with the genesis alone.
/// A file shows that one record and nothing else of the case. A proof that has not come from the
/// relay yet is counted, and comes by itself. What the relay gave and what proves nothing is
/// written beside them as it came, for evidence.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk proofs 4f2a -o proofs
  detente verify proof proofs/12.tlog-proof --genesis genesis.bin")]
pub(super) struct Proofs {
    /// The request: its id, or the first 4 or more digits of it.
    #[arg(value_name = "ID")]
    id: String,
    /// The directory; made when it is not there.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

impl Proofs {
    pub(super) async fn run(self, agent: &mut Agent, screen: &mut Screen) -> Result<Exit, Failure> {
        let request = agent.resolve(&self.id).await?;
        let api::ListProofsResponse { proofs, missing, bad } = agent.proofs(request).await?;
        std::fs::create_dir_all(&self.output).map_err(|error| unwritten(&self.output, &error))?;
        let mut files = Vec::with_capacity(proofs.len());
        let (mut unwitnessed, total) = (Vec::new(), proofs.len());
        for api::RecordProof { index, tlog_proof, witnessed } in proofs {
            let path = self.output.join(format!("{index}.tlog-proof"));
            replace_older(&path, &tlog_proof)?;
            write(&path, tlog_proof.as_bytes())?;
            files.push(path.display().to_string());
            if !witnessed {
                unwitnessed.push(index);
            }
        }
        let mut evidence = Vec::with_capacity(bad.len());
        for (number, bad) in bad.iter().enumerate() {
            let name = format!("{}-{}-{number}.evidence", bad.index, bad.code);
            let path = self.output.join(name);
            write(&path, &bad.given)?;
            evidence.push((path.display().to_string(), bad));
        }
        if screen.is_json() {
            let document = json!({
                "request_id": request.to_string(),
                "files": files,
                "missing": missing,
                "unwitnessed": unwitnessed,
                "evidence": evidence.iter().map(evidence_json).collect::<Vec<_>>(),
            });
            screen.document(&document)?;
        } else {
            files.iter().try_for_each(|file| screen.text(&format!("{file}\n")))?;
        }
        for (file, bad) in &evidence {
            let at = Timestamp(bad.at_ms);
            screen.message(&format!("{file}: {at}: it proves nothing, {}: {}", bad.code, bad.why));
        }
        if !unwitnessed.is_empty() {
            let (one, words) = (unwitnessed.len(), "records are proven by the log's signature and");
            screen.message(&format!(
                "{one} of {total} {words} not yet by a quorum of witnesses: {}",
                listed(&unwitnessed)
            ));
        }
        tell(screen, request, files.first(), missing);
        Ok(Exit::Success)
    }
}

fn evidence_json((file, bad): &(String, &api::BadProof)) -> Value {
    json!({
        "file": file,
        "at": Timestamp(bad.at_ms).to_string(),
        "index": bad.index,
        "code": bad.code,
        "why": bad.why,
    })
}

fn tell(screen: &mut Screen, request: RequestId, first: Option<&String>, missing: u32) {
    if missing > 0 {
        let id = request.to_string();
        screen.message(&format!(
            "{missing} records have no proof yet; once the relay has been asked: detente desk \
             proofs {}",
            short(&id)
        ));
    }
    if let Some(first) = first {
        screen.message(&format!("next: detente verify proof {first} --genesis FILE"));
    }
}

/// Records by their indexes; of many, the first.
fn listed(indexes: &[u64]) -> String {
    let first: Vec<String> =
        indexes.iter().take(10).map(|index| Index(*index).to_string()).collect();
    let more = if indexes.len() > first.len() { " and more" } else { "" };
    format!("{}{more}", first.join(", "))
}

/// Removes a proof of the same record that was written down earlier, before the witnesses had seen
/// it. Anything else that is there stays.
fn replace_older(path: &Path, proof: &str) -> Result<(), Failure> {
    let read = |text: &str| text.parse::<LogProof>().ok().map(|proof| (proof.index, proof.extra));
    let older = std::fs::read_to_string(path).ok().filter(|there| there != proof);
    if older.is_some_and(|there| read(&there).is_some_and(|there| Some(there) == read(proof))) {
        std::fs::remove_file(path).map_err(|error| unwritten(path, &error))?;
    }
    Ok(())
}

/// Writes a file that is new, or is there already as it should be.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if std::fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    let why = format!("{}: {error}", path.display());
    let next = "give another directory with -o, or free space";
    Failure::new(Exit::Failure, "C-505", "the proofs were not written", why, next)
}
