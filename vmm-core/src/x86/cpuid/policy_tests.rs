use super::*;
use proptest::prelude::*;

fn entry(function: u32, index: u32, registers: [u32; 4]) -> kvm_cpuid_entry2 {
    let indexed = matches!(function, 4 | 7 | 0xb | 0xd | 0x1f | 0x8000_001d);
    let [eax, ebx, ecx, edx] = registers;
    kvm_cpuid_entry2 {
        function,
        index,
        flags: if indexed {
            KVM_CPUID_FLAG_SIGNIFCANT_INDEX
        } else {
            0
        },
        eax,
        ebx,
        ecx,
        edx,
        ..kvm_cpuid_entry2::default()
    }
}

/// A processor with every feature bit set in the leaves that have them.
fn host(vendor: &[u8; 4], max: u32) -> CpuId {
    const ALL: u32 = u32::MAX;
    let mut entries = vec![
        entry(0, 0, [max, u32::from_le_bytes(*vendor), 0, 0]),
        entry(1, 0, [0x00b0_0f21, 0x0102_0800, ALL, ALL]),
        entry(4, 0, [0x0000_0121, 0x3f, 0x3f, 0]),
        entry(4, 1, [0x0000_0143, 0x3f, 0x3f, 0]),
        entry(4, 2, [0xfc1f_c163, 0x3f, 0x3f, 0]),
        entry(4, 3, [0; 4]),
        entry(7, 0, [1, ALL, ALL, ALL]),
        entry(7, 1, [ALL; 4]),
        entry(0xa, 0, [ALL; 4]),
        entry(0xb, 0, [1, 2, 0x100, 5]),
        entry(0xd, 0, [0x000e_02ff, 0xa88, 11008, 0]),
        entry(0xd, 1, [0x1f, 0xa88, 0x1900, 0]),
        entry(0x12, 0, [ALL; 4]),
        entry(0x1f, 0, [1, 2, 0x100, 5]),
        entry(0x4000_0000, 0, [0x4000_0001, 0, 0, 0]),
        entry(0x4000_0001, 0, [ALL, 0, 0, 0]),
        entry(0x8000_0000, 0, [0x8000_0008, 0, 0, 0]),
        entry(0x8000_0001, 0, [0, 0, ALL, ALL]),
        entry(0x8000_0007, 0, [0, 0, 0, 0x100]),
        entry(0x8000_0008, 0, [0x3030, 0, 0x0001_7001, 0]),
        entry(0x8000_000a, 0, [1, 8, 0, ALL]),
        entry(0x8000_001d, 0, [0x0000_0121, 0, 0, 0]),
        entry(0x8000_001d, 3, [0x0001_c163, 0, 0, 0]),
        entry(0x8000_001d, 4, [0; 4]),
        entry(0x8000_001e, 0, [7, 0x103, 1, 0]),
    ];
    // Standard offsets: AVX, MPX twice, three of AVX-512, PKRU, CET, tiles twice, APX.
    for (index, size, offset) in [
        (2, 256, 576),
        (3, 64, 960),
        (4, 64, 1024),
        (5, 64, 1088),
        (6, 512, 1152),
        (7, 1024, 1664),
        (9, 8, 2688),
        (11, 16, 0),
        (17, 64, 2752),
        (18, 8192, 2816),
        (19, 128, 960),
    ] {
        entries.push(entry(0xd, index, [size, offset, 0, 0]));
    }
    CpuId::from_entries(&entries).expect("few")
}

fn intel() -> CpuId {
    host(b"Genu", 0x24)
}

fn amd() -> CpuId {
    host(b"Auth", 0x10)
}

fn read(cpuid: &CpuId, leaf: u32, subleaf: u32) -> [u32; 4] {
    let mut entries = cpuid.as_slice().to_vec();
    find(&mut entries, leaf, subleaf).map_or([0; 4], |e| [e.eax, e.ebx, e.ecx, e.edx])
}

fn cpus(sockets: u32, cores: u32, threads: u32, numa_nodes: u32) -> CpuConfig {
    CpuConfig {
        sockets,
        cores,
        threads,
        numa_nodes,
        nested: false,
    }
}

fn shown(host: &CpuId, cpus: &CpuConfig, vcpu: u32) -> CpuId {
    policy(host, cpus, true).expect("a topology").for_vcpu(vcpu)
}

#[test]
fn every_rule_holds() {
    for host in [intel(), amd()] {
        let guest = shown(&host, &CpuConfig::flat(2), 1);
        for rule in RULES {
            if rule.when == When::NoTscDeadline {
                continue;
            }
            for entry in guest.as_slice() {
                if entry.function != rule.leaf || rule.subleaf.is_some_and(|s| s != entry.index) {
                    continue;
                }
                match rule.change {
                    Change::Hide => panic!("{rule}: {entry:x?}"),
                    Change::Set(register, mask) => {
                        assert_eq!(*field(&mut entry.clone(), register) & mask, mask, "{rule}");
                    }
                    Change::Clear(register, mask) => {
                        assert_eq!(*field(&mut entry.clone(), register) & mask, 0, "{rule}");
                    }
                }
            }
        }
        // Beside them nothing is lost.
        assert_eq!(read(&guest, 0x8000_0007, 0)[3], 0x100);
        assert_eq!(read(&guest, 7, 0)[1], !(1 << 2 | 1 << 14 | 1 << 25));
        assert_eq!(
            read(&guest, 0x4000_0001, 0)[0],
            !(1 << 4 | 1 << 10 | 1 << 14)
        );
    }
}

#[test]
fn the_deadline_timer_follows_kvm() {
    let mut without = intel();
    without.as_mut_slice()[1].ecx = 0;
    for (host, has) in [(&without, true), (&intel(), false)] {
        let policy = policy(host, &CpuConfig::flat(1), has).expect("a topology");
        assert_eq!(read(&policy.for_vcpu(0), 1, 0)[2] >> 24 & 1, u32::from(has));
    }
}

#[test]
fn only_a_nested_guest_sees_virtualization() {
    for nested in [false, true] {
        let cpus = CpuConfig {
            nested,
            ..CpuConfig::flat(1)
        };
        let guest = shown(&amd(), &cpus, 0);
        assert_eq!(read(&guest, 1, 0)[2] >> 5 & 1, u32::from(nested));
        assert_eq!(read(&guest, 0x8000_0001, 0)[2] >> 2 & 1, u32::from(nested));
        assert_eq!(read(&guest, 0x8000_000a, 0)[0], u32::from(nested));
    }
}

#[test]
fn extended_states_are_the_ones_that_are_left() {
    let guest = shown(&intel(), &CpuConfig::flat(1), 0);
    assert_eq!(read(&guest, 0xd, 0), [0x0008_02e7, 0xa88, 2696, 0]);
    assert_eq!(read(&guest, 0xd, 1), [0xf, 0xa88, 0, 0]);
    let subleaves: Vec<_> = guest
        .as_slice()
        .iter()
        .filter(|entry| entry.function == 0xd)
        .map(|entry| entry.index)
        .collect();
    assert_eq!(subleaves, [0, 1, 2, 5, 6, 7, 9, 19]);
}

#[test]
fn two_sockets_of_three_cores_of_two_threads() {
    let cpus = cpus(2, 3, 2, 2);
    // Socket 1, core 1, thread 1.
    let (vcpu, id) = (9, 0b1011);
    let guest = shown(&intel(), &cpus, vcpu);
    assert_eq!(read(&guest, 1, 0)[1], id << 24 | 8 << 16 | 0x800);
    assert_eq!(read(&guest, 1, 0)[3] >> 28 & 1, 1);
    for leaf in [0xb, 0x1f] {
        assert_eq!(read(&guest, leaf, 0), [1, 2, 0x100, id]);
        assert_eq!(read(&guest, leaf, 1), [3, 6, 0x201, id]);
        assert_eq!(read(&guest, leaf, 2), [0, 0, 2, id]);
    }
    assert_eq!(read(&guest, 4, 0)[0], 3 << 26 | 1 << 14 | 0x121);
    assert_eq!(read(&guest, 4, 1)[0], 3 << 26 | 1 << 14 | 0x143);
    assert_eq!(read(&guest, 4, 2)[0], 3 << 26 | 7 << 14 | 0x163);
    assert_eq!(read(&guest, 4, 3)[0], 0, "no cache");
    assert_eq!(read(&guest, 0x8000_001e, 0), [0; 4], "AMD's alone");

    let guest = shown(&amd(), &cpus, vcpu);
    assert_eq!(read(&guest, 0, 0)[0], 0x10);
    assert_eq!(read(&guest, 0x1f, 0), [0; 4], "the host has none");
    assert_eq!(read(&guest, 0x8000_0000, 0)[0], 0x8000_001e);
    assert_eq!(read(&guest, 0x8000_0001, 0)[2] >> 1 & 1, 1);
    assert_eq!(read(&guest, 0x8000_0008, 0)[2], 1 << 16 | 3 << 12 | 5);
    assert_eq!(read(&guest, 0x8000_001d, 0)[0], 1 << 14 | 0x121);
    assert_eq!(read(&guest, 0x8000_001d, 3)[0], 7 << 14 | 0x163);
    assert_eq!(read(&guest, 0x8000_001e, 0), [id, 1 << 8 | 1, 1, 0]);
}

#[test]
fn one_vcpu_is_alone() {
    let guest = shown(&amd(), &CpuConfig::flat(1), 0);
    assert_eq!(read(&guest, 1, 0)[1], 1 << 16 | 0x800);
    assert_eq!(read(&guest, 1, 0)[3] >> 28 & 1, 0);
    assert_eq!(read(&guest, 0xb, 1), [0, 1, 0x201, 0]);
    assert_eq!(read(&guest, 0x8000_0001, 0)[2] >> 1 & 1, 0);
    assert_eq!(read(&guest, 0x8000_0008, 0)[2] & 0xffff, 0);
}

#[test]
fn what_cannot_be_is_refused() {
    let error = policy(&intel(), &cpus(0, 1, 1, 1), true).expect_err("no vCPU");
    assert!(matches!(error, CpuidError::Topology(_)), "{error}");
    let empty = CpuId::from_entries(&[]).expect("few");
    let error = policy(&empty, &CpuConfig::flat(1), true).expect_err("no leaf");
    assert_eq!(error, CpuidError::Missing(0));
    let mut entries = vec![
        entry(0, 0, [0xd, 0, 0, 0]),
        entry(1, 0, [0; 4]),
        entry(0x8000_0000, 0, [0x8000_0008, 0, 0, 0]),
    ];
    entries.resize(KVM_MAX_CPUID_ENTRIES, entry(0x8000_0002, 0, [0; 4]));
    let full = CpuId::from_entries(&entries).expect("the most");
    let error = policy(&full, &CpuConfig::flat(1), true)
        .map(|_| ())
        .expect_err("too many");
    assert_eq!(error, CpuidError::TooMany(KVM_MAX_CPUID_ENTRIES + 3));
}

#[test]
fn kvm_takes_it() {
    let Ok(kvm) = kvm_ioctls::Kvm::new() else {
        println!("SKIP: /dev/kvm cannot be opened");
        return;
    };
    let supported = kvm
        .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
        .expect("supported CPUID");
    let vm = kvm.create_vm().expect("a machine");
    let cpus = cpus(1, 2, 2, 1);
    let policy = policy(&supported, &cpus, true).expect("a topology");
    for vcpu in 0..cpus.count() {
        let fd = vm
            .create_vcpu(topology::apic_id(&cpus, vcpu).into())
            .expect("a vCPU");
        fd.set_cpuid2(&policy.for_vcpu(vcpu)).expect("KVM takes it");
        let taken = fd.get_cpuid2(KVM_MAX_CPUID_ENTRIES).expect("what was set");
        assert_eq!(read(&taken, 0xb, 0)[3], topology::apic_id(&cpus, vcpu));
    }
}

proptest! {
    #[test]
    fn all_leaves_name_the_same_vcpu(
        sockets in 1u32..5, cores in 1u32..12, threads in 1u32..4, is_amd: bool,
    ) {
        let cpus = cpus(sockets, cores, threads, 1);
        prop_assume!(topology::check(&cpus).is_ok());
        let policy = policy(&if is_amd { amd() } else { intel() }, &cpus, true).expect("checked");
        for vcpu in 0..cpus.count() {
            let guest = policy.for_vcpu(vcpu);
            let id = topology::apic_id(&cpus, vcpu);
            prop_assert_eq!(read(&guest, 1, 0)[1] >> 24, id);
            prop_assert_eq!(read(&guest, 0xb, 0)[3], id);
            let [thread_shift, socket_shift] = [0, 1].map(|level| read(&guest, 0xb, level)[0]);
            prop_assert_eq!(id >> socket_shift, vcpu / (cores * threads));
            prop_assert_eq!((id >> thread_shift) & ((1 << (socket_shift - thread_shift)) - 1), vcpu / threads % cores);
            if is_amd {
                prop_assert_eq!(read(&guest, 0x8000_001e, 0)[0], id);
                prop_assert_eq!(read(&guest, 0x8000_0008, 0)[2] >> 12 & 0xf, socket_shift);
            }
        }
    }
}
