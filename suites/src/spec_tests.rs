use super::*;
use proptest::prelude::*;

fn words(text: &str) -> Vec<String> {
    match Spec::parse(text).expect("a valid spec").wanted {
        Wanted::Exec { words } => words,
        other => panic!("{other:?} is no command"),
    }
}

#[test]
fn a_command_is_split_as_a_shell_splits_and_nothing_is_expanded() {
    assert_eq!(
        words("exec:make -C 'a b' x:y"),
        ["make", "-C", "a b", "x:y"]
    );
    assert_eq!(
        words("exec:echo $HOME ; * | `id`"),
        ["echo", "$HOME", ";", "*", "|", "`id`"]
    );
    assert_eq!(words(r#"exec:sh -c "exit 3""#), ["sh", "-c", "exit 3"]);
}

#[test]
fn a_command_that_is_none_is_refused() {
    for text in ["exec", "exec:", "exec:   ", "exec:''"] {
        assert!(
            matches!(Spec::parse(text), Err(SpecError::Empty { .. })),
            "{text}"
        );
    }
    assert!(matches!(
        Spec::parse("exec:echo 'a"),
        Err(SpecError::Quotes { .. })
    ));
}

#[test]
fn an_unknown_suite_is_told_from_those_there_are() {
    let error = Spec::parse("kseltest:timers")
        .expect_err("no such suite")
        .to_string();
    for needed in ["kseltest:timers", "smoke", "exec", "nearest is kselftest"] {
        assert!(error.contains(needed), "{needed} is not in: {error}");
    }
    assert!(Spec::parse("").is_err());
}

#[test]
fn empty_and_surplus_parts_are_refused() {
    for text in ["smoke:", "kselftest:", "kselftest:net:", "kselftest::x"] {
        assert!(
            matches!(Spec::parse(text), Err(SpecError::Empty { .. })),
            "{text}"
        );
    }
    for text in ["smoke:a:b", "kselftest:a:b:c"] {
        assert!(
            matches!(Spec::parse(text), Err(SpecError::TooManyParts { .. })),
            "{text}"
        );
    }
    assert!(matches!(
        Spec::parse("kselftest:net["),
        Err(SpecError::Glob { .. })
    ));
}

#[test]
fn globs_match_level_by_level() {
    let id = TestId::grouped("kselftest", "net/forwarding", "bridge_vlan.sh");
    for (text, expected) in [
        ("kselftest", true),
        ("kselftest:net*", true),
        ("kselftest:net", false),
        ("kselftest:net/forwarding:bridge*", true),
        ("kselftest:*:*vlan*", true),
        ("kselftest:*:mirror*", false),
        ("smoke", false),
    ] {
        let spec = Spec::parse(text).expect("a valid spec");
        assert_eq!(spec.wanted.matches(&id), expected, "{text}");
        let skip = Skip::parse(text).expect("a valid spec");
        assert_eq!(skip.matches(&id), expected, "{text}");
    }
}

#[test]
fn a_skip_compares_a_command_by_its_text() {
    let id = exec::test(&words("exec:make   check")).id;
    for (text, expected) in [
        ("exec", true),
        ("exec:make check", true),
        ("exec:make*", true),
        ("exec:make", false),
    ] {
        let skip = Skip::parse(text).expect("a valid spec");
        assert_eq!(skip.matches(&id), expected, "{text}");
    }
}

#[test]
fn a_collection_is_covered_only_by_a_skip_of_all_its_tests() {
    let covers = |text| {
        Skip::parse(text)
            .expect("valid")
            .covers_collection("net/lib")
    };
    assert!(covers("kselftest") && covers("kselftest:net/*"));
    assert!(!covers("kselftest:net/lib:a*") && !covers("smoke") && !covers("exec:kselftest"));
}

#[test]
fn a_manifest_is_named_by_its_file_which_may_have_colons() {
    let manifest = |text: &str| match Spec::parse(text).expect("a valid spec").wanted {
        Wanted::Manifest { file, case } => (
            file.display().to_string(),
            case.map(|case| case.as_str().to_owned()),
        ),
        other => panic!("{other:?} is no manifest"),
    };
    let of = |file: &str, case: Option<&str>| (file.to_owned(), case.map(str::to_owned));
    for (text, expected) in [
        ("manifest:a.toml", of("a.toml", None)),
        ("manifest:a:b/c.toml:x*", of("a:b/c.toml", Some("x*"))),
        ("./tests.toml", of("./tests.toml", None)),
        ("tests.toml:one", of("tests.toml", Some("one"))),
        ("/a.tomls/b.toml:c", of("/a.tomls/b.toml", Some("c"))),
    ] {
        assert_eq!(manifest(text), expected, "{text}");
    }
    for text in ["manifest", "manifest:", "manifest:a.json", "manifest:.toml"] {
        let error = Spec::parse(text).expect_err(text);
        assert!(matches!(error, SpecError::NoManifest { .. }), "{error}");
    }
    assert!(matches!(
        Spec::parse("a.toml:"),
        Err(SpecError::Empty { .. })
    ));
    let id = TestId::grouped(MANIFEST, "tests", "one");
    for (text, expected) in [
        ("manifest", true),
        ("manifest:tests", true),
        ("manifest:dir/tests.toml:o*", true),
        ("manifest:te*:two", false),
        ("manifest:other.toml", false),
    ] {
        let skip = Skip::parse(text).expect("a valid spec");
        assert_eq!(skip.matches(&id), expected, "{text}");
    }
}

#[test]
fn functions_of_rust_and_suites_of_kunit_are_matched_by_their_names() {
    let function = TestId::grouped(CARGO, "net", "tests::loopback::up");
    let suite = TestId::new(KUNIT, "example");
    let case = TestId::grouped(KUNIT, "example", "simple*");
    for (text, id, expected) in [
        ("cargo:net:tests::loopback::up", &function, true),
        ("cargo:net:tests::*", &function, true),
        ("cargo:net:up", &function, false),
        ("kunit:exam*", &suite, true),
        ("kunit:example:simple*", &suite, false),
        ("kunit:example:simple*", &case, true),
        ("kunit", &case, true),
        ("kunit:list*", &suite, false),
    ] {
        let skip = Skip::parse(text).expect("a valid spec");
        assert_eq!(skip.matches(id), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn parsing_never_panics_and_errors_hold_the_argument(text in "(smoke|kselftest|exec|cargo|manifest|perf|.{0,5})(:.{0,12}|.toml){0,3}") {
        for error in [Spec::parse(&text).err(), Skip::parse(&text).err()].into_iter().flatten() {
            prop_assert!(error.to_string().contains(&text));
        }
    }
}
