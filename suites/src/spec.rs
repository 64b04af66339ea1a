//! What the user asks for: the arguments of `--suite` and `--skip`.
//!
//! ```text
//! smoke[:CHECK]    kselftest[:COLLECTION[:TEST]]    exec:COMMAND
//! ```
//!
//! CHECK, COLLECTION and TEST are globs ([`Pattern`]). COMMAND is all of the rest, split into words as a shell
//! would, with quotes and backslashes and nothing else of a shell. In `--skip exec:GLOB` the rest is a glob
//! over the command's text.

use crate::{
    TestId, exec,
    filter::{Pattern, nearest},
    smoke,
};
use std::fmt;

/// Name of the suite of the kernel's own tests.
pub(crate) const KSELFTEST: &str = "kselftest";

const SUITES: [&str; 3] = [smoke::SUITE, KSELFTEST, exec::SUITE];

/// Why the argument of `--suite` or `--skip` cannot be understood. The command line is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The part before the first colon names no suite.
    #[error(
        "\"{spec}\" names no suite: there are {}; the nearest is {nearest}",
        SUITES.join(", ")
    )]
    UnknownSuite {
        /// The argument.
        spec: String,
        /// The suite most like it.
        nearest: &'static str,
    },
    /// Nothing follows a colon.
    #[error("\"{spec}\" has nothing after a colon where {expected} belongs")]
    Empty {
        /// The argument.
        spec: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// There are more parts than the suite has levels.
    #[error("\"{spec}\" has too many parts: the form is {form}")]
    TooManyParts {
        /// The argument.
        spec: String,
        /// How it can look.
        form: &'static str,
    },
    /// A part is no valid glob.
    #[error("\"{spec}\" has a broken glob \"{glob}\": {reason}")]
    Glob {
        /// The argument.
        spec: String,
        /// The part.
        glob: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The command's quotes do not pair.
    #[error("\"{spec}\" is not a command: a quote is opened and never closed")]
    Quotes {
        /// The argument.
        spec: String,
    },
}

/// One argument of `--suite`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    text: String,
    pub(crate) wanted: Wanted,
}

/// What a [`Spec`] asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    Smoke {
        check: Option<Pattern>,
    },
    Kselftest {
        collection: Option<Pattern>,
        test: Option<Pattern>,
    },
    Exec {
        words: Vec<String>,
    },
}

/// One argument of `--skip`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    text: String,
    unwanted: Unwanted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Unwanted {
    Names(Wanted),
    Exec(Option<Pattern>),
}

impl Spec {
    /// Reads the argument of `--suite`.
    ///
    /// # Errors
    /// [`SpecError`], with `text` in it.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let (suite, rest) = split(text);
        let wanted = if suite == exec::SUITE {
            let words = shell_words::split(rest.unwrap_or(""))
                .map_err(|_| SpecError::Quotes { spec: text.into() })?;
            if words.first().is_none_or(String::is_empty) {
                return Err(SpecError::Empty {
                    spec: text.into(),
                    expected: "a command",
                });
            }
            Wanted::Exec { words }
        } else {
            names(text, suite, rest)?
        };
        Ok(Self {
            text: text.into(),
            wanted,
        })
    }

    /// The argument as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it needs the kernel's selftests.
    #[must_use]
    pub fn is_kselftest(&self) -> bool {
        matches!(self.wanted, Wanted::Kselftest { .. })
    }
}

impl Skip {
    /// Reads the argument of `--skip`.
    ///
    /// # Errors
    /// [`SpecError`], with `text` in it.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let (suite, rest) = split(text);
        let unwanted = if suite == exec::SUITE {
            Unwanted::Exec(part(text, rest, "a command")?)
        } else {
            Unwanted::Names(names(text, suite, rest)?)
        };
        Ok(Self {
            text: text.into(),
            unwanted,
        })
    }

    /// The argument as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it leaves out this test.
    #[must_use]
    pub fn matches(&self, id: &TestId) -> bool {
        match &self.unwanted {
            Unwanted::Names(wanted) => wanted.matches(id),
            Unwanted::Exec(pattern) => id.suite == exec::SUITE && fits(pattern.as_ref(), &id.case),
        }
    }

    /// Whether it leaves out every test of this kselftest collection, so that it need not be built.
    #[must_use]
    pub fn covers_collection(&self, name: &str) -> bool {
        match &self.unwanted {
            Unwanted::Names(Wanted::Kselftest {
                collection,
                test: None,
            }) => fits(collection.as_ref(), name),
            _ => false,
        }
    }
}

impl Wanted {
    /// Whether a test of that name is asked for. (A command is compared by its normalised text.)
    pub(crate) fn matches(&self, id: &TestId) -> bool {
        match self {
            Self::Smoke { check } => id.suite == smoke::SUITE && fits(check.as_ref(), &id.case),
            Self::Kselftest { collection, test } => {
                id.suite == KSELFTEST
                    && fits(collection.as_ref(), id.group.as_deref().unwrap_or(""))
                    && fits(test.as_ref(), &id.case)
            }
            Self::Exec { words } => id.suite == exec::SUITE && id.case == exec::name(words),
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn fits(pattern: Option<&Pattern>, name: &str) -> bool {
    pattern.is_none_or(|p| p.matches(name))
}

/// The suite's name and what follows its colon.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once(':') {
        Some((suite, rest)) => (suite, Some(rest)),
        None => (text, None),
    }
}

/// The suites whose tests have names that globs can match.
fn names(text: &str, suite: &str, rest: Option<&str>) -> Result<Wanted, SpecError> {
    let too_many = |form| SpecError::TooManyParts {
        spec: text.into(),
        form,
    };
    match suite {
        smoke::SUITE => {
            if rest.is_some_and(|r| r.contains(':')) {
                return Err(too_many("smoke[:CHECK]"));
            }
            let check = part(text, rest, "a check's name")?;
            Ok(Wanted::Smoke { check })
        }
        KSELFTEST => {
            let (collection, test) = match rest.map(split) {
                Some((collection, test)) => (Some(collection), test),
                None => (None, None),
            };
            if test.is_some_and(|t| t.contains(':')) {
                return Err(too_many("kselftest[:COLLECTION[:TEST]]"));
            }
            Ok(Wanted::Kselftest {
                collection: part(text, collection, "a collection's name")?,
                test: part(text, test, "a test's name")?,
            })
        }
        _ => Err(SpecError::UnknownSuite {
            spec: text.into(),
            nearest: nearest(suite, &SUITES, 1)[0],
        }),
    }
}

fn part(
    text: &str,
    glob: Option<&str>,
    expected: &'static str,
) -> Result<Option<Pattern>, SpecError> {
    let Some(glob) = glob else { return Ok(None) };
    if glob.is_empty() {
        return Err(SpecError::Empty {
            spec: text.into(),
            expected,
        });
    }
    Pattern::new(glob)
        .map(Some)
        .map_err(|reason| SpecError::Glob {
            spec: text.into(),
            glob: glob.into(),
            reason,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<String> {
        match Spec::parse(text).expect("a valid spec").wanted {
            Wanted::Exec { words } => words,
            other => panic!("{other:?} is no command"),
        }
    }

    #[test]
    fn a_command_is_split_as_a_shell_splits_and_nothing_is_expanded() {
        assert_eq!(
            words("exec:make -C 'a b' x:y"),
            ["make", "-C", "a b", "x:y"]
        );
        assert_eq!(
            words("exec:echo $HOME ; * | `id`"),
            ["echo", "$HOME", ";", "*", "|", "`id`"]
        );
        assert_eq!(words(r#"exec:sh -c "exit 3""#), ["sh", "-c", "exit 3"]);
    }

    #[test]
    fn a_command_that_is_none_is_refused() {
        for text in ["exec", "exec:", "exec:   ", "exec:''"] {
            assert!(
                matches!(Spec::parse(text), Err(SpecError::Empty { .. })),
                "{text}"
            );
        }
        assert!(matches!(
            Spec::parse("exec:echo 'a"),
            Err(SpecError::Quotes { .. })
        ));
    }

    #[test]
    fn an_unknown_suite_is_told_from_those_there_are() {
        let error = Spec::parse("kseltest:timers")
            .expect_err("no such suite")
            .to_string();
        for needed in ["kseltest:timers", "smoke", "exec", "nearest is kselftest"] {
            assert!(error.contains(needed), "{needed} is not in: {error}");
        }
        assert!(Spec::parse("").is_err());
    }

    #[test]
    fn empty_and_surplus_parts_are_refused() {
        for text in ["smoke:", "kselftest:", "kselftest:net:", "kselftest::x"] {
            assert!(
                matches!(Spec::parse(text), Err(SpecError::Empty { .. })),
                "{text}"
            );
        }
        for text in ["smoke:a:b", "kselftest:a:b:c"] {
            assert!(
                matches!(Spec::parse(text), Err(SpecError::TooManyParts { .. })),
                "{text}"
            );
        }
        assert!(matches!(
            Spec::parse("kselftest:net["),
            Err(SpecError::Glob { .. })
        ));
    }

    #[test]
    fn globs_match_level_by_level() {
        let id = TestId::grouped("kselftest", "net/forwarding", "bridge_vlan.sh");
        for (text, expected) in [
            ("kselftest", true),
            ("kselftest:net*", true),
            ("kselftest:net", false),
            ("kselftest:net/forwarding:bridge*", true),
            ("kselftest:*:*vlan*", true),
            ("kselftest:*:mirror*", false),
            ("smoke", false),
        ] {
            let spec = Spec::parse(text).expect("a valid spec");
            assert_eq!(spec.wanted.matches(&id), expected, "{text}");
            let skip = Skip::parse(text).expect("a valid spec");
            assert_eq!(skip.matches(&id), expected, "{text}");
        }
    }

    #[test]
    fn a_skip_compares_a_command_by_its_text() {
        let id = exec::test(&words("exec:make   check")).id;
        for (text, expected) in [
            ("exec", true),
            ("exec:make check", true),
            ("exec:make*", true),
            ("exec:make", false),
        ] {
            let skip = Skip::parse(text).expect("a valid spec");
            assert_eq!(skip.matches(&id), expected, "{text}");
        }
    }

    #[test]
    fn a_collection_is_covered_only_by_a_skip_of_all_its_tests() {
        let covers = |text| {
            Skip::parse(text)
                .expect("valid")
                .covers_collection("net/lib")
        };
        assert!(covers("kselftest") && covers("kselftest:net/*"));
        assert!(!covers("kselftest:net/lib:a*") && !covers("smoke") && !covers("exec:kselftest"));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_errors_hold_the_argument(text in "(smoke|kselftest|exec|.{0,5})(:.{0,12}){0,3}") {
            for error in [Spec::parse(&text).err(), Skip::parse(&text).err()].into_iter().flatten() {
                prop_assert!(error.to_string().contains(&text));
            }
        }
    }
}
