use super::*;
use proptest::prelude::*;

const RULES: Rules = Rules {
    lanes: 1,
    isolate: Isolate::Run,
    repetition: Repetition::ONCE,
    fail_fast: false,
};

fn ids(names: &[&str]) -> Vec<TestId> {
    let id = |name: &&str| match name.split_once('/') {
        Some((group, case)) => TestId::grouped("kselftest", group, case),
        None => TestId::new("exec", name),
    };
    names.iter().map(id).collect()
}

fn schedule(rules: Rules, names: &[&str], weights: &[u64]) -> Schedule {
    let ids = ids(names);
    let ids: Vec<_> = ids.iter().collect();
    Schedule::new(rules, &ids, weights, &vec![true; ids.len()])
}

fn result(outcome: Outcome) -> TestResult {
    TestResult {
        outcome,
        machine: Some(1),
        ..TestResult::not_run(&TestId::new("exec", "x"), "why")
    }
}

/// Runs everything that a machine of the lane is given, all of it with one outcome.
fn machine(schedule: &mut Schedule, lane: usize, outcome: Outcome) -> Vec<usize> {
    assert!(schedule.wants_machine(lane));
    let mut given = Vec::new();
    while let Some(index) = schedule.next(lane) {
        given.push(index);
        schedule.ended(lane, result(outcome));
    }
    given
}

fn outcome(step: &Step) -> Option<Outcome> {
    step.finished.as_ref().map(|whole| whole.outcome)
}

#[test]
fn one_machine_takes_all_in_their_order() {
    let mut one = schedule(RULES, &["a", "b", "c"], &[1, 9, 5]);
    assert_eq!(one.width(), 1);
    assert_eq!(machine(&mut one, 0, Outcome::Pass), [0, 1, 2]);
    assert!(!one.wants_machine(0));
    assert_eq!(one.left(), []);
}

#[test]
fn several_machines_begin_with_what_takes_longest() {
    let rules = Rules { lanes: 2, ..RULES };
    let mut two = schedule(rules, &["a", "b", "c"], &[1, 9, 5]);
    assert!(two.wants_machine(0) && two.wants_machine(1));
    assert_eq!((two.next(0), two.next(1)), (Some(1), Some(2)));
    two.ended(1, result(Outcome::Pass));
    assert_eq!((two.next(1), two.next(1)), (Some(0), None));
    // Nothing is known of any: the order is kept.
    let mut same = schedule(rules, &["a", "b"], &[0, 0]);
    assert_eq!((same.next(0), same.next(1)), (Some(0), Some(1)));
    // One test and two machines: the second would have nothing.
    let mut one = schedule(rules, &["a"], &[0]);
    assert!(one.wants_machine(0) && !one.wants_machine(1));
}

#[test]
fn there_are_no_more_machines_than_there_is_work_for() {
    let rules = Rules { lanes: 8, ..RULES };
    assert_eq!(schedule(rules, &["a", "b", "c"], &[0; 3]).width(), 3);
    let rules = Rules {
        isolate: Isolate::Collection,
        ..rules
    };
    assert_eq!(schedule(rules, &["g/a", "g/b", "h/c"], &[0; 3]).width(), 2);
    assert_eq!(schedule(rules, &[], &[]).width(), 0);
    let repetition = Repetition {
        times: 4,
        ..Repetition::ONCE
    };
    let rules = Rules {
        repetition,
        ..rules
    };
    assert_eq!(schedule(rules, &["a"], &[0]).width(), 4);
}

#[test]
fn isolated_tests_get_a_machine_each() {
    let rules = Rules {
        isolate: Isolate::Test,
        ..RULES
    };
    let mut all = schedule(rules, &["a", "b"], &[0; 2]);
    assert_eq!(machine(&mut all, 0, Outcome::Pass), [0]);
    assert_eq!(machine(&mut all, 0, Outcome::Pass), [1]);
    assert!(!all.wants_machine(0));
}

#[test]
fn collections_share_a_machine_with_nobody() {
    let rules = Rules {
        isolate: Isolate::Collection,
        ..RULES
    };
    let mut all = schedule(rules, &["g/a", "x", "h/b", "g/c", "y"], &[0; 5]);
    assert_eq!(machine(&mut all, 0, Outcome::Pass), [0, 3]);
    assert_eq!(machine(&mut all, 0, Outcome::Pass), [1, 4]);
    // What a machine that was lost left of its collection goes to the next one.
    let mut all = schedule(rules, &["g/a", "x", "g/c"], &[0; 3]);
    assert!(all.wants_machine(0));
    assert_eq!(all.next(0), Some(0));
    all.ended(0, result(Outcome::KernelCrash));
    assert_eq!(machine(&mut all, 0, Outcome::Pass), [2]);
    assert_eq!(machine(&mut all, 0, Outcome::Pass), [1]);
}

#[test]
fn a_failure_is_retried_at_once_and_a_pass_then_is_flaky() {
    let repetition = Repetition {
        retries: 2,
        ..Repetition::ONCE
    };
    let rules = Rules {
        repetition,
        fail_fast: true,
        ..RULES
    };
    let mut all = schedule(rules, &["a", "b", "c"], &[0; 3]);
    assert!(all.wants_machine(0));
    assert_eq!(all.next(0), Some(0));
    assert_eq!(outcome(&all.ended(0, result(Outcome::Fail))), None);
    assert_eq!(all.next(0), Some(0));
    let step = all.ended(0, result(Outcome::Pass));
    assert_eq!(outcome(&step), Some(Outcome::Flaky));
    assert_eq!(step.attempt.map(|last| last.outcome), Some(Outcome::Pass));
    assert_eq!(step.finished.map(|whole| whole.attempts.len()), Some(2));
    // A test that passes at first is not asked again.
    assert_eq!(all.next(0), Some(1));
    let step = all.ended(0, result(Outcome::Pass));
    assert_eq!(step.attempt, None);
    assert_eq!(step.finished.map(|whole| whole.attempts.len()), Some(0));
    // A flaky test does not stop a run; one that never passes does.
    for attempt in 0..3 {
        assert_eq!(all.next(0), Some(2), "{attempt}");
        let step = all.ended(0, result(Outcome::Fail));
        assert_eq!(outcome(&step).is_some(), attempt == 2);
    }
    assert!(all.is_stopped());
}

#[test]
fn a_retry_in_isolation_has_a_machine_of_its_own() {
    let rules = Rules {
        isolate: Isolate::Test,
        repetition: Repetition {
            retries: 1,
            ..Repetition::ONCE
        },
        ..RULES
    };
    let mut all = schedule(rules, &["a"], &[0]);
    assert_eq!(machine(&mut all, 0, Outcome::Fail), [0]);
    assert_eq!(machine(&mut all, 0, Outcome::Fail), [0]);
    assert!(!all.wants_machine(0));
}

#[test]
fn repetition_goes_round_the_selection() {
    let rules = Rules {
        repetition: Repetition {
            times: 3,
            ..Repetition::ONCE
        },
        ..RULES
    };
    let mut all = schedule(rules, &["a", "b"], &[0; 2]);
    assert_eq!(machine(&mut all, 0, Outcome::Fail), [0, 1, 0, 1, 0, 1]);
    assert_eq!(all.left(), []);
}

#[test]
fn the_first_failure_ends_a_hunt_and_what_is_known_is_kept() {
    let rules = Rules {
        repetition: Repetition {
            times: 1000,
            until_failure: true,
            ..Repetition::ONCE
        },
        ..RULES
    };
    let mut all = schedule(rules, &["a", "b"], &[0; 2]);
    assert!(all.wants_machine(0));
    for outcome in [Outcome::Pass, Outcome::Pass, Outcome::Pass, Outcome::Fail] {
        assert!(all.next(0).is_some());
        all.ended(0, result(outcome));
    }
    assert_eq!(all.next(0), None);
    assert!(!all.wants_machine(0));
    let left: Vec<_> = all
        .left()
        .into_iter()
        .map(|(index, whole)| (index, whole.map(|whole| whole.outcome)))
        .collect();
    assert_eq!(left, [(0, Some(Outcome::Pass)), (1, Some(Outcome::Flaky))]);
}

#[test]
fn a_test_that_was_given_up_is_no_attempt() {
    let rules = Rules {
        repetition: Repetition {
            retries: 1,
            ..Repetition::ONCE
        },
        ..RULES
    };
    let mut all = schedule(rules, &["a", "b"], &[0; 2]);
    all.next(0);
    let step = all.ended(0, result(Outcome::NotRun));
    assert_eq!(outcome(&step), Some(Outcome::NotRun));
    all.next(0);
    all.ended(0, result(Outcome::Hang));
    all.next(0);
    let step = all.ended(0, result(Outcome::NotRun));
    assert_eq!(outcome(&step), None);
    let left = all.left();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].1.as_ref().map(|r| r.outcome), Some(Outcome::Hang));
}

#[test]
fn what_cannot_run_is_never_given_out() {
    let ids = ids(&["a", "b"]);
    let ids: Vec<_> = ids.iter().collect();
    let mut all = Schedule::new(RULES, &ids, &[0; 2], &[false, true]);
    assert_eq!(machine(&mut all, 0, Outcome::Pass), [1]);
    assert_eq!(all.left(), [(0, None)]);
}

proptest! {
    /// Whatever happens to machines, every test runs as often as it must and no more.
    #[test]
    fn every_test_runs_as_often_as_it_must(
        tests in 0_usize..12,
        lanes in 1_usize..4,
        isolate in prop::sample::select(vec![Isolate::Test, Isolate::Collection, Isolate::Run]),
        retries in 0_u32..3,
        times in 1_u32..4,
        luck in prop::collection::vec(any::<(bool, bool)>(), 1..50),
    ) {
        let retries = if times > 1 { 0 } else { retries };
        let repetition = Repetition { retries, times, until_failure: false };
        let rules = Rules { lanes, isolate, repetition, fail_fast: false };
        let names: Vec<String> = (0..tests).map(|n| format!("g{}/{n}", n % 3)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut all = schedule(rules, &names, &vec![1; tests]);
        let mut luck = luck.into_iter().cycle();
        let mut runs = vec![Vec::new(); tests];
        let mut finished = 0;
        let mut works = true;
        while works {
            works = false;
            for lane in 0..lanes {
                if !all.wants_machine(lane) {
                    continue;
                }
                works = true;
                while let Some(index) = all.next(lane) {
                    let (good, lost) = luck.next().expect("endless");
                    runs[index].push(good);
                    let outcome = if good { Outcome::Pass } else { Outcome::KernelCrash };
                    finished += usize::from(all.ended(lane, result(outcome)).finished.is_some());
                    if lost {
                        break;
                    }
                }
            }
        }
        prop_assert_eq!(finished, tests);
        for run in runs {
            if times > 1 {
                prop_assert_eq!(run.len(), times as usize);
            } else {
                let first_good = run.iter().position(|good| *good).map_or(usize::MAX, |n| n + 1);
                prop_assert_eq!(run.len(), first_good.min(retries as usize + 1));
            }
        }
        prop_assert_eq!(all.left(), []);
    }
}

#[test]
fn tests_that_are_torn_apart_have_machines_to_themselves() {
    let mut schedule = schedule(RULES, &["x:a", "x:b", "x:c", "x:d"], &[0; 4]);
    assert!(schedule.wants_machine(0) && !schedule.is_torn());
    schedule.tear_apart(vec![false, true, true, false]);
    assert!(schedule.is_torn());
    let mut machines = Vec::new();
    while schedule.wants_machine(0) {
        let first = schedule.first(0);
        let mut given = Vec::new();
        while let Some(index) = schedule.next(0) {
            given.push(index);
            schedule.abandon(0);
        }
        assert_eq!(given.first().copied(), first);
        machines.push(given);
    }
    assert_eq!(machines, [vec![0], vec![1], vec![2], vec![3]]);
}
