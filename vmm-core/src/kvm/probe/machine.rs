//! The machine that the probe runs its code in: one vCPU in 64-bit mode, a few pages of memory, no devices, no
//! interrupt controller.
//!
//! A vCPU is called back from the guest by a [`crate::kvm::kick`].
#![expect(unsafe_code, reason = "memory slots")]

use super::{
    fault::Fault,
    payload::{self, Payload},
};
use crate::{
    kvm::{exit_name, kick},
    x86::control::{
        CR0_ET, CR0_MP, CR0_NE, CR0_PE, CR0_PG, CR4_OSFXSR, CR4_OSXMMEXCPT, CR4_PAE, EFER_LMA,
        EFER_LME, RFLAGS,
    },
};
use kvm_bindings::{
    KVM_API_VERSION, KVM_MAX_CPUID_ENTRIES, kvm_regs, kvm_segment, kvm_userspace_memory_region,
};
use kvm_ioctls::{Error as Errno, Kvm, VcpuExit, VcpuFd, VmFd};
use std::time::{Duration, Instant};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

/// Three pages below 4 GiB that KVM wants for itself on Intel processors, far from the guest's memory.
const TSS: usize = 0xfffb_d000;

/// See the module. Fields drop in this order: the memory outlives the machine that refers to it.
pub(super) struct Machine {
    vcpu: VcpuFd,
    _vm: VmFd,
    memory: GuestMemoryMmap,
    deadline: Instant,
}

impl Machine {
    /// Makes the machine. After `deadline` it does not enter the guest any more.
    pub(super) fn new(kvm: &Kvm, deadline: Instant) -> Result<Self, Fault> {
        let version = kvm.get_api_version();
        if version != KVM_API_VERSION as i32 {
            return Err(Fault::ApiVersion(version));
        }
        let vm = kvm.create_vm().map_err(call("create a virtual machine"))?;
        vm.set_tss_address(TSS).map_err(call("place the TSS"))?;
        let memory = memory()?;
        let host_address = memory
            .get_host_address(GuestAddress(0))
            .expect("the memory begins at 0");
        let slot = kvm_userspace_memory_region {
            slot: 0,
            flags: 0,
            guest_phys_addr: 0,
            memory_size: payload::MEMORY as u64,
            userspace_addr: host_address as u64,
        };
        // SAFETY: the slot is exactly one mapping of `memory`, which `Self` drops after the machine; Rust code touches
        // it only through vm-memory's volatile accesses.
        unsafe { vm.set_user_memory_region(slot) }.map_err(call("give the machine memory"))?;
        let vcpu = vm.create_vcpu(0).map_err(call("create a vCPU"))?;
        let cpuid = kvm
            .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
            .map_err(call("read the supported CPUID"))?;
        vcpu.set_cpuid2(&cpuid)
            .map_err(call("set the vCPU's CPUID"))?;
        enter_long_mode(&vcpu)?;
        kick::let_kick_interrupt(&vcpu).map_err(call("set the vCPU's signal mask"))?;
        Ok(Self {
            vcpu,
            _vm: vm,
            memory,
            deadline,
        })
    }

    /// Runs `payload` to its `HLT`; the time it took.
    pub(super) fn run(&mut self, payload: &Payload) -> Result<Duration, Fault> {
        self.write(payload::CODE, &payload.code);
        self.write(payload::DATA, &[0; 16]);
        let start = kvm_regs {
            rip: payload::CODE,
            rsp: payload::STACK,
            rdi: payload::DATA,
            rcx: payload::ROUNDS,
            rflags: RFLAGS,
            ..kvm_regs::default()
        };
        self.vcpu
            .set_regs(&start)
            .map_err(call("set the vCPU's registers"))?;

        let began = Instant::now();
        loop {
            // Before every entry: a kick that came while the thread did not block it yet is lost.
            if Instant::now() >= self.deadline {
                return Err(Fault::NoAnswer);
            }
            match self.vcpu.run() {
                Ok(VcpuExit::Hlt) => break,
                Ok(exit) => {
                    return Err(Fault::Exit {
                        code: payload.name,
                        exit: exit_name(&exit),
                    });
                }
                // By the kick; also by a debugger or a suspend of the host.
                Err(e) if e.errno() == libc::EINTR => {}
                Err(e) => return Err(Fault::Call("run a vCPU", e)),
            }
        }
        let took = began.elapsed();

        let end = self
            .vcpu
            .get_regs()
            .map_err(call("read the vCPU's registers"))?;
        if end.rax != payload.result {
            return Err(Fault::Result {
                code: payload.name,
                found: end.rax,
                expected: payload.result,
            });
        }
        Ok(took)
    }

    fn write(&self, address: u64, bytes: &[u8]) {
        self.memory
            .write_slice(bytes, GuestAddress(address))
            .expect("code and data are far smaller than their pages");
    }
}

/// Guest memory with the page tables in place.
fn memory() -> Result<GuestMemoryMmap, Fault> {
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), payload::MEMORY)])
        .map_err(|_| Fault::Call("map memory", Errno::last()))?;
    for (address, entry) in payload::PAGE_TABLES {
        memory
            .write_obj(entry.to_le(), GuestAddress(address))
            .expect("the page tables lie in memory");
    }
    Ok(memory)
}

/// Paging on, flat segments, SSE enabled; no descriptor tables, so that an exception ends in `KVM_EXIT_SHUTDOWN`.
fn enter_long_mode(vcpu: &VcpuFd) -> Result<(), Fault> {
    let mut sregs = vcpu
        .get_sregs()
        .map_err(call("read the vCPU's system registers"))?;
    let data = kvm_segment {
        base: 0,
        limit: u32::MAX,
        selector: 0x10,
        type_: 0b0011, // read, write, accessed
        present: 1,
        s: 1,
        db: 1,
        g: 1,
        ..kvm_segment::default()
    };
    sregs.cs = kvm_segment {
        selector: 0x08,
        type_: 0b1011, // execute, read, accessed
        db: 0,
        l: 1,
        ..data
    };
    sregs.ds = data;
    sregs.es = data;
    sregs.fs = data;
    sregs.gs = data;
    sregs.ss = data;
    sregs.gdt.limit = 0;
    sregs.idt.limit = 0;
    sregs.cr3 = payload::PML4;
    sregs.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    sregs.cr0 = CR0_PG | CR0_NE | CR0_ET | CR0_MP | CR0_PE;
    sregs.efer = EFER_LME | EFER_LMA;
    vcpu.set_sregs(&sregs)
        .map_err(call("set the vCPU's system registers"))
}

fn call(what: &'static str) -> impl Fn(Errno) -> Fault {
    move |error| Fault::Call(what, error)
}
