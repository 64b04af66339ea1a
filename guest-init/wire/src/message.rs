//! The messages. Strings that name files or are arguments are byte strings: Linux does not promise UTF-8.

use serde::{Deserialize, Serialize};

/// What the host says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostMessage {
    /// Prepare the machine; the first message, answered by [`GuestMessage::Ready`] or [`GuestMessage::Fatal`].
    Setup(Setup),
    /// Run one test; only when none is running.
    Run(RunTest),
    /// Answer with [`GuestMessage::Pong`] and the same number: is init alive?
    Ping(u32),
}

/// What the guest's init says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GuestMessage {
    /// The first message: init is up and has its ports.
    Hello {
        /// The guest's [`crate::VERSION`].
        version: u16,
        /// `uname -r` of the running kernel.
        release: String,
    },
    /// [`Setup`] is done.
    Ready(Ready),
    /// Init cannot go on; what failed and why, a plain sentence. The machine stops after this.
    Fatal(String),
    /// Something a person should know and that does not stop the run.
    Warning(String),
    /// The test's process exists.
    Started {
        /// Number from [`RunTest::test`].
        test: u32,
    },
    /// Bytes the test wrote, as they come.
    Output {
        /// Number from [`RunTest::test`].
        test: u32,
        /// Which of the two.
        stream: Stream,
        /// At most 32 KiB at a time.
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    },
    /// A piece of a file that the test left in `$RUNNER_ARTIFACTS`; pieces of one file come in order and
    /// files one after the other.
    Artifact {
        /// Number from [`RunTest::test`].
        test: u32,
        /// Path below `$RUNNER_ARTIFACTS`, `/` between components.
        #[serde(with = "serde_bytes")]
        path: Vec<u8>,
        /// The next bytes of the file.
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
        /// Whether the file ends here.
        last: bool,
    },
    /// The test and everything it started is gone (or cannot be killed).
    Ended(TestEnded),
    /// Answer to [`HostMessage::Ping`].
    Pong(u32),
}

/// How the guest's system is to be put together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Host name of the machine.
    pub hostname: String,
    /// Whether the root is in the initramfs, at [`crate::PACKED_ROOT`], and not a share.
    pub packed: bool,
    /// Options for every 9P mount besides `trans`, `version`: such as `msize=512000,cache=loose`.
    pub mount_options: String,
    /// Further shares, each mounted under an overlay of its own, in this order.
    pub shares: Vec<Share>,
    /// Whether init keeps KVM in use, so that the kernel's code does not change with every virtual machine.
    pub hold_kvm: bool,
}

/// One more host directory to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// 9P mount tag.
    pub tag: String,
    /// Absolute path in the guest; made if it does not exist.
    #[serde(with = "serde_bytes")]
    pub path: Vec<u8>,
}

/// The machine as init found and made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// CPUs online.
    pub cpus: u32,
    /// `MemTotal` in KiB.
    pub memory_kib: u64,
    /// What the root is.
    pub root: RootKind,
    /// Since the kernel started its clock, in microseconds (`CLOCK_BOOTTIME`).
    pub uptime_us: u64,
    /// `/proc/sys/kernel/tainted`.
    pub taint: u64,
    /// Whether there is a `/dev/kvm` that can be opened.
    pub kvm: bool,
}

/// What the root file system of the guest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RootKind {
    /// The share, or what is packed, under a tmpfs overlay: writable, nothing reaches the host.
    Overlay,
    /// That alone, read-only, with a tmpfs on `/tmp`, `/var/tmp` and `/run`: the kernel has no overlayfs.
    ReadOnly,
}

/// One test to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTest {
    /// Number of the test, unique in the run; comes back in every message about it.
    pub test: u32,
    /// Name of the test, for the kernel log's markers; one line of printable text.
    pub label: String,
    /// What to run.
    pub program: Program,
    /// Working directory; made of guest paths.
    #[serde(with = "serde_bytes")]
    pub cwd: Vec<u8>,
    /// The whole environment, `NAME=value` each. Init adds `RUNNER_ARTIFACTS`.
    pub env: Vec<crate::Bytes>,
    /// Time limit in milliseconds, or none.
    pub timeout_ms: Option<u64>,
    /// After the limit, time between SIGTERM to the test's process group and SIGKILL to everything, in milliseconds.
    pub grace_ms: u64,
    /// Bytes to pass on per stream; the rest is read and counted, so that the test never blocks on it.
    pub output_limit: u64,
    /// What the test may leave.
    pub artifacts: ArtifactLimits,
}

/// What a test is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Program {
    /// A program and its arguments; the first is looked up in the `PATH` of [`RunTest::env`] unless it has a slash.
    Exec(Vec<crate::Bytes>),
    /// A check built into init, by name, with `key=value` parameters.
    Smoke {
        /// Name of the check.
        check: String,
        /// What the check compares with.
        params: Vec<crate::Bytes>,
    },
}

/// Bounds on the files that a test may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactLimits {
    /// Number of files.
    pub files: u32,
    /// Bytes of all files together.
    pub bytes: u64,
}

/// One of a test's two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// File descriptor 1.
    Stdout,
    /// File descriptor 2.
    Stderr,
}

/// The end of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestEnded {
    /// Number from [`RunTest::test`].
    pub test: u32,
    /// How its own process ended.
    pub status: ExitStatus,
    /// Whether init ended it because its time was up.
    pub timed_out: bool,
    /// From start to the end of its own process, in microseconds of the guest's monotonic clock.
    pub duration_us: u64,
    /// Bytes of stdout and stderr that were over the limit and not passed on.
    pub dropped: [u64; 2],
    /// Artifact files that were not passed on, over a limit or not regular files.
    pub artifacts_dropped: u32,
    /// Commands (`comm`) of descendants that survived SIGKILL for several seconds; the machine is not fit for another test.
    pub unkillable: Vec<String>,
    /// What the test did to the machine that makes it unfit for another one, a plain fragment: `/dev/null is not what it was`.
    pub unfit: Option<String>,
    /// `/proc/sys/kernel/tainted` after the test.
    pub taint: u64,
    /// Sequence number in `/dev/kmsg` of the test's end marker: every record up to it has been written to
    /// [`crate::KLOG_PORT`] before this message is sent. `None` when `/dev/kmsg` cannot be read.
    pub klog_seq: Option<u64>,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// It called `exit` with this status, 0 to 255.
    Exited(i32),
    /// A signal ended it.
    Signaled(i32),
    /// It could not be started: the step that failed and the system's reason.
    NotStarted(String),
}
