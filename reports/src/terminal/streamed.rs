//! A test's output, shown line by line as it comes.

use crate::text::{shortened, terminal_line};
use std::{collections::HashMap, fmt};
use suites::TestId;

/// Bytes of a line that is waited for before it is shown in pieces.
const LINE_MAX: usize = 4096;

/// Where a test's output comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// File descriptor 1.
    Stdout,
    /// File descriptor 2.
    Stderr,
    /// The kernel's log while the test runs.
    KernelLog,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::KernelLog => "kernel log",
        })
    }
}

/// Lines that have begun and not ended.
#[derive(Default)]
pub(super) struct Streamed(HashMap<(TestId, Stream), Vec<u8>>);

impl Streamed {
    /// Takes in the next bytes of a stream; gives the lines that are now whole.
    pub fn push(&mut self, id: &TestId, stream: Stream, bytes: &[u8]) -> Vec<String> {
        let open = self.0.entry((id.clone(), stream)).or_default();
        let mut lines = vec![];
        for piece in bytes
            .split_inclusive(|b| *b == b'\n')
            .flat_map(|p| p.chunks(LINE_MAX))
        {
            open.extend_from_slice(piece);
            if piece.ends_with(b"\n") || open.len() >= LINE_MAX {
                lines.push(prefixed(id, stream, open));
                open.clear();
            }
        }
        lines
    }

    /// What is left of a test's lines at its end.
    pub fn finish(&mut self, id: &TestId) -> Vec<String> {
        [Stream::Stdout, Stream::Stderr, Stream::KernelLog]
            .into_iter()
            .filter_map(|stream| {
                let open = self.0.remove(&(id.clone(), stream))?;
                (!open.is_empty()).then(|| prefixed(id, stream, &open))
            })
            .collect()
    }
}

fn prefixed(id: &TestId, stream: Stream, line: &[u8]) -> String {
    let id = terminal_line(&id.to_string());
    let line = shortened(&terminal_line(&String::from_utf8_lossy(line)), LINE_MAX);
    format!("{stream:>13} {id} | {line}").trim_end().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shown_when_they_are_whole() {
        let id = TestId::new("exec", "x");
        let mut streamed = Streamed::default();
        assert_eq!(streamed.push(&id, Stream::Stdout, b"ok"), [""; 0]);
        assert_eq!(
            streamed.push(&id, Stream::Stderr, b"oh\n"),
            ["       stderr exec:x | oh"]
        );
        assert_eq!(
            streamed.push(&id, Stream::Stdout, b" 1\n\x1b[31mok 2\r\nok"),
            ["       stdout exec:x | ok 1", "       stdout exec:x | ok 2"]
        );
        assert_eq!(streamed.finish(&id), ["       stdout exec:x | ok"]);
        assert_eq!(streamed.finish(&id), [""; 0]);
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let id = TestId::new("exec", "x");
        let mut streamed = Streamed::default();
        let lines = streamed.push(&id, Stream::KernelLog, &vec![b'x'; 3 * LINE_MAX + 1]);
        assert_eq!(lines.len(), 3);
        assert_eq!(streamed.finish(&id).len(), 1);
    }
}
