//! Files of a run that the guest fills: each with a limit.

use crate::artifact::{guest_path, test_dir};
use reports::OutputRef;
use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};
use suites::TestId;

/// A file that is made, or continued, when the first byte comes, and to which at most `limit` bytes are added.
#[derive(Debug)]
pub struct LimitedFile {
    path: PathBuf,
    file: Option<File>,
    written: u64,
    dropped: u64,
    limit: u64,
}

impl LimitedFile {
    /// A file at `path` of at most `limit` bytes.
    pub fn new(path: PathBuf, limit: u64) -> Self {
        Self {
            path,
            file: None,
            written: 0,
            dropped: 0,
            limit,
        }
    }

    /// Appends what the limit leaves of `bytes`.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = usize::try_from(self.limit - self.written).unwrap_or(usize::MAX);
        let (keep, over) = bytes.split_at(room.min(bytes.len()));
        self.dropped += over.len() as u64;
        if keep.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            empty => empty.insert(
                OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(&self.path)?,
            ),
        };
        file.write_all(keep)?;
        self.written += keep.len() as u64;
        Ok(())
    }

    /// What a report says of it, or `None` for nothing; `dropped` was already left out by the guest.
    pub fn reference(&self, run_dir: &Path, dropped: u64) -> Option<OutputRef> {
        let dropped = self.dropped + dropped;
        (self.written > 0 || dropped > 0).then(|| OutputRef {
            file: relative(run_dir, &self.path),
            bytes: self.written,
            dropped,
        })
    }
}

/// Where one test's streams and artifacts go.
#[derive(Debug)]
pub struct TestFiles {
    run_dir: PathBuf,
    dir: PathBuf,
    /// File descriptor 1.
    pub stdout: LimitedFile,
    /// File descriptor 2.
    pub stderr: LimitedFile,
    /// The test's slice of the kernel log.
    pub kernel_log: LimitedFile,
    artifact: Option<(Vec<u8>, File)>,
    artifacts: BTreeSet<String>,
    artifact_bytes: u64,
    limits: wire::ArtifactLimits,
}

/// Longest slice of kernel log kept for one test, in bytes.
const KERNEL_LOG_LIMIT: u64 = 8 << 20;

impl TestFiles {
    /// Makes the test's directory, apart from every other test's.
    pub fn create(
        run_dir: &Path,
        id: &TestId,
        output_limit: u64,
        limits: wire::ArtifactLimits,
    ) -> io::Result<Self> {
        let wanted = run_dir.join(test_dir(id));
        fs::create_dir_all(wanted.parent().expect("a test's directory is below tests/"))?;
        let mut dir = wanted.clone();
        let mut attempt = 1;
        while let Err(error) = fs::create_dir(&dir) {
            if error.kind() != io::ErrorKind::AlreadyExists || attempt == 10_000 {
                return Err(error);
            }
            attempt += 1;
            let mut name = wanted
                .file_name()
                .expect("a test's directory has a name")
                .to_owned();
            name.push(format!("~{attempt}"));
            dir.set_file_name(name);
        }
        Ok(Self {
            stdout: LimitedFile::new(dir.join("stdout"), output_limit),
            stderr: LimitedFile::new(dir.join("stderr"), output_limit),
            kernel_log: LimitedFile::new(dir.join("kernel.log"), KERNEL_LOG_LIMIT),
            run_dir: run_dir.into(),
            dir,
            artifact: None,
            artifacts: BTreeSet::new(),
            artifact_bytes: 0,
            limits,
        })
    }

    /// Takes a piece of an artifact. Pieces beyond the limits, which init keeps, are dropped here as well: the
    /// guest is not believed.
    pub fn artifact(&mut self, path: &[u8], data: &[u8], last: bool) -> io::Result<()> {
        self.artifact_bytes = self.artifact_bytes.saturating_add(data.len() as u64);
        if self.artifact_bytes > self.limits.bytes {
            return Ok(());
        }
        let current = match self.artifact.take() {
            Some((name, file)) if name == path => Some((name, file)),
            _ => self.open_artifact(path)?.map(|file| (path.to_vec(), file)),
        };
        if let Some((name, mut file)) = current {
            file.write_all(data)?;
            if !last {
                self.artifact = Some((name, file));
            }
        }
        Ok(())
    }

    fn open_artifact(&mut self, path: &[u8]) -> io::Result<Option<File>> {
        let Some(below) = guest_path(path) else {
            return Ok(None);
        };
        if self.artifacts.len() >= self.limits.files as usize {
            return Ok(None);
        }
        let path = self.dir.join("artifacts").join(below);
        fs::create_dir_all(path.parent().expect("below the test's directory"))?;
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => {
                self.artifacts.insert(relative(&self.run_dir, &path));
                Ok(Some(file))
            }
            // A guest that sends one file twice, or a file where it sent a directory.
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::AlreadyExists | io::ErrorKind::IsADirectory
                ) =>
            {
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// The artifacts taken, relative to the output directory.
    pub fn artifacts(&self) -> Vec<String> {
        self.artifacts.iter().cloned().collect()
    }

    /// What reports say of the three streams: stdout, stderr, kernel log.
    pub fn references(&self, dropped: [u64; 2]) -> [Option<OutputRef>; 3] {
        [
            self.stdout.reference(&self.run_dir, dropped[0]),
            self.stderr.reference(&self.run_dir, dropped[1]),
            self.kernel_log.reference(&self.run_dir, 0),
        ]
    }

    /// Removes the directory if nothing came.
    pub fn close(self) {
        // Fails when it is not empty, as meant.
        let _ = fs::remove_dir(&self.dir);
    }
}

fn relative(run_dir: &Path, path: &Path) -> String {
    path.strip_prefix(run_dir)
        .unwrap_or(path)
        .display()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: wire::ArtifactLimits = wire::ArtifactLimits {
        files: 2,
        bytes: 10,
    };

    #[test]
    fn a_file_stops_at_its_limit_and_says_what_was_left_out() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut file = LimitedFile::new(dir.path().join("x"), 5);
        assert!(file.reference(dir.path(), 0).is_none());
        file.write(b"abc").expect("written");
        file.write(b"defg").expect("written");
        let reference = file.reference(dir.path(), 100).expect("there is output");
        assert_eq!((reference.bytes, reference.dropped), (5, 102));
        assert_eq!(fs::read(dir.path().join("x")).expect("there"), b"abcde");
    }

    #[test]
    fn artifacts_stay_below_the_test_whatever_the_guest_calls_them() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let id = TestId::new("exec", "x");
        let mut files = TestFiles::create(dir.path(), &id, 10, LIMITS).expect("made");
        files.artifact(b"../../../evil", b"1", true).expect("taken");
        files.artifact(b"a/b", b"2", false).expect("taken");
        files.artifact(b"a/b", b"3", true).expect("taken");
        files
            .artifact(b"third", b"4", true)
            .expect("over the number of files");
        assert_eq!(
            files.artifacts(),
            [
                "tests/exec/x/artifacts/%2E./%2E./%2E./evil",
                "tests/exec/x/artifacts/a/b"
            ]
        );
        assert_eq!(
            fs::read(dir.path().join("tests/exec/x/artifacts/a/b")).expect("there"),
            b"23"
        );
    }

    #[test]
    fn artifacts_over_the_byte_limit_are_dropped() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let id = TestId::new("exec", "x");
        let mut files = TestFiles::create(dir.path(), &id, 10, LIMITS).expect("made");
        files.artifact(b"a", &[0; 8], false).expect("taken");
        files.artifact(b"a", &[0; 8], false).expect("over");
        let size = fs::metadata(dir.path().join("tests/exec/x/artifacts/a"))
            .expect("there")
            .len();
        assert_eq!(size, 8);
    }

    #[test]
    fn tests_of_like_names_get_directories_of_their_own() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let first =
            TestFiles::create(dir.path(), &TestId::new("exec", "a b"), 1, LIMITS).expect("made");
        let second =
            TestFiles::create(dir.path(), &TestId::new("exec", "a_b"), 1, LIMITS).expect("made");
        assert_ne!(first.dir, second.dir);
    }
}
