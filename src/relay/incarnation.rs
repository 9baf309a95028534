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
//! ```
//!
//! A copy has other inodes. `loss-accepted` beside it is written by the operator: who accepts the
//! loss, and why. It is read at the start, and becomes the line `given-up`.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use crate::backup::{ACCEPTANCE_FILE, INCARNATION_FILE};
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
    /// It is the store that ran last; records that somebody has given up are named.
    Same(Option<String>),
    /// It may be another one, for this reason.
    Other(String),
}

impl Incarnation {
    pub(super) fn new(store: &Path, journal: JournalId) -> Self {
        Self { store: store.to_owned(), journal }
    }

    /// The file in which a loss is accepted.
    pub(super) fn acceptance(&self) -> PathBuf {
        self.store.join(ACCEPTANCE_FILE)
    }

    /// Looks whether this is the store that ran last.
    pub(super) fn look(&self) -> io::Result<Found> {
        let path = self.store.join(INCARNATION_FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Found::Other("it has no incarnation file".to_owned()));
            }
            Err(error) => return Err(error),
        };
        let line = |name: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            found.unwrap_or_default().to_owned()
        };
        let inode = fs::metadata(&path)?.ino().to_string();
        let other = |why: &str| Ok(Found::Other(why.to_owned()));
        if text.lines().next() != Some(FORM) {
            return other("its incarnation file cannot be read");
        }
        if line("journal") != self.journal.to_string() {
            return other("its incarnation file is of another journal");
        }
        if line("file") != inode || line("segment") != self.segment()? {
            return other("it was copied");
        }
        Ok(Found::Same(Some(line("given-up")).filter(|words| !words.is_empty())))
    }

    /// Says that this is the store that runs now. Durable when it answers.
    pub(super) fn write(&self, given_up: Option<&str>) -> io::Result<()> {
        let (path, aside) =
            (self.store.join(INCARNATION_FILE), self.store.join(format!("{INCARNATION_FILE}.new")));
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&aside)?;
        let mut id = [0; 16];
        aws_lc_rs::rand::fill(&mut id).map_err(|_| io::Error::other("no random bytes"))?;
        let (inode, segment) = (file.metadata()?.ino(), self.segment()?);
        let (id, journal) = (HEXLOWER.encode(&id), self.journal);
        let mut text =
            format!("{FORM}\nid {id}\njournal {journal}\nfile {inode}\nsegment {segment}\n");
        if let Some(words) = given_up {
            text.push_str(&format!("given-up {words}\n"));
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // A rename keeps the inode.
        fs::rename(&aside, &path)?;
        self.sync()
    }

    /// The next start is not a plain one. Durable when it answers.
    pub(super) fn forget(&self) -> io::Result<()> {
        match fs::remove_file(self.store.join(INCARNATION_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => self.sync(),
        }
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
