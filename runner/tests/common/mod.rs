//! Runs of the real command on real kernels, and what every one of them must leave behind.
//!
//! `RUNNER_TEST_KERNEL` names the kernel to boot; without it the newest one in `/boot` that has its modules is
//! taken. `RUNNER_TEST_KERNELS` may name a directory with further kernels. A test without its kernel says SKIP.
#![allow(
    dead_code,
    unused_imports,
    reason = "every test program uses a part of this"
)]

mod finished;
mod junit;
pub mod nested;
mod processes;
mod run;

pub use finished::Finished;
pub use junit::{Case, Junit};
pub use processes::Processes;
pub use run::{Run, Started};

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where the tests of one build keep what may be used again, such as built selftests.
pub fn shared_dir() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// The kernel to boot, or `None` after a line that says why the test cannot run.
pub fn kernel() -> Option<PathBuf> {
    if !on_path("qemu-system-x86_64") {
        eprintln!("SKIP: qemu-system-x86_64 is not installed");
        return None;
    }
    match std::env::var_os("RUNNER_TEST_KERNEL") {
        Some(path) if !path.is_empty() => Some(path.into()),
        _ => newest_in_boot().or_else(|| {
            eprintln!("SKIP: no kernel with modules in /boot, and RUNNER_TEST_KERNEL names none");
            None
        }),
    }
}

/// A file of the directory `RUNNER_TEST_KERNELS` whose name begins with `kind` and a dash, or `None` after a line that
/// says why the test cannot run.
pub fn extra_kernel(kind: &str) -> Option<PathBuf> {
    if !on_path("qemu-system-x86_64") {
        eprintln!("SKIP: qemu-system-x86_64 is not installed");
        return None;
    }
    let Some(directory) = std::env::var_os("RUNNER_TEST_KERNELS").filter(|d| !d.is_empty()) else {
        eprintln!("SKIP: RUNNER_TEST_KERNELS names no directory with a {kind}");
        return None;
    };
    let found = names(Path::new(&directory)).into_iter().find(|name| {
        name.strip_prefix(kind)
            .is_some_and(|rest| rest.starts_with('-'))
    });
    if found.is_none() {
        eprintln!("SKIP: {} holds no {kind}", Path::new(&directory).display());
    }
    found.map(|name| Path::new(&directory).join(name))
}

/// The extra kernel called vmlinux, unpacked into `directory` where it is compressed; `None` as [`extra_kernel`].
pub fn extra_vmlinux(directory: &Path) -> Option<PathBuf> {
    let packed = extra_kernel("vmlinux")?;
    if packed.extension().is_none_or(|suffix| suffix != "zst") {
        return Some(packed);
    }
    if !on_path("zstd") {
        eprintln!("SKIP: {} needs zstd to be unpacked", packed.display());
        return None;
    }
    let kernel = directory.join("vmlinux");
    let mut zstd = Command::new("zstd");
    zstd.args(["-dq", "-o"]).arg(&kernel).arg(&packed);
    assert!(zstd.status().expect("zstd starts").success());
    Some(kernel)
}

/// Whether `program` is in a directory of `PATH`.
pub fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn newest_in_boot() -> Option<PathBuf> {
    let mut releases: Vec<String> = names(Path::new("/boot"))
        .iter()
        .filter_map(|name| name.strip_prefix("vmlinuz-").map(str::to_owned))
        .filter(|release| Path::new("/lib/modules").join(release).is_dir())
        .collect();
    releases.sort_by_key(|release| numbers(release));
    Some(Path::new("/boot").join(format!("vmlinuz-{}", releases.pop()?)))
}

/// The numbers in a version, in order: `6.1.0-56-amd64` before `6.12.9`.
fn numbers(version: &str) -> Vec<u64> {
    version
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let name = |entry: fs::DirEntry| OsStr::to_str(&entry.file_name()).map(str::to_owned);
    entries.flatten().filter_map(name).collect()
}
