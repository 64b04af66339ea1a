//! The machine of a run, as the command line asks for it: what `runner test` and `runner exec` share.

mod packing;

use self::packing::enough;
use super::{
    Failure,
    args::{parse_env, parse_memory, parse_scale, parse_share, parse_some_seconds},
    cpus::{self, CpuArgs},
};
use crate::{
    artifact::{RunDir, sealed_file},
    dispatch::Cancel,
    machine::{
        self, Accelerator, Engine, EngineChoice, MachineSpec, Nesting, ShareSpec, Topology,
        Transport,
    },
    plan::{self, About, Boot, BootMethod, BootWishes, RootTransport},
    session::{PassOn, Settings},
};
use clap::builder::NonEmptyStringValueParser;
use reports::RunInfo;
use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Duration,
};
use suites::{Pattern, Test};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// What to build, and what to show it.
#[derive(Debug, clap::Args)]
pub struct MachineArgs {
    /// Additional module to load before the tests; repeatable
    #[arg(long = "module", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    modules: Vec<String>,
    #[command(flatten)]
    cpus: CpuArgs,
    /// Guest memory: 512M, 2G [default: 1G, with --nested 3G]
    #[arg(long, value_name = "SIZE", value_parser = parse_memory, allow_negative_numbers = true)]
    memory: Option<u64>,
    /// Give the guest hardware virtualization and its /dev/kvm
    #[arg(long)]
    nested: bool,
    /// Time limit from start to the first test
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_some_seconds, allow_negative_numbers = true)]
    boot_timeout: Duration,
    /// Factor on every time limit [default: 1 with KVM, 8 under software emulation or with KSFT_MACHINE_SLOW=yes, more for sanitizer kernels]
    #[arg(long, value_name = "FACTOR", value_parser = parse_scale, allow_negative_numbers = true)]
    timeout_scale: Option<f64>,
    /// What builds the machine: our own KVM monitor, or QEMU; auto takes the former where KVM is healthy
    #[arg(long, value_enum, default_value_t = EngineChoice::Auto)]
    engine: EngineChoice,
    /// Bus of the virtio devices [default: what the kernel's configuration has, PCI before MMIO]
    #[arg(long, value_enum)]
    transport: Option<Transport>,
    /// What of a bzImage the machine loads: the kernel proper, unpacked on the host, or the bzImage itself
    #[arg(long, value_enum, default_value_t = BootMethod::Auto)]
    boot: BootMethod,
    /// Additions to the kernel command line; repeatable
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    append: Vec<String>,
    /// How the guest comes to the host's files: all of them over 9P, or those that the tests need in the initramfs; auto takes
    /// 9P where the kernel has it
    #[arg(long, value_enum, default_value_t = RootTransport::Auto)]
    root_transport: RootTransport,
    /// Host directory that becomes the guest's root, read-only
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Further host directory to show, read-only; repeatable
    #[arg(long = "share", value_name = "HOST=GUEST", value_parser = parse_share)]
    shares: Vec<(PathBuf, PathBuf)>,
    /// Environment of what runs: NAME=VALUE, or NAME for its value here; repeatable
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = parse_env)]
    env: Vec<(OsString, OsString)>,
}

/// What a test may leave in `$RUNNER_ARTIFACTS`.
const ARTIFACTS: wire::ArtifactLimits = wire::ArtifactLimits {
    files: 1000,
    bytes: 256 << 20,
};

/// Options of every 9P mount. The largest message the virtio transport takes (`net/9p/trans_virtio.c`), and a
/// cache that trusts itself: nothing in a share can change from the guest's side.
const MOUNT_OPTIONS: &str = "msize=512000,cache=loose,access=any";

/// Room for `--append` in a kernel command line of 2047 bytes (`COMMAND_LINE_SIZE`), beside our own options and those
/// that name memory-mapped devices.
const MAX_APPEND: usize = 1024;

/// Guest memory unless asked for, in MiB.
const MEMORY: u64 = 1024;

/// The same where machines run inside the machine: what they take is the outer one's.
const MEMORY_NESTED: u64 = 3072;

/// A machine that can be built: everything about it was looked at, and nothing has been made yet.
pub struct Machinery<'a> {
    args: &'a MachineArgs,
    /// What builds it.
    pub engine: Box<dyn Engine>,
    /// Its kernel.
    pub boot: Boot,
    /// Host directory that becomes the root, absolute and without links.
    pub root: PathBuf,
    /// Environment of everything that runs in it.
    pub env: Vec<(OsString, OsString)>,
    /// Options of the kernel command line that the tests need; what `--append` says comes after them and wins.
    pub boot_options: Vec<String>,
    shares: Vec<(PathBuf, PathBuf)>,
    cpus: Topology,
    memory_mib: u64,
    slow: bool,
}

/// How a run treats its tests.
pub struct Rules {
    /// Limit that replaces every test's own, unscaled; zero for none.
    pub timeout: Option<Duration>,
    /// Bytes of each stream of a test that the guest passes on.
    pub output_limit: u64,
    /// Bytes of each stream that are kept in the output directory.
    pub output_kept: u64,
    /// Where output goes as it comes, if not to the reports.
    pub passed_on: Option<PassOn>,
    /// Which splats are no failure of any test.
    pub allowed_splats: Vec<Pattern>,
}

impl MachineArgs {
    /// Looks at everything that a machine takes. `environment` is that of a test unless `--env` says otherwise.
    ///
    /// # Errors
    /// What is wrong with the command line, the host or the kernel.
    pub fn prepare(
        &self,
        kernel: Option<&Path>,
        cwd: &Path,
        environment: &[(OsString, OsString)],
    ) -> Result<Machinery<'_>, Failure> {
        let root = directory(&self.root, "--root")?;
        let shares = self
            .shares
            .iter()
            .map(|(from, to)| {
                can_hold_a_mount(&root, to)?;
                Ok((directory(from, "--share")?, to.clone()))
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        let appended: usize = self.append.iter().map(|words| words.len() + 1).sum();
        if appended > MAX_APPEND {
            return Err(Failure::host(format!(
                "--append holds {appended} bytes, and there is room for {MAX_APPEND}: the kernel takes no more than 2047 with \
                 what it is given anyway"
            )));
        }

        let image = plan::boot_image(kernel, cwd)?;
        let memory_mib = self.memory.unwrap_or(match self.nested {
            true => MEMORY_NESTED,
            false => MEMORY,
        });
        let engine = machine::choose(self.engine).map_err(|e| Failure::host(e.to_string()))?;
        let unasked = cpus::unasked(self.nested, engine.accelerator());
        let cpus = self.cpus.topology(unasked, memory_mib);
        let cpus = cpus.map_err(Failure::host)?;
        let nesting = match self.nested {
            true => Some(Nesting::find(engine.as_ref()).map_err(|e| Failure::host(e.to_string()))?),
            false => None,
        };
        let slow = is_slow(engine.accelerator(), std::env::var_os(SLOW).as_deref());
        let unpack = match self.boot {
            BootMethod::Auto => slow || engine.boots().unpacked,
            BootMethod::Bzimage => false,
            BootMethod::Vmlinux => true,
        };
        let boot = Boot::prepare(
            image,
            &BootWishes {
                modules: &self.modules,
                transport: self.transport,
                unpack,
                acpi: machine::leaves_acpi_on(&self.append),
                nesting,
                root: self.root_transport,
            },
            engine.boots(),
            cache_dir().as_deref(),
        )?;
        // Before anything is built or an earlier result makes way.
        enough(memory_mib, &boot)?;
        let mut env: Vec<_> = environment
            .iter()
            .filter(|(name, _)| !self.env.iter().any(|(other, _)| other == name))
            .cloned()
            .collect();
        if slow && !self.env.iter().any(|(name, _)| name == SLOW) {
            env.push((SLOW.into(), "yes".into()));
        }
        env.extend_from_slice(&self.env);
        Ok(Machinery {
            args: self,
            engine,
            boot,
            root,
            env,
            boot_options: Vec::new(),
            shares,
            cpus,
            memory_mib,
            slow,
        })
    }
}

impl Machinery<'_> {
    /// What is known of the kernel, for the selection of tests.
    pub fn about(&self) -> About<'_> {
        About {
            path: Some(&self.boot.image.path),
            image: Some(&self.boot.image),
            release: Some(&self.boot.image.release),
            config: self.boot.config.as_ref(),
            modules: self.boot.modules.as_ref(),
            accelerator: Some(self.engine.accelerator().as_str()),
            time_factor: Some(self.scale()),
        }
    }

    /// Where a command stands: in the directory that we stand in, if the guest has it.
    fn cwd<'a>(&self, cwd: &'a Path) -> &'a Path {
        match self.root == Path::new("/") {
            true => cwd,
            false => Path::new("/"),
        }
    }

    /// What `smoke:root-equal` compares, if it is among the tests.
    fn known_files(&self, tests: &[Test]) -> Vec<String> {
        let compares = |test: &Test| test.id.suite == "smoke" && test.id.case == "root-equal";
        match tests.iter().any(compares) {
            true => plan::known_files(&self.root),
            false => Vec::new(),
        }
    }

    /// Factor on every time limit.
    fn scale(&self) -> f64 {
        let accelerator = match self.slow {
            true => Accelerator::Tcg,
            false => self.engine.accelerator(),
        };
        self.args
            .timeout_scale
            .unwrap_or_else(|| accelerator.timeout_scale() * self.boot.slowness)
    }

    /// Time from start to the first test, unscaled.
    fn boot_timeout(&self) -> Duration {
        match self.boot_options.is_empty() {
            true => self.args.boot_timeout,
            false => self.args.boot_timeout + TESTS_AT_BOOT,
        }
    }

    /// What the reports say of a run of `tests` that starts `now`.
    pub fn info(&self, tests: &[Test], now: OffsetDateTime) -> Box<RunInfo> {
        Box::new(RunInfo {
            version: env!("CARGO_PKG_VERSION").into(),
            started: now
                .format(&Rfc3339)
                .expect("a UTC time has an RFC 3339 form"),
            command: std::env::args_os()
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
            kernel: self.boot.image.path.display().to_string(),
            release: self.boot.image.release.clone(),
            boot: self.boot.method().into(),
            engine: self.engine.name().into(),
            accelerator: self.engine.accelerator().as_str().into(),
            engine_reason: self.engine.reason().into(),
            cpus: self.cpus.count(),
            memory_mib: self.memory_mib,
            timeout_scale: self.scale(),
            jobs: 1,
            repeat: 1,
            retries: 0,
            shard: None,
            tests: tests.iter().map(|test| test.id.clone()).collect(),
        })
    }

    /// What a person should know before it starts.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let advice = self.engine.advice().map(|advice| {
            format!("without KVM everything takes about ten times as long: {advice}")
        });
        advice.into_iter().chain(self.boot.warning.clone())
    }

    /// What every machine of a run of `tests` gets; `further` are shares that the tests need.
    ///
    /// # Errors
    /// When the host has no memory or descriptors for it.
    pub fn settings(
        &self,
        tests: &[Test],
        further: &[(PathBuf, PathBuf)],
        cwd: &Path,
        rules: Rules,
        run_dir: &RunDir,
        cancel: &Cancel,
    ) -> Result<Settings, Failure> {
        let args = self.args;
        let scale = self.scale();
        let in_memory = host("keep the kernel in memory");
        let content = self.boot.loaded().content().map_err(&in_memory)?;
        let kernel = sealed_file("kernel", content).map_err(&in_memory)?;
        let initramfs =
            sealed_file("initramfs", self.boot.initramfs.as_slice()).map_err(&in_memory)?;

        let mut specs = Vec::new();
        let mut setup = wire::Setup {
            hostname: "runner".into(),
            packed: !self.boot.shared,
            mount_options: MOUNT_OPTIONS.into(),
            shares: Vec::new(),
            hold_kvm: args.nested && self.engine.accelerator() == Accelerator::Tcg,
        };
        let shares = self.shares.iter().chain(further).enumerate();
        if self.boot.shared {
            specs.push(ShareSpec {
                tag: wire::ROOT_TAG.into(),
                path: self.root.clone(),
            });
        }
        for (i, (from, to)) in shares.filter(|_| self.boot.shared) {
            let tag = format!("runner.{i}");
            setup.shares.push(wire::Share {
                tag: tag.clone(),
                path: to.as_os_str().as_bytes().to_vec(),
            });
            specs.push(ShareSpec {
                tag,
                path: from.clone(),
            });
        }
        Ok(Settings {
            spec: MachineSpec {
                kernel,
                initramfs,
                append: [&self.boot.options()[..], &args.append].concat(),
                cpus: self.cpus,
                memory_mib: self.memory_mib,
                transport: self.boot.transport,
                acpi: self.boot.acpi,
                shares: specs,
                nested: args.nested,
                start_kernel: None,
            },
            boot_options: self.boot_options.clone(),
            setup,
            env: self.env.clone(),
            cwd: self.cwd(cwd).into(),
            known_files: self.known_files(tests),
            scale,
            boot_timeout: self.boot_timeout().mul_f64(scale),
            timeout: rules.timeout,
            output_limit: rules.output_limit,
            output_kept: rules.output_kept,
            passed_on: rules.passed_on,
            artifacts: ARTIFACTS,
            measured: false,
            run_dir: run_dir.path().into(),
            allowed_splats: rules.allowed_splats,
            debug_info: plan::debug_info(&self.boot.image),
            symbols: plan::names(self.boot.loaded()),
            cancel: cancel.fd().map_err(host("watch for signals"))?,
        })
    }
}

/// What tests that the kernel runs while it boots may take: the limit of one case of KUnit's (`lib/kunit/try-catch.c`).
const TESTS_AT_BOOT: Duration = Duration::from_secs(300);

/// By which selftests know that they must not measure (`tools/testing/selftests/net/lib.sh` and others).
const SLOW: &str = "KSFT_MACHINE_SLOW";

/// Whether guest code runs slowly: emulated here, or on a KVM whose own processor is emulated, as a machine of ours under
/// emulation says to everything in it. `said` is the value of [`SLOW`] in our environment.
fn is_slow(accelerator: Accelerator, said: Option<&OsStr>) -> bool {
    accelerator == Accelerator::Tcg || said.is_some_and(|value| value == "yes")
}

/// The environment of every test: small and the same on every host.
pub fn base_environment() -> Vec<(OsString, OsString)> {
    let base = [
        (
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ),
        ("HOME", "/root"),
        ("USER", "root"),
        ("LOGNAME", "root"),
        ("SHELL", "/bin/sh"),
        ("TERM", "dumb"),
        ("LANG", "C.UTF-8"),
    ];
    base.into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// Refuses a place for a share that could not be made, a file or something below one.
fn can_hold_a_mount(root: &Path, guest: &Path) -> Result<(), Failure> {
    let below = guest.strip_prefix("/").unwrap_or(guest);
    let in_the_way = below
        .ancestors()
        .map(|part| root.join(part))
        .find(|path| path.exists() && !path.is_dir());
    match in_the_way {
        None => Ok(()),
        Some(file) => Err(Failure::host(format!(
            "--share to {}: {} is not a directory; name another place",
            guest.display(),
            file.display()
        ))),
    }
}

/// A host directory named by the user, absolute and without links.
fn directory(path: &Path, option: &str) -> Result<PathBuf, Failure> {
    let full = path
        .canonicalize()
        .map_err(|e| Failure::host(format!("{option} {}: {e}", path.display())))?;
    if full.is_dir() {
        Ok(full)
    } else {
        Err(Failure::host(format!(
            "{option} {}: it is not a directory",
            path.display()
        )))
    }
}

/// Where things worth keeping between runs go, by the XDG base directory specification.
pub fn cache_dir() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".cache")))
        .map(|base| base.join("runner"))
}

/// Wraps the system's reason for not being able to do something.
pub fn host(action: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::host(format!("cannot {action}: {error}"))
}

impl Settings {
    /// What a smoke check compares with.
    pub fn smoke_params(&self, check: &str) -> Vec<String> {
        match check {
            "cpus" => vec![format!("cpus={}", self.spec.cpus.count())],
            "memory" => vec![format!("memory_kib={}", self.spec.memory_mib * 1024)],
            "root-equal" => self
                .known_files
                .iter()
                .map(|file| format!("file={file}"))
                .collect(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kvm_is_fast_unless_its_own_machine_is_emulated() {
        assert!(is_slow(Accelerator::Tcg, None));
        assert!(!is_slow(Accelerator::Kvm, None));
        assert!(is_slow(Accelerator::Kvm, Some("yes".as_ref())));
        assert!(!is_slow(Accelerator::Kvm, Some("no".as_ref())));
    }
}
