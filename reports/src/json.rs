//! `results.json`: what is known of a run, for programs.
//!
//! One object. Within a schema number, members are added and never renamed, removed or given another meaning.
//!
//! | member | value |
//! | --- | --- |
//! | `schema` | 1 |
//! | `finished` | whether the run came to its end; `false` while it goes on and after it was killed |
//! | `exit_status` | the command's exit status, `null` unless finished |
//! | `reason` | why that status, a sentence, `null` unless finished |
//! | `duration_ms` | milliseconds from start to end, so far unless finished |
//! | `run` | the run as in the event `run-started` ([`crate::RunInfo`]), `null` before it started |
//! | `machines` | in the order of their numbers: `machine` (its number), `release`, `boot_ms`, `ended` (why), each `null` while unknown |
//! | `warnings` | strings |
//! | `splats_outside` | what the kernel reported while no test ran: `machine`, and the members of a splat |
//! | `counts` | `tests` and `subtests`: for each outcome's name how many, zeros included |
//! | `results` | the tests that ended, in the order of their selection, each as in the event `test-finished` ([`crate::TestResult`]) |
//! | `not_finished` | the selected tests that did not end, in order: `suite`, `group` (absent if none), `case` |
//! | `baseline` | what changed against an earlier run, as in [`crate::Changes`]; `null` without `--baseline` |

use crate::{
    Changes, Counts, Machine, OutsideSplat, ReportError, RunInfo, Summary, TestResult, atomic,
};
use serde::Serialize;
use std::path::Path;
use suites::TestId;

/// The report's name in the output directory.
pub const RESULTS: &str = "results.json";

/// The number of the schema described above.
pub const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Results<'a> {
    schema: u32,
    finished: bool,
    exit_status: Option<u8>,
    reason: Option<&'a str>,
    duration_ms: u64,
    run: Option<&'a RunInfo>,
    machines: &'a [Machine],
    warnings: &'a [String],
    splats_outside: &'a [OutsideSplat],
    counts: AllCounts<'a>,
    results: Vec<&'a TestResult>,
    not_finished: Vec<&'a TestId>,
    baseline: Option<Changes<'a>>,
}

#[derive(Serialize)]
struct AllCounts<'a> {
    tests: &'a Counts,
    subtests: &'a Counts,
}

/// Writes `results.json` in the output directory, whole at every moment.
///
/// # Errors
///
/// When the host cannot; an earlier report then stays.
pub fn write(summary: &Summary, run_dir: &Path) -> Result<(), ReportError> {
    let path = run_dir.join(RESULTS);
    let json = render(summary).map_err(|error| ReportError::writing(&path)(error.into()))?;
    atomic::replace(run_dir, RESULTS, &json)
}

fn render(summary: &Summary) -> serde_json::Result<Vec<u8>> {
    let finished = summary.finished.as_ref();
    let mut json = serde_json::to_vec_pretty(&Results {
        schema: SCHEMA,
        finished: finished.is_some(),
        exit_status: finished.map(|f| f.exit_status),
        reason: finished.map(|f| f.reason.as_str()),
        duration_ms: finished.map_or(summary.at_ms, |f| f.duration_ms),
        run: summary.run.as_ref(),
        machines: &summary.machines,
        warnings: &summary.warnings,
        splats_outside: &summary.splats_outside,
        counts: AllCounts {
            tests: &summary.tests,
            subtests: &summary.subtests,
        },
        results: summary.in_order(),
        not_finished: summary.not_finished().collect(),
        baseline: summary.changes(),
    })?;
    json.push(b'\n');
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use serde_json::{Value, json};
    use std::fs;

    fn written(summary: &Summary) -> Value {
        let dir = tempfile::tempdir().expect("a directory");
        write(summary, dir.path()).expect("writable");
        let json = fs::read(dir.path().join(RESULTS)).expect("readable");
        serde_json::from_slice(&json).expect("JSON")
    }

    const MEMBERS: [&str; 13] = [
        "baseline",
        "counts",
        "duration_ms",
        "exit_status",
        "finished",
        "machines",
        "not_finished",
        "reason",
        "results",
        "run",
        "schema",
        "splats_outside",
        "warnings",
    ];

    fn members(json: &Value) -> Vec<&str> {
        let mut names: Vec<_> = json
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_finished_run_is_told_whole() {
        let summary = Summary::of(&testing::a_run());
        let json = written(&summary);
        assert_eq!(members(&json), MEMBERS);
        assert_eq!(json["schema"], 1);
        assert_eq!(json["finished"], true);
        assert_eq!(json["exit_status"], 1);
        assert_eq!(json["duration_ms"], 12_300);
        assert_eq!(json["counts"]["tests"]["kernel-crash"], 1);
        assert_eq!(json["counts"]["subtests"]["pass"], 2);
        assert_eq!(json["not_finished"], json!([]));
        assert_eq!(
            json["machines"][1],
            json!({"machine": 2, "release": null, "boot_ms": null, "ended": null})
        );
        let results: Vec<TestResult> =
            serde_json::from_value(json["results"].clone()).expect("results");
        assert_eq!(results, summary.results);
        let run: RunInfo = serde_json::from_value(json["run"].clone()).expect("a run");
        assert_eq!(Some(run), summary.run);
    }

    #[test]
    fn a_run_that_goes_on_says_so_and_names_what_is_left() {
        let records = testing::a_run();
        let json = written(&Summary::of(&records[..2]));
        assert_eq!(members(&json), MEMBERS);
        assert_eq!(json["finished"], false);
        assert_eq!(json["exit_status"], Value::Null);
        assert_eq!(json["reason"], Value::Null);
        assert_eq!(json["not_finished"].as_array().map(Vec::len), Some(11));
        assert_eq!(
            json["not_finished"][0],
            json!({"suite": "kselftest", "group": "timers", "case": "nanosleep"})
        );
    }

    #[test]
    fn nothing_known_is_still_an_object() {
        assert_eq!(members(&written(&Summary::default())), MEMBERS);
    }
}
