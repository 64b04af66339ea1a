//! Looks into machines that stand still in different ways.

use super::*;
use vmm_core::control::{KernelPlace, Registers};

/// One function, `foo`, and one behind it, `bar`.
struct Two;

impl Symbols for Two {
    fn resolve(&self, address: u64) -> Option<(&str, u64)> {
        match address {
            0xffff_ffff_8100_0000..=0xffff_ffff_8100_00ff => {
                Some(("foo", address - 0xffff_ffff_8100_0000))
            }
            0xffff_ffff_8100_0100..=0xffff_ffff_8100_01ff => {
                Some(("bar", address - 0xffff_ffff_8100_0100))
            }
            _ => None,
        }
    }
}

const OFFSET: u64 = 0x1200_0000;
const FOO: u64 = 0xffff_ffff_8100_0000 + OFFSET;
const BAR: u64 = FOO + 0x100;
const SECOND: Duration = Duration::from_secs(1);

fn vcpu(id: u32, rip: u64) -> VcpuState {
    VcpuState {
        id,
        exits: 10,
        ran_nanos: 5_000_000_000,
        waited_nanos: 0,
        halted: false,
        registers: Registers {
            rip,
            rflags: INTERRUPTS,
            cs: 0x10,
            ..Registers::default()
        },
        stack: vec![rip],
    }
}

/// A second later, at `rip`, having run all the time.
fn later(vcpu: &VcpuState, rip: u64) -> VcpuState {
    let mut later = vcpu.clone();
    later.registers.rip = rip;
    later.stack = vec![rip, BAR + 4, 0xffff_ffff_ffff_0000];
    later.ran_nanos += 1_000_000_000;
    later.exits += 3;
    later
}

fn machine(vcpus: Vec<VcpuState>) -> Inspection {
    Inspection {
        vcpus,
        log: Err("not looked for".into()),
        kernel: Some(KernelPlace {
            virtual_offset: OFFSET,
        }),
    }
}

fn summary(before: VcpuState, after: VcpuState) -> String {
    compare(
        &machine(vec![before]),
        &machine(vec![after]),
        SECOND,
        Some(&Two),
    )
    .summary
}

#[test]
fn what_a_cpu_does_is_told_apart() {
    let at_foo = vcpu(0, FOO + 1);
    assert_eq!(
        summary(at_foo.clone(), later(&at_foo, FOO + 0x20)),
        "vCPU 0 spins at foo+0x20"
    );
    assert_eq!(
        summary(at_foo.clone(), later(&at_foo, BAR)),
        "vCPU 0 runs, now at bar+0x0"
    );
    assert_eq!(
        summary(at_foo.clone(), later(&at_foo, 0x40_1000)),
        "vCPU 0 runs, now at 0x401000 (not kernel code)"
    );
    let mut idle = later(&at_foo, FOO);
    idle.halted = true;
    assert_eq!(summary(at_foo.clone(), idle.clone()), "all vCPUs are idle");
    idle.registers.rflags = 2;
    assert_eq!(
        summary(at_foo.clone(), idle),
        "vCPU 0 is halted with interrupts off"
    );
    let mut starved = at_foo.clone();
    starved.waited_nanos += 900_000_000;
    assert_eq!(
        summary(at_foo, starved),
        "vCPU 0 got no processor time from the host"
    );
}

#[test]
fn without_symbols_only_the_same_address_is_the_same_place() {
    let at_foo = vcpu(0, FOO);
    let look = |rip| {
        let (before, after) = (
            machine(vec![at_foo.clone()]),
            machine(vec![later(&at_foo, rip)]),
        );
        compare(&before, &after, SECOND, None).summary
    };
    assert_eq!(look(FOO), "vCPU 0 spins at 0xffffffff93000000");
    assert_eq!(look(FOO + 1), "vCPU 0 runs, now at 0xffffffff93000001");
}

#[test]
fn many_cpus_make_a_short_summary_and_a_whole_section() {
    let before: Vec<VcpuState> = (0..64).map(|id| vcpu(id, FOO)).collect();
    let after: Vec<VcpuState> = before
        .iter()
        .map(|vcpu| {
            let mut after = later(vcpu, FOO);
            after.halted = vcpu.id >= 10;
            after
        })
        .collect();
    let stall = compare(&machine(before), &machine(after), SECOND, Some(&Two));
    assert_eq!(
        stall.summary,
        "vCPU 0 spins at foo+0x0, vCPU 1 spins at foo+0x0, vCPU 2 spins at foo+0x0, vCPU 3 spins at foo+0x0, \
         6 more are not idle, the other 54 are idle"
    );
    let section = stall.section.join("\n");
    assert_eq!(section.matches("  RIP: 0010:foo+0x0").count(), 64);
    assert_eq!(section.matches("    bar+0x4\n").count(), 64);
    assert!(
        section
            .contains("vCPU 3 spins at foo+0x0; 3 exits and 1000 ms of processor time in between"),
        "{section}"
    );
    assert!(section.contains("    0xffffffffffff0000"), "{section}");
}

#[test]
fn the_place_of_the_end_is_named_where_it_is_certain() {
    let mut idle = vcpu(1, BAR);
    idle.halted = true;
    let one = machine(vec![vcpu(0, FOO + 5), idle.clone()]);
    assert_eq!(place(&one, Some(&Two)).as_deref(), Some("foo+0x5"));
    let two = machine(vec![vcpu(0, FOO), vcpu(1, BAR)]);
    assert_eq!(place(&two, Some(&Two)), None);
    assert_eq!(place(&machine(vec![idle]), Some(&Two)), None);
    let text = portrait(&two, Some(&Two)).join("\n");
    assert!(
        text.contains("vCPU 1 was running\n  RIP: 0010:bar+0x0"),
        "{text}"
    );
}
