//! The leaves that describe sockets, cores, threads and caches.
//!
//! Everything says the same: Intel's older fields (leaf 1, leaf 4), the leaves that both makers have since (0xb, and 0x1f
//! where the host has it), and AMD's (0x80000008, 0x8000001d, 0x8000001e). A kernel reads those of the processor it
//! finds; version 6.9 and later complain where they differ (`arch/x86/kernel/cpu/topology_common.c`). Sizes and kinds of
//! caches are the host's. Second-level caches and below are a core's, those above are shared as far as
//! [`last_level_shift`] lets them.

use super::policy::find;
use crate::{
    config::CpuConfig,
    x86::topology::{apic_id, last_level_shift, socket_shift, thread_bits},
};
use kvm_bindings::{KVM_CPUID_FLAG_SIGNIFCANT_INDEX, kvm_cpuid_entry2};

/// Both makers' leaf of levels, and Intel's newer form of it.
const LEVELS: u32 = 0xb;
const LEVELS_2: u32 = 0x1f;
const AMD_FEATURES: u32 = 0x8000_0001;
const AMD_SIZES: u32 = 0x8000_0008;
const AMD_CACHES: u32 = 0x8000_001d;
const AMD_TOPOLOGY: u32 = 0x8000_001e;
/// Of leaf 1, EDX: EBX has a number of logical processors.
const HTT: u32 = 1 << 28;
/// Of [`AMD_FEATURES`], ECX: that number counts cores.
const CMP_LEGACY: u32 = 1 << 1;
/// Of [`AMD_FEATURES`], ECX: [`AMD_CACHES`] and [`AMD_TOPOLOGY`] are there.
const TOPOLOGY_EXTENSIONS: u32 = 1 << 22;
/// `AuthenticAMD` and `HygonGenuine`, from EBX of leaf 0.
const AMD: [u32; 2] = [u32::from_le_bytes(*b"Auth"), u32::from_le_bytes(*b"Hygo")];

/// Describes `cpus`, in what is the same for every vCPU.
pub(super) fn shape(entries: &mut Vec<kvm_cpuid_entry2>, cpus: &CpuConfig) {
    let first = *find(entries, 0, 0).expect("the policy looked for it");
    let is_amd = AMD.contains(&first.ebx);
    let in_socket = cpus.cores * cpus.threads;
    let threads = thread_bits(cpus);
    let socket = socket_shift(cpus);
    let sharers = |level: u32| {
        let shift = if level <= 2 {
            threads
        } else {
            last_level_shift(cpus)
        };
        (1 << shift) - 1
    };

    let features = find(entries, 1, 0).expect("the policy looked for it");
    put(&mut features.ebx, 16, 8, 1 << socket);
    features.edx = features.edx & !HTT | if in_socket > 1 { HTT } else { 0 };

    for entry in entries.iter_mut() {
        let level = entry.eax >> 5 & 7;
        let is_cache = entry.eax & 0x1f != 0;
        match entry.function {
            4 if is_cache => {
                put(&mut entry.eax, 14, 12, sharers(level));
                put(&mut entry.eax, 26, 6, (1 << (socket - threads)) - 1);
            }
            AMD_CACHES if is_cache => put(&mut entry.eax, 14, 12, sharers(level)),
            _ => {}
        }
    }

    let has_levels_2 = first.eax >= LEVELS_2;
    entries.retain(|entry| !matches!(entry.function, LEVELS | LEVELS_2 | AMD_TOPOLOGY));
    // Level types: 1 thread, 2 core, 0 for the end.
    for (leaf, index, shift, count, kind) in [LEVELS, LEVELS_2].into_iter().flat_map(|leaf| {
        [
            (leaf, 0, threads, cpus.threads, 1),
            (leaf, 1, socket, in_socket, 2),
            (leaf, 2, 0, 0, 0),
        ]
    }) {
        if leaf == LEVELS || has_levels_2 {
            entries.push(kvm_cpuid_entry2 {
                function: leaf,
                index,
                flags: KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
                eax: shift,
                ebx: count,
                ecx: kind << 8 | index,
                ..kvm_cpuid_entry2::default()
            });
        }
    }
    raise(entries, 0, LEVELS);

    if is_amd {
        shape_amd(entries, cpus);
    }
}

fn shape_amd(entries: &mut Vec<kvm_cpuid_entry2>, cpus: &CpuConfig) {
    let in_socket = cpus.cores * cpus.threads;
    let mut has_topology = false;
    if let Some(features) = find(entries, AMD_FEATURES, 0) {
        features.ecx = features.ecx & !CMP_LEGACY | if in_socket > 1 { CMP_LEGACY } else { 0 };
        has_topology = features.ecx & TOPOLOGY_EXTENSIONS != 0;
    }
    if let Some(sizes) = find(entries, AMD_SIZES, 0) {
        put(&mut sizes.ecx, 0, 8, in_socket - 1);
        put(&mut sizes.ecx, 12, 4, socket_shift(cpus));
    }
    if has_topology {
        entries.push(kvm_cpuid_entry2 {
            function: AMD_TOPOLOGY,
            ebx: (cpus.threads - 1) << 8,
            ..kvm_cpuid_entry2::default()
        });
        raise(entries, 0x8000_0000, AMD_TOPOLOGY);
    }
}

/// Puts in the fields that differ from vCPU to vCPU.
pub(super) fn number(entries: &mut [kvm_cpuid_entry2], cpus: &CpuConfig, vcpu: u32) {
    let id = apic_id(cpus, vcpu);
    for entry in entries {
        match entry.function {
            1 => put(&mut entry.ebx, 24, 8, id),
            LEVELS | LEVELS_2 => entry.edx = id,
            AMD_TOPOLOGY => {
                entry.eax = id;
                let core = vcpu / cpus.threads % cpus.cores;
                put(&mut entry.ebx, 0, 8, core);
                // One node a socket, in these terms: NUMA nodes are in the SRAT.
                entry.ecx = vcpu / cpus.threads / cpus.cores;
            }
            _ => {}
        }
    }
}

/// Makes `leaf` be in the range that the leaf `range` announces.
fn raise(entries: &mut [kvm_cpuid_entry2], range: u32, leaf: u32) {
    if let Some(entry) = find(entries, range, 0) {
        entry.eax = entry.eax.max(leaf);
    }
}

/// Puts `value`, or the greatest that goes there, into the field of `width` bits at `shift`.
fn put(register: &mut u32, shift: u32, width: u32, value: u32) {
    let mask = (1 << width) - 1;
    *register = *register & !(mask << shift) | value.min(mask) << shift;
}
