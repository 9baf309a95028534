//! Why a bundle proves nothing, and which file of it says so.
//!
//! Not for what to do about it.

/// The first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {why}")]
pub struct Fault {
    /// The file in the bundle; "bundle" for the archive itself.
    pub file: String,
    /// What is wrong with it.
    pub why: String,
}

impl Fault {
    /// `file` is wrong, because of `why`.
    pub fn new(file: impl Into<String>, why: impl ToString) -> Self {
        Self { file: file.into(), why: why.to_string() }
    }
}
