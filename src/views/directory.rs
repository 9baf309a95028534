//! The members and their desks, as anybody in the network may see them.
//!
//! Not what the rules go by (see `rules::Directory`): keys stand here as ids, to be compared, not
//! to be used.

use serde::{Deserialize, Serialize};

use crate::codec::Record;
use crate::envelope::entry::words::{DeskKind, DeskRole};
use crate::envelope::entry::{Entry, EntryDesk, Hours, Language};
use crate::envelope::genesis::{FoundingDesk, FoundingMember, FoundingOfficer};
use crate::envelope::words::{Instrument, RequestType, Role};
use crate::rules::Status;
use crate::rules::event::Kind;
use crate::units::{Hash, Index, MemberId, Name, Timestamp};

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// Its id.
    pub id: MemberId,
    /// Its name, for people.
    pub display_name: String,
    /// Where it stands.
    pub status: Status,
    /// The version of its newest entry; 0 as long as only the genesis speaks of it.
    pub version: u64,
    /// When it last changed: record time.
    pub changed: Timestamp,
    /// Declared instruments.
    pub instruments: Vec<Instrument>,
    /// How long it preserves when asked, at least, in days.
    pub preservation_days_min: u32,
    /// How long at most, in days; none where its law has no maximum, or it has not said.
    pub preservation_days_max: Option<u32>,
    /// SHA-256 of each certificate (DER) of its own authority.
    pub ca_sha256: Vec<Hash>,
    /// Its desks, by name.
    pub desks: Vec<DeskRow>,
}

/// A desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskRow {
    /// Its name.
    pub name: Name,
    /// Organisation.
    pub organisation: String,
    /// IANA time zone.
    pub time_zone: String,
    /// BCP 47 tags, most preferred first.
    pub languages: Vec<String>,
    /// Officers, by name.
    pub officers: Vec<OfficerRow>,
    /// Ids of the keys to which bodies are sealed.
    pub encryption_key_ids: Vec<Hash>,
    /// What the nation's entry says beyond the genesis; none before the first entry.
    pub facts: Option<DeskFacts>,
}

/// What only an entry says of a desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskFacts {
    /// Unit within the organisation; may be empty.
    pub unit: String,
    /// What sort of body it belongs to.
    pub kind: DeskKind,
    /// What it is there for.
    pub roles: Vec<DeskRole>,
    /// What it may carry out by itself.
    pub executes: Vec<RequestType>,
    /// When somebody is there.
    pub hours: Hours,
    /// Languages with their levels, most preferred first.
    pub languages: Vec<Language>,
    /// Requests have to be confirmed formally.
    pub formal_confirmation_required: bool,
}

/// Where an entry, or the genesis, stands: one row for each version of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRow {
    /// Its record.
    pub index: Index,
    /// Its leaf in the directory log.
    pub leaf: u64,
    /// Record time.
    pub time: Timestamp,
    /// Hash of the entry, or of the genesis.
    pub hash: Hash,
}

/// An officer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfficerRow {
    /// Name.
    pub name: Name,
    /// What they may sign.
    pub roles: Vec<Role>,
    /// Id of the signing key.
    pub key_id: Hash,
}

/// The rows that a record makes or replaces.
pub fn fold(record: &Record) -> Vec<MemberRow> {
    rows(&record.event.kind, record.time)
}

/// The rows that an event makes or replaces, recorded at `time`.
pub fn rows(kind: &Kind, time: Timestamp) -> Vec<MemberRow> {
    match kind {
        Kind::Founded(genesis) => genesis.members.iter().map(|one| member(one, time)).collect(),
        Kind::EntryPublished(entry) => vec![of_entry(entry, time)],
        Kind::Accepted(_)
        | Kind::EmbargoEnded(_)
        | Kind::Offered { .. }
        | Kind::OfferFailed { .. }
        | Kind::HandedOver { .. }
        | Kind::PreservationExpired { .. }
        | Kind::BodyErased { .. }
        | Kind::TailTruncated { .. }
        | Kind::ClockStepped { .. }
        | Kind::ClockConfirmed { .. }
        | Kind::Padded => Vec::new(),
        Kind::LogKeyAnnounced(_) => Vec::new(),
    }
}

/// The versions that a record adds, by member and version.
pub fn versions(record: &Record) -> Vec<(MemberId, u64, EntryRow)> {
    let row =
        |hash| EntryRow { index: record.index, leaf: record.leaf.index, time: record.time, hash };
    match &record.event.kind {
        Kind::Founded(genesis) => {
            genesis.members.iter().map(|member| (member.id, 0, row(genesis.hash))).collect()
        }
        Kind::EntryPublished(entry) => vec![(entry.member, entry.version, row(entry.hash))],
        Kind::Accepted(_)
        | Kind::EmbargoEnded(_)
        | Kind::Offered { .. }
        | Kind::OfferFailed { .. }
        | Kind::HandedOver { .. }
        | Kind::PreservationExpired { .. }
        | Kind::BodyErased { .. }
        | Kind::TailTruncated { .. }
        | Kind::ClockStepped { .. }
        | Kind::ClockConfirmed { .. }
        | Kind::Padded => Vec::new(),
        Kind::LogKeyAnnounced(_) => Vec::new(),
    }
}

/// An entry as a row. Every member is active so far; other stages come with their own records.
fn of_entry(entry: &Entry, time: Timestamp) -> MemberRow {
    MemberRow {
        id: entry.member,
        display_name: entry.display_name.clone(),
        status: Status::Active,
        version: entry.version,
        changed: time,
        instruments: entry.instruments.clone(),
        preservation_days_min: entry.preservation_days_min,
        preservation_days_max: entry.preservation_days_max,
        ca_sha256: entry.ca.iter().map(|der| Hash::of(&[der])).collect(),
        desks: entry.desks.iter().map(desk_of_entry).collect(),
    }
}

fn desk_of_entry(desk: &EntryDesk) -> DeskRow {
    let EntryDesk {
        name,
        organisation,
        unit,
        kind,
        roles,
        executes,
        hours,
        languages,
        formal_confirmation_required,
        desk_key: _,
        encryption_keys,
        officers,
        restricted: _,
        witness_key: _,
    } = desk;
    DeskRow {
        name: name.clone(),
        organisation: organisation.clone(),
        time_zone: hours.time_zone.clone(),
        languages: languages.iter().map(|language| language.tag.clone()).collect(),
        officers: officers.iter().map(officer).collect(),
        encryption_key_ids: encryption_keys.iter().map(|key| key.id).collect(),
        facts: Some(DeskFacts {
            unit: unit.clone(),
            kind: *kind,
            roles: roles.clone(),
            executes: executes.clone(),
            hours: hours.clone(),
            languages: languages.clone(),
            formal_confirmation_required: *formal_confirmation_required,
        }),
    }
}

fn member(member: &FoundingMember, time: Timestamp) -> MemberRow {
    let FoundingMember {
        id,
        display_name,
        ca,
        national_key: _,
        instruments,
        preservation_days_min,
        desks,
    } = member;
    MemberRow {
        id: *id,
        display_name: display_name.clone(),
        status: Status::Active,
        version: 0,
        changed: time,
        instruments: instruments.clone(),
        preservation_days_min: *preservation_days_min,
        preservation_days_max: None,
        ca_sha256: ca.iter().map(|der| Hash::of(&[der])).collect(),
        desks: desks.iter().map(desk).collect(),
    }
}

fn desk(desk: &FoundingDesk) -> DeskRow {
    let FoundingDesk {
        name,
        organisation,
        time_zone,
        languages,
        desk_key: _,
        encryption_keys,
        officers,
        witness_key: _,
    } = desk;
    DeskRow {
        name: name.clone(),
        organisation: organisation.clone(),
        time_zone: time_zone.clone(),
        languages: languages.clone(),
        officers: officers.iter().map(officer).collect(),
        encryption_key_ids: encryption_keys.iter().map(|key| key.id).collect(),
        facts: None,
    }
}

fn officer(officer: &FoundingOfficer) -> OfficerRow {
    let FoundingOfficer { name, key, roles, from: _, until: _ } = officer;
    OfficerRow { name: name.clone(), roles: roles.clone(), key_id: key.id() }
}
