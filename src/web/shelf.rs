//! What lies under which path.
//!
//! Not for connections. Partial tiles and bundles are cut from wider ones where they are no longer
//! there as files: of every size up to that of the newest head, so of every size that had one.

use std::path::PathBuf;

use crate::audit::{CHECKPOINT, Damage, Fault, Files};
use crate::codec::Log;
use crate::tlog::Checkpoint;
use crate::tlog::tile::Resource;

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The newest head.
    Checkpoint(Vec<u8>),
    /// A tile or a bundle. It never changes.
    Part(Vec<u8>),
    /// Nothing.
    Missing,
}

/// The directory with the published logs.
#[derive(Debug, Clone)]
pub struct Shelf {
    root: PathBuf,
}

impl Shelf {
    /// The logs in this directory.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// What is at a path, as "/traffic/tile/0/000.p/3". Blocks.
    ///
    /// # Errors
    /// When the disk cannot be read, or what is there is damaged.
    pub fn answer(&self, path: &str) -> Result<Answer, Fault> {
        let named = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        let Some((log, rest)) = named else { return Ok(Answer::Missing) };
        let Some(log) = Log::ALL.into_iter().find(|known| known.as_str() == log) else {
            return Ok(Answer::Missing);
        };
        let files = Files::new(self.root.join(log.as_str()));
        if rest == CHECKPOINT {
            return Ok(match files.checkpoint() {
                Ok(note) => Answer::Checkpoint(note.to_string().into_bytes()),
                Err(Fault::Damaged(Damage::Missing { .. })) => Answer::Missing,
                Err(fault) => return Err(fault),
            });
        }
        let Ok(resource) = rest.parse::<Resource>() else { return Ok(Answer::Missing) };
        match part(&files, resource) {
            // A newer head came in between, and took the files of an older one with it.
            Err(Fault::Damaged(Damage::Missing { .. })) => part(&files, resource),
            other => other,
        }
    }
}

fn part(files: &Files, resource: Resource) -> Result<Answer, Fault> {
    let note = match files.checkpoint() {
        Ok(note) => note,
        Err(Fault::Damaged(Damage::Missing { .. })) => return Ok(Answer::Missing),
        Err(fault) => return Err(fault),
    };
    let head: Result<Checkpoint, _> = note.text().parse();
    let head = head.map_err(|bad| {
        let (file, why) = (CHECKPOINT.to_owned(), bad.to_string());
        Fault::Damaged(Damage::Unreadable { file, why })
    })?;
    let part = files.part(resource, head.size())?;
    Ok(part.map_or(Answer::Missing, Answer::Part))
}
