//! What the long-running commands share: logs, the runtime, and failures to start, with what to do.
//!
//! Not for starting itself (see `service/`).

use std::path::Path;

use super::{Exit, Failure};
use crate::config::{self, LogFormat};
use crate::desk;
use crate::grpc::agent::AgentError;
use crate::journal;
use crate::relay::{self, OpenError};
use crate::service::StartError;
use crate::telemetry;

/// Starts logging.
pub(super) fn logs(log: &config::Log) -> Result<(), Failure> {
    telemetry::log_panics();
    telemetry::start_logs(&log.filter, log.format == LogFormat::Json).map_err(|error| {
        let next = "write directives as of tracing's EnvFilter: \"info,detente::relay=debug\"";
        Failure::new(Exit::Usage, "C-102", "the configuration cannot be used", error, next)
    })
}

/// The runtime of a long-running command: a thread for each core.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// A relay or an agent that cannot start.
pub(super) fn failure(error: StartError) -> Failure {
    let why = chain(&error);
    let failed =
        |code: &str, next: &str| Failure::new(Exit::Failure, code, "it cannot start", &why, next);
    match error {
        StartError::File { .. } => failed("C-601", "check the path and who may read it"),
        StartError::Genesis { .. } | StartError::Relay(OpenError::Genesis(_)) => failed(
            "C-602",
            "compare the hash with the other members over another channel, then correct \
             network.genesis or network.genesis_sha256",
        ),
        StartError::Policy { .. } | StartError::Witness(_) => failed(
            "C-613",
            "correct network.policy, or leave it out; `detente genesis policy` prints the one that \
             the genesis states",
        ),
        StartError::Unlock(_) | StartError::NoUnlock => failed(
            "C-603",
            "name in [unlock] a file that only its owner can read (chmod 600), or a credential of \
             the unit",
        ),
        StartError::Bind { .. } => {
            failed("C-604", "choose another address, or stop what listens there")
        }
        StartError::LogKey { .. } | StartError::Relay(OpenError::LogKey(_)) => failed(
            "C-612",
            "name in [logs] the key files that were made with the public halves in the genesis, or \
             whose keys were announced since; no member accepts a log signed by others",
        ),
        StartError::Own(_) | StartError::Key { .. } | StartError::Authority(_) => failed(
            "C-605",
            "check [tls] and the key files: each must be there, be opened by the secret in \
             [unlock], and fit its certificate",
        ),
        StartError::Agent(AgentError::Desk(desk::OpenError::Journal(fault))) => {
            journal_failure(&fault)
        }
        StartError::Agent(AgentError::Desk(_)) => failed(
            "C-610",
            "check that store.directory, [unlock], [keys] and desk belong together and to the \
             genesis",
        ),
        StartError::Agent(
            AgentError::Counter(_)
            | AgentError::Serving(_)
            | AgentError::Disk(_)
            | AgentError::Panicked(_),
        ) => failed(
            "C-606",
            "choose a path for counter.socket in a directory of the agent's own, or stop the \
             agent that uses it",
        ),
        StartError::Relay(OpenError::Journal(fault)) => journal_failure(&fault),
        StartError::Relay(OpenError::Founding(relay::Error::Full)) => {
            failed("C-404", "free space on the disk of store.directory, then start it again")
        }
        StartError::Relay(OpenError::Tables(_) | OpenError::Incarnation(_)) => failed(
            "C-607",
            "check disk space and rights of store.directory; the tables can be \
                             made anew with detente rebuild",
        ),
        StartError::Relay(OpenError::Record { .. } | OpenError::Founding(_)) => failed(
            "C-608",
            "keep the directory as it is and check it with detente verify --journal; restore a \
             copy if it does not hold",
        ),
        StartError::Interrupted => failed("C-609", "start it again"),
    }
}

/// The same, of a program whose journal lies in `journal`: a fault names only a file of it.
pub(super) fn failure_at(journal: &Path, error: StartError) -> Failure {
    if let StartError::Relay(OpenError::Journal(fault))
    | StartError::Agent(AgentError::Desk(desk::OpenError::Journal(fault))) = &error
    {
        return Failure { why: fault.within(journal), ..journal_failure(fault) };
    }
    failure(error)
}

/// A journal that cannot be opened or does not hold.
pub(super) fn journal_failure(fault: &journal::Fault) -> Failure {
    let failed = |exit, code, next: &str| {
        Failure::new(exit, code, "the journal cannot be used", fault, next)
    };
    match fault {
        journal::Fault::Damaged { .. } => failed(
            Exit::Unverified,
            "C-401",
            "keep the directory as it is, restore a copy, and compare both; nothing is served \
             from a damaged journal, and no new one is begun in its place",
        ),
        journal::Fault::InUse { .. } => {
            failed(Exit::Failure, "C-402", "stop the process that has it, then try again")
        }
        journal::Fault::Foreign { .. } => failed(
            Exit::Failure,
            "C-403",
            "check store.directory; a journal of another version needs the program that made it",
        ),
        journal::Fault::Io { .. } => {
            failed(Exit::Failure, "C-404", "check disk, disk space and rights, then try again")
        }
    }
}

/// A second signal while the first was being heeded.
pub(super) fn impatient(which: &str) -> Failure {
    let what = "it was ended before it had stopped in order";
    let next = "start it again; what was acknowledged is on the disk";
    let why = format!("a second signal came ({which}) while calls had time to finish");
    tracing::warn!(signal = which, "ended at once: a second signal");
    Failure::new(Exit::Failure, "C-611", what, why, next)
}

/// A store that failed while the program ran.
pub(super) fn store_failed(what: &str, why: &str) -> Failure {
    let next = "check the disk; what was acknowledged is on it, and the next start reads it again";
    Failure::new(Exit::Failure, "C-405", what, why, next)
}

/// An error and its causes, each once: what was attempted, then what stood in its way.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = inner.source();
    }
    text
}
