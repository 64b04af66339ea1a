//! What a session is made of.

use super::{
    console::Console,
    files::TestFiles,
    klog::KernelLog,
    link::{Link, LinkError},
    listen::Listener,
    look::Seen,
    measure::Measured,
    settings::Settings,
    triage::Verdict,
    watchdog::Watchdog,
};
use crate::{
    kernel::SourceLines,
    machine::{LaunchError, Machine},
};
use std::{
    io,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};
use suites::{Test, output::OutputReader};
use wire::{ExitStatus, TestEnded};

/// Why a session is over.
#[derive(Debug)]
pub enum Ended {
    /// There is no further test for this machine.
    Completed,
    /// The machine is gone or unfit. Says whether it got as far as a test.
    MachineLost {
        /// Whether a test was running or had run.
        useful: bool,
        /// Why, a plain sentence.
        reason: String,
    },
    /// Init never became ready: a plain sentence, and what the kernel log showed.
    BootFailed(String),
    /// The machine's own process gave up before init was ready, which no kernel can be blamed for: a plain sentence.
    EngineFailed(String),
    /// The run is to be given up.
    Cancelled,
}

/// What ends a run from the host's side.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No machine came to be.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// A report cannot be written.
    #[error(transparent)]
    Report(#[from] reports::ReportError),
    /// `--nested`, and the guest has no KVM although its kernel should.
    #[error(
        "the machine has no /dev/kvm although it was given virtualization (--nested); why may be among the warnings and in \
         console.log and kernel.log"
    )]
    NoKvm,
    /// Nobody reads what a command prints any more.
    #[error("standard output was closed")]
    OutputClosed,
    /// A file of the output directory cannot be written, or waiting failed.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

/// Wraps the system's reason for `action` failing.
pub fn io_error(action: &'static str) -> impl FnOnce(io::Error) -> SessionError {
    move |source| SessionError::Io { action, source }
}

pub const WRITE_OUTPUT: &str = "write the output of a test";
pub const WRITE_LOG: &str = "write the kernel log";

/// A test on its way.
pub struct Running<'t> {
    pub test: &'t Test,
    pub number: u32,
    pub limit: Option<Duration>,
    pub started: Instant,
    pub watchdog: Watchdog,
    pub files: TestFiles,
    pub parser: OutputReader,
}

/// Where a session is.
pub enum State<'t> {
    Booting {
        deadline: Instant,
    },
    Ready,
    Running(Box<Running<'t>>),
    Draining {
        running: Box<Running<'t>>,
        ended: TestEnded,
        deadline: Instant,
    },
}

/// One machine and everything it is doing.
pub struct Session<'a> {
    pub settings: &'a Settings,
    pub reports: &'a mut dyn Listener,
    pub number: u32,
    pub machine: Box<dyn Machine>,
    pub link: Link,
    pub klog_port: Option<UnixStream>,
    pub console_port: Option<UnixStream>,
    pub klog: KernelLog,
    pub console: Console,
    pub launched: Instant,
    pub release: String,
    pub tests_done: u32,
    /// The kernel's taint as last heard.
    pub taint: u64,
    /// What was seen of the guest from outside.
    pub seen: Seen,
    /// When it came how far, and what it counted.
    pub measured: Measured,
    /// The latest test that is over.
    pub finished: Option<Finished>,
    /// Source lines for stacks, once they were asked for.
    pub lines: Option<Option<SourceLines>>,
}

/// How a test ended, in the guest's words and by our verdict.
#[derive(Debug, Clone)]
pub struct Finished {
    /// How its process ended, if init said so.
    pub status: Option<ExitStatus>,
    /// What became of it.
    pub verdict: Verdict,
    /// What the kernel complained about while it ran.
    pub oops: Option<String>,
}

/// What can go wrong while messages are taken in.
pub enum Problem {
    Link(LinkError),
    Session(SessionError),
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl From<reports::ReportError> for Problem {
    fn from(error: reports::ReportError) -> Self {
        Self::Session(error.into())
    }
}
