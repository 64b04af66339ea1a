//! `runner parse --output`: the reports of a run, for a log.

use super::judge::Judged;
use crate::{
    artifact::{RunDir, RunDirError},
    exit::Exit,
};
use ::reports::{Event, Journal, Record, ReportError, RunInfo, render};
use std::path::Path;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Why there are no reports.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// No directory for them.
    #[error(transparent)]
    Directory(#[from] RunDirError),
    /// A report could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The journal could not be written.
    #[error("cannot write events.jsonl")]
    Journal(#[from] std::io::Error),
}

/// Writes the events that a run with these outcomes would have had, and draws the reports from them.
pub fn write(
    judged: &Judged,
    file: &Path,
    dir: &Path,
    (exit, reason): (Exit, &str),
) -> Result<(), WriteError> {
    let dir = RunDir::create_at(dir)?;
    let mut journal = Journal::create(dir.path())?;
    let mut record = |event| journal.record(&Record { at_ms: 0, event });
    record(Event::RunStarted(Box::new(info(judged, file))))?;
    for text in &judged.problems {
        record(Event::Warning { text: text.clone() })?;
    }
    for test in &judged.tests {
        record(Event::TestFinished(Box::new(test.clone())))?;
    }
    record(Event::RunFinished {
        exit_status: exit as u8,
        reason: reason.into(),
        duration_ms: 0,
    })?;
    render(dir.path())?;
    Ok(())
}

fn info(judged: &Judged, file: &Path) -> RunInfo {
    let now = OffsetDateTime::now_utc();
    let format = judged.format.map_or("nothing", |format| format.as_str());
    RunInfo {
        version: env!("CARGO_PKG_VERSION").into(),
        started: now.format(&Rfc3339).expect("a UTC time has all parts"),
        command: std::env::args_os()
            .map(|word| word.to_string_lossy().into_owned())
            .collect(),
        kernel: file.display().to_string(),
        release: "of a recorded log".into(),
        boot: file.display().to_string(),
        engine: "no machine".into(),
        accelerator: "no machine".into(),
        engine_reason: format!("read as {format}"),
        cpus: 0,
        memory_mib: 0,
        timeout_scale: 1.0,
        jobs: 1,
        repeat: 1,
        retries: 0,
        shard: None,
        tests: judged.tests.iter().map(|test| test.id.clone()).collect(),
    }
}
