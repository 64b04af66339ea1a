//! Faults of every kind, committed in kernels that notice them: each has to come back with its class, put down to its test,
//! in every report. `scripts/faults` builds what it takes.
//!
//! `RUNNER_TEST_FAULTS` names a directory with the build trees of kernels, each called by its kind (`debug` for
//! `faults/debug.config`, ...) and with the module in `fault/`; `RUNNER_TEST_KERNELS` a directory with a kernel of the ordinary
//! kind. `RUNNER_TEST_FAULT` takes only the faults whose names contain one of these words.

mod common;

use common::{Finished, Run, extra_kernel};
use serde::Deserialize;
use serde_json::Value;
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

/// Faults in one run that share machines, so that none takes too long.
const AT_ONCE: usize = 6;
/// The same of those that have a machine each.
const ALONE_AT_ONCE: usize = 4;

/// The faults of one kind of kernel, as `faults/*.toml` lists them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    fault: Vec<Fault>,
}

/// A fault, and what has to be said of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    name: String,
    /// A shell's script; without it, the module's fault of that name.
    run: Option<String>,
    /// Its class; without one nothing may be reported.
    class: Option<String>,
    /// The beginning of its title.
    #[serde(default)]
    title: String,
    /// Classes of what is reported beside it.
    #[serde(default)]
    also: Vec<String>,
    /// Classes of what may be reported beside it, as one stall leads to another.
    #[serde(default)]
    perhaps: Vec<String>,
    /// What its test ends with.
    #[serde(default = "fail")]
    outcome: String,
    /// It needs a machine that no other fault was committed on.
    #[serde(default)]
    alone: bool,
}

fn fail() -> String {
    "fail".to_owned()
}

impl Fault {
    /// What its test does.
    fn script(&self, tree: Option<&Path>) -> String {
        let Some(tree) = tree else {
            return self
                .run
                .clone()
                .expect("a script, where there is no module");
        };
        let tree = tree.to_str().expect("a plain path");
        let commit = format!(
            "grep -q '^fault ' /proc/modules || insmod {tree}/fault/fault.ko || exit 4; \
             echo {} > /sys/kernel/debug/fault/commit",
            self.name
        );
        let script = self.run.as_deref().unwrap_or("COMMIT");
        script.replace("COMMIT", &commit).replace("TREE", tree)
    }

    /// Everything about it that is not as it should be.
    fn complaints(&self, done: &Finished) -> Vec<String> {
        let result = done.result(&self.name);
        let mut wrong = Vec::new();
        let mut check = |holds: bool, what: String| {
            if !holds {
                wrong.push(what);
            }
        };
        let outcome = done.outcome(&self.name);
        let message = done.message(&self.name);
        check(
            outcome == self.outcome,
            format!("it ended as {outcome}: {message}"),
        );
        let splats = || result["splats"].as_array().into_iter().flatten();
        let word =
            |splat: &Value, member: &str| splat[member].as_str().unwrap_or_default().to_owned();
        let mut classes: Vec<String> = splats().map(|splat| word(splat, "class")).collect();
        classes.retain(|class| !self.perhaps.contains(class));
        let mut expected: Vec<String> = self.class.iter().chain(&self.also).cloned().collect();
        // A stall is told again and again as long as it lasts.
        for list in [&mut classes, &mut expected] {
            list.sort();
            list.dedup();
        }
        check(classes == expected, format!("its splats are {classes:?}"));
        let Some(class) = &self.class else {
            return wrong;
        };
        let titled = |splat: &&Value| word(splat, "title").starts_with(&self.title);
        let of_class = || splats().filter(|splat| splat["class"] == **class);
        let Some(splat) = of_class().find(titled).or_else(|| of_class().next()) else {
            return wrong;
        };
        let title = word(splat, "title");
        check(titled(&splat), format!("its title is {title:?}"));
        check(
            word(splat, "fingerprint").len() == 12,
            "it has no fingerprint".to_owned(),
        );
        let case = done.case(&self.name);
        check(
            case.outcome == self.outcome,
            format!("JUnit says {}", case.outcome),
        );
        // What is not held against the test is in results.json alone.
        if splat["counts"] == Value::Bool(true) {
            let literal: String = title
                .chars()
                .take_while(|c| !"<>&\"".contains(*c))
                .collect();
            let shown = format!("--- splat: {literal}");
            check(
                done.file("junit.xml").contains(&shown),
                "JUnit does not have it".to_owned(),
            );
            check(
                done.stderr.contains(&shown),
                "it is not on the terminal".to_owned(),
            );
        }
        wrong
    }
}

/// Commits all faults of a table, and fails with whatever is not as it should be.
fn commit(kernel: &Path, table: &str, tree: Option<&Path>) {
    let table: Table = toml::from_str(table).expect("the table is sound");
    let only = std::env::var("RUNNER_TEST_FAULT").unwrap_or_default();
    let chosen = |alone: bool| -> Vec<Fault> {
        let all = table.fault.iter();
        let named = |fault: &Fault| {
            only.is_empty()
                || only
                    .split_whitespace()
                    .any(|word| fault.name.contains(word))
        };
        let chosen = all.filter(|fault| fault.alone == alone && named(fault));
        chosen.cloned().collect()
    };
    let mut wrong = String::new();
    for (alone, isolate, most) in [(false, "run", AT_ONCE), (true, "test", ALONE_AT_ONCE)] {
        for faults in chosen(alone).chunks(most) {
            let done = run(kernel, faults, tree, isolate);
            let complained = wrong.len();
            for fault in faults {
                let complaints = fault.complaints(&done);
                let class = fault.class.as_deref().unwrap_or("none");
                let verdict = if complaints.is_empty() { "ok" } else { "WRONG" };
                let title = done.result(&fault.name)["splats"][0]["title"].as_str();
                eprintln!(
                    "{verdict:<6} {class:<24} {:<20} {:<13} {}",
                    fault.name,
                    done.outcome(&fault.name),
                    title.unwrap_or_default()
                );
                if !complaints.is_empty() {
                    let _ = writeln!(wrong, "{}: {}", fault.name, complaints.join("; "));
                    let log = done.output(&fault.name, "kernel_log");
                    let _ = writeln!(wrong, "{}", tail(&log));
                }
            }
            if done.status != 1 && faults.iter().any(|fault| fault.class.is_some()) {
                let _ = writeln!(wrong, "the exit status is {}\n{}", done.status, done.stderr);
            }
            if wrong.len() > complained {
                eprintln!("{}", done.stderr);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn run(kernel: &Path, faults: &[Fault], tree: Option<&Path>, isolate: &str) -> Finished {
    let dir = tempfile::tempdir().expect("a directory");
    let manifest = dir.path().join("faults.toml");
    let mut text = "name = \"faults\"\n".to_owned();
    for fault in faults {
        let (name, script) = (&fault.name, fault.script(tree));
        let _ = writeln!(
            text,
            "[[test]]\nname = \"{name}\"\ncommand = [\"sh\", \"-c\", \'\'\'{script}\'\'\']\ntimeout = 20"
        );
    }
    std::fs::write(&manifest, text).expect("written");
    let run = Run::new()
        .kernel(kernel)
        .suite(manifest.to_str().expect("a plain path"))
        .args(["--isolate", isolate]);
    // The serial port's driver of Linux 6.1 breaks a rule of the lock validator as soon as it prints, and then that rests. Faults
    // that need it have a quiet console; for the others it is as well, since a machine is given up when the validator begins
    // to rest.
    let run = match isolate {
        "test" => run.args(["--append", "loglevel=1"]),
        _ => run,
    };
    run.run()
}

/// The last lines of a log.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

/// The faults of the kernel that `scripts/faults` builds for this kind.
fn commit_in(kind: &str, table: &str) {
    let Some(trees) = std::env::var_os("RUNNER_TEST_FAULTS").filter(|trees| !trees.is_empty())
    else {
        eprintln!(
            "SKIP: RUNNER_TEST_FAULTS names no directory of kernels (scripts/faults makes one)"
        );
        return;
    };
    let tree = PathBuf::from(trees).join(kind);
    let kernel = tree.join("arch/x86/boot/bzImage");
    if !kernel.exists() {
        eprintln!("SKIP: there is no {}", kernel.display());
        return;
    }
    commit(&kernel, table, Some(&tree));
}

#[test]
fn every_fault_of_the_debug_kernel_has_its_class() {
    commit_in("debug", include_str!("faults/debug.toml"));
}

#[test]
fn every_fault_of_the_race_kernel_has_its_class() {
    commit_in("race", include_str!("faults/race.toml"));
}

#[test]
fn every_fault_of_the_uninitialised_kernel_has_its_class() {
    commit_in("uninitialised", include_str!("faults/uninitialised.toml"));
}

#[test]
fn every_fault_of_an_ordinary_kernel_has_its_class() {
    let Some(kernel) = extra_kernel("bzImage") else {
        return;
    };
    commit(&kernel, include_str!("faults/ordinary.toml"), None);
}
