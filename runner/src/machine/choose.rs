//! Which engine a run uses.

use super::{Accelerator, Engine, kvm::Kvm, qemu::Qemu};
use std::path::PathBuf;
use vmm_core::{Fault, KvmHealth};

/// `--engine`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum EngineChoice {
    /// Our own monitor where KVM is fit for it, else QEMU's software emulation.
    Auto,
    /// Our own monitor, and nothing else.
    Kvm,
    /// QEMU, with KVM where that is healthy.
    Qemu,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum NoEngine {
    /// KVM is not fit, and nothing else was allowed.
    #[error("--engine kvm: {health}{}; --engine auto takes QEMU's software emulation instead", remedy(.health))]
    NoKvm {
        /// What is wrong with it.
        health: KvmHealth,
    },
    /// The program is not on this machine, and it was asked for.
    #[error("no qemu-system-x86_64 in PATH: {INSTALL}")]
    NoQemu,
    /// Neither can be used.
    #[error("{health}{}; and no qemu-system-x86_64 in PATH to do without: {INSTALL}", remedy(.health))]
    Neither {
        /// What is wrong with KVM.
        health: KvmHealth,
    },
}

/// How to come by QEMU.
const INSTALL: &str = "install it (Debian and Ubuntu: apt-get install qemu-system-x86; Fedora: dnf install qemu-system-x86-core; Arch: pacman -S qemu-system-x86)";

/// What helps, as the rest of a sentence.
fn remedy(health: &KvmHealth) -> String {
    health
        .remedy()
        .map_or_else(String::new, |remedy| format!(" ({remedy})"))
}

/// Chooses the engine and finds out what it runs on.
///
/// # Errors
/// When none can be used here.
pub fn choose(choice: EngineChoice) -> Result<Box<dyn Engine>, NoEngine> {
    decide(
        choice,
        probe(vmm_core::probe),
        find_program("qemu-system-x86_64"),
    )
}

/// How often a host that gave no answer in time is asked.
const ASKED: usize = 4;

/// The health of KVM: a host that was too busy to answer is asked again, as software emulation for the rest of the run would
/// cost far more than the seconds that this takes.
fn probe(ask: impl FnMut() -> KvmHealth) -> KvmHealth {
    let busy = KvmHealth::Broken(Fault::NoAnswer);
    std::iter::repeat_with(ask)
        .take(ASKED)
        .find(|health| *health != busy)
        .unwrap_or(busy)
}

fn decide(
    choice: EngineChoice,
    health: KvmHealth,
    qemu: Option<PathBuf>,
) -> Result<Box<dyn Engine>, NoEngine> {
    match (choice, health.is_healthy(), qemu) {
        (EngineChoice::Auto | EngineChoice::Kvm, true, _) => {
            Ok(Box::new(Kvm::new(health.to_string())))
        }
        (EngineChoice::Kvm, false, _) => Err(NoEngine::NoKvm { health }),
        (EngineChoice::Auto, false, None) => Err(NoEngine::Neither { health }),
        (EngineChoice::Qemu, _, None) => Err(NoEngine::NoQemu),
        (EngineChoice::Auto | EngineChoice::Qemu, healthy, Some(program)) => {
            let accelerator = if healthy {
                Accelerator::Kvm
            } else {
                Accelerator::Tcg
            };
            Ok(Box::new(Qemu::new(
                program,
                accelerator,
                health.to_string(),
                health.remedy(),
            )))
        }
    }
}

/// Finds an executable file in `PATH`.
fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|candidate| {
            rustix::fs::access(candidate, rustix::fs::Access::EXEC_OK).is_ok()
                && candidate.is_file()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: KvmHealth = KvmHealth::Healthy { micros: 9 };
    const BAD: KvmHealth = KvmHealth::Missing;

    #[test]
    fn a_busy_host_is_asked_again_and_no_other() {
        let busy = || KvmHealth::Broken(Fault::NoAnswer);
        let mut answers = [busy(), busy(), GOOD].into_iter();
        assert_eq!(probe(|| answers.next().expect("asked no more")), GOOD);
        let mut asked = 0;
        let mut count = |answer: KvmHealth| {
            asked += 1;
            answer
        };
        assert_eq!(probe(|| count(busy())), busy());
        assert_eq!(probe(|| count(BAD)), BAD);
        assert_eq!(asked, ASKED + 1);
    }

    fn name(
        choice: EngineChoice,
        health: KvmHealth,
        qemu: bool,
    ) -> Result<(&'static str, &'static str), String> {
        let program = qemu.then(|| PathBuf::from("/bin/qemu"));
        decide(choice, health, program)
            .map(|engine| (engine.name(), engine.accelerator().as_str()))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn our_own_monitor_comes_first_where_kvm_is_fit() {
        for qemu in [false, true] {
            assert_eq!(name(EngineChoice::Auto, GOOD, qemu), Ok(("kvm", "kvm")));
            assert_eq!(name(EngineChoice::Kvm, GOOD, qemu), Ok(("kvm", "kvm")));
        }
        assert_eq!(name(EngineChoice::Auto, BAD, true), Ok(("qemu", "tcg")));
        assert_eq!(name(EngineChoice::Qemu, BAD, true), Ok(("qemu", "tcg")));
        assert_eq!(name(EngineChoice::Qemu, GOOD, true), Ok(("qemu", "kvm")));
    }

    #[test]
    fn what_was_asked_for_is_never_replaced() {
        let words = name(EngineChoice::Kvm, BAD, true).expect_err("no fallback");
        assert!(
            words.starts_with("--engine kvm: no /dev/kvm (load kvm_intel"),
            "{words}"
        );
        let words = name(EngineChoice::Qemu, GOOD, false).expect_err("no fallback");
        assert!(
            words.starts_with("no qemu-system-x86_64 in PATH: install it"),
            "{words}"
        );
        let words = name(EngineChoice::Auto, BAD, false).expect_err("nothing to use");
        assert!(
            words.contains("no /dev/kvm") && words.contains("apt-get install"),
            "{words}"
        );
    }
}
