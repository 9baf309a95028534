//! The directory: who is a member, which desks and officers speak for it, and with which keys.
//!
//! Not for what a request may do (see `request_type.rs`), and not for certificates (see
//! `identity/`). As the genesis states it, and then each nation's newest entry (see `entry.rs`).
//!
//! Invariants: every desk belongs to a member that is there; a key's id is computed, never taken
//! from elsewhere.

use std::collections::BTreeMap;

use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use super::request_type;
use crate::envelope::entry::{Entry, EntryDesk};
use crate::envelope::genesis::{
    EncryptionKey, FoundingDesk, FoundingMember, FoundingOfficer, Genesis, LogKey, PublicKey,
};
use crate::envelope::words::{Instrument, MlaStep, RequestType, Role, Urgency};
use crate::envelope::{Act, Approval, Signer, Statement};
use crate::units::{DeskId, Hash, MemberId, Name, OfficerId, Timestamp};

/// Members, desks, officers and keys. Cloning it costs nothing that grows with its size.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Directory {
    network: Option<Network>,
    members: RedBlackTreeMapSync<MemberId, Member>,
    desks: RedBlackTreeMapSync<DeskId, Desk>,
}

/// The network, as founded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its name, second half of every trust domain.
    pub name: Name,
    /// Hash of its genesis, which every configuration pins.
    pub genesis: Hash,
    /// Version of the rules.
    pub rules_version: String,
    /// Certificates (DER) of the authority that issues the relay's certificate.
    pub relay_ca: Vec<Vec<u8>>,
    /// Keys that sign the heads of the logs, each log's oldest first.
    pub log_keys: Vec<LogKey>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Where it stands.
    pub status: Status,
    /// Its name, for people.
    pub display_name: String,
    /// Certificates (DER) of its own authority.
    pub ca: Vec<Vec<u8>>,
    /// The national key.
    pub national_key: PublicKey,
    /// Declared instruments, in order.
    pub instruments: Vec<Instrument>,
    /// How long it preserves when asked, at least, in days; 60 or more (Art. 29(7)).
    pub preservation_days_min: u32,
    /// The version of its newest entry; 0 as long as only the genesis speaks of it.
    pub version: u64,
    /// Hash of that entry, or of the genesis: what the next entry must name.
    pub entry: Hash,
}

/// Where a member stands. Founding members are active; the other stages are reached by records
/// of the directory, which come later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Status {
    /// Applies: nothing is exchanged with it.
    Applicant,
    /// May receive and answer, not request.
    Provisional,
    /// May do everything.
    Active,
    /// May do everything; the others are warned that it often does not answer.
    Limited,
    /// Still receives EMERGENCY traffic, and answers; does not request.
    Suspended,
    /// Has left.
    Withdrawn,
}

impl Status {
    /// Every status, in order.
    pub const ALL: &'static [Self] = &[
        Self::Applicant,
        Self::Provisional,
        Self::Active,
        Self::Limited,
        Self::Suspended,
        Self::Withdrawn,
    ];

    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applicant => "APPLICANT",
            Self::Provisional => "PROVISIONAL",
            Self::Active => "ACTIVE",
            Self::Limited => "LIMITED",
            Self::Suspended => "SUSPENDED",
            Self::Withdrawn => "WITHDRAWN",
        }
    }

    /// May it make new requests.
    pub const fn may_request(self) -> bool {
        match self {
            Self::Active | Self::Limited => true,
            Self::Applicant | Self::Provisional | Self::Suspended | Self::Withdrawn => false,
        }
    }

    /// May it speak on requests that are already there. A suspended one may: running
    /// preservations must not break.
    pub const fn may_answer(self) -> bool {
        match self {
            Self::Provisional | Self::Active | Self::Limited | Self::Suspended => true,
            Self::Applicant | Self::Withdrawn => false,
        }
    }

    /// May it be asked something new of this urgency.
    pub const fn may_receive(self, urgency: Urgency) -> bool {
        match self {
            Self::Provisional | Self::Active | Self::Limited => true,
            Self::Suspended => matches!(urgency, Urgency::Emergency),
            Self::Applicant | Self::Withdrawn => false,
        }
    }
}

/// A desk of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desk {
    /// Organisation.
    pub organisation: String,
    /// IANA time zone.
    pub time_zone: String,
    /// BCP 47 tags.
    pub languages: Vec<String>,
    /// The machine key, which signs receipts.
    pub desk_key: PublicKey,
    /// Keys to which bodies are sealed.
    pub encryption_keys: Vec<EncryptionKey>,
    /// Officers, by name.
    pub officers: BTreeMap<Name, Officer>,
    /// The key with which it cosigns the heads of the logs; none where it is no witness.
    pub witness_key: Option<PublicKey>,
    /// The nation's newest entry leaves it out: it finishes what is open, and no more.
    pub retired: bool,
}

/// An officer of a desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Officer {
    /// Signing key.
    pub key: PublicKey,
    /// What they may sign.
    pub roles: Vec<Role>,
    /// Valid from.
    pub from: Timestamp,
    /// Valid until (exclusive).
    pub until: Timestamp,
}

impl Directory {
    /// The directory that a genesis states. Every founding member is active.
    pub fn from_genesis(genesis: &Genesis) -> Self {
        let mut directory = Self {
            network: Some(Network {
                name: genesis.network.clone(),
                genesis: genesis.hash,
                rules_version: genesis.rules_version.clone(),
                relay_ca: genesis.relay_ca.clone(),
                log_keys: genesis.log_keys.clone(),
            }),
            ..Self::default()
        };
        for member in &genesis.members {
            for desk in &member.desks {
                let id = DeskId { member: member.id, name: desk.name.clone() };
                directory.desks.insert_mut(id, Desk::from(desk));
            }
            directory.members.insert_mut(member.id, Member::founding(member, genesis.hash));
        }
        directory
    }

    /// Adds a key with which a log signs from now on.
    pub fn add_log_key(&mut self, key: LogKey) {
        if let Some(network) = &mut self.network {
            network.log_keys.push(key);
        }
    }

    /// Replaces what a member's entry before stated by what this one states, which has been
    /// accepted. Desks that it leaves out are retired.
    pub fn add_entry(&mut self, entry: &Entry) {
        let Some(before) = self.members.get(&entry.member) else { return };
        let member = Member {
            status: before.status,
            display_name: entry.display_name.clone(),
            ca: entry.ca.clone(),
            national_key: entry.national_key.clone(),
            instruments: entry.instruments.clone(),
            preservation_days_min: entry.preservation_days_min,
            version: entry.version,
            entry: entry.hash,
        };
        self.members.insert_mut(entry.member, member);
        let gone: Vec<DeskId> = self
            .desks()
            .map(|(id, _)| id)
            .filter(|id| id.member == entry.member)
            .filter(|id| entry.desks.iter().all(|desk| desk.name != id.name))
            .cloned()
            .collect();
        for id in gone {
            if let Some(desk) = self.desks.get_mut(&id) {
                desk.retired = true;
            }
        }
        for desk in &entry.desks {
            let id = DeskId { member: entry.member, name: desk.name.clone() };
            self.desks.insert_mut(id, Desk::from(desk));
        }
    }

    /// The network; none before it is founded.
    pub const fn network(&self) -> Option<&Network> {
        self.network.as_ref()
    }

    /// Every member, in order of ids.
    pub fn members(&self) -> impl Iterator<Item = (MemberId, &Member)> {
        self.members.iter().map(|(id, member)| (*id, member))
    }

    /// A member.
    pub fn member(&self, id: MemberId) -> Option<&Member> {
        self.members.get(&id)
    }

    /// Every desk, in order of ids.
    pub fn desks(&self) -> impl Iterator<Item = (&DeskId, &Desk)> {
        self.desks.iter()
    }

    /// A desk.
    pub fn desk(&self, id: &DeskId) -> Option<&Desk> {
        self.desks.get(id)
    }

    /// An officer.
    pub fn officer(&self, id: &OfficerId) -> Option<&Officer> {
        self.desks.get(&id.desk)?.officers.get(&id.name)
    }

    /// Puts a member at another status, as a record of the directory will.
    pub fn set_status(&mut self, id: MemberId, status: Status) {
        if let Some(member) = self.members.get_mut(&id) {
            member.status = status;
        }
    }

    /// The key that must have signed a statement: that of the officer, if it is valid at `now` and
    /// the officer's roles allow the act; or that of the desk, for what machines say.
    ///
    /// Which of the two parties' roles `Close` needs depends on the request: see
    /// [`super::check()`].
    ///
    /// # Errors
    /// [`Refusal`] when the desk or officer is unknown, the statement names another key, the key
    /// is not valid now, or the role or kind of signer is not that of the act.
    pub fn signing_key(
        &self,
        statement: &Statement,
        now: Timestamp,
    ) -> Result<&PublicKey, Refusal> {
        let desk_id = &statement.from;
        let desk =
            self.desk(desk_id).ok_or_else(|| Refusal::UnknownSender { desk: desk_id.clone() })?;
        let act = statement.act.name();
        let key = match (&statement.signer, statement.act.is_machine()) {
            (Signer::Desk, true) => &desk.desk_key,
            (Signer::Officer(name), false) => {
                let id = OfficerId { desk: desk_id.clone(), name: name.clone() };
                let Some(officer) = desk.officers.get(name) else {
                    return Err(Refusal::UnknownOfficer { officer: id });
                };
                officer.check(&id, act, roles_for(&statement.act), now)?;
                &officer.key
            }
            (Signer::Desk, false) => return Err(Refusal::OfficerMustSign { act }),
            (Signer::Officer(_), true) => return Err(Refusal::MachineMustSign { act }),
        };
        if key.id() == statement.signer_key {
            Ok(key)
        } else {
            Err(Refusal::WrongKey { desk: desk_id.clone(), key: statement.signer_key })
        }
    }

    /// The key of the second officer who must have signed a statement too: one with the role
    /// `APPROVE`, of the same desk, whose key is valid at `now`. None where the statement names
    /// nobody.
    ///
    /// # Errors
    /// [`Refusal`] when the officer is unknown, is the signer, lacks the role, or the key is not
    /// valid now or another one.
    pub fn approving_key(
        &self,
        statement: &Statement,
        now: Timestamp,
    ) -> Result<Option<&PublicKey>, Refusal> {
        let Approval::By { officer: name, key } = &statement.approval else { return Ok(None) };
        let desk = &statement.from;
        let id = OfficerId { desk: desk.clone(), name: name.clone() };
        let same_name = statement.signer == Signer::Officer(name.clone());
        if same_name || *key == statement.signer_key {
            return Err(Refusal::ApproverIsSigner { officer: id });
        }
        let Some(officer) = self.officer(&id) else {
            return Err(Refusal::UnknownOfficer { officer: id });
        };
        officer.check(&id, statement.act.name(), &[Role::Approve], now)?;
        if officer.key.id() == *key {
            Ok(Some(&officer.key))
        } else {
            Err(Refusal::WrongKey { desk: desk.clone(), key: *key })
        }
    }

    /// The officers of a desk who may approve what `signer` hands over at `now`, in order.
    pub fn approvers(&self, desk: &DeskId, signer: &Name, now: Timestamp) -> Vec<Name> {
        let officers = self.desk(desk).map(|desk| &desk.officers);
        let may = |(name, officer): &(&Name, &Officer)| {
            let valid = officer.from <= now && now < officer.until;
            *name != signer && valid && officer.roles.contains(&Role::Approve)
        };
        officers.into_iter().flatten().filter(may).map(|(name, _)| name.clone()).collect()
    }

    /// The key to which a body for this desk is sealed at `now`: of those valid, the one that is
    /// valid longest.
    ///
    /// # Errors
    /// [`Refusal`] when the desk is unknown or has no valid key.
    pub fn encryption_key(&self, desk: &DeskId, now: Timestamp) -> Result<&EncryptionKey, Refusal> {
        self.desk(desk)
            .ok_or_else(|| Refusal::UnknownRecipient { desk: desk.clone() })?
            .encryption_keys
            .iter()
            .filter(|key| key.from <= now && now < key.until)
            .max_by_key(|key| (key.until, key.id))
            .ok_or_else(|| Refusal::NoEncryptionKey { desk: desk.clone(), now })
    }

    /// The instruments that both members declare and that allow this type, in order.
    pub fn common_instruments(&self, a: MemberId, b: MemberId, of: RequestType) -> Vec<Instrument> {
        let (Some(a), Some(b)) = (self.member(a), self.member(b)) else { return Vec::new() };
        a.instruments
            .iter()
            .filter(|i| b.instruments.contains(i) && request_type::allows(of, i))
            .cloned()
            .collect()
    }
}

impl Officer {
    /// Validity first: an expired key has no roles.
    fn check(
        &self,
        id: &OfficerId,
        act: &'static str,
        needed: &[Role],
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if now < self.from || self.until <= now {
            return Err(Refusal::KeyNotValid {
                officer: id.clone(),
                from: self.from,
                until: self.until,
                now,
            });
        }
        if needed.iter().any(|role| self.roles.contains(role)) {
            Ok(())
        } else {
            Err(Refusal::RoleMissing { officer: id.clone(), act, role: needed[0] })
        }
    }
}

/// The roles of which one is needed to sign an act. Where there are two, either
/// side may do it, each with its own role.
pub(super) const fn roles_for(act: &Act) -> &'static [Role] {
    match act {
        Act::Request(_)
        | Act::ProvideClarification
        | Act::RequestExtension
        | Act::Withdraw
        | Act::ProvideInformation
        | Act::Mla { step: MlaStep::Sent, .. } => &[Role::Request],
        Act::Acknowledge { .. }
        | Act::ReviseEstimate { .. }
        | Act::RequestClarification
        | Act::Determine { .. }
        | Act::Execute { .. }
        | Act::Extend { .. }
        | Act::Regrade { .. }
        | Act::DiscloseTraffic
        | Act::Mla { step: MlaStep::Received | MlaStep::Decided, .. } => &[Role::Answer],
        Act::Close
        | Act::AnswerConditions(_)
        | Act::Feedback
        | Act::RequestUseReport
        | Act::ReportUse
        | Act::ReportSecurityIncident => &[Role::Request, Role::Answer],
        Act::Receipt { .. } | Act::Retrieval { .. } => &[],
    }
}

impl Member {
    fn founding(member: &FoundingMember, genesis: Hash) -> Self {
        Self {
            status: Status::Active,
            display_name: member.display_name.clone(),
            ca: member.ca.clone(),
            national_key: member.national_key.clone(),
            instruments: member.instruments.clone(),
            preservation_days_min: member.preservation_days_min,
            version: 0,
            entry: genesis,
        }
    }
}

impl From<&EntryDesk> for Desk {
    fn from(desk: &EntryDesk) -> Self {
        Self {
            organisation: desk.organisation.clone(),
            time_zone: desk.hours.time_zone.clone(),
            languages: desk.languages.iter().map(|language| language.tag.clone()).collect(),
            desk_key: desk.desk_key.clone(),
            encryption_keys: desk.encryption_keys.clone(),
            officers: desk.officers.iter().map(|o| (o.name.clone(), Officer::from(o))).collect(),
            witness_key: desk.witness_key.clone(),
            retired: false,
        }
    }
}

impl From<&FoundingDesk> for Desk {
    fn from(desk: &FoundingDesk) -> Self {
        Self {
            organisation: desk.organisation.clone(),
            time_zone: desk.time_zone.clone(),
            languages: desk.languages.clone(),
            desk_key: desk.desk_key.clone(),
            encryption_keys: desk.encryption_keys.clone(),
            officers: desk.officers.iter().map(|o| (o.name.clone(), Officer::from(o))).collect(),
            witness_key: desk.witness_key.clone(),
            retired: false,
        }
    }
}

impl From<&FoundingOfficer> for Officer {
    fn from(officer: &FoundingOfficer) -> Self {
        Self {
            key: officer.key.clone(),
            roles: officer.roles.clone(),
            from: officer.from,
            until: officer.until,
        }
    }
}
