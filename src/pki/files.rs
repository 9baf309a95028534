//! Where things lie in a development network, and how they are written.
//!
//! Not for what they hold. Directories with keys are their owner's alone; what exists is replaced
//! only by [`replace`], whole or not at all.
//!
//! ```text
//! DIR/genesis.bin  genesis.sha256  genesis.toml
//! DIR/relay/       relay.toml relay.crt.pem relay.key unlock crl/<label>.crl.pem
//!                  ca.crt.pem ca.key relay.crl.pem log-directory.key log-traffic.key public.toml
//! DIR/members/nl/  ca.crt.pem ca.key national.key unlock nl.crl.pem public.toml entry.toml
//! DIR/members/nl/cyber/
//!                  desk.toml desk.crt.pem tls.key desk.key encryption.key witness.key unlock
//!                  officers/{duty,chief}.key
//! ```

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::identity::Unlock;
use crate::identity::keyfile::{self, Kind, Secret};
use crate::units::{DeskId, MemberId};

/// Where a member's own things lie.
pub(super) fn member(dir: &Path, member: MemberId) -> PathBuf {
    dir.join("members").join(member.label())
}

/// Where a desk's things lie.
pub(super) fn desk(dir: &Path, desk: &DeskId) -> PathBuf {
    member(dir, desk.member).join(desk.name.as_str())
}

/// Where the relay's things lie.
pub(super) fn relay(dir: &Path) -> PathBuf {
    dir.join("relay")
}

/// A member's revocation list.
pub(super) fn list(dir: &Path, member: MemberId) -> PathBuf {
    self::member(dir, member).join(format!("{}.crl.pem", member.label()))
}

/// The relay's copy of it.
pub(super) fn relay_list(dir: &Path, member: MemberId) -> PathBuf {
    relay(dir).join("crl").join(format!("{}.crl.pem", member.label()))
}

/// Makes a directory that its owner alone may enter, with those above it.
///
/// # Errors
/// When it cannot be made.
pub(super) fn make_directory(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make the directory {}", path.display()))
}

/// Writes a new file with this mode; refuses to touch one that is there.
///
/// # Errors
/// When it exists or cannot be written.
pub(super) fn create(path: &Path, mode: u32, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Puts new bytes in the place of a file, or of none: whole or not at all.
///
/// # Errors
/// When they cannot be written.
pub(super) fn replace(path: &Path, mode: u32, bytes: &[u8]) -> Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let aside = PathBuf::from(aside);
    // Left by an earlier attempt that was interrupted.
    drop(fs::remove_file(&aside));
    create(&aside, mode, bytes)?;
    fs::rename(&aside, path).with_context(|| format!("cannot replace {}", path.display()))
}

/// Reads a file.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Makes a directory with an unlock secret of 32 random bytes.
///
/// # Errors
/// When it cannot be written, or has a secret already.
pub(super) fn make_unlocked_directory(path: &Path) -> Result<Unlock> {
    make_directory(path)?;
    let secret = random()?;
    let text = format!("{}\n", data_encoding::HEXLOWER.encode(&secret));
    create(&path.join("unlock"), 0o600, text.as_bytes())?;
    Ok(Unlock::from_random(&secret))
}

/// The unlock secret of a directory.
///
/// # Errors
/// When it cannot be read or others may read it.
pub(super) fn unlock(directory: &Path) -> Result<Unlock> {
    Ok(Unlock::from_file(&directory.join("unlock"))?)
}

/// Writes a new key file.
///
/// # Errors
/// When it exists or cannot be written.
pub(super) fn create_key(
    path: &Path,
    kind: Kind,
    name: &str,
    key: &[u8],
    unlock: &Unlock,
) -> Result<()> {
    keyfile::write(path, &Secret::new(kind, name, key.to_vec()), unlock)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// 32 random bytes.
///
/// # Errors
/// When the system has none.
pub(super) fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        bail!("the system has no randomness");
    }
    Ok(bytes)
}
