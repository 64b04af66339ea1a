//! What the options of `runner test` do to a run.

mod common;
mod said;

use common::{Run, on_path};
use said::{Place, Said};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

#[test]
fn what_is_asked_for_reaches_the_tests_and_nothing_else_does() {
    let Some(run) = Run::on_kernel() else { return };
    let host = tempfile::tempdir().expect("temporary directory");
    fs::write(host.path().join("file"), "the host's").expect("written");
    let here = tempfile::tempdir().expect("temporary directory");
    let share = |at: &str| format!("{}={at}", host.path().display());
    let run = run
        .args(["--share", &share("/mnt/a share"), "--share", &share("/new/place")])
        .args(["--append", "first.word=1", "--append", "second.word=2 third"])
        .args(["--env", "GIVEN=a b=c", "--env", "TAKEN", "--env", "HOME=/nowhere"])
        .args(["--module", "dummy", "-v"])
        .env("TAKEN", "from here")
        .env("LEFT", "behind")
        .cwd(here.path())
        .sh(
            "shared",
            "set -e; cd '/mnt/a share'; grep -qx \"the host's\" file; echo changed >file; echo new >new; \
             grep -qx changed file; grep -qx new new; grep -qx \"the host's\" /new/place/file; test ! -e /new/place/new",
        )
        .sh("command-line", "cat /proc/cmdline")
        .sh(
            "environment",
            "set -e; test \"$GIVEN\" = 'a b=c'; test \"$TAKEN\" = 'from here'; test \"$HOME\" = /nowhere; \
             test -z \"$LEFT\"; env",
        )
        .sh("machine", "set -e; test -d /sys/module/dummy; test \"$(nproc)\" = 2; hostname; pwd")
        .sh("talks", "echo to stdout; echo to stderr >&2")
        .run();
    run.assert_status(0);
    assert_eq!(
        fs::read(host.path().join("file")).expect("read"),
        b"the host's"
    );
    assert!(!host.path().join("new").exists());
    let cmdline = run.output("command-line", "stdout");
    assert!(
        cmdline.contains(" first.word=1 second.word=2 third"),
        "{cmdline}"
    );
    for part in ["exec:", "sh -c", "cat", "proc/cmdline"] {
        assert!(!cmdline.contains(part), "{cmdline}");
    }
    // Here the machine is emulated, unless the first line says otherwise.
    let emulated = run.events[0]["accelerator"] == "tcg";
    let slow = run.output("environment", "stdout");
    assert_eq!(slow.contains("KSFT_MACHINE_SLOW=yes"), emulated, "{slow}");
    for line in ["stdout exec:sh -c", "| to stdout", "| to stderr"] {
        assert!(run.stderr.contains(line), "{}", run.stderr);
    }
    assert!(!run.stderr.contains('\u{1b}'), "{}", run.stderr);
}

/// A root with nothing but busybox in it, or `None` after a line that says why there is none.
fn small_root() -> Option<tempfile::TempDir> {
    let busybox = Path::new("/bin/busybox");
    let program = fs::read(busybox).unwrap_or_default();
    if program.is_empty() {
        eprintln!("SKIP: there is no {}", busybox.display());
        return None;
    }
    // A dynamically linked program names its loader (with its directory; the C library itself knows the bare name).
    if program.windows(15).any(|bytes| bytes == b"/lib64/ld-linux") {
        eprintln!("SKIP: {} is not a static program", busybox.display());
        return None;
    }
    let root = tempfile::tempdir().expect("temporary directory");
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).expect("opened");
    fs::create_dir(root.path().join("bin")).expect("made");
    fs::copy(busybox, root.path().join("bin/busybox")).expect("copied");
    std::os::unix::fs::symlink("busybox", root.path().join("bin/sh")).expect("linked");
    fs::write(root.path().join("only-here"), "of the small root").expect("written");
    Some(root)
}

#[test]
fn another_root_is_all_that_the_guest_sees() {
    let Some(run) = Run::on_kernel() else { return };
    let Some(root) = small_root() else { return };
    let before = names(root.path());
    let run = run
        .arg("--root")
        .arg(root.path())
        .suite("smoke")
        .sh(
            "inside",
            "set -e; busybox grep -q small /only-here; test ! -e /usr; test ! -e /bin/cat; pwd; echo x >/only-here; echo x >/new",
        )
        .run();
    run.assert_status(0);
    assert_eq!(run.outcome("smoke:root-equal"), "pass");
    assert_eq!(run.outcome("smoke:root-read-only"), "pass");
    assert_eq!(run.output("inside", "stdout"), "/\n");
    assert_eq!(names(root.path()), before);
    let file = fs::read(root.path().join("only-here")).expect("read");
    assert_eq!(file, b"of the small root");
}

fn names(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("there");
    let mut names: Vec<PathBuf> = entries.map(|e| e.expect("read").path()).collect();
    names.sort();
    names
}

/// The same command on a terminal of its own.
fn on_terminal(command: &Command) -> Command {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| word.to_str().expect("UTF-8"));
    let mut script = Command::new("script");
    script.args(["-qefc", &shell_words::join(words), "/dev/null"]);
    script.current_dir(command.get_current_dir().expect("a directory"));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    script.stdin(Stdio::null());
    script
}

#[test]
fn without_options_the_smoke_suite_runs_and_latest_is_where_its_results_are() {
    let Some(kernel) = common::kernel() else {
        return;
    };
    let place = Place::new();
    let kernel = kernel.to_str().expect("UTF-8");
    let said = place.runner(["test", "--kernel", kernel]);
    said.assert(0, &["9 tests run: 9 passed", "runner-results/20"]);
    assert_eq!(said.stdout, "");
    assert_eq!(place.names(), ["bzImage", "runner-results"]);
    let results = place.path().join("runner-results");
    let target = fs::read_link(results.join("latest")).expect("a link");
    assert_eq!(
        names(&results),
        [results.join(&target), results.join("latest")]
    );
    for name in [
        "junit.xml",
        "results.json",
        "events.jsonl",
        "kernel.log",
        "console.log",
        "tests/smoke/boot",
    ] {
        assert!(results.join("latest").join(name).exists(), "{name}");
    }
    let time = target.to_str().expect("UTF-8");
    let shape: String = time
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "0000-00-00T00-00-00Z");

    if !on_path("script") {
        return eprintln!("SKIP: there is no script(1) to make a terminal with");
    }
    let mut command = place.command(["test", "--suite", "smoke:boot", "--kernel", kernel]);
    command.env("TERM", "xterm");
    let colored = Said::by(&mut on_terminal(&command));
    assert_eq!(colored.status, 0, "{colored:?}");
    assert!(colored.stdout.contains('\u{1b}'), "{colored:?}");
    command.env("NO_COLOR", "1");
    let plain = Said::by(&mut on_terminal(&command));
    assert_eq!(plain.status, 0, "{plain:?}");
    assert!(!plain.stdout.contains('\u{1b}'), "{plain:?}");
    let after = fs::read_link(results.join("latest")).expect("a link");
    assert_ne!(after, target, "latest moves on");
    assert_eq!(names(&results).len(), 4);
}

#[test]
fn a_user_without_privileges_needs_no_more() {
    let Some(kernel) = common::kernel() else {
        return;
    };
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIP: every test here runs without privileges already");
    }
    if !on_path("setpriv") {
        return eprintln!("SKIP: there is no setpriv(1) to drop privileges with");
    }
    let place = Place::new();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).expect("opened");
    let nobody = |command: &Command| {
        let mut setpriv = Command::new("setpriv");
        setpriv
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg("--inh-caps=-all")
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(place.path())
            .env("HOME", place.path())
            .env_remove("XDG_CACHE_HOME")
            .env("CI", "1")
            .stdin(Stdio::null());
        setpriv
    };
    let version = Said::by(&mut nobody(&place.command(["--version"])));
    if version.status != 0 {
        return eprintln!(
            "SKIP: others may not run the command where it was built: {}",
            version.stderr
        );
    }
    let said = Said::by(&mut nobody(&place.command([
        "test",
        "--suite",
        "smoke",
        "--suite",
        "exec:sh -c 'test $(id -u) = 0 && echo x >/etc/new && test -r /etc/passwd && mount -t tmpfs none /mnt'",
        "--kernel",
        kernel.to_str().expect("UTF-8"),
    ])));
    said.assert(0, &["10 tests run: 10 passed"]);
    let results = place.path().join("runner-results/latest/junit.xml");
    assert!(results.exists());
}
