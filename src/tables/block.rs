//! A block: the settled requests of a day that records near each other opened, packed in one row.
//!
//! Not for which keys blocks have (see `key.rs`). A response time over many days reads a block
//! where it would read some tens of rows.
//!
//! In it, in order of place and one per place: place (1 byte), length (1 byte), the row.
//! Which rows there are says what its bytes are, whatever order they came in.

use std::collections::BTreeMap;

use super::Fault;
use super::store::Store;
use crate::units::Index;
use crate::views::SettledRow;

/// How many records share a block: at most so many requests are in one. A request takes five or
/// more records, so that some 50 of them, of 30 bytes, are usual; a block is written anew whenever
/// one of them settles.
const RECORDS: u64 = 1 << u8::BITS;

/// The record with which the block of a request begins, and the request's place in it.
pub(super) const fn place(opened: Index) -> (Index, u8) {
    let place = opened.0 % RECORDS;
    (Index(opened.0 - place), place.to_le_bytes()[0])
}

/// Blocks that wait for the end of the batch, by key.
#[derive(Default)]
pub(super) struct Blocks(BTreeMap<Vec<u8>, Vec<u8>>);

impl Blocks {
    /// Puts a row in its place in the block of this key, instead of the one there.
    pub(super) fn put(
        &mut self,
        store: &Store,
        key: Vec<u8>,
        place: u8,
        row: &[u8],
    ) -> Result<(), Fault> {
        let before = match self.0.remove(&key) {
            Some(block) => block,
            None => {
                store.rows(|rows| rows.get(&key))?.map(|block| block.to_vec()).unwrap_or_default()
            }
        };
        let block = with_row(&before, place, row).ok_or_else(|| unreadable(store))?;
        self.0.insert(key, block);
        Ok(())
    }

    /// Every block that was changed.
    pub(super) fn into_rows(self) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        self.0.into_iter()
    }
}

/// Gives `each` the rows of a block.
pub(super) fn read(
    store: &Store,
    block: &[u8],
    each: &mut dyn FnMut(&SettledRow),
) -> Result<(), Fault> {
    for entry in entries(block) {
        let row = entry.and_then(|entry| postcard::from_bytes(entry.row).ok());
        each(&row.ok_or_else(|| unreadable(store))?);
    }
    Ok(())
}

fn unreadable(store: &Store) -> Fault {
    store.condemn("the settled requests of a day cannot be read")
}

/// A row in a block.
struct Entry<'a> {
    place: u8,
    row: &'a [u8],
}

/// The rows of a block; none, and nothing more, where it is not one.
fn entries(block: &[u8]) -> impl Iterator<Item = Option<Entry<'_>>> {
    let mut rest = Some(block);
    std::iter::from_fn(move || {
        let bytes = rest.take().filter(|bytes| !bytes.is_empty())?;
        let entry = bytes.split_at_checked(2).and_then(|(head, after)| {
            let (row, after) = after.split_at_checked(usize::from(head[1]))?;
            rest = Some(after);
            Some(Entry { place: head[0], row })
        });
        Some(entry)
    })
}

/// The block with a row in its place. None when it cannot be read.
fn with_row(block: &[u8], place: u8, row: &[u8]) -> Option<Vec<u8>> {
    let len = u8::try_from(row.len()).expect("a settled request is shorter than 256 bytes");
    let mut out = Vec::with_capacity(block.len() + 2 + row.len());
    let mut add = |place: u8, len: u8, row: &[u8]| {
        out.extend_from_slice(&[place, len]);
        out.extend_from_slice(row);
    };
    let mut new = Some(row);
    for entry in entries(block) {
        let Entry { place: other, row: old } = entry?;
        if other >= place
            && let Some(row) = new.take()
        {
            add(place, len, row);
        }
        if other != place {
            add(other, u8::try_from(old.len()).ok()?, old);
        }
    }
    if let Some(row) = new {
        add(place, len, row);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_what_its_rows_are_in_any_order() {
        let rows: [(u8, &[u8]); 4] = [(7, b"seven"), (0, b"zero"), (255, b""), (8, b"eight")];
        let put = |block: Vec<u8>, (place, row): (u8, &[u8])| with_row(&block, place, row).unwrap();
        let block = rows.into_iter().fold(Vec::new(), put);
        assert_eq!(block, b"\x00\x04zero\x07\x05seven\x08\x05eight\xff\x00");
        assert_eq!(rows.into_iter().rev().fold(Vec::new(), put), block);
        let changed = with_row(&block, 7, b"7").unwrap();
        assert_eq!(changed, b"\x00\x04zero\x07\x017\x08\x05eight\xff\x00");
    }

    #[test]
    fn a_block_that_ends_in_the_middle_of_a_row_is_not_one() {
        for cut in [b"\x00".as_slice(), b"\x00\x05zero", b"\x00\x04zero\x07"] {
            assert_eq!(with_row(cut, 9, b"nine"), None);
        }
    }

    #[test]
    fn a_place_is_that_of_the_record_in_its_block() {
        assert_eq!(place(Index(0)), (Index(0), 0));
        assert_eq!(place(Index(255)), (Index(0), 255));
        assert_eq!(place(Index(256 + 7)), (Index(256), 7));
    }
}
