//! The seal over closed tables: what becomes of sled's files afterwards is noticed before sled
//! opens them.
//!
//! Not against anybody who means it, and not for tables that were not closed in order: those have
//! no seal.
//!
//! sled checks each message that it reads by its place. But when it opens, it follows the log from
//! its own newest snapshot on, and takes a message that does not hold, or a segment whose header
//! does not, for an end: it goes on with what follows, and rows of different ages stand side by
//! side. So the seal has the CRC-32C of every file; of the log only of the headers, and of the
//! segments that sled follows. What is older is found through sled's snapshot, and checked by sled
//! when it is read. That keeps the seal cheap: its cost is that of what sled reads anyway.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

/// The seal's file, in the tables' directory. It is removed before sled opens the others.
const SEAL: &str = "seal";
/// The seal while it is written.
const SEAL_NEW: &str = "seal.new";
/// sled's log.
const LOG: &str = "db";
/// What the names of sled's own snapshots begin with; the place in the log follows, in hexadecimal.
const SNAPSHOT: &str = "snap.";
/// Length of a segment of the log, in bytes: sled's default, which is never changed here.
const SEGMENT_BYTES: u64 = 512 << 10;
/// Length of a segment's header in bytes: CRC-32, place in the log, newest place that was stable.
const HEADER_BYTES: usize = 20;

/// How often to look whether sled has let go of its files, after it was closed.
const CLOSED_TRIES: u32 = 400;
/// See [`CLOSED_TRIES`].
const CLOSED_PAUSE: Duration = Duration::from_millis(5);

/// What is said of the files in a directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seal {
    /// It is not broken, or there is none. There is none any more.
    Opened,
    /// The files are not those that were sealed.
    Broken,
    /// Somebody has them open.
    InUse,
}

/// Seals the files in `dir`, once sled has let go of them.
pub(super) fn put(dir: &Path) -> io::Result<()> {
    let log = File::open(dir.join(LOG))?;
    let mut tries = 1;
    // Its threads keep them for a moment.
    while !lock(&log)? {
        if tries == CLOSED_TRIES {
            return Err(io::Error::other("sled still uses its files"));
        }
        tries += 1;
        std::thread::sleep(CLOSED_PAUSE);
    }
    let new = dir.join(SEAL_NEW);
    fs::write(&new, sums(dir)?)?;
    File::open(&new)?.sync_all()?;
    fs::rename(&new, dir.join(SEAL))?;
    File::open(dir)?.sync_all()
}

/// Holds the files in `dir` against their seal, and removes it.
pub(super) fn open(dir: &Path) -> io::Result<Seal> {
    let log = match File::open(dir.join(LOG)) {
        Ok(log) => Some(log),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    // Nobody else opens them while they are looked at.
    if let Some(log) = &log
        && !lock(log)?
    {
        return Ok(Seal::InUse);
    }
    let sealed = match fs::read(dir.join(SEAL)) {
        Ok(sealed) => sealed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seal::Opened),
        Err(error) => return Err(error),
    };
    if sums(dir)?.as_bytes() != sealed {
        return Ok(Seal::Broken);
    }
    fs::remove_file(dir.join(SEAL))?;
    File::open(dir)?.sync_all()?;
    Ok(Seal::Opened)
}

/// True when nobody else has the log; it is locked as sled does it, until it is closed.
fn lock(log: &File) -> io::Result<bool> {
    match flock(log, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// How much of the log in `dir` sled follows when it opens, in bytes, whole segments.
pub(super) fn followed_bytes(dir: &Path) -> io::Result<u64> {
    let from = followed_from(&names(dir)?);
    let segments = segments(&File::open(dir.join(LOG))?)?;
    let followed = segments.iter().filter(|segment| segment.is_followed(from)).count();
    Ok(SEGMENT_BYTES.saturating_mul(followed as u64))
}

/// A line for each file: name, length, CRC-32C of what is sealed of it.
fn sums(dir: &Path) -> io::Result<String> {
    let names = names(dir)?;
    let from = followed_from(&names);
    let mut text = String::new();
    for name in names {
        let path = dir.join(&name);
        let (bytes, sum) = if name == LOG {
            log_sum(&File::open(path)?, from)?
        } else {
            let bytes = fs::read(path)?;
            (bytes.len() as u64, crc32c::crc32c(&bytes))
        };
        text.push_str(&format!("{name} {bytes} {sum:08x}\n"));
    }
    Ok(text)
}

/// The place in the log from which on sled follows it: that of its newest snapshot.
fn followed_from(names: &[String]) -> i64 {
    let place = |name: &String| i64::from_str_radix(name.strip_prefix(SNAPSHOT)?, 16).ok();
    let newest = names.iter().filter_map(place).max().unwrap_or(0);
    newest - newest.rem_euclid(SEGMENT_BYTES.cast_signed())
}

/// The files in `dir` and below, the seal apart, by their names from there, in order.
fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    list(dir, "", &mut names)?;
    names.sort();
    Ok(names)
}

fn list(dir: &Path, prefix: &str, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().display());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &format!("{name}/"), names)?;
        } else if name != SEAL && name != SEAL_NEW {
            names.push(name);
        }
    }
    Ok(())
}

/// A segment of the log.
struct Segment {
    /// Where it begins, in bytes.
    at: u64,
    /// Its header; shorter where it is cut off.
    header: Vec<u8>,
}

impl Segment {
    /// True when sled follows it from the place `from` on, or may.
    fn is_followed(&self, from: i64) -> bool {
        // sled keeps the segment's place in the log with its bits turned over, the sign apart.
        let place = self.header.get(4..12).and_then(<[u8]>::first_chunk);
        place.is_none_or(|place| i64::from_le_bytes(*place) ^ i64::MAX >= from)
    }
}

/// The segments of the log.
fn segments(log: &File) -> io::Result<Vec<Segment>> {
    let bytes = log.metadata()?.len();
    let mut segments = Vec::new();
    let mut at = 0;
    while at < bytes {
        let mut header = vec![0; HEADER_BYTES.min(len(bytes - at))];
        log.read_exact_at(&mut header, at)?;
        segments.push(Segment { at, header });
        at += SEGMENT_BYTES;
    }
    Ok(segments)
}

/// Length of the log, and the sum of the headers of its segments and of those segments that sled
/// follows from the place `from` on.
fn log_sum(log: &File, from: i64) -> io::Result<(u64, u32)> {
    let bytes = log.metadata()?.len();
    let mut buffer = vec![0; len(SEGMENT_BYTES)];
    let mut sum = 0;
    for segment in segments(log)? {
        sum = crc32c::crc32c_append(sum, &segment.header);
        if segment.is_followed(from) {
            let whole = &mut buffer[..len(SEGMENT_BYTES.min(bytes - segment.at))];
            log.read_exact_at(whole, segment.at)?;
            sum = crc32c::crc32c_append(sum, whole);
        }
    }
    Ok((bytes, sum))
}

fn len(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::store::Store;
    use super::*;

    /// A closed store: opened `times` times, with rows from each.
    fn closed(times: u32) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for time in 0..times {
            let Ok(store) = Store::open(dir.path(), 1 << 20) else { panic!("it opens") };
            assert!(!dir.path().join(SEAL).exists());
            let insert = |rows: &sled::Tree| {
                for n in 0..4_000_u32 {
                    let key = [time.to_be_bytes(), n.to_be_bytes()].concat();
                    rows.insert(key, vec![7; 300])?;
                }
                Ok(())
            };
            store.rows(insert).unwrap();
            drop(store);
            assert!(dir.path().join(SEAL).exists());
        }
        dir
    }

    #[test]
    fn what_was_not_changed_is_opened_once_and_the_seal_is_gone() {
        let dir = closed(2);
        assert_eq!(open(dir.path()).unwrap(), Seal::Opened);
        assert!(!dir.path().join(SEAL).exists());
        assert_eq!(open(dir.path()).unwrap(), Seal::Opened, "no seal says nothing");
    }

    #[test]
    fn a_file_that_came_or_went_or_was_cut_breaks_the_seal() {
        let changes: [fn(&Path); 4] = [
            |dir| fs::write(dir.join("snap.00000000FFFFFFFF"), b"new").unwrap(),
            |dir| fs::remove_file(dir.join("conf")).unwrap(),
            |dir| fs::write(dir.join(SEAL), b"").unwrap(),
            |dir| {
                let log = File::options().write(true).open(dir.join(LOG)).unwrap();
                log.set_len(log.metadata().unwrap().len() - 1).unwrap();
            },
        ];
        for change in changes {
            let dir = closed(1);
            change(dir.path());
            assert_eq!(open(dir.path()).unwrap(), Seal::Broken);
        }
    }

    #[test]
    fn every_byte_that_sled_would_follow_is_sealed() {
        let dir = closed(1);
        let log = dir.path().join(LOG);
        let sound = fs::read(&log).unwrap();
        // Never opened again, sled has no snapshot yet: it follows everything.
        for at in (0..sound.len()).step_by(9_973) {
            let mut flipped = sound.clone();
            flipped[at] ^= 1;
            fs::write(&log, flipped).unwrap();
            assert_eq!(open(dir.path()).unwrap(), Seal::Broken, "{at}");
        }
        fs::write(&log, sound).unwrap();
        assert_eq!(open(dir.path()).unwrap(), Seal::Opened);
    }

    #[test]
    fn sled_follows_what_was_written_since_it_was_opened() {
        let once = followed_bytes(closed(1).path()).unwrap();
        assert!(once > SEGMENT_BYTES);
        let again = closed(2);
        assert!(Store::open(again.path(), 1 << 20).is_ok());
        assert!(followed_bytes(again.path()).unwrap() < once);
    }

    #[test]
    fn who_has_them_open_keeps_them() {
        let dir = closed(1);
        let used = File::open(dir.path().join(LOG)).unwrap();
        assert!(lock(&used).unwrap());
        assert_eq!(open(dir.path()).unwrap(), Seal::InUse);
        assert!(dir.path().join(SEAL).exists());
    }
}
