//! Every way a test can come out on a kernel that stays well, in every report, and what a test finds around it.
//!
//! That the reports agree with each other is checked for every run, by `common`.

mod common;

use common::Run;
use std::fs;

/// A script that prints lines of KTAP and exits.
fn ktap(lines: &[&str], status: u8) -> String {
    let quoted: Vec<String> = lines.iter().map(|line| format!("'{line}'")).collect();
    format!("printf '%s\\n' {}; exit {status}", quoted.join(" "))
}

#[test]
fn every_outcome_of_a_test_is_told_from_the_others() {
    let Some(run) = Run::on_kernel() else { return };
    let done = run
        .sh("pass", "exit 0")
        .sh("fail", "echo what went wrong >&2; exit 1")
        .sh("status-77", "exit 77")
        .sh("skip", "exit 4")
        .sh(
            "skip-all",
            &ktap(&["TAP version 13", "1..0 # SKIP no such device"], 0),
        )
        .sh(
            "xfail",
            &ktap(&["TAP version 13", "1..1", "ok 1 a # XFAIL known"], 2),
        )
        .sh(
            "todo",
            &ktap(&["TAP version 13", "1..1", "not ok 1 a # TODO some day"], 0),
        )
        .sh("killed", "kill -SEGV $$")
        .sh(
            "0-but-not-ok",
            &ktap(&["TAP version 13", "1..2", "ok 1 a", "not ok 2 b"], 0),
        )
        .sh(
            "4-but-not-ok",
            &ktap(&["TAP version 13", "1..1", "not ok 1 c"], 4),
        )
        .sh("1-but-ok", &ktap(&["TAP version 13", "1..1", "ok 1 a"], 1))
        .sh(
            "two-of-three",
            &ktap(&["TAP version 13", "1..3", "ok 1 a", "ok 2 b"], 0),
        )
        .sh(
            "bail-out",
            &ktap(
                &["TAP version 13", "1..2", "ok 1 a", "Bail out! no memory"],
                1,
            ),
        )
        .sh(
            "nested",
            &ktap(
                &[
                    "KTAP version 1",
                    "1..2",
                    "  KTAP version 1",
                    "  # Subtest: inner",
                    "  1..3",
                    "  ok 1 first",
                    "  not ok 2 second",
                    "  ok 3 third # SKIP not here",
                    "not ok 1 inner",
                    "ok 2 outer",
                ],
                1,
            ),
        )
        .suite("exec:/no/such/program")
        .suite("exec:no-such-program --flag")
        .sh("last", "exit 0")
        .run();
    done.assert_status(1);

    done.assert_outcome("pass", "pass", "");
    done.assert_outcome("last", "pass", "");
    done.assert_outcome("fail", "fail", "exit status 1");
    assert_eq!(done.result("fail")["exit"], "exit status 1");
    assert!(done.stderr.contains("what went wrong"), "{}", done.stderr);
    done.assert_outcome("status-77", "fail", "exit status 77");
    done.assert_outcome("skip", "skip", "exit status 4");
    done.assert_outcome("skip-all", "skip", "no such device");
    done.assert_outcome("xfail", "expected-fail", "as expected");
    done.assert_outcome("todo", "expected-fail", "as expected");
    done.assert_outcome("killed", "fail", "signal 11 (SIGSEGV)");
    assert_eq!(done.result("killed")["exit"], "signal 11 (SIGSEGV)");
    done.assert_outcome(
        "0-but-not-ok",
        "fail",
        "exit status 0 contradicts its output, where b failed",
    );
    done.assert_outcome(
        "4-but-not-ok",
        "fail",
        "exit status 4 (skip) contradicts its output, where c failed",
    );
    done.assert_outcome("1-but-ok", "fail", "exit status 1 contradicts its output");
    done.assert_outcome(
        "two-of-three",
        "fail",
        "exit status 0 contradicts its output",
    );
    done.assert_outcome("bail-out", "fail", "it bailed out: no memory");
    done.assert_outcome(
        "exec:/no/such/program",
        "harness-error",
        "could not be started",
    );
    done.assert_outcome(
        "exec:no-such-program --flag",
        "harness-error",
        "cannot find the program no-such-program in PATH=",
    );

    done.assert_outcome("nested", "fail", "inner / second failed");
    let subtests: Vec<(String, &str)> = done.result("nested")["subtests"]
        .as_array()
        .expect("subtests")
        .iter()
        .map(|subtest| {
            let path = subtest["path"].as_array().expect("a path");
            let names: Vec<_> = path.iter().filter_map(|name| name.as_str()).collect();
            (
                names.join(" / "),
                subtest["outcome"].as_str().expect("an outcome"),
            )
        })
        .collect();
    let expected = [
        ("inner / first", "pass"),
        ("inner / second", "fail"),
        ("inner / third", "skip"),
        ("outer", "pass"),
    ];
    let expected = expected.map(|(name, outcome)| (name.to_owned(), outcome));
    assert_eq!(subtests, expected);
    let class = format!("exec.{}", done.case("nested").name);
    let in_junit = done
        .junit
        .cases
        .iter()
        .filter(|case| case.classname == class);
    let in_junit: Vec<(String, &str)> = in_junit
        .map(|case| (case.name.clone(), case.outcome.as_str()))
        .collect();
    assert_eq!(in_junit, expected);

    for (name, element) in [
        ("pass", None),
        ("fail", Some("failure")),
        ("skip", Some("skipped")),
        ("xfail", Some("skipped")),
        ("exec:/no/such/program", Some("error")),
    ] {
        assert_eq!(done.case(name).element.as_deref(), element, "{name}");
    }
    assert!(done.case("fail").system_err.contains("what went wrong"));
}

#[test]
fn a_test_that_does_not_end_is_ended_with_all_it_started() {
    let Some(run) = Run::on_kernel() else { return };
    let done = run
        .args(["--timeout", "5", "--timeout-scale", "1"])
        .sh("polite", "echo begun; exec sleep 1000")
        .sh(
            "deaf",
            "trap '' TERM; echo begun; sleep 1000; sleep 1000; echo never",
        )
        .sh(
            "holder",
            "setsid sh -c \"trap '' TERM HUP; sleep 1000\" & exec sleep 1000",
        )
        .sh("background", "sleep 1000 & setsid sleep 1001 & echo done")
        .sh(
            "alone",
            "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c '[s]leep 100'; exit 0",
        )
        .run();
    done.assert_status(1);
    for name in ["polite", "deaf", "holder"] {
        done.assert_outcome(name, "time-out", "it did not end within 5 s");
        assert_eq!(done.case(name).element.as_deref(), Some("failure"));
        assert!(
            done.result(name)["duration_ms"].as_u64() >= Some(5000),
            "{name}"
        );
    }
    assert_eq!(done.result("polite")["exit"], "signal 15 (SIGTERM)");
    assert_eq!(done.result("deaf")["exit"], "signal 9 (SIGKILL)");
    assert_eq!(done.output("deaf", "stdout"), "begun\n");
    // The test ends when its own process does; what it leaves behind neither holds it up nor outlives it.
    done.assert_outcome("background", "pass", "");
    assert_eq!(done.output("background", "stdout"), "done\n");
    assert_eq!(done.output("alone", "stdout"), "0\n");
}

#[test]
fn a_test_finds_the_surroundings_it_was_promised() {
    let Some(run) = Run::on_kernel() else { return };
    let cwd = tempfile::tempdir().expect("temporary directory");
    fs::write(cwd.path().join("beside"), "from the host\n").expect("written");
    let done = run
        .cwd(cwd.path())
        .env("E2E_PASSED_ON", "from outside")
        .env("E2E_KEPT_BACK", "secret")
        .args(["--env", "E2E_GIVEN=a b", "--env", "E2E_PASSED_ON"])
        .sh(
            "streams",
            "echo out; echo err >&2; echo more out; echo more err >&2",
        )
        .sh("environment", "env")
        .sh("stdin", "read x; echo $?; cat; readlink /proc/self/fd/0")
        .sh(
            "reopen",
            "echo a > /dev/stdout; echo b > /dev/stderr; echo c >> /dev/fd/1; echo d",
        )
        .sh(
            "tty",
            "cat /dev/tty 2> /dev/null && echo there is one; tty; exit 0",
        )
        .sh(
            "session",
            "cut -d ' ' -f 5,6 --output-delimiter='\n' /proc/$$/stat; echo $$",
        )
        .sh(
            "directory",
            "pwd; cat beside; echo changed > beside; cat beside",
        )
        .suite(r"exec:printf '%s\n' 'two  words' '$HOME' '*' '; exit 1'")
        .sh("says-kmsg", "echo e2e-first-mark > /dev/kmsg")
        .sh("quiet", "exit 0")
        .sh(
            "machine",
            "hostname; nproc; grep -c ' lo:' /proc/net/dev; cat /sys/class/net/lo/flags; \
             for d in /proc /sys /dev /dev/shm /dev/pts /sys/fs/cgroup /sys/kernel/tracing; \
             do mountpoint -q $d || echo $d is missing; done",
        )
        .run();
    done.assert_status(0);
    assert_eq!(done.output("streams", "stdout"), "out\nmore out\n");
    assert_eq!(done.output("streams", "stderr"), "err\nmore err\n");
    assert_eq!(done.case("streams").system_out, "out\nmore out\n");
    assert!(
        done.case("streams")
            .system_err
            .starts_with("err\nmore err\n--- kernel log ---\n")
    );

    let environment = done.output("environment", "stdout");
    let variables: Vec<&str> = environment.lines().collect();
    for variable in [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME=/root",
        "E2E_GIVEN=a b",
        "E2E_PASSED_ON=from outside",
    ] {
        assert!(variables.contains(&variable), "{variable} in {environment}");
    }
    assert!(environment.contains("RUNNER_ARTIFACTS=/"), "{environment}");
    assert!(!environment.contains("E2E_KEPT_BACK"), "{environment}");

    assert_eq!(done.output("stdin", "stdout"), "1\n/dev/null\n");
    assert_eq!(done.output("reopen", "stdout"), "a\nc\nd\n");
    assert_eq!(done.output("reopen", "stderr"), "b\n");
    assert_eq!(
        done.outcome("tty"),
        "pass",
        "{}",
        done.output("tty", "stdout")
    );
    assert_eq!(done.output("tty", "stdout"), "not a tty\n");
    let session = done.output("session", "stdout");
    let [group, sid, pid] = session.lines().collect::<Vec<_>>()[..] else {
        panic!("three lines: {session}");
    };
    assert_eq!(group, sid, "a session and group of its own");
    assert_ne!(
        sid, pid,
        "which it does not lead, so that it can make others"
    );
    assert!(!["0", "1"].contains(&sid), "{session}");
    let cwd_said = format!("{}\nfrom the host\nchanged\n", cwd.path().display());
    assert_eq!(done.output("directory", "stdout"), cwd_said);
    let beside = fs::read_to_string(cwd.path().join("beside")).expect("still there");
    assert_eq!(beside, "from the host\n", "nothing reaches the host");
    let printed = r"exec:printf '%s\n' 'two  words' '$HOME' '*' '; exit 1'";
    assert_eq!(
        done.output(printed, "stdout"),
        "two  words\n$HOME\n*\n; exit 1\n"
    );
    assert!(
        done.output("says-kmsg", "kernel_log")
            .contains("e2e-first-mark")
    );
    assert!(
        !done
            .output("quiet", "kernel_log")
            .contains("e2e-first-mark")
    );
    assert!(done.file("kernel.log").contains("e2e-first-mark"));
    assert_eq!(done.output("machine", "stdout"), "runner\n2\n1\n0x9\n");
}

#[test]
fn files_left_for_the_host_come_back_and_nothing_else_does() {
    let Some(run) = Run::on_kernel() else { return };
    let done = run
        .sh(
            "leaver",
            "cd $RUNNER_ARTIFACTS && mkdir -p a/b && echo data > a/b/file && printf '\\0\\377' > bytes && \
             ln -s /etc/passwd link && ln -s / tree && mkfifo pipe && mknod device c 1 3 && \
             truncate -s 300M huge && : > 'odd name; $(x)' && echo .. > ..dots",
        )
        .sh(
            "hoarder",
            "cd $RUNNER_ARTIFACTS && for i in $(seq 1 1010); do : > f$i; done",
        )
        .sh("next", "ls -A $RUNNER_ARTIFACTS; ls -A $(dirname $RUNNER_ARTIFACTS)")
        .run();
    done.assert_status(0);
    let artifacts = |name: &str| -> Vec<String> {
        let list = done.result(name)["artifacts"]
            .as_array()
            .expect("artifacts");
        list.iter()
            .map(|path| path.as_str().expect("a path").to_owned())
            .collect()
    };
    let files = artifacts("leaver");
    let top = files[0]
        .split_once("artifacts/")
        .expect("below artifacts")
        .0
        .to_owned()
        + "artifacts/";
    let mut left: Vec<&str> = files
        .iter()
        .map(|file| file.strip_prefix(&top).expect("of one directory"))
        .collect();
    left.sort_unstable();
    assert_eq!(
        left,
        [
            "%2E.dots",
            "a/b/file",
            "bytes",
            "odd%20name%3B%20%24%28x%29"
        ]
    );
    assert_eq!(done.file(&format!("{top}a/b/file")), "data\n");
    let bytes = fs::read(done.path(&format!("{top}bytes"))).expect("came back");
    assert_eq!(bytes, [0, 0xff]);
    assert_eq!(artifacts("hoarder").len(), 1000);
    let warnings = done.results["warnings"].to_string();
    assert!(
        warnings.contains(": 5 files in $RUNNER_ARTIFACTS"),
        "{warnings}"
    );
    assert!(
        warnings.contains(": 10 files in $RUNNER_ARTIFACTS"),
        "{warnings}"
    );
    // Its own directory is there, empty, and the others are gone.
    assert_eq!(done.output("next", "stdout").lines().count(), 1);
    let all = walkdir::WalkDir::new(done.path(""));
    for entry in all.into_iter().map(|entry| entry.expect("readable")) {
        let kind = entry.file_type();
        assert!(
            kind.is_file() || kind.is_dir(),
            "{}",
            entry.path().display()
        );
    }
}

#[test]
fn the_smoke_suite_passes_and_the_status_is_0() {
    let Some(run) = Run::on_kernel() else { return };
    let done = run.suite("smoke").run();
    done.assert_status(0);
    let results = done.results["results"].as_array().expect("results");
    assert_eq!(results.len(), 9);
    for result in results {
        assert_eq!(result["outcome"], "pass", "{result:#}");
    }
    assert_eq!(done.results["machines"].as_array().map(Vec::len), Some(1));
}

#[test]
fn nothing_but_skips_cannot_be_judged() {
    let Some(run) = Run::on_kernel() else { return };
    let done = run
        .sh("skip", "exit 4")
        .sh(
            "xfail",
            &ktap(&["TAP version 13", "1..1", "ok 1 a # XFAIL known"], 0),
        )
        .run();
    done.assert_status(125);
    assert_eq!(
        done.results["reason"],
        "no test passed: everything was skipped or failed as expected"
    );
}

#[test]
fn a_test_that_cannot_start_is_the_hosts_fault() {
    let Some(run) = Run::on_kernel() else { return };
    let done = run
        .suite("exec:/no/such/program")
        .sh("pass", "exit 0")
        .run();
    done.assert_status(128);
    done.assert_outcome("pass", "pass", "");
    done.assert_outcome(
        "exec:/no/such/program",
        "harness-error",
        "could not be started",
    );
}

#[test]
fn fail_fast_stops_at_the_first_test_that_is_not_good() {
    let Some(run) = Run::on_kernel() else { return };
    let done = run
        .arg("--fail-fast")
        .sh("pass", "exit 0")
        .sh("skip", "exit 4")
        .sh("fail", "exit 1")
        .sh("after", "exit 0")
        .sh("last", "exit 0")
        .run();
    done.assert_status(1);
    done.assert_outcome("skip", "skip", "");
    done.assert_outcome("fail", "fail", "exit status 1");
    for name in ["after", "last"] {
        done.assert_outcome(name, "not-run", "--fail-fast");
        assert_eq!(done.case(name).element.as_deref(), Some("error"));
    }
}
