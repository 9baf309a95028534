//! Keys of the one tree that holds every row, by prefix.
//!
//! Not for the rows (see `views/`) and not for snapshots, which have a tree of their own.
//!
//! | prefix | key after it | value |
//! |---|---|---|
//! | `m` | | [`super::meta::Meta`]: version, journal, cursor, heads |
//! | `d` | desk `\0` number in the desk's own sequence | record index |
//! | `g` | member | member row |
//! | `h` | request id, record index | nothing |
//! | `l` | scope `\0` newest-first index | request id |
//! | `o` | as `l`, only while the request is open | request id |
//! | `r` | request id | request row |
//!
//! Numbers are big-endian, so that the order of keys is theirs. A scope is a desk, or empty for
//! all desks. A newest-first index is 2^64 - 1 less the index of the record that opened the
//! request.

use crate::units::{DeskId, DeskIndex, Index, MemberId, RequestId};

/// The one key outside the rows.
pub(super) const META: &[u8] = b"m";

/// Prefix of the member rows.
pub(super) const MEMBERS: &[u8] = b"g";

const DESK: u8 = b'd';
const HISTORY: u8 = b'h';
const LISTED: u8 = b'l';
const OPEN: u8 = b'o';
const REQUEST: u8 = b'r';

/// Ends a desk's name, which holds no such byte.
const END: u8 = 0;

/// Where a desk's record numbers begin.
pub(super) fn desk_records(desk: &DeskId) -> Vec<u8> {
    named(DESK, Some(desk))
}

/// A record in a desk's own sequence.
pub(super) fn desk_record(desk: &DeskId, number: DeskIndex) -> Vec<u8> {
    numbered(desk_records(desk), number.0)
}

/// A member's row.
pub(super) fn member(member: MemberId) -> Vec<u8> {
    [MEMBERS, member.to_string().as_bytes()].concat()
}

/// Where a request's history begins.
pub(super) fn histories(request: RequestId) -> Vec<u8> {
    [&[HISTORY], request.0.as_slice()].concat()
}

/// A record of a request's history.
pub(super) fn history(request: RequestId, index: Index) -> Vec<u8> {
    numbered(histories(request), index.0)
}

/// Where a list of requests begins.
pub(super) fn lists(of: Option<&DeskId>, open_only: bool) -> Vec<u8> {
    named(if open_only { OPEN } else { LISTED }, of)
}

/// A request's place in a list, newest first.
pub(super) fn list(of: Option<&DeskId>, open_only: bool, opened: Index) -> Vec<u8> {
    numbered(lists(of, open_only), u64::MAX - opened.0)
}

/// A request's row.
pub(super) fn request(request: RequestId) -> Vec<u8> {
    [&[REQUEST], request.0.as_slice()].concat()
}

/// The number at the end of a key or of a value that is one.
pub(super) fn trailing_number(bytes: &[u8]) -> Option<u64> {
    bytes.last_chunk().map(|chunk| u64::from_be_bytes(*chunk))
}

fn named(prefix: u8, desk: Option<&DeskId>) -> Vec<u8> {
    let mut key = vec![prefix];
    if let Some(desk) = desk {
        key.extend_from_slice(desk.to_string().as_bytes());
    }
    key.push(END);
    key
}

fn numbered(mut key: Vec<u8>, number: u64) -> Vec<u8> {
    key.extend_from_slice(&number.to_be_bytes());
    key
}
