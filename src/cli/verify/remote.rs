//! A log that lies on a web server: fetched into a directory, which is then verified like any.
//!
//! Not for verifying (see `log.rs`).

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use data_encoding::HEXLOWER;
use rustls::ClientConfig;

use super::journal::bar;
use super::log::failure;
use super::trust::TrustArguments;
use crate::audit::{CHECKPOINT, Damage, Fault, Older, Trust, check_heads};
use crate::cli::{Exit, Failure, Screen, start};
use crate::config::SYSTEM_AUTHORITIES;
use crate::envelope::genesis::Genesis;
use crate::identity::{self, RelayTrust};
use crate::web::{self, FetchFault, LogUrl};

/// How a log is fetched.
#[derive(Debug, Args)]
pub(super) struct FetchArguments {
    /// The authority under which the web server is known by its name (PEM). Without it a relay is
    /// known by the genesis, where that is given, and other servers by the system's authorities.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Keep what is fetched in this directory: the next time only what is new is fetched, and the
    /// log must contain the head that was kept.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// A log that is on this machine now.
pub(super) struct Local {
    pub(super) directory: PathBuf,
    /// Removes it, where it is not to be kept.
    _passing: Option<Passing>,
}

/// A directory that is removed when it is dropped.
struct Passing(PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        // It is the system's directory for what passes.
        let _left = fs::remove_dir_all(&self.0);
    }
}

impl FetchArguments {
    /// The head that was kept the last time.
    pub(super) fn kept(&self) -> Option<PathBuf> {
        let head = self.keep.as_ref().map(|keep| keep.join(CHECKPOINT));
        head.filter(|head| head.exists())
    }

    /// Fetches a log whose head is believed and, as far as heads can tell, contains older ones.
    pub(super) fn fetch(
        &self,
        url: &LogUrl,
        (trust, older): (&Trust, &[Older]),
        arguments: &TrustArguments,
        screen: &mut Screen,
    ) -> Result<Local, Failure> {
        let tls = if url.is_secure() { Some(self.tls(arguments.genesis()?)?) } else { None };
        let (directory, passing) = match &self.keep {
            Some(keep) => (keep.clone(), None),
            None => {
                let passing = passing()?;
                (passing.0.clone(), Some(passing))
            }
        };
        let bar = bar(screen, "files", "{human_pos}/{human_len} {per_sec}");
        let shown = bar.clone();
        let accept = |note: &_| {
            let file = CHECKPOINT.to_owned();
            let unaccepted = |why| Fault::Damaged(Damage::Unaccepted { file, why });
            let head = trust.check(note).map_err(unaccepted)?.checkpoint;
            older
                .iter()
                .try_for_each(|older| check_heads((CHECKPOINT, &head), trust, older).map(drop))
        };
        let fetched = start::runtime()?.block_on(Box::pin(web::fetch(
            url,
            tls,
            &directory,
            accept,
            move |done, all| {
                shown.set_length(all as u64);
                shown.set_position(done as u64);
            },
        )));
        bar.finish_and_clear();
        let fetched = fetched.map_err(fetch_failure)?;
        screen.message(&format!("{url}: {} files, {} kept before", fetched.files, fetched.kept));
        Ok(Local { directory, _passing: passing })
    }

    fn tls(&self, genesis: Option<Genesis>) -> Result<Arc<ClientConfig>, Failure> {
        if let Some(path) = &self.ca {
            return authorities(path);
        }
        if let Some(genesis) = genesis {
            let trust = RelayTrust::from_genesis(&genesis, None);
            let next = "give --ca with the authority of the web server";
            let trust = trust.map_err(|denied| Failure::value("--genesis", denied, next))?;
            return Ok(identity::relay_reader_config(Arc::new(trust)));
        }
        let system = SYSTEM_AUTHORITIES.iter().map(Path::new).find(|path| path.exists());
        let none = || {
            let why = "the system has no file of authorities that is known here";
            Failure::value("--ca", why, "give the authority of the web server, PEM")
        };
        authorities(system.ok_or_else(none)?)
    }
}

fn authorities(path: &Path) -> Result<Arc<ClientConfig>, Failure> {
    let wrong = |why: String| {
        let why = format!("{}: {why}", path.display());
        Failure::value("--ca", why, "give certificates of authorities, PEM")
    };
    let pem = fs::read(path).map_err(|error| wrong(error.to_string()))?;
    identity::public_client_config(&pem).map_err(wrong)
}

fn passing() -> Result<Passing, Failure> {
    let mut tag = [0_u8; 8];
    aws_lc_rs::rand::fill(&mut tag)
        .map_err(|_| Failure::value("--keep", "no random bytes", "give a directory to keep"))?;
    let path = std::env::temp_dir().join(format!("detente-log-{}", HEXLOWER.encode(&tag)));
    fs::DirBuilder::new().mode(0o700).create(&path).map_err(|error| {
        let why = format!("{}: {error}", path.display());
        Failure::value("--keep", why, "give a directory to keep the log in")
    })?;
    Ok(Passing(path))
}

fn fetch_failure(fault: FetchFault) -> Failure {
    let what = "the log was not fetched";
    match fault {
        FetchFault::Log(fault) => failure(fault, "the log does not hold"),
        FetchFault::Server { .. } => {
            let next = "check address and network; --ca names the authority of a web server that \
                        is no relay of the genesis";
            Failure::new(Exit::Failure, "C-419", what, fault, next)
        }
        FetchFault::Disk { .. } => {
            let next = "check disk space and who may write there; --keep names another place";
            Failure::new(Exit::Failure, "C-412", what, fault, next)
        }
    }
}
