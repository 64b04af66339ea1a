//! One test, ready to be run.

use crate::{Need, Pattern, SplatPolicy, TestId};
use serde::{Deserialize, Serialize};
use std::{ffi::OsString, path::PathBuf, time::Duration};

/// A test that a selection gave: everything a machine needs to run it and a judge to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// Its name.
    pub id: TestId,
    /// What to run.
    pub program: Program,
    /// Working directory in the guest; `None` leaves it to the run (the directory the user stands in).
    pub cwd: Option<PathBuf>,
    /// Additional environment.
    pub env: Vec<(OsString, OsString)>,
    /// Its own time limit, before any factor for slow machines; `None` for no limit.
    pub timeout: Option<Duration>,
    /// How to read its output.
    pub format: OutputFormat,
    /// How it ends its machine on purpose, if it does; that is then a pass.
    pub intended: Option<Intended>,
    /// Which reports of errors by the kernel are no failure of it, and which must come.
    pub splats: SplatPolicy,
    /// Why it cannot be run although it was selected, such as a program that was not built; it is then a harness error.
    pub unavailable: Option<String>,
    /// Why it is not run here; it is then a skip.
    pub skip: Option<String>,
    /// What is known of it where it is known to fail; that is then expected.
    pub known_failure: Option<KnownFailure>,
    /// What it needs of kernel and root. The run looks whether that is there, and skips the test otherwise.
    pub needs: Vec<Need>,
    /// Options of the kernel command line for a machine that it has to itself, because one that all share did not boot with the
    /// options for all; empty where it does not matter to the test how its machine was booted.
    pub boot: Vec<String>,
}

impl Test {
    /// A test without any of what is optional: no limit, environment, need or wish.
    #[must_use]
    pub fn new(id: TestId, program: Program, format: OutputFormat) -> Self {
        Self {
            id,
            program,
            cwd: None,
            env: Vec::new(),
            timeout: None,
            format,
            intended: None,
            splats: SplatPolicy::default(),
            unavailable: None,
            skip: None,
            known_failure: None,
            needs: Vec::new(),
            boot: Vec::new(),
        }
    }
}

/// What is known of a test that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFailure {
    /// Why it fails; it stands in the reports.
    pub why: String,
    /// Splats that belong to the failure: globs over class, title or fingerprint. Any other is news.
    pub splats: Vec<Pattern>,
}

/// An end of the machine that a test brings about on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intended {
    /// The kernel restarts the machine.
    Reboot,
    /// The kernel switches the machine off.
    PowerOff,
    /// The kernel panics.
    Panic,
    /// The kernel starts another one in its place.
    Kexec,
}

/// What a test runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// A program of the guest's file tree and its arguments, started without a shell.
    Exec(Vec<OsString>),
    /// A check built into the guest's init, by name.
    Smoke(&'static str),
}

/// What a test's output may be read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// KTAP or TAP where the output has a version line or a plan, else the exit status alone counts.
    Auto,
    /// As [`OutputFormat::Auto`], but result lines count without version line or plan (kselftest programs often print no header).
    Kselftest,
    /// The exit status alone counts.
    ExitStatus,
    /// What KUnit prints into the kernel log or its debugfs files, without prefixes or with them.
    Kunit,
    /// The output of one of LTP's programs; its exit status is LTP's mask ([`crate::ltp::status`]).
    Ltp,
    /// What xfstests' `check` prints.
    Xfstests,
    /// What blktests' `check` prints.
    Blktests,
    /// What `perf test` prints; the exit status of older ones says nothing.
    Perf,
    /// What stress-ng prints; the exit status has its own meaning (`stress-ng(1)`, EXIT STATUS).
    StressNg,
    /// Objects with `id`, `outcome` and perhaps `message`, one a line.
    JsonLines,
}
