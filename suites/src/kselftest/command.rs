//! How one selftest program is started: what `kselftest/runner.sh` of an installed tree does, without its shell.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::Read as _,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::Path,
};

/// What is known of the machine that the tests will run in.
#[derive(Debug, Clone, Copy)]
pub struct Guest<'a> {
    /// The directory of the host that the guest has as its root.
    pub root: &'a Path,
    /// Where the guest sees the installed tree; `None` if at its path on the host.
    pub install_dir: Option<&'a Path>,
    /// The environment that tests get. As runner.sh does, `KSELFTEST_NAME_ARGS` is taken for the arguments of the program
    /// NAME (upper case, everything but letters and digits replaced by `_`), split at blanks.
    pub env: &'a [(OsString, OsString)],
}

/// Makes output leave the program line by line, so that a crash does not take it along; used where the guest has it.
const STDBUF: &str = "/usr/bin/stdbuf";

/// The interpreter of a collection whose tests are not programs (`net/packetdrill`).
const COLLECTION_RUNNER: &str = "ksft_runner.sh";

/// Longest interpreter line that is read, as the kernel's `BINPRM_BUF_SIZE`.
const INTERPRETER_LINE: u64 = 256;

/// The words that start `test` in the collection's directory `dir`, or why it cannot be started.
pub(super) fn words(dir: &Path, test: &str, guest: &Guest<'_>) -> Result<Vec<OsString>, String> {
    let path = dir.join(test);
    let metadata = fs::metadata(&path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => "it was not built: its program is not there".to_owned(),
        _ => format!("its program cannot be looked at: {e}"),
    })?;
    if !metadata.is_file() {
        return Err("its program is not a file".into());
    }
    let mut words = Vec::new();
    if guest.root.join(STDBUF.trim_start_matches('/')).exists() {
        words.extend([STDBUF.into(), "--output=L".into()]);
    }
    let program = OsString::from(format!("./{test}"));
    if metadata.permissions().mode() & 0o111 != 0 {
        words.push(program);
        words.extend(arguments(test, guest.env));
    } else if is_executable(&dir.join(COLLECTION_RUNNER)) {
        words.push(format!("./{COLLECTION_RUNNER}").into());
        words.push(program);
    } else {
        let interpreter = interpreter(&path)
            .map_err(|e| format!("its program cannot be read: {e}"))?
            .ok_or("its program is not executable and names no interpreter")?;
        words.extend(interpreter);
        words.push(program);
    }
    Ok(words)
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// The words after `#!`, if the file begins so.
fn interpreter(path: &Path) -> std::io::Result<Option<Vec<OsString>>> {
    let mut head = Vec::new();
    File::open(path)?
        .take(INTERPRETER_LINE)
        .read_to_end(&mut head)?;
    let line = head.split(|&b| b == b'\n').next().unwrap_or(&[]);
    let words: Vec<OsString> = line
        .strip_prefix(b"#!")
        .unwrap_or(&[])
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .map(|word| OsStr::from_bytes(word).into())
        .collect();
    Ok((!words.is_empty()).then_some(words))
}

/// The program's arguments out of the environment.
fn arguments(test: &str, env: &[(OsString, OsString)]) -> Vec<OsString> {
    let name: String = test
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() => c.to_ascii_uppercase(),
            _ => '_',
        })
        .collect();
    let name = format!("KSELFTEST_{name}_ARGS");
    env.iter()
        .rev()
        .find(|(key, _)| *key == *name)
        .map(|(_, value)| {
            value
                .as_bytes()
                .split(u8::is_ascii_whitespace)
                .filter(|word| !word.is_empty())
                .map(|word| OsStr::from_bytes(word).into())
                .collect()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    struct Collection(tempfile::TempDir);

    impl Collection {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a temporary directory"))
        }

        fn file(&self, name: &str, mode: u32, content: &str) -> PathBuf {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(&path, content).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
            path
        }

        fn words(&self, test: &str, env: &[(OsString, OsString)]) -> Result<Vec<OsString>, String> {
            let guest = Guest {
                root: self.0.path(),
                install_dir: None,
                env,
            };
            words(self.0.path(), test, &guest)
        }
    }

    #[test]
    fn a_program_is_started_in_its_directory_with_arguments_from_the_environment() {
        let collection = Collection::new();
        collection.file("cpu-on-off-test.sh", 0o755, "#!/bin/sh\n");
        let env = [(
            "KSELFTEST_CPU_ON_OFF_TEST_SH_ARGS".into(),
            " -a  -p 10 ".into(),
        )];
        assert_eq!(
            collection.words("cpu-on-off-test.sh", &env).expect("words"),
            ["./cpu-on-off-test.sh", "-a", "-p", "10"]
        );
    }

    #[test]
    fn output_is_line_buffered_where_the_guest_can() {
        let collection = Collection::new();
        collection.file("test", 0o755, "");
        collection.file("usr/bin/stdbuf", 0o755, "");
        assert_eq!(
            collection.words("test", &[]).expect("words"),
            ["/usr/bin/stdbuf", "--output=L", "./test"]
        );
    }

    #[test]
    fn a_script_without_its_mode_runs_through_its_interpreter() {
        let collection = Collection::new();
        collection.file("test.py", 0o644, "#! /usr/bin/env python3\nprint(1)\n");
        assert_eq!(
            collection.words("test.py", &[]).expect("words"),
            ["/usr/bin/env", "python3", "./test.py"]
        );
        collection.file(COLLECTION_RUNNER, 0o755, "#!/bin/bash\n");
        collection.file("tcp.pkt", 0o644, "0 socket\n");
        assert_eq!(
            collection.words("tcp.pkt", &[]).expect("words"),
            ["./ksft_runner.sh", "./tcp.pkt"]
        );
    }

    #[test]
    fn what_cannot_be_started_says_why() {
        let collection = Collection::new();
        collection.file("data", 0o644, "no script");
        collection.file("empty", 0o644, "");
        collection.file("bare", 0o644, "#!\n");
        fs::create_dir(collection.0.path().join("directory")).expect("a directory");
        for (test, part) in [
            ("data", "no interpreter"),
            ("empty", "no interpreter"),
            ("bare", "no interpreter"),
            ("directory", "not a file"),
            ("nothing", "not built"),
        ] {
            let reason = collection.words(test, &[]).expect_err(test);
            assert!(reason.contains(part), "{test}: {reason}");
        }
    }
}
