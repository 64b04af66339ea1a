//! Events and output, shown.

use super::{
    evidence::evidence,
    format::{self, INDENT, clock, label},
    progress,
    screen::Screen,
    streamed::{Stream, Streamed},
    style::{Color, Style},
};
use crate::{Change, Event, Record, Summary, splats::heading, text::terminal_line};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Instant,
};
use suites::TestId;

/// How to show a run. The caller decides, from its flags, `NO_COLOR` and whether standard error is a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TerminalOptions {
    /// Use colours.
    pub color: bool,
    /// Show a line of progress; only for a terminal.
    pub live: bool,
    /// Show machines and tests as they start, and the tests' output as it comes.
    pub verbose: bool,
    /// How much of the run to show.
    pub show: Show,
}

/// How much of a run a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Show {
    /// All of it.
    #[default]
    Run,
    /// What tests what, and warnings: the rest is somebody else's to tell.
    Beginning,
    /// What tests what, warnings, and the end: what happened in between was told before.
    Outline,
    /// Nothing.
    Nothing,
}

/// The terminal report, on standard error. Nothing that a machine wrote reaches the terminal as a control character.
pub struct Terminal {
    screen: Screen,
    style: Style,
    options: TerminalOptions,
    run_dir: PathBuf,
    streamed: Streamed,
    /// When the latest event came, by its own count of milliseconds and by this process's clock.
    latest: Option<(u64, Instant)>,
}

impl Terminal {
    /// A report of a run with this output directory.
    #[must_use]
    pub fn new(options: TerminalOptions, run_dir: &Path) -> Self {
        Self::on(Box::new(io::stderr()), options, run_dir)
    }

    /// A report written to `out` instead of standard error, but for the progress.
    pub(crate) fn on(out: Box<dyn Write + Send>, options: TerminalOptions, run_dir: &Path) -> Self {
        Self {
            screen: Screen::new(out),
            style: Style {
                color: options.color,
            },
            options,
            run_dir: run_dir.into(),
            streamed: Streamed::default(),
            latest: None,
        }
    }

    /// Shows an event; `summary` has taken it in already.
    pub fn apply(&mut self, record: &Record, summary: &Summary) {
        self.latest = Some((record.at_ms, Instant::now()));
        let finished = matches!(record.event, Event::RunFinished { .. });
        if finished {
            self.screen.end_progress();
        }
        let lines = self.lines(&record.event, summary);
        self.screen.print(&lines);
        if self.options.live && !finished && !self.screen.has_progress() {
            let tests = summary.run.as_ref().map_or(0, |run| run.tests.len());
            self.screen.start_progress(tests as u64);
        }
        self.tick(summary);
    }

    /// Whether there is a line of progress, which wants to show the time.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.options.live
    }

    /// Whether output is shown as it comes.
    #[must_use]
    pub fn shows_output(&self) -> bool {
        self.options.verbose
    }

    /// Shows the next bytes of a test's output, if output is to be shown as it comes.
    pub fn output(&mut self, id: &TestId, stream: Stream, bytes: &[u8]) {
        if self.options.verbose {
            self.screen.print(&self.streamed.push(id, stream, bytes));
        }
    }

    /// Draws the progress anew with the time that has passed. For a caller to do about once a second while
    /// nothing else happens; without progress shown it does nothing.
    pub fn tick(&self, summary: &Summary) {
        if !self.screen.has_progress() {
            return;
        }
        let now_ms = self.latest.map_or(0, |(at_ms, at)| {
            at_ms.saturating_add(u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX))
        });
        self.screen.progress(
            summary.results.len() as u64,
            progress::line(summary, now_ms),
        );
    }

    fn lines(&mut self, event: &Event, summary: &Summary) -> Vec<String> {
        let style = self.style;
        match (self.options.show, event) {
            (Show::Nothing, _) => return vec![],
            (Show::Run, _)
            | (Show::Beginning | Show::Outline, Event::RunStarted(_) | Event::Warning { .. }) => {}
            (Show::Outline, Event::RunFinished { .. }) => {}
            (Show::Beginning | Show::Outline, _) => return vec![],
        }
        match event {
            Event::RunStarted(run) => vec![terminal_line(&run.headline())],
            Event::Warning { text } => {
                let mut lines = text.lines().map(terminal_line);
                let first = lines.next().unwrap_or_default();
                let first = format!("{} {first}", label(style, Color::Yellow, "WARNING"));
                let rest = lines.map(|line| format!("{INDENT}{line}"));
                std::iter::once(first).chain(rest).collect()
            }
            Event::SplatsOutside { splats, .. } => splats
                .iter()
                .map(|splat| {
                    let text = format!(
                        "while no test ran (at boot, between tests or after them), the kernel reported: {}",
                        heading(splat)
                    );
                    format!("{} {}", label(style, Color::Yellow, "WARNING"), terminal_line(&text))
                })
                .collect(),
            Event::Baseline(_) | Event::MachineStarted { .. } => vec![],
            Event::MachineReady {
                machine,
                release,
                boot_ms,
            } if self.options.verbose => {
                let release = terminal_line(release);
                vec![format!(
                    "{:>13} {} machine {machine}, linux {release}",
                    "BOOTED",
                    clock(*boot_ms)
                )]
            }
            Event::MachineEnded { machine, reason } if self.options.verbose => {
                vec![format!(
                    "{:>13} machine {machine}: {}",
                    "ENDED",
                    terminal_line(reason)
                )]
            }
            Event::TestStarted { id, .. } if self.options.verbose => {
                vec![format!(
                    "{:>13} {:11} {}",
                    "START",
                    "",
                    terminal_line(&id.to_string())
                )]
            }
            Event::MachineReady { .. } | Event::MachineEnded { .. } | Event::TestStarted { .. } => {
                vec![]
            }
            Event::TestAttempted(result) => {
                let mut lines = self.streamed.finish(&result.id);
                if !result.outcome.is_good() || self.options.verbose {
                    lines.push(format!("{} (one attempt)", format::result(style, result)));
                    lines.extend(evidence(result, &self.run_dir, self.options.verbose));
                }
                lines
            }
            Event::TestFinished(result) => {
                let mut lines = self.streamed.finish(&result.id);
                let change = summary.change(result);
                if change.is_some_and(Change::is_none) && !self.options.verbose {
                    return lines;
                }
                let note = change.map_or("", Change::note);
                lines.push(format!("{}{note}", format::result(style, result)));
                lines.extend(evidence(result, &self.run_dir, self.options.verbose));
                lines
            }
            Event::RunFinished { .. } => format::summary(style, summary, &self.run_dir),
        }
    }
}

#[cfg(test)]
mod tests;
