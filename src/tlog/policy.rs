//! Trust policies of C2SP tlog-policy (text of July 2026): which logs are believed, and when they
//! are witnessed enough.
//!
//! Not for fetching anything: addresses are kept as they stand. Names are UTF-8 here, where the
//! specification allows any bytes; what is not UTF-8 is refused.
//!
//! No input makes this panic; nothing is recursive.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::checkpoint::Checkpoint;
use super::note::{BadNote, Kind, Note, VerifierKey};
use crate::units::Unreadable;

/// The largest policy in bytes: 32 logs, 32 ML-DSA-44 witnesses and 32 groups fit many times over.
pub const POLICY_BYTES_MAX: usize = 1 << 20;
/// Logs, witnesses and groups at most, each. The specification asks for at least 32.
pub const ENTRIES_MAX: usize = 256;

/// The name that asks for no witness.
const NONE: &str = "none";

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<Log>,
    members: Vec<Member>,
    /// Place of the quorum among the members; none asks for no witness.
    quorum: Option<usize>,
}

/// A log that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Its key; the key's name is the log's origin.
    pub key: VerifierKey,
    /// Where it is served, if that is said.
    pub url: Option<String>,
}

/// A witness or a group, in the order of their lines.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    name: String,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Witness { key: VerifierKey, url: Option<String> },
    Group { threshold: usize, members: Vec<usize> },
}

/// A witness of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness<'p> {
    /// Its name in the policy.
    pub name: &'p str,
    /// Its key.
    pub key: &'p VerifierKey,
    /// Where it takes checkpoints, if that is said.
    pub url: Option<&'p str>,
}

/// Which witnesses have cosigned, and when, in seconds since 1970.
pub type Witnessed<'p> = Vec<(&'p str, u64)>;

/// Why a checkpoint is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    /// The note is no checkpoint.
    #[error("{0}")]
    Unreadable(Unreadable),
    /// No log of the policy has this origin.
    #[error("no log of the policy is called {0:?}")]
    UnknownLog(String),
    /// The log's own signature is absent or does not verify.
    #[error("the log's signature: {0}")]
    Log(BadNote),
    /// A witness's signature does not verify.
    #[error("a witness's signature: {0}")]
    Witness(BadNote),
    /// Too few witnesses have cosigned.
    #[error("{cosigned} of {known} witnesses have cosigned, which is not the quorum {quorum}")]
    Quorum {
        /// Witnesses of the policy that have cosigned.
        cosigned: usize,
        /// Witnesses of the policy.
        known: usize,
        /// Name of the quorum.
        quorum: String,
    },
}

impl Policy {
    /// The logs.
    pub fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// Adds one more key of a log that the policy knows by name. False when it has it already, or
    /// knows no log of that name.
    pub fn add_log(&mut self, key: VerifierKey) -> bool {
        let known = self.logs.iter().any(|log| log.key.public() == key.public());
        let named = self.logs.iter().any(|log| log.key.name() == key.name());
        let adds = named && !known && self.logs.len() < ENTRIES_MAX;
        if adds {
            self.logs.push(Log { key, url: None });
        }
        adds
    }

    /// The same logs and witnesses, and no quorum is asked for.
    #[must_use]
    pub fn without_quorum(&self) -> Self {
        Self { quorum: None, ..self.clone() }
    }

    /// The witnesses, in the order of their lines.
    pub fn witnesses(&self) -> impl Iterator<Item = Witness<'_>> {
        self.members.iter().filter_map(|member| match &member.what {
            What::Witness { key, url } => {
                Some(Witness { name: &member.name, key, url: url.as_deref() })
            }
            What::Group { .. } => None,
        })
    }

    /// Accepts a checkpoint that is signed by one of the logs and cosigned by the quorum, and says
    /// which witnesses have cosigned it.
    ///
    /// # Errors
    /// [`Unmet`] naming the first thing that is missing or wrong.
    pub fn check(&self, note: &Note) -> Result<(Checkpoint, Witnessed<'_>), Unmet> {
        let checkpoint: Checkpoint = note.text().parse().map_err(Unmet::Unreadable)?;
        let keys = self.logs.iter().map(|log| &log.key);
        let mut own = keys.filter(|key| key.name().as_str() == checkpoint.origin()).peekable();
        if own.peek().is_none() {
            return Err(Unmet::UnknownLog(checkpoint.origin().to_owned()));
        }
        note.verify(own).map_err(Unmet::Log)?;
        let witnessed = self.witnessed(note)?;
        self.check_quorum(&witnessed)?;
        Ok((checkpoint, witnessed))
    }

    /// The witnesses that have cosigned a note.
    ///
    /// # Errors
    /// When a cosignature by one of them does not verify.
    pub fn witnessed(&self, note: &Note) -> Result<Witnessed<'_>, Unmet> {
        let mut witnessed = Vec::new();
        for Witness { name, key, .. } in self.witnesses() {
            if let Some(line) = note.lines().iter().find(|line| line.is_by(key)) {
                let time = key.verify(note.text(), line).map_err(Unmet::Witness)?;
                witnessed.push((name, time.unwrap_or(0)));
            }
        }
        Ok(witnessed)
    }

    /// True when a head needs witnesses to be accepted.
    pub const fn asks(&self) -> bool {
        self.quorum.is_some()
    }

    /// True when the witnesses with these names are the quorum; always where none is asked for.
    pub fn is_quorum(&self, names: &BTreeSet<&str>) -> bool {
        let Some(quorum) = self.quorum else { return true };
        let mut met: Vec<bool> = Vec::with_capacity(self.members.len());
        for member in &self.members {
            met.push(match &member.what {
                What::Witness { .. } => names.contains(member.name.as_str()),
                What::Group { threshold, members } => {
                    members.iter().filter(|place| met.get(**place) == Some(&true)).count()
                        >= *threshold
                }
            });
        }
        met.get(quorum) == Some(&true)
    }

    fn check_quorum(&self, witnessed: &Witnessed<'_>) -> Result<(), Unmet> {
        if self.is_quorum(&witnessed.iter().map(|(name, _)| *name).collect()) {
            return Ok(());
        }
        let quorum = self.quorum.and_then(|quorum| self.members.get(quorum));
        Err(Unmet::Quorum {
            cosigned: witnessed.len(),
            known: self.witnesses().count(),
            quorum: quorum.map_or(NONE, |member| &member.name).to_owned(),
        })
    }
}

impl FromStr for Policy {
    type Err = Unreadable;

    /// Reads a policy file.
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(Unreadable::new("policy", "larger than a policy may be"));
        }
        let mut reading = Reading::default();
        for (number, line) in text.split('\n').enumerate() {
            reading
                .line(line)
                .map_err(|why| Unreadable::new("policy", format!("line {}: {why}", number + 1)))?;
        }
        let Reading { logs, members, quorum } = reading;
        let quorum = quorum.ok_or_else(|| Unreadable::new("policy", "it has no quorum line"))?;
        Ok(Self { logs, members, quorum })
    }
}

/// A policy as far as it has been read.
#[derive(Default)]
struct Reading {
    logs: Vec<Log>,
    members: Vec<Member>,
    quorum: Option<Option<usize>>,
}

impl Reading {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.bytes().any(|byte| byte < 0x20 && byte != b'\t' || byte == 0x7f) {
            return Err("a control character".to_owned());
        }
        let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", key] => self.log(key, None),
            ["log", key, url] => self.log(key, Some(url)),
            ["witness", name, key] => self.witness(name, key, None),
            ["witness", name, key, url] => self.witness(name, key, Some(url)),
            ["group", name, threshold, members @ ..] => self.group(name, threshold, members),
            ["quorum", name] => self.quorum(name),
            [first, ..] => Err(format!("{first:?} is no line of a policy, or has not its words")),
        }
    }

    fn log(&mut self, key: &str, url: Option<&str>) -> Result<(), String> {
        let key: VerifierKey = key.parse().map_err(|error: Unreadable| error.to_string())?;
        if self.logs.iter().any(|log| log.key.public() == key.public()) {
            return Err("a log with this key is there already".to_owned());
        }
        if self.logs.len() == ENTRIES_MAX {
            return Err(format!("more than {ENTRIES_MAX} logs"));
        }
        self.logs.push(Log { key, url: url.map(str::to_owned) });
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<&str>) -> Result<(), String> {
        let key: VerifierKey = key.parse().map_err(|error: Unreadable| error.to_string())?;
        if key.kind() == Kind::Ed25519 {
            return Err("a witness's key has type 4 or 6".to_owned());
        }
        let same = |member: &Member| match &member.what {
            What::Witness { key: other, .. } => other.public() == key.public(),
            What::Group { .. } => false,
        };
        if self.members.iter().any(same) {
            return Err("a witness with this key is there already".to_owned());
        }
        self.member(name, What::Witness { key, url: url.map(str::to_owned) })
    }

    fn group(&mut self, name: &str, threshold: &str, names: &[&str]) -> Result<(), String> {
        let mut members = Vec::new();
        for name in names {
            let place = self.place(name)?;
            if self.is_in_a_group(place) || members.contains(&place) {
                return Err(format!("{name:?} is a member of a group already"));
            }
            members.push(place);
        }
        let threshold = match threshold {
            "any" => 1,
            "all" => members.len(),
            number => super::checkpoint::parse_size(number)
                .and_then(|number| usize::try_from(number).ok())
                .ok_or_else(|| format!("{number:?} is not any, all or a number"))?,
        };
        if !(1..=members.len()).contains(&threshold) {
            return Err(format!("{threshold} of {} members", members.len()));
        }
        self.member(name, What::Group { threshold, members })
    }

    fn quorum(&mut self, name: &str) -> Result<(), String> {
        if self.quorum.is_some() {
            return Err("a second quorum line".to_owned());
        }
        self.quorum = Some(if name == NONE { None } else { Some(self.place(name)?) });
        Ok(())
    }

    fn member(&mut self, name: &str, what: What) -> Result<(), String> {
        if name == NONE || self.members.iter().any(|member| member.name == name) {
            return Err(format!("the name {name:?} is taken"));
        }
        if self.members.len() == 2 * ENTRIES_MAX {
            return Err(format!("more than {} witnesses and groups", 2 * ENTRIES_MAX));
        }
        self.members.push(Member { name: name.to_owned(), what });
        Ok(())
    }

    fn place(&self, name: &str) -> Result<usize, String> {
        self.members
            .iter()
            .position(|member| member.name == name)
            .ok_or_else(|| format!("{name:?} is not defined on a line above"))
    }

    /// Each name may be listed once, so that a witness counts in one way only.
    fn is_in_a_group(&self, place: usize) -> bool {
        self.members.iter().any(|member| match &member.what {
            What::Witness { .. } => false,
            What::Group { members, .. } => members.contains(&place),
        })
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url =
            |url: &Option<String>| url.as_ref().map_or(String::new(), |url| format!(" {url}"));
        for log in &self.logs {
            writeln!(f, "log {}{}", log.key, url(&log.url))?;
        }
        let name = |place: &usize| self.members.get(*place).map_or(NONE, |member| &member.name);
        for member in &self.members {
            match &member.what {
                What::Witness { key, url: at } => {
                    writeln!(f, "witness {} {key}{}", member.name, url(at))?;
                }
                What::Group { threshold, members } => {
                    let names: Vec<&str> = members.iter().map(name).collect();
                    writeln!(f, "group {} {threshold} {}", member.name, names.join(" "))?;
                }
            }
        }
        writeln!(f, "quorum {}", self.quorum.as_ref().map_or(NONE, name))
    }
}
