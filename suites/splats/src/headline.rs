//! The line by which a splat is known, and what follows from it for finding its end.

use crate::{
    Class, Severity, intro,
    normal::{bounded, normalise},
    oneline,
};

/// Longest message kept, in bytes.
const MAX_MESSAGE: usize = 300;

/// Where the function in a splat's name comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Culprit {
    /// The headline says it.
    Named(String),
    /// The first function of the stack that matters.
    Stack,
    /// There is none to blame.
    None,
}

/// What a report looks like, which says how its end is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One line.
    Line,
    /// Lines up to a stack trace, which must begin within so many lines, and the lines that belong to it.
    Trace(u32),
    /// Up to a line of `=`.
    Rule,
    /// Up to `---[ end trace ... ]---`.
    EndTrace,
    /// The same of an exception: one with an `Oops:` line inside and registers behind.
    Exception,
    /// Up to `FIX cache: ...`, with a warning inside.
    Slab,
    /// Up to the machine's end.
    Panic,
}

/// What the line by which a splat is known says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Headline {
    pub class: Class,
    pub severity: Severity,
    /// The title, without function and place.
    pub base: String,
    pub culprit: Culprit,
    /// File and line.
    pub place: Option<String>,
    pub shape: Shape,
    /// The line itself, or what the kernel said before it.
    pub message: String,
    /// Whether frames count that do not follow a `Call Trace:`.
    pub any_frames: bool,
}

impl Headline {
    /// A headline whose function is the stack's, of the class's own severity.
    pub fn new(class: Class, base: impl Into<String>, shape: Shape, text: &str) -> Self {
        Self {
            class,
            severity: class.severity(),
            base: base.into(),
            culprit: Culprit::Stack,
            place: None,
            shape,
            message: message(text),
            any_frames: false,
        }
    }

    /// The same with a function, unless it is empty.
    pub fn in_function(mut self, function: &str) -> Self {
        let name = crate::frame::plain(function.split("+0x").next().unwrap_or_default());
        if !name.is_empty() {
            self.culprit = Culprit::Named(normalise(name));
        }
        self
    }

    /// The same with nobody to blame.
    pub fn nobody(mut self) -> Self {
        self.culprit = Culprit::None;
        self
    }

    /// The same with a place.
    pub fn at(mut self, place: &str) -> Self {
        self.place = Some(bounded(place, MAX_MESSAGE));
        self
    }

    /// Reads a line, without its prefix. `after_rule` says that a line of `=` was before it.
    pub fn read(text: &str, after_rule: bool) -> Option<Self> {
        let mut headline = intro::read(text).or_else(|| oneline::read(text, after_rule))?;
        // Before 6.2 it stood between two lines of `=` (`lib/ubsan.c`).
        if headline.class == Class::Ubsan && after_rule {
            headline.shape = Shape::Rule;
        }
        Some(headline)
    }
}

/// A bounded copy of what the kernel said.
pub(crate) fn message(text: &str) -> String {
    bounded(text.trim(), MAX_MESSAGE)
}

/// Text up to the next of these.
pub(crate) fn until<'a>(text: &'a str, ends: &[&str]) -> &'a str {
    let end = ends.iter().filter_map(|end| text.find(end)).min();
    &text[..end.unwrap_or(text.len())]
}
