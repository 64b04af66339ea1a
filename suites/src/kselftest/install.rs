//! An installed tree of selftests, as `make -C tools/testing/selftests install` leaves it.
//!
//! ```text
//! DIR/run_kselftest.sh        not used: we start the programs ourselves
//! DIR/kselftest-list.txt      COLLECTION:TEST, one a line
//! DIR/COLLECTION/TEST         the program
//! DIR/COLLECTION/settings     see settings.rs
//! ```
//!
//! No name in the list leads out of DIR.

use super::{
    command::{self, Guest},
    settings::Settings,
    tree::{SELFTESTS, is_plain},
};
use crate::{OutputFormat, Program, SplatPolicy, Test, TestId, spec::KSELFTEST};
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// The list of tests.
pub(super) const LIST: &str = "kselftest-list.txt";

/// Longest list that is read, in bytes; the whole of Linux 6.12 makes one of 30 KiB.
const MAX_LIST: u64 = 4 << 20;

/// Longest `settings` file that is read, in bytes.
const MAX_SETTINGS: u64 = 64 << 10;

/// Why a directory cannot be used as an installed tree.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// It has no list of tests.
    #[error(
        "{} is not an installed selftest tree: {why}; one has kselftest-list.txt and a directory per collection, and is \
         made by: make headers && make -C tools/testing/selftests install INSTALL_PATH=DIR",
        path.display()
    )]
    NotInstalled {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Its list cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Collections that make the kernel report errors on purpose, and look for those reports themselves.
const PROVOKES_SPLATS: &[&str] = &["lkdtm"];

/// The tests of an installed tree.
#[derive(Debug, Clone, Default)]
pub struct Installed {
    /// Its tests in the order of its list, none twice.
    pub tests: Vec<Test>,
    /// What in it could not be understood, plain sentences.
    pub warnings: Vec<String>,
}

impl Installed {
    /// Reads the tree in `dir` for a machine as described by `guest`.
    ///
    /// # Errors
    /// [`InstallError`] if it is no such tree.
    pub fn read(dir: &Path, guest: &Guest<'_>) -> Result<Self, InstallError> {
        let list = dir.join(LIST);
        if !list.is_file() {
            return Err(InstallError::NotInstalled {
                path: dir.into(),
                why: what_is(dir),
            });
        }
        let text = read_bounded(&list, MAX_LIST)
            .map_err(|source| InstallError::Unreadable { path: list, source })?;
        Ok(Self::from_list(dir, &text, guest))
    }

    /// The tests that a list names, as they are in `dir`.
    pub(super) fn from_list(dir: &Path, list: &[u8], guest: &Guest<'_>) -> Self {
        let mut installed = Self::default();
        let mut seen = HashSet::new();
        let mut settings = HashMap::new();
        for line in list.split(|&b| b == b'\n').map(<[u8]>::trim_ascii) {
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let Some((collection, test)) = entry(line) else {
                installed.warnings.push(format!(
                    "{LIST} in {} has a line that is no COLLECTION:TEST and is left out: {}",
                    dir.display(),
                    line.escape_ascii()
                        .to_string()
                        .chars()
                        .take(80)
                        .collect::<String>()
                ));
                continue;
            };
            if !seen.insert((collection, test)) {
                continue;
            }
            let settings = *settings
                .entry(collection)
                .or_insert_with(|| read_settings(&dir.join(collection), &mut installed.warnings));
            installed
                .tests
                .push(test_of(dir, collection, test, settings, guest));
        }
        installed
    }
}

/// One test of the tree, which need not have a program.
fn test_of(
    dir: &Path,
    collection: &str,
    test: &str,
    settings: Settings,
    guest: &Guest<'_>,
) -> Test {
    let (words, unavailable) = match command::words(&dir.join(collection), test, guest) {
        Ok(words) => (words, None),
        Err(why) => (vec![format!("./{test}").into()], Some(why)),
    };
    Test {
        cwd: Some(guest.install_dir.unwrap_or(dir).join(collection)),
        timeout: settings.timeout,
        splats: match PROVOKES_SPLATS.contains(&collection) {
            true => SplatPolicy::allow_all(),
            false => SplatPolicy::default(),
        },
        unavailable,
        ..Test::new(
            TestId::grouped(KSELFTEST, collection, test),
            Program::Exec(words),
            OutputFormat::Kselftest,
        )
    }
}

/// A line of the list. The collection goes only down from the tree, the test is one name in it.
fn entry(line: &[u8]) -> Option<(&str, &str)> {
    let (collection, test) = std::str::from_utf8(line).ok()?.split_once(':')?;
    let strange = |c: char| c == '/' || c.is_control();
    let sound = is_plain(collection)
        && !test.is_empty()
        && ![".", ".."].contains(&test)
        && !test.contains(strange);
    sound.then_some((collection, test))
}

/// A collection's settings; those it cannot give are the defaults, with a warning.
fn read_settings(collection: &Path, warnings: &mut Vec<String>) -> Settings {
    let path = collection.join("settings");
    if !path.is_file() {
        return Settings::default();
    }
    let mut complain = |what: &str| warnings.push(format!("{}: {what}", path.display()));
    match read_bounded(&path, MAX_SETTINGS) {
        Ok(text) => {
            let (settings, complaints) = Settings::parse(&String::from_utf8_lossy(&text));
            complaints.iter().take(3).for_each(|c| complain(c));
            settings
        }
        Err(e) => {
            complain(&format!("it cannot be read: {e}"));
            Settings::default()
        }
    }
}

pub(super) fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is longer than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

/// What a path that is no installed tree is instead.
fn what_is(path: &Path) -> &'static str {
    if !path.exists() {
        "there is no such directory"
    } else if !path.is_dir() {
        "it is a file (an archive has to be unpacked first)"
    } else if path.join(SELFTESTS).exists() {
        "it is a kernel source tree, which --tree takes"
    } else if path.join("lib.mk").exists() {
        "it is the selftests' source, whose kernel tree --tree takes"
    } else {
        "it has no kselftest-list.txt"
    }
}

#[cfg(test)]
#[path = "install_tests.rs"]
mod tests;
