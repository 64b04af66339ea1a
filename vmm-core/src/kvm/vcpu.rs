//! One vCPU: entering the guest, and serving its exits.
#![expect(
    unsafe_code,
    reason = "fields of the shared page that kvm-ioctls does not give"
)]

use super::{exit_name, kick};
use crate::sync::lock;
use crate::{bus::Bus, stats::Cause};
use kvm_bindings::{
    KVM_INTERNAL_ERROR_EMULATION, KVM_SYSTEM_EVENT_RESET, KVM_SYSTEM_EVENT_SHUTDOWN,
};
use kvm_ioctls::{VcpuExit, VcpuFd};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

/// The two address spaces of the guest.
pub(crate) struct Buses {
    /// Ports.
    pub(crate) ports: Bus,
    /// Memory-mapped registers.
    pub(crate) mmio: Bus,
    /// Whose turn it is to take what KVM has kept back, where it does.
    pub(crate) coalesced: Option<Mutex<()>>,
}

/// Why a vCPU is not in the guest any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VcpuEnd {
    /// It was called back.
    Kicked,
    /// It waits at its breakpoint.
    Breakpoint,
    /// No handler was left for an exception.
    TripleFault,
    /// KVM says that the guest wants to be switched off.
    PowerOff,
    /// KVM says that the guest wants to be reset.
    Reset,
    /// KVM cannot go on, with its words.
    Failed(String),
}

/// A vCPU and what is counted of it.
pub(crate) struct Vcpu {
    /// KVM's vCPU.
    pub(crate) fd: VcpuFd,
    /// Exits to user space by cause.
    pub(crate) exits: HashMap<Cause, u64>,
    /// The thread that runs it, once there is one.
    pub(crate) thread: Option<rustix::process::Pid>,
    buses: Arc<Buses>,
}

impl Vcpu {
    pub(crate) fn new(fd: VcpuFd, buses: Arc<Buses>) -> Self {
        Self {
            fd,
            exits: HashMap::new(),
            thread: None,
            buses,
        }
    }

    /// Runs guest code until something stands in the way. The calling thread blocks all signals.
    ///
    /// An access that was being served when a kick came is complete in the guest: KVM finishes it before it looks for
    /// signals, and only then is the state consistent enough to be read or saved.
    pub(crate) fn run(&mut self) -> VcpuEnd {
        loop {
            let exit = self.enter();
            // In the order of the guest: what KVM kept back came before what made it return.
            self.take_coalesced();
            let cause = match exit {
                Exit::Port {
                    port,
                    access,
                    write,
                } => {
                    let size = self.io_size();
                    // SAFETY: see `Access`.
                    let data = unsafe { access.bytes() };
                    if write {
                        for piece in data.chunks(size) {
                            self.buses.ports.write(port.into(), piece);
                        }
                        Cause::IoOut(port)
                    } else {
                        for piece in data.chunks_mut(size) {
                            self.buses.ports.read(port.into(), piece);
                        }
                        Cause::IoIn(port)
                    }
                }
                Exit::Mmio {
                    address,
                    access,
                    write,
                } => {
                    let mmio = &self.buses.mmio;
                    let name = mmio.name(address).unwrap_or("nothing");
                    // SAFETY: see `Access`.
                    let data = unsafe { access.bytes() };
                    if write {
                        mmio.write(address, data);
                        Cause::MmioWrite(name)
                    } else {
                        mmio.read(address, data);
                        Cause::MmioRead(name)
                    }
                }
                Exit::Again(cause) => cause,
                Exit::InternalError => return VcpuEnd::Failed(self.internal_error()),
                Exit::End(end) => return end,
            };
            *self.exits.entry(cause).or_default() += 1;
        }
    }

    fn enter(&mut self) -> Exit {
        match self.fd.run() {
            Ok(VcpuExit::IoOut(port, data)) => Exit::Port {
                port,
                access: Access(data.as_ptr().cast_mut(), data.len()),
                write: true,
            },
            Ok(VcpuExit::IoIn(port, data)) => Exit::Port {
                port,
                access: Access(data.as_mut_ptr(), data.len()),
                write: false,
            },
            Ok(VcpuExit::MmioWrite(address, data)) => Exit::Mmio {
                address,
                access: Access(data.as_ptr().cast_mut(), data.len()),
                write: true,
            },
            Ok(VcpuExit::MmioRead(address, data)) => Exit::Mmio {
                address,
                access: Access(data.as_mut_ptr(), data.len()),
                write: false,
            },
            Ok(VcpuExit::Intr) => Exit::Again(Cause::Interrupted),
            Ok(VcpuExit::IrqWindowOpen | VcpuExit::SetTpr | VcpuExit::Hlt) => {
                Exit::Again(Cause::Other)
            }
            Ok(VcpuExit::Debug(_)) => Exit::End(VcpuEnd::Breakpoint),
            Ok(VcpuExit::Shutdown) => Exit::End(VcpuEnd::TripleFault),
            Ok(VcpuExit::SystemEvent(KVM_SYSTEM_EVENT_SHUTDOWN, _)) => Exit::End(VcpuEnd::PowerOff),
            Ok(VcpuExit::SystemEvent(KVM_SYSTEM_EVENT_RESET, _)) => Exit::End(VcpuEnd::Reset),
            Ok(VcpuExit::InternalError) => Exit::InternalError,
            Ok(exit) => Exit::End(VcpuEnd::Failed(exit_name(&exit))),
            Err(e) if e.errno() == libc::EINTR => {
                kick::forget_kicks();
                Exit::End(VcpuEnd::Kicked)
            }
            // The vCPU waits to be started and something woke it.
            Err(e) if e.errno() == libc::EAGAIN => Exit::Again(Cause::Interrupted),
            Err(e) => Exit::End(VcpuEnd::Failed(format!("KVM_RUN failed: {e}"))),
        }
    }

    /// Serves the writes that KVM kept back instead of returning for each ([`super::Vm::coalesce`]). The ring is the
    /// machine's, so one vCPU at a time.
    fn take_coalesced(&mut self) {
        let Some(turn) = &self.buses.coalesced else {
            return;
        };
        let _turn = lock(turn);
        while let Ok(Some(write)) = self.fd.coalesced_mmio_read() {
            let len = (write.len as usize).min(write.data.len());
            // SAFETY: both members are the same integer.
            let is_port = unsafe { write.__bindgen_anon_1.pio } != 0;
            let bus = match is_port {
                true => &self.buses.ports,
                false => &self.buses.mmio,
            };
            bus.write(write.phys_addr, &write.data[..len]);
        }
    }

    /// Bytes of one access of an exit for a port; string instructions make several accesses in one exit.
    fn io_size(&mut self) -> usize {
        // SAFETY: only called for exits for ports, for which this is the member in force; plain integers.
        let io = unsafe { self.fd.get_kvm_run().__bindgen_anon_1.io };
        usize::from(io.size).max(1)
    }

    /// The words for `KVM_EXIT_INTERNAL_ERROR`.
    fn internal_error(&mut self) -> String {
        // SAFETY: only called for this exit, for which this is the member in force; plain integers.
        let internal = unsafe { self.fd.get_kvm_run().__bindgen_anon_1.internal };
        let count = (internal.ndata as usize).min(internal.data.len());
        let kind = match internal.suberror {
            KVM_INTERNAL_ERROR_EMULATION => "an instruction that KVM cannot emulate".into(),
            other => format!("suberror {other}"),
        };
        format!(
            "KVM_EXIT_INTERNAL_ERROR, {kind}, data {:x?}",
            &internal.data[..count]
        )
    }
}

/// What a return to user space was about, detached from the borrow of the vCPU.
enum Exit {
    /// A port.
    Port {
        port: u16,
        access: Access,
        write: bool,
    },
    /// A device's registers.
    Mmio {
        address: u64,
        access: Access,
        write: bool,
    },
    /// Nothing to do.
    Again(Cause),
    /// Words are wanted.
    InternalError,
    /// Out of the guest.
    End(VcpuEnd),
}

/// The data of an exit, in the page shared with KVM.
struct Access(*mut u8, usize);

impl Access {
    /// # Safety
    /// The vCPU must be alive and not run again while the bytes are used, and this must be the only use of them: both
    /// so within one round of [`Vcpu::run`].
    unsafe fn bytes<'a>(self) -> &'a mut [u8] {
        // SAFETY: pointer and length are those of a slice that kvm-ioctls made, and the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0, self.1) }
    }
}
