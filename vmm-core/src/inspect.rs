//! A look into a machine that stands still.

use crate::{
    control::{Inspection, KernelLog},
    debug::{self, Paging},
    kvm::{KvmError, Vcpus},
    memory::GuestRam,
    x86::control::CR0_PG,
};

/// Registers, stacks and the kernel log. The vCPUs must be paused or ended.
pub(crate) fn inspect(vcpus: &Vcpus, ram: &GuestRam) -> Result<Inspection, KvmError> {
    let mut states = vcpus.states()?;
    // Any vCPU in 64-bit mode maps the kernel; that of a user process does, too.
    let view = states
        .iter()
        .map(|state| Paging::from(&state.registers))
        .find(is_on);
    let found = debug::kernel_log(ram, view);
    let (log, kernel) = match found {
        Ok(found) => (Ok::<KernelLog, String>(found.log), found.place),
        Err(error) => (Err(error.to_string()), None),
    };
    for state in &mut states {
        let paging = Paging::from(&state.registers);
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
    paging.cr0 & CR0_PG != 0
}
