//! What can be wrong with a suite's tests before any of them runs.

use crate::toml_file::FileError;
use std::{io, path::PathBuf};

/// Why a suite has no tests to choose from.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// A file that the user wrote is wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// Two manifests have one name, and so would their tests.
    #[error(
        "{} and {} are both called {name}: give one of them another name = \"...\"",
        first.display(),
        second.display()
    )]
    SameName {
        /// The name.
        name: String,
        /// The one read first.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A suite's tree is not where it is looked for.
    #[error("there is no {name} in {}: {way_out}", path.display())]
    NoTree {
        /// The suite's name for people.
        name: &'static str,
        /// The directory.
        path: PathBuf,
        /// The option that names another, and how one is made.
        way_out: &'static str,
    },
    /// A suite's tree is named nowhere.
    #[error("{name} is not part of the system: {way_out}")]
    NoTreeNamed {
        /// The suite's name for people.
        name: &'static str,
        /// The option that names it, and how one is made.
        way_out: &'static str,
    },
    /// A suite's tree is there, and was not built or not installed.
    #[error("{name} was not built: there is no {}; {way_out}", path.display())]
    NotBuilt {
        /// The suite's name for people.
        name: &'static str,
        /// What a built tree has.
        path: PathBuf,
        /// How it comes to be.
        way_out: String,
    },
    /// A suite is a program that is not installed.
    #[error("the suite {suite} needs the program {program} on the root (Debian: {package})")]
    NotInstalled {
        /// The suite.
        suite: &'static str,
        /// The program.
        program: &'static str,
        /// Debian's package of it.
        package: &'static str,
    },
    /// The kernel has no unit tests.
    #[error("this kernel runs no KUnit tests: {0}")]
    NoKunit(String),
    /// The kernel's unit tests are not known by name.
    #[error(
        "the names of this kernel's KUnit suites cannot be read out of its image, which takes CONFIG_KALLSYMS_ALL=y or a \
         vmlinux with symbols: name each suite, as in --suite kunit:example"
    )]
    KunitUnknown,
    /// Cases of KUnit's are asked for in a way that the kernel cannot filter.
    #[error(
        "the kernel filters KUnit's cases by one glob with *, ? and [..]: run kunit:SUITE:CASE as the only selection of \
         KUnit's, without alternatives in braces"
    )]
    KunitCases,
    /// A program of the host failed.
    #[error("{program} cannot be run")]
    Program {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A directory or file of a suite cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A program of the host ended badly: what was tried, and its last words.
    #[error("{what} failed:\n{words}")]
    Failed {
        /// What it was to do.
        what: String,
        /// What it said.
        words: String,
    },
    /// No package of the workspace is asked for.
    #[error("\"{spec}\" matches no package of the workspace: {hint}")]
    NoPackage {
        /// The argument.
        spec: String,
        /// What there is instead.
        hint: String,
    },
    /// The caller stopped it.
    #[error("stopped")]
    Cancelled,
}

impl SuiteError {
    /// Whether the command line or the host is at fault, and not this kernel.
    #[must_use]
    pub fn blames_host(&self) -> bool {
        !matches!(self, Self::NoKunit(_) | Self::KunitUnknown)
    }
}
