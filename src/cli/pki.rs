//! `detente pki`: the arguments, and what is said about what was done.
//!
//! Not for doing it: see `pki/`.

use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::quote::quoted;
use crate::envelope::words::Role;
use crate::identity::now;
use crate::pki::{self, Issuer, MadeKey, Spec};
use crate::units::{DeskId, MemberId, Name, Unreadable};

/// Make and keep the keys and certificates of a network.
#[derive(Debug, Args)]
pub struct Pki {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a development network: every member's keys in one directory. Sample data.
    ///
    /// detente pki init net --member NL --member RO --member MD
    Init(Init),
    /// Make one member's keys on its own premises; its public half is members/<nl>/public.toml.
    Member(OneMember),
    /// Make the relay's keys; its public half is relay/public.toml.
    Relay(OneRelay),
    /// Write relay.toml and desk.toml for the parties in DIR and the genesis DIR/genesis.bin.
    Configure(Configure),
    /// Issue one more certificate and key for a desk into a directory of its own.
    Issue(Issue),
    /// Make one more desk of a member: certificate, keys, desk.toml, and its part of the entry.
    ///
    /// What is printed goes to the end of the entry, to be published with the national key:
    /// detente desk directory edit --output entry.toml
    /// detente pki desk net NL/cert >> entry.toml
    /// detente desk directory publish entry.toml --key national.key --unlock unlock
    #[command(verbatim_doc_comment)]
    Desk(NewDesk),
    /// Make a key for an officer, new or with a key already; prints what the entry says of it.
    ///
    /// detente pki officer-key net NL/cyber jansen --role ANSWER
    OfficerKey(OfficerKey),
    /// Make a key to which bodies for a desk are sealed; prints what the entry says of it.
    EncryptionKey(EncryptionKey),
    /// Make a key for a desk's machine; prints what the entry says of it.
    DeskKey(DeskKey),
    /// Make the next key of a log ("directory" or "traffic"); prints how it is taken up.
    ///
    /// detente pki log-key net traffic
    LogKey(LogKey),
    /// Replace the certificate and key of a desk ("NL/cyber") or of the "relay".
    Renew(Renew),
    /// Put a desk's certificate on its nation's revocation list, for good.
    Revoke(Revoke),
    /// Issue a nation's revocation list ("NL") or the relay's ("relay") again, before it is due.
    Crl(Crl),
}

#[derive(Debug, Args)]
struct Init {
    /// A new directory.
    dir: PathBuf,
    /// The network's name.
    #[arg(long, default_value = "detente-dev")]
    network: Name,
    /// A member: ISO 3166-1 code, or XA to XZ; with a name of its own as XA="Atlantis".
    #[arg(long = "member", required = true, value_parser = parse_member)]
    members: Vec<(MemberId, Option<String>)>,
    /// A desk of every member.
    #[arg(long = "desk", default_value = "cyber")]
    desks: Vec<Name>,
    /// The relay's port for desks; the operator's and the metrics' are the next two.
    #[arg(long, default_value_t = 7410, value_parser = clap::value_parser!(u16).range(..=65_533))]
    port: u16,
}

#[derive(Debug, Args)]
struct OneMember {
    /// Where to make it.
    dir: PathBuf,
    /// The network's name.
    #[arg(long)]
    network: Name,
    /// The member.
    #[arg(long, value_parser = parse_member)]
    member: (MemberId, Option<String>),
    /// Its desks.
    #[arg(long = "desk", default_value = "cyber")]
    desks: Vec<Name>,
}

#[derive(Debug, Args)]
struct OneRelay {
    /// Where to make it.
    dir: PathBuf,
    /// The network's name.
    #[arg(long)]
    network: Name,
}

#[derive(Debug, Args)]
struct Configure {
    /// The directory.
    dir: PathBuf,
    /// The relay's port for desks.
    #[arg(long, default_value_t = 7410, value_parser = clap::value_parser!(u16).range(..=65_533))]
    port: u16,
}

#[derive(Debug, Args)]
struct Issue {
    /// The network's directory.
    dir: PathBuf,
    /// The desk.
    desk: DeskId,
    /// A new directory for desk.crt.pem, tls.key and its unlock secret.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct NewDesk {
    /// The network's directory, with the member's authority.
    dir: PathBuf,
    /// The new desk.
    desk: DeskId,
    /// The relay's port for desks on this machine, for desk.toml.
    #[arg(long, default_value_t = 7410, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
}

#[derive(Debug, Args)]
struct OfficerKey {
    /// The network's directory.
    dir: PathBuf,
    /// The desk.
    desk: DeskId,
    /// The officer's name there.
    officer: Name,
    /// What the officer may sign: REQUEST, ANSWER or APPROVE.
    #[arg(long = "role", default_values = ["REQUEST", "ANSWER"])]
    roles: Vec<Role>,
    /// For how many days it is valid.
    #[arg(long, default_value_t = KEY_DAYS, value_parser = days())]
    days: u32,
}

#[derive(Debug, Args)]
struct EncryptionKey {
    /// The network's directory.
    dir: PathBuf,
    /// The desk.
    desk: DeskId,
    /// For how many days it is valid. Of two that are valid, bodies are sealed to the one that is
    /// valid longer.
    #[arg(long, default_value_t = KEY_DAYS, value_parser = days())]
    days: u32,
}

#[derive(Debug, Args)]
struct DeskKey {
    /// The network's directory.
    dir: PathBuf,
    /// The desk.
    desk: DeskId,
}

/// How long a new key is valid unless told otherwise: two years.
const KEY_DAYS: u32 = 730;

fn days() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=3_650)
}

#[derive(Debug, Args)]
struct LogKey {
    /// The network's directory, with the relay's keys.
    dir: PathBuf,
    /// The log: directory or traffic.
    log: String,
}

#[derive(Debug, Args)]
struct Renew {
    /// The network's directory.
    dir: PathBuf,
    /// A desk ("NL/cyber") or "relay".
    whose: Party,
}

#[derive(Debug, Args)]
struct Revoke {
    /// The network's directory.
    dir: PathBuf,
    /// The desk.
    desk: DeskId,
    /// Another certificate of the desk than the one in its directory.
    #[arg(long)]
    certificate: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Crl {
    /// The network's directory.
    dir: PathBuf,
    /// A member ("NL") or "relay".
    whose: Authority,
}

/// Whose authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Authority(Issuer);

/// Whose certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Party {
    Relay,
    Desk(DeskId),
}

impl Pki {
    /// Does it, and says on `out` what was done.
    ///
    /// # Errors
    /// In words, with the file they are about.
    pub fn run(self, out: &mut dyn Write) -> Result<()> {
        match self.action {
            Action::Init(it) => init(it, out)?,
            Action::Member(member) => {
                let OneMember { dir, network, member: (id, name), desks } = member;
                pki::make_member(&dir, &network, id, name.as_deref(), &desks, now())?;
                let public = dir.join("members").join(id.label()).join("public.toml");
                writeln!(out, "made {id}; its public half is {}", public.display())?;
            }
            Action::Relay(OneRelay { dir, network }) => {
                pki::make_relay(&dir, &network, now())?;
                let public = dir.join("relay").join("public.toml");
                writeln!(out, "made the relay; its public half is {}", public.display())?;
            }
            Action::Configure(Configure { dir, port }) => {
                let made = pki::configure(&dir, port)?;
                writeln!(out, "genesis {}", made.hash)?;
                for config in made.desk_configs.values() {
                    writeln!(out, "wrote {}", config.display())?;
                }
            }
            Action::Issue(Issue { dir, desk, out: to }) => {
                let serial = pki::issue(&dir, &desk, &to)?;
                writeln!(out, "issued {serial} for {desk} in {}", to.display())?;
            }
            Action::Desk(new) => desk(&new, out)?,
            Action::OfficerKey(key) => officer_key(&key, out)?,
            Action::EncryptionKey(EncryptionKey { dir, desk, days }) => {
                let made = pki::encryption_key(&dir, &desk, days, now())?;
                let steps = [
                    "give the old key an earlier `until` than the new one: bodies are sealed to",
                    "the valid key that is valid longest; keep the old file for 90 days",
                    "desk.toml: name this file first in keys.encryption",
                ];
                said(out, &made, &desk, &steps)?;
            }
            Action::DeskKey(DeskKey { dir, desk }) => {
                let made = pki::desk_key(&dir, &desk, now())?;
                let steps = [
                    "it takes the place of the `key` there; publish it first",
                    "desk.toml: name this file in keys.desk",
                ];
                said(out, &made, &desk, &steps)?;
            }
            Action::LogKey(key) => log_key(&key, out)?,
            Action::Renew(Renew { dir, whose: Party::Relay }) => {
                writeln!(out, "renewed the relay until {}", pki::renew_relay(&dir)?)?;
                writeln!(out, "tell the running relay: kill -HUP")?;
            }
            Action::Renew(Renew { dir, whose: Party::Desk(desk) }) => {
                let until = pki::renew_desk(&dir, &desk, now())?;
                writeln!(out, "renewed {desk} until {until}")?;
                writeln!(out, "tell the running agent: kill -HUP")?;
            }
            Action::Revoke(Revoke { dir, desk, certificate }) => {
                let serial = pki::revoke_desk(&dir, &desk, certificate.as_deref(), now())?;
                writeln!(out, "revoked certificate {serial} of {desk}")?;
                writeln!(out, "the running relay takes it up by itself within seconds")?;
            }
            Action::Crl(Crl { dir, whose: Authority(whose) }) => {
                let list = pki::reissue_list(&dir, whose)?;
                let (number, revoked) = (list.number, list.revoked.len());
                let due = list.next_update;
                writeln!(out, "issued list {number}: {revoked} revoked, due again {due}")?;
            }
        }
        Ok(())
    }
}

/// Makes a development network and says what to do with it.
fn init(init: Init, out: &mut dyn Write) -> Result<()> {
    let Init { dir, network, members, desks, port } = init;
    let spec = Spec { network, members: members.into_iter().collect(), desks, port };
    let made = pki::dev_network(&dir, &spec, now())?;
    writeln!(out, "network   {} ({} members, sample data)", spec.network, spec.members.len())?;
    writeln!(out, "genesis   {} {}", made.hash, made.genesis.display())?;
    writeln!(out, "relay     detente relay --config {}", quoted(&made.relay_config))?;
    for (desk, config) in &made.desk_configs {
        writeln!(out, "{desk:<9} detente desk --config {}", quoted(config))?;
    }
    Ok(())
}

/// Makes a desk and says what its entry says: TOML, the rest as comments.
fn desk(new: &NewDesk, out: &mut dyn Write) -> Result<()> {
    let NewDesk { dir, desk, port } = new;
    let made = pki::make_desk(dir, desk, *port, now())?;
    let directory = made.directory.display();
    writeln!(out, "# made {desk} in {directory}; how it is reached below is sample data")?;
    writeln!(out, "# add it to the nation's entry and publish that; then start its agent:")?;
    match &made.config {
        Some(config) => writeln!(out, "# detente desk --config {}", quoted(config))?,
        None => writeln!(out, "# write {directory}/desk.toml as deploy/desk.toml shows")?,
    }
    write!(out, "{}", made.entry)?;
    Ok(())
}

/// Makes an officer's key and says what the entry says of it.
fn officer_key(key: &OfficerKey, out: &mut dyn Write) -> Result<()> {
    let OfficerKey { dir, desk, officer, roles, days } = key;
    let made = pki::officer_key(dir, desk, officer, roles, *days, now())?;
    let named = format!("desk.toml: [[officer]] name = \"{officer}\" with this file as its key");
    let steps = [
        "of an officer who is there already it takes the place of his part of the entry",
        named.as_str(),
    ];
    said(out, &made, desk, &steps)
}

/// Makes the next key of a log and says how it is taken up.
fn log_key(LogKey { dir, log }: &LogKey, out: &mut dyn Write) -> Result<()> {
    let (path, key) = pki::log_key(dir, log)?;
    writeln!(out, "made {}", path.display())?;
    writeln!(out, "key {key}")?;
    writeln!(out, "relay.toml: name it in logs.next_{log}_key, and restart the relay;")?;
    writeln!(out, "the old key announces it then; see deploy/KEYS.md for the rest")?;
    Ok(())
}

/// Says what the entry says of a key: TOML, and what to do with it as comments.
fn said(out: &mut dyn Write, made: &MadeKey, desk: &DeskId, steps: &[&str]) -> Result<()> {
    writeln!(out, "# made {}", made.file.display())?;
    writeln!(out, "# add this to the desk {:?} of the nation's entry:", desk.name.as_str())?;
    for step in steps {
        writeln!(out, "# {step}")?;
    }
    writeln!(out, "# then publish the entry, and tell the running agent: kill -HUP")?;
    write!(out, "{}", made.entry)?;
    Ok(())
}

impl FromStr for Party {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        if text == "relay" { Ok(Self::Relay) } else { text.parse().map(Self::Desk) }
    }
}

impl FromStr for Authority {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let issuer = if text == "relay" { Issuer::Relay } else { Issuer::Member(text.parse()?) };
        Ok(Self(issuer))
    }
}

fn parse_member(text: &str) -> Result<(MemberId, Option<String>), Unreadable> {
    match text.split_once('=') {
        Some((id, name)) => Ok((id.parse()?, Some(name.to_owned()))),
        None => Ok((text.parse()?, None)),
    }
}
