//! A disk in memory for the journal's tests: it can be full, fail, write short, and lose power.
//!
//! Not a test itself. Every operation is recorded, so that the states in which a power cut may
//! leave a disk can be built from any prefix of them.

#![expect(clippy::unwrap_used, reason = "what cannot go wrong here fails the test")]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use detente::journal::disk::{Disk, DiskFile, Lock};
use detente::journal::{Batch, Body, Entry, Stored};
use detente::units::BatchId;

/// What happened to the disk, in order.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Create {
        name: String,
        file: usize,
    },
    Allocate {
        file: usize,
        len: u64,
    },
    Write {
        file: usize,
        offset: u64,
        bytes: Vec<u8>,
    },
    Sync {
        file: usize,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove {
        name: String,
    },
    SyncDir,
    /// The test's own note: this many records have been acknowledged.
    Acknowledged(u64),
    /// The same of a body: its erasure was asked for, or acknowledged.
    Erasing(u64),
    Erased(u64),
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// From the n-th allocation or write (from 0) on, there is no room; the n-th writes half.
    FullAt(u64),
    /// Only the n-th sync fails.
    SyncAt(u64),
    /// The n-th write fails with an input/output error after half of it.
    WriteAt(u64),
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<String, usize>,
    files: Vec<Vec<u8>>,
    ops: Vec<Op>,
    fault: Option<Fault>,
    writes: u64,
    syncs: u64,
    short: bool,
}

/// The disk. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct TestDisk(Arc<Mutex<State>>);

impl TestDisk {
    /// A disk with these files.
    pub(crate) fn with(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let disk = Self::default();
        {
            let mut state = disk.0.lock().unwrap();
            for (name, bytes) in files {
                let id = state.files.len();
                state.files.push(bytes.clone());
                state.names.insert(name.clone(), id);
            }
        }
        disk
    }

    /// Its files as they are now.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.0.lock().unwrap();
        state.names.iter().map(|(name, id)| (name.clone(), state.files[*id].clone())).collect()
    }

    /// Counts writes and syncs anew, and lets this go wrong.
    pub(crate) fn inject(&self, fault: Fault) {
        let mut state = self.0.lock().unwrap();
        state.fault = Some(fault);
        state.writes = 0;
        state.syncs = 0;
    }

    /// Makes every write take at most 7 bytes.
    pub(crate) fn write_short(&self) {
        self.0.lock().unwrap().short = true;
    }

    pub(crate) fn counts(&self) -> (u64, u64) {
        let state = self.0.lock().unwrap();
        (state.writes, state.syncs)
    }

    pub(crate) fn note(&self, op: Op) {
        self.0.lock().unwrap().ops.push(op);
    }

    pub(crate) fn ops(&self) -> Vec<Op> {
        self.0.lock().unwrap().ops.clone()
    }
}

fn no_room() -> io::Error {
    io::Error::from_raw_os_error(28)
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk for TestDisk {
    fn path(&self) -> String {
        "test".to_owned()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.lock().unwrap();
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let id = state.files.len();
        state.files.push(Vec::new());
        state.names.insert(name.to_owned(), id);
        state.ops.push(Op::Create { name: name.to_owned(), file: id });
        Ok(Arc::new(TestFile { disk: self.clone(), id }))
    }

    fn open(&self, name: &str, _write: bool) -> io::Result<Arc<dyn DiskFile>> {
        let id = *self.0.lock().unwrap().names.get(name).ok_or_else(not_found)?;
        Ok(Arc::new(TestFile { disk: self.clone(), id }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let id = state.names.remove(from).ok_or_else(not_found)?;
        state.names.insert(to.to_owned(), id);
        state.ops.push(Op::Rename { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.names.remove(name).ok_or_else(not_found)?;
        state.ops.push(Op::Remove { name: name.to_owned() });
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.sync()?;
        state.ops.push(Op::SyncDir);
        Ok(())
    }

    fn lock(&self, _exclusive: bool) -> io::Result<Option<Lock>> {
        Ok(Some(Lock::nothing()))
    }
}

impl State {
    fn sync(&mut self) -> io::Result<()> {
        let nth = self.syncs;
        self.syncs += 1;
        match self.fault {
            Some(Fault::SyncAt(n)) if n == nth => Err(io::Error::from_raw_os_error(5)),
            _ => Ok(()),
        }
    }
}

#[derive(Debug)]
struct TestFile {
    disk: TestDisk,
    id: usize,
}

impl DiskFile for TestFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().unwrap().files[self.id].len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.0.lock().unwrap();
        let file = &state.files[self.id];
        let from = usize::try_from(offset).unwrap().min(file.len());
        let n = bytes.len().min(file.len() - from);
        bytes[..n].copy_from_slice(&file[from..from + n]);
        Ok(n)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.0.lock().unwrap();
        let nth = state.writes;
        state.writes += 1;
        let half = &bytes[..bytes.len() / 2];
        let (take, error) = match state.fault {
            Some(Fault::FullAt(n)) if nth == n && !half.is_empty() => (half, None),
            Some(Fault::FullAt(n)) if nth >= n => (&bytes[..0], Some(no_room())),
            Some(Fault::WriteAt(n)) if nth == n => (half, Some(io::Error::from_raw_os_error(5))),
            _ if state.short => (&bytes[..bytes.len().min(7)], None),
            _ => (bytes, None),
        };
        let at = usize::try_from(offset).unwrap();
        let id = self.id;
        if state.files[id].len() < at + take.len() {
            state.files[id].resize(at + take.len(), 0);
        }
        state.files[id][at..at + take.len()].copy_from_slice(take);
        if !take.is_empty() {
            state.ops.push(Op::Write { file: id, offset, bytes: take.to_vec() });
        }
        match error {
            Some(error) => Err(error),
            None => Ok(take.len()),
        }
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.0.lock().unwrap();
        let nth = state.writes;
        state.writes += 1;
        if let Some(Fault::FullAt(n)) = state.fault
            && nth >= n
        {
            return Err(no_room());
        }
        if state.fault == Some(Fault::WriteAt(nth)) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let id = self.id;
        state.files[id].resize(usize::try_from(len).unwrap(), 0);
        state.ops.push(Op::Allocate { file: id, len });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.0.lock().unwrap();
        state.sync()?;
        state.ops.push(Op::Sync { file: self.id });
        Ok(())
    }
}

/// Random numbers that are the same each time (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn bytes(&mut self, len: u64) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// A batch of `records` records: records and bodies of up to `max` bytes.
    pub(crate) fn batch(&mut self, records: u64, max: u64) -> Batch {
        let entries = (0..records)
            .map(|_| {
                let (record, body) = (1 + self.below(max), self.below(max));
                Entry { record: self.bytes(record), body: self.bytes(body) }
            })
            .collect();
        let mut id = [0; 16];
        id.copy_from_slice(&self.bytes(16));
        let trailer = self.below(40);
        Batch { id: BatchId(id), entries, trailer: self.bytes(trailer) }
    }
}

/// What must be read once these batches are committed.
pub(crate) fn expected(batches: &[Batch]) -> Vec<Stored> {
    let entries = batches.iter().flat_map(|b| b.entries.iter().map(move |e| (b.id, e)));
    entries
        .zip(0..)
        .map(|((batch, entry), index)| Stored {
            index: detente::units::Index(index),
            batch,
            record: entry.record.clone(),
            body: match entry.body.is_empty() {
                true => Body::None,
                false => Body::Present(entry.body.clone()),
            },
        })
        .collect()
}
