//! From what KVM supports to what each vCPU shows.

use super::{
    leaves,
    rules::{Change, RULES, Register, Rule, When},
};
use crate::{
    config::CpuConfig,
    x86::topology::{self, TopologyError},
};
use kvm_bindings::{
    CpuId, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, KVM_MAX_CPUID_ENTRIES, kvm_cpuid_entry2,
};

/// Why no guest can be shown a processor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CpuidError {
    /// A topology that no machine can have.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// KVM reports no such leaf, though every processor has it.
    #[error("KVM supports no CPUID leaf {0:#x}")]
    Missing(u32),
    /// More leaves than KVM takes.
    #[error("{0} CPUID leaves, more than the {KVM_MAX_CPUID_ENTRIES} that KVM takes")]
    TooMany(usize),
}

/// What the vCPUs of one machine show; [`CpuidPolicy::for_vcpu`] makes it one vCPU's.
#[derive(Debug, Clone)]
pub struct CpuidPolicy {
    entries: Vec<kvm_cpuid_entry2>,
    cpus: CpuConfig,
}

/// What the vCPUs of a machine of `cpus` show on a host whose `KVM_GET_SUPPORTED_CPUID` is `supported`, and which has
/// `KVM_CAP_TSC_DEADLINE_TIMER` if `tsc_deadline`.
///
/// The order: rules, then the sizes that follow from them, then the topology.
///
/// # Errors
/// See [`CpuidError`].
pub fn policy(
    supported: &CpuId,
    cpus: &CpuConfig,
    tsc_deadline: bool,
) -> Result<CpuidPolicy, CpuidError> {
    topology::check(cpus)?;
    let mut entries = supported.as_slice().to_vec();
    for leaf in [0, 1, 0x8000_0000] {
        find(&mut entries, leaf, 0).ok_or(CpuidError::Missing(leaf))?;
    }
    for rule in RULES {
        let holds = match rule.when {
            When::Always => true,
            When::NotNested => !cpus.nested,
            When::TscDeadline => tsc_deadline,
            When::NoTscDeadline => !tsc_deadline,
        };
        if holds {
            apply(rule, &mut entries);
        }
    }
    extended_states(&mut entries);
    leaves::shape(&mut entries, cpus);
    if entries.len() > KVM_MAX_CPUID_ENTRIES {
        return Err(CpuidError::TooMany(entries.len()));
    }
    Ok(CpuidPolicy {
        entries,
        cpus: *cpus,
    })
}

impl CpuidPolicy {
    /// What vCPU number `vcpu` shows.
    #[must_use]
    pub fn for_vcpu(&self, vcpu: u32) -> CpuId {
        let mut entries = self.entries.clone();
        leaves::number(&mut entries, &self.cpus, vcpu);
        CpuId::from_entries(&entries).expect("the number of entries was checked")
    }
}

/// The entry of a leaf; of its subleaf where it has such.
pub(super) fn find(
    entries: &mut [kvm_cpuid_entry2],
    leaf: u32,
    subleaf: u32,
) -> Option<&mut kvm_cpuid_entry2> {
    entries.iter_mut().find(|entry| {
        let indexed = entry.flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX != 0;
        entry.function == leaf && (!indexed || entry.index == subleaf)
    })
}

fn apply(rule: &Rule, entries: &mut Vec<kvm_cpuid_entry2>) {
    let meant = |entry: &kvm_cpuid_entry2| {
        entry.function == rule.leaf && rule.subleaf.is_none_or(|subleaf| subleaf == entry.index)
    };
    match rule.change {
        // A leaf that is in range and that KVM was not told of is zero.
        Change::Hide => entries.retain(|entry| !meant(entry)),
        Change::Set(register, mask) => {
            for entry in entries.iter_mut().filter(|entry| meant(entry)) {
                *field(entry, register) |= mask;
            }
        }
        Change::Clear(register, mask) => {
            for entry in entries.iter_mut().filter(|entry| meant(entry)) {
                *field(entry, register) &= !mask;
            }
        }
    }
}

fn field(entry: &mut kvm_cpuid_entry2, register: Register) -> &mut u32 {
    match register {
        Register::Eax => &mut entry.eax,
        Register::Ebx => &mut entry.ebx,
        Register::Ecx => &mut entry.ecx,
        Register::Edx => &mut entry.edx,
    }
}

/// Leaf 0xd describes the states that are left, and no others: a subleaf each, and the size of all of them in ECX of the
/// first. EBX is KVM's to fill, it follows XCR0.
fn extended_states(entries: &mut Vec<kvm_cpuid_entry2>) {
    const LEAF: u32 = 0xd;
    /// The legacy area and the XSAVE header.
    const SMALLEST: u32 = 576;
    let Some(first) = find(entries, LEAF, 0).copied() else {
        return;
    };
    let states = u64::from(first.edx) << 32 | u64::from(first.eax);
    let left = |entry: &kvm_cpuid_entry2| {
        entry.index < 2 || (entry.index < 64 && states >> entry.index & 1 == 1)
    };
    entries.retain(|entry| entry.function != LEAF || left(entry));
    let size = entries
        .iter()
        .filter(|entry| entry.function == LEAF && entry.index >= 2)
        .map(|entry| entry.ebx.saturating_add(entry.eax))
        .fold(SMALLEST, u32::max);
    if let Some(first) = find(entries, LEAF, 0)
        && states != 0
    {
        first.ecx = size;
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
