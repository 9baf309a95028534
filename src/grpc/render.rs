//! From values to messages. Cannot refuse.
//!
//! Not for choosing what a caller may see.

use crate::codec::{Head, Leaf};
use crate::envelope::Signature;
use crate::identity::PeerInfo;
use crate::identity::authority::Age;
use crate::identity::trust::ListState;
use crate::relay::{DeskRecord, Item, Proof, Published, Receipt, Submitted};
use crate::rules::Directory;
use crate::rules::member::{Desk, Member, Officer};
use crate::units::{DeskId, Hash, MemberId, Name, Timestamp};
use crate::views::RequestRow;
use crate::wire::detente::operator::v1 as operator;
use crate::wire::detente::{desk::v1 as desk, directory::v1 as directory, log::v1 as log};

pub(super) fn submitted(submitted: Submitted) -> desk::SubmitResponse {
    let Submitted { index, time, repeat, receipt } = submitted;
    let receipt = receipt.map(|Receipt { leaf, hashes, checkpoint, event }| desk::Receipt {
        leaf: Some(leaf_opening(&leaf)),
        hashes: self::hashes(&hashes),
        checkpoint: checkpoint.to_string(),
        event,
    });
    desk::SubmitResponse { index: index.0, time_ms: time.0, repeat, receipt }
}

fn leaf_opening(leaf: &Leaf) -> desk::LeafOpening {
    desk::LeafOpening {
        log: leaf.log.as_str().to_owned(),
        index: leaf.index,
        opening: leaf.opening.map(|opening| opening.to_vec()).unwrap_or_default(),
    }
}

pub(super) fn hashes(hashes: &[Hash]) -> Vec<Vec<u8>> {
    hashes.iter().map(|hash| hash.0.to_vec()).collect()
}

pub(super) fn proof(proof: Proof) -> log::GetProofResponse {
    let Proof { hashes, checkpoint, tree_size } = proof;
    let checkpoint = checkpoint.map(|note| note.to_string()).unwrap_or_default();
    log::GetProofResponse { hashes: self::hashes(&hashes), checkpoint, tree_size }
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
        leaf: Some(leaf_opening(&record.leaf)),
    }
}

pub(super) fn request(row: &RequestRow) -> desk::RequestStatus {
    let RequestRow { request, opened_index: _, newest_index, estimated, times, clocks: _ } = row;
    let ms = |at: Option<Timestamp>| at.map_or(0, |at| at.0);
    desk::RequestStatus {
        name: format!("requests/{}", request.id),
        case_id: request.case.0.to_vec(),
        from: request.from.to_string(),
        to: request.to.to_string(),
        r#type: request.facts.kind.to_string(),
        instrument: request.facts.instrument.to_string(),
        urgency: request.grade.urgency.to_string(),
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
        stated_urgency: request.facts.urgency.to_string(),
        regraded: request.grade.regraded,
        conditions: request.conditions.as_str().to_owned(),
        embargo_until_ms: ms(request.embargo_ends_at()),
        parent_request_id: request.facts.parent.map(|id| id.0.to_vec()).unwrap_or_default(),
        use_report: request.aftermath.use_report.as_str().to_owned(),
        feedback: request.aftermath.feedback,
        incidents: request.aftermath.incidents,
    }
}

pub(super) fn member(all: &Directory, id: MemberId, member: &Member) -> directory::Member {
    let Member {
        status,
        display_name,
        ca,
        national_key: _,
        instruments,
        preservation_days_min,
        version,
        entry: _,
    } = member;
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
        version: *version,
    }
}

fn desk_of(id: &DeskId, desk: &Desk) -> directory::Desk {
    let Desk {
        organisation,
        time_zone,
        languages,
        desk_key: _,
        encryption_keys,
        officers,
        witness_key: _,
        retired,
    } = desk;
    directory::Desk {
        name: format!("members/{}/desks/{}", id.member, id.name),
        organisation: organisation.clone(),
        time_zone: time_zone.clone(),
        languages: languages.clone(),
        officers: officers.iter().map(|(name, officer)| officer_of(name, officer)).collect(),
        encryption_key_ids: encryption_keys.iter().map(|key| key.id.0.to_vec()).collect(),
        retired: *retired,
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
