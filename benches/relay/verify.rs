//! Verifying a whole log from its files, beside what the same hashes cost without files.
//!
//! Both do a leaf hash for every entry and a node hash for every pair, on all cores, with the same
//! functions. The bare one reads its leaves from memory and compares nothing but the root.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Result;
use detente::audit::{self, Options, Trust, Writer};
use detente::tlog::merkle::{leaf_hash, node_hash};
use detente::tlog::note::Kind;
use detente::tlog::{Checkpoint, Note, Signer};
use detente::units::Hash;
use serde::Serialize;

use crate::figures::median;
use crate::report::{Bar, Line, Section, rate};
use crate::{Plan, say};

/// Leaves of the log.
const LEAVES: usize = 1 << 20;
/// Bytes of a leaf of the traffic log.
const LEAF_BYTES: usize = 33;
/// Leaves in a full tile.
const TILE: usize = 256;
/// Name of the log.
const ORIGIN: &str = "bench.example/traffic";

/// What was measured, each in leaves a second and round.
#[derive(Serialize)]
struct Measured {
    leaves: usize,
    threads: usize,
    verified: Vec<f64>,
    hashed: Vec<f64>,
    written: f64,
}

pub(crate) fn run(plan: &Plan) -> Result<Section> {
    // Not whole tiles, so that the right edge is there on every level.
    let leaves = if plan.quick { 70_123 } else { LEAVES - 1 };
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let data: Vec<[u8; LEAF_BYTES]> = (0..leaves).map(leaf).collect();
    let directory = tempfile::tempdir()?;
    let started = Instant::now();
    let (trust, root) = write(directory.path(), &data)?;
    let written = leaves as f64 / started.elapsed().as_secs_f64();
    say(&format!("  wrote a log of {leaves} leaves, {}", rate(written)));
    let mut measured =
        Measured { leaves, threads: threads.get(), verified: vec![], hashed: vec![], written };
    let options = Options { threads, older: Vec::new() };
    // The first round reads the files from the disk; what is measured is the work.
    for round in 0..=plan.rounds {
        let started = Instant::now();
        let summary = audit::verify(directory.path(), &trust, &options, &mut |_| {})?;
        let verified = leaves as f64 / started.elapsed().as_secs_f64();
        let started = Instant::now();
        let hashed = hash_all(&data, threads.get());
        let bare = leaves as f64 / started.elapsed().as_secs_f64();
        anyhow::ensure!(summary.root == root && hashed == root, "the roots differ");
        if round > 0 {
            measured.verified.push(verified);
            measured.hashed.push(bare);
        }
    }
    let pairs = measured.verified.iter().zip(&measured.hashed);
    let ratio = median(pairs.map(|(verified, hashed)| verified / hashed));
    let of = |rates: &[f64]| rate(median(rates.iter().copied()));
    let line =
        |what: &str, figure: String, ratio, bar| Line { what: what.to_owned(), figure, ratio, bar };
    let lines = vec![
        line("bare leaf and node hashes", of(&measured.hashed), None, None),
        line(
            "detente verify log",
            of(&measured.verified),
            Some((ratio, "of bare hashes")),
            Some(Bar::AtLeast(0.8)),
        ),
        line("writing it", rate(measured.written), None, None),
    ];
    let title = format!("Verifying a log of {leaves} leaves on {threads} cores");
    Section::new("verify", title, lines, &measured)
}

fn leaf(index: usize) -> [u8; LEAF_BYTES] {
    let mut leaf = [1; LEAF_BYTES];
    leaf[1..].copy_from_slice(&Hash::of(&[&index.to_be_bytes()]).0);
    leaf
}

/// Publishes the leaves as a log; answers with who is to be believed, and the root.
fn write(directory: &Path, data: &[[u8; LEAF_BYTES]]) -> Result<(Trust, Hash)> {
    let signer = Signer::from_seed(ORIGIN.parse()?, Kind::Ed25519, [7; 32]);
    let mut writer = Writer::open(directory)?;
    for leaf in data {
        writer.push(leaf)?;
    }
    let text = Checkpoint::new(ORIGIN, writer.size(), writer.root())?.to_string();
    let mut head = Note::new(text)?;
    head.add(signer.sign(head.text(), 0)?);
    writer.publish(&head)?;
    Ok((Trust::new(std::slice::from_ref(signer.public()), None)?, writer.root()))
}

/// The root, on so many threads, without any file.
fn hash_all(data: &[[u8; LEAF_BYTES]], threads: usize) -> Hash {
    let next = AtomicUsize::new(0);
    let tiles = data.len().div_ceil(TILE);
    let work = || {
        let mut roots = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= tiles {
                return roots;
            }
            let part = &data[at * TILE..data.len().min((at + 1) * TILE)];
            roots.push((at, fold(part.iter().map(|leaf| leaf_hash(leaf)).collect())));
        }
    };
    let mut roots: Vec<(usize, Hash)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    roots.sort_unstable_by_key(|(at, _)| *at);
    fold(roots.into_iter().map(|(_, root)| root).collect())
}

/// The root over the roots of equal subtrees, the last of which may be smaller.
fn fold(mut level: Vec<Hash>) -> Hash {
    while level.len() > 1 {
        let pairs = level.chunks(2);
        level = pairs
            .map(|pair| if let [left, right] = pair { node_hash(left, right) } else { pair[0] })
            .collect();
    }
    level.first().copied().unwrap_or_else(detente::tlog::merkle::empty_root)
}
