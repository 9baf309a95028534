//! Every change to a bundle that a desk made is refused, and the place is named: by our program, by
//! a verifier in Go that shares no code with it; and the bundle is checked by hand.

use detente::evidence::{self, Bundle};
use detente::units::Hash;

use crate::audit_go;
use crate::desk_evidence::{Asked, genesis_hash};
use crate::evidence::shell;
use crate::net::edit;

/// The files of an archive of stored files.
fn unpacked(mut bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b));
    let mut files = Vec::new();
    while bytes.starts_with(b"PK\x03\x04") {
        let (length, name) = (number(&bytes[22..26]), number(&bytes[26..28]));
        let data = 30 + name;
        let file = String::from_utf8(bytes[30..data].to_vec()).unwrap();
        files.push((file, bytes[data..data + length].to_vec()));
        bytes = &bytes[data + length..];
    }
    files
}

/// An archive of these files, as ours are made.
fn packed(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let left = |byte: u32| {
        (0..8).fold(byte, |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    };
    let table: Vec<u32> = (0..256).map(left).collect();
    let crc = |data: &[u8]| {
        !data
            .iter()
            .fold(!0_u32, |crc, byte| (crc >> 8) ^ table[usize::from(crc.to_le_bytes()[0] ^ byte)])
    };
    let small = |value: usize| u16::try_from(value).unwrap().to_le_bytes();
    let long = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
    let (mut bytes, mut central) = (Vec::new(), Vec::new());
    for (name, data) in files {
        let at = long(bytes.len());
        let head = [
            &[10, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..],
            &crc(data).to_le_bytes(),
            &long(data.len()),
            &long(data.len()),
            &small(name.len()),
            &[0, 0],
        ]
        .concat();
        bytes.extend([&b"PK\x03\x04"[..], &head, name.as_bytes(), data].concat());
        let tail = [&[0; 10][..], &at, name.as_bytes()].concat();
        central.extend([&b"PK\x01\x02\x0a\0"[..], &head, &tail].concat());
    }
    let (count, at) = (small(files.len()), long(bytes.len()));
    let end = [&[0; 4][..], &count, &count, &long(central.len()), &at, &[0, 0]].concat();
    bytes.extend([&central[..], b"PK\x05\x06", &end].concat());
    bytes
}

/// The record whose file this is, as "records/001"; none of another file.
fn record(name: &str) -> Option<String> {
    name.starts_with("records/").then(|| name.splitn(3, '/').take(2).collect::<Vec<_>>().join("/"))
}

/// Every file with a bit flipped, cut, lengthened, and missing: which file, how, and the archive.
fn changes(bundle: &[u8]) -> Vec<(String, &'static str, Vec<u8>)> {
    let files = unpacked(bundle);
    assert_eq!(packed(&files), bundle, "the tool of this test makes other archives");
    let mut changes = Vec::new();
    for (at, (name, data)) in files.iter().enumerate() {
        let mut changed = files.clone();
        let mut add = |how, changed: &[(String, Vec<u8>)]| {
            changes.push((name.clone(), how, packed(changed)));
        };
        changed[at].1[data.len() / 2] ^= 1;
        add("flipped", &changed);
        changed[at].1 = data[..data.len() - 1].to_vec();
        add("cut", &changed);
        changed[at].1 = [&data[..], b"\n"].concat();
        add("lengthened", &changed);
        changed.remove(at);
        add("missing", &changed);
    }
    changes
}

/// What is evidence itself, changed by somebody who makes the sums anew.
fn forgeries(bundle: &[u8]) -> Vec<(String, &'static str, Vec<u8>)> {
    let files = unpacked(bundle);
    let mut forgeries = Vec::new();
    let evidence = ["event", "opening", "header", "signatures", "salt", "body"];
    for (at, (name, data)) in files.iter().enumerate() {
        let file = name.rsplit('/').next().unwrap();
        let is_evidence = file == "proof.tlog-proof"
            || name == "genesis.bin"
            || evidence.iter().any(|one| file == format!("{one}.bin"));
        if !is_evidence {
            continue;
        }
        let mut changed = files.clone();
        changed[at].1[data.len() / 2] ^= 1;
        let sums: String = changed
            .iter()
            .filter(|(name, _)| name != "SHA256SUMS")
            .map(|(name, data)| format!("{}  {name}\n", Hash::of(&[data])))
            .collect();
        changed.last_mut().unwrap().1 = sums.into_bytes();
        forgeries.push((name.clone(), "forged", packed(&changed)));
    }
    assert!(forgeries.len() > 30, "{}", forgeries.len());
    forgeries
}

/// Every change is refused, and the file is named; of a record at least which it is, as its parts
/// are proven together.
pub(crate) fn every_change_is_named(bundle: &[u8]) {
    for (name, how, changed) in changes(bundle).into_iter().chain(forgeries(bundle)) {
        let fault = evidence::parse(&changed).unwrap_err();
        let said = fault.to_string();
        let same = record(&name).is_some_and(|record| fault.file.starts_with(&record));
        assert!(same || said.contains(&name), "{name} {how}: {said}");
    }
    // A record that is missing altogether is no less a change.
    let files = unpacked(bundle);
    let last = files.iter().rev().find_map(|(name, _)| record(name)).unwrap();
    let rest: Vec<_> = files.iter().filter(|(name, _)| !name.starts_with(&last)).cloned().collect();
    let fault = evidence::parse(&packed(&rest)).unwrap_err();
    assert!(fault.file.starts_with(&last), "{fault}");
}

/// Runs the README's commands on every record of a bundle that a desk made; answers how many bodies
/// and announced keys there were.
pub(crate) fn checked_by_hand(bundle: &[u8]) -> (usize, usize) {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    for (name, data) in unpacked(bundle) {
        let path = at.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, data).unwrap();
    }
    let readme = std::fs::read_to_string(at.join("README.txt")).unwrap();
    let blocks: Vec<String> = readme
        .split("\n\n")
        .filter(|block| block.starts_with("    "))
        .map(|block| block.lines().map(|line| format!("{}\n", line.trim_start())).collect())
        .collect();
    let [_, sums, hidden, plain, long, path, head, new, statement, body, key] = blocks.as_slice()
    else {
        panic!("{} blocks: {blocks:#?}", blocks.len());
    };
    shell(sums, at);
    let Bundle { records, genesis, .. } = evidence::parse(bundle).unwrap();
    let (mut bodies, mut announced, mut known) = (0, 0, Vec::new());
    for (number, record) in (1..).zip(&records) {
        let place = at.join(format!("records/{number:03}"));
        let hash = "set -o pipefail\nhash() { openssl dgst -sha256 -binary; }\n";
        let (leaf, head) = match record.opening {
            Some(_) => (hidden, head.clone()),
            None if record.event.len() > 65_534 => {
                (long, edit(head, "log-traffic", "log-directory"))
            }
            None => (plain, edit(head, "log-traffic", "log-directory")),
        };
        let head = if place.join("head.sig").exists() {
            head
        } else {
            head.replace("head.sig", "head-2.sig").replace(".pem", "-2.pem")
        };
        let said = shell(&format!("{hash}{leaf}{path}{head}"), &place);
        assert!(said.contains("Verified Successfully"), "{said}");
        if place.join("announced.txt").exists() {
            let said = shell(&format!("{hash}{new}"), &place);
            let raw: String =
                said.split("Successfully").last().unwrap().split_whitespace().collect();
            let stated = shell(&key.replace("KEY", "log-traffic-2"), &at.join("keys"));
            assert_eq!((raw.len(), &raw), (64, &stated), "{said}");
            announced += 1;
        }
        for signature in &record.signatures {
            let script = edit(statement, "KEY", &signature.key_id.to_string());
            let said = shell(&format!("{hash}{script}"), &place);
            assert!(said.contains("Verified Successfully"), "{said}");
            assert!(said.matches(&Hash::of(&[&record.header]).to_string()).count() >= 2, "{said}");
            let script = edit(key, "KEY", &signature.key_id.to_string());
            known.push(shell(&script, &at.join("keys")));
        }
        if record.body.is_some() {
            shell(&format!("{hash}{body}"), &place);
            bodies += 1;
        }
    }
    // Every key that has signed stands in the genesis or in an entry.
    let entries = records.iter().filter(|record| record.opening.is_none()).map(|r| &r.event);
    let stated: Vec<String> =
        entries.chain([&genesis]).map(|bytes| data_encoding::HEXLOWER.encode(bytes)).collect();
    for key in known {
        assert!(key.len() == 64 && stated.iter().any(|one| one.contains(&key)), "{key}");
    }
    (bodies, announced)
}

#[tokio::test]
#[ignore = "needs openssl and sha256sum, which tests/all installs"]
async fn evidence_of_a_desk_is_checked_by_hand_as_its_readme_says() {
    let asked = Asked::new().await;
    let (_, shown) = asked.made("RO", "shown.zip", &["--disclose-body", "all"]);
    assert_eq!(checked_by_hand(&shown), (2, 0));
}

#[tokio::test]
#[ignore = "needs the verifier in Go, which tests/all builds"]
async fn a_verifier_in_go_accepts_evidence_and_names_every_change() {
    let asked = Asked::new().await;
    let (_, shown) = asked.made("RO", "shown.zip", &["--disclose-body", "all"]);
    let path = |name: &str| asked.lab.dev.path().join(name).to_str().unwrap().to_owned();
    let Bundle { records, policy, .. } = evidence::parse(&shown).unwrap();
    std::fs::write(path("policy"), policy.unwrap()).unwrap();
    let (genesis, policy, file) = (genesis_hash(&asked.lab), path("policy"), path("changed.zip"));
    let command = ["bundle", &path("shown.zip"), &policy, &genesis];
    let found: serde_json::Value = serde_json::from_slice(&audit_go::accepted(&command)).unwrap();
    assert_eq!((&found["records"], &found["bodies"]), (&records.len().into(), &2.into()));
    let other = Hash([1; 32]).to_string();
    let refused = audit_go::refused(&["bundle", command[1], &policy, &other]);
    assert_eq!(refused["file"], "genesis.bin");
    for (name, how, changed) in changes(&shown).into_iter().chain(forgeries(&shown)) {
        std::fs::write(&file, changed).unwrap();
        let fault = audit_go::refused(&["bundle", &file, &policy, &genesis]);
        let named = fault["file"].as_str().unwrap();
        let same = record(&name).is_some_and(|record| named.starts_with(&record));
        // A sum that is changed is another file's.
        assert!(same || named == name || name == "SHA256SUMS", "{name} {how}: {fault}");
    }
}
