//! Whether a full tile of leaf hashes and its bundle hold: yes, or not.
//!
//! Not for what is wrong: who gets no yes looks again, at leisure (see `sweep.rs`). Nearly all of
//! a log passes through here, so that what is not hashing is kept small: directories stay open,
//! buffers are used again, nothing is named.

use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::read;

use super::files::{Files, TILE_BYTES, fold, split_entry};
use crate::tlog::merkle::leaf_hash;
use crate::tlog::tile::{Place, Resource, TILE_WIDTH};
use crate::units::Hash;

/// Bytes of a bundle that is looked at here: 256 entries of 254 bytes.
const BUNDLE_BYTES: usize = 64 << 10;

/// Looks at one tile after the other.
pub(super) struct Quick<'f> {
    files: &'f Files,
    tiles: Shelf,
    bundles: Shelf,
    hashes: Vec<Hash>,
}

/// Files of one kind, the last of which was read.
struct Shelf {
    /// The directory of that one, and which of them it is.
    directory: Option<(u64, OwnedFd)>,
    /// What was read; there is room for one byte more than is to be read.
    bytes: Vec<u8>,
}

impl<'f> Quick<'f> {
    pub(super) fn new(files: &'f Files) -> Self {
        let shelf = |bytes: usize| Shelf { directory: None, bytes: Vec::with_capacity(bytes + 1) };
        let (tiles, bundles) = (shelf(TILE_BYTES), shelf(BUNDLE_BYTES));
        Self { files, tiles, bundles, hashes: Vec::new() }
    }

    /// True when this full tile leads to `expected`, and its bundle to the tile.
    pub(super) fn holds(&mut self, index: u64, expected: &Hash) -> bool {
        self.led_to(index).as_ref() == Some(expected)
    }

    /// What a full tile leads to, where its bundle leads to it.
    fn led_to(&mut self, index: u64) -> Option<Hash> {
        let place = Place::new(index, TILE_WIDTH).ok()?;
        let tile = self.tiles.read(self.files, Resource::Tile { level: 0, place }, place)?;
        let mut rest = self.bundles.read(self.files, Resource::Entries(place), place)?;
        let (hashes, _) = tile.as_chunks::<32>();
        if tile.len() != TILE_BYTES {
            return None;
        }
        self.hashes.clear();
        for hash in hashes {
            let (entry, tail) = split_entry(rest)?;
            let found = leaf_hash(entry);
            if found.0 != *hash {
                return None;
            }
            self.hashes.push(found);
            rest = tail;
        }
        rest.is_empty().then(|| fold(&self.hashes))
    }
}

impl Shelf {
    /// All bytes of a file; none where that is not so for whatever reason.
    fn read(&mut self, files: &Files, resource: Resource, place: Place) -> Option<&[u8]> {
        let (directory, name) = place.directory_and_name();
        if self.directory.as_ref().is_none_or(|(known, _)| *known != directory) {
            let path = files.path(&resource.to_string());
            let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
            self.directory = Some((directory, open(path.parent()?, flags, Mode::empty()).ok()?));
        }
        let (_, at) = self.directory.as_ref()?;
        let file =
            openat(at, name.as_slice(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        self.bytes.clear();
        // A file that gives less than was asked for has no more.
        let room = self.bytes.capacity();
        let got = read(&file, spare_capacity(&mut self.bytes)).ok()?;
        (got < room).then_some(&self.bytes)
    }
}
