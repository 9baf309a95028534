//! The contract of the journal, run against every implementation.

#![expect(clippy::unwrap_used, reason = "what cannot go wrong here fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use detente::journal::{
    AppendError, Batch, Body, Entry, Fault, FileJournal, Journal, MemoryJournal, Options, Reader,
    Stored, check,
};
use detente::units::{BatchId, Index, JournalId};
use proptest::prelude::*;

use crate::journal_disk::{Random, TestDisk, expected};

/// Small segments, so that every test crosses their borders.
pub(crate) const SMALL: Options = Options { segment_bytes: 32 << 10, batch_bytes_max: 1 << 20 };

fn memory() -> Box<dyn Journal> {
    Box::new(MemoryJournal::new(JournalId([7; 16])))
}

fn file() -> (tempfile::TempDir, Box<dyn Journal>) {
    let dir = tempfile::tempdir().unwrap();
    let (journal, opened) = FileJournal::open(dir.path(), SMALL).unwrap();
    assert!(opened.created && opened.truncation.is_none());
    (dir, Box::new(journal))
}

/// Runs `test` against every implementation.
fn battery(test: impl Fn(&mut dyn Journal)) {
    test(&mut *memory());
    let (dir, mut journal) = file();
    test(&mut *journal);
    drop(journal);
    check(dir.path(), &mut |_| ()).unwrap();
}

fn batch(id: u8, bodies: &[&[u8]]) -> Batch {
    let entries = bodies
        .iter()
        .zip(0_u8..)
        .map(|(body, nth)| Entry { record: vec![id, nth], body: body.to_vec() })
        .collect();
    Batch { id: BatchId([id; 16]), entries, trailer: vec![id; 3] }
}

/// Everything, read in small steps from everywhere.
fn all(reader: &dyn Reader) -> Vec<Stored> {
    let mut out: Vec<Stored> = Vec::new();
    loop {
        let more = reader.read(Index(out.len() as u64), 7, 9_000).unwrap();
        if more.is_empty() {
            return out;
        }
        out.extend(more);
    }
}

#[test]
fn batches_get_dense_indexes_in_order() {
    battery(|journal| {
        assert_eq!((journal.next_index(), journal.last_batch()), (Index(0), None));
        let batches = [batch(1, &[b"a", b""]), batch(2, &[b"c"]), batch(3, &[b"", b"", b"d"])];
        let mut next = Index(0);
        for one in &batches {
            journal.append(next, one).unwrap();
            next = next.plus(one.entries.len() as u64);
            assert_eq!(journal.next_index(), next);
            assert_eq!(journal.last_batch(), Some((one.id, one.trailer.clone())));
        }
        let reader = journal.reader();
        assert_eq!(reader.next_index(), Index(6));
        assert_eq!(all(&*reader), expected(&batches));
        let trailers = [1, 1, 2, 3, 3, 3].map(|id| Some(vec![id; 3]));
        for (index, trailer) in trailers.into_iter().enumerate() {
            assert_eq!(reader.trailer(Index(index as u64)).unwrap(), trailer);
        }
        assert_eq!(reader.trailer(Index(6)).unwrap(), None);
        assert_eq!(reader.read(Index(6), 1, 1).unwrap(), []);
        assert_eq!(reader.read(Index(u64::MAX), 1, 1).unwrap(), []);
        assert_eq!(reader.read(Index(0), 0, 1).unwrap(), []);
        // At least one record, then until the bytes are used up.
        assert_eq!(reader.read(Index(0), 9, 0).unwrap().len(), 1);
        assert_eq!(reader.read(Index(0), 9, 4).unwrap().len(), 2);
    });
}

#[test]
fn an_append_is_conditional_and_idempotent() {
    battery(|journal| {
        let (one, two) = (batch(1, &[b"x", b"y"]), batch(2, &[b"z"]));
        assert_eq!(journal.append(Index(1), &one), Err(AppendError::Conflict(Index(0))));
        journal.append(Index(0), &one).unwrap();
        journal.append(Index(0), &one).unwrap();
        assert_eq!(journal.append(Index(2), &one), Ok(()), "elsewhere it is another batch");
        assert_eq!(journal.append(Index(0), &two), Err(AppendError::Conflict(Index(4))));
        journal.append(Index(4), &two).unwrap();
        assert_eq!(journal.append(Index(2), &one), Err(AppendError::Conflict(Index(5))));
        assert_eq!(all(&*journal.reader()), expected(&[one.clone(), one, two]));
        journal.idle().unwrap();
        journal.probe().unwrap();
        assert_eq!(journal.next_index(), Index(5));
    });
}

#[test]
fn a_body_is_erased_and_nothing_else() {
    battery(|journal| {
        let batches = [batch(1, &[b"one", b"two", b""]), batch(2, &[b"three"])];
        journal.append(Index(0), &batches[0]).unwrap();
        journal.append(Index(3), &batches[1]).unwrap();
        let mut due = expected(&batches);
        for index in [1, 1, 2, 3] {
            journal.erase(Index(index)).unwrap();
        }
        assert!(journal.erase(Index(4)).is_err());
        due[1].body = Body::Erased;
        due[3].body = Body::Erased;
        assert_eq!(all(&*journal.reader()), due);
        let last = batch(3, &[b"after"]);
        journal.append(Index(4), &last).unwrap();
        assert_eq!(journal.reader().read(Index(4), 1, 1).unwrap()[0].record, [3, 0]);
    });
}

#[test]
fn readers_see_whole_batches_while_more_are_appended() {
    battery(|journal| {
        let reader = journal.reader();
        let done = Arc::new(AtomicBool::new(false));
        let finished = Arc::clone(&done);
        let thread = std::thread::spawn(move || {
            let mut seen = 0;
            loop {
                let last_round = finished.load(Ordering::Acquire);
                let next = reader.next_index().0;
                assert_eq!(next % 3, 0, "a part of a batch is visible");
                let more = reader.read(Index(seen), 100, 1 << 20).unwrap();
                for stored in &more {
                    assert_eq!(stored.index, Index(seen));
                    assert_eq!(stored.record, seen.to_le_bytes());
                    let good = match &stored.body {
                        Body::Present(body) => *body == vec![seen.to_le_bytes()[0] | 1; 300],
                        Body::Erased => seen % 9 == 0,
                        Body::None => false,
                    };
                    assert!(good, "record {seen} has another body");
                    seen += 1;
                }
                if last_round && more.is_empty() {
                    return seen;
                }
            }
        });
        for nth in 0..100_u64 {
            let entries = (nth * 3..nth * 3 + 3).map(|index| Entry {
                record: index.to_le_bytes().to_vec(),
                body: vec![index.to_le_bytes()[0] | 1; 300],
            });
            let id = BatchId(u128::from(nth + 1).to_le_bytes());
            let batch = Batch { id, entries: entries.collect(), trailer: Vec::new() };
            journal.append(Index(nth * 3), &batch).unwrap();
            if nth % 3 == 0 {
                journal.erase(Index(nth * 3)).unwrap();
            }
        }
        done.store(true, Ordering::Release);
        assert_eq!(thread.join().unwrap(), 300);
    });
}

#[test]
fn what_was_appended_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(3);
    let mut batches = Vec::new();
    let mut id = None;
    for round in 0..12 {
        let (mut journal, opened) = FileJournal::open(dir.path(), SMALL).unwrap();
        assert_eq!(opened.created, round == 0);
        assert_eq!((opened.truncation, opened.mark_repaired), (None, false));
        assert_eq!(*id.get_or_insert(journal.id()), journal.id());
        let last = batches.last().map(|b: &Batch| (b.id, b.trailer.clone()));
        assert_eq!(journal.last_batch(), last);
        assert_eq!(all(&*journal.reader()), expected(&batches));
        if let Some(last) = batches.last() {
            let first = journal.next_index().0 - last.entries.len() as u64;
            journal.append(Index(first), last).unwrap();
        }
        for _ in 0..random.below(6) {
            let records = 1 + random.below(5);
            let batch = random.batch(records, 2_000);
            journal.append(journal.next_index(), &batch).unwrap();
            batches.push(batch);
        }
        if round % 3 == 0 {
            journal.idle().unwrap();
        }
    }
    let summary = check(dir.path(), &mut |_| ()).unwrap();
    assert!(summary.segments > 3, "{summary:?}");
    assert_eq!(summary.records, expected(&batches).len() as u64);
    assert_eq!(summary.batches, batches.len() as u64);
    assert_eq!((summary.torn, summary.torn_marks.len()), (None, 0));
}

#[test]
fn a_batch_never_spans_segments_and_has_a_limit() {
    let (dir, mut journal) = file();
    let room = (32 << 10) - 12288;
    // Header, frame and end of a batch with one record and no trailer.
    let overhead = 112 + 20 + 40;
    let one = |id: u8, len: usize| Batch {
        id: BatchId([id; 16]),
        entries: vec![Entry { record: vec![id; len], body: Vec::new() }],
        trailer: Vec::new(),
    };
    let fits = room - overhead;
    let error = journal.append(Index(0), &one(1, fits + 1)).unwrap_err();
    let (bytes, max) = (room as u64 + 8, room as u64);
    assert_eq!(error, AppendError::TooLarge { bytes, max });
    let batches = [one(1, fits), one(2, fits), one(3, 100), one(4, fits), one(5, 1)];
    for (batch, index) in batches.iter().zip(0..) {
        journal.append(Index(index), batch).unwrap();
    }
    assert_eq!(all(&*journal.reader()), expected(&batches));
    drop(journal);
    assert_eq!(check(dir.path(), &mut |_| ()).unwrap().segments, 5);
    // A larger limit later on leaves what there is, even an empty segment, in use.
    let large = Options { segment_bytes: 1 << 20, batch_bytes_max: 1 << 20 };
    let (mut journal, _) = FileJournal::open(dir.path(), large).unwrap();
    let sixth = one(6, 500_000);
    journal.append(Index(5), &sixth).unwrap();
    let read = journal.reader().read(Index(5), 1, 1).unwrap();
    assert_eq!(read[0].record, sixth.entries[0].record);
}

#[test]
fn a_second_process_is_refused() {
    let (dir, journal) = file();
    let refused = |fault: &Fault| matches!(fault, Fault::InUse { .. });
    assert!(refused(&FileJournal::open(dir.path(), SMALL).unwrap_err()));
    assert!(refused(&check(dir.path(), &mut |_| ()).unwrap_err()[0]));
    drop(journal);
    FileJournal::open(dir.path(), SMALL).unwrap();
}

#[test]
fn what_is_not_ours_is_refused() {
    let (dir, mut journal) = file();
    for nth in 0..20 {
        let batch = Random(nth).batch(3, 1_000);
        journal.append(journal.next_index(), &batch).unwrap();
    }
    drop(journal);
    let (other_dir, other) = file();
    drop(other);
    let open = |dir: &std::path::Path| FileJournal::open(dir, SMALL).map(|_| ()).unwrap_err();
    let at = |name: &str| dir.path().join(name);
    let good = std::fs::read(at("0000000001.seg")).unwrap();

    // A segment that is missing in the middle, or at the end.
    std::fs::remove_file(at("0000000001.seg")).unwrap();
    assert!(open(dir.path()).to_string().starts_with("0000000001.seg is damaged at byte 0"));
    std::fs::write(at("0000000001.seg"), &good).unwrap();
    let last = std::fs::read_dir(dir.path()).unwrap().count() - 2;
    let last = format!("{last:010}.seg");
    let kept = std::fs::read(at(&last)).unwrap();
    std::fs::remove_file(at(&last)).unwrap();
    assert!(open(dir.path()).to_string().contains(&last));
    std::fs::write(at(&last), &kept).unwrap();

    // Another journal's segment.
    let mut foreign = std::fs::read(other_dir.path().join("0000000000.seg")).unwrap();
    let numbered = |block: &mut Vec<u8>, at: usize, value: u8| {
        block[at] = value;
        let crc = crc32c::crc32c(&block[..4092]);
        block[4092..4096].copy_from_slice(&crc.to_le_bytes());
    };
    numbered(&mut foreign, 32, 1);
    std::fs::write(at("0000000001.seg"), &foreign).unwrap();
    assert!(matches!(open(dir.path()), Fault::Foreign { .. }));

    // A newer version.
    let mut newer = good.clone();
    numbered(&mut newer, 8, 2);
    std::fs::write(at("0000000001.seg"), &newer).unwrap();
    let fault = open(dir.path());
    assert!(matches!(&fault, Fault::Foreign { what, .. } if what.contains("version 2")), "{fault}");

    std::fs::write(at("0000000001.seg"), &good).unwrap();
    FileJournal::open(dir.path(), SMALL).unwrap();
}

/// One step of a random run.
#[derive(Debug, Clone)]
enum Step {
    Append(u64, u64),
    Erase(u64),
    Idle,
    Reopen,
    Read(u64, usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (1..6_u64, 1..1_500_u64).prop_map(|(n, max)| Step::Append(n, max)),
        1 => any::<u64>().prop_map(Step::Erase),
        1 => Just(Step::Idle),
        1 => Just(Step::Reopen),
        2 => (any::<u64>(), 1..9_usize, 1..5_000_usize).prop_map(|(a, b, c)| Step::Read(a, b, c)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn it_behaves_like_a_list(seed: u64, steps in prop::collection::vec(step(), 1..60)) {
        let disk = TestDisk::default();
        let open = || FileJournal::open_on(Arc::new(disk.clone()), SMALL).unwrap().0;
        let mut random = Random(seed);
        let (mut file, mut memory) = (open(), memory());
        for step in steps {
            match step {
                Step::Append(records, max) => {
                    let batch = random.batch(records, max);
                    let next = memory.next_index();
                    prop_assert_eq!(memory.append(next, &batch), Ok(()));
                    prop_assert_eq!(file.append(next, &batch), Ok(()));
                }
                Step::Erase(at) if memory.next_index().0 > 0 => {
                    let index = Index(at % memory.next_index().0);
                    memory.erase(index).unwrap();
                    file.erase(index).unwrap();
                }
                Step::Erase(_) => {}
                Step::Idle => file.idle().unwrap(),
                Step::Reopen => {
                    drop(file);
                    file = open();
                }
                Step::Read(at, records, bytes) => {
                    let from = Index(at % (memory.next_index().0 + 1));
                    let read = memory.reader().read(from, records, bytes).unwrap();
                    prop_assert_eq!(file.reader().read(from, records, bytes).unwrap(), read);
                    let trailer = memory.reader().trailer(from).unwrap();
                    prop_assert_eq!(file.reader().trailer(from).unwrap(), trailer);
                }
            }
            prop_assert_eq!(file.next_index(), memory.next_index());
            prop_assert_eq!(file.last_batch(), memory.last_batch());
        }
        prop_assert_eq!(all(&*file.reader()), all(&*memory.reader()));
    }
}
