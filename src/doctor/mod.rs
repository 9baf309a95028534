//! Looks at everything that a relay or a desk's agent needs, and says what is wrong, why, and what
//! to do.
//!
//! Not for repairing: nothing is changed. A probe file and, while no relay runs, a copy of the
//! tables are written beside the journal and removed; nothing else is written, and no lock is kept,
//! so that a running program is not disturbed.

mod disk;
mod identity;
mod machine;
mod network;

use std::path::Path;

use crate::backup::Owner;
use crate::config::{Desk, Either, Relay};
use crate::envelope::genesis::Genesis;
use crate::identity::Unlock;
use crate::service::{StartError, read_genesis, read_unlock};
use crate::units::Timestamp;

/// How a thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, but not for ever, or not as well as it should.
    Warn,
    /// It does not work.
    Fail,
}

impl State {
    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: a word that stays the same.
    pub check: &'static str,
    /// How it stands.
    pub state: State,
    /// What was found; for what is wrong, the cause.
    pub says: String,
    /// What to do; empty when there is nothing to do.
    pub next: String,
}

/// What has been found so far.
#[derive(Default)]
struct Report(Vec<Finding>);

impl Report {
    fn add(&mut self, check: &'static str, state: State, says: impl ToString, next: &str) {
        let (says, next) = (says.to_string(), next.to_owned());
        self.0.push(Finding { check, state, says, next });
    }

    fn ok(&mut self, check: &'static str, says: impl ToString) {
        self.add(check, State::Ok, says, "");
    }

    fn warn(&mut self, check: &'static str, says: impl ToString, next: &str) {
        self.add(check, State::Warn, says, next);
    }

    fn fail(&mut self, check: &'static str, says: impl ToString, next: &str) {
        self.add(check, State::Fail, says, next);
    }
}

/// Looks at what `config`, read from `file`, names. With `full` every byte of the journal is read.
pub async fn examine(file: &Path, config: &Either, full: bool, now: Timestamp) -> Vec<Finding> {
    let mut report = Report::default();
    let kind = config.kind();
    report.ok("config", format!("{}: a {kind}'s configuration, well written", file.display()));
    let genesis = genesis(&mut report, config);
    let unlock = identity::unlock(&mut report, config.unlock());
    machine::files(&mut report, config);
    match config {
        Either::Relay(relay) => examine_relay(&mut report, relay, genesis.as_ref(), unlock, now),
        Either::Desk(desk) => examine_desk(&mut report, desk, genesis.as_ref(), unlock, now),
    }
    disk::space(&mut report, config);
    let journal = disk::journal(&mut report, config, owner(config, genesis.as_ref()), full);
    machine::clock(&mut report, journal.as_ref().map(|held| held.directory.as_path()), now);
    machine::zones(&mut report);
    machine::limits(&mut report);
    match config {
        Either::Relay(relay) => {
            disk::tables(&mut report, relay, journal.as_ref());
            network::relay(&mut report, relay).await;
        }
        Either::Desk(desk) => network::desk(&mut report, desk, genesis.as_ref()).await,
    }
    report.0
}

fn examine_relay(
    report: &mut Report,
    relay: &Relay,
    genesis: Option<&Genesis>,
    unlock: Option<Unlock>,
    now: Timestamp,
) {
    let tls = (&*relay.tls.certificate, &*relay.tls.key);
    let opens = unlock.is_some();
    identity::certificate(report, tls, unlock, now);
    if let Some(genesis) = genesis {
        if opens {
            identity::log_keys(report, relay, genesis);
        }
        identity::lists(report, &relay.tls.revocation_lists, genesis, now);
    }
}

fn examine_desk(
    report: &mut Report,
    desk: &Desk,
    genesis: Option<&Genesis>,
    unlock: Option<Unlock>,
    now: Timestamp,
) {
    if let Some(unlock) = &unlock {
        identity::keys(report, desk, genesis, unlock);
    }
    let tls = (&*desk.tls.certificate, &*desk.tls.key);
    identity::certificate(report, tls, unlock, now);
    identity::relay_list(report, desk, genesis);
}

fn genesis(report: &mut Report, config: &Either) -> Option<Genesis> {
    match read_genesis(config.network()) {
        Ok((_, genesis)) => {
            let members = genesis.members.len();
            let (network, hash) = (&genesis.network, genesis.hash);
            report.ok("genesis", format!("{network}, {members} members, hash {hash}"));
            Some(genesis)
        }
        Err(error @ StartError::File { .. }) => {
            let next = "check network.genesis and who may read that file";
            report.fail("genesis", error, next);
            None
        }
        Err(error) => {
            let next = "compare the hash with the other members over another channel, then correct \
                        network.genesis or network.genesis_sha256";
            report.fail("genesis", error, next);
            None
        }
    }
}

fn owner(config: &Either, genesis: Option<&Genesis>) -> Owner {
    let desk = match config {
        Either::Relay(_) => None,
        Either::Desk(desk) => Some(desk.desk.clone()),
    };
    let network = genesis.map(|genesis| genesis.network.to_string()).unwrap_or_default();
    Owner { desk, network, genesis: config.network().genesis_sha256 }
}

/// The secret, for checks that need it once more.
fn secret(config: &crate::config::Unlock) -> Option<Unlock> {
    read_unlock(config).ok()
}
