//! Building selftests out of a kernel tree, without writing to it.
//!
//! ```text
//! CACHE/lock              held while building
//! CACHE/src/              shadow of the tree, see mirror.rs
//! CACHE/src.manifest      its state
//! CACHE/building          there while make runs; if it stays, a build was killed and what it left is not used
//! CACHE/out/              O= of make: usr/include, kselftest/COLLECTION
//! CACHE/install/GEN/      installed tree of a generation (see mirror.rs), kept as long as someone uses it
//! CACHE/log/              headers.log, COLLECTION.log
//! ```
//!
//! Every collection is made on its own, since what the Makefile of them all says of failures cannot be trusted: `make
//! TARGETS=net` exits with status 0 although `net` failed, because `net/lib` that it adds did not. A collection is
//! first made with `-k` and must succeed. If it does not, `-i` installs what could be built; the rest of
//! its listed programs are then missing from the installed tree, which makes them harness errors.

use super::{
    diagnose::Diagnosis,
    install::{LIST, read_bounded},
    make::{Stopped, make, run},
    mirror,
    tree::{SELFTESTS, Tree, is_plain},
};
use rustix::fs::{FlockOperation, flock};
use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

/// Programs that a build needs, with Debian's packages of them.
const TOOLS: [(&str, &str); 3] = [("make", "make"), ("gcc", "gcc"), ("rsync", "rsync")];

/// Most of a log that is searched for errors, in bytes.
const MAX_LOG: u64 = 16 << 20;

/// Longest list of one collection's tests, in bytes.
const MAX_LIST: u64 = 4 << 20;

/// Why there are no built selftests.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A program that builds need is not installed.
    #[error(
        "there is no {tool} here, which building selftests needs; Debian's package is {package}"
    )]
    NoTool {
        /// The program.
        tool: &'static str,
        /// Debian's package of it.
        package: &'static str,
    },
    /// A file of the cache or the tree cannot be used.
    #[error("{} cannot be used", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The headers that selftests include cannot be made.
    #[error("`make headers` fails in this kernel tree; its log is {}:{}", log.display(), indent(errors))]
    Headers {
        /// The first errors.
        errors: Vec<String>,
        /// The whole log.
        log: PathBuf,
    },
    /// Not one of the collections could be built.
    #[error("no selected selftest can be built:{}", failed.iter().map(|f| format!("\n{f}")).collect::<String>())]
    Nothing {
        /// The collections and what is wrong with each.
        failed: Vec<FailedCollection>,
    },
    /// The caller stopped it.
    #[error("the build of selftests was stopped")]
    Cancelled,
}

impl BuildError {
    /// Whether the host is at fault, and not the kernel's source.
    #[must_use]
    pub fn blames_host(&self) -> bool {
        matches!(self, Self::NoTool { .. } | Self::Io { .. })
    }
}

/// A collection of which not everything could be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCollection {
    /// Its name.
    pub name: String,
    /// The compiler's errors, the first ones.
    pub errors: Vec<String>,
    /// Debian's packages that would help.
    pub packages: Vec<&'static str>,
    /// The whole log.
    pub log: PathBuf,
    /// How much of it is missing.
    pub extent: Extent,
}

/// How much of a collection could not be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it: it is not known which tests it has.
    Everything,
    /// Something that is no listed test, such as a helper of others: tests that were built may lack it.
    Helpers,
    /// Listed tests only, each of which is known to be missing.
    Tests,
}

impl std::fmt::Display for FailedCollection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let extent = match self.extent {
            Extent::Everything => "does not build",
            Extent::Helpers | Extent::Tests => "does not wholly build",
        };
        write!(f, "kselftest collection {} {extent}", self.name)?;
        if !self.packages.is_empty() {
            write!(f, " (Debian: apt install {})", self.packages.join(" "))?;
        }
        write!(
            f,
            "; its log is {}:{}",
            self.log.display(),
            indent(&self.errors)
        )
    }
}

fn indent(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n    {line}")).collect()
}

/// What a build says while it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// What is being done now: `building kselftest collection mm (2 of 5)`.
    Phase(&'a str),
    /// A line that make or a compiler printed.
    Line(&'a str),
}

/// A build to be done.
pub struct Build<'a> {
    /// The tree to build from.
    pub tree: &'a Tree,
    /// A directory for this tree and no other, made if need be.
    pub cache: &'a Path,
    /// Set from elsewhere to stop it.
    pub cancelled: &'a AtomicBool,
    /// Told what is going on.
    pub progress: &'a mut dyn FnMut(Progress<'_>),
}

/// What a build made.
#[derive(Debug)]
pub struct Built {
    /// The installed tree.
    pub dir: PathBuf,
    /// Its list, of the collections asked for and in their order.
    pub(super) list: Vec<u8>,
    /// Collections that could not be built or not wholly.
    pub failed: Vec<FailedCollection>,
    /// Keeps the installed tree from being cleared away as long as it is open.
    pub in_use: File,
}

impl Build<'_> {
    /// Builds and installs these collections.
    ///
    /// # Errors
    /// [`BuildError`]; one collection that builds, even in part, is enough for there to be none.
    pub fn run(mut self, collections: &[String]) -> Result<Built, BuildError> {
        for (tool, package) in TOOLS {
            if !on_path(tool, env::var_os("PATH")) {
                return Err(BuildError::NoTool { tool, package });
            }
        }
        make_dir(&self.cache.join("log"))?;
        // Absolute, since make is told of paths in it from another directory.
        let cache = at(self.cache, fs::canonicalize(self.cache))?;
        let _lock = self.lock(&cache)?;

        self.phase("copying the selftests' source");
        let building = cache.join("building");
        let interrupted = building.exists();
        if interrupted {
            remove_dir(&cache.join("out"))?;
            remove_dir(&cache.join("install"))?;
        }
        let shadow = cache.join("src");
        let (generation, out) = {
            let manifest = cache.join("src.manifest");
            let generation = mirror::sync(self.tree.root(), &shadow, &manifest, interrupted)
                .map_err(|(path, source)| BuildError::Io { path, source })?;
            (generation.to_string(), cache.join("out"))
        };
        let dir = cache.join("install").join(&generation);
        if !dir.exists() {
            // Nothing that an older generation left can be trusted; see mirror.rs.
            remove_dir(&out.join("kselftest"))?;
            clear_unused(&cache.join("install"))?;
        }
        make_dir(&out)?;
        at(&building, File::create(&building))?;
        self.headers(&shadow, &out, &cache)?;
        make_dir(&dir)?;

        let mut built = Built {
            in_use: at(&dir, File::open(&dir))?,
            dir,
            list: Vec::new(),
            failed: Vec::new(),
        };
        flock(&built.in_use, FlockOperation::LockShared).map_err(|e| BuildError::Io {
            path: built.dir.clone(),
            source: e.into(),
        })?;
        for (index, name) in collections.iter().enumerate() {
            debug_assert!(is_plain(name), "names come from Tree");
            self.phase(&format!(
                "building kselftest collection {name} ({} of {})",
                index + 1,
                collections.len()
            ));
            self.collection(name, &shadow, &out, &cache, &mut built)?;
        }
        at(&building, fs::remove_file(&building))?;
        if built.list.is_empty() && !built.failed.is_empty() {
            return Err(BuildError::Nothing {
                failed: built.failed,
            });
        }
        // Make wrote the list of the last collection; leave an installed tree that is a proper one.
        let list = built.dir.join(LIST);
        at(&list, fs::write(&list, &built.list))?;
        Ok(built)
    }

    fn phase(&mut self, text: &str) {
        (self.progress)(Progress::Phase(text));
    }

    /// Waits until no one else builds in this cache.
    fn lock(&mut self, cache: &Path) -> Result<File, BuildError> {
        let path = cache.join("lock");
        let file = at(&path, File::create(&path))?;
        let mut told = false;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
                Err(e) => {
                    let source = e.into();
                    return Err(BuildError::Io { path, source });
                }
            }
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(BuildError::Cancelled);
            }
            if !told {
                self.phase("waiting for another build of this tree's selftests");
                told = true;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn headers(&mut self, shadow: &Path, out: &Path, cache: &Path) -> Result<(), BuildError> {
        self.phase("making the kernel's headers");
        // Some Makefiles look for the headers in the source, wherever O= is.
        let link = shadow.join("usr/include");
        if fs::symlink_metadata(&link).is_err() {
            make_dir(&shadow.join("usr"))?;
            at(&link, symlink(out.join("usr/include"), &link))?;
        }
        let log = cache.join("log/headers.log");
        let mut command = make(shadow);
        command.arg(assign("O=", out)).arg("headers");
        if self.make(command, &log, false)? {
            return Ok(());
        }
        let errors = diagnosis(&log)?.errors;
        Err(BuildError::Headers { errors, log })
    }

    fn collection(
        &mut self,
        name: &str,
        shadow: &Path,
        out: &Path,
        cache: &Path,
        built: &mut Built,
    ) -> Result<(), BuildError> {
        let log = cache.join("log").join(format!("{name}.log"));
        if let Some(parent) = log.parent() {
            make_dir(parent)?;
        }
        let list = built.dir.join(LIST);
        let command = |flags: &[&str]| {
            let mut command = make(&shadow.join(SELFTESTS));
            command
                .arg(assign("O=", out))
                .arg(assign("INSTALL_PATH=", &built.dir))
                .arg(assign("KSFT_INSTALL_PATH=", &built.dir))
                .arg(format!("TARGETS={name}"))
                // A collection that was asked for by name is not to be left out.
                .arg("SKIP_TARGETS=")
                .args(flags)
                .arg("install");
            command
        };
        remove_file(&list)?;
        let failed = if self.make(command(&["-k", "FORCE_TARGETS=1"]), &log, false)? {
            None
        } else {
            let diagnosis = diagnosis(&log)?;
            remove_file(&list)?;
            self.make(command(&["-i"]), &log, true)?;
            Some(diagnosis)
        };
        let listed = match read_bounded(&list, MAX_LIST) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(BuildError::Io { path: list, source }),
        };
        let Some(diagnosis) = failed else {
            built.list.extend(listed);
            return Ok(());
        };
        let listed_tests: Vec<&[u8]> = listed
            .split(|&b| b == b'\n')
            .filter_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b":"))
            .collect();
        let directory = built.dir.join(name);
        let any = listed_tests.iter().any(|test| {
            std::str::from_utf8(test).is_ok_and(|t| !t.is_empty() && directory.join(t).is_file())
        });
        let is_test = |target: &String| listed_tests.contains(&target.as_bytes());
        let extent = if !any {
            Extent::Everything
        } else if diagnosis.targets.is_empty() || !diagnosis.targets.iter().all(is_test) {
            Extent::Helpers
        } else {
            Extent::Tests
        };
        built.failed.push(FailedCollection {
            name: name.into(),
            errors: diagnosis.errors,
            packages: diagnosis.packages,
            log,
            extent,
        });
        if any {
            built.list.extend(listed);
        }
        Ok(())
    }

    /// Runs a make; whether it succeeded.
    fn make(
        &mut self,
        mut command: std::process::Command,
        log: &Path,
        append: bool,
    ) -> Result<bool, BuildError> {
        let file = File::options()
            .create(true)
            .append(append)
            .write(true)
            .truncate(!append)
            .open(log);
        let file = at(log, file)?;
        let mut pass_on = |line: &str| (self.progress)(Progress::Line(line));
        match run(&mut command, &file, self.cancelled, &mut pass_on) {
            Ok(status) => Ok(status.success()),
            Err(Stopped::Cancelled) => Err(BuildError::Cancelled),
            Err(Stopped::Io(source)) => Err(BuildError::Io {
                path: log.into(),
                source,
            }),
        }
    }
}

fn assign(name: &str, path: &Path) -> OsString {
    let mut word = OsString::from(name);
    word.push(path);
    word
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, BuildError> {
    result.map_err(|source| BuildError::Io {
        path: path.into(),
        source,
    })
}

fn make_dir(path: &Path) -> Result<(), BuildError> {
    at(path, fs::create_dir_all(path))
}

fn remove_dir(path: &Path) -> Result<(), BuildError> {
    absent_is_fine(path, fs::remove_dir_all(path))
}

fn remove_file(path: &Path) -> Result<(), BuildError> {
    absent_is_fine(path, fs::remove_file(path))
}

fn absent_is_fine(path: &Path, result: io::Result<()>) -> Result<(), BuildError> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => at(path, other),
    }
}

/// Removes the installed trees of other generations that no run uses any more.
fn clear_unused(installs: &Path) -> Result<(), BuildError> {
    let Ok(entries) = fs::read_dir(installs) else {
        return Ok(());
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let unused = File::open(&path)
            .is_ok_and(|dir| flock(&dir, FlockOperation::NonBlockingLockExclusive).is_ok());
        if unused {
            remove_dir(&path)?;
        }
    }
    Ok(())
}

fn diagnosis(log: &Path) -> Result<Diagnosis, BuildError> {
    let mut bytes = Vec::new();
    let read = File::open(log).and_then(|file| file.take(MAX_LOG).read_to_end(&mut bytes));
    at(log, read)?;
    Ok(Diagnosis::of(&String::from_utf8_lossy(&bytes)))
}

fn on_path(tool: &str, path: Option<OsString>) -> bool {
    path.is_some_and(|path| env::split_paths(&path).any(|dir| dir.join(tool).is_file()))
}
