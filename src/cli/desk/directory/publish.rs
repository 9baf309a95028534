//! `detente desk directory publish`: a file becomes the nation's entry.
//!
//! Not for judging it for the network: the agent and the relay do, by the same rules. The national
//! key is opened here and nowhere else.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::current::Current;
use super::diff::{self, Change};
use crate::cli::agent::Agent;
use crate::cli::moment::{render_rfc3339, render_utc};
use crate::cli::{Common, Exit, Failure, Ink, Pen, Screen};
use crate::envelope::entry::{self, Entry, Making, Restricted, restricted, text};
use crate::envelope::{SigningKey, form};
use crate::identity::Unlock;
use crate::identity::keyfile::{self, Kind};
use crate::units::{DAY_MS, MessageId, Timestamp};

/// The longest file, in bytes: an entry of 64 desks has some 200 KB.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// How long an entry may wait for the relay: it is sent while one waits.
const GOOD_FOR_MS: i64 = DAY_MS;

/// Sign an entry with the national key and publish it
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk directory publish entry.toml --key national.key --unlock unlock
  detente desk directory publish entry.toml --key national.key --unlock unlock --yes --json")]
pub(super) struct Publish {
    /// The entry, as detente desk directory edit writes it.
    file: PathBuf,
    /// The national key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The secret that opens it, in a file that is yours alone.
    #[arg(long, value_name = "FILE")]
    unlock: PathBuf,
    /// Do not ask before it is published.
    #[arg(long)]
    yes: bool,
}

impl Publish {
    pub(super) async fn run(
        self,
        agent: &mut Agent,
        common: &Common,
        screen: &mut Screen,
        now: Timestamp,
    ) -> Result<Exit, Failure> {
        let text = read(&self.file)?;
        let member = agent.own_member().await?;
        let current = Current::newest(agent, member).await?;
        let (next, open) = parse(&text, &self.file, &current.entry, now)?;
        if next.member != member {
            let why = format!("the file is of {}, this desk of {member}", next.member);
            return Err(refused(why, "publish it over a desk of its own nation"));
        }
        let changes = changes(&current, &next, &open);
        if next.version == current.entry.version && changes.is_empty() {
            screen.message("nothing to publish: this very version is published already");
            return told(screen, &current.entry, (current.index, current.time_ms), true, &[]);
        }
        let due = current.entry.version + 1;
        if next.version != due {
            let why =
                format!("the file is version {}; the next of {member} is {due}", next.version);
            return Err(refused(why, "run detente desk directory edit and make the change there"));
        }
        show(&changes, screen);
        if !self.yes {
            confirm(&next, common, screen)?;
        }
        let signed = self.sign(&next, &open)?;
        let answer = agent.publish(signed).await?;
        told(screen, &next, (answer.index, answer.time_ms), answer.repeat, &changes)
    }

    fn sign(&self, next: &Entry, open: &Restricted) -> Result<entry::Signed, Failure> {
        let bad = |why: String| {
            let next =
                "give the national key with --key and the secret that opens it with --unlock";
            Failure::new(Exit::Usage, "C-212", "the entry was not signed", why, next)
        };
        let unlock = Unlock::from_file(&self.unlock).map_err(|fault| bad(fault.to_string()))?;
        let seed = keyfile::read(&self.key, Kind::Ed25519, &unlock)
            .and_then(|secret| secret.seed())
            .map_err(|fault| bad(format!("{}: {fault}", self.key.display())))?;
        let key = SigningKey::from_seed(*seed);
        if key.public() != next.national_key {
            let why = format!("{} is not the national key of {}", self.key.display(), next.member);
            return Err(bad(why));
        }
        let (restricted, _) = restricted::render(open);
        entry::render(next)
            .and_then(|bytes| entry::sign(bytes, restricted, &key))
            .map_err(|malformed| bad(malformed.to_string()))
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let unread = |why: String| {
        let next = "check the path, and that the file is text in UTF-8 of at most 1 MiB";
        Failure::new(Exit::Usage, "C-215", "the entry cannot be read", why, next)
    };
    let mut text = String::new();
    let file = std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    file.map_err(|error| unread(format!("{}: {error}", path.display())))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(unread(format!("{}: more than {FILE_BYTES_MAX} bytes", path.display())));
    }
    Ok(text)
}

fn parse(
    text: &str,
    path: &Path,
    after: &Entry,
    now: Timestamp,
) -> Result<(Entry, Restricted), Failure> {
    let mut failed = false;
    let mut fill = |bytes: &mut [u8]| failed |= aws_lc_rs::rand::fill(bytes).is_err();
    let mut id = [0; 16];
    fill(&mut id);
    let (message, not_after) = (MessageId(id), now.plus_ms(GOOD_FOR_MS));
    let making = Making { after, message, created: now, not_after, fill: &mut fill };
    let read = entry::from_toml(text, making);
    if failed {
        let next = "try again; if it stays, the machine has no source of randomness";
        return Err(Failure::new(
            Exit::Failure,
            "C-503",
            "no entry was made",
            "no random bytes",
            next,
        ));
    }
    read.map_err(|unfit| {
        let why = format!("{}: {} fields are missing or wrong", path.display(), unfit.len());
        let next = "correct them; detente desk directory edit writes a file that says what belongs \
                    where";
        let failure =
            Failure::new(Exit::Usage, "C-211", "the entry cannot be published", why, next);
        unfit.into_iter().fold(failure, |failure, form::Unfit { line, malformed }| {
            let field = match line {
                Some(line) => format!("line {line}, {}", malformed.field),
                None => malformed.field,
            };
            failure.field(field, malformed.why)
        })
    })
}

fn changes(current: &Current, next: &Entry, open: &Restricted) -> Vec<Change> {
    let (old, new) = (current.text(), text::to_toml(next, open));
    diff::changes(&text::bare(&old), &text::bare(&new))
}

fn show(changes: &[Change], screen: &mut Screen) {
    let mut table = "";
    for change in changes {
        if change.table != table {
            screen.message(&change.table);
            table = &change.table;
        }
        screen.message(&format!("  {} {}", if change.added { "+" } else { "-" }, change.line));
    }
}

fn confirm(next: &Entry, common: &Common, screen: &mut Screen) -> Result<(), Failure> {
    if common.no_input || !std::io::stdin().is_terminal() {
        let why = "nobody can be asked, and --yes is not given";
        let next = "look at the changes above and give --yes";
        return Err(Failure::value("--yes", why, next));
    }
    screen.message(&format!("publish version {} of {}? [y/N]", next.version, next.member));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(refused("it was not confirmed".to_owned(), "run it again when it is right"))
    }
}

fn refused(why: String, next: &str) -> Failure {
    Failure::new(Exit::Usage, "C-213", "the entry was not published", why, next)
}

fn told(
    screen: &mut Screen,
    entry: &Entry,
    (index, time_ms): (u64, i64),
    repeat: bool,
    changes: &[Change],
) -> Result<Exit, Failure> {
    let (member, version) = (entry.member, entry.version);
    if screen.is_json() {
        let change = |change: &Change| {
            let Change { table, added, line } = change;
            json!({ "table": table, "change": if *added { "ADDED" } else { "REMOVED" },
                    "line": line })
        };
        screen.document(&json!({
            "member": member.to_string(),
            "version": version,
            "index": index,
            "time": render_rfc3339(time_ms),
            "repeat": repeat,
            "changes": changes.iter().map(change).collect::<Vec<Value>>(),
        }))?;
    } else {
        let pen: Pen = screen.pen();
        let published = pen.write(Ink::Green, "published");
        let time = render_utc(time_ms);
        screen.text(&format!(
            "version {version} of {member}: {published} as record {index} at {time}\n"
        ))?;
    }
    screen.message(&format!("next: detente desk directory show {member} --history"));
    Ok(Exit::Success)
}
