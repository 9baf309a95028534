//! What a bundle proves.
//!
//! Not for the bytes of the archive (see `files.rs`).

use super::keys::{self, Key, Keys};
use super::{Bundle, Disclosed, Fault, Record};
use crate::audit::Trust;
use crate::codec::{self, Decoded, Leaf, Log};
use crate::envelope::genesis::{self, Genesis};
use crate::envelope::{self, Approval, Signer, Statement, disclose};
use crate::rules::ErasureReason;
use crate::rules::event::Kind;
use crate::tlog::{Policy, leaf_hash};
use crate::units::{Hash, MessageId, Timestamp};

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
    /// The witnesses that have cosigned that tree, and when, in seconds since 1970.
    pub witnessed: Vec<(String, u64)>,
    /// The witnesses that the policy knows.
    pub witnesses: usize,
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
    let own = own_trust(bundle, &founded)?;
    let trusts: Vec<&Trust> = std::iter::once(&own).chain(trust).collect();
    let mut keys = Keys::of(&founded);
    let (mut records, mut abouts) = (Vec::new(), Vec::new());
    for (number, record) in (1..).zip(&bundle.records) {
        let at = super::files::place(number);
        let (proven, about) = check(record, &at, &founded, &trusts, &mut keys)?;
        records.push(proven);
        abouts.push(about);
    }
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

/// The logs' keys, and the policy that the bundle brings.
fn own_trust(bundle: &Bundle, founded: &Genesis) -> Result<Trust, Fault> {
    let wrong = |why: crate::units::Unreadable| Fault::new(super::files::POLICY, why);
    let policy = bundle.policy.as_ref().map(|text| text.parse::<Policy>());
    let policy = policy.transpose().map_err(wrong)?;
    let keys = keys::log_keys(bundle, founded)?;
    let keys: Vec<_> = keys.into_iter().map(|key| key.verifier).collect();
    if keys.is_empty() {
        return Err(Fault::new(super::files::GENESIS, "it pins no keys of logs"));
    }
    Trust::new(&keys, policy).map_err(wrong)
}

fn check(
    record: &Record,
    at: &str,
    founded: &Genesis,
    trusts: &[&Trust],
    keys: &mut Keys,
) -> Result<(Proven, About), Fault> {
    let file = |name: &str| format!("{at}/{name}");
    let log = if record.opening.is_some() { Log::Traffic } else { Log::Directory };
    let leaf = Leaf { log, index: record.proof.index, opening: record.opening };
    let hash = leaf_hash(&leaf.data(&record.event));
    let mut heads = Vec::new();
    for trust in trusts {
        let accepted = trust.check_proof(&record.proof, &hash);
        heads.push(accepted.map_err(|bad| Fault::new(file("proof.tlog-proof"), bad))?);
    }
    let head = heads.pop().ok_or_else(|| Fault::new(at, "nobody is trusted"))?;
    let origin = head.checkpoint.origin().to_owned();
    if origin != genesis::log_origin(&founded.network, log.as_str()) {
        let why = format!("{origin} is not the log of such a leaf");
        return Err(Fault::new(file("proof.tlog-proof"), why));
    }
    let decoded = codec::decode_event(&record.event, &record.header);
    let decoded = decoded.map_err(|bad| Fault::new(file("event.bin"), bad))?;
    if let Ok(Some(signed)) = codec::decode_entry(&record.event) {
        keys.take(&file("event.bin"), &signed)?;
    }
    let statement = statement(&decoded);
    let signed_by = match statement {
        Some(statement) => check_signatures(record, statement, &file("header.bin"), keys)?,
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
    let zones = [&from, &to].into_iter().filter_map(|desk| keys.zone(desk)).map(str::to_owned);
    let about = about(&decoded);
    let body = if matches!(about, About::Body(..)) { BodyAtRelay::Kept } else { BodyAtRelay::None };
    let proven = Proven {
        time: *time,
        what: what(&event.kind),
        zones: zones.collect(),
        from,
        to,
        signed_by,
        created: statement.map(|statement| statement.created),
        request: event.request.as_ref().map(ToString::to_string),
        pair_sequence: *pair_sequence,
        origin,
        leaf: record.proof.index,
        size: head.checkpoint.size(),
        witnessed: head.witnessed,
        witnesses: head.witnesses,
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

/// The signers of a statement, whose signatures verify and whose keys are those of its desk.
fn check_signatures(
    record: &Record,
    statement: &Statement,
    file: &str,
    keys: &Keys,
) -> Result<Vec<String>, Fault> {
    let whose = match &statement.signer {
        Signer::Officer(name) => format!("{}/{name}", statement.from),
        Signer::Desk => statement.from.to_string(),
    };
    let first = key_of(keys, &statement.signer_key, &whose, file)?;
    let mut signed_by = vec![whose];
    let approver = match &statement.approval {
        Approval::By { officer, key: id } => {
            let whose = format!("{}/{officer}", statement.from);
            let key = key_of(keys, id, &whose, file)?;
            signed_by.push(whose);
            Some(key)
        }
        Approval::None | Approval::Alone => None,
    };
    let approver = approver.map(|key| &key.key);
    envelope::verify_header(&record.header, &record.signatures, &first.key, approver)
        .map_err(|bad| Fault::new(file, bad))?;
    Ok(signed_by)
}

/// The key with this id, which must be theirs.
fn key_of<'k>(keys: &'k Keys, id: &Hash, whose: &str, file: &str) -> Result<&'k Key, Fault> {
    let key = keys.get(id).ok_or_else(|| {
        let why = format!("key {id} of {whose} is neither in the genesis nor in an entry before");
        Fault::new(file, why)
    })?;
    if key.whose == whose {
        Ok(key)
    } else {
        Err(Fault::new(file, format!("key {id} is that of {}, not of {whose}", key.whose)))
    }
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
