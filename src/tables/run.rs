//! Runs: values of one width under numbers, up to 64 to a row, so that numbers that follow each
//! other closely do not cost a row each.
//!
//! Not for values that change: an item is put in, and may be taken out again.
//!
//! The row of a run has the number's high bits in its key (see `key.rs`). Its value is its items in
//! the order of their numbers, each the number's low six bits in a byte and then the value. A run
//! without items has no row.

use std::collections::BTreeMap;

use sled::Batch;

use super::store::Store;
use super::{Fault, key};

/// Numbers in a run.
const NUMBERS: u64 = 64;

/// A number and its value.
pub(super) type Item = (u64, Vec<u8>);

/// Rows of runs that wait for the end of a batch of records.
#[derive(Default)]
pub(super) struct Runs {
    touched: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Runs {
    /// Puts `value` under `number`; every value under a prefix is of the same width.
    pub(super) fn put(
        &mut self,
        store: &Store,
        prefix: &[u8],
        number: u64,
        value: &[u8],
    ) -> Result<(), Fault> {
        let low = low(number);
        let items = self.run(store, prefix, number, value.len())?;
        let at = place(items, value.len(), low);
        let width = value.len() + 1;
        if items.get(at) == Some(&low) {
            items.splice(at..at + width, std::iter::once(low).chain(value.iter().copied()));
        } else {
            items.splice(at..at, std::iter::once(low).chain(value.iter().copied()));
        }
        Ok(())
    }

    /// Takes out what is under `number`, if anything is; its value has `width` bytes.
    pub(super) fn take(
        &mut self,
        store: &Store,
        prefix: &[u8],
        number: u64,
        width: usize,
    ) -> Result<(), Fault> {
        let low = low(number);
        let items = self.run(store, prefix, number, width)?;
        let at = place(items, width, low);
        if items.get(at) == Some(&low) {
            items.drain(at..at + width + 1);
        }
        Ok(())
    }

    /// The values under the numbers from `first` on, `count` of them, a multiple of 64 as `first`
    /// is: every run that they are in. None when one of them is not there.
    pub(super) fn values(
        &mut self,
        store: &Store,
        prefix: &[u8],
        (first, count): (u64, u64),
        width: usize,
    ) -> Result<Option<Vec<Vec<u8>>>, Fault> {
        let mut values = Vec::new();
        for run in first / NUMBERS..first.saturating_add(count) / NUMBERS {
            let items = self.run(store, prefix, run.saturating_mul(NUMBERS), width)?;
            values.extend(items.chunks_exact(width + 1).map(|item| item[1..].to_vec()));
        }
        Ok(Some(values).filter(|values| values.len() as u64 == count))
    }

    /// The items of the run of this number, each value of `width` bytes.
    fn run(
        &mut self,
        store: &Store,
        prefix: &[u8],
        number: u64,
        width: usize,
    ) -> Result<&mut Vec<u8>, Fault> {
        let key = key::run(prefix, number / NUMBERS);
        if !self.touched.contains_key(&key) {
            let items = match store.rows(|rows| rows.get(&key))? {
                Some(bytes) if is_run(&bytes, width) => bytes.to_vec(),
                Some(_) => return Err(unreadable(store)),
                None => Vec::new(),
            };
            self.touched.insert(key.clone(), items);
        }
        Ok(self.touched.entry(key).or_default())
    }

    /// Adds what was touched to the batch.
    pub(super) fn add_to(self, batch: &mut Batch) {
        for (key, items) in self.touched {
            if items.is_empty() {
                batch.remove(key);
            } else {
                batch.insert(key, items);
            }
        }
    }
}

/// The items under `prefix` from the number `from` on, at most `max`, as (number, value); each
/// value has `width` bytes.
pub(super) fn read(
    store: &Store,
    prefix: &[u8],
    from: u64,
    max: usize,
    width: usize,
) -> Result<Vec<Item>, Fault> {
    let start = key::run(prefix, from / NUMBERS);
    let found = store.rows(|rows| {
        let mut found = Vec::new();
        for row in rows.range(start.clone()..) {
            let (key, items) = row?;
            if found.len() >= max || !key.starts_with(prefix) {
                break;
            }
            let is_key = key.len() == start.len();
            let Some(run) = key::trailing_number(&key).filter(|_| is_key && is_run(&items, width))
            else {
                return Ok(None);
            };
            let numbered = items.chunks_exact(width + 1).map(|item| {
                (run.saturating_mul(NUMBERS).saturating_add(u64::from(item[0])), item[1..].to_vec())
            });
            found.extend(numbered.filter(|(number, _)| *number >= from));
        }
        found.truncate(max);
        Ok(Some(found))
    })?;
    found.ok_or_else(|| unreadable(store))
}

/// True for the row of a run of values of `width` bytes: whole items, at least one, in order.
fn is_run(items: &[u8], width: usize) -> bool {
    let lows = || items.chunks(width + 1).map(|item| item[0]);
    !items.is_empty()
        && items.len().is_multiple_of(width + 1)
        && lows().is_sorted_by(|a, b| a < b)
        && lows().all(|low| u64::from(low) < NUMBERS)
}

fn unreadable(store: &Store) -> Fault {
    store.condemn("a run of rows cannot be read")
}

fn low(number: u64) -> u8 {
    u8::try_from(number % NUMBERS).unwrap_or_default()
}

/// Where the item of this number is, or would be.
fn place(items: &[u8], width: usize, low: u8) -> usize {
    let stride = width + 1;
    let before = items.chunks(stride).take_while(|item| item[0] < low).count();
    before * stride
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let Ok(store) = Store::open(&dir.path().join("tables"), 1 << 20) else {
            panic!("a new store opens");
        };
        (dir, store)
    }

    fn settle(store: &Store, runs: Runs) {
        let mut batch = Batch::default();
        runs.add_to(&mut batch);
        let Ok(()) = store.rows(|rows| rows.apply_batch(batch)) else { panic!("it is applied") };
    }

    fn items(store: &Store, prefix: &[u8], from: u64, max: usize) -> Vec<(u64, u8)> {
        let Ok(found) = read(store, prefix, from, max, 1) else { panic!("it is read") };
        found.into_iter().map(|(number, value)| (number, value[0])).collect()
    }

    #[test]
    fn what_is_put_in_is_read_in_order_and_what_is_taken_out_is_gone() {
        let (_dir, store) = store();
        let numbers = [70_u64, 3, 63, 64, 5, 4_000_000, u64::MAX - 1, u64::MAX];
        for (value, number) in (0..).zip(numbers) {
            let mut runs = Runs::default();
            assert!(runs.put(&store, b"a\0", number, &[value]).is_ok());
            assert!(runs.put(&store, b"b\0", number, &[200]).is_ok());
            settle(&store, runs);
        }
        let all = [(3, 1), (5, 4), (63, 2), (64, 3), (70, 0), (4_000_000, 5)];
        let ends = [(u64::MAX - 1, 6), (u64::MAX, 7)];
        assert_eq!(items(&store, b"a\0", 0, 100), [all.as_slice(), &ends].concat());
        assert_eq!(items(&store, b"a\0", 5, 3), all[1..4]);
        assert_eq!(items(&store, b"a\0", 65, 1), [(70, 0)]);

        let mut runs = Runs::default();
        for number in [3, 64, 70, 71] {
            assert!(runs.take(&store, b"a\0", number, 1).is_ok());
        }
        assert!(runs.put(&store, b"a\0", 5, &[9]).is_ok());
        settle(&store, runs);
        assert_eq!(items(&store, b"a\0", 0, 3), [(5, 9), (63, 2), (4_000_000, 5)]);
        assert_eq!(items(&store, b"b\0", 0, 2), [(3, 200), (5, 200)]);
        // Neither 64 nor 70 is left: their run has no row any more.
        let rows = store.rows(|rows| rows.get(key::run(b"a\0", 1)));
        assert_eq!(rows.ok(), Some(None));
    }

    #[test]
    fn a_row_that_is_no_run_condemns_the_tables_whoever_comes_upon_it() {
        let wrong: [&[u8]; 6] =
            [b"", b"\x01", b"\x01a\x02", b"\x02b\x01a", b"\x01a\x01b", b"\x40a"];
        for items in wrong {
            for who in ["put", "take", "values", "read"] {
                let (dir, store) = store();
                let put = store.rows(|rows| rows.insert(key::run(b"a\0", 0), items));
                assert!(put.is_ok() && !dir.path().join("tables/condemned").exists());
                let mut runs = Runs::default();
                let met = match who {
                    "put" => runs.put(&store, b"a\0", 1, &[1]),
                    "take" => runs.take(&store, b"a\0", 1, 1),
                    "values" => runs.values(&store, b"a\0", (0, 64), 1).map(drop),
                    _ => read(&store, b"a\0", 0, 9, 1).map(drop),
                };
                assert!(matches!(met, Err(Fault::Broken { .. })), "{who}: {items:?}");
                assert!(dir.path().join("tables/condemned").exists(), "{items:?}");
            }
        }
    }
}
