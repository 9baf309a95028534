//! Brings a backup back.
//!
//! Not for mending a journal in place: what is there is kept beside what is restored. Everything is
//! verified before anything is written. What is known to have existed and is not in the backup is
//! lost only when the operator names it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::aside::{Aside, sync, sync_parent};
use super::follow::{Follow, KnownHead};
use super::{ACCEPTANCE_FILE, Fault, INCARNATION_FILE, Loss, Manifest, Owner, journal_in};
use crate::journal::disk::{Disk as _, Lock, RealDisk};
use crate::journal::{self, Progress, Summary, Target};
use crate::units::{Hash, Index, Timestamp};

/// What is to be restored, and what is known of it.
pub struct Order<'a> {
    /// The backup.
    pub backup: &'a Path,
    /// The store's directory.
    pub store: &'a Path,
    /// Whose store it is.
    pub owner: &'a Owner,
    /// Records that are known to have existed, counted from the first.
    pub expect_at_least: Option<Index>,
    /// Tree heads that others have kept. Heads that witnesses have signed belong here as well.
    pub heads: &'a [KnownHead],
    /// The records that the operator gives up.
    pub give_up: Option<Loss>,
    /// A journal that is there already may be set aside.
    pub move_aside: bool,
    /// Directories with what was published from this store. A log that lost records cannot go on
    /// from there: with a loss they are set aside as well, in this order.
    pub published: &'a [PathBuf],
    /// The time, for the name of what is set aside.
    pub now: Timestamp,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The manifest of what was restored.
    pub manifest: Manifest,
    /// Where the journal is that was there before.
    pub set_aside: Option<PathBuf>,
    /// The records that are gone.
    pub lost: Option<Loss>,
}

/// Restores a backup.
///
/// # Errors
/// [`Fault`]. The store is as it was, but after [`Fault::Unfinished`]: then what was there lies
/// beside it under its new name, and no loss has been accepted.
pub fn restore(order: &Order<'_>, progress: &mut dyn FnMut(Progress)) -> Result<Restored, Fault> {
    let manifest = Manifest::read(order.backup)?;
    manifest.check_owner(order.owner)?;
    manifest.check_files(order.backup)?;
    let chain = verify(order, &manifest, progress)?;

    let there = There::look(order)?;
    if there.as_ref().is_some_and(|there| !there.files.is_empty()) && !order.move_aside {
        return Err(Fault::Exists(order.owner.journal_of(order.store)));
    }
    let lost = loss(order, &manifest, &chain, there.as_ref())?;
    match (lost, order.give_up) {
        (Some((loss, _)), Some(given)) if loss == given => {}
        (None, None) => {}
        (Some((loss, why)), None) => return Err(Fault::WouldLose { loss, why }),
        (loss, Some(given)) => {
            let loss = loss.map(|(loss, _)| loss);
            return Err(Fault::OtherLoss { given, loss });
        }
    }
    let aside = write_aside(order, there.is_some(), progress)?;
    let set_aside = put_in_place(order, there.as_ref(), &aside).map_err(Fault::unfinished)?;
    Ok(Restored { manifest, set_aside, lost: order.give_up })
}

/// Reads the whole backup and holds it against its manifest and the known heads.
fn verify(
    order: &Order<'_>,
    manifest: &Manifest,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<(Index, Hash)>, Fault> {
    let directory = journal_in(order.backup);
    let mut follow = Follow::new(order.owner, order.heads);
    let read = journal::copy(
        &RealDisk::existing(&directory),
        None,
        false,
        &mut |batch| follow.take(batch),
        progress,
    )
    .map_err(Fault::journal(&directory))?;
    let heads = follow.heads();
    // The files have been held against their hashes.
    let files = manifest.files.clone();
    let found = Manifest::of(order.owner, order.now, &read, heads.as_ref(), files);
    manifest.check_content(order.backup, &found)?;
    follow.check_sought()?;
    Ok(follow.chain)
}

/// The journal that is there already.
struct There {
    /// Its segments, in order.
    files: Vec<String>,
    summary: Summary,
    chain: Vec<(Index, Hash)>,
    /// The next index as headers and marks have it, also where batches do not hold.
    claimed: Index,
    /// Held so that nobody else uses it meanwhile.
    _lock: Lock,
}

impl There {
    fn look(order: &Order<'_>) -> Result<Option<Self>, Fault> {
        let directory = order.owner.journal_of(order.store);
        if !directory.try_exists().map_err(Fault::io("look for", &directory))? {
            return Ok(None);
        }
        let disk = RealDisk::existing(&directory);
        let lock = lock(&disk, &directory)?;
        let mut follow = Follow::new(order.owner, &[]);
        let mut chain = Vec::new();
        // It may be damaged: what can be read of it counts, and what its marks say.
        let summary = journal::copy(
            &disk,
            None,
            false,
            &mut |batch| {
                chain.push((batch.first.plus(batch.records.len() as u64), batch.hash));
                follow.take(batch)
            },
            &mut |_| {},
        );
        let summary = summary.unwrap_or_default();
        let claimed = journal::claimed_next(&disk).unwrap_or(Index(0));
        let files = segments(&directory)?;
        Ok(Some(Self { files, summary, chain, claimed, _lock: lock }))
    }

    fn next(&self) -> Index {
        self.chain.last().map_or(Index(0), |(next, _)| *next).max(self.claimed)
    }
}

/// What would be gone, and how it is known to have been there.
fn loss(
    order: &Order<'_>,
    manifest: &Manifest,
    chain: &[(Index, Hash)],
    there: Option<&There>,
) -> Result<Option<(Loss, String)>, Fault> {
    let end = Index(manifest.next_index);
    let mut lost: Option<(Loss, String)> = None;
    if let Some(there) = there {
        if let Some(id) = there.summary.id.filter(|id| id.to_string() != manifest.journal_id) {
            return Err(Fault::OtherJournal {
                path: order.owner.journal_of(order.store),
                found: id.to_string(),
                backup: manifest.journal_id.clone(),
            });
        }
        let same = there.chain.iter().zip(chain).take_while(|(a, b)| a == b).count();
        let common = there.chain[..same].last().map_or(Index(0), |(next, _)| *next);
        let differs = same < there.chain.len();
        let first = if differs { common } else { end };
        if there.next() > first {
            let why = if differs && same < chain.len() {
                format!("the journal that is there goes on differently from record {first}")
            } else {
                "the journal that is there has them".to_owned()
            };
            lost = Some((Loss { first, last: Index(there.next().0 - 1) }, why));
        }
    }
    if let Some(expected) = order.expect_at_least.filter(|expected| *expected > end) {
        let last = Index(expected.0 - 1);
        let why = format!("the journal is known to have had {expected} records");
        lost = Some(match lost {
            Some((loss, why)) => (Loss { last: loss.last.max(last), ..loss }, why),
            None => (Loss { first: end, last }, why),
        });
    }
    Ok(lost)
}

/// A journal that was written aside, and the lock of the one that is to be made.
struct Written {
    aside: Aside,
    _lock: Option<Lock>,
}

/// Writes the journal aside. One that `is_there` already is not touched.
fn write_aside(
    order: &Order<'_>,
    is_there: bool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Written, Fault> {
    let directory = order.owner.journal_of(order.store);
    RealDisk::create(&directory).map_err(Fault::io("make", &directory))?;
    // Whoever looked at one that is there holds it.
    let held =
        if is_there { None } else { Some(lock(&RealDisk::existing(&directory), &directory)?) };
    let from = journal_in(order.backup);
    let aside = Aside::begin(&directory.join("restore"))?;
    let disk = RealDisk::existing(aside.path());
    let target = Target { disk: &disk, allocate: true };
    let mut follow = Follow::new(order.owner, &[]);
    journal::copy(
        &RealDisk::existing(&from),
        Some(&target),
        false,
        &mut |batch| follow.take(batch),
        progress,
    )
    .map_err(Fault::journal(&from))?;
    sync(aside.path())?;
    Ok(Written { aside, _lock: held })
}

/// Sets aside what is there, and puts what was written in its place. A loss is accepted last.
///
/// Segment 0 is the first to go and the last to come: a journal without it is refused by whatever
/// is started, so that what is cut off half way can only be done again.
fn put_in_place(
    order: &Order<'_>,
    there: Option<&There>,
    written: &Written,
) -> Result<Option<PathBuf>, Fault> {
    let directory = order.owner.journal_of(order.store);
    let aside = written.aside.path();
    forget_incarnation(order)?;
    let old = there.map(|there| there.files.as_slice()).unwrap_or_default();
    let set_aside =
        (!old.is_empty()).then(|| directory.join(format!("before-restore-{}", order.now.0)));
    if let Some(set_aside) = &set_aside {
        fs::create_dir(set_aside).map_err(Fault::io("make", set_aside))?;
        for name in old {
            rename(&directory, set_aside, name)?;
            sync(&directory)?;
        }
        sync(set_aside)?;
    }
    for name in segments(aside)?.iter().rev() {
        rename(aside, &directory, name)?;
        sync(&directory)?;
    }
    // What could be derived from the journal before is not what follows from this one.
    let tables = order.store.join("tables");
    if order.owner.desk.is_none() && tables.exists() {
        fs::remove_dir_all(&tables).map_err(Fault::io("remove", &tables))?;
    }
    sync(order.store)?;
    if let Some(given) = order.give_up {
        set_published_aside(order)?;
        accept(order, given)?;
    }
    Ok(set_aside)
}

/// What was published stays beside what will be.
fn set_published_aside(order: &Order<'_>) -> Result<(), Fault> {
    for directory in order.published.iter().filter(|directory| directory.exists()) {
        let mut aside = directory.as_os_str().to_owned();
        aside.push(format!(".before-restore-{}", order.now.0));
        fs::rename(directory, &aside).map_err(Fault::io("rename", directory))?;
        sync_parent(directory)?;
    }
    Ok(())
}

/// The store is no longer the one over which the relay has signed, and a loss that was accepted
/// before was that of another journal: the relay asks its witnesses before it signs anything (see
/// `relay/incarnation.rs`).
fn forget_incarnation(order: &Order<'_>) -> Result<(), Fault> {
    if order.owner.desk.is_some() {
        return Ok(());
    }
    for path in [INCARNATION_FILE, ACCEPTANCE_FILE].map(|name| order.store.join(name)) {
        if path.exists() {
            fs::remove_file(&path).map_err(Fault::io("remove", &path))?;
        }
    }
    sync(order.store)
}

/// The operator gives up these records: the relay need not ask for what its witnesses have seen.
fn accept(order: &Order<'_>, given: Loss) -> Result<(), Fault> {
    if order.owner.desk.is_some() {
        return Ok(());
    }
    let path = order.store.join(ACCEPTANCE_FILE);
    let words = format!("records {given} were given up at a restore on {}\n", order.now);
    let written = fs::File::create(&path).and_then(|mut file| {
        file.write_all(words.as_bytes())?;
        file.sync_all()
    });
    written.map_err(Fault::io("write", &path))?;
    sync(order.store)
}

fn lock(disk: &RealDisk, directory: &Path) -> Result<Lock, Fault> {
    let lock = disk.lock(true).map_err(Fault::io("lock", directory))?;
    lock.ok_or_else(|| Fault::Busy(directory.to_owned()))
}

/// Names of the segments in a directory, in order.
fn segments(directory: &Path) -> Result<Vec<String>, Fault> {
    let list = RealDisk::existing(directory).list().map_err(Fault::io("list", directory))?;
    let mut names: Vec<String> = list.into_iter().filter(|name| name.ends_with(".seg")).collect();
    names.sort_unstable();
    Ok(names)
}

fn rename(from: &Path, to: &Path, name: &str) -> Result<(), Fault> {
    let old = from.join(name);
    fs::rename(&old, to.join(name)).map_err(Fault::io("rename", &old))
}
