//! How the tests of a run are spread over machines and hosts, how often they run, and what they are compared with.

use super::Failure;
use crate::{
    dispatch::{Budget, Isolate, MOST_MACHINES, Repetition},
    error_chain,
    plan::{Durations, Part, ShardArg, digest, split},
};
use reports::{Baseline, Shard};
use std::path::PathBuf;
use suites::Test;

/// How often `--until-failure` goes round where `--repeat` says nothing.
const UNTIL_FAILURE: u32 = 1000;

/// How the tests of a run are spread and repeated.
#[derive(Debug, clap::Args)]
pub struct PoolArgs {
    /// Machines that run at once, each one test at a time: a number, or auto for as many as the host's CPUs and memory allow
    #[arg(long, short, value_name = "N|auto", default_value = "1", value_parser = parse_jobs, allow_negative_numbers = true)]
    jobs: Jobs,
    /// What may share a machine
    #[arg(long, value_enum, default_value_t = Isolate::Run)]
    isolate: Isolate,
    /// Run only the K-th of N parts of the selection; auto: as Slurm, GitLab or Buildkite say, auto/N: as Kubernetes does
    #[arg(long, value_name = "K/N", allow_hyphen_values = true)]
    shard: Option<ShardArg>,
    /// Where it is kept how long tests take [default: durations.json in the cache directory]
    #[arg(long, value_name = "FILE")]
    durations: Option<PathBuf>,
    /// Run a test that fails again, up to N times; one that passes then is flaky
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(u32).range(0..=100), allow_negative_numbers = true, conflicts_with_all = ["repeat", "until_failure"])]
    retries: u32,
    /// Run every test N times; one that does not always pass is flaky
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), allow_negative_numbers = true)]
    repeat: Option<u32>,
    /// Repeat the selection until something is not good, at most --repeat times, else 1000
    #[arg(long)]
    until_failure: bool,
    /// results.json of an earlier run: tell only what changed, and let only new failures count
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

/// `--jobs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Jobs {
    Auto,
    Count(u32),
}

fn parse_jobs(text: &str) -> Result<Jobs, String> {
    match text {
        "auto" => Ok(Jobs::Auto),
        _ => match text.parse() {
            Ok(count) if (1..=MOST_MACHINES).contains(&count) => Ok(Jobs::Count(count)),
            _ => Err(format!("it is a number from 1 to {MOST_MACHINES}, or auto")),
        },
    }
}

/// The tests that are left of a selection for this part of it.
pub struct Share {
    /// In the order of the selection.
    pub tests: Vec<Test>,
    /// Milliseconds that each is expected to take.
    pub expected: Vec<u64>,
    /// Which part it is, if it is not all.
    pub shard: Option<Shard>,
}

impl PoolArgs {
    /// How often tests are run.
    pub fn repetition(&self) -> Repetition {
        let endless = if self.until_failure { UNTIL_FAILURE } else { 1 };
        Repetition {
            retries: self.retries,
            times: self.repeat.unwrap_or(endless),
            until_failure: self.until_failure,
        }
    }

    /// What may share a machine.
    pub fn isolate(&self) -> Isolate {
        self.isolate
    }

    /// Which part of the selection is to run.
    ///
    /// # Errors
    /// When the environment does not say.
    pub fn part(&self) -> Result<Option<Part>, Failure> {
        let variable = |name: &str| std::env::var(name).ok();
        let part = self.shard.map(|shard| shard.resolve(&variable));
        part.transpose().map_err(Failure::host)
    }

    /// The baseline.
    ///
    /// # Errors
    /// When there is none at the place that was named.
    pub fn baseline(&self) -> Result<Option<Baseline>, Failure> {
        let read = |path: &PathBuf| {
            Baseline::read(path).map_err(|error| {
                let text = error_chain(&error);
                Failure::host(format!("--baseline {}: {text}", path.display()))
            })
        };
        self.baseline.as_ref().map(read).transpose()
    }

    /// How many machines of so many virtual CPUs and so much memory there are at once, and a warning where that is more
    /// than the host has room for.
    pub fn jobs(&self, cpus: u32, memory_mib: u64, translated: bool) -> (u32, Option<String>) {
        let budget = Budget::of_host();
        let room = budget.machines(cpus, memory_mib, translated);
        match self.jobs {
            Jobs::Auto => (room, None),
            Jobs::Count(count) if count <= room || count == 1 => (count, None),
            Jobs::Count(count) => {
                let warning = format!(
                    "--jobs {count}: this host has {} CPUs and {} MiB free, enough for {room} of these machines; tests \
                     that measure time may fail for want of it",
                    budget.cpus, budget.memory_mib
                );
                (count, Some(warning))
            }
        }
    }

    /// How long tests took before.
    pub fn durations(&self, accelerator: &'static str) -> (Durations, Option<String>) {
        let cache = super::machine::cache_dir();
        Durations::read(self.durations.as_deref(), cache.as_deref(), accelerator)
    }
}

/// What is left of `tests` for `part`.
pub fn share(tests: Vec<Test>, part: Option<Part>, durations: &Durations) -> Share {
    let ids: Vec<_> = tests.iter().map(|test| &test.id).collect();
    let expected = durations.expected(&ids);
    let Some(part) = part else {
        return Share {
            tests,
            expected,
            shard: None,
        };
    };
    let shard = Shard {
        index: part.index,
        of: part.of,
        selected: tests.len() as u64,
        split: digest(&ids, &expected, part.of),
    };
    let own = split(&expected, part);
    Share {
        tests: own.iter().map(|&test| tests[test].clone()).collect(),
        expected: own.iter().map(|&test| expected[test]).collect(),
        shard: Some(shard),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        pool: PoolArgs,
    }

    fn line(line: &str) -> Result<PoolArgs, String> {
        let words = std::iter::once("x").chain(line.split_whitespace());
        let parsed = Line::try_parse_from(words).map_err(|e| e.to_string())?;
        Ok(parsed.pool)
    }

    #[test]
    fn repetition_is_bounded_and_said_once() {
        let times = |text| line(text).expect(text).repetition().times;
        assert_eq!(times(""), 1);
        assert_eq!(times("--repeat 5"), 5);
        assert_eq!(times("--until-failure"), 1000);
        assert_eq!(times("--until-failure --repeat 7"), 7);
        for wrong in [
            "--repeat 0",
            "--repeat 1001",
            "--retries 101",
            "--retries -1",
            "--retries 1 --repeat 2",
            "--retries 1 --until-failure",
            "--jobs 0",
            "--jobs many",
            "--jobs 257",
            "--shard 3/2",
            "--isolate never",
        ] {
            assert!(line(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn more_machines_than_there_is_room_for_are_warned_of() {
        let pool = line("--jobs 256").expect("parsed");
        let (jobs, warning) = pool.jobs(255, 64, false);
        assert_eq!(jobs, 256);
        assert!(warning.expect("a warning").contains("enough for"));
        assert_eq!(
            line("").expect("parsed").jobs(255, 1 << 30, true),
            (1, None)
        );
        let (auto, warning) = line("--jobs auto").expect("parsed").jobs(1, 64, false);
        assert!(auto >= 1 && warning.is_none());
    }
}
