//! What the command knows about a kernel, all of it read on the host: the image, its configuration, its
//! modules, what a run needs of them, and the initramfs that brings init and modules into the guest.
//!
//! Images, configurations and modules are files that somebody else made: every offset and length in them
//! is checked against the file before it is believed, and every allocation has a bound.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bzimage;
mod compression;
mod config;
#[cfg(test)]
mod fixture;
mod ikconfig;
mod image;
mod initramfs;
mod kunit;
mod lines;
mod locate;
mod modinfo;
mod modules;
mod not_kernel;
mod payload;
mod requirements;
mod scan;
mod symbols;
mod unpacked;
mod vmlinux;

pub use {
    config::{KernelConfig, Setting},
    image::{Format, KernelImage},
    initramfs::{Archive, InitramfsError, build as build_initramfs},
    kunit::{modules as kunit_modules, suites as kunit_suites},
    lines::{LinesError, SourceLines},
    locate::{HostPaths, default_kernel, tree_of},
    modules::{ModuleError, ModuleIndex, load as load_module},
    requirements::{Attachment, Demands, check, explain, possible, wanted},
    symbols::Symbols,
    unpacked::unpacked,
};
