//! The envelope: what was signed and sealed is what arrives, or nothing does.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::sync::LazyLock;

use detente::envelope::genesis::EncryptionKey;
use detente::envelope::words::{Instrument, Outcome, Rejection, RequestType, Urgency};
use detente::envelope::{
    Act, Approval, DecryptionKey, Draft, ENVELOPE_BYTES_MAX, Envelope, OpenError, RequestFacts,
    SealError, SeenCheckpoint, Signer, SigningKey, machine, open, parse_header, seal,
};
use detente::units::{CaseId, DAY_MS, Hash, MessageId, RequestId, Timestamp};
use detente::wire::detente::envelope::v1 as wire;
use detente::wire::detente::form::v1::body::Form;
use detente::wire::detente::form::v1::{Body, InformationForm, Text};
use proptest::prelude::*;
use prost::Message as _;

const NOW: Timestamp = Timestamp(1_795_000_000_000);

fn officer() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

fn recipient() -> DecryptionKey {
    DecryptionKey::from_seed([2; 32])
}

fn public(key: &DecryptionKey) -> EncryptionKey {
    EncryptionKey::new(key.public().to_vec(), NOW, NOW.plus_ms(DAY_MS)).unwrap()
}

/// Random bytes that repeat themselves in every run, and only there.
fn random(start: u8) -> impl FnMut(&mut [u8]) {
    let mut counter = u64::from(start) << 32;
    move |bytes: &mut [u8]| {
        for chunk in bytes.chunks_mut(32) {
            counter += 1;
            chunk.copy_from_slice(&Hash::of(&[&counter.to_be_bytes()]).0[..chunk.len()]);
        }
    }
}

fn request() -> Draft {
    Draft {
        message: MessageId([3; 16]),
        from: "NL/cyber".parse().unwrap(),
        signer: Signer::Officer("jansen".parse().unwrap()),
        approval: Approval::None,
        to: "RO/cyber".parse().unwrap(),
        case: CaseId([4; 16]),
        request: RequestId([3; 16]),
        in_reply_to: None,
        sequence: 7,
        created: NOW,
        not_after: NOW.plus_ms(DAY_MS),
        seen: Some(SeenCheckpoint { size: 9, root: Hash([5; 32]) }),
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
    }
}

fn receipt() -> Draft {
    Draft {
        message: MessageId([6; 16]),
        from: "RO/cyber".parse().unwrap(),
        signer: Signer::Desk,
        approval: Approval::None,
        to: "NL/cyber".parse().unwrap(),
        in_reply_to: Some(Hash([7; 32])),
        act: Act::Receipt {
            of: MessageId([3; 16]),
            header: Hash([7; 32]),
            rejected: Some(Rejection::PolicyViolation),
        },
        ..request()
    }
}

fn body(text: &str) -> Body {
    let question = Text { text: text.to_owned(), language: String::new() };
    let form = InformationForm { question: Some(question), ..InformationForm::default() };
    Body { form: Some(Form::Information(form)) }
}

fn sealed() -> Envelope {
    seal(&request(), &body("How?"), &public(&recipient()), &officer(), &mut random(0)).unwrap()
}

/// One for the tests that only read it.
static SEALED: LazyLock<Envelope> = LazyLock::new(sealed);

fn open_it(envelope: &Envelope, key: &DecryptionKey) -> Result<Body, OpenError> {
    open(&envelope.header, &envelope.wrap, &envelope.ciphertext, key)
}

#[test]
fn what_was_sealed_is_what_is_opened() {
    let envelope = sealed();
    let arrived = Envelope::parse(&envelope.to_bytes()).unwrap();
    assert_eq!(arrived, envelope);
    assert_eq!(arrived.verify(&officer().public(), None), Ok(()));
    assert_eq!(open_it(&arrived, &recipient()), Ok(body("How?")));
    let statement = &arrived.statement;
    assert_eq!(statement.header, Hash::of(&[&arrived.header]));
    assert_eq!(statement.signer_key, officer().public().id());
    assert_eq!(statement.seen, request().seen);
    assert_eq!(statement.act, request().act);
    assert_eq!(parse_header(&arrived.header).as_ref(), Ok(statement));
}

#[test]
fn a_machine_statement_travels_without_a_body() {
    let envelope = machine(&receipt(), &officer()).unwrap();
    let arrived = Envelope::parse(&envelope.to_bytes()).unwrap();
    assert_eq!(arrived, envelope);
    assert_eq!(arrived.statement.act, receipt().act);
    assert!(arrived.wrap.is_empty() && arrived.ciphertext.is_empty());
    assert_eq!(open_it(&arrived, &recipient()), Err(OpenError::NoBody));
    assert_eq!(machine(&request(), &officer()), Err(SealError::Body));
    let to = public(&recipient());
    let refused = seal(&receipt(), &body(""), &to, &officer(), &mut random(0));
    assert_eq!(refused, Err(SealError::Body));
}

#[test]
fn every_flipped_bit_is_refused() {
    let key = officer().public();
    for envelope in [sealed(), machine(&receipt(), &officer()).unwrap()] {
        let bytes = envelope.to_bytes();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                let taken = Envelope::parse(&flipped).is_ok_and(|it| it.verify(&key, None).is_ok());
                assert!(!taken, "bit {bit} of byte {at} of {}", bytes.len());
            }
        }
    }
}

#[test]
fn opening_refuses_what_the_header_did_not_name() {
    let envelope = sealed();
    let (header, key) = (&envelope.header, recipient());
    for at in [0, 40, envelope.wrap.len() - 1] {
        let mut wrap = envelope.wrap.clone();
        wrap[at] ^= 1;
        let refused = open(header, &wrap, &envelope.ciphertext, &key);
        assert_eq!(refused, Err(OpenError::Swapped { part: "wrap" }));
    }
    for at in [0, envelope.ciphertext.len() - 1] {
        let mut ciphertext = envelope.ciphertext.clone();
        ciphertext[at] ^= 1;
        let refused = open(header, &envelope.wrap, &ciphertext, &key);
        assert_eq!(refused, Err(OpenError::Swapped { part: "ciphertext" }));
    }
    let refused = open(header, &envelope.wrap, &envelope.ciphertext[1..], &key);
    assert_eq!(refused, Err(OpenError::Swapped { part: "ciphertext" }));
}

/// Signs a changed header anew, as a relay with an officer's key could.
fn resign(envelope: &Envelope, change: impl FnOnce(&mut wire::Header)) -> Envelope {
    let mut header = wire::Header::decode(envelope.header.as_slice()).unwrap();
    change(&mut header);
    let header = header.encode_to_vec();
    let type_ = detente::envelope::sign::HEADER_TYPE;
    let signatures = vec![officer().sign(type_, &header).to_wire()];
    let (wrap, ciphertext) = (envelope.wrap.clone(), envelope.ciphertext.clone());
    Envelope::from_wire(wire::Envelope {
        header,
        signatures,
        wrap,
        ciphertext,
        ..wire::Envelope::default()
    })
    .unwrap()
}

/// I9: a body belongs to one context; with any other it does not open, whoever signs.
#[test]
fn a_body_does_not_open_in_another_context() {
    type Change = fn(&mut wire::Context);
    let changes: [(&str, Change); 13] = [
        ("from", |c| c.from = "FR/cyber".to_owned()),
        ("officer", |c| c.officer = "dupont".to_owned()),
        ("to", |c| c.to = "FR/cyber".to_owned()),
        ("case", |c| c.case_id = vec![9; 16]),
        ("request", |c| (c.message_id, c.request_id) = (vec![9; 16], vec![9; 16])),
        ("sequence", |c| c.sequence += 1),
        ("created", |c| c.created_ms += 1),
        ("not_after", |c| c.not_after_ms += 1),
        ("seen", |c| c.seen_checkpoint = None),
        ("type", |c| facts(c).r#type = "LEGAL_INFORMATION".to_owned()),
        ("instrument", |c| facts(c).instrument = "G7_2417".to_owned()),
        ("urgency", |c| facts(c).urgency = "URGENT".to_owned()),
        ("exercise", |c| facts(c).exercise = true),
    ];
    let envelope = sealed();
    assert!(open_it(&resign(&envelope, |_| ()), &recipient()).is_ok());
    for (what, change) in changes {
        let changed = resign(&envelope, |header| {
            let mut context = wire::Context::decode(header.context.as_slice()).unwrap();
            change(&mut context);
            header.context = context.encode_to_vec();
        });
        assert_eq!(changed.verify(&officer().public(), None), Ok(()), "{what}");
        assert_eq!(open_it(&changed, &recipient()), Err(OpenError::Wrap), "{what}");
    }
    let changed = resign(&envelope, |header| header.commitment[0] ^= 1);
    assert_eq!(open_it(&changed, &recipient()), Err(OpenError::Wrap));
}

fn facts(context: &mut wire::Context) -> &mut wire::RequestAct {
    match &mut context.act {
        Some(wire::context::Act::Request(facts)) => facts,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_the_named_signer_and_the_named_recipient_will_do() {
    let envelope = sealed();
    let stranger = SigningKey::from_seed([8; 32]).public();
    assert!(envelope.verify(&stranger, None).is_err());
    let other = DecryptionKey::from_seed([8; 32]);
    let key = recipient().id();
    assert_eq!(open_it(&envelope, &other), Err(OpenError::OtherKey { key }));
    let mut to = public(&recipient());
    to.id = other.id();
    let refused = seal(&request(), &body(""), &to, &officer(), &mut random(0));
    assert_eq!(refused, Err(SealError::Recipient { key: other.id() }));
}

#[test]
fn two_seals_of_one_body_have_nothing_in_common() {
    let to = public(&recipient());
    let make =
        |start| seal(&request(), &body("How?"), &to, &officer(), &mut random(start)).unwrap();
    let (one, two) = (make(0), make(1));
    let header = |envelope: &Envelope| wire::Header::decode(envelope.header.as_slice()).unwrap();
    assert_eq!(header(&one).context, header(&two).context);
    assert_ne!(header(&one).commitment, header(&two).commitment);
    let shared = one.ciphertext.iter().zip(&two.ciphertext).filter(|(a, b)| a == b).count();
    assert!(shared < 32, "{shared} of {} bytes are equal", one.ciphertext.len());
    let wrap = |envelope: &Envelope| wire::Wrap::decode(envelope.wrap.as_slice()).unwrap();
    assert_ne!(wrap(&one).enc, wrap(&two).enc);
    assert_ne!(wrap(&one).wrapped_key, wrap(&two).wrapped_key);
}

#[test]
fn lengths_tell_only_the_class() {
    let to = public(&recipient());
    let overhead = body("").encoded_len();
    let mut seen = std::collections::BTreeSet::new();
    for len in [0, 1, 900, 960, 990, 1_000, 2_000, 4_000, 16_384, 100_000, 500_000] {
        let body = body(&"x".repeat(len));
        let envelope = seal(&request(), &body, &to, &officer(), &mut random(0)).unwrap();
        let padded = envelope.ciphertext.len() - 16;
        assert!(padded.is_power_of_two() && padded >= 1_024, "{padded}");
        assert!(padded >= len + overhead && envelope.to_bytes().len() <= ENVELOPE_BYTES_MAX);
        assert_eq!(envelope.statement.ciphertext_len as usize, envelope.ciphertext.len());
        assert_eq!(open_it(&envelope, &recipient()), Ok(body));
        seen.insert(padded);
    }
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        [1 << 10, 1 << 11, 1 << 12, 1 << 15, 1 << 17, 1 << 19]
    );
    let long = body(&"x".repeat(600_000));
    let refused = seal(&request(), &long, &to, &officer(), &mut random(0));
    assert!(matches!(refused, Err(SealError::TooLong { .. })));
}

/// Every way in which a header can be wrong, and the field that is named for it.
#[test]
fn a_wrong_header_names_its_field() {
    type Change = fn(&mut wire::Context);
    let cases: [(&str, Change); 22] = [
        ("suite", |c| c.suite = 2),
        ("message_id", |c| c.message_id = vec![0; 15]),
        ("from", |c| c.from = "nl/cyber".to_owned()),
        ("officer", |c| c.officer = "Jansen".to_owned()),
        ("officer", |c| c.officer = String::new()),
        ("signer_key_id", |c| c.signer_key_id.clear()),
        ("to", |c| c.to = String::new()),
        ("to", |c| c.to = c.from.clone()),
        ("case_id", |c| c.case_id.clear()),
        ("request_id", |c| c.request_id = vec![9; 16]),
        ("in_reply_to", |c| c.in_reply_to = vec![9; 32]),
        ("in_reply_to", |c| c.in_reply_to = vec![9; 31]),
        ("sequence", |c| c.sequence = 0),
        ("created_ms", |c| c.created_ms = 0),
        ("not_after_ms", |c| c.not_after_ms = c.created_ms),
        ("not_after_ms", |c| c.not_after_ms = c.created_ms + 7 * DAY_MS + 1),
        ("not_after_ms", |c| c.not_after_ms = i64::MAX),
        ("seen_checkpoint.root", |c| c.seen_checkpoint = Some(wire::SeenCheckpoint::default())),
        ("act", |c| c.act = None),
        ("request.type", |c| facts(c).r#type = "ARREST".to_owned()),
        ("request.urgency", |c| facts(c).urgency.clear()),
        ("request.parent_request_id", |c| facts(c).parent_request_id = c_id()),
    ];
    let header = wire::Header::decode(sealed().header.as_slice()).unwrap();
    for (field, change) in cases {
        let mut context = wire::Context::decode(header.context.as_slice()).unwrap();
        change(&mut context);
        let changed = wire::Header { context: context.encode_to_vec(), ..header.clone() };
        let refused = parse_header(&changed.encode_to_vec()).unwrap_err();
        assert_eq!(refused.field, format!("header.context.{field}"), "{}", refused.why);
    }
}

fn c_id() -> Vec<u8> {
    vec![3; 16]
}

#[test]
fn acts_say_what_they_need() {
    let base = Draft { message: MessageId([9; 16]), in_reply_to: Some(Hash([7; 32])), ..request() };
    let to = public(&recipient());
    let make =
        |act| seal(&Draft { act, ..base.clone() }, &body(""), &to, &officer(), &mut random(0));
    let at = NOW.plus_ms(1);
    let good = [
        Act::Determine { outcome: Outcome::Postponed, review_at: Some(at) },
        Act::Determine { outcome: Outcome::Refused, review_at: None },
        Act::Extend { preserved_until: at },
        Act::Withdraw,
        Act::Close,
    ];
    for act in good {
        assert_eq!(make(act.clone()).unwrap().statement.act, act);
    }
    let bad = [
        Act::Determine { outcome: Outcome::Postponed, review_at: None },
        Act::Determine { outcome: Outcome::Refused, review_at: Some(at) },
        Act::Extend { preserved_until: Timestamp(0) },
        Act::ReviseEstimate { estimated_at: Timestamp(-1) },
    ];
    for act in bad {
        assert!(matches!(make(act.clone()), Err(SealError::Draft(_))), "{act:?}");
    }
}

/// The published vector of X-Wing (draft-connolly-cfrg-xwing-kem, appendix, first one): the key of
/// a seed, and the encapsulation of its randomness. Longer values by their SHA-256.
#[test]
fn encapsulation_is_the_one_of_the_draft() {
    let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
    let seed = hex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26");
    let randomness = hex(concat!(
        "3cb1eea988004b93103cfb0aeefd2a686e01fa4a58e8a3639ca8a1e3f9ae57e2",
        "35b8cc873c23dc62b8d260169afa2f75ab916a58d974918835d25e6a435085b2"
    ));
    let key = DecryptionKey::from_seed(seed.try_into().unwrap());
    assert_eq!(
        Hash::of(&[key.public()]).to_string(),
        "2e816deebcd76c5c80d0cd2d174478871658e8e2ff42bc9d4a6e486372e856bb"
    );
    let mut drawn = |bytes: &mut [u8]| {
        if bytes.len() == 64 {
            bytes.copy_from_slice(&randomness);
        }
    };
    let envelope = seal(&request(), &body(""), &public(&key), &officer(), &mut drawn).unwrap();
    let wrap = wire::Wrap::decode(envelope.wrap.as_slice()).unwrap();
    assert_eq!(
        Hash::of(&[&wrap.enc]).to_string(),
        "17cd532d657e44c897ca6583e548a5424fc70bf54f99515a4d2bcf99e3469f33"
    );
}

/// The format is frozen: the same seeds make the same bytes for ever.
#[test]
fn the_format_does_not_drift() {
    let envelope = sealed();
    let found = [
        officer().public().id(),
        recipient().id(),
        Hash::of(&[&envelope.header]),
        Hash::of(&[&envelope.wrap]),
        Hash::of(&[&envelope.ciphertext]),
        Hash::of(&[&envelope.to_bytes()]),
        Hash::of(&[&machine(&receipt(), &officer()).unwrap().to_bytes()]),
    ];
    assert_eq!(found.map(|hash| hash.to_string()), GOLDEN);
}

/// Key ids, header, wrap, ciphertext, envelope, and the envelope of a receipt.
const GOLDEN: [&str; 7] = [
    "b6ab0c04b603509e7832a6f3b1b94608a89e185bb32ec0c0e80b3ffea08eb406",
    "97a2ed37f32c76aa626f77842b6201eac61f10aeda8a620aeb8c497fa468483f",
    "d1a6ccac623a75902419bd90b98598eb47684e0c04c91c182a02c80b6b7598d1",
    "e36f9093a52048c9284b9b2f1d9f0f688a667fd600dd2f16be2b96c75d2aeb8b",
    "141cb4409728ea2f28de578b32650c41ba9188d31e3859090efaea63318e5a54",
    "5a2a43590924c4e56137463a9084b59488a5a7da2c031cd778039cf32f682d29",
    "551b27eefd2756812a1bb759539e6555a752bced30a090fb69a99ee13410118a",
];

#[test]
fn too_much_is_refused_before_it_is_read() {
    let refused = Envelope::parse(&vec![0; ENVELOPE_BYTES_MAX + 1]).unwrap_err();
    assert_eq!(refused.field, "envelope");
    let mut wire = sealed().to_wire();
    wire.signatures = vec![wire.signatures[0].clone(); 5];
    assert_eq!(Envelope::from_wire(wire.clone()).unwrap_err().field, "signatures");
    wire.signatures.truncate(2);
    assert_eq!(Envelope::from_wire(wire.clone()).unwrap_err().field, "signatures[1]");
    wire.signatures.clear();
    assert_eq!(Envelope::from_wire(wire.clone()).unwrap_err().field, "signatures");
    assert_eq!(parse_header(&[0; 5_000]).unwrap_err().field, "header");
}

/// A newer sender may say more: what is not known is skipped, and signed all the same.
#[test]
fn unknown_fields_are_kept_and_signed() {
    let envelope = sealed();
    let later = resign(&envelope, |header| header.context.extend_from_slice(&[0xfa, 0x3e, 1, 7]));
    assert_eq!(later.verify(&officer().public(), None), Ok(()));
    assert_eq!(open_it(&later, &recipient()), Err(OpenError::Wrap));
    assert_ne!(later.statement.header, envelope.statement.header);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn arbitrary_bytes_are_refused_without_harm(
        bytes in proptest::collection::vec(any::<u8>(), 0..2_000),
    ) {
        let _ = Envelope::parse(&bytes);
        let _ = parse_header(&bytes);
        let _ = detente::envelope::genesis::parse(&bytes);
        let (envelope, key) = (&*SEALED, recipient());
        prop_assert!(open(&bytes, &bytes, &bytes, &key).is_err());
        prop_assert!(open(&envelope.header, &bytes, &envelope.ciphertext, &key).is_err());
    }

    #[test]
    fn spliced_bytes_are_refused(
        at in 0..2_700_usize,
        cut in 0..64_usize,
        new in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let bytes = SEALED.to_bytes();
        let start = at.min(bytes.len());
        let end = (start + cut).min(bytes.len());
        let mut spliced = bytes.clone();
        spliced.splice(start..end, new);
        if spliced != bytes {
            let taken = Envelope::parse(&spliced).is_ok_and(|it| {
                it.verify(&officer().public(), None).is_ok() && it.to_bytes() != bytes
            });
            prop_assert!(!taken);
        }
    }
}
