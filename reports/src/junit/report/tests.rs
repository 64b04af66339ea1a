use super::*;
use crate::testing;
use proptest::prelude::*;
use roxmltree::{Document, Node};
use std::{collections::HashSet, fs, process::Command};

fn xml(summary: &Summary, run_dir: &Path) -> String {
    let xml = render(summary, run_dir).expect("rendered");
    String::from_utf8(xml).expect("UTF-8")
}

fn xml_of_a_run() -> String {
    let dir = tempfile::tempdir().expect("a directory");
    for (file, text) in [
        ("1/stdout", "not ok 1 ]]> x\n"),
        ("1/stderr", "\x1b[31moh\x1b[0m\n"),
        ("6/kernel.log", "Oops\n"),
    ] {
        let path = dir.path().join("tests").join(file);
        fs::create_dir_all(path.parent().expect("a directory")).expect("writable");
        fs::write(path, text).expect("writable");
    }
    xml(&Summary::of(&testing::a_run()), dir.path())
}

/// All text in an element, sections joined.
fn text(node: Node) -> String {
    node.descendants()
        .filter(Node::is_text)
        .filter_map(|n| n.text())
        .collect()
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    node.children().find(|n| n.has_tag_name(name))
}

fn testcase<'a>(document: &'a Document<'a>, name: &str) -> Node<'a, 'a> {
    document
        .descendants()
        .find(|n| n.has_tag_name("testcase") && n.attribute("name") == Some(name))
        .unwrap_or_else(|| panic!("no test case {name}"))
}

/// Elements, attributes and their order, as Jenkins' junit-10.xsd has them. The parser refuses duplicates.
fn check_structure(document: &Document) {
    for node in document.root().children().filter(Node::is_element) {
        assert_eq!(node.tag_name().name(), "testsuites");
    }
    for node in document.descendants().filter(Node::is_element) {
        let tag = node.tag_name().name();
        let attributes: Vec<_> = node.attributes().map(|a| a.name()).collect();
        let children: Vec<_> = node
            .children()
            .filter(Node::is_element)
            .map(|n| n.tag_name().name())
            .collect();
        let (expected, allowed): (&[&str], &[&str]) = match tag {
            "testsuites" => (&[], &["testsuite"]),
            "testsuite" => (
                &[
                    "id",
                    "name",
                    "package",
                    "tests",
                    "errors",
                    "failures",
                    "hostname",
                    "timestamp",
                    "time",
                ],
                &["testcase", "system-out"],
            ),
            "testcase" => (
                &["name", "time", "classname"],
                &["error", "failure", "skipped", "system-out", "system-err"],
            ),
            "error" | "failure" | "skipped" => (&["type", "message"], &[]),
            "system-out" | "system-err" => (&[], &[]),
            other => panic!("unknown element {other}"),
        };
        assert_eq!(attributes, expected, "{tag}");
        let places: Vec<_> = children
            .iter()
            .map(|name| {
                allowed
                    .iter()
                    .position(|a| a == name)
                    .unwrap_or_else(|| panic!("{name} in {tag}"))
            })
            .collect();
        assert!(places.is_sorted(), "{children:?} in {tag}");
        if tag == "testcase" {
            assert!(
                places.iter().filter(|place| **place < 3).count() <= 1,
                "{children:?}"
            );
        }
    }
}

fn unique_names(document: &Document) -> HashSet<(String, String)> {
    let cases: Vec<_> = document
        .descendants()
        .filter(|n| n.has_tag_name("testcase"))
        .collect();
    let attribute = |n: &Node, name| n.attribute(name).expect("checked").to_owned();
    let names: HashSet<_> = cases
        .iter()
        .map(|n| (attribute(n, "classname"), attribute(n, "name")))
        .collect();
    assert_eq!(names.len(), cases.len());
    names
}

#[test]
fn every_outcome_has_its_element_and_type() {
    let xml = xml_of_a_run();
    let document = Document::parse(&xml).expect("well-formed");
    check_structure(&document);
    for (name, element, outcome, message) in [
        ("posix_timers", "failure", "fail", "exit status 1"),
        ("rtcpie", "skipped", "skip", "/dev/rtc0 not found"),
        ("leapcrash", "skipped", "expected-fail", "known to fail"),
        ("tls", "failure", "time-out", "no end in 45 s"),
        ("clock", "error", "hang", "the machine stopped answering"),
        ("make check", "error", "kernel-crash", "Oops: 0000"),
        ("cpus", "error", "boot-failure", "no answer in 60 s"),
        (
            "memory",
            "error",
            "not-run",
            "the run ended before its turn",
        ),
        (
            "tmpfs",
            "error",
            "harness-error",
            "the program was not built",
        ),
    ] {
        let verdict = child(testcase(&document, name), element).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(verdict.attribute("type"), Some(outcome));
        assert_eq!(verdict.attribute("message"), Some(message));
    }
    assert!(!testcase(&document, "nanosleep").has_children());
    let crash = child(testcase(&document, "make check"), "error").expect("checked");
    assert_eq!(text(crash), "Oops: 0000\nKernel panic - not syncing");
}

#[test]
fn suites_are_the_groups_and_subtests_are_cases() {
    let xml = xml_of_a_run();
    let document = Document::parse(&xml).expect("well-formed");
    let suites: Vec<_> = document
        .descendants()
        .filter(|n| n.has_tag_name("testsuite"))
        .map(|n| {
            [
                "name",
                "package",
                "tests",
                "errors",
                "failures",
                "timestamp",
                "time",
            ]
            .map(|a| n.attribute(a).unwrap_or(""))
        })
        .collect();
    let at = "2026-03-01T12:00:00.25Z";
    assert_eq!(
        suites,
        [
            [
                "kselftest:timers",
                "kselftest.timers",
                "8",
                "0",
                "2",
                at,
                "2.56"
            ],
            ["kselftest:net", "kselftest.net", "1", "0", "1", at, "0.512"],
            ["smoke", "smoke", "4", "4", "0", at, "0.512"],
            ["exec", "exec", "1", "1", "0", at, "0.512"],
        ]
    );
    let names = unique_names(&document);
    assert!(names.contains(&("kselftest.timers".into(), "posix_timers".into())));
    assert!(names.contains(&(
        "kselftest.timers.posix_timers".into(),
        "clock / signal".into()
    )));
}

#[test]
fn streams_and_kernel_log_are_there() {
    let xml = xml_of_a_run();
    let document = Document::parse(&xml).expect("well-formed");
    let failed = testcase(&document, "posix_timers");
    assert_eq!(
        child(failed, "system-out").map(text).as_deref(),
        Some("not ok 1 ]]> x\n")
    );
    assert_eq!(
        child(failed, "system-err").map(text).as_deref(),
        Some("oh\n")
    );
    let crashed = testcase(&document, "make check");
    assert_eq!(child(crashed, "system-out"), None);
    assert_eq!(
        child(crashed, "system-err").map(text).as_deref(),
        Some("--- kernel log ---\nOops\n")
    );
}

#[test]
fn an_interrupted_run_has_every_selected_test() {
    let dir = tempfile::tempdir().expect("a directory");
    let records = testing::a_run();
    for len in 1..records.len() {
        let xml = xml(&Summary::of(&records[..len]), dir.path());
        let document = Document::parse(&xml).expect("well-formed");
        check_structure(&document);
        for id in &testing_tests(&records) {
            testcase(&document, &id.case);
        }
    }
    let xml = xml(&Summary::of(&records[..5]), dir.path());
    let document = Document::parse(&xml).expect("well-formed");
    let message = |name| {
        let error = child(testcase(&document, name), "error").expect("not run");
        assert_eq!(error.attribute("type"), Some("not-run"));
        error.attribute("message").expect("checked").to_owned()
    };
    assert_eq!(
        message("nanosleep"),
        "it was running when this report was written"
    );
    assert_eq!(
        message("tls"),
        "its turn had not come when this report was written"
    );
}

fn testing_tests(records: &[crate::Record]) -> Vec<TestId> {
    Summary::of(records).run.expect("started").tests
}

#[test]
fn the_file_is_written() {
    let dir = tempfile::tempdir().expect("a directory");
    write(&Summary::of(&testing::a_run()), dir.path()).expect("writable");
    let xml = fs::read_to_string(dir.path().join(JUNIT)).expect("readable");
    check_structure(&Document::parse(&xml).expect("well-formed"));
}

/// A second opinion, and the schema itself where `RUNNER_TEST_JUNIT_XSD` names it.
#[test]
fn xmllint_agrees() {
    if Command::new("xmllint").arg("--version").output().is_err() {
        println!("SKIP: xmllint is not installed (package libxml2-utils)");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join(JUNIT);
    fs::write(&file, xml_of_a_run()).expect("writable");
    let mut xmllint = Command::new("xmllint");
    xmllint.arg("--noout");
    match std::env::var_os("RUNNER_TEST_JUNIT_XSD") {
        Some(schema) => drop(xmllint.arg("--schema").arg(schema)),
        None => println!("SKIP the schema: RUNNER_TEST_JUNIT_XSD does not name junit-10.xsd"),
    }
    let done = xmllint.arg(&file).output().expect("it started before");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

proptest! {
    #[test]
    fn any_bytes_give_well_formed_xml_with_unique_names(
        results in prop::collection::vec(testing::any_result(), 0..6),
        not_finished in prop::collection::vec(testing::any_text(), 0..3),
        out in prop::collection::vec(any::<u8>(), 0..200),
        err in testing::any_text(),
        log in testing::any_text(),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, bytes) in [("out", out.as_slice()), ("err", err.as_bytes()), ("log", log.as_bytes())] {
            fs::write(dir.path().join(name), bytes).expect("writable");
        }
        let mut summary = testing::started(not_finished.iter().map(|case| TestId::new("exec", case)).collect());
        for result in &results {
            summary.apply(&crate::Record {
                at_ms: 0,
                event: crate::Event::TestFinished(Box::new(result.clone())),
            });
        }
        let xml = xml(&summary, dir.path());
        let document = Document::parse(&xml).map_err(|e| TestCaseError::fail(format!("{e}: {xml:?}")))?;
        check_structure(&document);
        let subtests: usize = results.iter().map(|r| r.subtests.len()).sum();
        prop_assert_eq!(
            unique_names(&document).len(),
            results.len() + subtests + summary.not_finished().count()
        );
        // A reader sees every line end as \n (XML 1.0 section 2.11).
        let expected = xml_text(&String::from_utf8_lossy(&out)).replace("\r\n", "\n").replace('\r', "\n");
        for node in document.descendants().filter(|n| n.has_tag_name("testcase")) {
            if let Some(stdout) = child(node, "system-out") {
                prop_assert_eq!(text(stdout), expected.as_str());
            }
        }
    }
}
