//! Stands in for what `envelope/` does not have yet. Goes as soon as it does.

use crate::envelope::Statement;
use crate::envelope::genesis::Genesis;
use crate::units::Hash;
use crate::wire::detente::envelope::v1 as wire;

/// See `envelope::Malformed`.
#[derive(Debug)]
pub struct Malformed {
    /// Field.
    pub field: String,
    /// Why.
    pub why: String,
}

/// See `envelope::Signature`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Key.
    pub key_id: Hash,
    /// Algorithm.
    pub algorithm: wire::SignatureAlgorithm,
    /// Bytes.
    pub bytes: Vec<u8>,
}

impl Signature {
    /// To wire.
    pub fn to_wire(&self) -> wire::Signature {
        wire::Signature {
            key_id: self.key_id.0.to_vec(),
            algorithm: self.algorithm.into(),
            signature: self.bytes.clone(),
        }
    }

    /// From wire.
    ///
    /// # Errors
    /// Malformed.
    pub fn from_wire(wire: wire::Signature) -> Result<Self, Malformed> {
        let algorithm = wire.algorithm();
        let key_id = Hash::from_slice(&wire.key_id)
            .map_err(|e| Malformed { field: "key_id".into(), why: e.to_string() })?;
        Ok(Self { key_id, algorithm, bytes: wire.signature })
    }
}

/// See `envelope::parse_header`.
///
/// # Errors
/// Always.
pub fn parse_header(_: &[u8]) -> Result<Statement, Malformed> {
    Err(Malformed { field: "header".into(), why: "to come".into() })
}

/// See `envelope::genesis::parse`.
///
/// # Errors
/// Always.
pub fn parse(_: &[u8]) -> Result<Genesis, Malformed> {
    Err(Malformed { field: "genesis".into(), why: "to come".into() })
}
