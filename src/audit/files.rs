//! The files of a log: read with a bound, written aside and renamed.
//!
//! Not for whether they are right.

use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::edge::nodes_at;
use super::{Damage, Fault};
use crate::tlog::note::NOTE_BYTES_MAX;
use crate::tlog::tile::{BUNDLE_BYTES_MAX, Place, Resource, TILE_WIDTH};
use crate::tlog::{Note, merkle, tile};
use crate::units::Hash;

/// Name of the newest head.
pub const CHECKPOINT: &str = "checkpoint";

/// What a name ends in while the file is not whole.
const ASIDE: &str = "unfinished";

/// Bytes of a full tile.
pub(super) const TILE_BYTES: usize = 32 * 256;

/// The directory of a log.
#[derive(Debug, Clone)]
pub struct Files {
    root: PathBuf,
}

/// A bundle as it was read.
pub(super) struct Bundle {
    /// Name of the file.
    pub(super) name: String,
    bytes: Vec<u8>,
    place: Place,
    /// The file holds more than is asked for: it is the full one in place of a partial one.
    longer: bool,
}

impl Files {
    /// The log in this directory.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a file is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes a file of the log: aside first, so that no reader sees a part of it. Not yet durable.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.put(name, bytes, false)
    }

    /// As [`Files::write`], and durable when this answers.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_durably(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.put(name, bytes, true)?;
        let path = self.path(name);
        fs::File::open(path.parent().unwrap_or(&self.root))?.sync_all()
    }

    fn put(&self, name: &str, bytes: &[u8], durably: bool) -> io::Result<()> {
        let path = self.path(name);
        let aside = self.path(&format!("{name}.{ASIDE}"));
        let mut file = match fs::File::create(&aside) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
                fs::File::create(&aside)?
            }
            other => other?,
        };
        file.write_all(bytes)?;
        if durably {
            file.sync_all()?;
        }
        fs::rename(&aside, &path)
    }

    /// The newest head.
    ///
    /// # Errors
    /// [`Damage::Missing`], [`Damage::NoFile`], [`Damage::Unreadable`], or the system's.
    pub fn checkpoint(&self) -> Result<Note, Fault> {
        read_note(&self.path(CHECKPOINT), CHECKPOINT)
    }

    /// The bytes of a tile or bundle as it was at any size of the tree up to `size`, which has its
    /// files here; none where there was none. A partial one that is gone is cut from a wider one.
    ///
    /// # Errors
    /// [`Damage::Missing`], [`Damage::NoFile`] or [`Damage::Length`] when a file of the tree is not
    /// as it should be, or the system's.
    pub fn part(&self, resource: Resource, size: u64) -> Result<Option<Vec<u8>>, Fault> {
        let (place, nodes) = match resource {
            Resource::Tile { level, place } => (place, nodes_at(level, size)),
            Resource::Entries(place) => (place, size),
        };
        let first = place.index().saturating_mul(TILE_WIDTH);
        let there = nodes.saturating_sub(first).min(TILE_WIDTH);
        let Ok(widest) = Place::new(place.index(), there) else { return Ok(None) };
        if place.width() > widest.width() {
            return Ok(None);
        }
        match resource {
            Resource::Tile { level, .. } => {
                let (_, hashes) = self.tile(level, widest)?;
                let hashes = hashes.get(..usize::from(place.width())).unwrap_or(&hashes);
                Ok(Some(tile::render_hashes(hashes)))
            }
            Resource::Entries(_) => {
                let bundle = self.bundle(widest)?;
                Ok(Some(Bundle { place, ..bundle }.into_bytes()))
            }
        }
    }

    /// The hashes of a tile. A partial tile that is gone is read from the full one.
    pub(super) fn tile(&self, level: u8, place: Place) -> Result<(String, Vec<Hash>), Fault> {
        let part = |place| Resource::Tile { level, place };
        let (name, mut bytes, longer) = self.resource(part, place, TILE_BYTES)?;
        let expected = usize::from(place.width()) * 32;
        let belong = if longer { TILE_BYTES } else { expected };
        if bytes.len() != belong {
            let found = bytes.len();
            return Err(damaged(Damage::Length { file: name, expected: belong, found }));
        }
        bytes.truncate(expected);
        let hashes = bytes.as_chunks::<32>().0.iter().map(|hash| Hash(*hash)).collect();
        Ok((name, hashes))
    }

    /// A bundle. A partial one that is gone is read from the full one.
    pub(super) fn bundle(&self, place: Place) -> Result<Bundle, Fault> {
        let (name, bytes, longer) = self.resource(Resource::Entries, place, BUNDLE_BYTES_MAX)?;
        Ok(Bundle { name, bytes, place, longer })
    }

    /// The bytes of a tile or bundle, the name of the file they are in, and whether it is the full
    /// one in place of a partial one.
    fn resource(
        &self,
        part: impl Fn(Place) -> Resource,
        place: Place,
        max: usize,
    ) -> Result<(String, Vec<u8>, bool), Fault> {
        let name = part(place).to_string();
        if let Some(bytes) = self.read(&name, max)? {
            return Ok((name, bytes, false));
        }
        if let Some(full) = Place::new(place.index(), TILE_WIDTH).ok().filter(|_| !place.is_full())
        {
            let full = part(full).to_string();
            if let Some(bytes) = self.read(&full, max)? {
                return Ok((full, bytes, true));
            }
        }
        Err(damaged(Damage::Missing { file: name }))
    }

    /// A file's bytes; see [`read_bounded`].
    pub(super) fn read(&self, name: &str, max: usize) -> Result<Option<Vec<u8>>, Fault> {
        read_bounded(&self.path(name), name, max)
    }
}

impl Bundle {
    /// Compares the entries with the leaf hashes that the tree has for them.
    pub(super) fn check(&self, hashes: &[Hash]) -> Result<(), Fault> {
        let first = self.place.index() * TILE_WIDTH;
        let mut rest = self.bytes.as_slice();
        for (index, expected) in (first..).zip(hashes) {
            let Some((entry, tail)) = split_entry(rest) else {
                return Err(self.wrong(index, "it is cut off".to_owned()));
            };
            let found = merkle::leaf_hash(entry);
            if found != *expected {
                let (file, expected) = (self.name.clone(), *expected);
                return Err(damaged(Damage::Entry { file, index, expected, found }));
            }
            rest = tail;
        }
        if rest.is_empty() || self.longer {
            Ok(())
        } else {
            let end = first + u64::from(self.place.width());
            Err(self.wrong(end, format!("{} bytes follow the last one", rest.len())))
        }
    }

    /// The leaf hashes of its entries; none when they cannot be told apart.
    pub(super) fn hashes(&self) -> Option<Vec<Hash>> {
        let mut rest = self.bytes.as_slice();
        let mut hashes = Vec::new();
        for _ in 0..self.place.width() {
            let (entry, tail) = split_entry(rest)?;
            hashes.push(merkle::leaf_hash(entry));
            rest = tail;
        }
        Some(hashes)
    }

    /// The bytes of its entries, without those of a full bundle that are beyond them.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let mut rest = self.bytes.as_slice();
        for _ in 0..self.place.width() {
            rest = split_entry(rest).map_or(&[], |(_, tail)| tail);
        }
        let end = self.bytes.len() - rest.len();
        let mut bytes = self.bytes;
        bytes.truncate(end);
        bytes
    }

    fn wrong(&self, index: u64, why: String) -> Fault {
        damaged(Damage::Bundle { file: self.name.clone(), index, why })
    }
}

/// The first entry of a bundle, and the rest.
pub(super) fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// Reads a head from a file that messages call `name`.
pub(super) fn read_note(path: &Path, name: &str) -> Result<Note, Fault> {
    let file = || name.to_owned();
    let bytes = read_bounded(path, name, NOTE_BYTES_MAX)?;
    let bytes = bytes.ok_or_else(|| damaged(Damage::Missing { file: file() }))?;
    let wrong = |why: String| damaged(Damage::Unreadable { file: file(), why });
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not text".to_owned()))?;
    text.parse().map_err(|bad: crate::units::Unreadable| wrong(bad.to_string()))
}

/// A file's bytes, one more than `max` at most; none where there is no such file.
fn read_bounded(path: &Path, name: &str, max: usize) -> Result<Option<Vec<u8>>, Fault> {
    let wrong = |why: io::Error| {
        let file = name.to_owned();
        if why.kind() == ErrorKind::IsADirectory {
            damaged(Damage::NoFile { file })
        } else {
            Fault::Unable { file, why }
        }
    };
    let file = match fs::File::open(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        other => other.map_err(wrong)?,
    };
    let mut bytes = Vec::with_capacity(max.min(TILE_BYTES * 2) + 1);
    file.take(max as u64 + 1).read_to_end(&mut bytes).map_err(wrong)?;
    Ok(Some(bytes))
}

/// The hash of a full tile.
pub(super) fn fold(hashes: &[Hash]) -> Hash {
    tile::fold(hashes).unwrap_or_else(merkle::empty_root)
}

pub(super) fn damaged(damage: Damage) -> Fault {
    Fault::Damaged(damage)
}
