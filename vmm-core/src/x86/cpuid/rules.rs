//! What is changed in what KVM supports, with the reasons, as a table.
//!
//! Everything that KVM supports is shown but for what is here: a test is to see the processor it runs on. A feature is
//! hidden where a machine with it could not be saved and restored, or where it speaks of the host and not of the guest.
//! The topology, which is made rather than changed, is in `leaves.rs`.
//!
//! Numbers: Intel SDM volume 2, `CPUID`; AMD APM volume 3, appendix E; `Documentation/virt/kvm/x86/cpuid.rst` of the kernel.

use std::fmt;

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// EAX of the instruction.
    pub leaf: u32,
    /// ECX of the instruction; `None` where there is none, or all are meant.
    pub subleaf: Option<u32>,
    /// What is done.
    pub change: Change,
    /// Where it is done.
    pub when: When,
    /// What it is called.
    pub name: &'static str,
    /// The reason.
    pub why: &'static str,
}

/// What is done to a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Sets these bits.
    Set(Register, u32),
    /// Clears these bits.
    Clear(Register, u32),
    /// Makes it all zero.
    Hide,
}

/// One of the four registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the architecture's names")]
pub enum Register {
    Eax,
    Ebx,
    Ecx,
    Edx,
}

/// Where a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// In every machine.
    Always,
    /// Unless the guest may be a host itself.
    NotNested,
    /// Where KVM has `KVM_CAP_TSC_DEADLINE_TIMER`.
    TscDeadline,
    /// Where it has not.
    NoTscDeadline,
}

use Change::{Clear, Hide, Set};
use Register::{Eax, Ebx, Ecx, Edx};
use When::{Always, NoTscDeadline, NotNested, TscDeadline};

const CET: &str = "the shadow stack pointer is no MSR and is not saved yet";
const AMX: &str =
    "the tiles make the state larger than what is saved, and need the host's permission";
const PMU: &str = "counters are shared with the host's own and are not saved yet";
const TRACE: &str = "its buffers and registers are not saved";
const SGX: &str = "enclave memory is the host's";
const MPX: &str = "withdrawn by Intel; its registers are not saved";
const ASYNC: &str = "a page announced as missing would never arrive in a restored machine";
const HOST: &str = "describes the host's processor";

/// The table, in the order it is applied.
pub const RULES: &[Rule] = &[
    // What is shown.
    bits(
        0x1,
        Set(Ecx, 1 << 31),
        "hypervisor",
        "the kernel looks for KVM's leaves only with it",
    ),
    bits(
        0x1,
        Set(Ecx, 1 << 21),
        "x2APIC",
        "KVM emulates it everywhere; registers by MSR cost fewer exits",
    ),
    Rule {
        when: TscDeadline,
        ..bits(
            0x1,
            Set(Ecx, 1 << 24),
            "TSC deadline timer",
            "no calibration and one MSR write a timer; KVM before Linux 6.14 has it but does not say so here",
        )
    },
    Rule {
        when: NoTscDeadline,
        ..bits(
            0x1,
            Clear(Ecx, 1 << 24),
            "TSC deadline timer",
            "KVM's APIC has no such timer",
        )
    },
    // What could not be saved.
    sub(0x7, 0, Clear(Ecx, 1 << 7), "CET shadow stacks", CET),
    sub(
        0x7,
        0,
        Clear(Edx, 1 << 20),
        "CET indirect branch tracking",
        CET,
    ),
    sub(
        0x7,
        1,
        Clear(Edx, 1 << 18),
        "CET supervisor shadow stacks",
        CET,
    ),
    sub(
        0x7,
        0,
        Clear(Edx, 1 << 22 | 1 << 24 | 1 << 25),
        "AMX (bf16, tiles, int8)",
        AMX,
    ),
    sub(0x7, 1, Clear(Eax, 1 << 21), "AMX (fp16)", AMX),
    sub(0x7, 1, Clear(Edx, 1 << 8), "AMX (complex)", AMX),
    leaf(0x1d, "AMX tiles", AMX),
    leaf(0x1e, "AMX multiplication", AMX),
    sub(
        0xd,
        0,
        Clear(Eax, 1 << 17 | 1 << 18),
        "XSAVE state of AMX",
        AMX,
    ),
    sub(0xd, 1, Clear(Eax, 1 << 4), "extended feature disable", AMX),
    sub(
        0x7,
        1,
        Clear(Eax, 1 << 17),
        "FRED",
        "its stack pointers and event data are not saved yet",
    ),
    Rule {
        when: NotNested,
        ..bits(
            0x1,
            Clear(Ecx, 1 << 5),
            "VMX",
            "a guest's guest is not saved yet; on request only",
        )
    },
    Rule {
        when: NotNested,
        ..bits(
            0x8000_0001,
            Clear(Ecx, 1 << 2),
            "SVM",
            "a guest's guest is not saved yet; on request only",
        )
    },
    Rule {
        when: NotNested,
        ..leaf(
            0x8000_000a,
            "SVM's features",
            "a guest's guest is not saved yet; on request only",
        )
    },
    bits(0x1, Clear(Ecx, 1 << 15), "performance capabilities", PMU),
    leaf(0xa, "Intel's performance counters", PMU),
    leaf(0x23, "Intel's performance counters, extended", PMU),
    bits(
        0x8000_0001,
        Clear(Ecx, 1 << 23 | 1 << 24 | 1 << 28),
        "AMD's performance counters (core, NB, L3)",
        PMU,
    ),
    bits(
        0x8000_0001,
        Clear(Ecx, 1 << 10),
        "instruction-based sampling",
        PMU,
    ),
    leaf(0x8000_001b, "instruction-based sampling", PMU),
    leaf(0x8000_0022, "AMD's performance counters, version 2", PMU),
    sub(0x7, 0, Clear(Edx, 1 << 19), "last branch records", TRACE),
    leaf(0x1c, "last branch records", TRACE),
    sub(0x7, 0, Clear(Ebx, 1 << 25), "processor trace", TRACE),
    leaf(0x14, "processor trace", TRACE),
    sub(
        0xd,
        1,
        Clear(Ecx, u32::MAX),
        "XSAVE states of supervisors",
        "all of them belong to features hidden here",
    ),
    sub(
        0xd,
        1,
        Clear(Edx, u32::MAX),
        "XSAVE states of supervisors",
        "all of them belong to features hidden here",
    ),
    sub(0x7, 0, Clear(Ebx, 1 << 14), "MPX", MPX),
    sub(
        0xd,
        0,
        Clear(Eax, 1 << 3 | 1 << 4),
        "XSAVE state of MPX",
        MPX,
    ),
    sub(0x7, 0, Clear(Ebx, 1 << 2), "SGX", SGX),
    sub(0x7, 0, Clear(Ecx, 1 << 30), "SGX launch control", SGX),
    sub(0x7, 0, Clear(Edx, 1 << 1), "SGX attestation", SGX),
    leaf(0x12, "SGX", SGX),
    leaf(
        0x8000_001f,
        "memory encryption",
        "the monitor reads the guest's memory when it died",
    ),
    bits(
        0x4000_0001,
        Clear(Eax, 1 << 4),
        "asynchronous page faults",
        ASYNC,
    ),
    bits(
        0x4000_0001,
        Clear(Eax, 1 << 10),
        "asynchronous page faults as #VMEXIT",
        ASYNC,
    ),
    bits(
        0x4000_0001,
        Clear(Eax, 1 << 14),
        "asynchronous page faults by interrupt",
        ASYNC,
    ),
    // What is not the guest's.
    sub(0x7, 0, Clear(Edx, 1 << 15), "hybrid processor", HOST),
    leaf(0x1a, "kind of core", HOST),
    leaf(0x8000_0026, "complexes and dies", HOST),
];

const fn bits(leaf: u32, change: Change, name: &'static str, why: &'static str) -> Rule {
    Rule {
        leaf,
        subleaf: None,
        change,
        when: Always,
        name,
        why,
    }
}

const fn sub(
    leaf: u32,
    subleaf: u32,
    change: Change,
    name: &'static str,
    why: &'static str,
) -> Rule {
    Rule {
        subleaf: Some(subleaf),
        ..bits(leaf, change, name, why)
    }
}

const fn leaf(leaf: u32, name: &'static str, why: &'static str) -> Rule {
    bits(leaf, Hide, name, why)
}

/// A line of a Markdown table: leaf, change, name, reason.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {:#x}", self.leaf)?;
        if let Some(subleaf) = self.subleaf {
            write!(f, ".{subleaf}")?;
        }
        let (verb, place) = match self.change {
            Set(register, mask) => ("shown", Some((register, mask))),
            Clear(register, mask) => ("hidden", Some((register, mask))),
            Hide => ("hidden", None),
        };
        match place {
            None => write!(f, " | all")?,
            Some((register, u32::MAX)) => write!(f, " | {register}")?,
            Some((register, mask)) => {
                let bits: Vec<_> = (0..32)
                    .filter(|bit| mask >> bit & 1 == 1)
                    .map(|bit| bit.to_string())
                    .collect();
                write!(f, " | {register} {}", bits.join(", "))?;
            }
        }
        write!(f, " | {} | {verb}{} | {} |", self.name, self.when, self.why)
    }
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Eax => "EAX",
            Ebx => "EBX",
            Ecx => "ECX",
            Edx => "EDX",
        })
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Always => "",
            NotNested => " unless nested",
            TscDeadline => " where KVM has it",
            NoTscDeadline => " where KVM has it not",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../../../../docs/cpuid.md");

    #[test]
    fn the_document_has_the_table() {
        let table: String = RULES.iter().map(|rule| format!("{rule}\n")).collect();
        assert!(
            DOCUMENT.contains(&table),
            "docs/cpuid.md should have\n{table}"
        );
    }

    #[test]
    fn a_bit_is_shown_or_hidden_but_not_both() {
        let parts = |rule: &Rule| match rule.change {
            Set(register, mask) => Some((true, register, mask)),
            Clear(register, mask) => Some((false, register, mask)),
            Hide => None,
        };
        for (index, one) in RULES.iter().enumerate() {
            for other in &RULES[..index] {
                let (Some(a), Some(b)) = (parts(one), parts(other)) else {
                    continue;
                };
                let same = (one.leaf, one.subleaf, a.1) == (other.leaf, other.subleaf, b.1);
                if same && a.2 & b.2 != 0 {
                    assert_eq!(
                        (one.when, other.when),
                        (NoTscDeadline, TscDeadline),
                        "{one}\n{other}"
                    );
                }
            }
        }
    }
}
