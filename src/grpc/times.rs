//! Response times and overdue requests on behalf of a call: what is asked is read, found and
//! rendered here, for the operator and for desks alike.
//!
//! Not for who may see what, except that whoever calls gives the member or the desk to which
//! everything is confined; the operator gives none.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use tonic::Status;

use super::page::{self, bad_token};
use super::trouble::Trouble;
use super::{read, render};
use crate::relay::Relay;
use crate::rules::target::Span;
use crate::tables::{self, PageToken};
use crate::units::{Day, DeskId, MemberId, Timestamp, Unreadable};
use crate::views::response_times::{Figures, Filter, Group, Grouping, Report, SpanFigures, Tally};
use crate::views::{RequestRow, Subject};
use crate::wire::detente::desk::v1 as wire;

/// A page that is asked for.
pub(super) struct Asked<Q> {
    pub(super) query: Option<Q>,
    pub(super) page_size: i32,
    pub(super) page_token: String,
}

/// Response times of the requests that `member` sent or received; of all, for the operator.
pub(super) async fn report(
    relay: &Relay,
    member: Option<MemberId>,
    asked: Asked<wire::ResponseTimesQuery>,
) -> Result<(wire::ResponseTimesReport, String), Status> {
    let now = relay.now();
    let Asked { query, page_size, page_token } = asked;
    let size = page::size(page_size).map_err(Trouble::status)?;
    let query = Query::parse(query.unwrap_or_default(), now).map_err(Trouble::status)?;
    known(relay, &query.filter).map_err(Trouble::status)?;
    let after: Option<Place> =
        page::place(&query.to_string(), &page_token).map_err(Trouble::status)?;
    read::newest(relay).await?;
    let Query { days, grouping, filter } = query.clone();
    let report = read::blocking(relay, move |relay| {
        let mut tally = Tally::new(filter, grouping, now);
        relay.tables()?.response_times(member, days, &mut tally).map_err(read::fault)?;
        Ok(tally.finish())
    })
    .await?;
    let Report { total, groups } = report;
    let mut rest =
        groups.iter().filter(|(group, _)| after.as_ref().is_none_or(|after| **group > after.0));
    let page: Vec<_> = rest.by_ref().take(size).collect();
    let next_page_token = match (page.last(), rest.next()) {
        (Some((last, _)), Some(_)) => page::token(&query.to_string(), &Place(**last).to_string()),
        (Some(_) | None, None) | (None, Some(_)) => String::new(),
    };
    let report = wire::ResponseTimesReport {
        as_of_ms: now.0,
        from_day: query.days.start().to_string(),
        until_day: query.days.end().to_string(),
        total: Some(response_times(&Group::default(), &total)),
        groups: page.into_iter().map(|(group, figures)| response_times(group, figures)).collect(),
    };
    Ok((report, next_page_token))
}

/// A page of overdue requests.
pub(super) struct Overdue {
    pub(super) requests: Vec<wire::OverdueRequest>,
    pub(super) as_of_ms: i64,
    pub(super) next_page_token: String,
}

/// A page of the overdue requests to which `desk` is a party; of all, for the operator.
pub(super) async fn overdue(
    relay: &Relay,
    desk: Option<DeskId>,
    asked: Asked<wire::OverdueQuery>,
) -> Result<Overdue, Status> {
    let now = relay.now();
    let Asked { query, page_size, page_token } = asked;
    let size = page::size(page_size).map_err(Trouble::status)?;
    let wire::OverdueQuery { asked, asking, r#type, urgency, include_exercises } =
        query.unwrap_or_default();
    let filter = parse_filter([asked, asking, r#type, urgency], include_exercises)
        .map_err(Trouble::status)?;
    known(relay, &filter).map_err(Trouble::status)?;
    let token = PageToken::of_overdue(&page_token, desk.as_ref())
        .map_err(|error| bad_token(&error.why).status())?;
    read::newest(relay).await?;
    let tables::Page { rows, next } = read::blocking(relay, move |relay| {
        let wanted = |row: &RequestRow| filter.lets_through(&Subject::of(row));
        let tables = relay.tables()?;
        tables.overdue(desk.as_ref(), now, &wanted, token.as_ref(), size).map_err(read::fault)
    })
    .await?;
    Ok(Overdue {
        requests: rows.iter().map(overdue_request).collect(),
        as_of_ms: now.0,
        next_page_token: next.map(|next| next.to_string()).unwrap_or_default(),
    })
}

/// What is asked about response times. Printed, it names the query in a page token.
#[derive(Debug, Clone)]
struct Query {
    days: RangeInclusive<Day>,
    grouping: Grouping,
    filter: Filter,
}

impl Query {
    fn parse(query: wire::ResponseTimesQuery, now: Timestamp) -> Result<Self, Trouble> {
        let wire::ResponseTimesQuery {
            from_day,
            until_day,
            group_by,
            asked,
            asking,
            r#type,
            urgency,
            include_exercises,
        } = query;
        let from = parse_if_any("from_day", &from_day)?.unwrap_or_default();
        let until = parse_if_any("until_day", &until_day)?.unwrap_or_else(|| Day::of(now));
        if from > until {
            return Err(field("until_day", format!("{until} is before from_day, {from}")));
        }
        let grouping = match group_by.as_str() {
            "" => Grouping::None,
            word => Grouping::ALL.into_iter().find(|by| by.as_str() == word).ok_or_else(|| {
                let known = Grouping::ALL.map(Grouping::as_str).join(", ");
                field("group_by", format!("{word:?} is not one of {known}"))
            })?,
        };
        let filter = parse_filter([asked, asking, r#type, urgency], include_exercises)?;
        Ok(Self { days: from..=until, grouping, filter })
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { days, grouping, filter } = self;
        let Filter { asked, asking, kind, urgency, exercises } = *filter;
        let common = Place(Group { asked, asking, kind, urgency });
        let (from, until, by) = (days.start(), days.end(), grouping.as_str());
        write!(f, "times {from} {until} {by} {common} {exercises}")
    }
}

fn parse_filter(fields: [String; 4], exercises: bool) -> Result<Filter, Trouble> {
    let [asked, asking, kind, urgency] = fields;
    Ok(Filter {
        asked: parse_if_any("asked", &asked)?,
        asking: parse_if_any("asking", &asking)?,
        kind: parse_if_any("type", &kind)?,
        urgency: parse_if_any("urgency", &urgency)?,
        exercises,
    })
}

/// Nothing is counted of a member that there is not: that would look like a good report.
fn known(relay: &Relay, filter: &Filter) -> Result<(), Trouble> {
    let published = relay.published();
    let directory = published.state().directory();
    for (name, member) in [("asked", filter.asked), ("asking", filter.asking)] {
        if let Some(member) = member.filter(|member| directory.member(*member).is_none()) {
            return Err(field(name, format!("{member} is no member of this network")));
        }
    }
    Ok(())
}

fn parse_if_any<T: FromStr<Err = Unreadable>>(
    name: &str,
    text: &str,
) -> Result<Option<T>, Trouble> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error: Unreadable| field(name, error.why))
}

fn field(name: &str, why: String) -> Trouble {
    Trouble::Field { field: format!("query.{name}"), why }
}

/// A group as it stands in a page token: "RO,NL,,".
struct Place(Group);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Group { asked, asking, kind, urgency } = &self.0;
        let [asked, asking] = [asked, asking].map(text);
        write!(f, "{asked},{asking},{},{}", text(kind), text(urgency))
    }
}

impl FromStr for Place {
    type Err = Unreadable;

    fn from_str(place: &str) -> Result<Self, Unreadable> {
        fn part<T: FromStr<Err = Unreadable>>(text: &str) -> Result<Option<T>, Unreadable> {
            if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
        }
        let parts: Vec<&str> = place.split(',').collect();
        let [asked, asking, kind, urgency] = parts.as_slice() else {
            return Err(Unreadable::new("group", "not four parts"));
        };
        Ok(Self(Group {
            asked: part(asked)?,
            asking: part(asking)?,
            kind: part(kind)?,
            urgency: part(urgency)?,
        }))
    }
}

fn text(of: &Option<impl fmt::Display>) -> String {
    of.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn response_times(group: &Group, figures: &Figures) -> wire::ResponseTimes {
    let Group { asked, asking, kind, urgency } = group;
    let Figures { requests, spans } = figures;
    wire::ResponseTimes {
        asked: text(asked),
        asking: text(asking),
        r#type: text(kind),
        urgency: text(urgency),
        requests: *requests,
        spans: Span::ALL.iter().zip(spans).map(|(span, of)| span_times(*span, of)).collect(),
    }
}

fn span_times(span: Span, figures: &SpanFigures) -> wire::SpanTimes {
    let SpanFigures { count, median_ms, p90_ms, within, missed, waiting, waiting_late } = *figures;
    wire::SpanTimes {
        span: span.as_str().to_owned(),
        count,
        median_ms: median_ms.unwrap_or(0),
        p90_ms: p90_ms.unwrap_or(0),
        within_target: within,
        missed_target: missed,
        waiting,
        waiting_past_target: waiting_late,
    }
}

fn overdue_request(row: &RequestRow) -> wire::OverdueRequest {
    let due = row.clocks.next_due();
    wire::OverdueRequest {
        request: Some(render::request(row)),
        span: due.map(|(_, span)| span.as_str().to_owned()).unwrap_or_default(),
        due_ms: due.map_or(0, |(at, _)| at.0),
        reached_ms: row.clocks.reached.map_or(0, |at| at.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(change: impl FnOnce(&mut wire::ResponseTimesQuery)) -> Result<Query, Trouble> {
        let mut query = wire::ResponseTimesQuery::default();
        change(&mut query);
        Query::parse(query, "2026-11-23T09:00:00Z".parse().unwrap())
    }

    #[test]
    fn an_empty_query_lets_everything_through_until_today() {
        let all = query(|_| {}).unwrap();
        assert_eq!(
            (all.days, all.grouping),
            (Day(0)..="2026-11-23".parse().unwrap(), Grouping::None)
        );
        assert_eq!(all.filter, Filter::default());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let wrong: [(&str, Result<Query, Trouble>); 7] = [
            ("query.from_day", query(|q| q.from_day = "yesterday".into())),
            ("query.until_day", query(|q| q.until_day = "2026-11-31".into())),
            ("query.until_day", query(|q| q.from_day = "2026-11-24".into())),
            ("query.group_by", query(|q| q.group_by = "pair".into())),
            ("query.asked", query(|q| q.asked = "ro".into())),
            ("query.type", query(|q| q.r#type = "ADVICE".into())),
            ("query.urgency", query(|q| q.urgency = "HIGH".into())),
        ];
        for (name, wrong) in wrong {
            let Err(Trouble::Field { field, why }) = wrong else { panic!("{name}: {wrong:?}") };
            assert_eq!(field, name);
            assert!(!why.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_group_reads_back_from_a_token() {
        let group =
            Group { asked: "RO".parse().ok(), asking: "NL".parse().ok(), ..Group::default() };
        let place = Place(group).to_string();
        assert_eq!(place, "RO,NL,,");
        assert_eq!(place.parse::<Place>().unwrap().0, group);
        for bad in ["", "RO", "RO,NL,,,", "ro,NL,,"] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }
}
