//! Where output goes: data to standard output, messages to standard error.
//!
//! Not for what is said. Data is JSON when asked for, else text; colours only on a terminal and
//! without `NO_COLOR`; everything is cleaned on its way out.

use std::io::{self, IsTerminal as _, Write};

use serde_json::Value;

use super::clean::{clean, clean_json};

/// The two streams, and how they are to be written to.
pub struct Screen {
    json: bool,
    colour: bool,
    data: Box<dyn Write>,
    messages: Box<dyn Write>,
}

impl Screen {
    /// The process's own streams.
    pub fn of_process(json: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self {
            json,
            colour: !json && !plain && io::stdout().is_terminal(),
            data: Box::new(io::stdout()),
            messages: Box::new(io::stderr()),
        }
    }

    /// True when data is to be JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// The pen for text of this screen.
    pub fn pen(&self) -> Pen {
        Pen { colour: self.colour }
    }

    /// Text that [`Pen`] has made: data, cleaned by whoever put it together.
    ///
    /// # Errors
    /// When the stream does not take it.
    pub fn text(&mut self, painted: &str) -> io::Result<()> {
        let written = self.data.write_all(painted.as_bytes()).and_then(|()| self.data.flush());
        written.map_err(|error| io::Error::new(error.kind(), format!("standard output: {error}")))
    }

    /// One JSON document, on as many lines as it needs.
    ///
    /// # Errors
    /// When the stream does not take it.
    pub fn document(&mut self, value: &Value) -> io::Result<()> {
        self.text(&format!("{}\n", clean_json(&format!("{value:#}"))))
    }

    /// One JSON document of a stream of them, on one line.
    ///
    /// # Errors
    /// When the stream does not take it.
    pub fn line(&mut self, value: &Value) -> io::Result<()> {
        self.text(&format!("{}\n", clean_json(&value.to_string())))
    }

    /// A message to the person at the terminal. Lost if nobody can take it: it is not data.
    pub fn message(&mut self, text: &str) {
        if writeln!(self.messages, "{}", clean(text)).is_err() {
            self.messages = Box::new(io::sink());
        }
    }
}

/// Cleans and colours text.
#[derive(Debug, Clone, Copy)]
pub struct Pen {
    colour: bool,
}

/// How a piece of text is to look. Never the only sign of anything: the words say it as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// As it is.
    Plain,
    /// A heading.
    Bold,
    /// Less important.
    Faint,
    /// Good.
    Green,
    /// Mind this.
    Yellow,
    /// Act on this.
    Red,
}

impl Pen {
    /// A pen without colours.
    pub const PLAIN: Self = Self { colour: false };

    /// The text, cleaned, on one line, in `ink`.
    pub fn write(self, ink: Ink, text: &str) -> String {
        let text = super::clean::clean_line(text);
        let code = match ink {
            Ink::Plain => return text,
            Ink::Bold => "1",
            Ink::Faint => "2",
            Ink::Green => "32",
            Ink::Yellow => "33",
            Ink::Red => "1;31",
        };
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text }
    }

    /// Rows under a heading, each column as wide as its widest cell; the last is not padded.
    pub fn table(self, heading: &[&str], rows: &[Vec<(Ink, String)>]) -> String {
        let width = |text: &str| super::clean::clean_line(text).chars().count();
        let mut widths: Vec<usize> = heading.iter().map(|text| width(text)).collect();
        for row in rows {
            for (at, (_, cell)) in row.iter().enumerate() {
                if let Some(widest) = widths.get_mut(at) {
                    *widest = (*widest).max(width(cell));
                }
            }
        }
        let head: Vec<(Ink, String)> =
            heading.iter().map(|text| (Ink::Faint, (*text).to_owned())).collect();
        let mut text = String::new();
        for row in std::iter::once(&head).chain(rows) {
            for (at, (ink, cell)) in row.iter().enumerate() {
                text.push_str(&self.write(*ink, cell));
                if at + 1 < row.len() {
                    let widest = widths.get(at).copied().unwrap_or_default();
                    text.push_str(&" ".repeat(widest - width(cell).min(widest) + 2));
                }
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_standard_output_does_not_take_is_said_to_be_of_standard_output() {
        let full: Box<dyn Write> =
            Box::new(std::fs::File::options().write(true).open("/dev/full").unwrap());
        let mut screen = Screen { data: full, ..Screen::of_process(false) };
        let refused = screen.text("data").unwrap_err();
        assert!(refused.to_string().starts_with("standard output: "), "{refused}");
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_table_lines_up_with_and_without_colours() {
        let rows = vec![
            vec![(Ink::Red, "EMERGENCY".to_owned()), (Ink::Plain, "NL/cyber".to_owned())],
            vec![(Ink::Plain, "a\u{1b}".to_owned()), (Ink::Plain, "RO/cyber".to_owned())],
        ];
        let plain = Pen::PLAIN.table(&["URGENCY", "FROM"], &rows);
        assert_eq!(plain, "URGENCY    FROM\nEMERGENCY  NL/cyber\na\\u{1b}    RO/cyber\n");
        let painted = Pen { colour: true }.table(&["URGENCY", "FROM"], &rows);
        let stripped: String = painted
            .split('\u{1b}')
            .enumerate()
            .map(|(i, part)| if i == 0 { part } else { part.split_once('m').unwrap().1 })
            .collect();
        assert_eq!(stripped, plain);
    }
}
