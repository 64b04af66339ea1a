//! What is measured of a share: a pattern of reads, timed by the guest's own clock.
//!
//! It runs as a test, `runner-init bench PATTERN PATH NUMBER...`, in a machine of its own, so that nothing was read
//! before, and prints one line: bytes, operations and nanoseconds.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Done {
    bytes: u64,
    operations: u64,
}

impl Done {
    fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.operations += 1;
    }
}

/// Reads as `words` say; returns the exit status.
pub fn run(words: impl Iterator<Item = OsString>) -> u8 {
    let words: Vec<OsString> = words.collect();
    let number = |word: &OsString| word.to_str()?.parse().ok();
    let numbers: Option<Vec<usize>> = words.iter().skip(2).map(number).collect();
    let (Some([pattern, path]), Some(numbers)) = (words.get(..2), numbers) else {
        return misuse();
    };
    let path = Path::new(path);
    let begin = Instant::now();
    let read = match (pattern.to_str(), &numbers[..]) {
        (Some("sequential"), &[block]) => sequential(path, block),
        (Some("random"), &[block, count]) => random(path, block, count),
        (Some("files"), []) => tree(path, true),
        (Some("walk"), []) => tree(path, false),
        _ => return misuse(),
    };
    match read {
        Ok(Done { bytes, operations }) => {
            println!("{bytes} {operations} {}", begin.elapsed().as_nanos());
            0
        }
        Err(error) => {
            println!("cannot read {}: {error}", path.display());
            1
        }
    }
}

fn misuse() -> u8 {
    println!("wrong use of bench");
    2
}

/// The whole file, front to back, `block` bytes at a time.
fn sequential(path: &Path, block: usize) -> io::Result<Done> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; block];
    let mut done = Done::default();
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(done),
            n => done.add(n),
        }
    }
}

/// `count` blocks at places that look random and are the same each time.
fn random(path: &Path, block: usize, count: usize) -> io::Result<Done> {
    let file = File::open(path)?;
    let blocks = file.metadata()?.len() / (block as u64).max(1);
    let mut buffer = vec![0; block];
    let mut done = Done::default();
    // Knuth's MMIX generator, of which the upper bits are good.
    let mut state: u64 = 1;
    for _ in 0..count {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let at = (state >> 33) % blocks.max(1) * block as u64;
        done.add(file.read_at(&mut buffer, at)?);
    }
    Ok(done)
}

/// Every file below a directory: read as a whole, or else only its attributes. Directories are operations of a walk.
fn tree(path: &Path, contents: bool) -> io::Result<Done> {
    let mut buffer = vec![0; 64 * 1024];
    let mut done = Done::default();
    let mut directories = vec![path.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let is_directory = entry.file_type()?.is_dir();
            if !contents {
                entry.metadata()?;
                done.add(0);
            } else if !is_directory {
                let mut file = File::open(entry.path())?;
                let mut size = 0;
                loop {
                    match file.read(&mut buffer)? {
                        0 => break,
                        n => size += n,
                    }
                }
                done.add(size);
            }
            if is_directory {
                directories.push(entry.path());
            }
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pattern_reads_what_it_says() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let large = dir.path().join("large");
        fs::write(&large, vec![7; 10_000]).expect("written");
        let done = |bytes, operations| Done { bytes, operations };
        assert_eq!(sequential(&large, 4096).expect("read"), done(10_000, 3));
        assert_eq!(random(&large, 1000, 50).expect("read"), done(50_000, 50));
        let below = dir.path().join("a/b");
        fs::create_dir_all(&below).expect("made");
        fs::write(below.join("small"), "123").expect("written");
        assert_eq!(tree(dir.path(), true).expect("read"), done(10_003, 2));
        assert_eq!(tree(dir.path(), false).expect("read"), done(0, 4));
    }

    #[test]
    fn wrong_words_are_refused() {
        let run = |words: &[&str]| run(words.iter().map(OsString::from));
        for words in [
            &["walk"][..],
            &["sequential", "/x"],
            &["random", "/x", "1", "y"],
            &["fly", "/x"],
        ] {
            assert_eq!(run(words), 2, "{words:?}");
        }
        assert_eq!(run(&["walk", "/does/not/exist"]), 1);
    }
}
