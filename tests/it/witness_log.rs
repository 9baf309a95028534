//! A log for the witness's tests: it signs whatever it is told to, as a hostile relay would.

use detente::desk::witness::Head;
use detente::envelope::genesis::log_key;
use detente::tlog::note::Kind;
use detente::tlog::proof::{Nodes, prove_consistency};
use detente::tlog::witness::AddCheckpoint;
use detente::tlog::{Checkpoint, Frontier, Note, Signer, leaf_hash};
use detente::units::{DeskId, Hash};

use crate::desk_pair;

/// A log with all its leaves in memory.
#[derive(Clone)]
pub(crate) struct TestLog {
    pub(crate) log: &'static str,
    pub(crate) seed: u8,
    pub(crate) leaves: Vec<Hash>,
}

impl TestLog {
    /// The log of the desks' test network, signed with the key that its genesis has.
    pub(crate) fn new(log: &'static str) -> Self {
        let seed = if log == "directory" { 8 } else { 9 };
        Self { log, seed, leaves: Vec::new() }
    }

    /// The same with another key under the same name.
    pub(crate) fn forged(&self) -> Self {
        Self { seed: 77, ..self.clone() }
    }

    /// The same that goes on otherwise from leaf `at` on.
    pub(crate) fn fork(&self, at: usize) -> Self {
        let mut fork = self.clone();
        fork.leaves.truncate(at);
        let more = self.leaves.len() - at;
        fork.push_named("fork", more);
        fork
    }

    pub(crate) fn push(&mut self, leaves: usize) {
        self.push_named("leaf", leaves);
    }

    fn push_named(&mut self, name: &str, leaves: usize) {
        for _ in 0..leaves {
            let text = format!("{name} {}", self.leaves.len());
            self.leaves.push(leaf_hash(text.as_bytes()));
        }
    }

    /// Adds a leaf with this hash.
    pub(crate) fn push_hash(&mut self, leaf: Hash) {
        self.leaves.push(leaf);
    }

    pub(crate) fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    pub(crate) fn origin(&self) -> String {
        format!("detente-test/{}", self.log)
    }

    pub(crate) fn root(&self, size: u64) -> Hash {
        let mut frontier = Frontier::new();
        self.leaves[..size as usize].iter().for_each(|leaf| frontier.push(*leaf));
        frontier.root()
    }

    pub(crate) fn signer(&self) -> Signer {
        Signer::from_seed(self.origin().parse().unwrap(), Kind::Ed25519, [self.seed; 32])
    }

    /// The signed head of its first `size` leaves.
    pub(crate) fn head(&self, size: u64) -> Note {
        let root = self.root(size);
        let text = Checkpoint::new(&self.origin(), size, root).unwrap().to_string();
        let mut note = Note::new(text.as_str()).unwrap();
        note.add(self.signer().sign(&text, 0).unwrap());
        note
    }

    /// That the head of `old` leaves is the beginning of that of `new`.
    pub(crate) fn consistency(&self, old: u64, new: u64) -> Vec<Hash> {
        prove_consistency(self, old, new).unwrap().unwrap()
    }

    /// A request to cosign the head of `new` leaves, of a witness that has cosigned `old`.
    pub(crate) fn ask(&self, old: u64, new: u64) -> String {
        let proof = if old == 0 || old >= new { Vec::new() } else { self.consistency(old, new) };
        AddCheckpoint { old_size: old, proof, checkpoint: self.head(new) }.to_string()
    }
}

impl Nodes for TestLog {
    type Error = String;

    fn node(&self, level: u32, index: u64) -> Result<Hash, String> {
        let width = 1_usize << level;
        let from = usize::try_from(index).unwrap() * width;
        let leaves = self.leaves.get(from..from + width).ok_or("not there")?;
        let mut frontier = Frontier::new();
        leaves.iter().for_each(|leaf| frontier.push(*leaf));
        Ok(frontier.root())
    }
}

/// A head with the cosignatures of these desks.
pub(crate) fn cosigned(log: &TestLog, size: u64, by: &[DeskId]) -> Note {
    let mut note = log.head(size);
    for desk in by {
        let line = desk_pair::witness(desk).sign(note.text(), 1_795_000_100).unwrap();
        note.add(line);
    }
    note
}

/// The signed head of a log's first leaves, as a desk keeps it.
pub(crate) fn head(log: &TestLog, size: u64) -> Head {
    Head { size, root: log.root(size), note: log.head(size) }
}

/// A log of this name with so many leaves.
pub(crate) fn log_of(name: &'static str, leaves: usize) -> TestLog {
    let mut log = TestLog::new(name);
    log.push(leaves);
    log
}

/// The logs' keys in the test network's genesis are those of [`TestLog`].
#[test]
fn the_fixture_signs_with_the_keys_of_the_genesis() {
    let (_, genesis) = desk_pair::genesis();
    for key in &genesis.log_keys {
        let log = TestLog::new(if key.log == "directory" { "directory" } else { "traffic" });
        let verifier = log_key(&genesis.network, key).unwrap();
        assert_eq!(log.signer().public(), &verifier);
        assert!(log.head(0).verify([&verifier]).is_ok());
    }
}
