//! Calling a vCPU back from the guest.
//!
//! A vCPU's thread blocks every signal, and the vCPU, by `KVM_SET_SIGNAL_MASK`, lets [`KICK`] alone interrupt
//! `KVM_RUN`. So the signal needs no handler, is never delivered, and cannot come too early: pending, it ends the
//! next `KVM_RUN` at once, after an exit that user space has just served was completed
//! (`Documentation/virt/kvm/api.rst`, `KVM_RUN` and `KVM_SET_SIGNAL_MASK`).
#![expect(
    unsafe_code,
    reason = "signals and one ioctl that kvm-ioctls does not have"
)]

use kvm_ioctls::{Error as Errno, VcpuFd};
use std::{
    mem::MaybeUninit,
    os::{fd::AsRawFd, unix::thread::JoinHandleExt},
    ptr,
    thread::JoinHandle,
};

/// Ignored by a process that has no use for it.
const KICK: libc::c_int = libc::SIGURG;

/// The kernel's `struct kvm_signal_mask` with its set, 64 signals on x86-64.
#[repr(C)]
struct SignalMask {
    len: u32,
    set: [u8; 8],
}

/// `_IOW(KVMIO, 0x8b, struct kvm_signal_mask)`; the size in it is that of the structure without the set.
const KVM_SET_SIGNAL_MASK: libc::c_ulong = 0x4004_ae8b;

/// Lets a [`kick`] end `vcpu`'s `KVM_RUN`.
pub(super) fn let_kick_interrupt(vcpu: &VcpuFd) -> Result<(), Errno> {
    let mask = SignalMask {
        len: 8,
        set: (!(1u64 << (KICK - 1))).to_ne_bytes(),
    };
    // SAFETY: a vCPU's descriptor and a structure of the layout the request reads, 12 bytes as `len` says.
    let answer =
        unsafe { libc::ioctl(vcpu.as_raw_fd(), KVM_SET_SIGNAL_MASK as _, &raw const mask) };
    if answer == 0 {
        Ok(())
    } else {
        Err(Errno::last())
    }
}

/// Blocks all signals in the calling thread, which [`kick`] relies on.
pub(super) fn block_signals() {
    let mut all = MaybeUninit::uninit();
    // SAFETY: sigfillset initializes what the pointer refers to, pthread_sigmask reads it; neither keeps the pointer.
    let answer = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), ptr::null_mut())
    };
    assert_eq!(answer, 0, "all arguments are valid");
}

/// Makes `KVM_RUN` in `thread`, now or next, end with `EINTR`. Does nothing to a thread that has ended, nor to
/// one that has not called [`block_signals`] yet: the process ignores the signal then.
pub(super) fn kick<T>(thread: &JoinHandle<T>) {
    // SAFETY: a handle that was neither joined nor dropped keeps its pthread_t valid.
    unsafe { libc::pthread_kill(thread.as_pthread_t(), KICK) };
}

/// Takes back kicks that the calling thread has been given, so that its next `KVM_RUN` goes on.
pub(super) fn forget_kicks() {
    let now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initializes the set, sigaddset changes and sigtimedwait reads it; the latter is told to write
    // no information and not to wait.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), KICK);
        while libc::sigtimedwait(set.as_ptr(), ptr::null_mut(), &raw const now) == KICK {}
    }
}
