//! What proves that the relay has shown two logs: kept on disk, and standing until somebody says in
//! words that it has been dealt with.
//!
//! Not for finding it (see `mod.rs`). All lies in one directory, a few files for each finding;
//! nothing is ever removed but the note that it was dealt with, when it is found again.
//!
//! ```text
//! ID.first      a head that the log signed, with the cosignatures that this desk has of it
//! ID.second     a head that the log signed too, and that the first cannot be squared with
//! ID.proof      what was said to prove that one is the beginning of the other
//! ID.about      code, log, moment, and what was found, in words; written last
//! ID.settled    moment, officer and words of who dealt with it
//! ```

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::HEXLOWER;

use super::files::{self, Places};
use crate::units::{Hash, Name, Timestamp};

/// The directory.
const PLACE: &str = "evidence";

/// What was found wrong with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// D-303: the log has signed two heads of which neither is the beginning of the other.
    Fork,
    /// D-304: the log presents a shorter tree than the one that was cosigned.
    Rollback,
    /// D-306: the witnesses' head of the directory log is not that of the entries that came.
    Directory,
}

impl Wrong {
    const ALL: [Self; 3] = [Self::Fork, Self::Rollback, Self::Directory];

    /// Stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Fork => "D-303",
            Self::Rollback => "D-304",
            Self::Directory => "D-306",
        }
    }

    /// Stable reason.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Fork => "LOG_FORKED",
            Self::Rollback => "LOG_ROLLED_BACK",
            Self::Directory => "DIRECTORY_LOG_DIFFERS",
        }
    }
}

/// Two heads that cannot both be of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// What is wrong.
    pub wrong: Wrong,
    /// "directory" or "traffic".
    pub log: String,
    /// The head known before, a signed note.
    pub first: String,
    /// The head that contradicts it, a signed note; what this desk computed, where that is it.
    pub second: String,
    /// What was said to prove that they agree; may be empty.
    pub proof: String,
    /// What was found, in words, on one line.
    pub what: String,
}

/// A contradiction that is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its name: the same two heads are the same finding.
    pub id: String,
    /// What is wrong; none where what was written of it cannot be read any more.
    pub wrong: Option<Wrong>,
    /// "directory" or "traffic".
    pub log: String,
    /// When it was found.
    pub found: Timestamp,
    /// What was found, in words.
    pub what: String,
    /// Who dealt with it and how, in words; none while it stands.
    pub settled: Option<String>,
}

/// The evidence of a desk.
pub struct Evidence {
    places: Arc<dyn Places>,
    found: Mutex<BTreeMap<String, Finding>>,
}

impl Evidence {
    /// What is on disk.
    ///
    /// # Errors
    /// When the disk cannot be read: without it nobody knows what stands.
    pub fn open(places: Arc<dyn Places>) -> io::Result<Self> {
        let disk = places.at(PLACE);
        let names = match disk.list() {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut found = BTreeMap::new();
        for id in names.iter().filter_map(|name| name.strip_suffix(".about")) {
            let about = files::read(&*disk, &format!("{id}.about"))?.unwrap_or_default();
            let settled = files::read(&*disk, &format!("{id}.settled"))?;
            found.insert(id.to_owned(), parse(id, &about, settled));
        }
        Ok(Self { places, found: Mutex::new(found) })
    }

    /// Keeps a contradiction; when this answers, it is on disk. The same one is kept once, and what
    /// was dealt with stands again when it is found again.
    ///
    /// # Errors
    /// When the disk is full or failed.
    pub fn keep(&self, about: &Contradiction, now: Timestamp) -> io::Result<Finding> {
        let Contradiction { wrong, log, first, second, proof, what } = about;
        let hash = Hash::of(&[first.as_bytes(), b"\0", second.as_bytes()]);
        let id = format!("{log}-{}", HEXLOWER.encode(&hash.0[..8]));
        let mut found = self.lock();
        if let Some(known) = found.get(&id)
            && known.settled.is_none()
        {
            return Ok(known.clone());
        }
        let finding = Finding {
            id: id.clone(),
            wrong: Some(*wrong),
            log: log.clone(),
            found: now,
            what: what.replace(['\n', '\r'], " "),
            settled: None,
        };
        let disk = self.places.make(PLACE)?;
        for (part, text) in [("first", first), ("second", second), ("proof", proof)] {
            files::replace(&*disk, &format!("{id}.{part}"), text)?;
        }
        files::replace(&*disk, &format!("{id}.about"), &render(&finding))?;
        match disk.remove(&format!("{id}.settled")) {
            Ok(()) => disk.sync_dir()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        found.insert(id, finding.clone());
        Ok(finding)
    }

    /// Says that a finding has been dealt with, by whom and how. None when there is no such one.
    ///
    /// # Errors
    /// When the disk is full or failed.
    pub fn settle(
        &self,
        id: &str,
        by: &Name,
        words: &str,
        now: Timestamp,
    ) -> io::Result<Option<Finding>> {
        let mut found = self.lock();
        let Some(finding) = found.get_mut(id) else { return Ok(None) };
        if finding.settled.is_none() {
            let text = format!("{now} {by}: {}", words.replace(['\n', '\r'], " "));
            let disk = self.places.make(PLACE)?;
            files::replace(&*disk, &format!("{id}.settled"), &text)?;
            finding.settled = Some(text);
        }
        Ok(Some(finding.clone()))
    }

    /// What stands, in order of the ids.
    pub fn standing(&self) -> Vec<Finding> {
        self.lock().values().filter(|finding| finding.settled.is_none()).cloned().collect()
    }

    /// What stands about a log.
    pub fn standing_of(&self, log: &str) -> Option<Finding> {
        self.lock().values().find(|found| found.log == log && found.settled.is_none()).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Finding>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn render(finding: &Finding) -> String {
    let code = finding.wrong.map_or("", Wrong::code);
    let Finding { log, found, what, .. } = finding;
    format!("code {code}\nlog {log}\nfound {found}\nwhat {what}\n")
}

/// What cannot be read of it is left open; it stands all the same.
fn parse(id: &str, about: &str, settled: Option<String>) -> Finding {
    let field = |name: &str| {
        let line = about.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_default().to_owned()
    };
    let code = field("code");
    let log = field("log");
    let of_id = id.split('-').next().unwrap_or_default().to_owned();
    Finding {
        id: id.to_owned(),
        wrong: Wrong::ALL.into_iter().find(|wrong| wrong.code() == code),
        log: if log.is_empty() { of_id } else { log },
        found: field("found").parse().unwrap_or(Timestamp(0)),
        what: field("what"),
        settled,
    }
}
