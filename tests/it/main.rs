//! The promises, one module each. One binary, because eight would take four times as long to build.
mod identity_keyfile;
mod identity_lab;
mod identity_openssl;
mod identity_pairs;
mod identity_pki;
mod identity_revocation;
mod identity_tls;
mod identity_uri;
