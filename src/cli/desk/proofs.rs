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
use crate::tlog::{LogProof, Note};
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
            if make_room(&path, &tlog_proof)? {
                write(&path, tlog_proof.as_bytes())?;
            }
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

/// Makes room for a proof where one of the same record was written down earlier, as before the
/// witnesses had seen it. Nothing else that is there goes. False when what is there has been
/// cosigned by more: it stays.
fn make_room(path: &Path, proof: &str) -> Result<bool, Failure> {
    let there = std::fs::read_to_string(path).ok().and_then(|text| text.parse::<LogProof>().ok());
    let (Some(there), Ok(proof)) = (there, proof.parse::<LogProof>()) else { return Ok(true) };
    if there == proof || (there.index, &there.extra) != (proof.index, &proof.extra) {
        return Ok(true);
    }
    if cosignatures(&there.checkpoint) > cosignatures(&proof.checkpoint) {
        return Ok(false);
    }
    std::fs::remove_file(path).map_err(|error| unwritten(path, &error))?;
    Ok(true)
}

/// How many have signed a head besides its log, whose name is the head's first line.
fn cosignatures(head: &Note) -> usize {
    let origin = head.text().lines().next().unwrap_or_default();
    head.lines().iter().filter(|line| line.name.as_str() != origin).count()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tlog::Checkpoint;
    use crate::tlog::note::{Kind, Signer};
    use crate::units::Hash;

    /// The proof of a record, in a tree of this size, signed by the log and so many others.
    fn proof(extra: &[u8], size: u64, witnesses: u8) -> String {
        let head = Checkpoint::new("net/traffic", size, Hash([7; 32])).unwrap();
        let mut checkpoint = Note::new(head.to_string()).unwrap();
        for number in 0..=witnesses {
            let name = if number == 0 { "net/traffic".to_owned() } else { format!("w{number}") };
            let signer = Signer::from_seed(name.parse().unwrap(), Kind::Ed25519, [number; 32]);
            checkpoint.add(signer.sign(checkpoint.text(), 0).unwrap());
        }
        let (extra, hashes) = (Some(extra.to_vec()), vec![Hash([9; 32])]);
        LogProof { extra, index: 1, hashes, checkpoint }.to_string()
    }

    #[test]
    fn a_proof_is_replaced_by_none_that_fewer_have_cosigned() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("1.tlog-proof");
        let put = |proof: &str| match make_room(&path, proof) {
            Ok(true) => write(&path, proof.as_bytes()),
            Ok(false) => Ok(()),
            Err(failure) => Err(failure),
        };
        let is = |proof: &str| std::fs::read_to_string(&path).unwrap() == proof;
        let (bare, two, later) = (proof(b"a", 2, 0), proof(b"a", 3, 2), proof(b"a", 4, 2));
        for (given, kept) in [
            (&bare, &bare),
            (&bare, &bare),
            (&two, &two),
            (&bare, &two),
            (&proof(b"a", 9, 1), &two),
            (&later, &later),
        ] {
            assert!(put(given).is_ok());
            assert!(is(kept), "{given}");
        }
        // That of another record is nobody's to remove, and neither is what is no proof.
        assert!(put(&proof(b"b", 4, 3)).is_err());
        assert!(is(&later));
        std::fs::write(&path, "notes").unwrap();
        assert!(put(&later).is_err());
        assert!(is("notes"));
    }
}
