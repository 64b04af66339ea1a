//! The tests of a Rust workspace: built and listed on the host, each function run in the guest.

use super::{CARGO, Found, Places, SuiteError, host};
use crate::{
    OutputFormat, Program, Test, TestId,
    filter::{Pattern, describe},
};
use cargo_metadata::{
    Artifact, Message, Metadata, MetadataCommand, Package, TargetKind, camino::Utf8Path,
};
use std::{
    collections::HashSet, ffi::OsString, path::Path, process::Command, sync::atomic::AtomicBool,
    time::Duration,
};

/// Limit of a test function, as that of a command.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Limit of a program that lists its functions.
const LIST_TIMEOUT: Duration = Duration::from_secs(60);

/// Lines of rustc's that are shown where a workspace does not build.
const SHOWN: usize = 60;

/// The functions of the packages that fit one of the `wanted` globs (`None` fits all); `spec` is the first that asks.
pub(super) fn find(
    places: &Places<'_>,
    wanted: &[Option<&Pattern>],
    spec: &str,
    cancelled: &AtomicBool,
) -> Result<Found, SuiteError> {
    let dir = places.cwd.join(places.cargo.unwrap_or(Path::new(".")));
    if !dir.is_dir() {
        return Err(SuiteError::NoTree {
            name: "Rust workspace",
            path: dir,
            way_out: "stand in it, or name it with --cargo-dir DIR",
        });
    }
    let metadata = metadata(&dir)?;
    let members = metadata.workspace_packages();
    let fits = |package: &&&Package| {
        let mut wanted = wanted.iter();
        wanted.any(|glob| glob.is_none_or(|glob| glob.matches(&package.name)))
    };
    let packages: Vec<&Package> = members.iter().filter(fits).copied().collect();
    if packages.is_empty() {
        let names: Vec<&str> = members.iter().map(|p| p.name.as_str()).collect();
        let glob = wanted.iter().flatten().next();
        return Err(SuiteError::NoPackage {
            spec: spec.into(),
            hint: describe("packages", glob.map_or("", |g| g.as_str()), &names),
        });
    }
    let libraries = sysroot_libraries(&dir, cancelled)?;
    let mut tests = Vec::new();
    for artifact in build(&dir, &packages, cancelled)? {
        let package = packages.iter().find(|p| p.id == artifact.package_id);
        if let (Some(package), Some(program)) = (package, &artifact.executable) {
            let program = Built {
                artifact: &artifact,
                package,
                program,
                libraries: &libraries,
            };
            tests.extend(program.tests(cancelled)?);
        }
    }
    Ok(Found {
        tests,
        dirs: vec![
            metadata.workspace_root.into_std_path_buf(),
            metadata.target_directory.into_std_path_buf(),
        ],
    })
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn metadata(dir: &Path) -> Result<Metadata, SuiteError> {
    let mut command = MetadataCommand::new();
    command
        .current_dir(dir)
        .no_deps()
        .exec()
        .map_err(|error| SuiteError::Failed {
            what: format!("reading the Rust workspace around {}", dir.display()),
            words: match error {
                cargo_metadata::Error::CargoMetadata { stderr } => stderr.trim().to_owned(),
                other => other.to_string(),
            },
        })
}

/// Builds the test programs of the packages.
fn build(
    dir: &Path,
    packages: &[&Package],
    cancelled: &AtomicBool,
) -> Result<Vec<Artifact>, SuiteError> {
    let mut command = cargo();
    command
        .args([
            "test",
            "--no-run",
            "--message-format=json-render-diagnostics",
        ])
        .current_dir(dir);
    for package in packages {
        command.args(["--package", &package.id.repr]);
    }
    let done = host::run(&mut command, None, cancelled)?;
    if !done.status.success() {
        return Err(SuiteError::Failed {
            what: format!(
                "building the tests of the Rust workspace around {}",
                dir.display()
            ),
            words: done.last_words(SHOWN),
        });
    }
    let messages = Message::parse_stream(done.stdout.as_slice()).filter_map(Result::ok);
    let artifacts = messages.filter_map(|message| match message {
        Message::CompilerArtifact(artifact) if artifact.profile.test => Some(artifact),
        _ => None,
    });
    Ok(artifacts.collect())
}

/// Where the toolchain's own shared libraries are, which test programs of procedural macros need.
fn sysroot_libraries(dir: &Path, cancelled: &AtomicBool) -> Result<Option<OsString>, SuiteError> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command.args(["--print", "target-libdir"]).current_dir(dir);
    let done = host::run(&mut command, Some(LIST_TIMEOUT), cancelled)?;
    let path = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    Ok((done.status.success() && !path.is_empty()).then(|| path.into()))
}

/// A test program.
struct Built<'a> {
    artifact: &'a Artifact,
    package: &'a Package,
    program: &'a Utf8Path,
    libraries: &'a Option<OsString>,
}

impl Built<'_> {
    /// Each of its functions as a test; what its author ignores is a skip.
    fn tests(&self, cancelled: &AtomicBool) -> Result<Vec<Test>, SuiteError> {
        let all = self.list(&[], cancelled)?;
        let ignored: HashSet<String> = self.list(&["--ignored"], cancelled)?.into_iter().collect();
        let tests = all.into_iter().map(|name| {
            let id = TestId::grouped(CARGO, &self.package.name, &self.case(&name));
            let words = [self.program.as_str(), "--exact", &name, "--nocapture"];
            let words = words.map(OsString::from);
            Test {
                cwd: Some(self.directory().into()),
                env: self.environment(),
                timeout: Some(TIMEOUT),
                skip: ignored
                    .contains(&name)
                    .then(|| "it is marked #[ignore]".to_owned()),
                ..Test::new(id, Program::Exec(words.into()), OutputFormat::ExitStatus)
            }
        });
        Ok(tests.collect())
    }

    /// Functions of the library by their path, those of another target behind its name.
    fn case(&self, function: &str) -> String {
        let target = &self.artifact.target;
        let is = |kind: &TargetKind| target.kind.contains(kind);
        if is(&TargetKind::Test) {
            format!("{}::{function}", target.name)
        } else if is(&TargetKind::Bin) {
            format!("bin/{}::{function}", target.name)
        } else if is(&TargetKind::Example) {
            format!("example/{}::{function}", target.name)
        } else if is(&TargetKind::Bench) {
            format!("bench/{}::{function}", target.name)
        } else {
            function.to_owned()
        }
    }

    fn directory(&self) -> &Path {
        let manifest = self.package.manifest_path.as_std_path();
        manifest.parent().expect("a manifest is in a directory")
    }

    /// Runs it on the host to learn its functions (`--list --format terse` of the test harness).
    fn list(&self, further: &[&str], cancelled: &AtomicBool) -> Result<Vec<String>, SuiteError> {
        let mut command = Command::new(self.program);
        command
            .args(["--list", "--format", "terse"])
            .args(further)
            .current_dir(self.directory())
            .envs(self.environment());
        let done = host::run(&mut command, Some(LIST_TIMEOUT), cancelled)?;
        if !done.status.success() {
            return Err(SuiteError::Failed {
                what: format!("listing the test functions of {}", self.program),
                words: done.last_words(SHOWN),
            });
        }
        let text = String::from_utf8_lossy(&done.stdout);
        let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
        Ok(names.map(str::to_owned).collect())
    }

    /// What cargo sets for a test that it starts (The Cargo Book, Environment Variables).
    fn environment(&self) -> Vec<(OsString, OsString)> {
        let package = self.package;
        let version = &package.version;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let path = |path: Option<&Utf8Path>| path.map_or_else(String::new, ToString::to_string);
        let set = |name: &str, value: String| (name.into(), value.into());
        let mut env = vec![
            set("CARGO_MANIFEST_DIR", self.directory().display().to_string()),
            set("CARGO_MANIFEST_PATH", package.manifest_path.to_string()),
            set("CARGO_PKG_AUTHORS", package.authors.join(":")),
            set("CARGO_PKG_DESCRIPTION", text(&package.description)),
            set("CARGO_PKG_HOMEPAGE", text(&package.homepage)),
            set("CARGO_PKG_LICENSE", text(&package.license)),
            set(
                "CARGO_PKG_LICENSE_FILE",
                path(package.license_file.as_deref()),
            ),
            set("CARGO_PKG_NAME", package.name.to_string()),
            set("CARGO_PKG_README", path(package.readme.as_deref())),
            set("CARGO_PKG_REPOSITORY", text(&package.repository)),
            set(
                "CARGO_PKG_RUST_VERSION",
                package
                    .rust_version
                    .as_ref()
                    .map_or_else(String::new, ToString::to_string),
            ),
            set("CARGO_PKG_VERSION", version.to_string()),
            set("CARGO_PKG_VERSION_MAJOR", version.major.to_string()),
            set("CARGO_PKG_VERSION_MINOR", version.minor.to_string()),
            set("CARGO_PKG_VERSION_PATCH", version.patch.to_string()),
            set("CARGO_PKG_VERSION_PRE", version.pre.to_string()),
        ];
        let mut libraries = Vec::new();
        if let Some(deps) = self.program.parent() {
            libraries.push(deps.as_std_path().to_owned());
            libraries.extend(
                deps.parent()
                    .map(|profile| profile.as_std_path().to_owned()),
            );
        }
        libraries.extend(self.libraries.iter().map(Into::into));
        // A path with a colon cannot be named there; the test will say what it misses.
        if let Ok(joined) = std::env::join_paths(libraries) {
            env.push(("LD_LIBRARY_PATH".into(), joined));
        }
        env
    }
}
