//! Text from a machine, made fit for an XML file and for a person's terminal.

/// `text` without the escape sequences of ECMA-48 terminals (colours, cursor movement, window titles).
///
/// An escape character that begins no complete sequence goes alone.
pub(crate) fn strip_ansi(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        rest = &rest[sequence_len(rest)..];
    }
    out.push_str(rest);
    out
}

/// Length in bytes of the escape sequence whose part after the escape character begins `text`; 0 for none.
fn sequence_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    match bytes.first() {
        // Control sequence (ECMA-48 section 5.4): parameters, intermediates, one final byte.
        Some(b'[') => {
            let body = bytes[1..]
                .iter()
                .position(|b| !(0x20..=0x3f).contains(b))
                .map(|n| n + 1);
            match body {
                Some(end) if (0x40..=0x7e).contains(&bytes[end]) => end + 1,
                _ => 0,
            }
        }
        // Control strings (section 5.6): up to a bell or ST; only within a line, lest one byte hide an output.
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let line = text.lines().next().unwrap_or_default();
            let bell = line.find('\x07').map(|n| n + 1);
            let terminator = line.find("\x1b\\").map(|n| n + 2);
            bell.into_iter().chain(terminator).min().unwrap_or(0)
        }
        // Character set designations and the like: intermediates, one final byte.
        Some(0x20..=0x2f) => {
            let end = bytes.iter().position(|b| !(0x20..=0x2f).contains(b));
            match end {
                Some(end) if (0x30..=0x7e).contains(&bytes[end]) => end + 1,
                _ => 0,
            }
        }
        Some(0x30..=0x7e) => 1,
        _ => 0,
    }
}

/// `text` with nothing in it that XML 1.0 (section 2.2, `Char`) forbids: escape sequences are left out, other
/// forbidden characters become U+FFFD. Everything that reaches an XML writer comes through here.
pub(crate) fn xml_text(text: &str) -> String {
    replace(
        &strip_ansi(text),
        |c| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..),
    )
}

/// [`xml_text`] for an attribute. Tabs and line ends become spaces, as they would for the reader (section 3.3.3),
/// so that two names which differ here differ there.
pub(crate) fn xml_attribute(text: &str) -> String {
    xml_text(text).replace(['\t', '\n', '\r'], " ")
}

/// A line of `text` that cannot drive a terminal: escape sequences are left out, tabs become spaces, other control
/// characters, C1 ones too, and those that turn the direction of writing become U+FFFD.
pub(crate) fn terminal_line(text: &str) -> String {
    let text = strip_ansi(text.trim_end_matches(['\n', '\r'])).replace('\t', "    ");
    replace(&text, |c| {
        !c.is_control()
            && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

/// The first `max` characters of `text`, with a mark if there are more.
pub(crate) fn shortened(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.into(),
    }
}

fn replace(text: &str, allowed: impl Fn(char) -> bool) -> String {
    text.chars()
        .map(|c| {
            if allowed(c) {
                c
            } else {
                char::REPLACEMENT_CHARACTER
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_are_left_out() {
        for (raw, clean) in [
            ("\x1b[1;31mred\x1b[0m", "red"),
            ("\x1b]0;title\x07text", "text"),
            ("\x1b]8;;http://x\x1b\\link", "link"),
            ("\x1b(Bok\x1bM", "ok"),
            ("\x1b[?25lhidden", "hidden"),
            ("no escape", "no escape"),
            ("\x1b", ""),
            ("a\x1b[", "a["),
            ("\x1b]0;never ended\nnext line", "]0;never ended\nnext line"),
            ("\x1b[31\u{e9}", "[31\u{e9}"),
            ("\x1b\x1b[0mx", "x"),
        ] {
            assert_eq!(strip_ansi(raw), clean, "{raw:?}");
        }
    }

    #[test]
    fn characters_that_xml_forbids_become_a_replacement() {
        assert_eq!(
            xml_text("a\0b\x08\u{fffe}\u{ffff}c"),
            "a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}c"
        );
        assert_eq!(xml_text("tab\tline\r\n\u{1f427}"), "tab\tline\r\n\u{1f427}");
        assert_eq!(xml_attribute("a\tb\nc\rd"), "a b c d");
    }

    #[test]
    fn a_terminal_line_has_no_control_characters() {
        assert_eq!(
            terminal_line("a\tb\x07\u{9b}2Jc\u{202e}\r\n"),
            "a    b\u{fffd}\u{fffd}2Jc\u{fffd}"
        );
    }

    #[test]
    fn long_text_is_shortened_between_characters() {
        assert_eq!(shortened("\u{e9}\u{e9}\u{e9}", 2), "\u{e9}\u{e9}...");
        assert_eq!(shortened("\u{e9}\u{e9}", 2), "\u{e9}\u{e9}");
    }

    proptest! {
        #[test]
        fn nothing_drives_a_terminal(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let text = String::from_utf8_lossy(&bytes);
            prop_assert!(!terminal_line(&text).chars().any(char::is_control));
            prop_assert!(!strip_ansi(&text).contains('\x1b'));
        }
    }
}
