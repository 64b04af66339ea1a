//! Tests that need a KVM that runs guest code at speed, on hosts that have none.
//!
//! Where the host's KVM is healthy they run on the host. Elsewhere they run in a machine that has one
//! (`runner exec --nested`). Such a machine takes seconds to start, so all tests of one program share it:
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
//! `cargo test --test PROGRAM` then runs `on_real_kvm`, which runs the ignored tests one at a time, here or inside, and
//! fails with all they said when one of them failed. `cargo test --test PROGRAM -- --ignored NAME` runs one of them on this
//! host, whatever its KVM is like. What they find inside:
//!
//! - the host's file tree, read-only below an overlay: programs that were built are there under their paths; what is
//!   written is gone with the machine, so nothing that the host should see can be left;
//! - the environment that `docs/exec.md` names, and the variables `RUNNER_TEST_*` of this process;
//! - two CPUs, 3 GiB, root, `/dev/kvm`, no network; time passes as on the host, and everything takes some ten times
//!   longer, an inner machine's boot about 10 s: no test may depend on how long something takes.
//!
//! For a single program and not a test, [`run_where_kvm_works`].

use super::kernel;
use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::OnceLock,
};
use vmm_core::{KvmHealth, probe};

/// Time limit of everything that runs in one nested machine, in seconds of the host, before [`SCALE`].
const AT_MOST: &str = "375";

/// Its boot's.
const BOOT_AT_MOST: &str = "120";

/// Factor on both, and on the time for which the machine may say nothing: it has two emulated CPUs, and more to do.
const SCALE: &str = "4";

/// What `runner exec` ends with when its machine died (`docs/exec.md`).
const MACHINE_DIED: i32 = 123;

/// Where a guest of the emulated machine stands that spins on a breakpoint which is no longer there: the kernel patches this branch
/// while it boots (`__sched_clock_stable`), the other CPU wakes up in it, and QEMU's emulation can keep a translation of the
/// breakpoint (`docs/troubleshooting.md`).
const STALE_BREAKPOINT: &str = "now at sched_clock_idle_wakeup_event";

/// How often the tests are run when their machine, or its emulation, fails.
const ATTEMPTS: u32 = 3;

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
    let mut words: Vec<OsString> = Vec::new();
    if let Some((name, value)) = variable {
        words.extend(["env".into(), joined(name.into(), value)]);
    }
    words.push(this.into());
    words.extend(["--ignored", "--nocapture", "--test-threads=1"].map(Into::into));
    let program = words.remove(0);
    let mut attempt = 1;
    let (status, said) = loop {
        let Some(output) = run_where_kvm_works(&program, &words) else {
            return;
        };
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        // The emulation is not what is tested, and what died with its machine had not ended.
        let failed = !output.status.success() && said.contains(STALE_BREAKPOINT);
        let died = failed || output.status.code() == Some(MACHINE_DIED);
        let died = died && *place() != Place::Here;
        if !died || attempt == ATTEMPTS {
            break (output.status, said);
        }
        println!("attempt {attempt} of {ATTEMPTS}: the emulated machine failed\n{said}");
        attempt += 1;
    };
    assert!(status.success(), "{status}\n{said}");
    assert!(!said.contains("running 0 tests"), "{said}");
    println!("{:?}\n{said}", place());
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
