//! Temporary directories that are gone with us, whatever ends us.
//!
//! A process of its own makes the directory, waits for the end of a pipe into which only we could write, and removes it.
//! The pipe ends with us, also when we are killed.

use rustix::process::setsid;
use std::{
    ffi::OsString,
    fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
};

/// Behind the path on the way from one process to the other; no path has it.
const END: u8 = 0;

/// A temporary directory. It goes with everything in it when this is dropped, or this process ends.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    keeper: Child,
}

impl Scratch {
    /// A new one, where temporary files go.
    ///
    /// # Errors
    /// When there is no room for a directory or a process.
    pub fn new() -> io::Result<Self> {
        let mut keeper = Command::new("/proc/self/exe")
            .arg("__scratch")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut path = Vec::new();
        if let Some(stdout) = &mut keeper.stdout {
            BufReader::new(stdout).read_until(END, &mut path)?;
        }
        if path.pop() != Some(END) {
            let output = keeper.wait_with_output()?;
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(why.trim().to_owned()));
        }
        Ok(Self {
            path: OsString::from_vec(path).into(),
            keeper,
        })
    }

    /// Its absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
        // Where somebody ended the other process.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The hidden subcommand.
#[must_use]
pub fn run_keeper() -> ExitCode {
    // ^C and the end of the terminal are for those who use the directory. Fails only where they cannot reach us anyway.
    let _ = setsid();
    let made = tempfile::Builder::new().prefix("runner-").tempdir();
    let told = made.and_then(|dir| {
        let mut stdout = io::stdout();
        stdout.write_all(dir.path().as_os_str().as_bytes())?;
        stdout.write_all(&[END])?;
        stdout.flush()?;
        Ok(dir)
    });
    let dir = match told {
        Ok(dir) => dir,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    // Nothing comes but the end.
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    drop(dir);
    ExitCode::SUCCESS
}
