//! New keys for a desk that stands, and a new desk for a member that stands: made here, and made
//! known by the nation's next entry.
//!
//! Not for publishing them: what is given back is the text that goes into the entry (see
//! `detente desk directory edit`). Nothing here touches a configuration or a key that is in use.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::authority::BACKDATE_MS;
use super::{entry, files, network, sample, template, upkeep};
use crate::envelope::DecryptionKey;
use crate::envelope::entry::text;
use crate::envelope::genesis::{self, EncryptionKey, FoundingOfficer};
use crate::envelope::words::Role;
use crate::identity::keyfile::Kind;
use crate::units::{DAY_MS, Day, DeskId, Name, Timestamp};

/// A key just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeKey {
    /// Its file, encrypted at rest.
    pub file: PathBuf,
    /// What the nation's entry says of it: TOML, to be put into the desk's part.
    pub entry: String,
}

/// A desk just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeDesk {
    /// Its directory, with certificate and keys.
    pub directory: PathBuf,
    /// Its configuration; none where no genesis lies in the network's directory.
    pub config: Option<PathBuf>,
    /// What the nation's entry says of it: TOML, to be put at its end.
    pub entry: String,
}

/// Makes a key for an officer: a new one, or the next one of an officer there is.
///
/// # Errors
/// In words: the desk is not here, or the file cannot be written. Then nothing has changed.
pub fn officer_key(
    dir: &Path,
    desk: &DeskId,
    name: &Name,
    roles: &[Role],
    days: u32,
    now: Timestamp,
) -> Result<MadeKey> {
    let at = present(dir, desk)?.join("officers");
    files::make_directory(&at)?;
    let file = vacant(&at, name.as_str(), now)?;
    let unlock = files::unlock(&files::desk(dir, desk))?;
    let key = network::make_signer(&file, &format!("{desk}/{name}"), &unlock)?.public();
    let (from, until) = validity(days, now);
    let mut roles = roles.to_vec();
    roles.sort();
    roles.dedup();
    let officer = FoundingOfficer { name: name.clone(), key, roles, from, until };
    Ok(MadeKey { file, entry: text::new_officer(&officer) })
}

/// Makes a key to which bodies for a desk are sealed.
///
/// # Errors
/// As [`officer_key`].
pub fn encryption_key(dir: &Path, desk: &DeskId, days: u32, now: Timestamp) -> Result<MadeKey> {
    let at = present(dir, desk)?;
    let file = vacant(&at, "encryption", now)?;
    let seed = files::random()?;
    let (from, until) = validity(days, now);
    let public = DecryptionKey::from_seed(seed).public().to_vec();
    let key = EncryptionKey::new(public, from, until)?;
    files::create_key(&file, Kind::Hpke, &desk.to_string(), &seed, &files::unlock(&at)?)?;
    Ok(MadeKey { file, entry: text::new_encryption_key(&key) })
}

/// Makes a key for a desk's machine, to take the place of the one before.
///
/// # Errors
/// As [`officer_key`].
pub fn desk_key(dir: &Path, desk: &DeskId, now: Timestamp) -> Result<MadeKey> {
    let at = present(dir, desk)?;
    let file = vacant(&at, "desk", now)?;
    let key = network::make_signer(&file, &desk.to_string(), &files::unlock(&at)?)?;
    Ok(MadeKey { file, entry: text::new_desk_key(&key.public()) })
}

/// Makes one more desk of a member: certificate, keys, two officers, and, where the genesis lies in
/// `dir`, a configuration for a relay on this port of this machine. How it is reached is sample
/// data.
///
/// # Errors
/// In words: it is there already, or the member's authority is not.
pub fn make_desk(dir: &Path, desk: &DeskId, port: u16, now: Timestamp) -> Result<MadeDesk> {
    let (network, authority) = upkeep::open_member(dir, desk.member)?;
    let sample = sample::of(desk.member);
    let others = network::desks(dir)?.iter().filter(|other| other.member == desk.member).count();
    let made = network::make_desk(dir, &network, desk, &authority, &sample, now.into())?;
    let entry = entry::joining(desk.member, &made, &sample, u32::try_from(others)?);
    let directory = files::desk(dir, desk);
    let signed = dir.join("genesis.bin");
    let config = if signed.is_file() {
        let config = directory.join("desk.toml");
        let hash = genesis::parse(&files::read(&signed)?)?.hash;
        files::create(&config, 0o644, template::desk(desk, hash, port).as_bytes())?;
        Some(config)
    } else {
        None
    };
    Ok(MadeDesk { directory, config, entry })
}

/// Where a desk's keys lie, if it is here.
fn present(dir: &Path, desk: &DeskId) -> Result<PathBuf> {
    let at = files::desk(dir, desk);
    if !at.join("desk.key").is_file() {
        bail!("{} has no keys of {desk}; detente pki desk makes a new desk", at.display());
    }
    Ok(at)
}

/// A key file of this name that is not there yet: the next one is named after its day.
fn vacant(at: &Path, name: &str, now: Timestamp) -> Result<PathBuf> {
    let day = Day::of(now);
    let names = [format!("{name}.key"), format!("{name}-{day}.key")];
    let numbered = (2..100).map(|n| format!("{name}-{day}-{n}.key"));
    let mut files = names.into_iter().chain(numbered).map(|name| at.join(name));
    match files.find(|file| !file.exists()) {
        Some(file) => Ok(file),
        None => bail!("{} has a hundred keys of {name} made today", at.display()),
    }
}

/// From a little earlier, so that clocks may differ; in whole seconds, as a file prints them.
fn validity(days: u32, now: Timestamp) -> (Timestamp, Timestamp) {
    let now = Timestamp(now.0 / 1_000 * 1_000);
    (now.plus_ms(-BACKDATE_MS), now.plus_ms(i64::from(days) * DAY_MS))
}
