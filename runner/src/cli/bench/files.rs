//! `runner bench files`: how fast a machine reads the host's files, and what that takes of the virtqueue.

use super::{
    args::FilesArgs,
    boot::{Queue, queues},
    measure::{Bench, Done, Subject},
    patterns::{PATTERNS, PLACE, Said},
    table::{median, table},
    tree::{self, Size},
};
use crate::{
    artifact::Scratch,
    cli::{Failure, machine::host},
    exit::Exit,
    session::Measured,
};
use serde::Serialize;
use std::path::Path;

/// Everything that was measured.
#[derive(Debug, Serialize)]
struct Document {
    subject: Subject,
    size: Size,
    patterns: Vec<Pattern>,
}

/// One pattern.
#[derive(Debug, Serialize)]
struct Pattern {
    name: &'static str,
    runs: Vec<Run>,
}

/// One machine.
#[derive(Debug, Clone, Serialize)]
struct Run {
    #[serde(flatten)]
    said: Said,
    /// Of the share's queue, over the machine's life: its mount and the pattern. `None` where the engine does not say.
    queue: Option<Queue>,
}

/// Runs `runner bench files`.
pub fn run(args: &FilesArgs) -> Result<Exit, Failure> {
    let mut bench = Bench::prepare(&args.common)?;
    if !bench.machinery.boot.shared {
        return Err(Failure::host(
            "how fast the host's files are read over 9P cannot be measured without 9P: take a kernel that has it, and no \
             --root-transport initramfs",
        ));
    }
    let size = match args.quick {
        true => Size::QUICK,
        false => Size::FULL,
    };
    let dir = Scratch::new().map_err(host("make a temporary directory"))?;
    tree::make(dir.path(), size).map_err(host("make files to read"))?;
    let mut document = Document {
        subject: bench.subject(),
        size,
        patterns: Vec::new(),
    };
    for pattern in PATTERNS {
        let test = pattern.test();
        let mut settings = bench.settings(&test, Some((dir.path(), Path::new(PLACE))))?;
        let mut runs = Vec::new();
        for _ in 0..args.runs {
            match bench.measure(&mut settings, &test)? {
                Done::Measured(measured, printed) => runs.push(Run::of(&measured, &printed)?),
                Done::Interrupted(exit) => return Ok(exit),
            }
        }
        document.patterns.push(Pattern {
            name: pattern.name,
            runs,
        });
    }
    bench.print(&document, tables)?;
    Ok(Exit::Good)
}

impl Run {
    fn of(measured: &Measured, printed: &str) -> Result<Self, Failure> {
        let said = Said::parse(printed).ok_or_else(|| {
            Failure::host(format!(
                "init printed something else than figures: {}",
                printed.escape_debug()
            ))
        })?;
        let counted = measured.statistics.as_ref();
        // Shares are devices in their order, and the one that is read was added last.
        let queue = counted.and_then(|all| {
            let is_share = |queue: &Queue| queue.queue.starts_with("p9");
            queues(&all.queues).into_iter().rfind(is_share)
        });
        Ok(Self { said, queue })
    }
}

fn tables(document: &Document) -> String {
    let rows: Vec<[String; 8]> = document
        .patterns
        .iter()
        .map(|pattern| {
            let runs = &pattern.runs;
            let of = |part: fn(&Said) -> f64| median(runs.iter().map(|run| part(&run.said)));
            let count = |part: fn(&Queue) -> u64| {
                let counts: Vec<u64> = runs
                    .iter()
                    .filter_map(|run| run.queue.as_ref().map(part))
                    .collect();
                (!counts.is_empty()).then(|| median(counts))
            };
            let cell = |count: Option<u64>| count.map_or_else(|| "-".into(), |n| n.to_string());
            let chains = count(|queue| queue.chains);
            let operations = of(|said| said.operations as f64);
            let each = chains.map(|chains| chains as f64 / operations.max(1.0));
            [
                pattern.name.into(),
                format!("{:.1}", of(|said| said.seconds() * 1e3)),
                match of(|said| said.bytes as f64) {
                    0.0 => "-".into(),
                    _ => format!("{:.2}", of(|said| said.bytes as f64 / 1e6 / said.seconds())),
                },
                format!("{:.0}", of(|said| said.operations as f64 / said.seconds())),
                cell(count(|queue| queue.kicks)),
                cell(count(|queue| queue.interrupts)),
                cell(chains),
                each.map_or_else(|| "-".into(), |each| format!("{each:.2}")),
            ]
        })
        .collect();
    let Size {
        large,
        directories,
        files,
    } = document.size;
    format!(
        "{}\none file of {} MiB, {} of 1 KiB in {directories} directories; medians\n\n{}",
        document.subject,
        large >> 20,
        directories * files,
        table(
            [
                "pattern",
                "ms",
                "MB/s",
                "ops/s",
                "kicks",
                "interrupts",
                "chains",
                "chains/op"
            ],
            &rows
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{QueueStatistics, Statistics};

    fn measured(counted: bool) -> Measured {
        let queue = |queue: &str, chains| QueueStatistics {
            queue: queue.into(),
            kicks: 5,
            interrupts: 6,
            chains,
        };
        Measured {
            statistics: counted.then(|| Statistics {
                queues: vec![queue("p9:0", 900), queue("p9:0", 30), queue("rng:0", 1)],
                ..Statistics::default()
            }),
            ..Measured::now()
        }
    }

    fn row(runs: Vec<Run>) -> Vec<String> {
        let patterns = vec![Pattern { name: "walk", runs }];
        let text = tables(&Document {
            subject: Subject::for_tests(),
            size: Size::QUICK,
            patterns,
        });
        let line = text.lines().last().expect("a row");
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_counts_are_those_of_the_share_that_was_read() {
        let run = Run::of(&measured(true), "4000000 20 2000000000\n").expect("figures");
        assert_eq!(
            row(vec![run]),
            ["walk", "2000.0", "2.00", "10", "5", "6", "30", "1.50"]
        );
        let run = Run::of(&measured(false), "4000000 20 2000000000\n").expect("figures");
        assert_eq!(row(vec![run])[4..], ["-", "-", "-", "-"]);
    }

    #[test]
    fn what_is_no_figure_is_refused() {
        assert!(Run::of(&measured(true), "cannot read /mnt: gone\n").is_err());
    }
}
