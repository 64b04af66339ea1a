//! The serial console: all of it to a file, its end in memory.

use super::files::LimitedFile;
use std::io;

/// How much of the console's end is kept in memory, in bytes: several panic reports.
const TAIL: usize = 256 * 1024;

/// Takes the console of one machine.
pub struct Console {
    file: LimitedFile,
    tail: Vec<u8>,
}

impl Console {
    /// A console that goes to `file`.
    pub fn new(file: LimitedFile) -> Self {
        Self {
            file,
            tail: Vec::new(),
        }
    }

    /// Takes bytes of the serial line.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tail.extend_from_slice(bytes);
        // Cut rarely, so that a flood costs linear time.
        if self.tail.len() > 2 * TAIL {
            self.tail.drain(..self.tail.len() - TAIL);
        }
        self.file.write(bytes)
    }

    /// The end of the console's text.
    pub fn tail(&self) -> String {
        String::from_utf8_lossy(&self.tail).into_owned()
    }

    /// What init said before it gave up.
    pub fn fatal(&self) -> Option<String> {
        let tail = self.tail();
        let line = tail
            .lines()
            .rev()
            .find(|line| line.contains(wire::FATAL_PREFIX))?;
        let (_, reason) = line.split_once(wire::FATAL_PREFIX)?;
        Some(reason.trim().chars().take(500).collect())
    }

    /// The last line that has text.
    pub fn last_line(&self) -> Option<String> {
        let tail = self.tail();
        let line = tail
            .lines()
            .rev()
            .map(str::trim)
            .find(|line| !line.is_empty())?;
        Some(line.chars().filter(|c| !c.is_control()).take(200).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inits_last_words_are_found_in_a_long_console() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut console = Console::new(LimitedFile::new(dir.path().join("c"), 100));
        for _ in 0..1000 {
            console.push(&[b'x'; 1023]).expect("written");
            console.push(b"\n").expect("written");
        }
        assert!(console.tail.len() <= 2 * TAIL);
        assert_eq!(console.fatal(), None);
        console
            .push(b"[ 1.0] runner-init: fatal: no 9P share\r\n\r\n")
            .expect("written");
        assert_eq!(console.fatal().as_deref(), Some("no 9P share"));
        assert!(console.last_line().expect("text").contains("no 9P share"));
    }
}
