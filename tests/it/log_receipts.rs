//! Every answer of `Submit` carries the proof that the statement is in the log, and proofs can be
//! asked for later: whoever has the genesis checks them alone.

use std::sync::Arc;

use detente::codec::{self, Leaf, Log};
use detente::envelope::Envelope;
use detente::envelope::genesis::{self, Genesis};
use detente::grpc::{Failure, Limits};
use detente::relay::Receipt;
use detente::rules::Kind;
use detente::tlog::proof::{check_consistency, check_inclusion};
use detente::tlog::{Checkpoint, Note, leaf_hash};
use detente::units::{Caller, Hash};
use detente::wire::detente::desk::v1 as wire;
use detente::wire::detente::log::v1::{
    GetCheckpointRequest, GetConsistencyRequest, GetProofRequest,
};
use tokio::task::JoinSet;
use tonic::Code;

use crate::api_net::{Net, question};
use crate::directory_relay::next_signed;
use crate::net::{self, Dev, Speaker};
use crate::relay_streams::{Stepping, open};

/// The checkpoint in a note, which must be the log's own, signed with the key of the genesis.
fn checkpoint(genesis: &Genesis, log: Log, note: &str) -> Checkpoint {
    let note: Note = note.parse().unwrap();
    note.verify([&genesis.log_verifier(log.as_str()).unwrap()]).unwrap();
    let checkpoint: Checkpoint = note.text().parse().unwrap();
    assert_eq!(checkpoint.origin(), format!("{}/{}", genesis.network, log.as_str()));
    checkpoint
}

/// Checks a receipt with nothing but the genesis, and says at which size of the tree it proves.
fn check(genesis: &Genesis, receipt: &Receipt) -> u64 {
    let Receipt { leaf, hashes, checkpoint: note, event } = receipt;
    let head = checkpoint(genesis, leaf.log, note);
    let hash = leaf_hash(&leaf.data(event));
    check_inclusion(&hash, leaf.index, head.size(), &head.root(), hashes).unwrap();
    head.size()
}

/// Checks that a receipt is for this statement, and says at which size of the tree it proves.
fn check_statement(genesis: &Genesis, receipt: &Receipt, sent: &Envelope) -> u64 {
    let decoded = codec::decode_event(&receipt.event, &sent.header).unwrap();
    let Kind::Accepted(statement) = decoded.event.kind else { panic!("another event") };
    assert_eq!(statement.header, sent.statement.header);
    assert_eq!(receipt.leaf.log, Log::Traffic);
    check(genesis, receipt)
}

/// A receipt as it came over the wire.
fn read(receipt: wire::Receipt) -> Receipt {
    let wire::Receipt { leaf, hashes, checkpoint, event } = receipt;
    let wire::LeafOpening { log, index, opening } = leaf.unwrap();
    let log = if log == "directory" { Log::Directory } else { Log::Traffic };
    let opening = (!opening.is_empty()).then(|| opening.try_into().unwrap());
    let leaf = Leaf { log, index, opening };
    let hashes = hashes.iter().map(|hash| Hash::from_slice(hash).unwrap()).collect();
    Receipt { leaf, hashes, checkpoint: checkpoint.into(), event }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_proves_itself_and_a_repeat_proves_it_at_the_newest_head() {
    let net = Net::start(Limits::default()).await;
    let genesis = genesis::parse(net.relay.signed_genesis()).unwrap();
    let client = net.client("NL");
    let mut waiting = JoinSet::new();
    for _ in 0..100 {
        let (client, sent) = (client.clone(), question("NL", "RO"));
        waiting.spawn(async move { (client.submit(&sent).await.unwrap(), sent) });
    }
    let mut sizes = Vec::new();
    for (recorded, sent) in waiting.join_all().await {
        let receipt = read(recorded.receipt.unwrap());
        sizes.push(check_statement(&genesis, &receipt, &sent));
        let again = client.submit(&sent).await.unwrap();
        assert!(again.repeat);
        let repeated = read(again.receipt.unwrap());
        assert_eq!((repeated.leaf, &repeated.event), (receipt.leaf, &receipt.event));
        assert_eq!(check_statement(&genesis, &repeated, &sent), 100);
    }
    assert_eq!(sizes.iter().max(), Some(&100));

    let signed = next_signed(&net, "NL", |_| {});
    for repeat in [false, true] {
        let recorded = client.publish(&signed).await.unwrap();
        assert_eq!(recorded.repeat, repeat);
        let receipt = read(recorded.receipt.unwrap());
        assert_eq!((receipt.leaf.log, check(&genesis, &receipt)), (Log::Directory, 2));
        let decoded = codec::decode_event(&receipt.event, &[]).unwrap();
        assert!(matches!(decoded.event.kind, Kind::EntryPublished(entry)
            if entry.message == signed.entry.message));
    }
    net.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_before_a_restart_is_proven_after_it_also_by_tables_made_anew() {
    let dev = Dev::new(&["NL", "RO"]);
    let genesis = genesis::parse(&std::fs::read(&dev.made.genesis).unwrap()).unwrap();
    let clock = Arc::new(Stepping::new());
    let (speaker, caller) = (Speaker::new(&dev, "NL"), Caller { desk: net::desk("NL") });
    let sent: Vec<Envelope> = (0..20).map(|_| speaker.question(&net::desk("RO"))).collect();
    let (mut relay, mut running) = open(&dev, &clock);
    for envelope in &sent {
        let submitted = relay.submit(&caller, envelope.clone()).await.unwrap();
        check_statement(&genesis, &submitted.receipt.unwrap(), envelope);
    }
    for anew in [false, true] {
        drop(relay);
        running.join().unwrap();
        if anew {
            std::fs::remove_dir_all(dev.relay_data().join("tables")).unwrap();
        }
        (relay, running) = open(&dev, &clock);
        for envelope in &sent {
            let submitted = relay.submit(&caller, envelope.clone()).await.unwrap();
            assert!(submitted.repeat);
            let size = check_statement(&genesis, &submitted.receipt.unwrap(), envelope);
            assert_eq!(size, relay.published().heads().traffic.size);
        }
    }
    running.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn any_member_gets_proofs_and_heads_and_nobody_those_of_what_is_not_there() {
    let net = Net::start(Limits::default()).await;
    let genesis = genesis::parse(net.relay.signed_genesis()).unwrap();
    let (nl, mut third) = (net.client("NL"), net.client("XM").log);
    let first = nl.submit(&question("NL", "RO")).await.unwrap();
    let first = read(first.receipt.unwrap());
    let old = checkpoint(&genesis, Log::Traffic, &first.checkpoint);
    for _ in 0..9 {
        nl.submit(&question("NL", "RO")).await.unwrap();
    }
    let log = || "traffic".to_owned();
    let request = GetCheckpointRequest { log: log() };
    let note = third.get_checkpoint(request).await.unwrap().into_inner().checkpoint;
    let newest = checkpoint(&genesis, Log::Traffic, &note);
    assert_eq!(newest.size(), 10);

    let request = GetProofRequest { log: log(), leaf_index: first.leaf.index, tree_size: 0 };
    let proof = third.get_proof(request.clone()).await.unwrap().into_inner();
    assert_eq!((proof.checkpoint, proof.tree_size), (note, 10));
    let hashes = |hashes: Vec<Vec<u8>>| -> Vec<Hash> {
        hashes.iter().map(|hash| Hash::from_slice(hash).unwrap()).collect()
    };
    let leaf = leaf_hash(&first.leaf.data(&first.event));
    let path = hashes(proof.hashes);
    check_inclusion(&leaf, first.leaf.index, 10, &newest.root(), &path).unwrap();
    let older = GetProofRequest { tree_size: 7, ..request };
    let proof = third.get_proof(older).await.unwrap().into_inner();
    assert_eq!((proof.checkpoint.as_str(), proof.tree_size), ("", 7));

    let request = GetConsistencyRequest { log: log(), old_size: old.size(), new_size: 10 };
    let path = hashes(third.get_consistency(request).await.unwrap().into_inner().hashes);
    check_consistency(old.size(), &old.root(), 10, &newest.root(), &path).unwrap();

    let wrong = [
        (GetProofRequest { log: "other".to_owned(), ..Default::default() }, "log"),
        (GetProofRequest { log: log(), leaf_index: 10, tree_size: 0 }, "leaf_index"),
        (GetProofRequest { log: log(), leaf_index: 3, tree_size: 3 }, "leaf_index"),
        (GetProofRequest { log: log(), leaf_index: 0, tree_size: 11 }, "tree_size"),
        (GetProofRequest { log: log(), leaf_index: 0, tree_size: u64::MAX }, "tree_size"),
    ];
    for (request, field) in wrong {
        let refused = Failure::from(third.get_proof(request).await.unwrap_err());
        assert_eq!((refused.code, refused.fields[0].0.as_str()), (Code::InvalidArgument, field));
    }
    for (old_size, new_size, field) in [(0, 11, "new_size"), (8, 7, "old_size")] {
        let request = GetConsistencyRequest { log: log(), old_size, new_size };
        let refused = Failure::from(third.get_consistency(request).await.unwrap_err());
        assert_eq!((refused.code, refused.fields[0].0.as_str()), (Code::InvalidArgument, field));
    }
    net.close().await;
}
