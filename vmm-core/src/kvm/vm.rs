//! A virtual machine of KVM's: what it must offer, memory, interrupt controllers, vCPUs.
//!
//! The order of construction is KVM's: TSS and identity map addresses, interrupt controllers, PIT, then memory and vCPUs,
//! which need the controllers to have local APICs.
#![expect(unsafe_code, reason = "memory slots")]

use super::{KvmHealth, kick};
use crate::{layout, memory::GuestRam};
use kvm_bindings::{
    CpuId, KVM_API_VERSION, KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_MAX_CPUID_ENTRIES,
    KVM_PIT_SPEAKER_DUMMY, kvm_irqchip, kvm_pit_config, kvm_userspace_memory_region,
};
use kvm_ioctls::{Cap, Error as Errno, IoEventAddress, Kvm, VcpuFd, VmFd};
use std::sync::Arc;
use vm_memory::{GuestMemoryBackend, GuestMemoryRegion};

/// Why KVM does not give us a machine.
#[derive(Debug, thiserror::Error)]
pub enum KvmError {
    /// `/dev/kvm` cannot be opened.
    #[error("cannot use /dev/kvm: {health}{}", remedy(.health))]
    Open {
        /// What is known of it.
        health: KvmHealth,
    },
    /// Another version of the interface than 12, the only one since Linux 2.6.22.
    #[error("KVM's API version is {0}, not {KVM_API_VERSION}")]
    ApiVersion(i32),
    /// It lacks something.
    #[error("KVM of this host is too old: it has no {0}")]
    Missing(&'static str),
    /// More vCPUs than it can have.
    #[error("{wanted} vCPUs, and KVM of this host allows {limit} in a machine")]
    TooManyVcpus {
        /// Asked for.
        wanted: u32,
        /// `KVM_CAP_MAX_VCPUS`.
        limit: usize,
    },
    /// A call failed.
    #[error("cannot {action}")]
    Call {
        /// What was tried.
        action: &'static str,
        /// The system's reason.
        #[source]
        source: Errno,
    },
    /// A model-specific register was refused.
    #[error("cannot set the vCPU's model-specific register {0:#x}")]
    Msr(u32),
    /// The machine itself cannot be created because something else has the processor's virtualization.
    #[error(
        "cannot create a virtual machine: the processor's virtualization is in use by another hypervisor (VirtualBox or VMware?)"
    )]
    Busy,
}

fn remedy(health: &KvmHealth) -> String {
    health
        .remedy()
        .map_or_else(String::new, |remedy| format!(" ({remedy})"))
}

pub(crate) fn call(action: &'static str) -> impl Fn(Errno) -> KvmError {
    move |source| KvmError::Call { action, source }
}

/// What a machine of ours cannot do without.
const NEEDED: &[(Cap, &str)] = &[
    (Cap::Irqchip, "interrupt controllers (KVM_CAP_IRQCHIP)"),
    (Cap::IrqRouting, "interrupt routing (KVM_CAP_IRQ_ROUTING)"),
    (Cap::Irqfd, "irqfd (KVM_CAP_IRQFD)"),
    (Cap::Ioeventfd, "ioeventfd (KVM_CAP_IOEVENTFD)"),
    (
        Cap::SignalMsi,
        "message-signalled interrupts (KVM_CAP_SIGNAL_MSI)",
    ),
    (Cap::UserMemory, "memory slots (KVM_CAP_USER_MEMORY)"),
    (Cap::SetTssAddr, "TSS address (KVM_CAP_SET_TSS_ADDR)"),
    (Cap::Pit2, "interval timer (KVM_CAP_PIT2)"),
    (Cap::ExtCpuid, "CPUID (KVM_CAP_EXT_CPUID)"),
    (Cap::MpState, "vCPU states (KVM_CAP_MP_STATE)"),
];

/// Masks all inputs of the two 8259s, as firmware leaves them.
///
/// KVM has them unmasked, with vectors from 0. A kernel of a machine that says it has no 8259 (hardware-reduced ACPI) never
/// touches them, and where it does not use the IOAPIC either (`noapic`) it would take its serial port's interrupt for the
/// exception of that number.
fn mask_pics(fd: &VmFd) -> Result<(), Errno> {
    for chip_id in [KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE] {
        let mut chip = kvm_irqchip {
            chip_id,
            ..kvm_irqchip::default()
        };
        fd.get_irqchip(&mut chip)?;
        // Writing a field of a union is safe, and this one is what `chip_id` says it is.
        chip.chip.pic.imr = 0xff;
        fd.set_irqchip(&chip)?;
    }
    Ok(())
}

/// A virtual machine. Fields drop in this order; the memory outlives the machine that refers to it.
pub(crate) struct Vm {
    fd: Arc<VmFd>,
    kvm: Kvm,
    ram: GuestRam,
}

impl Vm {
    /// Creates the machine around `ram`, for `vcpus` vCPUs.
    pub(crate) fn new(ram: GuestRam, vcpus: u32) -> Result<Self, KvmError> {
        let kvm = Kvm::new().map_err(|error| KvmError::Open {
            health: KvmHealth::of_open_error(error),
        })?;
        let version = kvm.get_api_version();
        if version != KVM_API_VERSION as i32 {
            return Err(KvmError::ApiVersion(version));
        }
        if let Some((_, name)) = NEEDED.iter().find(|(cap, _)| !kvm.check_extension(*cap)) {
            return Err(KvmError::Missing(name));
        }
        let limit = kvm.get_max_vcpus();
        if vcpus as usize > limit {
            return Err(KvmError::TooManyVcpus {
                wanted: vcpus,
                limit,
            });
        }
        let fd = loop {
            match kvm.create_vm() {
                Ok(fd) => break fd,
                Err(e) if e.errno() == libc::EINTR => {}
                Err(e) if e.errno() == libc::EBUSY => return Err(KvmError::Busy),
                Err(e) => return Err(call("create a virtual machine")(e)),
            }
        };
        let tss = usize::try_from(layout::KVM_TSS.start).expect("64-bit host");
        fd.set_identity_map_address(layout::KVM_IDENTITY.start)
            .map_err(call("place KVM's identity map"))?;
        fd.set_tss_address(tss).map_err(call("place KVM's TSS"))?;
        fd.create_irq_chip()
            .map_err(call("create the interrupt controllers"))?;
        mask_pics(&fd).map_err(call("mask the inputs of the 8259s"))?;
        // The speaker's port is answered too: calibration by the PIT's second channel polls it.
        fd.create_pit2(kvm_pit_config {
            flags: KVM_PIT_SPEAKER_DUMMY,
            ..kvm_pit_config::default()
        })
        .map_err(call("create the interval timer"))?;
        for (slot, region) in (0..).zip(ram.memory().iter()) {
            let slot = kvm_userspace_memory_region {
                slot,
                flags: 0,
                guest_phys_addr: region.start_addr().0,
                memory_size: region.len(),
                userspace_addr: region.as_ptr() as u64,
            };
            // SAFETY: the slot is exactly one mapping of `ram`, which `Self` drops after the machine; Rust code touches
            // it only through vm-memory's volatile accesses.
            unsafe { fd.set_user_memory_region(slot) }.map_err(call("give the machine memory"))?;
        }
        Ok(Self {
            fd: Arc::new(fd),
            kvm,
            ram,
        })
    }

    /// KVM's machine.
    pub(crate) fn fd(&self) -> &Arc<VmFd> {
        &self.fd
    }

    /// Guest memory.
    pub(crate) fn ram(&self) -> &GuestRam {
        &self.ram
    }

    /// What CPUID can offer on this host.
    pub(crate) fn supported_cpuid(&self) -> Result<CpuId, KvmError> {
        self.kvm
            .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
            .map_err(call("read the supported CPUID"))
    }

    /// Whether the local APIC's timer has TSC-deadline mode.
    pub(crate) fn has_tsc_deadline(&self) -> bool {
        self.kvm.check_extension(Cap::TscDeadlineTimer)
    }

    /// Has KVM keep back writes to these ports or addresses, each with so many behind it, until a vCPU returns for another
    /// reason, where it can; for registers whose writes have no effect that is seen before. Whether it does for any.
    pub(crate) fn coalesce(&self, zones: &[(IoEventAddress, u32)]) -> bool {
        let register =
            |&&(address, len): &&_| self.fd.register_coalesced_mmio(address, len).is_ok();
        // All of them, and not only up to the first that KVM takes.
        self.coalesces() && zones.iter().filter(register).count() > 0
    }

    fn coalesces(&self) -> bool {
        self.kvm.check_extension(Cap::CoalescedMmio) && self.kvm.check_extension(Cap::CoalescedPio)
    }

    /// A new vCPU, with this CPUID, that a kick can interrupt.
    pub(crate) fn create_vcpu(&self, id: u32, cpuid: &CpuId) -> Result<VcpuFd, KvmError> {
        let mut vcpu = self
            .fd
            .create_vcpu(u64::from(id))
            .map_err(call("create a vCPU"))?;
        vcpu.set_cpuid2(cpuid).map_err(call("set a vCPU's CPUID"))?;
        if self.coalesces() {
            vcpu.map_coalesced_mmio_ring()
                .map_err(call("map a vCPU's ring of kept writes"))?;
        }
        kick::let_kick_interrupt(&vcpu).map_err(call("set a vCPU's signal mask"))?;
        Ok(vcpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MemoryConfig;

    #[test]
    fn no_interrupt_comes_by_an_8259_that_nobody_has_set_up() {
        if Kvm::new().is_err() {
            return println!("SKIP: /dev/kvm cannot be opened");
        }
        let ram = GuestRam::new(&MemoryConfig {
            bytes: 2 << 20,
            huge_pages: false,
            file: false,
        });
        let ram = ram.expect("memory");
        let vm = Vm::new(ram, 1).expect("a machine");
        for chip_id in [KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE] {
            let mut chip = kvm_irqchip {
                chip_id,
                ..kvm_irqchip::default()
            };
            vm.fd().get_irqchip(&mut chip).expect("its state");
            // SAFETY: what `chip_id` says it is.
            assert_eq!(unsafe { chip.chip.pic.imr }, 0xff);
        }
    }
}
