//! PID 1 of the test machine, and, as its child, the checks that are built in.
//!
//! It runs from the initramfs, finds its two virtio-console ports, makes the host's tree the root, and
//! then does what the host says until the host goes away. It trusts the host; the tests it runs may do
//! anything that root may, so it expects nothing of the system to be as it left it.
#![deny(unsafe_code)]
#![cfg_attr(not(test), no_main)]

mod artifacts;
mod bench;
mod cgroup;
mod exec;
mod facts;
mod failure;
mod fitness;
mod kmsg;
mod kvm;
mod link;
mod modules;
mod mounts;
mod output;
mod ports;
mod power;
mod reap;
mod root;
mod serve;
mod settings;
mod smoke;
mod static_nodes;
#[expect(
    unsafe_code,
    reason = "the calls into the kernel that have no safe wrapper"
)]
mod sys;
mod test;
mod timeline;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use wire::{GuestMessage, mark};

use crate::failure::Result;
use crate::kmsg::Pump;
use crate::link::Link;
use crate::serve::Server;

/// Devices may come late, but not later than this after the kernel is up.
const PORTS_AT_MOST: Duration = Duration::from_secs(30);
/// The kernel log is given up for a host that does not read it after this.
const LOG_PORT_AT_MOST: Duration = Duration::from_secs(2);

/// The program, called with the words of its command line; returns its exit status.
fn run(words: impl Iterator<Item = OsString>) -> u8 {
    // The kernel hands init whatever words of its command line it does not know, so they mean nothing.
    if std::process::id() == 1 {
        init();
    }
    let mut words = words.skip(1);
    let verb = words.next().unwrap_or_default();
    if verb == "smoke" {
        return smoke::run(words);
    }
    if verb == "bench" {
        return bench::run(words);
    }
    eprintln!("runner-init is PID 1 of a test machine and does nothing anywhere else");
    2
}

fn init() -> ! {
    power::report_panics();
    if let Err(failure) = boot_and_serve() {
        power::say_fatal(&failure.to_string());
    }
    power::off();
}

fn boot_and_serve() -> Result<()> {
    mounts::mount_first()?;
    timeline::mark(mark::INIT);
    let mut warnings = modules::load_all(Path::new(wire::MODULES_DIR));
    let [link, log] = ports::open([wire::LINK_PORT, wire::KLOG_PORT], PORTS_AT_MOST)
        .map_err(|failure| with_warnings(failure, &warnings))?;
    if !ports::wait_connected(&link, PORTS_AT_MOST) {
        return Err(failure::Failure::new(format!(
            "the host does not open the port {}",
            wire::LINK_PORT
        )));
    }
    let mut link = Link::new(link);
    link.send(&GuestMessage::Hello {
        version: wire::VERSION,
        release: facts::release(),
    })?;
    let pump = if ports::wait_connected(&log, LOG_PORT_AT_MOST) {
        Pump::new(log).map_err(|e| format!("cannot read the kernel log: {e}"))
    } else {
        Err(format!(
            "the host does not open the port {}",
            wire::KLOG_PORT
        ))
    };
    let pump = pump.map_err(|warning| warnings.push(warning)).ok();
    for warning in warnings {
        link.warn(warning)?;
    }
    Server::new(link, pump)?.serve()
}

/// Modules that did not load are the likely reason for what is missing after.
fn with_warnings(failure: failure::Failure, warnings: &[String]) -> failure::Failure {
    if warnings.is_empty() {
        return failure;
    }
    failure::Failure::new(format!("{failure}; before that: {}", warnings.join("; ")))
}
