//! Runs as a whole: several machines, parts of a selection, attempts, comparison with an earlier run.

mod common;

use common::{Finished, Run, kernel};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A run of small machines, so that two fit in wherever one does.
fn small() -> Option<Run> {
    Some(Run::on_kernel()?.args(["--cpus", "1", "--memory", "512M"]))
}

/// Names that tests of [`Run::sh`] were given, in the order of `results.json`.
fn order(done: &Finished) -> Vec<String> {
    let results = done.results["results"].as_array().expect("results");
    let last_word = |result: &Value| {
        let case = result["id"]["case"].as_str().expect("a name");
        case.rsplit(' ').next().expect("a word").to_owned()
    };
    results.iter().map(last_word).collect()
}

fn runner(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_runner"))
        .args(arguments)
        .env("XDG_CACHE_HOME", common::shared_dir().join("cache"))
        .output()
        .expect("started")
}

fn json_in(dir: &Path) -> Value {
    let bytes = fs::read(dir.join("results.json")).expect("written");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[test]
fn two_machines_share_the_tests_and_a_crash_costs_one() {
    let Some(run) = small() else { return };
    let done = run
        .args(["--jobs", "2"])
        .sh("one", "echo from-one")
        .sh("crash", "echo c > /proc/sysrq-trigger; sleep 100")
        .sh("three", "sleep 1")
        .sh("four", "exit 0")
        .run();
    done.assert_status(1);
    assert_eq!(order(&done), ["one", "crash", "three", "four"]);
    done.assert_outcome("crash", "kernel-crash", "sysrq triggered crash");
    for name in ["one", "three", "four"] {
        done.assert_outcome(name, "pass", "");
    }
    assert_eq!(done.output("one", "stdout"), "from-one\n");
    assert!(done.output("crash", "kernel_log").contains("sysrq"));
    assert_eq!(done.results["run"]["jobs"], 2);
    assert!(done.stderr.contains(", 2 machines"), "{}", done.stderr);
    let machines = done.results["machines"].as_array().expect("machines");
    assert_eq!(machines[0]["machine"], 1);
    assert_eq!(machines[1]["machine"], 2);
    // Both booted, each into a log of its own.
    for name in ["kernel.log", "kernel-2.log"] {
        assert!(done.file(name).contains("Linux version"), "{name}");
    }
}

/// Ways for one of many tests to end, with what becomes of it.
const WAYS: [(&str, &str); 6] = [
    ("exit 0", "pass"),
    ("exit 1", "fail"),
    ("exit 4", "skip"),
    ("kill -SEGV $$", "fail"),
    ("printf '1..2\\nok 1 a\\nok 2 b\\n'", "pass"),
    ("printf '1..1\\nnot ok 1 a\\n'; exit 1", "fail"),
];

#[test]
fn of_hundreds_of_tests_none_is_lost_to_the_crashes_among_them() {
    const TESTS: usize = 300;
    // Crashes come alone, twice in a row, first and last.
    let crashes = |n: usize| n.is_multiple_of(60) || n == 61 || n == TESTS - 1;
    let Some(mut run) = small() else { return };
    run = run.args(["--jobs", "2"]);
    for n in 0..TESTS {
        let way = match crashes(n) {
            true => "echo c > /proc/sysrq-trigger; sleep 100",
            false => WAYS[n % WAYS.len()].0,
        };
        run = run.sh(&format!("test-{n}"), &format!("echo this is $0; {way}"));
    }
    let done = run.run();
    done.assert_status(1);
    let names: Vec<String> = (0..TESTS).map(|n| format!("test-{n}")).collect();
    assert_eq!(order(&done), names);
    let results = done.results["results"].as_array().expect("results");
    for (n, result) in results.iter().enumerate() {
        if crashes(n) {
            assert_eq!(result["outcome"], "kernel-crash", "{result:#}");
            continue;
        }
        assert_eq!(result["outcome"], WAYS[n % WAYS.len()].1, "{result:#}");
        let output = result["stdout"]["file"].as_str().expect("output");
        let output = done.file(output);
        let its_own = format!("this is test-{n}\n");
        assert!(output.starts_with(&its_own), "{output}");
    }
    let machines = done.results["machines"].as_array().expect("machines");
    let crashed = (0..TESTS).filter(|n| crashes(*n)).count();
    assert!(machines.len() <= crashed + 2, "{} machines", machines.len());
}

#[test]
fn an_interrupt_ends_all_machines() {
    let Some(run) = small() else { return };
    let mut run = run
        .args(["--jobs", "2"])
        .sh("a", "echo running-a; sleep 1000")
        .sh("b", "echo running-b; sleep 1000")
        .sh("c", "exit 0")
        .start();
    run.wait_for_output("running-a");
    run.wait_for_output("running-b");
    assert_eq!(run.processes.machines().len(), 2);
    run.signal(Signal::INT);
    let done = run.finish();
    done.assert_status(130);
    for name in ["a", "b", "c"] {
        done.assert_outcome(name, "not-run", "the run was interrupted");
    }
}

#[test]
fn a_test_that_passes_when_it_is_run_again_is_flaky_and_a_baseline_knows_it() {
    let moody = "test -e /tmp/was-here || { touch /tmp/was-here; echo not yet; exit 1; }";
    let Some(run) = small() else { return };
    let done = run
        .args(["--retries", "2"])
        .sh("moody", moody)
        .sh("steady", "exit 0")
        .sh("broken", "exit 3")
        .run();
    done.assert_status(1);
    done.assert_outcome("moody", "flaky", "1 of 2 attempts failed: exit status 1");
    done.assert_outcome("broken", "fail", "3 of 3 attempts failed: exit status 3");
    let outcomes = |name: &str| -> Vec<Value> {
        let attempts = done.result(name)["attempts"].as_array().cloned();
        let attempts = attempts.unwrap_or_default().into_iter();
        attempts.map(|attempt| attempt["outcome"].clone()).collect()
    };
    assert_eq!(outcomes("moody"), ["fail", "pass"]);
    assert_eq!(outcomes("broken"), ["fail", "fail", "fail"]);
    assert_eq!(outcomes("steady"), [] as [Value; 0]);
    assert_eq!(done.output("moody", "stdout"), "not yet\n");

    // What failed then may fail now; what did not, not.
    let baseline = done.path("results.json");
    let Some(run) = small() else { return };
    let compared = run
        .arg("--baseline")
        .arg(&baseline)
        .sh("steady", "exit 0")
        .sh("broken", "exit 3")
        .sh("added", "exit 0")
        .start()
        .end();
    compared.assert_status(0);
    assert_eq!(
        compared.results["reason"],
        "nothing is worse than in the baseline"
    );
    let cases = |what: &str| -> Vec<String> {
        let ids = compared.results["baseline"][what].as_array().expect(what);
        let case = |id: &Value| id["case"].as_str().expect("a name").to_owned();
        ids.iter().map(case).collect()
    };
    assert_eq!(cases("new_failures"), [""; 0]);
    assert!(cases("still_failing")[0].ends_with("broken"));
    assert!(cases("new_tests")[0].ends_with("added"));
    assert!(cases("missing_tests")[0].ends_with("moody"));
    let stderr = &compared.stderr;
    assert!(stderr.contains("added (new test)"), "{stderr}");
    assert!(!stderr.contains("FAIL ["), "{stderr}");
    assert!(
        stderr.contains("Baseline 0 new failures, 0 fixed, 1 still failing, 1 new test, 1 missing"),
        "{stderr}"
    );
}

#[test]
fn a_hunt_for_a_rare_failure_ends_with_it() {
    let Some(run) = small() else { return };
    let third = "echo x >> /tmp/count; test $(wc -l < /tmp/count) -ne 3";
    let done = run
        .args(["--until-failure", "--repeat", "9"])
        .sh("rare", third)
        .sh("steady", "exit 0")
        .run();
    // Looked for and found: unlike with --retries it counts.
    done.assert_status(1);
    done.assert_outcome("rare", "flaky", "1 of 3 attempts failed");
    done.assert_outcome("steady", "pass", "");
    assert_eq!(
        done.result("steady")["attempts"].as_array().map(Vec::len),
        Some(2)
    );
}

#[test]
fn shards_have_every_test_once_and_are_merged_into_one() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let durations = dir.path().join("durations.json");
    let shard = |index: u32| {
        let run = small()?.sh("a", "echo from-a").sh("b", "exit 1");
        let shard = format!("{index}/3");
        let run = run.arg("--shard").arg(shard).arg("--durations");
        Some(run.arg(&durations).run())
    };
    let Some(first) = shard(1) else { return };
    let second = shard(2).expect("there is a kernel");
    let third = shard(3).expect("there is a kernel");
    first.assert_status(0);
    second.assert_status(1);
    third.assert_status(0);
    assert_eq!(third.results["reason"], "shard 3/3 has no tests");
    assert_eq!(third.results["machines"], json!([]));
    assert_eq!(order(&first), ["a"]);
    assert_eq!(order(&second), ["b"]);
    assert!(!durations.exists(), "shards leave the records alone");

    let output = dir.path().join("merged");
    let parts: Vec<PathBuf> = [&first, &second, &third].map(|part| part.path("")).into();
    let fixed = ["report", "merge", "--durations"].map(Path::new);
    let mut arguments = fixed.to_vec();
    let rest: [&Path; 3] = [&durations, Path::new("--output"), &output];
    arguments.extend(rest);
    let all: Vec<&Path> = arguments
        .iter()
        .copied()
        .chain(parts.iter().map(PathBuf::as_path))
        .collect();
    let merged = runner(&all);
    let stderr = String::from_utf8_lossy(&merged.stderr);
    assert_eq!(merged.status.code(), Some(1), "{stderr}");
    let results = json_in(&output);
    assert_eq!(results["counts"]["tests"]["pass"], 1);
    assert_eq!(results["counts"]["tests"]["fail"], 1);
    let warnings = results["warnings"].as_array().expect("a list");
    let of_one = first.results["warnings"].as_array().expect("a list");
    assert_eq!(warnings, of_one, "the same is said once");
    let stdout = results["results"][0]["stdout"]["file"]
        .as_str()
        .expect("output");
    assert_eq!(
        fs::read_to_string(output.join(stdout)).expect("copied"),
        "from-a\n"
    );
    let junit = fs::read_to_string(output.join("junit.xml")).expect("written");
    assert!(junit.contains("from-a"), "{junit}");
    assert!(output.join("inputs/1/kernel.log").exists());
    let kept = fs::read_to_string(&durations).expect("written");
    assert!(kept.contains("exec:sh -c 'echo from-a' a"), "{kept}");

    // A part that is missing is not passed over, nor is a test that is there twice.
    let some: Vec<&Path> = arguments
        .iter()
        .copied()
        .chain([parts[0].as_path()])
        .collect();
    let merged = runner(&some);
    assert_eq!(merged.status.code(), Some(128));
    assert_eq!(json_in(&output)["reason"], "shards are missing: 2/3, 3/3");
    let twice: Vec<&Path> = some.iter().copied().chain([parts[0].as_path()]).collect();
    let merged = runner(&twice);
    assert_eq!(merged.status.code(), Some(128));
    let stderr = String::from_utf8_lossy(&merged.stderr);
    assert!(stderr.contains("is named twice"), "{stderr}");
}

#[test]
fn what_cannot_be_is_refused_before_anything_boots() {
    let Some(kernel) = kernel() else { return };
    let dir = tempfile::tempdir().expect("temporary directory");
    let foreign = dir.path().join("foreign.json");
    fs::write(&foreign, "{}").expect("written");
    let refused = |change: &dyn Fn(Run) -> Run, words: &str| {
        let done = change(Run::new().kernel(&kernel)).run();
        done.assert_status(128);
        assert!(done.stderr.contains(words), "{}", done.stderr);
        assert!(done.results.is_null());
    };
    refused(
        &|run| run.args(["--baseline", "/nonexistent"]),
        "--baseline /nonexistent: ",
    );
    refused(
        &|run| run.arg("--baseline").arg(&foreign),
        "it is no results.json",
    );
    refused(&|run| run.args(["--jobs", "0"]), "1 to 256, or auto");
    refused(&|run| run.args(["--shard", "3/2"]), "K/N");
    refused(&|run| run.args(["--shard", "auto/2"]), "give --shard K/N");
    let merged = runner(&[
        Path::new("report"),
        Path::new("merge"),
        Path::new("--output"),
        &dir.path().join("merged"),
        dir.path(),
    ]);
    assert_eq!(merged.status.code(), Some(128));
    let stderr = String::from_utf8_lossy(&merged.stderr);
    assert!(stderr.contains("events.jsonl"), "{stderr}");
    assert!(!dir.path().join("merged").exists());
}

#[test]
fn two_runs_do_not_share_an_output_directory() {
    let Some(run) = small() else { return };
    let mut first = run.sh("a", "echo running-a; sleep 1000").start();
    first.wait_for_output("running-a");
    let output = first.path("");
    let [test, named, to] = ["test", "--kernel", "--output"].map(Path::new);
    let kernel = kernel().expect("the first run has one");
    let second = runner(&[test, named, &kernel, to, &output]);
    assert_eq!(second.status.code(), Some(128));
    let stderr = String::from_utf8_lossy(&second.stderr);
    assert!(stderr.contains("another run is writing"), "{stderr}");
    first.signal(Signal::TERM);
    let first = first.finish();
    first.assert_status(143);
}

#[test]
fn ends_of_a_machine_that_are_declared_are_no_failures() {
    let Some(run) = small() else { return };
    let dir = tempfile::tempdir().expect("temporary directory");
    let manifest = dir.path().join("ends.toml");
    let test = |name: &str, script: &str, intended: &str| {
        format!(
            "[[test]]\nname = \"{name}\"\ncwd = \"/\"\ncommand = [\"sh\", \"-c\", \"{script}\"]\nintended = \"{intended}\"\n"
        )
    };
    let text = [
        test("panics", "echo c > /proc/sysrq-trigger; sleep 100", "panic"),
        test(
            "reboots",
            "echo b > /proc/sysrq-trigger; sleep 100",
            "reboot",
        ),
        test(
            "goes off",
            "echo o > /proc/sysrq-trigger; sleep 100",
            "power-off",
        ),
        test("stays", "exit 0", "reboot"),
    ];
    fs::write(&manifest, text.concat()).expect("written");
    let done = run
        .args(["--jobs", "2"])
        .suite(&format!("manifest:{}", manifest.display()))
        .arg("--share")
        .arg(format!("{0}={0}", dir.path().display()))
        .run();
    done.assert_status(1);
    for name in ["panics", "reboots", "goes off"] {
        done.assert_outcome(name, "pass", "");
    }
    done.assert_outcome("stays", "fail", "was to restart the machine");
}
