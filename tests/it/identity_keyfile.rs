//! Keys at rest: what is written is read, damage and wrong secrets are told apart, and the secret
//! is nobody else's to read.

#![expect(clippy::unwrap_used, reason = "a fixture that fails is a failed test")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use detente::identity::Unlock;
use detente::identity::keyfile::{self, Fault, Kind, Secret};

use crate::net::edit;

const KINDS: [Kind; 4] = [Kind::Tls, Kind::Authority, Kind::Ed25519, Kind::Hpke];

fn text_of(unlock: &Unlock) -> String {
    keyfile::render(&Secret::new(Kind::Ed25519, "NL/cyber/duty", vec![0x42; 32]), unlock)
}

#[test]
fn a_key_file_reads_what_was_written() {
    let unlock = Unlock::from_random(&[9; 32]);
    for (kind, length) in KINDS.into_iter().zip([138, 138, 32, 32]) {
        let text = keyfile::render(&Secret::new(kind, "NL/cyber", vec![0x42; length]), &unlock);
        let opened = keyfile::parse(&text, &unlock).unwrap();
        assert_eq!((opened.kind, opened.name.as_str()), (kind, "NL/cyber"));
        assert_eq!(opened.bytes(), vec![0x42; length]);
        assert!(!text.contains(&"42".repeat(8)), "the key stands in the file");
    }
    assert_ne!(text_of(&unlock), text_of(&unlock), "the same salt twice");
}

#[test]
fn a_passphrase_is_stretched() {
    let unlock = Unlock::from_passphrase("correct horse battery staple").unwrap();
    let text = text_of(&unlock);
    assert!(text.contains("derivation: pbkdf2-hmac-sha256/600000\n"));
    assert_eq!(*keyfile::parse(&text, &unlock).unwrap().seed().unwrap(), [0x42; 32]);
    let other = Unlock::from_passphrase("correct horse battery stable").unwrap();
    assert!(matches!(keyfile::parse(&text, &other).map(drop), Err(Fault::WrongSecret)));
    assert!(Unlock::from_passphrase("fifteen letters").is_err());
}

#[test]
fn a_wrong_secret_is_not_damage() {
    let text = text_of(&Unlock::from_random(&[9; 32]));
    assert!(text.contains("derivation: hkdf-sha256\n"));
    let read = keyfile::parse(&text, &Unlock::from_random(&[8; 32])).map(drop);
    assert!(matches!(read, Err(Fault::WrongSecret)));
}

#[test]
fn every_flipped_byte_is_damage() {
    let unlock = Unlock::from_random(&[9; 32]);
    let text = text_of(&unlock);
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let read = keyfile::parse(&String::from_utf8(bytes).unwrap(), &unlock).map(drop);
        assert!(matches!(read, Err(Fault::Damaged(_))), "byte {at}: {read:?}");
    }
    for length in 0..text.len() {
        assert!(matches!(keyfile::parse(&text[..length], &unlock), Err(Fault::Damaged(_))));
    }
}

#[test]
fn a_changed_line_with_a_new_digest_is_still_damage() {
    let unlock = Unlock::from_random(&[9; 32]);
    for (old, new) in [("NL/cyber/duty", "NL/cyber/chief"), ("kind: ed25519", "kind: hpke")] {
        let text = edit(&text_of(&unlock), old, new);
        let read = keyfile::parse(&with_digest(&text), &unlock).map(drop);
        assert!(matches!(read, Err(Fault::Damaged("its data were changed"))), "{read:?}");
    }
    let text = with_digest(&edit(&text_of(&unlock), "version: 1", "version: 2"));
    assert!(matches!(keyfile::parse(&text, &unlock), Err(Fault::Version(_))));
}

#[test]
fn files_are_the_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desk.key");
    let unlock = Unlock::from_random(&[9; 32]);
    let secret = Secret::new(Kind::Ed25519, "NL/cyber", vec![1; 32]);
    keyfile::write(&path, &secret, &unlock).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(keyfile::write(&path, &secret, &unlock).is_err(), "a key was replaced");
    assert_eq!(keyfile::read(&path, Kind::Ed25519, &unlock).unwrap().bytes(), [1; 32]);
    let wrong = keyfile::read(&path, Kind::Hpke, &unlock).map(drop).unwrap_err();
    assert_eq!(wrong.to_string(), "it is a key of kind ed25519 where hpke belongs");
    let none = keyfile::read(&dir.path().join("none"), Kind::Tls, &unlock).map(drop);
    assert!(matches!(none, Err(Fault::File(..))));
}

#[test]
fn an_unlock_secret_that_others_may_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("unlock");
    let hex = "07".repeat(32);
    put(&path, &format!("{hex}\n"), 0o600);
    let unlock = Unlock::from_file(&path).unwrap();
    let text = text_of(&Unlock::from_random(&[7; 32]));
    keyfile::parse(&text, &unlock).unwrap();
    for mode in [0o640, 0o604, 0o660, 0o644, 0o610] {
        put(&path, &hex, mode);
        let why = Unlock::from_file(&path).map(drop).unwrap_err().to_string();
        assert!(why.contains(&format!("its mode is {mode:o}")), "{why}");
    }
    put(&path, &hex, 0o400);
    Unlock::from_file(&path).unwrap();
    for bad in ["", "short", "\u{0}\u{0}", &"x".repeat(5000)] {
        put(&path, bad, 0o600);
        assert!(Unlock::from_file(&path).is_err(), "{bad:.10?}");
    }
    // Nearly 32 random bytes are a passphrase, and a different secret.
    put(&path, &hex.to_uppercase().replace('0', "A"), 0o600);
    let read = keyfile::parse(&text, &Unlock::from_file(&path).unwrap()).map(drop);
    assert!(matches!(read, Err(Fault::WrongSecret)));
    assert!(Unlock::from_file(&dir.path().join("none")).is_err());
    assert!(Unlock::from_credential("../unlock").is_err());
}

fn put(path: &Path, text: &str, mode: u32) {
    drop(std::fs::remove_file(path));
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn with_digest(text: &str) -> String {
    let begin = "-----BEGIN DETENTE KEY-----\n";
    let body = text.strip_prefix(begin).unwrap().split_once("digest: ").unwrap().0;
    let digest = detente::units::Hash::of(&[body.as_bytes()]);
    format!("{begin}{body}digest: {digest}\n-----END DETENTE KEY-----\n")
}
