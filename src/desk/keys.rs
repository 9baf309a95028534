//! The keys a desk holds: its machine's, its officers', and those that open what is sealed to it.
//!
//! Not for how they lie on disk (see `identity::keyfile`). Nothing here can be printed.

use std::collections::BTreeMap;

use super::error::{Local, OpenError};
use crate::envelope::{DecryptionKey, SigningKey};
use crate::rules::Directory;
use crate::units::{DeskId, Name, OfficerId};

/// A desk's private keys.
pub struct Keys {
    /// Signs receipts and retrievals.
    pub desk: SigningKey,
    /// Open what is sealed to the desk; a key is found by its id.
    pub encryption: Vec<DecryptionKey>,
    /// Officers who can sign at this desk.
    pub officers: BTreeMap<Name, Officer>,
}

/// An officer's key, and who may use it.
pub struct Officer {
    /// Signs what the officer says.
    pub key: SigningKey,
    /// Unix users who may act as the officer.
    pub uids: Vec<u32>,
}

impl Keys {
    /// The officer of this name.
    ///
    /// # Errors
    /// When there is none here.
    pub fn officer(&self, name: &Name) -> Result<&Officer, Local> {
        self.officers.get(name).ok_or_else(|| Local::UnknownOfficer(name.to_string()))
    }

    /// Says whether the network knows these keys as those of `owner`. An officer whom it does not
    /// know is only warned about: the rules refuse what he signs.
    pub(super) fn check(&self, owner: &DeskId, directory: &Directory) -> Result<(), OpenError> {
        let wrong = |what: String| OpenError::Keys(what);
        let desk = directory
            .desk(owner)
            .ok_or_else(|| wrong(format!("the directory has no desk {owner}")))?;
        if desk.desk_key != self.desk.public() {
            return Err(wrong(format!("the desk key is not the one the directory has of {owner}")));
        }
        let published = |key: &DecryptionKey| desk.encryption_keys.iter().any(|k| k.id == key.id());
        if !self.encryption.iter().any(published) {
            return Err(wrong(format!(
                "no encryption key is one that the directory has of {owner}"
            )));
        }
        for (name, officer) in &self.officers {
            let id = OfficerId { desk: owner.clone(), name: name.clone() };
            let known = directory.officer(&id).is_some_and(|o| o.key == officer.key.public());
            if !known {
                tracing::warn!(officer = %id, "the directory does not have this officer's key");
            }
        }
        Ok(())
    }
}
