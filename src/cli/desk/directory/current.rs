//! An entry as the agent has it, read.
//!
//! Not for judging it: the agent has believed it.

use crate::cli::agent::{Agent, api};
use crate::cli::{Exit, Failure};
use crate::envelope::entry::{Entry, Restricted, text};
use crate::grpc::counter;
use crate::units::MemberId;

/// A version of an entry.
pub(super) struct Current {
    /// What it says; of version 0 what the genesis says.
    pub(super) entry: Entry,
    /// Its restricted part.
    pub(super) open: Restricted,
    /// Where it stands.
    pub(super) time_ms: i64,
    /// Index of its record at the relay.
    pub(super) index: u64,
    /// Its leaf in the directory log.
    pub(super) leaf: u64,
}

impl Current {
    /// The newest entry of a member.
    pub(super) async fn newest(agent: &mut Agent, member: MemberId) -> Result<Self, Failure> {
        let member = member.to_string();
        let request = api::GetEntryRequest { member, version: None, as_of_ms: 0 };
        Self::asked(agent, request).await
    }

    /// The version that is asked for.
    pub(super) async fn asked(
        agent: &mut Agent,
        request: api::GetEntryRequest,
    ) -> Result<Self, Failure> {
        let answer = agent.entry(request).await?;
        let (version, entry, open) = counter::read_entry(answer).map_err(odd)?;
        let (time_ms, index, leaf) = (version.time_ms, version.index, version.leaf_index);
        Ok(Self { entry, open, time_ms, index, leaf })
    }

    /// It as a file.
    pub(super) fn text(&self) -> String {
        text::to_toml(&self.entry, &self.open)
    }
}

fn odd(why: impl std::fmt::Display) -> Failure {
    let next = "the agent is of another version; use the command line that came with it";
    Failure::new(Exit::Failure, "C-303", "the agent answered no entry", why, next)
}
