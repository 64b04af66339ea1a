//! The processes of one run, found by what their environment says: a child that was given to another parent is
//! still found.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// The processes whose `TMPDIR` is one run's.
#[derive(Debug, Clone)]
pub struct Processes {
    variable: Vec<u8>,
}

impl Processes {
    /// Those with this `TMPDIR`.
    pub fn with_tmpdir(directory: &Path) -> Self {
        Self {
            variable: format!("TMPDIR={}", directory.display()).into_bytes(),
        }
    }

    /// Number and command line of each process that is there now.
    pub fn list(&self) -> Vec<(i32, String)> {
        let entries = fs::read_dir("/proc").expect("/proc is mounted");
        entries
            .flatten()
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
            .filter(|(_, path)| self.is_in(path))
            .map(|(pid, path)| (pid, command_line(&path)))
            .collect()
    }

    fn is_in(&self, process: &Path) -> bool {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == self.variable)
    }

    /// The machines' processes.
    pub fn machines(&self) -> Vec<i32> {
        let all = self.list().into_iter();
        all.filter(|(_, words)| words.contains("qemu-system") || words.contains(" __machine "))
            .map(|(pid, _)| pid)
            .collect()
    }

    /// Waits until none is left; after a long time, fails and names them.
    pub fn assert_gone(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let left = self.list();
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "still there: {left:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn command_line(process: &Path) -> String {
    let words = fs::read(process.join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ")
}
