//! `runner exec`: one command on a real kernel, as a person or a script sees it.

mod common;

use common::{Processes, kernel};
use rustix::process::Signal;
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, Output, Stdio},
};

/// `runner exec` on the kernel of the tests, or `None` after a line that says why there is none.
fn exec() -> Option<Command> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
    command.args(["exec", "--kernel"]).arg(kernel()?);
    command.stdin(Stdio::null());
    Some(command)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn assert_status(output: &Output, status: i32) {
    assert_eq!(output.status.code(), Some(status), "{}", stderr(output));
}

#[test]
fn a_commands_words_streams_place_and_status_are_its_own() {
    let Some(mut exec) = exec() else { return };
    let here = tempfile::tempdir().expect("temporary directory");
    let here = here.path().canonicalize().expect("it is there");
    let tmp = tempfile::tempdir().expect("temporary directory");
    let script = "printf '%s\\n' \"$#\" \"$@\"; echo to stderr >&2; pwd; echo \"$HOME\"; echo \"$GIVEN\"; echo \"[$LEFT]\"; \
                  readlink /proc/self/fd/0; echo new > file; exit 77";
    let output = exec
        .args(["-q", "--env", "GIVEN=a b", "--"])
        .args(["sh", "-c", script, "sh"])
        .args(["a  b", "", "*", "it's", "\"$HOME\"", "-q", "--", "ä\u{1}\n"])
        .current_dir(&here)
        .env("HOME", "/home/of mine")
        .env("LEFT", "behind")
        .env("TMPDIR", tmp.path())
        .output()
        .expect("it starts");
    assert_status(&output, 77);
    let expected = format!(
        "8\na  b\n\n*\nit's\n\"$HOME\"\n-q\n--\nä\u{1}\n\n{}\n/home/of mine\na b\n[]\n/dev/null\n",
        here.display()
    );
    assert_eq!(stdout(&output), expected);
    assert_eq!(stderr(&output), "to stderr\n");
    // Nothing is left of it anywhere.
    for directory in [here.as_path(), tmp.path()] {
        assert_eq!(
            fs::read_dir(directory).expect("readable").count(),
            0,
            "{}",
            directory.display()
        );
    }
}

#[test]
fn output_comes_while_the_command_runs_and_whole_however_long() {
    let Some(mut exec) = exec() else { return };
    // More than is kept of a test; the host reads the first line before the rest is asked for.
    let script = "echo first; sleep 2; head -c 20000000 /dev/zero; echo last";
    let mut child = exec
        .args(["-q", "--", "sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut reader = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("read");
    assert_eq!(line, "first\n");
    assert_eq!(child.try_wait().expect("asked"), None, "it is still there");
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).expect("read");
    assert_eq!(rest.len(), 20_000_000 + "last\n".len());
    assert!(rest.ends_with(b"\0last\n"));
    assert_eq!(child.wait().expect("waited").code(), Some(0));
}

#[test]
fn every_other_end_has_a_status_and_a_sentence() {
    let ends: &[(&[&str], &[&str], i32, &str)] = &[
        (&[], &["sh", "-c", "kill -9 $$"], 137, ""),
        (
            &[],
            &["no-such-program"],
            127,
            "cannot find the program no-such-program in PATH=",
        ),
        (
            &[],
            &["/etc/passwd"],
            127,
            "cannot start /etc/passwd: Permission denied",
        ),
        (
            &["--timeout", "1", "--timeout-scale", "2"],
            &["sleep", "1000"],
            124,
            "it did not end within 2 s",
        ),
        (
            &[],
            &["sh", "-c", "echo c > /proc/sysrq-trigger"],
            123,
            "Kernel panic - not syncing: sysrq triggered crash",
        ),
        (
            &["--append", "rdinit=/nonexistent"],
            &["true"],
            123,
            "this kernel does not boot: ",
        ),
    ];
    for (options, words, status, said) in ends {
        let Some(mut exec) = exec() else { return };
        let output = exec
            .arg("-q")
            .args(*options)
            .arg("--")
            .args(*words)
            .output()
            .expect("it starts");
        assert_status(&output, *status);
        assert_eq!(stdout(&output), "", "{words:?}");
        let text = stderr(&output);
        match *said {
            "" => assert_eq!(text, "", "{words:?}"),
            said => assert!(text.contains(said), "{words:?}: {text}"),
        }
    }
}

#[test]
fn what_is_wrong_before_the_boot_is_said_and_has_the_usual_statuses() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_runner"))
            .arg("exec")
            .args(arguments)
            .output()
            .expect("it starts");
        (output.status.code(), stderr(&output))
    };
    let (status, text) = run(&[]);
    assert_eq!(status, Some(128), "{text}");
    assert!(text.contains("COMMAND"), "{text}");
    let (status, text) = run(&["--root", "/nonexistent", "--", "true"]);
    assert_eq!(status, Some(128), "{text}");
    let (status, text) = run(&["--kernel", "/nonexistent/bzImage", "--", "true"]);
    assert_eq!(status, Some(125), "{text}");
    assert!(text.contains("/nonexistent/bzImage"), "{text}");
}

#[test]
fn reports_are_kept_where_they_are_asked_for_and_the_first_line_says_what_runs_it() {
    let Some(mut exec) = exec() else { return };
    let dir = tempfile::tempdir().expect("temporary directory");
    let output = exec
        .arg("--output")
        .arg(dir.path())
        .args(["--", "sh", "-c", "echo hello; exit 3"])
        .output()
        .expect("it starts");
    assert_status(&output, 3);
    assert_eq!(stdout(&output), "hello\n");
    let first = stderr(&output);
    assert!(first.starts_with("runner "), "{first}");
    assert!(first.contains(" on qemu ("), "{first}");
    let json = fs::read(dir.path().join("results.json")).expect("it is there");
    let results: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(results["exit_status"], 3);
    let result = &results["results"][0];
    let file = result["stdout"]["file"].as_str().expect("a name");
    let kept = fs::read(dir.path().join(file)).expect("it is there");
    assert_eq!(kept, b"hello\n");
    assert!(Path::new(&dir.path().join("kernel.log")).exists());
}

#[test]
fn a_reader_that_goes_away_ends_it() {
    let Some(mut exec) = exec() else { return };
    let mut child = exec
        .args(["-q", "--", "yes"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut reader = child.stdout.take().expect("piped");
    let mut some = [0; 100];
    reader.read_exact(&mut some).expect("read");
    drop(reader);
    assert_eq!(child.wait().expect("waited").code(), Some(141));
}

#[test]
fn an_interrupted_command_leaves_nothing() {
    assert_nothing_left(Signal::INT, Some(130));
}

#[test]
fn a_killed_command_leaves_nothing_too() {
    assert_nothing_left(Signal::KILL, None);
}

#[track_caller]
fn assert_nothing_left(signal: Signal, status: Option<i32>) {
    let Some(mut exec) = exec() else { return };
    let tmp = tempfile::tempdir().expect("temporary directory");
    let mut child = exec
        .args(["-q", "--", "sh", "-c", "echo here; sleep 1000"])
        .env("TMPDIR", tmp.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("read");
    assert_eq!(line, "here\n");
    let processes = Processes::with_tmpdir(tmp.path());
    assert!(!processes.machines().is_empty());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, signal).expect("it is there");
    assert_eq!(child.wait().expect("waited").code(), status);
    processes.assert_gone();
    assert_eq!(fs::read_dir(tmp.path()).expect("readable").count(), 0);
}
