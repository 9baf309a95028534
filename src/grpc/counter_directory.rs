//! What officers ask of the directory at the counter.
//!
//! Not for what is published (see `desk/contacts.rs`): everything here is answered from the desk's
//! own disk, also while the relay is not there; only publishing needs it.

use std::time::Duration;

use tokio::time::timeout;
use tonic::Status;

use super::client::RelayClient;
use super::counter_status::{relayed, status};
use super::parse::{self, Page, Which};
use super::trouble::Trouble;
use super::{counter_parse, page, read_directory, render_directory};
use crate::codec;
use crate::desk::{Contact, Desk, Error, Local, Version};
use crate::envelope::entry::words::DeskRole;
use crate::envelope::entry::{Signed, restricted};
use crate::envelope::words::Urgency;
use crate::rules;
use crate::units::{DeskId, MemberId, Timestamp};
use crate::views::call::{self, Advice, Closed, Presence};
use crate::views::{DeskRow, EntryRow, MemberRow};
use crate::wire::detente::desk::v1 as wire;

/// Publishes an entry that is good as far as this desk can tell, and waits a while for it to come
/// back with the directory's stream, so that whoever published it sees it.
pub(super) async fn publish(
    desk: &Desk,
    relay: &RelayClient,
    request: wire::PublishEntryRequest,
    wait: Duration,
) -> Result<wire::PublishEntryResponse, Status> {
    let wire::PublishEntryRequest { envelope } = request;
    let envelope =
        envelope.ok_or_else(|| status(&counter_parse::malformed("envelope", "there is none")))?;
    let read = Signed::from_wire(envelope)
        .map_err(|malformed| status(&Error::Malformed(vec![malformed])))?;
    check(desk, &read).map_err(|error| status(&error))?;
    desk.note_publishing(read.entry.hash).await.map_err(|error| status(&error))?;
    let sent = timeout(wait, relay.publish(&read)).await;
    let recorded = match sent {
        Ok(Ok(recorded)) => recorded,
        Ok(Err(failure)) => return Err(relayed(&failure)),
        Err(_elapsed) => return Err(status(&Error::Local(Local::PublicationUnknown))),
    };
    let version = read.entry.version;
    let (member, wait) = (read.entry.member, wait.min(Duration::from_secs(2)));
    // It is published whether or not it has come back by then.
    let _late = timeout(wait, async {
        let known = |file: &crate::desk::CaseFile| {
            file.contacts().member(member).is_some_and(|contact| contact.row.version >= version)
        };
        desk.changes().wait_for(|published| known(&published.file)).await.map(drop)
    })
    .await;
    let crate::grpc::client::Recorded { index, time, repeat, receipt: _ } = recorded;
    Ok(wire::PublishEntryResponse { version, index: index.0, time_ms: time.0, repeat })
}

/// The rules' own check, so that what they refuse is said without the relay. A repeat is for the
/// relay to recognise.
fn check(desk: &Desk, read: &Signed) -> Result<(), Error> {
    let file = desk.file();
    let (entry, owner) = (&read.entry, file.owner());
    if entry.member != owner.member {
        let (caller, member) = (owner.clone(), entry.member);
        return Err(rules::Refusal::EntryOfAnother { caller, member }.into());
    }
    let known = file.contacts().member(entry.member);
    if known.is_some_and(|known| known.versions.iter().any(|v| v.hash == entry.hash)) {
        return Ok(());
    }
    rules::entry::lawful(file.directory(), entry, desk.now())?;
    let known = file.directory().member(entry.member);
    let signed = known.is_some_and(|known| read.verify(&known.national_key).is_ok());
    if signed {
        Ok(())
    } else {
        Err(rules::Refusal::EntryNotSigned { member: entry.member }.into())
    }
}

/// One version of an entry.
pub(super) async fn entry(
    desk: &Desk,
    request: wire::GetEntryRequest,
) -> Result<wire::GetEntryResponse, Status> {
    let wire::GetEntryRequest { member, version, as_of_ms } = request;
    let which = parse::which(version, as_of_ms).map_err(Trouble::status)?;
    let contact = contact(desk, &member)?;
    let found = match which {
        Which::Newest => contact.versions.last().map(|at| (contact.row.version, at)),
        Which::AsOf(at) => contact.version_at(at),
        Which::Version(number) => contact.version(number).map(|at| (number, at)),
    };
    let (number, at) = found.ok_or_else(|| {
        Trouble::UnknownResource(format!("members/{member} of that version")).status()
    })?;
    let version = Some(render_directory::version(number, &row(at)));
    let Some(place) = at.place else {
        let entry = Some(contact.founding.to_wire());
        return Ok(wire::GetEntryResponse { version, entry, ..Default::default() });
    };
    let (event, restricted) = desk.entry_at(place).await.map_err(|error| status(&error))?;
    let read = codec::decode_entry(&event).ok().flatten();
    let read = read.ok_or_else(|| status(&Error::Fault("a kept entry is damaged".to_owned())))?;
    Ok(wire::GetEntryResponse {
        version,
        entry: Some(read.entry.to_wire()),
        signed_entry: read.to_bytes(),
        restricted,
    })
}

/// A page of the versions of a member's entry.
pub(super) fn versions(
    desk: &Desk,
    request: wire::ListEntryVersionsRequest,
) -> Result<wire::ListEntryVersionsResponse, Status> {
    let wire::ListEntryVersionsRequest { member, page_size, page_token } = request;
    let contact = contact(desk, &member)?;
    let query = format!("versions {member}");
    let size = page::size(page_size).map_err(Trouble::status)?;
    let from: Option<u64> = page::place(&query, &page_token).map_err(Trouble::status)?;
    let from = from.unwrap_or(0);
    let mut rest = (0..).zip(contact.versions.iter()).filter(|(number, _)| *number >= from);
    let page: Vec<_> = rest.by_ref().take(size).collect();
    let next = rest.next().map(|(number, _)| page::token(&query, &number.to_string()));
    Ok(wire::ListEntryVersionsResponse {
        versions: page.iter().map(|(n, at)| render_directory::version(*n, &row(at))).collect(),
        next_page_token: next.unwrap_or_default(),
    })
}

/// A page of the desks that are looked for.
pub(super) fn search(
    desk: &Desk,
    request: wire::SearchDesksRequest,
) -> Result<wire::SearchDesksResponse, Status> {
    let wire::SearchDesksRequest { search } = request;
    let (search, query, page): (_, _, Page) =
        parse::search_desks(search.unwrap_or_default()).map_err(Trouble::status)?;
    let file = desk.file();
    let members: Vec<MemberRow> =
        file.contacts().members().map(|contact| contact.row.clone()).collect();
    let found = read_directory::found(&members, &search, &query, page).map_err(Trouble::status)?;
    Ok(wire::SearchDesksResponse { desks: found.desks, next_page_token: found.next_page_token })
}

/// Whom to call.
pub(super) fn call(
    desk: &Desk,
    request: wire::GetCallAdviceRequest,
) -> Result<wire::GetCallAdviceResponse, Status> {
    let wire::GetCallAdviceRequest { desk: asked, urgency, at_ms } = request;
    let bad = |field: &str, why: String| status(&counter_parse::malformed(field, &why));
    let urgency = match urgency.as_str() {
        "" => Urgency::Urgent,
        word => word.parse().map_err(|e: crate::units::Unreadable| bad("urgency", e.why))?,
    };
    let at = match at_ms {
        0 => desk.now(),
        ms => Timestamp::from_ms(ms).map_err(|error| bad("at_ms", error.why))?,
    };
    let (member, name) = match asked.split_once('/') {
        Some((member, name)) => (member, Some(name)),
        None => (asked.as_str(), None),
    };
    let contact = contact(desk, member)?;
    let wanted = |row: &&DeskRow| name.is_none_or(|name| row.name.as_str() == name);
    let mut rows: Vec<&DeskRow> = contact.row.desks.iter().filter(wanted).collect();
    if rows.is_empty() {
        return Err(Trouble::UnknownResource(format!("desk {asked}")).status());
    }
    let around_the_clock = |row: &DeskRow| {
        row.facts.as_ref().is_some_and(|facts| facts.roles.contains(&DeskRole::Operational247))
    };
    rows.sort_by_key(|row| !around_the_clock(row));
    let here = here(desk, at);
    let advice = |row: &DeskRow| advise(&contact, row, at, urgency, here.clone());
    Ok(wire::GetCallAdviceResponse { advice: rows.into_iter().map(advice).collect() })
}

fn advise(
    contact: &Contact,
    row: &DeskRow,
    at: Timestamp,
    urgency: Urgency,
    here: Option<wire::LocalTime>,
) -> wire::CallAdvice {
    let published = call::Published {
        hours: row.facts.as_ref().map(|facts| &facts.hours),
        time_zone: &row.time_zone,
        restricted: contact.restricted.get(&row.name),
        changed: contact.row.changed,
    };
    let advice = call::advise(&published, at, urgency);
    let Advice { now, there, day_off, presence, channels, confirmation, changed, sentence } =
        advice;
    let (word, closed, opens) = match presence {
        Presence::Staffed => ("STAFFED", day_off, None),
        Presence::Open => ("OPEN", None, None),
        Presence::Duty(closed) => ("DUTY", Some(closed), None),
        Presence::Nobody { closed, opens } => ("NOBODY", Some(closed), opens),
        Presence::Unknown => ("UNKNOWN", None, None),
    };
    wire::CallAdvice {
        desk: DeskId { member: contact.row.id, name: row.name.clone() }.to_string(),
        member_name: contact.row.display_name.clone(),
        sentence,
        at_ms: now.0,
        there: there.map(|local| local_time(local, &row.time_zone)),
        here,
        presence: word.to_owned(),
        closed_because: closed.as_ref().map(Closed::phrase).unwrap_or_default(),
        opens_ms: opens.map_or(0, |at| at.0),
        channels: channels.iter().map(restricted::Channel::to_wire).collect(),
        confirmation_contact: confirmation.as_ref().map(restricted::Person::to_wire),
        version: contact.row.version,
        changed_ms: changed.0,
    }
}

/// The time at this desk.
fn here(desk: &Desk, at: Timestamp) -> Option<wire::LocalTime> {
    let file = desk.file();
    let zone = file.directory().desk(file.owner())?.time_zone.clone();
    Some(local_time(call::Local::in_zone(at, &zone)?, &zone))
}

fn local_time(local: call::Local, zone: &str) -> wire::LocalTime {
    let call::Local { date, time, minute: _, weekday, offset } = local;
    let (time_zone, weekday) = (zone.to_owned(), weekday.to_string());
    wire::LocalTime { time_zone, date, time, weekday, offset }
}

fn contact(desk: &Desk, member: &str) -> Result<std::sync::Arc<Contact>, Status> {
    let id: MemberId = member.parse().map_err(|error: crate::units::Unreadable| {
        status(&counter_parse::malformed("member", &error.why))
    })?;
    let known = desk.file().contacts().member(id).cloned();
    known.ok_or_else(|| Trouble::UnknownResource(format!("members/{id}")).status())
}

const fn row(at: &Version) -> EntryRow {
    let Version { time, index, leaf, hash, place: _ } = *at;
    EntryRow { index, leaf, time, hash }
}
