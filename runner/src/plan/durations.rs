//! How long tests took before: for what takes longest first, and for shards of equal length.
//!
//! Kept apart for each accelerator and for no kernel: a kernel that is built anew every hour has no records otherwise.
//! The file belongs to nobody: one that is broken, too large or of another version counts as empty and makes way.

use reports::TestResult;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};
use suites::{Outcome, TestId};
use time::OffsetDateTime;

/// Its name in the cache directory.
const NAME: &str = "durations.json";
/// The version of its form.
const SCHEMA: u32 = 1;
/// Most tests remembered; those not seen for longest are forgotten.
const MOST_TESTS: usize = 50_000;
/// Largest file that is read, in bytes.
const MOST_BYTES: u64 = 32 << 20;
/// Longest name remembered, in bytes. Commands can be long.
const MOST_NAME: usize = 512;

/// What is remembered of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// How long it takes, in milliseconds.
    ms: u64,
    /// The Unix day of the latest run.
    day: i64,
}

/// The file's form.
#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    schema: u32,
    /// By accelerator and name, `kvm kselftest:timers:nanosleep`.
    tests: BTreeMap<String, Record>,
}

/// How long tests took before.
#[derive(Debug, PartialEq, Eq)]
pub struct Durations {
    file: Option<PathBuf>,
    accelerator: &'static str,
    tests: BTreeMap<String, Record>,
}

impl Durations {
    /// Reads the records in `file`, else those in the cache directory; none without both. Beside them, what is wrong with
    /// the file, if something is.
    pub fn read(
        file: Option<&Path>,
        cache: Option<&Path>,
        accelerator: &'static str,
    ) -> (Self, Option<String>) {
        let file = file
            .map(Path::to_owned)
            .or_else(|| cache.map(|cache| cache.join(NAME)));
        let (tests, trouble) = match file.as_deref().map(contents) {
            None => (BTreeMap::new(), None),
            Some(Ok(tests)) => (tests, None),
            Some(Err(error)) => {
                let name = file.as_deref().unwrap_or(Path::new(NAME)).display();
                let words = format!(
                    "the durations of earlier runs in {name} cannot be used, and begin anew: {error}"
                );
                (BTreeMap::new(), Some(words))
            }
        };
        let records = Self {
            file,
            accelerator,
            tests,
        };
        (records, trouble)
    }

    /// How long each test takes, in milliseconds. One that nobody has seen takes as long as the others do on average;
    /// without any records all take none.
    pub fn expected(&self, tests: &[&TestId]) -> Vec<u64> {
        let known: Vec<Option<u64>> = tests
            .iter()
            .map(|id| self.tests.get(&self.key(id)).map(|record| record.ms))
            .collect();
        let seen = known.iter().flatten().count() as u64;
        let sum = known.iter().flatten().copied().fold(0, u64::saturating_add);
        let usual = sum.checked_div(seen).unwrap_or(0);
        known.into_iter().map(|ms| ms.unwrap_or(usual)).collect()
    }

    /// Adds what `results` took at `now` and writes the file anew, in one step. Another run that does so at the same time
    /// may win: nothing but a guess is lost.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add<'a>(
        mut self,
        results: impl IntoIterator<Item = &'a TestResult>,
        now: OffsetDateTime,
    ) -> io::Result<()> {
        let Some(file) = self.file.clone() else {
            return Ok(());
        };
        // Others may have written it since.
        self.tests = contents(&file).unwrap_or_default();
        let day = now.unix_timestamp().div_euclid(24 * 60 * 60);
        let mut any = false;
        for result in results {
            any |= self.add_one(result, day);
        }
        if !any {
            return Ok(());
        }
        self.forget();
        let contents = Contents {
            schema: SCHEMA,
            tests: self.tests,
        };
        let dir = match file.parent() {
            Some(dir) if dir != Path::new("") => dir,
            _ => Path::new("."),
        };
        fs::create_dir_all(dir)?;
        let mut new = tempfile::Builder::new()
            .prefix(".durations.")
            .tempfile_in(dir)?;
        let json = serde_json::to_vec(&contents)?;
        new.as_file_mut().write_all(&json)?;
        new.persist(&file)?;
        Ok(())
    }

    /// Takes in one result if it says how long its test takes: half of what is remembered is what was remembered.
    fn add_one(&mut self, result: &TestResult, day: i64) -> bool {
        let ran = !matches!(
            result.outcome,
            Outcome::NotRun | Outcome::HarnessError | Outcome::BootFailure
        );
        let key = self.key(&result.id);
        if !ran || result.machine.is_none() || key.len() > MOST_NAME {
            return false;
        }
        let ms = match self.tests.get(&key) {
            None => result.duration_ms,
            Some(known) => known.ms.midpoint(result.duration_ms),
        };
        self.tests.insert(key, Record { ms, day });
        true
    }

    /// Leaves out what was not seen for longest where there is too much.
    fn forget(&mut self) {
        let over = self.tests.len().saturating_sub(MOST_TESTS);
        if over == 0 {
            return;
        }
        let mut by_age: Vec<(i64, String)> = self
            .tests
            .iter()
            .map(|(key, record)| (record.day, key.clone()))
            .collect();
        by_age.sort_unstable();
        for (_, key) in by_age.into_iter().take(over) {
            self.tests.remove(&key);
        }
    }

    fn key(&self, id: &TestId) -> String {
        format!("{} {id}", self.accelerator)
    }
}

/// The records in a file; none where there is no file.
fn contents(file: &Path) -> io::Result<BTreeMap<String, Record>> {
    let open = match File::open(file) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        other => other?,
    };
    let mut bytes = Vec::new();
    open.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::other("it is too large"));
    }
    let contents: Contents = serde_json::from_slice(&bytes)?;
    match contents.schema {
        SCHEMA => Ok(contents.tests),
        other => Err(io::Error::other(format!("it is of version {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(case: &str) -> TestId {
        TestId::new("exec", case)
    }

    fn result(case: &str, duration_ms: u64, outcome: Outcome) -> TestResult {
        TestResult {
            outcome,
            duration_ms,
            machine: Some(1),
            ..TestResult::not_run(&id(case), "why")
        }
    }

    fn at(day: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(day * 86_400).expect("in range")
    }

    fn read(file: &Path) -> Durations {
        let (records, trouble) = Durations::read(Some(file), None, "kvm");
        assert_eq!(trouble, None);
        records
    }

    #[test]
    fn what_was_recorded_is_expected_and_the_unknown_is_as_usual() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("sub/durations.json");
        let all = [&id("a"), &id("b"), &id("new")];
        assert_eq!(read(&file).expected(&all), [0, 0, 0]);
        let first = [
            result("a", 1000, Outcome::Pass),
            result("b", 3000, Outcome::TimeOut),
            result("c", 9, Outcome::NotRun),
        ];
        read(&file).add(&first, at(1)).expect("written");
        assert_eq!(read(&file).expected(&all), [1000, 3000, 2000]);
        assert_eq!(read(&file).tests.len(), 2);
        let later = [result("a", 2000, Outcome::Fail)];
        read(&file).add(&later, at(2)).expect("written");
        assert_eq!(read(&file).expected(&all[..1]), [1500]);
        // Emulation is another matter.
        let (emulated, _) = Durations::read(Some(&file), None, "tcg");
        assert_eq!(emulated.expected(&all), [0, 0, 0]);
        assert_eq!(
            fs::read_dir(dir.path().join("sub")).expect("there").count(),
            1
        );
    }

    #[test]
    fn a_broken_file_is_said_and_makes_way() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join(NAME);
        for broken in ["", "{", "[]", r#"{"schema":9,"tests":{}}"#] {
            fs::write(&file, broken).expect("written");
            let (records, trouble) = Durations::read(None, Some(dir.path()), "kvm");
            assert!(trouble.expect("told").contains("begin anew"), "{broken}");
            let results = [result("a", 7, Outcome::Pass)];
            records.add(&results, at(1)).expect("written");
            assert_eq!(read(&file).expected(&[&id("a")]), [7]);
        }
    }

    #[test]
    fn without_a_place_nothing_is_kept() {
        let (records, trouble) = Durations::read(None, None, "kvm");
        assert_eq!(trouble, None);
        let results = [result("a", 7, Outcome::Pass)];
        records.add(&results, at(1)).expect("nothing to do");
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut records = Durations::read(None, None, "kvm").0;
        for n in 0..=MOST_TESTS {
            let day = i64::from(n != 17);
            assert!(records.add_one(&result(&n.to_string(), 1, Outcome::Pass), day));
        }
        records.forget();
        assert_eq!(records.tests.len(), MOST_TESTS);
        assert!(!records.tests.contains_key("kvm exec:17"));
        let long = "x".repeat(MOST_NAME);
        assert!(!records.add_one(&result(&long, 1, Outcome::Pass), 1));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let dir = tempfile::tempdir().expect("temporary directory");
            fs::write(dir.path().join(NAME), bytes).expect("written");
            let (records, _) = Durations::read(None, Some(dir.path()), "kvm");
            records.expected(&[&id("a")]);
        }
    }
}
