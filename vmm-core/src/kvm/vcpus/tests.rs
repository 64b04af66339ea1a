//! Tiny guests in 16-bit mode, which even an interpreting KVM runs.

use super::*;
use crate::{
    bus::{Bus, BusDevice},
    config::MemoryConfig,
    kvm::{Buses, Vm, vcpu::Vcpu},
    memory::GuestRam,
};
use kvm_bindings::kvm_regs;
use kvm_ioctls::{IoEventAddress, Kvm};
use std::{
    sync::mpsc::{self, Receiver},
    time::Instant,
};
use vm_memory::{Bytes, GuestAddress};

const CODE: u64 = 0x1000;
const COUNTER: GuestAddress = GuestAddress(0x2000);
/// Generous: an interpreting KVM needs microseconds for an instruction.
const PATIENCE: Duration = Duration::from_secs(20);

struct Guest {
    vcpus: Vcpus,
    vm: Vm,
    written: Receiver<(u64, Vec<u8>)>,
}

struct Port(Mutex<mpsc::Sender<(u64, Vec<u8>)>>);

impl BusDevice for Port {
    fn read(&self, offset: u64, data: &mut [u8]) {
        data.fill(0x40 + u8::try_from(offset).expect("small"));
    }

    fn write(&self, offset: u64, data: &[u8]) {
        let _ = lock(&self.0).send((offset, data.to_vec()));
    }
}

/// vCPUs that all run `code`, or why there are none here.
fn guest(count: u32, code: &[u8]) -> Option<Guest> {
    if Kvm::new().is_err() {
        println!("SKIP: /dev/kvm cannot be opened");
        return None;
    }
    let ram = GuestRam::new(&MemoryConfig {
        bytes: 2 << 20,
        huge_pages: false,
        file: false,
    })
    .expect("memory");
    ram.memory()
        .write_slice(code, GuestAddress(CODE))
        .expect("fits");
    let vm = Vm::new(ram, count).expect("a machine");
    let (sender, written) = mpsc::channel();
    let mut ports = Bus::default();
    ports
        .insert("test", 0x80..0x84, Arc::new(Port(Mutex::new(sender))))
        .expect("free");
    let buses = Arc::new(Buses {
        ports,
        mmio: Bus::default(),
        coalesced: vm
            .coalesce(&[(IoEventAddress::Pio(0x83), 1)])
            .then(Mutex::default),
    });
    let cpuid = vm.supported_cpuid().expect("CPUID");
    let vcpus = (0..count)
        .map(|id| {
            let fd = vm.create_vcpu(id, &cpuid).expect("a vCPU");
            let mut sregs = fd.get_sregs().expect("registers");
            sregs.cs.base = 0;
            sregs.cs.selector = 0;
            sregs.idt.limit = 0;
            fd.set_sregs(&sregs).expect("registers");
            fd.set_regs(&kvm_regs {
                rip: CODE,
                rsp: 0x8000,
                rflags: 2,
                ..kvm_regs::default()
            })
            .expect("registers");
            Vcpu::new(fd, buses.clone())
        })
        .collect();
    let on_breakpoint: OnBreakpoint = Arc::new(|| ());
    let on_end: OnEnd = Arc::new(|id, end| panic!("vCPU {id} ended: {end:?}"));
    let vcpus = Vcpus::new(vcpus, &on_breakpoint, &on_end).expect("threads");
    Some(Guest { vcpus, vm, written })
}

impl Guest {
    fn counter(&self) -> u16 {
        self.vm.ram().memory().read_obj(COUNTER).expect("RAM")
    }

    fn wait_for_change(&self) {
        let (began, before) = (Instant::now(), self.counter());
        while self.counter() == before {
            assert!(began.elapsed() < PATIENCE, "the guest stands still");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// `inc word [0x2000]; jmp back`
const COUNT: &[u8] = &[0xff, 0x06, 0x00, 0x20, 0xeb, 0xfa];

#[test]
fn a_paused_guest_stands_still_and_a_resumed_one_goes_on() {
    let Some(guest) = guest(1, COUNT) else { return };
    assert_eq!(guest.counter(), 0);
    for _ in 0..5 {
        guest.vcpus.resume();
        guest.wait_for_change();
        guest.vcpus.pause();
        let still = guest.counter();
        thread::sleep(Duration::from_millis(10));
        assert_eq!(guest.counter(), still);
        let states = guest.vcpus.states().expect("readable");
        assert!(
            (CODE..CODE + 6).contains(&states[0].registers.rip),
            "{states:x?}"
        );
        assert!(!states[0].halted);
    }
    guest.vcpus.end();
    guest.vcpus.resume();
    let still = guest.counter();
    thread::sleep(Duration::from_millis(10));
    assert_eq!(guest.counter(), still, "ended for good");
}

#[test]
fn vcpus_that_wait_in_the_kernel_are_called_back_too() {
    // `cli; hlt`: with the controllers in the kernel, so is the wait. The others wait for their start-up.
    let Some(guest) = guest(3, &[0xfa, 0xf4]) else {
        return;
    };
    guest.vcpus.resume();
    let began = Instant::now();
    loop {
        guest.vcpus.pause();
        let states = guest.vcpus.states().expect("readable");
        if states.iter().all(|state| state.halted) {
            assert_eq!(states.len(), 3);
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{states:x?}");
        guest.vcpus.resume();
    }
}

#[test]
fn ports_see_every_access_and_it_is_counted() {
    // `mov al,7; out 0x81,al; in al,0x82; out 0x80,al; in ax,0x82; out 0x80,ax; jmp $`
    let code = [
        0xb0, 7, 0xe6, 0x81, 0xe4, 0x82, 0xe6, 0x80, 0xe5, 0x82, 0xe7, 0x80, 0xeb, 0xfe,
    ];
    let Some(guest) = guest(1, &code) else { return };
    guest.vcpus.resume();
    let next = || guest.written.recv_timeout(PATIENCE).expect("a write");
    assert_eq!(next(), (1, vec![7]));
    assert_eq!(next(), (0, vec![0x42]));
    assert_eq!(next(), (0, vec![0x42, 0x42]));
    guest.vcpus.pause();
    let exits = guest.vcpus.each(|_, vcpu| vcpu.exits.clone());
    let (named, total) = crate::stats::sum(&exits);
    assert_eq!(total, 5, "{named:?}");
    assert!(named.contains(&("io_out:0x80".into(), 2)), "{named:?}");
    assert!(named.contains(&("io_in:0x82".into(), 2)), "{named:?}");
}

#[test]
fn string_instructions_are_several_accesses() {
    // `cld; mov di,0x2000; mov cx,3; mov dx,0x82; rep insb; mov al,1; out 0x80,al; jmp $`
    let code = [
        0xfc, 0xbf, 0x00, 0x20, 0xb9, 3, 0, 0xba, 0x82, 0, 0xf3, 0x6c, 0xb0, 1, 0xe6, 0x80, 0xeb,
        0xfe,
    ];
    let Some(guest) = guest(1, &code) else { return };
    guest.vcpus.resume();
    guest.written.recv_timeout(PATIENCE).expect("the end");
    let bytes: [u8; 3] = guest.vm.ram().memory().read_obj(COUNTER).expect("RAM");
    assert_eq!(bytes, [0x42; 3]);
}

#[test]
fn kept_writes_come_before_what_follows_them() {
    // `mov al,5; out 0x83,al; inc ax; out 0x83,al; out 0x80,al; jmp $`
    let code = [
        0xb0, 5, 0xe6, 0x83, 0x40, 0xe6, 0x83, 0xe6, 0x80, 0xeb, 0xfe,
    ];
    let Some(guest) = guest(1, &code) else { return };
    guest.vcpus.resume();
    let next = || guest.written.recv_timeout(PATIENCE).expect("a write");
    assert_eq!(next(), (3, vec![5]));
    assert_eq!(next(), (3, vec![6]));
    assert_eq!(next(), (0, vec![6]));
    guest.vcpus.pause();
    let exits = guest.vcpus.each(|_, vcpu| vcpu.exits.clone());
    let (_, total) = crate::stats::sum(&exits);
    assert!((1..=3).contains(&total), "{exits:?}");
}
