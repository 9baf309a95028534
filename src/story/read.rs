//! Reads the text of a story: its head, its steps, and what stands indented under them.
//!
//! Not for single steps (see `verbs.rs`) and expectations (see `expect.rs`).

use super::error::{Unreadable, did_you_mean};
use super::expect;
use super::names::Names;
use super::step::{Act, Ask, Field, Member, NamedDesk, Step, Story, What};
use super::verbs;
use super::vocabulary;
use super::words::{self, Words, Wrong};
use crate::envelope::words::Instrument;
use crate::rules::entry::is_known_zone;
use crate::units::{MemberId, Timestamp};

/// How a line of the head begins.
const HEADS: [&str; 4] = ["Story:", "Start:", "Member", "Exercise"];

/// Reads a story.
///
/// # Errors
/// The first line that cannot be understood, with its word.
pub(super) fn story(file: &str, text: &str) -> Result<Story, Unreadable> {
    let mut reader = Reader::default();
    for (number, line) in text.lines().enumerate() {
        reader.line = number + 1;
        let told = line.split(" #").next().unwrap_or_default();
        let told = if told.starts_with('#') { "" } else { told.trim_end() };
        reader.read(told).map_err(|(word, why)| Unreadable {
            file: file.to_owned(),
            line: reader.line,
            word,
            why,
        })?;
    }
    reader.finish(file)
}

#[derive(Default)]
struct Reader {
    line: usize,
    title: String,
    start: Option<Timestamp>,
    members: Vec<Member>,
    exercise: bool,
    steps: Vec<Step>,
    desks: Vec<NamedDesk>,
    names: Names,
    /// How far the lines under the newest step are indented.
    indent: usize,
}

impl Reader {
    fn read(&mut self, line: &str) -> Result<(), Wrong> {
        let indent = line.len() - line.trim_start().len();
        let told = line.trim_start();
        if told.is_empty() {
            return Ok(());
        }
        if indent == 0 {
            self.indent = 0;
            return if HEADS.iter().any(|head| told.starts_with(head)) {
                self.head(told)
            } else {
                self.step(told)
            };
        }
        let Some(step) = self.steps.last_mut() else {
            return Err((1, "only what belongs to a step is indented".to_owned()));
        };
        if self.indent == 0 {
            self.indent = indent;
        }
        if indent > self.indent {
            return go_on(step, told);
        }
        let Some(expected) = told.strip_prefix("expect ") else {
            return field(step, self.line, told);
        };
        let mut words = Words::of(told);
        words.eat("expect");
        let what = expect::read(&mut words)?;
        step.expects.push(expect::made(self.line, expected.to_owned(), what));
        self.resolve(words)
    }

    fn head(&mut self, line: &str) -> Result<(), Wrong> {
        let mut words = Words::of(line);
        if !self.steps.is_empty() {
            return Err((1, "the head comes before the first step".to_owned()));
        }
        match words.take("a word")? {
            "Story:" => self.title = words.rest(),
            "Start:" => {
                let text = words.take("a moment")?;
                match words::moment(text) {
                    Some(moment) => self.start = Some(moment),
                    None => {
                        return words
                            .wrong(format!("{text:?} is no moment; write 2026-03-02T08:00Z"));
                    }
                }
                words.end()?;
            }
            "Member" => {
                let member = member(&mut words)?;
                if !self.names.joins(&member.id) {
                    return Err((2, format!("{:?} is a member already", member.id)));
                }
                self.members.push(member);
            }
            "Exercise" => {
                self.exercise = true;
                words.end()?;
            }
            other => {
                return words
                    .wrong(format!("{other:?} begins no line{}", did_you_mean(other, HEADS)));
            }
        }
        Ok(())
    }

    fn step(&mut self, line: &str) -> Result<(), Wrong> {
        let mut words = Words::of(line);
        let first = words.take("a moment")?;
        let at_ms = match (words::story_moment(first), self.steps.last()) {
            (Some(at), _) => at,
            (None, Some(before)) if first == "then" => before.at_ms,
            (None, _) => {
                let known = HEADS.iter().copied().chain(["then"]);
                let meant = did_you_mean(first, known);
                return words.wrong(format!(
                    "{first:?} is neither a moment (T+40m, D+45, then) nor the beginning of the \
                     head{meant}"
                ));
            }
        };
        if let Some(before) = self.steps.last().filter(|before| before.at_ms > at_ms) {
            let why = format!("{first} is before the step of line {}", before.line);
            return words.wrong(why);
        }
        let (line_told, refused) = split_refusal(line);
        let mut words = Words::of(line_told);
        words.take("a moment")?;
        let what = verbs::read(&mut words)?;
        // What is said to the reader alone is not refused.
        let refused = refused.filter(|_| what != What::Note);
        if let Some(code) = &refused {
            vocabulary::code(code).map_err(|why| (Words::of(line).last(), why))?;
        }
        self.resolve(words)?;
        if let (What::Ask(ask), None) = (&what, &refused) {
            self.names.makes(ask, self.line)?;
        }
        let text = line.split_once(' ').map_or("", |(_, text)| text.trim()).to_owned();
        let (line, expects) = (self.line, Vec::new());
        self.steps.push(Step { line, text, at_ms, what, refused, expects });
        Ok(())
    }

    /// Looks up the names that a line says.
    fn resolve(&mut self, words: Words<'_>) -> Result<(), Wrong> {
        let desks = self.names.resolve(words.names())?.into_iter();
        let line = self.line;
        self.desks.extend(desks.map(|(word, desk)| NamedDesk { line, word, desk }));
        Ok(())
    }

    fn finish(self, file: &str) -> Result<Story, Unreadable> {
        let Self { line, title, start, members, exercise, steps, desks, names: _, indent: _ } =
            self;
        let lacks = |what: &str| Unreadable {
            file: file.to_owned(),
            line: line.max(1),
            word: 0,
            why: format!("the story ends without {what}"),
        };
        let start = start.ok_or_else(|| lacks("a line \"Start: 2026-03-02T08:00Z\""))?;
        if title.is_empty() {
            return Err(lacks("a line \"Story: its title\""));
        }
        if members.len() < 2 {
            return Err(lacks("two members, each on a line \"Member NL\""));
        }
        if steps.is_empty() {
            return Err(lacks("a step"));
        }
        Ok(Story { file: file.to_owned(), title, start, members, exercise, steps, desks })
    }
}

/// "Member RO: preserves 60 days, instruments BUDAPEST UN_CYBERCRIME, zone Europe/Bucharest".
fn member(words: &mut Words<'_>) -> Result<Member, Wrong> {
    let word = words.take("a member")?;
    let id = word.trim_end_matches(':');
    if let Err(error) = id.parse::<MemberId>() {
        return words.wrong(error.why);
    }
    let mut member = Member { id: id.to_owned(), ..Member::default() };
    while words.peek().is_some() {
        match words.take("what is said of it")? {
            "preserves" => {
                let text = words.take("a number of days")?.trim_end_matches(',');
                let Ok(days) = text.parse() else {
                    return words.wrong(format!("{text:?} is no number of days (90 days)"));
                };
                member.preserves_days = Some(days);
                let _unit = words.eat("days") || words.eat("days,");
            }
            "instruments" => member.instruments = Some(instruments(words)?),
            "zone" => {
                let name = words.take("a time zone")?.trim_end_matches(',');
                if !is_known_zone(name) {
                    let why = "is no time zone of the IANA database (Europe/Bucharest)";
                    return words.wrong(format!("{name:?} {why}"));
                }
                member.time_zone = Some(name.to_owned());
            }
            other => {
                let meant = did_you_mean(other, ["preserves", "instruments", "zone"]);
                return words.wrong(format!("a member has no {other:?}{meant}"));
            }
        }
    }
    Ok(member)
}

/// The words of instruments, up to a comma.
fn instruments(words: &mut Words<'_>) -> Result<Vec<Instrument>, Wrong> {
    let mut found = Vec::new();
    loop {
        let word = words.take("an instrument")?;
        found.push(verbs::known(words, word.trim_end_matches(','))?);
        if word.ends_with(',') || words.peek().is_none() {
            return Ok(found);
        }
    }
}

/// The line without "is refused CODE" at its end, and the code.
fn split_refusal(line: &str) -> (&str, Option<String>) {
    match line.rsplit_once(" is refused ") {
        Some((told, code)) if !code.contains(' ') => {
            (told.trim_end_matches(','), Some(code.to_owned()))
        }
        _ => (line, None),
    }
}

/// The fields of what a step says, if it says anything.
fn fields(step: &mut Step) -> Option<&mut Vec<Field>> {
    match &mut step.what {
        What::Ask(Ask { fields, .. })
        | What::Act(Act { fields, .. })
        | What::Publish { fields, .. } => Some(fields),
        What::Note | What::Open { .. } | What::Call { .. } | What::Fault(_) => None,
    }
}

fn field(step: &mut Step, line: usize, told: &str) -> Result<(), Wrong> {
    let name = told.split_once(": ").map(|(name, text)| (name, text.trim()));
    let Some((name, text)) = name.filter(|(name, _)| !name.contains(' ')) else {
        let first = told.split(' ').next().unwrap_or_default();
        let meant = did_you_mean(first, ["expect"]);
        return Err((
            1,
            format!("{first:?} is neither \"expect\" nor a field (\"facts: ...\"){meant}"),
        ));
    };
    match fields(step) {
        Some(fields) => {
            fields.push(Field { line, name: name.to_owned(), text: text.to_owned() });
            Ok(())
        }
        None => Err((1, format!("this step has no form, and so no field {name:?}"))),
    }
}

/// A line that is indented further goes on with the field before it.
fn go_on(step: &mut Step, told: &str) -> Result<(), Wrong> {
    match fields(step).and_then(|fields| fields.last_mut()) {
        Some(field) => {
            field.text = format!("{} {told}", field.text);
            Ok(())
        }
        None => Err((1, "there is no field that this line could go on with".to_owned())),
    }
}
