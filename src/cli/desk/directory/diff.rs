//! What changed between two files, line by line, each change under the table it stands in.
//!
//! Not for large texts: an entry has some hundred lines.

/// A line that only one of two files has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// The table it stands in, as "[[desk]] cyber"; empty at the top.
    pub(super) table: String,
    /// True when it is new, false when it is gone.
    pub(super) added: bool,
    /// The line.
    pub(super) line: String,
}

/// The changes that make `old` into `new`, in order: a longest common subsequence stays.
pub(super) fn changes(old: &[&str], new: &[&str]) -> Vec<Change> {
    let longest = table(old, new);
    let (mut i, mut j) = (0, 0);
    let (mut found, mut gone_in, mut added_in) = (Vec::new(), Place::default(), Place::default());
    while i < old.len() || j < new.len() {
        let same = i < old.len() && j < new.len() && old[i] == new[j];
        if same {
            gone_in.see(old[i]);
            added_in.see(new[j]);
            (i, j) = (i + 1, j + 1);
        } else if j >= new.len() || (i < old.len() && longest[i + 1][j] >= longest[i][j + 1]) {
            gone_in.see(old[i]);
            found.push(gone_in.change(false, old[i]));
            i += 1;
        } else {
            added_in.see(new[j]);
            found.push(added_in.change(true, new[j]));
            j += 1;
        }
    }
    found
}

/// How many lines the ends of both, from each place on, have in common.
fn table(old: &[&str], new: &[&str]) -> Vec<Vec<usize>> {
    let mut longest = vec![vec![0; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i][j] = if old[i] == new[j] {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    longest
}

/// In which desk and table a line stands.
#[derive(Default)]
struct Place {
    desk: String,
    table: String,
}

impl Place {
    fn see(&mut self, line: &str) {
        if line == "[[desk]]" {
            self.desk.clear();
        }
        if line.starts_with('[') {
            line.clone_into(&mut self.table);
        }
        if self.table == "[[desk]]"
            && let Some(name) = line.strip_prefix("name = ")
        {
            self.desk = format!(" {}", name.trim_matches('"'));
        }
    }

    fn change(&self, added: bool, line: &str) -> Change {
        let table =
            if self.table.is_empty() { String::new() } else { self.table.clone() + &self.desk };
        Change { table, added, line: line.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_named_with_its_desk_and_table() {
        let old = ["version = 1", "[[desk]]", "name = \"cyber\"", "[desk.hours]", "kind = \"A\""];
        let new = ["version = 2", "[[desk]]", "name = \"cyber\"", "[desk.hours]", "kind = \"B\""];
        let told: Vec<String> = changes(&old, &new)
            .into_iter()
            .map(|change| {
                format!("{}|{}{}", change.table, if change.added { "+" } else { "-" }, change.line)
            })
            .collect();
        assert_eq!(
            told,
            [
                "|-version = 1",
                "|+version = 2",
                "[desk.hours] cyber|-kind = \"A\"",
                "[desk.hours] cyber|+kind = \"B\"",
            ]
        );
        assert_eq!(changes(&old, &old), []);
        assert_eq!(changes(&[], &["a"]).len(), 1);
    }
}
