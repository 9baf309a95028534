//! The picture of a story: a lane for each desk, time going down, an arrow for each statement.
//!
//! Not interactive: plain SVG that stands in the page, coloured by the page's style.

use super::{story_time, utc};
use crate::story::step::What;
use crate::story::{Played, PlayedStep, Step, Verdict};

const LEFT: usize = 150;
/// All lanes together are about this wide, where they are few.
const LANES: usize = 1_100;
const LANE_MIN: usize = 140;
const LANE_MAX: usize = 260;
const HEAD: usize = 70;
const ROW: usize = 46;
/// A character of a label is about this wide.
const CHARACTER: usize = 7;

/// The picture, as an `<svg>` element.
pub(super) fn picture(played: &Played) -> String {
    let desks = lanes(played);
    let lanes = Lanes::of(&desks);
    let (width, height) = (lanes.width() + 40, HEAD + ROW * (played.steps.len() + 1));
    let title = super::html::escaped(&played.story.title);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
         aria-label=\"{title}\">\n<defs>\
         <marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n"
    );
    for (at, desk) in desks.iter().enumerate() {
        let x = lanes.middle(at);
        svg.push_str(&format!(
            "<line class=\"lane\" x1=\"{x}\" y1=\"{HEAD}\" x2=\"{x}\" y2=\"{height}\"/>\
             <rect class=\"head\" x=\"{}\" y=\"14\" width=\"110\" height=\"44\" rx=\"8\"/>\
             <text class=\"desk\" x=\"{x}\" y=\"33\">{}</text>\
             <text class=\"zone\" x=\"{x}\" y=\"49\">{}</text>\n",
            x - 55,
            super::html::escaped(desk),
            super::html::escaped(played.zones.get(desk).map_or("", String::as_str)),
        ));
    }
    for (row, (told, step)) in played.story.steps.iter().zip(&played.steps).enumerate() {
        svg.push_str(&drawn(&lanes, told, step, HEAD + ROW * row + ROW / 2 + 8));
    }
    svg.push_str("</svg>\n");
    svg
}

/// The desks that do anything, in order of the story's members.
fn lanes(played: &Played) -> Vec<String> {
    let acts = |desk: &String| {
        played.steps.iter().any(|step| step.from.as_ref() == Some(desk) || step.to.contains(desk))
    };
    let order = |desk: &String| {
        let member = desk.split('/').next().unwrap_or_default();
        played.story.members.iter().position(|told| told.id == member)
    };
    let mut desks: Vec<String> = played.zones.keys().filter(|desk| acts(desk)).cloned().collect();
    desks.sort_by_key(order);
    desks
}

/// Where the lanes are.
struct Lanes<'a> {
    desks: &'a [String],
    lane: usize,
}

impl<'a> Lanes<'a> {
    /// As wide as they can be, and wide enough.
    fn of(desks: &'a [String]) -> Self {
        Self { desks, lane: (LANES / desks.len().max(1)).clamp(LANE_MIN, LANE_MAX) }
    }

    const fn width(&self) -> usize {
        LEFT + self.lane * self.desks.len()
    }

    const fn middle(&self, at: usize) -> usize {
        LEFT + self.lane / 2 + self.lane * at
    }

    fn place(&self, desk: &String) -> Option<usize> {
        self.desks.iter().position(|other| other == desk).map(|at| self.middle(at))
    }

    /// As much of a label that begins here as there is room for.
    fn label(&self, x: usize, text: &str) -> String {
        let room = self.width().saturating_sub(x) / CHARACTER;
        if text.chars().count() <= room {
            return super::html::escaped(text);
        }
        let short: String = text.chars().take(room.saturating_sub(1)).collect();
        super::html::escaped(&format!("{short}…"))
    }
}

fn drawn(lanes: &Lanes<'_>, told: &Step, step: &PlayedStep, y: usize) -> String {
    let from = step.from.as_ref().and_then(|desk| lanes.place(desk));
    let class = class(told, step);
    let mut svg = format!(
        "<g class=\"{class}\"><text class=\"when\" x=\"8\" y=\"{}\">{}</text>\
         <text class=\"utc\" x=\"8\" y=\"{}\">{}</text>",
        y - 1,
        story_time(told.at_ms),
        y + 13,
        utc(step.at),
    );
    let Some(x) = from else {
        let middle = LEFT + 20;
        let label = lanes.label(middle, &told.text);
        svg.push_str(&format!(
            "<text class=\"note\" x=\"{middle}\" y=\"{}\">{label}</text></g>\n",
            y + 4
        ));
        return svg;
    };
    svg.push_str(&format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"5\"/>"));
    let mut leftmost = x;
    for to in step.to.iter().filter_map(|desk| lanes.place(desk)) {
        let end = if to > x { to - 3 } else { to + 3 };
        svg.push_str(&format!(
            "<line class=\"arrow\" x1=\"{x}\" y1=\"{y}\" x2=\"{end}\" y2=\"{y}\" \
             marker-end=\"url(#tip)\"/>"
        ));
        leftmost = leftmost.min(to);
    }
    let label = lanes.label(leftmost + 10, &told.text);
    svg.push_str(&format!(
        "<text class=\"label\" x=\"{}\" y=\"{}\">{label}</text></g>\n",
        leftmost + 10,
        y - 9
    ));
    svg
}

/// How it is coloured: what is not as told stands out, then refusals, then requests.
fn class(told: &Step, step: &PlayedStep) -> &'static str {
    let verdicts = || std::iter::once(&step.done).chain(&step.checks);
    if verdicts().any(|verdict| matches!(verdict, Verdict::Wrong { .. })) {
        return "wrong";
    }
    if matches!(step.done, Verdict::Skipped(_)) {
        return "skipped";
    }
    if told.refused.is_some() {
        return "refused";
    }
    match told.what {
        What::Ask(_) => "asks",
        What::Fault(_) => "fault",
        What::Note
        | What::Act(_)
        | What::Open { .. }
        | What::Publish { .. }
        | What::Call { .. } => "acts",
    }
}
