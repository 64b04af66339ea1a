//! xfstests and blktests: trees with a program `check` that runs one of the files in `tests/GROUP`.

use super::{BLKTESTS, Found, Places, SuiteError, XFSTESTS, bounded_text, entries};
use crate::{OutputFormat, Program, Test, TestId, kselftest::Guest};
use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// Limit of a test; neither suite has one of its own.
const TIMEOUT: Duration = Duration::from_secs(900);

/// What the two differ in.
struct Kind {
    suite: &'static str,
    /// What `check` prints.
    format: OutputFormat,
    way_out: &'static str,
    /// A program of the tree without which `check` does nothing, and which `make` builds.
    built: Option<&'static str>,
    /// What a shell has to do before `check`.
    before: &'static str,
    /// Says of a file of the tree, from its text, why the test cannot be run without a device.
    wants_device: fn(&str) -> Option<&'static str>,
    /// Files of the tree in which the user may name devices.
    config: &'static [&'static str],
    /// The variable by which they are named.
    variable: &'static str,
}

const OF_XFSTESTS: Kind = Kind {
    suite: XFSTESTS,
    format: OutputFormat::Xfstests,
    way_out: "name a built tree with --xfstests DIR; it is built from \
        https://git.kernel.org/pub/scm/fs/xfs/xfstests-dev.git by: make",
    built: Some("ltp/fsstress"),
    before: "",
    wants_device: |_| {
        Some(
            "it needs a file system to test (TEST_DEV), and machines have no scratch devices yet: name one of the guest's in \
             local.config of the tree",
        )
    },
    config: &["local.config"],
    variable: "TEST_DEV",
};

const OF_BLKTESTS: Kind = Kind {
    suite: BLKTESTS,
    format: OutputFormat::Blktests,
    way_out: "name a built tree with --blktests DIR; it is built from https://github.com/linux-blktests/blktests by: make",
    // Its `check` says itself which of its programs a test lacks.
    built: None,
    before: MODULES_FIRST,
    wants_device: |text| {
        let defines = |name: &str| {
            text.lines().any(|line| {
                line.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with("()"))
            })
        };
        let on_device = defines("test_device") || defines("test_device_array");
        let has_another_way = defines("test") || defines("fallback_device");
        (on_device && !has_another_way).then_some(
            "it needs a block device to test (TEST_DEVS), and machines have no scratch devices yet: name one of the guest's in \
             the file config of the tree",
        )
    },
    config: &["config"],
    variable: "TEST_DEVS",
};

/// All tests of xfstests.
pub(super) fn xfstests(places: &Places<'_>, guest: &Guest<'_>) -> Result<Found, SuiteError> {
    find(&OF_XFSTESTS, places.xfstests, places, guest)
}

/// All tests of blktests.
pub(super) fn blktests(places: &Places<'_>, guest: &Guest<'_>) -> Result<Found, SuiteError> {
    find(&OF_BLKTESTS, places.blktests, places, guest)
}

fn find(
    kind: &Kind,
    dir: Option<&Path>,
    places: &Places<'_>,
    guest: &Guest<'_>,
) -> Result<Found, SuiteError> {
    let name = kind.suite;
    let way_out = kind.way_out;
    let given = dir.ok_or(SuiteError::NoTreeNamed { name, way_out })?;
    let given = places.cwd.join(given);
    let missing = || SuiteError::NoTree {
        name,
        path: given.clone(),
        way_out,
    };
    let dir = given.canonicalize().map_err(|_| missing())?;
    if !is_program(&dir.join("check")) {
        return Err(missing());
    }
    let groups = entries(&dir.join("tests")).map_err(|_| missing())?;
    if let Some(program) = kind.built.filter(|program| !is_program(&dir.join(program))) {
        return Err(SuiteError::NotBuilt {
            name,
            path: dir.join(program),
            way_out: format!("run make in {}", dir.display()),
        });
    }
    let in_file = |file: &&str| names_device(&dir.join(file), kind.variable);
    let named =
        kind.config.iter().any(in_file) || guest.env.iter().any(|(name, _)| name == kind.variable);
    let mut tests = Vec::new();
    for group in groups {
        let files = dir.join("tests").join(&group);
        if !files.is_dir() {
            continue;
        }
        for case in entries(&files)? {
            let path = files.join(&case);
            if !case.bytes().all(|b| b.is_ascii_digit()) || !path.is_file() {
                continue;
            }
            let mut test = test_of(kind, &dir, &group, &case);
            if !named {
                let text = bounded_text(&path)?;
                test.skip = (kind.wants_device)(&text).map(str::to_owned);
            }
            tests.push(test);
        }
    }
    Ok(Found {
        tests,
        dirs: vec![dir],
    })
}

/// Runs a test. What `check` cannot do it says on standard error.
const CHECK: &str = "exec ./check \"$1\" 2>&1";

/// Loads what nobody asks for by itself in a machine without udev and systemd: the drivers of the disks that blktests makes with
/// `scsi_debug`, and configfs, by which it makes others. What is not there, or built in, is none of our business.
const MODULES_FIRST: &str = "for module in sd_mod sr_mod configfs; do modprobe -q $module; done 2>/dev/null\n\
    grep -q ' /sys/kernel/config ' /proc/mounts || mount -t configfs configfs /sys/kernel/config 2>/dev/null\n";

fn test_of(kind: &Kind, dir: &Path, group: &str, case: &str) -> Test {
    let name = format!("{group}/{case}");
    let script = format!("{}{CHECK}", kind.before);
    let words = ["/bin/sh", "-c", &script, "sh", &name].map(OsString::from);
    Test {
        cwd: Some(PathBuf::from(dir)),
        timeout: Some(TIMEOUT),
        ..Test::new(
            TestId::grouped(kind.suite, group, case),
            Program::Exec(words.into()),
            kind.format,
        )
    }
}

/// Whether a file of shell assignments sets a variable, first on a line or behind `export` and others.
fn names_device(path: &Path, variable: &str) -> bool {
    let sets = |word: &str| {
        let rest = word.strip_prefix(variable);
        rest.is_some_and(|rest| rest.starts_with('='))
    };
    bounded_text(path).is_ok_and(|text| {
        let mut lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        lines.any(|line| line.split([' ', '\t', ';']).any(sets))
    })
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_guest() -> Guest<'static> {
        Guest {
            root: Path::new("/"),
            install_dir: None,
            env: &[],
        }
    }

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(&path, text).expect("a file");
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
        };
        write("check", "#!/bin/bash\n");
        write("tests/block/001", "test() {\n}\n");
        write("tests/block/002", "test_device() {\n}\n");
        write("tests/block/003", "test_device_array() {\n}\n");
        write(
            "tests/block/004",
            "fallback_device() {\n}\ntest_device() {\n}\n",
        );
        write("tests/block/001.out", "Test complete\n");
        write("tests/block/rc", "\n");
        write("tests/loop/001", "test() {\n}\n");
        write("ltp/fsstress", "");
        dir
    }

    fn listed(found: &Found) -> Vec<(String, bool)> {
        let tests = found.tests.iter();
        tests
            .map(|t| (t.id.to_string(), t.skip.is_some()))
            .collect()
    }

    #[test]
    fn tests_are_the_numbered_files_and_those_without_their_device_are_skips() {
        let dir = tree();
        let places = Places {
            blktests: Some(dir.path()),
            xfstests: Some(dir.path()),
            ..Places::default()
        };
        let env = [
            ("TEST_DEV".into(), "x".into()),
            ("TEST_DEVS".into(), "/dev/vdb".into()),
        ];
        let with_env = Guest {
            env: &env,
            ..no_guest()
        };
        let blktests = |guest: &Guest<'_>| listed(&super::blktests(&places, guest).expect("tests"));
        let xfstests = |guest: &Guest<'_>| listed(&super::xfstests(&places, guest).expect("tests"));
        let of = |name: &str, skip| (name.to_owned(), skip);
        assert_eq!(
            blktests(&no_guest()),
            [
                of("blktests:block:001", false),
                of("blktests:block:002", true),
                of("blktests:block:003", true),
                of("blktests:block:004", false),
                of("blktests:loop:001", false)
            ]
        );
        let found = super::blktests(&places, &no_guest()).expect("tests");
        let script = format!("{MODULES_FIRST}{CHECK}");
        let words = ["/bin/sh", "-c", &script, "sh", "loop/001"];
        let words = words.map(OsString::from).to_vec();
        assert_eq!(found.tests[4].program, Program::Exec(words));
        assert!(xfstests(&no_guest()).iter().all(|t| t.1));
        assert!(!blktests(&with_env).iter().any(|t| t.1));
        assert!(!xfstests(&with_env).iter().any(|t| t.1));
        fs::write(dir.path().join("config"), "TEST_DEVS=(/dev/vdb)\n").expect("a file");
        let local = dir.path().join("local.config");
        fs::write(local, "export TEST_DEV=/dev/vdb\n").expect("a file");
        assert!(!blktests(&no_guest()).iter().any(|t| t.1));
        assert!(!xfstests(&no_guest()).iter().any(|t| t.1));
    }

    #[test]
    fn a_tree_that_was_not_built_is_told_from_none() {
        let dir = tree();
        fs::remove_file(dir.path().join("ltp/fsstress")).expect("removed");
        let places = Places {
            xfstests: Some(dir.path()),
            ..Places::default()
        };
        let error = xfstests(&places, &no_guest())
            .expect_err("not built")
            .to_string();
        for part in ["ltp/fsstress", "run make in"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_device_is_named_by_any_assignment() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("local.config");
        let names = |text: &str| {
            fs::write(&path, text).expect("a file");
            names_device(&path, "TEST_DEV")
        };
        for text in [
            "TEST_DEV=/dev/vdb\n",
            "[ext4]\n  TEST_DEV=/dev/vdb\n",
            "export TEST_DEV=x\n",
            "export FSTYP=tmpfs TEST_DEV=x TEST_DIR=/mnt\n",
            "FSTYP=tmpfs;TEST_DEV=x\n",
        ] {
            assert!(names(text), "{text}");
        }
        for text in [
            "",
            "# TEST_DEV=x\n",
            "TEST_DEVS=x\n",
            "MY_TEST_DEV=x\n",
            "echo TEST_DEV\n",
        ] {
            assert!(!names(text), "{text}");
        }
    }

    #[test]
    fn without_a_tree_the_option_is_named() {
        let empty = tempfile::tempdir().expect("a temporary directory");
        for dir in [None, Some(empty.path()), Some(Path::new("/no/such/tree"))] {
            let places = Places {
                xfstests: dir,
                blktests: dir,
                ..Places::default()
            };
            for (found, option) in [
                (xfstests(&places, &no_guest()), "--xfstests DIR"),
                (blktests(&places, &no_guest()), "--blktests DIR"),
            ] {
                let error = found.expect_err("no tree").to_string();
                assert!(error.contains(option), "{error}");
            }
        }
    }
}
