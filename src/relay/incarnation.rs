//! Tells a plain restart from a store that was copied, restored or put back: then it may be older
//! than what has been signed over it.
//!
//! Not proof: who may write the store may write this file. It is against accidents; against the
//! operator there are the witnesses. Not in a backup, and taken away by a restore.
//!
//! `incarnation` is a file of lines, "name value":
//!
//! ```text
//! detente-incarnation 1
//! id 32 hexadecimal digits, random
//! journal its id
//! file the inode of this file
//! segment the inode of the journal's first segment
//! given-up who accepts that records are lost, and why; only where somebody did
//! lost LOG SIZE: the most leaves that a head had by which a witness has stopped the signing
//! since LOG KEY: a witness that has agreed with this log since the loss was accepted
//! objects LOG WITNESS WORDS: one that says, and does not prove, that it has seen what is not here
//! ```
//!
//! A copy has other inodes; `file 0` stays in doubt. `loss-accepted` beside it is written by the
//! operator: who accepts the loss, and why. It is read at the start, and becomes the line
//! `given-up`. With `lost` alone the store lacks what nobody has given up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use crate::backup::{ACCEPTANCE_FILE, INCARNATION_FILE};
use crate::codec::Log;
use crate::tlog::VerifierKey;
use crate::units::JournalId;

/// The first line.
const FORM: &str = "detente-incarnation 1";
/// The longest acceptance that is read, in bytes.
const WORDS_BYTES_MAX: usize = 1_000;

/// Where it lies, and for which journal.
#[derive(Debug, Clone)]
pub(super) struct Incarnation {
    store: PathBuf,
    journal: JournalId,
}

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// It is the store that ran last.
    Same,
    /// It is, and a witness has proven that it lacks what was signed; nobody has accepted that.
    Lacking,
    /// It may be another one, for this reason.
    Other(String),
}

/// What this store lacks of what was signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Loss {
    /// Who accepts it, and why; none where nobody has.
    pub(super) given_up: Option<String>,
    /// The most leaves that a head had by which a witness has stopped the signing.
    pub(super) lost: BTreeMap<Log, u64>,
    /// The keys of witnesses that have agreed with a log since the loss was accepted.
    pub(super) since: BTreeSet<(Log, String)>,
    /// Witnesses that say, and do not prove, that they have seen what is not here, by their names
    /// in the policy, and what that is.
    pub(super) objecting: BTreeMap<(Log, String), String>,
}

impl Loss {
    /// A witness has shown that something is not here, and nobody has accepted that.
    pub(super) fn is_lacking(&self) -> bool {
        self.given_up.is_none() && !self.lost.is_empty()
    }

    /// Whether what a witness has seen, a tree of so many leaves of this log, was given up.
    pub(super) fn covers(&self, (log, size): (Log, u64), witness: &VerifierKey) -> bool {
        let has_agreed = self.since.contains(&(log, witness.to_string()));
        self.given_up.is_some() && !(has_agreed && self.is_past(log, size))
    }

    /// Whether so many leaves of this log are more than any that were known to be lost.
    pub(super) fn is_past(&self, log: Log, size: u64) -> bool {
        self.lost.get(&log).is_none_or(|lost| size > *lost)
    }
}

impl Incarnation {
    pub(super) fn new(store: &Path, journal: JournalId) -> Self {
        Self { store: store.to_owned(), journal }
    }

    /// The file in which a loss is accepted.
    pub(super) fn acceptance(&self) -> PathBuf {
        self.store.join(ACCEPTANCE_FILE)
    }

    /// Looks whether this is the store that ran last, and what it lacks.
    pub(super) fn look(&self) -> io::Result<(Found, Loss)> {
        let path = self.store.join(INCARNATION_FILE);
        let other = |why: &str, loss| Ok((Found::Other(why.to_owned()), loss));
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return other("it has no incarnation file", Loss::default());
            }
            Err(error) => return Err(error),
        };
        let lines = |name: &'static str| {
            text.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(' '))
        };
        let line = |name| lines(name).next().unwrap_or_default().to_owned();
        if text.lines().next() != Some(FORM) {
            return other("its incarnation file cannot be read", Loss::default());
        }
        if line("journal") != self.journal.to_string() {
            return other("its incarnation file is of another journal", Loss::default());
        }
        let of_logs = |name| {
            lines(name).filter_map(|line| {
                let (log, value) = line.split_once(' ')?;
                Some((Log::ALL.into_iter().find(|known| known.as_str() == log)?, value))
            })
        };
        let loss = Loss {
            given_up: Some(line("given-up")).filter(|words| !words.is_empty()),
            lost: of_logs("lost")
                .filter_map(|(log, size)| Some((log, size.parse().ok()?)))
                .collect(),
            since: of_logs("since").map(|(log, key)| (log, key.to_owned())).collect(),
            objecting: of_logs("objects")
                .filter_map(|(log, line)| {
                    let (witness, words) = line.split_once(' ')?;
                    Some(((log, witness.to_owned()), words.to_owned()))
                })
                .collect(),
        };
        let inode = fs::metadata(&path)?.ino().to_string();
        if line("file") != inode || line("segment") != self.segment()? {
            return other("it was copied", loss);
        }
        Ok((if loss.is_lacking() { Found::Lacking } else { Found::Same }, loss))
    }

    /// Says what this store lacks, and that it is the one that runs now, unless it `is_doubted`.
    /// Durable when it answers.
    pub(super) fn write(&self, loss: &Loss, is_doubted: bool) -> io::Result<()> {
        let (path, aside) =
            (self.store.join(INCARNATION_FILE), self.store.join(format!("{INCARNATION_FILE}.new")));
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&aside)?;
        let mut id = [0; 16];
        aws_lc_rs::rand::fill(&mut id).map_err(|_| io::Error::other("no random bytes"))?;
        let inode = if is_doubted { 0 } else { file.metadata()?.ino() };
        let segment = self.segment()?;
        let (id, journal) = (HEXLOWER.encode(&id), self.journal);
        let mut text =
            format!("{FORM}\nid {id}\njournal {journal}\nfile {inode}\nsegment {segment}\n");
        if let Some(words) = &loss.given_up {
            text.push_str(&format!("given-up {words}\n"));
        }
        for (log, size) in &loss.lost {
            text.push_str(&format!("lost {} {size}\n", log.as_str()));
        }
        for ((log, witness), words) in &loss.objecting {
            text.push_str(&format!("objects {} {witness} {words}\n", log.as_str()));
        }
        for (log, key) in &loss.since {
            text.push_str(&format!("since {} {key}\n", log.as_str()));
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // A rename keeps the inode.
        fs::rename(&aside, &path)?;
        self.sync()
    }

    /// The words in which the operator has accepted a loss, on one line; none when there are none.
    pub(super) fn accepted(&self) -> io::Result<Option<String>> {
        let text = match fs::read_to_string(self.acceptance()) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut words = words.join(" ");
        let end = words.floor_char_boundary(WORDS_BYTES_MAX);
        words.truncate(end);
        Ok(Some(words).filter(|words| !words.is_empty()))
    }

    /// What was accepted is kept: the file goes.
    pub(super) fn take_acceptance(&self) -> io::Result<()> {
        fs::remove_file(self.acceptance())?;
        self.sync()
    }

    /// The inode of the journal's first segment; empty when there is none.
    fn segment(&self) -> io::Result<String> {
        let mut first: Option<(std::ffi::OsString, u64)> = None;
        for entry in fs::read_dir(self.store.join("journal"))? {
            let entry = entry?;
            let name = entry.file_name();
            let is_segment = name.as_encoded_bytes().ends_with(b".seg");
            if is_segment && first.as_ref().is_none_or(|(known, _)| name < *known) {
                first = Some((name, entry.metadata()?.ino()));
            }
        }
        Ok(first.map(|(_, inode)| inode.to_string()).unwrap_or_default())
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.store)?.sync_all()
    }
}
