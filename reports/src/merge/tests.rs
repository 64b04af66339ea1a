use super::*;
use crate::testing;
use proptest::prelude::*;
use suites::Outcome;

fn input(name: &str, records: Vec<Record>) -> Input {
    Input {
        name: name.into(),
        records,
    }
}

/// A run of some `exec` tests, all good, that may be told anew.
fn run_of(cases: &[&str], change: impl FnOnce(&mut RunInfo)) -> Vec<Record> {
    let ids: Vec<_> = cases.iter().map(|case| TestId::new("exec", case)).collect();
    let mut run = testing::started(ids.clone()).run.expect("started");
    change(&mut run);
    let mut events = vec![
        Event::RunStarted(Box::new(run)),
        Event::MachineStarted { machine: 1 },
    ];
    for id in ids {
        let mut result = testing::result(id, Outcome::Pass);
        result.stdout = testing::output(&format!("tests/{}/stdout", result.id.case));
        events.push(Event::TestFinished(Box::new(result)));
    }
    events.push(Event::RunFinished {
        exit_status: 0,
        reason: "all is well".into(),
        duration_ms: 100,
    });
    let record = |(at_ms, event)| Record { at_ms, event };
    (0..).step_by(100).zip(events).map(record).collect()
}

fn merged(inputs: Vec<Input>) -> (Merged, Summary) {
    let merged = merge(inputs, "1", vec!["merge".into()]).expect("runs");
    let summary = Summary::of(&merged.records);
    (merged, summary)
}

fn shard(index: u32, split: &str) -> Option<Shard> {
    Some(Shard {
        index,
        of: 3,
        selected: 3,
        split: split.into(),
    })
}

#[test]
fn two_runs_become_one() {
    let a = input("a", run_of(&["x", "y"], |_| {}));
    let b = input(
        "b",
        run_of(&["z"], |run| run.started = "2026-03-01T12:00:10.25Z".into()),
    );
    let (merged, summary) = merged(vec![a, b]);
    let run = summary.run.as_ref().expect("a run");
    assert_eq!(run.tests.len(), 3);
    assert_eq!(run.started, "2026-03-01T12:00:00.25Z");
    assert_eq!(run.command, ["merge"]);
    assert_eq!(summary.tests.get(Outcome::Pass), 3);
    assert_eq!(summary.not_finished().count(), 0);
    assert_eq!(summary.warnings, [""; 0]);
    let numbers: Vec<_> = summary.machines.iter().map(|m| m.machine).collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(summary.results[2].machine, Some(2));
    let file = &summary.results[2].stdout.as_ref().expect("output").file;
    assert_eq!(file, "inputs/2/tests/z/stdout");
    assert!(merged.files.contains(&Moved {
        input: 1,
        from: "tests/z/stdout".into(),
        to: file.clone(),
    }));
    assert_eq!(merged.duration_ms, 10_300);
    assert!(merged.records.is_sorted_by_key(|record| record.at_ms));
}

#[test]
fn a_test_in_two_runs_is_kept_apart_and_told() {
    let all = ["a", "b", "c"].map(|name| input(name, run_of(&["x"], |_| {})));
    let (_, summary) = merged(all.into());
    let cases: Vec<_> = summary
        .in_order()
        .iter()
        .map(|r| r.id.case.clone())
        .collect();
    assert_eq!(cases, ["x", "x #2", "x #3"]);
    assert_eq!(summary.warnings.len(), 2);
    assert!(summary.warnings[0].contains("b are in another input too"));
    assert!(summary.warnings[0].ends_with("exec:x #2"));
}

#[test]
fn what_all_parts_say_is_said_once() {
    let run = |case: &str| {
        let mut records = run_of(&[case], |_| {});
        for text in ["it is slow", case] {
            let event = Event::Warning { text: text.into() };
            records.insert(2, Record { at_ms: 100, event });
        }
        input(case, records)
    };
    let (_, summary) = merged(vec![run("x"), run("y")]);
    assert_eq!(summary.warnings, ["x", "it is slow", "y"]);
}

#[test]
fn different_kernels_are_warned_of() {
    let a = input("a", run_of(&["x"], |_| {}));
    let b = input("b", run_of(&["y"], |run| run.release = "7.0".into()));
    let (_, summary) = merged(vec![a, b]);
    assert_eq!(
        summary.warnings,
        ["the results are of different kernels: a has linux 6.1.0-56-amd64, b has linux 7.0"]
    );
}

#[test]
fn shards_that_are_missing_or_of_another_whole_are_found() {
    let one = |split| input("one", run_of(&["x"], |run| run.shard = shard(1, split)));
    let three = input("three", run_of(&["y"], |run| run.shard = shard(3, "s")));
    let (some, summary) = merged(vec![one("s"), three.clone()]);
    assert_eq!(some.missing, ["2/3"]);
    assert_eq!(summary.warnings, [""; 0]);
    assert_eq!(summary.run.expect("a run").shard, None);
    let (_, summary) = merged(vec![one("t"), three]);
    assert!(summary.warnings[0].starts_with("one and three are parts of different wholes"));
}

#[test]
fn what_a_killed_run_left_counts() {
    let mut records = run_of(&["x", "y"], |_| {});
    records.truncate(3);
    let (_, summary) = merged(vec![input("a", records)]);
    assert_eq!(summary.not_finished().count(), 1);
    assert!(summary.warnings[0].starts_with("the run in a was killed"));
}

#[test]
fn what_is_no_run_is_named() {
    let mut records = run_of(&["x"], |_| {});
    records.remove(0);
    for records in [vec![], records] {
        let error = merge(vec![input("a", records)], "1", vec![]).expect_err("no run");
        assert!(error.to_string().starts_with("a holds no run"));
    }
}

#[test]
fn files_of_attempts_move_too() {
    let mut records = run_of(&["x"], |_| {});
    if let Event::TestFinished(result) = &mut records[2].event {
        let mut attempt = (**result).clone();
        attempt.stdout = testing::output("tests/x~2/stdout");
        result.attempts = vec![attempt];
    }
    let (merged, summary) = merged(vec![input("a", records)]);
    let attempt = &summary.results[0].attempts[0];
    let file = &attempt.stdout.as_ref().expect("output").file;
    assert_eq!(file, "inputs/1/tests/x~2/stdout");
    assert_eq!(merged.files.len(), 2);
}

proptest! {
    #[test]
    fn nothing_is_lost_whatever_the_runs_say(
        first in prop::collection::vec(testing::any_result(), 0..6),
        second in prop::collection::vec(testing::any_result(), 0..6),
    ) {
        let run = |results: Vec<TestResult>| {
            let mut seen = HashSet::new();
            let mut records = run_of(&[], |_| {});
            let results = results.into_iter().filter(|r| seen.insert(r.id.clone()));
            records.extend(results.map(|result| Record {
                at_ms: result.duration_ms,
                event: Event::TestFinished(Box::new(result)),
            }));
            records
        };
        let (first, second) = (run(first), run(second));
        let count = first.len() + second.len() - 6;
        let (_, summary) = merged(vec![input("a", first), input("b", second)]);
        prop_assert_eq!(summary.results.len(), count);
        let names: HashSet<_> = summary.results.iter().map(|r| r.id.clone()).collect();
        prop_assert_eq!(names.len(), count);
    }
}
