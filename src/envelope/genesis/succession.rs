//! That a log of the network signs with another key from now on: a record of the directory log.
//!
//! Not for when it counts: a desk believes the new key once the witnesses have seen the record
//! under the key before (see `desk/contacts.rs`).
//!
//! A C2SP signed note. Its text is no checkpoint, and cannot be taken for one:
//!
//! ```text
//! detente log key v1
//! g7.example/traffic                     the log's origin, which is the name of its keys
//! <genesis, 64 hexadecimal digits>
//! 1                                      its place in the succession; 0 is the genesis' own key
//! g7.example/traffic+a1b2c3d4+AT...      the new key (C2SP vkey)
//! ```
//!
//! Signed with the key before it, which alone could announce it, and with the new key itself.

use std::fmt;
use std::str::FromStr;

use super::{Genesis, LogKey, PublicKey, log_key};
use crate::tlog::note::{BadNote, Kind};
use crate::tlog::{Note, Signer, VerifierKey};
use crate::units::{Hash, Name, Unreadable};

/// The first line.
const FIRST: &str = "detente log key v1";

/// The most keys that a log of one genesis may have had: one a year for as long as anybody plans.
pub const SUCCESSION_MAX: u32 = 64;

/// See the file's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// "directory" or "traffic".
    pub log: String,
    /// The genesis of the network.
    pub genesis: Hash,
    /// Its place in the succession, from 1.
    pub number: u32,
    /// The new key.
    pub key: VerifierKey,
    note: Note,
}

/// Why an announcement announces nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAnnouncement {
    /// It is of another network.
    #[error("it is of the network with genesis {0}")]
    OtherNetwork(Hash),
    /// The network has no such log.
    #[error("this network has no log {0:?}")]
    UnknownLog(String),
    /// It is not the next.
    #[error("it is key {given} of its log, but key {due} is due")]
    OutOfTurn {
        /// As it says.
        given: u32,
        /// What would be next.
        due: u32,
    },
    /// The key before has not signed it.
    #[error("the log's newest key has not signed it: {0}")]
    NotSigned(BadNote),
    /// The new key has not signed it.
    #[error("the new key has not signed it: {0}")]
    NotHeld(BadNote),
    /// The key is one that the log has or had.
    #[error("the log has had this key already")]
    KnownKey,
}

impl Announcement {
    /// Announces `new` as the key that comes after `old`, as number `number` of its log.
    ///
    /// # Errors
    /// When the keys are not of one log of a network, or cannot sign.
    pub fn sign(
        genesis: Hash,
        number: u32,
        (old, new): (&Signer, &Signer),
    ) -> Result<Self, Unreadable> {
        let key = new.public();
        let text = format!("{FIRST}\n{}\n{genesis}\n{number}\n{key}\n", old.public().name());
        let mut note = Note::new(text)?;
        // A plain signature says nothing of time.
        note.add(old.sign(note.text(), 0)?);
        note.add(new.sign(note.text(), 0)?);
        note.to_string().parse()
    }

    /// Proves that this is the next key of a log: `known` are all that the network's logs have had,
    /// in order.
    ///
    /// # Errors
    /// [`BadAnnouncement`].
    pub fn check(
        &self,
        network: &Name,
        genesis: Hash,
        known: &[LogKey],
    ) -> Result<(), BadAnnouncement> {
        if self.genesis != genesis {
            return Err(BadAnnouncement::OtherNetwork(self.genesis));
        }
        let keys: Vec<VerifierKey> = known
            .iter()
            .filter(|key| key.log == self.log)
            .filter_map(|key| log_key(network, key))
            .collect();
        let Some(newest) = keys.last().filter(|key| key.name() == self.key.name()) else {
            return Err(BadAnnouncement::UnknownLog(self.log.clone()));
        };
        let due = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        if self.number != due {
            return Err(BadAnnouncement::OutOfTurn { given: self.number, due });
        }
        if keys.contains(&self.key) {
            return Err(BadAnnouncement::KnownKey);
        }
        self.note.verify([newest]).map_err(BadAnnouncement::NotSigned)?;
        self.note.verify([&self.key]).map(drop).map_err(BadAnnouncement::NotHeld)
    }

    /// The text that the key before and the new one have signed.
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// The new key as a directory keeps it.
    pub fn log_key(&self) -> LogKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.key.public());
        LogKey { log: self.log.clone(), key: PublicKey::Ed25519(key) }
    }
}

impl Genesis {
    /// The keys of the logs, with those that were announced since, in order.
    pub fn log_keys_with<'a>(&'a self, announced: impl Iterator<Item = &'a LogKey>) -> Vec<LogKey> {
        self.log_keys.iter().chain(announced).cloned().collect()
    }
}

impl fmt::Display for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

impl FromStr for Announcement {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let wrong = |why: &str| Unreadable::new("announcement of a log's key", why);
        let note: Note = text.parse()?;
        let lines: Vec<&str> = note.text().lines().collect();
        let [FIRST, origin, genesis, number, key] = lines.as_slice() else {
            return Err(wrong("it has not the five lines that it must have"));
        };
        let log = origin.rsplit_once('/').map(|(_, log)| log.to_owned());
        let log = log.ok_or_else(|| wrong("its second line is no log's origin"))?;
        let genesis: Hash = genesis.parse()?;
        let given = *number;
        let number: u32 = number.parse().map_err(|_| wrong("its fourth line is no number"))?;
        if number.to_string() != given || !(1..=SUCCESSION_MAX).contains(&number) {
            return Err(wrong("its fourth line is no number from 1 to 64"));
        }
        let key: VerifierKey = key.parse()?;
        if key.name().as_str() != *origin || key.kind() != Kind::Ed25519 {
            return Err(wrong("its key is no Ed25519 key of the log"));
        }
        if note.lines().len() != 2 {
            return Err(wrong("it is not signed by two keys, the one before and the new one"));
        }
        Ok(Self { log, genesis, number, key, note })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::SigningKey;

    fn signer(log: &str, seed: u8) -> Signer {
        Signer::from_seed(format!("net/{log}").parse().unwrap(), Kind::Ed25519, [seed; 32])
    }

    fn known(log: &str, seeds: &[u8]) -> Vec<LogKey> {
        let key = |seed: &u8| SigningKey::from_seed([*seed; 32]).public();
        seeds.iter().map(|seed| LogKey { log: log.to_owned(), key: key(seed) }).collect()
    }

    #[test]
    fn only_the_newest_key_of_a_log_announces_the_next() {
        let (genesis, network): (_, Name) = (Hash([9; 32]), "net".parse().unwrap());
        let sign = |number, old, new| {
            Announcement::sign(genesis, number, (&signer("traffic", old), &signer("traffic", new)))
                .unwrap()
        };
        let check = |announced: &Announcement, seeds: &[u8]| {
            announced.check(&network, genesis, &known("traffic", seeds))
        };
        let first = sign(1, 1, 2);
        assert_eq!(first.to_string().parse(), Ok(first.clone()));
        assert_eq!(check(&first, &[1]), Ok(()));
        assert_eq!(first.log_key(), known("traffic", &[2])[0]);
        assert_eq!(check(&sign(2, 2, 3), &[1, 2]), Ok(()));
        let due = |given, due| Err(BadAnnouncement::OutOfTurn { given, due });
        assert_eq!(check(&first, &[1, 2]), due(1, 2));
        assert_eq!(check(&sign(2, 1, 3), &[1]), due(2, 1));
        assert_eq!(check(&sign(2, 2, 1), &[1, 2]), Err(BadAnnouncement::KnownKey));
        // The key of the genesis has no say any more, and a stranger never had.
        for old in [1, 7] {
            let bad = check(&sign(2, old, 3), &[1, 2]);
            assert_eq!(bad, Err(BadAnnouncement::NotSigned(BadNote::Unsigned)));
        }
        let other =
            Announcement::sign(Hash([8; 32]), 1, (&signer("traffic", 1), &signer("traffic", 2)));
        let bad = check(&other.unwrap(), &[1]);
        assert_eq!(bad, Err(BadAnnouncement::OtherNetwork(Hash([8; 32]))));
        let bad = first.check(&network, genesis, &known("directory", &[1]));
        assert_eq!(bad, Err(BadAnnouncement::UnknownLog("traffic".to_owned())));
        let mut half = first.clone();
        half.note = half.note.with_only(|line| line.is_by(signer("traffic", 1).public()));
        assert_eq!(check(&half, &[1]), Err(BadAnnouncement::NotHeld(BadNote::Unsigned)));
    }

    #[test]
    fn what_is_no_announcement_is_not_read_as_one() {
        let (old, new) = (signer("traffic", 1), signer("traffic", 2));
        let good = Announcement::sign(Hash([9; 32]), 1, (&old, &new)).unwrap().to_string();
        for (what, bad) in [
            ("another first line", good.replacen("v1", "v2", 1)),
            ("a number with a zero", good.replacen("\n1\n", "\n01\n", 1)),
            ("number 0", good.replacen("\n1\n", "\n0\n", 1)),
            ("another log", good.replacen("net/traffic\n", "net/directory\n", 1)),
            ("no genesis", good.replacen("\n09", "\nx9", 1)),
            ("one signature", good.lines().take(7).map(|line| format!("{line}\n")).collect()),
            ("nothing", String::new()),
        ] {
            assert!(bad != good && bad.parse::<Announcement>().is_err(), "{what}: {bad}");
        }
    }
}
