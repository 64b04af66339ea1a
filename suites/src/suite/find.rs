//! The tests of a suite, found once for a whole selection.

use super::{
    BLKTESTS, CARGO, KUNIT, LTP, PERF, Places, STRESS_NG, SuiteError, XFSTESTS, cargo,
    check_suites, kunit, ltp, manifest::Manifests, packaged,
};
use crate::{Spec, Test, filter::Pattern, kselftest::Guest, spec::Wanted};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

/// Longest text file of a suite that is read, in bytes.
const MAX_TEXT: u64 = 16 << 20;

/// What a suite has.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    /// Its tests, in its order.
    pub tests: Vec<Test>,
    /// Directories that the guest has to see.
    pub dirs: Vec<PathBuf>,
}

/// The suites that a selection has come across.
pub(crate) struct Suites<'a> {
    specs: &'a [Spec],
    places: Places<'a>,
    guest: Guest<'a>,
    cancelled: &'a AtomicBool,
    manifests: Manifests,
    known: HashMap<&'static str, Found>,
    /// Where modules with unit tests are.
    kunit_dirs: Vec<PathBuf>,
}

impl<'a> Suites<'a> {
    /// Nothing is looked for yet. `specs` are those of the whole selection.
    pub fn new(
        specs: &'a [Spec],
        places: Places<'a>,
        guest: Guest<'a>,
        cancelled: &'a AtomicBool,
    ) -> Self {
        Self {
            specs,
            places,
            guest,
            cancelled,
            manifests: Manifests::default(),
            known: HashMap::new(),
            kunit_dirs: Vec::new(),
        }
    }

    /// All tests that one of these specs chooses from.
    pub fn tests(&mut self, spec: &Spec) -> Result<Vec<Test>, SuiteError> {
        match &spec.wanted {
            Wanted::Manifest { file, .. } => {
                let manifest = self.manifests.get(file, self.places.cwd)?;
                Ok(manifest.tests.clone())
            }
            // What its tests are depends on what is asked for.
            Wanted::Named {
                suite: KUNIT,
                group,
                case,
            } => {
                let found = kunit::find(&self.places, group.as_ref(), case.as_ref())?;
                self.kunit_dirs.extend(found.dirs);
                Ok(found.tests)
            }
            Wanted::Named { suite, .. } => {
                if !self.known.contains_key(suite) {
                    let found = self.find(suite, spec)?;
                    self.known.insert(suite, found);
                }
                Ok(self.known[suite].tests.clone())
            }
            Wanted::Exec { .. } => Ok(Vec::new()),
        }
    }

    /// The directories of all that was found.
    pub fn dirs(&self) -> Vec<PathBuf> {
        let manifests = self.manifests.dirs().map(Path::to_owned);
        let others = self.known.values().flat_map(|found| found.dirs.clone());
        let others = others.chain(self.kunit_dirs.iter().cloned());
        let mut dirs: Vec<PathBuf> = manifests.chain(others).collect();
        dirs.sort();
        dirs.dedup();
        dirs
    }

    fn find(&self, suite: &str, spec: &Spec) -> Result<Found, SuiteError> {
        match suite {
            LTP => ltp::find(&self.places, &self.guest),
            XFSTESTS => check_suites::xfstests(&self.places, &self.guest),
            BLKTESTS => check_suites::blktests(&self.places, &self.guest),
            STRESS_NG => packaged::stress_ng(&self.guest, self.cancelled),
            PERF => packaged::perf(&self.guest, self.cancelled),
            CARGO => {
                let packages: Vec<Option<&Pattern>> = self.packages().collect();
                cargo::find(&self.places, &packages, spec.as_str(), self.cancelled)
            }
            // The built-in checks and the selftests are found elsewhere.
            _ => Ok(Found::default()),
        }
    }

    /// The packages that any spec asks for.
    fn packages(&self) -> impl Iterator<Item = Option<&Pattern>> {
        self.specs.iter().filter_map(|spec| match &spec.wanted {
            Wanted::Named {
                suite: CARGO,
                group,
                ..
            } => Some(group.as_ref()),
            _ => None,
        })
    }
}

/// The names in a directory that are plain, sorted.
pub(super) fn entries(dir: &Path) -> Result<Vec<String>, SuiteError> {
    let read = || -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let name = entry?.file_name().into_string();
            names.extend(name.ok().filter(|name| is_plain(name)));
        }
        names.sort();
        Ok(names)
    };
    read().map_err(|source| SuiteError::Unreadable {
        path: dir.into(),
        source,
    })
}

fn is_plain(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.+".contains(&b);
    !name.starts_with('.') && name.bytes().all(plain)
}

/// The text of a file, as far as it is UTF-8.
pub(super) fn bounded_text(path: &Path) -> Result<String, SuiteError> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_TEXT).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().map_err(|source| SuiteError::Unreadable {
        path: path.into(),
        source,
    })
}
