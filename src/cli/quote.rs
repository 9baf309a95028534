//! Paths in commands that are printed to be copied into a shell.
//!
//! Not for paths in messages, and not against a terminal (see `clean.rs`).

use std::path::Path;

/// The path as one word of a POSIX shell: as it is where nothing in it means anything there.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:=@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_means_something_to_a_shell_is_quoted() {
        let cases = [
            ("/tmp/detente-demo-1/a_b+c,d:e=f@g%h", "/tmp/detente-demo-1/a_b+c,d:e=f@g%h"),
            ("my net/relay.toml", "'my net/relay.toml'"),
            ("it's", r"'it'\''s'"),
            ("$HOME/*;~", "'$HOME/*;~'"),
            ("netz-für-alle", "'netz-für-alle'"),
            ("", "''"),
        ];
        for (path, word) in cases {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }
}
