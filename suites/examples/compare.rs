//! What a suite's own runner says of each test beside what `runner` says: the part of `scripts/compare` that reads.
//!
//!     compare kselftest EXPLAINED DIR...     each with reference.log (of run_kselftest.sh), parsed.json (of `runner parse`), run/results.json
//!     compare kunit EXPLAINED DIR            with reference.json (of kunit.py), parsed.json (of the same log), run/results.json
//!
//! EXPLAINED lists the differences that are meant, one a line: `TEST REFERENCE OURS REASON`; TEST is a glob. Prints what differs and
//! sums. Exit status 1 where a difference is not on that list.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs,
    path::Path,
    process::ExitCode,
};
use suites::Pattern;

/// Outcomes of tests and, below `TEST / `, of the results inside of them.
type Outcomes = BTreeMap<String, String>;

/// What no runner has said of a test.
const NOTHING: &str = "-";

/// A difference that is meant.
struct Explained {
    test: Pattern,
    reference: String,
    ours: String,
    reason: String,
}

/// What one runner says of one kind of things, and another of the same.
struct Side<'a> {
    name: &'a str,
    outcomes: &'a Outcomes,
}

/// How many are the same, differ and are explained, differ.
#[derive(Default)]
struct Sum {
    same: usize,
    explained: usize,
    differ: usize,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(kind), Some(list)) = (arguments.next(), arguments.next()) else {
        return Err("usage: compare kselftest|kunit EXPLAINED DIR...".into());
    };
    let explained = explained(&list)?;
    let mut tests = Sum::default();
    let mut inside = Sum::default();
    let mut parsed_tests = Sum::default();
    for dir in arguments {
        let dir = Path::new(&dir);
        let read = |name: &str| {
            fs::read(dir.join(name))
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .map_err(|e| format!("{}: {e}", dir.join(name).display()))
        };
        let (ours, ours_inside) = of_run(&serde_json::from_str(&read("run/results.json")?)?);
        let (parsed, parsed_inside) = of_parse(&serde_json::from_str(&read("parsed.json")?)?);
        if kind == "kunit" {
            // The cases are all that kunit.py counts, and all that a suite's test has inside.
            let mut reference = Outcomes::new();
            of_kunit(
                &serde_json::from_str(&read("reference.json")?)?,
                "",
                &mut reference,
            );
            let reference = Side {
                name: "kunit.py",
                outcomes: &reference,
            };
            let parsed = Side {
                name: "parse",
                outcomes: &flat(&parsed, &parsed_inside),
            };
            let ours = Side {
                name: "runner",
                outcomes: &flat(&ours, &ours_inside),
            };
            compare(&reference, &parsed, &explained, &mut parsed_tests);
            compare(&reference, &ours, &explained, &mut tests);
        } else {
            let reference = of_wrapper(&read("reference.log")?);
            let reference = Side {
                name: "run_kselftest.sh",
                outcomes: &reference,
            };
            let side = Side {
                name: "parse",
                outcomes: &parsed,
            };
            compare(&reference, &side, &explained, &mut parsed_tests);
            let side = Side {
                name: "runner",
                outcomes: &ours,
            };
            compare(&reference, &side, &explained, &mut tests);
            let reference = Side {
                name: "parse",
                outcomes: &parsed_inside,
            };
            let side = Side {
                name: "runner",
                outcomes: &ours_inside,
            };
            compare(&reference, &side, &explained, &mut inside);
        }
    }
    say("tests, by their own runner and by runner", &tests);
    say("the same, by runner parse of its log", &parsed_tests);
    if kind != "kunit" {
        say("results inside, parsed and of runner", &inside);
    }
    let differ = tests.differ + parsed_tests.differ + inside.differ;
    Ok(ExitCode::from(u8::from(differ > 0)))
}

fn say(what: &str, sum: &Sum) {
    let Sum {
        same,
        explained,
        differ,
    } = sum;
    let all = same + explained + differ;
    println!("{what:42} {all:6}: {same} the same, {explained} explained, {differ} differ");
}

fn explained(file: &str) -> Result<Vec<Explained>, Box<dyn Error>> {
    let text = fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.splitn(4, char::is_whitespace);
            let mut word = || {
                words
                    .next()
                    .map(str::trim)
                    .ok_or(format!("{file}: {line}: four words wanted"))
            };
            Ok(Explained {
                test: Pattern::new(word()?)?,
                reference: word()?.into(),
                ours: word()?.into(),
                reason: word()?.into(),
            })
        })
        .collect()
}

fn compare(reference: &Side<'_>, ours: &Side<'_>, explained: &[Explained], sum: &mut Sum) {
    let names: BTreeSet<&String> = reference
        .outcomes
        .keys()
        .chain(ours.outcomes.keys())
        .collect();
    for name in names {
        let word = |side: &Side<'_>| {
            side.outcomes
                .get(name)
                .map_or(NOTHING.to_owned(), Clone::clone)
        };
        let (theirs, our) = (word(reference), word(ours));
        if theirs == our {
            sum.same += 1;
            continue;
        }
        let reason = explained.iter().find(|entry| {
            entry.test.matches(name) && entry.reference == theirs && entry.ours == our
        });
        match reason {
            Some(_) => sum.explained += 1,
            None => sum.differ += 1,
        }
        let reason = reason.map_or("NOT EXPLAINED", |entry| &entry.reason);
        println!(
            "{name}\n    {} {theirs}, {} {our}: {reason}",
            reference.name, ours.name
        );
    }
}

/// The verdicts of `run_kselftest.sh`, taken as they stand.
fn of_wrapper(log: &str) -> Outcomes {
    let mut outcomes = Outcomes::new();
    let mut missing = false;
    for line in log.lines() {
        if let Some(name) = line.strip_prefix("# selftests: ").and_then(name) {
            outcomes.insert(name, "not-run".into());
            missing = false;
        } else if line.starts_with("# Warning: file ") && line.ends_with(" is missing!") {
            missing = true;
        } else if let Some((before, after)) = line.rsplit_once(" selftests: ") {
            let (title, directive) = after.split_once(" #").unwrap_or((after, ""));
            let Some(name) = name(title) else { continue };
            let ok = before.trim_end_matches(|c: char| c.is_ascii_digit());
            let outcome = match directive.split_whitespace().next() {
                Some("SKIP") => "skip",
                Some("TIMEOUT") => "time-out",
                _ if ok.ends_with("not ok ") && missing => "harness-error",
                _ if ok.ends_with("not ok ") => "fail",
                _ => "pass",
            };
            outcomes.insert(name, outcome.into());
        }
    }
    outcomes
}

fn name(title: &str) -> Option<String> {
    let (collection, test) = title.split_once(": ")?;
    Some(format!("kselftest:{collection}:{test}"))
}

/// Tests and results inside, of `runner test`.
fn of_run(results: &Value) -> (Outcomes, Outcomes) {
    let mut tests = Outcomes::new();
    let mut inside = Outcomes::new();
    for result in list(&results["results"]) {
        let id = &result["id"];
        let parts = [&id["suite"], &id["group"], &id["case"]];
        let id: Vec<&str> = parts.iter().filter_map(|part| part.as_str()).collect();
        let id = id.join(":");
        for subtest in list(&result["subtests"]) {
            let path: Vec<&str> = list(&subtest["path"])
                .iter()
                .filter_map(Value::as_str)
                .collect();
            add(
                &mut inside,
                format!("{id} / {}", path.join(" / ")),
                &subtest["outcome"],
            );
        }
        add(&mut tests, id, &result["outcome"]);
    }
    (tests, inside)
}

/// Tests and results inside, of `runner parse`.
fn of_parse(document: &Value) -> (Outcomes, Outcomes) {
    let mut tests = Outcomes::new();
    let mut inside = Outcomes::new();
    let mut left = 0;
    for test in list(&document["tests"]) {
        let id = test["id"].as_str().unwrap_or_default().to_owned();
        if left > 0 {
            left -= 1;
            add(&mut inside, id, &test["outcome"]);
        } else {
            left = test["subtests"].as_u64().unwrap_or(0);
            add(&mut tests, id, &test["outcome"]);
        }
    }
    (tests, inside)
}

/// Cases as `kunit.py parse --json` has them, below the groups that are suites and parameterised cases.
fn of_kunit(group: &Value, path: &str, outcomes: &mut Outcomes) {
    let under = |name: &Value| {
        let name = name.as_str().unwrap_or_default();
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path} / {name}")
        }
    };
    for case in list(&group["test_cases"]) {
        let outcome = match case["status"].as_str() {
            Some("PASS") => "pass",
            Some("SKIP") => "skip",
            Some("ERROR") => "kernel-crash",
            _ => "fail",
        };
        add(outcomes, under(&case["name"]), &outcome.into());
    }
    for inner in list(&group["sub_groups"]) {
        of_kunit(inner, &under(&inner["name"]), outcomes);
    }
}

/// The leaves of both, named as [`of_kunit`] names them.
fn flat(tests: &Outcomes, inside: &Outcomes) -> Outcomes {
    let mut leaves = Outcomes::new();
    for (id, outcome) in tests.iter().chain(inside) {
        let (test, rest) = id
            .split_once(" / ")
            .map_or((id.as_str(), None), |(a, b)| (a, Some(b)));
        let is_parent = rest.is_none()
            && inside
                .keys()
                .any(|inner| inner.starts_with(&format!("{id} / ")));
        if is_parent {
            continue;
        }
        let test = test
            .strip_prefix("kunit:")
            .unwrap_or(test)
            .replacen(':', " / ", 1);
        let name = rest.map_or(test.clone(), |rest| format!("{test} / {rest}"));
        leaves.insert(name, outcome.clone());
    }
    leaves
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Adds an outcome under a name of its own: names that come twice are told apart as everywhere.
fn add(outcomes: &mut Outcomes, name: String, outcome: &Value) {
    let outcome = outcome.as_str().unwrap_or(NOTHING).to_owned();
    let mut unique = name.clone();
    let mut number = 2;
    while outcomes.contains_key(&unique) {
        unique = format!("{name} #{number}");
        number += 1;
    }
    outcomes.insert(unique, outcome);
}
