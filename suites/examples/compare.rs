//! What a suite's own runner says of each test beside what `runner` says: the part of `scripts/compare` that reads.
//!
//!     compare kselftest EXPLAINED DIR...     each with reference.log (of run_kselftest.sh), parsed.json (of `runner parse`), run/results.json
//!     compare kunit EXPLAINED DIR            with reference.json (of kunit.py), parsed.json (of the same log), run/results.json
//!
//! EXPLAINED lists the differences that are meant, one a line: `TEST REFERENCE OURS REASON`; TEST is a glob. DIR/again-* have the same
//! files of tests that differed and ran again both ways: a difference is one of chance where the two agree on an outcome in any of
//! the turns. Prints what differs and sums, and leaves the tests that have to be explained in DIR/differ. Exit status 1 where there
//! are any.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};
use suites::Pattern;

/// Outcomes of tests and, below `TEST / `, of the results inside of them.
type Outcomes = BTreeMap<String, String>;

/// What one runner says of the tests, and of the results inside of them.
#[derive(Default)]
struct Said {
    tests: Outcomes,
    inside: Outcomes,
}

/// What a result inside is called here.
type Naming = fn(&str) -> String;

/// What no runner has said of a test.
const NOTHING: &str = "-";

/// A difference that is meant.
struct Explained {
    test: Pattern,
    reference: String,
    ours: String,
    reason: String,
}

/// How many are the same, differ by chance, differ and are explained, differ.
#[derive(Default)]
struct Sum {
    same: usize,
    chance: usize,
    explained: usize,
    differ: usize,
}

/// One way to run tests beside another.
struct Comparison {
    what: &'static str,
    reference: &'static str,
    ours: &'static str,
    sum: Sum,
}

impl Comparison {
    fn new(what: &'static str, reference: &'static str, ours: &'static str) -> Self {
        Self {
            what,
            reference,
            ours,
            sum: Sum::default(),
        }
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(kind), Some(list)) = (arguments.next(), arguments.next()) else {
        return Err("usage: compare kselftest|kunit EXPLAINED DIR...".into());
    };
    let explained = explained(&list)?;
    let is_kunit = kind == "kunit";
    let name = match is_kunit {
        true => "kunit.py",
        false => "run_kselftest.sh",
    };
    let mut sums = [
        Comparison::new("tests, by their own runner and by ours", name, "runner"),
        Comparison::new("the same, its log read by runner parse", name, "parse"),
        Comparison::new("results inside, in that log and of ours", "parse", "runner"),
    ];
    for dir in arguments {
        let dir = Path::new(&dir);
        let turns = turns(dir)?;
        let turns = turns
            .iter()
            .map(|dir| turn(dir, is_kunit))
            .collect::<Result<Vec<_>, _>>()?;
        let [run, parsed, inside] = &mut sums;
        let pick = |of: usize| -> Vec<_> { turns.iter().map(|turn| &turn[of]).collect() };
        let [reference, in_parse, ours] = [0, 1, 2].map(pick);
        let mut differ = run.add(&tests(&reference), &tests(&ours), &explained);
        parsed.add(&tests(&reference), &tests(&in_parse), &explained);
        if !is_kunit {
            differ.extend(inside.add(&results(&in_parse), &results(&ours), &explained));
        }
        let test = |name: &String| name.split(" / ").next().unwrap_or_default().to_owned();
        let differ: BTreeSet<String> = differ.iter().map(test).collect();
        let lines: String = differ.iter().map(|test| format!("{test}\n")).collect();
        fs::write(dir.join("differ"), lines)?;
    }
    let mut differ = 0;
    for Comparison { what, sum, .. } in &sums {
        let all = sum.same + sum.chance + sum.explained + sum.differ;
        if all > 0 {
            println!(
                "{what:40} {all:5}: {} the same, {} by chance, {} explained, {} differ",
                sum.same, sum.chance, sum.explained, sum.differ
            );
        }
        differ += sum.differ;
    }
    Ok(ExitCode::from(u8::from(differ > 0)))
}

/// The directories of a comparison's turns, the one of the whole first.
fn turns(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut again = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("again-") {
            again.push(entry.path());
        }
    }
    again.sort();
    again.insert(0, dir.into());
    Ok(again)
}

/// What the reference, `runner parse` of its log, and `runner test` say in one turn.
fn turn(dir: &Path, is_kunit: bool) -> Result<[Said; 3], Box<dyn Error>> {
    let read = |name: &str| {
        fs::read(dir.join(name))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .map_err(|e| format!("{}: {e}", dir.join(name).display()))
    };
    let naming: Naming = match is_kunit {
        true => str::to_owned,
        false => without_numbers,
    };
    let parsed = of_parse(&serde_json::from_str(&read("parsed.json")?)?, naming);
    let ours = of_run(&serde_json::from_str(&read("run/results.json")?)?, naming);
    let mut reference = Said::default();
    if is_kunit {
        // The cases are all that kunit.py counts, and all that a suite's test has inside.
        let document = serde_json::from_str(&read("reference.json")?)?;
        of_kunit(&document, "", &mut reference.tests);
        return Ok([reference, flat(&parsed), flat(&ours)]);
    }
    reference.tests = of_wrapper(&read("reference.log")?);
    Ok([reference, parsed, ours])
}

/// The outcomes of each test in the turns it ran in.
fn tests(turns: &[&Said]) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, outcome) in turns.iter().flat_map(|turn| &turn.tests) {
        all.entry(name.clone()).or_default().push(outcome.clone());
    }
    all
}

/// The outcomes of each result inside, with [`NOTHING`] for the turns of its test in which it did not come.
fn results(turns: &[&Said]) -> BTreeMap<String, Vec<String>> {
    let names: BTreeSet<&String> = turns.iter().flat_map(|turn| turn.inside.keys()).collect();
    let of = |name: &String| {
        let test = name.split(" / ").next().unwrap_or_default();
        let ran = turns.iter().filter(|turn| turn.tests.contains_key(test));
        let outcome = |turn: &&Said| turn.inside.get(name).cloned();
        ran.map(|turn| outcome(turn).unwrap_or(NOTHING.into()))
            .collect()
    };
    names
        .into_iter()
        .map(|name| (name.clone(), of(name)))
        .collect()
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

impl Comparison {
    /// Adds what both say; returns the names of what has to be explained.
    fn add(
        &mut self,
        reference: &BTreeMap<String, Vec<String>>,
        ours: &BTreeMap<String, Vec<String>>,
        explained: &[Explained],
    ) -> Vec<String> {
        let nothing = vec![NOTHING.to_owned()];
        let names: BTreeSet<&String> = reference.keys().chain(ours.keys()).collect();
        let mut differ = Vec::new();
        for name in names {
            let theirs = reference.get(name).unwrap_or(&nothing);
            let our = ours.get(name).unwrap_or(&nothing);
            if theirs[0] == our[0] {
                self.sum.same += 1;
                continue;
            }
            let fits = |entry: &&Explained| {
                entry.test.matches(name) && entry.reference == theirs[0] && entry.ours == our[0]
            };
            let why = if let Some(entry) = explained.iter().find(fits) {
                self.sum.explained += 1;
                &entry.reason
            } else if theirs.iter().any(|outcome| our.contains(outcome)) {
                self.sum.chance += 1;
                "by chance: the same when it ran again"
            } else {
                self.sum.differ += 1;
                differ.push(name.clone());
                "NOT EXPLAINED"
            };
            let (theirs, our) = (theirs.join(" "), our.join(" "));
            println!(
                "{name}\n    {} {theirs}, {} {our}: {why}",
                self.reference, self.ours
            );
        }
        differ
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

/// The name of a result inside, with all numbers as one: of descriptors, of which the reference's shell leaves some open, of
/// processes, of addresses, of times.
fn without_numbers(path: &str) -> String {
    let mut name = String::new();
    for c in path.chars() {
        match c.is_ascii_digit() {
            true if name.ends_with('N') => {}
            true => name.push('N'),
            false => name.push(c),
        }
    }
    name
}

/// Tests and results inside, of `runner test`.
fn of_run(results: &Value, naming: Naming) -> Said {
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
            let path = naming(&path.join(" / "));
            add(&mut inside, format!("{id} / {path}"), &subtest["outcome"]);
        }
        add(&mut tests, id, &result["outcome"]);
    }
    Said { tests, inside }
}

/// Tests and results inside, of `runner parse`.
fn of_parse(document: &Value, naming: Naming) -> Said {
    let mut tests = Outcomes::new();
    let mut inside = Outcomes::new();
    let mut left = 0;
    for test in list(&document["tests"]) {
        let id = test["id"].as_str().unwrap_or_default().to_owned();
        if left > 0 {
            left -= 1;
            let (test_id, path) = id.split_once(" / ").unwrap_or((&id, ""));
            let id = format!("{test_id} / {}", naming(path));
            add(&mut inside, id, &test["outcome"]);
        } else {
            left = test["subtests"].as_u64().unwrap_or(0);
            add(&mut tests, id, &test["outcome"]);
        }
    }
    Said { tests, inside }
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
fn flat(said: &Said) -> Said {
    let parents: BTreeSet<&str> = said
        .inside
        .keys()
        .filter_map(|id| id.split(" / ").next())
        .collect();
    let mut leaves = Said::default();
    for (id, outcome) in said.tests.iter().chain(&said.inside) {
        if parents.contains(id.as_str()) {
            continue;
        }
        let name = id
            .strip_prefix("kunit:")
            .unwrap_or(id)
            .replacen(':', " / ", 1);
        leaves.tests.insert(name, outcome.clone());
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
