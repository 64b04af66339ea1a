//! A control group per test: to count its processes and to kill them all at once.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::facts::read_number;

const ROOT: &str = "/sys/fs/cgroup";
const PARENT: &str = "/sys/fs/cgroup/runner";

/// The group of one test. Where the kernel has no cgroup2 there is none, and tests run without.
pub struct Cgroup {
    directory: PathBuf,
}

impl Cgroup {
    /// Makes the group of test number `test`.
    pub fn new(test: u32) -> Option<Self> {
        let directory = Path::new(PARENT).join(format!("test-{test}"));
        if !Path::new(ROOT).join("cgroup.procs").exists() {
            return None;
        }
        fs::create_dir_all(PARENT).ok()?;
        // The only controller that is taken: tests of the others find them untouched.
        for parent in [ROOT, PARENT] {
            let _ = fs::write(Path::new(parent).join("cgroup.subtree_control"), "+pids\n");
        }
        fs::create_dir_all(&directory).ok()?;
        let group = Self { directory };
        if let Some(limit) = process_limit() {
            let _ = fs::write(group.directory.join("pids.max"), format!("{limit}\n"));
        }
        Some(group)
    }

    /// A process that writes `0` here joins the group.
    pub fn open_processes(&self) -> Option<File> {
        OpenOptions::new()
            .write(true)
            .open(self.directory.join("cgroup.procs"))
            .ok()
    }

    /// Kills every process of the group and the groups below it, at once; needs Linux 5.14.
    pub fn kill(&self) {
        let _ = fs::write(self.directory.join("cgroup.kill"), "1\n");
    }

    /// Removes the group and the groups that the test made below it; they must be empty.
    pub fn remove(self) {
        remove_tree(&self.directory, 0);
    }
}

/// Removes a tree of control groups, whose files cannot be removed and need not be.
fn remove_tree(directory: &Path, depth: u32) {
    const DEEPEST: u32 = 64;
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    if depth < DEEPEST {
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove_tree(&entry.path(), depth + 1);
            }
        }
    }
    let _ = fs::remove_dir(directory);
}

/// So many processes that a test that forks without end leaves some for init.
fn process_limit() -> Option<u64> {
    let most = read_number("/proc/sys/kernel/pid_max")?;
    let threads = read_number("/proc/sys/kernel/threads-max")?;
    Some(most.min(threads) / 4 * 3)
}
