//! From bytes to lines of text.

use crate::ktap::clean;

/// Bytes of a line that are kept, about: its beginning and its end, where a wrapper's verdict may stand.
pub const MAX_LINE: usize = HEAD + TAIL;
const HEAD: usize = 2560;
const TAIL: usize = 1024;

/// Cuts a log into lines, in pieces of any size.
///
/// A line ends with a newline or a carriage return. Of a line longer than [`MAX_LINE`] bytes the middle is left out.
/// What comes out has no control characters but tabs, no terminal escapes, and is UTF-8.
#[derive(Debug)]
pub struct Lines {
    /// Bytes that are kept of a line's beginning.
    room: usize,
    head: Vec<u8>,
    /// The last bytes of what did not fit into the head, up to twice [`TAIL`].
    tail: Vec<u8>,
    cut: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Self::long(MAX_LINE)
    }
}

impl Lines {
    /// Lines of which about `bytes` are kept.
    #[must_use]
    pub fn long(bytes: usize) -> Self {
        Self {
            room: bytes.saturating_sub(TAIL),
            head: Vec::new(),
            tail: Vec::new(),
            cut: false,
        }
    }

    /// Takes the next piece and hands out the lines that it ends.
    pub fn push(&mut self, bytes: &[u8], mut take: impl FnMut(&str)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| matches!(b, b'\n' | b'\r')) {
            // Most lines come whole, and need not be copied.
            if self.head.is_empty() && end <= self.room {
                give(&rest[..end], &mut take);
            } else {
                self.extend(&rest[..end]);
                self.end(&mut take);
            }
            rest = &rest[end + 1..];
        }
        self.extend(rest);
    }

    /// Hands out the last line, if it had no newline.
    pub fn finish(mut self, mut take: impl FnMut(&str)) {
        self.end(&mut take);
    }

    fn extend(&mut self, bytes: &[u8]) {
        let (head, tail) = bytes.split_at(bytes.len().min(self.room - self.head.len()));
        self.head.extend_from_slice(head);
        let (lost, tail) = tail.split_at(tail.len().saturating_sub(TAIL));
        self.cut |= !lost.is_empty();
        self.tail.extend_from_slice(tail);
        if self.tail.len() > 2 * TAIL {
            self.cut = true;
            self.tail.drain(..self.tail.len() - TAIL);
        }
    }

    fn end(&mut self, take: &mut impl FnMut(&str)) {
        if self.tail.len() > TAIL {
            self.cut = true;
            self.tail.drain(..self.tail.len() - TAIL);
        }
        if self.cut {
            self.head.extend_from_slice(b" ... ");
        }
        self.head.append(&mut self.tail);
        self.cut = false;
        let mut line = std::mem::take(&mut self.head);
        give(&line, take);
        line.clear();
        self.head = line;
    }
}

fn give(raw: &[u8], take: &mut impl FnMut(&str)) {
    let text = clean(raw);
    let text = text.trim_end();
    if !text.is_empty() {
        take(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for piece in pieces {
            lines.push(piece, |line| found.push(line.to_owned()));
        }
        lines.finish(|line| found.push(line.to_owned()));
        found
    }

    #[test]
    fn line_ends_controls_and_what_is_no_text() {
        assert_eq!(
            lines(&[
                b"a\r\nb\n\n\x1b[1;31mred\x1b[0m\0 \n",
                b"\xff",
                b"x",
                b"\ttab"
            ]),
            ["a", "b", "red", "\u{fffd}x\ttab"]
        );
    }

    #[test]
    fn a_long_line_keeps_its_beginning_and_its_end_whatever_the_pieces() {
        let mut long = b"begin ".to_vec();
        long.extend(std::iter::repeat_n(b'x', 70_000));
        long.extend(b"ok 3 the end\nnext");
        let whole = lines(&[&long]);
        assert_eq!(whole.len(), 2);
        assert!(whole[0].starts_with("begin xxx"));
        assert!(whole[0].ends_with("xxok 3 the end"), "{}", whole[0].len());
        assert!(whole[0].len() <= MAX_LINE + 5);
        assert_eq!(whole[1], "next");
        for size in [1, 7, 1023, 1024, 1025, 2560, 4096] {
            let pieces: Vec<&[u8]> = long.chunks(size).collect();
            assert_eq!(lines(&pieces), whole, "{size}");
        }
        let exact = vec![b'y'; MAX_LINE];
        assert_eq!(
            lines(&[&exact]),
            [String::from_utf8(exact.clone()).expect("text")]
        );
    }
}
