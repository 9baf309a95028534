//! The hiding leaf: 33 bytes that commit to an entry and tell nothing about it.
//!
//! Not for choosing the opening: it comes in, 32 random bytes, one per leaf. Hiding rests on the
//! opening, binding on SHA-256. Every kind of entry, drills and dummies too, gets the same shape.

use crate::units::Hash;

/// Length of a hiding leaf in bytes: the version byte and a SHA-256.
pub const COMMITMENT_LEAF_BYTES: usize = 33;

/// First byte of a hiding leaf: the version of its construction.
const VERSION: u8 = 0x01;

/// Separates this use of SHA-256 from every other.
const DOMAIN: &[u8] = b"detente/leaf-commit/v1\0";

/// The leaf `0x01 || SHA-256("detente/leaf-commit/v1\0" || opening || entry_sha256)`, where
/// `entry_sha256` is SHA-256 of the exact bytes of the entry.
pub fn commitment_leaf(opening: &[u8; 32], entry_sha256: &Hash) -> [u8; COMMITMENT_LEAF_BYTES] {
    let commitment = Hash::of(&[DOMAIN, opening, &entry_sha256.0]);
    let mut leaf = [VERSION; COMMITMENT_LEAF_BYTES];
    leaf[1..].copy_from_slice(&commitment.0);
    leaf
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leaf_is_the_version_and_the_hash_of_domain_opening_and_entry() {
        let opening = [7; 32];
        let entry = Hash::of(&[b"entry"]);
        let mut bytes = b"detente/leaf-commit/v1\0".to_vec();
        bytes.extend_from_slice(&opening);
        bytes.extend_from_slice(&entry.0);
        let leaf = commitment_leaf(&opening, &entry);
        assert_eq!(leaf[0], 1);
        assert_eq!(leaf[1..], Hash::of(&[&bytes]).0);
    }

    #[test]
    fn another_opening_or_entry_gives_another_leaf() {
        let leaf = commitment_leaf(&[7; 32], &Hash::of(&[b"entry"]));
        assert_ne!(leaf, commitment_leaf(&[8; 32], &Hash::of(&[b"entry"])));
        assert_ne!(leaf, commitment_leaf(&[7; 32], &Hash::of(&[b"Entry"])));
    }
}
