use super::*;
use crate::{
    boot::load,
    config::{CpuConfig, MemoryConfig},
    x86::{cpuid, msrs::boot_msrs},
};
use kvm_bindings::{KVM_MAX_CPUID_ENTRIES, kvm_userspace_memory_region};
use kvm_ioctls::{Cap, Kvm, VcpuExit};
use std::{fs::File, io::Write};
use vm_memory::GuestMemoryBackend;

const ADDRESS: u64 = 0x100_0000;
/// Two words that the guest leaves.
const RESULT: u64 = ADDRESS + 0x800;

fn loaded(entry: Entry) -> Loaded {
    Loaded {
        entry,
        start: ADDRESS,
        argument: 0x7000,
        kernel_end: ADDRESS + 0x1000,
        initramfs: None,
    }
}

#[test]
fn the_argument_is_where_each_protocol_has_it() {
    for entry in [Entry::Bits64, Entry::Decompressor64, Entry::Decompressor32] {
        let regs = general_registers(&loaded(entry));
        assert_eq!((regs.rsi, regs.rbx, regs.rip), (0x7000, 0, ADDRESS));
        assert_eq!((regs.rbp, regs.rdi, regs.rflags), (0, 0, 2));
    }
    let regs = general_registers(&loaded(Entry::Pvh));
    assert_eq!((regs.rsi, regs.rbx), (0, 0x7000));
}

#[test]
fn pvh_has_no_paging() {
    let mut sregs = kvm_sregs {
        cr4: 0x20,
        efer: 0x500,
        ..kvm_sregs::default()
    };
    system_registers(&mut sregs, false);
    assert_eq!(
        (sregs.cr0, sregs.cr3, sregs.cr4, sregs.efer),
        (0x11, 0, 0, 0)
    );
    assert_eq!((sregs.cs.db, sregs.cs.l), (1, 0));
}

/// An ELF kernel of one segment, entered at its first byte or, without a 64-bit class, through the note at its end.
fn kernel(code: &[u8], machine: u8) -> File {
    let mut bytes = vec![0u8; 0x1000];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, b"\x7fELF\x02\x01\x01");
    put(16, &[2, 0, machine, 0]);
    put(24, &ADDRESS.to_le_bytes());
    put(32, &64u64.to_le_bytes());
    put(54, &[56, 0, 2, 0]);
    for (index, kind, offset, size) in [(0, 1u8, 0x400u64, 0xc00u64), (1, 4, 0x300, 20)] {
        let at = 64 + index * 56;
        put(at, &[kind]);
        for (field, value) in [(8, offset), (24, ADDRESS), (32, size), (40, size)] {
            put(at + field, &value.to_le_bytes());
        }
    }
    put(0x300, &[4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0]);
    put(0x30c, b"Xen\0");
    put(0x310, &(ADDRESS as u32).to_le_bytes());
    put(0x400, code);
    let mut file = tempfile::tempfile().expect("a temporary directory");
    file.write_all(&bytes).expect("room");
    file
}

/// Runs `code` as a kernel until it halts; its two words. `None` where there is no KVM.
fn run(code: &[u8], machine: u8) -> Option<(Loaded, [u64; 2])> {
    let Ok(kvm) = Kvm::new() else {
        println!("SKIP: /dev/kvm cannot be opened");
        return None;
    };
    let ram = GuestRam::new(&MemoryConfig {
        bytes: 32 << 20,
        huge_pages: false,
        file: false,
    })
    .expect("address space");
    let loaded = load(&ram, &kernel(code, machine), None, "quiet", None).expect("it fits");

    let vm = kvm.create_vm().expect("a machine");
    vm.set_tss_address(usize::try_from(crate::layout::KVM_TSS.start).expect("64-bit host"))
        .expect("a place");
    let host = ram
        .memory()
        .get_host_address(GuestAddress(0))
        .expect("memory begins at 0");
    let slot = kvm_userspace_memory_region {
        slot: 0,
        flags: 0,
        guest_phys_addr: 0,
        memory_size: ram.bytes(),
        userspace_addr: host as u64,
    };
    // SAFETY: the slot is the one mapping of `ram`, which outlives the machine.
    #[expect(unsafe_code, reason = "a memory slot")]
    unsafe { vm.set_user_memory_region(slot) }.expect("memory");
    let mut vcpu = vm.create_vcpu(0).expect("a vCPU");
    let supported = kvm
        .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
        .expect("supported CPUID");
    let deadline = kvm.check_extension(Cap::TscDeadlineTimer);
    let policy = cpuid::policy(&supported, &CpuConfig::flat(1), deadline).expect("a topology");
    vcpu.set_cpuid2(&policy.for_vcpu(0)).expect("CPUID");
    let msrs = boot_msrs();
    assert_eq!(
        vcpu.set_msrs(&msrs).expect("MSRs"),
        msrs.as_slice().len(),
        "KVM takes them all"
    );
    enter(&vcpu, &ram, &loaded).expect("KVM takes it");
    match vcpu.run().expect("it runs") {
        VcpuExit::Hlt => {}
        other => panic!("{other:?}"),
    }
    let read = |at| ram.memory().read_obj(GuestAddress(at)).expect("RAM");
    Some((loaded, [read(RESULT), read(RESULT + 8)]))
}

#[test]
fn a_64_bit_kernel_finds_the_zero_page() {
    // Absolute addresses are 32-bit ones.
    let at = (RESULT as u32).to_le_bytes();
    let next = (RESULT as u32 + 8).to_le_bytes();
    let code = [
        &[0x48, 0x89, 0x34, 0x25][..], // mov [RESULT], rsi
        &at,
        &[0x48, 0x31, 0xc0],             // xor rax, rax
        &[0x66, 0x8c, 0xc8],             // mov ax, cs
        &[0x48, 0xc1, 0xe0, 0x20],       // shl rax, 32
        &[0x8b, 0x8e, 0x02, 0x02, 0, 0], // mov ecx, [rsi + 0x202]
        &[0x48, 0x09, 0xc8],             // or rax, rcx
        &[0x48, 0x89, 0x04, 0x25],       // mov [RESULT + 8], rax
        &next,
        &[0xf4], // hlt
    ]
    .concat();
    let Some((loaded, words)) = run(&code, 62) else {
        return;
    };
    assert_eq!(loaded.entry, Entry::Bits64);
    assert_eq!(words[0], loaded.argument);
    assert_eq!(
        words[1],
        0x10 << 32 | u64::from(u32::from_le_bytes(*b"HdrS"))
    );
}

#[test]
fn a_pvh_kernel_finds_the_start_info() {
    let at = (RESULT as u32).to_le_bytes();
    let next = (RESULT as u32 + 8).to_le_bytes();
    let code = [
        &[0x89, 0x1d][..], // mov [RESULT], ebx
        &at,
        &[0x8b, 0x03], // mov eax, [ebx]
        &[0xa3],       // mov [RESULT + 8], eax
        &next,
        &[0xf4], // hlt
    ]
    .concat();
    let Some((loaded, words)) = run(&code, 3) else {
        return;
    };
    assert_eq!(loaded.entry, Entry::Pvh);
    assert_eq!(words, [loaded.argument, 0x336e_c578]);
}
