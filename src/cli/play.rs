//! `detente play`: an incident told as text, played against a network.
//!
//! Not for how a story is read or played (see `story/`).

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::signal::Stops;
use super::{Common, Exit, Failure, Screen};
use crate::story::{self, Played, PlayedStep, Scene, Step, Story, Unreadable, report};
use crate::telemetry;

/// Play an incident told as text, and check what must hold
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente play tests/stories/s3-hospital.txt            on a network of its own, in virtual time
  detente play story.txt --report html -o story.html    and a page to read and to print
  detente play story.txt --keep net                     and the network's files stay, to be verified
  detente play story.txt --network net --scale 600      on a network that runs: ten minutes a second
  detente play --format                                 how a story is written, in one page")]
pub(super) struct Play {
    /// The story.
    #[arg(required_unless_present = "format")]
    file: Option<PathBuf>,
    /// Play it on the network in this directory, as `pki init` lays one out, whose agents run; in
    /// real time. What needs a clock of the story's own is skipped, never passed.
    #[arg(long, value_name = "DIR")]
    network: Option<PathBuf>,
    /// With --network: how many times as fast as told.
    #[arg(long, default_value_t = 600, requires = "network",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    scale: u32,
    /// Leave the network that it was played on behind in this directory, which is to be made: keys,
    /// journals, published logs.
    #[arg(long, value_name = "DIR", conflicts_with = "network")]
    keep: Option<PathBuf>,
    /// What to write when it has been played.
    #[arg(long, value_enum)]
    report: Option<Form>,
    /// Where to write it; left out, standard output.
    #[arg(short, long, value_name = "FILE", requires = "report")]
    output: Option<PathBuf>,
    /// Print how a story is written, in one page.
    #[arg(long)]
    format: bool,
}

/// What a report looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Lines.
    Text,
    /// One document for programs.
    Json,
    /// One page with a picture, without scripts.
    Html,
}

impl Play {
    /// Plays it.
    pub(super) fn run(self, common: &Common, screen: &mut Screen) -> Result<Exit, Failure> {
        let Some(file) = self.file.as_ref().filter(|_| !self.format) else {
            screen.text(story::FORMAT)?;
            return Ok(Exit::Success);
        };
        let told = read(file)?;
        let _quiet = telemetry::start_logs("error", false);
        let report = if common.json { Some(Form::Json) } else { self.report };
        // Where the report goes to standard output, the timeline does not.
        let is_live = report.is_none() || self.output.is_some();
        let mut lost = None;
        let mut live = |step: &Step, played: &PlayedStep| {
            if is_live && lost.is_none() {
                lost = screen.text(&super::clean::clean(&report::line(step, played))).err();
            }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let scene = match &self.network {
            None => Scene::Own { keep: self.keep.as_deref() },
            Some(dir) => Scene::Running { dir, scale: self.scale },
        };
        let mut signal = "";
        let played = runtime.block_on(async {
            let mut stops = Stops::new();
            let stop = async { signal = stops.next().await };
            Box::pin(story::play_until(&told, scene, &mut live, stop)).await
        });
        let played = played.map_err(|error| unplayable(file, &error, scene, signal))?;
        if let Some(error) = lost {
            return Err(error.into());
        }
        if let Some(form) = report {
            write(form, &played, self.output.as_deref(), screen)?;
        }
        verdict(file, &played, is_live, screen)
    }
}

fn read(file: &Path) -> Result<Story, Failure> {
    let unread = |why: String, next: &str| {
        let why = format!("{}{why}", file.display());
        Failure::new(Exit::Usage, "C-901", "the story cannot be read", why, next)
    };
    let bytes = std::fs::read(file)
        .map_err(|error| unread(format!(": {error}"), "name a file that holds a story"))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let whole = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = whole.iter().filter(|byte| **byte == b'\n').count() + 1;
        unread(format!(", line {line}: it is not UTF-8"), "save it as text in UTF-8")
    })?;
    Story::parse(&file.display().to_string(), &text).map_err(not_understood)
}

fn not_understood(unreadable: Unreadable) -> Failure {
    let next = "correct the line; `detente play --format` says how a story is written";
    Failure::new(Exit::Usage, "C-902", "the story cannot be understood", unreadable, next)
}

fn unplayable(file: &Path, error: &story::Error, scene: Scene<'_>, signal: &str) -> Failure {
    let (code, what) = ("C-903", "the story cannot be played");
    let next = match scene {
        Scene::Own { .. } => "correct what is named, then play it again",
        Scene::Running { .. } => "see that the relay and the agents of the story's members run",
    };
    match error {
        story::Error::NoDesk(unreadable) => not_understood(unreadable.clone()),
        story::Error::Stopped => {
            let why = format!("{signal} came before its end; what it had made was ended in order");
            Failure::new(Exit::Failure, "C-906", "the story was stopped", why, "play it again")
        }
        story::Error::At { .. } => Failure::new(Exit::Failure, code, what, error, next),
        story::Error::Network(_) | story::Error::Running(_) => {
            let why = format!("{}: {error}", file.display());
            Failure::new(Exit::Failure, code, what, why, next)
        }
    }
}

fn write(
    form: Form,
    played: &Played,
    output: Option<&Path>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let text = match form {
        Form::Text => report::text(played),
        Form::Json => format!("{:#}\n", report::json(played)),
        Form::Html => report::html(played),
    };
    match output {
        Some(path) => std::fs::write(path, text).map_err(|error| {
            let why = format!("{}: {error}", path.display());
            let next = "choose a place that can be written to";
            Failure::new(Exit::Failure, "C-904", "the report was not written", why, next)
        }),
        None => Ok(screen.text(&text)?),
    }
}

fn verdict(
    file: &Path,
    played: &Played,
    is_live: bool,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    if is_live {
        screen.text(&format!("\n{}\n", report::summary(played)))?;
    }
    if played.held() {
        return Ok(Exit::Success);
    }
    let why: Vec<String> = played
        .wrong()
        .map(|(line, expected, actual)| {
            format!("{}, line {line}: expected: {expected}; actual: {actual}", file.display())
        })
        .collect();
    let next = "correct the story, or find out why the network does otherwise";
    let what = "the story is not as told";
    Err(Failure::new(Exit::Unverified, "C-905", what, why.join("\n         "), next))
}
