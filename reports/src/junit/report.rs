//! The whole report.

use super::{case, names::Names};
use crate::{
    ReportError, RunInfo, Summary, TestResult, atomic,
    text::{xml_attribute, xml_text},
};
use junit_report::{OffsetDateTime, ReportBuilder, TestSuite};
use std::{collections::HashMap, io, path::Path};
use suites::TestId;
use time::format_description::well_known::Rfc3339;

/// The report's name in the output directory.
pub const JUNIT: &str = "junit.xml";

/// Writes `junit.xml` in the output directory, whole at every moment. Selected tests that have not ended are in it,
/// as not run. Outputs are taken from the files of the output directory, bounded.
///
/// # Errors
///
/// When the host cannot; an earlier report then stays.
pub fn write(summary: &Summary, run_dir: &Path) -> Result<(), ReportError> {
    let path = run_dir.join(JUNIT);
    let xml = render(summary, run_dir).map_err(ReportError::writing(&path))?;
    atomic::replace(run_dir, JUNIT, &xml)
}

pub(super) fn render(summary: &Summary, run_dir: &Path) -> io::Result<Vec<u8>> {
    let mut names = Names::default();
    let mut suites = Suites::new(summary.run.as_ref());
    let not_finished = not_finished(summary);
    for result in summary.in_order().into_iter().chain(&not_finished) {
        let cases = case::cases(result, run_dir, &mut names);
        suites.of(&result.id).add_testcases(cases);
    }
    let mut xml = Vec::new();
    ReportBuilder::new()
        .add_testsuites(suites.suites)
        .build()
        .write_xml(&mut xml)
        .map_err(io::Error::other)?;
    xml.push(b'\n');
    Ok(xml)
}

/// The selected tests that have not ended, as results.
fn not_finished(summary: &Summary) -> Vec<TestResult> {
    let result = |id: &TestId| {
        let running = summary.running.iter().find(|running| running.id == *id);
        let message = match (running, &summary.finished) {
            (Some(_), Some(_)) => "the run ended while it ran",
            (Some(_), None) => "it was running when this report was written",
            (None, Some(_)) => "the run ended before its turn",
            (None, None) => "its turn had not come when this report was written",
        };
        TestResult {
            duration_ms: running
                .map_or(0, |running| summary.at_ms.saturating_sub(running.since_ms)),
            machine: running.map(|running| running.machine),
            ..TestResult::not_run(id, message)
        }
    };
    summary.not_finished().map(result).collect()
}

/// The `testsuite` elements, in the order in which they are first asked for.
struct Suites {
    suites: Vec<TestSuite>,
    index: HashMap<(String, Option<String>), usize>,
    started: OffsetDateTime,
    system_out: Option<String>,
}

impl Suites {
    fn new(run: Option<&RunInfo>) -> Self {
        let started = run.and_then(|run| OffsetDateTime::parse(&run.started, &Rfc3339).ok());
        Self {
            suites: vec![],
            index: HashMap::new(),
            started: started.unwrap_or(OffsetDateTime::UNIX_EPOCH),
            system_out: run.map(|run| case::cdata(&xml_text(&run.headline()))),
        }
    }

    fn of(&mut self, id: &TestId) -> &mut TestSuite {
        let key = (id.suite.clone(), id.group.clone());
        let index = *self.index.entry(key).or_insert_with(|| {
            self.suites.push(TestSuite {
                name: xml_attribute(&match &id.group {
                    Some(group) => format!("{}:{group}", id.suite),
                    None => id.suite.clone(),
                }),
                package: case::class(id),
                timestamp: self.started,
                // A throwaway machine has no name that another could know it by.
                hostname: "localhost".into(),
                testcases: vec![],
                system_out: self.system_out.clone(),
                system_err: None,
            });
            self.suites.len() - 1
        });
        &mut self.suites[index]
    }
}

#[cfg(test)]
mod tests;
