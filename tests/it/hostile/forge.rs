//! Forges a statement: whoever it is addressed to refuses it and keeps what proves the forgery.

use detente::codec::{self, decode_event};
use detente::desk::GivenProof;
use detente::envelope::words::Rejection;
use detente::envelope::{Envelope, SigningKey};
use detente::rules::{Event, Kind, Numbering};
use detente::tlog::LogProof;
use detente::units::{Hash, Index};
use detente::wire::detente::desk::v1 as wire;
use wire::follow_response::Item;

use super::Hostile;
use crate::api_net::{question_by, signing};
use crate::desk_pair::{self as pair, HandClock, Relay};
use crate::net::{PATIENCE, until};

/// A question in the name of NL's officer, by somebody without his key.
fn forged() -> Envelope {
    let mut envelope = question_by("NL", "RO", &SigningKey::from_seed([66; 32]));
    envelope.signatures[0].key_id = signing("NL/cyber/duty").public().id();
    envelope
}

/// Puts the forged statement in the place of the real one.
fn forge(mut response: wire::FollowResponse, forged: &Envelope) -> wire::FollowResponse {
    let Some(Item::Record(record)) = &mut response.item else { return response };
    let decoded = decode_event(&record.event, &record.header).unwrap();
    if !matches!(decoded.event.kind, Kind::Accepted(_)) {
        return response;
    }
    let event = Event::accepted(&forged.statement, None);
    let numbering = Numbering {
        desk_indexes: Vec::new(),
        pair_sequence: decoded.pair_sequence,
        previous: None,
    };
    record.event = codec::encode_event(&event, &numbering, decoded.time, None);
    record.header = forged.header.clone();
    record.signatures = forged.to_wire().signatures;
    response
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_statement_that_is_not_in_the_log_is_refused_and_not_proven() {
    let net = Hostile::start().await;
    net.ask_and_settle("NL", "RO").await;
    let envelope = forged();
    let (message, request) = (envelope.statement.message, envelope.statement.request);
    net.door("RO").lie(|lies| {
        lies.records = Some(Box::new(move |response| vec![forge(response, &envelope)]));
    });
    net.ask("NL", "RO").await;
    let alarm = net.until_alarm("RO", "D-321").await;
    assert!(alarm.what.contains("in the name of NL/cyber"), "{}", alarm.what);
    let file = net.desk("RO").file();
    let held = file.statement(&(crate::api_net::desk("NL"), message)).cloned().unwrap();
    assert_eq!(held.rejected.as_ref().map(|(why, _)| *why), Some(Rejection::NotIdentified));
    assert!(file.case(request).unwrap().request.is_none(), "nothing can be done with it");
    // The log has another event there: what the relay gives as its proof does not hold, and stays.
    let desk = net.desk("RO").clone();
    until("it is not proven", || desk.status().alarms >= 2).await;
    let started = std::time::Instant::now();
    let found = loop {
        let found = desk.evidence_of(request).await.unwrap();
        if !found.is_empty() {
            break found;
        }
        assert!(started.elapsed() < PATIENCE, "no evidence is kept");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].code.as_str(), found[0].message), ("D-315", None));
    net.desk("RO").settle(alarm.id, pair::duty(), "asked NL".to_owned()).await.unwrap();
    assert!(!net.codes("RO").contains(&"D-321"));
}

#[tokio::test]
async fn a_forged_statement_that_is_in_the_log_is_proven_by_the_log_itself() {
    // This relay checks no signature, and logs whatever it is given.
    let clock = HandClock::new();
    let dir = tempfile::tempdir().unwrap();
    let desk = pair::open(&pair::ro(), dir.path(), &clock);
    let other = tempfile::tempdir().unwrap();
    let nl = pair::open(&pair::nl(), other.path(), &clock);
    let mut relay = Relay::new(&clock);
    let sent = nl.prepare(pair::question(&pair::ro())).await.unwrap();
    let held = nl.file().own_statement(sent.message).cloned().unwrap();
    let mut envelope = nl.envelope(held).await.unwrap();
    envelope.signatures[0].bytes[7] ^= 1;
    let (index, _) = relay.submit(&envelope).unwrap();
    let records = relay.follow(&pair::ro(), desk.file().next());
    desk.take(records).await.unwrap();
    let alarm = desk.alarms().remove(0);
    assert_eq!((alarm.code, alarm.reason), ("D-321", "STATEMENT_FORGED"));
    let wanted: Vec<(Index, Index)> = desk.file().proofs().unproven().collect();
    let given = wanted.into_iter().map(|(index, place)| {
        let receipt = relay.receipt(index);
        let proof = Ok((receipt.hashes, receipt.checkpoint));
        GivenProof { index, place, proof, raw: Vec::new() }
    });
    desk.take_proofs(given.collect()).await.unwrap();
    // The log has signed that it recorded this header; no key of NL has signed the header.
    let (proofs, missing) = desk.proofs_of(sent.request).await.unwrap();
    assert_eq!(missing, 0);
    let kept = proofs.iter().find(|kept| kept.index == index).unwrap();
    let proof: LogProof = kept.proof.parse().unwrap();
    let extra = proof.extra.unwrap();
    let decoded = decode_event(&extra[32..], &envelope.header).unwrap();
    let Kind::Accepted(statement) = decoded.event.kind else { panic!("{:?}", decoded.event) };
    assert_eq!(statement.header, Hash::of(&[&envelope.header]));
    assert!(envelope.verify(&pair::officer_key(&pair::nl()).public(), None).is_err());
    desk.close().await;
    nl.close().await;
}
