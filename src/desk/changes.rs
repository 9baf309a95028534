//! What an entry changes of the one before: keys apart from the rest, in words.
//!
//! Not for whether it may (see `rules::entry`), and not line by line (see `detente desk directory
//! show`). A number or a name of a person is never said, only that it changed.

use std::collections::BTreeSet;

use crate::envelope::entry::Restricted;
use crate::envelope::genesis::PublicKey;
use crate::rules::Directory;
use crate::rules::member::{Desk, Member};
use crate::units::{DeskId, Hash, MemberId, Name, Timestamp};

/// What an entry changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose entry.
    pub member: MemberId,
    /// Its version.
    pub version: u64,
    /// Its hash.
    pub hash: Hash,
    /// Its leaf in the directory log.
    pub leaf: u64,
    /// Record time at the relay.
    pub time: Timestamp,
    /// Keys, officers and authorities that are not as before.
    pub keys: Vec<String>,
    /// Channels, and everything else.
    pub rest: Vec<String>,
}

impl Change {
    /// Everything in one sentence.
    pub fn in_words(&self) -> String {
        let all: Vec<&str> = self.keys.iter().chain(&self.rest).map(String::as_str).collect();
        if all.is_empty() { "nothing else".to_owned() } else { all.join("; ") }
    }
}

/// A directory with what is restricted of one member.
pub(super) type View<'a> = (&'a Directory, &'a Restricted);

/// What is not as before of a member: keys, officers and authorities; and the rest.
pub(super) fn between(
    member: MemberId,
    (before, open_before): View<'_>,
    (after, open_after): View<'_>,
) -> (Vec<String>, Vec<String>) {
    let (mut keys, mut rest) = (Vec::new(), Vec::new());
    if let (Some(old), Some(new)) = (before.member(member), after.member(member)) {
        of_member(old, new, &mut keys, &mut rest);
    }
    let of_it = |directory: &Directory| -> BTreeSet<DeskId> {
        let own = directory.desks().filter(|(id, desk)| id.member == member && !desk.retired);
        own.map(|(id, _)| id.clone()).collect()
    };
    for id in of_it(before).union(&of_it(after)) {
        let here = |directory| Directory::desk(directory, id).filter(|desk| !desk.retired);
        match (here(before), here(after)) {
            (Some(old), Some(new)) => of_desk(id, old, new, &mut keys, &mut rest),
            (Some(_), None) => keys.push(format!("desk {id} is retired")),
            (None, Some(_)) => keys.push(format!("desk {id} is new")),
            (None, None) => {}
        }
        if open_before.get(&id.name) != open_after.get(&id.name) {
            let same = |name: &Name| {
                let (old, new) = (open_before.get(name), open_after.get(name));
                old.map(|open| (&open.channels, &open.confirmation, &open.persons))
                    == new.map(|open| (&open.channels, &open.confirmation, &open.persons))
            };
            if !same(&id.name) {
                rest.push(format!("channels or persons of {id}"));
            }
        }
    }
    (keys, rest)
}

fn of_member(old: &Member, new: &Member, keys: &mut Vec<String>, rest: &mut Vec<String>) {
    if old.ca != new.ca {
        keys.push("certificate authorities".to_owned());
    }
    if old.national_key != new.national_key {
        keys.push("the national key".to_owned());
    }
    if old.display_name != new.display_name {
        rest.push("the name".to_owned());
    }
    if old.instruments != new.instruments {
        rest.push("instruments".to_owned());
    }
    if old.preservation_days_min != new.preservation_days_min {
        rest.push("how long it preserves".to_owned());
    }
}

fn of_desk(id: &DeskId, old: &Desk, new: &Desk, keys: &mut Vec<String>, rest: &mut Vec<String>) {
    if old.desk_key != new.desk_key {
        keys.push(format!("machine key of {id}: {}", one(&old.desk_key, &new.desk_key)));
    }
    if old.witness_key != new.witness_key {
        let say =
            |key: &Option<PublicKey>| key.as_ref().map_or("none".to_owned(), |key| short(key.id()));
        let (was, is) = (say(&old.witness_key), say(&new.witness_key));
        keys.push(format!("witness key of {id}: {was} to {is}"));
    }
    if old.encryption_keys != new.encryption_keys {
        let ids = |desk: &Desk| -> Vec<String> {
            desk.encryption_keys.iter().map(|key| short(key.id)).collect()
        };
        let (was, is) = (ids(old).join(" "), ids(new).join(" "));
        keys.push(format!("encryption keys of {id}: {was} to {is}"));
    }
    let names: BTreeSet<&Name> = old.officers.keys().chain(new.officers.keys()).collect();
    for name in names {
        match (old.officers.get(name), new.officers.get(name)) {
            (Some(was), Some(is)) if was.key != is.key => {
                keys.push(format!("key of officer {id}/{name}: {}", one(&was.key, &is.key)));
            }
            (Some(was), Some(is)) if was != is => {
                keys.push(format!("roles or term of officer {id}/{name}"));
            }
            (Some(_), Some(_)) | (None, None) => {}
            (Some(_), None) => keys.push(format!("officer {id}/{name} is gone")),
            (None, Some(_)) => keys.push(format!("officer {id}/{name} is new")),
        }
    }
    let other =
        |desk: &Desk| (desk.organisation.clone(), desk.time_zone.clone(), desk.languages.clone());
    if other(old) != other(new) {
        rest.push(format!("organisation, time zone or languages of {id}"));
    }
}

fn one(was: &PublicKey, is: &PublicKey) -> String {
    format!("{} to {}", short(was.id()), short(is.id()))
}

/// The first digits of a key's id, as far as people compare them.
fn short(id: Hash) -> String {
    id.to_string().chars().take(16).collect()
}
