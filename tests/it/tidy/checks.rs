//! The checks themselves.
//!
//! Not a parser of Rust: each looks for words in lines, and errs on the side of complaining.

use super::Source;

/// The longest file, in lines, and the longest line, in characters.
const FILE_LINES_MAX: usize = 600;
const LINE_CHARS_MAX: usize = 100;

/// Modules whose code must be a function of its arguments.
const PURE: [&str; 3] = ["tlog", "envelope", "rules"];

/// What gives access to a clock, a disk, a socket, chance, the environment or a log.
const IMPURE_WORDS: [&str; 28] = [
    "std::time",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "Zoned::now",
    "std::fs",
    "std::env",
    "std::thread",
    "std::process",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "ToSocketAddrs",
    "tokio",
    "rustix",
    "sled",
    "rand::",
    "getrandom",
    "OsRng",
    "thread_rng",
    "SystemRandom",
    "tracing",
    "log::",
    "println!",
    "print!",
    "eprint",
    "dbg!",
];

/// Where the generated types of each package may be named.
const GENERATED: [(&str, &[&str]); 7] = [
    ("desk", &["src/grpc/"]),
    ("directory", &["src/grpc/"]),
    ("operator", &["src/grpc/"]),
    ("log", &["src/grpc/"]),
    ("journal", &["src/codec/"]),
    ("envelope", &["src/envelope/", "src/codec/", "src/grpc/"]),
    ("form", &["src/envelope/", "src/desk/", "src/grpc/", "src/cli/"]),
];

/// What the relay must not name: the keys that open bodies, and the opening itself.
const OPENING_WORDS: [&str; 4] =
    ["DecryptionKey", "envelope::open", "seal::open", "envelope::OpenError"];

/// What an edge must not name: the handle that writes the journal.
const APPENDING_WORDS: [&str; 5] =
    [".append(", "Journal::append", "journal::Journal", "journal::Batch", "dyn Journal"];

pub(super) fn arrows(sources: &[Source]) -> Vec<String> {
    let order = module_order(sources);
    let place = |module: &str| order.iter().position(|listed| *listed == module);
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let Some(module) = source.module().filter(|m| !["lib", "main"].contains(m)) else {
            continue;
        };
        let Some(own) = place(module) else {
            complaints.push(source.at(1, "its module is not in lib.rs"));
            continue;
        };
        let joined = joined_uses(source);
        for (line, code) in joined.iter().map(|(line, code)| (*line, code.as_str())) {
            for used in named_after(code, "crate::") {
                match place(&used) {
                    Some(at) if at <= own => {}
                    Some(_) => {
                        complaints.push(source.at(line, &format!("{module} is above {used}")));
                    }
                    None if used == "wire" || used.is_empty() => {}
                    None => complaints.push(source.at(line, &format!("crate::{used}?"))),
                }
            }
            let inside = usize::from(code.starts_with(' ') && in_unit_tests(source, line));
            if code.matches("super::").count() > 0
                && longest_super_chain(code) >= source.depth() + inside
            {
                complaints.push(source.at(line, "super leads to the crate's root; say crate::"));
            }
        }
    }
    complaints
}

pub(super) fn purity(sources: &[Source]) -> Vec<String> {
    in_modules(sources, &PURE, &IMPURE_WORDS, "is not a matter for the pure part")
}

pub(super) fn relay_opens_nothing(sources: &[Source]) -> Vec<String> {
    in_modules(sources, &["relay"], &OPENING_WORDS, "opens a body; the relay cannot")
}

pub(super) fn edges_do_not_append(sources: &[Source]) -> Vec<String> {
    let what = "writes the journal; only the relay and the desk's one writer do";
    in_modules(sources, &["grpc", "cli"], &APPENDING_WORDS, what)
}

pub(super) fn rules_consult_nothing(sources: &[Source]) -> Vec<String> {
    let words = ["tables", "views", "sled"];
    in_modules(sources, &["rules"], &words, "is derived; a rule may not ask it")
}

pub(super) fn generated_types(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    let all = sources.iter().filter(|source| source.path.starts_with("src/") && source.is_rust());
    for source in all.filter(|source| source.path != "src/wire.rs") {
        for (line, code) in joined_uses(source) {
            for package in named_after(&code, "wire::detente::") {
                let homes = GENERATED.iter().find(|(name, _)| *name == package);
                let at_home = homes.is_some_and(|(_, homes)| {
                    homes.iter().any(|home| source.path.starts_with(home))
                });
                if !at_home {
                    let what = format!("generated types of {package} do not belong here");
                    complaints.push(source.at(line, &what));
                }
            }
        }
    }
    complaints
}

pub(super) fn sizes(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|s| s.is_rust() || s.path.ends_with(".proto")) {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            complaints.push(source.at(lines, &format!("more than {FILE_LINES_MAX} lines")));
        }
        for (i, line) in source.text.lines().enumerate() {
            if line.chars().count() > LINE_CHARS_MAX {
                let what = format!("more than {LINE_CHARS_MAX} characters");
                complaints.push(source.at(i + 1, &what));
            }
        }
    }
    complaints
}

pub(super) fn headers(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let header: Vec<&str> =
            source.text.lines().take_while(|line| line.starts_with("//!")).collect();
        let first = header.first().copied().unwrap_or_default();
        if first.trim_start_matches("//!").trim().len() < 10 || first.contains("(to come)") {
            complaints.push(source.at(1, "no header that says what the file is for"));
        } else if source.path.starts_with("src/") && !source.is_test() {
            let limits = header.iter().any(|line| line.contains("Not ") || line.contains("not "));
            if !limits && source.path != "src/lib.rs" {
                complaints.push(source.at(1, "the header does not say what the file is not for"));
            }
        }
    }
    complaints
}

pub(super) fn silenced(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust() && !is_this(source)) {
        for (line, code) in source.code() {
            if code.contains("#[allow") || code.contains("#![allow") {
                complaints.push(source.at(line, "say #[expect(.., reason = \"..\")]"));
            }
        }
        for (line, code) in source.shipped() {
            if code.contains(".unwrap()") || code.contains(".unwrap_err()") {
                complaints.push(source.at(line, "unwraps; say why it holds with expect"));
            }
        }
    }
    complaints
}

pub(super) fn left_for_later(sources: &[Source]) -> Vec<String> {
    let words = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["X", "XX"].concat()];
    with_words(sources, &words, "is left for later; open an issue")
}

pub(super) fn machine_paths(sources: &[Source]) -> Vec<String> {
    let words = [
        ["/wo", "rk/"].concat(),
        ["/ro", "ot/"].concat(),
        ["/tmp/", "wt"].concat(),
        ["/ho", "me/"].concat(),
        ["index.", "crates.io"].concat(),
        ["static.", "crates.io"].concat(),
        ["pypi", ".org"].concat(),
        ["registry.", "npmjs"].concat(),
    ];
    with_words(sources, &words, "names a machine's path or a registry's host")
}

pub(super) fn unlisted(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    let rust = || sources.iter().filter(|source| source.is_rust() && source.path.contains('/'));
    for source in rust() {
        let (directory, file) = source.path.rsplit_once('/').unwrap_or_default();
        let (home, name) = match file {
            "lib.rs" | "main.rs" => continue,
            "mod.rs" => directory.rsplit_once('/').unwrap_or_default(),
            _ => (directory, file.strip_suffix(".rs").unwrap_or(file)),
        };
        let parents =
            [format!("{home}/mod.rs"), format!("{home}/lib.rs"), format!("{home}/main.rs")];
        let listed = rust().filter(|parent| parents.contains(&parent.path)).any(|parent| {
            parent.code().any(|(_, line)| {
                let line = line.trim_start_matches("pub ").trim_start_matches("pub(super) ");
                line.trim_start_matches("pub(crate) ") == format!("mod {name};")
            })
        });
        if !listed {
            complaints.push(source.at(1, "no module lists this file, so nothing builds it"));
        }
    }
    let never = ["cfg(", "any())"].concat();
    for source in rust() {
        for (line, code) in source.code().filter(|(_, code)| code.contains(&never)) {
            complaints.push(source.at(line, &format!("{} is never built", code.trim())));
        }
    }
    complaints
}

pub(super) fn unread_keys(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    let outside = sources.iter().filter(|source| {
        source.path.starts_with("src/") && !source.path.starts_with("src/config/")
    });
    let code: String =
        outside.flat_map(|s| s.shipped().map(|(_, line)| format!("{line}\n"))).collect();
    let files = ["src/config/mod.rs", "src/config/relay.rs", "src/config/desk.rs"];
    for source in sources.iter().filter(|source| files.contains(&source.path.as_str())) {
        let mut is_read_from_toml = false;
        for (line, text) in source.code() {
            if text.starts_with("#[derive") {
                is_read_from_toml = text.contains("Deserialize");
            } else if text == "}" {
                is_read_from_toml = false;
            }
            let field = text.strip_prefix("    pub ").and_then(|rest| rest.split_once(": "));
            if let Some((field, _)) = field.filter(|_| is_read_from_toml) {
                let read = [format!(".{field}"), format!("{field},"), format!("{field}:")];
                let is_read = read.iter().any(|use_| code.contains(use_.as_str()));
                if !is_read {
                    complaints.push(source.at(line, &format!("nobody reads {field}")));
                }
            }
        }
    }
    complaints
}

/// The modules in the order of lib.rs.
fn module_order(sources: &[Source]) -> Vec<&str> {
    let Some(lib) = sources.iter().find(|source| source.path == "src/lib.rs") else {
        return Vec::new();
    };
    lib.code().filter_map(|(_, line)| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect()
}

/// Lines of code, each `use` joined to one line, so that groups can be read.
fn joined_uses(source: &Source) -> Vec<(usize, String)> {
    let mut joined: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in source.code() {
        match joined.last_mut() {
            Some((_, last)) if open => last.push_str(line.trim()),
            _ => joined.push((number, line.to_owned())),
        }
        let text = joined.last().map_or("", |(_, text)| text.trim_start());
        let is_use = ["use ", "pub use ", "pub(super) use ", "pub(crate) use "]
            .iter()
            .any(|start| text.starts_with(start));
        open = is_use && !text.ends_with(';');
    }
    joined
}

/// The names that stand after `prefix`, each in a group counted: `crate::{units, wire::x}`.
fn named_after(code: &str, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if code[..at].chars().next_back().is_some_and(|c| is_word(c) || c == '$') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let first_word =
            |text: &str| text.trim_start().chars().take_while(|c| is_word(*c)).collect::<String>();
        match rest.strip_prefix('{') {
            None => names.push(first_word(rest)),
            Some(group) => names.extend(parts_of(group).iter().map(|part| first_word(part))),
        }
    }
    names
}

/// The comma-separated parts of a group, up to its closing brace.
fn parts_of(group: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    for character in group.chars() {
        match character {
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            '{' => depth += 1,
            ',' if depth == 0 => parts.push(String::new()),
            _ => {}
        }
        if let Some(part) = parts.last_mut().filter(|_| !(character == ',' && depth == 0)) {
            part.push(character);
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn longest_super_chain(code: &str) -> usize {
    let mut longest = 0;
    let mut rest = code;
    while let Some(at) = rest.find("super::") {
        let mut chain = 0;
        rest = &rest[at..];
        while let Some(after) = rest.strip_prefix("super::") {
            chain += 1;
            rest = after;
        }
        longest = longest.max(chain);
    }
    longest
}

fn in_unit_tests(source: &Source, line: usize) -> bool {
    !source.shipped().any(|(number, _)| number == line)
}

fn in_modules(sources: &[Source], modules: &[&str], words: &[&str], what: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let concerned = |source: &&Source| source.module().is_some_and(|m| modules.contains(&m));
    for source in sources.iter().filter(concerned) {
        for (line, code) in source.shipped() {
            for word in words.iter().filter(|word| names(code, word)) {
                complaints.push(source.at(line, &format!("{word} {what}")));
            }
        }
    }
    complaints
}

/// Whether `word` stands in `code` as a word of its own, not as a part of a longer one.
fn names(code: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let starts = !word.starts_with(is_word) || !before.is_some_and(is_word);
        let ends = !word.ends_with(is_word) || !after.is_some_and(is_word);
        starts && ends
    })
}

fn with_words(sources: &[Source], words: &[String], what: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        for (i, line) in source.text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(word.as_str())) {
                complaints.push(source.at(i + 1, &format!("{word} {what}")));
            }
        }
    }
    complaints
}

fn is_this(source: &Source) -> bool {
    source.path.starts_with("tests/it/tidy/")
}
