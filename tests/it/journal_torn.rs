//! D3: what a crash tears is cut off at the last whole batch; what was committed is there, or the
//! journal refuses to open.

#![expect(clippy::unwrap_used, reason = "what cannot go wrong here fails the test")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use detente::journal::{Batch, Fault, FileJournal, Journal, Options, Stored};
use detente::units::Index;

use crate::journal_battery::SMALL;
use crate::journal_disk::{Random, TestDisk, expected};

const SEGMENT: &str = "0000000000.seg";

/// A log in one segment and where its batches are.
struct Log {
    bytes: Vec<u8>,
    options: Options,
    batches: Vec<Batch>,
    /// Where each batch ends.
    ends: Vec<usize>,
    /// How many batches a mark names.
    marked: usize,
    /// How often it was judged.
    judged: Cell<u32>,
}

impl Log {
    fn new(sizes: &[u64], max: u64, options: Options, mark_after: usize) -> Self {
        let disk = TestDisk::default();
        let (mut journal, _) = FileJournal::open_on(Arc::new(disk.clone()), options).unwrap();
        let mut random = Random(1);
        let mut batches = Vec::new();
        let mut ends = Vec::new();
        let mut end = 12288;
        for (nth, records) in sizes.iter().enumerate() {
            let batch = random.batch(*records, max);
            journal.append(journal.next_index(), &batch).unwrap();
            end = *frames(end, &batch).last().unwrap();
            ends.push(end);
            batches.push(batch);
            if nth + 1 == mark_after {
                journal.idle().unwrap();
            }
        }
        let bytes = disk.files().remove(SEGMENT).unwrap();
        // The batch's own last bytes are a checksum, of which any one byte may be zero.
        let last = bytes.iter().rposition(|b| *b != 0).unwrap();
        assert!((end - 4..end).contains(&last), "{last}, not before {end}: the test counts wrong");
        Self { bytes, options, batches, ends, marked: mark_after, judged: Cell::new(0) }
    }

    fn marked_end(&self) -> usize {
        self.marked.checked_sub(1).map_or(12288, |last| self.ends[last])
    }

    /// Opens these bytes; panics unless exactly whole batches come out, at least `least` of them,
    /// or the fault is damage and that was to be expected.
    fn judge(&self, bytes: &[u8], least: usize, may_refuse: bool, what: &str) -> Option<usize> {
        let disk = TestDisk::with(&BTreeMap::from([(SEGMENT.to_owned(), bytes.to_vec())]));
        match FileJournal::open_on(Arc::new(disk.clone()), self.options) {
            Ok((mut journal, opened)) => {
                let read = journal.reader().read(Index(0), usize::MAX, usize::MAX).unwrap();
                let count = self.prefix(&read).unwrap_or_else(|| panic!("{what}: wrong bytes"));
                assert!(count >= least, "{what}: {count} batches of at least {least}");
                let end = count.checked_sub(1).map_or(12288, |last| self.ends[last]);
                let zeroes = vec![0; bytes.len() - end];
                let left = bytes[end..] != zeroes;
                assert_eq!(opened.truncation.is_some(), left, "{what}: said to have been cut");
                assert!(disk.files()[SEGMENT][end..] == zeroes, "{what}: left over");
                // It goes on from there; every fifth time is often enough to look.
                self.judged.set(self.judged.get() + 1);
                if !self.judged.get().is_multiple_of(5) {
                    return Some(count);
                }
                let batch = Random(9).batch(2, 50);
                journal.append(Index(read.len() as u64), &batch).unwrap();
                drop(journal);
                let (again, opened) = FileJournal::open_on(Arc::new(disk), self.options).unwrap();
                assert_eq!((opened.truncation, opened.mark_repaired), (None, false), "{what}");
                assert_eq!(again.next_index().0, read.len() as u64 + 2, "{what}");
                Some(count)
            }
            Err(Fault::Damaged { file, .. }) => {
                assert_eq!(file, SEGMENT);
                assert!(may_refuse, "{what}: refused");
                None
            }
            Err(other) => panic!("{what}: {other}"),
        }
    }

    /// How many whole batches `read` is.
    fn prefix(&self, read: &[Stored]) -> Option<usize> {
        let count = (0..=self.batches.len()).find(|n| {
            self.batches[..*n].iter().map(|b| b.entries.len()).sum::<usize>() == read.len()
        })?;
        (expected(&self.batches[..count]) == read).then_some(count)
    }

    fn whole_up_to(&self, offset: usize) -> usize {
        self.ends.iter().filter(|end| **end <= offset).count()
    }
}

/// Where the frames of a batch that starts at `start` start, then where it ends.
fn frames(start: usize, batch: &Batch) -> Vec<usize> {
    let mut at = start + 112;
    let mut places = Vec::new();
    for entry in &batch.entries {
        places.push(at);
        at += (20 + entry.record.len() + entry.body.len()).next_multiple_of(8);
    }
    places.push(at + batch.trailer.len().next_multiple_of(8) + 40);
    places
}

/// 40 records in 14 batches.
const FORTY: [u64; 14] = [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4];

#[test]
fn a_log_cut_at_any_offset_is_refused() {
    let log = Log::new(&FORTY, 60, SMALL, 6);
    for at in 0..log.bytes.len() {
        let disk =
            TestDisk::with(&BTreeMap::from([(SEGMENT.to_owned(), log.bytes[..at].to_vec())]));
        let fault = FileJournal::open_on(Arc::new(disk), SMALL).unwrap_err();
        assert!(matches!(fault, Fault::Damaged { .. }), "{at}: {fault}");
    }
}

#[test]
fn a_log_whose_end_was_never_written_is_a_prefix() {
    for mark_after in [0, 6, 14] {
        let log = Log::new(&FORTY, 60, SMALL, mark_after);
        assert_eq!(log.batches.iter().map(|b| b.entries.len()).sum::<usize>(), 40);
        for at in 12288..log.ends[13] + 9 {
            let mut bytes = log.bytes.clone();
            bytes[at..].fill(0);
            let refuse = at < log.marked_end();
            let least = log.whole_up_to(at).max(log.marked);
            log.judge(&bytes, least, refuse, &format!("zeroes from {at}, {mark_after} marked"));
        }
        // Zeroes that begin before the batches take the header or the marks with them.
        for at in (0..12288).step_by(61) {
            let mut bytes = log.bytes.clone();
            bytes[at..].fill(0);
            log.judge(&bytes, log.marked, true, &format!("zeroes from {at}, {mark_after} marked"));
        }
    }
}

#[test]
fn a_batch_of_which_only_the_end_was_written_is_cut_off() {
    let log = Log::new(&FORTY, 60, SMALL, 6);
    for nth in 6..14 {
        let (start, end) = (log.ends[nth - 1], log.ends[nth]);
        for at in start + 1..end {
            let mut bytes = log.bytes.clone();
            bytes[start..at].fill(0);
            bytes[end..].fill(0);
            let count = log.judge(&bytes, nth, false, &format!("zeroes from {start} to {at}"));
            assert_eq!(count, Some(nth));
        }
    }
}

#[test]
fn blocks_torn_out_at_the_borders_of_records_are_noticed() {
    let sizes: Vec<u64> = (0..60).map(|n| 1 + n % 9).collect();
    let options = Options { segment_bytes: 256 << 10, batch_bytes_max: 1 << 20 };
    let log = Log::new(&sizes, 700, options, 1);
    let mut start = log.ends[0];
    for nth in 1..log.batches.len() {
        let end = log.ends[nth];
        for border in frames(start, &log.batches[nth]).into_iter().step_by(2) {
            for size in [1, 511, 512, 513, 4095, 4096] {
                for from in [border.saturating_sub(size), border] {
                    let (from, to) = (from.clamp(start, end), (from + size).clamp(start, end));
                    let mut bytes = log.bytes[..end].to_vec();
                    bytes.resize(log.bytes.len(), 0);
                    bytes[from..to].fill(0);
                    let changed = bytes[from..to] != log.bytes[from..to];
                    let what = format!("{size} bytes torn out at {border} of batch {nth}");
                    let count = log.judge(&bytes, nth, false, &what);
                    assert_eq!(count, Some(if changed { nth } else { nth + 1 }), "{what}");

                    // The same below a later batch, which proves that it was committed.
                    if changed && nth + 1 < log.batches.len() && size == 512 {
                        let mut bytes = log.bytes.clone();
                        bytes[from..to].fill(0);
                        let count = log.judge(&bytes, nth, true, &what);
                        assert_eq!(count, None, "{what}: and the journal went on");
                    }
                }
            }
        }
        start = end;
    }
}

#[test]
fn what_was_cut_off_is_told() {
    let log = Log::new(&FORTY, 60, SMALL, 6);
    let mut bytes = log.bytes.clone();
    let (start, end) = (log.ends[12], log.ends[13]);
    bytes[end - 1] ^= 1;
    let disk = TestDisk::with(&BTreeMap::from([(SEGMENT.to_owned(), bytes.clone())]));
    let (_, opened) = FileJournal::open_on(Arc::new(disk), SMALL).unwrap();
    let cut = opened.truncation.unwrap();
    assert_eq!((cut.file.as_str(), cut.offset), (SEGMENT, start as u64));
    let last = bytes.iter().rposition(|b| *b != 0).unwrap() + 1;
    assert_eq!(cut.bytes, (last - start) as u64);
    assert_eq!(cut.sha256, detente::units::Hash::of(&[&bytes[start..last]]));
}
