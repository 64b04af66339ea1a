//! Where lines go, with or without a line of progress under them.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use std::io::Write;

/// Standard error, or what stands in for it, and the line of progress at its foot.
pub(super) struct Screen {
    out: Box<dyn Write + Send>,
    bar: Option<ProgressBar>,
}

impl Screen {
    /// A screen without progress.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out, bar: None }
    }

    /// Shows a line of progress over `len` steps on standard error, until [`Self::end_progress`].
    pub fn start_progress(&mut self, len: u64) {
        let style =
            ProgressStyle::with_template("{prefix:>13} [{elapsed_precise}] {pos}/{len} {wide_msg}")
                .expect("a constant template");
        let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::stderr())
            .with_style(style)
            .with_prefix("Running")
            .with_finish(ProgressFinish::AndClear);
        bar.tick();
        self.bar = Some(bar);
    }

    /// Whether progress is shown.
    pub fn has_progress(&self) -> bool {
        self.bar.is_some()
    }

    /// Draws the line anew, with `done` steps done.
    pub fn progress(&self, done: u64, message: String) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(message);
        }
    }

    /// Removes the line.
    pub fn end_progress(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Writes lines, above the progress if there is any, in one piece. A reader that is gone is no reason to stop a run.
    pub fn print(&mut self, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        let text = lines.join("\n") + "\n";
        let out = &mut self.out;
        let mut write = || {
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}
