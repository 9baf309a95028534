//! The forms that officers fill in, and whether they say enough.
//!
//! Not for the rules about who may send which.

use super::words::RequestType;
use super::{Act, Malformed, RequestFacts};
use crate::wire::detente::form::v1::Body;

/// Why a filled form is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{malformed}")]
pub struct Unfit {
    /// The line of the form, from 1, where there is one.
    pub line: Option<usize>,
    /// The field, and why.
    pub malformed: Malformed,
}

/// Whether `body` is the form that `act` needs, and says enough.
///
/// # Errors
/// Every field that is missing or not what it should be.
pub fn check(_act: &Act, _request: &RequestFacts, _body: &Body) -> Result<(), Vec<Malformed>> {
    Ok(())
}

/// The form for reading: label and value of every field that is filled in.
pub fn lines(_body: &Body) -> Vec<(String, String)> {
    Vec::new()
}

/// The form as JSON: every field that is filled in.
pub fn json(_body: &Body) -> serde_json::Value {
    serde_json::Value::Null
}

/// The form of a new request, from the TOML that an officer filled in; checked.
///
/// # Errors
/// Everything that is wrong, with the line.
pub fn from_toml(_text: &str, _request: &RequestFacts) -> Result<Body, Vec<Unfit>> {
    Ok(Body::default())
}

/// An empty TOML form to fill in.
pub fn template(_kind: RequestType) -> String {
    String::new()
}
