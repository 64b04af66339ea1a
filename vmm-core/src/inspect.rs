//! A look into a machine that stands still.

use crate::{
    control::{Inspection, KernelLog, VcpuState},
    debug::{self, Paging},
    kvm::{KvmError, Vcpus},
    memory::GuestRam,
};

/// Registers, stacks and the kernel log. The vCPUs must be paused or ended.
pub(crate) fn inspect(vcpus: &Vcpus, ram: &GuestRam) -> Result<Inspection, KvmError> {
    let mut states = vcpus.states()?;
    // Any vCPU in 64-bit mode maps the kernel; that of a user process does, too.
    let view = states.iter().map(paging).find(is_on);
    let found = debug::kernel_log(ram, view);
    let (log, kernel) = match found {
        Ok(found) => (Ok::<KernelLog, String>(found.log), found.place),
        Err(error) => (Err(error.to_string()), None),
    };
    for state in &mut states {
        let paging = paging(state);
        state.stack = if is_on(&paging) {
            debug::backtrace(
                ram,
                &paging,
                state.registers.rip,
                state.registers.rsp,
                &debug::KERNEL_TEXT,
            )
        } else {
            vec![state.registers.rip]
        };
    }
    Ok(Inspection {
        vcpus: states,
        log,
        kernel,
    })
}

/// CR0.PG (Intel SDM volume 3, 2.5).
fn is_on(paging: &Paging) -> bool {
    paging.cr0 & (1 << 31) != 0
}

fn paging(state: &VcpuState) -> Paging {
    let registers = &state.registers;
    Paging {
        cr0: registers.cr0,
        cr3: registers.cr3,
        cr4: registers.cr4,
        efer: registers.efer,
    }
}
