//! The form of the tables' rows: pinned, so that a change of it is not forgotten.

use detente::tables;
use detente::units::Hash;

use crate::records::Maker;
use crate::tables::{busy, caught_up, closed_tables, in_sled};

/// When this fails, rows have another form: raise `tables::VERSION` and pin the new one.
#[test]
fn the_form_of_the_rows_is_that_of_their_version() {
    let mut maker = Maker::new();
    maker.request(1, 1);
    maker.step((3, 0, 0));
    maker.step((15, 0, 200));
    maker.close();
    let dir = tempfile::tempdir().unwrap();
    let tables = caught_up(dir.path(), &maker.shelf);
    let rows = tables.requests(None, true, None, 10).unwrap().rows;
    assert_eq!(rows[0].request.handling.as_str(), "ACKNOWLEDGED");
    let members = tables.members(None, 10).unwrap().rows;
    let acknowledged = tables.acknowledged().unwrap();
    assert_eq!(acknowledged.len(), 1);
    let entry = tables.entry_at(members[0].id, None).unwrap();
    drop(tables);
    let (_parent, closed) = closed_tables(&busy(250));
    let mut times = Vec::new();
    for dir in [dir.path(), &closed] {
        for prefix in [b"t", b"w"] {
            in_sled(dir, |rows| times.extend(rows.scan_prefix(prefix).map(|row| row.unwrap())));
        }
    }
    let times: Vec<(&[u8], &[u8])> = times.iter().map(|(k, v)| (k.as_ref(), v.as_ref())).collect();
    // After the scope or none a day and a block, and a place in it until the request is settled.
    let (blocks, waiting): (Vec<_>, Vec<_>) = times.iter().partition(|(key, _)| key[0] == b't');
    assert!(!blocks.is_empty() && !waiting.is_empty());
    assert!(waiting.iter().all(|(key, _)| key.len() == 14));
    let bytes = postcard::to_stdvec(&(rows, members, times, acknowledged, entry)).unwrap();
    let pinned = "c04b13f737b708ab115855329f3e153bce4d9df7702991bf516ce0f718b389df";
    assert_eq!((tables::VERSION, Hash::of(&[&bytes]).to_string().as_str()), (11, pinned));
}
