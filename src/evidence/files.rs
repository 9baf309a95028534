//! A bundle as files, and the files as an archive.
//!
//! Not for what it proves (see `verify.rs`).

use std::fmt::Write as _;

use super::keys::{self, LogsKey};
use super::verify::{Verified, verify};
use super::{Bundle, Disclosed, Fault, Record, report, zip};
use crate::codec;
use crate::envelope::genesis::{self, FoundingOfficer, PublicKey};
use crate::envelope::sign::{HEADER_TYPE, pae};
use crate::envelope::{Algorithm, disclose};
use crate::tlog::proof::inclusion_sides;
use crate::tlog::{Note, VerifierKey};
use crate::units::Hash;
use data_encoding::BASE64;

/// The largest bundle that is read, in bytes: 256 bodies of the largest envelope.
pub const BUNDLE_BYTES_MAX: usize = 256 << 20;

pub(super) const GENESIS: &str = "genesis.bin";
pub(super) const POLICY: &str = "policy.txt";
const SUMS: &str = "SHA256SUMS";
const README: &str = "README.txt";
const REPORT: &str = "report.html";
const README_TEXT: &str = include_str!("README.txt");

/// Begins an Ed25519 public key as SubjectPublicKeyInfo (RFC 8410 section 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Where the files of the record with this number, from 1, are.
pub(super) fn place(number: usize) -> String {
    format!("records/{number:03}")
}

/// The bundle's bytes. Only what verifies is made.
///
/// # Errors
/// [`Fault`], when something in it does not verify.
pub fn render(bundle: &Bundle) -> Result<Vec<u8>, Fault> {
    let verified = verify(bundle, None)?;
    zip::render(&files(bundle, &verified)?)
}

/// The bundle in these bytes: everything in them follows from what was collected.
///
/// # Errors
/// [`Fault`]; the first file that is not as this version makes it.
pub fn parse(bytes: &[u8]) -> Result<Bundle, Fault> {
    if bytes.len() > BUNDLE_BYTES_MAX {
        return Err(Fault::new("bundle", format!("more than {BUNDLE_BYTES_MAX} bytes")));
    }
    let found = zip::parse(bytes)?;
    check_sums(&found)?;
    let bundle = collected(&found)?;
    let verified = verify(&bundle, None)?;
    let made = files(&bundle, &verified)?;
    for ((name, data), (wanted, same)) in found.iter().zip(&made) {
        if name != wanted {
            return Err(Fault::new(name, format!("{wanted} belongs in its place")));
        }
        if data != same {
            return Err(Fault::new(name, "it does not follow from the evidence in the bundle"));
        }
    }
    if found.len() != made.len() {
        let why = format!("{} files where {} belong", found.len(), made.len());
        return Err(Fault::new("bundle", why));
    }
    if zip::render(&made)? == bytes {
        Ok(bundle)
    } else {
        Err(Fault::new("bundle", "the archive around its files is not as it was made"))
    }
}

/// Holds every file against the sums in the bundle: so the file that is changed is named, and not
/// one that follows from it. Whoever makes the sums anew is found out by what the files prove.
fn check_sums(found: &[zip::File]) -> Result<(), Fault> {
    let get = |name: &str| found.iter().find(|(own, _)| own == name).map(|(_, data)| data);
    let sums = get(SUMS).ok_or_else(|| Fault::new(SUMS, "it is missing"))?;
    let sums = std::str::from_utf8(sums).map_err(|_| Fault::new(SUMS, "it is not text"))?;
    for line in sums.lines() {
        let (sum, name) =
            line.split_once("  ").ok_or_else(|| Fault::new(SUMS, "a line of it is no sum"))?;
        let data =
            get(name).ok_or_else(|| Fault::new(name, "it is in SHA256SUMS, and is missing"))?;
        if Hash::of(&[data]).to_string() != sum {
            return Err(Fault::new(name, "its sum in SHA256SUMS is another"));
        }
    }
    Ok(())
}

/// What was collected, from the files.
fn collected(found: &[zip::File]) -> Result<Bundle, Fault> {
    let get = |name: &str| found.iter().find(|(own, _)| own == name).map(|(_, data)| data.clone());
    let need = |name: &str| get(name).ok_or_else(|| Fault::new(name, "it is missing"));
    let text = |name: &str, data: Vec<u8>| {
        String::from_utf8(data).map_err(|_| Fault::new(name, "it is not text"))
    };
    let genesis = need(GENESIS)?;
    let policy = get(POLICY).map(|data| text(POLICY, data)).transpose()?;
    let mut records = Vec::new();
    for number in 1.. {
        let at = place(number);
        let prefix = format!("{at}/");
        if !found.iter().any(|(name, _)| name.starts_with(&prefix)) {
            break;
        }
        let file = |name: &str| format!("{prefix}{name}");
        let proof = file("proof.tlog-proof");
        let short = |name: &str, data: Vec<u8>| {
            <[u8; 32]>::try_from(data).map_err(|_| Fault::new(name, "it is not 32 bytes"))
        };
        let (opening, signatures) = (file("opening.bin"), file("signatures.bin"));
        let body = match (get(&file("salt.bin")), get(&file("body.bin"))) {
            (None, None) => None,
            (Some(salt), Some(body)) => {
                Some(Disclosed { salt: short(&file("salt.bin"), salt)?, body })
            }
            (Some(_), None) => return Err(Fault::new(file("body.bin"), "it is missing")),
            (None, Some(_)) => return Err(Fault::new(file("salt.bin"), "it is missing")),
        };
        records.push(Record {
            event: need(&file("event.bin"))?,
            opening: get(&opening).map(|data| short(&opening, data)).transpose()?,
            proof: text(&proof, need(&proof)?)?.parse().map_err(|bad| Fault::new(&proof, bad))?,
            header: get(&file("header.bin")).unwrap_or_default(),
            signatures: get(&signatures)
                .map(|data| disclose::signatures_from_bytes(&data))
                .transpose()
                .map_err(|bad| Fault::new(&signatures, bad))?
                .unwrap_or_default(),
            body,
        });
    }
    Ok(Bundle { genesis, policy, records })
}

/// Every file of a bundle, in order.
fn files(bundle: &Bundle, verified: &Verified) -> Result<Vec<zip::File>, Fault> {
    let mut files = vec![
        (README.to_owned(), README_TEXT.as_bytes().to_vec()),
        (GENESIS.to_owned(), bundle.genesis.clone()),
    ];
    if let Some(policy) = &bundle.policy {
        files.push((POLICY.to_owned(), policy.as_bytes().to_vec()));
    }
    let founded =
        genesis::parse(&bundle.genesis).map_err(|bad| Fault::new(GENESIS, bad.to_string()))?;
    let log_keys = keys::log_keys(bundle, &founded)?;
    for LogsKey { key, number, .. } in &log_keys {
        if let Some(pem) = pem(&key.key) {
            files.push((format!("keys/log-{}{}.pem", key.log, suffix(*number)), pem));
        }
    }
    let mut add = |desk_key: &PublicKey, officers: &[FoundingOfficer]| {
        let officers = officers.iter().map(|officer| &officer.key);
        for key in officers.chain([desk_key]) {
            if let Some(pem) = pem(key) {
                files.push((format!("keys/{}.pem", key.id()), pem));
            }
        }
    };
    for desk in founded.members.iter().flat_map(|member| &member.desks) {
        add(&desk.desk_key, &desk.officers);
    }
    for record in &bundle.records {
        // What is no entry has been found good by now, and has no keys.
        let Ok(Some(signed)) = codec::decode_entry(&record.event) else { continue };
        for desk in &signed.entry.desks {
            add(&desk.desk_key, &desk.officers);
        }
    }
    for (number, record) in (1..).zip(&bundle.records) {
        record_files(&place(number), record, &log_keys, &mut files);
    }
    let mut names = std::collections::BTreeSet::new();
    files.retain(|(name, _)| names.insert(name.clone()));
    files.push((REPORT.to_owned(), report::html(&bundle.records, verified).into_bytes()));
    let mut sums = String::new();
    for (name, data) in &files {
        writeln!(sums, "{}  {name}", Hash::of(&[data])).map_err(|bad| Fault::new(SUMS, bad))?;
    }
    files.push((SUMS.to_owned(), sums.into_bytes()));
    Ok(files)
}

fn record_files(at: &str, record: &Record, log_keys: &[LogsKey], files: &mut Vec<zip::File>) {
    let Record { event, opening, proof, header, signatures, body } = record;
    let mut add = |name: &str, data: Vec<u8>| files.push((format!("{at}/{name}"), data));
    add("event.bin", event.clone());
    if let Some(opening) = opening {
        add("opening.bin", opening.to_vec());
    }
    let bare = crate::tlog::LogProof { extra: None, ..proof.clone() };
    add("proof.tlog-proof", bare.to_string().into_bytes());
    add("head.txt", proof.checkpoint.text().as_bytes().to_vec());
    // A log whose key is being exchanged signs twice.
    for LogsKey { number, verifier, .. } in log_keys {
        if let Some(signature) = signature_by(&proof.checkpoint, verifier) {
            add(&format!("head{}.sig", suffix(*number)), signature);
        }
    }
    if let Some(new) = keys::announcement(record) {
        add("announced.txt", new.note().text().as_bytes().to_vec());
        let before = |key: &&LogsKey| key.key.log == new.log && key.number == new.number as usize;
        let before = log_keys.iter().find(before);
        if let Some(signature) = before.and_then(|key| signature_by(new.note(), &key.verifier)) {
            add("announced.sig", signature);
        }
    }
    if let Ok(checkpoint) = proof.checkpoint.text().parse::<crate::tlog::Checkpoint>() {
        let sides = inclusion_sides(proof.index, checkpoint.size());
        for (step, (left, hash)) in (1..).zip(sides.into_iter().zip(&proof.hashes)) {
            let side = if left { "left" } else { "right" };
            add(&format!("path/{step:02}-{side}"), hash.0.to_vec());
        }
        add("root.bin", checkpoint.root().0.to_vec());
    }
    if !header.is_empty() {
        add("header.bin", header.clone());
        add("signed.bin", pae(HEADER_TYPE, header));
        add("signatures.bin", disclose::signatures_to_bytes(signatures));
        for made in signatures.iter().filter(|made| made.algorithm == Algorithm::Ed25519) {
            add(&format!("by-{}.sig", made.key_id), made.bytes.clone());
        }
    }
    if let Ok(Some((context, commitment))) = disclose::committed(header) {
        add("context.bin", context);
        add("committed.bin", commitment.0.to_vec());
    }
    if let Some(Disclosed { salt, body }) = body {
        add("salt.bin", salt.to_vec());
        add("body.bin", body.clone());
    }
}

/// Tells the later keys of a log, and what they signed, from the first.
fn suffix(number: usize) -> String {
    if number == 1 { String::new() } else { format!("-{number}") }
}

fn signature_by(note: &Note, key: &VerifierKey) -> Option<Vec<u8>> {
    note.lines().iter().find(|line| line.is_by(key)).map(|line| line.signature.clone())
}

/// An Ed25519 key as OpenSSL reads it.
fn pem(key: &PublicKey) -> Option<Vec<u8>> {
    match key {
        PublicKey::Ed25519(key) => {
            let der = BASE64.encode(&[&SPKI[..], key].concat());
            let pem = format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n");
            Some(pem.into_bytes())
        }
        PublicKey::MlDsa44(_) => None,
    }
}
