//! A nation's entry: may it be published now, and does it follow the one before?
//!
//! Not for the form of its fields (see `envelope::entry`), and not for its signature, which is
//! verified before with the national key. A desk runs [`follows`] on what its relay hands on, and
//! believes nothing else.
//!
//! ```text
//!   genesis (version 0) <-- entry 1 <-- entry 2 <-- ...      each names the hash of the one before
//! ```
//!
//! An entry replaces the whole of the one before. Only the desks that it leaves out stay known, as
//! retired: they finish what is open and neither make nor take a new request. National key and
//! authorities are those of the genesis: changing them takes more than the old key's word, and
//! comes later.

use jiff::tz::TimeZoneDatabase;
use serde::{Deserialize, Serialize};

use super::check::{AHEAD_MS_MAX, LIFETIME_MS_MAX};
use super::member::{Directory, Member};
use super::refusal::Refusal;
use super::state::State;
use crate::envelope::entry::{Entry, EntryDesk};
use crate::envelope::genesis::PublicKey;
use crate::units::{DeskId, Hash, Index, MessageId, Timestamp};

/// How many entries of a member are remembered, to recognise a repeat; no more may be published
/// while all of them are still good. Ten a day for the week that an entry may be good for.
pub const ENTRIES_MAX: usize = 64;

/// The most desks of a member that are known, retired ones included: four times what it may have
/// at once, so that it can rename each of them a few times.
pub const DESKS_MAX: usize = 256;

/// An entry that was published, as far as a repeat needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Its id.
    pub message: MessageId,
    /// Its hash.
    pub hash: Hash,
    /// Its record.
    pub index: Index,
    /// Record time.
    pub time: Timestamp,
    /// Until when it was good.
    pub not_after: Timestamp,
}

/// The entry that this one repeats, if it does.
///
/// # Errors
/// [`Refusal::EntryIdReused`] when its id belongs to another.
pub(super) fn repeat<'a>(
    state: &'a State,
    entry: &Entry,
) -> Result<Option<&'a Published>, Refusal> {
    match state.published(entry.member, entry.message) {
        Some(known) if known.hash != entry.hash => {
            Err(Refusal::EntryIdReused { message: entry.message })
        }
        known => Ok(known),
    }
}

/// May this entry be published at `now`, by the desk of this connection?
///
/// # Errors
/// [`Refusal`] with the first thing that is wrong: who, time, sequence, then what it says.
pub(super) fn check(
    state: &State,
    caller: &DeskId,
    entry: &Entry,
    now: Timestamp,
) -> Result<(), Refusal> {
    let member = entry.member;
    if caller.member != member {
        return Err(Refusal::EntryOfAnother { caller: caller.clone(), member });
    }
    lawful(state.directory(), entry, now)?;
    let good = state.all_published(member).iter().filter(|known| known.not_after > now);
    if good.count() >= ENTRIES_MAX {
        return Err(Refusal::TooManyEntries { member, max: ENTRIES_MAX });
    }
    Ok(())
}

/// May this entry be published at `now`? What a desk asks before it passes one on.
///
/// # Errors
/// [`Refusal`] with the first thing that is wrong.
pub fn lawful(directory: &Directory, entry: &Entry, now: Timestamp) -> Result<(), Refusal> {
    check_time(entry, now)?;
    let known = follows(directory, entry)?;
    if !known.status.may_answer() {
        let (member, status) = (entry.member, known.status.as_str());
        return Err(Refusal::EntryNotAllowed { member, status });
    }
    for desk in &entry.desks {
        check_desk(entry, desk, now)?;
    }
    let retired = directory.desks().filter(|(id, _)| {
        id.member == entry.member && entry.desks.iter().all(|desk| desk.name != id.name)
    });
    if retired.count() + entry.desks.len() > DESKS_MAX {
        return Err(Refusal::TooManyDesks { member: entry.member, max: DESKS_MAX });
    }
    check_keys(directory, entry)
}

/// The member whose newest entry this one follows.
///
/// # Errors
/// [`Refusal`] when the member is unknown, the version or the hash is not the next, or national
/// key or authorities are others.
pub fn follows<'a>(directory: &'a Directory, entry: &Entry) -> Result<&'a Member, Refusal> {
    let member = entry.member;
    let known = directory.member(member).ok_or(Refusal::EntryOfStranger { member })?;
    let due = known.version.saturating_add(1);
    if entry.version != due {
        return Err(Refusal::EntryOutOfSequence { member, given: entry.version, due });
    }
    if entry.previous != known.entry {
        let (given, due) = (entry.previous, known.entry);
        return Err(Refusal::EntryDoesNotFollow { member, given, due });
    }
    if entry.national_key != known.national_key {
        return Err(Refusal::NationalKeyChanged { member });
    }
    if entry.ca != known.ca {
        return Err(Refusal::AuthorityChanged { member });
    }
    Ok(known)
}

fn check_time(entry: &Entry, now: Timestamp) -> Result<(), Refusal> {
    let Entry { created, not_after, .. } = *entry;
    if not_after <= now {
        return Err(Refusal::EntryStale { not_after, now });
    }
    if created > now.plus_ms(AHEAD_MS_MAX) {
        return Err(Refusal::EntryFromFuture { created, now });
    }
    let latest = created.plus_ms(LIFETIME_MS_MAX);
    if not_after > latest {
        return Err(Refusal::EntryGoodForTooLong { not_after, latest });
    }
    Ok(())
}

/// A desk can be written to and can answer, now, in a zone that programs know.
fn check_desk(entry: &Entry, desk: &EntryDesk, now: Timestamp) -> Result<(), Refusal> {
    let id = || DeskId { member: entry.member, name: desk.name.clone() };
    let valid = |from: Timestamp, until: Timestamp| from <= now && now < until;
    if !desk.encryption_keys.iter().any(|key| valid(key.from, key.until)) {
        return Err(Refusal::EntryWithoutKey { desk: id(), now });
    }
    if !desk.officers.iter().any(|officer| valid(officer.from, officer.until)) {
        return Err(Refusal::EntryWithoutOfficer { desk: id(), now });
    }
    if is_known_zone(&desk.hours.time_zone) {
        Ok(())
    } else {
        Err(Refusal::UnknownTimeZone { desk: id(), zone: desk.hours.time_zone.clone() })
    }
}

/// True when the time zone database of this program has the zone.
pub fn is_known_zone(name: &str) -> bool {
    TimeZoneDatabase::bundled().get(name).is_ok()
}

/// No other member's key is claimed. Within the entry each stands once, by its form.
fn check_keys(directory: &Directory, entry: &Entry) -> Result<(), Refusal> {
    let member = entry.member;
    let taken = |id: Hash| Err(Refusal::KeyOfAnother { member, key: id });
    let signers: Vec<&PublicKey> = entry
        .desks
        .iter()
        .flat_map(|desk| {
            let officers = desk.officers.iter().map(|o| &o.key);
            std::iter::once(&desk.desk_key).chain(&desk.witness_key).chain(officers)
        })
        .collect();
    for (id, other) in directory.members().filter(|(id, _)| *id != member) {
        if signers.contains(&&other.national_key) {
            return taken(other.national_key.id());
        }
        for (_, desk) in directory.desks().filter(|(desk, _)| desk.member == id) {
            let officers = desk.officers.values().map(|o| &o.key);
            let mut keys = std::iter::once(&desk.desk_key).chain(&desk.witness_key).chain(officers);
            if let Some(key) = keys.find(|key| signers.contains(key)) {
                return taken(key.id());
            }
            let sealing = entry.desks.iter().flat_map(|desk| &desk.encryption_keys);
            if let Some(key) = sealing
                .into_iter()
                .find(|key| desk.encryption_keys.iter().any(|theirs| theirs.id == key.id))
            {
                return taken(key.id);
            }
        }
    }
    Ok(())
}
