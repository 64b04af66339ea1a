//! QEMU as an engine: the one that runs on any machine.

mod args;
mod engine;
mod qmp;
mod spare;

pub use engine::Qemu;
