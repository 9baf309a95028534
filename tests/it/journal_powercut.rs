//! D2: a power cut loses nothing that was acknowledged, and leaves no part of a batch.
//!
//! The model: what was synced is there. Of what was not, any sectors may be, and one may be torn
//! at any byte; of the directory, any first few changes since its last sync. The states are built
//! from what the journal's own code did to a disk, its recovery included.

#![expect(clippy::unwrap_used, reason = "what cannot go wrong here fails the test")]
#![expect(clippy::wildcard_enum_match_arm, reason = "each function looks at some operations only")]

use std::collections::BTreeMap;
use std::sync::Arc;

use detente::journal::{Batch, Body, FileJournal, Journal, check_on};
use detente::units::Index;

use crate::journal_battery::SMALL;
use crate::journal_disk::{Fault, Op, Random, TestDisk, expected};

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// A disk that is losing power.
#[derive(Default)]
pub(crate) struct Model {
    names: BTreeMap<String, usize>,
    changes: Vec<Op>,
    durable: BTreeMap<usize, Vec<u8>>,
    pending: BTreeMap<usize, Vec<Op>>,
}

impl Model {
    /// A disk on which these files are safe. Their numbers are as `TestDisk::with` gives them.
    pub(crate) fn with(files: &Files) -> Self {
        let names = files.keys().cloned().zip(0..).collect();
        let durable = files.values().cloned().enumerate().collect();
        Self { names, durable, ..Self::default() }
    }

    pub(crate) fn run(&mut self, op: &Op) {
        match op {
            Op::Create { .. } | Op::Rename { .. } | Op::Remove { .. } => {
                self.changes.push(op.clone());
            }
            Op::SyncDir => {
                for change in std::mem::take(&mut self.changes) {
                    rename(&mut self.names, &change);
                }
            }
            Op::Allocate { file, .. } | Op::Write { file, .. } => {
                self.pending.entry(*file).or_default().push(op.clone());
            }
            Op::Sync { file } => {
                let bytes = self.durable.entry(*file).or_default();
                for op in self.pending.remove(file).unwrap_or_default() {
                    write(bytes, &op, |_| true, usize::MAX);
                }
            }
            Op::Acknowledged(_) | Op::Erasing(_) | Op::Erased(_) => {}
        }
    }

    /// What may be found after the power is back.
    pub(crate) fn cut(&self, random: &mut Random) -> Files {
        let mut names = self.names.clone();
        let some = random.below(self.changes.len() as u64 + 1);
        for (change, _) in self.changes.iter().zip(0..some) {
            rename(&mut names, change);
        }
        let mut durable = self.durable.clone();
        let luck = [0, 10, 50, 90, 100][usize::try_from(random.below(5)).unwrap()];
        for (file, ops) in &self.pending {
            let bytes = durable.entry(*file).or_default();
            for op in ops {
                let torn = usize::try_from(random.below(4096)).unwrap();
                write(bytes, op, |_| random.below(100) < luck, torn);
            }
        }
        names
            .into_iter()
            .map(|(name, file)| (name, durable.get(&file).cloned().unwrap_or_default()))
            .collect()
    }
}

fn rename(names: &mut BTreeMap<String, usize>, change: &Op) {
    match change {
        Op::Create { name, file } => {
            names.insert(name.clone(), *file);
        }
        Op::Rename { from, to } => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        Op::Remove { name } => {
            names.remove(name);
        }
        _ => {}
    }
}

/// Does `op` to `bytes`, but for the sectors that `survives` refuses; sector number `torn` of the
/// write keeps its first half only.
fn write(bytes: &mut Vec<u8>, op: &Op, mut survives: impl FnMut(usize) -> bool, torn: usize) {
    match op {
        Op::Allocate { len, .. } if survives(0) => {
            bytes.resize(usize::try_from(*len).unwrap(), 0);
        }
        Op::Write { offset, bytes: new, .. } => {
            let start = usize::try_from(*offset).unwrap();
            let mut from = start;
            while from < start + new.len() {
                let sector = from / 512;
                let mut to = ((sector + 1) * 512).min(start + new.len());
                let next = to;
                if sector % 64 == torn % 64 && torn != usize::MAX {
                    to = from + (to - from) * (torn / 64) / 64;
                }
                if survives(sector) && to > from {
                    if bytes.len() < to {
                        bytes.resize(to, 0);
                    }
                    bytes[from..to].copy_from_slice(&new[from - start..to - start]);
                }
                from = next;
            }
        }
        _ => {}
    }
}

/// What the journal's user knew at some moment.
#[derive(Debug, Clone, Default)]
struct Known {
    acknowledged: u64,
    erasing: Vec<u64>,
    erased: Vec<u64>,
}

impl Known {
    fn of(ops: &[Op]) -> Self {
        let mut known = Self::default();
        for op in ops {
            match op {
                Op::Acknowledged(records) => known.acknowledged = *records,
                Op::Erasing(index) => known.erasing.push(*index),
                Op::Erased(index) => known.erased.push(*index),
                _ => {}
            }
        }
        known
    }
}

/// Opens what a cut has left and compares; returns the disk and the number of records.
fn judge(files: &Files, batches: &[Batch], known: &Known, what: &str) -> (TestDisk, u64) {
    let disk = TestDisk::with(files);
    if let Err(faults) = check_on(&disk, &mut |_| ()) {
        panic!("{what}: {}", faults[0]);
    }
    let opened = FileJournal::open_on(Arc::new(disk.clone()), SMALL);
    let (journal, _) = opened.unwrap_or_else(|fault| panic!("{what}: {fault}"));
    let read = journal.reader().read(Index(0), usize::MAX, usize::MAX);
    let read = read.unwrap_or_else(|fault| panic!("{what}: {fault}"));
    let count = read.len() as u64;
    assert!(count >= known.acknowledged, "{what}: {count} of {}", known.acknowledged);
    let mut whole = 0;
    for batch in batches {
        if whole < count {
            whole += batch.entries.len() as u64;
        }
    }
    assert_eq!(whole, count, "{what}: a part of a batch, or a phantom");
    for (read, due) in read.into_iter().zip(expected(batches)) {
        assert_eq!((read.index, read.batch, &read.record), (due.index, due.batch, &due.record));
        let erased = read.body == Body::Erased;
        assert!(!erased || known.erasing.contains(&read.index.0), "{what}: a lost body");
        assert!(erased || read.body == due.body, "{what}: a wrong body");
        assert!(erased || !known.erased.contains(&read.index.0), "{what}: a body that is back");
    }
    (disk, count)
}

/// Appends, marks, erases, runs full and opens again; every step leaves its note.
fn work(seed: u64) -> (Vec<Op>, Vec<Batch>) {
    let disk = TestDisk::default();
    let mut random = Random(seed);
    let open = || FileJournal::open_on(Arc::new(disk.clone()), SMALL).unwrap().0;
    let mut journal = open();
    let mut batches: Vec<Batch> = Vec::new();
    for nth in 0..40 {
        let records = 1 + random.below(4);
        let batch = random.batch(records, 1_400);
        batches.push(batch.clone());
        if nth % 7 == 3 {
            disk.inject(Fault::FullAt(random.below(3)));
            let _ = journal.append(journal.next_index(), &batch);
            disk.inject(Fault::None);
        }
        if journal.last_batch().is_none_or(|(id, _)| id != batch.id) {
            journal.append(journal.next_index(), &batch).unwrap();
        }
        let next = journal.next_index().0;
        disk.note(Op::Acknowledged(next));
        match random.below(6) {
            0 => journal.idle().unwrap(),
            1 => {
                let index = random.below(next);
                let stored = journal.reader().read(Index(index), 1, 1).unwrap().remove(0);
                if stored.body != Body::None {
                    disk.note(Op::Erasing(index));
                    journal.erase(Index(index)).unwrap();
                    disk.note(Op::Erased(index));
                }
            }
            2 => {
                drop(journal);
                journal = open();
            }
            _ => {}
        }
    }
    (disk.ops(), batches)
}

#[test]
fn nothing_acknowledged_is_lost_in_a_power_cut() {
    let mut random = Random(77);
    let (mut states, mut shortened, mut extra) = (0, 0, 0);
    for seed in 0..4 {
        let (ops, batches) = work(seed);
        let mut model = Model::default();
        for at in 0..=ops.len() {
            let known = Known::of(&ops[..at]);
            let what = format!("seed {seed}, cut before operation {at} ({:?})", kind(ops.get(at)));
            for _ in 0..2 {
                let files = model.cut(&mut random);
                let (disk, count) = judge(&files, &batches, &known, &what);
                states += 1;
                extra += u32::from(count > known.acknowledged);
                shortened += u32::from(!disk.ops().is_empty());

                // The power fails again while the journal is opened, and then once more.
                let recovery = disk.ops();
                let again = usize::try_from(random.below(recovery.len() as u64 + 1)).unwrap();
                let mut second = Model::with(&files);
                recovery[..again].iter().for_each(|op| second.run(op));
                let files = second.cut(&mut random);
                let what = format!("{what}, again before {again} of {}", recovery.len());
                let (_, recount) = judge(&files, &batches, &known, &what);
                // What a finished recovery has shown stays.
                assert!(again < recovery.len() || recount == count, "{what}");
                states += 1;
            }
            if let Some(op) = ops.get(at) {
                model.run(op);
            }
        }
    }
    assert!(states >= 500, "{states} states");
    assert!(shortened > 100 && extra > 10, "{shortened} repaired, {extra} unacknowledged found");
}

fn kind(op: Option<&Op>) -> String {
    let text = format!("{op:?}");
    text.chars().take(60).collect()
}
