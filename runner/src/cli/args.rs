//! Arguments that several subcommands share, and the forms of their values.

use std::{ffi::OsString, path::PathBuf};
use suites::Pattern;

/// What to run, and on which kernel.
#[derive(Debug, clap::Args)]
pub struct SelectArgs {
    /// Kernel image, bzImage or vmlinux [default: arch/x86/boot/bzImage of the kernel tree we stand in, else the running host's in /boot]
    #[arg(long, value_name = "PATH")]
    pub kernel: Option<PathBuf>,
    /// What to run.
    #[arg(
        long = "suite",
        value_name = "SPEC",
        help = "What to run: smoke[:CHECK], kselftest[:COLLECTION[:TEST]], kunit[:SUITE[:CASE]], cargo[:PACKAGE[:TEST]], \
                ltp[:SCENARIO[:CASE]], xfstests[:GROUP[:TEST]], blktests[:GROUP[:TEST]], stress-ng[:STRESSOR], perf[:TEST], \
                FILE.toml[:CASE] (a manifest), exec:COMMAND; globs allowed, repeatable [default: smoke]"
    )]
    pub suites: Vec<String>,
    /// A file with more of it, one SPEC a line, # before comments; - is standard input; repeatable
    #[arg(long, value_name = "FILE")]
    pub from_file: Vec<PathBuf>,
    /// What to leave out of it, in the same form; repeatable
    #[arg(long = "skip", value_name = "SPEC")]
    pub skips: Vec<String>,
    /// What to report as skipped.
    #[arg(
        long = "skip-list",
        value_name = "FILE",
        help = "Tests to report as skipped, with reasons: [[skip]] entries in TOML; repeatable"
    )]
    pub skip_lists: Vec<PathBuf>,
    /// What is known to fail.
    #[arg(
        long,
        value_name = "FILE",
        help = "Tests whose failure is expected, with reasons: [[known-failure]] entries in TOML; repeatable"
    )]
    pub known_failures: Vec<PathBuf>,
    /// Kernel source tree whose selftests are built [default: the tree we stand in, else the kernel image's]
    #[arg(long, value_name = "DIR", conflicts_with = "kselftest")]
    pub tree: Option<PathBuf>,
    /// Installed selftests: what `make -C tools/testing/selftests install INSTALL_PATH=DIR` made
    #[arg(long, value_name = "DIR")]
    pub kselftest: Option<PathBuf>,
    /// Directory in the Rust workspace whose tests are run [default: the one we stand in]
    #[arg(long, value_name = "DIR")]
    pub cargo_dir: Option<PathBuf>,
    /// Installed LTP [default: /opt/ltp]
    #[arg(long, value_name = "DIR")]
    pub ltp: Option<PathBuf>,
    /// Built tree of xfstests
    #[arg(long, value_name = "DIR")]
    pub xfstests: Option<PathBuf>,
    /// Built tree of blktests
    #[arg(long, value_name = "DIR")]
    pub blktests: Option<PathBuf>,
}

/// `HOST=GUEST`.
pub fn parse_share(text: &str) -> Result<(PathBuf, PathBuf), String> {
    let (host, guest) = text.split_once('=').ok_or("it has the form HOST=GUEST")?;
    if host.is_empty() || !guest.starts_with('/') || guest.trim_end_matches('/').is_empty() {
        return Err("it has the form HOST=GUEST, where GUEST is an absolute path and not / itself (that is --root)".into());
    }
    if guest.split('/').any(|part| part == "..") {
        return Err("GUEST may not have .. in it".into());
    }
    Ok((host.into(), guest.into()))
}

/// `NAME=VALUE`, or `NAME` for the host's value.
pub fn parse_env(text: &str) -> Result<(OsString, OsString), String> {
    if text.is_empty() || text.starts_with('=') {
        return Err("it has the form NAME=VALUE or NAME".into());
    }
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, value.into()),
        None => {
            let value = std::env::var_os(text);
            (
                text,
                value.ok_or_else(|| format!("{text} is not set here: give NAME=VALUE"))?,
            )
        }
    };
    Ok((name.into(), value))
}

/// Bytes in MiB: `512M`, `1G`, `2048` (MiB).
pub fn parse_memory(text: &str) -> Result<u64, String> {
    const FORM: &str = "it is a number of MiB, or a number with M or G: 512M, 2G";
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| FORM)?;
    let mib = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "m" | "mb" | "mib" => Some(number),
        "g" | "gb" | "gib" => number.checked_mul(1024),
        _ => return Err(FORM.into()),
    };
    match mib {
        Some(mib) if (64..=16 << 20).contains(&mib) => Ok(mib),
        _ => Err("it must be between 64M and 16384G".into()),
    }
}

/// A number of virtual CPUs. 255 is what a machine without interrupt remapping can address.
pub fn parse_cpus(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(cpus) if (1..=255).contains(&cpus) => Ok(cpus),
        _ => Err("it is a number from 1 to 255".into()),
    }
}

/// A glob.
pub fn parse_pattern(text: &str) -> Result<Pattern, String> {
    match text {
        "" => Err("it is empty".into()),
        text => Pattern::new(text),
    }
}

/// Seconds, more than none.
pub fn parse_some_seconds(text: &str) -> Result<std::time::Duration, String> {
    match parse_seconds(text)? {
        std::time::Duration::ZERO => Err("it must be more than 0".into()),
        seconds => Ok(seconds),
    }
}

/// Seconds, perhaps with a fraction.
pub fn parse_seconds(text: &str) -> Result<std::time::Duration, String> {
    let seconds: f64 = text
        .trim_end_matches('s')
        .parse()
        .map_err(|_| "it is a number of seconds")?;
    if (0.0..=31_536_000.0).contains(&seconds) {
        Ok(std::time::Duration::from_secs_f64(seconds))
    } else {
        Err("it must be between 0 and a year's seconds".into())
    }
}

/// A factor on time limits.
pub fn parse_scale(text: &str) -> Result<f64, String> {
    match text.trim_end_matches(['x', 'X']).parse() {
        Ok(scale) if (0.01..=1000.0).contains(&scale) => Ok(scale),
        _ => Err("it is a factor between 0.01 and 1000".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_its_usual_forms() {
        assert_eq!(parse_memory("512M"), Ok(512));
        assert_eq!(parse_memory("2G"), Ok(2048));
        assert_eq!(parse_memory("300"), Ok(300));
        for wrong in [
            "",
            "G",
            "1T",
            "-1G",
            "63M",
            "99999999999999999999G",
            "18446744073709551615G",
        ] {
            assert!(parse_memory(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_need_an_absolute_guest_path() {
        assert_eq!(parse_share("a=/b"), Ok(("a".into(), "/b".into())));
        for wrong in ["a", "a=b", "=/b", "a=/", "a=//", "a=/b/../c"] {
            assert!(parse_share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_bounded() {
        assert_eq!(
            parse_seconds("1.5"),
            Ok(std::time::Duration::from_millis(1500))
        );
        for wrong in ["", "x", "-1", "NaN", "inf", "1e99"] {
            assert!(parse_seconds(wrong).is_err(), "{wrong}");
        }
        assert!(parse_scale("0").is_err() && parse_scale("nan").is_err());
        assert_eq!(
            parse_scale("x8"),
            Err("it is a factor between 0.01 and 1000".into())
        );
        assert_eq!(parse_scale("8x"), Ok(8.0));
    }

    #[test]
    fn a_variable_has_a_name() {
        assert_eq!(parse_env("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(parse_env("A="), Ok(("A".into(), "".into())));
        for wrong in ["", "=", "=x", "RUNNER_IS_NOT_SET_ANYWHERE"] {
            assert!(parse_env(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn cpus_are_counted_from_one() {
        assert_eq!(parse_cpus("1"), Ok(1));
        assert_eq!(parse_cpus("255"), Ok(255));
        for wrong in ["0", "256", "-1", "two", ""] {
            assert!(parse_cpus(wrong).is_err(), "{wrong}");
        }
    }
}
