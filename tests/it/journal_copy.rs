//! A journal is copied while its writer appends, goes on in new segments and erases: every copy is
//! whole, holds what was committed before it was begun, and shows no half of anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use detente::journal::disk::{Disk as _, RealDisk};
use detente::journal::{
    Batch, Body, Entry, Fault, FileJournal, Journal, Objection, ReadBatch, Reader, Stored, Summary,
    Target, check, copy,
};
use detente::units::{BatchId, Index};

use crate::journal_battery::SMALL;
use crate::net::random;

#[test]
fn every_copy_of_a_journal_in_use_is_whole() {
    let source = tempfile::tempdir().unwrap();
    let (mut journal, _) = FileJournal::open(source.path(), SMALL).unwrap();
    append(&mut journal, 3);
    let reader = journal.reader();
    let over = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let over = Arc::clone(&over);
        move || {
            for round in 0_u64..300 {
                append(&mut journal, 1 + round as usize % 5);
                if round % 3 == 0 {
                    let next = journal.next_index().0;
                    journal.erase(Index(u64::from_le_bytes(random()) % next)).unwrap();
                }
                if round % 7 == 0 {
                    journal.idle().unwrap();
                }
            }
            over.store(true, Ordering::SeqCst);
            journal.next_index()
        }
    });
    let (mut copies, mut segments) = (0, 0);
    while !over.load(Ordering::SeqCst) || copies < 3 {
        let committed = reader.next_index();
        let (to, summary) = copied(source.path());
        assert!(summary.records >= committed.0, "{} of {committed}", summary.records);
        (copies, segments) = (copies + 1, summary.segments);
        same_as(&*reader, to.path(), summary.records);
    }
    let end = writer.join().unwrap();
    assert!(segments > 1, "the copies never crossed a segment's border");

    // The writer is gone, and its last batch is not marked: it is copied all the same.
    let (to, summary) = copied(source.path());
    assert_eq!(summary.records, end.0);
    let checked = check(source.path(), &mut |_| ()).unwrap();
    assert_eq!((checked.hash, checked.erased), (summary.hash, summary.erased));
    // A copy is a journal that can be gone on with.
    let (mut copy, opened) = FileJournal::open(to.path(), SMALL).unwrap();
    assert_eq!((opened.created, opened.truncation, opened.mark_repaired), (false, None, false));
    append(&mut copy, 2);
    assert_eq!(copy.next_index(), end.plus(2));
}

#[test]
fn what_does_not_hold_is_no_end() {
    let source = tempfile::tempdir().unwrap();
    let (mut journal, _) = FileJournal::open(source.path(), SMALL).unwrap();
    for _ in 0..20 {
        append(&mut journal, 1);
    }
    journal.idle().unwrap();
    drop(journal);
    let file = source.path().join("0000000000.seg");
    let mut bytes = std::fs::read(&file).unwrap();
    // The first record of the first batch: after two blocks of marks, a header and a frame.
    bytes[12288 + 112 + 20] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let disk = RealDisk::existing(source.path());
    let fault = copy(&disk, None, false, &mut |_| Ok(()), &mut |_| ()).unwrap_err();
    let Fault::Damaged { file, index, .. } = fault else { panic!("{fault}") };
    assert_eq!((file.as_str(), index), ("0000000000.seg", Index(0)));
}

#[test]
fn whoever_looks_at_the_batches_can_object() {
    let source = tempfile::tempdir().unwrap();
    let (mut journal, _) = FileJournal::open(source.path(), SMALL).unwrap();
    append(&mut journal, 2);
    append(&mut journal, 1);
    let mut judge = |batch: &ReadBatch<'_>| match batch.first {
        Index(0) => Ok(()),
        index => Err(Objection { index, what: "not this one".to_owned() }),
    };
    let disk = RealDisk::existing(source.path());
    let fault = copy(&disk, None, true, &mut judge, &mut |_| ()).unwrap_err();
    assert!(fault.to_string().contains("record 2): not this one"), "{fault}");
}

fn append(journal: &mut dyn Journal, entries: usize) {
    let entries = (0..entries)
        .map(|_| Entry { record: random::<90>().to_vec(), body: random::<700>().to_vec() })
        .collect();
    let batch = Batch { id: BatchId(random()), entries, trailer: random::<20>().to_vec() };
    journal.append(journal.next_index(), &batch).unwrap();
}

fn copied(source: &std::path::Path) -> (tempfile::TempDir, Summary) {
    let to = tempfile::tempdir().unwrap();
    let (from, disk) = (RealDisk::existing(source), RealDisk::existing(to.path()));
    let target = Target { disk: &disk, allocate: false };
    let summary = copy(&from, Some(&target), true, &mut |_| Ok(()), &mut |_| ()).unwrap();
    let checked = check(to.path(), &mut |_| ()).unwrap();
    assert_eq!((checked.torn.as_ref(), &checked.torn_marks), (None, &vec![]));
    assert_eq!(
        (checked.records, checked.batches, checked.hash, checked.erased),
        (summary.records, summary.batches, summary.hash, summary.erased)
    );
    assert!(disk.list().unwrap().iter().all(|name| name.ends_with(".seg")));
    (to, summary)
}

/// Records are the same; a body is the same, or has been erased since or before.
fn same_as(reader: &dyn Reader, copy: &std::path::Path, records: u64) {
    let (journal, _) = FileJournal::open(copy, SMALL).unwrap();
    let copy = all(&*journal.reader(), records);
    let now = all(reader, records);
    assert_eq!(copy.len() as u64, records);
    for (copy, now) in copy.iter().zip(&now) {
        assert_eq!((copy.index, copy.batch, &copy.record), (now.index, now.batch, &now.record));
        // It may have been on its way, and be gone by now.
        let gone = || {
            let again = reader.read(copy.index, 1, 0).unwrap().remove(0).body;
            std::thread::sleep(Duration::from_millis(1));
            again == Body::Erased
        };
        let same = copy.body == now.body || (0..5_000).any(|_| gone());
        assert!(same, "the body of {}", copy.index);
    }
}

fn all(reader: &dyn Reader, records: u64) -> Vec<Stored> {
    let mut all: Vec<Stored> = Vec::new();
    while (all.len() as u64) < records {
        let left = records as usize - all.len();
        all.extend(reader.read(Index(all.len() as u64), left, 1 << 20).unwrap());
    }
    all
}
