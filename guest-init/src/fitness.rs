//! Whether the machine is still as the next test must find it.
//!
//! A test may do anything that root may: remove device nodes, programs and mounts of init itself. What it did is
//! not undone; the host is told and takes a new machine.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

/// Where something is mounted that init or a test cannot do without.
const MOUNTS: &[&str] = &[
    "/",
    "/proc",
    "/sys",
    "/dev",
    "/dev/shm",
    "/dev/pts",
    "/run",
    "/sys/fs/cgroup",
    wire::LOWER_ROOT,
];

/// Devices that programs take for granted.
const DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/kmsg",
];

/// What was there before the first test.
pub struct Fitness {
    /// Path and device number of the file system.
    mounts: Vec<(&'static str, u64)>,
    /// Path and device number of the device.
    devices: Vec<(&'static str, u64)>,
    /// Names at the top of the root.
    names: Vec<OsString>,
    /// Whether the lock validator is at work.
    validates_locks: bool,
}

/// Where the lock validator says what it does (`kernel/locking/lockdep_proc.c`), in kernels that have it.
const LOCKDEP: &str = "/proc/lockdep_stats";

impl Fitness {
    /// Takes note of how things are.
    pub fn now() -> Self {
        let noted = |paths: &[&'static str], number: fn(&str) -> Option<u64>| {
            let there = paths.iter().copied();
            there.filter_map(|p| Some((p, number(p)?))).collect()
        };
        Self {
            mounts: noted(MOUNTS, mounted),
            devices: noted(DEVICES, device),
            names: names(),
            validates_locks: validates_locks(),
        }
    }

    /// What is no longer as it was, a plain fragment.
    pub fn lost(&self) -> Option<String> {
        let changed = |noted: &[(&str, u64)], number: fn(&str) -> Option<u64>| {
            let found = noted.iter().find(|(path, was)| number(path) != Some(*was));
            found.map(|(path, _)| format!("{path} is not what it was"))
        };
        let gone = || {
            let now = names();
            let name = self.names.iter().find(|name| !now.contains(*name))?;
            Some(format!("/{} is gone", name.to_string_lossy()))
        };
        changed(&self.mounts, mounted)
            .or_else(|| changed(&self.devices, device))
            .or_else(gone)
            .or_else(|| {
                // It reports once, and rests after every oops and sanitizer's report too: later tests would pass unwatched.
                let rests = self.validates_locks && !validates_locks();
                rests.then(|| "the kernel's lock validator has switched itself off".to_owned())
            })
    }
}

fn validates_locks() -> bool {
    fs::read_to_string(LOCKDEP).is_ok_and(|stats| is_validating(&stats))
}

/// `debug_locks: 1` among the statistics.
fn is_validating(stats: &str) -> bool {
    let values = stats.lines().filter_map(|line| line.split_once(':'));
    values
        .filter(|(name, _)| name.trim() == "debug_locks")
        .any(|(_, value)| value.trim() != "0")
}

fn mounted(path: &str) -> Option<u64> {
    fs::metadata(path).ok().map(|meta| meta.dev())
}

fn device(path: &str) -> Option<u64> {
    let meta = fs::metadata(path).ok()?;
    meta.file_type().is_char_device().then(|| meta.rdev())
}

fn names() -> Vec<OsString> {
    let entries = fs::read_dir("/").into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_done_is_nothing_lost() {
        let fitness = Fitness::now();
        assert!(fitness.devices.iter().any(|(path, _)| *path == "/dev/null"));
        assert_eq!(fitness.lost(), None);
    }

    #[test]
    fn a_lock_validator_that_rests_is_known() {
        let stats = |value| format!(" redundant links:    0\n\n debug_locks:        {value}\n");
        assert!(is_validating(&stats(1)));
        assert!(!is_validating(&stats(0)));
        assert!(!is_validating(""));
        let mut fitness = Fitness::now();
        fitness.validates_locks = true;
        let lost = fitness.lost();
        // On a host whose kernel has the validator it may be at work.
        assert_eq!(lost.is_none(), validates_locks(), "{lost:?}");
    }

    #[test]
    fn what_is_lost_is_named() {
        let mut fitness = Fitness::now();
        fitness.names.push("no-such-name".into());
        assert_eq!(fitness.lost().as_deref(), Some("/no-such-name is gone"));
        fitness.devices.push(("/no/such/device", 259));
        let lost = fitness.lost().expect("a device");
        assert_eq!(lost, "/no/such/device is not what it was");
        fitness.mounts.push(("/", u64::MAX));
        assert_eq!(fitness.lost().as_deref(), Some("/ is not what it was"));
    }
}
