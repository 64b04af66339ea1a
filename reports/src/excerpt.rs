//! Bounded pieces of the files that hold a test's output.

use crate::OutputRef;
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Component, Path},
};

/// The beginning and the end of a file. Bytes that are not UTF-8 are U+FFFD.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// The beginning; the whole of a file that is no longer than both parts together.
    pub head: String,
    /// Bytes between the parts.
    pub left_out: u64,
    /// The end.
    pub tail: String,
}

impl Excerpt {
    /// At most `head` bytes of the beginning and `tail` bytes of the end of a file in the output directory `dir`.
    ///
    /// # Errors
    ///
    /// When the host cannot read it, or its name leads out of `dir`.
    pub fn read(dir: &Path, output: &OutputRef, head: u64, tail: u64) -> io::Result<Self> {
        let name = Path::new(&output.file);
        if !name.components().all(|c| matches!(c, Component::Normal(_))) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the path leads out of the output directory",
            ));
        }
        let mut file = File::open(dir.join(name))?;
        let len = file.metadata()?.len();
        if len <= head + tail {
            return Ok(Self {
                head: text(&read_part(&mut file, len)?),
                left_out: 0,
                tail: String::new(),
            });
        }
        let first = read_part(&mut file, head)?;
        file.seek(SeekFrom::Start(len - tail))?;
        let last = read_part(&mut file, tail)?;
        Ok(Self {
            head: text(without_torn_end(&first)),
            left_out: len - head - tail,
            tail: text(without_torn_start(&last)),
        })
    }
}

fn read_part(file: &mut File, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(len).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Without the first bytes of a character whose last ones were cut off.
fn without_torn_end(bytes: &[u8]) -> &[u8] {
    match bytes.utf8_chunks().last() {
        Some(chunk) if (1..=3).contains(&chunk.invalid().len()) => {
            let torn = chunk.invalid();
            let incomplete = std::str::from_utf8(torn).is_err_and(|e| e.error_len().is_none());
            &bytes[..bytes.len() - if incomplete { torn.len() } else { 0 }]
        }
        _ => bytes,
    }
}

/// Without the last bytes of a character whose first ones were cut off.
fn without_torn_start(bytes: &[u8]) -> &[u8] {
    let torn = bytes
        .iter()
        .take(3)
        .take_while(|b| (0x80..0xc0).contains(*b));
    &bytes[torn.count()..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn excerpt(contents: &[u8], head: u64, tail: u64) -> Excerpt {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("out"), contents).expect("writable");
        Excerpt::read(dir.path(), &output("out"), head, tail).expect("readable")
    }

    fn output(file: &str) -> OutputRef {
        OutputRef {
            file: file.into(),
            bytes: 0,
            dropped: 0,
        }
    }

    #[test]
    fn a_short_file_is_whole() {
        let whole = excerpt(b"0123456789", 4, 6);
        assert_eq!((whole.head.as_str(), whole.left_out), ("0123456789", 0));
    }

    #[test]
    fn a_long_file_is_its_ends() {
        let ends = excerpt(b"0123456789", 4, 3);
        assert_eq!(
            (ends.head.as_str(), ends.left_out, ends.tail.as_str()),
            ("0123", 3, "789")
        );
    }

    #[test]
    fn characters_are_not_cut() {
        let ends = excerpt("a\u{20ac}-----\u{20ac}z".as_bytes(), 3, 3);
        assert_eq!((ends.head.as_str(), ends.tail.as_str()), ("a", "z"));
    }

    #[test]
    fn bytes_that_are_no_text_stay_visible() {
        assert_eq!(excerpt(b"a\xffb\xff", 9, 9).head, "a\u{fffd}b\u{fffd}");
        assert_eq!(excerpt(b"a\xff------", 2, 1).head, "a\u{fffd}");
    }

    #[test]
    fn a_path_out_of_the_output_directory_is_refused() {
        for name in ["/etc/passwd", "../x", "a/../../x"] {
            let error = Excerpt::read(Path::new("."), &output(name), 1, 1).expect_err("refused");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
        }
    }
}
