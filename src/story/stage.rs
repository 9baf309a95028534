//! Where a story is played: a network of the test kit, on a clock that the story moves; or one that
//! runs, in real time with scaled waits.
//!
//! Not for what is done there (see `play.rs`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Unreadable;
use super::step::{Fault, NamedDesk, Story};
use crate::grpc::counter::{self, Counter};
use crate::grpc::{Failure, Officer};
use crate::identity;
use crate::testkit::{self, Network};
use crate::units::Timestamp;

/// How long an officer of a running network waits for the relay, and an expectation to come true.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a story cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The network of the test kit.
    #[error("{0}")]
    Network(#[from] testkit::Error),
    /// A running network lacks something.
    #[error("{0}")]
    Running(String),
    /// A step or an expectation of this line cannot be tried.
    #[error("{file}, line {line}: {error}")]
    At {
        /// The story's file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// Why.
        error: Box<Self>,
    },
    /// It names a desk that a network of its own does not have.
    #[error("{0}")]
    NoDesk(Unreadable),
    /// It was stopped before its end.
    #[error("it was stopped before its end")]
    Stopped,
}

impl Error {
    /// The same, of a line of a story; the line that is named first stands.
    pub(super) fn at(self, story: &Story, line: usize) -> Self {
        match self {
            Self::At { .. } | Self::NoDesk(_) | Self::Stopped => self,
            Self::Network(_) | Self::Running(_) => {
                Self::At { file: story.file.clone(), line, error: Box::new(self) }
            }
        }
    }
}

/// A stage.
pub(super) enum Stage {
    /// A network in this process.
    Own(Box<Network>),
    /// A network that runs.
    Running(Running),
}

/// A network that runs: its agents' counters, and how real time goes.
pub(super) struct Running {
    /// The directory that it lies in.
    dir: PathBuf,
    /// Each desk's counter, or why it is not reached.
    counters: BTreeMap<String, Result<Counter, String>>,
    /// The story's time goes by this many times as fast.
    scale: u32,
    /// When the first step was, by the story and by the wall clock.
    began: Option<(i64, Timestamp)>,
}

impl Stage {
    /// A network of the story's members in this process, with its clock at the first step; it is
    /// left behind in a directory that is given.
    pub(super) async fn own(story: &Story, keep: Option<&Path>) -> Result<Self, Error> {
        for NamedDesk { line, word, desk } in &story.desks {
            let mut parts = desk.split('/');
            let member = parts.next().unwrap_or_default();
            if parts.next().is_some_and(|name| name != testkit::DESK) {
                let only = format!("{member}/{}", testkit::DESK);
                let why = format!("{desk:?} is no desk here: {member} has the desk {only}");
                let (file, line, word) = (story.file.clone(), *line, *word);
                return Err(Error::NoDesk(Unreadable { file, line, word, why }));
            }
        }
        let members: Vec<&str> = story.members.iter().map(|member| member.id.as_str()).collect();
        let first = story.steps.first().map_or(0, |step| step.at_ms).min(0);
        let told = story.members.clone();
        let mut setup =
            Network::of(&members).starting_at(story.start.plus_ms(first)).change(move |member| {
                let Some(told) = told.iter().find(|told| told.id == member.id) else { return };
                if let Some(days) = told.preserves_days {
                    member.preservation_days_min = days;
                }
                if let Some(instruments) = &told.instruments {
                    member.instruments = instruments.iter().map(ToString::to_string).collect();
                }
                if let Some(zone) = &told.time_zone {
                    member.desk.iter_mut().for_each(|desk| desk.time_zone.clone_from(zone));
                }
            });
        if let Some(keep) = keep {
            setup = setup.directory(keep);
        }
        Ok(Self::Own(Box::new(setup.start().await?)))
    }

    /// The network in `dir`, as `pki init` lays one out, whose agents run.
    pub(super) async fn running(story: &Story, dir: &Path, scale: u32) -> Result<Self, Error> {
        let mut counters = BTreeMap::new();
        for (desk, socket) in sockets(dir)? {
            let connected = counter::connect(&socket).await;
            let unreached =
                |_| format!("the agent of {desk} is not reached at {}", socket.display());
            counters.insert(desk.clone(), connected.map_err(unreached));
        }
        if counters.is_empty() {
            let why = format!("{} has no members/*/*/desk.toml: no desk", dir.display());
            return Err(Error::Running(why));
        }
        let running = Running { dir: dir.to_owned(), counters, scale, began: None };
        // Before the first step, so that none is half of a story.
        for NamedDesk { line, desk, .. } in &story.desks {
            running.counter(desk).map_err(|error| error.at(story, *line))?;
        }
        Ok(Self::Running(running))
    }

    /// True when it has a clock of its own and can be hurt.
    pub(super) const fn is_own(&self) -> bool {
        matches!(self, Self::Own(_))
    }

    /// What its desks take for the time.
    pub(super) fn now(&self) -> Timestamp {
        match self {
            Self::Own(network) => network.now(),
            Self::Running(_) => identity::now(),
        }
    }

    /// The story's T by the clock of this stage, for dates that count from it.
    pub(super) fn start(&self, story: &Story) -> Timestamp {
        match self {
            Self::Own(_) => story.start,
            Self::Running(running) => {
                running.began.map_or_else(identity::now, |(at, wall)| wall.plus_ms(-at))
            }
        }
    }

    /// Lets time go by until this moment of the story.
    pub(super) async fn go_to(&mut self, story: &Story, at_ms: i64) -> Result<(), Error> {
        match self {
            Self::Own(network) => network.advance_to(story.start.plus_ms(at_ms)).await?,
            Self::Running(running) => {
                let (first, wall) = *running.began.get_or_insert((at_ms, identity::now()));
                let real_ms = at_ms.saturating_sub(first) / i64::from(running.scale.max(1));
                let left_ms = wall.plus_ms(real_ms).since_ms(identity::now());
                if let Ok(left) = u64::try_from(left_ms) {
                    tokio::time::sleep(Duration::from_millis(left)).await;
                }
            }
        }
        Ok(())
    }

    /// Waits until what was said is everywhere. A running network does not tell.
    pub(super) async fn settle(&self) -> Result<(), Error> {
        match self {
            Self::Own(network) => Ok(network.settle().await?),
            Self::Running(_) => Ok(()),
        }
    }

    /// How long an expectation may take to come true.
    pub(super) const fn patience(&self) -> Duration {
        if self.is_own() { Duration::ZERO } else { PATIENCE }
    }

    /// The full name of a desk, as "NL/cyber".
    pub(super) fn full_name(&self, desk: &str) -> Result<String, Error> {
        match self {
            Self::Own(network) => {
                let found =
                    network.desks().map(ToString::to_string).find(|name| is_named(name, desk));
                found.ok_or_else(|| testkit::Error::NoDesk(desk.to_owned()).into())
            }
            Self::Running(running) => running.find(desk).map(|(name, _)| name.clone()),
        }
    }

    /// An officer of a desk.
    pub(super) fn officer(&self, desk: &str, officer: &str) -> Result<Officer, Error> {
        match self {
            Self::Own(network) => Ok(network.desk(desk)?.officer(officer)),
            Self::Running(running) => Ok(Officer::new(running.counter(desk)?, officer, PATIENCE)),
        }
    }

    /// True while a desk is connected to the relay.
    pub(super) async fn is_connected(&self, desk: &str) -> Result<bool, Error> {
        let status = self.officer(desk, "duty")?.status().await;
        Ok(status.map_err(|failure| Error::Running(failure.to_string()))?.connected)
    }

    /// Where the relay keeps what it has, if it is ours to look there.
    pub(super) fn relay_directory(&self) -> Option<PathBuf> {
        match self {
            Self::Own(network) => Some(network.directory().join("relay").join("data")),
            Self::Running(_) => None,
        }
    }

    /// The time zone of every desk.
    pub(super) async fn zones(&self) -> Result<BTreeMap<String, String>, Error> {
        let first = match self {
            Self::Own(network) => network.desks().next().map(ToString::to_string),
            Self::Running(running) => {
                let mut reached = running.counters.iter().filter(|(_, counter)| counter.is_ok());
                reached.next().map(|(name, _)| name.clone())
            }
        };
        let first = first.ok_or_else(|| Error::Running("no agent is reached".to_owned()))?;
        let contacts = self.officer(&first, "duty")?.contacts().await;
        let contacts = contacts.map_err(|failure: Failure| Error::Running(failure.to_string()))?;
        Ok(contacts.into_iter().map(|contact| (contact.desk, contact.time_zone)).collect())
    }

    /// Publishes the entry of a member with these fields changed; false when the directory is not
    /// ours to change.
    pub(super) async fn publish(
        &self,
        member: &str,
        fields: &[(&str, &str)],
    ) -> Result<bool, Error> {
        let Self::Own(network) = self else { return Ok(false) };
        network.publish_entry(member, fields).await?;
        Ok(true)
    }

    /// Has something go wrong, or mended; false when this stage cannot be hurt.
    pub(super) async fn fault(&mut self, fault: &Fault) -> Result<bool, Error> {
        let Self::Own(network) = self else { return Ok(false) };
        match fault {
            Fault::CutOff(desk) => network.cut_off(desk).await?,
            Fault::Reconnect(desk) => network.reconnect(desk).await?,
            Fault::StopDesk(desk) => network.stop_desk(desk).await?,
            Fault::StartDesk(desk) => network.start_desk(desk).await?,
            Fault::StopRelay => network.stop_relay().await?,
            Fault::StartRelay => network.start_relay().await?,
            Fault::LoseAnswer(desk) => network.lose_next_answer(desk)?,
            Fault::Expire(desk) => network.expire_certificate(desk).await?,
            Fault::Revoke(desk) => network.revoke_certificate(desk).await?,
            Fault::Renew(desk) => network.renew_certificate(desk).await?,
            Fault::Jump(ms) => network.jump_relay_clock(*ms).await?,
        }
        Ok(true)
    }

    /// Ends a network of our own; leaves one that runs as it is.
    pub(super) async fn end(self) -> Result<(), Error> {
        match self {
            Self::Own(network) => Ok(network.stop().await?),
            Self::Running(_) => Ok(()),
        }
    }
}

impl Running {
    fn find(&self, desk: &str) -> Result<(&String, &Result<Counter, String>), Error> {
        self.counters.iter().find(|(name, _)| is_named(name, desk)).ok_or_else(|| {
            let dir = self.dir.display();
            Error::Running(format!("{desk} is no desk of the network in {dir}"))
        })
    }

    /// The counter of a desk, if its agent is reached.
    fn counter(&self, desk: &str) -> Result<Counter, Error> {
        let (_, counter) = self.find(desk)?;
        counter.clone().map_err(Error::Running)
    }
}

fn is_named(full: &str, desk: &str) -> bool {
    full == desk || full.split('/').next() == Some(desk)
}

/// Where each desk's agent listens while it runs.
fn sockets(dir: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let failed = |path: &Path, error: std::io::Error| {
        Error::Running(format!("{} cannot be read: {error}", path.display()))
    };
    let mut found = Vec::new();
    let members = dir.join("members");
    for member in members.read_dir().map_err(|error| failed(&members, error))?.flatten() {
        let Ok(desks) = member.path().read_dir() else { continue };
        for desk in desks.flatten() {
            let socket = desk.path().join("agent.sock");
            let is_desk = socket.exists() || desk.path().join("desk.toml").exists();
            let (member, desk) = (member.file_name(), desk.file_name());
            if let (Some(member), Some(desk), true) = (member.to_str(), desk.to_str(), is_desk) {
                found.push((format!("{}/{desk}", member.to_uppercase()), socket));
            }
        }
    }
    found.sort();
    Ok(found)
}
