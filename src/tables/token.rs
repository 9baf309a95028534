//! Page tokens: where the next page begins, in a form that says nothing to its holder.
//!
//! Not a secret and not a permission: whoever asks for a page is checked as for the first one. The
//! checksum keeps a token from being used with another query than the one it came from.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;

use crate::units::{Hash, Unreadable};

/// Length of the checksum in bytes: enough against mistakes, and mistakes are all it is for.
const CHECK_BYTES: usize = 8;
/// The longest token that is looked at, in characters.
const TOKEN_CHARACTERS_MAX: usize = 128;

/// Where the next page of a query begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken {
    /// What distinguishes the last key of the page before from the others of the query.
    after: Vec<u8>,
    check: [u8; CHECK_BYTES],
}

impl PageToken {
    /// The page after `after`, of the query that `prefix` stands for.
    pub(super) fn new(prefix: &[u8], after: &[u8]) -> Self {
        Self { after: after.to_vec(), check: check(prefix, after) }
    }

    /// Reads the token of a page of the query that `prefix` stands for; empty text is the first
    /// page.
    pub(super) fn parse(prefix: &[u8], text: &str) -> Result<Option<Self>, Unreadable> {
        if text.is_empty() {
            return Ok(None);
        }
        let bad = |why: &str| Unreadable::new("page token", why);
        if text.len() > TOKEN_CHARACTERS_MAX {
            return Err(bad("too long to be one of ours"));
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| bad("not one of ours"))?;
        let (found, after) =
            bytes.split_first_chunk::<CHECK_BYTES>().ok_or_else(|| bad("not one of ours"))?;
        if *found != check(prefix, after) {
            return Err(bad("not from a page of this very query; ask for the first page again"));
        }
        Ok(Some(Self { after: after.to_vec(), check: *found }))
    }

    /// The last key of the page before, without the query's prefix.
    pub(super) fn after(&self) -> &[u8] {
        &self.after
    }
}

impl fmt::Display for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.check.as_slice(), &self.after].concat();
        f.write_str(&BASE64URL_NOPAD.encode(&bytes))
    }
}

fn check(prefix: &[u8], after: &[u8]) -> [u8; CHECK_BYTES] {
    // A prefix ends with a byte that is in no name, so no two queries run into each other.
    let hash = Hash::of(&[b"detente/page/v1\0", prefix, after]);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hash.0[..CHECK_BYTES]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_for_its_own_query_only() {
        let token = PageToken::new(b"lNL/cyber\0", b"key");
        let text = token.to_string();
        assert_eq!(PageToken::parse(b"lNL/cyber\0", &text).unwrap(), Some(token));
        assert_eq!(PageToken::parse(b"lNL/cyber\0", "").unwrap(), None);
        assert!(PageToken::parse(b"oNL/cyber\0", &text).is_err());
        let mut flipped = text.into_bytes();
        flipped[4] ^= 1;
        let flipped = String::from_utf8(flipped).unwrap();
        let long = "A".repeat(TOKEN_CHARACTERS_MAX + 1);
        for bad in [flipped.as_str(), "x", "!!!!", "AAAA", &long] {
            assert!(PageToken::parse(b"lNL/cyber\0", bad).is_err(), "{bad}");
        }
    }
}
