//! Tiles and entry bundles of C2SP tlog-tiles (0.1.0 and its text of July 2026): their places,
//! names and bytes.
//!
//! Not for keeping or serving them. Out of scope: compression, and pruning (nothing is pruned).
//!
//! No input makes this panic; a path is read by its grammar and nothing else.

use std::fmt;
use std::str::FromStr;

use super::merkle::node_hash;
use crate::units::{Hash, Unreadable};

/// Levels of the tree in one tile.
pub const TILE_HEIGHT: u32 = 8;
/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;
/// The highest level that a tile may name.
const LEVEL_MAX: u8 = 63;
/// The longest entry in bytes: its length is a big-endian 16-bit number.
pub const ENTRY_BYTES_MAX: usize = 65_535;
/// The largest file of a log in bytes: a full bundle of the longest entries, each after its length.
pub const BUNDLE_BYTES_MAX: usize = (2 + ENTRY_BYTES_MAX) << TILE_HEIGHT;

/// Something that is served under a log's prefix beside its checkpoint. Ordered by kind, level,
/// index and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// Hashes of the tree.
    Tile {
        /// Level of the tile, 0 to 63; level 0 holds leaf hashes.
        level: u8,
        /// Place within the level, and width.
        place: Place,
    },
    /// Entries.
    Entries(Place),
}

/// The index of a tile within its level, and how many hashes it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    index: u64,
    width: u16,
}

impl Place {
    /// A tile of this width: 1 to 256.
    ///
    /// # Errors
    /// When the width is not that of a tile.
    pub fn new(index: u64, width: u64) -> Result<Self, Unreadable> {
        match u16::try_from(width) {
            Ok(narrow) if (1..=TILE_WIDTH).contains(&width) => Ok(Self { index, width: narrow }),
            Ok(_) | Err(_) => Err(Unreadable::new("tile", format!("a width of {width}"))),
        }
    }

    /// Index within the level.
    pub const fn index(self) -> u64 {
        self.index
    }

    /// Hashes or entries in it, 1 to 256.
    pub const fn width(self) -> u16 {
        self.width
    }

    /// True when nothing will be added to it.
    pub const fn is_full(self) -> bool {
        self.width as u64 == TILE_WIDTH
    }

    /// Of a full one: which directory of its kind it is in, counted from the first, and its name
    /// there. A thousand are in each.
    pub fn directory_and_name(self) -> (u64, [u8; 3]) {
        let digit = |unit| u8::try_from(self.index / unit % 10).map_or(b'?', |digit| b'0' + digit);
        (self.index / 1000, [digit(100), digit(10), digit(1)])
    }
}

impl Resource {
    /// The tiles and bundles that exist in a tree of `size` leaves and did not, or not so wide, in
    /// one of `old`: tiles by level, then bundles.
    pub fn new_in(old: u64, size: u64) -> Vec<Self> {
        let mut found = Vec::new();
        for level in 0..=LEVEL_MAX {
            let shift = TILE_HEIGHT.saturating_mul(u32::from(level));
            let hashes = |leaves: u64| leaves.checked_shr(shift).unwrap_or(0);
            if hashes(size) == 0 {
                break;
            }
            let places = places(hashes(old), hashes(size));
            found.extend(places.map(|place| Self::Tile { level, place }));
        }
        found.extend(places(old, size).map(Self::Entries));
        found
    }
}

/// The places that grew when a level went from `old` to `new` hashes.
fn places(old: u64, new: u64) -> impl Iterator<Item = Place> {
    let first = if old < new { old / TILE_WIDTH } else { u64::MAX };
    let end = new.div_ceil(TILE_WIDTH);
    (first..end.max(first)).map(move |index| {
        let width = (new - index * TILE_WIDTH).min(TILE_WIDTH);
        Place { index, width: u16::try_from(width).unwrap_or(u16::MAX) }
    })
}

impl fmt::Display for Resource {
    /// The path under the prefix, as `tile/0/x001/x234/067.p/5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self {
            Self::Tile { level, place } => {
                write!(f, "tile/{level}/")?;
                place
            }
            Self::Entries(place) => {
                f.write_str("tile/entries/")?;
                place
            }
        };
        place.fmt(f)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        while let Some(group) = groups.pop() {
            let more = if groups.is_empty() { "" } else { "/" };
            let prefix = if groups.is_empty() { "" } else { "x" };
            write!(f, "{prefix}{group:03}{more}")?;
        }
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl FromStr for Resource {
    type Err = Unreadable;

    fn from_str(path: &str) -> Result<Self, Unreadable> {
        let wrong = |why: &str| Unreadable::new("tile", format!("{path:?} {why}"));
        let rest = path.strip_prefix("tile/").ok_or_else(|| wrong("does not begin with tile/"))?;
        let (level, place) = rest.split_once('/').ok_or_else(|| wrong("names no index"))?;
        let place = read_place(place).ok_or_else(|| wrong("has no index as the format has it"))?;
        if level == "entries" {
            return Ok(Self::Entries(place));
        }
        let level = decimal(level)
            .and_then(|level| u8::try_from(level).ok())
            .filter(|level| *level <= LEVEL_MAX)
            .ok_or_else(|| wrong("has no level from 0 to 63"))?;
        Ok(Self::Tile { level, place })
    }
}

fn read_place(text: &str) -> Option<Place> {
    let (index, width) = match text.split_once(".p/") {
        Some((index, width)) => {
            let width = decimal(width).filter(|width| (1..TILE_WIDTH).contains(width))?;
            (index, width)
        }
        None => (text, TILE_WIDTH),
    };
    let groups: Vec<&str> = index.split('/').collect();
    let mut value = 0_u64;
    for (place, group) in groups.iter().enumerate() {
        let last = place + 1 == groups.len();
        let digits = if last { *group } else { group.strip_prefix('x')? };
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // The same index has one spelling.
        if place == 0 && !last && digits == "000" {
            return None;
        }
        value = value.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    Place::new(value, width).ok()
}

/// A decimal number without leading zeros.
fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if canonical && digits { text.parse().ok() } else { None }
}

/// Where the hash of a complete subtree of `2^level` leaves stands: the tile, and the hashes in it
/// that [`fold`] to it.
pub fn locate(level: u32, index: u64) -> Located {
    let inner = level % TILE_HEIGHT;
    let first = index << inner;
    Located {
        level: u8::try_from(level / TILE_HEIGHT).unwrap_or(LEVEL_MAX),
        index: first / TILE_WIDTH,
        first: usize::try_from(first % TILE_WIDTH).unwrap_or(0),
        count: 1 << inner,
    }
}

/// Hashes in a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    /// Level of the tile.
    pub level: u8,
    /// Its index within the level.
    pub index: u64,
    /// The first hash.
    pub first: usize,
    /// How many hashes: a power of two, at most 128.
    pub count: usize,
}

/// Root of a complete subtree, from the hashes of one of its levels: a power of two of them.
/// Nothing for any other number.
pub fn fold(hashes: &[Hash]) -> Option<Hash> {
    if !hashes.len().is_power_of_two() {
        return None;
    }
    let (pairs, alone) = hashes.as_chunks::<2>();
    let mut level: Vec<Hash> = pairs.iter().map(|[left, right]| node_hash(left, right)).collect();
    while level.len() > 1 {
        let above = level.len() / 2;
        for at in 0..above {
            level[at] = node_hash(&level[2 * at], &level[2 * at + 1]);
        }
        level.truncate(above);
    }
    level.first().or(alone.first()).copied()
}

/// The bytes of a tile.
pub fn render_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes in the bytes of a tile of this width.
///
/// # Errors
/// When there are more or fewer bytes.
pub fn parse_hashes(bytes: &[u8], width: u16) -> Result<Vec<Hash>, Unreadable> {
    let hashes: Result<Vec<Hash>, _> = bytes.chunks(32).map(Hash::from_slice).collect();
    match hashes {
        Ok(hashes) if hashes.len() == usize::from(width) => Ok(hashes),
        Ok(_) | Err(_) => {
            let why = format!("{} bytes where {width} hashes belong", bytes.len());
            Err(Unreadable::new("tile", why))
        }
    }
}

/// The bytes of an entry bundle.
///
/// # Errors
/// When an entry is longer than [`ENTRY_BYTES_MAX`].
pub fn render_entries<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, Unreadable> {
    let mut bytes = Vec::new();
    for entry in entries {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len()).map_err(|_| {
            let why = format!("an entry of {} bytes; at most {ENTRY_BYTES_MAX}", entry.len());
            Unreadable::new("entry bundle", why)
        })?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The entries in the bytes of a bundle of this width.
///
/// # Errors
/// When there are more or fewer entries, or the last is cut off.
pub fn parse_entries(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, Unreadable> {
    let wrong = |why: String| Unreadable::new("entry bundle", why);
    let mut entries = Vec::with_capacity(usize::from(width));
    let mut rest = bytes;
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, tail) = tail
            .split_at_checked(length)
            .ok_or_else(|| wrong(format!("entry {} is cut off", entries.len())))?;
        entries.push(entry);
        rest = tail;
        if entries.len() > usize::from(width) {
            return Err(wrong(format!("more than {width} entries")));
        }
    }
    if rest.is_empty() && entries.len() == usize::from(width) {
        Ok(entries)
    } else {
        Err(wrong(format!("{} whole entries where {width} belong", entries.len())))
    }
}
