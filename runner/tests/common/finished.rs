//! What a run left.

use super::{Case, Junit};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::PathBuf, process::ExitStatus};
use tempfile::TempDir;

/// A run that is over, and everything it left.
pub struct Finished {
    /// Its exit status; -1 when a signal ended it.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
    /// Holds the output directory, `out`.
    pub dir: TempDir,
    /// `results.json`; null when there is none.
    pub results: Value,
    /// `events.jsonl`; empty when there is none.
    pub events: Vec<Value>,
    /// `junit.xml`; without cases when there is none.
    pub junit: Junit,
}

impl Finished {
    pub(super) fn read(status: ExitStatus, stdout: String, stderr: String, dir: TempDir) -> Self {
        let out = dir.path().join("out");
        let results = fs::read(out.join("results.json")).map_or(Value::Null, |json| {
            serde_json::from_slice(&json).expect("results.json is JSON")
        });
        let events = fs::read_to_string(out.join("events.jsonl")).unwrap_or_default();
        let events = events
            .lines()
            .map(|line| serde_json::from_str(line).expect("every line of events.jsonl is JSON"))
            .collect();
        let junit = out.join("junit.xml");
        Self {
            status: status.code().unwrap_or(-1),
            stdout,
            stderr,
            results,
            events,
            junit: if junit.exists() {
                Junit::read(&junit)
            } else {
                Junit::default()
            },
            dir,
        }
    }

    /// Every result, one line each: its name, its outcome, and its subtests with theirs.
    pub fn outcomes(&self) -> Vec<String> {
        let tests = self.results["results"].as_array().expect("results");
        let line = |test: &Value| {
            let inside = test["subtests"].as_array().into_iter().flatten();
            let inside: Vec<String> = inside
                .map(|result| format!("{}={}", result["path"], result["outcome"]))
                .collect();
            format!("{} {} {}", test["id"], test["outcome"], inside.join(" "))
        };
        tests.iter().map(line).collect()
    }

    /// A file of the output directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("out").join(name)
    }

    /// A file of the output directory, as text; empty when it is not there.
    pub fn file(&self, name: &str) -> String {
        let bytes = fs::read(self.path(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Fails unless the exit status is `status`, with everything the run said.
    #[track_caller]
    pub fn assert_status(&self, status: i32) -> &Self {
        assert_eq!(self.status, status, "{}", self.stderr);
        self
    }

    /// What `results.json` has on the test: its whole id, its case, or the name it was given in `Run::sh`.
    #[track_caller]
    pub fn result(&self, name: &str) -> &Value {
        let last_word = format!(" {name}");
        let all = self.results["results"].as_array().expect("results");
        let mut found = all.iter().filter(|result| {
            let case = result["id"]["case"].as_str().expect("a name");
            case == name || case.ends_with(&last_word) || id_text(&result["id"]) == name
        });
        let first = found
            .next()
            .unwrap_or_else(|| panic!("no result of {name}:\n{}", self.stderr));
        assert!(found.next().is_none(), "{name} is ambiguous");
        first
    }

    /// The outcome of a test.
    #[track_caller]
    pub fn outcome(&self, name: &str) -> &str {
        self.result(name)["outcome"].as_str().expect("an outcome")
    }

    /// Why; empty without a message.
    #[track_caller]
    pub fn message(&self, name: &str) -> &str {
        self.result(name)["message"].as_str().unwrap_or_default()
    }

    /// What a test's `stdout`, `stderr` or `kernel_log` holds; empty without one.
    #[track_caller]
    pub fn output(&self, name: &str, stream: &str) -> String {
        self.result(name)[stream]["file"]
            .as_str()
            .map(|file| self.file(file))
            .unwrap_or_default()
    }

    /// Fails unless a test has this outcome and its message contains `part`.
    #[track_caller]
    pub fn assert_outcome(&self, name: &str, outcome: &str, part: &str) {
        let result = self.result(name);
        assert_eq!(self.outcome(name), outcome, "{result:#}\n{}", self.stderr);
        assert!(self.message(name).contains(part), "{result:#}");
    }

    /// A test's own case in the JUnit report.
    #[track_caller]
    pub fn case(&self, name: &str) -> &Case {
        self.case_of(&self.result(name)["id"])
    }

    #[track_caller]
    fn case_of(&self, id: &Value) -> &Case {
        let class = match id["group"].as_str() {
            Some(group) => format!("{}.{group}", id["suite"].as_str().expect("a suite")),
            None => id["suite"].as_str().expect("a suite").to_owned(),
        };
        let case = id["case"].as_str().expect("a case");
        let mut cases = self.junit.cases.iter();
        cases
            .find(|c| c.classname == class && c.name == case)
            .unwrap_or_else(|| panic!("no test case {class} {case}"))
    }

    /// What every run that got as far as a plan must have left: reports that agree with each other and with the
    /// exit status. A run that ended before leaves no reports, and then there is nothing to check.
    #[track_caller]
    pub fn check(&self) {
        if self.results.is_null() {
            assert!(self.junit.cases.is_empty() && self.events.is_empty());
            return;
        }
        let last = self.events.last().expect("events");
        assert_eq!(last["event"], "run-finished", "{}", self.stderr);
        assert_eq!(last["exit_status"], self.status, "{}", self.stderr);
        assert_eq!(self.results["finished"], true);
        assert_eq!(self.results["exit_status"], self.status);
        assert_eq!(
            self.results["not_finished"].as_array().map(Vec::len),
            Some(0)
        );
        self.check_agreement();
        let said = format!("exit status {}: ", self.status);
        assert!(self.stderr.contains(&said), "{}", self.stderr);
    }

    /// That the reports agree, of a run that was killed too.
    #[track_caller]
    pub fn check_agreement(&self) {
        let finished: Vec<&Value> = self
            .events
            .iter()
            .filter(|event| event["event"] == "test-finished")
            .collect();
        let results = self.results["results"].as_array().expect("results");
        let mut counted = BTreeMap::new();
        for result in results {
            // They end in any order, and are listed in that of the selection.
            let event = finished.iter().find(|event| event["id"] == result["id"]);
            let event = event.unwrap_or_else(|| panic!("no end of {result:#}"));
            for member in ["id", "outcome", "message", "stdout", "kernel_log"] {
                assert_eq!(result[member], event[member]);
            }
            let outcome = result["outcome"].as_str().expect("an outcome");
            assert_eq!(result["message"].is_null(), outcome == "pass", "{result:#}");
            *counted.entry(outcome.to_owned()).or_insert(0) += 1;
            self.check_on_terminal(result);
            self.check_in_junit(result);
        }
        assert_eq!(results.len(), finished.len());
        assert_eq!(self.counts("tests"), counted);
        let mut in_junit = counted;
        for (outcome, count) in self.counts("subtests") {
            *in_junit.entry(outcome).or_insert(0) += count;
        }
        let left = self.results["not_finished"]
            .as_array()
            .expect("a list")
            .len();
        if left > 0 {
            *in_junit.entry("not-run".into()).or_insert(0) += left as u64;
        }
        assert_eq!(self.junit.counts(), in_junit);
    }

    fn check_on_terminal(&self, result: &Value) {
        let outcome = result["outcome"].as_str().expect("an outcome");
        let word = match outcome {
            "expected-fail" => "XFAIL".to_owned(),
            other => other.to_uppercase(),
        };
        let id = id_text(&result["id"]);
        let shown = |line: &str| {
            let line = line.trim_start();
            line.starts_with(&format!("{word} [")) && line.contains(&id)
        };
        assert!(
            self.stderr.lines().any(shown),
            "no line {word} {id}:\n{}",
            self.stderr
        );
        let why = shown_of_message(result);
        assert!(self.stderr.contains(&why), "not {why}:\n{}", self.stderr);
    }

    fn check_in_junit(&self, result: &Value) {
        let case = self.case_of(&result["id"]);
        assert_eq!(result["outcome"], case.outcome);
        let why = shown_of_message(result);
        assert!(case.message.starts_with(&why), "{case:?} for {result:#}");
    }

    fn counts(&self, of: &str) -> BTreeMap<String, u64> {
        let counts = self.results["counts"][of].as_object().expect("counts");
        counts
            .iter()
            .map(|(outcome, n)| (outcome.clone(), n.as_u64().expect("a number")))
            .filter(|(_, n)| *n > 0)
            .collect()
    }
}

/// The beginning of a result's message, as far as every report shows it literally.
fn shown_of_message(result: &Value) -> String {
    let message = result["message"].as_str().unwrap_or_default();
    let literal = |c: &char| *c == ' ' || c.is_ascii_graphic();
    message.chars().take_while(literal).take(100).collect()
}

fn id_text(id: &Value) -> String {
    let part = |name: &str| id[name].as_str();
    [part("suite"), part("group"), part("case")]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(":")
}
