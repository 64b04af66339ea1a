//! Reading a log of LTP: one program's output or several, plain or with what a runner prints around them.

use super::{
    output::{Output, reporter},
    runners::{Said, Title, said},
};
use crate::{
    Outcome, TestId,
    ktap::{Document, MAX_NAME},
    recorded::{Line, LogFormat, Recorded, RecordedEnd, Shelf, Trouble, trouble},
};

/// Reads such a log line by line.
#[derive(Default)]
pub(crate) struct Log {
    shelf: Shelf,
    suite: Option<String>,
    title: Title,
    /// The program that prints.
    current: Option<Current>,
}

#[derive(Default)]
struct Current {
    /// From the runner.
    name: Option<String>,
    /// Whether a runner began it and will end it.
    by_runner: bool,
    output: Output,
    /// The runner's verdict.
    end: Option<(Outcome, String)>,
}

impl Log {
    pub fn line(&mut self, line: Line<'_>) {
        match trouble(line.text) {
            Some(Trouble::Panic) => return self.stopped(line.text.trim_start()),
            Some(Trouble::Boot) if self.current.is_some() => {
                return self.stopped("the machine restarted");
            }
            _ => {}
        }
        if let Some(name) = self.title.line(line.text) {
            return self.said(&Said::Begin(Some(&name)));
        }
        if let Some(said) = said(line.text) {
            return self.said(&said);
        }
        if let (Some(program), Some(current)) = (reporter(line.text), &self.current) {
            let output = &current.output;
            let is_other = program.is_some() && output.name().is_some() && program != output.name();
            if !current.by_runner && (output.is_complete() || is_other) {
                self.close(None);
            }
        }
        self.current.get_or_insert_default().output.line(line.text);
    }

    fn said(&mut self, said: &Said<'_>) {
        match *said {
            Said::Suite(name) => {
                self.close(None);
                self.suite = Some(name.chars().take(MAX_NAME / 4).collect());
            }
            Said::Begin(name) => {
                self.close(None);
                self.current = Some(Current {
                    name: name.map(Into::into),
                    by_runner: true,
                    ..Current::default()
                });
            }
            Said::Tag(name) => {
                if let Some(current) = self.current.as_mut().filter(|c| c.by_runner) {
                    current.name.get_or_insert_with(|| name.into());
                }
            }
            Said::Ended(outcome, words) | Said::Interrupted(outcome, words) => {
                if let Some(current) = self.current.as_mut().filter(|c| c.by_runner) {
                    current.end = Some((outcome, words.into()));
                }
            }
            // Its output says whether anything passed.
            Said::Warned => {}
            Said::Over => {
                if let Some(current) = self.current.take_if(|c| c.by_runner) {
                    let said = current.output.outcome();
                    let end = match (current.end, said) {
                        // The runner knows the exit status, the output knows why.
                        (Some((Outcome::Fail, words)), Some((outcome, why)))
                            if !outcome.is_good() =>
                        {
                            (outcome, format!("{words}: {why}"))
                        }
                        (Some(end), _) => end,
                        (None, Some(said)) => said,
                        (None, None) => (Outcome::Fail, "it reported nothing".into()),
                    };
                    self.add(current.name, end, current.output);
                }
            }
            Said::Whole {
                name,
                outcome,
                words,
            } => {
                self.close(None);
                self.add(
                    Some(name.into()),
                    (outcome, words.into()),
                    Output::default(),
                );
            }
        }
    }

    /// The machine has stopped.
    fn stopped(&mut self, words: &str) {
        self.close(Some(words));
    }

    /// Ends the program that prints, without a word of a runner.
    fn close(&mut self, crash: Option<&str>) {
        let Some(current) = self.current.take() else {
            return;
        };
        let end = match (crash, current.output.outcome()) {
            _ if !current.by_runner && current.output.is_empty() => return,
            // Its sums are its last words: what came after them was not its doing.
            (Some(words), _) if !current.output.is_complete() => {
                (Outcome::KernelCrash, words.into())
            }
            _ if current.by_runner => current
                .end
                .unwrap_or((Outcome::NotRun, "the log ends before its verdict".into())),
            (_, Some(said)) => said,
            (_, None) => return,
        };
        self.add(current.name, end, current.output);
    }

    fn add(&mut self, name: Option<String>, (outcome, message): (Outcome, String), output: Output) {
        let name = name.or_else(|| output.name().map(Into::into));
        let name: String = name
            .as_deref()
            .unwrap_or("test")
            .chars()
            .take(MAX_NAME)
            .collect();
        let id = match &self.suite {
            Some(suite) => TestId::grouped("ltp", suite, &name),
            None => TestId::new("ltp", &name),
        };
        let document: Document = output.finish();
        let end = RecordedEnd::Said {
            outcome,
            message: if outcome == Outcome::Pass {
                String::new()
            } else {
                message
            },
        };
        self.shelf.add(id, end, document);
    }

    pub fn finish(mut self) -> Recorded {
        self.close(None);
        self.shelf.finish(LogFormat::Ltp)
    }
}
