//! A request's history in the tables: whole, however long it is.

use detente::codec::{Leaf, Log, Record};
use detente::rules::{Event, Kind};
use detente::units::RequestId;

use crate::records::Maker;
use crate::tables::{busy, caught_up};

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
