//! A report that has begun: which lines are its, where it ends.

use crate::{
    Class, Frame, Severity, Splat, frame,
    headline::{Headline, Shape, message},
    intro, kernel,
    line::Caller,
    title,
};

/// Most lines of a report.
const MAX_LINES: u32 = 400;
/// Most frames kept.
const MAX_FRAMES: usize = 64;
/// Most lines between `cut here` and the line that says what it is.
const MAX_WORDS: u32 = 20;
/// Lines that do not look like a report's, behind its trace, before it counts as cut off.
const MAX_STRANGE: u32 = 12;
/// Silence after which a report counts as cut off, in microseconds.
const GAP: u64 = 5_000_000;
/// The same while other CPUs are asked for their back traces, which takes up to 10 s.
const LONG_GAP: u64 = 15_000_000;

/// What became of a line that was offered to a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is the report's.
    Taken,
    /// It is the report's last.
    Last,
    /// It is not; the report had ended before.
    Ended,
}

/// Whether frames are being collected: those of one trace only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trace {
    Before,
    In,
    After,
}

/// A report that has begun.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    /// None between `cut here` and the line that says what it is.
    head: Option<Headline>,
    /// The first line between those two, or before the former.
    words: Option<String>,
    panic: Option<String>,
    kernel: Option<String>,
    first_line: u64,
    last_line: u64,
    /// The last line that looked like a report's.
    sure_line: u64,
    usec: Option<u64>,
    lines: u32,
    strange: u32,
    frames: Vec<Frame>,
    trace: Trace,
    /// An exception's `Oops:` line has come.
    died: bool,
    /// Its end marker has come; registers may follow.
    marked: bool,
    /// Other CPUs were asked for their back traces.
    asked: bool,
    /// The one that answers: a caller of its own, whose lines are this report's.
    teller: Option<Caller>,
}

impl Report {
    /// A report that begins at `first_line` and is known since `line`.
    pub fn begin(
        head: Option<Headline>,
        first_line: u64,
        line: u64,
        usec: Option<u64>,
        text: &str,
    ) -> Self {
        Self {
            died: intro::is_die(text),
            head,
            words: None,
            panic: None,
            kernel: None,
            first_line,
            last_line: line,
            sure_line: line,
            usec,
            lines: 1,
            strange: 0,
            frames: Vec::new(),
            trace: Trace::Before,
            marked: false,
            asked: false,
            teller: None,
        }
    }

    /// Whether this line of another caller is what it waits for: the back trace of a CPU that it has asked
    /// (`lib/nmi_backtrace.c`).
    pub fn awaits(&self, text: &str) -> bool {
        self.asked && text.starts_with("NMI backtrace for cpu ")
    }

    /// This caller's lines are its own from now on.
    pub fn tell(&mut self, caller: Caller) {
        self.teller = Some(caller);
    }

    /// Whether this caller's lines are its own, though another wrote the others.
    pub fn is_told_by(&self, caller: Caller) -> bool {
        self.teller == Some(caller)
    }

    /// The same, after words that came before its beginning.
    pub fn with_words(mut self, words: String) -> Self {
        self.words = Some(words);
        self
    }

    /// Whether it is over without a further line.
    pub fn is_one_line(&self) -> bool {
        self.shape() == Some(Shape::Line)
    }

    /// Whether the machine goes down in it.
    pub fn is_panic(&self) -> bool {
        self.shape() == Some(Shape::Panic)
    }

    /// Whether a panic can be its consequence.
    pub fn may_panic(&self) -> bool {
        self.severity() >= Severity::Warning
    }

    /// What it is, as soon as that is known.
    pub fn class(&self) -> Option<Class> {
        self.head.as_ref().map(|head| head.class)
    }

    /// Where it ends so far.
    pub fn last_line(&self) -> u64 {
        self.last_line
    }

    fn shape(&self) -> Option<Shape> {
        self.head.as_ref().map(|head| head.shape)
    }

    fn severity(&self) -> Severity {
        match (&self.panic, &self.head) {
            (Some(_), _) => Severity::Fatal,
            (None, Some(head)) => head.severity,
            (None, None) => Severity::Warning,
        }
    }

    /// Whether so much time lies between its last line and one of this time that it must have been cut off.
    pub fn is_cut_off(&self, usec: Option<u64>) -> bool {
        let gap = match self.class() {
            Some(
                Class::RcuStall | Class::SoftLockup | Class::HardLockup | Class::WorkqueueLockup,
            ) => LONG_GAP,
            _ => GAP,
        };
        matches!((self.usec, usec), (Some(last), Some(now)) if now.abs_diff(last) > gap)
    }

    /// The kernel panics because of it, or once more.
    pub fn panicked(&mut self, reason: &str, line: u64, usec: Option<u64>) {
        match &mut self.head {
            Some(head) => head.shape = Shape::Panic,
            None => self.head = Some(self.nameless()),
        }
        if let Some(head) = &mut self.head {
            head.shape = Shape::Panic;
            if !matches!(head.class, Class::Panic | Class::StackProtector) {
                self.panic.get_or_insert_with(|| message(reason));
            }
        }
        if !self.frames.is_empty() {
            self.trace = Trace::After;
        }
        (self.last_line, self.sure_line, self.usec) = (line, line, usec.or(self.usec));
        self.lines = 1;
    }

    /// The kernel warned, and now kills the task for it as `BUG()` does: more lines, and no stack that is not known.
    pub fn goes_on_with_bug(&mut self, line: u64, usec: Option<u64>) {
        if let Some(head) = &mut self.head {
            head.shape = Shape::Exception;
        }
        self.trace = Trace::After;
        (self.marked, self.lines, self.strange) = (false, 1, 0);
        (self.last_line, self.sure_line, self.usec) = (line, line, usec.or(self.usec));
    }

    /// A `cut here` whose headline never came.
    fn nameless(&self) -> Headline {
        let words = self.words.as_deref().unwrap_or_default();
        Headline::new(Class::Warning, "WARNING", Shape::EndTrace, words)
    }

    /// Offers a headline that came inside of it. Returns it back if it is another report's.
    pub fn absorb(&mut self, head: Headline, text: &str) -> Option<Headline> {
        let inside = match (&self.head, self.shape()) {
            (None, _) => {
                let head = match &self.words {
                    Some(words) => head.with_words(words),
                    None => head,
                };
                self.died |= intro::is_die(text);
                self.head = Some(head);
                return None;
            }
            (_, Some(Shape::Panic)) => true,
            (_, Some(Shape::Slab)) => !self.marked && head.class == Class::Warning,
            (_, Some(Shape::Exception)) => intro::is_die(text) && !self.died && !self.marked,
            _ => false,
        };
        if !inside {
            return Some(head);
        }
        self.died |= intro::is_die(text);
        None
    }

    /// Whether a `cut here` is inside of it.
    pub fn holds_cut(&self) -> bool {
        match self.shape() {
            Some(Shape::Slab) => !self.marked,
            Some(Shape::Panic) => true,
            _ => false,
        }
    }

    /// Offers the next line of its context.
    pub fn take(&mut self, line: u64, usec: Option<u64>, text: &str) -> Step {
        self.lines += 1;
        if self.lines > MAX_LINES {
            self.last_line = self.sure_line;
            return Step::Ended;
        }
        let Some(shape) = self.shape() else {
            return self.take_words(line, usec, text);
        };
        let looks = is_part(text) || self.is_frame(text);
        let step = match shape {
            Shape::Line => Step::Ended,
            Shape::Panic => match text {
                _ if text.starts_with("---[ end Kernel panic") => Step::Last,
                _ if looks || is_last_words(text) => Step::Taken,
                // Not its own, but the machine is still going down.
                _ => return Step::Taken,
            },
            _ if self.marked => self.after_mark(text),
            Shape::Rule if is_rule(text) => self.mark(),
            Shape::EndTrace if text.starts_with("---[ end trace") => Step::Last,
            Shape::Exception if text.starts_with("---[ end trace") => self.mark(),
            Shape::Slab if text.starts_with("FIX ") => Step::Last,
            Shape::Rule => Step::Taken,
            Shape::Trace(patience) if self.trace == Trace::Before => match self.lines > patience {
                true => {
                    self.last_line = self.sure_line;
                    Step::Ended
                }
                false => Step::Taken,
            },
            Shape::Trace(_) if !looks && !text.is_empty() => Step::Ended,
            Shape::Trace(_) => Step::Taken,
            Shape::EndTrace | Shape::Exception | Shape::Slab => {
                self.strange += u32::from(!looks && self.trace != Trace::Before);
                match self.strange > MAX_STRANGE {
                    true => {
                        self.last_line = self.sure_line;
                        Step::Ended
                    }
                    false => Step::Taken,
                }
            }
        };
        if step == Step::Ended {
            return step;
        }
        self.usec = usec.or(self.usec);
        if !text.trim().is_empty() {
            self.last_line = line;
            if looks || self.marked || shape == Shape::Rule || step == Step::Last {
                self.sure_line = line;
            }
        }
        self.asked |= text.starts_with("Sending NMI from CPU ");
        self.collect(text);
        self.learn(text);
        step
    }

    /// A line between `cut here` and the headline.
    fn take_words(&mut self, line: u64, usec: Option<u64>, text: &str) -> Step {
        if text.starts_with("---[ end trace") {
            self.last_line = line;
            return Step::Last;
        }
        if self.lines > MAX_WORDS {
            return Step::Ended;
        }
        self.usec = usec.or(self.usec);
        if !text.trim().is_empty() {
            self.last_line = line;
            self.words.get_or_insert_with(|| message(text));
        }
        self.collect(text);
        Step::Taken
    }

    fn mark(&mut self) -> Step {
        self.marked = true;
        self.trace = Trace::After;
        Step::Taken
    }

    /// What may follow an end marker: the registers at the first oops (`oops_end()`), and what became of the task.
    fn after_mark(&self, text: &str) -> Step {
        let summary = self.shape() == Some(Shape::Exception)
            && (is_register(text) || text.starts_with("note: "));
        let remark = text.starts_with("Disabling lock debugging due to kernel taint");
        match summary || remark {
            true => Step::Taken,
            false => Step::Ended,
        }
    }

    fn is_frame(&self, text: &str) -> bool {
        frame::parse(text).is_some()
    }

    fn collect(&mut self, text: &str) {
        if self.trace == Trace::After {
            return;
        }
        if let Some(exact) = frame::parse_exact(text) {
            return self.push(exact);
        }
        let any = self.head.as_ref().is_some_and(|head| head.any_frames);
        if is_trace(text) {
            self.trace = Trace::In;
        } else if let Some(frame) = frame::parse(text) {
            if any || self.trace == Trace::In {
                self.trace = Trace::In;
                self.push(frame);
            }
        } else if self.trace == Trace::In && !self.frames.is_empty() && !is_within_trace(text) {
            self.trace = Trace::After;
        }
    }

    fn push(&mut self, frame: Frame) {
        if self.frames.len() < MAX_FRAMES {
            self.frames.push(frame);
        }
    }

    /// What lines after the headline add to it.
    fn learn(&mut self, text: &str) {
        if self.kernel.is_none() {
            self.kernel = kernel::named(text);
        }
        let Some(head) = &mut self.head else { return };
        if head.class == Class::SuspiciousRcu
            && head.place.is_none()
            && let Some((place, _)) = text.split_once(" suspicious ")
            && place.contains(':')
            && !place.contains(' ')
        {
            head.place = Some(message(place));
        }
    }

    /// The finished splat.
    pub fn into_splat(self) -> Splat {
        let severity = self.severity();
        let head = match self.head {
            Some(head) => head,
            None => self.nameless(),
        };
        Splat {
            class: head.class,
            title: title::title(&head, &self.frames),
            fingerprint: title::fingerprint(&head, &self.frames),
            severity,
            first_line: self.first_line,
            last_line: self.last_line,
            message: Some(head.message).filter(|message| !message.is_empty()),
            kernel: self.kernel,
            panic: self.panic,
            frames: self.frames,
        }
    }
}

/// A line of `=`, around the sanitizers' reports and before the lock validator's.
pub(crate) fn is_rule(text: &str) -> bool {
    text.len() >= 20 && text.bytes().all(|b| b == b'=')
}

/// The headline of a stack trace.
fn is_trace(text: &str) -> bool {
    text.starts_with("Call Trace:") || text.starts_with("Call trace:")
}

/// What stands between the frames of one trace: tags, addresses that no symbol is known of, and registers where an interrupt
/// came.
fn is_within_trace(text: &str) -> bool {
    let tag = text.trim();
    let address = tag.trim_start_matches("? ").strip_prefix("0x");
    (tag.starts_with('<') && tag.ends_with('>') && tag.len() < 20)
        || address.is_some_and(|hex| hex.len() == 16 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
        || is_register(text)
}

/// Registers, and code around the instruction pointer.
fn is_register(text: &str) -> bool {
    let starts = [
        "RIP: ", "RSP: ", "RAX: ", "RDX: ", "RBP: ", "R10: ", "R13: ", "FS:  ", "CS:  ", "CR2: ",
        "DR0: ", "DR3: ", "PKRU: ", "Code: ", "pc : ", "lr : ", "sp : ", "pstate: ", "Code: ",
        "EIP: ", "EAX: ", "ESI: ", "DS: ",
    ];
    let arm = |text: &str| {
        let mut bytes = text.bytes();
        bytes.next() == Some(b'x')
            && bytes.next().is_some_and(|b| b.is_ascii_digit())
            && text.contains(": ")
    };
    starts.iter().any(|start| text.starts_with(start)) || arm(text)
}

/// Whether a line looks like part of a report, beside frames.
fn is_part(text: &str) -> bool {
    let starts = [
        "CPU: ",
        "Hardware name: ",
        "Modules linked in:",
        "Tainted: ",
        "Workqueue: ",
        "Sending NMI ",
        "NMI backtrace for cpu ",
        "rcu: ",
        "task:",
        "Showing all locks held",
        "stack backtrace:",
        "#PF: ",
        "PGD ",
        "Call Trace:",
        "Call trace:",
        "Stopper: ",
        "Preemption disabled at:",
        "irq event stamp:",
        "hardirqs last ",
        "softirqs last ",
        "Kernel Offset:",
        "Last Breaking-Event",
        "INFO: lockdep is turned off",
        "Mem-Info:",
        "Lockdep",
    ];
    let locks = |text: &str| {
        let text = text.trim_start();
        text.contains(" held by ") || (text.starts_with('#') && text.contains(", at: "))
    };
    is_within_trace(text)
        || is_rule(text)
        || starts.iter().any(|start| text.starts_with(start))
        || locks(text)
}

/// What a kernel says behind a panic's trace.
fn is_last_words(text: &str) -> bool {
    let starts = [
        "Kernel Offset:",
        "Rebooting in ",
        "Dumping ftrace buffer",
        "Shutting down cpus with NMI",
        "Kernel panic",
        "   (ftrace buffer empty)",
        "SMP: stopping secondary CPUs",
        "CPU features:",
        "Memory Limit:",
    ];
    starts.iter().any(|start| text.starts_with(start))
}
