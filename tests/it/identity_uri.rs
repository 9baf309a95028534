//! One URI in one spelling, and what else a certificate must be: one code for each way it is not.

#![expect(clippy::unwrap_used, reason = "a fixture that fails is a failed test")]

use detente::identity::certificate;
use detente::identity::uri::{Uri, render_desk, render_relay};
use detente::units::{DAY_MS, Name, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
    SignatureAlgorithm,
};
use rustls::pki_types::CertificateDer;

use super::identity_lab::{Lab, desk, now};

#[test]
fn the_grammar_has_one_spelling() {
    let good = [
        "spiffe://nl.detente-dev/desk/cyber",
        "spiffe://xa.a/desk/0",
        "spiffe://relay.detente-dev/relay",
        "spiffe://nl.relay/desk/relay",
        "spiffe://nl.nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn/desk/dddddddddddddddddddddddddddddddd",
    ];
    for text in good {
        assert_eq!(text.parse::<Uri>().unwrap().to_string(), text);
    }
    for text in BAD {
        assert!(text.parse::<Uri>().is_err(), "{text:?} was read");
    }
    let network: Name = "detente-dev".parse().unwrap();
    assert_eq!(render_desk(&desk("NL/cyber"), &network), good[0]);
    assert_eq!(render_relay(&network), good[2]);
}

/// A certificate to be, and the code with which it must be refused ("" when it is good).
struct Case {
    what: &'static str,
    code: &'static str,
    names: Vec<(u8, &'static [u8])>,
    change: fn(&mut CertificateParams),
}

fn case(what: &'static str, code: &'static str, names: &[(u8, &'static [u8])]) -> Case {
    Case { what, code, names: names.to_vec(), change: |_| {} }
}

const URI: u8 = 0x86;
const DNS: u8 = 0x82;
const MAIL: u8 = 0x81;
const OWN: (u8, &[u8]) = (URI, b"spiffe://nl.test-net/desk/cyber");

#[test]
fn every_other_certificate_has_its_code() {
    let with = |what, code, change| Case { what, code, names: vec![OWN], change };
    let cases = [
        case("as it should be", "", &[OWN]),
        case("with a DNS name, which is ignored", "", &[(DNS, b"ro.example"), OWN]),
        case("with an e-mail address, which is ignored", "", &[OWN, (MAIL, b"a@b.example")]),
        case("no name", "I-103", &[]),
        case("only a DNS name", "I-103", &[(DNS, b"nl.test-net")]),
        case("two URIs", "I-103", &[OWN, (URI, b"spiffe://ro.test-net/desk/cyber")]),
        case("the same URI twice", "I-103", &[OWN, OWN]),
        case("a good and a strange URI", "I-103", &[OWN, (URI, b"https://example")]),
        case("another scheme", "I-104", &[(URI, b"https://nl.test-net/desk/cyber")]),
        case("upper case", "I-104", &[(URI, b"spiffe://NL.test-net/desk/cyber")]),
        case("a port", "I-104", &[(URI, b"spiffe://nl.test-net:443/desk/cyber")]),
        case("a query", "I-104", &[(URI, b"spiffe://nl.test-net/desk/cyber?a")]),
        case("beyond ASCII", "I-104", &[(URI, "spiffe://nl.test-net/desk/cybér".as_bytes())]),
        case("not UTF-8", "I-104", &[(URI, b"spiffe://nl.test-net/desk/cyb\xffr")]),
        case("another network", "I-105", &[(URI, b"spiffe://nl.other/desk/cyber")]),
        case("not a member", "I-106", &[(URI, b"spiffe://fr.test-net/desk/cyber")]),
        case("not a desk", "I-107", &[(URI, b"spiffe://nl.test-net/desk/other")]),
        case("the relay's name", "I-118", &[(URI, b"spiffe://relay.test-net/relay")]),
        with("expired", "I-109", |params| lives(params, -10, -1)),
        with("not yet valid", "I-110", |params| lives(params, 1, 10)),
        with("for servers only", "I-111", |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }),
        with("for no stated use", "I-111", |params| params.extended_key_usages.clear()),
        with("an authority itself", "I-111", |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        }),
        with("exactly 400 days", "", |params| lives(params, -1, 399)),
        with("401 days", "I-113", |params| lives(params, -1, 400)),
        with("an unknown critical extension", "I-117", |params| {
            let mut strange = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
            strange.set_criticality(true);
            params.custom_extensions.push(strange);
        }),
    ];
    let (lab, signer) = lab_with_signer();
    let trust = lab.trust();
    let key = KeyPair::generate().unwrap();
    for Case { what, code, names, change } in cases {
        let mut params = params_with(&names);
        change(&mut params);
        let der = params.signed_by(&key, &signer).unwrap().der().clone();
        let judged = trust.admit(&der, now());
        let got = judged.as_ref().err().map_or("", detente::identity::Denied::code);
        assert_eq!(got, code, "{what}: {judged:?}");
    }
    // With a valid list of another nation's only, so that nothing above rested on a missing list.
    assert_eq!(
        trust.admit(&CertificateDer::from(vec![1, 2, 3]), now()).unwrap_err().code(),
        "I-102"
    );
    let mut long = params_with(&[OWN]).signed_by(&key, &signer).unwrap().der().to_vec();
    long.push(0);
    assert_eq!(trust.admit(&CertificateDer::from(long), now()).unwrap_err().code(), "I-102");
    let own = params_with(&[OWN]).self_signed(&key).unwrap().der().clone();
    assert_eq!(trust.admit(&own, now()).unwrap_err().code(), "I-108");
}

#[test]
fn weak_keys_are_refused() {
    struct Rsa(Vec<u8>);
    impl PublicKeyData for Rsa {
        fn der_bytes(&self) -> &[u8] {
            &self.0
        }
        fn algorithm(&self) -> &'static SignatureAlgorithm {
            &rcgen::PKCS_RSA_SHA256
        }
    }
    // RSAPublicKey of 1,024 bits: SEQUENCE { INTEGER n, INTEGER 65537 }.
    let mut rsa = vec![0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0x00];
    rsa.extend([0xc3; 128]);
    rsa.extend([0x02, 0x03, 0x01, 0x00, 0x01]);
    let (lab, signer) = lab_with_signer();
    let der = params_with(&[OWN]).signed_by(&Rsa(rsa), &signer).unwrap().der().clone();
    assert_eq!(lab.trust().admit(&der, now()).unwrap_err().code(), "I-112");
    for algorithm in [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P384_SHA384] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let der = params_with(&[OWN]).signed_by(&key, &signer).unwrap().der().clone();
        lab.trust().admit(&der, now()).unwrap();
    }
}

#[test]
fn a_long_life_is_warned_about() {
    let (_, signer) = lab_with_signer();
    let key = KeyPair::generate().unwrap();
    for (days, long) in [(90, false), (120, true)] {
        let mut params = params_with(&[OWN]);
        lives(&mut params, 0, days);
        let der = params.signed_by(&key, &signer).unwrap().der().clone();
        assert_eq!(certificate::parse(&der).unwrap().is_long_lived(), long, "{days} days");
    }
}

/// A lab whose member NL has an authority that we sign with ourselves.
fn lab_with_signer() -> (Lab, Issuer<'static, KeyPair>) {
    let mut lab = Lab::new(&["NL"]);
    let network = lab.network.clone();
    let whose = "NL";
    let (authority, own) =
        detente::pki::authority::Authority::create(whose, &network, now()).unwrap();
    let key = KeyPair::from_pkcs8_der_and_sign_algo(
        &own.key.as_slice().into(),
        &rcgen::PKCS_ECDSA_P256_SHA256,
    )
    .unwrap();
    lab.nations.insert("NL".parse().unwrap(), (authority, own.der));
    lab.put_list("NL", &detente::pki::authority::RevocationList::first(now()));
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let name = format!("{whose} certificate authority of {network}");
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (lab, Issuer::new(params, key))
}

/// Names of any kind and any bytes: the extension is written by hand.
fn params_with(names: &[(u8, &[u8])]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = Vec::<SanType>::new();
    params.is_ca = IsCa::ExplicitNoCa;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    lives(&mut params, 0, 90);
    if !names.is_empty() {
        let mut inner = Vec::new();
        for (tag, bytes) in names {
            inner.extend([*tag, u8::try_from(bytes.len()).unwrap()]);
            inner.extend(*bytes);
        }
        let mut sequence = vec![0x30];
        if inner.len() > 127 {
            sequence.push(0x81);
        }
        sequence.push(u8::try_from(inner.len()).unwrap());
        sequence.extend(inner);
        params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 17], sequence));
    }
    params
}

fn lives(params: &mut CertificateParams, from_days: i64, until_days: i64) {
    let moment = |at: Timestamp| {
        let seconds = u64::try_from(at.0 / 1000).unwrap();
        rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(seconds)
    };
    params.not_before = moment(now().plus_ms(from_days * DAY_MS));
    params.not_after = moment(now().plus_ms(until_days * DAY_MS));
}

/// Spellings that mean nothing.
const BAD: &[&str] = &[
    "",
    "spiffe:",
    "spiffe://",
    "spiffe:///desk/cyber",
    "SPIFFE://nl.detente-dev/desk/cyber",
    "Spiffe://nl.detente-dev/desk/cyber",
    "https://nl.detente-dev/desk/cyber",
    "spiffe:/nl.detente-dev/desk/cyber",
    " spiffe://nl.detente-dev/desk/cyber",
    "spiffe://nl.detente-dev/desk/cyber ",
    "spiffe://nl.detente-dev/desk/cyber\n",
    "spiffe://nl.detente-dev/desk/cyber\0",
    "spiffe://NL.detente-dev/desk/cyber",
    "spiffe://nl.Detente-dev/desk/cyber",
    "spiffe://nl.detente-dev/Desk/cyber",
    "spiffe://nl.detente-dev/desk/Cyber",
    "spiffe://nl.detente-dev:443/desk/cyber",
    "spiffe://nl.detente-dev:/desk/cyber",
    "spiffe://user@nl.detente-dev/desk/cyber",
    "spiffe://user:pass@nl.detente-dev/desk/cyber",
    "spiffe://nl.detente-dev/desk/cyber?x=1",
    "spiffe://nl.detente-dev/desk/cyber?",
    "spiffe://nl.detente-dev/desk/cyber#x",
    "spiffe://nl.detente-dev/desk/cyber#",
    "spiffe://nl.detente-dev/desk/cyber/",
    "spiffe://nl.detente-dev/desk//cyber",
    "spiffe://nl.detente-dev//desk/cyber",
    "spiffe://nl.detente-dev/desk/",
    "spiffe://nl.detente-dev/desk",
    "spiffe://nl.detente-dev/",
    "spiffe://nl.detente-dev",
    "spiffe://nl.detente-dev/desk/.",
    "spiffe://nl.detente-dev/desk/..",
    "spiffe://nl.detente-dev/./desk/cyber",
    "spiffe://nl.detente-dev/desk/x/../cyber",
    "spiffe://nl.detente-dev/desk/cy%62er",
    "spiffe://nl.detente-dev/desk%2fcyber",
    "spiffe://%6el.detente-dev/desk/cyber",
    "spiffe://nl.detente-dev/desk/cyber%00",
    "spiffe://nl.detente-dev/desk/cyb\u{e9}r",
    "spiffe://nl.detente-dev/desk/\u{441}yber",
    "spiffe://\u{ff4e}\u{ff4c}.detente-dev/desk/cyber",
    "spiffe://nl.detente-dev./desk/cyber",
    "spiffe://nl..detente-dev/desk/cyber",
    "spiffe://.detente-dev/desk/cyber",
    "spiffe://detente-dev/desk/cyber",
    "spiffe://nl.a.b/desk/cyber",
    "spiffe://nld.detente-dev/desk/cyber",
    "spiffe://n.detente-dev/desk/cyber",
    "spiffe://n1.detente-dev/desk/cyber",
    "spiffe://nl.-a/desk/cyber",
    "spiffe://nl.a-/desk/cyber",
    "spiffe://nl.detente-dev/desk/-a",
    "spiffe://nl.detente-dev/desk/a_b",
    "spiffe://nl.detente-dev/desk/cyber/officer",
    "spiffe://nl.detente-dev/officer/cyber",
    "spiffe://nl.detente-dev\\desk\\cyber",
    "spiffe://relay.detente-dev/desk/cyber",
    "spiffe://relay.detente-dev/relay/",
    "spiffe://relay.detente-dev/relay/x",
    "spiffe://relay.detente-dev/",
    "spiffe://relay/relay",
    "spiffe://nl.detente-dev/relay",
    "spiffe://nl.nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn/desk/cyber",
    "spiffe://nl.detente-dev/desk/ddddddddddddddddddddddddddddddddd",
    "spiffe://nl.detente-dev/desk/cyber,spiffe://ro.detente-dev/desk/cyber",
];
