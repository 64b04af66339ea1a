//! `runner splats`.

use super::{Failure, input::read_pieces};
use crate::{
    error_chain,
    exit::Exit,
    kernel::{LinesError, SourceLines},
};
use serde::Serialize;
use splats::{Class, Frame, Severity, Splat, TextScanner};
use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The end of `--help`.
const EXIT_STATUS: &str = "\
Exit status:
    0  the log has no splat of that severity
    1  it has
  128  the host or the command line is at fault";

/// Arguments of `runner splats`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub struct SplatsArgs {
    /// Kernel log: a serial console's, the output of dmesg or `journalctl -k`, or records of /dev/kmsg; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The kernel's vmlinux: stacks get source lines from its debug information
    #[arg(long, value_name = "FILE")]
    vmlinux: Option<PathBuf>,
    /// Where modules with debug information are, beside its build tree and /usr/lib/debug: a directory, or a .ko file;
    /// repeatable
    #[arg(long, value_name = "PATH", requires = "vmlinux")]
    modules: Vec<PathBuf>,
    /// Least severity that is listed
    #[arg(long, value_enum, default_value_t = Least::Warning)]
    severity: Least,
    /// How to print them: for people, or one JSON document
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// Least severity that is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Least {
    /// Remarks too.
    Info,
    /// What the kernel holds to be wrong.
    Warning,
    /// Bugs.
    Error,
    /// The end of the kernel.
    Fatal,
}

impl From<Least> for Severity {
    fn from(least: Least) -> Self {
        match least {
            Least::Info => Self::Info,
            Least::Warning => Self::Warning,
            Least::Error => Self::Error,
            Least::Fatal => Self::Fatal,
        }
    }
}

/// The document of `--format json`.
#[derive(Serialize)]
struct Document<'a> {
    splats: &'a [Splat],
}

/// Runs `runner splats`: the splats on standard output, what is wrong with the input on standard error.
pub fn run(args: &SplatsArgs) -> Result<Exit, Failure> {
    // Before a long log is read.
    let mut lines = args
        .vmlinux
        .as_deref()
        .map(|vmlinux| open_lines(vmlinux, &args.modules))
        .transpose()?
        .flatten();
    let name = if args.file == Path::new("-") {
        "standard input".into()
    } else {
        args.file.display().to_string()
    };
    let read = |error: io::Error| Failure::host(format!("cannot read {name}: {error}"));
    let (found, left_out) = scan(&args.file).map_err(read)?;
    if found
        .iter()
        .any(|splat| splat.class == Class::DroppedMessages)
    {
        eprintln!("runner: {name} is not complete: the kernel says that it dropped messages");
    }
    if left_out > 0 {
        eprintln!("runner: {left_out} further splats are not listed");
    }
    let least = args.severity.into();
    let mut found: Vec<Splat> = found
        .into_iter()
        .filter(|splat| splat.severity >= least)
        .collect();
    if let Some(lines) = &mut lines {
        for other in lines.decode(&mut found) {
            eprintln!("runner: {}", of_another(&name, &other, lines));
        }
    }
    let text = match args.format {
        Format::Json => {
            let document = Document { splats: &found };
            serde_json::to_string_pretty(&document).expect("strings and numbers have a JSON form")
                + "\n"
        }
        Format::Text => text(&found, &name),
    };
    let exit = match found.is_empty() {
        true => Exit::Good,
        false => Exit::Bad,
    };
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(exit),
        // `runner splats | head` has what it wanted.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(exit),
        Err(e) => Err(Failure::host(format!("cannot write the list: {e}"))),
    }
}

/// Opens a vmlinux; one without debug information is only a pity.
fn open_lines(path: &Path, modules: &[PathBuf]) -> Result<Option<SourceLines>, Failure> {
    if let Some(gone) = modules.iter().find(|place| !place.exists()) {
        return Err(Failure::host(format!(
            "--modules: {} is not there",
            gone.display()
        )));
    }
    match SourceLines::open(path) {
        Ok(lines) => {
            let places = modules.iter().rev();
            Ok(Some(
                places.fold(lines, |lines, place| lines.with_modules(place)),
            ))
        }
        Err(why @ (LinesError::NoDebugInfo(_) | LinesError::NoSymbols(_))) => {
            eprintln!("runner: {why}");
            Ok(None)
        }
        Err(error) => Err(Failure::host(format!("--vmlinux: {}", error_chain(&error)))),
    }
}

/// What to say of splats of another kernel.
fn of_another(log: &str, other: &str, lines: &SourceLines) -> String {
    let ours = lines.name().unwrap_or_default();
    format!(
        "{log} has splats of Linux {}, and --vmlinux is of {ours}: their stacks stay without source lines",
        plain(other)
    )
}

fn scan(log: &Path) -> io::Result<(Vec<Splat>, u64)> {
    let mut scanner = TextScanner::new();
    read_pieces(log, |bytes| scanner.push(bytes))?;
    Ok(scanner.finish())
}

/// A block for each, its first line as compilers write theirs; how many there are at the end.
fn text(splats: &[Splat], name: &str) -> String {
    let mut text = String::new();
    for splat in splats {
        let Splat {
            class,
            title,
            fingerprint,
            severity,
            first_line,
            last_line,
            ..
        } = splat;
        let _ = writeln!(
            text,
            "{name}:{first_line}: {severity}: {} [{class} {fingerprint}]",
            plain(title)
        );
        if let Some(message) = splat.message.as_deref().filter(|message| *message != title) {
            let _ = writeln!(text, "    {}", plain(message));
        }
        if let Some(panic) = &splat.panic {
            let _ = writeln!(
                text,
                "    it led to: Kernel panic - not syncing: {}",
                plain(panic)
            );
        }
        splat
            .frames
            .iter()
            .for_each(|frame| push_frame(&mut text, frame));
        let _ = writeln!(text, "    lines {first_line} to {last_line}\n");
    }
    let distinct: BTreeSet<_> = splats.iter().map(|splat| &splat.fingerprint).collect();
    let _ = match splats.len() {
        0 => writeln!(text, "no splats"),
        1 => writeln!(text, "1 splat"),
        n => writeln!(text, "{n} splats, {} distinct", distinct.len()),
    };
    text
}

fn push_frame(text: &mut String, frame: &Frame) {
    let _ = writeln!(text, "      {}", plain(&frame.to_string()));
    for (place, depth) in frame.locations.iter().zip(0..) {
        let file = place.file.as_deref().unwrap_or("?");
        let line = place
            .line
            .map_or_else(String::new, |line| format!(":{line}"));
        let inlined = if depth + 1 < frame.locations.len() {
            " (inlined)"
        } else {
            ""
        };
        let _ = writeln!(text, "          {file}{line} {}{inlined}", place.function);
    }
}

/// Text of a log, harmless on a terminal.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
