//! Erasing on the operator's order: which bodies a request has, which entries have a restricted
//! part, and one erasure after another.
//!
//! Not for the erasure itself: a record first, then zeroes, and that is the relay's.

use tonic::Status;

use super::parse::{Erasable, Erasure};
use super::read::{blocking, fault, newest};
use super::trouble::Trouble;
use super::{read, status};
use crate::relay::{BodyPlace, Relay};
use crate::rules::ErasureReason;
use crate::rules::event::Kind;
use crate::units::{MemberId, MessageId, RequestId};
use crate::wire::detente::operator::v1 as wire;

/// Versions of an entry that are read at once.
const VERSIONS: usize = 100;

/// Erases what is named, or only says what that is.
pub(super) async fn erase(
    relay: &Relay,
    erasure: Erasure,
) -> Result<Vec<wire::ErasedBody>, Status> {
    let Erasure { what, reason, validate_only } = erasure;
    let reason = (!validate_only).then_some(reason);
    match what {
        Erasable::Bodies(request, message) => bodies(relay, request, message, reason).await,
        Erasable::Entries(member, version) => entries(relay, member, version, reason).await,
    }
}

async fn bodies(
    relay: &Relay,
    request: RequestId,
    message: Option<MessageId>,
    reason: Option<ErasureReason>,
) -> Result<Vec<wire::ErasedBody>, Status> {
    let mut places = read::bodies_of(relay, request).await?;
    places.retain(|place| message.is_none_or(|message| place.statement.message == message));
    if places.is_empty() {
        let what = message.map_or_else(String::new, |id| format!("/statements/{id} with a body"));
        return Err(Trouble::UnknownResource(format!("requests/{request}{what}")).status());
    }
    for place in places.iter().filter(|place| !place.erased) {
        let Some(reason) = reason else { break };
        let erased = relay.erase(place, reason).await;
        let record = erased.map_err(|error| status::relay(&error))?.index;
        let message = place.statement.message;
        tracing::warn!(%message, ?reason, %record, "a body is erased on the operator's order");
    }
    Ok(places.iter().map(body).collect())
}

async fn entries(
    relay: &Relay,
    member: MemberId,
    version: Option<u64>,
    reason: Option<ErasureReason>,
) -> Result<Vec<wire::ErasedBody>, Status> {
    newest(relay).await?;
    let found = blocking(relay, move |relay| restricted_parts(relay, member, version)).await?;
    if found.is_empty() {
        let one = version.map_or_else(String::new, |version| format!("/{version}"));
        let what = format!("members/{member}/entries{one} with a restricted part");
        return Err(Trouble::UnknownResource(what).status());
    }
    for part in found.iter().filter(|part| !part.already) {
        let Some(reason) = reason else { break };
        let erased = relay.erase_restricted(crate::units::Index(part.index), reason).await;
        let record = erased.map_err(|error| status::relay(&error))?.index;
        let entry = part.act.as_str();
        tracing::warn!(%member, entry, ?reason, %record, "a restricted part is erased on order");
    }
    Ok(found)
}

/// The versions of a member's entry that have, or had, a restricted part. Blocks.
fn restricted_parts(
    relay: &Relay,
    member: MemberId,
    only: Option<u64>,
) -> Result<Vec<wire::ErasedBody>, crate::relay::Error> {
    let mut found = Vec::new();
    let mut from = only.unwrap_or(0);
    loop {
        let page = relay.tables()?.entries(member, from, VERSIONS).map_err(fault)?;
        for (version, row) in &page {
            if only.is_some_and(|only| only != *version) {
                return Ok(found);
            }
            let read = relay.read_directory_record(row.index)?;
            let Kind::EntryPublished(entry) = &read.record.event.kind else { continue };
            if read.record.body_len > 0 {
                found.push(wire::ErasedBody {
                    message_id: entry.message.0.to_vec(),
                    index: row.index.0,
                    from: member.to_string(),
                    act: format!("ENTRY {version}"),
                    bytes: read.record.body_len,
                    already: read.erased,
                });
            }
        }
        match page.last() {
            Some((version, _)) if page.len() == VERSIONS => from = version.saturating_add(1),
            Some(_) | None => return Ok(found),
        }
    }
}

fn body(place: &BodyPlace) -> wire::ErasedBody {
    let BodyPlace { index, statement, bytes, erased } = place;
    wire::ErasedBody {
        message_id: statement.message.0.to_vec(),
        index: index.0,
        from: statement.from.to_string(),
        act: statement.act.name().to_owned(),
        bytes: *bytes,
        already: *erased,
    }
}
