//! All vCPUs of a machine and their threads: pause, resume, look inside, end.
//!
//! ```text
//! new (paused) --resume--> running --pause--> paused ...
//!                             |
//!                             +--- a vCPU ends for good, or `end` ---> ended: all threads have returned
//! ```
//!
//! A vCPU's lock is held by its thread while it is in the guest, and free while the machine is paused or ended: who has
//! paused it may then use every vCPU.

use super::{
    kick,
    vcpu::{Vcpu, VcpuEnd},
    vm::{KvmError, call},
};
use crate::control::{Registers, VcpuState};
use crate::sync::lock;
use kvm_bindings::{KVM_MP_STATE_RUNNABLE, kvm_guest_debug};
use rustix::process::Pid;
use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

/// How long to wait for kicked vCPUs before kicking again: a thread that was about to block signals misses one.
const KICK_AGAIN: Duration = Duration::from_millis(20);

/// Called on a vCPU's thread when it left the guest for good.
pub(crate) type OnEnd = Arc<dyn Fn(u32, VcpuEnd) + Send + Sync>;

/// Called on the boot vCPU's thread at its breakpoint.
pub(crate) type OnBreakpoint = Arc<dyn Fn() + Send + Sync>;

/// The vCPUs of a machine. Dropping them ends them.
pub(crate) struct Vcpus {
    vcpus: Vec<Arc<Mutex<Vcpu>>>,
    threads: Vec<JoinHandle<()>>,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    phase: Phase,
    /// vCPUs that are in the guest, or about to be.
    inside: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Paused,
    Running,
    Ended,
}

impl Vcpus {
    /// Starts the threads of `vcpus`, paused.
    pub(crate) fn new(
        vcpus: Vec<Vcpu>,
        on_breakpoint: &OnBreakpoint,
        on_end: &OnEnd,
    ) -> io::Result<Self> {
        let mut all = Self {
            vcpus: vcpus.into_iter().map(Mutex::new).map(Arc::new).collect(),
            threads: vec![],
            gate: Arc::default(),
        };
        for (id, vcpu) in (0..).zip(&all.vcpus) {
            let (vcpu, gate) = (vcpu.clone(), all.gate.clone());
            let (on_breakpoint, on_end) = (on_breakpoint.clone(), on_end.clone());
            let thread = thread::Builder::new()
                .name(format!("vcpu{id}"))
                .spawn(move || {
                    kick::block_signals();
                    lock(&vcpu).thread = Some(rustix::thread::gettid());
                    while gate.enter() {
                        let end = {
                            let mut vcpu = lock(&vcpu);
                            let end = vcpu.run();
                            if end == VcpuEnd::Breakpoint {
                                on_breakpoint();
                                let none = kvm_guest_debug::default();
                                // Where it fails the vCPU stops here again, and the hang is seen.
                                let _ = vcpu.fd.set_guest_debug(&none);
                            }
                            end
                        };
                        let over = !matches!(end, VcpuEnd::Kicked | VcpuEnd::Breakpoint);
                        if over {
                            gate.set(Phase::Ended);
                        }
                        gate.leave();
                        if over {
                            on_end(id, end);
                        }
                    }
                })?;
            all.threads.push(thread);
        }
        Ok(all)
    }

    /// Lets the guest run. Does nothing after its end.
    pub(crate) fn resume(&self) {
        let mut state = self.gate.lock();
        if state.phase == Phase::Paused {
            state.phase = Phase::Running;
            self.gate.changed.notify_all();
        }
    }

    /// Calls all vCPUs back and waits until they are. Does nothing after the end.
    pub(crate) fn pause(&self) {
        let mut state = self.gate.lock();
        if state.phase == Phase::Running {
            state.phase = Phase::Paused;
        }
        drop(self.call_back(state));
    }

    /// Calls all vCPUs back for good.
    pub(crate) fn end(&self) {
        self.gate.set(Phase::Ended);
        drop(self.call_back(self.gate.lock()));
    }

    fn call_back<'a>(&'a self, mut state: MutexGuard<'a, GateState>) -> MutexGuard<'a, GateState> {
        while state.inside > 0 {
            self.threads.iter().for_each(kick::kick);
            state = self
                .gate
                .changed
                .wait_timeout(state, KICK_AGAIN)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state
    }

    /// Whether the guest runs.
    pub(crate) fn is_running(&self) -> bool {
        self.gate.lock().phase == Phase::Running
    }

    /// Injects an NMI into every vCPU, running or not.
    pub(crate) fn nmi(&self) -> Result<(), KvmError> {
        let was_running = self.is_running();
        self.pause();
        let result = self
            .vcpus
            .iter()
            .try_for_each(|vcpu| lock(vcpu).fd.nmi().map_err(call("inject an NMI")));
        if was_running {
            self.resume();
        }
        result
    }

    /// Calls `look` with every vCPU. The machine must be paused or ended, else this waits for the next exit.
    pub(crate) fn each<T>(&self, mut look: impl FnMut(u32, &mut Vcpu) -> T) -> Vec<T> {
        (0..)
            .zip(&self.vcpus)
            .map(|(id, vcpu)| look(id, &mut lock(vcpu)))
            .collect()
    }

    /// Registers and counts of every vCPU, without its stack. As [`Vcpus::each`].
    pub(crate) fn states(&self) -> Result<Vec<VcpuState>, KvmError> {
        self.each(state).into_iter().collect()
    }
}

impl Drop for Vcpus {
    fn drop(&mut self) {
        self.end();
        for thread in self.threads.drain(..) {
            // A panic was printed when it happened.
            let _ = thread.join();
        }
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, GateState> {
        lock(&self.state)
    }

    /// Waits until the guest may run; whether it ever will.
    fn enter(&self) -> bool {
        let mut state = self.lock();
        loop {
            match state.phase {
                Phase::Running => break,
                Phase::Ended => return false,
                Phase::Paused => {
                    state = self
                        .changed
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
        state.inside += 1;
        true
    }

    fn leave(&self) {
        self.lock().inside -= 1;
        self.changed.notify_all();
    }

    fn set(&self, phase: Phase) {
        self.lock().phase = phase;
        self.changed.notify_all();
    }
}

fn state(id: u32, vcpu: &mut Vcpu) -> Result<VcpuState, KvmError> {
    // First, as reading it may change the others (`KVM_GET_MP_STATE` accepts pending events).
    let mp_state = vcpu
        .fd
        .get_mp_state()
        .map_err(call("read a vCPU's state"))?;
    let regs = vcpu
        .fd
        .get_regs()
        .map_err(call("read a vCPU's registers"))?;
    let sregs = vcpu
        .fd
        .get_sregs()
        .map_err(call("read a vCPU's system registers"))?;
    let (ran_nanos, waited_nanos) = vcpu.thread.map_or((0, 0), schedule_times);
    Ok(VcpuState {
        id,
        exits: vcpu.exits.values().sum(),
        ran_nanos,
        waited_nanos,
        halted: mp_state.mp_state != KVM_MP_STATE_RUNNABLE,
        registers: Registers {
            rip: regs.rip,
            rflags: regs.rflags,
            rax: regs.rax,
            rbx: regs.rbx,
            rcx: regs.rcx,
            rdx: regs.rdx,
            rsi: regs.rsi,
            rdi: regs.rdi,
            rbp: regs.rbp,
            rsp: regs.rsp,
            r8: regs.r8,
            r9: regs.r9,
            r10: regs.r10,
            r11: regs.r11,
            r12: regs.r12,
            r13: regs.r13,
            r14: regs.r14,
            r15: regs.r15,
            cs: sregs.cs.selector,
            ss: sregs.ss.selector,
            gs_base: sregs.gs.base,
            cr0: sregs.cr0,
            cr2: sregs.cr2,
            cr3: sregs.cr3,
            cr4: sregs.cr4,
            efer: sregs.efer,
        },
        stack: vec![],
    })
}

/// Nanoseconds that a thread of ours ran, and waited for a processor (`Documentation/scheduler/sched-stats.rst`); zeros
/// where the host does not count them.
fn schedule_times(thread: Pid) -> (u64, u64) {
    let path = format!("/proc/self/task/{}/schedstat", thread.as_raw_pid());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut numbers = text.split_whitespace().map_while(|word| word.parse().ok());
    (
        numbers.next().unwrap_or_default(),
        numbers.next().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests;
