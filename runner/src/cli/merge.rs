//! `runner report merge`.

use super::{EXIT_STATUS, Failure, machine::cache_dir, test::terminal};
use crate::{
    artifact::RunDir,
    error_chain,
    exit::{self, BootFailure, Exit, Verdict},
    plan::Durations,
};
use reports::{
    Event, Record, ReportError, Show, Summary, TerminalOptions,
    journal::{self, JOURNAL},
    merge::{Input, Merged, Moved, merge},
};
use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};
use time::OffsetDateTime;

/// Whole logs of a run, which no test's result speaks of.
const LOGS: [&str; 2] = ["kernel", "console"];

/// Arguments of `runner report merge`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub struct MergeArgs {
    /// Output directories of runs
    #[arg(value_name = "DIR", required = true)]
    dirs: Vec<PathBuf>,
    /// Where the joined results go
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// What a kernel that does not boot means: bad (exit status 1) or skip (125)
    #[arg(long, value_enum, default_value_t = BootFailure::Bad)]
    boot_failure: BootFailure,
    /// Where it is kept how long tests take [default: durations.json in the cache directory]
    #[arg(long, value_name = "FILE")]
    durations: Option<PathBuf>,
}

/// Runs `runner report merge`: the exit status is that of one run with all the tests.
pub fn run(args: &MergeArgs) -> Result<Exit, Failure> {
    let dirs = directories(args)?;
    let inputs = args
        .dirs
        .iter()
        .map(|dir| {
            let records = journal::read(&dir.join(JOURNAL)).map_err(|error| reading(dir, &error));
            Ok(Input {
                name: dir.display().to_string(),
                records: records?,
            })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let ended = worst_end(&inputs);
    let command = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let merged = merge(inputs, env!("CARGO_PKG_VERSION"), command.collect())
        .map_err(|error| Failure::host(error_chain(&error)))?;

    let run_dir = RunDir::create_at(&args.output).map_err(|e| Failure::host(error_chain(&e)))?;
    let mut left_out = copy_logs(&dirs, run_dir.path());
    left_out += copy(&merged, &dirs, run_dir.path());
    let records = with_end(merged, ended, left_out, args.boot_failure);
    let options = TerminalOptions {
        live: false,
        show: Show::Outline,
        ..terminal(false)
    };
    let whole = reports::retell(&records, run_dir.path(), options)
        .map_err(|error| Failure::host(error_chain(&error)))?;
    keep_durations(args, &whole);
    let finished = whole.finished.expect("the last record is the end");
    Ok(Exit::from_status(finished.exit_status))
}

/// The inputs, absolute, each once, and apart from the output.
fn directories(args: &MergeArgs) -> Result<Vec<PathBuf>, Failure> {
    let mut found: Vec<PathBuf> = Vec::new();
    // What is not there yet holds no input.
    let output = args.output.canonicalize().ok();
    for dir in &args.dirs {
        let name = dir.display();
        let full = dir
            .canonicalize()
            .map_err(|error| Failure::host(format!("{name}: {error}")))?;
        if found.contains(&full) {
            return Err(Failure::host(format!("{name} is named twice")));
        }
        if output.as_ref().is_some_and(|out| full.starts_with(out)) {
            return Err(Failure::host(format!(
                "--output {} holds the input {name}, which it would remove: name another",
                args.output.display()
            )));
        }
        found.push(full);
    }
    Ok(found)
}

fn reading(dir: &Path, error: &ReportError) -> Failure {
    Failure::host(format!(
        "{} cannot be merged: {}",
        dir.display(),
        error_chain(error)
    ))
}

/// The end of a run that outweighs every result: an interruption, or a host that failed in the middle.
fn worst_end(inputs: &[Input]) -> Option<(Exit, String)> {
    let ends = inputs.iter().filter_map(|input| {
        let summary = Summary::of(&input.records);
        let finished = summary.finished.clone()?;
        let exit = match finished.exit_status {
            130 => Exit::Interrupted,
            143 => Exit::Terminated,
            // Unless that is what its tests came to.
            128 if exit::of_run(&summary, verdict(&summary, BootFailure::Bad)).0 != Exit::Host => {
                Exit::Host
            }
            _ => return None,
        };
        Some((exit, format!("{}: {}", input.name, finished.reason)))
    });
    let weight = |exit: Exit| match exit {
        Exit::Interrupted => 0,
        Exit::Terminated => 1,
        _ => 2,
    };
    ends.min_by_key(|(exit, _)| weight(*exit))
}

fn verdict(summary: &Summary, boot_failure: BootFailure) -> Verdict {
    Verdict {
        boot_failure,
        flaky_is_bad: summary.run.as_ref().is_some_and(|run| run.repeat > 1),
    }
}

/// The records with what is to be said of the whole, and its end.
fn with_end(
    merged: Merged,
    ended: Option<(Exit, String)>,
    left_out: usize,
    boot_failure: BootFailure,
) -> Vec<Record> {
    let Merged {
        mut records,
        missing,
        duration_ms,
        ..
    } = merged;
    let at_ms = records.last().map_or(0, |last| last.at_ms).max(duration_ms);
    let mut say = |text| {
        let event = Event::Warning { text };
        records.push(Record { at_ms, event });
    };
    if left_out > 0 {
        say(format!(
            "{left_out} files of the inputs are not there or not theirs, and were left out"
        ));
    }
    let missing = missing.join(", ");
    if !missing.is_empty() {
        say(format!("shards are missing: {missing}"));
    }
    let summary = Summary::of(&records);
    let own = exit::of_run(&summary, verdict(&summary, boot_failure));
    let (exit, reason) = match (ended, own) {
        (Some(ended), _) => ended,
        (None, (Exit::Good | Exit::CannotJudge, _)) if !missing.is_empty() => {
            (Exit::Host, format!("shards are missing: {missing}"))
        }
        (None, own) => own,
    };
    records.push(Record {
        at_ms,
        event: Event::RunFinished {
            exit_status: exit as u8,
            reason,
            duration_ms,
        },
    });
    records
}

/// Copies the files that the results speak of. Returns how many could not be.
fn copy(merged: &Merged, inputs: &[PathBuf], output: &Path) -> usize {
    let copied = merged.files.iter().map(|Moved { input, from, to }| {
        copy_one(&inputs[*input], Path::new(from), &output.join(to))
    });
    copied.filter(Result::is_err).count()
}

/// Copies the whole logs.
fn copy_logs(inputs: &[PathBuf], output: &Path) -> usize {
    let mut failed = 0;
    for (place, input) in (1..).zip(inputs) {
        let entries = fs::read_dir(input).into_iter().flatten().flatten();
        for name in entries.map(|entry| entry.file_name()) {
            let text = name.to_string_lossy();
            let is_log = text.ends_with(".log") && LOGS.iter().any(|log| text.starts_with(log));
            if is_log {
                let to = output.join(format!("inputs/{place}")).join(&name);
                failed += usize::from(copy_one(input, Path::new(&name), &to).is_err());
            }
        }
    }
    failed
}

/// Copies one file of an input, if it is one: the input may come from anywhere, and must not lead out of itself.
fn copy_one(input: &Path, from: &Path, to: &Path) -> io::Result<()> {
    let plain = |path: &Path| path.components().all(|c| matches!(c, Component::Normal(_)));
    let source = input.join(from).canonicalize()?;
    if !plain(from) || !source.starts_with(input) || !source.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    fs::create_dir_all(to.parent().expect("below the output directory"))?;
    fs::copy(&source, to).map(drop)
}

/// A shard leaves the records alone by which the others are split; here all of them are done.
fn keep_durations(args: &MergeArgs, whole: &Summary) {
    let accelerator = match whole.run.as_ref().map(|run| run.accelerator.as_str()) {
        Some("kvm") => "kvm",
        Some("tcg") => "tcg",
        _ => return,
    };
    let cache = cache_dir();
    let (durations, _) = Durations::read(args.durations.as_deref(), cache.as_deref(), accelerator);
    if let Err(error) = durations.add(&whole.results, OffsetDateTime::now_utc()) {
        eprintln!("runner: how long the tests took could not be kept: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_leads_out_of_its_input() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let input = dir.path().join("input").canonicalize();
        assert!(input.is_err());
        fs::create_dir_all(dir.path().join("input/tests")).expect("made");
        fs::write(dir.path().join("input/tests/out"), "x").expect("written");
        fs::write(dir.path().join("secret"), "x").expect("written");
        std::os::unix::fs::symlink("../../secret", dir.path().join("input/tests/link"))
            .expect("linked");
        let input = dir.path().join("input").canonicalize().expect("there");
        let to = dir.path().join("output/a/b");
        copy_one(&input, Path::new("tests/out"), &to).expect("copied");
        assert!(to.exists());
        let secret = dir.path().join("secret");
        for wrong in [
            Path::new("tests/link"),
            Path::new("../secret"),
            Path::new("tests/../tests/out"),
            Path::new("tests"),
            Path::new("gone"),
            &secret,
        ] {
            assert!(copy_one(&input, wrong, &to).is_err(), "{}", wrong.display());
        }
    }
}
