//! What the virtual CPUs of a machine are doing, from looks into it. Pure.
//!
//! What is looked at came from the guest: register values and words of its stacks. Nothing is done with them but to print
//! them, as many as fit.

use crate::machine::{Inspection, VcpuState};
use std::time::Duration;

/// Names for addresses of the kernel.
pub trait Symbols: Send + Sync {
    /// The function that an address is in, as in the kernel's ELF file, and how far into it.
    fn resolve(&self, address: u64) -> Option<(&str, u64)>;
}

/// Most return addresses shown of a CPU.
const FRAMES: usize = 32;

/// Most CPUs named in a summary.
const NAMED: usize = 4;

/// Interrupts are taken (`RFLAGS.IF`; Intel SDM volume 1, 3.4.3).
const INTERRUPTS: u64 = 1 << 9;

/// Where the kernel's half of the address space begins.
const KERNEL_HALF: u64 = 1 << 63;

/// Names for the addresses of one machine.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    symbols: Option<&'a dyn Symbols>,
    offset: u64,
}

impl<'a> Names<'a> {
    /// For the kernel in that machine.
    pub fn new(symbols: Option<&'a dyn Symbols>, inspection: &Inspection) -> Self {
        Self {
            symbols: symbols.filter(|_| inspection.kernel.is_some()),
            offset: inspection.kernel.as_ref().map_or(0, |k| k.virtual_offset),
        }
    }

    fn symbol(&self, address: u64) -> Option<(&'a str, u64)> {
        self.symbols?.resolve(address.wrapping_sub(self.offset))
    }

    /// `function+0x1f`, else the bare address.
    pub fn place(&self, address: u64) -> String {
        match self.symbol(address) {
            Some((name, offset)) => format!("{name}+{offset:#x}"),
            None if address < KERNEL_HALF => format!("{address:#x} (not kernel code)"),
            None => format!("{address:#x}"),
        }
    }
}

/// What a CPU did between two looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doing {
    /// It waited for an interrupt.
    Idle,
    /// It waits for an interrupt and takes none: nothing but an NMI can wake it.
    Stopped,
    /// The host gave it no time.
    Starved,
    /// It was in the same place.
    Spinning(String),
    /// It was in different places, and lastly here.
    Running(String),
}

impl std::fmt::Display for Doing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Idle => write!(f, "is idle"),
            Self::Stopped => write!(f, "is halted with interrupts off"),
            Self::Starved => write!(f, "got no processor time from the host"),
            Self::Spinning(place) => write!(f, "spins at {place}"),
            Self::Running(place) => write!(f, "runs, now at {place}"),
        }
    }
}

fn doing(before: &VcpuState, after: &VcpuState, between: Duration, names: Names<'_>) -> Doing {
    let (was, is) = (before.registers.rip, after.registers.rip);
    if after.halted {
        // A CPU that waits for its start-up has interrupts off too, and is nowhere yet.
        return if is >= KERNEL_HALF && after.registers.rflags & INTERRUPTS == 0 {
            Doing::Stopped
        } else {
            Doing::Idle
        };
    }
    let ran = Duration::from_nanos(after.ran_nanos.saturating_sub(before.ran_nanos));
    let waited = Duration::from_nanos(after.waited_nanos.saturating_sub(before.waited_nanos));
    if ran < between / 100 && waited > between / 2 {
        return Doing::Starved;
    }
    let same = match (names.symbol(was), names.symbol(is)) {
        (Some((was, _)), Some((is, _))) => was == is,
        _ => was == is,
    };
    let place = names.place(is);
    if same && !before.halted {
        Doing::Spinning(place)
    } else {
        Doing::Running(place)
    }
}

/// What a machine that does not answer is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// For the message of a verdict.
    pub summary: String,
    /// For the log: what each CPU does, its registers, its stack.
    pub section: Vec<String>,
}

/// Compares two looks into a machine, so much time apart.
pub fn compare(
    before: &Inspection,
    after: &Inspection,
    between: Duration,
    symbols: Option<&dyn Symbols>,
) -> Stall {
    let names = Names::new(symbols, after);
    let mut section = vec![format!(
        "two looks into the machine, {} ms apart, found:",
        between.as_millis()
    )];
    let mut busy = Vec::new();
    let mut idle: usize = 0;
    for (before, after) in before.vcpus.iter().zip(&after.vcpus) {
        let doing = doing(before, after, between, names);
        let exits = after.exits.saturating_sub(before.exits);
        let ran = after.ran_nanos.saturating_sub(before.ran_nanos) / 1_000_000;
        section.push(format!(
            "vCPU {} {doing}; {exits} exits and {ran} ms of processor time in between",
            after.id
        ));
        portrait_of(after, names, &mut section);
        match doing {
            Doing::Idle => idle += 1,
            doing => busy.push(format!("vCPU {} {doing}", after.id)),
        }
    }
    let unnamed = busy.len().saturating_sub(NAMED);
    busy.truncate(NAMED);
    if unnamed > 0 {
        busy.push(format!("{unnamed} more are not idle"));
    }
    let summary = match (busy.is_empty(), idle) {
        (true, _) => "all vCPUs are idle".into(),
        (false, 0) => busy.join(", "),
        (false, 1) => format!("{}, the other is idle", busy.join(", ")),
        (false, _) => format!("{}, the other {idle} are idle", busy.join(", ")),
    };
    Stall { summary, section }
}

/// Registers and stacks of every CPU, for the log.
pub fn portrait(inspection: &Inspection, symbols: Option<&dyn Symbols>) -> Vec<String> {
    let names = Names::new(symbols, inspection);
    let mut section = vec!["the machine as it ended:".to_owned()];
    for vcpu in &inspection.vcpus {
        let halted = if vcpu.halted { "halted" } else { "running" };
        section.push(format!("vCPU {} was {halted}", vcpu.id));
        portrait_of(vcpu, names, &mut section);
    }
    section
}

/// Where the one CPU that was not halted stood; nothing where that may have been another.
pub fn place(inspection: &Inspection, symbols: Option<&dyn Symbols>) -> Option<String> {
    let mut busy = inspection.vcpus.iter().filter(|vcpu| !vcpu.halted);
    let vcpu = busy.next()?;
    let names = Names::new(symbols, inspection);
    busy.next()
        .is_none()
        .then(|| names.place(vcpu.registers.rip))
}

fn portrait_of(vcpu: &VcpuState, names: Names<'_>, section: &mut Vec<String>) {
    let r = &vcpu.registers;
    section.push(format!("  RIP: {:04x}:{}", r.cs, names.place(r.rip)));
    let rows: [[(&str, u64); 3]; 8] = [
        [("RIP", r.rip), ("RSP", r.rsp), ("RFLAGS", r.rflags)],
        [("RAX", r.rax), ("RBX", r.rbx), ("RCX", r.rcx)],
        [("RDX", r.rdx), ("RSI", r.rsi), ("RDI", r.rdi)],
        [("RBP", r.rbp), ("R8", r.r8), ("R9", r.r9)],
        [("R10", r.r10), ("R11", r.r11), ("R12", r.r12)],
        [("R13", r.r13), ("R14", r.r14), ("R15", r.r15)],
        [("CR0", r.cr0), ("CR2", r.cr2), ("CR3", r.cr3)],
        [("CR4", r.cr4), ("EFER", r.efer), ("GS", r.gs_base)],
    ];
    for row in rows {
        let cells = row.map(|(name, value)| format!("{name:>6}: {value:016x}"));
        section.push(format!("  {}", cells.join(" ")));
    }
    if vcpu.stack.len() > 1 {
        section.push("  on its stack, innermost first:".into());
    }
    let frames = vcpu.stack.iter().skip(1).take(FRAMES);
    section.extend(frames.map(|&address| format!("    {}", names.place(address))));
}

#[cfg(test)]
#[path = "stall_tests.rs"]
mod tests;
