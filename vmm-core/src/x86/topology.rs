//! Which thread of which core of which socket a vCPU is, and the APIC identifier that says so.
//!
//! An APIC identifier is three fields, thread, core and socket from the lowest bit up, each as wide as its greatest value
//! needs (Intel SDM volume 3, "Hierarchical Mapping of Shared Resources"; AMD APM volume 3, appendix E.5.1). With
//! numbers that are no powers of two some identifiers belong to no vCPU.
//!
//! KVM takes the number given to `KVM_CREATE_VCPU` for the APIC identifier, so a vCPU is created under [`apic_id`].

use crate::config::CpuConfig;

/// A number of sockets, cores, threads or nodes that no machine can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// One of them is zero.
    #[error("{sockets} sockets of {cores} cores of {threads} threads: no vCPU")]
    NoVcpu {
        /// Sockets.
        sockets: u32,
        /// Cores of a socket.
        cores: u32,
        /// Threads of a core.
        threads: u32,
    },
    /// APIC identifiers from 255 on need interrupt remapping, which this machine does not have.
    #[error(
        "{sockets} sockets of {cores} cores of {threads} threads: the last vCPU would have the APIC identifier \
         {apic_id}, and {MAX_APIC_ID} is the greatest"
    )]
    ApicId {
        /// Sockets.
        sockets: u32,
        /// Cores of a socket.
        cores: u32,
        /// Threads of a core.
        threads: u32,
        /// The greatest identifier.
        apic_id: u64,
    },
    /// The vCPUs cannot be spread evenly over the nodes.
    #[error(
        "{vcpus} vCPUs of {threads} threads a core on {nodes} NUMA nodes: not the same number of cores on each"
    )]
    Nodes {
        /// vCPUs.
        vcpus: u32,
        /// Threads of a core.
        threads: u32,
        /// NUMA nodes.
        nodes: u32,
    },
}

/// Greatest APIC identifier of a vCPU: 255 is the broadcast address of interrupt messages without remapping.
pub const MAX_APIC_ID: u32 = 254;

/// Bits that the thread's number takes in an APIC identifier.
#[must_use]
pub const fn thread_bits(cpus: &CpuConfig) -> u32 {
    width(cpus.threads)
}

/// Bits that the thread's and the core's number take in an APIC identifier: what is above them is the socket.
///
/// With more than one NUMA node at least three: for AMD's family 17h kernels take eight consecutive identifiers for one
/// last-level cache, whatever CPUID says (`cacheinfo_amd_init_llc_id` in `arch/x86/kernel/cpu/cacheinfo.c`), and
/// that must not span nodes.
#[must_use]
pub const fn socket_shift(cpus: &CpuConfig) -> u32 {
    let shift = width(cpus.cores) + width(cpus.threads);
    if cpus.numa_nodes > 1 && shift < 3 {
        3
    } else {
        shift
    }
}

/// APIC identifier of vCPU number `vcpu`, which counts threads first, then cores, then sockets.
///
/// Meant for a topology that [`check`] accepts and `vcpu` below its [`CpuConfig::count`].
#[must_use]
pub const fn apic_id(cpus: &CpuConfig, vcpu: u32) -> u32 {
    let thread = vcpu % cpus.threads;
    let core = vcpu / cpus.threads % cpus.cores;
    let socket = vcpu / cpus.threads / cpus.cores;
    socket << socket_shift(cpus) | core << thread_bits(cpus) | thread
}

/// NUMA node of vCPU number `vcpu`: equal, consecutive parts.
///
/// Meant for a topology that [`check`] accepts and `vcpu` below its [`CpuConfig::count`].
#[must_use]
pub const fn node(cpus: &CpuConfig, vcpu: u32) -> u32 {
    vcpu / (cpus.count() / cpus.numa_nodes)
}

/// Number of low APIC identifier bits in which two vCPUs may differ and still share a last-level cache.
///
/// That is a socket, or the largest part of it that lies in one NUMA node: the kernel warns of a cache that spans nodes
/// (`topology_sane` in `arch/x86/kernel/smpboot.c`).
#[must_use]
pub fn last_level_shift(cpus: &CpuConfig) -> u32 {
    let one_node = |shift: u32| {
        (1..cpus.count()).all(|vcpu| {
            let before = vcpu - 1;
            apic_id(cpus, vcpu) >> shift != apic_id(cpus, before) >> shift
                || node(cpus, vcpu) == node(cpus, before)
        })
    };
    (thread_bits(cpus)..=socket_shift(cpus))
        .rev()
        .find(|shift| one_node(*shift))
        .unwrap_or(thread_bits(cpus))
}

/// Whether `cpus` is a topology that the functions here can number.
///
/// # Errors
/// See [`TopologyError`].
pub const fn check(cpus: &CpuConfig) -> Result<(), TopologyError> {
    let CpuConfig {
        sockets,
        cores,
        threads,
        numa_nodes: nodes,
        ..
    } = *cpus;
    if sockets == 0 || cores == 0 || threads == 0 {
        return Err(TopologyError::NoVcpu {
            sockets,
            cores,
            threads,
        });
    }
    let last = fields(cpus);
    if last > MAX_APIC_ID as u64 {
        return Err(TopologyError::ApicId {
            sockets,
            cores,
            threads,
            apic_id: last,
        });
    }
    // Every number is small from here on.
    let all_cores = sockets * cores;
    if nodes == 0 || !all_cores.is_multiple_of(nodes) {
        return Err(TopologyError::Nodes {
            vcpus: cpus.count(),
            threads,
            nodes,
        });
    }
    Ok(())
}

/// The greatest APIC identifier; saturated where it is absurd.
const fn fields(cpus: &CpuConfig) -> u64 {
    // 32 bits at most, shifted by 64 at most: 128 bits hold it.
    let id = ((cpus.sockets - 1) as u128) << socket_shift(cpus)
        | ((cpus.cores - 1) as u128) << thread_bits(cpus)
        | (cpus.threads - 1) as u128;
    if id > u64::MAX as u128 {
        u64::MAX
    } else {
        id as u64
    }
}

/// Bits needed to tell `count` things apart; none for one.
const fn width(count: u32) -> u32 {
    if count <= 1 {
        0
    } else {
        u32::BITS - (count - 1).leading_zeros()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cpus(sockets: u32, cores: u32, threads: u32, numa_nodes: u32) -> CpuConfig {
        CpuConfig {
            sockets,
            cores,
            threads,
            numa_nodes,
            nested: false,
        }
    }

    fn apic_ids(cpus: &CpuConfig) -> Vec<u32> {
        (0..cpus.count()).map(|vcpu| apic_id(cpus, vcpu)).collect()
    }

    #[test]
    fn fields_are_as_wide_as_needed() {
        assert_eq!(apic_ids(&CpuConfig::flat(1)), [0]);
        assert_eq!(apic_ids(&CpuConfig::flat(5)), [0, 1, 2, 3, 4]);
        assert_eq!(apic_ids(&cpus(2, 3, 1, 1)), [0, 1, 2, 4, 5, 6]);
        assert_eq!(
            apic_ids(&cpus(2, 3, 2, 1)),
            [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13]
        );
        assert_eq!(apic_ids(&cpus(3, 1, 1, 1)), [0, 1, 2]);
        assert_eq!(apic_ids(&cpus(2, 1, 1, 2)), [0, 8]);
    }

    #[test]
    fn a_cache_never_spans_nodes() {
        assert_eq!(last_level_shift(&cpus(1, 4, 1, 1)), 2);
        assert_eq!(last_level_shift(&cpus(1, 4, 1, 2)), 1);
        assert_eq!(last_level_shift(&cpus(2, 2, 2, 2)), 3);
        // Three cores on each node: {0, 1}, {2}, {3}, {4, 5} is what aligned pairs leave.
        assert_eq!(last_level_shift(&cpus(1, 6, 1, 2)), 0);
    }

    #[test]
    fn absurd_numbers_are_refused() {
        for (sockets, cores, threads) in [(0, 1, 1), (1, 0, 1), (1, 1, 0)] {
            let error = check(&cpus(sockets, cores, threads, 1)).expect_err("no vCPU");
            assert!(matches!(error, TopologyError::NoVcpu { .. }), "{error}");
        }
        for (sockets, cores, threads) in [(1, 256, 1), (u32::MAX, u32::MAX, u32::MAX), (2, 129, 1)]
        {
            let error = check(&cpus(sockets, cores, threads, 1)).expect_err("too many");
            assert!(matches!(error, TopologyError::ApicId { .. }), "{error}");
        }
        for nodes in [0, 3, 4, u32::MAX] {
            let error = check(&cpus(1, 2, 2, nodes)).expect_err("uneven");
            assert!(matches!(error, TopologyError::Nodes { .. }), "{error}");
        }
        check(&CpuConfig::flat(255)).expect("255 vCPUs fit");
    }

    proptest! {
        #[test]
        fn identifiers_are_unique_and_nodes_are_equal(
            sockets in 1u32..9, cores in 1u32..20, threads in 1u32..5, nodes in 1u32..9,
        ) {
            let cpus = cpus(sockets, cores, threads, nodes);
            prop_assume!(check(&cpus).is_ok());
            let ids = apic_ids(&cpus);
            prop_assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
            prop_assert_eq!(u64::from(*ids.last().expect("one")), fields(&cpus));
            let mut sizes = vec![0; nodes as usize];
            for vcpu in 0..cpus.count() {
                sizes[node(&cpus, vcpu) as usize] += 1;
            }
            prop_assert!(sizes.iter().all(|size| *size == cpus.count() / nodes), "{sizes:?}");
            let shift = last_level_shift(&cpus);
            for (a, b) in (0..cpus.count()).flat_map(|a| (0..a).map(move |b| (a, b))) {
                if ids[a as usize] >> shift == ids[b as usize] >> shift {
                    prop_assert_eq!(node(&cpus, a), node(&cpus, b));
                }
            }
        }
    }
}
