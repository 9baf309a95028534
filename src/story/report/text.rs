//! What became of a story, as lines: one for each step as it ends, or all of them.
//!
//! Not for programs: see `json.rs`.

use super::{story_time, summary, utc};
use crate::story::{Played, PlayedStep, Step, Verdict};

/// A step as it ends, with whatever was not as told under it.
pub fn line(told: &Step, played: &PlayedStep) -> String {
    let sign = match worst(played) {
        Worst::Held => "ok   ",
        Worst::Skipped => "skip ",
        Worst::Wrong => "WRONG",
    };
    let moment = story_time(told.at_ms);
    let mut text = format!("{sign}  {}  {moment:>9}  {}\n", utc(played.at), told.text);
    for told in &played.told {
        text.push_str(&format!("         {told}\n"));
    }
    if let Some(approval) = &played.approval {
        text.push_str(&format!("         {approval}\n"));
    }
    let lines = std::iter::once(told.line).chain(told.expects.iter().map(|expect| expect.line));
    for (line, verdict) in lines.zip(std::iter::once(&played.done).chain(&played.checks)) {
        match verdict {
            Verdict::Held => {}
            Verdict::Wrong { expected, actual } => {
                text.push_str(&format!("         line {line}: expected: {expected}\n"));
                text.push_str(&format!("         line {line}: actual:   {actual}\n"));
            }
            Verdict::Skipped(why) => {
                text.push_str(&format!("         line {line}: skipped: {why}\n"));
            }
        }
    }
    text
}

/// The whole story, with its title and a count at the end.
pub fn text(played: &Played) -> String {
    let story = &played.story;
    let mut text = format!("{}\n{}\n\n", story.title, "=".repeat(story.title.chars().count()));
    for (told, step) in story.steps.iter().zip(&played.steps) {
        text.push_str(&line(told, step));
    }
    text.push_str(&format!("\n{}\n", summary(played)));
    text
}

enum Worst {
    Held,
    Skipped,
    Wrong,
}

fn worst(played: &PlayedStep) -> Worst {
    let verdicts = || std::iter::once(&played.done).chain(&played.checks);
    if verdicts().any(|verdict| matches!(verdict, Verdict::Wrong { .. })) {
        Worst::Wrong
    } else if verdicts().any(|verdict| matches!(verdict, Verdict::Skipped(_))) {
        Worst::Skipped
    } else {
        Worst::Held
    }
}
