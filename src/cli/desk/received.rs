//! `detente desk received`: whether what another desk's proof shows has come to this desk.
//!
//! Not for checking a proof alone: `detente verify proof` does, anywhere.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::super::agent::{Agent, api};
use super::super::moment::{render_rfc3339, render_utc};
use super::super::{Exit, Failure, Screen};

/// The largest proof that an agent takes over its socket.
const FILE_BYTES_MAX: u64 = 3 << 20;

/// Say whether what another desk's proof shows has come here
///
/// For a desk that is told by telephone that it was written to, and finds nothing: the sender's
/// proof, which comes by any way but the relay, shows what the relay has recorded. When it never
/// came here, or came otherwise, the relay is at fault: exit code 3, an alarm, and the proof is
/// kept with it.
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente desk received 12.tlog-proof")]
pub(super) struct Received {
    /// The other desk's proof: a .tlog-proof file of `detente desk proofs`.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Received {
    pub(super) async fn run(self, agent: &mut Agent, screen: &mut Screen) -> Result<Exit, Failure> {
        let text = read(&self.file)?;
        let shown = agent.show_proof(text).await?;
        let here = shown.here();
        let api::ShowProofResponse { from, to, number, time_ms, leaf_index, index, .. } = shown;
        let (word, what, next) = match here {
            api::ProvenEvent::Came => ("CAME", "came here", "next: detente desk inbox"),
            api::ProvenEvent::NotYet => (
                "NOT_YET",
                "has not come here yet; it may be under way",
                "next: the same again in five minutes",
            ),
            api::ProvenEvent::Never => (
                "NEVER",
                "never came here: the relay withholds it",
                "next: detente desk status; work with the other desk by telephone",
            ),
            api::ProvenEvent::Other => (
                "OTHER",
                "never came here: the relay sent another event in its place",
                "next: detente desk status; work with the other desk by telephone",
            ),
            api::ProvenEvent::Unspecified => {
                let next = "update detente: the agent is newer than this command";
                let what = "what is here is not known";
                return Err(Failure::new(Exit::Failure, "C-506", what, "no answer", next));
            }
        };
        if screen.is_json() {
            screen.document(&json!({
                "from": from,
                "to": to,
                "number": number,
                "time": render_rfc3339(time_ms),
                "leaf": leaf_index,
                "here": word,
                "index": index,
            }))?;
        } else {
            let time = render_utc(time_ms);
            screen
                .text(&format!("event {number} from {from} to {to}, recorded {time}, {what}\n"))?;
        }
        screen.message(next);
        let holds = matches!(here, api::ProvenEvent::Came | api::ProvenEvent::NotYet);
        Ok(if holds { Exit::Success } else { Exit::Unverified })
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let unable = |why: String| {
        let why = format!("{}: {why}", path.display());
        let next = "name a .tlog-proof file that can be read";
        Failure::new(Exit::Failure, "C-412", "nothing was compared", why, next)
    };
    let length = std::fs::metadata(path).map_err(|error| unable(error.to_string()))?.len();
    if length > FILE_BYTES_MAX {
        return Err(unable(format!("{length} bytes are more than such a file has")));
    }
    std::fs::read_to_string(path).map_err(|error| unable(error.to_string()))
}
