//! Rewrites a record, serves two histories, replays an old backup: two real relays that go on from
//! one store, with the same keys.

use detente::codec::Log;
use detente::tlog::{Checkpoint, Note};

use super::Hostile;
use crate::net::{self, until};

/// What is on disk of a finding: two heads that the log has signed, of these sizes.
fn two_heads(net: &Hostile, member: &str, id: &str) -> [Checkpoint; 2] {
    ["first", "second"].map(|part| {
        let note: Note = net.kept(member, &format!("evidence/{id}.{part}")).parse().unwrap();
        let key = net.genesis().log_verifier("traffic").unwrap();
        assert!(!note.verify([&key]).unwrap().is_empty(), "the log has signed it");
        note.text().parse().unwrap()
    })
}

/// Anybody checks the evidence with the genesis alone.
fn prove_alone(net: &Hostile, member: &str, id: &str) {
    let part = |part: &str| {
        let text = net.kept(member, &format!("evidence/{id}.{part}"));
        net.file(part, text.as_bytes()).to_str().unwrap().to_owned()
    };
    let (first, second, genesis) = (part("first"), part("second"), net.genesis_file());
    let genesis = genesis.to_str().unwrap();
    let said = net::run(&["verify", "fork", &first, &second, "--genesis", genesis, "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&said["proves"], &said["origin"]),
        (&"FORK".into(), &"detente-test/traffic".into())
    );
    // One head proves nothing, and neither does one that the log has not signed.
    let mut bent = std::fs::read_to_string(&second).unwrap();
    let root = bent.find('=').unwrap() - 3;
    bent.replace_range(root..=root, if bent.as_bytes()[root] == b'A' { "B" } else { "A" });
    std::fs::write(&second, bent).unwrap();
    for other in [&first, &second] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_detente"))
            .args(["verify", "fork", &first, other, "--genesis", genesis])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{output:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rewritten_record_is_found_out_by_a_witness_that_is_no_party_to_it() {
    let mut net = Hostile::start().await;
    net.ask_and_settle("NL", "RO").await;
    let store = net.copy("rewritten").await;
    net.restart().await;
    net.ask_and_settle("NL", "RO").await;
    net.publish(Log::Traffic).await;
    // The same store up to the record, and another one in its place; and as long as before.
    let rewritten = net.start_on(&store).await;
    let size = net.head(Log::Traffic).0.size;
    while rewritten.relay.published().heads().of(Log::Traffic).size < size {
        rewritten.client("NL").submit(&crate::api_net::question("NL", "RO")).await.unwrap();
    }
    net.relay.take().unwrap().close().await;
    net.turn_to(rewritten);
    let answer = net.cosign("XM", Log::Traffic).await;
    assert!([409, 422].contains(&answer.status), "{}: {}", answer.status, answer.body);
    let alarm = net.until_alarm("XM", "D-303").await;
    let [first, second] = two_heads(&net, "XM", &alarm.id);
    assert!(first.size() == second.size() && first.root() != second.root());
    prove_alone(&net, "XM", &alarm.id);
    // Whoever holds the record sees it at once.
    net.until_alarm("NL", "D-302").await;
    net.until_alarm("RO", "D-302").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_that_is_shown_another_history_than_the_witnesses_finds_out() {
    let mut net = Hostile::start().await;
    net.ask_and_settle("NL", "RO").await;
    net.publish(Log::Traffic).await;
    let store = net.copy("for-nl").await;
    net.restart().await;
    // NL is shown a log of its own; the others, and the witnesses, another one.
    let other = net.start_on(&store).await;
    net.door("NL").turn_to(other.channels("NL"));
    net.until_connected("NL").await;
    let sent = net.ask("NL", "RO").await;
    until("it is recorded", || net.desk("NL").file().outbox_len() == 0).await;
    // The longer one proves whatever it is asked about sizes, and not what the witnesses have seen.
    for _ in 0..12 {
        other.client("XM").submit(&crate::api_net::question("XM", "RO")).await.unwrap();
    }
    net.ask_and_settle("XM", "RO").await;
    assert!(net.desk("RO").file().case(sent.request).is_none());
    assert_eq!(net.codes("NL"), Vec::<&str>::new());
    // The next checkpoint goes to everybody, for without NL it has no quorum.
    let (_, note) = net.cosigned(&["NL", "RO", "XM"], Log::Traffic).await;
    net.show(&["NL", "RO", "XM"], Log::Traffic, &note);
    let alarm = net.until_alarm("NL", "D-303").await;
    let heads = two_heads(&net, "NL", &alarm.id);
    assert_ne!(heads[0].root(), heads[1].root());
    assert_eq!(net.codes("RO"), Vec::<&str>::new());
    // It cosigns this log no more.
    assert_eq!(net.cosign("NL", Log::Traffic).await.status, 422);
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_is_not_shown_another_history_than_it_cosigned() {
    let mut net = Hostile::start().await;
    net.ask_and_settle("NL", "RO").await;
    let store = net.copy("other").await;
    net.restart().await;
    net.ask_and_settle("NL", "RO").await;
    net.publish(Log::Traffic).await;
    let other = net.start_on(&store).await;
    for _ in 0..6 {
        other.client("XM").submit(&crate::api_net::question("XM", "RO")).await.unwrap();
    }
    net.relay.take().unwrap().close().await;
    net.relay = Some(other);
    for member in ["NL", "RO", "XM"] {
        let answer = net.cosign(member, Log::Traffic).await;
        assert_eq!(answer.status, 422, "{member}: {}", answer.body);
        let alarm = net.until_alarm(member, "D-303").await;
        two_heads(&net, member, &alarm.id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_backup_is_found_out_by_witnesses_and_by_who_holds_more() {
    let mut net = Hostile::start().await;
    net.ask_and_settle("NL", "RO").await;
    let store = net.copy("backup").await;
    net.restart().await;
    net.ask_and_settle("NL", "RO").await;
    net.publish(Log::Traffic).await;
    let old = net.start_on(&store).await;
    net.relay.take().unwrap().close().await;
    net.turn_to(old);
    net.until_alarm("NL", "D-301").await;
    net.until_alarm("RO", "D-301").await;
    let answer = net.cosign("XM", Log::Traffic).await;
    assert!([400, 409].contains(&answer.status), "{}: {}", answer.status, answer.body);
    let alarm = net.until_alarm("XM", "D-304").await;
    let [cosigned, presented] = two_heads(&net, "XM", &alarm.id);
    assert!(presented.size() < cosigned.size());
    // What officers say meanwhile is kept, and not sent.
    net.ask("NL", "RO").await;
    assert_eq!(net.desk("NL").file().outbox_len(), 1);
}
