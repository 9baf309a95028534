//! `detente pki` and `detente genesis`: what they make is what the programs accept.

#![expect(clippy::unwrap_used, reason = "a fixture that fails is a failed test")]

use std::path::{Path, PathBuf};

use clap::Parser;
use detente::cli::genesis::{GenesisCommand, Unsound};
use detente::cli::pki::Pki;
use detente::envelope::genesis;
use detente::identity::keyfile::{self, Kind};
use detente::identity::trust::Policy;
use detente::identity::{OwnCertificate, RelayTrust, Trust, Unlock};
use detente::pki::{DevNetwork, Spec, dev_network, renew_desk, revoke_desk, sample};
use detente::units::{DAY_MS, MemberId};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::identity_lab::{desk, now};

#[derive(Parser)]
struct PkiLine {
    #[command(flatten)]
    pki: Pki,
}

#[derive(Parser)]
struct GenesisLine {
    #[command(flatten)]
    genesis: GenesisCommand,
}

fn pki(arguments: &[&str]) -> anyhow::Result<String> {
    let line = PkiLine::try_parse_from([&["pki"], arguments].concat())?;
    let mut out = Vec::new();
    line.pki.run(&mut out)?;
    Ok(String::from_utf8(out)?)
}

fn genesis_command(arguments: &[&str]) -> anyhow::Result<String> {
    let line = GenesisLine::try_parse_from([&["genesis"], arguments].concat())?;
    let mut out = Vec::new();
    line.genesis.run(&mut out)?;
    Ok(String::from_utf8(out)?)
}

fn make(dir: &Path) -> DevNetwork {
    let spec = Spec::new("detente-dev", &["NL", "RO", "CN"]).unwrap().on_free_ports();
    dev_network(dir, &spec, now()).unwrap()
}

#[test]
fn a_development_network_is_ready_to_run() {
    let dir = tempfile::tempdir().unwrap();
    let made = make(dir.path());
    let signed = std::fs::read(&made.genesis).unwrap();
    let parsed = genesis::parse(&signed).unwrap();
    genesis::verify(&signed, &parsed).unwrap();
    assert_eq!(parsed.hash, made.hash);
    let relay = dir.path().join("relay");
    let lists = relay.join("crl");
    let trust = Trust::from_genesis(&parsed, lists, Policy::default()).unwrap();
    let by_relay = RelayTrust::from_genesis(&parsed, None).unwrap();
    by_relay.admit(&certificate(&relay.join("relay.crt.pem")), now()).unwrap();
    let unlock = |at: &Path| Unlock::from_file(&at.join("unlock")).unwrap();
    let own = (relay.join("relay.crt.pem"), relay.join("relay.key"));
    OwnCertificate::load(&own.0, &own.1, unlock(&relay)).unwrap();
    assert_eq!(made.desk_configs.len(), 3);
    for (id, config) in &made.desk_configs {
        let at = config.parent().unwrap();
        let admitted = trust.admit(&certificate(&at.join("desk.crt.pem")), now()).unwrap();
        assert_eq!(admitted.caller.desk, *id);
        assert!(!admitted.leaf.is_long_lived());
        OwnCertificate::load(&at.join("desk.crt.pem"), &at.join("tls.key"), unlock(at)).unwrap();
        let member = parsed.members.iter().find(|member| member.id == id.member).unwrap();
        let founding = &member.desks[0];
        let seed = keyfile::read(&at.join("desk.key"), Kind::Ed25519, &unlock(at)).unwrap();
        let key = detente::envelope::SigningKey::from_seed(*seed.seed().unwrap());
        assert_eq!(key.public(), founding.desk_key);
        let seed = keyfile::read(&at.join("witness.key"), Kind::Ed25519, &unlock(at)).unwrap();
        let key = detente::envelope::SigningKey::from_seed(*seed.seed().unwrap());
        assert_eq!(Some(key.public()), founding.witness_key);
        let seed = keyfile::read(&at.join("encryption.key"), Kind::Hpke, &unlock(at)).unwrap();
        let key = detente::envelope::DecryptionKey::from_seed(*seed.seed().unwrap());
        assert_eq!(key.id(), founding.encryption_keys[0].id);
        for officer in &founding.officers {
            let path = at.join("officers").join(format!("{}.key", officer.name));
            let seed = keyfile::read(&path, Kind::Ed25519, &unlock(at)).unwrap();
            let key = detente::envelope::SigningKey::from_seed(*seed.seed().unwrap());
            assert_eq!(key.public(), officer.key);
        }
        let text = std::fs::read_to_string(config).unwrap();
        assert!(text.contains(&made.hash.to_string()));
        assert_eq!(detente::config::Desk::read(config).unwrap().desk, *id);
    }
    detente::config::Relay::read(&made.relay_config).unwrap();
    let again = Spec::new("detente-dev", &["NL"]).unwrap();
    assert!(dev_network(dir.path(), &again, now()).is_err(), "made over another");
}

#[test]
fn renewing_and_revoking_reach_the_relay() {
    let dir = tempfile::tempdir().unwrap();
    let made = make(dir.path());
    let parsed = genesis::parse(&std::fs::read(&made.genesis).unwrap()).unwrap();
    let lists = dir.path().join("relay/crl");
    let trust = Trust::from_genesis(&parsed, lists, Policy::default()).unwrap();
    let nl = desk("NL/cyber");
    let path = dir.path().join("members/nl/cyber/desk.crt.pem");
    let old = certificate(&path);
    std::fs::copy(&path, dir.path().join("old.pem")).unwrap();
    let until = renew_desk(dir.path(), &nl, now()).unwrap();
    assert!(until.since_ms(now()) > 89 * DAY_MS);
    let new = certificate(&path);
    assert_ne!(old, new);
    trust.admit(&old, now()).unwrap();
    trust.admit(&new, now()).unwrap();
    revoke_desk(dir.path(), &nl, Some(&dir.path().join("old.pem")), now()).unwrap();
    assert_eq!(trust.reload().loaded.len(), 1);
    assert_eq!(trust.admit(&old, now()).unwrap_err().code(), "I-114");
    trust.admit(&new, now()).unwrap();
    let text = dir.path().display().to_string();
    assert!(pki(&["crl", &text, "NL"]).unwrap().starts_with("issued list 3: 1 revoked"));
    assert!(pki(&["revoke", &text, "NL/cyber"]).unwrap().starts_with("revoked certificate"));
    assert!(pki(&["crl", &text, "NL"]).unwrap().starts_with("issued list 5: 2 revoked"));
    trust.reload();
    assert_eq!(trust.admit(&new, now()).unwrap_err().code(), "I-114");
    assert!(pki(&["crl", &text, "relay"]).unwrap().starts_with("issued list 2: 0 revoked"));
    pki(&["renew", &text, "relay"]).unwrap();
    let spare = dir.path().join("spare");
    pki(&["issue", &text, "NL/cyber", "--out", &spare.display().to_string()]).unwrap();
    trust.admit(&certificate(&spare.join("desk.crt.pem")), now()).unwrap();
    // A certificate of another desk is not revoked by mistake.
    let ro = dir.path().join("members/ro/cyber/desk.crt.pem").display().to_string();
    assert!(pki(&["revoke", &text, "NL/cyber", "--certificate", &ro]).is_err());
}

#[test]
fn nations_found_a_network_together_without_sharing_a_key() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name).display().to_string();
    for (place, member) in [("nl", "NL"), ("xa", "XA=Atlantis")] {
        let arguments = ["member", &at(place), "--network", "real-net", "--member", member];
        pki(&arguments).unwrap();
    }
    pki(&["relay", &at("relay"), "--network", "real-net"]).unwrap();
    let publics = [at("nl/members/nl"), at("xa/members/xa"), at("relay/relay")];
    let publics = publics.map(|place| format!("{place}/public.toml"));
    let [nl, xa, relay] = &publics;
    for public in &publics {
        let text = std::fs::read_to_string(public).unwrap();
        assert!(!text.contains("DETENTE KEY") && !text.contains("PRIVATE"));
    }
    let draft = at("draft.bin");
    let create = ["create", "--spec", relay, "--spec", xa, "--spec", nl, "--out", &draft];
    genesis_command(&create).unwrap();
    let hash = genesis_command(&["hash", &draft]).unwrap().trim().to_owned();
    assert!(genesis_command(&["show", &draft]).unwrap().contains("XA Atlantis (NOT SIGNED)"));
    let sign = |home: &str, hash: &str, out: &str| {
        let (key, unlock) = (format!("{home}/national.key"), format!("{home}/unlock"));
        let arguments =
            ["sign", &draft, "--key", &key, "--unlock", &unlock, "--hash", hash, "--out", out];
        genesis_command(&arguments)
    };
    let (by_nl, by_xa) = (at("by-nl.bin"), at("by-xa.bin"));
    let wrong = "0".repeat(64);
    let refused = sign(&at("nl/members/nl"), &wrong, &by_nl).unwrap_err();
    assert!(matches!(refused.downcast_ref(), Some(Unsound::OtherHash { .. })), "{refused}");
    let key = at("nl/members/nl/national.key");
    let unlock = at("nl/members/nl/unlock");
    let arguments = ["genesis", "sign", &draft, "--key", &key, "--unlock", &unlock];
    let to = ["--hash", &wrong, "--out", &by_nl];
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_detente"));
    let output = command.args(arguments).args(to).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("C-703") && said.contains("do not sign"), "{said}");
    sign(&at("nl/members/nl"), &hash, &by_nl).unwrap();
    sign(&at("xa/members/xa"), &hash, &by_xa).unwrap();
    let (half, full) = (at("half.bin"), at("nl/genesis.bin"));
    let said = genesis_command(&["combine", &by_nl, &draft, "--out", &half]).unwrap();
    assert!(said.contains("not yet signed by XA"), "{said}");
    assert!(genesis::verify(&read(&half), &genesis::parse(&read(&half)).unwrap()).is_err());
    genesis_command(&["combine", &by_nl, &by_xa, "--out", &full]).unwrap();
    damaged(&at("by-nl.bin"), &at("damaged.bin"), &at("again.bin"));
    let parsed = genesis::parse(&read(&full)).unwrap();
    genesis::verify(&read(&full), &parsed).unwrap();
    let shown = genesis_command(&["show", &full]).unwrap();
    assert!(shown.contains(&hash) && shown.contains("every founding member has signed"), "{shown}");
    pki(&["configure", &at("nl")]).unwrap();
    let config = read(&at("nl/members/nl/cyber/desk.toml"));
    assert!(String::from_utf8(config).unwrap().contains(&hash));
    // The relay's key is no member's.
    let (key, unlock) = (at("relay/relay/log-traffic.key"), at("relay/relay/unlock"));
    let out = at("no.bin");
    let arguments =
        ["sign", &draft, "--key", &key, "--unlock", &unlock, "--hash", &hash, "--out", &out];
    let why = genesis_command(&arguments).unwrap_err().to_string();
    assert!(why.contains("no founding member's national key"), "{why}");
}

/// A copy that is cut, or in which a signature was changed, is named, and nothing is made of it.
fn damaged(copy: &str, damaged: &str, out: &str) {
    let whole = read(copy);
    let of = |bytes: &[u8], arguments: &[&str]| {
        std::fs::write(damaged, bytes).unwrap();
        genesis_command(arguments).unwrap_err()
    };
    let combine = ["combine", copy, damaged, "--out", out];
    for arguments in [&["show", damaged][..], &["hash", damaged], &combine] {
        let why = of(&whole[..whole.len() / 2], arguments);
        assert!(matches!(why.downcast_ref(), Some(Unsound::Unreadable { .. })), "{why}");
        assert!(why.to_string().contains(damaged), "{why}");
    }
    // The last bytes are those of the signature.
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    for arguments in [&["show", damaged][..], &combine] {
        let why = of(&changed, arguments);
        assert!(matches!(why.downcast_ref(), Some(Unsound::FalseSignature { .. })), "{why}");
        assert!(why.to_string().contains(damaged), "{why}");
    }
    assert!(!Path::new(out).exists());
}

#[test]
fn a_genesis_needs_one_relay_and_one_network() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name).display().to_string();
    pki(&["member", &at("a"), "--network", "one", "--member", "NL"]).unwrap();
    pki(&["relay", &at("b"), "--network", "two"]).unwrap();
    let (member, relay) = (at("a/members/nl/public.toml"), at("b/relay/public.toml"));
    let out = at("g.bin");
    let create = |specs: &[&str]| {
        let mut arguments = vec!["create", "--out", &out];
        specs.iter().for_each(|spec| arguments.extend(["--spec", spec]));
        genesis_command(&arguments).unwrap_err().to_string()
    };
    assert!(create(&[&member]).contains("exactly one file has a [relay]; here 0 have"));
    assert!(create(&[&member, &relay]).contains("the files name two networks"));
    std::fs::write(&member, "network = \"one\"\nnetwrok = 1\n").unwrap();
    assert!(create(&[&member]).contains("public.toml cannot be read"));
}

#[test]
fn sample_data_reads() {
    for code in ["NL", "RO", "MD", "US", "CN", "JP", "XA", "XZ", "ZZ"] {
        let member: MemberId = code.parse().unwrap();
        let sample = sample::of(member);
        assert!(!sample.instruments.is_empty() && !sample.languages.is_empty());
        jiff::tz::TimeZone::get(sample.time_zone).unwrap();
    }
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}

fn read(path: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(path)).unwrap()
}
