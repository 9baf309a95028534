//! `detente genesis`: draw up, sign, combine and read the founding act of a network.
//!
//! Not for keys: `detente pki` or a nation's own tools make them; only public halves come here,
//! and one national key at a time to sign.
//!
//! How real nations do it: each sends its `public.toml`; one of them runs `create`; each runs
//! `show`, compares the hash over another channel, and `sign`s; one of them `combine`s.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};

use crate::envelope::genesis::{self, Genesis};
use crate::envelope::{Signature, SigningKey};
use crate::identity::keyfile::{self, Kind};
use crate::identity::{Unlock, now};
use crate::pki::spec::{self, Spec};
use crate::units::Hash;

/// A genesis that is not what it is to be: nobody signs it or goes by it.
#[derive(Debug, thiserror::Error)]
pub enum Unsound {
    /// It is another one than was agreed on.
    #[error("{}: this genesis has the hash {found}, not the one that was agreed on, {agreed}",
            path.display())]
    OtherHash {
        /// Its file.
        path: PathBuf,
        /// What it has.
        found: Hash,
        /// What it should have.
        agreed: Hash,
    },
    /// It cannot be read.
    #[error("{}: {why}", path.display())]
    Unreadable {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A signature in it is of no founding member, or not over it.
    #[error("{}: the signature by key {key} does not hold: it, or what it is over, was changed",
            path.display())]
    FalseSignature {
        /// Its file.
        path: PathBuf,
        /// The key that it names.
        key: Hash,
    },
}

/// Draw up, sign and read the founding act of a network.
#[derive(Debug, Args)]
pub struct GenesisCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Draw up an unsigned genesis from the public halves of the relay and of every member.
    Create {
        /// A file with public halves (`public.toml`); give all of them.
        #[arg(long = "spec", required = true)]
        specs: Vec<PathBuf>,
        /// The genesis to write; it must not be there yet.
        #[arg(short, long, default_value = "genesis.bin")]
        out: PathBuf,
    },
    /// Add a member's signature.
    Sign {
        /// The genesis as it was sent.
        genesis: PathBuf,
        /// The member's national key.
        #[arg(long)]
        key: PathBuf,
        /// The secret that opens it, in a file that is yours alone.
        #[arg(long)]
        unlock: PathBuf,
        /// The hash that was agreed on over another channel.
        #[arg(long)]
        hash: Hash,
        /// The file to write; it must not be there yet.
        #[arg(short, long)]
        out: PathBuf,
    },
    /// Put the signatures of several copies of one genesis together.
    Combine {
        /// The copies.
        #[arg(required = true)]
        genesis: Vec<PathBuf>,
        /// The file to write; it must not be there yet.
        #[arg(short, long)]
        out: PathBuf,
    },
    /// Say in words what a genesis founds, its hash, and who has signed.
    Show {
        /// The genesis.
        genesis: PathBuf,
    },
    /// Print the policy by which heads of the logs are believed where no file says otherwise.
    Policy {
        /// The genesis.
        genesis: PathBuf,
    },
    /// Print the hash that every configuration pins.
    Hash {
        /// The genesis.
        genesis: PathBuf,
    },
}

impl GenesisCommand {
    /// Does it, and says on `out` what was done.
    ///
    /// # Errors
    /// In words, with the file they are about.
    pub fn run(self, out: &mut dyn Write) -> Result<()> {
        match self.action {
            Action::Create { specs, out: to } => {
                let specs = specs.iter().map(|path| read_spec(path)).collect::<Result<Vec<_>>>()?;
                let bytes = genesis::render(&spec::genesis(&specs, now())?)?;
                let hash = genesis::hash(&bytes);
                create(&to, &genesis::assemble(bytes, &[]))?;
                writeln!(out, "{hash} {}", to.display())?;
            }
            Action::Sign { genesis, key, unlock, hash, out: to } => {
                let signed = sign(&genesis, &key, &unlock, hash)?;
                create(&to, &signed)?;
                writeln!(out, "signed {hash} {}", to.display())?;
            }
            Action::Combine { genesis, out: to } => {
                let signed = combine(&genesis)?;
                let parsed = genesis::parse(&signed)?;
                create(&to, &signed)?;
                let missing = missing(&signed, &parsed)?;
                writeln!(out, "{} {}", parsed.hash, to.display())?;
                if !missing.is_empty() {
                    writeln!(out, "not yet signed by {}", missing.join(", "))?;
                }
            }
            Action::Show { genesis } => {
                let (signed, parsed) = load(&genesis)?;
                show(&signed, &parsed, out)?;
                sound(&genesis, &signed, &parsed)?;
            }
            Action::Policy { genesis } => {
                write!(out, "{}", genesis::default_policy(&load(&genesis)?.1))?;
            }
            Action::Hash { genesis } => {
                writeln!(out, "{}", load(&genesis)?.1.hash)?;
            }
        }
        Ok(())
    }
}

fn sign(path: &Path, key: &Path, unlock: &Path, agreed: Hash) -> Result<Vec<u8>> {
    let (signed, parsed) = load(path)?;
    if parsed.hash != agreed {
        let (path, found) = (path.to_owned(), parsed.hash);
        return Err(Unsound::OtherHash { path, found, agreed }.into());
    }
    let secret = keyfile::read(key, Kind::Ed25519, &Unlock::from_file(unlock)?)
        .with_context(|| format!("cannot open {}", key.display()))?;
    let signer = SigningKey::from_seed(*secret.seed()?);
    let own = signer.public();
    if parsed.members.iter().all(|member| member.national_key != own) {
        bail!("{} is no founding member's national key", key.display());
    }
    let (bytes, mut signatures) = genesis::split(&signed)?;
    let made = genesis::sign(&bytes, &signer);
    signatures.retain(|other| other.key_id != made.key_id);
    signatures.push(made);
    Ok(genesis::assemble(bytes, &signatures))
}

fn combine(copies: &[PathBuf]) -> Result<Vec<u8>> {
    let mut act: Option<Vec<u8>> = None;
    let mut signatures: Vec<Signature> = Vec::new();
    for path in copies {
        let (signed, parsed) = load(path)?;
        sound(path, &signed, &parsed)?;
        let (bytes, more) = genesis::split(&signed)?;
        if act.get_or_insert_with(|| bytes.clone()) != &bytes {
            bail!("{} is another genesis than the first copy", path.display());
        }
        signatures.extend(more);
    }
    signatures.sort_by_key(|made| made.key_id);
    signatures.dedup_by_key(|made| made.key_id);
    Ok(genesis::assemble(act.context("no copy was given")?, &signatures))
}

fn show(signed: &[u8], genesis: &Genesis, out: &mut dyn Write) -> Result<()> {
    let missing = missing(signed, genesis)?;
    let (_, signatures) = genesis::split(signed)?;
    writeln!(out, "genesis of {} (rules {})", genesis.network, genesis.rules_version)?;
    writeln!(out, "  hash      {}", genesis.hash)?;
    writeln!(out, "  drawn up  {}", genesis.created)?;
    writeln!(out, "  relay")?;
    show_authorities(&genesis.relay_ca, out)?;
    for key in &genesis.log_keys {
        writeln!(out, "    {} log key {}", key.log, key.key.id())?;
    }
    for member in &genesis.members {
        let key = member.national_key.id();
        let signed = match signatures.iter().any(|made| made.key_id == key) {
            false => "NOT SIGNED",
            true if missing.contains(&member.id.to_string()) => "ITS SIGNATURE DOES NOT HOLD",
            true => "signed",
        };
        writeln!(out, "  {} {} ({signed})", member.id, member.display_name)?;
        show_authorities(&member.ca, out)?;
        writeln!(out, "    national key {}", member.national_key.id())?;
        let words: Vec<_> = member.instruments.iter().map(ToString::to_string).collect();
        writeln!(out, "    instruments {}", words.join(", "))?;
        writeln!(out, "    preserves for at least {} days", member.preservation_days_min)?;
        for desk in &member.desks {
            writeln!(out, "    desk {}: {}", desk.name, desk.organisation)?;
            let languages = desk.languages.join(", ");
            writeln!(out, "      {}, speaks {languages}", desk.time_zone)?;
            if let Some(key) = &desk.witness_key {
                writeln!(out, "      witness key {}", key.id())?;
            }
            for officer in &desk.officers {
                let roles: Vec<_> = officer.roles.iter().map(ToString::to_string).collect();
                let (name, key) = (&officer.name, officer.key.id());
                writeln!(out, "      officer {name} ({}) {key}", roles.join(", "))?;
            }
        }
    }
    if missing.is_empty() {
        writeln!(out, "every founding member has signed")?;
    }
    Ok(())
}

fn show_authorities(ca: &[Vec<u8>], out: &mut dyn Write) -> Result<()> {
    for der in ca {
        writeln!(out, "    authority SHA-256 {}", Hash::of(&[der]))?;
    }
    Ok(())
}

/// The members whose good signature is not there.
fn missing(signed: &[u8], genesis: &Genesis) -> Result<Vec<String>> {
    let (bytes, signatures) = genesis::split(signed)?;
    let verifies = |key: &genesis::PublicKey| {
        key.verify(crate::envelope::sign::GENESIS_TYPE, &bytes, &signatures).is_ok()
    };
    let missing: BTreeSet<_> = genesis
        .members
        .iter()
        .filter(|member| !verifies(&member.national_key))
        .map(|member| member.id.to_string())
        .collect();
    Ok(missing.into_iter().collect())
}

/// Every signature must be a founding member's and over this very genesis.
fn sound(path: &Path, signed: &[u8], genesis: &Genesis) -> Result<()> {
    let (bytes, signatures) = genesis::split(signed)?;
    let holds = |made: &Signature| {
        let by = genesis.members.iter().find(|member| member.national_key.id() == made.key_id);
        let only = std::slice::from_ref(made);
        by.is_some_and(|member| {
            member.national_key.verify(crate::envelope::sign::GENESIS_TYPE, &bytes, only).is_ok()
        })
    };
    match signatures.iter().find(|made| !holds(made)) {
        Some(made) => {
            let (path, key) = (path.to_owned(), made.key_id);
            Err(Unsound::FalseSignature { path, key }.into())
        }
        None => Ok(()),
    }
}

/// A genesis in a file, as it is and as it reads.
fn load(path: &Path) -> Result<(Vec<u8>, Genesis)> {
    let signed = read(path)?;
    let parsed = genesis::parse(&signed).map_err(|malformed| {
        let why = malformed.to_string();
        Unsound::Unreadable { path: path.to_owned(), why }
    })?;
    Ok((signed, parsed))
}

fn read_spec(path: &Path) -> Result<Spec> {
    let text = String::from_utf8(read(path)?)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    Spec::parse(&text).with_context(|| format!("{} cannot be read", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn create(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = std::fs::File::create_new(path)
        .with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(bytes).with_context(|| format!("cannot write {}", path.display()))
}
