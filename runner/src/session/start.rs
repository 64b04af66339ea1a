//! The start of a test: what init is told, what the host watches from then on.

use super::{
    files::TestFiles,
    intake::printable,
    outcome::millis,
    state::{Running, Session, SessionError, State, io_error},
    watchdog::Watchdog,
};
use reports::Event;
use std::{
    ffi::OsString,
    io,
    os::unix::ffi::OsStrExt,
    time::{Duration, Instant},
};
use suites::{Program, Test, output::OutputReader};
use wire::{Bytes, HostMessage};

/// Between SIGTERM and SIGKILL for a test whose time is up.
const GRACE: Duration = Duration::from_secs(2);
/// What init needs beyond a test's limit and grace to end it, unscaled.
const ENDING: Duration = Duration::from_secs(15);
/// Silence after which a machine counts as hung, unscaled.
const HANG_AFTER: Duration = Duration::from_secs(15);

impl Session<'_> {
    /// Sends a test to init and begins to watch it.
    pub fn start<'t>(&mut self, test: &'t Test, number: u32) -> Result<State<'t>, SessionError> {
        let settings = self.settings;
        self.reports.emit(Event::TestStarted {
            id: test.id.clone(),
            machine: self.number,
        })?;
        let files = TestFiles::create(
            &settings.run_dir,
            &test.id,
            settings.output_kept,
            settings.artifacts,
        )
        .map_err(io_error("make the directory of a test"))?;
        let limit = settings.limit(test);
        let label = printable(&test.id.to_string(), 200);
        self.klog.begin_test(wire::start_marker(number, &label));
        let run = wire::RunTest {
            test: number,
            label,
            program: match &test.program {
                Program::Exec(argv) => {
                    wire::Program::Exec(argv.iter().map(|a| Bytes::from(a.as_bytes())).collect())
                }
                Program::Smoke(check) => wire::Program::Smoke {
                    check: (*check).into(),
                    params: settings
                        .smoke_params(check)
                        .into_iter()
                        .map(Bytes::from)
                        .collect(),
                },
            },
            cwd: test
                .cwd
                .as_ref()
                .unwrap_or(&settings.cwd)
                .as_os_str()
                .as_bytes()
                .to_vec(),
            env: environment(&settings.env, &test.env),
            timeout_ms: limit.map(millis),
            grace_ms: millis(settings.scaled(GRACE)),
            output_limit: settings.output_limit,
            artifacts: settings.artifacts,
        };
        if let Err(error) = self.link.send(&HostMessage::Run(run)) {
            return Err(io_error("send a test to a machine")(io::Error::other(
                error.to_string(),
            )));
        }
        let now = Instant::now();
        let whole = limit.map(|limit| limit + settings.scaled(GRACE + ENDING));
        Ok(State::Running(Box::new(Running {
            test,
            number,
            limit,
            started: now,
            watchdog: Watchdog::new(now, whole, settings.scaled(HANG_AFTER)),
            files,
            parser: OutputReader::new(test.format),
        })))
    }
}

/// The environment of a test as `NAME=value`; the test's own values win over the run's.
fn environment(run: &[(OsString, OsString)], test: &[(OsString, OsString)]) -> Vec<Bytes> {
    let pair = |(name, value): &(OsString, OsString)| {
        let mut bytes = name.as_bytes().to_vec();
        bytes.push(b'=');
        bytes.extend_from_slice(value.as_bytes());
        Bytes::from(bytes)
    };
    let kept = run
        .iter()
        .filter(|(name, _)| !test.iter().any(|(other, _)| other == name));
    kept.chain(test).map(pair).collect()
}
