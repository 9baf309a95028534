//! Plays a story, step by step, and keeps what became of it.
//!
//! Not for what a step does (see `perform.rs`), what must hold (see `check.rs`), nor how it is
//! shown (see `report/`).

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, pending};
use std::path::Path;

use super::check;
use super::perform::{Outcome, concerned};
use super::stage::{Error, Stage};
use super::step::{Act, Step, Story, What};
use crate::envelope::RequestFacts;
use crate::units::{CaseId, RequestId, Timestamp};

/// What became of a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    /// The story.
    pub story: Story,
    /// The IANA time zone of every desk, as "NL/cyber".
    pub zones: BTreeMap<String, String>,
    /// What became of each step.
    pub steps: Vec<PlayedStep>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayedStep {
    /// When it was, by the network's clock.
    pub at: Timestamp,
    /// The desk that acted, if one did.
    pub from: Option<String>,
    /// The desks it was addressed to.
    pub to: Vec<String>,
    /// Of what handed data over: who approved it ("approved by chief"), or why nobody did.
    pub approval: Option<String>,
    /// What the desk that acted was told of those it writes to or calls: the time there, and which
    /// channel applies. With a request only where an office is closed.
    pub told: Vec<String>,
    /// What became of what it does.
    pub done: Verdict,
    /// What became of what must hold, in order.
    pub checks: Vec<Verdict>,
}

/// What became of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is as told.
    Held,
    /// It is not.
    Wrong {
        /// What was told.
        expected: String,
        /// What is.
        actual: String,
    },
    /// It could not be tried here, and why.
    Skipped(String),
}

impl Played {
    /// True when nothing was wrong.
    pub fn held(&self) -> bool {
        self.wrong().next().is_none()
    }

    /// What was wrong: its line, what was told, and what is.
    pub fn wrong(&self) -> impl Iterator<Item = (usize, &str, &str)> {
        self.verdicts().filter_map(|(line, verdict)| match verdict {
            Verdict::Wrong { expected, actual } => Some((line, expected.as_str(), actual.as_str())),
            Verdict::Held | Verdict::Skipped(_) => None,
        })
    }

    /// Every verdict with its line, in order.
    pub fn verdicts(&self) -> impl Iterator<Item = (usize, &Verdict)> {
        self.story.steps.iter().zip(&self.steps).flat_map(|(told, played)| {
            let checks = told.expects.iter().map(|expect| expect.line).zip(&played.checks);
            std::iter::once((told.line, &played.done)).chain(checks)
        })
    }
}

/// A request that the story has made.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) id: RequestId,
    pub(super) case: CaseId,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) facts: RequestFacts,
    /// What its sender was told of the recipient while writing.
    pub(super) warning: String,
}

/// A story being played.
pub(super) struct Player<'a> {
    pub(super) story: &'a Story,
    pub(super) stage: Stage,
    pub(super) known: BTreeMap<String, Known>,
    /// Desks of which nothing can be told, because a fault was left out; "relay" for all.
    pub(super) untold: BTreeSet<String>,
    /// Requests of which nothing can be told, because a step on them was left out.
    pub(super) left_out: BTreeSet<String>,
    /// The moment of the step, in milliseconds from T.
    pub(super) at_ms: i64,
    /// What the desk that acts in this step was told.
    pub(super) told: Vec<String>,
    /// Who approved what the step handed over.
    pub(super) approval: Option<String>,
}

/// Where a story is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene<'a> {
    /// On a network of its own, in virtual time. In a directory that is given, which is empty or
    /// not there, everything of the network is left behind: keys, journals, published logs.
    Own {
        /// The directory.
        keep: Option<&'a Path>,
    },
    /// On a network that runs, in real time.
    Running {
        /// Its directory.
        dir: &'a Path,
        /// How many times as fast as told.
        scale: u32,
    },
}

/// Plays a story on a network of its own, in virtual time. `told` hears of every step as it ends.
/// In a directory that is given, which is empty or not there, everything of the network is left
/// behind.
///
/// # Errors
/// [`Error`]: it cannot be played at all. What does not hold is no error here.
pub async fn play(
    story: &Story,
    keep: Option<&Path>,
    told: &mut dyn FnMut(&Step, &PlayedStep),
) -> Result<Played, Error> {
    play_until(story, Scene::Own { keep }, told, pending()).await
}

/// Plays a story on a network that runs in `dir`, in real time, `scale` times as fast as told.
///
/// # Errors
/// As [`play`].
pub async fn play_on(
    story: &Story,
    dir: &Path,
    scale: u32,
    told: &mut dyn FnMut(&Step, &PlayedStep),
) -> Result<Played, Error> {
    play_until(story, Scene::Running { dir, scale }, told, pending()).await
}

/// Plays a story until its end, or until `stop` is there: a network of its own is then ended in
/// good order, and removed unless it is kept.
///
/// # Errors
/// As [`play`], or [`Error::Stopped`].
pub async fn play_until(
    story: &Story,
    scene: Scene<'_>,
    told: &mut dyn FnMut(&Step, &PlayedStep),
    stop: impl Future<Output = ()>,
) -> Result<Played, Error> {
    let stage = match scene {
        Scene::Own { keep } => Stage::own(story, keep).await?,
        Scene::Running { dir, scale } => Stage::running(story, dir, scale).await?,
    };
    let mut player = Player {
        story,
        stage,
        known: BTreeMap::new(),
        untold: BTreeSet::new(),
        left_out: BTreeSet::new(),
        at_ms: 0,
        told: Vec::new(),
        approval: None,
    };
    let played = tokio::select! {
        biased;
        () = stop => Err(Error::Stopped),
        played = Box::pin(player.run(told)) => played,
    };
    // Also after a failure: what runs would write into a directory that is removed.
    let ended = player.stage.end().await;
    let played = played?;
    ended.map(|()| played)
}

impl Player<'_> {
    async fn run(&mut self, told: &mut dyn FnMut(&Step, &PlayedStep)) -> Result<Played, Error> {
        let story = self.story;
        let zones = self.stage.zones().await?;
        let mut steps = Vec::new();
        for step in &story.steps {
            let at = |error: Error| error.at(story, step.line);
            self.stage.go_to(story, step.at_ms).await.map_err(at)?;
            let played = self.step(step).await.map_err(at)?;
            told(step, &played);
            steps.push(played);
        }
        Ok(Played { story: story.clone(), zones, steps })
    }

    async fn step(&mut self, step: &Step) -> Result<PlayedStep, Error> {
        let at = self.stage.now();
        self.at_ms = step.at_ms;
        let (from, to) = self.parties(&step.what);
        let done = match Box::pin(self.perform(step)).await? {
            Outcome::Done => match &step.refused {
                None => Verdict::Held,
                Some(code) => wrong(&format!("refused {code}"), "it was carried out"),
            },
            Outcome::Refused(code, why) => match &step.refused {
                Some(expected) if *expected == code => Verdict::Held,
                Some(expected) => wrong(&format!("refused {expected}"), &why),
                None => wrong("carried out", &why),
            },
            Outcome::Skipped(why) => Verdict::Skipped(why),
        };
        self.stage.settle().await?;
        let mut checks = Vec::new();
        for expect in &step.expects {
            let looked = check::look(self, expect).await;
            checks.push(looked.map_err(|error| error.at(self.story, expect.line))?);
        }
        let (told, approval) = (std::mem::take(&mut self.told), self.approval.take());
        Ok(PlayedStep { at, from, to, told, approval, done, checks })
    }

    /// Who acts towards whom, in full.
    fn parties(&self, what: &What) -> (Option<String>, Vec<String>) {
        let full = |desk: &str| self.stage.full_name(desk).unwrap_or_else(|_| desk.to_owned());
        match what {
            What::Note => (None, Vec::new()),
            What::Ask(ask) => {
                (Some(full(&ask.by.desk)), ask.to.iter().map(|to| full(to)).collect())
            }
            What::Act(Act { by, request, .. }) | What::Open { by, request } => {
                let from = full(&by.desk);
                let other = self.known.get(request).map(|known| {
                    if known.from == from { known.to.clone() } else { known.from.clone() }
                });
                (Some(from), other.into_iter().collect())
            }
            What::Publish { by, .. } => (Some(full(&by.desk)), Vec::new()),
            What::Call { by, whom, .. } => (Some(full(&by.desk)), vec![full(whom)]),
            What::Fault(fault) => (concerned(fault).map(|desk| full(&desk)), Vec::new()),
        }
    }
}

fn wrong(expected: &str, actual: &str) -> Verdict {
    Verdict::Wrong { expected: expected.to_owned(), actual: actual.to_owned() }
}
