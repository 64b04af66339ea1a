//! `runner test`.

use super::{
    EXIT_STATUS, Failure,
    args::{SelectArgs, parse_pattern, parse_seconds},
    machine::{MachineArgs, Rules, base_environment, cache_dir, host},
    pool::{PoolArgs, share},
};
use crate::{
    artifact::RunDir,
    dispatch::{self, Cancel, Interrupt, Orders},
    error_chain,
    exit::{BootFailure, Exit, Verdict},
    machine::Accelerator,
    plan,
};
use reports::{Event, Reports, TerminalOptions};
use rustix::termios::isatty;
use std::{io, path::PathBuf, time::Duration};
use suites::Pattern;
use time::OffsetDateTime;

/// Arguments of `runner test`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub struct TestArgs {
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    pool: PoolArgs,
    #[command(flatten)]
    machine: MachineArgs,
    /// Time limit of every test, instead of its own (its settings file's, else 45 s for selftests, 300 s for commands); 0 for none
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, allow_negative_numbers = true)]
    timeout: Option<Duration>,
    /// Where the results go.
    #[arg(
        long,
        short,
        value_name = "DIR",
        help = "Where the results go [default: runner-results/<UTC time>]"
    )]
    output: Option<PathBuf>,
    /// Go on after a failure (the default)
    #[arg(long, overrides_with = "fail_fast")]
    keep_going: bool,
    /// Stop at the first test that is not good
    #[arg(long, overrides_with = "keep_going")]
    fail_fast: bool,
    /// Splat that is no failure of any test: a glob over class, title or fingerprint (see `runner splats`); repeatable
    #[arg(long = "allow-splat", value_name = "PATTERN", value_parser = parse_pattern)]
    allowed_splats: Vec<Pattern>,
    /// What a kernel that does not boot means: bad (exit status 1) or skip (125)
    #[arg(long, value_enum, default_value_t = BootFailure::Bad)]
    boot_failure: BootFailure,
    /// Show the tests' output as it comes
    #[arg(long, short)]
    verbose: bool,
}

/// Bytes kept of each stream of a test.
pub const OUTPUT_LIMIT: u64 = 16 << 20;

/// Runs `runner test`.
pub fn run(args: &TestArgs) -> Result<Exit, Failure> {
    let cancel = Cancel::install().map_err(host("catch signals"))?;
    let cwd = std::env::current_dir().map_err(host("find the current directory"))?;
    let baseline = args.pool.baseline()?;
    let part = args.pool.part()?;
    let mut machinery =
        args.machine
            .prepare(args.select.kernel.as_deref(), &cwd, &base_environment())?;
    let selected = plan::select(&plan::Asked {
        args: &args.select,
        about: machinery.about(),
        root: &machinery.root,
        env: &machinery.env,
        cwd: &cwd,
        cache: cache_dir().as_deref(),
        cancel: &cancel,
    });
    let selected = match (selected, cancel.interrupt()) {
        (_, Some(Interrupt::Int)) => return Ok(Exit::Interrupted),
        (_, Some(Interrupt::Term)) => return Ok(Exit::Terminated),
        (selected, None) => selected?,
    };
    machinery.boot_options.clone_from(&selected.boot_options);

    let accelerator = machinery.engine.accelerator();
    let (durations, records_lost) = args.pool.durations(accelerator.as_str());
    let share = share(selected.tests, part, &durations);
    let packed = machinery.pack(&share.tests, &selected.shares, &cwd)?;
    let now = OffsetDateTime::now_utc();
    let mut info = machinery.info(&share.tests, now);
    let translated = accelerator == Accelerator::Tcg;
    let (jobs, too_many) = args.pool.jobs(info.cpus, info.memory_mib, translated);
    dispatch::make_room(jobs);
    let repetition = args.pool.repetition();
    info.jobs = jobs;
    info.repeat = repetition.times;
    info.retries = repetition.retries;
    info.shard.clone_from(&share.shard);

    let run_dir = match &args.output {
        Some(path) => RunDir::create_at(path),
        None => RunDir::create_default(&cwd, now),
    }
    .map_err(|e| Failure::host(error_chain(&e)))?;
    let rules = Rules {
        timeout: args.timeout,
        output_limit: OUTPUT_LIMIT,
        output_kept: OUTPUT_LIMIT,
        passed_on: None,
        allowed_splats: args.allowed_splats.clone(),
    };
    let settings = machinery.settings(
        &share.tests,
        &selected.shares,
        &cwd,
        rules,
        &run_dir,
        &cancel,
    )?;
    let mut reports = Reports::create(run_dir.path(), terminal(args.verbose))
        .map_err(|e| Failure::host(error_chain(&e)))?;
    let orders = Orders {
        rules: dispatch::Rules {
            lanes: usize::try_from(jobs).expect("a small number"),
            isolate: args.pool.isolate(),
            repetition,
            fail_fast: args.fail_fast,
        },
        weights: &share.expected,
        verdict: Verdict {
            boot_failure: args.boot_failure,
            flaky_is_bad: repetition.times > 1,
        },
    };
    let result = reports
        .emit(Event::RunStarted(info))
        .and_then(|()| {
            let baseline = baseline.map(|baseline| Event::Baseline(Box::new(baseline)));
            baseline.map_or(Ok(()), |event| reports.emit(event))
        })
        .and_then(|()| {
            machinery
                .warnings()
                .chain(packed)
                .chain(selected.warnings)
                .chain(records_lost)
                .chain(too_many)
                .map(|text| Event::Warning { text })
                .try_for_each(|event| reports.emit(event))
        })
        .and_then(|()| {
            dispatch::run(
                machinery.engine.as_ref(),
                &settings,
                &share.tests,
                &mut reports,
                &cancel,
                &orders,
            )
        });
    // What another shard is to be split by must not change under it.
    if share.shard.is_none() {
        let results = &reports.summary().results;
        let runs = results
            .iter()
            .flat_map(|result| match result.attempts.as_slice() {
                [] => std::slice::from_ref(result),
                attempts => attempts,
            });
        if let Err(error) = durations.add(runs, now) {
            eprintln!("runner: how long the tests took could not be kept: {error}");
        }
    }
    result.map_err(|error| {
        Failure::host(format!(
            "the run was stopped: {}",
            dispatch::host_words(&error)
        ))
    })
}

/// How reports are shown on this terminal.
pub fn terminal(verbose: bool) -> TerminalOptions {
    let tty = isatty(io::stderr());
    let live = tty
        && std::env::var_os("CI").is_none()
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    let color = tty && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    TerminalOptions {
        color,
        live,
        verbose,
        ..TerminalOptions::default()
    }
}
