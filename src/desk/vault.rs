//! Encrypts what a desk keeps: whoever copies its disk reads nothing.
//!
//! Not for what is sealed to another desk (see `envelope/`), nor for key files.
//!
//! Key = HKDF-SHA256(salt = journal id, secret = unlock secret, info = [`LABEL`]). Each part is
//! `nonce (12 random bytes) || ChaCha20-Poly1305 ciphertext and tag` (RFC 8439) with the associated
//! data `LABEL || journal id || index (8 bytes, big endian) || part (1 byte)`, so that no record
//! can take another's place.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, rand};

use crate::units::{Index, JournalId};

/// Separates this key from every other made of the same secret.
const LABEL: &[u8] = b"detente/desk-store/v1\0";

/// The key of one journal.
pub(super) struct Vault {
    key: LessSafeKey,
    journal: JournalId,
}

/// Which part of a journal entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The record.
    Record = 0,
    /// The erasable body.
    Body = 1,
}

impl Vault {
    /// The key that `secret` gives for `journal`.
    pub(super) fn new(secret: &[u8], journal: JournalId) -> Self {
        let key = hkdf::Salt::new(hkdf::HKDF_SHA256, &journal.0)
            .extract(secret)
            .expand(&[LABEL], &CHACHA20_POLY1305)
            .map(UnboundKey::from)
            .expect("the key is shorter than 255 blocks of SHA-256");
        Self { key: LessSafeKey::new(key), journal }
    }

    /// Seals one part of the entry at `index`.
    pub(super) fn seal(&self, index: Index, part: Part, plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).expect("the operating system has a random source");
        let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + CHACHA20_POLY1305.tag_len());
        sealed.extend_from_slice(&nonce);
        let mut text = plain.to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.bound_to(index, part)),
                &mut text,
            )
            .expect("a record is shorter than 256 GiB");
        sealed.append(&mut text);
        sealed
    }

    /// Opens one part of the entry at `index`; `None` when it is not what was sealed there with
    /// this key.
    pub(super) fn open(&self, index: Index, part: Part, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let aad = Aad::from(self.bound_to(index, part));
        let plain = self.key.open_in_place(nonce, aad, &mut text).ok()?.len();
        text.truncate(plain);
        Some(text)
    }

    fn bound_to(&self, index: Index, part: Part) -> Vec<u8> {
        [LABEL, &self.journal.0, &index.0.to_be_bytes(), &[part as u8]].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_opens_in_another_place() {
        let vault = Vault::new(b"secret", JournalId([1; 16]));
        let sealed = vault.seal(Index(7), Part::Record, b"plain");
        assert_eq!(vault.open(Index(7), Part::Record, &sealed).unwrap(), b"plain");
        assert_ne!(sealed, vault.seal(Index(7), Part::Record, b"plain"), "the nonce is fresh");
        assert_eq!(vault.open(Index(8), Part::Record, &sealed), None);
        assert_eq!(vault.open(Index(7), Part::Body, &sealed), None);
        for other in
            [Vault::new(b"Secret", JournalId([1; 16])), Vault::new(b"secret", JournalId([2; 16]))]
        {
            assert_eq!(other.open(Index(7), Part::Record, &sealed), None);
        }
        for i in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[i] ^= 1;
            assert_eq!(vault.open(Index(7), Part::Record, &flipped), None, "byte {i}");
        }
        assert_eq!(vault.open(Index(7), Part::Record, &sealed[..3]), None);
    }
}
