use super::*;
use crate::{OutputFormat, Program};
use proptest::prelude::*;

fn test(suite: &str, group: &str, case: &str) -> Test {
    let id = TestId::grouped(suite, group, case);
    Test::new(id, Program::Exec(vec!["true".into()]), OutputFormat::Auto)
}

fn parse(text: &str, kind: ListKind) -> Result<List, FileError> {
    List::parse(Path::new("known.toml"), text, kind)
}

const FACTS: RunFacts<'_> = RunFacts {
    release: Some("6.1.0-56-amd64"),
    arch: "x86_64",
    accelerator: Some("tcg"),
};

#[test]
fn a_file_may_hold_both_kinds_and_each_marks_its_own() {
    let text = "[[skip]]\ntest = \"kselftest:timers:*\"\nreason = \"slow\"\n\n\
                [[known-failure]]\ntest = \"kselftest:mm\"\nreason = \"  bug 1 \"\n";
    let mut tests = [
        test("kselftest", "timers", "a"),
        test("kselftest", "mm", "b"),
    ];
    for kind in [ListKind::Skip, ListKind::KnownFailure] {
        let warnings = parse(text, kind)
            .expect("a list")
            .mark(&mut tests, &[], &FACTS);
        assert!(warnings.is_empty(), "{warnings:?}");
    }
    assert_eq!(tests[0].skip.as_deref(), Some("slow (known.toml:2)"));
    assert_eq!(
        tests[1].known_failure.as_ref().map(|known| &*known.why),
        Some("bug 1 (known.toml:6)")
    );
    assert_eq!((&tests[0].known_failure, &tests[1].skip), (&None, &None));
}

#[test]
fn splats_belong_to_known_failures() {
    let with = |kind: &str, splats: &str| {
        format!("[[{kind}]]\ntest = \"kselftest:mm\"\nreason = \"r\"\nsplats = {splats}\n")
    };
    let mut tests = [test("kselftest", "mm", "b")];
    let list = parse(
        &with("known-failure", "[\"lockdep\"]"),
        ListKind::KnownFailure,
    )
    .expect("a list");
    list.mark(&mut tests, &[], &FACTS);
    let known = tests[0].known_failure.as_ref().expect("known to fail");
    assert!(known.splats[0].matches("lockdep"));
    for (kind, text, complaint) in [
        (
            ListKind::Skip,
            with("skip", "[]"),
            "known.toml:4: a test that is not run has no splats: they belong to a [[known-failure]]",
        ),
        (
            ListKind::KnownFailure,
            with("known-failure", "[\"a[\"]"),
            "known.toml:4: ",
        ),
    ] {
        let error = parse(&text, kind).expect_err("wrong").to_string();
        assert!(error.starts_with(complaint), "{error}");
    }
}

#[test]
fn an_entry_holds_only_where_it_says_and_idle_ones_are_told() {
    for (condition, expected) in [
        ("", true),
        ("kernel = \"6.1..6.6\"", true),
        ("kernel = \"6.2..\"", false),
        ("arch = \"x86_64\"", true),
        ("arch = \"arm64\"", false),
        ("accelerator = \"tcg\"", true),
        ("accelerator = \"kvm\"", false),
    ] {
        let text = format!("[[skip]]\ntest = \"kselftest:mm\"\nreason = \"r\"\n{condition}\n");
        let mut tests = [test("kselftest", "mm", "b")];
        let list = parse(&text, ListKind::Skip).expect("a list");
        let warnings = list.mark(&mut tests, &[], &FACTS);
        assert_eq!(tests[0].skip.is_some(), expected, "{condition}");
        // It names a test, even where it does not hold.
        assert!(warnings.is_empty(), "{warnings:?}");
    }
    let text = "[[skip]]\ntest = \"ltp:syscalls:x\"\nreason = \"r\"\n";
    let list = parse(text, ListKind::Skip).expect("a list");
    let warnings = list.mark(&mut [], &[], &FACTS);
    assert!(
        warnings[0].contains("ltp:syscalls:x (line 2)"),
        "{warnings:?}"
    );
    let left_out = [TestId::grouped("ltp", "syscalls", "x")];
    assert!(list.mark(&mut [], &left_out, &FACTS).is_empty());
    let empty = parse("", ListKind::KnownFailure).expect("a list");
    let warnings = empty.mark(&mut [], &[], &FACTS);
    assert!(warnings[0].contains("no [[known-failure]]"), "{warnings:?}");
}

#[test]
fn a_mistake_is_told_with_its_line_and_what_is_allowed() {
    for (text, parts) in [
        (
            "[[skip]]\ntset = \"smoke\"\nreason = \"r\"\n",
            &["known.toml:2", "tset", "`test`"][..],
        ),
        (
            "\n[[skpi]]\ntest = \"smoke\"\n",
            &["known.toml:2", "skpi", "`skip`", "known-failure"],
        ),
        (
            "[[skip]]\ntest = \"smok:x\"\nreason = \"r\"\n",
            &["known.toml:2", "smok", "nearest is smoke"],
        ),
        ("[[skip]]\ntest = \"smoke\"\n", &["known.toml:1", "reason"]),
        (
            "[[skip]]\ntest = \"smoke\"\nreason = \" \"\n",
            &["known.toml:3", "say why"],
        ),
        (
            "[[skip]]\ntest = \"smoke\"\nreason = \"r\"\nkernel = \"6.6..6.1\"\n",
            &["known.toml:4", "6.1..6.6"],
        ),
        (
            "[[skip]]\ntest = \"smoke\"\nreason = \"r\"\naccelerator = \"xen\"\n",
            &["known.toml:4", "kvm", "tcg"],
        ),
        ("[[skip]\n", &["known.toml:1"]),
        ("skip = 3\n", &["known.toml:1"]),
    ] {
        let error = parse(text, ListKind::Skip).expect_err(text).to_string();
        for part in parts {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    }
}

#[test]
fn comments_and_empty_lines_are_no_specs() {
    let text = "# what CI runs\n\n  smoke:clock  \r\nexec:echo '#1'\n#smoke\n";
    let found: Vec<_> = lines(text).collect();
    assert_eq!(found, [(3, "smoke:clock"), (4, "exec:echo '#1'")]);
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "(\\[\\[skip\\]\\]\n|test = \"|reason = 'x'\n|kernel = \"6|smoke\"\n|\\PC|\n){0,12}") {
        let _ = parse(&text, ListKind::Skip);
    }
}
