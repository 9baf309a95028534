//! Bodies that were erased from a relay's journal, and the record that says so of each.
//!
//! Not for a desk's journal, which nobody can read here, and from which nothing is erased.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cli::{Exit, Failure};
use crate::codec;
use crate::journal::Seen;
use crate::rules::event::Kind;
use crate::units::Index;

/// Lines that are printed at most; `--json` has all.
const LINES_MAX: usize = 100;
/// The largest record of an erasure, in bytes, with room for the longest names.
const ERASURE_BYTES_MAX: usize = 2_048;

/// What was erased, and by which records.
#[derive(Debug, Default)]
pub(super) struct Erasures {
    /// True once a record could be read: the journal is a relay's.
    readable: bool,
    erased: Vec<Index>,
    by: BTreeMap<Index, (Index, &'static str)>,
}

impl Erasures {
    /// Looks at what was checked.
    pub(super) fn look(&mut self, seen: Seen<'_>) {
        match seen {
            Seen::Record(index, bytes) => {
                // All are read by nobody who is in a hurry; the first says whose journal it is.
                if index != Index(0) && !(self.readable && may_erase(bytes)) {
                    return;
                }
                let Ok(record) = codec::decode_record(bytes) else { return };
                self.readable = true;
                if let Kind::BodyErased { index: of, reason, .. } = record.event.kind {
                    self.by.insert(of, (index, reason.as_str()));
                }
            }
            Seen::Erased(index) => self.erased.push(index),
        }
    }

    /// For people: a line for each.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for index in self.erased.iter().take(LINES_MAX) {
            if let Some((by, reason)) = self.by.get(index) {
                text.push_str(&format!(
                    "  record {index}: its body was erased by record {by} ({reason})\n"
                ));
            }
        }
        if self.erased.len() > LINES_MAX {
            text.push_str(&format!("  and {} more\n", self.erased.len() - LINES_MAX));
        }
        text
    }

    /// For programs.
    pub(super) fn document(&self) -> Value {
        let one = |index: &Index| {
            let (by, reason) = self.by.get(index).map(|(by, reason)| (by.0, *reason)).unzip();
            json!({ "record": index.0, "by_record": by, "reason": reason })
        };
        self.erased.iter().map(one).collect()
    }

    /// A body of a relay's that is gone and that no record has erased.
    pub(super) fn failure(&self) -> Option<Failure> {
        let unsaid = self.erased.iter().find(|index| !self.by.contains_key(index))?;
        if !self.readable {
            return None;
        }
        let why = format!(
            "the body of record {unsaid} is gone, and no record says that it was \
                           erased"
        );
        let next = "keep a copy of the directory, and restore the newest backup (detente restore)";
        Some(Failure::new(Exit::Unverified, "C-409", "the journal does not hold", why, next))
    }
}

/// True of bytes that may be the record of an erasure: the tag of its kind is somewhere in them.
fn may_erase(record: &[u8]) -> bool {
    // Field 26, length-delimited, of `detente.journal.v1.Event`.
    record.len() <= ERASURE_BYTES_MAX && record.windows(2).any(|two| two == [0xd2, 0x01])
}
