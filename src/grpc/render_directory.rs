//! From what the directory says to messages. Cannot refuse.
//!
//! Not for choosing what a caller may see.

use crate::envelope::entry::Language;
use crate::relay::{DirectoryItem, DirectoryRecord};
use crate::units::Hash;
use crate::views::{DeskRow, EntryRow, MemberRow};
use crate::wire::detente::directory::v1 as directory;
use crate::wire::detente::envelope::v1 as envelope;

pub(super) fn item(item: DirectoryItem) -> directory::FollowEntriesResponse {
    use directory::follow_entries_response::Item;
    let item = match item {
        DirectoryItem::Record(found) => Item::Record(record(*found)),
        DirectoryItem::Beat { time, next } => {
            Item::Beat(directory::DirectoryBeat { time_ms: time.0, next_leaf_index: next })
        }
    };
    directory::FollowEntriesResponse { item: Some(item) }
}

fn record(found: DirectoryRecord) -> directory::DirectoryRecord {
    let DirectoryRecord { record, restricted, erased } = found;
    directory::DirectoryRecord {
        leaf_index: record.leaf.index,
        index: record.index.0,
        event: record.event_bytes,
        restricted,
        restricted_erased: erased,
    }
}

pub(super) fn version(version: u64, row: &EntryRow) -> directory::EntryVersion {
    let EntryRow { index, leaf, time, hash: Hash(sha256) } = row;
    directory::EntryVersion {
        version,
        time_ms: time.0,
        index: index.0,
        leaf_index: *leaf,
        sha256: sha256.to_vec(),
    }
}

pub(super) fn listing(member: &MemberRow, desk: &DeskRow) -> directory::DeskListing {
    let facts = desk.facts.as_ref();
    let genesis_language =
        |tag: &String| envelope::EntryLanguage { tag: tag.clone(), ..Default::default() };
    directory::DeskListing {
        desk: format!("{}/{}", member.id, desk.name),
        member_name: member.display_name.clone(),
        version: member.version,
        changed_ms: member.changed.0,
        organisation: desk.organisation.clone(),
        unit: facts.map(|facts| facts.unit.clone()).unwrap_or_default(),
        kind: facts.map(|facts| facts.kind.to_string()).unwrap_or_default(),
        roles: facts.map(|facts| texts(&facts.roles)).unwrap_or_default(),
        executes: facts.map(|facts| texts(&facts.executes)).unwrap_or_default(),
        hours: Some(match facts {
            Some(facts) => facts.hours.to_wire(),
            None => envelope::EntryHours {
                time_zone: desk.time_zone.clone(),
                ..envelope::EntryHours::default()
            },
        }),
        languages: match facts {
            Some(facts) => facts.languages.iter().map(Language::to_wire).collect(),
            None => desk.languages.iter().map(genesis_language).collect(),
        },
        formal_confirmation_required: facts.is_some_and(|facts| facts.formal_confirmation_required),
        instruments: texts(&member.instruments),
        preservation_days_min: member.preservation_days_min,
        preservation_days_max: member.preservation_days_max.unwrap_or(0),
    }
}

fn texts<T: ToString>(words: &[T]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}
