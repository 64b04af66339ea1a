//! What is known of a run, as the events so far tell it.

use crate::{Baseline, Change, Changes, Counts, Event, Record, RunInfo, TestResult, TestSplat};
use serde::Serialize;
use splats::Splat;
use std::collections::{BTreeSet, HashMap, HashSet};
use suites::TestId;

/// The events so far, folded. Every report but the journal is drawn from it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// The run, once it started.
    pub run: Option<RunInfo>,
    /// What became of the tests, in the order in which they ended.
    pub results: Vec<TestResult>,
    /// Outcomes of the tests that ended.
    pub tests: Counts,
    /// Outcomes of the results inside their outputs.
    pub subtests: Counts,
    /// Tests that started and have not ended.
    pub running: Vec<Running>,
    /// The machines, by their numbers.
    pub machines: Vec<Machine>,
    /// What the kernel reported while no test ran.
    pub splats_outside: Vec<OutsideSplat>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// The end, unless the run goes on or was killed.
    pub finished: Option<Finished>,
    /// When the latest event happened, in milliseconds since the run started.
    pub at_ms: u64,
    /// What the run is compared with.
    baseline: Option<Baseline>,
    /// Places in it.
    known: HashMap<TestId, usize>,
    ended: HashSet<TestId>,
}

/// A test that has started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Which.
    pub id: TestId,
    /// Where.
    pub machine: u32,
    /// When it started, in milliseconds since the run started.
    pub since_ms: u64,
}

/// A machine of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Its number, from 1.
    pub machine: u32,
    /// `uname -r`, once it was ready to run tests.
    pub release: Option<String>,
    /// Milliseconds from the start of its process until it was ready to run tests.
    pub boot_ms: Option<u64>,
    /// Why it is gone, once it is.
    pub ended: Option<String>,
}

/// A splat that came while no test ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutsideSplat {
    /// The machine it came from.
    pub machine: u32,
    /// What its kernel reported.
    #[serde(flatten)]
    pub splat: Splat,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The exit status of the command.
    pub exit_status: u8,
    /// Why that status.
    pub reason: String,
    /// From start to end, in milliseconds.
    pub duration_ms: u64,
}

impl Summary {
    /// The fold of `records`.
    #[must_use]
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut summary = Self::default();
        for record in records {
            summary.apply(record);
        }
        summary
    }

    /// Takes in the next event.
    pub fn apply(&mut self, record: &Record) {
        self.at_ms = record.at_ms;
        match &record.event {
            Event::RunStarted(run) => self.run = Some((**run).clone()),
            Event::Baseline(baseline) => {
                let ids = baseline.tests.iter().map(|known| known.id.clone());
                self.known = ids.zip(0..).collect();
                self.baseline = Some((**baseline).clone());
            }
            Event::Warning { text } => self.warnings.push(text.clone()),
            Event::MachineStarted { machine } => {
                self.machine(*machine);
            }
            Event::MachineReady {
                machine,
                release,
                boot_ms,
            } => {
                let machine = self.machine(*machine);
                machine.release = Some(release.clone());
                machine.boot_ms = Some(*boot_ms);
            }
            Event::TestStarted { id, machine } => self.running.push(Running {
                id: id.clone(),
                machine: *machine,
                since_ms: record.at_ms,
            }),
            Event::TestAttempted(result) => {
                self.running.retain(|running| {
                    running.id != result.id || Some(running.machine) != result.machine
                });
            }
            Event::TestFinished(result) => self.finish(result),
            Event::SplatsOutside { machine, splats } => {
                let machine = *machine;
                let splats = splats.iter().cloned();
                self.splats_outside
                    .extend(splats.map(|splat| OutsideSplat { machine, splat }));
            }
            Event::MachineEnded { machine, reason } => {
                self.machine(*machine).ended = Some(reason.clone());
            }
            Event::RunFinished {
                exit_status,
                reason,
                duration_ms,
            } => {
                self.finished = Some(Finished {
                    exit_status: *exit_status,
                    reason: reason.clone(),
                    duration_ms: *duration_ms,
                });
            }
        }
    }

    /// The selected tests that have not ended, in their order.
    pub fn not_finished(&self) -> impl Iterator<Item = &TestId> {
        let selected = self.run.iter().flat_map(|run| &run.tests);
        selected.filter(|id| !self.ended.contains(id))
    }

    /// How many splats are held against tests, and how many distinct ones these are, by their fingerprints.
    #[must_use]
    pub fn splats(&self) -> (usize, usize) {
        let all = self.results.iter().flat_map(|result| &result.splats);
        let counting: Vec<&TestSplat> = all.filter(|splat| splat.counts).collect();
        let distinct: BTreeSet<&str> = counting
            .iter()
            .map(|splat| splat.splat.fingerprint.as_str())
            .collect();
        (counting.len(), distinct.len())
    }

    /// The results in the order in which the tests were selected, whatever order they ended in. Those that nobody
    /// selected, such as a failed boot, come first.
    #[must_use]
    pub fn in_order(&self) -> Vec<&TestResult> {
        let selected = self.run.iter().flat_map(|run| &run.tests);
        let places: HashMap<&TestId, usize> = selected.zip(1..).collect();
        let mut results: Vec<&TestResult> = self.results.iter().collect();
        results.sort_by_key(|result| places.get(&result.id).copied().unwrap_or(0));
        results
    }

    /// How a result compares with the baseline, if there is one.
    #[must_use]
    pub fn change(&self, result: &TestResult) -> Option<Change> {
        let baseline = self.baseline.as_ref()?;
        let known = self.known.get(&result.id);
        Some(Change::of(
            result,
            known.map(|&index| &baseline.tests[index]),
        ))
    }

    /// What changed against the baseline, if there is one.
    #[must_use]
    pub fn changes(&self) -> Option<Changes<'_>> {
        let baseline = self.baseline.as_ref()?;
        let mut changes = Changes::against(baseline);
        for result in self.in_order() {
            changes.add(
                result,
                self.change(result)?,
                self.known.contains_key(&result.id),
            );
        }
        let run = self.run.as_ref();
        // Of a part of a selection nobody can say what it lacks.
        if run.is_none_or(|run| run.shard.is_none()) {
            let selected: HashSet<&TestId> = run.iter().flat_map(|run| &run.tests).collect();
            let ids = baseline.tests.iter().map(|known| &known.id);
            changes.missing_tests = Some(ids.filter(|id| !selected.contains(id)).collect());
        }
        Some(changes)
    }

    fn finish(&mut self, result: &TestResult) {
        self.running.retain(|running| running.id != result.id);
        self.tests.add(result.outcome);
        for subtest in &result.subtests {
            self.subtests.add(subtest.outcome);
        }
        self.ended.insert(result.id.clone());
        self.results.push(result.clone());
    }

    fn machine(&mut self, number: u32) -> &mut Machine {
        let place = self.machines.binary_search_by_key(&number, |m| m.machine);
        let index = place.unwrap_or_else(|index| {
            self.machines.insert(
                index,
                Machine {
                    machine: number,
                    release: None,
                    boot_ms: None,
                    ended: None,
                },
            );
            index
        });
        &mut self.machines[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use suites::Outcome;

    #[test]
    fn a_whole_run_is_folded() {
        let records = testing::a_run();
        let summary = Summary::of(&records);
        assert_eq!(summary.tests.total(), 11);
        for outcome in Outcome::ALL {
            assert_eq!(summary.tests.get(outcome), 1, "{outcome}");
        }
        assert_eq!(summary.subtests.get(Outcome::Pass), 2);
        assert_eq!(summary.subtests.get(Outcome::Fail), 1);
        assert_eq!(summary.not_finished().count(), 0);
        assert_eq!(summary.running, []);
        assert_eq!(summary.warnings.len(), 1);
        assert_eq!(summary.machines.len(), 2);
        assert_eq!(summary.machines[0].boot_ms, Some(4100));
        assert_eq!(
            summary.machines[0].ended.as_deref(),
            Some("the kernel panicked")
        );
        assert_eq!(summary.machines[1].release, None);
        let finished = summary.finished.expect("it ended");
        assert_eq!((finished.exit_status, finished.duration_ms), (1, 12_300));
    }

    #[test]
    fn an_interrupted_run_knows_what_is_left() {
        let records = testing::a_run();
        let started = records
            .iter()
            .rposition(|r| matches!(r.event, Event::TestStarted { .. }))
            .expect("a test starts");
        let summary = Summary::of(&records[..=started]);
        assert_eq!(summary.finished, None);
        assert_eq!(summary.running.len(), 1);
        let left: Vec<_> = summary.not_finished().collect();
        assert_eq!(left[0], &summary.running[0].id);
        assert_eq!(left.len() + summary.results.len(), 11);
    }

    #[test]
    fn results_and_machines_are_in_order_whatever_order_they_came_in() {
        let ids: Vec<_> = ["a", "b", "c"].map(|case| TestId::new("exec", case)).into();
        let mut summary = testing::started(ids.clone());
        let boot = TestId::new("runner", "boot of machine 3");
        for id in [&ids[2], &ids[0], &boot, &ids[1]] {
            let result = testing::result(id.clone(), Outcome::Pass);
            summary.apply(&Record {
                at_ms: 1,
                event: Event::TestFinished(Box::new(result)),
            });
        }
        let order: Vec<_> = summary.in_order().iter().map(|r| r.id.clone()).collect();
        assert_eq!(order, [&[boot], ids.as_slice()].concat());
        for machine in [2, 3, 1] {
            summary.apply(&Record {
                at_ms: 1,
                event: Event::MachineStarted { machine },
            });
        }
        let numbers: Vec<_> = summary.machines.iter().map(|m| m.machine).collect();
        assert_eq!(numbers, [1, 2, 3]);
    }

    #[test]
    fn one_test_may_run_on_two_machines_at_once() {
        let id = TestId::new("exec", "a");
        let mut summary = testing::started(vec![id.clone()]);
        let mut apply = |event| summary.apply(&Record { at_ms: 1, event });
        for machine in [1, 2] {
            let id = id.clone();
            apply(Event::TestStarted { id, machine });
        }
        apply(Event::TestAttempted(Box::new(testing::result(
            id,
            Outcome::Fail,
        ))));
        let machines: Vec<_> = summary.running.iter().map(|r| r.machine).collect();
        assert_eq!(machines, [2]);
        assert_eq!(summary.results, []);
    }
}
