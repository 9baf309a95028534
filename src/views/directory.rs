//! The members and their desks, as anybody in the network may see them.
//!
//! Not what the rules go by (see `rules::Directory`): keys stand here as ids, to be compared, not
//! to be used.

use serde::{Deserialize, Serialize};

use crate::codec::Record;
use crate::envelope::genesis::{FoundingDesk, FoundingMember, FoundingOfficer};
use crate::envelope::words::{Instrument, Role};
use crate::rules::Status;
use crate::rules::event::Kind;
use crate::units::{Hash, MemberId, Name};

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// Its id.
    pub id: MemberId,
    /// Its name, for people.
    pub display_name: String,
    /// Where it stands.
    pub status: Status,
    /// Declared instruments.
    pub instruments: Vec<Instrument>,
    /// How long it preserves when asked, at least, in days.
    pub preservation_days_min: u32,
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
    match &record.event.kind {
        Kind::Founded(genesis) => genesis.members.iter().map(member).collect(),
        Kind::Accepted(_)
        | Kind::Offered { .. }
        | Kind::OfferFailed { .. }
        | Kind::HandedOver { .. }
        | Kind::PreservationExpired { .. }
        | Kind::BodyErased { .. }
        | Kind::TailTruncated { .. }
        | Kind::ClockStepped { .. } => Vec::new(),
    }
}

fn member(member: &FoundingMember) -> MemberRow {
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
        instruments: instruments.clone(),
        preservation_days_min: *preservation_days_min,
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
    } = desk;
    DeskRow {
        name: name.clone(),
        organisation: organisation.clone(),
        time_zone: time_zone.clone(),
        languages: languages.clone(),
        officers: officers.iter().map(officer).collect(),
        encryption_key_ids: encryption_keys.iter().map(|key| key.id).collect(),
    }
}

fn officer(officer: &FoundingOfficer) -> OfficerRow {
    let FoundingOfficer { name, key, roles, from: _, until: _ } = officer;
    OfficerRow { name: name.clone(), roles: roles.clone(), key_id: key.id() }
}
