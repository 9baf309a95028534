//! The keys a desk holds: its machine's, its officers', and those that open what is sealed to it.
//!
//! Not for how they lie on disk (see `identity::keyfile`). Nothing here can be printed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Desk;
use super::error::{Local, OpenError};
use crate::envelope::genesis::PublicKey;
use crate::envelope::{DecryptionKey, SigningKey};
use crate::rules::Directory;
use crate::tlog::Signer;
use crate::units::{DeskId, Name, OfficerId};

/// A desk's private keys.
pub struct Keys {
    /// Signs receipts and retrievals.
    pub desk: SigningKey,
    /// Open what is sealed to the desk; a key is found by its id.
    pub encryption: Vec<DecryptionKey>,
    /// Officers who can sign at this desk.
    pub officers: BTreeMap<Name, Officer>,
    /// Cosigns the heads of the logs; none where the desk is no witness.
    pub witness: Option<Signer>,
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

    /// The Unix users who may act as any officer.
    pub fn uids(&self) -> impl Iterator<Item = u32> {
        self.officers.values().flat_map(|officer| officer.uids.iter().copied())
    }

    /// Says whether the network knows these keys as those of `owner`. An officer whom it does not
    /// know is only warned about: the rules refuse what he signs.
    pub(super) fn check(&self, owner: &DeskId, directory: &Directory) -> Result<(), OpenError> {
        let wrong = |what: String| OpenError::Keys(what);
        let desk = directory.desk(owner).ok_or_else(|| {
            wrong(format!("the directory has no desk {owner}; publish an entry with it"))
        })?;
        if desk.desk_key != self.desk.public() {
            return Err(wrong(format!(
                "the desk key is not the one the directory has of {owner}; publish an entry with \
                 it, or name the file of the key that is published in keys.desk"
            )));
        }
        let published = |key: &DecryptionKey| desk.encryption_keys.iter().any(|k| k.id == key.id());
        if !self.encryption.iter().any(published) {
            return Err(wrong(format!(
                "no encryption key is one that the directory has of {owner}"
            )));
        }
        let witness = desk.witness_key.as_ref().map(PublicKey::as_bytes);
        if self.witness.as_ref().map(|key| key.public().public()) != witness {
            tracing::warn!(desk = %owner, "the directory has another witness key, or none");
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

impl Desk {
    /// Its keys.
    pub fn keys(&self) -> Arc<Keys> {
        self.inner.keys.load_full()
    }

    /// Whether the directory as it is known here has the desk with these keys. An officer's key
    /// that it does not have is only warned about.
    ///
    /// # Errors
    /// [`OpenError::Keys`], saying what it does not have.
    pub fn check_keys(&self) -> Result<(), OpenError> {
        let file = self.file();
        self.keys().check(file.owner(), file.directory())
    }

    /// Takes other keys from now on, and prepares again the receipts that were refused.
    ///
    /// # Errors
    /// [`OpenError::Keys`] when they are not the ones that the directory has of the desk: then
    /// those before stay.
    pub async fn replace_keys(&self, keys: Keys) -> Result<(), OpenError> {
        let file = self.file();
        keys.check(file.owner(), file.directory())?;
        self.inner.keys.store(Arc::new(keys));
        if let Err(error) = self.pick_up().await {
            tracing::error!(%error, "missing receipts are prepared at the next start");
        }
        Ok(())
    }
}
