//! Reading what `run_kselftest.sh` printed, on its own or on a console.
//!
//! Each program's output stands between its header and its verdict, every line behind `# `; it is a document of its own.
//! Kernels up to 6.x print a plan for each collection, newer ones a plan for all of them.

use super::verdict::{Verdict, header, verdict};
use crate::{
    Outcome, OutputFormat, TestId,
    ktap::{Document, MAX_RESULTS, Parser},
    recorded::{Line, LogFormat, Recorded, RecordedEnd, Shelf, Trouble, trouble},
};

/// Programs without a verdict that are remembered: under `-n` they all run at once.
const MAX_OPEN: usize = 256;

/// Bytes of output that they have printed together.
const MAX_OPEN_BYTES: usize = 4 << 20;

/// Reads such a log line by line.
#[derive(Default)]
pub(crate) struct Log {
    shelf: Shelf,
    /// Programs whose verdict has not come, the one that prints last.
    open: Vec<Open>,
    /// Programs that the current plan announced and that have not begun.
    left: Option<u64>,
    /// The collection that was named last.
    collection: String,
    /// The kernel's last words, where it has stopped and no test came after.
    crash: Option<String>,
    /// Whether that crash was laid at the door of a program.
    blamed: bool,
}

struct Open {
    collection: String,
    test: String,
    parser: Parser,
    /// Whether its output has the `# ` of runner.sh.
    prefixed: bool,
    /// Why it could not be run.
    missing: Option<String>,
    /// What the kernel said while it ran.
    oops: Option<String>,
    /// Bytes of its output.
    bytes: usize,
}

impl Log {
    pub fn line(&mut self, line: Line<'_>) {
        let text = line.text;
        if let Some((collection, test)) = header(text) {
            // `selftests: x: y [PASS]` of old kernels is a verdict, and its name has a blank.
            return self.begin(collection, test, text.starts_with('#'));
        }
        if let Some(verdict) = verdict(text) {
            return self.end(&verdict);
        }
        match trouble(text) {
            Some(Trouble::Panic) => return self.stopped(text.trim_start()),
            Some(Trouble::Boot) if self.has_open() => return self.stopped("the machine restarted"),
            Some(Trouble::Oops) => {
                if let Some(open) = self.open.last_mut() {
                    open.parser.crash(text.trim_start());
                    open.oops.get_or_insert_with(|| text.trim_start().into());
                }
                return;
            }
            Some(Trouble::Boot) | None => {}
        }
        if let Some(plan) = plan(text).filter(|_| self.open.is_empty()) {
            self.missing();
            self.left = Some(plan);
            return;
        }
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let said = match text.strip_prefix('#') {
            Some(said) => said.strip_prefix(' ').unwrap_or(said),
            None if open.prefixed => return,
            None => text,
        };
        let warning = said.strip_prefix("Warning: file ");
        if let Some(name) = warning.and_then(|text| text.strip_suffix(" is missing!")) {
            open.missing = Some(format!("{name} is missing: it was not built"));
        }
        open.bytes += said.len() + 1;
        open.parser.push(said.as_bytes());
        open.parser.push(b"\n");
    }

    fn has_open(&self) -> bool {
        !self.open.is_empty() || self.left.is_some_and(|left| left > 0)
    }

    fn begin(&mut self, collection: &str, test: &str, prefixed: bool) {
        collection.clone_into(&mut self.collection);
        self.crash = None;
        let mut bytes: usize = self.open.iter().map(|open| open.bytes).sum();
        while self.open.len() == MAX_OPEN || bytes > MAX_OPEN_BYTES {
            let open = self.open.remove(0);
            bytes -= open.bytes;
            self.never_ended(open, None);
        }
        self.left = self.left.map(|left| left.saturating_sub(1));
        self.open.push(Open {
            collection: collection.into(),
            test: test.into(),
            parser: Parser::new(OutputFormat::Kselftest),
            prefixed,
            missing: None,
            oops: None,
            bytes: 0,
        });
    }

    fn end(&mut self, verdict: &Verdict<'_>) {
        verdict.collection.clone_into(&mut self.collection);
        let is_its =
            |open: &Open| open.test == verdict.test && open.collection == verdict.collection;
        let id = TestId::grouped("kselftest", verdict.collection, verdict.test);
        let Some(at) = self.open.iter().rposition(is_its) else {
            // Its header is not in the log: `--summary`, or a log that was cut at its beginning.
            self.left = self.left.map(|left| left.saturating_sub(1));
            self.shelf.add(id, verdict.end.clone(), Document::default());
            return;
        };
        let mut open = self.open.remove(at);
        let words = verdict.before.trim_end();
        let words = words.strip_prefix('#').unwrap_or(words);
        open.parser
            .push(words.strip_prefix(' ').unwrap_or(words).as_bytes());
        let document = open.parser.finish();
        let end = match (open.missing, &verdict.end) {
            (Some(message), RecordedEnd::Said { outcome, .. }) if *outcome == Outcome::Fail => {
                RecordedEnd::Said {
                    outcome: Outcome::HarnessError,
                    message,
                }
            }
            (_, end) => end.clone(),
        };
        for problem in &document.problems {
            self.shelf.problem(format!("{id}: {problem}"));
        }
        if let Some(test) = self.shelf.add(id, end, document) {
            test.oops = open.oops;
        }
    }

    /// The machine has stopped: nothing that was open can end.
    fn stopped(&mut self, words: &str) {
        self.crash = Some(words.into());
        self.blamed = false;
        self.close();
        self.crash = None;
    }

    /// Gives up on what is open and on what was announced.
    fn close(&mut self) {
        let crash = self.crash.clone();
        for open in std::mem::take(&mut self.open) {
            self.never_ended(open, crash.as_deref());
        }
        self.missing();
    }

    fn never_ended(&mut self, open: Open, crash: Option<&str>) {
        let id = TestId::grouped("kselftest", &open.collection, &open.test);
        let mut parser = open.parser;
        let (outcome, message) = match (crash, open.oops) {
            (Some(crash), Some(oops)) => (Outcome::KernelCrash, format!("{crash}, after {oops}")),
            (Some(words), None) => (Outcome::KernelCrash, words.to_owned()),
            (None, Some(words)) => (Outcome::KernelCrash, words),
            (None, None) => (Outcome::NotRun, "the log ends before its verdict".into()),
        };
        parser.never_ended(self.shelf.room());
        if outcome == Outcome::KernelCrash {
            parser.crash(&message);
            self.blamed = true;
        }
        let document = parser.finish();
        self.shelf
            .add(id, RecordedEnd::Said { outcome, message }, document);
    }

    /// Adds the programs that were announced and never began.
    fn missing(&mut self) {
        let left = self.left.take().unwrap_or(0).min(MAX_RESULTS as u64);
        for number in 1..=left {
            let collection = match self.collection.as_str() {
                "" => "unknown",
                name => name,
            };
            let id = TestId::grouped("kselftest", collection, &format!("missing test {number}"));
            let crash = self.crash.as_ref().filter(|_| !self.blamed);
            let (outcome, message) = match crash {
                Some(crash) => (Outcome::KernelCrash, crash.clone()),
                None => (
                    Outcome::NotRun,
                    "the plan announced it and it never came".into(),
                ),
            };
            self.blamed |= crash.is_some();
            if self.shelf.room() == 0 {
                self.shelf.uncounted(outcome, left - number + 1);
                return;
            }
            self.shelf.said(id, outcome, message);
        }
    }

    pub fn finish(mut self) -> Recorded {
        self.close();
        self.shelf.finish(LogFormat::Kselftest)
    }
}

/// The plan of a collection or of all of them.
fn plan(text: &str) -> Option<u64> {
    text.strip_prefix("1..")?.trim().parse().ok()
}
