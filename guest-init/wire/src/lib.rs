//! The protocol between the host and the guest's init.
//!
//! Two virtio-console ports carry it. [`LINK_PORT`] is a stream of frames in both directions: the host
//! speaks [`HostMessage`], the guest [`GuestMessage`]. [`KLOG_PORT`] carries, guest to host only, the
//! records of `/dev/kmsg` exactly as read (see `Documentation/ABI/testing/dev-kmsg` in the kernel
//! tree), so that a flood on one port never delays the other.
//!
//! The guest is hostile: whatever reads [`GuestMessage`]s bounds every frame by [`MAX_FRAME`] before
//! it allocates, and treats every byte string in them as data, never as a host path.
#![forbid(unsafe_code)]

mod frame;
pub mod mark;
mod message;

/// A byte string that travels as one.
pub use serde_bytes::ByteBuf as Bytes;

pub use frame::{Decoder, FrameError, MAX_FRAME, encode};
pub use message::{
    ArtifactLimits, ExitStatus, GuestMessage, HostMessage, Program, Ready, RootKind, RunTest,
    Setup, Share, Stream, TestEnded,
};

/// Version of the protocol; the guest says its own in [`GuestMessage::Hello`] and the host refuses any other.
pub const VERSION: u16 = 4;

/// Name of the virtio-console port that carries frames both ways.
pub const LINK_PORT: &str = "runner.link";

/// Name of the virtio-console port that carries `/dev/kmsg` records to the host.
pub const KLOG_PORT: &str = "runner.klog";

/// 9P mount tag of the share that becomes the guest's root.
pub const ROOT_TAG: &str = "runner.root";

/// What init prints, on a console line of its own, before it gives up; the reason follows on the same line.
/// The host looks for it when a machine ends before its link came up.
pub const FATAL_PREFIX: &str = "runner-init: fatal: ";

/// Directory of the initramfs that becomes the guest's root where no share does.
pub const PACKED_ROOT: &str = "/packed";

/// Where the raw root stays reachable inside the guest, below the overlay.
pub const LOWER_ROOT: &str = "/run/runner/root";

/// Where the guest keeps what a test leaves for the host: `$RUNNER_ARTIFACTS` points below it.
pub const ARTIFACTS_DIR: &str = "/run/runner/artifacts";

/// Directory of the initramfs that holds the kernel modules to load, in the order of their names.
pub const MODULES_DIR: &str = "/modules";

/// The line init writes to `/dev/kmsg` when test number `test` starts.
///
/// Together with [`end_marker`] it lets a kernel log, from any channel, be cut per test.
#[must_use]
pub fn start_marker(test: u32, label: &str) -> String {
    format!("runner: test {test} start: {label}")
}

/// The line init writes to `/dev/kmsg` when test number `test` and all its descendants are gone.
#[must_use]
pub fn end_marker(test: u32, label: &str) -> String {
    format!("runner: test {test} end: {label}")
}
