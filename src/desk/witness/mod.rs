//! The desk as a witness of the relay's logs: it cosigns a head only when the one that it cosigned
//! before is its beginning (C2SP tlog-witness 1.0.0).
//!
//! Not for the connection over which it is asked (see `grpc::uplink_witness`).
//!
//! What was cosigned last is on disk before the cosignature goes out, as a file that any web server
//! can serve: `witness/<sha256 of the origin>/checkpoint` in the desk's directory is the path of
//! the specification's monitoring. It belongs to the agent's user, like everything there.
//!
//! | code | reason | meaning |
//! |---|---|---|
//! | D-303 | `LOG_FORKED` | the log signed a head that contradicts one known here |
//! | D-304 | `LOG_ROLLED_BACK` | the log presents a shorter tree than the one cosigned here |
//! | D-305 | `WITNESS_STATE_UNREADABLE` | what was cosigned last cannot be read |
//! | D-306 | `DIRECTORY_LOG_DIFFERS` | the witnesses' head of the directory log is another one |
//! | D-307 | `OWN_ENTRY_CHANGED` | an entry of our own nation was not published from here |
//!
//! D-303 and D-304 are kept as evidence, and the log is no longer cosigned until an officer has
//! said in words that it was dealt with. Even then no head is cosigned that does not follow from
//! the one cosigned last.

mod evidence;
mod files;
mod heads;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use evidence::{Contradiction, Evidence, Finding, Wrong};
pub use files::{Places, RealPlaces};
pub(super) use heads::SEEN_MAX;
pub use heads::{Head, Heads, Judged, NoHead, Standing, WitnessedHead, compare, needs_proof};

use crate::envelope::genesis::{Genesis, LogKey, log_key};
use crate::journal::disk::Disk;
use crate::tlog::witness::{
    AddCheckpoint, Declined, Latest, decide, monitoring_path, render_lines,
};
use crate::tlog::{Checkpoint, Note, Policy, Signer, VerifierKey};
use crate::units::{Name, Timestamp};

/// The directory under which what was cosigned lies.
const PLACE: &str = "witness";
/// The file in a log's own directory.
const FILE: &str = "checkpoint";

/// What a witness says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As of C2SP tlog-witness over HTTP: 200, 400, 403, 404, 409 or 422; 500 when the disk failed.
    pub status: u16,
    /// The cosignature line of 200, the size of 409, or why not, in words.
    pub body: String,
    /// What was found wrong with the log, when it was found now.
    pub found: Option<Finding>,
}

/// The witness of a desk.
pub struct Witness {
    places: Arc<dyn Places>,
    evidence: Arc<Evidence>,
    logs: Mutex<BTreeMap<String, Log>>,
}

/// A log, and what was cosigned of it last.
struct Log {
    origin: String,
    keys: Vec<VerifierKey>,
    state: Result<Cosigned, String>,
}

/// What was cosigned last; no note before the first time.
#[derive(Clone)]
struct Cosigned {
    latest: Latest,
    note: Option<Note>,
}

impl Witness {
    /// The witness of a network's logs, with what it has on disk.
    pub fn open(
        places: Arc<dyn Places>,
        evidence: Arc<Evidence>,
        network: &Name,
        keys: &[LogKey],
    ) -> Self {
        let mut logs = BTreeMap::new();
        for key in keys {
            let Some(verifier) = log_key(network, key) else { continue };
            let log = logs.entry(key.log.clone()).or_insert_with(|| Log {
                origin: verifier.name().to_string(),
                keys: Vec::new(),
                state: Err(String::new()),
            });
            log.keys.push(verifier);
        }
        for log in logs.values_mut() {
            log.state = log.read(&*places.at(&directory(&log.origin)));
        }
        Self { places, evidence, logs: Mutex::new(logs) }
    }

    /// Takes one more key of a log.
    pub fn trust(&self, log: &str, key: VerifierKey) {
        if let Some(log) = self.lock().get_mut(log)
            && !log.keys.contains(&key)
        {
            log.keys.push(key);
        }
    }

    /// What was cosigned last of each log; nothing of a log whose file cannot be read.
    pub fn heads(&self) -> Vec<(String, Latest)> {
        let logs = self.lock();
        let head = |(name, log): (&String, &Log)| {
            log.state.as_ref().ok().map(|cosigned| (name.clone(), cosigned.latest))
        };
        logs.iter().filter_map(head).collect()
    }

    /// The head of a log that was cosigned last; none before the first.
    pub fn newest(&self, log: &str) -> Option<Head> {
        let logs = self.lock();
        let Cosigned { latest, note } = logs.get(log)?.state.as_ref().ok()?;
        Some(Head { size: latest.size, root: latest.root, note: note.clone()? })
    }

    /// The logs whose file cannot be read, and why: they are not cosigned.
    pub fn unreadable(&self) -> Vec<(String, String)> {
        let logs = self.lock();
        let why = |(name, log): (&String, &Log)| Some((name.clone(), log.state.clone().err()?));
        logs.iter().filter_map(why).collect()
    }

    /// Answers a request to cosign: the body of add-checkpoint, about the log of this name. When
    /// this answers with 200, what was cosigned is on disk. Blocks for that.
    pub fn answer(&self, signer: &Signer, name: &str, body: &str, now: Timestamp) -> Answer {
        let request: AddCheckpoint = match body.parse() {
            Ok(request) => request,
            Err(error) => return Answer::no(400, format!("{error}")),
        };
        let mut logs = self.lock();
        let Some(log) = logs.get_mut(name) else {
            return Answer::no(404, format!("there is no log {name:?}"));
        };
        let cosigned = match &log.state {
            Ok(cosigned) => cosigned.clone(),
            Err(why) => return Answer::no(500, format!("D-305 {why}")),
        };
        match decide(&request, &log.keys, cosigned.latest) {
            Ok(latest) => match self.evidence.standing_of(name) {
                Some(Finding { id, what, .. }) => {
                    Answer::no(422, format!("this log is not cosigned, see {id}: {what}"))
                }
                None => self.cosign(signer, log, (latest, &request.checkpoint), now),
            },
            Err(declined) => self.decline(name, &cosigned, &request, &declined, now),
        }
    }

    /// Cosigns a head that follows, and keeps it before it says so.
    fn cosign(
        &self,
        signer: &Signer,
        log: &mut Log,
        (latest, note): (Latest, &Note),
        now: Timestamp,
    ) -> Answer {
        let seconds = u64::try_from(now.0 / 1_000).unwrap_or_default();
        let line = match signer.sign(note.text(), seconds) {
            Ok(line) => line,
            Err(error) => return Answer::no(400, error.to_string()),
        };
        let mut kept = note.with_only(|line| log.keys.iter().any(|key| line.is_by(key)));
        kept.add(line.clone());
        let keep = || {
            let disk = self.places.make(&directory(&log.origin))?;
            files::replace(&*disk, FILE, &kept.to_string())
        };
        if let Err(error) = keep() {
            return Answer::no(500, format!("what was cosigned could not be kept: {error}"));
        }
        log.state = Ok(Cosigned { latest, note: Some(kept) });
        Answer { status: 200, body: render_lines(&[line]), found: None }
    }

    /// Says no, and keeps what proves the log wrong, if it does.
    fn decline(
        &self,
        name: &str,
        cosigned: &Cosigned,
        request: &AddCheckpoint,
        declined: &Declined,
        now: Timestamp,
    ) -> Answer {
        let body = if let Declined::Conflict { size } = declined {
            format!("{size}\n")
        } else {
            declined.to_string()
        };
        let mut answer = Answer::no(declined.status(), body);
        let (Some(wrong), Some(first)) = (wrong(cosigned, request, declined), &cosigned.note)
        else {
            return answer;
        };
        if self.evidence.standing_of(name).is_some() {
            return answer;
        }
        let (size, old) = (size_of(&request.checkpoint), cosigned.latest.size);
        let contradiction = Contradiction {
            wrong,
            log: name.to_owned(),
            first: first.to_string(),
            second: request.checkpoint.to_string(),
            proof: request.to_string(),
            what: format!(
                "the log {name} signed a head of {size} leaves, which is not what follows from the \
                 head of {old} leaves that this desk cosigned: {declined}"
            ),
        };
        match self.evidence.keep(&contradiction, now) {
            Ok(finding) => answer.found = Some(finding),
            Err(error) => {
                tracing::error!(%error, log = name, "evidence of a fork could not be kept");
            }
        }
        answer
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Log>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer {
    fn no(status: u16, why: String) -> Self {
        Self { status, body: why, found: None }
    }
}

impl Log {
    /// What was cosigned last, from disk. Without the log's signature it is not what was written.
    fn read(&self, disk: &dyn Disk) -> Result<Cosigned, String> {
        let unreadable = |why: String| format!("{}/{FILE} cannot be read: {why}", disk.path());
        let text = match files::read(disk, FILE) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(Cosigned { latest: Latest::none(), note: None }),
            Err(error) => return Err(unreadable(error.to_string())),
        };
        let note: Note = text.parse().map_err(|error| unreadable(format!("{error}")))?;
        note.verify(&self.keys).map_err(|bad| unreadable(bad.to_string()))?;
        let checkpoint: Checkpoint =
            note.text().parse().map_err(|error| unreadable(format!("{error}")))?;
        if checkpoint.origin() != self.origin {
            return Err(unreadable(format!("it is of the log {:?}", checkpoint.origin())));
        }
        let latest = Latest { size: checkpoint.size(), root: checkpoint.root() };
        Ok(Cosigned { latest, note: Some(note) })
    }
}

/// What a request that is declined proves of the log, which has signed its head.
fn wrong(cosigned: &Cosigned, request: &AddCheckpoint, declined: &Declined) -> Option<Wrong> {
    let latest = cosigned.latest;
    let checkpoint: Checkpoint = request.checkpoint.text().parse().ok()?;
    match declined {
        Declined::Fork { .. } => Some(Wrong::Fork),
        // It knows what was cosigned, and presents less as its newest.
        Declined::OldSizeTooLarge { old, .. } if *old == latest.size => Some(Wrong::Rollback),
        Declined::Conflict { .. }
            if checkpoint.size() == latest.size && checkpoint.root() != latest.root =>
        {
            Some(Wrong::Fork)
        }
        Declined::OldSizeTooLarge { .. }
        | Declined::Conflict { .. }
        | Declined::Unreadable(_)
        | Declined::UnknownLog(_)
        | Declined::Signature(_) => None,
    }
}

fn size_of(note: &Note) -> u64 {
    note.text().parse().map_or(0, |checkpoint: Checkpoint| checkpoint.size())
}

/// The directory of a log's file.
fn directory(origin: &str) -> String {
    let path = monitoring_path(origin);
    format!("{PLACE}/{}", path.strip_suffix("/checkpoint").unwrap_or(&path))
}

/// What is on disk of a desk's witness and of what it found: for the desk itself.
///
/// # Errors
/// When the disk cannot be read.
pub(super) fn open(
    dir: PathBuf,
    genesis: &Genesis,
    mut policy: Policy,
) -> io::Result<(Arc<Evidence>, Witness, Heads)> {
    let (network, keys) = (&genesis.network, &genesis.log_keys);
    let places: Arc<dyn Places> = Arc::new(RealPlaces(dir));
    let evidence = Arc::new(Evidence::open(Arc::clone(&places))?);
    let logs: BTreeSet<&str> = keys.iter().map(|key| key.log.as_str()).collect();
    let logs: Vec<&str> = logs.into_iter().collect();
    for key in keys.iter().filter_map(|key| log_key(network, key)) {
        policy.add_log(key);
    }
    let heads = Heads::open(Arc::clone(&places), policy, network.as_str(), &logs)?;
    let witness = Witness::open(places, Arc::clone(&evidence), network, keys);
    Ok((evidence, witness, heads))
}
