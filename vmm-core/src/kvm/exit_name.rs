//! What the exits of a vCPU are called.

use kvm_ioctls::VcpuExit;

/// An exit's name in `include/uapi/linux/kvm.h`, and its details where they help.
pub(crate) fn exit_name(exit: &VcpuExit<'_>) -> String {
    match exit {
        VcpuExit::InternalError => "KVM_EXIT_INTERNAL_ERROR".into(),
        VcpuExit::Shutdown => "KVM_EXIT_SHUTDOWN".into(),
        VcpuExit::FailEntry(reason, _) => {
            format!("KVM_EXIT_FAIL_ENTRY (hardware reason {reason:#x})")
        }
        VcpuExit::MmioRead(address, _) | VcpuExit::MmioWrite(address, _) => {
            format!("KVM_EXIT_MMIO (address {address:#x})")
        }
        VcpuExit::IoIn(port, _) | VcpuExit::IoOut(port, _) => {
            format!("KVM_EXIT_IO (port {port:#x})")
        }
        VcpuExit::Unknown => "KVM_EXIT_UNKNOWN".into(),
        VcpuExit::Exception => "KVM_EXIT_EXCEPTION".into(),
        VcpuExit::Hlt => "KVM_EXIT_HLT".into(),
        VcpuExit::MemoryFault { gpa, .. } => format!("KVM_EXIT_MEMORY_FAULT (address {gpa:#x})"),
        VcpuExit::Unsupported(number) => format!("exit {number}"),
        other => format!("{other:?}"),
    }
}
