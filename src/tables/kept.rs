//! A request as it is stored: its row, and which records it has.
//!
//! Not for what the row says (see `views/`). The newest of its records stand beside the row, which
//! is written anew with each of them anyway; as soon as they are many they get a row of their own,
//! which does not change any more. So a record costs no row, and no row grows without end.

use serde::{Deserialize, Serialize};
use sled::Batch;

use super::store::Store;
use super::{Fault, key};
use crate::codec::Record;
use crate::units::{Index, RequestId};
use crate::views::RequestRow;

/// So many records of a request have a row of their own: of three or four bytes each.
pub(super) const RECORDS_TOGETHER: usize = 32;

/// See the file's header.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Its row.
    pub(super) row: RequestRow,
    /// Its newest records, without the one that opened it; fewer than [`RECORDS_TOGETHER`].
    pub(super) newest: Vec<Index>,
}

impl Kept {
    /// The request after `record`, as [`RequestRow::fold`]; what gets a row of its own goes into
    /// the batch.
    pub(super) fn fold(kept: Option<Self>, record: &Record, batch: &mut Batch) -> Option<Self> {
        let Some(Self { row, mut newest }) = kept else {
            let row = RequestRow::fold(None, record)?;
            return Some(Self { row, newest: Vec::new() });
        };
        let row = RequestRow::fold(Some(row), record)?;
        newest.push(record.index);
        if newest.len() >= RECORDS_TOGETHER {
            let together = std::mem::take(&mut newest);
            batch.insert(key::history(row.request.id, together[0]), to_bytes(&together));
        }
        Some(Self { row, newest })
    }

    /// As it is stored.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        to_bytes(self)
    }

    /// The stored request.
    pub(super) fn read(store: &Store, request: RequestId) -> Result<Option<Self>, Fault> {
        let Some(bytes) = store.rows(|rows| rows.get(key::request(request)))? else {
            return Ok(None);
        };
        match postcard::from_bytes(&bytes) {
            Ok(kept) => Ok(Some(kept)),
            Err(_) => Err(store.condemn(format!("the row of request {request} cannot be read"))),
        }
    }
}

/// The records in a row of their own.
pub(super) fn together(store: &Store, bytes: &[u8]) -> Result<Vec<Index>, Fault> {
    postcard::from_bytes(bytes)
        .map_err(|_| store.condemn("the history of a request cannot be read"))
}

fn to_bytes(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("a row holds only values that postcard can write")
}
