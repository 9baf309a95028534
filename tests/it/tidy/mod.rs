//! The architecture's absences and the style's numbers, held by a test.
//!
//! Not for what clippy and rustc check (function length, `unwrap`, missing documentation): here
//! stands what only this project knows. Each check takes files and gives complaints, so that
//! `bad.rs` can show each of them something bad.

mod bad;
mod checks;

use std::path::{Path, PathBuf};

/// A file of the repository: its path from the root, and its text.
#[derive(Debug, Clone)]
pub(super) struct Source {
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The top-level module under `src/`, as "grpc"; none for other files.
    fn module(&self) -> Option<&str> {
        let inner = self.path.strip_prefix("src/")?;
        let module = inner.split('/').next()?;
        Some(module.strip_suffix(".rs").unwrap_or(module))
    }

    /// How many modules deep the file is: 1 for `src/grpc/mod.rs`, 2 for `src/grpc/parse.rs`.
    fn depth(&self) -> usize {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let parts = inner.split('/').count();
        if inner.ends_with("/mod.rs") { parts - 1 } else { parts }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.ends_with("/tests.rs")
    }

    /// Lines with their numbers from 1, without those that are only comment.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(i, line)| (i + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The same without the module of unit tests at the bottom; nothing of a file of tests.
    fn shipped(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let tests = lines.windows(2).position(|pair| {
            pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
        });
        let end = if self.is_test() { 0 } else { tests.unwrap_or(lines.len()) };
        self.code().filter(move |(number, _)| *number <= end)
    }

    fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// Every file that people wrote.
fn repository() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut pending: Vec<PathBuf> =
        ["src", "tests", "proto", "deploy", ".ci"].iter().map(|part| root.join(part)).collect();
    let files = ["build.rs", "README.md", "Cargo.toml", "clippy.toml", "deny.toml", "buf.yaml"];
    pending.extend(files.iter().map(|file| root.join(file)));
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a directory of ours can be listed");
            pending.extend(entries.flatten().map(|entry| entry.path()));
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            found.push(Source { path, text });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Runs one check over the repository.
fn hold(check: fn(&[Source]) -> Vec<String>) {
    let sources = repository();
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"), "the sources were not found");
    let complaints = check(&sources);
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn a_module_uses_only_modules_above_it() {
    hold(checks::arrows);
}

#[test]
fn the_pure_part_reads_no_clock_disk_socket_or_chance_and_does_not_log() {
    hold(checks::purity);
}

#[test]
fn the_relay_holds_no_key_that_opens_a_body() {
    hold(checks::relay_opens_nothing);
}

#[test]
fn no_edge_writes_the_journal() {
    hold(checks::edges_do_not_append);
}

#[test]
fn no_table_or_view_is_consulted_by_a_rule() {
    hold(checks::rules_consult_nothing);
}

#[test]
fn generated_types_stay_where_they_belong() {
    hold(checks::generated_types);
}

#[test]
fn files_and_lines_are_short() {
    hold(checks::sizes);
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    hold(checks::headers);
}

#[test]
fn no_lint_is_silenced_and_nothing_unwraps() {
    hold(checks::silenced);
}

#[test]
fn nothing_is_left_for_later_without_saying_where() {
    hold(checks::left_for_later);
}

#[test]
fn no_path_of_a_machine_and_no_registry_is_named() {
    hold(checks::machine_paths);
}

#[test]
fn every_module_is_built() {
    hold(checks::unlisted);
}

#[test]
fn every_key_of_the_configuration_has_a_reader() {
    hold(checks::unread_keys);
}
