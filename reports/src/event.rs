//! What can happen in a run.

use crate::Baseline;
use serde::{Deserialize, Serialize};
use splats::Splat;
use suites::{Outcome, TestId};

/// A line of `events.jsonl`: an event and when it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Milliseconds since the run started.
    pub at_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen in a run, in the order it can happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The plan is made and machines can start. The first event.
    RunStarted(Box<RunInfo>),
    /// What an earlier run found, with which this one is compared.
    Baseline(Box<Baseline>),
    /// Something a person should know: a missing kernel option, an image that changed.
    Warning {
        /// One or more plain sentences.
        text: String,
    },
    /// A machine is being started.
    MachineStarted {
        /// Its number, from 1.
        machine: u32,
    },
    /// The machine's init is ready to run tests.
    MachineReady {
        /// Its number.
        machine: u32,
        /// `uname -r` as the running kernel says it.
        release: String,
        /// From the start of its process to here, in milliseconds.
        boot_ms: u64,
    },
    /// A test starts.
    TestStarted {
        /// Which.
        id: TestId,
        /// Where.
        machine: u32,
    },
    /// A test that runs more than once, by `--retries` or `--repeat`, ended once. It is not finished by that.
    TestAttempted(Box<TestResult>),
    /// A test has its outcome. Also comes, without a start, for tests that never ran.
    TestFinished(Box<TestResult>),
    /// The kernel reported errors while no test ran: while a machine booted, between tests, or after the last one.
    SplatsOutside {
        /// The machine.
        machine: u32,
        /// What it reported, of severity warning and above.
        splats: Vec<Splat>,
    },
    /// A machine is gone.
    MachineEnded {
        /// Its number.
        machine: u32,
        /// Why, a plain sentence.
        reason: String,
    },
    /// Nothing more will happen. The last event; a journal without it is of a run that was killed.
    RunFinished {
        /// The exit status of the command.
        exit_status: u8,
        /// Why that status, a plain sentence.
        reason: String,
        /// Milliseconds from start to end.
        duration_ms: u64,
    },
}

/// What is known of a run before its first machine starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Version of this program.
    pub version: String,
    /// When the run started, RFC 3339, UTC.
    pub started: String,
    /// The command as given.
    pub command: Vec<String>,
    /// Path of the kernel image.
    pub kernel: String,
    /// Release of the kernel as its image says it, such as `6.12.1-test+`.
    pub release: String,
    /// What of the image is loaded and how it is entered: `bzImage`, `unpacked bzImage, 64-bit entry`,
    /// `vmlinux, PVH entry`.
    pub boot: String,
    /// The engine: `kvm` for our own monitor, `qemu`.
    pub engine: String,
    /// What executes the guest's code: `kvm`, `tcg`.
    pub accelerator: String,
    /// Why that engine and accelerator, a plain fragment.
    pub engine_reason: String,
    /// Number of virtual CPUs.
    pub cpus: u32,
    /// Guest memory in MiB.
    pub memory_mib: u64,
    /// Factor on every time limit.
    pub timeout_scale: f64,
    /// How many machines run at once at most.
    #[serde(default = "one")]
    pub jobs: u32,
    /// How often every test is run at most, whatever comes of it.
    #[serde(default = "one")]
    pub repeat: u32,
    /// How often a test that fails is run again at most.
    #[serde(default)]
    pub retries: u32,
    /// Which part of the selection this is, unless it is all of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shard: Option<Shard>,
    /// The selected tests, in order.
    pub tests: Vec<TestId>,
}

/// A part of a selection that is run on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Its number, from 1.
    pub index: u32,
    /// How many there are.
    pub of: u32,
    /// Number of the tests in all of them.
    pub selected: u64,
    /// A digest of how the selection was split: parts of one whole have the same.
    pub split: String,
    /// The places of its tests in the whole selection, from 0, in order.
    #[serde(default)]
    pub places: Vec<u64>,
}

impl RunInfo {
    /// What tests what, in one line:
    /// `runner 0.1.0: linux 6.12.1 (bzImage) on qemu (tcg: no /dev/kvm), 2 CPUs, 1024 MiB, time-outs x8`.
    #[must_use]
    pub fn headline(&self) -> String {
        // Our own engine is called by what it runs on.
        let accelerator = match self.accelerator == self.engine {
            true => String::new(),
            false => format!("{}: ", self.accelerator),
        };
        let machines = match self.jobs {
            0 | 1 => String::new(),
            jobs => format!(", {jobs} machines"),
        };
        let shard = match &self.shard {
            None => String::new(),
            Some(shard) => format!(", shard {}/{}", shard.index, shard.of),
        };
        format!(
            "runner {}: linux {} ({}) on {} ({}{}), {} CPU{}, {} MiB, time-outs x{}{machines}{shard}",
            self.version,
            self.release,
            self.boot,
            self.engine,
            accelerator,
            self.engine_reason,
            self.cpus,
            if self.cpus == 1 { "" } else { "s" },
            self.memory_mib,
            self.timeout_scale,
        )
    }
}

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestResult {
    /// Which.
    pub id: TestId,
    /// The verdict.
    pub outcome: Outcome,
    /// Why, a plain sentence; always there unless the outcome is a pass.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
    /// From start to end, in milliseconds; 0 for a test that never ran.
    pub duration_ms: u64,
    /// The machine it ran on, unless it never ran.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub machine: Option<u32>,
    /// How its process ended: `exit status 1`, `signal 9 (SIGKILL)`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub exit: Option<String>,
    /// The results inside its output, flattened, in order; parents are left out.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub subtests: Vec<SubtestResult>,
    /// What it wrote to file descriptor 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stdout: Option<OutputRef>,
    /// What it wrote to file descriptor 2.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stderr: Option<OutputRef>,
    /// What the kernel logged while it ran.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kernel_log: Option<OutputRef>,
    /// Files it left in `$RUNNER_ARTIFACTS`, paths relative to the output directory.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub artifacts: Vec<String>,
    /// What the kernel reported while it ran.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub splats: Vec<TestSplat>,
    /// What became of it each time, in order, where it ran more than once; without the results inside their outputs.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub attempts: Vec<TestResult>,
}

/// A splat that came while a test ran. Its lines are those of the test's kernel log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestSplat {
    /// What the kernel reported.
    #[serde(flatten)]
    pub splat: Splat,
    /// Whether it is held against the test: it is no remark, and neither the test nor the run allows it.
    pub counts: bool,
}

impl TestResult {
    /// The result of a test that never ran, with the reason. Also what other results without evidence are made from.
    #[must_use]
    pub fn not_run(id: &TestId, why: &str) -> Self {
        Self {
            id: id.clone(),
            outcome: Outcome::NotRun,
            message: Some(why.into()),
            duration_ms: 0,
            machine: None,
            exit: None,
            subtests: vec![],
            stdout: None,
            stderr: None,
            kernel_log: None,
            artifacts: vec![],
            splats: vec![],
            attempts: vec![],
        }
    }
}

/// One result line inside a test's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubtestResult {
    /// Names from the outermost subtest to this one.
    pub path: Vec<String>,
    /// What the line says.
    pub outcome: Outcome,
    /// Its directive's reason or its diagnostics, bounded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
}

/// Where a stream of a test is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputRef {
    /// File, relative to the output directory.
    pub file: String,
    /// Bytes in the file.
    pub bytes: u64,
    /// Bytes over the limit, not kept.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub dropped: u64,
}

fn one() -> u32 {
    1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if passes a reference"
)]
fn is_zero(n: &u64) -> bool {
    *n == 0
}
