//! What is kept of an output without end: the bounds, and what is left of each.

use crate::Outcome;
use std::collections::BTreeMap;

/// Results kept; further ones are only counted.
pub const MAX_RESULTS: usize = 100_000;
/// Bytes of one result's name.
pub const MAX_NAME: usize = 512;
/// Bytes of one result's diagnostics, and of its reason.
pub const MAX_DIAGNOSTICS: usize = 2048;
/// Problems kept; further ones are only counted.
pub const MAX_PROBLEMS: usize = 50;

/// Bytes of all names; results past it have none.
const ALL_NAMES: usize = 16 << 20;
/// Bytes of all reasons and diagnostics.
const ALL_TEXT: usize = 4 << 20;

/// What may still be kept.
pub(super) struct Keep {
    results: usize,
    names: usize,
    text: usize,
    problems: usize,
    /// Whether results that were announced and never came are results too, and how many of those may still be kept.
    pub fill: Option<usize>,
    /// What the kernel said when it crashed last, in a recorded log.
    pub crash: String,
    /// Problems that were not kept.
    pub lost_problems: u64,
    /// Results that were not kept.
    pub overflow: BTreeMap<Outcome, u64>,
}

impl Keep {
    pub fn new() -> Self {
        Self {
            results: MAX_RESULTS,
            names: ALL_NAMES,
            text: ALL_TEXT,
            problems: MAX_PROBLEMS,
            fill: None,
            crash: String::new(),
            lost_problems: 0,
            overflow: BTreeMap::new(),
        }
    }

    /// Whether one more result may be kept; counts it where not.
    ///
    /// A parent always is, for its children: past the bound there can only be one for each level that was open.
    pub fn result(&mut self, outcome: Outcome, is_parent: bool) -> bool {
        if self.results == 0 {
            if is_parent {
                return true;
            }
            *self.overflow.entry(outcome).or_default() += 1;
            return false;
        }
        self.results -= 1;
        true
    }

    /// Whether one more result that never came may be kept.
    pub fn missing(&mut self) -> bool {
        match &mut self.fill {
            Some(left) if *left > 0 && self.results > 0 => {
                *left -= 1;
                self.results -= 1;
                true
            }
            _ => false,
        }
    }

    /// Counts `count` results that are not kept.
    pub fn uncounted(&mut self, outcome: Outcome, count: u64) {
        let sum = self.overflow.entry(outcome).or_default();
        *sum = sum.saturating_add(count);
    }

    pub fn name(&mut self, name: &str) -> String {
        let kept = head(name, MAX_NAME.min(self.names));
        self.names -= kept.len();
        kept.into()
    }

    /// Adds `text` to `to`, a reason or diagnostics.
    pub fn text(&mut self, to: &mut String, text: &str) {
        let room = MAX_DIAGNOSTICS.saturating_sub(to.len());
        let kept = head(text, room.min(self.text));
        self.text -= kept.len();
        to.push_str(kept);
    }

    pub fn problem(&mut self, problems: &mut Vec<String>, problem: String) {
        if self.problems == 0 {
            self.lost_problems += 1;
        } else {
            self.problems -= 1;
            problems.push(problem);
        }
    }
}

/// The last lines of a text, however long it grows.
#[derive(Default)]
pub(super) struct Tail(String);

impl Tail {
    pub fn line(&mut self, line: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(line);
        // Cutting at twice the bound moves each byte at most once.
        if self.0.len() > 2 * MAX_DIAGNOSTICS {
            let cut = self.0.len() - tail(&self.0, MAX_DIAGNOSTICS).len();
            self.0.drain(..cut);
        }
    }

    pub fn append(&mut self, other: Self) {
        if !other.0.is_empty() {
            self.line(&other.0);
        }
    }

    /// The text, which is forgotten.
    pub fn take(&mut self) -> String {
        let text = std::mem::take(&mut self.0);
        tail(&text, MAX_DIAGNOSTICS).into()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// At most the first `max` bytes.
pub(crate) fn head(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// At most the last `max` bytes.
fn tail(text: &str, max: usize) -> &str {
    let mut start = text.len().saturating_sub(max);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}
