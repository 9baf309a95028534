//! `detente pki`: a development network, and the keys of a small desk.
//!
//! Not for a nation with an authority of its own: that one issues by the README's profile, and
//! `detente genesis` takes its public half.

mod action;
pub mod authority;
mod files;
mod network;
pub mod sample;
pub mod spec;
mod template;

use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use clap::{Args, Subcommand};

pub use action::{renew_desk, revoke_desk};
pub use network::{DevNetwork, Spec, dev_network, make_member, make_relay};

use crate::identity::now;
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
    whose: Issuer,
}

/// Whose certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Party {
    Relay,
    Desk(DeskId),
}

/// Whose authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Issuer {
    Relay,
    Member(MemberId),
}

impl Pki {
    /// Does it, and says on `out` what was done.
    ///
    /// # Errors
    /// In words, with the file they are about.
    pub fn run(self, out: &mut dyn Write) -> Result<()> {
        match self.action {
            Action::Init(init) => action::init(init, out),
            Action::Member(member) => {
                let OneMember { dir, network, member: (id, name), desks } = member;
                make_member(&dir, &network, id, name.as_deref(), &desks, now())?;
                let public = files::member(&dir, id).join("public.toml");
                writeln!(out, "made {id}; its public half is {}", public.display())?;
                Ok(())
            }
            Action::Relay(OneRelay { dir, network }) => {
                make_relay(&dir, &network, now())?;
                let public = files::relay(&dir).join("public.toml");
                writeln!(out, "made the relay; its public half is {}", public.display())?;
                Ok(())
            }
            Action::Configure(Configure { dir, port }) => action::configure(&dir, port, out),
            Action::Issue(Issue { dir, desk, out: to }) => action::issue(&dir, &desk, &to, out),
            Action::Renew(Renew { dir, whose: Party::Relay }) => action::renew_relay(&dir, out),
            Action::Renew(Renew { dir, whose: Party::Desk(desk) }) => {
                let until = renew_desk(&dir, &desk, now())?;
                writeln!(out, "renewed {desk} until {until}")?;
                writeln!(out, "the running agent takes it up by itself, or on SIGHUP")?;
                Ok(())
            }
            Action::Revoke(Revoke { dir, desk, certificate }) => {
                let serial = revoke_desk(&dir, &desk, certificate.as_deref(), now())?;
                writeln!(out, "revoked certificate {serial} of {desk}")?;
                writeln!(out, "the running relay takes it up by itself within seconds")?;
                Ok(())
            }
            Action::Crl(Crl { dir, whose }) => action::reissue_list(&dir, whose, out),
        }
    }
}

impl FromStr for Party {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        if text == "relay" { Ok(Self::Relay) } else { text.parse().map(Self::Desk) }
    }
}

impl FromStr for Issuer {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        if text == "relay" { Ok(Self::Relay) } else { text.parse().map(Self::Member) }
    }
}

fn parse_member(text: &str) -> Result<(MemberId, Option<String>), Unreadable> {
    match text.split_once('=') {
        Some((id, name)) => Ok((id.parse()?, Some(name.to_owned()))),
        None => Ok((text.parse()?, None)),
    }
}
