//! What a bundle of evidence cannot say of itself: whose witnesses count, whose keys were good at
//! the time, and that its records agree.

use detente::audit::Quorum;
use detente::codec::{Decoded, Leaf, Log, decode_event, encode_event};
use detente::envelope::SigningKey;
use detente::envelope::genesis::{default_policy, parse, witness_key_name};
use detente::evidence::{Bundle, Record, render, verify};
use detente::rules::Numbering;
use detente::tlog::note::Kind;
use detente::tlog::{Checkpoint, LogProof, Note, Signer, leaf_hash};
use detente::units::{DAY_MS, Timestamp};

use super::api_net::{MEMBERS, desk, seed, seeds};
use super::evidence::{evidence, evidence_with};
use super::net;

fn decoded(record: &Record) -> Decoded {
    decode_event(&record.event, &record.header).unwrap()
}

/// The same statement in a log of one leaf that the log's own key has signed, recorded at `time`.
fn alone(record: &Record, time: Timestamp) -> Record {
    let Decoded { event, pair_sequence, previous, .. } = decoded(record);
    let numbering = Numbering { desk_indexes: Vec::new(), pair_sequence, previous };
    let event = encode_event(&event, &numbering, time, None);
    let opening = Some([7; 32]);
    let leaf = Leaf { log: Log::Traffic, index: 0, opening }.data(&event);
    let origin = "detente-test/traffic";
    let text = Checkpoint::new(origin, 1, leaf_hash(&leaf)).unwrap().to_string();
    let log = Signer::from_seed(origin.parse().unwrap(), Kind::Ed25519, *seeds().traffic);
    let mut checkpoint = Note::new(text.as_str()).unwrap();
    checkpoint.add(log.sign(&text, 0).unwrap());
    let proof = LogProof { extra: None, index: 0, hashes: Vec::new(), checkpoint };
    Record { event, opening, proof, ..record.clone() }
}

fn of(bundle: &Bundle, records: &[Record]) -> Bundle {
    Bundle { records: records.to_vec(), ..bundle.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_held_against_the_keys_that_were_good_when_it_was_recorded() {
    let other_key = |entry: &mut detente::envelope::entry::Entry| {
        entry.desks[0].officers[0].key = SigningKey::from_seed([77; 32]).public();
    };
    let bundle = evidence_with(other_key).await;
    let [asked, _, entry] = bundle.records.as_slice() else { panic!("{bundle:?}") };
    let genesis = parse(&bundle.genesis).unwrap();
    let until = genesis.members[0].desks[0].officers[0].until;
    let good = alone(asked, until.plus_ms(-1));
    assert_eq!(verify(&of(&bundle, &[good]), None).unwrap().records.len(), 1);
    let fault = verify(&of(&bundle, &[alone(asked, until)]), None).unwrap_err();
    assert_eq!(fault.file, "records/001/header.bin", "its key was good no more: {fault}");
    // A key that an entry has taken away.
    let later = alone(asked, decoded(entry).time.plus_ms(1));
    render(&of(&bundle, &[asked.clone(), entry.clone()])).unwrap();
    let withdrawn = of(&bundle, &[asked.clone(), entry.clone(), later]);
    let fault = verify(&withdrawn, None).unwrap_err();
    assert_eq!(fault.file, "records/003/header.bin", "{fault}");
    // An entry that follows none in the bundle.
    let twice = of(&bundle, &[entry.clone(), entry.clone()]);
    let fault = verify(&twice, None).unwrap_err();
    assert_eq!(fault.file, "records/002/event.bin", "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_contradict_each_other_are_refused() {
    let bundle = evidence().await;
    let asked = &bundle.records[0];
    let time = decoded(asked).time;
    let [one, two] = [time, time.plus_ms(1)].map(|time| alone(asked, time));
    let fault = verify(&of(&bundle, &[one.clone(), two]), None).unwrap_err();
    assert_eq!(fault.file, "records/002/proof.tlog-proof");
    assert!(fault.to_string().contains("record 001 have one size and two roots"), "{fault}");
    verify(&of(&bundle, &[one.clone(), one]), None).unwrap();
    let far = alone(asked, time.plus_ms(-DAY_MS));
    let mut elsewhere = asked.clone();
    elsewhere.proof.index = 0;
    assert!(verify(&of(&bundle, &[far, elsewhere]), None).is_err());
}

/// Signed by the witness of each member's desk, with the keys that `seed_of` makes.
fn cosigned(bundle: &mut Bundle, seed_of: impl Fn(&str) -> [u8; 32]) {
    let network = parse(&bundle.genesis).unwrap().network;
    for member in MEMBERS {
        let name = witness_key_name(&network, &desk(member));
        let witness = Signer::from_seed(name, Kind::Ed25519Cosignature, seed_of(member));
        for record in &mut bundle.records {
            let note = &mut record.proof.checkpoint;
            note.add(witness.sign(note.text(), 1_795_000_000).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn witnesses_count_that_the_genesis_names_and_not_those_of_the_bundle() {
    let bundle = evidence().await;
    let genesis = parse(&bundle.genesis).unwrap();
    let policy = default_policy(&genesis).to_string();
    let told = |bundle: &Bundle| {
        let records = verify(bundle, None).unwrap().records;
        let one = |r: &detente::evidence::Proven| (r.witnessed.len(), r.quorum, r.named_here.len());
        records.iter().map(one).collect::<Vec<_>>()
    };
    assert_eq!(told(&bundle), [(0, Quorum::Lacked, 0); 3]);
    let mut good = bundle.clone();
    cosigned(&mut good, |member| seed(&format!("{member}/cyber witness")));
    assert_eq!(told(&good), [(3, Quorum::Had, 0); 3], "whatever policy is in it, or none");
    good.policy = Some(policy.clone());
    assert_eq!(told(&good), [(3, Quorum::Had, 0); 3]);

    // Witnesses of whoever made the bundle, under the names of the network's own.
    let mut forged = bundle;
    let mine = |member: &str| seed(&format!("{member} forged"));
    cosigned(&mut forged, mine);
    let mut named = policy;
    for member in MEMBERS {
        let own = key_of(&genesis.network, member, &seed(&format!("{member}/cyber witness")));
        assert!(named.contains(&own), "{named}");
        named = named.replace(&own, &key_of(&genesis.network, member, &mine(member)));
    }
    forged.policy = Some(named);
    assert_eq!(told(&forged), [(0, Quorum::Lacked, 3); 3]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bundle.zip");
    std::fs::write(&file, render(&forged).unwrap()).unwrap();
    let said = net::run(&["verify", "bundle", file.to_str().unwrap()]);
    let words = "cosigned by 0 of 3, which is not the quorum of its committee";
    assert_eq!(said.matches(words).count(), 3, "{said}");
    assert_eq!(said.matches("by 3 whom only the bundle's policy names").count(), 3, "{said}");
    let report = String::from_utf8_lossy(&render(&forged).unwrap()).into_owned();
    assert!(report.contains("<dt>Of them witnessed</dt><dd>0, by the quorum"));
    assert_eq!(report.matches("whom only <code>policy.txt</code> here names").count(), 3);
}

fn key_of(network: &detente::units::Name, member: &str, seed: &[u8; 32]) -> String {
    let name = witness_key_name(network, &desk(member));
    Signer::from_seed(name, Kind::Ed25519Cosignature, *seed).public().to_string()
}
