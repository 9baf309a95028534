//! The stored form: it reads back what it was made from, it does not drift, and what was tampered
//! with is refused with the field named.

use std::sync::LazyLock;

use detente::codec::{
    Corrupt, Head, Heads, Leaf, Log, Record, decode_body, decode_event, decode_record,
    decode_trailer, encode_body, encode_event, encode_record, encode_trailer,
};
use detente::envelope::entry::Signed;
use detente::envelope::{self, Algorithm, Signature};
use detente::rules::{ClockWitness, ErasureReason, Event, Kind, Numbering, OfferFailure};
use detente::units::{BatchId, DeskId, DeskIndex, Hash, Index, MessageId, RequestId, Timestamp};
use detente::wire::detente::{envelope::v1 as signed, journal::v1 as stored};
use proptest::prelude::*;
use prost::Message as _;

use crate::records::{Maker, refused_field, signed_entry, signed_genesis, stored_with};

const MESSAGE: MessageId = MessageId([0xaa; 16]);
const TIME: Timestamp = Timestamp(1_795_424_400_000);

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// A header as some sender once made it: an acknowledgement from RO/cyber to NL/cyber.
fn header() -> Vec<u8> {
    let context = signed::Context {
        suite: 1,
        message_id: vec![0xaa; 16],
        from: "RO/cyber".to_owned(),
        officer: "duty".to_owned(),
        signer_key_id: vec![0x55; 32],
        to: "NL/cyber".to_owned(),
        case_id: vec![0xcc; 16],
        request_id: vec![0xbb; 16],
        in_reply_to: vec![0x66; 32],
        sequence: 7,
        created_ms: TIME.0 - 1_000,
        not_after_ms: TIME.0 + 60_000,
        act: Some(signed::context::Act::Acknowledge(signed::AcknowledgeAct {
            will_answer: "YES".to_owned(),
            estimated_at_ms: TIME.0 + 3_600_000,
        })),
        ..signed::Context::default()
    };
    signed::Header {
        context: context.encode_to_vec(),
        commitment: vec![0x11; 32],
        ciphertext_sha256: vec![0x22; 32],
        ciphertext_len: 1_024 + 16,
        wrap_sha256: vec![0x33; 32],
    }
    .encode_to_vec()
}

/// The first entry of NL.
fn entry() -> Signed {
    signed_entry(1, MESSAGE, (1, Hash([0xab; 32])), TIME)
}

/// A record of this event, with fixed values for everything else.
fn record(kind: Kind) -> Record {
    let statement = matches!(kind, Kind::Accepted(_));
    let published = matches!(kind, Kind::EntryPublished(_));
    let founded = matches!(kind, Kind::Founded(_));
    let own = published
        || founded
        || matches!(
            kind,
            Kind::TailTruncated { .. }
                | Kind::ClockStepped { .. }
                | Kind::ClockConfirmed { .. }
                | Kind::Padded
        );
    let signed = if published { Some(entry().to_bytes()) } else { founded.then(signed_genesis) };
    let desk = |name: &str| (!own).then(|| name.parse::<DeskId>().unwrap());
    let (from, to) = (desk("RO/cyber"), desk("NL/cyber"));
    let numbering = Numbering {
        desk_indexes: from
            .iter()
            .map(|desk| (desk.clone(), DeskIndex(4)))
            .chain(to.iter().map(|desk| (desk.clone(), DeskIndex(3))))
            .collect(),
        pair_sequence: if own { 0 } else { 5 },
        previous: (!own).then_some(Hash([0x77; 32])),
    };
    let event = Event { from, to, request: (!own).then_some(RequestId([0xbb; 16])), kind };
    let event_bytes = encode_event(&event, &numbering, TIME, signed.as_deref());
    let signature = Signature {
        key_id: Hash([0x55; 32]),
        algorithm: Algorithm::Ed25519,
        bytes: vec![0x44; 64],
    };
    Record {
        index: Index(17),
        time: TIME,
        batch: BatchId([0xdd; 16]),
        numbering,
        event,
        event_bytes,
        header: if statement { header() } else { Vec::new() },
        signatures: if statement { vec![signature] } else { Vec::new() },
        leaf: if signed.is_some() {
            Leaf { log: Log::Directory, index: 0, opening: None }
        } else {
            Leaf { log: Log::Traffic, index: 16, opening: Some([0xee; 32]) }
        },
        body_len: if statement { 2_305 } else { 0 },
        body_sha256: statement.then_some(Hash([0x99; 32])),
    }
}

fn erased(reason: ErasureReason, of: Option<MessageId>) -> Kind {
    Kind::BodyErased { index: Index(3), reason, of }
}

/// One record of every kind.
fn one_of_each() -> &'static [(&'static str, Record)] {
    static RECORDS: LazyLock<Vec<(&str, Record)>> = LazyLock::new(make_one_of_each);
    &RECORDS
}

fn make_one_of_each() -> Vec<(&'static str, Record)> {
    let statement = Box::new(envelope::parse_header(&header()).unwrap());
    let genesis = Box::new(envelope::genesis::parse(&signed_genesis()).unwrap());
    let message = MESSAGE;
    [
        ("founded", Kind::Founded(genesis)),
        ("accepted", Kind::Accepted(statement)),
        ("offered", Kind::Offered { message }),
        ("failed", Kind::OfferFailed { message, reason: OfferFailure::Unreachable }),
        ("silent", Kind::OfferFailed { message, reason: OfferFailure::NoReceipt }),
        ("handed over", Kind::HandedOver { message }),
        ("expired", Kind::PreservationExpired { preserved_until: TIME.plus_ms(-1) }),
        ("erased", erased(ErasureReason::LegalOrder, None)),
        ("retired", erased(ErasureReason::Retention, None)),
        ("erased and named", erased(ErasureReason::LegalOrder, Some(message))),
        (
            "truncated",
            Kind::TailTruncated { next_index: Index(17), bytes: 99, sha256: Hash([1; 32]) },
        ),
        ("stepped", Kind::ClockStepped { step_ms: -61_000 }),
        ("confirmed", Kind::ClockConfirmed { by: ClockWitness::Desks }),
        ("confirmed by hand", Kind::ClockConfirmed { by: ClockWitness::Operator }),
        ("entry", Kind::EntryPublished(Box::new(entry().entry))),
        ("padded", Kind::Padded),
    ]
    .map(|(name, kind)| (name, record(kind)))
    .to_vec()
}

/// What version 1 looks like on disk. Released, it never changes: what is stored must be read.
const GOLDEN: &str = include_str!("golden/records-v1.txt");

#[test]
fn the_stored_form_does_not_drift() {
    let wrapped = |bytes: &[u8]| {
        let lines: Vec<String> = bytes.chunks(48).map(hex).collect();
        lines.join("\n")
    };
    let heads = Heads {
        directory: Head { size: 1, root: Hash([1; 32]) },
        traffic: Head { size: 16, root: Hash([2; 32]) },
    };
    let mut list = String::new();
    for (name, record) in one_of_each() {
        let bytes = encode_record(record);
        // The genesis holds keys of a kilobyte each; its hash will do.
        let shown = if bytes.len() > 1_000 {
            format!("SHA-256 {}", Hash::of(&[&bytes]))
        } else {
            wrapped(&bytes)
        };
        list.push_str(&format!("{name}\n{shown}\n\n"));
    }
    let trailer = encode_trailer(BatchId([0xdd; 16]), &heads);
    list.push_str(&format!("trailer\n{}\n\n", wrapped(&trailer)));
    list.push_str(&format!("body\n{}\n", wrapped(&encode_body(b"wrap", b"ciphertext"))));
    assert_eq!(list, GOLDEN, "the stored form has changed:\n{list}");
}

#[test]
fn every_kind_reads_back() {
    for (name, record) in one_of_each() {
        assert_eq!(decode_record(&encode_record(record)).as_ref(), Ok(record), "{name}");
        let event = decode_event(&record.event_bytes, &record.header).unwrap();
        assert_eq!(event.event, record.event, "{name}");
        assert_eq!(event.pair_sequence, record.numbering.pair_sequence, "{name}");
        assert_eq!(event.previous, record.numbering.previous, "{name}");
    }
}

/// What a record that was tampered with is refused for.
#[test]
fn a_record_that_does_not_hold_together_names_the_field() {
    let (accepted, offered) = (find("accepted"), find("offered"));
    let on_record = |record: &Record, change: &dyn Fn(&mut stored::Record)| {
        refused_field(&stored_with(record, |stored| change(stored)))
    };
    let cases: [(&str, String); 24] = [
        ("record.time_ms", on_record(&offered, &|r| r.time_ms += 1)),
        ("record.batch_id", on_record(&offered, &|r| r.batch_id.truncate(15))),
        (
            "record.desk_indexes",
            on_record(&offered, &|r| r.desk_indexes[1].desk = "RO/cyber".into()),
        ),
        ("record.desk_indexes.desk", on_record(&offered, &|r| r.desk_indexes[0].desk.clear())),
        ("record.event", on_record(&offered, &|r| r.event = vec![0xff])),
        ("record.event.kind", on_record(&offered, &|r| r.event.clear())),
        ("record.event.header_sha256", on_record(&offered, &|r| r.header = header())),
        ("record.header", on_record(&accepted, &|r| r.header.clear())),
        ("record.event.header_sha256", on_record(&accepted, &|r| r.header.extend([0xf8, 6, 0]))),
        ("record.signatures", on_record(&accepted, &|r| r.signatures.clear())),
        (
            "record.signatures[0].signature",
            on_record(&accepted, &|r| r.signatures[0].signature.clear()),
        ),
        ("record.leaf", on_record(&offered, &|r| r.leaf = None)),
        (
            "record.leaf.log",
            on_record(&offered, &|r| r.leaf.as_mut().unwrap().log = "Traffic".into()),
        ),
        ("record.leaf.opening", on_record(&offered, &|r| r.leaf.as_mut().unwrap().opening.clear())),
        (
            "record.leaf.opening",
            on_record(&offered, &|r| r.leaf.as_mut().unwrap().log = "directory".into()),
        ),
        ("record.body_sha256", on_record(&accepted, &|r| r.body_len = 0)),
        ("record.event.from", on_event(&offered, &|e| e.from = "ro/cyber".into())),
        ("record.event.from", on_event(&accepted, &|e| e.from = "RO/police".into())),
        ("record.event.to", on_event(&accepted, &|e| e.to = "US/duty".into())),
        ("record.event.request_id", on_event(&accepted, &|e| e.request_id = vec![0; 16])),
        ("record.event.request_id", on_event(&offered, &|e| e.request_id = vec![0; 3])),
        ("record.event.pair_sequence", on_event(&offered, &|e| e.pair_sequence = 0)),
        ("record.event.time_ms", on_event(&offered, &|e| e.time_ms = i64::MAX)),
        (
            "record.event.previous_event_sha256",
            on_event(&offered, &|e| e.previous_event_sha256.truncate(1)),
        ),
    ];
    for (n, (field, found)) in cases.iter().enumerate() {
        assert_eq!(found, field, "case {n}");
    }
}

/// What a record is refused for when its event is changed.
fn on_event(record: &Record, change: &dyn Fn(&mut stored::Event)) -> String {
    refused_field(&stored_with(record, |stored| {
        let mut event = stored::Event::decode(stored.event.as_slice()).unwrap();
        change(&mut event);
        stored.event = event.encode_to_vec();
    }))
}

fn find(name: &str) -> Record {
    one_of_each().iter().find(|(n, _)| *n == name).unwrap().1.clone()
}

#[test]
fn words_and_bytes_of_no_known_form_are_refused() {
    let strange = on_event(&find("failed"), &|e| {
        let Some(stored::event::Kind::OfferFailed(failed)) = &mut e.kind else { panic!() };
        failed.reason = "LATE".into();
    });
    assert_eq!(strange, "record.event.offer_failed.reason");
    let strange = on_event(&find("erased"), &|e| {
        let Some(stored::event::Kind::Erased(erased)) = &mut e.kind else { panic!() };
        erased.reason.clear();
    });
    assert_eq!(strange, "record.event.erased.reason");
    let strange = on_event(&find("founded"), &|e| {
        let Some(stored::event::Kind::Genesis(genesis)) = &mut e.kind else { panic!() };
        genesis.signed_genesis.clear();
    });
    assert!(strange.starts_with("record.event.genesis.signed_genesis."), "{strange}");
    let strange = on_event(&find("entry"), &|e| {
        let Some(stored::event::Kind::Entry(entry)) = &mut e.kind else { panic!() };
        entry.signed_entry.truncate(40);
    });
    assert!(strange.starts_with("record.event.entry.signed_entry"), "{strange}");
}

#[test]
fn trailers_and_bodies_read_back_or_are_refused() {
    let batch = BatchId([7; 16]);
    let trailer = encode_trailer(batch, &Heads::empty());
    assert_eq!(decode_trailer(&trailer), Ok((batch, Heads::empty())));
    let field = |result: Result<(BatchId, Heads), Corrupt>| result.unwrap_err().field;
    assert_eq!(field(decode_trailer(&[])), "trailer.batch_id");
    let mut one = stored::Trailer::decode(trailer.as_slice()).unwrap();
    one.heads.reverse();
    assert_eq!(field(decode_trailer(&one.encode_to_vec())), "trailer.heads");
    let body = decode_body(&encode_body(b"wrap", b"ciphertext")).unwrap();
    assert_eq!(
        (body.wrap.as_slice(), body.ciphertext.as_slice()),
        (&b"wrap"[..], &b"ciphertext"[..])
    );
    assert_eq!(decode_body(&encode_body(b"wrap", b"")).unwrap_err().field, "body");
}

#[test]
#[should_panic(expected = "what was signed belongs to a founding or an entry")]
fn a_founding_is_not_encoded_without_its_signatures() {
    let records = one_of_each();
    let Record { event, numbering, .. } = &records[0].1;
    encode_event(event, numbering, TIME, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// The maker asserts for every record that it reads back.
    #[test]
    fn what_a_network_does_reads_back(
        steps in prop::collection::vec(any::<(u8, u8, u8)>(), 0..80),
    ) {
        let mut maker = Maker::new();
        steps.into_iter().for_each(|step| maker.step(step));
        maker.close();
        let trailer = maker.shelf.trailers.values().next_back().unwrap();
        let (_, heads) = decode_trailer(trailer).unwrap();
        prop_assert_eq!(heads, maker.heads());
    }
}

proptest! {
    /// Damaged bytes are refused or read as something else, and never make a program stop.
    #[test]
    fn damaged_bytes_do_no_harm(
        which in 0_usize..14,
        at in any::<prop::sample::Index>(),
        with: u8,
    ) {
        let (_, record) = &one_of_each()[which];
        let mut bytes = encode_record(record);
        let at = at.index(bytes.len());
        bytes[at] ^= with;
        let _ = decode_record(&bytes);
        bytes.truncate(at);
        let _ = decode_record(&bytes);
    }
}
