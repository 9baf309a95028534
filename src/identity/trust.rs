//! Whom the relay trusts: each nation's own authority, its own revocation list, its desks.
//!
//! Not for the relay's own certificate (`tls.rs`) nor for what desks trust (`relay_trust.rs`).
//!
//! Invariants:
//! - a nation is judged by its own authorities only; nations share nothing;
//! - what is in use is replaced as a whole; a bad or older list keeps the one in use and alarms;
//! - a certificate is judged when a connection opens, on every call, and at least every 2 s while
//!   a connection is open, by the same rule.
//!
//! Revocation lists stand in one directory, one file per member: `nl.crl.pem`, PEM or DER, one
//! list per authority of the member. `reload` reads them all; `reload_changed` those whose file
//! changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use super::authority::{Age, Authority, GRACE_MS_DEFAULT, LIST_BYTES_MAX, List, Use};
use super::certificate::{self, Leaf};
use super::connections::PeerInfo;
use super::denied::Denied;
use super::memory::Memory;
use super::stamp::Stamp;
use super::uri::Uri;
use crate::envelope::genesis::Genesis;
use crate::units::{Caller, DeskId, Hash, MemberId, Name, Timestamp};

/// What may be set about trust; the rest is fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// After a list's next update, certificates seen before are accepted for so long, in
    /// milliseconds. Default 24 hours.
    pub grace_ms: i64,
    /// A file in which the certificates and lists seen survive a restart. Without it, a relay that
    /// restarts within a grace knows no certificate, and an old list put back while it was down is
    /// taken. Default none.
    pub memory: Option<PathBuf>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { grace_ms: GRACE_MS_DEFAULT, memory: None }
    }
}

/// A member as far as trust is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nation {
    /// Certificates (DER) of its own authorities.
    pub authorities: Vec<Vec<u8>>,
    /// Its desks.
    pub desks: BTreeSet<Name>,
}

/// Whom the relay trusts. Shared behind an `Arc`; what it holds is swapped, never edited.
pub struct Trust {
    network: Name,
    lists: PathBuf,
    grace_ms: i64,
    nations: ArcSwap<BTreeMap<MemberId, Anchored>>,
    memory: Mutex<Memory>,
    /// The files as they were when last read. Also serialises reloads.
    files: Mutex<BTreeMap<MemberId, Option<Stamp>>>,
    /// The ages that the log has told.
    told: Mutex<BTreeMap<MemberId, Age>>,
}

/// A certificate that has been proven: who it is, and by which authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The desk.
    pub caller: Caller,
    /// Its certificate.
    pub leaf: Leaf,
    /// SHA-256 of the authority's certificate.
    pub issuer: Hash,
}

/// What a reload did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// Members with a newer list in use now.
    pub loaded: Vec<MemberId>,
    /// Members whose file could not be used, and why; the list in use before is kept.
    pub kept: Vec<(MemberId, String)>,
}

/// How a nation's revocation list stands, for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListState {
    /// The member.
    pub member: MemberId,
    /// When the list was issued; `None` when there is none.
    pub this_update: Option<Timestamp>,
    /// When the next one is due; `None` when there is none.
    pub next_update: Option<Timestamp>,
    /// How it stands: the worst of the nation's authorities.
    pub age: Age,
}

#[derive(Clone, Default)]
struct Anchored {
    authorities: Vec<Authority>,
    desks: BTreeSet<Name>,
}

impl Trust {
    /// Trust in `nations` of `network`, with the revocation lists in the directory `lists`.
    ///
    /// # Errors
    /// When an authority's certificate cannot be read. A bad or missing list is no error here: it
    /// refuses that nation's desks, and nobody else's.
    pub fn new(
        network: Name,
        nations: &BTreeMap<MemberId, Nation>,
        lists: PathBuf,
        policy: Policy,
    ) -> Result<Self, Denied> {
        let trust = Self {
            network,
            lists,
            grace_ms: policy.grace_ms,
            nations: ArcSwap::from_pointee(BTreeMap::new()),
            memory: Mutex::new(Memory::open(policy.memory)),
            files: Mutex::new(BTreeMap::new()),
            told: Mutex::new(BTreeMap::new()),
        };
        trust.set_nations(nations)?;
        Ok(trust)
    }

    /// Trust in the founding members.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn from_genesis(genesis: &Genesis, lists: PathBuf, policy: Policy) -> Result<Self, Denied> {
        let nation = |member: &crate::envelope::genesis::FoundingMember| Nation {
            authorities: member.ca.clone(),
            desks: member.desks.iter().map(|desk| desk.name.clone()).collect(),
        };
        let nations = genesis.members.iter().map(|member| (member.id, nation(member))).collect();
        Self::new(genesis.network.clone(), &nations, lists, policy)
    }

    /// The network.
    pub const fn network(&self) -> &Name {
        &self.network
    }

    /// Replaces the nations by what the directory says now; keeps the lists of authorities that
    /// stay, and reads the others.
    ///
    /// # Errors
    /// When an authority's certificate cannot be read; then nothing changes.
    pub fn set_nations(&self, nations: &BTreeMap<MemberId, Nation>) -> Result<(), Denied> {
        let mut files = lock(&self.files);
        let old = self.nations.load_full();
        let mut new = BTreeMap::new();
        for (member, nation) in nations {
            let mut authorities = Vec::new();
            for der in &nation.authorities {
                let mut authority = Authority::parse(der)?;
                authority.list = old.get(member).and_then(|old| {
                    old.authorities.iter().find(|a| a.id == authority.id)?.list.clone()
                });
                authority.floor = lock(&self.memory).newest_list(&authority.id);
                authorities.push(authority);
            }
            new.insert(*member, Anchored { authorities, desks: nation.desks.clone() });
        }
        self.nations.store(Arc::new(new));
        files.clear();
        self.read_lists(&mut files);
        Ok(())
    }

    /// Reads every revocation list again.
    pub fn reload(&self) -> Reloaded {
        let mut files = lock(&self.files);
        files.clear();
        self.read_lists(&mut files)
    }

    /// Reads the revocation lists whose files changed since they were last read.
    pub fn reload_changed(&self) -> Reloaded {
        self.read_lists(&mut lock(&self.files))
    }

    /// Is this certificate (DER) a desk's, proven by its own nation, and good now?
    ///
    /// # Errors
    /// Every [`Denied`] but [`Denied::NoCertificate`].
    pub fn judge(&self, der: &CertificateDer<'_>, now: Timestamp) -> Result<Admitted, Denied> {
        let leaf = certificate::parse(der)?;
        let desk = self.own_desk(&leaf)?;
        let whose = desk.member.to_string();
        let nations = self.nations.load();
        let nation = nations.get(&desk.member).ok_or(Denied::UnknownMember(desk.member))?;
        let mut refusal = Denied::UnknownIssuer { whose: whose.clone() };
        for authority in &nation.authorities {
            match authority.prove(der, &leaf, Use::Desk, &whose, now) {
                Ok(()) => {
                    self.stand(nation, authority, &desk, &leaf.serial, leaf.fingerprint, now)?;
                    let issuer = authority.id;
                    return Ok(Admitted { caller: Caller { desk }, leaf, issuer });
                }
                Err(Denied::UnknownIssuer { .. }) => {}
                Err(other) => refusal = other,
            }
        }
        Err(refusal)
    }

    /// Judges the certificate of a peer that has proven to hold its key, and remembers it: within
    /// the grace of a stale list, only what is remembered is accepted.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub fn admit(&self, der: &CertificateDer<'_>, now: Timestamp) -> Result<Admitted, Denied> {
        let admitted = self.judge(der, now)?;
        self.remember(&admitted, now);
        Ok(admitted)
    }

    /// Is the certificate of an open connection still good? For every call, and for the sweep.
    ///
    /// # Errors
    /// [`Denied::UnknownMember`], [`Denied::UnknownDesk`], [`Denied::UnknownIssuer`],
    /// [`Denied::Expired`], [`Denied::Revoked`], [`Denied::NoRevocationList`],
    /// [`Denied::StaleRevocationList`].
    pub fn check(&self, peer: &PeerInfo, now: Timestamp) -> Result<(), Denied> {
        let desk = &peer.caller.desk;
        if now > peer.not_after {
            return Err(Denied::Expired { not_after: peer.not_after });
        }
        let nations = self.nations.load();
        let nation = nations.get(&desk.member).ok_or(Denied::UnknownMember(desk.member))?;
        let authority = nation
            .authorities
            .iter()
            .find(|authority| authority.id == peer.issuer)
            .ok_or_else(|| Denied::UnknownIssuer { whose: desk.member.to_string() })?;
        self.stand(nation, authority, desk, &peer.serial, peer.certificate, now)
    }

    /// How every nation's list stands, by member.
    pub fn revocation_lists(&self, now: Timestamp) -> Vec<ListState> {
        let grace_ms = self.grace_ms;
        let nations = self.nations.load();
        let state = |member: &MemberId, nation: &Anchored| {
            let age = |list: &Option<Arc<List>>| {
                list.as_ref().map_or(Age::Missing, |list| list.age(grace_ms, now))
            };
            let worst = nation
                .authorities
                .iter()
                .map(|a| (age(&a.list), a.list.as_ref()))
                .max_by_key(|(age, _)| *age);
            let (age, list) = worst.unwrap_or((Age::Missing, None));
            ListState {
                member: *member,
                this_update: list.map(|list| list.this_update),
                next_update: list.map(|list| list.next_update),
                age,
            }
        };
        nations.iter().map(|(member, nation)| state(member, nation)).collect()
    }

    /// Logs every list that has come of age since the last time: at 50, 75 and 90 % of its life,
    /// past its next update, and past the grace.
    pub fn alarm(&self, now: Timestamp) {
        let mut told = lock(&self.told);
        for ListState { member, next_update, age, .. } in self.revocation_lists(now) {
            if told.insert(member, age) == Some(age) {
                continue;
            }
            let due = next_update.map(|due| due.to_string()).unwrap_or_default();
            let state = age.as_str();
            match age {
                Age::Ok => {}
                Age::Half => tracing::info!(%member, state, due, "revocation list is ageing"),
                Age::Late | Age::Due => {
                    tracing::warn!(%member, state, due, "revocation list is ageing");
                }
                Age::Grace | Age::Expired | Age::Missing => {
                    tracing::error!(%member, state, due, "revocation list is not good");
                }
            }
        }
    }

    fn own_desk(&self, leaf: &Leaf) -> Result<DeskId, Denied> {
        if leaf.uri.network() != &self.network {
            return Err(Denied::OtherNetwork { named: leaf.uri.network().to_string() });
        }
        match &leaf.uri {
            Uri::Desk { desk, .. } => Ok(desk.clone()),
            Uri::Relay { .. } => {
                Err(Denied::WrongKind { is: leaf.uri.to_string(), expected: "a desk" })
            }
        }
    }

    fn stand(
        &self,
        nation: &Anchored,
        authority: &Authority,
        desk: &DeskId,
        serial: &[u8],
        fingerprint: Hash,
        now: Timestamp,
    ) -> Result<(), Denied> {
        if !nation.desks.contains(&desk.name) {
            return Err(Denied::UnknownDesk(desk.clone()));
        }
        let known = lock(&self.memory).knows(&fingerprint);
        let whose = desk.member.to_string();
        authority.standing(serial, known, &whose, self.grace_ms, now)
    }

    /// Within the grace nothing is learnt: what is accepted then was known before.
    fn remember(&self, admitted: &Admitted, now: Timestamp) {
        let Admitted { caller, leaf, issuer } = admitted;
        let nations = self.nations.load();
        let list = nations
            .get(&caller.desk.member)
            .and_then(|nation| nation.authorities.iter().find(|a| a.id == *issuer)?.list.as_ref());
        if list.is_none_or(|list| list.age(self.grace_ms, now) >= Age::Grace) {
            return;
        }
        lock(&self.memory).see(leaf.fingerprint, leaf.not_after, now);
    }

    fn read_lists(&self, files: &mut BTreeMap<MemberId, Option<Stamp>>) -> Reloaded {
        let mut report = Reloaded::default();
        let mut nations = BTreeMap::clone(&self.nations.load());
        for (member, nation) in &mut nations {
            let path = self.lists.join(format!("{}.crl.pem", member.label()));
            let stamp = Stamp::of(&path);
            if files.get(member) == Some(&stamp) {
                continue;
            }
            files.insert(*member, stamp);
            match read_file(&path).and_then(|ders| install(&mut nation.authorities, &ders)) {
                Ok(true) => report.loaded.push(*member),
                Ok(false) => {}
                Err(why) => {
                    let why = format!("{}: {why}", path.display());
                    if nation.authorities.iter().any(|authority| authority.list.is_some()) {
                        let what = "revocation list not usable; the one before is kept";
                        tracing::error!(%member, why, "{what}");
                    } else {
                        let what = "revocation list not usable, and there is none from before";
                        tracing::error!(%member, why, "{what}");
                    }
                    report.kept.push((*member, why));
                }
            }
        }
        if !report.loaded.is_empty() {
            let authorities = nations.values().flat_map(|nation| &nation.authorities);
            let lists = authorities.filter_map(|a| Some((a.id, a.list.as_ref()?.this_update)));
            lock(&self.memory).see_lists(lists);
            self.nations.store(Arc::new(nations));
        }
        for member in &report.loaded {
            tracing::info!(%member, "revocation list loaded");
        }
        report
    }
}

/// Gives each authority the lists that are its own. All or nothing: a file with one bad list
/// changes nothing. True when something is new.
pub(super) fn install(authorities: &mut [Authority], ders: &[Vec<u8>]) -> Result<bool, String> {
    let mut new = authorities.to_vec();
    let mut changed = false;
    for der in ders {
        let mut owned = false;
        let mut refusal = None;
        for authority in &mut new {
            match authority.parse_list(der) {
                Ok(Some(list)) => {
                    changed |= !authority.list.as_ref().is_some_and(|old| old.same(&list));
                    authority.list = Some(Arc::new(list));
                    owned = true;
                }
                Ok(None) => {}
                Err(why) => refusal = Some(why),
            }
        }
        if !owned {
            return Err(refusal.unwrap_or_else(|| "another authority issued it".to_owned()));
        }
    }
    authorities.clone_from_slice(&new);
    Ok(changed)
}

/// The lists in a file, PEM or DER.
pub(super) fn read_file(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let length = std::fs::metadata(path).map_err(|fault| {
        let absent = fault.kind() == std::io::ErrorKind::NotFound;
        if absent { "there is no list file".to_owned() } else { format!("cannot be read: {fault}") }
    })?;
    let length = length.len();
    if length > LIST_BYTES_MAX {
        return Err(format!("the file has {length} bytes where {LIST_BYTES_MAX} are allowed"));
    }
    let bytes = std::fs::read(path).map_err(|fault| format!("cannot be read: {fault}"))?;
    // A DER list starts with a SEQUENCE.
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes]);
    }
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&bytes)
        .map(|list| list.map(|list| list.as_ref().to_vec()))
        .collect();
    match lists {
        Ok(lists) if lists.is_empty() => Err("the file holds no revocation list".to_owned()),
        Ok(lists) => Ok(lists),
        Err(fault) => Err(format!("it is not PEM: {fault}")),
    }
}

/// A poisoned lock still guards whole values: nothing here can panic half-way through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
