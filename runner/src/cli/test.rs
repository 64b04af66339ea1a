//! `runner test`.

use super::{
    EXIT_STATUS, Failure,
    args::{SelectArgs, parse_pattern, parse_seconds},
    machine::{MachineArgs, Rules, base_environment, cache_dir, host},
};
use crate::{
    artifact::RunDir,
    dispatch::{self, Cancel, Interrupt},
    error_chain,
    exit::{BootFailure, Exit},
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
    let mut machinery =
        args.machine
            .prepare(args.select.kernel.as_deref(), &cwd, &base_environment())?;
    let selected = plan::select(
        &args.select,
        &machinery.boot.image.path,
        &machinery.root,
        &machinery.env,
        &cwd,
        cache_dir().as_deref(),
        &cancel,
    );
    let selected = match (selected, cancel.interrupt()) {
        (_, Some(Interrupt::Int)) => return Ok(Exit::Interrupted),
        (_, Some(Interrupt::Term)) => return Ok(Exit::Terminated),
        (selected, None) => selected?,
    };
    let packed = machinery.pack(&selected.tests, &selected.shares, &cwd)?;

    let now = OffsetDateTime::now_utc();
    let run_dir = match &args.output {
        Some(path) => RunDir::create_at(path),
        None => RunDir::create_default(&cwd, now),
    }
    .map_err(|e| Failure::host(error_chain(&e)))?;
    let rules = Rules {
        timeout: args.timeout,
        fail_fast: args.fail_fast,
        output_limit: OUTPUT_LIMIT,
        output_kept: OUTPUT_LIMIT,
        passed_on: None,
        allowed_splats: args.allowed_splats.clone(),
    };
    let settings = machinery.settings(
        &selected.tests,
        &selected.shares,
        &cwd,
        rules,
        &run_dir,
        &cancel,
    )?;
    let mut reports = Reports::create(run_dir.path(), terminal(args.verbose))
        .map_err(|e| Failure::host(error_chain(&e)))?;
    let result = reports
        .emit(Event::RunStarted(machinery.info(&selected.tests, now)))
        .and_then(|()| {
            machinery
                .warnings()
                .chain(packed)
                .chain(selected.warnings)
                .map(|text| Event::Warning { text })
                .try_for_each(|event| reports.emit(event))
        })
        .and_then(|()| {
            dispatch::run(
                machinery.engine.as_ref(),
                &settings,
                &selected.tests,
                &mut reports,
                &cancel,
                args.boot_failure,
            )
        });
    result.map_err(|error| {
        Failure::host(format!(
            "the run was stopped: {}",
            dispatch::host_words(&error)
        ))
    })
}

fn terminal(verbose: bool) -> TerminalOptions {
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
