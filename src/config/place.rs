//! Where in a file something stands, so that a refusal can name line, column and key.
//!
//! Not a TOML parser: it reads text that has been parsed, or that the parser has just refused,
//! and where it cannot tell it names the first line.

/// Line and column, both from 1.
pub(super) type Place = (usize, usize);

/// Where an error of the parser points, and the key concerned, as far as can be told.
pub(super) fn of_error(text: &str, error: &toml::de::Error) -> (Place, String) {
    let offset = error.span().map_or(0, |span| span.start).min(text.len());
    let before = &text.as_bytes()[..offset];
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
    let mut key = key_on(text, line);
    if let Some(missing) = between(error.message(), "missing field `", "`") {
        key = join(&table_at(text, line), missing);
    }
    ((line, column), key)
}

/// Where `key` ("listen.operator") stands: its own line, else its table's, else the first.
pub(super) fn of_key(text: &str, key: &str) -> Place {
    let table = key.rsplit_once('.').map_or(key, |(table, _)| table);
    let lines = || text.lines().enumerate().map(|(i, line)| (i + 1, line));
    let own = lines().filter(|(n, line)| is_entry(line) && key_on(text, *n) == key).last();
    let header = || lines().find(|(_, line)| header_of(line) == Some(table));
    own.or_else(header).map_or((1, 1), |(n, line)| {
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        (n, indent + 1)
    })
}

/// What to do about a message of the parser.
pub(super) fn advice(message: &str) -> &'static str {
    if message.contains("unknown field") {
        "correct the spelling or remove the key; the README lists every key"
    } else if message.contains("missing field") {
        "add the key; the README lists every key with an example"
    } else if message.contains("duplicate key") {
        "keep one of the two"
    } else if message.contains("loopback") {
        "listen on 127.0.0.1 or [::1]; to reach it from afar use a tunnel that has a login"
    } else if message.contains("out of range") {
        "choose a value within the range, or leave the key out for the default"
    } else if message.starts_with("hash: ") {
        "give the 64 lower-case hexadecimal digits that the founding members agreed on"
    } else {
        "correct the value; the README lists every key with an example"
    }
}

fn key_on(text: &str, line: usize) -> String {
    let content = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    match header_of(content) {
        Some(table) => table.to_owned(),
        None if is_entry(content) => {
            let key = content.split('=').next().unwrap_or_default().trim();
            join(&table_at(text, line), key)
        }
        None => table_at(text, line),
    }
}

/// The table that `line` stands in; empty at the top.
fn table_at(text: &str, line: usize) -> String {
    let headers = text.lines().take(line).filter_map(header_of);
    headers.last().unwrap_or_default().to_owned()
}

fn header_of(line: &str) -> Option<&str> {
    let inner = line.trim().strip_prefix('[')?.split(']').next()?;
    Some(inner.trim_start_matches('[').trim())
}

fn is_entry(line: &str) -> bool {
    let line = line.trim_start();
    line.contains('=') && !line.starts_with('#') && !line.starts_with('[')
}

fn join(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}
