//! The table of damage: what can be done to a published log, and what a verifier must name. Used
//! for our own verifier (`audit.rs`) and for the one in Go (`audit_go.rs`).

use detente::audit::CHECKPOINT;
use detente::tlog::note::Kind;
use detente::tlog::tile::render_hashes;
use detente::tlog::{Checkpoint, Frontier, Note, leaf_hash};
use detente::units::Hash;

use super::audit_lab::{
    OLDER, ORIGIN, SIZE, Spoilt, cosigned, leaf, log_key, publish, signer, witnesses,
};
use crate::net::edit_first;

/// A row: what is done, the file that must be named, the index of the entry or node that must be
/// named with it, a word of the message, and how it is done.
pub(crate) type Row = (&'static str, &'static str, Option<u64>, &'static str, fn(&mut Spoilt));

/// Bytes of an entry in a bundle.
const ENTRY: usize = 35;

pub(crate) const TABLE: [Row; 36] = [
    ("a bit in a bundle", "tile/entries/100", Some(25_607), "entry 25607", |log| {
        log.flip("tile/entries/100", 7 * ENTRY + 20, 3);
    }),
    ("a bit in the last entry", LAST_BUNDLE, Some(70_122), "entry 70122", |log| {
        log.flip(LAST_BUNDLE, 235 * ENTRY - 1, 0);
    }),
    ("a longer entry", "tile/entries/005", Some(1_289), "entry 1289", |log| {
        log.flip("tile/entries/005", 9 * ENTRY + 1, 1);
    }),
    ("an entry beyond its bundle", "tile/entries/005", Some(1_289), "cut off", |log| {
        log.flip("tile/entries/005", 9 * ENTRY, 7);
    }),
    ("a bit in a leaf tile", "tile/0/200", Some(51_203), "level 0", |log| {
        log.flip("tile/0/200", 3 * 32 + 5, 6);
    }),
    ("a bit in the last leaf tile", LAST_TILE, Some(69_898), "level 0", |log| {
        log.flip(LAST_TILE, 10 * 32, 1);
    }),
    ("a bit in a tile of level 1", "tile/1/000", Some(255), "level 1", |log| {
        log.flip("tile/1/000", 256 * 32 - 1, 0);
    }),
    ("a bit in the last tile of level 1", "tile/1/001.p/17", Some(256), "level 1", |log| {
        log.flip("tile/1/001.p/17", 0, 0);
    }),
    ("a bit in the tile of level 2", "tile/2/000.p/1", Some(0), "level 2", |log| {
        log.flip("tile/2/000.p/1", 16, 4);
    }),
    ("a leaf tile missing", "tile/0/137", None, "missing", |log| log.remove("tile/0/137")),
    ("a bundle missing", "tile/entries/272", None, "missing", |log| {
        log.remove("tile/entries/272");
    }),
    ("the top tile missing", "tile/2/000.p/1", None, "missing", |log| {
        log.remove("tile/2/000.p/1");
    }),
    ("the last bundle missing", LAST_BUNDLE, None, "missing", |log| log.remove(LAST_BUNDLE)),
    ("a partial tile cut off", LAST_TILE, None, "7488 bytes where 7520", |log| {
        log.cut(LAST_TILE, 234 * 32);
    }),
    ("a bundle cut off", "tile/entries/001", Some(511), "cut off", |log| {
        log.cut("tile/entries/001", 255 * ENTRY + 10);
    }),
    ("an entry too many", LAST_BUNDLE, Some(70_123), "35 bytes follow", |log| {
        let mut bytes = log.read(LAST_BUNDLE);
        bytes.extend_from_within(..ENTRY);
        log.write(LAST_BUNDLE, &bytes);
    }),
    ("two tiles swapped", "tile/0/003", Some(768), "level 0", |log| {
        log.swap("tile/0/003", "tile/0/004");
    }),
    ("two bundles swapped", "tile/entries/003", Some(768), "entry 768", |log| {
        log.swap("tile/entries/003", "tile/entries/004");
    }),
    ("two entries swapped", "tile/entries/272", Some(69_633), "entry 69633", |log| {
        let mut bytes = log.read("tile/entries/272");
        let (first, second) = bytes[ENTRY..3 * ENTRY].split_at_mut(ENTRY);
        first.swap_with_slice(second);
        log.write("tile/entries/272", &bytes);
    }),
    ("an entry forged with its leaf hash", "tile/0/050", Some(50), "level 1", |log| {
        let mut bundle = log.read("tile/entries/050");
        bundle[2..ENTRY].copy_from_slice(&leaf(7, 0));
        let mut tile = log.read("tile/0/050");
        tile[..32].copy_from_slice(&leaf_hash(&leaf(7, 0)).0);
        log.write("tile/entries/050", &bundle);
        log.write("tile/0/050", &tile);
    }),
    ("a subtree forged up to the tile above", "tile/1/000", Some(0), "level 2", |log| {
        let hashes: Vec<Hash> = (0..256).map(|n| leaf_hash(&leaf(7, n))).collect();
        let mut tree = Frontier::new();
        hashes.iter().for_each(|hash| tree.push(*hash));
        let entries: Vec<u8> =
            (0..256).flat_map(|n| [&[0, 33][..], &leaf(7, n)].concat()).collect();
        let mut above = log.read("tile/1/000");
        above[50 * 32..51 * 32].copy_from_slice(&tree.root().0);
        log.write("tile/entries/050", &entries);
        log.write("tile/0/050", &render_hashes(&hashes));
        log.write("tile/1/000", &above);
    }),
    ("no checkpoint", CHECKPOINT, None, "missing", |log| log.remove(CHECKPOINT)),
    ("half a checkpoint", CHECKPOINT, None, "checkpoint", |log| log.cut(CHECKPOINT, 40)),
    ("the size edited", CHECKPOINT, None, "signature", |log| {
        log.edit_head(|text| edit_first(text, "70123", "70122"));
    }),
    ("the root edited", CHECKPOINT, None, "signature", |log| {
        log.edit_head(|text| edit_line(text, 2, 0));
    }),
    ("a bit of the log's signature", CHECKPOINT, None, "signature", |log| {
        log.edit_head(|text| edit_line(text, 4, ORIGIN.len() + 30));
    }),
    ("another log's signature", CHECKPOINT, None, "signature", |log| {
        let other = signer(ORIGIN, Kind::Ed25519, 99);
        let head = head(log);
        let mut note = head.with_only(|line| !line.is_by(log_key().public()));
        note.add(other.sign(note.text(), 0).unwrap());
        log.write(CHECKPOINT, note.to_string().as_bytes());
    }),
    ("another log's head", CHECKPOINT, None, "lab.example/directory", |log| {
        let other = signer("lab.example/directory", Kind::Ed25519, 98);
        let root = head(log).text().parse::<Checkpoint>().unwrap().root();
        let text = Checkpoint::new("lab.example/directory", SIZE, root).unwrap().to_string();
        let mut note = Note::new(text).unwrap();
        note.add(other.sign(note.text(), 0).unwrap());
        log.write(CHECKPOINT, note.to_string().as_bytes());
    }),
    ("a bit of a witness's signature", CHECKPOINT, None, "signature", |log| {
        log.edit_head(|text| edit_line(text, 5, "lab.example/witness/2".len() + 30));
    }),
    ("one witness of two", CHECKPOINT, None, "quorum", |log| {
        let (log_key, witness) = (log_key(), &witnesses()[0]);
        let kept = |key: &detente::tlog::note::SignatureLine| {
            key.is_by(log_key.public()) || key.is_by(witness.public())
        };
        let note = head(log).with_only(kept);
        log.write(CHECKPOINT, note.to_string().as_bytes());
    }),
    ("a smaller size signed with the real keys", "tile/0/273.p/234", None, "missing", |log| {
        let root = head(log).text().parse::<Checkpoint>().unwrap().root();
        log.write(CHECKPOINT, cosigned(SIZE - 1, root).to_string().as_bytes());
    }),
    ("another root signed with the real keys", CHECKPOINT, None, "the tiles lead to", |log| {
        log.write(CHECKPOINT, cosigned(SIZE, Hash([7; 32])).to_string().as_bytes());
    }),
    ("history rewritten with the real keys", CHECKPOINT, None, "the first 66000 leaves", |log| {
        replace(log, SIZE, 5);
    }),
    ("a fork signed with the real keys", CHECKPOINT, None, "the first 66000 leaves", |log| {
        replace(log, OLDER, OLDER - 1);
    }),
    ("an older state signed with the real keys", CHECKPOINT, None, "already", |log| {
        replace(log, 65_000, u64::MAX);
    }),
    ("a bit in a tile of an older head", "tile/0/257.p/208", None, "byte 1000", |log| {
        log.flip("tile/0/257.p/208", 1_000, 2);
    }),
];

const LAST_BUNDLE: &str = "tile/entries/273.p/235";
const LAST_TILE: &str = "tile/0/273.p/235";

fn head(log: &Spoilt) -> Note {
    String::from_utf8(log.read(CHECKPOINT)).unwrap().parse().unwrap()
}

/// Another base64 digit at character `at` of a line.
fn edit_line(text: &str, line: usize, at: usize) -> String {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let digit = if lines[line].chars().nth(at) == Some('A') { 'B' } else { 'A' };
    lines[line] = lines[line]
        .chars()
        .enumerate()
        .map(|(place, own)| if place == at { digit } else { own })
        .collect();
    lines.join("\n")
}

/// Puts another log in place of this one: so many leaves, another history from `turn` on.
fn replace(log: &mut Spoilt, size: u64, turn: u64) {
    let other = tempfile::tempdir().unwrap();
    publish(other.path(), &[size], turn);
    copy(log, other.path(), "");
}

fn copy(log: &mut Spoilt, from: &std::path::Path, name: &str) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let own = entry.file_name().into_string().unwrap();
        let name = if name.is_empty() { own } else { format!("{name}/{own}") };
        if entry.file_type().unwrap().is_dir() {
            copy(log, &entry.path(), &name);
        } else {
            log.write(&name, &std::fs::read(entry.path()).unwrap());
        }
    }
}
