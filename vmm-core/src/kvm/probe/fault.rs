use kvm_ioctls::Error as Errno;
use thiserror::Error;

/// What is broken about a `/dev/kvm`. Fragments that fit after "/dev/kvm is broken: ".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// A system call failed.
    #[error("cannot {0}: {1}")]
    Call(&'static str, #[source] Errno),
    /// It speaks another version of the interface than 12, the only one there is since Linux 2.6.22.
    #[error("its API version is {0}, not 12")]
    ApiVersion(i32),
    /// The vCPU left the guest for another reason than the `HLT` at the code's end.
    #[error("{code} end in {exit}, not at their HLT")]
    Exit {
        /// What ran.
        code: &'static str,
        /// The exit's name in the kernel's `include/uapi/linux/kvm.h`.
        exit: String,
    },
    /// The code ran to its end and left another value in RAX.
    #[error("{code} compute {found:#x}, not {expected:#x}")]
    Result {
        /// What ran.
        code: &'static str,
        /// RAX at the end.
        found: u64,
        /// RAX as it should be.
        expected: u64,
    },
    /// The time for all of it was over. Without the guest's `HLT` there is no telling which of the two it was.
    #[error("no answer within a second: its guest code does not end, or the host is overloaded")]
    NoAnswer,
}
