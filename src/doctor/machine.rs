//! What the machine gives: files that others cannot read, a clock, time zones, limits.
//!
//! Not for the disk, nor for the network.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Report;
use crate::config::Either;
use crate::units::Timestamp;

/// Descriptors that a program wants at least: a relay has one for each desk and a few more.
const DESCRIPTORS_MIN: u64 = 4096;
/// How far a clock may be behind the newest file of the journal.
const BEHIND_MS_MAX: i64 = 60_000;

/// Files that nobody else should read or write.
pub(super) fn files(report: &mut Report, config: &Either) {
    let mut paths: Vec<PathBuf> = Vec::new();
    paths.extend(config.unlock().file.clone());
    match config {
        Either::Relay(relay) => {
            let logs = &relay.logs;
            paths
                .extend([&relay.tls.key, &logs.directory_key, &logs.traffic_key].map(Clone::clone));
            let next = [&logs.next_directory_key, &logs.next_traffic_key];
            paths.extend(next.into_iter().flatten().cloned());
        }
        Either::Desk(desk) => {
            paths.extend([desk.tls.key.clone(), desk.keys.desk.clone()]);
            paths.extend(desk.keys.encryption.iter().cloned());
            paths.extend(desk.officers.iter().map(|officer| officer.key.clone()));
        }
    }
    paths.push(config.store().to_owned());
    let mut open = 0;
    for path in &paths {
        if let Some(mode) = exposed(path) {
            open += 1;
            let says = format!("{}: its mode is {mode:03o}, so others get in", path.display());
            report.warn("permissions", says, "take the rights of group and others away: chmod go=");
        }
    }
    if open == 0 {
        report.ok("permissions", "keys, secret and store are their owner's alone");
    }
}

/// The mode of what others may read, write or enter.
fn exposed(path: &Path) -> Option<u32> {
    let mode = std::fs::metadata(path).ok()?.mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// The clock against the newest file of the journal: it cannot have been written in the future.
pub(super) fn clock(report: &mut Report, journal: Option<&Path>, now: Timestamp) {
    let newest = journal.and_then(|journal| {
        let entries = std::fs::read_dir(journal).ok()?;
        let written = |entry: std::fs::DirEntry| Some(entry.metadata().ok()?.mtime() * 1000);
        entries.flatten().filter_map(written).max().map(Timestamp)
    });
    match newest.map(|newest| newest.since_ms(now)) {
        Some(behind) if behind > BEHIND_MS_MAX => report.fail(
            "clock",
            format!("it is {now}, but the journal was written {} s later", behind / 1000),
            "set the clock, and see that it is kept by NTP",
        ),
        Some(_) | None => report.ok("clock", format!("it is {now}")),
    }
}

/// The time-zone database.
pub(super) fn zones(report: &mut Report) {
    match jiff::tz::TimeZone::get("Europe/Amsterdam") {
        Ok(_) => report.ok("time-zones", "the time-zone database is there"),
        Err(error) => {
            report.fail("time-zones", error, "install the system's time zones (package tzdata)");
        }
    }
}

/// Open files.
pub(super) fn limits(report: &mut Report) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    match limit {
        Some(limit) if limit < DESCRIPTORS_MIN => report.warn(
            "open-files",
            format!("at most {limit} here"),
            "raise LimitNOFILE= in the unit (the units in deploy/ have 16384)",
        ),
        Some(limit) => report.ok("open-files", format!("at most {limit} here")),
        None => report.ok("open-files", "as many as there may be"),
    }
}
