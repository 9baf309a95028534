//! The disk: room, a write that reaches it, the journal on it, and the tables.
//!
//! Not for repairing: see `detente restore` and `detente rebuild`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Report;
use crate::backup::{self, Owner};
use crate::config::{Either, Relay};
use crate::journal::{self, disk::RealDisk};
use crate::tables::{self, Surveyed};
use crate::units::{Index, JournalId};

/// A desk's segments; see `desk/`.
const DESK_SEGMENT_BYTES: u64 = 8 << 20;
/// Tables of at most this size are copied and looked into without being told to.
const TABLES_BYTES_LOOKED_AT: u64 = 256 << 20;
/// A sync that takes longer makes every officer wait.
const SYNC_MS_SLOW: u128 = 100;

/// Room for further segments, and a write that reaches the disk.
pub(super) fn space(report: &mut Report, config: &Either) {
    let store = config.store();
    let Some(there) = store.ancestors().find(|path| path.is_dir()) else { return };
    let segment = match config {
        Either::Relay(relay) => relay.store.journal_segment_bytes,
        Either::Desk(_) => DESK_SEGMENT_BYTES,
    };
    match rustix::fs::statvfs(there) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let says = format!(
                "{}: {} MiB free; a file of the journal takes {} MiB",
                there.display(),
                free >> 20,
                segment >> 20
            );
            let next = "make room, or move the store to a larger disk";
            if free < segment {
                report.fail("disk-space", says, next);
            } else if free < segment.saturating_mul(4) {
                report.warn("disk-space", says, next);
            } else {
                report.ok("disk-space", says);
            }
        }
        Err(error) => report.warn("disk-space", format!("{}: {error}", there.display()), ""),
    }
    match store.try_exists() {
        Ok(true) => probe(report, store),
        Ok(false) => {
            let says = format!("{}: not there yet; the first start makes it", store.display());
            report.ok("store", says);
        }
        Err(error) => report.fail("store", format!("{}: {error}", store.display()), ENTER),
    }
}

/// What to do about a directory that cannot be looked into.
const ENTER: &str = "run it as the program's user; if that is so, check path, rights and the disk";

fn probe(report: &mut Report, store: &Path) {
    let path = store.join(format!("doctor-{}.probe", std::process::id()));
    let begun = Instant::now();
    let written = fs::File::create_new(&path).and_then(|mut file| {
        file.write_all(&[0; 4096])?;
        file.sync_data()
    });
    let took = begun.elapsed().as_millis();
    let removed = fs::remove_file(&path);
    match written.and(removed) {
        Ok(()) if took < SYNC_MS_SLOW => {
            report.ok("disk-sync", format!("4 KiB reach the disk in {took} ms"));
        }
        Ok(()) => report.warn(
            "disk-sync",
            format!("4 KiB take {took} ms to reach the disk; every statement waits for that"),
            "find out what else uses the disk, or move the store to a faster one",
        ),
        Err(error) => report.fail(
            "disk-sync",
            format!("{}: {error}", path.display()),
            "run it as the program's user; if that is so, check rights, room and the disk",
        ),
    }
}

/// A journal that holds, as far as it was read.
pub(super) struct Held {
    /// Its directory.
    pub(super) directory: PathBuf,
    id: JournalId,
    /// The index that the next record gets; without reading every byte at least that.
    next: Index,
    full: bool,
}

/// The journal: headers and marks, or every byte. Answers where it ends, if that can be told.
pub(super) fn journal(
    report: &mut Report,
    config: &Either,
    owner: Owner,
    full: bool,
) -> Option<Held> {
    let directory = owner.journal_of(config.store());
    match directory.try_exists() {
        Ok(true) => {}
        Ok(false) => {
            report.ok("journal", format!("{}: none yet", directory.display()));
            return None;
        }
        Err(error) => {
            report.fail("journal", format!("{}: {error}", directory.display()), ENTER);
            return None;
        }
    }
    let next = "keep the directory as it is, look with detente verify, restore a backup";
    let survey = match journal::survey(&RealDisk::existing(&directory)) {
        Ok(Some(survey)) => survey,
        Ok(None) => {
            report.ok("journal", format!("{}: none yet", directory.display()));
            return None;
        }
        Err(fault @ journal::Fault::Io { .. }) => {
            report.fail("journal", fault, ENTER);
            return None;
        }
        Err(fault) => {
            report.fail("journal", fault.within(&directory), next);
            return None;
        }
    };
    let journal::Survey { journal: id, segments, bytes, next: Index(records) } = survey;
    let held = |next| Held { directory: directory.clone(), id, next, full };
    if !full {
        report.ok(
            "journal",
            format!(
                "{segments} files, {} MiB, {records} records or more; headers and marks hold \
                 (--full reads every byte)",
                bytes >> 20
            ),
        );
        return Some(held(Index(records)));
    }
    match backup::read_through(config.store(), &owner, &mut |_| {}) {
        Ok(summary) => {
            let (records, batches) = (summary.records, summary.batches);
            report
                .ok("journal", format!("{records} records in {batches} batches, every byte holds"));
            Some(held(Index(records)))
        }
        Err(fault) => {
            report.fail("journal", fault, next);
            None
        }
    }
}

/// A relay's tables: are they of this journal, and no further than it is?
pub(super) fn tables(report: &mut Report, relay: &Relay, journal: Option<&Held>) {
    let store = &relay.store.directory;
    let tables = store.join("tables");
    let shown = tables.display();
    let Some(Held { id, next, full, .. }) = journal else {
        let there = if tables.is_dir() { "there" } else { "none; the next start makes them" };
        return report.ok("tables", format!("{shown}: {there}"));
    };
    let beside = store.join(format!("doctor-{}.tables", std::process::id()));
    let bytes_max = if *full { u64::MAX } else { TABLES_BYTES_LOOKED_AT };
    let anew = "nothing is lost: the next start makes them anew, or detente rebuild before it";
    match tables::survey(&tables, &beside, *id, bytes_max) {
        Ok(Surveyed::Absent) => {
            report.ok("tables", format!("{shown}: none; the next start makes them"));
        }
        Ok(Surveyed::InUse) => {
            let says = "in use; detente operator status says how far they are";
            report.ok("tables", format!("{shown}: {says}"));
        }
        Ok(Surveyed::TooLarge { bytes }) => {
            let says = format!("{shown}: {} MiB, looked into with --full only", bytes >> 20);
            report.ok("tables", says);
        }
        Ok(Surveyed::Sound { cursor }) if cursor > *next && *full => {
            let says = format!("{shown}: they have {cursor} records, the journal has {next}");
            report.warn("tables", says, anew);
        }
        Ok(Surveyed::Sound { cursor }) => {
            report.ok("tables", format!("{shown}: of this journal, with {cursor} records"));
        }
        Ok(Surveyed::Useless(why)) => report.warn("tables", format!("{shown}: {why}"), anew),
        Err(fault) => {
            let next = "run it as the program's user; if that is so, check rights, room and disk";
            report.warn("tables", fault, next);
        }
    }
}
