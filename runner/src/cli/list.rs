//! `runner list`.

use super::{Failure, args::SelectArgs, machine::cache_dir};
use crate::{
    dispatch::{Cancel, Interrupt},
    exit::Exit,
    plan,
};
use std::{io::Write, path::Path};

/// Arguments of `runner list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    select: SelectArgs,
}

/// Runs `runner list`: one test a line on standard output; what cannot run, and why, on standard error.
pub fn run(args: &ListArgs) -> Result<Exit, Failure> {
    let cancel =
        Cancel::install().map_err(|e| Failure::host(format!("cannot catch signals: {e}")))?;
    let cwd = std::env::current_dir()
        .map_err(|e| Failure::host(format!("cannot find the current directory: {e}")))?;
    // A list needs no kernel, but says more with one.
    let known = plan::Known::find(args.select.kernel.as_deref(), &cwd, cache_dir().as_deref());
    let selected = plan::select(&plan::Asked {
        args: &args.select,
        about: known.about(args.select.kernel.as_deref()),
        root: Path::new("/"),
        env: &[],
        cwd: &cwd,
        cache: cache_dir().as_deref(),
        cancel: &cancel,
    });
    let selected = match (selected, cancel.interrupt()) {
        (_, Some(Interrupt::Int)) => return Ok(Exit::Interrupted),
        (_, Some(Interrupt::Term)) => return Ok(Exit::Terminated),
        (selected, None) => selected?,
    };
    for warning in &selected.warnings {
        eprintln!("runner: {warning}");
    }
    let mut text = String::new();
    for test in &selected.tests {
        text.push_str(&format!("{}\n", test.id));
        if let Some(why) = &test.skip {
            eprintln!("runner: {} is skipped: {why}", test.id);
        }
        if let Some(why) = &test.unavailable {
            eprintln!("runner: {}: {why}", test.id);
        }
    }
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(Exit::Good),
        // `runner list | head` has what it wanted.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(Exit::Good),
        Err(e) => Err(Failure::host(format!("cannot write the list: {e}"))),
    }
}
