//! Which desks somebody looks for.
//!
//! Not for what a desk may be asked (see `rules::request_type`): this is for finding it.

use super::{DeskRow, MemberRow};
use crate::envelope::entry::words::{DeskRole, LanguageLevel};
use crate::envelope::words::{Instrument, RequestType};
use crate::units::MemberId;

/// What is looked for. What is none does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Of this member.
    pub member: Option<MemberId>,
    /// With this role.
    pub role: Option<DeskRole>,
    /// That works in this language; "pt" also finds "pt-BR".
    pub language: Option<String>,
    /// That may carry out this type by itself.
    pub executes: Option<RequestType>,
    /// Of a member that has declared this instrument.
    pub instrument: Option<Instrument>,
}

impl Search {
    /// True for a desk that is looked for.
    pub fn finds(&self, member: &MemberRow, desk: &DeskRow) -> bool {
        let Self { member: of, role, language, executes, instrument } = self;
        let facts = desk.facts.as_ref();
        of.is_none_or(|of| of == member.id)
            && role.is_none_or(|role| facts.is_some_and(|facts| facts.roles.contains(&role)))
            && executes.is_none_or(|what| facts.is_some_and(|facts| facts.executes.contains(&what)))
            && instrument.as_ref().is_none_or(|wanted| member.instruments.contains(wanted))
            && language.as_ref().is_none_or(|wanted| speaks(desk, wanted))
    }

    /// The desks of these members that are looked for, in the same order.
    pub fn among<'a>(
        &self,
        members: impl Iterator<Item = &'a MemberRow>,
    ) -> Vec<(&'a MemberRow, &'a DeskRow)> {
        members
            .flat_map(|member| member.desks.iter().map(move |desk| (member, desk)))
            .filter(|(member, desk)| self.finds(member, desk))
            .collect()
    }
}

/// A desk that needs a translation does not work in the language.
fn speaks(desk: &DeskRow, wanted: &str) -> bool {
    match &desk.facts {
        Some(facts) => facts.languages.iter().any(|language| {
            language.level != LanguageLevel::TranslationRequired && is_of(&language.tag, wanted)
        }),
        None => desk.languages.iter().any(|tag| is_of(tag, wanted)),
    }
}

/// RFC 4647, basic filtering: the tag is the range, or goes on after it with a hyphen.
fn is_of(tag: &str, range: &str) -> bool {
    let Some((head, rest)) = tag.split_at_checked(range.len()) else { return false };
    head.eq_ignore_ascii_case(range) && (rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_finds_the_tag_and_what_is_below_it() {
        for (tag, range, wanted) in [
            ("pt-BR", "pt", true),
            ("pt", "PT", true),
            ("pt", "pt-BR", false),
            ("ptx", "pt", false),
            ("en", "fr", false),
        ] {
            assert_eq!(is_of(tag, range), wanted, "{tag} {range}");
        }
    }
}
