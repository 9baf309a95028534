//! Whose keys are whose, and when: the genesis, and after it the entries that nations have
//! published, each signed with the national key; and the keys that a log has announced since.
//!
//! Not for entries that are not in the bundle: whether one withdrew a key before, the directory's
//! log says.

use std::collections::BTreeMap;

use super::{Bundle, Fault, Record, files};
use crate::codec;
use crate::envelope::entry::Signed;
use crate::envelope::genesis::{Announcement, Genesis, LogKey, log_key};
use crate::rules::event::Kind;
use crate::rules::{Directory, entry};
use crate::tlog::VerifierKey;
use crate::units::{DeskId, Timestamp};

/// A key of a log.
pub(super) struct LogsKey {
    /// As the directory has it.
    pub(super) key: LogKey,
    /// Its place in the succession of its log, from 1, which is the genesis's.
    pub(super) number: usize,
    /// As notes name it.
    pub(super) verifier: VerifierKey,
}

/// The keys with which the logs sign: those of the genesis, and those that records of the bundle
/// announce, each signed by the one before it.
pub(super) fn log_keys(bundle: &Bundle, founded: &Genesis) -> Result<Vec<LogsKey>, Fault> {
    let mut known = founded.log_keys.clone();
    for (number, record) in (1..).zip(&bundle.records) {
        let Some(new) = announcement(record) else { continue };
        let checked = new.check(&founded.network, founded.hash, &known);
        let file = || format!("{}/event.bin", files::place(number));
        checked.map_err(|bad| Fault::new(file(), bad))?;
        known.push(new.log_key());
    }
    let mut numbers = BTreeMap::new();
    let keys = known.into_iter().filter_map(|key| {
        let number = numbers.entry(key.log.clone()).or_insert(0);
        *number += 1;
        let verifier = log_key(&founded.network, &key)?;
        Some(LogsKey { key, number: *number, verifier })
    });
    Ok(keys.collect())
}

/// What a record of the directory's log announces.
pub(super) fn announcement(record: &Record) -> Option<Announcement> {
    if record.opening.is_some() {
        return None;
    }
    let decoded = codec::decode_event(&record.event, &record.header).ok()?;
    if let Kind::LogKeyAnnounced(new) = decoded.event.kind { Some(*new) } else { None }
}

/// The directory as the bundle shows it.
pub(super) struct Keys {
    founding: Directory,
    /// After each entry, with the moment from which on it holds, oldest first.
    later: Vec<(Timestamp, Directory)>,
}

impl Keys {
    /// That of the genesis.
    pub(super) fn of(genesis: &Genesis) -> Self {
        Self { founding: Directory::from_genesis(genesis), later: Vec::new() }
    }

    /// Takes an entry that is proven to be in the directory's log since `time`.
    pub(super) fn take(
        &mut self,
        file: &str,
        signed: &Signed,
        time: Timestamp,
    ) -> Result<(), Fault> {
        let newest = self.newest();
        let known = entry::follows(newest, &signed.entry)
            .map_err(|refusal| Fault::new(file, refusal.cause()))?;
        signed.verify(&known.national_key).map_err(|bad| Fault::new(file, bad))?;
        let mut directory = newest.clone();
        directory.add_entry(&signed.entry);
        self.later.push((time, directory));
        Ok(())
    }

    /// The newest.
    pub(super) fn newest(&self) -> &Directory {
        self.later.last().map_or(&self.founding, |(_, directory)| directory)
    }

    /// The one that held at a moment.
    pub(super) fn when(&self, at: Timestamp) -> &Directory {
        let held = self.later.iter().take_while(|(since, _)| *since <= at).last();
        held.map_or(&self.founding, |(_, directory)| directory)
    }

    /// IANA name of a desk's time zone.
    pub(super) fn zone(&self, desk: &DeskId) -> Option<&str> {
        self.newest().desk(desk).map(|desk| desk.time_zone.as_str())
    }
}
