//! Comma-separated values (RFC 4180), for spreadsheets.
//!
//! Not for text of people: what is written here are ids, words and numbers, but they come over the
//! network, so that each is cleaned and cannot be taken for a formula.

use super::super::clean::clean_line;

/// One line, with its end.
pub(super) fn line<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|text| cell(text.as_ref())).collect();
    format!("{}\r\n", cells.join(","))
}

fn cell(text: &str) -> String {
    let mut text = clean_line(text);
    if text.starts_with(['=', '+', '-', '@']) {
        text.insert(0, '\'');
    }
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_one_cell_and_no_formula() {
        let cells = ["RO", "", "a,b", "a\"b", "=1+1", "two\nlines", "\u{1b}[2J"];
        let written = line(cells);
        assert_eq!(written, "RO,,\"a,b\",\"a\"\"b\",'=1+1,two \u{21b5} lines,\\u{1b}[2J\r\n");
    }
}
