//! Which keys of the relay's logs this desk believes.
//!
//! Not for what they sign (see `receipt.rs` and `witness/`). Those of the genesis are pinned. One
//! that was announced since, by the key before it (see `envelope::genesis::Announcement`), is
//! believed once the witnesses have seen its record in the directory log, which they saw under the
//! key before; without witnesses in the policy, at once. A key that nobody announced is none:
//! whatever it signs is an alarm, as if nobody had signed it.

use super::contacts::{Contacts, NewLogKey};
use super::{CaseFile, Desk};
use crate::envelope::genesis::{LogKey, log_key};
use crate::tlog::VerifierKey;
use crate::units::{DAY_MS, Timestamp};

/// How long a new key of a log is shown, in days.
const NOTICE_DAYS: i64 = 30;

impl Contacts {
    /// True once a key that was announced counts.
    fn counts(&self, new: &NewLogKey) -> bool {
        self.believed().map_or(true, |leaves| new.leaf < leaves)
    }

    /// The keys that were announced and count, of all logs, in order.
    pub(super) fn new_log_keys(&self) -> impl Iterator<Item = &LogKey> {
        self.announced_keys().filter(|new| self.counts(new)).map(|new| &new.key)
    }
}

impl CaseFile {
    /// The keys of a log that are believed now, the oldest first.
    pub(super) fn log_keys(&self, log: &str) -> Vec<VerifierKey> {
        let Some(network) = self.directory().network() else { return Vec::new() };
        let keys = self.founding_log_keys().chain(self.contacts().new_log_keys());
        keys.filter(|key| key.log == log).filter_map(|key| log_key(&network.name, key)).collect()
    }
}

impl CaseFile {
    /// The keys of the logs that the genesis pins.
    pub(super) fn founding_log_keys(&self) -> impl Iterator<Item = &LogKey> {
        let keys = self.directory().network().map_or(&[][..], |network| &network.log_keys);
        let announced = self.contacts().announced_keys().count();
        keys.iter().take(keys.len().saturating_sub(announced))
    }
}

impl Desk {
    /// Lets the witness and the judge of published heads take the keys that count by now.
    pub(super) fn spread_log_keys(&self) {
        let file = self.file();
        let Some(network) = file.directory().network() else { return };
        for new in file.contacts().new_log_keys() {
            let Some(key) = log_key(&network.name, new) else { continue };
            if self.inner.heads.trust(&key) {
                tracing::warn!(%key, "a log of the relay has a new key, which was announced");
            }
            self.inner.witness.trust(&new.log, key);
        }
    }

    /// The announcements of the last 30 days, in words.
    pub(super) fn log_key_notices(&self) -> Vec<(Timestamp, String)> {
        let file = self.file();
        let since = self.now().plus_ms(-NOTICE_DAYS * DAY_MS);
        let contacts = file.contacts();
        let recent = contacts.announced_keys().filter(|new| new.time >= since);
        let say = |new: &NewLogKey| {
            let NewLogKey { index, time, key, .. } = new;
            let seen = if contacts.counts(new) {
                "it counts"
            } else {
                "the witnesses have not seen it yet, and it does not count"
            };
            let id: String = key.key.id().to_string().chars().take(16).collect();
            let log = &key.log;
            (
                *time,
                format!("the {log} log has the new key {id}, announced by record {index}: {seen}"),
            )
        };
        recent.map(say).collect()
    }
}
