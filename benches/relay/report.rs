//! From what was measured to a table for people, a document for programs, and the README.
//!
//! Not for measuring.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Value, json};

/// Where the table stands in the README.
const BEGIN: &str = "<!-- benchmark: written by `cargo bench --bench relay -- --write-readme` -->";
const END: &str = "<!-- benchmark: end -->";

/// A part of the benchmark.
pub(crate) struct Section {
    name: &'static str,
    title: String,
    lines: Vec<Line>,
    raw: Value,
}

/// One line of the table.
pub(crate) struct Line {
    /// What was measured.
    pub(crate) what: String,
    /// What came out, in words.
    pub(crate) figure: String,
    /// How many times something else that is.
    pub(crate) ratio: Option<(f64, &'static str)>,
    /// What the ratio, or else the figure, should be.
    pub(crate) bar: Option<Bar>,
}

/// What a ratio should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bar {
    /// At most.
    AtMost(f64),
    /// At least.
    AtLeast(f64),
    /// A duration of at most so many seconds, and how many it was.
    SecondsAtMost(f64, f64),
}

impl Section {
    pub(crate) fn new(
        name: &'static str,
        title: String,
        lines: Vec<Line>,
        raw: impl Serialize,
    ) -> Result<Self> {
        Ok(Self { name, title, lines, raw: serde_json::to_value(raw)? })
    }

    /// The table in plain text.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("\n{}\n", self.title);
        for line in &self.lines {
            let Line { what, figure, .. } = line;
            writeln!(text, "  {what:<46} {figure}  {} {}", line.ratio(), line.bar())
                .expect("a string takes every word");
        }
        text
    }

    fn markdown(&self) -> String {
        let mut text = format!("| **{}** | | | |\n", self.title);
        for line in &self.lines {
            let Line { what, figure, .. } = line;
            writeln!(text, "| {what} | {figure} | {} | {} |", line.ratio(), line.bar())
                .expect("a string takes every word");
        }
        text
    }
}

impl Line {
    fn ratio(&self) -> String {
        self.ratio.map_or_else(String::new, |(ratio, of)| format!("{ratio:.2} {of}"))
    }

    /// The bar, and by how much it was missed, if it was.
    fn bar(&self) -> String {
        let ratio = self.ratio.map_or(0.0, |(ratio, _)| ratio);
        let Some(bar) = self.bar else { return String::new() };
        let (text, missed) = match bar {
            Bar::AtMost(bar) => (format!("at most {bar}"), ratio / bar - 1.0),
            Bar::AtLeast(bar) => (format!("at least {bar}"), 1.0 - ratio / bar),
            Bar::SecondsAtMost(bar, was) => (format!("at most {bar} s"), was / bar - 1.0),
        };
        // What rounds to nothing in the table is no miss.
        if missed < 0.005 { text } else { format!("{text}: **missed by {:.0} %**", missed * 100.0) }
    }
}

/// A document for programs.
pub(crate) fn document(sections: &[Section], quick: bool) -> Value {
    let parts: Value = sections.iter().map(|s| (s.name.to_owned(), s.raw.clone())).collect();
    json!({
        "commit": commit(),
        "machine": machine(),
        "quick": quick,
        "measured": parts,
    })
}

/// Writes the table into `README.md` between its markers and the document beside the benchmark.
///
/// # Errors
/// When a file cannot be written or the README lacks the markers.
pub(crate) fn write_readme(sections: &[Section], document: &Value) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = root.join("README.md");
    let text = std::fs::read_to_string(&readme)?;
    let (before, rest) = text.split_once(BEGIN).context("README.md lacks the first marker")?;
    let (_, after) = rest.split_once(END).context("README.md lacks the second marker")?;
    let mut table = format!("{BEGIN}\nCommit {}, on {}.\n\n", commit(), machine());
    table.push_str("| what | measured | ratio | bar |\n|---|---|---|---|\n");
    sections.iter().for_each(|section| table.push_str(&section.markdown()));
    std::fs::write(&readme, format!("{before}{table}{END}{after}"))?;
    let results = root.join("benches/results.json");
    std::fs::write(results, serde_json::to_string_pretty(document)? + "\n")?;
    Ok(())
}

/// The commit, and whether the files are another state than that.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git")
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let id = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    // The tables this writes are no change of what was measured.
    let paths = ["status", "--porcelain", "--", "src", "benches/relay", "Cargo.lock"];
    let changed = git(&paths).is_some_and(|changes| !changes.is_empty());
    if changed { format!("{id} with changes") } else { id }
}

/// The machine in words: no name, no address.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kib: u64 = read("/proc/meminfo")
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok())
        .unwrap_or(0);
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = kernel.trim().split('-').next().unwrap_or_default().to_owned();
    let (device, filesystem) = disk(&read("/proc/mounts"));
    format!(
        "{cores} cores of {}, {:.0} GiB of memory, {filesystem} on {device}, Linux {kernel}",
        std::env::consts::ARCH,
        kib as f64 / f64::from(1 << 20),
    )
}

/// The kind of disk and the file system that were measured.
fn disk(mounts: &str) -> (String, String) {
    let at = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mount = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (device, mount, kind) = (words.next()?, words.next()?, words.next()?);
            at.starts_with(mount).then_some((mount.len(), device, kind))
        })
        .max_by_key(|(len, _, _)| *len);
    let Some((_, device, kind)) = mount else { return ("a disk".to_owned(), "files".to_owned()) };
    let name = device.trim_start_matches("/dev/");
    let disk = match name.get(..2) {
        Some("vd") => "a virtual disk (virtio)",
        Some("nv") => "an NVMe disk",
        Some("sd") => "a SATA or SCSI disk",
        Some("dm" | "ma") => "a mapped volume",
        Some(_) | None => "a disk",
    };
    (disk.to_owned(), kind.to_owned())
}

/// Microseconds in words.
pub(crate) fn duration(us: f64) -> String {
    if us >= 1e6 {
        format!("{:.2} s", us / 1e6)
    } else if us >= 1e3 {
        format!("{:.2} ms", us / 1e3)
    } else {
        format!("{us:.0} µs")
    }
}

/// A rate in words.
pub(crate) fn rate(per_second: f64) -> String {
    format!("{per_second:.0}/s")
}

/// Bytes in words.
pub(crate) fn size(bytes: f64) -> String {
    format!("{:.1} MB", bytes / 1e6)
}
