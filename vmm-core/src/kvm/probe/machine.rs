//! The machine that the probe runs its code in: one vCPU in 64-bit mode, a few pages of memory, no devices, no
//! interrupt controller.
//!
//! A vCPU is called back from the guest by [`kick`]. Its thread blocks every signal, and the vCPU, by
//! `KVM_SET_SIGNAL_MASK`, lets [`KICK`] alone interrupt `KVM_RUN`. So the signal needs no handler, is never delivered,
//! and cannot come too early: pending, it ends the next `KVM_RUN` at once.
#![expect(unsafe_code, reason = "memory slots and signals")]

use super::{
    fault::{Fault, exit_name},
    payload::{self, Payload},
};
use kvm_bindings::{
    KVM_API_VERSION, KVM_MAX_CPUID_ENTRIES, kvm_regs, kvm_segment, kvm_userspace_memory_region,
};
use kvm_ioctls::{Error as Errno, Kvm, VcpuExit, VcpuFd, VmFd};
use std::{
    mem::MaybeUninit,
    os::{fd::AsRawFd, unix::thread::JoinHandleExt},
    ptr,
    thread::JoinHandle,
    time::{Duration, Instant},
};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

/// Ignored by a process that has no use for it.
const KICK: libc::c_int = libc::SIGURG;

/// The kernel's `struct kvm_signal_mask` with its set, 64 signals on x86-64.
#[repr(C)]
struct SignalMask {
    len: u32,
    set: [u8; 8],
}

/// `_IOW(KVMIO, 0x8b, struct kvm_signal_mask)`; the size in it is that of the structure without the set.
const KVM_SET_SIGNAL_MASK: libc::c_ulong = 0x4004_ae8b;

// Intel SDM volume 3, sections 2.5 "Control Registers" and 2.2.1 "Extended Feature Enable Register".
const CR0_PE: u64 = 1 << 0;
const CR0_MP: u64 = 1 << 1;
const CR0_ET: u64 = 1 << 4;
const CR0_NE: u64 = 1 << 5;
const CR0_PG: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const CR4_OSFXSR: u64 = 1 << 9;
const CR4_OSXMMEXCPT: u64 = 1 << 10;
const EFER_LME: u64 = 1 << 8;
const EFER_LMA: u64 = 1 << 10;
/// Interrupts off; bit 1 is always set.
const RFLAGS: u64 = 1 << 1;

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
        let_kick_interrupt(&vcpu)?;
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

fn let_kick_interrupt(vcpu: &VcpuFd) -> Result<(), Fault> {
    let mask = SignalMask {
        len: 8,
        set: (!(1u64 << (KICK - 1))).to_ne_bytes(),
    };
    // SAFETY: a vCPU's descriptor and a structure of the layout the request reads, 12 bytes as `len` says.
    let answer =
        unsafe { libc::ioctl(vcpu.as_raw_fd(), KVM_SET_SIGNAL_MASK as _, &raw const mask) };
    if answer == 0 {
        Ok(())
    } else {
        Err(Fault::Call("set the vCPU's signal mask", Errno::last()))
    }
}

/// Blocks all signals in the calling thread, which [`kick`] relies on.
pub(super) fn block_signals() {
    let mut all = MaybeUninit::uninit();
    // SAFETY: sigfillset initializes what the pointer refers to, pthread_sigmask reads it; neither keeps the pointer.
    let answer = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), ptr::null_mut())
    };
    assert_eq!(answer, 0, "all arguments are valid");
}

/// Makes `KVM_RUN` in `thread`, now or next, end with `EINTR`. To be called after the machine's deadline, so that it is
/// not entered again. Does nothing to a thread that has ended.
pub(super) fn kick<T>(thread: &JoinHandle<T>) {
    // SAFETY: a handle that was neither joined nor dropped keeps its pthread_t valid. The thread blocks
    // the signal; should it not have got so far, the process ignores it.
    unsafe { libc::pthread_kill(thread.as_pthread_t(), KICK) };
}

fn call(what: &'static str) -> impl Fn(Errno) -> Fault {
    move |error| Fault::Call(what, error)
}
