//! Signatures: Ed25519 (RFC 8032) and, beside it, ML-DSA-44 (FIPS 204), over the pre-authentication
//! encoding of DSSE.
//!
//! Not for who may sign what: the directory says whose a key is, the rules say what it may sign.
//! Secrets have no `Debug`, and their memory is wiped when they are dropped.

use aws_lc_rs::signature::{
    ED25519, Ed25519KeyPair, KeyPair as _, ML_DSA_44, UnparsedPublicKey, VerificationAlgorithm,
};
use zeroize::Zeroizing;

use super::genesis::PublicKey;
use super::read::{check, hash, malformed};
use super::{Approval, Malformed, SIGNATURES_MAX, Statement};
use crate::units::Hash;
use crate::wire::detente::envelope::v1 as wire;

/// Payload type of a header's signatures.
pub const HEADER_TYPE: &str = "application/vnd.detente.header.v1+protobuf";

/// Payload type of a genesis's signatures.
pub const GENESIS_TYPE: &str = "application/vnd.detente.genesis.v1+protobuf";

/// Payload type of a directory entry's signatures.
pub const ENTRY_TYPE: &str = "application/vnd.detente.entry.v1+protobuf";

/// Label of a signature key's id.
const KEY_LABEL: &[u8] = b"detente/key/v1\0";

/// How a signature is made. The number is the algorithm byte of a key id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// Ed25519, RFC 8032.
    Ed25519 = 1,
    /// ML-DSA-44, FIPS 204.
    MlDsa44 = 2,
}

impl Algorithm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ed25519, Self::MlDsa44];

    /// The number on the wire, which is also the algorithm byte of a key id.
    pub const fn number(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::MlDsa44 => 2,
        }
    }

    /// The algorithm with this number.
    ///
    /// # Errors
    /// When there is none.
    pub fn parse(number: i32) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|algorithm| i32::from(algorithm.number()) == number)
            .ok_or_else(|| format!("{number} is not a known signature algorithm"))
    }

    /// Length of a public key, in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Ed25519 => 32,
            Self::MlDsa44 => 1_312,
        }
    }

    /// Length of a signature, in bytes.
    pub const fn signature_len(self) -> usize {
        match self {
            Self::Ed25519 => 64,
            Self::MlDsa44 => 2_420,
        }
    }
}

/// One signature over a header or a genesis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Id of the key that made it.
    pub key_id: Hash,
    /// How it was made.
    pub algorithm: Algorithm,
    /// The signature: 64 bytes (Ed25519) or 2,420 (ML-DSA-44).
    pub bytes: Vec<u8>,
}

impl Signature {
    /// The signature in a decoded message; `field` is its path.
    ///
    /// # Errors
    /// When the algorithm is unknown or a length is wrong.
    pub fn from_wire(field: &str, signature: wire::Signature) -> Result<Self, Malformed> {
        let wire::Signature { key_id, algorithm, signature } = signature;
        let key_id = hash(format!("{field}.key_id"), &key_id)?;
        let algorithm = Algorithm::parse(algorithm)
            .map_err(|why| malformed(format!("{field}.algorithm"), why))?;
        check(signature.len() == algorithm.signature_len(), format!("{field}.signature"), || {
            format!("{} bytes where {} belong", signature.len(), algorithm.signature_len())
        })?;
        Ok(Self { key_id, algorithm, bytes: signature })
    }

    /// The message to send or store.
    pub fn to_wire(&self) -> wire::Signature {
        wire::Signature {
            key_id: self.key_id.0.to_vec(),
            algorithm: i32::from(self.algorithm.number()),
            signature: self.bytes.clone(),
        }
    }
}

/// Why a signature proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// The key is not the one that the header names.
    #[error("key {key} is not the signer's")]
    OtherKey {
        /// Id of the key.
        key: Hash,
    },
    /// There is none by the key.
    #[error("no signature by key {key}")]
    Absent {
        /// Id of the key.
        key: Hash,
    },
    /// It is not over these bytes, or not by this key.
    #[error("the signature by key {key} does not verify")]
    Invalid {
        /// Id of the key.
        key: Hash,
    },
    /// The signed bytes cannot be read, so that they name no signer.
    #[error("what is signed cannot be read")]
    Unreadable,
}

impl PublicKey {
    /// The key in these bytes.
    ///
    /// # Errors
    /// When they are not as many as the algorithm has.
    pub fn parse(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, String> {
        let wrong = || format!("{} bytes where {} belong", bytes.len(), algorithm.key_len());
        match algorithm {
            Algorithm::Ed25519 => bytes.try_into().map(Self::Ed25519).map_err(|_| wrong()),
            Algorithm::MlDsa44 if bytes.len() == algorithm.key_len() => {
                Ok(Self::MlDsa44(bytes.to_vec()))
            }
            Algorithm::MlDsa44 => Err(wrong()),
        }
    }

    /// Its algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::Ed25519,
            Self::MlDsa44(_) => Algorithm::MlDsa44,
        }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(bytes) => bytes,
            Self::MlDsa44(bytes) => bytes,
        }
    }

    /// Its id: SHA-256("detente/key/v1\0" || algorithm byte || public key).
    pub fn id(&self) -> Hash {
        Hash::of(&[KEY_LABEL, &[self.algorithm().number()], self.as_bytes()])
    }

    /// Proves that one of `signatures` was made with this key over `payload`.
    ///
    /// # Errors
    /// When none names this key, or the one that does is not over these bytes.
    pub fn verify(
        &self,
        payload_type: &str,
        payload: &[u8],
        signatures: &[Signature],
    ) -> Result<(), BadSignature> {
        let key = self.id();
        let made = signatures
            .iter()
            .find(|made| made.key_id == key && made.algorithm == self.algorithm())
            .ok_or(BadSignature::Absent { key })?;
        let algorithm: &'static dyn VerificationAlgorithm = match self {
            Self::Ed25519(_) => &ED25519,
            Self::MlDsa44(_) => &ML_DSA_44,
        };
        UnparsedPublicKey::new(algorithm, self.as_bytes())
            .verify(&pae(payload_type, payload), &made.bytes)
            .map_err(|_| BadSignature::Invalid { key })
    }
}

/// A private signing key (Ed25519). It has no `Debug`; the library wipes it when it is dropped.
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// The key with this seed (RFC 8032, section 5.1.5: 32 secret random bytes).
    ///
    /// # Panics
    /// Never: every 32 bytes are a seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed)
            .expect("every 32 bytes are an Ed25519 seed");
        Self { pair }
    }

    /// The public half.
    ///
    /// # Panics
    /// Never: an Ed25519 public key has 32 bytes.
    pub fn public(&self) -> PublicKey {
        let bytes = self.pair.public_key().as_ref();
        PublicKey::Ed25519(bytes.try_into().expect("an Ed25519 public key has 32 bytes"))
    }

    /// Signs `payload` as a `payload_type`.
    pub fn sign(&self, payload_type: &str, payload: &[u8]) -> Signature {
        Signature {
            key_id: self.public().id(),
            algorithm: Algorithm::Ed25519,
            bytes: self.pair.sign(&pae(payload_type, payload)).as_ref().to_vec(),
        }
    }
}

/// Proves that `key` is the one that a stored header names and that it signed the header, and the
/// same of the approver's, where the header names one.
///
/// # Errors
/// When either is not so, an approver is named and no key is given, or the header cannot be read.
pub fn verify_header(
    header: &[u8],
    signatures: &[Signature],
    key: &PublicKey,
    approver: Option<&PublicKey>,
) -> Result<(), BadSignature> {
    let statement = super::parse_header(header).map_err(|_| BadSignature::Unreadable)?;
    verify_statement(&statement, header, signatures, key, approver)
}

/// As [`verify_header`], for a header that has been read.
pub(super) fn verify_statement(
    statement: &Statement,
    header: &[u8],
    signatures: &[Signature],
    key: &PublicKey,
    approver: Option<&PublicKey>,
) -> Result<(), BadSignature> {
    let named = |key: &PublicKey, named: Hash| {
        let id = key.id();
        if id == named { Ok(()) } else { Err(BadSignature::OtherKey { key: id }) }
    };
    named(key, statement.signer_key)?;
    key.verify(HEADER_TYPE, header, signatures)?;
    let Approval::By { key: second, .. } = statement.approval else { return Ok(()) };
    let approver = approver.ok_or(BadSignature::Absent { key: second })?;
    named(approver, second)?;
    approver.verify(HEADER_TYPE, header, signatures)
}

/// Reads the signatures of a header: 1 to [`SIGNATURES_MAX`], one by each key, an ML-DSA-44 one
/// never alone.
pub(super) fn parse_signatures(
    field: &str,
    signatures: Vec<wire::Signature>,
) -> Result<Vec<Signature>, Malformed> {
    let count = signatures.len();
    check((1..=SIGNATURES_MAX).contains(&count), field, || {
        format!("{count} where 1 to {SIGNATURES_MAX} belong")
    })?;
    let mut read: Vec<Signature> = Vec::with_capacity(count);
    for (i, signature) in signatures.into_iter().enumerate() {
        let field = format!("{field}[{i}]");
        let signature = Signature::from_wire(&field, signature)?;
        check(read.iter().all(|other| other.key_id != signature.key_id), field, || {
            format!("a second signature by key {}", signature.key_id)
        })?;
        read.push(signature);
    }
    check(read.iter().any(|made| made.algorithm == Algorithm::Ed25519), field, || {
        "no Ed25519 signature among them".to_owned()
    })?;
    Ok(read)
}

/// The pre-authentication encoding of DSSE (secure-systems-lab/dsse, protocol.md): it keeps a
/// payload of one type from being taken for one of another.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoded =
        format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    encoded.extend_from_slice(payload);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    #[test]
    fn the_encoding_is_the_one_of_the_protocol() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn ed25519_answers_as_rfc_8032_section_7_1_says() {
        let hex = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
        let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let public = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        let key = SigningKey::from_seed(seed.try_into().unwrap());
        assert_eq!(key.public().as_bytes(), public);
        let signature = key.pair.sign(b"");
        assert_eq!(
            HEXLOWER.encode(signature.as_ref()),
            concat!(
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb88215",
                "90a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            )
        );
    }

    #[test]
    fn a_signature_holds_for_its_type_its_bytes_and_its_key() {
        let key = SigningKey::from_seed([7; 32]);
        let made = [key.sign(HEADER_TYPE, b"header")];
        let public = key.public();
        assert_eq!(public.verify(HEADER_TYPE, b"header", &made), Ok(()));
        let invalid = Err(BadSignature::Invalid { key: public.id() });
        assert_eq!(public.verify(GENESIS_TYPE, b"header", &made), invalid);
        assert_eq!(public.verify(HEADER_TYPE, b"heade", &made), invalid);
        let other = SigningKey::from_seed([8; 32]).public();
        let absent = Err(BadSignature::Absent { key: other.id() });
        assert_eq!(other.verify(HEADER_TYPE, b"header", &made), absent);
    }

    #[test]
    fn keys_can_be_shared_between_threads() {
        const fn shared<T: Send + Sync>() {}
        const { shared::<SigningKey>() };
        const { shared::<crate::envelope::DecryptionKey>() };
    }

    #[test]
    fn ml_dsa_44_is_verified_too() {
        use aws_lc_rs::signature::{ML_DSA_44_SIGNING, PqdsaKeyPair};
        let pair = PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, &[9; 32]).unwrap();
        let public = PublicKey::parse(Algorithm::MlDsa44, pair.public_key().as_ref()).unwrap();
        let mut bytes = vec![0; Algorithm::MlDsa44.signature_len()];
        let written = pair.sign(&pae(HEADER_TYPE, b"header"), &mut bytes).unwrap();
        assert_eq!(written, bytes.len());
        let made = Signature { key_id: public.id(), algorithm: Algorithm::MlDsa44, bytes };
        assert_eq!(public.verify(HEADER_TYPE, b"header", std::slice::from_ref(&made)), Ok(()));
        assert!(public.verify(HEADER_TYPE, b"other", &[made]).is_err());
    }
}
