//! One line of a story as words with their numbers, and the few shapes that words have: moments,
//! spans, lists, quotations.
//!
//! Not for what a line means (see `read.rs` and `expect.rs`).

use crate::units::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp};

/// A line, cut into words; a quotation is one word.
#[derive(Debug, Clone)]
pub(super) struct Words<'a> {
    words: Vec<&'a str>,
    at: usize,
    names: Vec<Named>,
}

/// A name that a line says, by the number of its word from 1. Whether it is known is looked up when
/// the whole line has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) word: usize,
    pub(super) whose: Whose,
    pub(super) name: String,
}

/// What a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// A desk, as "NL" or "NL/cyber".
    Desk,
    /// A request that a step above has made.
    Request,
}

/// What is wrong with a word, by its number from 1; 0 for the whole line.
pub(super) type Wrong = (usize, String);

impl<'a> Words<'a> {
    /// The words of a line.
    pub(super) fn of(line: &'a str) -> Self {
        Self { words: split(line), at: 0, names: Vec::new() }
    }

    /// The number of the next word.
    pub(super) const fn number(&self) -> usize {
        self.at + 1
    }

    /// The next word, without taking it.
    pub(super) fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }

    /// The next word.
    ///
    /// # Errors
    /// When there is none: says what was expected.
    pub(super) fn take(&mut self, what: &str) -> Result<&'a str, Wrong> {
        let word = self.peek().ok_or_else(|| (self.number(), format!("{what} is missing")))?;
        self.at += 1;
        Ok(word)
    }

    /// The next word, which names a request; commas and a colon after it are not of the name.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn request(&mut self) -> Result<String, Wrong> {
        let name = self.take("a request")?.trim_end_matches([',', ':']).to_owned();
        self.says(self.at, Whose::Request, &name);
        Ok(name)
    }

    /// The word of this number says a name.
    pub(super) fn says(&mut self, word: usize, whose: Whose, name: &str) {
        self.names.push(Named { word, whose, name: name.to_owned() });
    }

    /// The names that were said so far.
    pub(super) fn names(self) -> Vec<Named> {
        self.names
    }

    /// The number of the last word of the line.
    pub(super) const fn last(&self) -> usize {
        self.words.len()
    }

    /// Takes these words if they come next.
    pub(super) fn eat(&mut self, phrase: &str) -> bool {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        let next = self.words.get(self.at..self.at + phrase.len());
        let found = next.is_some_and(|next| next == phrase.as_slice());
        if found {
            self.at += phrase.len();
        }
        found
    }

    /// What is wrong with the word that was taken last.
    pub(super) fn wrong<T>(&self, why: impl Into<String>) -> Result<T, Wrong> {
        Err((self.at, why.into()))
    }

    /// All that is left, as it was written but for the spaces.
    pub(super) fn rest(&mut self) -> String {
        let rest = self.words.get(self.at..).unwrap_or_default().join(" ");
        self.at = self.words.len();
        rest
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// When something is.
    pub(super) fn end(&self) -> Result<(), Wrong> {
        match self.peek() {
            None => Ok(()),
            Some(word) => Err((self.number(), format!("{word:?} is one word too many"))),
        }
    }
}

fn split(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let end = match rest.strip_prefix('"').and_then(|inner| inner.find('"')) {
            Some(close) => close + 2,
            None => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at(end);
        words.push(word);
        rest = after.trim_start();
    }
    words
}

/// A span, as "40m", "3h", "60d", "1d2h30m"; milliseconds.
pub(super) fn span(text: &str) -> Option<i64> {
    let mut total = 0_i64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (count, after) = rest.split_at(digits);
        let unit = after.chars().next()?;
        let ms = match unit {
            's' => 1_000,
            'm' => MINUTE_MS,
            'h' => HOUR_MS,
            'd' => DAY_MS,
            _ => return None,
        };
        let count: u32 = count.parse().ok()?;
        total = total.checked_add(i64::from(count).checked_mul(ms)?)?;
        rest = after.get(unit.len_utf8()..)?;
    }
    (!text.is_empty()).then_some(total)
}

/// A moment of the story: "T", "T+40m", "T-24h", "D+45"; milliseconds from its T.
pub(super) fn story_moment(text: &str) -> Option<i64> {
    let (day, rest) = match text.strip_prefix('T') {
        Some(rest) => (false, rest),
        None => (true, text.strip_prefix('D')?),
    };
    let (sign, distance) = match (rest.strip_prefix('+'), rest.strip_prefix('-')) {
        (Some(distance), _) => (1, distance),
        (None, Some(distance)) => (-1, distance),
        (None, None) => return rest.is_empty().then_some(0),
    };
    if distance == "0" {
        return Some(0);
    }
    let days = || distance.parse::<u32>().ok().map(|days| i64::from(days) * DAY_MS);
    let ms = if day {
        days().or_else(|| span(&format!("{distance}d")).or(span(distance)))
    } else {
        span(distance)
    };
    ms.map(|ms| sign * ms)
}

/// When something is: "+3h" from the step, a moment of the story, or RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// So many milliseconds after the step.
    After(i64),
    /// So many milliseconds after T.
    Story(i64),
    /// At this moment.
    At(Timestamp),
}

impl When {
    /// The moment, for a step at `now` of a story that begins at `start`.
    pub(super) const fn moment(self, start: Timestamp, now: Timestamp) -> Timestamp {
        match self {
            Self::After(ms) => now.plus_ms(ms),
            Self::Story(ms) => start.plus_ms(ms),
            Self::At(moment) => moment,
        }
    }
}

/// Reads when something is.
pub(super) fn when(text: &str) -> Option<When> {
    if let Some(distance) = text.strip_prefix('+') {
        return span(distance).map(When::After);
    }
    story_moment(text).map(When::Story).or_else(|| moment(text).map(When::At))
}

/// RFC 3339; the seconds may be left out.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let with_seconds = text.replacen('Z', ":00Z", 1);
    text.parse().ok().or_else(|| with_seconds.parse().ok())
}

/// The inside of a quotation; none when it is not one.
pub(super) fn unquoted(word: &str) -> Option<&str> {
    word.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_numbered_and_quotations_are_one() {
        let mut words = Words::of("  expect NL reads \"a b\" in A ");
        assert!(words.eat("expect NL") && !words.eat("writes"));
        assert_eq!(words.take("a verb").unwrap(), "reads");
        assert_eq!(unquoted(words.take("a text").unwrap()), Some("a b"));
        assert_eq!(words.number(), 5);
        assert_eq!(words.rest(), "in A");
        assert_eq!(words.take("more").unwrap_err(), (7, "more is missing".to_owned()));
    }

    #[test]
    fn moments_are_read() {
        let cases = [
            ("T", Some(0)),
            ("T+0", Some(0)),
            ("T+40m", Some(40 * MINUTE_MS)),
            ("T-24h", Some(-DAY_MS)),
            ("T+1d2h30m", Some(DAY_MS + 2 * HOUR_MS + 30 * MINUTE_MS)),
            ("D+45", Some(45 * DAY_MS)),
            ("D-7", Some(-7 * DAY_MS)),
            ("D+45d12h", Some(45 * DAY_MS + 12 * HOUR_MS)),
            ("T+", None),
            ("T+4", None),
            ("T+4w", None),
            ("Tomorrow", None),
            ("+3h", None),
        ];
        for (text, ms) in cases {
            assert_eq!(story_moment(text), ms, "{text}");
        }
        assert_eq!(when("+3h"), Some(When::After(3 * HOUR_MS)));
        assert_eq!(when("2016-02-06T07:30Z"), when("2016-02-06T07:30:00Z"));
        assert!(when("2016-02-06T07:30Z").is_some() && when("noon").is_none());
    }
}
