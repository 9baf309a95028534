//! Bad input, second part: who connects. The real relay as a process, real certificates.
//!
//! A peer that is refused gets a TLS alert and nothing else; the relay's log has the code. Every
//! name and date a certificate can have is in `identity_uri.rs`; here each way in is tried once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use detente::config;
use detente::envelope::genesis;
use detente::grpc::client::{self, RelayClient};
use detente::identity::keyfile::{self, Kind};
use detente::identity::verifier::RelayVerifier;
use detente::identity::{self, Limits, Refusals, RelayTrust, Unlock, tls};
use detente::pki::authority::{Authority, Issued, RevocationList, Use};
use detente::service::RunningAgent;
use detente::units::{DAY_MS, DeskIndex};
use detente::wire::detente::desk::v1::follow_response::Item;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use rustls::ClientConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::net::{self, Dev, PATIENCE, Process, Speaker, until_up};

/// The key of a member's authority.
fn authority_key(dev: &Dev, member: &str) -> Vec<u8> {
    let at = dev.made.directory.join("members").join(member.to_ascii_lowercase());
    let unlock = Unlock::from_file(&at.join("unlock")).unwrap();
    keyfile::read(&at.join("ca.key"), Kind::Authority, &unlock).unwrap().bytes().to_vec()
}

fn authority(dev: &Dev, member: &str) -> Authority {
    let network = "detente-test".parse().unwrap();
    Authority::open(member, &network, &authority_key(dev, member)).unwrap()
}

/// A client that shows any certificate, or none, whatever it is.
fn stranger(dev: &Dev, shown: Option<&Issued>) -> RelayClient {
    let desk = dev.desk_config("NL");
    let genesis = genesis::parse(&std::fs::read(&desk.network.genesis).unwrap()).unwrap();
    let trust = Arc::new(RelayTrust::from_genesis(&genesis, None).unwrap());
    let builder = ClientConfig::builder_with_provider(Arc::new(tls::provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(RelayVerifier::new(trust)));
    let mut config = match shown {
        Some(issued) => {
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(issued.key.clone()));
            builder.with_client_auth_cert(vec![issued.der.clone().into()], key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![tls::ALPN.to_vec()];
    config.enable_sni = false;
    let (config, address) = (Arc::new(config), desk.relay.address.to_string());
    let refusals = Refusals::default();
    let kept = refusals.clone();
    let connector = move || {
        let (config, address) = (Arc::clone(&config), address.clone());
        let refusals = refusals.clone();
        async move { Ok(refusals.watch(identity::connect(&address, config).await?)) }
    };
    client::connect(connector, &client::Limits::default()).with_refusals(kept)
}

/// A certificate with two URIs, each of which alone would be good.
fn with_two_uris(dev: &Dev) -> Issued {
    let signer = KeyPair::from_pkcs8_der_and_sign_algo(
        &authority_key(dev, "NL").as_slice().into(),
        &rcgen::PKCS_ECDSA_P256_SHA256,
    )
    .unwrap();
    let mut issuer = CertificateParams::default();
    let name = "NL certificate authority of detente-test";
    issuer.distinguished_name = rcgen::DistinguishedName::new();
    issuer.distinguished_name.push(rcgen::DnType::CommonName, name);
    let mut params = CertificateParams::default();
    let uri = |id: &str| {
        SanType::URI(format!("spiffe://{id}.detente-test/desk/cyber").try_into().unwrap())
    };
    params.subject_alt_names = vec![uri("nl"), uri("ro")];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let made = params.signed_by(&key, &Issuer::new(issuer, signer)).unwrap();
    Issued {
        der: made.der().to_vec(),
        pem: made.pem(),
        key: key.serialize_der(),
        serial: Vec::new(),
    }
}

/// Puts a member's list in place at the relay.
fn put_list(dev: &Dev, member: &str, list: &RevocationList) {
    let pem = authority(dev, member).revocation_list(list).unwrap();
    let lists = dev.relay_config().tls.revocation_lists;
    let path = lists.join(format!("{}.crl.pem", member.to_ascii_lowercase()));
    std::fs::write(path, pem).unwrap();
}

/// How often the relay's log has this code.
fn count(relay: &Process, code: &str) -> usize {
    relay.log().matches(&format!("code=\"{code}\"")).count()
}

/// Refused, and the relay's log gets the code.
async fn refused(relay: &Process, client: &RelayClient, what: &str, code: &str) {
    let before = count(relay, code);
    let failure = client.signed_genesis().await.expect_err(what);
    assert_eq!(failure.rule_code, "E-001", "{what}: {failure:?}");
    assert_eq!(failure.reason, "CERTIFICATE_REFUSED", "{what}: {failure:?}");
    assert!(!failure.next.is_empty() && failure.retry, "{what}: {failure:?}");
    let started = Instant::now();
    while count(relay, code) == before {
        assert!(started.elapsed() < PATIENCE, "{what}: no {code} in the log: {}", relay.tail());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_not_right_is_refused_with_its_code() {
    let dev = Dev::new(&["NL", "RO", "US", "SG"]);
    // Singapore's list is not there; that of the United States is past its end and its grace.
    std::fs::remove_file(dev.relay_config().tls.revocation_lists.join("sg.crl.pem")).unwrap();
    let first = RevocationList::first(net::now());
    let (this_update, next_update) =
        (net::now().plus_ms(-40 * DAY_MS), net::now().plus_ms(-2 * DAY_MS));
    put_list(&dev, "US", &RevocationList { this_update, next_update, ..first });
    let mut relay = dev.start_relay();
    let nl = net::relay_client(&dev, "NL");
    until_up(&nl, &mut relay).await;

    let now = net::now();
    let issue = |by: &str, uri: &str, days: i64, at| {
        authority(&dev, by).issue(uri, Use::Desk, days, at).unwrap()
    };
    let own = "spiffe://nl.detente-test/desk/cyber";
    let server = authority(&dev, "NL").issue(own, Use::Relay, 90, now).unwrap();
    let cases = [
        ("another nation's authority", "I-108", issue("RO", own, 90, now)),
        ("two URIs", "I-103", with_two_uris(&dev)),
        ("another scheme", "I-104", issue("NL", "https://nl.detente-test/desk/cyber", 90, now)),
        ("another network", "I-105", issue("NL", "spiffe://nl.other/desk/cyber", 90, now)),
        ("no member", "I-106", issue("NL", "spiffe://fr.detente-test/desk/cyber", 90, now)),
        ("no desk", "I-107", issue("NL", "spiffe://nl.detente-test/desk/other", 90, now)),
        ("expired", "I-109", issue("NL", own, 10, now.plus_ms(-20 * DAY_MS))),
        ("not yet valid", "I-110", issue("NL", own, 10, now.plus_ms(20 * DAY_MS))),
        ("not for this use", "I-111", server),
        ("too long a life", "I-113", issue("NL", own, 500, now)),
        ("the relay's name", "I-118", issue("NL", "spiffe://relay.detente-test/relay", 90, now)),
        ("no list", "I-115", issue("SG", "spiffe://sg.detente-test/desk/cyber", 90, now)),
        ("a stale list", "I-116", issue("US", "spiffe://us.detente-test/desk/cyber", 90, now)),
    ];
    for (what, code, issued) in &cases {
        refused(&relay, &stranger(&dev, Some(issued)), what, code).await;
    }
    refused(&relay, &stranger(&dev, None), "no certificate", "I-101").await;
    // What is right by the same road is let in, and nothing above has hurt the relay.
    stranger(&dev, Some(&issue("NL", own, 90, now))).signed_genesis().await.unwrap();
    let said = Speaker::new(&dev, "NL").question(&net::desk("RO"));
    assert!(!nl.submit(&said).await.unwrap().repeat);
    // A desk does not even start with a certificate that has ended.
    let (_, _, ended) = &cases[6];
    let desk = dev.desk_config("NL");
    let secret = keyfile::Secret::new(Kind::Tls, "NL/cyber", ended.key.clone());
    let unlock = Unlock::from_file(desk.unlock.file.as_deref().unwrap()).unwrap();
    std::fs::write(&desk.tls.key, keyfile::render(&secret, &unlock)).unwrap();
    std::fs::write(&desk.tls.certificate, &ended.pem).unwrap();
    let mut agent = dev.start_agent("NL");
    assert_eq!(agent.wait(PATIENCE).code(), Some(1));
    assert!(agent.log().contains("[C-605]"), "{}", agent.log());
}

/// I3. The relay looks for new lists every 2 s: then a new connection is refused, the open stream
/// is cut, and no call is answered any more; other desks notice nothing. The desk that was revoked
/// is told why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_desk_is_out_and_others_stay() {
    let dev = Dev::new(&["NL", "RO", "US"]);
    let mut relay = dev.start_relay();
    let [nl, ro] = ["NL", "RO"].map(|id| net::relay_client(&dev, id));
    until_up(&nl, &mut relay).await;
    let us =
        RunningAgent::start(&config::Desk::read(&dev.made.desk_configs[&net::desk("US")]).unwrap())
            .await
            .unwrap();
    let mut lost = nl.follow(DeskIndex(0)).await.unwrap();
    let mut kept = ro.follow(DeskIndex(0)).await.unwrap();
    // A desk that calls all the time.
    let caller = nl.clone();
    let (cut, refusals) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (over, counted) = (Arc::clone(&cut), Arc::clone(&refusals));
    let calls = tokio::spawn(async move {
        loop {
            let was_cut = over.load(Ordering::SeqCst);
            let answer = caller.signed_genesis().await;
            assert!(!was_cut || answer.is_err(), "answered after the cut");
            counted.fetch_add(u64::from(was_cut), Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });

    let directory = dev.made.directory.to_str().unwrap();
    for desk in ["NL/cyber", "US/cyber"] {
        net::run(&["pki", "revoke", directory, desk]);
    }
    assert!(Limits::default().sweep <= Duration::from_secs(2), "new lists are seen late");
    let end = async { while let Ok(Some(_)) = lost.message().await {} };
    tokio::time::timeout(PATIENCE, end).await.expect("the stream is never cut");
    cut.store(true, Ordering::SeqCst);
    refused(&relay, &net::relay_client(&dev, "NL"), "revoked", "I-114").await;
    net::until("calls go on", || refusals.load(Ordering::SeqCst) > 5 || calls.is_finished()).await;
    assert!(!calls.is_finished(), "{:?}", calls.await);
    calls.abort();

    // The others: the same stream goes on, and gets what is said now.
    let said = Speaker::new(&dev, "RO").question(&net::desk("NL"));
    let recorded = ro.submit(&said).await.unwrap();
    let next = async {
        loop {
            let item = kept.message().await.unwrap().expect("the stream goes on").item;
            if let Some(Item::Record(record)) = item {
                return record.index;
            }
        }
    };
    let next = tokio::time::timeout(PATIENCE, next).await.unwrap();
    assert_eq!(next, recorded.index.0);

    // What the officer of the revoked desk sees.
    let socket = us.socket().to_str().unwrap().to_owned();
    let started = Instant::now();
    let trouble = loop {
        let status = net::run(&["desk", "status", "--json", "--socket", &socket]);
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        let trouble = status["trouble"].as_str().unwrap_or_default().to_owned();
        if trouble.contains("certificate") {
            break trouble;
        }
        assert!(started.elapsed() < PATIENCE, "trouble: {trouble}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(trouble.contains("refused this desk's certificate"), "{trouble}");
    us.stop().await.unwrap();
}

/// Who can put files back while the relay is down cannot undo a revocation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_list_put_back_while_the_relay_was_down_is_not_taken() {
    let dev = Dev::new(&["NL", "RO"]);
    // The lists of the network are issued in whole seconds, like all of X.509.
    let old = RevocationList::first(net::now().plus_ms(-DAY_MS));
    put_list(&dev, "NL", &old);
    let mut relay = dev.start_relay();
    let [nl, ro] = ["NL", "RO"].map(|id| net::relay_client(&dev, id));
    until_up(&nl, &mut relay).await;
    net::run(&["pki", "revoke", dev.made.directory.to_str().unwrap(), "NL/cyber"]);
    relay.signal("HUP");
    let started = Instant::now();
    while net::relay_client(&dev, "NL").signed_genesis().await.is_ok() {
        assert!(started.elapsed() < PATIENCE, "{}", relay.tail());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    relay.signal("TERM");
    assert!(relay.wait(PATIENCE).success());
    put_list(&dev, "NL", &old);
    let mut relay = dev.start_relay();
    until_up(&ro, &mut relay).await;
    refused(&relay, &net::relay_client(&dev, "NL"), "an older list", "I-115").await;
}
