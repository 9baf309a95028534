//! Text from elsewhere, made safe for a terminal.
//!
//! Not for deciding what is shown. No control character, and nothing that turns the direction of
//! writing, reaches a terminal: each is shown by its number instead.

/// The text with everything harmful shown by number; line breaks stay.
pub(super) fn clean(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '\n' && is_harmful(character) {
            shown.push_str(&format!("\\u{{{:x}}}", u32::from(character)));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The same on one line.
pub(super) fn clean_line(text: &str) -> String {
    clean(text).replace('\n', " \u{21b5} ")
}

/// JSON with everything harmful escaped, also what JSON itself would let through.
pub(super) fn clean_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if character != '\n' && is_harmful(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Control characters (C0, DEL, C1), line and paragraph separators, marks and overrides of the
/// direction of writing, invisible characters that hide text, and tags.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_harmful_passes() {
        let cases = [
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\rb", "a\\u{d}b"),
            ("\u{202e}gpj.exe", "\\u{202e}gpj.exe"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("tab\there", "tab\\u{9}here"),
            ("héé 東京 \u{1f600}", "héé 東京 \u{1f600}"),
            ("two\nlines", "two\nlines"),
        ];
        for (text, shown) in cases {
            assert_eq!(clean(text), shown);
        }
        assert_eq!(clean_line("two\nlines"), "two \u{21b5} lines");
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({ "text": "\u{1b}\u{9b}\u{202e}\u{e0041}\u{7f}ü" });
        let shown = clean_json(&value.to_string());
        assert!(shown.chars().all(|c| c == '\n' || !is_harmful(c)), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
