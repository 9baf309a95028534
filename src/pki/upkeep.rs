//! What is done to a network that stands: certificates renewed and revoked, lists issued again,
//! configurations written.
//!
//! Not for making one: see `network.rs`.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use data_encoding::HEXLOWER;

use super::authority::{Authority, Issued, LEAF_DAYS, RevocationList, Use};
use super::files;
use super::network::{self, DevNetwork};
use super::spec::Spec as Public;
use crate::envelope::SigningKey;
use crate::envelope::genesis;
use crate::identity::keyfile::{self, Kind, Secret};
use crate::identity::{Unlock, certificate, now, uri};
use crate::units::{DeskId, MemberId, Name, Timestamp};

/// Whose authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    /// The relay's.
    Relay,
    /// A member's.
    Member(MemberId),
}

/// Writes the configurations of the parties in `dir` for the genesis `dir/genesis.bin`, which was
/// drawn up together.
///
/// # Errors
/// In words: not all have signed, or a configuration is there already.
pub fn configure(dir: &Path, port: u16) -> Result<DevNetwork> {
    let signed = files::read(&dir.join("genesis.bin"))?;
    let genesis = genesis::parse(&signed)?;
    genesis::verify(&signed, &genesis).context("not every member has signed the genesis")?;
    network::configure(dir, &genesis.network, genesis.hash, port)
}

/// Issues one more certificate of a desk into a directory of its own; answers its serial number.
///
/// # Errors
/// In words: the directory is there already, or the authority's key is not.
pub fn issue(dir: &Path, desk: &DeskId, to: &Path) -> Result<String> {
    let (network, authority) = open_member(dir, desk.member)?;
    let issued = authority.issue(&uri::render_desk(desk, &network), Use::Desk, LEAF_DAYS, now())?;
    let unlock = files::make_unlocked_directory(to)?;
    files::create(&to.join("desk.crt.pem"), 0o644, issued.pem.as_bytes())?;
    files::create_key(&to.join("tls.key"), Kind::Tls, &desk.to_string(), &issued.key, &unlock)?;
    Ok(HEXLOWER.encode(&issued.serial))
}

/// Replaces a desk's certificate and key; answers until when the new one is valid.
///
/// The old certificate stays valid until its end: revoke it first if its key may be known.
///
/// # Errors
/// In words; then nothing has changed, or only the key has, which `renew` repairs.
pub fn renew_desk(dir: &Path, desk: &DeskId, now: Timestamp) -> Result<Timestamp> {
    let (network, authority) = open_member(dir, desk.member)?;
    let issued = authority.issue(&uri::render_desk(desk, &network), Use::Desk, LEAF_DAYS, now)?;
    let at = files::desk(dir, desk);
    replace_pair(&at.join("desk.crt.pem"), &at.join("tls.key"), &issued, &files::unlock(&at)?)
}

/// Replaces the relay's certificate and key; answers until when the new one is valid.
///
/// # Errors
/// As [`renew_desk`].
pub fn renew_relay(dir: &Path) -> Result<Timestamp> {
    let (network, authority) = open_relay(dir)?;
    let issued = authority.issue(&uri::render_relay(&network), Use::Relay, LEAF_DAYS, now())?;
    let at = files::relay(dir);
    let unlock = files::unlock(&at)?;
    replace_pair(&at.join("relay.crt.pem"), &at.join("relay.key"), &issued, &unlock)
}

/// The national key of a member whose keys lie in `dir`, and the text of its first entry, which is
/// sample data.
///
/// # Errors
/// In words: either cannot be read.
pub fn national(dir: &Path, member: MemberId) -> Result<(SigningKey, String)> {
    let at = files::member(dir, member);
    let secret = keyfile::read(&at.join("national.key"), Kind::Ed25519, &files::unlock(&at)?)?;
    let key = SigningKey::from_seed(*secret.seed()?);
    let text = String::from_utf8(files::read(&at.join("entry.toml"))?)
        .with_context(|| format!("the entry of {member} is not text"))?;
    Ok((key, text))
}

/// Puts a desk's certificate on its nation's revocation list, here and at the relay; answers its
/// serial number.
///
/// # Errors
/// In words; then nothing has changed, or only the nation's own copy, which `crl` repairs.
pub fn revoke_desk(
    dir: &Path,
    desk: &DeskId,
    certificate: Option<&Path>,
    now: Timestamp,
) -> Result<String> {
    let own = files::desk(dir, desk).join("desk.crt.pem");
    let path = certificate.unwrap_or(&own);
    let pem = files::read(path)?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(&pem)
        .with_context(|| format!("{} is not PEM", path.display()))?;
    let leaf = certificate::parse(&pem.contents)
        .with_context(|| format!("{} is not a desk's certificate", path.display()))?;
    let named = uri::Uri::Desk { desk: desk.clone(), network: leaf.uri.network().clone() };
    if leaf.uri != named {
        bail!("{} is a certificate of {}, not of {desk}", path.display(), leaf.uri);
    }
    next_list(dir, desk.member, Some(leaf.serial.clone()), now)?;
    Ok(HEXLOWER.encode(&leaf.serial))
}

/// Issues a revocation list again.
///
/// # Errors
/// In words.
pub fn reissue_list(dir: &Path, whose: Issuer) -> Result<RevocationList> {
    match whose {
        Issuer::Member(member) => next_list(dir, member, None, now()),
        Issuer::Relay => {
            let (_, authority) = open_relay(dir)?;
            let path = files::relay(dir).join("relay.crl.pem");
            let list = RevocationList::parse(&files::read(&path)?)?.next(None, now());
            files::replace(&path, 0o644, authority.revocation_list(&list)?.as_bytes())?;
            Ok(list)
        }
    }
}

fn next_list(
    dir: &Path,
    member: MemberId,
    serial: Option<Vec<u8>>,
    now: Timestamp,
) -> Result<RevocationList> {
    let (_, authority) = open_member(dir, member)?;
    let path = files::list(dir, member);
    let old = RevocationList::parse(&files::read(&path)?)
        .with_context(|| format!("{} is not a list of ours", path.display()))?;
    let list = old.next(serial, now);
    let pem = authority.revocation_list(&list)?;
    files::replace(&path, 0o644, pem.as_bytes())?;
    let relay = files::relay_list(dir, member);
    // Absent on the premises of a member that hosts no relay: it sends the file.
    if relay.parent().is_some_and(Path::is_dir) {
        files::replace(&relay, 0o644, pem.as_bytes())?;
    }
    Ok(list)
}

fn replace_pair(path: &Path, key: &Path, issued: &Issued, unlock: &Unlock) -> Result<Timestamp> {
    let leaf = certificate::parse(&issued.der)?;
    let secret = Secret::new(Kind::Tls, leaf.uri.to_string(), issued.key.clone());
    // A program that reads between the two keeps what it has: they do not fit.
    files::replace(key, 0o600, keyfile::render(&secret, unlock).as_bytes())?;
    files::replace(path, 0o644, issued.pem.as_bytes())?;
    Ok(leaf.not_after)
}

/// A member's network, and its authority.
///
/// # Errors
/// In words.
pub(super) fn open_member(dir: &Path, member: MemberId) -> Result<(Name, Authority)> {
    open(&files::member(dir, member), &member.to_string())
}

fn open_relay(dir: &Path) -> Result<(Name, Authority)> {
    open(&files::relay(dir), "relay")
}

fn open(at: &Path, whose: &str) -> Result<(Name, Authority)> {
    let public = String::from_utf8(files::read(&at.join("public.toml"))?)?;
    let network: Name = Public::parse(&public)?.network.parse()?;
    let path = at.join("ca.key");
    let key = keyfile::read(&path, Kind::Authority, &files::unlock(at)?)
        .with_context(|| format!("cannot open {}", path.display()))?;
    let authority = Authority::open(whose, &network, key.bytes())?;
    Ok((network, authority))
}
