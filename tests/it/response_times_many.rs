//! Response times over many requests: counted once each, whether they rest in blocks or wait, over
//! the edges of blocks and of slices; and what that costs, measured when asked for.
//!
//! The records are copies of one life, told with other members, ids and times: to make each anew
//! would take longer than what is measured.

use std::time::{Duration, Instant};

use detente::codec::{Heads, Record};
use detente::envelope::Act;
use detente::rules::Kind;
use detente::tables::{Options, Tables};
use detente::units::{
    Day, DeskId, DeskIndex, HOUR_MS, Hash, Index, MemberId, MessageId, RequestId,
};
use detente::views::TimesRow;
use detente::views::response_times::{Filter, Grouping, Report, Tally};

use crate::records::{JOURNAL, Maker};

/// How many members there are.
const MEMBERS: u64 = 40;

/// A new request begins so long after the one before.
const APART_MS: i64 = 40_000;

/// How many others begin between two steps of one.
const OTHERS: u64 = 20;

/// The records of one request, from its submission to its end.
fn life() -> Vec<Record> {
    let mut maker = Maker::new();
    maker.request(0, 1);
    // Offered, delivered, acknowledged, accepted, carried out, closed.
    for step in [(9, 2, 0), (10, 2, 1), (3, 0, 0), (3, 0, 1), (3, 0, 2), (3, 0, 3)] {
        maker.wait(HOUR_MS);
        maker.step(step);
    }
    maker.records.into_iter().filter(|record| record.event.request.is_some()).collect()
}

/// Records of many requests side by side.
struct Many {
    life: Vec<Record>,
    next: u64,
    desk_next: Vec<u64>,
}

impl Many {
    fn new(first: u64) -> Self {
        Self { life: life(), next: first, desk_next: vec![0; MEMBERS as usize] }
    }

    /// What happens while the `n`th request begins: of those before it, the later steps. Of every
    /// `open_every`th request only the first step ever happens.
    fn tick(&mut self, n: u64, of: u64, open_every: u64) -> Vec<Record> {
        let mut records = Vec::new();
        for step in 0..self.life.len() {
            let Some(which) = n.checked_sub(step as u64 * OTHERS).filter(|which| *which < of)
            else {
                continue;
            };
            if step == 0 || !which.is_multiple_of(open_every) {
                records.push(self.copy(which, step));
            }
        }
        records
    }

    fn copy(&mut self, n: u64, step: usize) -> Record {
        let mut record = self.life[step].clone();
        let id = |of: &[u8]| Hash::of(&[of, &n.to_be_bytes()]).0[..16].try_into().unwrap();
        let message = |of: MessageId| MessageId(id(&of.0));
        let (from, to) = pair(n);
        let turn = |desk: &mut DeskId| {
            *desk = if desk.member.to_string() == "DE" { desk_of(from) } else { desk_of(to) }
        };
        record.index = Index(self.next);
        self.next += 1;
        // Each step of each request takes another time.
        let late = (n * 7_919 + step as u64 * 104_729) % 3_000_000;
        record.time = record.time.plus_ms(APART_MS * n as i64 + late as i64);
        record.event.request = record.event.request.map(|request| RequestId(id(&request.0)));
        record.event.from.iter_mut().chain(&mut record.event.to).for_each(turn);
        if let Kind::Accepted(statement) = &mut record.event.kind {
            turn(&mut statement.from);
            turn(&mut statement.to);
            statement.message = message(statement.message);
            statement.request = RequestId(id(&statement.request.0));
            if let Act::Receipt { of, .. } = &mut statement.act {
                *of = message(*of);
            }
        } else if let Kind::Offered { message: of } = &mut record.event.kind {
            *of = message(*of);
        } else {
            panic!("{:?} is no part of the life", record.event.kind);
        }
        for (desk, number) in &mut record.numbering.desk_indexes {
            turn(desk);
            let member = if *desk == desk_of(from) { from } else { to };
            *number = DeskIndex(self.desk_next[member as usize]);
            self.desk_next[member as usize] += 1;
        }
        record
    }
}

/// The members that ask and are asked in the `n`th request.
fn pair(n: u64) -> (u64, u64) {
    let from = n % MEMBERS;
    (from, (from + 1 + (n / MEMBERS) % (MEMBERS - 1)) % MEMBERS)
}

fn desk_of(member: u64) -> DeskId {
    let letter = |n: u64| char::from(b'A' + n as u8);
    format!("{}{}/desk", letter(member / 20), letter(member % 20)).parse().unwrap()
}

/// Tables of `of` requests, and how long it took to apply their records.
fn tables_of(dir: &std::path::Path, of: u64, open_every: u64) -> (Tables, Duration, u64) {
    let maker = Maker::new();
    let options = Options { cache_bytes: 64 << 20, journal: JOURNAL };
    let tables = Tables::open(dir, &options, &maker.shelf).unwrap().tables;
    tables.catch_up(&maker.shelf, &mut |_, _| {}).unwrap();
    let first = tables.cursor().0;
    let mut many = Many::new(first);
    let (mut batch, mut spent) = (Vec::new(), Duration::ZERO);
    for n in 0..of + 10 * OTHERS {
        batch.extend(many.tick(n, of, open_every));
        if batch.len() >= 256 || n + 1 == of + 10 * OTHERS {
            let started = Instant::now();
            tables.apply(&batch, &Heads::empty()).unwrap();
            spent += started.elapsed();
            batch.clear();
        }
    }
    (tables, spent, many.next - first)
}

fn report(tables: &Tables, of: Option<MemberId>, grouping: Grouping) -> Report {
    let mut tally = Tally::new(Filter::default(), grouping, now());
    tables.response_times(of, Day(0)..=Day::of(now()), &mut tally).unwrap();
    tally.finish()
}

fn now() -> detente::units::Timestamp {
    "2040-01-01T00:00:00Z".parse().unwrap()
}

/// From the rows of the requests themselves, which know nothing of blocks.
fn slow_report(tables: &Tables, of: Option<MemberId>, grouping: Grouping) -> Report {
    let mut tally = Tally::new(Filter::default(), grouping, now());
    for row in tables.requests(None, false, None, usize::MAX).unwrap().rows {
        let times = TimesRow::of(&row);
        if of.is_none_or(|of| of == times.subject.from || of == times.subject.to) {
            tally.add(&times);
        }
    }
    tally.finish()
}

#[test]
fn each_of_many_requests_is_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let (tables, _, _) = tables_of(dir.path(), 900, 3);
    for of in [None, Some(desk_of(3).member)] {
        for grouping in [Grouping::Pair, Grouping::Urgency] {
            let found = report(&tables, of, grouping);
            assert_eq!(found, slow_report(&tables, of, grouping), "{of:?} {grouping:?}");
            let ended = found.total.spans.map(|span| span.count);
            assert!(ended.iter().all(|count| *count > 0), "{ended:?}");
            assert!(found.total.spans[0].waiting > 0);
        }
    }
}

/// What response times cost, of so many requests as the environment says:
/// `REQUESTS=100000 cargo test --test it -- --ignored --nocapture response_times_many`.
#[test]
#[ignore = "it measures, and asserts only that nothing is lost"]
fn what_response_times_over_many_requests_cost() {
    let of: u64 = std::env::var("REQUESTS").map_or(5_000, |text| text.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let (tables, spent, records) = tables_of(dir.path(), of, 10);
    eprintln!("{of} requests, {records} records: applied in {spent:.1?}");
    for (who, member) in [("all", None), ("one member", Some(desk_of(3).member))] {
        for grouping in [Grouping::None, Grouping::Pair] {
            let started = Instant::now();
            let found = report(&tables, member, grouping);
            let (took, counted) = (started.elapsed(), found.total.requests);
            eprintln!("{who}, {} groups: {counted} counted in {took:.2?}", found.groups.len());
            assert!(member.is_some() || counted == of);
        }
    }
}
