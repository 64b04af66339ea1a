//! Processes can be made, become programs, speak through pipes and be waited for.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitOptions, waitpid};

use super::params::Params;
use super::report::{Checked, OrFail, Verdict, ensure};
use crate::sys::{self, Image};

/// The word that makes this program the child of this check.
pub const CHILD: &str = "fork-exec-child";

pub fn check(_: &Params) -> Checked {
    const FORKS: u8 = 25;
    for code in 0..FORKS {
        let pid = sys::fork_exit(code).or_fail("fork")?;
        let status = waitpid(Some(pid), WaitOptions::empty()).or_fail("wait for a child")?;
        let status = status.and_then(|(_, status)| status.exit_status());
        ensure(status == Some(i32::from(code)), || {
            format!("a child that exits with {code} is reported as {status:?}")
        })?;
    }
    println!("{FORKS} forks");
    for code in [0_u8, 42, 255] {
        // More than a pipe holds.
        let sent = vec![code; 70_000];
        let (status, came) = echo(code, &sent)?;
        ensure(status == Some(i32::from(code)), || {
            format!("a program that exits with {code} is reported as {status:?}")
        })?;
        ensure(came == sent, || {
            format!(
                "of {} bytes {} came back, or changed",
                sent.len(),
                came.len()
            )
        })?;
    }
    println!("3 programs, each with 70000 bytes through two pipes");
    Ok(Verdict::Pass)
}

/// Starts this program as [`child`], sends it `bytes`, and returns its exit status and what came back.
fn echo(code: u8, bytes: &[u8]) -> Result<(Option<i32>, Vec<u8>), Verdict> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).or_fail("make a pipe");
    let ((stdin, input), (output, stdout)) = (pipe()?, pipe()?);
    let words = ["runner-init", "smoke", CHILD, &code.to_string()];
    let string = |word: &str| CString::new(word).expect("there is no zero byte in it");
    let image = Image {
        program: string("/proc/self/exe"),
        arguments: words.map(string).into(),
        environment: Vec::new(),
    };
    let streams = [stdin.as_fd(), stdout.as_fd(), rustix::stdio::stderr()];
    let child = sys::spawn(streams, || Ok(()), &image).or_fail("start a program")?;
    drop((stdin, stdout));
    // The child answers only when it has read all, so this cannot wait for itself.
    let mut input = File::from(input);
    input.write_all(bytes).or_fail("write into a pipe")?;
    drop(input);
    let mut came = Vec::new();
    File::from(output)
        .read_to_end(&mut came)
        .or_fail("read from a pipe")?;
    let ended = waitpid(Some(child.pid), WaitOptions::empty()).or_fail("wait for a program")?;
    Ok((ended.and_then(|(_, status)| status.exit_status()), came))
}

/// Reads its whole input, writes it out again, and exits with the code it was given.
pub fn child(mut words: impl Iterator<Item = OsString>) -> u8 {
    let code: Option<u8> = words.next().and_then(|code| code.to_str()?.parse().ok());
    let mut input = Vec::new();
    let echoed = std::io::stdin()
        .read_to_end(&mut input)
        .and_then(|_| std::io::stdout().write_all(&input))
        .and_then(|()| std::io::stdout().flush());
    match (code, echoed) {
        (Some(code), Ok(())) => code,
        _ => 99,
    }
}
