//! D5 and D6: a full disk refuses and goes on when there is room; a failed sync ends the writer.

#![expect(clippy::unwrap_used, reason = "what cannot go wrong here fails the test")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use detente::journal::{
    AppendError, Batch, Body, Entry, FileJournal, Journal, Options, Reader, check, check_on,
};
use detente::units::{BatchId, Index};

use crate::journal_battery::SMALL;
use crate::journal_disk::{Fault, Random, TestDisk, expected};

/// Enough to cross the borders of segments five times.
fn script() -> Vec<Batch> {
    let mut random = Random(21);
    (0..40).map(|nth| random.batch(1 + nth % 3, 1_600)).collect()
}

fn open(disk: &TestDisk) -> FileJournal {
    FileJournal::open_on(Arc::new(disk.clone()), SMALL).unwrap().0
}

fn agrees(reader: &dyn Reader, batches: &[Batch], what: &str) {
    let read = reader.read(Index(0), usize::MAX, usize::MAX).unwrap();
    let due = expected(batches);
    assert_eq!(read.len(), due.len(), "{what}");
    for (read, due) in read.into_iter().zip(due) {
        assert!(read.body == Body::Erased || read.body == due.body, "{what}");
        assert_eq!(read.record, due.record, "{what}");
    }
}

/// Appends, marks and erases; returns how many batches were acknowledged and the first error.
fn run(journal: &mut FileJournal, batches: &[Batch]) -> (usize, Option<AppendError>) {
    for (nth, batch) in batches.iter().enumerate() {
        if let Err(error) = journal.append(journal.next_index(), batch) {
            return (nth, Some(error));
        }
        if nth % 5 == 0
            && let Err(error) = journal.idle()
        {
            return (nth + 1, Some(error));
        }
    }
    (batches.len(), None)
}

#[test]
fn a_full_disk_at_any_write_refuses_and_then_goes_on() {
    let batches = script();
    let mut full = 0;
    for nth in 0.. {
        let disk = TestDisk::default();
        let mut journal = open(&disk);
        disk.inject(Fault::FullAt(nth));
        let (done, error) = run(&mut journal, &batches);
        let Some(error) = error else { break };
        full += 1;
        let what = format!("full at write {nth}");
        assert_eq!(error, AppendError::Full, "{what}");
        agrees(&*journal.reader(), &batches[..done], &what);
        // Trying again changes nothing, and a crash now would lose nothing.
        if let Some(batch) = batches.get(done) {
            assert_eq!(journal.append(journal.next_index(), batch), Err(AppendError::Full));
        }
        let crashed = TestDisk::with(&disk.files());
        agrees(&*open(&crashed).reader(), &batches[..done], &what);
        check_on(&crashed, &mut |_| ()).unwrap();

        disk.inject(Fault::None);
        // A smaller batch first, so that nothing of the refused one may shine through.
        let small = Random(nth).batch(1, 10);
        journal.append(journal.next_index(), &small).unwrap();
        let mut due = batches[..done].to_vec();
        due.push(small);
        let (more, error) = run(&mut journal, &batches[done..]);
        assert_eq!((more, error), (batches.len() - done, None), "{what}");
        due.extend_from_slice(&batches[done..]);
        agrees(&*journal.reader(), &due, &what);
        drop(journal);
        let summary = check_on(&disk, &mut |_| ()).unwrap();
        assert_eq!(summary.torn, None, "{what}");
        agrees(&*open(&disk).reader(), &due, &what);
    }
    assert!(full > 60, "{full} writes");
}

/// Lets something fail at each place in turn; returns how many places there are.
fn fail_everywhere(fault: impl Fn(u64) -> Fault) -> u64 {
    let batches = script();
    for nth in 0.. {
        let disk = TestDisk::default();
        let mut journal = open(&disk);
        disk.inject(fault(nth));
        let (done, error) = run(&mut journal, &batches);
        let Some(error) = error else { return nth };
        let what = format!("{:?}", fault(nth));
        assert!(matches!(error, AppendError::Unknown(_)), "{what}: {error}");
        // Nothing more is acknowledged, although the disk would do it.
        disk.inject(Fault::None);
        for batch in &batches[done.min(39)..] {
            let again = journal.append(journal.next_index(), batch);
            assert!(matches!(again, Err(AppendError::Unknown(_))), "{what}");
        }
        assert!(matches!(journal.idle(), Err(AppendError::Unknown(_))), "{what}");
        assert!(matches!(journal.probe(), Err(AppendError::Unknown(_))), "{what}");
        assert!(journal.erase(Index(0)).is_err(), "{what}");
        assert_eq!(disk.counts(), (0, 0), "{what}: and touches the disk no more");
        agrees(&*journal.reader(), &batches[..done], &what);
        drop(journal);

        // Started again it has what was acknowledged, and at most the one nobody knew about.
        let mut journal = open(&disk);
        let count = expected(&batches[..done]).len() as u64;
        let done = done + usize::from(journal.next_index().0 > count);
        agrees(&*journal.reader(), &batches[..done], &what);
        let (more, error) = run(&mut journal, &batches[done..]);
        assert_eq!((more, error), (batches.len() - done, None), "{what}");
        agrees(&*journal.reader(), &batches, &what);
        drop(journal);
        check_on(&disk, &mut |_| ()).unwrap();
    }
    0
}

#[test]
fn a_failed_sync_ends_the_writer() {
    let places = fail_everywhere(Fault::SyncAt);
    assert!(places > 60, "{places} syncs");
}

#[test]
fn a_failed_write_ends_the_writer() {
    let places = fail_everywhere(Fault::WriteAt);
    assert!(places > 60, "{places} writes");
}

#[test]
fn writes_that_take_a_few_bytes_at_a_time_are_finished() {
    let disk = TestDisk::default();
    disk.write_short();
    let mut journal = open(&disk);
    let batches = script();
    assert_eq!(run(&mut journal, &batches), (40, None));
    drop(journal);
    check_on(&disk, &mut |_| ()).unwrap();
    agrees(&*open(&disk).reader(), &batches, "short writes");
}

#[test]
fn an_erasure_that_fails_anywhere_is_finished_or_not_begun() {
    let batches = script();
    for nth in 0..12 {
        for fault in [Fault::SyncAt(nth), Fault::WriteAt(nth), Fault::FullAt(nth)] {
            let disk = TestDisk::default();
            let mut journal = open(&disk);
            assert_eq!(run(&mut journal, &batches).1, None);
            let victim = journal.reader().read(Index(0), 99, usize::MAX).unwrap();
            let victim = victim.iter().find(|s| s.body != Body::None).unwrap().index;
            disk.inject(fault);
            let done = journal.erase(victim);
            disk.inject(Fault::None);
            let now = journal.reader().read(victim, 1, 1).unwrap().remove(0);
            assert!(done.is_err() || now.body == Body::Erased, "{fault:?}");
            drop(journal);
            check_on(&disk, &mut |_| ()).unwrap();
            let mut journal = open(&disk);
            let then = journal.reader().read(victim, 1, 1).unwrap().remove(0);
            assert!(now.body == then.body || then.body == Body::Erased, "{fault:?}");
            journal.erase(victim).unwrap();
            agrees(&*journal.reader(), &batches, &format!("{fault:?}"));
        }
    }
}

/// A small file system of its own.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
#[ignore = "needs root: mounts a small tmpfs"]
fn a_real_full_disk_refuses_and_then_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(dir.path());
    assert!(mount.status().unwrap().success());
    let _mounted = Mounted(dir.path());
    let journal_dir = dir.path().join("journal");
    let options = Options { segment_bytes: 1 << 20, batch_bytes_max: 1 << 20 };
    let ballast = dir.path().join("ballast");
    std::fs::write(&ballast, vec![1; 3 << 20]).unwrap();

    let (mut journal, _) = FileJournal::open(&journal_dir, options).unwrap();
    let batch = |nth: u64| Batch {
        id: BatchId(u128::from(nth + 1).to_le_bytes()),
        entries: vec![Entry { record: nth.to_le_bytes().to_vec(), body: vec![7; 9_000] }],
        trailer: Vec::new(),
    };
    let mut next = 0;
    while journal.append(Index(next), &batch(next)).is_ok() {
        next += 1;
    }
    assert!(next > 300, "{next} records");
    for _ in 0..10 {
        assert_eq!(journal.append(Index(next), &batch(next)), Err(AppendError::Full));
    }
    journal.probe().unwrap();
    assert_eq!(journal.reader().read(Index(0), usize::MAX, usize::MAX).unwrap().len() as u64, next);

    std::fs::remove_file(&ballast).unwrap();
    for _ in 0..200 {
        journal.append(Index(next), &batch(next)).unwrap();
        next += 1;
    }
    drop(journal);
    assert_eq!(check(&journal_dir, &mut |_| ()).unwrap().records, next);
}
