//! `detente backup` and `detente restore`: copies of a store, verified, and brought back.
//!
//! Not for how that is done (see `backup/`), nor for keys and configurations, which are no part of
//! a backup.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::{Value, json};

use super::start;
use super::verify::bar;
use super::{Exit, Failure, Screen};
use crate::backup::{self, Fault, KnownHead, Loss, Manifest, Order, Owner, Restored};
use crate::codec::{Head, Log};
use crate::config::Either;
use crate::journal::Progress;
use crate::relay::last_published;
use crate::service;
use crate::units::{Hash, Index, Timestamp};

/// Back up the journal of a relay or a desk, also while it runs
///
/// Copies the journal up to its last whole batch, checks every checksum and tree head on the way,
/// reads the copy once more, and gives it its name only then. What was acknowledged before the
/// command began is in the backup. Keys, certificates and configurations are not: copy them once,
/// when they are made, and keep them elsewhere.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente backup --config relay.toml backups/relay-1
  detente backup --config desk.toml backups/desk-1 --json")]
pub(super) struct Backup {
    /// The configuration of the relay or the desk.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The directory to make; it must not be there yet.
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
}

impl Backup {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let (config, owner) = read(&self.config)?;
        let bar = bar(screen, "bytes", "{bytes}/{total_bytes}");
        let made = backup::make(config.store(), &owner, &self.backup, now(), &mut |progress| {
            show(&bar, progress);
        });
        bar.finish_and_clear();
        let manifest = made.map_err(|fault| {
            let mut failure = failure(&fault, "the backup was not made");
            if matches!(fault, Fault::Exists(_)) {
                failure.next = "choose another name".into();
            }
            failure
        })?;
        let path = self.backup.display();
        if screen.is_json() {
            let backup = path.to_string();
            screen.document(&json!({ "backup": backup, "manifest": manifest }))?;
        } else {
            screen.text(&format!("{path}: {}\n", describe(&manifest)))?;
        }
        screen.message("next: keep it on another machine, with a note of what is printed here");
        Ok(Exit::Success)
    }
}

/// Bring a backup back
///
/// Verifies the whole backup, then writes it where the configuration keeps the journal. Nothing is
/// overwritten. The relay or the agent must not be running. Exit code 3 when the backup does not
/// hold; the message names file and record.
///
/// A log that goes back in time breaks what members rely on: they hold receipts for what is in no
/// log any more. So a backup that is shorter than, or differs from, what is there or what is known
/// is refused, and the refusal names the records that would be lost.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente restore backups/relay-1 --config relay.toml
  detente restore backups/relay-1 --config relay.toml --expect-at-least 1200")]
pub(super) struct Restore {
    /// The backup.
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    /// The configuration of the relay or the desk.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Refuse a log with fewer records: as many are known to have existed, from a later backup, a
    /// monitor, or a member.
    #[arg(long, value_name = "RECORDS")]
    expect_at_least: Option<u64>,
    /// Refuse a log that does not lead to this tree head, which somebody has kept: of the traffic
    /// log, or of the directory log with "directory:" before it. May be given several times.
    #[arg(long, value_name = "SIZE:ROOT")]
    head: Vec<HeadArgument>,
    /// A journal is there already: set it aside under another name, in the same directory.
    #[arg(long)]
    move_aside: bool,
    /// Restore although the records FIRST to LAST, exactly as the refusal names them, are not in
    /// the backup. They are gone for good: members hold receipts for them, and what these receipts
    /// prove will be in no log. Every desk that has seen one of them sees that it is gone, raises
    /// alarm D-301 or D-302, and sends nothing more to this relay. Ask the members first; one of
    /// them, or a witness, may have a longer log.
    #[arg(long, value_name = "FIRST..LAST")]
    give_up_records: Option<LossArgument>,
}

impl Restore {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let (config, owner) = read(&self.config)?;
        let heads: Vec<KnownHead> = self.head.iter().map(|HeadArgument(head)| *head).collect();
        let (published, known) = published(&config)?;
        let order = Order {
            backup: &self.backup,
            store: config.store(),
            owner: &owner,
            expect_at_least: self.expect_at_least.map(Index).max(known),
            heads: &heads,
            give_up: self.give_up_records.as_ref().map(|LossArgument(loss)| *loss),
            move_aside: self.move_aside,
            published: &published,
            now: now(),
        };
        let bar = bar(screen, "bytes", "{bytes}/{total_bytes}");
        let done = backup::restore(&order, &mut |progress| show(&bar, progress));
        bar.finish_and_clear();
        let restored = done.map_err(|fault| failure(&fault, "nothing was restored"))?;
        if screen.is_json() {
            screen.document(&document(config.store(), &restored))?;
        } else {
            screen.text(&text(config.store(), &restored))?;
        }
        let program = if owner.desk.is_some() { "desk" } else { "relay" };
        screen.message(&format!("next: detente {program} --config {}", self.config.display()));
        Ok(Exit::Success)
    }
}

/// A configuration, and whose store it is.
fn read(file: &Path) -> Result<(Either, Owner), Failure> {
    let config = Either::read(file)?;
    let (_, genesis) = service::read_genesis(config.network()).map_err(start::failure)?;
    let desk = match &config {
        Either::Relay(_) => None,
        Either::Desk(desk) => Some(desk.desk.clone()),
    };
    let owner = Owner { desk, network: genesis.network.to_string(), genesis: genesis.hash };
    Ok((config, owner))
}

/// Where a relay keeps what it has published, and how many records that covers.
fn published(config: &Either) -> Result<(Vec<PathBuf>, Option<Index>), Failure> {
    let Either::Relay(relay) = config else { return Ok((Vec::new(), None)) };
    let own = relay.log_directory();
    let mark = last_published(&own).map_err(|fault| {
        let next = "what it said is lost: find out from the members how many records there were, \
                    move it away by hand, and give --expect-at-least";
        Failure::new(Exit::Failure, "C-814", "nothing was restored", fault, next)
    })?;
    // The mark goes last: it says what would be lost to whoever has to restore again.
    Ok((vec![relay.publish_directory(), own], mark.map(|mark| mark.next)))
}

fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}

fn show(bar: &indicatif::ProgressBar, progress: Progress) {
    bar.set_length(progress.bytes_total);
    bar.set_position(progress.bytes);
}

fn describe(manifest: &Manifest) -> String {
    let whose = manifest.desk.as_deref().unwrap_or("the relay");
    let mut text = format!(
        "{whose} of {}: {} records in {} batches, every checksum holds\n  end of the chain: {}",
        manifest.network, manifest.next_index, manifest.batches, manifest.chain_sha256
    );
    if let Some(heads) = &manifest.heads {
        text.push_str(&format!("\n  traffic log:   {}", heads.traffic));
        text.push_str(&format!("\n  directory log: {}", heads.directory));
    }
    text
}

fn text(store: &Path, restored: &Restored) -> String {
    let Restored { manifest, set_aside, lost } = restored;
    let mut text = format!("{}: restored {}\n", store.display(), describe(manifest));
    if let Some(aside) = set_aside {
        text.push_str(&format!("  what was there is kept in {}\n", aside.display()));
    }
    if let Some(loss) = lost {
        text.push_str(&format!(
            "  gone for good: records {loss}. Tell the members; their desks will say so too\n"
        ));
    }
    text
}

fn document(store: &Path, restored: &Restored) -> Value {
    let Restored { manifest, set_aside, lost } = restored;
    json!({
        "store": store.display().to_string(),
        "manifest": manifest,
        "set_aside": set_aside.as_ref().map(|path| path.display().to_string()),
        "lost": lost.map(|loss| json!({ "first": loss.first.0, "last": loss.last.0 })),
    })
}

/// The failure of a backup or a restore.
fn failure(fault: &Fault, what: &str) -> Failure {
    let failed = |exit, code: &str, next: &str| Failure::new(exit, code, what, fault, next);
    let unverified = |code, next| failed(Exit::Unverified, code, next);
    match fault {
        Fault::Journal { path, fault } => {
            let mut failure = start::journal_failure(fault).of(what);
            failure.why = format!("{}: {}", path.display(), failure.why);
            failure
        }
        Fault::Nothing(_) => {
            failed(Exit::Failure, "C-801", "check store.directory in the configuration")
        }
        Fault::NoBackup(_) => {
            failed(Exit::Failure, "C-816", "name the directory that detente backup has made")
        }
        Fault::Exists(_) => failed(
            Exit::Failure,
            "C-802",
            "to restore where a journal is, give --move-aside: it is kept under another name",
        ),
        Fault::Busy(_) => {
            failed(Exit::Failure, "C-803", "stop the process that has it, then try again")
        }
        Fault::Manifest { .. } => {
            unverified("C-804", "take another backup; this one is not what it was made as")
        }
        Fault::Altered { .. } => {
            unverified("C-805", "take another backup; this one was damaged or tampered with")
        }
        Fault::Foreign { .. } => {
            failed(Exit::Failure, "C-806", "give the configuration that belongs to the backup")
        }
        Fault::OtherJournal { .. } => failed(
            Exit::Failure,
            "C-807",
            "give the backup of this store, or move the journal that is there away by hand",
        ),
        Fault::OtherLog(_) => unverified(
            "C-808",
            "find out whose log is the right one before anything is restored: the backup, or the \
             head that was given, is not of this log or not of this time",
        ),
        Fault::WouldLose { loss, .. } => Failure::new(
            Exit::Failure,
            "C-809",
            what,
            fault,
            format!(
                "look for a longer backup; or restore without them, for good: --give-up-records \
                 {loss} (members hold receipts for them, and their desks will see it)"
            ),
        ),
        Fault::OtherLoss { .. } => failed(
            Exit::Failure,
            "C-810",
            "give --give-up-records exactly as the refusal names the records, or leave it out",
        ),
        Fault::Io { .. } => {
            failed(Exit::Failure, "C-811", "check disk space and who may read and write there")
        }
        Fault::Unfinished(_) => Failure::new(
            Exit::Failure,
            "C-815",
            "the restore is not finished",
            fault,
            "start nothing on this store; see to what is named, then restore again with \
             --move-aside. No loss is accepted yet: a refusal names what would be lost",
        ),
    }
}

/// "SIZE:ROOT", "directory:SIZE:ROOT" or "traffic:SIZE:ROOT".
#[derive(Debug, Clone)]
struct HeadArgument(KnownHead);

impl FromStr for HeadArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = "give SIZE:ROOT, the root in 64 hexadecimal digits";
        let (log, rest) = match text.split_once(':') {
            Some(("directory", rest)) => (Log::Directory, rest),
            Some(("traffic", rest)) => (Log::Traffic, rest),
            Some(_) | None => (Log::Traffic, text),
        };
        let (size, root) = rest.split_once(':').ok_or(help)?;
        let size = size.parse().map_err(|_| help)?;
        let root = HEXLOWER_PERMISSIVE.decode(root.as_bytes()).map_err(|_| help)?;
        let root = Hash::from_slice(&root).map_err(|_| help)?;
        Ok(Self(KnownHead { log, head: Head { size, root } }))
    }
}

/// "FIRST..LAST", both included.
#[derive(Debug, Clone)]
struct LossArgument(Loss);

impl FromStr for LossArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = "give FIRST..LAST, as the refusal names the records";
        let (first, last) = text.split_once("..").ok_or(help)?;
        let number = |text: &str| text.parse().map(Index).map_err(|_| help);
        let loss = Loss { first: number(first)?, last: number(last)? };
        if loss.first > loss.last { Err(help.to_owned()) } else { Ok(Self(loss)) }
    }
}
