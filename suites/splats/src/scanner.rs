//! Finds the splats in a kernel log, line by line.
//!
//! Reports of several callers may stand interleaved; where the kernel says who printed a line (`CONFIG_PRINTK_CALLER`), each
//! caller has a context of its own. A report that is over is held for a little while: the panic that it leads to comes after it.

use crate::{
    Class, Line, Splat,
    headline::Headline,
    intro::{self, CUT_HERE},
    line::Caller,
    normal,
    report::{Report, Step, is_rule},
};
use std::collections::VecDeque;

/// Most callers that are followed at the same time.
const MAX_CONTEXTS: usize = 16;
/// Most reports held for what may follow.
const MAX_HELD: usize = 16;
/// Lines for which they are held.
const HELD_FOR: u64 = 64;
/// Lines that may lie between a rule, or words of the kernel, and the report they belong to.
const BEFORE: u64 = 3;
/// Most splats kept until they are taken.
const MAX_KEPT: usize = 10_000;
/// How far back a kernel's clock may seem to go within one boot, in microseconds.
const REORDERED: u64 = 1_000_000;
/// Longest line looked at, in bytes: the kernel's own limit is below 1 KiB (`PRINTKRB_RECORD_MAX`).
const MAX_LINE: usize = 2048;

/// What is known of one caller.
#[derive(Debug, Clone)]
struct Context {
    caller: Option<Caller>,
    /// The line number of its latest rule.
    rule: Option<u64>,
    /// Words that come before a `BUG()`, and their line.
    prelude: Option<(u64, String)>,
    /// How many lines it wrote since the rule or the words.
    since: u64,
    /// The line it wrote last.
    latest: u64,
    report: Option<Report>,
}

/// A report that is over, and whose it was.
#[derive(Debug, Clone)]
struct Held {
    caller: Option<Caller>,
    report: Report,
}

/// Finds splats in the lines of one kernel log. Time is linear, memory bounded as long as splats are taken.
#[derive(Debug, Clone, Default)]
pub struct Scanner {
    line: u64,
    usec: Option<u64>,
    contexts: Vec<Context>,
    held: VecDeque<Held>,
    done: Vec<Splat>,
    left_out: u64,
}

impl Scanner {
    /// A scanner at the beginning of a log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lines so far.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.line
    }

    /// A line of the log that the kernel did not write: it counts, and says nothing.
    pub fn skip(&mut self) {
        self.line += 1;
    }

    /// The next line of the kernel.
    pub fn push(&mut self, line: Line<'_>) {
        self.line += 1;
        let text = bounded(line.text);
        let went_back =
            matches!((self.usec, line.usec), (Some(last), Some(now)) if now + REORDERED < last);
        if went_back || text.starts_with("Linux version ") {
            self.close_all();
        }
        self.usec = line.usec.or(self.usec);
        self.release();
        let index = self.context_of(line.caller, text);
        let Some(index) = index else { return };
        let context = &mut self.contexts[index];
        context.latest = self.line;
        context.since += 1;
        if context
            .report
            .as_ref()
            .is_some_and(|report| report.is_cut_off(line.usec))
        {
            self.close(index);
        }
        self.take(index, line.usec, text);
    }

    /// The splats that have ended, in the order of their ends.
    pub fn take_finished(&mut self) -> Vec<Splat> {
        std::mem::take(&mut self.done)
    }

    /// Ends the log: all splats that were not taken, by their first lines.
    #[must_use]
    pub fn finish(mut self) -> Vec<Splat> {
        self.close_all();
        self.done.sort_by_key(|splat| splat.first_line);
        self.done
    }

    /// Ends the reports that have begun, as the log's end does. Returns how many splats there were beyond those that are
    /// kept until they are taken.
    pub fn end(&mut self) -> u64 {
        self.close_all();
        self.left_out
    }

    /// Forgets everything found so far.
    pub(crate) fn forget(&mut self) {
        let line = self.line;
        *self = Self {
            line,
            ..Self::default()
        };
    }

    /// The context of a line, a new one if the line may begin something. While a machine panics every line is the panic's.
    fn context_of(&mut self, caller: Option<Caller>, text: &str) -> Option<usize> {
        let of_report = |is: &dyn Fn(&Report) -> bool| {
            let mut contexts = self.contexts.iter();
            contexts.position(|context| context.report.as_ref().is_some_and(is))
        };
        let known = of_report(&Report::is_panic).or_else(|| {
            of_report(&|report| caller.is_some_and(|caller| report.is_told_by(caller)))
        });
        let own = || {
            let mut contexts = self.contexts.iter();
            contexts.position(|context| context.caller == caller)
        };
        let known = known.or_else(own);
        let is_busy = |index: usize| self.contexts[index].report.is_some();
        if let Some(caller) = caller
            && !known.is_some_and(is_busy)
            && let Some(asking) = of_report(&|report| report.awaits(text))
            && let Some(report) = &mut self.contexts[asking].report
        {
            report.tell(caller);
            return Some(asking);
        }
        if known.is_some() {
            return known;
        }
        // A log may go on in a form without callers, as out of guest memory.
        if caller.is_none() {
            let mut open =
                (0..self.contexts.len()).filter(|index| self.contexts[*index].report.is_some());
            if let (Some(only), None) = (open.next(), open.next()) {
                return Some(only);
            }
        }
        let begins = is_rule(text)
            || text == CUT_HERE
            || intro::is_prelude(text)
            || Headline::read(text, false).is_some();
        if !begins {
            return None;
        }
        if self.contexts.len() == MAX_CONTEXTS {
            let idle = |index: &usize| {
                (
                    self.contexts[*index].report.is_some(),
                    self.contexts[*index].latest,
                )
            };
            let oldest = (0..MAX_CONTEXTS).min_by_key(idle).expect("there are some");
            self.close(oldest);
            self.contexts.swap_remove(oldest);
        }
        self.contexts.push(Context {
            caller,
            rule: None,
            prelude: None,
            since: 0,
            latest: self.line,
            report: None,
        });
        Some(self.contexts.len() - 1)
    }

    fn take(&mut self, index: usize, usec: Option<u64>, text: &str) {
        let line = self.line;
        let context = &mut self.contexts[index];
        if let Some(reason) = intro::panic_reason(text) {
            return self.panic(index, usec, text, reason);
        }
        if text == CUT_HERE {
            if context
                .report
                .as_ref()
                .is_none_or(|report| !report.holds_cut())
            {
                self.close(index);
                let context = &mut self.contexts[index];
                let report = Report::begin(None, line, line, usec, text);
                context.report = Some(match context.take_prelude() {
                    Some((first, words)) => {
                        Report::begin(None, first, line, usec, text).with_words(words)
                    }
                    None => report,
                });
            }
            return;
        }
        if intro::is_fortify_bug(text) && self.resume_fortify(index, usec) {
            return;
        }
        let context = &mut self.contexts[index];
        let after_rule = context.rule.is_some() && context.since <= BEFORE;
        if let Some(head) = Headline::read(text, after_rule) {
            let head = match &mut context.report {
                Some(report) => report.absorb(head, text),
                None => Some(head),
            };
            if let Some(head) = head {
                return self.begin(index, head, after_rule, usec, text);
            }
        }
        let context = &mut self.contexts[index];
        let Some(report) = &mut context.report else {
            return context.remember(line, text);
        };
        match report.take(line, usec, text) {
            Step::Taken => {}
            Step::Last => self.close(index),
            Step::Ended => {
                self.close(index);
                self.contexts[index].remember(line, text);
            }
        }
    }

    fn begin(
        &mut self,
        index: usize,
        head: Headline,
        after_rule: bool,
        usec: Option<u64>,
        text: &str,
    ) {
        let line = self.line;
        self.close(index);
        let context = &mut self.contexts[index];
        let first = context.rule.filter(|_| after_rule).unwrap_or(line);
        let (first, head) = match context.take_prelude() {
            Some((prelude, words)) => (first.min(prelude), head.with_words(&words)),
            None => (first, head),
        };
        context.rule = None;
        let report = Report::begin(Some(head), first, line, usec, text);
        let over = report.is_one_line();
        context.report = Some(report);
        if over {
            self.close(index);
        }
    }

    /// A panic is its cause's end, where it has one.
    fn panic(&mut self, index: usize, usec: Option<u64>, text: &str, reason: &str) {
        let line = self.line;
        let consequence = intro::is_consequence(reason);
        if let Some(report) = &mut self.contexts[index].report
            && (report.is_panic() || (consequence && report.may_panic()))
        {
            return report.panicked(reason, line, usec);
        }
        self.close(index);
        let caller = self.contexts[index].caller;
        let candidate =
            |held: &Held| consequence && held.report.may_panic() && !held.report.is_panic();
        let own = self
            .held
            .iter()
            .rposition(|held| candidate(held) && held.caller == caller);
        let cause = own.or_else(|| self.held.iter().rposition(candidate));
        if let Some(held) = cause.and_then(|at| self.held.remove(at)) {
            let mut report = held.report;
            report.panicked(reason, line, usec);
            self.contexts[index].report = Some(report);
            return;
        }
        if let Some(head) = Headline::read(text, false) {
            self.begin(index, head, false, usec, text);
        }
    }

    /// The `BUG()` by which the kernel ends what it has just warned of. Whether there was such a warning.
    fn resume_fortify(&mut self, index: usize, usec: Option<u64>) -> bool {
        let (line, caller) = (self.line, self.contexts[index].caller);
        let warned = self.held.iter().rposition(|held| {
            held.caller == caller
                && held.report.class() == Some(Class::Fortify)
                && line <= held.report.last_line() + BEFORE
        });
        let Some(held) = warned.and_then(|at| self.held.remove(at)) else {
            return false;
        };
        let mut report = held.report;
        report.goes_on_with_bug(line, usec);
        self.contexts[index].report = Some(report);
        true
    }

    /// Ends a context's report, and holds it for what may follow.
    fn close(&mut self, index: usize) {
        let context = &mut self.contexts[index];
        let caller = context.caller;
        if let Some(report) = context.report.take() {
            self.held.push_back(Held { caller, report });
            if self.held.len() > MAX_HELD {
                self.let_go();
            }
        }
    }

    /// Nothing can follow any more: another boot, or the end.
    fn close_all(&mut self) {
        for index in 0..self.contexts.len() {
            self.close(index);
        }
        self.contexts.clear();
        while !self.held.is_empty() {
            self.let_go();
        }
        self.usec = None;
    }

    /// Lets the reports go that have been held for long enough.
    fn release(&mut self) {
        while let Some(held) = self.held.front()
            && self.line > held.report.last_line() + HELD_FOR
        {
            self.let_go();
        }
    }

    fn let_go(&mut self) {
        if let Some(held) = self.held.pop_front() {
            match self.done.len() < MAX_KEPT {
                true => self.done.push(held.report.into_splat()),
                false => self.left_out += 1,
            }
        }
    }
}

impl Context {
    /// Keeps what may be the beginning of a report.
    fn remember(&mut self, line: u64, text: &str) {
        if is_rule(text) {
            (self.rule, self.since) = (Some(line), 0);
        } else if intro::is_prelude(text) {
            (self.prelude, self.since) = (Some((line, normal::bounded(text, 300))), 0);
        }
    }

    fn take_prelude(&mut self) -> Option<(u64, String)> {
        self.prelude.take().filter(|_| self.since <= BEFORE)
    }
}

fn bounded(text: &str) -> &str {
    let mut end = text.len().min(MAX_LINE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].trim_end()
}
