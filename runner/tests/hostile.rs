//! Tests that do what root may do. Whatever that is: the host is unharmed, and the other tests get their verdicts.

mod common;

use common::{Run, on_path};
use std::{fs, path::Path};

const MIB: u64 = 1 << 20;

#[test]
fn floods_and_garbage_are_kept_within_bounds_and_in_valid_reports() {
    let Some(run) = Run::on_kernel() else { return };
    let garbage = r"printf '\033[2J\033]0;title\007\000\001\377\376\303\050 ]]> &amp; <b>\r\n'";
    let done = run
        .sh(
            "floods",
            "dd if=/dev/zero bs=1M count=1024; dd if=/dev/zero bs=1M count=20 >&2",
        )
        .sh("babbles", &format!("{garbage}; {garbage} >&2; exit 1"))
        .sh(
            "breaks-off",
            r"printf 'TAP version 13\n1..2\nok 1 a\377b\000\nnot o'",
        )
        .sh(
            "logs",
            "i=0; while [ $i -lt 20000 ]; do echo e2e-flood $i; i=$((i+1)); done > /dev/kmsg",
        )
        .sh("closes", "exec >&- 2>&-; exit 0")
        .sh("last", "echo still here")
        .run();
    done.assert_status(1);
    done.assert_outcome("floods", "pass", "");
    for (stream, sent) in [("stdout", 1024 * MIB), ("stderr", 20 * MIB)] {
        let said = &done.result("floods")[stream];
        let kept = said["bytes"].as_u64().expect("a number");
        let dropped = said["dropped"].as_u64().expect("a number");
        assert_eq!(kept, 16 * MIB);
        // What dd says of itself comes on top.
        assert!((sent..sent + 1000).contains(&(kept + dropped)), "{said}");
        let file = done.path(said["file"].as_str().expect("a name"));
        assert_eq!(fs::metadata(file).expect("it is there").len(), kept);
    }
    done.assert_outcome("babbles", "fail", "exit status 1");
    done.assert_outcome("breaks-off", "fail", "exit status 0 contradicts its output");
    let raw = |c: char| c.is_control() && c != '\n';
    assert!(!done.stderr.contains(raw), "{:?}", done.stderr);
    assert!(done.case("babbles").system_out.contains("]]> &amp; <b>"));
    let logs = done.result("logs")["kernel_log"].clone();
    assert!(
        logs["bytes"].as_u64().expect("a number") <= 8 * MIB,
        "{logs}"
    );
    done.assert_outcome("logs", "pass", "");
    done.assert_outcome("closes", "pass", "");
    done.assert_outcome("last", "pass", "");
    assert_eq!(done.output("last", "stdout"), "still here\n");
    assert!(!done.output("last", "kernel_log").contains("e2e-flood"));
    assert_eq!(done.results["machines"].as_array().map(Vec::len), Some(1));
    let junit = fs::metadata(done.path("junit.xml")).expect("it is there");
    assert!(junit.len() < MIB, "{} bytes", junit.len());
}

#[test]
fn processes_that_fight_for_their_lives_lose() {
    let Some(run) = Run::on_kernel() else { return };
    let done = run
        .args(["--timeout", "10", "--timeout-scale", "1"])
        .sh("kills-all", "kill -9 1; kill -9 -1; echo survived")
        .sh(
            "leaves-daemons",
            "echo $$ > /sys/fs/cgroup/cgroup.procs; \
             setsid sh -c \"trap '' TERM HUP INT; sleep 1001; sleep 1001\" > /dev/null 2>&1 & \
             unshare --pid --fork sleep 1002 & \
             g=/sys/fs/cgroup/e2e-ice; mkdir $g; sleep 1003 & echo $! > $g/cgroup.procs; echo 1 > $g/cgroup.freeze; \
             sleep 1004 & kill -STOP $!; echo left",
        )
        .sh("looks", "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -o '[s]leep 100.'; exit 0")
        .sh("fork-bomb", "f() { f | f & }; f; sleep 1000")
        .sh("unaffected", "echo fine")
        .run();
    done.assert_status(1);
    done.assert_outcome("kills-all", "pass", "");
    assert_eq!(done.output("kills-all", "stdout"), "survived\n");
    done.assert_outcome("leaves-daemons", "pass", "");
    done.assert_outcome("looks", "pass", "");
    assert_eq!(done.output("looks", "stdout"), "");
    assert!(["time-out", "fail", "hang"].contains(&done.outcome("fork-bomb")));
    done.assert_outcome("unaffected", "pass", "");
    assert_eq!(done.output("unaffected", "stdout"), "fine\n");
}

/// Every file below `directory`, with what it holds.
fn tree(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = walkdir::WalkDir::new(directory).sort_by_file_name();
    let content = |entry: walkdir::DirEntry| {
        let bytes = fs::read(entry.path()).unwrap_or_default();
        (entry.path().display().to_string(), bytes)
    };
    entries
        .into_iter()
        .map(|entry| content(entry.expect("readable")))
        .collect()
}

#[test]
fn nothing_that_a_test_writes_reaches_the_host() {
    let Some(run) = Run::on_kernel() else { return };
    let host = tempfile::tempdir().expect("temporary directory");
    fs::create_dir(host.path().join("full")).expect("made");
    fs::write(host.path().join("file"), "the host's\n").expect("written");
    fs::write(host.path().join("full/file"), "the host's too\n").expect("written");
    let before = tree(host.path());
    let attack = "echo overwritten > file; echo new > new; rm -rf full; chmod 0 file; mv file moved; \
                  ln -s / link; truncate -s 0 file; mknod node c 1 3; touch -d 1999-01-01 file";
    let path = host.path().display();
    let done = run
        .cwd(host.path())
        .sh("in-the-root", &format!("{attack}; cat moved; ls"))
        .sh("hidden", "ls -A /run/runner/root")
        .arg("--env=ATTACK=".to_owned() + &format!("cd /run/runner/root{path} && {{ {attack}; cat file full/file; }}"))
        .sh("below-the-root", r#"nsenter -t 1 -m sh -c "$ATTACK""#)
        .sh(
            "remounted",
            r#"nsenter -t 1 -m sh -c "mount -o remount,rw /run/runner/root; $ATTACK""#,
        )
        .sh(
            "mounted-again",
            &format!(
                "mkdir /e2e && mount -t 9p -o trans=virtio,version=9p2000.L runner.root /e2e && cd /e2e{path} && \
                 {{ {attack}; }}; exit 0"
            ),
        )
        .sh("makes-root-read-only", "mount -o remount,ro /; echo x > /e2e-file && echo written; exit 0")
        .sh("writes-again", "echo x > /e2e-file && echo written")
        .run();
    done.assert_status(0);
    assert_eq!(tree(host.path()), before);
    assert!(!Path::new("/e2e").exists() && !Path::new("/e2e-file").exists());
    // The root is theirs to write, across tests of one machine.
    let in_root = done.output("in-the-root", "stdout");
    assert!(in_root.starts_with("overwritten\n"), "{in_root}");
    assert_eq!(done.output("hidden", "stdout"), "");
    for name in ["below-the-root", "remounted"] {
        assert_eq!(
            done.output(name, "stdout"),
            "the host's\nthe host's too\n",
            "{name}"
        );
        assert!(
            done.output(name, "stderr")
                .contains("Read-only file system"),
            "{name}"
        );
    }
    assert_eq!(done.output("writes-again", "stdout"), "written\n");
}

#[test]
fn what_a_test_says_in_the_kernels_name_is_not_believed() {
    let Some(run) = Run::on_kernel() else { return };
    let fakes = [
        "<0>BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "<0>Oops: 0002 [#1] PREEMPT SMP",
        "<0>Kernel panic - not syncing: e2e-fake",
        "runner: test 0 end: exec:none",
        "runner: test 1 start: exec:none",
        "runner-init: fatal: e2e-fake",
    ];
    let writes: String = fakes
        .iter()
        .map(|line| format!("echo '{line}' > /dev/kmsg; "))
        .collect();
    let done = run
        .sh("fakes", &format!("{writes} echo 'runner-init: fatal: x' > /dev/console; echo e2e-tail > /dev/kmsg"))
        .sh("silences", "echo off > /proc/sys/kernel/printk_devkmsg; dmesg --clear; dmesg --console-off; exit 0")
        .sh("next", "echo e2e-next > /dev/kmsg")
        .sh("last", "exit 0")
        .run();
    done.assert_status(0);
    for name in ["fakes", "silences", "next", "last"] {
        done.assert_outcome(name, "pass", "");
    }
    let log = done.output("fakes", "kernel_log");
    assert!(
        log.contains("e2e-fake") && log.contains("e2e-tail"),
        "{log}"
    );
    for name in ["silences", "next", "last"] {
        let log = done.output(name, "kernel_log");
        assert!(
            !log.contains("e2e-fake") && !log.contains("e2e-tail"),
            "{log}"
        );
        assert_eq!(log.contains("e2e-next"), name == "next", "{log}");
    }
    assert_eq!(done.results["machines"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_wrecked_machine_costs_no_other_test_its_verdict() {
    let Some(run) = Run::on_kernel() else { return };
    let done = run
        .sh("port-garbage", "for p in /dev/vport*; do head -c 100000 /dev/urandom > $p; done; exit 0")
        .sh("after-ports", "echo fine")
        .sh("unmounts", "umount -a -l; for m in /proc /sys /dev /run /; do umount -l $m; done; exit 0")
        .sh("after-unmounts", "echo fine > /dev/null && echo fine && test -e /proc/self/exe")
        .sh("no-devices", "rm -rf /dev/* ; exit 0")
        .sh("after-devices", "echo fine > /dev/null && echo fine")
        .sh("no-artifacts", "rm -rf /run/runner/artifacts; exit 0")
        .sh("after-artifacts", "echo fine > $RUNNER_ARTIFACTS/file; echo fine")
        .sh("no-init", "nsenter --target 1 --mount umount -a -l; nsenter --target 1 --mount umount -l /proc; exit 0")
        .sh("after-init", "test -e /proc/self/exe && echo fine")
        .sh("no-programs", "rm -rf /bin /lib64; echo gone")
        .sh("after-programs", "echo fine")
        .run();
    done.assert_status(0);
    let machines = done.results["machines"].to_string();
    assert!(
        machines.contains("unfit for another: /dev/null is not"),
        "{machines}"
    );
    for name in [
        "ports",
        "unmounts",
        "devices",
        "artifacts",
        "init",
        "programs",
    ] {
        let name = format!("after-{name}");
        done.assert_outcome(&name, "pass", "");
        assert_eq!(done.output(&name, "stdout"), "fine\n", "{name}");
    }
}

/// Takes init's descriptors from it and writes into them.
const HIJACK: &str = r#"
import ctypes, os
c = ctypes.CDLL(None)
pidfd = c.syscall(434, 1, 0)
for n in range(3, 40):
    fd = c.syscall(438, pidfd, n, 0)
    if fd >= 0 and "vport" in os.readlink(f"/proc/self/fd/{fd}"):
        print("took", n, flush=True)
        os.set_blocking(fd, True)
        os.write(fd, b"\xff" * 5000)
"#;

#[test]
fn a_test_that_speaks_in_inits_place_loses_its_machine_only() {
    if !on_path("python3") {
        eprintln!("SKIP: python3 is not installed");
        return;
    }
    let Some(run) = Run::on_kernel() else { return };
    let script = tempfile::NamedTempFile::new().expect("temporary file");
    fs::write(script.path(), HIJACK).expect("written");
    let done = run
        .sh(
            "hijacks",
            &format!("python3 {} && sleep 1000", script.path().display()),
        )
        .sh("after", "echo fine")
        .run();
    done.assert_status(128);
    done.assert_outcome("hijacks", "harness-error", "does not keep to the protocol");
    done.assert_outcome("after", "pass", "");
    assert_eq!(done.result("after")["machine"], 2);
}
