//! From messages to proven values, once. Whatever stands in a message is taken apart in full, so
//! that a new field does not compile until somebody has decided about it.
//!
//! Not for rules: what can be read may still be refused.

use super::page;
use super::trouble::Trouble;
use crate::envelope::{Envelope, Malformed};
use crate::units::{DeskIndex, Index, MemberId, MessageId, RequestId, Unreadable};
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

pub(super) fn submit(message: desk::v1::SubmitRequest) -> Result<Envelope, Trouble> {
    let desk::v1::SubmitRequest { envelope } = message;
    let envelope = envelope.ok_or_else(|| field("envelope", "there is none"))?;
    Envelope::from_wire(envelope).map_err(|Malformed { field, why }| Trouble::Field {
        field: format!("envelope.{field}"),
        why,
    })
}

pub(super) const fn follow(message: desk::v1::FollowRequest) -> DeskIndex {
    let desk::v1::FollowRequest { from_desk_index } = message;
    DeskIndex(from_desk_index)
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
