//! Makes a backup.
//!
//! Not for choosing where it is kept: on another machine, by whatever moves files.

use std::path::Path;

use super::aside::{Aside, sync};
use super::follow::Follow;
use super::{Fault, Manifest, Owner, journal_in, manifest};
use crate::journal::disk::RealDisk;
use crate::journal::{self, FileJournal, Journal as _, Options, Progress, Summary, Target};
use crate::units::{Index, Timestamp};

/// Backs up the journal in `store`, which may be in use, as `name`, which must not be there yet.
/// `now` is noted.
///
/// # Errors
/// [`Fault`]; nothing is left under `name` then.
pub fn make(
    store: &Path,
    owner: &Owner,
    name: &Path,
    now: Timestamp,
    progress: &mut dyn FnMut(Progress),
) -> Result<Manifest, Fault> {
    // What may not be looked at is not taken for what is not there.
    if name.try_exists().map_err(Fault::io("look for", name))? {
        return Err(Fault::Exists(name.to_owned()));
    }
    let source = owner.journal_of(store);
    let lock = source.join("lock");
    if !lock.try_exists().map_err(Fault::io("look for", &lock))? {
        return Err(Fault::Nothing(source));
    }
    let aside = Aside::begin(name)?;
    let to = journal_in(aside.path());
    let disk = RealDisk::create(&to).map_err(Fault::io("make", &to))?;

    let mut follow = Follow::new(owner, &[]);
    let target = Target { disk: &disk, allocate: false };
    let copied = journal::copy(
        &RealDisk::existing(&source),
        Some(&target),
        true,
        &mut |batch| follow.take(batch),
        progress,
    )
    .map_err(Fault::journal(&source))?;
    if copied.records == 0 {
        return Err(Fault::Nothing(source));
    }
    erase(&to, &follow.erased)?;
    let checked = check(&to, &copied)?;
    sync(&to)?;
    let files = manifest::files(aside.path())?;
    let manifest = Manifest::of(owner, now, &checked, follow.heads().as_ref(), files);
    manifest.write(aside.path())?;
    aside.keep(name)?;
    Ok(manifest)
}

/// Erases in the copy what was on record as erased when it was made, also where the copy had been
/// quicker than the erasure.
fn erase(copy: &Path, erased: &[Index]) -> Result<(), Fault> {
    if erased.is_empty() {
        return Ok(());
    }
    let fault = Fault::journal(copy);
    let (mut journal, _) = FileJournal::open(copy, Options::default()).map_err(&fault)?;
    for index in erased {
        journal.erase(*index).map_err(&fault)?;
    }
    journal.idle().map_err(|error| Fault::Io {
        doing: "write",
        path: copy.to_owned(),
        error: error.to_string(),
    })?;
    drop(journal);
    let lock = copy.join("lock");
    std::fs::remove_file(&lock).map_err(Fault::io("remove", &lock))
}

/// Reads the copy once more, as it is on the disk.
fn check(copy: &Path, copied: &Summary) -> Result<Summary, Fault> {
    let checked = journal::check(copy, &mut |_| {}).map_err(|faults| {
        let first = faults.into_iter().next();
        let unknown = || journal::Fault::Io {
            doing: "check",
            path: copy.display().to_string(),
            error: "it does not hold".to_owned(),
        };
        Fault::journal(copy)(first.unwrap_or_else(unknown))
    })?;
    let same = (checked.id, checked.records, checked.batches, checked.hash)
        == (copied.id, copied.records, copied.batches, copied.hash);
    if same && checked.torn.is_none() && checked.torn_marks.is_empty() {
        return Ok(checked);
    }
    let why = "what was written is not what was read".to_owned();
    Err(Fault::Altered { path: copy.to_owned(), why })
}
