//! Is KVM on this host fit to run kernels?
//!
//! That the device node opens says little: on some hosts an outer layer offers a `/dev/kvm` that interprets guest
//! code one instruction at a time, and gives up on instructions that its interpreter does not know. So the probe
//! builds a machine with one vCPU in 64-bit mode and
//!
//! 1. times a loop of ordinary instructions, the best of three runs;
//! 2. has `LOCK CMPXCHG16B` and SSE executed, without which no 64-bit kernel gets far.

mod fault;
mod group;
mod machine;
mod payload;

pub use fault::Fault;

use super::kick;
use kvm_ioctls::{Error as Errno, Kvm};
use machine::Machine;
use payload::{INSTRUCTIONS, Payload};
use std::{
    fmt, panic,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// The time for everything the probe does. Orders of magnitude: 5 ms to make the machine, 50 ms where the host is
/// itself emulated in software and up to 400 ms where that one is overloaded; 20 ms for each run of the loop where it is
/// interpreted.
const PATIENCE: Duration = Duration::from_millis(800);

/// How long a vCPU that was kicked may take to leave the guest.
const KICK_PATIENCE: Duration = Duration::from_millis(150);

/// Runs of the loop; the best one counts, because any of them may have been interrupted by the host's other work,
/// and the first also pays for the first touch of every page.
const ATTEMPTS: u32 = 3;

/// Nanoseconds an instruction above which guest code is taken to be interpreted.
///
/// Orders of magnitude, entry and exit spread over the loop's 18 000 instructions: below 1 ns is to be expected of
/// hardware; KVM inside a machine that is itself emulated in software, the slowest still worth using, measured 5 ns (3 to
/// 15 as its host got busier); an interpreting KVM 1000 ns (900, and 3500 on a busy host).
const INTERPRETED_NANOS: u64 = 100;

/// What KVM on this host is good for. Displays as a fragment that follows an engine's name in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KvmHealth {
    /// Guest code runs at the processor's speed.
    Healthy {
        /// Microseconds that the loop of [`probe`] took, entry and exit included.
        micros: u64,
    },
    /// There is no `/dev/kvm`, or no driver behind it.
    Missing,
    /// This user may not use `/dev/kvm`.
    NoPermission {
        /// The group whose members may, where there is one.
        group: Option<String>,
    },
    /// Guest code does not run to its end, or computes something else.
    Broken(Fault),
    /// Guest code runs, one emulated instruction after the other.
    Interpreted {
        /// Nanoseconds that one ordinary instruction takes.
        nanos: u64,
    },
}

impl KvmHealth {
    /// Whether to run kernels on it.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        matches!(self, Self::Healthy { .. })
    }

    /// What the user can do about it, as a plain clause; `None` where it is healthy or nothing is known to help.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Broken(Fault::NoAnswer) => Some("try again when the host is less busy".into()),
            Self::Healthy { .. } | Self::Broken(_) => None,
            Self::Missing => Some(
                "load kvm_intel or kvm_amd, and enable virtualization in the firmware, or nested virtualization on the \
                 host of this machine; in a container, pass --device /dev/kvm"
                    .into(),
            ),
            Self::NoPermission { group: Some(group) } => {
                Some(format!("usermod -aG {group} $USER, then log in again"))
            }
            Self::NoPermission { group: None } => {
                Some("give this user or container read and write access to /dev/kvm".into())
            }
            Self::Interpreted { .. } => Some(
                "enable nested virtualization on the host of this machine, or run on hardware".into(),
            ),
        }
    }

    pub(super) fn of_open_error(error: Errno) -> Self {
        match error.errno() {
            libc::ENOENT | libc::ENODEV | libc::ENXIO => Self::Missing,
            libc::EACCES => Self::NoPermission {
                group: group::granting("/dev/kvm".as_ref()),
            },
            // From the device cgroup: no group helps.
            libc::EPERM => Self::NoPermission { group: None },
            _ => Self::Broken(Fault::Call("open it", error)),
        }
    }

    fn of_loop_time(best: Duration) -> Self {
        let nanos = u64::try_from(best.as_nanos()).unwrap_or(u64::MAX) / INSTRUCTIONS;
        if nanos > INTERPRETED_NANOS {
            Self::Interpreted { nanos }
        } else {
            let micros = u64::try_from(best.as_micros()).expect("bounded by the threshold");
            Self::Healthy { micros }
        }
    }
}

impl fmt::Display for KvmHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healthy { .. } => write!(f, "/dev/kvm works"),
            Self::Missing => write!(f, "no /dev/kvm"),
            Self::NoPermission { .. } => write!(f, "no permission for /dev/kvm"),
            Self::Broken(fault) => write!(f, "/dev/kvm is broken: {fault}"),
            Self::Interpreted { nanos } => {
                let micros = *nanos as f64 / 1000.0;
                write!(
                    f,
                    "/dev/kvm interprets guest code ({micros:.1} us an instruction)"
                )
            }
        }
    }
}

/// Runs a small guest and judges by what it does and how long it takes. Returns within a second, whatever KVM does.
///
/// Not cached; ask once. It works in a thread of its own, because a vCPU that never leaves the guest is ended by a
/// signal to its thread, and because closing the machine takes milliseconds that the caller need not wait for.
#[must_use]
pub fn probe() -> KvmHealth {
    watch(PATIENCE, examine)
}

/// Runs `examine` in a thread, and kicks the vCPU that it may leave in its second argument when `patience` is over.
fn watch<F>(patience: Duration, examine: F) -> KvmHealth
where
    F: FnOnce(Instant, &mut Option<Machine>) -> Result<KvmHealth, Fault> + Send + 'static,
{
    let deadline = Instant::now() + patience;
    let (sender, receiver) = mpsc::sync_channel(1);
    let worker = thread::Builder::new()
        .name("kvm-probe".into())
        .spawn(move || {
            kick::block_signals();
            // Dropped after the answer is sent.
            let mut machine = None;
            let health = examine(deadline, &mut machine).unwrap_or_else(KvmHealth::Broken);
            // It fails when the answer comes too late for anyone to listen.
            let _ = sender.send(health);
        });
    let worker = match worker {
        Ok(worker) => worker,
        Err(e) => return KvmHealth::Broken(Fault::Call("start a thread", e.into())),
    };
    match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(health) => health,
        Err(RecvTimeoutError::Disconnected) => match worker.join() {
            Err(cause) => panic::resume_unwind(cause),
            Ok(()) => unreachable!("the worker sends before it ends"),
        },
        Err(RecvTimeoutError::Timeout) => {
            kick::kick(&worker);
            // Without an answer even now the thread sits in the kernel and is left there.
            receiver
                .recv_timeout(KICK_PATIENCE)
                .unwrap_or(KvmHealth::Broken(Fault::NoAnswer))
        }
    }
}

fn examine(deadline: Instant, machine: &mut Option<Machine>) -> Result<KvmHealth, Fault> {
    let kvm = match Kvm::new() {
        Ok(kvm) => kvm,
        Err(e) => return Ok(KvmHealth::of_open_error(e)),
    };
    let machine = machine.insert(Machine::new(&kvm, deadline)?);
    let ordinary = Payload::ordinary();
    let mut best = Duration::MAX;
    for _ in 0..ATTEMPTS {
        best = best.min(machine.run(&ordinary)?);
    }
    let health = KvmHealth::of_loop_time(best);
    if health.is_healthy() {
        // Only now: an interpreter's speed says more than the first instruction it does not know.
        machine.run(&Payload::atomics())?;
    }
    Ok(health)
}

#[cfg(test)]
mod tests;
