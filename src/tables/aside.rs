//! Moves tables that are of no use out of the way, so that somebody can look at them.
//!
//! Not a backup: nothing in them matters.

use std::path::{Path, PathBuf};

use super::Fault;

/// How many are kept; the oldest go.
const KEPT_MAX: usize = 3;

/// Renames `dir` to `<dir>.damaged-<n>`, with the next free `n`, and removes the oldest beyond
/// [`KEPT_MAX`].
pub(super) fn move_aside(dir: &Path) -> Result<PathBuf, Fault> {
    let mut kept = numbered(dir)?;
    let next = kept.last().map_or(1, |(n, _)| n.saturating_add(1));
    let target = named(dir, next);
    std::fs::rename(dir, &target).map_err(|error| fault("move aside", dir, &error))?;
    kept.push((next, target.clone()));
    let surplus = kept.len().saturating_sub(KEPT_MAX);
    for (_, old) in kept.drain(..surplus) {
        std::fs::remove_dir_all(&old).map_err(|error| fault("remove", &old, &error))?;
    }
    Ok(target)
}

fn named(dir: &Path, n: u64) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    name.push(format!(".damaged-{n}"));
    PathBuf::from(name)
}

/// Those that are there, by number.
fn numbered(dir: &Path) -> Result<Vec<(u64, PathBuf)>, Fault> {
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let entries = std::fs::read_dir(parent).map_err(|error| fault("list", parent, &error))?;
    let own = dir.file_name().map(|name| format!("{}.damaged-", name.display()));
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| fault("list", parent, &error))?;
        let name = entry.file_name();
        let n = own.as_deref().and_then(|own| name.to_str()?.strip_prefix(own)?.parse().ok());
        found.extend(n.map(|n| (n, entry.path())));
    }
    found.sort();
    Ok(found)
}

pub(super) fn fault(doing: &'static str, path: &Path, error: &std::io::Error) -> Fault {
    Fault::Io { doing, path: path.display().to_string(), error: error.to_string() }
}
