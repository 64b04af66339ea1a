//! `runner parse`: logs that were recorded elsewhere.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::Value;
use std::{
    collections::HashSet,
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

const SELFTESTS: &str = "\
TAP version 13
1..3
# selftests: a: one
# TAP version 13
# 1..2
# ok 1 x
# not ok 2 y
not ok 1 selftests: a: one # exit=1
# selftests: a: two
# ok 1 fine
ok 2 selftests: a: two
# selftests: a: three
# not ok 1 quiet
ok 3 selftests: a: three
";

const PASS: &str = "TAP version 13\n1..1\nok 1 a\n";

fn parse(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_runner"))
        .arg("parse")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A command that does not read its input closes it.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn json(args: &[&str], input: &[u8]) -> (Option<i32>, Value) {
    let mut all = vec!["--format", "json"];
    all.extend(args);
    let output = parse(&all, input);
    let value = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), value)
}

#[track_caller]
fn ends_with(input: &str, status: i32) {
    let output = parse(&["-"], input.as_bytes());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(status), "{text}");
}

#[test]
fn statuses_are_those_of_a_run() {
    ends_with(PASS, 0);
    ends_with(SELFTESTS, 1);
    ends_with("TAP version 13\n1..1\nok 1 a # SKIP no\n", 125);
    ends_with(
        "1..1\n# selftests: a: b\n# Warning: file b is missing!\nnot ok 1 selftests: a: b\n",
        125,
    );
    ends_with("TAP version 13\n1..2\nok 1 a\n", 128);
    ends_with(
        "TAP version 13\n1..2\nok 1 a\nKernel panic - not syncing: x\n",
        1,
    );
    ends_with("", 125);
    ends_with("nothing of the kind\n\0\0\n", 125);
}

#[test]
fn json_has_counts_of_leaves_and_tests_with_ids_of_their_own() {
    let (status, document) = json(&["-"], SELFTESTS.as_bytes());
    assert_eq!(status, Some(1));
    assert_eq!(document["exit_status"], 1);
    assert_eq!(document["format"], "kselftest");
    let counts = document["counts"].as_object().unwrap();
    assert_eq!(counts.len(), 10);
    assert_eq!((&counts["pass"], &counts["fail"]), (&2.into(), &2.into()));
    let tests = document["tests"].as_array().unwrap();
    let found: Vec<(&str, &str)> = tests
        .iter()
        .map(|t| (t["id"].as_str().unwrap(), t["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            ("kselftest:a:one", "fail"),
            ("kselftest:a:one / x", "pass"),
            ("kselftest:a:one / y", "fail"),
            ("kselftest:a:two", "pass"),
            ("kselftest:a:two / fine", "pass"),
            ("kselftest:a:three", "fail"),
            ("kselftest:a:three / quiet", "fail"),
        ]
    );
    let message = tests[5]["message"].as_str().unwrap();
    assert!(message.contains("exit status 0 contradicts"), "{message}");
    let ids: HashSet<&str> = found.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), found.len());

    let (status, document) = json(&["-"], b"");
    assert_eq!((status, &document["format"]), (Some(125), &Value::Null));
    assert_eq!(document["tests"], Value::Array(vec![]));
}

#[test]
fn a_test_counts_beside_its_results_where_they_do_not_explain_it() {
    let log = "# selftests: a: b\n# ok 1 x\nnot ok 1 selftests: a: b # TIMEOUT 45 seconds\n";
    let (status, document) = json(&["-"], log.as_bytes());
    assert_eq!(status, Some(1));
    assert_eq!(document["counts"]["pass"], 1);
    assert_eq!(document["counts"]["time-out"], 1);
}

#[test]
fn an_oops_while_a_selftest_ran_fails_it_unless_that_is_its_purpose() {
    let log = |collection: &str| {
        format!(
            "# selftests: {collection}: b\n[    1.000000] BUG: x\nok 1 selftests: {collection}: b\n"
        )
    };
    ends_with(&log("a"), 1);
    ends_with(&log("lkdtm"), 0);
}

#[test]
fn text_says_what_is_bad_and_no_control_characters() {
    let log = "TAP version 13\n1..2\n# why \u{9b}31m it failed\nnot ok 1 a\nok 2 b\n";
    let output = parse(&["--as", "ktap", "-"], log.as_bytes());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("FAIL ktap:a\n"), "{text}");
    assert!(text.contains("it failed"), "{text}");
    assert!(
        text.contains("2 results (ktap): 1 pass, 1 fail\n"),
        "{text}"
    );
    assert!(
        !text.contains(|c: char| c.is_control() && c != '\n'),
        "{text:?}"
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.log");
    for path in [directory.path(), &missing] {
        let path = path.to_str().unwrap();
        let output = parse(&[path], b"");
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(128), "{text}");
        assert!(text.contains(path), "{text}");
        assert!(output.stdout.is_empty());
    }
    let output = parse(&["--as", "nonsense", "-"], b"");
    assert_eq!(output.status.code(), Some(128));
}

#[test]
fn a_file_and_the_reports_of_a_run() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("console.log");
    fs::write(&log, SELFTESTS).unwrap();
    let results = directory.path().join("results");
    let output = parse(
        &["--output", results.to_str().unwrap(), log.to_str().unwrap()],
        b"",
    );
    assert_eq!(output.status.code(), Some(1));
    let read = |name: &str| fs::read_to_string(Path::new(&results).join(name)).unwrap();
    let document: Value = serde_json::from_str(&read("results.json")).unwrap();
    assert_eq!(document["exit_status"], 1);
    assert_eq!(document["counts"]["tests"]["fail"], 2);
    assert_eq!(document["counts"]["subtests"]["pass"], 2);
    let xml = read("junit.xml");
    let xml = roxmltree::Document::parse(&xml).unwrap();
    let cases = xml.descendants().filter(|n| n.has_tag_name("testcase"));
    assert_eq!(cases.count(), 7);

    // A directory with something else in it is left alone.
    let output = parse(
        &[
            "--output",
            directory.path().to_str().unwrap(),
            log.to_str().unwrap(),
        ],
        b"",
    );
    assert_eq!(output.status.code(), Some(128));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut log = String::from("TAP version 13\n");
    for number in 1..=20_000 {
        log += &format!("ok {number} a test with some name\n");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    fs::write(&path, log).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_runner"))
        .arg("parse")
        .arg(&path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
