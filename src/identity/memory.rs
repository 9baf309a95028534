//! What trust must not forget over a restart: certificates seen, and how new each list was.
//!
//! Not truth: losing the file only makes the relay stricter in a grace, and lets it start from the
//! lists that lie in their directory.
//!
//! One line each, `seen <SHA-256 of certificate> <end>` and `list <SHA-256 of authority> <issued>`,
//! moments in milliseconds since 1970. Replaced whole, only when something is new.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use crate::units::{Hash, Timestamp};

/// At most so many certificates are remembered as seen: 200 nations, 16 desks, 3 renewals.
const SEEN_MAX: usize = 10_000;

/// A larger file is not ours: 10,000 lines of seen and 600 of lists, 90 bytes each, twice over.
const FILE_BYTES_MAX: u64 = 2 << 20;

/// The memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    path: Option<PathBuf>,
    seen: BTreeMap<Hash, Timestamp>,
    lists: BTreeMap<Hash, Timestamp>,
}

impl Memory {
    /// The memory in this file; an empty one when there is none, or it cannot be read.
    pub(super) fn open(path: Option<PathBuf>) -> Self {
        let mut memory = Self { path, ..Self::default() };
        let Some(path) = &memory.path else { return memory };
        match std::fs::metadata(path) {
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return memory,
            Ok(metadata) if metadata.len() <= FILE_BYTES_MAX => {}
            Ok(_) | Err(_) => {
                tracing::warn!(path = %path.display(), "memory of certificates not usable");
                return memory;
            }
        }
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut unread = 0;
        for line in text.lines() {
            let Some((kind, hash, at)) = parse(line) else {
                unread += 1;
                continue;
            };
            let map = if kind == "seen" { &mut memory.seen } else { &mut memory.lists };
            map.insert(hash, at);
        }
        if unread > 0 {
            tracing::warn!(path = %path.display(), unread, "lines of the memory not readable");
        }
        memory
    }

    /// Was this certificate accepted while its list was fresh?
    pub(super) fn knows(&self, certificate: &Hash) -> bool {
        self.seen.contains_key(certificate)
    }

    /// When the newest list of this authority was issued, as far as we have ever seen.
    pub(super) fn newest_list(&self, authority: &Hash) -> Option<Timestamp> {
        self.lists.get(authority).copied()
    }

    /// Remembers a certificate until its end.
    pub(super) fn see(&mut self, certificate: Hash, until: Timestamp, now: Timestamp) {
        if self.knows(&certificate) {
            return;
        }
        self.seen.retain(|_, end| *end >= now);
        if self.seen.len() < SEEN_MAX {
            self.seen.insert(certificate, until);
            self.save();
        }
    }

    /// Remembers lists that are in use now.
    pub(super) fn see_lists(&mut self, lists: impl Iterator<Item = (Hash, Timestamp)>) {
        let mut new = false;
        for (authority, issued) in lists {
            new |= self.lists.insert(authority, issued) != Some(issued);
        }
        if new {
            self.save();
        }
    }

    fn save(&self) {
        let Some(path) = &self.path else { return };
        let mut text = String::new();
        for (kind, map) in [("list", &self.lists), ("seen", &self.seen)] {
            for (hash, at) in map {
                writeln!(text, "{kind} {hash} {}", at.0).expect("a string takes any text");
            }
        }
        let aside = path.with_extension("new");
        let saved = std::fs::write(&aside, text).and_then(|()| std::fs::rename(&aside, path));
        if let Err(fault) = saved {
            tracing::warn!(path = %path.display(), %fault, "memory of certificates not saved");
        }
    }
}

fn parse(line: &str) -> Option<(&str, Hash, Timestamp)> {
    let mut words = line.split(' ');
    let kind = words.next().filter(|kind| matches!(*kind, "seen" | "list"))?;
    let hash = words.next()?.parse().ok()?;
    let at = Timestamp::from_ms(words.next()?.parse().ok()?).ok()?;
    words.next().is_none().then_some((kind, hash, at))
}
