//! What became of a story, as one page: no script, nothing from elsewhere, readable on paper.
//!
//! Not for programs: see `json.rs`.

use super::{local, picture, story_time, summary, utc};
use crate::story::{Played, PlayedStep, Step, Verdict};

/// The page.
pub fn html(played: &Played) -> String {
    let story = &played.story;
    let held = played.held();
    let verdict = if held { "good" } else { "bad" };
    let said = if held { "as told" } else { "not as told" };
    let mut rows = String::new();
    for (told, step) in story.steps.iter().zip(&played.steps) {
        rows.push_str(&row(played, told, step));
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\n<header>\
         <p class=\"file\">{file}</p><h1>{title}</h1><p class=\"sum\">\
         <span class=\"badge {verdict}\">{said}</span> from {start} UTC · {summary}{exercise}</p>\
         </header>\n\
         <section><h2>What happened</h2><div class=\"scroll\">{picture}</div>{LEGEND}</section>\n\
         <section><h2>What was told, and what is</h2><table><thead><tr><th>When</th><th>UTC</th>\
         <th>At the desks</th><th>What</th></tr></thead><tbody>\n{rows}</tbody></table></section>\n\
         </body></html>\n",
        title = escaped(&story.title),
        file = escaped(&story.file),
        start = utc(story.start),
        summary = summary(played),
        exercise = if story.exercise { " · exercise" } else { "" },
        picture = picture::picture(played),
    )
}

fn row(played: &Played, told: &Step, step: &PlayedStep) -> String {
    let desks: Vec<String> = step
        .from
        .iter()
        .chain(&step.to)
        .map(|desk| {
            let time = local(step.at, played.zones.get(desk));
            format!("<span>{} <b>{time}</b></span>", escaped(desk))
        })
        .collect();
    let mut what = format!(
        "<p class=\"step\">{}<span class=\"line\">line {}</span></p>",
        escaped(&told.text),
        told.line
    );
    for told in &step.told {
        what.push_str(&format!("<p class=\"told\">{}</p>", escaped(told)));
    }
    if let Some(approval) = &step.approval {
        what.push_str(&format!("<p class=\"check\">{}</p>", escaped(approval)));
    }
    what.push_str(&verdict(None, &step.done));
    for (expect, checked) in told.expects.iter().zip(&step.checks) {
        what.push_str(&verdict(Some((expect.line, &expect.text)), checked));
    }
    format!(
        "<tr><td class=\"when\">{}</td><td class=\"utc\">{}</td><td class=\"local\">{}</td>\
         <td>{what}</td></tr>\n",
        story_time(told.at_ms),
        utc(step.at),
        desks.join(" ")
    )
}

/// A verdict with what must hold; what was done only when it was not as told.
fn verdict(expect: Option<(usize, &str)>, verdict: &Verdict) -> String {
    let (line, told) = expect.unwrap_or((0, ""));
    let place =
        if line > 0 { format!("<span class=\"line\">line {line}</span>") } else { String::new() };
    let told = escaped(told);
    match verdict {
        Verdict::Held if line == 0 => String::new(),
        Verdict::Held => format!("<p class=\"check good\">✓ {told}{place}</p>"),
        Verdict::Skipped(why) => {
            format!("<p class=\"check skip\">– {told} skipped: {}{place}</p>", escaped(why))
        }
        Verdict::Wrong { expected, actual } => format!(
            "<p class=\"check bad\">✗ expected: {}{place}<br>actual: {}</p>",
            escaped(expected),
            escaped(actual)
        ),
    }
}

/// Text, so that it is text in the page.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const LEGEND: &str = "<p class=\"legend\"><span class=\"asks\">request</span>\
    <span class=\"acts\">act</span><span class=\"refused\">refused, as told</span>\
    <span class=\"fault\">fault</span><span class=\"wrong\">not as told</span></p>";

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1d2733;--faint:#66758a;--paper:#fff;--line:#d9e0e8;
--blue:#1f5fbf;--green:#1b7f4b;--amber:#a15c00;--red:#c02b2b;--violet:#6b4bb8;--soft:#f4f7fa}
@media(prefers-color-scheme:dark){:root{--ink:#e4eaf1;--faint:#93a1b3;--paper:#14191f;
--line:#2c3642;--blue:#7fb0ff;--green:#5fd39a;--amber:#f0b35a;--red:#ff8080;--violet:#b9a2ff;
--soft:#1b222a}}
body{margin:0 auto;max-width:1500px;padding:28px 32px;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
h1{margin:.1em 0 .3em;font-size:27px}h2{font-size:18px;margin:34px 0 10px}
.file{margin:0;color:var(--faint);font-size:13px}.sum{margin:0;color:var(--faint)}
.badge{padding:2px 10px;border-radius:11px;color:#fff;font-weight:600;margin-right:6px}
.badge.good{background:#1b7f4b}.badge.bad{background:#c02b2b}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:10px;background:var(--soft)}
svg{display:block;font:12px system-ui,'DejaVu Sans',sans-serif}
svg .lane{stroke:var(--line);stroke-width:2}svg .head{fill:var(--paper);stroke:var(--line)}
svg .desk{fill:var(--ink);font-weight:600;font-size:14px;text-anchor:middle}
svg .zone{fill:var(--faint);font-size:10px;text-anchor:middle}
svg .when{fill:var(--ink);font-weight:600}svg .utc{fill:var(--faint);font-size:11px}
svg .label{fill:var(--ink);paint-order:stroke;stroke:var(--soft);stroke-width:4px}
svg .note{fill:var(--faint);font-style:italic}svg .arrow{stroke-width:2}
svg marker path{fill:context-stroke}
svg .asks .arrow{stroke:var(--blue)}svg .asks circle{fill:var(--blue)}
svg .acts .arrow{stroke:var(--green)}svg .acts circle{fill:var(--green)}
svg .refused .arrow{stroke:var(--amber);stroke-dasharray:5 4}svg .refused circle{fill:var(--amber)}
svg .fault .arrow{stroke:var(--violet)}svg .fault circle{fill:var(--violet)}
svg .skipped .arrow{stroke:var(--faint);stroke-dasharray:2 4}svg .skipped circle{fill:var(--faint)}
svg .wrong .arrow{stroke:var(--red);stroke-width:3}svg .wrong circle{fill:var(--red)}
svg .wrong .label{fill:var(--red);font-weight:600}
.legend{display:flex;gap:18px;margin:8px 2px;color:var(--faint);font-size:13px}
.legend span::before{content:'';display:inline-block;width:10px;height:10px;border-radius:5px;
margin-right:6px;background:var(--blue)}
.legend .acts::before{background:var(--green)}.legend .refused::before{background:var(--amber)}
.legend .fault::before{background:var(--violet)}.legend .wrong::before{background:var(--red)}
table{border-collapse:collapse;width:100%}th{text-align:left;color:var(--faint);font-weight:500;
border-bottom:2px solid var(--line);padding:4px 12px 6px 0}
td{vertical-align:top;border-bottom:1px solid var(--line);padding:9px 14px 9px 0}
td.when{font-weight:600;white-space:nowrap}td.utc{white-space:nowrap;color:var(--faint)}
td.local span{display:block;white-space:nowrap;color:var(--faint)}td.local b{color:var(--ink);
font-weight:500}
p.step{margin:0 0 3px}p.told{margin:0 0 3px;font-size:14px;color:var(--amber)}
p.check{margin:1px 0;font-size:14px}.check.good{color:var(--green)}
.check.bad{color:var(--red);font-weight:600}.check.skip{color:var(--faint)}
.line{color:var(--faint);font-size:12px;font-weight:400;margin-left:10px}
@media print{body{padding:0}.scroll{overflow:visible}}
";
