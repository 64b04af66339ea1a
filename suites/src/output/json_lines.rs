//! Results as JSON, an object a line: `{"id": "a", "outcome": "pass", "message": "why"}`.

use crate::{
    Outcome,
    ktap::{Document, MAX_DIAGNOSTICS, MAX_NAME, Points, head},
};
use serde::Deserialize;

/// Bytes of all names and messages.
const MAX_TEXT: usize = 16 << 20;
/// Problems that are told.
const MAX_PROBLEMS: usize = 50;

/// A line; other members are ignored.
#[derive(Deserialize)]
struct Row {
    #[serde(alias = "name", alias = "test")]
    id: Option<String>,
    #[serde(alias = "status", alias = "result")]
    outcome: Option<String>,
    #[serde(alias = "reason")]
    message: Option<String>,
}

/// Reads such output line by line. Lines that are no such object are ordinary output.
#[derive(Debug, Default)]
pub(super) struct JsonLines {
    points: Points<MAX_TEXT>,
    problems: Vec<String>,
    came: bool,
}

impl JsonLines {
    pub fn line(&mut self, line: &str) {
        let line = line.trim();
        if !line.starts_with('{') {
            return;
        }
        let Ok(Row {
            id: Some(id),
            outcome: Some(word),
            message,
        }) = serde_json::from_str(line)
        else {
            // A result that is lost must not look like none.
            if ["\"outcome\"", "\"status\"", "\"result\""]
                .iter()
                .any(|word| line.contains(word))
            {
                let shown: String = line.chars().take(40).collect();
                self.problem(format!("a line that looks like a result is none: {shown}"));
            }
            return;
        };
        self.came = true;
        let outcome = outcome(&word);
        if outcome.is_none() {
            let shown: String = word.chars().take(40).collect();
            self.problem(format!("\"{shown}\" is no outcome"));
        }
        let outcome = outcome.unwrap_or(Outcome::Fail);
        let name: String = head(&id, MAX_NAME).into();
        let reason: String = head(&message.unwrap_or_default(), MAX_DIAGNOSTICS).into();
        let size = name.len() + reason.len();
        self.points.add(name, outcome, reason, size);
    }

    fn problem(&mut self, problem: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }

    pub fn finish(self) -> Document {
        let has_results = self.came || !self.problems.is_empty();
        Document {
            problems: self.problems,
            ..self.points.finish(has_results)
        }
    }
}

/// An outcome by its name in our reports, or by the common words of others.
fn outcome(word: &str) -> Option<Outcome> {
    let word = word.to_ascii_lowercase().replace(['_', ' '], "-");
    let ours = Outcome::ALL.into_iter().find(|o| o.as_str() == word);
    ours.or(match word.as_str() {
        "passed" | "ok" | "success" => Some(Outcome::Pass),
        "failed" | "failure" | "not-ok" => Some(Outcome::Fail),
        "skipped" | "ignored" | "notrun" => Some(Outcome::Skip),
        "xfail" | "expected-failure" => Some(Outcome::ExpectedFail),
        "timeout" | "timed-out" => Some(Outcome::TimeOut),
        "crash" | "crashed" => Some(Outcome::KernelCrash),
        "error" | "broken" => Some(Outcome::HarnessError),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_results_and_the_rest_is_output() {
        let mut lines = JsonLines::default();
        for line in [
            "starting",
            r#"{"id": "a", "outcome": "pass"}"#,
            r#"{"name": "b", "status": "FAILED", "message": "no", "more": [1]}"#,
            r#"{"name": "a", "result": "time_out", "seconds": 3}"#,
            r#"{"name": "c", "outcome": "purple"}"#,
            r#"{"unrelated": true}"#,
            r#"{"id": "torn", "outcome": "#,
        ] {
            lines.line(line);
        }
        let document = lines.finish();
        let found: Vec<String> = document
            .results
            .iter()
            .map(|p| format!("{} {} {}", p.outcome, p.name, p.reason))
            .collect();
        assert_eq!(found, ["pass a ", "fail b no", "time-out a #2 ", "fail c "]);
        assert_eq!(
            document.problems,
            [
                "\"purple\" is no outcome",
                "a line that looks like a result is none: {\"id\": \"torn\", \"outcome\":"
            ]
        );
        assert!(document.is_ktap);
        assert!(!JsonLines::default().finish().is_ktap);
    }
}
