//! What a bundle proves.
//!
//! Not for the bytes of the archive (see `files.rs`). Whose witnesses count is not for the bundle
//! to say: those of the genesis's committee do, or those of a policy that the verifier brings. The
//! bundle's own policy must be met as well; witnesses that it alone names are told apart.

use std::collections::BTreeMap;

use super::keys::{self, Keys};
use super::{Bundle, Disclosed, Fault, Record};
use crate::audit::{Accepted, Quorum, Trust};
use crate::codec::{self, Decoded, Leaf, Log};
use crate::envelope::genesis::{self, Genesis};
use crate::envelope::{self, Approval, Signer, Statement, disclose};
use crate::rules::event::Kind;
use crate::rules::{Directory, ErasureReason, Refusal};
use crate::tlog::log_proof::Unproven;
use crate::tlog::{Checkpoint, Note, Policy, VerifierKey, leaf_hash};
use crate::units::{Hash, MessageId, Name, Timestamp};

/// What a bundle proves about the body of a record at the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyAtRelay {
    /// There never was one.
    None,
    /// Nothing in the bundle says that it was erased.
    Kept,
    /// It was erased, and that is a record of its own.
    Erased {
        /// That record's number in the bundle, from 1.
        by: usize,
        /// Why, in a word: "LEGAL_ORDER" or "RETENTION".
        reason: &'static str,
    },
}

/// What is proven by a bundle as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The network's name.
    pub network: String,
    /// Hash of the genesis: compare it over another channel.
    pub genesis: Hash,
    /// The records, in the bundle's order.
    pub records: Vec<Proven>,
}

/// What is proven of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// Record time, as the log has it.
    pub time: Timestamp,
    /// What happened, in a word: an act as "ACKNOWLEDGE", or the kind of another event.
    pub what: String,
    /// The desk that acted; empty for the relay's own.
    pub from: String,
    /// The desk addressed; empty where there is none.
    pub to: String,
    /// Who signed, as "NL/cyber/jansen"; the second officer after the first. Empty without a
    /// header.
    pub signed_by: Vec<String>,
    /// When the signer says it was made.
    pub created: Option<Timestamp>,
    /// The request concerned.
    pub request: Option<String>,
    /// Its number among the events from one desk to the other; 0 without a pair.
    pub pair_sequence: u64,
    /// Origin of the log.
    pub origin: String,
    /// Index of the leaf.
    pub leaf: u64,
    /// Size of the tree that it is proven in.
    pub size: u64,
    /// The witnesses that have cosigned that tree, and when, in seconds since 1970: those of the
    /// verifier's policy or, without one, of the genesis's committee.
    pub witnessed: Vec<(String, u64)>,
    /// How many of them there are.
    pub witnesses: usize,
    /// Whether they are enough.
    pub quorum: Quorum,
    /// Others that have cosigned it, whom only the bundle's own policy names.
    pub named_here: Vec<(String, u64)>,
    /// A body is disclosed and is the one that was signed.
    pub body_disclosed: bool,
    /// What is left of the body where the relay keeps it.
    pub body: BodyAtRelay,
    /// IANA names of the time zones of both desks, where they are known.
    pub zones: Vec<String>,
}

/// Verifies what was collected: the genesis by its own signatures, each key that a log has had
/// since by the one before, each record by its proof, each statement by its signatures, each
/// disclosed body by its commitment. `trust` is asked as well where it is given: the log's keys and
/// witnesses as the verifier knows them.
///
/// # Errors
/// [`Fault`], the first file that is wrong.
pub fn verify(bundle: &Bundle, trust: Option<&Trust>) -> Result<Verified, Fault> {
    let wrong = |why: String| Fault::new(super::files::GENESIS, why);
    let founded = genesis::parse(&bundle.genesis).map_err(|bad| wrong(bad.to_string()))?;
    genesis::verify(&bundle.genesis, &founded).map_err(|bad| wrong(bad.to_string()))?;
    let judge = Judge::new(bundle, &founded, trust)?;
    let mut keys = Keys::of(&founded);
    let (mut records, mut abouts) = (Vec::new(), Vec::new());
    for (number, record) in (1..).zip(&bundle.records) {
        let at = super::files::place(number);
        let (proven, about) = check(record, &at, &founded, &judge, &mut keys)?;
        records.push(proven);
        abouts.push(about);
    }
    agree(bundle, &records)?;
    for (number, about) in (1..).zip(&abouts) {
        let About::Erasure(from, of, reason) = about else { continue };
        let stated = (from.clone(), *of);
        for (proven, other) in records.iter_mut().zip(&abouts) {
            if *other == About::Body(stated.0.clone(), stated.1) {
                proven.body = BodyAtRelay::Erased { by: number, reason: reason.as_str() };
            }
        }
    }
    let (network, genesis) = (founded.network.to_string(), founded.hash);
    Ok(Verified { network, genesis, records })
}

/// By whom heads are believed.
struct Judge<'t> {
    /// The logs' keys, and the policy that the bundle brings.
    own: Trust,
    /// Witnesses that the bundle's policy names.
    named: Option<Policy>,
    /// The witnesses that the genesis names.
    committee: Trust,
    /// What the verifier brings, if anything.
    brought: Option<&'t Trust>,
}

/// What witnesses say of a head.
struct Seen {
    witnessed: Vec<(String, u64)>,
    witnesses: usize,
    quorum: Quorum,
    named_here: Vec<(String, u64)>,
}

impl<'t> Judge<'t> {
    fn new(bundle: &Bundle, founded: &Genesis, brought: Option<&'t Trust>) -> Result<Self, Fault> {
        let wrong = |why: crate::units::Unreadable| Fault::new(super::files::POLICY, why);
        let named = bundle.policy.as_ref().map(|text| text.parse::<Policy>());
        let named = named.transpose().map_err(wrong)?;
        let keys = keys::log_keys(bundle, founded)?;
        let keys: Vec<VerifierKey> = keys.into_iter().map(|key| key.verifier).collect();
        if keys.is_empty() {
            return Err(Fault::new(super::files::GENESIS, "it pins no keys of logs"));
        }
        let own = Trust::new(&keys, named.clone()).map_err(wrong)?;
        let committee = Trust::new(&keys, None).map_err(wrong)?;
        let committee = committee.telling_of(genesis::default_policy(founded));
        Ok(Self { own, named, committee, brought })
    }

    /// Proves that the leaf is in a log whose head everybody concerned believes.
    fn check(&self, record: &Record, leaf: &Hash) -> Result<(Checkpoint, Seen), Unproven> {
        self.own.check_proof(&record.proof, leaf)?;
        let believing = self.brought.unwrap_or(&self.committee);
        let Accepted { checkpoint, witnessed, witnesses, quorum } =
            believing.check_proof(&record.proof, leaf)?;
        let named_here = self.named_here(&record.proof.checkpoint)?;
        Ok((checkpoint, Seen { witnessed, witnesses, quorum, named_here }))
    }

    /// The witnesses whom the bundle's policy names and nobody else.
    fn named_here(&self, head: &Note) -> Result<Vec<(String, u64)>, Unproven> {
        let Some(named) = &self.named else { return Ok(Vec::new()) };
        let known = self.brought.unwrap_or(&self.committee);
        let is_strange = |name: &str| {
            let witness = named.witnesses().find(|witness| witness.name == name);
            witness.is_some_and(|witness| !known.knows(witness.key))
        };
        let seen = named.witnessed(head).map_err(Unproven::Unmet)?.into_iter();
        Ok(seen.filter(|(name, _)| is_strange(name)).map(|(n, at)| (n.to_owned(), at)).collect())
    }
}

/// Proves that no two records contradict each other: one log has one root at one size, and one leaf
/// at one index.
fn agree(bundle: &Bundle, records: &[Proven]) -> Result<(), Fault> {
    let (mut roots, mut leaves) = (BTreeMap::new(), BTreeMap::new());
    for (number, (record, proven)) in (1..).zip(bundle.records.iter().zip(records)) {
        let file = || format!("{}/proof.tlog-proof", super::files::place(number));
        let Proven { origin, size, leaf, .. } = proven;
        let root = record.proof.checkpoint.text().lines().nth(2).unwrap_or_default();
        let (first, known) = *roots.entry((origin, size)).or_insert((number, root));
        if known != root {
            let why = format!("its head and that of record {first:03} have one size and two roots");
            return Err(Fault::new(file(), why));
        }
        let event = (record.opening, &record.event);
        let (first, known) = *leaves.entry((origin, leaf)).or_insert((number, event));
        if known != event {
            let why = format!("it is for the same leaf as that of record {first:03}, another one");
            return Err(Fault::new(file(), why));
        }
    }
    Ok(())
}

fn check(
    record: &Record,
    at: &str,
    founded: &Genesis,
    judge: &Judge<'_>,
    keys: &mut Keys,
) -> Result<(Proven, About), Fault> {
    let file = |name: &str| format!("{at}/{name}");
    let log = if record.opening.is_some() { Log::Traffic } else { Log::Directory };
    let leaf = Leaf { log, index: record.proof.index, opening: record.opening };
    let hash = leaf_hash(&leaf.data(&record.event));
    let (head, seen) =
        judge.check(record, &hash).map_err(|bad| Fault::new(file("proof.tlog-proof"), bad))?;
    let origin = head.origin().to_owned();
    if origin != genesis::log_origin(&founded.network, log.as_str()) {
        let why = format!("{origin} is not the log of such a leaf");
        return Err(Fault::new(file("proof.tlog-proof"), why));
    }
    let decoded = codec::decode_event(&record.event, &record.header);
    let decoded = decoded.map_err(|bad| Fault::new(file("event.bin"), bad))?;
    if let Ok(Some(signed)) = codec::decode_entry(&record.event) {
        keys.take(&file("event.bin"), &signed, decoded.time)?;
    }
    let statement = statement(&decoded);
    let signed_by = match statement {
        Some(statement) => {
            let (directory, at) = in_force(&decoded, statement, keys);
            check_signatures(record, statement, &file("header.bin"), (directory, at))?
        }
        None => Vec::new(),
    };
    if let Some(Disclosed { salt, body }) = &record.body {
        disclose::verify_disclosed(&record.header, salt, body)
            .map_err(|bad| Fault::new(file("body.bin"), bad))?;
    }
    let Decoded { event, time, pair_sequence, .. } = &decoded;
    let desk = |desk: &Option<crate::units::DeskId>| {
        desk.as_ref().map_or_else(String::new, ToString::to_string)
    };
    let (from, to) = (desk(&event.from), desk(&event.to));
    let desks = [&event.from, &event.to].into_iter().flatten();
    let zones = desks.filter_map(|desk| keys.zone(desk)).map(str::to_owned).collect();
    let about = about(&decoded);
    let body = if matches!(about, About::Body(..)) { BodyAtRelay::Kept } else { BodyAtRelay::None };
    let proven = Proven {
        time: *time,
        what: what(&event.kind),
        zones,
        from,
        to,
        signed_by,
        created: statement.map(|statement| statement.created),
        request: event.request.as_ref().map(ToString::to_string),
        pair_sequence: *pair_sequence,
        origin,
        leaf: record.proof.index,
        size: head.size(),
        witnessed: seen.witnessed,
        witnesses: seen.witnesses,
        quorum: seen.quorum,
        named_here: seen.named_here,
        body_disclosed: record.body.is_some(),
        body,
    };
    Ok((proven, about))
}

/// What a record is to the bodies of others.
#[derive(PartialEq, Eq)]
enum About {
    /// It has one: that of this desk's statement.
    Body(String, MessageId),
    /// It says that this desk's one was erased.
    Erasure(String, MessageId, ErasureReason),
    /// Nothing.
    Nothing,
}

fn about(decoded: &Decoded) -> About {
    match &decoded.event.kind {
        Kind::Accepted(statement) if !statement.act.is_machine() => {
            About::Body(statement.from.to_string(), statement.message)
        }
        Kind::EmbargoEnded(statement) => About::Body(statement.from.to_string(), statement.message),
        Kind::BodyErased { of: Some(of), reason, .. } => {
            let from = decoded.event.from.as_ref();
            from.map_or(About::Nothing, |from| About::Erasure(from.to_string(), *of, *reason))
        }
        Kind::Accepted(_)
        | Kind::BodyErased { .. }
        | Kind::Founded(_)
        | Kind::Offered { .. }
        | Kind::OfferFailed { .. }
        | Kind::HandedOver { .. }
        | Kind::PreservationExpired { .. }
        | Kind::TailTruncated { .. }
        | Kind::ClockStepped { .. }
        | Kind::ClockConfirmed { .. }
        | Kind::EntryPublished(_)
        | Kind::LogKeyAnnounced(_)
        | Kind::Padded => About::Nothing,
    }
}

fn statement(decoded: &Decoded) -> Option<&Statement> {
    match &decoded.event.kind {
        Kind::Accepted(statement) | Kind::EmbargoEnded(statement) => Some(statement),
        Kind::Founded(_)
        | Kind::Offered { .. }
        | Kind::OfferFailed { .. }
        | Kind::HandedOver { .. }
        | Kind::PreservationExpired { .. }
        | Kind::BodyErased { .. }
        | Kind::TailTruncated { .. }
        | Kind::ClockStepped { .. }
        | Kind::ClockConfirmed { .. }
        | Kind::Padded
        | Kind::EntryPublished(_)
        | Kind::LogKeyAnnounced(_) => None,
    }
}

/// The directory by which the relay judged a statement, and when: as it took it, or, of one that
/// was under embargo and was taken before, as it was made.
fn in_force<'k>(
    decoded: &Decoded,
    statement: &Statement,
    keys: &'k Keys,
) -> (&'k Directory, Timestamp) {
    if matches!(decoded.event.kind, Kind::EmbargoEnded(_)) {
        (keys.when(statement.created), statement.created)
    } else {
        (keys.newest(), decoded.time)
    }
}

/// The signers of a statement, whose signatures verify and whose keys were good at the time.
fn check_signatures(
    record: &Record,
    statement: &Statement,
    file: &str,
    (directory, at): (&Directory, Timestamp),
) -> Result<Vec<String>, Fault> {
    let wrong = |refusal: Refusal| Fault::new(file, refusal.cause());
    let key = directory.signing_key(statement, at).map_err(wrong)?;
    let approver = directory.approving_key(statement, at).map_err(wrong)?;
    envelope::verify_header(&record.header, &record.signatures, key, approver)
        .map_err(|bad| Fault::new(file, bad))?;
    let officer = |name: &Name| format!("{}/{name}", statement.from);
    let mut signed_by = vec![match &statement.signer {
        Signer::Officer(name) => officer(name),
        Signer::Desk => statement.from.to_string(),
    }];
    if let Approval::By { officer: name, .. } = &statement.approval {
        signed_by.push(officer(name));
    }
    Ok(signed_by)
}

/// What happened, in a word.
fn what(kind: &Kind) -> String {
    let word = match kind {
        Kind::Accepted(statement) => statement.act.name(),
        Kind::EmbargoEnded(_) => "EMBARGO_ENDED",
        Kind::Founded(_) => "FOUNDED",
        Kind::Offered { .. } => "OFFERED",
        Kind::OfferFailed { .. } => "OFFER_FAILED",
        Kind::HandedOver { .. } => "HANDED_OVER_WITHOUT_RECEIPT",
        Kind::PreservationExpired { .. } => "PRESERVATION_EXPIRED",
        Kind::BodyErased { index, .. } => return format!("BODY_ERASED of record {index}"),
        Kind::TailTruncated { .. } => "TAIL_TRUNCATED",
        Kind::ClockStepped { .. } => "CLOCK_STEPPED",
        Kind::ClockConfirmed { .. } => "CLOCK_CONFIRMED",
        Kind::Padded => "PADDED",
        Kind::EntryPublished(_) => "ENTRY_PUBLISHED",
        Kind::LogKeyAnnounced(_) => "LOG_KEY_ANNOUNCED",
    };
    word.to_owned()
}
