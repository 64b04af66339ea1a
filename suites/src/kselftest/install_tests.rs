use super::*;
use proptest::prelude::*;
use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

struct Fake(tempfile::TempDir);

impl Fake {
    fn new(list: impl AsRef<[u8]>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join(LIST), list).expect("a file");
        Self(dir)
    }

    fn file(self, path: &str, mode: u32, content: &str) -> Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, content).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        self
    }

    fn read(&self) -> Installed {
        self.read_at(None)
    }

    fn read_at(&self, install_dir: Option<&Path>) -> Installed {
        let guest = Guest {
            root: self.0.path(),
            install_dir,
            env: &[],
        };
        Installed::read(self.0.path(), &guest).expect("an installed tree")
    }
}

fn names(installed: &Installed) -> Vec<String> {
    installed.tests.iter().map(|t| t.id.to_string()).collect()
}

#[test]
fn tests_come_in_the_order_of_the_list_with_their_settings() {
    let fake = Fake::new(
        "# made by hand\n\ntimers:posix_timers\r\nmm:gup\nnet/lib:a.sh\ntimers:posix_timers\n",
    )
    .file("timers/posix_timers", 0o755, "")
    .file("timers/settings", 0o644, "timeout=0\n")
    .file("mm/gup", 0o755, "")
    .file("mm/settings", 0o644, "# slow\ntimeout=180\n")
    .file("net/lib/a.sh", 0o755, "#!/bin/sh\n");
    let installed = fake.read();
    assert_eq!(
        names(&installed),
        [
            "kselftest:timers:posix_timers",
            "kselftest:mm:gup",
            "kselftest:net/lib:a.sh"
        ]
    );
    let timeouts: Vec<_> = installed.tests.iter().map(|t| t.timeout).collect();
    let seconds = |n| Some(Duration::from_secs(n));
    assert_eq!(timeouts, [None, seconds(180), seconds(45)]);
    assert_eq!(installed.warnings, Vec::<String>::new());
    assert!(installed.tests.iter().all(|t| t.unavailable.is_none()));
    assert_eq!(
        installed.tests[2].program,
        Program::Exec(vec!["./a.sh".into()])
    );
    assert_eq!(installed.tests[2].cwd, Some(fake.0.path().join("net/lib")));
}

#[test]
fn the_guest_may_see_the_tree_elsewhere() {
    let fake = Fake::new("mm:gup\n").file("mm/gup", 0o755, "");
    let installed = fake.read_at(Some(Path::new("/opt/kselftest")));
    assert_eq!(installed.tests[0].cwd, Some("/opt/kselftest/mm".into()));
    assert_eq!(installed.tests[0].unavailable, None);
}

#[test]
fn a_listed_test_without_program_stays_and_says_so() {
    let installed = Fake::new("net:tls\n").read();
    let why = installed.tests[0].unavailable.as_deref().expect("a reason");
    assert!(why.contains("not built"), "{why}");
}

#[test]
fn names_that_lead_out_of_the_tree_are_refused() {
    let fake = Fake::new(
        b"../x:a\n/etc:passwd\nmm:../gup\nmm:/bin/sh\nmm:..\nmm:\n:a\nmm\nnet/../../x:a\nm\xffm:a\nmm:a\x01b\nmm:good one\n",
    );
    let installed = fake.read();
    assert_eq!(names(&installed), ["kselftest:mm:good one"]);
    assert_eq!(installed.warnings.len(), 11);
}

#[test]
fn bad_settings_are_a_warning_with_the_file_in_it() {
    let fake = Fake::new("mm:gup\n").file("mm/settings", 0o644, "timeout=soon\n");
    let installed = fake.read();
    assert_eq!(installed.tests[0].timeout, Some(Duration::from_secs(45)));
    assert!(
        installed.warnings[0].contains("mm/settings") && installed.warnings[0].contains("soon")
    );
}

#[test]
fn what_is_no_installed_tree_says_what_one_is() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = dir.path().join("linux");
    fs::create_dir_all(tree.join(SELFTESTS)).expect("directories");
    fs::write(tree.join(SELFTESTS).join("lib.mk"), "").expect("a file");
    fs::write(dir.path().join("x.tar.gz"), "").expect("a file");
    let guest = Guest {
        root: Path::new("/"),
        install_dir: None,
        env: &[],
    };
    for (path, part) in [
        (dir.path().join("nowhere"), "no such directory"),
        (dir.path().join("x.tar.gz"), "unpacked"),
        (dir.path().into(), "no kselftest-list.txt"),
        (tree.clone(), "--tree"),
        (tree.join(SELFTESTS), "--tree"),
    ] {
        let error = Installed::read(&path, &guest)
            .expect_err("no tree")
            .to_string();
        for needed in [part, "INSTALL_PATH=", &path.display().to_string()] {
            assert!(error.contains(needed), "{needed} is not in: {error}");
        }
    }
}

#[test]
fn a_list_without_end_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = File::create(dir.path().join(LIST)).expect("a file");
    file.set_len(1 << 40).expect("a sparse file");
    let guest = Guest {
        root: Path::new("/"),
        install_dir: None,
        env: &[],
    };
    assert!(matches!(
        Installed::read(dir.path(), &guest),
        Err(InstallError::Unreadable { .. })
    ));
}

proptest! {
    #[test]
    fn no_list_is_too_strange_and_every_path_stays_inside(list in "([a-z./]{0,6}:?[a-z./ ]{0,6}\n){0,6}|\\PC{0,40}") {
        let dir = Path::new("/nonexistent");
        let guest = Guest { root: dir, install_dir: None, env: &[] };
        for test in Installed::from_list(dir, list.as_bytes(), &guest).tests {
            let cwd = test.cwd.expect("a directory");
            prop_assert!(cwd.starts_with(dir));
            prop_assert!(cwd.components().all(|c| c != std::path::Component::ParentDir));
            prop_assert!(!test.id.case.contains('/') && test.id.case != "..");
        }
    }
}
