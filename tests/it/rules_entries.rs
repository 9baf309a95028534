//! Every refusal of a nation's entry by the rules, with a case that earns it.

use detente::envelope::entry::Entry;
use detente::rules::{self, Command, Refusal, Status};
use detente::units::{DAY_MS, Hash, MINUTE_MS};

use crate::rules_fixture::{START, World, desk, key, name};
use crate::rules_refusals::Case;

pub(crate) const ENTRY: &[Case] = &[
    ("R-501", || {
        let mut world = World::founded();
        let entry = Box::new(world.entry("RO"));
        world.commit(&Command::Publish { caller: desk("NL/cyber"), entry }).unwrap_err()
    }),
    ("R-502", || published("XX/cyber", |entry| entry.member = "XX".parse().unwrap())),
    ("R-504", || {
        let mut world = World::founded();
        let entry = world.entry("NL");
        let mut directory = world.state.directory().clone();
        directory.set_status(entry.member, Status::Withdrawn);
        rules::entry::lawful(&directory, &entry, START).unwrap_err()
    }),
    ("R-505", || published("NL/cyber", |entry| entry.version = 2)),
    ("R-505", || published("NL/cyber", |entry| entry.version = 0)),
    ("R-506", || published("NL/cyber", |entry| entry.previous = Hash([8; 32]))),
    ("R-507", || published("NL/cyber", |entry| entry.national_key = key("another"))),
    ("R-508", || published("NL/cyber", |entry| entry.ca = vec![vec![1]])),
    ("R-509", || published("NL/cyber", |entry| entry.not_after = START)),
    ("R-510", || published("NL/cyber", |entry| entry.created = START.plus_ms(5 * MINUTE_MS + 1))),
    ("R-511", || published("NL/cyber", |entry| entry.not_after = START.plus_ms(7 * DAY_MS + 1))),
    ("R-512", || published("NL/cyber", |entry| entry.desks[1].encryption_keys[0].until = START)),
    ("R-513", || {
        published("NL/cyber", |entry| {
            for officer in &mut entry.desks[0].officers {
                officer.from = START.plus_ms(1);
            }
        })
    }),
    ("R-514", || {
        published("NL/cyber", |entry| entry.desks[0].hours.time_zone = "Europe/Atlantis".into())
    }),
    ("R-515", || published("NL/cyber", |entry| entry.desks[0].desk_key = key("RO/cyber"))),
    ("R-515", || {
        published("NL/cyber", |entry| entry.desks[0].officers[0].key = key("RO/second/duty"))
    }),
    ("R-515", || {
        published("NL/cyber", |entry| {
            entry.desks[0].encryption_keys[0].id = Hash::of(&[b"RO"]);
        })
    }),
    ("R-516", || {
        let mut world = World::founded();
        let first = world.entry("NL");
        world.publish(&first).unwrap();
        let mut other = world.entry("NL");
        other.message = first.message;
        world.publish(&other).unwrap_err()
    }),
    ("R-517", || {
        let mut world = World::founded();
        loop {
            let entry = world.entry("NL");
            if let Err(refusal) = world.publish(&entry) {
                break refusal;
            }
        }
    }),
    ("R-518", || {
        let mut world = World::founded();
        for round in 0.. {
            let mut entry = world.entry("NL");
            entry.desks = (0..64)
                .map(|n| {
                    let mut desk = entry.desks[0].clone();
                    desk.name = name(&format!("desk-{round}-{n}"));
                    desk
                })
                .collect();
            if let Err(refusal) = world.publish(&entry) {
                return refusal;
            }
        }
        unreachable!("the loop has no end")
    }),
];

/// The first entry of NL, changed, and what the rules say to it.
fn published(caller: &str, change: impl FnOnce(&mut Entry)) -> Refusal {
    let mut world = World::founded();
    let mut entry = world.entry("NL");
    change(&mut entry);
    let caller = desk(caller);
    world.commit(&Command::Publish { caller, entry: Box::new(entry) }).unwrap_err()
}
