//! The end of a test: its last evidence, its verdict, its event.

use super::{
    intake::read_piece,
    state::{Finished, Running, Session, SessionError, State, WRITE_LOG, io_error},
    taint,
    triage::{self, Evidence, TestEnd, Verdict, signal_name},
};
use crate::machine::Control;
use reports::{Event, SubtestResult, TestResult};
use std::time::{Duration, Instant};
use suites::ktap::Point;
use wire::ExitStatus;

/// How long a hung machine gets to print its back traces, unscaled.
const LAST_WORDS: Duration = Duration::from_millis(750);

impl Session<'_> {
    /// Asks a hung kernel for back traces of its CPUs and blocked tasks, and reads what comes.
    pub fn back_traces(
        &mut self,
        mut running: Option<&mut Running<'_>>,
    ) -> Result<(), SessionError> {
        for key in ['l', 'w'] {
            self.machine.control(Control::SysRq(key));
            let mut quiet_at = Instant::now() + self.settings.scaled(LAST_WORDS);
            let patience = Instant::now() + self.settings.scaled(4 * LAST_WORDS);
            while Instant::now() < quiet_at.min(patience) {
                if self.wait(Some(quiet_at.min(patience)))? {
                    break;
                }
                if self
                    .machine
                    .process()
                    .map_err(io_error("watch a machine"))?
                    .is_some()
                {
                    break;
                }
                let got = read_piece(&mut self.console_port, |bytes| self.console.push(bytes))
                    .map_err(io_error("write the console log"))?;
                // Both may still come and must not keep the wait from waiting.
                let slice = running
                    .as_mut()
                    .map(|running| &mut running.files.kernel_log);
                read_piece(&mut self.klog_port, |bytes| self.klog.push(bytes, slice))
                    .map_err(io_error(WRITE_LOG))?;
                let _ = self.link.receive();
                if got {
                    quiet_at = Instant::now() + self.settings.scaled(LAST_WORDS);
                }
            }
        }
        let tail = self.console.tail();
        let slice = running.map(|running| &mut running.files.kernel_log);
        self.klog
            .continue_from_console(&tail, slice)
            .map_err(io_error(WRITE_LOG))
    }

    /// Gives a test its outcome and tells it.
    pub fn finish(
        &mut self,
        running: Box<Running<'_>>,
        end: &TestEnd<'_>,
    ) -> Result<Verdict, SessionError> {
        let Running {
            test,
            limit,
            started,
            files,
            parser,
            ..
        } = *running;
        let document = parser.finish();
        let findings = self.klog.end_test();
        let console = self.console.tail();
        let verdict = triage::judge(&Evidence {
            end: *end,
            ktap: &document,
            findings: &findings,
            limit,
            expects_splats: test.expects_splats,
            console: &console,
        });
        let ended = match end {
            TestEnd::Ended(ended) => Some(*ended),
            _ => None,
        };
        self.finished = Some(Finished {
            status: ended.map(|ended| ended.status.clone()),
            verdict: verdict.clone(),
            oops: findings.oops.clone(),
        });
        let dropped = ended.map_or([0, 0], |ended| ended.dropped);
        let [stdout, stderr, kernel_log] = files.references(dropped);
        let artifacts = files.artifacts();
        files.close();
        self.tests_done += 1;
        if let Some(count) = ended
            .map(|ended| ended.artifacts_dropped)
            .filter(|&n| n > 0)
        {
            let text = format!(
                "{}: {count} files in $RUNNER_ARTIFACTS were over the limits or not regular files and were left behind",
                test.id
            );
            self.reports.emit(Event::Warning { text })?;
        }
        if let Some(oops) = self.klog.take_outside().oops {
            let text = format!(
                "before {} started, while the machine booted or between tests, the kernel reported: {oops}",
                test.id
            );
            self.reports.emit(Event::Warning { text })?;
        }
        if let Some(ended) = ended {
            let new = taint::spelled(ended.taint & !self.taint);
            self.taint = ended.taint;
            if !new.is_empty() && !test.expects_splats {
                let text = format!(
                    "{}: the kernel is tainted since: {}",
                    test.id,
                    new.join(", ")
                );
                self.reports.emit(Event::Warning { text })?;
            }
        }
        self.reports.emit(Event::TestFinished(Box::new(TestResult {
            id: test.id.clone(),
            outcome: verdict.outcome,
            message: verdict.message.clone(),
            duration_ms: ended.map_or_else(
                || millis(started.elapsed()),
                |ended| ended.duration_us.div_ceil(1000),
            ),
            machine: Some(self.number),
            exit: ended.map(|ended| exit_text(&ended.status)),
            subtests: document
                .leaves()
                .map(|(path, point)| SubtestResult {
                    path: path.into_iter().map(str::to_owned).collect(),
                    outcome: point.outcome,
                    message: subtest_message(point),
                })
                .collect(),
            stdout,
            stderr,
            kernel_log,
            artifacts,
        })))?;
        Ok(verdict)
    }

    /// The run is given up: what was running was not judged.
    pub fn interrupt(&mut self, state: State<'_>) -> Result<(), SessionError> {
        let (State::Running(running) | State::Draining { running, .. }) = state else {
            return Ok(());
        };
        let [stdout, stderr, kernel_log] = running.files.references([0, 0]);
        self.reports.emit(Event::TestFinished(Box::new(TestResult {
            stdout,
            stderr,
            kernel_log,
            machine: Some(self.number),
            duration_ms: millis(running.started.elapsed()),
            ..TestResult::not_run(&running.test.id, "the run was interrupted while it ran")
        })))?;
        Ok(())
    }
}

/// What a result inside the output says beside its outcome.
fn subtest_message(point: &Point) -> Option<String> {
    let parts = [point.reason.trim(), point.diagnostics.trim()];
    let text = parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("\n");
    (!text.is_empty()).then_some(text)
}

fn exit_text(status: &ExitStatus) -> String {
    match status {
        ExitStatus::Exited(status) => format!("exit status {status}"),
        ExitStatus::Signaled(signal) => signal_name(*signal),
        ExitStatus::NotStarted(_) => "not started".into(),
    }
}

/// Whole milliseconds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
