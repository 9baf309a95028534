//! The genesis: nobody is a member who did not sign, and nothing in it has two meanings.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use detente::envelope::genesis::{
    EncryptionKey, FoundingDesk, FoundingMember, FoundingOfficer, Genesis, LogKey, assemble, hash,
    parse, render, sign, verify,
};
use detente::envelope::words::{Instrument, Role};
use detente::envelope::{BadSignature, DecryptionKey, SigningKey};
use detente::units::{DAY_MS, Hash, Timestamp};
use detente::wire::detente::envelope::v1 as wire;
use prost::Message as _;

const NOW: Timestamp = Timestamp(1_795_000_000_000);

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed([number; 32])
}

fn member(id: &str, number: u8) -> FoundingMember {
    let until = NOW.plus_ms(90 * DAY_MS);
    let sealed_to = DecryptionKey::from_seed([number; 32]);
    FoundingMember {
        id: id.parse().unwrap(),
        display_name: format!("Member {id}"),
        ca: vec![vec![0x30, number]],
        national_key: key(number).public(),
        instruments: vec![Instrument::Budapest, Instrument::Bilateral("nl-ro-2019".to_owned())],
        preservation_days_min: 90,
        desks: vec![FoundingDesk {
            name: "cyber".parse().unwrap(),
            organisation: "Cyber Police".to_owned(),
            time_zone: "Europe/Amsterdam".to_owned(),
            languages: vec!["en".to_owned()],
            desk_key: key(number + 1).public(),
            encryption_keys: vec![
                EncryptionKey::new(sealed_to.public().to_vec(), NOW, until).unwrap(),
            ],
            officers: vec![FoundingOfficer {
                name: "jansen".parse().unwrap(),
                key: key(number + 2).public(),
                roles: vec![Role::Request, Role::Answer],
                from: NOW,
                until,
            }],
            witness_key: Some(key(number + 3).public()),
        }],
    }
}

fn genesis() -> Genesis {
    let log = |log: &str, number| LogKey { log: log.to_owned(), key: key(number).public() };
    Genesis {
        hash: Hash([0; 32]),
        network: "detente-dev".parse().unwrap(),
        rules_version: "1".to_owned(),
        created: NOW,
        relay_ca: vec![vec![0x30, 0]],
        log_keys: vec![log("directory", 100), log("traffic", 101)],
        members: vec![member("NL", 10), member("RO", 20)],
    }
}

fn signed(by: &[u8]) -> Vec<u8> {
    let bytes = render(&genesis()).unwrap();
    let signatures: Vec<_> = by.iter().map(|number| sign(&bytes, &key(*number))).collect();
    assemble(bytes, &signatures)
}

#[test]
fn what_was_founded_is_what_is_read() {
    let signed = signed(&[10, 20]);
    let read = parse(&signed).unwrap();
    let bytes = render(&genesis()).unwrap();
    assert_eq!(read, Genesis { hash: hash(&bytes), ..genesis() });
    assert_eq!(verify(&signed, &read), Ok(()));
}

#[test]
fn every_founding_member_must_have_signed() {
    let read = parse(&signed(&[10, 20])).unwrap();
    let id = |number| key(number).public().id();
    let absent = |number| Err(BadSignature::Absent { key: id(number) });
    assert_eq!(verify(&signed(&[]), &read), absent(10));
    assert_eq!(verify(&signed(&[10]), &read), absent(20));
    assert_eq!(verify(&signed(&[10, 21]), &read), absent(20));
    let strange = Err(BadSignature::OtherKey { key: id(21) });
    assert_eq!(verify(&signed(&[10, 20, 21]), &read), strange);
    let bytes = render(&genesis()).unwrap();
    let other = Genesis { hash: Hash([0; 32]), ..read.clone() };
    assert_eq!(verify(&signed(&[10, 20]), &other), Err(BadSignature::Unreadable));
    let mut forged = sign(&bytes, &key(20));
    forged.bytes[0] ^= 1;
    let forged = assemble(bytes.clone(), &[sign(&bytes, &key(10)), forged]);
    assert_eq!(verify(&forged, &read), Err(BadSignature::Invalid { key: id(20) }));
}

#[test]
fn every_flipped_byte_is_refused() {
    let good = signed(&[10, 20]);
    let pinned = parse(&good).unwrap();
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        assert!(verify(&flipped, &pinned).is_err(), "byte {at} of {}", good.len());
    }
}

/// Every way in which a genesis can be wrong, and the field that is named for it.
#[test]
fn a_wrong_genesis_names_its_field() {
    type Change = fn(&mut wire::Genesis);
    fn desk(genesis: &mut wire::Genesis) -> &mut wire::GenesisDesk {
        &mut genesis.members[1].desks[0]
    }
    let cases: [(&str, Change); 37] = [
        ("network", |g| g.network = "Detente".to_owned()),
        ("rules_version", |g| g.rules_version = "2".to_owned()),
        ("created_ms", |g| g.created_ms = 0),
        ("relay", |g| g.relay = None),
        ("relay.ca_certificates", |g| relay(g).ca_certificates.clear()),
        ("relay.ca_certificates", |g| relay(g).ca_certificates.push(vec![0x30, 0])),
        ("relay.log_keys", |g| relay(g).log_keys.clear()),
        ("relay.log_keys", |g| relay(g).log_keys.truncate(1)),
        ("relay.log_keys[0].log", |g| relay(g).log_keys[0].log = "other".to_owned()),
        ("relay.log_keys[0].public_key", |g| relay(g).log_keys[0].public_key.clear()),
        ("members", |g| g.members.clear()),
        ("members", |g| g.members.reverse()),
        ("members", |g| g.members[1].member_id = "NL".to_owned()),
        ("members[1].member_id", |g| g.members[1].member_id = "ro".to_owned()),
        ("members[1].display_name", |g| g.members[1].display_name.clear()),
        ("members[1].display_name", |g| g.members[1].display_name = "\u{202e}".to_owned()),
        ("members[1].ca_certificates", |g| g.members[1].ca_certificates.clear()),
        ("members[1].national_key", |g| g.members[1].national_key.push(0)),
        ("members[1].national_key", |g| g.members[1].national_key_algorithm = 3),
        ("members[1].national_key", |g| {
            g.members[1].national_key_algorithm = 2;
            g.members[1].national_key = vec![0; 1_312];
        }),
        ("members[1].instruments", |g| g.members[1].instruments.clear()),
        ("members[1].instruments", |g| g.members[1].instruments[1] = "BUDAPEST".to_owned()),
        ("members[1].instruments", |g| g.members[1].instruments[1] = "HAGUE".to_owned()),
        ("members[1].preservation_days_min", |g| g.members[1].preservation_days_min = 59),
        ("members[1].desks", |g| g.members[1].desks.clear()),
        ("members[1].desks", |g| {
            let again = desk(g).clone();
            g.members[1].desks.push(again);
        }),
        ("members[1].desks[0].time_zone", |g| desk(g).time_zone = "here now".to_owned()),
        ("members[1].desks[0].languages[0]", |g| desk(g).languages[0] = "e".to_owned()),
        ("members[1].desks[0].officers", |g| desk(g).officers.clear()),
        ("members[1].desks[0].officers[0].roles", |g| desk(g).officers[0].roles.clear()),
        ("members[1].desks[0].officers[0].until_ms", |g| {
            desk(g).officers[0].until_ms = desk(g).officers[0].from_ms;
        }),
        ("members[1].desks[0].encryption_keys[0].suite", |g| desk(g).encryption_keys[0].suite = 2),
        ("members[1].desks[0].encryption_keys[0].public_key", |g| {
            desk(g).encryption_keys[0].public_key.truncate(1_215);
        }),
        ("members[1].desks[0].encryption_keys[0].public_key", |g| {
            desk(g).encryption_keys[0].public_key = vec![0xff; 1_216];
        }),
        ("members[1].desks[0].witness_key", |g| desk(g).witness_key.truncate(31)),
        ("witness key of RO/cyber", |g| desk(g).witness_key = desk(g).desk_key.clone()),
        ("key of RO/cyber/jansen", |g| desk(g).officers[0].key = desk(g).desk_key.clone()),
    ];
    let good = wire::Genesis::decode(render(&genesis()).unwrap().as_slice()).unwrap();
    for (field, change) in cases {
        let mut changed = good.clone();
        change(&mut changed);
        let refused = parse(&assemble(changed.encode_to_vec(), &[])).unwrap_err();
        assert_eq!(refused.field, field, "{}", refused.why);
    }
}

fn relay(genesis: &mut wire::Genesis) -> &mut wire::GenesisRelay {
    genesis.relay.get_or_insert_default()
}
