//! The boot vCPU's registers at a kernel's entry.
//!
//! `Documentation/arch/x86/boot.rst` of the kernel, "32-bit Boot Protocol" and "64-bit Boot Protocol"; `xen/include/public/`
//! `arch-x86/hvm/start_info.h` for PVH. All three want flat segments, interrupts off, and the address of what the
//! kernel is told in a register.

use super::{
    control::{CR0_ET, CR0_PE, CR0_PG, CR4_PAE, EFER_LMA, EFER_LME, RFLAGS},
    paging, segments,
};
use crate::{
    boot::{Entry, Loaded},
    layout::{BOOT_STACK, GDT},
    memory::GuestRam,
};
use kvm_bindings::{kvm_dtable, kvm_fpu, kvm_regs, kvm_sregs};
use kvm_ioctls::VcpuFd;
use vm_memory::{Bytes, GuestAddress};

/// All exceptions masked, as after `FNINIT` and at reset.
const FPU_CONTROL: u16 = 0x37f;
const MXCSR: u32 = 0x1f80;

/// KVM refused a vCPU's registers.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} of the boot vCPU")]
pub struct RegistersError {
    /// What was tried.
    action: &'static str,
    /// The system's reason.
    source: kvm_ioctls::Error,
}

/// Has `vcpu`, whose CPUID is set, begin where `loaded` is to be entered, and puts descriptor and page tables for that
/// into `ram`.
///
/// # Errors
/// When KVM refuses.
pub fn enter(vcpu: &VcpuFd, ram: &GuestRam, loaded: &Loaded) -> Result<(), RegistersError> {
    let is_64_bit = loaded.entry.is_64_bit();
    let table = segments::table(is_64_bit).map(u64::to_le_bytes).concat();
    ram.memory()
        .write_slice(&table, GuestAddress(GDT.start))
        .expect("every machine has this memory");
    if is_64_bit {
        paging::write(ram);
    }

    let call = |action| move |source| RegistersError { action, source };
    let mut sregs = vcpu
        .get_sregs()
        .map_err(call("read the system registers"))?;
    system_registers(&mut sregs, is_64_bit);
    vcpu.set_sregs(&sregs)
        .map_err(call("set the system registers"))?;
    vcpu.set_regs(&general_registers(loaded))
        .map_err(call("set the registers"))?;
    let fpu = kvm_fpu {
        fcw: FPU_CONTROL,
        mxcsr: MXCSR,
        ..kvm_fpu::default()
    };
    vcpu.set_fpu(&fpu)
        .map_err(call("set the floating point registers"))
}

fn system_registers(sregs: &mut kvm_sregs, is_64_bit: bool) {
    let data = segments::data();
    sregs.cs = segments::code(is_64_bit);
    sregs.ds = data;
    sregs.es = data;
    sregs.fs = data;
    sregs.gs = data;
    sregs.ss = data;
    sregs.tr = segments::task();
    sregs.gdt = kvm_dtable {
        base: GDT.start,
        limit: u16::try_from(segments::TABLE_LEN * 8 - 1).expect("a small table"),
        ..kvm_dtable::default()
    };
    // No handler for anything: an exception before the kernel has its own ends the machine.
    sregs.idt = kvm_dtable::default();
    (sregs.cr0, sregs.cr3, sregs.cr4, sregs.efer) = if is_64_bit {
        (
            CR0_PG | CR0_ET | CR0_PE,
            paging::ROOT,
            CR4_PAE,
            EFER_LMA | EFER_LME,
        )
    } else {
        (CR0_ET | CR0_PE, 0, 0, 0)
    };
}

fn general_registers(loaded: &Loaded) -> kvm_regs {
    let mut regs = kvm_regs {
        rip: loaded.start,
        rsp: BOOT_STACK.end(),
        rflags: RFLAGS,
        ..kvm_regs::default()
    };
    match loaded.entry {
        Entry::Pvh => regs.rbx = loaded.argument,
        Entry::Bits64 | Entry::Decompressor64 | Entry::Decompressor32 => {
            regs.rsi = loaded.argument;
        }
    }
    regs
}

#[cfg(test)]
#[path = "registers_tests.rs"]
mod tests;
