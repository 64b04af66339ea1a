//! Which test runs next, where, and whether once more. Pure: it knows neither machines nor clocks.

use super::attempts::sum_up;
use reports::TestResult;
use std::collections::VecDeque;
use suites::{Outcome, TestId};

/// What may share a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Isolate {
    /// Nothing: every test boots a machine of its own
    Test,
    /// The tests of one collection, or of one suite that has none
    Collection,
    /// All tests of the run
    #[default]
    Run,
}

/// How often tests are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repetition {
    /// How often a test that is not good is run again at most.
    pub retries: u32,
    /// How often every test is run, whatever comes of it; at least once.
    pub times: u32,
    /// Whether the first attempt that is not good ends all of it.
    pub until_failure: bool,
}

impl Repetition {
    /// Every test once.
    #[cfg(test)]
    pub const ONCE: Self = Self {
        retries: 0,
        times: 1,
        until_failure: false,
    };
}

/// How a run treats its tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How many machines there are at once, at least one.
    pub lanes: usize,
    /// What may share a machine.
    pub isolate: Isolate,
    /// How often tests are run.
    pub repetition: Repetition,
    /// Whether the first test that is not good ends the run.
    pub fail_fast: bool,
}

/// What an attempt that ended means.
#[derive(Debug, PartialEq)]
pub struct Step {
    /// The attempt, if it is one of several.
    pub attempt: Option<TestResult>,
    /// The test's result, once it has one.
    pub finished: Option<TestResult>,
}

impl Step {
    /// The test is not finished by it.
    fn attempted(result: TestResult) -> Self {
        Self {
            attempt: Some(result),
            finished: None,
        }
    }
}

/// What a machine is doing.
#[derive(Debug, Default)]
struct Lane {
    /// What only this lane takes.
    batch: VecDeque<usize>,
    /// What runs now.
    running: Option<usize>,
    /// Tests that its present machine was given.
    given: u32,
    /// Whether its present machine is for one test that is to have it to itself.
    apart: bool,
}

/// The tests of a run on their way.
#[derive(Debug)]
pub struct Schedule {
    rules: Rules,
    /// All batches of a round, in the order in which they are begun.
    round: Vec<Vec<usize>>,
    /// Rounds that have not begun.
    rounds_left: u32,
    waiting: VecDeque<VecDeque<usize>>,
    lanes: Vec<Lane>,
    /// Of each test so far, and whether it is finished.
    attempts: Vec<Vec<TestResult>>,
    finished: Vec<bool>,
    /// Of each test, whether it is to have a machine to itself; empty while none is.
    apart: Vec<bool>,
    /// Nothing more is to be given out.
    stopped: bool,
}

impl Schedule {
    /// A schedule of `tests`. `weights` are the milliseconds that each is expected to take; with several lanes what takes
    /// longest begins first, else the order is kept. What is not `runnable` is never given out.
    pub fn new(rules: Rules, tests: &[&TestId], weights: &[u64], runnable: &[bool]) -> Self {
        let mut batches: Vec<Vec<usize>> = Vec::new();
        let mut groups = std::collections::HashMap::new();
        for (index, id) in tests.iter().enumerate().filter(|(i, _)| runnable[*i]) {
            match rules.isolate {
                Isolate::Collection => {
                    let place = *groups.entry((&id.suite, &id.group)).or_insert_with(|| {
                        batches.push(Vec::new());
                        batches.len() - 1
                    });
                    batches[place].push(index);
                }
                Isolate::Test | Isolate::Run => batches.push(vec![index]),
            }
        }
        let weight = |batch: &Vec<usize>| -> u64 {
            let weights = batch.iter().map(|&index| weights[index]);
            weights.fold(0, u64::saturating_add)
        };
        if rules.lanes > 1 {
            // Stable: without records nothing moves.
            batches.sort_by_key(|batch| std::cmp::Reverse(weight(batch)));
        }
        Self {
            lanes: (0..rules.lanes).map(|_| Lane::default()).collect(),
            rules,
            round: batches,
            rounds_left: rules.repetition.times,
            waiting: VecDeque::new(),
            attempts: vec![Vec::new(); tests.len()],
            finished: vec![false; tests.len()],
            apart: Vec::new(),
            stopped: false,
        }
    }

    /// How many machines there is work for at once, at most.
    pub fn width(&self) -> usize {
        let rounds = usize::try_from(self.rounds_left).unwrap_or(usize::MAX);
        self.round
            .len()
            .saturating_mul(rounds)
            .min(self.rules.lanes)
    }

    /// Whether another machine is wanted in a lane; what is given to the lane from now on goes to that one. Its first
    /// test is set aside, so that no machine boots in vain.
    pub fn wants_machine(&mut self, lane: usize) -> bool {
        if self.stopped {
            return false;
        }
        if self.lanes[lane].batch.is_empty() {
            self.lanes[lane].batch = self.next_batch().unwrap_or_default();
        }
        self.lanes[lane].given = 0;
        let first = self.first(lane);
        self.lanes[lane].apart = first.is_some_and(|index| self.is_apart(index));
        first.is_some()
    }

    /// The test that is set aside for the next machine of a lane.
    pub fn first(&self, lane: usize) -> Option<usize> {
        self.lanes[lane].batch.front().copied()
    }

    /// From now on these tests have machines to themselves, whatever the others share.
    pub fn tear_apart(&mut self, apart: Vec<bool>) {
        self.apart = apart;
    }

    /// Whether some tests have machines to themselves by now.
    pub fn is_torn(&self) -> bool {
        !self.apart.is_empty()
    }

    fn is_apart(&self, index: usize) -> bool {
        self.apart.get(index).copied().unwrap_or(false)
    }

    /// The next test for the present machine of a lane.
    pub fn next(&mut self, lane: usize) -> Option<usize> {
        if self.stopped {
            return None;
        }
        let fresh = self.lanes[lane].given == 0;
        if !fresh && (self.rules.isolate == Isolate::Test || self.lanes[lane].apart) {
            return None;
        }
        if self.lanes[lane].batch.is_empty() {
            if !fresh && self.rules.isolate != Isolate::Run {
                return None;
            }
            self.lanes[lane].batch = self.next_batch()?;
        }
        if !fresh && self.first(lane).is_some_and(|index| self.is_apart(index)) {
            return None;
        }
        let lane = &mut self.lanes[lane];
        lane.running = lane.batch.pop_front();
        lane.given += 1;
        lane.running
    }

    fn next_batch(&mut self) -> Option<VecDeque<usize>> {
        if self.waiting.is_empty() && self.rounds_left > 0 {
            self.rounds_left -= 1;
            self.waiting = self
                .round
                .iter()
                .map(|batch| batch.iter().copied().collect())
                .collect();
        }
        self.waiting.pop_front()
    }

    /// The test that ran in a lane ended. One that was given up is no attempt.
    pub fn ended(&mut self, lane: usize, result: TestResult) -> Step {
        let Some(index) = self.lanes[lane].running.take() else {
            return Step::attempted(result);
        };
        let Repetition {
            retries,
            times,
            until_failure,
        } = self.rules.repetition;
        if result.outcome == Outcome::NotRun {
            if times > 1 || !self.attempts[index].is_empty() {
                return Step::attempted(result);
            }
            self.finished[index] = true;
            return Step {
                attempt: None,
                finished: Some(result),
            };
        }
        let good = result.outcome.is_good();
        let attempts = &mut self.attempts[index];
        attempts.push(result.clone());
        let count = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
        if times > 1 {
            self.stopped |= !good && (until_failure || self.rules.fail_fast);
            if count < times {
                return Step::attempted(result);
            }
        } else if !good && count <= retries {
            self.lanes[lane].batch.push_front(index);
            return Step::attempted(result);
        }
        self.finished[index] = true;
        let whole = sum_up(std::mem::take(attempts)).expect("it was just attempted");
        let tolerated = whole.outcome == Outcome::Flaky;
        self.stopped |= self.rules.fail_fast && !whole.outcome.is_good() && !tolerated;
        let several = !whole.attempts.is_empty();
        Step {
            attempt: several.then_some(result),
            finished: Some(whole),
        }
    }

    /// What ran in a lane will have no result.
    pub fn abandon(&mut self, lane: usize) {
        self.lanes[lane].running = None;
    }

    /// Nothing more is given out.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether nothing more is given out.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// The tests that are not finished, with what is known of them from attempts.
    pub fn left(self) -> Vec<(usize, Option<TestResult>)> {
        let attempts = self.attempts.into_iter().enumerate().zip(self.finished);
        attempts
            .filter(|(_, finished)| !finished)
            .map(|((index, attempts), _)| (index, sum_up(attempts)))
            .collect()
    }
}

#[cfg(test)]
mod tests;
