//! Running make: output to a log, stoppable at any time.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, kill_process_group},
};
use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How often a running make is checked for being cancelled.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// From SIGTERM, on which make removes what is half built, to SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// Longest line that is passed on, in bytes. The log has it whole.
const MAX_LINE: usize = 1024;

/// Variables that would turn the build into another: those of a make around us and those that move its output or
/// aim it at another machine than ours.
const FOREIGN: [&str; 26] = [
    "MAKEFLAGS",
    "MFLAGS",
    "MAKELEVEL",
    "MAKEOVERRIDES",
    "GNUMAKEFLAGS",
    "MAKEFILES",
    "MAKE_TERMOUT",
    "MAKE_TERMERR",
    "O",
    "KBUILD_OUTPUT",
    "OUTPUT",
    "BUILD",
    "INSTALL_PATH",
    "KSFT_INSTALL_PATH",
    "INSTALL_HDR_PATH",
    "TARGETS",
    "SKIP_TARGETS",
    "FORCE_TARGETS",
    "ARCH",
    "SUBARCH",
    "CROSS_COMPILE",
    "CFLAGS",
    "CPPFLAGS",
    "LDFLAGS",
    "KBUILD_SRC",
    "CDPATH",
];

/// Why a make has no exit status.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The caller wanted it so.
    Cancelled,
    /// It could not be started or watched.
    Io(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A make in directory `dir` with what all of ours have in common.
pub(super) fn make(dir: &Path) -> Command {
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    let mut command = Command::new("make");
    command.arg("-C").arg(dir).arg(format!("-j{jobs}"));
    for name in FOREIGN {
        command.env_remove(name);
    }
    // Compilers and make are to complain in the language that diagnose.rs reads.
    command.env("LC_ALL", "C").env_remove("LANGUAGE");
    command
}

/// Runs a command to its end, or kills it with everything it started when `cancelled` is set. What it prints
/// goes to `log` and, line by line, to `on_line`.
pub(super) fn run(
    command: &mut Command,
    mut log: &File,
    cancelled: &AtomicBool,
    on_line: &mut dyn FnMut(&str),
) -> Result<ExitStatus, Stopped> {
    writeln!(log, "$ {command:?}")?;
    let (mut reader, writer) = io::pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0);
    let mut child = Guard(command.spawn()?);
    // Else our own copies of the writer would keep the pipe open.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut buffer = [0; 16 << 10];
    let mut line = Vec::new();
    loop {
        if cancelled.load(Ordering::Relaxed) {
            return Err(Stopped::Cancelled);
        }
        let mut fds = [PollFd::new(&reader, PollFlags::IN)];
        match poll(&mut fds, Some(&TICK)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(e) => return Err(Stopped::Io(e.into())),
        }
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        log.write_all(&buffer[..count])?;
        for &byte in &buffer[..count] {
            if byte == b'\n' {
                on_line(&String::from_utf8_lossy(&line));
                line.clear();
            } else if line.len() < MAX_LINE {
                line.push(byte);
            }
        }
    }
    Ok(child.0.wait()?)
}

/// Ends the process and its group unless it has been waited for.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(None)) {
            return;
        }
        let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) else {
            return;
        };
        let _ = kill_process_group(group, Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_goes_to_the_log_and_line_by_line_to_the_caller() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut lines = Vec::new();
        let status = run(
            &mut shell("echo one; echo two >&2; printf three; exit 3"),
            file.as_file(),
            &AtomicBool::new(false),
            &mut |line| lines.push(line.to_owned()),
        )
        .expect("it ran");
        assert_eq!(status.code(), Some(3));
        assert_eq!(lines, ["one", "two"]);
        let log = std::fs::read_to_string(file.path()).expect("a log");
        assert!(
            log.starts_with("$ ") && log.ends_with("one\ntwo\nthree"),
            "{log}"
        );
    }

    #[test]
    fn cancelling_ends_every_descendant_soon() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let cancelled = AtomicBool::new(false);
        let mut sleeper = None;
        let began = Instant::now();
        let stopped = run(
            &mut shell("trap '' TERM; sleep 600 & echo $!; wait; sleep 600"),
            file.as_file(),
            &cancelled,
            &mut |line| {
                sleeper = line.parse::<i32>().ok();
                cancelled.store(true, Ordering::Relaxed);
            },
        );
        assert!(matches!(stopped, Err(Stopped::Cancelled)));
        assert!(began.elapsed() < Duration::from_secs(30));
        let pid = sleeper.expect("its number");
        // Gone, or dead and waiting for whoever reaps orphans here; a killed process needs a moment for either.
        let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        while !(state().is_empty() || state().contains(") Z")) {
            assert!(began.elapsed() < Duration::from_secs(60), "{}", state());
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_make_around_us_does_not_reach_ours() {
        let command = make(Path::new("."));
        let cleared = command
            .get_envs()
            .any(|(name, value)| name == "MAKEFLAGS" && value.is_none());
        assert!(cleared);
    }
}
