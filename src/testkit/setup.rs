//! What a network of the test kit is to be, and how it comes up.
//!
//! Not for what is done with it then (see `mod.rs`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::watch;

use super::post::Post;
use super::{Clock, Error, Network};
use crate::identity;
use crate::pki::{self, Moments, spec};
use crate::units::{DeskId, Timestamp, Unreadable};

/// The desk that every member has, unless told otherwise.
pub(crate) const DESK: &str = "cyber";

/// The port of `detente pki init`.
const PORT: u16 = 7410;

type Change = Box<dyn Fn(&mut spec::Member) + Send + Sync>;

/// A network to be: made by [`Network::of`], started by [`Setup::start`].
pub struct Setup {
    members: Vec<String>,
    desks: Vec<String>,
    clock: Clock,
    directory: Option<PathBuf>,
    changes: Vec<Change>,
}

impl Setup {
    pub(super) fn new(members: &[&str]) -> Self {
        Self {
            members: members.iter().map(|&member| member.to_owned()).collect(),
            desks: vec![DESK.to_owned()],
            clock: Clock::standing(identity::now()),
            directory: None,
            changes: Vec::new(),
        }
    }

    /// The desks of every member, by name. Otherwise each has the one desk "cyber".
    #[must_use]
    pub fn desks(self, names: &[&str]) -> Self {
        Self { desks: names.iter().map(|&name| name.to_owned()).collect(), ..self }
    }

    /// The clock of relay and desks. Otherwise it stands at the moment of the setup.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The clock of relay and desks stands at this moment.
    #[must_use]
    pub fn starting_at(self, start: Timestamp) -> Self {
        self.clock(Clock::standing(start))
    }

    /// Keeps everything in this directory, which must be empty or not there, and leaves it
    /// behind. Otherwise it is a new one among the temporary files, removed with the network.
    #[must_use]
    pub fn directory(self, directory: &Path) -> Self {
        Self { directory: Some(directory.to_owned()), ..self }
    }

    /// Changes what a member says about itself in the genesis: its instruments, time zones,
    /// officers' roles, how long it preserves. Otherwise it is the sample data of `pki init`.
    #[must_use]
    pub fn change(mut self, change: impl Fn(&mut spec::Member) + Send + Sync + 'static) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    /// Makes every key and certificate, starts relay and desks, and waits until all are
    /// connected.
    ///
    /// # Errors
    /// [`Error`]: a name is not one, or something cannot be made, bound or started.
    pub async fn start(self) -> Result<Network, Error> {
        let Self { members, desks, clock, directory, changes } = self;
        let made_by = |error: anyhow::Error| Error::Setup(format!("{error:#}"));
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        let mut spec = pki::Spec::new("detente-testkit", &members).map_err(made_by)?;
        // What the files say, for whoever starts the same network from them; here each listener is
        // given a port by the system.
        spec.port = PORT;
        let desks: Result<_, Unreadable> = desks.iter().map(|name| name.parse()).collect();
        spec.desks = desks.map_err(|error| Error::Setup(error.to_string()))?;
        let place = Place::new(directory)?;
        let at = place.path.clone();
        let moments = Moments { wall: identity::now(), network: clock.now() };
        let change = move |public: &mut spec::Spec| {
            for member in &mut public.member {
                changes.iter().for_each(|change| change(member));
            }
        };
        let made =
            tokio::task::spawn_blocking(move || pki::dev_network_with(&at, &spec, moments, change));
        let made = made.await.map_err(|_| Error::Setup("making keys panicked".to_owned()))?;
        let made = made.map_err(made_by)?;
        let (relay_at, _) = watch::channel(None);
        let mut network =
            Network { made, clock, relay: None, relay_at, posts: BTreeMap::new(), _place: place };
        match network.come_up().await {
            Ok(()) => Ok(network),
            Err(error) => {
                // Its directory may go away with it; why it cannot come up is what is said.
                drop(network.stop().await);
                Err(error)
            }
        }
    }
}

impl Network {
    async fn come_up(&mut self) -> Result<(), Error> {
        self.start_relay().await?;
        let desks: Vec<(DeskId, PathBuf)> =
            self.made.desk_configs.iter().map(|(id, file)| (id.clone(), file.clone())).collect();
        for (id, file) in desks {
            let post = Post::start(&file, &self.clock, self.relay_at.subscribe()).await?;
            self.posts.insert(id, post);
        }
        self.settle().await
    }
}

/// Where a network lies: removed with it unless the directory was given.
pub(super) struct Place {
    path: PathBuf,
    is_ours: bool,
}

impl Place {
    fn new(given: Option<PathBuf>) -> Result<Self, Error> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if let Some(path) = given {
            return Ok(Self { path, is_ours: false });
        }
        let failed = |path: &Path, error: std::io::Error| {
            Error::Setup(format!("{} cannot be made: {error}", path.display()))
        };
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("detente-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, is_ours: true }),
                // Left by another process of this number.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&path, error)),
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_ours {
            // What is still in use stays; it lies among the temporary files.
            drop(std::fs::remove_dir_all(&self.path));
        }
    }
}
