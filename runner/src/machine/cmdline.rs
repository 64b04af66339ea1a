//! The kernel command line, as a table: every option with its reason.
//!
//! Only options that change nothing a test can observe are used unasked. `mitigations=off`, `nokaslr`, `quiet`
//! and the like never are; whoever wants them passes `--append`.

use super::{Accelerator, Transport};

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
    ("loglevel=7", "a boot that fails shows how far it came"),
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
    ("i8042.noaux", "no mouse: saves the probe's time-outs"),
    ("i8042.nomux", "no mouse: saves the probe's time-outs"),
    ("i8042.dumbkbd", "no keyboard lights to wait for"),
];

impl CommandLine {
    /// The command line of a machine; `append` is the user's and comes last, so that it wins.
    #[must_use]
    pub fn new(
        transport: Transport,
        accelerator: Accelerator,
        nested: bool,
        append: &[String],
    ) -> Self {
        let mut options: Vec<KernelOption> = ALWAYS
            .iter()
            .map(|(text, why)| KernelOption {
                text: (*text).into(),
                why,
            })
            .collect();
        if transport == Transport::Mmio {
            options.push(KernelOption {
                text: "reboot=t".into(),
                why: "there is no keyboard controller to reset by: three seconds saved after a panic",
            });
        }
        if accelerator == Accelerator::Tcg {
            options.push(KernelOption {
                text: "no_timer_check".into(),
                why: "emulation can be too slow for the timer interrupt check; KVM guests skip it themselves",
            });
        }
        if accelerator == Accelerator::Tcg && nested {
            options.push(KernelOption {
                text: "tsc=reliable".into(),
                why: "emulation can be too slow for the check that the CPUs' counters agree, which they do; KVM's clocks need them",
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
        for transport in [Transport::Pci, Transport::Mmio] {
            for accelerator in [Accelerator::Kvm, Accelerator::Tcg] {
                let line = CommandLine::new(transport, accelerator, false, &[]).to_string();
                for word in [
                    "mitigations",
                    "nokaslr",
                    "quiet",
                    "audit",
                    "nosmp",
                    "tsc=",
                    "panic_on",
                ] {
                    assert!(!line.contains(word), "{word} in {line}");
                }
            }
        }
    }

    #[test]
    fn only_an_emulated_machine_with_machines_inside_is_told_to_trust_its_clock() {
        for accelerator in [Accelerator::Kvm, Accelerator::Tcg] {
            let line = CommandLine::new(Transport::Pci, accelerator, true, &[]).to_string();
            let told = line.contains("tsc=reliable");
            assert_eq!(told, accelerator == Accelerator::Tcg, "{line}");
        }
    }

    #[test]
    fn the_users_options_come_last() {
        let line = CommandLine::new(
            Transport::Pci,
            Accelerator::Kvm,
            false,
            &["loglevel=3".into(), "a b".into()],
        );
        assert!(line.to_string().ends_with(" loglevel=3 a b"), "{line}");
    }
}
