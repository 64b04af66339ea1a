//! From what the user asks for to the tests that are run.

use crate::{
    FileError, Fragment, List, RunFacts, Skip, Spec, SpecError, SuiteError, Test, TestId, exec,
    filter::{Pattern, describe},
    hint::nothing,
    kselftest::{
        BuildError, Candidates, Guest, InstallDir, InstallError, Progress, Tree, TreeError,
    },
    smoke,
    spec::{KSELFTEST, Wanted},
    suite::{Places, Suites, boot_options},
};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

/// Why a selection gives no tests.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// An argument of `--suite` or `--skip` cannot be understood.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// An argument of `--suite` matches no test.
    #[error("\"{spec}\" matches no test: {hint}")]
    NothingMatched {
        /// The argument.
        spec: String,
        /// What there is instead, bounded.
        hint: String,
    },
    /// Selftests are asked for, and there is nowhere to take them from.
    #[error(
        "\"{spec}\" needs the kernel's selftests: name its source tree with --tree DIR, or an installed selftest tree with \
         --kselftest DIR, or stand in the tree"
    )]
    NoKselftest {
        /// The argument.
        spec: String,
    },
    /// What `--tree` names is no kernel tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// What `--kselftest` names is no installed tree.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The selftests cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Another suite has no tests to choose from.
    #[error(transparent)]
    Suite(#[from] SuiteError),
    /// A list of tests cannot be used.
    #[error(transparent)]
    List(#[from] FileError),
}

impl SelectError {
    /// Whether the command line or the host is at fault, and not this kernel's source.
    #[must_use]
    pub fn blames_host(&self) -> bool {
        match self {
            Self::NothingMatched { .. } => false,
            Self::Build(error) => error.blames_host(),
            Self::Suite(error) => error.blames_host(),
            Self::Spec(_)
            | Self::NoKselftest { .. }
            | Self::Tree(_)
            | Self::Install(_)
            | Self::List(_) => true,
        }
    }

    /// Whether it is only that the caller stopped it.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(
            self,
            Self::Build(BuildError::Cancelled) | Self::Suite(SuiteError::Cancelled)
        )
    }
}

/// Where selftests come from.
#[derive(Debug, Clone, Copy)]
pub enum Kselftest<'a> {
    /// There are none.
    None,
    /// From an installed tree, `--kselftest`.
    Installed(&'a Path),
    /// Built from a kernel tree.
    Tree {
        /// The tree; it is not written to.
        tree: &'a Tree,
        /// A directory for builds of this tree and no other, made if need be.
        cache: &'a Path,
    },
}

/// What tests are made of.
pub struct Sources<'a> {
    /// Where selftests come from.
    pub kselftest: Kselftest<'a>,
    /// The machine that they will run in.
    pub guest: Guest<'a>,
    /// Where other suites are.
    pub places: Places<'a>,
    /// What the run is, for lists that hold on some only.
    pub facts: RunFacts<'a>,
    /// Set from elsewhere to stop a build.
    pub cancelled: &'a AtomicBool,
    /// Told what a build does.
    pub progress: &'a mut dyn FnMut(Progress<'_>),
}

/// What the user asks for.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// The arguments of `--suite`, in order.
    pub suites: Vec<Spec>,
    /// The arguments of `--skip`.
    pub skips: Vec<Skip>,
    /// What is known of tests beforehand.
    pub lists: Vec<List>,
}

/// The tests to run.
#[derive(Debug, Default)]
pub struct Selected {
    /// In the order of the arguments and, for each, of its suite. No name comes twice.
    pub tests: Vec<Test>,
    /// Names of tests that were asked for and left out, and of whole collections (`kselftest:net`) that were for that reason
    /// not even built.
    pub skipped: Vec<String>,
    /// What a person should know, plain sentences.
    pub warnings: Vec<String>,
    /// The directory of the selftests among the tests: the guest has to see it, and as long as this exists no
    /// other build clears it away.
    pub kselftest: Option<InstallDir>,
    /// Further directories of the host that the guest has to see at the same place.
    pub dirs: Vec<PathBuf>,
    /// Options of the kernel command line that the tests need.
    pub boot_options: Vec<String>,
    /// What the collections of the selftests among the tests want of a kernel's configuration.
    pub fragment: Fragment,
}

impl Selection {
    /// Reads the arguments of `--suite` and `--skip`.
    ///
    /// # Errors
    /// The first that cannot be understood.
    pub fn parse(
        suites: impl IntoIterator<Item = impl AsRef<str>>,
        skips: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, SpecError> {
        Ok(Self {
            suites: suites
                .into_iter()
                .map(|s| Spec::parse(s.as_ref()))
                .collect::<Result<_, _>>()?,
            skips: skips
                .into_iter()
                .map(|s| Skip::parse(s.as_ref()))
                .collect::<Result<_, _>>()?,
            lists: Vec::new(),
        })
    }

    /// Finds the tests, and builds those that have to be.
    ///
    /// A spec that matches nothing is an error, unless all that it matches was left out by a `--skip`.
    ///
    /// # Errors
    /// [`SelectError`].
    pub fn select(&self, sources: &mut Sources<'_>) -> Result<Selected, SelectError> {
        let mut selected = Selected::default();
        let mut selftests = self.selftests(sources, &mut selected)?;
        let mut taken: HashSet<TestId> = HashSet::new();
        let mut left_out: Vec<TestId> = Vec::new();
        let mut suites = Suites::new(
            &self.suites,
            sources.places,
            sources.guest,
            sources.cancelled,
        );
        for spec in &self.suites {
            let wanted = &spec.wanted;
            let (all, found): (Vec<Test>, Vec<Test>) = match wanted {
                Wanted::Exec { words } => (Vec::new(), vec![exec::test(words)]),
                Wanted::Named {
                    suite: KSELFTEST, ..
                } => {
                    let all = selftests.as_ref().map(|c| c.tests.clone());
                    let found = selftests.as_ref().map(|c| of(c, wanted));
                    (all.unwrap_or_default(), found.unwrap_or_default())
                }
                Wanted::Named {
                    suite: smoke::SUITE,
                    ..
                } => matching(smoke::tests().collect(), wanted),
                _ => matching(suites.tests(spec)?, wanted),
            };
            if found.is_empty() && !selected.skips_all_of(spec) {
                return Err(nothing(spec, &all));
            }
            for mut test in found {
                let skipped = self.skips.iter().any(|skip| skip.matches(&test.id));
                if !skipped && test.id.suite == exec::SUITE {
                    number(&mut test, &taken);
                }
                if !taken.insert(test.id.clone()) {
                    continue;
                }
                if skipped {
                    selected.skipped.push(test.id.to_string());
                    left_out.push(test.id);
                } else {
                    selected.tests.push(test);
                }
            }
        }
        self.warn_of_idle_skips(&taken, &mut selected);
        for list in &self.lists {
            let warnings = list.mark(&mut selected.tests, &left_out, &sources.facts);
            selected.warnings.extend(warnings);
        }
        selected.dirs = suites.dirs();
        selected.boot_options = boot_options(&self.suites, &selected.tests)?;
        if let Some(candidates) = &selftests {
            let groups = selected.tests.iter().filter(|t| t.id.suite == KSELFTEST);
            let mut collections: Vec<&str> = groups.filter_map(|t| t.id.group.as_deref()).collect();
            collections.dedup();
            for name in collections {
                let config = candidates.dir.path.join(name).join("config");
                selected.fragment.read_file(&config, name);
            }
        }
        if let Some(candidates) = &mut selftests {
            selected.warnings.append(&mut candidates.warnings);
        }
        selected.kselftest = selftests.map(|candidates| candidates.dir);
        Ok(selected)
    }

    /// The selftests to choose from, `None` where none are asked for.
    fn selftests(
        &self,
        sources: &mut Sources<'_>,
        selected: &mut Selected,
    ) -> Result<Option<Candidates>, SelectError> {
        let Some(first) = self.suites.iter().find(|s| s.is_kselftest()) else {
            return Ok(None);
        };
        match sources.kselftest {
            Kselftest::None => Err(SelectError::NoKselftest {
                spec: first.to_string(),
            }),
            Kselftest::Installed(dir) => Ok(Some(Candidates::installed(dir, &sources.guest)?)),
            Kselftest::Tree { tree, cache } => {
                let collections = self.collections(tree, selected)?;
                if collections.is_empty() {
                    return Ok(None);
                }
                let candidates = Candidates::build(
                    &collections,
                    tree,
                    cache,
                    &sources.guest,
                    sources.cancelled,
                    sources.progress,
                )?;
                Ok(Some(candidates))
            }
        }
    }

    /// The collections to build, none twice. A name may be that of a collection that a build of everything leaves out.
    pub(crate) fn collections(
        &self,
        tree: &Tree,
        selected: &mut Selected,
    ) -> Result<Vec<String>, SelectError> {
        let all = tree.collections()?;
        let mut wanted = Vec::new();
        for spec in &self.suites {
            let Some(collection) = collection_of(&spec.wanted) else {
                continue;
            };
            let named = collection
                .as_ref()
                .and_then(Pattern::literal)
                .filter(|name| tree.has_collection(name));
            let matching: Vec<String> = match (named, collection) {
                (Some(name), _) => vec![name.into()],
                (None, None) => all.clone(),
                (None, Some(glob)) => all.iter().filter(|n| glob.matches(n)).cloned().collect(),
            };
            if matching.is_empty() {
                let names: Vec<&str> = all.iter().map(String::as_str).collect();
                return Err(SelectError::NothingMatched {
                    spec: spec.to_string(),
                    hint: describe("collections", text_of(collection.as_ref()), &names),
                });
            }
            for name in matching {
                if self.skips.iter().any(|skip| skip.covers_collection(&name)) {
                    push_new(&mut selected.skipped, format!("{KSELFTEST}:{name}"));
                } else {
                    push_new(&mut wanted, name);
                }
            }
        }
        Ok(wanted)
    }

    fn warn_of_idle_skips(&self, asked_for: &HashSet<TestId>, selected: &mut Selected) {
        for skip in &self.skips {
            let whole = |name: &String| {
                name.strip_prefix(KSELFTEST)
                    .and_then(|rest| rest.strip_prefix(':'))
                    .is_some_and(|collection| skip.covers_collection(collection))
            };
            let idle =
                !asked_for.iter().any(|id| skip.matches(id)) && !selected.skipped.iter().any(whole);
            if idle {
                selected.warnings.push(format!(
                    "--skip {skip} leaves out nothing that was selected"
                ));
            }
        }
    }
}

impl Selected {
    /// Whether everything a spec of selftests matches was left out unbuilt.
    fn skips_all_of(&self, spec: &Spec) -> bool {
        let Some(collection) = collection_of(&spec.wanted) else {
            return false;
        };
        self.skipped.iter().any(|name| {
            name.strip_prefix(KSELFTEST)
                .and_then(|rest| rest.strip_prefix(':'))
                .is_some_and(|name| collection.as_ref().is_none_or(|c| c.matches(name)))
        })
    }
}

/// The selftests that are asked for. One that stands for all of its collection is whichever of them is asked for.
fn of(candidates: &Candidates, wanted: &Wanted) -> Vec<Test> {
    let Some(collection) = collection_of(wanted) else {
        return Vec::new();
    };
    let any_case = Wanted::Named {
        suite: KSELFTEST,
        group: collection.clone(),
        case: None,
    };
    candidates
        .tests
        .iter()
        .filter(|t| {
            wanted.matches(&t.id) || candidates.whole.contains(&t.id) && any_case.matches(&t.id)
        })
        .cloned()
        .collect()
}

/// The collections of a spec of selftests, `None` for any other spec.
fn collection_of(wanted: &Wanted) -> Option<&Option<Pattern>> {
    match wanted {
        Wanted::Named {
            suite: KSELFTEST,
            group,
            ..
        } => Some(group),
        _ => None,
    }
}

/// All tests, and those of them that are asked for.
pub(crate) fn matching(all: Vec<Test>, wanted: &Wanted) -> (Vec<Test>, Vec<Test>) {
    let fits = |test: &&Test| wanted.matches(&test.id);
    let found = all.iter().filter(fits).cloned().collect();
    (all, found)
}

/// Gives a command that was asked for before a number, for asking twice is running twice.
fn number(test: &mut Test, taken: &HashSet<TestId>) {
    let case = test.id.case.clone();
    for n in 2_u32.. {
        if !taken.contains(&test.id) {
            break;
        }
        test.id.case = format!("{case} #{n}");
    }
}

pub(crate) fn text_of(pattern: Option<&Pattern>) -> &str {
    pattern.map_or("", Pattern::as_str)
}

pub(crate) fn push_new(list: &mut Vec<String>, item: String) {
    if !list.contains(&item) {
        list.push(item);
    }
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
