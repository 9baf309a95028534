//! The test kit: what an integrator's test can rely on, each fault with what it does.

use detente::envelope::words::{Extent, Outcome, WillAnswer};
use detente::grpc::Officer;
use detente::grpc::counter::form;
use detente::testkit::{self, Network, request};
use detente::units::{DAY_MS, HOUR_MS, MINUTE_MS, RequestId, Timestamp};

/// A Monday morning in Europe.
fn monday() -> Timestamp {
    "2026-03-02T08:00:00Z".parse().unwrap()
}

async fn network(members: &[&str]) -> Network {
    Network::of(members).starting_at(monday()).start().await.unwrap()
}

async fn asks(network: &Network, urgency: &str) -> RequestId {
    let asked =
        request("RO/cyber", "PRESERVATION", "BUDAPEST", urgency, &[("offence", "fraud")]).unwrap();
    network.desk("NL").unwrap().duty().send(asked).await.unwrap().request
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_pass_at_their_moments_while_the_clock_is_moved() {
    let mut network = network(&["NL", "RO"]).await;
    let (nl, ro) = (network.desk("NL").unwrap(), network.desk("RO/cyber").unwrap());
    network.cut_off("RO").await.unwrap();
    let id = asks(&network, "URGENT").await;
    assert_eq!(network.next_deadline(), Some(monday().plus_ms(15 * MINUTE_MS)));
    network.advance_ms(15 * MINUTE_MS - 1).await.unwrap();
    let case = nl.duty().look(id).await.unwrap();
    assert_eq!(case.transport, "SUBMISSION_ACCEPTANCE");
    // Over it in one go: it is recorded at its own moment, and the sender has heard of it.
    network.advance_ms(DAY_MS).await.unwrap();
    let case = nl.duty().look(id).await.unwrap();
    let failed = case.entries.iter().find(|entry| entry.what == "OFFER_FAILED").unwrap();
    assert_eq!(failed.time_ms, monday().plus_ms(15 * MINUTE_MS).0);
    assert!(ro.duty().inbox().await.unwrap().is_empty());
    assert!(ro.trouble().is_some());
    network.reconnect("RO").await.unwrap();
    assert_eq!(nl.duty().look(id).await.unwrap().transport, "DELIVERY");
    network.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preservation_ends_on_the_day() {
    let network = network(&["NL", "RO"]).await;
    let (nl, ro) = (network.desk("NL").unwrap(), network.desk("RO").unwrap());
    let id = asks(&network, "EXPEDITED").await;
    ro.duty().wait_for_stage(id, "NEW").await.unwrap();
    let by = network.now().plus_ms(HOUR_MS);
    ro.duty().acknowledge(id, WillAnswer::Yes, "letter", by).await.unwrap();
    ro.duty().determine(id, Outcome::Accepted, form::DeterminationForm::default()).await.unwrap();
    let effective_from = network.now().to_string();
    let executed = form::ExecutionForm { effective_from, ..Default::default() };
    ro.duty().execute(id, Extent::Executed, executed).await.unwrap();
    let case = nl.duty().wait_for_stage(id, "EXECUTED").await.unwrap();
    assert_eq!(case.preserved_until_ms, monday().plus_ms(90 * DAY_MS).0);
    network.advance_to(Timestamp(case.preserved_until_ms - 1)).await.unwrap();
    assert_eq!(nl.duty().look(id).await.unwrap().measure, "PRESERVED");
    network.advance_ms(1).await.unwrap();
    for desk in [&nl, &ro] {
        assert_eq!(desk.duty().look(id).await.unwrap().measure, "EXPIRED");
    }
    assert!(network.advance_to(monday()).await.is_err(), "the clock never goes back");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_is_asked_for_again_and_the_same() {
    let mut network = network(&["NL", "RO"]).await;
    network.lose_next_answer("NL").unwrap();
    let id = asks(&network, "ROUTINE").await;
    network.settle().await.unwrap();
    let (nl, ro) = (network.desk("NL").unwrap(), network.desk("RO").unwrap());
    assert_eq!(ro.duty().inbox().await.unwrap().len(), 1);
    let case = nl.duty().look(id).await.unwrap();
    assert_eq!(case.entries.iter().filter(|entry| entry.what == "REQUEST").count(), 1);
    assert_eq!(case.transport, "DELIVERY");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_while_the_relay_is_away_is_kept() {
    let mut network = network(&["NL", "RO"]).await;
    network.stop_relay().await.unwrap();
    let said = network.desk("NL").unwrap().duty();
    let asked = request("RO/cyber", "LEGAL_INFORMATION", "G7_2417", "ROUTINE", &[]).unwrap();
    let said = said.send(asked).await.unwrap();
    assert_eq!(said.recorded, None);
    network.advance_ms(HOUR_MS).await.unwrap();
    network.stop_desk("NL").await.unwrap();
    assert!(network.desk("NL").is_err());
    network.start_desk("NL").await.unwrap();
    network.start_relay().await.unwrap();
    let case = network.desk("NL").unwrap().duty().look(said.request).await.unwrap();
    assert_eq!(case.submitted_ms - case.created_ms, HOUR_MS);
    assert_eq!(network.desk("RO").unwrap().duty().inbox().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_ends_and_is_renewed() {
    let mut network = network(&["NL", "RO"]).await;
    network.expire_certificate("RO").await.unwrap();
    let expired = asks(&network, "ROUTINE").await;
    network.renew_certificate("RO").await.unwrap();
    network.revoke_certificate("RO").await.unwrap();
    let revoked = asks(&network, "ROUTINE").await;
    let nl = network.desk("NL").unwrap().duty();
    assert_eq!(nl.look(expired).await.unwrap().transport, "DELIVERY");
    assert_eq!(nl.look(revoked).await.unwrap().transport, "SUBMISSION_ACCEPTANCE");
    network.renew_certificate("RO").await.unwrap();
    assert_eq!(nl.look(revoked).await.unwrap().transport, "DELIVERY");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_whose_clock_jumped_holds_its_deadlines_until_desks_agree() {
    let mut network = network(&["NL", "RO", "MD"]).await;
    network.cut_off("RO").await.unwrap();
    let id = asks(&network, "URGENT").await;
    let nl = network.desk("NL").unwrap().duty();
    network.jump_relay_clock(HOUR_MS).await.unwrap();
    network.advance_ms(16 * MINUTE_MS).await.unwrap();
    assert_eq!(nl.look(id).await.unwrap().transport, "SUBMISSION_ACCEPTANCE");
    network.jump_relay_clock(-HOUR_MS).await.unwrap();
    let entries = nl.look(id).await.unwrap().entries;
    assert!(entries.iter().any(|entry| entry.what == "OFFER_FAILED"), "{entries:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_published_changed_and_followed_by_whoever_was_away() {
    let mut network = network(&["NL", "RO"]).await;
    let nl = network.desk("NL").unwrap().duty();
    let call = async |officer: &Officer| officer.call_advice("RO", None).await.unwrap().remove(0);
    assert_eq!(call(&nl).await.presence, "UNKNOWN");
    let holiday = [("holiday", "2026-03-03 A feast")];
    assert_eq!(network.publish_entry("RO", &holiday).await.unwrap(), 1);
    assert_eq!((call(&nl).await.presence.as_str(), call(&nl).await.version), ("OPEN", 1));
    network.cut_off("NL").await.unwrap();
    let changed = [("desk[0].channel[2].value", "+99955500777"), ("preservation_days_max", "180")];
    assert_eq!(network.publish_entry("RO", &changed).await.unwrap(), 2);
    assert_eq!(call(&nl).await.version, 1);
    network.reconnect("NL").await.unwrap();
    network.advance_ms(DAY_MS).await.unwrap();
    let advice = call(&nl).await;
    assert_eq!((advice.version, advice.closed_because.as_str()), (2, "a public holiday (A feast)"));
    assert_eq!(advice.channels[0].value, "+99955500777");
    let (entry, _) = nl.entry("RO".parse().unwrap()).await.unwrap();
    assert_eq!((entry.version, entry.preservation_days_max), (2, Some(180)));
    for (field, text) in [
        ("holiday", "tomorrow"),
        ("office", "nine to five"),
        ("weekend", "CATURDAY"),
        ("desk[0].channel[2].rank", "first"),
        ("desk[0].colour", "red"),
    ] {
        match network.publish_entry("RO", &[("zone", "Europe/Bucharest"), (field, text)]).await {
            Err(testkit::Error::Form(unfilled)) => assert_eq!(unfilled.given, Some(1), "{field}"),
            other => panic!("{field}: {other:?}"),
        }
    }
    match network.publish_entry("RO", &[("zone", "Europe/Atlantis")]).await {
        Err(testkit::Error::Call(failure)) => assert_eq!(failure.rule_code, "R-514"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_due_while_the_relay_was_away_passes_when_it_is_back() {
    let mut network = network(&["NL", "RO"]).await;
    network.cut_off("RO").await.unwrap();
    let id = asks(&network, "URGENT").await;
    network.stop_relay().await.unwrap();
    network.advance_ms(HOUR_MS).await.unwrap();
    network.start_relay().await.unwrap();
    let nl = network.desk("NL").unwrap().duty();
    assert_eq!(nl.look(id).await.unwrap().transport, "SUBMISSION_ACCEPTANCE");
    network.advance_ms(HOUR_MS).await.unwrap();
    let entries = nl.look(id).await.unwrap().entries;
    let failed = entries.iter().find(|entry| entry.what == "OFFER_FAILED").unwrap();
    assert_eq!(failed.time_ms, monday().plus_ms(HOUR_MS + 10_000).0);
}
