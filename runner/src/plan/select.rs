//! From `--suite` and `--skip` to tests.

use super::{lists, needs};
use crate::{
    cli::{Failure, SelectArgs},
    dispatch::Cancel,
    error_chain,
    kernel::{self, KernelConfig, KernelImage, ModuleIndex, Setting},
};
use sha2::{Digest, Sha256};
use std::{
    ffi::OsString,
    fmt::Write,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};
use suites::{
    Fragment, Kselftest, Kunit, Places, RunFacts, Selection, Sources, Test,
    kselftest::{Guest, InstallDir, Progress, Tree},
};

/// The tests of a run.
pub struct Selected {
    /// In the order they are to run.
    pub tests: Vec<Test>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Directories that the root does not show, host and guest path.
    pub shares: Vec<(PathBuf, PathBuf)>,
    /// Options of the kernel command line that the tests need.
    pub boot_options: Vec<String>,
    /// Held while the run uses it.
    #[expect(
        dead_code,
        reason = "its lock keeps another build from clearing the directory away"
    )]
    install: Option<InstallDir>,
}

/// What is known of the kernel that the tests will run on.
#[derive(Debug, Clone, Copy, Default)]
pub struct About<'a> {
    /// Where its image is, as far as it is named; to find the tree that it was built in.
    pub path: Option<&'a Path>,
    /// Its image.
    pub image: Option<&'a KernelImage>,
    /// Its release.
    pub release: Option<&'a str>,
    /// Its configuration.
    pub config: Option<&'a KernelConfig>,
    /// Its modules.
    pub modules: Option<&'a ModuleIndex>,
    /// What executes its code.
    pub accelerator: Option<&'a str>,
    /// Factor on time limits, if there is one.
    pub time_factor: Option<f64>,
}

/// Where the guest's init mounts file systems of its own, the last two without an overlay only, and so nothing of the
/// host's can be seen.
const HIDDEN: &[&str] = &["/dev", "/proc", "/sys", "/run", "/tmp", "/var/tmp"];

/// What a selection is made from.
pub struct Asked<'a> {
    /// What the command line says.
    pub args: &'a SelectArgs,
    /// What is known of the kernel.
    pub about: About<'a>,
    /// The directory that the guest has as its root.
    pub root: &'a Path,
    /// The environment of tests.
    pub env: &'a [(OsString, OsString)],
    /// The directory that we stand in.
    pub cwd: &'a Path,
    /// Where builds are kept.
    pub cache: Option<&'a Path>,
    /// Stops a build.
    pub cancel: &'a Cancel,
}

/// What the tests that are asked for want of a kernel's configuration; nothing is built.
pub fn fragment(asked: &Asked<'_>) -> Result<Fragment, Failure> {
    with_sources(asked, |selection, sources| selection.fragment(sources))
}

/// Does something with a selection and what its tests are made of.
fn with_sources<T>(
    asked: &Asked<'_>,
    act: impl FnOnce(&Selection, &mut Sources<'_>) -> Result<T, suites::SelectError>,
) -> Result<T, Failure> {
    let Asked {
        args,
        about,
        root,
        env,
        cwd,
        cache,
        cancel,
    } = *asked;
    let failure = |error: suites::SelectError| {
        let text = error_chain(&error);
        if error.blames_host() {
            Failure::host(text)
        } else {
            Failure::cannot_judge(text)
        }
    };
    let specs = lists::specs(args)?;
    let mut selection = Selection::parse(&specs, &args.skips).map_err(|e| failure(e.into()))?;
    selection.lists = lists::lists(args)?;
    let tree = match (&args.kselftest, &args.tree) {
        (Some(_), _) => None,
        (None, Some(path)) => Some(Tree::open(path).map_err(|e| failure(e.into()))?),
        (None, None) => Tree::around(cwd).or_else(|| about.path.and_then(Tree::around)),
    };
    let build_dir = tree
        .as_ref()
        .zip(cache)
        .map(|(tree, cache)| cache.join("kselftest").join(key(tree.root())));
    // Tests stand in it, and the guest may see it at no other path. What cannot be found is refused below.
    let installed = args
        .kselftest
        .as_ref()
        .map(|dir| dir.canonicalize().unwrap_or_else(|_| dir.clone()));
    let kselftest = match (&installed, &tree, &build_dir) {
        (Some(dir), _, _) => Kselftest::Installed(dir),
        (None, Some(tree), Some(cache)) => Kselftest::Tree { tree, cache },
        (None, Some(_), None) => {
            return Err(Failure::host(
                "there is no place to build selftests in: set HOME or XDG_CACHE_HOME",
            ));
        }
        (None, None, _) => Kselftest::None,
    };
    let asks_for = |suite: &str| selection.suites.iter().any(|spec| spec.suite() == suite);
    let kunit_is_module = about
        .config
        .is_some_and(|config| matches!(config.get("KUNIT"), Setting::Module));
    let kunit_suites = match about.image {
        // Then nothing runs at boot.
        _ if kunit_is_module => Some(Vec::new()),
        Some(image) if asks_for("kunit") => kernel::kunit_suites(image),
        _ => None,
    };
    let may_have_kunit = about.config.is_none_or(|config| config.is_on("KUNIT"));
    let kunit_modules = match about.modules {
        Some(modules) if asks_for("kunit") && may_have_kunit => kernel::kunit_modules(modules),
        _ => Vec::new(),
    };
    let lacks = lacks_kunit(&about, !kunit_modules.is_empty());
    let mut progress = |progress: Progress<'_>| {
        if let Progress::Phase(text) = progress {
            eprintln!("runner: {text}");
        }
    };
    let mut sources = Sources {
        kselftest,
        guest: Guest {
            root,
            install_dir: None,
            env,
        },
        places: Places {
            cwd,
            ltp: args.ltp.as_deref(),
            xfstests: args.xfstests.as_deref(),
            blktests: args.blktests.as_deref(),
            cargo: args.cargo_dir.as_deref(),
            time_factor: about.time_factor.unwrap_or(1.0),
            kconfig: about
                .config
                .and_then(KernelConfig::file)
                .filter(|file| is_shown(root, file)),
            kunit: Kunit {
                suites: kunit_suites.as_deref(),
                modules: &kunit_modules,
                lacks: lacks.as_deref(),
            },
        },
        facts: RunFacts {
            release: about.release,
            arch: std::env::consts::ARCH,
            accelerator: about.accelerator,
        },
        cancelled: cancel.flag(),
        progress: &mut progress,
    };
    act(&selection, &mut sources).map_err(failure)
}

/// Finds the tests that are asked for; builds selftests where that is needed.
pub fn select(asked: &Asked<'_>) -> Result<Selected, Failure> {
    let Asked {
        about, root, env, ..
    } = asked;
    let mut selected = with_sources(asked, |selection, sources| selection.select(sources))?;
    if selected.tests.is_empty() {
        return Err(Failure::cannot_judge(
            "nothing is left to run: --skip leaves out everything that --suite selects",
        ));
    }
    needs::resolve(&mut selected.tests, about, root, env);
    let mut shares = Vec::new();
    let installed = selected.kselftest.iter().map(|dir| &dir.path);
    for dir in installed.chain(&selected.dirs) {
        let path = dir
            .canonicalize()
            .map_err(|e| Failure::host(format!("{}: {e}", dir.display())))?;
        let share = (path.clone(), path);
        if !is_shown(root, &share.0) && !shares.contains(&share) {
            shares.push(share);
        }
    }
    selected.warnings.extend(lacking(&selected.fragment, about));
    Ok(Selected {
        tests: selected.tests,
        warnings: selected.warnings,
        shares,
        boot_options: selected.boot_options,
        install: selected.kselftest,
    })
}

/// Most options that a warning names.
const LISTED: usize = 12;

/// What of a fragment this kernel lacks, as a warning. What it has off on purpose of somebody is not counted.
fn lacking(fragment: &Fragment, about: &About<'_>) -> Option<String> {
    let config = about.config?;
    let lacks = |symbol: &str, value: &str| ["y", "m"].contains(&value) && !config.is_on(symbol);
    let mut missing: Vec<String> = fragment
        .options()
        .filter(|(symbol, value, _)| lacks(symbol, value))
        .map(|(symbol, _, by)| format!("CONFIG_{symbol} ({})", by.join(", ")))
        .collect();
    let count = missing.len();
    missing.truncate(LISTED);
    let more = match count - missing.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (count > 0).then(|| {
        format!(
            "this kernel lacks options that the selected collections ask for, and tests may skip or fail for it: {}{more}; \
             `runner kconfig` with the same --suite prints all of them",
            missing.join(", ")
        )
    })
}

/// Why this kernel has no unit tests, where that is known.
fn lacks_kunit(about: &About<'_>, has_modules: bool) -> Option<String> {
    let config = about.config?;
    match config.get("KUNIT") {
        Setting::Yes => None,
        Setting::Module if has_modules => None,
        Setting::Module => Some(format!(
            "CONFIG_KUNIT is m ({}), and none of the kernel's modules that are there has a suite",
            config.origin()
        )),
        Setting::No | Setting::Value(_) => Some(format!(
            "CONFIG_KUNIT is not set ({}); set it to y, with CONFIG_KUNIT_DEBUGFS=y and the suites' own options, or \
             CONFIG_KUNIT_ALL_TESTS=y",
            config.origin()
        )),
    }
}

/// Whether a guest with that root sees a directory at its path on the host.
fn is_shown(root: &Path, dir: &Path) -> bool {
    root == Path::new("/") && !HIDDEN.iter().any(|hidden| dir.starts_with(hidden))
}

/// A directory name for a path.
fn key(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_bytes());
    digest[..8].iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a string");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_covers_has_to_be_shared() {
        assert!(is_shown(Path::new("/"), Path::new("/home/a/kselftest")));
        assert!(!is_shown(
            Path::new("/"),
            Path::new("/run/user/0/kselftest")
        ));
        assert!(!is_shown(
            Path::new("/srv/root"),
            Path::new("/home/a/kselftest")
        ));
        assert!(is_shown(Path::new("/"), Path::new("/running/x")));
    }
}
