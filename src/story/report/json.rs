//! What became of a story, for programs.
//!
//! Not for people: see `text.rs` and `html.rs`.

use serde_json::{Value, json};

use super::tally;
use crate::story::{Played, Verdict};

/// One document: the story, every step with its moment, and every verdict with its line.
pub fn json(played: &Played) -> Value {
    let story = &played.story;
    let tally = tally(played);
    let steps: Vec<Value> = story
        .steps
        .iter()
        .zip(&played.steps)
        .map(|(told, step)| {
            let checks: Vec<Value> = told
                .expects
                .iter()
                .zip(&step.checks)
                .map(|(expect, verdict)| {
                    json!({
                        "line": expect.line,
                        "expect": expect.text,
                        "verdict": rendered(verdict),
                    })
                })
                .collect();
            json!({
                "line": told.line,
                "text": told.text,
                "at": step.at.to_string(),
                "from": step.from,
                "to": step.to,
                "approval": step.approval,
                "told": step.told,
                "verdict": rendered(&step.done),
                "expects": checks,
            })
        })
        .collect();
    json!({
        "file": story.file,
        "title": story.title,
        "start": story.start.to_string(),
        "exercise": story.exercise,
        "ok": played.held(),
        "held": tally.held,
        "wrong": tally.wrong,
        "skipped": tally.skipped,
        "time_zones": played.zones,
        "steps": steps,
    })
}

fn rendered(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Held => json!({ "is": "HELD" }),
        Verdict::Wrong { expected, actual } => {
            json!({ "is": "WRONG", "expected": expected, "actual": actual })
        }
        Verdict::Skipped(why) => json!({ "is": "SKIPPED", "why": why }),
    }
}
