//! What changed against an earlier run.

use crate::{TestResult, json::SCHEMA};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};
use suites::{Outcome, TestId};
use thiserror::Error;

/// Largest `results.json` that is read as a baseline, in bytes.
const MOST_BYTES: u64 = 256 << 20;

/// Why a file is no baseline.
#[derive(Debug, Error)]
pub enum BaselineError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    /// It is larger than any that is read.
    #[error("it is larger than {} MiB", MOST_BYTES >> 20)]
    TooLarge,
    /// It is no `results.json`.
    #[error("it is no results.json of runner")]
    Foreign(#[from] serde_json::Error),
    /// It is one of another version.
    #[error("its schema is {0}, and this version reads {SCHEMA}")]
    Schema(u32),
    /// It is of a run that was killed.
    #[error("its run did not come to its end, so nobody knows what it would have found")]
    Unfinished,
}

/// What an earlier run found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// The file it was read from.
    pub file: String,
    /// Release of the kernel that was tested.
    pub release: String,
    /// The tests that were judged.
    pub tests: Vec<Known>,
}

/// What an earlier run found of one test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Which.
    pub id: TestId,
    /// The verdict.
    pub outcome: Outcome,
    /// The results inside its output that were not good, by their paths.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub failed: Vec<Vec<String>>,
}

/// As much of a `results.json` as matters here.
#[derive(Deserialize)]
struct ResultsFile {
    schema: u32,
    finished: bool,
    run: Run,
    results: Vec<TestResult>,
}

#[derive(Deserialize)]
struct Run {
    release: String,
}

#[derive(Deserialize)]
struct Versioned {
    schema: u32,
}

impl Baseline {
    /// Reads the `results.json` at `path`, or the one in the directory `path`.
    ///
    /// # Errors
    /// When it cannot be used: [`BaselineError`].
    pub fn read(path: &Path) -> Result<Self, BaselineError> {
        let path = match path.is_dir() {
            true => path.join(crate::json::RESULTS),
            false => path.to_owned(),
        };
        let mut bytes = Vec::new();
        let file = File::open(&path)?;
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(BaselineError::TooLarge);
        }
        Self::parse(&bytes, path.display().to_string())
    }

    fn parse(bytes: &[u8], file: String) -> Result<Self, BaselineError> {
        // Another schema may look entirely different.
        let Versioned { schema } = serde_json::from_slice(bytes)?;
        if schema != SCHEMA {
            return Err(BaselineError::Schema(schema));
        }
        let read: ResultsFile = serde_json::from_slice(bytes)?;
        if !read.finished || read.schema != schema {
            return Err(BaselineError::Unfinished);
        }
        let judged = read.results.into_iter().filter(|result| {
            // Nobody selects a boot, and it can be missed by nobody.
            result.outcome != Outcome::NotRun && result.id.suite != "runner"
        });
        let tests = judged.map(|result| Known {
            failed: failed(&result).map(<[String]>::to_vec).collect(),
            id: result.id,
            outcome: result.outcome,
        });
        Ok(Self {
            file,
            release: read.run.release,
            tests: tests.collect(),
        })
    }
}

/// Paths of the results inside an output that are not good.
fn failed(result: &TestResult) -> impl Iterator<Item = &[String]> {
    let bad = result.subtests.iter().filter(|s| !s.outcome.is_good());
    bad.map(|subtest| subtest.path.as_slice())
}

/// How a test's result compares with what was known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is not good and was, or fails in a way in which it did not.
    NewFailure,
    /// It is not good, as it was.
    StillFailing,
    /// It is good and was not.
    Fixed,
    /// It was not there, and is good.
    NewTest,
    /// It was not run: nothing can be said.
    NotRun,
    /// Nothing.
    Same,
}

impl Change {
    /// How `result` compares with `known`, `None` for a test that was not there.
    ///
    /// A test that failed before is a new failure if a result inside its output fails that did not, or if it takes its
    /// machine down and did not.
    #[must_use]
    pub fn of(result: &TestResult, known: Option<&Known>) -> Self {
        let good = result.outcome.is_good();
        let Some(known) = known else {
            return match result.outcome {
                Outcome::NotRun => Self::NotRun,
                _ if good => Self::NewTest,
                _ => Self::NewFailure,
            };
        };
        match (known.outcome.is_good(), good) {
            (_, false) if result.outcome == Outcome::NotRun => Self::NotRun,
            (true, true) => Self::Same,
            (true, false) => Self::NewFailure,
            // That it passes now says nothing.
            (false, true) if known.outcome == Outcome::Flaky => Self::Same,
            (false, true) => Self::Fixed,
            (false, false) => {
                let fatal = |outcome| matches!(outcome, Outcome::KernelCrash | Outcome::Hang);
                let worse = fatal(result.outcome) && !fatal(known.outcome);
                let mut known_failed: Vec<&[String]> =
                    known.failed.iter().map(Vec::as_slice).collect();
                known_failed.sort_unstable();
                // One that said nothing of its parts, such as one that crashed, is known to fail as a whole.
                let told = !known_failed.is_empty();
                let new = failed(result).any(|path| known_failed.binary_search(&path).is_err());
                if worse || (told && new) {
                    Self::NewFailure
                } else {
                    Self::StillFailing
                }
            }
        }
    }

    /// Whether a report of what changed leaves it out.
    #[must_use]
    pub fn is_none(self) -> bool {
        matches!(self, Self::Same | Self::StillFailing)
    }

    /// What is said of it behind a test's status line.
    #[must_use]
    pub(crate) fn note(self) -> &'static str {
        match self {
            Self::NewFailure => " (new failure)",
            Self::StillFailing => " (still failing)",
            Self::Fixed => " (fixed)",
            Self::NewTest => " (new test)",
            Self::NotRun | Self::Same => "",
        }
    }
}

/// What changed against a baseline. In `results.json` it is the member `baseline`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changes<'a> {
    /// The file of the baseline.
    pub file: &'a str,
    /// Release of the kernel that was tested then.
    pub release: &'a str,
    /// Not good, and not known as that; new tests that fail too.
    pub new_failures: Vec<&'a TestId>,
    /// Good, and were not.
    pub fixed: Vec<&'a TestId>,
    /// Not good, as they were.
    pub still_failing: Vec<&'a TestId>,
    /// Not in the baseline.
    pub new_tests: Vec<&'a TestId>,
    /// In the baseline, and not selected now; `None` of a shard, which is but a part.
    pub missing_tests: Option<Vec<&'a TestId>>,
}

impl<'a> Changes<'a> {
    pub(crate) fn against(baseline: &'a Baseline) -> Self {
        Self {
            file: &baseline.file,
            release: &baseline.release,
            new_failures: vec![],
            fixed: vec![],
            still_failing: vec![],
            new_tests: vec![],
            missing_tests: None,
        }
    }

    pub(crate) fn add(&mut self, result: &'a TestResult, change: Change, known: bool) {
        let id = &result.id;
        match change {
            Change::NewFailure => self.new_failures.push(id),
            Change::StillFailing => self.still_failing.push(id),
            Change::Fixed => self.fixed.push(id),
            Change::NewTest | Change::NotRun | Change::Same => {}
        }
        if !known && id.suite != "runner" {
            self.new_tests.push(id);
        }
    }
}

#[cfg(test)]
mod tests;
