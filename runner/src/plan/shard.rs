//! A part of a selection, for one of several hosts.

use sha2::{Digest, Sha256};
use std::{cmp::Reverse, fmt::Write, str::FromStr};
use suites::TestId;

/// Most shards.
const MOST: u32 = 10_000;

/// `--shard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardArg {
    /// `K/N`.
    Given {
        /// Which, from 1.
        index: u32,
        /// Of how many.
        of: u32,
    },
    /// `auto` or `auto/N`: as the environment says.
    Auto {
        /// Of how many, where that was said.
        of: Option<u32>,
    },
}

/// Which part of a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Which, from 1.
    pub index: u32,
    /// Of how many.
    pub of: u32,
}

impl FromStr for ShardArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str =
            "it is K/N with K from 1 to N, or auto or auto/N for what the environment says";
        let count = |text: &str| match text.parse::<u32>() {
            Ok(of) if (1..=MOST).contains(&of) => Ok(of),
            Ok(of) => Err(format!("{of} shards: it must be from 1 to {MOST}")),
            Err(_) => Err(FORM.to_owned()),
        };
        match text.split_once('/') {
            None if text == "auto" => Ok(Self::Auto { of: None }),
            None => Err(FORM.into()),
            Some(("auto", of)) => Ok(Self::Auto {
                of: Some(count(of)?),
            }),
            Some((index, of)) => {
                let of = count(of)?;
                match index.parse::<u32>() {
                    Ok(index) if (1..=of).contains(&index) => Ok(Self::Given { index, of }),
                    _ => Err(FORM.into()),
                }
            }
        }
    }
}

/// What a scheduler told its job.
struct Told {
    by: &'static str,
    index: i64,
    of: Option<i64>,
}

impl ShardArg {
    /// Which part this is, with the environment as `variable` has it.
    ///
    /// # Errors
    /// When the environment does not say, or contradicts itself: a plain sentence.
    pub fn resolve(self, variable: &dyn Fn(&str) -> Option<String>) -> Result<Part, String> {
        let wanted = match self {
            Self::Given { index, of } => return Ok(Part { index, of }),
            Self::Auto { of } => of,
        };
        let number = |name: &str| -> Result<Option<i64>, String> {
            match variable(name).filter(|text| !text.is_empty()) {
                None => Ok(None),
                Some(text) => text
                    .parse()
                    .map(Some)
                    .map_err(|_| format!("--shard auto: {name} is {text:?}, not a number")),
            }
        };
        let mut told = Vec::new();
        if let Some(id) = number("SLURM_ARRAY_TASK_ID")? {
            told.push(slurm(id, &number)?);
        }
        if let Some(index) = number("CI_NODE_INDEX")? {
            told.push(Told {
                by: "GitLab",
                index,
                of: number("CI_NODE_TOTAL")?,
            });
        }
        if let Some(job) = number("BUILDKITE_PARALLEL_JOB")? {
            told.push(Told {
                by: "Buildkite",
                index: job.saturating_add(1),
                of: number("BUILDKITE_PARALLEL_JOB_COUNT")?,
            });
        }
        if let Some(index) = number("JOB_COMPLETION_INDEX")? {
            told.push(Told {
                by: "Kubernetes",
                index: index.saturating_add(1),
                of: None,
            });
        }
        let told = match told.as_slice() {
            [one] => one,
            [] => {
                return Err(
                    "--shard auto: none of SLURM_ARRAY_TASK_ID, CI_NODE_INDEX, BUILDKITE_PARALLEL_JOB and \
                     JOB_COMPLETION_INDEX is set here; give --shard K/N"
                        .into(),
                );
            }
            [one, other, ..] => {
                return Err(format!(
                    "--shard auto: this is a job of {} as well as of {}; give --shard K/N",
                    one.by, other.by
                ));
            }
        };
        let of = match (wanted.map(i64::from), told.of) {
            (Some(wanted), Some(of)) if wanted != of => {
                return Err(format!(
                    "--shard auto/{wanted}: {} has {of} of these jobs",
                    told.by
                ));
            }
            (Some(of), _) | (None, Some(of)) => of,
            (None, None) => {
                return Err(format!(
                    "--shard auto: {} does not say how many of these jobs there are; give --shard auto/N",
                    told.by
                ));
            }
        };
        match (u32::try_from(told.index), u32::try_from(of)) {
            (Ok(index), Ok(of)) if (1..=MOST).contains(&of) && (1..=of).contains(&index) => {
                Ok(Part { index, of })
            }
            _ => Err(format!(
                "--shard auto: {} says that this is job {} of {of}",
                told.by, told.index
            )),
        }
    }
}

/// An array's indices begin anywhere and may be spread out (sbatch(1), `--array`); they can also be any list, which a job
/// is not told.
fn slurm(id: i64, number: &dyn Fn(&str) -> Result<Option<i64>, String>) -> Result<Told, String> {
    let least = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(id);
    let step = number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
    let of = number("SLURM_ARRAY_TASK_COUNT")?;
    let most = number("SLURM_ARRAY_TASK_MAX")?;
    let index = |id: i64| id.saturating_sub(least) / step + 1;
    let uneven = id.saturating_sub(least) % step != 0;
    let gaps = most.zip(of).is_some_and(|(most, of)| index(most) != of);
    if uneven || gaps {
        return Err(
            "--shard auto: the indices of this Slurm array have gaps; give --array=1-N, or --shard K/N"
                .into(),
        );
    }
    Ok(Told {
        by: "Slurm",
        index: index(id),
        of,
    })
}

/// The numbers of the tests in a part, in order. `expected` are the milliseconds that each test takes.
///
/// What takes longest goes first to the part that has least: with like numbers for all, the tests go round.
/// All parts of one selection with the same numbers have every test exactly once.
pub fn split(expected: &[u64], part: Part) -> Vec<usize> {
    let mut order: Vec<usize> = (0..expected.len()).collect();
    order.sort_by_key(|&test| Reverse(expected[test]));
    let of = usize::try_from(part.of).expect("a small number");
    // Its load, how many it has, which it is.
    let mut parts: std::collections::BinaryHeap<Reverse<(u64, usize, usize)>> =
        (0..of).map(|index| Reverse((0, 0, index))).collect();
    let mut own = Vec::new();
    for test in order {
        let Reverse((load, count, index)) = parts.pop().expect("there is at least one");
        if index + 1 == part.index as usize {
            own.push(test);
        }
        parts.push(Reverse((
            load.saturating_add(expected[test]),
            count + 1,
            index,
        )));
    }
    own.sort_unstable();
    own
}

/// What parts of one whole have in common: a digest of the tests and of how long they take.
pub fn digest(tests: &[&TestId], expected: &[u64], of: u32) -> String {
    let mut hash = Sha256::new();
    hash.update(of.to_le_bytes());
    for (id, ms) in tests.iter().zip(expected) {
        let id = id.to_string();
        hash.update((id.len() as u64).to_le_bytes());
        hash.update(id.as_bytes());
        hash.update(ms.to_le_bytes());
    }
    let digest = hash.finalize();
    digest[..8].iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a string");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resolve(arg: &str, environment: &[(&str, &str)]) -> Result<(u32, u32), String> {
        let variable = |name: &str| {
            let found = environment.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let arg: ShardArg = arg.parse()?;
        arg.resolve(&variable).map(|part| (part.index, part.of))
    }

    #[test]
    fn a_shard_is_given_as_one_of_several() {
        assert_eq!(resolve("1/1", &[]), Ok((1, 1)));
        assert_eq!(resolve("3/4", &[]), Ok((3, 4)));
        for wrong in [
            "", "1", "0/2", "3/2", "1/0", "a/b", "1/99999", "auto/", "auto/0", "-1/2",
        ] {
            assert!(wrong.parse::<ShardArg>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn schedulers_say_which() {
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "12"),
            ("SLURM_ARRAY_TASK_MIN", "10"),
            ("SLURM_ARRAY_TASK_MAX", "16"),
            ("SLURM_ARRAY_TASK_STEP", "2"),
            ("SLURM_ARRAY_TASK_COUNT", "4"),
        ];
        assert_eq!(resolve("auto", &slurm), Ok((2, 4)));
        assert_eq!(resolve("auto/4", &slurm), Ok((2, 4)));
        let gitlab = [("CI_NODE_INDEX", "2"), ("CI_NODE_TOTAL", "5")];
        assert_eq!(resolve("auto", &gitlab), Ok((2, 5)));
        let buildkite = [
            ("BUILDKITE_PARALLEL_JOB", "0"),
            ("BUILDKITE_PARALLEL_JOB_COUNT", "3"),
        ];
        assert_eq!(resolve("auto", &buildkite), Ok((1, 3)));
        let kubernetes = [("JOB_COMPLETION_INDEX", "6")];
        assert_eq!(resolve("auto/7", &kubernetes), Ok((7, 7)));
    }

    #[test]
    fn what_they_do_not_say_is_refused_in_words() {
        let refused = |arg, environment: &[(&str, &str)], words: &str| {
            let error = resolve(arg, environment).expect_err(words);
            assert!(error.contains(words), "{error}");
        };
        refused("auto", &[], "give --shard K/N");
        refused("auto", &[("JOB_COMPLETION_INDEX", "0")], "auto/N");
        refused("auto/2", &[("JOB_COMPLETION_INDEX", "2")], "job 3 of 2");
        refused("auto/2", &[("JOB_COMPLETION_INDEX", "x")], "not a number");
        let node = [("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "2")];
        refused("auto/3", &node, "GitLab has 2");
        let both = [node[0], node[1], ("JOB_COMPLETION_INDEX", "0")];
        refused("auto", &both, "GitLab as well as of Kubernetes");
        let list = [
            ("SLURM_ARRAY_TASK_ID", "7"),
            ("SLURM_ARRAY_TASK_MIN", "1"),
            ("SLURM_ARRAY_TASK_MAX", "7"),
            ("SLURM_ARRAY_TASK_COUNT", "3"),
        ];
        refused("auto", &list, "have gaps");
        let wild = [
            ("SLURM_ARRAY_TASK_ID", "-9223372036854775808"),
            ("SLURM_ARRAY_TASK_MIN", "5"),
            ("SLURM_ARRAY_TASK_COUNT", "2"),
        ];
        refused("auto", &wild, "--shard auto");
    }

    #[test]
    fn without_records_the_tests_go_round() {
        let part = |index| split(&[0; 5], Part { index, of: 2 });
        assert_eq!(part(1), [0, 2, 4]);
        assert_eq!(part(2), [1, 3]);
        assert_eq!(split(&[0; 2], Part { index: 3, of: 3 }), [] as [usize; 0]);
    }

    #[test]
    fn with_records_the_parts_take_equally_long() {
        let expected = [10, 60, 20, 30];
        let part = |index| split(&expected, Part { index, of: 2 });
        assert_eq!(part(1), [1]);
        assert_eq!(part(2), [0, 2, 3]);
    }

    #[test]
    fn a_digest_tells_other_numbers_and_names() {
        let ids = [TestId::new("exec", "a"), TestId::new("exec", "b")];
        let ids: Vec<_> = ids.iter().collect();
        let one = digest(&ids, &[1, 2], 2);
        assert_eq!(one, digest(&ids, &[1, 2], 2));
        assert_ne!(one, digest(&ids, &[1, 3], 2));
        assert_ne!(one, digest(&ids, &[1, 2], 3));
        assert_ne!(one, digest(&ids[..1], &[1], 2));
    }

    proptest! {
        #[test]
        fn every_test_is_in_exactly_one_part(
            expected in prop::collection::vec(prop_oneof![Just(0), 0..1000_u64, any::<u64>()], 0..50),
            of in 1_u32..9,
        ) {
            let mut all: Vec<usize> = (1..=of)
                .flat_map(|index| split(&expected, Part { index, of }))
                .collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..expected.len()).collect::<Vec<_>>());
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = text.parse::<ShardArg>();
        }
    }
}
