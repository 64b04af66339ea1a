//! The end of a test: its last evidence, its verdict, its event.

use super::{
    measure::now_nanos,
    state::{Finished, Running, Session, SessionError, State},
    taint,
    triage::{self, Evidence, TestEnd, Verdict, signal_name},
};
use reports::{Event, SubtestResult, TestResult};
use std::time::Duration;
use suites::{Outcome, ktap::Point};
use wire::ExitStatus;

impl Session<'_> {
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
        let last_words = self.last_words();
        let known = test.known_failure.as_ref();
        let console = self.console.tail();
        let verdict = triage::judge(&Evidence {
            end: *end,
            ktap: &document,
            format: test.format,
            findings: &findings,
            limit,
            policy: &test.splats,
            allowed: &self.settings.allowed_splats,
            intended: test.intended,
            known_failure: known,
            log_end: self.klog.last_seq(),
            console: &console,
            last_words: &last_words,
            seen: &self.seen,
        });
        if let (Some(known), Outcome::Pass) = (known, verdict.outcome) {
            let text = format!(
                "{}: it is a known failure and passes: {}; take it off the list if it is fixed",
                test.id, known.why
            );
            self.reports.emit(Event::Warning { text })?;
        }
        let ended = match end {
            TestEnd::Ended(ended) => Some(*ended),
            _ => None,
        };
        self.finished = Some(Finished {
            status: ended.map(|ended| ended.status.clone()),
            verdict: verdict.clone(),
            oops: self.complaint(&findings, &test.splats),
        });
        let splats = self.test_splats(findings, &test.splats)?;
        let dropped = ended.map_or([0, 0], |ended| ended.dropped);
        let [stdout, stderr, kernel_log] = files.references(dropped);
        let artifacts = files.artifacts();
        files.close();
        self.tests_done += 1;
        self.measured.test_done = Some(now_nanos());
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
        self.tell_outside()?;
        if let Some(ended) = ended {
            let new = taint::spelled(ended.taint & !self.taint);
            self.taint = ended.taint;
            if !new.is_empty() && !test.splats.is_provoking() {
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
                    outcome: match point.outcome {
                        Outcome::Fail if verdict.outcome == Outcome::ExpectedFail => {
                            Outcome::ExpectedFail
                        }
                        outcome => outcome,
                    },
                    message: subtest_message(point),
                })
                .collect(),
            stdout,
            stderr,
            kernel_log,
            artifacts,
            splats,
            attempts: vec![],
        })))?;
        Ok(verdict)
    }

    /// The run is given up: what was running was not judged.
    pub fn interrupt(&mut self, state: State<'_>) -> Result<(), SessionError> {
        let (State::Running(running) | State::Draining { running, .. }) = state else {
            return Ok(());
        };
        let [stdout, stderr, kernel_log] = running.files.references([0, 0]);
        let why = format!("the run was {} while it ran", self.reports.given_up());
        self.reports.emit(Event::TestFinished(Box::new(TestResult {
            stdout,
            stderr,
            kernel_log,
            machine: Some(self.number),
            duration_ms: millis(running.started.elapsed()),
            ..TestResult::not_run(&running.test.id, &why)
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
