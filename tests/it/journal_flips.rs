//! D4: a flipped byte anywhere is detected and located, and never served.

#![expect(clippy::unwrap_used, reason = "what cannot go wrong here fails the test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use detente::journal::disk::Disk;
use detente::journal::{
    Batch, Body, Fault, FileJournal, Journal, Options, Reader, Stored, check_on,
};
use detente::units::Index;

use crate::journal_battery::SMALL;
use crate::journal_disk::{Random, TestDisk, expected};

/// A store, and what must be read from it.
struct Store {
    files: BTreeMap<String, Vec<u8>>,
    records: Vec<Stored>,
}

impl Store {
    fn new(batches: usize, max: u64, options: Options) -> Self {
        let disk = TestDisk::default();
        let (mut journal, _) = FileJournal::open_on(Arc::new(disk.clone()), options).unwrap();
        let mut random = Random(5);
        let batches: Vec<Batch> = (0..batches)
            .map(|nth| {
                let batch = random.batch(1 + nth as u64 % 4, max);
                journal.append(journal.next_index(), &batch).unwrap();
                batch
            })
            .collect();
        let mut records = expected(&batches);
        for stored in records.iter_mut().step_by(5).filter(|s| s.body != Body::None) {
            journal.erase(stored.index).unwrap();
            stored.body = Body::Erased;
        }
        journal.idle().unwrap();
        Self { files: disk.files(), records }
    }

    /// What the byte at `at` of `file` is for, from what is said when it is changed by `flip`.
    fn judge(&self, file: &str, at: usize, flip: u8) -> &'static str {
        let mut files = self.files.clone();
        files.get_mut(file).unwrap()[at] ^= flip;
        let place = format!("byte {at} of {file} with {flip:#x}");

        let disk = TestDisk::with(&files);
        let said = match check_on(&disk, &mut |_| ()) {
            Ok(summary) => {
                if let Some(torn) = summary.torn {
                    assert!(torn.file == file && torn.offset <= at as u64, "{place}: {torn:?}");
                    "tail"
                } else {
                    let [(name, slot)] = &summary.torn_marks[..] else {
                        panic!("{place}: not detected")
                    };
                    let slot = usize::try_from(*slot).unwrap();
                    assert!(name == file && (slot..slot + 4096).contains(&at), "{place}");
                    "mark"
                }
            }
            Err(faults) => {
                for fault in faults {
                    let Fault::Damaged { file: name, offset, .. } = &fault else {
                        panic!("{place}: {fault}")
                    };
                    assert!(name == file && *offset <= at as u64, "{place}: {fault}");
                }
                "damage"
            }
        };

        // Opening refuses, or what comes out is all that was committed. Reading does the same.
        match FileJournal::open_on(Arc::new(disk), SMALL) {
            Ok((journal, opened)) => {
                match self.read(&*journal.reader()) {
                    Ok(()) => {}
                    Err(fault) => {
                        assert_eq!(said, "damage", "{place}: {fault}");
                        assert!(matches!(fault, Fault::Damaged { .. }), "{place}: {fault}");
                    }
                }
                assert_eq!(opened.truncation.is_some(), said == "tail", "{place}");
                assert!(said != "mark" || opened.mark_repaired || file != self.last(), "{place}");
            }
            Err(fault) => {
                assert!(matches!(fault, Fault::Damaged { .. }), "{place}: {fault}");
                assert_eq!(said, "damage", "{place}");
            }
        }
        said
    }

    fn last(&self) -> &str {
        self.files.keys().next_back().unwrap()
    }

    /// Reads everything, going on after what is damaged.
    fn read(&self, reader: &dyn Reader) -> Result<(), Fault> {
        assert_eq!(reader.next_index().0, self.records.len() as u64);
        let mut first_fault = None;
        let mut at = 0;
        while at < self.records.len() {
            match reader.read(Index(at as u64), 50, 1 << 20) {
                Ok(read) => {
                    assert_eq!(read, self.records[at..at + read.len()], "wrong bytes served");
                    at += read.len();
                }
                Err(fault) => {
                    first_fault.get_or_insert(fault);
                    at += 5;
                }
            }
        }
        first_fault.map_or(Ok(()), Err)
    }
}

#[test]
fn every_byte_of_a_small_store() {
    let store = Store::new(4, 60, SMALL);
    let mut seen = BTreeMap::new();
    let mut tail = 0;
    for (file, bytes) in &store.files {
        let end = bytes.iter().rposition(|b| *b != 0).unwrap() + 1;
        // Behind the last batch one byte is as unused as the next: every seventh is tried.
        let unused = (end + 16..bytes.len()).step_by(7);
        tail += unused.len();
        for at in (0..end + 16).chain(unused) {
            let flip = [0x01, 0x80, 0xff][at % 3];
            *seen.entry(store.judge(file, at, flip)).or_insert(0) += 1;
        }
    }
    let used = *seen.get("damage").unwrap();
    assert_eq!(seen["mark"], 8192);
    assert!(used > 4096 + 500, "{seen:?}");
    assert!((tail..tail + 24).contains(&seen["tail"]), "{seen:?}");
}

#[test]
fn five_thousand_bytes_of_a_larger_store() {
    let store = Store::new(60, 900, SMALL);
    assert!(store.files.len() > 3);
    let names: Vec<&String> = store.files.keys().collect();
    let mut random = Random(11);
    let mut damage = 0;
    for _ in 0..5_000 {
        let name = names[usize::try_from(random.below(names.len() as u64)).unwrap()];
        let len = store.files[name].len() as u64;
        // Where there is something, mostly.
        let at = if random.below(4) == 0 {
            random.below(len)
        } else {
            12288 + random.below(len - 12288)
        };
        let flip = 1 << random.below(8);
        damage += u32::from(store.judge(name, usize::try_from(at).unwrap(), flip) == "damage");
    }
    assert!(damage > 3_000, "{damage} of 5,000 hit something");
}

#[test]
fn a_byte_that_flips_while_the_journal_is_open_is_not_served() {
    let store = Store::new(4, 60, SMALL);
    let name = store.last().to_owned();
    let end = store.files[&name].iter().rposition(|b| *b != 0).unwrap() + 1;
    for at in 12288..end {
        let disk = TestDisk::with(&store.files);
        let (journal, _) = FileJournal::open_on(Arc::new(disk.clone()), SMALL).unwrap();
        let byte = store.files[&name][at] ^ 0x10;
        disk.open(&name, true).unwrap().write_at(&[byte], at as u64).unwrap();
        match store.read(&*journal.reader()) {
            Ok(()) => {}
            Err(fault) => {
                let Fault::Damaged { offset, .. } = fault else { panic!("{fault}") };
                assert!(offset <= at as u64);
            }
        }
    }
}
