//! The command as a user types it, in a directory of its own, and what it said.
#![allow(dead_code, reason = "every test program uses a part of this")]

use super::common;
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// A directory to stand in. A kernel image that can be looked at, but not booted, is in it.
pub struct Place {
    dir: TempDir,
}

/// What the command left on its terminal.
#[derive(Debug)]
pub struct Said {
    /// Its exit status; -1 when a signal ended it.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::write(dir.path().join("bzImage"), bzimage()).expect("written");
        Self { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file below the directory.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("made");
        fs::write(&path, bytes).expect("written");
        path
    }

    /// Everything in it.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path())
            .expect("there")
            .map(|entry| entry.expect("read").file_name().to_string_lossy().into())
            .collect();
        names.sort();
        names
    }

    /// `runner` with these arguments, ready to be changed before it is started.
    pub fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
        command
            .args(args)
            .current_dir(self.path())
            .env("XDG_CACHE_HOME", common::shared_dir().join("cache"))
            .env("CI", "1")
            .env_remove("NO_COLOR")
            .stdin(Stdio::null());
        command
    }

    /// Runs `runner` with these arguments.
    pub fn runner<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Said {
        Said::by(&mut self.command(args))
    }

    /// Runs `runner test` on the image with these arguments.
    pub fn test(&self, args: &[&str]) -> Said {
        self.runner([&["test", "--kernel", "bzImage"], args].concat())
    }
}

impl Said {
    /// Runs a command to its end.
    pub fn by(command: &mut Command) -> Self {
        let output = command.output().expect("the command starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what it says is UTF-8");
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Fails unless the exit status is `status` and standard error holds every one of `parts`; whatever it
    /// was, it has not panicked and speaks in plain words.
    #[track_caller]
    pub fn assert(&self, status: i32, parts: &[&str]) -> &Self {
        assert_eq!(self.status, status, "{self:#?}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part} is not in {self:#?}");
        }
        for jargon in ["panicked", "RUST_BACKTRACE", "Err(", "Os {", "\u{1b}"] {
            assert!(!self.stderr.contains(jargon), "{jargon} is in {self:#?}");
        }
        self
    }

    /// The same, and that it is all on one line of standard error, with nothing on standard output.
    #[track_caller]
    pub fn assert_line(&self, status: i32, parts: &[&str]) {
        self.assert(status, parts);
        assert_eq!(self.stderr.lines().count(), 1, "{self:#?}");
        assert!(self.stderr.starts_with("runner: "), "{self:#?}");
        assert_eq!(self.stdout, "", "{self:#?}");
    }
}

/// A bzImage by the boot protocol (`Documentation/arch/x86/boot.rst`), without a kernel in it.
fn bzimage() -> Vec<u8> {
    const SETUP: usize = 4 * 512;
    let mut image = vec![0; SETUP + 4096];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x000, b"MZ");
    put(0x1F1, &[3]);
    put(0x1F4, &(4096u32 / 16).to_le_bytes());
    put(0x1FE, &0xAA55u16.to_le_bytes());
    put(0x202, b"HdrS");
    put(0x206, &0x020Fu16.to_le_bytes());
    put(0x20E, &0x300u16.to_le_bytes());
    put(0x211, &[1]);
    put(0x236, &1u16.to_le_bytes());
    put(0x238, &2047u32.to_le_bytes());
    put(0x248, &0x80u32.to_le_bytes());
    put(0x24C, &0x100u32.to_le_bytes());
    put(0x500, b"6.99.0-nothing (me@host) #1 SMP\0");
    image
}
