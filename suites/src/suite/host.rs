//! Programs of the host that say what tests there are: stoppable, their output bounded.

use super::SuiteError;
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    io::{self, Read},
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How often a running program is looked at.
const TICK: Duration = Duration::from_millis(20);

/// Most that is kept of each stream, in bytes. The rest is read and dropped.
const MAX_OUTPUT: u64 = 256 << 20;

/// What a program did.
#[derive(Debug)]
pub(super) struct Done {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Done {
    /// The last lines that it wrote to standard error, or else to standard output.
    pub fn last_words(&self, lines: usize) -> String {
        let stream = match self.stderr.trim_ascii() {
            b"" => &self.stdout,
            _ => &self.stderr,
        };
        let text = String::from_utf8_lossy(stream);
        let all: Vec<&str> = text.trim_end().lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

/// A child that is killed with everything it started unless it ended.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // It may have ended by itself in the meantime.
            let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

/// Runs a program to its end, for at most `limit`.
pub(super) fn run(
    command: &mut Command,
    limit: Option<Duration>,
    cancelled: &AtomicBool,
) -> Result<Done, SuiteError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |source: io::Error| SuiteError::Program {
        program: program.clone(),
        source,
    };
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = Guard(command.spawn().map_err(failed)?);
    let stdout = child.0.stdout.take().expect("it was asked for");
    let stderr = child.0.stderr.take().expect("it was asked for");
    let [stdout, stderr] = [drain(stdout), drain(stderr)];
    let deadline = limit.map(|limit| Instant::now() + limit);
    let status = loop {
        if let Some(status) = child.0.try_wait().map_err(failed)? {
            break status;
        }
        if cancelled.load(Ordering::Relaxed) {
            return Err(SuiteError::Cancelled);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(failed(io::Error::new(
                io::ErrorKind::TimedOut,
                "it does not come to an end",
            )));
        }
        thread::sleep(TICK);
    };
    let read = |stream: thread::JoinHandle<Vec<u8>>| stream.join().expect("it does not panic");
    Ok(Done {
        status,
        stdout: read(stdout),
        stderr: read(stderr),
    })
}

fn drain(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // A stream that fails has ended for us.
        let _ = stream.by_ref().take(MAX_OUTPUT).read_to_end(&mut bytes);
        let _ = io::copy(&mut stream, &mut io::sink());
        bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Option<Duration>, cancelled: bool) -> Result<Done, SuiteError> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(&mut command, limit, &AtomicBool::new(cancelled))
    }

    #[test]
    fn both_streams_and_the_status_come_back() {
        let done = sh("echo out; echo one >&2; echo two >&2; exit 3", None, false).expect("it ran");
        assert_eq!(done.status.code(), Some(3));
        assert_eq!(done.stdout, b"out\n");
        assert_eq!(done.last_words(1), "two");
        assert_eq!(done.last_words(9), "one\ntwo");
    }

    #[test]
    fn what_takes_too_long_or_is_not_wanted_any_more_is_ended() {
        let error = sh("sleep 1000", Some(Duration::ZERO), false).expect_err("too long");
        assert!(matches!(error, SuiteError::Program { .. }), "{error}");
        let error = sh("sleep 1000", None, true).expect_err("cancelled");
        assert!(matches!(error, SuiteError::Cancelled), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let mut command = Command::new("/no/such/program");
        let error = run(&mut command, None, &AtomicBool::new(false)).expect_err("not there");
        assert!(error.to_string().contains("/no/such/program"));
    }
}
