//! Colours, or none.

use suites::Outcome;

/// Whether to use colours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// The caller's decision.
    pub color: bool,
}

/// Select Graphic Rendition parameters (ECMA-48 section 8.3.117).
#[derive(Debug, Clone, Copy)]
pub(super) enum Color {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Magenta = 35,
}

impl Style {
    /// `text`, bold and in `color`.
    pub fn paint(self, color: Color, text: &str) -> String {
        if self.color {
            format!("\x1b[1;{}m{text}\x1b[0m", color as u8)
        } else {
            text.into()
        }
    }
}

/// The colour of an outcome: red blames the kernel, magenta the harness.
pub(super) fn color(outcome: Outcome) -> Color {
    match outcome {
        Outcome::Pass => Color::Green,
        Outcome::Skip | Outcome::ExpectedFail | Outcome::Flaky | Outcome::NotRun => Color::Yellow,
        Outcome::Fail
        | Outcome::TimeOut
        | Outcome::Hang
        | Outcome::KernelCrash
        | Outcome::BootFailure => Color::Red,
        Outcome::HarnessError => Color::Magenta,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn color_is_there_only_when_asked_for() {
        assert_eq!(
            Style { color: true }.paint(Color::Red, "x"),
            "\x1b[1;31mx\x1b[0m"
        );
        assert_eq!(Style { color: false }.paint(Color::Red, "x"), "x");
    }
}
