//! Starting a test's process.

use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::Pid;
use wire::{Bytes, Program, RunTest};

use crate::cgroup::Cgroup;
use crate::failure::{Failure, Result, Trying};
use crate::sys::{self, Image};

/// A started process and the ends of its pipes that are read, both non-blocking.
pub struct Started {
    pub pid: Pid,
    /// Its process group; it may leave it.
    pub group: Pid,
    pub stdout: File,
    pub stderr: File,
}

/// Starts the program of `run` with `extra` (`NAME=value`) added to its environment: in a session, a
/// mount table and, where there is one, a control group of its own, with no input.
///
/// The error says which step failed and why.
pub fn start(run: &RunTest, extra: Vec<u8>, cgroup: Option<&Cgroup>) -> Result<Started> {
    let cwd = open_directory(&run.cwd)?;
    let image = image(run, extra)?;
    let name = image.program.to_string_lossy().into_owned();
    let (stdout, child_stdout) = pipe()?;
    let (stderr, child_stderr) = pipe()?;
    let stdin = no_input()?;
    let processes = cgroup.and_then(Cgroup::open_processes);
    let streams = [stdin.as_fd(), child_stdout.as_fd(), child_stderr.as_fd()];
    // What a test may not be led into by accident: an `rm -rf /run` would walk the host's whole tree.
    let hidden = matches!(run.program, Program::Exec(_)).then_some(wire::LOWER_ROOT);
    let spawned = sys::spawn(streams, || enter(&cwd, processes.as_ref(), hidden), &image)
        .map_err(|e| Failure::new(format!("cannot start {name}: {}", reason(&name, &e))))?;
    Ok(Started {
        pid: spawned.pid,
        group: spawned.group,
        stdout,
        stderr,
    })
}

/// What the new process does before it becomes the test.
///
/// The control group comes first, so that nothing is done outside of it. The directory comes before the
/// mount table: its descriptor belongs to the old table, and the current directory is carried over.
fn enter(cwd: &OwnedFd, processes: Option<&File>, hidden: Option<&str>) -> io::Result<()> {
    if let Some(mut processes) = processes {
        let _ = processes.write_all(b"0\n");
    }
    rustix::process::setsid()?;
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    rustix::process::fchdir(cwd)?;
    let _ = fs::write("/proc/self/oom_score_adj", "0\n");
    // A kernel without the namespace runs its tests in init's.
    if sys::own_mount_table().is_ok() {
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        let _ = mount_change("/", private);
        if let Some(path) = hidden {
            let _ = unmount(path, UnmountFlags::DETACH);
        }
    }
    Ok(())
}

/// What a test reads: nothing. A test before it may have removed the device; a pipe that nobody writes is as empty.
fn no_input() -> Result<OwnedFd> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    null.or_else(|_| rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map(|(end, _)| end))
        .trying(|| "make an empty input".into())
}

fn pipe() -> Result<(File, OwnedFd)> {
    let make = || -> rustix::io::Result<(OwnedFd, OwnedFd)> {
        let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        // Of our end only: the other end is a file description of its own.
        rustix::fs::fcntl_setfl(&ours, OFlags::NONBLOCK)?;
        Ok((ours, theirs))
    };
    let (ours, theirs) = make().trying(|| "make a pipe for the output".into())?;
    Ok((ours.into(), theirs))
}

fn open_directory(path: &[u8]) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(OsStr::from_bytes(path), flags, Mode::empty()).trying(|| {
        format!(
            "enter the working directory {}",
            String::from_utf8_lossy(path)
        )
    })
}

fn image(run: &RunTest, extra: Vec<u8>) -> Result<Image> {
    let environment = run.env.iter().map(|variable| variable.to_vec());
    let environment = strings(environment.chain([extra]), "the environment")?;
    let (program, arguments) = match &run.program {
        Program::Exec(arguments) => {
            let name = arguments
                .first()
                .ok_or_else(|| Failure::new("cannot start a command without words"))?;
            let program = find(
                name,
                path_of(&run.env),
                Path::new(OsStr::from_bytes(&run.cwd)),
            )?;
            let arguments = arguments.iter().map(|argument| argument.to_vec());
            (program, strings(arguments, "the arguments")?)
        }
        Program::Smoke { check, params } => {
            let words = [
                b"runner-init".to_vec(),
                b"smoke".to_vec(),
                check.clone().into(),
            ];
            let words = words.into_iter().chain(params.iter().map(|p| p.to_vec()));
            // The file itself is on no path any more; the link leads to it all the same.
            ("/proc/self/exe".into(), strings(words, "the parameters")?)
        }
    };
    let program = CString::new(program.into_os_string().into_encoded_bytes())
        .trying(|| "start a program with a zero byte in its name".into())?;
    Ok(Image {
        program,
        arguments,
        environment,
    })
}

fn strings(list: impl Iterator<Item = Vec<u8>>, what: &str) -> Result<Vec<CString>> {
    list.map(|bytes| CString::new(bytes).trying(|| format!("pass on {what}")))
        .collect()
}

/// The value of `PATH`, or what the C library takes without one.
fn path_of(environment: &[Bytes]) -> &[u8] {
    let mut values = environment.iter().filter_map(|v| v.strip_prefix(b"PATH="));
    values.next_back().unwrap_or(b"/bin:/usr/bin")
}

/// Where the program `name` is: as it stands when it has a slash, else in one of the directories of
/// `path`, relative ones to be seen from `cwd`.
fn find(name: &[u8], path: &[u8], cwd: &Path) -> Result<PathBuf> {
    let file = Path::new(OsStr::from_bytes(name));
    if name.contains(&b'/') {
        return Ok(file.into());
    }
    let directories = path.split(|byte| *byte == b':');
    directories
        .map(|directory| cwd.join(OsStr::from_bytes(directory)).join(file))
        .find(|candidate| is_program(candidate))
        .ok_or_else(|| {
            Failure::new(format!(
                "cannot find the program {} in PATH={}",
                file.display(),
                String::from_utf8_lossy(path)
            ))
        })
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The system's reason, made plain where it misleads.
fn reason(program: &str, error: &io::Error) -> String {
    let hint = match error.raw_os_error() {
        Some(libc::ENOENT) if Path::new(program).exists() => {
            "; the file is there, so what is missing is its interpreter or dynamic loader"
        }
        Some(libc::ENOEXEC) => {
            "; it is neither a program for this machine nor a script with a #! line"
        }
        _ => "",
    };
    format!("{error}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(directory: &Path, name: &str, mode: u32) {
        let path = directory.join(name);
        fs::write(&path, "#!/bin/sh\n").expect("file");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
    }

    #[test]
    fn programs_are_looked_up_as_execvp_does_but_only_executable_files() {
        let root = tempfile::tempdir().expect("temporary directory");
        for directory in ["a", "b", "b/tool"] {
            fs::create_dir(root.path().join(directory)).expect("directory");
        }
        program(&root.path().join("a"), "plain", 0o644);
        program(&root.path().join("a"), "tool", 0o755);
        program(&root.path().join("b"), "plain", 0o755);
        let look = |name: &str, path: &str| find(name.as_bytes(), path.as_bytes(), root.path());
        assert_eq!(look("tool", "b:a"), Ok(root.path().join("a/tool")));
        assert_eq!(look("plain", "a:b"), Ok(root.path().join("b/plain")));
        assert_eq!(look("./x/y", ""), Ok("./x/y".into()));
        let missing = look("nothing", "a:b")
            .expect_err("no such program")
            .to_string();
        assert_eq!(missing, "cannot find the program nothing in PATH=a:b");
    }

    #[test]
    fn the_last_path_wins_and_there_is_a_default() {
        let environment =
            [&b"PATH=/x"[..], b"APATH=/y", b"PATH=/z"].map(|v| Bytes::from(v.to_vec()));
        assert_eq!(path_of(&environment), b"/z");
        assert_eq!(path_of(&[]), b"/bin:/usr/bin");
    }

    #[test]
    fn a_missing_interpreter_is_not_called_a_missing_program() {
        let error = io::Error::from_raw_os_error(libc::ENOENT);
        assert!(reason("/proc/self/exe", &error).contains("interpreter"));
        assert!(!reason("/no/such/program", &error).contains("interpreter"));
    }
}
