//! A development network on one machine: every member, every key, in one directory.
//!
//! Not for real use: here one person makes the keys of all nations. Real members each run
//! `detente pki member` on their own premises and exchange public halves.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::authority::{Authority, LEAF_DAYS, RevocationList, Use};
use super::spec::{self, Spec as Public};
use super::{entry, files, sample, template};
use crate::envelope::genesis::{
    self, EncryptionKey, FoundingDesk, FoundingMember, FoundingOfficer, LogKey, SUCCESSION_MAX,
};
use crate::envelope::words::Role;
use crate::envelope::{DecryptionKey, SigningKey};
use crate::identity::keyfile::Kind;
use crate::identity::{Unlock, uri};
use crate::tlog::VerifierKey;
use crate::units::{DAY_MS, DeskId, Hash, MemberId, Name, Timestamp};

/// Days that officers' and desks' keys are valid in a development network.
const KEY_DAYS: i64 = 3_650;
/// Days a development member preserves at least.
const PRESERVATION_DAYS: u32 = 90;
/// The officers of a development desk, in order, and what they may sign.
const OFFICERS: [(&str, &[Role]); 2] = [
    ("chief", &[Role::Request, Role::Answer, Role::Approve]),
    ("duty", &[Role::Request, Role::Answer]),
];

/// What a development network is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Its name.
    pub network: Name,
    /// Its members, with a name for people where the sample's will not do.
    pub members: BTreeMap<MemberId, Option<String>>,
    /// The desks of each.
    pub desks: Vec<Name>,
    /// The relay's port for desks; the operator's and the metrics' are the next two. 0 lets the
    /// system choose all three.
    pub port: u16,
}

impl Spec {
    /// A network of these members ("NL"), each with the one desk "cyber", on ports of the
    /// system's choice. For tests and the demo.
    ///
    /// # Errors
    /// When a name is not one.
    pub fn new(network: &str, members: &[&str]) -> Result<Self> {
        let members: Result<_, _> =
            members.iter().map(|text| text.parse().map(|member| (member, None))).collect();
        let desks = vec!["cyber".parse()?];
        Ok(Self { network: network.parse()?, members: members?, desks, port: 0 })
    }

    /// The same on three ports in a row that nobody uses now, so that the files name the ports
    /// and a relay can be stopped and started again.
    #[must_use]
    pub fn on_free_ports(self) -> Self {
        let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        // Below the range from which Linux takes ports for outgoing connections.
        let start = 10_000 + u16::try_from(std::process::id() % 2_000).unwrap_or(0) * 10;
        let port = (start..32_000).step_by(3).find(|port| (*port..port + 3).all(free));
        Self { port: port.unwrap_or(0), ..self }
    }
}

/// The two times with which a network is made: those of a network that lives on the wall clock are
/// the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moments {
    /// The wall clock, by which certificates and revocation lists are issued.
    pub wall: Timestamp,
    /// The network's own time, by which the genesis is drawn up and the keys of officers and
    /// desks begin.
    pub network: Timestamp,
}

impl From<Timestamp> for Moments {
    fn from(now: Timestamp) -> Self {
        Self { wall: now, network: now }
    }
}

/// A development network that stands on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevNetwork {
    /// Where.
    pub directory: PathBuf,
    /// The signed genesis.
    pub genesis: PathBuf,
    /// Its hash, which every configuration pins.
    pub hash: Hash,
    /// The relay's configuration.
    pub relay_config: PathBuf,
    /// The desks' configurations.
    pub desk_configs: BTreeMap<DeskId, PathBuf>,
}

/// Makes a development network in `dir`, which must be empty or not there.
///
/// # Errors
/// In words.
pub fn dev_network(dir: &Path, spec: &Spec, now: impl Into<Moments>) -> Result<DevNetwork> {
    dev_network_with(dir, spec, now, |_| {})
}

/// As [`dev_network`]; `change` may change what each party says about itself before the genesis is
/// drawn up. Their `public.toml` stay as they were made.
///
/// # Errors
/// In words.
pub fn dev_network_with(
    dir: &Path,
    spec: &Spec,
    now: impl Into<Moments>,
    change: impl FnMut(&mut Public),
) -> Result<DevNetwork> {
    let now = now.into();
    if spec.members.is_empty() || spec.desks.is_empty() {
        bail!("a network needs at least one member and one desk (--member NL)");
    }
    if dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty; give a new directory", dir.display());
    }
    let mut publics = vec![make_relay(dir, &spec.network, now.wall)?];
    let mut national = Vec::new();
    for (member, name) in &spec.members {
        let made = make_member(dir, &spec.network, *member, name.as_deref(), &spec.desks, now)?;
        publics.push(made.public);
        national.push(made.key);
        let list = files::read(&files::list(dir, *member))?;
        files::create(&files::relay_list(dir, *member), 0o644, &list)?;
    }
    publics.iter_mut().for_each(change);
    let genesis = spec::genesis(&publics, now.network)?;
    let bytes = genesis::render(&genesis)?;
    let signatures: Vec<_> = national.iter().map(|key| genesis::sign(&bytes, key)).collect();
    let hash = genesis::hash(&bytes);
    let path = dir.join("genesis.bin");
    files::create(&path, 0o644, &genesis::assemble(bytes, &signatures))?;
    files::create(&dir.join("genesis.sha256"), 0o644, format!("{hash}\n").as_bytes())?;
    configure(dir, &spec.network, hash, spec.port)
}

/// Writes the configurations of every party whose keys lie in `dir`, for the genesis with this
/// hash in `dir/genesis.bin`.
///
/// # Errors
/// When a configuration is there already, or cannot be written.
pub(super) fn configure(dir: &Path, network: &Name, hash: Hash, port: u16) -> Result<DevNetwork> {
    let relay_config = files::relay(dir).join("relay.toml");
    if files::relay(dir).is_dir() {
        files::create(&relay_config, 0o644, template::relay(network, hash, port).as_bytes())?;
    }
    let mut desk_configs = BTreeMap::new();
    for desk in desks(dir)? {
        let path = files::desk(dir, &desk).join("desk.toml");
        files::create(&path, 0o644, template::desk(&desk, hash, port).as_bytes())?;
        desk_configs.insert(desk, path);
    }
    let genesis = dir.join("genesis.bin");
    Ok(DevNetwork { directory: dir.to_owned(), genesis, hash, relay_config, desk_configs })
}

/// The desks whose keys lie in `dir`.
///
/// # Errors
/// When a directory cannot be read.
pub(super) fn desks(dir: &Path) -> Result<Vec<DeskId>> {
    let mut desks = Vec::new();
    let Ok(members) = dir.join("members").read_dir() else { return Ok(desks) };
    for member in members {
        let member = member?;
        let Some(id) = member.file_name().to_str().and_then(|l| MemberId::from_label(l).ok())
        else {
            continue;
        };
        for desk in member.path().read_dir()? {
            let desk = desk?;
            let name = desk.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(name) = name
                && desk.path().join("desk.key").is_file()
            {
                desks.push(DeskId { member: id, name });
            }
        }
    }
    desks.sort();
    Ok(desks)
}

/// A member just made.
pub struct MadeMember {
    /// Its public half.
    pub public: Public,
    /// Its national key.
    pub key: SigningKey,
}

/// Makes the relay's authority, certificate and keys in `dir/relay`, and its public half.
///
/// # Errors
/// When something is there already, or cannot be written.
pub fn make_relay(dir: &Path, network: &Name, now: Timestamp) -> Result<Public> {
    let relay = files::relay(dir);
    let unlock = files::make_unlocked_directory(&relay)?;
    files::make_directory(&relay.join("crl"))?;
    let (authority, own) = Authority::create("relay", network, now)?;
    files::create(&relay.join("ca.crt.pem"), 0o644, own.pem.as_bytes())?;
    let key = relay.join("ca.key");
    files::create_key(&key, Kind::Authority, "relay authority", &own.key, &unlock)?;
    let list = authority.revocation_list(&RevocationList::first(now))?;
    files::create(&relay.join("relay.crl.pem"), 0o644, list.as_bytes())?;
    let issued = authority.issue(&uri::render_relay(network), Use::Relay, LEAF_DAYS, now)?;
    files::create(&relay.join("relay.crt.pem"), 0o644, issued.pem.as_bytes())?;
    files::create_key(&relay.join("relay.key"), Kind::Tls, "relay", &issued.key, &unlock)?;
    let mut log_keys = Vec::new();
    for log in ["directory", "traffic"] {
        let path = relay.join(format!("log-{log}.key"));
        let key = make_signer(&path, &format!("{log} log of {network}"), &unlock)?;
        log_keys.push(LogKey { log: log.to_owned(), key: key.public() });
    }
    let public = Public::of_relay(network, &[own.der], &log_keys);
    files::create(&relay.join("public.toml"), 0o644, public.render()?.as_bytes())?;
    Ok(public)
}

/// Makes the next key of a log ("directory", "traffic") in `dir/relay`; answers its file and its
/// public half.
///
/// # Errors
/// In words: there is no such log or relay, or the key cannot be written.
pub fn log_key(dir: &Path, log: &str) -> Result<(PathBuf, VerifierKey)> {
    let relay = files::relay(dir);
    let public = String::from_utf8(files::read(&relay.join("public.toml"))?)?;
    let network: Name = Public::parse(&public)?.network.parse()?;
    if !["directory", "traffic"].contains(&log) {
        bail!("there is no log {log:?}: say directory or traffic");
    }
    let unlock = files::unlock(&relay)?;
    let free = (2..=SUCCESSION_MAX).map(|n| relay.join(format!("log-{log}-{n}.key")));
    let path = free.into_iter().find(|path| !path.exists());
    let path = path.with_context(|| format!("{} has too many keys", relay.display()))?;
    let key = make_signer(&path, &format!("{log} log of {network}"), &unlock)?;
    let key = LogKey { log: log.to_owned(), key: key.public() };
    let verifier = genesis::log_key(&network, &key).context("it is no key of a log")?;
    Ok((path, verifier))
}

/// Makes a member's authority, national key, revocation list and desks in `dir/members/..`, and
/// its public half.
///
/// # Errors
/// When something is there already, or cannot be written.
pub fn make_member(
    dir: &Path,
    network: &Name,
    member: MemberId,
    name: Option<&str>,
    desks: &[Name],
    now: impl Into<Moments>,
) -> Result<MadeMember> {
    let now = now.into();
    let at = files::member(dir, member);
    let unlock = files::make_unlocked_directory(&at)?;
    let (authority, own) = Authority::create(&member.to_string(), network, now.wall)?;
    files::create(&at.join("ca.crt.pem"), 0o644, own.pem.as_bytes())?;
    let whose = format!("{member} authority");
    files::create_key(&at.join("ca.key"), Kind::Authority, &whose, &own.key, &unlock)?;
    let key = make_signer(&at.join("national.key"), &format!("{member} national"), &unlock)?;
    let list = authority.revocation_list(&RevocationList::first(now.wall))?;
    files::create(&files::list(dir, member), 0o644, list.as_bytes())?;
    let sample = sample::of(member);
    let mut names = desks.to_vec();
    names.sort();
    let mut founding = Vec::new();
    for name in names {
        let desk = DeskId { member, name };
        founding.push(make_desk(dir, network, &desk, &authority, &sample, now)?);
    }
    let mut instruments = sample.instruments.clone();
    instruments.sort();
    let founding = FoundingMember {
        id: member,
        display_name: name.unwrap_or(&sample.display_name).to_owned(),
        ca: vec![own.der],
        national_key: key.public(),
        instruments,
        preservation_days_min: PRESERVATION_DAYS,
        desks: founding,
    };
    let public = Public::of_member(network, &founding);
    files::create(&at.join("public.toml"), 0o644, public.render()?.as_bytes())?;
    let entry = entry::first(&founding, &sample);
    files::create(&at.join("entry.toml"), 0o644, entry.as_bytes())?;
    Ok(MadeMember { public, key })
}

/// Makes a desk's certificate and keys in a directory of its own.
///
/// # Errors
/// When something is there already, or cannot be written.
pub(super) fn make_desk(
    dir: &Path,
    network: &Name,
    desk: &DeskId,
    authority: &Authority,
    sample: &sample::Sample,
    now: Moments,
) -> Result<FoundingDesk> {
    let at = files::desk(dir, desk);
    let unlock = files::make_unlocked_directory(&at)?;
    let issued =
        authority.issue(&uri::render_desk(desk, network), Use::Desk, LEAF_DAYS, now.wall)?;
    files::create(&at.join("desk.crt.pem"), 0o644, issued.pem.as_bytes())?;
    files::create_key(&at.join("tls.key"), Kind::Tls, &desk.to_string(), &issued.key, &unlock)?;
    let key = make_signer(&at.join("desk.key"), &desk.to_string(), &unlock)?;
    let witness = make_signer(&at.join("witness.key"), &format!("{desk} witness"), &unlock)?;
    let seed = files::random()?;
    let path = at.join("encryption.key");
    files::create_key(&path, Kind::Hpke, &desk.to_string(), &seed, &unlock)?;
    // Keys begin as early as the certificates, and in whole seconds, as a file prints them.
    let (from, until) = (now.network.plus_ms(-DAY_MS), now.network.plus_ms(KEY_DAYS * DAY_MS));
    let public = DecryptionKey::from_seed(seed).public().to_vec();
    files::make_directory(&at.join("officers"))?;
    let mut officers = Vec::new();
    for (name, roles) in OFFICERS {
        let path = at.join("officers").join(format!("{name}.key"));
        let key = make_signer(&path, &format!("{desk}/{name}"), &unlock)?.public();
        officers.push(FoundingOfficer {
            name: name.parse()?,
            key,
            roles: roles.to_vec(),
            from,
            until,
        });
    }
    Ok(FoundingDesk {
        name: desk.name.clone(),
        organisation: format!("24/7 {} desk of {} (sample)", desk.name, sample.display_name),
        time_zone: sample.time_zone.to_owned(),
        languages: sample.languages.iter().map(|&tag| tag.to_owned()).collect(),
        desk_key: key.public(),
        encryption_keys: vec![EncryptionKey::new(public, from, until)?],
        officers,
        witness_key: Some(witness.public()),
    })
}

/// Makes a signing key.
///
/// # Errors
/// When the file is there already, or cannot be written.
pub(super) fn make_signer(path: &Path, name: &str, unlock: &Unlock) -> Result<SigningKey> {
    let seed = files::random()?;
    files::create_key(path, Kind::Ed25519, name, &seed, unlock)?;
    Ok(SigningKey::from_seed(seed))
}
