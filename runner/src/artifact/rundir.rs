//! The output directory of a run.

use rustix::{
    fs::{CWD, FlockOperation, flock, symlinkat},
    io::Errno,
};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};
use time::{OffsetDateTime, macros::format_description};

/// Where results go unless the user says otherwise, below the current directory.
const DEFAULT_PARENT: &str = "runner-results";

/// What a run writes at the top of its directory; only these are ever removed from a directory used again.
const OURS: &[&str] = &[
    "junit.xml",
    "results.json",
    "events.jsonl",
    "kernel.log",
    "console.log",
    "tests",
    "inputs",
];

/// Whether a run writes a file of that name at the top of its directory.
fn is_ours(name: &str) -> bool {
    let lane = |log: &str| {
        let rest = name.strip_prefix(log)?.strip_suffix(".log")?;
        (!rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit())).then_some(())
    };
    OURS.contains(&name) || lane("kernel-").or_else(|| lane("console-")).is_some()
}

/// Why there is no output directory.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// The system's reason.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: String,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// It is a file.
    #[error("the output directory {0} is not a directory: name another")]
    NotADirectory(String),
    /// It has things in it that no run put there.
    #[error(
        "the output directory {0} is not empty and holds no earlier results: name another, or empty it"
    )]
    NotOurs(String),
    /// Another run writes to it.
    #[error(
        "another run is writing to the output directory {0}: wait for its end, or name another"
    )]
    InUse(String),
}

/// The output directory of a run, made and writable.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    #[expect(dead_code, reason = "its lock keeps other runs out until it is closed")]
    lock: Option<File>,
}

impl RunDir {
    /// Makes `runner-results/<UTC time>` below `cwd` and points `runner-results/latest` at it.
    ///
    /// # Errors
    /// [`RunDirError::Io`] when it cannot be made.
    pub fn create_default(cwd: &Path, now: OffsetDateTime) -> Result<Self, RunDirError> {
        let parent = cwd.join(DEFAULT_PARENT);
        fs::create_dir_all(&parent).map_err(io_error("make the directory", &parent))?;
        let format = format_description!("[year]-[month]-[day]T[hour]-[minute]-[second]Z");
        let name = now.format(format).expect("a UTC time has all these parts");
        for attempt in 1..=1000 {
            let name = if attempt == 1 {
                name.clone()
            } else {
                format!("{name}.{attempt}")
            };
            let path = parent.join(&name);
            match fs::create_dir(&path) {
                Ok(()) => {
                    point_latest(&parent, &name);
                    let lock = lock(&path)?;
                    return Ok(Self { path, lock });
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(io_error("make the directory", &path)(e)),
            }
        }
        Err(io_error("make a directory in", &parent)(
            io::ErrorKind::AlreadyExists.into(),
        ))
    }

    /// Uses the directory the user named: made if missing, results of an earlier run in it removed.
    ///
    /// # Errors
    /// [`RunDirError::NotADirectory`]; [`RunDirError::NotOurs`] rather than touching anything else; [`RunDirError::Io`].
    pub fn create_at(path: &Path) -> Result<Self, RunDirError> {
        if path.exists() && !path.is_dir() {
            return Err(RunDirError::NotADirectory(path.display().to_string()));
        }
        fs::create_dir_all(path).map_err(io_error("make the directory", path))?;
        let lock = lock(path)?;
        let entries = fs::read_dir(path).map_err(io_error("read", path))?;
        let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        if !names.is_empty() {
            if !path.join("events.jsonl").exists() {
                return Err(RunDirError::NotOurs(path.display().to_string()));
            }
            for name in names
                .iter()
                .filter(|name| name.to_str().is_some_and(is_ours))
            {
                let old = path.join(name);
                let removed = if old.is_dir() {
                    fs::remove_dir_all(&old)
                } else {
                    fs::remove_file(&old)
                };
                match removed {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => {
                        return Err(io_error("remove the earlier", &old)(e));
                    }
                    _ => {}
                }
            }
        }
        Ok(Self {
            path: path.into(),
            lock,
        })
    }

    /// Its path, as it was named.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Takes the directory for one run. The lock is on the directory itself, so that no file is left of it.
///
/// # Errors
/// [`RunDirError::InUse`]; [`RunDirError::Io`]. A file system that has no locks goes without.
fn lock(path: &Path) -> Result<Option<File>, RunDirError> {
    let dir = File::open(path).map_err(io_error("open", path))?;
    match flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(dir)),
        Err(Errno::WOULDBLOCK) => Err(RunDirError::InUse(path.display().to_string())),
        Err(_) => Ok(None),
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunDirError {
    let path = path.display().to_string();
    move |source| RunDirError::Io {
        action,
        path,
        source,
    }
}

/// Replaces the link in one step. Without it everything else still works, so failure is not an error; a `latest`
/// that somebody made as a directory stays.
fn point_latest(parent: &Path, name: &str) {
    let temporary = parent.join(format!(".latest.{}", std::process::id()));
    let latest = parent.join("latest");
    if symlinkat(name, CWD, &temporary).is_ok() && fs::rename(&temporary, &latest).is_err() {
        let _ = fs::remove_file(&temporary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_in_one_second_get_two_directories_and_latest_is_the_second() {
        let cwd = tempfile::tempdir().expect("temporary directory");
        let now = OffsetDateTime::UNIX_EPOCH;
        let first = RunDir::create_default(cwd.path(), now).expect("made");
        let second = RunDir::create_default(cwd.path(), now).expect("made");
        assert_ne!(first.path(), second.path());
        let latest = fs::canonicalize(cwd.path().join("runner-results/latest")).expect("a link");
        assert_eq!(latest, fs::canonicalize(second.path()).expect("exists"));
        let names: Vec<_> = fs::read_dir(cwd.path().join("runner-results"))
            .expect("readable")
            .collect();
        assert_eq!(names.len(), 3);
    }

    #[test]
    fn a_directory_that_a_run_writes_to_is_not_taken() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let first = RunDir::create_at(dir.path()).expect("made");
        fs::write(dir.path().join("events.jsonl"), "x").expect("written");
        let second = RunDir::create_at(dir.path());
        assert!(matches!(second, Err(RunDirError::InUse(_))), "{second:?}");
        assert!(dir.path().join("events.jsonl").exists());
        drop(first);
        RunDir::create_at(dir.path()).expect("free again");
    }

    #[test]
    fn logs_of_lanes_are_known_and_nothing_like_them() {
        assert!(is_ours("kernel-2.log") && is_ours("console-32.log") && is_ours("kernel.log"));
        for other in [
            "kernel-.log",
            "kernel-x.log",
            "kernel-2.log.old",
            "my-2.log",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn a_directory_with_other_things_in_it_is_left_alone() {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::write(dir.path().join("thesis.tex"), "years of work").expect("written");
        assert!(matches!(
            RunDir::create_at(dir.path()),
            Err(RunDirError::NotOurs(_))
        ));
        assert!(dir.path().join("thesis.tex").exists());
    }

    #[test]
    fn earlier_results_make_way_and_nothing_else_does() {
        let dir = tempfile::tempdir().expect("temporary directory");
        for name in [
            "events.jsonl",
            "junit.xml",
            "kernel-2.log",
            "console-10.log",
            "notes.txt",
        ] {
            fs::write(dir.path().join(name), "x").expect("written");
        }
        fs::create_dir_all(dir.path().join("tests/smoke")).expect("made");
        RunDir::create_at(dir.path()).expect("used again");
        let mut left = fs::read_dir(dir.path()).expect("readable");
        assert_eq!(
            left.next().expect("one").expect("readable").file_name(),
            "notes.txt"
        );
        assert!(left.next().is_none());
    }
}
