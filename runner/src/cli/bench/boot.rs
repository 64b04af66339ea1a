//! `runner bench boot`: when a machine comes how far, how often it leaves the guest, and what it holds.

use super::{
    args::BootArgs,
    measure::{Bench, Done, Subject},
    table::{median, table, worst},
};
use crate::{
    cli::Failure,
    exit::Exit,
    kernel::{Format, Symbols},
    machine::{Mark, QueueStatistics},
    session::{Measured, Memory},
};
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write};
use suites::exec::command;

/// Causes of exits that have a line of their own; the others are one line.
const CAUSES: usize = 12;

/// Points of the timeline, in order.
const POINTS: [&str; 10] = [
    "process-start",
    "vm-created",
    "kernel-entered",
    "start-kernel",
    "init",
    "root-mounted",
    "init-ready",
    "ready",
    "test-done",
    "gone",
];

/// Everything that was measured.
#[derive(Debug, Serialize)]
struct Document {
    subject: Subject,
    runs: Vec<Run>,
}

/// One machine.
#[derive(Debug, Serialize)]
struct Run {
    /// Milliseconds since its launch, by point; `None` where the engine does not say.
    timeline_ms: BTreeMap<&'static str, Option<f64>>,
    /// Exits to user space, greatest first.
    exits: Option<Vec<(String, u64)>>,
    exits_total: Option<u64>,
    queues: Option<Vec<Queue>>,
    memory_kib: Option<Memory>,
}

/// Counts of one virtqueue.
#[derive(Debug, Clone, Serialize)]
pub struct Queue {
    /// Device and queue, as `p9:0`; of several of a kind the second is `p9.1:0`.
    pub queue: String,
    /// Notifications by the driver.
    pub kicks: u64,
    /// Interrupts to it.
    pub interrupts: u64,
    /// Requests.
    pub chains: u64,
}

/// Runs `runner bench boot`.
pub fn run(args: &BootArgs) -> Result<Exit, Failure> {
    let mut bench = Bench::prepare(&args.common)?;
    let test = command(&["true".into()]);
    let tests = std::slice::from_ref(&test);
    for warning in bench.machinery.pack(tests, &[], &bench.cwd)? {
        eprintln!("runner: {warning}");
    }
    let mut settings = bench.settings(&test, None)?;
    // Another entry than the kernel proper's moves it to a random address (KASLR).
    let loaded = bench.machinery.boot.loaded();
    if let Format::Vmlinux(_) = &loaded.format {
        let symbols = Symbols::of(loaded);
        settings.spec.start_kernel = symbols.and_then(|symbols| symbols.address_of("start_kernel"));
    }
    let mut document = Document {
        subject: bench.subject(),
        runs: Vec::new(),
    };
    for _ in 0..args.runs {
        match bench.measure(&mut settings, &test)? {
            Done::Measured(measured, _) => document.runs.push(Run::of(&measured)),
            Done::Interrupted(exit) => return Ok(exit),
        }
    }
    bench.print(&document, tables)?;
    Ok(Exit::Good)
}

/// The counts of queues with names that tell devices of a kind apart, in the machine's order.
pub fn queues(counted: &[QueueStatistics]) -> Vec<Queue> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    counted
        .iter()
        .map(|counts| {
            let before = seen.entry(&counts.queue).or_default();
            let queue = match (*before, counts.queue.split_once(':')) {
                (0, _) | (_, None) => counts.queue.clone(),
                (n, Some((device, index))) => format!("{device}.{n}:{index}"),
            };
            *before += 1;
            Queue {
                queue,
                kicks: counts.kicks,
                interrupts: counts.interrupts,
                chains: counts.chains,
            }
        })
        .collect()
}

impl Run {
    fn of(measured: &Measured) -> Self {
        let mark = |mark| measured.marks.get(&mark).copied();
        let times = [
            mark(Mark::ProcessStart),
            mark(Mark::VmCreated),
            mark(Mark::KernelEntered),
            mark(Mark::StartKernel),
            mark(Mark::Init),
            mark(Mark::RootMounted),
            mark(Mark::Ready),
            measured.ready,
            measured.test_done,
            measured.gone,
        ];
        let since = |nanos: u64| nanos.saturating_sub(measured.launched) as f64 / 1e6;
        let counted = measured.statistics.as_ref();
        Self {
            timeline_ms: POINTS
                .into_iter()
                .zip(times.map(|time| time.map(since)))
                .collect(),
            exits: counted.map(|all| all.exits.clone()),
            exits_total: counted.map(|all| all.exits_total),
            queues: counted.map(|all| queues(&all.queues)),
            memory_kib: measured.memory,
        }
    }
}

fn tables(document: &Document) -> String {
    let runs = &document.runs;
    let mut text = format!("{}\n{} boots\n\n", document.subject, runs.len());
    text += &timeline(runs);
    if let Some(exits) = exits(runs) {
        text = text + "\n" + &exits;
    }
    let counted: Vec<&[Queue]> = runs
        .iter()
        .filter_map(|run| run.queues.as_deref())
        .collect();
    if !counted.is_empty() {
        text = text + "\n" + &queue_table(&counted);
    }
    let memory: Vec<Memory> = runs.iter().filter_map(|run| run.memory_kib).collect();
    if !memory.is_empty() {
        let of = |part: fn(&Memory) -> u64| worst(memory.iter().map(part));
        // Cannot fail: a string.
        let _ = writeln!(
            text,
            "\nmemory of the process at the end, KiB, worst: {} its own, {} of mapped files; beside {} of the guest's",
            of(|m| m.own),
            of(|m| m.file),
            of(|m| m.guest)
        );
    }
    text
}

fn timeline(runs: &[Run]) -> String {
    let ms = |value: f64| format!("{value:.1}");
    let mut rows = Vec::new();
    let mut previous: Option<&str> = None;
    for point in POINTS {
        let at = |point: &str, run: &Run| run.timeline_ms.get(point).copied().flatten();
        let times: Vec<f64> = runs.iter().filter_map(|run| at(point, run)).collect();
        if times.is_empty() {
            rows.push([point.into(), "-".into(), "-".into(), "-".into()]);
            continue;
        }
        let steps = runs.iter().filter_map(|run| {
            let before = previous.map_or(Some(0.0), |before| at(before, run))?;
            Some(at(point, run)? - before)
        });
        let step = median(steps);
        rows.push([
            point.into(),
            ms(median(times.iter().copied())),
            ms(worst(times)),
            ms(step),
        ]);
        previous = Some(point);
    }
    table(["ms since launch", "median", "worst", "step"], &rows)
}

fn exits(runs: &[Run]) -> Option<String> {
    let totals: Vec<u64> = runs.iter().filter_map(|run| run.exits_total).collect();
    if totals.is_empty() {
        return None;
    }
    let mut causes: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (cause, count) in runs.iter().filter_map(|run| run.exits.as_ref()).flatten() {
        causes.entry(cause).or_default().push(*count);
    }
    let mut causes: Vec<(&str, u64, u64)> = causes
        .into_iter()
        .map(|(cause, mut counts)| {
            // A run that does not name it had none.
            counts.resize(totals.len(), 0);
            (cause, median(counts.iter().copied()), worst(counts))
        })
        .collect();
    causes.sort_by_key(|&(cause, median, worst)| (std::cmp::Reverse((median, worst)), cause));
    let mut rows = vec![[
        "all".into(),
        median(totals.iter().copied()).to_string(),
        worst(totals).to_string(),
    ]];
    let row = |(cause, median, worst): &(&str, u64, u64)| {
        [(*cause).into(), median.to_string(), worst.to_string()]
    };
    rows.extend(causes.iter().take(CAUSES).map(row));
    if let Some(rest) = causes.get(CAUSES..).filter(|rest| !rest.is_empty()) {
        let sum = rest.iter().map(|&(_, median, _)| median).sum::<u64>();
        rows.push(["others".into(), sum.to_string(), "-".into()]);
    }
    Some(table(["exits to user space", "median", "worst"], &rows))
}

fn queue_table(counted: &[&[Queue]]) -> String {
    let rows: Vec<[String; 4]> = counted[0]
        .iter()
        .filter(|queue| queue.kicks + queue.chains > 0)
        .map(|queue| {
            let of = |part: fn(&Queue) -> u64| {
                let same =
                    |queues: &&[Queue]| queues.iter().find(|q| q.queue == queue.queue).map(part);
                median(counted.iter().filter_map(same)).to_string()
            };
            [
                queue.queue.clone(),
                of(|q| q.kicks),
                of(|q| q.interrupts),
                of(|q| q.chains),
            ]
        })
        .collect();
    table(["queue", "kicks", "interrupts", "chains"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Statistics;

    fn run(launched: u64, init: Option<u64>) -> Run {
        let queue = |queue: &str, kicks| QueueStatistics {
            queue: queue.into(),
            kicks,
            interrupts: 2,
            chains: 3,
        };
        Run::of(&Measured {
            launched,
            marks: init
                .map(|at| (Mark::Init, launched + at * 1_000_000))
                .into_iter()
                .collect(),
            ready: Some(launched + 30_000_000),
            test_done: None,
            gone: Some(launched + 31_500_000),
            memory: None,
            statistics: init.map(|at| Statistics {
                exits: vec![("io_out:0x80".into(), at)],
                exits_total: at,
                queues: vec![queue("p9:0", at), queue("p9:0", 7), queue("rng:0", 0)],
                guest_resident_kib: 100,
            }),
        })
    }

    #[test]
    fn the_timeline_names_what_is_known_and_the_steps_between() {
        let runs = [
            run(5_000_000, Some(10)),
            run(9_000_000, Some(20)),
            run(1, Some(12)),
        ];
        let text = timeline(&runs);
        let row = |name: &str| -> Vec<&str> {
            let line = text
                .lines()
                .find(|line| line.split_whitespace().next() == Some(name));
            line.expect("a row").split_whitespace().skip(1).collect()
        };
        assert_eq!(row("init"), ["12.0", "20.0", "12.0"]);
        assert_eq!(row("ready"), ["30.0", "30.0", "18.0"]);
        assert_eq!(row("test-done"), ["-", "-", "-"]);
        assert_eq!(row("gone"), ["31.5", "31.5", "1.5"]);
    }

    #[test]
    fn what_is_not_counted_is_not_shown() {
        let subject = || Subject::for_tests();
        let without = tables(&Document {
            subject: subject(),
            runs: vec![run(1, None)],
        });
        assert!(
            !without.contains("exits") && !without.contains("queue"),
            "{without}"
        );
        let with = tables(&Document {
            subject: subject(),
            runs: vec![run(1, Some(4))],
        });
        for words in [
            "all                       4",
            "p9:0        4           2       3",
            "p9.1:0      7",
        ] {
            assert!(with.contains(words), "{words:?} in {with}");
        }
    }
}
