use super::*;
use crate::Program;
use std::{fs, path::PathBuf};

/// A directory with an installed tree of these tests, all without programs.
fn installed(list: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("kselftest-list.txt"), list).expect("a file");
    dir
}

fn select_from(
    kselftest: Kselftest<'_>,
    suites: &[&str],
    skips: &[&str],
) -> Result<Selected, SelectError> {
    let mut sources = Sources {
        kselftest,
        guest: Guest {
            root: Path::new("/nonexistent"),
            install_dir: None,
            env: &[],
        },
        places: Places::default(),
        facts: RunFacts::default(),
        cancelled: &AtomicBool::new(false),
        progress: &mut |_| {},
    };
    Selection::parse(suites, skips)?.select(&mut sources)
}

fn names(selected: &Selected) -> Vec<String> {
    selected.tests.iter().map(|t| t.id.to_string()).collect()
}

fn select(suites: &[&str], skips: &[&str]) -> Result<Selected, SelectError> {
    select_from(Kselftest::None, suites, skips)
}

#[test]
fn the_order_is_the_users_then_the_suites_and_nothing_comes_twice() {
    let dir = installed("timers:b\nmm:gup\ntimers:a\n");
    let from = Kselftest::Installed(dir.path());
    let selected = select_from(
        from,
        &[
            "smoke:clock",
            "kselftest:timers",
            "exec:true",
            "kselftest",
            "smoke:c*",
        ],
        &[],
    )
    .expect("tests");
    assert_eq!(
        names(&selected),
        [
            "smoke:clock",
            "kselftest:timers:b",
            "kselftest:timers:a",
            "exec:true",
            "kselftest:mm:gup",
            "smoke:cpus"
        ]
    );
    assert_eq!(selected.kselftest.expect("a directory").path, dir.path());
}

#[test]
fn a_command_asked_for_twice_runs_twice_under_two_names() {
    let selected = select(
        &[
            "exec:make  check",
            "exec:make check",
            "exec:true",
            "exec:make check",
        ],
        &[],
    )
    .expect("tests");
    assert_eq!(
        names(&selected),
        [
            "exec:make check",
            "exec:make check #2",
            "exec:true",
            "exec:make check #3"
        ]
    );
    let words = Program::Exec(vec!["make".into(), "check".into()]);
    assert!(
        [0, 1, 3]
            .iter()
            .all(|&n| selected.tests[n].program == words)
    );
}

#[test]
fn what_matches_nothing_is_named_with_what_there_is() {
    let dir = installed("timers:posix_timers\nmm:gup\n");
    let from = Kselftest::Installed(dir.path());
    for (spec, hint) in [
        ("smoke:clok", "clock"),
        ("kselftest:timer", "timers"),
        ("kselftest:mm:gap", "gup"),
        ("kselftest:x*", "mm"),
    ] {
        let error = select_from(from, &["smoke", spec], &[]).expect_err(spec);
        let text = error.to_string();
        assert!(text.contains(spec) && text.contains(hint), "{text}");
        assert!(matches!(error, SelectError::NothingMatched { .. }) && !error.blames_host());
    }
}

#[test]
fn what_is_skipped_is_counted_and_no_error() {
    let dir = installed("timers:a\ntimers:b\n");
    let from = Kselftest::Installed(dir.path());
    let selected =
        select_from(from, &["kselftest:timers"], &["kselftest:timers:a"]).expect("tests");
    assert_eq!(names(&selected), ["kselftest:timers:b"]);
    assert_eq!(selected.skipped, ["kselftest:timers:a"]);
    assert_eq!(selected.warnings, Vec::<String>::new());

    let selected = select_from(from, &["kselftest"], &["kselftest"]).expect("no error");
    assert_eq!(names(&selected), Vec::<String>::new());
    assert_eq!(selected.skipped.len(), 2);

    let selected = select(&["exec:true", "exec:true"], &["exec:true"]).expect("no error");
    assert_eq!(names(&selected), Vec::<String>::new());

    let selected = select(&["exec:make check"], &["exec:make*", "smoke"]).expect("no error");
    assert_eq!(selected.skipped, ["exec:make check"]);
    assert!(
        selected.warnings[0].contains("--skip smoke"),
        "{:?}",
        selected.warnings
    );
}

#[test]
fn the_host_is_at_fault_for_what_this_kernel_cannot_change() {
    let no_tree = select(&["kselftest:timers"], &[]).expect_err("no tree");
    assert!(no_tree.blames_host());
    let text = no_tree.to_string();
    assert!(
        text.contains("--tree") && text.contains("--kselftest"),
        "{text}"
    );
    assert!(select(&["smok"], &[]).expect_err("no suite").blames_host());
    assert!(
        select(&["smoke"], &["smok"])
            .expect_err("no suite")
            .blames_host()
    );
    let nowhere = PathBuf::from("/nonexistent");
    let error = select_from(Kselftest::Installed(&nowhere), &["kselftest"], &[]);
    assert!(error.expect_err("no directory").blames_host());
}

#[test]
fn without_selftests_no_source_of_them_is_needed() {
    let nowhere = PathBuf::from("/nonexistent");
    let selected = select_from(Kselftest::Installed(&nowhere), &["smoke"], &[]).expect("tests");
    assert_eq!(selected.tests.len(), smoke::SMOKE_CHECKS.len());
    assert!(selected.kselftest.is_none());
}

/// A kernel tree with collections whose Makefiles make nothing: enough to choose, not to build.
fn tree(names: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let selftests = dir.path().join("tools/testing/selftests");
    let mut makefile = String::from("SKIP_TARGETS ?= bpf\n");
    for name in names {
        fs::create_dir_all(selftests.join(name)).expect("a directory");
        fs::write(selftests.join(name).join("Makefile"), "").expect("a file");
        makefile += &format!("TARGETS += {name}\n");
    }
    fs::create_dir(dir.path().join("scripts")).expect("a directory");
    fs::write(dir.path().join("Makefile"), "").expect("a file");
    fs::write(selftests.join("Makefile"), makefile).expect("a file");
    dir
}

#[test]
fn collections_are_chosen_before_anything_is_built() {
    let dir = tree(&["mm", "net", "net/lib", "bpf"]);
    let tree = Tree::open(dir.path()).expect("a tree");
    let choose = |suites: &[&str], skips: &[&str]| {
        let mut selected = Selected::default();
        let selection = Selection::parse(suites, skips).expect("valid");
        let names = selection
            .collections(&tree, &mut selected)
            .expect("collections");
        (names, selected.skipped)
    };
    assert_eq!(choose(&["kselftest"], &[]).0, ["mm", "net", "net/lib"]);
    assert_eq!(
        choose(&["kselftest:bpf", "kselftest:net*:x", "kselftest:net"], &[]).0,
        ["bpf", "net", "net/lib"]
    );
    let (names, skipped) = choose(&["kselftest"], &["kselftest:net*", "kselftest:mm:gup"]);
    assert_eq!(names, ["mm"]);
    assert_eq!(skipped, ["kselftest:net", "kselftest:net/lib"]);
}

#[test]
fn nothing_is_built_if_all_is_skipped_or_nothing_matches() {
    let dir = tree(&["mm", "net"]);
    let tree = Tree::open(dir.path()).expect("a tree");
    let from = Kselftest::Tree {
        tree: &tree,
        cache: Path::new("/nonexistent/not-to-be-made"),
    };
    let selected = select_from(from, &["kselftest:net"], &["kselftest"]).expect("no error");
    assert_eq!(selected.skipped, ["kselftest:net"]);
    assert_eq!(selected.warnings, Vec::<String>::new());
    let error = select_from(from, &["kselftest:nett"], &[]).expect_err("nothing");
    assert!(error.to_string().contains("mm, net"), "{error}");
}
