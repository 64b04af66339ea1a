//! Processes can be made, become programs, speak through pipes and be waited for.

use std::ffi::OsString;
use std::io::Write;
use std::process::{Command, Stdio};

use rustix::process::{WaitOptions, waitpid};

use super::params::Params;
use super::report::{Checked, OrFail, Verdict, ensure};
use crate::sys;

/// The word that makes this program the child of this check.
pub const CHILD: &str = "fork-exec-child";

pub fn check(_: &Params) -> Checked {
    const FORKS: u8 = 100;
    for code in 0..FORKS {
        let pid = sys::fork_exit(code).or_fail("fork")?;
        let status = waitpid(Some(pid), WaitOptions::empty()).or_fail("wait for a child")?;
        let status = status.and_then(|(_, status)| status.exit_status());
        ensure(status == Some(i32::from(code)), || {
            format!("a child that exits with {code} is reported as {status:?}")
        })?;
    }
    println!("{FORKS} forks");
    for code in [0_u8, 1, 42, 255] {
        let mut child = Command::new("/proc/self/exe")
            .args(["smoke", CHILD, &code.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .or_fail("start a program")?;
        let sent = vec![code; 200_000];
        let mut input = child.stdin.take().expect("it was made a pipe");
        // The child answers only when it has read all, so this cannot wait for itself.
        input.write_all(&sent).or_fail("write into a pipe")?;
        drop(input);
        let output = child.wait_with_output().or_fail("wait for a program")?;
        ensure(output.status.code() == Some(i32::from(code)), || {
            format!(
                "a program that exits with {code} is reported as {}",
                output.status
            )
        })?;
        ensure(output.stdout == sent, || {
            format!(
                "of {} bytes {} came back, or changed",
                sent.len(),
                output.stdout.len()
            )
        })?;
    }
    println!("4 programs, each with 200000 bytes through two pipes");
    Ok(Verdict::Pass)
}

/// Reads its whole input, writes it out again, and exits with the code it was given.
pub fn child(mut words: impl Iterator<Item = OsString>) -> u8 {
    let code: Option<u8> = words.next().and_then(|code| code.to_str()?.parse().ok());
    let mut input = Vec::new();
    let echoed = std::io::Read::read_to_end(&mut std::io::stdin(), &mut input)
        .and_then(|_| std::io::stdout().write_all(&input))
        .and_then(|()| std::io::stdout().flush());
    match (code, echoed) {
        (Some(code), Ok(())) => code,
        _ => 99,
    }
}
