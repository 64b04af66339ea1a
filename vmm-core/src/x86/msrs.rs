//! The model-specific registers of a vCPU.
//!
//! At the start all are as `KVM_CREATE_VCPU` leaves them but for [`boot_msrs`], the few that firmware would set.
//!
//! A snapshot will save those of `KVM_GET_MSR_INDEX_LIST` that an allow list has: the time stamp counter with its deadline
//! and adjustment (deadline last, in a write of its own: it is compared with the counter), `SPEC_CTRL`, the MTRRs, the PAT,
//! `EFER`, the system call, segment base and `SYSENTER` registers, `TSC_AUX`, `MISC_ENABLE`, `XSS`, `TSX_CTRL`,
//! `HWCR`, and KVM's own from 0x4b564d00 to 0x4b564dff, all of them. What the guest's CPUID does not show has no state,
//! and [`super::cpuid`] hides what this list could not hold.

use kvm_bindings::{Msrs, kvm_msr_entry};

/// Intel SDM volume 4, table 2-2. AMD has no such register, and KVM offers it all the same.
const IA32_MISC_ENABLE: u32 = 0x1a0;
const FAST_STRING: u64 = 1 << 0;
/// Branch trace storage and precise event sampling are not available.
const NO_BTS: u64 = 1 << 11;
const NO_PEBS: u64 = 1 << 12;

/// Intel SDM volume 3, "IA32_MTRR_DEF_TYPE MSR".
const MTRR_DEF_TYPE: u32 = 0x2ff;
const MTRR_ENABLE: u64 = 1 << 11;
const WRITE_BACK: u64 = 6;

/// What firmware would have set, for every vCPU.
///
/// Strings are copied fast (the kernel clears `X86_FEATURE_REP_GOOD` otherwise, `early_init_intel`), and memory is
/// write-back without any range register: a kernel before 6.3 uses no PAT where the MTRRs are off.
#[must_use]
pub fn boot_msrs() -> Msrs {
    let entry = |index, data| kvm_msr_entry {
        index,
        data,
        ..kvm_msr_entry::default()
    };
    Msrs::from_entries(&[
        entry(IA32_MISC_ENABLE, FAST_STRING | NO_BTS | NO_PEBS),
        entry(MTRR_DEF_TYPE, MTRR_ENABLE | WRITE_BACK),
    ])
    .expect("two are fewer than KVM's most")
}
