//! What an operator writes: `relay.toml` and `desk.toml`, read and resolved.
//!
//! Not for opening anything: no address is bound and no named file is read here. Values that come
//! out are within their ranges, contradictions are refused, paths are resolved against the
//! directory of the file they stand in, and a secret is only ever the path of one.

mod desk;
mod place;
pub mod reference;
mod relay;
mod value;

use std::fmt;
use std::path::{Path, PathBuf};

pub use desk::{Counter, Desk, DeskListen, DeskStore, Keys, Officer, RelayAddress, Tls as DeskTls};
pub use relay::{Limits, Listen, Logs, Publish, Relay, Tls as RelayTls};
use serde::Deserialize;
use serde::de::DeserializeOwned;
pub use value::{HostPort, SYSTEM_AUTHORITIES};

use crate::units::Hash;

/// A configuration that cannot be used: where, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The file.
    pub file: PathBuf,
    /// Line and column, both from 1; none when the file could not be read at all.
    pub place: Option<(usize, usize)>,
    /// The key, as "listen.operator"; empty when no key is concerned.
    pub key: String,
    /// Why it cannot be used.
    pub why: String,
    /// What to do next, in a sentence.
    pub next: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ", line {line}, column {column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ", {}", self.key)?;
        }
        write!(f, ": {}", self.why)
    }
}

impl std::error::Error for Invalid {}

/// `[network]`: which network, and the genesis that founds it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Path of the signed genesis. Mandatory.
    pub genesis: PathBuf,
    /// The genesis' hash, 64 lower-case hexadecimal digits, got by another way than the file
    /// itself: it says which network this is. Mandatory.
    #[serde(deserialize_with = "value::parsed")]
    pub genesis_sha256: Hash,
    /// Path of a policy (C2SP tlog-policy): which witnesses must have cosigned a head of the logs
    /// before it is believed. Default: more than two thirds of the committee that the genesis
    /// states (`detente genesis policy` prints it).
    pub policy: Option<PathBuf>,
}

impl Network {
    fn resolve(&mut self, directory: &Path) {
        absolute(&mut self.genesis, directory);
        if let Some(policy) = &mut self.policy {
            absolute(policy, directory);
        }
    }
}

/// `[unlock]`: where the secret is that opens the keys at rest. Exactly one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unlock {
    /// Path of a file that only its owner can read.
    pub file: Option<PathBuf>,
    /// Name of a systemd credential (`LoadCredential=`, `LoadCredentialEncrypted=`).
    pub credential: Option<String>,
}

/// `[store]` of a relay: where the journal and the tables lie.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The directory; made when it is not there. The journal lies in `journal/`, what can be
    /// derived from it in `tables/`. One process at a time. Mandatory.
    pub directory: PathBuf,
    /// Memory that the tables may keep as cache, in bytes: 1 MiB to 1 GiB, default 32 MiB. It
    /// holds the rows of about 50,000 requests at 600 bytes each.
    #[serde(default = "value::tables_cache_default", deserialize_with = "value::tables_cache")]
    pub tables_cache_bytes: u64,
    /// Size of a file of the journal, in bytes: 4 MiB to 1 GiB, default 64 MiB. It is allocated
    /// whole, so that much must be free when the last one is full: less on a small disk.
    #[serde(default = "value::segment_default", deserialize_with = "value::segment")]
    pub journal_segment_bytes: u64,
}

/// `[log]`: what is logged, and how. Content never is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Directives as of tracing's `EnvFilter` ("info,detente::relay=debug"). Default "info".
    pub filter: String,
    /// "text" for people, "json" for collectors. Default "text".
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Relay {
    /// Reads `relay.toml`.
    ///
    /// # Errors
    /// [`Invalid`], with file, line, column, key and what to do.
    pub fn read(file: &Path) -> Result<Self, Invalid> {
        read(file, Self::parse)
    }

    /// Reads the text of a `relay.toml` that stands in `file`.
    ///
    /// # Errors
    /// [`Invalid`], with file, line, column, key and what to do.
    pub fn parse(text: &str, file: &Path) -> Result<Self, Invalid> {
        let mut config: Self = parse(text, file)?;
        config.resolve(&directory_of(file));
        config.check().map_err(|clash| clash.in_text(text, file))?;
        Ok(config)
    }
}

impl Desk {
    /// Reads `desk.toml`.
    ///
    /// # Errors
    /// [`Invalid`], with file, line, column, key and what to do.
    pub fn read(file: &Path) -> Result<Self, Invalid> {
        read(file, Self::parse)
    }

    /// Reads the text of a `desk.toml` that stands in `file`.
    ///
    /// # Errors
    /// [`Invalid`], with file, line, column, key and what to do.
    pub fn parse(text: &str, file: &Path) -> Result<Self, Invalid> {
        let mut config: Self = parse(text, file)?;
        config.resolve(&directory_of(file));
        config.check().map_err(|clash| clash.in_text(text, file))?;
        Ok(config)
    }
}

/// A configuration of either kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Either {
    /// A relay's.
    Relay(Box<Relay>),
    /// A desk's.
    Desk(Box<Desk>),
}

impl Either {
    /// "relay" or "desk".
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Relay(_) => "relay",
            Self::Desk(_) => "desk",
        }
    }

    /// Reads a `relay.toml` or a `desk.toml`: the latter says on top which desk it is of.
    ///
    /// # Errors
    /// [`Invalid`], with file, line, column, key and what to do.
    pub fn read(file: &Path) -> Result<Self, Invalid> {
        read(file, |text, file| {
            let table: toml::Table = parse(text, file)?;
            if ["desk", "officer", "counter"].iter().any(|key| table.contains_key(*key)) {
                Desk::parse(text, file).map(|desk| Self::Desk(Box::new(desk)))
            } else {
                Relay::parse(text, file).map(|relay| Self::Relay(Box::new(relay)))
            }
        })
    }

    /// Which network.
    pub fn network(&self) -> &Network {
        match self {
            Self::Relay(relay) => &relay.network,
            Self::Desk(desk) => &desk.network,
        }
    }

    /// Where the secret is that opens the keys.
    pub fn unlock(&self) -> &Unlock {
        match self {
            Self::Relay(relay) => &relay.unlock,
            Self::Desk(desk) => &desk.unlock,
        }
    }

    /// The directory of the store.
    pub fn store(&self) -> &Path {
        match self {
            Self::Relay(relay) => &relay.store.directory,
            Self::Desk(desk) => &desk.store.directory,
        }
    }
}

/// Two keys, or a key and the world, that contradict each other.
struct Clash {
    key: &'static str,
    why: String,
    next: String,
}

impl Clash {
    fn new(key: &'static str, why: impl Into<String>, next: impl Into<String>) -> Self {
        Self { key, why: why.into(), next: next.into() }
    }

    fn in_text(self, text: &str, file: &Path) -> Invalid {
        Invalid {
            file: file.to_owned(),
            place: Some(place::of_key(text, self.key)),
            key: self.key.to_owned(),
            why: self.why,
            next: self.next,
        }
    }
}

impl Unlock {
    fn check(&self) -> Result<(), Clash> {
        let next = "keep one of unlock.file and unlock.credential";
        match (&self.file, &self.credential) {
            (Some(_), Some(_)) => {
                Err(Clash::new("unlock.credential", "unlock.file is there as well", next))
            }
            (None, None) => Err(Clash::new("unlock", "neither file nor credential", next)),
            (Some(_), None) => Ok(()),
            (None, Some(name)) if is_credential_name(name) => Ok(()),
            (None, Some(_)) => Err(Clash::new(
                "unlock.credential",
                "a credential's name is 1 to 255 of letters, digits, '.', '_' and '-'",
                "give the name that stands in LoadCredential= of the unit, not a path",
            )),
        }
    }

    fn resolve(&mut self, directory: &Path) {
        if let Some(file) = &mut self.file {
            absolute(file, directory);
        }
    }
}

/// The name becomes a file name under the credentials' directory: it must not lead out of it.
fn is_credential_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && !name.starts_with('.')
}

fn read<T>(file: &Path, parse: fn(&str, &Path) -> Result<T, Invalid>) -> Result<T, Invalid> {
    let text = std::fs::read_to_string(file).map_err(|error| Invalid {
        file: file.to_owned(),
        place: None,
        key: String::new(),
        why: error.to_string(),
        next: "check the path given with --config and who may read the file".to_owned(),
    })?;
    parse(&text, file)
}

fn parse<T: DeserializeOwned>(text: &str, file: &Path) -> Result<T, Invalid> {
    toml::from_str(text).map_err(|error| {
        let (place, key) = place::of_error(text, &error);
        Invalid {
            file: file.to_owned(),
            place: Some(place),
            key,
            why: error.message().to_owned(),
            next: place::advice(error.message()).to_owned(),
        }
    })
}

/// The directory that relative paths start from.
fn directory_of(file: &Path) -> PathBuf {
    let directory = file.parent().unwrap_or(Path::new("")).to_owned();
    std::path::absolute(&directory).unwrap_or(directory)
}

fn absolute(path: &mut PathBuf, directory: &Path) {
    *path = directory.join(&*path);
}

#[cfg(test)]
mod tests;
