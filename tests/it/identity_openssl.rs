//! Authorities that are not ours: what OpenSSL issues by the README's profile is accepted, and what
//! we issue is accepted by OpenSSL.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use detente::identity::trust::{Nation, Policy};
use detente::identity::{Limits, Trust};
use detente::pki::{Spec, dev_network, revoke_desk};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::identity_lab::{Lab, desk, now};

/// The profile, as a nation's own authority would write it.
const CONFIG: &str = "
[ca]
default_ca = nl
[nl]
dir = .
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 90
default_crl_days = 30
policy = any
x509_extensions = desk
crl_extensions = crl
copy_extensions = none
[any]
commonName = optional
[req]
distinguished_name = name
prompt = no
[name]
CN = National authority
[authority]
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
[desk]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = URI:spiffe://nl.test-net/desk/cyber
[crl]
authorityKeyIdentifier = keyid
";

#[test]
#[ignore = "needs openssl; run by tests/all"]
fn an_authority_of_openssl_is_a_nations_own() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    std::fs::write(at.join("ca.cnf"), CONFIG).unwrap();
    std::fs::write(at.join("index.txt"), "").unwrap();
    std::fs::write(at.join("serial"), "1000\n").unwrap();
    std::fs::write(at.join("crlnumber"), "01\n").unwrap();
    std::fs::create_dir(at.join("crl")).unwrap();
    let key = "ecparam -name prime256v1 -genkey -noout";
    openssl(at, &format!("{key} -out ca.key"));
    openssl(at, &format!("{key} -out desk.key"));
    let sign = "-x509 -key ca.key -extensions authority -days 3650 -out ca.pem";
    openssl(at, &format!("req -config ca.cnf -new {sign}"));
    openssl(at, "req -config ca.cnf -new -key desk.key -subj /CN=desk -out desk.csr");
    openssl(at, "ca -config ca.cnf -batch -notext -in desk.csr -out desk.pem");
    openssl(at, "ca -config ca.cnf -gencrl -out crl/nl.crl.pem");
    let certificate = |name: &str| CertificateDer::from_pem_file(at.join(name)).unwrap();
    let nation = Nation {
        authorities: vec![certificate("ca.pem").to_vec()],
        desks: BTreeSet::from(["cyber".parse().unwrap()]),
    };
    let nations = BTreeMap::from([("NL".parse().unwrap(), nation)]);
    let network = "test-net".parse().unwrap();
    let trust = Trust::new(network, &nations, at.join("crl"), Policy::default()).unwrap();
    trust.admit(&certificate("desk.pem"), now()).unwrap();
    openssl(at, "ca -config ca.cnf -revoke desk.pem");
    openssl(at, "ca -config ca.cnf -gencrl -out crl/nl.crl.pem");
    assert_eq!(trust.reload_changed().loaded.len(), 1);
    assert_eq!(trust.admit(&certificate("desk.pem"), now()).unwrap_err().code(), "I-114");
}

#[test]
#[ignore = "needs openssl; run by tests/all"]
fn openssl_accepts_what_we_issue_and_revoke() {
    let dir = tempfile::tempdir().unwrap();
    let spec = Spec::new("test-net", &["NL"]).unwrap();
    dev_network(dir.path(), &spec, now()).unwrap();
    let nl = dir.path().join("members/nl");
    let verify = "verify -x509_strict -purpose sslclient -crl_check -CAfile ca.crt.pem \
                  -CRLfile nl.crl.pem cyber/desk.crt.pem";
    openssl(&nl, verify);
    openssl(
        &dir.path().join("relay"),
        "verify -purpose sslserver -CAfile ca.crt.pem relay.crt.pem",
    );
    revoke_desk(dir.path(), &desk("NL/cyber"), None, now()).unwrap();
    assert!(try_openssl(&nl, verify).unwrap_err().contains("revoked"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs openssl; run by tests/all"]
async fn openssl_is_offered_no_older_version() {
    let lab = Lab::new(&["NL"]);
    let door = lab.door(Limits::default()).await;
    let connect = format!("s_client -connect {} -alpn h2", door.address);
    for version in ["-tls1_2", "-tls1_1", "-tls1"] {
        let line = format!("{connect} {version} -cipher ALL:@SECLEVEL=0");
        let dir = lab.dir.path().to_owned();
        let said = tokio::task::spawn_blocking(move || try_openssl(&dir, &line)).await.unwrap();
        let why = said.unwrap_err();
        assert!(why.contains("alert"), "{version}: {why}");
    }
}

fn openssl(at: &Path, line: &str) {
    if let Err(why) = try_openssl(at, line) {
        panic!("openssl {line}: {why}");
    }
}

fn try_openssl(at: &Path, line: &str) -> Result<(), String> {
    let output = Command::new("openssl")
        .current_dir(at)
        .args(line.split_whitespace())
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|fault| fault.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}
