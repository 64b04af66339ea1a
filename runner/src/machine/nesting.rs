//! Virtualization inside the machine (`--nested`): who offers it, and what it takes of the guest's kernel.

use super::{Accelerator, Engine};
use std::{fs, path::Path};

/// Where the kernel shows the parameters of its modules.
const MODULES: &str = "/sys/module";

/// Whose virtualization a guest is given, and so which of its KVM modules drives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nesting {
    /// AMD's: SVM, with nested paging.
    Svm,
    /// Intel's: VMX.
    Vmx,
}

/// Why a machine cannot have virtualization of its own.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NoNesting {
    /// Only one engine passes it on.
    #[error("--nested is for the QEMU engine, and {0} was chosen: add --engine qemu")]
    Engine(&'static str),
    /// The host keeps it to itself.
    #[error(
        "this host gives its guests no virtualization: {MODULES}/{module}/parameters/nested is {value:?}; as root, with no \
         machine running, `modprobe -r {module} && modprobe {module} nested=1`, and for every boot put `options {module} \
         nested=1` into /etc/modprobe.d/kvm.conf"
    )]
    TurnedOff {
        /// The host's KVM module.
        module: &'static str,
        /// What its parameter says.
        value: String,
    },
    /// Neither module says anything.
    #[error(
        "whether this host gives its guests virtualization cannot be told: neither {MODULES}/kvm_amd/parameters/nested nor \
         {MODULES}/kvm_intel/parameters/nested can be read"
    )]
    Unknown,
}

impl Nesting {
    /// What a machine of this engine can be given.
    ///
    /// Under software emulation the processor is an AMD one, whatever the host has: QEMU emulates SVM and no VMX.
    ///
    /// # Errors
    /// [`NoNesting`], with the way out.
    pub fn find(engine: &dyn Engine) -> Result<Self, NoNesting> {
        if engine.name() != "qemu" {
            return Err(NoNesting::Engine(engine.name()));
        }
        match engine.accelerator() {
            Accelerator::Tcg => Ok(Self::Svm),
            Accelerator::Kvm => Self::of_host(Path::new(MODULES)),
        }
    }

    /// What KVM of the host passes on, by its modules' parameters below `modules`.
    fn of_host(modules: &Path) -> Result<Self, NoNesting> {
        let said = |module: &str| {
            let path = modules.join(module).join("parameters/nested");
            let text = fs::read_to_string(path).ok()?;
            Some(text.trim().to_owned())
        };
        for (nesting, module) in [(Self::Svm, "kvm_amd"), (Self::Vmx, "kvm_intel")] {
            match said(module) {
                // A number for kvm_amd, a truth value for kvm_intel since Linux 5.2 (`arch/x86/kvm/{svm/svm,vmx/vmx}.c`).
                Some(value) if value == "1" || value == "Y" => return Ok(nesting),
                Some(value) => return Err(NoNesting::TurnedOff { module, value }),
                None => {}
            }
        }
        Err(NoNesting::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(module: &str, value: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("temporary directory");
        let parameters = dir.path().join(module).join("parameters");
        fs::create_dir_all(&parameters).expect("made");
        fs::write(parameters.join("nested"), value).expect("written");
        dir
    }

    #[test]
    fn a_host_that_passes_it_on_says_so_in_either_spelling() {
        let amd = host("kvm_amd", "1\n");
        assert_eq!(Nesting::of_host(amd.path()), Ok(Nesting::Svm));
        let intel = host("kvm_intel", "Y\n");
        assert_eq!(Nesting::of_host(intel.path()), Ok(Nesting::Vmx));
    }

    #[test]
    fn a_host_that_does_not_is_told_how_to() {
        for value in ["0", "N"] {
            let intel = host("kvm_intel", value);
            let error = Nesting::of_host(intel.path()).expect_err("turned off");
            let text = error.to_string();
            for part in [
                "/sys/module/kvm_intel/parameters/nested",
                value,
                "modprobe kvm_intel nested=1",
            ] {
                assert!(text.contains(part), "{text}");
            }
        }
        let nothing = tempfile::tempdir().expect("temporary directory");
        assert_eq!(Nesting::of_host(nothing.path()), Err(NoNesting::Unknown));
    }
}
