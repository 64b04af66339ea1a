//! Which engine a run uses.

use super::{Accelerator, Engine, qemu::Qemu};

/// `--engine`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum EngineChoice {
    /// The best one that works here.
    Auto,
    /// QEMU, with KVM where that is healthy.
    Qemu,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum NoEngine {
    /// The program is not on this machine.
    #[error(
        "no qemu-system-x86_64 in PATH, and it is the only engine so far: install it (Debian and Ubuntu: apt-get install qemu-system-x86; Fedora: dnf install qemu-system-x86-core; Arch: pacman -S qemu-system-x86)"
    )]
    NoQemu,
}

/// Chooses the engine and finds out what it runs on.
///
/// # Errors
/// When none can be used here.
pub fn choose(choice: EngineChoice) -> Result<Box<dyn Engine>, NoEngine> {
    match choice {
        EngineChoice::Auto | EngineChoice::Qemu => {
            let program = find_program("qemu-system-x86_64").ok_or(NoEngine::NoQemu)?;
            let health = vmm_core::probe();
            let accelerator = if health.is_healthy() {
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
fn find_program(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|candidate| {
            rustix::fs::access(candidate, rustix::fs::Access::EXEC_OK).is_ok()
                && candidate.is_file()
        })
}
