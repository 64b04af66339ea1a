//! The kernel command line, as a table: every option with its reason.
//!
//! Only options that change nothing a test can observe are used unasked. `mitigations=off`, `nokaslr`, `quiet`
//! and the like never are; whoever wants them passes `--append`.

use super::{Accelerator, Transport};

/// What the kernel will find itself on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// A machine of our own monitor.
    Kvm {
        /// Whether ACPI tables say what there is and what is not.
        acpi: bool,
        /// How virtio devices are attached.
        transport: Transport,
    },
    /// A machine of QEMU.
    Qemu {
        /// What executes its code.
        accelerator: Accelerator,
        /// How virtio devices are attached.
        transport: Transport,
        /// Whether machines run inside.
        nested: bool,
        /// How many CPUs, the first ones, nothing is to run on unasked.
        spare_cpus: u32,
    },
}

/// One option and why it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelOption {
    /// As the kernel takes it.
    pub text: String,
    /// Why, for `-v` and the documentation.
    pub why: &'static str,
}

/// A whole command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// Our options, then the user's.
    pub options: Vec<KernelOption>,
}

/// Options for every machine (`Documentation/admin-guide/kernel-parameters.txt`).
const ALWAYS: &[(&str, &str)] = &[
    (
        "console=ttyS0",
        "text from before init, and of a panic, leaves by the serial port",
    ),
    (
        "printk.time=1",
        "lines of the console and of the kernel log can be matched",
    ),
    (
        "panic=-1",
        "a panicked machine ends at once instead of standing still",
    ),
    (
        "rdinit=/init",
        "our init, whatever the kernel's own default is",
    ),
];

/// How much of its log the kernel writes to the serial port, where that is all that is left of one that dies early.
const TALKATIVE: (&str, &str) = ("loglevel=7", "a boot that fails shows how far it came");

/// How much of it where the log is read out of guest memory: a character on the serial port is two exits.
const TERSE: (&str, &str) = (
    "loglevel=4",
    "a boot that fails leaves its log in guest memory, where it is read; errors and panics still show at once",
);

/// For machines whose kernel is not told that there is no keyboard.
const NO_KEYBOARD: &[(&str, &str)] = &[
    ("i8042.noaux", "no mouse: saves the probe's time-outs"),
    ("i8042.nomux", "no mouse: saves the probe's time-outs"),
    ("i8042.dumbkbd", "no keyboard lights to wait for"),
];

const NO_PCI: (&str, &str) = (
    "pci=off",
    "there is no PCI bus: the kernel would look for one register by register",
);

const NO_CONTROLLER: (&str, &str) = (
    "reboot=t",
    "there is no keyboard controller to reset by: three seconds saved after a panic",
);

const NO_TIMER_CHECK: (&str, &str) = (
    "no_timer_check",
    "emulation can be too slow for the timer interrupt check; KVM guests skip it themselves",
);

const TRUSTED_COUNTERS: (&str, &str) = (
    "tsc=reliable",
    "emulation can be too slow for the check that the CPUs' counters agree, which they do; KVM's clocks need them",
);

/// Whether the kernel reads ACPI tables with these options of the user's (`parse_acpi` in `arch/x86/kernel/acpi/boot.c`): a
/// machine for one that does not is described by other means.
#[must_use]
pub fn leaves_acpi_on(append: &[String]) -> bool {
    let words = append.iter().flat_map(|options| options.split_whitespace());
    words.fold(true, |on, word| match word {
        "acpi=off" => false,
        "acpi=force" => true,
        _ => on,
    })
}

impl CommandLine {
    /// The command line of a machine; `append` is the user's and comes last, so that it wins.
    #[must_use]
    pub fn new(platform: Platform, append: &[String]) -> Self {
        let mut table = ALWAYS.to_vec();
        match platform {
            Platform::Kvm { acpi, transport } => {
                table.push(TERSE);
                if transport == Transport::Mmio {
                    table.push(NO_PCI);
                }
                if !acpi {
                    table.extend(NO_KEYBOARD);
                }
            }
            Platform::Qemu {
                accelerator,
                transport,
                nested,
                spare_cpus: _,
            } => {
                table.push(TALKATIVE);
                table.extend(NO_KEYBOARD);
                if transport == Transport::Mmio {
                    table.push(NO_CONTROLLER);
                }
                if accelerator == Accelerator::Tcg {
                    table.push(NO_TIMER_CHECK);
                }
                if accelerator == Accelerator::Tcg && nested {
                    table.push(TRUSTED_COUNTERS);
                }
            }
        }
        let mut options: Vec<KernelOption> = table
            .into_iter()
            .map(|(text, why)| KernelOption {
                text: text.into(),
                why,
            })
            .collect();
        if let Platform::Qemu {
            spare_cpus: spare @ 1..,
            ..
        } = platform
        {
            let last = spare - 1;
            options.push(KernelOption {
                text: if last == 0 {
                    "isolcpus=0".into()
                } else {
                    format!("isolcpus=0-{last}")
                },
                why: "emulated CPUs write to the state of the first, which therefore runs no machine",
            });
        }
        options.extend(append.iter().map(|text| KernelOption {
            text: text.clone(),
            why: "asked for with --append",
        }));
        Self { options }
    }
}

impl std::fmt::Display for CommandLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, option) in self.options.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            write!(f, "{space}{}", option.text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_a_test_is_never_there_unasked() {
        let mut platforms = vec![
            Platform::Kvm {
                acpi: true,
                transport: Transport::Pci,
            },
            Platform::Kvm {
                acpi: false,
                transport: Transport::Pci,
            },
        ];
        for transport in [Transport::Pci, Transport::Mmio] {
            for accelerator in [Accelerator::Kvm, Accelerator::Tcg] {
                platforms.push(Platform::Qemu {
                    accelerator,
                    transport,
                    nested: false,
                    spare_cpus: 0,
                });
            }
        }
        for platform in platforms {
            let line = CommandLine::new(platform, &[]).to_string();
            for word in [
                "mitigations",
                "nokaslr",
                "quiet",
                "audit",
                "nosmp",
                "tsc=",
                "isolcpus",
                "nohz",
                "highres",
                "panic_on",
            ] {
                assert!(!line.contains(word), "{word} in {line}");
            }
        }
    }

    #[test]
    fn only_an_emulated_machine_with_machines_inside_is_told_to_trust_its_clock() {
        for accelerator in [Accelerator::Kvm, Accelerator::Tcg] {
            let platform = Platform::Qemu {
                accelerator,
                transport: Transport::Pci,
                nested: true,
                spare_cpus: 2,
            };
            let line = CommandLine::new(platform, &[]).to_string();
            let told = line.contains("tsc=reliable");
            assert_eq!(told, accelerator == Accelerator::Tcg, "{line}");
            assert!(line.contains("isolcpus=0-1"), "{line}");
        }
    }

    #[test]
    fn acpi_is_off_when_the_user_says_so() {
        let on = |append: &[&str]| {
            let append: Vec<String> = append.iter().map(|&text| text.into()).collect();
            leaves_acpi_on(&append)
        };
        assert!(on(&[]));
        assert!(on(&["acpi=noirq pci=noacpi", "xacpi=off"]));
        assert!(!on(&["acpi=off"]));
        assert!(!on(&["nokaslr", "a=1  acpi=off b"]));
        assert!(on(&["acpi=off", "acpi=force"]));
    }

    #[test]
    fn the_users_options_come_last() {
        let line = CommandLine::new(
            Platform::Kvm {
                acpi: true,
                transport: Transport::Pci,
            },
            &["loglevel=3".into(), "a b".into()],
        );
        assert!(line.to_string().ends_with(" loglevel=3 a b"), "{line}");
    }
}
