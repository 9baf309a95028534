//! `detente desk directory edit`: the own entry as a file, the next version filled in.
//!
//! Not for publishing it.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use serde_json::json;

use super::current::Current;
use crate::cli::agent::Agent;
use crate::cli::{Common, Exit, Failure, Screen};

/// Write the nation's own entry to a file, to be changed and published
///
/// On a terminal the editor named in EDITOR is opened on it.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk directory edit
  detente desk directory edit --output entry.toml
  detente desk directory edit --output - > entry.toml")]
pub(super) struct Edit {
    /// The file to write; it must not be there yet. - is standard output. Left out, it is named
    /// after the member and the version, as entry-nl-2.toml.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Edit {
    pub(super) async fn run(
        self,
        agent: &mut Agent,
        common: &Common,
        screen: &mut Screen,
    ) -> Result<Exit, Failure> {
        let member = agent.own_member().await?;
        let mut current = Current::newest(agent, member).await?;
        current.entry.version += 1;
        let (version, text) = (current.entry.version, current.text());
        if self.output.as_deref().is_some_and(|path| path == Path::new("-")) {
            screen.text(&text)?;
            screen.message("next: change it, then detente desk directory publish FILE");
            return Ok(Exit::Success);
        }
        let opens = self.output.is_none();
        let path = self
            .output
            .unwrap_or_else(|| format!("entry-{}-{version}.toml", member.label()).into());
        create(&path, &text)?;
        if opens && !common.no_input && std::io::stdin().is_terminal() {
            open_editor(&path, screen);
        }
        let file = path.display().to_string();
        if screen.is_json() {
            screen.document(&json!({ "member": member.to_string(), "version": version,
                                     "file": file }))?;
        } else {
            screen.text(&format!("{file}: version {version} of {member}\n"))?;
        }
        screen.message(&format!(
            "next: detente desk directory publish {file} --key national.key --unlock UNLOCK"
        ));
        Ok(Exit::Success)
    }
}

fn create(path: &Path, text: &str) -> Result<(), Failure> {
    let made = std::fs::File::create_new(path)
        .and_then(|mut file| file.write_all(text.as_bytes()).map(|()| file))
        .and_then(|file| file.sync_all());
    made.map_err(|error| {
        let why = format!("{}: {error}", path.display());
        let next = "name another file with --output, or move that one aside";
        Failure::new(Exit::Failure, "C-508", "the file was not written", why, next)
    })
}

/// The file is there whether or not an editor opens.
fn open_editor(path: &Path, screen: &mut Screen) {
    let Some(editor) = std::env::var_os("EDITOR").filter(|editor| !editor.is_empty()) else {
        return;
    };
    match Command::new(&editor).arg(path).status() {
        Ok(status) if status.success() => {}
        Ok(status) => screen.message(&format!("the editor ended with {status}")),
        Err(error) => screen.message(&format!("the editor was not opened: {error}")),
    }
}
