//! Keys, certificates and revocation lists: can they be used, and for how long.
//!
//! Not for a peer's: who is let in is decided at the door (see `identity/`).

use std::path::Path;

use super::{Report, State};
use crate::config::{self, Desk};
use crate::envelope::genesis::Genesis;
use crate::envelope::{DecryptionKey, SigningKey};
use crate::identity::authority::Age;
use crate::identity::keyfile::Kind;
use crate::identity::trust::Policy;
use crate::identity::{OwnCertificate, RelayTrust, Trust, Unlock};
use crate::rules::{Directory, member};
use crate::service::{StartError, read_seed, read_signers, read_unlock};
use crate::units::{DAY_MS, OfficerId, Timestamp};

pub(super) fn unlock(report: &mut Report, unlock: &config::Unlock) -> Option<Unlock> {
    match read_unlock(unlock) {
        Ok(secret) => {
            report.ok("unlock", "the secret that opens the keys is there");
            Some(secret)
        }
        Err(error) if unlock.credential.is_some() => {
            let next = "run it as the unit does: systemd-run --pipe --property=User=USER \
                        --property=LoadCredential=NAME:FILE detente doctor --config FILE";
            report.warn("unlock", format!("{error}; keys are not looked at"), next);
            None
        }
        Err(error) => {
            let next = "name in [unlock] a file that only the program's user can read (chmod 600)";
            report.fail("unlock", error, next);
            None
        }
    }
}

/// The own certificate, and whether the key fits it.
pub(super) fn certificate(
    report: &mut Report,
    (certificate, key): (&Path, &Path),
    unlock: Option<Unlock>,
    now: Timestamp,
) {
    let Some(unlock) = unlock else { return };
    let own = match OwnCertificate::load(certificate, key, unlock) {
        Ok(own) => own,
        Err(fault) => {
            let next = "renew the certificate, or correct tls.certificate and tls.key";
            return report.fail("certificate", fault, next);
        }
    };
    let leaf = own.leaf();
    let life = leaf.not_after.since_ms(leaf.not_before).max(1);
    let used = now.since_ms(leaf.not_before).saturating_mul(100) / life;
    let left = leaf.not_after.since_ms(now).div_euclid(DAY_MS);
    let says = format!("{} until {}: {used} % used, {left} days left", leaf.uri, leaf.not_after);
    match used {
        ..50 => report.ok("certificate", says),
        50..75 => report.ok("certificate", format!("{says}; renew it in the coming weeks")),
        75..90 => report.warn("certificate", says, "renew it this week"),
        90.. => report.warn("certificate", says, "renew it today: nothing works once it has ended"),
    }
}

/// Every member's revocation list.
pub(super) fn lists(report: &mut Report, lists: &Path, genesis: &Genesis, now: Timestamp) {
    let trust = match Trust::from_genesis(genesis, lists.to_owned(), Policy::default()) {
        Ok(trust) => trust,
        Err(denied) => {
            let next = "ask the members: the genesis names an authority that cannot be read";
            return report.fail("revocation-list", denied, next);
        }
    };
    for list in trust.revocation_lists(now) {
        let due = list.next_update.map(|due| format!(", due {due}")).unwrap_or_default();
        let says = format!("{}: {}{due}", list.member, list.age.as_str());
        let member = "ask this member for a fresh list and put it into tls.revocation_lists";
        let (state, next) = match list.age {
            Age::Ok | Age::Half => (State::Ok, ""),
            Age::Late | Age::Due => (State::Warn, member),
            Age::Grace => {
                (State::Warn, "get a fresh list now: new certificates of this member are refused")
            }
            Age::Expired | Age::Missing => {
                (State::Fail, "get a fresh list: every desk of this member is refused")
            }
        };
        report.add("revocation-list", state, says, next);
    }
    for (member, why) in trust.reload().kept {
        let next = "ask this member for a list that can be read";
        report.warn("revocation-list", format!("{member}: {why}"), next);
    }
}

/// The relay's revocation list, where a desk has one.
pub(super) fn relay_list(report: &mut Report, desk: &Desk, genesis: Option<&Genesis>) {
    let (Some(lists), Some(genesis)) = (&desk.tls.relay_revocation_lists, genesis) else {
        return report
            .ok("revocation-list", "none of the relay: its certificate is accepted until it ends");
    };
    let trust = RelayTrust::from_genesis(genesis, Some(lists.clone()));
    let read = trust.map_err(|denied| denied.to_string()).and_then(|trust| trust.reload());
    match read {
        Ok(_) => report.ok("revocation-list", "the relay's can be read"),
        Err(why) => {
            let next = "ask the relay's operator for relay.crl.pem, or leave \
                        tls.relay_revocation_lists out";
            report.fail("revocation-list", why, next);
        }
    }
}

/// The keys that sign the relay's logs, held against the genesis.
pub(super) fn log_keys(report: &mut Report, relay: &config::Relay, genesis: &Genesis) {
    match read_signers(relay, genesis) {
        Ok(signers) if signers.check(&genesis.network, &genesis.log_keys).is_ok() => {
            report.ok("log-keys", "both open and are the ones that the genesis pins");
        }
        Ok(_) => {
            let what = "both open; one is not the genesis': right if it was announced since, which \
                        the relay checks when it starts";
            report.ok("log-keys", what);
        }
        Err(error @ StartError::LogKey { .. }) => {
            let next = "name in [logs] the files that were made with the public halves in the \
                        genesis";
            report.fail("log-keys", error, next);
        }
        Err(error) => unopened(report, "log-keys", &error),
    }
}

/// A desk's keys, each held against the genesis: the entries since then are in the desk's case
/// file, which only its agent reads.
pub(super) fn keys(report: &mut Report, desk: &Desk, genesis: Option<&Genesis>, unlock: &Unlock) {
    let directory = genesis.map(Directory::from_genesis);
    let known = directory.as_ref().and_then(|directory| directory.desk(&desk.desk));
    let signing = |path: &Path| {
        read_seed(path, Kind::Ed25519, unlock).map(|seed| SigningKey::from_seed(*seed))
    };
    match signing(&desk.keys.desk) {
        Ok(key) if known.is_some_and(|known| known.desk_key == key.public()) => {
            report.ok("desk-key", "the machine key opens and is the one of the genesis");
        }
        Ok(_) => {
            let says = "the genesis has another machine key of this desk, or none";
            let next = "that is right after an entry with this key; otherwise name the key that is \
                        published in keys.desk: with another one the agent does not start";
            report.warn("desk-key", says, next);
        }
        Err(error) => unopened(report, "desk-key", &error),
    }
    if let Some(path) = &desk.keys.witness {
        witness_key(report, path, known, unlock);
    }
    for path in &desk.keys.encryption {
        match read_seed(path, Kind::Hpke, unlock) {
            Ok(seed) => {
                let key = DecryptionKey::from_seed(*seed).id();
                let published =
                    known.is_some_and(|known| known.encryption_keys.iter().any(|k| k.id == key));
                // A newer one stands in an entry, an old one nowhere any more: both are needed.
                let says = if published { "is in the genesis" } else { "came after the genesis" };
                report.ok("encryption-key", format!("{}: opens and {says}", path.display()));
            }
            Err(error) => unopened(report, "encryption-key", &error),
        }
    }
    for officer in &desk.officers {
        let id = OfficerId { desk: desk.desk.clone(), name: officer.name.clone() };
        match signing(&officer.key) {
            Ok(key) => {
                let theirs = directory.as_ref().and_then(|directory| directory.officer(&id));
                if theirs.is_some_and(|officer| officer.key == key.public()) {
                    report.ok("officer-key", format!("{id}: opens and is in the genesis"));
                } else {
                    let says = format!("{id}: opens; the genesis does not have it");
                    let next = "that is right after an entry with this key; otherwise publish one: \
                                until then what it signs is refused";
                    report.warn("officer-key", says, next);
                }
            }
            Err(error) => unopened(report, "officer-key", &error),
        }
    }
}

fn witness_key(report: &mut Report, path: &Path, known: Option<&member::Desk>, unlock: &Unlock) {
    match read_seed(path, Kind::Ed25519, unlock) {
        Ok(seed) => {
            let key = SigningKey::from_seed(*seed).public();
            let published = known.is_none_or(|known| known.witness_key.as_ref() == Some(&key));
            if published {
                report.ok("witness-key", "the witness key opens and is the one in the directory");
            } else {
                let says = "the directory of the genesis has not this witness key";
                let next = "publish it in the nation's entry and name it in the policy";
                report.warn("witness-key", says, next);
            }
        }
        Err(error) => unopened(report, "witness-key", &error),
    }
}

fn unopened(report: &mut Report, check: &'static str, error: &StartError) {
    let next = "check the path, who may read it, and that the secret in [unlock] is the one it was \
                made with";
    report.fail(check, error, next);
}
