//! Records become rows.
//!
//! Not for what a row says (see `views/`): here is only which keys a record touches.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use serde::Serialize;
use sled::Batch;

use super::block::{self, Blocks};
use super::kept::Kept;
use super::meta::Meta;
use super::nodes;
use super::run::Runs;
use super::store::Store;
use super::{Fault, Tables, key};
use crate::codec::{Heads, Log, Record};
use crate::envelope::words::Urgency;
use crate::rules::target::Span;
use crate::units::{Day, MemberId, RequestId, Timestamp};
use crate::views::clocks::Standing;
use crate::views::response_times::AcknowledgeTally;
use crate::views::{RequestRow, TimesRow, directory};

/// Rows that wait for the end of the batch, for later records to fold on.
#[derive(Default)]
struct Pending {
    runs: Runs,
    requests: BTreeMap<RequestId, Touched>,
    tallies: BTreeMap<(MemberId, Urgency), AcknowledgeTally>,
}

/// A request of this batch.
struct Touched {
    kept: Kept,
    /// What the tables had of it before the batch.
    before: Option<Before>,
}

/// What of a stored request says which other keys it has.
struct Before {
    times: Option<TimesRow>,
    due: Option<Timestamp>,
    listed: Listed,
}

/// In which lists a request stands.
#[derive(PartialEq, Eq)]
struct Listed {
    /// In its sender's only.
    under_embargo: bool,
    /// In those of open ones, too.
    open: bool,
}

impl Before {
    fn of(row: &RequestRow) -> Self {
        Self { times: counted(row), due: due(row), listed: Listed::of(row) }
    }
}

impl Listed {
    fn of(row: &RequestRow) -> Self {
        Self { under_embargo: row.request.is_under_embargo(), open: row.is_open() }
    }
}

impl Tables {
    /// Applies records that follow those applied before. `heads` is where the logs stood after the
    /// batch that holds the last of them. Either all rows, the cursor and the heads move, or
    /// nothing does.
    ///
    /// # Errors
    /// [`Fault::Gap`] when the records do not follow; [`Fault::Io`] or [`Fault::Broken`].
    ///
    /// # Panics
    /// When a row cannot be serialized, which no value of ours can cause.
    pub fn apply(&self, records: &[Record], heads: &Heads) -> Result<(), Fault> {
        let mut meta = self.meta.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = meta.cursor;
        let mut leaves = meta.leaves;
        let mut batch = Batch::default();
        let mut pending = Pending::default();
        for record in records {
            if record.index != next {
                return Err(Fault::Gap { expected: next, found: record.index });
            }
            next = next.plus(1);
            leaves.add(&record.leaf);
            add_record(&self.store, &mut batch, &mut pending, record)?;
        }
        let Pending { mut runs, requests, tallies } = pending;
        let mut blocks = Blocks::default();
        for touched in requests.values() {
            add_request(&self.store, &mut batch, &mut runs, &mut blocks, touched)?;
        }
        for (key, block) in blocks.into_rows() {
            batch.insert(key, block);
        }
        for ((member, urgency), tally) in &tallies {
            batch.insert(key::acknowledged(*member, *urgency), bytes_of(tally));
        }
        runs.add_to(&mut batch);
        let moved = Meta { journal: meta.journal, cursor: next, heads: *heads, leaves };
        batch.insert(key::META, moved.to_bytes());
        self.store.rows(|rows| rows.apply_batch(batch))?;
        *meta = moved;
        self.leaves.directory.store(leaves.directory, Ordering::Release);
        self.leaves.traffic.store(leaves.traffic, Ordering::Release);
        self.cursor.store(next.0, Ordering::Release);
        Ok(())
    }
}

/// Adds what one record touches; rows that more records may touch are left in `pending`.
fn add_record(
    store: &Store,
    batch: &mut Batch,
    pending: &mut Pending,
    record: &Record,
) -> Result<(), Fault> {
    for (desk, number) in &record.numbering.desk_indexes {
        let value = record.index.0.to_be_bytes();
        pending.runs.put(store, &key::desk_records(desk), number.0, &value)?;
    }
    for member in directory::fold(record) {
        batch.insert(key::member(member.id), bytes_of(&member));
    }
    for (member, version, row) in directory::versions(record) {
        batch.insert(key::entry(member, version), bytes_of(&row));
    }
    nodes::add(store, &mut pending.runs, record)?;
    if record.leaf.log == Log::Directory {
        batch.insert(key::leaf(record.leaf.index), &record.index.0.to_be_bytes());
    }
    let Some(request) = record.event.request else { return Ok(()) };
    let (kept, before) = match pending.requests.remove(&request) {
        Some(Touched { kept, before }) => (Some(kept), before),
        None => {
            let kept = Kept::read(store, request)?;
            let before = kept.as_ref().map(|kept| Before::of(&kept.row));
            (kept, before)
        }
    };
    let acknowledged = kept.as_ref().and_then(|kept| acknowledged_ms(&kept.row));
    let Some(kept) = Kept::fold(kept, record, batch) else { return Ok(()) };
    if let (None, Some(ms)) = (acknowledged, acknowledged_ms(&kept.row)) {
        tally(store, pending, &kept.row)?.add(ms);
    }
    pending.requests.insert(request, Touched { kept, before });
    Ok(())
}

/// How long the acknowledgement of a request that is counted took.
fn acknowledged_ms(row: &RequestRow) -> Option<i64> {
    let practice = row.request.facts.test || row.request.facts.exercise;
    match row.clocks.of(Span::Acknowledge).standing {
        Standing::Passed { ms } if !practice => Some(ms),
        Standing::Passed { .. } | Standing::Waiting | Standing::Ended { .. } | Standing::Absent => {
            None
        }
    }
}

/// The tally to which a request's acknowledgement is added.
fn tally<'a>(
    store: &Store,
    pending: &'a mut Pending,
    row: &RequestRow,
) -> Result<&'a mut AcknowledgeTally, Fault> {
    let of = (row.request.to.member, row.request.grade.urgency);
    match pending.tallies.entry(of) {
        Entry::Occupied(kept) => Ok(kept.into_mut()),
        Entry::Vacant(place) => {
            let stored = store.rows(|rows| rows.get(key::acknowledged(of.0, of.1)))?;
            let read = stored.map(|bytes| parse_tally(store, &bytes)).transpose()?;
            Ok(place.insert(read.unwrap_or_default()))
        }
    }
}

/// Reads how long acknowledgements took.
pub(super) fn parse_tally(store: &Store, bytes: &[u8]) -> Result<AcknowledgeTally, Fault> {
    postcard::from_bytes(bytes)
        .map_err(|_| store.condemn("how long acknowledgements took cannot be read"))
}

/// When the first target of a request passes. Practice is never late.
fn due(row: &RequestRow) -> Option<Timestamp> {
    let waits = !row.request.facts.test && !row.request.is_under_embargo();
    row.clocks.next_due().map(|(at, _)| at).filter(|_| waits)
}

/// The times of a request that is counted, once its recipient may know of it.
fn counted(row: &RequestRow) -> Option<TimesRow> {
    let counts = !row.request.facts.test && !row.request.is_under_embargo();
    counts.then(|| TimesRow::of(row))
}

fn add_request(
    store: &Store,
    batch: &mut Batch,
    runs: &mut Runs,
    blocks: &mut Blocks,
    touched: &Touched,
) -> Result<(), Fault> {
    let Touched { kept, before } = touched;
    let row = &kept.row;
    batch.insert(key::request(row.request.id), kept.to_bytes());
    if before.as_ref().is_none_or(|before| before.listed != Listed::of(row)) {
        add_lists(store, runs, row)?;
    }
    add_due(batch, row, before.as_ref().and_then(|before| before.due));
    let times = before.as_ref().and_then(|before| before.times.as_ref());
    add_times(store, batch, blocks, row, times)
}

fn add_lists(store: &Store, runs: &mut Runs, row: &RequestRow) -> Result<(), Fault> {
    let id = row.request.id.0;
    let number = key::listed(row.opened_index);
    let parties = row.parties().into_iter().map(Some);
    for scope in std::iter::once(None).chain(parties) {
        runs.put(store, &key::lists(scope, false), number, &id)?;
        let open = key::lists(scope, true);
        if row.is_open() {
            runs.put(store, &open, number, &id)?;
        } else {
            runs.take(store, &open, number, id.len())?;
        }
    }
    Ok(())
}

/// What is due is listed under its moment, and moves when that does.
fn add_due(batch: &mut Batch, row: &RequestRow, before: Option<Timestamp>) {
    let now = due(row);
    if now == before {
        return;
    }
    if let Some(at) = before {
        batch.remove(key::due(at, row.opened_index));
    }
    if let Some(at) = now {
        batch.insert(key::due(at, row.opened_index), due_bytes(row));
    }
}

/// The request that is due, and its desks.
fn due_bytes(row: &RequestRow) -> Vec<u8> {
    let request = &row.request;
    let desks = format!("{}\0{}", request.from, request.to);
    [request.id.0.as_slice(), desks.as_bytes()].concat()
}

/// Reads the request that is due, and whether the desk `of` is one of its desks.
pub(super) fn parse_due(bytes: &[u8], of: Option<&str>) -> Option<(RequestId, bool)> {
    let (id, desks) = bytes.split_first_chunk::<16>()?;
    let (from, to) = std::str::from_utf8(desks).ok()?.split_once('\0')?;
    Some((RequestId(*id), of.is_none_or(|of| of == from || of == to)))
}

/// A request is listed under its day until it is settled; then its times are in a block.
fn add_times(
    store: &Store,
    batch: &mut Batch,
    blocks: &mut Blocks,
    row: &RequestRow,
    before: Option<&TimesRow>,
) -> Result<(), Fault> {
    let Some(times) = counted(row).filter(|times| before != Some(times)) else { return Ok(()) };
    let waited = before.is_some_and(|before| before.settled().is_none());
    let (block, place) = block::place(row.opened_index);
    let at = key::day_block(Day::of(row.request.submitted), block);
    let Some(settled) = times.settled() else {
        if !waited {
            batch.insert(key::waiting(&at, place), &row.request.id.0);
        }
        return Ok(());
    };
    if waited {
        batch.remove(key::waiting(&at, place));
    }
    let settled = bytes_of(&settled);
    for scope in [None, Some(times.subject.from), Some(times.subject.to)] {
        blocks.put(store, key::settled(scope, &at), place, &settled)?;
    }
    Ok(())
}

fn bytes_of(row: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(row).expect("a row holds only values that postcard can write")
}
