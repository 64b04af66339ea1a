//! One test, from its start until everything it started is gone.
//!
//! ```text
//!                time is up                       grace is over
//!  Running ---------------------------> Ending ------------------+
//!     |                                   |                      v
//!     +--- its process ends --------------+----------------> Sweeping --> gone, or given up
//! ```

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use wire::{ExitStatus, GuestMessage, RunTest, Stream, TestEnded};

use crate::artifacts;
use crate::cgroup::Cgroup;
use crate::exec;
use crate::failure::{Result, Trying};
use crate::link::Link;
use crate::output::Output;
use crate::reap::{self, Reaped};
use crate::sys;

/// Between the first two rounds of killing; every further round waits twice as long. One round is enough
/// for all but the strangest, and thousands of processes need the machine to themselves to end.
const SWEEP_FIRST: Duration = Duration::from_millis(20);
/// Between two rounds of killing at most.
const SWEEP_SLOWEST: Duration = Duration::from_secs(2);
/// Without a single process ending for so long, what is left cannot be killed.
const GIVE_UP_AFTER: Duration = Duration::from_secs(5);
/// However slowly they end: a machine that needs longer is not fit for another test.
const SWEEP_AT_MOST: Duration = Duration::from_secs(60);
/// Output is read for so long after the end, if a survivor goes on printing.
const DRAIN_AT_MOST: Duration = Duration::from_secs(2);

/// A test whose process has been started.
pub struct Test {
    /// [`RunTest::test`].
    pub number: u32,
    /// Its two streams, to wait for and to pass on.
    pub outputs: [Output; 2],
    pid: Pid,
    /// The process group that it was started in.
    group: Pid,
    began: Instant,
    grace: Duration,
    /// How and when its own process ended.
    end: Option<(ExitStatus, Instant)>,
    timed_out: bool,
    stage: Stage,
    cgroup: Option<Cgroup>,
}

enum Stage {
    Running {
        until: Option<Instant>,
    },
    Ending {
        until: Instant,
    },
    Sweeping(Sweep),
    /// What could not be killed.
    Over(Vec<String>),
}

/// The killing of everything that is left.
struct Sweep {
    next: Instant,
    pause: Duration,
    give_up: Instant,
    at_latest: Instant,
}

impl Test {
    /// Starts `run`. The error is why it could not be started; nothing of it is left then.
    pub fn start(run: &RunTest) -> Result<Self> {
        let directory = artifacts::directory(run.test);
        std::fs::create_dir_all(&directory)
            .trying(|| format!("make the directory {}", directory.display()))?;
        let mut variable = b"RUNNER_ARTIFACTS=".to_vec();
        variable.extend_from_slice(directory.as_os_str().as_encoded_bytes());
        let cgroup = Cgroup::new(run.test);
        let began = Instant::now();
        let started = match exec::start(run, variable, cgroup.as_ref()) {
            Ok(started) => started,
            Err(e) => {
                if let Some(cgroup) = cgroup {
                    cgroup.remove();
                }
                let _ = std::fs::remove_dir_all(&directory);
                return Err(e);
            }
        };
        let limit = run.timeout_ms.map(Duration::from_millis);
        let output = |stream, pipe| Output::new(run.test, stream, pipe, run.output_limit);
        Ok(Self {
            number: run.test,
            pid: started.pid,
            group: started.group,
            began,
            grace: Duration::from_millis(run.grace_ms),
            end: None,
            timed_out: false,
            stage: Stage::Running {
                until: limit.and_then(|limit| began.checked_add(limit)),
            },
            outputs: [
                output(Stream::Stdout, started.stdout),
                output(Stream::Stderr, started.stderr),
            ],
            cgroup,
        })
    }

    /// When [`Self::advance`] has to be called at the latest.
    pub fn wake_at(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Running { until } => *until,
            Stage::Ending { until } => Some(*until),
            Stage::Sweeping(sweep) => Some(sweep.next),
            Stage::Over(_) => None,
        }
    }

    /// Takes note of what has been reaped, and goes on if nothing is left.
    pub fn note(&mut self, reaped: &Reaped) {
        let now = Instant::now();
        for (pid, status) in &reaped.ended {
            if *pid == self.pid && self.end.is_none() {
                self.end = Some((status.clone(), now));
            }
        }
        if self.end.is_some() && matches!(self.stage, Stage::Running { .. } | Stage::Ending { .. })
        {
            self.sweep(now);
        }
        if let Stage::Sweeping(sweep) = &mut self.stage {
            if !reaped.ended.is_empty() {
                sweep.give_up = now + GIVE_UP_AFTER;
            }
            if !reaped.left {
                self.stage = Stage::Over(Vec::new());
            }
        }
    }

    /// Does what the clock asks for.
    pub fn advance(&mut self, now: Instant) {
        match &mut self.stage {
            Stage::Running { until: Some(until) } if now >= *until => {
                self.timed_out = true;
                // An error means that its process is no more, and the sweep comes by itself.
                let _ = kill_process_group(self.group, Signal::TERM);
                self.stage = Stage::Ending {
                    until: now + self.grace,
                };
                self.advance(now);
            }
            Stage::Ending { until } if now >= *until => {
                self.sweep(now);
                self.advance(now);
            }
            Stage::Sweeping(sweep) if now >= sweep.next => {
                if now >= sweep.give_up || now >= sweep.at_latest {
                    self.stage = Stage::Over(reap::survivors());
                    return;
                }
                // The group first: no process can leave it while it forks. Then those who had left it.
                self.cgroup.as_ref().map(Cgroup::kill);
                let _ = sys::kill_everything();
                sweep.next = Instant::now() + sweep.pause;
                sweep.pause = (2 * sweep.pause).min(SWEEP_SLOWEST);
            }
            _ => {}
        }
    }

    fn sweep(&mut self, now: Instant) {
        self.stage = Stage::Sweeping(Sweep {
            next: now,
            pause: SWEEP_FIRST,
            give_up: now + GIVE_UP_AFTER,
            at_latest: now + SWEEP_AT_MOST,
        });
    }

    /// Whether everything is gone or given up, so that [`Self::finish`] may be called.
    pub const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over(_))
    }

    /// Passes on the rest of the output, removes the control group, and says how it ended. Taint, kernel
    /// log and artifacts are the caller's to fill in.
    pub fn finish(mut self, link: &mut Link) -> Result<TestEnded> {
        let drain_until = Instant::now() + DRAIN_AT_MOST;
        let unkillable = match self.stage {
            Stage::Over(unkillable) => unkillable,
            _ => reap::survivors(),
        };
        for output in &mut self.outputs {
            while output.pass_on(link)? {
                if !unkillable.is_empty() && Instant::now() > drain_until {
                    break;
                }
            }
        }
        if let Some(cgroup) = self.cgroup {
            cgroup.remove();
        }
        // A process that survives SIGKILL has been ended as far as that goes.
        let killed = || (ExitStatus::Signaled(libc::SIGKILL), Instant::now());
        let (status, ended) = self.end.unwrap_or_else(killed);
        let duration = ended.duration_since(self.began);
        Ok(TestEnded {
            test: self.number,
            status,
            timed_out: self.timed_out,
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            dropped: [self.outputs[0].dropped, self.outputs[1].dropped],
            artifacts_dropped: 0,
            unkillable,
            unfit: None,
            taint: 0,
            klog_seq: None,
        })
    }
}

/// The end of a test that could not be started.
pub fn not_started(run: &RunTest, why: String) -> TestEnded {
    TestEnded {
        test: run.test,
        status: ExitStatus::NotStarted(why),
        timed_out: false,
        duration_us: 0,
        dropped: [0, 0],
        artifacts_dropped: 0,
        unkillable: Vec::new(),
        unfit: None,
        taint: 0,
        klog_seq: None,
    }
}

/// Sends what the test left in its artifact directory, and removes it. Returns how many files were left out.
pub fn send_artifacts(run: &RunTest, link: &mut Link) -> Result<u32> {
    let test = run.test;
    let directory = artifacts::directory(test);
    if !directory.exists() {
        // The test removed it, so it leaves nothing.
        return Ok(0);
    }
    let left_out = artifacts::collect(&directory, run.artifacts, |path, data, last| {
        let path = path.to_vec();
        link.send(&GuestMessage::Artifact {
            test,
            path,
            data,
            last,
        })
    })?;
    if let Err(e) = std::fs::remove_dir_all(&directory) {
        link.warn(format!("cannot remove {}: {e}", directory.display()))?;
    }
    Ok(left_out)
}
