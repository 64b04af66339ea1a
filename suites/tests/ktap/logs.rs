//! Output of real kernel selftests, in the directory that `RUNNER_TEST_LOGS` names: `kselftest-COLLECTION.log`, each the
//! output of `run_kselftest.sh -c COLLECTION` of Linux 6.12. The sums were counted with grep and by reading.

use crate::support::*;
use std::{collections::BTreeMap, path::PathBuf};
use suites::{
    Outcome::{self, *},
    OutputFormat,
    ktap::Document,
};

struct Log {
    name: &'static str,
    /// Passes, failures and skips that the programs printed.
    nested: [u64; 3],
    /// Programs that passed, failed, were skipped and timed out, as the wrapper printed them.
    programs: [u64; 4],
    /// Problems of programs.
    problems: &'static [&'static str],
}

const fn log(
    name: &'static str,
    nested: [u64; 3],
    programs: [u64; 4],
    problems: &'static [&'static str],
) -> Log {
    Log {
        name,
        nested,
        programs,
        problems,
    }
}

const LOGS: &[Log] = &[
    log("capabilities", [21, 0, 0], [1, 0, 0, 0], &[]),
    log("clone3", [49, 1, 0], [3, 1, 0, 0], &[]),
    log(
        "edge-cases",
        [2, 0, 1],
        [9, 8, 1, 4],
        &["bail: the plan says 2 results, 1 came"],
    ),
    log("exec", [114, 0, 0], [11, 0, 0, 0], &[]),
    log("futex", [46, 1, 0], [0, 1, 0, 0], &[]),
    log("mqueue", [0, 0, 0], [1, 0, 0, 1], &[]),
    log(
        "pidfd-hang",
        [12, 0, 0],
        [2, 0, 0, 1],
        &["pidfd_test: the plan says 8 results, 7 came"],
    ),
    log("sched", [0, 0, 0], [0, 1, 0, 0], &[]),
    log("timens", [29, 0, 0], [8, 0, 0, 0], &[]),
    log("timers", [35, 6, 10], [7, 2, 0, 0], &[]),
];

fn logs() -> Option<Vec<(&'static Log, Vec<u8>)>> {
    let Some(directory) = std::env::var_os("RUNNER_TEST_LOGS") else {
        println!("SKIP: RUNNER_TEST_LOGS does not name a directory of kselftest logs");
        return None;
    };
    let directory = PathBuf::from(directory);
    let read = |log: &'static Log| {
        let path = directory.join(format!("kselftest-{}.log", log.name));
        let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (log, text)
    };
    Some(LOGS.iter().map(read).collect())
}

/// The output of each program: what stands between the wrapper's lines, without their prefix.
fn programs(log: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut programs: Vec<(String, Vec<u8>)> = Vec::new();
    let mut inside = false;
    for line in log.split_inclusive(|&b| b == b'\n') {
        if let Some(title) = line.strip_prefix(b"# selftests: ") {
            let title = String::from_utf8_lossy(title);
            let name = title.rsplit(": ").next().unwrap().trim();
            programs.push((name.into(), Vec::new()));
            inside = true;
        } else if !line.starts_with(b"#") {
            inside = false;
        } else if inside {
            let line = line.strip_prefix(b"# ").unwrap_or(b"\n");
            // The wrapper's result may stand behind the program's last words.
            let words = line.windows(12).position(|w| w == b" selftests: ");
            let end = words.map_or(line.len(), |w| {
                let before = String::from_utf8_lossy(&line[..w]).into_owned();
                before.rfind("not ok").or(before.rfind("ok")).unwrap()
            });
            programs.last_mut().unwrap().1.extend(&line[..end]);
        }
    }
    programs
}

fn add(sum: &mut BTreeMap<Outcome, u64>, counts: impl IntoIterator<Item = (Outcome, u64)>) {
    for (outcome, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        *sum.entry(outcome).or_default() += count;
    }
}

fn nested(log: &Log) -> BTreeMap<Outcome, u64> {
    let mut sum = BTreeMap::new();
    add(&mut sum, [Pass, Fail, Skip].into_iter().zip(log.nested));
    sum
}

#[test]
fn the_output_of_each_program() {
    for (log, text) in logs().unwrap_or_default() {
        let mut sum = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, output) in programs(&text) {
            let document = parse(output);
            add(&mut sum, document.counts());
            problems.extend(document.problems.iter().map(|p| format!("{name}: {p}")));
        }
        assert_eq!(sum, nested(log), "{}", log.name);
        assert_eq!(problems, log.problems, "{}", log.name);
    }
}

#[test]
fn the_output_of_the_wrapper_as_one_program() {
    for (log, text) in logs().unwrap_or_default() {
        let document: Document = parse_as(OutputFormat::Auto, &text);
        let mut programs = BTreeMap::new();
        let mut leaves = document.counts();
        for point in &document.results {
            add(&mut programs, [(point.outcome, 1)]);
            if point.children.is_empty() {
                *leaves.get_mut(&point.outcome).unwrap() -= 1;
            }
        }
        leaves.retain(|_, count| *count > 0);
        let mut expected = BTreeMap::new();
        let outcomes = [Pass, Fail, Skip, TimeOut];
        add(&mut expected, outcomes.into_iter().zip(log.programs));
        assert_eq!(programs, expected, "{}: {:?}", log.name, outline(&document));
        assert_eq!(leaves, nested(log), "{}", log.name);
        // Each problem of a program, one for each parent that it fails, and one for the log that was cut.
        let own = |p: &&String| p.starts_with("in ");
        let inner = document.problems.iter().filter(own).count();
        assert_eq!(inner, log.problems.len(), "{:?}", document.problems);
    }
}
