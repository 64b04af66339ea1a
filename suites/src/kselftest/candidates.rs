//! The selftests that a selection may choose from, wherever they come from.

use super::{
    Build, Built, Extent, FailedCollection, Guest, InstallError, Installed, Progress, Tree,
};
use crate::{OutputFormat, Program, Test, TestId, spec::KSELFTEST};
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

/// The case of the test that stands for a collection's build where that failed.
const BUILD: &str = "build";

/// A directory with installed selftests that a machine has to be able to see.
#[derive(Debug)]
pub struct InstallDir {
    /// The directory on the host.
    pub path: PathBuf,
    /// Keeps other builds from clearing it away while it is open.
    pub(crate) in_use: Option<File>,
}

impl InstallDir {
    /// Whether it is one of our own builds, and not the user's directory.
    #[must_use]
    pub fn is_built(&self) -> bool {
        self.in_use.is_some()
    }
}

/// Tests that could be chosen.
#[derive(Debug)]
pub(crate) struct Candidates {
    pub tests: Vec<Test>,
    /// Those of [`Candidates::tests`] that stand for all tests of their collection.
    pub whole: Vec<TestId>,
    pub warnings: Vec<String>,
    pub dir: InstallDir,
}

impl Candidates {
    /// All tests of a tree that the user installed.
    pub fn installed(dir: &Path, guest: &Guest<'_>) -> Result<Self, InstallError> {
        let Installed { tests, warnings } = Installed::read(dir, guest)?;
        let dir = InstallDir {
            path: dir.into(),
            in_use: None,
        };
        Ok(Self {
            tests,
            whole: Vec::new(),
            warnings,
            dir,
        })
    }

    /// All tests of these collections, which are built first.
    pub fn build(
        collections: &[String],
        tree: &Tree,
        cache: &Path,
        guest: &Guest<'_>,
        cancelled: &AtomicBool,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Self, super::BuildError> {
        let build = Build {
            tree,
            cache,
            cancelled,
            progress,
        };
        Ok(Self::built(build.run(collections)?, guest))
    }

    fn built(built: Built, guest: &Guest<'_>) -> Self {
        let Installed {
            mut tests,
            mut warnings,
        } = Installed::from_list(&built.dir, &built.list, guest);
        let mut whole = Vec::new();
        for failed in &built.failed {
            let of_this = |t: &Test| t.id.group.as_deref() == Some(&failed.name);
            for test in tests.iter_mut().filter(|t| of_this(t)) {
                if let Some(why) = &mut test.unavailable {
                    why.push_str("; ");
                    why.push_str(&failed.to_string());
                }
            }
            warnings.push(failed.to_string());
            if failed.extent == Extent::Tests {
                continue;
            }
            let test = build_test(failed);
            if failed.extent == Extent::Everything {
                whole.push(test.id.clone());
            }
            let place = tests
                .iter()
                .rposition(of_this)
                .map_or(tests.len(), |i| i + 1);
            tests.insert(place, test);
        }
        let dir = InstallDir {
            path: built.dir,
            in_use: Some(built.in_use),
        };
        Self {
            tests,
            whole,
            warnings,
            dir,
        }
    }
}

/// The test that a failed build leaves in its collection's place, so that it is never taken for a success.
fn build_test(failed: &FailedCollection) -> Test {
    Test {
        unavailable: Some(failed.to_string()),
        ..Test::new(
            TestId::grouped(KSELFTEST, &failed.name, BUILD),
            Program::Exec(vec!["false".into()]),
            OutputFormat::Kselftest,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt as _};

    fn failed(name: &str, extent: Extent) -> FailedCollection {
        FailedCollection {
            name: name.into(),
            errors: vec!["tls.c:1:1: error: too many arguments".into()],
            packages: vec!["libnuma-dev"],
            log: "/cache/log/net.log".into(),
            extent,
        }
    }

    #[test]
    fn a_failed_build_is_a_test_that_cannot_be_run() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(dir.path().join("net")).expect("a directory");
        let program = dir.path().join("net/a.sh");
        fs::write(&program, "#!/bin/sh\n").expect("a file");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
        let built = Built {
            dir: dir.path().into(),
            list: b"net:a.sh\nnet:tls\nsize:get_size\n".into(),
            failed: vec![
                failed("net", Extent::Helpers),
                failed("mm", Extent::Everything),
            ],
            in_use: File::open(dir.path()).expect("a directory"),
        };
        let guest = Guest {
            root: dir.path(),
            install_dir: None,
            env: &[],
        };
        let candidates = Candidates::built(built, &guest);
        let names: Vec<String> = candidates.tests.iter().map(|t| t.id.to_string()).collect();
        assert_eq!(
            names,
            [
                "kselftest:net:a.sh",
                "kselftest:net:tls",
                "kselftest:net:build",
                "kselftest:size:get_size",
                "kselftest:mm:build"
            ]
        );
        let why = |n: usize| candidates.tests[n].unavailable.clone().unwrap_or_default();
        assert_eq!(why(0), "");
        for n in [1, 2, 4] {
            for part in ["too many arguments", "libnuma-dev", "/cache/log/net.log"] {
                assert!(why(n).contains(part), "{n}: {}", why(n));
            }
        }
        assert!(why(3).contains("not built") && !why(3).contains("too many"));
        assert_eq!(
            candidates.whole,
            [TestId::grouped("kselftest", "mm", "build")]
        );
        assert_eq!(candidates.warnings.len(), 2);
    }
}
