//! By which witnesses a head is believed: what the genesis states, and what a file may say instead.

use detente::envelope::SigningKey;
use detente::envelope::genesis::{
    COMMITTEE_MAX, FoundingDesk, FoundingMember, Genesis, LogKey, PublicKey, default_policy,
    log_keys, witness_key, witness_key_name,
};
use detente::pki::{DevNetwork, Spec, dev_network};
use detente::service::RunningRelay;
use detente::tlog::note::{Kind, Signer};
use detente::tlog::policy::Unmet;
use detente::tlog::{Checkpoint, Note, Policy};
use detente::units::{DeskId, Hash};

use crate::net::{self, now};
use crate::{api_net, rules_fixture};

/// A seed that is this desk's alone.
fn seed(desk: &DeskId) -> [u8; 32] {
    Hash::of(&[b"witness", desk.to_string().as_bytes()]).0
}

/// `n` members, each with two desks that are witnesses, but for those of every third.
fn genesis(n: u8) -> Genesis {
    let mut genesis = rules_fixture::genesis();
    let like = genesis.members[0].clone();
    let log =
        |log: &str, n| LogKey { log: log.to_owned(), key: SigningKey::from_seed([n; 32]).public() };
    genesis.log_keys = vec![log("directory", 8), log("traffic", 9)];
    genesis.members = (0..n)
        .map(|i| {
            let id = format!("{}{}", char::from(b'A' + i / 26), char::from(b'A' + i % 26));
            let mut member = FoundingMember { id: id.parse().unwrap(), ..like.clone() };
            for desk in &mut member.desks {
                desk.witness_key = (i % 3 != 2).then(|| key_of(&member.id.to_string(), desk));
            }
            member
        })
        .collect();
    genesis
}

fn key_of(member: &str, desk: &FoundingDesk) -> PublicKey {
    let id = DeskId { member: member.parse().unwrap(), name: desk.name.clone() };
    SigningKey::from_seed(seed(&id)).public()
}

fn checkpoint(genesis: &Genesis, log: &str) -> Checkpoint {
    Checkpoint::new(&format!("{}/{log}", genesis.network), 5, Hash([7; 32])).unwrap()
}

fn signed(genesis: &Genesis, seed_of: u8, by: &[DeskId]) -> Note {
    let text = checkpoint(genesis, "traffic").to_string();
    let mut note = Note::new(text.as_str()).unwrap();
    let name = format!("{}/traffic", genesis.network).parse().unwrap();
    note.add(Signer::from_seed(name, Kind::Ed25519, [seed_of; 32]).sign(&text, 0).unwrap());
    for desk in by {
        let name = witness_key_name(&genesis.network, desk);
        let signer = Signer::from_seed(name, Kind::Ed25519Cosignature, seed(desk));
        note.add(signer.sign(&text, 1_795_000_000).unwrap());
    }
    note
}

#[test]
fn the_committee_is_the_first_witness_of_each_of_sixteen_members_and_two_thirds_must_sign() {
    for n in 0..=30u8 {
        let genesis = genesis(n);
        let policy = default_policy(&genesis);
        assert_eq!(policy.to_string().parse::<Policy>().unwrap(), policy);
        let logs: Vec<_> = policy.logs().iter().map(|log| log.key.clone()).collect();
        assert_eq!(logs, log_keys(&genesis.network, &genesis.log_keys));
        let committee: Vec<DeskId> =
            policy.witnesses().map(|witness| witness.name.parse().unwrap()).collect();
        let expected: Vec<DeskId> = genesis
            .members
            .iter()
            .filter(|member| member.desks[0].witness_key.is_some())
            .take(COMMITTEE_MAX)
            .map(|member| DeskId { member: member.id, name: member.desks[0].name.clone() })
            .collect();
        assert_eq!(committee, expected, "{n} members");
        for witness in policy.witnesses() {
            let desk: DeskId = witness.name.parse().unwrap();
            let key = SigningKey::from_seed(seed(&desk)).public();
            assert_eq!(witness.key, &witness_key(&genesis.network, &desk, &key).unwrap());
        }
        if committee.is_empty() {
            assert!(policy.check(&signed(&genesis, 9, &[])).is_ok(), "no witness is asked for");
            continue;
        }
        let quorum = 2 * committee.len() / 3 + 1;
        assert!(policy.check(&signed(&genesis, 9, &committee[..quorum])).is_ok(), "{n}");
        let fewer = policy.check(&signed(&genesis, 9, &committee[..quorum - 1])).unwrap_err();
        assert!(matches!(fewer, Unmet::Quorum { .. }), "{fewer}");
    }
}

#[test]
fn a_head_that_is_not_what_it_should_be_is_not_believed() {
    let genesis = genesis(4);
    let policy = default_policy(&genesis);
    let committee: Vec<DeskId> =
        policy.witnesses().map(|witness| witness.name.parse().unwrap()).collect();
    let forged = policy.check(&signed(&genesis, 10, &committee)).unwrap_err();
    assert!(matches!(forged, Unmet::Log(_)), "another key than the log's: {forged}");
    // The second desk of a member is a witness, but not of the committee.
    let second =
        DeskId { member: committee[0].member, name: genesis.members[0].desks[1].name.clone() };
    let outside = policy.check(&signed(&genesis, 9, &[second])).unwrap_err();
    assert!(matches!(outside, Unmet::Quorum { cosigned: 0, .. }), "{outside}");
    let mut other = genesis.clone();
    other.network = "another-net".parse().unwrap();
    let elsewhere = policy.check(&signed(&other, 9, &committee)).unwrap_err();
    assert!(matches!(elsewhere, Unmet::UnknownLog(_)), "{elsewhere}");
    // A cosignature of one head under another.
    let mut moved = signed(&genesis, 9, &[]);
    let text = net::edit(&checkpoint(&genesis, "traffic").to_string(), "\n5\n", "\n6\n");
    let name = witness_key_name(&genesis.network, &committee[0]);
    let signer = Signer::from_seed(name, Kind::Ed25519Cosignature, seed(&committee[0]));
    moved.add(signer.sign(&text, 1).unwrap());
    assert!(matches!(policy.check(&moved).unwrap_err(), Unmet::Witness(_)));
}

#[test]
fn without_a_policy_it_is_told_whether_the_genesiss_committee_has_cosigned() {
    let dir = tempfile::tempdir().unwrap();
    let signed_genesis = api_net::signed_genesis();
    let genesis = detente::envelope::genesis::parse(&signed_genesis).unwrap();
    let path = dir.path().join("genesis.bin");
    std::fs::write(&path, signed_genesis).unwrap();
    let text = checkpoint(&genesis, "traffic").to_string();
    let name = format!("{}/traffic", genesis.network).parse().unwrap();
    let log = Signer::from_seed(name, Kind::Ed25519, *api_net::seeds().traffic);
    let cosignature = |member: &str, text: &str| {
        let name = witness_key_name(&genesis.network, &api_net::desk(member));
        let seed = api_net::seed(&format!("{member}/cyber witness"));
        Signer::from_seed(name, Kind::Ed25519Cosignature, seed).sign(text, 1_795_000_000).unwrap()
    };
    let told = |note: &Note| {
        let head = dir.path().join("checkpoint");
        std::fs::write(&head, note.to_string()).unwrap();
        let program = std::process::Command::new(env!("CARGO_BIN_EXE_detente"))
            .args(["verify", "checkpoint", "--json", "--genesis"])
            .args([&path, &head])
            .output()
            .unwrap();
        let said = serde_json::from_slice::<serde_json::Value>(&program.stdout).ok();
        (program.status.code(), said.unwrap_or_default())
    };
    let mut note = Note::new(text.as_str()).unwrap();
    note.add(log.sign(&text, 0).unwrap());
    let bare = note.clone();
    for (n, member) in (0..).zip(api_net::MEMBERS) {
        let (code, said) = told(&note);
        assert_eq!((code, &said["quorum"]), (Some(0), &false.into()), "{n}: {said}");
        assert_eq!(
            (&said["witnesses"], said["witnessed"].as_array().unwrap().len()),
            (&3.into(), n)
        );
        note.add(cosignature(member, &text));
    }
    let (code, said) = told(&note);
    assert_eq!((code, &said["quorum"]), (Some(0), &true.into()), "{said}");
    // A cosignature that is none is not passed over.
    let mut forged = bare;
    forged.add(cosignature("NL", &text.replace("\n5\n", "\n6\n")));
    assert_eq!(told(&forged).0, Some(3));
}

#[tokio::test]
async fn a_policy_file_that_is_not_of_this_network_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let spec = Spec::new("detente-dev", &["NL", "RO"]).unwrap();
    let DevNetwork { relay_config, genesis, .. } = dev_network(dir.path(), &spec, now()).unwrap();
    let genesis = detente::envelope::genesis::parse(&std::fs::read(genesis).unwrap()).unwrap();
    let own = default_policy(&genesis).to_string();
    let without: String =
        own.lines().filter(|line| !line.contains("/traffic+")).map(|l| format!("{l}\n")).collect();
    let named = ("[network]\n", "[network]\npolicy = \"policy.txt\"\n");
    net::edit_file(&relay_config, &[named]);
    let file = relay_config.with_file_name("policy.txt");
    for (policy, why) in [
        (None, "No such file"),
        (Some("quorum everybody\n".to_owned()), "line 1"),
        (Some(without), "it has no line \"log detente-dev/traffic+"),
    ] {
        if let Some(policy) = policy {
            std::fs::write(&file, policy).unwrap();
        }
        let config = detente::config::Relay::read(&relay_config).unwrap();
        let Err(error) = RunningRelay::start(&config).await else { panic!("{why}") };
        assert!(error.to_string().contains(why), "{error}");
        assert!(error.to_string().contains("policy.txt"), "{error}");
    }
    std::fs::write(&file, own).unwrap();
    let config = detente::config::Relay::read(&relay_config).unwrap();
    let running = net::relay_here(&config).await;
    running.stop().await.unwrap();
}
