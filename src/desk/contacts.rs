//! The desk's own directory: the genesis, and every entry that its nation has signed since.
//!
//! Not for what the relay says about it: a record of the directory log is believed when the
//! nation's own key has signed it and it follows the one before, and changes nothing otherwise.
//!
//! Statements are judged by the directory as it was when they were recorded: one that was made
//! before a key was exchanged stays good, however late this desk hears of it.

use std::sync::Arc;

use rpds::{HashTrieSetSync, RedBlackTreeMapSync, VectorSync};

use super::changes::{self, Change};
use super::error::{Error, Local};
use super::record::Monitored;
use crate::codec::{self, Decoded, Leaf, Log};
use crate::envelope::entry::{DeskRestricted, Entry, Restricted, Signed, of_founding};
use crate::envelope::genesis::{Announcement, EncryptionKey, Genesis, LogKey};
use crate::rules::event::Kind;
use crate::rules::{Directory, entry};
use crate::tlog::{Frontier, leaf_hash, merkle};
use crate::units::{DAY_MS, DeskId, Hash, Index, MemberId, Timestamp};
use crate::views::{self, DeskRow, MemberRow};

/// A record of the directory log as it came, before anything of it is believed.
#[derive(Clone, PartialEq, Eq)]
pub struct IncomingEntry {
    /// Its leaf in the directory log.
    pub leaf: u64,
    /// Its index in the relay's journal.
    pub index: Index,
    /// Serialized `detente.journal.v1.Event`.
    pub event: Vec<u8>,
    /// The restricted part; empty where there is none, or it was erased.
    pub restricted: Vec<u8>,
}

/// What came of a batch of records of the directory log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakenEntries {
    /// How many were new.
    pub new: usize,
    /// Why the next one was not taken, if so. Nothing after it was looked at.
    pub foul: Option<String>,
}

/// A member as it is known here.
#[derive(Debug, Clone, PartialEq)]
pub struct Contact {
    /// What its newest entry says.
    pub row: MemberRow,
    /// What the genesis says of it: version 0.
    pub founding: Arc<Entry>,
    /// The restricted parts of its desks.
    pub restricted: Restricted,
    /// Every version, from 0.
    pub versions: VectorSync<Version>,
}

/// A version of a member's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Record time at the relay.
    pub time: Timestamp,
    /// Its index in the relay's journal.
    pub index: Index,
    /// Its leaf in the directory log.
    pub leaf: u64,
    /// Its hash; of version 0 that of the genesis.
    pub hash: Hash,
    /// Where it stands in the desk's own journal; none for version 0.
    pub place: Option<Index>,
}

/// The members, and the directory by which statements are judged.
#[derive(Clone)]
pub struct Contacts {
    genesis: Hash,
    directory: Arc<Directory>,
    /// Directories with the record and the moment from which on each holds, oldest first; the last
    /// is `directory`.
    dated: VectorSync<Dated>,
    members: RedBlackTreeMapSync<MemberId, Arc<Contact>>,
    next_leaf: u64,
    /// The directory log's tree as it came, and its root after each leaf.
    tree: Frontier,
    roots: VectorSync<Hash>,
    /// How many of its leaves are as the witnesses have seen them; none before their first head.
    witnessed: Option<u64>,
    /// False where the policy asks for no witness.
    asks: bool,
    /// Keys of the logs that were announced, in order.
    log_keys: VectorSync<NewLogKey>,
    /// What each entry changed, in order.
    changes: VectorSync<Arc<Change>>,
    /// Our own nation's entries that were published from here.
    published: HashTrieSetSync<Hash>,
    /// Versions of our own nation's entry that were dealt with.
    settled: HashTrieSetSync<u64>,
}

/// A directory, and the record and its time from which on it holds.
#[derive(Clone)]
struct Dated {
    from: Index,
    since: Timestamp,
    leaf: u64,
    directory: Arc<Directory>,
}

/// A key with which a log of the relay signs, as it was announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewLogKey {
    /// Its leaf in the directory log.
    pub leaf: u64,
    /// Its index in the relay's journal.
    pub index: Index,
    /// Record time at the relay.
    pub time: Timestamp,
    /// The key, and of which log.
    pub key: LogKey,
}

/// How long directories are kept that no new record is judged by, in milliseconds: what was under
/// embargo comes long after it was accepted.
const KEPT_MS: i64 = 90 * DAY_MS;

impl Contacts {
    /// The members of a genesis.
    pub(super) fn new(genesis: &Genesis) -> Self {
        let directory = Arc::new(Directory::from_genesis(genesis));
        let founded = Kind::Founded(Box::new(genesis.clone()));
        let rows = views::directory::rows(&founded, genesis.created);
        let founding = Version {
            time: genesis.created,
            index: Index(0),
            leaf: 0,
            hash: genesis.hash,
            place: None,
        };
        let contact = |(row, member)| Contact {
            row,
            founding: Arc::new(of_founding(genesis, member)),
            restricted: Restricted::new(),
            versions: VectorSync::new_sync().push_back(founding),
        };
        let members = rows
            .into_iter()
            .zip(&genesis.members)
            .map(|pair| (pair.1.id, Arc::new(contact(pair))))
            .collect();
        let dated = VectorSync::new_sync().push_back(Dated {
            from: Index(0),
            since: genesis.created,
            leaf: 0,
            directory: Arc::clone(&directory),
        });
        let (tree, roots) = (Frontier::new(), VectorSync::new_sync());
        let changes = VectorSync::new_sync();
        let (published, settled) = (HashTrieSetSync::new_sync(), HashTrieSetSync::new_sync());
        Self {
            genesis: genesis.hash,
            directory,
            dated,
            members,
            next_leaf: 0,
            tree,
            roots,
            witnessed: None,
            asks: true,
            log_keys: VectorSync::new_sync(),
            changes,
            published,
            settled,
        }
    }

    /// The newest directory: what is sealed to, and what is asked before anything is sent.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The directory as it was when the relay's record `index` was made.
    pub(super) fn directory_at(&self, index: Index) -> &Directory {
        let held = self.dated.iter().take_while(|dated| dated.from <= index).last();
        held.map_or(&*self.directory, |dated| &*dated.directory)
    }

    /// The directory as it was at a moment, or the oldest that is kept.
    pub(super) fn directory_when(&self, at: Timestamp) -> &Directory {
        let held = self.dated.iter().take_while(|dated| dated.since <= at).last();
        held.or_else(|| self.dated.first()).map_or(&*self.directory, |dated| &*dated.directory)
    }

    /// The next leaf of the directory log that is wanted: the cursor.
    pub const fn next_leaf(&self) -> u64 {
        self.next_leaf
    }

    /// The root of the directory log's first `size` leaves; none while they are not here.
    pub fn root_of(&self, size: u64) -> Option<Hash> {
        match size.checked_sub(1) {
            None => Some(merkle::empty_root()),
            Some(last) => self.roots.get(usize::try_from(last).ok()?).copied(),
        }
    }

    /// How many leaves of the directory log are as the witnesses have seen them.
    pub fn witnessed(&self) -> u64 {
        self.witnessed.unwrap_or(0)
    }

    /// True once a head of the directory log with the witnesses' quorum has come.
    pub const fn is_witnessed(&self) -> bool {
        self.witnessed.is_some()
    }

    /// Notes what came of monitoring the directory.
    pub(super) fn note_monitored(&mut self, what: &Monitored) {
        match what {
            Monitored::Witnessed { leaves } => self.witnessed = Some(*leaves),
            Monitored::Publishing { hash } => self.published.insert_mut(*hash),
            Monitored::Settled { version, .. } => self.settled.insert_mut(*version),
            // About the relay, not the directory.
            Monitored::Shown(_) | Monitored::Dealt { .. } => {}
        }
    }

    /// A member.
    pub fn member(&self, id: MemberId) -> Option<&Arc<Contact>> {
        self.members.get(&id)
    }

    /// Every member, in order of ids.
    pub fn members(&self) -> impl Iterator<Item = &Arc<Contact>> {
        self.members.values()
    }

    /// A desk of the newest entry of its member, with how it is reached.
    pub fn desk(&self, id: &DeskId) -> Option<(&Contact, &DeskRow, Option<&DeskRestricted>)> {
        let contact = self.members.get(&id.member)?;
        let row = contact.row.desks.iter().find(|row| row.name == id.name)?;
        Some((contact, row, contact.restricted.get(&id.name)))
    }

    /// Whether a record of the directory log may be believed.
    ///
    /// # Errors
    /// In words, when it may not: it cannot be read, is not the next, was not signed by the
    /// nation's key alone, does not follow, or its restricted part is not what it commits to.
    pub(super) fn check(&self, incoming: &IncomingEntry) -> Result<(), String> {
        let IncomingEntry { leaf, index, event, restricted } = incoming;
        if *leaf != self.next_leaf {
            return Err(format!("directory record {leaf} came where {} was due", self.next_leaf));
        }
        let foul = |why: String| format!("directory record {leaf} changes nothing: {why}");
        let Decoded { event: read, .. } = codec::decode_event(event, &[])
            .map_err(|corrupt| foul(format!("it cannot be read: {corrupt}")))?;
        if *leaf == 0 {
            if let Kind::Founded(genesis) = &read.kind
                && genesis.hash == self.genesis
            {
                return Ok(());
            }
            return Err(foul("it is not the genesis of this network".to_owned()));
        }
        let newest = self.dated.last().map_or(Index(0), |dated| dated.from);
        if *index <= newest {
            return Err(foul(format!("its record {index} is not after {newest}")));
        }
        if let Kind::LogKeyAnnounced(announced) = &read.kind {
            let network = self.directory.network();
            let network = network.ok_or_else(|| foul("there is no network".to_owned()))?;
            return announced
                .check(&network.name, self.genesis, &network.log_keys)
                .map_err(|bad| foul(bad.to_string()));
        }
        let signed = match codec::decode_entry(event) {
            Ok(Some(signed)) => signed,
            Ok(None) => return Err(foul("it is no entry".to_owned())),
            Err(corrupt) => return Err(foul(format!("it cannot be read: {corrupt}"))),
        };
        let member = signed.entry.member;
        let known = entry::follows(&self.directory, &signed.entry)
            .map_err(|refusal| foul(refusal.cause()))?;
        signed
            .verify(&known.national_key)
            .map_err(|bad| foul(format!("{member} has not signed it: {bad}")))?;
        signed
            .with_restricted(restricted.clone())
            .map(drop)
            .map_err(|malformed| foul(malformed.to_string()))
    }

    /// Takes in a record that was checked. `place` is where it stands in the desk's own journal.
    pub(super) fn apply(
        &mut self,
        place: Index,
        (leaf, index): (u64, Index),
        event: &[u8],
        restricted: &[u8],
    ) {
        self.next_leaf = leaf + 1;
        let data = Leaf { log: Log::Directory, index: leaf, opening: None }.data(event);
        self.tree.push(leaf_hash(&data));
        self.roots.push_back_mut(self.tree.root());
        let decoded =
            codec::decode_event(event, &[]).expect("a record that cannot be read is not kept");
        if let Kind::LogKeyAnnounced(announced) = decoded.event.kind {
            self.announced((leaf, index, decoded.time), &announced);
            return;
        }
        let Ok(Some(signed)) = codec::decode_entry(event) else {
            self.founded_at(decoded.time);
            return;
        };
        // It was read when it was kept; should a later version not read it, the entry stands.
        let opened = signed.clone().with_restricted(restricted.to_vec());
        let signed = opened.unwrap_or(signed);
        let before = Arc::clone(&self.directory);
        let mut directory = Directory::clone(&before);
        directory.add_entry(&signed.entry);
        self.directory = Arc::new(directory);
        self.note_change(&before, &signed, (leaf, decoded.time));
        self.dated.push_back_mut(Dated {
            from: index,
            since: decoded.time,
            leaf,
            directory: Arc::clone(&self.directory),
        });
        self.enter(place, (leaf, index, decoded.time), signed);
    }

    fn note_change(&mut self, before: &Directory, signed: &Signed, (leaf, time): (u64, Timestamp)) {
        let (member, version, hash) =
            (signed.entry.member, signed.entry.version, signed.entry.hash);
        let Some(contact) = self.members.get(&member) else { return };
        let open = signed.opened();
        let (keys, rest) =
            changes::between(member, (before, &contact.restricted), (&self.directory, &open));
        let change = Change { member, version, hash, leaf, time, keys, rest };
        self.changes.push_back_mut(Arc::new(change));
    }

    /// A log of the relay announces a key. Statements are judged as before.
    fn announced(&mut self, (leaf, index, time): (u64, Index, Timestamp), new: &Announcement) {
        let mut directory = Directory::clone(&self.directory);
        directory.add_log_key(new.log_key());
        self.directory = Arc::new(directory);
        self.dated.push_back_mut(Dated {
            from: index,
            since: time,
            leaf,
            directory: Arc::clone(&self.directory),
        });
        let key = new.log_key();
        self.log_keys.push_back_mut(NewLogKey { leaf, index, time, key });
    }

    /// Says whether the policy asks for any witness; it does unless told otherwise.
    pub(super) const fn set_asks(&mut self, asks: bool) {
        self.asks = asks;
    }

    /// The keys of the logs that were announced, in order.
    pub(super) fn announced_keys(&self) -> impl Iterator<Item = &NewLogKey> {
        self.log_keys.iter()
    }

    /// How many leaves of the directory log may be gone by: none before the witnesses' first head
    /// has come; or why the relay is taken at its word.
    ///
    /// # Errors
    /// When the policy asks for no witness.
    pub fn believed(&self) -> Result<u64, &'static str> {
        if self.asks { Ok(self.witnessed()) } else { Err("no witnesses are configured") }
    }

    /// The entries of `own` that were not published from here, and that nobody has dealt with.
    pub fn strange(&self, own: MemberId) -> impl Iterator<Item = &Arc<Change>> {
        self.changes.iter().filter(move |change| {
            change.member == own
                && !self.published.contains(&change.hash)
                && !self.settled.contains(&change.version)
        })
    }

    /// The entries of other members than `own` since a moment that changed a key.
    pub fn rekeyed(&self, own: MemberId, since: Timestamp) -> impl Iterator<Item = &Arc<Change>> {
        self.changes.iter().filter(move |change| {
            change.member != own && change.time >= since && !change.keys.is_empty()
        })
    }

    /// The key to which a body for `to` is sealed at `now`, and what its sender is told. Another
    /// nation's entry counts only once the witnesses have seen its leaf; where the policy asks for
    /// none, the relay is taken at its word.
    ///
    /// # Errors
    /// When there is no valid key, or none that the witnesses have seen.
    pub(super) fn sealing_key(
        &self,
        own: MemberId,
        to: &DeskId,
        now: Timestamp,
    ) -> Result<(&EncryptionKey, Option<String>), Error> {
        let newest = self.directory.encryption_key(to, now)?;
        let member = to.member;
        let last = self.members.get(&member).map_or((0, 0), |contact| {
            (contact.row.version, contact.versions.last().map_or(0, |version| version.leaf))
        });
        let (version, leaf) = last;
        if member == own || version == 0 {
            return Ok((newest, None));
        }
        let witnessed = match self.believed() {
            Ok(witnessed) => witnessed,
            Err(why) => {
                let what = format!(
                    "{why}: the key of {to} in version {version} of {member}'s entry is taken at \
                     the relay's word"
                );
                return Ok((newest, Some(what)));
            }
        };
        if leaf < witnessed {
            return Ok((newest, None));
        }
        // What the genesis states needs no witness: its hash is pinned.
        let seen = self.dated.iter().rev().find(|dated| dated.leaf < witnessed.max(1));
        let before = seen.and_then(|dated| dated.directory.encryption_key(to, now).ok());
        match before {
            Some(key) if key.id == newest.id => Ok((key, None)),
            Some(key) => {
                let what = format!(
                    "sealed to the key of {to} from before version {version} of {member}'s entry, \
                     which the witnesses have not seen yet"
                );
                Ok((key, Some(what)))
            }
            None => Err(Local::KeyNotWitnessed { desk: to.clone(), version }.into()),
        }
    }

    /// Directories that no statement after the relay's record `index`, made at `time`, is judged by
    /// are let go of.
    pub(super) fn passed(&mut self, index: Index, time: Timestamp) {
        let gone = |dated: &&Dated| dated.from <= index && dated.since.plus_ms(KEPT_MS) <= time;
        let old = self.dated.iter().take_while(gone).count();
        if old > 1 {
            self.dated = self.dated.iter().skip(old - 1).cloned().collect();
        }
    }

    /// The genesis is on record since then.
    fn founded_at(&mut self, time: Timestamp) {
        let ids: Vec<MemberId> = self.members.keys().copied().collect();
        for id in ids {
            let Some(contact) = self.members.get(&id) else { continue };
            let mut contact = Contact::clone(contact);
            contact.row.changed = time;
            if let Some(first) = contact.versions.get(0).copied() {
                contact.versions.set_mut(0, Version { time, ..first });
            }
            self.members.insert_mut(id, Arc::new(contact));
        }
    }

    fn enter(&mut self, place: Index, at: (u64, Index, Timestamp), signed: Signed) {
        let (leaf, index, time) = at;
        let restricted = signed.opened();
        let entry = signed.entry;
        let id = entry.member;
        let kind = Kind::EntryPublished(Box::new(entry.clone()));
        let row = views::directory::rows(&kind, time).pop();
        let (Some(row), Some(before)) = (row, self.members.get(&id)) else { return };
        let version = Version { time, index, leaf, hash: entry.hash, place: Some(place) };
        let versions = before.versions.push_back(version);
        let founding = Arc::clone(&before.founding);
        self.members.insert_mut(id, Arc::new(Contact { row, founding, restricted, versions }));
    }
}

impl Contact {
    /// The version with this number.
    pub fn version(&self, number: u64) -> Option<&Version> {
        self.versions.get(usize::try_from(number).ok()?)
    }

    /// The version that was the newest at a moment, with its number.
    pub fn version_at(&self, at: Timestamp) -> Option<(u64, &Version)> {
        (0..).zip(self.versions.iter()).take_while(|(_, version)| version.time <= at).last()
    }
}
