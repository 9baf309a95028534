//! What this desk has against the relay: alarms that stand until somebody says in words that they
//! have been dealt with; and the desk's own part as a witness.
//!
//! Not for finding anything (see `witness/`, `relay_log.rs` and `intake.rs`).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::changes::Change;
use super::error::{Error, Local};
use super::record::{Monitored, Record};
use super::relay_log::RelayLog;
use super::store::Scratch;
use super::witness::{Answer, Finding, Wrong};
use super::{Desk, off_the_workers};
use crate::envelope::Malformed;
use crate::tlog::witness::Latest;
use crate::tlog::{Note, Policy, VerifierKey};
use crate::units::{DAY_MS, Hash, Name, Timestamp};

/// How long another nation's new keys are shown, in days.
const NOTICE_DAYS: i64 = 30;

/// Begins the ids of alarms about our own nation's entries.
const ENTRY_PREFIX: &str = "entry-";

/// The longest words with which an alarm is settled, in bytes.
const WORDS_BYTES_MAX: usize = 1_000;

/// Something that is wrong and stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// By which it is settled; empty where it ends by itself.
    pub id: String,
    /// Stable code, as "D-303".
    pub code: &'static str,
    /// Stable reason, as "LOG_FORKED".
    pub reason: &'static str,
    /// What was found, in words.
    pub what: String,
    /// What to do next, in a sentence.
    pub next: &'static str,
    /// Since when; none where that is not known.
    pub since: Option<Timestamp>,
}

impl Desk {
    /// The key with which this desk cosigns; none where it is no witness.
    pub fn witness_key(&self) -> Option<VerifierKey> {
        self.keys().witness.as_ref().map(|signer| signer.public().clone())
    }

    /// By which a head of the logs is believed as witnessed.
    pub fn policy(&self) -> Arc<Policy> {
        self.inner.heads.policy()
    }

    /// What this desk cosigned last, log by log, also where that is nothing.
    pub fn cosigned(&self) -> Vec<(String, Latest)> {
        self.inner.witness.heads()
    }

    /// The note of the head of a log that this desk cosigned last; none before the first.
    pub fn cosigned_note(&self, log: &str) -> Option<Note> {
        self.inner.witness.newest(log).map(|head| head.note)
    }

    /// Answers the relay, which asks for a cosignature: the body of add-checkpoint (C2SP
    /// tlog-witness), about the log of this name. What was cosigned is on disk when this answers.
    pub async fn cosign(&self, log: String, add_checkpoint: String) -> Answer {
        let desk = self.clone();
        let answered = off_the_workers(move || {
            let keys = desk.keys();
            let Some(signer) = &keys.witness else {
                return Err(Error::Fault("this desk is no witness".to_owned()));
            };
            Ok(desk.inner.witness.answer(signer, &log, &add_checkpoint, desk.now()))
        })
        .await;
        let answer = answered.unwrap_or_else(|error| Answer {
            status: 500,
            body: error.to_string(),
            found: None,
        });
        if let Some(finding) = &answer.found {
            self.alarm_of(finding);
        }
        if answer.status == 500 {
            tracing::error!(why = answer.body, "a head was not cosigned");
        }
        answer
    }

    /// What stands, in the order of its codes.
    pub fn alarms(&self) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        if let RelayLog::Other(found) = self.relay_log() {
            alarms.push(Alarm {
                id: String::new(),
                code: found.code,
                reason: found.reason,
                what: found.what,
                next: "ask the relay's operator; then detente desk reconcile",
                since: None,
            });
        }
        alarms.extend(self.inner.evidence.standing().into_iter().map(of_finding));
        if self.witness_key().is_some() {
            alarms.extend(self.inner.witness.unreadable().into_iter().map(unreadable));
        }
        let file = self.file();
        let strange = file.contacts().strange(file.owner().member);
        alarms.extend(strange.map(|change| of_change(change)));
        alarms.extend(file.conduct_alarms(self.now()));
        alarms.extend(self.standing_owed());
        alarms.sort_by(|a, b| (a.code, &a.id).cmp(&(b.code, &b.id)));
        alarms
    }

    /// Says that an alarm has been dealt with, by whom and how. When this answers, that is on
    /// disk. Saying it again is no error.
    ///
    /// # Errors
    /// When there is no such alarm or officer, no words, or the disk is full or failed.
    pub async fn settle(&self, id: String, by: Name, words: String) -> Result<(), Error> {
        self.keys().officer(&by)?;
        if words.trim().is_empty() || words.len() > WORDS_BYTES_MAX {
            let why = format!("say in 1 to {WORDS_BYTES_MAX} bytes how it was dealt with");
            return Err(Error::Malformed(vec![Malformed { field: "words".to_owned(), why }]));
        }
        if let Some(version) = version_of(&id) {
            return self.settle_entry(version, id, by, words).await;
        }
        let owed = self.standing_owed();
        let conduct = self.file().standing_conduct(self.now());
        if !id.is_empty() && conduct.iter().chain(&owed).any(|alarm| alarm.id == id) {
            return self.settle_conduct(id, by, words).await;
        }
        let (evidence, now) = (Arc::clone(&self.inner.evidence), self.now());
        let (asked, said) = (id.clone(), words.clone());
        let settled = off_the_workers(move || {
            let settled = evidence.settle(&asked, &by, &said, now);
            settled.map_err(|error| Error::Fault(error.to_string()))
        });
        match settled.await? {
            Some(finding) => {
                tracing::warn!(alarm = finding.id, words, "an alarm was settled");
                Ok(())
            }
            None => Err(Local::UnknownAlarm(id).into()),
        }
    }

    /// Notes that an entry of our own nation goes to the relay from here: it will be no surprise.
    ///
    /// # Errors
    /// When the disk is full or failed.
    pub async fn note_publishing(&self, hash: Hash) -> Result<(), Error> {
        let decide = move |scratch: &mut Scratch| {
            scratch.note(Record::Monitored(Monitored::Publishing { hash }), Vec::new());
            Ok(())
        };
        self.inner.store.write(decide).await
    }

    /// Other nations' entries of the last 30 days that changed a key, newest first, in words.
    pub fn notices(&self) -> Vec<(Timestamp, String)> {
        let file = self.file();
        let since = self.now().plus_ms(-NOTICE_DAYS * DAY_MS);
        let believed = file.contacts().believed();
        let mut notices: Vec<_> = file
            .contacts()
            .rekeyed(file.owner().member, since)
            .map(|change| (change.time, notice(change, believed)))
            .collect();
        notices.extend(self.log_key_notices());
        notices.sort_by_key(|(since, _)| std::cmp::Reverse(*since));
        notices
    }

    async fn settle_entry(
        &self,
        version: u64,
        id: String,
        officer: Name,
        words: String,
    ) -> Result<(), Error> {
        let decide = move |scratch: &mut Scratch| {
            let own = scratch.file().owner().member;
            if scratch.file().contacts().strange(own).all(|change| change.version != version) {
                return Err(Local::UnknownAlarm(id).into());
            }
            tracing::warn!(version, words, "an entry of our own nation was settled");
            let settled = Monitored::Settled { version, officer, words };
            scratch.note(Record::Monitored(settled), Vec::new());
            Ok(())
        };
        self.inner.store.write(decide).await
    }

    async fn settle_conduct(&self, id: String, by: Name, words: String) -> Result<(), Error> {
        let decide = move |scratch: &mut Scratch| {
            tracing::warn!(alarm = id, words, "an alarm was settled");
            let dealt = Monitored::Dealt { id, officer: by, words };
            scratch.note(Record::Monitored(dealt), Vec::new());
            Ok(())
        };
        self.inner.store.write(decide).await
    }

    /// Raises the alarm of every statement that has no receipt at its limit, once for each that is
    /// not in `raised`; what has ended is forgotten there.
    pub fn raise_overdue(&self, raised: &mut BTreeSet<String>) {
        let overdue = self.file().overdue(self.now());
        let standing: BTreeSet<&str> = overdue.iter().map(|alarm| alarm.id.as_str()).collect();
        raised.retain(|id| standing.contains(id.as_str()));
        for Alarm { id, code, reason, what, .. } in overdue {
            if raised.insert(id) {
                self.alarm(&format!("{code} {reason}: {what}"));
            }
        }
    }

    /// Raises the alarm of entries of our own nation that did not go out from here, from this leaf
    /// on; other nations' new keys are only said.
    pub(super) fn alarm_of_strange(&self, from: u64) {
        let file = self.file();
        let own = file.owner().member;
        for change in file.contacts().strange(own).filter(|change| change.leaf >= from) {
            let alarm = of_change(change);
            self.alarm(&format!("{} {}: {} ({})", alarm.code, alarm.reason, alarm.what, alarm.id));
        }
        let rekeyed = file.contacts().rekeyed(own, Timestamp(0));
        for change in rekeyed.filter(|change| change.leaf >= from) {
            tracing::warn!(
                what = notice(change, self.file().contacts().believed()),
                "keys have changed"
            );
        }
    }

    /// Raises the alarm of a finding, once for each.
    pub(super) fn alarm_of(&self, finding: &Finding) {
        let alarm = of_finding(finding.clone());
        let (code, reason) = (alarm.code, alarm.reason);
        self.alarm(&format!("{code} {reason}: {} (evidence {})", alarm.what, alarm.id));
    }
}

fn of_finding(finding: Finding) -> Alarm {
    let Finding { id, wrong, log, found, what, settled: _ } = finding;
    // Evidence whose note is damaged stands as what is worst.
    let wrong = wrong.unwrap_or(Wrong::Fork);
    Alarm {
        id,
        code: wrong.code(),
        reason: wrong.reason(),
        what: if what.is_empty() { format!("evidence against the log {log}") } else { what },
        next: match wrong {
            Wrong::Fork | Wrong::Rollback => {
                "show the evidence to the other members, by another way than the relay; this log \
                 is not cosigned until the alarm is settled (detente desk settle)"
            }
            Wrong::Directory => {
                "compare the directory with another member by another way than the relay, then \
                 settle the alarm (detente desk settle)"
            }
        },
        since: Some(found),
    }
}

/// The id of the alarm about a version of our own nation's entry.
fn id_of(version: u64) -> String {
    format!("{ENTRY_PREFIX}{version}")
}

fn version_of(id: &str) -> Option<u64> {
    id.strip_prefix(ENTRY_PREFIX)?.parse().ok()
}

fn of_change(change: &Change) -> Alarm {
    let Change { member, version, time, .. } = change;
    Alarm {
        id: id_of(*version),
        code: "D-307",
        reason: "OWN_ENTRY_CHANGED",
        what: format!(
            "version {version} of {member}'s entry was published, and not from this desk; it \
             changes {}",
            change.in_words()
        ),
        next: "ask whoever holds the national key; if it was your nation, settle the alarm \
               (detente desk settle); if not, the key is in other hands: tell the relay's operator \
               and the other members by telephone",
        since: Some(*time),
    }
}

fn notice(change: &Change, believed: Result<u64, &'static str>) -> String {
    let Change { member, version, leaf, keys, .. } = change;
    let seen = match believed {
        Err(why) => why,
        Ok(leaves) if *leaf < leaves => "the witnesses have seen it",
        Ok(_) => "the witnesses have not seen it yet, and nothing is sealed to its new keys",
    };
    format!("{member} version {version}: {} ({seen})", keys.join("; "))
}

fn unreadable((log, why): (String, String)) -> Alarm {
    Alarm {
        id: String::new(),
        code: "D-305",
        reason: "WITNESS_STATE_UNREADABLE",
        what: format!("the log {log} is not cosigned: {why}"),
        next: "restore the file from a backup that is not older than the newest cosignature; this \
               desk cosigns nothing of the log until it can be read",
        since: None,
    }
}
