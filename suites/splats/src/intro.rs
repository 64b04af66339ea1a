//! The lines by which exceptions, `WARN()` and `BUG()` and the sanitizers' reports are known.

use crate::{
    Class,
    frame::symbol,
    headline::{Headline, Shape, message, until},
    normal::normalise,
};

/// Beginning of every `WARN()`, `BUG()` and UBSAN report (`include/asm-generic/bug.h`, `CUT_HERE`).
pub(crate) const CUT_HERE: &str = "------------[ cut here ]------------";

/// Beginning of the line by which the kernel gives up.
pub(crate) const PANIC: &str = "Kernel panic - not syncing";

/// Reads the line by which an exception, a warning or a sanitizer's report is known.
pub(crate) fn read(text: &str) -> Option<Headline> {
    if let Some(reason) = panic_reason(text) {
        return Some(panic(reason, text));
    }
    warning(text)
        .or_else(|| bug(text))
        .or_else(|| ubsan(text))
        .or_else(|| sanitizer(text))
        .or_else(|| fault(text))
        .or_else(|| die(text))
}

/// The reason of a `Kernel panic - not syncing: ` line.
pub(crate) fn panic_reason(text: &str) -> Option<&str> {
    let reason = text.strip_prefix(PANIC)?;
    Some(reason.trim_start_matches([':', ' ', '-']))
}

/// Whether the kernel panics because of what it has already reported.
pub(crate) fn is_consequence(reason: &str) -> bool {
    let starts = [
        "Fatal exception",
        "Attempted to kill init!",
        "Aiee, killing interrupt handler!",
        "Attempted to kill the idle task!",
        "softlockup: hung tasks",
        "hung_task: blocked tasks",
        "Hard LOCKUP",
        "RCU Stall",
        "Machine halted",
    ];
    // `kernel: panic_on_warn set ...`, `KASAN: panic_on_warn set ...`, `UBSAN: panic_on_warn set ...`
    starts.iter().any(|start| reason.starts_with(start))
        || reason.contains("panic_on_warn set")
        || reason.contains("panic_on_taint set")
        || reason.contains("kasan.fault=panic set")
        || reason.contains("kmsan.panic set")
        || reason.contains("system warned too often")
}

/// A panic of its own.
fn panic(reason: &str, text: &str) -> Headline {
    let class =
        match reason.starts_with("stack-protector") || reason.starts_with("corrupted stack end") {
            true => Class::StackProtector,
            false => Class::Panic,
        };
    let base = format!("{PANIC}: {}", normalise(reason));
    Headline::new(class, base, Shape::Panic, text).nobody()
}

/// `WARNING: CPU: 0 PID: 1 at FILE:LINE func+0x1/0x2`, since 6.18 `WARNING: [condition] FILE:LINE at func+0x1/0x2, CPU#0: ...`.
fn warning(text: &str) -> Option<Headline> {
    let rest = text.strip_prefix("WARNING: ")?;
    let (place, function) = match rest.strip_prefix("CPU: ") {
        Some(rest) => {
            let (place, function) = rest
                .split_once(" at ")?
                .1
                .split_once(' ')
                .unwrap_or((rest.split_once(" at ")?.1, ""));
            (place, function)
        }
        None => {
            let (before, after) = rest.split_once(" at ")?;
            let place = before.rsplit(' ').next()?;
            (place, until(after, &[",", " "]))
        }
    };
    let (file, line) = place.rsplit_once(':')?;
    let plain = !file.is_empty() && !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| {
        let headline = Headline::new(Class::Warning, "WARNING", Shape::EndTrace, text).at(place);
        match symbol(until(function, &[" "])) {
            Some((function, ..)) => headline.in_function(function),
            None => headline,
        }
    })
}

/// `kernel BUG at FILE:LINE!`.
fn bug(text: &str) -> Option<Headline> {
    let rest = text
        .strip_prefix("kernel BUG at ")
        .or_else(|| text.strip_prefix("Kernel BUG at "))?;
    let place = until(rest, &["!", " "]);
    Some(Headline::new(Class::Bug, "kernel BUG", Shape::Exception, text).at(place))
}

/// `UBSAN: KIND in FILE:LINE:COLUMN`.
fn ubsan(text: &str) -> Option<Headline> {
    let (kind, place) = text.strip_prefix("UBSAN: ")?.split_once(" in ")?;
    let place = until(place, &[" "]);
    let without_column = match place.matches(':').count() {
        2.. => place.rsplit_once(':').map_or(place, |(place, _)| place),
        _ => place,
    };
    let base = format!("UBSAN: {}", normalise(kind));
    Some(Headline::new(Class::Ubsan, base, Shape::EndTrace, text).at(without_column))
}

/// `BUG: KASAN: slab-out-of-bounds in func+0x1/0x2`, and those of its siblings.
fn sanitizer(text: &str) -> Option<Headline> {
    let rest = text.strip_prefix("BUG: ")?;
    let (tool, report) = rest.split_once(": ")?;
    let class = match tool {
        "KASAN" => Class::Kasan,
        "KFENCE" => Class::Kfence,
        "KMSAN" => Class::Kmsan,
        "KCSAN" => Class::Kcsan,
        _ => return None,
    };
    let (kind, function) = report.split_once(" in ").unwrap_or((report, ""));
    let headline = Headline::new(
        class,
        format!("{tool}: {}", normalise(kind)),
        Shape::Rule,
        text,
    );
    let headline = Headline {
        any_frames: class != Class::Kasan,
        ..headline
    };
    Some(match class {
        // `func_a / func_b`
        Class::Kcsan => {
            let names: Vec<&str> = function
                .split(" / ")
                .map(|f| crate::frame::plain(until(f, &["+0x", " "])))
                .collect();
            headline.in_function(&names.join(" / "))
        }
        _ => headline.in_function(until(function, &[" "])),
    })
}

/// The line before an `Oops:`, which says more.
fn fault(text: &str) -> Option<Headline> {
    let bug = text.strip_prefix("BUG: ").unwrap_or(text);
    let lower = bug.get(..26).unwrap_or(bug).to_ascii_lowercase();
    let (class, base) = if bug.starts_with("kernel NULL pointer dereference")
        || bug.starts_with("unable to handle kernel NULL pointer dereference")
        || bug.starts_with("Unable to handle kernel NULL pointer dereference")
    {
        (Class::NullDeref, "BUG: kernel NULL pointer dereference")
    } else if bug.starts_with("unable to handle page fault")
        || bug.starts_with("unable to handle kernel paging request")
        || lower.starts_with("unable to handle kernel ")
    {
        (Class::PageFault, "BUG: unable to handle page fault")
    } else if bug.starts_with("TASK stack guard page was hit")
        || bug.starts_with("IRQ stack guard page was hit")
        || bug.starts_with("stack guard page was hit")
    {
        (Class::StackOverflow, "BUG: stack guard page was hit")
    } else if bug.starts_with("PANIC: double fault")
        || bug.starts_with("traps: PANIC: double fault")
    {
        (Class::DoubleFault, "double fault")
    } else {
        return None;
    };
    Some(Headline::new(class, base, Shape::Exception, text))
}

/// Whether this line is an exception's `Oops: NAME: ERROR [#N]`, which stands inside its report.
pub(crate) fn is_die(text: &str) -> bool {
    die_name(text).is_some()
}

/// Whether this line is the `BUG()` that follows the warning of `__fortify_panic()` (`lib/string_helpers.c`, since Linux 6.9).
pub(crate) fn is_fortify_bug(text: &str) -> bool {
    text.starts_with("kernel BUG at lib/string_helpers.c:")
}

/// The name in a line of `__die_header()` (`arch/x86/kernel/dumpstack.c`): `Oops: NAME: ERROR [#N] FLAGS`, before 6.10
/// without `Oops: ` but for page faults; on arm64 `Internal error: NAME: ERROR [#N]`.
fn die_name(text: &str) -> Option<&str> {
    let count = text.find(" [#")?;
    let (header, number) = text.split_at(count);
    if !number[3..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let is_code = |code: &str| !code.is_empty() && code.bytes().all(|b| b.is_ascii_hexdigit());
    let prefixed = header
        .strip_prefix("Oops: ")
        .or_else(|| header.strip_prefix("Internal error: "));
    if let Some(name) = prefixed {
        // `Oops: Oops: 0002`, and before 6.10 `Oops: 0002`.
        return Some(match is_code(name) {
            true => "Oops",
            false => name,
        });
    }
    let names = [
        "general protection fault",
        "divide error",
        "invalid opcode",
        "stack segment",
        "double fault",
        "int3",
        "bounds",
        "overflow",
        "segment not present",
        "invalid TSS",
        "alignment check",
        "coprocessor",
        "simd exception",
        "control protection",
        "stack guard page",
    ];
    names
        .iter()
        .any(|name| header.starts_with(name))
        .then_some(header)
}

/// An exception without a line before.
fn die(text: &str) -> Option<Headline> {
    let name = die_name(text)?;
    let kind = until(name, &[":", ","]);
    let (class, base) = match kind {
        "general protection fault" => (Class::Gpf, kind.to_owned()),
        "double fault" => (Class::DoubleFault, kind.to_owned()),
        "stack guard page" => (
            Class::StackOverflow,
            "BUG: stack guard page was hit".to_owned(),
        ),
        "Oops" => (Class::PageFault, "Oops".to_owned()),
        _ => (Class::Oops, normalise(kind)),
    };
    Some(Headline::new(class, base, Shape::Exception, text))
}

/// What the kernel's words before a `WARN()` or `BUG()` say of it: a class and a title of its own.
pub(crate) fn refine(words: &str) -> Option<(Class, String)> {
    let text = words.trim();
    let base = if text.starts_with("refcount_t: ") {
        return Some((Class::Refcount, message(text.trim_end_matches('.'))));
    } else if ["list_add ", "list_del ", "slist_", "hlist_"]
        .iter()
        .any(|start| text.starts_with(start))
    {
        return Some((
            Class::ListCorruption,
            normalise(until(text, &[".", ",", ":", " ("])),
        ));
    } else if text.starts_with("ODEBUG: ") {
        return Some((
            Class::DebugObjects,
            normalise(until(text, &[" (active", " object:"])),
        ));
    } else if text.starts_with("Buffer overflow detected (") {
        // `check_copy_size()` (`include/linux/thread_info.h`): the compiler knew the object's size.
        until(text, &[" ("])
    } else if text.starts_with("usercopy: ")
        || text.starts_with("Bad or missing usercopy whitelist?")
    {
        until(text, &[" from", " to ", " (", "!"])
    } else if text.contains("detected buffer overflow")
        || text.contains("detected field-spanning write")
    {
        let base = normalise(until(text, &[" (size", ": "]).trim_end());
        let base = match text.split_once(": detected") {
            Some((function, _)) => format!("{}: detected{}", function, text_after_detected(text)),
            None => base,
        };
        return Some((Class::Fortify, normalise(&base)));
    } else if let Some(place) = text
        .strip_prefix("rust_kernel: panicked at ")
        .or_else(|| text.strip_prefix("rust: panicked at "))
    {
        let file = until(place, &[":"]);
        return Some((Class::Bug, format!("Rust panic at {file}")));
    } else {
        return None;
    };
    Some((Class::Usercopy, normalise(base)))
}

/// `: detected buffer overflow: 12 byte write of ...` without the numbers.
fn text_after_detected(text: &str) -> &str {
    let after = text.split_once(": detected").map_or("", |(_, after)| after);
    until(after, &[":", " (size"])
}

/// Words that a kernel prints before the report they belong to, outside of it.
pub(crate) fn is_prelude(text: &str) -> bool {
    let starts = [
        "usercopy: Kernel memory ",
        "list_add corruption",
        "list_add double add",
        "list_del corruption",
        "rust_kernel: panicked at ",
        "detected buffer overflow in ",
        "ODEBUG: object ",
    ];
    starts.iter().any(|start| text.starts_with(start))
        || text.contains(": detected buffer overflow")
}

impl Headline {
    /// The same with the words that came before it.
    pub(crate) fn with_words(mut self, words: &str) -> Self {
        self.message = message(words);
        if let (Class::Warning | Class::Bug, Some((class, base))) = (self.class, refine(words)) {
            self.severity = self.severity.max(class.severity());
            self.class = class;
            self.base = base;
            self.culprit = crate::headline::Culprit::Stack;
            self.place = None;
        }
        self
    }
}

#[cfg(test)]
#[path = "intro_tests.rs"]
mod tests;
