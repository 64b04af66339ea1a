//! Tests that need a KVM that runs guest code at speed, on hosts that have none.
//!
//! Where the host's KVM is healthy they run on the host. Elsewhere they run in a machine that has one
//! (`runner exec --nested`). Such a machine takes seconds to start, so the tests of one program share a few:
//!
//! ```ignore
//! mod common;
//!
//! #[test]
//! fn on_real_kvm() {
//!     common::nested::run_ignored_tests();
//! }
//!
//! #[test]
//! #[ignore = "needs real KVM: run by on_real_kvm"]
//! fn something() { ... }
//! ```
//!
//! `cargo test --test PROGRAM` then runs `on_real_kvm`, which runs the ignored tests one at a time on this host, or one at a
//! time in each of as many machines as the host has CPUs, and fails with all they said when one of them failed.
//! `cargo test --test PROGRAM -- --ignored NAME` runs one of them on this host, whatever its KVM is like. What they find inside:
//!
//! - the host's file tree, read-only below an overlay: programs that were built are there under their paths; what is
//!   written is gone with the machine, so nothing that the host should see can be left;
//! - the environment that `docs/exec.md` names, and the variables `RUNNER_TEST_*` of this process;
//! - a CPU, 3 GiB, root, `/dev/kvm`, no network; time passes as on the host, and everything takes some ten times
//!   longer, an inner machine's boot 10 to 20 s: no test may depend on how long something takes.
//!
//! For a single program and not a test, [`run_where_kvm_works`].

use super::kernel;
use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
    thread,
};
use vmm_core::{KvmHealth, probe};

/// Time limit of everything that runs in one nested machine, in seconds of the host, before [`SCALE`].
const AT_MOST: &str = "375";

/// Its boot's.
const BOOT_AT_MOST: &str = "120";

/// Factor on both, and on the time for which the machine may say nothing: it has an emulated CPU, and more to do.
const SCALE: &str = "4";

/// What `runner exec` ends with when its machine died (`docs/exec.md`).
const MACHINE_DIED: i32 = 123;

/// How often tests are run when their machine dies.
const ATTEMPTS: u32 = 3;

/// Most nested machines at once: each takes 3 GiB.
const MACHINES: usize = 4;

/// Where a program can use KVM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On this host.
    Here,
    /// In a machine with this kernel.
    Inside(PathBuf),
    /// Nowhere: why.
    Nowhere(String),
}

/// Where programs of this process can use KVM. Found out once.
pub fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| match (probe(), kernel()) {
        (KvmHealth::Healthy { .. }, _) => Place::Here,
        (_, Some(kernel)) => Place::Inside(kernel),
        (health, None) => Place::Nowhere(format!(
            "{health}, and there is no kernel or no QEMU for a machine that has KVM"
        )),
    })
}

/// `program` with `arguments`, to be run where KVM works, or `None` after a line that says why there is no such place.
///
/// Its output and status come back from wherever it runs. Inside, status 123 and up have the meaning that
/// `docs/exec.md` gives.
pub fn where_kvm_works<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> Option<Command> {
    let mut command = match place() {
        Place::Here => Command::new(program),
        Place::Inside(kernel) => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
            command
                .args([
                    "exec", "--quiet", "--engine", "qemu", "--nested", "--kernel",
                ])
                .arg(kernel)
                .args(["--timeout", AT_MOST, "--boot-timeout", BOOT_AT_MOST])
                .args(["--timeout-scale", SCALE])
                .args(test_environment())
                .arg("--")
                .arg(program);
            command
        }
        Place::Nowhere(why) => {
            eprintln!("SKIP: {why}");
            return None;
        }
    };
    command.args(arguments).stdin(Stdio::null());
    Some(command)
}

/// Runs [`where_kvm_works`] to its end.
pub fn run_where_kvm_works<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> Option<Output> {
    let output = where_kvm_works(program, arguments)?.output();
    Some(output.expect("the command starts"))
}

/// Runs the ignored tests of this test program where KVM works. Fails if one of them does, or if there is none.
#[track_caller]
pub fn run_ignored_tests() {
    run_ignored_tests_with(None);
}

/// The same with a variable in their environment.
#[track_caller]
pub fn run_ignored_tests_with(variable: Option<(&str, &OsStr)>) {
    let this = std::env::current_exe().expect("this program has a path");
    let tests = ignored_tests(&this);
    assert!(!tests.is_empty(), "there is no test to run");
    let mut words: Vec<OsString> = vec!["env".into()];
    words.extend(variable.map(|(name, value)| joined(name.into(), value)));
    words.push(this.into());
    words.extend(["--ignored", "--exact", "--nocapture", "--test-threads=1"].map(Into::into));
    // A nested machine has one CPU, so that the host has room for several.
    let machines = match place() {
        Place::Here => 1,
        Place::Inside(_) | Place::Nowhere(_) => {
            thread::available_parallelism().map_or(1, usize::from)
        }
    };
    let machines = machines.min(MACHINES).min(tests.len());
    let failed: Vec<String> = thread::scope(|scope| {
        let start = |share| {
            let tests: Vec<_> = tests.iter().skip(share).step_by(machines).collect();
            let words = words
                .iter()
                .cloned()
                .chain(tests.iter().map(OsString::from));
            let words: Vec<_> = words.collect();
            scope.spawn(move || run_share(&words, tests.len()))
        };
        let running: Vec<_> = (0..machines).map(start).collect();
        let ended = running
            .into_iter()
            .map(|share| share.join().expect("no panic"));
        ended.filter_map(Result::err).collect()
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// The names of the ignored tests of the test program `this`.
fn ignored_tests(this: &Path) -> Vec<String> {
    let mut list = Command::new(this);
    list.args(["--ignored", "--list", "--format=terse"]);
    let output = list.output().expect("this program starts");
    let names = String::from_utf8(output.stdout).expect("names are text");
    let names = names.lines().filter_map(|line| line.strip_suffix(": test"));
    names.map(str::to_owned).collect()
}

/// Runs `command`, which runs so many tests, where KVM works, and again where the emulated machine dies, which is not what is
/// tested. An error has all they said.
fn run_share(command: &[OsString], tests: usize) -> Result<(), String> {
    let (program, words) = command.split_first().expect("a program");
    let mut attempt = 1;
    let (status, said) = loop {
        let Some(output) = run_where_kvm_works(program, words) else {
            return Ok(());
        };
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let died = output.status.code() == Some(MACHINE_DIED) && *place() != Place::Here;
        if !died || attempt == ATTEMPTS {
            break (output.status, said);
        }
        println!("attempt {attempt} of {ATTEMPTS}: the emulated machine died\n{said}");
        attempt += 1;
    };
    let said = format!("{:?}\n{said}", place());
    if !status.success() || !said.contains(&format!("running {tests} test")) {
        return Err(format!("{status}\n{said}"));
    }
    println!("{said}");
    Ok(())
}

/// What tests are told by the environment, handed on.
fn test_environment() -> impl Iterator<Item = OsString> {
    std::env::vars_os()
        .filter(|(name, _)| name.as_encoded_bytes().starts_with(b"RUNNER_TEST_"))
        .flat_map(|(name, value)| ["--env".into(), joined(name, &value)])
}

/// `NAME=VALUE`.
fn joined(mut name: OsString, value: &OsStr) -> OsString {
    name.push("=");
    name.push(value);
    name
}
