//! Notes, checkpoints, cosignatures, proofs in a file, policies, and a witness's decisions.

use detente::tlog::checkpoint::SIZE_MAX;
use detente::tlog::log_proof::Unproven;
use detente::tlog::merkle::{empty_root, leaf_hash};
use detente::tlog::note::{BadNote, Kind, SignatureLine};
use detente::tlog::policy::Unmet;
use detente::tlog::proof::{prove_consistency, prove_inclusion, root};
use detente::tlog::witness::{AddCheckpoint, Declined, Latest, decide, parse_lines, render_lines};
use detente::tlog::{Checkpoint, LogProof, Note, Policy, Signer, VerifierKey, witness};
use detente::units::Hash;
use proptest::prelude::*;

use super::tlog_proofs::Tree;
use crate::net::{edit, edit_first};

const ORIGIN: &str = "relay.example/traffic";

/// The example of the specification.
const SPEC_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const SPEC_NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo \
    Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

fn signer(name: &str, kind: Kind, seed: u8) -> Signer {
    Signer::from_seed(name.parse().unwrap(), kind, [seed; 32])
}

fn log() -> Signer {
    signer(ORIGIN, Kind::Ed25519, 1)
}

fn cosigners() -> Vec<Signer> {
    let kinds = [Kind::Ed25519Cosignature, Kind::MlDsa44Cosignature, Kind::Ed25519Cosignature];
    let named = kinds.into_iter().zip(2_u8..);
    named.map(|(kind, n)| signer(&format!("desk{n}.example/witness"), kind, n)).collect()
}

fn checkpoint(size: u64, root: Hash) -> Note {
    let text = Checkpoint::new(ORIGIN, size, root).unwrap().to_string();
    let mut note = Note::new(text).unwrap();
    note.add(log().sign(note.text(), 0).unwrap());
    note
}

/// A policy with the log and two of the three witnesses as quorum.
fn policy() -> Policy {
    let mut text = format!("# who is believed\nlog {} https://relay.example/\n\n", log().public());
    for (n, cosigner) in cosigners().iter().enumerate() {
        text += &format!("witness w{n} {}\n", cosigner.public());
    }
    text += "group two-of-three 2 w0 w1 w2\n\tquorum \t two-of-three  \n";
    text.parse().unwrap()
}

#[test]
fn the_example_of_the_specification_verifies() {
    let key: VerifierKey = SPEC_KEY.parse().unwrap();
    assert_eq!(key.to_string(), SPEC_KEY);
    let note: Note = SPEC_NOTE.parse().unwrap();
    assert_eq!(note.to_string(), SPEC_NOTE);
    assert_eq!(note.verify([&key]).unwrap().len(), 1);
    let changed: Note =
        edit_first(SPEC_NOTE, "example message", "exemple message").parse().unwrap();
    assert_eq!(changed.verify([&key]), Err(BadNote::Invalid { name: key.name().clone() }));
    assert_eq!(note.verify([log().public()]), Err(BadNote::Unsigned));
}

#[test]
fn notes_are_those_of_the_oracle() {
    use signed_note::{Signer as _, StandardSigner, StandardVerifier, VerifierList};
    let ours = checkpoint(70, root(&Tree::of(70), 70).unwrap());
    let verifier = StandardVerifier::new(&log().public().to_string()).unwrap();
    let theirs = signed_note::Note::from_bytes(ours.to_string().as_bytes()).unwrap();
    let list = VerifierList::new(vec![Box::new(verifier)]);
    let (good, unknown) = theirs.verify(&list).unwrap();
    assert_eq!((good.len(), unknown.len()), (1, 0));

    let twin = signer("oracle.example/log", Kind::Ed25519, 8);
    let id = twin.public().to_string();
    let id = id.split('+').nth(1).unwrap();
    let seed = data_encoding::BASE64.encode(&[&[1_u8][..], &[8; 32]].concat());
    let secret = format!("PRIVATE+KEY+oracle.example/log+{id}+{seed}");
    let made = StandardSigner::new(&secret).unwrap();
    let text = "oracle.example/log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    let mut note = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
    note.add_sigs(&[&made]).unwrap();
    assert_eq!(made.name(), "oracle.example/log");
    let read: Note = String::from_utf8(note.to_bytes()).unwrap().parse().unwrap();
    assert_eq!(read.verify([twin.public()]).unwrap().len(), 1);
}

#[test]
fn what_is_no_note_is_refused() {
    let line = SPEC_NOTE.rsplit_once("\n\n").unwrap().1;
    for wrong in [
        String::new(),
        "text\n".to_owned(),
        format!("text\n{line}"),
        format!("text\n\n{}", line.trim_end()),
        format!("te\txt\n\n{line}"),
        format!("text\r\n\n{line}"),
        format!("text\n\n{line}\n"),
        format!("text\n\n{}", edit(line, "\u{2014}", "-")),
        format!("text\n\n{}", edit(line, "example.com/foo", "exam+ple")),
        format!("text\n\n{}", edit(line, "IneyaQM=", "IneyaQM")),
        "text\n\n\u{2014} name AAAAAA==\n".to_owned(),
        format!("text\n\n{}", line.repeat(101)),
    ] {
        assert!(wrong.parse::<Note>().is_err(), "{wrong:?}");
    }
    assert_eq!(format!("text\n\n{}", line.repeat(100)).parse::<Note>().unwrap().lines().len(), 100);
    for wrong in ["", "a+b", "a+00000000+AQ==", "example.com/foo+530d903b+", &SPEC_KEY[..60]] {
        assert!(wrong.parse::<VerifierKey>().is_err(), "{wrong}");
    }
    let other_id = edit(SPEC_KEY, "530d903a", "530d903b");
    assert!(other_id.parse::<VerifierKey>().is_err());
    assert!(Note::new("no newline").is_err());
}

#[test]
fn checkpoints_are_read_as_they_are_written() {
    let written = Checkpoint::new(ORIGIN, 5, Hash([9; 32])).unwrap();
    assert_eq!(written.to_string().parse(), Ok(written.clone()));
    let extended: Checkpoint = format!("{written}more\n").parse().unwrap();
    assert_eq!(extended.extensions(), ["more"]);
    let root = written.to_string().lines().nth(2).unwrap().to_owned();
    for wrong in [
        String::new(),
        "a\n5\n".to_owned(),
        format!("a\n05\n{root}\n"),
        format!("a\n+5\n{root}\n"),
        format!("a\n9223372036854775808\n{root}\n"),
        format!("\n5\n{root}\n"),
        format!("a\n5\n{}\n", &root[..40]),
        format!("a\n5\n{root}"),
        format!("a\n5\n{root}\n\nx\n"),
    ] {
        assert!(wrong.parse::<Checkpoint>().is_err(), "{wrong:?}");
    }
    assert!(Checkpoint::new(ORIGIN, SIZE_MAX, empty_root()).is_ok());
    assert!(Checkpoint::new(ORIGIN, SIZE_MAX + 1, empty_root()).is_err());
    assert!(Checkpoint::new("two\nlines", 1, empty_root()).is_err());
}

#[test]
fn a_cosignature_is_bound_to_time_name_and_checkpoint() {
    for cosigner in cosigners() {
        let mut note = checkpoint(70, Hash([9; 32]));
        note.add(cosigner.sign(note.text(), 1_700_000_000).unwrap());
        let log = log();
        let verified = note.verify([log.public(), cosigner.public()]).unwrap();
        let times: Vec<_> = verified.iter().map(|one| one.time).collect();
        assert_eq!(times, [None, Some(1_700_000_000)]);

        let line = note.lines()[1].clone();
        for byte in [0, 7, 8, line.signature.len() - 1] {
            let mut changed = line.clone();
            changed.signature[byte] ^= 1;
            let mut note = checkpoint(70, Hash([9; 32]));
            note.add(changed);
            assert!(note.verify([cosigner.public()]).is_err(), "byte {byte}");
        }
        let mut other = checkpoint(71, Hash([9; 32]));
        other.add(line);
        assert!(other.verify([cosigner.public()]).is_err());
        assert!(cosigner.sign("no checkpoint\n", 1).is_err());
    }
    // The same key under another name is another cosigner, in the signed bytes too.
    let (one, two) = (
        signer("a.example", Kind::MlDsa44Cosignature, 7),
        signer("b.example", Kind::MlDsa44Cosignature, 7),
    );
    let note = checkpoint(1, Hash([1; 32]));
    let made = one.sign(note.text(), 5).unwrap();
    let moved = SignatureLine {
        name: two.public().name().clone(),
        id: two.public().id(),
        signature: made.signature,
    };
    assert!(two.public().verify(note.text(), &moved).is_err());
}

#[test]
fn a_policy_counts_each_witness_once_and_asks_for_its_quorum() {
    let policy = policy();
    assert_eq!(policy.to_string().parse(), Ok(policy.clone()));
    let mut note = checkpoint(70, Hash([9; 32]));
    let quorum =
        |cosigned| Err(Unmet::Quorum { cosigned, known: 3, quorum: "two-of-three".to_owned() });
    assert_eq!(policy.check(&note), quorum(0));
    note.add(cosigners()[0].sign(note.text(), 10).unwrap());
    note.add(cosigners()[0].sign(note.text(), 11).unwrap());
    assert_eq!(policy.check(&note), quorum(1));
    note.add(cosigners()[1].sign(note.text(), 12).unwrap());
    let (seen, witnessed) = policy.check(&note).unwrap();
    assert_eq!((seen.size(), witnessed), (70, vec![("w0", 11), ("w1", 12)]));
    let unsigned = note.with_only(|line| !line.is_by(log().public()));
    assert_eq!(policy.check(&unsigned), Err(Unmet::Log(BadNote::Unsigned)));
    let stranger = Note::new(Checkpoint::new("other", 1, empty_root()).unwrap().to_string());
    assert_eq!(policy.check(&stranger.unwrap()), Err(Unmet::UnknownLog("other".to_owned())));
}

#[test]
fn policies_that_say_nothing_certain_are_refused() {
    let [a, b, c] = [0, 1, 2].map(|n| cosigners()[n].public().to_string());
    let log = log().public().to_string();
    for (wrong, line) in [
        (format!("log {log}\n"), "no quorum"),
        (format!("witness w {log}\nquorum w\n"), "line 1"),
        (format!("witness w {a}\nwitness v {a}\nquorum w\n"), "line 2"),
        (format!("witness w {a}\nwitness w {b}\nquorum w\n"), "line 2"),
        (format!("witness none {a}\nquorum none\n"), "line 1"),
        (format!("group g any w\nwitness w {a}\nquorum g\n"), "line 1"),
        (format!("witness w {a}\ngroup g 2 w\nquorum g\n"), "line 2"),
        (format!("witness w {a}\ngroup g 0 w\nquorum g\n"), "line 2"),
        (format!("witness w {a}\ngroup g any\nquorum g\n"), "line 2"),
        (format!("witness w {a}\nwitness v {b}\ngroup g any w\ngroup h any w v\nquorum h\n"), "4"),
        (format!("witness w {a}\ngroup g all w none\nquorum g\n"), "line 2"),
        (format!("witness w {a}\nquorum w\nquorum w\n"), "line 3"),
        (format!("log {log}\nlog {log}\nquorum none\n"), "line 2"),
        (format!("witness w {c}\nquorum v\n"), "line 2"),
        ("quorum none\nlogs\n".to_owned(), "line 2"),
        ("quorum\u{7} none\n".to_owned(), "line 1"),
    ] {
        let refused = wrong.parse::<Policy>().unwrap_err().to_string();
        assert!(refused.contains(line), "{wrong}: {refused}");
    }
    assert!("quorum none".parse::<Policy>().is_ok());
}

#[test]
fn a_proof_in_a_file_is_checked_alone() {
    let (tree, size, index) = (Tree::of(70), 70, 41);
    let mut note = checkpoint(size, root(&tree, size).unwrap());
    cosigners().iter().for_each(|one| note.add(one.sign(note.text(), 77).unwrap()));
    let hashes = prove_inclusion(&tree, index, size).unwrap().unwrap();
    let proof = LogProof { extra: Some(b"opening".to_vec()), index, hashes, checkpoint: note };
    let text = proof.to_string();
    assert_eq!(text.parse(), Ok(proof.clone()));
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra b3BlbmluZw==\nindex 41\n"));
    let leaf = leaf_hash(&index.to_be_bytes());
    let policy = policy();
    assert_eq!(proof.verify(&policy, &leaf).unwrap().1.len(), 3);

    let other = leaf_hash(b"other");
    assert!(matches!(proof.verify(&policy, &other), Err(Unproven::NotIncluded(_))));
    let moved = LogProof { index: 40, ..proof.clone() };
    assert!(matches!(moved.verify(&policy, &leaf), Err(Unproven::NotIncluded(_))));
    let lone = proof.checkpoint.with_only(|line| line.is_by(log().public()));
    let lone = LogProof { checkpoint: lone, ..proof };
    assert!(matches!(lone.verify(&policy, &leaf), Err(Unproven::Unmet(Unmet::Quorum { .. }))));
    for wrong in ["@v1", "index 41", "extra ", "\n\n"] {
        assert!(edit_first(&text, wrong, "?").parse::<LogProof>().is_err(), "without {wrong:?}");
    }
}

#[test]
fn a_witness_answers_as_the_specification_says() {
    let (tree, keys) = (Tree::of(90), [log().public().clone()]);
    let head = |size| Latest { size, root: root(&tree, size).unwrap() };
    let request = |old, size| AddCheckpoint {
        old_size: old,
        proof: prove_consistency(&tree, old, size).unwrap().unwrap_or_default(),
        checkpoint: checkpoint(size, head(size).root),
    };
    let status =
        |request: &AddCheckpoint, latest| decide(request, &keys, latest).unwrap_err().status();

    let first = request(0, 40);
    assert_eq!(first.to_string().parse(), Ok(first.clone()));
    assert_eq!(decide(&first, &keys, Latest::none()), Ok(head(40)));
    assert_eq!(decide(&request(40, 90), &keys, head(40)), Ok(head(90)));
    assert_eq!(decide(&request(90, 90), &keys, head(90)), Ok(head(90)));
    assert_eq!(decide(&first, &keys, head(40)), Err(Declined::Conflict { size: 40 }));
    assert_eq!(status(&first, head(40)), 409);

    let shrunk = AddCheckpoint { old_size: 90, ..request(0, 40) };
    assert_eq!(status(&shrunk, head(90)), 400);
    assert_eq!(decide(&first, &[], Latest::none()).unwrap_err().status(), 404);
    let unsigned =
        AddCheckpoint { checkpoint: first.checkpoint.with_only(|_| false), ..first.clone() };
    assert_eq!(status(&unsigned, Latest::none()), 403);

    let forked = AddCheckpoint { checkpoint: checkpoint(90, Hash([1; 32])), ..request(40, 90) };
    assert_eq!(status(&forked, head(40)), 422);
    assert!(matches!(decide(&forked, &keys, head(40)), Err(Declined::Fork { .. })));
    let same_size = AddCheckpoint {
        old_size: 40,
        proof: Vec::new(),
        checkpoint: checkpoint(40, Hash([1; 32])),
    };
    assert_eq!(status(&same_size, head(40)), 422);
    let proof_from_nothing = AddCheckpoint { proof: vec![Hash([0; 32])], ..first };
    assert_eq!(status(&proof_from_nothing, Latest::none()), 422);
    let not_empty =
        AddCheckpoint { old_size: 0, proof: Vec::new(), checkpoint: checkpoint(0, Hash([1; 32])) };
    assert_eq!(status(&not_empty, Latest::none()), 422);

    let lines: Vec<_> =
        cosigners().iter().map(|one| one.sign(forked.checkpoint.text(), 3).unwrap()).collect();
    assert_eq!(parse_lines(&render_lines(&lines)), Ok(lines));
    assert!(parse_lines("").is_err());
    assert!(witness::monitoring_path(ORIGIN).ends_with("/checkpoint"));
}

/// Text made of the words that lines begin with.
const LINES: &str = concat!(
    "(old |log |witness |group |quorum |index |extra |\u{2014} ",
    "|[a-zA-Z0-9+/= ]|\n){0,60}",
);

proptest! {
    #[test]
    fn no_text_panics(text in LINES) {
        let _any = (
            text.parse::<Note>(),
            text.parse::<Checkpoint>(),
            text.parse::<LogProof>(),
            text.parse::<Policy>(),
            text.parse::<AddCheckpoint>(),
            text.parse::<VerifierKey>(),
            parse_lines(&text),
        );
    }

    #[test]
    fn one_changed_byte_never_passes(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut note = checkpoint(70, Hash([9; 32]));
        cosigners().iter().for_each(|one| note.add(one.sign(note.text(), 77).unwrap()));
        let policy = policy();
        let good = policy.check(&note).unwrap();
        let mut bytes = note.to_string().into_bytes();
        let place = at.index(bytes.len());
        bytes[place] ^= 1 << bit;
        if let Ok(changed) = String::from_utf8(bytes)
            && let Ok(changed) = changed.parse::<Note>()
            && let Ok((checkpoint, _)) = policy.check(&changed)
        {
            // A line that no longer names its key is a stranger's, and counts for nothing.
            prop_assert_eq!(checkpoint, good.0);
        }
    }
}
