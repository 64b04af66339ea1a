//! What is the same for every machine of a run.

use super::{pass_on::PassOn, stall::Symbols};
use crate::machine::MachineSpec;
use reports::OutputRef;
use std::{ffi::OsString, os::unix::net::UnixStream, path::PathBuf, time::Duration};
use suites::{Pattern, Test};

/// A place in which machines run one after the other, with logs of its own: from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane(pub usize);

impl Lane {
    /// Name of the whole kernel log of its machines in the output directory.
    pub fn kernel_log(self) -> String {
        self.file("kernel")
    }

    /// Name of the console log of its machines in the output directory.
    pub fn console_log(self) -> String {
        self.file("console")
    }

    fn file(self, log: &str) -> String {
        match self.0 {
            0 => format!("{log}.log"),
            other => format!("{log}-{}.log", other + 1),
        }
    }
}

/// What is the same for every machine of a run.
pub struct Settings {
    /// What the machines are.
    pub spec: MachineSpec,
    /// Options of the kernel command line for machines that all tests share.
    pub boot_options: Vec<String>,
    /// What init is told first.
    pub setup: wire::Setup,
    /// Environment of every test, `NAME=value`.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory of tests that have none of their own.
    pub cwd: PathBuf,
    /// Files that `smoke:root-equal` compares: SHA-256 in hex, size and path.
    pub known_files: Vec<String>,
    /// Factor on every time limit.
    pub scale: f64,
    /// From launch to init's ready, scaled.
    pub boot_timeout: Duration,
    /// Limit that replaces every test's own, unscaled.
    pub timeout: Option<Duration>,
    /// Bytes of each stream of a test that the guest passes on.
    pub output_limit: u64,
    /// Bytes of each stream that are kept in the output directory.
    pub output_kept: u64,
    /// Where a command's output goes as it comes, if not to the reports.
    pub passed_on: Option<PassOn>,
    /// What a test may leave.
    pub artifacts: wire::ArtifactLimits,
    /// Whether a machine that is done is asked what it counted, and ends in order, instead of being killed.
    pub measured: bool,
    /// The output directory.
    pub run_dir: PathBuf,
    /// Which splats are no failure of any test.
    pub allowed_splats: Vec<Pattern>,
    /// A vmlinux with the kernel's debug information, for the stacks in reports.
    pub debug_info: Option<PathBuf>,
    /// Names for addresses of the kernel, where they are known.
    pub symbols: Option<Box<dyn Symbols>>,
    /// Becomes readable when the run is to be given up.
    pub cancel: UnixStream,
}

impl Settings {
    /// Where the whole kernel log is, for a result that has no slice of its own.
    pub fn log_reference(&self, lane: Lane) -> Option<OutputRef> {
        let file = lane.kernel_log();
        let bytes = std::fs::metadata(self.run_dir.join(&file)).ok()?.len();
        Some(OutputRef {
            file,
            bytes,
            dropped: 0,
        })
    }

    /// A time limit, made longer for a slow machine.
    pub fn scaled(&self, duration: Duration) -> Duration {
        duration.mul_f64(self.scale)
    }

    /// A test's time limit, scaled.
    pub fn limit(&self, test: &Test) -> Option<Duration> {
        let unscaled = match self.timeout {
            Some(Duration::ZERO) => None,
            Some(limit) => Some(limit),
            None => test.timeout,
        };
        unscaled.map(|limit| self.scaled(limit))
    }
}
