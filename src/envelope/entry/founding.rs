//! What the genesis says of a member, in the form of an entry: version 0.
//!
//! Not signed as an entry, and never published: the first entry a nation publishes is version 1.
//! What a genesis does not say is filled in with the least that can be promised.

use super::words::{DeskKind, DeskRole, HoursKind, LanguageLevel, Weekday};
use super::{Entry, EntryDesk, Hours, Language};
use crate::envelope::genesis::{FoundingDesk, FoundingMember, Genesis};
use crate::units::{Hash, MessageId, Timestamp};

/// The version 0 of a founding member of `genesis`.
pub fn of_founding(genesis: &Genesis, member: &FoundingMember) -> Entry {
    founding_draft(member, genesis.hash, genesis.created)
}

/// The same of a member of the genesis with this hash, drawn up at this moment.
pub fn founding_draft(member: &FoundingMember, genesis: Hash, created: Timestamp) -> Entry {
    Entry {
        hash: genesis,
        message: MessageId([0; 16]),
        member: member.id,
        version: 0,
        previous: genesis,
        created,
        not_after: created,
        display_name: member.display_name.clone(),
        instruments: member.instruments.clone(),
        preservation_days_min: member.preservation_days_min,
        preservation_days_max: None,
        ca: member.ca.clone(),
        national_key: member.national_key.clone(),
        desks: member.desks.iter().map(founding_desk).collect(),
    }
}

/// What is promised of a desk of which no more is known.
pub fn founding_desk(desk: &FoundingDesk) -> EntryDesk {
    let language =
        |tag: &String| Language { tag: tag.clone(), level: LanguageLevel::Working, formal: true };
    EntryDesk {
        name: desk.name.clone(),
        organisation: desk.organisation.clone(),
        unit: String::new(),
        kind: DeskKind::Police,
        roles: vec![DeskRole::Operational247],
        executes: Vec::new(),
        hours: Hours {
            kind: HoursKind::True247,
            time_zone: desk.time_zone.clone(),
            office: None,
            weekend: vec![Weekday::Saturday, Weekday::Sunday],
            holidays: Vec::new(),
        },
        languages: desk.languages.iter().map(language).collect(),
        formal_confirmation_required: false,
        desk_key: desk.desk_key.clone(),
        encryption_keys: desk.encryption_keys.clone(),
        officers: desk.officers.clone(),
        restricted: None,
        witness_key: desk.witness_key.clone(),
    }
}
