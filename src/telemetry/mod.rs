//! What can be seen from outside: log lines and figures.
//!
//! Not for content: a line or a figure names ids, codes, members and times, never what a case is
//! about. Nothing here is needed to run; a process whose figures nobody reads works the same.

pub mod desk_figures;
pub mod endpoint;
pub mod figures;
pub mod logs;
mod page;
mod response_times;

pub use desk_figures::DeskFigures;
pub use endpoint::{EndpointError, serve};
pub use figures::RelayFigures;
pub use logs::{LogError, log_panics, start_logs};

use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// A registry that says which build it is: `detente_build_info{program,version}`.
pub fn registry(program: &'static str) -> Registry {
    let mut registry = Registry::default();
    let build = Info::new([("program", program), ("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("detente_build", "What is running", build);
    registry
}
