//! Runs with machines that are scripts.

use super::*;
use crate::{
    dispatch::{Isolate, Repetition},
    exit::BootFailure,
    machine::StopReason,
    session::fake::{self, Guest, Scripted},
};
use reports::{Record, Show, Summary, TerminalOptions, journal};
use std::{
    collections::HashSet,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};
use suites::{OutputFormat, Program};

const RULES: Rules = Rules {
    lanes: 1,
    isolate: Isolate::Run,
    repetition: Repetition::ONCE,
    fail_fast: false,
};

/// What a run left.
struct Left {
    exit: Exit,
    summary: Summary,
    records: Vec<Record>,
    dir: tempfile::TempDir,
}

impl Left {
    fn outcomes(&self) -> Vec<Outcome> {
        self.summary.in_order().iter().map(|r| r.outcome).collect()
    }

    fn message(&self, place: usize) -> &str {
        let results = self.summary.in_order();
        results[place].message.as_deref().unwrap_or_default()
    }
}

fn tests(names: &[&str]) -> Vec<Test> {
    let test = |name: &&str| {
        let program = Program::Exec(vec![name.into()]);
        Test::new(TestId::new("exec", name), program, OutputFormat::Auto)
    };
    names.iter().map(test).collect()
}

fn run_on(engine: &Scripted, rules: Rules, names: &[&str]) -> Left {
    let dir = tempfile::tempdir().expect("temporary directory");
    let cancel = Cancel::install().expect("signals");
    let mut settings = fake::settings(dir.path(), cancel.fd().expect("a descriptor"));
    settings.measured = false;
    let quiet = TerminalOptions {
        show: Show::Nothing,
        ..TerminalOptions::default()
    };
    let mut reports = Reports::create(dir.path(), quiet).expect("made");
    let tests = tests(names);
    reports
        .emit(Event::RunStarted(Box::new(reports::RunInfo {
            version: "1".into(),
            started: "2026-03-01T12:00:00Z".into(),
            command: vec![],
            kernel: "x".into(),
            release: "6.0".into(),
            boot: "x".into(),
            engine: "script".into(),
            accelerator: "kvm".into(),
            engine_reason: "a test".into(),
            cpus: 1,
            memory_mib: 64,
            timeout_scale: 1.0,
            jobs: 1,
            repeat: rules.repetition.times,
            retries: 0,
            shard: None,
            tests: tests.iter().map(|test| test.id.clone()).collect(),
        })))
        .expect("written");
    let orders = Orders {
        rules,
        weights: &vec![0; tests.len()],
        verdict: Verdict {
            boot_failure: BootFailure::Bad,
            flaky_is_bad: rules.repetition.times > 1,
        },
    };
    let exit = run(engine, &settings, &tests, &mut reports, &cancel, &orders).expect("reported");
    let records = journal::read(&dir.path().join(journal::JOURNAL)).expect("readable");
    let summary = reports.summary().clone();
    assert_eq!(Summary::of(&records), summary);
    assert_eq!(summary.not_finished().count(), 0);
    assert_eq!(summary.running, []);
    let ended = summary.machines.iter().all(|m| m.ended.is_some());
    assert!(ended, "{:?}", summary.machines);
    Left {
        exit,
        summary,
        records,
        dir,
    }
}

/// Boots and does with each test what its name says.
fn obey(_: u32, mut guest: Guest) {
    guest.ready();
    while let Some(run) = guest.next_test() {
        match run.label.rsplit(':').next().expect("a name") {
            "crash" => {
                let _ = std::io::Write::write_all(
                    &mut guest.klog,
                    b"0,9,9,-;Kernel panic - not syncing: x\n",
                );
                return guest.gone(StopReason::Reset);
            }
            name => guest.exit(run.test, i32::from(name.starts_with("fail"))),
        }
    }
}

#[test]
fn results_are_the_same_however_many_machines_there_are() {
    let names = ["a", "crash", "b", "fail", "c", "d", "e"];
    let expected = {
        use Outcome::{Fail, KernelCrash, Pass};
        [Pass, KernelCrash, Pass, Fail, Pass, Pass, Pass]
    };
    for lanes in [1, 2, 4, 32] {
        let rules = Rules { lanes, ..RULES };
        let left = run_on(&Scripted::all(obey), rules, &names);
        assert_eq!(left.exit, Exit::Bad, "{lanes}");
        assert_eq!(left.outcomes(), expected, "{lanes}");
        let ids: Vec<_> = left
            .summary
            .in_order()
            .iter()
            .map(|r| r.id.case.clone())
            .collect();
        assert_eq!(ids, names);
        let numbers: Vec<_> = left.summary.machines.iter().map(|m| m.machine).collect();
        let count = u32::try_from(numbers.len()).expect("few");
        assert_eq!(numbers, (1..=count).collect::<Vec<_>>());
        assert!(left.records.is_sorted_by_key(|record| record.at_ms));
        assert!(matches!(
            left.records.last(),
            Some(Record {
                event: Event::RunFinished { .. },
                ..
            })
        ));
    }
}

#[test]
fn machines_run_side_by_side() {
    // Nobody gets past it alone.
    let both = Arc::new(Barrier::new(2));
    let engine = Scripted::all(move |_, mut guest| {
        guest.ready();
        while let Some(run) = guest.next_test() {
            both.wait();
            guest.exit(run.test, 0);
        }
    });
    let rules = Rules { lanes: 2, ..RULES };
    let left = run_on(&engine, rules, &["a", "b"]);
    assert_eq!(left.exit, Exit::Good);
    let machines: HashSet<_> = left.summary.results.iter().map(|r| r.machine).collect();
    assert_eq!(machines.len(), 2);
    // The logs of one are not mixed with those of the other.
    for name in ["kernel.log", "kernel-2.log"] {
        let log = std::fs::read_to_string(left.dir.path().join(name)).expect("there");
        assert_eq!(log.matches("start: exec:").count(), 1, "{log}");
    }
}

#[test]
fn a_crash_costs_one_test() {
    let names = ["crash", "a", "b", "c"];
    let rules = Rules { lanes: 2, ..RULES };
    let left = run_on(&Scripted::all(obey), rules, &names);
    assert_eq!(left.summary.tests.get(Outcome::Pass), 3);
    assert_eq!(left.summary.tests.get(Outcome::KernelCrash), 1);
}

#[test]
fn isolation_gives_every_test_its_machine() {
    let rules = Rules {
        isolate: Isolate::Test,
        ..RULES
    };
    let left = run_on(&Scripted::all(obey), rules, &["a", "b", "c"]);
    let machines: Vec<_> = left.summary.in_order().iter().map(|r| r.machine).collect();
    assert_eq!(machines, [Some(1), Some(2), Some(3)]);
}

#[test]
fn the_first_failure_stops_the_others_where_that_is_wanted() {
    let failing = Arc::new(Barrier::new(2));
    let engine = Scripted::all(move |_, mut guest| {
        guest.ready();
        while let Some(run) = guest.next_test() {
            failing.wait();
            if run.label.ends_with("fail") {
                guest.exit(run.test, 1);
            }
            // The other never ends.
        }
    });
    let rules = Rules {
        lanes: 2,
        fail_fast: true,
        ..RULES
    };
    let left = run_on(&engine, rules, &["fail", "endless", "later"]);
    assert_eq!(left.exit, Exit::Bad);
    use Outcome::{Fail, NotRun};
    assert_eq!(left.outcomes(), [Fail, NotRun, NotRun]);
    assert_eq!(
        left.message(1),
        "the run was stopped at the first failure while it ran"
    );
    assert_eq!(
        left.message(2),
        "the run stopped at the first failure (--fail-fast)"
    );
}

#[test]
fn a_crash_is_a_failure_that_stops_too() {
    let rules = Rules {
        fail_fast: true,
        ..RULES
    };
    let left = run_on(&Scripted::all(obey), rules, &["crash", "a"]);
    assert_eq!(left.outcomes(), [Outcome::KernelCrash, Outcome::NotRun]);
    assert_eq!(left.summary.machines.len(), 1);
}

#[test]
fn a_kernel_that_does_not_boot_is_told_once() {
    let rules = Rules { lanes: 3, ..RULES };
    let engine = Scripted::all(|_, guest| guest.gone(StopReason::TripleFault));
    let left = run_on(&engine, rules, &["a", "b", "c"]);
    assert_eq!(left.exit, Exit::Bad);
    use Outcome::{BootFailure, NotRun};
    assert_eq!(left.outcomes(), [BootFailure, NotRun, NotRun, NotRun]);
    assert_eq!(left.summary.in_order()[0].id.to_string(), "runner:boot");
    assert_eq!(left.message(1), "the machine did not boot");
}

#[test]
fn a_replacement_that_does_not_boot_is_told_by_its_number() {
    let engine = Scripted::all(|number, guest| match number {
        1 => obey(number, guest),
        _ => guest.gone(StopReason::TripleFault),
    });
    let left = run_on(&engine, RULES, &["crash", "a"]);
    use Outcome::{BootFailure, KernelCrash, NotRun};
    assert_eq!(left.outcomes(), [BootFailure, KernelCrash, NotRun]);
    let id = left.summary.in_order()[0].id.to_string();
    assert_eq!(id, "runner:boot of machine 2");
}

#[test]
fn a_monitor_that_dies_is_the_hosts_fault() {
    let rules = Rules { lanes: 2, ..RULES };
    let engine =
        Scripted::all(|_, guest| guest.gone(StopReason::EngineDied("it is broken".into())));
    let left = run_on(&engine, rules, &["a", "b"]);
    assert_eq!(left.exit, Exit::Host);
    assert!(left.message(0).contains("it is broken"));
}

#[test]
fn what_passes_when_it_is_run_again_is_flaky() {
    // Crashes the first time: the retry has another machine.
    let crashed = AtomicU32::new(0);
    let engine = Scripted::all(move |_, mut guest| {
        guest.ready();
        while let Some(run) = guest.next_test() {
            if run.label.ends_with("moody") && crashed.fetch_add(1, Ordering::SeqCst) == 0 {
                return guest.gone(StopReason::TripleFault);
            }
            guest.exit(run.test, i32::from(run.label.ends_with("fail")));
        }
    });
    let repetition = Repetition {
        retries: 2,
        ..Repetition::ONCE
    };
    let rules = Rules {
        repetition,
        ..RULES
    };
    let left = run_on(&engine, rules, &["moody", "a"]);
    assert_eq!(left.exit, Exit::Good);
    assert_eq!(left.outcomes(), [Outcome::Flaky, Outcome::Pass]);
    assert!(left.message(0).starts_with("1 of 2 attempts failed: "));
    let attempts = &left.summary.in_order()[0].attempts;
    let machines: Vec<_> = attempts.iter().map(|a| (a.outcome, a.machine)).collect();
    assert_eq!(
        machines,
        [(Outcome::KernelCrash, Some(1)), (Outcome::Pass, Some(2))]
    );
    let left = run_on(&engine, rules, &["fail", "a"]);
    assert_eq!(left.exit, Exit::Bad);
    assert_eq!(left.summary.in_order()[0].attempts.len(), 3);
    assert!(left.message(0).starts_with("3 of 3 attempts failed: "));
}

#[test]
fn a_hunt_ends_with_the_first_failure() {
    let seen = Arc::new(Mutex::new(0));
    let engine = Scripted::all(move |_, mut guest| {
        guest.ready();
        while let Some(run) = guest.next_test() {
            let mut seen = seen.lock().expect("whole");
            *seen += u32::from(run.label.ends_with("rare"));
            let status = i32::from(run.label.ends_with("rare") && *seen == 4);
            drop(seen);
            guest.exit(run.test, status);
        }
    });
    let repetition = Repetition {
        times: 1000,
        until_failure: true,
        ..Repetition::ONCE
    };
    let rules = Rules {
        repetition,
        ..RULES
    };
    let left = run_on(&engine, rules, &["steady", "rare"]);
    assert_eq!(left.exit, Exit::Bad);
    assert_eq!(left.outcomes(), [Outcome::Pass, Outcome::Flaky]);
    assert!(left.message(1).starts_with("1 of 4 attempts failed: "));
}

#[test]
fn a_report_that_cannot_be_written_ends_the_run_and_every_machine() {
    let rules = Rules { lanes: 2, ..RULES };
    let engine = Scripted::all(|_, mut guest| {
        guest.ready();
        while let Some(run) = guest.next_test() {
            guest.exit(run.test, 0);
        }
    });
    let dir = tempfile::tempdir().expect("temporary directory");
    let cancel = Cancel::install().expect("signals");
    let settings = fake::settings(dir.path(), cancel.fd().expect("a descriptor"));
    let quiet = TerminalOptions {
        show: Show::Nothing,
        ..TerminalOptions::default()
    };
    let mut reports = Reports::create(dir.path(), quiet).expect("made");
    // In the place of a report.
    std::fs::create_dir_all(dir.path().join("junit.xml")).expect("made");
    let names: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let tests = tests(&names);
    let orders = Orders {
        rules,
        weights: &[0; 50],
        verdict: Verdict {
            boot_failure: BootFailure::Bad,
            flaky_is_bad: false,
        },
    };
    let exit = run(&engine, &settings, &tests, &mut reports, &cancel, &orders).expect("told");
    assert_eq!(exit, Exit::Host);
    let finished = reports.summary().finished.clone().expect("an end");
    assert!(finished.reason.contains("junit.xml"), "{}", finished.reason);
}
