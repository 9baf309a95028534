//! Pages (AIP-158): how many, and where the next one begins.
//!
//! Not a permission: whoever asks for a page is checked as for the first one. A token names its
//! query, so that it cannot be used with another one by mistake.

use data_encoding::BASE64URL_NOPAD;

use super::trouble::Trouble;

/// Rows on a page when the caller does not say.
pub const PAGE_SIZE_DEFAULT: usize = 50;
/// Rows on a page at most; more is taken as this.
pub const PAGE_SIZE_MAX: usize = 500;

/// The longest token that is looked at, in characters.
const TOKEN_CHARACTERS_MAX: usize = 256;

/// Reads `page_size`.
pub(super) fn size(asked: i32) -> Result<usize, Trouble> {
    match usize::try_from(asked) {
        Ok(0) => Ok(PAGE_SIZE_DEFAULT),
        Ok(asked) => Ok(asked.min(PAGE_SIZE_MAX)),
        Err(_) => Err(Trouble::Field {
            field: "page_size".to_owned(),
            why: format!("{asked} is negative"),
        }),
    }
}

/// The token of the page that begins after, or at, `place`.
pub(super) fn token(query: &str, place: &str) -> String {
    BASE64URL_NOPAD.encode(format!("{query}\n{place}").as_bytes())
}

/// The place in a token of `query`; none for the first page.
pub(super) fn place<P: std::str::FromStr>(query: &str, text: &str) -> Result<Option<P>, Trouble> {
    if text.is_empty() {
        return Ok(None);
    }
    let read = || {
        if text.len() > TOKEN_CHARACTERS_MAX {
            return None;
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (found, place) = std::str::from_utf8(&bytes).ok()?.split_once('\n')?;
        if found == query { place.parse().ok() } else { None }
    };
    read().map(Some).ok_or_else(|| bad_token("not the token of a page of this very query"))
}

/// A token that cannot be used.
pub(super) fn bad_token(why: &str) -> Trouble {
    Trouble::Field { field: "page_token".to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_coerced_and_negative_ones_refused() {
        for (asked, wanted) in
            [(0, Some(50)), (1, Some(1)), (500, Some(500)), (501, Some(500)), (i32::MAX, Some(500))]
        {
            assert_eq!(size(asked).ok(), wanted, "{asked}");
        }
        for negative in [-1, i32::MIN] {
            assert_eq!(size(negative).unwrap_err().answer().rule, "E-101");
        }
    }

    #[test]
    fn a_token_reads_back_for_its_own_query_only() {
        let made = token("records NL/cyber", "42");
        assert_eq!(place::<u64>("records NL/cyber", &made), Ok(Some(42)));
        assert_eq!(place::<u64>("records NL/cyber", ""), Ok(None));
        let words = token("records NL/cyber", "x");
        let long = "A".repeat(TOKEN_CHARACTERS_MAX + 1);
        for bad in [words.as_str(), "x", "!!", "AAAA", &long, &made[1..]] {
            assert!(place::<u64>("records NL/cyber", bad).is_err(), "{bad}");
        }
        assert!(place::<u64>("records RO/cyber", &made).is_err());
    }
}
