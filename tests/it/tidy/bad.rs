//! Something bad for every check, so that none of them is blind, and something good beside it.
//!
//! Not about the repository: these files exist only here.

use super::Source;
use super::checks;

const LIB: &str = "//! The library as a list.
pub mod units;
pub mod wire;
pub mod envelope;
pub mod rules;
pub mod tables;
pub mod relay;
pub mod grpc;
pub mod cli;
";

/// A path and a text.
type File = (&'static str, &'static str);

/// A check, a file that it must complain about, and one that it must accept.
type Case = (fn(&[Source]) -> Vec<String>, File, File);

const CASES: [Case; 25] = [
    (
        checks::arrows,
        ("src/rules/mod.rs", "use crate::relay::Relay;"),
        ("src/relay/mod.rs", "use crate::rules::State;"),
    ),
    (
        checks::arrows,
        ("src/rules/mod.rs", "use crate::{units::Index, grpc};"),
        ("src/rules/mod.rs", "use crate::{units::{Index, Hash}, envelope};"),
    ),
    (
        checks::arrows,
        ("src/rules/mod.rs", "use crate::{\n    units::Index,\n    grpc::client,\n};"),
        ("src/grpc/mod.rs", "use crate::{\n    units::Index,\n    rules::State,\n};"),
    ),
    (
        checks::arrows,
        ("src/rules/state.rs", "    let x = crate::cli::run();"),
        (
            "src/cli/state.rs",
            "    // crate::nowhere is a comment\n    let x = crate::rules::run();",
        ),
    ),
    (
        checks::arrows,
        ("src/rules/state.rs", "use super::super::relay::Relay;"),
        (
            "src/rules/state.rs",
            "use super::Relay;\n#[cfg(test)]\nmod tests {\n    use super::super::X;",
        ),
    ),
    (checks::arrows, ("src/stray/mod.rs", ""), ("src/units.rs", "")),
    (
        checks::purity,
        ("src/rules/x.rs", "let now = std::time::Instant::now();"),
        ("src/relay/x.rs", "let now = std::time::Instant::now();"),
    ),
    (
        checks::purity,
        ("src/envelope/x.rs", "tracing::info!(\"x\");"),
        ("src/envelope/x.rs", "// tracing is not for here\nlet retracing = 1;"),
    ),
    (
        checks::purity,
        ("src/tlog/x.rs", "let bytes = std::fs::read(path);"),
        ("src/tlog/x.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    use std::fs::read;\n}"),
    ),
    (
        checks::relay_opens_nothing,
        ("src/relay/x.rs", "use crate::envelope::DecryptionKey;"),
        ("src/desk/x.rs", "use crate::envelope::DecryptionKey;"),
    ),
    (
        checks::edges_do_not_append,
        ("src/grpc/x.rs", "journal.append(next, &batch)?;"),
        ("src/relay/x.rs", "journal.append(next, &batch)?;"),
    ),
    (
        checks::edges_do_not_append,
        ("src/cli/x.rs", "fn f(journal: &mut dyn Journal) {}"),
        ("src/cli/x.rs", "fn f(reader: &dyn Reader) {}"),
    ),
    (
        checks::rules_consult_nothing,
        ("src/rules/x.rs", "use crate::tables::Tables;"),
        ("src/rules/x.rs", "let the_tables_of_law = 12;"),
    ),
    (
        checks::generated_types,
        ("src/relay/x.rs", "use crate::wire::detente::desk::v1 as api;"),
        ("src/grpc/x.rs", "use crate::wire::detente::desk::v1 as api;"),
    ),
    (
        checks::generated_types,
        ("src/rules/x.rs", "use crate::wire::detente::{\n    form::v1::Body,\n};"),
        ("src/envelope/x.rs", "use crate::wire::detente::{form::v1::Body, envelope::v1 as wire};"),
    ),
    (
        checks::generated_types,
        ("src/envelope/x.rs", "use crate::wire::detente::journal::v1 as stored;"),
        ("src/codec/x.rs", "use crate::wire::detente::journal::v1 as stored;"),
    ),
    (
        checks::headers,
        ("src/rules/x.rs", "use x;"),
        ("src/rules/x.rs", "//! What it is for, here.\n//!\n//! Not for that."),
    ),
    (
        checks::headers,
        ("src/rules/x.rs", "//! What it is for, here."),
        ("tests/it/x.rs", "//! What it is for, here."),
    ),
    (
        checks::silenced,
        ("src/rules/x.rs", "#[allow(dead_code)]"),
        ("src/rules/x.rs", "#[expect(dead_code, reason = \"x\")]"),
    ),
    (
        checks::silenced,
        ("src/rules/x.rs", "let x = y.unwrap();"),
        ("src/rules/x.rs", "x();\n#[cfg(test)]\nmod tests {\n    let x = y.unwrap();\n}"),
    ),
    (checks::unlisted, ("src/rules/x.rs", ""), ("src/units.rs", "")),
    (
        checks::unlisted,
        ("src/units.rs", concat!("#[cfg(", "any())]\nfn f() {}")),
        ("src/units.rs", "#[cfg(test)]\nfn f() {}"),
    ),
    (
        checks::unread_keys,
        ("src/config/relay.rs", "#[derive(Deserialize)]\npub struct A {\n    pub idle_ms: u64,\n}"),
        ("src/config/relay.rs", "#[derive(Debug)]\npub struct A {\n    pub idle_ms: u64,\n}"),
    ),
    (checks::sizes, ("proto/x.proto", LONG_LINE), ("README.md", LONG_LINE)),
    (
        checks::machine_paths,
        ("README.md", concat!("cd /wo", "rk/here")),
        ("README.md", "cd work/here"),
    ),
];

const LONG_LINE: &str = "// 3456789 123456789 123456789 123456789 123456789 123456789 123456789 \
                         123456789 123456789 1234567890";

#[test]
fn every_check_can_fail() {
    for (number, (check, bad, good)) in CASES.iter().enumerate() {
        let complaints = |(path, text): &(&str, &str)| {
            let mut sources = vec![Source::new("src/lib.rs", LIB)];
            sources.push(Source::new(path, text));
            check(&sources)
        };
        assert!(!complaints(bad).is_empty(), "case {number} is blind to {bad:?}");
        assert!(complaints(good).is_empty(), "case {number}: {:?}", complaints(good));
    }
}

#[test]
fn long_files_and_what_is_left_for_later_are_seen() {
    let long = Source::new("src/x.rs", &"\n".repeat(601));
    assert_eq!(checks::sizes(&[long]).len(), 1);
    for word in [["TO", "DO"].concat(), ["FIX", "ME"].concat()] {
        let source = Source::new("src/x.rs", &format!("// {word}: later"));
        assert_eq!(checks::left_for_later(&[source]).len(), 1);
    }
}
