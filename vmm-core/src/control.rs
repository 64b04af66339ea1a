//! The control socket: what the owner of a machine asks and what the monitor reports.
//!
//! One JSON document a line in both directions, on a connected stream socket. The owner is trusted, the guest never
//! reaches this socket; what came from the guest (the kernel log, register values) is data in bounded fields.

use serde::{Deserialize, Serialize};

/// Longest line in either direction, in bytes.
pub const MAX_LINE: usize = 16 << 20;

/// What the owner asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Stops all vCPUs; answered by [`Event::Paused`].
    Pause,
    /// Lets them go on.
    Resume,
    /// Injects an NMI into every vCPU.
    Nmi,
    /// The magic SysRq key with this command, by a break on the serial console.
    SysRq(char),
    /// Reports the vCPUs' registers and the kernel log out of guest memory; answered by [`Event::Inspected`]. The vCPUs
    /// stand still for it.
    Inspect,
    /// Ends the machine.
    Quit,
}

/// What the monitor reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A point of the boot timeline was reached.
    Mark {
        /// Which.
        mark: Mark,
        /// `CLOCK_MONOTONIC` in nanoseconds.
        nanos: u64,
    },
    /// The vCPUs stand still.
    Paused,
    /// The guest announced a panic (pvpanic); it may still print.
    Panicked,
    /// Answers [`Request::Inspect`].
    Inspected(Box<Inspection>),
    /// The machine has ended; the last event. The process ends right after.
    Stopped(Box<Stopped>),
}

/// How a machine ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// Why.
    pub reason: StopReason,
    /// What was in it at the end; absent where the guest ended in order (power-off or reset after init said so) or the
    /// state could not be read.
    pub inspection: Option<Inspection>,
    /// Exits and notifications.
    pub statistics: Statistics,
}

/// Why a machine is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The guest switched itself off.
    PowerOff,
    /// The guest restarted itself through a reset register or the keyboard controller.
    Reset,
    /// A vCPU shut down: no handler was left for an exception.
    TripleFault,
    /// KVM could not go on, with its words.
    InternalError(String),
    /// A device or the monitor could not go on, with its words.
    MonitorError(String),
    /// [`Request::Quit`], or the control socket was closed.
    Quit,
}

/// A point of the boot timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// The monitor's process runs.
    ProcessStart,
    /// VM, memory and devices exist.
    VmCreated,
    /// The first vCPU enters the guest.
    KernelEntered,
    /// The kernel's C code runs.
    StartKernel,
    /// Init runs.
    Init,
    /// The root file system is mounted.
    RootMounted,
    /// Init waits for tests.
    Ready,
    /// Init is about to switch the machine off.
    PowerOff,
}

/// A look into a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// Every vCPU, in order.
    pub vcpus: Vec<VcpuState>,
    /// The kernel log in guest memory.
    pub log: Result<KernelLog, String>,
    /// Where the running kernel lies.
    pub kernel: Option<KernelPlace>,
}

/// Where the running kernel lies, for symbols.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelPlace {
    /// What has to be added to an address in the kernel's ELF file to have one of the running kernel (KASLR).
    pub virtual_offset: u64,
}

/// One vCPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VcpuState {
    /// Its number.
    pub id: u32,
    /// Exits to user space so far.
    pub exits: u64,
    /// Time its thread ran on a processor of the host, in nanoseconds.
    pub ran_nanos: u64,
    /// Time its thread was ready and waited for a processor of the host, in nanoseconds: what the guest would call
    /// steal.
    pub waited_nanos: u64,
    /// Whether it waits in HLT or for its start-up.
    pub halted: bool,
    /// Registers: `rip`, `rsp`, `rflags`, `rax`..., `cr0`, `cr2`, `cr3`, `cr4`, `efer`.
    pub registers: Registers,
    /// Return addresses, innermost first, as far as the stack could be read: words of the stack that look like
    /// kernel text. The first is `rip`.
    pub stack: Vec<u64>,
}

/// General and control registers of a vCPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the architecture's names")]
pub struct Registers {
    pub rip: u64,
    pub rflags: u64,
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rbp: u64,
    pub rsp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub cs: u16,
    pub ss: u16,
    pub gs_base: u64,
    pub cr0: u64,
    pub cr2: u64,
    pub cr3: u64,
    pub cr4: u64,
    pub efer: u64,
}

/// The kernel log as it stood in guest memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelLog {
    /// Records, oldest first. Bounded: see [`crate::debug`].
    pub records: Vec<LogRecord>,
}

/// One record of the kernel log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord {
    /// Sequence number, as `/dev/kmsg` gives it.
    pub sequence: u64,
    /// Nanoseconds since the kernel's clock started.
    pub nanos: u64,
    /// Syslog level 0 to 7.
    pub level: u8,
    /// Syslog facility, 0 for the kernel's own.
    pub facility: u8,
    /// The text, without a final newline; bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// Counts over a machine's life.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Exits to user space by cause, such as `io_out:0x3f8`, `mmio_read:pci`, greatest first.
    pub exits: Vec<(String, u64)>,
    /// All of them.
    pub exits_total: u64,
    /// Notifications from the driver and interrupts to it, by device and queue.
    pub queues: Vec<QueueStatistics>,
    /// KiB of the guest's memory that are there, because it or the monitor touched them; with huge pages all of each.
    pub guest_resident_kib: u64,
}

/// Counts of one virtqueue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStatistics {
    /// Device and queue, such as `p9:0`.
    pub queue: String,
    /// Times its worker was woken by a notification.
    pub kicks: u64,
    /// Interrupts sent.
    pub interrupts: u64,
    /// Descriptor chains used.
    pub chains: u64,
}
