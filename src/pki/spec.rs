//! The public half of a network as a text file, from which a genesis is drawn up.
//!
//! Not for secrets: every field is public. Each member and the relay write their own file
//! (`public.toml`); `detente genesis create` takes them all together.
//!
//! ```toml
//! network = "detente-dev"
//! [relay]
//! authorities = ["<PEM>"]
//! log_keys = [{ log = "directory", key = "<hex>" }, { log = "traffic", key = "<hex>" }]
//! [[member]]
//! id = "NL"
//! name = "Netherlands"
//! authorities = ["<PEM>"]
//! national_key = "<hex>"                     # Ed25519, 32 bytes
//! instruments = ["BUDAPEST", "G7_2417"]
//! preservation_days_min = 90
//! [[member.desk]]
//! name = "cyber"
//! organisation = "..."
//! time_zone = "Europe/Amsterdam"
//! languages = ["nl", "en"]
//! key = "<hex>"
//! witness_key = "<hex>"                      # left out where the desk is no witness
//! encryption_keys = [{ key = "<hex>", from = "2026-11-23T00:00:00Z", until = "..." }]
//! officers = [{ name = "duty", key = "<hex>", roles = ["REQUEST"], from = "...", until = "..." }]
//! ```

use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use data_encoding::HEXLOWER;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};

use crate::envelope::Algorithm;
use crate::envelope::genesis::{
    EncryptionKey, FoundingDesk, FoundingMember, FoundingOfficer, Genesis, LogKey, PublicKey,
    RULES_VERSION,
};
use crate::units::{Hash, Name, Timestamp, Unreadable};

/// One file: a network's name, and the relay, or members, or both.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The network.
    pub network: String,
    /// The relay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay: Option<Relay>,
    /// Members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub member: Vec<Member>,
}

/// The relay's public half.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// Certificates (PEM) of the authority that issues the relay's certificate.
    pub authorities: Vec<String>,
    /// Keys that sign the heads of the logs.
    pub log_keys: Vec<Log>,
}

/// A key that signs tree heads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// "directory" or "traffic".
    pub log: String,
    /// Ed25519 public key, hexadecimal.
    pub key: String,
}

/// A member's public half.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// Certificates (PEM) of its own authority.
    pub authorities: Vec<String>,
    /// Ed25519 public key, hexadecimal.
    pub national_key: String,
    /// Declared instruments.
    pub instruments: Vec<String>,
    /// How long it preserves when asked, at least, in days; 60 or more.
    pub preservation_days_min: u32,
    /// Its desks.
    pub desk: Vec<Desk>,
}

/// A desk's public half.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Desk {
    /// Its name.
    pub name: String,
    /// Organisation, for people.
    pub organisation: String,
    /// IANA time zone.
    pub time_zone: String,
    /// BCP 47 tags.
    pub languages: Vec<String>,
    /// Ed25519 public key of the machine, hexadecimal.
    pub key: String,
    /// Ed25519 public key with which it cosigns the heads of the logs, hexadecimal; left out
    /// where it is no witness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness_key: Option<String>,
    /// Keys to which bodies are sealed.
    pub encryption_keys: Vec<Sealing>,
    /// Officers.
    pub officers: Vec<Officer>,
}

/// A key to which bodies are sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealing {
    /// Public key, 1,216 bytes, hexadecimal.
    pub key: String,
    /// Valid from, RFC 3339.
    pub from: String,
    /// Valid until, RFC 3339.
    pub until: String,
}

/// An officer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Officer {
    /// Name.
    pub name: String,
    /// Ed25519 public key, hexadecimal.
    pub key: String,
    /// "REQUEST", "ANSWER", "APPROVE".
    pub roles: Vec<String>,
    /// Valid from, RFC 3339.
    pub from: String,
    /// Valid until, RFC 3339.
    pub until: String,
}

impl Spec {
    /// Reads a file's text.
    ///
    /// # Errors
    /// In words, with line and column.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(toml::from_str(text)?)
    }

    /// The text of a file.
    ///
    /// # Errors
    /// Never for what this module makes.
    pub fn render(&self) -> Result<String> {
        Ok(toml::to_string(self)?)
    }

    /// A file with one member's public half.
    pub fn of_member(network: &Name, member: &FoundingMember) -> Self {
        Self { network: network.to_string(), relay: None, member: vec![Member::of(member)] }
    }

    /// A file with the relay's public half.
    pub fn of_relay(network: &Name, ca: &[Vec<u8>], log_keys: &[LogKey]) -> Self {
        let log = |key: &LogKey| Log { log: key.log.clone(), key: hex(key.key.as_bytes()) };
        let relay = Relay {
            authorities: ca.iter().map(|der| pem(der)).collect(),
            log_keys: log_keys.iter().map(log).collect(),
        };
        Self { network: network.to_string(), relay: Some(relay), member: Vec::new() }
    }
}

/// The genesis that these files describe together, drawn up at `created`. Its hash is not set: it
/// follows from the bytes.
///
/// # Errors
/// In words: when the files name different networks, no relay or two, or a value cannot be read.
pub fn genesis(specs: &[Spec], created: Timestamp) -> Result<Genesis> {
    let Some(first) = specs.first() else { bail!("no file was given") };
    if let Some(other) = specs.iter().find(|spec| spec.network != first.network) {
        bail!("the files name two networks: {:?} and {:?}", first.network, other.network);
    }
    let relays: Vec<&Relay> = specs.iter().filter_map(|spec| spec.relay.as_ref()).collect();
    let [relay] = relays.as_slice() else {
        bail!("exactly one file has a [relay]; here {} have", relays.len());
    };
    let mut members = specs
        .iter()
        .flat_map(|spec| &spec.member)
        .map(|member| member.parse().with_context(|| format!("member {:?}", member.id)))
        .collect::<Result<Vec<_>>>()?;
    members.sort_by_key(|member| member.id);
    let log_key = |log: &Log| Ok(LogKey { log: log.log.clone(), key: parse_key(&log.key)? });
    Ok(Genesis {
        hash: Hash([0; 32]),
        network: first.network.parse()?,
        rules_version: RULES_VERSION.to_owned(),
        created,
        relay_ca: parse_authorities(&relay.authorities).context("relay.authorities")?,
        log_keys: relay.log_keys.iter().map(log_key).collect::<Result<_>>()?,
        members,
    })
}

impl Member {
    fn of(member: &FoundingMember) -> Self {
        Self {
            id: member.id.to_string(),
            name: member.display_name.clone(),
            authorities: member.ca.iter().map(|der| pem(der)).collect(),
            national_key: hex(member.national_key.as_bytes()),
            instruments: words(&member.instruments),
            preservation_days_min: member.preservation_days_min,
            desk: member.desks.iter().map(Desk::of).collect(),
        }
    }

    fn parse(&self) -> Result<FoundingMember> {
        let mut desks = self
            .desk
            .iter()
            .map(|desk| desk.parse().with_context(|| format!("desk {:?}", desk.name)))
            .collect::<Result<Vec<_>>>()?;
        desks.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(FoundingMember {
            id: self.id.parse()?,
            display_name: self.name.clone(),
            ca: parse_authorities(&self.authorities)?,
            national_key: parse_key(&self.national_key)?,
            instruments: parse_words(&self.instruments)?,
            preservation_days_min: self.preservation_days_min,
            desks,
        })
    }
}

impl Desk {
    fn of(desk: &FoundingDesk) -> Self {
        let sealing = |key: &EncryptionKey| Sealing {
            key: hex(&key.key),
            from: key.from.to_string(),
            until: key.until.to_string(),
        };
        let officer = |officer: &FoundingOfficer| Officer {
            name: officer.name.to_string(),
            key: hex(officer.key.as_bytes()),
            roles: words(&officer.roles),
            from: officer.from.to_string(),
            until: officer.until.to_string(),
        };
        Self {
            name: desk.name.to_string(),
            organisation: desk.organisation.clone(),
            time_zone: desk.time_zone.clone(),
            languages: desk.languages.clone(),
            key: hex(desk.desk_key.as_bytes()),
            witness_key: desk.witness_key.as_ref().map(|key| hex(key.as_bytes())),
            encryption_keys: desk.encryption_keys.iter().map(sealing).collect(),
            officers: desk.officers.iter().map(officer).collect(),
        }
    }

    fn parse(&self) -> Result<FoundingDesk> {
        let sealing = |key: &Sealing| {
            let bytes = HEXLOWER.decode(key.key.as_bytes())?;
            Ok(EncryptionKey::new(bytes, key.from.parse()?, key.until.parse()?)?)
        };
        let officer = |officer: &Officer| {
            Ok(FoundingOfficer {
                name: officer.name.parse()?,
                key: parse_key(&officer.key)?,
                roles: parse_words(&officer.roles)?,
                from: officer.from.parse()?,
                until: officer.until.parse()?,
            })
        };
        let mut officers = self.officers.iter().map(officer).collect::<Result<Vec<_>>>()?;
        officers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(FoundingDesk {
            name: self.name.parse()?,
            organisation: self.organisation.clone(),
            time_zone: self.time_zone.clone(),
            languages: self.languages.clone(),
            desk_key: parse_key(&self.key)?,
            encryption_keys: self.encryption_keys.iter().map(sealing).collect::<Result<_>>()?,
            officers,
            witness_key: self.witness_key.as_deref().map(parse_key).transpose()?,
        })
    }
}

fn parse_key(text: &str) -> Result<PublicKey> {
    let bytes = HEXLOWER.decode(text.as_bytes()).context("a key is not hexadecimal")?;
    PublicKey::parse(Algorithm::Ed25519, &bytes).map_err(anyhow::Error::msg)
}

fn parse_authorities(pems: &[String]) -> Result<Vec<Vec<u8>>> {
    let mut ders = Vec::new();
    for pem in pems {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|fault| anyhow::anyhow!("an authority is not a PEM certificate: {fault}"))?;
        ders.push(der.to_vec());
    }
    Ok(ders)
}

fn parse_words<T: FromStr<Err = Unreadable> + Ord>(texts: &[String]) -> Result<Vec<T>> {
    let mut words = texts.iter().map(|text| text.parse()).collect::<Result<Vec<T>, _>>()?;
    words.sort();
    Ok(words)
}

fn words<T: ToString>(words: &[T]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// PEM with the lines of RFC 7468.
fn pem(der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}
