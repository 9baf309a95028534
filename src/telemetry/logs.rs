//! Log lines: as text for people or as JSON for collectors, on standard error.
//!
//! Not for what a program answers, which goes to standard output. A call's lines stand in a span
//! that carries its method, its caller and the message id of its statement.

use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// Why logging cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter's directives cannot be read.
    #[error("log.filter {filter:?} cannot be read")]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// It was started before.
    #[error("logging has been started before")]
    Twice(#[source] TryInitError),
}

/// Starts logging what `filter` lets through (directives as of tracing's `EnvFilter`), as JSON or
/// as text; in colour only on a terminal.
///
/// # Errors
/// See [`LogError`].
pub fn start_logs(filter: &str, json: bool) -> Result<(), LogError> {
    let parsed = EnvFilter::builder()
        .parse(filter)
        .map_err(|source| LogError::Filter { filter: filter.to_owned(), source })?;
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colour);
    let started = if json {
        tracing_subscriber::registry().with(parsed).with(lines.json()).try_init()
    } else {
        tracing_subscriber::registry().with(parsed).with(lines).try_init()
    };
    started.map_err(LogError::Twice)
}

/// Has panics logged as errors, with their place, instead of printed.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        tracing::error!(place, thread, why = words(panic), "panicked");
    }));
}

fn words<'a>(panic: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = panic.payload();
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a word")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_named() {
        let refused = start_logs("detente=louder", false).unwrap_err();
        assert_eq!(refused.to_string(), r#"log.filter "detente=louder" cannot be read"#);
    }
}
