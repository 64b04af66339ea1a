//! Globs over names of tests, and the nearest names for one that is not there.

use globset::{GlobBuilder, GlobMatcher};
use std::fmt;

/// A glob over a whole name: `*` any text (also across `/`), `?` one character, `[ab]` one of these,
/// `{a,b}` one of those words.
///
/// `net*` therefore matches `net` and `net/forwarding`. A name always matches itself, whatever it holds.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    matcher: GlobMatcher,
}

impl Pattern {
    /// Compiles a glob.
    ///
    /// # Errors
    /// What is wrong with it, in the words of the glob's compiler.
    pub fn new(text: &str) -> Result<Self, String> {
        let matcher = GlobBuilder::new(text)
            .literal_separator(false)
            .build()
            .map_err(|e| e.kind().to_string())?
            .compile_matcher();
        Ok(Self {
            text: text.into(),
            matcher,
        })
    }

    /// Whether `name` matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        name == self.text || self.matcher.is_match(name)
    }

    /// The name, if this is one and not a glob.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        let special = ['*', '?', '[', ']', '{', '}', '\\'];
        (!self.text.contains(special)).then_some(&self.text)
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Most names that an error message lists.
const LISTED: usize = 12;

/// The names most like `wanted`, best first, at most `count`, at least one if there are names.
///
/// Like means few edits away, where a name that holds `wanted` comes before all that do not.
pub(crate) fn nearest<'n>(wanted: &str, names: &[&'n str], count: usize) -> Vec<&'n str> {
    let wanted = wanted.to_lowercase();
    let mut ranked: Vec<(usize, &str)> = names
        .iter()
        .map(|name| {
            let lower = name.to_lowercase();
            let distance = edit_distance(&wanted, &lower);
            let holds = !wanted.is_empty() && lower.contains(&wanted);
            (if holds { 0 } else { 1 + distance }, *name)
        })
        .collect();
    ranked.sort_by_key(|&(rank, _)| rank);
    ranked.dedup();
    let far = 1 + wanted.chars().count() / 2;
    let near = ranked
        .iter()
        .filter(|(rank, _)| *rank <= far)
        .count()
        .max(1);
    ranked.truncate(near.min(count));
    ranked.into_iter().map(|(_, name)| name).collect()
}

/// A fragment that says what there is: all `names` if they are few, else those nearest to `wanted` and the number of the others.
pub(crate) fn describe(kind: &str, wanted: &str, names: &[&str]) -> String {
    if names.is_empty() {
        return format!("there are no {kind}");
    }
    if names.len() <= LISTED {
        return format!("there are {}", names.join(", "));
    }
    let near = nearest(wanted, names, 5);
    format!(
        "the nearest of {} {kind} are {}",
        names.len(),
        near.join(", ")
    )
}

/// Levenshtein distance in characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &cb) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(glob: &str, name: &str) -> bool {
        Pattern::new(glob).expect("a valid glob").matches(name)
    }

    #[test]
    fn a_star_crosses_slashes() {
        assert!(matches("net*", "net"));
        assert!(matches("net*", "net/forwarding"));
        assert!(!matches("net", "net/forwarding"));
        assert!(matches("*epoll*", "filesystems/epoll"));
    }

    #[test]
    fn only_a_name_without_glob_characters_is_literal() {
        let literal = |text| {
            let pattern = Pattern::new(text).expect("a valid glob");
            pattern.literal().map(str::to_owned)
        };
        assert_eq!(literal("net/forwarding").as_deref(), Some("net/forwarding"));
        for glob in ["net*", "n?t", "[n]et", "{net,mm}"] {
            assert_eq!(literal(glob), None, "{glob}");
        }
    }

    #[test]
    fn a_broken_glob_is_an_error() {
        assert!(Pattern::new("net[").is_err());
        assert!(Pattern::new("{a,").is_err());
    }

    #[test]
    fn the_nearest_name_is_the_one_meant() {
        let names = ["mm", "timers", "timens", "net/forwarding", "size"];
        assert_eq!(nearest("timer", &names, 1), ["timers"]);
        assert_eq!(nearest("forwarding", &names, 1), ["net/forwarding"]);
        assert_eq!(nearest("sizes", &names, 1), ["size"]);
    }

    proptest! {
        #[test]
        fn compiling_and_matching_never_panics(glob in ".{0,20}", name in ".{0,20}") {
            if let Ok(pattern) = Pattern::new(&glob) {
                let _ = pattern.matches(&name);
                prop_assert!(pattern.matches(&glob));
            }
        }

        #[test]
        fn the_distance_is_symmetric_and_zero_for_equals(a in "[a-c]{0,6}", b in "[a-c]{0,6}") {
            prop_assert_eq!(edit_distance(&a, &b), edit_distance(&b, &a));
            prop_assert_eq!(edit_distance(&a, &b) == 0, a == b);
        }
    }
}
