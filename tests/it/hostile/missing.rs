//! Drops, withholds, delays: the sender is alarmed at its limit, and what was withheld after a
//! receipt is proven once that reaches the recipient.

use detente::codec::{Log, decode_outline};
use detente::desk::Here;
use detente::envelope::genesis::default_policy;
use detente::tlog::{Checkpoint, LogProof};
use detente::units::{DAY_MS, HOUR_MS, MINUTE_MS, RequestId};
use detente::wire::detente::desk::v1 as wire;
use detente::wire::detente::journal::v1::Event;
use prost::Message as _;
use wire::follow_response::Item;

use super::Hostile;
use crate::desk_pair as pair;
use crate::embargo::withdrawal;
use crate::net::{self, until};

/// Leaves out the records about a request, and numbers the others as if there were none.
fn without(request: RequestId) -> impl FnMut(wire::FollowResponse) -> Vec<wire::FollowResponse> {
    let mut gone = 0;
    move |mut response| {
        match &mut response.item {
            Some(Item::Record(record)) => {
                let event = Event::decode(record.event.as_slice()).unwrap();
                if event.request_id == request.0 {
                    gone += 1;
                    return Vec::new();
                }
                record.desk_index -= gone;
            }
            Some(Item::Beat(beat)) => beat.next_desk_index -= gone,
            None => {}
        }
        vec![response]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_request_alarms_its_sender_after_five_minutes() {
    let net = Hostile::start().await;
    net.door("NL").lie(|lies| lies.drops = true);
    let sent = net.ask("NL", "RO").await;
    net.pass("NL", 4 * MINUTE_MS);
    assert_eq!(net.codes("NL"), Vec::<&str>::new(), "it may still be under way");
    net.pass("NL", 2 * MINUTE_MS);
    let alarm = net.until_alarm("NL", "D-324").await;
    assert_eq!(alarm.reason, "STATEMENT_NOT_RECORDED");
    assert!(alarm.what.contains(&sent.message.to_string()), "{}", alarm.what);
    until("it is raised", || net.desk("NL").status().alarms == 1).await;
    assert!(net.desk("RO").file().case(sent.request).is_none(), "nobody else knows of it");
    // A relay that thinks better of it gets it after all, and the alarm ends.
    net.door("NL").lie(|lies| lies.drops = false);
    until("it is recorded", || net.desk("NL").file().outbox_len() == 0).await;
    assert_eq!(net.codes("NL"), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_withheld_after_its_receipt_is_proven_by_the_senders_proof() {
    let net = Hostile::start().await;
    net.ask_and_settle("NL", "RO").await;
    // The request's id is chosen by the sender, so the relay knows it before it is recorded.
    let (hold, held) = tokio::sync::watch::channel(None::<RequestId>);
    net.door("RO").lie(|lies| {
        let mut lie = None;
        lies.records = Some(Box::new(move |response| {
            let Some(Item::Record(record)) = &response.item else { return vec![response] };
            let event = Event::decode(record.event.as_slice()).unwrap();
            let request = RequestId::from_slice(&event.request_id).unwrap();
            if lie.is_none() && hold.send_if_modified(|held| held.replace(request).is_none()) {
                lie = Some(without(request));
            }
            lie.as_mut().map_or_else(|| vec![response.clone()], |lie| lie(response.clone()))
        }));
    });
    let sent = net.ask("NL", "RO").await;
    until("it is recorded", || net.desk("NL").file().outbox_len() == 0).await;
    until("it is withheld", || *held.borrow() == Some(sent.request)).await;
    assert!(net.desk("RO").file().case(sent.request).is_none());

    // The sender has a receipt of the relay, and none of the recipient.
    assert_eq!(net.codes("NL"), Vec::<&str>::new());
    net.pass("NL", DAY_MS + MINUTE_MS);
    let alarm = net.until_alarm("NL", "D-325").await;
    assert!(alarm.what.contains("no receipt of RO/cyber"), "{}", alarm.what);
    until("it is raised", || net.desk("NL").status().alarms >= 1).await;

    // Its proof is checked by anybody, and shows the recipient what it never got.
    let (proofs, _) = net.desk("NL").proofs_of(sent.request).await.unwrap();
    let proof = &proofs.first().unwrap().proof;
    let (genesis, file) = (net.genesis_file(), net.file("p.tlog-proof", proof.as_bytes()));
    let (genesis, file) = (genesis.to_str().unwrap(), file.to_str().unwrap());
    let said = net::run(&["verify", "proof", file, "--genesis", genesis]);
    assert!(said.contains("is in detente-test/traffic"), "{said}");
    let early = net.desk("RO").show_proof(proof).await.unwrap();
    assert_eq!((early.here, early.from.to_string().as_str()), (Here::NotYet, "NL/cyber"));
    assert_eq!(net.codes("RO"), Vec::<&str>::new());
    net.pass("RO", 6 * MINUTE_MS);
    let shows = net.desk("RO").show_proof(proof).await.unwrap();
    assert_eq!((shows.here, shows.leaf), (Here::Never, early.leaf));
    let alarm = net.until_alarm("RO", "D-326").await;
    let number = format!("event {} from NL/cyber to RO/cyber", shows.number);
    assert!(alarm.what.contains(&number), "{}", alarm.what);
    let again = net.desk("RO").show_proof(proof).await.unwrap();
    assert_eq!((again.here, net.codes("RO")), (Here::Never, vec!["D-326"]), "one alarm");
    net.desk("RO").settle(alarm.id, pair::duty(), "told XM".to_owned()).await.unwrap();
    assert_eq!(net.codes("RO"), Vec::<&str>::new());
    // Showing it once more, there is nothing to add to what was dealt with.
    let raised = net.desk("RO").status().alarms;
    let again = net.desk("RO").show_proof(proof).await.unwrap();
    assert_eq!((again.here, net.codes("RO")), (Here::Never, Vec::new()));
    assert_eq!(net.desk("RO").status().alarms, raised);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_record_of_the_pair_shows_its_recipient_that_one_is_missing() {
    let net = Hostile::start().await;
    net.ask_and_settle("NL", "RO").await;
    let mut first = None;
    net.door("RO").lie(|lies| {
        let mut lie = None;
        lies.records = Some(Box::new(move |response| {
            if let (None, Some(Item::Record(record))) = (&first, &response.item) {
                let event = Event::decode(record.event.as_slice()).unwrap();
                let request = RequestId::from_slice(&event.request_id).unwrap();
                first = Some(request);
                lie = Some(without(request));
            }
            match &mut lie {
                Some(lie) => lie(response),
                None => vec![response],
            }
        }));
    });
    let withheld = net.ask("NL", "RO").await;
    until("it is recorded", || net.desk("NL").file().outbox_len() == 0).await;
    let sent = net.ask_and_settle("NL", "RO").await;
    let alarm = net.until_alarm("RO", "D-323").await;
    assert!(alarm.what.contains("from NL/cyber to RO/cyber never came"), "{}", alarm.what);
    let file = net.desk("RO").file();
    assert!(file.case(sent.request).is_some() && file.case(withheld.request).is_none());
    // What came later proves that it is not under way any more.
    let (proofs, _) = net.desk("NL").proofs_of(withheld.request).await.unwrap();
    let shows = net.desk("RO").show_proof(&proofs[0].proof).await.unwrap();
    assert_eq!(shows.here, Here::Never);
    // What did come is found.
    let (proofs, _) = net.desk("NL").proofs_of(sent.request).await.unwrap();
    let shows = net.desk("RO").show_proof(&proofs[0].proof).await.unwrap();
    assert!(matches!(shows.here, Here::Came(_)), "{shows:?}");
    let stranger = net.desk("XM").show_proof(&proofs[0].proof).await.unwrap_err();
    assert!(stranger.to_string().contains("no party"), "{stranger}");
    let bent = net::edit(&proofs[0].proof, "index ", "index 1");
    assert!(net.desk("RO").show_proof(&bent).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_request_alarms_its_sender_until_it_is_receipted() {
    let mut net = Hostile::start().await;
    // Nothing comes to RO until the relay is told to go on.
    let (go, mut going) = tokio::sync::watch::channel(false);
    let kept = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let keeping = std::sync::Arc::clone(&kept);
    net.door("RO").lie(|lies| {
        lies.records = Some(Box::new(move |response| {
            let mut kept = keeping.lock().unwrap();
            kept.push(response);
            if *going.borrow_and_update() { std::mem::take(&mut *kept) } else { Vec::new() }
        }));
    });
    let sent = net.ask("NL", "RO").await;
    until("it is recorded", || net.desk("NL").file().outbox_len() == 0).await;
    net.pass("NL", DAY_MS + MINUTE_MS);
    net.until_alarm("NL", "D-325").await;
    let recorded = net.desk("NL").file().own_statement(sent.message).unwrap().recorded;
    go.send_replace(true);
    // The next record lets the others go.
    net.ask("XM", "RO").await;
    until("it came", || net.desk("RO").file().case(sent.request).is_some()).await;
    // So has that of a day without any head.
    net.publish(Log::Directory).await;
    net.publish(Log::Traffic).await;
    until("the alarm has ended", || net.codes("NL").is_empty()).await;
    // The recipient sees when it was recorded: that moment is in the leaf, and cannot be moved.
    let case = net.desk("RO").file().case(sent.request).cloned().unwrap();
    assert_eq!(case.submitted, recorded.map(|(_, time)| time));
}

/// Whether it is a request or not, and however many there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_without_a_receipt_is_raised_and_the_oldest_are_shown() {
    const ASKED: usize = 51;
    let mut net = Hostile::start().await;
    let withdrawn = net.ask_and_settle("NL", "RO").await.request;
    net.door("RO").lie(|lies| lies.records = Some(Box::new(|_| Vec::new())));
    let first = net.desk("NL").prepare(withdrawal(withdrawn)).await.unwrap();
    until("it is recorded", || net.desk("NL").file().outbox_len() == 0).await;
    net.door("XM").lie(|lies| lies.drops = true);
    for _ in 0..ASKED {
        net.ask("NL", "RO").await;
        net.ask("XM", "RO").await;
    }
    until("all of NL is recorded", || net.desk("NL").file().outbox_len() == 0).await;
    // The witnesses see all of it, so that nothing else is wrong.
    let due = net.net().relay.published().state().next_desk_index(net.desk("NL").file().owner());
    until("all of it is known", || net.desk("NL").file().next() == due).await;
    until("and proven", || net.desk("NL").file().proofs().unproven().count() == 0).await;
    net.publish(Log::Directory).await;
    net.publish(Log::Traffic).await;
    net.pass("NL", DAY_MS + MINUTE_MS);
    net.pass("XM", 6 * MINUTE_MS);
    for (member, code, statements) in [("NL", "D-325", ASKED + 1), ("XM", "D-324", ASKED)] {
        let raised = || usize::try_from(net.desk(member).status().alarms).unwrap();
        until("all are raised", || raised() >= statements).await;
        assert_eq!((raised(), net.codes(member)), (statements, vec![code; 50]), "{member}");
    }
    // The oldest was no request. When it is settled, one that was not shown comes.
    let ids = || net.desk("NL").alarms().into_iter().map(|alarm| alarm.id).collect::<Vec<_>>();
    let (oldest, before) = (format!("unreceipted-{}", first.message), ids());
    assert!(before.contains(&oldest), "{before:?}");
    net.desk("NL").settle(oldest.clone(), pair::duty(), "by telephone".to_owned()).await.unwrap();
    let after = ids();
    assert!(after.len() == 50 && !after.contains(&oldest), "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_kept_back_is_witnessed_later_than_it_says() {
    let mut net = Hostile::start().await;
    net.ask_and_settle("NL", "RO").await;
    let before = net.publish(Log::Traffic).await;
    let before: Checkpoint = before.text().parse().unwrap();
    let sent = net.ask_and_settle("NL", "RO").await;
    // The relay shows nobody a head with it for three hours.
    for member in ["NL", "RO", "XM"] {
        net.pass(member, 3 * HOUR_MS);
    }
    let head = net.publish(Log::Traffic).await;
    let size = head.text().parse::<Checkpoint>().unwrap().size();
    let (proofs, _) = net.desk("NL").proofs_of(sent.request).await.unwrap();
    let receipt: LogProof = proofs[0].proof.parse().unwrap();
    let leaf = receipt.index;
    assert!((before.size()..size).contains(&leaf), "it came between the two heads");
    let proof = net.net().relay.prove(Log::Traffic, leaf, size).await.unwrap();
    let extra = receipt.extra.clone().unwrap();
    let said = decode_outline(&extra[32..]).unwrap().time;
    let proof = LogProof { hashes: proof.hashes, checkpoint: head, ..receipt };
    let proof = net.file("late.tlog-proof", proof.to_string().as_bytes());
    let policy = default_policy(&net.genesis()).to_string();
    let policy = net.file("policy", policy.as_bytes());
    let arguments = ["verify", "proof", proof.to_str().unwrap(), "--json", "--policy"];
    let shown = net::run(&[&arguments, [policy.to_str().unwrap()].as_slice()].concat());
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let witnessed = shown["witnessed"].as_array().unwrap();
    assert_eq!(witnessed.len(), 3, "{shown}");
    for witness in witnessed {
        let at = witness["time"].as_i64().unwrap() * 1_000;
        assert!(said.plus_ms(3 * HOUR_MS - MINUTE_MS).0 <= at, "recorded {said}, {witness}");
    }
}
