//! TLS 1.3 only, post-quantum, nothing resumed; a door that slow and greedy peers cannot hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use detente::identity::verifier::RelayVerifier;
use detente::identity::{Limits, OwnCertificate, RelayTrust, Unlock, client_config, connect, tls};
use detente::pki::authority::Use;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::identity_lab::{FIRST, Lab, SOON, echo, ends, now};

#[tokio::test]
async fn tls_1_2_is_refused() {
    let lab = Lab::new(&["NL"]);
    let door = lab.door(Limits::default()).await;
    // RFC 5246 7.4.1.2: version 3.3, random, no session, two suites, no compression, and the
    // extensions that TLS 1.2 clients send: groups (P-256) and signature algorithms.
    let extensions = b"\x00\x0a\x00\x04\x00\x02\x00\x17\x00\x0d\x00\x04\x00\x02\x04\x03";
    let mut hello = vec![0x03, 0x03];
    hello.extend([0x5a; 32]);
    hello.extend([0x00, 0x00, 0x04, 0xc0, 0x2b, 0xc0, 0x2c, 0x01, 0x00]);
    hello.extend([0x00, u8::try_from(extensions.len()).unwrap()]);
    hello.extend(extensions);
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
    let mut message = vec![0x01, 0x00, 0x00, length(&hello)];
    message.extend(&hello);
    let mut record = vec![0x16, 0x03, 0x01, 0x00, length(&message)];
    record.extend(&message);
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    stream.write_all(&record).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    // A fatal alert, protocol_version (70).
    assert_eq!(answer, [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 70]);
}

#[tokio::test]
async fn the_key_exchange_is_post_quantum_and_the_protocol_h2() {
    let lab = Lab::new(&["NL"]);
    let door = lab.door(Limits::default()).await;
    let stream = door.enter(&lab.good("NL")).await.unwrap();
    let session = stream.get_ref().1;
    let group = session.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    assert_eq!(session.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
    let peer = &door.connections.list()[0];
    assert_eq!(peer.key_exchange, "X25519MLKEM768");
    assert_eq!(peer.caller.desk.to_string(), "NL/cyber");
    assert_eq!(peer.serial_hex().len(), 32);
}

#[tokio::test]
async fn another_protocol_and_no_certificate_are_refused() {
    let lab = Lab::new(&["NL"]);
    let door = lab.door(Limits::default()).await;
    let builder = || {
        ClientConfig::builder_with_provider(Arc::new(tls::provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(RelayVerifier::new(lab.relay_trust())))
    };
    let mut anonymous = builder().with_no_client_auth();
    anonymous.alpn_protocols = vec![b"h2".to_vec()];
    assert!(door.enter(&Arc::new(anonymous)).await.is_err());

    let own = lab.own("nl", &lab.issue("NL", "NL/cyber"));
    let mut other = builder().with_client_cert_resolver(own);
    other.alpn_protocols = vec![b"http/1.1".to_vec()];
    assert!(door.enter(&Arc::new(other)).await.is_err());

    let mut stream = connect(&door.address.to_string(), lab.good("NL")).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(ends(&mut stream, SOON).await);
    assert_eq!(door.connections.count(), 0);
}

#[tokio::test]
async fn a_desk_accepts_no_other_relay() {
    let lab = Lab::new(&["NL", "RO"]);
    let strange = Lab::new(&["NL"]);
    let by = |lab: &Lab, uri: &str, usage| lab.relay.0.issue(uri, usage, 90, now()).unwrap();
    let relay = "spiffe://relay.test-net/relay";
    let cases = [
        ("I-108", by(&strange, relay, Use::Relay)),
        ("I-118", by(&lab, "spiffe://nl.test-net/desk/cyber", Use::Relay)),
        ("I-105", by(&lab, "spiffe://relay.other/relay", Use::Relay)),
        ("I-111", by(&lab, relay, Use::Desk)),
        ("I-108", lab.authority("RO").issue(relay, Use::Relay, 90, now()).unwrap()),
    ];
    for (code, issued) in cases {
        let door = lab.door_with(Limits::default(), lab.own("relay", &issued)).await;
        let fault = door.enter(&lab.good("NL")).await.unwrap_err();
        assert_eq!(fault.kind(), std::io::ErrorKind::PermissionDenied, "{code}");
        assert!(fault.to_string().starts_with(code), "{fault}");
    }
}

#[tokio::test]
async fn slow_peers_are_closed_and_hold_nobody_up() {
    let lab = Lab::new(&["NL"]);
    let limits = Limits {
        handshake: Duration::from_secs(10),
        first_frame: Duration::from_secs(10),
        unproven_per_address_max: 400,
        ..Limits::default()
    };
    let door = lab.door(limits).await;
    let mut stalled = Vec::new();
    for _ in 0..300 {
        stalled.push(TcpStream::connect(door.address).await.unwrap());
    }
    let good = lab.good("NL");
    drop(door.enter(&good).await.unwrap());
    let last = stalled.last_mut().unwrap();
    assert!(!ends(last, Duration::from_millis(1)).await, "it waited for the others to be closed");
    // One that has shaken hands and then says nothing, and one that sends a byte now and then.
    let mut silent = connect(&door.address.to_string(), Arc::clone(&good)).await.unwrap();
    let mut dripping = connect(&door.address.to_string(), good).await.unwrap();
    dripping.write_all(&FIRST[..5]).await.unwrap();
    for mut stream in stalled {
        assert!(ends(&mut stream, SOON).await);
    }
    assert!(ends(&mut silent, SOON).await);
    assert!(ends(&mut dripping, SOON).await);
}

#[tokio::test]
async fn one_address_has_a_bounded_number_of_unproven_connections() {
    let lab = Lab::new(&["NL"]);
    let limits = Limits {
        handshake: Duration::from_secs(15),
        unproven_per_address_max: 3,
        ..Limits::default()
    };
    let door = lab.door(limits).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(TcpStream::connect(door.address).await.unwrap());
    }
    let mut fourth = TcpStream::connect(door.address).await.unwrap();
    assert!(ends(&mut fourth, Duration::from_secs(10)).await, "not closed before its time");
    let good = lab.good("NL");
    assert!(door.enter(&good).await.is_err());
    for stream in &mut held {
        assert!(ends(stream, SOON).await);
    }
    // Proven ones do not count: three and more may be open.
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(door.enter(&good).await.unwrap());
    }
}

#[tokio::test]
async fn a_desk_and_all_desks_have_a_bounded_number_of_connections() {
    let lab = Lab::new(&["NL", "RO"]);
    let limits = Limits { per_desk_max: 2, connections_max: 3, ..Limits::default() };
    let door = lab.door(limits).await;
    let (nl, ro) = (lab.good("NL"), lab.good("RO"));
    let first = door.enter(&nl).await.unwrap();
    let _second = door.enter(&nl).await.unwrap();
    assert!(door.enter(&nl).await.is_err(), "a third of one desk");
    let _third = door.enter(&ro).await.unwrap();
    assert!(door.enter(&ro).await.is_err(), "a fourth of all");
    drop(first);
    let since = Instant::now();
    while door.enter(&nl).await.is_err() {
        assert!(since.elapsed() < SOON, "the slot of a closed connection was not given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_client_hello_in_single_bytes_is_understood() {
    // RUSTSEC-2024-0399: an acceptor panicked on fragments.
    let lab = Lab::new(&["NL"]);
    let door = lab.door(Limits::default()).await;
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, relay) = (proxy.local_addr().unwrap(), door.address);
    tokio::spawn(async move {
        let (client, _) = proxy.accept().await.unwrap();
        let relay = TcpStream::connect(relay).await.unwrap();
        relay.set_nodelay(true).unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_relay, mut to_relay) = relay.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_relay, &mut to_client).await });
        while let Ok(byte) = from_client.read_u8().await {
            to_relay.write_u8(byte).await.unwrap();
        }
    });
    let mut stream = connect(&address.to_string(), lab.good("NL")).await.unwrap();
    echo(&mut stream, FIRST).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_and_lists_are_replaced_without_dropping_a_call() {
    let lab = Lab::new(&["NL"]);
    let own = lab.own("relay", &lab.issue_relay());
    let door = lab.door_with(Limits::default(), Arc::clone(&own)).await;
    let good = lab.good("NL");
    let mut stream = door.enter(&good).await.unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let caller = tokio::spawn(async move {
        loop {
            echo(&mut stream, b"a call").await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let mut list = detente::pki::authority::RevocationList::first(now());
    for round in 0..100 {
        let issued = lab.issue_relay();
        lab.put_own("relay", &issued);
        own.reload().unwrap();
        assert_eq!(own.leaf().serial, issued.serial);
        list = list.next(None, now());
        lab.put_list("NL", &list);
        // The sweep may have been faster; either way nothing is wrong with it.
        assert!(door.trust.reload().kept.is_empty());
        if round % 20 == 0 {
            let fresh = door.enter(&good).await.unwrap();
            let shown = fresh.get_ref().1.peer_certificates().unwrap()[0].to_vec();
            assert_eq!(shown, issued.der, "a new connection sees the new certificate");
        }
    }
    let before = calls.load(Ordering::Relaxed);
    crate::net::until("calls go on", || calls.load(Ordering::Relaxed) > before).await;
    assert!(!caller.is_finished());
    caller.abort();
}

#[test]
fn what_cannot_be_used_never_replaces_what_is_in_use() {
    let lab = Lab::new(&["NL"]);
    let (first, second) = (lab.issue_relay(), lab.issue_relay());
    let own = lab.own("relay", &first);
    let (certificate, key) = lab.put_own("relay", &first);
    let expired = lab
        .relay
        .0
        .issue("spiffe://relay.test-net/relay", Use::Relay, 1, now().plus_ms(-3 * 86_400_000))
        .unwrap();
    for (what, pem) in [
        ("another key's certificate", second.pem.as_bytes()),
        ("an expired certificate", expired.pem.as_bytes()),
        ("no certificate", b"nothing"),
        ("half a certificate", &first.pem.as_bytes()[..200]),
    ] {
        std::fs::write(&certificate, pem).unwrap();
        assert!(own.reload().is_err(), "{what} was taken");
        assert_eq!(own.leaf().serial, first.serial, "{what}");
    }
    std::fs::write(&certificate, &first.pem).unwrap();
    own.reload().unwrap();
    std::fs::write(&key, "damaged").unwrap();
    assert!(own.reload().is_err());
    assert!(OwnCertificate::load(&certificate, &key, Unlock::from_random(&[7; 32])).is_err());
    assert_eq!(own.leaf().serial, first.serial);
}

#[tokio::test]
async fn the_desks_configuration_sends_no_name_and_keeps_no_session() {
    let lab = Lab::new(&["NL"]);
    let trust =
        RelayTrust::new(lab.network.clone(), std::slice::from_ref(&lab.relay.1), None).unwrap();
    let own = lab.own("nl", &lab.issue("NL", "NL/cyber"));
    let config = client_config(own, Arc::new(trust));
    assert!(!config.enable_sni && !config.enable_early_data);
    assert_eq!(config.alpn_protocols, [b"h2".to_vec()]);
    let door = lab.door(Limits::default()).await;
    for _ in 0..2 {
        let stream = door.enter(&config).await.unwrap();
        let kind = stream.get_ref().1.handshake_kind();
        assert_eq!(kind, Some(rustls::HandshakeKind::Full));
    }
}
