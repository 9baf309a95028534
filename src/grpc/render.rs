//! From values to messages. Cannot refuse.
//!
//! Not for choosing what a caller may see.

use crate::codec::Head;
use crate::envelope::Signature;
use crate::identity::PeerInfo;
use crate::identity::authority::Age;
use crate::identity::trust::ListState;
use crate::relay::{DeskRecord, Item, Published, Submitted};
use crate::rules::Directory;
use crate::rules::member::{Desk, Member, Officer};
use crate::units::{DeskId, Hash, MemberId, Name, Timestamp};
use crate::views::RequestRow;
use crate::wire::detente::operator::v1 as operator;
use crate::wire::detente::{desk::v1 as desk, directory::v1 as directory, log::v1 as log};

pub(super) const fn submitted(submitted: Submitted) -> desk::SubmitResponse {
    let Submitted { index, time, repeat } = submitted;
    desk::SubmitResponse { index: index.0, time_ms: time.0, repeat }
}

pub(super) fn item(item: Item) -> desk::FollowResponse {
    let item = match item {
        Item::Record(found) => desk::follow_response::Item::Record(record(&found)),
        Item::Beat { time, next } => desk::follow_response::Item::Beat(desk::Beat {
            time_ms: time.0,
            next_desk_index: next.0,
        }),
    };
    desk::FollowResponse { item: Some(item) }
}

pub(super) fn record(found: &DeskRecord) -> desk::DeskRecord {
    let DeskRecord { desk_index, record } = found;
    desk::DeskRecord {
        desk_index: desk_index.0,
        index: record.index.0,
        event: record.event_bytes.clone(),
        header: record.header.clone(),
        signatures: record.signatures.iter().map(Signature::to_wire).collect(),
        leaf: Some(desk::LeafOpening {
            log: record.leaf.log.as_str().to_owned(),
            index: record.leaf.index,
            opening: record.leaf.opening.map(|opening| opening.to_vec()).unwrap_or_default(),
        }),
    }
}

pub(super) fn request(row: &RequestRow) -> desk::RequestStatus {
    let RequestRow { request, opened_index: _, newest_index, estimated, times } = row;
    let ms = |at: Option<Timestamp>| at.map_or(0, |at| at.0);
    desk::RequestStatus {
        name: format!("requests/{}", request.id),
        case_id: request.case.0.to_vec(),
        from: request.from.to_string(),
        to: request.to.to_string(),
        r#type: request.facts.kind.to_string(),
        instrument: request.facts.instrument.to_string(),
        urgency: request.facts.urgency.to_string(),
        test: request.facts.test,
        exercise: request.facts.exercise,
        submitted_ms: request.submitted.0,
        transport: request.transport().stage().as_str().to_owned(),
        handling: request.handling.as_str().to_owned(),
        measure: request.measure.as_str().to_owned(),
        follow_up: request.follow_up.as_str().to_owned(),
        acknowledged_ms: ms(times.acknowledged),
        estimated_ms: ms(*estimated),
        preserved_until_ms: ms(row.preserved_until()),
        newest_index: newest_index.0,
    }
}

pub(super) fn member(all: &Directory, id: MemberId, member: &Member) -> directory::Member {
    let Member { status, display_name, ca, national_key: _, instruments, preservation_days_min } =
        member;
    directory::Member {
        name: format!("members/{id}"),
        display_name: display_name.clone(),
        status: status.as_str().to_owned(),
        instruments: instruments.iter().map(ToString::to_string).collect(),
        preservation_days_min: *preservation_days_min,
        ca_sha256: ca.iter().map(|der| Hash::of(&[der]).0.to_vec()).collect(),
        desks: all
            .desks()
            .filter(|(desk, _)| desk.member == id)
            .map(|(id, desk)| desk_of(id, desk))
            .collect(),
    }
}

fn desk_of(id: &DeskId, desk: &Desk) -> directory::Desk {
    let Desk { organisation, time_zone, languages, desk_key: _, encryption_keys, officers } = desk;
    directory::Desk {
        name: format!("members/{}/desks/{}", id.member, id.name),
        organisation: organisation.clone(),
        time_zone: time_zone.clone(),
        languages: languages.clone(),
        officers: officers.iter().map(|(name, officer)| officer_of(name, officer)).collect(),
        encryption_key_ids: encryption_keys.iter().map(|key| key.id.0.to_vec()).collect(),
    }
}

fn officer_of(name: &Name, officer: &Officer) -> directory::Officer {
    let Officer { key, roles, from: _, until: _ } = officer;
    directory::Officer {
        name: name.to_string(),
        roles: roles.iter().map(ToString::to_string).collect(),
        key_id: key.id().0.to_vec(),
    }
}

pub(super) fn heads(published: &Published) -> log::GetHeadsResponse {
    let heads = published.heads();
    let head = |log: &str, head: Head| log::Head {
        log: log.to_owned(),
        size: head.size,
        root: head.root.0.to_vec(),
    };
    log::GetHeadsResponse {
        heads: vec![head("directory", heads.directory), head("traffic", heads.traffic)],
        next_index: published.next_index().0,
    }
}

pub(super) fn connection(peer: &PeerInfo, following: bool) -> operator::Connection {
    operator::Connection {
        desk: peer.caller.desk.to_string(),
        since_ms: peer.since.0,
        certificate_until_ms: peer.not_after.0,
        certificate_serial: peer.serial_hex(),
        key_exchange: peer.key_exchange.clone(),
        following,
    }
}

pub(super) fn revocation_list(list: &ListState) -> operator::RevocationList {
    let ListState { member, this_update, next_update, age } = list;
    let state = match age {
        Age::Ok => "OK",
        Age::Half => "HALF",
        Age::Late => "LATE",
        Age::Due => "DUE",
        Age::Grace => "GRACE",
        Age::Expired => "EXPIRED",
        Age::Missing => "MISSING",
    };
    operator::RevocationList {
        member: member.to_string(),
        this_update_ms: this_update.map_or(0, |at| at.0),
        next_update_ms: next_update.map_or(0, |at| at.0),
        state: state.to_owned(),
    }
}
