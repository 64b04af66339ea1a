use super::*;
use crate::{Event, Record, SubtestResult, Summary, json, testing};
use proptest::prelude::*;
use std::fs;

fn result(case: &str, outcome: Outcome) -> TestResult {
    testing::result(TestId::new("exec", case), outcome)
}

fn with_failed(outcome: Outcome, parts: &[&str]) -> TestResult {
    let mut result = result("x", outcome);
    let part = |name: &&str| SubtestResult {
        path: vec![(*name).into()],
        outcome: Outcome::Fail,
        message: None,
    };
    result.subtests = parts.iter().map(part).collect();
    result
}

fn change(before: &TestResult, now: &TestResult) -> Change {
    let known = Known {
        id: before.id.clone(),
        outcome: before.outcome,
        failed: failed(before).map(<[String]>::to_vec).collect(),
    };
    Change::of(now, Some(&known))
}

#[test]
fn a_result_is_compared_with_what_was_known() {
    use Outcome::{Fail, Flaky, Hang, KernelCrash, NotRun, Pass, Skip, TimeOut};
    let of = |before, now| change(&result("x", before), &result("x", now));
    assert_eq!(of(Pass, Fail), Change::NewFailure);
    assert_eq!(of(Fail, Pass), Change::Fixed);
    assert_eq!(of(Fail, TimeOut), Change::StillFailing);
    assert_eq!(of(Fail, KernelCrash), Change::NewFailure);
    assert_eq!(of(Hang, KernelCrash), Change::StillFailing);
    assert_eq!(of(Pass, Skip), Change::Same);
    assert_eq!(of(Flaky, Pass), Change::Same);
    assert_eq!(of(Pass, Flaky), Change::NewFailure);
    assert_eq!(of(Pass, NotRun), Change::NotRun);
    assert_eq!(Change::of(&result("x", Pass), None), Change::NewTest);
    assert_eq!(Change::of(&result("x", Fail), None), Change::NewFailure);
}

#[test]
fn a_new_failure_inside_a_failing_test_is_one() {
    use Outcome::Fail;
    let before = with_failed(Fail, &["a", "b"]);
    assert_eq!(
        change(&before, &with_failed(Fail, &["b"])),
        Change::StillFailing
    );
    assert_eq!(
        change(&before, &with_failed(Fail, &["b", "c"])),
        Change::NewFailure
    );
    let whole = with_failed(Outcome::KernelCrash, &[]);
    assert_eq!(
        change(&whole, &with_failed(Fail, &["c"])),
        Change::StillFailing
    );
}

#[test]
fn a_run_is_its_own_baseline_and_nothing_changed() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut records = testing::a_run();
    json::write(&Summary::of(&records), dir.path()).expect("writable");
    let baseline = Baseline::read(dir.path()).expect("readable");
    assert_eq!(baseline.release, "6.1.0-56-amd64");
    // All but the test that was not run.
    assert_eq!(baseline.tests.len(), 10);
    let event = Event::Baseline(Box::new(baseline));
    records.insert(1, Record { at_ms: 0, event });
    let summary = Summary::of(&records);
    let changes = summary.changes().expect("there is a baseline");
    assert_eq!(changes.new_failures, [] as [&TestId; 0]);
    assert_eq!(changes.fixed, [] as [&TestId; 0]);
    assert_eq!(changes.still_failing.len(), 7);
    // Nobody knew what would have come of it.
    assert_eq!(changes.new_tests, [&TestId::new("smoke", "memory")]);
    assert_eq!(changes.missing_tests, Some(vec![]));
}

#[test]
fn new_missing_and_fixed_tests_are_told() {
    let known = |case: &str, outcome| Known {
        id: TestId::new("exec", case),
        outcome,
        failed: vec![],
    };
    let baseline = Baseline {
        file: "results.json".into(),
        release: "6.0".into(),
        tests: vec![known("gone", Outcome::Pass), known("mended", Outcome::Fail)],
    };
    let ids = ["mended", "new"].map(|case| TestId::new("exec", case));
    let mut summary = testing::started(ids.to_vec());
    let results = ids
        .iter()
        .map(|id| testing::result(id.clone(), Outcome::Pass));
    let events = results.map(|result| Event::TestFinished(Box::new(result)));
    for event in std::iter::once(Event::Baseline(Box::new(baseline))).chain(events) {
        summary.apply(&Record { at_ms: 0, event });
    }
    let changes = summary.changes().expect("there is a baseline");
    assert_eq!(changes.fixed, [&ids[0]]);
    assert_eq!(changes.new_tests, [&ids[1]]);
    let gone = TestId::new("exec", "gone");
    assert_eq!(changes.missing_tests, Some(vec![&gone]));
}

#[test]
fn what_is_no_baseline_is_refused_in_words() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x");
    let refused = |text: &str| {
        fs::write(&path, text).expect("writable");
        Baseline::read(&path).expect_err(text).to_string()
    };
    assert_eq!(refused("{}"), "it is no results.json of runner");
    assert_eq!(refused("not JSON"), "it is no results.json of runner");
    assert_eq!(
        refused(r#"{"schema":1}"#),
        "it is no results.json of runner"
    );
    assert_eq!(
        refused(r#"{"schema":2}"#),
        "its schema is 2, and this version reads 1"
    );
    let killed = r#"{"schema":1,"finished":false,"run":{"release":"6.0"},"results":[]}"#;
    assert!(refused(killed).starts_with("its run did not come to its end"));
    let error = Baseline::read(&dir.path().join("none")).expect_err("nothing there");
    assert!(matches!(error, BaselineError::Read(_)));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Baseline::parse(&bytes, "x".into());
    }
}
