//! The command line of `runner parse`, and the way through it.

use super::{judge::Judged, reports, show};
use crate::{
    cli::{Failure, input::read_pieces},
    error_chain,
    exit::{self, BootFailure, Exit, Verdict},
};
use std::{
    io,
    path::{Path, PathBuf},
};
use suites::recorded::{LogFormat, Reader, Recorded};

/// Arguments of `runner parse`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub struct ParseArgs {
    /// The log, or - for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// What the log is; auto recognises it by its content
    #[arg(long = "as", value_enum, value_name = "FORMAT", default_value_t = As::Auto)]
    format: As,
    /// How to print the results
    #[arg(long = "format", value_enum, value_name = "FORMAT", default_value_t = Print::Text)]
    print: Print,
    /// Write junit.xml, results.json and events.jsonl there, as `runner test` does
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
}

const EXIT_STATUS: &str = "\
Exit status:
    0  everything in the log passed, was skipped or failed as expected, and at least one test passed
    1  the log has a failure, a time-out or a crash
  125  nothing to judge: no results in the log, nothing but skips, a test that was not built
  128  the log cannot be read, or it ends before all announced results came";

/// `--as`.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum As {
    Auto,
    Ktap,
    Kselftest,
    Kunit,
    Ltp,
    Xfstests,
    Blktests,
}

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Print {
    Text,
    Json,
}

impl As {
    fn format(self) -> Option<LogFormat> {
        match self {
            Self::Auto => None,
            Self::Ktap => Some(LogFormat::Ktap),
            Self::Kselftest => Some(LogFormat::Kselftest),
            Self::Kunit => Some(LogFormat::Kunit),
            Self::Ltp => Some(LogFormat::Ltp),
            Self::Xfstests => Some(LogFormat::Xfstests),
            Self::Blktests => Some(LogFormat::Blktests),
        }
    }
}

/// Runs `runner parse`.
pub fn run(args: &ParseArgs) -> Result<Exit, Failure> {
    let recorded = read(&args.file, args.format.format()).map_err(|error| {
        let name = args.file.display();
        Failure::host(format!("cannot read {name}: {error}"))
    })?;
    let judged = Judged::of(recorded);
    let (exit, reason) = status(&judged);
    if let Some(dir) = &args.output {
        reports::write(&judged, &args.file, dir, (exit, &reason))
            .map_err(|error| Failure::host(error_chain(&error)))?;
    }
    let shown = match args.print {
        Print::Text => show::text(&judged, &reason),
        Print::Json => show::json(&judged, &args.file, (exit, &reason)),
    };
    match shown {
        Ok(()) => Ok(exit),
        // A reader that has seen enough, such as head(1).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(exit),
        Err(error) => Err(Failure::host(format!("cannot write the results: {error}"))),
    }
}

/// Reads a log piece by piece; no more of it than a line is held.
fn read(path: &Path, format: Option<LogFormat>) -> io::Result<Recorded> {
    let mut reader = Reader::new(format);
    read_pieces(path, |bytes| reader.push(bytes))?;
    Ok(reader.finish())
}

/// The status that `runner test` would end with for these outcomes.
fn status(judged: &Judged) -> (Exit, String) {
    if judged.is_empty() {
        let what = match judged.format {
            Some(format) => format!("there are no results in the log (read as {format})"),
            None => {
                "nothing in the log looks like test results; --as FORMAT says what it is".into()
            }
        };
        return (Exit::CannotJudge, what);
    }
    let verdict = Verdict {
        boot_failure: BootFailure::Bad,
        flaky_is_bad: false,
    };
    let blamed = judged
        .uncounted
        .iter()
        .filter(|(outcome, _)| outcome.blames_kernel());
    match exit::of_run(&judged.summary(), verdict) {
        (Exit::Good | Exit::CannotJudge, _) if blamed.clone().next().is_some() => {
            let count: u64 = blamed.map(|(_, count)| count).sum();
            (
                Exit::Bad,
                format!("{count} tests found this kernel at fault"),
            )
        }
        status => status,
    }
}
