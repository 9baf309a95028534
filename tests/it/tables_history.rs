//! A request's history in the tables: whole, however long it is. A desk's sequence: whole, or the
//! tables are made anew.

use detente::codec::{Leaf, Log, Record};
use detente::rules::{Event, Kind};
use detente::tables::{Fault, Options, Tables};
use detente::units::{DeskIndex, RequestId};

use crate::records::{DESKS, JOURNAL, Maker, desk};
use crate::tables::{busy, caught_up, closed_tables, in_sled};

/// Many more records about a request, after all that there are.
pub(crate) fn more_of(maker: &Maker, request: RequestId) -> Vec<Record> {
    let template = maker.records.last().unwrap();
    let record = |n| {
        let kind = Kind::ClockStepped { step_ms: 1 };
        let event = Event { from: None, to: None, request: Some(request), kind };
        let index = maker.heads().traffic.size + n - 1;
        let leaf = Leaf { log: Log::Traffic, index, opening: Some([0; 32]) };
        Record { index: template.index.plus(n), event, leaf, ..template.clone() }
    };
    (1..=150).map(record).collect()
}

#[test]
fn a_long_history_is_whole_from_any_record_on() {
    let maker = busy(60);
    let dir = tempfile::tempdir().unwrap();
    let tables = caught_up(dir.path(), &maker.shelf);
    let request = maker.state.requests().next().unwrap().id;
    let mut all = tables.history(request, None, usize::MAX).unwrap();
    let more = more_of(&maker, request);
    for records in more.chunks(7) {
        tables.apply(records, &maker.heads()).unwrap();
    }
    all.extend(more.iter().map(|record| record.index));
    for max in [1, 2, 31, 32, 33, 64, 100, usize::MAX] {
        assert_eq!(tables.history(request, None, max).unwrap(), all[..max.min(all.len())]);
        for (n, after) in all.iter().enumerate() {
            let rest = &all[n + 1..];
            let found = tables.history(request, Some(*after), max).unwrap();
            assert_eq!(found, rest[..max.min(rest.len())], "{max} after {after}");
        }
    }
}

/// Rows that hold many values are shared, so a bad one is of many records.
#[test]
fn a_desks_sequence_that_cannot_be_read_is_made_anew() {
    let maker = busy(60);
    let (_parent, dir) = closed_tables(&maker);
    let all = |tables: &Tables| {
        let read = |n| tables.desk_records(&desk(n), DeskIndex(0), usize::MAX);
        (0..DESKS.len()).map(read).collect::<Result<Vec<_>, _>>()
    };
    in_sled(&dir, |rows| {
        let (key, run) = rows.scan_prefix(b"d").next().unwrap().unwrap();
        rows.insert(key, &run[..run.len() - 1]).unwrap();
    });
    let options = Options { cache_bytes: 8 << 20, journal: JOURNAL };
    let damaged = Tables::open(&dir, &options, &maker.shelf).unwrap().tables;
    assert!(matches!(all(&damaged), Err(Fault::Broken { .. })));
    drop(damaged);
    let opened = Tables::open(&dir, &options, &maker.shelf).unwrap();
    let why = opened.rebuilt_because.unwrap();
    assert!(why.contains("a run of rows cannot be read"), "{why}");
    opened.tables.catch_up(&maker.shelf, &mut |_, _| {}).unwrap();
    let found: usize = all(&opened.tables).unwrap().iter().map(Vec::len).sum();
    assert!(found > 5, "{found}");
}
