//! The logs that stories leave behind, as a reader finds them: verified by us, by two crates that
//! share no code with us, and by a verifier in Go.

use std::fs;
use std::path::{Path, PathBuf};

use detente::audit::{self, Files, Older, Options, Trust};
use detente::codec::Log;
use detente::envelope::genesis::{self, Genesis};
use detente::story::{self, Story};
use detente::tlog::tile::{Resource, TILE_WIDTH, parse_entries};
use detente::tlog::{Checkpoint, Note};
use serde_json::Value;
use tlog_tiles::{Hash, HashReader};

use super::audit_go;
use super::stories::stories;

/// What a network in a directory has published, and every head of it that was seen.
pub(crate) struct Heads {
    net: PathBuf,
    seen: [Vec<Note>; 2],
}

impl Heads {
    /// None seen yet of the network that will be in this directory.
    pub(crate) fn of(net: &Path) -> Self {
        Self { net: net.to_owned(), seen: [Vec::new(), Vec::new()] }
    }

    fn log(&self, log: Log) -> PathBuf {
        self.net.join("relay/data/public").join(log.as_str())
    }

    /// Remembers the heads that are published now.
    pub(crate) fn look(&mut self) {
        for (at, log) in Log::ALL.into_iter().enumerate() {
            let Ok(note) = Files::new(self.log(log)).checkpoint() else { continue };
            // Cosignatures come and go; the text is the head.
            if self.seen[at].last().is_none_or(|last| last.text() != note.text()) {
                self.seen[at].push(note);
            }
        }
    }

    fn genesis(&self) -> Genesis {
        genesis::parse(&fs::read(self.net.join("genesis.bin")).unwrap()).unwrap()
    }

    /// Everything holds: every entry, and every head is the beginning of the next.
    pub(crate) fn check(&mut self) {
        self.look();
        let genesis = self.genesis();
        let trust = Trust::new(&Trust::log_keys(&genesis), None).unwrap();
        for (at, log) in Log::ALL.into_iter().enumerate() {
            let (directory, seen) = (self.log(log), &self.seen[at]);
            let older: Vec<Older> = self.write_seen(log).iter().map(|at| older(at)).collect();
            let options = Options { older, ..Options::default() };
            let summary = audit::verify(&directory, &trust, &options, &mut |_| {}).unwrap();
            assert!(summary.size > 0, "{directory:?} is empty");
            assert_eq!(summary.older_heads, seen.len());
            let key = genesis.log_verifier(log.as_str()).unwrap().to_string();
            second_opinion(&directory, &key, seen);
        }
    }

    /// The heads that were seen as files, oldest first.
    fn write_seen(&self, log: Log) -> Vec<PathBuf> {
        let seen = &self.seen[usize::from(log == Log::Traffic)];
        let named = seen.iter().enumerate().map(|(n, note)| {
            let path = self.net.join(format!("seen-{}-{n}", log.as_str()));
            fs::write(&path, note.to_string()).unwrap();
            path
        });
        named.collect()
    }
}

fn older(at: &Path) -> Older {
    Older::read(at).unwrap()
}

/// What tlog_tiles and signed_note say: signature, every entry, inclusion of each, consistency of
/// every two heads that follow each other.
fn second_opinion(directory: &Path, key: &str, seen: &[Note]) {
    let heads: Vec<Checkpoint> = seen.iter().map(|note| note.text().parse().unwrap()).collect();
    for note in seen {
        let verifier = signed_note::StandardVerifier::new(key).unwrap();
        let list = signed_note::VerifierList::new(vec![Box::new(verifier)]);
        let theirs = signed_note::Note::from_bytes(note.to_string().as_bytes()).unwrap();
        assert_eq!(theirs.verify(&list).unwrap().0.len(), 1);
    }
    let newest = heads.last().unwrap();
    let stored = Stored::read(directory, newest.size());
    for head in &heads {
        let root = if head.size() == 0 {
            Hash(detente::tlog::merkle::empty_root().0)
        } else {
            tlog_tiles::tree_hash(head.size(), &stored).unwrap()
        };
        assert_eq!(root.0, head.root().0, "{} leaves", head.size());
    }
    for (index, entry) in (0..newest.size()).zip(&stored.entries) {
        let proof = tlog_tiles::prove_record(newest.size(), index, &stored).unwrap();
        let (root, leaf) = (Hash(newest.root().0), tlog_tiles::record_hash(entry));
        tlog_tiles::check_record(&proof, newest.size(), root, index, leaf).unwrap();
    }
    for pair in heads.windows(2) {
        let [old, new] = pair else { unreachable!() };
        assert!(old.size() < new.size(), "a head with nothing new");
        if old.size() == 0 {
            continue;
        }
        let proof = tlog_tiles::prove_tree(new.size(), old.size(), &stored).unwrap();
        let (old_root, new_root) = (Hash(old.root().0), Hash(new.root().0));
        tlog_tiles::check_tree(&proof, new.size(), new_root, old.size(), old_root).unwrap();
    }
}

/// The entries of a log as they were published, and the hashes that the oracle makes of them.
struct Stored {
    entries: Vec<Vec<u8>>,
    hashes: Vec<Hash>,
}

impl Stored {
    fn read(directory: &Path, size: u64) -> Self {
        let mut stored = Self { entries: Vec::new(), hashes: Vec::new() };
        for part in Resource::new_in(0, size) {
            let Resource::Entries(place) = part else { continue };
            let bytes = fs::read(directory.join(part.to_string())).unwrap();
            for entry in parse_entries(&bytes, place.width()).unwrap() {
                let at = stored.entries.len() as u64;
                assert_eq!(at / TILE_WIDTH, place.index());
                let more = tlog_tiles::stored_hashes(at, entry, &stored).unwrap();
                stored.hashes.extend(more);
                stored.entries.push(entry.to_vec());
            }
        }
        stored
    }
}

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.hashes[*index as usize]).collect())
    }
}

/// Plays the story in a file, and looks at every head on the way. What it leaves behind lies in the
/// directory.
pub(crate) async fn play(file: &Path) -> (story::Played, Heads, tempfile::TempDir) {
    let text = fs::read_to_string(file).unwrap();
    let told = Story::parse(&file.display().to_string(), &text).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let net = directory.path().join("net");
    let mut heads = Heads::of(&net);
    let mut listen = |_: &_, _: &_| heads.look();
    let played = Box::pin(story::play(&told, Some(&net), &mut listen)).await.unwrap();
    heads.look();
    (played, heads, directory)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the verifier in Go, which tests/all builds"]
async fn a_verifier_in_go_accepts_the_logs_of_every_story() {
    for file in stories() {
        let (_, heads, directory) = play(&file).await;
        let genesis = heads.genesis();
        for log in Log::ALL {
            let key = genesis.log_verifier(log.as_str()).unwrap();
            let policy = directory.path().join(format!("policy-{}", log.as_str()));
            fs::write(&policy, format!("log {key}\nquorum none\n")).unwrap();
            let paths = [vec![heads.log(log), policy], heads.write_seen(log)].concat();
            let paths: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
            let found = audit_go::accepted(&[&["log"][..], &paths].concat());
            let found: Value = serde_json::from_slice(&found).unwrap();
            assert_eq!(found["older"], heads.seen[usize::from(log == Log::Traffic)].len());
            assert!(found["size"].as_u64().unwrap() > 0, "{}: {found}", file.display());
        }
    }
}
