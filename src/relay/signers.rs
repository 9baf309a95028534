//! The keys that sign the heads of the logs, and whether they may sign now.
//!
//! A log may have a next key beside its own: once that is announced in the directory log, heads
//! carry the signatures of both, until the operator drops the old one.
//!
//! Not for which heads: only those of batches that are on disk are given to it, and the journal's
//! trailers say that there is one of each size. Not for publishing them or for witnesses.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::codec::{Head, Log};
use crate::envelope::genesis::{Announcement, Genesis, LogKey, keys_of_log, log_key_name};
use crate::tlog::merkle::empty_root;
use crate::tlog::note::{Kind, VerifierKey};
use crate::tlog::{Checkpoint, Note, Signer};
use crate::units::{Hash, Name, Unreadable};

/// The private keys of both logs. While they are held nothing is signed, and what a desk submits
/// is refused before anything of it is recorded.
pub struct Signers {
    directory: Keys,
    traffic: Keys,
    holds: watch::Sender<BTreeMap<Holder, Arc<str>>>,
}

/// Who holds the keys. Nothing is signed until each has let go of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// The store may lack what was signed.
    Guard,
    /// The journal lacks what was published.
    Publisher,
    /// It has just started, and the witnesses have not said yet how far they have seen.
    Start,
}

/// The keys of a log.
struct Keys {
    main: Signer,
    next: Option<Signer>,
    /// The next one is announced, so it signs.
    announced: AtomicBool,
}

/// The private keys of the logs, each as 32 bytes.
#[derive(Default)]
pub struct Seeds {
    /// That of the directory log.
    pub directory: Zeroizing<[u8; 32]>,
    /// That of the traffic log.
    pub traffic: Zeroizing<[u8; 32]>,
    /// The directory log's next one, if there is one.
    pub next_directory: Option<Zeroizing<[u8; 32]>>,
    /// The traffic log's next one, if there is one.
    pub next_traffic: Option<Zeroizing<[u8; 32]>>,
}

/// A key is none that the genesis pins or that was announced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the key of the {} log is {found}, but the genesis pins {pinned}, and no other was announced",
    log.as_str()
)]
pub struct NotPinned {
    /// Of which log.
    pub log: Log,
    /// The public half of the key that was given, as a verifier key.
    pub found: String,
    /// The key in the genesis, as a verifier key; "none" when there is none.
    pub pinned: String,
}

/// Why a head was not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// The keys are held, for this reason.
    #[error("nothing is signed: {0}")]
    Held(Arc<str>),
    /// It is no head that can be signed.
    #[error("{0}")]
    Unable(Unreadable),
}

impl Signers {
    /// The keys with these seeds, which nobody holds.
    ///
    /// # Errors
    /// When one is not the key that the genesis pins.
    pub fn new(
        genesis: &Genesis,
        directory: [u8; 32],
        traffic: [u8; 32],
    ) -> Result<Self, NotPinned> {
        let (directory, traffic) = (Zeroizing::new(directory), Zeroizing::new(traffic));
        let seeds = Seeds { directory, traffic, ..Seeds::default() };
        let signers = Self::unchecked(&genesis.network, &seeds)?;
        signers.check(&genesis.network, &genesis.log_keys)?;
        Ok(signers)
    }

    /// The keys with these seeds, of which is not known yet whether they are those of the logs:
    /// [`Signers::check`] says.
    ///
    /// # Errors
    /// When a log's name makes no name of a key.
    pub fn unchecked(network: &Name, seeds: &Seeds) -> Result<Self, NotPinned> {
        let Seeds { directory, traffic, next_directory, next_traffic } = seeds;
        let keys = |log, main: &Seed, next: &Option<Seed>| -> Result<Keys, NotPinned> {
            Ok(Keys {
                main: signer(network, log, main)?,
                next: next.as_ref().map(|next| signer(network, log, next)).transpose()?,
                announced: AtomicBool::new(false),
            })
        };
        let directory = keys(Log::Directory, directory, next_directory)?;
        let traffic = keys(Log::Traffic, traffic, next_traffic)?;
        Ok(Self { directory, traffic, holds: watch::Sender::default() })
    }

    /// Proves that each log's key is one of `known`, those of the genesis and those that were
    /// announced. A next key among them signs from now on.
    ///
    /// # Errors
    /// When a log's own key is not among them.
    pub fn check(&self, network: &Name, known: &[LogKey]) -> Result<(), NotPinned> {
        for log in Log::ALL {
            let keys = self.keys(log);
            let known = keys_of_log(network, known, log.as_str());
            if !known.contains(keys.main.public()) {
                let pinned =
                    known.first().map_or_else(|| "none".to_owned(), |pinned| pinned.to_string());
                return Err(NotPinned { log, found: keys.main.public().to_string(), pinned });
            }
            if keys.next.as_ref().is_some_and(|next| known.contains(next.public())) {
                keys.announced.store(true, Ordering::Release);
            }
        }
        Ok(())
    }

    /// The announcement of a log's next key, when there is one that is not among `known`.
    ///
    /// # Errors
    /// When the log's own key is not the newest, so that it can announce nothing.
    pub fn announcement(
        &self,
        log: Log,
        genesis: Hash,
        known: &[LogKey],
    ) -> Result<Option<Announcement>, Unreadable> {
        let keys = self.keys(log);
        let Some(next) = &keys.next else { return Ok(None) };
        if keys.announced.load(Ordering::Acquire) {
            return Ok(None);
        }
        let of_log = known.iter().filter(|key| key.log == log.as_str()).count();
        let number = u32::try_from(of_log).unwrap_or(u32::MAX);
        Announcement::sign(genesis, number, (&keys.main, next)).map(Some)
    }

    /// The public half of a log's key.
    pub const fn verifier(&self, log: Log) -> &VerifierKey {
        self.keys(log).main.public()
    }

    /// The signed note of a head that is on disk.
    ///
    /// # Errors
    /// [`Unsigned`].
    pub fn sign(&self, log: Log, head: &Head) -> Result<Note, Unsigned> {
        if let Some(why) = self.held() {
            return Err(Unsigned::Held(why));
        }
        self.note(log, head).map_err(Unsigned::Unable)
    }

    /// The signed note of the tree without leaves, also while the keys are held: every log begins
    /// with it, so that it contradicts nothing. It is for asking a witness how far it has seen.
    ///
    /// # Errors
    /// When the log's name makes no checkpoint.
    pub fn sign_empty(&self, log: Log) -> Result<Note, Unreadable> {
        self.note(log, &Head { size: 0, root: empty_root() })
    }

    fn note(&self, log: Log, head: &Head) -> Result<Note, Unreadable> {
        let keys = self.keys(log);
        let origin = keys.main.public().name().as_str();
        let checkpoint = Checkpoint::new(origin, head.size, head.root)?;
        let mut note = Note::new(checkpoint.to_string())?;
        // A plain signature says nothing of time.
        note.add(keys.main.sign(note.text(), 0)?);
        if let Some(next) = keys.next.as_ref().filter(|_| keys.announced.load(Ordering::Acquire)) {
            note.add(next.sign(note.text(), 0)?);
        }
        Ok(note)
    }

    /// Nothing is signed from now on, for this reason, which every caller is told.
    pub fn hold(&self, holder: Holder, reason: &str) {
        self.holds.send_if_modified(|holds| {
            let before = holds.insert(holder, reason.into());
            let is_new = before.as_deref() != Some(reason);
            match (is_new, holder) {
                // It passes by itself.
                (true, Holder::Start) => tracing::info!(reason, "the logs are not signed yet"),
                (true, Holder::Guard | Holder::Publisher) => {
                    tracing::error!(reason, "the logs are not signed, and nothing is accepted");
                }
                (false, _) => {}
            }
            is_new
        });
    }

    /// What this one held may be signed again, unless another holds it as well. True when it held
    /// it.
    pub fn release(&self, holder: Holder) -> bool {
        self.holds.send_if_modified(|holds| {
            let was_held = holds.remove(&holder).is_some();
            if was_held && holds.is_empty() {
                tracing::info!("the logs are signed");
            }
            was_held
        })
    }

    /// Why nothing is signed, if so.
    pub fn held(&self) -> Option<Arc<str>> {
        self.holds.borrow().values().next().cloned()
    }

    /// Hears when that changes, with the reason of each holder.
    pub fn holds(&self) -> watch::Receiver<BTreeMap<Holder, Arc<str>>> {
        self.holds.subscribe()
    }

    const fn keys(&self, log: Log) -> &Keys {
        match log {
            Log::Directory => &self.directory,
            Log::Traffic => &self.traffic,
        }
    }
}

impl fmt::Debug for Signers {
    /// The public halves.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signers")
            .field("directory", &self.directory.main.public().to_string())
            .field("traffic", &self.traffic.main.public().to_string())
            .field("held", &self.held())
            .finish()
    }
}

type Seed = Zeroizing<[u8; 32]>;

fn signer(network: &Name, log: Log, seed: &Seed) -> Result<Signer, NotPinned> {
    let name = log_key_name(network, log.as_str()).map_err(|_| NotPinned {
        log,
        found: "a key of a log without a name".to_owned(),
        pinned: "none".to_owned(),
    })?;
    Ok(Signer::from_seed(name, Kind::Ed25519, **seed))
}
