//! A nation's entry as bytes: it says one thing, only its own key signs it, and what is restricted
//! is only committed to.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use std::sync::LazyLock;

use detente::envelope::entry::words::{HoursKind, System, Use, Weekday, When};
use detente::envelope::entry::{
    self, Channel, DeskRestricted, Entry, Holiday, Person, Restricted, Signed, of_founding,
    restricted,
};
use detente::envelope::genesis::{self, Genesis};
use detente::envelope::{BadSignature, Envelope, SigningKey};
use detente::units::{DAY_MS, Hash, MessageId, Timestamp};
use detente::wire::detente::envelope::v1 as wire;
use proptest::prelude::*;
use prost::Message as _;

use crate::records::signed_genesis;

const PHONE: &str = "+31201234567";

fn founded() -> Genesis {
    genesis::parse(&signed_genesis()).unwrap()
}

fn national(n: u8) -> SigningKey {
    SigningKey::from_seed([0x30 + n; 32])
}

/// The first entry of NL, the second member of the genesis.
fn first() -> Entry {
    let genesis = founded();
    let mut entry = Entry {
        message: MessageId([5; 16]),
        version: 1,
        created: genesis.created,
        not_after: genesis.created.plus_ms(DAY_MS),
        ..of_founding(&genesis, &genesis.members[1])
    };
    let hours = &mut entry.desks[0].hours;
    hours.kind = HoursKind::OfficeAndDuty;
    hours.office = Some((9 * 60, 17 * 60));
    hours.holidays = vec![Holiday { date: "2027-04-27".to_owned(), name: "King's Day".to_owned() }];
    entry
}

fn channel(system: System, value: &str, rank: u32) -> Channel {
    let usage = Use::Primary;
    Channel {
        system,
        value: value.to_owned(),
        usage,
        rank,
        when: When::Always,
        from: None,
        until: None,
    }
}

fn reachable() -> Restricted {
    let desk = DeskRestricted {
        salt: [7; 32],
        channels: vec![channel(System::Relay, "", 1), channel(System::Phone, PHONE, 2)],
        confirmation: Some(Person {
            name: "head of unit".to_owned(),
            function: String::new(),
            phone: PHONE.to_owned(),
            mobile: String::new(),
            email: "head@desk.example".to_owned(),
        }),
        persons: Vec::new(),
    };
    Restricted::from([("cyber".parse().unwrap(), desk)])
}

fn signed_with(entry: &Entry, open: &Restricted, by: &SigningKey) -> Signed {
    let (bytes, commitments) = restricted::render(open);
    let mut entry = entry.clone();
    for desk in &mut entry.desks {
        desk.restricted = commitments.get(&desk.name).copied();
    }
    entry::sign(entry::render(&entry).unwrap(), bytes, by).unwrap()
}

fn signed() -> Signed {
    static SIGNED: LazyLock<Signed> =
        LazyLock::new(|| signed_with(&first(), &reachable(), &national(1)));
    SIGNED.clone()
}

#[test]
fn an_entry_reads_as_it_was_written() {
    let signed = signed();
    assert_eq!(entry::parse(&signed.bytes).unwrap(), signed.entry);
    assert_eq!(signed.entry.hash, entry::hash(&signed.bytes));
    assert_eq!(Signed::parse(&signed.to_bytes()).unwrap().entry, signed.entry);
    assert_eq!(Signed::from_wire(signed.to_wire()).unwrap(), signed);
    assert_eq!(signed.opened(), reachable());
    assert_eq!(signed.entry.desks[0].hours.weekend, [Weekday::Saturday, Weekday::Sunday]);
}

#[test]
fn only_the_nations_own_key_signs_and_nothing_in_it_can_be_changed() {
    let signed = signed();
    let own = national(1).public();
    assert_eq!(signed.verify(&own), Ok(()));
    let another = signed_with(&first(), &reachable(), &national(2));
    let other = Err(BadSignature::OtherKey { key: national(2).public().id() });
    assert_eq!(another.verify(&own), other);
    let mut both = signed.clone();
    both.signatures.push(another.signatures[0].clone());
    assert_eq!(both.verify(&own), other, "nobody else beside it");
    for at in 0..signed.bytes.len() {
        let mut changed = signed.clone();
        changed.bytes[at] ^= 1;
        assert!(changed.verify(&own).is_err(), "byte {at}");
    }
}

#[test]
fn the_restricted_part_is_committed_to_and_not_in_the_entry() {
    let signed = signed();
    let text = String::from_utf8_lossy(&signed.to_bytes()).into_owned();
    assert!(!text.contains(PHONE) && !text.contains("head"), "{text}");
    // Another salt, another number, another desk, one too few: none is what was committed to.
    for change in [
        |open: &mut Restricted| open.values_mut().for_each(|desk| desk.salt[0] ^= 1),
        |open: &mut Restricted| {
            open.values_mut().for_each(|desk| desk.channels[1].value = "+31201234568".to_owned());
        },
        |open: &mut Restricted| {
            let desk = open.values().next().unwrap().clone();
            *open = Restricted::from([("other".parse().unwrap(), desk)]);
        },
    ] {
        let mut open = reachable();
        change(&mut open);
        let (bytes, _) = restricted::render(&open);
        let refused = signed.clone().with_restricted(bytes).unwrap_err();
        assert_eq!(refused.field, "entry_restricted.desks[0]");
    }
    let mut none = signed.to_wire();
    none.entry_restricted = wire::EntryRestricted { desks: Vec::new() }.encode_to_vec();
    none.entry_restricted.extend([0x12, 0]);
    assert_eq!(Signed::from_wire(none).unwrap_err().field, "entry_restricted.desks");
    // Erased: the entry stands without it.
    assert!(signed.with_restricted(Vec::new()).unwrap().opened().is_empty());
}

#[test]
fn what_is_wrong_with_a_number_is_said_without_the_number() {
    for (system, value) in [
        (System::Phone, "0201234567"),
        (System::Mobile, "+31 6 12345678"),
        (System::Sms, ""),
        (System::Email, "duty.desk.example"),
        (System::Relay, "+31201234567"),
        (System::Hf, " "),
    ] {
        let mut open = reachable();
        open.values_mut().for_each(|desk| desk.channels[1] = channel(system, value, 2));
        let (bytes, commitments) = restricted::render(&open);
        let mut entry = first();
        entry.desks[0].restricted = commitments.into_values().next();
        let bytes_of = entry::render(&entry).unwrap();
        let refused = entry::sign(bytes_of, bytes, &national(1)).unwrap_err();
        assert!(refused.field.ends_with("restricted.channels[1].value"), "{refused}");
        assert!(value.len() < 4 || !refused.to_string().contains(value), "{refused}");
    }
}

#[test]
fn a_field_that_is_not_what_it_should_be_is_named() {
    type Change = fn(&mut Entry);
    let cases: [(Change, &str); 15] = [
        (|e| e.version = 0, "entry.version"),
        (|e| e.desks.clear(), "entry.desks"),
        (|e| e.display_name.clear(), "entry.display_name"),
        (|e| e.instruments.clear(), "entry.instruments"),
        (|e| e.preservation_days_min = 59, "entry.preservation_days_min"),
        (|e| e.preservation_days_max = Some(59), "entry.preservation_days_max"),
        (|e| e.desks[0].roles.clear(), "entry.desks[0].roles"),
        (|e| e.desks[0].hours.office = Some((60, 60)), "entry.desks[0].hours.office_until_minute"),
        (|e| e.desks[0].hours.weekend = Weekday::ALL.to_vec(), "entry.desks[0].hours.weekend_days"),
        (|e| e.desks[0].hours.time_zone = "+01:00".into(), "entry.desks[0].hours.time_zone"),
        (
            |e| e.desks[0].hours.holidays[0].date = "2027-02-30".into(),
            "entry.desks[0].hours.public_holidays[0].date",
        ),
        (|e| e.desks[0].encryption_keys.clear(), "entry.desks[0].encryption_keys"),
        (|e| e.desks[0].officers[0].roles.clear(), "entry.desks[0].officers[0].roles"),
        (
            |e| e.desks[0].witness_key = Some(e.desks[0].desk_key.clone()),
            "entry.desks[0].witness_key",
        ),
        (
            |e| e.desks[0].officers[0].key = e.desks[0].desk_key.clone(),
            "entry.desks[0].officers[0].key",
        ),
    ];
    for (change, field) in cases {
        let mut entry = first();
        change(&mut entry);
        assert_eq!(entry::render(&entry).unwrap_err().field, field);
    }
    let twice = {
        let mut entry = first();
        let holiday = entry.desks[0].hours.holidays[0].clone();
        entry.desks[0].hours.holidays.push(holiday);
        entry::render(&entry).unwrap_err().field
    };
    assert_eq!(twice, "entry.desks[0].hours.public_holidays");
}

#[test]
fn what_a_later_version_says_beyond_this_one_is_not_recorded() {
    let mut longer = signed().to_wire();
    longer.entry.extend([0xf8, 6, 1]);
    let refused = Signed::from_wire(longer).unwrap_err();
    assert_eq!(refused.field, "entry");
}

#[test]
fn an_entry_is_no_statement_and_a_statement_no_entry() {
    let both = wire::Envelope { header: vec![1], ..signed().to_wire() };
    assert_eq!(Signed::from_wire(both).unwrap_err().field, "header");
    let entry = signed().to_wire();
    assert!(Envelope::from_wire(entry).is_err());
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_and_crash_nothing(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        prop_assert!(entry::parse(&bytes).is_err());
        prop_assert!(Signed::parse(&bytes).is_err());
    }

    #[test]
    fn a_cut_or_flipped_entry_never_reads_as_the_same(at in 0usize..2_000, bit in 0u8..8) {
        let signed = signed();
        let at = at % signed.bytes.len();
        let mut flipped = signed.bytes.clone();
        flipped[at] ^= 1 << bit;
        if let Ok(read) = entry::parse(&flipped) {
            prop_assert_ne!(read.hash, signed.entry.hash);
        }
        prop_assert_ne!(Hash::of(&[&signed.bytes[..at]]), signed.entry.hash);
    }
}

#[test]
fn the_longest_entry_fits() {
    let mut entry = first();
    let desk = entry.desks[0].clone();
    let made = |n: u8, m: u8| SigningKey::from_seed(Hash::of(&[&[n, m]]).0).public();
    entry.desks = (0..60u8)
        .map(|n| {
            let mut desk = desk.clone();
            desk.name = format!("desk-{n:02}").parse().unwrap();
            desk.desk_key = made(n, 0);
            desk.officers[0].key = made(n, 1);
            let mut key = desk.encryption_keys[0].key.clone();
            key[0] = n;
            let until = Timestamp(entry.created.0 + DAY_MS);
            desk.encryption_keys =
                vec![genesis::EncryptionKey::new(key, entry.created, until).unwrap()];
            desk
        })
        .collect();
    assert!(entry::render(&entry).unwrap().len() < entry::ENTRY_BYTES_MAX);
}
