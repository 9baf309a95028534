//! Only a nation's own authority speaks for it: every wrong pair is refused.

use detente::identity::Limits;
use detente::units::MemberId;
use rustls::pki_types::CertificateDer;

use super::identity_lab::{Lab, now};

const MEMBERS: [&str; 5] = ["NL", "RO", "MD", "US", "JP"];

#[tokio::test]
async fn no_nation_can_speak_for_another() {
    let lab = Lab::new(&MEMBERS);
    let door = lab.door(Limits::default()).await;
    let mut refused = 0;
    for issuer in MEMBERS {
        for spoken in MEMBERS {
            let issued = lab.issue(issuer, &format!("{spoken}/cyber"));
            let client = lab.client("pair", &issued);
            let entered = door.enter(&client).await;
            let judged = door.trust.admit(&CertificateDer::from(issued.der), now());
            if issuer == spoken {
                drop(entered.unwrap());
                assert_eq!(judged.unwrap().caller.desk.member.to_string(), spoken);
            } else {
                assert!(entered.is_err(), "{issuer} spoke as {spoken}");
                assert_eq!(judged.unwrap_err().code(), "I-108", "{issuer} as {spoken}");
                refused += 1;
            }
        }
    }
    assert_eq!(refused, MEMBERS.len() * MEMBERS.len() - MEMBERS.len());
}

#[tokio::test]
async fn the_relays_authority_speaks_for_no_nation_and_none_for_the_relay() {
    let lab = Lab::new(&["NL"]);
    let trust = lab.trust();
    let uri = "spiffe://nl.test-net/desk/cyber";
    let usage = detente::pki::authority::Use::Desk;
    let forged = lab.relay.0.issue(uri, usage, 90, now()).unwrap();
    let denied = trust.admit(&CertificateDer::from(forged.der), now()).unwrap_err();
    assert_eq!(denied.code(), "I-108");

    let uri = "spiffe://relay.test-net/relay";
    let usage = detente::pki::authority::Use::Relay;
    let forged = lab.authority("NL").issue(uri, usage, 90, now()).unwrap();
    let denied = lab.relay_trust().admit(&CertificateDer::from(forged.der), now()).unwrap_err();
    assert_eq!(denied.code(), "I-108");
}

#[test]
fn a_nation_that_leaves_is_refused_and_its_open_connections_with_it() {
    let lab = Lab::new(&["NL", "RO"]);
    let trust = lab.trust();
    let certificate = CertificateDer::from(lab.issue("RO", "RO/cyber").der);
    trust.admit(&certificate, now()).unwrap();
    let mut nations = lab.nations();
    nations.remove(&"RO".parse::<MemberId>().unwrap());
    trust.set_nations(&nations).unwrap();
    assert_eq!(trust.admit(&certificate, now()).unwrap_err().code(), "I-106");
}
