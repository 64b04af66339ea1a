//! Text without what differs from one time to the next.

/// Longest normalised text, in bytes.
const MAX: usize = 200;

/// An address before there is a key to hash it by (`lib/vsprintf.c`).
const NO_ADDRESS: &str = "(____ptrval____)";

/// Takes addresses, offsets and numbers out of a kernel's sentence, so that it is the same the next time.
///
/// `foo+0x12/0x34` becomes `foo`, an address `ADDR`, a number that stands alone `N`; small hexadecimal codes, which say what
/// happened (`exitcode=0x0000000b`), stay.
pub(crate) fn normalise(text: &str) -> String {
    let mut normal = String::new();
    let text = text.replace(NO_ADDRESS, "ADDR");
    for word in text.split_whitespace() {
        if normal.len() >= MAX {
            break;
        }
        if !normal.is_empty() {
            normal.push(' ');
        }
        push_word(&mut normal, word);
    }
    bounded(&normal, MAX)
}

/// The beginning of a text, at most `max` bytes of it, harmless.
pub(crate) fn bounded(text: &str, max: usize) -> String {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let harmless = |c: char| if c.is_control() { ' ' } else { c };
    text[..end].chars().map(harmless).collect()
}

fn push_word(normal: &mut String, word: &str) {
    let mut rest = word;
    while !rest.is_empty() {
        if let Some(offset) = rest.strip_prefix("+0x") {
            let start = normal.rfind(' ').map_or(0, |blank| blank + 1);
            let function = crate::frame::plain(&normal[start..]).len();
            normal.truncate(start + function);
            rest =
                offset.trim_start_matches(|c: char| c.is_ascii_hexdigit() || c == '/' || c == 'x');
            continue;
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if end == 0 {
            let next = rest.chars().next().expect("it is not empty");
            normal.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        }
        let (part, after) = rest.split_at(end);
        let hex = part.strip_prefix("0x").unwrap_or(part);
        let is_hex =
            hex.bytes().all(|b| b.is_ascii_hexdigit()) && hex.bytes().any(|b| b.is_ascii_digit());
        let alone = normal.ends_with([' ', '#', ':', '/', '=', '[', '-']) || normal.is_empty();
        // A negative number is an error's.
        let negative = normal.ends_with(" -");
        if is_hex && (hex.len() > 8 || (part.len() == hex.len() && hex.len() == 8)) {
            normal.push_str("ADDR");
        } else if alone && !negative && part.bytes().all(|b| b.is_ascii_digit()) {
            normal.push('N');
        } else {
            normal.push_str(part);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_the_next_time_is_taken_out() {
        for (text, normal) in [
            ("sysrq triggered crash", "sysrq triggered crash"),
            (
                "Kernel stack is corrupted in: foo+0x12/0x34",
                "Kernel stack is corrupted in: foo",
            ),
            (
                "Attempted to kill init! exitcode=0x0000000b",
                "Attempted to kill init! exitcode=0x0000000b",
            ),
            (
                "page ffffea0000123440 of CPU#3 pid 12",
                "page ADDR of CPU#N pid N",
            ),
            (
                "root fs on unknown-block(0,0)",
                "root fs on unknown-block(0,0)",
            ),
            ("error -22 in ext4", "error -22 in ext4"),
            ("at 0xffff888012345678.", "at ADDR."),
            ("object (____ptrval____) is", "object ADDR is"),
            ("two  blanks\tand a tab", "two blanks and a tab"),
            ("caf\u{e9} \u{1b}[2J", "caf\u{e9}  [2J"),
        ] {
            assert_eq!(normalise(text), normal);
        }
        assert!(normalise(&"\u{e4}".repeat(1000)).len() <= MAX);
    }
}
