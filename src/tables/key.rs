//! Keys of the one tree that holds every row, by prefix.
//!
//! Not for the rows (see `views/`) and not for snapshots, which have a tree of their own.
//!
//! | prefix | key after it | value |
//! |---|---|---|
//! | `a` | member `\0` urgency | how long acknowledgements took |
//! | `m` | | [`super::meta::Meta`]: version, journal, cursor, heads |
//! | `d` | desk `\0` run of numbers in the desk's own sequence | record indexes |
//! | `e` | moment, record index | request id, from `\0` to: the first target to pass is due then |
//! | `v` | member, version | entry row |
//! | `f` | leaf of the directory log | record index |
//! | `g` | member | member row |
//! | `h` | request id, record index | so many of its records from that on, see `kept.rs` |
//! | `n` | log, level of the tile, run of places in the level | hashes of nodes, 32 bytes each |
//! | `l` | scope `\0` run of newest-first indexes | request ids |
//! | `o` | as `l`, only while the request is open | request ids |
//! | `r` | request id | request row, and its newest records |
//! | `t` | scope `\0` day, block | its settled requests, see `block.rs` |
//! | `w` | day, block, place | request id, until it is settled |
//!
//! Numbers are big-endian, so that the order of keys is theirs. A run is 64 numbers that follow
//! each other, and its number stands in the key (see `run.rs`). A scope is a desk (of `t`: a
//! member), or empty for all. A record index is that of the record that opened the request, a
//! newest-first index 2^64 - 1 less it; a block is the first record that shares it, a place in it
//! one byte; a moment is in milliseconds, a day in days of UTC, both since 1970.

use crate::codec::Log;
use crate::envelope::words::Urgency;
use crate::units::{Day, DeskId, Index, MemberId, RequestId, Timestamp};

/// The one key outside the rows.
pub(super) const META: &[u8] = b"m";

/// Prefix of the member rows.
pub(super) const MEMBERS: &[u8] = b"g";

/// Prefix of the leaves of the directory log.
pub(super) const LEAVES: &[u8] = b"f";

/// Prefix of how long acknowledgements took.
pub(super) const ACKNOWLEDGED: &[u8] = b"a";

const DESK: u8 = b'd';
const DUE: u8 = b'e';
const ENTRY: u8 = b'v';
const HISTORY: u8 = b'h';
const LISTED: u8 = b'l';
const NODE: u8 = b'n';
const OPEN: u8 = b'o';
const REQUEST: u8 = b'r';
const TIMES: u8 = b't';
const WAITING: u8 = b'w';

/// Ends a desk's name, which holds no such byte.
const END: u8 = 0;

/// A run of the numbers under `prefix`.
pub(super) fn run(prefix: &[u8], run: u64) -> Vec<u8> {
    numbered(prefix.to_vec(), run)
}

/// Where a desk's record numbers are.
pub(super) fn desk_records(desk: &DeskId) -> Vec<u8> {
    named(DESK, Some(desk))
}

/// Where the versions of a member's entry begin.
pub(super) fn entries(member: MemberId) -> Vec<u8> {
    [&[ENTRY], member.to_string().as_bytes()].concat()
}

/// A version of a member's entry.
pub(super) fn entry(member: MemberId, version: u64) -> Vec<u8> {
    numbered(entries(member), version)
}

/// A leaf of the directory log.
pub(super) fn leaf(leaf: u64) -> Vec<u8> {
    numbered(LEAVES.to_vec(), leaf)
}

/// A member's row.
pub(super) fn member(member: MemberId) -> Vec<u8> {
    [MEMBERS, member.to_string().as_bytes()].concat()
}

/// Where a request's history begins.
pub(super) fn histories(request: RequestId) -> Vec<u8> {
    [&[HISTORY], request.0.as_slice()].concat()
}

/// Records of a request's history, from this one on.
pub(super) fn history(request: RequestId, index: Index) -> Vec<u8> {
    numbered(histories(request), index.0)
}

/// Where a list of requests is.
pub(super) fn lists(of: Option<&DeskId>, open_only: bool) -> Vec<u8> {
    named(if open_only { OPEN } else { LISTED }, of)
}

/// A request's number in a list, newest first.
pub(super) const fn listed(opened: Index) -> u64 {
    u64::MAX - opened.0
}

/// A request's row.
pub(super) fn request(request: RequestId) -> Vec<u8> {
    [&[REQUEST], request.0.as_slice()].concat()
}

/// Where the nodes of a level of a log are. The level is that of a tile: 0 for leaf hashes, 1 for
/// the roots of 256 leaves.
pub(super) fn nodes(log: Log, level: u8) -> Vec<u8> {
    let log = match log {
        Log::Directory => 0,
        Log::Traffic => 1,
    };
    vec![NODE, log, level]
}

/// The number at the end of a key or of a value that is one.
pub(super) fn trailing_number(bytes: &[u8]) -> Option<u64> {
    bytes.last_chunk().map(|chunk| u64::from_be_bytes(*chunk))
}

/// Where what is due begins.
pub(super) const DUES: &[u8] = &[DUE];

/// Where what is due at a moment or later begins.
pub(super) fn dues_from(at: Timestamp) -> Vec<u8> {
    numbered(DUES.to_vec(), u64::try_from(at.0).unwrap_or(0))
}

/// A request of which something is due at a moment.
pub(super) fn due(at: Timestamp, opened: Index) -> Vec<u8> {
    numbered(dues_from(at), opened.0)
}

/// Length of a day and a block in a key, in bytes.
pub(super) const DAY_BLOCK_BYTES: usize = 12;

/// A day and a block, as keys have them.
pub(super) fn day_block(day: Day, block: Index) -> [u8; DAY_BLOCK_BYTES] {
    let mut at = [0; DAY_BLOCK_BYTES];
    at[..4].copy_from_slice(&day.0.to_be_bytes());
    at[4..].copy_from_slice(&block.0.to_be_bytes());
    at
}

/// The settled requests of a block, of a member or of all.
pub(super) fn settled(of: Option<MemberId>, at: &[u8; DAY_BLOCK_BYTES]) -> Vec<u8> {
    [named(TIMES, of).as_slice(), at].concat()
}

/// Where the requests of a block that are not settled begin.
pub(super) fn waiting_in(at: &[u8; DAY_BLOCK_BYTES]) -> Vec<u8> {
    [[WAITING].as_slice(), at].concat()
}

/// A request that is not settled.
pub(super) fn waiting(at: &[u8; DAY_BLOCK_BYTES], place: u8) -> Vec<u8> {
    let mut key = waiting_in(at);
    key.push(place);
    key
}

/// How long a member's acknowledgements took.
pub(super) fn acknowledged(member: MemberId, urgency: Urgency) -> Vec<u8> {
    [ACKNOWLEDGED, member.to_string().as_bytes(), &[END], urgency.as_str().as_bytes()].concat()
}

/// Reads the key of how long acknowledgements took.
pub(super) fn parse_acknowledged(key: &[u8]) -> Option<(MemberId, Urgency)> {
    let (member, urgency) =
        std::str::from_utf8(key.strip_prefix(ACKNOWLEDGED)?).ok()?.split_once(char::from(END))?;
    Some((member.parse().ok()?, urgency.parse().ok()?))
}

fn named(prefix: u8, of: Option<impl std::fmt::Display>) -> Vec<u8> {
    let mut key = vec![prefix];
    if let Some(of) = of {
        key.extend_from_slice(of.to_string().as_bytes());
    }
    key.push(END);
    key
}

fn numbered(mut key: Vec<u8>, number: u64) -> Vec<u8> {
    key.extend_from_slice(&number.to_be_bytes());
    key
}
