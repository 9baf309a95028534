//! The tables: live or rebuilt they are the same; nothing in their directory stops a start.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use detente::codec::{Heads, Leaf, Log, Record, encode_event, encode_record, encode_trailer};
use detente::envelope::Act;
use detente::envelope::words::Outcome;
use detente::journal::{Body, Reader as _, Stored};
use detente::rules::{Event, Kind, Numbering};
use detente::tables::{self, Fault, Opened, Options, PageToken, Tables};
use detente::units::{DeskIndex, Hash, Index, JournalId, MessageId, RequestId};
use detente::views::RequestRow;
use proptest::prelude::*;

use crate::records::{DESKS, JOURNAL, Maker, Shelf, desk};

const OPTIONS: Options = Options { cache_bytes: 8 << 20, journal: JOURNAL };

fn open(dir: &Path, shelf: &Shelf) -> Opened {
    Tables::open(dir, &OPTIONS, shelf).unwrap()
}

/// Opened, with every record applied.
pub(crate) fn caught_up(dir: &Path, shelf: &Shelf) -> Tables {
    let tables = open(dir, shelf).tables;
    tables.catch_up(shelf, &mut |_, _| {}).unwrap();
    tables
}

fn rebuilt_fingerprint(shelf: &Shelf, options: &Options) -> Hash {
    let dir = tempfile::tempdir().unwrap();
    let tables =
        tables::rebuild(shelf, &dir.path().join("tables"), options, &mut |_, _| {}).unwrap();
    tables.fingerprint().unwrap()
}

/// A network with some requests, always the same.
pub(crate) fn busy(steps: u32) -> Maker {
    let mut maker = Maker::new();
    for n in 0..steps {
        let [what, a, b, _] = Hash::of(&[&n.to_be_bytes()]).0[..4].try_into().unwrap();
        maker.step((what, a, b));
    }
    maker.close();
    maker
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn live_and_rebuilt_are_the_same(
        steps in prop::collection::vec(any::<(u8, u8, u8)>(), 0..120),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut maker = Maker::new();
        let live = open(dir.path(), &maker.shelf).tables;
        for step in steps {
            maker.step(step);
            // Live: whatever the journal has, as soon as it has it.
            while live.step(&maker.shelf).unwrap() {}
        }
        maker.close();
        while live.step(&maker.shelf).unwrap() {}
        prop_assert_eq!(live.cursor(), maker.shelf.next_index());
        prop_assert_eq!(live.fingerprint().unwrap(), rebuilt_fingerprint(&maker.shelf, &OPTIONS));
        check_rows(&live, &maker);
    }
}

/// Every row says what the state says, which was made by the rules alone.
fn check_rows(tables: &Tables, maker: &Maker) {
    for request in maker.state.requests() {
        let row = tables.request(request.id).unwrap().unwrap();
        assert_eq!(row.request.handling, request.handling);
        assert_eq!(row.request.measure, request.measure);
        assert_eq!(row.request.follow_up, request.follow_up);
        assert_eq!(row.request.newest_event, request.newest_event);
        assert_eq!(row.transport(), request.transport().stage());
        check_times(&row, maker);
        let history: Vec<Index> = tables.history(request.id, None, usize::MAX).unwrap();
        let concerned = maker.records.iter().filter(|r| r.event.request == Some(request.id));
        assert_eq!(history, concerned.map(|r| r.index).collect::<Vec<_>>());
        assert_eq!(row.opened_index, history[0]);
        assert_eq!(Some(&row.newest_index), history.last());
    }
    for n in 0..DESKS.len() {
        let desk = desk(n);
        let found = tables.desk_records(&desk, DeskIndex(0), usize::MAX).unwrap();
        let numbers = maker.records.iter().flat_map(|record| {
            let of_desk = record.numbering.desk_indexes.iter().filter(|(d, _)| *d == desk);
            of_desk.map(|(_, number)| (*number, record.index))
        });
        assert_eq!(found, numbers.collect::<Vec<_>>());
        assert!(found.iter().zip(0..).all(|((number, _), n)| number.0 == n), "dense");
    }
}

/// Each time is that of the first record that brings it about.
fn check_times(row: &RequestRow, maker: &Maker) {
    let id = row.request.id;
    let first = |what: &dyn Fn(&Act) -> bool| {
        let found = maker.records.iter().find(|record| {
            matches!(&record.event.kind, Kind::Accepted(statement)
                if statement.request == id && what(&statement.act))
        });
        found.map(|record| record.time)
    };
    let own = MessageId(id.0);
    let delivered =
        |act: &Act| matches!(act, Act::Receipt { of, rejected: None, .. } if *of == own);
    let determined =
        |act: &Act| matches!(act, Act::Determine { outcome, .. } if *outcome != Outcome::Postponed);
    assert_eq!(row.times.delivered, first(&delivered));
    assert_eq!(row.times.acknowledged, first(&|act| matches!(act, Act::Acknowledge { .. })));
    assert_eq!(row.times.determined, first(&determined));
    assert_eq!(row.times.executed, first(&|act| matches!(act, Act::Execute { .. })));
    assert_eq!(row.times.closed, first(&|act| matches!(act, Act::Close)));
}

#[test]
fn pages_hold_every_row_once_and_the_newest_first() {
    let maker = busy(250);
    let dir = tempfile::tempdir().unwrap();
    let tables = caught_up(dir.path(), &maker.shelf);
    let scopes = [None, Some(desk(0)), Some(desk(1)), Some(desk(2)), Some(desk(3))];
    for (of, open_only) in scopes.iter().flat_map(|of| [(of.as_ref(), false), (of.as_ref(), true)])
    {
        let expected: BTreeSet<RequestId> = maker
            .state
            .requests()
            .filter(|request| of.is_none_or(|desk| request.side(desk).is_some()))
            .filter(|request| !open_only || !request.handling.is_final())
            .map(|request| request.id)
            .collect();
        for max in [1, 2, 3, 500] {
            let rows = all_pages(&tables, of, open_only, max);
            let ids: BTreeSet<RequestId> = rows.iter().map(|row| row.request.id).collect();
            assert_eq!(ids.len(), rows.len(), "none twice");
            assert_eq!(ids, expected, "{of:?} {open_only} {max}");
            assert!(rows.windows(2).all(|two| two[0].opened_index > two[1].opened_index));
        }
    }
    assert!(maker.state.requests().count() > 10, "there is something to page through");
    let page = tables.members(None, 3).unwrap();
    let token = PageToken::of_members(&page.next.unwrap().to_string()).unwrap();
    let rest = tables.members(token.as_ref(), 3).unwrap();
    let ids: Vec<String> =
        page.rows.iter().chain(&rest.rows).map(|row| row.id.to_string()).collect();
    assert_eq!(ids, ["DE", "NL", "RO", "US"]);
    assert_eq!(rest.next, None);
}

fn all_pages(
    tables: &Tables,
    of: Option<&detente::units::DeskId>,
    open_only: bool,
    max: usize,
) -> Vec<RequestRow> {
    let mut rows = Vec::new();
    let mut text = String::new();
    loop {
        let after = PageToken::of_requests(&text, of, open_only).unwrap();
        let page = tables.requests(of, open_only, after.as_ref(), max).unwrap();
        assert!(page.rows.len() <= max);
        rows.extend(page.rows);
        match page.next {
            Some(next) => text = next.to_string(),
            None => return rows,
        }
    }
}

#[test]
fn a_token_of_another_query_is_refused() {
    let maker = busy(60);
    let dir = tempfile::tempdir().unwrap();
    let tables = caught_up(dir.path(), &maker.shelf);
    let token = tables.requests(None, false, None, 1).unwrap().next.unwrap().to_string();
    assert!(PageToken::of_requests(&token, None, false).is_ok());
    for refused in [
        PageToken::of_requests(&token, None, true),
        PageToken::of_requests(&token, Some(&desk(0)), false),
        PageToken::of_members(&token),
        PageToken::of_requests("?", None, false),
    ] {
        assert_eq!(refused.unwrap_err().what, "page token");
    }
}

#[test]
fn a_desk_reads_on_from_any_number() {
    let maker = busy(80);
    let dir = tempfile::tempdir().unwrap();
    let tables = caught_up(dir.path(), &maker.shelf);
    let all = tables.desk_records(&desk(1), DeskIndex(0), usize::MAX).unwrap();
    assert!(all.len() > 5);
    assert_eq!(tables.desk_records(&desk(1), DeskIndex(2), 2).unwrap(), all[2..4]);
    let end = DeskIndex(all.len() as u64);
    assert_eq!(tables.desk_records(&desk(1), end, 10).unwrap(), []);
    let request = maker.state.requests().max_by_key(|r| r.statements).unwrap().id;
    let history = tables.history(request, None, usize::MAX).unwrap();
    assert_eq!(tables.history(request, Some(history[0]), 2).unwrap(), history[1..3]);
}

#[test]
fn records_that_do_not_follow_are_refused_and_change_nothing() {
    let maker = busy(20);
    let dir = tempfile::tempdir().unwrap();
    let tables = caught_up(dir.path(), &maker.shelf.up_to(1));
    let before = tables.fingerprint().unwrap();
    let gap = tables.apply(&maker.records[1..2], &maker.heads());
    assert_eq!(gap, Ok(()));
    let gap = tables.apply(&maker.records[3..5], &maker.heads()).unwrap_err();
    assert_eq!(gap, Fault::Gap { expected: Index(2), found: Index(3) });
    let mixed = [maker.records[2].clone(), maker.records[2].clone()];
    let gap = tables.apply(&mixed, &maker.heads()).unwrap_err();
    assert_eq!(gap, Fault::Gap { expected: Index(3), found: Index(2) });
    assert_eq!(tables.cursor(), Index(2));
    assert_ne!(tables.fingerprint().unwrap(), before);
}

#[test]
fn sound_tables_go_on_where_they_were() {
    let maker = busy(60);
    let dir = tempfile::tempdir().unwrap();
    let half = maker.shelf.trailers.keys().nth(maker.shelf.trailers.len() / 2).unwrap() + 1;
    let opened = open(dir.path(), &Shelf::default());
    assert_eq!(opened.rebuilt_because, None, "nothing was lost: there is no journal yet");
    drop(opened);
    drop(caught_up(dir.path(), &maker.shelf.up_to(half as usize)));
    let opened = open(dir.path(), &maker.shelf);
    assert_eq!(opened.rebuilt_because, None);
    assert_eq!(opened.tables.cursor(), Index(half));
    opened.tables.catch_up(&maker.shelf, &mut |_, _| {}).unwrap();
    assert_eq!(opened.tables.fingerprint().unwrap(), rebuilt_fingerprint(&maker.shelf, &OPTIONS));
}

/// A directory with tables of the whole of `maker`, closed.
pub(crate) fn closed_tables(maker: &Maker) -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("tables");
    drop(caught_up(&dir, &maker.shelf));
    (parent, dir)
}

/// The database itself, without its seal. Tables that were just dropped may still hold its lock for
/// a moment.
fn opened_sled(dir: &Path) -> sled::Db {
    let _absent = std::fs::remove_file(dir.join("seal"));
    let config = sled::Config::new().path(dir).cache_capacity(1 << 20);
    let started = std::time::Instant::now();
    loop {
        match config.open() {
            Err(sled::Error::Io(_)) if started.elapsed() < crate::net::PATIENCE => {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            opened => return opened.unwrap(),
        }
    }
}

/// Changes a row behind the back of the tables.
pub(crate) fn in_sled(dir: &Path, work: impl FnOnce(&sled::Tree)) {
    let db = opened_sled(dir);
    work(&db.open_tree("rows").unwrap());
    db.flush().unwrap();
}

#[test]
fn what_is_not_there_is_made_and_says_why() {
    let maker = busy(30);
    let (parent, dir) = closed_tables(&maker);
    std::fs::remove_dir_all(&dir).unwrap();
    let opened = open(&dir, &maker.shelf);
    assert_eq!(opened.rebuilt_because.as_deref(), Some("they were absent"));
    drop(opened);
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::create_dir(&dir).unwrap();
    let opened = open(&dir, &maker.shelf);
    assert_eq!(opened.rebuilt_because.as_deref(), Some("they were absent"));
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1, "nothing to move aside");
}

const GARBAGE: [u8; 4_096] = [0x5a; 4_096];

/// A snapshot of several pieces.
static SNAPSHOT: [u8; 300_000] = [0x53; 300_000];

/// Spoils the tables in a directory.
type Spoil<'a> = &'a dyn Fn(&Path);

#[test]
fn what_cannot_go_on_is_moved_aside_and_says_why() {
    let maker = busy(60);
    let full = &maker.shelf;
    let shorter = full.up_to(*full.trailers.keys().nth_back(1).unwrap() as usize + 1);
    let mut forked = full.up_to(full.stored.len());
    let other = busy(50).shelf.trailers.values().next_back().unwrap().clone();
    forked.trailers.insert(full.stored.len() as u64 - 1, other);
    let foreign = Options { journal: JournalId([1; 16]), ..OPTIONS };

    let nothing: Spoil<'_> = &|_| {};
    let changed: Spoil<'_> = &|dir| std::fs::write(dir.join("db"), GARBAGE).unwrap();
    let unsealed: Spoil<'_> = &|dir| std::fs::remove_file(dir.join("seal")).unwrap();
    let bad_conf: Spoil<'_> = &|dir| {
        unsealed(dir);
        std::fs::write(dir.join("conf"), GARBAGE).unwrap();
    };
    let bad_db: Spoil<'_> = &|dir| {
        unsealed(dir);
        changed(dir);
    };
    let bad_row: Spoil<'_> = &|dir| {
        in_sled(dir, |rows| {
            let (key, _) = rows.scan_prefix(b"r").next().unwrap().unwrap();
            rows.insert(key, b"not a row").unwrap();
        });
        // It shows only when it is read; the next opening knows.
        let fault = open(dir, full).tables.requests(None, false, None, 500).unwrap_err();
        assert!(matches!(fault, Fault::Broken { .. }), "{fault}");
    };
    let version: Spoil<'_> = &|dir| change_meta(dir, |meta| meta[3] += 1);
    let cut: Spoil<'_> = &|dir| change_meta(dir, |meta| meta.truncate(9));
    let no_cursor: Spoil<'_> = &|dir| {
        in_sled(dir, |rows| {
            rows.remove(b"m").unwrap();
        });
    };
    let newer = format!("they have version {}, this program", tables::VERSION + 1);
    let cases: [(&str, Spoil<'_>, &Shelf, Options); 10] = [
        ("they were damaged: a file has changed since they were closed", changed, full, OPTIONS),
        ("they were damaged: ", bad_conf, full, OPTIONS),
        ("they were empty", bad_db, full, OPTIONS),
        ("they were damaged: the row of request ", bad_row, full, OPTIONS),
        (&newer, version, full, OPTIONS),
        ("they do not say how far they have got", cut, full, OPTIONS),
        ("they do not say how far they have got", no_cursor, full, OPTIONS),
        ("they are of the journal 4a4a4a4a-", nothing, full, foreign),
        ("records, and the journal has ", nothing, &shorter, OPTIONS),
        ("the roots of the logs are not those of the journal", nothing, &forked, OPTIONS),
    ];
    for (why, spoil, shelf, options) in cases {
        let (parent, dir) = closed_tables(&maker);
        spoil(&dir);
        let Opened { tables, rebuilt_because } = Tables::open(&dir, &options, shelf).unwrap();
        let said = rebuilt_because.unwrap_or_default();
        assert!(said.contains(why), "{said:?} does not say {why:?}");
        assert_eq!(tables.cursor(), Index(0));
        assert!(parent.path().join("tables.damaged-1").is_dir(), "{why}");
        tables.catch_up(shelf, &mut |_, _| {}).unwrap();
        assert_eq!(tables.fingerprint().unwrap(), rebuilt_fingerprint(shelf, &options), "{why}");
    }
}

fn change_meta(dir: &Path, change: fn(&mut Vec<u8>)) {
    in_sled(dir, |rows| {
        let mut meta = rows.get(b"m").unwrap().unwrap().to_vec();
        change(&mut meta);
        rows.insert(b"m", meta).unwrap();
    });
}

#[test]
fn three_that_were_moved_aside_are_kept() {
    let maker = busy(10);
    let (parent, dir) = closed_tables(&maker);
    for _ in 0..5 {
        std::fs::write(dir.join("db"), GARBAGE).unwrap();
        drop(caught_up(&dir, &maker.shelf));
    }
    let mut names: Vec<String> = std::fs::read_dir(parent.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["tables", "tables.damaged-3", "tables.damaged-4", "tables.damaged-5"]);
}

/// Every file of sled, cut or overwritten at several places: the start is never stopped, and after
/// at most one more start the rows are right.
#[test]
fn damaged_files_never_stop_the_start() {
    let long = long(6_000);
    for (shelf, parts, opened_again) in
        [(&busy(60).shelf, 8, false), (&long, 4, false), (&long, 4, true)]
    {
        let expected = rebuilt_fingerprint(shelf, &OPTIONS);
        let parent = tempfile::tempdir().unwrap();
        let sound = parent.path().join("sound");
        let tables = caught_up(&sound, shelf);
        tables.put_snapshot(Index(7), &SNAPSHOT).unwrap();
        drop(tables);
        if opened_again {
            // What was written before is then found through sled's own snapshot.
            assert_eq!(open(&sound, shelf).rebuilt_because, None);
        }
        for file in files(&sound) {
            let bytes = std::fs::read(sound.join(&file)).unwrap();
            for at in (0..parts).map(|part| bytes.len() * part / parts) {
                for spoilt in spoil(&bytes, at) {
                    let dir = parent.path().join("spoilt");
                    copy(&sound, &dir);
                    std::fs::write(dir.join(&file), spoilt).unwrap();
                    assert_eq!(recovered_fingerprint(&dir, shelf), expected, "{file:?} {at}");
                    // Nothing of the damage comes back.
                    let again = open(&dir, shelf);
                    assert_eq!(again.rebuilt_because, None);
                    assert_eq!(again.tables.fingerprint().unwrap(), expected, "{file:?} {at}");
                    drop(again);
                    std::fs::remove_dir_all(&dir).unwrap();
                }
            }
        }
    }
}

/// A file cut off, zeroed from a place on, scribbled over there, and with one bit flipped there.
fn spoil(bytes: &[u8], at: usize) -> [Vec<u8>; 4] {
    let mut zeroed = bytes.to_vec();
    zeroed[at..].fill(0);
    let mut scribbled = bytes.to_vec();
    scribbled[at..].iter_mut().zip(GARBAGE).for_each(|(byte, garbage)| *byte = garbage);
    let mut flipped = bytes.to_vec();
    flipped[at..].iter_mut().take(1).for_each(|byte| *byte ^= 1);
    [bytes[..at].to_vec(), zeroed, scribbled, flipped]
}

/// A journal of `n` short records, long enough for several segments of sled.
fn long(n: u64) -> Shelf {
    let template = busy(0).records.remove(0);
    let mut shelf = Shelf::default();
    for index in 0..n {
        let numbering = Numbering {
            desk_indexes: vec![(desk(1), DeskIndex(index))],
            pair_sequence: 0,
            previous: None,
        };
        let kind = Kind::ClockStepped { step_ms: 1 };
        let event = Event { from: None, to: None, request: None, kind };
        let record = Record {
            index: Index(index),
            event_bytes: encode_event(&event, &numbering, template.time, None),
            numbering,
            event,
            leaf: Leaf { log: Log::Traffic, index, opening: Some([0; 32]) },
            ..template.clone()
        };
        let (record, batch) = (encode_record(&record), record.batch);
        shelf.stored.push(Stored { index: Index(index), batch, record, body: Body::None });
        if index % 100 == 99 || index + 1 == n {
            shelf.trailers.insert(index, encode_trailer(batch, &Heads::empty()));
        }
    }
    shelf
}

/// Opens and catches up; where damage shows only then, once more.
fn recovered_fingerprint(dir: &Path, shelf: &Shelf) -> Hash {
    for _ in 0..2 {
        let tables = open(dir, shelf).tables;
        let snapshot = tables.newest_snapshot().unwrap();
        assert!(snapshot.is_none_or(|(next, bytes)| next == Index(7) && bytes == SNAPSHOT));
        let caught_up = tables.catch_up(shelf, &mut |_, _| {});
        match caught_up.and_then(|()| tables.fingerprint()) {
            Ok(fingerprint) => return fingerprint,
            Err(Fault::Broken { .. }) => {}
            Err(fault) => panic!("{fault}"),
        }
    }
    panic!("still broken after it was made anew");
}

#[test]
fn what_a_crash_leaves_is_a_prefix_that_goes_on() {
    let maker = busy(80);
    let expected = rebuilt_fingerprint(&maker.shelf, &OPTIONS);
    let parent = tempfile::tempdir().unwrap();
    let live = parent.path().join("live");
    let tables = open(&live, &maker.shelf).tables;
    let ends: Vec<u64> = maker.shelf.trailers.keys().copied().collect();
    for (n, end) in ends.into_iter().enumerate() {
        let shelf = maker.shelf.up_to(end as usize + 1);
        tables.catch_up(&shelf, &mut |_, _| {}).unwrap();
        if n % 4 == 0 {
            // As after `kill -9`: nothing is flushed or closed.
            let crashed = parent.path().join(format!("crashed-{n}"));
            copy(&live, &crashed);
            assert_eq!(recovered_fingerprint(&crashed, &maker.shelf), expected);
        }
    }
}

#[test]
fn a_second_opening_leaves_the_first_alone() {
    let maker = busy(10);
    let (_parent, dir) = closed_tables(&maker);
    let first = caught_up(&dir, &maker.shelf);
    let second = Tables::open(&dir, &OPTIONS, &maker.shelf).map(|opened| opened.rebuilt_because);
    assert!(matches!(second, Err(Fault::InUse { .. })), "{second:?}");
    assert_eq!(first.fingerprint().unwrap(), rebuilt_fingerprint(&maker.shelf, &OPTIONS));
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = PathBuf::from(path.file_name().unwrap());
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|inner| name.join(inner)));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        std::fs::create_dir_all(to.join(&file).parent().unwrap()).unwrap();
        std::fs::copy(from.join(&file), to.join(&file)).unwrap();
    }
    std::fs::create_dir_all(to.join("blobs")).unwrap();
}

#[test]
fn the_newest_snapshot_that_holds_is_given() {
    let maker = busy(60);
    let (_parent, dir) = closed_tables(&maker);
    let bytes = |n: u8, len: usize| vec![n; len];
    let tables = open(&dir, &maker.shelf).tables;
    assert_eq!(tables.newest_snapshot().unwrap(), None);
    let large = 3 * (128 << 10) + 5;
    for (next, n, len) in [(5, 1, 10), (9, 2, large), (12, 3, 0), (12, 4, large)] {
        tables.put_snapshot(Index(next), &bytes(n, len)).unwrap();
        assert_eq!(tables.newest_snapshot().unwrap(), Some((Index(next), bytes(n, len))));
    }
    let before = tables.fingerprint().unwrap();
    drop(tables);
    in_snapshots(&dir, |tree| {
        let nexts: BTreeSet<Vec<u8>> =
            tree.iter().keys().map(|k| k.unwrap()[..8].to_vec()).collect();
        let kept = [9_u64, 12].map(|next| next.to_be_bytes().to_vec());
        assert_eq!(nexts, BTreeSet::from(kept), "two are kept, whole");
        let (key, piece) = tree.scan_prefix(12_u64.to_be_bytes()).next().unwrap().unwrap();
        let mut piece = piece.to_vec();
        piece[100] ^= 1;
        tree.insert(key, piece).unwrap();
    });
    let tables = open(&dir, &maker.shelf).tables;
    assert_eq!(tables.newest_snapshot().unwrap(), Some((Index(9), bytes(2, large))));
    assert_eq!(tables.fingerprint().unwrap(), before, "snapshots are no rows");
    drop(tables);
    in_snapshots(&dir, |tree| {
        let key = [9_u64.to_be_bytes().as_slice(), &1_u32.to_be_bytes()].concat();
        tree.remove(key).unwrap().unwrap();
    });
    assert_eq!(open(&dir, &maker.shelf).tables.newest_snapshot().unwrap(), None);
}

#[test]
fn a_snapshot_from_beyond_the_journal_is_forgotten() {
    let maker = busy(30);
    let (_parent, dir) = closed_tables(&maker);
    let end = maker.shelf.stored.len() as u64;
    let tables = open(&dir, &maker.shelf).tables;
    tables.put_snapshot(Index(end), b"at the end").unwrap();
    tables.put_snapshot(Index(end + 1), b"beyond it").unwrap();
    drop(tables);
    let found = open(&dir, &maker.shelf).tables.newest_snapshot().unwrap();
    assert_eq!(found, Some((Index(end), b"at the end".to_vec())));
}

fn in_snapshots(dir: &Path, work: impl FnOnce(&sled::Tree)) {
    let db = opened_sled(dir);
    work(&db.open_tree("snapshots").unwrap());
    db.flush().unwrap();
}

#[test]
fn rebuilding_tells_how_far_it_is() {
    let maker = busy(40);
    let (_parent, dir) = closed_tables(&maker);
    let mut told = Vec::new();
    let tables = tables::rebuild(&maker.shelf, &dir, &OPTIONS, &mut |done, of| {
        told.push((done.0, of.0));
    })
    .unwrap();
    let end = maker.shelf.next_index().0;
    assert_eq!(told.first(), Some(&(0, end)));
    assert_eq!(told.last(), Some(&(end, end)));
    assert_eq!(tables.cursor(), Index(end));
}
