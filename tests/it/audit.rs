//! A published log is verified whole, and whatever is wrong with it is found and named.

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;

use detente::audit::{
    CHECKPOINT, Damage, Fault, Older, Options, Progress, Summary, Trust, Writer, verify,
};
use detente::tlog::{Frontier, Growth, LogProof, commitment_leaf, leaf_hash};
use detente::units::Hash;
use serde_json::Value;

use super::audit_damage::TABLE;
use super::audit_lab::{Lab, OLDER, SIZE, cosigned, leaf, log_key, policy, publish};
use super::net;

fn trust(quorum: usize) -> Trust {
    Trust::new(&[], Some(policy(quorum).parse().unwrap())).unwrap()
}

fn verified(log: &Path, options: &Options) -> Result<Summary, Fault> {
    verify(log, &trust(3), options, &mut |_| {})
}

fn options(threads: usize) -> Options {
    Options { threads: NonZeroUsize::new(threads).unwrap(), older: Vec::new() }
}

#[test]
fn a_log_of_every_shape_is_verified_to_its_last_entry() {
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 1_000, 65_535, 65_536, 65_537] {
        let directory = tempfile::tempdir().unwrap();
        publish(directory.path(), &[size], u64::MAX);
        let mut seen = Vec::new();
        let summary = verify(directory.path(), &trust(3), &Options::default(), &mut |progress| {
            seen.push(progress);
        });
        let summary = summary.unwrap();
        let mut tree = Frontier::new();
        (0..size).for_each(|index| tree.push(leaf_hash(&leaf(0, index))));
        assert_eq!((summary.size, summary.root), (size, tree.root()));
        assert_eq!((summary.witnessed.len(), summary.witnesses), (3, 3));
        let end = Progress { leaves: size, leaves_total: size };
        assert_eq!(seen.last(), Some(&end), "{size}");
        assert!(seen.is_sorted_by_key(|progress| progress.leaves), "{size}");
        let nothing = (summary.older_files, summary.ahead_files, summary.foreign_files);
        assert_eq!(nothing, (0, 0, 0), "{size}");
    }
}

#[test]
fn a_writer_goes_on_where_the_last_head_is_and_keeps_every_older_head() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let mut older = Vec::new();
    for (n, size) in [3, 200, 256, 300, 600, 601, 900, 1_024, 1_030].into_iter().enumerate() {
        let head = publish(&log, &[size], u64::MAX).remove(0);
        let kept = directory.path().join(format!("head-{n}"));
        std::fs::write(&kept, head.to_string()).unwrap();
        older.push(Older::read(&kept).unwrap());
        // What a crash leaves beyond the head is not believed, and written again.
        std::fs::create_dir_all(log.join("tile/0")).unwrap();
        std::fs::write(log.join(format!("tile/0/{:03}", size / 256 + 1)), b"torn").unwrap();
    }
    std::fs::write(log.join("note.txt"), b"not ours").unwrap();
    let options = Options { older, ..options(2) };
    let summary = verified(&log, &options).unwrap();
    assert_eq!((summary.size, summary.older_heads), (1_030, 9));
    assert_eq!((summary.ahead_files, summary.foreign_names), (2, vec!["note.txt".to_owned()]));
    // Each writer knew one head; it keeps that one's partial tiles beside its own.
    assert!(summary.older_files > 0);

    let mut writer = Writer::open(&log).unwrap();
    writer.push(b"one more").unwrap();
    let other = cosigned(1_030, writer.root());
    assert!(writer.publish(&other).is_err(), "a head of another size");
    let before = verified(&log, &options).unwrap();
    assert_eq!(before.size, 1_030, "nothing was published");
}

#[test]
fn partial_tiles_do_not_pile_up() {
    let directory = tempfile::tempdir().unwrap();
    let sizes: Vec<u64> = (1..=700).step_by(7).collect();
    publish(directory.path(), &sizes, u64::MAX);
    let summary = verified(directory.path(), &options(1)).unwrap();
    // 694 leaves: 3 tiles, 3 bundles, 1 tile above; and the partial ones of the head before.
    assert_eq!((summary.size, summary.files, summary.older_files), (694, 7, 2));
}

#[test]
fn whatever_is_done_to_a_log_is_refused_and_named() {
    let lab = Lab::new();
    let (log, policy, older) = (lab.log(), lab.path("policy"), lab.path("older"));
    let paths = [&log, &policy, &older].map(|path| path.to_str().unwrap());
    let command = ["verify", "log", paths[0], "--policy", paths[1], "--older", paths[2], "--json"];
    let whole: Value = serde_json::from_str(&net::run(&command)).unwrap();
    assert_eq!((&whole["size"], &whole["older_heads"]), (&SIZE.into(), &1.into()));
    assert_eq!(whole["witnessed"].as_array().unwrap().len(), 3);
    for (name, file, index, says, spoil) in TABLE {
        let mut spoilt = lab.spoilt();
        spoil(&mut spoilt);
        let output = Command::new(env!("CARGO_BIN_EXE_detente")).args(command).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{name}: {said}");
        let error: Value = serde_json::from_str(&said).unwrap();
        let field = |wanted: &str| {
            let fields = error["error"]["fields"].as_array().unwrap();
            let field = fields.iter().find(|field| field["field"] == wanted)?;
            Some(field["why"].as_str().unwrap().to_owned())
        };
        assert_eq!(field("file").as_deref(), Some(file), "{name}: {said}");
        assert_eq!(field("index"), index.map(|index| index.to_string()), "{name}: {said}");
        let why = error["error"]["why"].as_str().unwrap();
        assert!(why.contains(says), "{name}: {why}");
    }
    net::run(&command);
}

#[test]
fn a_fork_names_the_first_leaf_where_the_older_log_was_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    publish(&old, &[700], u64::MAX);
    publish(&new, &[900], 613);
    let options = Options { older: vec![Older::read(&old).unwrap()], ..options(2) };
    let Err(Fault::Damaged(damage)) = verified(&new, &options) else { panic!("not found") };
    assert!(matches!(damage, Damage::Rewritten { size: 700, leaf: Some(613), .. }), "{damage}");
}

#[test]
fn the_first_damage_is_named_whatever_the_number_of_threads() {
    let lab = Lab::new();
    let mut spoilt = lab.spoilt();
    for tile in [270, 40, 171, 39, 260] {
        spoilt.flip(&format!("tile/entries/{tile:03}"), 40, 0);
    }
    spoilt.flip("tile/0/039", 0, 0);
    spoilt.remove("tile/0/038");
    let found = |threads| verified(&lab.log(), &options(threads)).unwrap_err().to_string();
    let first = found(1);
    assert_eq!(first, "tile/0/038 is missing");
    for threads in [2, 3, 7, 16] {
        assert_eq!(found(threads), first);
    }
    drop(spoilt);
    verified(&lab.log(), &options(16)).unwrap();
}

#[test]
fn any_flipped_bit_in_any_file_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path();
    publish(log, &[300, 1_000], u64::MAX);
    verified(log, &options(1)).unwrap();
    let mut flipped = 0;
    for file in files(log, "") {
        let bytes = std::fs::read(log.join(&file)).unwrap();
        // Every byte of the head; elsewhere about every fortieth, never the same twice running.
        let step = if file == CHECKPOINT { 1 } else { 40 };
        let start = usize::from(net::random::<1>()[0]) % step;
        for at in (start..bytes.len()).step_by(step) {
            let bit = net::random::<1>()[0] % 8;
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            std::fs::write(log.join(&file), &changed).unwrap();
            let found = verified(log, &options(1));
            let Err(Fault::Damaged(damage)) = found else {
                panic!("bit {bit} of byte {at} of {file}: {found:?}");
            };
            assert_eq!(damage.file(), file, "bit {bit} of byte {at}: {damage}");
            flipped += 1;
        }
        std::fs::write(log.join(&file), &bytes).unwrap();
    }
    assert!(flipped > 1_500, "{flipped}");
    verified(log, &options(1)).unwrap();
}

fn files(at: &Path, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(at).unwrap() {
        let entry = entry.unwrap();
        let own = entry.file_name().into_string().unwrap();
        let name = if name.is_empty() { own } else { format!("{name}/{own}") };
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path(), &name));
        } else {
            found.push(name);
        }
    }
    found
}

/// What `detente verify` says when it refuses.
fn refused(arguments: &[&str], exit: i32, code: &str) -> String {
    let program = env!("CARGO_BIN_EXE_detente");
    let output = Command::new(program).arg("verify").args(arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(exit), "{said}");
    assert!(said.contains(code), "{said}");
    said
}

#[test]
fn heads_of_two_sizes_accuse_nobody() {
    let lab = Lab::new();
    let key = log_key().public().to_string();
    let none: [&str; 0] = [];
    lab.keep("none", "");
    let [head, older, proof] = [lab.log().join(CHECKPOINT), lab.path("older"), lab.path("none")];
    let [head, older, proof] = [&head, &older, &proof].map(|path| path.to_str().unwrap());
    for more in [&none[..], &["--proof", proof]] {
        let said =
            refused(&[&["fork", head, older, "--key", &key, "--json"], more].concat(), 3, "C-417");
        let found: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(found["error"]["what"], "nothing is proven", "{said}");
        assert!(found["error"]["next"].as_str().unwrap().starts_with("ask the log"), "{said}");
    }
    refused(&["fork", head, head, "--key", &key], 3, "C-417");
    lab.keep("fork", &cosigned(OLDER, Hash([3; 32])).to_string());
    let fork = lab.path("fork");
    let said = net::run(&["verify", "fork", older, fork.to_str().unwrap(), "--key", &key]);
    assert!(said.contains("two heads of 66000 leaves with different roots"), "{said}");
}

#[test]
fn what_is_no_file_is_damaged_and_what_is_no_log_is_none() {
    let lab = Lab::new();
    let policy = lab.path("policy");
    let log = lab.log();
    let [policy, log] = [&policy, &log].map(|path| path.to_str().unwrap());
    let tile = lab.log().join("tile/0/137");
    std::fs::remove_file(&tile).unwrap();
    std::fs::create_dir(&tile).unwrap();
    let said = refused(&["log", log, "--policy", policy], 3, "C-410");
    assert!(said.contains("tile/0/137 is a directory"), "{said}");
    for (nowhere, why) in [("/nowhere/log", "No such file"), (policy, "no directory")] {
        let said = refused(&["log", nowhere, "--policy", policy], 1, "C-412");
        assert!(said.contains(&format!("{nowhere}: ")) && said.contains(why), "{said}");
    }
}

#[test]
fn heads_are_verified_alone_and_against_older_ones() {
    let lab = Lab::new();
    let (head, older, policy) = (lab.log().join(CHECKPOINT), lab.path("older"), lab.path("policy"));
    let key = log_key().public().to_string();
    let [head, older, policy] = [&head, &older, &policy].map(|path| path.to_str().unwrap());
    let accepted = ["verify", "checkpoint", head, "--key", &key, "--policy", policy];
    let text = net::run(&[&accepted[..], &["--older", older]].concat());
    assert!(text.contains("70123 leaves") && text.contains("cosigned by 3 of 3"), "{text}");
    let text = net::run(&["verify", "checkpoint", head, "--key", &key]);
    assert!(text.contains("no policy asks"), "{text}");
    // The newest head is not older than the older one, which is no contradiction.
    let said = refused(&["checkpoint", older, "--key", &key, "--older", head], 3, "C-418");
    assert!(said.contains(&format!("{older} has 66000 leaves where {head} has 70123")), "{said}");
    assert!(said.contains("get the newest") && !said.contains("contradicts"), "{said}");
    let root = Hash([3; 32]);
    lab.keep("fork", &cosigned(OLDER, root).to_string());
    let fork = lab.path("fork");
    let fork = fork.to_str().unwrap();
    let said =
        refused(&["checkpoint", older, "--key", &key, "--older", fork, "--json"], 3, "C-411");
    let found: Value = serde_json::from_str(&said).unwrap();
    let file = serde_json::json!({ "field": "file", "why": older });
    assert!(found["error"]["fields"].as_array().unwrap().contains(&file), "{said}");
    refused(&["checkpoint", head], 2, "C-209");
    refused(&["checkpoint", head, "--policy", head], 2, "C-413");
    refused(&["checkpoint", policy, "--policy", policy], 3, "C-410");
    refused(&["checkpoint", "/nowhere/checkpoint", "--policy", policy], 3, "C-410");
    refused(&["--journal", "x", "checkpoint", head, "--policy", policy], 2, "C-201");
    refused(&[], 2, "C-209");
}

#[test]
fn a_proof_with_its_opening_is_verified_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (opening, event) = ([7; 32], b"what happened".to_vec());
    let hidden = commitment_leaf(&opening, &Hash::of(&[&event]));
    let mut tree = Frontier::new();
    let mut growth = Growth::new(&tree);
    for index in 0..9 {
        growth.push(&mut tree, leaf_hash(&if index == 5 { hidden } else { leaf(0, index) }));
    }
    let hashes = growth.prove(5).unwrap();
    let extra = Some([&opening[..], &event].concat());
    let proof = LogProof { extra, index: 5, hashes, checkpoint: cosigned(9, tree.root()) };
    let (file, policy_file) = (directory.path().join("proof"), directory.path().join("policy"));
    std::fs::write(&policy_file, policy(2)).unwrap();
    let verify = |proof: &LogProof| {
        std::fs::write(&file, proof.to_string()).unwrap();
        let program = env!("CARGO_BIN_EXE_detente");
        let (file, policy) = (file.to_str().unwrap(), policy_file.to_str().unwrap());
        let command = ["verify", "proof", file, "--policy", policy];
        let output = Command::new(program).args(command).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let (exit, said) = verify(&proof);
    assert_eq!(exit, Some(0), "{said}");
    assert!(said.contains("leaf 5 is in lab.example/traffic of 9 leaves"), "{said}");
    let changes: [fn(&mut LogProof); 5] = [
        |proof| proof.index = 4,
        |proof| proof.hashes[0].0[0] ^= 1,
        |proof| proof.extra.as_mut().unwrap()[0] ^= 1,
        |proof| proof.extra.as_mut().unwrap()[40] ^= 1,
        |proof| proof.extra = None,
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut changed = proof.clone();
        change(&mut changed);
        let (exit, said) = verify(&changed);
        assert_eq!(exit, Some(3), "change {number}: {said}");
        assert!(said.contains("C-415"), "change {number}: {said}");
    }
}
