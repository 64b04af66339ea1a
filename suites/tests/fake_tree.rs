//! Builds of selftests from a tree that has the structure of a kernel's and hardly anything in it, so that every way a
//! build can go is quick to reach. Needs make, gcc and rsync.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};
use suites::{
    Kselftest, SelectError, Selected, Selection, Sources,
    kselftest::{BuildError, Guest, Progress, Tree},
};

/// As the selftests' Makefile of Linux 6.12 in what matters here.
const SELFTESTS: &str = r#"TARGETS += good
TARGETS += partial
TARGETS += helper
TARGETS += broken
TARGETS += slow
ifneq ($(filter partial,$(TARGETS)),)
INSTALL_DEP_TARGETS := good
endif
BUILD := $(O)/kselftest
all:
	@ret=1; for TARGET in $(TARGETS) $(INSTALL_DEP_TARGETS); do mkdir -p $(BUILD)/$$TARGET; \
		$(MAKE) OUTPUT=$(BUILD)/$$TARGET -C $$TARGET all $(if $(FORCE_TARGETS),|| exit); ret=$$((ret * $$?)); done; exit $$ret
install: all
	mkdir -p $(INSTALL_PATH)/kselftest
	rm -f $(INSTALL_PATH)/kselftest-list.txt
	@ret=1; for TARGET in $(TARGETS) $(INSTALL_DEP_TARGETS); do \
		$(MAKE) OUTPUT=$(BUILD)/$$TARGET INSTALL_PATH=$(INSTALL_PATH)/$$TARGET -C $$TARGET install $(if $(FORCE_TARGETS),|| exit); \
		ret=$$((ret * $$?)); done; exit $$ret
	for TARGET in $(TARGETS); do [ ! -d $(INSTALL_PATH)/$$TARGET ] && continue; \
		$(MAKE) -s --no-print-directory COLLECTION=$$TARGET -C $$TARGET emit_tests >> $(INSTALL_PATH)/kselftest-list.txt; done
"#;

const LIB: &str = r#"all: $(addprefix $(OUTPUT)/,$(TEST_GEN_PROGS) $(TEST_GEN_FILES))
$(OUTPUT)/%: %.c
	gcc $< -o $@
install: all
	mkdir -p $(INSTALL_PATH)
	rsync -a $(addprefix $(OUTPUT)/,$(TEST_GEN_PROGS) $(TEST_GEN_FILES)) $(TEST_PROGS) $(INSTALL_PATH)/
emit_tests:
	for TEST in $(TEST_GEN_PROGS) $(TEST_PROGS); do echo "$(COLLECTION):$$TEST"; done
.PHONY: all install emit_tests
"#;

const PROGRAM: &str = "int main(void) { return 0; }\n";

const BROKEN: &str = "#include <no_such_thing.h>\nint main(void) { return 0; }\n";

struct Lab {
    dir: tempfile::TempDir,
    tree: Tree,
}

impl Lab {
    fn new() -> Option<Self> {
        for tool in ["make", "gcc", "rsync"] {
            if Command::new(tool).arg("--version").output().is_err() {
                eprintln!("SKIP: there is no {tool} here");
                return None;
            }
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = dir.path().join("linux");
        let put = |path: &str, content: &str| put(&root.join(path), content);
        put("Makefile", "headers:\n\tmkdir -p $(O)/usr/include\n");
        put("scripts/x", "");
        put(".config", "CONFIG_BUILT_IN_PLACE=y\n");
        put("tools/testing/selftests/Makefile", SELFTESTS);
        put("tools/testing/selftests/lib.mk", LIB);
        let collection = |name: &str, makefile: &str, files: &[(&str, &str)]| {
            let path = format!("tools/testing/selftests/{name}");
            put(
                &format!("{path}/Makefile"),
                &format!("{makefile}\ninclude ../lib.mk\n"),
            );
            for (file, content) in files {
                put(&format!("{path}/{file}"), content);
            }
        };
        collection(
            "good",
            "TEST_GEN_PROGS := a\nTEST_PROGS := s.sh",
            &[("a.c", PROGRAM), ("s.sh", "#!/bin/sh\n"), ("a.h", "")],
        );
        collection(
            "partial",
            "TEST_GEN_PROGS := b c",
            &[("b.c", PROGRAM), ("c.c", BROKEN)],
        );
        collection(
            "helper",
            "TEST_GEN_PROGS := d\nTEST_GEN_FILES := help",
            &[("d.c", PROGRAM), ("help.c", BROKEN)],
        );
        collection(
            "broken",
            "$(error Package alsa not found, please install it)",
            &[],
        );
        collection(
            "slow",
            "all: sleep\nsleep:\n\tsleep 600\nTEST_GEN_PROGS := e",
            &[("e.c", PROGRAM)],
        );
        let tree = Tree::open(&root).expect("a tree");
        Some(Self { dir, tree })
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    fn source(&self, path: &str) -> PathBuf {
        self.tree.root().join("tools/testing/selftests").join(path)
    }

    fn select(&self, suites: &[&str]) -> Result<Selected, SelectError> {
        self.select_until(suites, &AtomicBool::new(false), &mut |_| {})
    }

    fn select_until(
        &self,
        suites: &[&str],
        cancelled: &AtomicBool,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Selected, SelectError> {
        let before = listing(self.tree.root());
        let result = Selection::parse(suites, [] as [&str; 0])?.select(&mut Sources {
            kselftest: Kselftest::Tree {
                tree: &self.tree,
                cache: &self.cache(),
            },
            guest: Guest {
                root: Path::new("/nonexistent"),
                install_dir: None,
                env: &[],
            },
            places: suites::Places::default(),
            facts: suites::RunFacts::default(),
            cancelled,
            progress,
        });
        assert_eq!(
            listing(self.tree.root()),
            before,
            "a build wrote to the tree"
        );
        result
    }
}

fn put(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    fs::write(path, content).expect("a file");
}

/// Every path of a tree with its modification time and size.
fn listing(root: &Path) -> Vec<(PathBuf, Option<std::time::SystemTime>, u64)> {
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

fn summary(selected: &Selected) -> Vec<(String, bool)> {
    let runs = |t: &suites::Test| (t.id.to_string(), t.unavailable.is_none());
    selected.tests.iter().map(runs).collect()
}

fn run(selected: &Selected, test: usize) -> Option<i32> {
    let suites::Program::Exec(words) = &selected.tests[test].program else {
        panic!("no program")
    };
    let cwd = selected.tests[test].cwd.as_ref().expect("a directory");
    Command::new(cwd.join(&words[0]))
        .status()
        .expect("it starts")
        .code()
}

#[test]
fn what_builds_is_installed_and_what_does_not_is_a_test_that_cannot_be_run() {
    let Some(lab) = Lab::new() else { return };
    let selected = lab
        .select(&[
            "kselftest:good",
            "kselftest:partial",
            "kselftest:helper",
            "kselftest:broken",
        ])
        .expect("tests");
    let name = |name: &str, runs| (format!("kselftest:{name}"), runs);
    assert_eq!(
        summary(&selected),
        [
            name("good:a", true),
            // Its mode was not set, so it runs through its interpreter.
            name("good:s.sh", true),
            name("partial:b", true),
            name("partial:c", false),
            name("helper:d", true),
            name("helper:build", false),
            name("broken:build", false),
        ]
    );
    assert_eq!(run(&selected, 0), Some(0));
    let why = |n: usize| selected.tests[n].unavailable.clone().expect("a reason");
    assert!(why(3).contains("no_such_thing.h"), "{}", why(3));
    assert!(why(5).contains("no_such_thing.h"), "{}", why(5));
    assert!(
        why(6).contains("alsa") && why(6).contains("libasound2-dev"),
        "{}",
        why(6)
    );
    assert_eq!(selected.warnings.len(), 3);
    let list = selected
        .kselftest
        .expect("a directory")
        .path
        .join("kselftest-list.txt");
    assert_eq!(fs::read_to_string(list).expect("a list").lines().count(), 5);
}

#[test]
fn one_test_of_a_collection_with_a_broken_other_is_fine_and_of_a_broken_collection_is_not() {
    let Some(lab) = Lab::new() else { return };
    let selected = lab
        .select(&["kselftest:helper:d", "kselftest:broken:x"])
        .expect("tests");
    assert_eq!(
        summary(&selected),
        [
            ("kselftest:helper:d".into(), true),
            ("kselftest:broken:build".into(), false)
        ]
    );
}

#[test]
fn nothing_built_at_all_is_an_error_with_the_compilers_words_and_blames_the_source() {
    let Some(lab) = Lab::new() else { return };
    let error = lab
        .select(&["kselftest:broken"])
        .expect_err("it does not build");
    assert!(
        matches!(error, SelectError::Build(BuildError::Nothing { .. })) && !error.blames_host()
    );
    let text = error.to_string();
    assert!(
        text.contains("alsa not found") && text.contains("broken.log"),
        "{text}"
    );

    fs::write(
        lab.tree.root().join("Makefile"),
        "headers:\n\techo headers are broken >&2; false\n",
    )
    .expect("a file");
    let error = lab.select(&["kselftest:good"]).expect_err("no headers");
    assert!(
        matches!(error, SelectError::Build(BuildError::Headers { .. })) && !error.blames_host()
    );
}

#[test]
fn a_program_that_no_longer_builds_is_not_the_one_that_did() {
    let Some(lab) = Lab::new() else { return };
    let first = lab
        .select(&["kselftest:partial", "kselftest:good"])
        .expect("tests");
    assert!(first.tests[0].unavailable.is_none());
    fs::write(lab.source("partial/b.c"), BROKEN).expect("a file");
    let second = lab
        .select(&["kselftest:partial", "kselftest:good"])
        .expect("tests");
    assert!(
        second.tests[0].unavailable.is_some(),
        "the old program would have been run"
    );
    let dir = |selected: &Selected| {
        selected
            .kselftest
            .as_ref()
            .expect("a directory")
            .path
            .clone()
    };
    assert!(
        dir(&first).join("partial/b").exists(),
        "in use, so it must stay"
    );
    assert_ne!(dir(&first), dir(&second));
    let old = dir(&first);
    drop(first);
    fs::write(lab.source("partial/b.c"), PROGRAM).expect("a file");
    let third = lab.select(&["kselftest:partial"]).expect("tests");
    assert!(third.tests[0].unavailable.is_none());
    assert!(!old.exists() && dir(&second).exists());
}

#[test]
fn a_changed_header_makes_programs_anew_though_no_makefile_knows_of_it() {
    let Some(lab) = Lab::new() else { return };
    fs::write(
        lab.source("good/a.c"),
        "#include \"a.h\"\nint main(void) { return STATUS; }\n",
    )
    .expect("a file");
    for status in [7, 9] {
        fs::write(lab.source("good/a.h"), format!("#define STATUS {status}\n")).expect("a file");
        let selected = lab.select(&["kselftest:good:a"]).expect("tests");
        assert_eq!(run(&selected, 0), Some(status));
    }
}

#[test]
fn an_unchanged_tree_is_not_built_again() {
    let Some(lab) = Lab::new() else { return };
    let compiled = || {
        let mut count = 0;
        let mut progress = |p: Progress<'_>| {
            count += usize::from(matches!(p, Progress::Line(l) if l.starts_with("gcc ")))
        };
        lab.select_until(&["kselftest:good"], &AtomicBool::new(false), &mut progress)
            .expect("tests");
        count
    };
    assert_eq!(compiled(), 1);
    assert_eq!(compiled(), 0);
    fs::write(lab.cache().join("building"), "").expect("a file");
    assert_eq!(compiled(), 1, "what a killed build left is not used");
}

#[test]
fn a_build_can_be_stopped_and_the_next_one_is_whole() {
    let Some(lab) = Lab::new() else { return };
    let cancelled = AtomicBool::new(false);
    let began = Instant::now();
    let mut progress = |p: Progress<'_>| {
        if matches!(p, Progress::Line(l) if l.contains("sleep 600")) {
            cancelled.store(true, Ordering::Relaxed);
        }
    };
    let error = lab
        .select_until(&["kselftest:slow"], &cancelled, &mut progress)
        .expect_err("stopped");
    assert!(error.is_cancelled() && began.elapsed() < Duration::from_secs(60));
    lab.select(&["kselftest:good"])
        .expect("the lock is free and the cache sound");
}

#[test]
fn two_builds_in_one_cache_wait_for_each_other() {
    let Some(lab) = Lab::new() else { return };
    thread::scope(|scope| {
        let all: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    lab.select(&["kselftest:good", "kselftest:partial"])
                        .expect("tests")
                        .tests
                        .len()
                })
            })
            .collect();
        for one in all {
            assert_eq!(one.join().expect("no panic"), 4);
        }
    });
}
