//! From bytes to levels of results.

use super::{
    document::{Document, name_apart},
    keep::{Keep, MAX_DIAGNOSTICS, MAX_NAME, head},
    level::Level,
    line::{Indented, Item, clean, glued, indented, item},
};
use crate::OutputFormat;

/// Bytes kept of a line; the rest of a longer one is not read.
pub const MAX_LINE: usize = 4096;
/// Levels of nesting; what is nested deeper is ordinary output.
pub const MAX_DEPTH: usize = 16;

/// Reads a program's output as it comes, in pieces of any size.
pub struct Parser {
    format: OutputFormat,
    /// The beginning of the current line.
    line: Vec<u8>,
    /// Open levels, the innermost last; never empty.
    levels: Vec<Level>,
    /// In a YAML block that began at this column.
    yaml: Option<usize>,
    /// Whether `# ` is nesting, as wrapper programs make it.
    hashes: bool,
    keep: Keep,
    bail_out: Option<String>,
    /// Whether a version or plan was seen.
    header: bool,
    /// Whether a result was seen.
    result: bool,
}

impl Parser {
    /// A parser for the output of a program that prints `format`.
    #[must_use]
    pub fn new(format: OutputFormat) -> Self {
        Self {
            format,
            line: Vec::new(),
            levels: vec![Level::new(0, None)],
            yaml: None,
            // KUnit nests by blanks alone, and its messages stand behind `# `.
            hashes: format != OutputFormat::Kunit,
            keep: Keep::new(),
            bail_out: None,
            header: false,
            result: false,
        }
    }

    /// A parser for a log that was recorded elsewhere and may have no end: results that were announced and never came
    /// are results too, [`crate::Outcome::NotRun`], or [`crate::Outcome::KernelCrash`] where [`Parser::crash`] said so. At
    /// most `missing` of them are kept, further ones are only counted.
    #[must_use]
    pub fn of_log(format: OutputFormat, missing: usize) -> Self {
        let mut parser = Self::new(format);
        parser.never_ended(missing);
        parser
    }

    /// Says that the program never came to its end: see [`Parser::of_log`].
    pub fn never_ended(&mut self, missing: usize) {
        self.keep.fill = Some(missing);
    }

    /// Says that the log has a crash of the kernel here. It counts where no result comes after it.
    pub fn crash(&mut self, text: &str) {
        let crash = head(text, MAX_DIAGNOSTICS);
        crash.clone_into(&mut self.keep.crash);
        let top = self.top();
        top.crashed = true;
    }

    /// Whether anything of KTAP or TAP has come: a version, a plan or a result.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.header || self.result
    }

    /// Takes the next piece of output.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.format == OutputFormat::ExitStatus {
            return;
        }
        let mut rest = bytes;
        // A carriage return ends a line too: that is right for `\r\n`, and for results behind a progress display.
        while let Some(end) = rest.iter().position(|b| matches!(b, b'\n' | b'\r')) {
            self.extend_line(&rest[..end]);
            self.end_line();
            rest = &rest[end + 1..];
        }
        self.extend_line(rest);
    }

    /// Ends the output. A last line without newline counts.
    #[must_use]
    pub fn finish(mut self) -> Document {
        self.end_line();
        let mut root = self.close_all();
        let is_ktap = match self.format {
            OutputFormat::Auto => self.header,
            OutputFormat::Kselftest | OutputFormat::Kunit => {
                self.header || self.result || self.bail_out.is_some()
            }
            _ => false,
        };
        if !is_ktap {
            return Document::default();
        }
        root.end_document(&mut self.keep);
        name_apart(&mut root.results);
        if self.keep.lost_problems > 0 {
            root.problems
                .push(format!("{} more problems", self.keep.lost_problems));
        }
        let nothing_came = root.results.is_empty() && self.keep.overflow.is_empty();
        Document {
            is_ktap,
            plan: root.plan,
            skip_all: root.skip_all.filter(|_| nothing_came),
            bail_out: self.bail_out,
            results: root.results,
            problems: root.problems,
            overflow: self.keep.overflow,
        }
    }

    fn extend_line(&mut self, bytes: &[u8]) {
        let room = MAX_LINE - self.line.len();
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self) {
        let mut raw = std::mem::take(&mut self.line);
        {
            let text = clean(&raw);
            let text = text.trim_end();
            // `#` alone is an empty line with a prefix.
            if !text.is_empty() && text != "#" {
                self.take(&indented(text, self.hashes));
            }
        }
        raw.clear();
        self.line = raw;
    }

    fn take(&mut self, line: &Indented) {
        let item = item(line.content);
        if self.take_yaml(line, &item) {
            return;
        }
        match item {
            Item::Version => {
                let Some(level) = self.level(line.column, true) else {
                    return self.text(line.column, line.content);
                };
                // A subtest that has a name is one subtest: this begins the next.
                if level.name.is_some() && !level.only_version() {
                    self.begin_again();
                }
                self.header = true;
                self.in_top(Level::version);
            }
            Item::Plan { count, skip } => {
                if self.level(line.column, false).is_none() {
                    return self.text(line.column, line.content);
                }
                self.header = true;
                self.in_top(|level, keep| level.plan(count, skip, keep));
            }
            Item::Subtest(name) => self.subtest(line.column, name),
            Item::Result(mut result) => {
                if self.level(line.column, false).is_none() {
                    return self.text(line.column, line.content);
                }
                self.result = true;
                // Results may stand behind one another: `ok 1 oneok 2 two`.
                loop {
                    let (level, last) = (self.top(), result.number);
                    let next = glued(result.rest, |number| level.expects_after(last, number));
                    if let Some((rest, _)) = next {
                        result.rest = rest;
                    }
                    self.in_top(|level, keep| level.result(&result, keep));
                    let Some((_, next)) = next else { break };
                    result = next;
                }
            }
            Item::BailOut(reason) => {
                self.bail_out
                    .get_or_insert_with(|| head(reason, MAX_DIAGNOSTICS).into());
                self.text(line.column, line.content);
            }
            Item::Text => self.take_text(line),
        }
    }

    /// Takes a line of a YAML block, `---` to `...`, indented below a result. Less indentation or a version ends it.
    fn take_yaml(&mut self, line: &Indented, item: &Item) -> bool {
        let top = self.levels.last_mut().expect("the root is never closed");
        match self.yaml {
            None => {
                let begins = line.content == "---"
                    && line.blank_before
                    && line.column > top.column
                    && top.has_results();
                if begins {
                    self.yaml = Some(line.column);
                }
                begins
            }
            Some(column) if line.column >= column && !matches!(item, Item::Version) => {
                if line.content == "..." {
                    self.yaml = None;
                } else {
                    top.yaml(line.content, &mut self.keep);
                }
                true
            }
            Some(_) => {
                self.yaml = None;
                false
            }
        }
    }

    /// `# Subtest:` names the block that it begins or, without one on its own level, the block nested next.
    fn subtest(&mut self, column: usize, name: &str) {
        let Some(level) = self.level(column, true) else {
            return;
        };
        let name = Some(head(name, MAX_NAME).to_owned());
        if level.column > 0 && level.only_version() && level.name.is_none() {
            level.name = name;
        } else {
            level.announced = name;
        }
    }

    /// Text may end in a result of one of the open levels; else it is a diagnostic of the level that it stands on.
    fn take_text(&mut self, line: &Indented) {
        let content = line.content;
        if !self.hashes
            && let Some(said) = content.strip_prefix('#')
        {
            return self.text(line.column, said.trim_start());
        }
        let found = self
            .levels
            .iter()
            .rposition(|level| level.column <= line.column)
            .map(|last| &self.levels[..=last])
            .and_then(|open| {
                let due = |number| open.iter().any(|level| level.expects(number));
                let (before, result) = glued(content, due)?;
                let level = open.iter().rfind(|level| level.expects(result.number))?;
                Some((before, level.column))
            });
        let Some((before, column)) = found else {
            return self.text(line.column, content);
        };
        self.text(line.column, before.trim_end());
        self.take(&Indented {
            column,
            blank_before: false,
            content: &content[before.len()..],
        });
    }

    fn text(&mut self, column: usize, text: &str) {
        let level = self.levels.iter_mut().rfind(|l| l.column <= column);
        level.expect("the root is at column 0").text(text);
    }

    /// The level for something at `column`, which is opened or becomes the innermost. One column more than a level has is
    /// no nesting. `None` where it would be too deep. `ending`: this begins something rather than being a parent's result.
    fn level(&mut self, column: usize, ending: bool) -> Option<&mut Level> {
        let mut popped = None;
        while self.top().column > column {
            let mut level = self.levels.pop().expect("the root is at column 0");
            if let Some(below) = popped {
                level.close(below, ending, &mut self.keep);
            }
            popped = Some(level);
        }
        let is_new = column >= self.top().column + 2;
        if is_new && self.levels.len() == MAX_DEPTH {
            // Nothing was popped: a level was open at this depth, and it is not deeper than this column.
            return None;
        }
        if is_new {
            // Whatever the kernel said before, the machine went on.
            self.top().crashed = false;
            let announced = self.top().announced.take();
            self.levels.push(Level::new(column, announced));
        }
        let top = self.levels.last_mut().expect("the root is never closed");
        if let Some(below) = popped {
            top.close(below, ending, &mut self.keep);
        }
        Some(top)
    }

    /// Replaces the innermost level, a subtest whose own result never came, by another in its place.
    fn begin_again(&mut self) {
        let old = self
            .levels
            .pop()
            .expect("only a level below the root has a name");
        let column = old.column;
        let around = self.levels.last_mut().expect("the root is never closed");
        around.close(old, true, &mut self.keep);
        around.adopt_orphans(&mut self.keep);
        self.levels.push(Level::new(column, None));
    }

    fn top(&mut self) -> &mut Level {
        self.levels.last_mut().expect("the root is never closed")
    }

    fn in_top(&mut self, act: impl FnOnce(&mut Level, &mut Keep)) {
        let top = self.levels.last_mut().expect("the root is never closed");
        act(top, &mut self.keep);
    }

    /// Closes all levels into one. Where the outermost says nothing, the one below it is the document: a script that
    /// prefixes all that its programs print.
    fn close_all(&mut self) -> Level {
        let mut inner = self.levels.pop().expect("the root is never closed");
        while let Some(mut outer) = self.levels.pop() {
            if self.levels.is_empty() && outer.is_untouched() && inner.name.is_none() {
                return inner;
            }
            outer.close(inner, true, &mut self.keep);
            inner = outer;
        }
        inner
    }
}
