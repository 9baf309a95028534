//! Collects the fields of a form: where each stands, what it is called, what it must look like.
//!
//! Not for which fields a form has (see `fields.rs` and `request/`).

use super::fields::{Field, Path, Step, Value};
use super::shape::Shape;
use crate::wire::detente::form::v1::Text;

/// Lays out a message of a form: every field in the form's order, each with the method of [`Rows`]
/// that it is a row of, and what that method wants to know. The message is taken apart
/// exhaustively, so that a new field does not compile until it has its line.
macro_rules! layout {
    ($rows:expr, $message:ident = $form:expr, {
        $( $field:ident: $row:ident( $($arg:expr),+ ) ),+ $(,)?
    }) => {{
        let $message { $( $field ),+ } = $form;
        $( $rows.$row(stringify!($field), $($arg,)+ $field); )+
    }};
}

pub(super) use layout;

/// The fields collected so far, and where the next ones stand.
#[derive(Default)]
pub(super) struct Rows<'a> {
    at: Path,
    heading: String,
    fields: Vec<Field<'a>>,
}

impl<'a> Rows<'a> {
    /// The fields, in the order in which they came.
    pub(super) fn into_fields(self) -> Vec<Field<'a>> {
        self.fields
    }

    /// A field.
    fn push(&mut self, name: &'static str, label: &str, shape: Shape, value: Value<'a>) {
        let path = self.at.then(Step::Name(name));
        let label = self.label(label);
        self.fields.push(Field { path, label, shape, value });
    }

    /// A text.
    pub(super) fn text(&mut self, name: &'static str, label: &str, shape: Shape, value: &'a str) {
        self.push(name, label, shape, Value::Text(value));
    }

    /// A box to tick.
    pub(super) fn flag(&mut self, name: &'static str, label: &str, value: &bool) {
        self.push(name, label, Shape::Flag, Value::Flag(*value));
    }

    /// A number of days.
    pub(super) fn days(&mut self, name: &'static str, label: &str, value: &u32) {
        self.push(name, label, Shape::Days, Value::Number(*value));
    }

    /// A list of texts.
    pub(super) fn list(
        &mut self,
        name: &'static str,
        label: &str,
        shape: Shape,
        values: &'a [String],
    ) {
        let label = self.label(label);
        for (i, value) in values.iter().enumerate() {
            let path = self.at.then(Step::Name(name)).then(Step::Entry(i));
            let value = Value::Text(value);
            self.fields.push(Field { path, label: label.clone(), shape, value });
        }
    }

    /// Running text with its language.
    pub(super) fn prose(
        &mut self,
        name: &'static str,
        label: &str,
        value: impl Into<Option<&'a Text>>,
    ) {
        let Some(Text { text, language }) = value.into() else { return };
        let inner = self.at.then(Step::Name(name));
        let outer = std::mem::replace(&mut self.at, inner);
        self.text("text", label, Shape::Prose, text);
        self.text("language", &format!("{label} (language)"), Shape::Language, language);
        self.at = outer;
    }

    /// The fields of `part`, if it is there, one step further in and under a heading of their own.
    pub(super) fn part<T>(
        &mut self,
        name: &'static str,
        heading: &str,
        part: impl Into<Option<&'a T>>,
        fill: impl FnOnce(&mut Self, &'a T),
    ) where
        T: 'a,
    {
        if let Some(part) = part.into() {
            self.within(Step::Name(name), heading, |rows| fill(rows, part));
        }
    }

    /// The fields of each part, under a numbered heading.
    pub(super) fn parts<T>(
        &mut self,
        name: &'static str,
        heading: &str,
        parts: &'a [T],
        fill: impl Fn(&mut Self, &'a T),
    ) {
        for (i, part) in parts.iter().enumerate() {
            let heading = format!("{heading} {}", i + 1);
            self.within(Step::Name(name), "", |rows| {
                rows.within(Step::Entry(i), &heading, |rows| fill(rows, part));
            });
        }
    }

    /// Runs `fill` one step further in, under a heading of its own.
    fn within(&mut self, step: Step, heading: &str, fill: impl FnOnce(&mut Self)) {
        let (at, heading) = (self.at.then(step), self.label(heading));
        let outer_at = std::mem::replace(&mut self.at, at);
        let outer_heading = std::mem::replace(&mut self.heading, heading);
        fill(self);
        self.at = outer_at;
        self.heading = outer_heading;
    }

    fn label(&self, label: &str) -> String {
        match (self.heading.as_str(), label) {
            ("", label) => label.to_owned(),
            (heading, "") => heading.to_owned(),
            (heading, label) => format!("{heading}: {label}"),
        }
    }
}
