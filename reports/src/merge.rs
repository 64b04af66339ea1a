//! The events of several runs as those of one: shards of a selection, or any runs.
//!
//! Nothing of the runs is lost: machines get numbers of their own, a test that two of them have is kept apart under a name
//! of its own, and files move below `inputs/K/`.

use crate::{Event, OutputRef, Record, RunInfo, Shard, Summary, TestResult};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    mem,
};
use suites::TestId;
use thiserror::Error;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Why runs cannot be joined.
#[derive(Debug, Error)]
pub enum MergeError {
    /// There is no run in the journal.
    #[error("{0} holds no run: its events.jsonl does not begin with one")]
    NoRun(String),
}

/// A run that is to be joined with others.
#[derive(Debug, Clone)]
pub struct Input {
    /// What a person calls it: its directory.
    pub name: String,
    /// Its events.
    pub records: Vec<Record>,
}

/// A file of an input, and where it goes. Both are as the events say: whoever copies has to look where they lead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moved {
    /// The input's place.
    pub input: usize,
    /// Its name there, relative to the input's output directory.
    pub from: String,
    /// Its name relative to the new output directory.
    pub to: String,
}

/// Several runs as one.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The events, without an end.
    pub records: Vec<Record>,
    /// The files they speak of.
    pub files: BTreeSet<Moved>,
    /// Parts of a selection that are not among the inputs: `3/4`.
    pub missing: Vec<String>,
    /// How long any of them went on, in milliseconds: the time between two of them does not count, and where two went on
    /// at once it counts once.
    pub duration_ms: u64,
}

/// Joins the runs. `version` and `command` are those of the command that does so.
///
/// # Errors
/// When an input is no run.
///
/// # Panics
/// Without inputs.
pub fn merge(
    inputs: Vec<Input>,
    version: &str,
    command: Vec<String>,
) -> Result<Merged, MergeError> {
    let runs = inputs
        .iter()
        .map(|input| match input.records.first() {
            Some(Record {
                event: Event::RunStarted(run),
                ..
            }) => Ok((**run).clone()),
            _ => Err(MergeError::NoRun(input.name.clone())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
    let mut warnings = different(&names, &runs);
    let missing = shards(&names, &runs, &mut warnings);
    let starts: Vec<Option<OffsetDateTime>> = runs
        .iter()
        .map(|run| OffsetDateTime::parse(&run.started, &Rfc3339).ok())
        .collect();
    let first = starts.iter().flatten().min().copied();

    let mut merger = Merger::default();
    let mut tests: Vec<(u64, TestId)> = Vec::new();
    let mut records: Vec<Record> = Vec::new();
    let mut baseline = None;
    let mut spans = Vec::new();
    for (place, input) in inputs.into_iter().enumerate() {
        let shift = first
            .zip(starts[place])
            .and_then(|(first, start)| u64::try_from((start - first).whole_milliseconds()).ok());
        let shift = shift.unwrap_or(0);
        let length = input.records.iter().map(|record| record.at_ms).max();
        spans.push((shift, shift.saturating_add(length.unwrap_or(0))));
        merger.begin(place, &input, &mut warnings);
        // Tests beyond what the shard says of them stay behind the others.
        let shard = runs[place].shard.iter().flat_map(|shard| &shard.places);
        let places = shard.copied().chain(std::iter::repeat(u64::MAX));
        let names = runs[place].tests.iter().map(|id| merger.name(id));
        tests.extend(places.zip(names));
        if !matches!(
            input.records.last(),
            Some(Record {
                event: Event::RunFinished { .. },
                ..
            })
        ) {
            warnings.push(format!(
                "the run in {} was killed: its tests without a result count as not run",
                input.name
            ));
        }
        for record in input.records {
            let at_ms = record.at_ms.saturating_add(shift);
            match record.event {
                Event::RunStarted(_) | Event::RunFinished { .. } => {}
                Event::Baseline(known) => {
                    baseline.get_or_insert(known);
                }
                // What is said of every part is said once of the whole.
                Event::Warning { text } if !merger.said.insert(text.clone()) => {}
                event => records.push(Record {
                    at_ms,
                    event: merger.event(event),
                }),
            }
        }
    }
    records.sort_by_key(|record| record.at_ms);
    if one_whole(&runs) {
        tests.sort_by_key(|(place, _)| *place);
    }

    let most = |of: fn(&RunInfo) -> u32| runs.iter().map(of).max().unwrap_or(0);
    let whole = RunInfo {
        version: version.into(),
        command,
        started: first
            .and_then(|start| start.format(&Rfc3339).ok())
            .unwrap_or_else(|| runs[0].started.clone()),
        jobs: most(|run| run.jobs),
        repeat: most(|run| run.repeat),
        retries: most(|run| run.retries),
        shard: None,
        tests: tests.into_iter().map(|(_, id)| id).collect(),
        ..runs[0].clone()
    };
    let baseline = baseline.map(Event::Baseline);
    let warnings = warnings.into_iter().map(|text| Event::Warning { text });
    let beginning = std::iter::once(Event::RunStarted(Box::new(whole)))
        .chain(baseline)
        .chain(warnings)
        .map(|event| Record { at_ms: 0, event });
    Ok(Merged {
        records: beginning.chain(records).collect(),
        files: merger.files,
        missing,
        duration_ms: covered(spans),
    })
}

/// Whether all runs are parts of one selection, split in one way.
fn one_whole(runs: &[RunInfo]) -> bool {
    let split = |run: &RunInfo| run.shard.as_ref().map(|s| (s.split.clone(), s.of));
    let first = split(&runs[0]);
    first.is_some() && runs.iter().all(|run| split(run) == first)
}

/// The length of the union of spans.
fn covered(mut spans: Vec<(u64, u64)>) -> u64 {
    spans.sort_unstable();
    let mut until = 0;
    spans.into_iter().fold(0_u64, |sum, (start, end)| {
        let new = end.saturating_sub(start.max(until));
        until = until.max(end);
        sum.saturating_add(new)
    })
}

/// What makes one verdict over all of them doubtful.
fn different(names: &[&str], runs: &[RunInfo]) -> Vec<String> {
    type Tell = fn(&RunInfo) -> String;
    let tellings: [(&str, Tell); 2] = [
        ("kernels", |run| format!("linux {}", run.release)),
        ("machines", |run| {
            let RunInfo {
                engine,
                accelerator,
                cpus,
                memory_mib,
                ..
            } = run;
            format!("{engine} ({accelerator}), {cpus} CPUs, {memory_mib} MiB")
        }),
    ];
    let told = tellings.into_iter().filter_map(|(what, tell)| {
        let first = tell(&runs[0]);
        let other = runs.iter().position(|run| tell(run) != first)?;
        Some(format!(
            "the results are of different {what}: {} has {first}, {} has {}",
            names[0],
            names[other],
            tell(&runs[other])
        ))
    });
    told.collect()
}

/// Shards that are missing; what else is wrong with them is warned of.
fn shards(names: &[&str], runs: &[RunInfo], warnings: &mut Vec<String>) -> Vec<String> {
    let shards: Vec<(&str, &Shard)> = names
        .iter()
        .zip(runs)
        .filter_map(|(name, run)| Some((*name, run.shard.as_ref()?)))
        .collect();
    let Some((name, first)) = shards.first() else {
        return vec![];
    };
    let other = shards
        .iter()
        .find(|(_, shard)| (&shard.split, shard.of) != (&first.split, first.of));
    if let Some((other, _)) = other {
        warnings.push(format!(
            "{name} and {other} are parts of different wholes, by another selection or other records of durations: tests may \
             be missing; give all parts one --durations file"
        ));
    }
    let there: HashSet<u32> = shards.iter().map(|(_, shard)| shard.index).collect();
    // A journal may say anything; nobody has that many shards.
    let of = first.of.min(10_000);
    (1..=of)
        .filter(|index| !there.contains(index))
        .map(|index| format!("{index}/{of}"))
        .collect()
}

/// What has been given away so far.
#[derive(Default)]
struct Merger {
    place: usize,
    taken: HashSet<TestId>,
    /// Names in the present input that are others now.
    renamed: HashMap<TestId, TestId>,
    /// The numbers of the present input's machines.
    machines: HashMap<u32, u32>,
    next_machine: u32,
    files: BTreeSet<Moved>,
    said: HashSet<String>,
}

impl Merger {
    /// Goes on to another input: finds names for its tests.
    fn begin(&mut self, place: usize, input: &Input, warnings: &mut Vec<String>) {
        self.place = place;
        self.machines.clear();
        self.renamed.clear();
        let summary = Summary::of(&input.records);
        let selected = summary.run.iter().flat_map(|run| &run.tests);
        let ended = summary.results.iter().map(|result| &result.id);
        let mut own = HashSet::new();
        let mut doubled = Vec::new();
        for id in selected.chain(ended).filter(|id| own.insert((*id).clone())) {
            if self.taken.insert(id.clone()) {
                continue;
            }
            let other = (2_u64..)
                .map(|n| TestId {
                    case: format!("{} #{n}", id.case),
                    ..id.clone()
                })
                .find(|other| !self.taken.contains(other))
                .expect("the names taken so far are finite");
            self.taken.insert(other.clone());
            doubled.push(other.to_string());
            self.renamed.insert(id.clone(), other);
        }
        if let Some(one) = doubled.first() {
            let more = match doubled.len() - 1 {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            warnings.push(format!(
                "tests of {} are in another input too and are kept apart: {one}{more}",
                input.name
            ));
        }
    }

    fn name(&self, id: &TestId) -> TestId {
        self.renamed.get(id).unwrap_or(id).clone()
    }

    fn machine(&mut self, number: u32) -> u32 {
        let next = &mut self.next_machine;
        *self.machines.entry(number).or_insert_with(|| {
            *next = next.saturating_add(1);
            *next
        })
    }

    fn event(&mut self, mut event: Event) -> Event {
        match &mut event {
            Event::MachineStarted { machine }
            | Event::MachineReady { machine, .. }
            | Event::SplatsOutside { machine, .. }
            | Event::MachineEnded { machine, .. } => *machine = self.machine(*machine),
            Event::TestStarted { id, machine } => {
                *id = self.name(id);
                *machine = self.machine(*machine);
            }
            Event::TestAttempted(result) | Event::TestFinished(result) => self.result(result),
            Event::RunStarted(_)
            | Event::Baseline(_)
            | Event::Warning { .. }
            | Event::RunFinished { .. } => {}
        }
        event
    }

    fn result(&mut self, result: &mut TestResult) {
        result.id = self.name(&result.id);
        result.machine = result.machine.map(|machine| self.machine(machine));
        let outputs = [
            &mut result.stdout,
            &mut result.stderr,
            &mut result.kernel_log,
        ];
        for OutputRef { file, .. } in outputs.into_iter().flatten() {
            self.file(file);
        }
        for file in &mut result.artifacts {
            self.file(file);
        }
        // One level: attempts have none. What a broken journal has deeper is left out.
        for mut attempt in mem::take(&mut result.attempts) {
            attempt.attempts.clear();
            self.result(&mut attempt);
            result.attempts.push(attempt);
        }
    }

    fn file(&mut self, file: &mut String) {
        let to = format!("inputs/{}/{file}", self.place + 1);
        let from = mem::replace(file, to.clone());
        self.files.insert(Moved {
            input: self.place,
            from,
            to,
        });
    }
}

#[cfg(test)]
mod tests;
