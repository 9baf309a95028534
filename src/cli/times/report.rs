//! Response times, printed: as a table, as JSON, as comma-separated values.
//!
//! Not for computing them: the relay does.

use serde_json::{Value, json};

use super::super::moment::{render_rfc3339, render_span, render_utc};
use super::super::{Exit, Failure, Ink, Pen};
use super::api::{ResponseTimes, ResponseTimesReport, SpanTimes};
use super::csv;

/// Groups in a page: as many as the relay gives.
pub(in super::super) const PAGE: i32 = 500;

/// The pages of a report, put together.
#[derive(Default)]
pub(in super::super) struct Pages {
    report: Option<ResponseTimesReport>,
    next: String,
}

impl Pages {
    /// The token of the next page; none when all are there.
    pub(in super::super) fn next_token(&mut self) -> Option<String> {
        let done = self.report.is_some() && self.next.is_empty();
        (!done).then(|| std::mem::take(&mut self.next))
    }

    /// Takes in a page.
    pub(in super::super) fn add(
        &mut self,
        report: Option<ResponseTimesReport>,
        next: String,
    ) -> Result<(), Failure> {
        let report = report.ok_or_else(nothing)?;
        match &mut self.report {
            Some(all) => all.groups.extend(report.groups),
            None => self.report = Some(report),
        }
        self.next = next;
        Ok(())
    }

    /// The whole report.
    pub(in super::super) fn finish(self) -> Result<ResponseTimesReport, Failure> {
        self.report.ok_or_else(nothing)
    }
}

fn nothing() -> Failure {
    let next = "the relay is of another version; use the command line that came with it";
    Failure::new(Exit::Failure, "C-303", "nothing was answered", "no report", next)
}

/// Of every group, then of all, a line for each span.
pub(super) fn table(report: &ResponseTimesReport, pen: Pen) -> String {
    let heading =
        ["WHICH", "REQUESTS", "UNTIL", "DONE", "MEDIAN", "P90", "IN TARGET", "WAITING", "LATE"];
    let mut rows = Vec::new();
    for times in report.groups.iter().chain(&report.total) {
        for (n, span) in times.spans.iter().enumerate() {
            // A group's name and size stand beside its first line alone.
            let first = |text: String| if n == 0 { text } else { String::new() };
            let late = span.waiting_past_target;
            rows.push(vec![
                (Ink::Bold, first(name(times))),
                (Ink::Plain, first(times.requests.to_string())),
                (Ink::Plain, span.span.clone()),
                (Ink::Plain, span.count.to_string()),
                (Ink::Plain, duration(span, span.median_ms)),
                (Ink::Plain, duration(span, span.p90_ms)),
                (share_ink(span), share(span).map_or("-".to_owned(), |share| format!("{share} %"))),
                (Ink::Plain, span.waiting.to_string()),
                (if late == 0 { Ink::Plain } else { Ink::Red }, late.to_string()),
            ]);
        }
    }
    format!(
        "requests submitted {} to {} (UTC), as of {}\n{}",
        pen.write(Ink::Plain, &report.from_day),
        pen.write(Ink::Plain, &report.until_day),
        render_utc(report.as_of_ms),
        pen.table(&heading, &rows)
    )
}

/// What the requests of a group have in common: "NL -> RO", "URGENT", "all".
fn name(times: &ResponseTimes) -> String {
    let ResponseTimes { asked, asking, r#type, urgency, .. } = times;
    let parts = [asked, r#type, urgency].map(String::as_str);
    let common: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    match (asking.as_str(), common.as_slice()) {
        ("", []) => "all".to_owned(),
        ("", _) => common.join(" "),
        (asking, _) => format!("{asking} -> {}", common.join(" ")),
    }
}

fn duration(span: &SpanTimes, ms: i64) -> String {
    if span.count == 0 { "-".to_owned() } else { render_span(ms) }
}

/// Of those whose target has been met or missed, the share that met it, in per cent and rounded
/// down: 100 means all.
fn share(span: &SpanTimes) -> Option<u64> {
    let of = span.within_target.saturating_add(span.missed_target);
    span.within_target.saturating_mul(100).checked_div(of)
}

fn share_ink(span: &SpanTimes) -> Ink {
    match share(span) {
        None => Ink::Faint,
        Some(100) => Ink::Green,
        Some(_) => Ink::Yellow,
    }
}

/// For programs: milliseconds, and shares as numbers between 0 and 1.
pub(super) fn json(report: &ResponseTimesReport) -> Value {
    json!({
        "as_of": render_rfc3339(report.as_of_ms),
        "from_day": report.from_day,
        "until_day": report.until_day,
        "total": report.total.as_ref().map(times_json),
        "groups": report.groups.iter().map(times_json).collect::<Vec<_>>(),
    })
}

fn times_json(times: &ResponseTimes) -> Value {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let spans: serde_json::Map<String, Value> =
        times.spans.iter().map(|span| (span.span.to_lowercase(), span_json(span))).collect();
    json!({
        "asked": some(&times.asked),
        "asking": some(&times.asking),
        "type": some(&times.r#type),
        "urgency": some(&times.urgency),
        "requests": times.requests,
        "spans": spans,
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn span_json(span: &SpanTimes) -> Value {
    let of = span.within_target.saturating_add(span.missed_target);
    json!({
        "count": span.count,
        "median_ms": (span.count > 0).then_some(span.median_ms),
        "p90_ms": (span.count > 0).then_some(span.p90_ms),
        "within_target": span.within_target,
        "missed_target": span.missed_target,
        "share_within_target": (of > 0).then(|| span.within_target as f64 / of as f64),
        "waiting": span.waiting,
        "waiting_past_target": span.waiting_past_target,
    })
}

/// One line for each group and span; the total is not among them, it is their sum or, with
/// nothing told apart, the only line.
pub(super) fn csv(report: &ResponseTimesReport) -> String {
    let mut text = csv::line([
        "from_day",
        "until_day",
        "asked",
        "asking",
        "type",
        "urgency",
        "requests",
        "span",
        "count",
        "median_ms",
        "p90_ms",
        "within_target",
        "missed_target",
        "waiting",
        "waiting_past_target",
    ]);
    let total = report.total.iter().filter(|_| report.groups.is_empty());
    for times in report.groups.iter().chain(total) {
        for span in &times.spans {
            let ms = |ms: i64| if span.count == 0 { String::new() } else { ms.to_string() };
            text += &csv::line([
                report.from_day.clone(),
                report.until_day.clone(),
                times.asked.clone(),
                times.asking.clone(),
                times.r#type.clone(),
                times.urgency.clone(),
                times.requests.to_string(),
                span.span.clone(),
                span.count.to_string(),
                ms(span.median_ms),
                ms(span.p90_ms),
                span.within_target.to_string(),
                span.missed_target.to_string(),
                span.waiting.to_string(),
                span.waiting_past_target.to_string(),
            ]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> ResponseTimesReport {
        let acknowledged = SpanTimes {
            span: "ACKNOWLEDGE".into(),
            count: 3,
            median_ms: 65_000,
            p90_ms: 3_700_000,
            within_target: 2,
            missed_target: 1,
            waiting: 2,
            waiting_past_target: 1,
        };
        let determined = SpanTimes { span: "DETERMINE".into(), ..SpanTimes::default() };
        let of = |asked: &str, asking: &str| ResponseTimes {
            asked: asked.into(),
            asking: asking.into(),
            requests: 5,
            spans: vec![acknowledged.clone(), determined.clone()],
            ..ResponseTimes::default()
        };
        ResponseTimesReport {
            as_of_ms: 1_795_424_400_000,
            from_day: "2026-11-01".into(),
            until_day: "2026-11-23".into(),
            total: Some(of("", "")),
            groups: vec![of("RO", "NL")],
        }
    }

    #[test]
    fn a_table_for_people() {
        let table = table(&report(), Pen::PLAIN);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 6, "{table}");
        assert!(lines[0].starts_with("requests submitted 2026-11-01 to 2026-11-23 (UTC), as of "));
        let cells: Vec<&str> =
            lines[2].split("  ").map(str::trim).filter(|c| !c.is_empty()).collect();
        let wanted = ["NL -> RO", "5", "ACKNOWLEDGE", "3", "1 min", "1 h 1 min", "66 %", "2", "1"];
        assert_eq!(cells, wanted, "{table}");
        assert!(lines[3].contains("DETERMINE") && !lines[3].contains("NL"), "{table}");
        assert!(lines[4].starts_with("all "), "{table}");
    }

    #[test]
    fn documents_for_programs() {
        let json = json(&report());
        assert_eq!(json["groups"][0]["asked"], "RO");
        assert_eq!(json["groups"][0]["type"], Value::Null);
        assert_eq!(json["total"]["spans"]["acknowledge"]["share_within_target"], 2.0 / 3.0);
        assert_eq!(json["total"]["spans"]["determine"]["median_ms"], Value::Null);
        let csv = csv(&report());
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 3, "{csv}");
        assert_eq!(lines[1], "2026-11-01,2026-11-23,RO,NL,,,5,ACKNOWLEDGE,3,65000,3700000,2,1,2,1");
        assert_eq!(lines[2], "2026-11-01,2026-11-23,RO,NL,,,5,DETERMINE,0,,,0,0,0,0");
    }

    #[test]
    fn pages_are_put_together() {
        let mut pages = Pages::default();
        assert_eq!(pages.next_token().as_deref(), Some(""));
        pages.add(Some(report()), "more".into()).unwrap();
        assert_eq!(pages.next_token().as_deref(), Some("more"));
        pages.add(Some(report()), String::new()).unwrap();
        assert_eq!(pages.next_token(), None);
        assert_eq!(pages.finish().unwrap().groups.len(), 2);
        assert_eq!(Pages::default().add(None, String::new()).unwrap_err().code.as_ref(), "C-303");
    }
}
