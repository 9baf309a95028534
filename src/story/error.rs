//! Where a story cannot be understood: file, line, word, and what may have been meant.
//!
//! Not for expectations that did not hold (see `play.rs`).

use std::fmt;

/// A story that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The word of the line, from 1; 0 for the whole line.
    pub word: usize,
    /// What is wrong, and what may have been meant.
    pub why: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.file, self.line)?;
        if self.word > 0 {
            write!(f, ", word {}", self.word)?;
        }
        write!(f, ": {}", self.why)
    }
}

impl std::error::Error for Unreadable {}

/// "; did you mean ...", when one of the known words is near.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = known
        .into_iter()
        .map(|other| (distance(word, other), other))
        .filter(|(far, other)| *far <= 1 + other.len() / 4)
        .min();
    near.map(|(_, other)| format!("; did you mean {other:?}?")).unwrap_or_default()
}

/// Letters to change, add or leave out between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (up, y) in row.iter().skip(1).zip(&b) {
            let changed = diagonal + usize::from(x != *y);
            left = changed.min(*up + 1).min(left + 1);
            diagonal = *up;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_proposed_and_what_is_far_is_not() {
        let verbs = ["acknowledges", "accepts", "closes"];
        assert_eq!(did_you_mean("acknowleges", verbs), "; did you mean \"acknowledges\"?");
        assert_eq!(did_you_mean("close", verbs), "; did you mean \"closes\"?");
        assert_eq!(did_you_mean("sings", verbs), "");
        assert_eq!((distance("kitten", "sitting"), distance("", "ab")), (3, 2));
    }
}
