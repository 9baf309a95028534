//! Evidence from a relay's answers: one file that proves itself, with our program and without.

use std::path::Path;
use std::process::Command;

use detente::envelope::entry::Entry;
use detente::envelope::{Envelope, open_to_disclose};
use detente::evidence::{Bundle, Disclosed, Record, parse, render, verify};
use detente::grpc::Limits;
use detente::tlog::LogProof;
use detente::units::Hash;
use detente::wire::detente::desk::v1 as wire;
use prost::Message as _;
use serde_json::Value;

use super::api_net::{Net, opening, question};
use super::directory_relay::next_signed;
use super::net;

fn record(receipt: wire::Receipt, sent: Option<&Envelope>) -> Record {
    let wire::Receipt { leaf, hashes, checkpoint, event } = receipt;
    let wire::LeafOpening { index, opening, .. } = leaf.unwrap();
    let hashes = hashes.iter().map(|hash| Hash::from_slice(hash).unwrap()).collect();
    let checkpoint = checkpoint.parse().unwrap();
    Record {
        event,
        opening: (!opening.is_empty()).then(|| opening.try_into().unwrap()),
        proof: LogProof { extra: None, index, hashes, checkpoint },
        header: sent.map(|sent| sent.header.clone()).unwrap_or_default(),
        signatures: sent.map(|sent| sent.signatures.clone()).unwrap_or_default(),
        body: None,
    }
}

/// Evidence of two questions, of which the first is disclosed, and of a nation's entry.
pub(crate) async fn evidence() -> Bundle {
    evidence_with(|_| {}).await
}

/// The same, of an entry that was changed in this way.
pub(crate) async fn evidence_with(change: impl FnOnce(&mut Entry)) -> Bundle {
    let net = Net::start(Limits::default()).await;
    let (nl, ro) = (net.client("NL"), net.client("RO"));
    let (first, second) = (question("NL", "RO"), question("RO", "NL"));
    for _ in 0..5 {
        nl.submit(&question("NL", "RO")).await.unwrap();
    }
    let mut asked = record(nl.submit(&first).await.unwrap().receipt.unwrap(), Some(&first));
    let other = record(ro.submit(&second).await.unwrap().receipt.unwrap(), Some(&second));
    let entry = nl.publish(&next_signed(&net, "NL", change)).await.unwrap().receipt.unwrap();
    let Envelope { header, wrap, ciphertext, .. } = &first;
    let (salt, body) = open_to_disclose(header, wrap, ciphertext, &opening("RO")).unwrap();
    asked.body = Some(Disclosed { salt, body: body.to_vec() });
    let genesis = net.relay.signed_genesis().to_vec();
    net.close().await;
    Bundle { genesis, policy: None, records: vec![asked, other, record(entry, None)] }
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_the_same_bytes_and_proves_itself() {
    let bundle = evidence().await;
    let bytes = render(&bundle).unwrap();
    assert_eq!(bytes, render(&bundle).unwrap());
    assert_eq!(parse(&bytes).unwrap(), bundle);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bundle.zip");
    std::fs::write(&file, &bytes).unwrap();
    let file = file.to_str().unwrap();
    let found: Value =
        serde_json::from_str(&net::run(&["verify", "bundle", file, "--json"])).unwrap();
    let records = found["records"].as_array().unwrap();
    let told: Vec<[&str; 3]> = records
        .iter()
        .map(|record| ["what", "from", "to"].map(|key| record[key].as_str().unwrap()))
        .collect();
    assert_eq!(told[0], ["REQUEST", "NL/cyber", "RO/cyber"]);
    assert_eq!(told[1], ["REQUEST", "RO/cyber", "NL/cyber"]);
    assert_eq!(told[2][0], "ENTRY_PUBLISHED");
    assert_eq!(records[0]["signed_by"][0], "NL/cyber/duty");
    assert_eq!(
        (&records[0]["body_disclosed"], &records[1]["body_disclosed"]),
        (&true.into(), &false.into())
    );
    let genesis = found["genesis_sha256"].as_str().unwrap();
    net::run(&["verify", "bundle", file, "--genesis-sha256", genesis]);
    let other = Hash([1; 32]).to_string();
    let refused = Command::new(env!("CARGO_BIN_EXE_detente"))
        .args(["verify", "bundle", file, "--genesis-sha256", &other])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("C-416"));
    // What is not disclosed is not in it.
    let secret = b"How long are logs kept?";
    assert!(bytes.windows(secret.len()).any(|window| window == secret));
    let mut hidden = bundle;
    hidden.records[0].body = None;
    let bytes = render(&hidden).unwrap();
    assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    assert!(!parse(&bytes).unwrap().records.iter().any(|record| record.body.is_some()));
}

/// How a bundle is changed.
type Change = fn(&mut Bundle);

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_is_changed_anywhere_is_refused() {
    let bundle = evidence().await;
    let bytes = render(&bundle).unwrap();
    for at in (usize::from(net::random::<1>()[0]) % 97..bytes.len()).step_by(97) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(parse(&changed).is_err(), "byte {at} of {}", bytes.len());
    }
    for end in [0, 3, 40, bytes.len() / 2, bytes.len() - 1] {
        assert!(parse(&bytes[..end]).is_err(), "cut at {end}");
    }
    let changes: [(&str, Change); 9] = [
        ("genesis.bin", |bundle| *bundle.genesis.last_mut().unwrap() ^= 1),
        ("policy.txt", |bundle| bundle.policy = Some("nonsense".to_owned())),
        ("records/001/proof", |bundle| bundle.records[0].proof.index += 1),
        ("records/002/proof", |bundle| bundle.records[1].opening.as_mut().unwrap()[0] ^= 1),
        ("records/002/proof", |bundle| bundle.records[1].event[5] ^= 1),
        ("records/001/event.bin", |bundle| {
            bundle.records[0].header = bundle.records[1].header.clone();
        }),
        ("records/001/header.bin", |bundle| {
            bundle.records[0].signatures = bundle.records[1].signatures.clone();
        }),
        ("records/001/body.bin", |bundle| bundle.records[0].body.as_mut().unwrap().salt[0] ^= 1),
        ("records/001/body.bin", |bundle| {
            bundle.records[0].body.as_mut().unwrap().body.push(0);
        }),
    ];
    for (file, change) in changes {
        let mut changed = bundle.clone();
        change(&mut changed);
        let fault = render(&changed).unwrap_err();
        assert!(fault.file.starts_with(file), "{file}: {fault}");
        assert_eq!(verify(&changed, None), Err(fault));
    }
}

/// Runs a script, which must succeed.
pub(crate) fn shell(script: &str, at: &Path) -> String {
    let output = Command::new("bash").args(["-euc", script]).current_dir(at).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{script}\n{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs openssl, sha256sum and python3, which tests/all installs"]
async fn evidence_is_checked_by_hand_as_its_readme_says() {
    let bundle = evidence().await;
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    std::fs::write(at.join("bundle.zip"), render(&bundle).unwrap()).unwrap();
    shell("python3 -m zipfile -e bundle.zip .", at);
    let readme = std::fs::read_to_string(at.join("README.txt")).unwrap();
    let blocks: Vec<String> = readme
        .split("\n\n")
        .filter(|block| block.starts_with("    "))
        .map(|block| block.lines().map(|line| format!("{}\n", line.trim_start())).collect())
        .collect();
    let [_, sums, hidden, plain, _long, path, head, _new, statement, body, _key] =
        blocks.as_slice()
    else {
        panic!("{} blocks: {blocks:#?}", blocks.len());
    };
    shell(sums, at);
    let key = |number: usize| {
        let signature = bundle.records[number].signatures[0].key_id;
        net::edit(statement, "KEY", &signature.to_string())
    };
    let first = at.join("records/001");
    let said = shell(&format!("set -o pipefail\n{hidden}{path}{head}{}", key(0)), &first);
    assert_eq!(said.matches("Verified Successfully").count(), 2, "{said}");
    let header = Hash::of(&[&bundle.records[0].header]).to_string();
    assert_eq!(said.matches(&header).count(), 2, "{said}");
    shell(&format!("set -o pipefail\nhash() {{ openssl dgst -sha256 -binary; }}\n{body}"), &first);
    shell(&format!("set -o pipefail\n{hidden}{path}{head}{}", key(1)), &at.join("records/002"));
    let entry = at.join("records/003");
    let directory_head = net::edit(head, "log-traffic", "log-directory");
    let hash = "hash() { openssl dgst -sha256 -binary; }";
    shell(&format!("set -o pipefail\n{hash}\n{plain}{path}{directory_head}"), &entry);
    let read = detente::wire::detente::form::v1::Body::decode(
        std::fs::read(first.join("body.bin")).unwrap().as_slice(),
    );
    assert!(read.unwrap().form.is_some());
}
