//! Whether the names that a story says are known there: its members by its head, its requests by
//! the steps above.
//!
//! Not for which desks a network has (see `stage.rs`).

use std::collections::BTreeMap;

use super::error::did_you_mean;
use super::step::Ask;
use super::words::{Named, Whose, Wrong};

/// The names that are known so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    members: Vec<String>,
    /// The requests, by the line that makes them.
    requests: BTreeMap<String, usize>,
}

impl Names {
    /// A member joins; false when it is one already.
    pub(super) fn joins(&mut self, id: &str) -> bool {
        let is_new = !self.members.iter().any(|member| member == id);
        if is_new {
            self.members.push(id.to_owned());
        }
        is_new
    }

    /// A step makes requests.
    ///
    /// # Errors
    /// When one of this name is made already.
    pub(super) fn makes(&mut self, ask: &Ask, line: usize) -> Result<(), Wrong> {
        for name in ask.names() {
            if let Some(before) = self.requests.insert(name.clone(), line) {
                let why = format!("{name:?} is made in line {before} already");
                return Err((ask.named_at, why));
            }
        }
        Ok(())
    }

    /// The desks among these names, with the numbers of their words.
    ///
    /// # Errors
    /// The first name that nothing above it makes known.
    pub(super) fn resolve(&self, names: Vec<Named>) -> Result<Vec<(usize, String)>, Wrong> {
        let mut desks = Vec::new();
        for Named { word, whose, name } in names {
            match whose {
                Whose::Desk => {
                    self.member_of(&name).map_err(|why| (word, why))?;
                    desks.push((word, name));
                }
                Whose::Request if self.requests.contains_key(&name) => {}
                Whose::Request => return Err((word, self.unmade(&name))),
            }
        }
        Ok(desks)
    }

    fn member_of(&self, desk: &str) -> Result<(), String> {
        let member = desk.split('/').next().unwrap_or_default();
        if self.members.iter().any(|known| known == member) {
            return Ok(());
        }
        let known = self.members.join(", ");
        Err(format!("{desk:?} is no desk of this story: its head has the members {known}"))
    }

    /// Why a name is none.
    fn unmade(&self, name: &str) -> String {
        let known = || self.requests.keys().map(String::as_str);
        let prefix = format!("{name}-");
        let of_it: Vec<&str> = known().filter(|known| known.starts_with(&prefix)).collect();
        let meant = match of_it.as_slice() {
            // Asked of several, each has a name of its own.
            [_, _, ..] => format!("; asked of several, it is called {}", of_it.join(", ")),
            _ => did_you_mean(name, known()),
        };
        format!("no step above that is carried out calls a request {name:?}{meant}")
    }
}
