//! A revoked certificate is out everywhere, and a list that is missing or stale fails closed.

use std::sync::Arc;
use std::time::Duration;

use detente::identity::authority::Age;
use detente::identity::trust::Policy;
use detente::identity::verifier::RelayVerifier;
use detente::identity::{Limits, PeerInfo, RelayTrust, Trust, tls, uri};
use detente::pki::authority::{Authority, RevocationList, Use};
use detente::units::{DAY_MS, HOUR_MS};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;

use super::identity_lab::{Lab, SOON, aged, echo, ends, now};

#[tokio::test]
async fn a_fresh_handshake_is_refused_at_once() {
    let lab = Lab::new(&["NL", "RO"]);
    let door = lab.door(Limits::default()).await;
    let issued = lab.issue("NL", "NL/cyber");
    let client = lab.client("nl", &issued);
    drop(door.enter(&client).await.unwrap());
    lab.put_list("NL", &RevocationList::first(now()).next(Some(issued.serial.clone()), now()));
    assert_eq!(door.trust.reload().loaded.len(), 1);
    assert!(door.enter(&client).await.is_err());
    let denied = door.trust.admit(&CertificateDer::from(issued.der), now()).unwrap_err();
    assert_eq!(denied.code(), "I-114");
    // The same nation's other certificate, and another nation's, are not touched.
    drop(door.enter(&lab.good("NL")).await.unwrap());
    drop(door.enter(&lab.good("RO")).await.unwrap());
}

#[tokio::test]
async fn no_session_is_resumed_so_that_none_outlives_its_certificate() {
    let lab = Lab::new(&["NL"]);
    let door = lab.door(Limits::default()).await;
    let issued = lab.issue("NL", "NL/cyber");
    // A client that would resume: rustls keeps tickets by default.
    let mut config = ClientConfig::builder_with_provider(Arc::new(tls::provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(RelayVerifier::new(lab.relay_trust())))
        .with_client_cert_resolver(lab.own("nl", &issued));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let config = Arc::new(config);
    for _ in 0..3 {
        let mut stream = door.enter(&config).await.unwrap();
        echo(&mut stream, b"a ticket would have come by now").await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(session.handshake_kind(), Some(rustls::HandshakeKind::Full));
        assert_eq!(session.tls13_tickets_received(), 0);
    }
    lab.put_list("NL", &RevocationList::first(now()).next(Some(issued.serial), now()));
    door.trust.reload();
    assert!(door.enter(&config).await.is_err());
}

#[tokio::test]
async fn an_open_connection_is_cut_when_a_list_has_been_put_in_place() {
    let lab = Lab::new(&["NL", "RO"]);
    let door = lab.door(Limits::default()).await;
    let issued = lab.issue("NL", "NL/cyber");
    let mut revoked = door.enter(&lab.client("nl", &issued)).await.unwrap();
    let mut other = door.enter(&lab.good("RO")).await.unwrap();
    assert_eq!(door.connections.count(), 2);
    assert!(Limits::default().sweep <= Duration::from_secs(2), "new lists are seen late");
    // Nobody tells the relay: it sees the file.
    lab.put_list("NL", &RevocationList::first(now()).next(Some(issued.serial), now()));
    assert!(ends(&mut revoked, SOON).await, "still open");
    echo(&mut other, b"still here").await.unwrap();
    assert_eq!(door.connections.count(), 1);
    // A call in flight at that moment is refused too: every call asks.
    let peer = PeerInfo::clone(&door.connections.list()[0]);
    door.trust.check(&peer, now()).unwrap();
}

#[test]
fn a_missing_list_refuses_its_nation_and_nobody_else() {
    let lab = Lab::new(&["NL", "RO"]);
    std::fs::remove_file(lab.lists().join("nl.crl.pem")).unwrap();
    let trust = lab.trust();
    let nl = CertificateDer::from(lab.issue("NL", "NL/cyber").der);
    let ro = CertificateDer::from(lab.issue("RO", "RO/cyber").der);
    assert_eq!(trust.admit(&nl, now()).unwrap_err().code(), "I-115");
    trust.admit(&ro, now()).unwrap();
    assert_eq!(trust.revocation_lists(now())[0].age, Age::Missing);
    // It comes, and then its file is lost: the list in use stays until it ends.
    lab.put_list("NL", &RevocationList::first(now()));
    assert_eq!(trust.reload_changed().loaded.len(), 1);
    trust.admit(&nl, now()).unwrap();
    std::fs::remove_file(lab.lists().join("nl.crl.pem")).unwrap();
    let report = trust.reload_changed();
    assert_eq!(report.kept.len(), 1, "{report:?}");
    trust.admit(&nl, now()).unwrap();
}

#[test]
fn past_its_next_update_a_list_serves_known_certificates_for_24_h() {
    let lab = Lab::new(&["NL"]);
    lab.put_list("NL", &aged(RevocationList::first(now()), -9, 1));
    let trust = lab.trust();
    let known = CertificateDer::from(lab.issue("NL", "NL/cyber").der);
    let unknown = CertificateDer::from(lab.issue("NL", "NL/cyber").der);
    let due = trust.revocation_lists(now())[0].next_update.unwrap();
    trust.admit(&known, now()).unwrap();

    let in_grace = due.plus_ms(HOUR_MS);
    trust.admit(&known, in_grace).unwrap();
    let denied = trust.admit(&unknown, in_grace).unwrap_err();
    assert_eq!(denied.code(), "I-116");
    assert!(denied.to_string().contains("known certificates are still accepted"), "{denied}");
    // Being refused does not make it known.
    assert_eq!(trust.admit(&unknown, in_grace).unwrap_err().code(), "I-116");

    let after = due.plus_ms(DAY_MS + 1);
    assert_eq!(trust.admit(&known, after).unwrap_err().code(), "I-116");
}

#[test]
fn a_restart_forgets_neither_certificates_nor_how_new_the_list_was() {
    let lab = Lab::new(&["NL"]);
    let memory = lab.dir.path().join("identity.memory");
    let start = || {
        let policy = Policy { memory: Some(memory.clone()), ..Policy::default() };
        Trust::new(lab.network.clone(), &lab.nations(), lab.lists(), policy).unwrap()
    };
    let issued = lab.issue("NL", "NL/cyber");
    let revoked = aged(RevocationList::first(now()).next(Some(issued.serial), now()), -1, 9);
    lab.put_list("NL", &revoked);
    let known = CertificateDer::from(lab.issue("NL", "NL/cyber").der);
    start().admit(&known, now()).unwrap();

    let again = start();
    let in_grace = revoked.next_update.plus_ms(HOUR_MS);
    again.admit(&known, in_grace).unwrap();
    let other = CertificateDer::from(lab.issue("NL", "NL/cyber").der);
    assert_eq!(again.admit(&other, in_grace).unwrap_err().code(), "I-116");

    // An older list is put back while the relay is down.
    lab.put_list("NL", &aged(RevocationList::first(now()), -2, 8));
    let rolled_back = start();
    assert_eq!(rolled_back.admit(&known, now()).unwrap_err().code(), "I-115");
    assert!(rolled_back.reload().kept[0].1.contains("older"));
    lab.put_list("NL", &revoked);
    rolled_back.reload();
    rolled_back.admit(&known, now()).unwrap();

    std::fs::write(&memory, "seen nonsense\nlist 00 1\n").unwrap();
    start().admit(&known, now()).unwrap();
}

#[test]
fn an_open_connection_follows_the_list_through_its_grace() {
    let lab = Lab::new(&["NL"]);
    let trust = lab.trust();
    let issued = lab.issue("NL", "NL/cyber");
    let admitted = trust.admit(&CertificateDer::from(issued.der), now()).unwrap();
    let peer = PeerInfo {
        connection: 1,
        caller: admitted.caller,
        serial: admitted.leaf.serial,
        certificate: admitted.leaf.fingerprint,
        issuer: admitted.issuer,
        not_after: admitted.leaf.not_after,
        key_exchange: "X25519MLKEM768".to_owned(),
        address: "127.0.0.1:1".parse().unwrap(),
        since: now(),
    };
    let due = trust.revocation_lists(now())[0].next_update.unwrap();
    trust.check(&peer, now()).unwrap();
    trust.check(&peer, due.plus_ms(DAY_MS)).unwrap();
    let code = |at| trust.check(&peer, at).unwrap_err().code();
    assert_eq!(code(due.plus_ms(DAY_MS + 1)), "I-116");
    assert_eq!(code(peer.not_after.plus_ms(1)), "I-109");
    // The directory drops the desk; then the nation's authority changes; then the nation leaves.
    let mut nations = lab.nations();
    let member = peer.caller.desk.member;
    nations.get_mut(&member).unwrap().desks.clear();
    trust.set_nations(&nations).unwrap();
    assert_eq!(code(now()), "I-107");
    nations.get_mut(&member).unwrap().authorities = vec![lab.relay.1.clone()];
    trust.set_nations(&nations).unwrap();
    assert_eq!(code(now()), "I-108");
    nations.clear();
    trust.set_nations(&nations).unwrap();
    assert_eq!(code(now()), "I-106");
}

#[test]
fn a_bad_list_never_replaces_a_good_one() {
    let lab = Lab::new(&["NL", "RO"]);
    let issued = lab.issue("NL", "NL/cyber");
    let second = RevocationList::first(now()).next(Some(issued.serial.clone()), now());
    lab.put_list("NL", &second);
    let trust = lab.trust();
    let (stranger, _) = Authority::create("NL", &lab.network, now()).unwrap();
    let forged = stranger.revocation_list(&second.next(None, now())).unwrap();
    let of_ro = lab.authority("RO").revocation_list(&second.next(None, now())).unwrap();
    let good = lab.authority("NL").revocation_list(&second.next(None, now())).unwrap();
    let older = lab.authority("NL").revocation_list(&RevocationList::first(now())).unwrap();
    let backdated = aged(second.next(None, now()), -3, 27);
    let backdated = lab.authority("NL").revocation_list(&backdated).unwrap();
    let mut flipped = x509_parser::pem::parse_x509_pem(good.as_bytes()).unwrap().1.contents;
    *flipped.last_mut().unwrap() ^= 1;
    let cases: [(&str, &[u8], &str); 9] = [
        ("signed by somebody with the same name", forged.as_bytes(), "signature"),
        ("of another nation", of_ro.as_bytes(), "another authority"),
        ("older", older.as_bytes(), "older"),
        ("with a later number but an earlier date", backdated.as_bytes(), "older"),
        ("with a flipped bit", &flipped, "signature"),
        ("cut short", &good.as_bytes()[..good.len() / 2], "PEM"),
        ("empty", b"", "no revocation list"),
        ("text", b"nothing of the kind", "no revocation list"),
        ("half a DER", &[0x30, 0x82, 0x10], "read"),
    ];
    let certificate = CertificateDer::from(issued.der);
    for (what, bytes, why) in cases {
        lab.put("NL", bytes);
        let report = trust.reload();
        assert!(report.loaded.is_empty(), "{what} was loaded");
        assert!(report.kept[0].1.contains(why), "{what}: {report:?}");
        let denied = trust.admit(&certificate, now()).unwrap_err();
        assert_eq!(denied.code(), "I-114", "{what} un-revoked");
    }
    lab.put("NL", good.as_bytes());
    assert_eq!(trust.reload().loaded.len(), 1);
    assert_eq!(trust.reload(), Default::default(), "the same list is no news");
}

#[test]
fn the_operator_sees_how_old_a_list_is() {
    let lab = Lab::new(&["NL"]);
    let trust = lab.trust();
    let list = aged(RevocationList::first(now()).next(None, now()), 0, 10);
    lab.put_list("NL", &list);
    trust.reload();
    let at = |percent: i64| list.this_update.plus_ms(percent * DAY_MS / 10);
    let cases = [
        (0, "OK"),
        (49, "OK"),
        (51, "HALF"),
        (74, "HALF"),
        (76, "LATE"),
        (89, "LATE"),
        (91, "DUE"),
        (99, "DUE"),
        (101, "GRACE"),
        (109, "GRACE"),
        (111, "EXPIRED"),
    ];
    for (percent, state) in cases {
        assert_eq!(trust.revocation_lists(at(percent))[0].age.as_str(), state, "{percent} %");
    }
}

#[test]
fn a_list_of_the_relay_counts_where_it_is_configured() {
    let lab = Lab::new(&["NL"]);
    let uri = uri::render_relay(&lab.network);
    let issued = lab.relay.0.issue(&uri, Use::Relay, 90, now()).unwrap();
    let certificate = CertificateDer::from(issued.der);
    lab.relay_trust().admit(&certificate, now()).unwrap();

    let ca = [lab.relay.1.clone()];
    let lists = lab.dir.path().to_owned();
    let trust = RelayTrust::new(lab.network.clone(), &ca, Some(lists.clone())).unwrap();
    assert_eq!(trust.admit(&certificate, now()).unwrap_err().code(), "I-115");
    let put = |list: &RevocationList| {
        let pem = lab.relay.0.revocation_list(list).unwrap();
        std::fs::write(lists.join("relay.crl.pem"), pem).unwrap();
    };
    let first = RevocationList::first(now());
    put(&first);
    assert_eq!(trust.reload(), Ok(true));
    trust.admit(&certificate, now()).unwrap();
    put(&first.next(Some(issued.serial), now()));
    assert_eq!(trust.reload(), Ok(true));
    assert_eq!(trust.admit(&certificate, now()).unwrap_err().code(), "I-114");
    put(&first);
    assert!(trust.reload().is_err());
}

#[tokio::test]
async fn a_connection_whose_certificate_ends_is_cut() {
    let lab = Lab::new(&["NL"]);
    let limits = Limits { sweep: Duration::from_millis(100), ..Limits::default() };
    let door = lab.door(limits).await;
    let uri = "spiffe://nl.test-net/desk/cyber";
    // Ends in about eight seconds: issued almost a day ago for a day.
    let issued = lab
        .authority("NL")
        .issue(uri, Use::Desk, 1, now().plus_ms(-DAY_MS + 5 * 60_000 + 8_000))
        .unwrap();
    let mut stream = door.enter(&lab.client("nl", &issued)).await.unwrap();
    assert!(ends(&mut stream, SOON).await);
    assert_eq!(door.connections.count(), 0);
}
