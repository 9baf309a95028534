//! A log of its own for tests of verifying: keys, a directory of 70,123 leaves, and ways to spoil
//! it that are undone afterwards.

use std::fs;
use std::path::{Path, PathBuf};

use detente::audit::{CHECKPOINT, Writer};
use detente::tlog::note::Kind;
use detente::tlog::{Checkpoint, Note, Signer};
use detente::units::Hash;

pub(crate) const ORIGIN: &str = "lab.example/traffic";

/// Three levels of tiles, none of them full at the right edge.
pub(crate) const SIZE: u64 = 70_123;

/// The size that the log had when an older head was kept.
pub(crate) const OLDER: u64 = 66_000;

/// When the witnesses have cosigned, in seconds since 1970.
const COSIGNED: u64 = 1_790_000_000;

pub(crate) fn signer(name: &str, kind: Kind, seed: u8) -> Signer {
    Signer::from_seed(name.parse().unwrap(), kind, [seed; 32])
}

pub(crate) fn log_key() -> Signer {
    signer(ORIGIN, Kind::Ed25519, 1)
}

pub(crate) fn witnesses() -> Vec<Signer> {
    let kinds = [Kind::Ed25519Cosignature, Kind::Ed25519Cosignature, Kind::MlDsa44Cosignature];
    let named = kinds.into_iter().zip(2_u8..);
    named.map(|(kind, n)| signer(&format!("lab.example/witness/{n}"), kind, n)).collect()
}

/// A policy that asks for `quorum` of the three witnesses.
pub(crate) fn policy(quorum: usize) -> String {
    let mut text = format!("log {}\n", log_key().public());
    for (n, witness) in witnesses().iter().enumerate() {
        text += &format!("witness w{n} {}\n", witness.public());
    }
    text + &format!("group g {quorum} w0 w1 w2\nquorum g\n")
}

/// A head that the log has signed.
pub(crate) fn signed(size: u64, root: Hash) -> Note {
    let text = Checkpoint::new(ORIGIN, size, root).unwrap().to_string();
    let mut note = Note::new(text).unwrap();
    note.add(log_key().sign(note.text(), 0).unwrap());
    note
}

/// A head that the log and every witness have signed.
pub(crate) fn cosigned(size: u64, root: Hash) -> Note {
    let mut note = signed(size, root);
    for witness in witnesses() {
        note.add(witness.sign(note.text(), COSIGNED).unwrap());
    }
    note
}

/// The leaf at `index`, 33 bytes as in the traffic log; `history` makes it another one.
pub(crate) fn leaf(history: u8, index: u64) -> [u8; 33] {
    let mut leaf = [1; 33];
    leaf[1..].copy_from_slice(&Hash::of(&[&[history], &index.to_be_bytes()]).0);
    leaf
}

/// Publishes the log with heads of these sizes. From leaf `turn` on it has another history.
pub(crate) fn publish(directory: &Path, sizes: &[u64], turn: u64) -> Vec<Note> {
    let mut writer = Writer::open(directory).unwrap();
    let mut heads = Vec::new();
    for size in sizes {
        for index in writer.size()..*size {
            writer.push(&leaf(u8::from(index >= turn), index)).unwrap();
        }
        let head = cosigned(*size, writer.root());
        writer.publish(&head).unwrap();
        heads.push(head);
    }
    heads
}

/// A published log, the head it had before, and the policy by which it is believed.
pub(crate) struct Lab {
    directory: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let lab = Self { directory: tempfile::tempdir().unwrap() };
        let heads = publish(&lab.log(), &[OLDER, SIZE], u64::MAX);
        lab.keep("older", &heads[0].to_string());
        lab.keep("policy", &policy(2));
        lab
    }

    /// The log's directory.
    pub(crate) fn log(&self) -> PathBuf {
        self.path("log")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Keeps a file beside the log.
    pub(crate) fn keep(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// The log, to be spoilt until the answer is dropped.
    pub(crate) fn spoilt(&self) -> Spoilt {
        Spoilt { root: self.log(), before: Vec::new() }
    }
}

/// What was changed in a directory. Dropping it puts everything back.
pub(crate) struct Spoilt {
    root: PathBuf,
    before: Vec<(PathBuf, Option<Vec<u8>>)>,
}

impl Spoilt {
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.root.join(name)).unwrap()
    }

    pub(crate) fn write(&mut self, name: &str, bytes: &[u8]) {
        let path = self.root.join(name);
        self.before.push((path.clone(), fs::read(&path).ok()));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn remove(&mut self, name: &str) {
        let path = self.root.join(name);
        self.before.push((path.clone(), Some(fs::read(&path).unwrap())));
        fs::remove_file(path).unwrap();
    }

    /// Flips bit `bit` of byte `at`.
    pub(crate) fn flip(&mut self, name: &str, at: usize, bit: u8) {
        let mut bytes = self.read(name);
        bytes[at] ^= 1 << bit;
        self.write(name, &bytes);
    }

    pub(crate) fn cut(&mut self, name: &str, length: usize) {
        let bytes = self.read(name);
        self.write(name, &bytes[..length]);
    }

    pub(crate) fn swap(&mut self, a: &str, b: &str) {
        let (in_a, in_b) = (self.read(a), self.read(b));
        self.write(a, &in_b);
        self.write(b, &in_a);
    }

    /// The newest head as text, changed.
    pub(crate) fn edit_head(&mut self, change: impl Fn(&str) -> String) {
        let text = String::from_utf8(self.read(CHECKPOINT)).unwrap();
        let changed = change(&text);
        assert_ne!(changed, text, "nothing was edited");
        self.write(CHECKPOINT, changed.as_bytes());
    }
}

impl Drop for Spoilt {
    fn drop(&mut self) {
        for (path, bytes) in self.before.drain(..).rev() {
            let restored = match bytes {
                Some(bytes) => fs::write(path, bytes),
                None => fs::remove_file(path),
            };
            restored.unwrap();
        }
    }
}
