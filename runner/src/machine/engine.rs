//! The narrow waist: what a run asks of whatever builds its machines.

use super::MachineSpec;
use std::{
    io,
    os::{fd::BorrowedFd, unix::net::UnixStream},
};
use vmm_core::control::{Inspection, Mark, Statistics};

/// Something that can build machines, from several threads at once.
pub trait Engine: Sync {
    /// Its name in reports: `kvm`, `qemu`.
    fn name(&self) -> &'static str;
    /// What executes the guest's code.
    fn accelerator(&self) -> Accelerator;
    /// Why this engine and accelerator were chosen, a plain fragment.
    fn reason(&self) -> &str;
    /// What would make it better, if something would: a plain sentence.
    fn advice(&self) -> Option<&str>;
    /// What it does with a kernel that is no bzImage.
    fn boots(&self) -> Boots;
    /// Builds and starts one machine.
    ///
    /// # Errors
    /// When no machine came to be; nothing is left behind then.
    fn launch(&self, spec: &MachineSpec) -> Result<Launched, LaunchError>;
}

/// What executes the guest's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// The host's KVM.
    Kvm,
    /// QEMU's software emulation: works everywhere, about ten times slower.
    Tcg,
}

impl Accelerator {
    /// The name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    /// Factor on every time limit, chosen so that a limit made for hardware is met with margin.
    #[must_use]
    pub const fn timeout_scale(self) -> f64 {
        match self {
            Self::Kvm => 1.0,
            Self::Tcg => 8.0,
        }
    }
}

/// What an engine does with a kernel that is no bzImage, and what its machines tell a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boots {
    /// By which entry a vmlinux is started.
    pub vmlinux: VmlinuxEntry,
    /// Whether the kernel proper, unpacked on the host, is the better choice where both would do.
    pub unpacked: bool,
    /// Whether ACPI tables name the virtio devices that are attached by MMIO; else the kernel command line does.
    pub mmio_by_acpi: bool,
}

/// By which entry a vmlinux is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VmlinuxEntry {
    /// In 64-bit mode at the ELF file's entry (`Documentation/arch/x86/boot.rst`, "64-bit Boot Protocol"): every
    /// x86-64 kernel.
    Long,
    /// By the PVH entry, which kernels with `CONFIG_PVH` have.
    Pvh,
}

/// A running machine and our ends of its ports.
pub struct Launched {
    /// The machine.
    pub machine: Box<dyn Machine>,
    /// Its ports.
    pub ports: HostPorts,
}

/// Our ends of a machine's ports, all non-blocking.
pub struct HostPorts {
    /// [`wire::LINK_PORT`].
    pub link: UnixStream,
    /// [`wire::KLOG_PORT`].
    pub klog: UnixStream,
    /// The serial console.
    pub console: UnixStream,
}

/// A running machine. Dropping it kills it and waits until it is gone.
pub trait Machine {
    /// Descriptors that become readable when [`Machine::process`] has something to do, its end included.
    fn poll_fds(&self) -> Vec<BorrowedFd<'_>>;
    /// Takes in what those descriptors have; never blocks.
    ///
    /// Returns why the machine is gone once it is.
    ///
    /// # Errors
    /// When the machine can no longer be watched.
    fn process(&mut self) -> io::Result<Option<StopReason>>;
    /// What was seen of the guest from outside since the last call, oldest first.
    fn sights(&mut self) -> Vec<Sight> {
        Vec::new()
    }
    /// The number of its process.
    fn process_id(&self) -> Option<u32> {
        None
    }
    /// Whether [`Control::Inspect`] and [`Control::Quit`] are answered.
    fn can_inspect(&self) -> bool {
        false
    }
    /// Asks something of the machine; best effort.
    fn control(&mut self, control: Control);
    /// Ends the machine now and waits for its process; idempotent.
    fn kill(&mut self);
}

/// What can be asked of a running machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// The magic SysRq key with this command, by a break on the serial console (`Documentation/admin-guide/sysrq.rst`).
    SysRq(char),
    /// A non-maskable interrupt for every virtual CPU, where [`Machine::can_inspect`].
    Nmi,
    /// A look into the machine, answered by [`Sight::Inspected`] where [`Machine::can_inspect`].
    Inspect,
    /// The end, in order: unlike a killed machine, one where [`Machine::can_inspect`] says what it counted
    /// ([`Sight::Counted`]).
    Quit,
}

/// Something of the guest that its engine saw from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// The kernel announced that it panics (pvpanic); it may still print.
    Panicked,
    /// Registers and the kernel log out of guest memory: asked for, or what was left at the machine's end.
    Inspected(Box<Inspection>),
    /// The boot came this far; by `CLOCK_MONOTONIC`, in nanoseconds.
    Reached(Mark, u64),
    /// What was counted over the machine's life, at its end.
    Counted(Box<Statistics>),
}

/// Why a machine is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// The guest switched itself off.
    PowerOff,
    /// The guest restarted: on purpose or after a panic, and with QEMU also by a triple fault.
    Reset,
    /// A virtual CPU had no handler left for an exception.
    TripleFault,
    /// The virtual hardware gave up, with its words.
    InternalError(String),
    /// The engine's process ended without being asked, with its status and last words.
    EngineDied(String),
}

/// Why no machine came to be.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A resource of the host.
    #[error("cannot {action}")]
    Host {
        /// What was tried.
        action: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}
