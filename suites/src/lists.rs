//! Files that say of tests what is known of them: skip lists, known failures, and lists of what to run.
//!
//! ```toml
//! [[skip]]
//! test = "kselftest:timers:rtcpie"     # as --skip takes it
//! reason = "there is no RTC in the machine"
//!
//! [[known-failure]]
//! test = "ltp:syscalls:madvise06"
//! reason = "needs 5e31275cc997"
//! kernel = "..6.6"                     # only on these kernels
//! arch = "x86_64"
//! accelerator = "tcg"
//! splats = ["WARNING in foo*"]         # a known failure's only: what the kernel reports with it
//! ```

use crate::{
    KernelRange, KnownFailure, Pattern, Skip, Test, TestId,
    toml_file::{self, FileError},
};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// What a run is, for entries that hold on some only. What is not known makes no entry fail to hold.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunFacts<'a> {
    /// Release of the kernel as its image says it.
    pub release: Option<&'a str>,
    /// `x86_64`.
    pub arch: &'a str,
    /// What executes the guest's code: `kvm` or `tcg`.
    pub accelerator: Option<&'a str>,
}

/// Which entries of a file count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// `[[skip]]`: tests that are not run.
    Skip,
    /// `[[known-failure]]`: tests whose failure is expected.
    KnownFailure,
}

impl ListKind {
    const fn key(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::KnownFailure => "known-failure",
        }
    }
}

/// A file's entries of one kind.
#[derive(Debug, Clone)]
pub struct List {
    path: PathBuf,
    kind: ListKind,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    test: Skip,
    reason: String,
    kernel: Option<KernelRange>,
    arch: Option<String>,
    accelerator: Option<String>,
    splats: Vec<Pattern>,
    line: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawFile {
    #[serde(default)]
    skip: Vec<RawEntry>,
    #[serde(default)]
    known_failure: Vec<RawEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    test: Spanned<String>,
    reason: Spanned<String>,
    kernel: Option<KernelRange>,
    arch: Option<String>,
    accelerator: Option<Accelerator>,
    splats: Option<Spanned<Vec<Spanned<String>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Accelerator {
    Kvm,
    Tcg,
}

impl List {
    /// Reads a file.
    ///
    /// # Errors
    /// [`FileError`], with the line and what is allowed there.
    pub fn read(path: &Path, kind: ListKind) -> Result<Self, FileError> {
        Self::parse(path, &toml_file::read(path)?, kind)
    }

    /// What the text of the file at `path` says.
    ///
    /// # Errors
    /// As [`List::read`].
    pub fn parse(path: &Path, text: &str, kind: ListKind) -> Result<Self, FileError> {
        let file: RawFile = toml_file::parse(path, text)?;
        let entries = match kind {
            ListKind::Skip => file.skip,
            ListKind::KnownFailure => file.known_failure,
        };
        let entries = entries.into_iter().map(|raw| {
            let at = raw.test.span().start;
            let test = Skip::parse(raw.test.get_ref())
                .map_err(|e| toml_file::at(path, text, at, e.to_string()))?;
            let reason = raw.reason.get_ref().trim();
            if reason.is_empty() {
                let why = "the reason is empty: say why, for reports show it";
                return Err(toml_file::at(path, text, raw.reason.span().start, why));
            }
            let splats = match raw.splats {
                Some(splats) if kind == ListKind::Skip => {
                    let why =
                        "a test that is not run has no splats: they belong to a [[known-failure]]";
                    return Err(toml_file::at(path, text, splats.span().start, why));
                }
                Some(splats) => splats.into_inner(),
                None => Vec::new(),
            };
            Ok(Entry {
                test,
                reason: reason.into(),
                kernel: raw.kernel,
                arch: raw.arch,
                accelerator: raw.accelerator.map(|a| match a {
                    Accelerator::Kvm => "kvm".into(),
                    Accelerator::Tcg => "tcg".into(),
                }),
                splats: toml_file::patterns(path, text, &splats)?,
                line: toml_file::line_of(text, at),
            })
        });
        Ok(Self {
            path: path.into(),
            kind,
            entries: entries.collect::<Result<_, _>>()?,
        })
    }

    /// Marks the tests that it names. `left_out` are tests that were selected and left out otherwise. Returns what a
    /// person should know.
    pub(crate) fn mark(
        &self,
        tests: &mut [Test],
        left_out: &[TestId],
        facts: &RunFacts<'_>,
    ) -> Vec<String> {
        let path = self.path.display();
        let mut warnings = Vec::new();
        if self.entries.is_empty() {
            warnings.push(format!("{path} has no [[{}]]", self.kind.key()));
        }
        let mut idle = Vec::new();
        for entry in &self.entries {
            let mut matched = left_out.iter().any(|id| entry.test.matches(id));
            for test in tests.iter_mut().filter(|t| entry.test.matches(&t.id)) {
                matched = true;
                if !entry.holds(facts) {
                    continue;
                }
                let why = || format!("{} ({path}:{})", entry.reason, entry.line);
                match self.kind {
                    ListKind::Skip => {
                        test.skip.get_or_insert_with(why);
                    }
                    ListKind::KnownFailure => {
                        test.known_failure.get_or_insert_with(|| KnownFailure {
                            why: why(),
                            splats: entry.splats.clone(),
                        });
                    }
                }
            }
            if !matched {
                idle.push(format!("{} (line {})", entry.test, entry.line));
            }
        }
        if !idle.is_empty() {
            const LISTED: usize = 5;
            let more = match idle.len().saturating_sub(LISTED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            idle.truncate(LISTED);
            warnings.push(format!(
                "{path}: nothing that was selected matches {}{more}",
                idle.join(", ")
            ));
        }
        warnings
    }
}

impl Entry {
    fn holds(&self, facts: &RunFacts<'_>) -> bool {
        let differs = |wanted: &Option<String>, there: Option<&str>| {
            wanted
                .as_deref()
                .zip(there)
                .is_some_and(|(wanted, there)| wanted != there)
        };
        let other_kernel = self
            .kernel
            .as_ref()
            .zip(facts.release)
            .is_some_and(|(range, release)| !range.contains(release));
        !other_kernel
            && !differs(&self.arch, Some(facts.arch))
            && !differs(&self.accelerator, facts.accelerator)
    }
}

/// The SPECs in the text of `--from-file`: one a line, blanks around them and lines that begin with `#` left out.
pub fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    let lines = lines.map(|(index, line)| (index + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
#[path = "lists_tests.rs"]
mod tests;
