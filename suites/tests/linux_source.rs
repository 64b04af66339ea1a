//! Builds of real selftests. RUNNER_TEST_LINUX_SOURCE has to name an unpacked source of Linux, clean or built in place.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::{Instant, SystemTime},
};
use suites::{
    Kselftest, Selected, Selection, Sources,
    kselftest::{Guest, Tree},
};

/// Of 6.12, `prctl` and `uevent` are among those that write into their source.
const COLLECTIONS: [&str; 5] = ["size", "timens", "prctl", "uevent", "sync"];

fn listing(root: &Path) -> Vec<(PathBuf, Option<SystemTime>, u64)> {
    walkdir::WalkDir::new(root)
        .sort_by_file_name()
        .into_iter()
        .map(|entry| {
            let entry = entry.expect("readable");
            let metadata = entry.metadata().expect("readable");
            (
                entry.path().into(),
                metadata.modified().ok(),
                metadata.len(),
            )
        })
        .collect()
}

fn select(tree: &Tree, cache: &Path) -> Selected {
    let suites = COLLECTIONS.map(|name| format!("kselftest:{name}"));
    Selection::parse(suites, [] as [&str; 0])
        .expect("valid")
        .select(&mut Sources {
            kselftest: Kselftest::Tree { tree, cache },
            guest: Guest {
                root: Path::new("/"),
                install_dir: None,
                env: &[],
            },
            places: suites::Places::default(),
            facts: suites::RunFacts::default(),
            cancelled: &AtomicBool::new(false),
            progress: &mut |_| {},
        })
        .expect("tests")
}

#[test]
fn real_selftests_are_built_and_their_tree_is_left_as_it_was() {
    let Some(source) = env::var_os("RUNNER_TEST_LINUX_SOURCE") else {
        eprintln!("SKIP: RUNNER_TEST_LINUX_SOURCE names no source of Linux");
        return;
    };
    let tree = Tree::open(Path::new(&source)).expect("a kernel tree");
    let cache = tempfile::tempdir().expect("a temporary directory");
    let before = listing(tree.root());

    let began = Instant::now();
    let first = select(&tree, cache.path());
    let built = began.elapsed();
    let began = Instant::now();
    let second = select(&tree, cache.path());
    let again = began.elapsed();
    eprintln!("built in {built:?}, again in {again:?}");

    assert_eq!(first.warnings, Vec::<String>::new());
    assert_eq!(first.tests, second.tests);
    for name in COLLECTIONS {
        let mut of_this = first
            .tests
            .iter()
            .filter(|t| t.id.group.as_deref() == Some(name))
            .peekable();
        assert!(of_this.peek().is_some(), "{name} has no tests");
        for test in of_this {
            assert_eq!(test.unavailable, None, "{}", test.id);
            let program = test.cwd.as_ref().expect("a directory").join(&test.id.case);
            assert!(fs::metadata(&program).is_ok(), "{}", program.display());
        }
    }
    assert!(
        again < built / 2,
        "nothing changed: {again:?} after {built:?}"
    );
    assert!(
        listing(tree.root()) == before,
        "the build wrote to the source"
    );
}
