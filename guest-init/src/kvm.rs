//! KVM held in use, so that it does not patch the kernel again and again.
//!
//! KVM's code, and the scheduler's for its sake, has branches that are patched when the first virtual machine, CPU without
//! local APIC or CPU with a disabled one comes to be and when the last is gone (`preempt_notifier_key`,
//! `kernel/sched/core.c`; `kvm_has_noapic_vcpu`, `apic_sw_disabled`, `arch/x86/kvm/lapic.c`). QEMU's emulation (seen with 7.2)
//! can keep a translation of the breakpoint that stands there for a moment, and then all CPUs run in circles on it: it reads
//! an instruction before it watches the instruction's page for writes. One of each that is always there, and those
//! branches stay as they are.

use std::io;
use std::os::fd::{AsFd, IntoRawFd};

use crate::sys::{kvm_new, kvm_order};

/// Makes a virtual machine from `/dev/kvm`; the argument is its type. `include/uapi/linux/kvm.h`, as all of these.
const KVM_CREATE_VM: u32 = 0xae01;
/// Makes a vCPU of a virtual machine; the argument is its number.
const KVM_CREATE_VCPU: u32 = 0xae41;
/// Gives a virtual machine interrupt controllers, and its vCPUs local APICs, which are disabled at first.
const KVM_CREATE_IRQCHIP: u32 = 0xae60;

/// Makes one machine with a local APIC and one without, for as long as this process lives. Neither ever runs.
///
/// # Errors
/// When there is no KVM, or it refuses.
pub fn hold() -> io::Result<()> {
    let kvm = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")?;
    for has_apic in [true, false] {
        let machine = kvm_new(kvm.as_fd(), KVM_CREATE_VM)?;
        if has_apic {
            kvm_order(machine.as_fd(), KVM_CREATE_IRQCHIP)?;
        }
        let cpu = kvm_new(machine.as_fd(), KVM_CREATE_VCPU)?;
        // Closed when init ends.
        let _ = (machine.into_raw_fd(), cpu.into_raw_fd());
    }
    Ok(())
}
