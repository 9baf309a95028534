//! The files of both logs.
//!
//! Not for deciding when there is a new head, nor for signing it.

use std::path::Path;

use super::{Trouble, announce};
use crate::audit::{Damage, Fault, Files, WriteFault, Writer};
use crate::codec::{Head, Heads, Leaf, Log};
use crate::relay::{PublicHead, Relay, Signers};
use crate::tlog::note::SignatureLine;
use crate::tlog::{Note, VerifierKey, proof};

/// Both logs as they are being written.
pub(super) struct Writers {
    directory: OneLog,
    traffic: OneLog,
}

struct OneLog {
    writer: Writer,
    /// The checkpoint that everybody sees.
    shown: Option<(Head, String)>,
}

impl Writers {
    /// Goes on after the heads in `directory`, or begins there; `now` is where the journal stands.
    pub(super) fn open(
        relay: &Relay,
        directory: &Path,
        signers: &Signers,
        now: &Heads,
    ) -> Result<Self, Trouble> {
        let open = |log: Log| {
            let at = directory.join(log.as_str());
            open(relay, &at, signers, log, &now.of(log))
        };
        Ok(Self { directory: open(Log::Directory)?, traffic: open(Log::Traffic)? })
    }

    /// True when all leaves before these heads are in files.
    pub(super) fn cover(&self, heads: &Heads) -> bool {
        Log::ALL.iter().all(|log| heads.of(*log).size <= self.of(*log).writer.size())
    }

    /// Adds a leaf, unless its file has been written already.
    pub(super) fn push(&mut self, leaf: &Leaf, event: &[u8]) -> Result<(), Trouble> {
        let writer = &mut self.of_mut(leaf.log).writer;
        if leaf.index < writer.size() {
            return Ok(());
        }
        if leaf.index > writer.size() {
            let (found, next) = (leaf.index, writer.size());
            return Err(Trouble::Later(format!("leaf {found} comes where {next} is next")));
        }
        writer.push(&leaf.data(event)).map_err(|fault| trouble(leaf.log, &fault))
    }

    /// That what was written leads to these heads.
    pub(super) fn check(&self, heads: &Heads) -> Result<(), Trouble> {
        for log in Log::ALL {
            let (writer, head) = (&self.of(log).writer, heads.of(log));
            if (writer.size(), writer.root()) != (head.size, head.root) {
                let (log, size) = (log.as_str(), writer.size());
                let why =
                    format!("the {size} leaves written of the {log} log lead to another root");
                return Err(Trouble::Later(why));
            }
        }
        Ok(())
    }

    /// True when everybody sees these heads.
    pub(super) fn show(&self, heads: &Heads) -> bool {
        Log::ALL.iter().all(|log| self.shows(*log, &heads.of(*log)))
    }

    /// True when everybody sees this head.
    pub(super) fn shows(&self, log: Log, head: &Head) -> bool {
        self.of(log).shown.as_ref().is_some_and(|(shown, _)| shown == head)
    }

    /// Publishes a head of what was written.
    pub(super) fn publish(&mut self, log: Log, note: &Note) -> Result<(), Trouble> {
        let one = self.of_mut(log);
        one.writer.publish(note).map_err(|fault| trouble(log, &fault))?;
        let head = Head { size: one.writer.size(), root: one.writer.root() };
        one.shown = Some((head, note.to_string()));
        Ok(())
    }

    /// Puts cosignatures into the checkpoint, where that is still this head.
    pub(super) fn cosign(&mut self, log: Log, newest: &PublicHead) -> Result<(), Trouble> {
        let one = self.of_mut(log);
        let Some((head, text)) = &mut one.shown else { return Ok(()) };
        let note = newest.cosigned_note();
        let cosigned = note.to_string();
        if (head.size, head.root) != (newest.size, newest.root) || *text == cosigned {
            return Ok(());
        }
        one.writer.cosign(&note).map_err(|fault| trouble(log, &fault))?;
        *text = cosigned;
        Ok(())
    }

    const fn of(&self, log: Log) -> &OneLog {
        match log {
            Log::Directory => &self.directory,
            Log::Traffic => &self.traffic,
        }
    }

    const fn of_mut(&mut self, log: Log) -> &mut OneLog {
        match log {
            Log::Directory => &mut self.directory,
            Log::Traffic => &mut self.traffic,
        }
    }
}

fn open(
    relay: &Relay,
    at: &Path,
    signers: &Signers,
    log: Log,
    now: &Head,
) -> Result<OneLog, Trouble> {
    let later = |why: String| Trouble::Later(format!("{}: {why}", at.display()));
    let writer = Writer::open(at).map_err(|fault| match fault {
        WriteFault::There(Fault::Damaged(damage)) => {
            later(format!("{damage}; move the directory aside, and it is made anew"))
        }
        other @ (WriteFault::Disk { .. }
        | WriteFault::Unreadable(_)
        | WriteFault::OtherHead { .. }
        | WriteFault::There(_)) => later(other.to_string()),
    })?;
    let note = match Files::new(at).checkpoint() {
        Ok(note) => note,
        Err(Fault::Damaged(Damage::Missing { .. })) => return Ok(OneLog { writer, shown: None }),
        Err(fault) => return Err(later(fault.to_string())),
    };
    // The files may be of the time of an older one.
    let keys = relay.keys_of(log);
    if note.verify(&keys).is_err() {
        let key = signers.verifier(log);
        let next = "name another directory in publish.directory, or move this one aside";
        return Err(later(format!("its head is not signed by {}; {next}", key.name())));
    }
    let head = Head { size: writer.size(), root: writer.root() };
    check_published(relay, at, log, &head, now)?;
    if head.size > 0 {
        take_up(relay, log, &note, &keys)?;
    }
    Ok(OneLog { writer, shown: Some((head, note.to_string())) })
}

/// A head that everybody has seen must be the beginning of what the journal has.
fn check_published(
    relay: &Relay,
    at: &Path,
    log: Log,
    head: &Head,
    now: &Head,
) -> Result<(), Trouble> {
    let contradiction = |why: &str| {
        let (at, size) = (at.display(), head.size);
        Trouble::Contradiction(format!(
            "{at} has a head of {size} leaves that this relay has signed, and {why}; bring the \
             newest journal back, and compare with what the members have witnessed"
        ))
    };
    if head.size > now.size {
        return Err(contradiction(&format!("the journal has {} leaves", now.size)));
    }
    let tables = relay.tables().map_err(|_| Trouble::Later("no tables now".to_owned()))?;
    let root = proof::root(&tables.nodes(log), head.size)
        .map_err(|fault| Trouble::Later(fault.to_string()))?;
    if root == head.root {
        Ok(())
    } else {
        Err(contradiction("the journal has other leaves there"))
    }
}

/// The head of the time before is followed at once, with the cosignatures that it had.
fn take_up(relay: &Relay, log: Log, note: &Note, keys: &[VerifierKey]) -> Result<(), Trouble> {
    let own = |line: &SignatureLine| keys.iter().any(|key| line.is_by(key));
    announce(relay, log, note.with_only(own))?;
    let Some(head) = relay.heads().newest(log) else { return Ok(()) };
    for witness in relay.heads().policy().witnesses() {
        for line in note.lines().iter().filter(|line| line.is_by(witness.key)) {
            // A line that does not hold counts for nothing, and goes with the next head.
            let _counted = relay.heads().cosigned(log, &head, witness.key, line, relay.now());
        }
    }
    Ok(())
}

fn trouble(log: Log, fault: &WriteFault) -> Trouble {
    Trouble::Later(format!("the {} log: {fault}", log.as_str()))
}
