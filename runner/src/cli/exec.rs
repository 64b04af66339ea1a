//! `runner exec`.

use super::{
    Failure,
    args::parse_seconds,
    machine::{MachineArgs, Rules, base_environment, host},
    test::OUTPUT_LIMIT,
};
use crate::{
    artifact::{RunDir, Scratch},
    dispatch::{self, Cancel, CommandEnd},
    error_chain,
    exit::of_command,
    session::PassOn,
};
use reports::{Event, Reports, Show, TerminalOptions};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};
use suites::exec::command;
use time::OffsetDateTime;

/// The end of `--help`.
const EXIT_STATUS: &str = "\
Exit status: the command's own, 128+N when signal N ended it, or
  123  the machine died under it: the kernel crashed, hung or did not boot, or was switched off
  124  its time was up (--timeout)
  125  this kernel cannot be used: not there, unreadable, or without what it takes
  127  the command could not be started
  128  the host or the command line is at fault
  130  interrupted by SIGINT;  141  standard output was closed;  143  ended by SIGTERM";

/// Arguments of `runner exec`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub struct ExecArgs {
    /// Kernel image, bzImage or vmlinux [default: arch/x86/boot/bzImage of the kernel tree we stand in, else the running host's in /boot]
    #[arg(long, value_name = "PATH")]
    kernel: Option<PathBuf>,
    #[command(flatten)]
    machine: MachineArgs,
    /// Time limit of the command [default: none]; 0 for none
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, allow_negative_numbers = true)]
    timeout: Option<Duration>,
    /// Keep reports and logs there, as `runner test` does
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Say nothing but what went wrong
    #[arg(long, short)]
    quiet: bool,
    /// The command and its arguments, after --
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    command: Vec<OsString>,
}

/// What is carried over of our own environment, beside what every test gets: where programs are looked up, and what
/// Cargo tells the tests that it runs.
const CARRIED: &[&str] = &["PATH", "HOME", "LD_LIBRARY_PATH"];

/// The same, by the beginning of the name.
const CARRIED_PREFIXES: &[&str] = &["CARGO", "RUST"];

/// Lines of kernel log that are shown when a machine died.
const LAST_LINES: usize = 20;

/// Runs `runner exec`.
pub fn run(args: &ExecArgs) -> Result<ExitCode, Failure> {
    let cancel = Cancel::install().map_err(host("catch signals"))?;
    let cwd = std::env::current_dir().map_err(host("find the current directory"))?;
    let environment = carry_over(base_environment(), std::env::vars_os());
    let mut machinery = args
        .machine
        .prepare(args.kernel.as_deref(), &cwd, &environment)?;
    let tests = [command(&args.command)];
    let packed = machinery.pack(&tests, &[], &cwd)?;

    let now = OffsetDateTime::now_utc();
    let scratch = match &args.output {
        Some(_) => None,
        None => Some(Scratch::new().map_err(host("make a temporary directory"))?),
    };
    let out = match (&args.output, &scratch) {
        (Some(path), _) => path.as_path(),
        (None, scratch) => scratch.as_ref().expect("made above").path(),
    };
    let run_dir = RunDir::create_at(out).map_err(|e| Failure::host(error_chain(&e)))?;
    let rules = Rules {
        timeout: args.timeout,
        output_limit: u64::MAX,
        output_kept: match &args.output {
            Some(_) => OUTPUT_LIMIT,
            None => 0,
        },
        passed_on: Some(PassOn::to_ours().map_err(host("duplicate a descriptor"))?),
        allowed_splats: vec![],
    };
    let settings = machinery.settings(&tests, &[], &cwd, rules, &run_dir, &cancel)?;
    let options = TerminalOptions {
        show: match args.quiet {
            true => Show::Nothing,
            false => Show::Beginning,
        },
        ..TerminalOptions::default()
    };
    let stopped = |error: reports::ReportError| {
        let words = dispatch::host_words(&error);
        Failure::host(format!("the command was stopped: {words}"))
    };
    let mut reports = Reports::create(out, options).map_err(stopped)?;
    let started = Instant::now();
    reports
        .emit(Event::RunStarted(machinery.info(&tests, now)))
        .map_err(stopped)?;
    for text in machinery.warnings().chain(packed) {
        reports.emit(Event::Warning { text }).map_err(stopped)?;
    }
    let end = dispatch::run_command(
        machinery.engine.as_ref(),
        &settings,
        &tests[0],
        &mut reports,
        &cancel,
    );
    let (status, why) = of_command(&end);
    let reported = reports.emit(Event::RunFinished {
        exit_status: status,
        reason: why.clone(),
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    });
    tell(&end, &why, out);
    match reported {
        Err(error) if status == 0 => Err(stopped(error)),
        _ => Ok(status.into()),
    }
}

/// Says what the status alone does not.
fn tell(end: &CommandEnd, why: &str, out: &Path) {
    match end {
        CommandEnd::Exited { oops: None, .. }
        | CommandEnd::Signaled { oops: None, .. }
        | CommandEnd::OutputClosed
        | CommandEnd::Interrupted(_) => {}
        CommandEnd::Exited { .. }
        | CommandEnd::Signaled { .. }
        | CommandEnd::NotStarted(_)
        | CommandEnd::TimedOut(_)
        | CommandEnd::Host(_) => eprintln!("runner: {why}"),
        CommandEnd::MachineDied(_) => {
            eprintln!("runner: {why}");
            let log = ["kernel.log", "console.log"]
                .iter()
                .filter_map(|name| std::fs::read(out.join(name)).ok())
                .find(|bytes| !bytes.is_empty())
                .unwrap_or_default();
            let text = String::from_utf8_lossy(&log);
            let lines: Vec<&str> = text.lines().collect();
            for line in &lines[lines.len().saturating_sub(LAST_LINES)..] {
                let harmless: String = line.chars().filter(|c| !c.is_control()).collect();
                eprintln!("  {harmless}");
            }
        }
    }
}

/// `base` with those of `ours` that are carried over.
fn carry_over(
    mut base: Vec<(OsString, OsString)>,
    ours: impl Iterator<Item = (OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    for (name, value) in ours {
        let bytes = name.as_encoded_bytes();
        if CARRIED.iter().any(|carried| name == *carried)
            || CARRIED_PREFIXES
                .iter()
                .any(|prefix| bytes.starts_with(prefix.as_bytes()))
        {
            base.retain(|(other, _)| *other != name);
            base.push((name, value));
        }
    }
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_are_found_by_is_carried_over_and_the_rest_stays() {
        let pairs = |list: &[(&str, &str)]| -> Vec<(OsString, OsString)> {
            list.iter().map(|(a, b)| (a.into(), b.into())).collect()
        };
        let base = pairs(&[("PATH", "/bin"), ("HOME", "/root"), ("LANG", "C.UTF-8")]);
        let ours = pairs(&[
            ("PATH", "/opt/bin"),
            ("LANG", "de_DE"),
            ("CARGO_MANIFEST_DIR", "/x"),
            ("SECRET", "y"),
        ]);
        assert_eq!(
            carry_over(base, ours.into_iter()),
            pairs(&[
                ("HOME", "/root"),
                ("LANG", "C.UTF-8"),
                ("PATH", "/opt/bin"),
                ("CARGO_MANIFEST_DIR", "/x"),
            ])
        );
    }
}
