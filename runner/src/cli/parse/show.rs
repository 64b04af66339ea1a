//! What `runner parse` prints.

use super::judge::Judged;
use crate::exit::Exit;
use serde::Serialize;
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    io::{self, BufWriter, Write},
    path::Path,
};
use suites::Outcome;

/// Lines of a message that the text shows.
const LINES: usize = 5;

/// Prints a line for each test, and for each result inside one that is not good.
pub fn text(judged: &Judged, reason: &str) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for test in &judged.tests {
        let id = test.id.to_string();
        line(&mut out, test.outcome, &id, test.message.as_deref())?;
        let bad = test.subtests.iter().filter(|s| !s.outcome.is_good());
        for subtest in bad {
            let id = format!("{id} / {}", subtest.path.join(" / "));
            line(&mut out, subtest.outcome, &id, subtest.message.as_deref())?;
        }
    }
    for problem in &judged.problems {
        writeln!(out, "warning: {}", printable(problem))?;
    }
    if !judged.is_empty() {
        let counts: Vec<String> = judged
            .counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(outcome, count)| format!("{count} {outcome}"))
            .collect();
        let format = judged.format.map_or("nothing", |format| format.as_str());
        let total = judged.counts.total();
        let results = if total == 1 { "result" } else { "results" };
        writeln!(out, "{total} {results} ({format}): {}", counts.join(", "))?;
    }
    writeln!(out, "{reason}")?;
    out.flush()
}

fn line(out: &mut impl Write, outcome: Outcome, id: &str, message: Option<&str>) -> io::Result<()> {
    let word = match outcome {
        Outcome::ExpectedFail => "XFAIL".into(),
        outcome => outcome.as_str().to_ascii_uppercase(),
    };
    writeln!(out, "{word:>13} {}", printable(id))?;
    if let Some(message) = message.filter(|_| outcome != Outcome::Pass) {
        for text in message.lines().take(LINES) {
            writeln!(out, "{:13}   {}", "", printable(text))?;
        }
    }
    Ok(())
}

/// Without what could steer a terminal.
fn printable(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        text.replace(char::is_control, " ").into()
    } else {
        text.into()
    }
}

/// The document of `--format json`.
#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    file: Cow<'a, str>,
    format: Option<&'static str>,
    exit_status: u8,
    reason: &'a str,
    counts: ::reports::Counts,
    tests: Vec<Row<'a>>,
    problems: &'a [String],
}

/// A test, or a result inside one.
#[derive(Serialize)]
struct Row<'a> {
    id: String,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    /// How many results it has, which follow it. Absent for a leaf.
    #[serde(skip_serializing_if = "Option::is_none")]
    subtests: Option<usize>,
}

/// Prints one JSON document.
pub fn json(judged: &Judged, file: &Path, (exit, reason): (Exit, &str)) -> io::Result<()> {
    let mut ids = Ids::default();
    let mut tests = Vec::new();
    for test in &judged.tests {
        let id = test.id.to_string();
        tests.push(Row {
            id: ids.own(id.clone()),
            outcome: test.outcome,
            message: test.message.as_deref(),
            subtests: Some(test.subtests.len()).filter(|&n| n > 0),
        });
        for subtest in &test.subtests {
            tests.push(Row {
                id: ids.own(format!("{id} / {}", subtest.path.join(" / "))),
                outcome: subtest.outcome,
                message: subtest.message.as_deref(),
                subtests: None,
            });
        }
    }
    let document = Document {
        schema: 1,
        file: file.to_string_lossy(),
        format: judged.format.map(|format| format.as_str()),
        exit_status: exit as u8,
        reason,
        counts: judged.counts,
        tests,
        problems: &judged.problems,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    serde_json::to_writer_pretty(&mut out, &document)?;
    writeln!(out)?;
    out.flush()
}

/// Ids that were given, so that each is given once.
#[derive(Default)]
struct Ids {
    taken: HashSet<String>,
    next: HashMap<String, u64>,
}

impl Ids {
    fn own(&mut self, id: String) -> String {
        let mut own = id.clone();
        while self.taken.contains(&own) {
            let number = self.next.entry(id.clone()).or_insert(2);
            own = format!("{id} #{number}");
            *number += 1;
        }
        self.taken.insert(own.clone());
        own
    }
}
