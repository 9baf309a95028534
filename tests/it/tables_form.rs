//! The form of the tables' rows: pinned, so that a change of it is not forgotten.

use std::collections::BTreeMap;
use std::path::Path;

use detente::tables;
use detente::units::Hash;

use crate::records::Maker;
use crate::tables::{busy, caught_up, closed_tables, in_sled};
use crate::tables_history::more_of;

/// Every kind of row by the first byte of its keys, and the beginning of a hash over all of them.
const PINNED: [(char, &str); 14] = [
    ('a', "5ec50241dd802903"),
    ('d', "c3a0a679b143781c"),
    ('e', "eb93da51ea12b922"),
    ('f', "42ebdbcab1d375b9"),
    ('g', "24cbc0962a349cc3"),
    ('h', "32c3d692e3b1d683"),
    ('l', "a34a407e80a6ad90"),
    ('m', "fa2b9d7c9fd9237b"),
    ('n', "d4d52a1c927cb2fe"),
    ('o', "9a84986b2024c222"),
    ('r', "199d71ed36359007"),
    ('t', "66fefa686035a4c5"),
    ('v', "a9414e90d3ee68e0"),
    ('w', "345f008eb264931f"),
];

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
    assert_eq!(tables.acknowledged().unwrap().len(), 1);
    // So many that they do not fit the request's own row.
    let more = more_of(&maker, rows[0].request.id);
    tables.apply(&more, &maker.heads()).unwrap();
    drop(tables);
    let (_parent, closed) = closed_tables(&busy(250));
    let mut kinds = BTreeMap::new();
    for dir in [dir.path(), &closed] {
        add_rows(dir, &mut kinds);
    }
    // After the scope or none a day and a block, and a place in it until the request is settled.
    assert!(kinds[&'w'].iter().all(|(key, _)| key.len() == 14));
    let hash = |rows: &Vec<Row>| Hash::of(&[&postcard::to_stdvec(rows).unwrap()]).to_string();
    let found: Vec<(char, String)> =
        kinds.iter().map(|(kind, rows)| (*kind, hash(rows)[..16].to_owned())).collect();
    let pinned = PINNED.map(|(kind, hash)| (kind, hash.to_owned()));
    assert_eq!((tables::VERSION, found), (11, pinned.to_vec()));
}

/// A row's key and what stands there.
type Row = (Vec<u8>, Vec<u8>);

fn add_rows(dir: &Path, kinds: &mut BTreeMap<char, Vec<Row>>) {
    in_sled(dir, |rows| {
        for row in rows {
            let (key, value) = row.unwrap();
            kinds.entry(char::from(key[0])).or_default().push((key.to_vec(), value.to_vec()));
        }
    });
}
