//! What the user asks for: the arguments of `--suite` and `--skip`.
//!
//! ```text
//! smoke[:CHECK]                  kselftest[:COLLECTION[:TEST]]    kunit[:SUITE[:CASE]]
//! cargo[:PACKAGE[:TEST]]         ltp[:SCENARIO[:CASE]]            xfstests[:GROUP[:TEST]]
//! blktests[:GROUP[:TEST]]        stress-ng[:STRESSOR]             perf[:TEST]
//! manifest:FILE.toml[:CASE]      FILE.toml[:CASE]                 exec:COMMAND
//! ```
//!
//! The parts in capitals but FILE and COMMAND are globs ([`Pattern`]). COMMAND is all of the rest, split into words as a
//! shell would, with quotes and backslashes and nothing else of a shell. In `--skip exec:GLOB` the rest is a glob
//! over the command's text. FILE goes up to the first `.toml` that ends the argument or is followed by a colon, so that
//! a path may have colons.

use crate::{
    TestId, exec,
    filter::{Pattern, nearest},
    smoke,
    suite::{BLKTESTS, CARGO, KUNIT, LTP, MANIFEST, PERF, STRESS_NG, XFSTESTS},
};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Name of the suite of the kernel's own tests.
pub(crate) const KSELFTEST: &str = "kselftest";

const SUITES: [&str; 11] = [
    smoke::SUITE,
    KSELFTEST,
    KUNIT,
    CARGO,
    LTP,
    XFSTESTS,
    BLKTESTS,
    STRESS_NG,
    PERF,
    MANIFEST,
    exec::SUITE,
];

/// A suite whose tests have names that globs can match.
struct Form {
    suite: &'static str,
    /// What its groups are; `None` where it has none.
    group: Option<&'static str>,
    /// What its tests are.
    case: &'static str,
    /// How an argument can look.
    form: &'static str,
}

const FORMS: [Form; 9] = [
    form(smoke::SUITE, None, "a check's name", "smoke[:CHECK]"),
    form(
        KSELFTEST,
        Some("a collection's name"),
        "a test's name",
        "kselftest[:COLLECTION[:TEST]]",
    ),
    form(
        KUNIT,
        Some("a suite's name"),
        "a case's name",
        "kunit[:SUITE[:CASE]]",
    ),
    form(
        CARGO,
        Some("a package's name"),
        "a test function's name",
        "cargo[:PACKAGE[:TEST]]",
    ),
    form(
        LTP,
        Some("a scenario's name"),
        "a case's name",
        "ltp[:SCENARIO[:CASE]]",
    ),
    form(
        XFSTESTS,
        Some("a directory of tests"),
        "a test's name",
        "xfstests[:GROUP[:TEST]]",
    ),
    form(
        BLKTESTS,
        Some("a directory of tests"),
        "a test's name",
        "blktests[:GROUP[:TEST]]",
    ),
    form(STRESS_NG, None, "a stressor's name", "stress-ng[:STRESSOR]"),
    form(PERF, None, "a test's number or name", "perf[:TEST]"),
];

const fn form(
    suite: &'static str,
    group: Option<&'static str>,
    case: &'static str,
    form: &'static str,
) -> Form {
    Form {
        suite,
        group,
        case,
        form,
    }
}

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
    /// No manifest is named.
    #[error("\"{spec}\" names no manifest: the form is manifest:FILE.toml[:CASE]")]
    NoManifest {
        /// The argument.
        spec: String,
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
    /// Tests of a suite by their names; the group of a suite without any is `None`.
    Named {
        suite: &'static str,
        group: Option<Pattern>,
        case: Option<Pattern>,
    },
    Manifest {
        file: PathBuf,
        case: Option<Pattern>,
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
    /// Of a manifest by its name.
    Manifest {
        name: Option<Pattern>,
        case: Option<Pattern>,
    },
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
        } else if suite == MANIFEST {
            let (file, case) = manifest(rest.unwrap_or(""))
                .ok_or_else(|| SpecError::NoManifest { spec: text.into() })?;
            Wanted::Manifest {
                file: file.into(),
                case: part(text, case, "a test's name")?,
            }
        } else if let (false, Some((file, case))) = (SUITES.contains(&suite), manifest(text)) {
            Wanted::Manifest {
                file: file.into(),
                case: part(text, case, "a test's name")?,
            }
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
        self.suite() == KSELFTEST
    }

    /// The suite that it selects from.
    #[must_use]
    pub fn suite(&self) -> &'static str {
        match &self.wanted {
            Wanted::Named { suite, .. } => suite,
            Wanted::Manifest { .. } => MANIFEST,
            Wanted::Exec { .. } => exec::SUITE,
        }
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
        } else if suite == MANIFEST {
            // By its file as `--suite` takes it, or by the name that its tests have.
            let (name, case) = match rest.and_then(manifest) {
                Some((file, case)) => (Some(stem(file)), case),
                None => match rest.map(split) {
                    Some((name, case)) => (Some(name), case),
                    None => (None, None),
                },
            };
            Unwanted::Manifest {
                name: part(text, name, "a manifest's name")?,
                case: part(text, case, "a test's name")?,
            }
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
            Unwanted::Manifest { name, case } => {
                id.suite == MANIFEST
                    && fits(name.as_ref(), id.group.as_deref().unwrap_or(""))
                    && fits(case.as_ref(), &id.case)
            }
            Unwanted::Exec(pattern) => id.suite == exec::SUITE && fits(pattern.as_ref(), &id.case),
        }
    }

    /// Whether it leaves out every test of this kselftest collection, so that it need not be built.
    #[must_use]
    pub fn covers_collection(&self, name: &str) -> bool {
        match &self.unwanted {
            Unwanted::Names(Wanted::Named {
                suite: KSELFTEST,
                group,
                case: None,
            }) => fits(group.as_ref(), name),
            _ => false,
        }
    }
}

impl Wanted {
    /// Whether a test of that name is asked for. (A command is compared by its normalised text.)
    pub(crate) fn matches(&self, id: &TestId) -> bool {
        match self {
            // A whole suite of KUnit's is one test. It is any case of it to who asks for that, and none to who leaves that out.
            Self::Named {
                suite: KUNIT,
                group,
                case,
            } if id.group.is_none() => {
                id.suite == KUNIT && fits(group.as_ref(), &id.case) && case.is_none()
            }
            // By number, by name, or by both as its tests are called.
            Self::Named {
                suite: PERF, case, ..
            } => {
                let fits = |name| fits(case.as_ref(), name);
                let (number, name) = id.case.split_once(' ').unwrap_or((&id.case, &id.case));
                id.suite == PERF && (fits(&id.case) || fits(number) || fits(name))
            }
            Self::Named { suite, group, case } => {
                id.suite == *suite
                    && fits(group.as_ref(), id.group.as_deref().unwrap_or(""))
                    && fits(case.as_ref(), &id.case)
            }
            Self::Manifest { case, .. } => id.suite == MANIFEST && fits(case.as_ref(), &id.case),
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

/// The path of a manifest and what follows it.
fn manifest(text: &str) -> Option<(&str, Option<&str>)> {
    const SUFFIX: &str = ".toml";
    let ends = text
        .match_indices(SUFFIX)
        .map(|(start, _)| start + SUFFIX.len());
    ends.filter(|&end| end > SUFFIX.len())
        .find_map(|end| match &text[end..] {
            "" => Some((&text[..end], None)),
            rest => Some((&text[..end], Some(rest.strip_prefix(':')?))),
        })
}

/// The name that a manifest has unless it says another.
pub(crate) fn stem(file: &str) -> &str {
    let name = Path::new(file).file_stem();
    name.and_then(|name| name.to_str()).unwrap_or(file)
}

/// The suites whose tests have names that globs can match.
fn names(text: &str, suite: &str, rest: Option<&str>) -> Result<Wanted, SpecError> {
    let Some(form) = FORMS.iter().find(|form| form.suite == suite) else {
        return Err(SpecError::UnknownSuite {
            spec: text.into(),
            nearest: nearest(suite, &SUITES, 1)[0],
        });
    };
    let (group, case) = match (form.group, rest.map(split)) {
        (_, None) => (None, None),
        (None, Some(_)) => (None, rest),
        (Some(_), Some((group, case))) => (Some(group), case),
    };
    // Paths of Rust functions have colons.
    if case.is_some_and(|case| case.contains(':')) && suite != CARGO {
        return Err(SpecError::TooManyParts {
            spec: text.into(),
            form: form.form,
        });
    }
    Ok(Wanted::Named {
        suite: form.suite,
        group: part(text, group, form.group.unwrap_or_default())?,
        case: part(text, case, form.case)?,
    })
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
#[path = "spec_tests.rs"]
mod tests;
