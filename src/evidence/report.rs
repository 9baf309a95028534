//! The readable page of a bundle: who said what to whom when, in UTC and in both desks' own time;
//! what is proven, and what is not disclosed.
//!
//! Not for anything that is not proven: it is made from what was verified and from nothing else.
//! It needs nothing but itself, and is the same on every machine: time zones are those that the
//! program brings, not those of the system.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::tz::TimeZoneDatabase;

use super::verify::{BodyAtRelay, Proven, Verified};
use super::{Disclosed, Record};
use crate::audit::Quorum;
use crate::envelope::{form, parse_body};
use crate::units::Timestamp;

const STYLE: &str = "body{font:16px/1.5 sans-serif;margin:2em auto;max-width:70em;padding:0 1em;\
    color:#111;background:#fff}table{border-collapse:collapse;width:100%;margin:1em 0}\
    td,th{border:1px solid #888;padding:.4em;text-align:left;vertical-align:top}\
    th{background:#eee}code{overflow-wrap:anywhere}.no{white-space:nowrap}\
    dt{font-weight:bold;margin-top:.4em}dd{margin:0 0 0 1.5em;white-space:pre-wrap}\
    @media print{body{max-width:none;margin:0}tr{break-inside:avoid}}";

/// The page.
pub(super) fn html(records: &[Record], verified: &Verified) -> String {
    let Verified { network, genesis, records: proven } = verified;
    let zones = TimeZoneDatabase::bundled();
    let mut rows = String::new();
    let mut bodies = String::new();
    for (number, (record, proven)) in (1..).zip(records.iter().zip(proven)) {
        rows.push_str(&row(&zones, number, proven));
        if let Some(body) = &record.body {
            bodies.push_str(&shown(number, proven, body));
        }
    }
    if bodies.is_empty() {
        bodies.push_str("<p>None. What was written in these statements is not in this file.</p>\n");
    }
    let network = escaped(network);
    let summary = summary(proven);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>Evidence from {network}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>Evidence from {network}</h1>\n{summary}\
         <h2>What happened</h2>\n\
         <table>\n<tr><th>#</th><th>when</th><th>what</th><th>from and to</th><th>signed by</th>\
         <th>proof</th></tr>\n{rows}</table>\n\
         <h2>What was written, as far as it is disclosed</h2>\n{bodies}\
         <h2>What this rests on</h2>\n\
         <p>Every line above follows from the files beside this page: the event and its proof that \
         it is in the network's log, the signature of whoever spoke, and the genesis that names \
         their keys. <code>README.txt</code> says how to check it, with the program or by hand. \
         Nothing here has to be taken from the desk that made this file, or from the relay, but \
         one number: the SHA-256 of the genesis, to be compared over another channel.</p>\n\
         <p><code>{genesis}</code></p>\n{LIMITS}</body>\n</html>\n",
    )
}

const LIMITS: &str = "<p>What is proven: that a statement was signed with the key of the officer \
    or desk named; that the relay had it on record in the order and at the time given, and, where \
    witnesses are named, that it was there when they cosigned; fewer than the quorum of the \
    committee, and the relay's word is all there is. What is not: that what was written is true; \
    who sat at the keyboard; that no entry that is missing here withdrew a key before it signed, \
    which the directory's log tells; that there are no other records. Events from one desk to \
    another are numbered without gaps: a number that is missing here is a record about another \
    request, or one that is not shown.</p>\n";

/// What the page is about, in sentences.
fn summary(records: &[Proven]) -> String {
    let requests: BTreeSet<&str> =
        records.iter().filter_map(|record| record.request.as_deref()).collect();
    let desks: BTreeSet<&str> = records
        .iter()
        .flat_map(|record| [record.from.as_str(), record.to.as_str()])
        .filter(|desk| !desk.is_empty())
        .collect();
    let times = || records.iter().map(|record| record.time);
    let mut text = String::from("<dl>\n");
    let mut line = |term: &str, words: &str| {
        push(&mut text, format_args!("<dt>{term}</dt><dd>{words}</dd>\n"));
    };
    let codes = |words: BTreeSet<&str>| {
        let each: Vec<String> =
            words.into_iter().map(|word| format!("<code>{}</code>", escaped(word))).collect();
        each.join(", ")
    };
    line("Request", &codes(requests));
    line("Desks", &codes(desks));
    line("Records", &records.len().to_string());
    let seen = records.iter().filter(|record| record.quorum == Quorum::Had).count();
    line("Of them witnessed", &format!("{seen}, by the quorum of the committee in the genesis"));
    if let (Some(first), Some(last)) = (times().min(), times().max()) {
        line("From", &format!("{} UTC", utc(first)));
        line("Until", &format!("{} UTC", utc(last)));
    }
    text.push_str("</dl>\n");
    text
}

fn row(zones: &TimeZoneDatabase, number: usize, record: &Proven) -> String {
    let cells = [
        format!("<code>{number:03}</code>"),
        when(zones, record),
        what(record),
        format!("{}<br>{}", or_relay(&record.from), escaped(&record.to)),
        if record.signed_by.is_empty() {
            "the log alone".to_owned()
        } else {
            escaped(&record.signed_by.join(", "))
        },
        proof(record),
    ];
    let mut row = String::from("<tr>");
    for cell in cells {
        row.push_str("<td>");
        row.push_str(&cell);
        row.push_str("</td>");
    }
    row.push_str("</tr>\n");
    row
}

fn when(zones: &TimeZoneDatabase, record: &Proven) -> String {
    let mut text = format!("<span class=\"no\">{} UTC</span>", utc(record.time));
    let mut of_desks = record.zones.clone();
    of_desks.dedup();
    for zone in &of_desks {
        if let Some(local) = local(zones, record.time, zone) {
            push(&mut text, format_args!("<br>{local} {}", escaped(zone)));
        }
    }
    if let Some(created) = record.created {
        push(&mut text, format_args!("<br>signed, as the signer says, {} UTC", utc(created)));
    }
    text
}

fn what(record: &Proven) -> String {
    let mut text = format!("<b>{}</b>", escaped(&record.what));
    if record.pair_sequence > 0 {
        push(&mut text, format_args!("<br>event {} of this pair", record.pair_sequence));
    }
    match (&record.body, record.body_disclosed) {
        (_, true) => text.push_str("<br>its body is shown below"),
        (BodyAtRelay::None, false) => {}
        (BodyAtRelay::Kept | BodyAtRelay::Erased { .. }, false) => {
            text.push_str("<br>its body is not disclosed");
        }
    }
    if let BodyAtRelay::Erased { by, reason } = record.body {
        push(&mut text, format_args!("<br>erased at the relay by record {by:03} ({reason})"));
    }
    text
}

fn proof(record: &Proven) -> String {
    let Proven { origin, leaf, size, witnessed, witnesses, quorum, named_here, .. } = record;
    let mut text = format!("leaf {leaf} of {size} in <code>{}</code>", escaped(origin));
    if *witnesses > 0 {
        let count = witnessed.len();
        let enough = match quorum {
            Quorum::Met | Quorum::Had => "the quorum of its committee",
            Quorum::Lacked => "<b>not the quorum of its committee</b>",
            Quorum::Unknown => "no quorum is known",
        };
        push(&mut text, format_args!("<br>cosigned by {count} of {witnesses}, {enough}"));
    } else {
        text.push_str("<br>signed by the log alone");
    }
    cosigned(&mut text, witnessed);
    if !named_here.is_empty() {
        text.push_str("<br>and by witnesses whom only <code>policy.txt</code> here names:");
        cosigned(&mut text, named_here);
    }
    text
}

fn cosigned(text: &mut String, by: &[(String, u64)]) {
    for (name, at) in by {
        let ms = i64::try_from(*at).unwrap_or(i64::MAX).saturating_mul(1_000);
        push(text, format_args!("<br>{}: {} UTC", escaped(name), utc(Timestamp(ms))));
    }
}

/// A body that is disclosed, field by field.
fn shown(number: usize, proven: &Proven, disclosed: &Disclosed) -> String {
    let mut text = format!(
        "<h3>{number:03} {}, signed by {}</h3>\n",
        escaped(&proven.what),
        escaped(&proven.signed_by.join(", "))
    );
    let body = parse_body(&disclosed.body);
    let lines = body.as_ref().map(form::lines).unwrap_or_default();
    if lines.is_empty() {
        push(
            &mut text,
            format_args!("<p>It is in <code>records/{number:03}/body.bin</code>.</p>\n"),
        );
        return text;
    }
    text.push_str("<dl>\n");
    for (label, value) in lines {
        let (label, value) = (escaped(&label), escaped(&value));
        push(&mut text, format_args!("<dt>{label}</dt><dd>{value}</dd>\n"));
    }
    text.push_str("</dl>\n");
    text
}

fn or_relay(desk: &str) -> String {
    if desk.is_empty() { "the relay".to_owned() } else { escaped(desk) }
}

fn utc(moment: Timestamp) -> String {
    moment.to_string().replace('T', " ").replace('Z', "")
}

fn local(zones: &TimeZoneDatabase, moment: Timestamp, zone: &str) -> Option<String> {
    let zone = zones.get(zone).ok()?;
    let there = jiff::Timestamp::from_millisecond(moment.0).ok()?.to_zoned(zone);
    Some(there.strftime("%Y-%m-%d %H:%M:%S %:z").to_string())
}

fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("a string takes every word");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
