//! The narrow waist: what a run asks of whatever builds its machines.

use super::MachineSpec;
use std::{
    io,
    os::{fd::BorrowedFd, unix::net::UnixStream},
};

/// Something that can build machines.
pub trait Engine {
    /// Its name in reports: `qemu`.
    fn name(&self) -> &'static str;
    /// What executes the guest's code.
    fn accelerator(&self) -> Accelerator;
    /// Why this engine and accelerator were chosen, a plain fragment.
    fn reason(&self) -> &str;
    /// What would make it better, if something would: a plain sentence.
    fn advice(&self) -> Option<&str>;
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
}

/// Why a machine is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// The guest switched itself off.
    PowerOff,
    /// The guest restarted: on purpose, after a panic, or by a triple fault.
    Reset,
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
