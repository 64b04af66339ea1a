//! The files that a selection is read from.

use crate::{
    cli::{Failure, SelectArgs},
    error_chain,
};
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};
use suites::{List, ListKind, Spec};

/// What runs when nothing is asked for.
const DEFAULT: &str = "smoke";

/// Longest file of `--from-file`, in bytes.
const MAX: u64 = 4 << 20;

/// Every SPEC of `--suite`, then of `--from-file`.
pub fn specs(args: &SelectArgs) -> Result<Vec<String>, Failure> {
    let mut specs = args.suites.clone();
    for file in &args.from_file {
        let text = read(file)
            .map_err(|e| Failure::host(format!("--from-file {}: {e}", file.display())))?;
        for (line, spec) in suites::lines(&text) {
            Spec::parse(spec).map_err(|e| {
                Failure::host(format!("{}:{line}: {}", file.display(), error_chain(&e)))
            })?;
            specs.push(spec.into());
        }
    }
    if specs.is_empty() {
        if !args.from_file.is_empty() {
            return Err(Failure::cannot_judge(
                "nothing is selected: the files of --from-file hold no SPEC",
            ));
        }
        specs.push(DEFAULT.into());
    }
    Ok(specs)
}

/// What `--skip-list` and `--known-failures` say.
pub fn lists(args: &SelectArgs) -> Result<Vec<List>, Failure> {
    let skips = args.skip_lists.iter().map(|path| (path, ListKind::Skip));
    let known = args.known_failures.iter();
    let known = known.map(|path| (path, ListKind::KnownFailure));
    skips
        .chain(known)
        .map(|(path, kind)| List::read(path, kind).map_err(|e| Failure::host(error_chain(&e))))
        .collect()
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut read = |from: &mut dyn Read| from.take(MAX + 1).read_to_string(&mut text);
    if path == Path::new("-") {
        read(&mut io::stdin().lock())?;
    } else {
        read(&mut File::open(path)?)?;
    }
    if text.len() as u64 > MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is longer than {MAX} bytes"),
        ));
    }
    Ok(text)
}
