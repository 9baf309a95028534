//! Writing a log's directory: entries in, tiles and bundles out, a head at the end.
//!
//! Not for signing, and not for deciding when there is a new head. One writer at a time: whoever
//! writes sees to that.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::edge::{self, Edge, nodes_at};
use super::files::{CHECKPOINT, Files, fold};
use super::{Damage, Fault};
use crate::tlog::tile::{self, Place, Resource, TILE_WIDTH};
use crate::tlog::{Checkpoint, Frontier, Note, leaf_hash};
use crate::units::{Hash, Unreadable};

/// Files that are made durable one by one; more of them together with all that the disk holds back.
const SYNCED_ALONE_MAX: usize = 64;

/// Why a log's directory was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteFault {
    /// The disk refuses.
    #[error("{file}: {why}")]
    Disk {
        /// What was written.
        file: String,
        /// What the system said.
        why: io::Error,
    },
    /// An entry is longer than a bundle can hold, or a note is no checkpoint.
    #[error("{0}")]
    Unreadable(Unreadable),
    /// The head is not that of what was written.
    #[error("the head of {size} leaves is not that of the {written} leaves that were written")]
    OtherHead {
        /// Its size.
        size: u64,
        /// Leaves that were written.
        written: u64,
    },
    /// What is there does not hold together, so nothing can be added to it.
    #[error("{0}")]
    There(Fault),
}

/// Writes one log. Full tiles and bundles go to the disk as they fill; what is not full yet, and
/// the head, when a head is published. Only what a head covers counts: after a crash, whatever lies
/// beyond the last one is written again.
pub struct Writer {
    files: Files,
    tree: Frontier,
    /// The hashes of the tile that is being filled, by level.
    levels: Vec<Vec<Hash>>,
    /// The bundle that is being filled.
    bundle: Vec<u8>,
    /// Written and not yet durable.
    unsynced: Vec<String>,
    /// Sizes of the newest head and of the one before it, whose partial tiles are kept.
    heads: [u64; 2],
}

impl Writer {
    /// A writer that goes on after the head in this directory, or begins a log in it.
    ///
    /// # Errors
    /// When the head there and the tiles at its right edge do not hold together, or cannot be read.
    pub fn open(directory: &Path) -> Result<Self, WriteFault> {
        let files = Files::new(directory);
        let checkpoint: Checkpoint = match files.checkpoint() {
            Ok(note) => note.text().parse().map_err(WriteFault::Unreadable)?,
            Err(Fault::Damaged(Damage::Missing { .. })) => return Ok(Self::empty(files)),
            Err(fault) => return Err(WriteFault::There(fault)),
        };
        let edges = edge::verified(&files, &checkpoint).map_err(WriteFault::There)?;
        Self::resumed(files, checkpoint.size(), edges)
    }

    fn empty(files: Files) -> Self {
        let (tree, levels, bundle) = (Frontier::new(), Vec::new(), Vec::new());
        Self { files, tree, levels, bundle, unsynced: Vec::new(), heads: [0, 0] }
    }

    fn resumed(files: Files, size: u64, edges: Vec<Edge>) -> Result<Self, WriteFault> {
        let mut writer = Self { heads: [size, size], ..Self::empty(files) };
        let highest = edges.first().map_or(0, |edge| usize::from(edge.level) + 1);
        writer.levels = vec![Vec::new(); highest];
        let subtrees = edges.iter().flat_map(|edge| edge::complete(&edge.hashes));
        let tree = Frontier::from_subtrees(size, subtrees.collect());
        writer.tree = tree.map_err(WriteFault::Unreadable)?;
        for edge in edges {
            if edge.level == 0 {
                let bundle = writer.files.bundle(edge.place).map_err(WriteFault::There)?;
                bundle.check(&edge.hashes).map_err(WriteFault::There)?;
                writer.bundle = bundle.into_bytes();
            }
            writer.levels[usize::from(edge.level)] = edge.hashes;
        }
        Ok(writer)
    }

    /// Leaves so far.
    pub const fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The RFC 6962 root of the leaves so far.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// When it is longer than an entry may be, or the disk refuses. After a disk has refused, the
    /// writer is to be dropped and opened again.
    pub fn push(&mut self, entry: &[u8]) -> Result<(), WriteFault> {
        let framed = tile::render_entries(&[entry]).map_err(WriteFault::Unreadable)?;
        let hash = leaf_hash(entry);
        self.bundle.extend_from_slice(&framed);
        self.tree.push(hash);
        if self.tree.size().is_multiple_of(TILE_WIDTH) {
            let place = self.full(0)?;
            let bundle = std::mem::take(&mut self.bundle);
            self.write(Resource::Entries(place), &bundle)?;
        }
        self.grow(hash)
    }

    fn grow(&mut self, leaf: Hash) -> Result<(), WriteFault> {
        let mut hash = leaf;
        for level in 0_u8.. {
            let at = usize::from(level);
            if self.levels.len() == at {
                self.levels.push(Vec::new());
            }
            self.levels[at].push(hash);
            if self.levels[at].len() < 256 {
                break;
            }
            let hashes = std::mem::take(&mut self.levels[at]);
            let place = self.full(level)?;
            self.write(Resource::Tile { level, place }, &tile::render_hashes(&hashes))?;
            hash = fold(&hashes);
        }
        Ok(())
    }

    /// The place of the full tile that the newest leaf completes.
    fn full(&self, level: u8) -> Result<Place, WriteFault> {
        let index = nodes_at(level, self.tree.size()) / TILE_WIDTH;
        Place::new(index.saturating_sub(1), TILE_WIDTH).map_err(WriteFault::Unreadable)
    }

    /// Writes what is not full, makes everything durable, and then puts the head in its place.
    /// Partial tiles of the head before the last are removed.
    ///
    /// # Errors
    /// When the head is not that of what was written, or the disk refuses.
    pub fn publish(&mut self, head: &Note) -> Result<(), WriteFault> {
        let size = self.check_head(head)?;
        for resource in partial(size) {
            let bytes = match resource {
                Resource::Tile { level, .. } => {
                    tile::render_hashes(&self.levels[usize::from(level)])
                }
                Resource::Entries(_) => self.bundle.clone(),
            };
            self.write(resource, &bytes)?;
        }
        self.sync()?;
        self.write_head(head)?;
        self.retire(size);
        Ok(())
    }

    /// Puts a head that is published already in its place again, with more signatures.
    ///
    /// # Errors
    /// When it is not the head of what was written, or the disk refuses.
    pub fn cosign(&mut self, head: &Note) -> Result<(), WriteFault> {
        let size = self.check_head(head)?;
        if size != self.heads[0] {
            return Err(WriteFault::OtherHead { size, written: self.heads[0] });
        }
        self.write_head(head)
    }

    /// The size of a head, which must be that of what was written.
    fn check_head(&self, head: &Note) -> Result<u64, WriteFault> {
        let checkpoint: Checkpoint = head.text().parse().map_err(WriteFault::Unreadable)?;
        let (size, written) = (checkpoint.size(), self.tree.size());
        if size == written && checkpoint.root() == self.tree.root() {
            Ok(size)
        } else {
            Err(WriteFault::OtherHead { size, written })
        }
    }

    fn write_head(&self, head: &Note) -> Result<(), WriteFault> {
        let written = self.files.write_durably(CHECKPOINT, head.to_string().as_bytes());
        written.map_err(|why| WriteFault::Disk { file: CHECKPOINT.to_owned(), why })
    }

    fn write(&mut self, resource: Resource, bytes: &[u8]) -> Result<(), WriteFault> {
        let file = resource.to_string();
        match self.files.write(&file, bytes) {
            Ok(()) => {
                self.unsynced.push(file);
                Ok(())
            }
            Err(why) => Err(WriteFault::Disk { file, why }),
        }
    }

    fn sync(&mut self) -> Result<(), WriteFault> {
        let names = std::mem::take(&mut self.unsynced);
        let disk = |file: &str| {
            let file = file.to_owned();
            move |why| WriteFault::Disk { file, why }
        };
        if names.len() > SYNCED_ALONE_MAX {
            let root = fs::File::open(self.files.root()).map_err(disk("tile"))?;
            return rustix::fs::syncfs(&root).map_err(|why| disk("tile")(why.into()));
        }
        let paths = names.iter().map(|name| self.files.path(name));
        let above = |path: &PathBuf| path.parent().map(Path::to_owned);
        let mut places: BTreeSet<PathBuf> = paths.collect();
        let parents: BTreeSet<PathBuf> = places.iter().filter_map(above).collect();
        places.extend(parents.iter().filter_map(above));
        places.extend(parents);
        for path in places {
            let synced = fs::File::open(&path).and_then(|file| file.sync_all());
            synced.map_err(disk(&path.display().to_string()))?;
        }
        Ok(())
    }

    /// Removes the partial tiles that neither the newest head nor the one before it needs. One
    /// that stays does no harm: it is the beginning of what it grew into.
    fn retire(&mut self, size: u64) {
        let [newest, before] = self.heads;
        if size == newest {
            return;
        }
        let kept: BTreeSet<Resource> = partial(size).chain(partial(newest)).collect();
        for resource in partial(before).filter(|old| !kept.contains(old)) {
            let path = self.files.path(&resource.to_string());
            let removed = fs::remove_file(&path);
            // The directory goes with its last file.
            let _others = removed.and_then(|()| path.parent().map_or(Ok(()), fs::remove_dir));
        }
        self.heads = [size, newest];
    }
}

/// The partial tiles and the partial bundle of a tree of `size` leaves.
fn partial(size: u64) -> impl Iterator<Item = Resource> {
    let part = |nodes: u64| Place::new(nodes / TILE_WIDTH, nodes % TILE_WIDTH).ok();
    let tiles = (0_u8..).map_while(move |level| {
        let nodes = nodes_at(level, size);
        (nodes > 0).then(|| part(nodes).map(|place| Resource::Tile { level, place }))
    });
    tiles.flatten().chain(part(size).map(Resource::Entries))
}
