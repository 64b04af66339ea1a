//! One line of output: its cleaning, its nesting, its meaning.

use crate::Outcome;
use std::borrow::Cow;

/// A line's place and what is left of it.
pub(super) struct Indented<'a> {
    /// Its nesting in columns: a blank is one, a tab leads to the next multiple of four, and so is the `# ` that
    /// wrapper programs put before the lines of the programs they run, two.
    pub column: usize,
    /// Whether a blank of its own, not that of a `# `, comes before the content.
    pub blank_before: bool,
    /// What follows.
    pub content: &'a str,
}

/// What a line's content says.
pub(super) enum Item<'a> {
    /// `KTAP version 1`, `TAP version 13`.
    Version,
    /// `1..5`, `1..0 # SKIP reason`.
    Plan { count: u64, skip: Option<&'a str> },
    /// `# Subtest: name`.
    Subtest(&'a str),
    /// `ok 1 name # SKIP reason`.
    Result(RawResult<'a>),
    /// `Bail out! reason`.
    BailOut(&'a str),
    /// Anything else.
    Text,
}

/// A result line whose description has not been read.
pub(super) struct RawResult<'a> {
    pub ok: bool,
    pub number: u64,
    /// What follows the number.
    pub rest: &'a str,
}

/// What a result line's description says.
pub(super) struct Described<'a> {
    pub name: Cow<'a, str>,
    pub outcome: Outcome,
    /// `XPASS` where it surprisingly passed.
    pub surprise: &'static str,
    pub reason: &'a str,
    /// Whether it is a `SKIP` in place of a description, which is also how kselftest.h ends a program early.
    pub bare_skip: bool,
}

/// The text of a raw line: without ANSI escapes, NULs and other controls, invalid UTF-8 replaced.
pub(crate) fn clean(raw: &[u8]) -> Cow<'_, str> {
    let is_control = |b: &u8| (*b < b' ' && *b != b'\t') || *b == 0x7f;
    if !raw.iter().any(is_control) {
        return String::from_utf8_lossy(raw);
    }
    let mut kept = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        rest = if byte == 0x1b {
            after_escape(after)
        } else {
            if !is_control(&byte) {
                kept.push(byte);
            }
            after
        };
    }
    Cow::Owned(String::from_utf8_lossy(&kept).into_owned())
}

/// What follows the escape sequence (ECMA-48) whose ESC came just before `rest`.
fn after_escape(rest: &[u8]) -> &[u8] {
    let skip = |rest: &'_ [u8], from: usize, inside: fn(&u8) -> bool| -> usize {
        let end = rest[from..].iter().position(|b| !inside(b));
        end.map_or(rest.len(), |end| (from + end + 1).min(rest.len()))
    };
    let end = match rest.first() {
        // Control sequence: parameters, then one final byte.
        Some(b'[') => skip(rest, 1, |b| matches!(b, 0x20..=0x3f)),
        // Operating system command: up to BEL, or to the ESC of its terminator.
        Some(b']') => {
            let end = skip(rest, 1, |b| !matches!(b, 0x07 | 0x1b));
            match (rest.get(end.wrapping_sub(1)), rest.get(end)) {
                (Some(0x1b), Some(b'\\')) => end + 1,
                _ => end,
            }
        }
        Some(0x20..=0x2f) => skip(rest, 1, |b| matches!(b, 0x20..=0x2f)),
        Some(_) => 1,
        None => 0,
    };
    &rest[end..]
}

/// Measures a line's nesting. `# Subtest:` stands where its `#` stands. `hashes`: whether `# ` is nesting.
pub(super) fn indented(line: &str, hashes: bool) -> Indented<'_> {
    let mut column = 0;
    let mut content = line;
    let mut blank_before = false;
    loop {
        (column, content, blank_before) = if let Some(rest) = content.strip_prefix(' ') {
            (column + 1, rest, true)
        } else if let Some(rest) = content.strip_prefix('\t') {
            (column / 4 * 4 + 4, rest, true)
        } else if let Some(rest) = content.strip_prefix("# ")
            && hashes
            && !rest.starts_with("Subtest: ")
        {
            (column + 2, rest, false)
        } else {
            return Indented {
                column,
                blank_before,
                content,
            };
        };
    }
}

/// Reads a line's content, whose trailing blanks are gone.
pub(super) fn item(content: &str) -> Item<'_> {
    if let Some(result) = result(content) {
        Item::Result(result)
    } else if is_version(content) {
        Item::Version
    } else if let Some(plan) = plan(content) {
        plan
    } else if let Some(name) = content.strip_prefix("# Subtest: ") {
        Item::Subtest(name.trim())
    } else if let Some(reason) = content.strip_prefix("Bail out!") {
        Item::BailOut(reason.trim())
    } else {
        Item::Text
    }
}

/// Any version: programs print `TAP version 1.3`.
fn is_version(content: &str) -> bool {
    let content = content.strip_prefix('K').unwrap_or(content);
    content.strip_prefix("TAP version ").is_some_and(|version| {
        version.starts_with(|c: char| c.is_ascii_digit())
            && version.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    })
}

fn plan(content: &str) -> Option<Item<'_>> {
    let (count, rest) = number(content.strip_prefix("1..")?)?;
    let rest = rest.trim();
    if rest.is_empty() {
        return Some(Item::Plan { count, skip: None });
    }
    let note = rest.strip_prefix('#')?;
    let skip = match directive(note, true) {
        Some((Directive::Skip, reason)) if count == 0 => Some(reason),
        _ => None,
    };
    Some(Item::Plan { count, skip })
}

fn result(content: &str) -> Option<RawResult<'_>> {
    let (ok, rest) = match content.strip_prefix("not ") {
        Some(rest) => (false, rest),
        None => (true, content),
    };
    let rest = rest.strip_prefix("ok")?;
    let digits = rest.trim_start_matches([' ', '\t']);
    if digits.len() == rest.len() {
        return None;
    }
    let (number, rest) = number(digits)?;
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then_some(RawResult { ok, number, rest })
}

fn number(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// Finds a result that stands behind other text, which its writer did not end with a newline:
/// `Diff too high: 3732272..not ok 1 ITIMER_VIRTUAL`. Only numbers that are `due` count.
///
/// Returns the text before it and the result.
pub(super) fn glued<'a>(
    text: &'a str,
    due: impl Fn(u64) -> bool,
) -> Option<(&'a str, RawResult<'a>)> {
    text.match_indices("ok ").find_map(|(ok, _)| {
        let before = &text[..ok];
        let start = match before.strip_suffix("not ") {
            Some(before) => before.len(),
            None if ends_a_word(before) => return None,
            None => ok,
        };
        let result = result(&text[start..]).filter(|result| due(result.number))?;
        (start > 0).then(|| (&text[..start], result))
    })
}

/// Whether `ok` behind this text ends an English word: `it took 3 seconds`, `look 2 lines below`.
fn ends_a_word(before: &str) -> bool {
    before.strip_suffix('o').is_some_and(|start| {
        start.ends_with([
            'b', 'c', 'h', 'k', 'l', 'n', 'p', 'r', 't', 'B', 'C', 'H', 'L', 'T',
        ])
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Directive {
    Skip,
    Todo,
    Xfail,
    Xpass,
    TimeOut,
    /// Only in capitals: kselftest.h's lower-case `error` goes with a plain failure.
    Error,
}

/// Reads what follows a `#` as a directive and its reason. Some directives go only with `not ok`.
fn directive(note: &str, ok: bool) -> Option<(Directive, &str)> {
    let note = note.trim_start();
    let end = note
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(note.len());
    let word = &note[..end];
    let directive = [
        ("SKIP", Directive::Skip),
        ("SKIPPED", Directive::Skip),
        ("TODO", Directive::Todo),
        ("XFAIL", Directive::Xfail),
        ("XPASS", Directive::Xpass),
        ("TIMEOUT", Directive::TimeOut),
    ]
    .into_iter()
    .find_map(|(name, directive)| name.eq_ignore_ascii_case(word).then_some(directive))
    .or_else(|| (word == "ERROR").then_some(Directive::Error))
    .filter(|directive| !ok || !matches!(directive, Directive::TimeOut | Directive::Error))?;
    Some((directive, reason(&note[end..])))
}

fn reason(text: &str) -> &str {
    text.trim_start_matches([':', ' ', '\t']).trim_end()
}

/// Reads what follows a result's number: `[- ]name [# [directive] [reason]]`.
///
/// A `#` counts only behind a blank, which also excludes `\#`; without a directive behind it, only before one too.
/// Where there is no name the text behind `#` is the name: that is how kselftest.h prints `ok 3 # SKIP name`.
pub(super) fn describe(ok: bool, rest: &str) -> Described<'_> {
    let rest = rest.trim();
    let rest = rest.strip_prefix('-').map_or(rest, |unlisted| {
        if unlisted.is_empty() || unlisted.starts_with([' ', '\t']) {
            unlisted.trim_start()
        } else {
            rest
        }
    });
    let marks = || {
        rest.match_indices('#')
            .map(|(mark, _)| mark)
            .filter(|&mark| mark == 0 || rest[..mark].ends_with([' ', '\t']))
    };
    let directed = marks().find_map(|mark| Some((mark, directive(&rest[mark + 1..], ok)?)));
    let (end, directive, reason) = match directed {
        Some((mark, (directive, reason))) => (mark, Some(directive), reason),
        None => marks()
            .map(|mark| (mark, &rest[mark + 1..]))
            .find(|(_, note)| note.is_empty() || note.starts_with([' ', '\t']))
            .map_or((rest.len(), None, ""), |(mark, note)| {
                (mark, None, reason(note))
            }),
    };
    let outcome = match directive {
        Some(Directive::Skip) => Outcome::Skip,
        Some(Directive::Todo | Directive::Xfail) => Outcome::ExpectedFail,
        Some(Directive::TimeOut) => Outcome::TimeOut,
        Some(Directive::Error) => Outcome::HarnessError,
        Some(Directive::Xpass) | None if ok => Outcome::Pass,
        Some(Directive::Xpass) | None => Outcome::Fail,
    };
    let name = rest[..end].trim_end();
    let bare = name.is_empty();
    let (name, reason) = if bare {
        (reason.strip_prefix("error ").unwrap_or(reason), "")
    } else {
        (name, reason)
    };
    Described {
        name: if name.contains("\\#") {
            Cow::Owned(name.replace("\\#", "#"))
        } else {
            Cow::Borrowed(name)
        },
        outcome,
        surprise: if directive == Some(Directive::Xpass) {
            "XPASS"
        } else {
            ""
        },
        reason,
        bare_skip: bare && directive == Some(Directive::Skip),
    }
}
