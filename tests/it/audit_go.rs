//! A verifier in Go that shares no code with ours (`tests/go`): it accepts the logs that we write,
//! names the same damage, and opens what we seal.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use detente::audit::CHECKPOINT;
use detente::envelope::genesis::EncryptionKey;
use detente::envelope::words::{Instrument, RequestType, Urgency};
use detente::envelope::{
    Act, Approval, DecryptionKey, Draft, RequestFacts, Signer, SigningKey, seal,
};
use detente::units::{CaseId, DAY_MS, MessageId, RequestId, Timestamp};
use detente::wire::detente::form::v1::body::Form;
use detente::wire::detente::form::v1::{Body, InformationForm, Text};
use prost::Message as _;
use serde_json::Value;

use super::audit_damage::TABLE;
use super::audit_lab::{Lab, policy, publish};
use super::net;

/// Runs the verifier that `tests/all` has built.
fn go(arguments: &[&str]) -> Output {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/go/verify");
    Command::new(program).args(arguments).output().unwrap()
}

pub(crate) fn accepted(arguments: &[&str]) -> Vec<u8> {
    let output = go(arguments);
    let said = [output.stdout.clone(), output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    output.stdout
}

pub(crate) fn refused(arguments: &[&str]) -> Value {
    let output = go(arguments);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&said).unwrap()
}

#[test]
#[ignore = "needs the verifier in Go, which tests/all builds"]
fn a_verifier_in_go_accepts_logs_of_every_shape_and_every_head_they_had() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(file("policy"), policy(3)).unwrap();
    for sizes in [
        &[0][..],
        &[1, 2, 3, 7, 8],
        &[100, 255, 256, 257, 300],
        &[1, 600, 601, 1_024, 1_300],
        &[65_000, 65_536, 65_537, 66_000],
    ] {
        let log = directory.path().join(format!("log-{}", sizes.last().unwrap()));
        let heads = publish(&log, sizes, u64::MAX);
        let paths: Vec<String> = (0..heads.len()).map(|n| file(&format!("head-{n}"))).collect();
        for (path, head) in paths.iter().zip(&heads) {
            std::fs::write(path, head.to_string()).unwrap();
        }
        let log = log.to_str().unwrap();
        let own = ["log".to_owned(), log.to_owned(), file("policy")];
        let all: Vec<&str> = own.iter().chain(&paths).map(String::as_str).collect();
        let found: Value = serde_json::from_slice(&accepted(&all)).unwrap();
        assert_eq!(found["size"], *sizes.last().unwrap());
        assert_eq!(found["older"], sizes.len());
    }
}

#[test]
#[ignore = "needs the verifier in Go, which tests/all builds"]
fn a_verifier_in_go_names_the_same_damage() {
    let lab = Lab::new();
    let paths: Vec<PathBuf> = vec![lab.log(), lab.path("policy"), lab.path("older")];
    let paths: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
    let command = [&["log"][..], &paths].concat();
    accepted(&command);
    for (name, file, index, _, spoil) in TABLE {
        let mut spoilt = lab.spoilt();
        spoil(&mut spoilt);
        let found = refused(&command);
        assert_eq!(found["file"], file, "{name}: {found}");
        let wanted = index.map_or(Value::Null, Value::from);
        assert_eq!(found.get("index").cloned().unwrap_or_default(), wanted, "{name}: {found}");
    }
    accepted(&command);
}

#[test]
#[ignore = "needs the verifier in Go, which tests/all builds"]
fn any_flipped_bit_is_found_by_the_verifier_in_go() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    publish(&log, &[300, 700], u64::MAX);
    let policy_file = directory.path().join("policy");
    std::fs::write(&policy_file, policy(3)).unwrap();
    let command = ["log", log.to_str().unwrap(), policy_file.to_str().unwrap()];
    for (file, flips) in [
        (CHECKPOINT, 60),
        ("tile/0/001", 10),
        ("tile/0/001.p/44", 10),
        ("tile/0/002.p/188", 10),
        ("tile/1/000.p/2", 10),
        ("tile/entries/001", 10),
        ("tile/entries/001.p/44", 10),
        ("tile/entries/002.p/188", 10),
    ] {
        let path = log.join(file);
        let bytes = std::fs::read(&path).unwrap();
        for _ in 0..flips {
            let [a, b, c] = net::random::<3>();
            let at = usize::from(u16::from_be_bytes([a, b])) % bytes.len();
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (c % 8);
            std::fs::write(&path, changed).unwrap();
            let found = refused(&command);
            assert_eq!(found["file"], file, "bit {} of byte {at}: {found}", c % 8);
        }
        std::fs::write(&path, &bytes).unwrap();
    }
    accepted(&command);
}

#[test]
#[ignore = "needs the verifier in Go, which tests/all builds"]
fn a_verifier_in_go_opens_an_envelope_and_refuses_a_changed_one() {
    let now = Timestamp(1_795_000_000_000);
    let officer = SigningKey::from_seed([1; 32]);
    let seed = [2; 32];
    let recipient = DecryptionKey::from_seed(seed);
    let to = EncryptionKey::new(recipient.public().to_vec(), now, now.plus_ms(DAY_MS)).unwrap();
    let question = Text { text: "How long?".to_owned(), language: String::new() };
    let form = InformationForm { question: Some(question), ..InformationForm::default() };
    let body = Body { form: Some(Form::Information(form)) };
    let draft = Draft {
        message: MessageId([3; 16]),
        from: "NL/cyber".parse().unwrap(),
        signer: Signer::Officer("jansen".parse().unwrap()),
        to: "RO/cyber".parse().unwrap(),
        case: CaseId([4; 16]),
        request: RequestId([3; 16]),
        in_reply_to: None,
        sequence: 7,
        created: now,
        not_after: now.plus_ms(DAY_MS),
        seen: None,
        approval: Approval::None,
        act: Act::Request(RequestFacts {
            kind: RequestType::TechnicalAdvice,
            instrument: Instrument::Budapest,
            urgency: Urgency::Routine,
            test: false,
            exercise: false,
            parent: None,
            prior_conditions: false,
            embargo_until: None,
        }),
    };
    let mut random = |bytes: &mut [u8]| aws_lc_rs::rand::fill(bytes).unwrap();
    let envelope = seal(&draft, &body, &to, &officer, &mut random).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("envelope");
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let (signer, seed) = (hex(officer.public().as_bytes()), hex(&seed));
    let command = ["envelope", file.to_str().unwrap(), &signer, &seed];
    std::fs::write(&file, envelope.to_bytes()).unwrap();
    assert_eq!(accepted(&command), body.encode_to_vec());

    let stranger = hex(SigningKey::from_seed([9; 32]).public().as_bytes());
    refused(&["envelope", command[1], &stranger, &seed]);
    refused(&["envelope", command[1], &signer, &hex(&[9; 32])]);
    let parts: [fn(&mut detente::envelope::Envelope) -> &mut Vec<u8>; 3] =
        [|sent| &mut sent.header, |sent| &mut sent.wrap, |sent| &mut sent.ciphertext];
    for part in parts {
        let mut changed = envelope.clone();
        let bytes = part(&mut changed);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&file, changed.to_bytes()).unwrap();
        refused(&command);
    }
}
