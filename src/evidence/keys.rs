//! Whose keys are whose: the genesis, and after it the entries that nations have published, each
//! signed with the national key of the one before; and the keys that a log has announced since.
//!
//! Not for validity in time: an officer's key that has been replaced has signed what it signed.

use std::collections::BTreeMap;

use super::{Bundle, Fault, Record, files};
use crate::codec;
use crate::envelope::entry::Signed;
use crate::envelope::genesis::{
    Announcement, FoundingOfficer, Genesis, LogKey, PublicKey, log_key,
};
use crate::rules::event::Kind;
use crate::tlog::VerifierKey;
use crate::units::{Hash, MemberId, Name};

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

/// A key of a desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// Whose: "NL/cyber/jansen", or "NL/cyber" for the desk's machine.
    pub(super) whose: String,
    /// Its public half.
    pub(super) key: PublicKey,
}

/// The keys that may have signed statements, by id, and the time zones of desks.
pub(super) struct Keys {
    national: BTreeMap<MemberId, (u64, PublicKey)>,
    by_id: BTreeMap<Hash, Key>,
    zones: BTreeMap<String, String>,
}

impl Keys {
    /// Those of the genesis.
    pub(super) fn of(genesis: &Genesis) -> Self {
        let mut keys =
            Self { national: BTreeMap::new(), by_id: BTreeMap::new(), zones: BTreeMap::new() };
        for member in &genesis.members {
            keys.national.insert(member.id, (0, member.national_key.clone()));
            for desk in &member.desks {
                keys.add(member.id, &desk.name, &desk.time_zone, &desk.desk_key, &desk.officers);
            }
        }
        keys
    }

    /// Takes an entry that is proven to be in the directory's log.
    pub(super) fn take(&mut self, file: &str, signed: &Signed) -> Result<(), Fault> {
        let entry = &signed.entry;
        let Some((version, national)) = self.national.get(&entry.member) else {
            return Err(Fault::new(file, format!("{} is no founding member", entry.member)));
        };
        if entry.version <= *version {
            return Err(Fault::new(file, "it is no later entry than the one before it"));
        }
        signed.verify(national).map_err(|bad| Fault::new(file, bad))?;
        self.national.insert(entry.member, (entry.version, entry.national_key.clone()));
        for desk in &entry.desks {
            let zone = &desk.hours.time_zone;
            self.add(entry.member, &desk.name, zone, &desk.desk_key, &desk.officers);
        }
        Ok(())
    }

    fn add(
        &mut self,
        member: MemberId,
        desk: &Name,
        zone: &str,
        machine: &PublicKey,
        officers: &[FoundingOfficer],
    ) {
        let desk = format!("{member}/{desk}");
        self.zones.insert(desk.clone(), zone.to_owned());
        let machine = Key { whose: desk.clone(), key: machine.clone() };
        self.by_id.insert(machine.key.id(), machine);
        for FoundingOfficer { name, key, .. } in officers {
            let key = Key { whose: format!("{desk}/{name}"), key: key.clone() };
            self.by_id.insert(key.key.id(), key);
        }
    }

    pub(super) fn get(&self, id: &Hash) -> Option<&Key> {
        self.by_id.get(id)
    }

    /// IANA name of a desk's time zone.
    pub(super) fn zone(&self, desk: &str) -> Option<&str> {
        self.zones.get(desk).map(String::as_str)
    }
}
