//! Incidents told as text, and played against a network: who does what when, and what must hold.
//!
//! A story can be read by a diplomat and is run by a machine; `format.md` says in one page how it
//! is written ([`FORMAT`]). Not a test of this program alone: the same story can be played on a
//! network that runs.

mod acts;
mod check;
mod check_desk;
mod error;
mod expect;
mod names;
mod perform;
mod play;
mod read;
pub mod report;
mod stage;
mod step;
mod verbs;
mod vocabulary;
mod words;

pub use error::Unreadable;
pub use play::{Played, PlayedStep, Scene, Verdict, play, play_on, play_until};
pub use stage::Error;
pub use step::{Expect, Member, Step, Story};

/// How a story is written, in one page.
pub const FORMAT: &str = include_str!("format.md");

impl Story {
    /// Reads the text of a story that stands in `file`.
    ///
    /// # Errors
    /// [`Unreadable`]: the first line that cannot be understood, with its word.
    pub fn parse(file: &str, text: &str) -> Result<Self, Unreadable> {
        read::story(file, text)
    }
}
