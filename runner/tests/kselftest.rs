//! The kernel's selftests: from an installed tree, and built from a source tree.

mod common;

use common::{Finished, Run};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

/// An installed tree of small scripts, as `make install` lays one out.
const SCRIPTS: &[(&str, &str)] = &[
    ("codes/fails", "echo why >&2; exit 1"),
    ("codes/killed", "kill -9 $$"),
    ("codes/passes", "test -f ./settings.sh && test \"$#\" = 0"),
    ("codes/skips", "echo '1..0 # SKIP no such device'; exit 4"),
    ("codes/two", "exit 2"),
    ("codes/args", "test \"$*\" = '-v two words'"),
    ("ktap/lies", "echo 'not ok 1 inner'; exit 0"),
    (
        "ktap/nested",
        "echo TAP version 13; echo 1..2; echo '# outer: one'; echo '# 1..2'; echo '# ok 1 inner a'; \
         echo '# ok 2 inner b # SKIP no b'; echo 'ok 1 one'; echo 'ok 2 two'",
    ),
    (
        "ktap/partly",
        "echo 'ok 1 first'; echo 'not ok 2 second'; exit 1",
    ),
    ("sub/deep/passes", "pwd"),
    ("patient/waits", "sleep 4"),
    ("hurried/waits", "sleep 600"),
];

/// Makes the tree in `dir`, and in it a program that is not executable, one that is none and one that is not there.
fn install(dir: &Path) {
    let mut list = String::new();
    for (name, script) in SCRIPTS {
        let path = dir.join(name);
        let (collection, test) = name.rsplit_once('/').expect("a collection");
        fs::create_dir_all(path.parent().expect("a collection")).expect("made");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        list.push_str(&format!("{collection}:{test}\n"));
    }
    for (name, content) in [
        ("codes/plain.sh", "#!/bin/sh -e\ntest -f ./passes\n"),
        ("codes/settings.sh", "not a test\n"),
        ("codes/data", "no script\n"),
        ("patient/settings", "timeout=0\n"),
        ("hurried/settings", "# a comment\ntimeout=1\n"),
    ] {
        fs::write(dir.join(name), content).expect("written");
    }
    list.push_str("codes:plain.sh\ncodes:data\ncodes:gone\n");
    fs::write(dir.join("kselftest-list.txt"), list).expect("written");
}

/// What `runner list` prints with these arguments.
fn list(run_args: &[&str]) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
    command.arg("list").args(run_args).stdin(Stdio::null());
    command.env("XDG_CACHE_HOME", common::shared_dir().join("cache"));
    let output = command.output().expect("the command starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(str::to_owned).collect()
}

/// The tests of a run in the order of its plan.
fn planned(run: &Finished) -> Vec<String> {
    let tests = run.events[0]["tests"].as_array().expect("a plan");
    let text = |id: &serde_json::Value| {
        let parts = ["suite", "group", "case"].map(|part| id[part].as_str());
        parts.into_iter().flatten().collect::<Vec<_>>().join(":")
    };
    tests.iter().map(text).collect()
}

#[test]
fn every_end_of_a_selftest_is_told_apart() {
    let Some(run) = Run::on_kernel() else { return };
    let tree = tempfile::tempdir().expect("temporary directory");
    install(tree.path());
    let tree = tree.path().to_str().expect("UTF-8");
    let select = ["--kselftest", tree, "--suite", "kselftest"];
    let run = run
        .args(select)
        .args(["--env", "KSELFTEST_ARGS_ARGS=-v two words"])
        .args(["--timeout-scale", "2"])
        .run();
    run.assert_status(1);
    assert_eq!(planned(&run), list(&select));
    for (test, outcome, why) in [
        ("codes:fails", "fail", "exit status 1"),
        ("codes:killed", "fail", "signal 9 (SIGKILL)"),
        ("codes:passes", "pass", ""),
        ("codes:skips", "skip", "no such device"),
        ("codes:two", "fail", "exit status 2"),
        ("codes:args", "pass", ""),
        ("codes:plain.sh", "pass", ""),
        ("codes:data", "harness-error", "names no interpreter"),
        ("codes:gone", "harness-error", "was not built"),
        (
            "ktap:lies",
            "fail",
            "contradicts its output, where inner failed",
        ),
        ("ktap:nested", "pass", ""),
        ("ktap:partly", "fail", "second failed"),
        ("sub/deep:passes", "pass", ""),
        ("patient:waits", "pass", ""),
        ("hurried:waits", "time-out", "within 2 s"),
    ] {
        run.assert_outcome(&format!("kselftest:{test}"), outcome, why);
    }
    assert_eq!(run.output("kselftest:codes:fails", "stderr"), "why\n");
    let place = run.output("kselftest:sub/deep:passes", "stdout");
    assert_eq!(place, format!("{tree}/sub/deep\n"));
    let subtests = |test: &str| -> BTreeMap<String, String> {
        let all = run.result(test)["subtests"].as_array().expect("subtests");
        all.iter()
            .map(|subtest| {
                let path = subtest["path"].as_array().expect("a path");
                let path: Vec<_> = path.iter().filter_map(|name| name.as_str()).collect();
                let outcome = subtest["outcome"].as_str().expect("an outcome");
                (path.join("/"), outcome.to_owned())
            })
            .collect()
    };
    let nested = [
        ("one/inner a", "pass"),
        ("one/inner b", "skip"),
        ("two", "pass"),
    ];
    let nested = nested.map(|(path, outcome)| (path.to_owned(), outcome.to_owned()));
    assert_eq!(subtests("kselftest:ktap:nested"), BTreeMap::from(nested));
}

/// A directory that init covers with a file system of its own, if this user may make one there.
fn hidden_dir() -> Option<tempfile::TempDir> {
    let mut places = vec![PathBuf::from("/run")];
    places.extend(std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from));
    places.retain(|place| place.starts_with("/run"));
    let dir = places.iter().find_map(|p| tempfile::tempdir_in(p).ok());
    if dir.is_none() {
        eprintln!("SKIP: no directory can be made below /run");
    }
    dir
}

#[test]
fn a_tree_that_the_guests_root_hides_is_shared_and_globs_choose_from_it() {
    let Some(run) = Run::on_kernel() else { return };
    let Some(dir) = hidden_dir() else { return };
    let tree = dir.path().join("selftests");
    install(&tree);
    let select = [
        "--kselftest",
        tree.to_str().expect("UTF-8"),
        "--suite",
        "kselftest:*/*",
        "--suite",
        "kselftest:c?des:[prst]*",
        "--skip",
        "kselftest:*:skip*",
        "--skip",
        "kselftest:codes:two",
    ];
    let expected = [
        "kselftest:sub/deep:passes",
        "kselftest:codes:passes",
        "kselftest:codes:plain.sh",
    ];
    let mut listed = list(&select);
    let run = run.args(select).run();
    run.assert_status(0);
    assert_eq!(planned(&run), listed);
    listed.sort();
    let mut expected = expected.map(str::to_owned);
    expected.sort();
    assert_eq!(listed, expected);
}

#[test]
fn a_selected_test_that_was_not_built_leaves_the_kernel_unjudged() {
    let Some(run) = Run::on_kernel() else { return };
    let tree = tempfile::tempdir().expect("temporary directory");
    install(tree.path());
    let run = run
        .cwd(tree.path())
        .args(["--kselftest", "."])
        .suite("kselftest:codes:gone")
        .suite("kselftest:codes:passes")
        .run();
    run.assert_status(125);
    run.assert_outcome("kselftest:codes:gone", "harness-error", "was not built");
    run.assert_outcome("kselftest:codes:passes", "pass", "");
}

/// Name, size and time of everything below a directory.
fn listing(dir: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    walkdir::WalkDir::new(dir)
        .into_iter()
        .map(|entry| {
            let entry = entry.expect("read");
            let metadata = entry.metadata().expect("read");
            let modified = metadata.modified().expect("a time");
            (entry.into_path(), (metadata.len(), modified))
        })
        .collect()
}

#[test]
fn a_source_tree_is_built_elsewhere_and_its_tests_run() {
    let Some(run) = Run::on_kernel() else { return };
    let Some(source) = std::env::var_os("RUNNER_TEST_LINUX_SOURCE").filter(|s| !s.is_empty())
    else {
        return eprintln!("SKIP: RUNNER_TEST_LINUX_SOURCE names no kernel source tree");
    };
    let before = listing(Path::new(&source));
    let select = [
        "--tree",
        source.to_str().expect("UTF-8"),
        "--suite",
        "kselftest:timens",
        "--suite",
        "kselftest:sigaltstack",
        "--suite",
        "kselftest:size",
    ];
    let run = run.args(select).run();
    let after = listing(Path::new(&source));
    assert!(before == after, "the source tree is changed");
    run.assert_status(0);
    let planned = planned(&run);
    assert!(planned.len() >= 5, "{planned:?}");
    assert_eq!(planned, list(&select));
    for (test, outcome) in [
        ("kselftest:timens:timens", "pass"),
        ("kselftest:sigaltstack:sas", "pass"),
        ("kselftest:size:get_size", "pass"),
    ] {
        run.assert_outcome(test, outcome, "");
    }
    let subtests = run.result("kselftest:timens:timens")["subtests"].as_array();
    assert!(subtests.is_some_and(|subtests| subtests.len() >= 5));
}
