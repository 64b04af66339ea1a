//! What is set once, between the mounts and the first test.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::sys;

/// Sets host name, loopback, sysctls and limits. Everything is of use to some tests and needed by none,
/// so what fails is a warning.
pub fn apply(hostname: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut check = |what: &str, done: std::io::Result<()>| {
        if let Err(e) = done {
            warnings.push(format!("cannot {what}: {e}"));
        }
    };
    if !hostname.is_empty() {
        let set = rustix::system::sethostname(hostname.as_bytes());
        check("set the host name", set.map_err(Into::into));
    }
    check("set the loopback interface up", loopback());
    // The key with which a host, or a test, asks the kernel for its stacks.
    check("allow sysrq", sysctl("sysrq", "1\n"));
    // Otherwise the kernel drops what programs write to its log too fast, our markers too.
    check(
        "allow writes to /dev/kmsg",
        sysctl("printk_devkmsg", "on\n"),
    );
    check("set the limits", limits());
    // Never the victim of a test that eats the memory.
    check(
        "protect init from the OOM killer",
        fs::write("/proc/self/oom_score_adj", "-1000\n"),
    );
    warnings
}

fn loopback() -> std::io::Result<()> {
    match sys::loopback_up() {
        // A kernel without IPv4 or without networking has no loopback to set up.
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::ENOSYS)) => Ok(()),
        done => done,
    }
}

fn sysctl(name: &str, value: &str) -> std::io::Result<()> {
    match fs::write(format!("/proc/sys/kernel/{name}"), value) {
        // Not configured into this kernel.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// What a login on a distribution gives: many files on request, no core dumps unless asked for.
fn limits() -> std::io::Result<()> {
    let files = Rlimit {
        current: Some(1024),
        maximum: Some(1_048_576),
    };
    setrlimit(Resource::Nofile, files)?;
    let core = Rlimit {
        current: Some(0),
        maximum: getrlimit(Resource::Core).maximum,
    };
    setrlimit(Resource::Core, core)?;
    Ok(())
}
