//! From messages to proven values, once. Whatever stands in a message is taken apart in full, so
//! that a new field does not compile until somebody has decided about it.
//!
//! Not for rules: what can be read may still be refused.

use super::page;
use super::trouble::Trouble;
use crate::codec::Log;
use crate::envelope::entry::Signed;
use crate::envelope::{Envelope, Malformed};
use crate::rules::ErasureReason;
use crate::units::{DeskIndex, Index, MemberId, MessageId, RequestId, Timestamp, Unreadable};
use crate::views::Search;
use crate::wire::detente::{desk, directory, log, operator};

/// A page of requests that is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RequestPage {
    pub(super) size: usize,
    pub(super) token: String,
    pub(super) open_only: bool,
    /// The tables must have seen this index.
    pub(super) at_least: Index,
}

/// A page of anything else.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) size: usize,
    pub(super) token: String,
}

/// A page of records that is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RecordPage {
    pub(super) page: Page,
    /// Only those about this request.
    pub(super) request: Option<RequestId>,
}

/// What is submitted.
#[derive(Debug)]
pub(super) enum Submission {
    /// A statement between desks.
    Statement(Box<Envelope>),
    /// A nation's entry in the directory.
    Entry(Box<Signed>),
}

pub(super) fn submit(message: desk::v1::SubmitRequest) -> Result<Submission, Trouble> {
    let desk::v1::SubmitRequest { envelope } = message;
    let envelope = envelope.ok_or_else(|| field("envelope", "there is none"))?;
    let read = if envelope.entry.is_empty() {
        Envelope::from_wire(envelope).map(|read| Submission::Statement(Box::new(read)))
    } else {
        Signed::from_wire(envelope).map(|read| Submission::Entry(Box::new(read)))
    };
    read.map_err(|Malformed { field, why }| Trouble::Field {
        field: format!("envelope.{field}"),
        why,
    })
}

/// Where to start, and what time it is at the desk, if it tells.
pub(super) fn follow(
    message: desk::v1::FollowRequest,
) -> Result<(DeskIndex, Option<Timestamp>), Trouble> {
    let desk::v1::FollowRequest { from_desk_index, clock_ms } = message;
    let clock = if clock_ms == 0 {
        None
    } else {
        Some(Timestamp::from_ms(clock_ms).map_err(|error| unreadable("clock_ms", error))?)
    };
    Ok((DeskIndex(from_desk_index), clock))
}

pub(super) fn get_content(message: desk::v1::GetContentRequest) -> Result<MessageId, Trouble> {
    let desk::v1::GetContentRequest { message_id } = message;
    MessageId::from_slice(&message_id).map_err(|error| unreadable("message_id", error))
}

pub(super) fn get_request_status(
    message: desk::v1::GetRequestStatusRequest,
) -> Result<(RequestId, Index), Trouble> {
    let desk::v1::GetRequestStatusRequest { name, at_least_index } = message;
    Ok((request_name("name", &name)?, Index(at_least_index)))
}

pub(super) fn list_request_statuses(
    message: desk::v1::ListRequestStatusesRequest,
) -> Result<RequestPage, Trouble> {
    let desk::v1::ListRequestStatusesRequest { page_size, page_token, open_only, at_least_index } =
        message;
    Ok(RequestPage {
        size: page::size(page_size)?,
        token: page_token,
        open_only,
        at_least: Index(at_least_index),
    })
}

pub(super) fn get_member(message: directory::v1::GetMemberRequest) -> Result<MemberId, Trouble> {
    let directory::v1::GetMemberRequest { name } = message;
    member_name(&name)
}

/// Which version of whose entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EntryAsked {
    pub(super) member: MemberId,
    pub(super) which: Which,
}

/// Which version of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// The newest.
    Newest,
    /// The newest at a moment.
    AsOf(Timestamp),
    /// The one with this number.
    Version(u64),
}

pub(super) fn get_entry(message: directory::v1::GetEntryRequest) -> Result<EntryAsked, Trouble> {
    let directory::v1::GetEntryRequest { name, version, as_of_ms } = message;
    Ok(EntryAsked { member: member_name(&name)?, which: which(version, as_of_ms)? })
}

/// Reads `version` and `as_of_ms`, of which at most one is given.
pub(super) fn which(version: Option<u64>, as_of_ms: i64) -> Result<Which, Trouble> {
    match (version, as_of_ms) {
        (None, 0) => Ok(Which::Newest),
        (Some(version), 0) => Ok(Which::Version(version)),
        (None, ms) => {
            Timestamp::from_ms(ms).map(Which::AsOf).map_err(|error| unreadable("as_of_ms", error))
        }
        (Some(_), _) => Err(field("as_of_ms", "given together with a version")),
    }
}

pub(super) const fn follow_entries(message: directory::v1::FollowEntriesRequest) -> u64 {
    let directory::v1::FollowEntriesRequest { from_leaf_index } = message;
    from_leaf_index
}

pub(super) fn list_entry_versions(
    message: directory::v1::ListEntryVersionsRequest,
) -> Result<(MemberId, Page), Trouble> {
    let directory::v1::ListEntryVersionsRequest { name, page_size, page_token } = message;
    Ok((member_name(&name)?, Page { size: page::size(page_size)?, token: page_token }))
}

/// What is looked for, the query that its page tokens belong to, and the page.
pub(super) fn search_desks(
    message: directory::v1::SearchDesksRequest,
) -> Result<(Search, String, Page), Trouble> {
    let directory::v1::SearchDesksRequest {
        member,
        role,
        language,
        executes,
        instrument,
        page_size,
        page_token,
    } = message;
    let query = format!("desks {member} {role} {language} {executes} {instrument}");
    let search = Search {
        member: word("member", &member)?,
        role: word("role", &role)?,
        language: (!language.is_empty()).then_some(language),
        executes: word("executes", &executes)?,
        instrument: word("instrument", &instrument)?,
    };
    Ok((search, query, Page { size: page::size(page_size)?, token: page_token }))
}

/// Reads a word that may be left empty.
fn word<T: std::str::FromStr<Err = Unreadable>>(
    path: &str,
    text: &str,
) -> Result<Option<T>, Trouble> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| unreadable(path, error))
}

/// Reads "members/{member's id}".
fn member_name(name: &str) -> Result<MemberId, Trouble> {
    let id = name.strip_prefix("members/").ok_or_else(|| {
        field("name", &format!("{name:?} is not members/ and a member's id (members/NL)"))
    })?;
    id.parse().map_err(|error| unreadable("name", error))
}

pub(super) fn list_members(message: directory::v1::ListMembersRequest) -> Result<Page, Trouble> {
    let directory::v1::ListMembersRequest { page_size, page_token } = message;
    Ok(Page { size: page::size(page_size)?, token: page_token })
}

pub(super) fn list_records(message: log::v1::ListRecordsRequest) -> Result<RecordPage, Trouble> {
    let log::v1::ListRecordsRequest { page_size, page_token, request } = message;
    let page = Page { size: page::size(page_size)?, token: page_token };
    let request = if request.is_empty() { None } else { Some(request_name("request", &request)?) };
    Ok(RecordPage { page, request })
}

/// Reads the name of a log.
pub(super) fn log_name(name: &str) -> Result<Log, Trouble> {
    let known = Log::ALL.into_iter().find(|log| log.as_str() == name);
    known.ok_or_else(|| field("log", &format!("{name:?} is neither directory nor traffic")))
}

pub(super) fn list_connections(
    message: operator::v1::ListConnectionsRequest,
) -> Result<Page, Trouble> {
    let operator::v1::ListConnectionsRequest { page_size, page_token } = message;
    Ok(Page { size: page::size(page_size)?, token: page_token })
}

pub(super) fn list_requests(
    message: operator::v1::ListRequestsRequest,
) -> Result<RequestPage, Trouble> {
    let operator::v1::ListRequestsRequest { page_size, page_token, open_only } = message;
    let size = page::size(page_size)?;
    Ok(RequestPage { size, token: page_token, open_only, at_least: Index(0) })
}

/// What is to be erased.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Erasable {
    /// Bodies of a request; only of one statement, where it is named.
    Bodies(RequestId, Option<MessageId>),
    /// Restricted parts of a member's entries; only of one version, where it is named.
    Entries(MemberId, Option<u64>),
}

/// What is to be erased, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Erasure {
    pub(super) what: Erasable,
    pub(super) reason: ErasureReason,
    /// Only look.
    pub(super) validate_only: bool,
}

pub(super) fn erase_bodies(message: operator::v1::EraseBodiesRequest) -> Result<Erasure, Trouble> {
    let operator::v1::EraseBodiesRequest { name, message_id, reason, validate_only } = message;
    let known = ErasureReason::ALL.into_iter().find(|known| known.as_str() == reason);
    let reason = known.ok_or_else(|| {
        field("reason", &format!("{reason:?} is neither LEGAL_ORDER nor RETENTION"))
    })?;
    let message = (!message_id.is_empty()).then(|| MessageId::from_slice(&message_id));
    let message = message.transpose().map_err(|error| unreadable("message_id", error))?;
    let what = match name.strip_prefix("members/") {
        Some(_) if message.is_some() => {
            return Err(field("message_id", "an entry is no statement: leave it empty"));
        }
        Some(entries) => entries_name(&name, entries)?,
        None => Erasable::Bodies(request_name("name", &name)?, message),
    };
    Ok(Erasure { what, reason, validate_only })
}

/// Reads what comes after "members/": "{member}/entries" or "{member}/entries/{version}".
fn entries_name(name: &str, rest: &str) -> Result<Erasable, Trouble> {
    let wrong = || field("name", &format!("{name:?} is not members/ID/entries, nor one of them"));
    let (member, version) = rest.split_once("/entries").ok_or_else(wrong)?;
    let member = member.parse().map_err(|error| unreadable("name", error))?;
    let version = match version.strip_prefix('/') {
        None if version.is_empty() => None,
        None => return Err(wrong()),
        Some(version) => Some(version.parse().map_err(|_| wrong())?),
    };
    Ok(Erasable::Entries(member, version))
}

/// Reads "requests/{request id as UUID}".
fn request_name(path: &str, name: &str) -> Result<RequestId, Trouble> {
    let id = name
        .strip_prefix("requests/")
        .ok_or_else(|| field(path, &format!("{name:?} is not requests/ and a request's UUID")))?;
    id.parse().map_err(|error| unreadable(path, error))
}

fn field(path: &str, why: &str) -> Trouble {
    Trouble::Field { field: path.to_owned(), why: why.to_owned() }
}

fn unreadable(path: &str, error: Unreadable) -> Trouble {
    let Unreadable { what: _, why } = error;
    Trouble::Field { field: path.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_their_one_form() {
        let good = "requests/1f1f1f1f-1f1f-1f1f-1f1f-1f1f1f1f1f1f";
        assert_eq!(request_name("name", good), Ok(RequestId([0x1f; 16])));
        for bad in [
            "",
            "requests/",
            "requests/1F1f1f1f-1f1f-1f1f-1f1f-1f1f1f1f1f1f",
            "request/1f1f1f1f-1f1f-1f1f-1f1f-1f1f1f1f1f1f",
            "requests/1f1f1f1f-1f1f-1f1f-1f1f-1f1f1f1f1f1f/x",
            "1f1f1f1f-1f1f-1f1f-1f1f-1f1f1f1f1f1f",
        ] {
            let trouble = request_name("name", bad).unwrap_err();
            assert!(
                matches!(trouble, Trouble::Field { ref field, .. } if field == "name"),
                "{bad}"
            );
        }
        for bad in ["NL", "members/nl", "members/NLD", "members/NL/desks/cyber"] {
            let message = directory::v1::GetMemberRequest { name: bad.to_owned() };
            assert!(get_member(message).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_field_of_an_envelope_is_named_from_the_request_down() {
        let none = submit(desk::v1::SubmitRequest { envelope: None }).unwrap_err();
        assert!(matches!(none, Trouble::Field { ref field, .. } if field == "envelope"));
        let empty = submit(desk::v1::SubmitRequest { envelope: Some(Default::default()) });
        let Err(Trouble::Field { field, .. }) = empty else { panic!("{empty:?}") };
        assert!(field.starts_with("envelope."), "{field}");
    }
}
