//! Records become rows.
//!
//! Not for what a row says (see `views/`): here is only which keys a record touches.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use sled::Batch;

use super::meta::Meta;
use super::store::Store;
use super::{Fault, Tables, key};
use crate::codec::{Heads, Record};
use crate::units::RequestId;
use crate::views::{MemberRow, RequestRow, directory};

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
        let mut batch = Batch::default();
        let mut requests = BTreeMap::new();
        for record in records {
            if record.index != next {
                return Err(Fault::Gap { expected: next, found: record.index });
            }
            next = next.plus(1);
            add_record(&self.store, &mut batch, &mut requests, record)?;
        }
        for row in requests.into_values() {
            add_request(&mut batch, &row);
        }
        let moved = Meta { journal: meta.journal, cursor: next, heads: *heads };
        batch.insert(key::META, moved.to_bytes());
        self.store.rows(|rows| rows.apply_batch(batch))?;
        *meta = moved;
        self.cursor.store(next.0, Ordering::Release);
        Ok(())
    }
}

/// Adds what one record touches; the rows of requests are left in `requests`, for the next record
/// to fold on.
fn add_record(
    store: &Store,
    batch: &mut Batch,
    requests: &mut BTreeMap<RequestId, RequestRow>,
    record: &Record,
) -> Result<(), Fault> {
    for (desk, number) in &record.numbering.desk_indexes {
        batch.insert(key::desk_record(desk, *number), &record.index.0.to_be_bytes());
    }
    for member in directory::fold(record) {
        batch.insert(key::member(member.id), bytes_of_member(&member));
    }
    let Some(request) = record.event.request else { return Ok(()) };
    batch.insert(key::history(request, record.index), &[]);
    let before = match requests.remove(&request) {
        Some(row) => Some(row),
        None => store_request(store, request)?,
    };
    if let Some(row) = RequestRow::fold(before, record) {
        requests.insert(request, row);
    }
    Ok(())
}

fn add_request(batch: &mut Batch, row: &RequestRow) {
    let id = row.request.id;
    batch.insert(key::request(id), bytes_of_request(row));
    let [from, to] = row.parties();
    for scope in [None, Some(from), Some(to)] {
        batch.insert(key::list(scope, false, row.opened_index), &id.0);
        let open = key::list(scope, true, row.opened_index);
        if row.is_open() {
            batch.insert(open, &id.0);
        } else {
            batch.remove(open);
        }
    }
}

/// A request's row as it is stored.
pub(super) fn store_request(
    store: &Store,
    request: RequestId,
) -> Result<Option<RequestRow>, Fault> {
    let Some(bytes) = store.rows(|rows| rows.get(key::request(request)))? else {
        return Ok(None);
    };
    match postcard::from_bytes(&bytes) {
        Ok(row) => Ok(Some(row)),
        Err(_) => Err(store.condemn(format!("the row of request {request} cannot be read"))),
    }
}

fn bytes_of_request(row: &RequestRow) -> Vec<u8> {
    postcard::to_stdvec(row).expect("a row holds only values that postcard can write")
}

fn bytes_of_member(row: &MemberRow) -> Vec<u8> {
    postcard::to_stdvec(row).expect("a row holds only values that postcard can write")
}
