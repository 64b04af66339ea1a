//! What consoles and loggers put around a line.

/// Pieces that one line is cut into at most: text, and what the kernel printed behind it on the same line.
pub const MAX_PIECES: usize = 3;

/// A line, or the part of one that one writer wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its text without time stamp, log level and caller. Its own indentation is kept.
    pub text: &'a str,
    /// Whether the kernel wrote it: it had a time stamp as printk makes it, or a log level.
    pub kernel: bool,
}

/// Hands out the pieces of a line, without their prefixes: `<6>[    1.234567][   T12] text`, and where a program's
/// unfinished line stands before the kernel's, `login: [    1.234567] text`, both.
///
/// A stamp behind `# ` is a quotation of the kernel log in a test's output, and stays.
pub fn pieces(line: &str, mut take: impl FnMut(Line<'_>)) {
    let mut rest = line;
    for left in (0..MAX_PIECES).rev() {
        let (text, kernel) = strip(rest);
        let next = match left {
            0 => None,
            _ => stamp_inside(text),
        };
        let (text, after) = match next {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        // The blank that ended the piece before was not the writer's.
        let text = if after.is_empty() {
            text
        } else {
            text.trim_end()
        };
        if !text.is_empty() {
            take(Line { text, kernel });
        }
        if after.is_empty() {
            return;
        }
        rest = after;
    }
}

/// The line without its prefixes, and whether they were the kernel's.
fn strip(line: &str) -> (&str, bool) {
    let mut rest = syslog(line).unwrap_or(line);
    let mut kernel = rest.len() < line.len();
    if let Some(after) = level(rest) {
        rest = after;
        kernel = true;
    }
    let Some(mut after) = stamp(rest) else {
        return (rest, kernel);
    };
    // CONFIG_PRINTK_CALLER: a task or a CPU; newer kernels may add the CPU to the task.
    for _ in 0..2 {
        let Some(behind) = caller(after) else { break };
        after = behind;
    }
    (after.strip_prefix(' ').unwrap_or(after), true)
}

/// Behind `<6>`.
fn level(text: &str) -> Option<&str> {
    let (number, rest) = text.strip_prefix('<')?.split_once('>')?;
    let is_level = (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    is_level.then_some(rest)
}

/// Behind `[    1.234567]`.
fn stamp(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?.trim_start_matches(' ');
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let seconds = digits(inside);
    let fraction = inside[seconds..].strip_prefix('.')?;
    let places = digits(fraction);
    let rest = fraction[places..].strip_prefix(']')?;
    (seconds > 0 && (3..=9).contains(&places)).then_some(rest)
}

/// Behind `[   T12]` or `[    C0]`, with the blank that newer kernels put before it.
fn caller(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?.trim_start_matches(' ');
    let number = inside.strip_prefix(['T', 'C'])?;
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    let rest = number[digits..].strip_prefix(']')?;
    (digits > 0).then_some(rest)
}

/// Behind `Nov 22 00:14:32 host kernel: `.
fn syslog(line: &str) -> Option<&str> {
    let (before, after) = line.split_once(" kernel: ")?;
    let mut words = before.split_ascii_whitespace();
    let (month, day, time) = (words.next()?, words.next()?, words.next()?);
    let is_time = time.len() == 8 && time.bytes().filter(|&b| b == b':').count() == 2;
    let is_day = !day.is_empty() && day.bytes().all(|b| b.is_ascii_digit());
    (month.len() == 3 && is_day && is_time && words.count() == 1).then_some(after)
}

/// Where a stamp with all six places stands inside a line that is no quotation.
fn stamp_inside(text: &str) -> Option<usize> {
    text.match_indices('[')
        .map(|(at, _)| at)
        .filter(|&at| at > 0)
        .find(|&at| {
            stamp(&text[at..]).is_some_and(|rest| {
                let stamp = &text[at..text.len() - rest.len()];
                let places = stamp.rfind('.').map(|dot| stamp.len() - dot - 2);
                places == Some(6) && !text[..at].trim_end().ends_with('#')
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<(String, bool)> {
        let mut found = Vec::new();
        pieces(line, |line| found.push((line.text.to_owned(), line.kernel)));
        found
    }

    #[track_caller]
    fn reads(line: &str, text: &str, kernel: bool) {
        assert_eq!(found(line), [(text.to_owned(), kernel)], "{line}");
    }

    #[test]
    fn prefixes_of_the_kernel_are_taken_off_and_indentation_stays() {
        reads("[    1.808254] KTAP version 1", "KTAP version 1", true);
        reads("[    1.872023]     # Subtest: x", "    # Subtest: x", true);
        reads("[12345.872023][T12345] ok 1 a", "ok 1 a", true);
        reads("[    0.060000][    C0] \tok 1 a", "\tok 1 a", true);
        reads("[    0.060000][    T1][    C0] ok 1 a", "ok 1 a", true);
        reads("<6>[    0.060000] 1..3", "1..3", true);
        reads("<14>ok 1 a", "ok 1 a", true);
        reads("Nov 22 00:14:32 vm kernel: ok 1 a", "ok 1 a", true);
        reads(
            "Nov  2 00:14:32 vm kernel: [    1.808254]   ok 1 a",
            "  ok 1 a",
            true,
        );
    }

    #[test]
    fn what_is_no_prefix_stays() {
        for line in [
            "ok 1 a",
            "    ok 1 a",
            "[1] Basic trace file check",
            "[ 1.5 ] x",
            "[OK]",
            "[1.2.3] x",
            "<b>x",
            "<>x",
            "# [    1.808254] BUG: quoted",
            "my kernel: ok 1 a",
        ] {
            reads(line, line, false);
        }
    }

    #[test]
    fn text_and_kernel_on_one_line_are_two_pieces() {
        assert_eq!(
            found("login: [    1.808254][   T1] ok 1 a"),
            [("login:".to_owned(), false), ("ok 1 a".to_owned(), true)]
        );
        assert_eq!(
            found("ok 1 a[   12.000001] one[   12.000002] two[   12.000003] three"),
            [
                ("ok 1 a".to_owned(), false),
                ("one".to_owned(), true),
                ("two[   12.000003] three".to_owned(), true)
            ]
        );
        assert_eq!(found("[    1.808254]"), []);
    }
}
