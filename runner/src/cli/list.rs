//! `runner list`.

use super::{
    Failure,
    args::SelectArgs,
    machine::{base_environment, cache_dir},
};
use crate::{
    dispatch::{Cancel, Interrupt},
    exit::Exit,
    plan,
};
use std::{collections::HashMap, io::Write, path::Path};
use suites::{Test, TestId};

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
        // Where a run would look for programs.
        env: &base_environment(),
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
        if let Some(why) = &test.unavailable {
            eprintln!("runner: {}: {why}", test.id);
        }
    }
    for (why, tests) in skipped(&selected.tests) {
        match tests[..] {
            [test] => eprintln!("runner: {test} is skipped: {why}"),
            [first, .., last] => eprintln!(
                "runner: {} tests are skipped, {first} to {last}: {why}",
                tests.len()
            ),
            [] => {}
        }
    }
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(Exit::Good),
        // `runner list | head` has what it wanted.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(Exit::Good),
        Err(e) => Err(Failure::host(format!("cannot write the list: {e}"))),
    }
}

/// The tests that are not run, by the reason, both in the order in which they first come.
fn skipped(tests: &[Test]) -> Vec<(&str, Vec<&TestId>)> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut reasons: Vec<(&str, Vec<&TestId>)> = Vec::new();
    for test in tests {
        let Some(why) = test.skip.as_deref() else {
            continue;
        };
        let place = *places.entry(why).or_insert_with(|| {
            reasons.push((why, Vec::new()));
            reasons.len() - 1
        });
        reasons[place].1.push(&test.id);
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use suites::{OutputFormat, Program};

    #[test]
    fn a_reason_is_told_once() {
        let test = |case: &str, skip: Option<&str>| Test {
            skip: skip.map(Into::into),
            ..Test::new(
                TestId::new("x", case),
                Program::Exec(Vec::new()),
                OutputFormat::Auto,
            )
        };
        let tests = [
            test("a", Some("no disk")),
            test("b", None),
            test("c", Some("no net")),
            test("d", Some("no disk")),
        ];
        let ids = |ids: Vec<&TestId>| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let skipped = skipped(&tests).into_iter().map(|(why, of)| (why, ids(of)));
        let skipped: Vec<_> = skipped.collect();
        assert_eq!(skipped[0], ("no disk", vec!["x:a".into(), "x:d".into()]));
        assert_eq!(skipped[1], ("no net", vec!["x:c".into()]));
        assert_eq!(skipped.len(), 2);
    }
}
